"""Readers: one table, or one index, at one position in time.

They have the shape of `TableReader` and `IndexReader` in the SQL half. A reader shows the pages as they are when it is opened; who goes on
editing the same table freezes it first (`Editor.freeze`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any

from eventdb.errors import InternalError
from eventdb.model.schema import Table
from eventdb.model.value import MAX_KEY
from eventdb.storage.btree import Slice, Tree
from eventdb.storage.flat import Flat, flat
from eventdb.storage.index import Entry, IndexData
from eventdb.storage.table import TableData, row_key
from eventdb.storage.versions import INTEGERS, OPEN

Key = Any
Row = tuple[Any, ...]
Version = tuple[int | None, Row]
Beside = dict[int, list[Any]]
"""By the identity of a leaf's list of entries: [that list, the rows that they lead to or None, how many are to be asked for until then]."""

_first = itemgetter(0)
_ROWS_PER_LEAF = 128
_SINGLE = 4
FIRST_BATCH = 32
BATCH = 512


class Reader:
    """What readers of the present and of the past share: padding, bounds, versions."""

    __slots__ = ("_data", "_normal", "_table", "_tails", "_width", "get")

    get: Callable[[Key], Row | None]
    """The row of a key."""

    def __init__(self, data: TableData, table: Table) -> None:
        self._data = data
        self._table = table
        self._tails = table.tails
        self._width = table.width
        self._normal = data.shape.normal

    def _padded(self, rows: list[Row]) -> list[Row]:
        tails, width = self._tails, self._width
        if tails is None:
            return rows
        return [row if len(row) >= width else row + tails[len(row)] for row in rows]

    def _bounds(self, low: Key, high: Key) -> tuple[Key, Key]:
        if self._normal is None:
            return low, high
        return (None if low is None else self._normal(low)), (None if high is None else self._normal(high))

    def _index(self, index_id: int) -> IndexData:
        index = self._data.indexes.get(index_id)
        if index is None:
            raise InternalError(f'table "{self._table.name}" has no index {index_id} in its storage')
        return index

    def versions(self, first: int, last: int, key: Key = None) -> Iterator[Sequence[Version]]:
        """Versions alive at some position in [first, last], of all rows or of the one with `key`, by key and then by start.

        A version is (the transaction that ended it or None, row).
        """
        if key is None:
            return self._all_versions(first, last)
        alive = self._versions_of(key if self._normal is None else self._normal(key), first, last)
        return iter((self._finished(alive),) if alive else ())

    def _all_versions(self, first: int, last: int) -> Iterator[Sequence[Version]]:
        data = self._data
        closed = data.closed_at
        versions = data.shape.versions
        ends, of, position = versions.ends, versions.of, row_key(self._table)
        for part, past_low, past_high in windows(data.live, None, None, False, False, False, versions.bound):
            found: list[Version] = []
            order: list[Any] = []
            for keys, vals, i, j in data.past.slices(past_low, past_high, False, True):
                keys = keys[i:j]
                for name, end, row in zip(keys, ends(keys), vals[i:j], strict=True):
                    if row[0] <= last and end > first:
                        found.append((end, row))
                        order.append(name)
                if part is None and found:
                    yield self._finished(found)
                    found = []
            if part is not None and (closed is None or closed > first):
                rows = [row for row in part[1][part[2] : part[3]] if row[0] <= last]
                alive = [(closed, row) for row in rows]
                if found:
                    # the open versions of a row come behind all that have ended
                    order += [of(position(row), OPEN) for row in rows]
                    alive = [version for _, version in sorted(zip(order, found + alive, strict=True), key=_first)]
                found = alive
            if found:
                yield self._finished(found)

    def _versions_of(self, key: Key, first: int, last: int) -> list[Version]:
        data = self._data
        versions = data.shape.versions
        names, rows = data.past.between(versions.bound(key, False), versions.bound(key, True))
        found: list[Version] = list(zip(versions.ends(names), rows, strict=True))
        if found and (found[0][0] <= first or found[-1][1][0] > last):  # type: ignore[operator]
            found = [version for version in found if version[1][0] <= last and version[0] > first]  # type: ignore[operator]
        row = data.live.get(key)
        if row is not None and row[0] <= last and (data.closed_at is None or data.closed_at > first):
            found.append((data.closed_at, row))
        return found

    def history(self, first: int, last: int, key: Key) -> Sequence[Row]:
        """The rows of `versions` of one key."""
        if first > 0:
            return [row for batch in self.versions(first, last, key) for _, row in batch]
        if self._normal is not None:
            key = self._normal(key)
        data = self._data
        bound = data.shape.versions.bound
        rows = data.past.values(bound(key, False), bound(key, True))
        row = data.live.get(key)
        if row is not None:
            rows.append(row)
        if rows and rows[-1][0] > last:
            rows = [row for row in rows if row[0] <= last]
        return self._padded(rows)

    def _finished(self, found: list[Version]) -> list[Version]:
        if self._tails is None:
            return found
        return list(zip([end for end, _ in found], self._padded([row for _, row in found]), strict=True))


