"""Columns from their definitions: type, NULL, default, identity, generated; with the sequence that a column owns."""

from __future__ import annotations

from eventdb.errors import (
    DatatypeMismatch,
    Error,
    InvalidObjectDefinition,
    InvalidTableDefinition,
    NotSupportedError,
    SQLSyntaxError,
)
from eventdb.model.datatype import BIGINT, INTEGER, SMALLINT, DataType
from eventdb.model.record import Record, field
from eventdb.model.schema import Column, Identity, Sequence, Table
from eventdb.sql.definition.indexes import check_immutable
from eventdb.sql.definition.names import names_in, unused
from eventdb.sql.definition.references import nodes, sequences_qualified
from eventdb.sql.definition.rows import RowScope, assigned, bind, bind_assigned, column_slots
from eventdb.sql.definition.sequences import new_sequence
from eventdb.sql.environment import Environment
from eventdb.sql.expressions import bound
from eventdb.sql.expressions.typenames import resolve_type
from eventdb.sql.parser import ast, render

_SERIAL: dict[str, DataType] = {
    "smallserial": SMALLINT, "serial2": SMALLINT, "serial": INTEGER, "serial4": INTEGER, "bigserial": BIGINT, "serial8": BIGINT,
}  # fmt: skip


class DefinedColumn(Record, frozen=False):
    """A column as its definition says, without the constraints that become the table's."""

    column: Column
    sequence: Sequence | None = None
    constraints: list[ast.TableConstraint] = field(default_factory=list)
    generated: ast.GeneratedColumn | None = None


def column_type(name: ast.TypeName, env: Environment) -> DataType:
    try:
        return resolve_type(name)
    except Error as error:
        raise error.at(name.position, env.text) from None


def define_column(
    definition: ast.ColumnDefinition,
    table_id: int,
    table_name: str,
    schema: str,
    column_id: int,
    slot: int,
    sequence_id: int,
    env: Environment,
) -> DefinedColumn:
    """The column; `sequence_id` is used where it needs a sequence. Its generation expression is bound later, when all columns are known."""
    serial = _SERIAL.get(definition.type.name)
    datatype = serial or column_type(definition.type, env)
    column = Column(column_id, definition.name, datatype, slot)
    made = DefinedColumn(column)
    null: bool | None = None
    default: ast.DefaultValue | None = None
    identity: ast.IdentityColumn | None = None
    for constraint in definition.constraints:
        match constraint:
            case ast.NotNull(nullable=nullable):
                if null is not None and null is not nullable:
                    raise SQLSyntaxError(
                        f'conflicting NULL/NOT NULL declarations for column "{definition.name}" of table "{table_name}"'
                    ).at(constraint.position, env.text)
                null = nullable
            case ast.DefaultValue():
                if default is not None:
                    raise SQLSyntaxError(f'multiple default values specified for column "{definition.name}" of table "{table_name}"').at(
                        constraint.position, env.text
                    )
                default = constraint
            case ast.IdentityColumn():
                identity = constraint
            case ast.GeneratedColumn():
                if not constraint.stored:
                    raise NotSupportedError("virtual generated columns are not supported; use STORED").at(constraint.position, env.text)
                made.generated = constraint
            case ast.CollateColumn():
                if constraint.collation[-1].lower() not in ("c", "posix", "default", "ucs_basic"):
                    raise NotSupportedError(f'collation "{constraint.collation[-1]}" is not supported').at(constraint.position, env.text)
            case _:
                made.constraints.append(constraint)
    _exclude(definition, default, identity, made.generated, serial, env)
    primary = any(isinstance(c, ast.UniqueConstraint) and c.primary for c in made.constraints)
    if null and (primary or serial or identity):
        raise SQLSyntaxError(f'conflicting NULL/NOT NULL declarations for column "{definition.name}" of table "{table_name}"').at(
            definition.position, env.text
        )
    text = None
    if default is not None:
        text = check_default(column, default.expression, default.text, env)
    made.column = Column(
        column_id, definition.name, datatype, slot, nullable=not (null is False or primary or serial or identity), default=text,
        generated=made.generated.text if made.generated else None,
    )  # fmt: skip
    if identity is not None or serial is not None:
        _own_sequence(made, identity, table_id, table_name, schema, sequence_id, env)
    return made


def _own_sequence(
    made: DefinedColumn,
    identity: ast.IdentityColumn | None,
    table_id: int,
    table_name: str,
    schema: str,
    sequence_id: int,
    env: Environment,
) -> None:
    column = made.column
    if not column.datatype.is_integer:
        raise InvalidParameterType("identity column type must be smallint, integer, or bigint").at(
            identity.position if identity else -1, env.text
        )
    name = unused(f"{table_name}_{column.name}_seq", names_in(env, schema))
    options = identity.options if identity else None
    made.sequence = new_sequence(sequence_id, schema, name, options, env, column.datatype, (table_id, column.id))
    kind = None if identity is None else (Identity.ALWAYS if identity.always else Identity.BY_DEFAULT)
    default = None if identity else f"nextval('{schema}.{name}')"
    made.column = Column(
        column.id, column.name, column.datatype, column.slot, nullable=False, default=default, identity=kind, sequence_id=sequence_id
    )


class InvalidParameterType(InvalidTableDefinition, sqlstate="22023"):
    """An identity column of a type that has no sequences."""


def _exclude(
    definition: ast.ColumnDefinition, default: object, identity: object, generated: object, serial: object, env: Environment
) -> None:
    named = [("default", default), ("identity", identity), ("generation expression", generated)]
    present = [name for name, item in named if item is not None]
    if serial is not None and present:
        present.insert(0, "default")
    if len(present) > 1:
        raise SQLSyntaxError(f'both {present[0]} and {present[1]} specified for column "{definition.name}"').at(
            definition.position, env.text
        )


def check_default(column: Column, expression: ast.Expression, text: str, env: Environment) -> str | None:
    """The default's text, bound once so that what is wrong with it shows now; None for DEFAULT NULL."""
    scope = RowScope(env, (), "DEFAULT expression")
    if _mentions_column(expression):
        raise NotSupportedError("cannot use column reference in DEFAULT expression").at(getattr(expression, "position", -1), env.text)
    try:
        expr = bind_assigned(expression, scope, column)
    except DatatypeMismatch as error:
        error.message = error.message.replace("but expression", "but default expression")
        raise
    if isinstance(expr, bound.Constant) and expr.value is None:
        return None
    kept = sequences_qualified(expression, env)
    return text if kept is expression else render(kept)


def _mentions_column(expression: ast.Expression) -> bool:
    return any(isinstance(node, ast.Name) for node in nodes(expression))


def check_generated(table: Table, column: Column, definition: ast.GeneratedColumn, env: Environment) -> None:
    """Raises InvalidObjectDefinition where the expression isn't a function of the row's ordinary columns."""
    expr = bind(definition.expression, RowScope(env, [(table.name, table)], "column generation expression", False))
    assigned(expr, column, env, definition.position)
    check_immutable(expr, env, "column generation expression")
    for slot in column_slots(expr):
        other = next(c for c in table.columns if c.slot == slot)
        if other.generated is not None:
            raise InvalidObjectDefinition(
                f'cannot use generated column "{other.name}" in column generation expression',
                detail="A generated column cannot reference another generated column.",
            ).at(definition.position, env.text)
