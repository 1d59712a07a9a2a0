"""A live feed of changes, and the position of a named one."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar

from eventdb.engine.feed import Feed, TransactionChanges
from eventdb.engine.news import SLICE
from eventdb.errors import Error, InvalidParameterValue, ObjectNotInPrerequisiteState, ProgrammingError

if TYPE_CHECKING:
    from eventdb.dbapi.whole import WholeDatabase
    from eventdb.engine.transaction import Transaction
    from eventdb.model.event import Event

_Self = TypeVar("_Self", bound="Subscription")


class Subscription:
    """Transactions as they are committed, by whatever process, after those that were there: made by `Connection.subscribe`.

    Iterating waits for the next one, `timeout` seconds at most (None: for ever), and then ends; iterating again goes on. Nothing is left
    out and nothing comes twice. `async for` does the same without blocking the event loop. It reads what is committed, whatever the
    connection's own transaction sees, and ends when the connection is closed.

    A named subscription begins where it was acknowledged last. One consumer at a time: where two acknowledge, one of them gets 40001.
    """

    def __init__(self, connection: WholeDatabase, feed: Feed, name: str | None, timeout: float | None) -> None:
        self.name = name
        self.timeout = timeout
        self._connection = connection
        self._feed = feed
        self._position = feed.position
        self._moves: list[tuple[Transaction, Event, int]] = []
        self._given: int | None = None
        self._ready: deque[TransactionChanges] = deque()
        self._lock = threading.Lock()
        self._closed = False
        self._end()

    # reading

    def __iter__(self: _Self) -> _Self:
        return self

    def __next__(self) -> TransactionChanges:
        end = self._end()
        while True:
            if self._fetch() and (found := self._take()) is not None:
                return found
            if self._is_over(end):
                raise StopIteration
            with self._unless_over():
                self._connection.database.log.wait(self._feed.position, min(end - time.monotonic(), SLICE))

    def __aiter__(self: _Self) -> _Self:
        return self

    async def __anext__(self) -> TransactionChanges:
        import asyncio

        end = self._end()
        while True:
            # what a thread has fetched stays in `_ready`, so a task that is cancelled meanwhile loses nothing
            if await asyncio.to_thread(self._fetch) and (found := self._take()) is not None:
                return found
            if self._is_over(end):
                raise StopAsyncIteration
            while self._is_idle() and not self._is_over(end):
                coming = self._connection.database.news.coming()
                if self._is_idle():
                    await asyncio.wait([asyncio.wrap_future(coming)], timeout=max(min(end - time.monotonic(), SLICE), 0))

    def _fetch(self) -> bool:
        """Have a transaction ready, if there is one by now."""
        with self._lock:
            if self._is_over():
                return False
            if not self._ready:
                with self._unless_over():
                    self._connection.session.check_open()
                    found = self._feed.next()
                    if found is not None:
                        self._ready.append(found)
            return bool(self._ready)

    def _take(self) -> TransactionChanges | None:
        """Give what is ready; None where another thread or task was quicker."""
        with self._lock:
            if not self._ready:
                return None
            found = self._ready.popleft()
            self._given = found.number
            return found

    def _is_idle(self) -> bool:
        """Whether there is nothing to fetch, as far as this process knows."""
        return not self._ready and self._connection.database.log.head <= self._feed.position

    def _end(self) -> float:
        """When an iteration that begins now has waited long enough. Raises InvalidParameterValue."""
        timeout = self.timeout
        if timeout is None:
            return math.inf
        if isinstance(timeout, bool) or not isinstance(timeout, int | float) or timeout != timeout:
            raise InvalidParameterValue(f"timeout must be a number of seconds or None, not {timeout!r}")
        return time.monotonic() + timeout

    def _is_over(self, end: float = math.inf) -> bool:
        return self._closed or self._connection.closed or time.monotonic() >= end

    @contextlib.contextmanager
    def _unless_over(self) -> Iterator[None]:
        """An error that comes of closing is none."""
        try:
            yield
        except Error:
            if not self._is_over():
                raise

    # the position

    @property
    def position(self) -> int:
        """The last transaction that is done with: acknowledged, where the subscription has a name, else given."""
        if self.name is None:
            return self._feed.position if self._given is None else self._given
        self._settle()
        return self._position

    def acknowledge(self, upto: TransactionChanges | int | None = None) -> None:
        """Move the position of a named subscription to a transaction (None: the last one that was given): everything up to it is done with.

        It is a write in the connection's transaction like any other, so it counts if that is committed; together with what the consumer
        itself writes there, each change has its effect exactly once. With autocommit and no transaction open it is committed at once.

        Raises SerializationFailure, here or at the commit, if another consumer has moved the position: subscribe again then;
        UndefinedObject if the subscription was dropped.
        """
        from eventdb.engine.subscriptions import move

        name = self.name
        if name is None:
            raise ProgrammingError("a subscription without a name has no position to move")
        number = upto.number if isinstance(upto, TransactionChanges) else self._given if upto is None else upto
        if number is None:
            raise ObjectNotInPrerequisiteState("nothing has been read that could be acknowledged")
        if isinstance(number, bool) or not isinstance(number, int):
            raise InvalidParameterValue(f"what is acknowledged is a transaction or its number, not {number!r}")
        connection = self._connection
        with connection.lock:
            session = connection.session
            session.check_open()
            self._settle()
            stands = self._stands_at(session.transaction)
            if not stands <= number <= max(self._given or 0, stands):
                given = "nothing yet" if self._given is None else f"transaction {self._given}"
                raise InvalidParameterValue(
                    f"cannot acknowledge transaction {number}: the position is {stands}, and the last that was given is {given}"
                )
            if number == stands:
                return
            moves = self._moves

            def work(transaction: Transaction) -> None:
                expected = self._stands_at(transaction)
                self._moves = [*moves, (transaction, move(transaction, name, expected, number), number)]

            session.run(work)
            self._settle()

    def _stands_at(self, transaction: Transaction | None) -> int:
        """The position as that transaction sees it, if nobody else has moved it."""
        moved = [number for of, event, number in self._moves if of is transaction and _holds(of, event)]
        return moved[-1] if moved else self._position

    def _settle(self) -> None:
        """Find out what became of the moves whose transaction is over."""
        current = self._connection.session.transaction
        if self._moves and self._moves[-1][0] is not current:
            for transaction, event, number in self._moves:
                if transaction.committed is not None and _holds(transaction, event):
                    self._position = number
            self._moves = []

    def close(self) -> None:
        """End the iteration, also one that waits in another thread."""
        self._closed = True

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        name = f"{self.name!r} " if self.name is not None else ""
        return f"<eventdb.Subscription {name}behind transaction {self.position}>"


def _holds(transaction: Transaction, event: Event) -> bool:
    """Whether the transaction still has the event: rolling back to a savepoint takes events out."""
    return any(made is event for made in reversed(transaction.events))

