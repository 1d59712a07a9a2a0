"""What the loaded database takes on the disk after it is closed."""

from __future__ import annotations

from benchmarks.engines import Engine
from benchmarks.question import Question, Scale


def sample(engine: Engine, scale: Scale) -> float:
    return engine.size_bytes() / 1e6


QUESTION = Question(
    "size_loaded",
    "size on disk, loaded",
    "MB",
    sample,
    needs="closed",
    rounds=1,
    cold=True,
)
