"""ERASE stopped at every write, sync and rename, and with a full disk at each: not yet, or completed by the next open."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
from erase.searching import forget, found
from faults.faulty import Crash, FaultyFiles, Keep

import eventdb
from eventdb import errors

SECRET = "ada@example.org"


def prepare(path: Path, files: FaultyFiles) -> Any:
    """A database with a secret in two segments and in snapshots; the connection to it."""
    connection = eventdb.connect(path, autocommit=True, allow_erase=True, _files=files)
    connection.execute("CREATE TABLE p (id INTEGER PRIMARY KEY, mail TEXT)")
    connection.execute("CREATE INDEX p_mail ON p (mail)")
    connection.execute("INSERT INTO p VALUES (1, ?), (2, 'bob')", (SECRET,))
    connection.database.log._roll()
    connection.execute("UPDATE p SET mail = 'x' || mail WHERE id = 1")
    connection.checkpoint()
    connection.execute("INSERT INTO p VALUES (3, 'cid')")
    return connection


def erase(connection: Any) -> None:
    assert connection.execute("ERASE FROM p WHERE id = 1").rowcount == 1


def judge(path: Path, acknowledged: bool) -> bool:
    """Open what survived: whether the row is erased; nothing between."""
    connection: Any = eventdb.connect(path, autocommit=True, allow_erase=True)
    try:
        assert connection.verify().ok, str(connection.verify())
        rows = connection.execute("SELECT id, mail FROM p FOR SYSTEM_TIME ALL ORDER BY row_start_tx, id").fetchall()
        receipts = connection.execute("SELECT rows FROM eventdb.erasures").fetchall()
        if receipts:
            assert rows == [(2, "bob"), (3, "cid")]
            assert not found(path, SECRET)
        else:
            assert not acknowledged
            assert rows == [(1, SECRET), (2, "bob"), (1, "x" + SECRET), (3, "cid")]
            assert not list((path / "log").glob("*.rewritten"))
        # and it goes on working
        if not receipts:
            erase(connection)
        connection.execute("INSERT INTO p VALUES (4, 'dan')")
        assert not found(path, SECRET)
        assert connection.verify().ok
    finally:
        connection.close()
    return bool(receipts)


def operations(tmp_path: Path) -> tuple[int, int]:
    """The first and the last operation of the erasure."""
    files = FaultyFiles()
    connection = prepare(tmp_path / "whole", files)
    before = files.operations
    erase(connection)
    after = files.operations
    connection.close()
    return before + 1, after


_SLOW = (Keep.HALF, Keep.ZEROS, Keep.LAST)


@pytest.mark.parametrize("keep", [pytest.param(k, marks=pytest.mark.slow) if k in _SLOW else k for k in Keep])
def test_stopped_anywhere(tmp_path: Path, keep: Keep) -> None:
    first, last = operations(tmp_path)
    outcomes = []
    for k in range(first, last + 1):
        files, path = FaultyFiles(), tmp_path / f"db{k}"
        connection = prepare(path, files)
        files.crash_at = k
        with pytest.raises(Crash):
            erase(connection)
        forget(path)
        outcomes.append(judge(files.surviving(path, tmp_path / f"after{k}", keep), False))
    assert sorted(outcomes) == outcomes, "once the transaction is on the disk it stays there"
    assert {True, False} == set(outcomes)


def test_acknowledged_is_erased(tmp_path: Path) -> None:
    """After ERASE has returned, a power cut changes nothing."""
    files = FaultyFiles()
    erase(prepare(tmp_path / "db", files))
    forget(tmp_path / "db")
    for keep in Keep:
        assert judge(files.surviving(tmp_path / "db", tmp_path / keep.value, keep), True)


@pytest.mark.parametrize("code", [errno.ENOSPC, pytest.param(errno.EIO, marks=pytest.mark.slow)])
def test_a_failure_at_each_operation(tmp_path: Path, code: int) -> None:
    """An error of the disk at any operation: an OperationalError, or none where only the new snapshot was lost; never a half."""
    first, last = operations(tmp_path)
    for k in range(first, last + 1):
        files, path = FaultyFiles(code=code), tmp_path / f"db{k}"
        connection = prepare(path, files)
        files.fail_at = k
        done = False
        try:
            erase(connection)
            done = True
        except errors.OperationalError:
            rows = connection.execute("SELECT id FROM p WHERE id = 1").fetchall()
            assert rows == [] or connection.execute("SELECT count(*) FROM eventdb.erasures").fetchone() == (0,)
        if done:
            assert not found(path, SECRET), f"operation {k}"
        forget(path)
        judge(path, done)


def test_who_may_only_read_waits_for_the_end(tmp_path: Path) -> None:
    """A database in which an erasure was stopped half-way is not read as it was: whoever may write finishes it first."""
    first, last = operations(tmp_path)
    refused = 0
    for k in range(first, last + 1):
        files, path = FaultyFiles(), tmp_path / f"db{k}"
        connection = prepare(path, files)
        files.crash_at = k
        with pytest.raises(Crash):
            erase(connection)
        forget(path)
        try:
            reading: Any = eventdb.connect(path, read_only=True)
        except errors.OperationalError as error:
            refused += "erased" in str(error)
        else:
            gone = reading.execute("SELECT count(*) FROM eventdb.erasures").fetchone() == (1,)
            rows = reading.execute("SELECT id FROM p FOR SYSTEM_TIME ALL WHERE id = 1").fetchall()
            assert rows == ([] if gone else [(1,), (1,)])
            reading.close()
    assert refused
