"""to_char, to_date, to_timestamp, to_number: values by template patterns."""

from __future__ import annotations

import datetime
import re
from decimal import Decimal
from typing import Any

from eventdb.errors import (
    DatetimeFieldOverflow,
    InvalidDatetimeFormat,
    InvalidTextRepresentation,
    NotSupportedError,
    NumericValueOutOfRange,
)
from eventdb.model.value import Interval
from eventdb.sql.expressions import arithmetic, datetimes

_MONTHS = (
    "", "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_PATTERN = re.compile(
    r'"(?P<quoted>[^"]*)"|(?P<fm>FM)?(?P<code>HH24|HH12|HH|MI|IW|IDDD|ID|SSSSS?|SS|MS|US|FF[1-6]|AM|PM|am|pm|A\.M\.|P\.M\.|a\.m\.|p\.m\.|Y,YYY|YYYY|YYY|YY|Y|IYYY|IYY|IY|I'
    r"|MONTH|Month|month|MON|Mon|mon|MM|DAY|Day|day|DY|Dy|dy|DDD|DD|IDDD|ID|D|WW|W|IW|CC|J|Q|RM|rm|TZH|TZM|TZ|tz|OF)(?P<th>TH|th)?",
)


def _clock(value: Any, code: str) -> tuple[int, int] | None:
    """(number, width) for the codes that print a number."""
    simple = {
        "HH24": ("hour", 2), "MI": ("minute", 2), "SS": ("second", 2), "US": ("microsecond", 6), "MM": ("month", 2), "DD": ("day", 2),
        "YYYY": ("year", 4),
    }  # fmt: skip
    if code in simple:
        name, width = simple[code]
        return getattr(value, name), width
    match code:
        case "HH12" | "HH":
            return (value.hour - 1) % 12 + 1, 2
        case "MS":
            return value.microsecond // 1000, 3
        case "SSSS" | "SSSSS":
            return value.hour * 3600 + value.minute * 60 + value.second, 0
        case "YYY" | "YY" | "Y":
            return value.year % 10 ** len(code), len(code)
        case "IYYY":
            return value.isocalendar()[0], 4
        case "IYY" | "IY" | "I":
            return value.isocalendar()[0] % 10 ** len(code), len(code)
        case "DDD":
            return value.timetuple().tm_yday, 3
        case "D":
            return value.isoweekday() % 7 + 1, 1
        case "ID":
            return value.isoweekday(), 1
        case "WW":
            return (value.timetuple().tm_yday - 1) // 7 + 1, 2
        case "W":
            return (value.day - 1) // 7 + 1, 1
        case "IW":
            return value.isocalendar()[1], 2
        case "CC":
            return (value.year + 99) // 100, 2
        case "J":
            return value.toordinal() + 1721425, 0
        case "Q":
            return (value.month + 2) // 3, 1
    return None


def _cased(text: str, code: str, width: int, fill: bool) -> str:
    text = text.upper() if code.isupper() else text.lower() if code.islower() else text
    return text if fill else text.ljust(width)


_ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")


def _word(value: Any, code: str, plain: bool) -> str:
    lowered = code.lower()
    if lowered == "month":
        return _cased(_MONTHS[value.month], code, 9, plain)
    if lowered == "mon":
        return _cased(_MONTHS[value.month][:3], code, 0, True)
    if lowered == "day":
        return _cased(_DAYS[value.isoweekday() % 7], code, 9, plain)
    if lowered == "dy":
        return _cased(_DAYS[value.isoweekday() % 7][:3], code, 0, True)
    if lowered in ("am", "pm", "a.m.", "p.m."):
        half = ("pm" if value.hour >= 12 else "am") if "." not in code else ("p.m." if value.hour >= 12 else "a.m.")
        return half.upper() if code.isupper() else half
    if lowered == "rm":
        return _cased(_ROMAN[value.month - 1], code, 4, plain)
    if code.startswith("FF"):
        return f"{value.microsecond:06d}"[: int(code[2])]
    offset = value.utcoffset() if isinstance(value, datetime.datetime) else None
    if code in ("OF", "TZH"):
        text = datetimes.render_offset(offset)
        return text if code == "OF" else text[:3]
    if code == "TZM":
        return f"{int(abs((offset or datetime.timedelta()).total_seconds())) // 60 % 60:02d}"
    if lowered == "tz":
        name = (value.tzname() or "") if offset is not None else ""
        return name.lower() if code == "tz" else name
    if code == "Y,YYY":
        return f"{value.year:,}"
    raise NotSupportedError(f'format pattern "{code}" is not supported')


