"""The one commit path.

Committers put their request into a queue and take the commit lock; who gets it, takes the whole queue (group commit): catch up with
the log, check each request against what came before it, re-apply its events where the head moved, append all in one go with one sync,
and publish the last state. The others find their request answered when the lock comes to them. If the log's head moved in between
(another process), the whole is done again.

A new state is made before the append and published after it: an append that fails leaves nothing behind. An append whose answer was
lost is resolved by looking for the transaction's random id at the position where it would be.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from eventdb.engine.coalesce import coalesce
from eventdb.engine.conflicts import Conflicts, ReadSet, changed_keys, is_schema_event, tables_in
from eventdb.engine.sequences import beyond
from eventdb.errors import Error, LockNotAvailable, SerializationFailure, TransactionResolutionUnknown
from eventdb.model import clock
from eventdb.model.event import Event, SequenceAdvanced, is_temporary
from eventdb.model.transaction import Provenance
from eventdb.storage.codec import encode_body
from eventdb.storage.log.base import Ambiguous, Conflict, Durability, Proposal
from eventdb.storage.state import State

if TYPE_CHECKING:
    from eventdb.engine.database import Database
    from eventdb.engine.transaction import Transaction

_GROUP_BYTES = 16 << 20


class Request:
    """A transaction that wants to be committed. `number` is set when it is, `error` when it cannot be."""

    __slots__ = ("body", "durability", "error", "events", "number", "own", "provenance", "spent", "time", "transaction", "txid")

    def __init__(self, transaction: Transaction, provenance: Provenance, durability: Durability) -> None:
        self.transaction = transaction
        self.provenance = provenance
        self.durability = durability
        catalog = transaction.catalog
        base = transaction.base.catalog
        self.own = transaction.owns
        """Whether the editor has objects of the session, so that the state that it would publish is not one for others."""
        lasting = [event for event in transaction.events if not is_temporary(event)] if self.own else transaction.events
        self.events: Sequence[Event] = coalesce(
            lasting, lambda table_id: (catalog.tables.get(table_id) or base.tables[table_id]).key_slots
        )
        self.body = encode_body(self.events)
        self.txid = os.urandom(16)
        self.number = 0
        self.time = 0
        self.error: BaseException | None = None
        self.spent = self.own
        """The transaction's own editor has been published once already, so a second try applies the events again."""

    @property
    def answered(self) -> bool:
        return self.number > 0 or self.error is not None


