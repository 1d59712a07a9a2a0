"""Rewriting the past: the one operation under ERASE (and whatever else takes values out of the log).

    rewrite(session, what, plan)

goes through the log, lets the plan change the events of each transaction, and applies what it gives to an empty state: so the new state
is by construction what the log says afterwards, and a body that could not be replayed is found before anything is changed. Then the
transaction with the receipts is appended, the bodies are replaced, snapshots are removed and one of the new state is written: this last
without the commit lock, for whoever copies or verifies the database holds its snapshots still and waits for commits.

Everything of this process that could still give the old values is dropped: the old state, the recent events, transactions under way (they
fail with 40001). Other processes do the same when they meet the transaction.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from eventdb.engine.provenance import merged
from eventdb.engine.settings import seconds
from eventdb.engine.transaction import Transaction
from eventdb.errors import Error, IOFailure, LockNotAvailable, ObjectNotInPrerequisiteState, QueryCanceled
from eventdb.model import clock
from eventdb.model.event import BodiesRewritten, Event
from eventdb.storage.codec import decode_body, encode_body
from eventdb.storage.log.base import Conflict, Proposal, Record
from eventdb.storage.recovery import Replay
from eventdb.storage.state import Editor, State
from eventdb.storage.table import collector_asleep

if TYPE_CHECKING:
    from eventdb.engine.session import Session


class Plan(Protocol):
    """What is to be rewritten, made on one state."""

    def events_of(self, number: int, events: Sequence[Event]) -> Sequence[Event]:
        """The events that a transaction is to have; the same object where they stay. Called for all of them in order."""
        ...

    def finish(self, state: State) -> Sequence[Event]:
        """The events of the rewriting transaction itself, given the state that the changed log leads to. Raises where that is not right."""
        ...


P = TypeVar("P", bound=Plan)


def check_alone(session: Session, what: str, position: int) -> None:
    """A rewriting is a transaction of its own: end one that has only read. Raises ActiveTransaction, ReadOnlyTransaction."""
    from eventdb.errors import ActiveTransaction

    transaction = session.transaction
    if transaction is not None:
        if transaction.changed or session.savepoints or transaction.inner_provenance is not None:
            raise ActiveTransaction(f"{what} cannot run inside a transaction", hint="Commit or roll back first.", position=position)
        session.rollback()
    session.alone().check_writable()


def rewrite(session: Session, what: str, plan: Callable[[State], P | None], deadline: float | None) -> P | None:
    """Give transactions other events as `plan`, made on the newest state, says, and append the transaction that says so; the plan, None
    where it found nothing to do. It is made again where another process appends first.

    Raises what the plan and the log raise, and QueryCanceled after `deadline` (nothing was changed then), LockNotAvailable, and IOFailure
    where the transaction is committed but something that holds old values could not be removed: the next to open the database does it.
    """
    database = session.database
    number = None
    while number is None:
        with CommitLock(session, what):
            database.catch_up()
            state = database.head  # the one that is looked through: reading may meanwhile learn of transactions of other processes
            made = plan(state)
            if made is None:
                return None
            number = _rewritten(session, state, _Work(session, made, deadline), what)
    session.last_transaction = number
    try:
        database.renew_snapshots()
    except Error as error:
        message = f"{what} is committed as transaction {number}, but snapshots with old values could not be removed: {error.message}"
        raise IOFailure(message, hint="The next to open the database removes them.") from error
    return made


def _rewritten(session: Session, state: State, work: _Work, what: str) -> int | None:
    """Carry out a plan on `state`, the head, under the commit lock; the number of the transaction, None where another one came first."""
    database, log = session.database, session.database.log
    if log.first > 1:
        raise ObjectNotInPrerequisiteState(f"{what} needs the whole log, and this one begins at transaction {log.first}")
    try:
        with collector_asleep(1 << 30):
            outcome = log.rewrite(state.number, work.txid, work.replace, work.propose)
    except Error as error:
        if log.rewritten <= state.number or work.editor is None:
            raise
        database.replace_history(work.editor.publish(work.time))
        raise IOFailure(f"{what} is committed as transaction {log.rewritten}, but not complete: {error.message}") from error
    if isinstance(outcome, Conflict):
        return None
    assert work.editor is not None
    database.replace_history(work.editor.publish(outcome.headers[0].time))
    return outcome.headers[0].number


class _Work:
    """One run of a plan: the state that the changed log leads to, as far as it was read."""

    def __init__(self, session: Session, plan: Plan, deadline: float | None) -> None:
        database = session.database
        self.txid = os.urandom(16)
        self.editor: Editor | None = None
        self.time = 0
        self._replay = Replay(State.empty(database.index_keys))
        self._plan = plan
        self._deadline = deadline
        settings = session.settings
        draft = Transaction(database, database.head)
        draft.begin_changes()
        self._provenance = draft.finished_provenance(merged(settings.provenance, settings.outer))

    def replace(self, record: Record) -> bytes | None:
        if self._deadline is not None and time.perf_counter() > self._deadline:
            raise QueryCanceled("canceling statement due to statement timeout")
        events = decode_body(record.body)
        made = self._plan.events_of(record.header.number, events)
        self._replay.apply(record, made)
        return None if made is events else encode_body(made)

    def propose(self, receipts: BodiesRewritten) -> Proposal:
        state = self._replay.state
        events = [*self._plan.finish(state), receipts]
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
