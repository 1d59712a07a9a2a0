"""SET clauses, of UPDATE, ON CONFLICT DO UPDATE and MERGE: which column gets which expression."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from eventdb.errors import DuplicateColumn, SQLSyntaxError
from eventdb.model.record import replace
from eventdb.model.schema import Column, Identity, Table
from eventdb.sql.definition.names import find_column
from eventdb.sql.environment import Environment
from eventdb.sql.modification.violations import GeneratedAlways
from eventdb.sql.parser import ast, parse_expression
from eventdb.sql.parser.depth import children

Assigned = tuple[Column, ast.Expression]


def resolve(assignments: Iterable[ast.Assignment], table: Table, env: Environment) -> list[Assigned]:
    """Each assigned column with its own expression; DEFAULT stays as it is.

    Raises UndefinedColumn, DuplicateColumn, GeneratedAlways, SQLSyntaxError (numbers of columns and values differ).
    """
    found: list[Assigned] = []
    for assignment in assignments:
        for name, expression in zip(assignment.columns, _values(assignment, env), strict=True):
            column = find_column(env, table, name, assignment.position)
            _check_assignable(column, expression, assignment, env)
            if any(column.id == other.id for other, _ in found):
                raise DuplicateColumn(f'multiple assignments to same column "{name}"').at(assignment.position, env.text)
            found.append((column, expression))
    return found


def _values(assignment: ast.Assignment, env: Environment) -> Sequence[ast.Expression]:
    count, value = len(assignment.columns), assignment.value
    if count == 1 and not (isinstance(value, ast.RowValue) and len(value.items) == 1):
        return (value,)
    if isinstance(value, ast.RowValue):
        if len(value.items) != count:
            raise SQLSyntaxError("number of columns does not match number of values").at(assignment.position, env.text)
        return value.items
    if isinstance(value, ast.Subquery):
        return [_one_of(value, place, count) for place in range(count)]
    raise SQLSyntaxError("source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression").at(value.position, env.text)


def _one_of(subquery: ast.Subquery, place: int, count: int) -> ast.Expression:
    """A scalar subquery for one column of a subquery that gives `count` columns."""
    names = tuple(f"c{i}" for i in range(count))
    inner = ast.DerivedTable(subquery.query, ast.Alias("_row", names), position=subquery.position)
    item = ast.SelectItem(ast.Name(("_row", names[place]), position=subquery.position))
    select = ast.Select((item,), (inner,), position=subquery.position)
    return replace(subquery, query=ast.Query(select, position=subquery.query.position))


def _check_assignable(column: Column, expression: ast.Expression, assignment: ast.Assignment, env: Environment) -> None:
    if isinstance(expression, ast.Default):
        return
    if column.generated is not None or column.identity is Identity.ALWAYS:
        what = "a generated column" if column.generated is not None else "an identity column defined as GENERATED ALWAYS"
        raise GeneratedAlways(
            f'column "{column.name}" can only be updated to DEFAULT', detail=f'Column "{column.name}" is {what}.', column=column.name
        ).at(assignment.position, env.text)


def assigned_parameters(statement: ast.Node) -> Iterator[int | str]:
    """The keys of parameters that SET clauses give to columns as they are, by themselves or as a result of CASE."""
    found: list[ast.Assignment] = []
    if isinstance(statement, ast.Explain):
        statement = statement.statement
    if isinstance(statement, ast.Update):
        found += statement.assignments
    elif isinstance(statement, ast.Insert) and statement.on_conflict is not None:
        found += statement.on_conflict.assignments
    pending: list[ast.Node | None] = []
    if isinstance(statement, ast.Merge):
        for when in statement.whens:
            found += when.assignments
            pending += when.values
    pending += [a.value for a in found]
    while pending:
        value = pending.pop()
        if isinstance(value, ast.Parameter):
            yield value.key
        elif isinstance(value, ast.RowValue):
            pending += value.items
        elif isinstance(value, ast.Case):
            pending += [*(result for _, result in value.whens), value.otherwise]


def uncast_parameters(statement: ast.Node) -> set[int | str]:
    """The keys of the parameters that stand anywhere else than directly under a CAST."""
    found: set[int | str] = set()
    pending: list[Any] = [statement]
    while pending:
        item = pending.pop()
        if isinstance(item, ast.Parameter):
            found.add(item.key)
        elif isinstance(item, ast.Cast) and isinstance(item.operand, ast.Parameter):
            continue
        elif isinstance(item, ast.Node):
            pending += children(item)
        elif isinstance(item, tuple):
            pending += item
    return found


def default_of(column: Column) -> ast.Expression:
    """The expression that DEFAULT stands for in a SET clause, where it is not computed otherwise."""
    if column.default is None:
        return ast.Literal(None)
    return parse_expression(column.default)
