"""Rules for aggregates: correlated ones in subqueries become a join with all groups, min and max are read at the ends of an index."""

from __future__ import annotations

from collections.abc import Callable

from eventdb.model.datatype import BIGINT, BOOLEAN
from eventdb.model.record import replace
from eventdb.sql.expressions.bound import Aggregate as AggregateCall
from eventdb.sql.expressions.bound import Coalesce, Column, Comparison, Constant, Expr, IsNull, OrderKey, SubqueryExpression
from eventdb.sql.planner.access import best_access, ordered_access, sort_key
from eventdb.sql.planner.costs import Costs
from eventdb.sql.planner.lookups import in_order
from eventdb.sql.planner.nodes import (
    Aggregate,
    BoundQuery,
    Filter,
    IndexLookup,
    Join,
    KeyLookup,
    Limit,
    Node,
    Project,
    Scan,
    Single,
    Sort,
    SystemScan,
)
from eventdb.sql.planner.ordering import lookup_cost
from eventdb.sql.planner.walk import bottom_up, columns, free, has_subquery, is_volatile, made, relations, substitute, transform, visible

_PLAIN = ("count", "sum", "avg", "min", "max", "bool_and", "bool_or", "every")
_GROUPING = 1.5

Fresh = Callable[[], int]


def equal_sides(condition: Expr, outer: frozenset[int], inner: frozenset[int]) -> tuple[Expr, Expr] | None:
    """The sides of an equality, outer first, where each belongs to one side only."""
    if not isinstance(condition, Comparison) or condition.operator != "=":
        return None
    a, b = relations((condition.left,)), relations((condition.right,))
    if a and b and a <= outer and b <= inner:
        return condition.left, condition.right
    if a and b and b <= outer and a <= inner:
        return condition.right, condition.left
    return None


# ---- correlated aggregates


def join_aggregates(query: BoundQuery, costs: Costs, fresh: Fresh) -> BoundQuery:
    """A correlated scalar aggregate is computed for all groups at once and joined, where many outer rows would each ask for theirs."""

    def change(node: Node) -> Node:
        if isinstance(node, Filter):
            plan, conditions = _joined(node.input, node.conditions, costs, fresh)
            return node if plan is node.input else replace(node, input=plan, conditions=conditions)
        if isinstance(node, Project):
            plan, expressions = _joined(node.input, node.expressions, costs, fresh)
            return node if plan is node.input else replace(node, input=plan, expressions=expressions)
        return node

    plan, outputs = _joined(bottom_up(query.plan, change), query.outputs, costs, fresh)
    return query if plan is query.plan and outputs is query.outputs else replace(query, plan=plan, outputs=outputs)


def _joined(plan: Node, exprs: tuple[Expr, ...], costs: Costs, fresh: Fresh) -> tuple[Node, tuple[Expr, ...]]:
    """The expressions with aggregates in place of subqueries, and the plan joined with those."""
    if not any(has_subquery(expr) for expr in exprs):
        return plan, exprs
    others = tuple(expr for expr in exprs if expr.datatype == BOOLEAN and not has_subquery(expr))
    rows = costs.rows(Filter(plan, others)) if others else costs.rows(plan)

    def change(part: object) -> object:
        nonlocal plan
        if not isinstance(part, SubqueryExpression):
            return None
        found = _group(part, plan, rows, costs, fresh) if part.kind == "scalar" else None
        if found is None:
            # Not entered: what stands inside belongs to the subquery's own plan.
            return replace(part, operands=tuple(transform(o, change) for o in part.operands)) if part.operands else part
        plan, value = found
        return value

    made_of = tuple(transform(expr, change) for expr in exprs)
    return plan, made_of


def _group(part: SubqueryExpression, plan: Node, rows: float, costs: Costs, fresh: Fresh) -> tuple[Node, Expr] | None:
    """The plan joined with the groups of a subquery's aggregate, and the subquery's value in terms of them."""
    body: BoundQuery = part.query
    stage = body.plan
    if not isinstance(stage, Aggregate) or stage.grouped or stage.groups or not isinstance(stage.input, Filter):
        return None
    if not all(_is_harmless(call) for call in stage.aggregates) or is_volatile((stage, body.outputs)) or has_subquery(body.outputs[0]):
        return None
    outer, shown, inside = visible(plan), visible(stage.input.input), made(body)
    local = tuple(c for c in stage.input.conditions if relations((c,)) <= inside)
    ties = [c for c in stage.input.conditions if not relations((c,)) <= inside]
    pairs = [equal_sides(c, outer, shown) for c in ties]
    source = Filter(stage.input.input, local) if local else stage.input.input
    if not pairs or any(p is None for p in pairs) or free(source) or any(has_subquery(c) for c in ties):
        return None
    if not relations(body.outputs) <= outer | {stage.relation} or not _pays(rows, source, stage.input, costs):
        return None
    relation = fresh()
    sides = [p for p in pairs if p is not None]
    groups = tuple(b for _, b in sides)
    conditions = tuple(
        Comparison(BOOLEAN, "=", a, Column(b.datatype, relation, i, nullable=b.nullable)) for i, (a, b) in enumerate(sides)
    )
    joined = Join("left", plan, Aggregate(source, relation, groups, stage.aggregates), conditions)
    mapping = {(stage.relation, i): _seen(call, relation, len(groups) + i) for i, call in enumerate(stage.aggregates)}
    return joined, substitute(body.outputs[0], mapping)


