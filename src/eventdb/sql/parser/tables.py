"""The LALR tables: made by PLY from the grammar's docstrings, kept in a cache, loaded at the first parse.

Building takes half a second, loading milliseconds. A table file is named by a hash over the grammar (productions, precedence, PLY's
version), so a file can be missing but never wrong; its content carries a checksum, so a damaged one counts as missing. Places, in order:

1. `grammar.tables` in this package, written when a wheel is built (see `write_package_file`);
2. `__pycache__` of this package, written at first use, unless Python was told to write no bytecode;
3. the user's cache directory, when 2 cannot be written;
4. nowhere: tables built in memory serve this process.

States are kept packed one by one and unpacked when a parser first comes to them: a process meets a tenth of them.

Not done: PLY's own parsetab.py and parser.out, which need a writable directory and an import that executes them.
"""

from __future__ import annotations

import contextlib
import hashlib
import marshal
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from eventdb import errors

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 2
PACKAGE_FILE = "grammar.tables"
_MAGIC = b"eventdb LALR tables\n"

Precedence = tuple[tuple[str, ...], ...]


class States(dict[int, dict[str, int]]):
    """What holds in each state, by its number: a symbol's meaning. `packed` has the states that are not yet looked at."""

    def __init__(self, packed: Sequence[bytes]) -> None:
        self.packed = packed

    @classmethod
    def of(cls, states: Sequence[dict[str, int]]) -> States:
        return cls([marshal.dumps(dict(sorted(state.items())), 2) for state in states])

    def __missing__(self, state: int) -> dict[str, int]:
        meaning: dict[str, int] = marshal.loads(self.packed[state])
        self[state] = meaning
        return meaning

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.packed)))

    def __len__(self) -> int:
        return len(self.packed)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, States) and self.packed == other.packed

    __hash__ = None


class Tables(NamedTuple):
    """An LALR automaton.

    `actions[state][terminal]`: n > 0 shift and go to state n, n < 0 reduce by production -n, 0 accept. `gotos[state][nonterminal]`:
    a state. `productions[n]`: (nonterminal, number of symbols, name of the action).
    """

    actions: States
    gotos: States
    productions: list[tuple[str, int, str]]


class Built(NamedTuple):
    """What PLY says about a grammar: its tables, and what a test asks for."""

    tables: Tables
    terminals: frozenset[str]
    shift_reduce_conflicts: list[Any]
    reduce_reduce_conflicts: list[Any]
    complaints: list[str]


def no_docstrings() -> errors.InternalError:
    """The error for a grammar, or token rules, whose docstrings Python has dropped."""
    message = "the SQL grammar is not available: Python runs without docstrings"
    return errors.InternalError(message, hint="Start Python without the option -OO.")


def rules(grammar: type) -> list[tuple[str, str]]:
    """(name, docstring) of every action of a grammar class. Raises InternalError where Python has dropped the docstrings."""
    found = []
    for name in sorted(dir(grammar)):
        if name.startswith("p_"):
            text = getattr(grammar, name).__doc__
            if not text:
                raise no_docstrings()
            found.append((name, text))
    return found


def signature(grammar: type, precedence: Precedence) -> str:
    """The hash that names the tables of a grammar."""
    import ply

    content = repr((FORMAT, ply.__version__, precedence, rules(grammar)))
    return hashlib.sha256(content.encode()).hexdigest()[:24]


