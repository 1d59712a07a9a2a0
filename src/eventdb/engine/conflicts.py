"""What a transaction read and wrote, and whether later commits touch it: precision locking, done once, at commit.

A transaction runs on the state at its start and never waits. At commit, when others came first, each row that they changed is taken
in its old form (as this transaction could see it) and its new form (as it stands now), and both are held against what this transaction
read: keys, key ranges, index prefixes and ranges, whole tables. If none matches, every read would have given the same answer on the new
head, so the transaction may move behind those commits: the order of the log is a serial order. Rows changed and changed back do no harm.

Two read sets are kept. *Queries*: what statements read; counts under SERIALIZABLE only. *Probes*: what uniqueness and foreign key checks
read; always counts, since a constraint must hold in every isolation level. Writing the same row is always a conflict.

Not done: predicates finer than an index range (a scan filtered on a column without an index reads the whole table).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from eventdb.model.catalog import Catalog
from eventdb.model.event import Event, RowsDeleted, RowsInserted, RowsUpdated, SequenceAdvanced, TableRewritten
from eventdb.model.keys import component
from eventdb.model.schema import Index, Table
from eventdb.sql.reader import IndexReader, Row, StateReader, TableReader, Version

Key = Any
IndexKey = Callable[[Row], tuple[Any, ...] | None]
IndexKeys = Callable[[Table, Index], IndexKey]
"""How the components of an index entry are computed from a stored row; None for a row that a partial index leaves out."""

ESCALATION = 50_000
"""Beyond this many remembered keys or ranges of one table, the whole table counts as read."""


class TableReads:
    """What was read of one table."""

    __slots__ = ("index_ranges", "keys", "prefixes", "ranges", "whole")

    def __init__(self) -> None:
        self.keys: set[Key] = set()
        self.ranges: list[tuple[Key, Key, bool, bool]] = []
        self.prefixes: set[tuple[int, tuple[Any, ...]]] = set()
        self.index_ranges: list[tuple[int, tuple[Any, ...] | None, tuple[Any, ...] | None]] = []
        self.whole = False

    def escalate(self) -> None:
        """Remember the whole table in place of the many."""
        self.whole = True
        self.keys.clear()
        self.ranges.clear()
        self.prefixes.clear()
        self.index_ranges.clear()

    def size(self) -> int:
        return len(self.keys) + len(self.ranges) + len(self.prefixes) + len(self.index_ranges)


class ReadSet:
    """What was read of each table, by table id."""

    __slots__ = ("tables",)

    def __init__(self) -> None:
        self.tables: dict[int, TableReads] = {}

    def of(self, table_id: int) -> TableReads:
        reads = self.tables.get(table_id)
        if reads is None:
            reads = self.tables[table_id] = TableReads()
        elif not reads.whole and reads.size() > ESCALATION:
            reads.escalate()
        return reads


class RecordingIndex:
    """An index reader that remembers what was asked of it."""

    __slots__ = ("_id", "_inner", "_reads")

    def __init__(self, inner: IndexReader, index_id: int, reads: TableReads) -> None:
        self._inner = inner
        self._id = index_id
        self._reads = reads

    def lookup(self, prefix: tuple[Any, ...]) -> Sequence[Row]:
        self._reads.prefixes.add((self._id, prefix))
        return self._inner.lookup(prefix)

    def batches(
        self, low: tuple[Any, ...] | None = None, high: tuple[Any, ...] | None = None, reverse: bool = False, size: int = 32
    ) -> Iterator[Sequence[Row]]:
        self._reads.index_ranges.append((self._id, low, high))
        return self._inner.batches(low, high, reverse, size)

    def count(self, low: tuple[Any, ...] | None = None, high: tuple[Any, ...] | None = None) -> int:
        return self._inner.count(low, high)


class RecordingTable:
    """A table reader that remembers what was asked of it."""

    __slots__ = ("_add", "_get", "_inner", "_reads")

    def __init__(self, inner: TableReader, reads: TableReads) -> None:
        self._inner = inner
        self._reads = reads
        self._get = inner.get
        self._add = reads.keys.add

    def row_count(self) -> int:
        self._reads.whole = True
        return self._inner.row_count()

    def get(self, key: Key) -> Row | None:
        self._add(key)
        return self._get(key)

    def get_many(self, keys: Sequence[Key]) -> Sequence[Row]:
        self._reads.keys.update(keys)
        return self._inner.get_many(keys)

    def batches(
        self, low: Key = None, high: Key = None, low_open: bool = False, high_open: bool = False, reverse: bool = False
    ) -> Iterator[Sequence[Row]]:
        if low is None and high is None:
            self._reads.whole = True
        else:
            self._reads.ranges.append((low, high, low_open, high_open))
        return self._inner.batches(low, high, low_open, high_open, reverse)

    def unordered(self) -> Iterator[Sequence[Row]]:
        self._reads.whole = True
        return self._inner.unordered()

    def versions(self, first: int, last: int, key: Key = None) -> Iterator[Sequence[Version]]:
        if key is None:
            self._reads.whole = True
        else:
            self._reads.keys.add(key)
        return self._inner.versions(first, last, key)

    def history(self, first: int, last: int, key: Key) -> Sequence[Row]:
        self._reads.keys.add(key)
        return self._inner.history(first, last, key)

    def index(self, index_id: int) -> IndexReader:
        return RecordingIndex(self._inner.index(index_id), index_id, self._reads)


class RecordingReader:
    """A state reader that remembers what was read of its present; the past does not change, so reads of it are not remembered.

    `inner` may be replaced when a transaction makes its first change.
    """

    __slots__ = ("inner", "reads")

    def __init__(self, inner: StateReader, reads: ReadSet) -> None:
        self.inner = inner
        self.reads = reads

    @property
    def number(self) -> int:
        return self.inner.number

    @property
    def catalog(self) -> Catalog:
        return self.inner.catalog

    def table(self, table: Table, at: int | None = None) -> TableReader:
        if at is not None:
            return self.inner.table(table, at)
        return RecordingTable(self.inner.table(table), self.reads.of(table.id))

    def over(self, inner: StateReader) -> RecordingReader:
        """A reader of another state that remembers in the same place."""
        return RecordingReader(inner, self.reads)

    def catalog_at(self, number: int) -> Catalog:
        return self.inner.catalog_at(number)

    def number_at(self, microseconds: int) -> int:
        return self.inner.number_at(microseconds)

    def time_of(self, number: int) -> int | None:
        return self.inner.time_of(number)

    def sequence_value(self, sequence_id: int) -> int | None:
        return self.inner.sequence_value(sequence_id)


class LockingReader(RecordingReader):
    """A state reader that remembers only what is read of some tables: for FOR UPDATE, beside whatever `inner` remembers."""

    __slots__ = ("_tables",)

    def __init__(self, inner: StateReader, reads: ReadSet, tables: frozenset[int]) -> None:
        super().__init__(inner, reads)
        self._tables = tables

    def over(self, inner: StateReader) -> LockingReader:
        """A reader of another state that remembers in the same places."""
        below = self.inner.over(inner) if isinstance(self.inner, RecordingReader) else inner
        return LockingReader(below, self.reads, self._tables)

    def table(self, table: Table, at: int | None = None) -> TableReader:
        return super().table(table, at) if table.id in self._tables else self.inner.table(table, at)


def changed_keys(events: Iterable[Event], catalog: Catalog) -> dict[int, set[Key]]:
    """The keys of the rows that `events` touch, old keys and new, by table id. `catalog`: the one that the events were made under."""
    changed: dict[int, set[Key]] = {}
    for event in events:
        match event:
            case RowsInserted(table_id=table_id):
                slots = [slot - 1 for slot in catalog.tables[table_id].key_slots]
                changed.setdefault(table_id, set()).update(_project(event.rows, slots))
            case RowsDeleted(table_id=table_id):
                changed.setdefault(table_id, set()).update(event.keys)
            case RowsUpdated(table_id=table_id):
                keys = changed.setdefault(table_id, set())
                keys.update(event.keys)
                key_slots = catalog.tables[table_id].key_slots
                if not set(key_slots).isdisjoint(event.slots):
                    keys.update(_moved(event, key_slots))
            case _:
                pass
    return changed


def _project(rows: Iterable[Row], places: Sequence[int]) -> Iterator[Key]:
    if len(places) == 1:
        place = places[0]
        return (row[place] for row in rows)
    return (tuple(row[place] for place in places) for row in rows)


def _moved(event: RowsUpdated, key_slots: Sequence[int]) -> Iterator[Key]:
    """The new keys of an update that changes key columns."""
    place = {slot: i for i, slot in enumerate(event.slots)}
    for key, values in zip(event.keys, event.values, strict=True):
        if len(key_slots) == 1:
            yield values[place[key_slots[0]]]
        else:
            yield tuple(values[place[slot]] if slot in place else old for slot, old in zip(key_slots, key, strict=True))


def is_schema_event(event: Event) -> bool:
    """Whether the event changes the schema (row events and sequence values do not)."""
    return not isinstance(event, RowsInserted | RowsUpdated | RowsDeleted | SequenceAdvanced)


def tables_in(event: Event) -> Iterator[int]:
    """The tables that a schema event depends on with all their rows (an index is built from them, a constraint checked against them)."""
    table = getattr(event, "table", None)
    if table is not None:
        yield table.id
        for key in table.foreign_keys:
            yield key.referenced_table
    if isinstance(event, TableRewritten):
        return
    index = getattr(event, "index", None)
    if index is not None:
        yield index.table_id
    if hasattr(event, "table_id"):
        yield event.table_id


def index_key(table: Table, index: Index, expressions: IndexKeys | None) -> IndexKey:
    """The function from a stored row to the components of its entry in `index`."""
    if index.where is not None or any(column.column_id is None for column in index.columns):
        if expressions is None:
            raise ValueError(f"no way to compute the expressions of index {index.name}")
        return expressions(table, index)
    parts = [(table.by_id[c.column_id].slot, c.descending, c.nulls_first) for c in index.columns if c.column_id is not None]
    return lambda row: tuple(component(row[slot], descending, first) for slot, descending, first in parts)


class Conflicts:
    """Looks for conflicts of one transaction with the changes between its base state and the head."""

    def __init__(self, base: StateReader, head: StateReader, changed: dict[int, set[Key]], expressions: IndexKeys | None) -> None:
        self._base = base
        self._head = head
        self._changed = changed
        self._expressions = expressions
        self._rows: dict[int, list[tuple[Key, Row | None, Row | None]]] = {}

    def _differing(self, table_id: int) -> list[tuple[Key, Row | None, Row | None]]:
        """(key, old row, new row) for the changed keys whose row is now another one."""
        found = self._rows.get(table_id)
        if found is None:
            table = self._base.catalog.tables[table_id]
            old, new = self._base.table(table), self._head.table(table)
            triples = ((key, old.get(key), new.get(key)) for key in self._changed[table_id])
            found = self._rows[table_id] = [triple for triple in triples if triple[1] != triple[2]]
        return found

    def find(self, reads: Iterable[ReadSet], written: dict[int, set[Key]]) -> str | None:
        """What the conflict is, as the detail of an error; None without one."""
        for table_id, keys in written.items():
            if not keys.isdisjoint(self._changed.get(table_id, ())):
                return f"another transaction changed a row of {self._name(table_id)} that this one writes"
        for read_set in reads:
            for table_id, table_reads in read_set.tables.items():
                if table_id in self._changed and self._touches(table_id, table_reads):
                    return f"another transaction changed rows of {self._name(table_id)} that this one read"
        return None

    def _name(self, table_id: int) -> str:
        return f'table "{self._base.catalog.tables[table_id].name}"'

    def _touches(self, table_id: int, reads: TableReads) -> bool:
        differing = self._differing(table_id)
        if not differing:
            return False
        if reads.whole:
            return True
        if reads.keys and any(key in reads.keys for key, _, _ in differing):
            return True
        try:
            return any(_inside(key, bounds) for bounds in reads.ranges for key, _, _ in differing) or self._touches_index(
                table_id, reads, differing
            )
        except TypeError:
            return True

    def _touches_index(self, table_id: int, reads: TableReads, differing: list[tuple[Key, Row | None, Row | None]]) -> bool:
        asked = {index_id for index_id, _ in reads.prefixes} | {index_id for index_id, _, _ in reads.index_ranges}
        catalog = self._base.catalog
        for index_id in asked:
            if index_id not in catalog.indexes:
                return True
            entry_of = index_key(catalog.tables[table_id], catalog.indexes[index_id], self._expressions)
            lengths = {len(prefix) for number, prefix in reads.prefixes if number == index_id}
            bounds = [(low, high) for number, low, high in reads.index_ranges if number == index_id]
            for key, old, new in differing:
                for row in (old, new):
                    components = None if row is None else entry_of(row)
                    if components is None:
                        continue
                    entry = (*components, key)
                    if any((index_id, entry[:length]) in reads.prefixes for length in lengths):
                        return True
                    if any((low is None or low <= entry) and (high is None or entry < high) for low, high in bounds):
                        return True
        return False


def _inside(key: Key, bounds: tuple[Key, Key, bool, bool]) -> bool:
    low, high, low_open, high_open = bounds
    if low is not None and (key <= low if low_open else key < low):
        return False
    return high is None or bool(key < high if high_open else key <= high)
