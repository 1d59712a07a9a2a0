"""From a bound query to the plan that is compiled: the rewrite rules in order, then what is left is given a physical form."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from eventdb.model.record import replace
from eventdb.sql.expressions.bound import SubqueryExpression
from eventdb.sql.planner.costs import Costs
from eventdb.sql.planner.lookups import looked_up as looked_up_join
from eventdb.sql.planner.lookups import matching
from eventdb.sql.planner.nodes import (
    AntiJoin,
    BoundQuery,
    Collect,
    HashJoin,
    Join,
    KeyLookup,
    NestedLoop,
    Node,
    SemiJoin,
)
from eventdb.sql.planner.ordering import BUILD, PROBE, index_join, lookup_cost, read_cost
from eventdb.sql.planner.rules import RULES, Context
from eventdb.sql.planner.walk import bottom_up, everything, free, key_pairs, keys_of, rebuild, visible

_DEEPEST = 12


def planned(bound: BoundQuery, context: Context, optimise: bool = True) -> BoundQuery:
    """The query with the rules applied (all of them or, to compare against, none) and every node in a form that can be compiled."""
    if optimise:
        nested = has_subqueries(bound)
        for rule in RULES:
            before = bound
            bound = everywhere(bound, rule, context) if nested else rule(bound, context)
            nested = nested or (bound is not before and has_subqueries(bound))
    return physical(bound, context.costs, optimise)


def has_subqueries(bound: BoundQuery) -> bool:
    return any(isinstance(part, SubqueryExpression) for part in everything(bound))


def everywhere(bound: BoundQuery, rule: Callable[[BoundQuery, Context], BoundQuery], context: Context) -> BoundQuery:
    """A rule applied to a query and then to every subquery in its expressions."""
    bound = rule(bound, context)

    def inside(item: object) -> object:
        if isinstance(item, BoundQuery):
            return everywhere(item, rule, context)
        return descend(item, inside)

    return descend(bound, inside)  # type: ignore[return-value]


def descend(item: object, change: Callable[[object], object]) -> object:
    """Rebuild `item`, with `change` applied to the bound queries of its subquery expressions; one that stands in two places stays one."""
    made: dict[int, object] = {}

    def step(part: object) -> object:
        if isinstance(part, SubqueryExpression):
            operands = tuple(step(operand) for operand in part.operands)
            query = made[id(part.query)] if id(part.query) in made else made.setdefault(id(part.query), change(part.query))
            return replace(part, operands=operands, query=query)
        return rebuild(part, step)

    return rebuild(item, step)


def physical(bound: BoundQuery, costs: Costs, optimise: bool = True) -> BoundQuery:
    """Joins as hash joins where there are equal keys, else as nested loops; deep pipelines cut."""

    def change(query: BoundQuery) -> BoundQuery:
        return replace(query, plan=bottom_up(bottom_up(query.plan, lambda node: joined(node, costs, optimise)), cut))

    def inside(item: object) -> object:
        return descend(change(item), inside) if isinstance(item, BoundQuery) else item

    changed = change(bound)
    return descend(changed, inside) if has_subqueries(changed) else changed  # type: ignore[return-value]


def joined(node: Node, costs: Costs, optimise: bool) -> Node:
    if optimise and isinstance(node, SemiJoin | AntiJoin):
        return matching(node, costs)
    if not isinstance(node, Join):
        return node
    depends = any(c.relation in visible(node.left) for c in free(node.right))
    pairs, others = key_pairs(node)
    if optimise and pairs and not depends and node.kind != "full":
        looked_up = index_join(node.right, node.conditions, costs)
        left_rows = costs.rows(node.left)
        hashed = read_cost(node.right, costs) * BUILD + left_rows * PROBE
        if looked_up is not None and lookup_cost(left_rows, looked_up, costs) < hashed:
            return NestedLoop(node.kind, node.left, looked_up)
        asked = looked_up_join(node.kind, node.left, node.right, *keys_of(pairs), others, costs)
        if asked is not None:
            return asked
    if depends or (not pairs and node.kind != "full"):
        return NestedLoop(node.kind, node.left, node.right, node.conditions)
    left_keys, right_keys = keys_of(pairs)
    return HashJoin(node.kind, node.left, node.right, left_keys, right_keys, tuple(others), costs.unique(node.right, right_keys))


def cut(node: Node) -> Node:
    """Collect the left side of a join whose loops would nest too deeply (Python allows twenty)."""
    if isinstance(node, HashJoin | NestedLoop | SemiJoin | AntiJoin) and depth(node) > _DEEPEST:
        return replace(node, left=Collect(node.left))
    return node


def depth(node: Node) -> int:
    """How many loops nest in the pipeline that ends at a node."""
    if isinstance(node, HashJoin):
        return depth(node.left) + 1
    if isinstance(node, NestedLoop):
        return depth(node.left) + max(1, depth(node.right))
    if isinstance(node, SemiJoin | AntiJoin):
        return depth(node.left)
    if isinstance(node, KeyLookup):
        return 1
    child = getattr(node, "input", None)
    transparent = type(node).__name__ in ("Filter", "Project", "CommonTables")
    return depth(child) if transparent and child is not None else 2


def queries(bound: BoundQuery) -> Iterator[BoundQuery]:
    """A query and all subqueries in its expressions."""
    yield bound
    for part in everything(bound):
        query = getattr(part, "query", None)
        if isinstance(query, BoundQuery):
            yield query