def build(grammar: type, precedence: Precedence, start: str) -> Built:
    """Make the tables with PLY's generator. Raises InternalError for a grammar with undefined or endless symbols."""
    from ply import yacc

    productions = [
        (function, production)
        for function, text in rules(grammar)
        for production in yacc.parse_grammar(text, function, 0)
    ]
    nonterminals = {name for _, (_, _, name, _) in productions}
    symbols = {s for _, (_, _, _, right) in productions for s in right}
    terminals = {s for s in symbols - nonterminals if s[0] not in "'\"%"}
    plain = yacc.Grammar(sorted(terminals))
    for level, (associativity, *names) in enumerate(precedence, 1):
        for name in names:
            plain.set_precedence(name, associativity, level)
    for line, (function, (_, _, name, right)) in enumerate(productions):
        plain.add_production(name, list(right), function, function, line)
    plain.set_start(start)
    complaints = [f"undefined symbol {symbol}" for symbol, _ in plain.undefined_symbols()]
    complaints += [f"unreachable symbol {symbol}" for symbol in plain.find_unreachable()]
    complaints += [f"endless symbol {symbol}" for symbol in plain.infinite_cycles()]
    complaints += [f"unused precedence {symbol}" for symbol, _ in plain.unused_precedence()]
    if any(not c.startswith("un") or c.startswith("undefined") for c in complaints):
        raise errors.InternalError(f"the SQL grammar is wrong: {', '.join(complaints)}")
    made = yacc.LRGeneratedTable(plain, "LALR", None)
    states = len(made.lr_action)
    tables = Tables(
        # A nonassociative operator leaves None: an error, as is a missing entry.
        States.of([{t: n for t, n in made.lr_action[s].items() if n is not None} for s in range(states)]),
        States.of([dict(made.lr_goto[s]) for s in range(states)]),
        [(p.name, p.len, p.func or "") for p in made.lr_productions],
    )
    return Built(tables, frozenset(plain.Terminals) - {"error"}, made.sr_conflicts, made.rr_conflicts, complaints)


def dump(tables: Tables, name: str) -> bytes:
    """Tables as the content of a file: magic, signature, checksum, marshal."""
    content: Any = (tables.actions.packed, tables.gotos.packed, tables.productions)
    payload = marshal.dumps(content, 2)
    return b"".join((_MAGIC, name.encode(), b"\n", hashlib.sha256(payload).digest(), payload))


def load(content: bytes, name: str) -> Tables | None:
    """Tables from the content of a file; None if it is damaged or of another grammar."""
    head = _MAGIC + name.encode() + b"\n"
    if not content.startswith(head):
        return None
    digest, payload = content[len(head) : len(head) + 32], content[len(head) + 32 :]
    if hashlib.sha256(payload).digest() != digest:
        return None
    actions, gotos, productions = marshal.loads(payload)
    return Tables(States(actions), States(gotos), productions)


def _user_directory() -> str | None:
    """The user's cache directory for eventdb; None where the user has no home."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        return os.path.join(base, "eventdb", "Cache") if base else None
    base = os.environ.get("XDG_CACHE_HOME")
    if sys.platform != "darwin" and base and os.path.isabs(base):
        return os.path.join(base, "eventdb")
    home = os.path.expanduser("~")
    if home == "~":
        return None
    return os.path.join(home, *(("Library", "Caches") if sys.platform == "darwin" else (".cache",)), "eventdb")


def places(name: str) -> Sequence[str | Path]:
    """The files in which the tables of a signature may be, in order of preference; the first is not written at first use."""
    package = os.path.dirname(__file__)  # no pathlib: it loads a dozen modules
    file_name = f"grammar-{name}.tables"
    found = [os.path.join(package, PACKAGE_FILE)]
    if not sys.dont_write_bytecode:
        found.append(os.path.join(package, "__pycache__", file_name))
    user = _user_directory()
    if user is not None:
        found.append(os.path.join(user, file_name))
    return found


def write(place: str | Path, content: bytes) -> bool:
    """Write a file whole or not at all; False if it cannot be written. Tables of other grammars beside it are removed."""
    import tempfile
    from pathlib import Path

    path = Path(place)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".grammar-")
    except OSError:
        return False
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        return False
    if path.parent.name == "__pycache__":
        for old in path.parent.glob("grammar-*.tables"):
            if old != path:
                with contextlib.suppress(OSError):
                    old.unlink()
    return True


def get(grammar: type, precedence: Precedence, start: str) -> Tables:
    """The tables of a grammar: from the first place that has them, else built, and written to the first place that takes them."""
    name = signature(grammar, precedence)
    candidates = places(name)
    for path in candidates:
        with contextlib.suppress(OSError):
            with open(path, "rb") as file:
                tables = load(file.read(), name)
            if tables is not None:
                return tables
    tables = build(grammar, precedence, start).tables
    content = dump(tables, name)
    for path in candidates[1:]:
        if write(path, content):
            break
    return tables


def write_package_file(grammar: type, precedence: Precedence, start: str, directory: Path) -> Path:
    """Write the tables as package data into `directory`, for the build of a wheel. Returns the file."""
    path = directory / PACKAGE_FILE
    content = dump(build(grammar, precedence, start).tables, signature(grammar, precedence))
    if not write(path, content):
        raise errors.IOFailure(f"cannot write {path}")
    return path
