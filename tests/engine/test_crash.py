"""The whole stack stopped at every write and every sync, or with a full disk at each: nothing acknowledged is lost, nothing is there by
half."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
from faults.faulty import Crash, FaultyFiles, Keep

import eventdb
from eventdb.engine import database as engine_database

# One transaction writes rows (n, 0) … (n, n), so that a part of it would show.


def workload(path: Path, files: FaultyFiles, acknowledged: list[int], stop_on_error: bool = False) -> None:
    connection = eventdb.connect(path, _files=files)
    try:
        connection.execute("CREATE TABLE t (n INTEGER, i INTEGER, PRIMARY KEY (n, i))")
        connection.commit()
        acknowledged.append(0)
        for n in range(1, 6):
            try:
                connection.execute("BEGIN")
                for i in range(n + 1):
                    connection.execute("INSERT INTO t VALUES (?, ?)", (n, i))
                connection.execute("COMMIT")
                acknowledged.append(n)
                if n == 3:
                    connection.checkpoint()
            except eventdb.OperationalError:
                if stop_on_error:
                    raise
                connection.rollback()
    finally:
        if not files.crashed:
            connection.close()


def forget(path: Path) -> None:
    """Take the database of a stopped process out of this process's register."""
    for key in [key for key in engine_database._registry if key[0] == str(path.resolve())]:
        del engine_database._registry[key]


def groups(path: Path) -> list[int]:
    """Which transactions of the workload are there; each must be whole."""
    connection = eventdb.connect(path)
    try:
        connection.verify().raise_for_problems()
        try:
            rows = connection.execute("SELECT n, i FROM t ORDER BY n, i").fetchall()
        except eventdb.ProgrammingError:
            return []
        found = sorted({n for n, _ in rows})
        assert rows == [(n, i) for n in found for i in range(n + 1)]
        return [0, *found]
    finally:
        connection.close()


def operations(tmp_path: Path) -> int:
    files = FaultyFiles()
    workload(tmp_path / "whole", files, [])
    return files.operations


@pytest.mark.parametrize("keep", list(Keep))
def test_stopped_anywhere(tmp_path: Path, keep: Keep) -> None:
    """After a power cut at any operation the reopened database holds every acknowledged transaction, and at most the one under way."""
    for k in range(1, operations(tmp_path) + 1):
        files, acknowledged = FaultyFiles(crash_at=k), list[int]()
        path = tmp_path / f"db{k}"
        with pytest.raises(Crash):
            workload(path, files, acknowledged)
        forget(path)
        if not path.exists():
            assert not acknowledged
            continue
        survived = files.surviving(path, tmp_path / f"after{k}", keep)
        found = groups(survived)
        assert found[: len(acknowledged)] == acknowledged, f"stopped at operation {k}"
        assert len(found) <= len(acknowledged) + 1
        # and the database goes on working
        connection = eventdb.connect(survived)
        connection.execute("CREATE TABLE later (a INTEGER)")
        connection.commit()
        connection.close()


def test_full_disk_at_each_operation(tmp_path: Path) -> None:
    """ENOSPC once, at any operation: an OperationalError, the transaction gone cleanly, later ones work, nothing is lost."""
    for k in range(1, operations(tmp_path) + 1):
        files, acknowledged = FaultyFiles(fail_at=k, code=errno.ENOSPC), list[int]()
        path = tmp_path / f"db{k}"
        try:
            workload(path, files, acknowledged)
        except eventdb.OperationalError as error:
            assert error.sqlstate in ("53100", "58030", "08001", "57P03"), (k, error)  # noqa: PT017
        forget(path)
        if path.exists():
            assert set(acknowledged) <= set(groups(path)), f"failed at operation {k}"


def test_error_of_a_full_disk(tmp_path: Path) -> None:
    """The error says so; the transaction is rolled back; the connection works when there is room again."""
    files = FaultyFiles()
    connection: Any = eventdb.connect(tmp_path / "db", _files=files)
    connection.execute("CREATE TABLE t (a INTEGER)")
    connection.commit()
    files.fail_at = files.operations + 1
    connection.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(eventdb.OperationalError) as caught:
        connection.commit()
    assert caught.value.sqlstate == "53100"
    assert not connection.in_transaction
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
    connection.execute("INSERT INTO t VALUES (2)")
    connection.commit()
    connection.close()
    connection = eventdb.connect(tmp_path / "db")
    assert connection.execute("SELECT a FROM t").fetchall() == [(2,)]
    connection.close()
