"""Operators: which one an expression means, and the Python that computes it.

Numbers are promoted as in PostgreSQL (smallint < integer < bigint < numeric < real < double precision; numeric with a float is double
precision). Python's int, Decimal and float compare with each other by value, so integers and NUMERIC are compared without casts; NUMERIC
meets a float as a float. Everything else is a table of overloads, resolved as functions are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

from eventdb.errors import AmbiguousFunction, Error, IndeterminateDatatype, UndefinedFunction
from eventdb.model.datatype import (
    BIGINT,
    BOOLEAN,
    BYTEA,
    DATE,
    DOUBLE,
    INTEGER,
    INTEGER_RANGES,
    INTERVAL,
    JSON,
    NUMERIC,
    TEXT,
    TIME,
    TIMESTAMP,
    TIMESTAMPTZ,
    DataType,
    Kind,
)
from eventdb.sql.expressions import arithmetic, intervals, json_values, patterns, registry, values
from eventdb.sql.expressions.bound import Call, Comparison, Constant, Expr
from eventdb.sql.expressions.casts import UntypedParameter, castable, coerce, fold, indeterminate, settle
from eventdb.sql.expressions.registry import Function, calling

COMPARISONS = frozenset(("=", "<>", "<", "<=", ">", ">="))
ARITHMETIC = frozenset(("+", "-", "*", "/", "%", "^"))
_ORDER = (Kind.SMALLINT, Kind.INTEGER, Kind.BIGINT, Kind.NUMERIC, Kind.REAL, Kind.DOUBLE)
Names = tuple[tuple[str, Any], ...]


def undefined(operator: str, left: Expr | None, right: Expr, position: int) -> UndefinedFunction | IndeterminateDatatype:
    """The error for an operator that these types do not have; a parameter that nothing gives a type might have the right one."""
    for side in (left, right):
        if isinstance(side, UntypedParameter) and side.index not in side.environment.nulls:
            return indeterminate(side)
    before = f"{left.datatype.kind.value} " if left is not None else ""
    return UndefinedFunction(
        f"operator does not exist: {before}{operator} {right.datatype.kind.value}", position=position,
        hint="No operator matches the given name and argument types; explicit type casts may help.",
    )  # fmt: skip


def _unknown(expr: Expr) -> bool:
    return expr.datatype.kind is Kind.NULL


def binary(operator: str, left: Expr, right: Expr, position: int) -> Expr:
    """`left operator right`, with the operands cast as the operator needs. Raises UndefinedFunction, AmbiguousFunction or
    IndeterminateDatatype.
    """
    if operator in COMPARISONS:
        return compare(operator, left, right, position)
    if operator == "||":
        return concatenation(left, right, position)
    if operator in ARITHMETIC:
        left, right = _with_known_numbers(left, right)
        if left.datatype.is_numeric and right.datatype.is_numeric:
            return calculated(operator, left, right, position)
    if operator in ("~", "~*", "!~", "!~*"):
        return regex_operator(operator, left, right, position)
    return _from_table(operator, left, right, position)


def _with_known_numbers(left: Expr, right: Expr) -> tuple[Expr, Expr]:
    """A literal or parameter of unknown type beside a number takes the number's type."""
    if _unknown(left) and right.datatype.is_numeric:
        return coerce(left, DataType(right.datatype.kind)), right
    if _unknown(right) and left.datatype.is_numeric:
        return left, coerce(right, DataType(left.datatype.kind))
    return left, right


# ---- comparison


def compare(operator: Any, left: Expr, right: Expr, position: int) -> Expr:
    """A comparison, operands brought to one comparable type."""
    left, right = comparable(left, right, operator, position)
    never_null = operator.startswith("is ")
    return fold_comparison(
        Comparison(BOOLEAN, operator, left, right, nullable=not never_null and (left.nullable or right.nullable), position=position)
    )


