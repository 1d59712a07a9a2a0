"""The change feed: what transactions changed, in the order of the log, from any position on.

    feed = Feed(database, after=17)
    while (transaction := feed.next()) is not None:    # TransactionChanges, as far as the log goes now
        for change in transaction:                     # Change
            change.kind, change.table, change.before, change.after

A `Feed` reads the log record by record and holds no more than the one that it gave last, so a consumer may be as slow as it likes; of a
feed of some tables only the transactions that touched them are read, where the state knows which those are. Positions move over
transactions that have nothing to show (other tables, values of sequences, positions of subscriptions) without giving them.

Row images are in the schema of their moment (`engine.changes`). `Change.envelope` has the form and the names of Debezium's events.
"""

from __future__ import annotations

import datetime
import functools
import itertools
import os
import threading
from bisect import bisect_right
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from eventdb.engine import changes as walking
from eventdb.errors import InvalidParameterValue, UndefinedTable, WrongObjectType
from eventdb.model import clock
from eventdb.model.datatype import DataType, Kind
from eventdb.model.event import Event, HistoryTrimmed
from eventdb.model.schema import SYSTEM_SCHEMA, Table
from eventdb.model.transaction import Header, datetime_of
from eventdb.sql.prepared import ResultColumn
from eventdb.storage.codec import decode_body
from eventdb.storage.log.base import Record
from eventdb.storage.state import State

if TYPE_CHECKING:
    from eventdb.engine.database import Database

_OPERATIONS = {"insert": "c", "update": "u", "delete": "d"}
_BATCH = 1024
_NEAR = 8
"""Transactions that lie so close together are read in one go."""
_TIMES = (Kind.TIMESTAMP, Kind.TIMESTAMPTZ)


class Feed:
    """The transactions after `position` that changed something, one at a time. Several threads may share one: each gets others.

    `tables`: ids of the tables that count, None for all. `position`: everything up to it was given, or had nothing to show. `json_loads`:
    what parses JSON for the reader, None for `json.loads`.
    """

    def __init__(
        self, database: Database, after: int, tables: frozenset[int] | None = None, json_loads: Callable[[str], Any] | None = None
    ) -> None:
        self.position = after
        self.tables = tables
        self.shown: Container[int] = tables or ()
        """The tables whose rows are shown."""
        self._json_loads = json_loads
        self._looked_at = 0
        self._lock = threading.Lock()
        self._database = database
        self._records: Iterator[Record] | None = None
        self._state = database.head
        self._until = after
        self._layouts: dict[int, Layout] = {}

    def next(self, until: int | None = None) -> TransactionChanges | None:
        """The next transaction that shows something and is not later than `until`; None where there is none by now.

        Raises SnapshotTooOld where the log no longer has what comes next, DataCorrupted.
        """
        with self._lock:
            while True:
                if self._database.refresh().rewritten != self._state.rewritten:
                    self._records = None  # values were erased: what was read before must not be shown any more
                if self._records is None and not self._begin(until):
                    return None
                records, self._records = self._records, None
                # put back only where all went well: after an error the feed begins anew behind its position
                for record in records or ():
                    found = TransactionChanges(self, record, self._state)
                    if found.shows_something():
                        self.position = record.header.number
                        self._records = records
                        return found
                self.position = self._until

    def _begin(self, until: int | None) -> bool:
        """Read on behind the position; False where there is nothing more."""
        state = self._state = newest(self._database)
        last = state.number if until is None else min(until, state.number)
        if last <= self.position:
            return False
        if self.tables is None:
            self.shown = _AllTables(state)
        if state.rewritten != self._looked_at:
            self._check_trimmed(state)
            self._looked_at = state.rewritten
        self._until = min(last, self.position + _BATCH)
        self._records = self._read(self.position, self._until)
        return True

    def _check_trimmed(self, state: State) -> None:
        """Raises SnapshotTooOld where retention took changes that are still to come out of the log: not all of them leave a trace there."""
        for number in state.rewritings[bisect_right(state.rewritings, self.position) :]:
            for record in self._database.log.read(number - 1, number):
                for event in decode_body(record.body):
                    if isinstance(event, HistoryTrimmed) and event.last > self.position and event.table_id in self.shown:
                        state.check_horizon(state.newest(event.table_id), self.position)

    def _read(self, after: int, until: int) -> Iterator[Record]:
        log = self._database.log
        numbers = None if self.tables is None else touching(self._state, self.tables, after, until)
        if numbers is None:
            yield from log.read(after, until)
            return
        wanted = set(numbers)
        for first, last in runs(numbers):
            yield from (record for record in log.read(first - 1, last) if record.header.number in wanted)

    def layout(self, table: Table) -> Layout:
        """How rows of that definition are shown; one for each definition."""
        found = self._layouts.get(id(table))
        if found is None or found.table is not table:
            found = self._layouts[id(table)] = Layout(table, self._json_loads)
        return found

    @property
    def source(self) -> str:
        """The name of the database: the last part of its path."""
        return os.path.basename(self._database.path or self._database.name)


