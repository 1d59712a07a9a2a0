"""What data definition asks of rows that are already there: uniqueness, NOT NULL, CHECK, references, and new values for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from eventdb.engine.constraints import parent_exists, reference_values
from eventdb.engine.transaction import Transaction
from eventdb.errors import CheckViolation, NotNullViolation, UniqueViolation
from eventdb.model.event import IndexCreated, TableRewritten
from eventdb.model.record import replace
from eventdb.model.schema import Check, Column, ForeignKey, Index, Table
from eventdb.sql.definition.rows import Code
from eventdb.sql.definition.tables import hidden_key
from eventdb.sql.environment import Environment, Execution
from eventdb.sql.modification.effects import reference, unique_key_of_index
from eventdb.sql.modification.making import check_expression, row_types
from eventdb.sql.modification.violations import key_detail, missing_parent

Row = tuple[Any, ...]


def all_rows(txn: Transaction, table: Table) -> Iterator[Row]:
    """The stored rows; the whole table counts as read."""
    for batch in txn.reader.table(table).unordered():
        yield from batch


def build_index(txn: Transaction, index: Index) -> None:
    """Create the index after making sure that its keys can be computed and, where it is unique, are. Raises UniqueViolation."""
    table = txn.catalog.tables[index.table_id]
    key_of = unique_key_of_index(table, index)
    seen: set[Any] = set()
    for row in all_rows(txn, table):
        key = key_of.key(row)
        if index.unique and key is not None:
            if key in seen:
                raise UniqueViolation(
                    f'could not create unique index "{index.name}"', detail=f"{key_detail(key_of.columns, key)} is duplicated.",
                    table=table.name, constraint=index.name,
                )  # fmt: skip
            seen.add(key)
    txn.apply(IndexCreated(index))


def check_not_null(txn: Transaction, table: Table, column: Column) -> None:
    slot = column.slot
    if any(row[slot] is None for row in all_rows(txn, table)):
        raise NotNullViolation(
            f'column "{column.name}" of relation "{table.name}" contains null values', table=table.name, column=column.name
        )


def check_rows(txn: Transaction, table: Table, check: Check, env: Environment, execution: Execution) -> None:
    """Raise CheckViolation where a row is against the constraint."""
    code = Code()
    code.places[0] = lambda slot: f"r0[{slot}]"
    code.add(f"return {code.negation(check_expression(table, check, env))}")
    fails = code.compile("fails", "cx, r0, p=()")
    if any(fails(execution, row) for row in all_rows(txn, table)):
        raise CheckViolation(
            f'check constraint "{check.name}" of relation "{table.name}" is violated by some row', table=table.name, constraint=check.name
        )


def check_foreign_key(txn: Transaction, table: Table, key: ForeignKey) -> None:
    """Raise ForeignKeyViolation where a row refers to nothing."""
    ref = reference(txn.catalog, table, key)
    parent = txn.reader.table(ref.parent)
    for values in reference_values(ref, all_rows(txn, table)):
        if not parent_exists(parent, ref, values):
            missing_parent(table, key.name, ref.columns, values, ref.parent)


def relaid(table: Table, storage: int) -> Table:
    """The table for a new storage: slots given out anew, the hidden row id first."""
    ordered = sorted(table.columns, key=lambda c: not c.hidden)
    columns = tuple(replace(c, slot=slot, missing=None) for slot, c in enumerate(ordered, 1))
    return replace(table, storage=storage, columns=columns, width=len(columns) + 1, base_width=len(columns) + 1)


def rewritten(txn: Transaction, table: Table, rows: list[Row], places: dict[int, int]) -> TableRewritten:
    """The event that gives the table these rows in a new storage. `places`: column id → where its value stands in a row of `rows`."""
    new = relaid(table, txn.catalog.new_id(table.schema))
    order = [places[c.id] for c in new.columns]
    return TableRewritten(new, row_types(new), [tuple([row[i] for i in order]) for row in rows])


def unclustered(txn: Transaction, table: Table, before: Table | None = None) -> TableRewritten:
    """The event after which the table is kept by a hidden row id: its primary key goes. `before`: the definition that its rows still
    have."""
    rows = [(*row, number) for number, row in enumerate(all_rows(txn, before or txn.catalog.tables[table.id]), 1)]
    column = replace(hidden_key(table.next_column_id))
    new = replace(table, columns=(column, *table.columns), key=(column.id,), next_column_id=table.next_column_id + 1)
    places = {c.id: c.slot for c in table.columns}
    places[column.id] = (before or table).width
    return rewritten(txn, new, rows, places)