def fold_comparison(expr: Comparison) -> Expr:
    if isinstance(expr.left, Constant) and isinstance(expr.right, Constant):
        from eventdb.sql.expressions.compiler import evaluate

        value = evaluate(expr)
        return Constant(BOOLEAN, value, nullable=value is None, position=expr.position)
    return expr


def comparable(left: Expr, right: Expr, operator: str, position: int) -> tuple[Expr, Expr]:
    """Both sides in types whose Python values compare as SQL says."""
    if _unknown(left) and _unknown(right):
        return _both_unknown(left, right)
    if _unknown(left):
        left = coerce(left, comparison_type(right.datatype, isinstance(left, UntypedParameter)))
    elif _unknown(right):
        right = coerce(right, comparison_type(left.datatype, isinstance(right, UntypedParameter)))
    a, b = left.datatype, right.datatype
    if a.kind is b.kind and a.kind is not Kind.JSON:
        return left, right
    if a.is_numeric and b.is_numeric:
        return _comparable_numbers(left, right)
    if a.is_text and b.is_text:
        return left, right
    if a.kind is not Kind.JSON and castable(a.kind, b.kind, "implicit"):
        return coerce(left, DataType(b.kind)), right
    if b.kind is not Kind.JSON and castable(b.kind, a.kind, "implicit"):
        return left, coerce(right, DataType(a.kind))
    raise undefined(operator, left, right, position)


def _both_unknown(left: Expr, right: Expr) -> tuple[Expr, Expr]:
    for mine, other in ((left, right), (right, left)):
        if isinstance(mine, UntypedParameter):
            known = settle(mine)
            return (known, coerce(other, known.datatype)) if mine is left else (coerce(other, known.datatype), known)
    return settle(left), settle(right)


def comparison_type(datatype: DataType, parameter: bool = False) -> DataType:
    """The type that something unknown takes when compared with `datatype`: no length or scale, and any integer for a parameter."""
    if parameter and datatype.is_integer:
        return BIGINT
    return TEXT if datatype.kind is Kind.VARCHAR else DataType(datatype.kind)


def _comparable_numbers(left: Expr, right: Expr) -> tuple[Expr, Expr]:
    if left.datatype.is_float and right.datatype.kind is Kind.NUMERIC:
        return left, coerce(right, DOUBLE)
    if right.datatype.is_float and left.datatype.kind is Kind.NUMERIC:
        return coerce(left, DOUBLE), right
    return left, right


# ---- arithmetic on numbers


def promoted(a: DataType, b: DataType) -> DataType:
    """The type that arithmetic on two numbers is done in."""
    if a.kind is b.kind:
        return DataType(a.kind)
    if a.is_float or b.is_float:
        return DOUBLE
    return DataType(max(a.kind, b.kind, key=_ORDER.index))


def calculated(operator: str, left: Expr, right: Expr, position: int) -> Expr:
    """+ - * / % ^ on two numbers."""
    datatype = promoted(left.datatype, right.datatype)
    if operator == "^" and datatype.is_integer:
        datatype = DOUBLE
    if operator == "%" and datatype.is_float:
        raise undefined(operator, left, right, position)
    if datatype.is_float:
        left, right = (
            coerce(side, DOUBLE) if side.datatype.kind is Kind.NUMERIC or not side.datatype.is_float else side for side in (left, right)
        )
        render, names = _FLOAT[operator]
        if datatype.kind is Kind.REAL:
            render, names = _rounded_to_real(render), (*names, ("to_real", values.to_real))
    elif datatype.kind is Kind.NUMERIC:
        render, names = _NUMERIC[operator]
    else:
        render, names = _integer(operator, datatype.kind)
    nullable = left.nullable or right.nullable
    return fold(Call(datatype, operator, (left, right), render, names, nullable=nullable, position=position))


def _rounded_to_real(render: Callable[..., str]) -> Callable[..., str]:
    return lambda a, b: f"to_real({render(a, b)})"


_POSITIVE = re.compile(r"[1-9]\d*")


