"""A whole database in one file: every transaction with its number, time, actor and hashes, compressed, and verified when it is read.

The file is a gzip stream (RFC 1952) of a CBOR sequence (RFC 8742) of encoded items (tag 24 on a byte string with a length of 8 bytes):

    ["eventdb export", 1, log id, first, last, hash of transaction first - 1, its commit time]
    ["file", name, bytes]          where the log begins above transaction 1: what holds the state before it (snapshots, `log/horizon.cbor`)
    [header, body]                 of each transaction, as byte strings; the header as it stands in its record
    [header, body, by, receipts]   the same where the body was replaced (by transaction `by`, else 0), or has receipts (true)
    ["end", last, hash of transaction last]
"""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from eventdb.errors import CannotConnect, DataCorrupted, FormatVersionError, NotSupportedError
from eventdb.model.record import Record
from eventdb.storage import codec
from eventdb.storage.copying import (
    PIECE,
    Stored,
    check_outside,
    check_receipt,
    log_path_of,
    new_directory,
    read_whole,
    segment_parts,
    side_files,
    snapshot_files,
    write_segments,
)
from eventdb.storage.files import Files, ReadFile
from eventdb.storage.log import chain
from eventdb.storage.log.base import EventLog
from eventdb.storage.log.directory import DirectoryLog
from eventdb.storage.log.segment import SegmentHeader
from eventdb.storage.recovery import LOCK, LOG, SNAPSHOTS

MAGIC = "eventdb export"
VERSION = 1
_GZIP = 31  # zlib's name for a window of 32 KiB in a gzip stream
_LEVEL = 6
_FRAME = b"\xd8\x18\x5b"


class Transferred(Record):
    """What was exported or imported: a file or a database, its last transaction, how many there are, and bytes of the file."""

    path: str
    transaction: int
    transactions: int
    bytes: int


def export_file(
    log: EventLog, time_of: Callable[[int], int | None], source: str | None, path: str, files: Files | None = None
) -> Transferred:
    """Write the log of the database at `source` (None: in memory) to a file, which is there whole or not at all; an older one is replaced.

    Raises CannotConnect, DiskFull, IOFailure, DataCorrupted.
    """
    files = files or Files()
    path = os.path.abspath(path)
    if source is not None:
        check_outside(source, path)
    last = log.refresh()
    written = 0

    def counted() -> Iterator[bytes]:
        nonlocal written
        for data in _compressed(_items(log, time_of, source, last, files)):
            written += len(data)
            yield data

    files.write_for_all(path, counted())
    return Transferred(path, last, last - log.first + 1, written)


def _items(log: EventLog, time_of: Callable[[int], int | None], source: str | None, last: int, files: Files) -> Iterator[bytes]:
    first = log.first
    headers = log.headers(first - 1, last)
    ahead = next(headers, None)
    if ahead is None:
        previous = log.head_hash
    else:
        previous = chain.decode_header(ahead).previous
    yield _framed([MAGIC, VERSION, log.log_id, first, last, previous, time_of(first - 1) or 0])
    if first > 1:
        if source is None:
            raise NotSupportedError("a database in memory whose beginning was given up cannot be exported")
        for name in [f"{LOG}/{name}" for name in side_files(files, log_path_of(source))] + [
            f"{SNAPSHOTS}/{name}" for name in snapshot_files(files, source, log, last)
        ]:
            yield _framed(["file", name, files.read(os.path.join(source, *name.split("/")))])
    hashed = previous
    headers = log.headers(first - 1, last)
    for header, record in zip(headers, log.read(first - 1, last), strict=True):
        hashed = record.hash
        check_receipt(record, last)
        more = [record.redacted_by, record.rewrites] if record.redacted_by or record.rewrites else []
        yield _framed([header, record.body, *more])
    yield _framed(["end", last, hashed])


def _framed(item: list[Any]) -> bytes:
    data = codec.dumps(item)
    return _FRAME + len(data).to_bytes(8, "big") + data


