"""DROP, and what depends on what is dropped."""

from __future__ import annotations

from eventdb.errors import (
    DependentObjectsStillExist,
    InvalidSchemaName,
    UndefinedObject,
    UndefinedTable,
    WrongObjectType,
)
from eventdb.model.catalog import Catalog
from eventdb.model.event import Event, IndexDropped, SchemaDropped, SequenceDropped, TableAltered, TableDropped, ViewDropped
from eventdb.model.record import replace
from eventdb.model.schema import DEFAULT_SCHEMA, Index, Relation, Sequence, Table, View
from eventdb.sql.definition.names import KINDS, find, spelled
from eventdb.sql.definition.references import sequences_mentioned
from eventdb.sql.definition.schemas import refuse_reserved
from eventdb.sql.environment import Environment
from eventdb.sql.parser import ast

_CLASSES: dict[str, type] = {"table": Table, "view": View, "index": Index, "sequence": Sequence}


def drop(statement: ast.Drop, name: ast.QualifiedName, env: Environment) -> list[Event]:
    """The events that drop one of the names, dependents first. Raises DependentObjectsStillExist without CASCADE."""
    if statement.kind == "schema":
        return _drop_schema(statement, name, env)
    found = find(env, name)
    if found is None:
        if statement.if_exists:
            return []
        kind = UndefinedObject if statement.kind == "index" else UndefinedTable
        raise kind(f'{statement.kind} "{spelled(name)}" does not exist').at(name.position, env.text)
    if not isinstance(found, _CLASSES[statement.kind]):
        raise WrongObjectType(
            f'"{found.name}" is not {"an" if statement.kind == "index" else "a"} {statement.kind}',
            hint=f"Use DROP {KINDS[type(found)].upper()} to remove it.",
        ).at(name.position, env.text)
    going = {_id(find(env, other)) for other in statement.names}
    return removal(found, env, statement.cascade, name.position, going)


def _id(relation: Relation | None) -> int:
    return 0 if relation is None else relation.id


def removal(found: Relation, env: Environment, cascade: bool, position: int, going: set[int]) -> list[Event]:
    """The events that remove an object. `going`: ids of what the same statement removes, which so does not stand in the way."""
    catalog = env.catalog
    match found:
        case Index():
            return _index_removal(found, env, position)
        case Sequence():
            return _sequence_removal(found, env, cascade, position, going)
    events: list[Event] = []
    dependents = dependent_views(catalog, found.id)
    in_the_way = [f"view {v.name} depends on {KINDS[type(found)]} {found.name}" for v in dependents if v.id not in going]
    children = [t for t in catalog.referencing(found.id) if t.id != found.id] if isinstance(found, Table) else []
    for child in children:
        for key in child.foreign_keys:
            if key.referenced_table == found.id and child.id not in going:
                in_the_way.append(f"constraint {key.name} on table {child.name} depends on table {found.name}")
    if in_the_way and not cascade:
        refuse(f"{KINDS[type(found)]} {found.name}", in_the_way, env, position)
    events.extend(ViewDropped(v.id) for v in dependents if v.id in catalog.views)
    for child in children:
        kept = tuple(c for c in child.constraints if not (c in child.foreign_keys and c.referenced_table == found.id))
        events.append(TableAltered(replace(child, constraints=kept)))
    events.append(ViewDropped(found.id) if isinstance(found, View) else TableDropped(found.id))
    return events


def refuse(what: str, in_the_way: list[str], env: Environment, position: int) -> None:
    raise DependentObjectsStillExist(
        f"cannot drop {what} because other objects depend on it", detail="\n".join(in_the_way),
        hint="Use DROP ... CASCADE to drop the dependent objects too.",
    ).at(position, env.text)  # fmt: skip


def dependent_views(catalog: Catalog, relation_id: int) -> list[View]:
    """The views that read the relation, directly or through others, the outermost first."""
    found: dict[int, View] = {}
    pending = [relation_id]
    while pending:
        current = pending.pop(0)
        for view in catalog.views.values():
            if current in view.depends_on:
                found.pop(view.id, None)
                found[view.id] = view
                pending.append(view.id)
    return list(reversed(found.values()))


