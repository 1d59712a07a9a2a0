"""The one door to the operating system's files.

Everything that storage reads or writes goes through a `Files` object, so that a test can put another in its place that counts
operations, fails one of them, or stops the world between two (tests/faults). Every failure leaves here as an error of eventdb
whose message names the path:

    no space, quota               DiskFull
    not there, not permitted      CannotConnect
    anything else                 IOFailure

What a file holds is on the disk only after `sync`; that a file exists, or has a new name, only after `sync_directory` of its directory.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

from eventdb.errors import CannotConnect, DiskFull, Error, IOFailure, LockNotAvailable

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST})
_BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_POLL_SECONDS = (0.0001, 0.02)  # first and longest pause between two tries to take a lock
TEMPORARY = ".tmp"
"""The suffix of files that `write_atomically` has not finished; one that is left over means nothing and may be removed."""


def translate(failure: OSError, action: str, path: str) -> Error:
    """The eventdb error for an OSError met while doing `action` to `path`."""
    text = f"cannot {action} {path!r}: {failure.strerror or failure}"
    if failure.errno in _NO_ROOM:
        return DiskFull(text)
    if failure.errno in _NOT_THERE:
        return CannotConnect(text)
    return IOFailure(text)


@contextlib.contextmanager
def _told(action: str, path: str) -> Iterator[None]:
    try:
        yield
    except OSError as failure:
        raise translate(failure, action, path) from failure
    except ValueError as failure:  # a NUL byte in a path
        raise CannotConnect(f"cannot {action} {path!r}: {failure}") from failure


class ReadFile:
    """A file open for reading; several threads may read at once."""

    def __init__(self, path: str, flags: int = os.O_RDONLY) -> None:
        self.path = path
        self._fd = -1
        with _told("open", path):
            self._fd = os.open(path, flags | _BINARY, 0o644)

    def size(self) -> int:
        """Length in bytes. (lseek costs a third of fstat, and this is asked before every transaction.)"""
        try:
            return os.lseek(self._fd, 0, os.SEEK_END)
        except OSError as failure:
            raise translate(failure, "find the size of", self.path) from failure

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer only at the end of the file."""
        with _told("read", self.path):
            parts = []
            while length > 0:
                part = _read_at(self._fd, length, offset)
                if not part:
                    break
                parts.append(part)
                offset += len(part)
                length -= len(part)
            return parts[0] if len(parts) == 1 else b"".join(parts)

    def peek(self, offset: int, length: int) -> bytes:
        """`read` for a few bytes, which come in one piece."""
        try:
            return _read_at(self._fd, length, offset)
        except OSError as failure:
            raise translate(failure, "read", self.path) from failure

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)

    def __del__(self) -> None:
        self.close()


class AppendFile(ReadFile):
    """A file open for writing (created where it is missing) and for reading."""

    def __init__(self, path: str) -> None:
        super().__init__(path, os.O_RDWR | os.O_CREAT)

    def write(self, data: bytes) -> None:
        """Append all of `data`. After an error any part of it may have been written."""
        self.write_at(self.size(), data)

    def write_at(self, offset: int, data: bytes) -> None:
        """Put all of `data` at `offset`, over what stands there. After an error any part of it may have been written."""
        try:
            written = _write_at(self._fd, data, offset)
            while written < len(data):
                written += _write_at(self._fd, memoryview(data)[written:], offset + written)
        except OSError as failure:
            raise translate(failure, "write to", self.path) from failure

    def sync(self) -> None:
        """Return when everything written so far is on the disk. After an error nobody knows what is."""
        try:
            _sync(self._fd)
        except OSError as failure:
            raise translate(failure, "sync", self.path) from failure
        except ValueError as failure:  # closed: Python refuses the descriptor before the system does
            raise IOFailure(f"cannot sync {self.path!r}: the file is closed") from failure

    def truncate(self, size: int) -> None:
        """Cut the file to `size` bytes."""
        with _told("truncate", self.path):
            os.ftruncate(self._fd, size)


