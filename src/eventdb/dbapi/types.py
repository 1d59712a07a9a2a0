"""PEP 249's type objects and constructors.

The type code of a column (`Cursor.description[i][1]`) is its SQL `DataType`; it compares equal to the type object of its family:
`description[0][1] == eventdb.NUMBER`. Text, boolean, UUID and JSON columns are STRING; INTERVAL is DATETIME, as dates and times are.
"""

from __future__ import annotations

import datetime
import time as _time

from eventdb.model.datatype import DataType, Kind
from eventdb.model.record import Record


class TypeObject:
    """A family of column types, equal to each of them."""

    __slots__ = ("_kinds", "name")

    def __init__(self, name: str, *kinds: Kind) -> None:
        self.name = name
        self._kinds = frozenset(kinds)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, TypeCode | DataType):
            return other.kind in self._kinds
        return self is other

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return self.name


class TypeCode(Record):
    """The SQL type of a column as cursors describe it. Equal to another of the same type, to its text form, and to its type object."""

    datatype: DataType

    @property
    def kind(self) -> Kind:
        return self.datatype.kind

    def __eq__(self, other: object) -> bool:
        if isinstance(other, TypeCode):
            return self.datatype == other.datatype
        if isinstance(other, DataType):
            return self.datatype == other
        if isinstance(other, str):
            return str(self.datatype) == other
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self.datatype)

    def __str__(self) -> str:
        return str(self.datatype)


STRING = TypeObject("STRING", Kind.TEXT, Kind.VARCHAR, Kind.CHAR, Kind.UUID, Kind.JSON, Kind.BOOLEAN, Kind.NULL)
BINARY = TypeObject("BINARY", Kind.BYTEA)
NUMBER = TypeObject("NUMBER", Kind.SMALLINT, Kind.INTEGER, Kind.BIGINT, Kind.NUMERIC, Kind.REAL, Kind.DOUBLE)
DATETIME = TypeObject("DATETIME", Kind.DATE, Kind.TIME, Kind.TIMETZ, Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.INTERVAL)
ROWID = TypeObject("ROWID", Kind.BIGINT)

Date = datetime.date
Time = datetime.time
Timestamp = datetime.datetime
Binary = bytes


def DateFromTicks(ticks: float) -> datetime.date:
    """The local date of seconds since the epoch."""
    return Date(*_time.localtime(ticks)[:3])


def TimeFromTicks(ticks: float) -> datetime.time:
    """The local time of day of seconds since the epoch."""
    return Time(*_time.localtime(ticks)[3:6])


def TimestampFromTicks(ticks: float) -> datetime.datetime:
    """The local timestamp of seconds since the epoch, without zone."""
    return Timestamp(*_time.localtime(ticks)[:6])
