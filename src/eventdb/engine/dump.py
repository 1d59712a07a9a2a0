"""The state of a database as an SQL script that makes it again: schema, rows, and where its sequences stand.

Names are written with their schema; the search path is set for those inside stored expressions. What refers to other things comes after
them: schemas, sequences, tables with their keys and checks, rows, indexes, foreign keys, views in the order of their dependencies, the
values of sequences, comments. History is not in it; `Connection.export_file` takes that along.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from typing import Any

from eventdb.errors import InternalError
from eventdb.model.catalog import Catalog
from eventdb.model.datatype import DataType, Kind
from eventdb.model.record import replace
from eventdb.model.schema import (
    DEFAULT_SCHEMA,
    SYSTEM_SCHEMA,
    Action,
    Check,
    Column,
    Constraint,
    ForeignKey,
    Identity,
    Index,
    Sequence,
    Table,
    Unique,
    View,
)
from eventdb.sql.definition.options import RETENTION
from eventdb.sql.definition.references import sequences_mentioned
from eventdb.sql.expressions import values
from eventdb.sql.parser.render_core import dotted, name, names, words
from eventdb.sql.parser.render_expressions import string
from eventdb.storage.state import State

_SERIAL = {Kind.SMALLINT: "smallserial", Kind.INTEGER: "serial", Kind.BIGINT: "bigserial"}
_ROWS = 100
_CHARACTERS = 1 << 16
"""An INSERT takes at most so many rows, and not many more characters."""


def statements(state: State) -> Iterator[str]:
    """The statements that make the state, in order, each with its semicolon."""
    catalog = state.catalog
    tables = sorted(_tables(catalog), key=lambda table: table.id)
    if tables:
        yield f"SET search_path = {DEFAULT_SCHEMA};"
    for schema in catalog.schemas:
        if schema != DEFAULT_SCHEMA:
            yield f"CREATE SCHEMA {name(schema)};"
    own = {column.sequence_id for table in tables for column in table.columns}
    """The sequences that come with a column, serial or identity."""
    alone = [sequence for sequence in catalog.sequences.values() if sequence.id not in own]
    for sequence in alone:
        yield f"CREATE SEQUENCE {_full(sequence)} {_options(sequence)};"
    taken = {(sequence.schema, sequence.name) for sequence in alone}
    pending = {i: (catalog.sequences[i].schema, catalog.sequences[i].name) for i in own if i is not None}
    late: list[tuple[Table, Column]] = []
    """Columns that take values of a sequence which a later table, or their own one, brings along."""
    for table in tables:
        waiting = [c for c in table.visible if c.sequence_id is None and not sequences_mentioned(c.default).isdisjoint(pending.values())]
        late += [(table, column) for column in waiting]
        yield _create(table, catalog, waiting)
        for column in table.columns:
            pending.pop(column.sequence_id or 0, None)
        taken.add((table.schema, table.name))
        yield from _own_sequences(table, catalog, taken)
    for table, column in late:
        yield f"ALTER TABLE {_full(table)} ALTER COLUMN {name(column.name)} SET DEFAULT {column.default};"
    for table in tables:
        yield from _rows(state, table)
    for sequence in alone:
        if sequence.owner is not None:
            owner = catalog.tables[sequence.owner[0]]
            column = owner.by_id[sequence.owner[1]]
            yield f"ALTER SEQUENCE {_full(sequence)} OWNED BY {dotted((owner.schema, owner.name, column.name))};"
    for index in catalog.indexes.values():
        if not index.constraint:
            yield _create_index(index, catalog)
    for table in tables:
        for key in table.foreign_keys:
            yield f"ALTER TABLE {_full(table)} ADD {_foreign_key(table, key, catalog)};"
    for table in tables:
        if RETENTION in table.options:
            yield f"ALTER TABLE {_full(table)} SET HISTORY RETENTION INTERVAL {string(str(table.options[RETENTION]))};"
    yield from _views(catalog)
    for sequence in catalog.sequences.values():
        yield from _value(sequence, state)
    yield from _comments(catalog)


def _full(item: Table | Index | View | Sequence) -> str:
    return dotted((item.schema, item.name))


# sequences


def _options(sequence: Sequence) -> str:
    return words(
        f"AS {sequence.datatype}", f"START WITH {sequence.start}", f"INCREMENT BY {sequence.increment}", f"MINVALUE {sequence.minimum}",
        f"MAXVALUE {sequence.maximum}", "CYCLE" if sequence.cycle else "NO CYCLE", f"CACHE {sequence.cache}",
    )  # fmt: skip


def _own_sequences(table: Table, catalog: Catalog, taken: set[tuple[str, str]]) -> Iterator[str]:
    """Serial and identity columns make and name their sequences themselves: give those the name and the options that they have."""
    made: list[tuple[str, Sequence, Column]] = []
    for column in table.columns:
        if column.sequence_id is not None:
            given = _free(f"{table.name}_{column.name}_seq", table.schema, taken)
            taken.add((table.schema, given))
            made.append((given, catalog.sequences[column.sequence_id], column))
    for given, sequence, column in made:
        if given != sequence.name:
            yield f"ALTER SEQUENCE {dotted((table.schema, given))} RENAME TO {name(sequence.name)};"
            taken.discard((table.schema, given))
            taken.add((table.schema, sequence.name))
        if column.identity is None:
            owner = None if sequence.owner is not None else "OWNED BY NONE"
            yield words("ALTER SEQUENCE", _full(sequence), _options(sequence), owner) + ";"


def _free(wanted: str, schema: str, taken: set[tuple[str, str]]) -> str:
    from eventdb.sql.definition.names import unused

    return unused(wanted, {n for s, n in taken if s == schema})


def _value(sequence: Sequence, state: State) -> Iterator[str]:
    last = state.sequence_value(sequence.id)
    if last is None:
        return
    called = sequence.minimum <= last <= sequence.maximum
    place = string(_full(sequence))
    yield f"SELECT setval({place}, {last if called else last + sequence.increment}, {'TRUE' if called else 'FALSE'});"


# tables


def _create(table: Table, catalog: Catalog, without: Container[Column]) -> str:
    """CREATE TABLE, some columns without their defaults."""
    parts = [_column(replace(column, default=None) if column in without else column, catalog) for column in table.visible]
    parts += [_constraint(table, c) for c in table.constraints if not isinstance(c, ForeignKey)]
    return f"CREATE TABLE {_full(table)} (\n    " + ",\n    ".join(parts) + "\n);"


def _column(column: Column, catalog: Catalog) -> str:
    made = None
    if column.identity is not None and column.sequence_id is not None:
        always = "ALWAYS" if column.identity is Identity.ALWAYS else "BY DEFAULT"
        made = f"GENERATED {always} AS IDENTITY ({_options(catalog.sequences[column.sequence_id])})"
    elif column.generated is not None:
        made = f"GENERATED ALWAYS AS ({column.generated}) STORED"
    elif column.sequence_id is not None:
        return words(name(column.name), _SERIAL[column.datatype.kind])
    elif column.default is not None:
        made = f"DEFAULT {column.default}"
    return words(name(column.name), str(column.datatype), made, None if column.nullable else "NOT NULL")


def _constraint(table: Table, constraint: Constraint) -> str:
    begin = f"CONSTRAINT {name(constraint.name)}"
    if isinstance(constraint, Check):
        return f"{begin} CHECK ({constraint.expression})"
    assert isinstance(constraint, Unique)
    return words(
        begin, "PRIMARY KEY" if constraint.primary else "UNIQUE", None if constraint.nulls_distinct else "NULLS NOT DISTINCT",
        _columns(table, constraint.columns), _timing(constraint),
    )  # fmt: skip


def _columns(table: Table, ids: Iterable[int]) -> str:
    return names(table.by_id[i].name for i in ids)


def _timing(constraint: Unique | ForeignKey) -> str | None:
    return words("DEFERRABLE" if constraint.deferrable else None, "INITIALLY DEFERRED" if constraint.deferred else None)


def _foreign_key(table: Table, key: ForeignKey, catalog: Catalog) -> str:
    parent = catalog.tables[key.referenced_table]
    set_columns = f" {_columns(table, key.set_columns)}" if key.set_columns else ""
    return words(
        f"CONSTRAINT {name(key.name)} FOREIGN KEY {_columns(table, key.columns)}",
        f"REFERENCES {_full(parent)} {_columns(parent, key.referenced_columns)}",
        "MATCH FULL" if key.match_full else None,
        f"ON DELETE {key.on_delete.value}{set_columns}" if key.on_delete is not Action.NO_ACTION else None,
        f"ON UPDATE {key.on_update.value}" if key.on_update is not Action.NO_ACTION else None,
        _timing(key),
    )


def _create_index(index: Index, catalog: Catalog) -> str:
    table = catalog.tables[index.table_id]
    elements = []
    for part in index.columns:
        what = str(part.expression) if part.column_id is None else name(table.by_id[part.column_id].name)
        nulls = None if part.nulls_first == part.descending else "NULLS FIRST" if part.nulls_first else "NULLS LAST"
        elements.append(words(what, "DESC" if part.descending else None, nulls))
    return (
        words(
            "CREATE", "UNIQUE" if index.unique else None, f"INDEX {name(index.name)} ON {_full(table)} ({', '.join(elements)})",
            f"INCLUDE {_columns(table, index.include)}" if index.include else None,
            None if index.nulls_distinct else "NULLS NOT DISTINCT",
            f"WHERE {index.where}" if index.where is not None else None,
        )
        + ";"
    )  # fmt: skip


# views and comments


def _views(catalog: Catalog) -> Iterator[str]:
    made: set[int] = set()
    waiting = sorted(catalog.views.values(), key=lambda view: view.id)
    while waiting:
        ready = [view for view in waiting if all(i in made or i not in catalog.views for i in view.depends_on)]
        if not ready:
            raise InternalError(f'views depend on each other in a circle: "{waiting[0].name}"')
        for view in ready:
            columns = names(column for column, _ in view.columns)
            yield f"CREATE VIEW {_full(view)} {columns} AS {view.query};"
            made.add(view.id)
        waiting = [view for view in waiting if view.id not in made]


def _tables(catalog: Catalog) -> list[Table]:
    """All but the system's own: the positions of subscriptions mean transactions of this log."""
    return [table for table in catalog.tables.values() if table.schema != SYSTEM_SCHEMA]


