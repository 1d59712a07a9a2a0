"""Type names, and the common type of several expressions."""

from __future__ import annotations

from collections.abc import Sequence

from eventdb.errors import DatatypeMismatch, InvalidParameterValue, UndefinedObject
from eventdb.model.datatype import INTERVAL_FIELDS, TEXT, DataType, Kind
from eventdb.sql.expressions.bound import Constant, Expr
from eventdb.sql.expressions.casts import castable, coerce, settle
from eventdb.sql.expressions.registry import CATEGORY, PREFERRED
from eventdb.sql.parser import ast

_NAMES: dict[str, Kind] = {
    **{str(kind.value): kind for kind in list(Kind) if kind is not Kind.NULL},
    "int": Kind.INTEGER, "int4": Kind.INTEGER, "int2": Kind.SMALLINT, "int8": Kind.BIGINT, "decimal": Kind.NUMERIC, "dec": Kind.NUMERIC,
    "float4": Kind.REAL, "float8": Kind.DOUBLE, "double": Kind.DOUBLE, "bool": Kind.BOOLEAN, "varchar": Kind.VARCHAR,
    "char varying": Kind.VARCHAR, "char": Kind.CHAR, "bpchar": Kind.CHAR, "string": Kind.TEXT, "clob": Kind.TEXT, "name": Kind.TEXT,
    "blob": Kind.BYTEA, "time": Kind.TIME, "timetz": Kind.TIMETZ, "timestamp": Kind.TIMESTAMP, "datetime": Kind.TIMESTAMP,
    "timestamptz": Kind.TIMESTAMPTZ, "national character varying": Kind.VARCHAR, "nvarchar": Kind.VARCHAR, "national character": Kind.CHAR,
    "nchar": Kind.CHAR, "nchar varying": Kind.VARCHAR, "character large object": Kind.TEXT, "binary large object": Kind.BYTEA,
    "serial": Kind.INTEGER, "smallserial": Kind.SMALLINT, "bigserial": Kind.BIGINT, "tinyint": Kind.SMALLINT,
}  # fmt: skip
_FRACTIONAL = (Kind.TIME, Kind.TIMETZ, Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.INTERVAL)
_MAX_LENGTH = 10_485_760
_MAX_PRECISION = 1000


def is_type_name(name: str) -> bool:
    return name in _NAMES or name == "float"


def resolve_type(name: ast.TypeName) -> DataType:
    """The data type of a type name. Raises UndefinedObject, or InvalidParameterValue for a modifier that makes no sense."""
    arguments = name.arguments
    if name.name == "float":
        if arguments and not 1 <= arguments[0] <= 53:
            raise InvalidParameterValue("precision for type float must be between 1 and 53 bits", position=name.position)
        return DataType(Kind.REAL if arguments and arguments[0] <= 24 else Kind.DOUBLE)
    first, _, fields = name.name.partition(" ")
    if first == "interval" and fields in INTERVAL_FIELDS:
        plain = resolve_type(ast.TypeName("interval", arguments, position=name.position))
        return DataType(Kind.INTERVAL, precision=plain.precision, scale=INTERVAL_FIELDS.index(fields))
    kind = _NAMES.get(name.name)
    if kind is None:
        if name.name == "jsonb":
            raise UndefinedObject('type "jsonb" does not exist', position=name.position, hint="Use json.")
        raise UndefinedObject(f'type "{name.name}" does not exist', position=name.position)
    if kind is Kind.NUMERIC:
        return _numeric(name)
    if kind in (Kind.VARCHAR, Kind.CHAR):
        if not arguments:
            return DataType(kind, length=1 if kind is Kind.CHAR and name.name != "bpchar" else None)
        if len(arguments) > 1 or not 1 <= arguments[0] <= _MAX_LENGTH:
            raise InvalidParameterValue(f"length for type {kind.value} must be between 1 and {_MAX_LENGTH}", position=name.position)
        return DataType(kind, length=arguments[0])
    if kind in _FRACTIONAL and arguments:
        if len(arguments) > 1 or arguments[0] < 0:
            raise InvalidParameterValue(f"precision for type {kind.value} must be between 0 and 6", position=name.position)
        return DataType(kind, precision=min(arguments[0], 6))
    if arguments:
        raise InvalidParameterValue(f"type modifier is not allowed for type {kind.value}", position=name.position)
    return DataType(kind)


def _numeric(name: ast.TypeName) -> DataType:
    if not name.arguments:
        return DataType(Kind.NUMERIC)
    precision, scale = (*name.arguments, 0)[:2]
    if len(name.arguments) > 2 or not 1 <= precision <= _MAX_PRECISION:
        raise InvalidParameterValue(f"NUMERIC precision {precision} must be between 1 and {_MAX_PRECISION}", position=name.position)
    if not 0 <= scale <= _MAX_PRECISION:
        raise InvalidParameterValue(f"NUMERIC scale {scale} must be between 0 and {_MAX_PRECISION}", position=name.position)
    return DataType(Kind.NUMERIC, precision=precision, scale=scale)


def common_type(exprs: Sequence[Expr], clause: str) -> DataType:
    """The type that all expressions turn into, by PostgreSQL's rule for UNION and CASE; text if none has a type. Raises
    DatatypeMismatch.
    """
    known = [expr for expr in exprs if expr.datatype.kind is not Kind.NULL]
    if not known:
        return TEXT
    if all(expr.datatype == known[0].datatype for expr in known):
        # As in PostgreSQL the length stays only if it is everybody's, and a literal of no type has none.
        free = known[0].datatype.is_text and any(_is_literal(expr) for expr in exprs)
        return DataType(known[0].datatype.kind) if free else known[0].datatype
    chosen = known[0].datatype.kind
    for expr in known[1:]:
        kind = expr.datatype.kind
        if kind is chosen:
            continue
        if CATEGORY[kind] != CATEGORY[chosen]:
            raise DatatypeMismatch(
                f"{clause} types {chosen.value} and {kind.value} cannot be matched", position=expr.position if expr.position >= 0 else None
            )
        if chosen not in PREFERRED and castable(chosen, kind, "implicit") and (not castable(kind, chosen, "implicit") or kind is Kind.TEXT):
            chosen = kind
    return DataType(chosen)


def _is_literal(expr: Expr) -> bool:
    return isinstance(expr, Constant) and expr.datatype.kind is Kind.NULL and expr.value is not None


def unify(exprs: Sequence[Expr], clause: str = "CASE") -> tuple[tuple[Expr, ...], DataType]:
    """All expressions coerced to their common type; `clause` stands in the error where there is none.

    If no type is known, constants become text and a parameter among them raises IndeterminateDatatype.
    """
    if all(expr.datatype.kind is Kind.NULL for expr in exprs):
        for expr in exprs:
            if not isinstance(expr, Constant):
                settled = settle(expr)
                return unify([settled if e is expr else e for e in exprs], clause)
    datatype = common_type(exprs, clause)
    return tuple(coerce(expr, datatype) for expr in exprs), datatype
