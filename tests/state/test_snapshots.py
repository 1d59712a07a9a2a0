"""Snapshots hold the state, share pages, load lazily, and are never trusted further than the log."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from faults.faulty import Crash, FaultyFiles, Keep
from state.naive import Naive, index_keys

from eventdb.errors import DataCorrupted, DiskFull
from eventdb.model import datatype as dt
from eventdb.model.event import RowsInserted, RowsUpdated, TableCreated
from eventdb.model.schema import Column, Table
from eventdb.storage.btree import LazyBranch, LazyLeaf
from eventdb.storage.codec import encode_body
from eventdb.storage.files import Files
from eventdb.storage.log.base import Appended, EventLog, Proposal
from eventdb.storage.log.memory import MemoryLog
from eventdb.storage.recovery import Replay, open_database, replay
from eventdb.storage.snapshot import KEPT, SnapshotStore
from eventdb.storage.state import State
from eventdb.storage.verify import differences, verify


class Writer:
    """Random transactions that go to a log and to the state."""

    def __init__(self, log: EventLog, seed: int) -> None:
        self.log = log
        self.naive = Naive(seed)
        self.state = State.empty(index_keys)

    def commit(self, count: int = 1) -> None:
        for _ in range(count):
            events = self.naive.transaction(self.state.edit(self.state.number + 1))
            append(self.log, events)
            self.state = replay(self.state, self.log)


def append(log: EventLog, events: list[Any]) -> None:
    result = log.append([Proposal(os.urandom(16), encode_body(events), log.head * 1000 + 1000)], log.head, "none")
    assert isinstance(result, Appended)


def same(one: State, other: State) -> bool:
    assert list(differences(one, other)) == []
    return True


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.usefixtures("small_pages")
def test_a_snapshot_and_the_log_after_it_are_the_state(seed: int, tmp_path: Path) -> None:
    """Snapshots now and then, written by states that were loaded from earlier ones; every past position reads as it did."""
    store = SnapshotStore(str(tmp_path / "snapshots"))
    writer = Writer(MemoryLog(), seed)
    for turn in range(8):
        writer.commit(5)
        path = store.write(writer.state, writer.log)
        assert path is not None
        assert os.path.exists(path)
        assert store.write(writer.state, writer.log) is None
        loaded = SnapshotStore(store.directory).load(writer.log, index_keys)
        assert loaded is not None
        if turn % 2:
            writer.state = loaded
            continue
        writer.naive.compare(loaded)
        writer.naive.compare_versions(loaded)
        assert same(writer.state, loaded)
    last = SnapshotStore(store.directory).load(writer.log, index_keys)
    assert last is not None
    for number in range(0, last.number, 3):
        writer.naive.compare(last, number)
    problems = verify(writer.log, last, store).problems
    assert problems == []
    roots = store.names()[-KEPT:]
    needed = set(roots).union(*(store._read_root(name)["files"] for name in roots))
    assert set(store.names()) == needed


def accounts() -> Table:
    columns = (Column(1, "id", dt.INTEGER, 1, nullable=False), Column(2, "owner", dt.TEXT, 2))
    return Table(1, "public", "accounts", 2, columns, (1,), width=3, base_width=3, next_column_id=3)


def loaded_nodes(state: State) -> int:
    """How many pages of the live tree are in memory."""
    count, stack = 0, [state.tables[2].live.root]
    while stack:
        node = stack.pop()
        if type(node) not in (LazyLeaf, LazyBranch):
            count += 1
            stack += node.kids or []
    return count


def test_pages_load_when_touched(tmp_path: Path) -> None:
    """A point query on a fresh state reads one path; counts read nothing; an unchanged page is not written again."""
    log, table = MemoryLog(), accounts()
    append(log, [TableCreated(table)])
    append(log, [RowsInserted(1, (dt.INTEGER, dt.TEXT), [(i, f"owner {i}") for i in range(20_000)])])
    state = replay(State.empty(), log)
    store = SnapshotStore(str(tmp_path))
    first = store.write(state, log)
    loaded = SnapshotStore(str(tmp_path)).load(log)
    assert loaded is not None
    assert first is not None
    reader = loaded.table(table)
    assert reader.row_count() == 20_000
    assert loaded_nodes(loaded) == 0
    assert reader.get(12_345) == (2, 12_345, "owner 12345")
    assert loaded_nodes(loaded) == 2
    append(log, [RowsUpdated(1, (dt.INTEGER,), [5], (2,), (dt.TEXT,), [("new",)])])
    after = replay(loaded, log)
    second = store.write(after, log)
    assert second is not None
    assert os.path.getsize(second) < os.path.getsize(first) / 10
    again = SnapshotStore(str(tmp_path)).load(log)
    assert again is not None
    assert again.table(table).get(5) == (3, 5, "new")
    assert again.table(table, 2).get(5) == (2, 5, "owner 5")
    assert same(after, again)


def test_files_with_mostly_dead_pages_go(tmp_path: Path) -> None:
    """When every page was changed by later snapshots, the first file is no longer referred to, and is removed."""
    log, table = MemoryLog(), accounts()
    append(log, [TableCreated(table), RowsInserted(1, (dt.INTEGER, dt.TEXT), [(i, "x" * 50) for i in range(10_000)])])
    state = replay(State.empty(), log)
    store = SnapshotStore(str(tmp_path))
    first = store.write(state, log)
    for part in range(4):
        keys = list(range(part * 2500, part * 2500 + 2500))
        append(log, [RowsUpdated(1, (dt.INTEGER,), keys, (2,), (dt.TEXT,), [("y" * 50,) for _ in keys])])
        state = replay(state, log)
        store.write(state, log)
    assert first is not None
    assert os.path.basename(first) not in store.names()
    assert len(store.names()) <= 4
    loaded = store.load(log)
    assert loaded is not None
    assert same(state, loaded)


def damage(path: Path, at: float) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * at)] ^= 0xFF
    path.write_bytes(data)


def snapshots(tmp_path: Path) -> tuple[Writer, SnapshotStore]:
    writer = Writer(MemoryLog(), 5)
    store = SnapshotStore(str(tmp_path / "snapshots"))
    for _ in range(3):
        writer.commit(10)
        store.write(writer.state, writer.log)
    return writer, store


def test_a_damaged_root_is_passed_over(tmp_path: Path) -> None:
    """The snapshot before serves, and the report names the damaged one."""
    writer, store = snapshots(tmp_path)
    newest = store.names()[-1]
    damage(tmp_path / "snapshots" / newest, 0.999)
    problems: list[str] = []
    loaded = SnapshotStore(store.directory).load(writer.log, index_keys, problems)
    assert loaded is not None
    assert loaded.number == 20
    assert newest in problems[0]
    assert same(replay(loaded, writer.log), writer.state)


def test_no_snapshot_at_all(tmp_path: Path) -> None:
    """Where every file is cut short, missing or no snapshot, there is none, and the log alone gives the state."""
    writer, store = snapshots(tmp_path)
    folder = tmp_path / "snapshots"
    for number, name in enumerate(store.names()):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes([b"", data[: len(data) // 2], b"nonsense" * 100][number % 3])
    problems: list[str] = []
    assert SnapshotStore(store.directory).load(writer.log, index_keys, problems) is None
    assert len(problems) == len(store.names())
    assert same(replay(State.empty(index_keys), writer.log), writer.state)


def test_a_damaged_page_is_an_error_and_then_history(tmp_path: Path) -> None:
    """A page whose hash is wrong is never handed out; the next open does without its file."""
    log, table = MemoryLog(), accounts()
    append(log, [TableCreated(table), RowsInserted(1, (dt.INTEGER, dt.TEXT), [(i, "x" * 50) for i in range(5000)])])
    store = SnapshotStore(str(tmp_path))
    path = store.write(replay(State.empty(), log), log)
    assert path is not None
    damage(Path(path), 0.3)
    loaded = SnapshotStore(str(tmp_path)).load(log)
    assert loaded is not None
    with pytest.raises(DataCorrupted, match="damaged at offset"):
        [list(batch) for batch in loaded.table(table).unordered()]
    assert SnapshotStore(str(tmp_path)).load(log) is None


def test_a_snapshot_of_another_history_is_passed_over(tmp_path: Path) -> None:
    """Another log, a number beyond the log's end, another hash at its number; the next write clears such files away."""
    writer, store = snapshots(tmp_path)
    assert SnapshotStore(store.directory).load(MemoryLog(), index_keys) is None
    shorter = MemoryLog()
    shorter.log_id = writer.log.log_id
    for record in writer.log.read(0, 15):
        shorter.append([Proposal(record.header.txid, record.body, record.header.time)], shorter.head)
    problems: list[str] = []
    found = SnapshotStore(store.directory).load(shorter, index_keys, problems)
    assert found is None or found.number <= 15
    assert any("the log ends at 15" in problem for problem in problems)
    other = Writer(shorter, 6)
    other.state = State(15, other.state.catalogs, {}, {}, replay(State.empty(index_keys), shorter).timeline, index_keys)
    other.naive.number = 15
    while other.log.head < 30:
        other.commit()
    problems = []
    assert SnapshotStore(store.directory).load(shorter, index_keys, problems) is None
    assert any("another hash" in problem for problem in problems)
    assert SnapshotStore(store.directory).write(other.state, shorter) is not None
    assert SnapshotStore(store.directory).names() == [f"{30:020d}.snapshot"]


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    """A snapshot whose older pages are gone cannot serve; the state is written whole when its pages' files are gone."""
    log, table = MemoryLog(), accounts()
    append(log, [TableCreated(table), RowsInserted(1, (dt.INTEGER, dt.TEXT), [(i, "x" * 50) for i in range(5000)])])
    store = SnapshotStore(str(tmp_path))
    state = replay(State.empty(), log)
    first = store.write(state, log)
    append(log, [RowsUpdated(1, (dt.INTEGER,), [7], (2,), (dt.TEXT,), [("new",)])])
    state = replay(state, log)
    store.write(state, log)
    assert first is not None
    os.remove(first)
    problems: list[str] = []
    assert SnapshotStore(str(tmp_path)).load(log, None, problems) is None
    assert "missing" in problems[0]
    append(log, [RowsUpdated(1, (dt.INTEGER,), [8], (2,), (dt.TEXT,), [("new",)])])
    state = replay(state, log)
    assert SnapshotStore(str(tmp_path)).write(state, log) is not None
    loaded = SnapshotStore(str(tmp_path)).load(log)
    assert loaded is not None
    assert same(state, loaded)