def _ordinal(number: int, th: str) -> str:
    suffix = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return suffix.upper() if th == "TH" else suffix


def char_timestamp(value: datetime.datetime, template: str) -> str:
    """to_char of a timestamp."""

    def fill(match: re.Match[str]) -> str:
        if match["code"] is None:
            return match["quoted"]
        number = _clock(value, match["code"])
        if number is None:
            return _word(value, match["code"], match["fm"] is not None)
        text = str(number[0]) if match["fm"] else f"{number[0]:0{number[1] or 1}d}"
        return text + (_ordinal(number[0], match["th"]) if match["th"] else "")

    return _PATTERN.sub(fill, template)


def char_timestamptz(cx: Any, value: datetime.datetime, template: str) -> str:
    return char_timestamp(value.astimezone(cx.timezone), template)


class _Parts:
    """An interval in the shape of a timestamp, for the codes that make sense for it."""

    def __init__(self, span: Interval) -> None:
        micros = abs(span.time_us)
        self.year, self.month = divmod(abs(span.months), 12)
        self.day = abs(span.whole_days)
        self.hour, rest = divmod(micros, 3_600_000_000)
        self.minute, rest = divmod(rest, 60_000_000)
        self.second, self.microsecond = divmod(rest, 1_000_000)


def char_interval(value: Interval, template: str) -> str:
    parts: Any = _Parts(value)
    try:
        return char_timestamp(parts, template)
    except (AttributeError, IndexError):
        raise InvalidDatetimeFormat(
            "invalid format specification for an interval value", hint="Intervals are not tied to specific calendar dates."
        ) from None


# ---- numbers


def char_number(value: Any, template: str) -> str:
    """to_char of a number: 9 0 . , D G S MI PL PR FM V-less, and literal text in quotes."""
    plain = template.upper().startswith("FM")
    body = template[2:] if plain else template
    upper = body.upper()
    for code in ("EEEE", "RN", "TH", "V"):
        if code in re.sub(r'"[^"]*"', "", upper):
            raise NotSupportedError(f'format pattern "{code}" is not supported in to_char of a number')
    before, point, after = upper.partition("D" if "D" in upper else ".")
    digits_after = sum(c in "09" for c in after)
    digits_before = sum(c in "09" for c in before)
    number = _decimal(value)
    if number is None:
        return " " * (digits_before + bool(point) + digits_after)
    number = arithmetic.rounded(number, digits_after)
    whole, _, fraction = f"{number.copy_abs():f}".partition(".")
    negative = number < 0
    if len(whole.lstrip("0")) > digits_before:
        whole, fraction = "#" * digits_before, "#" * digits_after
    return _fill_number(body, whole.lstrip("0") if whole != "0" else "", fraction, negative, plain, digits_before, digits_after)


def _decimal(value: Any) -> Decimal | None:
    if isinstance(value, float):
        return Decimal(repr(value)) if value == value and abs(value) != float("inf") else None
    return Decimal(value)


