"""LIMIT below joins: what cannot change which rows are the first ones is done for those only."""

from __future__ import annotations

from eventdb.model.record import replace
from eventdb.sql.planner.costs import Costs
from eventdb.sql.planner.nodes import BoundQuery, Join, Limit, Node, Project, TopN
from eventdb.sql.planner.walk import bottom_up, free, has_subquery, is_volatile, key_pairs, keys_of, relations, visible


def limited_first(query: BoundQuery, costs: Costs) -> BoundQuery:
    """A left join that gives each row of its left side exactly once, in their order, takes the first of them."""

    def change(node: Node) -> Node:
        if isinstance(node, TopN) or (isinstance(node, Limit) and not (node.ties or node.percent)):
            return _below(node, node.input, costs) or node
        return node

    plan = bottom_up(query.plan, change)
    return query if plan is query.plan else replace(query, plan=plan)


def _below(node: TopN | Limit, source: Node, costs: Costs) -> Node | None:
    """`source` with the limit on the left side of the joins at its top; None where it has to stay above."""
    if isinstance(source, Project):
        below = None if _names(node, source.relation) or is_volatile(source.expressions) else _below(node, source.input, costs)
        return None if below is None else replace(source, input=below)
    if not isinstance(source, Join) or source.kind != "left" or is_volatile((source.right, *source.conditions)):
        return None
    left = visible(source.left)
    if any(_names(node, relation) for relation in visible(source.right)) or any(c.relation in left for c in free(source.right)):
        return None
    if not costs.unique(source.right, keys_of(key_pairs(source)[0])[1]):
        return None
    return replace(source, left=_below(node, source.left, costs) or replace(node, input=source.left))


def _names(node: TopN | Limit, relation: int) -> bool:
    """Whether the order needs a relation, or may."""
    keys = tuple(key.expression for key in node.keys) if isinstance(node, TopN) else ()
    return relation in relations(keys) or is_volatile(keys) or any(has_subquery(key) for key in keys)
