"""Eras: a scan of the past gives what seeking gives, wherever they come from, and looks at few versions."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from state.naive import Naive, run

from eventdb.errors import DataCorrupted
from eventdb.model import datatype as dt
from eventdb.model.event import RowsDeleted, RowsInserted, RowsUpdated, TableCreated
from eventdb.model.schema import Column, Table
from eventdb.storage import eras as module
from eventdb.storage.eras import Eras, begun
from eventdb.storage.state import Editor, State
from eventdb.storage.verify import check_state

TABLE = Table(1, "public", "t", 2, (Column(1, "k", dt.INTEGER, 1, False), Column(2, "v", dt.INTEGER, 2)), (1,), 3, 3, 3)
KEYS = range(12)
changes = st.lists(st.dictionaries(st.sampled_from(KEYS), st.one_of(st.none(), st.integers(0, 3)), min_size=1), max_size=20)


def change(state: Any, editor: Editor, wanted: dict[int, int | None]) -> None:
    """Give keys values, None for a row that goes."""
    reader = state.table(TABLE)
    there = {key: reader.get(key) for key in wanted}
    gone = [key for key, value in wanted.items() if value is None and there[key]]
    new = [(key, value) for key, value in wanted.items() if value is not None and not there[key]]
    other = {key: value for key, value in wanted.items() if value is not None and there[key]}
    if gone:
        editor.apply(RowsDeleted(1, (dt.INTEGER,), gone))
    if new:
        editor.apply(RowsInserted(1, (dt.INTEGER, dt.INTEGER), new))
    if other:
        editor.apply(RowsUpdated(1, (dt.INTEGER,), list(other), (2,), (dt.INTEGER,), [(value,) for value in other.values()]))


def grown(steps: list[dict[int, int | None]], state: State | None = None) -> tuple[State, list[list[Any]]]:
    """The state after these changes, a transaction each, and the rows after each transaction."""
    if state is None:
        editor = State.empty().edit(1)
        editor.apply(TableCreated(TABLE))
        state = editor.publish(1)
    remembered: list[list[Any]] = [[]] * state.number + [rows_of(state)]
    for step in steps:
        editor = state.edit(state.number + 1)
        change(state, editor, step)
        state = editor.publish(state.number + 1)
        remembered.append(rows_of(state))
    return state, remembered


def rows_of(state: Any, at: int | None = None) -> list[Any]:
    """All rows at a position, by an unordered scan."""
    return sorted(row for batch in state.table(TABLE, at).unordered() for row in batch)


def looked_at(state: State, number: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many rows a scan at a position looks at."""
    counted = 0

    def counting(rows: Any, at: int) -> Any:
        nonlocal counted
        counted += len(rows)
        return begun(rows, at)

    with monkeypatch.context() as patch:
        patch.setattr(module, "begun", counting)
        rows_of(state, number)
    return counted


@pytest.mark.usefixtures("small_pages")
@given(changes)
def test_every_position_reads_as_it_did(steps: list[dict[int, int | None]]) -> None:
    """From eras that grew with the history, and from eras made of its trees afterwards."""
    state, remembered = grown(steps)
    check_state(state)
    data = state.tables[TABLE.storage]
    grew = data.eras
    for _ in range(2):
        assert data.eras is not None
        assert grew is None or data.eras.ends() == grew.ends()
        for number in range(1, state.number):
            assert rows_of(state, number) == remembered[number]
        data.make_eras()


@pytest.mark.usefixtures("small_pages")
@given(changes, changes, changes)
def test_histories_that_part(common: Any, one: Any, other: Any) -> None:
    """Two states that follow on the same one do not see each other's versions."""
    base, _ = grown(common)
    for steps in (one, other, one):
        state, remembered = grown(steps, base)
        for number in range(base.number, state.number):
            assert rows_of(state, number) == remembered[number]


@pytest.mark.usefixtures("small_pages")
@given(changes, changes)
def test_a_draft_sees_the_past_without_its_own_changes(steps: Any, own: Any) -> None:
    """Also behind savepoints that were gone back to."""
    state, remembered = grown(steps)
    editor = state.edit(state.number + 1)
    for wanted in own:
        mark = editor.mark()
        change(editor, editor, wanted)
        assert rows_of(editor, state.number) == remembered[-1]
        editor.reset(mark)
        change(editor, editor, wanted)
        for number in range(1, state.number + 1):
            assert rows_of(editor, number) == remembered[number]
    after = editor.publish(state.number + 1)
    check_state(after)
    assert rows_of(after, state.number) == remembered[-1]


