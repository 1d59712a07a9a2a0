"""Dates and times from text and to text, time zones, and conversions among them.

Range: Python's, the years 1 to 9999. Years before Christ and 'infinity' are refused with an error that says so. Timestamps with time zone
are aware and always UTC inside.
"""

from __future__ import annotations

import datetime
import re
from datetime import UTC
from functools import cache, lru_cache
from typing import Any, NoReturn, TypeVar

from eventdb.errors import DatetimeFieldOverflow, InvalidDatetimeFormat, InvalidParameterValue, NotSupportedError
from eventdb.model.clock import now
from eventdb.model.transaction import datetime_of

_NO_OFFSET = datetime.timedelta()

_MONTHS = {
    name: number
    for number, names in enumerate(
        ("jan january", "feb february", "mar march", "apr april", "may", "jun june", "jul july", "aug august", "sep sept september",
         "oct october", "nov november", "dec december"), 1,
    )
    for name in names.split()
}  # fmt: skip
_DATE = (
    r"(?:(?P<y>\d{4,6})-(?P<m>\d{1,2})-(?P<d>\d{1,2})|(?P<y2>\d{4})(?P<m2>\d\d)(?P<d2>\d\d)|(?P<y3>\d{4})/(?P<m3>\d{1,2})/(?P<d3>\d{1,2})"
    r"|(?P<m4>\d{1,2})/(?P<d4>\d{1,2})/(?P<y4>\d{4})|(?P<d5>\d{1,2})[- ](?P<n5>[A-Za-z]{3,9})[- ,]+(?P<y5>\d{4})"
    r"|(?P<n6>[A-Za-z]{3,9})\.? (?P<d6>\d{1,2}),? (?P<y6>\d{4})|(?P<y7>\d{4})-(?P<n7>[A-Za-z]{3,9})-(?P<d7>\d{1,2}))"
)
_TIME = (
    r"(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:[.,](?P<F>\d+))?)?\s*(?P<half>[AaPp][Mm](?![A-Za-z]))?"
    r"|(?P<H2>\d{2})(?P<M2>\d{2})(?P<S2>\d{2})(?:\.(?P<F2>\d+))?"
)
_ZONE = r"(?P<zone>[+-]\d{1,2}(?::?\d{2}(?::?\d{2})?)?|[A-Za-z_]+(?:/[A-Za-z0-9_+-]+){0,2})"
_OFFSET = re.compile(r"([+-])(\d{1,2})(?::?(\d{2})(?::?(\d{2}))?)?", re.ASCII)
_ABBREVIATIONS = {
    "utc": 0, "gmt": 0, "z": 0, "zulu": 0, "ut": 0, "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7,
    "cet": 1, "cest": 2, "bst": 1, "wet": 0, "west": 1, "eet": 2, "eest": 3, "msk": 3, "jst": 9,
}  # fmt: skip


@cache
def _stamp_pattern() -> re.Pattern[str]:  # not at import: it takes a millisecond
    return re.compile(rf"\s*{_DATE}(?:(?:[Tt]|\s+)(?:{_TIME})\s*{_ZONE}?)?(?:\s*(?P<era>BC|AD|bc|ad))?\s*", re.ASCII)


@cache
def _clock_pattern() -> re.Pattern[str]:
    return re.compile(rf"\s*[Tt]?(?:{_TIME})\s*{_ZONE}?\s*", re.ASCII)


_T = TypeVar("_T", datetime.time, datetime.datetime, datetime.date)


def _invalid(text: str, what: str) -> NoReturn:
    word = text.strip().lower()
    if word in ("infinity", "-infinity"):
        raise NotSupportedError(f'type {what} has no "{word}" in eventdb', hint="The last moment is 9999-12-31 23:59:59.999999.")
    raise InvalidDatetimeFormat(f'invalid input syntax for type {what}: "{text[:60]}"')


def _overflow(text: str, why: str = "") -> NoReturn:
    raise DatetimeFieldOverflow(f'date/time field value out of range: "{text[:60]}"', detail=why or None)


@lru_cache(maxsize=512)
def zone_of(name: str) -> datetime.tzinfo:
    """The time zone of an IANA name, an abbreviation or an offset (`+02:00` is east of Greenwich). Raises InvalidParameterValue."""
    match = _OFFSET.fullmatch(name.strip())
    if match:
        return _offset(match, name)
    hours = _ABBREVIATIONS.get(name.strip().lower())
    if hours is not None:
        return datetime.timezone(datetime.timedelta(hours=hours)) if hours else UTC
    import zoneinfo  # most processes never name a zone

    try:
        return zoneinfo.ZoneInfo(name.strip())
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        pass
    found = _zone_names().get(name.strip().lower())
    if found is None:
        raise InvalidParameterValue(f'time zone "{name[:60]}" not recognized')
    return zoneinfo.ZoneInfo(found)


