"""Data-centric code generation: a plan becomes the text of one Python function.

`produce(node, need)` gives the steps of the pipeline that yields a node's rows, after writing into the function's body whatever must be
finished first (hash tables, sorted lists, groups). `need` are the columns used above. Between pipelines rows are packed: a row `r3` travels
as itself, a computed column as the local `c5_0`, several of them as a tuple, and the next pipeline unpacks to the same names. So an
expression's source is the same everywhere: `r3[2]`, `c5_0`.

Subqueries that no rule turned into joins become local functions `q7(a3_2)` of the columns they take from outside, remembered per argument.
What doesn't depend on the arguments (a hash table inside such a function) is built once, by a function of its own.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import operator
from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager
from typing import Any

from eventdb.sql.compiler import runtime
from eventdb.sql.compiler.steps import Count, For, If, Let, Step, Steps, clauses, comprehensible, loops, nested
from eventdb.sql.environment import Wanted
from eventdb.sql.expressions import compiler as expressions
from eventdb.sql.expressions.bound import END, Column, Expr, SubqueryExpression
from eventdb.sql.expressions.sources import SourceEmitter, is_simple
from eventdb.sql.planner import nodes as plan
from eventdb.sql.planner.walk import columns, everything, free, is_volatile, visible

Place = tuple[int, int]
Need = frozenset[Place]
_RUNTIME = {name: getattr(runtime, name) for name in runtime.__dict__ if not name.startswith("_")}
_ROWS = (plan.Access, plan.SystemScan, plan.Values, plan.CommonScan, plan.SetOperation)


def places(item: Any) -> Need:
    """The (relation, ordinal) of all columns that expressions or plans name."""
    return frozenset((c.relation, c.ordinal) for c in columns(item))


class Generator(SourceEmitter):
    """Writes one function. `counters`: number for each plan node to be counted, for EXPLAIN ANALYZE."""

    def __init__(self, analyze: bool = False) -> None:
        super().__init__()
        self.analyze = analyze
        self.counted: dict[int, plan.Node] = {}
        self.first: dict[int, str] = {}
        """How many rows of an ordered relation will be read at most, by relation: source of a number or None."""
        self.rowed: set[int] = set()
        self.overrides: dict[Place, str] = {}
        self.tables: list[str] = []
        self.opened: dict[Any, str] = {}
        self.definitions: list[str] = []
        self.body: list[str] = []
        self.inner = 0
        self.own_commons: set[int] = set()
        self.subqueries: dict[int, str] = {}
        self.fresh = itertools.count(1)
        self.names.update(_RUNTIME)
        self.names.update(
            {
                "cache": functools.cache,
                "islice": itertools.islice,
                "flatten": itertools.chain.from_iterable,
                "itemgetter": operator.itemgetter,
                "nsmallest": heapq.nsmallest,
                "nlargest": heapq.nlargest,
            }
        )

    # ---- names

    def column(self, column: Column) -> str:
        return self.source((column.relation, column.ordinal))

    def source(self, place: Place) -> str:
        if place in self.overrides:
            return self.overrides[place]
        carrier = self.carrier(place)
        return f"{carrier}[{place[1]}]" if carrier == f"r{place[0]}" else carrier

    def carrier(self, place: Place) -> str:
        """The local name that a column travels by."""
        relation, ordinal = place
        if relation not in self.rowed:
            return f"c{relation}_{ordinal}"
        return f"e{relation}" if ordinal == END else f"r{relation}"

    def carriers(self, node: plan.Node, need: Need) -> list[str]:
        """The local names to carry from `node` for the columns in `need`, in a fixed order."""
        inside = visible(node)
        wanted = sorted(place for place in need if place[0] in inside)
        return list(dict.fromkeys(self.carrier(place) for place in wanted))

    def nulls(self, names: Sequence[str], need: Need) -> str:
        """Source of a packed row of NULLs."""
        parts = []
        for name in names:
            if name[0] == "r":
                relation = int(name[1:])
                width = 1 + max(ordinal for r, ordinal in need if r == relation)
                parts.append(self.constant_of((None,) * max(width, 1)))
            else:
                parts.append("None")
        return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"

    def constant_of(self, value: tuple[Any, ...]) -> str:
        key = f"null{len(value)}"
        self.names[key] = value
        return key

    def value(self, expr: Expr) -> str:
        return expressions.value(expr, self)

    def condition(self, expr: Expr) -> str:
        return expressions.condition(expr, self)

    def tuple_of(self, sources: Sequence[str]) -> str:
        return f"({', '.join(sources)}{',' if len(sources) == 1 else ''})"

    def key_of(self, exprs: Sequence[Expr]) -> str:
        """One value as itself, several as a tuple."""
        return self.value(exprs[0]) if len(exprs) == 1 else self.tuple_of([self.value(e) for e in exprs])

    def write(self, *lines: str) -> None:
        self.body.extend(lines)

    def number(self) -> int:
        return next(self.fresh)

    # ---- pipelines and their ends

    def produce(self, node: plan.Node, need: Need) -> Steps:
        """The steps that yield the rows of `node`, whose columns in `need` are used by what follows."""
        special = PRODUCERS.get(type(node))
        steps: Steps = special(self, node, need) if special else getattr(self, f"_{type(node).__name__.lower()}")(node, need)
        if isinstance(node, plan.Access) and (node.relation, END) in need and not self.gives_ends(node):
            steps = [*steps, *self.ends(node)]
        if self.analyze:
            number = len(self.counted)
            self.counted[number] = node
            steps = [*steps, Count(number)]
        return steps

    def note_rows(self, node: plan.Node) -> None:
        """Learn which relations of a plan are rows (tuples), before any source is written."""
        for item in everything(node):
            if isinstance(item, _ROWS):
                self.rowed.add(item.relation)

    def listed(self, steps: Steps, element: str, name: str) -> None:
        """Write `name = [element for the steps]`."""
        if comprehensible(steps):
            self.write(f"{name} = [{element} {clauses(steps)}]")
        else:
            self.write(f"{name} = []", *nested(steps, [f"{name}.append({element})"]))

    def pack(self, names: Sequence[str]) -> str:
        return names[0] if len(names) == 1 else f"({', '.join(names)})" if names else "None"

    def target(self, names: Sequence[str]) -> str:
        return ", ".join(names) if names else "_"

    def collected(self, node: plan.Node, need: Need, name: str | None = None) -> tuple[str, list[str]]:
        """Write the node's packed rows into a list: (its name, the carriers)."""
        name = name or f"rows{self.number()}"
        steps = self.produce(node, need)
        names = self.carriers(node, need)
        self.listed(steps, self.pack(names), name)
        return name, names

    def shared(self, item: plan.Node, write: Callable[[], str]) -> str:
        """Something built before the pipeline (`write` writes it and gives its name); once for all calls that it doesn't depend on."""
        if not self.inner or not self.is_closed(item):
            return write()
        number = self.number()
        with self.function(()) as lines:
            lines_name = write()
            self.write(f"return {lines_name}")
        self.define_function(f"once{number}", (), lines, memo=True)
        self.write(f"shared{number} = once{number}()")
        return f"shared{number}"

    def is_closed(self, node: plan.Node) -> bool:
        """Whether a subplan needs nothing that changes from call to call."""
        own = {n.number for n in everything_of(node, plan.Common)} | {n.working for n in everything_of(node, plan.Common)}
        scans = {n.common for n in everything(node) if isinstance(n, plan.CommonScan)}
        return not free(node) and not is_volatile((node,)) and not (scans - own) & self.own_commons

    @contextmanager
    def function(self, parameters: Iterable[Place]) -> Any:
        """Write the body of a local function; yields the list of its lines."""
        saved = self.body, self.overrides, self.inner
        self.body, self.overrides = [], {**self.overrides, **{p: f"a{p[0]}_{'end' if p[1] == END else p[1]}" for p in parameters}}
        self.inner += 1
        try:
            yield self.body
        finally:
            self.body, self.overrides, self.inner = saved

    def define_function(self, name: str, parameters: Sequence[str], lines: Sequence[str], memo: bool, note: str = "") -> None:
        if memo:
            self.definitions.append("@cache")
        self.definitions.append(f"def {name}({', '.join(parameters)}):{'  # ' + note if note else ''}")
        self.definitions.extend(" " + line for line in lines)

    def list_function(self, node: plan.Node, need: Need) -> tuple[str, list[str]]:
        """A local function giving a dependent subplan's packed rows: (source of the call, carriers)."""
        outside = [(c.relation, c.ordinal) for c in free(node)]
        arguments = [self.source(p) for p in outside]
        number = self.number()
        with self.function(outside) as lines:
            name, names = self.collected(node, need)
            self.write(f"return {name}")
            parameters = [self.overrides[p] for p in outside]
        self.define_function(f"rows_for{number}", parameters, lines, memo=False)
        return f"rows_for{number}({', '.join(arguments)})", names

    # ---- subqueries in expressions

    def subquery(self, expression: SubqueryExpression) -> str:
        query: plan.BoundQuery = expression.query
        outside = list(dict.fromkeys((c.relation, c.ordinal) for c in free(query)))
        arguments = ", ".join(self.source(p) for p in outside)
        number = self.subqueries.get(id(query), "")
        if not number:
            number = self.subqueries[id(query)] = f"q{self.number()}"
            with self.function(outside) as lines:
                self.write_subquery(expression, query)
                parameters = [self.overrides[p] for p in outside]
            self.define_function(
                number, parameters, lines, memo=not is_volatile((query.plan, query.outputs)), note=f"{expression.kind} subquery"
            )
        call = f"{number}({arguments})"
        items = self.tuple_of([self.value(e) for e in expression.operands])
        match expression.kind:
            case "scalar" | "exists":
                return call
            case "in":
                single = len(expression.operands) == 1
                return f"member({self.value(expression.operands[0])}, {call})" if single else f"row_member({items}, {call})"
            case "any" | "all":
                return f"quantified({expression.operator!r}, {items}, {call}, {expression.kind == 'all'})"
            case "row":
                return f"compare_rows({expression.operator!r}, {items}, {call})"

    def write_subquery(self, expression: SubqueryExpression, query: plan.BoundQuery) -> None:
        self.note_rows(query.plan)
        steps = self.produce(query.plan, places(query.outputs) if expression.kind != "exists" else frozenset())
        if expression.kind == "exists":
            self.write(*nested(steps, ["return True"]), "return False")
            return
        single = len(query.outputs) == 1 and expression.kind in ("scalar", "in")
        element = self.value(query.outputs[0]) if single else self.tuple_of([self.value(e) for e in query.outputs])
        self.listed(steps, element, "found")
        match expression.kind:
            case "scalar" | "row":
                self.write("return one(found)")
            case "in" if len(expression.operands) == 1:
                self.write("return set(found)")
            case _:
                self.write("return found")

    # ---- leaves

    def table_name(self, node: plan.Access) -> str:
        key = (node.table.id, node.table.storage, node.moment, id(node.table))
        if key not in self.opened:
            name = self.opened[key] = f"table{len(self.opened) + 1}"
            definition = self.constant(node.table)
            self.tables.append(f"{name} = cx.table({definition}, {node.moment})  # {node.table.schema}.{node.table.name}")
        return self.opened[key]

    def _single(self, node: plan.Single, need: Need) -> Steps:
        return []

    def _empty(self, node: plan.Empty, need: Need) -> Steps:
        self.note_rows(node.input)
        return [If("False")]

    def _scan(self, node: plan.Scan, need: Need) -> Steps:
        table, n = self.table_name(node), node.relation
        if self.reads_versions(node, need):
            rows = For(f"e{n}, r{n}", f"b{n}")
            return [For(f"b{n}", f"versions({table}, cx.positions[{node.moment}])", True, f"versions of {node.alias}"), rows]
        if node.ordered or node.reverse:
            source = f"{table}.batches({'reverse=True' if node.reverse else ''})"
        else:
            source = f"{table}.unordered()"
        return [For(f"b{n}", source, True, f"Scan {node.alias}"), For(f"r{n}", f"b{n}")]

    def reads_versions(self, node: plan.Access, need: Need) -> bool:
        return node.versions or (node.relation, END) in need

    def gives_ends(self, node: plan.Access) -> bool:
        """Whether reading it gives versions with their ends, and not only rows."""
        return node.versions or isinstance(node, plan.Scan) or (isinstance(node, plan.KeyLookup) and len(node.keys) == 1)

    def ends(self, node: plan.Access) -> Steps:
        """For a row found through an index: its version, looked up by its key."""
        n = node.relation
        slots = node.table.key_slots
        key = f"r{n}[{slots[0]}]" if len(slots) == 1 else f"({', '.join(f'r{n}[{slot}]' for slot in slots)},)"
        source = f"versions({self.table_name(node)}, cx.positions[{node.moment}], {key})"
        return [For(f"b{n}", source, note=f"end of {node.alias}"), For(f"e{n}, r{n}", f"b{n}")]

    def _keylookup(self, node: plan.KeyLookup, need: Need) -> Steps:
        table, n = self.table_name(node), node.relation
        if len(node.keys) > 1:
            if all(is_plain(e) for key in node.keys for e in key):
                keys = f"[{', '.join(self.key_of(key) for key in node.keys)}]"
            else:
                keys = f"distinct_keys(({', '.join(self.key_of(key) for key in node.keys)},))"
            if node.versions:
                return [For(f"i{n}", keys), *self.versions_of(node, f"i{n}", need)]
            return [For(f"r{n}", f"{table}.get_many({keys})", note=f"KeyLookup {node.alias}")]
        before, (key,) = self.guarded(node.keys)
        if self.reads_versions(node, need):
            return [*before, *self.versions_of(node, key, need)]
        return [*before, Let(f"r{n}", f"{table}.get({key})", f"KeyLookup {node.alias}"), If(f"r{n} is not None")]

    def versions_of(self, node: plan.KeyLookup, key: str, need: Need) -> Steps:
        """The versions of the row of one key; with their ends only where those are used."""
        n, note = node.relation, f"versions of {node.alias}"
        arguments = f"({self.table_name(node)}, cx.positions[{node.moment}], {key})"
        if node.versions and (n, END) not in need:
            return [For(f"r{n}", f"history{arguments}", note=note)]
        return [For(f"b{n}", f"versions{arguments}", note=note), For(f"e{n}, r{n}", f"b{n}")]

    def guarded(self, keys: Sequence[Sequence[Expr]]) -> tuple[Steps, list[str]]:
        """Steps that leave out NULL keys, and the keys' sources."""
        steps: Steps = []
        result = []
        for key in keys:
            parts = []
            for expr in key:
                source = self.value(expr)
                if expr.nullable:
                    if not is_simple(source):
                        name = f"key{self.number()}"
                        steps.append(Let(name, source))
                        source = name
                    steps.append(If(f"{source} is not None"))
                parts.append(source)
            result.append(parts[0] if len(parts) == 1 else self.tuple_of(parts))
        return steps, result

    def _systemscan(self, node: plan.SystemScan, need: Need) -> Steps:
        limits = [
            f"({ordinal}, {operator!r}, {self.tuple_of([self.value(v) for v in values])})" for ordinal, operator, values in node.limits
        ]
        limits += [f"({ordinal}, '=', keys{node.relation}_{ordinal})" for ordinal, _ in node.keys]
        columns = frozenset(ordinal for relation, ordinal in need if relation == node.relation)
        wanted = Wanted((), None if len(columns) == len(node.table.columns) else columns, node.reverse)
        told = self.constant(wanted)
        if limits:
            self.names["Wanted"] = Wanted
            told = f"Wanted({self.tuple_of(limits)}, {told}.columns, {node.reverse})"
        source = f"cx.system_rows({self.constant(node.table)}, {node.moment}, {told})"
        return [For(f"r{node.relation}", source, note=f"SystemScan {node.alias}")]

    def _values(self, node: plan.Values, need: Need) -> Steps:
        rows = [self.tuple_of([self.value(e) for e in row]) for row in node.rows]
        return [For(f"r{node.relation}", f"({', '.join(rows)},)", note="Values")]

    def _series(self, node: plan.Series, need: Need) -> Steps:
        n = node.relation
        source = f"series({', '.join(self.value(a) for a in node.arguments)})"
        if (n, 1) in need:
            return [For(f"c{n}_1, c{n}_0", f"enumerate({source}, 1)")]
        return [For(f"c{n}_0", source)]

    def _commonscan(self, node: plan.CommonScan, need: Need) -> Steps:
        return [For(f"r{node.relation}", f"common[{node.common}]", note=f"CommonScan {node.name}")]

    # ---- within a pipeline

    def _filter(self, node: plan.Filter, need: Need) -> Steps:
        steps = self.produce(node.input, need | places(node.conditions))
        return [*steps, *(If(self.condition(c)) for c in node.conditions)]

    def _project(self, node: plan.Project, need: Need) -> Steps:
        used = [(i, e) for i, e in enumerate(node.expressions) if (node.relation, i) in need]
        steps = self.produce(node.input, need | places([e for _, e in used] and tuple(e for _, e in used)))
        return [*steps, *(Let(f"c{node.relation}_{i}", self.value(e)) for i, e in used)]

    def _collect(self, node: plan.Collect, need: Need) -> Steps:
        name, names = self.collected(node.input, need)
        return [For(self.target(names), name)]

    # ---- tables kept for the rest of the statement

    def _commontables(self, node: plan.CommonTables, need: Need) -> Steps:
        for table in node.tables:
            self.own_commons |= {table.number, table.working} if self.inner else set()
            self.common_table(table)
        return self.produce(node.input, need)

    def common_table(self, table: plan.Common) -> None:
        name = f"rows{self.number()}"
        steps = self.produce(table.plan, places(table.outputs))
        self.write(f"# common table {table.name}")
        self.listed(steps, self.output_row(table.plan, table.outputs), name)
        if table.recursive is None:
            self.write(f"common[{table.number}] = {name}")
            return
        if table.distinct:
            self.write(f"seen{table.number} = dict.fromkeys({name})", f"{name} = list(seen{table.number})")
        self.write(f"common[{table.number}], common[{table.working}] = {name}, list({name})", f"while common[{table.working}]:")
        outside, self.body = self.body, []
        self.inner += 1
        self.own_commons.add(table.working)
        steps = self.produce(table.recursive, places(table.recursive_outputs))
        self.listed(steps, self.output_row(table.recursive, table.recursive_outputs), "found")
        if table.distinct:
            self.write(
                f"found = [x for x in dict.fromkeys(found) if x not in seen{table.number}]",
                f"seen{table.number}.update(dict.fromkeys(found))",
            )
        self.write(f"{name} += found", f"common[{table.working}] = found")
        self.inner -= 1
        outside.extend(" " + line for line in self.body)
        self.body = outside

    # ---- results

    def output_row(self, node: plan.Node, outputs: Sequence[Expr]) -> str:
        """Source of the tuple of `outputs`: a slice of a stored row where it is just that."""
        first = outputs[0] if outputs else None
        if (
            isinstance(first, Column)
            and first.relation in self.rowed
            and all(isinstance(e, Column) and e.relation == first.relation for e in outputs)
        ):
            ordinals = [e.ordinal for e in outputs if isinstance(e, Column)]
            width = self.width(node, first.relation)
            if width is not None and not any((first.relation, o) in self.overrides for o in ordinals):
                if ordinals == list(range(width)):
                    return f"r{first.relation}"
                if ordinals == list(range(1, width)):
                    return f"r{first.relation}[1:]"
        return self.tuple_of([self.value(e) for e in outputs])

    def width(self, node: plan.Node, relation: int) -> int | None:
        for item in everything(node):
            if getattr(item, "relation", None) == relation and isinstance(item, _ROWS):
                match item:
                    case plan.Access():
                        return item.table.width
                    case plan.SetOperation():
                        return len(item.outputs[0])
                    case plan.Values():
                        return len(item.rows[0])
                    case _:
                        return None
        return None

    def text(self, name: str, parameters: str) -> str:
        """The function's whole text."""
        if any("common[" in line for line in (*self.body, *self.definitions)):
            self.definitions.insert(0, "common = {}")
        lines = [*self.tables, *self.definitions, *self.body]
        return "\n".join([f"def {name}({parameters}):", *(" " + line for line in lines)]) + "\n"


PRODUCERS: dict[type, Callable[[Generator, Any, Need], Steps]] = {}
"""What the modules beside this one add: joins, breakers, indexes."""


def is_plain(expr: Expr) -> bool:
    from eventdb.sql.expressions.bound import Constant

    return isinstance(expr, Constant) and expr.value is not None


def everything_of(node: plan.Node, kind: type) -> list[Any]:
    """The parts of CommonTables nodes inside a plan."""
    found: list[Any] = []
    for item in everything(node):
        if isinstance(item, plan.CommonTables):
            found.extend(item.tables)
    return found


__all__ = ["PRODUCERS", "Generator", "Need", "Step", "loops", "places"]
