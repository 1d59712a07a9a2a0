"""Intervals: from text, to text, and arithmetic with dates and times."""

from __future__ import annotations

import datetime
import math
import re
from decimal import Decimal
from typing import NoReturn

from eventdb.errors import DatetimeFieldOverflow, DivisionByZero, InvalidDatetimeFormat
from eventdb.model.datatype import INTERVAL_FIELDS
from eventdb.model.value import Interval
from eventdb.sql.expressions.datetimes import to_utc

DAY_US = 86_400_000_000
_MONTH_DAYS = 30
_UNITS: dict[str, tuple[str, Decimal]] = {}
for _names, _part, _factor in (
    ("millennium millennia mil mils", "months", "12000"), ("century centuries cent c", "months", "1200"),
    ("decade decades dec decs", "months", "120"),
    ("year years yr yrs y", "months", "12"), ("month months mon mons", "months", "1"), ("week weeks w", "days", "7"),
    ("day days d", "days", "1"),
    ("hour hours hr hrs h", "us", "3600000000"), ("minute minutes min mins m", "us", "60000000"),
    ("second seconds sec secs s", "us", "1000000"),
    ("millisecond milliseconds ms msec msecs", "us", "1000"), ("microsecond microseconds us usec usecs", "us", "1"),
):  # fmt: skip
    for _name in _names.split():
        _UNITS[_name] = (_part, Decimal(_factor))
_TOKEN = re.compile(
    r"\s*(?:(?P<clock>[+-]?\d+:\d{1,2}(?::\d{1,2}(?:\.\d*)?)?)|(?P<year>[+-]?\d+)-(?P<month>\d{1,2})(?![\d:.])|(?P<number>[+-]?(?:\d+\.?\d*|\.\d+))\s*(?P<unit>[A-Za-z]+)?|(?P<word>[A-Za-z@]+))",
    re.ASCII,
)
_ISO_TOKEN = re.compile(r"(T)|([+-]?(?:\d+\.?\d*|\.\d+))([YMWDHS])", re.ASCII)
_ISO_UNITS = {"Y": "year", "M": "month", "W": "week", "D": "day", "H": "hour", "S": "second"}


def _invalid(text: str) -> NoReturn:
    raise InvalidDatetimeFormat(f'invalid input syntax for type interval: "{text[:60]}"')


def out_of_range() -> NoReturn:
    raise DatetimeFieldOverflow("interval out of range")


def make(months: int, days: int, microseconds: int) -> Interval:
    """An interval; DatetimeFieldOverflow if it is longer than one can be."""
    try:
        return Interval(months, days, microseconds)
    except OverflowError:
        out_of_range()


class _Sum:
    """Collects parts; a fraction of a month becomes days, a fraction of a day time."""

    def __init__(self) -> None:
        self.months = self.days = self.microseconds = Decimal(0)

    def add(self, amount: Decimal, unit: str, text: str) -> None:
        if len(amount.as_tuple().digits) > 25:
            out_of_range()
        found = _UNITS.get(unit.lower())
        if found is None:
            _invalid(text)
        part, factor = found
        amount *= factor
        whole = amount.to_integral_value("ROUND_DOWN")
        if part == "months":
            # A fraction of a year counts in whole months, a fraction of a month in days of which 30 make a month.
            self.months += whole
            if factor == 1:
                self.add((amount - whole) * _MONTH_DAYS, "day", text)
            else:
                self.months += (amount - whole).to_integral_value("ROUND_HALF_EVEN")
        elif part == "days":
            self.days += whole
            self.microseconds += (amount - whole) * DAY_US
        else:
            self.microseconds += amount

    def clock(self, text: str) -> None:
        negative = text.startswith("-")
        hours, minutes, *seconds = text.lstrip("+-").split(":")
        if int(minutes) > 59 or (seconds and Decimal(seconds[0] or 0) >= 60):
            raise DatetimeFieldOverflow(f'interval field value out of range: "{text[:60]}"')
        total = (Decimal(hours) * 3600 + Decimal(minutes) * 60 + Decimal(seconds[0] if seconds else 0)) * 1_000_000
        self.microseconds += -total if negative else total

    def interval(self, sign: int = 1) -> Interval:
        micros = int(self.microseconds.to_integral_value("ROUND_HALF_EVEN"))
        return make(sign * int(self.months), sign * int(self.days), sign * micros)


