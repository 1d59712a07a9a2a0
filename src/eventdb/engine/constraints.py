"""Constraints that need other rows: PRIMARY KEY, UNIQUE and FOREIGN KEY.

Checks ask about the state after the whole statement: rows of one statement may swap keys or refer to each other. Where one event does it
all, the check runs before the event is applied, with the statement's own rows taken into account. What is read here is remembered by the
transaction (`Transaction.reader`), since a constraint must hold against concurrent commits in every isolation level; the clustering key
needs no memory, as two writers of one key conflict anyway.

A deferred check is kept as the key *values* to look at again (`Transaction.deferred`); looking once too often does no harm.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from eventdb.engine.transaction import Transaction
from eventdb.errors import InvalidColumnReference, UndefinedObject
from eventdb.model.keys import component
from eventdb.model.schema import Table
from eventdb.sql.environment import Execution
from eventdb.sql.modification.effects import Effects, Reference, UniqueKey, reference, unique_keys
from eventdb.sql.modification.prepared import key_function
from eventdb.sql.modification.violations import duplicate_key, missing_parent, mixed_nulls, still_referenced
from eventdb.sql.parser import ast
from eventdb.sql.reader import TableReader

Row = tuple[Any, ...]
Values = tuple[Any, ...]
_BULK = 64


def is_deferred(txn: Transaction, name: str, deferrable: bool, deferred: bool) -> bool:
    """Whether the constraint is checked at commit, as declared or as SET CONSTRAINTS says."""
    if not deferrable:
        return False
    modes: dict[str, bool] = txn.constraint_modes
    return modes.get(name, modes.get("", deferred)) if modes else deferred


# ---- unique keys


def check_unique(
    txn: Transaction, table: Table, uniques: Iterable[UniqueKey], rows: Sequence[Row], leaving: set[Any] | None = None
) -> None:
    """Raise UniqueViolation where a key of `rows` (as they will be stored) is taken twice, or by a row whose key isn't in `leaving`."""
    for unique in uniques:
        keys = [key for row in rows if (key := unique.key(row)) is not None]
        if not keys:
            continue
        if is_deferred(txn, unique.name, unique.deferrable, unique.deferred):
            _put_off(txn, ("unique", table.id, unique.name), keys)
            continue
        if len(keys) > 1 and len(set(keys)) != len(keys):
            _report_repeated(table, unique, keys)
        _check_taken(txn, table, unique, keys, leaving)


def _report_repeated(table: Table, unique: UniqueKey, keys: Sequence[Values]) -> None:
    seen: set[Values] = set()
    for key in keys:
        if key in seen:
            duplicate_key(table, unique.name, unique.columns, key)
        seen.add(key)


def _check_taken(txn: Transaction, table: Table, unique: UniqueKey, keys: list[Values], leaving: set[Any] | None) -> None:
    key_of = key_function(table)
    if unique.index_id is None:
        get = txn.editor.table(table).get
        for key in keys:
            row = get(key[0] if len(key) == 1 else key)
            if row is not None and (leaving is None or key_of(row) not in leaving):
                duplicate_key(table, unique.name, unique.columns, key)
        return
    recorded = txn.reader.table(table).index(unique.index_id)
    if len(keys) >= _BULK:
        last = next((batch[0] for batch in recorded.batches(reverse=True) if batch), None)
        highest = None if last is None else unique.key(last)
        if last is None or (highest is not None and min(keys) > highest):
            return
        recorded = txn.present.table(table).index(unique.index_id)
    lookup = recorded.lookup
    for key in keys:
        for row in lookup(key):
            if leaving is None or key_of(row) not in leaving:
                duplicate_key(table, unique.name, unique.columns, key)


def check_one_key(txn: Transaction, table: Table, unique: UniqueKey, row: Row) -> None:
    """The clustering key of one new stored row: the short form of `check_unique`."""
    slots = table.key_slots
    key = row[slots[0]] if len(slots) == 1 else tuple([row[s] for s in slots])
    if txn.editor.table(table).get(key) is not None:
        duplicate_key(table, unique.name, unique.columns, (key,) if len(slots) == 1 else key)


