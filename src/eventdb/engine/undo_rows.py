"""Putting rows back: the rows of an undo as events, and what the constraints of today say of them.

An undo changes rows of several tables at once, and knows for each key what is there now and what is to be there. The events come first, the
checks of foreign keys and of unique keys when all of them are applied, so that rows which need one another may come in any order. No
referential action is taken: an undo that would leave a row without the one it refers to is refused. The caller has marked the
transaction, and resets it on an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from eventdb.engine.constraints import is_deferred, put_off_reference, reference_values, verify_reference
from eventdb.engine.time_functions import layout
from eventdb.engine.transaction import Transaction
from eventdb.model.event import RowsDeleted, RowsInserted, RowsUpdated
from eventdb.model.schema import Column, Table
from eventdb.sql.definition.rows import Code
from eventdb.sql.environment import Environment
from eventdb.sql.modification.effects import Effects, effects
from eventdb.sql.modification.making import emit_checks, emit_generated, emit_not_null, key_types, row_source, row_types
from eventdb.sql.modification.prepared import key_function
from eventdb.sql.modification.violations import duplicate_key
from eventdb.storage.table import identical

if TYPE_CHECKING:
    from eventdb.engine.execution import Execution

Row = tuple[Any, ...]
Pair = tuple[Row | None, Row | None]
"""A row as it is now, and as it is to be; None where there is none."""


class RowUndo:
    """The rows that one statement puts back. `count`: how many rows it has changed."""

    def __init__(self, txn: Transaction, execution: Execution) -> None:
        self._txn = txn
        self._execution = execution
        self._changed: list[tuple[Table, list[Row], list[Row]]] = []
        self.count = 0

    def put(self, table: Table, pairs: Iterable[Pair]) -> None:
        """Make rows of `table`, as it is defined now, what they are to be. Raises what generated columns, NOT NULL, CHECK and the primary
        key ask for."""
        txn = self._txn
        finish, key_of = finisher(table, Environment("", txn.catalog)), key_function(table)
        gone: list[Row] = []
        made: list[Row] = []
        updated: list[tuple[Row, Row]] = []
        for now, wanted in pairs:
            if wanted is None:
                if now is not None:
                    gone.append(now)
                continue
            row = (txn.number, *finish(self._execution, wanted))
            if now is None:
                made.append(row)
            elif key_of(now) != key_of(row):
                gone.append(now)
                made.append(row)
            elif not same(table, now, row):
                updated.append((now, row))
        if not (gone or made or updated):
            return
        met = effects(txn.catalog, table)
        news = made + [row for _, row in updated]
        met.compute_indexes(news)
        if gone:
            txn.apply(RowsDeleted(table.id, key_types(table), [key_of(row) for row in gone]))
        if updated:
            self._update(table, updated)
        if made:
            self._insert(table, met, made)
        self._changed.append((table, gone + [now for now, _ in updated], news))
        self.count += len(gone) + len(updated) + len(made)

    def _update(self, table: Table, updated: Sequence[tuple[Row, Row]]) -> None:
        key_of, types = key_function(table), row_types(table)
        slots = tuple(
            column.slot for column in table.columns if any(not identical(now[column.slot], row[column.slot]) for now, row in updated)
        )
        self._txn.apply(
            RowsUpdated(
                table.id, key_types(table), [key_of(now) for now, _ in updated], slots, tuple(types[slot - 1] for slot in slots),
                [tuple([row[slot] for slot in slots]) for _, row in updated],
            )
        )  # fmt: skip

    def _insert(self, table: Table, met: Effects, made: Sequence[Row]) -> None:
        txn, key_of = self._txn, key_function(table)
        seen: set[Any] = set()
        for row in made:
            key = key_of(row)
            if key in seen or txn.editor.row(table, key) is not None:
                columns = ", ".join(table.by_id[i].name for i in table.key)
                name = next((unique.name for unique in met.uniques if unique.index_id is None), table.name)
                duplicate_key(table, name, columns, key if isinstance(key, tuple) else (key,))
            seen.add(key)
        txn.apply(RowsInserted(table.id, row_types(table), [row[1:] for row in made]))

    def check(self) -> None:
        """Hold all that was changed against unique and foreign keys, as things stand now. Raises UniqueViolation, ForeignKeyViolation."""
        txn = self._txn
        for known, old, news in self._changed:
            table = txn.catalog.tables.get(known.id)
            if table is None or table.storage != known.storage:
                continue
            met = effects(txn.catalog, table)
            for unique in met.uniques:
                if unique.index_id is None:
                    continue
                index = txn.reader.table(table).index(unique.index_id)
                for row in news:
                    key = unique.key(row)
                    if key is not None and len(index.lookup(key)) > 1:
                        duplicate_key(table, unique.name, unique.columns, key)
            for ref in met.references:
                wanted = reference_values(ref, news)
                if is_deferred(txn, ref.key.name, ref.key.deferrable, ref.key.deferred):
                    put_off_reference(txn, ref, wanted)
                else:
                    verify_reference(txn, ref, wanted, of_parent=False)
            for ref in met.referenced:
                left = {values for row in old if None not in (values := tuple([row[slot] for slot in ref.parent_slots]))}
                if is_deferred(txn, ref.key.name, ref.key.deferrable, ref.key.deferred):
                    put_off_reference(txn, ref, left)
                else:
                    verify_reference(txn, ref, left, of_parent=True)


def same(table: Table, one: Row, other: Row) -> bool:
    """Whether two stored rows show the same."""
    return all(identical(one[column.slot], other[column.slot]) for column in table.columns)


def finisher(table: Table, env: Environment) -> Callable[[Any, Row], Row]:
    """What makes a stored row of the table complete: generated columns computed, NOT NULL and CHECK held; without its start number."""
    code = Code()
    for column in table.columns:
        code.add(f"v{column.slot} = r0[{column.slot}]")
    emit_generated(code, table, env)
    emit_not_null(code, table)
    emit_checks(code, table, env)
    code.add(f"return {row_source(table)}")
    return code.compile("finish", "cx, r0, p=()")


def of_today(then: Table, now: Table, execution: Any, missing: Callable[[Column], Any]) -> Callable[[Row, Row | None], Row]:
    """What makes a row of the definition `then` one of the definition `now`, columns found by their ids. A column that did not exist then
    keeps its value where the row is there now, and has `missing(column)` where it is not."""
    columns = now.columns
    values = layout(then, columns, execution)
    kept = [(place, column, missing(column)) for place, column in enumerate(columns) if column.id not in then.by_id]
    slots = [column.slot for column in columns]

    def row_of_today(row: Row, present: Row | None) -> Row:
        found = list(values(row))
        for place, column, value in kept:
            found[place] = value if present is None else present[column.slot]
        full: list[Any] = [None] * now.width
        full[0] = row[0]
        for slot, value in zip(slots, found, strict=True):
            full[slot] = value
        return tuple(full)

    return row_of_today
