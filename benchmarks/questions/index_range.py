"""The next 100 accounts above a balance, in its order: an index range with ORDER BY and LIMIT."""

from __future__ import annotations

from typing import Any

from benchmarks import rows
from benchmarks.engines import Engine
from benchmarks.question import Aim, Question, Scale, per_second

STATEMENT = "SELECT * FROM accounts WHERE balance >= ? ORDER BY balance LIMIT 100"


def _balances(scale: Scale, count: int) -> list[float]:
    return [float(key * 95_000 / scale.rows) for key in rows.keys(scale.rows, count, 3)]


def sample(engine: Engine, scale: Scale) -> float:
    cursor = engine.connection.cursor()
    count = scale.count(100 if engine.name == "duckdb" else 1000)
    return per_second(lambda balance: cursor.execute(STATEMENT, (balance,)).fetchall(), _balances(scale, count))


def answer(engine: Engine, scale: Scale) -> list[tuple[Any, ...]]:
    # Equal balances may come in any order, and the hundredth may be one of several.
    return [(row[2],) for balance in _balances(scale, 5) for row in engine.rows(STATEMENT, (balance,))]


QUESTION = Question(
    "index_range",
    "range, ORDER BY, LIMIT 100",
    "/s",
    sample,
    Aim(4_700, 4_700, 8_000),
    higher_is_better=True,
    answer=answer,
)
