"""DELETE HISTORY and HISTORY RETENTION: what goes, what stays readable, how much room it gives back."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from erase.searching import forget, found
from faults.faulty import Crash, FaultyFiles, Keep

import eventdb
from eventdb import errors
from eventdb.model import clock


@pytest.fixture(params=["memory", "directory"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    connection = eventdb.connect(":memory:" if request.param == "memory" else tmp_path / "db", autocommit=True, allow_erase=True)
    yield connection
    report = connection.verify()
    assert report.ok, str(report)
    connection.close()


def versions(db: Any, table: str) -> list[tuple[Any, ...]]:
    return db.execute(f"SELECT *, row_start_tx, row_end_tx FROM {table} FOR SYSTEM_TIME ALL").fetchall()  # type: ignore[no-any-return]


def as_of(db: Any, table: str, number: int) -> list[tuple[Any, ...]]:
    """In the order of all columns."""
    return sorted(db.execute(f"SELECT * FROM {table} FOR SYSTEM_TIME AS OF TRANSACTION ?", (number,)).fetchall(), key=repr)


def test_what_ended_before_goes(db: Any) -> None:
    """Versions that ended go; those that were alive at the horizon stay as they were, with the transaction that began them."""
    db.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT)")
    db.execute("CREATE INDEX t_v ON t (v)")
    db.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')")  # 3
    db.execute("UPDATE t SET v = 'a2' WHERE k = 1")  # 4
    db.execute("DELETE FROM t WHERE k = 3")  # 5
    db.execute("UPDATE t SET v = 'b2' WHERE k = 2")  # 6
    db.execute("UPDATE t SET v = 'a3' WHERE k = 1")  # 7
    assert db.execute("DELETE HISTORY FROM t BEFORE TRANSACTION 5").rowcount == 2
    assert versions(db, "t") == [(1, "a2", 4, 7), (1, "a3", 7, None), (2, "b", 3, 6), (2, "b2", 6, None)]
    assert as_of(db, "t", 5) == [(1, "a2"), (2, "b")]
    assert as_of(db, "t", 6) == [(1, "a2"), (2, "b2")]
    assert db.execute("SELECT k FROM t FOR SYSTEM_TIME AS OF TRANSACTION 6 WHERE v = 'a2'").fetchall() == [(1,)]
    assert db.execute("SELECT k FROM t FOR SYSTEM_TIME FROM TRANSACTION 5 TO TRANSACTION 6").fetchall() == [(1,), (2,)]
    assert db.execute("SELECT number, events FROM eventdb.transactions").fetchall() == [
        (1, 1), (2, 1), (3, 1), (4, 1), (5, 0), (6, 1), (7, 1), (8, 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM t FOR SYSTEM_TIME AS OF TRANSACTION 2",
        "SELECT * FROM t FOR SYSTEM_TIME AS OF TRANSACTION 2 WHERE k = 1",
        "SELECT * FROM t FOR SYSTEM_TIME AS OF TRANSACTION 2 WHERE v = 'a'",
        "SELECT * FROM t FOR SYSTEM_TIME FROM TRANSACTION 2 TO TRANSACTION 3",
        "SELECT * FROM t FOR SYSTEM_TIME BETWEEN TRANSACTION 0 AND TRANSACTION 9",
        "SELECT * FROM w FOR SYSTEM_TIME AS OF TRANSACTION 3",
        "SELECT * FROM t FOR SYSTEM_TIME AS OF '1990-01-01'",
    ],
)
def test_before_the_horizon_is_an_error(db: Any, query: str) -> None:
    """It names the table and the horizon; other tables can be read then."""
    db.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT)")
    db.execute("CREATE VIEW w AS SELECT k FROM t")
    for n in range(4):
        db.execute("INSERT INTO t VALUES (?, 'x')", (n,))
    db.execute("CREATE TABLE other (k INTEGER PRIMARY KEY)")
    db.execute("UPDATE t SET v = 'y'")
    db.execute("DELETE HISTORY FROM t BEFORE TRANSACTION 5")
    expected = (errors.SnapshotTooOld, errors.UndefinedTable) if "1990" in query else errors.SnapshotTooOld
    with pytest.raises(expected) as caught:
        db.execute(query).fetchall()
    if "1990" not in query:
        assert 'the history of table "t" begins at transaction 5' in str(caught.value)
        assert caught.value.sqlstate == "72000"
    assert as_of(db, "other", 7) == []
    with pytest.raises(errors.SnapshotTooOld):
        db.fork(as_of=4)
    fork = db.fork(as_of=7)
    assert fork.execute("SELECT count(*) FROM t").fetchone() == (4,)
    with pytest.raises(errors.SnapshotTooOld):
        as_of(fork, "t", 4)
    fork.close()


def test_connections_in_the_past(open_database: Callable[..., Any]) -> None:
    one = open_database(autocommit=True)
    one.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT)")
    one.execute("INSERT INTO t VALUES (1, 'a')")
    one.execute("UPDATE t SET v = 'b'")
    one.execute("UPDATE t SET v = 'c'")
    pinned = open_database(as_of=2, autocommit=True)
    assert pinned.execute("SELECT v FROM t").fetchall() == [("a",)]
    one.execute("DELETE HISTORY FROM t BEFORE TRANSACTION 3")
    with pytest.raises(errors.SnapshotTooOld):
        pinned.execute("SELECT v FROM t").fetchall()
    with pytest.raises(errors.SnapshotTooOld):
        pinned.execute("SELECT v FROM t WHERE k = 1").fetchall()


def test_random_histories(tmp_path: Path) -> None:
    """At the horizon and later all is as it was: in memory, from a snapshot, from the log alone; twice, and with an erasure between."""
    for seed in range(5):
        chance = random.Random(seed)
        path = tmp_path / f"db{seed}"
        connection = eventdb.connect(path, autocommit=True, allow_erase=True)
        connection.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT)" if seed % 2 else "CREATE TABLE t (k INTEGER, v TEXT)")
        connection.execute("CREATE TABLE u (k INTEGER)")
        changes = [
            "ALTER TABLE t ADD COLUMN a INTEGER DEFAULT 7", "CREATE INDEX t_v ON t (v)", "ALTER TABLE t ALTER COLUMN v TYPE VARCHAR(9)",
            "ALTER TABLE t ADD COLUMN b TEXT DEFAULT 'b' || now()", "CREATE INDEX t_a ON t (a, v)", "DROP INDEX t_v",
            "ALTER TABLE t DROP COLUMN a", "ALTER TABLE t ALTER COLUMN k TYPE BIGINT",
        ]  # fmt: skip
        for step in range(100):
            k, v = chance.randrange(12), chance.choice("abcdef") * 3
            if step % 12 == 11 and changes:
                connection.execute(changes.pop(0))
            elif chance.random() < 0.2:
                connection.execute("DELETE FROM t WHERE k = ?", (k,))
            elif chance.random() < 0.3 and connection.execute("SELECT 1 FROM t WHERE k = ?", (k,)).fetchone() is None:
                connection.execute("BEGIN")
                connection.execute("INSERT INTO t (k, v) VALUES (?, ?)", (k, v))
                connection.execute("UPDATE t SET v = 'x' || v WHERE k = ?", (k,))
                connection.execute("INSERT INTO u VALUES (?)", (step,))
                connection.execute("COMMIT")
            else:
                connection.execute("UPDATE t SET v = ? WHERE k BETWEEN ? AND ?", (v, k, k + 4))
        untouched = versions(connection, "u")
        for share in (0.4, 0.8):
            horizon = int(connection.head * share)
            at = {n: as_of(connection, "t", n) for n in range(horizon, connection.head + 1)}
            # over a rewrite of the table, the newest storage's rows
            everything = versions(connection, "t")
            connection.execute("DELETE HISTORY FROM t BEFORE TRANSACTION ?", (horizon,))
            for reopen in ("no", "snapshot", "log"):
                if reopen != "no":
                    connection.close()
                    if reopen == "log":
                        shutil.rmtree(path / "snapshots")
                    connection = eventdb.connect(path, autocommit=True, allow_erase=True)
                for n, rows in at.items():
                    assert as_of(connection, "t", n) == rows
                assert versions(connection, "t") == [row for row in everything if row[-1] is None or row[-1] > horizon]
                assert versions(connection, "u") == untouched
                with pytest.raises(errors.SnapshotTooOld):
                    as_of(connection, "t", horizon - 1)
                report = connection.verify()
                assert report.ok, str(report)
            connection.execute("ERASE FROM t WHERE k = 3")
        connection.close()


def test_disk_space(tmp_path: Path) -> None:
    """The bytes of the directory before and after: of a table with long histories most go."""
    path = tmp_path / "db"
    connection = eventdb.connect(path, autocommit=True)
    connection.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT)")
    connection.execute("INSERT INTO t SELECT n, 'row ' || n FROM generate_series(1, 500) AS s(n)")
    for n in range(100):
        connection.execute("UPDATE t SET v = 'row ' || k || ' in its version ' || ?", (n,))
    connection.checkpoint()

    def size() -> int:
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())

    def log() -> int:
        """Without the room that is kept free behind the last record."""
        return sum(len(file.read_bytes().rstrip(b"\0")) for file in (path / "log").iterdir())

    before, log_before = size(), log()
    dry = connection.execute("DELETE HISTORY FROM t BEFORE TRANSACTION ? DRY RUN", (connection.head,)).fetchall()
    assert size() == before
    assert connection.execute("DELETE HISTORY FROM t BEFORE TRANSACTION ?", (connection.head,)).rowcount == 50_000
    after, log_after = size(), log()
    print(f"bytes of the directory: {before:,} before, {after:,} after; of the log: {log_before:,} and {log_after:,}")
    assert after < before / 10
    schema, name, horizon, gone, saved = dry[0]
    assert (schema, name, horizon, gone) == ("public", "t", 102, 50_000)
    assert 0.9 * saved < log_before - log_after < 1.1 * saved
    assert versions(connection, "t")[0] == (1, "row 1 in its version 99", 102, None)
    assert connection.verify().ok
    connection.close()


def test_dropped_tables(db: Any) -> None:
    """A name that no table has means the one that had it last: all of it can go."""
    db.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT)")
    db.execute("INSERT INTO t VALUES (1, 'secret')")
    db.execute("DROP TABLE t")
    with pytest.raises(errors.UndefinedTable):
        db.execute("DELETE HISTORY FROM other BEFORE TRANSACTION 1")
    assert db.execute("DELETE HISTORY FROM t BEFORE TRANSACTION 3").rowcount == 1
    assert b"secret" not in b"".join(record.body for record in db.database.log.read())
    with pytest.raises(errors.SnapshotTooOld):
        as_of(db, "t", 2)


def test_tables_that_were_dropped_under_a_name_in_use(db: Any) -> None:
    """What a name means in the past goes with it, however often it was given anew; a table that has another name by now is not meant."""
    for secret in ("first", "second", "third"):
        db.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT)")
        db.execute("INSERT INTO t VALUES (1, ?)", (secret,))
        if secret != "third":
            db.execute("DROP TABLE t")
    db.execute("UPDATE t SET v = 'now'")
    assert [row[1:4] for row in db.execute("DELETE HISTORY FROM t BEFORE TRANSACTION 4 DRY RUN")] == [("t", 4, 0), ("t", 4, 1)]
    assert db.execute("DELETE HISTORY FROM t BEFORE TRANSACTION 9").rowcount == 3
    bodies = b"".join(record.body for record in db.database.log.read())
    assert not any(secret in bodies for secret in (b"first", b"second", b"third"))
    assert versions(db, "t") == [(1, "now", 9, None)]
    assert db.execute("DELETE HISTORY FROM t BEFORE TRANSACTION 9").rowcount == 0
    db.execute("UPDATE t SET v = 'later'")
    db.execute("ALTER TABLE t RENAME TO u")
    head = db.head
    assert db.execute(f"DELETE HISTORY FROM t BEFORE TRANSACTION {head}").rowcount == 0
    assert db.head == head
    assert len(versions(db, "u")) == 2


def test_retention_outlasts_the_table(db: Any) -> None:
    """What is to be kept for so long is not kept longer because its table was dropped."""
    db.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT) HISTORY RETENTION INTERVAL '0'")
    db.execute("INSERT INTO t VALUES (1, 'secret')")
    db.execute("DROP TABLE t")
    assert db.apply_retention(dry_run=True) == db.apply_retention() == 1
    assert b"secret" not in b"".join(record.body for record in db.database.log.read())
    assert db.apply_retention() == 0


def test_moments(db: Any) -> None:
    """Times and parameters; a horizon does not go back; the future is an error; nothing to remove is fine."""
    db.execute("CREATE TABLE t (k INTEGER PRIMARY KEY)")
    db.execute("INSERT INTO t VALUES (1)")
    moment = db.execute("SELECT committed_at FROM eventdb.transactions WHERE number = 2").fetchone()[0]
    db.execute("UPDATE t SET k = 2")
    assert db.execute("DELETE HISTORY FROM t BEFORE SYSTEM_TIME '1990-01-01'").rowcount == 0
    assert db.head == 3
    assert db.execute("DELETE HISTORY FROM t BEFORE SYSTEM_TIME ?", (moment,)).rowcount == 0
    assert db.execute("SELECT horizon, horizon_at FROM eventdb.retention").fetchall() == [(2, moment)]
    assert db.execute("DELETE HISTORY FROM t BEFORE SYSTEM_TIME now()").rowcount == 1
    assert db.execute("DELETE HISTORY FROM t BEFORE TRANSACTION 3").rowcount == 0
    assert db.execute("SELECT horizon FROM eventdb.retention").fetchall() == [(4,)]
    for bad in ("TRANSACTION 100", "SYSTEM_TIME '2999-01-01'", "SYSTEM_TIME NULL", "SYSTEM_TIME 'never'"):
        with pytest.raises(errors.DataError):
            db.execute(f"DELETE HISTORY FROM t BEFORE {bad}")
    db.execute("BEGIN")
    with pytest.raises(errors.ActiveTransaction):
        db.execute("DELETE HISTORY FROM t BEFORE TRANSACTION 3")
    db.execute("ROLLBACK")
    db.execute("CREATE TEMPORARY TABLE x (a INTEGER)")
    with pytest.raises(errors.WrongObjectType):
        db.execute("DELETE HISTORY FROM x")


def test_retention_of_tables(db: Any) -> None:
    """The option is kept with the table, and applied when asked for, to those that have it."""
    db.execute("CREATE TABLE a (k INTEGER PRIMARY KEY, v INTEGER) HISTORY RETENTION INTERVAL '0 seconds'")
    db.execute("CREATE TABLE b (k INTEGER PRIMARY KEY, v INTEGER) WITH (history_retention = INTERVAL '1 year 2 days')")
    db.execute("CREATE TABLE c (k INTEGER PRIMARY KEY, v INTEGER)")
    for table in "abc":
        db.execute(f"INSERT INTO {table} VALUES (1, 1)")
        db.execute(f"UPDATE {table} SET v = 2")
    kept = db.execute("SELECT table_name, CAST(history_retention AS TEXT), horizon FROM eventdb.retention").fetchall()
    assert kept == [("a", "00:00:00", None), ("b", "1 year 2 days", None)]
    assert db.apply_retention(dry_run=True) == 1
    assert [row[1:4] for row in db.execute("DELETE HISTORY DRY RUN").fetchall()] == [("a", 9, 1)]
    assert db.apply_retention() == 1
    assert db.apply_retention() == 0
    assert db.head == 10
    assert versions(db, "a") == [(1, 2, 5, None)]
    assert len(versions(db, "b")) == len(versions(db, "c")) == 2
    db.execute("ALTER TABLE c SET HISTORY RETENTION INTERVAL '0'")
    db.execute("ALTER TABLE a RESET HISTORY RETENTION")
    db.execute("UPDATE a SET v = 3")
    assert db.execute("DELETE HISTORY FROM a").rowcount == 0
    assert db.execute("DELETE HISTORY FROM c").rowcount == 1
    assert db.execute("DELETE HISTORY").rowcount == 0
    assert [row[0] for row in db.execute("SELECT table_name FROM eventdb.retention").fetchall()] == ["a", "b", "c"]


def test_retention_goes_by_the_clock(db: Any) -> None:
    """What is kept for longer than there are years is kept for ever, and is in nobody's way."""
    for table, kept in (("a", "30 days"), ("b", "5000 years")):
        db.execute(f"CREATE TABLE {table} (k INTEGER PRIMARY KEY, v INTEGER) HISTORY RETENTION INTERVAL '{kept}'")
        db.execute(f"INSERT INTO {table} VALUES (1, 1)")
        db.execute(f"UPDATE {table} SET v = 2")
    for days, count in ((29, 0), (31, 1)):
        with clock.replaced(lambda days=days: time.time_ns() + days * 86_400 * 10**9):  # type: ignore[misc]
            assert db.apply_retention(dry_run=True) == db.apply_retention() == count


