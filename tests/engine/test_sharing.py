"""Several connections, threads and processes on one database; opening what is none."""

from __future__ import annotations

import multiprocessing
import os
import stat
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import eventdb
from eventdb import errors
from eventdb.engine import database as engine_database


def test_one_database_for_a_path(tmp_path: Path) -> None:
    """Connections of a process share it, however the path is spelt; the last one closes it."""
    (tmp_path / "x").mkdir()
    one = eventdb.connect(tmp_path / "db")
    two = eventdb.connect(str(tmp_path / "x" / ".." / "db"))
    assert one.database is two.database
    one.close()
    two.execute("SELECT 1")
    two.close()
    assert not [key for key in engine_database._registry if key[0] == str(tmp_path / "db")]


def test_memory_databases() -> None:
    """":memory:" is one's own; a name after it is shared."""
    one, two = eventdb.connect(":memory:"), eventdb.connect(":memory:")
    one.execute("CREATE TABLE t (a INTEGER)")
    one.commit()
    two.execute("CREATE TABLE t (a INTEGER)")
    a, b = eventdb.connect(":memory:pool"), eventdb.connect(":memory:pool")
    a.execute("CREATE TABLE t (a INTEGER)")
    a.commit()
    assert b.execute("SELECT count(*) FROM t").fetchone() == (0,)
    for connection in (one, two, a, b):
        connection.close()


def test_threads_share_a_connection() -> None:
    """threadsafety 2: statements of several threads on one connection do not disturb each other."""
    connection = eventdb.connect(":memory:", autocommit=True)
    connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")
    failures: list[BaseException] = []

    def work(start: int) -> None:
        try:
            for n in range(start, start + 100):
                connection.execute("INSERT INTO t VALUES (?)", (n,))
                assert connection.execute("SELECT a FROM t WHERE a = ?", (n,)).fetchone() == (n,)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(start,)) for start in (0, 1000, 2000, 3000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (400,)
    connection.close()


def test_group_commit(tmp_path: Path) -> None:
    """Writers that wait together share appends, and every one of them is in the log."""
    connections = [eventdb.connect(tmp_path / "db", autocommit=True, timeout=60) for _ in range(8)]
    connections[0].execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")
    database = connections[0].database
    before = database.committer.groups

    def work(which: int) -> None:
        for n in range(20):
            connections[which].execute("INSERT INTO t VALUES (?)", (which * 100 + n,))

    threads = [threading.Thread(target=work, args=(which,)) for which in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert connections[0].execute("SELECT count(*) FROM t").fetchone() == (160,)
    assert database.head.number == 161
    assert database.committer.groups - before < 160
    for connection in connections:
        connection.close()


def _writer(path: str, which: int, times: int) -> None:
    connection = eventdb.connect(path, autocommit=True, timeout=60)
    for n in range(times):
        connection.execute("UPDATE counter SET n = n + 1 WHERE id = 1")
        connection.execute("INSERT INTO line (who, n) VALUES (?, ?)", (which, n))
    connection.close()


def test_processes_share_a_database(tmp_path: Path) -> None:
    """Several processes write at once: every increment counts, identity values differ, all see all."""
    path = str(tmp_path / "db")
    connection = eventdb.connect(path, autocommit=True)
    connection.execute("CREATE TABLE counter (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)")
    connection.execute("CREATE TABLE line (id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY, who INTEGER, n INTEGER)")
    connection.execute("INSERT INTO counter VALUES (1, 0)")
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_writer, args=(path, which, 20)) for which in range(3)]
    for writer in writers:
        writer.start()
    _writer(path, 99, 20)
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert connection.execute("SELECT n FROM counter").fetchone() == (80,)
    assert connection.execute("SELECT count(*), count(DISTINCT id) FROM line").fetchone() == (80, 80)
    connection.verify().raise_for_problems()
    connection.close()


