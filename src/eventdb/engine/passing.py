"""Rows as they were only inside a transaction, between two changes that it made to them: no versions, but their values are in the log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from eventdb.engine.identities import Identities, Key, Place
from eventdb.engine.versions import AllVersions, layout_of
from eventdb.model.event import Event, RowsDeleted, RowsInserted, RowsUpdated, TableRewritten
from eventdb.model.schema import Table
from eventdb.sql.reader import Row
from eventdb.storage.state import State


class Passing:
    """Follows the log with `identities`. `found`: (place, row in the shape that the table has now) of rows in passing."""

    def __init__(self, state: State, table: Table, identities: Identities, execution: Any) -> None:
        self.found: list[tuple[Place, Row]] = []
        self._state = state
        self._table = table
        self._identities = identities
        self._execution = execution
        self._storages = AllVersions(state, table).storages
        self._layouts: dict[int, Callable[[Row], Row]] = {}

    def follow(self, number: int, events: Sequence[Event]) -> None:
        """Take the events of the next transaction."""
        several = number > self._state.horizons.get(self._table.id, 0) and self._several(events)
        rows: dict[Key, Row | None] = {}
        for event in events:
            if several and isinstance(event, RowsInserted | RowsUpdated | RowsDeleted) and event.table_id == self._table.id:
                made = self._changed(number, event, rows)
                self._identities.follow(number, event)
                table = self._identities.table(event.table_id)
                self.found += [(self._identities.place(table.storage, key), self._laid(table, row)) for key, row in made]
                continue
            self._identities.follow(number, event)
            if several and isinstance(event, TableRewritten) and event.table.id == self._table.id:
                keys = self._identities.keys(event) or ()
                rows = {key: (number, *row) for key, row in zip(keys, event.rows, strict=True)}

    def _several(self, events: Sequence[Event]) -> bool:
        mine = [e for e in events if isinstance(e, RowsInserted | RowsUpdated | RowsDeleted) and e.table_id == self._table.id]
        return len(mine) > 1 or any(isinstance(e, RowsUpdated) and len(set(e.keys)) < len(e.keys) for e in mine)

    def _changed(self, number: int, event: RowsInserted | RowsUpdated | RowsDeleted, rows: dict[Key, Row | None]) -> list[tuple[Key, Row]]:
        """The rows that an event leaves, by key; `rows` is what the events before it left, and is brought up to date."""
        table, keys = self._identities.table(event.table_id), self._identities.keys(event) or []
        if isinstance(event, RowsDeleted):
            rows.update(dict.fromkeys(keys))
            return []
        made: list[tuple[Key, Row]] = []
        if isinstance(event, RowsInserted):
            made = [(key, (number, *row)) for key, row in zip(keys, event.rows, strict=True)]
        else:
            coming = self._identities.new_keys(event)
            for key, new_key, values in zip(keys, coming, event.values, strict=True):
                before = rows[key] if key in rows else self._before(number, table, key)
                if before is None:
                    continue
                row = list(table.full(before))
                for slot, value in zip(event.slots, values, strict=True):
                    row[slot] = value
                row[0] = number
                made.append((new_key, tuple(row)))
                if new_key == key:
                    rows[key] = made[-1][1]
            if keys != coming:
                rows.update(dict.fromkeys(keys))
        rows.update(made)
        return made

    def _before(self, number: int, table: Table, key: Key) -> Row | None:
        then = self._state.catalog_at(number - 1).tables.get(table.id)
        if then is None or then.storage != table.storage:
            return None
        return self._state.table(then, number - 1).get(key)

    def _laid(self, table: Table, row: Row) -> Row:
        if table.storage == self._table.storage:
            return self._table.full(row)
        last = self._storages.get(table.storage, table)  # with what was added to it later
        lay = self._layouts.get(table.storage)
        if lay is None:
            lay = self._layouts[table.storage] = layout_of(last, self._table, self._execution)
        return lay(last.full(row))
