"""CBOR itself (RFC 8949): bytes of one item from plain Python values and back. The only module that knows the library."""

from __future__ import annotations

import io
from typing import Any

import cbor2

from eventdb.errors import DataCorrupted, DataError

Tag = cbor2.CBORTag
"""A tagged item: `.tag`, `.value`."""

_encode = cbor2.dumps
_load = cbor2.load


def dumps(value: Any) -> bytes:
    """The CBOR bytes of None, bool, int, float, str, bytes, Tag, and of lists, tuples and dicts of them.

    Raises DataError for a value that has no CBOR form: another class, or text with a lone surrogate.
    """
    try:
        return _encode(value)
    except UnicodeEncodeError as failure:
        place = failure.object[max(failure.start - 10, 0) : failure.end + 10]
        raise DataError(f"text with a lone surrogate cannot be stored: {place!r}") from failure
    except RecursionError as failure:
        raise DataError("a value nests too deeply to be stored") from failure
    except (cbor2.CBORError, ValueError, TypeError, OverflowError) as failure:
        raise DataError(f"a value cannot be stored: {failure}") from failure


def loads(data: bytes) -> Any:
    """The value of exactly one CBOR item; arrays come as lists. Raises DataCorrupted."""
    stream = io.BytesIO(data)
    try:
        value = _load(stream)
    except Exception as failure:
        raise damaged(failure) from failure
    if stream.tell() != len(data):
        raise DataCorrupted(f"stored data cannot be read: {len(data) - stream.tell()} bytes too many")
    return value


def damaged(failure: BaseException) -> DataCorrupted:
    """The error for stored bytes that cannot be read, from whatever reading them raised."""
    if isinstance(failure, DataCorrupted):
        return failure
    return DataCorrupted(f"stored data cannot be read: {type(failure).__name__}: {failure}")
