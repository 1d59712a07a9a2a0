"""The 100 rows of one region, by the index on it."""

from __future__ import annotations

from typing import Any

from benchmarks import rows
from benchmarks.engines import Engine
from benchmarks.question import Aim, Question, Scale, per_second

STATEMENT = "SELECT * FROM accounts WHERE region = ?"


def _regions(scale: Scale, count: int) -> list[str]:
    return [f"region-{key % rows.region_count(scale.rows):04d}" for key in rows.keys(scale.rows, count, 2)]


def sample(engine: Engine, scale: Scale) -> float:
    cursor = engine.connection.cursor()
    count = scale.count(100 if engine.name == "duckdb" else 1000)
    return per_second(lambda region: cursor.execute(STATEMENT, (region,)).fetchall(), _regions(scale, count))


def answer(engine: Engine, scale: Scale) -> list[tuple[Any, ...]]:
    return [row for region in _regions(scale, 5) for row in sorted(engine.rows(STATEMENT, (region,)))]


QUESTION = Question(
    "index_equality",
    "index lookup, 100 rows",
    "/s",
    sample,
    Aim(3_500, 3_300, 8_000),
    higher_is_better=True,
    answer=answer,
)
