"""Indexes: CREATE INDEX, and the functions that compute the keys of expression and partial indexes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from eventdb.errors import (
    DuplicateTable,
    InvalidObjectDefinition,
    NotSupportedError,
    UndefinedFunction,
)
from eventdb.model.catalog import Catalog
from eventdb.model.datatype import BOOLEAN, Kind
from eventdb.model.event import Event, IndexCreated
from eventdb.model.keys import component
from eventdb.model.schema import Column, Index, IndexColumn, Table
from eventdb.sql.definition.names import check_name, find_column, find_table, names_in, unused
from eventdb.sql.definition.rows import Code, RowScope, bind, column_slots, environment_for, is_volatile, tuple_source, uses_execution
from eventdb.sql.environment import Environment
from eventdb.sql.expressions import bound
from eventdb.sql.parser import ast, parse_expression

Components = tuple[Any, ...]


def create_index(statement: ast.CreateIndex, env: Environment) -> list[Event]:
    """The events of CREATE INDEX; none where it exists and IF NOT EXISTS says so. Whether rows are unique is the caller's to check."""
    table = find_table(env, statement.table, "create index on")
    if statement.method != "btree":
        raise NotSupportedError(
            f'access method "{statement.method}" is not supported', hint="The only access method is btree; it serves equality too."
        ).at(statement.method_position, env.text)
    taken = names_in(env, table.schema)
    name = statement.name or unused(_default_name(table, statement), taken)
    check_name(name, env, statement.position)
    if name in taken:
        if statement.if_not_exists:
            return []
        raise DuplicateTable(f'relation "{name}" already exists').at(statement.position, env.text)
    where = None
    if statement.where is not None:
        bound_where = bind(statement.where, RowScope(env, [(table.name, table)], "index predicate"), BOOLEAN)
        check_immutable(bound_where, env, "index predicate")
        where = statement.where_text
    index = Index(
        env.catalog.new_id(table.schema), table.schema, name, table.id, tuple(_component(e, table, env) for e in statement.elements),
        statement.unique, statement.nulls_distinct, where,
        tuple(find_column(env, table, c, statement.position).id for c in statement.include), method="btree",
    )  # fmt: skip
    return [IndexCreated(index)]


def constraint_index(catalog_id: int, table: Table, name: str, columns: tuple[int, ...], nulls_distinct: bool = True) -> Index:
    """The index that keeps a UNIQUE or PRIMARY KEY constraint."""
    return Index(
        catalog_id, table.schema, name, table.id, tuple(IndexColumn(c) for c in columns), True, nulls_distinct, constraint=True
    )  # fmt: skip


def _default_name(table: Table, statement: ast.CreateIndex) -> str:
    parts = [e.expression.parts[-1] if isinstance(e.expression, ast.Name) else "expr" for e in statement.elements]
    return "_".join([table.name, *parts, "idx"])


def _component(element: ast.IndexElement, table: Table, env: Environment) -> IndexColumn:
    if element.collation:
        raise NotSupportedError("COLLATE in an index is not supported").at(element.position, env.text)
    first = element.nulls_first if element.nulls_first is not None else element.descending
    expression = element.expression
    if isinstance(expression, ast.Name) and len(expression.parts) == 1:
        column = find_column(env, table, expression.parts[0], element.position)
        _check_comparable(column, env, element.position)
        return IndexColumn(column.id, None, element.descending, first)
    expr = bind(expression, RowScope(env, [(table.name, table)], "index expression"))
    check_immutable(expr, env, "index expression")
    return IndexColumn(None, element.text, element.descending, first)


def _check_comparable(column: Column, env: Environment, position: int) -> None:
    if column.datatype.kind is Kind.JSON:
        raise UndefinedFunction(
            'data type json has no default operator class for access method "btree"', hint="Index an expression over it."
        ).at(position, env.text)


def check_immutable(expr: bound.Expr, env: Environment, place: str) -> None:
    """Raise InvalidObjectDefinition where `expr` depends on anything but its row."""
    if is_volatile(expr) or uses_execution(expr):
        raise InvalidObjectDefinition(f"functions in {place} must be marked IMMUTABLE").at(expr.position, env.text)


def _bound_parts(table: Table, index: Index) -> tuple[list[bound.Expr], bound.Expr | None]:
    catalog = Catalog()

    def over_row(text: str) -> bound.Expr:
        scope = RowScope(environment_for(catalog, text), [(table.name, table)], "index expression")
        return bind(parse_expression(text), scope)

    parts: list[bound.Expr] = []
    for part in index.columns:
        if part.column_id is None:
            assert part.expression is not None
            parts.append(over_row(part.expression))
        else:
            column = table.by_id[part.column_id]
            parts.append(bound.Column(column.datatype, 0, column.slot, column.name, nullable=column.nullable))
    return parts, over_row(index.where) if index.where is not None else None


def index_keys(table: Table, index: Index, unique: bool = False) -> Callable[[tuple[Any, ...]], Components | None]:
    """The function from a stored row to its key components in `index`; None for a row that a partial index leaves out.

    With `unique`, also None for a row that cannot collide because NULLs are distinct. Errors of the expression (division by zero …) come
    out.
    """
    parts, where = _bound_parts(table, index)
    code = Code()
    code.names["component"] = component
    sources = []
    if where is not None:
        code.add(f"if not {code.condition(where)}: return None")
    for number, (part, expr) in enumerate(zip(index.columns, parts, strict=True)):
        code.add(f"v{number} = {code.value(expr)}")
        sources.append(f"component(v{number}, {part.descending}, {part.nulls_first})")
    if unique and index.nulls_distinct:
        code.add(f"if {' or '.join(f'v{n} is None' for n in range(len(parts)))}: return None")
    code.add(f"return {tuple_source(sources)}")
    return code.compile("index_key", "r0, cx=None, p=()")


def index_slots(table: Table, index: Index) -> frozenset[int]:
    """The slots that an entry of the index depends on."""
    if index.where is None and all(c.column_id is not None for c in index.columns):
        return frozenset(table.by_id[c.column_id].slot for c in index.columns if c.column_id is not None)
    parts, where = _bound_parts(table, index)
    return frozenset(slot for expr in [*parts, *([where] if where is not None else [])] for slot in column_slots(expr))


def index_key_text(table: Table, index: Index) -> str:
    """The key's components as they stand in "Key (…)=(…)"."""
    return ", ".join(table.by_id[c.column_id].name if c.column_id is not None else str(c.expression) for c in index.columns)
