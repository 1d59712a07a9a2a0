"""Backups: consistent while others write, incremental, safe to stop anywhere, never of another history."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from faults.faulty import Crash, FaultyFiles, Keep

import eventdb
from eventdb.engine import copies
from eventdb.errors import CannotConnect, DataCorrupted, ObjectNotInPrerequisiteState
from eventdb.storage.files import Files
from eventdb.storage.log.segment import name_of


def filled(path: Path | str, count: int = 12, segment_size: int = 700) -> eventdb.Connection:
    connection = eventdb.connect(path, autocommit=True, actor="ann")
    if hasattr(connection.database.log, "segment_size"):
        connection.database.log.segment_size = segment_size
    connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, v TEXT)")
    add(connection, count)
    return connection


def add(connection: eventdb.Connection, count: int) -> None:
    begin = connection.head
    for n in range(begin, begin + count):
        connection.execute("INSERT INTO t VALUES (?, ?)", (n, f"value {n}"))


def same(backup: Path, connection: eventdb.Connection) -> bool:
    """Whether the backup opens, verifies, and is the database as it is now, byte for byte in the log."""
    copy = eventdb.connect(backup, read_only=True)
    assert copy.verify(digest=connection.digest()).raise_for_problems().transaction == connection.head
    assert copy.execute("SELECT * FROM t ORDER BY n").fetchall() == connection.execute("SELECT * FROM t ORDER BY n").fetchall()
    copy.close()
    if connection.database.path is not None:
        for segment in (backup / "log").glob("*.cbor"):
            mine, original = segment.read_bytes(), (Path(connection.database.path) / "log" / segment.name).read_bytes()
            assert original.startswith(mine)
            assert not original[len(mine) :].strip(b"\0")  # free room
    return True


def test_a_backup_is_a_database_and_grows_by_what_is_new(tmp_path: Path) -> None:
    connection = filled(tmp_path / "db")
    target = tmp_path / "backup"
    first = connection.backup(target)
    assert (first.transaction, first.path) == (13, str(target))
    assert same(target, connection)
    again = connection.backup(target)
    assert (again.segments, again.bytes) == (0, 0)
    add(connection, 1)
    more = connection.backup(target)
    assert more.segments <= 2
    assert 0 < more.bytes < 400
    assert same(target, connection)
    connection.checkpoint()
    assert connection.backup(target).segments == 0
    assert [p.name for p in (target / "snapshots").glob("*.snapshot")] == [f"{14:020d}.snapshot"]
    copy = eventdb.connect(target, read_only=True)
    assert copy.database.report.snapshot == 14
    copy.close()
    manifest = json.loads((target / "backup.json").read_text())
    assert (manifest["transaction"], manifest["hash"]) == (14, connection.digest()["hash"])
    connection.close()


def test_a_database_in_memory(tmp_path: Path) -> None:
    connection = filled(":memory:")
    assert connection.backup(tmp_path / "b").transaction == 13
    assert same(tmp_path / "b", connection)
    add(connection, 5)
    assert connection.backup(tmp_path / "b").bytes < 1500
    assert same(tmp_path / "b", connection)
    connection.close()


def test_a_fork(tmp_path: Path) -> None:
    """It has a log that begins in another one's."""
    connection = filled(tmp_path / "db")
    fork = connection.fork(6)
    fork.autocommit = True
    add(fork, 3)
    fork.verify(digest=connection.digest(6)).raise_for_problems()
    assert fork.backup(tmp_path / "b").transaction == 9
    assert same(tmp_path / "b", fork)
    assert fork.export_file(tmp_path / "export").transactions == 9
    assert eventdb.import_file(tmp_path / "export", tmp_path / "new").transaction == 9
    fork.close()
    connection.close()


def test_an_empty_database(tmp_path: Path) -> None:
    connection = eventdb.connect(tmp_path / "db")
    report = connection.backup(tmp_path / "b")
    assert (report.transaction, report.time) == (0, None)
    copy = eventdb.connect(tmp_path / "b")
    assert copy.head == 0
    copy.close()
    connection.close()


