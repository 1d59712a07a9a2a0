"""Running prepared writes: compute all rows, those of RETURNING too, check everything, apply one event.

A statement that needs several events (referential actions, ON CONFLICT with inserts and updates, executemany that cannot be batched)
marks the transaction first and goes back to the mark when it fails, so a statement has all of its effect or none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from eventdb.engine.constraints import (
    check_new_keys,
    check_one_key,
    check_references,
    check_unique,
    children,
    is_deferred,
    put_off_reference,
)
from eventdb.engine.transaction import Pending, Transaction
from eventdb.engine.write_cascade import PASSIVE, Cascade
from eventdb.engine.write_conflict import resolve
from eventdb.engine.write_update import apply_pairs, join_update, update
from eventdb.engine.written import Numbers, Parameters, Run, WriteResult, Written, changed_beside, one_by_one, returned_rows
from eventdb.model.event import RowsDeleted, RowsInserted, SequenceAdvanced
from eventdb.model.schema import Action
from eventdb.sql.environment import Execution
from eventdb.sql.modification.insert import fetched
from eventdb.sql.modification.making import key_types
from eventdb.sql.modification.prepared import (
    PreparedDelete,
    PreparedInsert,
    PreparedTruncate,
    PreparedUpdate,
    PreparedWrite,
    Row,
    key_function,
)
from eventdb.sql.modification.violations import duplicate_key, still_referenced

BULK = 16
"""From this many rows on, clustering keys are checked by batch."""
_MOST_PENDING = 20_000


def execute(txn: Transaction, prepared: PreparedWrite, execution: Execution, parameter_rows: Sequence[Parameters]) -> WriteResult:
    """Run the write once for each parameter row, in the internal form of `prepared.parameters`, as if one after the other.

    Raises IntegrityError, DataError and what expressions raise; nothing of the call is then left in the transaction.
    """
    before = len(txn.events)
    try:
        return _RUN.get(type(prepared), _other)(txn, prepared, execution, parameter_rows)
    except BaseException:
        if len(txn.events) > before:
            _forget_numbers(txn, before)
            assert len(txn.events) == before  # nothing waits here, so no row may be left
        raise


def join(txn: Transaction, prepared: Any, execution: Execution, p: Parameters) -> Written:
    """Run a write that `joins` once. Its row is checked, and waits in `txn.pending` for more of its kind: what many executions change
    goes into the state as one event, which costs a fraction of one each.

    The caller has flushed what another statement left pending. Raises what `execute` raises.
    """
    before = len(txn.events)
    try:
        made = _JOIN[type(prepared)](txn, prepared, execution, p)
    except BaseException:
        if len(txn.events) > before:
            _forget_numbers(txn, before)
        raise
    pending = txn.pending
    if pending is not None and len(pending.rows) + len(pending.earlier) >= _MOST_PENDING:
        txn.flush()
    return made


def _forget_numbers(txn: Transaction, before: int) -> None:
    """Put sequences back to where they stood `before`, so that a failed statement leaves no event; their values stay used up.

    What else stands there are rows of earlier statements that waited (see `join`) and were flushed meanwhile: they stay.
    """
    since = txn.events[before:]
    for event in since:
        if isinstance(event, SequenceAdvanced):
            known = txn.base.sequence_value(event.sequence_id)
            for earlier in txn.events[:before]:
                if isinstance(earlier, SequenceAdvanced) and earlier.sequence_id == event.sequence_id:
                    known = earlier.value
            txn.editor.apply(SequenceAdvanced(event.sequence_id, known))
    txn.events[before:] = [event for event in since if not isinstance(event, SequenceAdvanced)]


# ---- INSERT


def _insert(txn: Transaction, prepared: PreparedInsert, cx: Execution, parameter_rows: Sequence[Parameters]) -> WriteResult:
    table = prepared.table
    numbers = txn.take
    txn.check_writable()

    def row_ids(count: int) -> int:
        return txn.row_ids(table, count) if count else 1

    if len(parameter_rows) == 1:
        rows: Sequence[Row] = prepared.rows(cx, parameter_rows[0], row_ids, numbers)
    elif not parameter_rows:
        return WriteResult(0, [] if prepared.returning else None)
    elif prepared.bulk is None:
        return one_by_one(_insert, txn, prepared, cx, parameter_rows)
    else:
        rows = prepared.bulk(cx, parameter_rows, row_ids, numbers)
    if prepared.conflict is not None:
        return _insert_or_resolve(txn, prepared, cx, parameter_rows[0], rows, numbers)
    if not rows:
        return WriteResult(0, [] if prepared.returning else None)
    check_insert(txn, prepared, rows)
    returned = None
    if prepared.returning is not None:
        number = txn.number
        returned = prepared.returning.run(cx, parameter_rows[0], [(number, *row) for row in rows])
    txn.apply(RowsInserted(table.id, prepared.types, rows))
    return WriteResult(len(rows), returned, _last(prepared, rows))


def _last(prepared: PreparedInsert, rows: Sequence[Row]) -> int | None:
    if prepared.identity is None or not rows:
        return None
    last: int | None = rows[-1][prepared.identity.slot - 1]
    return last


def check_insert(txn: Transaction, prepared: PreparedInsert, rows: Sequence[Row]) -> None:
    """Hold new rows (in slot order) against the keys and references of their table."""
    effects = prepared.effects
    if len(rows) >= BULK:
        uniques = effects.uniques
        if uniques and uniques[0].index_id is None:
            check_new_keys(txn, prepared.table, uniques[0], rows)
            uniques = uniques[1:]
        if uniques or effects.computed:
            stored = [(0, *row) for row in rows]
            check_unique(txn, prepared.table, uniques, stored)
            effects.compute_indexes(stored)
    elif effects.uniques or effects.computed:
        stored = [(0, *row) for row in rows]
        uniques = effects.uniques
        if len(stored) == 1 and uniques and uniques[0].index_id is None:
            check_one_key(txn, prepared.table, uniques[0], stored[0])
            uniques = uniques[1:]
        if uniques:
            check_unique(txn, prepared.table, uniques, stored)
        effects.compute_indexes(stored)
    if effects.references:
        check_references(txn, effects, rows, -1)


def _join_insert(txn: Transaction, prepared: PreparedInsert, cx: Execution, p: Parameters) -> Written:
    table = prepared.table
    row = prepared.rows(cx, p, lambda count: txn.row_ids(table, count), txn.take)[0]
    slots = table.key_slots
    key = row[slots[0] - 1] if len(slots) == 1 else tuple([row[slot - 1] for slot in slots])
    pending = txn.pending
    if prepared.effects.uniques and ((pending is not None and key in pending.rows) or txn.editor.row(table, key) is not None):
        unique = prepared.effects.uniques[0]
        duplicate_key(table, unique.name, unique.columns, (key,) if len(slots) == 1 else key)
    if pending is None:
        pending = txn.pending = Pending(prepared)
    pending.rows[key] = row
    return 1, None, _last(prepared, (row,))


# ---- INSERT … ON CONFLICT


def _insert_or_resolve(
    txn: Transaction, prepared: PreparedInsert, cx: Execution, p: Parameters, rows: Sequence[Row], numbers: Numbers
) -> WriteResult:
    resolved = resolve(txn, prepared, cx, p, rows, numbers)
    table, conflict = prepared.table, prepared.conflict
    assert conflict is not None
    news = [(txn.number, *row) for row in resolved.inserted]
    key_of = key_function(table)
    changed = [new for _, new in resolved.updated]
    leaving = {key_of(old) for old, _ in resolved.updated}
    check_unique(txn, table, prepared.effects.uniques, news + changed if conflict.slots else news, leaving)
    prepared.effects.compute_indexes(news)
    check_references(txn, prepared.effects, news)
    returned = prepared.returning.run(cx, p, resolved.shown) if prepared.returning is not None else None
    mark = txn.mark() if resolved.updated else None
    try:
        if resolved.updated and conflict.effects is not None:
            apply_pairs(txn, table, conflict.slots, resolved.updated, conflict.effects, cx, numbers)
        if resolved.inserted:
            txn.apply(RowsInserted(table.id, prepared.types, resolved.inserted))
    except BaseException:
        if mark is not None:
            txn.reset(mark)
        raise
    return WriteResult(resolved.count, returned, _last(prepared, resolved.inserted))


# ---- DELETE, TRUNCATE


def _delete(txn: Transaction, prepared: PreparedDelete, cx: Execution, parameter_rows: Sequence[Parameters]) -> WriteResult:
    if prepared.key is None:
        if len(parameter_rows) != 1:
            return one_by_one(_delete, txn, prepared, cx, parameter_rows)
        return _delete_targets(txn, prepared, cx, parameter_rows[0])
    if len(parameter_rows) > 1 and (prepared.effects.referenced or prepared.returning is not None):
        return one_by_one(_delete, txn, prepared, cx, parameter_rows)
    table = prepared.table
    get = txn.editor.table(table).get
    found: dict[Any, Row] = {}
    for p in parameter_rows:
        key = prepared.key(cx, p)
        row = None if key is None or key in found else get(key)
        if row is not None and (prepared.matches is None or prepared.matches(cx, p, row)):
            found[key] = row
        elif key is not None:
            txn.queries.table(table).get(key)
    rows = list(found.values())
    returned = returned_rows(prepared.returning, cx, parameter_rows[0], rows, None) if parameter_rows else None
    apply_delete(txn, prepared, rows, cx)
    return WriteResult(len(rows), returned)


def _delete_targets(txn: Transaction, prepared: PreparedDelete, cx: Execution, p: Parameters) -> WriteResult:
    assert prepared.targets is not None
    txn.check_writable()
    found: dict[Any, Row] = {}
    beside = cx.made is not None
    for target in fetched(prepared.targets, cx, p):
        key = prepared.key_of(target[0])
        if not (beside and changed_beside(txn, prepared.table, key, target[0])):
            found.setdefault(key, target)
    rows = [target[0] for target in found.values()]
    returned = returned_rows(prepared.returning, cx, p, rows, list(found.values()))
    apply_delete(txn, prepared, rows, cx)
    return WriteResult(len(rows), returned)


def apply_delete(txn: Transaction, prepared: PreparedDelete, rows: list[Row], cx: Execution) -> None:
    if not rows:
        return
    table, referenced = prepared.table, prepared.effects.referenced
    if all(ref.key.on_delete in PASSIVE and ref.table.id != table.id for ref in referenced):
        for ref in referenced:
            keys = reference_keys(ref, rows)
            restrict = ref.key.on_delete is Action.RESTRICT
            if not restrict and is_deferred(txn, ref.key.name, ref.key.deferrable, ref.key.deferred):
                put_off_reference(txn, ref, keys)
                continue
            for child in children(txn, ref, keys)[:1]:
                values = tuple([child[s] for s in ref.slots])
                still_referenced(table, ref.table, ref.key.name, ref.parent_columns, values, restrict)
        txn.apply(RowsDeleted(table.id, prepared.key_types, [prepared.key_of(row) for row in rows]))
        return
    mark = txn.mark()
    try:
        cascade = Cascade(txn, cx, txn.take)
        cascade.delete(table, rows)
        cascade.run()
    except BaseException:
        txn.reset(mark)
        raise


def reference_keys(ref: Any, rows: Sequence[Row]) -> set[Row]:
    """The referenced key's values in rows of the parent, without those that have a NULL."""
    return {values for row in rows if None not in (values := tuple([row[s] for s in ref.parent_slots]))}


