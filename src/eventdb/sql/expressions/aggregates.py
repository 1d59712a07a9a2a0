"""Aggregate functions, made to be fused into generated loops.

Contract. `accumulator(aggregate, emitter)` turns a bound `Aggregate`, whatever its DISTINCT, ORDER BY and FILTER, into an `Accumulator`:

    .initial   sources of the first values of its state slots, one a slot: ("0",) for count, ("no_int", "0") for avg
    .step(slots)   statements (list of lines, inner lines indented by one space a level) that take the current row in;
                   `slots` are as many assignable sources: local names, or `a[2]`, `a[3]`
    .final(slots)  source of the result; right for no rows too (count 0, sum NULL)

The lines of a step read the row through the emitter that was given. Global names are defined on that emitter. So the sum of a NOT NULL
integer column in a grouped loop is

    init     a = [no_int]
    step     a[0] += r1[3]
    final    (None if a[0] is no_int else a[0])

A sum begins with a zero of its own (`no_int` is a 0 that is told apart by identity), which makes "no row yet" cost nothing.

`AggregateFunction.compute(rows)` is the same function over a list of argument tuples (rows with NULL where it matters are dropped by it):
for window frames, and where aggregates are computed one by one.

Functions that need their input in order (percentile_cont, mode, or anything with ORDER BY inside) collect it and sort at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from eventdb.model.datatype import DataType
from eventdb.model.record import Record, field
from eventdb.sql.expressions import compiler, sources
from eventdb.sql.expressions.bound import Aggregate, Expr, OrderKey

Step = Callable[[Sequence[str], Sequence[str]], list[str]]
Final = Callable[[Sequence[str]], str]


class AggregateFunction(Record):
    """One aggregate function for given argument types.

    `initial`: sources of the state's first values. `step(slots, arguments)`: statements; arguments are sources that may be repeated and,
    if the function is `strict`, are never NULL (rows with a NULL argument are skipped). `final(slots)`: source of the result. `globals`:
    the names used. `ordered_set`: WITHIN GROUP; the last argument is then the sort expression. `collects`: works on the finished list
    (slot 0).
    """

    name: str
    argument_types: tuple[DataType, ...]
    datatype: DataType
    initial: tuple[str, ...]
    step: Step = field(repr=False)
    final: Final = field(repr=False)
    globals: tuple[tuple[str, Any], ...] = field(default=(), repr=False)
    strict: bool = True
    nullable: bool = True
    ordered_set: bool = False
    order_matters: bool = False

    def compute(self, rows: Sequence[tuple[Any, ...]]) -> Any:
        """The result over argument tuples, in their order. `count(*)` takes empty tuples."""
        return _compiled(self)(rows)


@lru_cache(maxsize=512)
def _compiled(function: AggregateFunction) -> Callable[[Sequence[tuple[Any, ...]]], Any]:
    slots = [f"s{i}" for i in range(len(function.initial))]
    arguments = [f"x{i}" for i in range(len(function.argument_types))]
    lines = ["def compute(rows):"]
    lines += [f" {slot} = {source}" for slot, source in zip(slots, function.initial, strict=True)]
    lines.append(f" for ({', '.join(arguments)}{',' if arguments else ''}) in rows:")
    if function.strict and arguments:
        lines.append(f"  if {' or '.join(f'{a} is None' for a in arguments)}: continue")
    lines += [f"  {line}" for line in function.step(slots, arguments)]
    lines.append(f" return {function.final(slots)}")
    scope = dict(function.globals)
    exec(compiler.compile_source("\n".join(lines), f"<aggregate {function.name}>"), scope)
    return scope["compute"]  # type: ignore[no-any-return]


class Accumulator(Record):
    """An aggregate ready to be written into a loop; see the module's text."""

    initial: tuple[str, ...]
    step: Callable[[Sequence[str]], list[str]]
    final: Callable[[Sequence[str]], str]


def accumulator(aggregate: Aggregate, emitter: sources.Emitter) -> Accumulator:
    """What to write into a loop for `aggregate`; its arguments are compiled with `emitter`."""
    function = aggregate.function
    for name, item in function.globals:
        emitter.define(name, item)
    sorts = bool(aggregate.order_by) and (function.order_matters or function.ordered_set)
    if sorts:
        return _sorted_accumulator(aggregate, emitter)
    if aggregate.distinct and aggregate.arguments:
        return _distinct_accumulator(aggregate, emitter)

    def step(slots: Sequence[str]) -> list[str]:
        prepare, names, guards = _arguments(aggregate.arguments, function.strict, emitter)
        return _guarded(aggregate, emitter, prepare, guards, function.step(slots, names))

    return Accumulator(function.initial, step, function.final)


