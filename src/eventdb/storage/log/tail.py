"""Where a log ends: following the chain record by record, and judging what cannot be read there.

A *torn tail* is what a crash leaves of records that nobody was told are stored: it is cut off. Anything else that cannot be read is damage:
it is named and nothing is changed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from eventdb.errors import DataCorrupted, FormatVersionError
from eventdb.model.transaction import Header
from eventdb.storage.files import ReadFile
from eventdb.storage.log import chain
from eventdb.storage.log.base import LogReplaced
from eventdb.storage.log.segment import (
    FULL,
    HEADER_SIZE,
    LAST_BYTES,
    Broken,
    End,
    Raw,
    SegmentHeader,
    first_of,
    later_items,
    record_header,
    unknown_flags,
)


class Position(NamedTuple):
    """A known place in a log, to be kept with a snapshot: a transaction, the hash of its header, and where it stands.

    `offset` is that of its record in the file `segment`; 0 where the segment begins only after it. `number` 0 is an empty log.
    """

    number: int
    hash: bytes
    segment: str
    offset: int


class Torn(NamedTuple):
    """A torn tail that was found at open: `bytes` from `offset` of `segment` on, where transaction `number` would stand.

    `cut` is False where the log was opened read-only and they were only left out.
    """

    segment: str
    offset: int
    number: int
    bytes: int
    reason: str
    cut: bool


class Tail(NamedTuple):
    """The end of what is known of the last segment.

    `number`, `hash` and `time` of the last transaction; `synced`: the last one known to be on the disk; `start`: offset of the last
    one's record (0: in an earlier segment); `offset`: where the next item goes; `last`: the bytes before it, and a zero; `ended`: an end
    mark stands before `offset`.
    """

    number: int
    hash: bytes
    time: int
    synced: int
    start: int
    offset: int
    last: bytes
    ended: bool = False

    def ends(self, file: ReadFile) -> bool:
        """Whether the log still ends here: with the file, or with free room. (One system call: it is asked before every transaction.)"""
        found = file.peek(self.offset - LAST_BYTES, LAST_BYTES + 1)
        return len(found) >= LAST_BYTES and self.last.startswith(found) and not self.ended


def start_tail(file: ReadFile, header: SegmentHeader) -> Tail:
    """The tail right behind the header of an open segment."""
    number = header.first - 1
    return Tail(number, header.previous, header.time, number, 0, HEADER_SIZE, _before(file, HEADER_SIZE))


def _before(file: ReadFile, offset: int) -> bytes:
    return file.read(offset - LAST_BYTES, LAST_BYTES) + b"\0"


def as_position(known: Sequence[object]) -> Position:
    """A position that was kept elsewhere, its form checked. Raises LogReplaced."""
    match list(known):
        case [int(number), bytes(digest), str(name), int(offset)] if number >= 0 and offset >= 0 and first_of(name) is not None:
            return Position(number, digest, name, offset)
    raise LogReplaced(f"{known!r} is no position in a log")


def tail_at(file: ReadFile, header: SegmentHeader, known: Position) -> Tail | None:
    """The tail right behind a known position in an open segment; None if the segment does not have it."""
    if known.offset == 0:
        if (header.first - 1, header.previous) != (known.number, known.hash):
            return None
        return start_tail(file, header)
    try:
        size, data = record_header(file, known.offset)
        if chain.header_hash(data) != known.hash or known.offset + size > file.size():
            return None
        found = chain.decode_header(data)
    except (Broken, DataCorrupted):
        return None
    end = known.offset + size
    return Tail(known.number, known.hash, found.time, known.number, known.offset, end, _before(file, end))


def place(segment: str, offset: int, number: int) -> str:
    """The words for a place in the log."""
    return f"segment {segment}, offset {offset}, transaction {number}"


def linked_header(raw: Raw, number: int, previous: bytes, segment: str) -> Header:
    """The header of a record that must be transaction `number` after the one with the hash `previous`. Raises DataCorrupted."""
    where = place(segment, raw.offset, number)
    if unknown_flags(raw):
        raise FormatVersionError(f"a record with the flags {raw.flags} was written by a newer eventdb: {where}")
    try:
        header = chain.decode_header(raw.header)
    except DataCorrupted as failure:
        raise DataCorrupted(f"the log is damaged: {failure.message}: {where}") from failure
    if header.number != number:
        raise DataCorrupted(f"the log is damaged: transaction {header.number} stands in the place of another: {where}")
    if header.previous != previous:
        raise DataCorrupted(f"the log is damaged: the record does not continue the hash chain: {where}")
    return header


def followed(tail: Tail, item: Raw | End, segment: str) -> Tail:
    """The tail with one more item. Raises DataCorrupted where it does not continue the chain."""
    if tail.ended:
        raise DataCorrupted(f"the log is damaged: bytes after the end of the segment: {place(segment, item.offset, tail.number + 1)}")
    if isinstance(item, End):
        if item.next != tail.number + 1:
            where = place(segment, item.offset, tail.number + 1)
            raise DataCorrupted(f"the log is damaged: the segment ends before transaction {item.next}: {where}")
        return tail._replace(offset=item.offset + item.size, last=item.last + b"\0", ended=True, synced=tail.number)
    number = tail.number + 1
    header = linked_header(item, number, tail.hash, segment)
    synced = number if item.flags & FULL else max(tail.synced, item.synced)
    return Tail(number, chain.header_hash(item.header), header.time, synced, item.offset, item.offset + item.size, item.last + b"\0")


def is_torn(file: ReadFile, offset: int, end: int, number: int, seed: int) -> bool:
    """Whether what stands at `offset`, where transaction `number` cannot be read, never reached the disk whole.

    So it is if no record after it can be read, or none of them was written at a time when `number` was known to be on the disk.
    """
    for item in later_items(file.read(offset, end - offset), offset, seed):
        if isinstance(item, End):
            if item.next > number:
                return False
        elif item.synced >= number:
            return False
    return True


def position_in(tail: Tail, segment: str) -> Position:
    return Position(tail.number, tail.hash, segment, tail.start)


class Marks:
    """Offsets of some records of one segment, so that a reader needs not start at its beginning."""

    EVERY = 64

    def __init__(self) -> None:
        self._known: list[tuple[int, int]] = []

    def note(self, number: int, offset: int) -> None:
        """Remember a record if it lies far enough behind the last one remembered."""
        known = self._known
        if not known or number >= known[-1][0] + self.EVERY:
            known.append((number, offset))

    def add(self, passed: Sequence[tuple[int, int]]) -> None:
        """Remember records that a reader passed, ascending, in its own thread: the list is replaced, so others never see one in disorder.
        What one of two adds that meet loses is found again."""
        known: list[tuple[int, int]] = []
        for mark in sorted({*self._known, *passed}):
            if not known or mark[0] >= known[-1][0] + self.EVERY:
                known.append(mark)
        self._known = known

    def before(self, number: int) -> tuple[int, int] | None:
        """(number, offset) of the last remembered record at or before `number`."""
        known = self._known
        at = bisect_right(known, (number + 1,)) - 1
        return known[at] if at >= 0 else None
