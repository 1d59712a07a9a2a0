"""The rows that every engine gets: accounts in a thousand regions. The same seed, the same rows, on every machine."""

from __future__ import annotations

import random
from collections.abc import Iterator

Row = tuple[int, str, float, str, int]

REGION_COUNT = 1000
ZONES = ("north", "east", "south", "west", "overseas")
UPDATES_PER_ROW = 10
UPDATE_TRANSACTIONS = 1000


def region_count(rows: int) -> int:
    """So many regions that each holds about 100 of `rows` accounts."""
    return min(REGION_COUNT, max(1, rows // 100))


def accounts(count: int) -> Iterator[Row]:
    """(id, owner, balance, region, updated) for ids 1 to `count`; balances with two digits behind the point."""
    draw = random.Random(20)
    regions = region_count(count)
    for number in range(1, count + 1):
        yield number, f"owner {number:07d}", draw.randrange(10_000_000) / 100, f"region-{number % regions:04d}", 1_700_000_000 + number


def regions(count: int) -> list[tuple[str, str, int]]:
    """(name, zone, population) for the regions that `count` accounts live in."""
    draw = random.Random(21)
    return [(f"region-{n:04d}", ZONES[n % len(ZONES)], draw.randrange(1_000, 1_000_000)) for n in range(region_count(count))]


def keys(count: int, samples: int, seed: int) -> list[int]:
    """`samples` account ids drawn at random."""
    draw = random.Random(seed)
    return [draw.randint(1, count) for _ in range(samples)]
