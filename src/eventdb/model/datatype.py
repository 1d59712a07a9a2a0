"""SQL data types as immutable values.

A type says which Python values stand for it *inside* eventdb (`DataType.python`), the form in which rows, keys, constants and
bound parameters are kept:

    SMALLINT INTEGER BIGINT   int            DATE          datetime.date
    NUMERIC                   Decimal        TIME          datetime.time (naive)
    REAL DOUBLE               float          TIMETZ        datetime.time (aware)
    BOOLEAN                   bool           TIMESTAMP     datetime.datetime (naive)
    TEXT VARCHAR CHAR         str            TIMESTAMPTZ   datetime.datetime (aware, always UTC)
    BYTEA                     bytes          INTERVAL      Interval (a timedelta that knows months)
    UUID                      uuid.UUID      JSON          str: the JSON text

JSON is kept as its text: values stay immutable and hashable, and JSON null differs from SQL NULL. It is parsed when it leaves
through the cursor. NULL is None in every type.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid

from eventdb.model.record import Record
from eventdb.model.value import Interval


class Kind(enum.Enum):
    """The families of types; the value is the name that PostgreSQL's format_type() prints."""

    NULL = "unknown"  # the type of a bare NULL and of an untyped string literal before it is resolved
    BOOLEAN = "boolean"
    SMALLINT = "smallint"
    INTEGER = "integer"
    BIGINT = "bigint"
    NUMERIC = "numeric"
    REAL = "real"
    DOUBLE = "double precision"
    TEXT = "text"
    VARCHAR = "character varying"
    CHAR = "character"
    BYTEA = "bytea"
    DATE = "date"
    TIME = "time without time zone"
    TIMETZ = "time with time zone"
    TIMESTAMP = "timestamp without time zone"
    TIMESTAMPTZ = "timestamp with time zone"
    INTERVAL = "interval"
    UUID = "uuid"
    JSON = "json"


_PYTHON: dict[Kind, type] = {
    Kind.NULL: type(None),
    Kind.BOOLEAN: bool,
    Kind.SMALLINT: int,
    Kind.INTEGER: int,
    Kind.BIGINT: int,
    Kind.NUMERIC: decimal.Decimal,
    Kind.REAL: float,
    Kind.DOUBLE: float,
    Kind.TEXT: str,
    Kind.VARCHAR: str,
    Kind.CHAR: str,
    Kind.BYTEA: bytes,
    Kind.DATE: datetime.date,
    Kind.TIME: datetime.time,
    Kind.TIMETZ: datetime.time,
    Kind.TIMESTAMP: datetime.datetime,
    Kind.TIMESTAMPTZ: datetime.datetime,
    Kind.INTERVAL: Interval,
    Kind.UUID: uuid.UUID,
    Kind.JSON: str,
}

INTEGER_RANGES: dict[Kind, tuple[int, int]] = {
    Kind.SMALLINT: (-(2**15), 2**15 - 1),
    Kind.INTEGER: (-(2**31), 2**31 - 1),
    Kind.BIGINT: (-(2**63), 2**63 - 1),
}


INTERVAL_FIELDS = (
    "year", "month", "day", "hour", "minute", "second", "year to month", "day to hour", "day to minute", "day to second", "hour to minute",
    "hour to second", "minute to second",
)  # fmt: skip
"""What INTERVAL may be restricted to. The places are part of the log's format."""


class DataType(Record):
    """One SQL type with its modifiers.

    `length`: VARCHAR(n), CHAR(n); `precision`, `scale`: NUMERIC(p, s); `precision` alone: fractional digits (0-6) of a time type;
    `scale` of an INTERVAL: its fields, as a place in INTERVAL_FIELDS. None means unlimited.
    """

    kind: Kind
    length: int | None = None
    precision: int | None = None
    scale: int | None = None

    @property
    def python(self) -> type:
        """The Python class of this type's values inside eventdb."""
        return _PYTHON[self.kind]

    @property
    def is_integer(self) -> bool:
        return self.kind in INTEGER_RANGES

    @property
    def is_numeric(self) -> bool:
        """Any number: integers, NUMERIC, REAL, DOUBLE PRECISION."""
        return self.kind in _NUMBERS

    @property
    def is_text(self) -> bool:
        return self.kind in (Kind.TEXT, Kind.VARCHAR, Kind.CHAR)

    @property
    def is_float(self) -> bool:
        return self.kind in (Kind.REAL, Kind.DOUBLE)

    def __str__(self) -> str:
        """The SQL spelling, which the parser reads back: `character varying(20)`, `numeric(10,2)`."""
        if self.length is not None:
            return f"{self.kind.value}({self.length})"
        if self.kind is Kind.NUMERIC and self.precision is not None:
            return f"numeric({self.precision},{self.scale or 0})"
        if self.kind is Kind.INTERVAL and self.scale is not None:
            return f"interval {INTERVAL_FIELDS[self.scale]}" + (f"({self.precision})" if self.precision is not None else "")
        if self.precision is not None:
            first, _, rest = self.kind.value.partition(" ")
            return f"{first}({self.precision}){' ' + rest if rest else ''}"
        return self.kind.value


_NUMBERS = frozenset({Kind.SMALLINT, Kind.INTEGER, Kind.BIGINT, Kind.NUMERIC, Kind.REAL, Kind.DOUBLE})

NULL = DataType(Kind.NULL)
BOOLEAN = DataType(Kind.BOOLEAN)
SMALLINT = DataType(Kind.SMALLINT)
INTEGER = DataType(Kind.INTEGER)
BIGINT = DataType(Kind.BIGINT)
NUMERIC = DataType(Kind.NUMERIC)
REAL = DataType(Kind.REAL)
DOUBLE = DataType(Kind.DOUBLE)
TEXT = DataType(Kind.TEXT)
VARCHAR = DataType(Kind.VARCHAR)
CHAR = DataType(Kind.CHAR, length=1)
BYTEA = DataType(Kind.BYTEA)
DATE = DataType(Kind.DATE)
TIME = DataType(Kind.TIME)
TIMETZ = DataType(Kind.TIMETZ)
TIMESTAMP = DataType(Kind.TIMESTAMP)
TIMESTAMPTZ = DataType(Kind.TIMESTAMPTZ)
INTERVAL = DataType(Kind.INTERVAL)
UUID = DataType(Kind.UUID)
JSON = DataType(Kind.JSON)
