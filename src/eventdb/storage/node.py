"""The nodes of a B+tree, loaded or still in a snapshot, and the ways from leaf to leaf; `btree` says what holds of them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Any, Protocol


class PageReference(Protocol):
    """Where a page lies in a snapshot."""

    def load_leaf(self) -> tuple[list[Any], list[Any]]:
        """The keys and values of a leaf."""
        ...

    def load_branch(self) -> tuple[list[Any], list[Any]]:
        """The separators and children of a branch."""
        ...


class Leaf:
    """A page of entries. `ref` says where the page lies in a snapshot, None while it lies in none."""

    __slots__ = ("keys", "owner", "ref", "vals")
    kids = None
    shared = False

    def __init__(self, owner: object, keys: list[Any], vals: list[Any]) -> None:
        self.owner = owner
        self.keys = keys
        self.vals = vals
        self.ref: PageReference | None = None

    def copy(self, owner: object) -> Leaf:
        return Leaf(owner, self.keys[:], self.vals[:])

    def copy_values(self, owner: object) -> SharingLeaf:
        """A copy in which values are to be replaced: it has the list of keys in common with this one."""
        return SharingLeaf(owner, self.keys, self.vals[:])


class SharingLeaf(Leaf):
    """A leaf whose list of keys is another leaf's too."""

    __slots__ = ()
    shared = True

    def unshare(self) -> None:
        """Become a plain leaf, before keys are changed."""
        self.keys = self.keys[:]
        self.__class__ = Leaf  # type: ignore[assignment]


class Branch:
    """A page of children, all of one height. Copies have its list of keys in common, which is therefore never changed in place."""

    __slots__ = ("keys", "kids", "owner", "ref")

    def __init__(self, owner: object, keys: list[Any], kids: list[Any]) -> None:
        self.owner = owner
        self.keys = keys
        self.kids = kids
        self.ref: PageReference | None = None

    def copy(self, owner: object) -> Branch:
        return Branch(owner, self.keys, self.kids[:])

    copy_values = copy


class LazyLeaf(Leaf):
    """A leaf that is still in its snapshot."""

    __slots__ = ()

    def __init__(self, ref: PageReference) -> None:
        self.owner = None
        self.ref = ref

    def __getattr__(self, name: str) -> Any:
        if name not in ("keys", "vals"):
            raise AttributeError(name)
        assert self.ref is not None
        self.keys, self.vals = self.ref.load_leaf()
        self.__class__ = Leaf  # type: ignore[assignment]
        return getattr(self, name)


class LazyBranch(Branch):
    """A branch that is still in its snapshot."""

    __slots__ = ()

    def __init__(self, ref: PageReference) -> None:
        self.owner = None
        self.ref = ref

    def __getattr__(self, name: str) -> Any:
        if name not in ("keys", "kids"):
            raise AttributeError(name)
        assert self.ref is not None
        self.keys, self.kids = self.ref.load_branch()
        self.__class__ = Branch  # type: ignore[assignment]
        return getattr(self, name)


def pick(leaf: Leaf, wanted: Sequence[Any]) -> list[Any]:
    keys, vals = leaf.keys, leaf.vals
    found = []
    for key in wanted:
        i = bisect_left(keys, key)
        if i < len(keys) and keys[i] == key:
            found.append(vals[i])
    return found


def walk(node: Any) -> Iterator[Leaf]:
    if node.kids is None:
        yield node
    elif node.kids[0].kids is None:
        yield from node.kids
    else:
        for kid in node.kids:
            yield from walk(kid)


def right_of(path: list[tuple[Branch, int]], high: Any) -> Any:
    """The leaf after the one that `path` leads to, unless it begins beyond `high`; `path` then leads there."""
    while path:
        branch, i = path.pop()
        i += 1
        if i < len(branch.kids):
            if high is not None and branch.keys[i - 1] > high:
                return None
            path.append((branch, i))
            node = branch.kids[i]
            while node.kids is not None:
                path.append((node, 0))
                node = node.kids[0]
            return node
    return None


def left_of(path: list[tuple[Branch, int]], low: Any) -> Any:
    """The leaf before the one that `path` leads to, unless it ends before `low`; `path` then leads there."""
    while path:
        branch, i = path.pop()
        if i > 0:
            if low is not None and branch.keys[i - 1] <= low:
                return None
            i -= 1
            path.append((branch, i))
            node = branch.kids[i]
            while node.kids is not None:
                path.append((node, len(node.kids) - 1))
                node = node.kids[-1]
            return node
    return None


def estimate(root: Any, count: int, low: Any, high: Any) -> int:
    node = root
    while node.kids is not None:
        i = 0 if low is None else bisect_right(node.keys, low)
        j = len(node.kids) - 1 if high is None else bisect_right(node.keys, high)
        if i < j:
            return _estimate_across(root, count, node, i, j, low, high)
        if i > j:
            return 0
        node = node.kids[i]
    i = 0 if low is None else bisect_left(node.keys, low)
    j = len(node.keys) if high is None else bisect_left(node.keys, high)
    return max(j - i, 0)


def _estimate_across(root: Any, count: int, node: Branch, i: int, j: int, low: Any, high: Any) -> int:
    if low is None and high is None:
        return count
    if node.kids[0].kids is None and j - i == 1:
        left, right = node.kids[i].keys, node.kids[j].keys
        a = 0 if low is None else bisect_left(left, low)
        b = len(right) if high is None else bisect_left(right, high)
        return len(left) - a + b
    span = _rank(root, high, 1.0) - _rank(root, low, 0.0)
    return max(1, round(span * count))


def _rank(node: Any, bound: Any, unbounded: float) -> float:
    """The share of the tree that lies before `bound`, as if all pages were equally full."""
    if bound is None:
        return unbounded
    share, width = 0.0, 1.0
    while node.kids is not None:
        i = bisect_right(node.keys, bound)
        width /= len(node.kids)
        share += i * width
        node = node.kids[i]
    if type(node) is LazyLeaf:
        return share + width / 2
    return share + width * bisect_left(node.keys, bound) / max(len(node.keys), 1)
