"""Ascending numbers that only ever grow, shared by all states of a history: commit times, and the transactions that touched a table."""

from __future__ import annotations

import threading
from array import array
from bisect import bisect_right
from collections.abc import Iterable
from typing import Self

_appending = threading.Lock()


class Ascending:
    """Ascending integers. Immutable; `extended` is O(1) along one history: one append-only array serves all, each with its own length."""

    __slots__ = ("_numbers", "length")

    def __init__(self, numbers: array[int] | None = None) -> None:
        self._numbers = array("q") if numbers is None else numbers
        self.length = len(self._numbers)

    @classmethod
    def of(cls, numbers: Iterable[int]) -> Self:
        """Those numbers."""
        return cls(array("q", numbers))

    def extended(self, number: int) -> Self:
        """These numbers, and a larger one."""
        with _appending:
            numbers = self._numbers
            if len(numbers) > self.length and numbers[self.length] != number:
                numbers = numbers[: self.length]
            if len(numbers) == self.length:
                numbers.append(number)
            longer = type(self).__new__(type(self))
            longer._numbers = numbers
            longer.length = self.length + 1
            return longer

    def shortened(self, length: int) -> Self:
        """The first `length` of them; O(1)."""
        shorter = type(self).__new__(type(self))
        shorter._numbers = self._numbers
        shorter.length = min(length, self.length)
        return shorter

    def numbers(self) -> array[int]:
        """A copy of all."""
        return self._numbers[: self.length]

    def between(self, after: int, until: int) -> array[int]:
        """Those with after < number <= until."""
        low = bisect_right(self._numbers, after, 0, self.length)
        return self._numbers[low : bisect_right(self._numbers, until, low, self.length)]


class Timeline(Ascending):
    """The commit times of transactions 1 … n in microseconds, strictly increasing."""

    __slots__ = ()

    def time_of(self, number: int) -> int | None:
        """The commit time of transaction `number`, None for one that isn't there."""
        return self._numbers[number - 1] if 1 <= number <= self.length else None

    def number_at(self, microseconds: int) -> int:
        """The last transaction at or before that moment, 0 if there is none."""
        return bisect_right(self._numbers, microseconds, 0, self.length)

    def times(self) -> array[int]:
        """A copy of all times."""
        return self.numbers()
