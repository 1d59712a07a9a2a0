"""GROUP BY over all rows at half of the history, at positions that nobody has read at before, as multiples of the same over rows of now."""

from __future__ import annotations

from itertools import count

from benchmarks.engines import Engine
from benchmarks.question import Question, Scale, milliseconds

_NOW = "SELECT region, count(*), sum(balance) FROM accounts GROUP BY region"
_turn = count(1)


def sample(engine: Engine, scale: Scale) -> float:
    past = scale.past[engine.name]
    then = min(milliseconds(lambda: engine.rows(engine.as_of_aggregate, (past + next(_turn),))) for _ in range(3))
    return then / min(milliseconds(lambda: engine.rows(_NOW)) for _ in range(3))


QUESTION = Question("as_of_scan", "AS OF GROUP BY", "x now", sample, needs="history", engines=("eventdb",), most=3.0)
