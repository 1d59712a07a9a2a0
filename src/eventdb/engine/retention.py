"""DELETE HISTORY: the versions that ended before a moment go, current rows never do.

At a table's *horizon* h its rows are as they were; what ended at or before h is gone, so the table cannot be read at an earlier position.
The bodies up to h are rewritten: the events of the table's rows make room for one insert in each transaction, of those versions that it
began and that were alive at h. So a version keeps the transaction that began it, and a replay of the log alone gives the trimmed table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from eventdb.engine.binding import adapted
from eventdb.engine.execution import Execution
from eventdb.engine.results import Result
from eventdb.engine.rewriting import check_alone, rewrite
from eventdb.engine.statements import environment
from eventdb.engine.temporal import number_at, prepare_moment
from eventdb.errors import DatetimeFieldOverflow, InternalError, NotSupportedError, UndefinedTable, WrongObjectType
from eventdb.model import clock
from eventdb.model.datatype import BIGINT, NULL, TEXT, DataType
from eventdb.model.event import Event, HistoryTrimmed, RowsDeleted, RowsInserted, RowsUpdated, TableRewritten
from eventdb.model.record import replace
from eventdb.model.schema import Table
from eventdb.model.transaction import datetime_of
from eventdb.sql.definition.names import find_table
from eventdb.sql.definition.options import RETENTION
from eventdb.sql.expressions.intervals import parse_interval, timestamptz_subtract
from eventdb.sql.parser import ast
from eventdb.sql.prepared import ResultColumn
from eventdb.storage.codec import decode_body, encode_body
from eventdb.storage.log.compression import compress
from eventdb.storage.snapshot import slot_types
from eventdb.storage.state import State

if TYPE_CHECKING:
    from eventdb.engine.session import Session
    from eventdb.engine.statements import Statement

Row = tuple[Any, ...]
Horizons = Mapping[int, int]
"""Table id → the first transaction that it is to be readable at."""

COLUMNS = (
    ResultColumn("schema_name", TEXT), ResultColumn("table_name", TEXT), ResultColumn("horizon", BIGINT), ResultColumn("versions", BIGINT),
    ResultColumn("bytes", BIGINT),
)  # fmt: skip


def delete_history(session: Session, node: ast.DeleteHistory, statement: Statement, values: tuple[Any, ...]) -> Result:
    """Run a DELETE HISTORY: `rowcount` is the number of versions that went. With DRY RUN nothing goes, and there is a row for each table:
    schema_name, table_name, horizon, versions, and the bytes by which the log's bodies would shrink."""
    return _run(session, lambda state: _wanted(session, state, node, statement, values), node.dry_run, node.position)


def apply_retention(session: Session, dry_run: bool) -> int:
    """DELETE HISTORY of all tables that have a retention: how many versions went, or would go."""

    def wanted(state: State) -> Horizons:
        return _by_retention(session, state, _known(state).values())

    if dry_run:
        state = session.database.refresh()
        return sum(_ended(state, table_id, horizon) for table_id, horizon in wanted(state).items())
    return _run(session, wanted, False, -1).rowcount


def _run(session: Session, wanted: Callable[[State], Horizons], dry_run: bool, position: int) -> Result:
    database = session.database
    if dry_run:
        state = database.refresh()
        rows = [_dry(session, state, table_id, number) for table_id, number in wanted(state).items()]
        return Result(COLUMNS, rows, len(rows))
    check_alone(session, "DELETE HISTORY", position)
    if database.origin is not None:
        raise NotSupportedError("DELETE HISTORY in a fork is not supported: use it where that was forked from", position=position)

    def plan(state: State) -> _Trim | None:
        trim = _Trim(session, state, wanted(state))
        return trim if trim.horizons else None

    done = rewrite(session, "DELETE HISTORY", plan, session.deadline())
    return Result(rowcount=0 if done is None else sum(done.versions.values()))


def _dry(session: Session, state: State, table_id: int, number: int) -> Row:
    trim = _Trim(session, state, {table_id: number})
    horizon = max(number, state.horizons.get(table_id, 0))
    table = state.newest(table_id)
    return (table.schema, table.name, horizon, trim.versions.get(table_id, 0), trim.saved())


# which tables, back to when