def _truncate(txn: Transaction, prepared: PreparedTruncate, cx: Execution, parameter_rows: Sequence[Parameters]) -> WriteResult:
    for table in prepared.tables:
        key_of = key_function(table)
        keys = [key_of(row) for batch in txn.queries.table(table).unordered() for row in batch]
        if keys:
            txn.apply(RowsDeleted(table.id, key_types(table), keys))
    for sequence_id in prepared.sequences:
        txn.apply(SequenceAdvanced(sequence_id, None))
    return WriteResult(-1)


def _other(txn: Transaction, prepared: Any, cx: Execution, parameter_rows: Sequence[Parameters]) -> WriteResult:
    """MERGE and WITH that changes rows, whose code comes with the first of their kind."""
    if len(parameter_rows) != 1:
        return one_by_one(_other, txn, prepared, cx, parameter_rows)
    from eventdb.engine import write_merge, write_with
    from eventdb.sql.modification.with_writes import PreparedWith

    run: Any = write_with.run if isinstance(prepared, PreparedWith) else write_merge.merge
    made: WriteResult = run(txn, prepared, cx, parameter_rows[0])
    return made


_RUN: dict[type, Run] = {
    PreparedInsert: _insert, PreparedUpdate: update, PreparedDelete: _delete, PreparedTruncate: _truncate,
}  # fmt: skip
_JOIN: dict[type, Callable[[Transaction, Any, Execution, Parameters], Written]] = {
    PreparedInsert: _join_insert, PreparedUpdate: join_update,
}  # fmt: skip
