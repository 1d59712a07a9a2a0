"""ALTER TABLE actions on columns. Adding, dropping and widening rewrite no rows; what does gives the table a new storage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from eventdb.engine.define_rows import all_rows, check_foreign_key, check_not_null, check_rows, rewritten, unclustered
from eventdb.engine.transaction import Transaction
from eventdb.errors import (
    DataError,
    DatatypeMismatch,
    DuplicateColumn,
    InvalidTableDefinition,
    NotNullViolation,
    ObjectNotInPrerequisiteState,
    SQLSyntaxError,
    UniqueViolation,
)
from eventdb.model.datatype import DataType, Kind
from eventdb.model.event import IndexDropped, SequenceCreated, SequenceDropped, TableAltered, ViewDropped
from eventdb.model.record import replace
from eventdb.model.schema import Check, Column, ForeignKey, Identity, Table, Unique
from eventdb.sql.definition.columns import check_default, check_generated, column_type, define_column
from eventdb.sql.definition.dropping import dependent_views, refuse
from eventdb.sql.definition.indexes import index_slots
from eventdb.sql.definition.names import find_column, names_in, unused
from eventdb.sql.definition.queries import prepare_projection
from eventdb.sql.definition.references import column_mentioned, mentions
from eventdb.sql.definition.renaming import refuse_in_views
from eventdb.sql.definition.rows import Code, RowScope, assigned, bind_assigned, environment_for, is_volatile
from eventdb.sql.definition.sequences import alter_sequence, new_sequence
from eventdb.sql.definition.tables import check_column_name
from eventdb.sql.environment import Environment, Execution
from eventdb.sql.modification.defaults import default_expression
from eventdb.sql.modification.effects import unique_keys
from eventdb.sql.modification.making import generated_expression
from eventdb.sql.parser import ast, render

AddConstraint = Callable[[Transaction, Table, ast.TableConstraint, Environment, Execution], None]


def _with_column(table: Table, column: Column) -> Table:
    return replace(table, columns=tuple(column if c.id == column.id else c for c in table.columns))


# ---- ADD COLUMN


def add_column(
    txn: Transaction, table: Table, action: ast.AddColumn, env: Environment, cx: Execution, add_constraint: AddConstraint
) -> None:
    """A constant default becomes what older rows read as; a volatile one, a sequence or a generated column computes every row."""
    definition = action.column
    if definition.name in table.by_name:
        if action.if_not_exists:
            return
        raise DuplicateColumn(f'column "{definition.name}" of relation "{table.name}" already exists').at(definition.position, env.text)
    check_column_name(definition.name, env, definition.position)
    next_id = env.catalog.new_id(table.schema)
    made = define_column(definition, table.id, table.name, table.schema, table.next_column_id, table.width, next_id, env)
    column = made.column
    grown = replace(table, columns=(*table.columns, column), width=table.width + 1, next_column_id=table.next_column_id + 1)
    if made.generated is not None:
        check_generated(grown, column, made.generated, env)
    if made.sequence is not None:
        txn.apply(SequenceCreated(made.sequence))
    expr = None if made.sequence or made.generated else default_expression(column, env)
    if expr is not None and not is_volatile(expr):
        code = Code()
        code.add(f"return {code.value(expr)}")
        column = replace(column, missing=code.compile("default", "cx, p=()")(cx))
        txn.apply(TableAltered(_with_column(grown, column)))
        if not column.nullable and column.missing is None and next(all_rows(txn, table), None) is not None:
            raise _contains_null(table, column)
    else:
        _compute_column(txn, grown, column, env, cx)
    for node in made.constraints:
        now = replace(env, catalog=txn.catalog)
        if not isinstance(node, ast.CheckConstraint) and not node.columns:
            node = replace(node, columns=(column.name,))
        add_constraint(txn, now.catalog.tables[table.id], node, now, cx)


def _contains_null(table: Table, column: Column) -> NotNullViolation:
    return NotNullViolation(f'column "{column.name}" of relation "{table.name}" contains null values', table=table.name, column=column.name)


def _compute_column(txn: Transaction, grown: Table, column: Column, env: Environment, cx: Execution) -> None:
    code = Code()
    code.places[0] = lambda slot: f"r0[{slot}]"
    if column.sequence_id is not None:
        code.add("return numbers()")
    else:
        expr = generated_expression(grown, column, env) if column.generated else default_expression(column, env)
        code.add(f"return {code.value(expr)}")
    value = code.compile("value", "cx, r0, numbers, p=()")
    sequence_id = column.sequence_id

    def numbers() -> int:
        assert sequence_id is not None
        return txn.reserve(txn.catalog.sequences[sequence_id], 1)[0]

    old = replace(grown, columns=grown.columns[:-1], width=grown.width - 1)
    rows = [(*row, value(cx, row, numbers)) for row in all_rows(txn, old)]
    if not column.nullable and any(row[-1] is None for row in rows):
        raise _contains_null(grown, column)
    txn.apply(rewritten(txn, grown, rows, {c.id: c.slot for c in grown.columns}))


# ---- DROP COLUMN


def drop_column(txn: Transaction, table: Table, action: ast.DropColumn, env: Environment, cx: Execution) -> None:
    """Constraints and indexes on the column go with it; views, generated columns and foreign keys of other tables only with CASCADE."""
    if action.if_exists and (action.name not in table.by_name or table.by_name[action.name].hidden):
        return
    column = find_column(env, table, action.name, action.position)
    what = f"column {column.name} of table {table.name}"
    in_the_way: list[str] = []
    views = [v for v in env.catalog.views.values() if table.id in v.depends_on and mentions(v.query, column.name)]
    in_the_way += [f"view {v.name} depends on {what}" for v in views]
    generated = [c for c in table.columns if c.generated is not None and column_mentioned(c.generated, column.name)]
    in_the_way += [f"column {c.name} of table {table.name} depends on {what}" for c in generated]
    foreign = [
        (child, key) for child in env.catalog.referencing(table.id) for key in child.foreign_keys
        if key.referenced_table == table.id and column.id in key.referenced_columns and not (child.id == table.id and column.id in
        key.columns) ]  # fmt: skip
    in_the_way += [f"constraint {key.name} on table {child.name} depends on {what}" for child, key in foreign]
    if in_the_way and not action.cascade:
        refuse(what, in_the_way, env, action.position)
    for view in views:
        for dependent in [*dependent_views(env.catalog, view.id), view]:
            if dependent.id in txn.catalog.views:
                txn.apply(ViewDropped(dependent.id))
    for child, key in foreign:
        now = txn.catalog.tables[child.id]
        txn.apply(TableAltered(replace(now, constraints=tuple(c for c in now.constraints if c.name != key.name))))
    _remove_columns(txn, txn.catalog.tables[table.id], [column, *generated])


def _remove_columns(txn: Transaction, table: Table, going: list[Column]) -> None:
    ids, slots = {c.id for c in going}, {c.slot for c in going}
    indexes = [i for i in txn.catalog.indexes_of(table.id) if index_slots(table, i) & slots or ids & set(i.include)]
    gone = {i.id for i in indexes}
    constraints = tuple(c for c in table.constraints if not _concerns(c, going, ids) and getattr(c, "index_id", None) not in gone)
    clustering = bool(ids & set(table.key))
    for index in indexes:
        txn.apply(IndexDropped(index.id))
    kept = replace(table, columns=tuple(c for c in table.columns if c.id not in ids), constraints=constraints)
    if clustering:
        without = replace(kept, constraints=tuple(c for c in constraints if not (isinstance(c, Unique) and c.index_id is None)))
        txn.apply(unclustered(txn, without, table))
    else:
        txn.apply(TableAltered(kept))
    for sequence in list(txn.catalog.sequences.values()):
        if sequence.owner is not None and sequence.owner[0] == table.id and sequence.owner[1] in ids:
            txn.apply(SequenceDropped(sequence.id))


def _concerns(constraint: Any, going: list[Column], ids: set[int]) -> bool:
    if isinstance(constraint, Check):
        return any(column_mentioned(constraint.expression, c.name) for c in going)
    assert isinstance(constraint, Unique | ForeignKey)
    return bool(ids & set(constraint.columns))


# ---- type


def _keeps_storage(old: DataType, new: DataType) -> bool:
    """Whether every value of the old type is, as it stands, one of the new type."""
    if old == new:
        return True
    integers = [Kind.SMALLINT, Kind.INTEGER, Kind.BIGINT]
    if old.is_integer and new.is_integer:
        return integers.index(old.kind) <= integers.index(new.kind)
    if old.kind in (Kind.TEXT, Kind.VARCHAR) and new.kind in (Kind.TEXT, Kind.VARCHAR):
        return new.length is None or (old.length is not None and old.length <= new.length)
    if old.kind is new.kind is Kind.NUMERIC:
        if new.precision is None:
            return True
        return old.precision is not None and (old.scale or 0) == (new.scale or 0) and old.precision <= new.precision
    if old.kind is Kind.REAL and new.kind is Kind.DOUBLE:
        return True
    times = (Kind.TIME, Kind.TIMETZ, Kind.TIMESTAMP, Kind.TIMESTAMPTZ)
    return (
        old.kind is new.kind
        and old.kind in times
        and (new.precision is None or (old.precision is not None and old.precision <= new.precision))
    )


def alter_type(txn: Transaction, table: Table, action: ast.AlterColumnType, env: Environment, cx: Execution) -> None:
    """Raises DatatypeMismatch where no assignment cast exists and USING isn't given, and what computing the new values raises."""
    column = find_column(env, table, action.name, action.position)
    datatype = column_type(action.type, env)
    refuse_in_views(table, column.name, "change the type of", env, action.position)
    for other in table.columns:
        if other.generated is not None and other.id != column.id and column_mentioned(other.generated, column.name):
            raise InvalidTableDefinition(
                "cannot alter type of a column used by a generated column",
                detail=f'Column "{column.name}" is used by generated column "{other.name}".',
            ).at(action.position, env.text)
    changed = replace(column, datatype=datatype)
    if column.sequence_id is not None and not datatype.is_integer:
        raise InvalidTableDefinition("identity column type must be smallint, integer, or bigint").at(action.position, env.text)
    if column.default is not None and column.sequence_id is None:
        _check_default_fits(column, changed, env, action)
    if action.using is None and _keeps_storage(column.datatype, datatype):
        txn.apply(TableAltered(_with_column(table, changed)))
    else:
        _rewrite_type(txn, table, column, changed, action, env, cx)
    _recheck(txn, table.id, column, env, cx)


