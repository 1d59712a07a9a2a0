"""ERASE FROM t WHERE …: rows out of the present and of the whole past.

The condition is evaluated on every version of every row, in the shape that the table has now. A row of which one version meets it goes with
all its versions, under earlier keys too (`identities`). Rows that refer to it are treated as DELETE would, by DELETE's own code on a
transaction that is thrown away; with ON DELETE CASCADE they go with their history, as do rows that referred to it before they were deleted
themselves.

The bodies of the log are rewritten without the rows, as if they had never been: so replay, keys and transaction numbers stay sound, and
what is left of a body that had nothing else is an empty one. Blanked values instead would have to satisfy NOT NULL, CHECK and UNIQUE.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from eventdb.engine import constraints
from eventdb.engine.binding import adapted
from eventdb.engine.execution import PRESENT, Execution
from eventdb.engine.identities import Gone, Identities, Place
from eventdb.engine.passing import Passing
from eventdb.engine.results import Result
from eventdb.engine.rewriting import check_alone, rewrite
from eventdb.engine.statements import environment
from eventdb.engine.transaction import Transaction
from eventdb.engine.versions import AllVersions
from eventdb.engine.write_cascade import Cascade
from eventdb.errors import InsufficientPrivilege, InternalError, NotSupportedError, WrongObjectType
from eventdb.model.event import Event, RowsDeleted, RowsErased
from eventdb.model.schema import Action, Table
from eventdb.sql import compiler
from eventdb.sql.definition.names import find_table
from eventdb.sql.modification.effects import Reference, effects, incoming_references
from eventdb.sql.modification.insert import fetched
from eventdb.sql.parser import ast
from eventdb.sql.reader import TableReader
from eventdb.storage.codec import decode_body
from eventdb.storage.state import State

if TYPE_CHECKING:
    from eventdb.engine.session import Session
    from eventdb.engine.statements import Statement

Values = tuple[Any, ...]
Spans = dict[Values, list[tuple[int, int | None]]]


def erase(session: Session, node: ast.Erase, statement: Statement, values: tuple[Any, ...]) -> Result:
    """Run an ERASE; `rowcount` is the number of rows, however many versions they had."""
    if not session.allow_erase:
        raise InsufficientPrivilege(
            "ERASE is allowed only on a connection opened with allow_erase=True", position=node.position,
            hint="It removes values for good, from the past and from the log too.",
        )  # fmt: skip
    check_alone(session, "ERASE", node.position)
    if session.database.origin is not None:
        raise NotSupportedError("ERASE in a fork is not supported: erase in the database that it was forked from", position=node.position)

    deadline = session.deadline()

    def plan(state: State) -> _Erasure | None:
        work = _Erasure(session, state, deadline)
        work.match(node, statement, values)
        if not work.gone:
            return None
        work.follow_references()
        return work

    done = rewrite(session, "ERASE", plan, deadline)
    if done is None:
        return Result(rowcount=0)
    session.total_changes += done.matched
    return Result(rowcount=done.matched)


class _Versions(Execution):
    """An execution whose moment 1 is every version of the target."""

    __slots__ = ("versions",)

    versions: TableReader

    def table(self, table: Table, moment: int) -> TableReader:
        return self.versions if moment == 1 else super().table(table, moment)


class _Erasure:
    """One ERASE on one state. `gone`: the places of the rows that go; `matched`: how many rows of the target."""

    def __init__(self, session: Session, state: State, deadline: float | None) -> None:
        self.gone = Gone()
        self.matched = 0
        self._session = session
        self._state = state
        self._deadline = deadline
        self._rows: dict[int, int] = {}
        self._others: list[Event] = []
        self._live: dict[int, int] = {}
        self._past: dict[int, int] = {}

    # which rows

    def match(self, node: ast.Erase, statement: Statement, values: tuple[Any, ...]) -> None:
        """Find the rows of which some version meets the condition."""
        session, state = self._session, self._state
        present = session.refresh()  # with the session's temporary objects
        env = environment(session, present.catalog, statement)
        self._target = target = find_table(env, node.table, "erase from")
        if target.id < 0:
            raise WrongObjectType(f'"{target.name}" is a temporary table', hint="It has no history: use DELETE.").at(node.table.position)
        prepared = compiler.prepare_targets(env, target, node.alias, (), node.where, (), (), None, versions=1)
        execution = _Versions(session, present, None, (*PRESENT, (0, state.number)))
        if self._deadline is not None:
            prepared, execution.deadline = prepared.measured(), self._deadline
        execution.versions = versions = AllVersions(state, target, execution)  # type: ignore[assignment]
        followed = {target.id}
        self._followed = followed
        pending = [target]
        while pending:
            for ref in incoming_references(state.catalog, pending.pop()):
                if ref.key.on_delete is Action.CASCADE and ref.table.id not in followed:
                    followed.add(ref.table.id)
                    pending.append(ref.table)
        self._identities = identities = Identities(state, followed)
        passing = Passing(state, target, identities, execution)
        for record in session.database.log.read(0, state.number):
            body = record.body
            if b"RowsUpdated" in body or b"Table" in body or b"RowsDeleted" in body:  # nothing else moves a row, or changes it twice
                passing.follow(record.header.number, decode_body(body))
        versions.passing = passing.found
        found = [row[0][-1] for row in fetched(prepared, execution, adapted(values, prepared.parameters, session.timezone))]
        self.matched = self._add(target, [place[:3] if len(place) > 3 else identities.place_at(*place) for place in found])

    def _add(self, table: Table, places: Sequence[Place]) -> int:
        rows = self._identities.connected(places)
        new = [row for row in rows if not any(place in self.gone for place in row)]
        for row in new:
            for place in row:
                self.gone.add(place)
        self._rows[table.id] = self._rows.get(table.id, 0) + len(new)
        return len(new)

    # what refers to them

    def follow_references(self) -> None:
        """As DELETE does for the current rows; then, for CASCADE, over the past. Raises ForeignKeyViolation, RestrictViolation."""
        self._delete(self._target)
        pending = [self._target]
        while pending:
            for ref in incoming_references(self._state.catalog, pending.pop()):
                if ref.key.on_delete is Action.CASCADE and self._add(ref.table, self._referred(ref)):
                    pending.append(ref.table)

    def _delete(self, table: Table) -> None:
        """Delete the target's current rows in a transaction that is not kept, for what follows from that."""
        data = self._state.tables[table.storage]
        identities, storage = self._identities, table.storage
        keys = [key for at, key, epoch in self.gone.places() if at == storage and identities.place(storage, key)[2] == epoch]
        rows = [row for key in keys if (row := data.live.get(key)) is not None]
        transaction = Transaction(self._session.database, self._state)
        execution = Execution(self._session, transaction.reader, transaction)
        if rows and effects(self._state.catalog, table).referenced:
            cascade = Cascade(transaction, execution, transaction.take)
            cascade.delete(table, [data.shape.full(row) for row in rows])
            cascade.run()
            constraints.check_deferred(transaction, execution)
        for event in transaction.events:
            if isinstance(event, RowsDeleted):
                of = self._state.catalog.tables[event.table_id]
                keys = identities.keys(event) or []
                self._add(of, [identities.place(of.storage, key) for key in keys])
            else:
                self._others.append(event)

    def _referred(self, ref: Reference) -> list[Place]:
        """Rows of the past, not current any more, of which some version referred to one that goes."""
        identities, state = self._identities, self._state
        spans: Spans = {}
        for place, end, row in AllVersions(state, ref.parent).all():
            value = tuple([row[slot] for slot in ref.parent_slots])
            if None not in value and identities.place_at(*place) in self.gone:
                spans.setdefault(value, []).append((row[0], end))
        found = []
        for place, end, row in AllVersions(state, ref.table).all():
            met = spans.get(tuple([row[slot] for slot in ref.slots]))
            if met and any((last is None or row[0] < last) and (end is None or first < end) for first, last in met):
                at = identities.place_at(*place)
                if at not in self.gone and not self._is_current(ref.table, at):
                    found.append(at)
        return found

    def _is_current(self, table: Table, place: Place) -> bool:
        live = self._state.tables[table.storage].live
        return any(
            storage == table.storage and live.get(key) is not None and self._identities.place(storage, key)[2] == epoch
            for storage, key, epoch in self._identities.connected([place])[0]
        )

    # the log

    def events_of(self, number: int, events: Sequence[Event]) -> Sequence[Event]:
        """The events of a transaction without the rows that go."""
        if number == 1:
            self._again = Identities(self._state, self._followed)
        made: list[Event] = []
        same = True
        for event in events:
            kept = self.gone.without(event, self._again)
            self._again.follow(number, event)
            same = same and kept is event
            if kept is not None:
                made.append(kept)
        return events if same else made

    def finish(self, state: State) -> Sequence[Event]:
        """The events of the erasing transaction, on the state without the rows. Raises InternalError if that is not the old one without."""
        erased: list[Event] = []
        for table_id, count in self._rows.items():
            if count:
                table = self._state.catalog.tables[table_id]
                erased.append(RowsErased(table_id, count, self._removed(state, table), self._state.tables[table.storage].next_row_id))
        for storage, data in self._state.tables.items():
            new = state.tables[storage]
            live, past = data.live.count - self._live.get(storage, 0), data.past.count - self._past.get(storage, 0)
            if (new.live.count, new.past.count) != (live, past):
                raise InternalError(f'erasing would leave other rows of table "{data.shape.table.name}" than it should')
        return [*erased, *(kept for event in self._others if (kept := self.gone.without(event, self._identities)) is not None)]

    def _removed(self, state: State, table: Table) -> int:
        """How many versions of a table go; they are counted in the old state, for comparison."""
        keys: dict[int, set[Any]] = {}
        for storage, key, _ in self.gone.places():
            keys.setdefault(storage, set()).add(key)
        total, place_at = 0, self._identities.place_at
        for storage in AllVersions(self._state, table).storages:
            data = self._state.tables[storage]
            bound = data.shape.versions.bound
            for key in keys.get(storage, ()):
                row = data.live.get(key)
                live = int(row is not None and place_at(storage, key, row[0]) in self.gone)
                rows = data.past.between(bound(key, False), bound(key, True))[1]
                past = sum(place_at(storage, key, version[0]) in self.gone for version in rows)
                self._live[storage] = self._live.get(storage, 0) + live
                self._past[storage] = self._past.get(storage, 0) + past
                total += live + past
        return total
