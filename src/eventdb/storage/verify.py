"""The database checks itself: the log against its hashes, a state and its snapshots against the log, indexes against rows.

    verify(log, state)     everything that storage knows of; reads the whole log and every page. `engine.verification` adds what it takes
                           SQL for: constraints
    check_state(state)     what a commit may have broken: run after every commit under EVENTDB_VERIFY=1. Tables that changed are checked
                           whole up to 5,000 rows and past versions; of larger ones counts and a sample, another one each time

A log that begins above transaction 1 (retention) is replayed from the oldest snapshot behind its beginning; the transactions up to that are
checked by their hashes alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import groupby, pairwise
from typing import Any

from eventdb.errors import DataCorrupted, Error
from eventdb.model.record import replace
from eventdb.model.schema import Index
from eventdb.model.value import NAN_KEY
from eventdb.storage import btree
from eventdb.storage.btree import Tree
from eventdb.storage.eras import alive_at, begun
from eventdb.storage.index import Entry, EntryRule, IndexData
from eventdb.storage.log.base import EventLog, Record
from eventdb.storage.log.chain import body_hash, genesis
from eventdb.storage.log.receipts import Redactions
from eventdb.storage.recovery import Replay
from eventdb.storage.snapshot import SnapshotStore
from eventdb.storage.state import State
from eventdb.storage.table import Shape, TableData
from eventdb.storage.verification import Progress, Verification

Report = Callable[[str], None]
Interval = tuple[int, int | None]

QUICK_ROWS = 5000
"""Tables with more rows and past versions are checked by sample after a commit."""
_SAMPLE = 16
"""So many rows, past versions and entries of each index are looked at then."""
_ERAS = 2
"""After a commit only so many eras of a table are looked at, the last ones."""
_MOST_BREAKS = 20
"""After so many damaged places in the log nothing more of it is read."""
_TRIES = 5
_STEP = 256
"""After so many transactions progress is told."""


def check_state(state: State) -> None:
    """Check the tables that changed since they were last checked: pages in order, counts right, live index entries those of the rows.

    Of a table with more than QUICK_ROWS rows and past versions only counts and a sample are checked. Raises DataCorrupted.
    """
    chance = random.Random(state.number)
    problems: list[str] = []
    for data in state.tables.values():
        if data.checked:
            continue
        name = data.shape.table.name

        def report(problem: str, name: str = name) -> None:
            problems.append(f'table "{name}": {problem}')

        if data.live.count + data.past.count <= QUICK_ROWS:
            _check_trees(data, report)
            _check_eras(data, state.number, report, _ERAS)
            for index, rule in data.rules():
                _check_entries(data, index, rule, report)
        else:
            _check_counts(data, report)
            _check_sample(data, chance, report)
        data.checked = not problems
    if problems:
        raise DataCorrupted(f"state {state.number} contradicts itself: " + "; ".join(problems[:10]))


def verify(
    log: EventLog,
    state: State,
    snapshots: SnapshotStore | None = None,
    progress: Progress | None = None,
) -> Verification:
    """Read the whole log (each record against its checksum, its hashes and the chain), apply it to an empty state, and compare with
    `state`, with every snapshot and with every index, present and past.

    Problems are reported, not raised.
    """
    found = Verification(log.log_id.hex(), log.first, state.number)
    tell = progress or _silent
    stored = _snapshots(log, state, snapshots, found)
    made = _LogCheck(log, state, stored, found, tell).run()
    if made is not None:
        for problem in differences(made, state):
            found.report("state", f"the state differs from the log: {problem}")
    for done, data in enumerate(state.tables.values()):
        tell("tables", done, len(state.tables))
        found.tables += 1
        found.rows += data.live.count
        found.versions += data.past.count
        name = data.shape.table.name

        def report(problem: str, name: str = name) -> None:
            found.report("table", f'table "{name}": {problem}')

        try:
            _check_trees(data, report)
            _check_eras(data, state.number, report)
            for index in data.indexes.values():
                found.entries += index.live.count + index.past.count
                _check_history(state, data, index, report)
        except Error as error:
            report(error.message)
    return found


def _silent(what: str, done: int, total: int) -> None:
    pass


def differences(one: State, other: State) -> Iterator[str]:
    """In what two states differ, in words."""
    if one.number != other.number:
        yield f"transaction {one.number} and {other.number}"
    if [(n, _plain(c)) for n, c in one.catalogs] != [(n, _plain(c)) for n, c in other.catalogs]:
        yield "the history of the catalog"
    if one.timeline.times() != other.timeline.times():
        yield "commit times"
    if _values(one) != _values(other):
        yield "values of sequences"
    if one.tables.keys() != other.tables.keys():
        yield f"storages {sorted(one.tables)} and {sorted(other.tables)}"
    for storage in one.tables.keys() & other.tables.keys():
        yield from _table_differences(one.tables[storage], other.tables[storage])


def _plain(catalog: Any) -> Any:
    return (catalog.schemas, catalog.tables, catalog.views, catalog.indexes, catalog.sequences, catalog.next_id)


def _values(state: State) -> dict[int, int]:
    return {i: value for i, value in state.sequences.items() if value is not None}


def _table_differences(one: TableData, other: TableData) -> Iterator[str]:
    name = one.shape.table.name
    if one.closed_at != other.closed_at or not _row_ids_agree(one, other):
        yield f'next row id or end of table "{name}"'
    pairs: list[tuple[str, Tree, Tree]] = [("rows", one.live, other.live), ("past versions", one.past, other.past)]
    if one.indexes.keys() != other.indexes.keys():
        yield f'indexes of table "{name}"'
    for i in one.indexes.keys() & other.indexes.keys():
        mine, theirs = one.indexes[i], other.indexes[i]
        if (mine.created_at, mine.dropped_at) != (theirs.created_at, theirs.dropped_at):
            yield f'life of index {i} of table "{name}"'
        pairs += [(f"entries of index {i}", mine.live, theirs.live), (f"past entries of index {i}", mine.past, theirs.past)]
    for what, a, b in pairs:
        place = _first_difference(a, b)
        if place is not None:
            yield f'{what} of table "{name}", first at key {place!r}'


def _row_ids_agree(one: TableData, other: TableData) -> bool:
    """Ids that one transaction gave and took back leave no trace, and a state that was taken back (`rewind`) does not know of them: so the
    next id may differ, as long as it lies beyond every row, past ones included, in both."""
    if one.next_row_id == other.next_row_id or not one.shape.hidden_key:
        return one.next_row_id == other.next_row_id
    return all(data.next_row_id > _last_row_id(data) for data in (one, other))


def _last_row_id(data: TableData) -> int:
    newest, oldest = data.live.last(), data.past.last()
    return max(newest[0] if newest else 0, data.shape.versions.parts(oldest[0])[0] if oldest else 0)


def _first_difference(one: Tree, other: Tree) -> Any:
    """The first key at which two trees differ, None if they hold the same."""
    a, b = _items(one), _items(other)
    for left in a:
        right = next(b, None)
        if left != right and (right is None or _comparable(left) != _comparable(right)):
            return left[0] if right is None or left[0] <= right[0] else right[0]
    extra = next(b, None)
    return None if extra is None else extra[0]


def _comparable(value: Any) -> Any:
    """The value with something that equals itself in the place of each NaN."""
    if type(value) is tuple:
        return tuple([_comparable(part) for part in value])
    return NAN_KEY if value != value else value


def _items(tree: Tree) -> Iterator[tuple[Any, Any]]:
    for leaf in tree.leaves():
        yield from zip(leaf.keys, leaf.vals, strict=True)


# the log


def _snapshots(log: EventLog, state: State, store: SnapshotStore | None, found: Verification) -> dict[int, State]:
    if store is None:
        return {}
    for _ in range(_TRIES):
        problems: list[str] = []
        before = store.names(), log.head
        stored = {made.number: made for made in store.load_all(log, state.index_keys, problems) if made.number <= state.number}
        log.refresh()
        if not problems or (store.names(), log.head) == before:
            break  # else another process has written a snapshot meanwhile: of a transaction not known here, or in the place of an older one
    for problem in problems:
        found.report("snapshot", problem)
    return stored


class _LogCheck:
    """One pass over the log: hashes of everything, and a replay from the beginning or, behind a horizon, from the oldest snapshot."""

    def __init__(
        self, log: EventLog, state: State, stored: dict[int, State], found: Verification, tell: Progress
    ) -> None:
        self._log = log
        self._last = state.number
        self._stored = stored
        self._found = found
        self._redactions: Redactions | None = Redactions(log.first - 1)
        self._tell = tell
        self._hash: bytes | None = genesis(log.log_id) if log.first == 1 else None
        self._made: Replay | None = Replay(State.empty(state.index_keys))
        if log.first > 1:
            base = min((number for number in stored if number >= log.first - 1), default=None)
            self._made = None if base is None else Replay(stored[base])
            if base is None:
                found.report("snapshot", f"the log begins at transaction {log.first}, and no snapshot holds what came before it")

    def run(self) -> State | None:
        """The state that the log gives, None where it cannot be had; what is damaged is reported, and what follows is read all the same."""
        done, breaks = self._log.first - 1, 0
        while done < self._last and breaks < _MOST_BREAKS:
            try:
                for record in self._log.read(done, self._last):
                    self._check(record)
                    done = record.header.number
            except Error as error:
                breaks += 1
                done += 1
                self._made = self._hash = self._redactions = None
                self._found.report("log", error.message, done)
            else:
                break
        if breaks == _MOST_BREAKS:
            self._found.report("log", f"nothing after transaction {done} was read")
        return None if self._made is None else self._made.state

    def _check(self, record: Record) -> None:
        number, found = record.header.number, self._found
        if number % _STEP == 0:
            self._tell("log", number, self._last)
        found.transactions += 1
        if self._hash is not None and record.header.previous != self._hash:
            found.report("log", f"transaction {number} does not continue the hash chain", number)
        self._hash = record.hash
        if record.redacted_by:  # the log has held it against its receipt
            found.redactions.append(number)
        elif body_hash(record.body) != record.header.body:
            found.report("log", f"the body of transaction {number} has not the hash that its header names", number)
        if self._redactions is not None:
            try:
                self._redactions.follow(record)
            except Error as error:
                found.report("log", error.message, number)
        if self._made is None or number <= self._made.state.number:
            return
        try:
            made = self._made.apply(record)
        except Error as error:
            found.report("log", error.message, number)
            self._made = None
            return
        found.replayed += 1
        if number in self._stored:
            self._compare(made, self._stored[number])

    def _compare(self, made: State, stored: State) -> None:
        self._found.snapshots += 1
        try:
            for problem in differences(made, stored):
                self._found.report("snapshot", f"the snapshot of transaction {made.number} differs from the log: {problem}", made.number)
        except Error as error:
            self._found.report("snapshot", error.message, made.number)


# trees


def check_tree(tree: Tree, report: Callable[[str], None]) -> None:
    """Test what must hold of every tree and tell `report` what doesn't: order, separators, heights, sizes, the count."""
    heights: set[int] = set()
    counted = 0

    def visit(node: Any, low: Any, high: Any, height: int) -> None:
        nonlocal counted
        keys = node.keys
        if any(not a < b for a, b in pairwise(keys)):
            report("keys out of order in a page")
        if node.kids is None:
            heights.add(height)
            counted += len(keys)
            if len(keys) != len(node.vals):
                report("a leaf has more keys than values, or fewer")
            if len(keys) > btree.LEAF_MAX or (not keys and node is not tree.root):
                report(f"a leaf of {len(keys)} entries")
            if keys and ((low is not None and keys[0] < low) or (high is not None and not keys[-1] < high)):
                report("a key outside its page's separators")
            return
        if len(node.kids) != len(keys) + 1 or len(node.kids) > btree.BRANCH_MAX:
            report(f"a branch of {len(node.kids)} children and {len(keys)} separators")
        for kid, low_, high_ in zip(node.kids, [low, *keys], [*keys, high], strict=True):
            visit(kid, low_, high_, height + 1)

    visit(tree.root, None, None, 0)
    if len(heights) != 1:
        report("leaves at different heights")
    if counted != tree.count:
        report(f"the count says {tree.count}, the leaves hold {counted}")