def parse_interval(text: str) -> Interval:
    """'1 year 2 mons 3 days 04:05:06', '1-2', '1.5 hours', '3 days ago', ISO 8601 'P1Y2MT3H'. A bare number counts seconds."""
    stripped = text.strip()
    if stripped[:1] == "P" or stripped[:2] == "-P":
        return _parse_iso(stripped, text)
    total = _Sum()
    position, found, sign = 0, False, 1
    while position < len(stripped):
        match = _TOKEN.match(stripped, position)
        if match is None or sign < 0:
            _invalid(text)
        position = match.end()
        if match["clock"]:
            total.clock(match["clock"])
        elif match["year"]:
            months = Decimal(match["year"]) * 12
            if int(match["month"]) > 11:
                raise DatetimeFieldOverflow(f'interval field value out of range: "{text[:60]}"')
            total.months += months + (Decimal(match["month"]) if match["year"][0] != "-" else -Decimal(match["month"]))
        elif match["number"]:
            rest = stripped[position:].lstrip()
            unit = match["unit"] or ("day" if re.match(r"[+-]?\d+:", rest) else "second")
            total.add(Decimal(match["number"]), unit, text)
        elif match["word"].lower() == "ago" and found:
            sign = -1
        elif match["word"] != "@" or found:
            _invalid(text)
        found = found or match["word"] is None
    if not found:
        _invalid(text)
    return total.interval(sign)


def _parse_iso(stripped: str, text: str) -> Interval:
    sign = 1
    if stripped[0] == "-":
        sign, stripped = -1, stripped[1:]
    total = _Sum()
    position, in_time, found = 1, False, False
    while position < len(stripped):
        match = _ISO_TOKEN.match(stripped, position)
        if match is None or (match[1] and in_time):
            _invalid(text)
        position = match.end()
        if match[1]:
            in_time = True
            continue
        if (match[3] in "HS") != in_time and match[3] != "M":
            _invalid(text)
        total.add(Decimal(match[2]), "minute" if match[3] == "M" and in_time else _ISO_UNITS[match[3]], text)
        found = True
    if not found:
        _invalid(text)
    return total.interval(sign)


_SMALLEST = {"hour": 3_600_000_000, "minute": 60_000_000}


