"""Golden scripts: SQL in a text file, with the output that it must give.

A file `*.sql-test` is a sequence of blocks with blank lines between them:

    # A comment: what the block shows.
    INSERT INTO t VALUES (?, ?); (1, 'one')
    t2: SELECT * FROM t;
    ---
    1 row
    t2: a | b
    t2: 1 | 'one'

Above `---` stand statements, each from the start of a line to a `;` at the end of one; behind that `;` may stand parameters as a Python
tuple or dict, or a list of them for executemany. Below it stands the output. `name:` in front picks a session (a connection of its own,
opened when first named, autocommitting until BEGIN). Tags in front of a statement change what is shown:

    [plan]      the plan instead of the result          [types]     the result's column types above its rows
    [sorted]    the rows sorted as text                 [quiet]     errors and nothing else

and lines beginning with `!` are orders to the runner: `!reopen` closes all sessions and opens the database again, `!replay` does so after
deleting everything but its log, `!close t2` closes one session.

`python -m pytest tests/scripts --rewrite` writes the output that it sees into the files, for a person to review.
"""

from __future__ import annotations

import ast
import datetime
import decimal
import re
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import eventdb

_STATEMENT = re.compile(r"(?P<tags>(?:\[\w+\]\s*)*)(?:(?P<session>[a-z]\w*):\s+)?(?P<tags2>(?:\[\w+\]\s*)*)(?P<text>.*)", re.DOTALL)
_END = re.compile(r";\s*(?P<parameters>[(\[{].*[)\]}])?\s*$")
_NAMES = {"datetime": datetime, "Decimal": decimal.Decimal, "UUID": uuid.UUID, "nan": float("nan"), "inf": float("inf")}


@dataclass(frozen=True)
class Command:
    """One statement (or order, with its `!`) of a block."""

    session: str
    tags: frozenset[str]
    text: str
    parameters: Any = None


@dataclass(frozen=True)
class Block:
    """`input` and `output` as they stand in the file, `line` the number of the first line."""

    line: int
    input: str
    output: str


def read_blocks(text: str) -> list[Block]:
    blocks = []
    for part in re.finditer(r"(?:[^\n]+\n)+", text + "\n"):
        above, marker, below = part.group().partition("\n---\n")
        if not marker and part.group().rstrip("\n").endswith("\n---"):
            above, below = part.group().rstrip("\n").removesuffix("\n---"), ""
        blocks.append(Block(text.count("\n", 0, part.start()) + 1, above.rstrip("\n"), below.rstrip("\n")))
    return blocks


def read_commands(block: Block) -> list[Command]:
    commands, gathered = [], ""
    for line in block.input.splitlines():
        if not gathered and line.startswith("#"):
            continue
        if not gathered and line.startswith("!"):
            commands.append(Command("", frozenset(), line))
            continue
        gathered = f"{gathered}\n{line}" if gathered else line
        if end := _END.search(gathered):
            commands.append(_command(gathered[: end.start()], end["parameters"]))
            gathered = ""
    if gathered:
        raise ValueError(f"line {block.line}: a statement without ';' at the end of a line: {gathered!r}")
    return commands


def _command(text: str, parameters: str | None) -> Command:
    found = _STATEMENT.fullmatch(text)
    assert found is not None
    tags = frozenset(re.findall(r"\w+", found["tags"] + found["tags2"]))
    if unknown := tags - {"plan", "types", "sorted", "quiet"}:
        raise ValueError(f"unknown tag {', '.join(sorted(unknown))}")
    values = None
    if parameters is not None:
        values = eval(compile(ast.parse(parameters, mode="eval"), "parameters", "eval"), dict(_NAMES))
    return Command(found["session"] or "", tags, found["text"], values)


class Runner:
    """Runs the blocks of one file against a database of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sessions: dict[str, eventdb.Connection] = {}

    def run(self, block: Block) -> str:
        lines = []
        for command in read_commands(block):
            shown = self._order(command.text) if command.text.startswith("!") else self._execute(command)
            prefix = f"{command.session}: " if command.session else ""
            lines += [prefix + line for line in shown]
        return "\n".join(lines)

    def close(self) -> None:
        for connection in self.sessions.values():
            connection.close()
        self.sessions.clear()

    def replay(self) -> None:
        """Close, and forget everything but the log."""
        self.close()
        for entry in self.path.iterdir():
            if entry.name != "log":
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def session(self, name: str) -> eventdb.Connection:
        if name not in self.sessions:
            self.sessions[name] = eventdb.connect(str(self.path), autocommit=True, durability="none")
        return self.sessions[name]

    def _order(self, text: str) -> list[str]:
        word, *arguments = text[1:].split()
        if word == "reopen":
            self.close()
        elif word == "replay":
            self.replay()
        elif word == "close":
            self.sessions.pop(arguments[0]).close()
        else:
            raise ValueError(f"unknown order {text}")
        return []

    def _execute(self, command: Command) -> list[str]:
        cursor = self.session(command.session).cursor()
        text = f"EXPLAIN {command.text}" if "plan" in command.tags else command.text
        try:
            if isinstance(command.parameters, list):
                cursor.executemany(text, command.parameters)
            elif command.parameters is not None:
                cursor.execute(text, command.parameters)
            else:
                cursor.execute(text)
            rows = cursor.fetchall() if cursor.description is not None else None
        except eventdb.Error as error:
            return f"{type(error).__name__} {error.sqlstate}: {error}".splitlines()
        if "quiet" in command.tags:
            return []
        if rows is None:
            return [_count(cursor.rowcount)]
        if "plan" in command.tags:
            return [line for (text,) in rows for line in str(text).splitlines()]
        lines = [" | ".join(show(value) for value in row) for row in rows]
        if "sorted" in command.tags:
            lines.sort()
        head = [" | ".join(column[0] for column in cursor.description)]
        if "types" in command.tags:
            head.append(" | ".join(type_name(column[1]) for column in cursor.description))
        return [*head, *(lines or ["(no rows)"])]


def _count(rowcount: int) -> str:
    if rowcount < 0:
        return "ok"
    return "1 row" if rowcount == 1 else f"{rowcount} rows"


def type_name(datatype: Any) -> str:
    return str(datatype)


def show(value: Any) -> str:
    """A value as a script shows it: text in quotes, everything else as SQL writes it."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "TRUE" if value else "FALSE"
        case str():
            return repr(value)
        case bytes():
            return f"X'{value.hex()}'"
        case decimal.Decimal():
            return format(value, "f") if value.is_finite() else str(value)
        case int() | float() | datetime.date() | datetime.time() | uuid.UUID():
            return str(value)
        case _:
            return repr(value)


def rewritten(text: str, outputs: list[str]) -> str:
    """The file's text with new outputs; comments and layout stay."""
    blocks = read_blocks(text)
    parts = []
    for block, output in zip(blocks, outputs, strict=True):
        if not read_commands(block):
            parts.append(block.input)
        else:
            parts.append(f"{block.input}\n---\n{output}".rstrip("\n"))
    return "\n\n".join(parts) + "\n"
