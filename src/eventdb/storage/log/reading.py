"""Reading the records of a directory log in order, each checked: checksum, number, hash chain, hash of the body."""

from __future__ import annotations

from collections.abc import Iterator

from eventdb.errors import DataCorrupted
from eventdb.storage.files import ReadFile
from eventdb.storage.log import chain, segment
from eventdb.storage.log.base import Record
from eventdb.storage.log.compression import decompress
from eventdb.storage.log.segment import COMPRESSED, HEADER_SIZE, Broken, End, Raw, SegmentHeader, items
from eventdb.storage.log.tail import linked_header, place


def open_header(file: ReadFile) -> SegmentHeader:
    """The header of an open segment; its number must be that of the file's name."""
    header = segment.read_header(file.read(0, HEADER_SIZE), file.path)
    name = file.path.replace("\\", "/").rpartition("/")[2]
    if segment.first_of(name) != header.first:
        raise DataCorrupted(f"the log is damaged: segment {name} says that it begins with transaction {header.first}")
    if header.first == 1 and header.previous != chain.genesis(header.log_id):
        raise DataCorrupted(f"the log is damaged: segment {name} does not begin with the hash that its log_id asks for")
    return header


def read_segment(
    file: ReadFile, name: str, seed: int, after: int, until: int, start: tuple[int, int] | None, previous: bytes
) -> Iterator[Record]:
    """The records after < number <= until of one segment.

    `start`: (number, offset) of a known record at or before number `after`, or None for the beginning of the segment; `previous`: the hash
    before the segment's first record. Raises DataCorrupted, also where the segment ends too soon.
    """
    number, offset = start or (segment.first_of(name) or 1, HEADER_SIZE)
    skipped = max(after - number + 1, 0)
    skipping = skipped
    try:
        for item in items(file, offset, file.size(), seed, skipped):
            if isinstance(item, End):
                break
            if skipping:
                skipping -= 1
                number += 1
                if not skipping:
                    previous = chain.header_hash(item.header)
                continue
            record = _record(item, number, previous, name)
            previous = record.hash
            yield record
            number += 1
            if number > until:
                return
        offset = file.size()
    except Broken as failure:
        raise DataCorrupted(f"the log is damaged: {failure.reason}: {place(name, failure.offset, number)}") from failure
    if number <= until:
        raise DataCorrupted(f"the log is damaged: the segment ends too soon: {place(name, offset, number)}")


def _record(raw: Raw, number: int, previous: bytes, name: str) -> Record:
    header = linked_header(raw, number, previous, name)
    try:
        body = decompress(raw.body) if raw.flags & COMPRESSED else raw.body
    except DataCorrupted as failure:
        raise DataCorrupted(f"the log is damaged: {failure.message}: {place(name, raw.offset, number)}") from failure
    if chain.body_hash(body) != header.body:
        raise DataCorrupted(f"the log is damaged: the body has not the hash that its header names: {place(name, raw.offset, number)}")
    return Record(header, chain.header_hash(raw.header), body)