def _fill_number(body: str, whole: str, fraction: str, negative: bool, plain: bool, digits_before: int, digits_after: int) -> str:
    missing = digits_before - len(whole)
    out: list[str] = []
    started, in_fraction, position = False, False, 0
    signed = any(code in body.upper() for code in ("S", "MI", "PL", "PR"))
    shown_fraction = _shown_fraction(body, fraction, plain)
    for token in re.findall(r'"[^"]*"|MI|PL|PR|.', body, re.IGNORECASE):
        code = token.upper()
        if code in ("9", "0"):
            if in_fraction:
                out.append(shown_fraction[position] if position < len(shown_fraction) else "")
            elif position >= missing:
                started = True
                out.append(whole[position - missing])
            elif code == "0" or started:
                started = True
                out.append("0")
            else:
                out.append("" if plain else " ")
            position += 1
        elif code in (".", "D"):
            in_fraction, position = True, 0
            out.append(".")
        elif code in (",", "G"):
            out.append("," if started else "" if plain else " ")
        elif code == "S":
            out.append("-" if negative else "+")
        elif code == "MI":
            out.append("-" if negative else "" if plain else " ")
        elif code == "PL":
            out.append("+" if not negative else "" if plain else " ")
        elif code != "PR":
            out.append(token.strip('"') if len(token) > 1 else token)
    text = "".join(out)
    if not digits_after and not whole and digits_before and "0" not in body.split(".")[0] and not started:
        text = text[:-1] + "0" if text.endswith(" ") else text + "0"
    return _with_sign(text, negative, plain, signed, "PR" in body.upper())


def _shown_fraction(body: str, fraction: str, plain: bool) -> str:
    if not plain:
        return fraction
    after = re.split(r"[.Dd]", body, maxsplit=1)[-1]
    forced = after.rfind("0") + 1
    kept = fraction.rstrip("0")
    return kept + fraction[len(kept) : forced] if forced > len(kept) else kept


def _with_sign(text: str, negative: bool, plain: bool, signed: bool, angle: bool) -> str:
    if angle:
        stripped = text.strip()
        return f"<{stripped}>".rjust(len(text) + 2) if negative else text if plain else f" {text} "
    if signed:
        return text
    if not negative:
        return text if plain else " " + text
    stripped = text.lstrip(" ")
    return " " * (len(text) - len(stripped)) + "-" + stripped


def to_number(text: str, template: str) -> Decimal:
    """to_number: the digits, sign and decimal point of the text; the template says which characters count."""
    cleaned = re.sub(r"[^0-9.+<>-]", "", text.replace(",", ""))
    negative = "-" in cleaned or "<" in cleaned
    digits = re.sub(r"[^0-9.]", "", cleaned)
    if not re.fullmatch(r"\d+\.?\d*|\.\d+", digits):
        raise InvalidTextRepresentation(f'invalid input syntax for type numeric: "{text[:60]}"')
    scale = sum(c in "09" for c in re.split(r"[.Dd]", template, maxsplit=1)[1]) if re.search(r"[.Dd]", template) else 0
    number = arithmetic.plain(Decimal(digits))
    if len(digits) > arithmetic.MAX_WHOLE_DIGITS:
        raise NumericValueOutOfRange("value overflows numeric format")
    number = arithmetic.rounded(number, scale) if arithmetic.scale_of(number) < scale else number
    return number.copy_negate() if negative else number


# ---- to_date, to_timestamp

_READERS: dict[str, tuple[str, str]] = {
    "YYYY": ("year", r"\d{1,4}"), "YYY": ("year3", r"\d{1,3}"), "YY": ("year2", r"\d{1,2}"), "Y": ("year1", r"\d"),
    "MM": ("month", r"\d{1,2}"),
    "DD": ("day", r"\d{1,2}"), "DDD": ("doy", r"\d{1,3}"), "HH24": ("hour", r"\d{1,2}"), "HH12": ("hour12", r"\d{1,2}"),
    "HH": ("hour12", r"\d{1,2}"),
    "MI": ("minute", r"\d{1,2}"), "SS": ("second", r"\d{1,2}"), "MS": ("ms", r"\d{1,3}"), "US": ("us", r"\d{1,6}"), "J": ("julian", r"\d+"),
    "MONTH": ("name", "[A-Za-z]+"), "MON": ("name", "[A-Za-z]{3}"), "DAY": ("", "[A-Za-z]+"), "DY": ("", "[A-Za-z]{3}"),
    "AM": ("half", "[AaPp][Mm]"),
    "PM": ("half", "[AaPp][Mm]"), "TZH": ("tzh", r"[+-]?\d{1,2}"), "TZM": ("tzm", r"\d{1,2}"), "OF": ("offset", r"[+-]\d{1,2}(?::?\d{2})?"),
    "Q": ("", r"\d"), "D": ("", r"\d"), "W": ("", r"\d"), "CC": ("", r"\d{1,2}"),
}  # fmt: skip