def _integer(operator: str, kind: Kind) -> tuple[Callable[..., str], Names]:
    low, high = INTEGER_RANGES[kind]
    overflow = arithmetic.OVERFLOW[kind]

    def checked(a: str, b: str) -> str:
        return f"(\0 if {low} <= (\0 := {a} {operator} {b}) <= {high} else {overflow.__name__}(\0))"

    def divided(a: str, b: str) -> str:
        if _POSITIVE.fullmatch(b):
            return f"(\0 // {b} if (\0 := {a}) >= 0 else -(-\0 // {b}))"
        return f"(\0 if (\0 := quotient({a}, {b})) <= {high} else {overflow.__name__}(\0))"

    def modulo(a: str, b: str) -> str:
        if _POSITIVE.fullmatch(b):
            return f"(\0 % {b} if (\0 := {a}) >= 0 else -(-\0 % {b}))"
        return f"remainder({a}, {b})"

    if operator == "/":
        return divided, (("quotient", arithmetic.quotient), (overflow.__name__, overflow))
    if operator == "%":
        return modulo, (("remainder", arithmetic.remainder),)
    return checked, ((overflow.__name__, overflow),)


def _float(operator: str) -> tuple[Callable[..., str], Names]:
    def render(a: str, b: str) -> str:
        return f"(\0 if -1.7976931348623157e308 <= (\0 := {a} {operator} {b}) <= 1.7976931348623157e308 else float_checked(\0, {a}, {b}))"

    def call(a: str, b: str) -> str:
        return render(a, b) if _cheap(a) and _cheap(b) else f"float_{_WORDS[operator]}({a}, {b})"

    names = (("float_checked", arithmetic.float_checked), (f"float_{_WORDS[operator]}", _FLOAT_FUNCTIONS[operator]))
    return call, names


_WORDS = {"+": "add", "-": "subtract", "*": "multiply"}


def _cheap(source: str) -> bool:
    return len(source) < 24 and ":=" not in source


def float_add(a: float, b: float) -> float:
    result = a + b
    return result if -arithmetic.FLOAT_MAX <= result <= arithmetic.FLOAT_MAX else arithmetic.float_checked(result, a, b)


def float_subtract(a: float, b: float) -> float:
    result = a - b
    return result if -arithmetic.FLOAT_MAX <= result <= arithmetic.FLOAT_MAX else arithmetic.float_checked(result, a, b)


def float_multiply(a: float, b: float) -> float:
    result = a * b
    return result if -arithmetic.FLOAT_MAX <= result <= arithmetic.FLOAT_MAX else arithmetic.float_checked(result, a, b)


_FLOAT_FUNCTIONS = {"+": float_add, "-": float_subtract, "*": float_multiply}


def _named(function: Callable[..., Any]) -> tuple[Callable[..., str], Names]:
    return calling(function.__name__), ((function.__name__, function),)


_FLOAT = {**{o: _float(o) for o in "+-*"}, "/": _named(arithmetic.float_divide), "^": _named(arithmetic.float_power)}
_NUMERIC = {
    "+": _named(arithmetic.numeric_add), "-": _named(arithmetic.numeric_subtract), "*": _named(arithmetic.numeric_multiply),
    "/": _named(arithmetic.numeric_divide), "%": _named(arithmetic.numeric_remainder), "^": _named(arithmetic.numeric_power),
}  # fmt: skip


