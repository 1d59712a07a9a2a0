"""One row by its key as it was after half of the updates."""

from __future__ import annotations

from typing import Any

from benchmarks import rows
from benchmarks.engines import Engine
from benchmarks.question import Aim, Question, Scale, per_second


def sample(engine: Engine, scale: Scale) -> float:
    cursor, statement, past = engine.connection.cursor(), engine.as_of_point, scale.past[engine.name]
    return per_second(lambda key: cursor.execute(statement, (past, key)).fetchone(), rows.keys(scale.rows, scale.count(5_000), 5))


def answer(engine: Engine, scale: Scale) -> list[tuple[Any, ...]]:
    past = scale.past[engine.name]
    return [row for key in rows.keys(scale.rows, 50, 5) for row in engine.rows(engine.as_of_point, (past, key))]


QUESTION = Question(
    "as_of_point",
    "AS OF, one row",
    "/s",
    sample,
    Aim(None, 33_000, 70_000),
    higher_is_better=True,
    needs="history",
    answer=answer,
    engines=("eventdb", "sqlite_history"),
)