def _is_harmless(call: AggregateCall) -> bool:
    """Whether an aggregate may be computed for groups that nobody asks for: it cannot fail, and is NULL, or 0, without rows."""
    plain = all(isinstance(a, Column | Constant) for a in call.arguments)
    return plain and call.function.name in _PLAIN and call.filter is None and not call.order_by


def _seen(call: AggregateCall, relation: int, ordinal: int) -> Expr:
    """An aggregate's value beyond the outer join: NULL where there is no group, but 0 for a count."""
    column = Column(call.datatype, relation, ordinal)
    if call.function.name != "count":
        return column
    return Coalesce(call.datatype, (column, Constant(call.datatype, 0, nullable=False)), nullable=False)


def _pays(rows: float, source: Node, tied: Filter, costs: Costs) -> bool:
    """Whether grouping all rows costs less than a look-up for each outer row."""
    all_groups = costs.rows(source) * _GROUPING + rows
    if not isinstance(tied.input, Scan):
        return True
    leaf = best_access(tied.input, tied.conditions, costs)
    while isinstance(leaf, Filter):
        leaf = leaf.input
    return not isinstance(leaf, KeyLookup | IndexLookup) or lookup_cost(rows, leaf, costs) > all_groups


# ---- min and max


def read_ends(query: BoundQuery, costs: Costs, fresh: Fresh) -> BoundQuery:
    """min and max over a whole table, of a column in whose order it can be read, are each the first row in that order."""

    def change(node: Node) -> Node:
        if not isinstance(node, Aggregate) or node.grouped or node.groups or not node.aggregates:
            return node
        scan = node.input.input if isinstance(node.input, Filter) else node.input
        conditions = node.input.conditions if isinstance(node.input, Filter) else ()
        if not isinstance(scan, SystemScan) and (not isinstance(scan, Scan) or scan.versions):
            return node
        ends = [_end(call, scan, conditions, costs, fresh) for call in node.aggregates]
        found = tuple(end for end in ends if end is not None)
        return Project(Single(), node.relation, found) if len(found) == len(ends) else node

    plan = bottom_up(query.plan, change)
    return query if plan is query.plan else replace(query, plan=plan)


def _end(call: AggregateCall, scan: Scan | SystemScan, conditions: tuple[Expr, ...], costs: Costs, fresh: Fresh) -> Expr | None:
    """min or max as a subquery for the first row, if the order is at hand and its conditions, in a stored table, concern that column only:
    others might be met by none of many rows, which the order makes dear to read."""
    if call.function.name not in ("min", "max") or call.filter is not None or not isinstance(call.arguments[0], Column):
        return None
    column = call.arguments[0]
    if column.relation != scan.relation or is_volatile(conditions) or any(has_subquery(c) for c in conditions):
        return None
    stored = isinstance(scan, Scan)
    if stored and any((c.relation, c.ordinal) != (column.relation, column.ordinal) for c in columns(conditions)):
        return None
    relation = fresh()
    own = replace(column, relation=relation)
    table = replace(scan, relation=relation)
    named: dict[tuple[int, int], Expr] = {
        (c.relation, c.ordinal): replace(c, relation=relation) for c in columns(conditions) if c.relation == scan.relation
    }
    tests = substitute(conditions, named) if conditions else ()
    if column.nullable and stored:
        tests = (*tests, IsNull(BOOLEAN, own, True, nullable=False))
    last = call.function.name == "max"
    order = OrderKey(own, last, last)
    if isinstance(table, SystemScan):
        if in_order(table, (order,)) is None:
            return None
    else:
        key = sort_key(order, relation)
        if key is None or ordered_access(table, [key], costs, True, tests) is None:
            return None
    rows: Node = Filter(table, tests) if tests else table
    plan = Limit(Sort(rows, (order,)), Constant(BIGINT, 1, nullable=False))
    return SubqueryExpression(call.datatype, "scalar", BoundQuery(plan, (own,), (call.function.name,)))