def unary(operator: str, operand: Expr, position: int) -> Expr:
    """- + ~ on one operand."""
    if isinstance(operand, UntypedParameter):
        operand = settle(operand)
    elif _unknown(operand):
        operand = coerce(operand, DOUBLE)
    kind = operand.datatype.kind
    render: Callable[..., str]
    names: Names = ()
    if operator == "+" and operand.datatype.is_numeric:
        return operand
    if operator == "-" and kind in INTEGER_RANGES:
        if isinstance(operand, Constant) and operand.value is not None and operand.value != INTEGER_RANGES[kind][0]:
            return Constant(integer_type(-operand.value), -operand.value, nullable=False, position=position)
        overflow, high = arithmetic.OVERFLOW[kind], INTEGER_RANGES[kind][1]
        render, names = f"(\0 if (\0 := -{{0}}) <= {high} else {overflow.__name__}(\0))".format, ((overflow.__name__, overflow),)
    elif operator == "-" and kind is Kind.NUMERIC:
        render, names = "negate({0})".format, (("negate", negate),)
        if (
            isinstance(operand, Constant)
            and operand.value == 2**63
            and operand.datatype == NUMERIC
            and operand.value.as_tuple().exponent == 0
        ):
            return Constant(BIGINT, -(2**63), nullable=False, position=position)
    elif operator == "-" and (operand.datatype.is_float or kind is Kind.INTERVAL):
        render = "(-{0})".format
    elif operator == "~" and kind in INTEGER_RANGES:
        render = "(~{0})".format
    else:
        raise undefined(operator, None, operand, position)
    return fold(Call(DataType(kind), operator, (operand,), render, names, nullable=operand.nullable, position=position))


def negate(value: Decimal) -> Decimal:
    return value.copy_negate() if value else value


def integer_type(value: int) -> DataType:
    """The type of an integer literal: INTEGER, BIGINT or NUMERIC, by size."""
    if -(2**31) <= value < 2**31:
        return INTEGER
    return BIGINT if -(2**63) <= value < 2**63 else NUMERIC


# ---- text


def concatenation(left: Expr, right: Expr, position: int) -> Expr:
    """||: text if one side is text or unknown, with the other turned to text; bytea with bytea."""
    if Kind.BYTEA in (left.datatype.kind, right.datatype.kind) and all(e.datatype.kind in (Kind.BYTEA, Kind.NULL) for e in (left, right)):
        sides: Sequence[Expr] = [coerce(left, BYTEA), coerce(right, BYTEA)]
        return fold(Call(BYTEA, "||", tuple(sides), "({0} + {1})".format, nullable=any(s.nullable for s in sides), position=position))
    if not any(e.datatype.is_text or _unknown(e) for e in (left, right)):
        raise undefined("||", left, right, position)
    sides = [coerce(e, TEXT, "assignment") for e in (left, right)]
    first = sides[0]
    if isinstance(first, Call) and first.name == "||" and first.datatype == TEXT:
        # A chain is one call, so that long ones do not nest.
        sides = [*first.arguments, sides[1]]
    return fold(Call(TEXT, "||", tuple(sides), _joined, nullable=any(s.nullable for s in sides), position=position))


def _joined(*sources: str) -> str:
    return f"({' + '.join(sources)})"


def regex_operator(operator: str, left: Expr, right: Expr, position: int) -> Expr:
    if not all(e.datatype.is_text or _unknown(e) for e in (left, right)):
        raise undefined(operator, left, right, position)
    left, right = coerce(left, TEXT), coerce(right, TEXT)
    flags, negated = "i" if operator.endswith("*") else "", operator.startswith("!")
    render: Callable[..., str]
    if isinstance(right, Constant) and right.value is not None:
        try:
            render, names = patterns.regex_renderer(right.value, flags, negated)
        except Error as error:
            raise error.at(right.position) from None
    else:
        function = patterns.regex_imatch if flags else patterns.regex_match
        render = f"({'not ' if negated else ''}{function.__name__}({{0}}, {{1}}))".format
        names = ((function.__name__, function),)
    return fold(Call(BOOLEAN, operator, (left, right), render, names, nullable=left.nullable or right.nullable, position=position))


