"""ALTER TABLE, INDEX, VIEW, SEQUENCE, SCHEMA: each action planned against the catalog that the one before left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from eventdb.engine.define_columns import add_column, alter_type, drop_column, drop_expression, set_default, set_identity, set_not_null
from eventdb.engine.define_rows import build_index, check_foreign_key, check_not_null, check_rows, unclustered
from eventdb.engine.transaction import Transaction
from eventdb.errors import NotSupportedError, UndefinedObject, UndefinedTable, WrongObjectType
from eventdb.model.event import IndexDropped, TableAltered
from eventdb.model.record import replace
from eventdb.model.schema import ForeignKey, Index, Relation, Sequence, Table, Unique, View
from eventdb.sql.definition.constraints import add_check, add_foreign_key, add_unique
from eventdb.sql.definition.dropping import refuse
from eventdb.sql.definition.names import find, find_table, searched, spelled, split
from eventdb.sql.definition.options import table_options
from eventdb.sql.definition.renaming import check_target_schema, moved, rename_column, rename_constraint, rename_schema
from eventdb.sql.definition.sequences import alter_sequence
from eventdb.sql.environment import Environment, Execution
from eventdb.sql.parser import ast


def alter_table(txn: Transaction, statement: ast.AlterTable, env: Environment, execution: Execution) -> None:
    """Run the actions in order; a view, an index or a sequence can be renamed and moved this way too.

    Raises what their definitions and the rows that are there ask for."""
    found = find(env, statement.name)
    if found is None and statement.if_exists:
        return
    moves = [action for action in statement.actions if isinstance(action, ast.Rename | ast.SetSchema)]
    if found is not None and not isinstance(found, Table) and len(moves) == len(statement.actions):
        for move in moves:
            now = replace(env, catalog=txn.catalog)
            _rename_or_move(txn, next(o for o in now.catalog.relations() if o.id == found.id), move, now)
        return
    table_id = find_table(env, statement.name).id
    for action in statement.actions:
        now = replace(env, catalog=txn.catalog)
        _ACTIONS[type(action)](txn, now.catalog.tables[table_id], action, now, execution)


def _apply_all(txn: Transaction, events: list[Any]) -> None:
    for event in events:
        txn.apply(event)


def _rename_column(txn: Transaction, table: Table, action: ast.RenameColumn, env: Environment, execution: Execution) -> None:
    _apply_all(txn, rename_column(table, action, env))


def _rename_constraint(txn: Transaction, table: Table, action: ast.RenameConstraint, env: Environment, execution: Execution) -> None:
    _apply_all(txn, rename_constraint(table, action, env))


def _rename(txn: Transaction, table: Table, action: ast.Rename, env: Environment, execution: Execution) -> None:
    _apply_all(txn, moved(table, table.schema, action.new_name, env, action.position))


def _set_schema(txn: Transaction, table: Table, action: ast.SetSchema, env: Environment, execution: Execution) -> None:
    check_target_schema(action.schema, env, action.position)
    _apply_all(txn, moved(table, action.schema, table.name, env, action.position))


def _set_options(txn: Transaction, table: Table, action: ast.SetOptions, env: Environment, execution: Execution) -> None:
    options = table_options(table.options, action.options, env, action.position, table.id < 0)
    txn.apply(TableAltered(replace(table, options=options)))


# ---- constraints


def _add_constraint(txn: Transaction, table: Table, action: ast.AddConstraint, env: Environment, execution: Execution) -> None:
    if action.using_index is not None:
        raise NotSupportedError("ADD CONSTRAINT … USING INDEX is not supported").at(action.position, env.text)
    add_constraint(txn, table, action.constraint, env, execution)


def add_constraint(txn: Transaction, table: Table, node: ast.TableConstraint, env: Environment, execution: Execution) -> None:
    """Add one constraint after holding the rows that are there against it."""
    if isinstance(node, ast.UniqueConstraint):
        altered, index = add_unique(node, table, env, env.catalog.new_id(table.schema))
        assert index is not None
        if node.primary:
            for column_id in altered.constraints[-1].columns:  # type: ignore[union-attr]
                check_not_null(txn, table, table.by_id[column_id])
        txn.apply(TableAltered(altered))
        build_index(txn, index)
    elif isinstance(node, ast.CheckConstraint):
        altered = add_check(node, table, env)
        check_rows(txn, table, altered.checks[-1], env, execution)
        txn.apply(TableAltered(altered))
    else:
        altered = add_foreign_key(node, table, env)
        txn.apply(TableAltered(altered))
        check_foreign_key(txn, altered, altered.foreign_keys[-1])


def _drop_constraint(txn: Transaction, table: Table, action: ast.DropConstraint, env: Environment, execution: Execution) -> None:
    found = next((c for c in table.constraints if c.name == action.name), None)
    if found is None:
        if action.if_exists:
            return
        raise UndefinedObject(f'constraint "{action.name}" of relation "{table.name}" does not exist', constraint=action.name).at(
            action.position, env.text
        )
    if isinstance(found, Unique):
        drop_references(txn, table, found, action.cascade, env, action.position)
        table = txn.catalog.tables[table.id]
    kept = replace(table, constraints=tuple(c for c in table.constraints if c.name != action.name))
    if isinstance(found, Unique) and found.index_id is None:
        txn.apply(unclustered(txn, kept))
        return
    txn.apply(TableAltered(kept))
    if isinstance(found, Unique) and found.index_id is not None:
        txn.apply(IndexDropped(found.index_id))


def drop_references(txn: Transaction, table: Table, unique: Unique, cascade: bool, env: Environment, position: int) -> None:
    """Drop the foreign keys that refer to a key that goes. Raises DependentObjectsStillExist without `cascade`."""
    for child in env.catalog.referencing(table.id):
        for key in child.foreign_keys:
            if key.referenced_table != table.id or set(key.referenced_columns) != set(unique.columns):
                continue
            if not cascade:
                text = f"constraint {key.name} on table {child.name} depends on index {unique.name}"
                refuse(f"constraint {unique.name} on table {table.name}", [text], env, position)
            _without_key(txn, child.id, key)


def _without_key(txn: Transaction, table_id: int, key: ForeignKey) -> None:
    table = txn.catalog.tables[table_id]
    txn.apply(TableAltered(replace(table, constraints=tuple(c for c in table.constraints if c.name != key.name))))


_ACTIONS: dict[type, Callable[[Transaction, Table, Any, Environment, Execution], None]] = {
    ast.RenameColumn: _rename_column, ast.RenameConstraint: _rename_constraint, ast.Rename: _rename, ast.SetSchema: _set_schema,
    ast.SetOptions: _set_options, ast.AddConstraint: _add_constraint, ast.DropConstraint: _drop_constraint,
    ast.AddColumn: lambda txn, table, action, env, cx: add_column(txn, table, action, env, cx, add_constraint),
    ast.DropColumn: drop_column, ast.AlterColumnType: alter_type, ast.SetDefault: set_default, ast.SetNotNull: set_not_null,
    ast.SetIdentity: set_identity, ast.DropExpression: drop_expression,
}  # fmt: skip


# ---- other objects

_KINDS: dict[str, type] = {"index": Index, "view": View, "sequence": Sequence}


def alter_object(txn: Transaction, statement: ast.AlterObject, env: Environment) -> None:
    """ALTER INDEX | VIEW | SEQUENCE | SCHEMA."""
    action, name = statement.action, statement.name
    if statement.kind == "schema":
        if not isinstance(action, ast.Rename):
            raise NotSupportedError("this form of ALTER SCHEMA is not supported").at(statement.position, env.text)
        _apply_all(txn, rename_schema(name.parts[-1], action.new_name, env, name.position))
        return
    found = find(env, name)
    if found is None and statement.kind == "index" and isinstance(action, ast.Rename):
        keyed = _clustered_by(name, env)
        if keyed is not None:
            renamed = ast.RenameConstraint(name.parts[-1], action.new_name, position=action.position)
            _apply_all(txn, rename_constraint(keyed, renamed, env))
            return
    if found is None:
        if statement.if_exists:
            return
        raise UndefinedTable(f'relation "{spelled(name)}" does not exist').at(name.position, env.text)
    if not isinstance(found, _KINDS[statement.kind]):
        raise WrongObjectType(f'"{found.name}" is not {"an" if statement.kind == "index" else "a"} {statement.kind}').at(
            name.position, env.text
        )
    if isinstance(action, ast.Rename | ast.SetSchema):
        _rename_or_move(txn, found, action, env)
    else:
        assert isinstance(found, Sequence)
        _apply_all(txn, alter_sequence(found, action, env))


def _clustered_by(name: ast.QualifiedName, env: Environment) -> Table | None:
    """The table whose primary key has that name and is no index, but the order in which it is kept."""
    schema, last = split(name, env)
    for table in env.catalog.tables.values():
        key = table.primary_key
        if key is not None and key.index_id is None and key.name == last and table.schema in ((schema,) if schema else searched(env)):
            return table
    return None


def _rename_or_move(txn: Transaction, found: Relation, action: ast.Rename | ast.SetSchema, env: Environment) -> None:
    if isinstance(action, ast.Rename):
        _apply_all(txn, moved(found, found.schema, action.new_name, env, action.position))
        return
    if isinstance(found, Index):
        raise NotSupportedError("an index stays in the schema of its table").at(action.position, env.text)
    check_target_schema(action.schema, env, action.position)
    _apply_all(txn, moved(found, action.schema, found.name, env, action.position))
