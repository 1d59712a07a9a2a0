"""Preparing: syntax tree and environment to a function that runs. The doors of the query half; see `eventdb.sql`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from eventdb.errors import Error, QueryCanceled, StatementTooComplex
from eventdb.model.datatype import TEXT, DataType
from eventdb.model.record import replace
from eventdb.model.schema import Table

# These register what they compile.
from eventdb.sql.compiler import breakers, indexes, joins, windows  # noqa: F401
from eventdb.sql.compiler.generator import Generator, Need, places
from eventdb.sql.compiler.steps import For, If, Let, Steps, clauses, comprehensible, loops, nested
from eventdb.sql.environment import Environment, Execution
from eventdb.sql.expressions import binder as expressions
from eventdb.sql.expressions.bound import END, Column, Expr
from eventdb.sql.expressions.compiler import compile_source
from eventdb.sql.expressions.conjuncts import conjuncts
from eventdb.sql.parser import ast
from eventdb.sql.planner import nodes as plan
from eventdb.sql.planner import sources
from eventdb.sql.planner.binder import Binder, settled
from eventdb.sql.planner.costs import Costs
from eventdb.sql.planner.explain import explain
from eventdb.sql.planner.planner import planned
from eventdb.sql.planner.rules import Context
from eventdb.sql.planner.scope import FromItem, QueryScope
from eventdb.sql.prepared import Instrumented, PreparedProjection, PreparedQuery, ResultColumn

_MANY_ROWS = 2000


def _guarded(work: Callable[[], Any], environment: Environment) -> Any:
    """Run a step of preparing; errors get the statement's text, Python's recursion limit becomes an error of ours."""
    try:
        return work()
    except RecursionError:
        raise StatementTooComplex("the statement nests too deeply", statement=environment.text) from None
    except Error as error:
        raise error.at(None, environment.text) from None


def prepare_query(query: ast.Query, env: Environment, *, optimise: bool = True) -> PreparedQuery:
    """Prepare a query. Raises ProgrammingError and its kin with the place in `env.text`. `optimise` False, for tests: without the rules."""

    def work() -> PreparedQuery:
        binder = Binder(env)
        bound = binder.query(query)
        return _compiled(binder, bound, None, optimise)

    result: PreparedQuery = _guarded(work, env)
    return result


def prepare_targets(
    env: Environment, table: Table, alias: str | None, from_: Sequence[ast.TableExpression], where: ast.Expression | None,
    outputs: Sequence[Any], want: Sequence[DataType | None], with_: ast.With | None = None, versions: int = 0,
) -> PreparedQuery:  # fmt: skip
    """Prepare what UPDATE, DELETE and MERGE act on: rows (stored row of `table`, outputs …), outputs cast for assignment to `want`.

    `versions`: the place in `Execution.positions` of the span whose versions are read, for ERASE; 0 for the rows of now.

    An output that is ast.Default gives None.
    """

    def work() -> PreparedQuery:
        binder = Binder(env)
        scope = binder.scope()
        tables = binder.with_clause(with_, scope) if with_ is not None else []
        target = sources.table_source(binder, table, ast.Alias(alias) if alias else None, scope, versions, versions > 0)
        others = sources.from_clause(binder, from_, scope)
        scope.item = sources.combined(scope, target, others, "inner", (), -1) if from_ else target
        node = scope.item.plan
        if where is not None:
            node = plan.Filter(node, conjuncts(binder.condition(where, scope, "WHERE")))
        exprs = [_assigned(binder, node_, scope, datatype) for node_, datatype in zip(outputs, want, strict=True)]
        return _targets(binder, node, exprs, tables, target.plan)

    result: PreparedQuery = _guarded(work, env)
    return result


def column_names(
    env: Environment, table: Table, alias: str, from_: Sequence[ast.TableExpression], with_: ast.With | None, star: ast.Star
) -> list[ast.Name]:
    """The names that a `*` of RETURNING stands for: the columns of `table` (as `alias`), then those of `from_`, each with its source."""

    def work() -> list[ast.Name]:
        binder = Binder(env)
        scope = binder.scope()
        if with_ is not None:
            binder.with_clause(with_, scope)
        target = sources.table_source(binder, table, ast.Alias(alias), scope)
        scope.item = sources.combined(scope, target, sources.from_clause(binder, from_, scope), "inner", (), star.position)
        return [_full_name(column, scope, star) for column in scope.expand(star)]

    result: list[ast.Name] = _guarded(work, env)
    return result


def _full_name(column: sources.Named, scope: QueryScope, star: ast.Star) -> ast.Name:
    for source in scope.item.sources:
        if any(c.name == column.name and c.expression == column.expression for c in source.columns):
            return ast.Name((source.alias, column.name), position=star.position)
    return ast.Name((column.name,), position=star.position)


def _assigned(binder: Binder, node: Any, scope: QueryScope, want: DataType | None) -> Expr:
    if isinstance(node, ast.Default):
        from eventdb.sql.expressions.bound import Constant

        return Constant(want or TEXT, None)
    expr = binder.expression(node, scope, "UPDATE", want=None)
    return settled(expr) if want is None else expressions.coerce(expr, want, "assignment")


def prepare_projection(
    env: Environment, sources_: Sequence[tuple[str, Table]], items: Sequence[ast.SelectItem], where: ast.Expression | None = None,
    want: Sequence[DataType | None] | None = None,
) -> PreparedProjection:  # fmt: skip
    """Prepare expressions over given rows; see PreparedProjection. `want`: types to cast to, as an assignment does."""

    def work() -> PreparedProjection:
        binder = Binder(env)
        scope = binder.scope()
        bound = [sources.table_source(binder, table, ast.Alias(alias) if alias != table.name else None, scope) for alias, table in sources_]
        columns = tuple(c for item in bound for c in item.columns)
        scope.item = FromItem(plan.Single(), columns, tuple(s for item in bound for s in item.sources))
        scope.clause = "RETURNING"
        outputs, names = [], []
        for item in items:
            if isinstance(item.expression, ast.Star):
                more, more_names = binder.select_list((item,), scope)
            else:
                more, more_names = [binder.expression(item.expression, scope, "RETURNING")], [item.alias or sources_column_name(item)]
            outputs += more
            names += more_names
        if want is not None:
            outputs = [settled(e) if t is None else expressions.coerce(e, t, "assignment") for e, t in zip(outputs, want, strict=True)]
        outputs = [settled(e) for e in outputs]
        tests = conjuncts(binder.condition(where, scope, "WHERE")) if where is not None else ()
        return _projection(binder, [item.plan for item in bound], outputs, names, tests)

    result: PreparedProjection = _guarded(work, env)
    return result


def sources_column_name(item: ast.SelectItem) -> str:
    from eventdb.sql.planner.scope import column_name

    return column_name(item.expression)


def _projection(
    binder: Binder, leaves: Sequence[plan.Node], outputs: Sequence[Expr], names: Sequence[str], tests: Sequence[Expr]
) -> PreparedProjection:
    environment = binder.environment
    context = _context(binder)
    query = planned(plan.BoundQuery(plan.Filter(plan.Single(), tuple(tests)), tuple(outputs), tuple(names)), context)
    conditions = query.plan.conditions if isinstance(query.plan, plan.Filter) else ()
    g = Generator()
    for leaf in leaves:
        g.note_rows(leaf)
        g.overrides[leaf.relation, END] = "None"  # type: ignore[attr-defined]  # what a change shows has not ended
    rows = [f"r{leaf.relation}" for leaf in leaves]  # type: ignore[attr-defined]
    target = ", ".join(rows) if rows else "_"
    steps: Steps = [For(target, "rows"), *(If(g.condition(c)) for c in conditions)]
    g.listed(steps, _projected(g, leaves, query.outputs), "result")
    g.write("return result")
    source = g.text("run", "cx, p, rows")
    return PreparedProjection(_columns(query), _parameters(environment), _function(source, g), source)


def _projected(g: Generator, leaves: Sequence[plan.Node], outputs: Sequence[Expr]) -> str:
    whole = next((leaf for leaf in leaves if outputs and isinstance(outputs[0], Column) and leaf.relation == outputs[0].relation), None)  # type: ignore[attr-defined]
    return g.output_row(whole, outputs) if whole is not None else g.tuple_of([g.value(e) for e in outputs])


def prepare_constant(expr: ast.Expression, env: Environment, want: DataType) -> Callable[[Execution, Sequence[Any]], Any]:
    """Prepare an expression without columns (subqueries may stand in it): a function of execution and parameters."""

    def work() -> Callable[[Execution, Sequence[Any]], Any]:
        binder = Binder(env)
        bound = expressions.coerce(binder.expression(expr, binder.scope(), "this place"), want, "assignment")
        query = planned(plan.BoundQuery(plan.Single(), (bound,), ("value",)), _context(binder))
        g = Generator()
        g.write(f"return {g.value(query.outputs[0])}")
        run: Callable[[Execution, Sequence[Any]], Any] = _function(g.text("run", "cx, p"), g)
        return run

    result: Callable[[Execution, Sequence[Any]], Any] = _guarded(work, env)
    return result


# ---- the function


def _context(binder: Binder) -> Context:
    environment = binder.environment
    return Context(Costs(environment.catalog, environment.statistics, binder.catalogs), lambda: next(binder.numbers))


def _columns(query: plan.BoundQuery) -> tuple[ResultColumn, ...]:
    return tuple(ResultColumn(n, e.datatype, e.nullable) for n, e in zip(query.names, query.outputs, strict=True))


def _parameters(environment: Environment) -> tuple[DataType, ...]:
    return tuple(t if t is not None else TEXT for t in environment.parameter_types)


def _function(source: str, g: Generator, name: str = "run") -> Any:
    exec(compile_source(source, "<plan>"), g.names)
    return g.names[name]


def _targets(binder: Binder, node: plan.Node, exprs: Sequence[Expr], tables: Sequence[Any], target: plan.Node) -> PreparedQuery:
    """The query for rows of a write: the stored row of `target`, then `exprs` over `node`, with the common tables that it began with."""
    if tables:
        node = plan.CommonTables(node, tuple(tables))
    names = tuple(f"column{i + 1}" for i in range(len(exprs)))
    return _compiled(binder, plan.BoundQuery(node, tuple(exprs), names), target, True)


def _compiled(binder: Binder, bound: plan.BoundQuery, target: plan.Node | None, optimise: bool) -> PreparedQuery:
    context = _context(binder)
    query = planned(bound, context, optimise)
    row = f"r{target.relation}" if target is not None else None  # type: ignore[attr-defined]
    g = Generator()
    streaming = _write(g, query, row, context.costs)
    source = g.text("run", "cx, p")
    run = _function(source, g)
    context.costs.settle(query)

    def instrument() -> Instrumented:
        return _instrumented(query, row, context.costs)

    def describe() -> str:
        return explain(query, context.costs)

    return PreparedQuery(_columns(query), _parameters(binder.environment), run, streaming, source, describe, instrument)


def _need(query: plan.BoundQuery, row: str | None) -> Need:
    own: Need = frozenset(((int(row[1:]), 0),)) if row else frozenset()
    return places(query.outputs) | own


def _write(g: Generator, query: plan.BoundQuery, row: str | None, costs: Costs, analyze: bool = False) -> bool:
    """Write the body of the statement's function; True if it is a generator of lists."""
    g.note_rows(query.plan)
    steps = g.produce(query.plan, _need(query, row))
    if row:
        element = g.tuple_of([row, *(g.value(e) for e in query.outputs)])
    else:
        element = g.output_row(query.plan, query.outputs)
    if not loops(steps):
        return _write_single(g, steps, element)
    first = steps[0]
    if isinstance(first, For) and first.batches and row is None and not analyze and costs.rows(query.plan) > _MANY_ROWS:
        _write_stream(g, first, steps[1:], element)
        return True
    if len(steps) == 1 and isinstance(first, For) and element == first.target:
        g.write(f"return list({first.iterable})")
    elif comprehensible(steps):
        g.write(f"return [{element} {clauses(steps)}]")
    else:
        g.write("result = []", "append = result.append", *nested(steps, [f"append({element})"]), "return result")
    return False


