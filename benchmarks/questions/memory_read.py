"""Peak memory of a fresh process that opens the loaded database, groups and reads all rows in batches."""

from __future__ import annotations

from benchmarks import fresh
from benchmarks.engines import Engine
from benchmarks.question import Question, Scale


def sample(engine: Engine, scale: Scale) -> float:
    return fresh.ask("read", engine.name, engine.path)


QUESTION = Question(
    "memory_read",
    "peak memory, GROUP BY and read",
    "MB",
    sample,
    needs="closed",
    rounds=3,
    cold=True,
)
