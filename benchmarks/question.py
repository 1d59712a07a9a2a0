"""What a question is: how one sample of it is taken, the answer that all engines must agree on, and what to aim for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.engines import Engine


@dataclass(frozen=True)
class Aim:
    """Figures measured once, together, on one machine; only their ratios are used.

    `sqlite`, `history`: what the two sqlite3 columns reached (None: cannot answer); `aim`: what eventdb wants to reach there. All in the
    question's unit.
    """

    sqlite: float | None
    history: float | None
    aim: float


@dataclass(frozen=True)
class Scale:
    """`rows` accounts; `scratch`: where a sample makes databases of its own; `past`: the position after half of the updates, by engine."""

    rows: int
    scratch: Path
    past: dict[str, int]
    quick: bool = False

    def count(self, full: int) -> int:
        """How often a sample repeats a short operation."""
        return max(1, full // 10) if self.quick else full


@dataclass(frozen=True)
class Question:
    """One row of the table.

    `sample(engine, scale)` gives one measurement in `unit`. `needs`: the database that it is asked of, "loaded" (the rows, once), "history"
    (each row updated ten times) or None. `answer(engine, scale)` gives rows to compare between engines. `engines` names those that take
    part. `cold`: no untimed round first. `most`: what the measurement should not exceed, where eventdb is held against itself.
    """

    name: str
    title: str
    unit: str
    sample: Callable[[Engine, Scale], float]
    aim: Aim | None = None
    higher_is_better: bool = False
    needs: str | None = "loaded"
    answer: Callable[[Engine, Scale], Iterable[tuple[Any, ...]]] | None = None
    engines: tuple[str, ...] = ("eventdb", "sqlite", "sqlite_history", "duckdb")
    rounds: int = 5
    cold: bool = False
    most: float | None = None


def per_second(repeat: Callable[[Any], Any], items: Iterable[Any]) -> float:
    """How many of `items` a second `repeat` gets through."""
    items = list(items)
    started = time.perf_counter()
    for item in items:
        repeat(item)
    return len(items) / (time.perf_counter() - started)


def milliseconds(action: Callable[[], Any]) -> float:
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1000
