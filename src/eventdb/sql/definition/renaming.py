"""New names and schemas for objects, with every stored text that uses the old ones."""

from __future__ import annotations

from collections.abc import Iterable

from eventdb.errors import (
    DuplicateColumn,
    DuplicateObject,
    DuplicateSchema,
    DuplicateTable,
    Error,
    InvalidSchemaName,
    NotSupportedError,
    UndefinedObject,
)
from eventdb.model.event import Event, IndexCreated, SchemaCreated, SchemaDropped, SequenceCreated, TableAltered, ViewCreated
from eventdb.model.record import replace
from eventdb.model.schema import TEMPORARY_SCHEMA, Check, Column, Index, Relation, Sequence, Table, Unique, View
from eventdb.sql.definition.dropping import dependent_views
from eventdb.sql.definition.names import RESERVED_SCHEMAS, check_name, find_column, names_in
from eventdb.sql.definition.queries import prepare_query
from eventdb.sql.definition.references import column_renamed, mentions, names_renamed, relation_renamed, sequence_renamed, table_renamed
from eventdb.sql.definition.schemas import refuse_reserved
from eventdb.sql.definition.tables import check_column_name
from eventdb.sql.environment import Environment
from eventdb.sql.parser import ast, parse_query


def rename_column(table: Table, action: ast.RenameColumn, env: Environment) -> list[Event]:
    """The column under its new name, there and in every expression and view that reads it; a view's own columns keep their names.

    Raises NotSupportedError where the text of a view cannot be followed: it joins by the column's name, or has a `*` inside.
    """
    column = find_column(env, table, action.name, action.position)
    check_column_name(action.new_name, env, action.position)
    if action.new_name in table.by_name:
        raise DuplicateColumn(f'column "{action.new_name}" of relation "{table.name}" already exists').at(action.position, env.text)
    old, new = action.name, action.new_name
    views = _views_renamed(table, column, new, env, action.position)
    columns = tuple(
        replace(c, name=new if c.id == column.id else c.name, generated=column_renamed(c.generated, old, new)) for c in table.columns
    )
    constraints = tuple(
        replace(c, expression=column_renamed(c.expression, old, new) or "") if isinstance(c, Check) else c for c in table.constraints
    )
    renamed = replace(table, columns=columns, constraints=constraints)
    indexes = [(i, _index_with(i, lambda text: column_renamed(text, old, new))) for i in env.catalog.indexes_of(table.id)]
    return [*_together(renamed, [new_index for index, new_index in indexes if new_index != index]), *map(ViewCreated, views)]


def _views_renamed(table: Table, column: Column, new: str, env: Environment, position: int) -> list[View]:
    """The views that read the column directly, with the new name in their texts."""
    found: list[View] = []
    for view in env.catalog.views.values():
        if table.id not in view.depends_on or not mentions(view.query, column.name):
            continue
        uses: dict[int, tuple[int, int]] = {}
        prepare_query(parse_query(view.query), replace(env, text=view.query, parameter_index={}, parameter_types=[], uses=uses))
        places = {place for place, origin in uses.items() if origin == (table.id, column.id)}
        query = names_renamed(view.query, column.name, new, places)
        if query is None:
            raise _used(column.name, table, view, "rename", env, position)
        if query != view.query:
            found.append(replace(view, query=query))
    return found


def _together(table: Table, indexes: list[Index]) -> list[Event]:
    return [TableAltered(table), *(IndexCreated(index) for index in indexes)]


def _index_with(index: Index, change: object) -> Index:
    columns = tuple(replace(c, expression=change(c.expression)) for c in index.columns)  # type: ignore[operator]
    return replace(index, columns=columns, where=change(index.where))  # type: ignore[operator]


def refuse_in_views(table: Table, column: str, doing: str, env: Environment, position: int) -> None:
    """Raise NotSupportedError where a view reads the column."""
    for view in env.catalog.views.values():
        if table.id in view.depends_on and mentions(view.query, column):
            raise _used(column, table, view, doing, env, position)


