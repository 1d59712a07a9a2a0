"""The log in SQL, table_changes, table_diff, undo and the feed after ERASE and DELETE HISTORY: nothing comes back, nothing is made up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import eventdb
from eventdb import errors


@pytest.fixture
def db() -> Iterator[Any]:
    connection = eventdb.connect(":memory:", autocommit=True, allow_erase=True)
    connection.execute("CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT)")  # 1
    connection.execute("INSERT INTO p VALUES (1, 'Ada'), (2, 'Bob')")  # 2
    connection.execute("UPDATE p SET name = name || '2'")  # 3
    connection.execute("DELETE FROM p WHERE id = 1")  # 4
    connection.execute("UPDATE p SET name = 'Robert' WHERE id = 2")  # 5
    yield connection
    assert connection.verify().ok
    connection.close()


EVENTS = "SELECT transaction, operation, key, before, after FROM eventdb.events ORDER BY transaction, position"


def test_events_after_an_erasure(db: Any) -> None:
    db.execute("ERASE FROM p WHERE id = 1")
    assert db.execute(EVENTS).fetchall() == [
        (2, "insert", {"id": 2}, None, {"id": 2, "name": "Bob"}),
        (3, "update", {"id": 2}, {"id": 2, "name": "Bob"}, {"id": 2, "name": "Bob2"}),
        (5, "update", {"id": 2}, {"id": 2, "name": "Bob2"}, {"id": 2, "name": "Robert"}),
    ]
    changes = db.execute("SELECT * FROM table_changes('p', 1, 6)").fetchall()
    assert len(changes) == 3
    assert "Ada" not in repr(changes)
    assert db.execute("SELECT count(*) FROM eventdb.schema_history").fetchone() == (1,)


def test_events_after_trimming(db: Any) -> None:
    """Up to the horizon it is not known what changed, so there are no changes; asking for them is an error where a table is named."""
    db.execute("DELETE HISTORY FROM p BEFORE TRANSACTION 3")
    assert [row[:2] for row in db.execute(EVENTS).fetchall()] == [(4, "delete"), (5, "update")]
    assert len(db.execute("SELECT * FROM table_changes('p', 3, 5)").fetchall()) == 2
    with pytest.raises(errors.SnapshotTooOld, match="begins at transaction 3"):
        db.execute("SELECT * FROM table_changes('p', 1, 5)").fetchall()
    with pytest.raises(errors.SnapshotTooOld, match="begins at transaction 3"):
        db.execute("SELECT * FROM table_diff('p', 2, 5)").fetchall()
    assert len(db.execute("SELECT * FROM table_diff('p', 3, 5)").fetchall()) == 2


def test_undo(db: Any) -> None:
    """What is erased is not brought back by undoing; what was trimmed cannot be undone."""
    db.execute("ERASE FROM p WHERE id = 1")
    db.execute("REVERT TRANSACTION 4")
    assert db.execute("SELECT * FROM p").fetchall() == [(2, "Robert")]
    db.execute("DELETE HISTORY FROM p BEFORE TRANSACTION 4")
    with pytest.raises(errors.Error):
        db.execute("REVERT TRANSACTION 3")
    with pytest.raises(errors.SnapshotTooOld):
        db.execute("FLASHBACK TABLE p TO TRANSACTION 3")
    db.execute("FLASHBACK TABLE p TO TRANSACTION 4")
    assert db.execute("SELECT * FROM p").fetchall() == [(2, "Bob2")]


def test_the_feed(db: Any) -> None:
    db.execute("ERASE FROM p WHERE id = 1")
    seen = [(transaction.number, change.after) for transaction in db.changes(after=1, until=db.head) for change in transaction]
    assert "Ada" not in repr(seen)
    assert [number for number, _ in seen] == [2, 3, 5]
