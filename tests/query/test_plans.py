"""Golden plans: for each query the plan as written, the plan after the rewrite rules, and its rows, which must be the same either way.

Files `plans/*.plan-test` hold blocks with blank lines between them: a comment that says what the block shows, a query (parameters as a
Python tuple may stand behind its `;`, the tag [code] in front asks for the generated function too), and below `---` what was seen.
`python -m pytest tests/query --rewrite` writes that, for a person to review. The first block of a file makes its tables.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import eventdb
from eventdb.sql.compiler import prepare

FILES = sorted((Path(__file__).parent / "plans").glob("*.plan-test"))
_STATEMENT = re.compile(r"(?P<code>\[code\]\s*)?(?P<text>.*);\s*(?P<parameters>\(.*\))?\s*$", re.DOTALL)


@contextmanager
def rules_off() -> Iterator[None]:
    """Queries are prepared as they were written."""
    real = prepare.planned
    prepare.planned = lambda bound, context, optimise=True: real(bound, context, False)  # type: ignore[assignment]
    try:
        yield
    finally:
        prepare.planned = real


def lines_of(connection: Any, text: str, parameters: tuple[Any, ...] = ()) -> list[str]:
    return [row[0] for row in connection.execute(text, parameters)]


def rows_of(connection: Any, text: str, parameters: tuple[Any, ...]) -> list[str]:
    try:
        return [" | ".join("NULL" if v is None else str(v) for v in row) for row in connection.execute(text, parameters)]
    except eventdb.Error as error:
        return [f"{type(error).__name__}: {line}" if i == 0 else line for i, line in enumerate(str(error).splitlines())]


def seen(connection: Any, statement: str) -> str:
    """What a block's query gives: plans, code, rows."""
    match = _STATEMENT.match(statement)
    assert match is not None, statement
    text = match["text"]
    parameters = eval(match["parameters"], {"nan": math.nan}) if match["parameters"] else ()
    rows = rows_of(connection, text, parameters)
    with rules_off():
        plain = rows_of(connection, text + "\n", parameters)
        if "Error: " in plain[:1]:
            return "\n".join(rows)
        written = lines_of(connection, "explain\n" + text, parameters) if not _failed(rows) else []
    key = (lambda r: r) if re.search("order by[^)]*$", text, re.IGNORECASE) else sorted
    assert key(rows) == key(plain), f"other rows with the rules off: {text}"
    if _failed(rows):
        return "\n".join(rows)
    output = ["written:", *written, "rewritten:", *lines_of(connection, "explain " + text, parameters)]
    if match["code"]:
        output += ["code:", *lines_of(connection, "explain (code) " + text, parameters)]
    return "\n".join([*output, "rows:", *rows])


def _failed(rows: list[str]) -> bool:
    return bool(rows) and re.match(r"[A-Z]\w+: ", rows[0]) is not None


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("#"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_plans(file: Path, request: pytest.FixtureRequest) -> None:
    """Every query has the plan that the file says, and the same rows with and without rules."""
    blocks = re.split(r"\n\n+", file.read_text(encoding="utf-8").strip())
    connection = eventdb.connect(":memory:", autocommit=True)
    try:
        connection.cursor().executescript(_without_comments(blocks[0]))
        found = [blocks[0]]
        for block in blocks[1:]:
            head = block.partition("\n---")[0]
            found.append(f"{head}\n---\n{seen(connection, _without_comments(head))}")
    finally:
        connection.close()
    if request.config.getoption("--rewrite"):
        file.write_text("\n\n".join(found) + "\n", encoding="utf-8")
    else:
        for old, new in zip(blocks, found, strict=True):
            assert old == new
