"""EXPLAIN ANALYZE: the statement is run with its effect, and the plan has the rows and times of that run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

import eventdb
from eventdb import errors

SCHEMA = """
CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER);
CREATE TABLE u (id INTEGER, a INTEGER);
INSERT INTO t SELECT g, g % 10 FROM generate_series(1, 100) AS g (g);
INSERT INTO u VALUES (1, 0), (200, 0);
"""
_TIME = re.compile(r"[0-9]+\.[0-9]{3} ms")


@pytest.fixture
def connection() -> Iterator[eventdb.Connection]:
    connection = eventdb.connect(":memory:", autocommit=True)
    connection.executescript(SCHEMA)
    yield connection
    connection.close()


def analyzed(connection: eventdb.Connection, statement: str, parameters: Any = ()) -> str:
    """What EXPLAIN ANALYZE says, with every time as T."""
    lines = [line for (line,) in connection.execute(f"EXPLAIN ANALYZE {statement}", parameters)]
    return _TIME.sub("T", "\n".join(lines))


# Statement → its plan after the run.
GOLDEN = {
    "SELECT a, count(*) FROM t WHERE id > 10 GROUP BY a": """\
Aggregate: t.a  (rows=5, actual=10, time=T)
  KeyRange t: key > 10  (rows=30, actual=90, time=T)
Rows: 10
Time: T""",
    "INSERT INTO u SELECT id, a FROM t WHERE a = 3": """\
Insert on u
  Filter: t.a == 3  (rows=10, actual=10, time=T)
    Scan t  (rows=100, actual=100, time=T)
Rows: 10
Time: T""",
    "INSERT INTO u VALUES (5, 5), (6, 6)": """\
Insert on u
  -> Values (2 rows)
Rows: 2
Time: T""",
    "UPDATE t SET a = a + 1 WHERE a > 7": """\
Update on t
  Filter: t.a > 7  (rows=30, actual=20, time=T)
    Scan t  (rows=100, actual=100, time=T)
Rows: 20
Time: T""",
    "UPDATE t SET a = 9 WHERE id = 1": """\
Update on t
  -> Key lookup on t
Rows: 1
Time: T""",
    "DELETE FROM t USING u WHERE u.id = t.id": """\
Delete on t
  NestedLoop inner  (rows=2, actual=1, time=T)
    Scan u  (rows=2, actual=2, time=T)
    KeyLookup t: key (u.id)  (rows=1, actual=1, time=T)
Rows: 1
Time: T""",
    "WITH gone AS (DELETE FROM t WHERE id < 5 RETURNING id) SELECT count(*) FROM gone": """\
Aggregate  (rows=1, actual=1, time=T)
  Project: gone.id  (rows=100, actual=4, time=T)
    SystemScan gone  (rows=100, actual=4, time=T)
  With gone
    Delete on t
      KeyRange t: key < 5  (rows=30, actual=4, time=T)
Rows: 1
Time: T""",
}


@pytest.mark.parametrize("statement", GOLDEN)
def test_the_plan_has_real_rows_and_times(connection: eventdb.Connection, statement: str) -> None:
    assert analyzed(connection, statement) == GOLDEN[statement]


def test_a_write_has_its_effect_and_is_undone_with_its_transaction(connection: eventdb.Connection) -> None:
    head = connection.head
    assert "Rows: 1" in analyzed(connection, "DELETE FROM t WHERE id = ?", (7,))
    assert connection.head == head + 1
    connection.execute("BEGIN")
    assert "Rows: 99" in analyzed(connection, "DELETE FROM t")
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
    connection.execute("ROLLBACK")
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (99,)


def test_merge_counts_what_it_did(connection: eventdb.Connection) -> None:
    merge = "MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (u.id, u.a)"
    text = analyzed(connection, merge)
    assert text.startswith("Merge on t\n")
    assert "Scan u  (rows=2, actual=2, time=T)" in text
    assert text.endswith("Rows: 2\nTime: T")
    assert connection.execute("SELECT count(*), max(id) FROM t").fetchone() == (100, 200)


def test_explain_alone_changes_nothing(connection: eventdb.Connection) -> None:
    connection.execute("EXPLAIN DELETE FROM t")
    connection.execute("EXPLAIN (CODE) DELETE FROM t")
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (100,)


def test_errors_come_out_and_leave_nothing(connection: eventdb.Connection) -> None:
    with pytest.raises(errors.UniqueViolation):
        connection.execute("EXPLAIN ANALYZE INSERT INTO t SELECT id + 1, a FROM t")
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (100,)
    connection.execute("BEGIN READ ONLY")
    with pytest.raises(errors.ReadOnlyTransaction):
        connection.execute("EXPLAIN ANALYZE DELETE FROM t")
