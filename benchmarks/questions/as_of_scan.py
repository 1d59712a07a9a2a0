"""GROUP BY over all rows at half of the history, as multiples of the same over the rows of now; the past was read there before."""

from __future__ import annotations

from benchmarks.engines import Engine
from benchmarks.question import Question, Scale, milliseconds

_NOW = "SELECT region, count(*), sum(balance) FROM accounts GROUP BY region"


def sample(engine: Engine, scale: Scale) -> float:
    past = scale.past[engine.name]
    then = min(milliseconds(lambda: engine.rows(engine.as_of_aggregate, (past,))) for _ in range(3))
    return then / min(milliseconds(lambda: engine.rows(_NOW)) for _ in range(3))


QUESTION = Question("as_of_scan", "AS OF GROUP BY, again", "x now", sample, needs="history", engines=("eventdb",), most=3.0)
