"""What is said of a past that was trimmed or erased: what is left of it, or an error; never something else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import eventdb
from eventdb import errors


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[eventdb.Connection]:
    connection = eventdb.connect(tmp_path / "db", autocommit=True, allow_erase=True)
    connection.executescript(
        """CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO t VALUES (1, 'x'), (2, 'y'); UPDATE t SET a = 'z';
        UPDATE t SET a = 'w' WHERE id = 1; INSERT INTO t VALUES (3, 'q'); DELETE FROM t WHERE id = 2; CREATE TABLE o (i INTEGER)"""
    )
    yield connection
    connection.verify()
    connection.close()


def ask(connection: eventdb.Connection, query: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
    return connection.execute(query, parameters).fetchall()


def test_before_the_horizon(connection: eventdb.Connection) -> None:
    ((moment,),) = ask(connection, "SELECT committed_at FROM eventdb.transactions WHERE number = 4")
    connection.execute("DELETE HISTORY FROM t BEFORE SYSTEM_TIME ?", (moment,))
    for query in (
        "SELECT * FROM t FOR SYSTEM_TIME AS OF TRANSACTION 2", "SELECT * FROM table_changes('t', 2)", "SELECT * FROM table_changes('t', 0)",
        "SELECT * FROM table_diff('t', 2)", "SELECT * FROM table_diff('t', 5, 3)", "REVERT TRANSACTION 3", "REVERT TRANSACTION 4",
        "FLASHBACK TABLE t TO TRANSACTION 3",
    ):  # fmt: skip
        with pytest.raises(errors.SnapshotTooOld):
            connection.execute(query).fetchall()
    assert ask(connection, "SELECT operation, before_a, after_a FROM table_changes('t', 4)") == [("insert", None, "q"), ("delete", "z", None)]  # noqa: E501
    assert ask(connection, "SELECT operation, from_id, to_id FROM table_diff('t', 4)") == [("removed", 2, None), ("added", None, 3)]
    kept = [(5, "insert", "q"), (6, "delete", None)]
    assert ask(connection, "SELECT transaction, operation, after_a FROM table_changes('t')") == kept
    assert ask(connection, "SELECT transaction, operation, after ->> 'a' FROM eventdb.events") == kept
    assert ask(connection, "SELECT transaction, operation, after ->> 'a' FROM eventdb.events WHERE table_name = 't'") == kept
    connection.execute("REVERT TRANSACTION 6")
    connection.execute("FLASHBACK TABLE t TO TRANSACTION 4")
    assert ask(connection, "SELECT * FROM t ORDER BY id") == [(1, "w"), (2, "z")]


def test_erased_rows(connection: eventdb.Connection) -> None:
    """They are in no answer, and no undo brings them back."""
    connection.execute("ERASE FROM t WHERE id = 1")
    for query in ("SELECT before_id, after_id FROM table_changes('t')", "SELECT from_id, to_id FROM table_diff('t', 2)",
                  "SELECT key ->> 'id' FROM eventdb.events WHERE table_name = 't'"):  # fmt: skip
        assert not any(value in (1, "1") for row in ask(connection, query) for value in row), query
    connection.execute("REVERT TRANSACTION 4")
    connection.execute("FLASHBACK TABLE t TO TRANSACTION 2")
    assert ask(connection, "SELECT * FROM t") == [(2, "y")]
    connection.executescript("DROP TABLE t; FLASHBACK TABLE t TO BEFORE DROP; FLASHBACK TABLE t TO TRANSACTION 3")
    assert ask(connection, "SELECT * FROM t") == [(2, "z")]
