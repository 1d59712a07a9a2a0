"""The aggregate functions, by name and argument types, with PostgreSQL's result types."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

from eventdb.errors import UndefinedFunction, WrongObjectType
from eventdb.model.datatype import BIGINT, BOOLEAN, BYTEA, DOUBLE, INTERVAL, JSON, NUMERIC, TEXT, DataType, Kind
from eventdb.model.record import Record
from eventdb.model.value import MAX_KEY, MIN_KEY
from eventdb.sql.expressions import arithmetic, intervals, json_values, statistics
from eventdb.sql.expressions.aggregates import AggregateFunction
from eventdb.sql.expressions.bound import Expr
from eventdb.sql.expressions.casts import castable, coerce, settle


class _NoInt(int):
    """A zero that is told apart by identity: the sum of nothing yet."""


class _NoFloat(float):
    pass


class _NoDecimal(Decimal):
    pass


NO_INT = _NoInt(0)
NO_FLOAT = _NoFloat(0.0)
NO_DECIMAL = _NoDecimal(0)

Maker = Callable[[str, tuple[DataType, ...]], AggregateFunction]


class _Entry(Record):
    """`counts`: numbers of arguments; `types`: what each argument is coerced to (None: kept), tried in order."""

    signatures: tuple[tuple[Kind | None, ...], ...]
    make: Maker
    ordered_set: bool = False


_ENTRIES: dict[str, _Entry] = {}


def is_aggregate(name: str) -> bool:
    return name in _ENTRIES


def names() -> Iterable[str]:
    return _ENTRIES.keys()


def resolve(name: str, arguments: Sequence[Expr], star: bool, within_group: bool, position: int) -> tuple[AggregateFunction, list[Expr]]:
    """The function for the arguments, and those cast as it needs. Raises UndefinedFunction, WrongObjectType."""
    entry = _ENTRIES[name]
    if star:
        if name != "count" or arguments:
            raise UndefinedFunction(f"function {name}(*) does not exist", position=position)
        return _count(()), []
    if entry.ordered_set != within_group:
        said = "WITHIN GROUP is required for ordered-set aggregate" if entry.ordered_set else "WITHIN GROUP is not allowed for"
        raise WrongObjectType(f"{said} {name}", position=position)
    for exact in (True, False):
        for signature in entry.signatures:
            if len(signature) == len(arguments) and all(_fits(a, k, exact) for a, k in zip(arguments, signature, strict=True)):
                cast = [settle(a) if k is None else coerce(a, DataType(k)) for a, k in zip(arguments, signature, strict=True)]
                return entry.make(name, tuple(a.datatype for a in cast)), cast
    described = ", ".join(a.datatype.kind.value for a in arguments)
    raise UndefinedFunction(
        f"function {name}({described}) does not exist",
        position=position,
        hint="No aggregate of that name takes these argument types; explicit type casts may help."
        if arguments
        else f"Use {name}(*) or give an argument.",
    )


def _fits(argument: Expr, kind: Kind | None, exact: bool) -> bool:
    own = argument.datatype.kind
    if kind is None or own is kind or (kind is Kind.TEXT and argument.datatype.is_text):
        return True
    return not exact and castable(own, kind, "implicit")


def _declare(name: str, *signatures: str, make: Maker, ordered_set: bool = False) -> None:
    from eventdb.sql.expressions.registry import SHORT_NAMES

    parsed = tuple(tuple(None if w == "any" else SHORT_NAMES[w] for w in s.split()) for s in signatures)
    _ENTRIES[name] = _Entry(parsed, make, ordered_set)


# ---- count, sum, avg


def _count(types: tuple[DataType, ...]) -> AggregateFunction:
    return AggregateFunction("count", types, BIGINT, ("0",), lambda s, a: [f"{s[0]} += 1"], lambda s: s[0], nullable=False)


def _adding(datatype: DataType) -> tuple[str, Callable[[Sequence[str], Sequence[str]], list[str]], tuple[tuple[str, Any], ...]]:
    """(the zero, the step, the names) that add up values of a type in slot 0."""
    if datatype.is_integer:
        return "no_int", lambda s, a: [f"{s[0]} += {a[0]}"], (("no_int", NO_INT),)
    if datatype.is_float:
        return "no_float", lambda s, a: [f"{s[0]} += {a[0]}"], (("no_float", NO_FLOAT),)
    if datatype.kind is Kind.INTERVAL:
        return (
            "None",
            lambda s, a: [f"{s[0]} = {a[0]} if {s[0]} is None else interval_add({s[0]}, {a[0]})"],
            (("interval_add", intervals.interval_add),),
        )
    return (
        "no_decimal",
        lambda s, a: [f"{s[0]} = exact_add({s[0]}, {a[0]})"],
        (("no_decimal", NO_DECIMAL), ("exact_add", arithmetic.EXACT.add)),
    )


@lru_cache(maxsize=64)
def _sum(name: str, types: tuple[DataType, ...]) -> AggregateFunction:
    (datatype,) = types
    zero, step, used = _adding(datatype)
    result = {Kind.SMALLINT: BIGINT, Kind.INTEGER: BIGINT, Kind.BIGINT: NUMERIC}.get(datatype.kind, DataType(datatype.kind))
    value = "{0}"
    if result == NUMERIC and datatype.is_integer:
        value, used = "Decimal({0})", (*used, ("Decimal", Decimal))
    elif result == BIGINT:
        value, used = "check_bigint({0})", (*used, ("check_bigint", check_bigint))
    elif datatype.is_float:
        value, used = (
            f"check_{datatype.kind.name.lower()}({{0}})",
            (*used, (f"check_{datatype.kind.name.lower()}", _FLOAT_CHECKS[datatype.kind])),
        )
    return AggregateFunction(name, types, result, (zero,), step, lambda s: f"(None if {s[0]} is {zero} else {value.format(s[0])})", used)


def check_bigint(value: int) -> int:
    return arithmetic.check_integer(value, Kind.BIGINT)


def check_double(value: float) -> float:
    return value + 0.0


def check_real(value: float) -> float:
    from eventdb.sql.expressions.values import to_real

    return to_real(value)


_FLOAT_CHECKS: dict[Kind, Callable[[float], float]] = {Kind.DOUBLE: check_double, Kind.REAL: check_real}


@lru_cache(maxsize=64)
def _avg(name: str, types: tuple[DataType, ...]) -> AggregateFunction:
    (datatype,) = types
    zero, add, used = _adding(datatype)
    if datatype.is_float:
        result, final = DOUBLE, "({0} / {1} if {1} else None)"
    elif datatype.kind is Kind.INTERVAL:
        result, final, used = (
            INTERVAL,
            "(interval_divide({0}, {1}) if {1} else None)",
            (*used, ("interval_divide", intervals.interval_divide)),
        )
    else:
        result, final, used = NUMERIC, "(numeric_divide({0}, {1}) if {1} else None)", (*used, ("numeric_divide", arithmetic.numeric_divide))
    return AggregateFunction(name, types, result, (zero, "0"), lambda s, a: [*add(s, a), f"{s[1]} += 1"], lambda s: final.format(*s), used)


# ---- min, max, bool_and, any_value …


@lru_cache(maxsize=128)
def _extreme(name: str, types: tuple[DataType, ...]) -> AggregateFunction:
    (datatype,) = types
    start, used = ("last_key", ("last_key", MAX_KEY)) if name == "min" else ("first_key", ("first_key", MIN_KEY))
    if datatype.kind in (Kind.JSON, Kind.BOOLEAN, Kind.UUID):
        raise UndefinedFunction(f"function {name}({datatype.kind.value}) does not exist")
    sign = "<" if name == "min" else ">"
    # NaN is greater than every number: it gives way in min, and stays in max.
    other = "" if not datatype.is_float else " or {s} != {s}" if name == "min" else " or {a} != {a}"

    def step(s: Sequence[str], a: Sequence[str]) -> list[str]:
        return [f"if {a[0]} {sign} {s[0]}{other.format(s=s[0], a=a[0])}: {s[0]} = {a[0]}"]

    result = TEXT if datatype.kind is Kind.VARCHAR else DataType(datatype.kind)
    return AggregateFunction(name, types, result, (start,), step, lambda s: f"(None if {s[0]} is {start} else {s[0]})", (used,))


def _boolean(name: str, types: tuple[DataType, ...]) -> AggregateFunction:
    lines = {"bool_or": "if {a}: {s} = True\nelif {s} is None: {s} = False"}.get(
        name, "if not {a}: {s} = False\nelif {s} is None: {s} = True"
    )
    return AggregateFunction(name, types, BOOLEAN, ("None",), lambda s, a: lines.format(s=s[0], a=a[0]).split("\n"), lambda s: s[0])


def _bits(name: str, types: tuple[DataType, ...]) -> AggregateFunction:
    sign = {"bit_and": "&", "bit_or": "|", "bit_xor": "^"}[name]
    return AggregateFunction(
        name, types, types[0], ("None",), lambda s, a: [f"{s[0]} = {a[0]} if {s[0]} is None else {s[0]} {sign} {a[0]}"], lambda s: s[0]
    )


def _any_value(name: str, types: tuple[DataType, ...]) -> AggregateFunction:
    return AggregateFunction(
        name, types, types[0], ("None",), lambda s, a: [f"if {s[0]} is None: {s[0]} = {a[0]}"], lambda s: s[0], order_matters=True
    )


# ---- texts and JSON


def _collect(
    name: str,
    types: tuple[DataType, ...],
    result: DataType,
    finish: Callable[[list[Any]], Any],
    strict: bool,
    pairs: bool = False,
    **flags: bool,
) -> AggregateFunction:
    """A function over the list of its arguments, in order."""
    label = f"finish_{name}_{id(finish):x}"

    def step(s: Sequence[str], a: Sequence[str]) -> list[str]:
        return [f"{s[0]}.append({f'({a[0]}, {a[1]})' if pairs else a[-1]})"]

    return AggregateFunction(name, types, result, ("[]",), step, lambda s: f"{label}({s[0]})", ((label, finish),), strict=strict, **flags)


@lru_cache(maxsize=8)
def _string_agg(name: str, types: tuple[DataType, ...]) -> AggregateFunction:
    empty = b"" if types[0].kind is Kind.BYTEA else ""

    def finish(items: list[Any]) -> Any:
        """The values with each one's separator before it, but for the first; rows with a NULL value do not count, a NULL separator is
        empty.
        """
        present = [(value, separator) for value, separator in items if value is not None]
        if not present:
            return None
        pieces = [present[0][0]]
        for value, separator in present[1:]:
            pieces += [empty if separator is None else separator, value]
        return empty.join(pieces)

    return _collect(name, types, BYTEA if types[0].kind is Kind.BYTEA else TEXT, finish, False, pairs=True, order_matters=True)


@lru_cache(maxsize=64)
def _json_agg(name: str, types: tuple[DataType, ...]) -> AggregateFunction:
    write = json_values.writer(types[0])

    def finish(items: list[Any]) -> str | None:
        return f"[{', '.join(map(write, items))}]" if items else None

    return _collect(name, types, JSON, finish, False, order_matters=True)


@lru_cache(maxsize=64)
def _json_object_agg(name: str, types: tuple[DataType, ...]) -> AggregateFunction:
    write = json_values.writer(types[1])
    key_type = types[0]

    def finish(items: list[Any]) -> str | None:
        pairs = [f"{json_values.object_key(key, key_type)} : {write(value)}" for key, value in items]
        return f"{{ {', '.join(pairs)} }}" if pairs else None

    return _collect(name, types, JSON, finish, False, pairs=True, order_matters=True)


# ---- statistics


@lru_cache(maxsize=64)
def _spread(name: str, types: tuple[DataType, ...]) -> AggregateFunction:
    if types[0].is_float:
        return _collect(name, types, DOUBLE, statistics.float_spread(name), True)
    return _collect(name, types, NUMERIC, statistics.exact_spread(name), True)


@lru_cache(maxsize=32)
def _pairs(name: str, types: tuple[DataType, ...]) -> AggregateFunction:
    result = BIGINT if name == "regr_count" else DOUBLE
    return _collect(name, types, result, statistics.pair_function(name), True, pairs=True, nullable=name != "regr_count")


@lru_cache(maxsize=64)
def _percentile(name: str, types: tuple[DataType, ...]) -> AggregateFunction:
    if name == "percentile_cont":
        result = INTERVAL if types[1].kind is Kind.INTERVAL else DOUBLE
        return _collect(name, types, result, statistics.percentile_cont, True, pairs=True, ordered_set=True)
    return _collect(name, types, types[1], statistics.percentile_disc, True, pairs=True, ordered_set=True)


@lru_cache(maxsize=64)
def _mode(name: str, types: tuple[DataType, ...]) -> AggregateFunction:
    return _collect(name, types, types[0], statistics.mode, True, ordered_set=True)


_declare("count", "any", make=lambda name, types: _count(types))
_NUMBERS = ("smallint", "integer", "bigint", "numeric", "real", "double", "interval")
_declare("sum", *_NUMBERS, make=_sum)
_declare("avg", *_NUMBERS, make=_avg)
for _name in ("min", "max"):
    _declare(_name, "text", *_NUMBERS, "date", "time", "timetz", "timestamp", "timestamptz", "bytea", make=_extreme)
for _name in ("bool_and", "bool_or", "every"):
    _declare(_name, "boolean", make=_boolean)
for _name in ("bit_and", "bit_or", "bit_xor"):
    _declare(_name, "smallint", "integer", "bigint", make=_bits)
_declare("any_value", "any", make=_any_value)
_declare("string_agg", "text text", "bytea bytea", make=_string_agg)
_declare("json_agg", "any", make=_json_agg)
_declare("json_object_agg", "any any", make=_json_object_agg)
for _name in ("stddev", "stddev_samp", "stddev_pop", "variance", "var_samp", "var_pop"):
    _declare(_name, "smallint", "integer", "bigint", "numeric", "real", "double", make=_spread)
for _name in statistics.PAIR_FUNCTIONS:
    _declare(_name, "double double", make=_pairs)
_declare("percentile_cont", "double double", "double interval", make=_percentile, ordered_set=True)
_declare("percentile_disc", "double any", make=_percentile, ordered_set=True)
_declare("mode", "any", make=_mode, ordered_set=True)