def newest(database: Database) -> State:
    """The head, and what its log has beyond it by now: a commit that is under way is waited for."""
    state = database.refresh()
    if database.log.head > state.number:
        with database.committer.lock:
            database.catch_up()
        state = database.head
    return state


def touching(state: State, tables: Iterable[int], after: int, until: int) -> Sequence[int] | None:
    """The transactions in (after, until] that touched one of these tables or changed the schema, in order; None where it isn't known."""
    place = bisect_right(state.catalogs, after, key=lambda entry: entry[0])
    catalogs = state.catalogs[max(place - 1, 0) : bisect_right(state.catalogs, until, key=lambda entry: entry[0])]
    found = {number for number, _ in catalogs if after < number}
    storages = {table.storage for _, catalog in catalogs for i in tables if (table := catalog.tables.get(i)) is not None}
    for storage in storages:
        touched = state.tables[storage].touched
        if touched is None:
            return None
        found.update(touched.between(after, until))
    return sorted(found)


def runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(first, last) of ascending numbers that lie near to each other."""
    first = last = 0
    for number in numbers:
        if last and number - last > _NEAR:
            yield first, last
            first = 0
        first, last = first or number, number
    if last:
        yield first, last


def table_ids(state: State, names: Iterable[str], search_path: Sequence[str]) -> frozenset[int]:
    """The ids of tables by name, "table" or "schema.table": those that have the name now, or else had it last. Raises UndefinedTable,
    InvalidParameterValue, WrongObjectType."""
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise InvalidParameterValue(f"tables must be a list of names, not {names!r}")
    return frozenset(_table_id(state, name, search_path) for name in names)


def _table_id(state: State, name: str, search_path: Sequence[str]) -> int:
    ways = places(name, search_path)
    for _, catalog in reversed(state.catalogs):
        for way in ways:
            found = catalog.find(*way)
            if isinstance(found, Table):
                return in_feeds(found).id
    raise UndefinedTable(f'relation "{name}" does not exist')


def places(name: str, search_path: Sequence[str]) -> list[tuple[str, str]]:
    """(schema, name) of the tables that the text "table" or "schema.table" may mean, likeliest first; dots may belong to either name.
    Raises InvalidParameterValue for what is no text."""
    if not isinstance(name, str):
        raise InvalidParameterValue(f"a table is named by text, not by {type(name).__name__}")
    dots = [at for at, sign in enumerate(name) if sign == "."]
    return [(schema, name) for schema in search_path] + [(name[:at], name[at + 1 :]) for at in reversed(dots)]


def in_feeds(table: Table) -> Table:
    """The table, if feeds show its changes. Raises WrongObjectType."""
    if table.id < 0:
        raise WrongObjectType(f'"{table.name}" is a temporary table', hint="Its changes are in no feed.")
    if table.schema == SYSTEM_SCHEMA:
        raise WrongObjectType(f'"{table.schema}.{table.name}" is a system relation', hint="Its changes are in no feed.")
    return table


class TransactionChanges:
    """One transaction of the feed; iterating gives its changes in order, as often as one likes.

    `number`: its transaction number. Who and why: `actor`, `reason`, `correlation_id`, `metadata`.
    """

    __slots__ = ("_begun", "_events", "_feed", "_state", "header", "number")

    def __init__(self, feed: Feed, record: Record, state: State) -> None:
        self.header: Header = record.header
        self.number = record.header.number
        self._feed = feed
        self._state = state
        self._events: Sequence[Event] = decode_body(record.body)
        self._begun: Iterator[Change] | None = None
        """A walk through the changes that nobody has gone on with since `shows_something`."""

    @property
    def committed_at(self) -> datetime.datetime:
        """The commit time, aware, UTC."""
        return datetime_of(self.header.time)

    @property
    def actor(self) -> str | None:
        return self.header.provenance.actor

    @property
    def reason(self) -> str | None:
        return self.header.provenance.reason

    @property
    def correlation_id(self) -> str | None:
        return self.header.provenance.correlation_id

    @property
    def metadata(self) -> Mapping[str, Any]:
        return self.header.provenance.metadata

    def __iter__(self) -> Iterator[Change]:
        begun, self._begun = self._begun, None
        return self._walk() if begun is None else begun

    def _walk(self) -> Iterator[Change]:
        feed = self._feed
        order: dict[int, int] = {}
        for raw in walking.changes(self._state, self.number, self._events, feed.shown):
            if isinstance(raw, walking.RowChange):
                place = order[raw.table.id] = order.get(raw.table.id, 0) + 1
                yield Change(self, raw, place)
            elif raw.schema != SYSTEM_SCHEMA and (feed.tables is None or (raw.table is not None and raw.table.id in feed.tables)):
                yield Change(self, raw, 0)

    def shows_something(self) -> bool:
        """Whether there is a change in it."""
        walk = self._walk()
        first = next(walk, None)
        if first is None:
            return False
        self._begun = itertools.chain((first,), walk)
        return True

    def __repr__(self) -> str:
        by = f" by {self.actor!r}" if self.actor is not None else ""
        return f"<eventdb.TransactionChanges {self.number}{by} at {self.committed_at.isoformat(sep=' ')}>"


class _AllTables:
    """All tables but the system's own."""

    def __init__(self, state: State) -> None:
        self._left_out = {table.id for table in state.catalog.tables.values() if table.schema == SYSTEM_SCHEMA}

    def __contains__(self, table_id: object) -> bool:
        return table_id not in self._left_out


