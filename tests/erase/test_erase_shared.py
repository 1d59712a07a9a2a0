"""Others who have the database open while values are erased: nobody gives them back, and nobody is in the way."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from erase.searching import forget, found

import eventdb
from eventdb import errors


def people(connection: Any) -> None:
    connection.execute("CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT)")
    connection.execute("INSERT INTO p SELECT n, 'name ' || n FROM generate_series(1, 5000) AS s(n)")
    connection.execute("UPDATE p SET name = 'Ada' WHERE id = 1")


@pytest.fixture
def two(open_database: Callable[..., Any]) -> tuple[Any, Any]:
    """One that erases, and another one, on one database."""
    one = open_database(autocommit=True, allow_erase=True)
    people(one)
    return one, open_database(autocommit=True)


@pytest.mark.parametrize("options", ["", "READ ONLY", "ISOLATION LEVEL SNAPSHOT", "AS OF TRANSACTION 2"])
@pytest.mark.parametrize("statement", ["SELECT name FROM p WHERE id = 1", "SELECT name FROM p FOR SYSTEM_TIME ALL WHERE id = 1"])
def test_a_transaction_under_way(two: tuple[Any, Any], options: str, statement: str) -> None:
    """Its next statement fails with 40001, also one that it ran before; the next transaction works."""
    one, other = two
    other.execute(f"BEGIN {options}")
    assert other.execute(statement).fetchall()
    one.execute("ERASE FROM p WHERE id = 1")
    with pytest.raises(errors.SerializationFailure) as caught:
        other.execute(statement)
    assert caught.value.sqlstate == "40001"
    assert not other.in_transaction
    assert other.execute(statement).fetchall() == []


def test_a_transaction_that_has_written(two: tuple[Any, Any]) -> None:
    """Its commit fails; so does executemany."""
    one, other = two
    other.execute("BEGIN")
    other.execute("UPDATE p SET name = 'x' WHERE id = 1")
    one.execute("ERASE FROM p WHERE id = 1")
    with pytest.raises(errors.SerializationFailure):
        other.execute("COMMIT")
    other.execute("BEGIN")
    other.execute("INSERT INTO p VALUES (6000, 'x')")
    one.execute("ERASE FROM p WHERE id = 2")
    with pytest.raises(errors.SerializationFailure):
        other.executemany("INSERT INTO p VALUES (?, 'x')", [(7000,), (7001,)])
    assert other.execute("SELECT count(*) FROM p").fetchone() == (4998,)


def test_a_result_that_is_read_by_and_by(two: tuple[Any, Any]) -> None:
    """What has not been fetched is not given out any more."""
    one, other = two
    cursor = other.execute("SELECT id, name FROM p")
    first = cursor.fetchone()
    one.execute("ERASE FROM p WHERE id = 1000")
    with pytest.raises(errors.SerializationFailure):
        list(cursor)
    assert first == (1, "Ada")


def test_a_connection_in_the_past(open_database: Callable[..., Any], two: tuple[Any, Any]) -> None:
    one, _ = two
    pinned = open_database(as_of=2, autocommit=True)
    assert pinned.execute("SELECT name FROM p WHERE id = 1").fetchall() == [("name 1",)]
    one.execute("ERASE FROM p WHERE id = 1")
    assert pinned.execute("SELECT name FROM p WHERE id = 1").fetchall() == []
    assert pinned.execute("SELECT count(*) FROM p").fetchone() == (4999,)


def test_what_others_wrote_meanwhile(two: tuple[Any, Any]) -> None:
    """An autocommit statement runs on after it as if nothing had been."""
    one, other = two
    other.execute("INSERT INTO p VALUES (6000, 'x')")
    one.execute("ERASE FROM p WHERE id = 1")
    other.execute("INSERT INTO p VALUES (6001, 'y')")
    assert other.execute("SELECT id FROM p WHERE id > 5000").fetchall() == [(6000,), (6001,)]
    assert list(one.database.changes(0))
    assert b"Ada" not in repr(list(one.database.changes(0))).encode()


def other_process(path: Path) -> Any:
    """A connection as another process would have it."""
    forget(path)
    connection = eventdb.connect(path, autocommit=True, allow_erase=True)
    forget(path)
    return connection


@pytest.mark.parametrize("read_only", [False, True])
def test_another_database_object(tmp_path: Path, read_only: bool) -> None:
    """What another process has of it is dropped when it meets the erasure: states, recent changes, offsets in rewritten segments."""
    path = tmp_path / "db"
    one = other_process(path)
    people(one)
    other = eventdb.connect(path, autocommit=True, allow_erase=True, read_only=read_only)
    forget(path)
    list(other.database.log.read())
    assert other.execute("SELECT name FROM p WHERE id = 1").fetchall() == [("Ada",)]
    streaming = other.execute("SELECT id FROM p")
    streaming.fetchone()
    one.execute("ERASE FROM p WHERE id = 1")
    assert [record.header.number for record in other.database.log.read()] == [1, 2, 3]
    assert other.execute("SELECT name FROM p FOR SYSTEM_TIME ALL WHERE id = 1").fetchall() == []
    with pytest.raises(errors.SerializationFailure):
        list(streaming)
    assert other.execute("SELECT count(*) FROM eventdb.transactions").fetchone() == (4,)
    if not read_only:
        other.execute("INSERT INTO p VALUES (1, 'Eve')")
        assert one.execute("SELECT name FROM p WHERE id = 1").fetchall() == [("Eve",)]
        assert other.execute("ERASE FROM p WHERE id = 1").rowcount == 1
        assert one.execute("SELECT name FROM p FOR SYSTEM_TIME ALL WHERE id = 1").fetchall() == []
    one.execute("INSERT INTO p VALUES (1, 'Zoe')")
    assert other.execute("SELECT name FROM p WHERE id = 1").fetchall() == [("Zoe",)]
    other.close()
    one.close()
    last = eventdb.connect(path)
    assert last.verify().ok
    last.close()


def test_a_snapshot_of_an_old_state_is_not_written(tmp_path: Path) -> None:
    """Another process that has not met the erasure yet, and writes a snapshot of what it knows, would bring the values back."""
    path = tmp_path / "db"
    one = other_process(path)
    people(one)
    other = other_process(path)
    old = other.database.head
    one.execute("ERASE FROM p WHERE id = 1")
    other.database._snapshot(old)
    assert not found(path, "Ada")
    other.close()
    one.close()
    assert not found(path, "Ada")


def test_a_real_process(tmp_path: Path) -> None:
    """Two processes write and read while a third erases; all agree at the end."""
    path = tmp_path / "db"
    one = eventdb.connect(path, autocommit=True, allow_erase=True, timeout=60)
    people(one)
    code = textwrap.dedent("""
        import sys, eventdb
        connection = eventdb.connect(sys.argv[1], autocommit=True, timeout=60)
        first = int(sys.argv[2])
        for n in range(first, first + 40):
            connection.execute("INSERT INTO p VALUES (?, 'new')", (n,))
            connection.execute("SELECT count(*) FROM p FOR SYSTEM_TIME ALL").fetchone()
        print(connection.execute("SELECT count(*) FROM p WHERE id >= ?", (first,)).fetchone()[0] >= 40)
        connection.close()
    """)
    others = [subprocess.Popen([sys.executable, "-c", code, str(path), str(first)], stdout=subprocess.PIPE) for first in (10_000, 20_000)]
    for n in range(1, 9):
        assert one.execute("ERASE FROM p WHERE id = ?", (n,)).rowcount == 1
    assert [process.communicate(timeout=120)[0].strip() for process in others] == [b"True", b"True"]
    assert one.execute("SELECT count(*) FROM p").fetchone() == (5000 - 8 + 80,)
    assert not found(path, "Ada")
    assert one.verify().ok
    one.close()


def test_forks_are_lost(two: tuple[Any, Any]) -> None:
    """A fork holds the old values in memory: it gives nothing more out. One made afterwards does not have them."""
    one, _ = two
    fork = one.fork(as_of=2)
    cursor = fork.execute("SELECT id, name FROM p")
    cursor.fetchone()
    further = fork.fork()
    one.execute("ERASE FROM p WHERE id = 1000")
    for connection in (fork, further):
        with pytest.raises(errors.ConnectionDoesNotExist, match="fork again"):
            connection.execute("SELECT count(*) FROM p")
    with pytest.raises(errors.SerializationFailure):
        list(cursor)
    further.close()
    fork.close()
    fork = one.fork(as_of=2)
    assert fork.execute("SELECT count(*) FROM p").fetchone() == (4999,)
    fork.session.allow_erase = True
    with pytest.raises(errors.NotSupportedError):
        fork.execute("ERASE FROM p")
    fork.close()


def test_temporary_tables(two: tuple[Any, Any]) -> None:
    """They may be named in the condition; they have no history to erase from."""
    one, _ = two
    one.execute("CREATE TEMPORARY TABLE wanted (id INTEGER)")
    one.execute("INSERT INTO wanted VALUES (1), (2)")
    assert one.execute("ERASE FROM p WHERE id IN (SELECT id FROM wanted)").rowcount == 2
    assert one.execute("SELECT count(*) FROM wanted").fetchone() == (2,)
    with pytest.raises(errors.WrongObjectType):
        one.execute("ERASE FROM wanted")
