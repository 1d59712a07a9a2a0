"""The order of inner joins, chosen greedily from each possible start by estimated rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from eventdb.model.record import Record
from eventdb.sql.expressions.bound import Expr
from eventdb.sql.planner.access import best_access, limited
from eventdb.sql.planner.costs import Costs
from eventdb.sql.planner.lookups import key_sides, leaf_of, lookup_keys
from eventdb.sql.planner.lookups import lookup_cost as system_lookup_cost
from eventdb.sql.planner.nodes import Filter, IndexLookup, Join, KeyLookup, Node, Scan, SystemScan
from eventdb.sql.planner.walk import free, has_subquery, relations, visible

PROBE = 0.5
BUILD = 3.0
LOOKUP = 6.0
FETCH = 5.0
"""What these cost, in rows scanned: a probe of a hash table, a row put in one, a look-up, a row fetched through an index."""

_ALL_STARTS = 8


class _Order(Record, frozen=False):
    plan: Node
    cost: float


def flattened(node: Node) -> tuple[list[Node], list[Expr]]:
    """The leaves and conditions of a tree of inner joins."""
    if isinstance(node, Join) and node.kind == "inner":
        leaves, conditions = flattened(node.left)
        more_leaves, more_conditions = flattened(node.right)
        return leaves + more_leaves, [*conditions, *more_conditions, *node.conditions]
    return [node], []


def ordered(node: Join, costs: Costs, walk: Callable[[Node], Node]) -> Node:
    """A tree of inner joins in its best order; dependent leaves (LATERAL) keep theirs."""
    leaves, conditions = flattened(node)
    leaves = [walk(leaf) for leaf in leaves]
    inside = frozenset().union(*(visible(leaf) for leaf in leaves))
    if any(c.relation in inside for leaf in leaves for c in free(leaf)):
        return _in_order(leaves, conditions, inside)
    by_size = sorted(leaves, key=costs.rows)
    starts = leaves if len(leaves) <= _ALL_STARTS else [by_size[0], by_size[-1]]
    best = min((_greedy(start, leaves, conditions, costs, inside) for start in starts), key=lambda order: order.cost)
    return best.plan


def _applicable(conditions: Sequence[Expr], bound: frozenset[int], inside: frozenset[int]) -> list[Expr]:
    return [c for c in conditions if relations((c,)) & inside <= bound]


def _in_order(leaves: Sequence[Node], conditions: Sequence[Expr], inside: frozenset[int]) -> Node:
    plan, left = leaves[0], list(conditions)
    for leaf in leaves[1:]:
        usable = _applicable(left, visible(plan) | visible(leaf), inside)
        left = [c for c in left if not any(c is u for u in usable)]
        plan = Join("inner", plan, leaf, tuple(usable))
    return plan


def _greedy(start: Node, leaves: Sequence[Node], conditions: Sequence[Expr], costs: Costs, inside: frozenset[int]) -> _Order:
    plan = start
    cost = read_cost(start, costs)
    rest = [leaf for leaf in leaves if leaf is not start]
    left = list(conditions)
    while rest:
        step = min((_step(plan, leaf, left, costs, inside) for leaf in rest), key=lambda s: s[0])
        cost += step[1]
        plan = step[2]
        rest = [leaf for leaf in rest if leaf is not step[3]]
        left = [c for c in left if not any(c is u for u in step[4])]
    return _Order(plan, cost)


def _step(
    plan: Node, leaf: Node, conditions: Sequence[Expr], costs: Costs, inside: frozenset[int]
) -> tuple[tuple[bool, float], float, Node, Node, list[Expr]]:
    usable = _applicable(conditions, visible(plan) | visible(leaf), inside)
    join = Join("inner", plan, leaf, tuple(usable))
    rows = costs.rows(join)
    cost = rows + join_cost(plan, leaf, usable, costs)
    return (not usable, cost), cost, join, leaf, usable


def read_cost(leaf: Node, costs: Costs) -> float:
    """What reading a leaf once costs, in rows touched."""
    if isinstance(leaf, Filter) and isinstance(leaf.input, Scan):
        found = best_access(leaf.input, leaf.conditions, costs)
        inner = found.input if isinstance(found, Filter) else found
        return costs.rows(inner) * (3.0 if isinstance(inner, IndexLookup | KeyLookup) else 1.0)
    if isinstance(leaf, Filter) and isinstance(leaf.input, SystemScan):
        return costs.reading(limited(leaf.input, leaf.conditions))
    return costs.reading(leaf)


def join_cost(left: Node, leaf: Node, conditions: Sequence[Expr], costs: Costs) -> float:
    left_rows = costs.rows(left)
    hashed = read_cost(leaf, costs) * BUILD + left_rows * PROBE
    if not conditions:
        return read_cost(leaf, costs) + left_rows * costs.rows(leaf)
    scan = leaf_of(leaf)
    if isinstance(scan, SystemScan):
        own, others = key_sides(scan.relation, conditions)
        keys = lookup_keys(leaf, own)
        return min(hashed, system_lookup_cost(left, leaf, others, keys, costs)) if keys else hashed
    looked_up = index_join(leaf, conditions, costs)
    return min(hashed, lookup_cost(left_rows, looked_up, costs)) if looked_up is not None else hashed


def lookup_cost(left_rows: float, looked_up: Node, costs: Costs) -> float:
    """What it costs to look up the right side of a join for each left row."""
    inner = looked_up.input if isinstance(looked_up, Filter) else looked_up
    fetched = 0.0 if isinstance(inner, KeyLookup) else costs.rows(inner) * FETCH
    return left_rows * (LOOKUP + fetched)


def index_join(leaf: Node, conditions: Sequence[Expr], costs: Costs) -> Node | None:
    """The right side of a join as a look-up for each left row, if a key or index serves its conditions."""
    own = leaf.conditions if isinstance(leaf, Filter) else ()
    scan = leaf.input if isinstance(leaf, Filter) else leaf
    if not isinstance(scan, Scan) or scan.versions:
        return None
    found = best_access(scan, (*conditions, *own), costs)
    inner = found.input if isinstance(found, Filter) else found
    if not isinstance(inner, KeyLookup | IndexLookup):
        return None
    depends = any(relations(key) for keys in inner.keys for key in keys if not has_subquery(key))
    return found if depends else None
