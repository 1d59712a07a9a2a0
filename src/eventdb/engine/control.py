"""Statements that steer the session: transactions, savepoints, settings, CHECKPOINT."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from eventdb.engine.binding import adapted
from eventdb.engine.execution import Execution
from eventdb.engine.provenance import provenance
from eventdb.engine.results import Result
from eventdb.engine.settings import canonical, isolation_level
from eventdb.engine.statements import environment
from eventdb.engine.temporal import prepare_moment, shown
from eventdb.errors import (
    ActiveTransaction,
    DataError,
    DatatypeMismatch,
    IndeterminateDatatype,
    InterfaceError,
    InvalidParameterValue,
    InvalidSavepoint,
    NoActiveTransaction,
    ProgrammingError,
    ReadOnlyTransaction,
    SerializationFailure,
    SQLSyntaxError,
    UndefinedObject,
)
from eventdb.model.datatype import BIGINT, JSON, TEXT
from eventdb.model.late import Late
from eventdb.model.record import replace
from eventdb.model.transaction import Provenance
from eventdb.sql import compiler
from eventdb.sql.definition.names import find_table
from eventdb.sql.environment import Environment
from eventdb.sql.expressions.parameters import infer
from eventdb.sql.parser import ast
from eventdb.sql.prepared import ResultColumn
from eventdb.sql.reader import StateReader

if TYPE_CHECKING:
    from eventdb.engine.session import Session
    from eventdb.engine.statements import Statement
    from eventdb.engine.transaction import Transaction

json: Any = Late("json")


class Control:
    """The part of a session that runs such statements."""

    CONTROLS: ClassVar[dict[type, Callable[..., Any]]] = {}

    def control(self: Any, statement: Statement, values: tuple[Any, ...]) -> Result:
        """Run a statement whose class is in `CONTROLS`."""
        result = self.CONTROLS[type(statement.node)](self, statement.node, statement, values)
        return Result() if result is None else result


def _environment(session: Session, statement: Statement) -> tuple[Environment, Execution]:
    """What to bind an expression in that stands outside any query, and what to compute it with."""
    transaction = session.transaction
    reader: StateReader = session.refresh() if transaction is None else transaction.queries
    return environment(session, reader.catalog, statement), Execution(session, reader, transaction)


def _constant(session: Session, expression: ast.Expression, statement: Statement, values: tuple[Any, ...], want: Any) -> Any:
    """The value of an expression that stands outside any query."""

    def compute(env: Environment, execution: Execution) -> Any:
        made = compiler.prepare_constant(expression, env, want)
        return made(execution, adapted(values, env.parameter_types, session.timezone))

    return _computed(session, statement, values, compute)


def _computed(session: Session, statement: Statement, values: tuple[Any, ...], compute: Callable[[Environment, Execution], Any]) -> Any:
    """What `compute` gives, with the parameter types that the context tells; where it tells too little or they do not fit, the values'."""
    try:
        return compute(*_environment(session, statement))
    except (IndeterminateDatatype, DatatypeMismatch) as first:
        if not values:
            raise
        env, execution = _environment(session, statement)
        env.parameter_types[:] = [infer(value) for value in values]
        try:
            return compute(env, execution)
        except (ProgrammingError, DataError):
            raise first from None


def moment_of(
    session: Session, moment: ast.Moment, statement: Statement, values: tuple[Any, ...], reader: StateReader | None = None
) -> int:
    """The transaction number of a moment that stands outside any query, as `reader` (None: the newest state) has it."""
    at = reader or session.database.refresh()

    def compute(env: Environment, execution: Execution) -> int:
        prepared = prepare_moment(moment, env)
        return prepared.number(execution, adapted(values, env.parameter_types, session.timezone), at)

    number: int = _computed(session, statement, values, compute)
    return number


def _begin(session: Session, node: ast.Begin, statement: Statement, values: tuple[Any, ...]) -> None:
    if session.transaction is not None:
        raise ActiveTransaction("there is already a transaction in progress", position=node.position)
    pinned = None if node.as_of is None else moment_of(session, node.as_of, statement, values)
    told = {name: _option(session, name, expression, statement, values) for name, expression in node.options}
    if len(told) != len(node.options):
        raise SQLSyntaxError("an option of BEGIN stands twice", position=node.position)
    expected = told.pop("expected_transaction", None)
    who = _told(told, node)
    isolation = None if node.modes.isolation is None else isolation_level(node.modes.isolation)
    transaction = session.begin(isolation, node.modes.read_only, pinned)
    if pinned is not None and node.modes.read_only is False:
        session.rollback()
        raise ReadOnlyTransaction("a transaction AS OF the past is read only", position=node.position)
    transaction.inner_provenance = who
    if expected is not None:
        try:
            expect(transaction, expected)
        except SerializationFailure:
            session.rollback()
            raise


def _told(told: dict[str, Any], node: ast.Begin) -> Provenance:
    try:
        return provenance(**told)
    except InterfaceError as error:
        raise InvalidParameterValue(error.message, position=node.position) from None


