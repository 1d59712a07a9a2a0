"""The rows of one table storage, present and past, and the one place where row events change them.

    live   key          → row: the current version
    past   (key, end)   → row: versions that were superseded or deleted at transaction `end` (see `versions` for the form of the key)

A version is alive at n if start <= n < end. Only what ends at a later transaction than it began goes to the past, so a row changed
several times by one transaction makes one version, and one inserted and deleted by the same transaction leaves nothing. What went there is
noted a second time, in the order of time, for scans of the past (see `eras`).

A `TableData` is edited under its token (see `btree`); `fork` freezes it and gives the copy that the next edit works on.
"""

from __future__ import annotations

import gc
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice, repeat
from operator import itemgetter, lt, ne
from typing import Any

from eventdb.errors import InternalError
from eventdb.model.datatype import Kind
from eventdb.model.schema import Index, Table
from eventdb.model.value import NAN_KEY
from eventdb.storage.btree import Tree
from eventdb.storage.eras import Eras
from eventdb.storage.index import EntryRule, IndexData, IndexKeys
from eventdb.storage.timeline import Ascending
from eventdb.storage.versions import version_keys

Key = Any
Row = tuple[Any, ...]

Rule = tuple[IndexData, EntryRule]

BULK = 32
"""From so many rows on an event is applied page by page."""
_COLUMNWISE = 8
"""So many rows of a page are changed column by column."""
_start = itemgetter(0)
_GC_ROWS = 1000
_WITH_NAN = (Kind.REAL, Kind.DOUBLE, Kind.NUMERIC)


class Shape:
    """What a table definition means for its stored rows; made once for each definition.

    `key_of(row)`: the tree key of a stored row. `normal(key)`: the tree key for a key from outside, None where they are the same (they
    differ only by NaN, which must have a place in the order). `versions`: how past versions are keyed.
    """

    __slots__ = (
        "_index_keys", "_indexes", "_rules", "_touched",
        "full", "hidden_key", "key_of", "key_slots", "nan_slots", "normal", "table", "tails", "versions", "width",
    )  # fmt: skip

    def __init__(self, table: Table, indexes: Iterable[Index], index_keys: IndexKeys | None) -> None:
        self.table = table
        self.tails = table.tails
        self.width = table.width
        self.key_slots = frozenset(table.key_slots)
        self.nan_slots = frozenset(column.slot for column in table.columns if column.datatype.kind in _WITH_NAN)
        self.hidden_key = len(table.key) == 1 and table.by_id[table.key[0]].hidden
        self.normal = key_normalizer(table)
        self.key_of = row_key(table)
        self.versions = version_keys(table)
        self.full = table.full
        self._indexes = tuple(indexes)
        self._index_keys = index_keys
        self._rules: dict[int, EntryRule] | None = None
        self._touched: dict[tuple[int, ...], tuple[tuple[int, EntryRule], ...]] = {}

    @property
    def rules(self) -> dict[int, EntryRule]:
        """The rules of the indexes by id; made at the first change, for expressions cost a compilation."""
        if self._rules is None:
            self._rules = {index.id: EntryRule(self.table, index, self._index_keys) for index in self._indexes}
        return self._rules

    def touched(self, slots: tuple[int, ...]) -> tuple[tuple[int, EntryRule], ...]:
        """The rules of the indexes that a change of these slots may touch, with the ids of the indexes."""
        found = self._touched.get(slots)
        if found is None:
            found = tuple((i, rule) for i, rule in self.rules.items() if rule.slots is None or not rule.slots.isdisjoint(slots))
            self._touched[slots] = found
        return found


def key_normalizer(table: Table) -> Callable[[Key], Key] | None:
    """What turns a key from outside into a tree key: NaN gets its place; None where no key column can hold it."""
    if not any(table.by_id[i].datatype.kind in _WITH_NAN for i in table.key):
        return None
    if len(table.key) == 1:
        return lambda key: NAN_KEY if key != key else key
    return lambda key: tuple([NAN_KEY if part != part else part for part in key])


def row_key(table: Table) -> Callable[[Row], Key]:
    """What takes the tree key from a stored row."""
    raw = itemgetter(*table.key_slots)
    normal = key_normalizer(table)
    return raw if normal is None else lambda row: normal(raw(row))


@contextmanager
def collector_asleep(rows: int) -> Iterator[None]:
    """The cyclic garbage collector off while many tuples are made: it would walk them all again and again and find nothing."""
    if rows < _GC_ROWS or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():
            # put what was made among the old objects, without a look at each of them
            gc.freeze()
            gc.unfreeze()
        gc.enable()


