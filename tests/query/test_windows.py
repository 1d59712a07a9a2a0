"""Window functions give what SQLite gives, over many frames, with NULLs and ties."""

from __future__ import annotations

import itertools
import random
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

import eventdb

WINDOWS = [
    "", "PARTITION BY g", "ORDER BY v, id", "PARTITION BY g ORDER BY v", "PARTITION BY g ORDER BY v DESC, id", "ORDER BY v NULLS FIRST",
]  # fmt: skip
BOUNDS = [
    ("UNBOUNDED PRECEDING", "CURRENT ROW"), ("2 PRECEDING", "1 FOLLOWING"), ("CURRENT ROW", "UNBOUNDED FOLLOWING"),
    ("3 PRECEDING", "2 PRECEDING"), ("1 FOLLOWING", "2 FOLLOWING"), ("UNBOUNDED PRECEDING", "UNBOUNDED FOLLOWING"),
]  # fmt: skip
RANKS = ["row_number()", "rank()", "dense_rank()", "percent_rank()", "cume_dist()", "ntile(3)", "lag(v)", "lead(v, 2, -1)", "lag(w, 0)"]
FRAMED = ["sum(v)", "count(*)", "count(v)", "avg(w)", "min(v)", "max(w)", "first_value(id)", "last_value(id)", "nth_value(id, 2)"]
EXCLUDE = ["", " EXCLUDE CURRENT ROW", " EXCLUDE GROUP", " EXCLUDE TIES"]


@pytest.fixture(scope="module")
def databases() -> Iterator[tuple[Any, Any]]:
    """The same rows here and in SQLite."""
    draw = random.Random(7)
    rows = [(i, draw.choice([1, 2, 3, None]), draw.choice([None, *range(6)]), draw.randrange(20) / 2) for i in range(60)]
    ours, theirs = eventdb.connect(":memory:", autocommit=True), sqlite3.connect(":memory:")
    for db in (ours, theirs):
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, g INTEGER, v INTEGER, w DOUBLE PRECISION NOT NULL)")
        db.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", rows)
    yield ours, theirs
    ours.close()
    theirs.close()


def same(databases: tuple[Any, Any], text: str) -> None:
    # SQLite's integers average to floats, ours to exact numbers; NULLs sort first there unless said.
    def plain(rows: Any) -> list[tuple[Any, ...]]:
        return [tuple(round(float(x), 9) if x is not None else None for x in row) for row in rows]

    ours, theirs = databases
    other = text.replace("ORDER BY v,", "ORDER BY v NULLS LAST,").replace("ORDER BY v)", "ORDER BY v NULLS LAST)")
    other = other.replace("ORDER BY v ROWS", "ORDER BY v NULLS LAST ROWS").replace("ORDER BY v GROUPS", "ORDER BY v NULLS LAST GROUPS")
    other = other.replace("ORDER BY v RANGE", "ORDER BY v NULLS LAST RANGE").replace("v DESC", "v DESC NULLS FIRST")
    assert plain(ours.execute(text).fetchall()) == plain(theirs.execute(other).fetchall()), text


@pytest.mark.parametrize("window", WINDOWS)
def test_ranks(databases: tuple[Any, Any], window: str) -> None:
    """Functions of the partition, whose order must be total for those that tell peers apart."""
    total = "v, id" if "DESC" not in window else window
    for call in RANKS:
        over = window if "id" in window or "rank()" in call or call == "cume_dist()" or "ORDER" not in window else f"ORDER BY {total}"
        if "ORDER" in over or call in ("rank()", "dense_rank()"):
            same(databases, f"SELECT id, {call} OVER ({over}) FROM t ORDER BY id")


@pytest.mark.parametrize(("mode", "window"), list(itertools.product(["ROWS", "GROUPS", "RANGE"], WINDOWS)))
def test_frames(databases: tuple[Any, Any], mode: str, window: str) -> None:
    """Aggregates and values of frames."""
    if "ORDER" not in window or (mode == "ROWS" and "id" not in window):
        return
    for (start, end), exclude in itertools.product(BOUNDS, EXCLUDE):
        if mode == "RANGE" and ("id" in window or ("FIRST" in window and (start[0].isdigit() or end[0].isdigit()))):
            continue
        calls = ", ".join(f"{c} OVER w" for c in FRAMED if "id" in window or "_value" not in c)
        same(databases, f"SELECT id, {calls} FROM t WINDOW w AS ({window} {mode} BETWEEN {start} AND {end}{exclude}) ORDER BY id")


@pytest.mark.parametrize(
    "text",
    [
        "SELECT g, sum(count(*)) OVER (ORDER BY g) FROM t WHERE g IS NOT NULL GROUP BY g ORDER BY g",
        "SELECT id, sum(v) FILTER (WHERE v > 2) OVER (PARTITION BY g ORDER BY id) FROM t ORDER BY id",
        "SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY g ORDER BY id) AS n FROM t) q WHERE n = 1 ORDER BY id",
        "SELECT id FROM t WHERE g IS NOT NULL ORDER BY rank() OVER (PARTITION BY g ORDER BY id), g, id",
        "SELECT DISTINCT count(*) OVER (PARTITION BY g) AS n FROM t ORDER BY n",
        "SELECT a.id, (SELECT max(n) FROM (SELECT row_number() OVER (ORDER BY b.id) AS n FROM t b WHERE b.g = a.g) q)"
        " FROM t a ORDER BY a.id",
        "SELECT id, v + lag(id, 1, 0) OVER (ORDER BY id) FROM t WHERE v IS NOT NULL ORDER BY id LIMIT 10",
        "SELECT count(*) OVER () FROM t WHERE id < 0",
    ],
)
def test_places(databases: tuple[Any, Any], text: str) -> None:
    """Window calls over groups, in subqueries, in ORDER BY, beside DISTINCT, inside expressions."""
    same(databases, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT id FROM t WHERE row_number() OVER () = 1", "window functions are not allowed in WHERE"),
        ("SELECT ntile(0) OVER (ORDER BY id) FROM t", "argument of ntile must be greater than zero"),
        ("SELECT nth_value(id, 0) OVER (ORDER BY id) FROM t", "argument of nth_value must be greater than zero"),
        ("SELECT sum(v) OVER (ORDER BY id ROWS -1 PRECEDING) FROM t", "frame starting offset must not be negative"),
        ("SELECT sum(v) OVER (ORDER BY id ROWS NULL::bigint PRECEDING) FROM t", "frame starting offset must not be null"),
        ("SELECT row_number() FROM t", "requires an OVER clause"),
    ],
)
def test_errors(databases: tuple[Any, Any], text: str, message: str) -> None:
    with pytest.raises(eventdb.Error, match=message):
        databases[0].execute(text).fetchall()


def test_range_of_dates() -> None:
    """Days and months around a date."""
    db = eventdb.connect(":memory:", autocommit=True)
    db.execute("CREATE TABLE d (at DATE PRIMARY KEY)")
    db.execute("INSERT INTO d VALUES ('2024-01-31'), ('2024-02-01'), ('2024-02-29'), ('2024-03-31')")
    days = "SELECT count(*) OVER (ORDER BY at RANGE BETWEEN '1 day' PRECEDING AND CURRENT ROW) FROM d ORDER BY at"
    months = "SELECT count(*) OVER (ORDER BY at RANGE BETWEEN '1 month' PRECEDING AND CURRENT ROW) FROM d ORDER BY at"
    assert [n for (n,) in db.execute(days)] == [1, 2, 1, 1]
    assert [n for (n,) in db.execute(months)] == [1, 2, 3, 2]
    db.close()
