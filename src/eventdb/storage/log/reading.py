"""Reading the records of a directory log in order, each checked: checksum, number, hash chain, hash of the body."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator, MutableMapping
from typing import NamedTuple, TypeVar
from zlib import crc32

from eventdb.errors import CannotConnect, DataCorrupted, SnapshotTooOld
from eventdb.storage.files import Files, ReadFile
from eventdb.storage.log import chain, segment
from eventdb.storage.log.base import LogReplaced, Record
from eventdb.storage.log.compression import decompress
from eventdb.storage.log.segment import COMPRESSED, HEADER_SIZE, RECEIPTS, REDACTED, Broken, End, Raw, SegmentHeader, items
from eventdb.storage.log.tail import Marks, Tail, linked_header, place

LookUp = Callable[[int, int], bytes | None]
"""(transaction, another one) → the hash of the body that the first gave to the second, None where it has no such receipt."""


def open_header(file: ReadFile) -> SegmentHeader:
    """The header of an open segment; its number must be that of the file's name."""
    header = segment.read_header(file.read(0, HEADER_SIZE), file.path)
    name = file.path.replace("\\", "/").rpartition("/")[2]
    if segment.first_of(name) != header.first:
        raise DataCorrupted(f"the log is damaged: segment {name} says that it begins with transaction {header.first}")
    if header.first == 1 and header.previous != chain.genesis(header.log_id):
        raise DataCorrupted(f"the log is damaged: segment {name} does not begin with the hash that its log_id asks for")
    return header


def first_header() -> SegmentHeader:
    """The header of the first segment of a new log."""
    log_id = os.urandom(16)
    return SegmentHeader(log_id, 1, chain.genesis(log_id), 0)


def check_link(header: SegmentHeader, log_id: bytes, first: int, previous: bytes) -> None:
    """Raises DataCorrupted where a segment does not continue the one before it, whose last hash is `previous`."""
    if (header.log_id, header.first, header.previous) != (log_id, first, previous):
        raise DataCorrupted(f"the log is damaged: the segment does not continue the one before: {place(segment.name_of(first), 0, first)}")


def segments(files: Files, path: str) -> list[int]:
    """The first numbers of the segments in a directory, ascending."""
    return [first for name in files.list(path) if (first := segment.first_of(name)) is not None]


class RawHeader(NamedTuple):
    """The bytes of a header and their hash."""

    hash: bytes
    data: bytes


Item = TypeVar("Item", Record, RawHeader)
Convert = Callable[[Raw, int, bytes, str], Item]
"""From a record as stored, the number and previous hash that it must have, and its segment's name, to what is read of it."""
_UNCHECKED = 1 << 62


def read_range(
    files: Files, path: str, log_id: bytes, after: int, until: int, tail: Tail, marks: MutableMapping[str, Marks], convert: Convert[Item]
) -> Iterator[Item]:
    """The records after < number <= until of the log at `path`, known up to `tail`, as `checked` or `raw_header` makes them. Where some of
    those that it passes stand is added to `marks`.

    Raises DataCorrupted, SnapshotTooOld (they are no longer there), LogReplaced.
    """
    if after >= until:
        return
    firsts = segments(files, path)
    if not firsts or firsts[0] > after + 1:
        raise SnapshotTooOld(f"transaction {after + 1} is no longer in the log")
    firsts = [first for first in firsts if first <= until]
    begin = max(at for at, first in enumerate(firsts) if first <= after + 1)
    previous: bytes | None = None
    number = after
    seed = crc32(log_id)
    for first, following in itertools.zip_longest(firsts[begin:], firsts[begin + 1 :], fillvalue=until + 1):
        name = segment.name_of(first)
        with contextlib.closing(_open(files, path, name)) as file:
            header = open_header(file)
            check_link(header, log_id, first, header.previous if previous is None else previous)
            known = marks.setdefault(name, Marks())
            for record in read_segment(file, name, seed, after, following - 1, known, header.previous, convert):
                previous = record.hash
                number += 1
                if number == tail.number and previous != tail.hash:
                    raise LogReplaced(f"the log at {path!r} has another transaction {tail.number} than it had when it was opened")
                yield record


