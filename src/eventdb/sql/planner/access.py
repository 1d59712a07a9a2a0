"""Access paths: which key or index answers the conditions on one table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from eventdb.model.record import replace
from eventdb.model.schema import Index
from eventdb.sql.expressions.bound import Column, Comparison, Constant, Expr, InList, Parameter
from eventdb.sql.planner.costs import Costs
from eventdb.sql.planner.nodes import Access, Bounds, Filter, IndexLookup, IndexRange, KeyLookup, KeyRange, Lookup, Node, Scan
from eventdb.sql.planner.walk import has_subquery, is_volatile, relations

_MIRRORED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_MANY_ITEMS = 1000


@dataclass(slots=True)
class _Facts:
    """What the conditions say about the columns of one relation, by slot, each with the condition that says so."""

    equal: dict[int, tuple[Expr, Expr]] = field(default_factory=dict)
    among: dict[int, tuple[tuple[Expr, ...], Expr]] = field(default_factory=dict)
    low: dict[int, tuple[tuple[Expr, bool], Expr]] = field(default_factory=dict)
    high: dict[int, tuple[tuple[Expr, bool], Expr]] = field(default_factory=dict)


def _facts(scan: Scan, conditions: Sequence[Expr]) -> _Facts:
    facts = _Facts()
    for condition in conditions:
        if isinstance(condition, InList) and isinstance(condition.operand, Column) and condition.operand.relation == scan.relation:
            items = condition.items
            if len(items) <= _MANY_ITEMS and all(isinstance(i, Constant | Parameter) and _sound(i) for i in items):
                facts.among.setdefault(condition.operand.ordinal, (items, condition))
        if not isinstance(condition, Comparison) or condition.operator not in _MIRRORED:
            continue
        for side, other, operator in (
            (condition.left, condition.right, condition.operator), (condition.right, condition.left, _MIRRORED[condition.operator])
        ):  # fmt: skip
            if not isinstance(side, Column) or side.relation != scan.relation or side.ordinal < 1 or not _sound(other):
                continue
            if scan.relation in relations((other,)) or has_subquery(other) or is_volatile((other,)):
                continue
            if operator == "=":
                facts.equal.setdefault(side.ordinal, (other, condition))
            elif operator in (">", ">="):
                facts.low.setdefault(side.ordinal, ((other, operator == ">"), condition))
            else:
                facts.high.setdefault(side.ordinal, ((other, operator == "<"), condition))
            break
    return facts


def _sound(expr: Expr) -> bool:
    """Whether a value may be looked up as it is: NaN in a key has a stand-in, so floats only as constants."""
    if not expr.datatype.is_float:
        return True
    return isinstance(expr, Constant) and isinstance(expr.value, float) and math.isfinite(expr.value)


def remaining(node: Node, conditions: Sequence[Expr], used: Sequence[Expr]) -> Node:
    rest = tuple(c for c in conditions if not any(c is u for u in used))
    return Filter(node, rest) if rest else node


def best_access(scan: Scan, conditions: Sequence[Expr], costs: Costs, own: frozenset[int] = frozenset()) -> Node:
    """The scan and its filter as the best way to read the rows that meet `conditions`.

    `own`: relations of the same row source; values from any others come from an outer row, for which rows are looked up many times.
    """
    facts = _facts(scan, conditions)
    found = _by_key(scan, conditions, facts)
    if found is None and not scan.versions and scan.moment == 0:
        found = _by_index(scan, conditions, facts, costs)
    if found is None and not scan.versions:
        found = _by_key_range(scan, conditions, facts)
    if found is not None and not (isinstance(_leaf(found), IndexRange) and facts.equal):
        return found
    looked_up = _by_lookup(scan, conditions, facts)
    if looked_up is not None:
        return looked_up
    return found or remaining(scan, conditions, ())


def _leaf(node: Node) -> Node:
    while isinstance(node, Filter):
        node = node.input
    return node


def _plain(scan: Scan) -> dict[str, Any]:
    return {"relation": scan.relation, "table": scan.table, "alias": scan.alias, "moment": scan.moment, "versions": scan.versions}


def _by_key(scan: Scan, conditions: Sequence[Expr], facts: _Facts) -> Node | None:
    slots = scan.table.key_slots
    if all(s in facts.equal for s in slots):
        key = tuple(facts.equal[s][0] for s in slots)
        return remaining(KeyLookup(**_plain(scan), keys=(key,)), conditions, [facts.equal[s][1] for s in slots])
    if len(slots) == 1 and slots[0] in facts.among and not scan.versions:
        items, condition = facts.among[slots[0]]
        present = [i for i in items if not (isinstance(i, Constant) and i.value is None)]
        keys = tuple((i,) for i in dict.fromkeys(present))
        if keys:
            return remaining(KeyLookup(**_plain(scan), keys=keys), conditions, [condition])
    return None


def _columns(scan: Scan, index: Index) -> list[tuple[int, bool]]:
    """(slot, descending) of an index's leading plain columns."""
    result = []
    for column in index.columns:
        if column.column_id is None or column.column_id not in scan.table.by_id:
            break
        result.append((scan.table.by_id[column.column_id].slot, column.descending))
    return result


