"""SQL types: how values travel between SQLAlchemy and the driver, and which SQLAlchemy type a reflected column has.

The driver takes and gives native Python values, so nearly all types need no processing at all.
"""

from __future__ import annotations

import datetime
import decimal
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.sql import sqltypes
from sqlalchemy.sql.type_api import NativeForEmulated, TypeEngine

Processor = Callable[[Any], Any] | None
_FLOATS = ("double precision", "real")


class _Numeric(sqltypes.Numeric[Any]):
    def bind_processor(self, dialect: Dialect) -> None:
        return None

    def result_processor(self, dialect: Dialect, coltype: Any) -> Processor:
        """Only where the column is not what the type says: a Decimal is wanted of a float, or the other way round."""
        given = str(coltype)
        if not self.asdecimal:
            return None if given in _FLOATS else _to_float
        return _to_decimal if not given.startswith("numeric") else None


class _Float(sqltypes.Float[Any]):
    def bind_processor(self, dialect: Dialect) -> None:
        return None

    def result_processor(self, dialect: Dialect, coltype: Any) -> Processor:
        if self.asdecimal:
            digits = self._effective_decimal_return_scale
            return lambda value: None if value is None else decimal.Decimal(f"{value:.{digits}f}")
        return None if str(coltype) in _FLOATS else _to_float


def _to_float(value: Any) -> Any:
    return None if value is None else float(value)


def _to_decimal(value: Any) -> Any:
    return None if value is None else decimal.Decimal(repr(value) if isinstance(value, float) else value)


class _Date(sqltypes.Date):
    def bind_processor(self, dialect: Dialect) -> Processor:
        return _to_date


def _to_date(value: Any) -> Any:
    """A datetime for a date column stands for its date."""
    return value.date() if isinstance(value, datetime.datetime) else value


class BYTEA(sqltypes.LargeBinary):
    """Bytes."""

    __visit_name__ = "BYTEA"

    def bind_processor(self, dialect: Dialect) -> None:
        return None

    def literal_processor(self, dialect: Dialect) -> Callable[[Any], str]:
        return lambda value: f"X'{bytes(value).hex()}'"


class TIMESTAMP(sqltypes.TIMESTAMP):
    """TIMESTAMP [(precision)] {WITH | WITHOUT} TIME ZONE; precision: digits behind the second's point, 0 to 6."""

    def __init__(self, timezone: bool = False, precision: int | None = None) -> None:
        super().__init__(timezone=timezone)
        self.precision = precision


class TIME(sqltypes.TIME):
    """TIME [(precision)] {WITH | WITHOUT} TIME ZONE; precision: digits behind the second's point, 0 to 6."""

    def __init__(self, timezone: bool = False, precision: int | None = None) -> None:
        super().__init__(timezone=timezone)
        self.precision = precision


class INTERVAL(NativeForEmulated, sqltypes._AbstractInterval):
    """INTERVAL [fields] [(precision)]. Values are `eventdb.Interval`, a timedelta that knows months; any timedelta can be bound.

    `fields`: what it is restricted to, "YEAR TO MONTH" or "DAY TO SECOND" for example; `precision`: digits behind the second's point.
    """

    __visit_name__ = "INTERVAL"
    native = True

    def __init__(self, fields: str | None = None, precision: int | None = None) -> None:
        self.fields = fields
        self.precision = precision

    @classmethod
    def adapt_emulated_to_native(cls, impl: Any, **kw: Any) -> INTERVAL:
        return cls(precision=impl.second_precision)

    @property
    def _type_affinity(self) -> type[sqltypes.Interval]:
        return sqltypes.Interval

    @property
    def python_type(self) -> type[Any]:
        return datetime.timedelta

    def literal_processor(self, dialect: Dialect) -> Callable[[Any], str]:
        def process(value: datetime.timedelta) -> str:
            months, days = getattr(value, "months", 0), getattr(value, "whole_days", value.days)
            rest = getattr(value, "time", value - datetime.timedelta(value.days)) // datetime.timedelta(microseconds=1)
            return f"INTERVAL '{months} months {days} days {rest} microseconds'"

        return process


