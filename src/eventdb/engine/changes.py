"""What the transactions of the log changed, row by row: the one place where a record of the log becomes changes with before and after.

    for change in changes(reader, number, events):
        match change:
            case RowChange():     change.operation, change.table, change.key, change.before, change.after
            case SchemaChange():  change.operation, change.old, change.new

An event holds what is needed to make the next state, so an update knows only keys and new values. The row before comes from the state
before the transaction, which every later state can still read; what the transaction itself did to the row meanwhile is kept beside it
while its events are walked through. Each change is in the schema of its place: `table` is the definition that the row was changed
under, schema changes of the same transaction before it included.

`eventdb.events`, `eventdb.schema_history`, `table_changes` and the change feed read the log through this.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable, Iterator
from operator import itemgetter
from typing import Any, NamedTuple

from eventdb.model.catalog import Catalog
from eventdb.model.event import (
    Event,
    IndexCreated,
    IndexDropped,
    RowsDeleted,
    RowsInserted,
    RowsUpdated,
    SchemaCreated,
    SchemaDropped,
    SequenceAdvanced,
    SequenceCreated,
    SequenceDropped,
    TableAltered,
    TableCreated,
    TableDropped,
    TableRewritten,
    ViewCreated,
    ViewDropped,
)
from eventdb.model.schema import Index, Relation, Table, View
from eventdb.model.schema import Sequence as SequenceObject
from eventdb.sql.expressions.json_values import quoted, writer
from eventdb.sql.reader import Key, Row, StateReader
from eventdb.storage.table import identical, key_normalizer, row_key


class RowChange(NamedTuple):
    """One row inserted, updated or deleted.

    `position`: its place among the changes of its transaction, from 1 on; places may be left out. `operation`: "insert", "update" or
    "delete". `key`: the value of the key column or a tuple of several, as before an update that moves the row. `before`, `after`: stored
    rows at the full width of `table`, `row[column.slot]`; None where there was or is none. `row[0]` is the transaction that wrote it.
    """

    position: int
    operation: str
    table: Table
    key: Key
    before: Row | None
    after: Row | None


class SchemaChange(NamedTuple):
    """One schema object created, altered or dropped.

    `operation`: in the words of SQL: "create table", "alter table", "drop index" … `schema` and `name` are those that the object has after
    the change, or had before it was dropped. `old`, `new`: its definitions; None where there was or is none, and for schemas. `table`: the
    table that it is about, itself or that of an index, as it is after the change or was before it was dropped.
    """

    position: int
    operation: str
    schema: str
    name: str
    old: Relation | None
    new: Relation | None
    table: Table | None = None

    @property
    def kind(self) -> str:
        """table, index, view, sequence or schema."""
        return self.operation.rpartition(" ")[2]

Change = RowChange | SchemaChange


def changes(reader: StateReader, number: int, events: Iterable[Event], tables: Container[int] | None = None) -> Iterator[Change]:
    """The changes of transaction `number`, whose `events` these are, in order.

    `reader`: any state that has the transaction, or the one before it; it is read at `number - 1`. `tables`: the ids of the tables whose
    rows are wanted (None: all); schema changes always come. A table dropped has no row changes of its own: its rows went with it.
    """
    walk = _Walk(reader, number)
    position = 1
    for event in events:
        if isinstance(event, RowsInserted | RowsUpdated | RowsDeleted):
            if tables is None or event.table_id in tables:
                yield from walk.rows(event, position)
            position += len(event.rows if isinstance(event, RowsInserted) else event.keys)
        elif type(event) is not SequenceAdvanced:
            yield from walk.schema(event, position)
            position += 1


def row_values(table: Table) -> Callable[[Row], tuple[Any, ...]]:
    """What takes the visible columns' values, in order, from a row at full width."""
    slots = [column.slot for column in table.visible]
    if len(slots) == 1:
        slot = slots[0]
        return lambda row: (row[slot],)
    return itemgetter(*slots) if slots else lambda row: ()