# tables


def _check_trees(data: TableData, report: Report) -> None:
    check_tree(data.live, report)
    check_tree(data.past, report)
    for index in data.indexes.values():
        check_tree(index.live, report)
        check_tree(index.past, report)
    for key, row in _items(data.live):
        if data.shape.key_of(row) != key:
            report(f"the row of key {key!r} has another key in its columns")
    last: Any = None
    parts = data.shape.versions.parts
    for version, row in _items(data.past):
        key, end = parts(version)
        start = row[0]
        if data.shape.key_of(row) != key or end <= start:
            report(f"the version of key {key!r} that ended at {end} is kept as one of {data.shape.key_of(row)!r} from {start} on")
        if last is not None and last[0] == key and last[1] > start:
            report(f"versions of key {key!r} overlap at transaction {start}")
        current = data.live.get(key)
        if current is not None and current[0] < end:
            report(f"the current version of key {key!r} began before the last one ended")
        last = (key, end)


def _check_eras(data: TableData, now: int, report: Report, last: int = 0) -> None:
    """What eras say of the past, all or the `last` ones, against the trees: before now, where each ends, and before that."""
    eras, key_of, alive = data.eras, data.shape.key_of, data.shape.versions.alive
    if eras is None:
        return
    for number in (now - 1, *(at for end in eras.ends()[-last:] for at in (end, end - 1))):
        if number < eras.since:
            continue
        given = [(key_of(row), row[0]) for rows in alive_at(*eras.at(number, data.live), number) for row in rows]
        kept = [(key_of(row), row[0]) for leaf in data.live.leaves() for row in begun(leaf.vals, number)]
        kept += [(key_of(row), row[0]) for leaf in data.past.leaves() for row in alive(leaf.keys, leaf.vals, number)]
        if sorted(given) != sorted(kept):
            report(f"a scan at transaction {number} gives {len(given)} rows and not the {len(kept)} that there were")


