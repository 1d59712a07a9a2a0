"""The log in a directory of segment files, shared by threads and processes: what is written to it.

Appending. Under the lock file: look for what others appended, compare the head, write all records in one call, sync, and only then move the
tail that readers see. If anything goes wrong in between, the file is cut back to where it ended; if that fails too, nobody can say what the
file holds, so the append is Ambiguous and this object refuses further appends until the log is opened again.

An append that is synced writes zeros behind itself: room for the next ones, which then do not change the file's size. A sync that has a
size to write down too takes half as long again. Whoever closes the log cuts the room off, or leaves it where others are at work.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Sequence

from eventdb.errors import DiskFull, Error, ReadOnlyTransaction
from eventdb.model.event import BodiesRewritten
from eventdb.model.transaction import Header
from eventdb.storage.files import AppendFile, Files
from eventdb.storage.log import chain, horizon, segment
from eventdb.storage.log.base import Ambiguous, Appended, Conflict, Durability, LogFull, Proposal, RecordTooLarge
from eventdb.storage.log.compression import compress
from eventdb.storage.log.following import LOCK_NAME, FollowedLog
from eventdb.storage.log.merkle import peaks_of
from eventdb.storage.log.reading import segments
from eventdb.storage.log.rewriting import Replace, Rewriter
from eventdb.storage.log.segment import (
    COMPRESSED,
    FULL,
    LAST_BYTES,
    RECEIPTS,
    SegmentHeader,
    encode_end,
    encode_record,
    name_of,
    record_size,
)
from eventdb.storage.log.tail import Tail

__all__ = ["LOCK_NAME", "ROOM_BYTES", "SEGMENT_BYTES", "DirectoryLog"]

SEGMENT_BYTES = 64 << 20
ROOM_BYTES = 64 << 10
_Prepared = tuple[Proposal, bytes, bytes, int]


class DirectoryLog(FollowedLog):
    """An `EventLog` in a directory.

    `position`: a place known from a snapshot; opening then looks only at what follows it, and raises LogReplaced if the log is not the one
    that has it. `torn` says what was cut off at open (None: nothing). `lock_timeout` in seconds (None: no limit) is how long an append
    waits for other processes; `lock_path` is the lock file (`lock` in the directory unless given).

    Opening raises CannotConnect (no log there, and it cannot or may not be made), FormatVersionError, DataCorrupted, LogReplaced.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        files: Files | None = None,
        segment_size: int = SEGMENT_BYTES,
        read_only: bool = False,
        position: Sequence[object] | None = None,
        record_limit: int = chain.RECORD_LIMIT,
        lock_timeout: float | None = 60.0,
        lock_path: str | None = None,
    ) -> None:
        self.segment_size = segment_size
        self.record_limit = min(record_limit, segment.BODY_LIMIT)
        super().__init__(path, files, read_only, position, lock_timeout, lock_path)

    # Appending

    def append(self, proposals: Sequence[Proposal], expect: int, durability: Durability = "full") -> Appended | Conflict:
        """As `EventLog.append`. An error other than Ambiguous means that nothing was appended; IOFailure is one more of those.

        All or none holds while this process lives to cut back; after a crash in the middle the first of the proposals may be in the log.
        """
        prepared = [self._prepare(number, proposal) for number, proposal in enumerate(proposals, expect + 1)]
        with self._mutex:
            self._check_writable()
            with self._lock:
                self._catch_up()
                if self._tail.number != expect:
                    result: Appended | Conflict = Conflict(self._tail.number)
                elif prepared:
                    self._writing = True
                    try:
                        result = self._append(prepared, durability)
                    finally:
                        self._writing = False
                else:
                    result = Appended((), self._tail.hash)
        self._wake()
        return result

    def _catch_up(self) -> None:
        """Under the lock: know all that is there."""
        if not self._tail.ends(self._file):
            self._check_last()
            self._settle()
        if self._unsettled:
            self._complete_rewriting()

    def _prepare(self, number: int, proposal: Proposal) -> _Prepared:
        """What needs no lock: the body's hash, its stored form and its flag."""
        body = proposal.body
        if len(body) > self.record_limit:
            raise RecordTooLarge(chain.too_large(number, len(body), self.record_limit))
        packed = compress(body)
        return proposal, chain.body_hash(body), body if packed is None else packed, 0 if packed is None else COMPRESSED

    def _append(self, prepared: list[_Prepared], durability: Durability) -> Appended:
        flags = FULL if durability == "full" else 0
        if self._tail.ended or (self._tail.start and self._tail.offset >= self.segment_size):
            self._roll()
        tail, synced = self._tail, self._tail.synced
        headers: list[Header] = []
        parts: list[bytes] = []
        starts: list[tuple[int, int]] = []
        number, previous, moment, offset, start = tail.number, tail.hash, tail.time, tail.offset, tail.start
        for proposal, body_hash, body, flag in prepared:
            number += 1
            header = chain.header_for(proposal, body_hash, number, moment, previous)
            data = chain.encode_header(header)
            if len(data) > chain.HEADER_LIMIT:
                raise RecordTooLarge(chain.too_large(number, len(data), chain.HEADER_LIMIT))
            headers.append(header)
            previous, moment, start = chain.header_hash(data), header.time, offset
            parts += encode_record(self._seed, flag | flags, synced, data, body)
            starts.append((number, offset))
            offset += record_size(data, body)
        data = b"".join(parts)
        self._write(data, durability == "full", room=durability == "full")
        self._tail = Tail(number, previous, moment, number if flags else synced, start, offset, data[-LAST_BYTES:] + b"\0")
        for mark in starts:
            self._last_marks.note(*mark)
        return Appended(tuple(headers), previous)

    def sync(self) -> None:
        """As `EventLog.sync`. After a failure the log refuses appends until it is opened again, for nobody knows what the disk holds."""
        with self._mutex:
            self._check_usable()
            tail = self._tail
            if tail.synced == tail.number or not isinstance(self._file, AppendFile):
                return
            try:
                self._file.sync()
            except BaseException:
                self._refusal = f"a sync of {self._name} failed; open the log again"
                raise
            self._tail = tail._replace(synced=tail.number)

    # The last segment and its free room

    def _write(self, data: bytes, sync: bool, room: bool = False) -> None:
        """Add bytes at the tail, or change nothing; with `room` for more behind them. Raises LogFull, IOFailure, Ambiguous."""
        file, offset = self._file, self._tail.offset
        assert isinstance(file, AppendFile)
        end = offset + len(data)
        try:
            if room and end > file.size():
                data += bytes(max(min(ROOM_BYTES, self.segment_size - end), 0))
            file.write_at(offset, data)
            if sync:
                file.sync()
        except BaseException as failure:
            if not self._cut_back(file):
                self._refusal = f"an earlier append to {self._name} failed and could not be undone; open the log again"
                if isinstance(failure, Error):
                    raise Ambiguous(f"it is not known whether the append is in the log: {failure.message}") from failure
            if isinstance(failure, DiskFull):
                raise LogFull(failure.message) from failure
            raise

    def _cut_back(self, file: AppendFile) -> bool:
        # Synced, for the disk may hold the whole record even where the sync of it failed.
        try:
            file.truncate(self._tail.offset)
            file.sync()
        except BaseException:
            return False
        return True

    def _roll(self) -> None:
        """Go on in a new segment. The old one is synced, whatever the durability: damage in it is damage, never a torn tail."""
        self.sync()  # first, so that an end mark proves that everything before it was on the disk
        tail = self._tail
        if tail.ended:
            self._drop_room(sync=True)
        else:
            self._drop_room()
            data = encode_end(self._seed, tail.number + 1)
            self._write(data, True)
            last = data[-LAST_BYTES:] + b"\0"
            tail = self._tail = tail._replace(offset=tail.offset + len(data), last=last, ended=True, synced=tail.number)
        header = SegmentHeader(self.log_id, tail.number + 1, tail.hash, tail.time)
        try:
            self._create_segment(header)
        except DiskFull as failure:
            raise LogFull(failure.message) from failure
        self._use(self._open_file(name_of(header.first)), header)

    def _drop_room(self, sync: bool = False) -> None:
        """Under the lock, with nothing unknown behind the tail: cut off the free room."""
        file = self._file
        if isinstance(file, AppendFile) and file.size() > self._tail.offset:
            file.truncate(self._tail.offset)
            if sync:
                file.sync()

    def _drop_room_at_close(self) -> None:
        # Only tidiness: nothing depends on it, so nobody waits for it or hears of its failure.
        tail, file = self._tail, self._file
        with contextlib.suppress(Error):
            if file.size() > tail.offset:
                self._lock.acquire(0)
                try:
                    if tail.ends(file) and segment.is_room(file, tail.offset, file.size()):
                        self._drop_room()
                finally:
                    self._lock.release()

    # Replacing bodies, removing segments

    def rewrite(
        self, expect: int, txid: bytes, replace: Replace, propose: Callable[[BodiesRewritten], Proposal]
    ) -> Appended | Conflict:
        """As `EventLog.rewrite`. It needs room for another copy of every segment in which a body changes."""
        with self._mutex:
            self._check_writable()
            with self._lock:
                self._catch_up()
                if self._tail.number != expect:
                    return Conflict(self._tail.number)
                self._writing = True
                try:
                    result = self._rewrite(expect, txid, replace, propose)
                finally:
                    self._writing = False
        self._wake()
        return result

    def _rewrite(self, expect: int, txid: bytes, replace: Replace, propose: Callable[[BodiesRewritten], Proposal]) -> Appended:
        if self._tail.start:
            self._roll()
        rewriter = Rewriter(self.files, self.path, self._seed, expect + 1, txid, self.record_limit)
        try:
            previous: bytes | None = None
            for first in segments(self.files, self.path)[:-1]:
                previous = rewriter.segment(first, self.log_id, previous, replace, self._look_up)
            proposal = propose(BodiesRewritten(rewriter.numbers, rewriter.hashes))
            if rewriter.written:
                self.files.sync_directory(self.path)
            _, digest, stored, flag = self._prepare(expect + 1, proposal)
            result = self._append([(proposal, digest, stored, flag | RECEIPTS)], "full")
        except BaseException:
            if self._refusal is None:  # perhaps it is committed: an interruption may come behind the sync
                self._unsettled = True
                with contextlib.suppress(Error):
                    self._complete_rewriting()
            raise
        self.rewritten = expect + 1
        self._replace(rewriter.written)
        return result

    def truncate(self, before: int) -> None:
        with self._mutex:
            self._check_writable()
            with self._lock:
                firsts = segments(self.files, self.path)
                kept = max((first for first in firsts if first <= before), default=firsts[0])
                if kept > firsts[0]:
                    horizon.write(self.files, self.path, self.log_id, *peaks_of(self, kept - 1))
                for first, following in itertools.pairwise(firsts):
                    if following > kept:
                        break
                    self.files.remove(os.path.join(self.path, name_of(first)))
                    self.files.sync_directory(self.path)  # each by itself: never a later one without the earlier ones
                    self._marks.pop(name_of(first), None)
                    self.first = following

    # The rest

    def close(self) -> None:
        """Give up the files; whatever is asked afterwards raises Unavailable."""
        with self._mutex:
            if self._refusal is None and not self.read_only:
                self._drop_room_at_close()
            super().close()

    def _check_writable(self) -> None:
        self._check_usable()
        if self.read_only:
            raise ReadOnlyTransaction(f"the log at {self.path!r} is open for reading only")