def _compressed(items: Iterator[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    gathered: list[bytes] = []
    size = 0
    for item in items:
        gathered.append(item)
        size += len(item)
        if size >= PIECE:
            yield packer.compress(b"".join(gathered))
            gathered, size = [], 0
    yield packer.compress(b"".join(gathered)) + packer.flush()


# reading


class _Reader:
    """The items of an export, one after the other."""

    def __init__(self, file: ReadFile) -> None:
        self._file = file
        self._at = 0
        self._unpacker = zlib.decompressobj(_GZIP)
        self._ready = b""
        """A piece of what is compressed; what comes before `_place` was read already."""
        self._place = 0

    def damaged(self, why: str) -> DataCorrupted:
        return DataCorrupted(f"the export {self._file.path!r} is damaged: {why}")

    def next(self) -> Any:
        """The next item. Raises DataCorrupted."""
        begun = self._at > 0
        head = self._read(len(_FRAME) + 8)
        if not head and not begun:
            raise CannotConnect(f"{self._file.path!r} is no export of an eventdb database")
        if len(head) < len(_FRAME) + 8 or not head.startswith(_FRAME):
            raise self.damaged("what follows is not an item")
        size = int.from_bytes(head[len(_FRAME) :], "big")
        data = self._read(size)
        if len(data) < size:
            raise self.damaged("it ends inside an item")
        return codec.loads(data)

    def check_end(self) -> None:
        """Raise DataCorrupted where something follows, or where the stream's own checksum is not there or not right."""
        if self._read(1) or self._unpacker.unused_data or self._file.read(self._at, 1):
            raise self.damaged("it goes on behind its end")
        if not self._unpacker.eof:
            raise self.damaged("it is cut off")

    def _read(self, size: int) -> bytes:
        """That many bytes of what is compressed; fewer only at its end."""
        at, end = self._place, self._place + size
        if end > len(self._ready):
            parts = [self._ready[at:]]
            have = len(parts[0])
            while have < size and (more := self._unpacked()):
                parts.append(more)
                have += len(more)
            self._ready = b"".join(parts)
            at, end = 0, min(size, have)
        self._place = end
        return self._ready[at:end]

    def _unpacked(self) -> bytes:
        """The next piece, empty at the end."""
        try:
            while not self._unpacker.eof:
                data = self._unpacker.unconsumed_tail
                if not data:
                    data = self._file.read(self._at, PIECE)
                    self._at += len(data)
                    if not data:
                        break
                piece = self._unpacker.decompress(data, PIECE)
                if piece:
                    return piece
        except zlib.error as failure:
            if self._at <= PIECE and not self._ready:
                raise CannotConnect(f"{self._file.path!r} is no export of an eventdb database: {failure}") from None
            raise self.damaged(str(failure)) from None
        return b""


def import_file(path: str, target: str, files: Files | None = None) -> Transferred:
    """Make the database at `target` from an exported file; it has the same log id, numbers, times and hashes. Everything is checked on the
    way: the chain of hashes, every body's hash, the end. `target` is there whole or not at all.

    Raises CannotConnect (no such file; something is at `target`), DataCorrupted, FormatVersionError, DiskFull, IOFailure.
    """
    files = files or Files()
    path = os.path.abspath(path)
    with contextlib.closing(files.open_read(path)) as file, new_directory(files, target) as partial:
        reader = _Reader(file)
        importing = _Import(files, path, partial, reader)
        importing.run()
        reader.check_end()
        importing.read_back()
        return Transferred(os.path.abspath(target), importing.last, importing.last - importing.first + 1, file.size())


class _Import:
    """One import into a directory that nobody sees yet."""

    def __init__(self, files: Files, path: str, partial: str, reader: _Reader) -> None:
        self._files = files
        self._partial = partial
        self._reader = reader
        match reader.next():
            case [str(magic), int(version), *rest] if magic == MAGIC:
                if version != VERSION:
                    raise FormatVersionError(f"{path!r} is an export of format {version}; this version of eventdb reads format {VERSION}")
            case _:
                raise CannotConnect(f"{path!r} is no export of an eventdb database")
        match rest:
            case [bytes(log_id), int(first), int(last), bytes(previous), int(time)] if 1 <= first <= last + 1 and time >= 0:
                self._start = SegmentHeader(log_id, first, previous, time)
                self.first, self.last = first, last
            case _:
                raise reader.damaged("its beginning has not the form of one")
        if first == 1 and (previous, time) != (chain.genesis(log_id), 0):
            raise reader.damaged("it does not begin with the hash that its log id asks for")
        self._hash = previous

    def run(self) -> None:
        write_segments(self._files, log_path_of(self._partial), segment_parts(self._start, self._records()))

    def _records(self) -> Iterator[Stored]:
        """The transactions, each checked as far as it can be by itself."""
        number = self.first - 1
        while True:
            match self._reader.next():
                case [bytes(data), bytes(body)] | [bytes(data), bytes(body), int(_), bool(_)] as item:
                    number += 1
                    header = chain.decode_header(data)
                    if header.number != number or number > self.last:
                        raise self._reader.damaged(f"transaction {header.number} stands where {number} should")
                    if header.previous != self._hash:
                        raise self._reader.damaged(f"transaction {number} does not continue the hash chain")
                    self._hash = chain.header_hash(data)
                    yield header.time, data, body, *(item[2:] or (0, False))
                case ["file", str(name), bytes(data)] if number < self.first:
                    self._write_file(name, data)
                case ["end", int(last), bytes(hashed)]:
                    if (last, hashed) != (number, self._hash) or last != self.last:
                        raise self._reader.damaged(f"it ends after transaction {number}, not {self.last}")
                    return
                case _:
                    raise self._reader.damaged(f"what follows on transaction {number} is not a transaction")

    def _write_file(self, name: str, data: bytes) -> None:
        folder, _, base = name.partition("/")
        if folder not in (LOG, SNAPSHOTS) or not base or os.path.basename(base) != base or base.startswith(".") or "\\" in base:
            raise self._reader.damaged(f"it holds a file of the name {name!r}")
        self._files.make_directory(os.path.join(self._partial, folder))
        self._files.write_atomically(os.path.join(self._partial, folder, base), [data])

    def read_back(self) -> None:
        """Read all that was written, as any reader of the log does, bodies and all."""
        lock = os.path.join(self._partial, LOCK)
        with contextlib.closing(DirectoryLog(log_path_of(self._partial), self._files, read_only=True, lock_path=lock)) as log:
            read_whole(log)
            if (log.head, log.head_hash) != (self.last, self._hash):
                raise self._reader.damaged(f"it holds transactions up to {log.head}, not {self.last}")
