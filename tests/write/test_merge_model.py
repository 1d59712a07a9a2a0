"""MERGE against a model of it in Python, on random tables."""

from __future__ import annotations

import random
from typing import Any

import pytest

import eventdb

MERGE = """
MERGE INTO t USING s ON t.id = s.id AND t.grp < 4
WHEN MATCHED AND s.v IS NULL THEN DELETE
WHEN MATCHED AND s.v % 3 = 0 THEN DO NOTHING
WHEN MATCHED THEN UPDATE SET v = t.v + s.v
WHEN NOT MATCHED BY SOURCE AND t.v > 80 THEN DELETE
WHEN NOT MATCHED BY SOURCE AND t.v < 20 THEN UPDATE SET grp = 9
WHEN NOT MATCHED AND s.v > 90 THEN DO NOTHING
WHEN NOT MATCHED THEN INSERT VALUES (s.id + 1000, 1, s.v)
RETURNING merge_action(), t.id, s.id, t.v
"""


def expected(target: dict[int, tuple[int, int]], source: dict[int, int | None]) -> tuple[dict[int, Any], list[tuple[Any, ...]]]:
    """The table afterwards, and what is returned, sorted."""
    after: dict[int, Any] = dict(target)
    shown: list[tuple[Any, ...]] = []
    for key, v in source.items():
        row = target.get(key)
        if row is not None and row[0] < 4:
            if v is None:
                del after[key]
                shown.append(("DELETE", key, key, row[1]))
            elif v % 3:
                after[key] = (row[0], row[1] + v)
                shown.append(("UPDATE", key, key, row[1] + v))
        elif v is None or v <= 90:
            after[key + 1000] = (1, v)
            shown.append(("INSERT", key + 1000, key, v))
    for key, (group, v) in target.items():
        if key in source and group < 4:
            continue
        if v > 80:
            del after[key]
            shown.append(("DELETE", key, None, v))
        elif v < 20:
            after[key] = (9, v)
            shown.append(("UPDATE", key, None, v))
    return after, sorted(shown, key=repr)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("source_key", ["", " PRIMARY KEY"])
def test_merge_does_what_the_model_says(seed: int, source_key: str) -> None:
    chance = random.Random(seed)
    target = {key: (chance.randrange(6), chance.randrange(100)) for key in chance.sample(range(60), 30)}
    source = {key: None if chance.random() < 0.2 else chance.randrange(100) for key in chance.sample(range(60), chance.choice([3, 40]))}
    with eventdb.connect(":memory:", autocommit=True) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, grp INTEGER, v INTEGER)")
        connection.execute("CREATE INDEX t_v ON t (v)")
        connection.execute(f"CREATE TABLE s (id INTEGER{source_key}, v INTEGER)")
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", [(key, *row) for key, row in target.items()])
        connection.executemany("INSERT INTO s VALUES (?, ?)", list(source.items()))
        cursor = connection.execute(MERGE)
        returned = sorted(cursor.fetchall(), key=repr)
        after, shown = expected(target, source)
        assert returned == shown
        assert cursor.rowcount == len(shown)
        rows = connection.execute("SELECT id, grp, v FROM t").fetchall()
        assert {key: row for key, *row in rows} == {key: list(row) for key, row in after.items()}
        assert sorted(v for (v,) in connection.execute("SELECT v FROM t WHERE v >= 0")) == sorted(
            row[1] for row in after.values() if row[1] is not None
        )
    connection.close()
