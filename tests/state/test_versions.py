"""Keys of past versions: both forms order, bound and find the same."""

from __future__ import annotations

import math
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventdb.model import datatype as dt
from eventdb.model.event import RowsInserted, RowsUpdated, TableCreated
from eventdb.model.schema import Column, Table
from eventdb.storage.btree import Tree
from eventdb.storage.state import State
from eventdb.storage.versions import INTEGERS, PAIRS, VersionKeys

histories = st.dictionaries(st.integers(-5, 5), st.lists(st.integers(1, 30), max_size=6, unique=True).map(sorted), max_size=6)
forms = pytest.mark.parametrize("form", [INTEGERS, PAIRS], ids=["integers", "pairs"])


def laid(form: VersionKeys, history: dict[int, list[int]]) -> tuple[list[Any], list[Any]]:
    """Versions between neighbouring moments, every third one missing: the row was away."""
    spans = [(k, a, b) for k, at in sorted(history.items()) for i, (a, b) in enumerate(pairwise(at)) if (i + k) % 3]
    return [form.of(k, end) for k, _, end in spans], [(start, k) for k, start, _ in spans]


@forms
@given(histories, st.integers(0, 31))
def test_what_was_alive(form: VersionKeys, history: dict[int, list[int]], number: int) -> None:
    """Looking at each version, seeking from row to row, and reading the definition give the same."""
    keys, rows = laid(form, history)
    assert keys == sorted(keys)
    ends = form.ends(keys)
    wanted = [row for row, end in zip(rows, ends, strict=True) if row[0] <= number < end]
    assert form.alive(keys, rows, number) == wanted
    assert form.seek_alive(keys, rows, number) == wanted
    assert [form.parts(key) for key in keys] == [(row[1], end) for row, end in zip(rows, ends, strict=True)]
    assert form.ended([row[1] for row in rows], ends) == keys
    assert form.many([row[1] for row in rows], 31) == [form.of(row[1], 31) for row in rows]


@forms
@given(histories, st.integers(-6, 6))
def test_bounds_lie_around_a_row(form: VersionKeys, history: dict[int, list[int]], key: int) -> None:
    """Between the two bounds of a row lie its versions and no others."""
    keys, rows = laid(form, history)
    tree = Tree.build(object(), keys, rows)
    low, high = form.bound(key, False), form.bound(key, True)
    assert tree.between(low, high)[1] == [row for row in rows if row[1] == key]


@pytest.mark.parametrize("bound", [2.5, Decimal("2.5"), -0.5, 3.0, math.inf, -math.inf])
@pytest.mark.parametrize("after", [False, True])
def test_bounds_that_are_no_integers(bound: Any, after: bool) -> None:
    """A bound between integers, or beyond them all, parts the versions where it parts the rows."""
    for key in range(-3, 5):
        version, place = INTEGERS.of(key, 7), INTEGERS.bound(bound, after)
        assert (version < place) == (key <= bound if after else key < bound)


def test_a_row_of_many_versions() -> None:
    """Each of 3,000 versions of one row is found at its time, beside neighbours with none; an update copies a page, not the history."""
    table = Table(
        1, "public", "t", 2, (Column(1, "k", dt.INTEGER, 1, nullable=False), Column(2, "v", dt.INTEGER, 2)), (1,),
        width=3, base_width=3, next_column_id=3,
    )  # fmt: skip
    editor = State.empty().edit(1)
    editor.apply(TableCreated(table))
    editor.apply(RowsInserted(1, (dt.INTEGER, dt.INTEGER), [(k, 1) for k in range(3)]))
    state = editor.publish(1)
    for number in range(2, 3002):
        editor = state.edit(number)
        editor.apply(RowsUpdated(1, (dt.INTEGER,), [1], (2,), (dt.INTEGER,), [(number,)]))
        before, state = state, editor.publish(number)
    pages = {id(leaf) for leaf in before.tables[2].past.leaves()}
    assert len({id(leaf) for leaf in state.tables[2].past.leaves()} - pages) <= 2
    assert len(pages) > 10
    for number in range(1, 3002):
        then = state.table(table, number)
        assert then.get(1) == (number, 1, number)
        assert (then.get(2), then.get(2.0), then.get(2.5), then.get(math.inf), then.get(7)) == ((1, 2, 1), (1, 2, 1), None, None, None)
    assert [row for part in state.table(table, 1500).unordered() for row in part if row[1] == 1] == [(1500, 1, 1500)]
    assert [row[0] for part in state.table(table).versions(700, 900, 1) for _, row in part] == list(range(700, 901))
