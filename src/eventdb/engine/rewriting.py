"""Rewriting the past: the one operation under ERASE (and whatever else takes values out of the log).

    rewrite(database, session, state, events_of, finish)

goes through the log, lets `events_of` change the events of each transaction, and applies what it gives to an empty state: so the new state
is by construction what the log says afterwards, and a body that could not be replayed is found before anything is changed. Then the
transaction with the receipts is appended, the bodies are replaced, snapshots are removed and one of the new state is written.

Everything of this process that could still give the old values is dropped: the old state, the recent events, transactions under way (they
fail with 40001). Other processes do the same when they meet the transaction.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from eventdb.engine.provenance import merged
from eventdb.engine.settings import seconds
from eventdb.engine.transaction import Transaction
from eventdb.errors import Error, IOFailure, LockNotAvailable, ObjectNotInPrerequisiteState
from eventdb.model import clock
from eventdb.model.event import BodiesRewritten, Event
from eventdb.storage.codec import decode_body, encode_body
from eventdb.storage.log.base import Conflict, Proposal, Record
from eventdb.storage.recovery import apply_record
from eventdb.storage.state import Editor, State
from eventdb.storage.table import collector_asleep

if TYPE_CHECKING:
    from eventdb.engine.database import Database
    from eventdb.engine.session import Session

EventsOf = Callable[[int, Sequence[Event]], Sequence[Event]]
"""(transaction, its events) → the events that it is to have; the same object where they stay."""


def check_alone(session: Session, what: str, position: int) -> None:
    """A rewriting is a transaction of its own: end one that has only read. Raises ActiveTransaction, ReadOnlyTransaction."""
    from eventdb.errors import ActiveTransaction

    transaction = session.transaction
    if transaction is not None:
        if transaction.changed or session.savepoints or transaction.inner_provenance is not None:
            raise ActiveTransaction(f"{what} cannot run inside a transaction", hint="Commit or roll back first.", position=position)
        session.rollback()
    session.alone().check_writable()


class Conflicted(Exception):
    """Another process appended first: look again."""


def rewrite(
    database: Database, session: Session, state: State, events_of: EventsOf, finish: Callable[[State], Sequence[Event]], what: str
) -> int:
    """Give transactions up to `state`, the head, other events, and append the transaction that says so; its number.

    `finish` is given the state that the changed log leads to, and makes that transaction's own events. The caller holds the commit lock.
    Raises Conflicted, what the log raises (nothing was changed then), IOFailure where the transaction is committed but something that holds
    old values could not be removed: the next to open the database does it.
    """
    log = database.log
    if log.first > 1:
        raise ObjectNotInPrerequisiteState(f"{what} needs the whole log, and this one begins at transaction {log.first}")
    work = _Work(database, events_of, finish, session)
    try:
        with collector_asleep(1 << 30):
            outcome = log.rewrite(state.number, work.txid, work.replace, work.propose)
    except Error as error:
        if log.rewritten <= state.number or work.editor is None:
            raise
        database.replace_history(work.editor.publish(work.time))
        raise IOFailure(f"{what} is committed as transaction {log.rewritten}, but not complete: {error.message}") from error
    if isinstance(outcome, Conflict):
        raise Conflicted
    assert work.editor is not None
    number = outcome.headers[0].number
    database.replace_history(work.editor.publish(outcome.headers[0].time))
    session.last_transaction = number
    try:
        database.renew_snapshots()
    except Error as error:
        message = f"{what} is committed as transaction {number}, but snapshots with old values could not be removed: {error.message}"
        raise IOFailure(message, hint="The next to open the database removes them.") from error
    return number


class _Work:
    def __init__(
        self, database: Database, events_of: EventsOf, finish: Callable[[State], Sequence[Event]], session: Session
    ) -> None:
        self.txid = os.urandom(16)
        self.editor: Editor | None = None
        self.time = 0
        self._state = State.empty(database.index_keys)
        self._events_of = events_of
        self._finish = finish
        settings = session.settings
        draft = Transaction(database, database.head)
        draft.begin_changes()
        self._provenance = draft.finished_provenance(merged(settings.provenance, settings.outer))

    def replace(self, record: Record) -> bytes | None:
        events = decode_body(record.body)
        made = self._events_of(record.header.number, events)
        self._state = apply_record(self._state, record, made)
        return None if made is events else encode_body(made)

    def propose(self, receipts: BodiesRewritten) -> Proposal:
        state = self._state
        events = [*self._finish(state), receipts]
        self.editor = state.edit(state.number + 1)
        for event in events:
            self.editor.apply(event)
        self.time = max(clock.now(), (state.time_of(state.number) or 0) + 1)
        return Proposal(self.txid, encode_body(events), self.time, self._provenance)


class CommitLock:
    """The commit lock of a database, waited for as long as the session waits for locks. Raises LockNotAvailable."""

    def __init__(self, session: Session, what: str) -> None:
        self._lock = session.database.committer.lock
        self._timeout = seconds(session.settings)
        self._what = what

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=self._timeout if self._timeout >= 0 else -1):
            raise LockNotAvailable(f"{self._what} could not begin within {self._timeout} s: other transactions hold the commit lock")

    def __exit__(self, *_: object) -> None:
        self._lock.release()
