"""Table options: `HISTORY RETENTION interval`, also as `WITH (history_retention = interval)` and in ALTER TABLE … SET and RESET."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from eventdb.errors import Error, InvalidParameterValue, InvalidTableDefinition, NotSupportedError
from eventdb.model.datatype import INTERVAL
from eventdb.model.value import Interval
from eventdb.sql.definition.rows import Code, RowScope, bind, is_volatile, uses_execution
from eventdb.sql.environment import Environment
from eventdb.sql.expressions.intervals import render_interval
from eventdb.sql.parser import ast

RETENTION = "history_retention"


def table_options(
    known: Mapping[str, Any], options: Iterable[tuple[str, ast.Expression | None]], env: Environment, position: int, temporary: bool
) -> dict[str, Any]:
    """The options of a table after these were set; None as a value takes one away.

    Raises NotSupportedError for a name that is none, InvalidTableDefinition for temporary tables, InvalidParameterValue for a retention
    that is no interval, or a negative one.
    """
    made = dict(known)
    for name, value in options:
        if name != RETENTION:
            raise NotSupportedError(f'table option "{name}" is not supported').at(position, env.text)
        if temporary:
            raise InvalidTableDefinition("a temporary table has no history to keep").at(position, env.text)
        made.pop(name, None)
        if value is not None:
            made[name] = _retention(value, env)
    return made


def _retention(node: ast.Expression, env: Environment) -> str:
    try:
        expr = bind(node, RowScope(env, (), "HISTORY RETENTION"), INTERVAL)
        if is_volatile(expr) or uses_execution(expr):
            raise InvalidParameterValue("a history retention must be a constant interval")
        code = Code()
        code.add(f"return {code.value(expr)}")
        value = code.compile("value", "cx=None, p=()")()
    except Error as error:
        raise error.at(node.position, env.text) from None
    span = None if value is None else Interval.of(value)
    if span is None or min(span.months, span.whole_days, span.time_us) < 0:
        shown = "NULL" if span is None else render_interval(span)
        raise InvalidParameterValue(f"a history retention must be an interval of 0 or more, not {shown}").at(node.position, env.text)
    return render_interval(span)