def test_while_others_write(tmp_path: Path) -> None:
    """Each backup is a moment of the database: the pair of rows of each transaction is there whole."""
    connection = eventdb.connect(tmp_path / "db", autocommit=True, durability="os")
    connection.database.log.segment_size = 4000
    connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, v TEXT)")
    stop = threading.Event()

    def write() -> None:
        own = eventdb.connect(tmp_path / "db", durability="os")
        n = 0
        while not stop.is_set():
            own.execute("INSERT INTO t VALUES (?, 'a'), (?, 'b')", (n, n + 1))
            own.commit()
            n += 2
        own.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        counts = []
        for turn in range(6):
            report = connection.backup(tmp_path / "b")
            if turn == 3:
                connection.checkpoint()
            copy = eventdb.connect(tmp_path / "b", read_only=True)
            assert copy.head == report.transaction
            copy.verify().raise_for_problems()
            counts.append(copy.execute("SELECT count(*) FROM t").fetchone()[0])
            assert counts[-1] == 2 * (report.transaction - 1)
            copy.close()
    finally:
        stop.set()
        writer.join()
    assert counts == sorted(counts)
    connection.backup(tmp_path / "b")
    assert same(tmp_path / "b", connection)
    connection.close()


def test_what_is_no_backup_of_this_database_is_left_alone(tmp_path: Path) -> None:
    connection = filled(tmp_path / "db")
    other = filled(tmp_path / "other")
    (tmp_path / "file").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("x")
    (tmp_path / "void").mkdir()
    wrong = {"db": "is the database itself", "other": "is not a backup", "full": "is not a backup", "file": "not a directory"}
    for path, message in wrong.items():
        with pytest.raises(CannotConnect, match=message):
            connection.backup(tmp_path / path)
    connection.backup(tmp_path / "void")
    with pytest.raises(ObjectNotInPrerequisiteState, match="is of log"):
        other.backup(tmp_path / "void")
    assert same(tmp_path / "void", connection)
    for opened in (connection, other):
        opened.close()


def test_a_backup_that_was_written_to_is_not_overwritten(tmp_path: Path) -> None:
    """Neither where the database has gone on meanwhile, nor where it has not."""
    connection = filled(tmp_path / "db")
    connection.backup(tmp_path / "b")
    copy = eventdb.connect(tmp_path / "b", autocommit=True)
    copy.execute("INSERT INTO t VALUES (1000, 'mine')")
    copy.close()
    for _ in range(2):
        with pytest.raises(ObjectNotInPrerequisiteState, match="transactions of its own"):
            connection.backup(tmp_path / "b")
        add(connection, 3)
    copy = eventdb.connect(tmp_path / "b", read_only=True)
    assert copy.execute("SELECT v FROM t WHERE n = 1000").fetchone() == ("mine",)
    copy.close()
    connection.close()


def test_a_database_that_went_back_does_not_overwrite_its_backup(tmp_path: Path) -> None:
    """A restore to an earlier moment is another history from there on: neither shorter nor longer than the backup may it go over it."""
    connection = filled(tmp_path / "db")
    connection.backup(tmp_path / "b")
    connection.close()
    eventdb.restore(tmp_path / "b", tmp_path / "back", to=6)
    connection = eventdb.connect(tmp_path / "back", autocommit=True)
    with pytest.raises(ObjectNotInPrerequisiteState, match="goes up to transaction 13, the database only to 6"):
        connection.backup(tmp_path / "b")
    add(connection, 20)
    with pytest.raises(ObjectNotInPrerequisiteState, match=r"another history: transaction \d+ is not the one"):
        connection.backup(tmp_path / "b")
    connection.close()


def test_segments_that_were_rewritten_are_copied_again(tmp_path: Path) -> None:
    """As erasure rewrites bodies, in old segments and in what was the last one; the backup forgets what the database forgets."""
    connection = filled(tmp_path / "db")
    connection.backup(tmp_path / "b")
    segments = sorted((tmp_path / "b" / "log").glob("*.cbor"))
    assert len(segments) > 2
    assert all(b"value" in segment.read_bytes() for segment in segments)
    connection.session.allow_erase = True
    connection.execute("ERASE FROM t")
    report = connection.backup(tmp_path / "b")
    assert report.segments > len(segments)
    for path in (tmp_path / "b").rglob("*"):
        assert path.is_dir() or b"value" not in path.read_bytes()
    assert same(tmp_path / "b", connection)
    connection.close()


