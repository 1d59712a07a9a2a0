"""Many transactions applied with pages changed in place give what they give one by one, and leave the state they began with alone."""

from __future__ import annotations

import os
from typing import Any

import pytest
from state.naive import Naive, index_keys

from eventdb.errors import DataCorrupted
from eventdb.model import datatype as dt
from eventdb.model.event import RowsDeleted
from eventdb.storage.codec import encode_body
from eventdb.storage.log.base import Appended, Proposal
from eventdb.storage.log.memory import MemoryLog
from eventdb.storage.recovery import Replay, replay
from eventdb.storage.state import State
from eventdb.storage.verify import check_state, differences


def append(log: MemoryLog, events: list[Any]) -> None:
    outcome = log.append([Proposal(os.urandom(16), encode_body(events), log.head * 1000 + 1000)], log.head, "none")
    assert isinstance(outcome, Appended)


def written(seed: int, count: int) -> tuple[Naive, MemoryLog, list[State]]:
    """A log of random transactions, and the state after each, made one by one."""
    naive, log, states = Naive(seed), MemoryLog(), [State.empty(index_keys)]
    for _ in range(count):
        append(log, naive.transaction(states[-1].edit(states[-1].number + 1)))
        record = next(iter(log.read(log.head - 1)))
        states.append(Replay(states[-1]).apply(record))
    return naive, log, states


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("seed", range(4))
def test_in_place_is_as_one_by_one(seed: int) -> None:
    naive, log, states = written(seed, 60)
    for begin in (0, 20, 45):
        before = [list(tree_items(data.live)) for data in states[begin].tables.values()]
        made = replay(states[begin], log)
        assert list(differences(made, states[-1])) == []
        check_state(made)
        for number in range(made.number):
            naive.compare(made, number)
        naive.compare(made)
        naive.compare_versions(made)
        assert [list(tree_items(data.live)) for data in states[begin].tables.values()] == before
        for storage, data in made.tables.items():
            known, other = data.eras, states[-1].tables[storage].eras
            assert (known and known.ends()) == (other and other.ends())


def tree_items(tree: Any) -> Any:
    return ((key, repr(row)) for leaf in tree.leaves() for key, row in zip(leaf.keys, leaf.vals, strict=True))


@pytest.mark.usefixtures("small_pages")
def test_the_state_after_each_transaction_is_right_while_it_lasts() -> None:
    """What `state` gives between two transactions, and what goes on from there is no part of the replay."""
    naive, log, states = written(11, 40)
    made = Replay(State.empty(index_keys))
    for record in log.read():
        state = made.apply(record)
        assert state is made.state
        assert list(differences(state, states[state.number])) == []
        check_state(state)
    kept = made.state
    editor = kept.edit(kept.number + 1)
    naive.transaction(editor)
    editor.publish(10**9)
    assert list(differences(kept, states[-1])) == []


def test_a_transaction_that_does_not_fit_is_named() -> None:
    _, log, states = written(3, 10)
    table = next(iter(states[-1].catalog.tables.values()))
    append(log, [RowsDeleted(table.id, (dt.INTEGER,) * len(table.key), [(10**6,) * len(table.key) if len(table.key) > 1 else 10**6])])
    with pytest.raises(DataCorrupted, match="transaction 11 of the log cannot be applied"):
        replay(State.empty(index_keys), log)
    with pytest.raises(DataCorrupted, match="transaction 11 of the log cannot be applied"):
        replay(states[5], log)
    assert replay(states[5], log, 10).number == 10
