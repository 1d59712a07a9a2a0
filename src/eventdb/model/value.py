"""Values that Python has no type for, and the order of keys.

`Interval` is PostgreSQL's interval: months, days and microseconds kept apart, because a month has no fixed length. It is a
`timedelta` in which a month counts 30 days, which is also how PostgreSQL compares intervals.

Keys: a key component is a value of one SQL type. Where a column may hold NULL or NaN, `NULL_KEY` and `NAN_KEY` stand for them in
index keys: they compare with every value (NaN after all numbers, NULL after all values) so that a key is always comparable.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

_DAYS_PER_MONTH = 30


class Interval(timedelta):
    """An amount of time: `months`, `whole_days` and `microseconds_of_day` apart; equal, ordered and hashed as the timedelta that it is."""

    months: int
    whole_days: int
    time: timedelta

    def __new__(cls, months: int = 0, days: int = 0, microseconds: int = 0) -> Interval:
        self = super().__new__(cls, days=months * _DAYS_PER_MONTH + days, microseconds=microseconds)
        self.months = months
        self.whole_days = days
        self.time = timedelta(microseconds=microseconds)
        return self

    @classmethod
    def of(cls, delta: timedelta) -> Interval:
        """The interval for a plain timedelta: its days as days, the rest as time."""
        if isinstance(delta, Interval):
            return delta
        return cls(0, delta.days, delta.seconds * 1_000_000 + delta.microseconds)

    @property
    def time_us(self) -> int:
        """The part below days, in microseconds; may be negative or more than a day."""
        return (self.time.days * 86_400 + self.time.seconds) * 1_000_000 + self.time.microseconds

    def __neg__(self) -> Interval:
        return Interval(-self.months, -self.whole_days, -self.time_us)

    def __repr__(self) -> str:
        parts = (("months", self.months), ("days", self.whole_days), ("microseconds", self.time_us))
        return f"Interval({', '.join(f'{name}={value}' for name, value in parts if value)})"

    def __reduce__(self) -> Any:
        return (Interval, (self.months, self.whole_days, self.time_us))


class _Last:
    """A key component that sorts after every value of any type; of two, by rank."""

    __slots__ = ("name", "rank")

    def __init__(self, name: str, rank: int) -> None:
        self.name = name
        self.rank = rank

    def __lt__(self, other: object) -> bool:
        return isinstance(other, _Last) and self.rank < other.rank

    def __le__(self, other: object) -> bool:
        return isinstance(other, _Last) and self.rank <= other.rank

    def __gt__(self, other: object) -> bool:
        return not isinstance(other, _Last) or self.rank > other.rank

    def __ge__(self, other: object) -> bool:
        return not isinstance(other, _Last) or self.rank >= other.rank

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> str:
        return self.name


class _First:
    """A key component that sorts before every other; a bound for scans, and NULL where an index puts it first."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __lt__(self, other: object) -> bool:
        return other is not self

    def __le__(self, other: object) -> bool:
        return True

    def __gt__(self, other: object) -> bool:
        return False

    def __ge__(self, other: object) -> bool:
        return other is self

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> str:
        return self.name


MIN_KEY = _First("MIN_KEY")
NAN_KEY = _Last("NAN_KEY", 0)
NULL_KEY = _Last("NULL_KEY", 1)
MAX_KEY = _Last("MAX_KEY", 2)
"""`MIN_KEY` and `MAX_KEY` are bounds: a prefix (a,) covers all keys between (a, MIN_KEY) and (a, MAX_KEY)."""


class Descending:
    """A key component in reverse order, for index columns declared DESC."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Descending) and bool(self.value == other.value)

    def __hash__(self) -> int:
        return hash(self.value)

    def __lt__(self, other: Descending) -> Any:
        return other.value < self.value if isinstance(other, Descending) else NotImplemented

    def __le__(self, other: Descending) -> Any:
        return other.value <= self.value if isinstance(other, Descending) else NotImplemented

    def __gt__(self, other: Descending) -> Any:
        return other.value > self.value if isinstance(other, Descending) else NotImplemented

    def __ge__(self, other: Descending) -> Any:
        return other.value >= self.value if isinstance(other, Descending) else NotImplemented

    def __repr__(self) -> str:
        return f"Descending({self.value!r})"