def expect(transaction: Transaction, expected: int) -> None:
    """Let the transaction commit only directly behind transaction `expected`. Raises SerializationFailure if it cannot, InterfaceError for
    what is no transaction number."""
    if isinstance(expected, bool) or not isinstance(expected, int):
        raise InterfaceError(f"expected_transaction must be a transaction number, not {expected!r}")
    if transaction.base.number != expected:
        raise SerializationFailure(f"the database stands at transaction {transaction.base.number}, not at {expected} as expected")
    transaction.expected = expected


_OPTIONS = {"actor": TEXT, "reason": TEXT, "correlation_id": TEXT, "metadata": JSON, "expected_transaction": BIGINT}


def _option(session: Session, name: str, expression: ast.Expression, statement: Statement, values: tuple[Any, ...]) -> Any:
    if name not in _OPTIONS:
        raise UndefinedObject(f'BEGIN has no option "{name}"', position=expression.position, hint=f"Options: {', '.join(_OPTIONS)}.")
    value = _constant(session, expression, statement, values, _OPTIONS[name])
    if name == "metadata" and value is not None:
        value = json.loads(value)
        if not isinstance(value, dict):
            raise InvalidParameterValue("metadata must be a JSON object", position=expression.position)
    return value


def _commit(session: Session, node: ast.Commit, *_: Any) -> None:
    _needs_transaction(session, "COMMIT", node.position)
    before = session.transaction
    session.commit()
    _chain(session, node.chain, before)


def _rollback(session: Session, node: ast.Rollback, *_: Any) -> None:
    if node.savepoint is None:
        _needs_transaction(session, "ROLLBACK", node.position)
        before = session.transaction
        session.rollback()
        _chain(session, node.chain, before)
        return
    transaction = _needs_transaction(session, "ROLLBACK TO SAVEPOINT", node.position, begin=True)
    at = _find_savepoint(session, node.savepoint, node.position)
    _name, mark, settings = session.savepoints[at]
    transaction.reset(mark)
    session.settings.restore(settings)
    del session.savepoints[at + 1 :]


def _chain(session: Session, chain: bool, before: Transaction | None) -> None:
    if chain and before is not None:
        session.begin(before.isolation, before.read_only)


def _needs_transaction(session: Session, what: str, position: int, begin: bool = False) -> Any:
    if session.transaction is None:
        if session.autocommit:
            raise NoActiveTransaction(f"{what} needs a transaction, and none is in progress", position=position)
        if begin:
            session.begin()
    return session.transaction


def _savepoint(session: Session, node: ast.Savepoint, *_: Any) -> None:
    transaction = _needs_transaction(session, "SAVEPOINT", node.position, begin=True)
    session.savepoints.append((node.name, transaction.mark(), session.settings.values))


def _release(session: Session, node: ast.Release, *_: Any) -> None:
    _needs_transaction(session, "RELEASE SAVEPOINT", node.position, begin=True)
    del session.savepoints[_find_savepoint(session, node.name, node.position) :]


def _find_savepoint(session: Session, name: str, position: int) -> int:
    for at in range(len(session.savepoints) - 1, -1, -1):
        if session.savepoints[at][0] == name:
            return at
    raise InvalidSavepoint(f'savepoint "{name}" does not exist', position=position)


def _set_transaction(session: Session, node: ast.SetTransaction, *_: Any) -> None:
    modes = node.modes
    if node.session:
        if modes.isolation is not None:
            session.settings.set("transaction_isolation", modes.isolation)
        if modes.read_only is not None:
            session.read_only = modes.read_only
        return
    transaction = _needs_transaction(session, "SET TRANSACTION", node.position, begin=True)
    if modes.isolation is not None and isolation_level(modes.isolation) != transaction.isolation:
        if transaction.events or transaction.reads.tables:
            raise ActiveTransaction("SET TRANSACTION ISOLATION LEVEL must be called before any query", position=node.position)
        session.begin(isolation_level(modes.isolation), transaction.read_only, transaction.pinned)
        transaction = session.transaction
    if modes.read_only is True:
        transaction.read_only = True
    elif modes.read_only is False and (transaction.read_only or transaction.pinned is not None):
        if session.read_only or session.database.read_only or transaction.pinned is not None:
            raise ReadOnlyTransaction("cannot set transaction read-write mode here", position=node.position)
        if transaction.reads.tables or transaction.events:
            raise ActiveTransaction("transaction read-write mode must be set before any query", position=node.position)
        session.begin(transaction.isolation, False)


def _set_constraints(session: Session, node: ast.SetConstraints, *_: Any) -> None:
    transaction = _needs_transaction(session, "SET CONSTRAINTS", node.position, begin=True)
    execution = Execution(session, transaction.reader, transaction)
    from eventdb.engine import constraints

    constraints.set_constraints(transaction, node, execution, session.search_path)


def _set(session: Session, node: ast.Set, statement: Statement, values: tuple[Any, ...]) -> None:
    name = canonical(node.name)
    if name == "all" and not node.values:
        session.settings.restore(dict(session.settings.defaults))
        return
    value = _setting_value(session, node, statement, values)
    if node.local:
        _needs_transaction(session, "SET LOCAL", node.position, begin=True)
    try:
        before = session.settings.get(name)
        session.settings.set(name, value)
    except (UndefinedObject, InvalidParameterValue) as error:
        raise error.at(node.position) from None
    if node.local:
        session.local.setdefault(name, before or None)


