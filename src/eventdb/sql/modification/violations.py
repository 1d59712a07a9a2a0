"""The errors of violated constraints, worded as PostgreSQL words them, with the values at fault in DETAIL."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any, NoReturn

from eventdb.errors import (
    CheckViolation,
    ForeignKeyViolation,
    NotNullViolation,
    NotSupportedError,
    ProgrammingError,
    RestrictViolation,
    UniqueViolation,
)
from eventdb.model.schema import Table
from eventdb.model.value import MIN_KEY, NAN_KEY, NULL_KEY, Descending

_LONGEST_VALUE = 64


class GeneratedAlways(ProgrammingError, sqlstate="428C9"):
    """A value was given for a column that is always generated."""


def shown(value: Any) -> str:
    """A value as it appears in DETAIL, shortened."""
    if isinstance(value, Descending):
        value = value.value
    if value is None or value is NULL_KEY or value is MIN_KEY:
        return "null"
    if value is NAN_KEY:
        return "NaN"
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, bytes):
        text = "\\x" + value[:_LONGEST_VALUE].hex()
    elif isinstance(value, datetime.datetime):
        text = value.isoformat(" ")
    else:
        text = str(value)
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "..."


def row_detail(table: Table, row: Sequence[Any]) -> str:
    """`row` in slot order without the start number."""
    return f"Failing row contains ({', '.join(shown(row[c.slot - 1]) for c in table.visible)})."


def key_detail(columns: str, values: Sequence[Any]) -> str:
    return f"Key ({columns})=({', '.join(map(shown, values))})"


def null_value(table: Table, row: Sequence[Any]) -> NoReturn:
    """Raise NotNullViolation for the first NOT NULL column of `row` that is NULL."""
    for column in table.columns:
        if not column.nullable and not column.hidden and row[column.slot - 1] is None:
            raise NotNullViolation(
                f'null value in column "{column.name}" of relation "{table.name}" violates not-null constraint',
                detail=row_detail(table, row), table=table.name, column=column.name,
            )  # fmt: skip
    raise AssertionError("no column is null")


def check_failed(table: Table, name: str, row: Sequence[Any]) -> NoReturn:
    raise CheckViolation(
        f'new row for relation "{table.name}" violates check constraint "{name}"',
        detail=row_detail(table, row), table=table.name, constraint=name,
    )  # fmt: skip


def duplicate_key(table: Table, name: str, columns: str, values: Sequence[Any]) -> NoReturn:
    raise UniqueViolation(
        f'duplicate key value violates unique constraint "{name}"',
        detail=key_detail(columns, values) + " already exists.", table=table.name, constraint=name,
    )  # fmt: skip


def missing_parent(table: Table, name: str, columns: str, values: Sequence[Any], parent: Table) -> NoReturn:
    raise ForeignKeyViolation(
        f'insert or update on table "{table.name}" violates foreign key constraint "{name}"',
        detail=f'{key_detail(columns, values)} is not present in table "{parent.name}".', table=table.name, constraint=name,
    )  # fmt: skip


def mixed_nulls(table: Table, name: str) -> NoReturn:
    raise ForeignKeyViolation(
        f'insert or update on table "{table.name}" violates foreign key constraint "{name}"',
        detail="MATCH FULL does not allow mixing of null and nonnull key values.", table=table.name, constraint=name,
    )  # fmt: skip


def still_referenced(parent: Table, table: Table, name: str, columns: str, values: Sequence[Any], restrict: bool = False) -> NoReturn:
    kind = RestrictViolation if restrict else ForeignKeyViolation
    setting = "RESTRICT setting of " if restrict else ""
    raise kind(
        f'update or delete on table "{parent.name}" violates {setting}foreign key constraint "{name}" on table "{table.name}"',
        detail=f'{key_detail(columns, values)} is {"" if restrict else "still "}referenced from table "{table.name}".',
        table=table.name, constraint=name,
    )  # fmt: skip


class TruncateReferenced(NotSupportedError, sqlstate="0A000"):
    """TRUNCATE of a table that another one refers to."""
