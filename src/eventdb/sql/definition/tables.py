"""CREATE TABLE and CREATE TABLE AS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from eventdb.errors import DuplicateColumn, DuplicateTable, InvalidTableDefinition, SQLSyntaxError
from eventdb.model.datatype import BIGINT, TEXT, DataType, Kind
from eventdb.model.event import Event, IndexCreated, SequenceCreated, TableCreated
from eventdb.model.record import replace
from eventdb.model.schema import TEMPORARY_SCHEMA, Column, Index, Table
from eventdb.sql.definition.columns import DefinedColumn, check_generated, define_column
from eventdb.sql.definition.constraints import add_check, add_foreign_key, add_unique
from eventdb.sql.definition.names import check_name, creation_schema, names_in
from eventdb.sql.environment import Environment
from eventdb.sql.parser import ast
from eventdb.sql.prepared import ResultColumn

ROW_ID = "_rowid"
_RESERVED = frozenset({ROW_ID, "row_start", "row_end", "row_start_tx", "row_end_tx"})


def exists_already(name: ast.QualifiedName, schema: str, if_not_exists: bool, env: Environment) -> bool:
    """Whether the name is taken and IF NOT EXISTS says to leave it so. Raises DuplicateTable."""
    if name.parts[-1] not in names_in(env, schema):
        return False
    if if_not_exists:
        return True
    raise DuplicateTable(f'relation "{name.parts[-1]}" already exists').at(name.position, env.text)


def check_column_name(name: str, env: Environment, position: int) -> None:
    check_name(name, env, position)
    if name in _RESERVED:
        raise DuplicateColumn(f'column name "{name}" conflicts with a system column name').at(position, env.text)


def hidden_key(column_id: int) -> Column:
    """The hidden row id of a table without a primary key that clusters it."""
    return Column(column_id, ROW_ID, BIGINT, 1, nullable=False, hidden=True)


def on_commit(statement: ast.CreateTable | ast.CreateTableAs, schema: str, env: Environment) -> dict[str, str]:
    """The table's options: what becomes of a temporary one at the end of a transaction. Raises InvalidTableDefinition for any other."""
    if statement.on_commit is None:
        return {}
    if schema != TEMPORARY_SCHEMA:
        raise InvalidTableDefinition("ON COMMIT can only be used on temporary tables").at(statement.position, env.text)
    return {"on_commit": statement.on_commit} if statement.on_commit != "preserve rows" else {}


def create_table(statement: ast.CreateTable, env: Environment) -> list[Event]:
    """The events of CREATE TABLE; none where it exists and IF NOT EXISTS says so."""
    schema, name = creation_schema(env, statement.name, statement.temporary), statement.name.parts[-1]
    options: Mapping[str, Any] = on_commit(statement, schema, env)
    if statement.options:
        from eventdb.sql.definition.options import table_options

        options = table_options(options, statement.options, env, statement.position, statement.temporary)
    if exists_already(statement.name, schema, statement.if_not_exists, env):
        return []
    ids = env.catalog.new_ids(schema)
    table_id, storage = next(ids), next(ids)
    defined: list[DefinedColumn] = []
    clustering = _clustering(statement)
    first = 1 if clustering is not None else 2
    for number, definition in enumerate(statement.columns):
        check_column_name(definition.name, env, definition.position)
        if any(d.column.name == definition.name for d in defined):
            raise DuplicateColumn(f'column "{definition.name}" specified more than once').at(definition.position, env.text)
        defined.append(define_column(definition, table_id, name, schema, first + number, first + number, next(ids), env))
    columns = tuple(d.column for d in defined)
    if clustering is None:
        columns = (hidden_key(1), *columns)
    width = len(columns) + 1
    table = Table(
        table_id, schema, name, storage, columns, (1,), width=width, base_width=width, next_column_id=width, options=options
    )  # fmt: skip
    for item in defined:
        if item.generated is not None:
            check_generated(table, item.column, item.generated, env)
    nodes = [_on_column(c, d.column.name) for d in defined for c in d.constraints] + list(statement.constraints)
    table, indexes = _add_constraints(table, nodes, clustering, ids, env)
    events: list[Event] = [SequenceCreated(d.sequence) for d in defined if d.sequence is not None]
    return [*events, TableCreated(table), *(IndexCreated(index) for index in indexes)]


def _on_column(node: ast.TableConstraint, column: str) -> ast.TableConstraint:
    """A column's constraint as a constraint of the table."""
    if isinstance(node, ast.CheckConstraint) or node.columns:
        return node
    return replace(node, columns=(column,))


def _clustering(statement: ast.CreateTable) -> ast.UniqueConstraint | None:
    """The primary key by which rows are kept: one that isn't deferrable (which may be violated for a while)."""
    nodes = [c for d in statement.columns for c in d.constraints] + list(statement.constraints)
    primary = [n for n in nodes if isinstance(n, ast.UniqueConstraint) and n.primary]
    return primary[0] if primary and not primary[0].deferrable else None


def _add_constraints(
    table: Table, nodes: list[ast.TableConstraint], clustering: ast.UniqueConstraint | None, ids: Iterator[int], env: Environment
) -> tuple[Table, list[Index]]:
    indexes: list[Index] = []
    # Keys first: a foreign key may refer to its own table.
    for node in nodes:
        if isinstance(node, ast.UniqueConstraint):
            is_clustering = node.primary and clustering is not None and table.primary_key is None
            table, index = add_unique(node, table, env, None if is_clustering else next(ids))
            if index is not None:
                indexes.append(index)
            else:
                table = replace(table, key=table.constraints[-1].columns)  # type: ignore[union-attr]
    for node in nodes:
        if isinstance(node, ast.CheckConstraint):
            table = add_check(node, table, env)
        elif isinstance(node, ast.ForeignKeyConstraint):
            table = add_foreign_key(node, table, env)
    return table, indexes


def create_table_as(statement: ast.CreateTableAs, result: tuple[ResultColumn, ...], env: Environment) -> list[Event]:
    """The events for a table with the columns of a query."""
    schema, name = creation_schema(env, statement.name, statement.temporary), statement.name.parts[-1]
    options = on_commit(statement, schema, env)
    if exists_already(statement.name, schema, statement.if_not_exists, env):
        return []
    if len(statement.columns) > len(result):
        raise SQLSyntaxError("too many column names were specified").at(statement.position, env.text)
    names = [*statement.columns, *(c.name for c in result[len(statement.columns) :])]
    columns = [hidden_key(1)]
    for number, (column_name, column) in enumerate(zip(names, result, strict=True), 2):
        check_column_name(column_name, env, statement.position)
        if any(c.name == column_name for c in columns):
            raise DuplicateColumn(f'column "{column_name}" specified more than once').at(statement.position, env.text)
        columns.append(Column(number, column_name, stored_type(column.datatype), number))
    width = len(columns) + 1
    ids = env.catalog.new_ids(schema)
    table = Table(
        next(ids), schema, name, next(ids), tuple(columns), (1,), width=width, base_width=width, next_column_id=width, options=options
    )  # fmt: skip
    return [TableCreated(table)]


def stored_type(datatype: DataType) -> DataType:
    """The type of a column for a query's column: TEXT for one of no type."""
    return TEXT if datatype.kind is Kind.NULL else datatype
