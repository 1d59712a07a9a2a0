"""Count and sum for each of a thousand regions over all rows."""

from __future__ import annotations

from typing import Any

from benchmarks.engines import Engine
from benchmarks.question import Aim, Question, Scale, milliseconds

STATEMENT = "SELECT region, count(*), sum(balance) FROM accounts GROUP BY region"


def sample(engine: Engine, scale: Scale) -> float:
    return milliseconds(lambda: engine.execute(STATEMENT).fetchall())


def answer(engine: Engine, scale: Scale) -> list[tuple[Any, ...]]:
    return sorted(engine.rows(STATEMENT))


QUESTION = Question(
    "group_by",
    "GROUP BY over all rows",
    "ms",
    sample,
    Aim(110, 104, 30),
    answer=answer,
)
