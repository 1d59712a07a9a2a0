"""A condition as the list of what must be TRUE for it to be TRUE, in the forms that keys, indexes and look-ups are found by.

Written conditions have many forms of one meaning: NOT over a comparison, an equality of rows, OR where IN would do. What is TRUE stays so;
what is FALSE and what is NULL may change places, which a condition (WHERE, ON) does not tell apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from eventdb.model.datatype import BOOLEAN
from eventdb.model.record import replace
from eventdb.sql.expressions.bound import Comparison, Constant, Expr, InList, IsNull, IsTruth, Logical, Parameter, RowComparison

_NEGATED: dict[str, Any] = {"=": "<>", "<>": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def conjuncts(expr: Expr) -> tuple[Expr, ...]:
    """The parts of a condition that must all be TRUE."""
    if isinstance(expr, Logical):
        if expr.operator == "and":
            return tuple(part for operand in expr.operands for part in conjuncts(operand))
        if expr.operator == "or":
            return (_listed(expr) or expr,)
        return _negated(expr)
    if isinstance(expr, RowComparison) and expr.operator == "=":
        pairs = zip(expr.left, expr.right, strict=True)
        return tuple(Comparison(BOOLEAN, "=", a, b, nullable=a.nullable or b.nullable, position=expr.position) for a, b in pairs)
    return (expr,)


def _negated(expr: Logical) -> tuple[Expr, ...]:
    """NOT over a comparison or IS NULL as the opposite one, over OR as an AND, over NOT as what stands there."""
    (inner,) = expr.operands
    if isinstance(inner, Comparison) and inner.operator in _NEGATED:
        return (replace(inner, operator=_NEGATED[inner.operator]),)
    if isinstance(inner, IsNull | IsTruth):
        return (replace(inner, negated=not inner.negated),)
    if isinstance(inner, Logical) and inner.operator == "not":
        return conjuncts(inner.operands[0])
    if isinstance(inner, Logical) and inner.operator == "or":
        return tuple(part for operand in inner.operands for part in conjuncts(replace(expr, operands=(operand,))))
    return (expr,)


def _listed(expr: Logical) -> InList | None:
    """`x = 1 OR x = 2 OR x IN (3, 4)` as `x IN (1, 2, 3, 4)`. Not of floats: IN finds by Python's equality, which NaN has not."""
    operand: Expr | None = None
    items: list[Expr] = []
    for part in _alternatives(expr):
        if isinstance(part, InList):
            one, more = part.operand, part.items
        elif isinstance(part, Comparison) and part.operator == "=":
            one, other = (part.right, part.left) if isinstance(part.left, Constant | Parameter) else (part.left, part.right)
            more = (other,)
        else:
            return None
        if isinstance(one, Constant | Parameter) or one.datatype.is_float:
            return None
        if not all(isinstance(item, Constant | Parameter) for item in more):
            return None
        if operand is not None and one != operand:
            return None
        operand = one
        items += more
    return None if operand is None else InList(BOOLEAN, operand, tuple(items), nullable=expr.nullable, position=expr.position)


def _alternatives(expr: Expr) -> Iterator[Expr]:
    """The operands of nested ORs."""
    if isinstance(expr, Logical) and expr.operator == "or":
        for operand in expr.operands:
            yield from _alternatives(operand)
    else:
        yield expr