class LiveTable(Reader):
    """A table now."""

    __slots__ = ("_beside", "_flat", "_until_flat")

    def __init__(self, data: TableData, table: Table, unchanging: bool = False) -> None:
        """`unchanging`: nobody will edit these trees, so what is found out about them may be kept."""
        super().__init__(data, table)
        self.get = data.live.get if self._tails is None and self._normal is None else self._get
        self._flat: Flat | None = None
        self._until_flat = data.live.count // _ROWS_PER_LEAF if unchanging else None
        self._beside: dict[int, Beside] | None = {} if unchanging and self._tails is None else None

    def _get(self, key: Key) -> Row | None:
        row: Row | None = self._data.live.get(key if self._normal is None else self._normal(key))
        return None if row is None else self._table.full(row)

    @property
    def tree(self) -> Tree:
        """The rows by key, as they are stored: see `full`."""
        return self._data.live

    def full(self, rows: list[Row]) -> list[Row]:
        """Stored rows at full width: those from before a column was added are shorter."""
        return self._padded(rows)

    def row_count(self) -> int:
        """How many rows there are."""
        return self._data.live.count

    def get_many(self, keys: Sequence[Key]) -> Sequence[Row]:
        """The rows of those keys that exist, in the order of `keys`."""
        if self._normal is not None:
            keys = [self._normal(key) for key in keys]
        return self._padded(self._data.live.get_many(keys))

    def _rows_of(self, keys: list[Key]) -> list[Row]:
        """The rows of keys that an index holds."""
        left = self._until_flat
        if left is not None:
            data = self._data
            if left > 0:
                self._until_flat = left - len(keys)
            else:
                if self._flat is None:
                    shape = data.shape
                    self._flat = flat(data.live.root, shape.key_of, shape.versions is INTEGERS)
                rows = None if self._flat is None else self._flat.rows(keys)
                if rows is not None:
                    return rows if self._tails is None else self._padded(rows)
                self._until_flat = None
        return self._padded(self._data.live.get_many(keys))

    def batches(
        self, low: Key = None, high: Key = None, low_open: bool = False, high_open: bool = False, reverse: bool = False
    ) -> Iterator[Sequence[Row]]:
        """Rows between the bounds in key order, in lists."""
        low, high = self._bounds(low, high)
        live = self._data.live
        if reverse:
            for _, vals, i, j in live.slices_reversed(low, high, low_open, high_open):
                part = vals[i:j]
                part.reverse()
                yield self._padded(part)
            return
        for _, vals, i, j in live.slices(low, high, low_open, high_open):
            yield self._padded(vals if j - i == len(vals) else vals[i:j])

    def unordered(self) -> Iterator[Sequence[Row]]:
        """All rows, in lists."""
        if self._tails is None:
            for leaf in self._data.live.leaves():
                yield leaf.vals
        else:
            for leaf in self._data.live.leaves():
                yield self._padded(leaf.vals)

    def index(self, index_id: int) -> LiveIndex:
        beside = None if self._beside is None else self._beside.setdefault(index_id, {})
        return LiveIndex(self, self._index(index_id).live, beside)


