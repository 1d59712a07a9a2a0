"""Random transactions: every position in time reads as it did when it was the present."""

from __future__ import annotations

import pytest
from state.naive import Naive, index_keys, run

from eventdb.storage.state import State
from eventdb.storage.verify import check_state


@pytest.mark.parametrize("seed", range(18))
@pytest.mark.usefixtures("small_pages")
def test_every_position_reads_as_it_did(seed: int) -> None:
    """Rows, ranges and indexes of every past position, versions, and old states that stay as they were."""
    naive = Naive(seed)
    state = State.empty(index_keys)
    kept = []
    for _ in range(40):
        editor = state.edit(state.number + 1)
        naive.transaction(editor)
        naive.compare(editor)
        kept.append(state)
        state = editor.publish(state.number * 1000 + 1000)
        naive.compare(state)
        naive.compare_versions(state)
        check_state(state)
    for number in range(state.number):
        naive.compare(state, number)
    for old in kept[::5]:
        for number in range(0, old.number, 7):
            naive.compare(old, number)


def test_large_pages_read_the_same() -> None:
    """The same with the page size of real use, where most tables are one page."""
    naive = Naive(1000)
    state = run(naive, 60)
    for number in range(state.number):
        naive.compare(state, number)
