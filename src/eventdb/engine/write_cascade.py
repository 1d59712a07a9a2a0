"""Updates and deletes of rows that foreign keys refer to: referential actions through any number of tables.

Each step is an event, applied at once, so that the next one sees it: a row deleted twice over two paths is found only once, cycles end.
NO ACTION is checked when nothing is left to do; RESTRICT as soon as its parent has changed. The caller has marked the transaction and
resets it on an error.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from eventdb.engine.constraints import (
    Row,
    Values,
    check_unique,
    children,
    is_deferred,
    put_off_reference,
    reference_values,
    verify_reference,
)
from eventdb.engine.transaction import Transaction
from eventdb.model.event import RowsDeleted, RowsUpdated
from eventdb.model.record import Record
from eventdb.model.schema import Action, Table
from eventdb.sql.environment import Environment, Execution
from eventdb.sql.modification.effects import Effects, Reference, effects
from eventdb.sql.modification.making import key_types, row_types
from eventdb.sql.modification.prepared import key_function
from eventdb.sql.modification.referential import prepare_action
from eventdb.sql.modification.violations import still_referenced

Pairs = list[tuple[Row, Row]]
"""Old and new stored rows."""

PASSIVE = frozenset({Action.NO_ACTION, Action.RESTRICT})


def replaced(row: Row, slots: Sequence[int], values: Sequence[Any], number: int) -> Row:
    """The stored row with other values in `slots`."""
    new = list(row)
    new[0] = number
    for slot, value in zip(slots, values, strict=True):
        new[slot] = value
    return tuple(new)


class _Step(Record, frozen=False):
    """Rows of one table whose keys went (new None) or changed."""

    effects: Effects
    pairs: list[tuple[Row, Row | None]]


class Cascade:
    """One statement's changes with all that follows from them."""

    def __init__(self, txn: Transaction, execution: Execution, numbers: Callable[[int, int], Sequence[int]]) -> None:
        self.txn = txn
        self.execution = execution
        self.numbers = numbers
        self._steps: deque[_Step] = deque()
        self._from_parent: dict[tuple[int, str], tuple[Reference, set[Values]]] = {}
        self._from_child: dict[tuple[int, str], tuple[Reference, set[Values]]] = {}

    def delete(self, table: Table, rows: Sequence[Row]) -> None:
        """Delete these stored rows."""
        key_of = key_function(table)
        self.txn.apply(RowsDeleted(table.id, key_types(table), [key_of(row) for row in rows]))
        self._steps.append(_Step(effects(self.txn.catalog, table), [(row, None) for row in rows]))

    def update(self, table: Table, slots: tuple[int, ...], pairs: Pairs) -> None:
        """Put new rows for old ones; `slots` are those that may differ."""
        key_of = key_function(table)
        met = effects(self.txn.catalog, table, slots)
        check_unique(self.txn, table, met.uniques, [new for _, new in pairs], {key_of(old) for old, _ in pairs})
        met.compute_indexes(new for _, new in pairs)
        types = row_types(table)
        self.txn.apply(
            RowsUpdated(
                table.id, key_types(table), [key_of(old) for old, _ in pairs], slots, tuple(types[s - 1] for s in slots),
                [tuple([new[s] for s in slots]) for _, new in pairs],
            )
        )  # fmt: skip
        for ref in met.references:
            self._note(self._from_child, ref, reference_values(ref, (new for _, new in pairs)))
        self._steps.append(_Step(met, list(pairs)))

    def run(self) -> None:
        """Follow the actions to their end, then check what NO ACTION and the new references ask."""
        while self._steps:
            step = self._steps.popleft()
            for ref in step.effects.referenced:
                self._follow(ref, step.pairs)
        for ref, values in self._from_parent.values():
            self._settle(ref, values, of_parent=True)
        for ref, values in self._from_child.values():
            self._settle(ref, values, of_parent=False)

    def _note(self, where: dict[tuple[int, str], tuple[Reference, set[Values]]], ref: Reference, values: set[Values]) -> None:
        if values:
            where.setdefault((ref.table.id, ref.key.name), (ref, set()))[1].update(values)

    def _settle(self, ref: Reference, values: set[Values], of_parent: bool) -> None:
        if is_deferred(self.txn, ref.key.name, ref.key.deferrable, ref.key.deferred):
            put_off_reference(self.txn, ref, values)
        else:
            verify_reference(self.txn, ref, values, of_parent)

    def _follow(self, ref: Reference, pairs: Sequence[tuple[Row, Row | None]]) -> None:
        gone: set[Values] = set()
        moved: dict[Values, Values] = {}
        for old, new in pairs:
            before = tuple([old[s] for s in ref.parent_slots])
            if None in before:
                continue
            if new is None:
                gone.add(before)
            else:
                after = tuple([new[s] for s in ref.parent_slots])
                if after != before:
                    moved[before] = after
        if gone:
            self._act(ref, ref.key.on_delete, gone, None)
        if moved:
            self._act(ref, ref.key.on_update, set(moved), moved)

    def _act(self, ref: Reference, action: Action, keys: set[Values], moved: dict[Values, Values] | None) -> None:
        if action is Action.NO_ACTION:
            self._note(self._from_parent, ref, keys)
            return
        rows = children(self.txn, ref, keys)
        if not rows:
            return
        if action is Action.RESTRICT:
            values = tuple([rows[0][s] for s in ref.slots])
            still_referenced(ref.parent, ref.table, ref.key.name, ref.parent_columns, values, restrict=True)
        if action is Action.CASCADE and moved is None:
            self.delete(ref.table, rows)
            return
        self._rewrite(ref, action, rows, moved)

    def _rewrite(self, ref: Reference, action: Action, rows: Sequence[Row], moved: dict[Values, Values] | None) -> None:
        """CASCADE of an update, SET NULL, SET DEFAULT."""
        env = Environment("", self.txn.catalog)
        prepared = prepare_action(ref, action, moved is None, env)
        pairs: Pairs = []
        for row in rows:
            given = moved[tuple([row[s] for s in ref.slots])] if action is Action.CASCADE and moved is not None else ()
            values = prepared.finish(self.execution, given, row, self.numbers)
            if values is not None:
                pairs.append((row, replaced(row, prepared.slots, values, self.txn.number)))
        if pairs:
            self.update(ref.table, prepared.slots, pairs)
        if action is Action.SET_DEFAULT:
            # The default may name the very key that went; where it does the row was not touched.
            self._note(self._from_child, ref, {tuple([row[s] for s in ref.slots]) for row in rows})
