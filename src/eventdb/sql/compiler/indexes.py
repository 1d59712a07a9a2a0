"""Generated code of ranges of keys, and of look-ups and ranges in indexes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from eventdb.model.schema import Index
from eventdb.model.value import MAX_KEY, MIN_KEY, NAN_KEY, NULL_KEY, Descending
from eventdb.sql.compiler.generator import PRODUCERS, Generator, Need
from eventdb.sql.compiler.steps import For, If, Steps
from eventdb.sql.expressions.bound import Constant, Expr
from eventdb.sql.planner import nodes as plan

_WIDE = 4


def float_key(value: float) -> Any:
    """The key component of a float."""
    return value if value == value else NAN_KEY


def narrow_or_all(table: Any, index_id: int, low: Any, high: Any, partial: bool = False) -> Iterator[Sequence[Any]]:
    """The rows of a range of an index, or all rows of the table where the range is so wide that fetching row by row costs more."""
    index = table.index(index_id)
    # A whole index has an entry for each row. To ask the table counts as reading all of it (SERIALIZABLE).
    rows = table.row_count() if partial else index.count()
    if index.count(low, high) * _WIDE > rows:
        return table.unordered()  # type: ignore[no-any-return]
    return index.batches(low, high)  # type: ignore[no-any-return]


def _define(g: Generator) -> None:
    for name, value in (
        ("MIN_KEY", MIN_KEY),
        ("MAX_KEY", MAX_KEY),
        ("NULL_KEY", NULL_KEY),
        ("Descending", Descending),
        ("float_key", float_key),
        ("narrow_or_all", narrow_or_all),
    ):
        g.define(name, value)


def _index_name(g: Generator, node: plan.IndexLookup | plan.IndexRange) -> str:
    table = g.table_name(node)
    key = (table, node.index.id)
    if key not in g.opened:
        name = g.opened[key] = f"{table}_index{node.index.id}".replace("-", "_")  # a temporary one's id is negative
        g.tables.append(f"{name} = {table}.index({node.index.id})  # {node.index.name}")
    return g.opened[key]


def _key_source(source: str, expr: Expr, descending: bool = False) -> str:
    """Source of the key component for a value that isn't NULL (see `model.keys.component`)."""
    if expr.datatype.is_float and not (isinstance(expr, Constant) and expr.value == expr.value):
        source = f"float_key({source})"
    return f"Descending({source})" if descending else source


def _index_lookup(g: Generator, node: plan.IndexLookup, need: Need) -> Steps:
    _define(g)
    index, n = _index_name(g, node), node.relation
    note = f"IndexLookup {node.alias} by {node.index.name}"
    if len(node.keys) == 1:
        before, sources = _components(g, node.index, node.keys[0])
        before, source = _folded(before, f"{index}.lookup({g.tuple_of(sources)})")
        return [*before, For(f"r{n}", source, note=note)]
    keys = ", ".join(g.key_of(key) for key in node.keys)
    item = _key_source(f"item{n}", node.keys[0][0])
    return [For(f"item{n}", f"distinct_keys(({keys},))"), For(f"r{n}", f"{index}.lookup(({item},))", note=note)]


def _components(g: Generator, index: Index, exprs: Sequence[Expr]) -> tuple[Steps, list[str]]:
    """Steps that leave out NULLs, and a source for each leading component of an index."""
    steps, sources = _guarded(g, exprs)
    flags = [column.descending for column in index.columns]
    return steps, [_key_source(s, e, d) for s, e, d in zip(sources, exprs, flags, strict=False)]


def _guarded(g: Generator, exprs: Sequence[Expr]) -> tuple[Steps, list[str]]:
    """Steps that leave out NULLs, and a source for each value."""
    steps: Steps = []
    sources = []
    for expr in exprs:
        more, (source,) = g.guarded(((expr,),))
        steps += more
        sources.append(source)
    return steps, sources


def _range_sources(g: Generator, bounds: plan.Bounds) -> tuple[Steps, list[str], str | None, str | None]:
    steps, prefix = _guarded(g, bounds.prefix)
    ends: list[str | None] = []
    for bound in (bounds.low, bounds.high):
        if bound is None:
            ends.append(None)
        else:
            more, (source,) = _guarded(g, (bound[0],))
            steps += more
            ends.append(source)
    return steps, prefix, ends[0], ends[1]


