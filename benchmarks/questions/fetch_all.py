"""All rows into a list."""

from __future__ import annotations

from typing import Any

from benchmarks.engines import Engine
from benchmarks.question import Aim, Question, Scale, milliseconds

STATEMENT = "SELECT * FROM accounts"


def sample(engine: Engine, scale: Scale) -> float:
    return milliseconds(lambda: engine.connection.cursor().execute(STATEMENT).fetchall())


def answer(engine: Engine, scale: Scale) -> list[tuple[Any, ...]]:
    return [(number, owner, region) for number, owner, _, region, _ in sorted(engine.rows(STATEMENT))]


QUESTION = Question(
    "fetch_all",
    "fetchall of all rows",
    "ms",
    sample,
    Aim(164, 160, 50),
    answer=answer,
)
