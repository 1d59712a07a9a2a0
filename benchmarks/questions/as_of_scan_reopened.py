"""The same in a database that was opened anew, and whose past was scanned twice since: the first scan reads it, the second makes eras."""

from __future__ import annotations

from benchmarks.engines import Engine
from benchmarks.question import Question, Scale
from benchmarks.questions import as_of_scan


def sample(engine: Engine, scale: Scale) -> float:
    engine.close()
    engine.open()
    for _ in range(2):
        engine.rows(engine.as_of_aggregate, (scale.past[engine.name],))
    return as_of_scan.sample(engine, scale)


QUESTION = Question(
    "as_of_scan_reopened",
    "AS OF GROUP BY, opened anew",
    "x now",
    sample,
    needs="history",
    engines=("eventdb",),
    rounds=2,
    cold=True,
    most=3.0,
)
