"""The log of a fork: another log up to a transaction, and one in memory from there on."""

from __future__ import annotations

from collections.abc import Iterator

from eventdb.storage.log import chain
from eventdb.storage.log.base import EventLog, Record
from eventdb.storage.log.memory import MemoryLog


class ForkLog(MemoryLog):
    """An `EventLog` that goes on behind transaction `forked_at` of `origin`, whose header has that hash and that commit time.

    Numbers up to there are read from the origin, which must stay open; nothing is ever written to it. The chain of hashes goes through,
    so `log_id` is the origin's. For `truncate` the origin is one segment; `origin` is None once it was given up.
    """

    def __init__(self, origin: EventLog, forked_at: int, head_hash: bytes, head_time: int, record_limit: int = chain.RECORD_LIMIT) -> None:
        super().__init__(record_limit)
        self.log_id = origin.log_id
        self.forked_at = forked_at
        self.origin: EventLog | None = origin
        self._head, self._hash, self._time = forked_at, head_hash, head_time
        self._begin = forked_at + 1

    @property
    def first(self) -> int:
        origin = self.origin
        return self._begin if origin is None else origin.first

    def read(self, after: int = 0, until: int | None = None) -> Iterator[Record]:
        self._check_open()
        chain.check_range(after, self.first)
        last = self._head if until is None else min(until, self._head)
        return self._through(after, last)

    def _through(self, after: int, last: int) -> Iterator[Record]:
        if after < self.forked_at and self.origin is not None:
            yield from self.origin.read(after, min(last, self.forked_at))
            after = self.forked_at
        yield from super().read(after, last)

    def headers(self, after: int = 0, until: int | None = None) -> Iterator[bytes]:
        self._check_open()
        chain.check_range(after, self.first)
        last = self._head if until is None else min(until, self._head)
        return self._headers_through(after, last)

    def _headers_through(self, after: int, last: int) -> Iterator[bytes]:
        if after < self.forked_at and self.origin is not None:
            yield from self.origin.headers(after, min(last, self.forked_at))
            after = self.forked_at
        yield from super().headers(after, last)

    def given_up(self) -> tuple[int, list[bytes]]:
        return self._given_up if self.origin is None else self.origin.given_up()

    def truncate(self, before: int) -> None:
        with self._changed:
            self._check_open()
            if before > self.forked_at and self._head > self.forked_at:
                super().truncate(before)  # while the origin can still be asked what the Merkle tree needs of it
                self.origin = None
