"""The rewrite rules, in the order in which they run (`RULES`). Each takes a bound query and gives one with the same rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from eventdb.model.record import Record, replace
from eventdb.sql.expressions.bound import Call, Column, Comparison, Constant, Expr, IsNull, Logical, SubqueryExpression
from eventdb.sql.planner.access import best_access, limited, ordered_access, sort_key
from eventdb.sql.planner.aggregates import equal_sides, join_aggregates, read_ends
from eventdb.sql.planner.costs import Costs
from eventdb.sql.planner.limits import limited_first
from eventdb.sql.planner.lookups import in_order, leaf_of
from eventdb.sql.planner.nodes import (
    Access,
    Aggregate,
    AntiJoin,
    BoundQuery,
    CommonScan,
    CommonTables,
    Distinct,
    Empty,
    Filter,
    IndexRange,
    Join,
    Limit,
    Node,
    Project,
    Scan,
    SemiJoin,
    SetOperation,
    Sort,
    SystemScan,
    TopN,
)
from eventdb.sql.planner.walk import (
    bottom_up,
    everything,
    free,
    has_subquery,
    is_volatile,
    made,
    rebuild,
    relations,
    substitute,
    transform,
    visible,
)


class Context(Record, frozen=False):
    """What rules may ask: estimates, and fresh relation numbers."""

    costs: Costs
    fresh: Callable[[], int]


Rule = Callable[[BoundQuery, Context], BoundQuery]


def with_plan(query: BoundQuery, plan: Node) -> BoundQuery:
    return query if plan is query.plan else replace(query, plan=plan)


def filtered(node: Node, conditions: Sequence[Expr]) -> Node:
    return Filter(node, tuple(conditions)) if conditions else node


# ---- common tables


def inline_common_tables(query: BoundQuery, context: Context) -> BoundQuery:
    """A common table that is read once takes the place of its reader."""
    counts: dict[int, int] = {}
    for item in everything(query):
        if isinstance(item, CommonScan):
            counts[item.common] = counts.get(item.common, 0) + 1

    def change(item: object) -> object:
        if not isinstance(item, CommonTables):
            return None
        kept = []
        inlined = {}
        # A reader in the select list stands above this node, out of reach.
        within = {part.common for part in everything(item) if isinstance(part, CommonScan)}
        for table in item.tables:
            reads = counts.get(table.number, 0)
            once = (reads == 0 or (reads == 1 and table.number in within)) and table.materialized is not True
            if table.recursive is None and once and not is_volatile((table.plan, table.outputs)):
                inlined[table.number] = table
            else:
                kept.append(table)

        def read(part: object) -> object:
            if isinstance(part, CommonScan) and part.common in inlined:
                table = inlined[part.common]
                return transform(Project(table.plan, part.relation, table.outputs), read)
            return change(part) if part is not item else None

        body = transform(item.input, read)
        tables = tuple(transform(t, read) for t in kept)
        return CommonTables(body, tables) if tables else body

    return transform(query, change)  # type: ignore[no-any-return]


# ---- subqueries to joins


def unnest_subqueries(query: BoundQuery, context: Context) -> BoundQuery:
    """EXISTS and IN in WHERE, with equality as their only tie to the outer row, become semi and anti joins."""

    def change(node: Node) -> Node:
        if not isinstance(node, Filter):
            return node
        rest: list[Expr] = []
        plan = node.input
        joins: list[Callable[[Node], Node]] = []
        for condition in node.conditions:
            join = _as_join(condition, visible(node.input))
            if join is None:
                rest.append(condition)
            else:
                joins.append(join)
        if not joins:
            return node
        plan = filtered(plan, rest)
        for join in joins:
            plan = join(plan)
        return plan

    return with_plan(query, bottom_up(query.plan, change))


def _as_join(condition: Expr, outer: frozenset[int]) -> Callable[[Node], Node] | None:
    negated = isinstance(condition, Logical) and condition.operator == "not"
    expr = condition.operands[0] if isinstance(condition, Logical) and negated else condition
    if not isinstance(expr, SubqueryExpression) or expr.kind not in ("exists", "in") or any(has_subquery(e) for e in expr.operands):
        return None
    body: BoundQuery = expr.query
    plan = body.plan
    while isinstance(plan, Sort | Distinct) and (expr.kind == "exists" or isinstance(plan, Sort)):
        plan = plan.input
    inside = made(body)
    local: list[Expr] = []
    ties: list[Expr] = []
    if isinstance(plan, Filter):
        for c in plan.conditions:
            (ties if relations((c,)) - inside else local).append(c)
        if ties:
            plan = filtered(plan.input, local)
    if free(plan) or is_volatile((plan, body.outputs)) or any(has_subquery(c) for c in ties):
        return None
    shown = visible(plan)
    pairs: list[tuple[Expr, Expr]] = list(zip(expr.operands, body.outputs, strict=True)) if expr.kind == "in" else []
    if any(relations((b,)) - inside for _, b in pairs) or any(not relations((a,)) <= outer for a, _ in pairs):
        return None
    conditions: list[Expr] = []
    for tie in ties:
        if not relations((tie,)) <= outer | shown:
            return None
        pair = equal_sides(tie, outer, shown)
        if pair is not None:
            pairs.append(pair)
        else:
            conditions.append(tie)
    null_aware = negated and expr.kind == "in" and any(e.nullable for pair in pairs[: len(expr.operands)] for e in pair)
    if not pairs or (null_aware and (ties or len(pairs) > 1)):
        return None
    left, right = tuple(a for a, _ in pairs), tuple(b for _, b in pairs)
    if negated:
        return lambda node: AntiJoin(node, plan, left, right, tuple(conditions), null_aware)
    return lambda node: SemiJoin(node, plan, left, right, tuple(conditions))


def unnest_aggregates(query: BoundQuery, context: Context) -> BoundQuery:
    """Correlated scalar aggregates become joins with all groups where that reads less."""
    return join_aggregates(query, context.costs, context.fresh)


def use_ends(query: BoundQuery, context: Context) -> BoundQuery:
    """min and max are read at the ends of a key or index."""
    return read_ends(query, context.costs, context.fresh)


# ---- filters


def push_filters(query: BoundQuery, context: Context) -> BoundQuery:
    """Conditions go down to where their columns come from; an outer join whose NULL rows they would drop becomes an inner one."""
    return with_plan(query, _push(query.plan, []))


def _push(node: Node, conditions: list[Expr]) -> Node:
    match node:
        case Filter():
            return _push(node.input, [*conditions, *node.conditions])
        case Join():
            return _push_join(node, conditions)
        case SemiJoin() | AntiJoin():
            return replace(node, left=_push(node.left, conditions), right=_push(node.right, []))
        case Sort() | CommonTables():
            inner = _push(node.input, conditions)
            if isinstance(node, CommonTables):
                tables = tuple(
                    replace(t, plan=_push(t.plan, []), recursive=_push(t.recursive, []) if t.recursive is not None else None)
                    for t in node.tables
                )
                return replace(node, input=inner, tables=tables)
            return replace(node, input=inner)
        case Project():
            return _push_through(node, conditions, {(node.relation, i): e for i, e in enumerate(node.expressions)}, node.relation)
        case Aggregate() if node.groups:
            mapping = {(node.relation, i): e for i, e in enumerate(node.groups)}
            return _push_through(node, conditions, mapping, node.relation)
        case Distinct():
            down = [c for c in conditions if _names_only(c, node.on, node)]
            return filtered(replace(node, input=_push(node.input, down)), [c for c in conditions if not any(c is d for d in down)])
        case SetOperation():
            down = [c for c in conditions if not is_volatile((c,)) and not has_subquery(c)]
            branches = []
            for plan, outputs in zip(node.inputs, node.outputs, strict=True):
                mapping = {(node.relation, i): e for i, e in enumerate(outputs)}
                branches.append(_push(plan, [substitute(c, mapping) for c in down]))
            return filtered(replace(node, inputs=tuple(branches)), [c for c in conditions if not any(c is d for d in down)])
    inner_node = rebuild(node, lambda part: _push(part, []) if isinstance(part, Node) else part)
    return filtered(inner_node, conditions)


def _names_only(condition: Expr, on: Sequence[Expr], node: Node) -> bool:
    inside = visible(node)
    places = {(e.relation, e.ordinal) for e in on if isinstance(e, Column)}
    named = {(c.relation, c.ordinal) for c in everything(condition) if isinstance(c, Column) and c.relation in inside}
    return named <= places and not is_volatile((condition,))


def _push_through(node: Project | Aggregate, conditions: list[Expr], mapping: dict[tuple[int, int], Expr], relation: int) -> Node:
    down: list[Expr] = []
    stay: list[Expr] = []
    for c in conditions:
        named = {(x.relation, x.ordinal) for x in everything(c) if isinstance(x, Column) and x.relation == relation}
        plain = named <= set(mapping) and not any(has_subquery(mapping[p]) or is_volatile((mapping[p],)) for p in named)
        (down if plain and not is_volatile((c,)) and not (isinstance(node, Aggregate) and (not named or has_subquery(c))) else stay).append(
            c
        )
    return filtered(replace(node, input=_push(node.input, [substitute(c, mapping) for c in down])), stay)


def _push_join(node: Join, conditions: list[Expr]) -> Node:
    left, right = visible(node.left), visible(node.right)
    kind = node.kind
    if kind == "left" and any(rejects_null(c, right) for c in conditions):
        kind = "inner"
    elif kind == "full" and any(rejects_null(c, left) for c in conditions):
        # Rows without a left partner go: what is left is a left join.
        kind = "left"
    volatile = [c for c in conditions if is_volatile((c,))]
    conditions = [c for c in conditions if not any(c is v for v in volatile)]
    to_left: list[Expr] = []
    to_right: list[Expr] = []
    on: list[Expr] = []
    above: list[Expr] = []
    if kind == "inner":
        for c in (*conditions, *node.conditions):
            named = relations((c,)) & (left | right)
            (to_left if named <= left else to_right if named <= right else on).append(c)
    else:
        for c in conditions:
            named = relations((c,)) & (left | right)
            (to_left if kind == "left" and named <= left else above).append(c)
        for c in node.conditions:
            named = relations((c,)) & (left | right)
            (to_right if kind == "left" and named and named <= right else on).append(c)
    joined = replace(node, kind=kind, left=_push(node.left, to_left), right=_push(node.right, to_right), conditions=tuple(on))
    return filtered(joined, [*above, *volatile])


def rejects_null(condition: Expr, side: frozenset[int]) -> bool:
    """Whether a condition is never TRUE for a row in which all columns of `side` are NULL."""
    match condition:
        case Comparison():
            return not condition.operator.startswith("is") and (_null_with(condition.left, side) or _null_with(condition.right, side))
        case IsNull():
            return condition.negated and _null_with(condition.operand, side)
        case Logical(operator="and"):
            return any(rejects_null(c, side) for c in condition.operands)
        case Logical(operator="or"):
            return all(rejects_null(c, side) for c in condition.operands)
    return False


def _null_with(expr: Expr, side: frozenset[int]) -> bool:
    if isinstance(expr, Column):
        return expr.relation in side
    return isinstance(expr, Call) and expr.strict and any(_null_with(a, side) for a in expr.arguments)


# ---- joins and access


def order_joins(query: BoundQuery, context: Context) -> BoundQuery:
    """Inner joins are put in the order that reads least."""
    from eventdb.sql.planner.ordering import ordered

    def walk(node: Node) -> Node:
        if isinstance(node, Join) and node.kind == "inner":
            return ordered(node, context.costs, walk)
        return rebuild(node, lambda part: walk(part) if isinstance(part, Node) else part)

    return with_plan(query, walk(query.plan))


def choose_access(query: BoundQuery, context: Context) -> BoundQuery:
    """Conditions on a table's keys and indexes become look-ups and ranges; one that is never TRUE, nothing to read."""

    def walk(node: Node) -> Node:
        if isinstance(node, Filter) and any(isinstance(c, Constant) and c.value is not True for c in node.conditions):
            return Empty(node.input)
        if isinstance(node, Filter) and isinstance(node.input, Scan):
            return best_access(node.input, node.conditions, context.costs)
        if isinstance(node, Filter) and isinstance(node.input, SystemScan):
            return replace(node, input=limited(node.input, node.conditions))
        return rebuild(node, lambda part: walk(part) if isinstance(part, Node) else part)

    return with_plan(query, walk(query.plan))


