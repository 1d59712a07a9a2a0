"""A `Files` that counts what changes the disk, fails one operation, or stops at one, and knows what the disk would hold after a power cut.

    files = FaultyFiles(crash_at=7)           # the 7th operation raises Crash, and so does everything after it
    files = FaultyFiles(fail_at=7)            # the 7th operation raises ENOSPC (a write: after half of its bytes), once
    run(files)                                # over a real directory
    files.operations                          # how many there were: the range for k
    files.surviving(source, target, keep)     # copies to `target` what a power cut would have left of `source`

Operations are: write, truncate, sync, sync_directory, rename, remove and create (of a file). What is certain to survive: the bytes
of a file at its last sync, the names of a directory at its last sync_directory. Of the rest `keep` says what survives:

    Keep.NOTHING   only what was synced
    Keep.HALF      also new names, and half of the bytes written since the sync
    Keep.ZEROS     also new names, and the file's new length, but none of the bytes written since the sync (zeros where it grew)
    Keep.LAST      as ZEROS, but the last write's bytes are there (pages written out of order)
    Keep.ALL       everything (the process died, the machine did not)
"""

from __future__ import annotations

import enum
import errno
import os
from pathlib import Path

from eventdb.errors import CannotConnect
from eventdb.storage.files import AppendFile, Files, translate


class Crash(BaseException):
    """The world stopped. Not an Exception: no code may handle it."""


class Keep(enum.Enum):
    NOTHING = "nothing"
    HALF = "half"
    ZEROS = "zeros"
    LAST = "last"
    ALL = "all"


class _Disk:
    """What is certain of one file: its bytes at the last sync; what was written since, as (offset, bytes), and to what size it was cut."""

    def __init__(self, synced: bytes) -> None:
        self.sync(synced)

    def sync(self, synced: bytes) -> None:
        self.synced = synced
        self.writes: list[tuple[int, bytes]] = []
        self.kept = len(synced)

    def truncate(self, size: int) -> None:
        self.kept = min(self.kept, size)
        self.writes = [(offset, data[: size - offset]) for offset, data in self.writes if offset < size]


