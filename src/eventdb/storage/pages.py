"""Pages of a snapshot: the nodes of a tree as self-contained CBOR items and back. docs/format.md describes the bytes.

    [1, widths, types, columns]            a leaf of current rows
    [2, widths, types, columns, ends]      a leaf of past versions
    [3, parts, values]                     a leaf of index entries
    [4, parts, kids]                       a branch

Columns hold one value of every row, the start number first. `parts` are the components of keys, column by column: [flags, type, column],
where flags say that the order is descending (1), and that NULL comes first (2); or [4, values] for values of several types.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from math import nan
from typing import Any
from uuid import UUID

from eventdb.errors import DataCorrupted, DataError
from eventdb.model import datatype as types
from eventdb.model.datatype import DataType
from eventdb.model.keys import component
from eventdb.model.value import MAX_KEY, MIN_KEY, NAN_KEY, NULL_KEY, Descending, Interval
from eventdb.storage.codec import (
    pack_column,
    pack_integers,
    pack_types,
    pack_value,
    unpack_column,
    unpack_integers,
    unpack_type,
    unpack_types,
    unpack_value,
)
from eventdb.storage.codec.objects import pack_type
from eventdb.storage.versions import VersionKeys

Packed = Any
Row = tuple[Any, ...]

LIVE, PAST, ENTRIES, BRANCH = 1, 2, 3, 4
_DESCENDING, _NULLS_FIRST, _MIXED = 1, 2, 4
_NUMBERS = 1 << 14
"""About so many transaction numbers are kept in mind while pages are read."""
_STAND_INS = frozenset({type(MIN_KEY), type(MAX_KEY)})
_TYPES: dict[type, DataType] = {
    bool: types.BOOLEAN, int: types.BIGINT, float: types.DOUBLE, str: types.TEXT, bytes: types.BYTEA, Decimal: types.NUMERIC,
    UUID: types.UUID, Interval: types.INTERVAL, datetime.date: types.DATE,
}  # fmt: skip


class KeyForm:
    """How the keys of one tree lie flat: `flat(key)` is a tuple of single values, `key(flat)` the way back; None for keys that are flat.

    `width`: the parts of a row key. `behind`: the parts that stand behind the row key; None for the tree whose keys are row keys.
    `versions`: for the tree of past versions, how these are keyed; its keys lie flat as row key and end.
    """

    __slots__ = ("flat", "key")

    def __init__(self, width: int, behind: int | None, versions: VersionKeys | None = None) -> None:
        self.flat: Callable[[Any], tuple[Any, ...]] | None = None
        self.key: Callable[[tuple[Any, ...]], Any] | None = None
        if versions is not None:
            parts, of = versions.parts, versions.of
            if width == 1:
                self.flat, self.key = parts, (lambda flat: of(flat[0], flat[1]))
            else:
                self.flat, self.key = (lambda version: (*parts(version)[0], parts(version)[1])), (lambda flat: of(flat[:-1], flat[-1]))
        elif behind is None:
            if width == 1:
                self.flat, self.key = (lambda key: (key,)), (lambda flat: flat[0])
        elif width > 1:
            self.flat, self.key = _flattening(width, behind)


def _flattening(width: int, behind: int) -> tuple[Callable[[Any], tuple[Any, ...]], Callable[[tuple[Any, ...]], Any]]:
    def flat(key: Any) -> tuple[Any, ...]:
        at = len(key) - behind - 1
        return (*key[:at], *key[at], *key[at + 1 :])

    def key(parts: tuple[Any, ...]) -> Any:
        end = len(parts) - behind
        return (*parts[: end - width], parts[end - width : end], *parts[end:])

    return flat, key


def pack_keys(form: KeyForm, keys: Sequence[Any]) -> list[Packed]:
    """The parts of the keys of one tree, column by column."""
    flat = keys if form.flat is None else list(map(form.flat, keys))
    return [_pack_part(column) for column in zip(*flat, strict=True)]


def unpack_keys(form: KeyForm, parts: list[Packed]) -> list[Any]:
    """What `pack_keys` packed."""
    flat = list(zip(*map(_unpack_part, parts), strict=True))
    return flat if form.key is None else list(map(form.key, flat))


def _pack_part(values: Sequence[Any]) -> Packed:
    flags = 0
    kinds = set(map(type, values))
    if kinds == {Descending}:
        flags = _DESCENDING
        values = [v.value for v in values]
        kinds = set(map(type, values))
    stand_ins = kinds & _STAND_INS
    kinds -= _STAND_INS
    if not kinds:
        kinds = {float}
    if len(kinds) > 1:
        return [_MIXED | flags, [_pack_single(v) for v in values]]
    kind = kinds.pop()
    if stand_ins:
        least = type(MIN_KEY) in stand_ins
        if least and any(v is NULL_KEY for v in values):
            return [_MIXED | flags, [_pack_single(v) for v in values]]
        if least != bool(flags):
            flags |= _NULLS_FIRST
        missing = Decimal("NaN") if kind is Decimal else nan
        values = [None if v is NULL_KEY or v is MIN_KEY else missing if v is NAN_KEY else v for v in values]
    datatype = _type_of(kind, values)
    return [flags, pack_type(datatype), pack_column(datatype, values)]


def _unpack_part(part: Packed) -> list[Any]:
    flags = part[0]
    descending = bool(flags & _DESCENDING)
    if flags & _MIXED:
        values = [_unpack_single(v) for v in part[1]]
        return [Descending(v) for v in values] if descending else values
    datatype = unpack_type(part[1])
    values = unpack_column(datatype, part[2])
    if flags or datatype.python in (float, Decimal) or None in values:
        nulls_first = bool(flags & _NULLS_FIRST)
        return [component(v, descending, nulls_first) for v in values]
    return values


def _type_of(kind: type, values: Sequence[Any]) -> DataType:
    found = _TYPES.get(kind)
    if found is not None:
        return found
    first = next(v for v in values if v is not None)
    if kind is datetime.datetime:
        return types.TIMESTAMP if first.tzinfo is None else types.TIMESTAMPTZ
    if kind is datetime.time:
        return types.TIME if first.tzinfo is None else types.TIMETZ
    raise DataError(f"an index key of the class {kind.__name__} cannot be stored")


def _pack_single(value: Any) -> Packed:
    if type(value) in _STAND_INS:
        return [repr(value)]
    datatype = _type_of(type(value), (value,))
    return [pack_type(datatype), pack_value(datatype, value)]


def _unpack_single(packed: Packed) -> Any:
    if len(packed) == 1:
        return {"NULL_KEY": NULL_KEY, "MIN_KEY": MIN_KEY, "NAN_KEY": NAN_KEY}[packed[0]]
    return unpack_value(unpack_type(packed[0]), packed[1])


# rows


def pack_stored(slots: Mapping[int, DataType], rows: Sequence[Row]) -> list[Packed]:
    """Stored rows as [widths, types, columns]; `slots` gives the type of each slot from 1 on."""
    if not rows:
        return [0, [], []]
    widths = list(map(len, rows))
    width = max(widths)
    if min(widths) < width:
        rows = [row + (None,) * (width - len(row)) for row in rows]
        shape: Packed = pack_integers(widths)
    else:
        shape = width
    columns = list(zip(*rows, strict=True))
    used = tuple(slots.get(slot, types.NULL) for slot in range(1, width))
    packed = [pack_integers(columns[0])]
    packed += [pack_column(datatype, column) for datatype, column in zip(used, columns[1:], strict=True)]
    return [shape, pack_types(used), packed]


def unpack_stored(packed: Sequence[Packed], numbers: dict[int, int]) -> list[Row]:
    """What `pack_stored` packed. `numbers`: transaction numbers met before, so that rows of one transaction have one object in common, as
    they had when it wrote them: a scan of the past looks at it in each row."""
    shape, packed_types, columns = packed
    if not columns:
        return []
    starts = unpack_integers(columns[0])
    if len(numbers) > _NUMBERS:
        numbers.clear()
    unpacked = [list(map(numbers.setdefault, starts, starts))]
    unpacked += [unpack_column(datatype, column) for datatype, column in zip(unpack_types(packed_types), columns[1:], strict=True)]
    rows = list(zip(*unpacked, strict=True))
    if type(shape) is int:
        return rows
    return [row[:width] for row, width in zip(rows, unpack_integers(shape), strict=True)]


# leaves


class LeafForm:
    """How the leaves of one tree are written and read: its kind, its keys, and for rows where their key and how versions are keyed."""

    __slots__ = ("_numbers", "key_of", "keys", "kind", "slots", "versions")

    def __init__(
        self, kind: int, keys: KeyForm, key_of: Callable[[Row], Any], versions: VersionKeys, slots: Mapping[int, DataType]
    ) -> None:
        self.kind = kind
        self.keys = keys
        self.key_of = key_of
        self.versions = versions
        self.slots = slots
        self._numbers: dict[int, int] = {}

    def pack(self, keys: list[Any], vals: list[Any]) -> Packed:
        """A leaf as one item."""
        if self.kind == LIVE:
            return [LIVE, *pack_stored(self.slots, vals)]
        if self.kind == PAST:
            return [PAST, *pack_stored(self.slots, vals), pack_integers(self.versions.ends(keys))]
        return [ENTRIES, pack_keys(self.keys, keys), pack_integers(vals)]

    def unpack(self, page: Packed) -> tuple[list[Any], list[Any]]:
        """The keys and values of a leaf."""
        if type(page) is not list or not page or page[0] != self.kind:
            raise DataCorrupted("a page of a snapshot is not the leaf that it should be")
        if self.kind == ENTRIES:
            return unpack_keys(self.keys, page[1]), unpack_integers(page[2])
        rows = unpack_stored(page[1:4], self._numbers)
        keys = list(map(self.key_of, rows))
        if self.kind == PAST:
            keys = self.versions.ended(keys, unpack_integers(page[4]))
        return keys, rows
