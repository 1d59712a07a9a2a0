"""Functions on dates, times and intervals. What depends on the session's time zone takes the Execution first."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NoReturn

from eventdb.errors import DatetimeFieldOverflow, InvalidParameterValue, NotSupportedError
from eventdb.model import clock
from eventdb.model.datatype import (
    BOOLEAN,
    DATE,
    DOUBLE,
    INTERVAL,
    NUMERIC,
    TEXT,
    TIME,
    TIMESTAMP,
    TIMESTAMPTZ,
    TIMETZ,
)
from eventdb.model.transaction import datetime_of
from eventdb.model.value import Interval
from eventdb.sql.expressions import datetimes, formatting, intervals
from eventdb.sql.expressions.registry import declare

UTC = datetime.UTC
_EPOCH = datetime.datetime(1970, 1, 1)
_MICROSECOND = datetime.timedelta(microseconds=1)
_UNITS = (
    "microseconds", "milliseconds", "second", "minute", "hour", "day", "week", "month", "quarter", "year", "decade", "century", "millennium"
)  # fmt: skip
_ALIASES = {
    "microsecond": "microseconds", "us": "microseconds", "usec": "microseconds", "millisecond": "milliseconds", "ms": "milliseconds",
    "msec": "milliseconds", "seconds": "second", "sec": "second", "secs": "second", "s": "second", "minutes": "minute", "min": "minute",
    "mins": "minute", "m": "minute", "hours": "hour", "h": "hour", "hr": "hour", "hrs": "hour", "days": "day", "d": "day", "weeks": "week",
    "w": "week", "months": "month", "mon": "month", "mons": "month", "quarters": "quarter", "years": "year", "y": "year", "yr": "year",
    "yrs": "year", "decades": "decade", "centuries": "century", "c": "century", "millennia": "millennium", "weekday": "dow",
}  # fmt: skip


def unit(name: str) -> str:
    word = name.strip().lower()
    return _ALIASES.get(word, word)


def _unknown(name: str, what: str, known: bool) -> NoReturn:
    if known:
        raise NotSupportedError(f'unit "{name}" not supported for type {what}')
    raise InvalidParameterValue(f'unit "{name}" not recognized for type {what}')


# ---- extract

_DATE_PARTS: dict[str, Callable[[Any], int]] = {
    "year": lambda d: d.year,
    "month": lambda d: d.month,
    "day": lambda d: d.day,
    "dow": lambda d: d.isoweekday() % 7,
    "isodow": lambda d: d.isoweekday(),
    "doy": lambda d: d.timetuple().tm_yday,
    "week": lambda d: d.isocalendar()[1],
    "isoyear": lambda d: d.isocalendar()[0],
    "quarter": lambda d: (d.month + 2) // 3,
    "decade": lambda d: d.year // 10,
    "century": lambda d: (d.year + 99) // 100,
    "millennium": lambda d: (d.year + 999) // 1000,
    "julian": lambda d: d.toordinal() + 1721425,
}
_TIME_PARTS: dict[str, Callable[[Any], Decimal]] = {
    "hour": lambda t: Decimal(t.hour),
    "minute": lambda t: Decimal(t.minute),
    "second": lambda t: Decimal(t.second * 1_000_000 + t.microsecond).scaleb(-6),
    "milliseconds": lambda t: Decimal(t.second * 1_000_000 + t.microsecond).scaleb(-3),
    "microseconds": lambda t: Decimal(t.second * 1_000_000 + t.microsecond),
}


def extract_date(field: str, value: datetime.date) -> Decimal:
    name = unit(field)
    if name in _DATE_PARTS:
        return Decimal(_DATE_PARTS[name](value))
    if name == "epoch":
        return Decimal((value.toordinal() - 719163) * 86400)
    _unknown(field, "date", name in _TIME_PARTS or name.startswith("timezone"))


def extract_timestamp(field: str, value: datetime.datetime) -> Decimal:
    name = unit(field)
    if name == "julian":
        return (
            Decimal(value.toordinal() + 1721425)
            + (Decimal(intervals.clock_us(value.time())) / intervals.DAY_US).quantize(Decimal("1e-17")).normalize()
        )
    if name in _DATE_PARTS:
        return Decimal(_DATE_PARTS[name](value))
    if name in _TIME_PARTS:
        return _TIME_PARTS[name](value)
    if name == "epoch":
        return Decimal((value - _EPOCH) // _MICROSECOND).scaleb(-6)
    _unknown(field, "timestamp without time zone", name.startswith("timezone"))


def extract_timestamptz(cx: Any, field: str, value: datetime.datetime) -> Decimal:
    name = unit(field)
    if name == "epoch":
        return Decimal((value.replace(tzinfo=None) - _EPOCH) // _MICROSECOND).scaleb(-6)
    local = value.astimezone(cx.timezone)
    if name.startswith("timezone"):
        return _zone_part(field, name, local.utcoffset(), "timestamp with time zone")
    return extract_timestamp(field, local.replace(tzinfo=None))


def _zone_part(field: str, name: str, offset: datetime.timedelta | None, what: str) -> Decimal:
    seconds = int((offset or datetime.timedelta()).total_seconds())
    parts = {
        "timezone": seconds,
        "timezone_hour": int(seconds / 3600),
        "timezone_minute": int(seconds % 3600 / 60) if seconds >= 0 else -(-seconds % 3600 // 60),
    }
    if name not in parts:
        _unknown(field, what, False)
    return Decimal(parts[name])


def extract_time(field: str, value: datetime.time) -> Decimal:
    name = unit(field)
    if name in _TIME_PARTS:
        return _TIME_PARTS[name](value)
    if name == "epoch":
        offset = value.utcoffset() or datetime.timedelta()
        return Decimal(intervals.clock_us(value) - offset // _MICROSECOND).scaleb(-6)
    if value.tzinfo is not None and name.startswith("timezone"):
        return _zone_part(field, name, value.utcoffset(), "time with time zone")
    _unknown(field, "time", name in _DATE_PARTS)


def extract_interval(field: str, value: Interval) -> Decimal:
    name = unit(field)
    if name == "epoch":
        return intervals.total_seconds(value)
    micros = value.time_us
    sign = -1 if micros < 0 else 1
    years = int(value.months / 12)
    rest = sign * (abs(micros) % 60_000_000)
    parts: dict[str, int | Decimal] = {
        "year": years, "month": value.months - years * 12, "day": value.whole_days, "quarter": (value.months - years * 12) // 3 + 1,
        "decade": int(years / 10), "century": int(years / 100), "millennium": int(years / 1000),
        "hour": sign * (abs(micros) // 3_600_000_000),
        "minute": sign * (abs(micros) // 60_000_000 % 60), "second": Decimal(rest).scaleb(-6), "milliseconds": Decimal(rest).scaleb(-3),
        "microseconds": rest, "week": int(value.whole_days / 7),
    }  # fmt: skip
    if name not in parts:
        _unknown(field, "interval", name in _DATE_PARTS)
    return Decimal(parts[name])


# ---- date_trunc, date_bin, age


def trunc_timestamp(field: str, value: datetime.datetime) -> datetime.datetime:
    name = unit(field)
    if name == "microseconds":
        return value
    if name == "milliseconds":
        return value.replace(microsecond=value.microsecond // 1000 * 1000)
    if name == "second":
        return value.replace(microsecond=0)
    if name == "minute":
        return value.replace(second=0, microsecond=0)
    if name == "hour":
        return value.replace(minute=0, second=0, microsecond=0)
    midnight = value.replace(hour=0, minute=0, second=0, microsecond=0)
    if name == "day":
        return midnight
    if name == "week":
        return _moved(midnight, -midnight.weekday())
    if name == "month":
        return midnight.replace(day=1)
    if name == "quarter":
        return midnight.replace(day=1, month=(midnight.month - 1) // 3 * 3 + 1)
    year = value.year
    starts = {
        "year": year,
        "decade": max(year // 10 * 10, 1),
        "century": (year - 1) // 100 * 100 + 1,
        "millennium": (year - 1) // 1000 * 1000 + 1,
    }
    if name not in starts:
        _unknown(field, "timestamp", name in _DATE_PARTS)
    return midnight.replace(day=1, month=1, year=starts[name])


def _moved(moment: datetime.datetime, days: int) -> datetime.datetime:
    try:
        return moment + datetime.timedelta(days=days)
    except OverflowError:
        raise DatetimeFieldOverflow("timestamp out of range") from None


def trunc_date(field: str, value: datetime.date) -> datetime.datetime:
    return trunc_timestamp(field, datetime.datetime(value.year, value.month, value.day))


def trunc_timestamptz(cx: Any, field: str, value: datetime.datetime, zone: str | None = None) -> datetime.datetime:
    own = cx.timezone if zone is None else datetimes.zone_of(zone)
    return datetimes.to_utc(trunc_timestamp(field, datetimes.to_local(value, own)), own)


def trunc_interval(field: str, value: Interval) -> Interval:
    name = unit(field)
    if name not in _UNITS or name == "week":
        _unknown(field, "interval", name == "week")
    place = _UNITS.index(name)
    if place >= _UNITS.index("month"):
        size = {"month": 1, "quarter": 3, "year": 12, "decade": 120, "century": 1200, "millennium": 12000}[name]
        return intervals.make(int(value.months / size) * size, 0, 0)
    if name == "day":
        return intervals.make(value.months, value.whole_days, 0)
    size = {"microseconds": 1, "milliseconds": 1000, "second": 1_000_000, "minute": 60_000_000, "hour": 3_600_000_000}[name]
    micros = value.time_us
    kept = abs(micros) // size * size
    return intervals.make(value.months, value.whole_days, kept if micros >= 0 else -kept)


def date_bin(stride: Interval, value: datetime.datetime, origin: datetime.datetime) -> datetime.datetime:
    if stride.months:
        raise NotSupportedError("timestamps cannot be binned into intervals containing months or years")
    size = stride.whole_days * intervals.DAY_US + stride.time_us
    if size <= 0:
        raise InvalidParameterValue("stride must be greater than zero")
    try:
        return origin + datetime.timedelta(microseconds=(value - origin) // _MICROSECOND // size * size)
    except OverflowError:
        raise DatetimeFieldOverflow("timestamp out of range") from None


def age(later: datetime.datetime, earlier: datetime.datetime) -> Interval:
    """The difference in years, months, days and time, as people count ages."""
    if later < earlier:
        return -age(earlier, later)
    months = (later.year - earlier.year) * 12 + later.month - earlier.month
    anchor = intervals.add_months(earlier, months)
    if anchor > later:
        months -= 1
        anchor = intervals.add_months(earlier, months)
    days, rest = divmod((later - anchor) // _MICROSECOND, intervals.DAY_US)
    return intervals.make(months, days, rest)


def age_timestamptz(cx: Any, later: datetime.datetime, earlier: datetime.datetime) -> Interval:
    return age(datetimes.to_local(later, cx.timezone), datetimes.to_local(earlier, cx.timezone))


def age_today(cx: Any, earlier: datetime.datetime) -> Interval:
    today = datetimes.to_local(cx.transaction_timestamp, cx.timezone).replace(hour=0, minute=0, second=0, microsecond=0)
    return age(today, earlier)


# ---- making


def make_date(year: int, month: int, day: int) -> datetime.date:
    try:
        return datetime.date(year, month, day)
    except (ValueError, OverflowError):
        raise DatetimeFieldOverflow(f"date field value out of range: {year}-{month:02d}-{day:02d}") from None


def _seconds(value: float) -> tuple[int, int]:
    micros = round(value * 1_000_000)
    return micros // 1_000_000, micros % 1_000_000


def make_time(hour: int, minute: int, second: float) -> datetime.time:
    try:
        seconds, micros = _seconds(second)
        return datetime.time(hour, minute, seconds, micros)
    except (ValueError, OverflowError):
        raise DatetimeFieldOverflow(f"time field value out of range: {hour}:{minute:02d}:{second}") from None


def make_timestamp(year: int, month: int, day: int, hour: int, minute: int, second: float) -> datetime.datetime:
    return datetime.datetime.combine(make_date(year, month, day), make_time(hour, minute, second))


def make_timestamptz(
    cx: Any, year: int, month: int, day: int, hour: int, minute: int, second: float, zone: str | None = None
) -> datetime.datetime:
    own = cx.timezone if zone is None else datetimes.zone_of(zone)
    return datetimes.to_utc(make_timestamp(year, month, day, hour, minute, second), own)


def make_interval(
    years: int = 0, months: int = 0, weeks: int = 0, days: int = 0, hours: int = 0, minutes: int = 0, seconds: float = 0.0
) -> Interval:
    try:
        return intervals.make(years * 12 + months, weeks * 7 + days, (hours * 60 + minutes) * 60_000_000 + round(seconds * 1_000_000))
    except (OverflowError, ValueError):
        intervals.out_of_range()


def justify_days(value: Interval) -> Interval:
    months = int(value.whole_days / 30)
    return _same_signs(value.months + months, value.whole_days - months * 30, value.time_us, 0)


def justify_hours(value: Interval) -> Interval:
    days = int(value.time_us / intervals.DAY_US)
    return _same_signs(value.months, value.whole_days + days, value.time_us - days * intervals.DAY_US, 1)


def justify_interval(value: Interval) -> Interval:
    total = (value.months * 30 + value.whole_days) * intervals.DAY_US + value.time_us
    sign = -1 if total < 0 else 1
    days, micros = divmod(abs(total), intervals.DAY_US)
    return intervals.make(sign * (days // 30), sign * (days % 30), sign * micros)


def _same_signs(months: int, days: int, micros: int, level: int) -> Interval:
    if level == 0 and months > 0 > days:
        months, days = months - 1, days + 30
    elif level == 0 and months < 0 < days:
        months, days = months + 1, days - 30
    if level == 1 and days > 0 > micros:
        days, micros = days - 1, micros + intervals.DAY_US
    elif level == 1 and days < 0 < micros:
        days, micros = days + 1, micros - intervals.DAY_US
    return intervals.make(months, days, micros)


# ---- now and time zones


def clock_timestamp() -> datetime.datetime:
    return datetime_of(clock.now())


def current_date(cx: Any) -> datetime.date:
    return datetimes.to_local(cx.transaction_timestamp, cx.timezone).date()


def local_timestamp(cx: Any, precision: int = 6) -> datetime.datetime:
    return datetimes.limited(datetimes.to_local(cx.transaction_timestamp, cx.timezone), precision)


def local_time(cx: Any, precision: int = 6) -> datetime.time:
    clock: datetime.time = datetimes.limited(datetimes.to_local(cx.transaction_timestamp, cx.timezone).time(), precision)
    return clock


def current_time(cx: Any, precision: int = 6) -> datetime.time:
    local = cx.transaction_timestamp.astimezone(cx.timezone)
    offset = local.utcoffset() or datetime.timedelta()
    clock: datetime.time = datetimes.limited(local.time().replace(tzinfo=datetime.timezone(offset) if offset else UTC), precision)
    return clock


def current_timestamp(cx: Any, precision: int = 6) -> datetime.datetime:
    result: datetime.datetime = datetimes.limited(cx.transaction_timestamp, precision)
    return result


def zone_timestamp(zone: str, value: datetime.datetime) -> datetime.datetime:
    return datetimes.to_utc(value, datetimes.zone_of(zone))


def zone_timestamptz(zone: str, value: datetime.datetime) -> datetime.datetime:
    return datetimes.to_local(value, datetimes.zone_of(zone))


def _offset_zone(span: Interval) -> datetime.tzinfo:
    if span.months or span.whole_days or abs(span.time_us) >= intervals.DAY_US:
        raise InvalidParameterValue("interval time zone must not include months or days")
    return datetime.timezone(span.time) if span.time_us else UTC


def span_timestamp(span: Interval, value: datetime.datetime) -> datetime.datetime:
    return datetimes.to_utc(value, _offset_zone(span))


def span_timestamptz(span: Interval, value: datetime.datetime) -> datetime.datetime:
    return datetimes.to_local(value, _offset_zone(span))


def timestamp_of_epoch(seconds: float) -> datetime.datetime:
    try:
        return datetime.datetime(1970, 1, 1, tzinfo=UTC) + datetime.timedelta(microseconds=round(seconds * 1_000_000))
    except (OverflowError, ValueError):
        raise DatetimeFieldOverflow(f"timestamp out of range: {seconds}") from None


def overlaps(start1: Any, end1: Any, start2: Any, end2: Any) -> bool:
    if isinstance(end1, Interval):
        end1 = intervals.timestamp_add(start1, end1)
    if isinstance(end2, Interval):
        end2 = intervals.timestamp_add(start2, end2)
    first, last = min(start1, end1), max(start1, end1)
    other_first, other_last = min(start2, end2), max(start2, end2)
    return bool((first < other_last or first == other_first) and (other_first < last or first == other_first))


def _declare_parts() -> None:
    sources: tuple[tuple[str, Callable[..., Decimal], bool], ...] = (
        ("date", extract_date, False), ("timestamp", extract_timestamp, False), ("timestamptz", extract_timestamptz, True),
        ("time", extract_time, False), ("timetz", extract_time, False), ("interval", extract_interval, False),
    )  # fmt: skip
    for short, function, zoned in sources:
        declare("extract", f"text, {short}", NUMERIC, function, execution=zoned)
        arguments = "cx, {0}, {1}" if zoned else "{0}, {1}"
        declare("date_part", f"text, {short}", DOUBLE, f"float({function.__name__}({arguments}))", uses=[function], execution=zoned)
    declare("date_trunc", "text, timestamp", TIMESTAMP, trunc_timestamp)
    declare("date_trunc", "text, date", TIMESTAMP, trunc_date)
    declare("date_trunc", "text, timestamptz, [text]", TIMESTAMPTZ, trunc_timestamptz, execution=True)
    declare("date_trunc", "text, interval", INTERVAL, trunc_interval)
    for short, result in (("timestamp", TIMESTAMP), ("timestamptz", TIMESTAMPTZ)):
        declare("date_bin", f"interval, {short}, {short}", result, date_bin)
        declare("overlaps", f"{short}, {short}, {short}, {short}", BOOLEAN, overlaps)
        declare("overlaps", f"{short}, interval, {short}, interval", BOOLEAN, overlaps)
    declare("overlaps", "time, time, time, time", BOOLEAN, overlaps)
    declare("age", "timestamp, timestamp", INTERVAL, age)
    declare("age", "timestamptz, timestamptz", INTERVAL, age_timestamptz, execution=True)
    declare("age", "timestamp", INTERVAL, age_today, execution=True)


def _declare_making() -> None:
    declare("make_date", "integer, integer, integer", DATE, make_date)
    declare("make_time", "integer, integer, double", TIME, make_time)
    declare("make_timestamp", "integer, integer, integer, integer, integer, double", TIMESTAMP, make_timestamp)
    declare(
        "make_timestamptz", "integer, integer, integer, integer, integer, double, [text]", TIMESTAMPTZ, make_timestamptz, execution=True
    )
    declare("make_interval", "[integer], [integer], [integer], [integer], [integer], [integer], [double]", INTERVAL, make_interval)
    for function in (justify_days, justify_hours, justify_interval):
        declare(function.__name__, "interval", INTERVAL, function)
    for short in ("date", "timestamp", "timestamptz", "interval"):
        declare("isfinite", short, BOOLEAN, "({0} is not None)")
    for name in ("now", "transaction_timestamp"):
        declare(name, "", TIMESTAMPTZ, "cx.transaction_timestamp", execution=True)
    declare("statement_timestamp", "", TIMESTAMPTZ, "cx.statement_timestamp", execution=True)
    declare("clock_timestamp", "", TIMESTAMPTZ, clock_timestamp, volatile=True)
    declare("current_date", "", DATE, current_date, execution=True)
    declare("current_timestamp", "[integer]", TIMESTAMPTZ, current_timestamp, execution=True)
    declare("current_time", "[integer]", TIMETZ, current_time, execution=True)
    declare("localtimestamp", "[integer]", TIMESTAMP, local_timestamp, execution=True)
    declare("localtime", "[integer]", TIME, local_time, execution=True)
    declare("timezone", "text, timestamp", TIMESTAMPTZ, zone_timestamp)
    declare("timezone", "text, timestamptz", TIMESTAMP, zone_timestamptz)
    declare("timezone", "interval, timestamp", TIMESTAMPTZ, span_timestamp)
    declare("timezone", "interval, timestamptz", TIMESTAMP, span_timestamptz)
    declare("to_timestamp", "double", TIMESTAMPTZ, timestamp_of_epoch)
    declare("to_timestamp", "text, text", TIMESTAMPTZ, formatting.to_timestamp, execution=True)
    declare("to_date", "text, text", DATE, formatting.to_date)
    declare("to_number", "text, text", NUMERIC, formatting.to_number)
    declare("to_char", "timestamp, text", TEXT, formatting.char_timestamp)
    declare("to_char", "timestamptz, text", TEXT, formatting.char_timestamptz, execution=True)
    declare("to_char", "interval, text", TEXT, formatting.char_interval)
    declare("to_char", "numeric, text", TEXT, formatting.char_number)
    for short in ("integer", "bigint", "double"):
        declare("to_char", f"{short}, text", TEXT, formatting.char_number)


_declare_parts()
_declare_making()
