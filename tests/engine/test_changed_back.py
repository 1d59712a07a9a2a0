"""A row changed and changed back in one transaction has a new version, whatever way the writes take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import eventdb

UPDATE = "UPDATE t SET v = ? WHERE k = ?"


def _same_statement(connection: eventdb.Connection) -> None:
    for value in (20, 30, 10):
        connection.execute(UPDATE, (value, 1))


def _separate_statements(connection: eventdb.Connection) -> None:
    connection.execute("UPDATE t SET v = 20")
    connection.execute("UPDATE t SET v = v - 10 WHERE k = 1")


def _many(connection: eventdb.Connection) -> None:
    connection.executemany(UPDATE, [(20, 1), (10, 1)])


def _savepoint(connection: eventdb.Connection) -> None:
    connection.execute(UPDATE, (20, 1))
    connection.execute("SAVEPOINT s")
    connection.execute(UPDATE, (10, 1))
    connection.execute("RELEASE SAVEPOINT s")


def _key(connection: eventdb.Connection) -> None:
    connection.execute("UPDATE t SET k = 2 WHERE k = 1")
    connection.execute("UPDATE t SET k = 1 WHERE k = 2")


def _gone(connection: eventdb.Connection) -> None:
    connection.execute("DELETE FROM t WHERE k = 1")
    connection.execute("INSERT INTO t VALUES (1, 10)")


def _conflict(connection: eventdb.Connection) -> None:
    for value in (20, 10):
        connection.execute("INSERT INTO t VALUES (1, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v", (value,))


WAYS = [_same_statement, _separate_statements, _many, _savepoint, _key, _gone, _conflict]


@pytest.mark.parametrize("way", WAYS)
def test_changed_back_is_one_new_version(tmp_path: Path, way: Callable[[eventdb.Connection], None]) -> None:
    path = tmp_path / "back.eventdb"
    connection = eventdb.connect(path)
    connection.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v INTEGER)")
    connection.execute("INSERT INTO t VALUES (1, 10)")
    connection.commit()
    first = connection.head
    way(connection)
    connection.commit()
    expected = [(1, 10, first, first + 1), (1, 10, first + 1, None)]
    for _ in range(2):
        rows = connection.execute("SELECT k, v, row_start_tx, row_end_tx FROM t FOR SYSTEM_TIME ALL ORDER BY row_start_tx").fetchall()
        assert rows == expected
        connection.close()
        connection = eventdb.connect(path)
    connection.close()


@pytest.mark.parametrize("times", [1, 2])
def test_no_change_is_no_version(times: int) -> None:
    connection = eventdb.connect(":memory:")
    connection.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v INTEGER)")
    connection.execute("INSERT INTO t VALUES (1, 10)")
    connection.commit()
    for _ in range(times):
        connection.execute(UPDATE, (10, 1))
    connection.commit()
    assert connection.execute("SELECT count(*) FROM t FOR SYSTEM_TIME ALL").fetchone() == (1,)