class LiveIndex:
    """An index now."""

    __slots__ = ("_beside", "_rows_of", "_tree")

    def __init__(self, table: LiveTable, tree: Tree, beside: Beside | None) -> None:
        self._rows_of = table._rows_of
        self._tree = tree
        self._beside = beside

    def lookup(self, prefix: tuple[Any, ...]) -> Sequence[Row]:
        """All rows whose leading components equal `prefix`, in index order."""
        high = (*prefix, MAX_KEY)
        keys = self._tree.leaf(prefix).keys
        i = bisect_left(keys, prefix)
        j = bisect_left(keys, high, i)
        if j < len(keys):
            return self._part(keys, i, j) if i < j else ()
        found: list[Row] = []
        for keys, _, i, j in self._tree.slices(prefix, high, False, True):
            found += self._part(keys, i, j)
        return found

    def _part(self, keys: list[Entry], i: int, j: int) -> list[Row]:
        """The rows of some entries of a leaf. Of a leaf that much is read of, all rows are kept beside it: when as many entries of it have
        been asked for as it holds, so that fetching the rest costs no more than what was fetched before."""
        beside = self._beside
        if beside is None or j - i < _SINGLE:
            return self._rows_of([entry[-1] for entry in keys[i:j]])
        known = beside.get(id(keys))
        if known is None or known[0] is not keys:
            known = beside[id(keys)] = [keys, None, len(keys)]  # held, so that its id stays its own
        rows: list[Row] | None = known[1]
        if rows is None:
            known[2] -= j - i
            if known[2] > 0:
                return self._rows_of([entry[-1] for entry in keys[i:j]])
            rows = known[1] = self._rows_of([entry[-1] for entry in keys])
        return rows[i:j]

    def batches(
        self, low: Entry | None = None, high: Entry | None = None, reverse: bool = False, size: int = FIRST_BATCH
    ) -> Iterator[Sequence[Row]]:
        """Rows with low <= entry < high in index order or reversed; a list of at most `size` first, then larger ones."""
        parts = self._tree.slices_reversed(low, high, False, True) if reverse else self._tree.slices(low, high, False, True)
        for keys, _, i, j in parts:
            while i < j:
                if reverse:
                    rows = self._part(keys, max(i, j - size), j)
                    rows.reverse()
                    j -= size
                else:
                    rows = self._part(keys, i, min(i + size, j))
                    i += size
                yield rows
                size = min(size * 4, BATCH)

    def count(self, low: Entry | None = None, high: Entry | None = None) -> int:
        """About how many entries lie between the bounds."""
        return self._tree.estimate(low, high)


def windows(
    live: Tree, low: Any, high: Any, low_open: bool, high_open: bool, reverse: bool, edge: Callable[[Any, bool], Any]
) -> Iterator[tuple[Slice | None, Any, Any]]:
    """Cut a range at the pages of the live half: for each page its part, and the bounds of what belongs beside it in the past half.

    Last comes None with the bounds of what lies beyond the last live page. `edge` turns a live key into a bound of the past half.
    """
    past_low = None if low is None else edge(low, low_open)
    past_high = None if high is None else edge(high, not high_open)
    if reverse:
        for piece in live.slices_reversed(low, high, low_open, high_open):
            start = edge(piece[0][piece[2]], False)
            yield piece, start, past_high
            past_high = start
    else:
        for piece in live.slices(low, high, low_open, high_open):
            end = edge(piece[0][piece[3] - 1], True)
            yield piece, past_low, end
            past_low = end
    yield None, past_low, past_high