def _write_single(g: Generator, steps: Steps, element: str) -> bool:
    """At most one row: no loop, leave as soon as a test fails."""
    for step in steps:
        if isinstance(step, Let):
            g.write(*nested([step], []))
        elif isinstance(step, If):
            g.write(f"if not ({step.condition}): return []")
        else:
            g.write(*nested([step], []))
    g.write(f"return [{element}]")
    return False


def _write_stream(g: Generator, first: For, rest: Steps, element: str) -> None:
    if comprehensible(rest):
        lines = [f"rows = [{element} {clauses(rest)}]"]
    else:
        lines = ["rows = []", "append = rows.append", *nested(rest, [f"append({element})"])]
    g.write(*nested([replace(first)], [*lines, "if rows: yield rows"]))


def _instrumented(query: plan.BoundQuery, row: str | None, costs: Costs) -> Instrumented:
    """The statement with a counter and a clock behind each node.

    The clock runs on: when a row passes a node, the time since a row last passed any node is that node's. So the times are the nodes' own,
    without those below, and their sum is the whole. A row that passes after the execution's deadline raises QueryCanceled.
    """
    g = Generator(analyze=True)
    _write(g, query, row, costs, analyze=True)
    counts, times = [0] * (len(g.counted) + 1), [0.0] * (len(g.counted) + 1)
    clock = time.perf_counter
    last = 0.0
    deadline: float | None = None

    def passed(node: int) -> None:
        nonlocal last
        now = clock()
        if deadline is not None and now > deadline:
            raise QueryCanceled("canceling statement due to statement timeout")
        counts[node] += 1
        times[node] += now - last
        last = now

    g.names["passed"] = passed
    compiled = _function(g.text("run", "cx, p"), g)

    def run(cx: Execution, p: tuple[Any, ...]) -> Any:
        nonlocal last, deadline
        last, deadline = clock(), cx.deadline
        return compiled(cx, p)

    def describe() -> str:
        real = {id(node): f", actual={counts[number]}, time={times[number] * 1000:.3f} ms" for number, node in g.counted.items()}
        return explain(query, costs, lambda node: real.get(id(node), ""))

    return Instrumented(run, describe)
