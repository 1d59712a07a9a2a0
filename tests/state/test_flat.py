"""The rows of keys that an index holds, found in the tree laid flat: the same as by descending, with gaps, text keys and new states."""

from __future__ import annotations

import random

import pytest

from eventdb.storage.btree import Tree
from eventdb.storage.flat import flat


def _key(row: tuple[object, ...]) -> object:
    return row[1]


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("text", [False, True])
def test_rows_as_by_descending(gaps: bool, text: bool) -> None:
    """Any keys, in any order, give the rows that get_many gives, at one level and at several."""
    draw = random.Random(7)
    for count in (1, 5, 1000, 40_000):
        numbers = [n for n in range(-count // 2, count) if not gaps or draw.random() < 0.7] or [3]
        keys: list[object] = [f"{n + count:09d}" for n in numbers] if text else list(numbers)
        tree = Tree.build(object(), keys, [(1, key, "x") for key in keys])
        found = flat(tree.root, _key, not text)
        assert found is not None
        for _ in range(20):
            wanted = [draw.choice(keys) for _ in range(50)]
            assert found.rows(wanted) == tree.get_many(wanted) == [(1, key, "x") for key in wanted]


def test_missing_keys_are_told() -> None:
    """A key that isn't there gives None: below, above, and in a gap."""
    tree = Tree.build(object(), list(range(0, 3000, 3)), [(1, n) for n in range(0, 3000, 3)])
    for missing in (-1, 1, 1500 - 1, 3000):
        found = flat(tree.root, _key, True)
        assert found is not None
        assert found.rows([3, missing]) is None