def _check_default_fits(column: Column, changed: Column, env: Environment, action: ast.AlterColumnType) -> None:
    assert column.default is not None
    try:
        # what the default is as a value of the old type, as an assignment would take it into the new one
        assigned(default_expression(column, env), changed, environment_for(env.catalog, column.default), -1)
        default_expression(changed, env)
    except (DatatypeMismatch, DataError):
        raise DatatypeMismatch(
            f'default for column "{column.name}" cannot be cast automatically to type {changed.datatype}', column=column.name
        ).at(action.position, env.text) from None


def _rewrite_type(
    txn: Transaction, table: Table, column: Column, changed: Column, action: ast.AlterColumnType, env: Environment, cx: Execution
) -> None:
    rows = list(all_rows(txn, table))
    if action.using is not None:
        item = ast.SelectItem(action.using, position=action.using.position)
        projection = prepare_projection(env, [(table.name, table)], [item], want=[changed.datatype])
        values = [made[0] for made in projection.run(cx, (), rows)]
    else:
        try:
            expr = bind_assigned(ast.Name((column.name,)), RowScope(env, [(table.name, table)], "ALTER COLUMN TYPE"), changed)
        except DatatypeMismatch:
            raise DatatypeMismatch(
                f'column "{column.name}" cannot be cast automatically to type {changed.datatype}',
                hint=f'You might need to specify "USING {column.name}::{changed.datatype}".', column=column.name,
            ).at(action.position, env.text) from None  # fmt: skip
        code = Code()
        code.add(f"return {code.value(expr)}")
        compute = code.compile("value", "cx, r0, p=()")
        values = [compute(cx, row) for row in rows]
    slot = column.slot
    new_rows = [(*row[:slot], value, *row[slot + 1 :]) for row, value in zip(rows, values, strict=True)]
    if not column.nullable and None in values:
        raise _contains_null(table, column)
    altered = _with_column(table, replace(changed, missing=None))
    for unique in unique_keys(replace(env.catalog, tables={**env.catalog.tables, table.id: altered}), altered):
        keys = [key for row in new_rows if (key := unique.key(row)) is not None]
        if slot in unique.depends and len(set(keys)) != len(keys):
            raise UniqueViolation(f'could not create unique index "{unique.name}"', table=table.name, constraint=unique.name)
    txn.apply(rewritten(txn, altered, new_rows, {c.id: c.slot for c in altered.columns}))


