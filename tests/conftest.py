"""What every test run shares: the verify switch, and a database that is checked when the test is done with it."""

from __future__ import annotations

import os

# Set before anything imports eventdb: with it, storage checks its own invariants after every commit and at every open.
os.environ.setdefault("EVENTDB_VERIFY", "1")

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from eventdb.storage import eras, past

# The small tables of tests meet what only large ones would: the eras of a history, and the two ways of an ordered scan of it.
eras.LEAST = 8
past._PATIENCE = 1


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite", action="store_true", help="write the output of golden scripts into them instead of comparing")


@pytest.fixture
def open_database(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """A function that opens connections, all to one database under the test's own folder unless named; all are closed at the end."""
    import eventdb

    opened: list[Any] = []

    def open_one(database: str | Path | None = None, **options: Any) -> Any:
        connection = eventdb.connect(str(tmp_path / "test.eventdb" if database is None else database), **options)
        opened.append(connection)
        return connection

    yield open_one
    for connection in opened:
        connection.close()
