"""A log in a directory that others write: opening it, following it to its end, reading it.

Opening looks at the last segment only, and there only at what follows a `Position` known from a snapshot. `refresh` looks at the bytes
around the place where the last segment ended, and is done where they are as they were. A segment that is full gets an end mark, so readers
learn of the next one in the same way.

Reading needs no lock: records never change once they are acknowledged, and a record that another process is still writing is an item that
cannot be read yet. The lock is taken to see to what another process has left where it stopped half-way: a torn tail, segments written anew
that wait for their names.

Not done here: nothing is remembered of bodies; what reads the same transactions again pays for it again.
"""

from __future__ import annotations

import os
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from typing import NoReturn

from eventdb.errors import CannotConnect, DataCorrupted
from eventdb.model.event import BodiesRewritten
from eventdb.storage.files import TEMPORARY, AppendFile, Files, ReadFile
from eventdb.storage.log import chain, horizon, segment
from eventdb.storage.log.base import LogReplaced, Record, Unavailable
from eventdb.storage.log.reading import Convert, Item, check_link, checked, first_header, open_header, raw_header, read_range, segments
from eventdb.storage.log.receipts import receipt_for, receipts_in
from eventdb.storage.log.rewriting import Aside, asides, give_up, put_in_place
from eventdb.storage.log.segment import HEADER_SIZE, LAST_BYTES, RECEIPTS, Broken, Raw, SegmentHeader, items, name_of
from eventdb.storage.log.tail import Marks, Position, Torn, as_position, followed, is_torn, place, position_in, start_tail, tail_at

LOCK_NAME = "lock"
_POLL_SECONDS = 0.02
_PATIENCE_SECONDS = 60.0


