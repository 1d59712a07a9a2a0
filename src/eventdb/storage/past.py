"""Readers of the past: one table, or one index, as it was after a transaction."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from math import floor
from typing import Any

from eventdb.errors import InternalError
from eventdb.model.schema import Table
from eventdb.model.value import MAX_KEY
from eventdb.storage.btree import Slice
from eventdb.storage.eras import Eras, alive_at, begun
from eventdb.storage.index import Entry, IndexData
from eventdb.storage.readers import BATCH, FIRST_BATCH, Key, Reader, Row, windows
from eventdb.storage.table import TableData, row_key

_MANY = 4
"""With so many past versions a row, a scan of the past seeks from row to row and does not look at each version."""
_PATIENCE = 4
"""So many parts of an ordered scan of the past are found by seeking, before the rest may come from a scan of the whole table."""
_SEEK = 8
"""A search for a row among its versions costs as much as looking at so many rows in a scan."""


class PastTable(Reader):
    """A table as it was after transaction `number`."""

    __slots__ = ("_number", "_unchanging")

    def __init__(self, data: TableData, table: Table, number: int, unchanging: bool = False) -> None:
        """`unchanging`: nobody will edit these trees."""
        super().__init__(data, table)
        self._number = number
        self._unchanging = unchanging
        self.get = _getter(data, number) if self._tails is None and self._normal is None else self._get

    def _get(self, key: Key) -> Row | None:
        if self._normal is not None:
            key = self._normal(key)
        row = _getter(self._data, self._number)(key)
        return None if row is None else self._table.full(row)

    def row_count(self) -> int:
        """About how many rows there were: the count of now stands for it."""
        return self._data.live.count or self._data.past.count

    def get_many(self, keys: Sequence[Key]) -> Sequence[Row]:
        """The rows of those keys that existed, in the order of `keys`."""
        get = self.get
        return [row for key in keys if (row := get(key)) is not None]

    def batches(
        self, low: Key = None, high: Key = None, low_open: bool = False, high_open: bool = False, reverse: bool = False
    ) -> Iterator[Sequence[Row]]:
        """Rows between the bounds in key order, in lists.

        It begins by seeking from row to row. Who reads on through much of the table gets the rest from an unordered scan, sorted.
        """
        low, high = self._bounds(low, high)
        order = row_key(self._table)
        parts = self._in_order(low, high, low_open, high_open, reverse, order)
        much = False
        for turn, rows in enumerate(parts, 1):
            yield self._padded(rows)
            if turn == _PATIENCE:
                if reverse:
                    high, high_open = order(rows[-1]), True
                else:
                    low, low_open = order(rows[-1]), True
                much = self._much(low, high)
                if much and (eras := self._eras()) is not None:
                    rest = self._sorted(eras, low, high, low_open, high_open, reverse, order)
                    for at in range(0, len(rest), BATCH):
                        yield self._padded(rest[at : at + BATCH])
                    return
        if much:
            self._data.scanned = True

    def _much(self, low: Key, high: Key) -> bool:
        """Whether so much lies between the bounds that a scan of the whole table is cheaper than a search for each row."""
        past, bound = self._data.past, self._data.shape.versions.bound
        between = past.estimate(None if low is None else bound(low, False), None if high is None else bound(high, True))
        return between * _SEEK > past.count

    def _sorted(
        self, eras: Eras, low: Key, high: Key, low_open: bool, high_open: bool, reverse: bool, order: Callable[[Row], Key]
    ) -> list[Row]:
        data, number = self._data, self._number
        tree, ended = eras.at(number, data.live, data.ended())
        found = [row for _, vals, i, j in tree.slices(low, high, low_open, high_open) for row in vals[i:j] if row[0] <= number]
        since = [row for rows in ended for row in rows]
        since.sort(key=order)
        i = 0 if low is None else (bisect_right if low_open else bisect_left)(since, low, key=order)
        j = len(since) if high is None else (bisect_left if high_open else bisect_right)(since, high, key=order)
        found += since[i:j]
        found.sort(key=order, reverse=reverse)
        return found

    def _in_order(
        self, low: Key, high: Key, low_open: bool, high_open: bool, reverse: bool, order: Callable[[Row], Key]
    ) -> Iterator[list[Row]]:
        data, number = self._data, self._number
        alive = self._alive()
        for part, past_low, past_high in windows(data.live, low, high, low_open, high_open, reverse, data.shape.versions.bound):
            rows = [] if part is None else begun(part[1][part[2] : part[3]], number)
            if part is None:
                slices = data.past.slices_reversed if reverse else data.past.slices
                for keys, vals, i, j in slices(past_low, past_high, False, True):
                    rows = alive(keys[i:j], vals[i:j], number)
                    if rows:
                        yield rows[::-1] if reverse else rows
                continue
            known = len(rows)
            for keys, vals, i, j in data.past.slices(past_low, past_high, False, True):
                rows += alive(keys[i:j], vals[i:j], number)
            if known and len(rows) > known:
                rows.sort(key=order)
            if rows:
                yield rows[::-1] if reverse else rows

    def unordered(self) -> Iterator[Sequence[Row]]:
        """All rows in any order, in lists."""
        for rows in self._all():
            if rows:
                yield self._padded(rows)

    def _all(self) -> Iterator[list[Row]]:
        data, number = self._data, self._number
        eras = self._eras()
        if eras is not None:
            yield from alive_at(*eras.at(number, data.live, data.ended()), number)
            return
        alive = self._alive()
        for leaf in data.live.leaves():
            yield begun(leaf.vals, number)
        for leaf in data.past.leaves():
            rows = leaf.vals  # first, for that loads a page
            yield alive(leaf.keys, rows, number)
        data.scanned = True

    def _eras(self) -> Eras | None:
        """The table's eras if they reach back so far. They are made when a second scan begins: it takes as long as a few scans without."""
        data = self._data
        if data.eras is not None and self._number >= data.eras.since:
            return data.eras
        return data.make_eras() if data.scanned and self._unchanging else None

    def _alive(self) -> Callable[[Sequence[Any], Sequence[Row], int], list[Row]]:
        data = self._data
        versions = data.shape.versions
        return versions.seek_alive if data.past.count > _MANY * data.live.count else versions.alive

    def index(self, index_id: int) -> PastIndex:
        """An index of the catalog of that moment. It is complete from its creation on, not before."""
        index = self._index(index_id)
        if index.created_at > self._number:
            raise InternalError(f"index {index_id} was created at transaction {index.created_at}, after {self._number}")
        return PastIndex(self, index)


