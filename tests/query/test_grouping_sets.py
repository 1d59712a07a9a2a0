"""ROLLUP, CUBE and GROUPING SETS: groups of several sets, NULL for what a set doesn't group by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import eventdb


@pytest.fixture(scope="module")
def sales() -> Iterator[Any]:
    db = eventdb.connect(":memory:", autocommit=True)
    db.execute("CREATE TABLE s (k INTEGER PRIMARY KEY, region TEXT NOT NULL, kind TEXT, n INTEGER NOT NULL)")
    db.execute("INSERT INTO s VALUES (1, 'n', 'a', 1), (2, 'n', 'b', 2), (3, 's', 'a', 4), (4, 's', NULL, 8)")
    yield db
    db.close()


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (
            "SELECT region, kind, sum(n) FROM s GROUP BY ROLLUP (region, kind) ORDER BY 1, 2, 3",
            [("n", "a", 1), ("n", "b", 2), ("n", None, 3), ("s", "a", 4), ("s", None, 8), ("s", None, 12), (None, None, 15)],
        ),
        ("SELECT count(*) FROM (SELECT 1 AS one FROM s GROUP BY CUBE (region, kind)) q", [(10,)]),
        (
            "SELECT region, kind, sum(n) FROM s GROUP BY GROUPING SETS ((region), (kind), ()) HAVING sum(n) > 3 ORDER BY 1, 2, 3",
            [("s", None, 12), (None, "a", 5), (None, None, 8), (None, None, 15)],
        ),
        (
            "SELECT region, GROUPING(region), GROUPING(region, kind), sum(n) FROM s GROUP BY ROLLUP (region, kind)"
            " HAVING sum(n) > 7 ORDER BY 4",
            [("s", 0, 0, 8), ("s", 0, 1, 12), (None, 1, 3, 15)],
        ),
        (
            "SELECT region, kind, sum(n) FROM s GROUP BY region, ROLLUP (kind) HAVING sum(n) > 7 ORDER BY 3",
            [("s", None, 8), ("s", None, 12)],
        ),
        # The empty set has its one row even without input.
        ("SELECT region, sum(n) FROM s WHERE n > 100 GROUP BY ROLLUP (region)", [(None, None)]),
        ("SELECT region, sum(n) FROM s WHERE n > 100 GROUP BY GROUPING SETS ((region))", []),
        # NOT NULL says nothing about a column that a set leaves out.
        ("SELECT sum(n) FROM s GROUP BY ROLLUP (region) HAVING region IS NULL", [(15,)]),
        ("SELECT t FROM (SELECT region, sum(n) AS t FROM s GROUP BY ROLLUP (region)) q WHERE region = 'n'", [(3,)]),
        ("SELECT region, rank() OVER (ORDER BY sum(n) DESC) FROM s GROUP BY ROLLUP (region) ORDER BY 2", [(None, 1), ("s", 2), ("n", 3)]),
    ],
)
def test_grouping_sets(sales: Any, text: str, rows: list[tuple[Any, ...]]) -> None:
    assert sales.execute(text).fetchall() == rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT k, region FROM s GROUP BY ROLLUP (k)", 'column "s.region" must appear in the GROUP BY clause'),
        ("SELECT GROUPING(kind) FROM s GROUP BY ROLLUP (region)", "arguments to GROUPING must be grouping expressions"),
        (f"SELECT 1 FROM s GROUP BY CUBE ({', '.join(f'n + {i}' for i in range(13))})", "CUBE is limited to 12 elements"),
    ],
)
def test_errors(sales: Any, text: str, message: str) -> None:
    with pytest.raises(eventdb.Error, match=message):
        sales.execute(text)
