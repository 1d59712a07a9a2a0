"""Bad places and bad moments: what is no database, a damaged or newer one, a disk that is full or read-only, Ctrl-C in the middle."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faults.faulty import FaultyFiles

import eventdb
from eventdb import errors
from eventdb.storage.files import AppendFile, Files, translate


def make(path: Path, rows: int = 3) -> None:
    connection = eventdb.connect(path, autocommit=True)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)")
    for i in range(rows):
        connection.execute("INSERT INTO t VALUES (?, ?)", (i, "x" * 20))
    connection.close()


def rows_in(path: Path) -> int:
    connection = eventdb.connect(path)
    try:
        return int(connection.execute("SELECT count(*) FROM t").fetchone()[0])
    finally:
        connection.close()


def tree(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


# what is no database


def test_a_directory_that_is_no_database(tmp_path: Path) -> None:
    """It is refused by name, and left as it is."""
    (tmp_path / "notes.txt").write_text("mine")
    for read_only in (False, True):
        with pytest.raises(errors.CannotConnect) as caught:
            eventdb.connect(tmp_path, read_only=read_only)
        assert str(tmp_path) in str(caught.value)
        assert caught.value.sqlstate == "08001"
        assert tree(tmp_path) == {"notes.txt": b"mine"}


def test_a_file_instead_of_a_directory(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"SQLite format 3\0")
    for given in (path, path / "below"):
        with pytest.raises(eventdb.OperationalError) as caught:
            eventdb.connect(given)
        assert "file" in str(caught.value)
    assert path.read_bytes() == b"SQLite format 3\0"


def test_read_only_of_nothing(tmp_path: Path) -> None:
    """Reading makes no database."""
    with pytest.raises(eventdb.OperationalError):
        eventdb.connect(tmp_path / "nothing", read_only=True)
    assert not (tmp_path / "nothing").exists()


def segment(path: Path) -> Path:
    return sorted((path / "log").iterdir())[0]


@pytest.mark.parametrize("place", [0.2, 0.5, 0.8])
def test_a_damaged_log(tmp_path: Path, place: float) -> None:
    """A flipped bit before the last record is refused with segment and offset; nothing is changed or lost."""
    path = tmp_path / "db"
    make(path, 20)
    for other in path.iterdir():
        if other.name == "snapshots":
            for snapshot in other.iterdir():
                snapshot.unlink()
    log = segment(path)
    good = log.read_bytes()
    at = int(len(good) * place)
    log.write_bytes(good[:at] + bytes([good[at] ^ 0x40]) + good[at + 1 :])
    before = tree(path)
    with pytest.raises(errors.DataCorrupted) as caught:
        eventdb.connect(path)
    assert caught.value.sqlstate == "XX001"
    assert log.name in str(caught.value)
    assert tree(path) == before
    log.write_bytes(good)
    assert rows_in(path) == 20


def test_a_torn_tail_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "db"
    make(path, 20)
    log = segment(path)
    with log.open("ab") as file:
        file.write(log.read_bytes()[-40:-10])
    assert rows_in(path) == 20


def test_a_damaged_snapshot_costs_time_only(tmp_path: Path) -> None:
    path = tmp_path / "db"
    make(path)
    connection = eventdb.connect(path)
    connection.checkpoint()
    connection.close()
    snapshots = [p for p in (path / "snapshots").iterdir() if p.is_file() and p.stat().st_size]
    assert snapshots
    for snapshot in snapshots:
        data = bytearray(snapshot.read_bytes())
        data[len(data) // 2] ^= 0xFF
        snapshot.write_bytes(bytes(data))
    assert rows_in(path) == 3


# a file layer that fails


class Refusing(Files):
    """Every change of the disk is refused with one errno, once it is armed."""

    def __init__(self, code: int) -> None:
        self.code = code
        self.armed = False

    def refuse(self, what: str, path: str) -> None:
        if self.armed:
            raise translate(OSError(self.code, os.strerror(self.code)), what, path)

    def open_append(self, path: str) -> AppendFile:
        self.refuse("open", path)
        return _RefusingFile(path, self)

    def make_directory(self, path: str) -> None:
        self.refuse("create", path)
        super().make_directory(path)

    def write_atomically(self, path: str, chunks: Any) -> Any:
        self.refuse("write to", path)
        return super().write_atomically(path, chunks)


class _RefusingFile(AppendFile):
    def __init__(self, path: str, files: Refusing) -> None:
        super().__init__(path)
        self.files = files

    def write_at(self, offset: int, data: bytes) -> None:
        self.files.refuse("write to", self.path)
        super().write_at(offset, data)


WRITES: list[tuple[str, Callable[[eventdb.Connection], Any]]] = [
    ("insert", lambda c: c.execute("INSERT INTO t VALUES (100, 'new')")),
    ("many", lambda c: c.executemany("INSERT INTO t VALUES (?, ?)", [(i, "y") for i in range(100, 1100)])),
    ("update", lambda c: c.execute("UPDATE t SET a = 'changed'")),
    ("delete", lambda c: c.execute("DELETE FROM t")),
    ("create", lambda c: c.execute("CREATE TABLE made (a INTEGER)")),
    ("alter", lambda c: c.execute("ALTER TABLE t ADD COLUMN made INTEGER")),
    ("index", lambda c: c.execute("CREATE INDEX made ON t (a)")),
    ("drop", lambda c: c.execute("DROP TABLE t")),
]
SEEN = [(i, "x" * 20) for i in range(3)]


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize(("name", "write"), WRITES)
def test_a_disk_that_refuses(tmp_path: Path, code: int, name: str, write: Callable[[eventdb.Connection], Any]) -> None:
    """The write fails as an OperationalError and is undone; reading goes on; what was committed is there after reopening."""
    path = tmp_path / "db"
    make(path)
    files = Refusing(code)
    connection = eventdb.connect(path, autocommit=True, _files=files)
    files.armed = True
    for _ in range(2):
        with pytest.raises(eventdb.OperationalError) as caught:
            write(connection)
        assert caught.value.sqlstate
        if code in (errno.ENOSPC, errno.EDQUOT):
            assert caught.value.sqlstate == "53100"
        assert connection.execute("SELECT * FROM t ORDER BY id").fetchall() == SEEN
        with pytest.raises(errors.UndefinedTable):
            connection.execute("SELECT * FROM made")
    connection.execute("BEGIN")
    write(connection)
    with pytest.raises(eventdb.OperationalError):
        connection.commit()
    assert not connection.in_transaction
    assert connection.execute("SELECT * FROM t ORDER BY id").fetchall() == SEEN
    with pytest.raises(eventdb.OperationalError):
        connection.checkpoint()
    files.armed = False
    if code in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
        connection.execute("INSERT INTO t VALUES (50, 'after')")
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (4,)
        connection.close()
        assert rows_in(path) == 4
    else:
        connection.close()
        assert rows_in(path) == 3


def workload(path: Path, files: Files, done: list[int]) -> None:
    """Definition, single and bulk writes, a checkpoint, more writes: each number in `done` is acknowledged."""
    connection = eventdb.connect(path, autocommit=True, _files=files)
    try:
        connection.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, a TEXT)")
        for step in range(8):
            try:
                if step == 4:
                    connection.checkpoint()
                elif step == 5:
                    connection.execute("CREATE INDEX IF NOT EXISTS t_a ON t (a)")
                elif step == 6:
                    connection.executemany("INSERT INTO t VALUES (?, ?)", [(1000 + i, "y" * 50) for i in range(200)])
                    done.append(1000)
                else:
                    connection.execute("INSERT INTO t VALUES (?, 'x')", (step,))
                    done.append(step)
            except eventdb.OperationalError as error:
                assert error.sqlstate  # noqa: PT017
            found = {row[0] for row in connection.execute("SELECT id FROM t WHERE id <= 1000")}
            assert found == set(done)
    finally:
        try:
            connection.close()
        except eventdb.OperationalError:
            connection.close()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_each_write_fails_once(tmp_path: Path, code: int) -> None:
    """At every write, sync, creation, renaming: the statement fails or not, what was acknowledged is there, before and after reopening."""
    counting = FaultyFiles()
    workload(tmp_path / "count", counting, [])
    assert counting.operations > 20
    for at in range(1, counting.operations + 1):
        path = tmp_path / f"db{at}"
        done: list[int] = []
        try:
            workload(path, FaultyFiles(fail_at=at, code=code), done)
        except eventdb.OperationalError as error:
            assert error.sqlstate  # noqa: PT017
        connection = eventdb.connect(path, autocommit=True)
        connection.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, a TEXT)")
        found = {row[0] for row in connection.execute("SELECT id FROM t WHERE id <= 1000")}
        assert found >= set(done), at
        connection.verify().raise_for_problems()
        connection.close()


# interrupted


def test_interrupted_inside_a_statement() -> None:
    """Ctrl-C while rows come: a KeyboardInterrupt; the statement is undone, the connection goes on."""
    connection = eventdb.connect(":memory:", autocommit=True)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")

    def rows() -> Any:
        yield (1,)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        connection.executemany("INSERT INTO t VALUES (?)", rows())
    assert connection.execute("SELECT * FROM t").fetchall() == []
    connection.execute("BEGIN")
    connection.execute("INSERT INTO t VALUES (5)")
    with pytest.raises(KeyboardInterrupt):
        connection.executemany("INSERT INTO t VALUES (?)", rows())
    if connection.in_transaction:
        assert connection.execute("SELECT * FROM t").fetchall() == [(5,)]
        connection.rollback()
    connection.execute("INSERT INTO t VALUES (6)")
    assert connection.execute("SELECT * FROM t").fetchall() == [(6,)]
    connection.close()


class Interrupting(Files):
    """Raises KeyboardInterrupt once, at the n-th write or sync."""

    def __init__(self) -> None:
        self.left = -1

    def count(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt

    def open_append(self, path: str) -> AppendFile:
        return _InterruptedFile(path, self)


class _InterruptedFile(AppendFile):
    def __init__(self, path: str, files: Interrupting) -> None:
        super().__init__(path)
        self.files = files

    def write_at(self, offset: int, data: bytes) -> None:
        self.files.count()
        super().write_at(offset, data)
        self.files.count()

    def sync(self) -> None:
        self.files.count()
        super().sync()
        self.files.count()


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_interrupted_inside_commit(tmp_path: Path, at: int) -> None:
    """All of the transaction is there, or nothing; now and after reopening the same; other transactions go on."""
    path = tmp_path / "db"
    make(path)
    files = Interrupting()
    connection = eventdb.connect(path, _files=files)
    connection.executemany("INSERT INTO t VALUES (?, 'new')", [(i,) for i in range(10, 20)])
    files.left = at
    with pytest.raises(KeyboardInterrupt):
        connection.commit()
    files.left = -1
    if connection.in_transaction:
        connection.rollback()
    try:
        seen = connection.execute("SELECT count(*) FROM t").fetchone()[0]
        assert seen in (3, 13)
        connection.commit()
        connection.execute("INSERT INTO t VALUES (50, 'after')")
        connection.commit()
        expected = {seen + 1}
    except eventdb.OperationalError as error:  # a log that does not know what is on the disk asks to be opened again
        assert error.sqlstate  # noqa: PT017
        expected = {3, 13}
    connection.close()
    assert rows_in(path) in expected
    connection = eventdb.connect(path)
    connection.verify().raise_for_problems()
    connection.close()
