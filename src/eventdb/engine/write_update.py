"""Running prepared UPDATEs: by key, one, many, or waiting for more of their kind; by a query that finds their rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eventdb.engine.constraints import check_references, check_unique
from eventdb.engine.transaction import Pending, Transaction
from eventdb.engine.write_cascade import Cascade, Pairs, replaced
from eventdb.engine.written import Numbers, Parameters, WriteResult, Written, changed_beside, one_by_one, returned_rows
from eventdb.model.event import RowsUpdated
from eventdb.model.schema import Table
from eventdb.sql.environment import Execution
from eventdb.sql.modification.insert import fetched
from eventdb.sql.modification.making import key_types
from eventdb.sql.modification.prepared import PreparedUpdate, Row, key_function


def update(txn: Transaction, prepared: PreparedUpdate, cx: Execution, parameter_rows: Sequence[Parameters]) -> WriteResult:
    if prepared.key is None:
        if len(parameter_rows) != 1:
            return one_by_one(update, txn, prepared, cx, parameter_rows)
        return _update_targets(txn, prepared, cx, parameter_rows[0])
    if len(parameter_rows) == 1:
        return _update_key(txn, prepared, cx, parameter_rows[0])
    effects = prepared.effects
    if effects.uniques or effects.referenced or prepared.returning is not None or prepared.moves:
        return one_by_one(update, txn, prepared, cx, parameter_rows)
    return _update_keys(txn, prepared, cx, parameter_rows)


def _update_key(txn: Transaction, prepared: PreparedUpdate, cx: Execution, p: Parameters) -> WriteResult:
    table = prepared.table
    assert prepared.key is not None
    assert prepared.change is not None
    key = prepared.key(cx, p)
    row = None if key is None else txn.editor.table(table).get(key)
    if row is None:
        return _untouched(txn, prepared, cx, p, key, None)
    values = prepared.change(cx, p, row, txn.take)
    if not values:
        return _untouched(txn, prepared, cx, p, key, row if values is None else None)
    if prepared.effects.free and prepared.returning is None:
        txn.apply(RowsUpdated(table.id, prepared.key_types, (key,), prepared.slots, prepared.types, (values,)))
        return _ONE
    new = replaced(row, prepared.slots, values, txn.number)
    returned = returned_rows(prepared.returning, cx, p, [new], None)
    apply_pairs(txn, table, prepared.slots, [(row, new)], prepared.effects, cx, txn.take)
    return WriteResult(1, returned)


def join_update(txn: Transaction, prepared: PreparedUpdate, cx: Execution, p: Parameters) -> Written:
    key = prepared.key(cx, p)  # type: ignore[misc]
    row = None if key is None else txn.editor.row(prepared.table, key)
    if row is not None:
        pending = txn.pending
        if pending is not None and key in pending.rows:
            return _join_again(txn, pending, cx, p, key, row)
        values = prepared.change(cx, p, row, txn.take)  # type: ignore[misc]
        if values:
            if pending is None:
                pending = txn.pending = Pending(prepared)
            pending.rows[key] = values
            return _ONE
        if values is not None:
            row = None
    return _untouched(txn, prepared, cx, p, key, row)


def _join_again(txn: Transaction, pending: Pending, cx: Execution, p: Parameters, key: Any, stored: Row) -> Written:
    """One more change of a row whose last one waits."""
    prepared: PreparedUpdate = pending.prepared
    before = pending.rows[key]
    row = replaced(stored, prepared.slots, before, txn.number)
    values = prepared.change(cx, p, row, txn.take)  # type: ignore[misc]
    if not values:
        return _untouched(txn, prepared, cx, p, key, None if values is not None else row)
    if _is_back(stored, prepared.slots, values):
        txn.flush()
        txn.pending = Pending(prepared)
    else:
        pending.earlier.append((key, before))
    txn.pending.rows[key] = values  # type: ignore[union-attr]
    return _ONE


def _is_back(stored: Row, slots: tuple[int, ...], values: Row) -> bool:
    """Whether a row that changed would have its stored values again. The change before must then be an event of its own, so that the row
    has a new version whatever way the writes take."""
    return all((old := stored[slot]) == new or old != old for slot, new in zip(slots, values, strict=True))


def _untouched(txn: Transaction, prepared: PreparedUpdate, cx: Execution, p: Parameters, key: Any, row: Row | None) -> WriteResult:
    """An update that writes nothing: no row (None), or one that stays as it is. Only this read tells a later commit what it saw."""
    if key is not None:
        txn.queries.table(prepared.table).get(key)
    if row is None:
        return WriteResult(0, [] if prepared.returning else None)
    return WriteResult(1, returned_rows(prepared.returning, cx, p, [row], None))


_ONE = WriteResult(1)


def _update_keys(txn: Transaction, prepared: PreparedUpdate, cx: Execution, parameter_rows: Sequence[Parameters]) -> WriteResult:
    """Many updates by key in one event, or in several where a row has to be checked or is changed back before it changes again."""
    table, key_of, change, slots = prepared.table, prepared.key, prepared.change, prepared.slots
    numbers = txn.take
    mark = None
    batch = Pending(prepared)
    olds: list[Row] = []
    count = 0
    free = prepared.effects.free
    get = txn.editor.table(table).get
    try:
        for p in parameter_rows:
            key = key_of(cx, p)  # type: ignore[misc]
            row = stored = None if key is None else get(key)
            again = key in batch.rows
            if again:
                row = replaced(stored, slots, batch.rows[key], txn.number)  # type: ignore[arg-type]
            values = () if row is None else change(cx, p, row, numbers)  # type: ignore[misc]
            if values:
                count += 1
                if again and free and not _is_back(stored, slots, values):  # type: ignore[arg-type]
                    batch.earlier.append((key, batch.rows[key]))
                elif again:
                    mark = mark or txn.mark()
                    _apply_batch(txn, batch, olds)
                    batch, olds = Pending(prepared), []
                    get = txn.editor.table(table).get
                batch.rows[key] = values
                if not free:
                    olds.append(row)  # type: ignore[arg-type]
                continue
            if key is not None:
                txn.queries.table(table).get(key)
            count += values is None
        _apply_batch(txn, batch, olds)
    except BaseException:
        if mark is not None:
            txn.reset(mark)
        raise
    return WriteResult(count)


def _apply_batch(txn: Transaction, batch: Pending, olds: list[Row]) -> None:
    prepared: PreparedUpdate = batch.prepared
    if not batch.rows:
        return
    effects = prepared.effects
    if not effects.free:
        number = txn.number
        news = [replaced(old, prepared.slots, values, number) for old, values in zip(olds, batch.rows.values(), strict=True)]
        effects.compute_indexes(news)
        check_references(txn, effects, news)
    txn.apply(prepared.joined(batch.rows, batch.earlier))


def _update_targets(txn: Transaction, prepared: PreparedUpdate, cx: Execution, p: Parameters) -> WriteResult:
    assert prepared.targets is not None
    assert prepared.finish is not None
    txn.check_writable()
    finish, slots, number, numbers = prepared.finish, prepared.slots, txn.number, txn.take
    pairs: Pairs = []
    shown: list[Row] = []
    sources: list[Row] = []
    seen: set[Any] = set()
    beside = cx.made is not None
    for target in fetched(prepared.targets, cx, p):
        old = target[0]
        key = prepared.key_of(old)
        if key in seen or (beside and changed_beside(txn, prepared.table, key, old)):
            continue
        seen.add(key)
        values = finish(cx, p, target, numbers)
        new = old if values is None else replaced(old, slots, values, number)
        if values is not None:
            pairs.append((old, new))
        shown.append(new)
        sources.append(target)
    returned = returned_rows(prepared.returning, cx, p, shown, sources)
    if pairs:
        apply_pairs(txn, prepared.table, slots, pairs, prepared.effects, cx, numbers)
    return WriteResult(len(shown), returned)


def apply_pairs(
    txn: Transaction, table: Table, slots: tuple[int, ...], pairs: Pairs, effects: Any, cx: Execution, numbers: Numbers
) -> None:
    if effects.referenced:
        mark = txn.mark()
        try:
            cascade = Cascade(txn, cx, numbers)
            cascade.update(table, slots, pairs)
            cascade.run()
        except BaseException:
            txn.reset(mark)
            raise
        return
    key_of = key_function(table)
    keys = [key_of(old) for old, _ in pairs]
    if not effects.free:
        news = [new for _, new in pairs]
        check_unique(txn, table, effects.uniques, news, set(keys))
        effects.compute_indexes(news)
        check_references(txn, effects, news)
    types = {c.slot: c.datatype for c in table.columns}
    values = [tuple([new[s] for s in slots]) for _, new in pairs]
    txn.apply(RowsUpdated(table.id, key_types(table), keys, slots, tuple(types[s] for s in slots), values))
