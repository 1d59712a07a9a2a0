"""A session's transaction: how it begins and ends, who makes it, and how a piece of work is done in it so that a failure undoes it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from eventdb.engine.commit import Request, history_changed
from eventdb.engine.database import Database
from eventdb.engine.execution import Execution
from eventdb.engine.provenance import merged
from eventdb.engine.results import Result, translated
from eventdb.engine.sequences import Allocators
from eventdb.engine.settings import Settings, seconds
from eventdb.engine.temporal import moment_from_python
from eventdb.engine.transaction import Mark, Transaction
from eventdb.errors import ConnectionDoesNotExist, NoActiveTransaction, ReadOnlyTransaction, SerializationFailure
from eventdb.model.event import SequenceAdvanced
from eventdb.model.late import Late
from eventdb.model.transaction import Provenance
from eventdb.storage.state import State

if TYPE_CHECKING:
    from eventdb.engine import constraints
    from eventdb.engine.temporary import Temporary
else:
    constraints = Late("eventdb.engine.constraints")


class Transacting:
    """The part of a session that has its transaction, and what a transaction begins on: the database, what the session owns, settings."""

    def __init__(self, database: Database, settings: Settings, autocommit: bool, read_only: bool, as_of: Any) -> None:
        self.database = database
        self.settings = settings
        self.autocommit = autocommit
        self.read_only = read_only
        self.transaction: Transaction | None = None
        self.savepoints: list[tuple[str, Mark, dict[str, str]]] = []
        self.last_transaction: int | None = None
        self.closed = False
        self.local: dict[str, str | None] = {}
        """What SET LOCAL set, as it was before."""
        self._settings_before: dict[str, str] | None = None
        self.temporary: Temporary | None = None
        self.own_allocators = Allocators()
        self.refresh: Callable[[], State] = database.refresh
        """The newest state, with what the session owns."""
        self.pinned: int | None = None
        if as_of is not None:
            self.pinned = moment_from_python(as_of, database.refresh(), settings.timezone)
        self.connection_pin = self.pinned

    @property
    def timezone(self) -> Any:
        return self.settings.timezone

    def check_open(self) -> None:
        """Raises ConnectionDoesNotExist after close, and in a forked child."""
        if self.closed:
            raise ConnectionDoesNotExist("the connection is closed")
        if self.database.forked:
            lost = "the connection was opened before a fork; a child process must connect by itself"
            raise ConnectionDoesNotExist(self.database.lost or lost)

    # beginning and ending

    def begin(self, isolation: str | None = None, read_only: bool | None = None, pinned: int | None = None) -> Transaction:
        """Begin a transaction on the newest state."""
        self.check_open()
        values = self.settings.values
        transaction = Transaction(
            self.database,
            self.refresh(),
            isolation or values["transaction_isolation"],
            self.read_only if read_only is None else read_only or self.read_only,
            self.pinned if pinned is None else pinned,
            self.own_allocators,
        )
        self.transaction = transaction
        self._settings_before = values
        return transaction

    def attribute(self, told: Provenance) -> None:
        """Say who makes the current transaction and why; what was said before stays where `told` is silent. Begins one where needed.
        Raises NoActiveTransaction in autocommit."""
        self.check_open()
        transaction = self.transaction
        if transaction is None:
            if self.autocommit:
                raise NoActiveTransaction("there is no transaction to attribute: the connection is in autocommit")
            transaction = self.begin()
        before = transaction.inner_provenance
        transaction.inner_provenance = told if before is None else merged(told, before)

    def commit(self) -> None:
        """Commit the current transaction; nothing to do without one. On an error it is rolled back."""
        transaction = self.transaction
        if transaction is None:
            return
        try:
            transaction.flush()
            if transaction.events:
                self._commit(transaction)
        except BaseException:
            self._ended(True)
            raise
        self._ended(False)

    def _commit(self, transaction: Transaction) -> None:
        session: Any = self
        try:
            if transaction.deferred:
                constraints.check_deferred(transaction, Execution(session, transaction.reader, transaction))
            settings = self.settings
            told = transaction.finished_provenance(merged(settings.provenance, settings.outer))
            request = Request(transaction, told, settings.values["durability"])  # type: ignore[arg-type]
            if request.events:
                self.database.committer.commit(request, seconds(settings))
                self.last_transaction = transaction.committed = request.number
            if request.own:
                self._keep(transaction)
        except Exception as error:
            raise (known := translated(error, None)) from known.__cause__

    def _keep(self, transaction: Transaction) -> None:
        """Take over what the transaction made of the session's own objects."""
        from eventdb.engine.temporary import kept

        self.temporary = temporary = kept(transaction, self.temporary)
        for sequence_id in transaction.set_sequences:
            if sequence_id < 0:
                self.own_allocators.restart(sequence_id, temporary.sequences.get(sequence_id))
        database = self.database
        self.refresh = lambda: temporary.over(database.refresh())

    def rollback(self) -> None:
        """Drop the current transaction; nothing to do without one."""
        if self.transaction is not None:
            self._ended(True)

    def _ended(self, restore: bool) -> None:
        self.transaction = None
        self.savepoints = []
        before = self._settings_before
        self._settings_before = None
        if restore and before is not None and before is not self.settings.values:
            self.settings.restore(before)
        elif self.local:
            for name, value in self.local.items():
                self.settings.set(name, value)
        self.local = {}

    def position(self) -> int:
        """The transaction number that is read now: the moment that this session is pinned to, where its transaction began, or the head."""
        transaction = self.transaction
        if transaction is not None:
            return transaction.base.number if transaction.pinned is None else transaction.pinned
        return self.database.refresh().number if self.pinned is None else self.pinned

    def position_of(self, moment: Any) -> int:
        """The transaction number for a moment given as a number, datetime or text."""
        return moment_from_python(moment, self.database.refresh(), self.timezone)

    def check_history(self) -> None:
        """Raises SerializationFailure, and rolls back, where values were erased since the transaction began."""
        transaction = self.transaction
        if transaction is not None and transaction.base.rewritten != self.database.head.rewritten:
            self.rollback()
            raise history_changed(self.database.head.rewritten)

    # doing work in it

    def alone(self) -> Transaction:
        """A transaction for one statement that stands by itself."""
        if self.pinned is not None:
            raise ReadOnlyTransaction(f"cannot write: the session reads the past, as of transaction {self.pinned}")
        isolation = self.settings.values["transaction_isolation"]
        return Transaction(self.database, self.refresh(), isolation, self.read_only, None, self.own_allocators)

    def commit_alone(self, transaction: Transaction) -> None:
        if transaction.events:
            self._commit(transaction)

    def in_transaction(self, work: Callable[[Transaction], Result], marked: bool = False) -> Result:
        """Do a write in the current transaction, or in one of its own that is tried again on a conflict. A failure undoes the statement."""
        if self.transaction is None and not self.autocommit:
            self.begin()
        transaction = self.transaction
        if transaction is not None:
            transaction.check_writable()
            return self._undoable(transaction, work, marked)
        deadline = _Deadline(seconds(self.settings))
        while True:
            transaction = self.alone()
            transaction.check_writable()
            result = work(transaction)
            try:
                self.commit_alone(transaction)
                return result
            except SerializationFailure:
                if deadline.passed():
                    raise

    def run(self, work: Callable[[Transaction], Any]) -> None:
        """Do a piece of work that writes, in the current transaction or in one of its own as autocommit has it. A failure undoes it."""

        def done(transaction: Transaction) -> Result:
            transaction.flush()
            transaction.begin_changes()
            work(transaction)
            return Result()

        self.in_transaction(done, True)

    def _undoable(self, transaction: Transaction, work: Callable[[Transaction], Result], marked: bool) -> Result:
        mark = transaction.mark() if marked else None
        before = len(transaction.events)
        try:
            return work(transaction)
        except Exception:
            if mark is not None:
                transaction.reset(mark)
            else:
                self.unless_undone(transaction, before)
            raise
        except BaseException:
            if mark is not None:
                transaction.reset(mark)
            else:
                self.rollback()
            raise

    def unless_undone(self, transaction: Transaction, before: int) -> None:
        """After a failed write: values taken of sequences may stay; anything else would be half a statement, so the transaction goes."""
        if any(type(event) is not SequenceAdvanced for event in transaction.events[before:]):
            self.rollback()


class _Deadline:
    def __init__(self, timeout: float) -> None:
        self._end = time.monotonic() + timeout

    def passed(self) -> bool:
        return time.monotonic() > self._end
