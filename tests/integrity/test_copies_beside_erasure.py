"""Copies that are made while values are erased: nobody waits for ever, and what is made is of one moment."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from erase.searching import forget, found
from faults.faulty import Crash, FaultyFiles, Keep

import eventdb
from eventdb.engine import copies, undisturbed
from eventdb.errors import CannotConnect, DataCorrupted, SerializationFailure
from eventdb.storage.files import AppendFile, Files
from eventdb.storage.log.segment import name_of

SECRET = "ada@example.org"


def people(path: Path, files: Files | None = None, segment_size: int = 600) -> Any:
    """A database of a few small segments; the first ones hold the secret."""
    connection = eventdb.connect(path, autocommit=True, allow_erase=True)
    if files is not None:
        connection.database.files = connection.database.log.files = files
    connection.database.log.segment_size = segment_size
    connection.execute("CREATE TABLE p (id INTEGER PRIMARY KEY, mail TEXT)")
    connection.execute("INSERT INTO p VALUES (1, ?), (2, 'bob')", (SECRET,))
    for n in range(3, 20):
        connection.execute("INSERT INTO p VALUES (?, ?)", (n, f"somebody {n}"))
    return connection


class Stopping(Files):
    """Files that wait at the first rename of a rewritten segment: `reached` is set there, and `go` lets it go on."""

    def __init__(self) -> None:
        self.reached, self.go = threading.Event(), threading.Event()

    def rename(self, old: str, new: str) -> None:
        if old.endswith(".rewritten"):
            self.reached.set()
            assert self.go.wait(20)
        super().rename(old, new)


class Waiting(Files):
    """Files that tell of the first copy of a segment, and wait before it."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()

    def write_atomically(self, path: str, chunks: Any) -> None:
        if path.endswith(".cbor"):
            self.begun.set()
            assert self.go.wait(20)
        super().write_atomically(path, chunks)


def test_neither_waits_for_the_other_for_ever(tmp_path: Path) -> None:
    """The backup holds the snapshots still and looks for what is new; the erasure holds the commit lock, and then removes snapshots."""
    stopping, waiting = Stopping(), Waiting()
    connection = people(tmp_path / "db", stopping)
    done: list[Any] = []
    works: list[Callable[[], Any]] = [
        lambda: copies.backup(connection.database, str(tmp_path / "copy"), waiting),
        lambda: connection.execute("ERASE FROM p WHERE id = 1"),
    ]
    threads = [threading.Thread(target=lambda work=work: done.append(work()), daemon=True) for work in works]
    threads[0].start()
    assert waiting.begun.wait(20)
    threads[1].start()
    assert stopping.reached.wait(20)
    waiting.go.set()
    time.sleep(0.3)  # the backup meets the erasing transaction now, whose bodies are not yet in place
    stopping.go.set()
    for thread in threads:
        thread.join(20)
    assert len(done) == 2
    assert not found(tmp_path / "copy", SECRET)
    check(tmp_path / "copy", connection)
    connection.close()


def check(path: Path, connection: Any) -> None:
    copy = eventdb.connect(path, read_only=True)
    assert copy.verify(digest=connection.digest()).raise_for_problems().redactions
    copy.close()


class Disturbed(Files):
    """Files on which something happens before a segment is opened for being added to."""

    def __init__(self, happens: Callable[[], object]) -> None:
        self.happens: Callable[[], object] | None = happens

    def open_append(self, path: str) -> AppendFile:
        if path.endswith(".cbor") and self.happens is not None:
            happens, self.happens = self.happens, None
            happens()
        return super().open_append(path)


