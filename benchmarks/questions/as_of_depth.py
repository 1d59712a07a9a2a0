"""One row AS OF the middle of its history, as multiples of reading it now: the worst of 10, 100 and 1,000 versions a row."""

from __future__ import annotations

from benchmarks.deep import DEPTHS, ROWS, deep, in_turns
from benchmarks.engines import Engine
from benchmarks.question import Question, Scale


def sample(engine: Engine, scale: Scale) -> float:
    made = deep(engine, scale)
    execute = made.cursor.execute
    worst = 0.0
    for depth in DEPTHS:
        table = f"deep_{depth}"
        now, past = f"SELECT * FROM {table} WHERE id = ?", f"SELECT * FROM {table} FOR SYSTEM_TIME AS OF TRANSACTION ? WHERE id = ?"
        middle = made.middle[table]
        ratio = in_turns(
            lambda key, past=past, middle=middle: execute(past, (middle, key)).fetchone(),
            lambda key, now=now: execute(now, (key,)).fetchone(),
            range(ROWS),
        )
        worst = max(worst, ratio)
    return worst


QUESTION = Question("as_of_depth", "AS OF one row, 10 to 1,000 versions", "x now", sample, needs=None, engines=("eventdb",), most=3.0)
