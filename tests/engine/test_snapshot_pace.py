"""How often snapshots are written: after so many transactions, later where writing one takes long."""

from __future__ import annotations

from pathlib import Path

import pytest

import eventdb
from eventdb.engine import database


@pytest.mark.parametrize(("seconds", "transactions"), [(0.0, 10), (0.001, 10), (0.5, 50), (60.0, 500)])
def test_pace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, transactions: int) -> None:
    """The first snapshot comes after ten transactions here; the next one when it was worth its while."""
    monkeypatch.setattr(database, "SNAPSHOT_EVENTS", 10)
    monkeypatch.setattr(database, "SNAPSHOT_WAIT", 100)
    started: list[int] = []
    with eventdb.connect(tmp_path / "db", autocommit=True, durability="none") as connection:
        known = connection.database
        monkeypatch.setattr(known, "_start_snapshot", lambda: started.append(known.head.number))
        known._snapshot_seconds = seconds
        connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")
        for i in range(1, transactions):
            assert not started
            connection.execute("INSERT INTO t VALUES (?)", (i,))
        assert started == [transactions]


def test_the_time_of_a_snapshot_is_known(tmp_path: Path) -> None:
    with eventdb.connect(tmp_path / "db", autocommit=True) as connection:
        connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")
        connection.checkpoint()
        assert 0 < connection.database._snapshot_seconds < 60
