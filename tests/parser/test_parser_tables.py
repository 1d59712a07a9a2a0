"""The grammar itself, and the cache of its tables."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eventdb import errors
from eventdb.sql.parser import tables
from eventdb.sql.parser.keywords import FUNCTION_WORDS, KEYWORDS, LOOK_AHEAD, NAME_WORDS, RESERVED
from eventdb.sql.parser.lexer import LexicalRules
from eventdb.sql.parser.lookahead import _RULES
from eventdb.sql.parser.parser import PRECEDENCE, START, Grammar


@pytest.fixture(scope="module")
def built() -> tables.Built:
    return tables.build(Grammar, PRECEDENCE, START)


@pytest.fixture
def user_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place for tables: a user's cache directory that is empty."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(tables, "PACKAGE_FILE", "absent.tables")
    return tmp_path / "eventdb"


def test_grammar_has_no_conflicts(built: tables.Built) -> None:
    """LALR(1) without a single unresolved conflict, unused precedence, or unreachable symbol."""
    assert built.shift_reduce_conflicts == []
    assert built.reduce_reduce_conflicts == []
    assert built.complaints == []


def test_keywords_are_the_words_of_the_grammar(built: tables.Built) -> None:
    """Every keyword is a terminal or settled by look-ahead, every other terminal is a kind of token."""
    words = set(KEYWORDS.values())
    kinds = {
        "AT_TIME_ZONE", "BLOB", "COMPARISON", "EXPRESSION_START", "FIELD_TO", "FOR_SYSTEM_TIME", "GROUPING_SETS", "IDENTIFIER", "INTEGER",
        "KEYWORD", "NILADIC", "NOT_DEFERRABLE", "NOT_LA", "NUMBER", "ON_CONFLICT", "OPERATOR", "PARAMETER", "ROW_LA", "STRING", "TYPECAST",
        "TYPE_WORDS", "UNARY", "WITHOUT_TIME_ZONE", "WITH_DATA", "WITH_NO_DATA", "WITH_ORDINALITY", "WITH_TIES", "WITH_TIME_ZONE",
    }  # fmt: skip
    assert {t for t in built.terminals if t[0].isalpha()} - words == kinds
    assert words - built.terminals == {"AT", "GROUPING", "WITHOUT"}
    assert len(words) == len(RESERVED) + len(FUNCTION_WORDS) + len(NAME_WORDS)
    assert set(_RULES) == LOOK_AHEAD


def test_lexer_rules_are_valid() -> None:
    """PLY's own validation of the token rules, which is skipped at run time, finds nothing."""
    from ply import lex

    reflected = lex.LexerReflect({name: getattr(LexicalRules, name) for name in dir(LexicalRules)}, log=lex.NullLogger())
    reflected.get_all()
    assert not reflected.error


@pytest.mark.parametrize("text", [
    "SELECT a.b, 'it''s' 'x'\n'y', 1.5e3, .5, 0x1F, \"Q\"\"q\" FROM t -- end\nWHERE x>=? AND y::text != :name",
    "/* a /* b */ c */ SELECT e'\\n\\u0041', x'0aFF' || $q$ it's $q$, a->>'b', a <= b % 2 ~* 'x', ümlaut, `",
    "SELECT 'open", "SELECT 12ab", "a == b", "é\u00a0x", "", "   ",
])  # fmt: skip
def test_tokens_are_those_of_plys_lexer(text: str) -> None:
    """The loop that runs the rules gives what PLY's does, errors too."""
    from ply import lex

    from eventdb.sql.parser.lexer import _Lexer

    lexer = lex.lex(object=LexicalRules(), optimize=True, lextab="", reflags=int(re.UNICODE), errorlog=lex.NullLogger())
    lexer.input(text)

    def told(tokens: Iterator[Any]) -> list[Any]:
        found: list[Any] = []
        try:
            found += [(token.type, token.value, token.lexpos) for token in tokens]
        except errors.Error as error:
            found.append((str(error), error.position))
        return found

    assert told(iter(_Lexer(text))) == told(iter(lexer))


def test_tables_survive_the_file(built: tables.Built) -> None:
    """What is written is what is read."""
    assert tables.load(tables.dump(built.tables, "name"), "name") == built.tables