def _comments(catalog: Catalog) -> Iterator[str]:
    def said(kind: str, what: str, text: str | None) -> Iterator[str]:
        if text is not None:
            yield f"COMMENT ON {kind} {what} IS {string(text)};"

    for schema, text in catalog.schemas.items():
        yield from said("SCHEMA", name(schema), text)
    for table in _tables(catalog):
        yield from said("TABLE", _full(table), table.comment)
        for column in table.visible:
            yield from said("COLUMN", dotted((table.schema, table.name, column.name)), column.comment)
        for constraint in table.constraints:
            yield from said("CONSTRAINT", f"{name(constraint.name)} ON {_full(table)}", constraint.comment)
    for kind, items in (("INDEX", catalog.indexes), ("VIEW", catalog.views), ("SEQUENCE", catalog.sequences)):
        for item in items.values():
            yield from said(kind, _full(item), item.comment)


# rows


def _rows(state: State, table: Table) -> Iterator[str]:
    columns = [column for column in table.visible if column.generated is None]
    overriding = "OVERRIDING SYSTEM VALUE " if any(c.identity is Identity.ALWAYS for c in columns) else ""
    if not columns:
        begin = f"INSERT INTO {_full(table)} "
        for batch in state.table(table).batches():
            yield from [f"{begin}DEFAULT VALUES;" for _ in batch]
        return
    begin = f"INSERT INTO {_full(table)} {names(c.name for c in columns)} {overriding}VALUES\n    "
    writers = [(column.slot, literal(column.datatype)) for column in columns]
    gathered: list[str] = []
    size = 0
    for batch in state.table(table).batches():
        for row in batch:
            line = "(" + ", ".join(["NULL" if row[slot] is None else write(row[slot]) for slot, write in writers]) + ")"
            gathered.append(line)
            size += len(line)
            if len(gathered) == _ROWS or size > _CHARACTERS:
                yield begin + ",\n    ".join(gathered) + ";"
                gathered, size = [], 0
    if gathered:
        yield begin + ",\n    ".join(gathered) + ";"


def literal(datatype: DataType) -> Callable[[Any], str]:
    """A function from values of the type that are not NULL to SQL that gives just that value."""
    kind = datatype.kind
    if kind in (Kind.SMALLINT, Kind.INTEGER, Kind.BIGINT):
        return str
    if kind is Kind.BOOLEAN:
        return lambda value: "TRUE" if value else "FALSE"
    if kind is Kind.BYTEA:
        return lambda value: f"X'{value.hex()}'"
    if kind is Kind.NUMERIC:
        return values.render_numeric
    if kind in (Kind.TEXT, Kind.VARCHAR, Kind.CHAR):
        return string
    render = values.renderer(datatype)
    return lambda value: f"CAST({string(render(value))} AS {datatype})"