@lru_cache(maxsize=1)
def _zone_names() -> dict[str, str]:
    import zoneinfo

    return {name.lower(): name for name in zoneinfo.available_timezones()}


def _offset(match: re.Match[str], text: str) -> datetime.timezone:
    seconds = int(match[2]) * 3600 + int(match[3] or 0) * 60 + int(match[4] or 0)
    if seconds >= 16 * 3600 or int(match[3] or 0) > 59:
        raise DatetimeFieldOverflow(f'time zone displacement out of range: "{text[:60]}"')
    if seconds == 0:
        return UTC
    return datetime.timezone(datetime.timedelta(seconds=-seconds if match[1] == "-" else seconds))


def _date_of(match: re.Match[str], text: str) -> datetime.date:
    parts = match.groupdict()
    if (parts["era"] or "").lower() == "bc":
        raise DatetimeFieldOverflow(f'date out of range: "{text[:60]}"', detail="Years before Christ are not supported.")
    for suffix in ("", "2", "3", "4", "5", "6", "7"):
        year = parts.get("y" + suffix)
        if year is not None:
            month = parts.get("m" + suffix)
            number = int(month) if month is not None else _MONTHS.get(parts["n" + suffix].lower())
            if number is None:
                _invalid(text, "date")
            try:
                return datetime.date(int(year), number, int(parts["d" + suffix]))
            except ValueError as error:
                _overflow(text, str(error))
    _invalid(text, "date")


