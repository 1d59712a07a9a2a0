"""Values from text and to text, in PostgreSQL's formats; times are in `datetimes`, intervals in `intervals`.

`parse(text, datatype, zone)` and `render(value, datatype, zone)` are the two doors for every type. `zone` is the session's time zone,
used only where timestamptz (or timetz) and text meet without an offset.
"""

from __future__ import annotations

import binascii
import datetime
import decimal
import math
import re
import struct
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NoReturn

from eventdb.errors import InvalidTextRepresentation, NumericValueOutOfRange, StringDataRightTruncation
from eventdb.model.datatype import INTEGER_RANGES, DataType, Kind
from eventdb.model.late import Late
from eventdb.sql.expressions import datetimes, intervals
from eventdb.sql.expressions.arithmetic import REAL_MAX, fit_numeric, plain

json: Any = Late("json")
_TRUE = frozenset(("t", "tr", "tru", "true", "y", "ye", "yes", "on", "1"))
_FALSE = frozenset(("f", "fa", "fal", "fals", "false", "n", "no", "of", "off", "0"))
_INTEGER = re.compile(r"\s*([+-]?)(0[xX][0-9a-fA-F]+(?:_[0-9a-fA-F]+)*|0[oO][0-7]+|0[bB][01]+|\d+(?:_\d+)*)\s*", re.ASCII)
_NUMERIC = re.compile(r"\s*[+-]?(\d+(_\d+)*\.?(\d+(_\d+)*)?|\.\d+(_\d+)*)([eE][+-]?\d+)?\s*", re.ASCII)
_UUID = re.compile(r"\s*\{?(?:[0-9a-fA-F]{4}-?){8}\}?\s*")
_FLOAT32 = struct.Struct("<f")
_SHOWN = 60


def excerpt(text: str) -> str:
    """A text for a message: long ones are cut."""
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def invalid(text: str, kind: Kind) -> NoReturn:
    raise InvalidTextRepresentation(f'invalid input syntax for type {kind.value}: "{excerpt(text)}"')


def parse_boolean(text: str) -> bool:
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    invalid(text, Kind.BOOLEAN)


def parse_integer(text: str, kind: Kind) -> int:
    """An integer of the kind: decimal, or hexadecimal, octal, binary with 0x, 0o, 0b; underscores between digits."""
    match = _INTEGER.fullmatch(text)
    if match is None:
        invalid(text, kind)
    low, high = INTEGER_RANGES[kind]
    digits = match[2]
    based = len(digits) > 1 and digits[1] in "xXoObB"
    if len(digits) <= 100:
        number = int(digits.replace("_", ""), 0 if based else 10)
        number = -number if match[1] == "-" else number
        if low <= number <= high:
            return number
    raise NumericValueOutOfRange(f'value "{excerpt(text.strip())}" is out of range for type {kind.value}')


def parse_numeric(text: str) -> Decimal:
    if _NUMERIC.fullmatch(text) is None:
        if text.strip().lower() in ("nan", "infinity", "-infinity", "inf", "-inf", "+infinity", "+inf"):
            raise NumericValueOutOfRange(f"numeric has no {text.strip()}", hint="Use double precision for values that are not finite.")
        invalid(text, Kind.NUMERIC)
    try:
        return plain(Decimal(text.strip().replace("_", "")))
    except decimal.DecimalException:
        raise NumericValueOutOfRange("value overflows numeric format") from None


def parse_float(text: str, kind: Kind) -> float:
    word = text.strip()
    try:
        number = float(word)
    except ValueError:
        invalid(text, kind)
    if "_" in word:
        invalid(text, kind)
    if number != number:
        return math.nan
    named = word.lower().lstrip("+-").startswith("inf")
    limit = REAL_MAX if kind is Kind.REAL else math.inf
    if (math.isinf(number) or abs(number) > limit * (1 + 2**-25)) and not named:
        raise NumericValueOutOfRange(f'"{excerpt(word)}" is out of range for type {kind.value}')
    return to_real(number) if kind is Kind.REAL else number