def _read(text: str, template: str) -> dict[str, str]:
    found: dict[str, str] = {}
    place = 0
    codes = list(_PATTERN.finditer(template))
    cursor = 0
    for number, match in enumerate(codes):
        place = _skip(text, place, template[cursor : match.start()])
        cursor = match.end()
        if match["code"] is None:
            place += len(match["quoted"])
            continue
        reader = _READERS.get(match["code"].upper())
        if reader is None:
            raise NotSupportedError(f'format pattern "{match["code"]}" is not supported in to_date and to_timestamp')
        name, shape = reader
        glued = number + 1 < len(codes) and codes[number + 1].start() == match.end()
        if not glued and match["code"].upper() == "YYYY":
            shape = r"\d{1,5}"
        value = re.compile(r"\s*(" + shape + ")").match(text, place)
        if value is None:
            raise InvalidDatetimeFormat(
                f'invalid value "{text[place : place + 10]}" for "{match["code"]}"', detail=f'The text is "{text[:60]}".'
            )
        place = value.end()
        if name:
            found[name] = value[1]
    return found


def _skip(text: str, place: int, separators: str) -> int:
    for _ in separators:
        if place < len(text) and not text[place].isalnum() and not (text[place] in "+-" and separators.isspace()):
            place += 1
    return place


def _moment(text: str, template: str) -> tuple[datetime.datetime, dict[str, str]]:
    found = _read(text, template)

    def number(name: str, default: int) -> int:
        return int(found.get(name, default))

    year = number("year", 1)
    for digits, base in (("year3", 2000), ("year2", 2000), ("year1", 2020)):
        if digits in found:
            year = int(found[digits]) + (1900 if digits == "year2" and int(found[digits]) >= 70 else base)
    month = number("month", 1)
    if "name" in found:
        names = [name[: len(found["name"])].lower() for name in _MONTHS]
        if found["name"].lower() not in names[1:]:
            raise InvalidDatetimeFormat(f'invalid value "{found["name"]}" for "Month"')
        month = names.index(found["name"].lower(), 1)
    hour = number("hour", 0)
    if "hour12" in found:
        hour = number("hour12", 12)
        if not 1 <= hour <= 12:
            raise InvalidDatetimeFormat(f'hour "{hour}" is invalid for the 12-hour clock')
        hour = hour % 12 + (12 if found.get("half", "am").lower() == "pm" else 0)
    micros = int(found.get("ms", "0").ljust(3, "0")) * 1000 + int(found.get("us", "0").ljust(6, "0"))
    try:
        moment = datetime.datetime(year, month, number("day", 1), hour, number("minute", 0), number("second", 0)) + datetime.timedelta(
            microseconds=micros
        )
        if "doy" in found:
            moment = moment.replace(month=1, day=1) + datetime.timedelta(days=int(found["doy"]) - 1)
        if "julian" in found:
            moment = datetime.datetime.combine(datetime.date.fromordinal(int(found["julian"]) - 1721425), moment.time())
    except (ValueError, OverflowError):
        raise DatetimeFieldOverflow(f'date/time field value out of range: "{text[:60]}"') from None
    return moment, found


def to_date(text: str, template: str) -> datetime.date:
    return _moment(text, template)[0].date()


def to_timestamp(cx: Any, text: str, template: str) -> datetime.datetime:
    moment, found = _moment(text, template)
    zone = cx.timezone
    if "offset" in found:
        zone = datetimes.zone_of(found["offset"])
    elif "tzh" in found:
        zone = datetimes.zone_of(f"{found['tzh'] if found['tzh'][0] in '+-' else '+' + found['tzh']}:{found.get('tzm', '0').rjust(2, '0')}")
    return datetimes.to_utc(moment, zone)
