"""100,000 rows in one transaction, with one executemany: rows a second until the commit is on the disk."""

from __future__ import annotations

import time

from benchmarks import rows
from benchmarks.engines import Engine
from benchmarks.question import Aim, Question, Scale


def sample(engine: Engine, scale: Scale) -> float:
    data = list(rows.accounts(scale.rows))
    fresh = type(engine)(scale.scratch / engine.name / "bulk")
    fresh.create()
    started = time.perf_counter()
    fresh.begin()
    fresh.insert_accounts(data)
    fresh.commit()
    elapsed = time.perf_counter() - started
    assert fresh.rows("SELECT count(*) FROM accounts") == [(scale.rows,)]
    fresh.close()
    fresh.remove()
    return scale.rows / elapsed


QUESTION = Question(
    "bulk_insert",
    "bulk insert, one transaction",
    "rows/s",
    sample,
    Aim(137_000, 61_000, 150_000),
    higher_is_better=True,
    needs=None,
    rounds=3,
    cold=True,
)
