"""Where copies go: names that others write at the same time, links, what is no path, and what is left where nothing came of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import eventdb
from eventdb.engine import copies
from eventdb.errors import CannotConnect, InterfaceError, LockNotAvailable, SerializationFailure
from eventdb.storage.files import Files


@pytest.fixture
def connection(tmp_path: Path) -> Any:
    with eventdb.connect(tmp_path / "db", autocommit=True, allow_erase=True) as made:
        made.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, v TEXT)")
        made.execute("INSERT INTO t SELECT n, 'wert ' || n FROM generate_series(1, 500) AS s(n)")
        yield made
    made.close()


class Meanwhile(Files):
    """Files on which something happens once, before a rename or behind the writing of a segment."""

    def __init__(self, at: str, happens: Callable[[], Any]) -> None:
        self.at, self.happens = at, happens

    def now(self, what: str) -> None:
        if what == self.at:
            self.at = ""
            self.happens()

    def rename(self, old: str, new: str) -> None:
        self.now("rename")
        super().rename(old, new)

    def write_atomically(self, path: str, chunks: Any, temporary: str | None = None) -> None:
        super().write_atomically(path, chunks, temporary)
        if path.endswith(".cbor"):
            self.now("segment")


def names(path: Path) -> list[str]:
    return sorted(p.name for p in path.iterdir())


def test_two_exports_to_one_file(connection: Any, tmp_path: Path) -> None:
    """The last one stays, whole."""
    file = tmp_path / "all.export"
    files = Meanwhile("rename", lambda: connection.export_file(file))
    other = eventdb.connect(tmp_path / "db", read_only=True)
    copies.export_file(other.database, str(file), files)
    other.close()
    assert eventdb.import_file(file, tmp_path / "new").transaction == 2
    assert names(tmp_path) == ["all.export", "db", "new"]


def test_nothing_is_left_where_a_file_cannot_get_its_name(connection: Any, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(CannotConnect):
        connection.export_file(tmp_path / "folder")
    assert names(tmp_path) == ["db", "folder"]


def test_two_restores_to_one_place(connection: Any, tmp_path: Path) -> None:
    """The second one is told; the first one is not disturbed."""
    caught: list[LockNotAvailable] = []

    def second() -> None:
        with pytest.raises(LockNotAvailable) as info:
            copies.restoring.restore(str(tmp_path / "db"), str(tmp_path / "new"), 1)
        caught.append(info.value)

    assert eventdb.restore(tmp_path / "db", tmp_path / "new", _files=Meanwhile("segment", second)).transaction == 2
    assert caught
    with eventdb.connect(tmp_path / "new") as made:
        assert made.execute("SELECT count(*) FROM t").fetchone() == (500,)
    made.close()
    assert names(tmp_path) == ["db", "new"]


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("at", ["segment", "rename"])
def test_nothing_is_left_of_a_restore_that_is_interrupted(connection: Any, tmp_path: Path, at: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        eventdb.restore(tmp_path / "db", tmp_path / "new", _files=Meanwhile(at, interrupt))
    assert names(tmp_path) == ["db"]


@pytest.mark.parametrize("there", [True, False])
def test_a_target_that_is_a_link(connection: Any, tmp_path: Path, there: bool) -> None:
    """The database is made where the link leads, and the link stays."""
    (tmp_path / "disk").mkdir()
    if there:
        (tmp_path / "disk" / "new").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "new")
    assert eventdb.restore(tmp_path / "db", tmp_path / "link").path == str(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "disk" / "new" / "log").is_dir()
    assert names(tmp_path / "disk") == ["new"]


def test_what_is_no_path(connection: Any, tmp_path: Path) -> None:
    for wrong in (None, 5, [], ""):
        for call in (connection.backup, connection.export_file, lambda p: eventdb.restore(p, "x"), lambda p: eventdb.import_file(p, "x")):
            with pytest.raises((InterfaceError, CannotConnect)):
                call(wrong)
    for wrong in ("a\0b", tmp_path / "db" / "lock" / "x"):
        for call in (connection.backup, connection.export_file, lambda p: eventdb.restore(p, "x"), lambda p: eventdb.import_file(p, "x")):
            with pytest.raises(eventdb.Error):
                call(wrong)
    assert connection.backup(os.fsencode(tmp_path / "copy")).transaction == 2
    assert not Path("x").exists()


def test_a_relative_path_and_another_folder(connection: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    other = eventdb.connect("db", autocommit=True)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    other.execute("INSERT INTO t VALUES (501, 'x')")
    other.checkpoint()
    assert other.backup("copy").path == str(tmp_path / "elsewhere" / "copy")
    other.close()
    assert names(tmp_path) == ["db", "elsewhere"]
    assert names(tmp_path / "elsewhere") == ["copy"]


def test_a_dump_that_is_read_by_and_by(connection: Any) -> None:
    """What has not been read when values are erased is not given out any more."""
    for read in (0, 3):
        script = connection.dump()
        for _ in range(read):
            next(script)
        connection.execute("ERASE FROM t WHERE n = ?", (500 - read,))
        with pytest.raises(SerializationFailure):
            list(script)


def test_a_dump_is_utf_8_wherever_it_goes(connection: Any, tmp_path: Path) -> None:
    connection.execute("INSERT INTO t VALUES (501, 'grün ☃\r\n')")
    command = [sys.executable, "-m", "eventdb", "dump", str(tmp_path / "db")]
    done = subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}, check=True)
    assert "grün ☃\r\n" in done.stdout.decode("utf-8")
    assert done.stderr == b""
    command[3:] = ["digest", str(tmp_path / "né")]
    done = subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}, check=False)
    assert (done.returncode, b"n\\xe9" in done.stderr) == (3, True)
