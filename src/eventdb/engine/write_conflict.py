"""ON CONFLICT: which proposed rows are inserted, and which rows that are there they change. Nothing is written here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from eventdb.engine.transaction import Transaction
from eventdb.engine.write_cascade import Pairs, replaced
from eventdb.errors import CardinalityViolation
from eventdb.model.record import Record
from eventdb.sql.environment import Execution
from eventdb.sql.modification.prepared import PreparedInsert, Row, key_function

Parameters = tuple[Any, ...]
Numbers = Callable[[int, int], Sequence[int]]


class Resolved(Record, frozen=False):
    """What becomes of proposed rows."""

    inserted: list[Row]
    updated: Pairs
    shown: list[Row]
    count: int = 0


def resolve(txn: Transaction, prepared: PreparedInsert, cx: Execution, p: Parameters, rows: Sequence[Row], numbers: Numbers) -> Resolved:
    table, conflict, number = prepared.table, prepared.conflict, txn.number
    assert conflict is not None
    result = Resolved([], [], [])
    own: list[set[Any]] = [set() for _ in conflict.arbiters]
    touched: set[Any] = set()
    reader = txn.queries.table(table)
    key_of = key_function(table)
    for row in rows:
        stored = (number, *row)
        keys = [unique.key(stored) for unique in conflict.arbiters]
        met_own = any(key is not None and key in taken for key, taken in zip(keys, own, strict=True))
        existing = None if met_own else _existing(reader, conflict.arbiters, keys)
        if existing is None and not met_own:
            for key, taken in zip(keys, own, strict=True):
                taken.add(key)
            result.inserted.append(row)
            result.shown.append(stored)
            result.count += 1
        elif conflict.update is not None:
            if existing is None or key_of(existing) in touched:
                raise _second_time()
            _update_existing(prepared, cx, p, existing, stored, numbers, result, touched)
    return result


def _second_time() -> CardinalityViolation:
    return CardinalityViolation(
        "ON CONFLICT DO UPDATE command cannot affect row a second time",
        hint="Ensure that no rows proposed for insertion within the same command have duplicate constrained values.",
    )


def _existing(reader: Any, arbiters: Sequence[Any], keys: Sequence[Any]) -> Row | None:
    for unique, key in zip(arbiters, keys, strict=True):
        if key is None:
            continue
        if unique.index_id is None:
            row: Row | None = reader.get(key[0] if len(key) == 1 else key)
        else:
            row = next(iter(reader.index(unique.index_id).lookup(key)), None)
        if row is not None:
            return row
    return None


def _update_existing(
    prepared: PreparedInsert,
    cx: Execution,
    p: Parameters,
    existing: Row,
    proposed: Row,
    numbers: Numbers,
    result: Resolved,
    touched: set[Any],
) -> None:
    conflict = prepared.conflict
    assert conflict is not None
    assert conflict.update is not None
    assert conflict.finish is not None
    computed = conflict.update.run(cx, p, [(existing, proposed)])
    if not computed:
        return
    touched.add(key_function(prepared.table)(existing))
    values = conflict.finish(cx, p, existing, computed[0], numbers)
    new = existing if values is None else replaced(existing, conflict.slots, values, proposed[0])
    if values is not None:
        result.updated.append((existing, new))
    result.shown.append(new)
    result.count += 1
