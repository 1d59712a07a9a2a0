"""The log of a database in memory: a list of records, with the same answers as the log in a directory."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from eventdb.model.event import BodiesRewritten
from eventdb.storage.log import chain
from eventdb.storage.log.base import Appended, Conflict, Durability, Proposal, Record, RecordTooLarge, Unavailable
from eventdb.storage.log.merkle import peaks_of


class MemoryLog:
    """An `EventLog` that ends with the process."""

    def __init__(self, record_limit: int = chain.RECORD_LIMIT) -> None:
        self.log_id = os.urandom(16)
        self.record_limit = record_limit
        self.rewritten = 0
        self._records: list[Record] = []
        self._begin = 1
        """The number of the first of them."""
        self._given_up: tuple[int, list[bytes]] = (0, [])
        self._head = 0
        self._hash = chain.genesis(self.log_id)
        self._time = 0
        self._changed = threading.Condition()
        self._closed = False

    @property
    def first(self) -> int:
        """The first number that can still be read."""
        return self._begin

    @property
    def head(self) -> int:
        return self._head

    @property
    def head_hash(self) -> bytes:
        return self._hash

    @property
    def head_time(self) -> int:
        """The head's commit time in microseconds; 0 while the log is empty."""
        return self._time

    def append(self, proposals: Sequence[Proposal], expect: int, durability: Durability = "full") -> Appended | Conflict:
        return self._append(proposals, expect, False)

    def _append(self, proposals: Sequence[Proposal], expect: int, rewrites: bool) -> Appended | Conflict:
        with self._changed:
            self._check_open()
            if self._head != expect:
                return Conflict(self._head)
            new, previous = [], self._hash
            headers, last_time = [], self._time
            for number, proposal in enumerate(proposals, expect + 1):
                if len(proposal.body) > self.record_limit:
                    raise RecordTooLarge(chain.too_large(number, len(proposal.body), self.record_limit))
                header = chain.header_for(proposal, chain.body_hash(proposal.body), number, last_time, previous)
                data = chain.encode_header(header)
                if len(data) > chain.HEADER_LIMIT:
                    raise RecordTooLarge(chain.too_large(number, len(data), chain.HEADER_LIMIT))
                previous, last_time = chain.header_hash(data), header.time
                headers.append(header)
                new.append(Record(header, previous, proposal.body, 0, rewrites))
            self._records += new
            self._head, self._hash, self._time = self._head + len(new), previous, last_time
            self._changed.notify_all()
            return Appended(tuple(headers), previous)

    def rewrite(
        self, expect: int, txid: bytes, replace: Callable[[Record], bytes | None], propose: Callable[[BodiesRewritten], Proposal]
    ) -> Appended | Conflict:
        with self._changed:
            self._check_open()
            if self._head != expect:
                return Conflict(self._head)
            made: dict[int, bytes] = {}
            for record in self._records:
                body = replace(record)
                if body is not None and body != record.body:
                    made[record.header.number] = body
            receipts = BodiesRewritten(list(made), [chain.body_hash(body) for body in made.values()])
            result = self._append([propose(receipts)], expect, True)
            for number, body in made.items():
                old = self._records[number - self._begin]
                self._records[number - self._begin] = Record(old.header, old.hash, body, expect + 1, old.rewrites)
            self.rewritten = expect + 1
            return result

    def refresh(self) -> int:
        return self._head

    def read(self, after: int = 0, until: int | None = None) -> Iterator[Record]:
        self._check_open()
        chain.check_range(after, self.first)
        last = self._head if until is None else min(until, self._head)
        # by position, for records may be given up while the caller reads
        for number in range(after + 1, last + 1):
            chain.check_range(number - 1, self._begin)
            yield self._records[number - self._begin]

    def headers(self, after: int = 0, until: int | None = None) -> Iterator[bytes]:
        return (chain.encode_header(record.header) for record in self.read(after, until))

    def given_up(self) -> tuple[int, list[bytes]]:
        return self._given_up

    def wait(self, after: int, timeout: float | None = None) -> int:
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while self._head <= after and not self._closed:
                rest = None if deadline is None else deadline - time.monotonic()
                if rest is not None and rest <= 0:
                    break
                self._changed.wait(rest)
            return self._head

    def truncate(self, before: int) -> None:
        """Every record is a segment of its own here; the head stays."""
        with self._changed:
            self._check_open()
            count = max(min(before, self._head) - self._begin, 0)
            self._given_up = peaks_of(self, self._begin + count - 1)
            del self._records[:count]
            self._begin += count

    def sync(self) -> None:
        self._check_open()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the log is closed")
