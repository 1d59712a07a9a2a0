"""Single values of the types that CBOR has no plain form for, to plain values and back.

`SCALARS[kind]` is (pack, unpack); a kind that is not there is stored as it is. NULL is None on both sides and never reaches them.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable
from decimal import Decimal
from math import nan
from typing import Any

from eventdb.errors import DataCorrupted
from eventdb.model.datatype import DataType, Kind
from eventdb.model.value import Interval

UTC = datetime.UTC
_DAY_ZERO = datetime.date(1970, 1, 1).toordinal()
_EPOCH = datetime.datetime(1970, 1, 1)
_EPOCH_UTC = datetime.datetime(1970, 1, 1, tzinfo=UTC)
_delta = datetime.timedelta
_date = datetime.date.fromordinal


def _days(value: datetime.date) -> int:
    return value.toordinal() - _DAY_ZERO


def _date_of(days: int) -> datetime.date:
    return _date(days + _DAY_ZERO)


def _microseconds(delta: datetime.timedelta) -> int:
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def _naive(value: datetime.datetime) -> int:
    return _microseconds(value - _EPOCH)


def _naive_of(us: int) -> datetime.datetime:
    return _EPOCH + _delta(0, 0, us)


def _aware(value: datetime.datetime) -> int:
    return _microseconds(value - _EPOCH_UTC)


def _aware_of(us: int) -> datetime.datetime:
    return _EPOCH_UTC + _delta(0, 0, us)


def _time(value: datetime.time) -> int:
    return ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond


def _time_of(us: int) -> datetime.time:
    seconds, us = divmod(us, 1_000_000)
    minutes, seconds = divmod(seconds, 60)
    return datetime.time(minutes // 60, minutes % 60, seconds, us)


def time_parts(value: datetime.time) -> tuple[int, int]:
    """(microseconds since midnight, offset from UTC in microseconds) of a time with a zone."""
    offset = value.utcoffset()
    if offset is None:
        raise ValueError(f"the time {value} has no fixed offset from UTC")
    return _time(value), _microseconds(offset)


def time_of_parts(us: int, offset: int) -> datetime.time:
    return _time_of(us).replace(tzinfo=UTC if offset == 0 else datetime.timezone(_delta(0, 0, offset)))


def interval_parts(value: Interval) -> tuple[int, int, int]:
    """(months, days, microseconds)."""
    return value.months, value.whole_days, value.time_us


interval_of = Interval


def uuid_of(data: bytes) -> uuid.UUID:
    """The UUID of 16 bytes; a third of the time that its constructor takes."""
    value = _new_uuid(uuid.UUID)
    _set(value, "int", int.from_bytes(data, "big"))
    _set(value, "is_safe", _UNKNOWN)
    return value


_new_uuid = object.__new__
_set = object.__setattr__
_UNKNOWN = uuid.SafeUUID.unknown


def _checked_uuid(data: bytes) -> uuid.UUID:
    if type(data) is not bytes or len(data) != 16:
        raise DataCorrupted("a UUID is no byte string of 16 bytes")
    return uuid_of(data)


def _float(value: float) -> float:
    return nan if value != value else value


SCALARS: dict[Kind, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    Kind.NUMERIC: (str, Decimal),
    Kind.REAL: (float, _float),
    Kind.DOUBLE: (float, _float),
    Kind.DATE: (_days, _date_of),
    Kind.TIME: (_time, _time_of),
    Kind.TIMETZ: (time_parts, lambda parts: time_of_parts(*parts)),
    Kind.TIMESTAMP: (_naive, _naive_of),
    Kind.TIMESTAMPTZ: (_aware, _aware_of),
    Kind.INTERVAL: (interval_parts, lambda parts: Interval(*parts)),
    Kind.UUID: (lambda value: value.bytes, _checked_uuid),
}
PLACEHOLDERS: dict[Kind, Any] = {
    Kind.SMALLINT: 0,
    Kind.INTEGER: 0,
    Kind.BIGINT: 0,
    Kind.REAL: 0.0,
    Kind.DOUBLE: 0.0,
    Kind.DATE: datetime.date(1970, 1, 1),
    Kind.TIME: datetime.time(),
    Kind.TIMETZ: datetime.time(tzinfo=UTC),
    Kind.TIMESTAMP: _EPOCH,
    Kind.TIMESTAMPTZ: _EPOCH_UTC,
    Kind.INTERVAL: Interval(),
    Kind.UUID: uuid.UUID(int=0),
}
"""What stands in the place of a NULL where a form has no place for it."""


def pack_value(datatype: DataType, value: Any) -> Any:
    """One value as something `dumps` takes."""
    scalar = SCALARS.get(datatype.kind)
    return value if value is None or scalar is None else scalar[0](value)


def unpack_value(datatype: DataType, packed: Any) -> Any:
    """What `pack_value` packed."""
    scalar = SCALARS.get(datatype.kind)
    return packed if packed is None or scalar is None else scalar[1](packed)
