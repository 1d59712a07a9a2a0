"""Walking and rewriting bound expressions and plans, by the fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, TypeVar

from eventdb.model.record import fields, replace
from eventdb.sql.expressions.bound import (
    Aggregate,
    BoundExpression,
    Call,
    Column,
    Comparison,
    Expr,
    FrameBound,
    OrderKey,
    SubqueryExpression,
    WindowCall,
)
from eventdb.sql.planner.nodes import (
    Access,
    AntiJoin,
    BoundQuery,
    Bounds,
    Common,
    CommonTables,
    Join,
    LookupJoin,
    Node,
    Project,
    SemiJoin,
    Window,
)

T = TypeVar("T")
_ITEMS = (Node, BoundExpression)
_PARTS = (BoundExpression, OrderKey, FrameBound, Node, Bounds, BoundQuery, Common)


@cache
def _fields_of(kind: Any) -> tuple[str, ...]:
    """The fields that may hold expressions or plans."""
    skip = {
        "datatype", "nullable", "position", "table", "index", "alias", "relation", "function", "render", "globals", "name", "names",
        "details", "value",
    }  # fmt: skip
    return tuple(f.name for f in fields(kind) if f.name not in skip)


def _fields(item: Any) -> tuple[str, ...]:
    kind: Any = type(item)
    return _fields_of(kind)


def _walk(item: Any) -> Iterator[Any]:
    """The expressions and nodes directly inside `item`."""
    if isinstance(item, tuple):
        for part in item:
            yield from _walk(part)
    elif isinstance(item, _ITEMS):
        yield item
    elif isinstance(item, _PARTS):
        for name in _fields(item):
            yield from _walk(getattr(item, name))


def children(item: Any) -> Iterator[Any]:
    """The expressions and plan nodes directly below an expression, node or query."""
    for name in _fields(item):
        yield from _walk(getattr(item, name))


def everything(item: Any) -> Iterator[Any]:
    """`item` and all expressions and nodes below it, subqueries included."""
    stack = [item]
    while stack:
        top = stack.pop()
        yield top
        for name in _fields(top):
            _push(getattr(top, name), stack)


def _push(item: Any, stack: list[Any]) -> None:
    """Put the expressions and nodes directly inside `item` on a stack."""
    if type(item) is tuple:
        for part in item:
            _push(part, stack)
    elif isinstance(item, _ITEMS):
        stack.append(item)
    elif isinstance(item, _PARTS):
        for name in _fields(item):
            _push(getattr(item, name), stack)


def inputs(node: Node) -> list[Node]:
    """The plan nodes directly below a node (not those of subqueries in its expressions)."""
    return [child for child in children(node) if isinstance(child, Node)]


def nodes(plan: Node) -> Iterator[Node]:
    """A plan's nodes from the top, without those of subqueries in expressions."""
    stack = [plan]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(inputs(node)))


def made(plan: Node | BoundQuery) -> set[int]:
    """The relations that occur inside a plan, subqueries included."""
    found = set()
    for item in everything(plan):
        relation = getattr(item, "relation", None)
        if relation is not None and isinstance(item, Node):
            found.add(relation)
    return found


def visible(plan: Node) -> frozenset[int]:
    """The relations that a plan hands to the node above it."""
    relation = getattr(plan, "relation", None)
    if isinstance(plan, Project | Window):
        return visible(plan.input) | {plan.relation}
    if relation is not None:
        return frozenset((relation,))
    if isinstance(plan, SemiJoin | AntiJoin) or (isinstance(plan, LookupJoin) and plan.kind in ("semi", "anti")):
        return visible(plan.left)
    if isinstance(plan, CommonTables):
        return visible(plan.input)
    return frozenset().union(*(visible(child) for child in inputs(plan)))


def columns(item: Any) -> Iterator[Column]:
    """All columns that an expression, plan or tuple of them names."""
    for top in _walk(item):
        for part in everything(top):
            if isinstance(part, Column):
                yield part


def relations(item: Any) -> set[int]:
    return {column.relation for column in columns(item)}


