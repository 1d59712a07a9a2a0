"""What all writes give, and what they have in common: results, rows of RETURNING, running once for each parameter row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from eventdb.engine.transaction import Transaction
from eventdb.model.schema import Table
from eventdb.sql.environment import Execution
from eventdb.sql.modification.prepared import Returning, Row

Parameters = tuple[Any, ...]
Numbers = Callable[[int, int], Sequence[int]]
Written = tuple[int, "list[Row] | None", int | None]
"""The fields of a WriteResult."""


class WriteResult(NamedTuple):
    """`rowcount` as PEP 249 has it; `rows` those of RETURNING, None without it; `lastrowid` the last inserted integer key."""

    rowcount: int
    rows: list[Row] | None = None
    lastrowid: int | None = None


Run = Callable[[Transaction, Any, Execution, Sequence[Parameters]], WriteResult]


def one_by_one(run: Run, txn: Transaction, prepared: Any, cx: Execution, parameter_rows: Sequence[Parameters]) -> WriteResult:
    """executemany in its plain meaning: `run` once for each parameter row, all of them or none."""
    count, last = 0, None
    rows: list[Row] | None = [] if prepared.columns else None
    mark = txn.mark()
    try:
        for p in parameter_rows:
            result = run(txn, prepared, cx, (p,))
            count += result.rowcount
            last = result.lastrowid if result.lastrowid is not None else last
            if rows is not None and result.rows is not None:
                rows += result.rows
    except BaseException:
        txn.reset(mark)
        raise
    return WriteResult(count, rows, last)


def returned_rows(
    returning: Returning | None, cx: Execution, p: Parameters, rows: list[Row], sources: list[Row] | None
) -> list[Row] | None:
    """The rows of RETURNING; `sources` are the target query's tuples, beside which other tables' columns stand."""
    if returning is None:
        return None
    if returning.extra is None or sources is None:
        return returning.projection.run(cx, p, rows)
    first = returning.extra
    return returning.projection.run(cx, p, [(row, (0, *source[first:])) for row, source in zip(rows, sources, strict=True)])


def changed_beside(txn: Transaction, table: Table, key: Any, old: Row) -> bool:
    """Whether another write of the same statement has changed the row since the state that this one reads."""
    return txn.editor.row(table, key) != old
