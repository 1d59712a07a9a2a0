"""A persistent B+tree with transient editing: the one data structure that all state is made of.

A `Tree` is a root, an exact count and a *token*. Nodes carry the token of the tree that made them: an edit changes nodes that carry the
tree's own token in place and copies others the first time it meets them. So `fork` (a tree with the same root and another token) costs
nothing, freezes all nodes for both sides, and a bulk edit copies each page once, not once a row.

    Branch.keys[i]   separates kids[i] and kids[i + 1]: greater than every key on its left, not greater than any on its right
    Leaf.keys        the keys, strictly ascending; Leaf.vals the values beside them

Leaves are plain lists: a look-up is a `bisect` in C, a scan hands out `vals` whole. Larger pages cost each commit (it copies a path),
smaller ones cost scans and snapshots. With 100,000 rows and a million past versions, in microseconds if no other unit is given:

    leaf size / children                  1024/512   512/512   256/512   256/128   128/128
    get                                        1.0       1.0       1.0       1.0       1.0
    AS OF get                                  2.5       2.6       2.5       2.2       2.3
    commit of one row at random                 57        41        31        28        28
    commit of the next row                      15        14        13        12        12
    at random, 1 of 2 indexes touched         109        88        83        69        61
    update inside a large transaction          8.3       7.5       8.6       7.2       9.4
    AS OF scan, ms                                        53        54        54        59
    snapshot, MB                                        4.76                4.80      4.87
    snapshot after one more row, KB                       23                  12         9

Keys of one tree must compare with one another and be hashable (batches merge through a dictionary); a key is never None, which stands
for "unbounded" in ranges.

A page that lies in a snapshot is a `LazyLeaf` or `LazyBranch`: same slots, `keys` and `vals` (or `kids`) unset. Touching them calls
`__getattr__`, which loads the page and turns the object into a plain Leaf or Branch, so loaded nodes pay nothing. Two threads may load
one page twice: both get equal lists, and a node that was loaded is owned by nobody, so it is never edited in place.

Where only values are replaced, the copy of a page has the list of keys in common with the old one (`SharingLeaf`).

Not done here: deletion leaves branches of a lazily loaded neighbour alone where nothing under them changed, and counts between bounds
are exact only for neighbouring pages.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

from eventdb.storage.node import Branch, LazyBranch, LazyLeaf, Leaf, estimate, left_of, pick, right_of, walk

__all__ = ["Branch", "LazyBranch", "LazyLeaf", "Leaf", "Tree"]

LEAF_MAX = 256
LEAF_MIN = LEAF_MAX // 4
LEAF_FILL = LEAF_MAX * 7 // 8
BRANCH_MAX = 128
BRANCH_MIN = BRANCH_MAX // 4
_FEW = 8
_SPARSE = 6
"""A batch inserts one by one where a leaf gets at most `_FEW` new entries, or one for `_SPARSE` that are there; else it merges."""

Slice = tuple[list[Any], list[Any], int, int]
"""(keys, vals, i, j) of one leaf: the entries i <= x < j are in the range."""


class Tree:
    """An ordered mapping. A tree is edited only by the one who made it with a token of his own; readers may go on meanwhile in trees
    forked before."""

    __slots__ = ("count", "root", "token")

    def __init__(self, token: object, root: Any = None, count: int = 0) -> None:
        self.token = token
        self.root: Any = Leaf(token, [], []) if root is None else root
        self.count = count

    @classmethod
    def build(cls, token: object, keys: list[Any], vals: list[Any]) -> Tree:
        """A tree of sorted, distinct keys."""
        tree = cls(token)
        if keys:
            tree._raise(_leaves(token, keys, vals, LEAF_FILL))
            tree.count = len(keys)
        return tree

    def fork(self, token: object) -> Tree:
        """The same content to be edited under another token; O(1). This tree must not be edited afterwards."""
        return Tree(token, self.root, self.count)

    def __len__(self) -> int:
        return self.count

    # reading

    def get(self, key: Any) -> Any:
        """The value of `key`, None if it isn't there."""
        node = self.root
        while (kids := node.kids) is not None:
            node = kids[bisect_right(node.keys, key)]
        keys = node.keys
        i = bisect_left(keys, key)
        if i < len(keys) and keys[i] == key:
            return node.vals[i]
        return None

    def get_many(self, wanted: Sequence[Any]) -> list[Any]:
        """The values of those keys that are there, in the order of `wanted`."""
        root = self.root
        if root.kids is None:
            return pick(root, wanted)
        found: list[Any] = []
        append = found.append
        seps, kids = root.keys, root.kids
        for key in wanted:
            node = kids[bisect_right(seps, key)]
            while (below := node.kids) is not None:
                node = below[bisect_right(node.keys, key)]
            keys = node.keys
            i = bisect_left(keys, key)
            if i < len(keys) and keys[i] == key:
                append(node.vals[i])
        return found

    def leaf(self, key: Any) -> Leaf:
        """The leaf where `key` is, or would be."""
        node = self.root
        while (kids := node.kids) is not None:
            node = kids[bisect_right(node.keys, key)]
        return node  # type: ignore[no-any-return]

    def ceiling(self, bound: Any) -> tuple[Any, Any] | None:
        """The first entry >= bound."""
        node = self.root
        while (kids := node.kids) is not None:
            node = kids[bisect_right(node.keys, bound)]
        keys = node.keys
        i = bisect_left(keys, bound)
        if i < len(keys):
            return keys[i], node.vals[i]
        for keys, vals, i, _ in self.slices(bound):
            return keys[i], vals[i]
        return None

    def at_or_after(self, bound: Any) -> Any:
        """The value of the first entry >= bound, None if there is none."""
        node = self.root
        while (kids := node.kids) is not None:
            node = kids[bisect_right(node.keys, bound)]
        i = bisect_left(node.keys, bound)
        if i < len(node.keys):
            return node.vals[i]
        found = self.ceiling(bound)
        return None if found is None else found[1]

    def between(self, low: Any, high: Any) -> tuple[list[Any], list[Any]]:
        """The entries low <= key < high, as new lists of keys and values; for ranges that are short."""
        node = self.root
        while (kids := node.kids) is not None:
            node = kids[bisect_right(node.keys, low)]
        keys = node.keys
        i = bisect_left(keys, low)
        j = bisect_left(keys, high, i)
        if j < len(keys):
            return keys[i:j], node.vals[i:j]
        found: tuple[list[Any], list[Any]] = ([], [])
        for keys, vals, i, j in self.slices(low, high, False, True):
            found[0].extend(keys[i:j])
            found[1].extend(vals[i:j])
        return found

    def values(self, low: Any, high: Any) -> list[Any]:
        """The values of low <= key < high, as a new list; for ranges that are short."""
        node = self.root
        while (kids := node.kids) is not None:
            node = kids[bisect_right(node.keys, low)]
        keys = node.keys
        i = bisect_left(keys, low)
        j = bisect_left(keys, high, i)
        if j < len(keys):
            return node.vals[i:j]  # type: ignore[no-any-return]
        found: list[Any] = []
        for _, vals, i, j in self.slices(low, high, False, True):
            found += vals[i:j]
        return found

    def last(self) -> tuple[Any, Any] | None:
        """The last entry."""
        node = self.root
        while (kids := node.kids) is not None:
            node = kids[-1]
        return (node.keys[-1], node.vals[-1]) if node.keys else None

    def leaves(self) -> Iterator[Leaf]:
        """All leaves in order."""
        return walk(self.root)

    def slices(self, low: Any = None, high: Any = None, low_open: bool = False, high_open: bool = False) -> Iterator[Slice]:
        """The entries from `low` to `high` (None: no bound; open: the bound itself left out), as parts of leaves in order."""
        path: list[tuple[Branch, int]] = []
        node = self.root
        while node.kids is not None:
            at = 0 if low is None else bisect_right(node.keys, low)
            path.append((node, at))
            node = node.kids[at]
        find_end = bisect_left if high_open else bisect_right
        keys = node.keys
        i = 0 if low is None else bisect_right(keys, low) if low_open else bisect_left(keys, low)
        while True:
            j = len(keys) if high is None else find_end(keys, high, i)
            if i < j:
                yield keys, node.vals, i, j
            if j < len(keys) or (node := right_of(path, high)) is None:
                return
            keys = node.keys
            i = 0

    def slices_reversed(self, low: Any = None, high: Any = None, low_open: bool = False, high_open: bool = False) -> Iterator[Slice]:
        """As `slices`, the last leaf first; inside a part the order is ascending."""
        path: list[tuple[Branch, int]] = []
        node = self.root
        while node.kids is not None:
            at = len(node.kids) - 1 if high is None else bisect_right(node.keys, high)
            path.append((node, at))
            node = node.kids[at]
        find_start = bisect_right if low_open else bisect_left
        keys = node.keys
        j = len(keys) if high is None else bisect_left(keys, high) if high_open else bisect_right(keys, high)
        while True:
            i = 0 if low is None else find_start(keys, low, 0, j)
            if i < j:
                yield keys, node.vals, i, j
            if i > 0 or (node := left_of(path, low)) is None:
                return
            keys = node.keys
            j = len(keys)

    def estimate(self, low: Any = None, high: Any = None) -> int:
        """About how many keys lie in low <= key < high: exact where the bounds meet in neighbouring pages."""
        return estimate(self.root, self.count, low, high)

    # editing

    def put(self, key: Any, value: Any) -> Any:
        """Set the value of `key`; its old value, or None."""
        token = self.token
        node = self.root
        if node.owner is not token:
            node = self.root = node.copy(token)
        while (kids := node.kids) is not None:
            i = bisect_right(node.keys, key)
            node = kids[i]
            if node.owner is not token:
                node = kids[i] = node.copy(token)
        keys = node.keys
        i = bisect_left(keys, key)
        if i < len(keys) and keys[i] == key:
            vals = node.vals
            old = vals[i]
            vals[i] = value
            return old
        if node.shared:
            node.unshare()
            keys = node.keys
        keys.insert(i, key)
        node.vals.insert(i, value)
        self.count += 1
        if len(keys) > LEAF_MAX:
            self._split(key)
        return None

    def cell(self, key: Any) -> tuple[list[Any], int] | None:
        """Where the value of `key` stands, to be replaced there: (list, index) of a page that is owned; None if it isn't there."""
        token = self.token
        node = self.root
        if node.owner is not token:
            node = self.root = node.copy_values(token)
        while (kids := node.kids) is not None:
            i = bisect_right(node.keys, key)
            node = kids[i]
            if node.owner is not token:
                node = kids[i] = node.copy_values(token)
        keys = node.keys
        i = bisect_left(keys, key)
        if i < len(keys) and keys[i] == key:
            return node.vals, i
        return None

    def pop(self, key: Any) -> Any:
        """Remove `key`; its value, or None if it wasn't there."""
        token = self.token
        node = self.root
        if node.owner is not token:
            node = self.root = node.copy(token)
        while (kids := node.kids) is not None:
            i = bisect_right(node.keys, key)
            node = kids[i]
            if node.owner is not token:
                node = kids[i] = node.copy(token)
        keys = node.keys
        i = bisect_left(keys, key)
        if i == len(keys) or keys[i] != key:
            return None
        if node.shared:
            node.unshare()
            keys = node.keys
        del keys[i]
        old = node.vals.pop(i)
        self.count -= 1
        if len(keys) < LEAF_MIN and node is not self.root:
            self._repair(key)
        return old

    def runs(self, keys: Sequence[Any]) -> Iterator[tuple[Leaf, int, int]]:
        """The leaves over sorted, distinct keys, to have values replaced in them: they are owned. Keys lo <= x < hi belong into one."""
        lo, token = 0, self.token
        if self.root.owner is not token:
            self.root = self.root.copy_values(token)
        while lo < len(keys):
            node, high = self.root, None
            while (kids := node.kids) is not None:
                i = bisect_right(node.keys, keys[lo])
                if i < len(node.keys):
                    high = node.keys[i]
                node = kids[i]
                if node.owner is not token:
                    node = kids[i] = node.copy_values(token)
            hi = len(keys) if high is None else bisect_left(keys, high, lo)
            yield node, lo, hi
            lo = hi

    def put_many(self, keys: list[Any], vals: list[Any]) -> None:
        """Set the values of sorted, distinct keys, a leaf at a time."""
        if not keys:
            return
        last = self.last()
        if last is None:
            self._raise(_leaves(self.token, keys, vals, LEAF_MAX))
            self.count = len(keys)
            return
        root = self._owned(self.root)
        self.root = root
        nodes = self._put_run(root, keys, vals, 0, len(keys))
        if len(nodes) > 1:
            self._raise(nodes)

    def pop_many(self, keys: list[Any]) -> list[Any]:
        """Remove sorted, distinct keys, a leaf at a time; the values of those that were there, in order."""
        gone: list[Any] = []
        if keys:
            self.root = self._owned(self.root)
            self._pop_run(self.root, keys, 0, len(keys), gone)
            self._lower()
            gone.reverse()
            self.count -= len(gone)
        return gone

    def _owned(self, node: Any) -> Any:
        return node if node.owner is self.token else node.copy(self.token)

    def _raise(self, nodes: list[tuple[Any, Any]]) -> None:
        """Make a root over sibling nodes, each with the least key below it."""
        while len(nodes) > 1:
            nodes = [
                (part[0][0], Branch(self.token, [low for low, _ in part[1:]], [node for _, node in part]))
                for part in _parts(nodes, BRANCH_MAX)
            ]
        self.root = nodes[0][1]

    def _lower(self) -> None:
        """Drop roots that have one child or none."""
        while self.root.kids is not None and len(self.root.kids) <= 1:
            self.root = self.root.kids[0] if self.root.kids else Leaf(self.token, [], [])

    def _split(self, key: Any) -> None:
        """Split the leaf that holds `key`, and branches above as they fill. A page that grows at its end keeps what it has."""
        path: list[tuple[Branch, int]] = []
        node = self.root
        while node.kids is not None:
            i = bisect_right(node.keys, key)
            path.append((node, i))
            node = node.kids[i]
        middle = len(node.keys) - 1 if node.keys[-1] == key else len(node.keys) // 2
        right: Any = Leaf(self.token, node.keys[middle:], node.vals[middle:])
        separator = right.keys[0]
        del node.keys[middle:], node.vals[middle:]
        while path:
            parent, i = path.pop()
            parent.keys = [*parent.keys[:i], separator, *parent.keys[i:]]
            parent.kids.insert(i + 1, right)
            if len(parent.kids) <= BRANCH_MAX:
                return
            middle = len(parent.kids) - 2 if i + 2 == len(parent.kids) else len(parent.kids) // 2
            right = Branch(self.token, parent.keys[middle:], parent.kids[middle:])
            separator = parent.keys[middle - 1]
            parent.keys = parent.keys[: middle - 1]
            del parent.kids[middle:]
        self.root = Branch(self.token, [separator], [self.root, right])

    def _repair(self, key: Any) -> None:
        """Bring the pages on the way to `key` back to size after a removal."""
        path: list[tuple[Branch, int]] = []
        node = self.root
        while node.kids is not None:
            i = bisect_right(node.keys, key)
            path.append((node, i))
            node = node.kids[i]
        while path:
            parent, i = path.pop()
            if not _is_small(parent.kids[i]):
                break
            self._join(parent, i)
        self._lower()

    def _join(self, parent: Branch, i: int) -> None:
        """Merge the small child i with a neighbour, or even the two out; an empty one is dropped."""
        kids, seps = parent.kids, parent.keys
        if _is_empty(kids[i]):
            _drop(parent, i)
            return
        if len(kids) == 1:
            return
        i = min(i, len(kids) - 2)
        left, right = self._owned(kids[i]), self._owned(kids[i + 1])
        kids[i], kids[i + 1] = left, right
        if left.kids is None:
            keys, vals = left.keys + right.keys, left.vals + right.vals
            limit, middle = LEAF_MAX * 3 // 4, len(keys) // 2
        else:
            keys, vals = [*left.keys, seps[i], *right.keys], left.kids + right.kids
            limit, middle = BRANCH_MAX * 3 // 4, len(vals) // 2
        leaf = left.kids is None
        if len(vals) <= limit:
            kids[i] = Leaf(self.token, keys, vals) if leaf else Branch(self.token, keys, vals)
            parent.keys = [*seps[:i], *seps[i + 1 :]]
            del kids[i + 1]
        elif leaf:
            kids[i], kids[i + 1] = Leaf(self.token, keys[:middle], vals[:middle]), Leaf(self.token, keys[middle:], vals[middle:])
            parent.keys = [*seps[:i], keys[middle], *seps[i + 1 :]]
        else:
            kids[i] = Branch(self.token, keys[: middle - 1], vals[:middle])
            kids[i + 1] = Branch(self.token, keys[middle:], vals[middle:])
            parent.keys = [*seps[:i], keys[middle - 1], *seps[i + 1 :]]

    def _put_run(self, node: Any, keys: list[Any], vals: list[Any], lo: int, hi: int) -> list[tuple[Any, Any]]:
        """Put entries lo..hi below `node`, which is owned; what stands in its place: (least key, node) one or several."""
        if node.kids is None:
            return self._put_leaf(node, keys, vals, lo, hi)
        seps, kids = node.keys, node.kids
        at = hi
        while at > lo:
            i = bisect_right(seps, keys[at - 1])
            start = lo if i == 0 else bisect_left(keys, seps[i - 1], lo, at)
            kids[i] = child = self._owned(kids[i])
            made = self._put_run(child, keys, vals, start, at)
            if len(made) > 1:
                kids[i : i + 1] = [new for _, new in made]
                node.keys = seps = [*seps[:i], *(low for low, _ in made[1:]), *seps[i:]]
            elif made[0][1] is not child:
                kids[i] = made[0][1]
            at = start
        if len(kids) <= BRANCH_MAX:
            return [(None, node)]
        lows = [None, *seps]
        return [
            (part[0][0], Branch(self.token, [low for low, _ in part[1:]], [kid for _, kid in part]))
            for part in _parts(list(zip(lows, kids, strict=True)), BRANCH_MAX)
        ]

    def _put_leaf(self, node: Leaf, keys: list[Any], vals: list[Any], lo: int, hi: int) -> list[tuple[Any, Any]]:
        if node.shared:
            node.unshare()  # type: ignore[attr-defined]
        old_keys, old_vals = node.keys, node.vals
        before = len(old_keys)
        fill = LEAF_FILL
        if not before or keys[lo] > old_keys[-1]:
            old_keys += keys[lo:hi]
            old_vals += vals[lo:hi]
            fill = LEAF_MAX
        elif hi - lo <= max(_FEW, before // _SPARSE):
            i = 0
            for n in range(lo, hi):
                key = keys[n]
                i = bisect_left(old_keys, key, i)
                if i < len(old_keys) and old_keys[i] == key:
                    old_vals[i] = vals[n]
                else:
                    old_keys.insert(i, key)
                    old_vals.insert(i, vals[n])
        else:
            merged = dict(zip(old_keys, old_vals, strict=True))
            merged.update(zip(keys[lo:hi], vals[lo:hi], strict=True))
            node.keys = old_keys = sorted(merged)
            node.vals = old_vals = list(map(merged.__getitem__, old_keys))
        self.count += len(old_keys) - before
        if len(old_keys) <= LEAF_MAX:
            return [(None, node)]
        return _leaves(self.token, old_keys, old_vals, fill)

    def _pop_run(self, node: Any, keys: list[Any], lo: int, hi: int, gone: list[Any]) -> None:
        """Remove keys lo..hi below `node`, which is owned; `gone` gets their values, the last first."""
        if node.kids is None:
            _pop_from_leaf(node, keys, lo, hi, gone)
            return
        seps, kids = node.keys, node.kids
        touched: list[int] = []
        at = hi
        while at > lo:
            i = bisect_right(seps, keys[at - 1])
            start = lo if i == 0 else bisect_left(keys, seps[i - 1], lo, at)
            kids[i] = child = self._owned(kids[i])
            self._pop_run(child, keys, start, at, gone)
            touched.append(i)
            at = start
        for i in touched:
            if _is_empty(kids[i]):
                _drop(node, i)
        for i in touched:
            if i < len(kids) and _is_small(kids[i]):
                self._join(node, i)


def _pop_from_leaf(leaf: Any, keys: list[Any], lo: int, hi: int, gone: list[Any]) -> None:
    if leaf.shared:
        leaf.unshare()
    old_keys, old_vals = leaf.keys, leaf.vals
    if hi - lo <= max(_FEW, len(old_keys) // _SPARSE):
        i = len(old_keys)
        for key in reversed(keys[lo:hi]):
            i = bisect_left(old_keys, key, 0, i)
            if i < len(old_keys) and old_keys[i] == key:
                del old_keys[i]
                gone.append(old_vals.pop(i))
        return
    entries = dict(zip(old_keys, old_vals, strict=True))
    gone += [entries.pop(key) for key in reversed(keys[lo:hi]) if key in entries]
    leaf.keys, leaf.vals = list(entries), list(entries.values())


def _is_small(node: Any) -> bool:
    return len(node.keys) < LEAF_MIN if node.kids is None else len(node.kids) < BRANCH_MIN


def _is_empty(node: Any) -> bool:
    return not (node.keys if node.kids is None else node.kids)


def _drop(parent: Branch, i: int) -> None:
    del parent.kids[i]
    if parent.keys:
        at = max(i - 1, 0)
        parent.keys = [*parent.keys[:at], *parent.keys[at + 1 :]]


def _parts(items: list[Any], most: int) -> list[list[Any]]:
    """`items` cut into as few lists of about equal length as fit."""
    count = -(-len(items) // most)
    step = -(-len(items) // count)
    return [items[i : i + step] for i in range(0, len(items), step)]


def _leaves(token: object, keys: list[Any], vals: list[Any], fill: int) -> list[tuple[Any, Leaf]]:
    """Leaves over sorted entries, each but the last `fill` long, with their least keys."""
    if len(keys) % fill < LEAF_MIN and len(keys) > fill:
        fill = -(-len(keys) // -(-len(keys) // fill))
    return [(keys[i], Leaf(token, keys[i : i + fill], vals[i : i + fill])) for i in range(0, len(keys), fill)]