def test_a_scan_looks_at_few_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the rows of the end of an era, and at most as many versions and those of one transaction, however long the history is."""
    monkeypatch.setattr(module, "LEAST", 4)
    chance = random.Random(1)
    state, _ = grown([dict.fromkeys(range(100), 0)])
    for step in range(400):
        state, _ = grown([{chance.randrange(100): step for _ in range(10)}], state)
    data = state.tables[TABLE.storage]
    assert data.past.count > 3000
    assert max(looked_at(state, number, monkeypatch) for number in range(3, state.number)) <= 100 + 110
    data.make_eras()
    assert max(looked_at(state, number, monkeypatch) for number in range(3, state.number)) <= 100 + 110


def test_a_table_that_shrank(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long an era is depends on the rows at its end, not on those of now: also where eras are made afterwards."""
    monkeypatch.setattr(module, "LEAST", 4)
    state, _ = grown([dict.fromkeys(range(200), 0), *({key: 1} for key in range(200)), dict.fromkeys(range(195))])
    data = state.tables[TABLE.storage]
    assert data.eras is not None
    ends = data.eras.ends()
    assert len(ends) == 2
    assert data.make_eras().ends() == ends


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("seed", range(3))
def test_eras_are_made_for_who_scans_twice(seed: int) -> None:
    """Where they are not known, as after a snapshot was read: the first scan does without, the second makes them, both see the same."""
    naive = Naive(seed)
    state = run(naive, 40)
    for data in state.tables.values():
        data.eras = None
    for _ in range(3):
        for number in range(state.number):
            naive.compare(state, number)
    assert any(data.eras is not None for data in state.tables.values())
    state = run(naive, 10, state)
    check_state(state)
    for number in range(state.number):
        naive.compare(state, number)


def test_who_reads_a_little_makes_no_eras(wide: State) -> None:
    """A scan that ends early, ordered or not, leaves things as they are; the first whole one asks for eras, the next one makes them."""
    data = wide.tables[TABLE.storage]
    data.eras = None
    for _ in range(3):
        next(iter(wide.table(TABLE, 5).unordered()))
        next(iter(wide.table(TABLE, 5).batches()))
        list(wide.table(TABLE, 5).batches(10, 12))
        assert (data.eras, data.scanned) == (None, False)
    first = rows_of(wide, 5)
    assert (data.eras, data.scanned) == (None, True)
    assert rows_of(wide, 5) == first
    assert data.eras is not None


def test_eras_begin_where_a_state_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a history from before, they serve the positions from the first change on."""
    monkeypatch.setattr(module, "LEAST", 4)
    state, remembered = grown([dict.fromkeys(KEYS, 0), *({key: 1} for key in KEYS)])
    state.tables[TABLE.storage].eras = None
    read_at = state.number
    state, later = grown([{key: step} for step in range(2, 5) for key in KEYS], state)
    eras = state.tables[TABLE.storage].eras
    assert eras is not None
    assert eras.since == read_at + 1
    assert eras.ends()
    for number in range(1, state.number):
        assert rows_of(state, number) == (remembered[number] if number <= read_at else later[number])
    assert state.tables[TABLE.storage].eras is not eras


@pytest.fixture
def wide() -> State:
    """500 rows, each with several versions, some gone."""
    chance = random.Random(2)
    state, _ = grown([dict.fromkeys(range(500), 0)])
    for step in range(60):
        state, _ = grown([{chance.randrange(500): None if chance.random() < 0.2 else step for _ in range(50)}], state)
    return state


def bounds() -> Iterator[tuple[Any, ...]]:
    chance = random.Random(3)
    for low, high in ((None, None), (None, 400), (20, None), (10, 490), (10.5, 480.25), (200, 210), (-5, 1000), (300, 100)):
        yield low, high, chance.random() < 0.5, chance.random() < 0.5


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("reverse", [False, True])
def test_ordered_scans(wide: State, reverse: bool) -> None:
    """In both ways of finding rows in order, and where one follows on the other."""
    for number in range(2, wide.number, 7):
        for low, high, low_open, high_open in bounds():
            wanted = [
                row
                for row in rows_of(wide, number)
                if (low is None or row[1] > low or (row[1] == low and not low_open))
                and (high is None or row[1] < high or (row[1] == high and not high_open))
            ]
            wanted.sort(key=lambda row: row[1], reverse=reverse)
            reader = wide.table(TABLE, number)
            found = [row for batch in reader.batches(low, high, low_open, high_open, reverse) for row in batch]
            assert found == wanted


@pytest.mark.parametrize("damage", ["lost", "doubled"])
def test_verify_sees_wrong_eras(wide: State, damage: str) -> None:
    """Eras that forgot a version, or have one twice."""
    data = wide.tables[TABLE.storage]
    row = next(row for leaf in data.past.leaves() for row in leaf.vals)
    eras = Eras(0) if damage == "lost" else data.make_eras().extended(wide.number, [row], data.live)
    data.eras, data.checked = eras, False
    with pytest.raises(DataCorrupted, match="a scan at transaction"):
        check_state(wide)