class Change:
    """One change of one transaction.

    `kind`: "insert", "update", "delete" or "schema". `position`: its place in the transaction, from 1 on (with holes, where tables are left
    out). `schema`, `table`: the names of its table at that moment; for a schema change those of the table that it is about, None where it
    is about none. `before`, `after`: the row as column → value, with the columns that the table had, as a cursor gives values; None where
    there was or is none. `key`: the same of its primary key (before an update); empty where the table has none.
    """

    __slots__ = ("_layout", "_raw", "collection_position", "position", "transaction")

    def __init__(self, transaction: TransactionChanges, raw: walking.Change, collection_position: int) -> None:
        self.transaction = transaction
        self.position = raw.position
        self.collection_position = collection_position
        """Its place among the changes of its table in the transaction, from 1 on; 0 for a schema change."""
        self._raw = raw
        self._layout = transaction._feed.layout(raw.table) if isinstance(raw, walking.RowChange) else None

    @property
    def kind(self) -> str:
        return "schema" if self._layout is None else self._raw.operation

    @property
    def schema(self) -> str | None:
        return None if self._raw.table is None else self._raw.table.schema

    @property
    def table(self) -> str | None:
        return None if self._raw.table is None else self._raw.table.name

    @property
    def before(self) -> dict[str, Any] | None:
        return None if self._layout is None else self._layout.row(self._row(False))

    @property
    def after(self) -> dict[str, Any] | None:
        return None if self._layout is None else self._layout.row(self._row(True))

    @property
    def key(self) -> dict[str, Any]:
        if self._layout is None:
            return {}
        return self._layout.key(self._row(False) or self._row(True) or ())

    @property
    def operation(self) -> str:
        """ "insert", "update", "delete"; of a schema change what was done: "create table", "alter table", "drop index" …"""
        return self._raw.operation

    @property
    def description(self) -> str | None:
        """What a schema change did, in words: 'column "note" added'."""
        return walking.described(self._raw) if isinstance(self._raw, walking.SchemaChange) else None

    def _row(self, after: bool) -> tuple[Any, ...] | None:
        raw = self._raw
        assert isinstance(raw, walking.RowChange)
        return raw.after if after else raw.before

    def envelope(self) -> dict[str, Any]:
        """The change as a Debezium event, of values that JSON can hold (see `plain_value`): `op` (c, u, d), `before`, `after`, `source`,
        `ts_ms`, `ts_us` (now, when it is made; the commit time stands in `source`) and `transaction`. A change of the schema has no `op`
        but `schema_change` with `operation`, `object_type`, `schema`, `name`, `description`, `definition`."""
        transaction, header = self.transaction, self.transaction.header
        now = clock.now()
        made: dict[str, Any]
        if self._layout is not None:
            plain = self._layout.plain
            made = {"before": plain(self._row(False)), "after": plain(self._row(True)), "op": _OPERATIONS[self.kind]}
        else:
            made = {"schema_change": _schema_change(self._raw)}
        told = header.provenance
        return {
            **made,
            "source": {
                "version": _version(), "connector": "eventdb", "name": transaction._feed.source, "ts_ms": header.time // 1000,
                "ts_us": header.time, "snapshot": "false", "db": "eventdb", "schema": self.schema, "table": self.table,
                "txId": header.number, "actor": told.actor, "reason": told.reason, "correlation_id": told.correlation_id,
                "metadata": dict(told.metadata),
            },
            "ts_ms": now // 1000,
            "ts_us": now,
            "transaction": {
                "id": str(header.number), "total_order": self.position, "data_collection_order": self.collection_position,
            },
        }  # fmt: skip

    def __repr__(self) -> str:
        where = f" {self.schema}.{self.table}" if self.table is not None else ""
        return f"<eventdb.Change {self.transaction.number}.{self.position}: {self.operation}{where}>"


