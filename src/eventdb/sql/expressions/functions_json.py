"""Functions on JSON, and on the session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from eventdb.errors import InvalidParameterValue
from eventdb.model.datatype import BOOLEAN, INTEGER, JSON, TEXT, DataType
from eventdb.sql.expressions import json_values
from eventdb.sql.expressions.registry import declare

Writer = Callable[[Any], str]


def json_build_array(writers: Sequence[Writer], *items: Any) -> str:
    return f"[{', '.join(write(item) for write, item in zip(writers, items, strict=True))}]"


def object_builder(types: Sequence[DataType]) -> Callable[..., str]:
    """json_build_object for arguments of these types: key, value, key, value …"""
    if len(types) % 2:
        raise InvalidParameterValue("argument list must have even number of elements")
    writers = [json_values.writer(datatype) for datatype in types]

    def json_build_object(*items: Any) -> str:
        pairs = [f"{json_values.object_key(items[i], types[i])} : {writers[i + 1](items[i + 1])}" for i in range(0, len(items), 2)]
        return "{" + ", ".join(pairs) + "}"

    return json_build_object


def array_builder(types: Sequence[DataType]) -> Callable[..., str]:
    writers = [json_values.writer(datatype) for datatype in types]

    def build_array(*items: Any) -> str:
        return json_build_array(writers, *items)

    return build_array


def setting(cx: Any, name: str) -> str | None:
    found: str | None = cx.setting(name.lower())
    if found is None:
        raise InvalidParameterValue(f'unrecognized configuration parameter "{name}"')
    return found


def setting_or_null(cx: Any, name: str, missing_ok: bool) -> str | None:
    return cx.setting(name.lower()) if missing_ok else setting(cx, name)


def user(cx: Any) -> str:
    return cx.setting("actor") or "eventdb"


def schema(cx: Any) -> str | None:
    name: str | None = cx.setting("current_schema")
    return name


declare("json_extract_path", "json, text...", JSON, json_values.json_extract_path, nullable=True)
declare("json_extract_path_text", "json, text...", TEXT, json_values.json_extract_path_text, nullable=True)
declare("json_typeof", "json", TEXT, json_values.json_typeof)
declare("json_array_length", "json", INTEGER, json_values.json_array_length)
declare("json_valid", "text", BOOLEAN, json_values.json_valid)
declare("json_pretty", "json", TEXT, json_values.json_pretty)
declare("json_strip_nulls", "json", JSON, json_values.json_strip_nulls)
declare("current_setting", "text", TEXT, setting, execution=True)
declare("current_setting", "text, boolean", TEXT, setting_or_null, execution=True, nullable=True)
for _name in ("current_user", "session_user", "user", "current_role"):
    declare(_name, "", TEXT, user, execution=True)
declare("current_schema", "", TEXT, schema, execution=True, nullable=True)
declare("current_catalog", "", TEXT, "'eventdb'")
declare("current_database", "", TEXT, "'eventdb'")
declare("version", "", TEXT, "'eventdb 0.1 (PostgreSQL dialect)'")
