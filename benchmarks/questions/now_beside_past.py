"""One row of now where every row has 100 versions, as multiples of the same where none has a past."""

from __future__ import annotations

from benchmarks.deep import ROWS, deep, in_turns
from benchmarks.engines import Engine
from benchmarks.question import Question, Scale


def sample(engine: Engine, scale: Scale) -> float:
    execute = deep(engine, scale).cursor.execute
    return in_turns(
        lambda key: execute("SELECT * FROM deep_100 WHERE id = ?", (key,)).fetchone(),
        lambda key: execute("SELECT * FROM plain WHERE id = ?", (key,)).fetchone(),
        range(ROWS),
    )


QUESTION = Question("now_beside_past", "SELECT by key, 100 versions", "x none", sample, needs=None, engines=("eventdb",), most=1.2)
