"""Generated code of joins: hash joins, nested loops, semi and anti joins, and look-ups in tables kept for correlated subqueries."""

from __future__ import annotations

from collections.abc import Sequence

from eventdb.sql.compiler.generator import PRODUCERS, Generator, Need, places
from eventdb.sql.compiler.steps import For, If, Let, Steps, clauses, comprehensible, nested, tests
from eventdb.sql.expressions.bound import Expr
from eventdb.sql.planner import nodes as plan
from eventdb.sql.planner.lookups import leaf_of
from eventdb.sql.planner.walk import free, inputs, visible


def _present(g: Generator, keys: Sequence[Expr]) -> Steps:
    """Tests that no key is NULL."""
    steps: Steps = []
    for key in keys:
        if key.nullable:
            steps.append(If(f"{g.value(key)} is not None"))
    return steps


def hash_table(g: Generator, node: plan.Node, keys: Sequence[Expr], need: Need, unique: bool) -> tuple[str, list[str]]:
    """Write a hash table of the node's rows by key, NULL keys left out: (its name, the carriers packed in it)."""
    names = g.carriers(node, need)

    def write() -> str:
        name = f"hash{g.number()}"
        steps = [*g.produce(node, need | places(tuple(keys))), *_present(g, keys)]
        key, row = g.key_of(keys), g.pack(names)
        if unique and comprehensible(steps) and ":=" not in key:
            g.write(f"{name} = {{{key}: {row} {clauses(steps)}}}")
        elif unique:
            g.write(f"{name} = {{}}", *nested(steps, [f"{name}[{key}] = {row}"]))
        else:
            body = [f"key = {key}", f"if key in {name}: {name}[key].append({row})", f"else: {name}[key] = [{row}]"]
            g.write(f"{name} = {{}}", *nested(steps, body))
        return name

    return g.shared(node, write), names


def _hash_join(g: Generator, node: plan.HashJoin, need: Need) -> Steps:
    inner_need = need | places(node.conditions)
    if node.kind == "full":
        return _full_join(g, node, inner_need)
    left = g.produce(node.left, inner_need | places(node.left_keys))
    unique = node.unique and not (node.kind == "left" and node.conditions)
    table, names = hash_table(g, node.right, node.right_keys, inner_need, unique)
    key, target = g.key_of(node.left_keys), g.target(names)
    conditions: Steps = [If(g.condition(c)) for c in node.conditions]
    if node.kind == "left" and conditions:
        before, key = _ready(g, key)
        left = [*left, *before]
    if node.kind == "inner" and unique:
        if not names:
            return [*left, If(f"{key} in {table}"), *conditions]
        if len(names) == 1:
            return [*left, Let(target, f"{table}.get({key})"), If(f"{target} is not None"), *conditions]
        found = f"match{g.number()}"
        return [*left, Let(found, f"{table}.get({key})"), If(f"{found} is not None"), Let(target, found), *conditions]
    if node.kind == "inner":
        return [*left, For(target, f"{table}.get({key}, ())"), *conditions]
    nulls = g.nulls(names, inner_need) if names else "None"
    if unique:
        return [*left, Let(target, f"{table}.get({key}, {nulls})")]
    if not conditions:
        return [*left, For(target, f"{table}.get({key}, {g.tuple_of([nulls])})")]
    matches = f"[{g.pack(names)} for {target} in {table}.get({key}, ()) {tests(conditions)}]"
    return [*left, For(target, f"{matches} or {g.tuple_of([nulls])}")]


def _full_join(g: Generator, node: plan.HashJoin, need: Need) -> Steps:
    """Matches and rows of the left side without one as they come, then what no row matched of the right side."""
    number = g.number()
    left_names, right_names = g.carriers(node.left, need), g.carriers(node.right, need)
    left_key_need, right_key_need = places(node.left_keys), places(node.right_keys)
    left_nulls, right_nulls = g.nulls(left_names, need) if left_names else "None", g.nulls(right_names, need) if right_names else "None"
    rows, table, matched, joined = f"right{number}", f"hash{number}", f"matched{number}", f"joined{number}"
    right = g.produce(node.right, need | right_key_need)
    present = " and ".join(f"{g.value(k)} is not None" for k in node.right_keys if k.nullable)
    entry = f"{table}.setdefault({g.key_of(node.right_keys) if node.right_keys else '()'}, []).append((len({rows}), {g.pack(right_names)}))"
    g.write(
        f"{rows} = []",
        f"{table} = {{}}",
        *nested(right, [f"if {present}: {entry}" if present else entry, f"{rows}.append({g.pack(right_names)})"]),
    )
    left = g.produce(node.left, need | left_key_need)
    key = g.key_of(node.left_keys) if node.left_keys else "()"
    test = " and ".join(g.condition(c) for c in node.conditions) or "True"
    g.write(f"{matched} = set()", f"{joined} = []")
    body = [
        "found = False",
        f"for number, candidate in {table}.get({key}, ()):",
        f" {g.target(right_names)} = candidate",
        f" if {test}:",
        "  found = True",
        f"  {matched}.add(number)",
        f"  {joined}.append(({g.pack(left_names)}, {g.pack(right_names)}))",
        f"if not found: {joined}.append(({g.pack(left_names)}, {right_nulls}))",
    ]
    g.write(*nested(left, body))
    g.write(f"{joined} += [({left_nulls}, x) for i, x in enumerate({rows}) if i not in {matched}]")
    return [For(f"{_unpack(left_names)}, {_unpack(right_names)}", joined)]