def check_new_keys(txn: Transaction, table: Table, unique: UniqueKey, rows: Sequence[Row]) -> None:
    """The clustering key of many new rows in slot order without start number, by batch: keys that all follow the last one need no
    look-up."""
    assert unique.slots is not None
    places = [slot - 1 for slot in unique.slots]
    if len(places) == 1:
        place = places[0]
        keys: list[Any] = [row[place] for row in rows]
    else:
        keys = [tuple([row[i] for i in places]) for row in rows]
    if len(set(keys)) != len(keys):
        _report_repeated(table, unique, [(key,) for key in keys] if len(places) == 1 else keys)
    reader = txn.editor.table(table)
    last = next((batch[0] for batch in reader.batches(reverse=True) if batch), None)
    if last is None:
        return
    highest = key_function(table)(last)
    if any(table.by_id[c].datatype.is_float for c in table.key) or not min(keys) > highest:
        found = reader.get_many(keys)
        if found:
            key = key_function(table)(found[0])
            duplicate_key(table, unique.name, unique.columns, (key,) if len(places) == 1 else key)


# ---- foreign keys: from the referencing side


def reference_values(ref: Reference, rows: Iterable[Row], offset: int = 0) -> set[Values]:
    """The distinct values of the foreign key in `rows`, without those that have a NULL. `offset` -1 for rows without start number.

    Raises ForeignKeyViolation for a MATCH FULL key that is NULL in part.
    """
    if len(ref.slots) == 1:
        place = ref.slots[0] + offset
        found = {row[place] for row in rows}
        found.discard(None)
        return {(value,) for value in found}
    places = [slot + offset for slot in ref.slots]
    values = {tuple([row[i] for i in places]) for row in rows}
    partial = {v for v in values if None in v}
    if ref.key.match_full and any(any(part is not None for part in v) for v in partial):
        mixed_nulls(ref.table, ref.key.name)
    return values - partial if partial else values


def parent_exists(reader: TableReader, ref: Reference, values: Values) -> bool:
    """Whether a row of the referenced table has this key."""
    if ref.parent_index is None:
        order = ref.parent_order
        return reader.get(values[0] if len(order) == 1 else tuple([values[i] for i in order])) is not None
    return bool(reader.index(ref.parent_index).lookup(tuple([component(values[i]) for i in ref.parent_order])))


def check_references(txn: Transaction, effects: Effects, rows: Sequence[Row], offset: int = 0) -> None:
    """Raise ForeignKeyViolation where a row refers to nothing; rows of the statement itself count where a table refers to itself."""
    for ref in effects.references:
        wanted = reference_values(ref, rows, offset)
        if not wanted:
            continue
        if is_deferred(txn, ref.key.name, ref.key.deferrable, ref.key.deferred):
            _put_off(txn, ("foreign", ref.table.id, ref.key.name), wanted)
            continue
        reader = txn.reader.table(ref.parent)
        missing = [values for values in wanted if not parent_exists(reader, ref, values)]
        if missing and ref.parent.id == ref.table.id:
            own = {tuple([row[slot + offset] for slot in ref.parent_slots]) for row in rows}
            missing = [values for values in missing if values not in own]
        if missing:
            missing_parent(ref.table, ref.key.name, ref.columns, missing[0], ref.parent)


# ---- foreign keys: from the referenced side


def children(txn: Transaction, ref: Reference, wanted: set[Values]) -> list[Row]:
    """The stored rows that refer to one of these keys."""
    if not wanted:
        return []
    reader = txn.reader.table(ref.table)
    if ref.child_index is not None:
        index = reader.index(ref.child_index)
        found: list[Row] = []
        for values in wanted:
            found.extend(index.lookup(tuple([component(values[i]) for i in ref.child_order])))
        return found
    if len(ref.slots) == 1:
        slot = ref.slots[0]
        single = {values[0] for values in wanted}
        return [row for batch in reader.unordered() for row in batch if row[slot] in single]
    slots = ref.slots
    return [row for batch in reader.unordered() for row in batch if tuple([row[s] for s in slots]) in wanted]


