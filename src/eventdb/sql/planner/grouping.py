"""GROUP BY: expressions over the input rows become expressions over the groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from eventdb.errors import GroupingError
from eventdb.model.datatype import INTEGER
from eventdb.model.record import Record, replace
from eventdb.sql.expressions.bound import Aggregate as AggregateCall
from eventdb.sql.expressions.bound import Call, Column, Constant, Expr, OrderKey, WindowCall
from eventdb.sql.planner.nodes import Access, Aggregate, Filter, Node, SetOperation
from eventdb.sql.planner.scope import QueryScope
from eventdb.sql.planner.walk import has_subquery, nodes, rebuild, transform, visible

if TYPE_CHECKING:
    from eventdb.sql.planner.binder import Binder


_GROUPING = -1_000_000
"""From here downwards GROUPING calls are numbered while the number of groups is still growing, as aggregates are from -1."""


class Grouped(Record, frozen=False):
    plan: Node
    expressions: list[Expr]
    keys: list[OrderKey]


def misplaced(scope: QueryScope, clause: str, position: int) -> NoReturn:
    scope.fail(GroupingError, f"aggregate functions are not allowed in {clause}", position)


def grouped(
    binder: Binder, plan: Node, scope: QueryScope, groups: Sequence[Expr], outputs: Sequence[Expr], having: Expr | None,
    keys: Sequence[OrderKey], sets: Sequence[tuple[Expr, ...]],
) -> Grouped:  # fmt: skip
    """The plan with its Aggregate (and the HAVING filter), and outputs and sort keys in terms of the groups.

    Raises GroupingError where an expression needs a column that isn't the same throughout a group.
    """
    stage = _Stage(scope, plan, next(binder.numbers), list(dict.fromkeys(groups)))
    stage.always = [expr for expr in stage.groups if all(expr in one for one in sets)]
    stage.several = len(sets) > 1
    if not stage.several:
        stage.extend_by_keys()
    made = [stage.over_groups(e) for e in outputs]
    made_keys = [replace(key, expression=stage.over_groups(key.expression)) for key in keys]
    made_having = stage.over_groups(having) if having is not None else None
    width = len(stage.groups)
    shift = {-1 - i: width + i for i in range(len(stage.aggregates))}
    shift |= {_GROUPING - i: width + len(stage.aggregates) + i for i in range(len(stage.masks))}

    def place(item: Any) -> Any:
        """Aggregates were numbered -1, -2, … while the number of groups was still growing."""
        if isinstance(item, Column) and item.relation == stage.relation and item.ordinal < 0:
            return replace(item, ordinal=shift[item.ordinal])
        return None

    if len(sets) > 1:
        node = _union(binder, plan, stage, sets)
    else:
        node = Aggregate(plan, stage.relation, tuple(stage.groups), tuple(stage.aggregates), grouped=bool(sets))
    if made_having is not None:
        node = Filter(node, (transform(made_having, place),))
    return Grouped(node, [transform(e, place) for e in made], [replace(k, expression=transform(k.expression, place)) for k in made_keys])


def _union(binder: Binder, plan: Node, stage: _Stage, sets: Sequence[tuple[Expr, ...]]) -> Node:
    """The groups of several sets, one after the other; what a set doesn't group by is NULL."""
    branches: list[Node] = []
    outputs = []
    for one in sets:
        relation = next(binder.numbers)
        branches.append(Aggregate(plan, relation, one, tuple(stage.aggregates), grouped=bool(one)))
        columns: list[Expr] = [
            Column(e.datatype, relation, one.index(e), nullable=e.nullable) if e in one else Constant(e.datatype, None)
            for e in stage.groups
        ]
        columns += [Column(c.datatype, relation, len(one) + i, nullable=c.nullable) for i, c in enumerate(stage.aggregates)]
        for mask in stage.masks:
            bits = sum(1 << i for i, e in enumerate(reversed(mask)) if e not in one)
            columns.append(Constant(INTEGER, bits, nullable=False))
        outputs.append(tuple(columns))
    return SetOperation(stage.relation, (("union", True),) * (len(sets) - 1), tuple(branches), tuple(outputs))