@functools.cache
def _version() -> str:
    from importlib.metadata import version

    return version("eventdb")


def _schema_change(raw: walking.Change) -> dict[str, Any]:
    import json

    assert isinstance(raw, walking.SchemaChange)
    definition = walking.definition_json(raw)
    return {
        "operation": raw.operation, "object_type": raw.kind, "schema": raw.schema, "name": raw.name, "description": walking.described(raw),
        "definition": None if definition is None else json.loads(definition),
    }  # fmt: skip


class Layout:
    """How rows of one table definition are shown."""

    __slots__ = ("_convert", "_key", "_values", "_writers", "names", "table")

    def __init__(self, table: Table, json_loads: Callable[[str], Any] | None = None) -> None:
        from eventdb.engine.statements import converter

        self.table = table
        self.names = tuple(column.name for column in table.visible)
        self._values = walking.row_values(table)
        self._convert = converter([ResultColumn(column.name, column.datatype) for column in table.visible], json_loads)
        self._key = tuple(column.name for column in (table.by_id[i] for i in table.key) if not column.hidden)

    def row(self, row: tuple[Any, ...] | None) -> dict[str, Any] | None:
        """A stored row as column → value, values as a cursor gives them."""
        if row is None:
            return None
        values = self._values(row)
        return dict(zip(self.names, values if self._convert is None else self._convert(values), strict=True))

    def key(self, row: tuple[Any, ...]) -> dict[str, Any]:
        """The primary key of a stored row as column → value; empty for a table without one."""
        shown = self.row(row) or {}
        return {name: shown[name] for name in self._key}

    def plain(self, row: tuple[Any, ...] | None) -> dict[str, Any] | None:
        """A stored row as column → value that JSON can hold, see `plain_value`."""
        if row is None:
            return None
        columns = self.table.visible
        return {column.name: plain_value(row[column.slot], column.datatype) for column in columns}


def plain_value(value: Any, datatype: DataType) -> Any:
    """An internal value as JSON can hold it: numbers, booleans and JSON as themselves, all else as text; NUMERIC too, which so loses no
    digit, and what is no number to JSON (NaN, Infinity)."""
    from eventdb.sql.expressions import values

    kind = datatype.kind
    if value is None or kind is Kind.BOOLEAN or datatype.is_integer or datatype.is_text:
        return value
    if kind in (Kind.REAL, Kind.DOUBLE):
        return value if value - value == 0 else values.render(value, datatype)
    if kind is Kind.JSON:
        import json

        return json.loads(value, parse_float=_json_float)
    text = values.render(value, datatype)
    if kind in _TIMES:
        text = text.replace(" ", "T") + (":00" if kind is Kind.TIMESTAMPTZ else "")
    return text


def _json_float(text: str) -> float | str:
    """A number of JSON; one that no float can hold stays text, for json.dumps would make it Infinity."""
    value = float(text)
    return value if value - value == 0 else text
