"""The B+tree is a sorted dictionary whose older forms stay as they were."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventdb.storage import btree
from eventdb.storage.btree import Tree
from eventdb.storage.verify import check_tree

key = st.integers(0, 120)
some_keys = st.lists(key, max_size=60).map(lambda keys: sorted(set(keys)))
run_of_keys = st.tuples(key, st.integers(0, 80)).map(lambda at: list(range(at[0], at[0] + at[1])))
operations = st.lists(
    st.one_of(
        st.tuples(st.just("put"), key),
        st.tuples(st.just("pop"), key),
        st.tuples(st.just("put_many"), some_keys | run_of_keys),
        st.tuples(st.just("pop_many"), some_keys | run_of_keys),
        st.tuples(st.just("replace"), key),
        st.tuples(st.just("replace_many"), some_keys | run_of_keys),
        st.tuples(st.just("fork"), st.none()),
    ),
    max_size=40,
)


def items(tree: Tree) -> list[tuple[Any, Any]]:
    return [item for leaf in tree.leaves() for item in zip(leaf.keys, leaf.vals, strict=True)]


def sound(tree: Tree) -> bool:
    problems: list[str] = []
    check_tree(tree, problems.append)
    assert not problems
    return True


@pytest.mark.usefixtures("small_pages")
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations)
def test_it_is_a_sorted_dictionary(steps: list[tuple[str, Any]]) -> None:
    """Puts, removals, replaced values and batches in any order; forks stay as they were; all pages stay in bounds."""
    tree, model = Tree(object()), {}
    forks = []
    for number, (what, argument) in enumerate(steps):
        if what == "put":
            assert tree.put(argument, number) == model.get(argument)
            model[argument] = number
        elif what == "pop":
            assert tree.pop(argument) == model.pop(argument, None)
        elif what == "put_many":
            tree.put_many(list(argument), [number] * len(argument))
            model.update(dict.fromkeys(argument, number))
        elif what == "pop_many":
            assert tree.pop_many(list(argument)) == [model.pop(gone) for gone in argument if gone in model]
        elif what == "replace":
            found = tree.cell(argument)
            assert (found is not None) == (argument in model)
            if found is not None:
                found[0][found[1]] = model[argument] = number
        elif what == "replace_many":
            wanted = [there for there in argument if there in model]
            for leaf, lo, hi in tree.runs(wanted):
                for there in wanted[lo:hi]:
                    leaf.vals[leaf.keys.index(there)] = model[there] = number
        else:
            forks.append((tree, dict(model)))
            tree = tree.fork(object())
        assert sound(tree)
        assert len(tree) == len(model)
    for old, content in [*forks, (tree, model)]:
        assert sound(old)
        assert items(old) == sorted(content.items())


@pytest.mark.usefixtures("small_pages")
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some_keys, key | st.none(), key | st.none(), st.booleans(), st.booleans())
def test_ranges_and_seeks(keys: list[int], low: int | None, high: int | None, low_open: bool, high_open: bool) -> None:
    """Ranges both ways with every kind of bound, first and last entries, look-ups of many keys."""
    tree = Tree.build(object(), keys, [k * 2 for k in keys])
    assert sound(tree)

    def inside(k: int) -> bool:
        above = low is None or (k > low if low_open else k >= low)
        return above and (high is None or (k < high if high_open else k <= high))

    wanted = [k for k in keys if inside(k)]
    parts = [part[i:j] for part, _, i, j in tree.slices(low, high, low_open, high_open)]
    assert [k for part in parts for k in part] == wanted
    back = [part[i:j] for part, _, i, j in tree.slices_reversed(low, high, low_open, high_open)]
    assert [k for part in reversed(back) for k in part] == wanted
    bound = 60 if low is None else low
    assert tree.ceiling(bound) == min(((k, k * 2) for k in keys if k >= bound), default=None)
    assert tree.last() == ((keys[-1], keys[-1] * 2) if keys else None)
    asked = [3, 100, 3, bound, 77]
    assert tree.get_many(asked) == [k * 2 for k in asked if k in keys]
    assert tree.get(bound) == (bound * 2 if bound in keys else None)


def test_pages_do_not_waste_away() -> None:
    """After most entries are gone the pages left are few."""
    tree = Tree.build(object(), list(range(20_000)), [None] * 20_000)
    for k in range(20_000):
        if k % 100:
            tree.pop(k)
    assert sound(tree)
    assert len(list(tree.leaves())) <= 200 // btree.LEAF_MIN
    tree = Tree.build(object(), list(range(20_000)), [None] * 20_000)
    tree.pop_many([k for k in range(20_000) if k % 100])
    assert sound(tree)
    assert len(list(tree.leaves())) <= 200 // btree.LEAF_MIN


def test_a_commit_copies_one_path() -> None:
    """One put in a fork copies one leaf and the branches above it."""
    tree = Tree.build(object(), list(range(50_000)), [0] * 50_000)
    before = {id(leaf) for leaf in tree.leaves()}
    fork = tree.fork(object())
    fork.put(25_000, 1)
    assert len({id(leaf) for leaf in fork.leaves()} - before) == 1
    assert (tree.get(25_000), fork.get(25_000)) == (0, 1)


@pytest.mark.parametrize(("low", "high"), [(None, None), (10, 20), (1000, 1700), (5000, 45_000), (49_990, None), (7, 7), (9, 3)])
def test_estimates_are_near(low: int | None, high: int | None) -> None:
    """Exact in neighbouring pages, within a fifth else."""
    tree = Tree.build(object(), list(range(50_000)), [None] * 50_000)
    exact = max((50_000 if high is None else high) - (low or 0), 0)
    guess = tree.estimate(low, high)
    assert abs(guess - exact) <= exact / 5
