"""Every version of a table's rows, over all its storages, in the shape that the table has now; each knows where it comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

from eventdb.engine.history import cast_column
from eventdb.errors import DataError, NotSupportedError
from eventdb.model.schema import Table
from eventdb.sql.definition.rows import Code
from eventdb.sql.reader import Key, Row, Version
from eventdb.storage.state import State

Origin = tuple[int, Key, int]
"""(storage, key there, transaction that began it)."""
PassingRow = tuple[tuple[int, Key, int], Row]
"""A row that was no version, with its place (see `identities`)."""


class AllVersions:
    """What a compiled statement reads versions from: rows have one place more than the table, at their end, which holds the origin.

    A value of an earlier storage that has no form in the column's present type is NULL here. `storages`: those that the table had, by id,
    each with the last definition that it had.
    """

    def __init__(self, state: State, table: Table, execution: Any = None) -> None:
        self._state = state
        self._table = table
        self._execution = execution
        self.passing: Sequence[PassingRow] = ()
        """Rows that were no versions, to be met by `versions` too; their origin is their place and None."""
        self.storages: dict[int, Table] = {}
        for _, catalog in state.catalogs:
            known = catalog.tables.get(table.id)
            if known is not None:
                self.storages[known.storage] = known

    def row_count(self) -> int:
        return self._state.tables[self._table.storage].live.count

    def versions(self, first: int, last: int, key: Key = None) -> Iterator[Sequence[Version]]:
        """All versions, those of earlier storages first; with `key` those that have it."""
        slots = self._table.key_slots
        for origin, end, row in chain(self.all(), (((*place, None), row[0], row) for place, row in self.passing)):
            if key is not None:
                own = row[slots[0]] if len(slots) == 1 else tuple([row[slot] for slot in slots])
                if own is not key and own != key:
                    continue
            yield [(end, (*row, origin))]

    def history(self, first: int, last: int, key: Key) -> Sequence[Row]:
        """The rows of `versions` of one key."""
        return [row for batch in self.versions(first, last, key) for _, row in batch]

    def all(self) -> Iterator[tuple[Origin, int | None, Row]]:
        """(origin, the transaction that ended it or None, row) of every version."""
        for storage, definition in self.storages.items():
            data = self._state.tables[storage]
            full, parts, closed = data.shape.full, data.shape.versions.parts, data.closed_at
            lay = None if storage == self._table.storage else layout_of(definition, self._table, self._execution)
            for leaf in data.past.leaves():
                for version, row in zip(leaf.keys, leaf.vals, strict=True):
                    key, end = parts(version)
                    row = full(row)
                    yield (storage, key, row[0]), end, row if lay is None else lay(row)
            for leaf in data.live.leaves():
                for key, row in zip(leaf.keys, leaf.vals, strict=True):
                    if closed is None or row[0] < closed:
                        row = full(row)
                        yield (storage, key, row[0]), closed, row if lay is None else lay(row)


def layout_of(old: Table, new: Table, execution: Any) -> Callable[[Row], Row]:
    """What makes a row of an earlier storage one of the present shape."""
    values: list[Callable[[Row], Any]] = [_null] * (new.width - 1)
    for column in new.columns:
        before = old.by_id.get(column.id)
        if before is None:
            continue
        if before.datatype == column.datatype:
            values[column.slot - 1] = itemgetter(before.slot)
            continue
        try:
            cast = cast_column(before, column, old)
        except NotSupportedError:
            continue
        code = Code()
        code.places[0] = lambda slot: f"r0[{slot}]"
        code.add(f"return {code.value(cast)}")
        values[column.slot - 1] = _or_null(code.compile("value", "cx, r0, p=()"), execution)
    return lambda row: (row[0], *(value(row) for value in values))


def _null(row: Row) -> None:
    return None


def _or_null(compute: Callable[..., Any], execution: Any) -> Callable[[Row], Any]:
    def value(row: Row) -> Any:
        try:
            return compute(execution, row)
        except DataError:
            return None

    return value