class LockFile:
    """An advisory lock between processes, and between `LockFile` objects of one process, on a file made for it.

    The file stays open, so taking the lock is one system call. One object is for one thread at a time, which may take the lock again while
    it has it. As a context manager it waits `timeout` seconds (None: for ever).
    """

    def __init__(self, path: str, timeout: float | None = None) -> None:
        self.path = path
        self.timeout = timeout
        self._fd = -1
        self._pid = 0
        self._depth = 0

    def __enter__(self) -> LockFile:
        if self._depth == 0:
            self.acquire(self.timeout)
        self._depth += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            self.release()

    @contextlib.contextmanager
    def at_once(self) -> Iterator[bool]:
        """A block that has the lock if that could be taken without waiting: whether it has."""
        try:
            if self._depth == 0:
                self.acquire(0)
        except LockNotAvailable:
            yield False
            return
        self._depth += 1
        try:
            yield True
        finally:
            self.__exit__()

    def acquire(self, timeout: float | None = None) -> None:
        """Take the lock. Raises LockNotAvailable after `timeout` seconds (None: wait for ever)."""
        if self._fd < 0 or self._pid != os.getpid():
            self._open()
        if _try_lock(self._fd, self.path):
            return
        deadline = None if timeout is None else time.monotonic() + timeout
        pause, longest = _POLL_SECONDS
        while not _try_lock(self._fd, self.path):
            if deadline is not None and time.monotonic() >= deadline:
                raise LockNotAvailable(f"another process holds the lock {self.path!r}; waited {timeout:g} s")
            time.sleep(pause)
            pause = min(pause * 2, longest)

    def release(self) -> None:
        if self._fd >= 0 and self._pid == os.getpid():
            _unlock(self._fd)

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)

    def _open(self) -> None:
        # A forked child shares the lock of its parent's descriptor: it needs one of its own.
        self.close()
        with _told("open the lock file", self.path):
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | _BINARY, 0o644)
        self._pid = os.getpid()

    def __del__(self) -> None:
        self.close()