def _index_removal(index: Index, env: Environment, position: int) -> list[Event]:
    if index.constraint:
        table = env.catalog.tables[index.table_id]
        raise DependentObjectsStillExist(
            f"cannot drop index {index.name} because constraint {index.name} on table {table.name} requires it",
            hint=f"You can drop constraint {index.name} on table {table.name} instead.",
        ).at(position, env.text)
    table = env.catalog.tables[index.table_id]
    for child in env.catalog.referencing(table.id):
        for key in child.foreign_keys:
            columns = set(key.referenced_columns)
            others = [u for u in table.uniques if set(u.columns) == columns]
            ids = {c.column_id for c in index.columns}
            if key.referenced_table == table.id and index.unique and ids == columns and not others and not _another(env.catalog, index):
                refuse(f"index {index.name}", [f"constraint {key.name} on table {child.name} depends on index {index.name}"], env, position)
    return [IndexDropped(index.id)]


def _another(catalog: Catalog, index: Index) -> bool:
    ids = {c.column_id for c in index.columns}
    return any(
        o.id != index.id and o.unique and o.where is None and {c.column_id for c in o.columns} == ids
        for o in catalog.indexes_of(index.table_id)
    )


def _sequence_removal(sequence: Sequence, env: Environment, cascade: bool, position: int, going: set[int]) -> list[Event]:
    events: list[Event] = []
    named = (sequence.schema, sequence.name)
    users = [
        (t, c) for t in env.catalog.tables.values() for c in t.columns
        if t.id not in going and (c.sequence_id == sequence.id or (c.sequence_id is None and named in sequences_mentioned(c.default)))
    ]  # fmt: skip
    for table, column in users:
        if column.identity is not None:
            raise DependentObjectsStillExist(
                f"cannot drop sequence {sequence.name} because column {column.name} of table {table.name} requires it",
                hint=f"You can drop column {column.name} of table {table.name} instead.",
            ).at(position, env.text)
        if not cascade:
            text = f"default value for column {column.name} of table {table.name} depends on sequence {sequence.name}"
            refuse(f"sequence {sequence.name}", [text], env, position)
    using = {(table.id, column.id) for table, column in users}
    for table in {table.id: table for table, _ in users}.values():
        columns = tuple(replace(c, default=None, sequence_id=None) if (table.id, c.id) in using else c for c in table.columns)
        events.append(TableAltered(replace(table, columns=columns)))
    return [*events, SequenceDropped(sequence.id)]


def _drop_schema(statement: ast.Drop, name: ast.QualifiedName, env: Environment) -> list[Event]:
    schema = name.parts[-1]
    if schema not in env.catalog.schemas:
        refuse_reserved(schema, env, name.position)
        if statement.if_exists:
            return []
        raise InvalidSchemaName(f'schema "{schema}" does not exist').at(name.position, env.text)
    inside = [o for o in env.catalog.relations() if o.schema == schema]
    tables = {o.id for o in inside if isinstance(o, Table)}
    listed = [o for o in inside if not (isinstance(o, Index) or (isinstance(o, Sequence) and o.owner and o.owner[0] in tables))]
    if listed and not statement.cascade:
        refuse(f"schema {schema}", [f"{KINDS[type(o)]} {o.name} depends on schema {schema}" for o in listed], env, name.position)
    if schema == DEFAULT_SCHEMA and not statement.cascade and not listed:
        return [SchemaDropped(schema)]
    events: list[Event] = []
    views: dict[int, None] = {}
    going = {o.id for o in inside}
    altered: dict[int, Table] = {}
    for item in listed:
        if isinstance(item, Table | View):
            views.update(dict.fromkeys(v.id for v in dependent_views(env.catalog, item.id)))
        if isinstance(item, View):
            views[item.id] = None
        if isinstance(item, Table):
            for child in env.catalog.referencing(item.id):
                if child.id not in going:
                    now = altered.get(child.id, child)
                    kept = tuple(c for c in now.constraints if getattr(c, "referenced_table", None) != item.id)
                    altered[child.id] = replace(now, constraints=kept)
    events.extend(ViewDropped(view_id) for view_id in views)
    events.extend(TableAltered(table) for table in altered.values())
    events.extend(TableDropped(item.id) for item in listed if isinstance(item, Table))
    events.extend(SequenceDropped(item.id) for item in listed if isinstance(item, Sequence))
    return [*events, SchemaDropped(schema)]