def verify_reference(txn: Transaction, ref: Reference, wanted: set[Values], of_parent: bool) -> None:
    """Raise ForeignKeyViolation where, as things stand, a row still refers to one of these keys and no row has it."""
    reader = txn.reader.table(ref.parent)
    missing = {values for values in wanted if not parent_exists(reader, ref, values)}
    if not missing:
        return
    for row in children(txn, ref, missing):
        values = tuple([row[slot] for slot in ref.slots])
        if of_parent:
            still_referenced(ref.parent, ref.table, ref.key.name, ref.parent_columns, values)
        missing_parent(ref.table, ref.key.name, ref.columns, values, ref.parent)


# ---- deferred checks


def _put_off(txn: Transaction, constraint: tuple[str, int, str], values: Iterable[Values]) -> None:
    txn.deferred.setdefault(constraint, []).extend(values)


def put_off_reference(txn: Transaction, ref: Reference, values: Iterable[Values]) -> None:
    """Look at these values of the foreign key again at commit."""
    _put_off(txn, ("foreign", ref.table.id, ref.key.name), values)


def check_deferred(txn: Transaction, execution: Execution, names: Iterable[str] | None = None) -> None:
    """Make the checks that were put off, all of them or those of the constraints named; afterwards they are no longer pending.

    Raises ForeignKeyViolation, UniqueViolation; the caller then rolls the transaction back (at commit) or the statement.
    """
    if not txn.deferred:
        return
    wanted = None if names is None else set(names)
    for constraint in list(txn.deferred):
        kind, table_id, name = constraint
        if wanted is not None and name not in wanted:
            continue
        table = txn.catalog.tables.get(table_id)
        if table is not None:
            values = set(txn.deferred[constraint])
            if kind == "foreign":
                _verify_foreign(txn, table, name, values)
            else:
                _verify_unique(txn, table, name, values)
        del txn.deferred[constraint]


def _verify_foreign(txn: Transaction, table: Table, name: str, values: set[Values]) -> None:
    key = next((k for k in table.foreign_keys if k.name == name), None)
    if key is not None:
        verify_reference(txn, reference(txn.catalog, table, key), values, of_parent=False)


def _verify_unique(txn: Transaction, table: Table, name: str, keys: set[Values]) -> None:
    unique = next((u for u in unique_keys(txn.catalog, table) if u.name == name), None)
    if unique is None or unique.index_id is None:
        return
    index = txn.reader.table(table).index(unique.index_id)
    for key in keys:
        if len(index.lookup(key)) > 1:
            duplicate_key(table, unique.name, unique.columns, key)


def set_constraints(txn: Transaction, statement: ast.SetConstraints, execution: Execution, search_path: Sequence[str] = ()) -> None:
    """SET CONSTRAINTS: what is made immediate is checked now. Raises UndefinedObject, InvalidColumnReference (not deferrable)."""
    names = [name.parts[-1] for name in statement.names]
    known: dict[str, bool] = {}
    for table in txn.catalog.tables.values():
        for constraint in table.constraints:
            if hasattr(constraint, "deferrable"):
                known[constraint.name] = known.get(constraint.name, False) or constraint.deferrable
    for node in statement.names:
        name = node.parts[-1]
        if name not in known:
            raise UndefinedObject(f'constraint "{name}" does not exist').at(node.position)
        if not known[name]:
            raise InvalidColumnReference(f'constraint "{name}" is not deferrable').at(node.position)
    if not statement.deferred:
        check_deferred(txn, execution, names or None)
    modes = dict(txn.constraint_modes) if names else {}
    modes.update(dict.fromkeys(names, statement.deferred) if names else {"": statement.deferred})
    txn.constraint_modes = modes
