"""Connections that are closed by the garbage collector, which may run anywhere: also while another database is being opened."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import eventdb
from eventdb.engine import database


def within(seconds: float, work: Callable[[], Any]) -> Any:
    """What `work` gives; fails where it takes longer."""
    made: list[Any] = []
    thread = threading.Thread(target=lambda: made.append(work()), daemon=True)
    thread.start()
    thread.join(seconds)
    assert made, "it waits for itself"
    return made[0]


def test_closed_while_another_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What closes it runs in the thread that is opening, with the lock that both need."""
    forgotten = eventdb.connect(tmp_path / "one", autocommit=True)
    forgotten.execute("CREATE TABLE t (a INTEGER)")

    class Opening(database.Database):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            forgotten.close()
            super().__init__(*arguments, **options)

    monkeypatch.setattr(database, "Database", Opening)
    with within(20, lambda: eventdb.connect(tmp_path / "two")) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    monkeypatch.undo()
    with eventdb.connect(tmp_path / "one") as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_closed_while_it_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last connection to a database goes just when another one is asked for: that one gets the database opened anew."""
    last = eventdb.connect(tmp_path / "db", autocommit=True)
    last.execute("CREATE TABLE t (a INTEGER)")

    class Registry(dict[Any, Any]):
        def get(self, key: Any, default: Any = None) -> Any:
            found = super().get(key, default)
            last.close()
            return found

    monkeypatch.setattr(database, "_registry", Registry(database._registry))
    with within(20, lambda: eventdb.connect(tmp_path / "db")) as connection:
        assert connection.database is not last.database
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
