"""The bytes of a segment file: a CBOR sequence (RFC 8742) of one segment header, any number of records, and an end mark once it is full.

    segment header   [ "eventdb log", version, log_id, first, previous, time, checksum ]
    record           [ checksum, flags, synced, header, body ]
    end mark         [ checksum, next ]

Every item is plain CBOR, written with fixed widths (an integer always takes eight bytes, a length four), so that its places are known
without a decoder. Checksums are CRC-32 over the log_id and the rest of the item: a record of another log, stored as a value inside a
body, is not mistaken for one of this log. docs/format.md says it byte by byte.

A record's `synced` is the last transaction known to be on the disk when the record was written. It tells a torn tail from damage: where
transaction n cannot be read but later ones can, n was lost by the disk if one of them says it was synced (damage), and else never
reached it (records appended together, whose pages the disk wrote out of order).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from eventdb.errors import CannotConnect, DataCorrupted, FormatVersionError
from eventdb.storage.files import ReadFile

VERSION = 1
COMPRESSED = 1
"""Flag: the body is a zlib stream (RFC 1950)."""
FULL = 2
"""Flag: the append did not return before the record was on the disk."""
REDACTED = 4
"""Flag: the body was replaced; `synced` is the number of the transaction that has the receipt."""
RECEIPTS = 8
"""Flag: the body carries receipts for bodies that were replaced."""
_KNOWN_FLAGS = COMPRESSED | FULL | REDACTED | RECEIPTS

_MAGIC = b"\x6beventdb log"
_START = b"\x87" + _MAGIC
_HEADER = Struct(">1s12sB1s16s1sQ2s32s1sQ1sI")
_RECORD = Struct(">2sIB1sQ1sI")
_FRONT = Struct(">B1sQ1sI")  # a record's start behind the checksum
_BODY = Struct(">1sI")
_END = Struct(">2sI1sQ")
HEADER_SIZE = _HEADER.size
_FIXED_SIZE = _RECORD.size + _BODY.size
_RECORD_START = b"\x85\x1a"
_END_START = b"\x82\x1a"
_WINDOW_BYTES = 1 << 18
BODY_LIMIT = (1 << 32) - 1
LAST_BYTES = 8
"""So many bytes before the place where a log ends tell whether it still ends there."""

_NAME = re.compile(r"(\d{20})\.cbor")


def name_of(first: int) -> str:
    """The file name of the segment that begins with transaction `first`."""
    return f"{first:020d}.cbor"


def first_of(name: str) -> int | None:
    """The number in a segment's file name; None for any other name."""
    match = _NAME.fullmatch(name)
    return int(match[1]) if match else None


class SegmentHeader(NamedTuple):
    """What a segment begins with: `previous` and `time` are hash and commit time of transaction first - 1."""

    log_id: bytes
    first: int
    previous: bytes
    time: int

    def encode(self) -> bytes:
        data = _HEADER.pack(
            b"\x87", _MAGIC, VERSION, b"\x50", self.log_id, b"\x1b", self.first, b"\x58\x20", self.previous, b"\x1b", self.time, b"\x1a", 0
        )[:-4]
        return data + zlib.crc32(data).to_bytes(4, "big")


def read_header(data: bytes, path: str) -> SegmentHeader:
    """The segment header at the start of `data` (HEADER_SIZE bytes). Raises CannotConnect, FormatVersionError, DataCorrupted."""
    if data[1:13] != _MAGIC:
        raise CannotConnect(f"{path!r} is not a log of eventdb: it does not begin as a segment does")
    version = data[13]
    if version != VERSION:
        raise FormatVersionError(f"{path!r} has the log format {version}; this version of eventdb reads format {VERSION}")
    if zlib.crc32(data[: HEADER_SIZE - 4]).to_bytes(4, "big") != data[HEADER_SIZE - 4 : HEADER_SIZE]:
        raise DataCorrupted(f"the header of segment {path!r} is damaged (offset 0)")
    fields = _HEADER.unpack_from(data)
    return SegmentHeader(fields[4], fields[6], fields[8], fields[10])


def is_unfinished(data: bytes) -> bool:
    """Whether `data`, all there is of a segment, is what a crash can leave of its header."""
    return len(data) < HEADER_SIZE and (data == _START[: len(data)] or data[: len(_START)] == _START or not data.strip(b"\0"))


class Raw(NamedTuple):
    """A record as stored, at `offset`, taking `size` bytes; `body` as stored, compressed where `flags` say so."""

    offset: int
    size: int
    flags: int
    synced: int
    header: bytes
    body: bytes

    @property
    def last(self) -> bytes:
        """Its last LAST_BYTES bytes."""
        return (self.header[-3:] + _BODY.pack(b"\x5a", len(self.body)) + self.body[-LAST_BYTES:])[-LAST_BYTES:]


class End(NamedTuple):
    """The end mark, at `offset`: the next segment begins with transaction `next`."""

    offset: int
    size: int
    next: int

    @property
    def last(self) -> bytes:
        return self.next.to_bytes(LAST_BYTES, "big")


