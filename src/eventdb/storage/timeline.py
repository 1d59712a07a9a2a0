"""Transaction numbers and commit times: one append-only array shared by all states of a history, each with a length of its own."""

from __future__ import annotations

import threading
from array import array
from bisect import bisect_right
from collections.abc import Iterable

_appending = threading.Lock()


class Timeline:
    """The commit times of transactions 1 … n in microseconds, strictly increasing. Immutable; `extended` is O(1) along one history."""

    __slots__ = ("_times", "length")

    def __init__(self, times: array[int] | None = None) -> None:
        self._times = array("q") if times is None else times
        self.length = len(self._times)

    @classmethod
    def of(cls, times: Iterable[int]) -> Timeline:
        """The timeline of given commit times."""
        return cls(array("q", times))

    def extended(self, time_us: int) -> Timeline:
        """This timeline with the next transaction's time."""
        with _appending:
            times = self._times
            if len(times) > self.length and times[self.length] != time_us:
                times = times[: self.length]
            if len(times) == self.length:
                times.append(time_us)
            longer = Timeline.__new__(Timeline)
            longer._times = times
            longer.length = self.length + 1
            return longer

    def shortened(self, length: int) -> Timeline:
        """The timeline of the first `length` transactions; O(1)."""
        shorter = Timeline.__new__(Timeline)
        shorter._times = self._times
        shorter.length = min(length, self.length)
        return shorter

    def time_of(self, number: int) -> int | None:
        """The commit time of transaction `number`, None for one that isn't there."""
        return self._times[number - 1] if 1 <= number <= self.length else None

    def number_at(self, microseconds: int) -> int:
        """The last transaction at or before that moment, 0 if there is none."""
        return bisect_right(self._times, microseconds, 0, self.length)

    def times(self) -> array[int]:
        """A copy of all times."""
        return self._times[: self.length]
