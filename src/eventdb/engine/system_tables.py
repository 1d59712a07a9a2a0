"""Relations that are computed: information_schema as PostgreSQL defines it, eventdb.indexes; and where all of them are registered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from eventdb.model.catalog import Catalog
from eventdb.model.datatype import BIGINT, BOOLEAN, INTEGER, INTERVAL, INTERVAL_FIELDS, JSON, TEXT, TIMESTAMPTZ, DataType, Kind
from eventdb.model.late import Late
from eventdb.model.schema import SYSTEM_SCHEMA, TEMPORARY_SCHEMA, Check, Column, ForeignKey, Identity, Sequence, Table, Unique
from eventdb.model.transaction import datetime_of
from eventdb.sql.environment import ALL, SystemTable, Wanted

if TYPE_CHECKING:
    from eventdb.engine.database import Database
    from eventdb.engine.execution import Execution

json: Any = Late("json")
Row = tuple[Any, ...]
Rows = Callable[["Database", Catalog, int], Iterable[Row]]
"""The database, the schema at the moment that is read, and the last transaction that can be seen → rows."""
Source = Callable[["Execution", SystemTable, "int | None", Wanted], Iterable[Row]]
"""The same for a relation that reads more: the run, the relation, the position that is read (None: the present), what is wanted of it."""
Size = Callable[["Database", SystemTable], int]
"""About how many rows a relation has."""
DATABASE = "eventdb"
"""The catalog name that information_schema shows."""
_OWNER = "eventdb"

TABLES: dict[tuple[str, str], SystemTable] = {}
_SOURCES: dict[tuple[str, str], Source] = {}
_SIZES: dict[tuple[str, str], Size] = {}
_SOME = 100


def register(table: SystemTable, source: Source, size: Size | None = None, listed: bool = True) -> None:
    """Make a relation known; one that is not `listed` has no name of its own, being what a table function gives."""
    name = table.schema, table.name
    if listed:
        TABLES[name] = table
    _SOURCES[name] = source
    if size is not None:
        _SIZES[name] = size


def _table(schema: str, name: str, /, **columns: DataType) -> Callable[[Rows], Rows]:
    def declared(source: Rows) -> Rows:
        def run(execution: Execution, table: SystemTable, last: int | None, wanted: Wanted) -> Iterable[Row]:
            reader, transaction = execution.reader, execution.transaction
            until = reader.number if transaction is None else transaction.base.number
            if last is not None:
                until = min(last, until)
            catalog = reader.catalog if last is None else reader.catalog_at(last)
            return source(execution.session.database, catalog, until)

        register(SystemTable(schema, name, tuple(columns.items())), run)
        return source

    return declared


def rows(table: SystemTable, execution: Execution, last: int | None, wanted: Wanted = ALL) -> Iterable[Row]:
    """The rows of a system table as they were behind transaction `last`; None: as the statement's transaction sees them. Rows against
    the limits may be missing."""
    return _known(table)(execution, table, last, wanted)


def row_count(table: SystemTable, database: Database) -> int:
    """About how many rows a system table has now."""
    if table.arguments is not None:
        _known(table)
    size = _SIZES.get((table.schema, table.name))
    return _SOME if size is None else size(database, table)


def _known(table: SystemTable) -> Source:
    source = _SOURCES.get((table.schema, table.name))
    if source is None:
        from eventdb.engine import time_functions  # noqa: F401  (which registers the table functions)

        source = _SOURCES[table.schema, table.name]
    return source


# eventdb


@_table("eventdb", "subscriptions", name=TEXT, position=BIGINT, tables=JSON, table_ids=JSON)
def _subscriptions(database: Database, catalog: Catalog, until: int) -> Iterator[Row]:
    """Until there is one; then a stored table of that name stands before this (see `engine.subscriptions`)."""
    return iter(())


@_table(
    "eventdb", "erasures", transaction=BIGINT, committed_at=TIMESTAMPTZ, schema_name=TEXT, table_name=TEXT, rows=BIGINT, versions=BIGINT,
    bodies=BIGINT, actor=TEXT, reason=TEXT, correlation_id=TEXT,
)  # fmt: skip
def _erasures(database: Database, catalog: Catalog, until: int) -> Iterator[Row]:
    from eventdb.model.event import BodiesRewritten, RowsErased
    from eventdb.storage.codec import decode_body

    state = database.head
    for number in state.rewritings:
        if number > until:
            return
        record = next(iter(database.log.read(number - 1, number)))
        told, events = record.header.provenance, decode_body(record.body)
        bodies = sum(len(event.numbers) for event in events if isinstance(event, BodiesRewritten))
        for event in events:
            if isinstance(event, RowsErased):
                table = state.catalog_at(number).tables[event.table_id]
                yield (
                    number, datetime_of(record.header.time), table.schema, table.name, event.rows, event.versions, bodies,
                    told.actor, told.reason, told.correlation_id,
                )  # fmt: skip


@_table("eventdb", "retention", schema_name=TEXT, table_name=TEXT, history_retention=INTERVAL, horizon=BIGINT, horizon_at=TIMESTAMPTZ)
def _retention(database: Database, catalog: Catalog, until: int) -> Iterator[Row]:
    from eventdb.sql.definition.options import RETENTION
    from eventdb.sql.expressions.intervals import parse_interval

    state = database.head
    for table in _tables(catalog):
        kept, horizon = table.options.get(RETENTION), state.horizons.get(table.id)
        if kept is not None or horizon is not None:
            stamp = None if horizon is None else state.time_of(horizon)
            yield (
                table.schema, table.name, None if kept is None else parse_interval(kept), horizon, None if stamp is None else
                datetime_of(stamp),
            )  # fmt: skip


@_table(
    "eventdb", "indexes", schema_name=TEXT, table_name=TEXT, index_name=TEXT, is_unique=BOOLEAN, is_primary=BOOLEAN, is_constraint=BOOLEAN,
    ordinal_position=INTEGER, column_name=TEXT, expression=TEXT, descending=BOOLEAN, nulls_first=BOOLEAN, predicate=TEXT,
    nulls_distinct=BOOLEAN, included=JSON, method=TEXT, comment=TEXT,
)  # fmt: skip
def _indexes(database: Database, catalog: Catalog, until: int) -> Iterator[Row]:
    for table in _tables(catalog):
        primary = table.primary_key
        if primary is not None and primary.index_id is None:
            for place, column in enumerate(primary.columns, 1):
                yield (
                    table.schema, table.name, primary.name, True, True, True, place, table.by_id[column].name, None, False, False, None,
                    True, "[]", "btree", None,
                )  # fmt: skip
        for index in sorted(catalog.indexes_of(table.id), key=lambda i: i.name):
            is_primary = primary is not None and primary.index_id == index.id
            included = json.dumps([table.by_id[column].name for column in index.include], ensure_ascii=False)
            for place, part in enumerate(index.columns, 1):
                name = table.by_id[part.column_id].name if part.column_id is not None else None
                yield (
                    table.schema, table.name, index.name, index.unique, is_primary, index.constraint, place, name, part.expression,
                    part.descending, part.nulls_first, index.where, index.nulls_distinct, included, index.method, index.comment,
                )  # fmt: skip


@_table(
    "eventdb", "sequences", schema_name=TEXT, sequence_name=TEXT, data_type=TEXT, start_value=BIGINT, increment=BIGINT,
    minimum_value=BIGINT, maximum_value=BIGINT, cycle=BOOLEAN, cache=BIGINT, owner_table=TEXT, owner_column=TEXT, is_identity=BOOLEAN,
    comment=TEXT,
)  # fmt: skip
def _all_sequences(database: Database, catalog: Catalog, until: int) -> Iterator[Row]:
    """Those of identity columns too, which information_schema leaves out; an owner is a table of the same schema and its column."""
    for s in sorted(catalog.sequences.values(), key=lambda s: (s.schema, s.name)):
        table = catalog.tables.get(s.owner[0]) if s.owner is not None else None
        column = table.by_id.get(s.owner[1]) if table is not None and s.owner is not None else None
        yield (
            s.schema, s.name, s.datatype.kind.value, s.start, s.increment, s.minimum, s.maximum, s.cycle, s.cache,
            None if table is None else table.name, None if column is None else column.name, _is_identity(catalog, s), s.comment,
        )  # fmt: skip


@_table(
    "eventdb", "constraints", schema_name=TEXT, table_name=TEXT, constraint_name=TEXT, constraint_type=TEXT, ordinal_position=INTEGER,
    column_name=TEXT, referenced_schema=TEXT, referenced_table=TEXT, referenced_column=TEXT, match_option=TEXT, update_rule=TEXT,
    delete_rule=TEXT, is_deferrable=BOOLEAN, initially_deferred=BOOLEAN, nulls_distinct=BOOLEAN, check_clause=TEXT, comment=TEXT,
)  # fmt: skip
def _all_constraints(database: Database, catalog: Catalog, until: int) -> Iterator[Row]:
    """A row for each column of a key, one for a check: what information_schema has in six relations that are joined by names alone."""
    for table, constraint in _constraints(catalog):
        head = (table.schema, table.name, constraint.name, _kind(constraint))
        deferrable, deferred = getattr(constraint, "deferrable", False), getattr(constraint, "deferred", False)
        if isinstance(constraint, Check):
            yield (*head, *(None,) * 8, deferrable, deferred, None, constraint.expression, constraint.comment)
            continue
        rules: tuple[Any, ...] = (None, None, None)
        if isinstance(constraint, ForeignKey):
            parent = catalog.tables[constraint.referenced_table]
            rules = ("FULL" if constraint.match_full else "SIMPLE", constraint.on_update.value, constraint.on_delete.value)
        distinct = constraint.nulls_distinct if isinstance(constraint, Unique) and not constraint.primary else None
        for place, column in enumerate(constraint.columns):
            target: tuple[Any, ...] = (None, None, None)
            if isinstance(constraint, ForeignKey):
                target = (parent.schema, parent.name, parent.by_id[constraint.referenced_columns[place]].name)
            yield (
                *head, place + 1, table.by_id[column].name, *target, *rules, deferrable, deferred, distinct, None, constraint.comment
            )  # fmt: skip


# information_schema


def _tables(catalog: Catalog) -> list[Table]:
    return sorted((t for t in catalog.tables.values() if t.schema != SYSTEM_SCHEMA), key=lambda t: (t.schema, t.name))


def _yes(value: bool) -> str:
    return "YES" if value else "NO"


@_table("information_schema", "information_schema_catalog_name", catalog_name=TEXT)
def _catalog_name(database: Database, catalog: Catalog, until: int) -> Iterator[Row]:
    yield (DATABASE,)


@_table("information_schema", "schemata", catalog_name=TEXT, schema_name=TEXT, schema_owner=TEXT, schema_comment=TEXT)
def _schemata(database: Database, catalog: Catalog, until: int) -> Iterator[Row]:
    own = {item.schema for item in catalog.relations() if item.schema == TEMPORARY_SCHEMA}
    for name in sorted({*catalog.schemas, *own, "information_schema", "eventdb"}):
        yield (DATABASE, name, _OWNER, catalog.schemas.get(name))


@_table(
    "information_schema", "tables", table_catalog=TEXT, table_schema=TEXT, table_name=TEXT, table_type=TEXT, is_insertable_into=TEXT,
    is_typed=TEXT, table_comment=TEXT,
)  # fmt: skip
def _information_tables(database: Database, catalog: Catalog, until: int) -> Iterator[Row]:
    for table in _tables(catalog):
        kind = "LOCAL TEMPORARY" if table.id < 0 else "BASE TABLE"
        yield (DATABASE, table.schema, table.name, kind, "YES", "NO", table.comment)
    for view in catalog.views.values():
        yield (DATABASE, view.schema, view.name, "VIEW", "NO", "NO", view.comment)
    for schema, name in TABLES:
        yield (DATABASE, schema, name, "VIEW", "NO", "NO", None)


@_table(
    "information_schema", "columns", table_catalog=TEXT, table_schema=TEXT, table_name=TEXT, column_name=TEXT, ordinal_position=INTEGER,
    column_default=TEXT, is_nullable=TEXT, data_type=TEXT, character_maximum_length=INTEGER, character_octet_length=INTEGER,
    numeric_precision=INTEGER, numeric_precision_radix=INTEGER, numeric_scale=INTEGER, datetime_precision=INTEGER, udt_name=TEXT,
    is_identity=TEXT, identity_generation=TEXT, identity_start=TEXT, identity_increment=TEXT, identity_maximum=TEXT,
    identity_minimum=TEXT, identity_cycle=TEXT, is_generated=TEXT, generation_expression=TEXT, is_updatable=TEXT, column_comment=TEXT,
    interval_type=TEXT, identity_cache=TEXT,
)  # fmt: skip
def _columns(database: Database, catalog: Catalog, until: int) -> Iterator[Row]:
    for table in _tables(catalog):
        for place, column in enumerate(table.visible, 1):
            yield _column_row(catalog, table, column, place)
    views = [(v.schema, v.name, v.columns) for v in catalog.views.values()]
    for schema, name, columns in [*views, *((t.schema, t.name, t.columns) for t in TABLES.values())]:
        for place, (column_name, datatype) in enumerate(columns, 1):
            yield (
                DATABASE, schema, name, column_name, place, None, "YES", *_type_columns(datatype),
                "NO", None, None, None, None, None, None, "NEVER", None, "NO", None, _fields(datatype), None,
            )  # fmt: skip


def _column_row(catalog: Catalog, table: Table, column: Column, place: int) -> Row:
    identity: tuple[Any, ...] = ("NO", None, None, None, None, None, None)
    cache = None
    if column.identity is not None:
        sequence = catalog.sequences.get(column.sequence_id or 0)
        generation = "ALWAYS" if column.identity is Identity.ALWAYS else "BY DEFAULT"
        options = _sequence_options(sequence) if sequence is not None else (None,) * 5
        cache = None if sequence is None else str(sequence.cache)
        identity = ("YES", generation, *options)
    generated = ("ALWAYS", column.generated) if column.generated is not None else ("NEVER", None)
    return (
        DATABASE, table.schema, table.name, column.name, place, column.default, _yes(column.nullable), *_type_columns(column.datatype),
        *identity, *generated, "YES", column.comment, _fields(column.datatype), cache,
    )  # fmt: skip


def _fields(datatype: DataType) -> str | None:
    """What an INTERVAL is restricted to, as information_schema writes it."""
    return INTERVAL_FIELDS[datatype.scale].upper() if datatype.kind is Kind.INTERVAL and datatype.scale is not None else None


def _sequence_options(sequence: Sequence) -> tuple[str, str, str, str, str]:
    return (str(sequence.start), str(sequence.increment), str(sequence.maximum), str(sequence.minimum), _yes(sequence.cycle))


_BITS = {Kind.SMALLINT: 16, Kind.INTEGER: 32, Kind.BIGINT: 64, Kind.REAL: 24, Kind.DOUBLE: 53}
_UDT = {
    Kind.BOOLEAN: "bool", Kind.SMALLINT: "int2", Kind.INTEGER: "int4", Kind.BIGINT: "int8", Kind.NUMERIC: "numeric", Kind.REAL: "float4",
    Kind.DOUBLE: "float8", Kind.TEXT: "text", Kind.VARCHAR: "varchar", Kind.CHAR: "bpchar", Kind.BYTEA: "bytea", Kind.DATE: "date",
    Kind.TIME: "time", Kind.TIMETZ: "timetz", Kind.TIMESTAMP: "timestamp", Kind.TIMESTAMPTZ: "timestamptz", Kind.INTERVAL: "interval",
    Kind.UUID: "uuid", Kind.JSON: "json", Kind.NULL: "unknown",
}  # fmt: skip
_TIMES = (Kind.TIME, Kind.TIMETZ, Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.INTERVAL)


def _type_columns(datatype: DataType) -> tuple[Any, ...]:
    """data_type … udt_name."""
    kind = datatype.kind
    precision, radix, scale = _BITS.get(kind), 2 if kind in _BITS else None, 0 if datatype.is_integer else None
    if kind is Kind.NUMERIC:
        precision, radix, scale = datatype.precision, 10, (datatype.scale or 0) if datatype.precision is not None else None
    moment = 0 if kind is Kind.DATE else (6 if datatype.precision is None else datatype.precision) if kind in _TIMES else None
    octets = None if not datatype.is_text else 4 * datatype.length if datatype.length is not None else 2**30
    return (kind.value, datatype.length, octets, precision, radix, scale, moment, _UDT[kind])


def _constraints(catalog: Catalog) -> Iterator[tuple[Table, Unique | Check | ForeignKey]]:
    for table in _tables(catalog):
        for constraint in table.constraints:
            yield table, constraint


def _kind(constraint: Unique | Check | ForeignKey) -> str:
    if isinstance(constraint, Unique):
        return "PRIMARY KEY" if constraint.primary else "UNIQUE"
    return "CHECK" if isinstance(constraint, Check) else "FOREIGN KEY"


@_table(
    "information_schema", "table_constraints", constraint_catalog=TEXT, constraint_schema=TEXT, constraint_name=TEXT, table_catalog=TEXT,
    table_schema=TEXT, table_name=TEXT, constraint_type=TEXT, is_deferrable=TEXT, initially_deferred=TEXT, enforced=TEXT,
    nulls_distinct=TEXT, constraint_comment=TEXT,
)  # fmt: skip
def _table_constraints(database: Database, catalog: Catalog, until: int) -> Iterator[Row]:
    for table, constraint in _constraints(catalog):
        deferrable, deferred = getattr(constraint, "deferrable", False), getattr(constraint, "deferred", False)
        distinct = _yes(constraint.nulls_distinct) if isinstance(constraint, Unique) and not constraint.primary else None
        yield (
            DATABASE, table.schema, constraint.name, DATABASE, table.schema, table.name, _kind(constraint), _yes(deferrable),
            _yes(deferred), "YES", distinct, constraint.comment,
        )  # fmt: skip
    for table in _tables(catalog):
        for column in table.visible:
            if not column.nullable:
                name = f"{table.id}_{column.id}_not_null"
                yield (DATABASE, table.schema, name, DATABASE, table.schema, table.name, "CHECK", "NO", "NO", "YES", None, None)


def _referenced_key(catalog: Catalog, key: ForeignKey) -> tuple[Table, Unique | None]:
    parent = catalog.tables[key.referenced_table]
    return parent, next((u for u in parent.uniques if sorted(u.columns) == sorted(key.referenced_columns)), None)


@_table(
    "information_schema", "key_column_usage", constraint_catalog=TEXT, constraint_schema=TEXT, constraint_name=TEXT, table_catalog=TEXT,
    table_schema=TEXT, table_name=TEXT, column_name=TEXT, ordinal_position=INTEGER, position_in_unique_constraint=INTEGER,
)  # fmt: skip
def _key_column_usage(database: Database, catalog: Catalog, until: int) -> Iterator[Row]:
    for table, constraint in _constraints(catalog):
        if isinstance(constraint, Check):
            continue
        for place, column in enumerate(constraint.columns, 1):
            target = None
            if isinstance(constraint, ForeignKey):
                _, unique = _referenced_key(catalog, constraint)
                wanted = constraint.referenced_columns[place - 1]
                target = place if unique is None else unique.columns.index(wanted) + 1
            yield (
                DATABASE, table.schema, constraint.name, DATABASE, table.schema, table.name, table.by_id[column].name, place, target
            )  # fmt: skip


@_table(
    "information_schema", "constraint_column_usage", table_catalog=TEXT, table_schema=TEXT, table_name=TEXT, column_name=TEXT,
    constraint_catalog=TEXT, constraint_schema=TEXT, constraint_name=TEXT,
)  # fmt: skip
def _constraint_column_usage(database: Database, catalog: Catalog, until: int) -> Iterator[Row]:
    for table, constraint in _constraints(catalog):
        target, columns = table, getattr(constraint, "columns", ())
        if isinstance(constraint, Check):
            from eventdb.sql.definition.references import column_mentioned

            columns = [c.id for c in table.visible if column_mentioned(constraint.expression, c.name)]
        if isinstance(constraint, ForeignKey):
            target, columns = catalog.tables[constraint.referenced_table], constraint.referenced_columns
        for column in columns:
            yield (DATABASE, target.schema, target.name, target.by_id[column].name, DATABASE, table.schema, constraint.name)


@_table(
    "information_schema", "referential_constraints", constraint_catalog=TEXT, constraint_schema=TEXT, constraint_name=TEXT,
    unique_constraint_catalog=TEXT, unique_constraint_schema=TEXT, unique_constraint_name=TEXT, match_option=TEXT, update_rule=TEXT,
    delete_rule=TEXT,
)  # fmt: skip
def _referential_constraints(database: Database, catalog: Catalog, until: int) -> Iterator[Row]:
    for table, constraint in _constraints(catalog):
        if isinstance(constraint, ForeignKey):
            parent, unique = _referenced_key(catalog, constraint)
            yield (
                DATABASE, table.schema, constraint.name, DATABASE, parent.schema, None if unique is None else unique.name,
                "FULL" if constraint.match_full else "NONE", constraint.on_update.value, constraint.on_delete.value,
            )  # fmt: skip


@_table("information_schema", "check_constraints", constraint_catalog=TEXT, constraint_schema=TEXT, constraint_name=TEXT, check_clause=TEXT)
def _check_constraints(database: Database, catalog: Catalog, until: int) -> Iterator[Row]:
    for table, constraint in _constraints(catalog):
        if isinstance(constraint, Check):
            yield (DATABASE, table.schema, constraint.name, constraint.expression)
    for table in _tables(catalog):
        for column in table.visible:
            if not column.nullable:
                yield (DATABASE, table.schema, f"{table.id}_{column.id}_not_null", f"{column.name} IS NOT NULL")


@_table(
    "information_schema", "views", table_catalog=TEXT, table_schema=TEXT, table_name=TEXT, view_definition=TEXT, check_option=TEXT,
    is_updatable=TEXT, is_insertable_into=TEXT,
)  # fmt: skip
def _views(database: Database, catalog: Catalog, until: int) -> Iterator[Row]:
    for view in sorted(catalog.views.values(), key=lambda v: (v.schema, v.name)):
        yield (DATABASE, view.schema, view.name, view.query, "NONE", "NO", "NO")


@_table(
    "information_schema", "sequences", sequence_catalog=TEXT, sequence_schema=TEXT, sequence_name=TEXT, data_type=TEXT,
    numeric_precision=INTEGER, numeric_precision_radix=INTEGER, numeric_scale=INTEGER, start_value=TEXT, minimum_value=TEXT,
    maximum_value=TEXT, increment=TEXT, cycle_option=TEXT,
)  # fmt: skip
def _sequences(database: Database, catalog: Catalog, until: int) -> Iterator[Row]:
    for s in sorted(catalog.sequences.values(), key=lambda s: (s.schema, s.name)):
        if s.owner is not None and _is_identity(catalog, s):
            continue
        yield (
            DATABASE, s.schema, s.name, s.datatype.kind.value, _BITS.get(s.datatype.kind), 2, 0, str(s.start), str(s.minimum),
            str(s.maximum), str(s.increment), _yes(s.cycle),
        )  # fmt: skip


def _is_identity(catalog: Catalog, sequence: Sequence) -> bool:
    table = catalog.tables.get(sequence.owner[0]) if sequence.owner is not None else None
    column = table.by_id.get(sequence.owner[1]) if table is not None and sequence.owner is not None else None
    return column is not None and column.identity is not None