def to_real(number: float) -> float:
    """`number` rounded to single precision; NumericValueOutOfRange if it is too large."""
    try:
        rounded: float = _FLOAT32.unpack(_FLOAT32.pack(number))[0]
    except OverflowError:
        raise NumericValueOutOfRange("value out of range: overflow") from None
    return rounded if rounded == rounded else math.nan


def parse_bytes(text: str) -> bytes:
    r"""bytea: hex format `\x0aff` (spaces between pairs allowed), else escape format: `\\` and `\ooo`, other characters as UTF-8."""
    if text[:2] == "\\x":
        try:
            return binascii.unhexlify("".join(text[2:].split()))
        except (binascii.Error, ValueError):
            invalid(text, Kind.BYTEA)
    if "\\" not in text:
        return encode(text)
    pieces = re.split(r"(\\\\|\\[0-3][0-7]{2})", text)
    out = bytearray()
    for piece in pieces:
        if piece == "\\\\":
            out += b"\\"
        elif piece[:1] == "\\" and len(piece) == 4 and piece[1:].isdigit():
            out.append(int(piece[1:], 8))
        elif "\\" in piece:
            invalid(text, Kind.BYTEA)
        else:
            out += encode(piece)
    return bytes(out)


def encode(text: str) -> bytes:
    """UTF-8 of a text; a lone surrogate is an error of ours, not Python's."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidTextRepresentation("text holds a lone surrogate, which has no UTF-8 form") from None


def parse_uuid(text: str) -> uuid.UUID:
    if _UUID.fullmatch(text) is None or (text.strip()[0] == "{") != (text.strip()[-1] == "}"):
        invalid(text, Kind.UUID)
    return uuid.UUID(text.strip())


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f'Token "{word}" is invalid')


def parse_json(text: str) -> str:
    """The text itself, if it is JSON (RFC 8259: no NaN, no Infinity)."""
    try:
        json.loads(text, parse_constant=_no_constant, parse_int=str, parse_float=str)
    except (ValueError, RecursionError) as error:
        raise InvalidTextRepresentation(f'invalid input syntax for type json: "{excerpt(text)}"', detail=str(error)) from None
    return text


def dump_json(value: Any) -> str:
    """JSON text of a Python value (what json.dumps takes, plus Decimal, datetimes, UUID as strings). Raises InvalidTextRepresentation."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_json_default)  # type: ignore[no-any-return]
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidTextRepresentation(f"a {type(value).__name__} has no JSON form: {error}") from None


def _json_default(value: Any) -> Any:
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError(f"{value} is not JSON")
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, uuid.UUID):
        return str(value)
    raise TypeError(f"object of type {type(value).__name__} is not JSON serializable")


def fit_text(text: str, datatype: DataType, explicit: bool = False) -> str:
    """`text` as VARCHAR(n) or CHAR(n): too long is an error unless only blanks would go, or the cast is explicit. CHAR is kept without
    its padding.
    """
    length = datatype.length
    if length is not None and len(text) > length:
        if not explicit and text[length:].strip(" "):
            raise StringDataRightTruncation(
                f"value too long for type {datatype}", detail=f'The value is "{excerpt(text)}", {len(text)} characters long.'
            )
        text = text[:length]
    return text.rstrip(" ") if datatype.kind is Kind.CHAR else text


def parse(text: str, datatype: DataType, zone: datetime.tzinfo = datetime.UTC, explicit: bool = False) -> Any:
    """The value of `datatype` that `text` spells. Raises DataError classes that quote the text."""
    kind = datatype.kind
    if kind in INTEGER_RANGES:
        return parse_integer(text, kind)
    if kind is Kind.NUMERIC:
        number = parse_numeric(text)
        return number if datatype.precision is None else fit_numeric(number, datatype.precision, datatype.scale or 0)
    if kind in (Kind.VARCHAR, Kind.CHAR):
        return fit_text(text, datatype, explicit)
    if kind in (Kind.REAL, Kind.DOUBLE):
        return parse_float(text, kind)
    if kind is Kind.INTERVAL:
        return intervals.limited(intervals.parse_interval(text), datatype.precision, datatype.scale)
    if kind in _TIMES:
        return datetimes.limited(_TIMES[kind](text, zone), datatype.precision)
    return _SIMPLE[kind](text)


