"""Peak memory of a fresh process that inserts all rows in one transaction, from a generator.

DuckDB is left out: its bulk path wants all rows in a DataFrame first, and pandas alone is larger than what is measured.
"""

from __future__ import annotations

from benchmarks import fresh
from benchmarks.engines import Engine
from benchmarks.question import Question, Scale


def sample(engine: Engine, scale: Scale) -> float:
    return fresh.ask("load", engine.name, scale.scratch / engine.name / "memory", scale.rows)


QUESTION = Question(
    "memory_load",
    "peak memory, bulk insert",
    "MB",
    sample,
    needs=None,
    rounds=3,
    cold=True,
    engines=("eventdb", "sqlite", "sqlite_history"),
)