def _index_bounds(g: Generator, node: plan.IndexRange) -> tuple[Steps, str, str]:
    """Steps that leave out NULLs, and sources of the lowest entry of a range and of the first one behind it.

    NULLs lie at one end of a component and are left out of a range on it: behind MIN_KEY, or before NULL_KEY. In a DESC component low and
    high change places.
    """
    bounds = node.bounds
    steps, prefix = _components(g, node.index, bounds.prefix)
    if bounds.low is None and bounds.high is None:
        if not prefix:
            return steps, "None", "None"
        return steps, g.tuple_of(prefix), g.tuple_of([*prefix, "MAX_KEY"])
    descending = node.index.columns[len(prefix)].descending
    ends: list[list[str] | None] = []
    for bound, is_low in ((bounds.low, True), (bounds.high, False)):
        if bound is None:
            ends.append(None)
            continue
        more, (source,) = _guarded(g, (bound[0],))
        steps += more
        # `>` and `<=` stop behind all entries with that value, `>=` and `<` before them; the other way round where the order is reversed.
        behind = (is_low == bound[1]) != descending
        ends.append([_key_source(source, bound[0], descending), "MAX_KEY"] if behind else [_key_source(source, bound[0], descending)])
    low, high = ends
    if descending:
        low, high = high, low
        first, last = ["Descending(NULL_KEY)", "MAX_KEY"], ["Descending(MIN_KEY)"]
    else:
        first, last = ["MIN_KEY", "MAX_KEY"], ["NULL_KEY"]
    return steps, g.tuple_of([*prefix, *(low or first)]), g.tuple_of([*prefix, *(high or last)])


def _index_range(g: Generator, node: plan.IndexRange, need: Need) -> Steps:
    _define(g)
    n = node.relation
    steps, low, high = _index_bounds(g, node)
    note = f"IndexRange {node.alias} by {node.index.name}"
    if node.ordered:
        size = f", size={g.first[n]}" if n in g.first else ""
        source = f"{_index_name(g, node)}.batches({low}, {high}{', True' if node.reverse else ''}{size})"
    else:
        partial = ", True" if node.index.where is not None else ""
        source = f"narrow_or_all({g.table_name(node)}, {node.index.id}, {low}, {high}{partial})"
    steps, source = _folded(steps, source)
    tests = [If(g.condition(c)) for c in node.implied]
    return [*steps, For(f"b{n}", source, not steps, note), For(f"r{n}", f"b{n}"), *tests]


def _folded(steps: Steps, source: str) -> tuple[Steps, str]:
    """Mere tests before a source of rows become part of it, so that the pipeline begins with a loop."""
    if not steps or not all(isinstance(step, If) for step in steps):
        return steps, source
    tests = " and ".join(step.condition for step in steps if isinstance(step, If))
    return [], f"({source} if {tests} else ())"


def _key_range(g: Generator, node: plan.KeyRange, need: Need) -> Steps:
    _define(g)
    n, bounds, table = node.relation, node.bounds, g.table_name(node)
    steps, prefix, low, high = _range_sources(g, bounds)
    arguments = []
    if len(node.table.key_slots) == 1:
        arguments = [
            low or "None",
            high or "None",
            str(bounds.low is not None and bounds.low[1]),
            str(bounds.high is not None and bounds.high[1]),
        ]
    else:
        low_end = "MIN_KEY" if bounds.low is None or not bounds.low[1] else "MAX_KEY"
        high_end = "MAX_KEY" if bounds.high is None or not bounds.high[1] else "MIN_KEY"
        low_parts = [*prefix, *([low] if low else []), low_end]
        high_parts = [*prefix, *([high] if high else []), high_end]
        arguments = [g.tuple_of(low_parts) if len(low_parts) > 1 else "None", g.tuple_of(high_parts) if len(high_parts) > 1 else "None"]
    reverse = ", reverse=True" if node.reverse else ""
    steps, source = _folded(steps, f"{table}.batches({', '.join(arguments)}{reverse})")
    return [*steps, For(f"b{n}", source, not steps, f"KeyRange {node.alias}"), For(f"r{n}", f"b{n}")]


PRODUCERS.update({plan.IndexLookup: _index_lookup, plan.IndexRange: _index_range, plan.KeyRange: _key_range})
