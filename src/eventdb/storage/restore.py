"""Restore: a new database from a database or a backup, as it stood at a transaction or a time."""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Callable

from eventdb.errors import CannotConnect, DataCorrupted, Error, InvalidParameterValue, SerializationFailure, SnapshotTooOld
from eventdb.model.record import Record
from eventdb.storage.copying import (
    check_receipt,
    copy_file,
    copy_snapshots,
    log_path_of,
    new_directory,
    pieces,
    read_whole,
    side_files,
)
from eventdb.storage.files import Files, ReadFile
from eventdb.storage.log import chain
from eventdb.storage.log.directory import DirectoryLog
from eventdb.storage.log.reading import segments
from eventdb.storage.log.segment import HEADER_SIZE, End, items, name_of
from eventdb.storage.recovery import LOCK


class Restored(Record):
    """Which database was made, up to which transaction, committed when (microseconds since the epoch; None before the first)."""

    path: str
    transaction: int
    time: int | None


Moment = int | Callable[[DirectoryLog], int] | None


def number_at(log: DirectoryLog, microseconds: int) -> int:
    """The last transaction committed at or before a time. Raises SnapshotTooOld for a time that the log no longer reaches back to."""
    number = log.first - 1
    for data in log.headers(log.first - 1):
        header = chain.decode_header(data)
        if header.time > microseconds:
            break
        number = header.number
    if number < log.first and log.first > 1:
        raise SnapshotTooOld(f"the log begins at transaction {log.first}, which is later than the time that is asked for")
    return number


def restore(source: str, target: str, to: Moment = None, files: Files | None = None) -> Restored:
    """Make the database at `target` from the one at `source` (which may be in use, or a backup), up to a transaction: a number, a function
    that finds it in the log, or None for all. `target` is there whole or not at all.

    Raises CannotConnect (no database there; something is at `target`), InvalidParameterValue (no such transaction), SnapshotTooOld (before
    what the log, or where it was cut the oldest snapshot, reaches back to, or before an erasure), DataCorrupted,
    SerializationFailure (values were erased from the source meanwhile).
    """
    files = files or Files()
    source = os.path.abspath(source)
    path = log_path_of(source)
    if not files.is_directory(path):
        raise CannotConnect(f"there is no database at {source!r}")
    log = DirectoryLog(path, files, read_only=True, lock_path=os.path.join(source, LOCK))
    with contextlib.closing(log):
        number = log.head if to is None else to if isinstance(to, int) else to(log)
        if not 0 <= number <= log.head:
            raise InvalidParameterValue(f"there is no transaction {number}: the database stands at transaction {log.head}")
        if number < log.first - 1:
            raise SnapshotTooOld(f"transaction {number} is no longer in the log, which begins at transaction {log.first}")
        if number < log.head:
            for record in log.read(log.first - 1, number):
                check_receipt(record, number)
        before = log.rewritten
        try:
            with new_directory(files, target, source) as partial:
                time = _fill(files, source, partial, log, number)
                _check_undisturbed(log, before)
        except Error:
            _check_undisturbed(log, before)
            raise
    return Restored(os.path.abspath(target), number, time)


def _check_undisturbed(log: DirectoryLog, before: int) -> None:
    """Raises SerializationFailure where bodies were replaced while they were copied: the copy may be half of before and half of after."""
    log.refresh()
    if log.rewritten != before:
        raise SerializationFailure(f"transaction {log.rewritten} erased values from {log.path!r} while it was copied")


def _fill(files: Files, source: str, partial: str, log: DirectoryLog, number: int) -> int | None:
    """Copy log and snapshots up to transaction `number`, and read the log again; the last commit time."""
    path = log_path_of(partial)
    files.make_directory(path)
    for first in segments(files, log.path):
        if first > number and first > log.first:
            break
        with contextlib.closing(files.open_read(os.path.join(log.path, name_of(first)))) as data:
            end = _end_of(data, log, first, number)
            files.write_atomically(os.path.join(path, name_of(first)), pieces(data.read, 0, end))
    for name in side_files(files, log.path):
        copy_file(files, os.path.join(log.path, name), os.path.join(path, name))
    with contextlib.closing(DirectoryLog(path, files, read_only=True, lock_path=os.path.join(partial, LOCK))) as made:
        time = read_whole(made)
        if (made.head, made.log_id) != (number, log.log_id):
            raise DataCorrupted(f"the copy ends at transaction {made.head} instead of {number}")
        copy_snapshots(files, source, partial, log, number)
    return time


def _end_of(data: ReadFile, log: DirectoryLog, first: int, number: int) -> int:
    """The offset behind transaction `number` in a segment, or behind its end mark where that transaction comes later."""
    _, name, end = log.extent
    size = end if name == name_of(first) else data.size()
    at = HEADER_SIZE
    for place, item in enumerate(items(data, HEADER_SIZE, size, zlib.crc32(log.log_id), 1 << 62), first):
        if (item.next if isinstance(item, End) else place) > number:
            break
        at = item.offset + item.size
    return at
