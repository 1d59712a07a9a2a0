"""Choices that generators draw from: random at first, recorded, and replayed with smaller ones to make a failing case small.

Generators put the simplest alternative first: 0 is always a valid choice and the simplest one, and a recording that has run out gives 0.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


class Choices:
    """A source of choices, from a random generator or from a recording."""

    def __init__(self, source: random.Random | Sequence[int]) -> None:
        self._source = source
        self.taken: list[int] = []

    def below(self, limit: int) -> int:
        """0 <= n < limit."""
        if isinstance(self._source, random.Random):
            number = self._source.randrange(limit)
        else:
            place = len(self.taken)
            number = min(self._source[place], limit - 1) if place < len(self._source) else 0
        self.taken.append(number)
        return number

    def one(self, items: Sequence[T]) -> T:
        return items[self.below(len(items))]

    def chance(self, percent: int) -> bool:
        """True in `percent` of a hundred cases; False is the simple case."""
        return self.below(100) >= 100 - percent

    def between(self, low: int, high: int) -> int:
        return low + self.below(high - low + 1)

    def some(self, items: Sequence[T], least: int = 1, most: int | None = None) -> list[T]:
        """Between `least` and `most` different items, in their order."""
        count = self.between(least, min(len(items), most or len(items)))
        left = list(range(len(items)))
        picked = [left.pop(self.below(len(left))) for _ in range(count)]
        return [items[n] for n in sorted(picked)]


def shrink(recording: Sequence[int], fails: Callable[[list[int]], bool], attempts: int = 600) -> list[int]:
    """A shorter or smaller recording for which `fails` still holds.

    Cuts out runs of choices, then sets runs to 0, then lowers single ones, and begins again until nothing helps or `attempts` are used up.
    """
    best, left, size = list(recording), attempts, (-1, -1)

    def better(candidate: list[int]) -> bool:
        nonlocal best, left
        if candidate == best or left <= 0:
            return False
        left -= 1
        if not fails(candidate):
            return False
        best = candidate
        return True

    while left > 0 and (len(best), sum(best)) != size:
        size = (len(best), sum(best))
        for width in (64, 16, 4, 2, 1):
            for at in range(len(best) - width, -1, -width):
                better(best[:at] + best[at + width :]) or better(best[:at] + [0] * width + best[at + width :])
        for at in range(len(best)):
            while (
                at < len(best)
                and best[at]
                and (better([*best[:at], best[at] // 2, *best[at + 1 :]]) or better([*best[:at], best[at] - 1, *best[at + 1 :]]))
            ):
                pass
    return best