def _used(column: str, table: Table, view: View, doing: str, env: Environment, position: int) -> Error:
    message = f'cannot {doing} column "{column}" of table "{table.name}", which view "{view.name}" uses'
    return NotSupportedError(message, hint="Drop the view first.").at(position, env.text)


def _check_free(relation: Relation, schema: str, name: str, env: Environment, position: int) -> None:
    check_name(name, env, position)
    if (schema, name) != (relation.schema, relation.name) and name in names_in(env, schema):
        raise DuplicateTable(f'relation "{name}" already exists').at(position, env.text)


def moved(relation: Relation, schema: str, name: str, env: Environment, position: int) -> list[Event]:
    """The object under another schema and name, with what belongs to it. Raises DuplicateTable, NotSupportedError (temporary objects)."""
    if schema != relation.schema and relation.id < 0:
        raise NotSupportedError("cannot move objects into or out of temporary schemas").at(position, env.text)
    _check_free(relation, schema, name, env, position)
    events: list[Event] = []
    match relation:
        case Table():
            events += _moved_table(relation, schema, name, env, position)
        case View():
            events.append(ViewCreated(replace(relation, schema=schema, name=name)))
        case Index():
            events += _moved_index(relation, name, env)
        case Sequence():
            events.append(SequenceCreated(replace(relation, schema=schema, name=name)))
    return [*events, *followed(relation, schema, name, env)]


def _moved_table(table: Table, schema: str, name: str, env: Environment, position: int) -> list[Event]:
    columns = tuple(replace(c, generated=table_renamed(c.generated, name)) for c in table.columns)
    constraints = tuple(
        replace(c, expression=table_renamed(c.expression, name) or "") if isinstance(c, Check) else c for c in table.constraints
    )
    owned = [s for s in env.catalog.sequences.values() if s.owner is not None and s.owner[0] == table.id]
    if schema != table.schema:
        new_names = {f"nextval('{s.schema}.{s.name}')": f"nextval('{schema}.{s.name}')" for s in owned}
        columns = tuple(replace(c, default=new_names.get(c.default or "", c.default)) for c in columns)
        columns = _defaults_followed(columns, owned, schema)
    events: list[Event] = [TableAltered(replace(table, schema=schema, name=name, columns=columns, constraints=constraints))]
    for index in env.catalog.indexes_of(table.id):
        new = replace(_index_with(index, lambda text: table_renamed(text, name)), schema=schema)
        if new != index:
            if schema != index.schema:
                _check_free(index, schema, index.name, env, position)
            events.append(IndexCreated(new))
    if schema != table.schema:
        events += [SequenceCreated(replace(s, schema=schema)) for s in owned]
        for other in env.catalog.tables.values():
            following = _defaults_followed(other.columns, owned, schema)
            if other.id != table.id and following != other.columns:
                events.append(TableAltered(replace(other, columns=following)))
    return events


def _defaults_followed(columns: tuple[Column, ...], sequences: Iterable[Sequence], schema: str) -> tuple[Column, ...]:
    """The columns after the sequences moved to another schema."""
    for sequence in sequences:
        old, new = (sequence.schema, sequence.name), (schema, sequence.name)
        columns = tuple(replace(c, default=sequence_renamed(c.default, old, new)) for c in columns)
    return columns


def _moved_index(index: Index, name: str, env: Environment) -> list[Event]:
    events: list[Event] = [IndexCreated(replace(index, name=name))]
    if index.constraint:
        table = env.catalog.tables[index.table_id]
        constraints = tuple(replace(c, name=name) if isinstance(c, Unique) and c.index_id == index.id else c for c in table.constraints)
        events.insert(0, TableAltered(replace(table, constraints=constraints)))
    return events


def followed(relation: Relation, schema: str, name: str, env: Environment) -> list[Event]:
    """What refers to the relation by its name, with the new one: views that read it, defaults that take its values."""
    old, new = (relation.schema, relation.name), (schema, name)
    if isinstance(relation, Table | View):
        direct = [v for v in dependent_views(env.catalog, relation.id) if relation.id in v.depends_on]
        return [ViewCreated(replace(view, query=relation_renamed(view.query, old, new))) for view in direct]
    return _defaults_with(relation, schema, name, env) if isinstance(relation, Sequence) else []


def _defaults_with(sequence: Sequence, schema: str, name: str, env: Environment) -> list[Event]:
    events: list[Event] = []
    old, new = (sequence.schema, sequence.name), (schema, name)
    for table in env.catalog.tables.values():
        columns = tuple(
            replace(c, default=f"nextval('{schema}.{name}')") if c.sequence_id == sequence.id and c.default is not None
            else replace(c, default=sequence_renamed(c.default, old, new))
            for c in table.columns
        )  # fmt: skip
        if columns != table.columns:
            events.append(TableAltered(replace(table, columns=columns)))
    return events


def check_target_schema(schema: str, env: Environment, position: int) -> None:
    if schema == TEMPORARY_SCHEMA:
        raise NotSupportedError("cannot move objects into or out of temporary schemas").at(position, env.text)
    if schema not in env.catalog.schemas or schema in RESERVED_SCHEMAS:
        raise InvalidSchemaName(f'schema "{schema}" does not exist').at(position, env.text)


def rename_constraint(table: Table, action: ast.RenameConstraint, env: Environment) -> list[Event]:
    """Raises UndefinedObject, DuplicateObject, DuplicateTable (a unique constraint's index shares its name)."""
    found = next((c for c in table.constraints if c.name == action.name), None)
    if found is None:
        raise UndefinedObject(f'constraint "{action.name}" for table "{table.name}" does not exist').at(action.position, env.text)
    check_name(action.new_name, env, action.position)
    if any(c.name == action.new_name for c in table.constraints):
        raise DuplicateObject(f'constraint "{action.new_name}" for relation "{table.name}" already exists').at(action.position, env.text)
    events: list[Event] = [
        TableAltered(replace(table, constraints=tuple(replace(c, name=action.new_name) if c is found else c for c in table.constraints)))
    ]
    if isinstance(found, Unique) and found.index_id is not None:
        index = env.catalog.indexes[found.index_id]
        _check_free(index, index.schema, action.new_name, env, action.position)
        events.append(IndexCreated(replace(index, name=action.new_name)))
    return events


def rename_schema(old: str, new: str, env: Environment, position: int) -> list[Event]:
    """Every object of the schema under its new name, then the old name gone. Raises InvalidSchemaName, DuplicateSchema."""
    check_target_schema(old, env, position)
    refuse_reserved(new, env, position)
    if new in env.catalog.schemas:
        raise DuplicateSchema(f'schema "{new}" already exists').at(position, env.text)
    inside = [o for o in env.catalog.relations() if o.schema == old]
    views = {v.id: v for v in env.catalog.views.values()}
    for item in inside:
        if isinstance(item, Table | View):
            for view in [v for v in views.values() if item.id in v.depends_on]:
                views[view.id] = replace(view, query=relation_renamed(view.query, (old, item.name), (new, item.name)))
    events: list[Event] = [SchemaCreated(new, env.catalog.schemas[old])]
    tables = dict(env.catalog.tables)
    for item in inside:
        match item:
            case Table():
                columns = tuple(
                    replace(c, default=(c.default or "").replace(f"'{old}.", f"'{new}.")) if c.sequence_id is not None and c.default else c
                    for c in item.columns
                )
                tables[item.id] = replace(item, schema=new, columns=columns)
            case Index():
                events.append(IndexCreated(replace(item, schema=new)))
            case Sequence():
                events.append(SequenceCreated(replace(item, schema=new)))
    sequences = [o for o in inside if isinstance(o, Sequence)]
    for table in tables.values():
        followed = replace(table, columns=_defaults_followed(table.columns, sequences, new))
        if followed != env.catalog.tables[table.id]:
            events.append(TableAltered(followed))
    for view in views.values():
        after = replace(view, schema=new if view.schema == old else view.schema)
        if after != env.catalog.views[view.id]:
            events.append(ViewCreated(after))
    return [*events, SchemaDropped(old)]
