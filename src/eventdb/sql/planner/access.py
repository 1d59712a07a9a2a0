"""Access paths: which key or index answers the conditions on one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from eventdb.model.record import replace
from eventdb.model.schema import Index
from eventdb.sql.expressions.bound import Column, Comparison, Constant, Expr, InList, OrderKey, Parameter, SubqueryExpression
from eventdb.sql.planner.costs import Costs
from eventdb.sql.planner.indexes import Part, Target, parts, serves
from eventdb.sql.planner.nodes import Access, Bounds, Filter, IndexLookup, IndexRange, KeyLookup, KeyRange, Lookup, Node, Scan, SystemScan
from eventdb.sql.planner.walk import everything, free, has_subquery, is_volatile, relations

_MIRRORED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_MANY_ITEMS = 1000
_MANY_LOOKUPS = 100


class _Facts:
    """What the conditions say about the columns of one relation (and about indexed expressions over it), each with the condition that says
    so."""

    __slots__ = ("among", "equal", "high", "low")

    def __init__(self) -> None:
        self.equal: dict[Target, tuple[Expr, Expr]] = {}
        self.among: dict[Target, tuple[tuple[Expr, ...], Expr]] = {}
        self.low: dict[Target, tuple[tuple[Expr, bool], Expr]] = {}
        self.high: dict[Target, tuple[tuple[Expr, bool], Expr]] = {}

    def ranged(self, target: Target) -> bool:
        return target in self.low or target in self.high


def _facts(relation: int, conditions: Sequence[Expr]) -> _Facts:
    facts = _Facts()
    for condition in conditions:
        if isinstance(condition, InList):
            target = _target(condition.operand, relation)
            items = condition.items
            if target is not None and len(items) <= _MANY_ITEMS and all(isinstance(i, Constant | Parameter) for i in items):
                facts.among.setdefault(target, (items, condition))
        if not isinstance(condition, Comparison) or condition.operator not in _MIRRORED:
            continue
        for side, other, operator in (
            (condition.left, condition.right, condition.operator), (condition.right, condition.left, _MIRRORED[condition.operator])
        ):  # fmt: skip
            target = _target(side, relation)
            if target is None or relation in relations((other,)) or is_volatile((other,)) or not _known_before(other):
                continue
            if operator == "=":
                facts.equal.setdefault(target, (other, condition))
            elif operator in (">", ">="):
                facts.low.setdefault(target, ((other, operator == ">"), condition))
            else:
                facts.high.setdefault(target, ((other, operator == "<"), condition))
            break
    return facts


def _known_before(expr: Expr) -> bool:
    """Whether what a column is compared with can be computed before the rows are looked at: a subquery only if it needs no outer row."""
    return not has_subquery(expr) or all(not free(p.query) for p in everything(expr) if isinstance(p, SubqueryExpression))


def _target(expr: Expr, relation: int) -> Target | None:
    """The column, or the expression over columns of `relation` alone, that a side of a comparison is."""
    if isinstance(expr, Column):
        return expr.ordinal if expr.relation == relation and expr.ordinal >= 1 else None
    if isinstance(expr, Constant | Parameter) or relations((expr,)) != {relation} or has_subquery(expr) or is_volatile((expr,)):
        return None
    return expr


def remaining(node: Node, conditions: Sequence[Expr], used: Sequence[Expr]) -> Node:
    rest = tuple(c for c in conditions if not any(c is u for u in used))
    return Filter(node, rest) if rest else node


def best_access(scan: Scan, conditions: Sequence[Expr], costs: Costs, own: frozenset[int] = frozenset()) -> Node:
    """The scan and its filter as the best way to read the rows that meet `conditions`.

    `own`: relations of the same row source; values from any others come from an outer row, for which rows are looked up many times.
    """
    facts = _facts(scan.relation, conditions)
    found = _by_key(scan, conditions, facts)
    if found is None and not scan.versions:
        found = _by_index(scan, conditions, facts, costs) or _by_key_range(scan, conditions, facts)
    if found is not None and not (isinstance(_leaf(found), IndexRange) and facts.equal):
        return found
    looked_up = _by_lookup(scan, conditions, facts)
    if looked_up is not None:
        return looked_up
    return found or remaining(scan, conditions, ())


def limited(scan: SystemScan, conditions: Sequence[Expr]) -> SystemScan:
    """The scan of a computed relation, told what the conditions say about its columns."""
    limits: list[tuple[int, str, tuple[Expr, ...]]] = []
    for condition in conditions:
        if isinstance(condition, InList):
            target, items = condition.operand, condition.items
            if isinstance(target, Column) and target.relation == scan.relation and all(isinstance(i, Constant | Parameter) for i in items):
                limits.append((target.ordinal, "=", items))
        if not isinstance(condition, Comparison) or condition.operator not in _MIRRORED:
            continue
        for side, other, operator in (
            (condition.left, condition.right, condition.operator), (condition.right, condition.left, _MIRRORED[condition.operator])
        ):  # fmt: skip
            if isinstance(side, Column) and side.relation == scan.relation:
                if scan.relation not in relations((other,)) and not is_volatile((other,)):
                    limits.append((side.ordinal, operator, (other,)))
                break
    return replace(scan, limits=tuple(limits)) if limits else scan


def _leaf(node: Node) -> Node:
    while isinstance(node, Filter):
        node = node.input
    return node


def _plain(scan: Access) -> dict[str, Any]:
    return {"relation": scan.relation, "table": scan.table, "alias": scan.alias, "moment": scan.moment, "versions": scan.versions}


def _by_key(scan: Scan, conditions: Sequence[Expr], facts: _Facts) -> Node | None:
    slots = scan.table.key_slots
    if all(s in facts.equal for s in slots):
        key = tuple(facts.equal[s][0] for s in slots)
        return remaining(KeyLookup(**_plain(scan), keys=(key,)), conditions, [facts.equal[s][1] for s in slots])
    if len(slots) == 1 and slots[0] in facts.among:
        items, condition = facts.among[slots[0]]
        present = [i for i in items if not (isinstance(i, Constant) and i.value is None)]
        keys = tuple((i,) for i in dict.fromkeys(present))
        if keys:
            return remaining(KeyLookup(**_plain(scan), keys=keys), conditions, [condition])
    return None


def _by_index(scan: Scan, conditions: Sequence[Expr], facts: _Facts, costs: Costs) -> Node | None:
    """The best look-up or range of an index: the more equal leading components the better, an IN list before a range."""
    best: tuple[int, Node] | None = None
    for index in costs.indexes(scan.table, scan.moment):
        partial = serves(index, scan.table, scan.relation, conditions)
        if partial is None:
            continue
        components = parts(index, scan.table, scan.relation)
        prefix = 0
        while prefix < len(components) and components[prefix].target in facts.equal:
            prefix += 1
        found = None
        if prefix < len(components):
            found = _among(scan, conditions, facts, index, components[prefix], partial) if not prefix else None
            found = found or _range(scan, conditions, facts, index, components, prefix, partial)
        if found is None and prefix:
            equal = [facts.equal[p.target] for p in components[:prefix]]
            whole = index.unique and prefix == len(components)
            node = IndexLookup(**_plain(scan), index=index, keys=(tuple(e for e, _ in equal),), unique=whole)
            found = prefix * 10 + (1000 if whole else 0), remaining(node, conditions, [*partial, *(c for _, c in equal)])
        if found is not None and index.where is not None:
            found = found[0] + 2, found[1]
        if found is not None and (best is None or found[0] > best[0]):
            best = found
    return best[1] if best is not None else None


def _among(
    scan: Scan, conditions: Sequence[Expr], facts: _Facts, index: Index, first: Part, partial: Sequence[Expr]
) -> tuple[int, Node] | None:
    """An IN list over the first component: a look-up for each item."""
    if first.target not in facts.among or first.descending or len(facts.among[first.target][0]) > _MANY_LOOKUPS:
        return None
    items, condition = facts.among[first.target]
    keys = tuple((i,) for i in dict.fromkeys(items) if not (isinstance(i, Constant) and i.value is None))
    if not keys:
        return None
    node = IndexLookup(**_plain(scan), index=index, keys=keys, unique=index.unique and len(index.columns) == 1)
    return 9, remaining(node, conditions, [*partial, condition])


def _range(
    scan: Scan, conditions: Sequence[Expr], facts: _Facts, index: Index, components: Sequence[Part], prefix: int, partial: Sequence[Expr]
) -> tuple[int, Node] | None:
    """A range of the component behind `prefix` equal ones. A scan may take its place, so the node keeps the conditions that it meets."""
    target = components[prefix].target
    if not facts.ranged(target):
        return None
    equal = [facts.equal[p.target] for p in components[:prefix]]
    low, high = facts.low.get(target), facts.high.get(target)
    used = [*partial, *(c for _, c in equal), *(end[1] for end in (low, high) if end is not None)]
    bounds = Bounds(tuple(e for e, _ in equal), low and low[0], high and high[0])
    node = IndexRange(**_plain(scan), index=index, bounds=bounds, implied=tuple(used))
    return prefix * 10 + (5 if low and high else 3), remaining(node, conditions, used)


def _by_key_range(scan: Scan, conditions: Sequence[Expr], facts: _Facts) -> Node | None:
    slots = scan.table.key_slots
    prefix = 0
    while prefix < len(slots) and slots[prefix] in facts.equal:
        prefix += 1
    low = high = None
    used = [facts.equal[s][1] for s in slots[:prefix]]
    if prefix < len(slots):
        low, high = facts.low.get(slots[prefix]), facts.high.get(slots[prefix])
        used += [part[1] for part in (low, high) if part is not None]
    if not used:
        return None
    bounds = Bounds(tuple(facts.equal[s][0] for s in slots[:prefix]), low and low[0], high and high[0])
    return remaining(KeyRange(**_plain(scan), bounds=bounds), conditions, used)


def _side(condition: Expr, relation: int, target: Target) -> Expr:
    """The side of an equality that is `target`."""
    assert isinstance(condition, Comparison)
    return condition.left if _target(condition.left, relation) == target else condition.right


def _by_lookup(scan: Scan, conditions: Sequence[Expr], facts: _Facts) -> Node | None:
    """Equality with values of an outer row and no index for it: a hash table of the table, made once."""
    if scan.versions:
        return None
    outer = {s: (e, c) for s, (e, c) in facts.equal.items() if relations((e,)) and not has_subquery(e)}
    if not outer:
        return None
    used = [c for _, c in outer.values()]
    inner = [c for c in conditions if not any(c is u for u in used) and relations((c,)) <= {scan.relation}]
    keys = tuple(_side(c, scan.relation, target) for target, (_, c) in outer.items())
    rows = Filter(scan, tuple(inner)) if inner else scan
    return remaining(Lookup(rows, keys, tuple(e for e, _ in outer.values())), conditions, [*used, *inner])


class SortKey(NamedTuple):
    """A sort key on a column of the table that is read, or on an expression over it."""

    target: Target
    descending: bool
    nulls_first: bool
    nullable: bool


def sort_key(key: OrderKey, relation: int) -> SortKey | None:
    expression = key.expression
    starts = isinstance(expression, Column) and expression.relation == relation and expression.ordinal == 0
    target = 0 if starts else _target(expression, relation)
    return SortKey(target, key.descending, key.nulls_first, key.expression.nullable) if target is not None else None


def ordered_access(
    node: Access, keys: Sequence[SortKey], costs: Costs, partial: bool, conditions: Sequence[Expr] = ()
) -> Access | None:
    """The access in the order of `keys`, if key or index gives it; None otherwise.

    `partial`: only some first rows will be read, so that going through an index pays. `conditions`: what is tested above the access; those
    that a partial index meets by itself come back as `implied`.
    """
    if node.versions:
        return node if _in_version_order(node, keys) else None
    keys = _varying(node, keys, conditions)
    by_key = _in_key_order(node, keys)
    if by_key is not None:
        return by_key
    if not partial:
        return None
    if isinstance(node, Scan):
        for index in costs.indexes(node.table, node.moment):
            met = serves(index, node.table, node.relation, conditions)
            reverse = _direction(index, node, 0, keys) if met is not None else None
            if reverse is not None and met is not None:
                return IndexRange(**_plain(node), index=index, ordered=True, reverse=reverse, implied=met)
    if isinstance(node, IndexRange):
        reverse = _direction(node.index, node, len(node.bounds.prefix), keys)
        if reverse is not None:
            return replace(node, ordered=True, reverse=reverse, implied=())
    if isinstance(node, IndexLookup) and len(node.keys) == 1:
        reverse = _direction(node.index, node, len(node.keys[0]), keys)
        if reverse is not None:
            bounds = Bounds(node.keys[0])
            return IndexRange(**_plain(node), index=node.index, bounds=bounds, ordered=True, reverse=reverse)
    return None


def _in_version_order(node: Access, keys: Sequence[SortKey]) -> bool:
    """Whether `keys` begin with the start, oldest first, and `node` gives the versions of one row: they come in that order."""
    if not isinstance(node, KeyLookup) or len(node.keys) != 1 or not keys:
        return False
    return keys[0].target == 0 and not keys[0].descending


def _varying(node: Access, keys: Sequence[SortKey], conditions: Sequence[Expr]) -> list[SortKey]:
    """The sort keys without those that are the same in all rows."""
    fixed: set[Target] = set(_facts(node.relation, conditions).equal)
    if isinstance(node, IndexRange | IndexLookup) and (isinstance(node, IndexRange) or len(node.keys) == 1):
        prefix = len(node.bounds.prefix) if isinstance(node, IndexRange) else len(node.keys[0])
        fixed |= {p.target for p in parts(node.index, node.table, node.relation)[:prefix]}
    elif isinstance(node, KeyRange):
        fixed |= set(node.table.key_slots[: len(node.bounds.prefix)])
    return [key for key in keys if key.target not in fixed]


def _in_key_order(node: Access, keys: Sequence[SortKey]) -> Access | None:
    """A scan or range of the primary key, forwards or backwards, where that is the order wanted."""
    if not isinstance(node, Scan | KeyRange):
        return None
    if not keys:
        return node
    reverse = keys[0].descending
    prefix = len(node.bounds.prefix) if isinstance(node, KeyRange) else 0
    slots = list(node.table.key_slots)[prefix:]
    wanted = [key.target for key in keys]
    if wanted[: len(slots)] != slots[: len(wanted)] or any(key.descending != reverse for key in keys[: len(slots)]):
        return None
    return replace(node, ordered=True, reverse=reverse) if isinstance(node, Scan) else replace(node, reverse=reverse)


def _direction(index: Index, node: Access, skip: int, keys: Sequence[SortKey]) -> bool | None:
    """Whether to read an index backwards so that rows come in the order of `keys`; None where it doesn't give that order.

    Entries with equal components follow in the order of the row's key.
    """
    if not keys:
        return False
    components = parts(index, node.table, node.relation)[skip:]
    components += [Part(slot) for slot in node.table.key_slots]
    reverse = keys[0].descending != components[0].descending
    if len(keys) > len(components):
        return None
    for key, part in zip(keys, components, strict=False):
        if key.target != part.target or key.descending != (part.descending != reverse):
            return None
        if key.nullable and (part.nulls_first != reverse) != key.nulls_first:
            return None
    return reverse
