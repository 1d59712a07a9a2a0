"""Binding queries: from the syntax tree to a plan of nodes as written, every name resolved and every type known.

The life of a SELECT: FROM makes the plan's leaves and the scope; WHERE a Filter; GROUP BY and aggregates an Aggregate (see `grouping`);
HAVING a Filter above it; then DISTINCT, ORDER BY, LIMIT. What is selected stays a list of expressions beside the plan
(`BoundQuery.outputs`), so nothing is computed before it is needed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from eventdb.errors import (
    DatatypeMismatch,
    DuplicateAlias,
    Error,
    InvalidColumnReference,
    InvalidRecursion,
    NotSupportedError,
    SQLSyntaxError,
    StatementTooComplex,
)
from eventdb.model.catalog import Catalog
from eventdb.model.datatype import BIGINT, NUMERIC, Kind
from eventdb.model.record import fields, replace
from eventdb.sql.environment import Environment, SystemTable
from eventdb.sql.expressions import binder as expressions
from eventdb.sql.expressions.bound import (
    Column,
    Constant,
    Expr,
    OrderKey,
    SubqueryExpression,
    WindowCall,
)
from eventdb.sql.expressions.conjuncts import conjuncts
from eventdb.sql.parser import ast
from eventdb.sql.planner import grouping, sources
from eventdb.sql.planner.nodes import (
    BoundQuery,
    Common,
    CommonTables,
    Distinct,
    Filter,
    Limit,
    Node,
    Project,
    SetOperation,
    Sort,
    SystemScan,
    Values,
    Window,
)
from eventdb.sql.planner.scope import NOTHING, CommonEntry, FromItem, QueryScope, column_name
from eventdb.sql.planner.walk import has_aggregate, has_subquery, has_window, is_volatile, transform


def settled(expr: Expr) -> Expr:
    """An expression of unknown type (a bare NULL or string literal) as text."""
    return expressions.settle(expr) if expr.datatype.kind is Kind.NULL else expr




_CUBE = 12


class Binder:
    """Binds the queries of one statement; hands out relation numbers. `moment`: where tables without a clause of their own are read."""

    def __init__(
        self, environment: Environment, numbers: Iterator[int] | None = None, moment: int = 0, catalog: Catalog | None = None
    ) -> None:
        self.environment = environment
        self.numbers = numbers or itertools.count(1)
        self.moment = moment
        self.catalog = catalog or environment.catalog
        self.catalogs: dict[int, Catalog] = {}
        """The catalogs of the moments met so far."""

    def scope(self, outer: QueryScope | None = None, item: FromItem = NOTHING, commons: dict[str, CommonEntry] | None = None) -> QueryScope:
        inherited = outer.commons if outer is not None else {}
        return QueryScope(self, self.environment, outer, item, commons={**inherited, **(commons or {})})

    def expression(self, node: Any, scope: QueryScope, clause: str, aggregates: bool = False, want: Any = None) -> Expr:
        """Bind an expression of a clause; aggregates and window calls only where that clause may have them."""
        before = scope.clause, scope.allow_aggregates, scope.allow_windows
        scope.clause, scope.allow_aggregates = clause, aggregates
        scope.allow_windows = aggregates and clause in ("SELECT", "ORDER BY")
        try:
            return expressions.bind_expression(node, scope, want)
        finally:
            scope.clause, scope.allow_aggregates, scope.allow_windows = before

    def condition(self, node: ast.Expression, scope: QueryScope, clause: str, aggregates: bool = False) -> Expr:
        before = scope.clause, scope.allow_aggregates
        scope.clause, scope.allow_aggregates = clause, aggregates
        try:
            return expressions.bind_condition(node, scope)
        finally:
            scope.clause, scope.allow_aggregates = before

    # ---- queries

    def query(self, query: ast.Query, outer: QueryScope | None = None, commons: dict[str, CommonEntry] | None = None) -> BoundQuery:
        """Bind a whole query expression; `outer`: the scope around it, which it may refer to."""
        scope = self.scope(outer, commons=commons)
        tables: list[Common] = []
        if query.with_ is not None:
            tables = self.with_clause(query.with_, scope)
        body = self.body(query.body, scope, query)
        if tables:
            body = replace(body, plan=CommonTables(body.plan, tuple(tables)))
        return body

    def body(self, body: ast.QueryBody, scope: QueryScope, query: ast.Query | None = None) -> BoundQuery:
        """Bind a query's body, and its ORDER BY and LIMIT (of `query`)."""
        if isinstance(body, ast.Select):
            return self.select(body, scope, query)
        if isinstance(body, ast.Query):
            if query is not None and query.locking:
                body = replace(body, locking=body.locking + query.locking)
            bound = self.query(body, scope.outer, scope.commons)
        elif isinstance(body, ast.Values):
            refuse_locking(query, "VALUES", scope)
            bound = self.values(body, scope)
        else:
            refuse_locking(query, "UNION/INTERSECT/EXCEPT", scope)
            bound = self.set_operation(body, scope)
        if query is None:
            return bound
        names = scope_of_outputs(self, bound, scope)
        keys = [self.output_key(item, bound, names) for item in query.order_by]
        return self.finish(bound, [key for key in keys if not isinstance(key.expression, Constant)], query, scope)

    def finish(self, bound: BoundQuery, keys: Sequence[OrderKey], query: ast.Query, scope: QueryScope) -> BoundQuery:
        """Add ORDER BY and LIMIT to a bound body."""
        plan = bound.plan
        if keys:
            plan = Sort(plan, tuple(keys))
        limit = self.row_share(query.limit, scope) if query.percent else self.row_count(query.limit, "LIMIT", scope)
        offset = self.row_count(query.offset, "OFFSET", scope)
        if limit is not None or offset is not None:
            if query.with_ties and not keys:
                scope.fail(SQLSyntaxError, "WITH TIES cannot be specified without ORDER BY clause", query.position)
            plan = Limit(plan, limit, offset, tuple(keys) if query.with_ties else (), query.percent)
        return replace(bound, plan=plan)

    def row_share(self, node: ast.Expression | None, scope: QueryScope) -> Expr | None:
        """The number of FETCH FIRST number PERCENT."""
        if node is None:
            return None
        expr = self.expression(node, self.scope(scope.outer), "FETCH FIRST", want=NUMERIC)
        return expressions.coerce(expr, NUMERIC, "assignment")

    def row_count(self, node: ast.Expression | None, clause: str, scope: QueryScope) -> Expr | None:
        if node is None or (isinstance(node, ast.Literal) and node.value is None):
            return None
        if isinstance(node, ast.Literal) and type(node.value) is int and node.value < 1 << 63:
            return Constant(BIGINT, node.value, nullable=False, position=node.position)
        empty = self.scope(scope.outer)
        expr = self.expression(node, empty, clause, want=BIGINT)
        return expressions.coerce(expr, BIGINT, "assignment")

    def output_key(self, item: ast.OrderItem, bound: BoundQuery, scope: QueryScope) -> OrderKey:
        """An ORDER BY item that may name outputs only (after a set operation or VALUES)."""
        expr = ordinal(item.expression, bound.outputs, scope, "ORDER BY")
        if expr is None:
            if not isinstance(item.expression, ast.Name):
                message = "ORDER BY on a UNION/INTERSECT/EXCEPT result must be on one of the result columns"
                scope.fail(NotSupportedError, message, item.expression.position, "Use a column name or number, or a derived table.")
            expr = self.expression(item.expression, scope, "ORDER BY")
        return order_key(item, expr)

    # ---- SELECT

    def select(self, select: ast.Select, scope: QueryScope, query: ast.Query | None) -> BoundQuery:
        scope.item = sources.from_clause(self, select.from_, scope)
        scope.windows = dict(select.windows)
        plan = scope.item.plan
        if select.where is not None:
            plan = Filter(plan, conjuncts(self.condition(select.where, scope, "WHERE")))
        outputs, names = self.select_list(select.items, scope)
        sets = self.grouping_sets(select, outputs, names, scope)
        groups = list(dict.fromkeys(expr for group in sets for expr in group))
        having = self.condition(select.having, scope, "HAVING", aggregates=True) if select.having is not None else None
        order_by = query.order_by if query is not None else ()
        keys = [self.select_key(item, outputs, names, scope) for item in order_by]
        distinct_on: list[Expr] = []
        if isinstance(select.distinct, tuple):
            distinct_on = [
                self.select_key(ast.OrderItem(e, position=e.position), outputs, names, scope, "DISTINCT ON").expression
                for e in select.distinct
            ]
        outputs = [alone(e) for e in outputs]
        keys = [replace(key, expression=alone(key.expression)) for key in keys]
        if query is not None and query.locking:
            if select.distinct:
                refuse_locking(query, "DISTINCT clause", scope)
            from eventdb.sql.planner.locking import locked_tables

            self.environment.locks.update(locked_tables(query.locking, scope))
        if groups or having is not None or any(has_aggregate(e) for e in (*outputs, *(k.expression for k in keys), *distinct_on)):
            refuse_locking(query, "GROUP BY clause" if select.group_by else "aggregate functions", scope)
            grouped = grouping.grouped(self, plan, scope, groups, [*outputs, *distinct_on], having, keys, sets if select.group_by else [])
            plan, keys = grouped.plan, grouped.keys
            outputs, distinct_on = grouped.expressions[: len(outputs)], grouped.expressions[len(outputs) :]
        if any(has_window(e) for e in (*outputs, *(key.expression for key in keys), *distinct_on)):
            refuse_locking(query, "window functions", scope)
            plan, made = windowed(self, plan, [*outputs, *distinct_on, *(key.expression for key in keys)])
            outputs, distinct_on = made[: len(outputs)], made[len(outputs) : len(outputs) + len(distinct_on)]
            expressions_of_keys = made[len(made) - len(keys) :]
            keys = [replace(key, expression=e) for key, e in zip(keys, expressions_of_keys, strict=True)]
        if query is not None:
            outputs = [settled(e) for e in outputs]
        if select.distinct is True:
            plan, outputs, keys = self.distinct(plan, outputs, keys, scope)
        elif distinct_on:
            plan, keys = self.distinct_on(plan, distinct_on, keys, scope)
        else:
            plan, outputs, keys = compute_once(self, plan, outputs, keys)
        bound = BoundQuery(plan, tuple(outputs), tuple(names))
        keys = [key for key in keys if not isinstance(key.expression, Constant)]
        return self.finish(bound, keys, query, scope) if query is not None else bound

    def select_list(self, items: Sequence[ast.SelectItem], scope: QueryScope) -> tuple[list[Expr], list[str]]:
        outputs: list[Expr] = []
        names: list[str] = []
        for item in items:
            if isinstance(item.expression, ast.Star):
                if not scope.item.sources and not item.expression.qualifier:
                    scope.fail(SQLSyntaxError, "SELECT * with no tables specified is not valid", item.expression.position)
                for column in scope.expand(item.expression):
                    outputs.append(replace(column.expression, position=item.expression.position))
                    names.append(column.name)
            else:
                outputs.append(self.expression(item.expression, scope, "SELECT", aggregates=True))
                names.append(item.alias or column_name(item.expression))
        return outputs, names

    def grouping_sets(
        self, select: ast.Select, outputs: Sequence[Expr], names: Sequence[str], scope: QueryScope
    ) -> list[tuple[Expr, ...]]:
        """The sets of expressions to group by, one after the other: one for a plain GROUP BY, none without."""

        def group(nodes: Sequence[Any]) -> tuple[Expr, ...]:
            return tuple(self.group_item(node, outputs, names, scope) for node in nodes)

        def expanded(item: Any) -> list[tuple[Expr, ...]]:
            if not isinstance(item, ast.GroupingSets):
                return [group((item,))]
            if item.kind == "sets":
                return [one for part in item.sets for one in (expanded(part) if isinstance(part, ast.GroupingSets) else [group(part)])]
            parts = [group(part) if isinstance(part, tuple) else () for part in item.sets]
            if item.kind == "rollup":
                return [tuple(itertools.chain(*parts[:length])) for length in range(len(parts), -1, -1)]
            if len(parts) > _CUBE:
                scope.fail(StatementTooComplex, f"CUBE is limited to {_CUBE} elements", item.position)
            choices = itertools.chain.from_iterable(itertools.combinations(parts, n) for n in range(len(parts), -1, -1))
            return [tuple(itertools.chain(*chosen)) for chosen in choices]

        found: list[tuple[Expr, ...]] = [()] if select.group_by else []
        for item in select.group_by:
            more = expanded(item)
            if len(found) * len(more) > 1 << _CUBE:
                scope.fail(StatementTooComplex, f"too many grouping sets present (maximum {1 << _CUBE})", getattr(item, "position", -1))
            found = [(*one, *other) for one in found for other in more]
        return [tuple(dict.fromkeys(one)) for one in found]

    def group_item(self, item: Any, outputs: Sequence[Expr], names: Sequence[str], scope: QueryScope) -> Expr:
        expr = ordinal(item, outputs, scope, "GROUP BY")
        if expr is None and isinstance(item, ast.Name) and len(item.parts) == 1 and scope.lookup(item.parts, item.position) is None:
            expr = named_output(item, outputs, names, scope, "GROUP BY")
        if expr is not None and has_aggregate(expr):
            grouping.misplaced(scope, "GROUP BY", getattr(item, "position", -1))
        return settled(expr if expr is not None else self.expression(item, scope, "GROUP BY"))

    def select_key(
        self, item: ast.OrderItem, outputs: Sequence[Expr], names: Sequence[str], scope: QueryScope, clause: str = "ORDER BY"
    ) -> OrderKey:
        expr = ordinal(item.expression, outputs, scope, clause)
        if expr is None and isinstance(item.expression, ast.Name) and len(item.expression.parts) == 1:
            expr = named_output(item.expression, outputs, names, scope, clause)
        if expr is None:
            expr = self.expression(item.expression, scope, "ORDER BY", aggregates=True)
        return order_key(item, settled(expr))

    def distinct(self, plan: Node, outputs: list[Expr], keys: list[OrderKey], scope: QueryScope) -> tuple[Node, list[Expr], list[OrderKey]]:
        places = []
        for key in keys:
            place = place_of(key.expression, outputs)
            if place is None:
                message = "for SELECT DISTINCT, ORDER BY expressions must appear in select list"
                scope.fail(InvalidColumnReference, message, key.expression.position)
            places.append(place)
        plan, columns = computed(self, plan, outputs)
        keys = [replace(key, expression=columns[place]) for key, place in zip(keys, places, strict=True)]
        return Distinct(plan, tuple(columns)), columns, keys

    def distinct_on(self, plan: Node, on: list[Expr], keys: list[OrderKey], scope: QueryScope) -> tuple[Node, list[OrderKey]]:
        leading = [key.expression for key in keys[: len(set(on))]]
        if any(expr not in on for expr in leading):
            position = next(e.position for e in leading if e not in on)
            scope.fail(InvalidColumnReference, "SELECT DISTINCT ON expressions must match initial ORDER BY expressions", position)
        if keys:
            plan = Sort(plan, tuple(keys))
        return Distinct(plan, tuple(on)), []

    # ---- VALUES, set operations

    def values(self, values: ast.Values, scope: QueryScope) -> BoundQuery:
        width = len(values.rows[0])
        for row in values.rows:
            if len(row) != width:
                position = getattr(row[0], "position", values.position) if row else values.position
                scope.fail(SQLSyntaxError, "VALUES lists must all be the same length", position)
        rows = [[self.expression(e, scope, "VALUES") for e in row] for row in values.rows]
        columns = [expressions.unify([row[i] for row in rows]) for i in range(width)]
        unified = [[settled(e) for e in exprs] for exprs, _ in columns]
        relation = next(self.numbers)
        names = tuple(f"column{i + 1}" for i in range(width))
        outputs = tuple(
            Column(exprs[0].datatype, relation, i, names[i], nullable=any(e.nullable for e in exprs)) for i, exprs in enumerate(unified)
        )
        return BoundQuery(Values(relation, tuple(zip(*unified, strict=True))), outputs, names)

    def set_operation(self, body: ast.SetOperation, scope: QueryScope) -> BoundQuery:
        chain: list[ast.SetOperation] = []
        left: ast.QueryBody = body
        while isinstance(left, ast.SetOperation):
            chain.append(left)
            left = left.left
        chain.reverse()
        parts = [left, *(link.right for link in chain)]
        bounds = [self.body(part, self.scope(scope.outer, commons=scope.commons)) for part in parts]
        first = bounds[0]
        for link, bound in zip(chain, bounds[1:], strict=True):
            if len(bound.outputs) != len(first.outputs):
                message = f"each {link.operator.upper()} query must have the same number of columns"
                scope.fail(SQLSyntaxError, message, getattr(link.right, "position", body.position))
        unified = [expressions.unify([b.outputs[i] for b in bounds], body.operator.upper())[0] for i in range(len(first.outputs))]
        relation = next(self.numbers)
        only_first = not any(link.operator == "union" for link in chain)
        columns = tuple(
            Column(
                settled(exprs[0]).datatype,
                relation,
                i,
                first.names[i],
                nullable=any(e.nullable for e in (exprs[:1] if only_first else exprs)),
            )
            for i, exprs in enumerate(unified)
        )
        outputs = tuple(tuple(settled(exprs[k]) for exprs in unified) for k in range(len(bounds)))
        steps = tuple((link.operator, link.all) for link in chain)
        plan = SetOperation(relation, steps, tuple(b.plan for b in bounds), outputs)
        return BoundQuery(plan, columns, first.names)

    # ---- WITH

    def with_clause(self, clause: ast.With, scope: QueryScope) -> list[Common]:
        tables: list[Common] = []
        seen: set[str] = set()
        for table in clause.tables:
            if table.name in seen:
                scope.fail(DuplicateAlias, f'WITH query name "{table.name}" specified more than once', table.position)
            seen.add(table.name)
            given = self.environment.given.get(id(table))
            if given is not None:
                common, entry = self.given_rows(table, given, scope)
            elif not isinstance(table.query, ast.Query):
                message = "WITH clause containing a data-modifying statement must be at the top level"
                scope.fail(NotSupportedError, message, table.position)
            elif clause.recursive and mentions(table.query, table.name):
                common, entry = self.recursive(table, table.query, scope)
            else:
                bound = self.query(table.query, self.scope(scope.outer, commons=scope.commons))
                bound = replace(bound, outputs=tuple(settled(e) for e in bound.outputs))
                number = next(self.numbers)
                entry = self.common_entry(table, number, bound, scope)
                common = Common(number, table.name, bound.plan, bound.outputs, materialized=table.materialized)
            tables.append(common)
            scope.commons = {**scope.commons, table.name: entry}
        return tables

    def given_rows(self, table: ast.CommonTable, given: SystemTable, scope: QueryScope) -> tuple[Common, CommonEntry]:
        """A common table whose rows an earlier step of the statement has made."""
        relation, number = next(self.numbers), next(self.numbers)
        outputs = tuple(Column(datatype, relation, i, name) for i, (name, datatype) in enumerate(given.columns))
        plan = SystemScan(relation, given, table.name)
        bound = BoundQuery(plan, outputs, tuple(name for name, _ in given.columns))
        return Common(number, table.name, plan, outputs), self.common_entry(table, number, bound, scope)

    def common_entry(
        self, table: ast.CommonTable, number: int, bound: BoundQuery, scope: QueryScope, nullable: bool = False
    ) -> CommonEntry:
        if len(table.columns) > len(bound.outputs):
            message = f'WITH query "{table.name}" has {len(bound.outputs)} columns available but {len(table.columns)} columns specified'
            scope.fail(InvalidColumnReference, message, table.position)
        names = (*table.columns, *bound.names[len(table.columns) :])
        return CommonEntry(number, tuple((n, e.datatype, nullable or e.nullable) for n, e in zip(names, bound.outputs, strict=True)))

    def recursive(self, table: ast.CommonTable, query: ast.Query, scope: QueryScope) -> tuple[Common, CommonEntry]:
        body = query.body
        while isinstance(body, ast.Query) and not (body.order_by or body.limit or body.offset or body.with_):
            body = body.body
        if not isinstance(body, ast.SetOperation) or body.operator != "union" or mentions(body.left, table.name):
            message = f'recursive query "{table.name}" does not have the form non-recursive-term UNION [ALL] recursive-term'
            scope.fail(InvalidRecursion, message, table.position)
        if query.order_by or query.limit is not None or query.offset is not None:
            scope.fail(NotSupportedError, "ORDER BY or LIMIT in a recursive query is not supported", query.position)
        if query.with_ is not None:
            scope.fail(NotSupportedError, "WITH inside a recursive query is not supported", query.position)
        first = self.body(body.left, self.scope(scope.outer, commons=scope.commons))
        first = replace(first, outputs=tuple(settled(e) for e in first.outputs))
        number, working = next(self.numbers), next(self.numbers)
        entry = self.common_entry(table, number, first, scope, nullable=True)
        inside = {**scope.commons, table.name: replace(entry, number=working)}
        second = self.body(body.right, self.scope(scope.outer, commons=inside))
        if len(second.outputs) != len(first.outputs):
            scope.fail(SQLSyntaxError, "each UNION query must have the same number of columns", getattr(body.right, "position", -1))
        try:
            outputs = tuple(expressions.coerce(e, f.datatype, "implicit") for e, f in zip(second.outputs, first.outputs, strict=True))
        except Error as error:
            message = f'the terms of recursive query "{table.name}" have different column types: {error.message}'
            raise DatatypeMismatch(message, hint="Cast the output of the non-recursive term to the correct type.").at(
                table.position, self.environment.text
            ) from None
        common = Common(number, table.name, first.plan, first.outputs, second.plan, outputs, not body.all, working)
        return common, entry


