"""Python values in, Python values out: what a bound parameter means in SQL, one by one and in bulk.

`adapt` accepts what fits a type without loss: an int for NUMERIC, a whole float for INTEGER, a text that spells the value (as a literal
would). A float with a fraction for an INTEGER is an error, not rounded. `adapt_rows` does the same by columns: a column of plain values
of the right class is checked with a handful of C loops and passed on as it is; only a column that is not takes the road of one value at a
time.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import itertools
import math
import struct
import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal
from operator import attrgetter, itemgetter
from typing import Any, NoReturn

from eventdb.errors import DatatypeMismatch, Error, InvalidTextRepresentation, NumericValueOutOfRange, WrongParameterCount
from eventdb.model.datatype import (
    BIGINT,
    BOOLEAN,
    BYTEA,
    DATE,
    DOUBLE,
    INTEGER,
    INTEGER_RANGES,
    INTERVAL,
    JSON,
    NULL,
    NUMERIC,
    TEXT,
    TIME,
    TIMESTAMP,
    TIMESTAMPTZ,
    TIMETZ,
    UUID,
    DataType,
    Kind,
)
from eventdb.model.late import Late
from eventdb.model.value import Interval
from eventdb.sql.expressions import arithmetic, datetimes, values

json: Any = Late("json")
UTC = datetime.UTC
_NONE = type(None)


def infer(value: Any) -> DataType:
    """The SQL type of a Python value; `NULL` for None. Raises DatatypeMismatch for a class that has none."""
    known = _INFERRED.get(type(value))
    if known is not None:
        return known
    if isinstance(value, enum.Enum):
        _unsupported(value)
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, int):
        return _integer_type(value)
    if isinstance(value, datetime.datetime):
        return TIMESTAMP if value.tzinfo is None else TIMESTAMPTZ
    if isinstance(value, datetime.time):
        return TIME if value.tzinfo is None else TIMETZ
    for base, datatype in _BASES:
        if isinstance(value, base):
            return datatype
    return infer(_scalar(value))


_INFERRED: dict[type, DataType] = {
    _NONE: NULL, bool: BOOLEAN, str: TEXT, float: DOUBLE, Decimal: NUMERIC, bytes: BYTEA, datetime.date: DATE, Interval: INTERVAL,
    uuid.UUID: UUID, dict: JSON, list: JSON,
}  # fmt: skip
_BASES: tuple[tuple[type, DataType], ...] = (
    (str, TEXT), (float, DOUBLE), (Decimal, NUMERIC), (bytes, BYTEA), (bytearray, BYTEA), (memoryview, BYTEA), (datetime.date, DATE),
    (datetime.timedelta, INTERVAL), (uuid.UUID, UUID), (dict, JSON), (list, JSON),
)  # fmt: skip


def _integer_type(value: int) -> DataType:
    if -(2**31) <= value < 2**31:
        return INTEGER
    return BIGINT if -(2**63) <= value < 2**63 else NUMERIC


def _scalar(value: Any) -> Any:
    """A numpy (or like) scalar as the Python value it holds."""
    item = getattr(value, "item", None)
    plain = value
    if callable(item) and getattr(value, "ndim", 0) == 0:
        try:
            plain = item()
        except Exception:
            _unsupported(value)
    if type(plain) is type(value):
        _unsupported(value)
    return plain


def _unsupported(value: Any) -> NoReturn:
    raise DatatypeMismatch(f"a Python value of type {type(value).__name__} has no SQL type", hint="Convert it, to a text for example.")


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:  # int's limit of digits, or a class that cannot
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."


def _mismatch(value: Any, datatype: DataType) -> NoReturn:
    raise DatatypeMismatch(f"{_shown(value)} ({type(value).__name__}) is no value of type {datatype}")


def adapt(value: Any, datatype: DataType) -> Any:
    """A Python value in the internal form of `datatype`; None stays None.

    Raises DatatypeMismatch for the wrong class, InvalidTextRepresentation (or the date's own errors) for a text that spells no such value,
    NumericValueOutOfRange and StringDataRightTruncation for what does not fit.
    """
    if value is None:
        return None
    if isinstance(value, enum.Enum) and not isinstance(value, (int, str)):
        _unsupported(value)
    if not isinstance(value, _PLAIN):
        value = _scalar(value)
        if value is None:
            return None
    if isinstance(value, Decimal) and value.is_snan():
        value = Decimal("NaN")
    kind = datatype.kind
    if isinstance(value, str) and kind not in _TEXT_LIKE:
        return _from_text(str(value), datatype)
    return _ADAPT[kind](value, datatype)


_PLAIN = (
    str, int, float, Decimal, bytes, bytearray, memoryview, datetime.date, datetime.time, datetime.timedelta, uuid.UUID, dict, list, tuple
)  # fmt: skip
_TEXT_LIKE = frozenset({Kind.TEXT, Kind.VARCHAR, Kind.CHAR, Kind.JSON, Kind.NULL})


def _from_text(text: str, datatype: DataType) -> Any:
    return values.parse(text, datatype)


def _whole(value: Any, datatype: DataType) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        _mismatch(value, datatype)
    if not isinstance(value, int) and (not math.isfinite(value) or value != int(value)):
        _mismatch(value, datatype)
    number = int(value)
    low, high = INTEGER_RANGES[datatype.kind]
    if not low <= number <= high:
        raise NumericValueOutOfRange(f"{_shown(value)} is out of range for type {datatype}")
    return number


def _numeric(value: Any, datatype: DataType) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        _mismatch(value, datatype)
    try:
        if isinstance(value, float):
            number = arithmetic.plain(Decimal(repr(float(value))))
        else:
            number = arithmetic.plain(Decimal(value))
        return number if datatype.precision is None else arithmetic.fit_numeric(number, datatype.precision, datatype.scale or 0)
    except decimal.DecimalException:
        raise NumericValueOutOfRange(f"{_shown(value)} is out of range for type {datatype}") from None


def _float(value: Any, datatype: DataType) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        _mismatch(value, datatype)
    try:
        number = float(value)
    except (OverflowError, ValueError):
        raise NumericValueOutOfRange(f"{_shown(value)} is out of range for type {datatype}") from None
    if math.isinf(number) and not (isinstance(value, float) or (isinstance(value, Decimal) and value.is_infinite())):
        raise NumericValueOutOfRange(f"{_shown(value)} is out of range for type {datatype}")
    if number != number:
        return math.nan
    return values.to_real(number) if datatype.kind is Kind.REAL else number


def _boolean(value: Any, datatype: DataType) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    _mismatch(value, datatype)


def _text(value: Any, datatype: DataType) -> str:
    if not isinstance(value, str):
        _mismatch(value, datatype)
    text = value if type(value) is str else str.__str__(value)
    values.encode(text)
    return values.fit_text(text, datatype) if datatype.kind in (Kind.VARCHAR, Kind.CHAR) else text


def _bytes(value: Any, datatype: DataType) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    _mismatch(value, datatype)


def _date(value: Any, datatype: DataType) -> datetime.date:
    if isinstance(value, datetime.datetime):
        if value.time() != datetime.time() or value.tzinfo is not None:
            _mismatch(value, datatype)
        return value.date()
    if isinstance(value, datetime.date):
        return value if type(value) is datetime.date else datetime.date(value.year, value.month, value.day)
    _mismatch(value, datatype)


def _plain_datetime(value: datetime.datetime) -> datetime.datetime:
    """A datetime subclass (pandas' Timestamp) as a plain datetime."""
    if type(value) is datetime.datetime:
        return value
    if value != value:
        raise InvalidTextRepresentation(f"{_shown(value)} is no timestamp")
    return datetime.datetime(
        value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond, value.tzinfo, fold=value.fold
    )


def _timestamp(value: Any, datatype: DataType) -> datetime.datetime:
    if isinstance(value, datetime.datetime):
        if value.tzinfo is not None:
            _mismatch(value, datatype)
        return datetimes.limited(_plain_datetime(value), datatype.precision)
    if isinstance(value, datetime.date):
        return datetime.datetime(value.year, value.month, value.day)
    _mismatch(value, datatype)


def _timestamptz(value: Any, datatype: DataType) -> datetime.datetime:
    """An aware datetime, or a naive one taken as UTC."""
    if isinstance(value, datetime.datetime):
        moment = _plain_datetime(value)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else datetimes.to_local(moment, UTC).replace(tzinfo=UTC)
        return datetimes.limited(moment, datatype.precision)
    if isinstance(value, datetime.date):
        return datetime.datetime(value.year, value.month, value.day, tzinfo=UTC)
    _mismatch(value, datatype)


def _time(value: Any, datatype: DataType) -> datetime.time:
    zoned = datatype.kind is Kind.TIMETZ
    if not isinstance(value, datetime.time) or (value.tzinfo is not None and not zoned):
        _mismatch(value, datatype)
    if zoned:
        offset = value.utcoffset()
        value = value.replace(tzinfo=datetime.timezone(offset) if offset else UTC)
    clock: datetime.time = datetimes.limited(value, datatype.precision)
    return clock


def _interval(value: Any, datatype: DataType) -> Interval:
    if not isinstance(value, datetime.timedelta):
        _mismatch(value, datatype)
    from eventdb.sql.expressions.intervals import limited

    return limited(Interval.of(value), datatype.precision, datatype.scale)


def _uuid(value: Any, datatype: DataType) -> uuid.UUID:
    if isinstance(value, uuid.UUID):
        return value
    if isinstance(value, bytes) and len(value) == 16:
        return uuid.UUID(bytes=value)
    _mismatch(value, datatype)


def _json(value: Any, datatype: DataType) -> str:
    if isinstance(value, str):
        values.encode(value)
        return values.parse_json(str(value))
    if isinstance(value, (dict, list, tuple, bool, int, float, Decimal)):
        return values.dump_json(value)
    _mismatch(value, datatype)


def _untyped(value: Any, datatype: DataType) -> NoReturn:
    _mismatch(value, datatype)


_ADAPT: dict[Kind, Callable[[Any, DataType], Any]] = {
    Kind.SMALLINT: _whole, Kind.INTEGER: _whole, Kind.BIGINT: _whole, Kind.NUMERIC: _numeric, Kind.REAL: _float, Kind.DOUBLE: _float,
    Kind.BOOLEAN: _boolean, Kind.TEXT: _text, Kind.VARCHAR: _text, Kind.CHAR: _text, Kind.BYTEA: _bytes, Kind.DATE: _date,
    Kind.TIME: _time, Kind.TIMETZ: _time, Kind.TIMESTAMP: _timestamp, Kind.TIMESTAMPTZ: _timestamptz, Kind.INTERVAL: _interval,
    Kind.UUID: _uuid, Kind.JSON: _json, Kind.NULL: _untyped,
}  # fmt: skip


# ---- in bulk


def adapt_rows(rows: Sequence[Sequence[Any]], types: Sequence[DataType]) -> list[tuple[Any, ...]]:
    """Rows of Python values in internal form, as tuples; `types` one a column.

    Raises WrongParameterCount where a row has another length, and the errors of `adapt` with the row and column (from 1) in the detail.
    """
    if not rows:
        return []
    width = len(types)
    kinds = set(map(type, rows))
    if not kinds <= {tuple, list}:
        rows = [_row(row, number) for number, row in enumerate(rows, 1)]
        kinds = {tuple}
    lengths = set(map(len, rows))
    if lengths != {width}:
        number = next(n for n, row in enumerate(rows, 1) if len(row) != width)
        raise WrongParameterCount(f"row {number} has {len(rows[number - 1])} values; the statement has {width} parameters")
    if width == 0:
        return [()] * len(rows)
    # not zip(*rows): its iterator for every row costs more
    columns: list[Sequence[Any]] = [list(map(itemgetter(place), rows)) for place in range(width)]
    changed = False
    for position, datatype in enumerate(types):
        column = columns[position]
        new = _column(column, datatype, position)
        if new is not column:
            columns[position] = new
            changed = True
    if changed:
        return list(zip(*columns, strict=True))
    if kinds == {tuple} and isinstance(rows, list):
        return rows
    return list(map(tuple, rows))


def _row(row: Any, number: int) -> tuple[Any, ...]:
    if isinstance(row, (str, bytes, dict)) or not hasattr(row, "__iter__"):
        raise WrongParameterCount(f"row {number} is a {type(row).__name__}, not a sequence of values")
    return tuple(row)


def _column(column: Sequence[Any], datatype: DataType, position: int) -> Sequence[Any]:
    """A column in internal form: the same object where nothing had to change."""
    classes = set(map(type, column))
    present = column
    if _NONE in classes:
        classes.discard(_NONE)
        if not classes:
            return column
        present = [item for item in column if item is not None]
    check = _FAST.get(datatype.kind)
    if check is not None and classes == {datatype.python} and check(present, datatype):
        return column
    if datatype.kind is Kind.DOUBLE and classes <= {int, float} and len(present) == len(column):
        converted = _floats(column)
        if converted is not None:
            return converted
    if datatype.kind is Kind.NUMERIC and classes == {Decimal} and len(present) == len(column):
        fitted = _decimals(column, datatype)
        if fitted is not None:
            return fitted
    result = []
    for number, item in enumerate(column, 1):
        try:
            result.append(adapt(item, datatype))
        except Error as error:
            error.detail = f"{error.detail} " if error.detail else ""
            error.detail += f"Row {number}, parameter {position + 1}."
            raise
    return result


def _floats(column: Sequence[Any]) -> list[float] | None:
    try:
        numbers = list(map(float, column))
    except OverflowError:
        return None
    return numbers if math.isfinite(sum(numbers)) else None


def _decimals(column: Sequence[Decimal], datatype: DataType) -> list[Decimal] | None:
    """The column rounded to the type's scale; None where something is not plain."""
    if datatype.precision is None:
        return None
    scale = datatype.scale or 0
    try:
        fitted = list(
            map(
                Decimal.quantize,
                column,
                itertools.repeat(Decimal((0, (1,), -scale))),
                itertools.repeat("ROUND_HALF_UP"),
                itertools.repeat(arithmetic.EXACT),
            )
        )
    except decimal.DecimalException:
        return None
    limit = Decimal(10) ** (datatype.precision - scale)
    try:
        return fitted if -limit < min(fitted) and max(fitted) < limit else None
    except decimal.DecimalException:
        return None


def _integers_fit(column: Sequence[int], datatype: DataType) -> bool:
    low, high = INTEGER_RANGES[datatype.kind]
    return low <= min(column) and max(column) <= high


def _texts_fit(column: Sequence[str], datatype: DataType) -> bool:
    joined = "".join(column)
    if not joined.isascii():
        try:
            joined.encode()
        except UnicodeEncodeError:
            return False
    return datatype.length is None or len(joined) <= datatype.length or max(map(len, column)) <= datatype.length


def _blank_free(column: Sequence[str], datatype: DataType) -> bool:
    return _texts_fit(column, datatype) and not any(map(str.endswith, column, itertools.repeat(" ")))


def _floats_fit(column: Sequence[float], datatype: DataType) -> bool:
    return math.isfinite(sum(column))


def _reals_fit(column: Sequence[float], datatype: DataType) -> bool:
    if not math.isfinite(sum(column)):
        return False
    shape = f"<{len(column)}f"
    try:
        return struct.unpack(shape, struct.pack(shape, *column)) == tuple(column)
    except (OverflowError, struct.error):
        return False


_zone = attrgetter("tzinfo")


def _naive(column: Sequence[Any], datatype: DataType) -> bool:
    return datatype.precision is None and set(map(_zone, column)) == {None}


def _in_utc(column: Sequence[Any], datatype: DataType) -> bool:
    return datatype.precision is None and set(map(id, map(_zone, column))) == {id(UTC)}


def _numerics_fit(column: Sequence[Decimal], datatype: DataType) -> bool:
    """Plain already: no exponent in their texts (which NaN, infinity and very small or large numbers have), no scale asked for."""
    if datatype.precision is not None:
        return False
    texts = "".join(map(str, column))
    return "E" not in texts and "N" not in texts and "I" not in texts and "-0" not in texts


def _any(column: Sequence[Any], datatype: DataType) -> bool:
    return True


_FAST: dict[Kind, Callable[[Sequence[Any], DataType], bool]] = {
    Kind.SMALLINT: _integers_fit, Kind.INTEGER: _integers_fit, Kind.BIGINT: _integers_fit, Kind.TEXT: _texts_fit, Kind.VARCHAR: _texts_fit,
    Kind.CHAR: _blank_free, Kind.DOUBLE: _floats_fit, Kind.REAL: _reals_fit, Kind.BOOLEAN: _any, Kind.BYTEA: _any, Kind.DATE: _any,
    Kind.UUID: _any, Kind.TIME: _naive, Kind.TIMESTAMP: _naive, Kind.TIMESTAMPTZ: _in_utc, Kind.NUMERIC: _numerics_fit,
}  # fmt: skip


# ---- out


def to_python(datatype: DataType) -> Callable[[Any], Any] | None:
    """What turns an internal value that is not NULL into the one handed to the application; None where they are the same.

    JSON is parsed; CHAR(n), kept without its blanks, is padded.
    """
    if datatype.kind is Kind.JSON:
        return json.loads  # type: ignore[no-any-return]
    if datatype.kind is Kind.CHAR and datatype.length is not None:
        length = datatype.length
        return lambda text: text.ljust(length)
    return None