class JSON(sqltypes.JSON):
    """JSON. The driver parses what it reads; what is bound is serialized here, so that text, numbers and null are JSON values too."""

    render_bind_cast = True

    def result_processor(self, dialect: Dialect, coltype: Any) -> Processor:
        return None if str(coltype) == "json" else super().result_processor(dialect, coltype)

    def literal_processor(self, dialect: Dialect) -> Callable[[Any], str]:
        serialize: Processor = self.bind_processor(dialect)  # type: ignore[no-untyped-call]

        def process(value: Any) -> str:
            text = serialize(value) if serialize is not None else json.dumps(value)
            return "CAST('" + str(text).replace("'", "''") + "' AS JSON)"

        return process


class _Path(sqltypes.JSON.JSONPathType):
    """A path as `#>` takes it: `{key,0,"other key"}`."""

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], str]:
        return _path

    def literal_processor(self, dialect: Dialect) -> Callable[[Any], str]:
        return lambda value: "'" + _path(value).replace("'", "''") + "'"


def _path(steps: Any) -> str:
    if isinstance(steps, str):
        return steps
    quoted = (str(step) if isinstance(step, int) else '"' + step.replace("\\", "\\\\").replace('"', '\\"') + '"' for step in steps)
    return "{" + ",".join(quoted) + "}"


class _Uuid(sqltypes.Uuid[Any]):
    def literal_processor(self, dialect: Dialect) -> Callable[[Any], str]:
        if not self.native_uuid:
            plain: Callable[[Any], str] = super().literal_processor(dialect)  # type: ignore[no-untyped-call]
            return plain
        return lambda value: f"CAST('{value}' AS UUID)"


COLSPECS: dict[type[TypeEngine[Any]], type[TypeEngine[Any]]] = {
    sqltypes.Numeric: _Numeric,
    sqltypes.Float: _Float,
    sqltypes.Date: _Date,
    sqltypes.LargeBinary: BYTEA,
    sqltypes.Interval: INTERVAL,
    sqltypes.JSON: JSON,
    sqltypes.JSON.JSONPathType: _Path,
    sqltypes.Uuid: _Uuid,
}
"""SQLAlchemy's type → the one that this dialect puts in its place."""

_REFLECTED: dict[str, Callable[[], TypeEngine[Any]]] = {
    "boolean": sqltypes.BOOLEAN,
    "smallint": sqltypes.SMALLINT,
    "integer": sqltypes.INTEGER,
    "bigint": sqltypes.BIGINT,
    "real": sqltypes.REAL,
    "double precision": sqltypes.DOUBLE_PRECISION,
    "text": sqltypes.TEXT,
    "bytea": BYTEA,
    "date": sqltypes.DATE,
    "uuid": sqltypes.UUID,
    "json": JSON,
}


def reflected_type(column: Mapping[str, Any]) -> TypeEngine[Any]:
    """The type of a row of information_schema.columns."""
    name = column["data_type"]
    if name in ("character varying", "character"):
        length = column["character_maximum_length"]
        return sqltypes.VARCHAR(length) if name == "character varying" else sqltypes.CHAR(length)
    if name == "numeric":
        return sqltypes.NUMERIC(column["numeric_precision"], column["numeric_scale"])
    moment = re.fullmatch(r"(timestamp|time) (with|without) time zone", name)
    digits = column["datetime_precision"]
    precision = None if digits == 6 else digits
    if moment is not None:
        made = TIMESTAMP if moment[1] == "timestamp" else TIME
        return made(timezone=moment[2] == "with", precision=precision)
    if name == "interval":
        return INTERVAL(column["interval_type"], precision)
    return _REFLECTED.get(name, sqltypes.NullType)()
