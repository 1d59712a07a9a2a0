"""All versions of one row, oldest first."""

from __future__ import annotations

from typing import Any

from benchmarks import rows
from benchmarks.engines import Engine
from benchmarks.question import Aim, Question, Scale, per_second


def sample(engine: Engine, scale: Scale) -> float:
    cursor, statement = engine.connection.cursor(), engine.versions_of_row
    return per_second(lambda key: cursor.execute(statement, (key,)).fetchall(), rows.keys(scale.rows, scale.count(3_000), 6))


def answer(engine: Engine, scale: Scale) -> list[tuple[Any, ...]]:
    return [row for key in rows.keys(scale.rows, 50, 6) for row in engine.rows(engine.versions_of_row, (key,))]


QUESTION = Question(
    "row_history",
    "all versions of one row",
    "/s",
    sample,
    Aim(None, 16_000, 40_000),
    higher_is_better=True,
    needs="history",
    answer=answer,
    engines=("eventdb", "sqlite_history"),
)
