"""The door to the operating system: appends, atomic writes, locks, and errors that name the path."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from faults.faulty import Crash, FaultyFiles, Keep

from eventdb.errors import CannotConnect, DiskFull, IOFailure, LockNotAvailable
from eventdb.storage.files import Files, translate


def test_appended_bytes_are_read_back_anywhere(tmp_path: Path) -> None:
    """Writes go to the end; reads take an offset; size follows; truncate cuts."""
    file = Files().open_append(str(tmp_path / "f"))
    file.write(b"hello ")
    file.write(b"world")
    file.sync()
    assert (file.size(), file.read(6, 100), file.read(0, 5), file.read(50, 5)) == (11, b"world", b"hello", b"")
    file.truncate(6)
    file.write(b"you")
    assert Files().read(str(tmp_path / "f")) == b"hello you"
    assert Files().read(str(tmp_path / "f"), 6, 2) == b"yo"
    assert bytes(Files().map(str(tmp_path / "f"))) == b"hello you"
    assert Files().open_read(str(tmp_path / "f")).read(0, 3) == b"hel"
    file.close()
    file.close()


def test_an_atomic_write_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    """Stopped at any operation, with anything kept, a reader finds all of the old bytes or all of the new."""
    for keep in Keep:
        k, crashed = 0, True
        while crashed:
            k += 1
            folder = tmp_path / f"{keep.value} {k}"
            folder.mkdir()
            (folder / "f").write_bytes(b"old")
            files = FaultyFiles(crash_at=k)
            try:
                files.write_atomically(str(folder / "f"), [b"new ", b"bytes"])
                crashed = False
            except Crash:
                pass
            left = files.surviving(folder, tmp_path / f"left {keep.value} {k}", keep)
            assert (left / "f").read_bytes() in ((b"old", b"new bytes") if crashed else (b"new bytes",))
        assert k >= 6


def test_an_atomic_write_that_fails_leaves_no_temporary_file(tmp_path: Path) -> None:
    """A full disk in the middle: the old file, and nothing beside it."""
    (tmp_path / "f").write_bytes(b"old")
    with pytest.raises(DiskFull, match=r"f\.tmp"):
        FaultyFiles(fail_at=3).write_atomically(str(tmp_path / "f"), [b"new ", b"bytes"])
    assert Files().list(str(tmp_path)) == ["f"]
    assert (tmp_path / "f").read_bytes() == b"old"


def test_errors_are_ours_and_name_the_path(tmp_path: Path) -> None:
    """No OSError comes out."""
    missing = str(tmp_path / "no" / "file")
    files = Files()
    for action in (files.read, files.open_read, files.open_append, files.list, files.size, files.remove, files.map, files.sync_directory):
        with pytest.raises(CannotConnect, match="no/file"):
            action(missing)
    with pytest.raises(CannotConnect, match="rename"):
        files.rename(missing, str(tmp_path / "x"))
    with pytest.raises(CannotConnect):
        files.read("nul\0byte")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CannotConnect):
        files.make_directory(str(tmp_path / "file"))
    assert bytes(files.map(str(tmp_path / "file"))) == b""
    file = files.open_append(str(tmp_path / "file"))
    file.close()
    for use in (file.size, file.sync, lambda: file.write(b"x"), lambda: file.read(0, 1), lambda: file.truncate(0)):
        with pytest.raises(IOFailure, match="file"):
            use()
    assert isinstance(translate(OSError(errno.ENOSPC, "x"), "a", "b"), DiskFull)
    assert isinstance(translate(OSError(errno.EIO, "x"), "a", "b"), IOFailure)


def test_a_made_directory_lasts(tmp_path: Path) -> None:
    """Directories above are made too; making one that is there is no error."""
    for _ in range(2):
        Files().make_directory(str(tmp_path / "a" / "b" / "c"))
    assert (tmp_path / "a" / "b" / "c").is_dir()


def test_a_lock_keeps_out_threads_of_the_same_process(tmp_path: Path) -> None:
    """A second lock on the file waits, and gives up after its timeout."""
    files, path = Files(), str(tmp_path / "lock")
    lock = files.lock(path)
    with pytest.raises(LockNotAvailable, match="lock"):
        files.lock(path, 0.02)
    threading.Timer(0.05, lock.release).start()
    with files.lock(path, 30):
        pass


def test_a_lock_keeps_out_other_processes_and_ends_with_its_own(tmp_path: Path) -> None:
    """A process that dies gives its lock back."""
    path = str(tmp_path / "lock")
    code = "import sys; from eventdb.storage.files import Files; lock = Files().lock(sys.argv[1]); print('held', flush=True); "
    other = subprocess.Popen([sys.executable, "-c", code + "sys.stdin.read()", path], stdout=subprocess.PIPE, stdin=subprocess.PIPE)
    assert other.stdout is not None
    assert other.stdout.readline() == b"held\n"
    with pytest.raises(LockNotAvailable):
        Files().lock(path, 0.02)
    other.kill()
    other.communicate()
    with Files().lock(path, 10):
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_does_not_share_the_lock(tmp_path: Path) -> None:
    """A descriptor that both have would let both in."""
    lock = Files().lock_file(str(tmp_path / "lock"))
    lock.acquire()
    child = os.fork()
    if child == 0:
        try:
            lock.acquire(0.02)
        except LockNotAvailable:
            os._exit(0)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    lock.release()


def test_waiting_for_a_lock_ends_soon_after_its_release(tmp_path: Path) -> None:
    """The pauses between two tries stay short."""
    path = str(tmp_path / "lock")
    lock = Files().lock(path)
    released: list[float] = []

    def release() -> None:
        released.append(time.monotonic())
        lock.release()

    threading.Timer(0.1, release).start()
    with Files().lock(path):
        assert time.monotonic() - released[0] < 5