class Committer:
    """Commits the transactions of one database in this process, one group at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: deque[Request] = deque()
        self.lock = threading.RLock()
        self.busy = False
        self.groups = 0
        """Appends made so far, for measuring."""

    def commit(self, request: Request, timeout: float) -> None:
        """Bring the request into the log and publish its state. Raises SerializationFailure, LockNotAvailable, what the log raises."""
        self._queue.append(request)
        try:
            held = self.lock.acquire(timeout=timeout if timeout >= 0 else -1)
        except BaseException:
            self._withdraw(request)
            raise
        if not held:
            if self._withdraw(request):
                raise LockNotAvailable(f"could not commit within {timeout} s: other transactions hold the commit lock")
        else:
            try:
                if not request.answered:
                    self._work(timeout)
            finally:
                self.lock.release()
        if request.error is not None:
            raise request.error

    def _withdraw(self, request: Request) -> bool:
        """Take the request back; False if it is answered already (waits for an answer in the making)."""
        try:
            self._queue.remove(request)
        except ValueError:
            with self.lock:
                return not request.answered
        return True

    def _work(self, timeout: float) -> None:
        group: list[Request] = []
        size = 0
        while self._queue and size < _GROUP_BYTES:
            request = self._queue.popleft()
            group.append(request)
            size += len(request.body)
        self.busy = True
        try:
            self._group(group, timeout)
        except BaseException as error:
            for request in group:
                if not request.answered:
                    request.error = error
            if not isinstance(error, Exception):
                raise
        finally:
            self.busy = False

    def _group(self, group: list[Request], timeout: float) -> None:
        deadline = time.monotonic() + timeout
        database = self._database
        while True:
            database.catch_up()
            head = database.head
            ready: list[Request] = []
            states: list[State] = []
            for request in group:
                try:
                    states.append(self._successor(request, states[-1] if states else head, ready))
                    ready.append(request)
                except Exception as error:
                    request.error = error
            if not ready:
                return
            proposals = [Proposal(r.txid, r.body, r.time, r.provenance) for r in ready]
            try:
                outcome = database.log.append(proposals, head.number, _strongest(ready))
            except Ambiguous as error:
                self._resolve(ready, head.number, error)
                return
            except Error as error:
                if len(ready) == 1:
                    raise
                for request in ready:
                    self._alone(request, timeout, error)
                return
            self.groups += 1
            if not isinstance(outcome, Conflict):
                for request, header in zip(ready, outcome.headers, strict=True):
                    if header.time != request.time:
                        database.catch_up()
                        break
                else:
                    database.publish(states, [(r.events, len(r.body)) for r in ready])
                for request, header in zip(ready, outcome.headers, strict=True):
                    request.number = header.number
                    self._publish_sequences(request)
                return
            if time.monotonic() > deadline:
                raise LockNotAvailable(f"could not commit within {timeout} s: other processes kept changing the database")

    def _alone(self, request: Request, timeout: float, error: Error) -> None:
        """One of a group whose append failed, tried by itself: the failure may be another's (a record too large, say)."""
        try:
            self._group([request], timeout)
        except Error as own:
            request.error = own

    def _successor(self, request: Request, state: State, before: Sequence[Request]) -> State:
        """The state after the request's transaction on top of `state`. Raises SerializationFailure."""
        transaction = request.transaction
        base = transaction.base
        if base.rewritten != state.rewritten:
            raise history_changed(state.rewritten)
        last = state.time_of(state.number) or 0
        request.time = max(clock.now(), last + 1)
        if state is base and not request.spent:
            request.spent = True
            return transaction.editor.publish(request.time)
        if state.number != base.number:
            self._check(request, state, before)
        editor = state.edit(state.number + 1)
        events = [event for event in request.events if not self._overtaken(event, transaction, state)]
        if len(events) != len(request.events):
            request.events = events
            request.body = encode_body(events)
        for event in events:
            editor.apply(event)
        return editor.publish(request.time)

    def _overtaken(self, event: Event, transaction: Transaction, state: State) -> bool:
        """Whether a later transaction has given out values beyond the one that this event tells."""
        if type(event) is not SequenceAdvanced or event.sequence_id in transaction.set_sequences:
            return False
        sequence = state.catalog.sequences[event.sequence_id]
        return beyond(sequence, state.sequence_value(sequence.id), event.value)

    def _check(self, request: Request, state: State, before: Sequence[Request]) -> None:
        """Raises SerializationFailure if the request's transaction conflicts with what lies between its base and `state`."""
        transaction = request.transaction
        if transaction.expected is not None:
            raise _failure(f"the transaction expected to follow transaction {transaction.expected}, but {state.number} came first")
        database = self._database
        since: list[Event] = []
        for number, events, foreign in database.changes(transaction.base.number):
            if foreign:
                for event in events:
                    if type(event) is SequenceAdvanced and event.sequence_id in transaction.reserved:
                        raise _failure(f"another process took values of a sequence, in transaction {number}")
            since.extend(events)
        for other in before:
            since.extend(other.events)
        if any(is_schema_event(event) for event in since):
            raise _failure("another transaction changed the schema")
        catalog = transaction.base.catalog
        changed = changed_keys(since, catalog)
        if not changed:
            return
        if any(is_schema_event(event) for event in request.events):
            depends = {table_id for event in request.events if is_schema_event(event) for table_id in tables_in(event)}
            if not depends.isdisjoint(changed):
                raise _failure("another transaction changed rows of a table whose definition this one changes")
        written = changed_keys((event for event in request.events if getattr(event, "table_id", None) in changed), catalog)
        conflicts = Conflicts(transaction.base, state, changed, database.index_keys)
        reads: list[ReadSet] = [transaction.probes]
        if transaction.isolation == "serializable":
            reads.append(transaction.reads)
        detail = conflicts.find(reads, written)
        if detail is not None:
            raise _failure(detail)

    def _publish_sequences(self, request: Request) -> None:
        database = self._database
        for event in request.events:
            if type(event) is SequenceAdvanced and event.sequence_id in request.transaction.set_sequences:
                database.allocators.restart(event.sequence_id, event.value)

    def _resolve(self, ready: list[Request], expect: int, error: Ambiguous) -> None:
        """Find out whether an append whose answer was lost took place."""
        database = self._database
        try:
            database.log.refresh()
            found = {record.header.txid: record.header.number for record in database.log.read(expect, expect + len(ready))}
        except Exception as failure:
            raise TransactionResolutionUnknown(
                "it is not known whether the transaction was committed: the log failed during the append, and cannot be read now",
                detail=f"{error.message}; {failure}",
            ) from error
        if not any(request.txid in found for request in ready):
            raise error
        database.catch_up()
        for request in ready:
            if request.txid in found:
                request.number = found[request.txid]
                self._publish_sequences(request)
            else:
                request.error = error


def _strongest(requests: Sequence[Request]) -> Durability:
    wishes = {request.durability for request in requests}
    return "full" if "full" in wishes else "os" if "os" in wishes else "none"


def history_changed(number: int) -> SerializationFailure:
    """The error for who reads a past that is no more."""
    return SerializationFailure(
        f"could not go on: transaction {number} removed values from the past since this one began", hint="Run the transaction again."
    )


def _failure(detail: str) -> SerializationFailure:
    return SerializationFailure(
        "could not serialize access: a concurrent transaction came first", detail=detail, hint="Run the transaction again."
    )