def like(kind: str, operand: Expr, pattern: Expr, escape: Expr | None, position: int) -> Expr:
    """operand LIKE | ILIKE | SIMILAR TO pattern [ESCAPE escape]; the call is named "like", "ilike" or "similar"."""
    symbol = {"like": "~~", "ilike": "~~*", "similar": "similar to"}[kind]
    for side in (operand, pattern):
        if not side.datatype.is_text and not _unknown(side):
            raise undefined(symbol, operand, pattern, position)
    arguments = [coerce(operand, TEXT), coerce(pattern, TEXT)]
    if escape is not None:
        arguments.append(coerce(escape, TEXT))
    constants = [a.value for a in arguments[1:] if isinstance(a, Constant)]
    render: Callable[..., str]
    names: Names
    if len(constants) == len(arguments) - 1 and None not in constants and kind != "similar":
        try:
            render, names = patterns.like_renderer(constants[0], constants[1] if escape is not None else "\\", kind == "ilike")
        except Error as error:
            raise error.at(arguments[-1].position) from None
    else:
        function: Callable[..., bool] = {"like": patterns.like, "ilike": patterns.ilike, "similar": patterns.similar}[kind]
        render, names = calling(function.__name__), ((function.__name__, function),)
    return fold(Call(BOOLEAN, kind, tuple(arguments), render, names, nullable=any(a.nullable for a in arguments), position=position))


# ---- the table of other operators

_TABLE: dict[str, list[Function]] = {}


def _operator(
    symbol: str,
    left: str,
    right: str,
    result: DataType,
    body: str | Callable[..., Any],
    uses: Iterable[Any] = (),
    execution: bool = False,
    nullable: bool = False,
) -> None:
    used: list[tuple[str, Any]] = [(item.__name__, item) for item in uses]
    render: Callable[..., str]
    if isinstance(body, str):
        render = body.format
    else:
        used.append((body.__name__, body))
        render = calling(body.__name__)
    kinds = (registry.SHORT_NAMES[left], registry.SHORT_NAMES[right])
    _TABLE.setdefault(symbol, []).append(
        Function(symbol, kinds, 2, False, result, render, tuple(used), nullable=nullable, uses_execution=execution)
    )


def _declare_times() -> None:
    _operator("+", "date", "integer", DATE, intervals.date_add)
    _operator("+", "integer", "date", DATE, "date_add({1}, {0})", [intervals.date_add])
    _operator("-", "date", "integer", DATE, intervals.date_subtract)
    _operator("-", "date", "date", INTEGER, "({0} - {1}).days")
    _operator("+", "date", "time", TIMESTAMP, "combine({0}, {1})", [combine])
    _operator("+", "time", "date", TIMESTAMP, "combine({1}, {0})", [combine])
    for kind, result in (("date", TIMESTAMP), ("timestamp", TIMESTAMP)):
        first = "midnight({0})" if kind == "date" else "{0}"
        second = "midnight({1})" if kind == "date" else "{1}"
        _operator("+", kind, "interval", result, f"timestamp_add({first}, {{1}})", [intervals.timestamp_add, midnight])
        _operator("+", "interval", kind, result, f"timestamp_add({second}, {{0}})", [intervals.timestamp_add, midnight])
        _operator("-", kind, "interval", result, f"timestamp_subtract({first}, {{1}})", [intervals.timestamp_subtract, midnight])
    _operator("+", "timestamptz", "interval", TIMESTAMPTZ, "timestamptz_add({0}, {1}, cx.timezone)", [intervals.timestamptz_add], True)
    _operator("+", "interval", "timestamptz", TIMESTAMPTZ, "timestamptz_add({1}, {0}, cx.timezone)", [intervals.timestamptz_add], True)
    _operator(
        "-", "timestamptz", "interval", TIMESTAMPTZ, "timestamptz_subtract({0}, {1}, cx.timezone)", [intervals.timestamptz_subtract], True
    )
    _operator("-", "timestamp", "timestamp", INTERVAL, intervals.difference)
    _operator("-", "timestamptz", "timestamptz", INTERVAL, intervals.difference)
    _operator("+", "time", "interval", TIME, intervals.time_add)
    _operator("+", "interval", "time", TIME, "time_add({1}, {0})", [intervals.time_add])
    _operator("-", "time", "interval", TIME, intervals.time_subtract)
    _operator("-", "time", "time", INTERVAL, intervals.time_difference)
    _operator("+", "timetz", "interval", DataType(Kind.TIMETZ), intervals.time_add)
    _operator("-", "timetz", "interval", DataType(Kind.TIMETZ), intervals.time_subtract)
    _operator("+", "interval", "interval", INTERVAL, intervals.interval_add)
    _operator("-", "interval", "interval", INTERVAL, intervals.interval_subtract)
    _operator("*", "interval", "double", INTERVAL, intervals.interval_multiply)
    _operator("*", "double", "interval", INTERVAL, "interval_multiply({1}, {0})", [intervals.interval_multiply])
    _operator("/", "interval", "double", INTERVAL, intervals.interval_divide)


