"""Where two trees of one origin differ: pages that both have are equal, so only the others need a look."""

from __future__ import annotations

from typing import Any

from eventdb.storage.btree import Leaf, Tree


def unshared(one: Tree, other: Tree) -> tuple[list[Leaf], list[Leaf]]:
    """The leaves of each tree that the other one has not, in order. Cost: the pages that are not shared, and those beside them.

    Pages are compared by identity: trees that were loaded apart from one another share none, and are then given whole.
    """
    left: list[Any] = [one.root]
    right: list[Any] = [other.root]
    while True:
        common = {id(node) for node in left} & {id(node) for node in right}
        left = [node for node in left if id(node) not in common]
        right = [node for node in right if id(node) not in common]
        higher, lower = _height(left), _height(right)
        if not higher and not lower:
            return left, right
        # the higher ones first, so that both come to pages of one height together
        if higher >= lower:
            left = [kid for node in left for kid in node.kids]
        if lower >= higher:
            right = [kid for node in right for kid in node.kids]


def _height(nodes: list[Any]) -> int:
    """How many levels lie below the first of some pages, which are all of one height."""
    height, node = 0, nodes[0] if nodes else None
    while node is not None and node.kids is not None:
        height, node = height + 1, node.kids[0]
    return height
