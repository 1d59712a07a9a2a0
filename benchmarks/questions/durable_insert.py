"""Single-row INSERTs, each durable before the next: as multiples of appending 200 bytes to a file and calling fdatasync."""

from __future__ import annotations

import os
import time

from benchmarks import rows
from benchmarks.engines import Engine
from benchmarks.question import Aim, Question, Scale

_RECORD = b"x" * 200


def raw_append_seconds(scale: Scale, count: int) -> float:
    """What the disk alone takes for one durable append."""
    path = scale.scratch / "raw"
    file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    sync = getattr(os, "fdatasync", os.fsync)
    started = time.perf_counter()
    for _ in range(count):
        os.write(file, _RECORD)
        sync(file)
    elapsed = time.perf_counter() - started
    os.close(file)
    path.unlink()
    return elapsed / count


def sample(engine: Engine, scale: Scale) -> float:
    count = scale.count(500)
    fresh = type(engine)(scale.scratch / engine.name / "durable")
    fresh.create()
    data = list(rows.accounts(count))
    floor = raw_append_seconds(scale, count)
    started = time.perf_counter()
    for row in data:
        fresh.insert_durably(row)
    elapsed = time.perf_counter() - started
    floor = (floor + raw_append_seconds(scale, count)) / 2
    fresh.close()
    fresh.remove()
    return elapsed / count / floor


QUESTION = Question(
    "durable_insert",
    "durable INSERT, autocommit",
    "x raw",
    sample,
    Aim(0.99, 1.1, 1.3),
    needs=None,
    rounds=5,
)