def row_writer(table: Table) -> Callable[[Row], str]:
    """What makes a row at full width a JSON object of its visible columns."""
    parts = [(f"{quoted(column.name)}: ", writer(column.datatype), column.slot) for column in table.visible]
    return lambda row: "{" + ", ".join([name + write(row[slot]) for name, write, slot in parts]) + "}"


def key_writer(table: Table) -> Callable[[Key], str]:
    """What makes a key a JSON object of the key columns (of a table without a primary key: its hidden row number)."""
    columns = [table.by_id[i] for i in table.key]
    parts = [(f"{quoted(column.name)}: ", writer(column.datatype)) for column in columns]
    if len(parts) == 1:
        name, write = parts[0]
        return lambda key: "{" + name + write(key) + "}"
    return lambda key: "{" + ", ".join([name + write(value) for (name, write), value in zip(parts, key, strict=True)]) + "}"


def after_event(catalog: Catalog, version: tuple[int, int], event: Event) -> Catalog:
    """The catalog behind a schema event."""
    match event:
        case TableCreated() | TableAltered() | TableRewritten():
            return catalog.with_object(version, event.table)
        case IndexCreated():
            return catalog.with_object(version, event.index)
        case ViewCreated():
            return catalog.with_object(version, event.view)
        case SequenceCreated():
            return catalog.with_object(version, event.sequence)
        case SchemaCreated():
            return catalog.with_schema(version, event.name, event.comment)
        case SchemaDropped():
            return catalog.without_schema(version, event.name)
        case IndexDropped():
            return catalog.without_object(version, event.index_id)
        case ViewDropped():
            return catalog.without_object(version, event.view_id)
        case SequenceDropped():
            return catalog.without_object(version, event.sequence_id)
        case TableDropped():
            for index in catalog.indexes_of(event.table_id):
                catalog = catalog.without_object(version, index.id)
            for sequence in list(catalog.sequences.values()):
                if sequence.owner is not None and sequence.owner[0] == event.table_id:
                    catalog = catalog.without_object(version, sequence.id)
            return catalog.without_object(version, event.table_id)
    return catalog


class _Rows:
    """The rows of one table while the events of a transaction are walked through: those of before, and what has come over them."""

    def __init__(self, reader: StateReader, table: Table | None, at: int) -> None:
        self._get: Callable[[Key], Row | None] | None = None if table is None else reader.table(table, at).get
        self._over: dict[Key, Row | None] = {}
        self._defined: Table | None = None
        self._normal: Callable[[Key], Key] | None = None

    def define(self, table: Table) -> None:
        """From here on the table is defined so."""
        self._defined = table
        self._normal = key_normalizer(table)

    def rewritten(self, event: TableRewritten, number: int) -> None:
        """All rows are these."""
        self.define(event.table)
        key_of = row_key(event.table)
        self._get = None
        self._over = {key_of(row): row for row in ((number, *values) for values in event.rows)}

    def get(self, key: Key) -> Row | None:
        name = key if self._normal is None else self._normal(key)
        if name in self._over:
            row = self._over[name]
        else:
            row = None if self._get is None else self._get(key)
        return row if row is None or self._defined is None else self._defined.full(row)

    def put(self, key: Key, row: Row | None) -> None:
        self._over[key if self._normal is None else self._normal(key)] = row