# ---- order


def use_top_n(query: BoundQuery, context: Context) -> BoundQuery:
    """ORDER BY with LIMIT keeps only the first rows."""

    def change(node: Node) -> Node:
        if isinstance(node, Limit) and isinstance(node.input, Sort) and node.limit is not None and not (node.ties or node.percent):
            return TopN(node.input.input, node.input.keys, node.limit, node.offset)
        return node

    return with_plan(query, bottom_up(query.plan, change))


def limit_first(query: BoundQuery, context: Context) -> BoundQuery:
    """The first rows are taken before left joins that neither add rows nor drop any."""
    return limited_first(query, context.costs)


def use_order(query: BoundQuery, context: Context) -> BoundQuery:
    """A sort in the order of a key or index that is read anyway (or, under LIMIT, can be) falls away."""

    def change(node: Node) -> Node:
        if not isinstance(node, Sort | TopN):
            return node
        source = _in_order(node.input, node, context, ())
        if source is None:
            return node
        return Limit(source, node.limit, node.offset) if isinstance(node, TopN) else source

    return with_plan(query, bottom_up(query.plan, change))


def _in_order(node: Node, sort: Sort | TopN, context: Context, conditions: tuple[Expr, ...]) -> Node | None:
    """The plan below a sort with its leading table read in the sort's order, if that can be. `conditions`: those tested right above."""
    if isinstance(node, Filter):
        inner = _in_order(node.input, sort, context, (*conditions, *node.conditions))
        if inner is None:
            return None
        met = inner.implied if isinstance(inner, IndexRange) and inner.ordered else ()
        inner = replace(inner, implied=()) if met else inner
        return filtered(inner, [c for c in node.conditions if not any(c is m for m in met)])
    if isinstance(node, Project):
        inner = _in_order(node.input, sort, context, ())
        return replace(node, input=inner) if inner is not None else None
    if isinstance(node, SemiJoin | AntiJoin) or (isinstance(node, Join) and node.kind in ("inner", "left")):
        # an inner join may drop many rows before the first ones are found: only where their order costs nothing
        all_left = isinstance(sort, Sort) or not isinstance(node, Join) or node.kind == "left" or isinstance(leaf_of(node.left), SystemScan)
        inner = _in_order(node.left, sort, context, ()) if all_left else None
        return replace(node, left=inner) if inner is not None else None
    if isinstance(node, SystemScan):
        return in_order(node, sort.keys)
    if not isinstance(node, Access):
        return None
    keys = [sort_key(key, node.relation) for key in sort.keys]
    if any(key is None for key in keys):
        return None
    few = isinstance(sort, TopN) and _pays(node, sort, context)
    return ordered_access(node, [key for key in keys if key is not None], context.costs, few, conditions)


def _pays(node: Access, sort: TopN, context: Context) -> bool:
    """Whether reading in index order and stopping early beats reading all and keeping the best."""
    rows = context.costs.table(node.table)
    limit = float(sort.limit.value) if isinstance(sort.limit, Constant) and isinstance(sort.limit.value, int) else 100.0
    if isinstance(node, IndexRange):
        return limit * 5 < rows
    part = context.costs.rows(sort.input) / rows
    return limit / max(part, 1e-9) * 5 < rows


RULES: list[Rule] = [
    inline_common_tables, unnest_subqueries, unnest_aggregates, use_ends, push_filters, order_joins, choose_access, use_top_n,
    limit_first, use_order,
]  # fmt: skip

__all__ = ["RULES", "Context", "Rule"]
