"""Backups, restores, exports and digests of a database from which values were erased."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from erase.searching import found

import eventdb
from eventdb import errors

SECRET = "ada@example.org"


@pytest.fixture(params=["memory", "directory"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    name = ":memory:" if request.param == "memory" else tmp_path / "db"
    connection = eventdb.connect(name, autocommit=True, allow_erase=True)
    connection.execute("CREATE TABLE p (id INTEGER PRIMARY KEY, mail TEXT)")
    connection.execute("INSERT INTO p VALUES (1, ?), (2, 'bob')", (SECRET,))
    connection.execute("UPDATE p SET mail = 'x' || mail")
    yield connection
    connection.close()


def check(path: Path, transaction: int) -> None:
    """A copy without the secret, which verifies and goes on working."""
    assert not found(path, SECRET)
    copy = eventdb.connect(path, autocommit=True, allow_erase=True)
    assert copy.head == transaction
    report = copy.verify()
    assert report.ok, str(report)
    assert report.redactions == [2, 3]
    assert copy.execute("SELECT id, mail FROM p FOR SYSTEM_TIME ALL").fetchall() == [(2, "bob"), (2, "xbob")]
    assert copy.execute("SELECT transaction, rows FROM eventdb.erasures").fetchall() == [(4, 1)]
    copy.execute("ERASE FROM p WHERE id = 2")
    assert copy.verify().redactions == [2, 3]
    copy.close()


def test_a_backup_is_brought_up(db: Any, tmp_path: Path) -> None:
    """The next run replaces the segments in which bodies were rewritten, and the snapshots."""
    target = tmp_path / "backup"
    db.backup(target)
    assert found(target, SECRET)
    db.execute("ERASE FROM p WHERE id = 1")
    db.backup(target)
    check(target, 4)


def test_export_and_import(db: Any, tmp_path: Path) -> None:
    db.execute("ERASE FROM p WHERE id = 1")
    file = tmp_path / "all.eventdb-export"
    db.export_file(file)
    eventdb.import_file(file, tmp_path / "imported")
    check(tmp_path / "imported", 4)


def test_restore(tmp_path: Path) -> None:
    """To the erasure or later; a moment before it is no more."""
    path = tmp_path / "db"
    connection = eventdb.connect(path, autocommit=True, allow_erase=True)
    connection.execute("CREATE TABLE p (id INTEGER PRIMARY KEY, mail TEXT)")
    connection.execute("INSERT INTO p VALUES (1, ?), (2, 'bob')", (SECRET,))
    connection.execute("UPDATE p SET mail = 'x' || mail")
    connection.execute("ERASE FROM p WHERE id = 1")
    connection.execute("INSERT INTO p VALUES (3, 'cid')")
    connection.close()
    eventdb.restore(path, tmp_path / "restored", to=4)
    check(tmp_path / "restored", 4)
    with pytest.raises(errors.SnapshotTooOld, match="a copy must reach to there"):
        eventdb.restore(path, tmp_path / "other", to=3)
    eventdb.restore(path, tmp_path / "empty", to=1)
    assert not found(tmp_path / "empty", SECRET)


def test_digests_stay_good(db: Any) -> None:
    """A digest from before the erasure is one of the same headers."""
    digest = db.digest()
    db.execute("ERASE FROM p WHERE id = 1")
    report = db.verify(digest=digest)
    assert report.ok, str(report)
    assert report.redactions == [2, 3]
