"""How each event changes a state: the one path by which anything changes, live and in replay.

A `Draft` holds the parts of a state while the events of one transaction are applied. Tables are edited under the draft's token; giving
it a new token freezes everything made so far, so savepoints and stable readers cost nothing until the next edit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from eventdb.errors import InternalError
from eventdb.model.catalog import Catalog
from eventdb.model.event import (
    BodiesRewritten,
    Event,
    HistoryTrimmed,
    IndexCreated,
    IndexDropped,
    RowsDeleted,
    RowsErased,
    RowsInserted,
    RowsUpdated,
    SchemaCreated,
    SchemaDropped,
    SequenceAdvanced,
    SequenceCreated,
    SequenceDropped,
    TableAltered,
    TableCreated,
    TableDropped,
    TableRewritten,
    ViewCreated,
    ViewDropped,
)
from eventdb.model.record import Record
from eventdb.model.schema import Relation, Table
from eventdb.storage.eras import Eras
from eventdb.storage.index import IndexKeys
from eventdb.storage.readers import LiveTable
from eventdb.storage.table import Shape, TableData
from eventdb.storage.timeline import Ascending

_changes = count(1)
"""Makes each catalog inside a transaction unlike every other in this process, also after a rollback."""


class Mark(Record):
    """A draft as it was."""

    tables: dict[int, TableData]
    catalog: Catalog
    sequences: Mapping[int, int | None]


class Draft:
    """A state's parts, changing. `number` is the transaction that changes them."""

    def __init__(
        self,
        number: int,
        catalog: Catalog,
        tables: Mapping[int, TableData],
        sequences: Mapping[int, int | None],
        index_keys: IndexKeys | None,
        token: object = None,
    ) -> None:
        """`token`: of an editor whose pages are to be changed in place."""
        self.number = number
        self.catalog = catalog
        self._base = tables
        self._touched: dict[int, TableData] = {}
        self._sequences = sequences
        self._index_keys = index_keys
        self._token = token or object()
        self.rewrites = False
        self.trimmed: dict[int, int] = {}

    # savepoints

    def freeze(self) -> None:
        """Keep all pages as they are for readers that are open; the next edit of each page copies it. O(1)."""
        self._token = object()

    def mark(self) -> Mark:
        """A point to which `reset` goes back; any number of times, in any order. Cost: O(tables changed so far)."""
        self.freeze()
        return Mark(dict(self._touched), self.catalog, self._sequences)

    def reset(self, mark: Mark) -> None:
        """Undo everything that was applied after `mark`."""
        self.freeze()
        self._touched = dict(mark.tables)
        self.catalog = mark.catalog
        self._sequences = mark.sequences

    # events

    def apply(self, event: Event) -> None:
        """Change the draft by one event. Raises InternalError for one that cannot follow on this state."""
        try:
            handler = _HANDLERS[type(event)]
        except KeyError:
            raise InternalError(f"unknown event {type(event).__name__}") from None
        handler(self, event)

    def storage(self, table: Table) -> TableData:
        """The rows of a table, for reading."""
        data = self._touched.get(table.storage) or self._base.get(table.storage)
        if data is None:
            raise InternalError(f'table "{table.name}" has no storage {table.storage} in this state')
        return data

    def row(self, table: Table, key: Any) -> tuple[Any, ...] | None:
        """The row of a key: the short form of opening a reader for one look-up."""
        data = self._touched.get(table.storage) or self.storage(table)
        if table.tails is None and data.shape.normal is None:
            found: tuple[Any, ...] | None = data.live.get(key)
            return found
        return LiveTable(data, table).get(key)

    def tables(self) -> dict[int, TableData]:
        """All storages by id."""
        return {**self._base, **self._touched} if self._touched else dict(self._base)

    def _edit(self, storage: int) -> TableData:
        data = self._touched.get(storage)
        if data is None or data.token is not self._token:
            data = data or self._base.get(storage)
            if data is None:
                raise InternalError(f"no storage {storage} in this state")
            if data.token is not self._token:
                data = data.fork(self._token)
            data.checked = False
            self._touched[storage] = data
        return data

    def _rows(self, table_id: int) -> TableData:
        table = self.catalog.tables.get(table_id)
        if table is None:
            raise InternalError(f"an event changes table {table_id}, which is not in the catalog")
        return self._edit(table.storage)

    def _version(self) -> tuple[int, int]:
        return (self.number, next(_changes))

    def _put(self, item: Relation) -> None:
        self.catalog = self.catalog.with_object(self._version(), item)

    def _drop(self, item_id: int) -> None:
        try:
            self.catalog = self.catalog.without_object(self._version(), item_id)
        except KeyError:
            raise InternalError(f"an event drops object {item_id}, which is not in the catalog") from None

    def _shape(self, table: Table) -> Shape:
        return Shape(table, self.catalog.indexes_of(table.id), self._index_keys)

    # rows

    def _rows_inserted(self, event: RowsInserted) -> None:
        self._rows(event.table_id).insert(self.number, event.rows)

    def _rows_updated(self, event: RowsUpdated) -> None:
        self._rows(event.table_id).update(self.number, event.keys, event.slots, event.values)

    def _rows_deleted(self, event: RowsDeleted) -> None:
        self._rows(event.table_id).delete(self.number, event.keys)

    def _rows_erased(self, event: RowsErased) -> None:
        # the rows are not there: the bodies that made them were replaced before anybody could meet this event
        data = self._rows(event.table_id)
        data.next_row_id = max(data.next_row_id, event.next_row_id)

    def _history_trimmed(self, event: HistoryTrimmed) -> None:
        # as with RowsErased, the versions are not there any more
        self.trimmed[event.table_id] = event.horizon
        if event.table_id in self.catalog.tables:
            data = self._rows(event.table_id)
            data.next_row_id = max(data.next_row_id, event.next_row_id)

    def _bodies_rewritten(self, event: BodiesRewritten) -> None:
        self.rewrites = True

    # schema

    def _schema_created(self, event: SchemaCreated) -> None:
        self.catalog = self.catalog.with_schema(self._version(), event.name, event.comment)

    def _schema_dropped(self, event: SchemaDropped) -> None:
        self.catalog = self.catalog.without_schema(self._version(), event.name)

    def _table_created(self, event: TableCreated) -> None:
        table = event.table
        self._put(table)
        self._touched[table.storage] = TableData(self._token, table.storage, self._shape(table), touched=Ascending(), eras=Eras(0))

    def _table_altered(self, event: TableAltered) -> None:
        self._put(event.table)
        self._edit(event.table.storage).define(self._shape(event.table))

    def _table_rewritten(self, event: TableRewritten) -> None:
        table = event.table
        old = self.catalog.tables.get(table.id)
        if old is None or old.storage == table.storage:
            raise InternalError(f'table "{table.name}" is rewritten, but not into a new storage')
        self._edit(old.storage).close(self.number)
        self._put(table)
        data = self._touched[table.storage] = TableData(self._token, table.storage, self._shape(table), touched=Ascending(), eras=Eras(0))
        data.insert(self.number, event.rows)
        for index in self.catalog.indexes_of(table.id):
            data.create_index(index.id, self.number)

    def _table_dropped(self, event: TableDropped) -> None:
        self._rows(event.table_id).close(self.number)
        for index in self.catalog.indexes_of(event.table_id):
            self._drop(index.id)
        for sequence in list(self.catalog.sequences.values()):
            if sequence.owner is not None and sequence.owner[0] == event.table_id:
                self._sequence_dropped(SequenceDropped(sequence.id))
        self._drop(event.table_id)

    def _index_created(self, event: IndexCreated) -> None:
        index = event.index
        known = index.id in self.catalog.indexes
        self._put(index)
        data = self._rows(index.table_id)
        data.define(self._shape(data.shape.table))
        if not known:
            data.create_index(index.id, self.number)

    def _index_dropped(self, event: IndexDropped) -> None:
        index = self.catalog.indexes.get(event.index_id)
        self._drop(event.index_id)
        if index is not None:
            data = self._rows(index.table_id)
            data.define(self._shape(data.shape.table))
            data.drop_index(index.id, self.number)

    def _view_created(self, event: ViewCreated) -> None:
        self._put(event.view)

    def _view_dropped(self, event: ViewDropped) -> None:
        self._drop(event.view_id)

    # sequences

    def _sequence_created(self, event: SequenceCreated) -> None:
        self._put(event.sequence)

    def _sequence_dropped(self, event: SequenceDropped) -> None:
        self._drop(event.sequence_id)
        self._sequences = {i: value for i, value in self._sequences.items() if i != event.sequence_id}

    def _sequence_advanced(self, event: SequenceAdvanced) -> None:
        self._sequences = {**self._sequences, event.sequence_id: event.value}


_HANDLERS: dict[type, Callable[[Draft, Any], None]] = {
    RowsInserted: Draft._rows_inserted,
    RowsUpdated: Draft._rows_updated,
    RowsDeleted: Draft._rows_deleted,
    RowsErased: Draft._rows_erased,
    HistoryTrimmed: Draft._history_trimmed,
    BodiesRewritten: Draft._bodies_rewritten,
    SequenceAdvanced: Draft._sequence_advanced,
    SchemaCreated: Draft._schema_created,
    SchemaDropped: Draft._schema_dropped,
    TableCreated: Draft._table_created,
    TableAltered: Draft._table_altered,
    TableRewritten: Draft._table_rewritten,
    TableDropped: Draft._table_dropped,
    IndexCreated: Draft._index_created,
    IndexDropped: Draft._index_dropped,
    ViewCreated: Draft._view_created,
    ViewDropped: Draft._view_dropped,
    SequenceCreated: Draft._sequence_created,
    SequenceDropped: Draft._sequence_dropped,
}