class FollowedLog:
    """What the readers of a log in a directory have of it; `DirectoryLog` writes too.

    `torn` says what was cut off at open (None: nothing).
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        files: Files | None,
        read_only: bool,
        position: Sequence[object] | None,
        lock_timeout: float | None,
        lock_path: str | None,
    ) -> None:
        self.path = os.fspath(path)
        self.files = files or Files()
        self.read_only = read_only
        self.torn: Torn | None = None
        self.rewritten = 0
        self._mutex = threading.RLock()
        self._changed = threading.Condition()
        self._waiting = 0
        self._writing = False
        self._refusal: str | None = None
        self._marks: dict[str, Marks] = {}
        self._unsettled = False
        self._receipts: dict[int, BodiesRewritten] = {}
        known = None if position is None else as_position(position)
        self._check_directory()
        self._lock = self.files.lock_file(lock_path or os.path.join(self.path, LOCK_NAME), lock_timeout)
        self._open(known)
        self._complete_rewriting()

    # What is known

    @property
    def head(self) -> int:
        return self._tail.number

    @property
    def head_hash(self) -> bytes:
        return self._tail.hash

    @property
    def head_time(self) -> int:
        """The head's commit time in microseconds; 0 while the log is empty."""
        return self._tail.time

    @property
    def position(self) -> Position:
        """Where the head stands; to be kept with a snapshot of it and given to the next open. Call `sync` before relying on it."""
        with self._mutex:
            return position_in(self._tail, self._name)

    @property
    def extent(self) -> tuple[int, str, int]:
        """The head, the name of the last segment, and how many bytes of that belong to the log up to the head."""
        with self._mutex:
            return self._tail.number, self._name, self._tail.offset

    # Opening

    def _check_directory(self) -> None:
        if self.files.is_directory(self.path):
            return
        if self.files.exists(self.path):
            raise CannotConnect(f"{self.path!r} is not a log of eventdb: it is not a directory")
        if self.read_only:
            raise CannotConnect(f"there is no log at {self.path!r}, and none is made where only reading is allowed")
        self.files.make_directory(self.path)

    def _open(self, known: Position | None) -> None:
        if not segments(self.files, self.path):
            self._create_first()
        try:
            self._open_last()
            if known is not None:
                self._start_at(known)
            self._extend(self._file.size())
            return
        except Broken:
            pass
        if self.read_only:
            self._settle()
            return
        # Something at the end cannot be read: perhaps it is being written just now. Look again when nobody can be writing.
        with self._lock:
            self._open_last()
            if known is not None:
                self._start_at(known)
            self._settle()

    def _create_first(self) -> None:
        strange = [name for name in self.files.list(self.path) if name != LOCK_NAME and not name.endswith(TEMPORARY)]
        if strange:
            raise CannotConnect(f"{self.path!r} is not a log of eventdb: it holds {strange[0]!r} and no segment")
        if self.read_only:
            raise CannotConnect(f"there is no log at {self.path!r}, and none is made where only reading is allowed")
        with self._lock:
            if not segments(self.files, self.path):
                self._create_segment(first_header())

    def _create_segment(self, header: SegmentHeader) -> None:
        self.files.write_atomically(os.path.join(self.path, name_of(header.first)), [header.encode()])

    def _open_last(self) -> None:
        """Open the last segment and put the tail behind its header."""
        firsts = segments(self.files, self.path)
        self.first = firsts[0]
        file = self._open_file(name_of(firsts[-1]))
        data = file.read(0, HEADER_SIZE)
        if segment.is_unfinished(data):
            file = self._without_unfinished(firsts, file)
        self._use(file, open_header(file))

    def _without_unfinished(self, firsts: list[int], file: ReadFile) -> ReadFile:
        """A last segment with less than a header has no records yet: make it anew if it is the only one, else go back to the one before."""
        path = os.path.join(self.path, name_of(firsts[-1]))
        if len(firsts) == 1:
            if firsts != [1]:
                raise DataCorrupted(f"the header of segment {path!r} is cut off (offset 0), and there is no other segment")
            if self.read_only:
                raise CannotConnect(f"the log at {self.path!r} was not created completely; open it for writing once")
            with self._lock:
                if segment.is_unfinished(self.files.read(path, 0, HEADER_SIZE)):
                    self._create_segment(first_header())
            return self._open_file(name_of(1))
        if not self.read_only:
            with self._lock:
                if segment.is_unfinished(self.files.read(path, 0, HEADER_SIZE)):
                    self.files.remove(path)
        return self._open_file(name_of(firsts[-2]))

    def _open_file(self, name: str) -> ReadFile:
        path = os.path.join(self.path, name)
        return self.files.open_read(path) if self.read_only else self.files.open_append(path)

    def _use(self, file: ReadFile, header: SegmentHeader) -> None:
        """Go on in this segment, with nothing of it read yet."""
        self.log_id = header.log_id
        self._seed = zlib.crc32(header.log_id)
        self._name = name_of(header.first)
        self._last_marks = self._marks.setdefault(self._name, Marks())
        self._tail = start_tail(file, header)
        self._file = file

    def _start_at(self, known: Position) -> None:
        """Check that the log has this position; go on behind it where it lies in the last segment."""
        if known.number == self._tail.number and known.hash == self._tail.hash:
            return
        following = name_of(known.number + 1)
        if following != known.segment and self.files.exists(os.path.join(self.path, following)):
            known = Position(known.number, known.hash, following, 0)
        try:
            file = self._file if known.segment == self._name else self.files.open_read(os.path.join(self.path, known.segment))
            tail = tail_at(file, open_header(file), known)
        except (CannotConnect, DataCorrupted):
            tail = None
        if tail is None:
            where = place(known.segment, known.offset, known.number)
            raise LogReplaced(f"the log at {self.path!r} is not the one that was known: {where} is not there, or is another")
        if known.segment == self._name:
            self._tail = tail

    # Following

    def refresh(self) -> int:
        tail = self._tail
        if tail.ends(self._file) or self._writing:
            return tail.number
        with self._mutex:
            self._check_usable()
            before = self._tail.number
            try:
                self._check_last()
                self._extend(self._file.size())
            except Broken:  # another process is writing it, or died doing so: the next append will see
                self._check_tail()
            if self._unsettled:
                self._complete_rewriting()
            head = self._tail.number
        if head != before:
            self._wake()
        return head

    def _extend(self, size: int) -> None:
        """Follow the chain up to `size` and through the segments after it. Raises Broken, with the tail before what cannot be read."""
        while True:
            if size < self._tail.offset:
                raise LogReplaced(
                    f"the log at {self.path!r} is shorter than it was: {place(self._name, size, self._tail.number)} is no longer there"
                )
            marks, tail = self._last_marks, self._tail
            try:
                for item in items(self._file, tail.offset, size, self._seed):
                    tail = followed(tail, item, self._name)
                    if isinstance(item, Raw):
                        marks.note(tail.number, item.offset)
                        if item.flags & RECEIPTS:
                            self.rewritten, self._unsettled = tail.number, True
            except DataCorrupted:
                self._check_tail()
                raise
            finally:
                self._tail = tail
            if not tail.ended or not self._enter_next():
                return
            size = self._file.size()

    def _check_tail(self) -> None:
        """Raises LogReplaced if the last known record is gone: its writer failed to sync it and cut it off after it was seen here."""
        tail, file = self._tail, self._file
        if tail_at(file, open_header(file), position_in(tail, self._name)) is None:
            where = place(self._name, tail.start, tail.number)
            raise LogReplaced(f"the log at {self.path!r} has changed: {where} was taken back by its writer; open the log again")

    def _check_last(self) -> None:
        """The same where the bytes before the tail are not those that were there."""
        tail = self._tail
        last = self._file.peek(tail.offset - LAST_BYTES, LAST_BYTES)
        if not tail.last.startswith(last) or len(last) < LAST_BYTES:
            self._check_tail()

    def _enter_next(self) -> bool:
        """Go on in the segment after the end mark, if it is there."""
        name = name_of(self._tail.number + 1)
        path = os.path.join(self.path, name)
        if not self.files.exists(path) or segment.is_unfinished(self.files.read(path, 0, HEADER_SIZE)):
            return False
        file = self._open_file(name)
        header = open_header(file)
        check_link(header, self.log_id, self._tail.number + 1, self._tail.hash)
        self._use(file, header)
        return True

    def _settle(self) -> None:
        """Under the lock (or only reading): follow to the end, and cut off a torn tail. Raises DataCorrupted for damage."""
        size = self._file.size()
        try:
            self._extend(size)
        except Broken as failure:
            self._check_tail()
            size, tail = self._file.size(), self._tail
            if not is_torn(self._file, tail.offset, size, tail.number + 1, self._seed):
                where = place(self._name, failure.offset, tail.number + 1)
                raise DataCorrupted(f"the log is damaged: {failure.reason}: {where}; nothing was changed") from failure
            self.torn = Torn(self._name, tail.offset, tail.number + 1, size - tail.offset, failure.reason, not self.read_only)
            if isinstance(self._file, AppendFile):
                self._file.truncate(tail.offset)
                self._file.sync()

    # Bodies that were replaced

    def _complete_rewriting(self) -> None:
        """Finish, or clear away, what a rewriting has left that stopped half-way. Raises Unavailable where only reading is allowed.

        Segments that wait for a transaction which is not in the log may belong to a process that is at work: then they are left alone.
        """
        if not asides(self.files, self.path):
            self._replace([])
        elif self.read_only:
            self._wait_for_places()
            self._replace([])
        else:
            with self._lock if self._committed() else self._lock.at_once() as held:
                if held:
                    self._settle()
                    done = self._committed()
                    give_up(self.files, self.path, [aside for aside in asides(self.files, self.path) if aside not in done])
                    self._replace(done)

    def _wait_for_places(self) -> None:
        """Where only reading is allowed: wait for who gives rewritten segments their names. Raises Unavailable if nobody does."""
        deadline = time.monotonic() + (self._lock.timeout or _PATIENCE_SECONDS)
        while self._committed():
            try:
                with self._lock.at_once() as alone:
                    stopped = alone and bool(self._committed())
            except CannotConnect:  # no lock can be had here
                stopped = True
            if stopped or time.monotonic() > deadline:
                raise Unavailable(f"values are being erased from the log at {self.path!r}", hint="Open it for writing to finish that.")
            time.sleep(_POLL_SECONDS)

    def _replace(self, waiting: list[Aside]) -> None:
        """Put rewritten segments in their places. Raises IOFailure; whoever needs the log next tries again."""
        self._unsettled = True
        put_in_place(self.files, self.path, waiting)
        self._marks = {self._name: self._last_marks}
        self._unsettled = False

    def _committed(self) -> list[Aside]:
        """The rewritten segments whose transaction is in the log."""
        waiting = [aside for aside in asides(self.files, self.path) if aside.number <= self._tail.number]
        return [a for a in waiting if next(self._between(a.number - 1, a.number, self._whole)).header.txid == a.txid]

    def _look_up(self, by: int, number: int) -> bytes | None:
        receipts = self._receipts.get(by)
        if receipts is None:
            if by > self._tail.number and self.refresh() < by:
                return None
            record = next(self._between(by - 1, by, self._whole))
            receipts = self._receipts[by] = receipts_in(record.body)
        return receipt_for(receipts, number)

    # Reading

    def read(self, after: int = 0, until: int | None = None) -> Iterator[Record]:
        return self._read(after, until, self._whole)

    def _whole(self, raw: Raw, number: int, previous: bytes, name: str) -> Record:
        return checked(raw, number, previous, name, self._look_up)

    def headers(self, after: int = 0, until: int | None = None) -> Iterator[bytes]:
        return (item.data for item in self._read(after, until, raw_header))

    def _read(self, after: int, until: int | None, convert: Convert[Item]) -> Iterator[Item]:
        self._check_open()
        if self._unsettled:
            with self._mutex:
                self._complete_rewriting()
        return self._between(after, until, convert)

    def _between(self, after: int, until: int | None, convert: Convert[Item]) -> Iterator[Item]:
        """As `_read`, whatever waits to be put in its place."""
        chain.check_range(after, self.first)
        tail = self._tail
        until = tail.number if until is None else min(until, tail.number)
        return read_range(self.files, self.path, self.log_id, after, until, tail, self._marks, convert)

    def given_up(self) -> tuple[int, list[bytes]]:
        self._check_open()
        return horizon.read(self.files, self.path, self.log_id) if self.first > 1 else (0, [])

    def wait(self, after: int, timeout: float | None = None) -> int:
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            head = self.refresh()
            rest = _POLL_SECONDS if deadline is None else min(deadline - time.monotonic(), _POLL_SECONDS)
            if head > after or rest <= 0:
                return head
            with self._changed:
                self._waiting += 1
                if self._tail.number <= after:
                    self._changed.wait(rest)
                self._waiting -= 1

    def _wake(self) -> None:
        if self._waiting:
            with self._changed:
                self._changed.notify_all()

    # Closing

    def close(self) -> None:
        """Give up the files; whatever is asked afterwards raises Unavailable."""
        with self._mutex:
            self._refusal = "the log is closed"
            file, self._file = self._file, _Closed()
            file.close()
            self._lock.close()
        self._wake()

    def _check_open(self) -> None:
        if isinstance(self._file, _Closed):
            raise Unavailable("the log is closed")

    def _check_usable(self) -> None:
        if self._refusal is not None:
            raise Unavailable(self._refusal)


class _Closed(ReadFile):
    """What stands in the place of the segment once the log is closed."""

    def __init__(self) -> None:
        self._fd = -1

    def size(self) -> NoReturn:
        raise Unavailable("the log is closed")

    def peek(self, offset: int, length: int) -> NoReturn:
        raise Unavailable("the log is closed")