def refuse_locking(query: ast.Query | None, what: str, scope: QueryScope) -> None:
    """Raise NotSupportedError where the query has FOR UPDATE or its kin: its rows are not those of a table."""
    if query is not None and query.locking:
        clause = f"FOR {query.locking[0].strength.upper()}"
        scope.fail(NotSupportedError, f"{clause} is not allowed with {what}", query.locking[0].position)


def alone(expr: Expr) -> Expr:
    """An expression whose window calls keep the function of their aggregate only: its arguments are those of the call."""

    def change(item: Any) -> Any:
        if isinstance(item, WindowCall) and item.aggregate is not None and (item.aggregate.arguments or item.aggregate.filter is not None):
            return replace(item, aggregate=replace(item.aggregate, arguments=(), filter=None))
        return None

    return transform(expr, change) if has_window(expr) else expr


def windowed(binder: Binder, plan: Node, exprs: Sequence[Expr]) -> tuple[Node, list[Expr]]:
    """The plan with a stage for all window calls in expressions, and the expressions in terms of it."""
    relation = next(binder.numbers)
    calls: list[WindowCall] = []

    def change(item: Any) -> Any:
        if isinstance(item, SubqueryExpression):
            # Its window calls are its own; only what it is compared with belongs here.
            return replace(item, operands=tuple(transform(e, change) for e in item.operands)) if item.operands else item
        if not isinstance(item, WindowCall):
            return None
        if item not in calls:
            calls.append(item)
        return Column(item.datatype, relation, calls.index(item), nullable=item.nullable, position=item.position)

    made = [transform(expr, change) for expr in exprs]
    return Window(plan, relation, tuple(calls)), made