def _check_counts(data: TableData, report: Report) -> None:
    for index, rule in data.rules():
        if rule.slots is not None and index.live.count != data.live.count:
            report(f"{data.live.count} rows and {index.live.count} entries in index {index.id}")


def _check_sample(data: TableData, chance: random.Random, report: Report) -> None:
    """Some rows against their entries and their past, some past versions against what came after, some entries against their rows."""
    rules, full, versions = data.rules(), data.shape.full, data.shape.versions
    for leaf, i in _some(data.live, chance, report):
        key, row = leaf.keys[i], leaf.vals[i]
        if data.shape.key_of(row) != key or data.live.get(key) is not row:
            report(f"the row of key {key!r} is not found, or has another key in its columns")
        names = data.past.between(versions.bound(key, False), versions.bound(key, True))[0]
        if names and versions.parts(names[-1])[1] > row[0]:
            report(f"the current version of key {key!r} began before the last one ended")
        for index, rule in rules:
            parts = rule.of(full(row))
            if parts is not None and index.live.get((*parts, key)) is None:
                report(f"index {index.id}: no entry {(*parts, key)!r}")
    for leaf, i in _some(data.past, chance, report):
        row, (key, end) = leaf.vals[i], versions.parts(leaf.keys[i])
        after = leaf.vals[i + 1] if i + 1 < len(leaf.keys) else row
        if data.shape.key_of(row) != key or end <= row[0] or (data.shape.key_of(after) == key and row[0] < after[0] < end):
            report(f"the version of key {key!r} that ended at {end} began at {row[0]}, has another key, or overlaps the next")
    for index, rule in rules:
        for leaf, i in _some(index.live, chance, report):
            entry = leaf.keys[i]
            found = data.live.get(entry[-1])
            if found is None or rule.of(full(found)) != entry[:-1]:
                report(f"index {index.id}: no row for the entry {entry!r}")


