"""Single-row UPDATEs by key, one statement each, all in one transaction; the commit is part of it.

Each sample adds 1 to the same rows' balances again; DuckDB, which is slow at this, does it to the first of them only.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from benchmarks import rows
from benchmarks.engines import Engine
from benchmarks.question import Aim, Question, Scale

STATEMENT = "UPDATE accounts SET balance = balance + 1, updated = ? WHERE id = ?"


def sample(engine: Engine, scale: Scale) -> float:
    count = scale.count(300 if engine.name == "duckdb" else 10_000)
    cursor = engine.connection.cursor()
    keys = rows.keys(scale.rows, count, 4)
    started = time.perf_counter()
    engine.begin()
    for key in keys:
        cursor.execute(STATEMENT, (1_800_000_000, key))
    engine.commit()
    return count / (time.perf_counter() - started)


def answer(engine: Engine, scale: Scale) -> list[tuple[Any, ...]]:
    # The first key drawn that no sample draws twice, so that DuckDB's shorter samples leave it the same.
    drawn = Counter(keys := rows.keys(scale.rows, scale.count(10_000), 4))
    key = next(key for key in keys if drawn[key] == 1)
    return engine.rows("SELECT balance, updated FROM accounts WHERE id = ?", (key,))


QUESTION = Question(
    "update_by_key",
    "UPDATE by key, one transaction",
    "/s",
    sample,
    Aim(92_000, 29_000, 70_000),
    higher_is_better=True,
    answer=answer,
)