def _recheck(txn: Transaction, table_id: int, column: Column, env: Environment, cx: Execution) -> None:
    """The constraints that the column takes part in, against its new values."""
    now = replace(env, catalog=txn.catalog)
    table = txn.catalog.tables[table_id]
    for check in table.checks:
        if column_mentioned(check.expression, column.name):
            check_rows(txn, table, check, now, cx)
    for child in txn.catalog.referencing(table_id):
        for key in child.foreign_keys:
            if key.referenced_table == table_id and column.id in key.referenced_columns:
                check_foreign_key(txn, child, key)
    for key in table.foreign_keys:
        if column.id in key.columns:
            check_foreign_key(txn, table, key)


# ---- defaults, NOT NULL, identity, generated


def set_default(txn: Transaction, table: Table, action: ast.SetDefault, env: Environment, cx: Execution) -> None:
    column = find_column(env, table, action.name, action.position)
    if column.identity is not None or column.generated is not None:
        what = "an identity column" if column.identity is not None else "a generated column"
        raise SQLSyntaxError(f'column "{column.name}" of relation "{table.name}" is {what}').at(action.position, env.text)
    text = None
    if action.expression is not None:
        text = check_default(column, action.expression, action.text or render(action.expression), env)
    txn.apply(TableAltered(_with_column(table, replace(column, default=text, sequence_id=None))))