def _clock_of(match: re.Match[str], text: str) -> tuple[int, int]:
    """(seconds, microseconds) since midnight; 24:00:00 and a leap second 60 are allowed, fractions are rounded to microseconds."""
    hour = match["H"] or match["H2"]
    if hour is None:
        return 0, 0
    hours, minutes, seconds = int(hour), int(match["M"] or match["M2"]), int(match["S"] or match["S2"] or 0)
    half = (match["half"] or "").lower()
    if half:
        if not 1 <= hours <= 12:
            _overflow(text)
        hours = hours % 12 + (12 if half == "pm" else 0)
    digits = match["F"] or match["F2"] or ""
    micros = int(digits[:7].ljust(7, "0"))
    micros = micros // 10 + (
        micros % 10 > 5 or (micros % 10 == 5 and ((len(digits) > 7 and digits[7:].strip("0") != "") or micros // 10 % 2 == 1))
    )
    if minutes > 59 or seconds > 60 or hours > 24 or (hours == 24 and (minutes or seconds or micros)):
        _overflow(text)
    return hours * 3600 + minutes * 60 + seconds, micros


def _zone_of_text(name: str, text: str, what: str) -> datetime.tzinfo:
    try:
        return zone_of(name)
    except InvalidParameterValue:
        _invalid(text, what)


def _stamp(text: str, what: str) -> tuple[datetime.datetime, datetime.tzinfo | None]:
    """The naive timestamp that a text spells, and the zone it names."""
    try:
        moment = datetime.datetime.fromisoformat(text)
        if len(text) <= 26 or text[19:20] != ".":
            return moment.replace(tzinfo=None), moment.tzinfo
    except ValueError:
        pass
    if text.strip().lower() == "epoch":
        return datetime.datetime(1970, 1, 1), UTC
    match = _stamp_pattern().fullmatch(text)
    if match is None:
        _invalid(text, what)
    day = _date_of(match, text)
    seconds, micros = _clock_of(match, text)
    zone = _zone_of_text(match["zone"], text, what) if match["zone"] else None
    try:
        return datetime.datetime.combine(day, datetime.time()) + datetime.timedelta(seconds=seconds, microseconds=micros), zone
    except OverflowError:
        _overflow(text)


def parse_date(text: str) -> datetime.date:
    return _stamp(text, "date")[0].date()


def parse_timestamp(text: str) -> datetime.datetime:
    """A timestamp without time zone; an offset in the text is ignored, as in PostgreSQL."""
    return _stamp(text, "timestamp without time zone")[0]


def parse_timestamptz(text: str, zone: datetime.tzinfo) -> datetime.datetime:
    """An aware timestamp in UTC; without an offset in the text it is local to `zone`."""
    moment, own = _stamp(text, "timestamp with time zone")
    return to_utc(moment, own or zone)


def names_zone(text: str) -> bool:
    """Whether a timestamp's text says its own zone, so that it means the same in every session."""
    try:
        return _stamp(text, "timestamp with time zone")[1] is not None
    except (InvalidDatetimeFormat, DatetimeFieldOverflow, NotSupportedError):
        return False


def to_utc(moment: datetime.datetime, zone: datetime.tzinfo) -> datetime.datetime:
    """The aware UTC timestamp of a naive one that is local to `zone`.

    As in PostgreSQL, a local time that came twice (clocks went back) is the second one, and one that never was (clocks went forward) is
    counted on from before the change. Both are the smaller of the two offsets from UTC.
    """
    if zone is UTC:
        return moment.replace(tzinfo=UTC, fold=0)
    try:
        first = moment.replace(tzinfo=zone, fold=0)
        second = first.replace(fold=1)
        return (second if (second.utcoffset() or _NO_OFFSET) < (first.utcoffset() or _NO_OFFSET) else first).astimezone(UTC)
    except (OverflowError, ValueError):
        raise DatetimeFieldOverflow("timestamp out of range") from None


def to_local(moment: datetime.datetime, zone: datetime.tzinfo) -> datetime.datetime:
    """The naive timestamp that clocks in `zone` show at an aware one."""
    try:
        return moment.astimezone(zone).replace(tzinfo=None)
    except (OverflowError, ValueError):
        raise DatetimeFieldOverflow("timestamp out of range") from None


def parse_time(text: str) -> datetime.time:
    return _time(text, "time without time zone")[0]


def parse_timetz(text: str, zone: datetime.tzinfo) -> datetime.time:
    clock, own = _time(text, "time with time zone")
    own = own or zone
    offset = own.utcoffset(None) or datetime_of(now()).astimezone(own).utcoffset() or datetime.timedelta()
    return clock.replace(tzinfo=datetime.timezone(offset) if offset else UTC)


def _time(text: str, what: str) -> tuple[datetime.time, datetime.tzinfo | None]:
    match = _clock_pattern().fullmatch(text)
    if match is None:
        try:
            moment, zone = _stamp(text, what)
        except (InvalidDatetimeFormat, NotSupportedError):
            _invalid(text, what)
        return moment.time(), zone
    seconds, micros = _clock_of(match, text)
    # Python's time has no 24:00:00: the end of a day reads as its beginning.
    clock = (datetime.datetime.min + datetime.timedelta(seconds=seconds % 86400, microseconds=micros)).time()
    return clock, _zone_of_text(match["zone"], text, what) if match["zone"] else None


def limited(value: _T, precision: int | None) -> _T:
    """A time or timestamp rounded to `precision` fractional digits (0-6), half up. A date is given back as it is."""
    if precision is None or precision >= 6 or not isinstance(value, (datetime.time, datetime.datetime)):
        return value
    unit = 10 ** (6 - precision)
    micros = (value.microsecond + unit // 2) // unit * unit
    if micros < 1_000_000:
        return value.replace(microsecond=micros)
    if isinstance(value, datetime.datetime):
        try:
            return value.replace(microsecond=0) + datetime.timedelta(seconds=1)
        except OverflowError:
            raise DatetimeFieldOverflow("timestamp out of range") from None
    moment = datetime.datetime.combine(datetime.date.min, value.replace(microsecond=0)) + datetime.timedelta(seconds=1)
    return moment.timetz()


# ---- to text


def _fraction(micros: int) -> str:
    return f".{micros:06d}".rstrip("0") if micros else ""


def render_offset(offset: datetime.timedelta | None) -> str:
    """`+00`, `+05:30`, as PostgreSQL prints an offset."""
    seconds = int((offset or datetime.timedelta()).total_seconds())
    sign = "-" if seconds < 0 else "+"
    hours, rest = divmod(abs(seconds), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{sign}{hours:02d}" + (f":{minutes:02d}" if minutes or seconds else "") + (f":{seconds:02d}" if seconds else "")


def render_date(value: datetime.date) -> str:
    return f"{value.year:04d}-{value.month:02d}-{value.day:02d}"


def render_time(value: datetime.time) -> str:
    text = f"{value.hour:02d}:{value.minute:02d}:{value.second:02d}{_fraction(value.microsecond)}"
    return text if value.tzinfo is None else text + render_offset(value.utcoffset())


def render_timestamp(value: datetime.datetime) -> str:
    return f"{render_date(value)} {value.hour:02d}:{value.minute:02d}:{value.second:02d}{_fraction(value.microsecond)}"


def render_timestamptz(value: datetime.datetime, zone: datetime.tzinfo) -> str:
    local: Any = value
    try:
        local = value.astimezone(zone)
    except (OverflowError, ValueError):
        local = value
    return render_timestamp(local) + render_offset(local.utcoffset())
