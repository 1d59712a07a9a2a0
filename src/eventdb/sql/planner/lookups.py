"""Joins with computed relations that are looked up: the log by transaction number, so that a few rows do not cost a reading of all of it.

A relation declares by which of its columns its rows are found (`SystemTable.lookups`). A join whose key is such a column can give it the
values of the other side: those of many rows at once (`LookupJoin`), or, where the relation is the left side of a semi join, the whole set
that the join makes of its right side anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from eventdb.model.record import replace
from eventdb.sql.expressions.bound import Column, Comparison, Expr, OrderKey
from eventdb.sql.planner.costs import Costs
from eventdb.sql.planner.nodes import AntiJoin, Filter, LookupJoin, Node, Project, SemiJoin, SystemScan
from eventdb.sql.planner.walk import nodes

_APART = 20.0
"""What finding one row by itself costs, in rows read one after the other."""

_SMALL = 1000.0
"""A relation with fewer rows is looked up as one with so many: it costs little either way, and a log grows while a plan stays."""

Keys = tuple[tuple[int, int], ...]


def leaf_of(node: Node) -> Node:
    """What is read below filters and computed columns."""
    while isinstance(node, Filter | Project):
        node = node.input
    return node


def lookup_keys(side: Node, own: Sequence[Expr]) -> Keys:
    """The columns by which a side of a join can be looked up, each with its place among the keys `own` of that side."""
    scan = leaf_of(side)
    if not isinstance(scan, SystemScan):
        return ()
    return tuple(
        (key.ordinal, place)
        for place, key in enumerate(own)
        if isinstance(key, Column) and key.relation == scan.relation and key.ordinal in scan.table.lookups
    )


def with_keys(side: Node, keys: Keys) -> Node:
    """A side of a join with the scan below it told of its keys."""
    if isinstance(side, Filter | Project):
        return replace(side, input=with_keys(side.input, keys))
    return replace(side, keys=keys)


def lookup_cost(left: Node, right: Node, left_keys: Sequence[Expr], keys: Keys, costs: Costs) -> float:
    """What it costs to look up the right side of a join for all rows of the left one."""
    scan = leaf_of(right)
    assert isinstance(scan, SystemScan)
    apart = 1.0 if any(_ascends(left, left_keys[place]) for _, place in keys) else _APART
    return min(costs.rows(left), costs.system(scan.table)) * apart * scan.table.cost


def _ascends(left: Node, key: Expr) -> bool:
    """Whether the rows of a side come in the order of a key, so that those of many of them are found in one go."""
    return isinstance(key, Column) and any(
        isinstance(node, SystemScan) and node.relation == key.relation and any(order[0] == key.ordinal for order in node.table.orders)
        for node in nodes(left)
    )


def looked_up(
    kind: Literal["inner", "left", "semi", "anti"], left: Node, right: Node, left_keys: Sequence[Expr], right_keys: Sequence[Expr],
    conditions: Sequence[Expr], costs: Costs,
) -> LookupJoin | None:  # fmt: skip
    """The join as one that looks its right side up, if it can and that reads less than all of it."""
    keys = lookup_keys(right, right_keys)
    scan = leaf_of(right)
    if not keys or not isinstance(scan, SystemScan):
        return None
    if lookup_cost(left, right, left_keys, keys, costs) > max(costs.reading(right), _SMALL * scan.table.cost):
        return None
    return LookupJoin(kind, left, with_keys(right, keys), tuple(left_keys), tuple(right_keys), tuple(conditions))


def key_sides(relation: int, conditions: Sequence[Expr]) -> tuple[list[Expr], list[Expr]]:
    """The equalities of columns of a relation with anything: (its columns, the other sides)."""
    own: list[Expr] = []
    others: list[Expr] = []
    for condition in conditions:
        if isinstance(condition, Comparison) and condition.operator == "=":
            for one, other in ((condition.left, condition.right), (condition.right, condition.left)):
                if isinstance(one, Column) and one.relation == relation:
                    own.append(one)
                    others.append(other)
    return own, others


def in_order(scan: SystemScan, keys: Sequence[OrderKey]) -> SystemScan | None:
    """The scan forwards or backwards, where that gives its rows in the order of `keys`."""
    wanted = [(key.expression.ordinal if isinstance(key.expression, Column) else -1) for key in keys]
    if any(getattr(key.expression, "relation", None) != scan.relation for key in keys):
        return None
    for order in scan.table.orders:
        used = wanted[: len(order)]  # what follows a whole order decides nothing
        if tuple(used) == order[: len(used)] and len({key.descending for key in keys[: len(used)]}) == 1:
            return replace(scan, ordered=True, reverse=keys[0].descending)
    return None


def matching(node: SemiJoin | AntiJoin, costs: Costs) -> Node:
    """A semi or anti join with a computed relation on one of its sides, so that no more of that is read than the other side asks for."""
    kind: Literal["semi", "anti"] = "semi" if isinstance(node, SemiJoin) else "anti"
    if not (isinstance(node, AntiJoin) and node.null_aware):
        found = looked_up(kind, node.left, node.right, node.left_keys, node.right_keys, node.conditions, costs)
        if found is not None:
            return found
    if isinstance(node, SemiJoin) and not node.conditions:
        keys = lookup_keys(node.left, node.left_keys)
        if keys:
            return replace(node, left=with_keys(node.left, keys))
    return node
