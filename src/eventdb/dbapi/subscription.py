"""A live feed of changes, and the position of a named one."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, TypeVar

from eventdb.engine.feed import Feed, TransactionChanges
from eventdb.errors import Error, InvalidParameterValue, ObjectNotInPrerequisiteState, ProgrammingError

if TYPE_CHECKING:
    from eventdb.dbapi.connection import Connection
    from eventdb.engine.transaction import Transaction
    from eventdb.model.event import Event

_Self = TypeVar("_Self", bound="Subscription")
_SLICE = 0.25
"""So many seconds at most does a wait go on before it looks whether it was closed."""


class Subscription:
    """Transactions as they are committed, by whatever process, after those that were there: made by `Connection.subscribe`.

    Iterating waits for the next one, `timeout` seconds at most (None: for ever), and then ends; iterating again goes on. Nothing is left
    out and nothing comes twice. `async for` does the same without blocking the event loop. It reads what is committed, whatever the
    connection's own transaction sees, and ends when the connection is closed.

    A named subscription begins where it was acknowledged last. One consumer at a time: where two acknowledge, one of them gets 40001.
    """

    def __init__(self, connection: Connection, feed: Feed, name: str | None, timeout: float | None) -> None:
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

    # reading

    def __iter__(self: _Self) -> _Self:
        return self

    def __next__(self) -> TransactionChanges:
        end = None if self.timeout is None else time.monotonic() + self.timeout
        while not self._fetch(_left(end)):
            if self._is_over() or (end is not None and time.monotonic() >= end):
                raise StopIteration
        return self._taken()

    def __aiter__(self: _Self) -> _Self:
        return self

    async def __anext__(self) -> TransactionChanges:
        import asyncio

        end = None if self.timeout is None else time.monotonic() + self.timeout
        # what a thread has fetched stays in `_ready`, so a task that is cancelled meanwhile loses nothing
        while not await asyncio.to_thread(self._fetch, _left(end)):
            if self._is_over() or (end is not None and time.monotonic() >= end):
                raise StopAsyncIteration
        return self._taken()

    def _fetch(self, wait: float) -> bool:
        """Have a transaction ready, if there is one within `wait` seconds."""
        with self._lock:
            if self._ready:
                return True
            if self._is_over():
                return False
            self._connection.session.check_open()
            try:
                found = self._feed.next()
                if found is None and wait > 0:
                    self._connection.database.log.wait(self._feed.position, wait)
                    found = self._feed.next()
            except Error:
                if self._is_over():
                    return False
                raise
            if found is not None:
                self._ready.append(found)
            return found is not None

    def _taken(self) -> TransactionChanges:
        found = self._ready.popleft()
        self._given = found.number
        return found

    def _is_over(self) -> bool:
        return self._closed or self._connection.closed

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


def _left(end: float | None) -> float:
    return _SLICE if end is None else max(min(end - time.monotonic(), _SLICE), 0.0)
