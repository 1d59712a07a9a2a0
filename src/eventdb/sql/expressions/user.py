"""Functions and aggregates that the application registers on a connection: Python called from SQL.

A registered function belongs to its connection and can be called in queries and changes. What lasts beyond the connection (views, defaults,
checks, indexes, generated columns) cannot name one. It gets its arguments as a cursor would hand them out, None for NULL; what it gives
becomes a value of its result type, which the types of a statement need to be known before it runs.
"""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

from eventdb.errors import Error, ExternalRoutineException, InvalidParameterValue, ProgrammingError
from eventdb.model.datatype import (
    BIGINT,
    BOOLEAN,
    BYTEA,
    DATE,
    DOUBLE,
    INTERVAL,
    JSON,
    NUMERIC,
    TEXT,
    TIME,
    TIMESTAMP,
    UUID,
    DataType,
)
from eventdb.model.record import Record, field
from eventdb.model.value import Interval
from eventdb.sql.expressions import parameters
from eventdb.sql.expressions.aggregates import AggregateFunction
from eventdb.sql.expressions.bound import Call, Expr
from eventdb.sql.expressions.casts import settle
from eventdb.sql.expressions.registry import calling
from eventdb.sql.expressions.typenames import resolve_type
from eventdb.sql.parser import ast, parse_expression

_BY_CLASS: dict[Any, DataType] = {
    bool: BOOLEAN, int: BIGINT, float: DOUBLE, decimal.Decimal: NUMERIC, str: TEXT, bytes: BYTEA, datetime.datetime: TIMESTAMP,
    datetime.date: DATE, datetime.time: TIME, datetime.timedelta: INTERVAL, Interval: INTERVAL, uuid.UUID: UUID, dict: JSON, list: JSON,
}  # fmt: skip
_numbers = count(1)


class UserFunction(Record):
    """`count`: the number of arguments, -1 for any. `make` None: `call` is a function of one row; else an aggregate, whose `make()` gives
    an object with `step` and `finalize`."""

    name: str
    count: int
    datatype: DataType
    call: Callable[..., Any] | None = field(default=None, repr=False)
    make: Callable[[], Any] | None = field(default=None, repr=False)
    deterministic: bool = False
    label: str = ""


Functions = Mapping[tuple[str, int], UserFunction]
"""By name and number of arguments."""


def registered(name: Any, nargs: Any, code: Any, deterministic: bool, returns: Any, aggregate: bool) -> UserFunction:
    """What `Connection.create_function` and `create_aggregate` were given, checked. Raises ProgrammingError, InvalidParameterValue."""
    if not isinstance(name, str) or not name:
        raise ProgrammingError(f"the name of a function must be text, not {name!r}")
    if not isinstance(nargs, int) or isinstance(nargs, bool) or nargs < -1:
        raise ProgrammingError(f"nargs must be the number of arguments, or -1 for any, not {nargs!r}")
    if not callable(code):
        raise ProgrammingError(f"{name} must be callable, not {type(code).__name__}")
    datatype = _result_type(name, code, returns, aggregate)
    label = f"user_{next(_numbers)}"
    if aggregate:
        return UserFunction(name.lower(), nargs, datatype, make=code, label=label)
    return UserFunction(name.lower(), nargs, datatype, call=code, deterministic=bool(deterministic), label=label)


def _result_type(name: str, code: Any, returns: Any, aggregate: bool) -> DataType:
    if isinstance(returns, str):
        cast = parse_expression(f"CAST(NULL AS {returns})")
        if isinstance(cast, ast.Cast):
            return resolve_type(cast.type)
    if returns is None:
        returns = _annotated(getattr(code, "finalize", None) if aggregate else code)
    try:
        return _BY_CLASS[returns]
    except (KeyError, TypeError):
        raise InvalidParameterValue(
            f"the result type of function {name} is not known", hint='Pass returns="integer" (any SQL type), or annotate the function.'
        ) from None


def _annotated(code: Any) -> Any:
    """The class that a function's annotation says it returns; None where there is none, or not one class besides None."""
    import types
    import typing

    try:
        found = typing.get_type_hints(code).get("return")
    except Exception:  # annotations are anybody's code
        return None
    is_union = typing.get_origin(found) in (typing.Union, types.UnionType)
    classes = [part for part in typing.get_args(found) if part is not type(None)] if is_union else [found]
    return (typing.get_origin(classes[0]) or classes[0]) if len(classes) == 1 else None


def scalar_call(function: UserFunction, arguments: Sequence[Expr], position: int) -> Call:
    """The bound call of a function."""
    settled = tuple(settle(argument) for argument in arguments)
    shown = [parameters.to_python(argument.datatype) for argument in settled]
    code = function.call
    assert code is not None

    def call(*values: Any) -> Any:
        return _guarded(function, code, _handed(values, shown))

    label = f"{function.label}_{next(_numbers)}"
    return Call(
        function.datatype, f"{function.name}#{function.label}", settled, calling(label), ((label, call),), strict=False,
        volatile=not function.deterministic, position=position,
    )  # fmt: skip


def aggregate_function(function: UserFunction, arguments: Sequence[Expr]) -> tuple[AggregateFunction, list[Expr]]:
    """The aggregate for these arguments, and those settled."""
    settled = [settle(argument) for argument in arguments]
    shown = [parameters.to_python(argument.datatype) for argument in settled]
    make, step, final = (f"{function.label}_{part}_{next(_numbers)}" for part in ("make", "step", "final"))

    def begin() -> Any:
        return _run(function, function.make)  # type: ignore[arg-type]

    def add(running: Any, *values: Any) -> None:
        _run(function, running.step, *_handed(values, shown))

    def end(running: Any) -> Any:
        return _guarded(function, running.finalize, ())

    made = AggregateFunction(
        function.name, tuple(argument.datatype for argument in settled), function.datatype, (f"{make}()",),
        lambda s, a: [f"{step}({', '.join([s[0], *a])})"], lambda s: f"{final}({s[0]})",
        ((make, begin), (step, add), (final, end)), strict=False, order_matters=True,
    )  # fmt: skip
    return made, settled


def _handed(values: Sequence[Any], shown: Sequence[Callable[[Any], Any] | None]) -> Sequence[Any]:
    """Internal values as the application sees them."""
    return [value if value is None or change is None else change(value) for value, change in zip(values, shown, strict=True)]


def _run(function: UserFunction, code: Callable[..., Any], *values: Any) -> Any:
    try:
        return code(*values)
    except Error:
        raise
    except Exception as error:
        raise ExternalRoutineException(f"function {function.name} raised {type(error).__name__}: {error}") from error


def _guarded(function: UserFunction, code: Callable[..., Any], values: Sequence[Any]) -> Any:
    result = _run(function, code, *values)
    try:
        return None if result is None else parameters.adapt(result, function.datatype)
    except Error as error:
        raise ExternalRoutineException(
            f"function {function.name} gave a {type(result).__name__} that is no {function.datatype}: {error.message}"
        ) from error
