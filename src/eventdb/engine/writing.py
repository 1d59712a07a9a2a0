"""Statements that write, of one session: changes of rows, by the short way and the long one, definitions, undo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from eventdb.engine.binding import adapted_rows, ordered
from eventdb.engine.control import moment_of
from eventdb.engine.execution import PRESENT, Execution
from eventdb.engine.results import Outcome, Result, translated
from eventdb.engine.statements import Bound, Preparer, Statement, Variant
from eventdb.engine.transaction import Transaction
from eventdb.model.late import Late
from eventdb.sql.parser import ast

if TYPE_CHECKING:
    from eventdb.engine import define as definitions
    from eventdb.engine import write as changes
    from eventdb.engine.session import Session
else:
    definitions, changes = Late("eventdb.engine.define"), Late("eventdb.engine.write")


def fast_write(
    session: Session, statement: Statement, variant: Variant, values: tuple[Any, ...], transaction: Any, execution: Execution
) -> Outcome:
    """A write that was prepared before, inside a transaction."""
    before = len(transaction.events)
    try:
        if transaction.present is transaction.base:
            transaction.begin_changes()
            execution.reader = transaction.queries
        if variant.joins:
            count, rows, last = changes.join(transaction, variant.prepared, execution, values)
        else:
            count, rows, last = changes.execute(transaction, variant.prepared, execution, (values,))
    except Exception as error:
        session.unless_undone(transaction, before)
        raise (known := translated(error, statement.text)) from known.__cause__
    except BaseException:
        session.rollback()
        raise
    if count > 0:
        session.total_changes += count
    if last is not None or rows is not None:
        return written(session, variant, rows, count, last)
    return None, (), count, None


def write_alone(session: Session, statement: Statement, parameters: Any, known: Bound) -> Result:
    """A write that was prepared before, as a transaction of its own."""
    try:
        return write(session, statement, [ordered(statement.keys, parameters)], known)
    except Exception as error:
        raise (known_error := translated(error, statement.text)) from known_error.__cause__


def write(session: Session, statement: Statement, rows: list[tuple[Any, ...]], known: Bound | None = None) -> Result:
    """Run a write for these rows of parameters. `known`: its form and values, good if the catalog is still that one."""
    many = len(rows) > 1
    deadline = session.deadline()

    def work(transaction: Transaction) -> Result:
        transaction.begin_changes()
        catalog = transaction.catalog
        bound = known
        if bound is None or bound.variant.catalog is not catalog:
            bound = Preparer(session, transaction.queries, catalog, PRESENT[0]).bound(statement, rows[0])
        variant = bound.variant
        reader = transaction.locking(variant.locks) if variant.locks else transaction.queries
        execution = Execution(session, reader, transaction, bound.positions)
        if deadline is not None:
            variant = variant.under_deadline()
            execution.deadline = deadline
        values: Sequence[tuple[Any, ...]]
        values = adapted_rows(rows, variant.types, session.timezone) if many else [bound.values]
        count, made, last = changes.execute(transaction, variant.prepared, execution, values)
        if variant.inferred is None and not (variant.moments or variant.locks or deadline):
            statement.fast = variant
        return written(session, variant, made, count, last)

    result = session.in_transaction(work, False)
    if not isinstance(statement.node, ast.Query):
        session.total_changes += max(result.rowcount, 0)
    return result


def written(session: Session, variant: Variant, rows: Any, count: int, last: int | None) -> Result:
    if last is not None:
        column = variant.prepared.identity
        if column is not None and column.sequence_id is not None:
            session.sequence_values[column.sequence_id] = last
    if rows is None:
        return Result(None, (), count, last)
    return Result(variant.columns, rows if variant.convert is None else map(variant.convert, rows), count, last)


def define(session: Session, statement: Statement) -> Result:
    def work(transaction: Transaction) -> Result:
        transaction.begin_changes()
        preparer = Preparer(session, transaction.queries, transaction.catalog, PRESENT[0])
        env, positions = preparer.definition(statement)
        execution = Execution(session, transaction.queries, transaction, positions)
        execution.deadline = session.deadline()
        definitions.execute(transaction, statement.node, env, execution)
        return Result()

    return session.in_transaction(work, True)


def undo(session: Session, statement: Statement, node: ast.RevertTransaction | ast.FlashbackTable, values: tuple[Any, ...]) -> Result:
    from eventdb.engine.flashback import flashback
    from eventdb.engine.revert import revert

    def work(transaction: Transaction) -> Result:
        transaction.begin_changes()
        env, positions = Preparer(session, transaction.queries, transaction.catalog, PRESENT[0]).definition(statement)
        execution = Execution(session, transaction.queries, transaction, positions)
        if isinstance(node, ast.FlashbackTable):
            moment = None if node.to is None else moment_of(session, node.to, statement, values, transaction.base)
            count = flashback(transaction, node, moment, env, execution)
        else:
            number = ast.Moment(node.transaction, True, position=node.transaction.position)
            count = revert(transaction, moment_of(session, number, statement, values, transaction.base), env, execution)
        return Result(rowcount=count)

    result = session.in_transaction(work, True)
    session.total_changes += result.rowcount
    return result
