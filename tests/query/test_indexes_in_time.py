"""Through any index, at any moment, a query gives the rows that it gives with the rules off."""

from __future__ import annotations

import random
from typing import Any

import pytest

import eventdb
from eventdb.sql.compiler import prepare

INDEXES = [
    "CREATE INDEX t_a ON t (a)",
    "CREATE INDEX t_down ON t (b DESC, a)",
    "CREATE INDEX t_lower ON t (lower(c)) WHERE a IS NOT NULL",
    "CREATE UNIQUE INDEX t_c ON t (c, id)",
]
CONDITIONS = [
    "a = {i}", "a > {i}", "a <= {i}", "b = {f}", "b > {f}", "b < {f} AND b >= {g}", "b = {f} AND a > {i}", "lower(c) = 'b' AND a = 2",
    "lower(c) >= 'b' AND a IS NOT NULL", "c = 'a' AND id > 20", "c IN ('a', 'B')", "a IN (1, 3, NULL)",
]  # fmt: skip
ORDERS = [
    "a, id", "b DESC, a, id", "b, a DESC, id DESC", "lower(c), id", "c, id DESC", "a DESC NULLS LAST, id", "id",
]  # fmt: skip
FLOATS = ["0.5", "1.5", "'NaN'::float8", "-1.0", "'Infinity'::float8"]


def history(draw: random.Random) -> Any:
    """A table with a history of writes, in which indexes appear one after the other."""
    db = eventdb.connect(":memory:", autocommit=True)
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b DOUBLE PRECISION, c TEXT NOT NULL)")
    left = list(INDEXES)

    def values() -> tuple[Any, ...]:
        number = draw.choice([None, float("nan"), float("inf"), 0.5, 1.5, 2.5, -1.0])
        return draw.choice([None, 1, 2, 3, 4, 5]), number, draw.choice("aAbBcC")

    for _ in range(120):
        roll = draw.random()
        if left and roll < 0.08:
            db.execute(left.pop())
        elif roll < 0.5:
            db.execute("INSERT INTO t VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING", (draw.randrange(60), *values()))
        elif roll < 0.85:
            db.execute("UPDATE t SET a = ?, b = ?, c = ? WHERE id % 7 = ?", (*values(), draw.randrange(7)))
        else:
            db.execute("DELETE FROM t WHERE id = ?", (draw.randrange(60),))
    return db


def check(seed: int, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(seed)
    db = history(draw)
    last = db.execute("SELECT max(number) FROM eventdb.transactions").fetchone()[0]
    real = prepare.planned
    for _ in range(count):
        condition = draw.choice(CONDITIONS).format(i=draw.randrange(6), f=draw.choice(FLOATS), g=draw.choice(FLOATS))
        moment = draw.choice(["", f" FOR SYSTEM_TIME AS OF TRANSACTION {draw.randrange(1, last + 1)}"])
        text = f"SELECT * FROM t{moment} WHERE {condition} ORDER BY {draw.choice(ORDERS)} LIMIT {draw.choice([2, 4, 100])}"
        found = repr(db.execute(text).fetchall())
        with monkeypatch.context() as patch:
            patch.setattr(prepare, "planned", lambda bound, context, optimise=True: real(bound, context, False))
            plain = repr(db.execute(text + "\n").fetchall())
        assert found == plain, text
    db.close()


@pytest.mark.parametrize("seed", range(4))
def test_indexes_at_any_moment(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    check(seed, 120, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 30))
def test_more_indexes_at_any_moment(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    check(seed, 600, monkeypatch)
