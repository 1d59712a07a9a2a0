"""Columns: the values of one SQL type, as few CBOR items as it takes. docs/format.md describes the result; every form is one item:

    uint n                              n NULLs
    array                               the values one by one, NULL as null (text, bytes, booleans, and whatever fits no other form)
    typed array (RFC 8746)              numbers: the smallest signed width that holds all of them, or floats; little endian
    {"values": …, "nulls": bits}        a form without NULLs, with anything in their places, and which places those are
    {"words": array, "index": …}        few different values: each once, and for every place which one
    {"months"|"days"|"time"|"offset"}   intervals and times with a zone, part by part, each a column of integers

Dates are days, times and timestamps microseconds, both since 1970-01-01 (00:00 for a time; UTC for a zoned one). Decimals are text,
which keeps scale, NaN and infinities. UUIDs are one byte string of 16 bytes each.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Sequence
from itertools import compress
from math import nan
from typing import Any

from eventdb.errors import DataCorrupted, DataError
from eventdb.model.datatype import DataType, Kind
from eventdb.storage.codec.cbor import Tag, damaged
from eventdb.storage.codec.scalars import PLACEHOLDERS, SCALARS, interval_of, interval_parts, time_of_parts, time_parts, uuid_of

Packed = Any
"""Something that `cbor.dumps` takes."""

_SWAP = sys.byteorder == "big"
_INTEGERS: tuple[tuple[int, str, int], ...] = ((72, "b", 7), (77, "h", 15), (78, "i", 31), (79, "q", 63))
_CODES = {72: "b", 77: "h", 78: "i", 79: "q", 85: "f", 86: "d", 64: "B", 69: "H", 70: "I", 71: "Q", 68: "B"}
_WORDS_FROM = 64
"""A shorter column is not searched for repeated values."""
_SAMPLE = 512


def pack_column(datatype: DataType, values: Sequence[Any]) -> Packed:
    """The values of one column (internal form, None for NULL) as something `dumps` takes.

    Raises DataError for a value that is not of the type.
    """
    try:
        return _PACK[datatype.kind](values)
    except (TypeError, ValueError, AttributeError, OverflowError, ArithmeticError) as failure:
        raise DataError(f"a value is not of the type {datatype} of its column: {failure}") from failure


def unpack_column(datatype: DataType, packed: Packed) -> list[Any]:
    """The values of a column from what `loads` gave. Raises DataCorrupted."""
    try:
        return _unpack(_UNPACK[datatype.kind], packed)
    except Exception as failure:
        raise damaged(failure) from failure


# Packing


def _pack_plain(values: Sequence[Any]) -> Packed:
    """Values that CBOR knows itself."""
    count = len(values)
    if count >= _WORDS_FROM and len(set(values[:_SAMPLE])) <= min(_SAMPLE, count) // 4:
        words = dict.fromkeys(values)
        if len(words) <= count // 8:
            return _pack_words(words, values)
    return values if type(values) is list else list(values)


def _pack_words(words: dict[Any, Any], values: Sequence[Any]) -> Packed:
    if len(words) == 1 and None in words:
        return len(values)
    for place, word in enumerate(words):
        words[word] = place
    return {"words": list(words), "index": pack_integers(list(map(words.__getitem__, values)))}


def _pack_flags(values: Sequence[Any]) -> Packed:
    return list(values)


def pack_integers(values: Sequence[int]) -> Packed:
    """Integers, none NULL, as the smallest typed array that holds them."""
    if not values:
        return []
    bits = max(max(values), -min(values) - 1).bit_length()
    for tag, code, limit in _INTEGERS:
        if bits <= limit:
            return _typed(tag, code, values)
    return list(values)


def _typed(tag: int, code: str, values: Sequence[Any]) -> Tag:
    items = array(code, values)
    if _SWAP:
        items.byteswap()
    return Tag(tag, items.tobytes())


def _pack_floats(values: Sequence[float]) -> Packed:
    return _typed(86, "d", values)


def _pack_reals(values: Sequence[float]) -> Packed:
    """Single precision where that loses nothing."""
    single = array("f", values)
    return _typed(85, "f", values) if single.tolist() == list(values) else _typed(86, "d", values)


def _mapped(convert: Callable[[Any], int]) -> Callable[[Sequence[Any]], Packed]:
    return lambda values: pack_integers(list(map(convert, values)))


def _pack_decimals(values: Sequence[Any]) -> Packed:
    return _pack_plain([None if v is None else str(v) for v in values] if None in values else list(map(str, values)))


def _pack_uuids(values: Sequence[Any]) -> Packed:
    return b"".join([v.bytes for v in values])


def _pack_zoned_times(values: Sequence[Any]) -> Packed:
    parts = [time_parts(v) for v in values]
    return {"time": pack_integers([p[0] for p in parts]), "offset": pack_integers([p[1] for p in parts])}


def _pack_intervals(values: Sequence[Any]) -> Packed:
    parts = [interval_parts(v) for v in values]
    return {name: pack_integers([p[i] for p in parts]) for i, name in enumerate(("months", "days", "time"))}


def _nullable(kind: Kind, pack: Callable[[Sequence[Any]], Packed]) -> Callable[[Sequence[Any]], Packed]:
    """Packing with NULLs kept beside the values, for forms that have no place for them."""
    filler = PLACEHOLDERS[kind]

    def packed(values: Sequence[Any]) -> Packed:
        if None not in values:
            return pack(values)
        # `in` compares by identity first, but a NULL may still be missing where only __eq__ said so: look closely.
        flags = bytes([49 if v is None else 48 for v in values])
        nulls = flags.count(b"1")
        if nulls == len(values):
            return nulls
        if not nulls:
            return pack(values)
        return {"values": pack([filler if v is None else v for v in values]), "nulls": _bits(flags)}

    return packed


def _bits(flags: bytes) -> bytes:
    """Bit i, the most significant of a byte first, from byte i being "1" or "0"."""
    size = -(-len(flags) // 8)
    return int(flags.ljust(size * 8, b"0"), 2).to_bytes(size, "big")


# Unpacking


def _unpack(read: Callable[[Packed], list[Any]], packed: Packed) -> list[Any]:
    if type(packed) is int:
        if not 0 <= packed <= _MOST:
            raise DataCorrupted(f"a column of {packed} NULLs")
        return [None] * packed
    if type(packed) is dict:
        if "words" in packed:
            words, index = read(packed["words"]), unpack_integers(packed["index"])
            if index and min(index) < 0:
                raise DataCorrupted("a column refers to a word that is not there")
            return list(map(words.__getitem__, index))
        if "nulls" in packed:
            return _set_nulls(read(packed["values"]), packed["nulls"])
    return read(packed)


_MOST = 1 << 32


def _set_nulls(values: list[Any], bits: bytes) -> list[Any]:
    count = len(values)
    if len(bits) != -(-count // 8):
        raise DataCorrupted(f"{len(bits)} bytes say which of {count} values are NULL")
    flags = bin(int.from_bytes(bits, "big"))[2:].zfill(len(bits) * 8).encode().translate(_TO_NUMBER)
    for place in compress(range(count), flags):
        values[place] = None
    return values


_TO_NUMBER = bytes.maketrans(b"01", b"\x00\x01")


def _items(packed: Packed) -> list[Any]:
    """The numbers of a typed array, or the values of a plain one."""
    if type(packed) is list:
        return packed
    if type(packed) is Tag and type(packed.value) is bytes:
        items = array(_CODES[packed.tag])
        items.frombytes(packed.value)
        if _SWAP:
            items.byteswap()
        return items.tolist()
    raise DataCorrupted(f"a column of the form {type(packed).__name__}")


def _checked(wanted: type, packed: Packed) -> list[Any]:
    """A plain array whose values are of one class, or None."""
    if type(packed) is not list:
        raise DataCorrupted(f"a column of the form {type(packed).__name__}")
    if not set(map(type, packed)) <= {wanted, type(None)}:
        raise DataCorrupted(f"a column of {wanted.__name__} holds something else")
    return packed


def unpack_integers(packed: Packed) -> list[int]:
    """What `pack_integers` packed."""
    items = _items(packed)
    if type(packed) is list and not set(map(type, items)) <= {int, type(None)}:
        raise DataCorrupted("a column of integers holds something else")
    return items


def _unpack_floats(packed: Packed) -> list[float]:
    items = _items(packed)
    total = sum(items)
    # every NaN is the one object math.nan, so that equal keys are identical; a sum that is not NaN had none in it
    return [nan if v != v else v for v in items] if total != total else items


def _converted(convert: Callable[[Any], Any]) -> Callable[[Packed], list[Any]]:
    return lambda packed: list(map(convert, unpack_integers(packed)))


def _unpack_decimals(packed: Packed) -> list[Any]:
    convert = SCALARS[Kind.NUMERIC][1]
    return [None if v is None else convert(v) for v in _checked(str, packed)]


def _unpack_uuids(packed: Packed) -> list[Any]:
    if type(packed) is not bytes or len(packed) % 16:
        raise DataCorrupted("a column of UUIDs is no byte string of 16 bytes each")
    return [uuid_of(packed[i : i + 16]) for i in range(0, len(packed), 16)]


def _unpack_zoned_times(packed: Packed) -> list[Any]:
    return list(map(time_of_parts, unpack_integers(packed["time"]), unpack_integers(packed["offset"])))


def _unpack_intervals(packed: Packed) -> list[Any]:
    months, days, time = (unpack_integers(packed[name]) for name in ("months", "days", "time"))
    if not len(months) == len(days) == len(time):
        raise DataCorrupted("the parts of a column of intervals differ in length")
    return list(map(interval_of, months, days, time))


_PLAIN: dict[Kind, type] = {
    Kind.TEXT: str, Kind.VARCHAR: str, Kind.CHAR: str, Kind.JSON: str, Kind.BYTEA: bytes, Kind.BOOLEAN: bool,
}  # fmt: skip
_INTEGER_KINDS = (Kind.SMALLINT, Kind.INTEGER, Kind.BIGINT)
_AS_INTEGERS = (Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMPTZ)


def _plain_reader(wanted: type) -> Callable[[Packed], list[Any]]:
    return lambda packed: _checked(wanted, packed)


_PACK: dict[Kind, Callable[[Sequence[Any]], Packed]] = {
    Kind.NULL: lambda values: len(values) if not any(v is not None for v in values) else list(values),
    Kind.NUMERIC: _pack_decimals,
    Kind.BOOLEAN: _pack_flags,
    **{kind: _pack_plain for kind in _PLAIN if kind is not Kind.BOOLEAN},
    **{kind: _nullable(kind, pack_integers) for kind in _INTEGER_KINDS},
    **{kind: _nullable(kind, _mapped(SCALARS[kind][0])) for kind in _AS_INTEGERS},
    Kind.REAL: _nullable(Kind.REAL, _pack_reals),
    Kind.DOUBLE: _nullable(Kind.DOUBLE, _pack_floats),
    Kind.UUID: _nullable(Kind.UUID, _pack_uuids),
    Kind.TIMETZ: _nullable(Kind.TIMETZ, _pack_zoned_times),
    Kind.INTERVAL: _nullable(Kind.INTERVAL, _pack_intervals),
}
_UNPACK: dict[Kind, Callable[[Packed], list[Any]]] = {
    Kind.NULL: _items,
    Kind.NUMERIC: _unpack_decimals,
    **{kind: _plain_reader(wanted) for kind, wanted in _PLAIN.items()},
    **dict.fromkeys(_INTEGER_KINDS, unpack_integers),
    **{kind: _converted(SCALARS[kind][1]) for kind in _AS_INTEGERS},
    Kind.REAL: _unpack_floats,
    Kind.DOUBLE: _unpack_floats,
    Kind.UUID: _unpack_uuids,
    Kind.TIMETZ: _unpack_zoned_times,
    Kind.INTERVAL: _unpack_intervals,
}