class _Stage:
    def __init__(self, scope: QueryScope, plan: Node, relation: int, groups: list[Expr]) -> None:
        self.scope = scope
        self.relation = relation
        self.groups = groups
        self.aggregates: list[AggregateCall] = []
        self.several = False
        self.masks: list[tuple[Expr, ...]] = []
        """The arguments of GROUPING calls."""
        self.always: list[Expr] = []
        """The group expressions that are in every grouping set; the others are NULL in some groups."""
        self.determined: set[int] = set()
        self.inner = visible(plan)
        self.tables = {n.relation: n.table for n in nodes(plan) if isinstance(n, Access) and not n.versions}

    def extend_by_keys(self) -> None:
        """Where a table's whole primary key is grouped by, all its columns are the same throughout a group."""
        for relation, table in self.tables.items():
            slots = {e.ordinal for e in self.groups if isinstance(e, Column) and e.relation == relation}
            if table.primary_key is not None and slots >= {table.by_id[i].slot for i in table.primary_key.columns}:
                self.determined.add(relation)

    def over_groups(self, expr: Expr) -> Expr:
        result: Expr = transform(expr, self._replace)
        return result

    def _replace(self, item: Any) -> Any:
        if isinstance(item, AggregateCall):
            return self._aggregate(item)
        if self.several and isinstance(item, Call) and item.name == "grouping":
            return self._grouping(item)
        if isinstance(item, WindowCall):
            return rebuild(item, lambda part: part if part is item.aggregate else self.over_groups(part))
        if isinstance(item, Aggregate):
            return self._inner(item)
        if not isinstance(item, Node) and not (isinstance(item, AggregateCall)):
            number = self._group_number(item)
            if number is not None:
                nullable = item.nullable or self.groups[number] not in self.always
                return Column(item.datatype, self.relation, number, getattr(item, "name", ""), nullable=nullable, position=item.position)
        if isinstance(item, Column) and item.relation in self.inner:
            if item.relation in self.determined:
                self.groups.append(item)
                return Column(item.datatype, self.relation, len(self.groups) - 1, item.name, nullable=item.nullable, position=item.position)
            message = f'column "{self._described(item)}" must appear in the GROUP BY clause or be used in an aggregate function'
            self.scope.fail(GroupingError, message, item.position)
        return None

    def _inner(self, node: Aggregate) -> Aggregate:
        """The Aggregate of a subquery: its calls are its own, but what they are made of may be this level's."""
        calls = tuple(rebuild(call, self._over) for call in node.aggregates)
        return replace(node, input=self._over(node.input), groups=self._over(node.groups), aggregates=calls)

    def _over(self, item: Any) -> Any:
        return transform(item, self._replace)

    def _group_number(self, item: Any) -> int | None:
        for number, group in enumerate(self.groups):
            if item is group or (type(item) is type(group) and item == group and not has_subquery(group)):
                return number
        return None

    def _aggregate(self, call: AggregateCall) -> Expr:
        same = (n for n, known in enumerate(self.aggregates) if known == call and known.function.name == call.function.name)
        number = next(same, -1) if not has_subquery(call) else -1
        if number < 0:
            number = len(self.aggregates)
            self.aggregates.append(call)
        return Column(call.datatype, self.relation, -1 - number, nullable=call.nullable, position=call.position)

    def _grouping(self, call: Call) -> Expr:
        """GROUPING: a bit for each argument, set where the row's grouping set leaves it out."""
        if any(argument not in self.groups for argument in call.arguments):
            message = "arguments to GROUPING must be grouping expressions of the associated query level"
            self.scope.fail(GroupingError, message, call.position)
        self.masks.append(call.arguments)
        return Column(INTEGER, self.relation, _GROUPING - len(self.masks) + 1, nullable=False, position=call.position)

    def _described(self, column: Column) -> str:
        for source in self.scope.item.sources:
            for named in source.columns:
                if named.expression == column:
                    return f"{source.alias}.{named.name}"
        return column.name or "?"
