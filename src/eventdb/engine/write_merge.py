"""Running MERGE: every pair of rows takes its branch first, then what must go goes, what changes changes, and what is new comes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eventdb.engine.transaction import Transaction
from eventdb.engine.write import apply_delete, check_insert
from eventdb.engine.write_cascade import Pairs, replaced
from eventdb.engine.write_update import apply_pairs
from eventdb.engine.written import Parameters, WriteResult, changed_beside
from eventdb.errors import CardinalityViolation
from eventdb.model.event import RowsInserted
from eventdb.sql.environment import Execution
from eventdb.sql.modification.insert import fetched
from eventdb.sql.modification.merge import PreparedMerge
from eventdb.sql.modification.prepared import Row


class _Taken:
    """What the branches have decided, in the order of the query's rows."""

    def __init__(self) -> None:
        self.deleted: list[Row] = []
        self.pairs: Pairs = []
        self.inserted: list[Row] = []
        self.shown: list[tuple[str, Any, Row]] = []
        """(action, the target's row or the index of the inserted one, the query's row)"""
        self.seen: set[Any] = set()


def merge(txn: Transaction, prepared: PreparedMerge, cx: Execution, p: Parameters) -> WriteResult:
    """Run it for one row of parameters. Raises CardinalityViolation where a row of the target would be changed twice."""
    txn.check_writable()
    taken = _decided(txn, prepared, cx, p)
    returned = _returned(txn, prepared, cx, p, taken)
    mark = txn.mark()
    try:
        if taken.deleted:
            apply_delete(txn, prepared.delete, taken.deleted, cx)
        pairs = taken.pairs
        if taken.deleted:  # what a cascade has taken along is no longer there to be changed
            pairs = [pair for pair in pairs if txn.editor.row(prepared.table, prepared.key_of(pair[0])) is not None]
        if pairs:
            apply_pairs(txn, prepared.table, prepared.slots, pairs, prepared.changes, cx, txn.take)
        if taken.inserted:
            check_insert(txn, prepared.insert, taken.inserted)
            txn.apply(RowsInserted(prepared.table.id, prepared.insert.types, taken.inserted))
    except BaseException:
        txn.reset(mark)
        raise
    return WriteResult(len(taken.shown), returned)


def _decided(txn: Transaction, prepared: PreparedMerge, cx: Execution, p: Parameters) -> _Taken:
    taken, number = _Taken(), txn.number
    waiting: list[Row] = []
    branch: Any = None
    for row in fetched(prepared.targets, cx, p):
        action = None if row[1] is None else prepared.actions[row[1]]
        if action is None or action.kind == "nothing":
            continue
        if action.kind == "insert":
            if action is not branch:
                _insert(txn, prepared, cx, p, branch, waiting, taken)
                branch, waiting = action, []
            waiting.append(row)
            taken.shown.append(("INSERT", len(taken.inserted) + len(waiting) - 1, row))
            continue
        old = row[0]
        key = prepared.key_of(old)
        if key in taken.seen or (cx.made is not None and changed_beside(txn, prepared.table, key, old)):
            raise CardinalityViolation(
                "MERGE command cannot affect row a second time", hint="Ensure that not more than one source row matches any one target row."
            )
        taken.seen.add(key)
        if action.kind == "delete":
            taken.deleted.append(old)
            taken.shown.append(("DELETE", old, row))
            continue
        assert action.make is not None
        values = action.make(cx, p, row, txn.take)
        new = old if values is None else replaced(old, action.slots, values, number)
        if values is not None:
            taken.pairs.append((old, new))
        taken.shown.append(("UPDATE", new, row))
    _insert(txn, prepared, cx, p, branch, waiting, taken)
    return taken


def _insert(
    txn: Transaction, prepared: PreparedMerge, cx: Execution, p: Parameters, branch: Any, waiting: Sequence[Row], taken: _Taken
) -> None:
    """Make the rows of an INSERT branch that stand next to each other."""
    if waiting:
        table = prepared.table
        taken.inserted += branch.make(cx, p, waiting, lambda count: txn.row_ids(table, count), txn.take)


def _returned(txn: Transaction, prepared: PreparedMerge, cx: Execution, p: Parameters, taken: _Taken) -> list[Row] | None:
    returning = prepared.returning
    if returning is None:
        return None
    first, number = returning.extra, txn.number
    pairs = [
        ((number, *taken.inserted[row]) if name == "INSERT" else row, (0, name, *source[first:])) for name, row, source in taken.shown
    ]
    return returning.projection.run(cx, p, pairs)