def limited(value: Interval, precision: int | None, fields: int | None = None) -> Interval:
    """`value` with its seconds rounded to `precision` fractional digits, and without what is smaller than the last of its `fields` (a
    place in INTERVAL_FIELDS)."""
    if fields is not None:
        last = INTERVAL_FIELDS[fields].rpartition(" ")[2]
        if last in ("year", "month"):
            months = value.months
            return make(months if last == "month" else abs(months) // 12 * 12 * (1 if months >= 0 else -1), 0, 0)
        if last == "day":
            return make(value.months, value.whole_days, 0)
        if last in _SMALLEST:
            micros = value.time_us
            kept = abs(micros) // _SMALLEST[last] * _SMALLEST[last]
            return make(value.months, value.whole_days, kept if micros >= 0 else -kept)
    if precision is None or precision >= 6:
        return value
    unit = 10 ** (6 - precision)
    micros = value.time_us
    rounded = (abs(micros) + unit // 2) // unit * unit
    return make(value.months, value.whole_days, rounded if micros >= 0 else -rounded)


def render_interval(value: datetime.timedelta) -> str:
    """PostgreSQL's output style: `1 year 2 mons -3 days +04:05:06.7`."""
    value = Interval.of(value)
    parts: list[str] = []
    before = False
    # Months toward zero, so that both parts have one sign.
    years, months = divmod(abs(value.months), 12)
    if value.months < 0:
        years, months = -years, -months
    for amount, unit in ((years, "year"), (months, "mon"), (value.whole_days, "day")):
        if amount:
            parts.append(f"{'+' if before and amount > 0 else ''}{amount} {unit}{'' if amount == 1 else 's'}")
            before = amount < 0
    micros = value.time_us
    if micros or not parts:
        sign = "-" if micros < 0 else "+" if before else ""
        seconds, fraction = divmod(abs(micros), 1_000_000)
        text = f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        parts.append(text + (f".{fraction:06d}".rstrip("0") if fraction else ""))
    return " ".join(parts)


# ---- arithmetic


def interval_add(a: Interval, b: Interval) -> Interval:
    return make(a.months + b.months, a.whole_days + b.whole_days, a.time_us + b.time_us)


def interval_subtract(a: Interval, b: Interval) -> Interval:
    return make(a.months - b.months, a.whole_days - b.whole_days, a.time_us - b.time_us)


def interval_multiply(a: Interval, factor: float) -> Interval:
    """interval * number: fractions of months spill into days, fractions of days into time."""
    try:
        months = a.months * factor
        days = a.whole_days * factor
        whole_months, whole_days = int(months), int(days)
        spilled = round((months - whole_months) * _MONTH_DAYS, 9)
        whole_spilled = int(spilled)
        fraction = round((spilled - whole_spilled + days - whole_days) * 86_400, 6)
        return make(whole_months, whole_days + whole_spilled, round(a.time_us * factor + fraction * 1_000_000))
    except (OverflowError, ValueError):
        out_of_range()


def interval_divide(a: Interval, divisor: float) -> Interval:
    if divisor == 0:
        raise DivisionByZero("division by zero")
    return interval_multiply(a, 1 / divisor)


def _days_in(year: int, month: int) -> int:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]


def add_months(moment: datetime.datetime, months: int) -> datetime.datetime:
    """The same day of another month, or that month's last day."""
    index = moment.year * 12 + moment.month - 1 + months
    year, month = divmod(index, 12)
    if not 1 <= year <= 9999:
        raise DatetimeFieldOverflow("timestamp out of range")
    day = moment.day
    if day > 28:
        day = min(day, _days_in(year, month + 1))
    return moment.replace(year=year, month=month + 1, day=day)


def timestamp_add(moment: datetime.datetime, span: Interval) -> datetime.datetime:
    """timestamp + interval: months, then days, then time."""
    try:
        if span.months:
            moment = add_months(moment, span.months)
        return moment + datetime.timedelta(days=span.whole_days, microseconds=span.time_us)
    except OverflowError:
        raise DatetimeFieldOverflow("timestamp out of range") from None


def timestamp_subtract(moment: datetime.datetime, span: Interval) -> datetime.datetime:
    return timestamp_add(moment, -span)


def timestamptz_add(moment: datetime.datetime, span: Interval, zone: datetime.tzinfo) -> datetime.datetime:
    """timestamptz + interval: months and days on the clocks of `zone`, the time in absolute terms."""
    try:
        if span.months or span.whole_days:
            local = moment.astimezone(zone).replace(tzinfo=None)
            if span.months:
                local = add_months(local, span.months)
            moment = to_utc(local + datetime.timedelta(days=span.whole_days), zone)
        return moment + span.time
    except (OverflowError, ValueError):
        raise DatetimeFieldOverflow("timestamp out of range") from None


def timestamptz_subtract(moment: datetime.datetime, span: Interval, zone: datetime.tzinfo) -> datetime.datetime:
    return timestamptz_add(moment, -span, zone)


def difference(a: datetime.datetime, b: datetime.datetime) -> Interval:
    """timestamp - timestamp: days, and the rest as time with the same sign."""
    micros = (a - b) // datetime.timedelta(microseconds=1)
    days, rest = divmod(abs(micros), DAY_US)
    return Interval(0, days, rest) if micros >= 0 else Interval(0, -days, -rest)


def date_add(day: datetime.date, count: int) -> datetime.date:
    try:
        return day + datetime.timedelta(days=count)
    except OverflowError:
        raise DatetimeFieldOverflow("date out of range") from None


def date_subtract(day: datetime.date, count: int) -> datetime.date:
    return date_add(day, -count)


def clock_us(clock: datetime.time) -> int:
    """Microseconds since midnight."""
    return ((clock.hour * 60 + clock.minute) * 60 + clock.second) * 1_000_000 + clock.microsecond


def clock_of(microseconds: int, zone: datetime.tzinfo | None = None) -> datetime.time:
    """The time of day at that many microseconds since midnight, modulo a day."""
    seconds, micros = divmod(microseconds % DAY_US, 1_000_000)
    return datetime.time(seconds // 3600, seconds // 60 % 60, seconds % 60, micros, tzinfo=zone)


def time_add(clock: datetime.time, span: Interval) -> datetime.time:
    return clock_of(clock_us(clock) + span.time_us, clock.tzinfo)


def time_subtract(clock: datetime.time, span: Interval) -> datetime.time:
    return clock_of(clock_us(clock) - span.time_us, clock.tzinfo)


def time_difference(a: datetime.time, b: datetime.time) -> Interval:
    return Interval(0, 0, clock_us(a) - clock_us(b))


def time_to_interval(clock: datetime.time) -> Interval:
    return Interval(0, 0, clock_us(clock))


def interval_to_time(span: Interval) -> datetime.time:
    return clock_of(span.time_us)


def total_seconds(span: Interval) -> Decimal:
    """extract(epoch): a month counts 30 days, a year 365.25."""
    years, months = divmod(abs(span.months), 12)
    seconds = Decimal(years) * 31557600 + Decimal(months) * 2592000
    return (-seconds if span.months < 0 else seconds) + span.whole_days * 86400 + Decimal(span.time_us).scaleb(-6)


def whole_or_half_even(value: float) -> int:
    """A float rounded to the nearest integer, ties to even; DatetimeFieldOverflow for NaN and infinity."""
    if not math.isfinite(value):
        out_of_range()
    return round(value)
