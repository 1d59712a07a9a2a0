"""How much of the log a query reads."""

from __future__ import annotations

from typing import Any

import eventdb


def ask(connection: eventdb.Connection, query: str, parameters: Any = ()) -> tuple[list[tuple[Any, ...]], int]:
    """(rows, records of the log read for them)."""
    before = connection.database.records_read
    rows = connection.execute(query, parameters).fetchall()
    return rows, connection.database.records_read - before
