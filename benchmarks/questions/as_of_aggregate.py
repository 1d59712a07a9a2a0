"""Count and sum for each region as of half of the updates, over a history of eleven versions of every row."""

from __future__ import annotations

from typing import Any

from benchmarks.engines import Engine
from benchmarks.question import Aim, Question, Scale, milliseconds


def sample(engine: Engine, scale: Scale) -> float:
    return milliseconds(lambda: engine.execute(engine.as_of_aggregate, (scale.past[engine.name],)).fetchall())


def answer(engine: Engine, scale: Scale) -> list[tuple[Any, ...]]:
    return sorted(engine.rows(engine.as_of_aggregate, (scale.past[engine.name],)))


QUESTION = Question(
    "as_of_aggregate",
    "AS OF, GROUP BY over all rows",
    "ms",
    sample,
    Aim(None, 159, 100),
    needs="history",
    answer=answer,
    engines=("eventdb", "sqlite_history"),
)
