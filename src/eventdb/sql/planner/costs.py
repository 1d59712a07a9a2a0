"""How many rows a node gives: exact counts of the stored tables, rules of thumb for the rest. Only ratios matter."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from eventdb.model.catalog import Catalog
from eventdb.model.record import replace
from eventdb.model.schema import Index, Table
from eventdb.sql.environment import Statistics, SystemTable
from eventdb.sql.expressions.bound import Column, Comparison, Constant, Expr, InList, Logical
from eventdb.sql.planner.nodes import (
    Access,
    Aggregate,
    AntiJoin,
    BoundQuery,
    CommonScan,
    CommonTables,
    Distinct,
    Empty,
    Filter,
    HashJoin,
    IndexLookup,
    IndexRange,
    Join,
    KeyLookup,
    KeyRange,
    Limit,
    Lookup,
    LookupJoin,
    NestedLoop,
    Node,
    Project,
    SemiJoin,
    Series,
    SetOperation,
    Single,
    SystemScan,
    TopN,
    Values,
)
from eventdb.sql.planner.walk import everything, inputs, nodes

_UNKNOWN_TABLE = 1000.0
_UNKNOWN_RELATION = 100.0
_MATCH = 0.1
_RANGE = 0.3


class Costs:
    """Estimates over one catalog. `statistics` gives the sizes of tables, `catalogs` those of the moments that are read."""

    def __init__(
        self, catalog: Catalog, statistics: Statistics | None = None, catalogs: Mapping[int, Catalog] | None = None
    ) -> None:
        self.catalog = catalog
        self.catalogs = catalogs or {}
        self.statistics = statistics
        self._tables: dict[int, float] = {}
        self._versions: dict[int, float] = {}
        self._system: dict[int, tuple[SystemTable, float]] = {}
        self._rows: dict[int, tuple[Node, float]] = {}

    def table(self, table: Table) -> float:
        if table.id not in self._tables:
            self._tables[table.id] = float(self.statistics(table)) if self.statistics is not None else _UNKNOWN_TABLE
        return max(self._tables[table.id], 1.0)

    def versions(self, table: Table) -> float:
        """How many versions of rows a table has."""
        if table.id not in self._versions:
            rows = self.table(table)
            self._versions[table.id] = float(self.statistics(table, True)) if self.statistics is not None else 2 * rows
        return max(self._versions[table.id], 1.0)

    def versions_of_one(self, table: Table) -> float:
        """How many versions a row has; most rows of a table may be gone, so no more than rows share a value."""
        versions = self.versions(table)
        return max(1.0, min(versions / self.table(table), self.per_key(versions)))

    def system(self, table: SystemTable) -> float:
        """About how many rows a computed relation has."""
        known = self._system.get(id(table))
        if known is None:
            rows = float(self.statistics(table)) if self.statistics is not None and table.schema else _UNKNOWN_RELATION
            known = self._system[id(table)] = table, max(rows, 1.0)
        return known[1]

    def reading(self, node: Node) -> float:
        """What reading a computed relation, below filters and computed columns, costs: less only by the columns it is looked up by."""
        while isinstance(node, Filter | Project):
            node = node.input
        if not isinstance(node, SystemScan):
            return self.rows(node)
        limits = tuple(limit for limit in node.limits if limit[0] in node.table.lookups)
        return self._scanned(replace(node, limits=limits)) * node.table.cost

    def settle(self, query: BoundQuery) -> None:
        """Learn the sizes of all tables of a query, and then let go of where they come from: a plan outlives the state it was made in."""
        for item in everything(query):
            if isinstance(item, Access):
                self.table(item.table)
                if item.versions:
                    self.versions(item.table)
            elif isinstance(item, SystemScan):
                self.system(item.table)
        self.statistics = None

    def indexes(self, table: Table, moment: int = 0) -> tuple[Index, ...]:
        """The indexes that a table had at a moment: complete from their creation on, so they answer for all later positions."""
        return self.catalogs.get(moment, self.catalog).indexes_of(table.id)

    def unique_slots(self, table: Table, moment: int) -> list[frozenset[int]]:
        """The sets of slots whose (non-NULL) values are unique in the table at a moment: an index made later says nothing about it."""
        found = [frozenset(table.key_slots)]
        found += [frozenset(table.by_id[c].slot for c in u.columns) for u in table.uniques if not u.deferrable]
        found += [
            frozenset(table.by_id[c.column_id].slot for c in i.columns if c.column_id is not None)
            for i in self.indexes(table, moment)
            if i.unique and i.where is None and all(c.column_id is not None for c in i.columns)
        ]
        return found

    def unique(self, node: Node, keys: Sequence[Expr]) -> bool:
        """Whether no two rows of a node have equal keys."""
        while isinstance(node, Filter):
            node = node.input
        if isinstance(node, Access) and not node.versions:
            slots = {k.ordinal for k in keys if isinstance(k, Column) and k.relation == node.relation}
            return any(u <= slots for u in self.unique_slots(node.table, node.moment))
        if isinstance(node, SystemScan):
            places = {k.ordinal for k in keys if isinstance(k, Column) and k.relation == node.relation}
            return any(places >= set(order) for order in node.table.orders)
        if isinstance(node, Aggregate):
            places = {k.ordinal for k in keys if isinstance(k, Column) and k.relation == node.relation}
            return places >= set(range(len(node.groups)))
        return False

    def selectivity(self, condition: Expr, node: Node) -> float:
        match condition:
            case Constant():
                return 1.0 if condition.value is True else 0.0
            case Comparison(operator="="):
                return min(1.0, self.equality(condition.left, node), self.equality(condition.right, node))
            case Comparison(operator="<>"):
                return 0.9
            case Comparison():
                return _RANGE
            case InList():
                each = self.equality(condition.operand, node)
                return min(1.0, (each if each < 1.0 else _MATCH) * len(condition.items))
            case Logical(operator="or"):
                return min(1.0, sum(self.selectivity(c, node) for c in condition.operands))
            case Logical(operator="and"):
                result = 1.0
                for c in condition.operands:
                    result *= self.selectivity(c, node)
                return result
        return 0.5

    def equality(self, side: Expr, node: Node) -> float:
        """The part of a node's rows in which a column has a given value."""
        if not isinstance(side, Column):
            return 1.0
        while isinstance(node, Filter):
            node = node.input
        if isinstance(node, Access) and node.relation == side.relation:
            rows = self.table(node.table)
            if frozenset((side.ordinal,)) in self.unique_slots(node.table, node.moment):
                return 1.0 / rows
            return self.per_key(rows) / rows
        return self._found(side, node) or _MATCH

    def _found(self, side: Expr, node: Node) -> float | None:
        """The part of a computed relation's rows that one value of a column by which they are looked up leaves."""
        while isinstance(node, Filter):
            node = node.input
        if not isinstance(side, Column) or not isinstance(node, SystemScan) or node.relation != side.relation:
            return None
        return 1.0 / self.system(node.table) if side.ordinal in node.table.lookups else None

    def _scanned(self, node: SystemScan) -> float:
        """How many rows of a computed relation the limits that it is told leave."""
        rows = self.system(node.table)
        for ordinal, operator, values in node.limits:
            one = 1.0 / self.system(node.table) if ordinal in node.table.lookups else _MATCH
            rows *= min(1.0, one * len(values)) if operator == "=" else _RANGE
        return 1.0 if node.keys else max(rows, 1.0)

    def per_key(self, rows: float) -> float:
        """How many rows share a value of an ordinary column: nothing is known, so the root of all."""
        return max(1.0, math.sqrt(rows))

    def rows(self, node: Node) -> float:
        known = self._rows.get(id(node))
        if known is None or known[0] is not node:
            known = self._rows[id(node)] = (node, self._estimate(node))
        return known[1]

    def _estimate(self, node: Node) -> float:
        match node:
            case Single() | Empty():
                return 1.0
            case KeyLookup():
                return len(node.keys) * (self.versions_of_one(node.table) if node.versions else 1.0)
            case IndexLookup():
                return len(node.keys) * (1.0 if node.unique else self.per_key(self.table(node.table)))
            case KeyRange() | IndexRange():
                part = _MATCH if node.bounds.prefix else 1.0
                for bound in (node.bounds.low, node.bounds.high):
                    part *= _RANGE if bound is not None else 1.0
                return max(1.0, self.table(node.table) * part)
            case Access():
                return self.versions(node.table) if node.versions else self.table(node.table)
            case Values():
                return float(len(node.rows))
            case Series():
                return 100.0
            case SystemScan():
                return self._scanned(node)
            case CommonScan():
                return _UNKNOWN_RELATION
            case Filter():
                # what a computed relation was told stands here too
                told = isinstance(node.input, SystemScan) and node.input.limits and not node.input.keys
                rows = self.system(node.input.table) if told else self.rows(node.input)  # type: ignore[attr-defined]
                for condition in node.conditions:
                    rows *= self.selectivity(condition, node.input)
                return max(rows, 1.0)
            case Join():
                return self.join_rows(node.left, node.right, node.conditions, node.kind)
            case HashJoin():
                pairs = tuple(zip(node.left_keys, node.right_keys, strict=True))
                return self.join_rows(node.left, node.right, [Comparison(k.datatype, "=", k, v) for k, v in pairs], node.kind)
            case LookupJoin():
                if node.kind in ("semi", "anti"):
                    return max(1.0, self.rows(node.left) * 0.5)
                return self.rows(node.left) * self.rows(node.right)
            case NestedLoop():
                return self.join_rows(node.left, node.right, node.conditions, node.kind)
            case SemiJoin() | AntiJoin():
                return max(1.0, self.rows(node.left) * 0.5)
            case Aggregate():
                rows = self.rows(node.input)
                return max(1.0, rows**0.5) if node.groups else 1.0
            case Distinct():
                return max(1.0, self.rows(node.input) * 0.5)
            case SetOperation():
                return sum(self.rows(i) for i in node.inputs)
            case Limit() | TopN():
                rows = self.rows(node.input)
                limit = node.limit
                if isinstance(node, Limit) and node.percent:
                    return max(1.0, rows * float(limit.value) / 100) if isinstance(limit, Constant) and limit.value is not None else rows
                return min(rows, float(limit.value)) if isinstance(limit, Constant) and limit.value is not None else rows
            case Lookup():
                return self.per_key(self.rows(node.input))
            case CommonTables():
                return self.rows(node.input)
        children = inputs(node)
        return self.rows(children[0]) if children else 1.0

    def join_rows(self, left: Node, right: Node, conditions: Sequence[Expr], kind: str) -> float:
        a, b = self.rows(left), self.rows(right)
        rows = a * b
        for condition in conditions:
            if isinstance(condition, Comparison) and condition.operator == "=":
                rows *= min(self.equality_in(condition.left, left, right), self.equality_in(condition.right, left, right))
            else:
                rows *= 0.5
        if kind in ("left", "full"):
            rows = max(rows, a)
        return max(rows, 1.0)

    def equality_in(self, side: Expr, left: Node, right: Node) -> float:
        if not isinstance(side, Column):
            return _MATCH
        for node in (left, right):
            for access in nodes(node):
                if isinstance(access, Access | SystemScan) and access.relation == side.relation:
                    return self.equality(side, access)
        return _MATCH
