"""Rows: tuples of values of given types. A block of rows is one CBOR item, an array

    [0, rows]            row by row: an array of arrays of single values
    [1, n, columns]      column by column: n rows, an array of columns (see `columns`)

Few rows cost less row by row, many column by column.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from eventdb.errors import DataCorrupted, DataError
from eventdb.model.datatype import DataType
from eventdb.storage.codec.cbor import damaged
from eventdb.storage.codec.columns import pack_column, unpack_column
from eventdb.storage.codec.scalars import SCALARS

COLUMNS_FROM = 12
"""So many rows are packed column by column."""

Row = tuple[Any, ...]
_Conversions = tuple[tuple[int, Callable[[Any], Any], Callable[[Any], Any]], ...]
_known: dict[int, tuple[tuple[DataType, ...], _Conversions]] = {}
_KNOWN_MOST = 4096


def _conversions(types: tuple[DataType, ...]) -> _Conversions:
    """(place, pack, unpack) for the places whose values need it; remembered by the identity of `types`, for it is asked for every event."""
    found = _known.get(id(types))
    if found is not None and found[0] is types:
        return found[1]
    made = tuple((place, *SCALARS[t.kind]) for place, t in enumerate(types) if t.kind in SCALARS)
    if len(_known) >= _KNOWN_MOST:
        _known.clear()
    _known[id(types)] = (types, made)
    return made


def pack_rows(types: tuple[DataType, ...], rows: Sequence[Row]) -> list[Any]:
    """Rows of values of `types` as something `dumps` takes. Raises DataError for a value that is not of its type."""
    count = len(rows)
    if count < COLUMNS_FROM or not types:
        conversions = _conversions(types)
        return [0, [_packed(conversions, row) for row in rows] if conversions or type(rows) is not list else rows]
    widths = set(map(len, rows))
    if widths != {len(types)}:
        raise DataError(f"rows of {sorted(widths)} values for {len(types)} types")
    # not zip(*rows): its iterator for every row wakes the garbage collector and costs twice the time
    return [1, count, [pack_column(datatype, list(map(itemgetter(place), rows))) for place, datatype in enumerate(types)]]


def _packed(conversions: _Conversions, row: Row) -> list[Any]:
    packed = list(row)
    for place, pack, _ in conversions:
        value = packed[place]
        if value is not None:
            try:
                packed[place] = pack(value)
            except (TypeError, ValueError, AttributeError, OverflowError, ArithmeticError) as failure:
                raise DataError(f"a value is not of the type of its column: {failure}") from failure
    return packed


def unpack_rows(types: tuple[DataType, ...], packed: list[Any]) -> list[Row]:
    """The rows from what `loads` gave. Raises DataCorrupted."""
    try:
        if packed[0] == 0:
            return _from_rows(types, packed[1])
        if packed[0] == 1:
            return _from_columns(types, packed[1], packed[2])
    except Exception as failure:
        raise damaged(failure) from failure
    raise DataCorrupted(f"a block of rows in the unknown form {packed[0]!r}")


def _from_columns(types: tuple[DataType, ...], count: int, packed: list[Any]) -> list[Row]:
    if len(packed) != len(types):
        raise DataCorrupted(f"a block of {len(packed)} columns for {len(types)} types")
    columns = [unpack_column(datatype, column) for datatype, column in zip(types, packed, strict=True)]
    if any(len(column) != count for column in columns):
        raise DataCorrupted(f"a block of {count} rows whose columns have {sorted({len(c) for c in columns})} values")
    return list(zip(*columns, strict=True))


def _from_rows(types: tuple[DataType, ...], rows: list[list[Any]]) -> list[Row]:
    width = len(types)
    conversions = _conversions(types)
    unpacked = []
    for row in rows:
        if type(row) is not list or len(row) != width:
            raise DataCorrupted(f"a row that is not an array of {width} values")
        for place, _, unpack in conversions:
            if row[place] is not None:
                row[place] = unpack(row[place])
        unpacked.append(tuple(row))
    return unpacked


def pack_keys(types: tuple[DataType, ...], keys: Sequence[Any]) -> list[Any]:
    """Row keys: a key of one type is the value itself, one of several a tuple."""
    return pack_rows(types, [(key,) for key in keys] if len(types) == 1 else keys)


def unpack_keys(types: tuple[DataType, ...], packed: list[Any]) -> list[Any]:
    """What `pack_keys` packed."""
    rows = unpack_rows(types, packed)
    return list(map(itemgetter(0), rows)) if len(types) == 1 else rows
