"""Databases with many versions of each row, for questions that compare eventdb with itself: the past with the present.

Tables `plain` (no history), `deep_10`, `deep_100` and `deep_1000`: the same accounts, each updated one time fewer than the name says, every
update of all rows a transaction of its own. Of every table the rows' groups change too, so that an index on them has a past.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.engines import Engine
from benchmarks.question import Scale

ROWS = 256
GROUPS = 16
DEPTHS = (10, 100, 1000)


@dataclass
class Deep:
    """`middle`: the position after half of a table's transactions."""

    cursor: Any
    middle: dict[str, int] = field(default_factory=dict)


_made: dict[Path, Deep] = {}


def deep(engine: Engine, scale: Scale) -> Deep:
    """The database of this run, made when it is first asked for."""
    known = _made.get(scale.scratch)
    if known is None:
        fresh = type(engine)(scale.scratch / engine.name / "deep")
        fresh.remove()
        fresh.path.parent.mkdir(parents=True, exist_ok=True)
        fresh.open()
        known = _made[scale.scratch] = Deep(fresh.connection.cursor())
        for table in ("plain", *(f"deep_{depth}" for depth in DEPTHS)):
            depth = int(table.rpartition("_")[2]) if "_" in table else 1
            if scale.quick:
                depth = min(depth, 100)
            _fill(fresh, known, table, depth)
    return known


def _fill(engine: Engine, made: Deep, table: str, depth: int) -> None:
    engine.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, team INTEGER NOT NULL, balance DOUBLE PRECISION NOT NULL)")
    engine.execute(f"CREATE INDEX {table}_team ON {table} (team)")
    engine.connection.executemany(f"INSERT INTO {table} VALUES (?, ?, ?)", [(n, n % GROUPS, n / 4) for n in range(ROWS)])
    update = f"UPDATE {table} SET balance = balance + 1, team = CASE WHEN id % 64 = ? THEN (team + 1) % {GROUPS} ELSE team END"
    for turn in range(depth - 1):
        engine.execute(update, (turn % 64,))
        if turn == depth // 2:
            made.middle[table] = engine.connection.head


def in_turns(one: Callable[[Any], Any], other: Callable[[Any], Any], items: Sequence[Any], times: int = 30) -> float:
    """How many times as long `one` takes for all items as `other`: the best of many short passes of each, which take turns, since a busy
    machine only ever makes a pass longer."""
    best = [float("inf"), float("inf")]
    for _ in range(times):
        for which, action in enumerate((one, other)):
            started = time.perf_counter()
            for item in items:
                action(item)
            best[which] = min(best[which], time.perf_counter() - started)
    return best[0] / best[1]
