"""Cursors that execute as of a moment, and attributing a transaction that has begun."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest

import eventdb

Open = Callable[..., Any]


@pytest.fixture
def connection(open_database: Open) -> Any:
    made = open_database()
    made.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)")
    made.commit()
    made.execute("INSERT INTO t VALUES (1, 'a')")
    made.commit()
    made.execute("UPDATE t SET name = 'b'")
    made.execute("INSERT INTO t VALUES (2, 'c')")
    made.commit()
    return made


def rows(cursor: Any, text: str = "SELECT name FROM t ORDER BY id", parameters: Any = ()) -> list[Any]:
    return [row[0] for row in cursor.execute(text, parameters).fetchall()]


def test_queries_read_at_the_moment_inside_a_transaction_of_the_present(connection: Any) -> None:
    connection.execute("UPDATE t SET name = 'not committed'")
    assert rows(connection.cursor(as_of=2)) == ["a"]
    assert rows(connection.cursor(as_of="TRANSACTION 3")) == ["b", "c"]
    assert rows(connection.cursor(as_of=2), "SELECT name FROM t WHERE id = ?", (1,)) == ["a"]
    assert rows(connection.cursor(as_of=1)) == []
    assert rows(connection.cursor()) == ["not committed", "not committed"]
    connection.rollback()
    then = connection.execute("SELECT committed_at FROM eventdb.transactions WHERE number = 2").fetchone()[0]
    assert rows(connection.cursor(as_of=then)) == ["a"]
    assert rows(connection.cursor(as_of=then.replace(tzinfo=None))) == ["a"]
    assert rows(connection.cursor(as_of=str(then))) == ["a"]


def test_the_catalog_is_that_of_the_moment(connection: Any) -> None:
    connection.execute("ALTER TABLE t RENAME COLUMN name TO title")
    connection.commit()
    assert rows(connection.cursor(as_of=2)) == ["a"]
    assert rows(connection.cursor(), "SELECT title FROM t ORDER BY id") == ["b", "c"]
    names = "SELECT column_name FROM information_schema.columns WHERE table_name = 't' ORDER BY ordinal_position"
    assert rows(connection.cursor(as_of=2), names) == ["id", "name"]


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO t VALUES (9, 'x')",
        "UPDATE t SET name = 'x'",
        "DELETE FROM t",
        "TRUNCATE t",
        "MERGE INTO t USING (SELECT 1 AS id) AS s ON s.id = t.id WHEN MATCHED THEN DELETE",
        "CREATE TABLE u (x INTEGER)",
        "DROP TABLE t",
        "WITH gone AS (DELETE FROM t RETURNING id) SELECT id FROM gone",
        "EXPLAIN ANALYZE DELETE FROM t",
    ],
)
@pytest.mark.parametrize("autocommit", [False, True])
def test_it_refuses_to_write(connection: Any, text: str, autocommit: bool) -> None:
    connection.autocommit = autocommit
    for run in (lambda c: c.execute(text), lambda c: c.executemany(text, [()]), lambda c: c.executescript(text)):
        with pytest.raises(eventdb.OperationalError, match="the past is read only") as caught:
            run(connection.cursor(as_of=2))
        assert caught.value.sqlstate == "25006"
    assert rows(connection.cursor()) == ["b", "c"]


def test_it_takes_no_values_from_sequences(connection: Any) -> None:
    connection.execute("CREATE SEQUENCE s")
    connection.commit()
    head = connection.head
    with pytest.raises(eventdb.OperationalError, match="reads the past, as of transaction"):
        connection.cursor(as_of=head).execute("SELECT nextval('s')")
    assert rows(connection.cursor(), "SELECT nextval('s')") == [1]


def test_it_explains_and_locks_nothing(connection: Any) -> None:
    assert rows(connection.cursor(as_of=2), "EXPLAIN DELETE FROM t")
    assert "Rows: 1" in rows(connection.cursor(as_of=2), "EXPLAIN ANALYZE SELECT name FROM t")
    for text in ("SELECT name FROM t FOR UPDATE", "EXPLAIN ANALYZE SELECT name FROM t FOR UPDATE"):
        with pytest.raises(eventdb.OperationalError, match="cannot lock rows"):
            connection.cursor(as_of=2).execute(text)
    assert rows(connection.cursor()) == ["b", "c"]


def test_statements_that_steer_the_transaction_run_as_ever(connection: Any) -> None:
    cursor = connection.cursor(as_of=2)
    cursor.execute("SAVEPOINT a")
    connection.execute("DELETE FROM t")
    cursor.execute("ROLLBACK TO SAVEPOINT a")
    assert rows(connection.cursor()) == ["b", "c"]


@pytest.mark.parametrize("moment", [99, "TRANSACTION 99", "yesterdayish", 1.5, datetime.datetime(2999, 1, 1)])
def test_a_moment_that_is_none(connection: Any, moment: Any) -> None:
    with pytest.raises(eventdb.DataError):
        connection.cursor(as_of=moment).execute("SELECT 1 FROM t")


def test_reading_the_past_makes_no_conflict(connection: Any, open_database: Open) -> None:
    other = open_database()
    rows(connection.cursor(as_of=2))
    connection.execute("INSERT INTO t VALUES (3, 'd')")
    other.execute("UPDATE t SET name = name || '!'")
    other.commit()
    connection.commit()
    assert rows(connection.cursor()) == ["b!", "c!", "d"]


def test_attribute(connection: Any) -> None:
    last = "SELECT actor, reason, metadata FROM eventdb.transactions ORDER BY number DESC LIMIT 1"
    with eventdb.context(actor="surroundings", reason="why not"):
        connection.attribute(actor="ann", metadata={"a": 1})
        connection.execute("DELETE FROM t WHERE id = 2")
        connection.attribute(metadata={"b": 2})
        connection.commit()
    assert connection.execute(last).fetchone() == ("ann", "why not", {"a": 1, "b": 2})
    connection.execute("DELETE FROM t")
    connection.commit()
    assert connection.execute(last).fetchone() == (None, None, None)
    connection.commit()
    connection.autocommit = True
    with pytest.raises(eventdb.DatabaseError, match="autocommit"):
        connection.attribute(actor="ann")
    connection.autocommit = False
    with pytest.raises(eventdb.InterfaceError, match="actor must be text"):
        connection.attribute(actor=1)
