"""Copies that are made while values are erased: nobody waits for ever, and what is made is of one moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from erase.searching import found

import eventdb
from eventdb.engine import copies, undisturbed
from eventdb.errors import CannotConnect, SerializationFailure
from eventdb.storage.files import AppendFile, Files
from eventdb.storage.log.segment import name_of

SECRET = "ada@example.org"


def people(path: Path, files: Files | None = None) -> Any:
    """A database of a few small segments; the first ones hold the secret."""
    connection = eventdb.connect(path, autocommit=True, allow_erase=True)
    if files is not None:
        connection.database.files = connection.database.log.files = files
    connection.database.log.segment_size = 600
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