def test_a_backup_that_takes_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it has taken, it is made again where it is half of before an erasure and half of after."""
    monkeypatch.setattr(undisturbed, "_SECONDS", 0.0)
    connection = people(tmp_path / "db")
    reader = eventdb.connect(tmp_path / "db", read_only=True)
    connection.backup(tmp_path / "copy")
    connection.execute("INSERT INTO p VALUES (100, 'new')")
    files = Disturbed(lambda: connection.execute("ERASE FROM p WHERE id = 1"))
    assert copies.backup(reader.database, str(tmp_path / "copy"), files).transaction == connection.head
    assert files.happens is None
    assert not found(tmp_path / "copy", SECRET)
    check(tmp_path / "copy", connection)
    reader.close()
    connection.close()


def test_values_that_are_erased_again_and_again(tmp_path: Path) -> None:
    """Then there is an error, not a backup of which nobody knows what it holds."""
    connection = people(tmp_path / "db")
    reader = eventdb.connect(tmp_path / "db", read_only=True)

    class Always(Files):
        def open_append(self, path: str) -> AppendFile:
            if path.endswith(name_of(1)):
                connection.execute("INSERT INTO p VALUES (200, 'x')")
                connection.execute("ERASE FROM p WHERE id = 200")
            return super().open_append(path)

    connection.backup(tmp_path / "copy")
    with pytest.raises((SerializationFailure, CannotConnect)):
        copies.backup(reader.database, str(tmp_path / "copy"), Always())
    reader.close()
    connection.backup(tmp_path / "copy")
    check(tmp_path / "copy", connection)
    connection.close()


def as_another_process(path: Path) -> Any:
    forget(path)
    connection = eventdb.connect(path, autocommit=True, allow_erase=True)
    forget(path)
    return connection


def test_a_snapshot_that_another_process_is_writing(tmp_path: Path) -> None:
    """It began before the erasure and ends after it: whoever erases waits for its end, and removes it."""
    connection = people(tmp_path / "db")
    other = as_another_process(tmp_path / "db")
    erasing = threading.Thread(target=lambda: connection.execute("ERASE FROM p WHERE id = 1"))
    head = connection.head

    class Slow(Files):
        def open_append(self, path: str) -> AppendFile:
            if ".snapshot" in path and not erasing.ident:
                erasing.start()
                while connection.database.head.number == head:
                    time.sleep(0.01)
                time.sleep(0.2)
            return super().open_append(path)

    other.database._snapshots._files = Slow()
    other.checkpoint()
    erasing.join(20)
    assert not erasing.is_alive()
    assert not found(tmp_path / "db", SECRET)
    other.close()
    connection.close()


def erased_but_for_snapshots(path: Path) -> None:
    """A database from which values were erased by a process that died before it could remove the snapshots that have them."""
    connection = people(path)
    connection.checkpoint()
    kept = {file: file.read_bytes() for file in (path / "snapshots").glob("*.snapshot")}
    connection.execute("ERASE FROM p WHERE id = 1")
    connection.close()
    for file in (path / "snapshots").glob("*.snapshot"):
        file.unlink()
    for file, data in kept.items():
        file.write_bytes(data)
    assert found(path, SECRET)


def test_snapshots_from_before_an_erasure_are_not_copied(tmp_path: Path) -> None:
    erased_but_for_snapshots(tmp_path / "db")
    eventdb.restore(tmp_path / "db", tmp_path / "restored")
    assert not found(tmp_path / "restored", SECRET)
    reader = eventdb.connect(tmp_path / "db", read_only=True)
    reader.backup(tmp_path / "copy")
    assert not found(tmp_path / "copy", SECRET)
    check(tmp_path / "copy", reader)
    reader.close()


def test_who_has_it_open_removes_them_too(tmp_path: Path) -> None:
    """Not only who opens it next: a server may run for months."""
    path = tmp_path / "db"
    connection = people(path)
    other = as_another_process(path)
    connection.checkpoint()
    files = FaultyFiles()
    connection.database._snapshots._files = files
    files.crash_at = 1
    with pytest.raises(Crash):
        connection.execute("ERASE FROM p WHERE id = 1")
    assert found(path, SECRET)
    assert other.execute("SELECT count(*) FROM p").fetchone() == (18,)
    assert not found(path, SECRET)
    other.close()


def test_what_an_interrupted_backup_has_left(tmp_path: Path) -> None:
    """Parts of files, and snapshots that are no longer there: they would hold what is erased later."""
    connection = people(tmp_path / "db")
    connection.backup(tmp_path / "copy")
    (tmp_path / "copy" / "snapshots").mkdir(exist_ok=True)
    snapshot = f"snapshots/{3:020d}.snapshot"
    for left in (f"log/{name_of(1)}.tmp", snapshot, f"{snapshot}.tmp"):
        (tmp_path / "copy" / left).write_bytes(SECRET.encode())
    connection.execute("ERASE FROM p WHERE id = 1")
    connection.backup(tmp_path / "copy")
    assert not found(tmp_path / "copy", SECRET)
    connection.close()


def test_segments_that_were_replaced_are_read_back(tmp_path: Path) -> None:
    """Also those of transactions that an earlier run has copied and read."""
    connection = people(tmp_path / "db")
    connection.backup(tmp_path / "copy")
    connection.execute("ERASE FROM p WHERE id = 1")

    class Broken(Files):
        def write_atomically(self, path: str, chunks: Any) -> None:
            data = b"".join(chunks)
            super().write_atomically(path, [data.replace(b"bob", b"bub")])

    with pytest.raises(DataCorrupted):
        copies.backup(connection.database, str(tmp_path / "copy"), Broken())
    connection.close()


def test_a_segment_with_the_time_and_size_of_the_one_it_replaces(tmp_path: Path) -> None:
    """Where a file system's clock is coarse, both may be as they were before the erasure."""
    path = tmp_path / "db"
    connection = people(path)
    segment = path / "log" / name_of(1)
    connection.backup(tmp_path / "copy")
    manifest = json.loads((tmp_path / "copy" / "backup.json").read_text())
    before = segment.stat()
    connection.execute("ERASE FROM p WHERE id = 1")
    segment.write_bytes(segment.read_bytes().ljust(before.st_size, b"\0"))
    os.utime(segment, ns=(before.st_atime_ns, before.st_mtime_ns))
    connection.backup(tmp_path / "copy")
    assert manifest["segments"][name_of(1)][0] == segment.stat().st_size
    assert not found(tmp_path / "copy", SECRET)
    connection.close()


