"""Replacing bodies of a directory log, all or nothing.

A segment in which bodies change is written anew beside the old one, under a name that says which transaction is to carry the receipts:

    00000000000000000001.cbor.123-<txid in hexadecimal>.rewritten

Then that transaction is appended: this is the moment at which it is so. Then the new files take the names of the old ones. Whoever finds
such files after a crash looks whether the log has that transaction: if so the renaming is finished, if not they are removed. They hold
nothing that was to go.

Only segments that have ended are replaced (the last one is ended first), so writers never lose the file that they append to. Readers that
are at an old segment go on in it; who remembers offsets in it (marks) finds that they lead nowhere and begins at its start.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from eventdb.errors import DataCorrupted, Error
from eventdb.storage.files import AppendFile, Files, ReadFile
from eventdb.storage.log import chain
from eventdb.storage.log.base import Record, RecordTooLarge
from eventdb.storage.log.compression import compress
from eventdb.storage.log.reading import LookUp, check_link, checked, open_header
from eventdb.storage.log.segment import COMPRESSED, HEADER_SIZE, REDACTED, Broken, Raw, encode_record, items, name_of
from eventdb.storage.log.tail import place

Replace = Callable[[Record], bytes | None]
_NAME = re.compile(r"(\d{20}\.cbor)\.(\d+)-((?:[0-9a-f]{2})*)\.rewritten")
_COPY_BYTES = 1 << 20


class Aside(NamedTuple):
    """A segment written anew, waiting to take the place of `segment`: when transaction `number` is there and has this `txid`."""

    name: str
    segment: str
    number: int
    txid: bytes

    @classmethod
    def of(cls, segment: str, number: int, txid: bytes) -> Aside:
        return cls(f"{segment}.{number}-{txid.hex()}.rewritten", segment, number, txid)


def asides(files: Files, path: str) -> list[Aside]:
    """The segments in a directory that wait for their place."""
    found = []
    for name in files.list(path):
        match = _NAME.fullmatch(name)
        if match:
            found.append(Aside(name, match[1], int(match[2]), bytes.fromhex(match[3])))
    return found


def put_in_place(files: Files, path: str, waiting: list[Aside]) -> None:
    """Give segments written anew their names."""
    for aside in waiting:
        files.rename(os.path.join(path, aside.name), os.path.join(path, aside.segment))
    if waiting:
        files.sync_directory(path)


def give_up(files: Files, path: str, waiting: list[Aside]) -> None:
    """Remove segments written anew, as far as they are there."""
    for aside in waiting:
        with contextlib.suppress(Error):
            if files.exists(os.path.join(path, aside.name)):
                files.remove(os.path.join(path, aside.name))
    with contextlib.suppress(Error):
        files.sync_directory(path)


class Rewriter:
    """Goes through the segments of a log and writes those anew in which bodies change.

    `number`, `txid`: of the transaction that will carry the receipts. `numbers`, `hashes`: the receipts so far; `written`: the files.
    """

    def __init__(self, files: Files, path: str, seed: int, number: int, txid: bytes, limit: int) -> None:
        self._files = files
        self._path = path
        self._seed = seed
        self._number = number
        self._txid = txid
        self._limit = limit
        self.numbers: list[int] = []
        self.hashes: list[bytes] = []
        self.written: list[Aside] = []

    def segment(self, first: int, log_id: bytes, previous: bytes | None, replace: Replace, look_up: LookUp) -> bytes:
        """Pass each record of a segment to `replace`, and write the segment anew if that changes a body.

        `previous`: the hash before the segment, None for the log's first. Returns the hash at its end.
        """
        name = name_of(first)
        new = _Copy(self._files, self._path, Aside.of(name, self._number, self._txid))
        number = first
        with contextlib.closing(self._files.open_read(os.path.join(self._path, name))) as file, contextlib.closing(new):
            header = open_header(file)
            check_link(header, log_id, first, header.previous if previous is None else previous)
            previous = header.previous
            for raw in _records(file, name, self._seed, first):
                record = checked(raw, number, previous, name, look_up)
                body = replace(record)
                if body is not None and body != record.body:
                    if new.aside not in self.written:
                        self.written.append(new.aside)
                    new.put(file, raw, self._record(raw, number, body))
                previous = record.hash
                number += 1
            new.finish(file)
        return previous

    def _record(self, raw: Raw, number: int, body: bytes) -> bytes:
        if len(body) > self._limit:
            raise RecordTooLarge(chain.too_large(number, len(body), self._limit))
        packed = compress(body)
        flags = raw.flags & ~COMPRESSED | REDACTED | (0 if packed is None else COMPRESSED)
        self.numbers.append(number)
        self.hashes.append(chain.body_hash(body))
        return b"".join(encode_record(self._seed, flags, self._number, raw.header, body if packed is None else packed))


def _records(file: ReadFile, name: str, seed: int, first: int) -> Iterator[Raw]:
    number = first
    try:
        for item in items(file, HEADER_SIZE, file.size(), seed):
            if not isinstance(item, Raw):
                return
            yield item
            number += 1
    except Broken as failure:
        raise DataCorrupted(f"the log is damaged: {failure.reason}: {place(name, failure.offset, number)}") from failure


class _Copy:
    """A file that becomes a copy of a segment with some records replaced. It is made at the first of these."""

    def __init__(self, files: Files, path: str, aside: Aside) -> None:
        self.aside = aside
        self._files = files
        self._path = os.path.join(path, aside.name)
        self._file: AppendFile | None = None
        self._copied = 0

    def put(self, old: ReadFile, raw: Raw, record: bytes) -> None:
        """What stands before `raw` in the old segment, and `record` in its place."""
        if self._file is None:
            if self._files.exists(self._path):
                self._files.remove(self._path)
            self._file = self._files.open_append(self._path)
        self._copy(self._file, old, raw.offset)
        self._file.write(record)
        self._copied = raw.offset + raw.size

    def finish(self, old: ReadFile) -> None:
        """The rest of the old segment; the new one is then on the disk."""
        if self._file is not None:
            self._copy(self._file, old, old.size())
            self._file.sync()

    def _copy(self, new: AppendFile, old: ReadFile, end: int) -> None:
        while self._copied < end:
            part = old.read(self._copied, min(_COPY_BYTES, end - self._copied))
            new.write(part)
            self._copied += len(part)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