def free(plan: Node | BoundQuery) -> dict[Column, None]:
    """The columns that a plan takes from outside, in order of appearance; one entry for each (relation, ordinal)."""
    inside = made(plan)
    found: dict[tuple[int, int], Column] = {}
    for part in everything(plan):
        if isinstance(part, Column) and part.relation not in inside:
            found.setdefault((part.relation, part.ordinal), part)
    return dict.fromkeys(found.values())


def is_volatile(item: Any) -> bool:
    return any(isinstance(part, Call) and part.volatile for top in _walk(item) for part in everything(top))


def has_subquery(expr: Expr) -> bool:
    return any(isinstance(part, SubqueryExpression) for part in everything(expr))


def has_aggregate(expr: Expr) -> bool:
    """Whether an expression holds an aggregate of its own query."""
    if isinstance(expr, Aggregate):
        return True
    if isinstance(expr, SubqueryExpression):
        return any(has_aggregate(operand) for operand in expr.operands)
    if isinstance(expr, WindowCall):
        return any(has_aggregate(child) for child in children(expr) if child is not expr.aggregate)
    return any(has_aggregate(child) for child in children(expr) if not isinstance(child, Node))


def has_window(expr: Expr) -> bool:
    if isinstance(expr, WindowCall):
        return True
    return any(has_window(child) for child in children(expr) if not isinstance(child, Node))


def rebuild(item: T, change: Callable[[Any], Any]) -> T:
    """`item` with `change` applied to each expression and node directly inside it; the same object where nothing changed."""
    changed = {}
    for name in _fields(item):
        old = getattr(item, name)
        new = _rebuilt(old, change)
        if new is not old:
            changed[name] = new
    return replace(item, **changed) if changed else item


def _rebuilt(item: Any, change: Callable[[Any], Any]) -> Any:
    if type(item) is tuple:
        parts = [_rebuilt(part, change) for part in item]
        for new, old in zip(parts, item, strict=True):
            if new is not old:
                return tuple(parts)
        return item
    if isinstance(item, _ITEMS):
        return change(item)
    if isinstance(item, _PARTS):
        return rebuild(item, change)
    return item


def transform(item: Any, change: Callable[[Any], Any]) -> Any:
    """Rewrite from the top: `change` gives a replacement (not walked further) or None to go on inside. Subqueries are entered."""
    if isinstance(item, tuple):
        parts = tuple(transform(part, change) for part in item)
        return parts if any(a is not b for a, b in zip(parts, item, strict=True)) else item

    def step(part: Any) -> Any:
        replacement = change(part)
        return rebuild(part, step) if replacement is None else replacement

    if isinstance(item, _ITEMS):
        return step(item)
    return rebuild(item, step)


def bottom_up(node: Node, change: Callable[[Node], Node]) -> Node:
    """Apply `change` to every node of a plan, inputs first; subqueries in expressions are left alone."""

    def step(part: Any) -> Any:
        return bottom_up(part, change) if isinstance(part, Node) else part

    return change(rebuild(node, step))


def substitute(item: T, mapping: dict[tuple[int, int], Expr]) -> T:
    """`item` with columns (relation, ordinal) replaced, in subqueries too."""
    if not mapping:
        return item

    def change(part: Any) -> Any:
        if isinstance(part, Column):
            return mapping.get((part.relation, part.ordinal), part)
        return None

    return transform(item, change)  # type: ignore[no-any-return]


def stored(plan: Node) -> Iterator[Access]:
    for node in nodes(plan):
        if isinstance(node, Access):
            yield node


def key_pairs(join: Join) -> tuple[list[tuple[Expr, Expr]], list[Expr]]:
    """(pairs of equal keys (left, right), the other conditions) of a join."""
    left, right = visible(join.left), visible(join.right)
    pairs, others = [], []
    for condition in join.conditions:
        if isinstance(condition, Comparison) and condition.operator == "=":
            a, b = relations((condition.left,)), relations((condition.right,))
            if a and b and not b & left and not a & right and b & right and a & left:
                pairs.append((condition.left, condition.right))
                continue
            if a and b and not a & left and not b & right and a & right and b & left:
                pairs.append((condition.right, condition.left))
                continue
        others.append(condition)
    return pairs, others


def keys_of(pairs: list[tuple[Expr, Expr]]) -> tuple[tuple[Expr, ...], tuple[Expr, ...]]:
    return tuple(a for a, _ in pairs), tuple(b for _, b in pairs)