class PastIndex:
    """An index as it was: entries of both halves that held at that position."""

    __slots__ = ("_data", "_number", "_rows_of")

    def __init__(self, table: PastTable, data: IndexData) -> None:
        self._data = data
        self._number = table._number
        self._rows_of = table.get_many

    def lookup(self, prefix: tuple[Any, ...]) -> Sequence[Row]:
        """All rows whose leading components equalled `prefix`, in index order."""
        number, high = self._number, (*prefix, MAX_KEY)
        found = [entry for entry, since in zip(*self._data.live.between(prefix, high), strict=True) if since <= number]
        known = len(found)
        for piece in self._data.past.slices(prefix, high):
            found += _held(piece, number)
        if len(found) > known:
            found.sort()
        return self._rows_of([entry[-1] for entry in found])

    def batches(
        self, low: Entry | None = None, high: Entry | None = None, reverse: bool = False, size: int = FIRST_BATCH
    ) -> Iterator[Sequence[Row]]:
        """Rows with low <= entry < high in index order or reversed; a list of at most `size` first, then larger ones."""
        data, number = self._data, self._number
        for part, past_low, past_high in windows(data.live, low, high, False, True, reverse, _past_of_entry):
            if part is None:
                slices = data.past.slices_reversed if reverse else data.past.slices
                for piece in slices(past_low, past_high, False, True):
                    yield from self._in_order(_held(piece, number), size, reverse)
                    size = BATCH
                continue
            keys, vals, i, j = part
            entries = [entry for entry, since in zip(keys[i:j], vals[i:j], strict=True) if since <= number]
            known = len(entries)
            for piece in data.past.slices(past_low, past_high, False, True):
                entries += _held(piece, number)
            if len(entries) > known:
                entries.sort()
            yield from self._in_order(entries, size, reverse)
            size = BATCH

    def _in_order(self, entries: list[Entry], size: int, reverse: bool) -> Iterator[Sequence[Row]]:
        if reverse:
            entries = entries[::-1]
        at = 0
        while at < len(entries):
            yield self._rows_of([entry[-1] for entry in entries[at : at + size]])
            at += size
            size = min(size * 4, BATCH)

    def count(self, low: Entry | None = None, high: Entry | None = None) -> int:
        """About how many entries lay between the bounds: those of now stand for them."""
        return self._data.live.estimate(low, high) or self._data.past.estimate(low, high)


def _held(piece: Slice, number: int) -> list[Entry]:
    """The entries of a part of a past half that held at `number`, without their start."""
    keys, vals, i, j = piece
    return [entry[:-1] for entry, until in zip(keys[i:j], vals[i:j], strict=True) if until > number >= entry[-1]]


def _getter(data: TableData, number: int) -> Callable[[Key], Row | None]:
    """What finds the row of a key at a position: where there are more past versions than rows, among those first."""
    live, first_past = data.live.get, data.past.count > data.live.count
    at_or_after, of, key_of = data.past.at_or_after, data.shape.versions.of, data.shape.key_of
    after = number + 1

    def get(key: Key) -> Row | None:
        row: Row | None
        version: Row | None
        if not first_past:
            row = live(key)
            if row is not None and row[0] <= number:
                return row
        try:
            version = at_or_after(of(key, after))
        except TypeError:
            # asked for among integers, and no integer
            try:
                whole = floor(key)
            except (TypeError, ValueError, OverflowError):
                return None
            return get(whole) if whole == key else None
        if version is not None and key_of(version) == key:
            return version if version[0] <= number else None
        if first_past:
            row = live(key)
            if row is not None and row[0] <= number:
                return row
        return None

    return get


def _past_of_entry(entry: Entry, after: bool) -> Entry:
    """The bound in a past half that lies before, or after, all that begins with a live entry."""
    return (*entry, MAX_KEY) if after else entry
