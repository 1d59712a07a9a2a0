"""The check after each commit finds what is wrong in a state, in small tables surely and in large ones by sample."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eventdb.errors import DataCorrupted
from eventdb.model import datatype as dt
from eventdb.model.event import Event, IndexCreated, RowsInserted, RowsUpdated, TableCreated
from eventdb.model.schema import Column, Index, IndexColumn, Table
from eventdb.storage.codec import encode_body
from eventdb.storage.log.base import Proposal
from eventdb.storage.recovery import open_database, replay
from eventdb.storage.snapshot import SnapshotStore
from eventdb.storage.state import State
from eventdb.storage.table import TableData
from eventdb.storage.verify import QUICK_ROWS, check_state, differences, verify

TABLE = Table(
    1, "public", "t", 2, (Column(1, "k", dt.INTEGER, 1, nullable=False), Column(2, "v", dt.INTEGER, 2)), (1,),
    width=3, base_width=3, next_column_id=3,
)  # fmt: skip


def after(state: State, *events: Event) -> State:
    editor = state.edit(state.number + 1)
    for event in events:
        editor.apply(event)
    return editor.publish((state.number + 1) * 1000)


def filled(count: int) -> State:
    state = after(State.empty(), TableCreated(TABLE), IndexCreated(Index(3, "public", "i", 1, (IndexColumn(2),))))
    state = after(state, RowsInserted(1, (dt.INTEGER, dt.INTEGER), [(k, k % 100) for k in range(count)]))
    keys = list(range(count))
    return after(state, RowsUpdated(1, (dt.INTEGER,), keys, (2,), (dt.INTEGER,), [(k % 100 + 1,) for k in keys]))


def entries_of_others(data: TableData) -> None:
    for leaf in data.indexes[3].live.leaves():
        leaf.keys[:] = [(entry[0] + 0.5, entry[1]) for entry in leaf.keys]


def rows_of_others(data: TableData) -> None:
    for leaf in data.live.leaves():
        leaf.vals.reverse()


def disorder(data: TableData) -> None:
    for leaf in data.live.leaves():
        leaf.keys[0], leaf.keys[-1] = leaf.keys[-1], leaf.keys[0]


def versions_from_the_future(data: TableData) -> None:
    for leaf in data.past.leaves():
        leaf.vals[:] = [(9, *row[1:]) for row in leaf.vals]


def a_lost_entry(data: TableData) -> None:
    data.indexes[3].live.count -= 1


def rows_too_old(data: TableData) -> None:
    for leaf in data.live.leaves():
        leaf.vals[:] = [(1, *row[1:]) for row in leaf.vals]


@pytest.mark.parametrize("count", [50, QUICK_ROWS * 2], ids=["small", "large"])
@pytest.mark.parametrize(
    "harm", [entries_of_others, rows_of_others, disorder, versions_from_the_future, a_lost_entry, rows_too_old], ids=lambda f: f.__name__
)
def test_harm_is_found(harm: Callable[[Any], None], count: int) -> None:
    """Whatever is wrong in every page is found; a sound table passes, and is not looked at again until it changes."""
    state = filled(count)
    check_state(state)
    assert state.tables[2].checked
    state.tables[2].checked = False
    harm(state.tables[2])
    with pytest.raises(DataCorrupted, match='contradicts itself: table "t"'):
        check_state(state)


def test_a_database_after_a_thousand_transactions(tmp_path: Path) -> None:
    """Log, state, past, indexes and the snapshots written by another thread on the way agree; then damage to one of them is named."""
    log, state, _ = open_database(str(tmp_path))
    store = SnapshotStore(str(tmp_path / "snapshots"))

    def commit(events: list[Event]) -> State:
        log.append([Proposal(os.urandom(16), encode_body(events), (log.head + 1) * 1000)], log.head, "none")
        return replay(state, log)

    state = commit([TableCreated(TABLE), IndexCreated(Index(3, "public", "i", 1, (IndexColumn(2),)))])
    state = commit([RowsInserted(1, (dt.INTEGER, dt.INTEGER), [(k, 0) for k in range(2000)])])
    writing: threading.Thread | None = None
    for number in range(1000):
        key = number * 7 % 2000
        state = commit([RowsUpdated(1, (dt.INTEGER,), [key], (2,), (dt.INTEGER,), [(number + 1,)])])
        if number % 300 == 299:
            if writing is not None:
                writing.join()
            writing = threading.Thread(target=store.write, args=(state, log))
            writing.start()
    assert writing is not None
    writing.join()
    found = verify(log, state, store)
    assert found.problems == []
    assert (found.transactions, found.rows, found.versions, found.snapshots) == (1002, 2000, 1000, 2)
    log.close()
    log, again, report = open_database(str(tmp_path))
    assert (report.snapshot, report.replayed) == (902, 100)
    assert list(differences(state, again)) == []
    again.tables[2].past.put((7 << 40) + 900, (850, 7, -1))
    assert any("past versions" in problem.message for problem in verify(log, again).problems)
    log.close()