def _setting_value(session: Session, node: ast.Set, statement: Statement, values: tuple[Any, ...]) -> str | None:
    if not node.values:
        return None
    texts = []
    for expression in node.values:
        value: Any
        if isinstance(expression, ast.Literal):
            value = expression.value
        elif isinstance(expression, ast.Parameter):
            value = values[statement.index[expression.key]]
        else:
            value = _interval_zone(_constant(session, expression, statement, values, None))
        if value is None:
            return None
        if isinstance(value, bool):
            value = "on" if value else "off"
        texts += [json.dumps(value) if isinstance(value, dict) else str(value)]
    return ", ".join(texts)


def _interval_zone(value: Any) -> Any:
    if not isinstance(value, datetime.timedelta):
        return value
    minutes = int(value.total_seconds() // 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def _set_system_time(session: Session, node: ast.SetSystemTime, statement: Statement, values: tuple[Any, ...]) -> None:
    if session.transaction is not None:
        raise ActiveTransaction("SET SYSTEM_TIME must stand outside a transaction", position=node.position)
    session.pinned = session.connection_pin if node.moment is None else moment_of(session, node.moment, statement, values)


def _show(session: Session, node: ast.Show, *_: Any) -> Any:
    if node.name == "all":
        settings = session.settings.all()
        return Result((ResultColumn("name", TEXT, False), ResultColumn("setting", TEXT, False)), settings, len(settings))
    name = canonical(node.name)
    transaction = session.transaction
    if name == "transaction_isolation" and transaction is not None:
        value: str | None = transaction.isolation
    elif name == "system_time":
        pinned = transaction.pinned if transaction is not None else session.pinned
        value = "present" if pinned is None else shown(pinned, session.database.head)
    elif name in ("transaction_read_only", "default_transaction_read_only"):
        seen = session if transaction is None else transaction
        value = "on" if seen.read_only or seen.pinned is not None or session.database.read_only else "off"
    else:
        value = session.settings.get(name)
    if value is None:
        raise UndefinedObject(f'unrecognized configuration parameter "{node.name}"', position=node.position)
    return Result((ResultColumn(name, TEXT, False),), [(value,)], 1)


def _checkpoint(session: Session, node: ast.Checkpoint, *_: Any) -> None:
    if session.transaction is not None and session.transaction.events:
        raise ActiveTransaction("CHECKPOINT cannot run in a transaction that has written", position=node.position)
    session.database.checkpoint()


def _create_database(session: Session, node: ast.CreateDatabase, *_: Any) -> None:
    from eventdb.engine.databases import create_database

    create_database(session, node)


def _drop_database(session: Session, node: ast.DropDatabase, *_: Any) -> None:
    from eventdb.engine.databases import drop_database

    drop_database(session, node)


def _create_subscription(session: Session, node: ast.CreateSubscription, statement: Statement, values: tuple[Any, ...]) -> None:
    from eventdb.engine import subscriptions
    from eventdb.engine.feed import in_feeds

    after = None if node.after is None else moment_of(session, node.after, statement, values)
    env, _ = _environment(session, statement)

    def work(transaction: Transaction) -> None:
        of_now = replace(env, catalog=transaction.catalog)
        tables = [in_feeds(find_table(of_now, name)) for name in node.tables] or None
        subscriptions.create(transaction, node.name, after, tables, node.if_not_exists)

    try:
        session.run(work)
    except ProgrammingError as error:
        raise error.at(node.position) from None


def _drop_subscription(session: Session, node: ast.DropSubscription, *_: Any) -> None:
    from eventdb.engine import subscriptions

    try:
        session.run(lambda transaction: subscriptions.drop(transaction, node.name, node.if_exists))
    except ProgrammingError as error:
        raise error.at(node.position) from None


def _erase(session: Session, node: ast.Erase, statement: Statement, values: tuple[Any, ...]) -> Result:
    from eventdb.engine.erase import erase

    return erase(session, node, statement, values)


def _delete_history(session: Session, node: ast.DeleteHistory, statement: Statement, values: tuple[Any, ...]) -> Result:
    from eventdb.engine.retention import delete_history

    return delete_history(session, node, statement, values)


Control.CONTROLS.update(
    {
        ast.Begin: _begin, ast.Commit: _commit, ast.Rollback: _rollback, ast.Savepoint: _savepoint, ast.Release: _release,
        ast.SetTransaction: _set_transaction, ast.SetConstraints: _set_constraints, ast.Set: _set, ast.SetSystemTime: _set_system_time,
        ast.Show: _show, ast.Checkpoint: _checkpoint,
        ast.CreateDatabase: _create_database, ast.DropDatabase: _drop_database,
        ast.CreateSubscription: _create_subscription, ast.DropSubscription: _drop_subscription,
        ast.Erase: _erase, ast.DeleteHistory: _delete_history,
    }
)  # fmt: skip
