"""Transactions and savepoints, by SQL and by method; settings; who and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import eventdb
from eventdb import errors


@pytest.fixture
def db() -> Iterator[Any]:
    connection = eventdb.connect(":memory:")
    connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)")
    connection.commit()
    yield connection
    connection.close()


def keys(connection: Any) -> list[int]:
    return [a for (a,) in connection.execute("SELECT a FROM t ORDER BY a")]


def add(connection: Any, *values: int) -> None:
    for value in values:
        connection.execute("INSERT INTO t (a) VALUES (?)", (value,))


def test_savepoints_nest_and_shadow(db: Any) -> None:
    """ROLLBACK TO goes to the newest savepoint of that name and keeps it; RELEASE drops it and those after it."""
    add(db, 1)
    db.execute("SAVEPOINT s")
    add(db, 2)
    db.execute("SAVEPOINT s")
    add(db, 3)
    db.execute("ROLLBACK TO s")
    assert keys(db) == [1, 2]
    add(db, 4)
    db.execute("ROLLBACK TO SAVEPOINT s")
    assert keys(db) == [1, 2]
    db.execute("RELEASE s")
    db.execute("ROLLBACK TO s")
    assert keys(db) == [1]
    db.commit()
    assert keys(db) == [1]


def test_unknown_savepoint(db: Any) -> None:
    add(db, 1)
    with pytest.raises(errors.InvalidSavepoint) as caught:
        db.execute("ROLLBACK TO nowhere")
    assert caught.value.sqlstate == "3B001"
    assert keys(db) == [1]


def test_savepoint_before_the_first_write(db: Any) -> None:
    db.execute("SAVEPOINT s")
    add(db, 1)
    db.execute("ROLLBACK TO s")
    assert keys(db) == []
    add(db, 2)
    db.commit()
    assert keys(db) == [2]


def test_schema_changes_roll_back(db: Any) -> None:
    db.execute("SAVEPOINT s")
    db.execute("CREATE TABLE u (a INTEGER)")
    db.execute("INSERT INTO u VALUES (1)")
    db.execute("ROLLBACK TO s")
    with pytest.raises(errors.UndefinedTable):
        db.execute("SELECT * FROM u")
    db.execute("CREATE TABLE u (b TEXT)")
    db.execute("INSERT INTO u VALUES ('x')")
    db.commit()
    assert db.execute("SELECT b FROM u").fetchall() == [("x",)]


def test_a_failed_statement_is_undone_and_the_transaction_goes_on(db: Any) -> None:
    add(db, 1, 3)
    with pytest.raises(errors.UniqueViolation):
        db.execute("INSERT INTO t (a) VALUES (2), (3)")
    with pytest.raises(errors.UniqueViolation):
        db.executemany("INSERT INTO t (a) VALUES (?)", [(7,), (8,), (1,)])
    assert keys(db) == [1, 3]
    add(db, 4)
    db.commit()
    assert keys(db) == [1, 3, 4]


def test_begin_inside_a_transaction(db: Any) -> None:
    db.execute("BEGIN")
    with pytest.raises(errors.ActiveTransaction):
        db.execute("BEGIN")
    db.execute("COMMIT")


def test_control_without_transaction_in_autocommit(db: Any) -> None:
    db.autocommit = True
    for text in ("COMMIT", "ROLLBACK", "SAVEPOINT s", "RELEASE s", "ROLLBACK TO s"):
        with pytest.raises(errors.NoActiveTransaction):
            db.execute(text)


def test_commit_and_chain(db: Any) -> None:
    db.execute("BEGIN ISOLATION LEVEL SNAPSHOT")
    add(db, 1)
    db.execute("COMMIT AND CHAIN")
    assert db.in_transaction
    assert db.execute("SHOW transaction_isolation").fetchone() == ("snapshot",)
    db.execute("ROLLBACK")
    assert keys(db) == [1]


@pytest.mark.parametrize(
    "text", ["INSERT INTO t VALUES (1)", "DELETE FROM t", "UPDATE t SET b = ''", "CREATE TABLE u (a INTEGER)", "TRUNCATE t"]
)
def test_read_only_refuses_writes(db: Any, text: str) -> None:
    db.execute("BEGIN READ ONLY")
    with pytest.raises(errors.ReadOnlyTransaction) as caught:
        db.execute(text)
    assert caught.value.sqlstate == "25006"
    assert keys(db) == []
    db.rollback()


def test_set_transaction(db: Any) -> None:
    db.execute("BEGIN")
    db.execute("SET TRANSACTION READ ONLY")
    with pytest.raises(errors.ReadOnlyTransaction):
        add(db, 1)
    db.rollback()
    db.execute("SET TRANSACTION ISOLATION LEVEL SNAPSHOT")
    assert db.execute("SHOW TRANSACTION ISOLATION LEVEL").fetchone() == ("snapshot",)


def test_transaction_block(db: Any) -> None:
    """Commits, rolls back on an exception, nests as a savepoint."""
    with db.transaction(actor="ann", reason="test"):
        add(db, 1)
        with pytest.raises(RuntimeError), db.transaction():  # noqa: PT012
            add(db, 2)
            raise RuntimeError
        with db.transaction():
            add(db, 3)
    assert not db.in_transaction
    with pytest.raises(RuntimeError), db.transaction():  # noqa: PT012
        add(db, 4)
        raise RuntimeError
    assert keys(db) == [1, 3]


def provenance(db: Any) -> tuple[Any, ...]:
    row: tuple[Any, ...] = db.execute(
        "SELECT actor, reason, correlation_id, metadata FROM eventdb.transactions ORDER BY number DESC LIMIT 1"
    ).fetchone()
    db.commit()
    return row


def test_provenance_from_every_side() -> None:
    """BEGIN WITH over context over SET over connect."""
    db = eventdb.connect(":memory:", actor="connect", reason="connect", correlation_id="connect", metadata={"a": 1})
    db.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")
    db.commit()
    assert provenance(db) == ("connect", "connect", "connect", {"a": 1})
    db.execute("SET reason = 'set'")
    db.execute("SET correlation_id TO 'set'")
    add(db, 1)
    db.commit()
    assert provenance(db) == ("connect", "set", "set", {"a": 1})
    with eventdb.context(correlation_id="outer", metadata={"b": 2}), eventdb.context(correlation_id="context"):
        add(db, 2)
        db.commit()
    assert provenance(db) == ("connect", "set", "context", {"a": 1, "b": 2})
    db.execute("BEGIN WITH (actor = 'begin', metadata = ?)", ({"c": [3]},))
    add(db, 3)
    db.commit()
    assert provenance(db) == ("begin", "set", "set", {"a": 1, "c": [3]})
    with db.transaction(actor="block"):
        add(db, 4)
    assert provenance(db)[0] == "block"
    db.close()


def test_bad_provenance() -> None:
    with pytest.raises(eventdb.InterfaceError):
        eventdb.connect(":memory:", actor=7)
    with pytest.raises(eventdb.InterfaceError):
        eventdb.connect(":memory:", metadata={"x": object()})
    db = eventdb.connect(":memory:")
    with pytest.raises(errors.UndefinedObject):
        db.execute("BEGIN WITH (wrong = 1)")
    assert not db.in_transaction
    db.close()


def test_settings(db: Any) -> None:
    """SET, SHOW, SET LOCAL, RESET, and rolling back a SET."""
    assert db.execute("SHOW timezone").fetchone() == ("UTC",)
    db.execute("SET TIME ZONE 'Europe/Berlin'")
    db.commit()
    assert db.execute("SHOW TIME ZONE").fetchone() == ("Europe/Berlin",)
    db.execute("BEGIN")
    db.execute("SET timezone = 'Asia/Tokyo'")
    db.execute("ROLLBACK")
    assert db.execute("SHOW timezone").fetchone() == ("Europe/Berlin",)
    db.rollback()
    db.execute("BEGIN")
    db.execute("SET LOCAL timezone = 'Asia/Tokyo'")
    assert db.execute("SHOW timezone").fetchone() == ("Asia/Tokyo",)
    db.execute("COMMIT")
    assert db.execute("SHOW timezone").fetchone() == ("Europe/Berlin",)
    db.execute("RESET timezone")
    assert db.execute("SHOW timezone").fetchone() == ("UTC",)
    names = dict(db.execute("SHOW ALL").fetchall())
    assert names["transaction_isolation"] == "serializable"


@pytest.mark.parametrize(
    ("text", "state"),
    [("SET nonsense = 1", "42704"), ("SHOW nonsense", "42704"), ("SET timezone = 'Mars'", "22023"), ("SET durability = 'maybe'", "22023")],
)
def test_bad_settings(db: Any, text: str, state: str) -> None:
    with pytest.raises(eventdb.DatabaseError) as caught:
        db.execute(text)
    assert caught.value.sqlstate == state


def test_sequences(db: Any) -> None:
    """nextval, currval, setval; a SELECT that takes a value commits it."""
    db.autocommit = True
    db.execute("CREATE SEQUENCE s START WITH 5 INCREMENT BY 2")
    with pytest.raises(errors.ObjectNotInPrerequisiteState):
        db.execute("SELECT currval('s')")
    assert db.execute("SELECT nextval('s')").fetchone() == (5,)
    assert db.execute("SELECT nextval('s')").fetchone() == (7,)
    assert db.execute("SELECT currval('s')").fetchone() == (7,)
    assert db.execute("SELECT setval('s', 100)").fetchone() == (100,)
    assert db.execute("SELECT nextval('s')").fetchone() == (102,)


def test_last_transaction_and_head(db: Any) -> None:
    before = db.head
    add(db, 1)
    db.commit()
    assert db.last_transaction == db.head == before + 1
    db.commit()
    assert db.head == before + 1


def test_explain(db: Any) -> None:
    assert db.execute("EXPLAIN SELECT * FROM t WHERE a = 1").fetchall()
    assert any("def " in line for (line,) in db.execute("EXPLAIN (CODE) SELECT * FROM t"))
    assert db.execute("EXPLAIN ANALYZE SELECT * FROM t").description[0][0] == "QUERY PLAN"
    assert db.execute("EXPLAIN INSERT INTO t VALUES (1)").fetchall()
    assert keys(db) == []


def test_many_updates_become_one_event(db: Any) -> None:
    """What a transaction did statement by statement is one event a table in the log."""
    db.executemany("INSERT INTO t VALUES (?, 'x')", [(n,) for n in range(10)])
    db.commit()
    for n in range(10):
        db.execute("UPDATE t SET b = ? WHERE a = ?", (str(n), n))
    db.commit()
    assert db.execute("SELECT events FROM eventdb.transactions ORDER BY number DESC LIMIT 1").fetchone() == (1,)
    assert db.execute("SELECT b FROM t ORDER BY a").fetchall() == [(str(n),) for n in range(10)]