def test_retention_is_followed(tmp_path: Path) -> None:
    connection = filled(tmp_path / "db", 20)
    connection.backup(tmp_path / "b")
    connection.checkpoint()
    connection.database.log.truncate(10)
    assert connection.database.log.first > 1
    connection.backup(tmp_path / "b")
    assert same(tmp_path / "b", connection)
    assert not (tmp_path / "b" / "log" / name_of(1)).exists()
    fresh = tmp_path / "fresh"
    connection.backup(fresh)
    assert same(fresh, connection)
    connection.close()


def _run(database: Any, target: Path, files: Files) -> bool:
    try:
        copies.backup(database, str(target), files)
    except Crash:
        return False
    return True


@pytest.mark.parametrize("again", [False, True], ids=["first", "again"])
def test_a_crash_at_every_step(again: bool, tmp_path: Path) -> None:
    """What is left says of itself no more than is there, and the next run completes it."""
    connection = filled(tmp_path / "db", 6)
    base = tmp_path / "base" / "b"
    if again:
        connection.backup(base)
        add(connection, 5)
        connection.checkpoint()
    steps = 0
    for crash_at in range(1, 200):
        home = tmp_path / f"{crash_at}"
        home.mkdir()
        target = home / "b"
        if again:
            shutil.copytree(base, target)
        files = FaultyFiles(crash_at=crash_at)
        if _run(connection.database, target, files):
            break
        steps += 1
        for keep in Keep:
            left = files.surviving(home, tmp_path / f"{crash_at}-{keep.value}", keep) / "b"
            claimed = _claimed(left)
            assert claimed in ((0, 7) if again else (0,)) or claimed == connection.head
            if claimed and keep is Keep.ALL:
                copy = eventdb.connect(left, read_only=True)
                assert copy.head >= claimed
                copy.verify().raise_for_problems()
                copy.close()
            connection.backup(left)
            assert same(left, connection), (crash_at, keep)
    assert steps > 10
    connection.close()


def _claimed(path: Path) -> int:
    """Up to which transaction a backup says that it goes."""
    manifest = path / "backup.json"
    return int(json.loads(manifest.read_text())["transaction"]) if manifest.exists() else 0


@pytest.mark.parametrize("kind", ["write", "sync", "rename", "create"])
def test_a_disk_that_fails_loses_nothing(kind: str, tmp_path: Path) -> None:
    connection = filled(tmp_path / "db", 6)
    failures = 0
    for fail_at in range(1, 60):
        target = tmp_path / f"{fail_at}"
        try:
            copies.backup(connection.database, str(target), FaultyFiles(fail_at=fail_at, only=kind))
        except eventdb.OperationalError as error:
            assert error.sqlstate in ("53100", "58030", "08001"), error  # noqa: PT017
            failures += 1
            connection.backup(target)
            assert same(target, connection)
            continue
        break
    assert failures
    connection.close()


@pytest.mark.parametrize(
    "change",
    [
        {"format": "eventdb backup 9"}, {"log_id": 5}, {"transaction": "x"}, {"transaction": None}, {"segments": []},
        {"segments": {"x": 5}}, {"segments": {name_of(1): [1]}}, {"snapshots": {"x": ["a", 1]}}, {"snapshots": None},
    ],
)  # fmt: skip
def test_a_manifest_that_is_none(change: dict[str, Any], tmp_path: Path) -> None:
    connection = filled(tmp_path / "db", 2)
    connection.backup(tmp_path / "b")
    manifest = tmp_path / "b" / "backup.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), **change}))
    with pytest.raises((DataCorrupted, ObjectNotInPrerequisiteState)):
        connection.backup(tmp_path / "b")
    for text in ("", "[]", "{", "5"):
        manifest.write_text(text)
        with pytest.raises(DataCorrupted):
            connection.backup(tmp_path / "b")
    connection.close()
