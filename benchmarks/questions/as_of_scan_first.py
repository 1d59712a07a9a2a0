"""The same at a position that nobody has read at before."""

from __future__ import annotations

from itertools import count

from benchmarks.engines import Engine
from benchmarks.question import Question, Scale, milliseconds
from benchmarks.questions.as_of_scan import _NOW

_turn = count(1)


def sample(engine: Engine, scale: Scale) -> float:
    past = scale.past[engine.name]
    then = min(milliseconds(lambda: engine.rows(engine.as_of_aggregate, (past + next(_turn),))) for _ in range(3))
    return then / min(milliseconds(lambda: engine.rows(_NOW)) for _ in range(3))


QUESTION = Question("as_of_scan_first", "AS OF GROUP BY, first time", "x now", sample, needs="history", engines=("eventdb",), most=3.0)
