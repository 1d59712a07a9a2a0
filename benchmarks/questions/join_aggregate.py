"""All accounts joined with their regions, counted and summed by zone."""

from __future__ import annotations

from typing import Any

from benchmarks.engines import Engine
from benchmarks.question import Aim, Question, Scale, milliseconds

STATEMENT = "SELECT r.zone, count(*), sum(a.balance), max(r.population) FROM accounts a JOIN regions r ON r.name = a.region GROUP BY r.zone"


def sample(engine: Engine, scale: Scale) -> float:
    return milliseconds(lambda: engine.execute(STATEMENT).fetchall())


def answer(engine: Engine, scale: Scale) -> list[tuple[Any, ...]]:
    return sorted(engine.rows(STATEMENT))


QUESTION = Question(
    "join_aggregate",
    "join with 1,000 rows, aggregate",
    "ms",
    sample,
    Aim(163, 164, 60),
    answer=answer,
)
