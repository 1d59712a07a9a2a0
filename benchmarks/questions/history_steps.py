"""All versions of one row where it has 1,000, as multiples of 10 times what they take where it has 100: 1 is as many steps as versions."""

from __future__ import annotations

from benchmarks.deep import deep, in_turns
from benchmarks.engines import Engine
from benchmarks.question import Question, Scale


def sample(engine: Engine, scale: Scale) -> float:
    execute = deep(engine, scale).cursor.execute

    def versions(table: str, key: int) -> None:
        execute(f"SELECT balance FROM {table} FOR SYSTEM_TIME ALL WHERE id = ? ORDER BY row_start_tx", (key,)).fetchall()

    return in_turns(lambda key: versions("deep_1000", key), lambda key: versions("deep_100", key), range(8)) / 10


QUESTION = Question("history_steps", "versions of a row, time per version", "x", sample, needs=None, engines=("eventdb",), most=1.2)