def _some(tree: Tree, chance: random.Random, report: Report) -> Iterator[tuple[Any, int]]:
    """Places in leaves met by chance, whose order is checked on the way."""
    for _ in range(_SAMPLE if tree.count else 0):
        node = tree.root
        while node.kids is not None:
            node = chance.choice(node.kids)
        if any(not a < b for a, b in pairwise(node.keys)):
            report("keys out of order in a page")
        yield node, chance.randrange(len(node.keys))


def _check_entries(data: TableData, index: IndexData, rule: EntryRule, report: Report) -> None:
    """The live half against the rows that are there."""
    wanted = [(*parts, key) for key, row in _items(data.live) if (parts := rule.of(data.shape.full(row))) is not None]
    entries = [entry for entry, _ in _items(index.live)]
    if sorted(wanted) != entries:
        missing = set(wanted) - set(entries)
        extra = set(entries) - set(wanted)
        report(f"index {index.id}: {len(missing)} entries missing, {len(extra)} too many, such as {next(iter(missing or extra), None)!r}")


def _check_history(state: State, data: TableData, index: IndexData, report: Report) -> None:
    """Both halves against all versions, over the time in which the index is in use."""
    definition, shape = _definition(state, data, index)
    if definition is None:
        return
    # a column that must not be NULL now may have been it then
    table = replace(shape.table, columns=tuple(replace(column, nullable=True) for column in shape.table.columns))
    rule = EntryRule(table, definition, state.index_keys)
    wanted: dict[Entry, list[Interval] | None] = {}

    def expect(key: Any, row: Any, end: int | None) -> None:
        parts = rule.of(shape.full(row)) if len(row) <= shape.width else None
        if parts is None:
            return
        spans = wanted.setdefault((*parts, key), [])
        assert spans is not None
        if spans and spans[-1][1] == row[0]:  # goes on in the next version
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((row[0], end))

    for version, row in _items(data.past):
        key, end = data.shape.versions.parts(version)
        expect(key, row, end)
    for key, row in _items(data.live):
        expect(key, row, None)
    first, last = index.created_at, data.closed_at if index.dropped_at is None else index.dropped_at

    def differ(entry: Entry, kept: list[Interval]) -> bool:
        rows = wanted.get(entry, [])
        if rows is None:  # compared before
            return False
        wanted[entry] = None
        if _joined(rows, first, last) == _joined(kept, first, last):
            return False
        report(f"index {index.id} keeps {kept} for {entry!r}, the rows say {rows}")
        return True

    for entry, left in groupby(_items(index.past), lambda item: item[0][:-1]):
        since = index.live.get(entry)
        now = [] if since is None else [(since, None)]
        if differ(entry, [*((key[-1], until) for key, until in left), *now]):
            return
    for entry, since in _items(index.live):
        if differ(entry, [(since, None)]):
            return
    any(differ(entry, []) for entry in wanted)


def _definition(state: State, data: TableData, index: IndexData) -> tuple[Index | None, Shape]:
    """The index as last defined, and the shape of its table then; None for one that no transaction left in the catalog."""
    end = index.dropped_at if index.dropped_at is not None else data.closed_at
    if end is None:
        return state.catalog.indexes.get(index.id), data.shape
    catalog = state.catalog_at(end - 1)
    definition = catalog.indexes.get(index.id)
    if definition is None or index.created_at >= end:
        return None, data.shape
    return definition, Shape(catalog.tables[definition.table_id], (), None)


def _joined(spans: list[Interval], first: int, last: int | None) -> list[Interval]:
    """Spans of transactions as far as they lie in [first, last), those that meet joined."""
    joined: list[Interval] = []
    for start, end in sorted(spans, key=lambda span: span[0]):
        if last is not None:
            if start >= last:
                continue
            end = None if end is None or end >= last else end
        if end is not None and end <= first:
            continue
        start = max(start, first)
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined
