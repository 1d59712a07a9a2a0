"""What a referential action does to a referencing row, compiled: new foreign key values, then the row's own constraints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from eventdb.model.record import Record
from eventdb.model.schema import Action
from eventdb.sql.definition.rows import Code
from eventdb.sql.environment import Environment
from eventdb.sql.modification.defaults import default_source
from eventdb.sql.modification.effects import Reference
from eventdb.sql.modification.update import emit_update


class PreparedAction(Record):
    """`finish(execution, new key values, stored row, numbers)`: the values of `slots`, None where nothing changes."""

    slots: tuple[int, ...]
    finish: Callable[..., tuple[Any, ...] | None]


def prepare_action(ref: Reference, action: Action, on_delete: bool, env: Environment) -> PreparedAction:
    """CASCADE (of an update), SET NULL or SET DEFAULT on one row."""
    columns = [ref.table.by_id[c] for c in ref.key.columns]
    if on_delete and ref.key.set_columns and action is not Action.CASCADE:
        columns = [ref.table.by_id[c] for c in ref.key.set_columns]
    code = Code()
    for place, column in enumerate(columns):
        if action is Action.CASCADE:
            value = f"p[{place}]"
        elif action is Action.SET_NULL:
            value = "None"
        else:
            value = default_source(column, env, code)
        code.add(f"v{column.slot} = {value}")
    slots = emit_update(code, ref.table, columns, env)
    return PreparedAction(slots, code.compile("action", "cx, p, r0, numbers"))
