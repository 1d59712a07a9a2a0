"""States are values: threads read them while an editor makes the next one, and while pages are loaded."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from eventdb.model import datatype as dt
from eventdb.model.event import Event, IndexCreated, RowsDeleted, RowsInserted, RowsUpdated, TableCreated
from eventdb.model.schema import Column, Index, IndexColumn, Table
from eventdb.storage.btree import LazyBranch, LazyLeaf
from eventdb.storage.codec import encode_body
from eventdb.storage.log.base import Proposal
from eventdb.storage.log.memory import MemoryLog
from eventdb.storage.recovery import replay
from eventdb.storage.snapshot import SnapshotStore
from eventdb.storage.state import State

COUNT = 3000
INT = dt.INTEGER
TABLE = Table(
    1, "public", "t", 2, (Column(1, "k", INT, 1, nullable=False), Column(2, "v", INT, 2)), (1,), width=3, base_width=3, next_column_id=3
)
BY_VALUE = Index(3, "public", "i", 1, (IndexColumn(2),))


@pytest.fixture(autouse=True)
def _many_switches() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def first_events() -> list[Event]:
    rows = [(k, 0) for k in range(COUNT)]
    return [TableCreated(TABLE), IndexCreated(BY_VALUE), RowsInserted(1, (INT, INT), rows)]


def next_event(number: int) -> list[Event]:
    """All rows get the transaction's number as their value, some in one way and some in the other."""
    keys = list(range(COUNT))
    few, many = keys[number % 7 :: 97], keys[: COUNT // 2]
    rest = sorted({*keys} - {*few})
    if number % 3 == 0:
        return [RowsDeleted(1, (INT,), many), RowsInserted(1, (INT, INT), [(k, number) for k in many]), update(keys[COUNT // 2 :], number)]
    return [update([k], number) for k in few] + [update(rest, number)]


def update(keys: list[int], value: int) -> RowsUpdated:
    return RowsUpdated(1, (INT,), keys, (2,), (INT,), [(value,) for _ in keys])


def whole(reader: Any, number: int) -> None:
    """At position `number` every row has that value, however one looks."""
    value = 0 if number == 1 else number
    for rows in (reader.batches(), reader.unordered(), reader.index(3).batches()):
        values = [row[2] for batch in rows for row in batch]
        assert len(values) == COUNT
        assert set(values) == {value}
    assert reader.get(number)[2] == value
    assert len(reader.index(3).lookup((value,))) == COUNT


def together(*works: Callable[[], None]) -> None:
    """Run in threads; the first failure is raised."""
    failures: list[BaseException] = []
    gate = threading.Barrier(len(works))

    def run(work: Callable[[], None]) -> None:
        try:
            gate.wait()
            work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_readers_while_an_editor_edits() -> None:
    """Every published state, and every position before it, reads whole while the next transactions are made."""
    editor = State.empty().edit(1)
    for event in first_events():
        editor.apply(event)
    head = editor.publish(1000)
    done = False

    def write() -> None:
        nonlocal head, done
        try:
            for number in range(2, 26):
                editor = head.edit(number)
                for event in next_event(number):
                    editor.apply(event)
                head = editor.publish(number * 1000)
        finally:
            done = True

    def read() -> None:
        turn = 0
        while not done:
            state = head
            whole(state.table(TABLE), state.number)
            past = 1 + turn * 7 % state.number
            whole(state.table(TABLE, past), past)
            turn += 1
        assert turn > 0

    together(write, read, read)
    for number in range(1, 26):
        whole(head.table(TABLE, number), number)


def test_two_threads_load_one_page(tmp_path: Path) -> None:
    """A page that several threads touch first at once gives all of them its content, again and again from new lazy states."""
    log = MemoryLog()
    for events in ([*first_events()], next_event(2), next_event(3)):
        log.append([Proposal(bytes(16), encode_body(events), log.head * 1000 + 1000)], log.head, "none")
    SnapshotStore(str(tmp_path)).write(replay(State.empty(), log), log)
    for _ in range(15):
        state = SnapshotStore(str(tmp_path)).load(log)
        assert state is not None
        lazy = state
        assert type(lazy.tables[2].live.root) in (LazyLeaf, LazyBranch)

        def edit(state: State = lazy) -> None:
            editor = state.edit(4)
            for event in next_event(4):
                editor.apply(event)
            whole(editor.table(TABLE), 4)
            whole(editor.table(TABLE, 2), 2)

        def read(state: State = lazy) -> None:
            whole(state.table(TABLE), 3)
            whole(state.table(TABLE, 2), 2)

        together(read, read, read, edit)
        read()


def test_a_snapshot_written_while_transactions_come(tmp_path: Path) -> None:
    """Writing reads a state that others go on from; the log grows beyond it, and snapshot and tail give the head."""
    log = MemoryLog()
    store = SnapshotStore(str(tmp_path))

    def append(events: list[Event]) -> None:
        log.append([Proposal(bytes(16), encode_body(events), log.head * 1000 + 1000)], log.head, "none")

    append(first_events())
    heads = [replay(State.empty(), log)]
    written: list[str | None] = []
    done = False

    def commit() -> None:
        nonlocal done
        try:
            for number in range(2, 20):
                append(next_event(number))
                heads.append(replay(heads[-1], log))
        finally:
            done = True

    def write() -> None:
        while not done:
            written.append(store.write(heads[-1], log))

    together(commit, write)
    assert len(list(filter(None, written))) >= 2
    loaded = SnapshotStore(str(tmp_path)).load(log)
    assert loaded is not None
    state = replay(loaded, log)
    assert state.number == 19
    for number in range(1, 20):
        whole(state.table(TABLE, number), number)
