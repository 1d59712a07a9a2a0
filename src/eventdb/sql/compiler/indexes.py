"""Generated code of ranges of keys, and of look-ups and ranges in indexes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from eventdb.model.value import MAX_KEY, MIN_KEY, NULL_KEY, Descending
from eventdb.sql.compiler.generator import PRODUCERS, Generator, Need
from eventdb.sql.compiler.steps import For, Steps
from eventdb.sql.expressions.bound import Expr
from eventdb.sql.planner import nodes as plan

_WIDE = 4


def narrow_or_all(table: Any, index_id: int, low: Any, high: Any) -> Iterator[Sequence[Any]]:
    """The rows of a range of an index, or all rows of the table where the range is so wide that fetching row by row costs more."""
    index = table.index(index_id)
    if index.count(low, high) * _WIDE > table.row_count():
        return table.unordered()  # type: ignore[no-any-return]
    return index.batches(low, high)  # type: ignore[no-any-return]


def _define(g: Generator) -> None:
    for name, value in (
        ("MIN_KEY", MIN_KEY),
        ("MAX_KEY", MAX_KEY),
        ("NULL_KEY", NULL_KEY),
        ("Descending", Descending),
        ("narrow_or_all", narrow_or_all),
    ):
        g.define(name, value)


def _index_name(g: Generator, node: plan.IndexLookup | plan.IndexRange) -> str:
    table = g.table_name(node)
    key = (table, node.index.id)
    if key not in g.opened:
        name = g.opened[key] = f"{table}_index{node.index.id}"
        g.tables.append(f"{name} = {table}.index({node.index.id})  # {node.index.name}")
    return g.opened[key]


def _index_lookup(g: Generator, node: plan.IndexLookup, need: Need) -> Steps:
    _define(g)
    index, n = _index_name(g, node), node.relation
    flags = [c.descending for c in node.index.columns]
    note = f"IndexLookup {node.alias} by {node.index.name}"
    if len(node.keys) == 1:
        before, parts = _guarded(g, node.keys[0])
        key = g.tuple_of([f"Descending({part})" if flags[i] else part for i, part in enumerate(parts)])
        return [*before, For(f"r{n}", f"{index}.lookup({key})", note=note)]
    keys = ", ".join(g.key_of(key) for key in node.keys)
    return [For(f"item{n}", f"distinct_keys(({keys},))"), For(f"r{n}", f"{index}.lookup((item{n},))", note=note)]


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


def _index_range(g: Generator, node: plan.IndexRange, need: Need) -> Steps:
    _define(g)
    n, bounds = node.relation, node.bounds
    steps, prefix, low, high = _range_sources(g, bounds)
    ranged = low is not None or high is not None
    if not prefix and not ranged:
        low_key, high_key = "None", "None"
    elif not ranged:
        low_key, high_key = g.tuple_of(prefix), g.tuple_of([*prefix, "MAX_KEY"])
    else:
        # NULLs lie at one end of the range and are left out: behind MIN_KEY, or before NULL_KEY.
        low_parts = ["MIN_KEY", "MAX_KEY"] if low is None or bounds.low is None else [low, "MAX_KEY"] if bounds.low[1] else [low]
        high_parts = ["NULL_KEY"] if high is None or bounds.high is None else [high] if bounds.high[1] else [high, "MAX_KEY"]
        low_key, high_key = g.tuple_of([*prefix, *low_parts]), g.tuple_of([*prefix, *high_parts])
    note = f"IndexRange {node.alias} by {node.index.name}"
    if node.ordered:
        source = f"{_index_name(g, node)}.batches({low_key}, {high_key}{', True' if node.reverse else ''})"
    else:
        source = f"narrow_or_all({g.table_name(node)}, {node.index.id}, {low_key}, {high_key})"
    return [*steps, For(f"b{n}", source, not steps, note), For(f"r{n}", f"b{n}")]


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
    return [
        *steps,
        For(f"b{n}", f"{table}.batches({', '.join(arguments)}{reverse})", not steps, f"KeyRange {node.alias}"),
        For(f"r{n}", f"b{n}"),
    ]


PRODUCERS.update({plan.IndexLookup: _index_lookup, plan.IndexRange: _index_range, plan.KeyRange: _key_range})