def fill(path: str, files: Files) -> None:
    """A database of two snapshots and some transactions after them; the log is written without faults."""
    writer = Writer(MemoryLog(), 3)
    writer.commit(14)
    log, state, _ = open_database(path, Files(), index_keys)
    store = SnapshotStore(os.path.join(path, "snapshots"), files)
    for record in writer.log.read():
        log.append([Proposal(record.header.txid, record.body, record.header.time)], log.head, "none")
        state = replay(state, log)
        if state.number in (6, 12):
            store.write(state, log)
    log.close()


def fill_until_crash(path: str, files: Files) -> None:
    try:
        fill(path, files)
    except (Crash, DiskFull):
        log, state, _ = open_database(path, Files(), index_keys)
        writer = Writer(MemoryLog(), 3)
        writer.commit(14)
        for record in writer.log.read(state.number):
            log.append([Proposal(record.header.txid, record.body, record.header.time)], log.head, "none")
        log.close()


@pytest.mark.parametrize("keep", list(Keep))
def test_a_crash_while_writing_a_snapshot(keep: Keep, tmp_path: Path) -> None:
    """Stopped at every operation of writing snapshots, the database opens with all its transactions."""
    counting = FaultyFiles()
    fill(str(tmp_path / "whole"), counting)
    assert counting.operations > 10
    wanted = Writer(MemoryLog(), 3)
    wanted.commit(14)
    for at in range(1, counting.operations + 1):
        files = FaultyFiles(crash_at=at)
        fill_until_crash(str(tmp_path / f"{at}"), files)
        left = files.surviving(tmp_path / f"{at}", tmp_path / f"{at}-left", keep)
        log, state, report = open_database(str(left), Files(), index_keys)
        assert same(state, wanted.state)
        assert report.snapshot in (None, 6, 12)
        store = SnapshotStore(str(left / "snapshots"))
        store.write(state, log)
        assert not [name for name in os.listdir(store.directory) if name.endswith(".tmp")]
        log.close()


