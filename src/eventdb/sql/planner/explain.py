"""Plans as text: one line a node, children indented, with estimated (and, where measured, real) rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from eventdb.model.record import replace
from eventdb.sql.expressions import compiler as expressions
from eventdb.sql.expressions.bound import END, Column, Expr, IsNull, OrderKey, SubqueryExpression
from eventdb.sql.expressions.sources import SourceEmitter
from eventdb.sql.planner import nodes as plan
from eventdb.sql.planner.costs import Costs
from eventdb.sql.planner.walk import everything, inputs


class _Describer(SourceEmitter):
    """Expressions in Python's spelling, with column names."""

    def __init__(self, names: dict[int, tuple[str, dict[int, str]]]) -> None:
        super().__init__()
        self.columns = names

    def column(self, column: Column) -> str:
        alias, slots = self.columns.get(column.relation, ("", {}))
        name = slots.get(column.ordinal) or column.name or f"column{column.ordinal}"
        return f"{alias}.{name}" if alias else name

    def subquery(self, expression: SubqueryExpression) -> str:
        return f"({expression.kind} subquery)"

    def constant(self, value: object) -> str:
        return str(sorted(value, key=repr)) if isinstance(value, frozenset) else repr(value)


def describe(exprs: Iterable[Expr], emitter: _Describer, joint: str = ", ", condition: bool = False) -> str:
    write = expressions.condition if condition else expressions.value
    parts = []
    for expr in exprs:
        source = write(as_known(expr), emitter)
        parts.append(source[1:-1] if source.startswith("(") and _balanced(source) else source)
    return joint.join(parts)


def as_known(expr: Expr) -> Expr:
    """The expression with no operand nullable, which makes its text short."""
    from eventdb.sql.planner.walk import rebuild

    def step(part: Any) -> Any:
        if isinstance(part, plan.Node | IsNull):
            return part
        part = rebuild(part, step) if not isinstance(part, SubqueryExpression) else part
        return replace(part, nullable=False) if getattr(part, "nullable", False) else part

    known: Expr = step(expr)
    return known


def _balanced(text: str) -> bool:
    """Whether the first parenthesis closes with the last character."""
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return place == len(text) - 1
    return False


def explain(query: plan.BoundQuery, costs: Costs, extra: Callable[[plan.Node], str] = lambda node: "") -> str:
    """The tree of a query and, below it, those of its subqueries."""
    emitter = _Describer(_names(query))
    lines: list[str] = []
    _tree(query.plan, 0, lines, emitter, costs, extra)
    shown: set[int] = set()
    for part in everything(query):
        if isinstance(part, SubqueryExpression) and isinstance(part.query, plan.BoundQuery) and id(part.query) not in shown:
            shown.add(id(part.query))
            lines.append(f"{part.kind.capitalize()} subquery:")
            _tree(part.query.plan, 1, lines, emitter, costs, extra)
    return "\n".join(lines)


def _names(query: plan.BoundQuery) -> dict[int, tuple[str, dict[int, str]]]:
    names: dict[int, tuple[str, dict[int, str]]] = {}
    for node in everything(query):
        if isinstance(node, plan.Access):
            slots = {c.slot: c.name for c in node.table.columns}
            names[node.relation] = (node.alias, {**slots, 0: "row_start_tx", END: "row_end_tx"})
        elif isinstance(node, plan.CommonScan):
            names[node.relation] = (node.name, {})
        elif isinstance(node, plan.SystemScan):
            names[node.relation] = (node.alias, dict(enumerate(n for n, _ in node.table.columns)))
    return names


def _tree(node: plan.Node, depth: int, lines: list[str], emitter: _Describer, costs: Costs, extra: Callable[[plan.Node], str]) -> None:
    text = f"{type(node).__name__}{_details(node, emitter)}"
    measured = extra(node)
    lines.append(f"{'  ' * depth}{text}  (rows={costs.rows(node):.0f}{measured})")
    if isinstance(node, plan.CommonTables):
        for table in node.tables:
            lines.append(f"{'  ' * (depth + 1)}{'Recursive' if table.recursive else 'Common'} table {table.name}")
            _tree(table.plan, depth + 2, lines, emitter, costs, extra)
            if table.recursive is not None:
                _tree(table.recursive, depth + 2, lines, emitter, costs, extra)
        _tree(node.input, depth + 1, lines, emitter, costs, extra)
        return
    if isinstance(node, plan.Empty):
        return
    for child in inputs(node):
        _tree(child, depth + 1, lines, emitter, costs, extra)


