"""The state of a database: an immutable value at a transaction number, from which every earlier position can be read too.

    state = State.empty()
    editor = state.edit(1)            # the draft of transaction 1
    editor.apply(event)               # as often as it has events; reading through the editor sees its own work
    state = editor.publish(time_us)   # the next value; the old one stays as it is

`State` and `Editor` have the shape of `StateReader` in the SQL half. A state may be read by any number of threads while an editor works on
the next one; an editor belongs to one thread.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import Any

from eventdb.errors import InternalError, SnapshotTooOld
from eventdb.model.catalog import Catalog
from eventdb.model.record import replace
from eventdb.model.schema import Table
from eventdb.model.transaction import datetime_of
from eventdb.storage.apply import Draft, Mark
from eventdb.storage.index import IndexKeys
from eventdb.storage.past import PastTable
from eventdb.storage.readers import LiveTable
from eventdb.storage.table import TableData
from eventdb.storage.timeline import Timeline

__all__ = ["Editor", "Mark", "State"]

_NONE: Mapping[int, int] = {}


class State:
    """The database after transaction `number`. `catalogs` is the history of schemas: (number, catalog), ascending."""

    __slots__ = ("catalog", "catalogs", "horizons", "index_keys", "number", "opened", "rewritings", "sequences", "tables", "timeline")

    def __init__(
        self,
        number: int,
        catalogs: tuple[tuple[int, Catalog], ...],
        tables: Mapping[int, TableData],
        sequences: Mapping[int, int | None],
        timeline: Timeline,
        index_keys: IndexKeys | None = None,
        rewritings: tuple[int, ...] = (),
        horizons: Mapping[int, int] = _NONE,
    ) -> None:
        self.number = number
        self.catalogs = catalogs
        self.catalog = catalogs[-1][1]
        self.tables = tables
        self.sequences = sequences
        self.timeline = timeline
        self.index_keys = index_keys
        self.rewritings = rewritings
        """The transactions that replaced bodies of earlier ones (erasures, retention), ascending."""
        self.horizons = horizons
        """For each table whose history was trimmed, by id, the first transaction that it can be read at."""
        self.opened: dict[Any, Any] = {}
        """Table readers opened on this state, for whoever wants to use them again."""

    @classmethod
    def empty(cls, index_keys: IndexKeys | None = None) -> State:
        """The state before the first transaction. `index_keys` gives the functions for index keys that storage cannot compute itself."""
        return cls(0, ((0, Catalog()),), {}, {}, Timeline(), index_keys)

    @property
    def rewritten(self) -> int:
        """The last transaction that replaced bodies of earlier ones, 0 for none. A state from before it shows what is gone."""
        return self.rewritings[-1] if self.rewritings else 0

    def edit(self, number: int) -> Editor:
        """A draft of transaction `number`, which is to follow on this state."""
        return Editor(self, number)

    def table(self, table: Table, at: int | None = None) -> LiveTable | PastTable:
        """The rows of `table`, a definition from the catalog of position `at` (None: this state's own). Raises SnapshotTooOld."""
        data = self.tables.get(table.storage)
        if data is None:
            raise InternalError(f'table "{table.name}" has no storage {table.storage} in this state')
        if at is None or at >= self.number:
            return LiveTable(data, table, True)
        if self.horizons:
            self.check_horizon(table, at)
        return PastTable(data, table, at, True)

    def check_horizon(self, table: Table, at: int) -> None:
        """Raises SnapshotTooOld where the history of a table does not reach back to transaction `at`."""
        horizon = self.horizons.get(table.id, 0)
        if at < horizon:
            stamp = self.time_of(horizon)
            when = "" if stamp is None else f" ({datetime_of(stamp).isoformat(sep=' ')})"
            raise SnapshotTooOld(f'the history of table "{table.name}" begins at transaction {horizon}{when}: it cannot be read at {at}')

    def catalog_at(self, number: int) -> Catalog:
        """The catalog as it stood after transaction `number`."""
        return self.catalogs[max(bisect_right(self.catalogs, number, key=_number) - 1, 0)][1]

    def newest(self, table_id: int) -> Table:
        """The last definition of a table, which may be dropped by now."""
        return next(catalog.tables[table_id] for _, catalog in reversed(self.catalogs) if table_id in catalog.tables)

    def number_at(self, microseconds: int) -> int:
        """The last transaction committed at or before that moment (0 where there is none)."""
        return self.timeline.number_at(microseconds)

    def time_of(self, number: int) -> int | None:
        """The commit time of a transaction in microseconds since the epoch, None for one that this state doesn't hold."""
        return self.timeline.time_of(number)

    def sequence_value(self, sequence_id: int) -> int | None:
        """The last value that the sequence gave out, None before the first."""
        return self.sequences.get(sequence_id)


def _number(entry: tuple[int, Catalog]) -> int:
    return entry[0]


class Editor(Draft):
    """The draft of one transaction: events go in, reading sees them, `publish` gives the next state."""

    def __init__(self, state: State, number: int, token: object = None) -> None:
        if number != state.number + 1:
            raise InternalError(f"transaction {number} cannot follow on state {state.number}")
        super().__init__(number, state.catalog, state.tables, state.sequences, state.index_keys, token)
        self._state = state

    def next_row_id(self, table_id: int) -> int:
        """The first hidden row id of a table that was never used; consecutive ones after it are free too."""
        return self.storage(self.catalog.tables[table_id]).next_row_id

    def still(self) -> Editor:
        """The draft as it is now, to be read while this one goes on to change."""
        self.freeze()
        copy = Editor(self._state, self.number)
        copy.catalog, copy._touched, copy._sequences = self.catalog, dict(self._touched), self._sequences
        return copy

    def table(self, table: Table, at: int | None = None) -> LiveTable | PastTable:
        """The rows of `table` with the draft's own changes, or as they were at `at`."""
        data = self.storage(table)
        if at is None or at >= self.number:
            return LiveTable(data, table)
        if self._state.horizons:
            self._state.check_horizon(table, at)
        return PastTable(data, table, at)

    def catalog_at(self, number: int) -> Catalog:
        """The catalog after transaction `number`; the draft's own for its own number."""
        return self.catalog if number >= self.number else self._state.catalog_at(number)

    def number_at(self, microseconds: int) -> int:
        """The last committed transaction at or before that moment."""
        return self._state.number_at(microseconds)

    def time_of(self, number: int) -> int | None:
        """The commit time of a transaction, None for the draft's own."""
        return self._state.time_of(number)

    def sequence_value(self, sequence_id: int) -> int | None:
        """The last value that the sequence gave out, None before the first."""
        return self._sequences.get(sequence_id)

    def publish(self, time_us: int) -> State:
        """The state after this transaction, committed at `time_us`. The editor is done."""
        self.freeze()
        return self._after(time_us)[0]

    def advance(self, time_us: int) -> State:
        """As `publish`, but the editor goes on as the draft of the next transaction and changes the pages of that state in place: so pages
        are copied once for many transactions. Nobody may read the state any more when the next event is applied."""
        state, kept = self._after(time_us)
        if kept:
            self.freeze()
        self.__init__(state, state.number + 1, self._token)  # type: ignore[misc]
        return state

    def _after(self, time_us: int) -> tuple[State, bool]:
        """The state after this transaction, and whether some of its pages are kept for good, as the end of an era."""
        state, kept = self._state, False
        for data in self._touched.values():
            kept |= data.published(self.number)
        catalogs = state.catalogs
        if self.catalog is not state.catalog:
            catalogs = (*catalogs, (self.number, replace(self.catalog, version=(self.number, 0))))
        times = state.timeline.extended(time_us)
        horizons = {**state.horizons, **self.trimmed} if self.trimmed else state.horizons
        rewritings = (*state.rewritings, self.number) if self.rewrites else state.rewritings
        made = State(self.number, catalogs, self.tables(), self._sequences, times, state.index_keys, rewritings, horizons)
        return made, kept
