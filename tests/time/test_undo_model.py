"""Random lives with undo: whatever a transaction did, reverting it at once leads back; and what conditions leave out of the log was not
wanted, also after the log was read anew."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

import eventdb
from eventdb import errors

TABLES = ("p", "c")


def state(connection: eventdb.Connection, clause: str = "") -> dict[str, Any]:
    return {name: sorted(connection.execute(f"SELECT * FROM {name}{clause}").fetchall(), key=repr) for name in TABLES}


def change(connection: eventdb.Connection, chance: random.Random) -> None:
    """One to four statements on two tables, one of which refers to the other; what is refused is left out."""
    with connection.transaction():
        for _ in range(chance.randrange(1, 5)):
            key, other = chance.randrange(8), chance.randrange(8)
            statement = chance.choice(
                [
                    f"INSERT INTO p VALUES ({key}, {other})", f"INSERT INTO p VALUES ({key}, {other}) ON CONFLICT (id) DO UPDATE SET n = p.n + 1",  # noqa: E501
                    f"UPDATE p SET n = {other} WHERE id >= {key}", f"UPDATE p SET id = {other} WHERE id = {key}", f"DELETE FROM p WHERE n = {key}",  # noqa: E501
                    f"INSERT INTO c SELECT id, {other} FROM p WHERE n < {key}", f"UPDATE c SET v = v + 1 WHERE p = {key}",
                    f"DELETE FROM c WHERE v > {key}", f"MERGE INTO c USING p ON c.p = p.id WHEN MATCHED THEN UPDATE SET v = {key}",
                ]
            )  # fmt: skip
            try:
                with connection.transaction():
                    connection.execute(statement)
            except errors.IntegrityError:
                pass


@pytest.mark.parametrize("seed", range(4))
def test_reverting_the_last_transaction_leads_back(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    connection = eventdb.connect(tmp_path / "db", autocommit=True, durability="none")
    connection.executescript(
        """CREATE TABLE p (id INTEGER PRIMARY KEY, n INTEGER);
        CREATE TABLE c (p INTEGER REFERENCES p ON DELETE CASCADE ON UPDATE CASCADE, v INTEGER); CREATE INDEX c_p ON c (p)"""
    )
    for _ in range(25):
        before, head = state(connection), connection.head
        change(connection, chance)
        if connection.head == head:
            continue
        after = state(connection)
        if chance.random() < 0.6:
            number = connection.head
            connection.execute("REVERT TRANSACTION ?", (number,))
            assert state(connection) == before
            assert (connection.head == number) is (before == after)
            if before != after and chance.random() < 0.5:
                connection.execute("REVERT TRANSACTION ?", (connection.head,))
                assert state(connection) == after
        if chance.random() < 0.2:
            moment = chance.randrange(3, connection.head + 1)
            connection.execute("FLASHBACK TABLE p, c TO TRANSACTION ?", (moment,))
            assert state(connection) == state(connection, f" FOR SYSTEM_TIME AS OF TRANSACTION {moment}")
    connection.verify()
    seen = told(connection)
    connection.close()
    for again in ("snapshots", "log"):
        if again == "log":
            for path in (tmp_path / "db" / "snapshots").iterdir():
                path.unlink()
        connection = eventdb.connect(tmp_path / "db", autocommit=True)
        assert told(connection) == seen
        connection.close()


def told(connection: eventdb.Connection) -> list[Any]:
    """All row changes; asked for by table they are the same ones, and in table_changes too."""
    events = connection.execute("SELECT * FROM eventdb.events").fetchall()
    for name in TABLES:
        assert connection.execute("SELECT * FROM eventdb.events WHERE table_name = ?", (name,)).fetchall() == [e for e in events if e[4] == name]  # noqa: E501
        changes = connection.execute(f"SELECT transaction, position, operation FROM table_changes('{name}')").fetchall()
        assert changes == [e[:3] for e in events if e[4] == name]
    return events


@pytest.mark.parametrize("isolation", ["SERIALIZABLE", "SNAPSHOT"])
def test_flashback_counts_as_reading_the_table(isolation: str) -> None:
    """A row that comes meanwhile would stay, so the flashback fails, in every isolation level."""
    one, two = eventdb.connect(f":memory:flash-{isolation}"), eventdb.connect(f":memory:flash-{isolation}", autocommit=True)
    two.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)")
    one.execute(f"BEGIN ISOLATION LEVEL {isolation}")
    one.execute("FLASHBACK TABLE t TO TRANSACTION 2")
    two.execute("INSERT INTO t VALUES (3)")
    with pytest.raises(errors.SerializationFailure):
        one.commit()
    one.execute("FLASHBACK TABLE t TO TRANSACTION 2")
    one.commit()
    assert two.execute("SELECT id FROM t").fetchall() == [(1,)]
    one.close()
    two.close()
