"""Casts: which exist, when they apply by themselves, and what computes them.

Contexts, as in PostgreSQL: an *implicit* cast applies anywhere, an *assignment* cast where a value goes into a column, an *explicit* one
only where it is written. Every type casts to text on assignment and from text explicitly, through its text form.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import cache
from typing import Any, Literal

from eventdb.errors import CannotCoerce, DatatypeMismatch, Error, IndeterminateDatatype, NumericValueOutOfRange
from eventdb.model.datatype import INTEGER_RANGES, TEXT, DataType, Kind
from eventdb.model.record import Record, replace
from eventdb.sql.environment import Environment
from eventdb.sql.expressions import arithmetic, compiler, datetimes, intervals, values
from eventdb.sql.expressions.bound import Call, Case, Coalesce, Constant, Expr, Parameter
from eventdb.sql.expressions.registry import IMPLICIT, calling

Context = Literal["implicit", "assignment", "explicit"]
_RANK = {"implicit": 0, "assignment": 1, "explicit": 2}
_TEXTS = (Kind.TEXT, Kind.VARCHAR, Kind.CHAR)


class UntypedParameter(Parameter):
    """A parameter whose type the context will tell; it then enters it in the environment."""

    environment: Environment


class _Cast(Record):
    context: Context
    render: Callable[..., str]
    globals: tuple[tuple[str, Any], ...] = ()
    uses_execution: bool = False


_CASTS: dict[tuple[Kind, Kind], _Cast] = {}
IDENTITY = "{0}"


def _cast(
    source: Kind, target: Kind, context: Context, body: str | Callable[..., Any], uses: Iterable[Any] = (), execution: bool = False
) -> None:
    used: list[tuple[str, Any]] = [(item.__name__, item) for item in uses]
    if isinstance(body, str):
        render: Callable[..., str] = body.format
    else:
        used.append((body.__name__, body))
        render = calling(body.__name__, execution)
    _CASTS[source, target] = _Cast(context, render, tuple(used), execution)


# ---- numbers


def numeric_to_integer(value: Decimal) -> int:
    """NUMERIC → integer, half away from zero."""
    return int(value.to_integral_value("ROUND_HALF_UP"))


def float_to_integer(value: float) -> int:
    """float → integer, half to even."""
    if not math.isfinite(value):
        arithmetic.integer_overflow("integer", value)
    return round(value)


def numeric_to_float(value: Decimal) -> float:
    number = float(value)
    if math.isinf(number):
        raise NumericValueOutOfRange(f'"{values.excerpt(str(value))}" is out of range for type double precision')
    return number


def numeric_to_real(value: Decimal) -> float:
    number = float(value)
    if number in (math.inf, -math.inf):
        raise NumericValueOutOfRange("value out of range: overflow")
    return values.to_real(number)


def integer_to_real(value: int) -> float:
    return values.to_real(float(value))


def double_to_real(value: float) -> float:
    return values.to_real(value)


def real_to_numeric(value: float) -> Decimal:
    return arithmetic.numeric_from_float(value, 6)


_RANGE = "(\0 if {low} <= (\0 := {source}) <= {high} else {overflow}(\0))"


def _declare_numbers() -> None:
    integers = (Kind.SMALLINT, Kind.INTEGER, Kind.BIGINT)
    for rank, target in enumerate(integers):
        low, high = INTEGER_RANGES[target]
        overflow = arithmetic.OVERFLOW[target]

        def checked(source: str, low: int = low, high: int = high, name: str = overflow.__name__) -> str:
            return _RANGE.format(low=low, high=high, source=source, overflow=name)

        for source in integers[:rank]:
            _cast(source, target, "implicit", IDENTITY)
        for source in integers[rank + 1 :]:
            _cast(source, target, "assignment", checked("{0}"), [overflow])
        _cast(Kind.NUMERIC, target, "assignment", checked("numeric_to_integer({0})"), [overflow, numeric_to_integer])
        for source in (Kind.REAL, Kind.DOUBLE):
            _cast(source, target, "assignment", checked("float_to_integer({0})"), [overflow, float_to_integer])
        _cast(target, Kind.NUMERIC, "implicit", "Decimal({0})", [Decimal])
        _cast(target, Kind.DOUBLE, "implicit", "float({0})")
        _cast(target, Kind.REAL, "implicit", integer_to_real)
    _cast(Kind.NUMERIC, Kind.DOUBLE, "implicit", numeric_to_float)
    _cast(Kind.NUMERIC, Kind.REAL, "implicit", numeric_to_real)
    _cast(Kind.REAL, Kind.DOUBLE, "implicit", IDENTITY)
    _cast(Kind.DOUBLE, Kind.REAL, "assignment", double_to_real)
    _cast(Kind.DOUBLE, Kind.NUMERIC, "assignment", arithmetic.numeric_from_float)
    _cast(Kind.REAL, Kind.NUMERIC, "assignment", real_to_numeric)
    _cast(Kind.INTEGER, Kind.BOOLEAN, "explicit", "({0} != 0)")
    _cast(Kind.BOOLEAN, Kind.INTEGER, "explicit", "int({0})")


# ---- dates and times


def date_to_timestamp(day: datetime.date) -> datetime.datetime:
    return datetime.datetime(day.year, day.month, day.day)


def date_to_timestamptz(cx: Any, day: datetime.date) -> datetime.datetime:
    return datetimes.to_utc(datetime.datetime(day.year, day.month, day.day), cx.timezone)


def timestamp_to_timestamptz(cx: Any, moment: datetime.datetime) -> datetime.datetime:
    return datetimes.to_utc(moment, cx.timezone)


def timestamptz_to_timestamp(cx: Any, moment: datetime.datetime) -> datetime.datetime:
    return datetimes.to_local(moment, cx.timezone)


def timestamptz_to_date(cx: Any, moment: datetime.datetime) -> datetime.date:
    return datetimes.to_local(moment, cx.timezone).date()


def timestamptz_to_time(cx: Any, moment: datetime.datetime) -> datetime.time:
    return datetimes.to_local(moment, cx.timezone).time()


def timestamptz_to_timetz(cx: Any, moment: datetime.datetime) -> datetime.time:
    local = moment.astimezone(cx.timezone)
    return local.time().replace(tzinfo=datetime.timezone(local.utcoffset() or datetime.timedelta()))


def time_to_timetz(cx: Any, clock: datetime.time) -> datetime.time:
    return clock.replace(tzinfo=datetime.timezone(cx.statement_timestamp.astimezone(cx.timezone).utcoffset() or datetime.timedelta()))


def _declare_times() -> None:
    _cast(Kind.DATE, Kind.TIMESTAMP, "implicit", date_to_timestamp)
    _cast(Kind.DATE, Kind.TIMESTAMPTZ, "implicit", date_to_timestamptz, execution=True)
    _cast(Kind.TIMESTAMP, Kind.TIMESTAMPTZ, "implicit", timestamp_to_timestamptz, execution=True)
    _cast(Kind.TIMESTAMP, Kind.DATE, "assignment", "{0}.date()")
    _cast(Kind.TIMESTAMP, Kind.TIME, "assignment", "{0}.time()")
    _cast(Kind.TIMESTAMPTZ, Kind.TIMESTAMP, "assignment", timestamptz_to_timestamp, execution=True)
    _cast(Kind.TIMESTAMPTZ, Kind.DATE, "assignment", timestamptz_to_date, execution=True)
    _cast(Kind.TIMESTAMPTZ, Kind.TIME, "assignment", timestamptz_to_time, execution=True)
    _cast(Kind.TIMESTAMPTZ, Kind.TIMETZ, "assignment", timestamptz_to_timetz, execution=True)
    _cast(Kind.TIME, Kind.TIMETZ, "implicit", time_to_timetz, execution=True)
    _cast(Kind.TIMETZ, Kind.TIME, "assignment", "{0}.replace(tzinfo=None)")
    _cast(Kind.TIME, Kind.INTERVAL, "implicit", intervals.time_to_interval)
    _cast(Kind.INTERVAL, Kind.TIME, "assignment", intervals.interval_to_time)


_declare_numbers()
_declare_times()


@cache
def _find(source: Kind, target: Kind) -> _Cast | None:
    if source in _TEXTS and target in _TEXTS:
        return _Cast("implicit", "{0}.rstrip(' ')".format if target is Kind.CHAR and source is not Kind.CHAR else IDENTITY.format)
    found = _CASTS.get((source, target))
    if found is not None:
        return found
    if target in _TEXTS:
        return _to_text(source)
    if source in _TEXTS:
        return _from_text(DataType(target))
    return None


def _to_text(source: Kind) -> _Cast:
    datatype = DataType(source)
    if source is Kind.TIMESTAMPTZ:
        return _Cast(
            "assignment", "render_timestamptz({0}, cx.timezone)".format, (("render_timestamptz", datetimes.render_timestamptz),), True
        )
    if source in INTEGER_RANGES or source is Kind.UUID:
        return _Cast("assignment", "str({0})".format)
    if source is Kind.JSON:
        return _Cast("assignment", IDENTITY.format)
    name = f"{source.name.lower()}_text"
    return _Cast("assignment", calling(name), ((name, values.renderer(datatype)),))


def _from_text(target: DataType) -> _Cast:
    name = f"parse_{target.kind.name.lower()}"
    zoned = target.kind in (Kind.TIMESTAMPTZ, Kind.TIMETZ)

    def parse(text: str, zone: datetime.tzinfo = datetime.UTC) -> Any:
        return values.parse(text, target, zone)

    source = f"{name}({{0}}, cx.timezone)" if zoned else f"{name}({{0}})"
    return _Cast("explicit", source.format, ((name, parse),), zoned)


def castable(source: Kind, target: Kind, context: Context) -> bool:
    """Whether a value of one kind may become the other in that context."""
    if source is target or source is Kind.NULL:
        return True
    if context == "implicit":
        return target in IMPLICIT.get(source, ())
    found = _find(source, target)
    return found is not None and _RANK[found.context] <= _RANK[context]


def coerce(expr: Expr, datatype: DataType, context: Context = "implicit") -> Expr:
    """`expr` as `datatype`, its length or precision included. Raises DatatypeMismatch (CannotCoerce where the cast is explicit)."""
    if expr.datatype == datatype:
        return expr
    place = expr.position if expr.position >= 0 else None
    if expr.datatype.kind is Kind.NULL:
        return _resolve_unknown(expr, datatype, context)
    source, target = expr.datatype.kind, datatype.kind
    if source is not target:
        if not castable(source, target, context):
            if context == "explicit":
                raise CannotCoerce(f"cannot cast type {source.value} to {target.value}", position=place)
            raise DatatypeMismatch(
                f"a value of type {source.value} is needed as {target.value}, and does not turn into it by itself", position=place,
                hint=f"Write CAST(... AS {target.value})." if castable(source, target, "explicit") else None,
            )  # fmt: skip
        found = _find(source, target)
        assert found is not None
        expr = _apply(expr, DataType(target), f"cast to {target.value}", found.render, found.globals, found.uses_execution)
    return _fitted(expr, datatype, context)


def _apply(
    expr: Expr, datatype: DataType, name: str, render: Callable[..., str], names: tuple[tuple[str, Any], ...], uses_execution: bool = False
) -> Expr:
    return fold(Call(datatype, name, (expr,), render, names, uses_execution=uses_execution, nullable=expr.nullable, position=expr.position))


def _fitted(expr: Expr, datatype: DataType, context: Context) -> Expr:
    """`expr`, of the right kind already, with the length or precision of `datatype` enforced."""
    if expr.datatype == datatype:
        return expr
    kind = datatype.kind
    if kind in (Kind.VARCHAR, Kind.CHAR) and datatype.length is not None:
        if expr.datatype.kind is kind and expr.datatype.length is not None and expr.datatype.length <= datatype.length:
            return retyped(expr, datatype)
        name = f"fit_{kind.name.lower()}_{datatype.length}{'_explicit' if context == 'explicit' else ''}"
        source = f"(\0 if len(\0 := {{0}}) <= {datatype.length} else {name}(\0))"
        render = source.format if kind is Kind.VARCHAR else calling(name)
        return _apply(expr, datatype, f"cast to {datatype}", render, ((name, _fitter(datatype, context == "explicit")),))
    if datatype.precision is None and datatype.scale is None:
        return retyped(expr, datatype)
    if kind is Kind.NUMERIC:
        source = f"fit_numeric({{0}}, {datatype.precision}, {datatype.scale or 0})"
        return _apply(expr, datatype, f"cast to {datatype}", source.format, (("fit_numeric", arithmetic.fit_numeric),))
    limit: Callable[..., Any] = intervals.limited if kind is Kind.INTERVAL else datetimes.limited
    name = "limited_interval" if kind is Kind.INTERVAL else "limited"
    fields = f", {datatype.scale}" if kind is Kind.INTERVAL else ""
    return _apply(expr, datatype, f"cast to {datatype}", f"{name}({{0}}, {datatype.precision}{fields})".format, ((name, limit),))


@cache
def _fitter(datatype: DataType, explicit: bool) -> Callable[[str], str]:
    def fit(text: str) -> str:
        return values.fit_text(text, datatype, explicit)

    return fit


def retyped(expr: Expr, datatype: DataType) -> Expr:
    """The same expression under another name of its type (no value changes)."""
    if isinstance(expr, UntypedParameter):
        return Parameter(datatype, expr.index, nullable=expr.nullable, position=expr.position)
    return replace(expr, datatype=datatype)


def _resolve_unknown(expr: Expr, datatype: DataType, context: Context) -> Expr:
    if isinstance(expr, UntypedParameter):
        return _typed_parameter(expr, datatype, context)
    if isinstance(expr, Case):
        whens = tuple((test, coerce(result, datatype, context)) for test, result in expr.whens)
        return replace(
            expr, datatype=datatype, whens=whens, otherwise=None if expr.otherwise is None else coerce(expr.otherwise, datatype, context)
        )
    if isinstance(expr, Coalesce):
        return replace(expr, datatype=datatype, arguments=tuple(coerce(argument, datatype, context) for argument in expr.arguments))
    if not isinstance(expr, Constant):
        return _apply_text(expr, datatype, context)
    if expr.value is None:
        return Constant(datatype, None, position=expr.position)
    text = expr.value
    try:
        if datatype.kind in (Kind.TIMESTAMPTZ, Kind.TIMETZ) and not datetimes.names_zone(text):
            datetimes.parse_timestamp(text) if datatype.kind is Kind.TIMESTAMPTZ else datetimes.parse_time(text)
            return _apply_text(expr, datatype, context)
        value = values.parse(text, datatype, explicit=context == "explicit")
    except Error as error:
        raise error.at(expr.position if expr.position >= 0 else None) from None
    return Constant(datatype, value, nullable=False, position=expr.position)


def _apply_text(expr: Expr, datatype: DataType, context: Context) -> Expr:
    text = replace(expr, datatype=TEXT)
    return coerce(text, datatype, "explicit" if context != "explicit" else context)


def _typed_parameter(expr: UntypedParameter, datatype: DataType, context: Context) -> Expr:
    types = expr.environment.parameter_types
    known = types[expr.index]
    if known is None:
        # An explicit cast cuts a text by itself; the parameter must not refuse it before.
        known = types[expr.index] = DataType(datatype.kind) if context == "explicit" else datatype
    parameter = Parameter(known, expr.index, position=expr.position)
    return coerce(parameter, datatype, context)


def settle(expr: Expr) -> Expr:
    """`expr` with a type for certain: a string literal that nothing gave a type, and a bare NULL, are text. IndeterminateDatatype for a
    parameter whose value is not NULL.
    """
    if expr.datatype.kind is not Kind.NULL:
        return expr
    if isinstance(expr, UntypedParameter):
        known = expr.environment.parameter_types[expr.index]
        if known is None and expr.index in expr.environment.nulls:
            return Parameter(TEXT, expr.index, position=expr.position)
        if known is None:
            raise indeterminate(expr)
        return Parameter(known, expr.index, position=expr.position)
    return coerce(expr, TEXT)


def indeterminate(expr: UntypedParameter) -> IndeterminateDatatype:
    return IndeterminateDatatype(
        f"could not determine data type of parameter {expr.index + 1}", position=expr.position, hint="Write CAST(? AS type)."
    )


def fold(expr: Expr) -> Expr:
    """A call on constants as the constant it gives. What fails is left to fail at run time, should it be reached."""
    if not isinstance(expr, Call) or expr.volatile or expr.uses_execution or not all(isinstance(a, Constant) for a in expr.arguments):
        return expr
    try:
        value = compiler.evaluate(expr)
    except Error:
        return expr
    return Constant(expr.datatype, value, nullable=value is None, position=expr.position)
