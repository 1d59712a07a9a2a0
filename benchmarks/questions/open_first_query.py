"""Connect to the loaded database and read one row, in a fresh process, after the import."""

from __future__ import annotations

from benchmarks import fresh
from benchmarks.engines import Engine
from benchmarks.question import Aim, Question, Scale


def sample(engine: Engine, scale: Scale) -> float:
    return fresh.ask("open", engine.name, engine.path)


QUESTION = Question(
    "open_first_query",
    "open + first query",
    "ms",
    sample,
    Aim(0.57, 0.58, 20),
    needs="closed",
    rounds=5,
)
