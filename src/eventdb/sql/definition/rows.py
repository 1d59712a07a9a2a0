"""Expressions over the rows of given tables, bound and compiled without a plan: CHECK, DEFAULT, generated columns, index expressions, and
the parts of a single-table write that need no other table.

`RowScope` finds the columns; `Code` collects the lines of one generated function. What needs a subquery, an aggregate or a window is
refused with NotSupportedError at its place; a caller that has a planner to turn to does so then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from eventdb.errors import AmbiguousColumn, CannotCoerce, DatatypeMismatch, Error, NotSupportedError, UndefinedColumn
from eventdb.model import record
from eventdb.model.datatype import DataType
from eventdb.model.schema import Column, Table
from eventdb.sql.environment import Environment
from eventdb.sql.expressions import binder, bound, compiler
from eventdb.sql.expressions.sources import SourceEmitter
from eventdb.sql.parser import ast


class SubqueryRefused(NotSupportedError, sqlstate="0A000"):
    """A subquery stands where no plan is made."""


class RowScope:
    """The columns of `sources` (alias, table), relation i being sources[i].

    `trusted`: whether NOT NULL columns are known not to be NULL (stored rows: yes; a row that is being made: no).
    `purpose` completes "cannot use subquery in …".
    """

    allow_aggregates = False
    allow_windows = False

    def __init__(
        self, environment: Environment, sources: Sequence[tuple[str, Table]] = (), purpose: str = "this expression", trusted: bool = True
    ) -> None:
        self.environment = environment
        self.sources = sources
        self.purpose = purpose
        self.clause = purpose
        self.trusted = trusted

    def resolve(self, parts: tuple[str, ...], position: int) -> bound.Expr:
        """The column that the name means. Raises UndefinedColumn, AmbiguousColumn."""
        found = [
            (number, table.by_name[parts[-1]])
            for number, (alias, table) in enumerate(self.sources)
            if parts[-1] in table.by_name and not table.by_name[parts[-1]].hidden and self._qualifies(parts[:-1], alias, table)
        ]
        if not found:
            raise UndefinedColumn(f'column "{".".join(parts)}" does not exist').at(position, self.environment.text)
        if len(found) > 1:
            raise AmbiguousColumn(f'column reference "{parts[-1]}" is ambiguous').at(position, self.environment.text)
        number, column = found[0]
        return bound.Column(
            column.datatype, number, column.slot, column.name, nullable=column.nullable or not self.trusted, position=position
        )

    @staticmethod
    def _qualifies(qualifier: tuple[str, ...], alias: str, table: Table) -> bool:
        return not qualifier or qualifier == (alias,) or (alias == table.name and qualifier == (table.schema, table.name))

    def bind_subquery(self, query: ast.Query) -> tuple[Any, tuple[DataType, ...], tuple[bool, ...]]:
        raise SubqueryRefused(f"cannot use subquery in {self.purpose}").at(query.position, self.environment.text)

    def window(self, name: str) -> ast.Window | None:
        return None


def bind(node: ast.Expression, scope: RowScope, want: DataType | None = None) -> bound.Expr:
    """Bind `node`; with `want`, assignment-cast to that type. Errors carry their place."""
    try:
        expr = binder.bind_expression(node, scope)
        return binder.settle(expr) if want is None else binder.coerce(expr, want, "assignment")
    except Error as error:
        raise error.at(node.position, scope.environment.text) from None


def bind_assigned(node: ast.Expression, scope: RowScope, column: Column) -> bound.Expr:
    """Bind a value for `column`. Raises DatatypeMismatch naming the column where no assignment cast exists."""
    try:
        expr = binder.bind_expression(node, scope)
    except Error as error:
        raise error.at(node.position, scope.environment.text) from None
    return assigned(expr, column, scope.environment, node.position)


def assigned(expr: bound.Expr, column: Column, env: Environment, position: int) -> bound.Expr:
    """`expr` cast to the type of `column` as an assignment does."""
    try:
        return binder.coerce(expr, column.datatype, "assignment")
    except (CannotCoerce, DatatypeMismatch):
        raise DatatypeMismatch(
            f'column "{column.name}" is of type {column.datatype} but expression is of type {expr.datatype}',
            hint="You will need to rewrite or cast the expression.", column=column.name,
        ).at(position, env.text) from None  # fmt: skip
    except Error as error:
        raise error.at(position, env.text) from None


def walk(expr: bound.Expr) -> Iterator[bound.Expr]:
    """`expr` and everything below it."""
    pending: list[Any] = [expr]
    while pending:
        item = pending.pop()
        if isinstance(item, tuple):
            pending.extend(item)
        elif isinstance(item, bound.BoundExpression):
            yield item  # type: ignore[misc]
            pending.extend(getattr(item, f.name) for f in record.fields(item) if f.name not in ("datatype", "nullable", "position"))


def is_volatile(expr: bound.Expr) -> bool:
    return any(isinstance(e, bound.Call) and e.volatile for e in walk(expr))


def uses_execution(expr: bound.Expr) -> bool:
    return any(isinstance(e, bound.Call) and e.uses_execution for e in walk(expr))


def has_columns(expr: bound.Expr, relation: int | None = None) -> bool:
    return any(isinstance(e, bound.Column) and (relation is None or e.relation == relation) for e in walk(expr))


def column_slots(expr: bound.Expr, relation: int = 0) -> set[int]:
    return {e.ordinal for e in walk(expr) if isinstance(e, bound.Column) and e.relation == relation}


class Code(SourceEmitter):
    """The source of one generated function. `places[relation]` makes the source of a column of that relation from its ordinal."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.places: dict[int, Callable[[int], str]] = {}

    def column(self, column: bound.Column) -> str:
        place = self.places.get(column.relation)
        return place(column.ordinal) if place else super().column(column)

    def add(self, line: str, depth: int = 1) -> None:
        self.lines.append("    " * depth + line)

    def value(self, expr: bound.Expr) -> str:
        return compiler.value(expr, self)

    def condition(self, expr: bound.Expr) -> str:
        return compiler.condition(expr, self)

    def negation(self, expr: bound.Expr) -> str:
        return compiler.negation(expr, self)

    def source(self, name: str, arguments: str) -> str:
        return f"def {name}({arguments}):\n" + "\n".join(self.lines) + "\n"

    def compile(self, name: str, arguments: str) -> Callable[..., Any]:
        """The function. Raises StatementTooComplex."""
        scope: dict[str, Any] = dict(self.names)
        exec(compiler.compile_source(self.source(name, arguments), f"<{name}>"), scope)
        function: Callable[..., Any] = scope[name]
        return function


def environment_for(catalog: Any, text: str) -> Environment:
    """An environment for stored SQL text, which has no parameters."""
    return Environment(text=text, catalog=catalog)


def tuple_source(items: Iterable[str]) -> str:
    """Source of a tuple of those items."""
    listed = list(items)
    return f"({listed[0]},)" if len(listed) == 1 else f"({', '.join(listed)})"