class FaultyFiles(Files):
    """Files that stop or fail at a chosen operation (counted from 1)."""

    def __init__(self, crash_at: int | None = None, fail_at: int | None = None, code: int = errno.ENOSPC, only: str | None = None) -> None:
        self.crash_at = crash_at
        self.fail_at = fail_at
        self.code = code
        self.only = only
        """With `fail_at`: count only operations of this kind ("write", "sync" …)."""
        self.operations = 0
        self.counts: dict[str, int] = {}
        self.crashed = False
        self._live: dict[str, _Disk] = {}
        self._durable: dict[str, _Disk] = {}
        self._moved: list[tuple[str, str]] = []

    @property
    def writes(self) -> int:
        return self.counts.get("write", 0)

    @property
    def syncs(self) -> int:
        return self.counts.get("sync", 0)

    def step(self, kind: str, path: str) -> bool:
        """Count one operation; True if it is to fail. Raises Crash when the world has stopped."""
        if self.crashed:
            raise Crash(f"{kind} after the crash")
        if self.only is None or self.only == kind:
            self.operations += 1
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if self.operations == self.crash_at:
            self.crashed = True
            return False
        if self.operations == self.fail_at:
            self.fail_at = None
            return True
        return False

    def act(self, kind: str, path: str) -> None:
        """An operation without a middle: before a crash at it, nothing of it happens."""
        if self.step(kind, path):
            raise translate(OSError(self.code, os.strerror(self.code)), kind, path)
        if self.crashed:
            raise Crash(f"at {kind} {path}")

    def known(self, path: str) -> _Disk:
        path = os.path.abspath(path)
        if path not in self._live:  # there before we looked: on the disk
            self._live[path] = self._durable[path] = _Disk(Path(path).read_bytes())
        return self._live[path]

    def open_append(self, path: str) -> AppendFile:
        if not os.path.exists(path):
            if not os.path.isdir(os.path.dirname(os.path.abspath(path))):
                raise CannotConnect(f"no directory for {path!r}")
            self.act("create", path)
            self._live[os.path.abspath(path)] = _Disk(b"")
        else:
            self.known(path)
        return _FaultyAppendFile(path, self)

    def rename(self, old: str, new: str) -> None:
        if os.path.isdir(old):
            self._rename_directory(os.path.abspath(old), os.path.abspath(new))
            return
        if os.path.exists(new):
            self.known(new)
        disk = self.known(old)
        self.act("rename", old)
        super().rename(old, new)
        self._live[os.path.abspath(new)] = disk
        del self._live[os.path.abspath(old)]

    def _rename_directory(self, old: str, new: str) -> None:
        """All that is in it moves at once; on the disk when the directory around it is synced."""
        for path in Path(old).rglob("*"):
            if path.is_file():
                self.known(str(path))
        self.act("rename", old)
        super().rename(old, new)
        self._live = {new + n[len(old) :] if n.startswith(old + os.sep) else n: d for n, d in self._live.items()}
        self._moved.append((old, new))

    def remove_directory(self, path: str) -> None:
        self.act("remove", path)
        super().remove_directory(path)

    def remove(self, path: str) -> None:
        self.known(path)
        self.act("remove", path)
        super().remove(path)
        del self._live[os.path.abspath(path)]

    def sync_directory(self, path: str) -> None:
        self.act("sync_directory", path)
        path = os.path.abspath(path)
        for old, new in [m for m in self._moved if os.path.dirname(m[1]) == path]:
            self._durable = {new + n[len(old) :] if n.startswith(old + os.sep) else n: d for n, d in self._durable.items()}
            self._moved.remove((old, new))
        for name in [n for n in self._durable if os.path.dirname(n) == path]:
            del self._durable[name]
        self._durable.update({n: d for n, d in self._live.items() if os.path.dirname(n) == path})

    def surviving(self, source: str | Path, target: str | Path, keep: Keep) -> Path:
        """Copy to the new directory `target` what would be left of directory `source` after a power cut now."""
        source, target = Path(source).absolute(), Path(target)
        contents: dict[Path, bytes] = {}
        for path in source.rglob("*"):
            if path.is_file() and str(path) not in self._live and str(path) not in self._durable:
                contents[path] = path.read_bytes()  # never changed through us
        if keep is Keep.NOTHING:
            contents |= {Path(p): d.synced for p, d in self._durable.items() if source in Path(p).parents}
        else:
            contents |= {Path(p): _after(p, d, keep) for p, d in self._live.items() if source in Path(p).parents}
        target.mkdir(parents=True)
        unmade = [Path(new) for _, new in self._moved] if keep is Keep.NOTHING else []
        for folder in [p for p in source.rglob("*") if p.is_dir() and not any(new in (p, *p.parents) for new in unmade)]:
            (target / folder.relative_to(source)).mkdir(parents=True, exist_ok=True)
        for path, data in contents.items():
            left = target / path.relative_to(source)
            left.parent.mkdir(parents=True, exist_ok=True)
            left.write_bytes(data)
        return target


def _after(path: str, disk: _Disk, keep: Keep) -> bytes:
    now = Path(path).read_bytes()
    if keep is Keep.ALL:
        return now
    left = bytearray(disk.synced[: disk.kept])
    if keep is Keep.HALF:
        rest = sum(len(data) for _, data in disk.writes) // 2
        for offset, data in disk.writes:
            left[offset : offset + min(len(data), rest)] = data[:rest]
            rest -= min(len(data), rest)
        return bytes(left)
    left += bytes(len(now) - len(left))
    if keep is Keep.LAST and disk.writes:
        offset, data = disk.writes[-1]
        left[offset : offset + len(data)] = data
    return bytes(left)


class _FaultyAppendFile(AppendFile):
    def __init__(self, path: str, files: FaultyFiles) -> None:
        super().__init__(path)
        self.files = files
        self.disk = files.known(path)

    def write_at(self, offset: int, data: bytes) -> None:
        failing = self.files.step("write", self.path)
        if failing:
            data = data[: len(data) // 2]
        self.disk.writes.append((offset, data))
        super().write_at(offset, data)  # a crash here may leave any part: `surviving` decides
        if failing:
            raise translate(OSError(self.files.code, os.strerror(self.files.code)), "write to", self.path)
        if self.files.crashed:
            raise Crash(f"at write {self.path}")

    def sync(self) -> None:
        self.files.act("sync", self.path)
        self.disk.sync(Path(self.path).read_bytes())

    def truncate(self, size: int) -> None:
        self.files.act("truncate", self.path)
        super().truncate(size)
        self.disk.truncate(size)
