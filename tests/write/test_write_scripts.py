"""Scripts of statements with what each one gives. `EVENTDB_ACCEPT=1` writes what was given into the files, for review."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import eventdb

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.sql"))


def outcome(cursor: Any, statement: str, rows: Any) -> list[str]:
    """What a statement gave: its count, its rows, or its error with detail."""
    if statement.startswith("ROWS "):
        return [repr(row) for row in rows(cursor.connection, statement[5:].rstrip(";"))]
    try:
        cursor.execute(statement)
    except eventdb.Error as error:
        if isinstance(error, eventdb.InternalError):
            raise
        lines = [f"{type(error).__name__} {error.sqlstate}: {error.message}"]
        return lines + ([f"  {line}" for line in error.detail.splitlines()] if error.detail else [])
    if cursor.description is not None:
        return [repr(row) for row in cursor.fetchall()]
    return [f"{cursor.rowcount} rows"] if cursor.rowcount >= 0 else []


def run(text: str, connection: Any, rows: Any) -> str:
    """The script with the expected lines (`--> …`) replaced by what happens now."""
    cursor = connection.cursor()
    made: list[str] = []
    statement: list[str] = []
    for line in text.splitlines():
        if line.startswith("-->"):
            continue
        made.append(line)
        if line.startswith("--") or not line.strip():
            continue
        statement.append(line)
        if line.rstrip().endswith(";"):
            made += [f"--> {found}" for found in outcome(cursor, "\n".join(statement), rows)]
            statement = []
    return "\n".join(made) + "\n"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_gives_what_it_says(path: Path, connection: Any, rows: Any) -> None:
    """Each statement gives the count, the rows or the error that stands below it."""
    expected = path.read_text()
    given = run(expected, connection, rows)
    if os.environ.get("EVENTDB_ACCEPT"):
        path.write_text(given)
    assert given == expected