def _arguments(exprs: Sequence[Expr], strict: bool, emitter: sources.Emitter) -> tuple[list[str], list[str], list[str]]:
    """(assignments, names, tests that the row counts) for an aggregate's arguments."""
    prepare, names, guards = [], [], []
    for expr in exprs:
        source = compiler.value(expr, emitter)
        if not sources.is_simple(source) and not source.isdigit():
            name = emitter.temporary()
            prepare.append(f"{name} = {source}")
            source = name
        names.append(source)
        if strict and expr.nullable:
            guards.append(f"{source} is not None")
    return prepare, names, guards


def _guarded(aggregate: Aggregate, emitter: sources.Emitter, prepare: list[str], guards: list[str], body: list[str]) -> list[str]:
    if guards:
        body = [f"if {' and '.join(guards)}:", *(f" {line}" for line in body)]
    lines = [*prepare, *body]
    if aggregate.filter is not None:
        lines = [f"if {compiler.condition(aggregate.filter, emitter)}:", *(f" {line}" for line in lines)]
    return lines


def _distinct_accumulator(aggregate: Aggregate, emitter: sources.Emitter) -> Accumulator:
    function = aggregate.function
    single = len(aggregate.arguments) == 1

    def step(slots: Sequence[str]) -> list[str]:
        prepare, names, guards = _arguments(aggregate.arguments, function.strict, emitter)
        key = names[0] if single else f"({', '.join(names)})"
        return _guarded(aggregate, emitter, prepare, guards, [f"{slots[0]}[{key}] = None"])

    def final(slots: Sequence[str]) -> str:
        if function.name == "count":
            return f"len({slots[0]})"
        compute = emitter.constant(function.compute)
        return f"{compute}([(x,) for x in {slots[0]}])" if single else f"{compute}(list({slots[0]}))"

    return Accumulator(("{}",), step, final)


def _sorted_accumulator(aggregate: Aggregate, emitter: sources.Emitter) -> Accumulator:
    function, keys = aggregate.function, aggregate.order_by

    def step(slots: Sequence[str]) -> list[str]:
        prepare, names, guards = _arguments(aggregate.arguments, function.strict, emitter)
        sort_prepare, sort_names, _ = _arguments([key.expression for key in keys], False, emitter)
        row = f"(({', '.join([*sort_names, ''])}), ({', '.join([*names, ''])}))"
        return _guarded(aggregate, emitter, prepare, guards, [*sort_prepare, f"{slots[0]}.append({row})"])

    def final(slots: Sequence[str]) -> str:
        return (
            f"{emitter.constant(_finish_sorted)}({slots[0]}, {emitter.constant(keys)}, {emitter.constant(function)}, {aggregate.distinct})"
        )

    return Accumulator(("[]",), step, final)


def _finish_sorted(
    rows: list[tuple[tuple[Any, ...], tuple[Any, ...]]], keys: Sequence[OrderKey], function: AggregateFunction, distinct: bool
) -> Any:
    sort_rows(rows, keys)
    arguments = [row[1] for row in rows]
    return function.compute(list(dict.fromkeys(arguments)) if distinct else arguments)


def sort_rows(rows: list[Any], keys: Sequence[OrderKey]) -> None:
    """Sort in place `(sort values, …)` tuples by `keys`, whose expressions gave the sort values. NaN comes after every number."""
    for number in reversed(range(len(keys))):
        key = keys[number]
        floats = key.expression.datatype.is_float
        rows.sort(key=_component(number, key.descending, key.nulls_first, floats), reverse=key.descending)


def _component(number: int, descending: bool, nulls_first: bool, floats: bool) -> Callable[[Any], Any]:
    null: tuple[Any, ...] = (0,) if nulls_first != descending else (3,)

    def component(row: Any) -> tuple[Any, ...]:
        item = row[0][number]
        if item is None:
            return null
        return (2,) if floats and item != item else (1, item)

    return component
