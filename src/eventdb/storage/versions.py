"""Keys of a past tree: the key of a row and the transaction that ended a version, as one thing that compares quickly.

The version of a row that was alive at n is the first one that ended after n, if it began by then. So keys are made of the row's key
and the *end*, the value is the row itself (which knows its start), and one seek answers AS OF.

Where the row's key is an integer the two are one integer, `key << 40 | end`: comparing those takes a third of the time of comparing
tuples, they need a third of the memory, and the garbage collector does not look at them. 2**40 transactions are more than a log of this
format can hold in practice: 100 TB at the least. The form is one of memory only; a snapshot keeps keys and ends apart.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from eventdb.model.datatype import Kind
from eventdb.model.schema import Table

Key = Any
Row = tuple[Any, ...]
VersionKey = Any

_BITS = 40
OPEN = (1 << _BITS) - 1
"""Later than the end of any version."""
_INTEGERS = (Kind.SMALLINT, Kind.INTEGER, Kind.BIGINT)


class VersionKeys(Protocol):
    """What is made of the keys of one table."""

    def of(self, key: Key, end: int) -> VersionKey:
        """The key of the version of `key` that ended at `end`."""
        ...

    def many(self, keys: Iterable[Key], end: int) -> list[VersionKey]:
        """The keys of versions that ended together."""
        ...

    def ended(self, keys: Iterable[Key], ends: Iterable[int]) -> list[VersionKey]:
        """The keys of versions, each with its end."""
        ...

    def parts(self, version: VersionKey) -> tuple[Key, int]:
        """Key and end."""
        ...

    def ends(self, versions: Iterable[VersionKey]) -> list[int]: ...

    def bound(self, key: Key, after: bool) -> Any:
        """What lies before, or after, all versions of the rows up to `key`, which may be any bound of a range of keys."""
        ...

    def alive(self, keys: Sequence[VersionKey], rows: Sequence[Row], number: int) -> list[Row]:
        """Those of some rows that were alive at `number`, in order."""
        ...

    def seek_alive(self, keys: Sequence[VersionKey], rows: Sequence[Row], number: int) -> list[Row]:
        """The same, faster where rows have many versions: it seeks from row to row and does not look at each version."""
        ...


class IntegerKeys:
    """Row keys that are integers."""

    @staticmethod
    def of(key: Key, end: int) -> VersionKey:
        return key << _BITS | end

    @staticmethod
    def many(keys: Iterable[Key], end: int) -> list[VersionKey]:
        return [key << _BITS | end for key in keys]

    @staticmethod
    def ended(keys: Iterable[Key], ends: Iterable[int]) -> list[VersionKey]:
        return [key << _BITS | end for key, end in zip(keys, ends, strict=True)]

    @staticmethod
    def parts(version: VersionKey) -> tuple[Key, int]:
        return version >> _BITS, version & OPEN

    @staticmethod
    def ends(versions: Iterable[VersionKey]) -> list[int]:
        return [version & OPEN for version in versions]

    @staticmethod
    def bound(key: Key, after: bool) -> Any:
        if type(key) is not int:
            try:
                key = math.floor(key) if after else math.ceil(key)
            except (TypeError, ValueError, OverflowError):
                return key
        return key + after << _BITS

    @staticmethod
    def alive(keys: Sequence[VersionKey], rows: Sequence[Row], number: int) -> list[Row]:
        return [row for key, row in zip(keys, rows, strict=True) if row[0] <= number < key & OPEN]

    @staticmethod
    def seek_alive(keys: Sequence[VersionKey], rows: Sequence[Row], number: int) -> list[Row]:
        found: list[Row] = []
        i, end = 0, len(keys)
        while i < end:
            first = keys[i] & ~OPEN
            i = bisect_right(keys, first | number, i)
            if i < end and keys[i] & ~OPEN == first:
                row = rows[i]
                if row[0] <= number:
                    found.append(row)
                i = bisect_right(keys, first | OPEN, i + 1)
        return found


class PairKeys:
    """Row keys of any kind, in tuples (key, end)."""

    @staticmethod
    def of(key: Key, end: int) -> VersionKey:
        return (key, end)

    @staticmethod
    def many(keys: Iterable[Key], end: int) -> list[VersionKey]:
        return [(key, end) for key in keys]

    @staticmethod
    def ended(keys: Iterable[Key], ends: Iterable[int]) -> list[VersionKey]:
        return list(zip(keys, ends, strict=True))

    @staticmethod
    def parts(version: VersionKey) -> tuple[Key, int]:
        return version  # type: ignore[no-any-return]

    @staticmethod
    def ends(versions: Iterable[VersionKey]) -> list[int]:
        return [end for _, end in versions]

    @staticmethod
    def bound(key: Key, after: bool) -> Any:
        return (key, OPEN if after else 0)

    @staticmethod
    def alive(keys: Sequence[VersionKey], rows: Sequence[Row], number: int) -> list[Row]:
        return [row for (_, end), row in zip(keys, rows, strict=True) if row[0] <= number < end]

    @staticmethod
    def seek_alive(keys: Sequence[VersionKey], rows: Sequence[Row], number: int) -> list[Row]:
        found: list[Row] = []
        i, end = 0, len(keys)
        while i < end:
            first = keys[i][0]
            i = bisect_right(keys, (first, number), i)
            if i < end and keys[i][0] == first:
                row = rows[i]
                if row[0] <= number:
                    found.append(row)
                i = bisect_left(keys, (first, OPEN), i + 1)
        return found


INTEGERS, PAIRS = IntegerKeys(), PairKeys()


def version_keys(table: Table) -> VersionKeys:
    """How the versions of a table's rows are keyed."""
    if len(table.key) == 1 and table.by_id[table.key[0]].datatype.kind in _INTEGERS:
        return INTEGERS
    return PAIRS