_TIMES: dict[Kind, Callable[[str, datetime.tzinfo], Any]] = {
    Kind.DATE: lambda text, zone: datetimes.parse_date(text),
    Kind.TIME: lambda text, zone: datetimes.parse_time(text),
    Kind.TIMETZ: datetimes.parse_timetz,
    Kind.TIMESTAMP: lambda text, zone: datetimes.parse_timestamp(text),
    Kind.TIMESTAMPTZ: datetimes.parse_timestamptz,
}
_SIMPLE: dict[Kind, Callable[[str], Any]] = {
    Kind.BOOLEAN: parse_boolean,
    Kind.TEXT: str,
    Kind.NULL: str,
    Kind.BYTEA: parse_bytes,
    Kind.UUID: parse_uuid,
    Kind.JSON: parse_json,
}


# ---- to text


def render_float(value: float) -> str:
    """The shortest text that reads back as `value`, in PostgreSQL's spelling."""
    if value != value:
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    text = repr(value)
    if "e" in text or not -1e15 < value < 1e15:
        return _spelled(text)
    return text[:-2] if text.endswith(".0") else text


def render_real(value: float) -> str:
    """The shortest text that reads back as the single-precision `value`."""
    if not math.isfinite(value):
        return render_float(value)
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        if to_real_or_infinity(float(text)) == value:
            return _spelled(repr(float(text)), 6)
    return _spelled(repr(value), 6)


def to_real_or_infinity(number: float) -> float:
    try:
        return float(_FLOAT32.unpack(_FLOAT32.pack(number))[0])
    except OverflowError:
        return math.inf


def _spelled(text: str, fixed_digits: int = 15) -> str:
    number = Decimal(text)
    exponent = number.adjusted() if number else 0
    if -5 < exponent < fixed_digits:
        plain_text = f"{number:f}"
        return plain_text[:-2] if plain_text.endswith(".0") else plain_text
    digits = "".join(map(str, number.as_tuple().digits)).rstrip("0") or "0"
    mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
    return f"{'-' if number.is_signed() else ''}{mantissa}e{'+' if exponent >= 0 else '-'}{abs(exponent):02d}"


def render_numeric(value: Decimal) -> str:
    return f"{value:f}"


def render(value: Any, datatype: DataType, zone: datetime.tzinfo = datetime.UTC) -> str:
    """The text of a value that is not NULL, as PostgreSQL's output function gives it; CHAR(n) without its padding."""
    return renderer(datatype, zone)(value)


def renderer(datatype: DataType, zone: datetime.tzinfo = datetime.UTC) -> Callable[[Any], str]:
    """What `render` does to values of one type."""
    known = _RENDER.get(datatype.kind)
    return (lambda value: datetimes.render_timestamptz(value, zone)) if known is None else known


_RENDER: dict[Kind, Callable[[Any], str]] = {
    Kind.BOOLEAN: lambda value: "true" if value else "false",
    Kind.SMALLINT: str,
    Kind.INTEGER: str,
    Kind.BIGINT: str,
    Kind.NUMERIC: render_numeric,
    Kind.REAL: render_real,
    Kind.DOUBLE: render_float,
    Kind.TEXT: str,
    Kind.VARCHAR: str,
    Kind.CHAR: str,
    Kind.NULL: str,
    Kind.BYTEA: lambda value: "\\x" + value.hex(),
    Kind.DATE: datetimes.render_date,
    Kind.TIME: datetimes.render_time,
    Kind.TIMETZ: datetimes.render_time,
    Kind.TIMESTAMP: datetimes.render_timestamp,
    Kind.INTERVAL: intervals.render_interval,
    Kind.UUID: str,
    Kind.JSON: str,
}