def order_key(item: ast.OrderItem, expr: Expr) -> OrderKey:
    nulls_first = item.descending if item.nulls_first is None else item.nulls_first
    return OrderKey(expr, item.descending, nulls_first)


def place_of(expr: Expr, outputs: Sequence[Expr]) -> int | None:
    """Where the expression stands in the select list; one with a subquery only if it is that very one, named or numbered."""
    for place, output in enumerate(outputs):
        if output is expr or (output == expr and not has_subquery(expr)):
            return place
    return None


def ordinal(node: Any, outputs: Sequence[Expr], scope: QueryScope, clause: str) -> Expr | None:
    """The output that an integer literal numbers; None for any other expression."""
    if not isinstance(node, ast.Literal):
        return None
    if type(node.value) is not int:
        if clause != "DISTINCT ON":
            scope.fail(SQLSyntaxError, f"non-integer constant in {clause}", node.position)
        return None
    if not 1 <= node.value <= len(outputs):
        scope.fail(InvalidColumnReference, f"{clause} position {node.value} is not in select list", node.position)
    return outputs[node.value - 1]


def named_output(node: ast.Name, outputs: Sequence[Expr], names: Sequence[str], scope: QueryScope, clause: str) -> Expr | None:
    found = [e for e, name in zip(outputs, names, strict=True) if name == node.parts[0]]
    if len(found) > 1 and any(e != found[0] for e in found):
        scope.fail(sources.AmbiguousColumn, f'{clause} "{node.parts[0]}" is ambiguous', node.position)
    if not found or has_subquery(found[0]):  # one with a subquery is known by its identity (see place_of)
        return found[0] if found else None
    return replace(found[0], position=node.position)