def set_not_null(txn: Transaction, table: Table, action: ast.SetNotNull, env: Environment, cx: Execution) -> None:
    column = find_column(env, table, action.name, action.position)
    if action.not_null:
        check_not_null(txn, table, column)
    elif table.primary_key is not None and column.id in table.primary_key.columns:
        raise InvalidTableDefinition(f'column "{column.name}" is in a primary key').at(action.position, env.text)
    elif column.identity is not None:
        raise SQLSyntaxError(f'column "{column.name}" of relation "{table.name}" is an identity column').at(action.position, env.text)
    txn.apply(TableAltered(_with_column(table, replace(column, nullable=not action.not_null))))


def set_identity(txn: Transaction, table: Table, action: ast.SetIdentity, env: Environment, cx: Execution) -> None:
    column = find_column(env, table, action.name, action.position)
    if action.action == "add":
        _add_identity(txn, table, column, action, env)
        return
    if column.identity is None:
        if action.if_exists:
            return
        raise ObjectNotInPrerequisiteState(f'column "{column.name}" of relation "{table.name}" is not an identity column').at(
            action.position, env.text
        )
    assert column.sequence_id is not None
    if action.action == "drop":
        txn.apply(TableAltered(_with_column(table, replace(column, identity=None, sequence_id=None))))
        txn.apply(SequenceDropped(column.sequence_id))
        return
    if action.options is not None:
        for event in alter_sequence(env.catalog.sequences[column.sequence_id], action.options, env):
            txn.apply(event)
    if action.always is not None:
        txn.apply(TableAltered(_with_column(table, replace(column, identity=Identity.ALWAYS if action.always else Identity.BY_DEFAULT))))


def _add_identity(txn: Transaction, table: Table, column: Column, action: ast.SetIdentity, env: Environment) -> None:
    problem = None
    if column.identity is not None:
        problem = f'column "{column.name}" of relation "{table.name}" is already an identity column'
    elif column.default is not None:
        problem = f'column "{column.name}" of relation "{table.name}" already has a default value'
    elif column.nullable:
        problem = f'column "{column.name}" of relation "{table.name}" must be declared NOT NULL before identity can be added'
    elif not column.datatype.is_integer:
        problem = "identity column type must be smallint, integer, or bigint"
    if problem is not None:
        raise ObjectNotInPrerequisiteState(problem).at(action.position, env.text)
    name = unused(f"{table.name}_{column.name}_seq", names_in(env, table.schema))
    owner = (table.id, column.id)
    sequence = new_sequence(env.catalog.new_id(table.schema), table.schema, name, action.options, env, column.datatype, owner)
    txn.apply(SequenceCreated(sequence))
    kind = Identity.ALWAYS if action.always else Identity.BY_DEFAULT
    txn.apply(TableAltered(_with_column(table, replace(column, identity=kind, sequence_id=sequence.id))))


def drop_expression(txn: Transaction, table: Table, action: ast.DropExpression, env: Environment, cx: Execution) -> None:
    column = find_column(env, table, action.name, action.position)
    if column.generated is None:
        if action.if_exists:
            return
        raise ObjectNotInPrerequisiteState(f'column "{column.name}" of relation "{table.name}" is not a generated column').at(
            action.position, env.text
        )
    txn.apply(TableAltered(_with_column(table, replace(column, generated=None))))
