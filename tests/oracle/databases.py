"""One case in two databases: the schema and rows go into both, then both answer."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Any

from oracle.schemas import Table

import eventdb


@contextlib.contextmanager
def pair(tables: list[Table]) -> Iterator[tuple[Any, sqlite3.Connection]]:
    """(eventdb, SQLite), both in memory, autocommitting, with the same tables and rows.

    SQLite gets unique indexes only: plans without indexes are the better witnesses (NOT IN over a descending index forgets NULLs, 3.40).
    """
    ours = eventdb.connect(":memory:", autocommit=True)
    theirs = sqlite3.connect(":memory:", isolation_level=None)
    try:
        theirs.execute("PRAGMA case_sensitive_like = ON")
        for table in tables:
            for statement in table.create():
                ours.execute(statement)
                if not statement.startswith("CREATE INDEX"):
                    theirs.execute(statement)
            if table.rows:
                ours.executemany(table.insert(), table.rows)
                theirs.executemany(table.insert(), table.rows)
        yield ours, theirs
    finally:
        ours.close()
        theirs.close()


def script(tables: list[Table]) -> str:
    """The case's tables as SQL, to be pasted into either."""
    lines = []
    for table in tables:
        lines += [f"{statement};" for statement in table.create()]
        lines += [f"INSERT INTO {table.name} VALUES ({', '.join(map(literal, row))});" for row in table.rows]
    return "\n".join(lines)


def literal(value: Any) -> str:
    if value is None:
        return "NULL"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)
