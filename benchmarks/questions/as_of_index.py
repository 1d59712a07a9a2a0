"""The rows of one group by a secondary index AS OF the middle of 100 versions a row, as multiples of the same now."""

from __future__ import annotations

from benchmarks.deep import GROUPS, deep, in_turns
from benchmarks.engines import Engine
from benchmarks.question import Question, Scale


def sample(engine: Engine, scale: Scale) -> float:
    made = deep(engine, scale)
    execute, middle = made.cursor.execute, made.middle["deep_100"]
    now = "SELECT * FROM deep_100 WHERE team = ?"
    past = "SELECT * FROM deep_100 FOR SYSTEM_TIME AS OF TRANSACTION ? WHERE team = ?"
    plan = "\n".join(line for (line,) in execute(f"EXPLAIN {past}", (middle, 0)))
    assert "deep_100_team" in plan, plan
    return in_turns(lambda team: execute(past, (middle, team)).fetchall(), lambda team: execute(now, (team,)).fetchall(), range(GROUPS))


QUESTION = Question("as_of_index", "AS OF by an index, 100 versions", "x now", sample, needs=None, engines=("eventdb",))
