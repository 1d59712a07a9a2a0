"""The field qualifier of an interval literal: INTERVAL '1' DAY says '1 day'."""

from __future__ import annotations

import re

from eventdb import errors

_NUMBER = re.compile(r"\s*[+-]?\d+\s*\Z")
_SECONDS = re.compile(r"\s*[+-]?\d+(\.\d*)?\s*\Z")
_PAIR = re.compile(r"\s*([+-]?)(\d+)[\s:-](\d+(?:\.\d*)?)\s*\Z")
_WITH_UNITS = re.compile(r"[A-Za-z]")


def interval_text(text: str, fields: str, position: int) -> str:
    """The literal with its units written out.

    `fields` is the qualifier in lower case ("day", "year to month"). Raises InvalidDatetimeFormat when the text is not in the
    qualifier's form.
    """
    first, _, last = fields.partition(" to ")
    if not last:
        if (_SECONDS if first == "second" else _NUMBER).match(text):
            return f"{text.strip()} {first}"
        if _WITH_UNITS.search(text) and set(re.findall(r"[a-z]+", text.lower())) <= {first, f"{first}s"}:
            return text
    elif (pair := _PAIR.match(text)) and fields in ("year to month", "day to hour", "hour to minute", "minute to second"):
        sign, a, b = pair.groups()
        if "." not in b or last == "second":
            return f"{sign}{a} {first} {sign}{b} {last}"
    elif re.match(r"\s*[+-]?(\d+\s+)?\d+(:\d+){1,2}(\.\d*)?\s*\Z", text) and fields in (
        "day to minute",
        "day to second",
        "hour to second",
    ):
        return text
    raise errors.InvalidDatetimeFormat(f"invalid input syntax for interval {fields}: {text!r}", position=position)
