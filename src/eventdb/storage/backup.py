"""Backup of a database while it is used: a directory that is itself a database, brought up to date by copying only what is new.

A backup is the segments of the log up to one transaction, the snapshots that fit, and `backup.json`, which says what was copied and up to
where the backup is whole. Order makes it safe to stop anywhere: first `backup.json` marks the directory as a backup, then what is new in
the log comes in the order of the log, then snapshots, then `backup.json` says so. Segments that erasure has rewritten wait beside the old
ones for the transaction that says so, as they do in the log itself (`log.rewriting`). What an interrupted run leaves is an earlier backup,
or one that whoever opens it for writing, or the next run, completes.

Segments are told apart by size and time of change, and by their bytes where those differ. A segment may be replaced by one with the same
headers (bodies can be erased), never by another history: that is refused, and so is a backup that somebody has written to.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from eventdb.errors import CannotConnect, DataCorrupted, NotSupportedError, ObjectNotInPrerequisiteState
from eventdb.model.record import Record
from eventdb.model.transaction import datetime_of
from eventdb.storage.copying import (
    check_outside,
    copy_file,
    log_path_of,
    pieces,
    same_bytes,
    segment_parts,
    side_files,
    snapshot_files,
    stored,
)
from eventdb.storage.files import TEMPORARY, Files
from eventdb.storage.log import chain
from eventdb.storage.log.base import EventLog
from eventdb.storage.log.directory import LOCK_NAME, DirectoryLog
from eventdb.storage.log.memory import MemoryLog
from eventdb.storage.log.reading import segments
from eventdb.storage.log.rewriting import Aside, asides, put_in_place
from eventdb.storage.log.segment import HEADER_SIZE, Broken, Raw, SegmentHeader, first_of, items, name_of
from eventdb.storage.recovery import LOCK, LOG, SNAPSHOTS
from eventdb.storage.snapshot import SnapshotStore

MANIFEST = "backup.json"
FORMAT = "eventdb backup 1"
_WHOLE = ".whole" + TEMPORARY
_LOCK_SECONDS = 60.0
_TRIES = 10


class Backup(Record):
    """What a backup did: `transaction` up to which it goes, its commit time in microseconds (None: there is none), how many segments were
    copied, extended or replaced, bytes copied in all, seconds that it took."""

    path: str
    transaction: int
    time: int | None
    segments: int
    bytes: int
    duration: float


class Bytes(Protocol):
    """Something to read at any place: a file, or what would be one."""

    def size(self) -> int: ...

    def read(self, offset: int, length: int) -> bytes: ...

    def close(self) -> None: ...


class Part(Record):
    """A segment to be copied: the first `size` bytes of it; `stamp` changes where the segment was written to."""

    name: str
    size: int
    stamp: int


class Source(Protocol):
    """The log that is backed up, as it stands at transaction `number`."""

    number: int

    def parts(self) -> list[Part]: ...

    def open(self, name: str) -> Bytes: ...


class _Directory:
    """The segments of a log in a directory, up to the last transaction that is known and on the disk."""

    def __init__(self, log: DirectoryLog) -> None:
        self._log = log
        self.number, self._last, self._end = log.extent
        if log.read_only:
            self._sync_for_the_writer()
        log.sync()

    def _sync_for_the_writer(self) -> None:
        """Bring to the disk what another process appended with a weaker durability: a backup must not know more than its database."""
        with contextlib.suppress(CannotConnect), contextlib.closing(self._log.files.open_append(self._path(self._last))) as file:
            file.sync()

    def parts(self) -> list[Part]:
        files, path = self._log.files, self._log.path
        names = [name_of(first) for first in segments(files, path)]
        found = []
        for name in names[: names.index(self._last) + 1]:
            place = self._path(name)
            stamp = files.stamp(place)  # before its bytes are read, so that a change on the way is seen the next time
            found.append(Part(name, self._end if name == self._last else files.size(place), stamp))
        return found

    def open(self, name: str) -> Bytes:
        return self._log.files.open_read(self._path(name))

    def _path(self, name: str) -> str:
        return os.path.join(self._log.path, name)


class _InMemory:
    """The bytes of one segment that was made for the copy."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def size(self) -> int:
        return len(self._data)

    def read(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + length]

    def close(self) -> None:
        pass


