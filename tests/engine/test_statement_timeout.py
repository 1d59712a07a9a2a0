"""statement_timeout: what runs too long is canceled, leaves nothing, and its transaction goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

import eventdb
from eventdb import errors


@pytest.fixture
def connection() -> Iterator[eventdb.Connection]:
    connection = eventdb.connect(":memory:", autocommit=True)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER)")
    connection.execute("INSERT INTO t SELECT g, g FROM generate_series(1, 5000) AS s (g)")
    yield connection
    connection.close()


ENDLESS = [
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    "SELECT count(*) FROM t AS x, t AS y, t AS z",
    "SELECT x.id FROM t AS x, t AS y, t AS z ORDER BY 1",
    "SELECT id FROM t AS x WHERE EXISTS (SELECT 1 FROM t AS y, t AS z WHERE y.a + z.a + x.a < 0)",
    "UPDATE t SET a = (SELECT count(*) FROM t AS y, t AS z WHERE y.a < t.a)",
    "INSERT INTO t SELECT x.id + 10000 * y.id, z.a FROM t AS x, t AS y, t AS z",
    "DELETE FROM t USING t AS x, t AS y WHERE x.a + y.a = -t.a",
    "MERGE INTO t USING (SELECT x.id + y.id + z.id AS i FROM t AS x, t AS y, t AS z) AS s ON t.id = s.i WHEN MATCHED THEN DO NOTHING",
    "WITH gone AS (DELETE FROM t WHERE id = 1 RETURNING id) SELECT count(*) FROM gone, t AS x, t AS y, t AS z",
    "CREATE TABLE made AS SELECT x.id FROM t AS x, t AS y, t AS z",
    "EXPLAIN ANALYZE SELECT count(*) FROM t AS x, t AS y, t AS z",
]


@pytest.mark.parametrize("statement", ENDLESS)
def test_it_is_canceled_and_leaves_nothing(connection: eventdb.Connection, statement: str) -> None:
    connection.execute("BEGIN")
    connection.execute("UPDATE t SET a = -7 WHERE id = 7")
    connection.execute("SET LOCAL statement_timeout = '60ms'")
    started = time.perf_counter()
    with pytest.raises(errors.QueryCanceled, match="statement timeout") as caught:
        connection.execute(statement)
    assert time.perf_counter() - started < 30
    assert caught.value.sqlstate == "57014"
    connection.execute("COMMIT")
    assert connection.execute("SELECT count(*), min(a) FROM t").fetchone() == (5000, -7)
    assert connection.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'").fetchall() == [("t",)]


def test_what_is_quick_enough_is_not(connection: eventdb.Connection) -> None:
    connection.execute("SET statement_timeout = 60000")
    assert connection.execute("SHOW statement_timeout").fetchone() == ("60000ms",)
    for _ in range(2):
        assert connection.execute("SELECT a FROM t WHERE id = ?", (3,)).fetchall() == [(3,)]
        assert len(connection.execute("SELECT * FROM t WHERE a > 10").fetchall()) == 4990
        assert connection.execute("UPDATE t SET a = a + 0 WHERE id < 5").rowcount == 4
    connection.executemany("INSERT INTO t VALUES (?, ?)", [(n, n) for n in range(6000, 6010)])
    assert connection.execute("INSERT INTO t SELECT id + 9000, a FROM t WHERE id < 3 RETURNING id").fetchall() == [(9001,), (9002,)]


def test_a_prepared_statement_keeps_to_it_too_and_is_quick_again_without(connection: eventdb.Connection) -> None:
    query = "SELECT count(*) FROM t AS x, generate_series(1, ?) AS s (g)"
    for _ in range(2):
        assert connection.execute(query, (2,)).fetchone() == (10000,)
    connection.execute("SET statement_timeout = 50")
    with pytest.raises(errors.QueryCanceled):
        connection.execute(query, (10**9,))
    connection.execute("SET statement_timeout = 0")
    assert connection.execute(query, (2,)).fetchone() == (10000,)
    statement = connection.session._statements.recent[query]
    assert statement.fast is not None
    assert statement.fast.search_path is connection.session.settings.search_path


def test_rollback_and_reset_put_it_back(connection: eventdb.Connection) -> None:
    connection.execute("BEGIN")
    connection.execute("SET statement_timeout = 5")
    connection.execute("ROLLBACK")
    assert connection.execute("SHOW statement_timeout").fetchone() == ("0",)
    connection.execute("SET statement_timeout = '2s'")
    connection.execute("RESET statement_timeout")
    assert connection.execute("SHOW statement_timeout").fetchone() == ("0",)
    with pytest.raises(errors.InvalidParameterValue, match='invalid value for statement_timeout: "soon"'):
        connection.execute("SET statement_timeout = 'soon'")
