"""Schema objects and types as CBOR maps and back.

An object is a map from field name to value; fields that have their default are left out, so that a field added later costs nothing and old
logs read as before. A field that this version does not know was written by a newer one: FormatVersionError.

A type is the number of its kind, or an array [kind, length, precision, scale] where it has modifiers. The numbers never change.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

from eventdb.errors import DataCorrupted, FormatVersionError
from eventdb.model.datatype import DataType, Kind
from eventdb.model.record import MISSING, fields
from eventdb.model.schema import (
    Action,
    Check,
    Column,
    ForeignKey,
    Identity,
    Index,
    IndexColumn,
    Sequence,
    Table,
    Unique,
    View,
)
from eventdb.storage.codec.cbor import damaged
from eventdb.storage.codec.scalars import pack_value, unpack_value

KIND_NUMBERS: dict[Kind, int] = {
    Kind.NULL: 0, Kind.BOOLEAN: 1, Kind.SMALLINT: 2, Kind.INTEGER: 3, Kind.BIGINT: 4, Kind.NUMERIC: 5, Kind.REAL: 6, Kind.DOUBLE: 7,
    Kind.TEXT: 8, Kind.VARCHAR: 9, Kind.CHAR: 10, Kind.BYTEA: 11, Kind.DATE: 12, Kind.TIME: 13, Kind.TIMETZ: 14, Kind.TIMESTAMP: 15,
    Kind.TIMESTAMPTZ: 16, Kind.INTERVAL: 17, Kind.UUID: 18, Kind.JSON: 19,
}  # fmt: skip
_PLAIN_TYPES = {number: DataType(kind) for kind, number in KIND_NUMBERS.items()}
_KINDS = {number: kind for kind, number in KIND_NUMBERS.items()}
Packed = Any


def pack_type(datatype: DataType) -> Packed:
    number = KIND_NUMBERS[datatype.kind]
    if datatype.length is None and datatype.precision is None and datatype.scale is None:
        return number
    return [number, datatype.length, datatype.precision, datatype.scale]


def unpack_type(packed: Packed) -> DataType:
    """Raises FormatVersionError for a kind that this version does not know."""
    if type(packed) is int:
        if packed in _PLAIN_TYPES:
            return _PLAIN_TYPES[packed]
        raise FormatVersionError(f"a type of the kind {packed}, which this version of eventdb does not know")
    number, length, precision, scale = packed
    if number not in _KINDS:
        raise FormatVersionError(f"a type of the kind {number!r}, which this version of eventdb does not know")
    for modifier in (length, precision, scale):
        if modifier is not None and type(modifier) is not int:
            raise DataCorrupted(f"a type with the modifier {modifier!r}")
    return DataType(_KINDS[number], length, precision, scale)


_known_types: dict[int, tuple[tuple[DataType, ...], list[Packed]]] = {}
_known_packed: dict[tuple[Any, ...], tuple[DataType, ...]] = {}
_KNOWN_MOST = 4096


def pack_types(types: tuple[DataType, ...]) -> list[Packed]:
    """Types in order; remembered by the identity of `types`, for hashing them costs more than packing."""
    found = _known_types.get(id(types))
    if found is not None and found[0] is types:
        return found[1]
    packed = [pack_type(t) for t in types]
    if len(_known_types) >= _KNOWN_MOST:
        _known_types.clear()
    _known_types[id(types)] = (types, packed)
    return packed


def unpack_types(packed: list[Packed]) -> tuple[DataType, ...]:
    """What `pack_types` packed; equal lists give the same tuple."""
    name = tuple([tuple(p) if type(p) is list else p for p in packed])
    found = _known_packed.get(name)
    if found is None:
        found = tuple(map(unpack_type, packed))
        if len(_known_packed) >= _KNOWN_MOST:
            _known_packed.clear()
        _known_packed[name] = found
    return found


# Objects: per class, the fields that need more than themselves.

_Conversion = tuple[Callable[[Any], Packed], Callable[[Packed], Any]]


def _enumeration(kind: type[enum.Enum]) -> _Conversion:
    return (lambda member: member.value), kind


def _optional(conversion: _Conversion) -> _Conversion:
    pack, unpack = conversion
    return (lambda v: None if v is None else pack(v)), (lambda p: None if p is None else unpack(p))


def _each(conversion: _Conversion) -> _Conversion:
    pack, unpack = conversion
    return (lambda items: [pack(i) for i in items]), (lambda items: tuple(unpack(i) for i in items))


def _object(kind: type) -> _Conversion:
    return (lambda item: _pack_object(item)), (lambda packed: _unpack_object(kind, packed))


def _pack_constraint(constraint: Any) -> Packed:
    return [_CONSTRAINT_NAMES[type(constraint)], _pack_object(constraint)]


def _unpack_constraint(packed: Packed) -> Any:
    name, fields = packed
    for kind, known in _CONSTRAINT_NAMES.items():
        if known == name:
            return _unpack_object(kind, fields)
    raise FormatVersionError(f"a constraint of the kind {name!r}, which this version of eventdb does not know")


_TYPE: _Conversion = (pack_type, unpack_type)
_TUPLE: _Conversion = (list, tuple)
_AS_IS: _Conversion = (lambda v: v, lambda v: v)
_CONSTRAINT_NAMES: dict[type, str] = {Unique: "unique", Check: "check", ForeignKey: "foreign key"}

_FIELDS: dict[type, dict[str, _Conversion]] = {
    Column: {"datatype": _TYPE, "identity": _optional(_enumeration(Identity))},
    Unique: {"columns": _TUPLE},
    Check: {},
    ForeignKey: {
        "columns": _TUPLE,
        "referenced_columns": _TUPLE,
        "set_columns": _TUPLE,
        "on_delete": _enumeration(Action),
        "on_update": _enumeration(Action),
    },
    Table: {
        "columns": _each(_object(Column)),
        "key": _TUPLE,
        "constraints": _each((_pack_constraint, _unpack_constraint)),
        "options": (dict, dict),
    },
    IndexColumn: {},
    Index: {"columns": _each(_object(IndexColumn)), "include": _TUPLE},
    View: {
        "columns": _each(((lambda c: [c[0], pack_type(c[1])]), (lambda p: (p[0], unpack_type(p[1]))))),
        "depends_on": _TUPLE,
    },
    Sequence: {"datatype": _TYPE, "owner": _optional(_TUPLE)},
}
_DEFAULTS: dict[type, dict[str, Any]] = {
    kind: {f.name: f.default for f in fields(kind)} for kind in _FIELDS
}


def _pack_object(item: Any) -> dict[str, Packed]:
    kind = type(item)
    conversions = _FIELDS[kind]
    packed = {}
    for name, default in _DEFAULTS[kind].items():
        value = getattr(item, name)
        if default is MISSING or value != default:
            packed[name] = conversions.get(name, _AS_IS)[0](value)
    if kind is Column and item.missing is not None:
        packed["missing"] = pack_value(item.datatype, item.missing)
    return packed


def _unpack_object(kind: type, packed: Packed) -> Any:
    conversions, defaults = _FIELDS[kind], _DEFAULTS[kind]
    values = {}
    for name, value in packed.items():
        if name not in defaults:
            raise FormatVersionError(f"{kind.__name__} with the field {name!r}, which this version of eventdb does not know")
        values[name] = conversions.get(name, _AS_IS)[1](value)
    if kind is Column and "missing" in values:
        values["missing"] = unpack_value(values["datatype"], values["missing"])
    return kind(**values)


def pack_object(item: Table | Index | View | Sequence) -> Packed:
    """A schema object as something `dumps` takes."""
    return _pack_object(item)


def unpack_object(kind: type, packed: Packed) -> Any:
    """The schema object of class `kind` from what `loads` gave. Raises DataCorrupted, FormatVersionError."""
    try:
        return _unpack_object(kind, packed)
    except FormatVersionError:
        raise
    except Exception as failure:
        raise damaged(failure) from failure