def _by_index(scan: Scan, conditions: Sequence[Expr], facts: _Facts, costs: Costs) -> Node | None:
    best: tuple[int, Node] | None = None
    for index in costs.indexes(scan.table):
        if index.where is not None:
            continue
        columns = _columns(scan, index)
        prefix = 0
        while prefix < len(columns) and columns[prefix][0] in facts.equal:
            prefix += 1
        slots = [slot for slot, _ in columns]
        whole = index.unique and prefix == len(index.columns)
        score, node = 0, None
        if prefix:
            key = tuple(facts.equal[s][0] for s in slots[:prefix])
            used = [facts.equal[s][1] for s in slots[:prefix]]
            score = prefix * 10 + (1000 if whole else 0)
            node = remaining(IndexLookup(**_plain(scan), index=index, keys=(key,), unique=whole), conditions, used)
        if prefix < len(columns) and not columns[prefix][1]:
            slot = slots[prefix]
            if not prefix and slot in facts.among and len(facts.among[slot][0]) <= 100:
                items, condition = facts.among[slot]
                keys = tuple((i,) for i in dict.fromkeys(items) if not (isinstance(i, Constant) and i.value is None))
                if keys:
                    unique = index.unique and len(index.columns) == 1
                    found = IndexLookup(**_plain(scan), index=index, keys=keys, unique=unique)
                    score, node = 9, remaining(found, conditions, [condition])
            elif slot in facts.low or slot in facts.high:
                low, high = facts.low.get(slot), facts.high.get(slot)
                bounds = Bounds(tuple(facts.equal[s][0] for s in slots[:prefix]), low and low[0], high and high[0])
                score = prefix * 10 + (5 if low and high else 3)
                node = remaining(IndexRange(**_plain(scan), index=index, bounds=bounds), conditions, ())
        if node is not None and (best is None or score > best[0]):
            best = (score, node)
    return best[1] if best is not None else None


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


def _side(condition: Expr, relation: int, slot: int) -> Expr:
    """The side of an equality that is the given column."""
    assert isinstance(condition, Comparison)
    left = condition.left
    return left if isinstance(left, Column) and (left.relation, left.ordinal) == (relation, slot) else condition.right


def _by_lookup(scan: Scan, conditions: Sequence[Expr], facts: _Facts) -> Node | None:
    """Equality with values of an outer row and no index for it: a hash table of the table, made once."""
    if scan.versions:
        return None
    outer = {s: (e, c) for s, (e, c) in facts.equal.items() if relations((e,))}
    if not outer:
        return None
    used = [c for _, c in outer.values()]
    inner = [c for c in conditions if not any(c is u for u in used) and relations((c,)) <= {scan.relation}]
    keys = tuple(_side(c, scan.relation, slot) for slot, (_, c) in outer.items())
    rows = Filter(scan, tuple(inner)) if inner else scan
    return remaining(Lookup(rows, keys, tuple(e for e, _ in outer.values())), conditions, [*used, *inner])


def ordered_access(node: Access, keys: Sequence[tuple[int, bool, bool, bool]], costs: Costs, partial: bool) -> Access | None:
    """The access in an order given by (slot, descending, nulls first, nullable), if key or index gives it; None otherwise.

    `partial`: only some first rows will be read, so that going through an index pays.
    """
    directions = {descending for _, descending, _, _ in keys}
    if node.versions or len(directions) != 1:
        return None
    reverse = directions.pop()
    if isinstance(node, Scan | KeyRange):
        prefix = len(node.bounds.prefix) if isinstance(node, KeyRange) else 0
        slots = list(node.table.key_slots)[prefix:]
        wanted = [slot for slot, *_ in keys]
        if wanted[: len(slots)] == slots[: len(wanted)]:
            return replace(node, ordered=True, reverse=reverse) if isinstance(node, Scan) else replace(node, reverse=reverse)
    if isinstance(node, Scan) and partial and node.moment == 0:
        for index in costs.indexes(node.table):
            if index.where is None and _in_order(node, index, 0, keys, reverse):
                return IndexRange(node.relation, node.table, node.alias, node.moment, index=index, ordered=True, reverse=reverse)
    if isinstance(node, IndexRange) and partial and _in_order(node, node.index, len(node.bounds.prefix), keys, reverse):
        return replace(node, ordered=True, reverse=reverse)
    if isinstance(node, IndexLookup) and len(node.keys) == 1 and not reverse:
        return node if _in_order(node, node.index, len(node.keys[0]), keys, reverse) else None
    return None


def _in_order(node: Access, index: Index, skip: int, keys: Sequence[tuple[int, bool, bool, bool]], reverse: bool) -> bool:
    columns = index.columns[skip:]
    if len(keys) > len(columns):
        return False
    for (slot, _, nulls_first, nullable), column in zip(keys, columns, strict=False):
        if column.column_id is None or node.table.by_id[column.column_id].slot != slot or column.descending:
            return False
        if nullable and (column.nulls_first != reverse) != nulls_first:
            return False
    return True