def test_damaged_content_is_no_tables(built: tables.Built) -> None:
    """A file of another grammar, cut, or with a flipped bit counts as missing."""
    content = tables.dump(built.tables, "name")
    assert tables.load(content, "other") is None
    for damaged in (b"", content[:30], content[:-1], content[:1000] + bytes([content[1000] ^ 1]) + content[1001:], content + b"x"):
        assert tables.load(damaged, "name") is None


def test_cold_start_writes_and_warm_start_reads(user_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first use writes one file and nothing else; the next use builds nothing."""
    first = tables.get(Grammar, PRECEDENCE, START)
    (file,) = user_cache.iterdir()
    assert file.name == f"grammar-{tables.signature(Grammar, PRECEDENCE)}.tables"
    monkeypatch.setattr(tables, "build", lambda *_: pytest.fail("built again"))
    assert tables.get(Grammar, PRECEDENCE, START) == first


def test_corrupt_cache_is_rebuilt(user_cache: Path) -> None:
    """A damaged file is replaced by a sound one."""
    first = tables.get(Grammar, PRECEDENCE, START)
    (file,) = user_cache.iterdir()
    sound = file.read_bytes()
    file.write_bytes(sound[:5000])
    assert tables.get(Grammar, PRECEDENCE, START) == first
    assert file.read_bytes() == sound


def test_nothing_writable_still_works(user_cache: Path) -> None:
    """Where no directory takes the file, tables live in memory."""
    user_cache.parent.joinpath("eventdb").write_text("a file in the way")
    assert tables.get(Grammar, PRECEDENCE, START).productions


def test_package_file_comes_first(user_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a build wrote is used before anything else, and nothing more is written."""
    path = tables.write_package_file(Grammar, PRECEDENCE, START, tmp_path)
    monkeypatch.setattr(tables, "places", lambda name: [path, user_cache / "x"])
    monkeypatch.setattr(tables, "build", lambda *_: pytest.fail("built again"))
    tables.get(Grammar, PRECEDENCE, START)
    assert not user_cache.exists()


def test_signature_follows_the_grammar() -> None:
    """Another production or precedence gives another name."""

    class More(Grammar):
        def p_more(self, p: object) -> None:
            """start : CHECKPOINT CHECKPOINT"""

    names = {tables.signature(Grammar, PRECEDENCE), tables.signature(More, PRECEDENCE), tables.signature(Grammar, PRECEDENCE[1:])}
    assert len(names) == 3


def run(*options: str, environment: dict[str, str], code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *options, "-c", code], capture_output=True, text=True, env={**os.environ, **environment})


def test_process_leaves_no_droppings(tmp_path: Path) -> None:
    """A fresh process that parses says nothing, and writes its cache file only."""
    environment = {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    code = "import os, sys; os.chdir(sys.argv[1]) if sys.argv[1:] else None; import eventdb.sql.parser as p; p.parse('SELECT 1')"
    done = run("-W", "error", environment=environment, code=code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    package = Path(tables.__file__).parent
    assert not [path for path in package.iterdir() if path.name in ("parser.out", "parsetab.py", "lextab.py")]
    assert not Path("parser.out").exists()


def test_import_loads_no_grammar() -> None:
    """Importing the package loads neither PLY nor the syntax tree."""
    code = "import sys, eventdb.sql.parser; print([m for m in sys.modules if m.startswith('ply') or m.endswith('parser.ast')])"
    assert run(environment={}, code=f"import types, sys, pathlib; {STUB}; {code}").stdout.strip() == "[]"


STUB = (
    "root = pathlib.Path(r'" + str(Path(errors.__file__).parent) + "'); "
    "[sys.modules.setdefault(n, types.ModuleType(n)).__dict__.update(__path__=[str(root.joinpath(*n.split('.')[1:]))])"
    " for n in ('eventdb', 'eventdb.sql')]"
)
"""Packages without their own imports, so that only the parser's count."""


def test_python_without_docstrings_is_told() -> None:
    """Under -OO the grammar is gone: the error says so."""
    code = (
        f"import types, sys, pathlib; {STUB}\nimport eventdb.sql.parser as p\n"
        "from eventdb.errors import InternalError\n"
        "try: p.parse('SELECT 1')\nexcept InternalError as e: print(e)"
    )
    assert "-OO" in run("-OO", environment={"PYTHONDONTWRITEBYTECODE": "1"}, code=code).stdout
