"""Which rows are one and the same over time, as far as the log tells.

A row is known by its primary key. Where its key changed, the log holds the old one and the new one; where the table was rewritten (another
type, another key), the new rows stand in the order of the old ones. So the history of a row is a chain of *places*, a place being
(storage, key, epoch): the epoch counts how often a row moved away from that key or to it, since a key that a row has left may be given to
another. A key that is used again after a DELETE is the same row, also over a rewrite that leaves keys as they are, and in a table that was
dropped and brought back.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Container, Iterable, Sequence
from operator import itemgetter
from typing import Any

from eventdb.model.event import Event, RowsDeleted, RowsInserted, RowsUpdated, TableAltered, TableCreated, TableRewritten
from eventdb.model.record import replace
from eventdb.model.schema import Table
from eventdb.storage.state import State
from eventdb.storage.table import key_normalizer

Key = Any
Place = tuple[int, Key, int]


class Identities:
    """Follows the events of some tables in the order of the log. `links`: places that are the same row."""

    def __init__(self, state: State, tables: Container[int]) -> None:
        self._state = state
        self._followed = tables
        self._tables: dict[int, Table] = {}
        self._epochs: dict[tuple[int, Key], int] = {}
        self._moments: dict[tuple[int, Key], list[int]] = {}
        self.links: dict[Place, list[Place]] = {}

    def follow(self, number: int, event: Event) -> None:
        """Take the next event, one of transaction `number`."""
        if isinstance(event, TableCreated | TableAltered):
            if event.table.id in self._followed:
                old = self._tables.get(event.table.id)
                if old is not None and old.storage != event.table.storage:  # dropped, and brought back with the rows it had
                    self._same_keys(old, event.table, True)
                self._tables[event.table.id] = event.table
        elif isinstance(event, TableRewritten):
            if event.table.id in self._followed:
                self._rewritten(event)
        elif isinstance(event, RowsUpdated):
            table = self._tables.get(event.table_id)
            if table is not None and not set(table.key_slots).isdisjoint(event.slots):
                self._moved(number, table, event)

    def _moved(self, number: int, table: Table, event: RowsUpdated) -> None:
        storage = table.storage
        pairs = [(old, new) for old, new in zip(self.keys(event) or (), _new_keys(table, event), strict=True) if old != new]
        leaving = [(storage, old, self._epoch(storage, old)) for old, _ in pairs]
        for old, _ in pairs:
            self._next_epoch(storage, old, number)
        for place, (_, new) in zip(leaving, pairs, strict=True):
            self._link(place, (storage, new, self._next_epoch(storage, new, number)))

    def _rewritten(self, event: TableRewritten) -> None:
        old, new = self._tables.get(event.table.id), event.table
        self._tables[new.id] = new
        if old is None:
            return
        data = self._state.tables[old.storage]
        before = [key for leaf in data.live.leaves() for key in leaf.keys]  # the storage was closed there: these are its rows to this day
        after = self.keys(event) or ()
        if old.key == new.key and all(old.by_id[i].datatype == new.by_id[i].datatype for i in old.key):
            self._same_keys(old, new, False)
        if len(before) == len(after):
            for key, new_key in zip(before, after, strict=True):
                self._link((old.storage, key, self._epoch(old.storage, key)), (new.storage, new_key, 0))

    def _same_keys(self, old: Table, new: Table, live: bool) -> None:
        """What has a key in the new storage is the row that had it in the old one: past rows, and with `live` those it ended with."""
        data = self._state.tables[old.storage]
        parts = data.shape.versions.parts
        keys = {parts(version)[0] for leaf in data.past.leaves() for version in leaf.keys}
        if live:
            keys.update(key for leaf in data.live.leaves() for key in leaf.keys)
        for key in keys:
            self._link(self.place(old.storage, key), (new.storage, key, 0))

    def _link(self, one: Place, other: Place) -> None:
        self.links.setdefault(one, []).append(other)
        self.links.setdefault(other, []).append(one)

    def _epoch(self, storage: int, key: Key) -> int:
        return self._epochs.get((storage, key), 0)

    def _next_epoch(self, storage: int, key: Key, number: int) -> int:
        self._moments.setdefault((storage, key), []).append(number)
        epoch = self._epochs[storage, key] = self._epoch(storage, key) + 1
        return epoch

    # asking

    def keys(self, event: Event) -> list[Key] | None:
        """The keys of the rows in an event, before it; None for one that is not of rows of the tables that are followed."""
        if isinstance(event, TableRewritten):
            if event.table.id not in self._followed:
                return None
            return _keys_in(event.table, event.rows)
        if not isinstance(event, RowsInserted | RowsUpdated | RowsDeleted):
            return None
        table = self._tables.get(event.table_id)
        if table is None:
            return None
        if isinstance(event, RowsInserted):
            return _keys_in(table, event.rows)
        normal = key_normalizer(table)
        return list(event.keys) if normal is None else list(map(normal, event.keys))

    def table(self, table_id: int) -> Table:
        """A table that is followed, as it is defined behind the last event."""
        return self._tables[table_id]

    def new_keys(self, event: RowsUpdated) -> list[Key]:
        """The keys of the rows of an update, after it."""
        return _new_keys(self._tables[event.table_id], event)

    def storage(self, event: Event) -> int:
        """The storage that an event of rows is about."""
        return event.table.storage if isinstance(event, TableRewritten) else self._tables[event.table_id].storage  # type: ignore[union-attr]

    def place(self, storage: int, key: Key) -> Place:
        """The row that has the key now: behind the last event."""
        return storage, key, self._epoch(storage, key)

    def place_at(self, storage: int, key: Key, start: int) -> Place:
        """The row whose version began at transaction `start`."""
        moments = self._moments.get((storage, key))
        return storage, key, 0 if moments is None else bisect_right(moments, start)

    def connected(self, places: Iterable[Place]) -> list[set[Place]]:
        """The rows that some places belong to, each with all its places."""
        seen: set[Place] = set()
        rows = []
        for place in places:
            if place in seen:
                continue
            row, pending = {place}, [place]
            while pending:
                for other in self.links.get(pending.pop(), ()):
                    if other not in row:
                        row.add(other)
                        pending.append(other)
            seen |= row
            rows.append(row)
        return rows


class Gone:
    """Places whose rows are to go."""

    def __init__(self) -> None:
        self._epochs: dict[tuple[int, Key], set[int]] = {}

    def add(self, place: Place) -> None:
        self._epochs.setdefault(place[:2], set()).add(place[2])

    def __contains__(self, place: Place) -> bool:
        epochs = self._epochs.get(place[:2])
        return epochs is not None and place[2] in epochs

    def __bool__(self) -> bool:
        return bool(self._epochs)

    def places(self) -> list[Place]:
        return [(storage, key, epoch) for (storage, key), epochs in self._epochs.items() for epoch in epochs]

    def without(self, event: Event, identities: Identities) -> Event | None:
        """The event without the rows that are gone: the same one if it has none of them, None if nothing is left. `identities` has
        followed the events before it."""
        keys = identities.keys(event)
        if keys is None:
            return event
        storage, known = identities.storage(event), self._epochs
        kept = [i for i, key in enumerate(keys) if (storage, key) not in known or identities.place(storage, key) not in self]
        if len(kept) == len(keys):
            return event
        if not kept and not isinstance(event, TableRewritten):
            return None
        return _with_rows(event, kept)


def _with_rows(event: Event, kept: Sequence[int]) -> Event:
    """The event with some of its rows."""
    if isinstance(event, RowsInserted | TableRewritten):
        return replace(event, rows=[event.rows[i] for i in kept])
    if isinstance(event, RowsUpdated):
        return replace(event, keys=[event.keys[i] for i in kept], values=[event.values[i] for i in kept])
    assert isinstance(event, RowsDeleted)
    return replace(event, keys=[event.keys[i] for i in kept])


def _keys_in(table: Table, rows: Sequence[tuple[Any, ...]]) -> list[Key]:
    raw: Callable[[Any], Key] = itemgetter(*(slot - 1 for slot in table.key_slots))
    normal = key_normalizer(table)
    return [raw(row) for row in rows] if normal is None else [normal(raw(row)) for row in rows]


def _new_keys(table: Table, event: RowsUpdated) -> list[Key]:
    """The keys of the rows of an update, after it."""
    slots, normal = table.key_slots, key_normalizer(table)
    at = {slot: i for i, slot in enumerate(event.slots)}
    made: list[Key] = []
    for key, values in zip(event.keys, event.values, strict=True):
        parts = (key,) if len(slots) == 1 else key
        new = tuple([values[at[slot]] if slot in at else part for slot, part in zip(slots, parts, strict=True)])
        made.append(new[0] if len(slots) == 1 else new)
    return made if normal is None else list(map(normal, made))
