"""Running a WITH that changes rows: every step reads the state from before the statement, and gives its rows to those behind it."""

from __future__ import annotations

from typing import Any

from eventdb.engine import write
from eventdb.engine.conflicts import RecordingReader
from eventdb.engine.execution import Execution
from eventdb.engine.transaction import Transaction
from eventdb.engine.written import Parameters, WriteResult
from eventdb.sql.modification.insert import fetched
from eventdb.sql.modification.with_writes import PreparedWith
from eventdb.sql.prepared import PreparedQuery


def run(txn: Transaction, prepared: PreparedWith, cx: Any, p: Parameters) -> WriteResult:
    """Run it for one row of parameters; a failure leaves nothing of any step."""
    mark = txn.mark()
    before: Any = txn.editor.still()
    if isinstance(cx.reader, RecordingReader):
        before = cx.reader.over(before)
    inner = Execution(cx.session, before, txn, cx.positions)
    inner.started = cx.statement_timestamp
    inner.made, inner.deadline = {}, cx.deadline
    try:
        for step in prepared.steps:
            inner.made[step.given.name] = _run(txn, step.prepared, inner, p).rows or []
        return _run(txn, prepared.main, inner, p)
    except BaseException:
        txn.reset(mark)
        raise


def _run(txn: Transaction, prepared: Any, cx: Execution, p: Parameters) -> WriteResult:
    if isinstance(prepared, PreparedQuery):
        rows = fetched(prepared, cx, p)
        return WriteResult(len(rows), rows)
    return write.execute(txn, prepared, cx, (p,))
