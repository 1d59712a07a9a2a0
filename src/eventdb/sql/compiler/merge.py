"""The query behind MERGE: the source joined to the target, with the branch that each pair of rows takes and what that branch needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eventdb.model.datatype import BIGINT, BOOLEAN, INTEGER, DataType
from eventdb.model.record import Record
from eventdb.model.schema import Table
from eventdb.sql.compiler.prepare import _assigned, _guarded, _targets
from eventdb.sql.environment import Environment
from eventdb.sql.expressions.bound import Case, Column, Comparison, Constant, Expr, IsNull, Logical
from eventdb.sql.expressions.conjuncts import conjuncts
from eventdb.sql.parser import ast
from eventdb.sql.planner import nodes as plan
from eventdb.sql.planner import sources
from eventdb.sql.planner.binder import Binder, settled
from eventdb.sql.planner.scope import NOTHING, FromItem, QueryScope
from eventdb.sql.prepared import PreparedQuery

FIRST = 2
"""The place of the first output in a row of the query, behind the stored row of the target and the number of the branch."""


class Branch(Record):
    """A WHEN clause: its condition, and the expressions that its action needs, to be cast to `want` as an assignment does."""

    when: ast.MergeWhen
    outputs: tuple[ast.Expression, ...]
    want: tuple[DataType | None, ...]


def prepare_merge_rows(
    env: Environment, statement: ast.Merge, table: Table, branches: Sequence[Branch], extra: Sequence[ast.Expression]
) -> PreparedQuery:
    """Prepare the query for rows (stored row of `table`, number of the branch or None, outputs of all branches, `extra`).

    The stored row begins with None where the source has no match; outputs of other branches than the row's own are NULL and were not
    computed. `extra`: names of source columns, NULL where the target has no match, and literals.
    """

    def work() -> PreparedQuery:
        binder = Binder(env)
        scope = binder.scope()
        tables = binder.with_clause(statement.with_, scope) if statement.with_ is not None else []
        target = sources.table_source(binder, table, ast.Alias(statement.alias) if statement.alias else None, scope)
        given = sources.table_expression(binder, statement.source, scope, NOTHING)
        joined, there, here = _joined(binder, scope, statement, target, given)
        branch = _branch(binder, scope, branches, joined, len(given.columns), len(given.sources), there, here)
        number = next(binder.numbers)
        outputs: list[Expr] = [Column(INTEGER, number, 0)]
        for place, item in enumerate(branches):
            scope.item = _visible(item.when, joined, len(given.columns), len(given.sources))
            chosen = Comparison(BOOLEAN, "=", outputs[0], Constant(INTEGER, place, nullable=False))
            for expression, want in zip(item.outputs, item.want, strict=True):
                value = _assigned(binder, expression, scope, want)
                outputs.append(Case(value.datatype, ((chosen, value),), None))
        scope.item = joined
        outputs += [settled(binder.expression(name, scope, "RETURNING")) for name in extra]
        return _targets(binder, plan.Project(joined.plan, number, (branch,)), outputs, tables, target.plan)

    result: PreparedQuery = _guarded(work, env)
    return result


def _joined(
    binder: Binder, scope: QueryScope, statement: ast.Merge, target: FromItem, given: FromItem
) -> tuple[FromItem, Expr, Expr]:
    """(source and target joined, whether there is a source row, whether there is a row of the target)."""
    relation = next(binder.numbers)
    marked = FromItem(plan.Project(given.plan, relation, (Constant(BOOLEAN, True, nullable=False),)), given.columns, given.sources)
    both = sources.combined(scope, marked, target, "inner", (), statement.position)
    scope.item = both
    conditions = conjuncts(binder.condition(statement.on, scope, "MERGE/ON"))
    whens = statement.whens
    kind: Any = "full" if any(w.by_source for w in whens) else "left" if any(not w.matched for w in whens) else "inner"
    joined = sources.combined(scope, marked, target, kind, conditions, statement.position, binder)
    stored = target.plan.relation  # type: ignore[attr-defined]
    there = IsNull(BOOLEAN, Column(BOOLEAN, relation, 0, nullable=kind == "full"), negated=True, nullable=False)
    here = IsNull(BOOLEAN, Column(BIGINT, stored, 0, nullable=kind != "inner"), negated=True, nullable=False)
    return joined, there, here


def _visible(when: ast.MergeWhen, joined: FromItem, columns: int, count: int) -> FromItem:
    """What a branch may name: the source alone, the target alone, or both."""
    if when.matched:
        return joined
    if when.by_source:
        return FromItem(joined.plan, joined.columns[columns:], joined.sources[count:])
    return FromItem(joined.plan, joined.columns[:columns], joined.sources[:count])


def _branch(
    binder: Binder, scope: QueryScope, branches: Sequence[Branch], joined: FromItem, columns: int, count: int, there: Expr, here: Expr
) -> Expr:
    """The number of the first branch whose turn it is."""
    whens: list[tuple[Expr, Expr]] = []
    for place, item in enumerate(branches):
        when = item.when
        tests = [there, here] if when.matched else [here, _not(there)] if when.by_source else [there, _not(here)]
        scope.item = _visible(when, joined, columns, count)
        if when.condition is not None:
            tests += conjuncts(binder.condition(when.condition, scope, "MERGE WHEN"))
        test = Logical(BOOLEAN, "and", tuple(tests), nullable=any(t.nullable for t in tests))
        whens.append((test, Constant(INTEGER, place, nullable=False)))
    return Case(INTEGER, tuple(whens), None)


def _not(expr: Expr) -> Expr:
    return Logical(BOOLEAN, "not", (expr,), nullable=expr.nullable)
