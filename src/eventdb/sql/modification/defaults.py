"""What a column gets that a statement doesn't give a value: its default, its sequence's next value, or NULL."""

from __future__ import annotations

from eventdb.model.schema import Column
from eventdb.sql.definition.rows import Code, RowScope, bind_assigned, environment_for, is_volatile
from eventdb.sql.environment import Environment
from eventdb.sql.expressions import bound
from eventdb.sql.parser import parse_expression


def default_expression(column: Column, env: Environment) -> bound.Expr:
    """The bound default of a column that has no sequence; NULL where it has none."""
    if column.default is None:
        return bound.Constant(column.datatype, None)
    own = environment_for(env.catalog, column.default)
    return bind_assigned(parse_expression(column.default), RowScope(own, (), "DEFAULT expression"), column)


def default_source(column: Column, env: Environment, code: Code) -> str:
    """Source of the value that a new row gets in the column; evaluated once a row."""
    if column.sequence_id is not None:
        return f"numbers({column.sequence_id}, 1)[0]"
    if column.generated is not None:
        return "None"
    return code.value(default_expression(column, env))


def is_constant_default(column: Column, env: Environment) -> bool:
    """Whether all rows of one statement get the same value."""
    return column.sequence_id is None and not is_volatile(default_expression(column, env))
