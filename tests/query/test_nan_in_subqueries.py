"""NaN equals itself and is greater than every number: in quantified comparisons, rows, IN, and what stands for them."""

from __future__ import annotations

from pathlib import Path

import pytest

import eventdb

CONDITIONS = [
    ("x = 'NaN'", [1, 2]), ("x IN ('NaN', 5)", [1, 2]), ("x = 'NaN' OR x = 5", [1, 2]), ("x NOT IN ('NaN', 5)", [0]),
    ("x = ANY (SELECT x FROM t WHERE id = 2)", [1, 2]), ("x <> ALL (SELECT x FROM t WHERE id = 2)", [0]),
    ("x > ALL (SELECT x FROM t WHERE id = 0)", [1, 2]), ("x >= ALL (SELECT x FROM t WHERE id < 3)", [1, 2]),
    ("x < ANY (SELECT x FROM t WHERE id = 1)", [0]), ("x > ANY (SELECT x FROM t WHERE id = 1)", []),
    ("x <= ALL (SELECT x FROM t WHERE id = 1)", [0, 1, 2]), ("(x, id) IN (SELECT x, id FROM t)", [0, 1, 2]),
    ("(x, 1) = ANY (SELECT x, id FROM t)", [1, 2]), ("(x, id) > (SELECT x, id FROM t WHERE id = 1)", [2]),
    ("x = (SELECT x FROM t WHERE id = 2)", [1, 2]), ("NOT x > 1", [0]), ("NOT x <= 1", [1, 2]), ("NOT (x < 'NaN' OR x IS NULL)", [1, 2]),
]  # fmt: skip


@pytest.mark.parametrize("indexed", [False, True])
def test_nan(tmp_path: Path, indexed: bool) -> None:
    """Read from the disk, where each NaN is a value of its own."""
    with eventdb.connect(tmp_path / "db", autocommit=True) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, x DOUBLE PRECISION)")
        if indexed:
            connection.execute("CREATE INDEX t_x ON t (x)")
        for i, value in enumerate((1.0, float("nan"), float("nan"), None)):
            connection.execute("INSERT INTO t VALUES (?, ?)", (i, value))
        connection.close()
    connection = eventdb.connect(tmp_path / "db", autocommit=True)
    for condition, ids in CONDITIONS:
        assert [i for (i,) in connection.execute(f"SELECT id FROM t WHERE {condition} ORDER BY id")] == ids, condition
    connection.close()
