"""From the values that a caller passes to the parameters that a plan takes.

`binder(types)` compiles one function for each list of types: values that already are what the plan wants pass with one comparison each, the
rest goes through `parameters.adapt`.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

from eventdb.errors import InterfaceError, UndefinedParameter, WrongParameterCount
from eventdb.model.datatype import INTEGER_RANGES, DataType, Kind
from eventdb.sql.expressions import parameters
from eventdb.sql.expressions.datetimes import to_utc
from eventdb.sql.expressions.values import parse

Parameters = tuple[Any, ...]
Binder = Callable[[Any], "Parameters | None"]

_CHECKS = {
    Kind.BOOLEAN: "type({0}) is bool",
    Kind.TEXT: "type({0}) is str and {0}.isascii()",
    Kind.VARCHAR: "type({0}) is str and {0}.isascii()",
    Kind.DOUBLE: "type({0}) is float and {0} == {0}",
    Kind.BYTEA: "type({0}) is bytes",
    Kind.DATE: "type({0}) is date",
    Kind.UUID: "type({0}) is UUID",
    Kind.NUMERIC: "type({0}) is Decimal and {0}.is_finite()",
    Kind.TIMESTAMP: "type({0}) is datetime and {0}.tzinfo is None",
}


@lru_cache(maxsize=1024)
def binder(types: tuple[DataType, ...]) -> Binder:
    """The function that gives the parameter tuple if every value already has its internal form, else None."""
    import decimal
    import uuid

    names = [f"v{i}" for i in range(len(types))]
    checks = []
    for name, datatype in zip(names, types, strict=True):
        if datatype.kind in INTEGER_RANGES:
            low, high = INTEGER_RANGES[datatype.kind]
            checks.append(f"type({name}) is int and {low} <= {name} <= {high}")
        elif datatype.kind in _CHECKS and datatype.length is None and datatype.precision is None:
            checks.append(_CHECKS[datatype.kind].format(name))
        else:
            checks.append("False")
    lines = ["def bind(p):", "    if type(p) is not tuple: return None"]
    if names:
        lines.append(f"    {', '.join(names)}, = p")
        lines.append(f"    if {' and '.join(checks)}: return p")
        lines.append("    return None")
    else:
        lines.append("    return p")
    scope: dict[str, Any] = {"date": datetime.date, "datetime": datetime.datetime, "Decimal": decimal.Decimal, "UUID": uuid.UUID}
    exec(compile("\n".join(lines), "<eventdb binder>", "exec"), scope)
    bind: Binder = scope["bind"]
    return bind


def ordered(keys: Sequence[int | str], values: Any) -> Parameters:
    """The values in the order of the statement's parameters: from a sequence for `?`, from a mapping for names.

    Raises InterfaceError for another kind of object, WrongParameterCount, UndefinedParameter.
    """
    if not keys:
        if isinstance(values, str | bytes) or not isinstance(values, Sequence | Mapping):
            raise InterfaceError(f"parameters must be a sequence or a mapping, not {type(values).__name__}")
        if values and not isinstance(values, Mapping):
            raise WrongParameterCount(f"the statement has no parameters, but {len(values)} {_were(len(values))} given")
        return ()
    if isinstance(keys[0], str):
        if type(values) is dict:
            try:
                return tuple([values[key] for key in keys])
            except KeyError:
                pass
        if not isinstance(values, Mapping):
            raise InterfaceError(f"the statement has named parameters: pass a mapping, not {type(values).__name__}")
        for key in keys:
            if key not in values:
                raise UndefinedParameter(f"there is no value for parameter :{key}")
        return tuple([values[key] for key in keys])
    if isinstance(values, Mapping):
        raise InterfaceError("the statement has ? parameters: pass a sequence, not a mapping")
    if isinstance(values, str | bytes | set | frozenset):
        raise InterfaceError(f"parameters must be a sequence of values, not {type(values).__name__}")
    try:
        given = tuple(values)
    except TypeError:
        raise InterfaceError(f"parameters must be a sequence, not {type(values).__name__}") from None
    if len(given) != len(keys):
        raise WrongParameterCount(f"the statement has {len(keys)} {_parameters(len(keys))}, but {len(given)} {_were(len(given))} given")
    return given


def ordered_rows(keys: Sequence[int | str], rows: Iterable[Any]) -> list[Parameters]:
    """`ordered` for many rows, fast for tuples and dictionaries."""
    width = len(keys)
    if width and isinstance(keys[0], int):
        return [row if type(row) is tuple and len(row) == width else ordered(keys, row) for row in rows]
    if width < 2:
        return [ordered(keys, row) for row in rows]
    rows = list(rows)
    if set(map(type, rows)) == {dict}:
        try:
            return list(map(itemgetter(*keys), rows))
        except KeyError:
            pass  # `ordered` names it
    return [ordered(keys, row) for row in rows]


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _parameters(count: int) -> str:
    return "parameter" if count == 1 else "parameters"


def adapted(values: Parameters, types: Sequence[DataType | None], zone: datetime.tzinfo) -> Parameters:
    """The values in internal form; a naive datetime for a timestamptz stands in the session's `zone`. A type None leaves its value as it
    is.

    Raises DataError or ProgrammingError with the value at fault.
    """
    return tuple([value if t is None else adapt_one(value, t, zone) for value, t in zip(values, types, strict=True)])


def adapt_one(value: Any, datatype: DataType, zone: datetime.tzinfo) -> Any:
    if datatype.kind is Kind.TIMESTAMPTZ:
        value = _zoned(value, datatype, zone)
    return parameters.adapt(value, datatype)


def _zoned(value: Any, datatype: DataType, zone: datetime.tzinfo) -> Any:
    """A naive datetime, a date, or a text without a zone, as what it is in the session's."""
    if isinstance(value, datetime.datetime):
        return to_utc(value, zone) if value.tzinfo is None else value
    if isinstance(value, datetime.date):
        return to_utc(datetime.datetime(value.year, value.month, value.day), zone)
    if isinstance(value, str):
        return parse(value, datatype, zone)
    return value


def adapted_rows(rows: list[Parameters], types: Sequence[DataType], zone: datetime.tzinfo) -> Sequence[Parameters]:
    """Many rows at once."""
    zoned = [i for i, datatype in enumerate(types) if datatype.kind is Kind.TIMESTAMPTZ]
    if zoned:
        rows = [tuple([_zoned(v, types[i], zone) if i in zoned else v for i, v in enumerate(row)]) for row in rows]
    return parameters.adapt_rows(rows, types)