class _Walk:
    """One walk through the events of a transaction."""

    def __init__(self, reader: StateReader, number: int) -> None:
        self._reader = reader
        self._number = number
        self._before = self._catalog = reader.catalog_at(number - 1)
        self._steps = 0
        self._tables: dict[int, _Rows] = {}
        self._rewritten: dict[int, TableRewritten] = {}

    # rows

    def _rows_of(self, table: Table) -> _Rows:
        rows = self._tables.get(table.id)
        if rows is None:
            rows = self._tables[table.id] = _Rows(self._reader, self._before.tables.get(table.id), self._number - 1)
            rewritten = self._rewritten.get(table.id)
            if rewritten is not None:
                rows.rewritten(rewritten, self._number)
            rows.define(table)
        return rows

    def rows(self, event: RowsInserted | RowsUpdated | RowsDeleted, position: int) -> Iterator[RowChange]:
        table = self._catalog.tables[event.table_id]
        match event:
            case RowsInserted():
                return self._inserted(table, event, position)
            case RowsUpdated():
                return self._updated(table, event, position)
        return self._deleted(table, event, position)

    def _inserted(self, table: Table, event: RowsInserted, position: int) -> Iterator[RowChange]:
        rows, number = self._rows_of(table), self._number
        key_of = itemgetter(*table.key_slots)
        for place, values in enumerate(event.rows, position):
            row = table.full((number, *values))
            key = key_of(row)
            rows.put(key, row)
            yield RowChange(place, "insert", table, key, None, row)

    def _updated(self, table: Table, event: RowsUpdated, position: int) -> Iterator[RowChange]:
        rows, slots = self._rows_of(table), event.slots
        key_of = itemgetter(*table.key_slots)
        moves = not set(table.key_slots).isdisjoint(slots)
        made: list[RowChange] = []
        for place, (key, values) in enumerate(zip(event.keys, event.values, strict=True), position):
            before = rows.get(key)
            if before is None:
                continue  # erased since
            after = list(before)
            after[0] = self._number
            for slot, value in zip(slots, values, strict=True):
                after[slot] = value
            if all(identical(before[slot], after[slot]) for slot in slots):
                continue
            change = RowChange(place, "update", table, key, before, tuple(after))
            if moves:
                made.append(change)
            else:
                rows.put(key, change.after)  # now, for the row may come again
                yield change
        for change in made:
            rows.put(change.key, None)
        for change in made:
            rows.put(key_of(change.after or ()), change.after)
        yield from made

    def _deleted(self, table: Table, event: RowsDeleted, position: int) -> Iterator[RowChange]:
        rows = self._rows_of(table)
        for place, key in enumerate(event.keys, position):
            before = rows.get(key)
            if before is not None:
                rows.put(key, None)
                yield RowChange(place, "delete", table, key, before, None)

    # schema

    def schema(self, event: Event, position: int) -> Iterator[SchemaChange]:
        before = self._catalog
        self._steps += 1
        after = self._catalog = after_event(before, (self._number, self._steps), event)
        match event:
            case TableRewritten():
                self._tables.pop(event.table.id, None)
                self._rewritten[event.table.id] = event
            case TableAltered() if event.table.id in self._tables:
                self._tables[event.table.id].define(event.table)
            case SchemaCreated():
                verb = "alter schema" if event.name in before.schemas else "create schema"
                yield SchemaChange(position, verb, event.name, event.name, None, None)
                return
            case SchemaDropped():
                yield SchemaChange(position, "drop schema", event.name, event.name, None, None)
                return
        old, new = _object(before, event), _object(after, event)
        item = new or old
        if item is None:
            return
        verb = "create" if old is None else "drop" if new is None else "alter"
        table_id = item.table_id if isinstance(item, Index) else item.id
        table = after.tables.get(table_id) or before.tables.get(table_id)
        yield SchemaChange(position, f"{verb} {_KINDS[type(item)]}", item.schema, item.name, old, new, table)


_KINDS: dict[type, str] = {Table: "table", Index: "index", View: "view", SequenceObject: "sequence"}


def _object(catalog: Catalog, event: Event) -> Relation | None:
    """The object that a schema event is about."""
    match event:
        case TableCreated() | TableAltered() | TableRewritten():
            return catalog.tables.get(event.table.id)
        case TableDropped():
            return catalog.tables.get(event.table_id)
        case IndexCreated():
            return catalog.indexes.get(event.index.id)
        case IndexDropped():
            return catalog.indexes.get(event.index_id)
        case ViewCreated():
            return catalog.views.get(event.view.id)
        case ViewDropped():
            return catalog.views.get(event.view_id)
        case SequenceCreated():
            return catalog.sequences.get(event.sequence.id)
        case SequenceDropped():
            return catalog.sequences.get(event.sequence_id)
    return None


# ---- schema changes in words