def _open(files: Files, path: str, name: str) -> ReadFile:
    try:
        return files.open_read(os.path.join(path, name))
    except CannotConnect as failure:
        raise SnapshotTooOld(f"segment {name} was given up while it was being read: {failure.message}") from failure


def read_segment(
    file: ReadFile, name: str, seed: int, after: int, until: int, marks: Marks, previous: bytes, convert: Convert[Item]
) -> Iterator[Item]:
    """The records after < number <= until of one segment. Checksums are left out where only headers are read: the chain holds those.

    `marks`: where records of the segment stand; `previous`: the hash before its first one. Raises DataCorrupted, also where the segment
    ends too soon.
    """
    start = marks.before(after)
    if start is not None and not _leads_to(file, start):
        start = None  # the segment was replaced by another process since
    number, offset = start or (segment.first_of(name) or 1, HEADER_SIZE)
    skipped = max(after - number + 1, 0)
    skipping = skipped
    passed: list[tuple[int, int]] = []
    marked = number + Marks.EVERY
    try:
        for item in items(file, offset, file.size(), seed, _UNCHECKED if convert is raw_header else skipped):
            if isinstance(item, End):
                break
            if number >= marked:
                passed.append((number, item.offset))
                marked = number + Marks.EVERY
            if skipping:
                skipping -= 1
                number += 1
                if not skipping:
                    previous = chain.header_hash(item.header)
                continue
            record = convert(item, number, previous, name)
            previous = record.hash
            yield record
            number += 1
            if number > until:
                return
        offset = file.size()
    except Broken as failure:
        raise DataCorrupted(f"the log is damaged: {failure.reason}: {place(name, failure.offset, number)}") from failure
    finally:
        if passed:
            marks.add(passed)
    if number <= until:
        raise DataCorrupted(f"the log is damaged: the segment ends too soon: {place(name, offset, number)}")


def raw_header(raw: Raw, number: int, previous: bytes, name: str) -> RawHeader:
    """The header alone. Raises DataCorrupted."""
    if not chain.continues(raw.header, number, previous):
        linked_header(raw, number, previous, name)
    return RawHeader(chain.header_hash(raw.header), raw.header)


def _leads_to(file: ReadFile, mark: tuple[int, int]) -> bool:
    """Whether the record that is said to stand somewhere does."""
    number, offset = mark
    try:
        return chain.decode_header(segment.record_header(file, offset)[1]).number == number
    except (Broken, DataCorrupted):
        return False


def checked(raw: Raw, number: int, previous: bytes, name: str, look_up: LookUp) -> Record:
    """The record of transaction `number`, held against the chain and against the hash of its body: the header's, or that of its receipt.

    Raises DataCorrupted.
    """
    header = linked_header(raw, number, previous, name)
    try:
        body = decompress(raw.body) if raw.flags & COMPRESSED else raw.body
    except DataCorrupted as failure:
        raise DataCorrupted(f"the log is damaged: {failure.message}: {place(name, raw.offset, number)}") from failure
    digest = chain.body_hash(body)
    if raw.flags & (REDACTED | RECEIPTS):
        by = raw.synced if raw.flags & REDACTED else 0
        if (look_up(by, number) if by else header.body) != digest:
            named = f"the receipt in transaction {by}" if by else "its header"
            raise DataCorrupted(f"the log is damaged: the body has not the hash that {named} names: {place(name, raw.offset, number)}")
        return Record(header, chain.header_hash(raw.header), body, by, bool(raw.flags & RECEIPTS))
    if digest != header.body:
        raise DataCorrupted(f"the log is damaged: the body has not the hash that its header names: {place(name, raw.offset, number)}")
    return Record(header, chain.header_hash(raw.header), body)
