"""Importing the driver in a fresh process."""

from __future__ import annotations

from benchmarks import fresh
from benchmarks.engines import Engine
from benchmarks.question import Aim, Question, Scale


def sample(engine: Engine, scale: Scale) -> float:
    return fresh.ask("import", engine.name, engine.path)


QUESTION = Question(
    "import_time",
    "import",
    "ms",
    sample,
    Aim(4.4, 3.3, 60),
    needs="closed",
    rounds=5,
)