class TableData:
    """One storage: its trees, its indexes (the dropped ones too), the next hidden row id, and the transaction that closed it.

    `indexes` may hold indexes of an older token: they are forked when they are first edited.
    """

    __slots__ = (
        "_ended", "_ended_count", "checked", "closed_at", "eras", "indexes", "live", "next_row_id", "past", "scanned", "shape", "storage",
        "token", "touched",
    )  # fmt: skip

    def __init__(
        self,
        token: object,
        storage: int,
        shape: Shape,
        live: Tree | None = None,
        past: Tree | None = None,
        indexes: dict[int, IndexData] | None = None,
        next_row_id: int = 1,
        closed_at: int | None = None,
        touched: Ascending | None = None,
        eras: Eras | None = None,
    ) -> None:
        self.token = token
        self.storage = storage
        self.shape = shape
        self.live = Tree(token) if live is None else live
        self.past = Tree(token) if past is None else past
        self.indexes = {} if indexes is None else indexes
        self.next_row_id = next_row_id
        self.closed_at = closed_at
        self.touched = touched
        """The transactions that edited it, or more than those; None where they are not known (a snapshot of an older version)."""
        self.eras = eras
        """None where not known: see `Eras`."""
        self._ended: list[Row] = []
        self._ended_count = 0
        self.scanned = False
        """Whether its past was scanned to the end without eras."""
        self.checked = False
        """Whether `verify.check_state` has seen it."""

    def fork(self, token: object) -> TableData:
        """The same content to be edited under another token; this one must not be edited afterwards."""
        copy = TableData(
            token,
            self.storage,
            self.shape,
            self.live.fork(token),
            self.past.fork(token),
            self.indexes.copy(),
            self.next_row_id,
            self.closed_at,
            self.touched,
            self.eras,
        )
        copy._ended, copy._ended_count, copy.scanned = self._ended, self._ended_count, self.scanned
        return copy

    def published(self, number: int) -> bool:
        """Transaction `number`, which edited this, is done. Whether an era ends with it, which keeps the pages as they are."""
        if self.touched is not None:
            self.touched = self.touched.extended(number)
        if self._ended_count:
            eras = Eras(number) if self.eras is None else self.eras
            self.eras = longer = eras.extended(number, self.ended(), self.live)
            self._ended, self._ended_count = [], 0
            return longer.ends() is not eras.ends()
        return False

    def ended(self) -> list[Row]:
        """The versions that the transaction under way has ended."""
        return self._ended[: self._ended_count]

    def make_eras(self) -> Eras:
        """The eras of the whole history, made from the trees, which nobody edits any more."""
        with collector_asleep(self.past.count):
            ends = self.shape.versions.ends
            self.eras = Eras.of(self.live, ((ends(leaf.keys), leaf.vals) for leaf in self.past.leaves()), self.shape.key_of)
        return self.eras

    def without_past(self, token: object) -> TableData:
        """The same content of now, to be edited under another token; what was superseded is forgotten."""
        indexes = {i: IndexData(i, d.live.fork(token), Tree(token), d.created_at) for i, d in self.indexes.items() if d.dropped_at is None}
        return TableData(token, self.storage, self.shape, self.live.fork(token), Tree(token), indexes, self.next_row_id, self.closed_at)

    def emptied(self, token: object) -> TableData:
        """A storage of the same table without rows."""
        indexes = {i: IndexData(i, Tree(token), Tree(token), d.created_at) for i, d in self.indexes.items() if d.dropped_at is None}
        return TableData(token, self.storage, self.shape, None, None, indexes, self.next_row_id)

    # schema

    def define(self, shape: Shape) -> None:
        """The table's definition changed without a change of its rows."""
        self.shape = shape

    def create_index(self, index_id: int, number: int) -> None:
        """Build an index from the rows that are there; its rule is in the shape already."""
        rule = self.shape.rules[index_id]
        with collector_asleep(self.live.count):
            made: list[tuple[Any, ...]] = []
            starts: list[tuple[tuple[Any, ...], int]] = []
            for leaf in self.live.leaves():
                rows = leaf.vals if self.shape.tails is None else [self.shape.full(row) for row in leaf.vals]
                if rule.slots is not None:
                    starts += zip(rule.bulk(rows, leaf.keys), [row[0] for row in rows], strict=True)
                else:
                    starts += [((*e, k), r[0]) for r, k in zip(rows, leaf.keys, strict=True) if (e := rule.of(r)) is not None]
            starts.sort()
            made = [entry for entry, _ in starts]
            live = Tree.build(self.token, made, [since for _, since in starts])
        self.indexes[index_id] = IndexData(index_id, live, Tree(self.token), number)

    def drop_index(self, index_id: int, number: int) -> None:
        index = self.indexes[index_id]
        self.indexes[index_id] = IndexData(index_id, index.live, index.past, index.created_at, number)

    def close(self, number: int) -> None:
        """The table was dropped or rewritten at `number`."""
        self.closed_at = number

    # rows

    def insert(self, number: int, rows: Sequence[Row]) -> None:
        """Apply RowsInserted: rows without start number, in slot order."""
        self._add([(number, *row) for row in rows], number)

    def update(self, number: int, keys: Sequence[Key], slots: tuple[int, ...], values: Sequence[Row]) -> None:
        """Apply RowsUpdated. Of a key that comes several times the last values count."""
        shape = self.shape
        if not shape.key_slots.isdisjoint(slots):
            self._move(number, keys, slots, values)
            return
        if shape.normal is not None:
            keys = list(map(shape.normal, keys))
        if not all(map(lt, keys, islice(keys, 1, None))):
            last = dict(zip(keys, values, strict=True))
            keys = sorted(last)
            values = list(map(last.__getitem__, keys))
        rules = self._edited(shape.touched(slots))
        if len(keys) >= BULK:
            with collector_asleep(len(keys)):
                self._update_many(number, keys, slots, values, rules)
            return
        for key, new in zip(keys, values, strict=True):
            self._update_row(number, key, slots, new, rules)

    def _update_row(self, number: int, key: Key, slots: tuple[int, ...], values: Row, rules: Sequence[Rule]) -> None:
        found = self.live.cell(key)
        if found is None:
            raise self._missing(key)
        vals, i = found
        old = vals[i]
        shape = self.shape
        before = old if shape.tails is None else shape.full(old)
        after = _changed(before, slots, values, number)
        if after is None:
            return
        vals[i] = after
        if old[0] != number:
            self.past.put(shape.versions.of(key, number), old)
            self._note((old,))
        for index, rule in rules:
            index.change(rule.of(before), rule.of(after), key, number)

    def _update_many(
        self, number: int, keys: Sequence[Key], slots: tuple[int, ...], values: Sequence[Row], rules: Sequence[Rule]
    ) -> None:
        """The same for many rows by ascending key, a leaf at a time."""
        full = self.shape.full if self.shape.tails is not None else None
        changed: list[Key] = []
        stored: list[Row] = []
        olds: list[Row] = []
        news: list[Row] = []
        for leaf, lo, hi in self.live.runs(keys):
            part = keys[lo:hi]
            places = _places(leaf.keys, part)
            if places is None:
                raise self._missing(next(key for key in part if self.live.get(key) is None))
            kept = leaf.vals if len(places) == len(leaf.keys) else [leaf.vals[i] for i in places]
            before = kept if full is None else list(map(full, kept))
            after = self._changed_rows(number, before, slots, values[lo:hi])
            if None in after:
                really = [i for i, row in enumerate(after) if row is not None]
                part, places = [part[i] for i in really], [places[i] for i in really]
                kept, before, after = [kept[i] for i in really], [before[i] for i in really], [after[i] for i in really]
            if len(places) == len(leaf.keys):
                leaf.vals = after
            else:
                vals = leaf.vals
                for i, row in zip(places, after, strict=True):
                    vals[i] = row
            changed += part
            stored += kept
            news += after
            if rules:
                olds += before
        self._keep(changed, stored, number)
        for index, rule in rules:
            index.change_many(rule, olds, news, changed, number)

    def _changed_rows(self, number: int, rows: Sequence[Row], slots: tuple[int, ...], values: Sequence[Row]) -> list[Any]:
        """Rows with other values, None for each that has them already."""
        if len(rows) >= _COLUMNWISE:
            columns = list(zip(*rows, strict=True))
            coming = list(zip(*values, strict=True))
            nan_slots = self.shape.nan_slots  # NaN differs from itself, so of columns that may hold it each value is looked at
            if any(slot not in nan_slots and all(map(ne, columns[slot], column)) for slot, column in zip(slots, coming, strict=True)):
                columns[0] = repeat(number, len(rows))  # type: ignore[call-overload]
                for slot, column in zip(slots, coming, strict=True):
                    columns[slot] = column
                return list(zip(*columns, strict=True))
        return [_changed(row, slots, new, number) for row, new in zip(rows, values, strict=True)]

    def delete(self, number: int, keys: Sequence[Key]) -> None:
        """Apply RowsDeleted."""
        normal = self.shape.normal
        self._remove(list(keys) if normal is None else [normal(key) for key in keys], number)

    def rules(self) -> list[Rule]:
        """The indexes in use with their rules, for reading."""
        return [(index, rule) for i, rule in self.shape.rules.items() if (index := self.indexes.get(i)) is not None]

    def _edited(self, rules: Iterable[tuple[int, EntryRule]]) -> list[Rule]:
        """Those indexes, to be changed."""
        found = []
        for index_id, rule in rules:
            index = self.indexes.get(index_id)
            if index is not None:
                if index.live.token is not self.token:
                    index = self.indexes[index_id] = index.fork(self.token)
                found.append((index, rule))
        return found

    def _move(self, number: int, keys: Sequence[Key], slots: tuple[int, ...], values: Sequence[Row]) -> None:
        """An update of key columns: every row leaves its old key before any takes its new one."""
        normal, full = self.shape.normal, self.shape.full
        leaving, coming = [], []
        for key, new in zip(keys, values, strict=True):
            key = key if normal is None else normal(key)
            old = self.live.get(key)
            if old is None:
                raise self._missing(key)
            row = list(full(old))
            if all(identical(row[slot], value) for slot, value in zip(slots, new, strict=True)):
                continue
            for slot, value in zip(slots, new, strict=True):
                row[slot] = value
            row[0] = number
            leaving.append(key)
            coming.append(tuple(row))
        self._remove(leaving, number)
        self._add(coming, number)

    def _add(self, rows: list[Row], number: int) -> None:
        shape = self.shape
        count = self.live.count
        if len(rows) < BULK:
            rules = self._edited(shape.rules.items())
            for row in rows:
                key = shape.key_of(row)
                self.live.put(key, row)
                for index, rule in rules:
                    entry = rule.of(row)
                    if entry is not None:
                        index.live.put((*entry, key), number)
            keys = [shape.key_of(row) for row in rows] if shape.hidden_key else []
        else:
            with collector_asleep(len(rows)):
                keys = list(map(shape.key_of, rows))
                if not all(map(lt, keys, islice(keys, 1, None))):
                    by_key = dict(zip(keys, rows, strict=True))
                    keys = sorted(by_key)
                    rows = list(map(by_key.__getitem__, keys))
                for index, rule in self._edited(shape.rules.items()):
                    index.add_many(rule.bulk(rows, keys), number, by_row=True)
                self.live.put_many(keys, rows)
        if self.live.count != count + len(rows):
            raise InternalError(f'rows inserted into table "{shape.table.name}" meet others of the same key')
        if shape.hidden_key and keys:
            self.next_row_id = max(self.next_row_id, max(keys) + 1)

    def _remove(self, keys: list[Key], number: int) -> None:
        shape = self.shape
        rules, full = self._edited(shape.rules.items()), shape.full
        if len(keys) < BULK:
            for key in keys:
                old = self.live.pop(key)
                if old is None:
                    raise self._missing(key)
                if old[0] != number:
                    self.past.put(shape.versions.of(key, number), old)
                    self._note((old,))
                if rules:
                    old = full(old)
                for index, rule in rules:
                    index.change(rule.of(old), None, key, number)
            return
        with collector_asleep(len(keys)):
            keys = sorted(keys)
            rows = self.live.pop_many(keys)
            if len(rows) != len(keys):
                raise InternalError(f'a change of table "{shape.table.name}" names keys that are not there')
            self._keep(keys, rows, number)
            if shape.tails is not None:
                rows = list(map(full, rows))
            for index, rule in rules:
                index.remove_many(rule.bulk(rows, keys), number)

    def _keep(self, keys: list[Key], rows: list[Row], number: int) -> None:
        """Put versions that end now, by ascending key, into the past."""
        if number in map(_start, rows):
            keys = [key for key, row in zip(keys, rows, strict=True) if row[0] != number]
            rows = [row for row in rows if row[0] != number]
        self.past.put_many(self.shape.versions.many(keys, number), rows)
        self._note(rows)

    def _note(self, rows: Sequence[Row]) -> None:
        """Versions have ended. The list is shared with copies that may be gone back to, each of which knows how much of it is its own."""
        if len(self._ended) != self._ended_count:
            self._ended = self._ended[: self._ended_count]
        self._ended += rows
        self._ended_count += len(rows)

    def _missing(self, key: Key) -> InternalError:
        return InternalError(f'a change of table "{self.shape.table.name}" names the key {key!r}, which is not there')


def _changed(row: Row, slots: tuple[int, ...], values: Row, number: int) -> Row | None:
    """A row with other values from transaction `number` on; None if it has them already."""
    made = list(row)
    same = True
    for slot, value in zip(slots, values, strict=True):
        if same and not identical(made[slot], value):
            same = False
        made[slot] = value
    if same:
        return None
    made[0] = number
    return tuple(made)


def _places(keys: list[Key], wanted: Sequence[Key]) -> Sequence[int] | None:
    """Where each of some ascending keys stands in a leaf, None if one isn't there."""
    if len(wanted) == len(keys):
        return range(len(keys)) if wanted == keys else None
    places = []
    i = 0
    for key in wanted:
        i = bisect_left(keys, key, i)
        if i == len(keys) or keys[i] != key:
            return None
        places.append(i)
    return places


def identical(old: Any, new: Any) -> bool:
    """Whether a value stays what it is. Equal values can differ in what they show (1.0 and 1.00, '30 days' and '1 month')."""
    if old is new:
        return True
    return type(old) is type(new) and (old == new or old != old) and repr(old) == repr(new)