def described(change: SchemaChange) -> str:
    """What a schema change did, in a line: 'column "a" added', 'renamed from "s"'."""
    old, new = change.old, change.new
    if old is None or new is None:
        return f"{change.kind} {'created' if change.operation.startswith('create') else 'dropped' if old is not None else 'changed'}"
    told = []
    if (old.schema, old.name) != (new.schema, new.name):
        told.append(f'renamed from "{old.name}"')
    if isinstance(old, Table) and isinstance(new, Table):
        told += _altered(old, new)
    elif isinstance(old, View) and isinstance(new, View) and old.query != new.query:
        told.append("query changed")
    if old.comment != new.comment:
        told.append("comment changed")
    return "; ".join(told) or "definition changed"


def _altered(old: Table, new: Table) -> Iterator[str]:
    for column in new.columns:
        was = old.by_id.get(column.id)
        if column.hidden:
            continue
        if was is None:
            yield f'column "{column.name}" added'
            continue
        if was.name != column.name:
            yield f'column "{was.name}" renamed to "{column.name}"'
        if was.datatype != column.datatype:
            yield f'column "{column.name}" changed from {was.datatype} to {column.datatype}'
        if was.nullable != column.nullable:
            yield f'column "{column.name}" {"may" if column.nullable else "must not"} be NULL'
        if was.default != column.default:
            yield f'default of column "{column.name}" {"dropped" if column.default is None else "changed"}'
        if was.comment != column.comment:
            yield f'comment on column "{column.name}" changed'
    for column in old.visible:
        if column.id not in new.by_id:
            yield f'column "{column.name}" dropped'
    for constraint in new.constraints:
        if constraint not in old.constraints:
            known = any(c.name == constraint.name for c in old.constraints)
            yield f'constraint "{constraint.name}" {"changed" if known else "added"}'
    for constraint in old.constraints:
        if not any(c.name == constraint.name for c in new.constraints):
            yield f'constraint "{constraint.name}" dropped'


def definition_json(change: SchemaChange) -> str | None:
    """What an object is after a schema change as JSON, by names and not by ids; None for one that was dropped, and for schemas."""
    item = change.new
    names = {} if change.table is None else {c.id: c.name for c in change.table.columns}
    match item:
        case None:
            return None
        case Table():
            columns = [
                {
                    "name": c.name, "type": str(c.datatype), "nullable": c.nullable, "default": c.default, "generated": c.generated,
                    "identity": None if c.identity is None else c.identity.value, "comment": c.comment,
                }
                for c in item.visible
            ]  # fmt: skip
            constraints = [
                {
                    "name": c.name, "kind": _constraint_kind(c), "columns": [names[i] for i in getattr(c, "columns", ())],
                    "expression": getattr(c, "expression", None),
                }
                for c in item.constraints
            ]  # fmt: skip
            body: dict[str, Any] = {"columns": list(map(_told, columns)), "constraints": list(map(_told, constraints))}
        case Index():
            parts = [
                {"column": names.get(c.column_id or 0), "expression": c.expression, "descending": c.descending or None}
                for c in item.columns
            ]  # fmt: skip
            table = None if change.table is None else change.table.name
            body = {"table": table, "columns": list(map(_told, parts)), "unique": item.unique, "where": item.where}
        case View():
            body = {"query": item.query, "columns": [{"name": name, "type": str(datatype)} for name, datatype in item.columns]}
        case _:
            body = {
                "type": str(item.datatype), "start": item.start, "increment": item.increment, "minimum": item.minimum,
                "maximum": item.maximum, "cycle": item.cycle,
            }  # fmt: skip
    return json.dumps(_told({"id": item.id, "name": item.name, **body, "comment": item.comment}), ensure_ascii=False)


def _told(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None and value != []}


def _constraint_kind(constraint: Any) -> str:
    name = type(constraint).__name__
    if name == "Unique":
        return "primary key" if constraint.primary else "unique"
    return "check" if name == "Check" else "foreign key"


__all__ = [
    "Change", "RowChange", "SchemaChange", "after_event", "changes", "definition_json", "described", "key_writer", "row_values",
    "row_writer",
]  # fmt: skip
