"""The Merkle tree over the transactions of a log, as in RFC 6962 (Certificate Transparency), section 2.1.

    leaf      SHA-256(0x00 + header bytes as they stand in the record)
    node      SHA-256(0x01 + left + right)
    root      of n leaves: of the largest power of two of them below n, and of the rest; of none: SHA-256 of nothing

One root stands for all headers, and through the hashes in them for all bodies. That a transaction is among n, or that the log of n
transactions goes on the log of m, is proved by some log2(n) hashes.

A log whose first transactions were given up still has its tree: of those only the roots of the largest complete subtrees (*peaks*) are
needed, at most one for each bit of their number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eventdb.storage.log.base import EventLog

HASH = 32
_LEAF, _NODE = b"\x00", b"\x01"
EMPTY = sha256(b"").digest()
"""The root over no leaves."""


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf that holds `data`."""
    return sha256(_LEAF + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node over two subtrees."""
    return sha256(_NODE + left + right).digest()


class MerkleTree:
    """A tree that grows by leaves at its end and keeps the hashes of all complete subtrees: 64 bytes a leaf.

    `given`: how many leaves it began with, known only by the `peaks` over them, the largest first. Sizes and places count from the very
    first leaf; what would need a given leaf by itself raises LookupError.
    """

    def __init__(self, given: int = 0, peaks: Sequence[bytes] = ()) -> None:
        if len(peaks) != given.bit_count() or any(len(peak) != HASH for peak in peaks):
            raise ValueError(f"{given} leaves have {given.bit_count()} peaks, not {len(peaks)}")
        self.given = given
        self.size = given
        self._levels: list[bytearray] = []
        self._starts: list[int] = []
        rest = list(reversed(peaks))
        for level in range(given.bit_length()):
            peak = given >> level & 1
            self._levels.append(bytearray(rest.pop(0)) if peak else bytearray())
            self._starts.append((given >> level) - peak)

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaves, given by their hashes."""
        added = b"".join(leaves)
        if not added:
            return
        if not self._levels:
            self._add_level()
        self._levels[0] += added
        self.size += len(added) // HASH
        level = 0
        while True:
            below, first = self._levels[level], self._starts[level]
            complete = (first + len(below) // HASH) // 2
            if complete and level + 1 == len(self._levels):
                self._add_level()
            if level + 1 == len(self._levels):
                return
            above = self._levels[level + 1]
            done = self._starts[level + 1] + len(above) // HASH
            begin, width = (2 * done - first) * HASH, 2 * HASH
            above += b"".join(
                [sha256(_NODE + below[at : at + width]).digest() for at in range(begin, begin + (complete - done) * width, width)]
            )
            level += 1

    def _add_level(self) -> None:
        self._levels.append(bytearray())
        self._starts.append(self.given >> len(self._starts))

    def _node(self, level: int, place: int) -> bytes:
        at = (place - self._starts[level]) * HASH
        if at < 0:
            raise LookupError(f"leaf {place << level} was given up")
        return bytes(self._levels[level][at : at + HASH])

    def _range(self, first: int, end: int) -> bytes:
        """The root over the leaves first <= place < end of this tree, `first` being a multiple of the next power of two."""
        count = end - first
        level = count.bit_length() - 1
        if count == 1 << level:
            return self._node(level, first >> level)
        middle = first + _split(count)
        return node_hash(self._range(first, middle), self._range(middle, end))

    def root(self, size: int | None = None) -> bytes:
        """The root over the first `size` leaves (None: all). Raises LookupError."""
        size = self._checked(size)
        return self._range(0, size) if size else EMPTY

    def peaks(self, size: int | None = None) -> list[bytes]:
        """The roots of the largest complete subtrees over the first `size` leaves, the largest first."""
        size = self._checked(size)
        return [self._node(level, (size >> level) - 1) for level in reversed(range(size.bit_length())) if size >> level & 1]

    def inclusion(self, place: int, size: int | None = None) -> list[bytes]:
        """The audit path of the leaf at `place` (from 0) among the first `size`, the nearest first (RFC 6962, 2.1.1).

        Raises LookupError.
        """
        size = self._checked(size)
        if not 0 <= place < size:
            raise LookupError(f"there is no leaf {place} among {size}")
        if place < self.given:
            raise LookupError(f"leaf {place} was given up")
        path: list[bytes] = []
        first, end = 0, size
        while end - first > 1:
            middle = first + _split(end - first)
            if place < middle:
                path.append(self._range(middle, end))
                end = middle
            else:
                path.append(self._range(first, middle))
                first = middle
        return path[::-1]

    def consistency(self, older: int, newer: int | None = None) -> list[bytes]:
        """The proof that the first `older` leaves are the beginning of the first `newer` (RFC 6962, 2.1.2). Raises LookupError."""
        newer = self._checked(newer)
        if not 0 < older <= newer:
            raise LookupError(f"a tree of {older} leaves is not the beginning of one of {newer}")
        path: list[bytes] = []
        first, end, whole = 0, newer, True
        while end != older:
            middle = first + _split(end - first)
            if older <= middle:
                path.append(self._range(middle, end))
                end = middle
            else:
                path.append(self._range(first, middle))
                first, whole = middle, False
        if not whole:
            path.append(self._range(first, end))
        return path[::-1]

    def _checked(self, size: int | None) -> int:
        if size is None:
            return self.size
        if not self.given <= size <= self.size:
            raise LookupError(f"the root over {size} leaves is not known, only of {self.given} to {self.size}")
        return size


def tree_of(log: EventLog, tree: MerkleTree | None = None, until: int | None = None) -> MerkleTree:
    """The tree over the transactions of a log up to `until` (None: the head), going on with one that was made of its beginning."""
    if tree is None:
        tree = MerkleTree(*log.given_up())
    tree.extend(map(leaf_hash, log.headers(tree.size, until)))
    return tree


def peaks_of(log: EventLog, number: int) -> tuple[int, list[bytes]]:
    """What has to be kept of a log's first `number` transactions before they are given up: their number and the peaks over them."""
    return number, tree_of(log, until=number).peaks(number)


def _split(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1


def root_of_inclusion(leaf: bytes, place: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that an audit path leads to from the leaf with that hash; None if the path has not the length that it must."""
    if not 0 <= place < size:
        return None
    last, root, rest = size - 1, leaf, list(path)
    while last:
        if not place & 1 and place == last:  # a lone node at the right edge goes up as it is
            pass
        elif not rest:
            return None
        else:
            other = rest.pop(0)
            root = node_hash(other, root) if place & 1 else node_hash(root, other)
        place, last = place >> 1, last >> 1
    return None if rest else root


def is_consistent(older: int, older_root: bytes, newer: int, newer_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether the path proves that the tree of `older` leaves is the beginning of that of `newer`."""
    if not 0 < older <= newer:
        return False
    if older == newer:
        return not path and older_root == newer_root
    rest = list(path)
    place, last = older - 1, newer - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    if place and not rest:
        return False
    one = other = rest.pop(0) if place else older_root
    while last:
        if place & 1 or place < last:
            if not rest:
                return False
            node = rest.pop(0)
            if place & 1:
                one = node_hash(node, one)
                other = node_hash(node, other)
            else:
                other = node_hash(other, node)
        place, last = place >> 1, last >> 1
    return not rest and one == older_root and other == newer_root
