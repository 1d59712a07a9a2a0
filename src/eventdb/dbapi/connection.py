"""Connections: `connect`, transactions, cursors.

A connection may be shared by threads; they take turns, statement by statement, and share its transaction. As a context manager it commits
on
success and rolls back on an exception, and stays open, as in sqlite3; `contextlib.closing` closes it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from eventdb import errors
from eventdb.dbapi.cursor import Cursor, PastCursor
from eventdb.dbapi.rows import RowFactory
from eventdb.dbapi.whole import WholeDatabase, text
from eventdb.engine import provenance as who
from eventdb.engine.control import expect
from eventdb.engine.database import open_shared
from eventdb.engine.session import Session
from eventdb.engine.settings import Settings, isolation_level
from eventdb.errors import ActiveTransaction, InterfaceError
from eventdb.storage.files import Files

_Self = TypeVar("_Self", bound="Connection")


def connect(
    database: str | os.PathLike[str],
    *,
    autocommit: bool = False,
    isolation_level: str = "serializable",
    as_of: Any = None,
    fork_as_of: Any = None,
    read_only: bool = False,
    timeout: float = 5.0,
    durability: str = "full",
    actor: str | None = None,
    reason: str | None = None,
    correlation_id: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    timezone: str = "UTC",
    row_factory: RowFactory | None = None,
    json_loads: Callable[[str], Any] | None = None,
    allow_erase: bool = False,
    _files: Files | None = None,
    **unknown: Any,
) -> Connection:
    """Open a database, made where there is none.

    `database`: the path of its directory; ":memory:" for one of this connection alone, ":memory:name" for one in memory that connections of
    this
    process share under that name. `autocommit`: every statement is a transaction of its own, unless BEGIN says otherwise; else the first
    statement
    begins one, until `commit` or `rollback`. `isolation_level`: "serializable" or "snapshot". `as_of`: pins the connection to a past moment
    (transaction
    number, datetime or text); it then refuses writes. `fork_as_of`: connects to a fork of the database at that moment ("now": the
    newest transaction), see `Connection.fork`; nothing of the database itself is changed, and where there is none, none is made.
    `timeout`: seconds to wait for locks. `durability`: "full" (on the disk when commit
    returns), "os" (handed to the operating system) or "none". `actor`, `reason`, `correlation_id`, `metadata`: what transactions are
    attributed
    to, unless they say otherwise. `timezone`: how timestamps with and without zone meet. `json_loads`: what
    parses JSON that is read, `json.loads` by default.
    `allow_erase`: whether ERASE may run, which removes values for good, from the past and from the log too.

    Raises CannotConnect, FormatVersionError, DataCorrupted, LockNotAvailable, InvalidParameterValue, InterfaceError.
    """
    if unknown:
        raise InterfaceError(f"connect() got an unknown argument {next(iter(unknown))!r}")
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise InterfaceError(f"timeout must be a number of seconds, not {type(timeout).__name__}")
    if json_loads is not None and not callable(json_loads):
        raise InterfaceError(f"json_loads must be a function, not {type(json_loads).__name__}")
    told = who.provenance(actor, reason, correlation_id, metadata)
    settings = Settings(
        timezone=text("timezone", timezone), transaction_isolation=text("isolation_level", isolation_level), lock_timeout=str(timeout),
        durability=text("durability", durability),
    )  # fmt: skip
    settings.outer = told
    if fork_as_of is None:
        shared = open_shared(database, read_only=read_only, files=_files)
    else:
        from eventdb.engine.fork import open_fork

        shared = open_fork(database, fork_as_of, settings.timezone, _files)
    try:
        session = Session(
            shared, settings, autocommit=bool(autocommit), read_only=bool(read_only), as_of=as_of, allow_erase=bool(allow_erase)
        )
    except BaseException:
        shared.release()
        raise
    session.json_loads = json_loads
    return Connection(session, row_factory)


class Connection(WholeDatabase):
    """A PEP 249 connection, made by `connect`. `row_factory`: what rows of its new cursors become, None for tuples."""

    Warning = errors.Warning
    Error = errors.Error
    InterfaceError = errors.InterfaceError
    DatabaseError = errors.DatabaseError
    DataError = errors.DataError
    OperationalError = errors.OperationalError
    IntegrityError = errors.IntegrityError
    InternalError = errors.InternalError
    ProgrammingError = errors.ProgrammingError
    NotSupportedError = errors.NotSupportedError

    def __init__(self, session: Session, row_factory: RowFactory | None = None) -> None:
        super().__init__(session, row_factory)
        self.messages: list[tuple[type, Any]] = []

    # statements

    def cursor(self, row_factory: RowFactory | None = None, *, as_of: Any = None) -> Cursor:
        """A new cursor. `as_of`: its queries read at that moment (transaction number, datetime or text), inside the connection's
        transaction or not, and it refuses to write; the moment is looked up when it executes."""
        self.session.check_open()
        return Cursor(self, row_factory) if as_of is None else PastCursor(self, row_factory, as_of)

    def execute(self, operation: str, parameters: Any = ()) -> Cursor:
        """Run a statement on a new cursor, and give that."""
        return self.cursor().execute(operation, parameters)

    def executemany(self, operation: str, seq_of_parameters: Iterable[Any]) -> Cursor:
        """Run a write for each parameter set on a new cursor, and give that."""
        return self.cursor().executemany(operation, seq_of_parameters)

    def executescript(self, script: str) -> Cursor:
        """Run all statements of a text on a new cursor, and give that."""
        return self.cursor().executescript(script)

    # transactions

    def commit(self) -> None:
        """Commit the transaction. Raises SerializationFailure where another one came first, and it is then rolled back."""
        with self.lock:
            self.session.check_open()
            self.session.commit()

    def rollback(self) -> None:
        """Roll the transaction back."""
        with self.lock:
            self.session.check_open()
            self.session.rollback()

    def attribute(
        self,
        *,
        actor: str | None = None,
        reason: str | None = None,
        correlation_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Say who makes the current transaction and why, for one that was not begun with `transaction(…)`. Begins it where there is none.

        It goes before what `eventdb.context` and the connection say, and ends with the transaction; said again, it adds to what was said
        before, name by name. Raises NoActiveTransaction in autocommit, InterfaceError for values of a wrong type.
        """
        told = who.provenance(actor, reason, correlation_id, metadata)
        with self.lock:
            self.session.attribute(told)

    @contextlib.contextmanager
    def transaction(
        self,
        *,
        actor: str | None = None,
        reason: str | None = None,
        correlation_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        isolation_level: str | None = None,
        read_only: bool = False,
        as_of: Any = None,
        expected_transaction: int | None = None,
    ) -> Iterator[Connection]:
        """A block that is one transaction: committed at its end, rolled back on an exception. Inside a transaction the block is a
        savepoint,
        and takes no arguments.

        `expected_transaction`: commit only if the database stands at that transaction (SerializationFailure otherwise).
        """
        told = who.provenance(actor, reason, correlation_id, metadata)
        session = self.session
        if session.transaction is not None:
            options = (isolation_level, as_of, expected_transaction)
            if told != who.provenance() or read_only or any(option is not None for option in options):
                raise ActiveTransaction("a transaction block inside a transaction is a savepoint and takes no arguments")
            with self._nested():
                yield self
            return
        with self.lock:
            level = None if isolation_level is None else _level(isolation_level)
            pinned = None if as_of is None else session.position_of(as_of)
            transaction = session.begin(level, read_only or None, pinned)
            transaction.inner_provenance = told
            try:
                if expected_transaction is not None:
                    expect(transaction, expected_transaction)
            except BaseException:
                session.rollback()
                raise
        try:
            yield self
        except BaseException:
            if session.transaction is transaction:
                self.rollback()
            raise
        if session.transaction is transaction:
            self.commit()

    @contextlib.contextmanager
    def _nested(self) -> Iterator[None]:
        session = self.session
        transaction = session.transaction
        assert transaction is not None
        with self.lock:
            mark, settings, depth = transaction.mark(), session.settings.values, len(session.savepoints)
        try:
            yield
        except BaseException:
            with self.lock:
                if session.transaction is transaction:
                    transaction.reset(mark)
                    session.settings.restore(settings)
                    del session.savepoints[depth:]
            raise

    @property
    def autocommit(self) -> bool:
        """Whether a statement outside a transaction is one of its own. Can be set while no transaction is open."""
        return self.session.autocommit

    @autocommit.setter
    def autocommit(self, value: bool) -> None:
        with self.lock:
            self.session.check_open()
            if self.session.transaction is not None:
                raise ActiveTransaction("autocommit cannot be changed inside a transaction")
            self.session.autocommit = bool(value)

    @property
    def in_transaction(self) -> bool:
        return self.session.transaction is not None

    @property
    def isolation_level(self) -> str:
        """ "serializable" or "snapshot", for the next transaction."""
        return self.session.settings.values["transaction_isolation"]

    @isolation_level.setter
    def isolation_level(self, value: str) -> None:
        with self.lock:
            self.session.check_open()
            if self.session.transaction is not None:
                raise ActiveTransaction("isolation_level cannot be changed inside a transaction")
            self.session.settings.set("transaction_isolation", text("isolation_level", value))

    @property
    def read_only(self) -> bool:
        return self.session.read_only

    @property
    def total_changes(self) -> int:
        """Rows inserted, updated and deleted through this connection."""
        return self.session.total_changes

    @property
    def last_transaction(self) -> int | None:
        """The number of the last transaction that this connection committed with changes."""
        return self.session.last_transaction

    # functions

    def create_function(
        self, name: str, nargs: int, func: Callable[..., Any] | None, *, deterministic: bool = False, returns: str | type | None = None
    ) -> None:
        """Let statements of this connection call `func` as `name`, as in sqlite3; None takes it away again.

        `nargs`: the number of arguments, -1 for any. `func` gets them as a cursor would give them, None for NULL. `deterministic`: equal
        arguments always give equal results, so the planner may compute it once or move it. `returns`: the type of the result, in SQL
        ("numeric(10,2)") or as a class (int, float, str, bool, bytes, Decimal, date, datetime, …); left out, the annotation of `func`
        says it. A registered function hides one of SQL with its name and number of arguments. Views, defaults, checks, indexes and
        generated columns, which outlive the connection, cannot call it.

        Statements raise ExternalRoutineException where it raises or gives a value of another type. Raises ProgrammingError,
        InvalidParameterValue (result type unknown), UndefinedObject.
        """
        self._register(name, nargs, func, deterministic, returns, False)

    def create_aggregate(
        self, name: str, nargs: int, aggregate_class: Callable[[], Any] | None, *, returns: str | type | None = None
    ) -> None:
        """Let statements of this connection call an aggregate; None takes it away again.

        `aggregate_class()` makes one for each group: its `step(…)` is called for each row (in the order of ORDER BY inside the call), its
        `finalize()` gives the result. It can be used with DISTINCT, FILTER and OVER too. The rest is as for `create_function`; the
        annotation that counts is that of `finalize`.
        """
        self._register(name, nargs, aggregate_class, False, returns, True)

    def _register(self, name: str, nargs: int, code: Any, deterministic: bool, returns: Any, aggregate: bool) -> None:
        from eventdb.sql.expressions.user import registered

        with self.lock:
            self.session.check_open()
            function = None if code is None else registered(name, nargs, code, deterministic, returns, aggregate)
            self.session.register(function, name.lower(), nargs)

    # life

    def close(self) -> None:
        """Roll back and close. May be called again."""
        with self.lock:
            self.session.close()

    def __enter__(self: _Self) -> _Self:
        self.session.check_open()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self.session.closed:
            return
        if kind is None:
            self.commit()
        else:
            self.rollback()

    def __repr__(self) -> str:
        state = "closed" if self.closed else "in a transaction" if self.in_transaction else "idle"
        return f"<eventdb.Connection to {self.database.name!r}, {state}>"


_level: Callable[[str], str] = isolation_level
