"""ERASE that is interrupted (Ctrl-C) behind any operation, and others who open the database while it is at work."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from erase.searching import forget, found
from erase.test_erase_crash import SECRET, erase, prepare
from faults.faulty import FaultyFiles

import eventdb
from eventdb.storage.files import Files, ReadFile


class Interrupted(FaultyFiles):
    """Behind an operation comes a KeyboardInterrupt, as Python raises it when a system call has returned."""

    interrupt_at = 0

    def interrupt(self) -> None:
        if self.interrupt_at and self.operations >= self.interrupt_at:
            self.interrupt_at = 0
            raise KeyboardInterrupt

    def open_append(self, path: str) -> Any:
        file: Any = super().open_append(path)
        for name in ("write_at", "sync", "truncate"):
            setattr(file, name, self._then(getattr(file, name)))
        return file

    def _then(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def acted(*arguments: Any) -> Any:
            made = act(*arguments)
            self.interrupt()
            return made

        return acted

    def rename(self, old: str, new: str) -> None:
        super().rename(old, new)
        self.interrupt()

    def remove(self, path: str) -> None:
        super().remove(path)
        self.interrupt()

    def sync_directory(self, path: str) -> None:
        super().sync_directory(path)
        self.interrupt()


def test_interrupted_behind_any_operation(tmp_path: Path) -> None:
    """It has happened or not; the connection goes on in either case, and what is erased is gone when the database is closed."""
    outcomes = []
    for step in range(1, 100):
        files, path = Interrupted(), tmp_path / f"db{step}"
        connection = prepare(path, files)
        connection.checkpoint()  # of two snapshots that hold the values
        files.interrupt_at = files.operations + step
        with contextlib.suppress(KeyboardInterrupt):
            erase(connection)
        if files.interrupt_at:
            files.interrupt_at = 0
            connection.close()
            break
        done = connection.execute("SELECT count(*) FROM eventdb.erasures").fetchone() == (1,)
        outcomes.append(done)
        assert len(connection.execute("SELECT * FROM p FOR SYSTEM_TIME ALL WHERE id = 1").fetchall()) == (0 if done else 2)
        connection.execute("INSERT INTO p VALUES (4, 'dan')")
        connection.checkpoint()
        assert bool(found(path, SECRET)) == (not done), step
        connection.verify().raise_for_problems()
        connection.close()
        forget(path)
        connection = eventdb.connect(path)
        connection.verify().raise_for_problems()
        connection.close()
    assert outcomes == sorted(outcomes)
    assert {True, False} == set(outcomes)


class AtRename(Files):
    """Files that do something before the first rewritten segment gets its name, or before they write one."""

    def __init__(self, happens: Callable[[], None]) -> None:
        self.happens: Callable[[], None] | None = happens

    def open_append(self, path: str) -> Any:
        file = super().open_append(path)
        if path.endswith(".rewritten") and self.happens is not None:
            happens, self.happens = self.happens, None
            happens()
        return file


def test_who_opens_the_database_meanwhile_does_not_wait(tmp_path: Path) -> None:
    """Nor does it touch the segments that are being written; it reads what is there still."""
    path = tmp_path / "db"
    connection = prepare(path, FaultyFiles())
    seen: list[Any] = []

    def look() -> None:
        forget(path)
        other: Any = eventdb.connect(path, autocommit=True)
        seen.append(other.execute("SELECT count(*) FROM p").fetchone())
        other.close()

    def happens() -> None:
        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()

    connection.database.log.files = AtRename(happens)
    erase(connection)
    assert seen == [(3,)]
    assert not found(path, SECRET)
    connection.verify().raise_for_problems()
    connection.close()


@pytest.mark.parametrize("read_only", [False, True])
def test_who_reads_the_log_while_its_bodies_are_replaced(tmp_path: Path, read_only: bool) -> None:
    """The first segments were read as they were before, the last ones as they are afterwards: they do not fit, and are read again."""
    path = tmp_path / "db"
    connection: Any = eventdb.connect(path, autocommit=True, allow_erase=True)
    connection.execute("CREATE TABLE p (id INTEGER PRIMARY KEY, mail TEXT)")
    connection.execute("INSERT INTO p VALUES (1, ?)", (SECRET,))
    connection.database.log._roll()
    connection.execute("UPDATE p SET id = 2 WHERE id = 1")
    connection.execute("INSERT INTO p VALUES (1, 'bob')")
    connection.database.log._roll()

    class Meanwhile(Files):
        happened = False

        def open_read(self, path: str) -> ReadFile:
            if path.endswith("3.cbor") and not self.happened:
                self.happened = True
                assert connection.execute("ERASE FROM p WHERE id = 2").rowcount == 1
            return super().open_read(path)

    forget(path)
    files = Meanwhile()
    other: Any = eventdb.connect(path, read_only=read_only, _files=files)
    assert files.happened
    assert other.execute("SELECT * FROM p").fetchall() == [(1, "bob")]
    assert other.verify().raise_for_problems().redactions
    other.close()
    connection.close()


def test_who_may_only_read_waits_while_bodies_are_put_in_their_places(tmp_path: Path) -> None:
    """A statement meets the erasing transaction a moment before the segments have their names: it goes on behind that."""
    path = tmp_path / "db"
    connection = prepare(path, FaultyFiles())
    reader: Any = eventdb.connect(path, read_only=True, autocommit=True)
    assert reader.execute("SELECT count(*) FROM p").fetchone() == (3,)
    reached, go = threading.Event(), threading.Event()

    class Slow(Files):
        def rename(self, old: str, new: str) -> None:
            if old.endswith(".rewritten"):
                reached.set()
                assert go.wait(10)
            super().rename(old, new)

    connection.database.log.files = Slow()
    erasing = threading.Thread(target=erase, args=(connection,), daemon=True)
    erasing.start()
    assert reached.wait(10)
    threading.Timer(0.2, go.set).start()
    assert reader.execute("SELECT id, mail FROM p FOR SYSTEM_TIME ALL").fetchall() == [(2, "bob"), (3, "cid")]
    opened: Any = eventdb.connect(path, read_only=True)
    assert opened.execute("SELECT count(*) FROM p").fetchone() == (2,)
    erasing.join(10)
    for one in (opened, reader, connection):
        one.close()


def test_files_of_other_names(tmp_path: Path) -> None:
    """What looks like a rewritten segment and is none of this log is nobody's business; what waits for nothing goes."""
    path = tmp_path / "db"
    prepare(path, FaultyFiles()).close()
    strange = [f"{1:020d}.cbor.9-zz.rewritten", f"{1:020d}.cbor.1-abc.rewritten", "1.cbor.9-ab.rewritten", "notes.txt"]
    for name in [*strange, f"{1:020d}.cbor.9-abcd.rewritten", f"{1:020d}.cbor.2-.rewritten"]:
        (path / "log" / name).write_text("x")
    for read_only in (True, False):
        connection = eventdb.connect(path, read_only=read_only)
        connection.verify().raise_for_problems()
        connection.close()
    assert sorted(strange) == sorted(p.name for p in (path / "log").iterdir() if not p.name.endswith(".cbor"))