class Broken(Exception):
    """The bytes at `offset` are no item of a segment, for the reason given."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(reason)
        self.offset = offset
        self.reason = reason


def encode_record(seed: int, flags: int, synced: int, header: bytes, body: bytes) -> list[bytes]:
    """The bytes of a record, in parts to be joined; `seed` is the CRC-32 of the log_id."""
    front = _FRONT.pack(flags, b"\x1b", synced, b"\x5a", len(header)) + header + _BODY.pack(b"\x5a", len(body))
    checksum = zlib.crc32(body, zlib.crc32(front, seed))
    return [_RECORD_START, checksum.to_bytes(4, "big"), front, body]


def record_size(header: bytes, body: bytes) -> int:
    """How many bytes the record takes."""
    return _FIXED_SIZE + len(header) + len(body)


def encode_end(seed: int, following: int) -> bytes:
    """The bytes of an end mark."""
    rest = b"\x1b" + following.to_bytes(8, "big")
    return _END_START + zlib.crc32(rest, seed).to_bytes(4, "big") + rest


def parse(data: bytes, at: int, base: int, seed: int, check: bool = True) -> Raw | End | int:
    """The item at `data[at]`, where data[0] is at offset `base` of the segment; an int is how many bytes of it must be there.

    `check=False` leaves out the checksum, for skipping. Raises Broken.
    """
    have = len(data) - at
    start = data[at : at + 2]
    if start == _RECORD_START:
        if have < _FIXED_SIZE:
            return _FIXED_SIZE
        _, checksum, flags, eight, synced, four, header_size = _RECORD.unpack_from(data, at)
        if eight != b"\x1b" or four != b"\x5a":
            raise Broken(base + at, "the bytes have not the form of a record")
        split = at + _RECORD.size + header_size
        if len(data) < split + 5:
            return _FIXED_SIZE + int(header_size)
        four, body_size = _BODY.unpack_from(data, split)
        if four != b"\x5a":
            raise Broken(base + at, "the bytes have not the form of a record")
        size: int = _FIXED_SIZE + header_size + body_size
        if have < size:
            return size
        if check and zlib.crc32(memoryview(data)[at + 6 : at + size], seed) != checksum:
            raise Broken(base + at, "the checksum of the record does not match its bytes")
        return Raw(base + at, size, flags, synced, data[at + _RECORD.size : split], data[split + 5 : at + size])
    if start == _END_START:
        if have < _END.size:
            return _END.size
        _, checksum, eight, following = _END.unpack_from(data, at)
        if eight != b"\x1b" or zlib.crc32(data[at + 6 : at + _END.size], seed) != checksum:
            raise Broken(base + at, "the checksum of the end mark does not match its bytes")
        return End(base + at, _END.size, following)
    if have < 2:
        return 2
    raise Broken(base + at, "the bytes have not the form of a record")


def record_header(file: ReadFile, offset: int) -> tuple[int, bytes]:
    """(size of the record at `offset`, its header bytes), with nothing checked but its form. Raises Broken."""
    data = file.read(offset, _RECORD.size)
    if len(data) < _RECORD.size or data[:2] != _RECORD_START:
        raise Broken(offset, "the bytes have not the form of a record")
    header_size = _RECORD.unpack(data)[-1]
    if offset + _FIXED_SIZE + header_size > file.size():
        raise Broken(offset, "the segment ends inside the record")
    data = file.read(offset + _RECORD.size, header_size + _BODY.size)
    return _FIXED_SIZE + header_size + _BODY.unpack_from(data, header_size)[1], data[:header_size]


def items(file: ReadFile, offset: int, end: int, seed: int, skip: int = 0) -> Iterator[Raw | End]:
    """The items of a segment between two offsets, or up to its free room, in order; the first `skip` without their checksums checked.

    Raises Broken at the first bytes that are none, or that `end` cuts off.
    """
    data, base = b"", offset
    while offset < end:
        if offset - base < len(data) and data[offset - base] == 0 and is_room(file, offset, end):
            return
        item = parse(data, offset - base, base, seed, skip <= 0) if offset - base < len(data) else 2
        if isinstance(item, int):
            if offset + item > end:
                raise Broken(offset, "the segment ends inside the record")
            data, base = file.read(offset, max(item, min(_WINDOW_BYTES, end - offset))), offset
            if len(data) < item:
                raise Broken(offset, "the segment ends inside the record")
            continue
        yield item
        skip -= 1
        offset += item.size


def is_room(file: ReadFile, offset: int, end: int) -> bool:
    """Whether there are only zeros between two offsets: room for what will be appended."""
    while offset < end:
        data = file.read(offset, min(_WINDOW_BYTES, end - offset))
        if data.strip(b"\0"):
            return False
        if not data:
            break
        offset += len(data)
    return True


def later_items(data: bytes, base: int, seed: int) -> Iterator[Raw | End]:
    """Every valid item that begins anywhere in `data` behind its first byte, which stands at offset `base`; for judging what is broken."""
    at = 0
    while (at := _find_start(data, at + 1)) >= 0:
        try:
            item = parse(data, at, base, seed)
        except Broken:
            continue
        if not isinstance(item, int):
            yield item


def _find_start(data: bytes, at: int) -> int:
    found = [place for place in (data.find(_RECORD_START, at), data.find(_END_START, at)) if place >= 0]
    return min(found) if found else -1


def unknown_flags(raw: Raw) -> bool:
    """Whether a newer eventdb wrote the record."""
    return bool(raw.flags & ~_KNOWN_FLAGS)
