"""Indexes as the planner sees them: what each component is, in terms of the relation that is read, and what a partial index leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from eventdb.model.catalog import Catalog
from eventdb.model.record import Record
from eventdb.model.schema import Index, Table
from eventdb.sql.expressions.bound import Column, Comparison, Expr, InList, IsNull
from eventdb.sql.expressions.conjuncts import conjuncts
from eventdb.sql.parser import ast, parse_expression
from eventdb.sql.planner.walk import substitute

Target = int | Expr
"""What a key component holds: a column by its slot, or an expression over the row."""


class Part(Record):
    """One component of an index."""

    target: Target
    descending: bool = False
    nulls_first: bool = False


@lru_cache(maxsize=256)
def _parsed(text: str) -> ast.Expression:
    return parse_expression(text)


def _over(relation: int, table: Table, text: str) -> Expr:
    """SQL text of an index as an expression over the rows of `relation`."""
    from eventdb.sql.definition.rows import RowScope, bind, environment_for

    expr = bind(_parsed(text), RowScope(environment_for(Catalog(), text), [(table.name, table)], "index expression"))
    columns = {(0, c.slot): Column(c.datatype, relation, c.slot, c.name, nullable=c.nullable) for c in table.columns}
    return substitute(expr, dict(columns))


def parts(index: Index, table: Table, relation: int) -> list[Part]:
    """The components of an index, then those of the key that ends every entry."""
    found: list[Part] = []
    for column in index.columns:
        if column.column_id is not None:
            target: Target = table.by_id[column.column_id].slot
        elif column.expression is not None:
            target = _over(relation, table, column.expression)
        found.append(Part(target, column.descending, column.nulls_first))
    return found


def serves(index: Index, table: Table, relation: int, conditions: Sequence[Expr]) -> tuple[Expr, ...] | None:
    """The conditions that reading a partial index makes true by itself; None where it may leave out rows that meet all conditions.

    Each conjunct of the index's WHERE must stand among the conditions, or be an IS NOT NULL that one of them implies.
    """
    if index.where is None:
        return ()
    met: list[Expr] = []
    for needed in conjuncts(_over(relation, table, index.where)):
        same = next((c for c in conditions if c == needed), None)
        if same is not None:
            met.append(same)
        elif not (isinstance(needed, IsNull) and needed.negated and any(_needs_value(c, needed.operand) for c in conditions)):
            return None
    return tuple(met)


def _needs_value(condition: Expr, expr: Expr) -> bool:
    """Whether a condition cannot be TRUE where `expr` is NULL."""
    if isinstance(condition, Comparison):
        return not condition.operator.startswith("is") and expr in (condition.left, condition.right)
    return isinstance(condition, InList) and condition.operand == expr
