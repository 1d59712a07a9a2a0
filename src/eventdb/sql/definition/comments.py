"""COMMENT ON."""

from __future__ import annotations

from eventdb.errors import InvalidSchemaName, SQLSyntaxError, UndefinedObject, UndefinedTable, WrongObjectType
from eventdb.model.event import Event, IndexCreated, SchemaCreated, SequenceCreated, TableAltered, ViewCreated
from eventdb.model.record import replace
from eventdb.model.schema import Index, Sequence, Table, View
from eventdb.sql.definition.names import find, find_column, find_table, spelled
from eventdb.sql.environment import Environment
from eventdb.sql.parser import ast


def comment_on(statement: ast.Comment, env: Environment) -> list[Event]:
    """Raises UndefinedTable, UndefinedColumn, UndefinedObject, InvalidSchemaName, SQLSyntaxError, WrongObjectType."""
    name, text = statement.name, statement.text
    if statement.kind == "schema":
        if name.parts[-1] not in env.catalog.schemas:
            raise InvalidSchemaName(f'schema "{name.parts[-1]}" does not exist').at(name.position, env.text)
        return [SchemaCreated(name.parts[-1], text)]
    if statement.kind == "column":
        if len(name.parts) < 2:
            raise SQLSyntaxError(f'column name must be qualified with its table: "{name.parts[-1]}"').at(name.position, env.text)
        table = find_table(env, ast.QualifiedName(name.parts[:-1], position=name.position))
        column = find_column(env, table, name.parts[-1], name.position)
        columns = tuple(replace(c, comment=text) if c.id == column.id else c for c in table.columns)
        return [TableAltered(replace(table, columns=columns))]
    if statement.kind == "constraint":
        assert statement.on is not None
        table = find_table(env, statement.on)
        if not any(c.name == name.parts[-1] for c in table.constraints):
            raise UndefinedObject(f'constraint "{name.parts[-1]}" for table "{table.name}" does not exist').at(name.position, env.text)
        constraints = tuple(replace(c, comment=text) if c.name == name.parts[-1] else c for c in table.constraints)
        return [TableAltered(replace(table, constraints=constraints))]
    found = find(env, name)
    if found is None:
        raise UndefinedTable(f'relation "{spelled(name)}" does not exist').at(name.position, env.text)
    match statement.kind, found:
        case "table", Table():
            return [TableAltered(replace(found, comment=text))]
        case "view", View():
            return [ViewCreated(replace(found, comment=text))]
        case "index", Index():
            return [IndexCreated(replace(found, comment=text))]
        case "sequence", Sequence():
            return [SequenceCreated(replace(found, comment=text))]
    article = "an" if statement.kind == "index" else "a"
    raise WrongObjectType(f'"{found.name}" is not {article} {statement.kind}').at(name.position, env.text)
