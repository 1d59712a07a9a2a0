"""The log in SQL: eventdb.transactions, eventdb.events, eventdb.schema_history, eventdb.snapshots.

Each reads the log itself, and no more of it than the statement's conditions ask for: bounds on the transaction number or on the commit
time give the range to read, equality with a table's name the transactions that touched tables of that name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from eventdb.engine.log_reading import Log
from eventdb.engine.system_tables import register
from eventdb.model.datatype import BIGINT, BYTEA, INTEGER, JSON, TEXT, TIMESTAMPTZ, DataType
from eventdb.model.late import Late
from eventdb.model.schema import SYSTEM_SCHEMA, Table
from eventdb.model.transaction import datetime_of
from eventdb.sql.environment import RECORD_COST, SystemTable, Wanted

if TYPE_CHECKING:
    from eventdb.engine.database import Database
    from eventdb.engine.execution import Execution
    from eventdb.model.transaction import Header

json: Any = Late("json")
Row = tuple[Any, ...]


Rows = Callable[[Log], Iterable[Row]]


def log_table(
    name: str, columns: Mapping[str, DataType], size: Callable[[Database], int], orders: Sequence[Sequence[str]] = ()
) -> Callable[[Rows], Rows]:
    """Declare a relation whose rows come from the log; the first column of each of its orders tells the transaction."""
    places = {column: place for place, column in enumerate(columns)}
    known = tuple(tuple(places[column] for column in order) for order in orders)
    lookups = tuple(order[0] for order in known)
    table = SystemTable(SYSTEM_SCHEMA, name, tuple(columns.items()), lookups=lookups, orders=known, cost=RECORD_COST)

    def declared(source: Rows) -> Rows:
        def run(execution: Execution, table: SystemTable, last: int | None, wanted: Wanted) -> Iterable[Row]:
            return source(Log(execution, table, last, wanted))

        register(table, run, lambda database, table: size(database))
        return source

    return declared


def _transactions_kept(database: Database) -> int:
    return database.head.number + 1 - database.log.first


@log_table(
    "transactions", {
        "number": BIGINT, "committed_at": TIMESTAMPTZ, "actor": TEXT, "reason": TEXT, "correlation_id": TEXT, "metadata": JSON,
        "events": INTEGER, "hash": BYTEA,
    },
    _transactions_kept, (("number",), ("committed_at",)),
)  # fmt: skip
def _transactions(log: Log) -> Iterator[Row]:
    from eventdb.storage.codec import event_count

    log.bound("number", "committed_at")
    if not log.uses("actor", "reason", "correlation_id", "metadata", "events", "hash"):
        # the state knows these two of every transaction
        timed = log.uses("committed_at")
        yield from ((number, datetime_of(log.time_of(number)) if timed else None, *(None,) * 6) for number in log.left())
        return
    for record in log.records():
        header, told = record.header, record.header.provenance
        yield (
            header.number, datetime_of(header.time), told.actor, told.reason, told.correlation_id, metadata_text(header),
            event_count(record.body), record.hash,
        )  # fmt: skip


def metadata_text(header: Header) -> str | None:
    """A transaction's metadata as JSON text; None where it has none."""
    metadata = header.provenance.metadata
    return json.dumps(dict(metadata), ensure_ascii=False) if metadata else None


@log_table(
    "events", {
        "transaction": BIGINT, "position": INTEGER, "operation": TEXT, "table_schema": TEXT, "table_name": TEXT, "key": JSON,
        "before": JSON, "after": JSON,
    },
    _transactions_kept, (("transaction", "position"),),
)  # fmt: skip
def _events(log: Log) -> Iterator[Row]:
    from eventdb.engine.changes import RowChange, key_writer, row_writer

    log.bound("transaction")
    tables = None
    names, schemas = log.equal("table_name"), log.equal("table_schema")
    if names is not None or schemas is not None:
        tables = frozenset(
            table.id
            for catalog in log.catalogs()
            for table in catalog.tables.values()
            if (names is None or table.name in names) and (schemas is None or table.schema in schemas)
        )
        log.restrict(tables)
    keys, befores, afters = log.uses("key"), log.uses("before"), log.uses("after")
    writers: dict[int, tuple[Table, Callable[[Any], str], Callable[[Any], str]]] = {}
    for number, changes in log.changes(tables):
        for change in changes:
            if not isinstance(change, RowChange):
                continue
            table = change.table
            known = writers.get(id(table))
            if known is None:
                known = writers[id(table)] = table, key_writer(table), row_writer(table)
            _, key, row = known
            yield (
                number, change.position, change.operation, table.schema, table.name, key(change.key) if keys else None,
                row(change.before) if befores and change.before is not None else None,
                row(change.after) if afters and change.after is not None else None,
            )  # fmt: skip


@log_table(
    "schema_history", {
        "transaction": BIGINT, "position": INTEGER, "committed_at": TIMESTAMPTZ, "operation": TEXT, "object_type": TEXT,
        "object_schema": TEXT, "object_name": TEXT, "table_name": TEXT, "change": TEXT, "definition": JSON,
    },
    lambda database: 100, (("transaction", "position"), ("committed_at", "position")),
)  # fmt: skip
def _schema_history(log: Log) -> Iterator[Row]:
    from eventdb.engine.changes import SchemaChange, definition_json, described

    log.bound("transaction", "committed_at")
    log.only([catalog.version[0] for catalog in log.catalogs() if catalog.version[0]])
    for number, changes in log.changes(frozenset()):
        for change in changes:
            if isinstance(change, SchemaChange):
                yield (
                    number, change.position, datetime_of(log.time_of(number)), change.operation, change.kind, change.schema, change.name,
                    None if change.table is None else change.table.name, described(change), definition_json(change),
                )  # fmt: skip


@log_table("snapshots", {"number": BIGINT, "committed_at": TIMESTAMPTZ, "file": TEXT, "bytes": BIGINT}, lambda database: 10)
def _snapshots(log: Log) -> Iterator[Row]:
    for number, name, size in log.database.snapshots():
        if number <= log.until:
            time = log.time_of(number)
            yield number, None if time is None else datetime_of(time), name, size


__all__ = ["metadata_text"]

