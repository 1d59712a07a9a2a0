"""JSON, kept as text: looking inside, and making it from SQL values."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

from eventdb.errors import InvalidParameterValue, InvalidTextRepresentation
from eventdb.model.datatype import DataType, Kind
from eventdb.model.late import Late
from eventdb.sql.expressions import values

json: Any = Late("json")
_MISSING = object()


@lru_cache(maxsize=64)
def _loaded(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


def loads(text: str) -> Any:
    """The Python form of a JSON text; numbers with a point are Decimal. The result is shared and must not be changed."""
    try:
        return _loaded(text)
    except (ValueError, RecursionError) as error:
        raise InvalidTextRepresentation(f'invalid input syntax for type json: "{values.excerpt(text)}"', detail=str(error)) from None


class _Number(float):
    """A Decimal that json writes with all its digits."""

    def __new__(cls, value: Decimal) -> _Number:
        self = super().__new__(cls, value)
        self.text = format(value, "f")
        return self

    text: str

    def __repr__(self) -> str:
        return self.text


def dumps(value: Any) -> str:
    """Compact PostgreSQL-like JSON text of what `loads` gives."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k, ensure_ascii=False)}: {dumps(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(dumps, value)) + "]"
    return format(value, "f") if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)


def _as_text(value: Any) -> str | None:
    if value is None or value is _MISSING:
        return None
    return value if isinstance(value, str) else dumps(value)


def _as_json(value: Any) -> str | None:
    return None if value is _MISSING else dumps(value)


def _field(document: Any, key: str) -> Any:
    return document.get(key, _MISSING) if isinstance(document, dict) else _MISSING


def _element(document: Any, index: int) -> Any:
    if not isinstance(document, list) or not -len(document) <= index < len(document):
        return _MISSING
    return document[index]


def json_field(text: str, key: str) -> str | None:
    return _as_json(_field(loads(text), key))


def json_field_text(text: str, key: str) -> str | None:
    return _as_text(_field(loads(text), key))


def json_element(text: str, index: int) -> str | None:
    return _as_json(_element(loads(text), index))


def json_element_text(text: str, index: int) -> str | None:
    return _as_text(_element(loads(text), index))


def path_of(text: str) -> list[str]:
    """The steps of a path literal: '{a,2,"b c"}'."""
    stripped = text.strip()
    if not (stripped.startswith("{") and stripped.endswith("}")):
        raise InvalidTextRepresentation(f'malformed path literal: "{values.excerpt(text)}"', detail="A path is written {a,b,2}.")
    body = stripped[1:-1].strip()
    if not body:
        return []
    return [
        quoted.replace('\\"', '"') if quoted else plain.strip()
        for quoted, plain in re.findall(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^,]+))\s*(?:,|$)', body)
    ]


def walk(document: Any, steps: Sequence[str]) -> Any:
    for step in steps:
        if isinstance(document, dict):
            document = _field(document, step)
        elif isinstance(document, list):
            if re.fullmatch(r"-?\d{1,9}", step, re.ASCII) is None:
                return _MISSING
            document = _element(document, int(step))
        else:
            return _MISSING
    return document


def json_path(text: str, path: str) -> str | None:
    return _as_json(walk(loads(text), path_of(path)))


def json_path_text(text: str, path: str) -> str | None:
    return _as_text(walk(loads(text), path_of(path)))


def json_extract_path(text: str, *steps: str) -> str | None:
    return _as_json(walk(loads(text), steps))


def json_extract_path_text(text: str, *steps: str) -> str | None:
    return _as_text(walk(loads(text), steps))


def json_typeof(text: str) -> str:
    value = loads(text)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    names: dict[type, str] = {dict: "object", list: "array", str: "string"}
    return names.get(type(value), "number")


def json_array_length(text: str) -> int:
    value = loads(text)
    if not isinstance(value, list):
        raise InvalidParameterValue(f"cannot get array length of a {'scalar' if not isinstance(value, dict) else 'non-array'}")
    return len(value)


def json_valid(text: str) -> bool:
    try:
        values.parse_json(text)
    except InvalidTextRepresentation:
        return False
    return True


def json_pretty(text: str) -> str:
    return json.dumps(_numbers(loads(text)), indent=4, ensure_ascii=False)  # type: ignore[no-any-return]


def _numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    return _Number(value) if isinstance(value, Decimal) else value


def json_strip_nulls(text: str) -> str:
    return dumps(_stripped(loads(text)))


def _stripped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _stripped(item) for key, item in value.items() if item is not None}
    return [_stripped(item) for item in value] if isinstance(value, list) else value


def quoted(text: str) -> str:
    return json.encoder.encode_basestring(text)  # type: ignore[no-any-return]


def writer(datatype: DataType) -> Callable[[Any], str]:
    """What turns an internal value of `datatype` (or None) into JSON text."""
    kind, render, quote = datatype.kind, values.renderer(datatype), json.encoder.encode_basestring
    if kind is Kind.JSON:
        return lambda value: "null" if value is None else str(value)
    if kind in (Kind.BOOLEAN, Kind.SMALLINT, Kind.INTEGER, Kind.BIGINT):
        return lambda value: "null" if value is None else render(value)
    if datatype.is_numeric:

        def number(value: Any) -> str:
            if value is None:
                return "null"
            text = render(value)
            return quoted(text) if text in ("NaN", "Infinity", "-Infinity") else text

        return number
    if kind is Kind.TIMESTAMP:
        return lambda value: "null" if value is None else quoted(render(value).replace(" ", "T"))
    if kind is Kind.TIMESTAMPTZ:
        return lambda value: "null" if value is None else quoted(render(value).replace(" ", "T") + ":00")
    if kind in (Kind.TEXT, Kind.VARCHAR):
        return lambda value: "null" if value is None else quote(value)
    return lambda value: "null" if value is None else quoted(render(value))


def object_key(key: Any, datatype: DataType) -> str:
    """A value as the key of a JSON object. Raises InvalidParameterValue for NULL."""
    if key is None:
        raise InvalidParameterValue("field name must not be null")
    return quoted(values.render(key, datatype))
