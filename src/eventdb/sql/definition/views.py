"""CREATE VIEW: the query is bound now, its columns and what it depends on are recorded, its text is made independent of the search path."""

from __future__ import annotations

from eventdb.errors import DuplicateColumn, DuplicateTable, InvalidTableDefinition, NotSupportedError, WrongObjectType
from eventdb.model.datatype import DataType
from eventdb.model.event import Event, ViewCreated
from eventdb.model.record import replace
from eventdb.model.schema import View
from eventdb.sql.definition.names import creation_schema
from eventdb.sql.definition.queries import prepare_query
from eventdb.sql.definition.references import expanded, qualified, sequences_qualified
from eventdb.sql.definition.tables import stored_type
from eventdb.sql.environment import Environment
from eventdb.sql.parser import ast, render


def create_view(statement: ast.CreateView, env: Environment) -> list[Event]:
    """Raises DuplicateTable, WrongObjectType, InvalidTableDefinition (a replacement that loses columns), and what binding raises."""
    if env.parameter_index:
        raise NotSupportedError("a view cannot have parameters").at(statement.position, env.text)
    query, used = qualified(sequences_qualified(expanded(statement.query, env), env), env)
    # a view over what ends with the session ends with it
    temporary = statement.temporary or any(relation_id < 0 for relation_id in used)
    schema, name = creation_schema(env, statement.name, temporary), statement.name.parts[-1]
    there = env.catalog.find(schema, name)
    if there is not None:
        if statement.if_not_exists:
            return []
        if not statement.or_replace:
            raise DuplicateTable(f'relation "{name}" already exists').at(statement.name.position, env.text)
        if not isinstance(there, View):
            raise WrongObjectType(f'"{name}" is not a view').at(statement.name.position, env.text)
    result = prepare_query(statement.query, env).columns
    if len(statement.columns) > len(result):
        raise InvalidTableDefinition("CREATE VIEW specifies more column names than columns").at(statement.position, env.text)
    names = [*statement.columns, *(c.name for c in result[len(statement.columns) :])]
    for place, column in enumerate(names):
        if column in names[:place]:
            raise DuplicateColumn(f'column "{column}" specified more than once').at(statement.position, env.text)
    columns = tuple((n, stored_type(c.datatype)) for n, c in zip(names, result, strict=True))
    if isinstance(there, View):
        _check_replacement(there, columns, statement, env)
        if there.id in used:
            raise InvalidTableDefinition(f'view "{name}" cannot refer to itself').at(statement.position, env.text)
        return [ViewCreated(replace(there, query=render(query), columns=columns, depends_on=used))]
    return [ViewCreated(View(env.catalog.new_id(schema), schema, name, render(query), columns, used))]


def _check_replacement(old: View, columns: tuple[tuple[str, DataType], ...], statement: ast.CreateView, env: Environment) -> None:
    if len(columns) < len(old.columns):
        raise InvalidTableDefinition("cannot drop columns from view").at(statement.position, env.text)
    for (old_name, old_type), (new_name, new_type) in zip(old.columns, columns, strict=False):
        if old_name != new_name:
            raise InvalidTableDefinition(f'cannot change name of view column "{old_name}" to "{new_name}"').at(statement.position, env.text)
        if old_type != new_type:
            raise InvalidTableDefinition(
                f'cannot change data type of view column "{old_name}" from {old_type} to {new_type}'
            ).at(statement.position, env.text)  # fmt: skip
