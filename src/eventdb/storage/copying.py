"""What backup, restore, export and import have in common: copies in pieces, directories that appear whole, segments made from records."""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from eventdb.errors import CannotConnect, DataCorrupted, Error, SnapshotTooOld
from eventdb.storage.files import Files, Lock
from eventdb.storage.log import horizon
from eventdb.storage.log.base import EventLog, Record
from eventdb.storage.log.chain import header_hash
from eventdb.storage.log.compression import compress
from eventdb.storage.log.directory import SEGMENT_BYTES
from eventdb.storage.log.receipts import Redactions
from eventdb.storage.log.segment import COMPRESSED, FULL, RECEIPTS, REDACTED, SegmentHeader, encode_end, encode_record, name_of
from eventdb.storage.recovery import LOCK, LOG, SNAPSHOTS
from eventdb.storage.snapshot import SUFFIX, SnapshotStore

PARTIAL = ".partial"
"""The suffix of a directory that is being made; one that is left over means nothing, and is removed by the next who makes it."""
PIECE = 1 << 20
"""So many bytes are copied at a time."""
_TRIES = 10
Read = Callable[[int, int], bytes]
_T = TypeVar("_T")


def pieces(read: Read, begin: int, end: int) -> Iterator[bytes]:
    """The bytes from `begin` to `end`, in pieces. Raises DataCorrupted where there are fewer."""
    while begin < end:
        data = read(begin, min(PIECE, end - begin))
        if not data:
            raise DataCorrupted(f"a file that is being copied ends at {begin}, before {end}: it has changed meanwhile")
        yield data
        begin += len(data)


def copy_file(files: Files, source: str, target: str) -> int:
    """Copy a file that no longer changes, whole or not at all; its size."""
    with contextlib.closing(files.open_read(source)) as file:
        size = file.size()
        files.write_atomically(target, pieces(file.read, 0, size))
    return size


def same_bytes(one: Read, other: Read, begin: int, end: int) -> bool:
    """Whether two files hold the same from `begin` to `end`."""
    return all(one(at, min(PIECE, end - at)) == other(at, min(PIECE, end - at)) for at in range(begin, end, PIECE))


@contextlib.contextmanager
def new_directory(files: Files, target: str, source: str | None = None) -> Iterator[str]:
    """A directory to be filled under another name, which gets its own when the block ends: after a crash it is there whole or not at all.

    Raises CannotConnect where something is there already (an empty directory is not), or it would lie in the database `source`, and
    LockNotAvailable where another process is making it.
    """
    target = os.path.realpath(target)
    there = files.exists(target)
    if there and (not files.is_directory(target) or files.list(target)):
        raise CannotConnect(f"{target!r} is there already, and is not overwritten")
    if source is not None:
        check_outside(source, target)
    if there:
        files.remove_directory(target)
    partial = target + PARTIAL
    lock = _begin(files, partial)
    try:
        yield partial
        files.sync_directory(partial)
        lock.release()
        files.rename(partial, target)
    except BaseException:
        lock.release()
        with contextlib.suppress(Error):
            remove_tree(files, partial)
        raise
    files.sync_directory(os.path.dirname(target))


def _begin(files: Files, partial: str) -> Lock:
    """Make the directory, anew where one is left over; the lock on it, which tells others that somebody is at work."""
    lock = os.path.join(partial, LOCK)
    if files.exists(partial):
        files.lock(lock, 0).release()
        remove_tree(files, partial)
    files.make_directory(partial)
    return files.lock(lock, 0)


def remove_tree(files: Files, path: str) -> None:
    """Remove a directory with all that is in it, as far as it is there: another process may be removing it too."""
    if files.is_directory(path):
        for name in _unless_gone(files, path, files.list) or ():
            below = os.path.join(path, name)
            if files.is_link(below) or not files.is_directory(below):
                _unless_gone(files, below, files.remove)
            else:
                remove_tree(files, below)
        _unless_gone(files, path, files.remove_directory)


def _unless_gone(files: Files, path: str, act: Callable[[str], _T]) -> _T | None:
    try:
        return act(path)
    except CannotConnect:
        if files.exists(path):
            raise
        return None


def side_files(files: Files, log_path: str) -> list[str]:
    """The names in a log's directory of what belongs to the log beside its segments."""
    return [horizon.NAME] if files.exists(os.path.join(log_path, horizon.NAME)) else []


def check_outside(database: str, target: str) -> None:
    """Raises CannotConnect for a target that is a database, or lies in its directory."""
    inside, path = os.path.realpath(database), os.path.realpath(target)
    if path == inside or path.startswith(inside + os.sep):
        raise CannotConnect(f"{target!r} is the database itself, or lies in its directory")


