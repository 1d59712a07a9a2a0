"""What the database with eleven versions of every row takes on the disk after it is closed."""

from __future__ import annotations

from benchmarks.engines import Engine
from benchmarks.question import Question, Scale


def sample(engine: Engine, scale: Scale) -> float:
    return engine.size_bytes() / 1e6


QUESTION = Question(
    "size_history",
    "size on disk, with history",
    "MB",
    sample,
    needs="closed history",
    rounds=1,
    cold=True,
    engines=("eventdb", "sqlite_history"),
)
