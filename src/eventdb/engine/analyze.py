"""The measuring form of statements: for EXPLAIN ANALYZE, which runs one with its effect and tells what it took, and for deadlines."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from eventdb.engine import write
from eventdb.engine.execution import PRESENT, Execution
from eventdb.engine.results import Result
from eventdb.engine.statements import Bound, Preparer, Statement
from eventdb.model.record import replace
from eventdb.sql.modification.insert import Rows
from eventdb.sql.modification.prepared import PreparedInsert, PreparedTruncate
from eventdb.sql.modification.with_writes import PreparedWith
from eventdb.sql.parser import ast
from eventdb.sql.prepared import PreparedQuery

if TYPE_CHECKING:
    from eventdb.engine.session import Session
    from eventdb.engine.transaction import Transaction


def analyzed(session: Session, statement: Statement, node: ast.Explain, values: tuple[Any, ...]) -> str:
    """Run the statement and describe what it did: the plan with rows and times, then the count of rows and the time of the whole."""
    reader, catalog, own, transaction = session.view()
    bound = Preparer(session, reader, catalog, own).bound(statement, values)
    if not bound.variant.write:
        if bound.variant.locks:
            reader = session.locking(transaction, bound.variant)
        prepared = bound.variant.prepared.measured()
        started = time.perf_counter()
        execution = Execution(session, reader, transaction, bound.positions)
        execution.deadline = session.deadline()
        rows = prepared.run(execution, bound.values)
        return _summary(prepared.plan, len(rows), time.perf_counter() - started)
    said: list[str] = []

    def work(transaction: Transaction) -> Result:
        said[:] = [_written(session, transaction, statement, values)]
        return Result()

    session.in_transaction(work)
    return said[0]


def _summary(plan: str, rows: int, seconds: float) -> str:
    return f"{plan}\nRows: {rows}\nTime: {seconds * 1000:.3f} ms"


def _written(session: Session, transaction: Transaction, statement: Statement, values: tuple[Any, ...]) -> str:
    transaction.begin_changes()
    bound: Bound = Preparer(session, transaction.queries, transaction.catalog, PRESENT[0]).bound(statement, values)
    prepared = measured(bound.variant.prepared)
    locks = bound.variant.locks
    reader = transaction.locking(locks) if locks else transaction.queries
    started = time.perf_counter()
    execution = Execution(session, reader, transaction, bound.positions)
    execution.deadline = session.deadline()
    result = write.execute(transaction, prepared, execution, (bound.values,))
    elapsed = time.perf_counter() - started
    return _summary(described(prepared), max(result.rowcount, 0), elapsed)


def measured(prepared: Any) -> Any:
    """A query or write whose queries measure themselves."""
    if isinstance(prepared, PreparedQuery):
        return prepared.measured()
    if isinstance(prepared, PreparedWith):
        steps = tuple(replace(step, prepared=measured(step.prepared)) for step in prepared.steps)
        return replace(prepared, steps=steps, main=measured(prepared.main))
    if isinstance(prepared, PreparedInsert):
        rows = prepared.rows
        return replace(prepared, rows=replace(rows, query=rows.query.measured())) if isinstance(rows, Rows) and rows.query else prepared
    targets = getattr(prepared, "targets", None)
    return prepared if targets is None else replace(prepared, targets=targets.measured())


def described(prepared: Any) -> str:
    """The plan after a run."""
    if isinstance(prepared, PreparedQuery | PreparedTruncate):
        return prepared.plan
    if isinstance(prepared, PreparedWith):
        steps = [f"  With {step.given.name.rsplit(' ', 1)[0]}\n{_indented(described(step.prepared), 4)}" for step in prepared.steps]
        return "\n".join([described(prepared.main), *steps])
    inner: Any = getattr(prepared, "targets", None)
    if isinstance(prepared, PreparedInsert) and isinstance(prepared.rows, Rows):
        inner = prepared.rows.query
    if inner is None:
        return str(prepared.plan)
    first: str = prepared.plan.partition("\n")[0]
    return f"{first}\n{_indented(inner.plan, 2)}"


def _indented(text: str, spaces: int) -> str:
    return "\n".join(" " * spaces + line for line in text.splitlines())
