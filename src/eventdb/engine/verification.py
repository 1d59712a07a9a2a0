"""Verification of a whole database: what storage can check (storage.verify), and that the rows of now keep every declared constraint."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from eventdb.engine.constraints import parent_exists, reference_values
from eventdb.engine.digests import Digest, compare, digest_from
from eventdb.engine.execution import Execution
from eventdb.engine.undisturbed import undisturbed
from eventdb.errors import Error
from eventdb.model.schema import Check, Column, ForeignKey, Table
from eventdb.sql.definition.rows import Code, environment_for
from eventdb.sql.modification.effects import UniqueKey, reference, unique_keys
from eventdb.sql.modification.making import check_expression, generated_expression
from eventdb.sql.modification.violations import key_detail
from eventdb.storage import verify as storage
from eventdb.storage.state import State
from eventdb.storage.verification import Progress, Verification

if TYPE_CHECKING:
    from eventdb.engine.session import Session

Row = tuple[Any, ...]


def verify(session: Session, digest: Any = None, progress: Progress | None = None) -> Verification:
    """Check the newest state of the session's database, its log, snapshots, indexes and constraints; hold the log against `digest`, one
    or a sequence of them.

    Others may go on writing meanwhile; what they commit is not looked at. Takes memory for a second copy of the state.
    """
    began = time.perf_counter()
    kept = [digest_from(one) for one in ([] if digest is None else digest if isinstance(digest, list | tuple) else [digest])]
    found = undisturbed(session.database, lambda: _verified(session, kept, progress), lambda made: made.ok)
    found.duration = time.perf_counter() - began
    return found


def _verified(session: Session, kept: list[Digest], progress: Progress | None) -> Verification:
    database = session.database
    state = database.refresh()
    with database.snapshots_at_rest() as store:
        found = storage.verify(database.log, state, store, progress)
    found.warnings = list(database.warnings)
    for one in kept:
        compare(database, one, found)
    tables = list(state.catalog.tables.values())
    for done, table in enumerate(tables):
        if progress is not None:
            progress("constraints", done, len(tables))
        _Constraints(session, state, table, found).check()
    return found


class _Constraints:
    """The constraints of one table, over its rows in one state."""

    def __init__(self, session: Session, state: State, table: Table, found: Verification) -> None:
        self._state = state
        self._table = table
        self._found = found
        self._execution = Execution(session, state, None)

    def check(self) -> None:
        table = self._table
        for column in table.columns:
            if not column.nullable and not column.hidden:
                self._one(f'column "{column.name}" is NOT NULL', lambda column=column: self._nulls(column))
            if column.generated is not None:
                self._one(f'column "{column.name}" is generated', lambda column=column: self._generated(column))
        for unique in unique_keys(self._state.catalog, table):
            self._one(f'unique key "{unique.name}"', lambda unique=unique: self._repeated(unique))
        for check in table.checks:
            self._one(f'check constraint "{check.name}"', lambda check=check: self._failed(check))
        for key in table.foreign_keys:
            self._one(f'foreign key "{key.name}"', lambda key=key: self._dangling(key))

    def _one(self, what: str, violation: Any) -> None:
        self._found.constraints += 1
        try:
            problem = violation()
        except Error as error:
            problem = error.message
        if problem is not None:
            self._found.report("constraint", f'table "{self._table.name}": {what}: {problem}')

    def _rows(self) -> Iterator[Row]:
        for batch in self._state.table(self._table).unordered():
            yield from batch

    def _key(self, row: Row) -> str:
        key = tuple([row[slot] for slot in self._table.key_slots])
        return f"the row of key {key[0] if len(key) == 1 else key!r}"

    def _nulls(self, column: Column) -> str | None:
        slot = column.slot
        return next((f"{self._key(row)} has a null there" for row in self._rows() if row[slot] is None), None)

    def _repeated(self, unique: UniqueKey) -> str | None:
        seen: set[Any] = set()
        for row in self._rows():
            key = unique.key(row)
            if key is not None:
                if key in seen:
                    return f"{key_detail(unique.columns, key)} is there twice"
                seen.add(key)
        return None

    def _failed(self, check: Check) -> str | None:
        code = Code()
        code.places[0] = lambda slot: f"r0[{slot}]"
        env = environment_for(self._state.catalog, check.expression)
        code.add(f"return {code.negation(check_expression(self._table, check, env))}")
        fails = code.compile("fails", "cx, r0, p=()")
        return next((f"{self._key(row)} fails it" for row in self._rows() if fails(self._execution, row)), None)

    def _generated(self, column: Column) -> str | None:
        code = Code()
        code.places[0] = lambda slot: f"r0[{slot}]"
        env = environment_for(self._state.catalog, column.generated or "")
        code.add(f"return {code.value(generated_expression(self._table, column, env))}")
        value, slot = code.compile("value", "cx, r0, p=()"), column.slot
        for row in self._rows():
            stored, computed = row[slot], value(self._execution, row)
            if stored != computed and not (stored != stored and computed != computed):
                return f"{self._key(row)} has {stored!r}, computed is {computed!r}"
        return None

    def _dangling(self, key: ForeignKey) -> str | None:
        ref = reference(self._state.catalog, self._table, key)
        parent = self._state.table(ref.parent)
        for values in reference_values(ref, self._rows()):
            if not parent_exists(parent, ref, values):
                return f'{key_detail(ref.columns, values)} is not present in table "{ref.parent.name}"'
        return None
