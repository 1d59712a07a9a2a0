"""What a session owns: temporary tables with their indexes, sequences and views.

They are a state of their own beside the database's, an immutable value that the session holds. `over` lays it on a state of the database:
the transaction that begins on the result sees one catalog and one set of storages, so that binding, planning, constraints, savepoints and
the undoing of a failed statement know of no difference. At commit the two part again: events of objects with negative ids stay out of the
log (`model.event.is_temporary`), and what the transaction's editor has of such objects is what the session owns from then on (`kept`).

The last join is remembered, so an idle session with such objects holds on to the state that it read last.

Nothing of it is written anywhere, and no other session sees it. Temporary tables have no history: versions that were superseded are
forgotten at commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

from eventdb.engine.transaction import Transaction
from eventdb.model.catalog import Catalog
from eventdb.model.record import replace
from eventdb.model.schema import Table
from eventdb.sql.definition.dropping import removal
from eventdb.sql.environment import Environment
from eventdb.storage.state import State
from eventdb.storage.table import TableData

_KINDS = ("tables", "views", "indexes", "sequences")
_NEVER = 2**62
"""The transaction of the version of a joined catalog: no moment of the past falls into it."""
_joined = count(1)


class Joined(State):
    """A state of the database with what a session owns laid over it."""

    __slots__ = ()

    def __init__(self, state: State, catalog: Catalog, own: Temporary) -> None:
        super().__init__(
            state.number, state.catalogs, {**state.tables, **own.tables}, {**state.sequences, **own.sequences}, state.timeline,
            state.index_keys, state.rewritings, state.horizons,
        )  # fmt: skip
        self.catalog = catalog


class Temporary:
    """The objects of one session, their rows and the values of their sequences. Immutable but for what it remembers of the last join."""

    __slots__ = ("_catalog", "_lasting", "_result", "_state", "catalog", "sequences", "tables")

    def __init__(self, catalog: Catalog, tables: Mapping[int, TableData], sequences: Mapping[int, int | None]) -> None:
        self.catalog = catalog
        self.tables = tables
        self.sequences = sequences
        self._state: State | None = None
        self._result: State | None = None
        self._lasting: Catalog | None = None
        self._catalog = catalog

    def over(self, state: State) -> State:
        """The state with these objects; the same catalog for as long as both sides keep theirs."""
        if state is not self._state or self._result is None:
            if state.catalog is not self._lasting:
                own = self.catalog
                parts: dict[str, Any] = {kind: {**getattr(state.catalog, kind), **getattr(own, kind)} for kind in _KINDS}
                self._catalog = replace(state.catalog, version=(_NEVER, next(_joined)), next_temporary=own.next_temporary, **parts)
                self._lasting = state.catalog
            self._state, self._result = state, Joined(state, self._catalog, self)
        return self._result


def kept(transaction: Transaction, before: Temporary | None) -> Temporary:
    """What the session owns after the transaction has been committed; `before`: what it owned when that began."""
    editor = transaction.editor
    for table in [t for t in editor.catalog.tables.values() if t.options.get("on_commit") == "drop"]:
        if table.id in editor.catalog.tables:
            for event in removal(table, Environment("", editor.catalog), True, -1, set()):
                editor.apply(event)
    editor.freeze()
    catalog = editor.catalog
    parts: dict[str, Any] = {kind: {i: item for i, item in getattr(catalog, kind).items() if i < 0} for kind in _KINDS}
    if before is not None and all(parts[kind] == getattr(before.catalog, kind) for kind in _KINDS):
        own = before.catalog
    else:
        own = Catalog(version=(_NEVER, next(_joined)), schemas={}, next_temporary=catalog.next_temporary, **parts)
    tables = {table.storage: _kept_rows(editor.storage(table), table) for table in own.tables.values()}
    after = Temporary(own, tables, {i: editor.sequence_value(i) for i in own.sequences})
    if before is not None and own is before.catalog:
        after._lasting, after._catalog = before._lasting, before._catalog
    return after


def _kept_rows(data: TableData, table: Table) -> TableData:
    if table.options.get("on_commit") == "delete rows":
        return data.emptied(object()) if data.live.count else data
    superseded = data.past.count or any(index.past.count or index.dropped_at is not None for index in data.indexes.values())
    return data.without_past(object()) if superseded else data
