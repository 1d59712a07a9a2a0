"""Generated code that makes a new row: generated columns, NOT NULL, CHECK, in that order, over local names v1, v2, … (one a slot)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from eventdb.model.datatype import BOOLEAN, NULL, DataType, Kind
from eventdb.model.schema import Check, Column, Table
from eventdb.sql.definition.rows import Code, RowScope, bind, bind_assigned, column_slots, environment_for, tuple_source
from eventdb.sql.environment import Environment
from eventdb.sql.expressions import bound
from eventdb.sql.modification.violations import check_failed, null_value
from eventdb.sql.parser import parse_expression

NEW = 0
"""The relation number of the row being made."""

_LOOSE = frozenset({Kind.NUMERIC, Kind.INTERVAL, Kind.REAL, Kind.DOUBLE, Kind.TIMETZ})
"""Types in which equal values may still differ (1.0 and 1.00, -0.0 and 0.0)."""


def row_types(table: Table) -> tuple[DataType, ...]:
    """The types of an event's row elements: one for each slot after the start number, NULL for dropped ones."""
    types = [NULL] * (table.width - 1)
    for column in table.columns:
        types[column.slot - 1] = column.datatype
    return tuple(types)


def key_types(table: Table) -> tuple[DataType, ...]:
    return tuple(table.by_id[i].datatype for i in table.key)


def new_place(ordinal: int) -> str:
    return f"v{ordinal}"


def row_source(table: Table, place: Callable[[int], str] = new_place) -> str:
    """Source of the whole new row in slot order, None for dropped slots."""
    used = {c.slot for c in table.columns}
    return tuple_source(place(slot) if slot in used else "None" for slot in range(1, table.width))


def updated_place(touched: Collection[int], old: str = "r0") -> Callable[[int], str]:
    """Places of the row that an UPDATE makes: v1, v2, … for `touched`, the old row's for the rest."""
    return lambda slot: f"v{slot}" if slot in touched else f"{old}[{slot}]"


def generated_columns(table: Table) -> list[Column]:
    return [c for c in table.columns if c.generated is not None]


def generated_expression(table: Table, column: Column, env: Environment) -> bound.Expr:
    """The bound expression of a generated column, over relation NEW."""
    assert column.generated is not None
    own = environment_for(env.catalog, column.generated)
    return bind_assigned(
        parse_expression(column.generated), RowScope(own, [(table.name, table)], "column generation expression", False), column
    )


def check_expression(table: Table, check: Check, env: Environment) -> bound.Expr:
    """The bound condition of a CHECK constraint, over relation NEW, whose NOT NULL columns hold by then."""
    own = environment_for(env.catalog, check.expression)
    return bind(parse_expression(check.expression), RowScope(own, [(table.name, table)], "check constraint"), BOOLEAN)


def emit_generated(code: Code, table: Table, env: Environment, touched: set[int] | None = None, old: str = "r0", depth: int = 1) -> None:
    """Add the generated columns; of an UPDATE those that depend on `touched`, which they are then added to."""
    for column in generated_columns(table):
        expr = generated_expression(table, column, env)
        if touched is None or column_slots(expr) & touched:
            code.places[NEW] = new_place if touched is None else updated_place(touched, old)
            code.add(f"v{column.slot} = {code.value(expr)}", depth)
            if touched is not None:
                touched.add(column.slot)


def emit_not_null(code: Code, table: Table, touched: set[int] | None = None, old: str = "r0", depth: int = 1) -> None:
    """Add the check of NOT NULL columns."""
    strict = [c.slot for c in table.columns if not c.nullable and not c.hidden and (touched is None or c.slot in touched)]
    if strict:
        row = row_source(table, new_place if touched is None else updated_place(touched, old))
        code.names["null_value"] = null_value
        code.names["table"] = table
        code.add(f"if {' or '.join(f'v{s} is None' for s in strict)}: null_value(table, {row})", depth)


def emit_checks(code: Code, table: Table, env: Environment, touched: set[int] | None = None, old: str = "r0", depth: int = 1) -> bool:
    """Add the CHECK constraints; of an UPDATE those that depend on `touched`. Whether there are any."""
    place = new_place if touched is None else updated_place(touched, old)
    row = row_source(table, place)
    code.places[NEW] = place
    added = False
    for check in table.checks:
        expr = check_expression(table, check, env)
        slots = column_slots(expr)
        if touched is None or slots & touched or not slots:
            code.names["check_failed"] = check_failed
            code.names["table"] = table
            code.add(f"if {code.negation(expr)}: check_failed(table, {check.name!r}, {row})", depth)
            added = True
    return added


def same_value(left: object, right: object) -> bool:
    """Whether two values of one loose type are the same to the reader, not merely equal."""
    return left is right or (left == right and repr(left) == repr(right))


def unchanged_source(code: Code, table: Table, slots: Sequence[int], old: str = "r0") -> str:
    """Source that is truthy where none of `slots` changes its value."""
    types = {c.slot: c.datatype.kind for c in table.columns}
    parts = []
    for slot in slots:
        if types[slot] in _LOOSE:
            code.names["same_value"] = same_value
            parts.append(f"same_value(v{slot}, {old}[{slot}])")
        else:
            parts.append(f"v{slot} == {old}[{slot}]")
    return " and ".join(parts)