def snapshot_files(files: Files, path: str, log: EventLog, until: int) -> list[str]:
    """The snapshot files of the database at `path`, whose log is `log`, of transactions up to `until`, oldest first (a file refers to older
    ones only). Those from before values were erased, as far as the log was followed, are not among them."""
    names = SnapshotStore(os.path.join(path, SNAPSHOTS), files).names()
    return [name for name in names if log.rewritten <= int(name.removesuffix(SUFFIX)) <= until]


def copy_snapshots(files: Files, source: str, target: str, log: EventLog, until: int) -> None:
    """Copy the snapshots of `source`, whose log is `log`, up to transaction `until` into a new database with a copy of that log.

    They are wanted for quick opening alone, unless the log begins above transaction 1. Raises SnapshotTooOld where one is needed and none
    is old enough.
    """
    folder = os.path.join(target, SNAPSHOTS)
    for _ in range(_TRIES):
        names = snapshot_files(files, source, log, until)
        if names:
            files.make_directory(folder)
        try:
            for name in names:
                copy_file(files, os.path.join(source, SNAPSHOTS, name), os.path.join(folder, name))
            break
        except CannotConnect:  # its owner has removed it meanwhile, and written a newer one
            continue
    if log.first > 1 and SnapshotStore(folder, files).load(log) is None:
        raise SnapshotTooOld(
            f"the log begins at transaction {log.first}, and no snapshot holds what was before transaction {until}",
            hint="Only what a snapshot reaches back to can be restored.",
        )


def read_whole(log: EventLog) -> int | None:
    """Read all of a log that was copied, hash by hash, and each replaced body against its newest receipt; the last commit time.

    Raises DataCorrupted, also where the copy is of an incomplete backup: after an erasure, with bodies from before it.
    """
    redactions, time = Redactions(log.first - 1), None
    for record in log.read(log.first - 1):
        redactions.follow(record)
        time = record.header.time
    return time


# segments from records


Stored = tuple[int, bytes, bytes, int, bool]
"""Commit time, header bytes, body, and as in `Record`: which transaction replaced the body, whether it replaced others."""


def stored(record: Record, header: bytes, last: int) -> Stored:
    """A record for a copy that ends at transaction `last`. Raises SnapshotTooOld where its receipt would not be in that."""
    check_receipt(record, last)
    return record.header.time, header, record.body, record.redacted_by, record.rewrites


def check_receipt(record: Record, last: int) -> None:
    """Raises SnapshotTooOld where a copy that ends at `last` would hold a replaced body without its receipt."""
    if record.redacted_by > last:
        raise SnapshotTooOld(
            f"transaction {record.redacted_by} took values out of transaction {record.header.number}: a copy must reach to there, and "
            f"this one would end at {last}"
        )


def segment_parts(start: SegmentHeader, records: Iterable[Stored], segment_bytes: int = SEGMENT_BYTES) -> Iterator[tuple[str, bytes]]:
    """(segment name, bytes to append to it) of a log that begins with `start` and holds `records`.

    The records stand as they would after an append that waited for the disk, so whoever writes them syncs before showing them.
    """
    seed = zlib.crc32(start.log_id)
    name, number, size = name_of(start.first), start.first, 0
    previous, last = start.previous, start.time
    yield name, start.encode()
    for time, header, body, by, rewrites in records:
        if size >= segment_bytes:
            yield name, encode_end(seed, number)
            name, size = name_of(number), 0
            yield name, SegmentHeader(start.log_id, number, previous, last).encode()
        packed = compress(body)
        flags = FULL | (COMPRESSED if packed is not None else 0) | (REDACTED if by else 0) | (RECEIPTS if rewrites else 0)
        data = b"".join(encode_record(seed, flags, by or number - 1, header, body if packed is None else packed))
        yield name, data
        size += len(data)
        previous, last, number = header_hash(header), time, number + 1


def write_segments(files: Files, log_path: str, parts: Iterable[tuple[str, bytes]]) -> None:
    """Write such segments into a directory that nobody reads yet, all of them synced."""
    files.make_directory(log_path)
    name, file = "", None
    gathered: list[bytes] = []
    size = 0
    for part, data in parts:
        if part != name or size >= PIECE:
            if file is not None:
                file.write(b"".join(gathered))
            gathered, size = [], 0
        if part != name:
            if file is not None:
                file.sync()
                file.close()
            name, file = part, files.open_append(os.path.join(log_path, part))
        gathered.append(data)
        size += len(data)
    if file is not None:
        file.write(b"".join(gathered))
        file.sync()
        file.close()
    files.sync_directory(log_path)


def log_path_of(path: str) -> str:
    return os.path.join(path, LOG)
