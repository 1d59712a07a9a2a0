"""Generated code of what needs all its rows before it gives the first: groups, sorts, limits, DISTINCT, set operations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eventdb.sql.compiler.generator import PRODUCERS, Generator, Need, places
from eventdb.sql.compiler.runtime import first_batch
from eventdb.sql.compiler.steps import For, Let, Steps, clauses, comprehensible, nested
from eventdb.sql.expressions.aggregates import accumulator
from eventdb.sql.expressions.bound import Column, Constant, OrderKey
from eventdb.sql.planner import nodes as plan

_SMALL = 1000


def _aggregate(g: Generator, node: plan.Aggregate, need: Need) -> Steps:
    n, width = node.relation, len(node.groups)
    used = [(width + i, call) for i, call in enumerate(node.aggregates) if (n, width + i) in need]
    if (
        not node.grouped
        and isinstance(node.input, plan.Scan)
        and not node.input.versions
        and used
        and all(_counts_rows(c) for _, c in used)
    ):
        table = g.table_name(node.input)
        return [Let(f"c{n}_{i}", f"row_count({table}, cx.positions[{node.input.moment}])", "count(*)") for i, _ in used]
    steps = g.produce(node.input, need | places(node.groups) | places(tuple(c for _, c in used)))
    made = [(i, accumulator(call, g)) for i, call in used]
    groups = f"groups{n}"
    if not node.grouped:
        return _one_group(g, n, steps, made)
    key = g.key_of(node.groups) if node.groups else "()"
    key_target = ", ".join(f"c{n}_{i}" for i in range(width))
    if width != 1:
        key_target = f"({key_target}{',' if width == 1 else ''})" if width else "_"
    if not used:
        g.write(f"{groups} = {{}}", *nested(steps, [f"{groups}[{key}] = None"]))
        return [For(key_target, groups, note="Aggregate")]
    if len(used) == 1 and _counts_rows(used[0][1]):
        g.write(f"{groups} = {{}}", f"get{n} = {groups}.get", *nested(steps, [f"key = {key}", f"{groups}[key] = get{n}(key, 0) + 1"]))
        return [For(f"{key_target}, c{n}_{used[0][0]}", f"{groups}.items()", note="Aggregate")]
    initial = ", ".join(source for _, a in made for source in a.initial)
    body = [f"key = {key}", f"try: s = {groups}[key]", f"except KeyError: s = {groups}[key] = [{initial}]"]
    if ":=" not in key:
        body = [f"try: s = {groups}[{key}]", f"except KeyError: s = {groups}[{key}] = [{initial}]"]
    finals: Steps = []
    place = 0
    for i, a in made:
        slots = [f"s[{place + k}]" for k in range(len(a.initial))]
        place += len(slots)
        body += a.step(slots)
        finals.append(Let(f"c{n}_{i}", a.final([f"s{n}{slot[1:]}" for slot in slots])))
    g.write(f"{groups} = {{}}", *nested(steps, body))
    return [For(f"{key_target}, s{n}", f"{groups}.items()", note="Aggregate"), *finals]


def _counts_rows(call: Any) -> bool:
    return call.function.name == "count" and not call.arguments and call.filter is None and not call.distinct


def _one_group(g: Generator, n: int, steps: Steps, made: Sequence[Any]) -> Steps:
    body: list[str] = []
    finals: Steps = []
    for i, a in made:
        slots = [f"s{n}_{i}_{k}" for k in range(len(a.initial))]
        g.write(*(f"{slot} = {source}" for slot, source in zip(slots, a.initial, strict=True)))
        body += a.step(slots)
        finals.append(Let(f"c{n}_{i}", a.final(slots)))
    if body:
        g.write(*nested(steps, body))
    return finals


# ---- order


def _key_columns(g: Generator, keys: Sequence[OrderKey], number: int) -> tuple[Steps, list[str], Need]:
    """Locals for computed sort keys: (their assignments, a source or local name for each key)."""
    steps: Steps = []
    sources = []
    for i, key in enumerate(keys):
        source = g.value(key.expression)
        if not isinstance(key.expression, Column):
            steps.append(Let(f"o{number}_{i}", source))
            source = f"o{number}_{i}"
        sources.append(source)
    return steps, sources, places(tuple(k.expression for k in keys))


def _getter(source: str, names: Sequence[str]) -> str:
    """Source of a function from a packed row to the value that `source` names."""
    carrier, _, rest = source.partition("[")
    if len(names) == 1:
        return f"itemgetter({rest[:-1]})" if rest else "None"
    place = names.index(carrier)
    return f"lambda x: x[{place}][{rest[:-1]}]" if rest else f"itemgetter({place})"


def _sorted_rows(g: Generator, rows: str, keys: Sequence[OrderKey], sources: Sequence[str], names: Sequence[str]) -> None:
    """Write the sort of a list of packed rows: stable passes from the last key to the first, keys of one kind in one pass."""
    bare = len(names) == 1
    if (
        bare
        and len(keys) > 1
        and len({k.descending for k in keys}) == 1
        and all(s.startswith("r") and _is_total(k) for s, k in zip(sources, keys, strict=True))
    ):
        ordinals = ", ".join(s.partition("[")[2][:-1] for s in sources)
        g.write(f"{rows}.sort(key=itemgetter({ordinals}){', reverse=True' if keys[0].descending else ''})")
        return
    for key, source in reversed(list(zip(keys, sources, strict=True))):
        reverse = ", reverse=True" if key.descending else ""
        target, expr = g.target(names), source
        if key.expression.datatype.is_float:
            # NaN is greater than all numbers and doesn't compare.
            function = f"lambda x: ((y := {_access(source, names)}) != y, y)"
        else:
            function = _getter(source, names)
        by = f"key={function}{reverse}" if function != "None" else reverse[2:]
        if not key.expression.nullable:
            g.write(f"{rows}.sort({by})")
            continue
        row = g.pack(names)
        g.write(f"nulls = [{row} for {target} in {rows} if {expr} is None]")
        g.write("if nulls:", f" {rows} = [{row} for {target} in {rows} if {expr} is not None]")
        g.write(f"{rows}.sort({by})", f"if nulls: {rows} = {'nulls + ' + rows if key.nulls_first else rows + ' + nulls'}")


def _access(source: str, names: Sequence[str]) -> str:
    carrier, bracket, rest = source.partition("[")
    return f"x{bracket}{rest}" if len(names) == 1 else f"x[{names.index(carrier)}]{bracket}{rest}"


def _is_total(key: OrderKey) -> bool:
    return not key.expression.nullable and not key.expression.datatype.is_float


def _sort_input(g: Generator, node: plan.Sort | plan.TopN, need: Need) -> tuple[Steps, list[str], list[str], list[str]]:
    """(steps of the input, sources of the keys, carriers kept, carriers of the packed rows)."""
    number = g.number()
    steps = g.produce(node.input, need | places(tuple(k.expression for k in node.keys)))
    lets, sources, key_need = _key_columns(g, node.keys, number)
    kept = g.carriers(node.input, need)
    plain = frozenset((k.expression.relation, k.expression.ordinal) for k in node.keys if isinstance(k.expression, Column))
    overridden = frozenset(p for p in key_need if p in g.overrides)
    names = list(dict.fromkeys([*g.carriers(node.input, need | (plain - overridden)), *(s for s in sources if s[0] == "o")]))
    return [*steps, *lets], sources, kept, names


def _sort(g: Generator, node: plan.Sort, need: Need) -> Steps:
    steps, sources, _, names = _sort_input(g, node, need)
    rows = f"rows{g.number()}"
    g.listed(steps, g.pack(names), rows)
    _sorted_rows(g, rows, node.keys, sources, names)
    return [For(g.target(names), rows, note="Sort")]


def _topn(g: Generator, node: plan.TopN, need: Need) -> Steps:
    steps, sources, _, names = _sort_input(g, node, need)
    rows = f"rows{g.number()}"
    start, end = _bounds(g, node.limit, node.offset)
    first = node.keys[0]
    one_way = len({k.descending for k in node.keys}) == 1 and all(_is_total(k) for k in node.keys) and len(names) >= 1
    small = isinstance(node.limit, Constant) and node.limit.value is not None and 0 <= node.limit.value <= _SMALL
    if one_way and small and comprehensible(steps) and end != "None":
        pick = "nlargest" if first.descending else "nsmallest"
        function = _getter(sources[0], names) if len(sources) == 1 else f"lambda x: ({', '.join(_access(s, names) for s in sources)})"
        key = f", key={function}" if function != "None" else ""
        g.write(f"{rows} = {pick}({end}, ({g.pack(names)} {clauses(steps)}){key})")
        return [For(g.target(names), f"{rows}[{start}:]" if start != "0" else rows, note="TopN")]
    g.listed(steps, g.pack(names), rows)
    _sorted_rows(g, rows, node.keys, sources, names)
    return [For(g.target(names), f"{rows}[{start}:{end}]", note="TopN")]


def _bounds(g: Generator, limit: Any, offset: Any) -> tuple[str, str]:
    """Sources of the first and the end position of LIMIT and OFFSET, constants worked out."""
    if (offset is None or _is_count(offset)) and (limit is None or _is_count(limit)):
        start = offset.value if offset is not None else 0
        return str(start), "None" if limit is None else str(start + limit.value)
    number = g.number()
    g.write(f"start{number} = row_offset({g.value(offset)})" if offset is not None else f"start{number} = 0")
    g.write(f"end{number} = stop(start{number}, row_limit({g.value(limit) if limit is not None else None}))")
    return f"start{number}", f"end{number}"


def _is_count(expr: Any) -> bool:
    return isinstance(expr, Constant) and isinstance(expr.value, int) and expr.value >= 0


def _limit(g: Generator, node: plan.Limit, need: Need) -> Steps:
    rows = f"rows{g.number()}"
    if node.ties or node.percent:
        count = g.value(node.limit) if node.limit is not None else None
        wanted = f"row_share(len({rows}), {count})" if node.percent else f"row_limit({count})"
        if node.ties:
            steps, sources, _, names = _sort_input(g, plan.Sort(node.input, node.ties), need)
        else:
            steps, names, sources = g.produce(node.input, need), g.carriers(node.input, need), []
        number = g.number()
        start, end = f"start{number}", f"end{number}"
        g.listed(steps, g.pack(names), rows)
        g.write(f"{start} = row_offset({g.value(node.offset) if node.offset is not None else 0})")
        if node.ties:
            g.write(f"keys = [({', '.join(sources)},) for {g.target(names)} in {rows}]", f"{end} = tie_stop(keys, {start}, {wanted})")
        else:
            g.write(f"{end} = stop({start}, {wanted})")
        return [For(g.target(names), f"{rows}[{start}:{end}]", note="Limit with ties" if node.ties else "Limit")]
    start, end = _bounds(g, node.limit, node.offset)
    if isinstance(node.input, plan.IndexRange) and end != "None":
        g.first[node.input.relation] = str(first_batch(int(end))) if end.isdigit() else f"first_batch({end})"
    steps = g.produce(node.input, need)
    names = g.carriers(node.input, need)
    first = steps[0] if len(steps) == 1 else None
    # Lists can be sliced; groups, which are dictionaries, cannot.
    listed = isinstance(first, For) and not first.batches and first.iterable.isidentifier() and first.iterable.startswith("rows")
    if isinstance(first, For) and listed:
        return [For(first.target, f"{first.iterable}[{start}:{end}]", note="Limit")]
    source = _flat(steps, g.pack(names))
    if source is not None:
        g.write(f"{rows} = list(islice({source}, {start}, {end}))")
    elif comprehensible(steps):
        g.write(f"{rows} = list(islice(({g.pack(names)} {clauses(steps)}), {start}, {end}))")
    else:
        g.write(f"def some{rows}():", *(f" {line}" for line in nested(steps, [f"yield {g.pack(names)}"])))
        g.write(f"{rows} = list(islice(some{rows}(), {start}, {end}))")
    return [For(g.target(names), rows, note="Limit")]


def _flat(steps: Steps, element: str) -> str | None:
    """Source of an iterator over all rows, where the steps are but batches and their rows."""
    if len(steps) != 2 or not isinstance(steps[0], For) or not isinstance(steps[1], For) or not steps[0].batches:
        return None
    batches, rows = steps[0], steps[1]
    return f"flatten({batches.iterable})" if rows.iterable == batches.target and rows.target == element else None


# ---- DISTINCT and set operations


def _distinct(g: Generator, node: plan.Distinct, need: Need) -> Steps:
    steps = g.produce(node.input, need | places(node.on))
    names = g.carriers(node.input, need)
    rows = f"distinct{g.number()}"
    key = g.key_of(node.on) if node.on else "()"
    if key == g.pack(names) and comprehensible(steps):
        g.write(f"{rows} = dict.fromkeys([{key} {clauses(steps)}])")
        return [For(g.target(names), rows, note="Distinct")]
    g.write(f"{rows} = {{}}", f"keep = {rows}.setdefault", *nested(steps, [f"keep({key}, {g.pack(names)})"]))
    return [For(g.target(names), f"{rows}.values()", note="Distinct")]


def _set_operation(g: Generator, node: plan.SetOperation, need: Need) -> Steps:
    """Rows are gathered from the left in one list; what UNION drops goes when that matters: before an ALL or EXCEPT, or last."""
    rows = _branch(g, node, 0)
    repeats = False
    for i, (operator, every) in enumerate(node.steps, 1):
        if repeats and (every or operator != "union"):
            g.write(f"{rows} = list(dict.fromkeys({rows}))")
            repeats = False
        name = _branch(g, node, i)
        if operator == "union":
            g.write(f"{rows} += {name}")
            repeats = not every
        else:
            function = ("intersection" if operator == "intersect" else "difference") + ("_all" if every else "")
            g.write(f"{rows} = {function}({rows}, {name})")
    return [For(f"r{node.relation}", f"dict.fromkeys({rows})" if repeats else rows, note="SetOperation")]


def _branch(g: Generator, node: plan.SetOperation, number: int) -> str:
    """Write a list of an input's output rows: its name."""
    name = f"rows{g.number()}"
    steps = g.produce(node.inputs[number], places(node.outputs[number]))
    g.listed(steps, g.output_row(node.inputs[number], node.outputs[number]), name)
    return name


PRODUCERS.update({
    plan.Aggregate: _aggregate, plan.Sort: _sort, plan.TopN: _topn, plan.Limit: _limit, plan.Distinct: _distinct,
    plan.SetOperation: _set_operation,
})  # fmt: skip
