"""`Connection.verify` finds what is wrong, wherever it is, and says what it looked at."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import eventdb
from eventdb.errors import DataCorrupted
from eventdb.model.event import Event, RowsDeleted, RowsInserted
from eventdb.model.record import replace
from eventdb.model.schema import Table
from eventdb.sql.modification.making import key_types, row_types
from eventdb.storage.codec import encode_body
from eventdb.storage.log.base import Proposal
from eventdb.storage.log.directory import DirectoryLog
from eventdb.storage.snapshot import SnapshotStore
from eventdb.storage.verify import verify

SCHEMA = """
CREATE TABLE maker (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE item (
    id INTEGER PRIMARY KEY, maker INTEGER REFERENCES maker,
    price INTEGER CHECK (price > 0), twice INTEGER GENERATED ALWAYS AS (price * 2) STORED
);
CREATE INDEX item_price ON item (price);
INSERT INTO maker VALUES (1, 'ann'), (2, 'bob');
INSERT INTO item (id, maker, price) VALUES (1, 1, 10), (2, NULL, 20);
UPDATE item SET price = 30 WHERE id = 2;
"""


def made(path: Path) -> eventdb.Connection:
    connection = eventdb.connect(path, autocommit=True)
    connection.executescript(SCHEMA)
    return connection


def smuggled(path: Path, event: Callable[[Table], Event], name: str) -> eventdb.Connection:
    """A database whose log has one more event that no statement would have made, opened again."""
    connection = made(path)
    table = connection.database.head.catalog.find("public", name)
    assert isinstance(table, Table)
    connection.close()
    log = DirectoryLog(path / "log", lock_path=str(path / "lock"))
    log.append([Proposal(os.urandom(16), encode_body([event(table)]), 0)], log.head)
    log.close()
    return eventdb.connect(path)


def rows(*values: tuple[Any, ...]) -> Callable[[Table], Event]:
    return lambda table: RowsInserted(table.id, row_types(table), list(values))


CASES = [
    ("maker", rows((3, None)), 'table "maker": column "name" is NOT NULL: the row of key 3 has a null there'),
    ("maker", rows((3, "ann")), 'table "maker": unique key "maker_name_key": Key (name)=(ann) is there twice'),
    ("item", rows((3, 1, -1, -2)), 'table "item": check constraint "item_price_check": the row of key 3 fails it'),
    ("item", rows((3, 9, 1, 2)), 'table "item": foreign key "item_maker_fkey": Key (maker)=(9) is not present in table "maker"'),
    ("item", rows((3, 1, 1, 3)), 'table "item": column "twice" is generated: the row of key 3 has 3, computed is 2'),
    (
        "maker", lambda table: RowsDeleted(table.id, key_types(table), [1]),
        'table "item": foreign key "item_maker_fkey": Key (maker)=(1) is not present in table "maker"',
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "event", "message"), CASES, ids=[str(n) for n in range(len(CASES))])
def test_rows_against_a_constraint(name: str, event: Callable[[Table], Event], message: str, tmp_path: Path) -> None:
    """A log whose hashes are right, with rows that no statement would let in."""
    connection = smuggled(tmp_path / "db", event, name)
    report = connection.verify()
    assert [str(problem) for problem in report.problems] == [f"constraint: {message}"]
    assert not report.ok
    with pytest.raises(DataCorrupted, match="verification failed: constraint: table"):
        report.raise_for_problems()
    connection.close()


def test_the_report_of_a_sound_database(tmp_path: Path) -> None:
    connection = made(tmp_path / "db")
    connection.checkpoint()
    told: list[tuple[str, int, int]] = []
    report = connection.verify(progress=lambda *step: told.append(step))
    assert report.ok
    assert report.raise_for_problems() is report
    assert (report.first, report.transaction, report.transactions, report.replayed, report.snapshots) == (1, 6, 6, 6, 1)
    # two primary keys, a unique one, two NOT NULL of keys and one more, a check, a foreign key, a generated column
    assert (report.tables, report.rows, report.versions, report.constraints) == (2, 4, 1, 9)
    assert report.entries == 2 + 3  # names, prices with the one that was
    assert report.log_id == connection.database.log.log_id.hex()
    assert report.duration > 0
    assert json.loads(json.dumps(report.as_dict()))["problems"] == []
    assert str(report).splitlines()[0].endswith("transactions 1 to 6: 6 read, 6 replayed, 0 redacted")
    assert {what for what, _, _ in told} == {"tables", "constraints"}
    connection.close()


def test_an_empty_database_and_one_in_memory() -> None:
    connection = eventdb.connect(":memory:")
    assert connection.verify().ok
    connection.executescript(SCHEMA)
    connection.commit()
    report = connection.verify().raise_for_problems()
    assert (report.transactions, report.snapshots) == (1, 0)
    connection.close()


def test_damage_in_the_middle_does_not_hide_what_follows(tmp_path: Path) -> None:
    """Two damaged records in a segment that opening does not read again: both are named, and the rest is checked."""
    path = tmp_path / "db"
    connection = made(path)
    connection.close()  # leaves a snapshot, so the next open reads nothing before it
    file = path / "log" / f"{1:020d}.cbor"
    log = DirectoryLog(path / "log", read_only=True)
    bodies = {record.header.number: record.body for record in log.read()}
    log.close()
    data = bytearray(file.read_bytes())
    for number in (4, 5):
        place = data.index(bodies[number])
        data[place + 3] ^= 1
    file.write_bytes(data)
    connection = eventdb.connect(path)
    report = connection.verify()
    assert [(p.kind, p.transaction) for p in report.problems] == [("log", 4), ("log", 5)]
    assert report.transactions == 4
    connection.close()


def test_a_damaged_snapshot(tmp_path: Path) -> None:
    """It is not used, and named."""
    path = tmp_path / "db"
    connection = made(path)
    connection.close()
    (snapshot,) = (path / "snapshots").glob("*.snapshot")
    data = bytearray(snapshot.read_bytes())
    data[-60] ^= 1
    snapshot.write_bytes(data)
    connection = eventdb.connect(path)
    report = connection.verify()
    assert [problem.kind for problem in report.problems] == ["snapshot"]
    assert "its root is damaged" in report.problems[0].message
    connection.close()


def test_beyond_a_horizon(tmp_path: Path) -> None:
    """A log that begins above 1 is replayed from its oldest snapshot; without one that is a problem, and hashes are still checked."""
    path = tmp_path / "db"
    connection = eventdb.connect(path, autocommit=True)
    connection.database.log.segment_size = 1  # a segment for each transaction
    connection.executescript(SCHEMA)
    connection.checkpoint()
    connection.execute("DELETE FROM item WHERE id = 1")
    connection.execute("INSERT INTO maker VALUES (7, 'eve')")
    connection.database.log.truncate(6)
    report = connection.verify().raise_for_problems()
    assert (report.first, report.transaction, report.transactions, report.replayed) == (6, 8, 3, 2)
    shutil.rmtree(path / "snapshots")
    report = connection.verify()
    assert [p.kind for p in report.problems] == ["snapshot"]
    assert (report.transactions, report.replayed) == (3, 0)
    connection.close()


class Busy(SnapshotStore):
    """Snapshots that another process writes and removes while they are looked at."""

    def __init__(self, store: SnapshotStore, connection: eventdb.Connection, other: eventdb.Connection) -> None:
        super().__init__(store.directory)
        self.connection = connection
        self.other = other
        self.turns = 2

    def load_all(self, *arguments: Any) -> Iterator[Any]:
        if self.turns:
            self.turns -= 1
            self.other.execute("INSERT INTO maker (id, name) VALUES (?, ?)", (100 + self.turns, f"{self.turns}"))
            self.other.checkpoint()
        return super().load_all(*arguments)


def test_snapshots_that_others_write_meanwhile_are_no_problem(tmp_path: Path) -> None:
    """Newer than what was known of the log, or gone."""
    path = tmp_path / "db"
    connection = made(path)
    connection.checkpoint()
    state = connection.database.head
    log = DirectoryLog(path / "log", lock_path=str(path / "lock"))
    store = Busy(SnapshotStore(str(path / "snapshots")), connection, connection)
    found = verify(log, state, store)
    assert found.problems == []
    assert store.turns == 0
    log.close()
    connection.close()


def test_a_torn_tail_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "db"
    made(path).close()
    segment = path / "log" / f"{1:020d}.cbor"
    segment.write_bytes(segment.read_bytes() + b"\x85\x1a")
    connection = eventdb.connect(path, read_only=True)
    report = connection.verify().raise_for_problems()
    assert len(report.warnings) == 1
    assert "warning: a torn tail of 2 bytes was left out" in str(report)
    connection.close()


def test_the_chain_in_memory() -> None:
    """A log in memory has no reader that checks: `verify` follows its chain by itself."""
    connection = eventdb.connect(":memory:", autocommit=True)
    connection.executescript(SCHEMA)
    records = connection.database.log._records
    records[3] = replace(records[3], header=replace(records[3].header, previous=bytes(32)))
    assert [str(p) for p in connection.verify().problems] == ["log: transaction 4 does not continue the hash chain"]
    connection.close()


@pytest.mark.parametrize(
    "work",
    [
        "DELETE FROM item WHERE price IS NULL; ALTER TABLE item ALTER COLUMN price SET NOT NULL",
        "BEGIN; ALTER TABLE item DROP CONSTRAINT item_pkey; ALTER TABLE item ALTER COLUMN name TYPE VARCHAR(9); COMMIT",
        "BEGIN; ALTER TABLE item DROP CONSTRAINT item_pkey; DROP TABLE item; COMMIT",
        "BEGIN; ALTER TABLE item ADD COLUMN more INTEGER DEFAULT 7; UPDATE item SET price = 30; DROP TABLE item; COMMIT",
    ],
)
def test_indexes_over_what_the_definition_was(work: str) -> None:
    """Rows of before are held against the definition of before, and a storage that one transaction made and left is no problem."""
    connection = eventdb.connect(":memory:", autocommit=True)
    connection.executescript(
        """CREATE TABLE item (id INTEGER PRIMARY KEY, price INTEGER, name TEXT); INSERT INTO item VALUES (1, 10, 'a'), (2, NULL, 'b');
        CREATE INDEX item_name ON item (name); CREATE INDEX item_half ON item (id) WHERE id + coalesce(price, 0) > 0"""
    )
    if "SET NOT NULL" in work:
        connection.execute("CREATE INDEX item_price ON item (id) WHERE price > 0")
    connection.executescript(work)
    connection.verify().raise_for_problems()
    connection.close()


@pytest.mark.parametrize("wrong", [5, "x", b"x", {}, [None], ({"format": 1},)])
def test_what_is_no_digest(wrong: Any) -> None:
    connection = eventdb.connect(":memory:")
    with pytest.raises(eventdb.DataError, match="no digest of a log"):
        connection.verify(digest=wrong)
    connection.close()