class _Memory:
    """The segments that a log in memory would have in a directory; the same ones each time, as far as it has not grown."""

    def __init__(self, log: MemoryLog) -> None:
        self.number = until = log.head
        if log.first > 1:
            raise NotSupportedError("a database in memory whose beginning was given up cannot be backed up")
        start = SegmentHeader(log.log_id, 1, chain.genesis(log.log_id), 0)
        made: dict[str, list[bytes]] = {}
        records = (stored(r, chain.encode_header(r.header), until) for r in log.read(0, until))
        for name, data in segment_parts(start, records):
            made.setdefault(name, []).append(data)
        self._made = {name: b"".join(parts) for name, parts in made.items()}

    def parts(self) -> list[Part]:
        return [Part(name, len(data), zlib.crc32(data)) for name, data in self._made.items()]

    def open(self, name: str) -> Bytes:
        return _InMemory(self._made[name])


def backup(log: EventLog, time_of: Callable[[int], int | None], source: str | None, target: str, files: Files | None = None) -> Backup:
    """Bring the backup at `target` up to the head of `log`, the log of the database at `source` (None: in memory); begin one where there is
    nothing.

    Raises CannotConnect (something else is there), ObjectNotInPrerequisiteState (a backup of another history, or one that was written to),
    LockNotAvailable (another backup is running), DiskFull, IOFailure.
    """
    began = time.monotonic()
    files = files or Files()
    target = os.path.abspath(target)
    if source is not None:
        check_outside(source, target)
    _check_target(files, target)
    files.make_directory(log_path_of(target))
    with files.lock(os.path.join(target, LOCK), _LOCK_SECONDS):
        copy = _Copy(files, log, source, target)
        number = copy.run(time_of)
    return Backup(target, number, time_of(number), copy.segments, copy.bytes, time.monotonic() - began)


def _check_target(files: Files, target: str) -> None:
    if not files.exists(target):
        return
    if not files.is_directory(target):
        raise CannotConnect(f"{target!r} is not a backup: it is not a directory")
    names = [name for name in files.list(target) if name != LOCK]
    begun = names == [LOG] and not [name for name in files.list(log_path_of(target)) if name != LOCK_NAME]
    if names and not begun and MANIFEST not in names and MANIFEST + TEMPORARY not in names:
        raise CannotConnect(
            f"{target!r} is not a backup: it holds {names[0]!r} and no {MANIFEST}", hint="Give a path where nothing is yet."
        )