def test_read_only_connection_sees_what_others_commit(tmp_path: Path) -> None:
    writer = eventdb.connect(tmp_path / "db", autocommit=True)
    writer.execute("CREATE TABLE t (a INTEGER)")
    reader = eventdb.connect(tmp_path / "db", read_only=True, autocommit=True)
    assert reader.execute("SELECT count(*) FROM t").fetchone() == (0,)
    writer.execute("INSERT INTO t VALUES (1)")
    assert reader.execute("SELECT count(*) FROM t").fetchone() == (1,)
    with pytest.raises(errors.ReadOnlyTransaction):
        reader.execute("INSERT INTO t VALUES (2)")
    reader.close()
    writer.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_use_after_fork(tmp_path: Path) -> None:
    """A connection does not work in a forked child, and says so; the parent's goes on, and the child may open its own."""
    connection = eventdb.connect(tmp_path / "db", autocommit=True)
    connection.execute("CREATE TABLE t (a INTEGER)")
    child = os.fork()
    if child == 0:
        try:
            connection.execute("INSERT INTO t VALUES (1)")
        except eventdb.InterfaceError:
            try:
                own = eventdb.connect(tmp_path / "db", autocommit=True)
                own.execute("INSERT INTO t VALUES (2)")
                os._exit(0)
            finally:
                os._exit(2)
        os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert connection.execute("SELECT a FROM t").fetchall() == [(2,)]
    connection.close()


def test_not_a_database(tmp_path: Path) -> None:
    """A directory with other things in it, a file, a path that cannot be: an OperationalError that names it."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "letter.txt").write_text("dear")
    file = tmp_path / "file"
    file.write_text("x")
    for path in (other, file, file / "below", "", "a\0b"):
        with pytest.raises(eventdb.OperationalError) as caught:
            eventdb.connect(path)
        assert caught.value.sqlstate == "08001"
    assert sorted(p.name for p in other.iterdir()) == ["letter.txt"]
    with pytest.raises(eventdb.InterfaceError):
        eventdb.connect(7)  # type: ignore[arg-type]
    with pytest.raises(eventdb.OperationalError):
        eventdb.connect(tmp_path / "nothing", read_only=True)
    assert not (tmp_path / "nothing").exists()


def test_bad_arguments() -> None:
    bad: list[Any] = [
        {"isolation_level": "loose"}, {"durability": "sometimes"}, {"timezone": "Mars"},
        {"timeout": -1}, {"as_of": "yesterday?"},
    ]
    for options in bad:
        with pytest.raises(eventdb.Error):
            eventdb.connect(":memory:", **options)
    with pytest.raises(eventdb.InterfaceError):
        eventdb.connect(":memory:", tiemout=3)
    with pytest.raises(eventdb.InterfaceError):
        eventdb.connect(":memory:", timeout="long")  # type: ignore[arg-type]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="needs permissions that hold")
def test_read_only_directory(tmp_path: Path) -> None:
    connection = eventdb.connect(tmp_path / "db", autocommit=True)
    connection.execute("CREATE TABLE t (a INTEGER)")
    connection.close()
    folders = [tmp_path / "db", *(p for p in (tmp_path / "db").rglob("*") if p.is_dir())]
    for folder in folders:
        folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        reader = eventdb.connect(tmp_path / "db", read_only=True)
        assert reader.execute("SELECT count(*) FROM t").fetchone() == (0,)
        reader.close()
    finally:
        for folder in folders:
            folder.chmod(stat.S_IRWXU)


def test_reopening_from_the_log_alone(tmp_path: Path) -> None:
    """Snapshots are only a short cut."""
    import shutil

    connection: Any = eventdb.connect(tmp_path / "db", autocommit=True)
    connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)")
    connection.executemany("INSERT INTO t VALUES (?, ?)", [(n, str(n)) for n in range(1000)])
    connection.checkpoint()
    connection.execute("DELETE FROM t WHERE a < 500")
    before = connection.execute("SELECT * FROM t ORDER BY a").fetchall()
    connection.close()
    shutil.rmtree(tmp_path / "db" / "snapshots")
    connection = eventdb.connect(tmp_path / "db")
    assert connection.execute("SELECT * FROM t ORDER BY a").fetchall() == before
    connection.close()