class Lock:
    """A lock that is held, as `Files.lock` gives it; a context manager."""

    def __init__(self, file: LockFile) -> None:
        self._file = file

    def release(self) -> None:
        """Give the lock back; doing so twice is harmless."""
        self._file.release()
        self._file.close()

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class Files:
    """The operating system's files. Paths are text; every method may raise DiskFull, CannotConnect or IOFailure."""

    def list(self, directory: str) -> list[str]:
        """The names in a directory, sorted."""
        with _told("list", directory):
            return sorted(os.listdir(directory))

    def exists(self, path: str) -> bool:
        with _told("look for", path):
            return os.path.exists(path)

    def is_directory(self, path: str) -> bool:
        with _told("look for", path):
            return os.path.isdir(path)

    def is_link(self, path: str) -> bool:
        """Whether it is a symbolic link, wherever that leads."""
        with _told("look for", path):
            return os.path.islink(path)

    def make_directory(self, path: str) -> None:
        """Create a directory and those above it, lastingly; there already is fine."""
        new, above = [], os.path.abspath(path)
        while not os.path.isdir(above) and above != os.path.dirname(above):
            new.append(above)
            above = os.path.dirname(above)
        with _told("create the directory", path):
            os.makedirs(path, exist_ok=True)
        for directory in reversed(new):
            self.sync_directory(os.path.dirname(directory))

    def size(self, path: str) -> int:
        """Length in bytes."""
        with _told("find the size of", path):
            return os.stat(path).st_size

    def stamp(self, path: str) -> int:
        """A number that is another one when a file was written to, or another file has its name: its time of change and its inode."""
        with _told("find the time of", path):
            found = os.stat(path)
            return found.st_mtime_ns << 64 | found.st_ino

    def read(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        """The bytes of a file from `offset`, at most `length`."""
        with _told("read", path), open(path, "rb") as file:
            file.seek(offset)
            return file.read() if length is None else file.read(length)

    def map(self, path: str) -> memoryview:
        """The bytes of a file, mapped read-only; an empty file gives an empty view."""
        with _told("map", path), open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                return memoryview(b"")
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    def open_read(self, path: str) -> ReadFile:
        return ReadFile(path)

    def open_append(self, path: str) -> AppendFile:
        return AppendFile(path)

    def write_atomically(self, path: str, chunks: Iterable[bytes], temporary: str | None = None) -> None:
        """Write a whole file, synced: after a crash there is the old one (or none) or the new one, never a part.

        Until then it has the name `temporary`; without one whoever writes the same file must be alone, by a lock say.
        """
        temporary = temporary or path + TEMPORARY
        if self.exists(temporary):
            self.remove(temporary)
        file = self.open_append(temporary)
        try:
            try:
                for chunk in chunks:
                    file.write(chunk)
                file.sync()
            finally:
                file.close()
            self.rename(temporary, path)
        except BaseException:
            with contextlib.suppress(Error):
                if self.exists(temporary):
                    self.remove(temporary)
            raise
        self.sync_directory(os.path.dirname(path))

    def write_for_all(self, path: str, chunks: Iterable[bytes]) -> None:
        """`write_atomically` of a file that several may write at once: the last of them stays, whole."""
        self.write_atomically(path, chunks, f"{path}.{os.urandom(8).hex()}{TEMPORARY}")

    def rename(self, old: str, new: str) -> None:
        """Rename a file over whatever has the new name, or a directory to a name that nothing has; lasting after `sync_directory`."""
        with _told(f"rename {old!r} to", new):
            os.replace(old, new)

    def remove(self, path: str) -> None:
        """Delete a file; lasting after `sync_directory`."""
        with _told("remove", path):
            os.remove(path)

    def remove_directory(self, path: str) -> None:
        """Delete an empty directory."""
        with _told("remove the directory", path):
            os.rmdir(path)

    def sync_directory(self, path: str) -> None:
        """Return when the names in a directory are on the disk."""
        if os.name == "nt":  # Windows has no descriptor of a directory, and orders such changes itself
            return
        with _told("sync the directory", path):
            fd = os.open(path or ".", os.O_RDONLY | _BINARY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def lock(self, path: str, timeout: float | None = None) -> Lock:
        """Take an advisory lock on a file made for it. Raises LockNotAvailable after `timeout` seconds (None: wait for ever)."""
        file = self.lock_file(path)
        file.acquire(timeout)
        return Lock(file)

    def lock_file(self, path: str, timeout: float | None = None) -> LockFile:
        """A lock to be taken many times, each time waiting `timeout` seconds at most; not yet taken."""
        return LockFile(path, timeout)


if hasattr(os, "pread"):

    _read_at, _write_at = os.pread, os.pwrite

else:  # Windows: seek and read, one thread at a time
    _seek_lock = threading.Lock()

    def _read_at(fd: int, length: int, offset: int) -> bytes:
        with _seek_lock:
            os.lseek(fd, offset, os.SEEK_SET)
            return os.read(fd, length)

    def _write_at(fd: int, data: Any, offset: int) -> int:
        with _seek_lock:
            os.lseek(fd, offset, os.SEEK_SET)
            return os.write(fd, data)


if hasattr(fcntl, "F_FULLFSYNC"):  # macOS: fsync leaves data in the drive's cache

    def _sync(fd: int) -> None:
        fcntl.fcntl(fd, getattr(fcntl, "F_FULLFSYNC"))  # noqa: B009

else:
    _sync = getattr(os, "fdatasync", os.fsync)


if fcntl is not None:

    def _try_lock(fd: int, path: str) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        except OSError as failure:
            raise translate(failure, "lock", path) from failure
        return True

    def _unlock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_UN)

else:
    import msvcrt

    def _try_lock(fd: int, path: str) -> bool:
        os.lseek(fd, 0, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(fd: int) -> None:
        os.lseek(fd, 0, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)