def test_a_full_disk_while_writing_a_snapshot(tmp_path: Path) -> None:
    """ENOSPC at every operation: DiskFull, the snapshots before still serve, the next attempt succeeds."""
    counting = FaultyFiles()
    fill(str(tmp_path / "whole"), counting)
    for at in range(1, counting.operations + 1):
        path = str(tmp_path / f"{at}")
        files = FaultyFiles(fail_at=at)
        fill_until_crash(path, files)
        log, state, report = open_database(path, files, index_keys)
        assert state.number == 14
        assert report.problems == []
        SnapshotStore(os.path.join(path, "snapshots"), files).write(state, log)
        log.close()
        log, again, report = open_database(path, files, index_keys)
        assert (report.snapshot, report.replayed) == (14, 0)
        assert same(state, again)
        log.close()


def test_opening_names_the_transaction_that_cannot_be_applied() -> None:
    """A log whose events contradict each other is damage, with the transaction's number."""
    log = MemoryLog()
    append(log, [TableCreated(accounts())])
    append(log, [RowsUpdated(1, (dt.INTEGER,), [5], (2,), (dt.TEXT,), [("new",)])])
    with pytest.raises(DataCorrupted, match="transaction 2 of the log cannot be applied"):
        replay(State.empty(), log)
    record = next(iter(log.read(0, 1)))
    assert Replay(State.empty()).apply(record).number == 1