def test_options_that_are_none(db: Any) -> None:
    db.execute("CREATE TABLE t (k INTEGER PRIMARY KEY)")
    for statement, error in (
        ("ALTER TABLE t SET HISTORY RETENTION INTERVAL '-1 day'", errors.InvalidParameterValue),
        ("ALTER TABLE t SET HISTORY RETENTION NULL", errors.InvalidParameterValue),
        ("ALTER TABLE t SET HISTORY RETENTION 5", errors.ProgrammingError),
        ("ALTER TABLE t SET HISTORY RETENTION 'soon'", errors.DataError),
        ("ALTER TABLE t SET HISTORY RETENTION k", errors.ProgrammingError),
        ("ALTER TABLE t SET (fillfactor = 5)", errors.NotSupportedError),
        ("CREATE TEMPORARY TABLE x (a INTEGER) HISTORY RETENTION INTERVAL '1 day'", errors.InvalidTableDefinition),
    ):
        with pytest.raises(error):
            db.execute(statement)
    assert db.execute("SELECT * FROM eventdb.retention").fetchall() == []


@pytest.mark.parametrize("keep", [Keep.NOTHING, Keep.ALL])
def test_stopped_anywhere(tmp_path: Path, keep: Keep) -> None:
    """Not yet, or done by the next open."""

    def prepare(path: Path, files: FaultyFiles) -> Any:
        connection = eventdb.connect(path, autocommit=True, _files=files)
        connection.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT)")
        connection.execute("INSERT INTO t VALUES (1, 'an old value')")
        connection.execute("UPDATE t SET v = 'new'")
        connection.checkpoint()
        return connection

    files = FaultyFiles()
    connection = prepare(tmp_path / "whole", files)
    first = files.operations + 1
    connection.execute("DELETE HISTORY FROM t BEFORE TRANSACTION 3")
    last = files.operations
    connection.close()
    outcomes = set()
    for k in range(first, last + 1):
        files, path = FaultyFiles(), tmp_path / f"db{k}"
        connection = prepare(path, files)
        files.crash_at = k
        with pytest.raises(Crash):
            connection.execute("DELETE HISTORY FROM t BEFORE TRANSACTION 3")
        forget(path)
        survived = files.surviving(path, tmp_path / f"after{k}", keep)
        connection = eventdb.connect(survived, autocommit=True)
        assert connection.verify().ok
        done = connection.execute("SELECT horizon FROM eventdb.retention").fetchall() == [(3,)]
        outcomes.add(done)
        assert bool(found(survived, "an old value")) != done
        assert versions(connection, "t") == ([] if done else [(1, "an old value", 2, 3)]) + [(1, "new", 3, None)]
        connection.close()
    assert outcomes == {True, False}