def _unpack(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"({', '.join(names)})" if names else "_"


_INLINE = (plan.Access, plan.Filter, plan.Project, plan.Single, plan.Series, plan.Values, plan.CommonScan, plan.SystemScan, plan.NestedLoop)


def _is_inline(node: plan.Node) -> bool:
    """Whether a dependent subplan is a mere run of loops and tests."""
    return isinstance(node, _INLINE) and all(_is_inline(child) for child in inputs(node))


def _nested_loop(g: Generator, node: plan.NestedLoop, need: Need) -> Steps:
    inner_need = need | places(node.conditions)
    outside = frozenset((c.relation, c.ordinal) for c in free(node.right))
    left = g.produce(node.left, inner_need | outside)
    depends = any(relation in visible(node.left) for relation, _ in outside)
    conditions: Steps = [If(g.condition(c)) for c in node.conditions]
    if depends and _is_inline(node.right):
        right = g.produce(node.right, inner_need)
        if node.kind == "inner":
            return [*left, *right, *conditions]
        names = g.carriers(node.right, inner_need)
        nulls = g.nulls(names, inner_need) if names else "None"
        if (
            isinstance(node.right, plan.KeyLookup)
            and len(right) == 2
            and not conditions
            and isinstance(right[0], Let)
            and names == [right[0].target]
        ):
            return [*left, Let(names[0], f"{right[0].source} or {nulls}")]
        steps = [*right, *conditions]
        if comprehensible([For("_", "(0,)"), *steps]):
            return [*left, For(g.target(names), f"[{g.pack(names)} {clauses(steps)}] or {g.tuple_of([nulls])}")]
    if depends:
        rows, names = g.list_function(node.right, inner_need)
    else:
        names = g.carriers(node.right, inner_need)
        rows = g.shared(node.right, lambda: g.collected(node.right, inner_need)[0])
    if node.kind == "inner":
        return [*left, For(g.target(names), rows), *conditions]
    nulls = g.tuple_of([g.nulls(names, inner_need) if names else "None"])
    if not conditions:
        return [*left, For(g.target(names), f"{rows} or {nulls}")]
    return [*left, For(g.target(names), f"[{g.pack(names)} for {g.target(names)} in {rows} {tests(conditions)}] or {nulls}")]


def _gathered(g: Generator, side: plan.Node, width: int, source: str) -> None:
    """Write what the scan of a side of a join is to be asked for: of the keys in `source`, of `width` values each, those of its columns."""
    scan = leaf_of(side)
    assert isinstance(scan, plan.SystemScan)
    for ordinal, place in scan.keys:
        values = source if width == 1 else f"{{x[{place}] for x in {source}}}"
        g.write(f"keys{scan.relation}_{ordinal} = {values}")


def _lookup_join(g: Generator, node: plan.LookupJoin, need: Need) -> Steps:
    n = g.number()
    inner_need = need | places(node.conditions)
    left = g.produce(node.left, inner_need | places(node.left_keys))
    names, left_names = g.carriers(node.right, inner_need), g.carriers(node.left, inner_need)
    element = f"({g.key_of(node.left_keys)}, {g.pack(left_names)})"
    if comprehensible(left) and ":=" not in element:
        g.write(f"outer{n} = ({element} {clauses(left)})")
    else:
        g.write(f"def each{n}():", *(f" {line}" for line in nested(left, [f"yield {element}"])), f"outer{n} = each{n}()")
    outside, g.body = g.body, []
    _gathered(g, node.right, len(node.left_keys), "wanted")
    steps = [*g.produce(node.right, inner_need | places(node.right_keys)), *_present(g, node.right_keys)]
    row = g.pack(names)
    body = [f"key = {g.key_of(node.right_keys)}", f"if key in found: found[key].append({row})", f"else: found[key] = [{row}]"]
    lines = [*g.body, "found = {}", *nested(steps, body), "return found"]
    g.body = outside
    g.write(f"def read{n}(wanted):", *(f" {line}" for line in lines))
    matches, target = f"matches{n}", g.target(names)
    conditions: Steps = [If(g.condition(c)) for c in node.conditions]
    rows = For(f"{_unpack(left_names)}, {matches}", f"looked_up(outer{n}, read{n})", note=f"LookupJoin {node.kind}")
    kept = f"[{row} for {target} in {matches} {tests(conditions)}]" if conditions else matches
    if node.kind == "inner":
        return [rows, For(target, matches), *conditions]
    if node.kind == "left":
        return [rows, For(target, f"{kept} or {g.tuple_of([g.nulls(names, inner_need) if names else 'None'])}")]
    return [rows, If(kept if node.kind == "semi" else f"not {kept}")]


def _key_set(g: Generator, node: plan.Node, keys: Sequence[Expr], with_null: bool = False) -> str:
    """Write the set of the node's keys."""

    def write() -> str:
        name = f"keys{g.number()}"
        steps = g.produce(node, places(tuple(keys)))
        if not with_null:
            steps = [*steps, *_present(g, keys)]
        key = g.key_of(keys)
        if comprehensible(steps):
            g.write(f"{name} = {{{key} {clauses(steps)}}}")
        else:
            g.write(f"{name} = set()", *nested(steps, [f"{name}.add({key})"]))
        return name

    return g.shared(node, write)


def _ready(g: Generator, key: str) -> tuple[Steps, str]:
    """A key for use inside a comprehension, computed before it where it needs `:=`, which Python does not allow there."""
    if ":=" not in key:
        return [], key
    name = f"key{g.number()}"
    return [Let(name, key)], name


def _matches(g: Generator, node: plan.SemiJoin | plan.AntiJoin) -> tuple[Steps, str]:
    """Source of the test whether the current left row has a match, and the steps to take before it."""
    if not node.conditions:
        return [], f"{g.key_of(node.left_keys)} in {_key_set(g, node.right, node.right_keys)}"
    need = places(node.conditions)
    table, names = hash_table(g, node.right, node.right_keys, need, False)
    others: Steps = [If(g.condition(c)) for c in node.conditions]
    before, key = _ready(g, g.key_of(node.left_keys))
    return before, f"any([True for {g.target(names)} in {table}.get({key}, ()) {tests(others)}])"


def _semi_join(g: Generator, node: plan.SemiJoin, need: Need) -> Steps:
    scan = leaf_of(node.left)
    if isinstance(scan, plan.SystemScan) and scan.keys:
        keys = _key_set(g, node.right, node.right_keys)
        _gathered(g, node.left, len(node.right_keys), keys)
        return [*g.produce(node.left, need | places(node.left_keys)), If(f"{g.key_of(node.left_keys)} in {keys}")]
    left = g.produce(node.left, need | places(node.left_keys) | places(node.conditions))
    before, found = _matches(g, node)
    return [*left, *before, If(found)]


def _anti_join(g: Generator, node: plan.AntiJoin, need: Need) -> Steps:
    left = g.produce(node.left, need | places(node.left_keys) | places(node.conditions))
    if not node.null_aware:
        before, found = _matches(g, node)
        missing = f"not {found}" if node.conditions else found.replace(" in keys", " not in keys").replace(" in shared", " not in shared")
        return [*left, *before, If(missing)]
    keys = _key_set(g, node.right, node.right_keys, with_null=True)
    key = g.key_of(node.left_keys)
    parts = [f"{key} not in {keys}"]
    if node.left_keys[0].nullable:
        parts.append(f"{key} is not None")
    if node.right_keys[0].nullable:
        parts.append(f"None not in {keys}")
    return [*left, If(f"({' and '.join(parts)} or not {keys})")]


def _lookup(g: Generator, node: plan.Lookup, need: Need) -> Steps:
    table, names = hash_table(g, node.input, node.keys, need, False)
    return [For(g.target(names), f"{table}.get({g.key_of(node.values)}, ())")]


PRODUCERS.update({
    plan.HashJoin: _hash_join, plan.LookupJoin: _lookup_join, plan.NestedLoop: _nested_loop, plan.SemiJoin: _semi_join,
    plan.AntiJoin: _anti_join, plan.Lookup: _lookup,
})  # fmt: skip