def _wanted(session: Session, state: State, node: ast.DeleteHistory, statement: Statement, values: tuple[Any, ...]) -> Horizons:
    if node.table is None:
        return _by_retention(session, state, _known(state).values())
    env = environment(session, session.refresh().catalog, statement)
    dropped = _dropped(state, node.table, session.search_path)
    try:
        table = find_table(env, node.table, "delete history from")
    except UndefinedTable:
        if not dropped:
            raise
        tables = dropped
    else:
        if table.id < 0:
            raise WrongObjectType(f'"{table.name}" is a temporary table', hint="It has no history.").at(node.table.position)
        tables = [table, *(one for one in dropped if one.schema == table.schema)]
    if node.before is None:
        return _by_retention(session, state, tables)
    moment = prepare_moment(node.before, env)
    number = moment.number(Execution(session, state, None), adapted(values, env.parameter_types, session.timezone), state)
    return {one.id: number for one in tables if one not in dropped or _ended(state, one.id, number)}


def _known(state: State) -> dict[int, Table]:
    """Every table that there is or was, as it was last defined."""
    known: dict[int, Table] = {}
    for _, catalog in state.catalogs:
        known.update(catalog.tables)
    return known


def _dropped(state: State, name: ast.QualifiedName, path: Sequence[str]) -> list[Table]:
    """The tables that had this name when they were dropped, of the first schema where there are any."""
    gone = [t for t in _known(state).values() if t.id not in state.catalog.tables and t.name == name.parts[-1]]
    for schema in path if len(name.parts) == 1 else name.parts[:1]:
        found = [table for table in gone if table.schema == schema]
        if found:
            return found
    return []


def _by_retention(session: Session, state: State, tables: Iterable[Table]) -> Horizons:
    """The horizons that the tables' retention asks for now, where that removes something."""
    now = datetime_of(clock.now())
    horizons = {}
    for table in tables:
        kept = table.options.get(RETENTION)
        if kept is not None:
            try:
                # a moment between two clocks is not the future; before the first transaction there is nothing to remove
                moment = min(timestamptz_subtract(now, parse_interval(kept), session.timezone), now)
            except DatetimeFieldOverflow:  # longer than there are years
                continue
            number = number_at(moment, state)
            if number > state.horizons.get(table.id, 0) and _ended(state, table.id, number):
                horizons[table.id] = number
    return horizons


def _storages(state: State, table_id: int) -> set[int]:
    return {table.storage for _, catalog in state.catalogs if (table := catalog.tables.get(table_id)) is not None}


def _ended(state: State, table_id: int, horizon: int) -> int:
    """How many versions of a table ended at or before a transaction."""
    count = 0
    for storage in _storages(state, table_id):
        data = state.tables[storage]
        count += sum(end <= horizon for leaf in data.past.leaves() for end in data.shape.versions.ends(leaf.keys))
        if data.closed_at is not None and data.closed_at <= horizon:
            count += data.live.count
    return count