def scope_of_outputs(binder: Binder, bound: BoundQuery, scope: QueryScope) -> QueryScope:
    columns = tuple(sources.Named(n, e) for n, e in zip(bound.names, bound.outputs, strict=True))
    return binder.scope(None, FromItem(bound.plan, columns))


def computed(binder: Binder, plan: Node, exprs: Sequence[Expr]) -> tuple[Node, list[Expr]]:
    """The plan with a Project for those expressions that aren't plain columns or constants, and what to read instead of each."""
    relation = next(binder.numbers)
    made: list[Expr] = []
    result: list[Expr] = []
    for expr in exprs:
        if isinstance(expr, Column | Constant):
            result.append(expr)
        else:
            result.append(Column(expr.datatype, relation, len(made), nullable=expr.nullable, position=expr.position))
            made.append(expr)
    return (Project(plan, relation, tuple(made)) if made else plan), result


def compute_once(binder: Binder, plan: Node, outputs: list[Expr], keys: list[OrderKey]) -> tuple[Node, list[Expr], list[OrderKey]]:
    """Sort keys that are costly or volatile outputs are computed once, before the sort."""
    shared = [
        k.expression
        for k in keys
        if any(k.expression is e or k.expression == e for e in outputs) and (has_subquery(k.expression) or is_volatile(k.expression))
    ]
    if not shared:
        return plan, outputs, keys
    plan, columns = computed(binder, plan, outputs)
    places = {id_of(e): c for e, c in zip(outputs, columns, strict=True)}
    return plan, columns, [replace(k, expression=places.get(id_of(k.expression), k.expression)) for k in keys]


def id_of(expr: Expr) -> Any:
    """What makes two bound expressions the same thing: a subquery only itself, anything else its value."""
    return (type(expr), id(getattr(expr, "query", None))) if has_subquery(expr) else expr


def mentions(node: Any, name: str) -> bool:
    """Whether a syntax tree reads a table of that (unqualified) name."""
    stack = [node]
    while stack:
        top = stack.pop()
        if isinstance(top, ast.TableRef) and top.name.parts == (name,):
            return True
        if isinstance(top, tuple):
            stack.extend(top)
        elif isinstance(top, ast.Node):
            stack.extend(getattr(top, f.name) for f in fields(top))
    return False