class _Copy:
    """One run."""

    def __init__(self, files: Files, log: EventLog, source: str | None, target: str) -> None:
        self._files = files
        self._log = log
        self._source = source
        self._target = target
        self._log_path = log_path_of(target)
        self.segments = 0
        self.bytes = 0
        self._replaced = log.head + 1
        """The first transaction of the segments that were copied whole."""
        self._manifest = self._read_manifest()
        self._known: dict[str, list[int]] = self._manifest["segments"]

    # the manifest

    def _read_manifest(self) -> dict[str, Any]:
        path = os.path.join(self._target, MANIFEST)
        if not self._files.exists(path):
            empty: dict[str, Any] = {"transaction": 0, "hash": "", "segments": {}, "snapshots": {}}
            self._write_manifest(empty)
            return empty
        try:
            found = json.loads(self._files.read(path))
            sound = found["format"] == FORMAT and _are_files(found["segments"]) and _are_files(found["snapshots"])
            number, log_id = int(found["transaction"]), found["log_id"]
        except (ValueError, KeyError, TypeError):
            sound = False
        if not sound:
            raise DataCorrupted(f"{path!r} has not the form of what a backup says of itself")
        if log_id != self._log.log_id.hex():
            raise ObjectNotInPrerequisiteState(f"the backup at {self._target!r} is of log {log_id}, not of {self._log.log_id.hex()}")
        if number > self._log.head:
            raise ObjectNotInPrerequisiteState(
                f"the backup at {self._target!r} goes up to transaction {number}, the database only to {self._log.head}"
            )
        return found  # type: ignore[no-any-return]

    def _write_manifest(self, what: Mapping[str, Any]) -> None:
        data = json.dumps({"format": FORMAT, "log_id": self._log.log_id.hex(), **what}, indent=1).encode()
        self._files.write_atomically(os.path.join(self._target, MANIFEST), [data])

    # the run

    def run(self, time_of: Callable[[int], int | None]) -> int:
        """Copy what is new; the transaction up to which the backup then goes."""
        for turn in range(_TRIES):
            until = self._log.refresh()
            names = [] if self._source is None else snapshot_files(self._files, self._source, self._log, until)
            source: Source = _Directory(self._log) if isinstance(self._log, DirectoryLog) else _Memory(_memory(self._log))
            number, parts = source.number, source.parts()
            try:
                self._copy_log(source, parts)
                snapshots = self._copy_snapshots(names)
                break
            except CannotConnect:  # retention or the snapshots' owner has removed a file meanwhile
                if self._source is None or turn == _TRIES - 1:
                    raise
        self._remove_old({part.name for part in parts}, set(names))
        digest = self._read_back(number)
        moment = time_of(number)
        said = None if moment is None else datetime_of(moment).isoformat(timespec="microseconds")
        segments_now = {part.name: [part.size, part.stamp] for part in parts}
        self._write_manifest({"transaction": number, "time": said, "hash": digest, "segments": segments_now, "snapshots": snapshots})
        return number

    def _copy_log(self, source: Source, parts: list[Part]) -> None:
        there = [part for part in parts if self._files.exists(self._path(part.name))]
        kept = {part.name: self._kept(source, part) for part in there}
        replaced = [part for part in there if kept[part.name] is None]
        lacking = [(part, have) for part in there if (have := kept[part.name]) is not None and have < part.size]
        new = [part for part in parts if part.name not in kept]
        rewriting = self._last_rewriting(source.number) if replaced else None
        if rewriting is None:
            for part, have in lacking:
                self._extend(source, part, have)
            for part in [*new, *replaced]:
                self._copy(source, part, part.name)
        else:
            self._copy_aside(source, lacking, new, replaced, *rewriting)
        if isinstance(self._log, DirectoryLog):
            for name in side_files(self._files, self._log.path):
                self._copy_side_file(name)

    def _copy_aside(
        self, source: Source, lacking: list[tuple[Part, int]], new: list[Part], replaced: list[Part], number: int, txid: bytes
    ) -> None:
        """As `log.rewriting`: segments with other bodies wait beside those they replace until the transaction that says so is there."""
        waiting = [Aside.of(part.name, number, txid) for part in replaced]
        for part, aside in zip(replaced, waiting, strict=True):
            self._copy(source, part, aside.name)
        for part in new:
            self._copy(source, part, part.name + _WHOLE)
        for part, have in lacking:
            self._extend(source, part, have)
        for part in new:
            self._files.rename(self._path(part.name + _WHOLE), self._path(part.name))
        self._files.sync_directory(self._log_path)
        put_in_place(self._files, self._log_path, waiting)

    def _last_rewriting(self, number: int) -> tuple[int, bytes] | None:
        """The newest transaction that replaced bodies since the last run, up to one, with its txid."""
        after = max(min(self._manifest["transaction"], number), self._log.first - 1)
        found = [(r.header.number, r.header.txid) for r in self._log.read(after, number) if r.rewrites]
        return found[-1] if found else None

    def _path(self, name: str) -> str:
        return os.path.join(self._log_path, name)

    def _copy(self, source: Source, part: Part, name: str) -> None:
        with contextlib.closing(source.open(part.name)) as data:
            self._files.write_atomically(self._path(name), pieces(data.read, 0, part.size))
        self.segments += 1
        self.bytes += part.size
        self._replaced = min(self._replaced, first_of(part.name) or 1)

    def _extend(self, source: Source, part: Part, have: int) -> None:
        with contextlib.closing(source.open(part.name)) as data, contextlib.closing(self._files.open_append(self._path(part.name))) as copy:
            for piece in pieces(data.read, have, part.size):
                copy.write(piece)
            copy.sync()
        self.segments += 1
        self.bytes += part.size - have

    def _kept(self, source: Source, part: Part) -> int | None:
        """How many bytes of a segment that is there stay; None if it is to be replaced. Raises ObjectNotInPrerequisiteState."""
        known, stamp = self._known.get(part.name, [0, 0])
        with contextlib.closing(source.open(part.name)) as data, contextlib.closing(self._files.open_append(self._path(part.name))) as copy:
            have = copy.size()
            if have == known == part.size and stamp == part.stamp:
                return have
            if have > known:
                have = self._beyond(part, data, copy, known, have)
            if have < known or have > part.size or not same_bytes(data.read, copy.read, 0, have):
                self._check_history(part, data, copy, min(have, known))
                return None
            return have

    def _beyond(self, part: Part, data: Bytes, copy: Any, known: int, have: int) -> int:
        """What to make of bytes that no finished run has copied: those of an interrupted one are kept or cut off; the size that is left."""
        if have <= part.size and same_bytes(data.read, copy.read, known, have):
            return have
        if next(self._records(copy, max(known, HEADER_SIZE), have), None) is None:
            copy.truncate(known)
            copy.sync()
            return known
        mine = self._records(data, HEADER_SIZE, part.size)
        if any(header != next(mine, None) for header in self._records(copy, HEADER_SIZE, have)):
            raise ObjectNotInPrerequisiteState(
                f"the backup at {self._target!r} has transactions of its own: {part.name} goes on differently from offset {known}",
                hint="Somebody has written to the backup. Make another one, at another path.",
            )
        return have  # bodies were replaced since the interrupted run

    def _records(self, data: Bytes, begin: int, end: int) -> Iterator[bytes]:
        """The headers of whole records between two offsets of a segment."""
        try:
            for item in items(data, begin, end, zlib.crc32(self._log.log_id)):  # type: ignore[arg-type]
                if isinstance(item, Raw):
                    yield item.header
        except Broken:
            return

    def _check_history(self, part: Part, data: Bytes, copy: Any, have: int) -> None:
        """Raise ObjectNotInPrerequisiteState where the copy has a transaction that the log does not have. Bodies may differ."""
        mine = self._records(data, HEADER_SIZE, part.size)
        for number, header in enumerate(self._records(copy, HEADER_SIZE, have), first_of(part.name) or 1):
            if next(mine, None) != header:
                raise ObjectNotInPrerequisiteState(
                    f"the backup at {self._target!r} is of another history: transaction {number} is not the one of the database",
                    hint="If that is as it should be, make another backup at another path.",
                )

    def _copy_side_file(self, name: str) -> None:
        assert isinstance(self._log, DirectoryLog)
        mine, theirs = os.path.join(self._log.path, name), self._path(name)
        if self._files.exists(theirs) and self._files.read(mine) == self._files.read(theirs):
            return
        self.bytes += copy_file(self._files, mine, theirs)

    def _copy_snapshots(self, names: list[str]) -> dict[str, list[int]]:
        if self._source is None:
            return {}
        copied: dict[str, list[int]] = {}
        files, here = self._files, os.path.join(self._source, SNAPSHOTS)
        there = os.path.join(self._target, SNAPSHOTS)
        if names:
            files.make_directory(there)
        for name in names:
            mine, theirs = os.path.join(here, name), os.path.join(there, name)
            stamp = [files.size(mine), files.stamp(mine)]
            if self._manifest["snapshots"].get(name) != stamp or not files.exists(theirs):
                self.bytes += copy_file(files, mine, theirs)
            copied[name] = stamp
        return copied

    def _remove_old(self, parts: set[str], snapshots: set[str]) -> None:
        """What the database no longer has (segments that retention gave up, snapshots that newer ones replaced), and what interrupted runs
        have left of files."""
        files, last = self._files, max(parts)
        left = {aside.name for aside in asides(files, self._log_path)}
        for name in files.list(self._log_path):
            if name in left or name.endswith(TEMPORARY) or (first_of(name) is not None and name not in parts and name < last):
                files.remove(self._path(name))
        there = os.path.join(self._target, SNAPSHOTS)
        for name in SnapshotStore(there, files).remains():
            if name not in snapshots:
                files.remove(os.path.join(there, name))
        for folder in (self._log_path, there):
            if files.exists(folder):
                files.sync_directory(folder)

    def _read_back(self, number: int) -> str:
        """Read what was copied, hash by hash: from where the last run ended, or from the first segment that was replaced; the hash of the
        last transaction. Raises DataCorrupted."""
        lock = os.path.join(self._target, LOCK)
        copied = DirectoryLog(self._log_path, self._files, read_only=True, lock_path=lock)
        try:
            after = max(min(self._manifest["transaction"], self._replaced - 1, number), copied.first - 1)
            last = None
            for record in copied.read(after, number):
                last = record
            if copied.head != number or copied.head_hash != self._hash_at(number) or (last is not None and last.hash != copied.head_hash):
                raise DataCorrupted(f"the backup at {self._target!r} does not hold what was copied to it")
            return copied.head_hash.hex()
        finally:
            copied.close()

    def _hash_at(self, number: int) -> bytes:
        if number == 0:
            return chain.genesis(self._log.log_id)
        if number < self._log.first:
            return self._log.head_hash
        return chain.header_hash(next(iter(self._log.headers(number - 1, number))))


def _are_files(value: Any) -> bool:
    """Whether a value of the manifest gives each file its size and its stamp."""
    return isinstance(value, dict) and all(
        isinstance(pair, list) and len(pair) == 2 and all(type(number) is int for number in pair) for pair in value.values()
    )


def _memory(log: EventLog) -> MemoryLog:
    assert isinstance(log, MemoryLog)
    return log