class _Trim:
    """The removal of history on one state. `horizons`: of the tables where that removes something or makes the horizon later; `versions`:
    how many go, by table."""

    def __init__(self, session: Session, state: State, wanted: Horizons) -> None:
        self._session = session
        self._state = state
        self.horizons = {table_id: number for table_id, number in wanted.items() if number > state.horizons.get(table_id, 0)}
        self.versions: dict[int, int] = {}
        self._kept: dict[int, dict[int, list[RowsInserted]]] = {}
        self._last = max(self.horizons.values(), default=0)
        self._changed: dict[int, int] = {}
        """For each table the last transaction of whose changes something goes."""
        types = slot_types(state) if self.horizons else {}
        for table_id, horizon in self.horizons.items():
            self._kept[table_id] = self._alive(table_id, horizon, types)
            self.versions[table_id] = _ended(state, table_id, horizon)

    def _alive(self, table_id: int, horizon: int, types: Mapping[int, Mapping[int, DataType]]) -> dict[int, list[RowsInserted]]:
        """The versions alive at the horizon, as inserts by the transaction that began them."""
        table = self._state.catalog_at(horizon).tables.get(table_id)
        if table is None:
            return {}
        started: dict[int, list[Row]] = {}
        for row in _rows_at(self._state, table.storage, horizon):
            started.setdefault(row[0], []).append(row)
        made = {}
        for number, rows in started.items():
            # as wide as the table was when that transaction was done, for indexes that it made
            then = self._state.catalog_at(number).tables[table_id]
            slots = tuple(types[table.storage].get(slot, NULL) for slot in range(1, then.width))
            values = [then.full(row)[1:] for row in rows]
            if NULL in slots:  # of columns that came and went inside one transaction
                values = [tuple([None if t is NULL else value for t, value in zip(slots, row, strict=True)]) for row in values]
            made[number] = [RowsInserted(table_id, slots, values)]
        return made

    # the log

    def events_of(self, number: int, events: Sequence[Event]) -> Sequence[Event]:
        """The events of a transaction without what is to go."""
        if number > self._last:
            return events
        made: list[Event] = []
        touched: dict[int, int | None] = {}
        """For each table that is trimmed here, how many rows the transaction inserted; None where it did anything else to rows."""
        for event in events:
            table_id = _table_of(event)
            if table_id is None or number > self.horizons.get(table_id, 0):
                made.append(event)
                continue
            known = touched.get(table_id, 0)
            touched[table_id] = known + len(event.rows) if isinstance(event, RowsInserted) and known is not None else None
            if isinstance(event, TableRewritten):
                made.append(replace(event, rows=()))
        kept = {table_id: self._kept[table_id].get(number, []) for table_id in touched}
        gone = [table_id for table_id, count in touched.items() if count is None or count != sum(len(e.rows) for e in kept[table_id])]
        if not gone:
            return events
        self._changed.update(dict.fromkeys(gone, number))
        return [*made, *(event for inserts in kept.values() for event in inserts)]

    def finish(self, state: State) -> Sequence[Event]:
        """The events of the transaction, on the trimmed state. Raises InternalError if that is not what it should be."""
        trimmed = {storage for table_id in self.horizons for storage in _storages(self._state, table_id)}
        for storage, data in self._state.tables.items():
            live, past = state.tables[storage].live.count, state.tables[storage].past.count
            if storage in trimmed:
                same = live == data.live.count or data.closed_at is not None
            else:
                same = (live, past) == (data.live.count, data.past.count)
            if not same:
                raise InternalError(f'trimming would change other rows of table "{data.shape.table.name}" than it should')
        removed = _ended_versions(self._state, trimmed) - _ended_versions(state, trimmed)
        if removed != sum(self.versions.values()):
            raise InternalError(f"trimming would remove {removed} versions, not {sum(self.versions.values())}")
        events: list[Event] = []
        for table_id, horizon in self.horizons.items():
            table = self._state.catalog.tables.get(table_id)
            following = 0 if table is None else self._state.tables[table.storage].next_row_id
            events.append(HistoryTrimmed(table_id, horizon, self.versions[table_id], following, self._changed.get(table_id, 0)))
        return events

    def saved(self) -> int:
        """By how many bytes the bodies of the log would shrink."""
        saved = 0
        for record in self._session.database.log.read(0, self._last):
            events = decode_body(record.body)
            made = self.events_of(record.header.number, events)
            if made is not events:
                saved += _stored(record.body) - _stored(encode_body(made))
        return saved


def _ended_versions(state: State, storages: set[int]) -> int:
    """How many versions are past: superseded, deleted, or left behind by a rewrite."""
    found = [state.tables[storage] for storage in storages]
    return sum(data.past.count + (0 if data.closed_at is None else data.live.count) for data in found)


def _rows_at(state: State, storage: int, number: int) -> Iterator[Row]:
    data = state.tables[storage]
    ends = data.shape.versions.ends
    for leaf in data.past.leaves():
        yield from (row for end, row in zip(ends(leaf.keys), leaf.vals, strict=True) if row[0] <= number < end)
    if data.closed_at is None or data.closed_at > number:
        for leaf in data.live.leaves():
            yield from (row for row in leaf.vals if row[0] <= number)


def _table_of(event: Event) -> int | None:
    """The table whose rows an event is about."""
    if isinstance(event, RowsInserted | RowsUpdated | RowsDeleted):
        return event.table_id
    return event.table.id if isinstance(event, TableRewritten) else None


def _stored(body: bytes) -> int:
    packed = compress(body)
    return len(body if packed is None else packed)