def test_copies_inside_of_the_database(tmp_path: Path) -> None:
    """A target within the directory that is copied would be part of it, or lie over its files."""
    path = tmp_path / "db"
    connection = people(path)
    (tmp_path / "link").symlink_to(path)
    for inside in (path, path / "x", path / "log" / "x", path / "log" / name_of(1), tmp_path / "link" / "x"):
        with pytest.raises(CannotConnect, match="database"):
            connection.backup(inside)
        with pytest.raises(CannotConnect, match="database"):
            connection.export_file(inside)
        with pytest.raises(CannotConnect, match=r"database|is there already"):
            eventdb.restore(path, inside)
    connection.verify().raise_for_problems()
    assert sorted(p.name for p in path.iterdir()) == ["lock", "log"]
    connection.close()


_SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("keep", "segment_size"),
    [(Keep.NOTHING, 1200), (Keep.ALL, 100_000), *(pytest.param(keep, size, marks=_SLOW) for keep in Keep for size in (600, 100_000))],
)
def test_a_backup_that_stops_on_its_way_through_an_erasure(tmp_path: Path, keep: Keep, segment_size: int) -> None:
    """What is left opens, at an earlier transaction or at the last one, and is whole; it can be restored from, and the next run goes on."""
    connection = people(tmp_path / "db", segment_size=segment_size)
    connection.backup(tmp_path / "copy")
    before = connection.head
    connection.execute("UPDATE p SET mail = 'x' || mail WHERE id = 2")
    connection.execute("ERASE FROM p WHERE id = 1")
    connection.execute("INSERT INTO p VALUES (100, 'new')")
    reader = eventdb.connect(tmp_path / "db", read_only=True)
    heads = []
    for step in range(1, 200):
        shutil.copytree(tmp_path / "copy", tmp_path / f"copy{step}")
        files = FaultyFiles(crash_at=step)
        try:
            copies.backup(reader.database, str(tmp_path / f"copy{step}"), files)
        except Crash:
            pass
        else:
            break
        left = files.surviving(tmp_path / f"copy{step}", tmp_path / f"left{step}", keep)
        forget(left)
        copy = eventdb.connect(left)
        copy.verify().raise_for_problems()
        heads.append(copy.head)
        assert bool(found(left, SECRET)) == (copy.head < connection.head - 1)
        copy.close()
        eventdb.restore(left, tmp_path / f"new{step}")
        reader.backup(left)
        check(left, connection)
    assert heads == sorted(heads)
    assert {before, connection.head} <= set(heads)
    reader.close()
    connection.close()


def test_a_segment_from_before_an_erasure_is_not_restored(tmp_path: Path) -> None:
    """Put back in its place, it matches its own headers; a restore would make a database that does not open."""
    connection = people(tmp_path / "db")
    segment = tmp_path / "db" / "log" / name_of(1)
    old = segment.read_bytes()
    connection.execute("ERASE FROM p WHERE id = 1")
    connection.close()
    segment.write_bytes(old)
    shutil.rmtree(tmp_path / "db" / "snapshots")
    with pytest.raises(DataCorrupted, match="before transaction 20 replaced it"):
        eventdb.restore(tmp_path / "db", tmp_path / "new")
    assert not (tmp_path / "new").exists()
