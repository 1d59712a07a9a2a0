"""CREATE DATABASE and DROP DATABASE."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.faulty import Crash, FaultyFiles

import eventdb
from eventdb.storage.files import Files


@pytest.fixture
def session(tmp_path: Path) -> Iterator[eventdb.Connection]:
    with eventdb.connect(tmp_path / "own.eventdb") as connection:
        yield connection
    connection.close()


def test_a_database_is_made_and_dropped(session: eventdb.Connection, tmp_path: Path) -> None:
    path = tmp_path / "other.eventdb"
    session.execute(f'CREATE DATABASE "{path}"')
    assert (path / "log").is_dir()
    session.execute(f'CREATE DATABASE IF NOT EXISTS "{path}"')
    with pytest.raises(eventdb.ProgrammingError, match=r"already exists\n") as caught:
        session.execute(f'CREATE DATABASE "{path}"')
    assert caught.value.sqlstate == "42P04"
    session.execute(f'DROP DATABASE "{path}"')
    assert sorted(p.name for p in tmp_path.iterdir()) == ["own.eventdb"]
    session.execute(f'DROP DATABASE IF EXISTS "{path}"')
    with pytest.raises(eventdb.ProgrammingError, match="does not exist") as caught:
        session.execute(f'DROP DATABASE "{path}"')
    assert caught.value.sqlstate == "3D000"


def test_what_is_open_is_not_dropped(session: eventdb.Connection, tmp_path: Path) -> None:
    for path in (tmp_path / "own.eventdb", tmp_path / "other.eventdb"):
        with eventdb.connect(path, autocommit=True) as other:
            other.execute("CREATE TABLE t (x INTEGER)")
            with pytest.raises(eventdb.OperationalError, match="is open") as caught:
                session.execute(f'DROP DATABASE "{path}"')
            assert caught.value.sqlstate == "55006"
            assert other.execute("SELECT count(*) FROM t").fetchone() == (0,)
        other.close()


def test_a_directory_that_holds_more_is_not_dropped(session: eventdb.Connection, tmp_path: Path) -> None:
    path = tmp_path / "other.eventdb"
    eventdb.connect(path).close()
    (path / "notes.txt").write_text("mine")
    with pytest.raises(eventdb.Error, match=r"notes\.txt"):
        session.execute(f'DROP DATABASE "{path}"')
    assert (path / "log").is_dir()
    with pytest.raises(eventdb.Error, match="does not exist"):
        session.execute(f'DROP DATABASE "{tmp_path}"')


@pytest.mark.parametrize("name", [":memory:", ""])
def test_a_name_that_is_no_path(session: eventdb.Connection, name: str) -> None:
    for verb in ("CREATE", "DROP"):
        with pytest.raises(eventdb.Error):
            session.execute(f'{verb} DATABASE "{name}"')


def test_a_read_only_session_makes_and_drops_none(tmp_path: Path) -> None:
    path = tmp_path / "own.eventdb"
    eventdb.connect(path).close()
    with eventdb.connect(path, read_only=True) as reader:
        for statement in ("CREATE DATABASE x", f'DROP DATABASE "{path}"'):
            with pytest.raises(eventdb.Error, match="read-only") as caught:
                reader.execute(statement)
            assert caught.value.sqlstate == "25006"
    reader.close()


def drop(path: Path, files: Files) -> None:
    session = eventdb.connect(":memory:", autocommit=True)
    session.database.files = files
    session.execute(f'DROP DATABASE "{path}"')
    session.close()


def test_a_drop_that_stops_anywhere(tmp_path: Path) -> None:
    """The database is there whole, or it is gone; what is left of it goes with the next of that name."""
    path = tmp_path / "other.eventdb"
    for step in range(1, 30):
        with eventdb.connect(path, autocommit=True) as made:
            made.execute("CREATE TABLE IF NOT EXISTS t (x INTEGER)")
            made.checkpoint()
        made.close()
        files = FaultyFiles(crash_at=step)
        try:
            drop(path, files)
        except Crash:
            if path.exists():
                with eventdb.connect(path) as made:
                    assert made.execute("SELECT count(*) FROM t").fetchone() == (0,)
                made.close()
            continue
        break
    assert step > 5
    assert list(tmp_path.iterdir()) == []


def test_a_database_whose_name_looks_like_that_of_one_that_was_dropped(session: eventdb.Connection, tmp_path: Path) -> None:
    for name in ("other.eventdb", "other.eventdb.dropped"):
        session.execute(f'CREATE DATABASE "{tmp_path / name}"')
    session.execute(f'DROP DATABASE "{tmp_path / "other.eventdb"}"')
    assert sorted(p.name for p in tmp_path.iterdir()) == ["other.eventdb.dropped", "own.eventdb"]


def test_a_log_elsewhere(session: eventdb.Connection, tmp_path: Path) -> None:
    """Where the log was put on another disk by a symbolic link, it goes too, and nothing that is beside it."""
    path, other = tmp_path / "other.eventdb", tmp_path / "disk"
    eventdb.connect(path).close()
    other.mkdir()
    (path / "log").rename(other / "log")
    (other / "notes.txt").write_text("mine")
    (path / "log").symlink_to(other / "log")
    session.execute(f'DROP DATABASE "{path}"')
    assert not path.exists()
    assert [p.name for p in other.iterdir()] == ["notes.txt"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["disk", "own.eventdb"]