def combine(day: Any, clock: Any) -> Any:
    return midnight(day).replace(hour=clock.hour, minute=clock.minute, second=clock.second, microsecond=clock.microsecond)


def midnight(day: Any) -> Any:
    from datetime import datetime

    return datetime(day.year, day.month, day.day)


def _shifted(kind: Kind) -> Callable[..., Any]:
    bits = INTEGER_RANGES[kind][1].bit_length() + 1

    def shift_left(value: int, count: int) -> int:
        result = (value << (count % bits)) & ((1 << bits) - 1)
        return result - (1 << bits) if result >> (bits - 1) else result

    shift_left.__name__ = f"shift_left_{bits}"
    return shift_left


def _declare_bits() -> None:
    for short, kind in (("smallint", Kind.SMALLINT), ("integer", Kind.INTEGER), ("bigint", Kind.BIGINT)):
        datatype = DataType(kind)
        bits = INTEGER_RANGES[kind][1].bit_length() + 1
        for symbol, python in (("&", "&"), ("|", "|"), ("#", "^")):
            _operator(symbol, short, short, datatype, f"({{0}} {python} {{1}})")
        _operator("<<", short, "integer", datatype, _shifted(kind))
        _operator(">>", short, "integer", datatype, f"({{0}} >> ({{1}} % {bits}))")


def _declare_json() -> None:
    for symbol, result, suffix in (("->", JSON, ""), ("->>", TEXT, "_text")):
        _operator(symbol, "json", "text", result, getattr(json_values, f"json_field{suffix}"), nullable=True)
        _operator(symbol, "json", "integer", result, getattr(json_values, f"json_element{suffix}"), nullable=True)
    _operator("#>", "json", "text", JSON, json_values.json_path, nullable=True)
    _operator("#>>", "json", "text", TEXT, json_values.json_path_text, nullable=True)


_declare_times()
_declare_bits()
_declare_json()


def _from_table(operator: str, left: Expr, right: Expr, position: int) -> Expr:
    candidates = _TABLE.get(operator, [])
    kinds = [left.datatype.kind, right.datatype.kind]
    if _unknown(left) and _unknown(right) and candidates:
        for side in (left, right):
            if isinstance(side, UntypedParameter):
                settled = settle(side)
                return binary(operator, settled if side is left else left, settled if side is right else right, position)
        raise _ambiguous(operator, left, right, position)
    chosen: list[Function] = []
    if Kind.NULL in kinds:
        known = kinds[0] if kinds[1] is Kind.NULL else kinds[1]
        chosen = [f for f in candidates if f.parameters == (known, known)]
    chosen = chosen or registry.choose(candidates, kinds)
    if not chosen:
        raise undefined(operator, left, right, position)
    if len(chosen) > 1:
        for side in (left, right):
            if isinstance(side, UntypedParameter):
                raise indeterminate(side)
        raise _ambiguous(operator, left, right, position)
    arguments = [coerce(e, DataType(k) if k is not None else e.datatype) for e, k in zip((left, right), chosen[0].parameters, strict=True)]
    return fold(registry.call(chosen[0], arguments, position))


def _ambiguous(operator: str, left: Expr, right: Expr, position: int) -> AmbiguousFunction:
    return AmbiguousFunction(
        f"operator is not unique: {left.datatype.kind.value} {operator} {right.datatype.kind.value}", position=position,
        hint="Could not choose a best candidate operator; add explicit type casts.",
    )  # fmt: skip
