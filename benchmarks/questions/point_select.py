"""One row by its primary key, through a cursor with a bound parameter."""

from __future__ import annotations

from typing import Any

from benchmarks import rows
from benchmarks.engines import Engine
from benchmarks.question import Aim, Question, Scale, per_second

STATEMENT = "SELECT * FROM accounts WHERE id = ?"


def sample(engine: Engine, scale: Scale) -> float:
    cursor = engine.connection.cursor()
    count = scale.count(500 if engine.name == "duckdb" else 10_000)
    return per_second(lambda key: cursor.execute(STATEMENT, (key,)).fetchone(), rows.keys(scale.rows, count, 1))


def answer(engine: Engine, scale: Scale) -> list[tuple[Any, ...]]:
    return [row for key in rows.keys(scale.rows, 50, 1) for row in engine.rows(STATEMENT, (key,))]


QUESTION = Question(
    "point_select",
    "SELECT by key",
    "/s",
    sample,
    Aim(116_000, 131_000, 200_000),
    higher_is_better=True,
    answer=answer,
)
