"""A tree that nobody edits, laid flat: one bisection finds the leaf of a key, whatever the height.

To make it costs a walk over all branches, so a reader makes it when it has been asked for about as many rows as there are leaves.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import Any

from eventdb.storage.node import LazyBranch


class Flat:
    """The leaves of a tree of rows. `dense`: keys are integers and so far had no gaps, so the distance of a key from the least one of its
    leaf is its place there; the first that stands elsewhere ends that."""

    __slots__ = ("_dense", "_key_of", "_leaves", "_lows", "_separators")

    def __init__(self, leaves: list[Any], separators: list[Any], key_of: Callable[[Any], Any], dense: bool) -> None:
        self._leaves = leaves
        self._separators = separators
        self._key_of = key_of
        self._dense = dense and bool(leaves[0].keys)
        self._lows = [leaves[0].keys[0], *separators] if self._dense else []

    def rows(self, wanted: list[Any]) -> list[Any] | None:
        """The rows of those keys, in their order; None if one isn't there."""
        separators, leaves = self._separators, self._leaves
        if self._dense:
            lows = self._lows
            try:
                rows = [leaves[(i := bisect_right(separators, key))].vals[key - lows[i]] for key in wanted]
                if list(map(self._key_of, rows)) == wanted:
                    return rows
            except IndexError:
                pass
            self._dense = False
        try:
            rows = [(leaf := leaves[bisect_right(separators, key)]).vals[bisect_left(leaf.keys, key)] for key in wanted]
        except IndexError:
            return None
        return rows if list(map(self._key_of, rows)) == wanted else None


def flat(root: Any, key_of: Callable[[Any], Any], dense: bool) -> Flat | None:
    """The tree under `root`, whose rows have the keys that `key_of` tells; None where branches are still in a snapshot."""
    level: list[Any] = [root]
    separators: list[Any] = []
    while level[0].kids is not None:
        if any(type(node) is LazyBranch for node in level):
            return None
        between = [*separators, None]
        separators, kids = [], []
        for node, separator in zip(level, between, strict=True):
            separators += node.keys
            separators.append(separator)
            kids += node.kids
        separators.pop()
        level = kids
    return Flat(level, separators, key_of, dense)