def _order(keys: Sequence[OrderKey], emitter: _Describer) -> str:
    parts = []
    for key in keys:
        nulls = "" if key.nulls_first == key.descending else (" nulls first" if key.nulls_first else " nulls last")
        parts.append(describe((key.expression,), emitter) + (" desc" if key.descending else "") + nulls)
    return ", ".join(parts)


def _bounds(bounds: plan.Bounds, emitter: _Describer) -> str:
    parts = [f"= {describe((e,), emitter)}" for e in bounds.prefix]
    if bounds.low is not None:
        parts.append(f"{'>' if bounds.low[1] else '>='} {describe((bounds.low[0],), emitter)}")
    if bounds.high is not None:
        parts.append(f"{'<' if bounds.high[1] else '<='} {describe((bounds.high[0],), emitter)}")
    return ", ".join(parts) or "all"


def _details(node: plan.Node, emitter: _Describer) -> str:
    match node:
        case plan.Access():
            moment = f" at moment {node.moment}" if node.moment else ""
            moment += " (versions)" if node.versions else ""
            name = node.table.name if node.alias == node.table.name else f"{node.table.name} {node.alias}"
            return f" {name}{moment}{_access(node, emitter)}"
        case plan.SystemScan() if not node.table.schema:
            return f" {node.alias}"
        case plan.SystemScan():
            limits = [
                f"{node.table.columns[ordinal][0]} {operator} {describe(values, emitter)}" for ordinal, operator, values in node.limits
            ]
            limits += [f"by {node.table.columns[ordinal][0]}" for ordinal, _ in node.keys]
            at = f" at moment {node.moment}" if node.moment else ""
            order = " backwards" if node.reverse else ""
            return f" {node.table.schema}.{node.table.name}{at}{': ' + ', '.join(limits) if limits else ''}{order}"
        case plan.CommonScan():
            return f" {node.name}"
        case plan.Filter():
            return f": {describe(node.conditions, emitter, ' and ', True)}"
        case plan.Project():
            return f": {describe(node.expressions, emitter)}"
        case plan.HashJoin() | plan.LookupJoin() | plan.SemiJoin() | plan.AntiJoin():
            kind = f" {node.kind}" if isinstance(node, plan.HashJoin | plan.LookupJoin) else ""
            pairs = zip(node.left_keys, node.right_keys, strict=True)
            keys = " and ".join(f"{describe((a,), emitter)} = {describe((b,), emitter)}" for a, b in pairs)
            rest = describe(node.conditions, emitter, " and ", True)
            return f"{kind}{' unique' if getattr(node, 'unique', False) else ''}: {keys}{' and ' if keys and rest else ''}{rest}"
        case plan.Join() | plan.NestedLoop():
            rest = describe(node.conditions, emitter, " and ", True)
            return f" {node.kind}{': ' + rest if rest else ''}"
        case plan.Aggregate():
            return f": {describe(node.groups, emitter)}" if node.groups else ""
        case plan.Window():
            return ": " + ", ".join(dict.fromkeys(call.name for call in node.calls))
        case plan.Sort():
            return f": {_order(node.keys, emitter)}"
        case plan.TopN():
            return f" {describe((node.limit,), emitter)}: {_order(node.keys, emitter)}"
        case plan.Limit():
            percent = " percent" if node.percent else ""
            return f" {describe((node.limit,), emitter)}{percent}" if node.limit is not None else ""
        case plan.Distinct():
            return f": {describe(node.on, emitter)}"
        case plan.SetOperation():
            return " " + ", ".join(dict.fromkeys(f"{operator}{' all' if every else ''}" for operator, every in node.steps))
        case plan.Lookup():
            pairs = zip(node.keys, node.values, strict=True)
            return f": {' and '.join(f'{describe((a,), emitter)} = {describe((b,), emitter)}' for a, b in pairs)}"
    return ""


def _access(node: plan.Access, emitter: _Describer) -> str:
    match node:
        case plan.KeyLookup():
            return ": key " + " or ".join(f"({describe(key, emitter)})" for key in node.keys)
        case plan.KeyRange():
            return f": key {_bounds(node.bounds, emitter)}{' backwards' if node.reverse else ''}"
        case plan.IndexLookup():
            return f" by {node.index.name}: " + " or ".join(f"({describe(key, emitter)})" for key in node.keys)
        case plan.IndexRange():
            return f" by {node.index.name}: {_bounds(node.bounds, emitter)}{' backwards' if node.reverse else ''}"
        case plan.Scan(ordered=True) | plan.Scan(reverse=True):
            return " in key order" + (" backwards" if node.reverse else "")
    return ""
