"""What a reader of a database can see of it, to be compared."""

from __future__ import annotations

from typing import Any

import eventdb


def ask(connection: eventdb.Connection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()


def everything(connection: eventdb.Connection, clause: str = "") -> dict[str, Any]:
    """What a reader can see: tables with their columns and rows, constraints, indexes, views."""
    found: dict[str, Any] = {}
    for schema, name in ask(connection, f"SELECT table_schema, table_name FROM information_schema.tables {clause}"
                            " WHERE table_schema NOT IN ('eventdb', 'information_schema')"):  # fmt: skip
        cursor = connection.execute(f'SELECT * FROM "{schema}"."{name}" {clause}')
        found[f"{schema}.{name}"] = [tuple(d[:2] for d in cursor.description or ()), sorted(cursor.fetchall(), key=repr)]
    for relation in (
        "schemata", "tables", "columns", "table_constraints", "key_column_usage", "check_constraints", "referential_constraints", "views",
        "sequences",
    ):  # fmt: skip
        rows = ask(connection, f"SELECT * FROM information_schema.{relation} {clause}")
        found[relation] = sorted([row for row in rows if row[1] not in ("eventdb", "information_schema")], key=repr)
        assert found[relation] or relation != "schemata"
    found["indexes"] = sorted(ask(connection, f"SELECT * FROM eventdb.indexes {clause}"), key=repr)
    return found
