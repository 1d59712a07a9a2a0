"""Table constraints from their definitions, with the names that PostgreSQL gives those without."""

from __future__ import annotations

from eventdb.errors import (
    DatatypeMismatch,
    DuplicateColumn,
    DuplicateObject,
    DuplicateTable,
    InvalidForeignKey,
    InvalidTableDefinition,
    NotSupportedError,
    UndefinedColumn,
)
from eventdb.model.datatype import BOOLEAN, Kind
from eventdb.model.record import replace
from eventdb.model.schema import Action, Check, ForeignKey, Index, Table, Unique
from eventdb.sql.definition.indexes import constraint_index
from eventdb.sql.definition.names import check_name, find_table, names_in, unused
from eventdb.sql.definition.rows import RowScope, bind, column_slots
from eventdb.sql.environment import Environment
from eventdb.sql.parser import ast


def taken_names(table: Table) -> set[str]:
    return {c.name for c in table.constraints}


def chosen_name(node: ast.TableConstraint, default: str, taken: set[str], table: Table, env: Environment) -> str:
    """The constraint's own name, or a free default. Raises DuplicateObject."""
    if node.name is None:
        return unused(default, taken)
    check_name(node.name, env, node.position)
    if node.name in taken_names(table):
        raise DuplicateObject(f'constraint "{node.name}" for relation "{table.name}" already exists', constraint=node.name).at(
            node.position, env.text
        )
    if isinstance(node, ast.UniqueConstraint) and node.name in taken:
        raise DuplicateTable(f'relation "{node.name}" already exists').at(node.position, env.text)
    return node.name


def column_ids(names: tuple[str, ...], table: Table, node: ast.Node, env: Environment, what: str | None) -> tuple[int, ...]:
    """The columns that a key names; `what` None: a column may come twice. Raises UndefinedColumn, DuplicateColumn."""
    found: list[int] = []
    for name in names:
        column = table.by_name.get(name)
        if column is None or column.hidden:
            raise UndefinedColumn(f'column "{name}" named in key does not exist').at(node.position, env.text)
        if column.id in found and what is not None:
            raise DuplicateColumn(f'column "{name}" appears twice in {what} constraint').at(node.position, env.text)
        found.append(column.id)
    return tuple(found)


def add_unique(node: ast.UniqueConstraint, table: Table, env: Environment, index_id: int | None) -> tuple[Table, Index | None]:
    """The table with the constraint, and its index; `index_id` None makes a primary key that clusters the table."""
    what = "primary key" if node.primary else "unique"
    ids = column_ids(node.columns, table, node, env, what)
    if node.primary and table.primary_key is not None:
        raise InvalidTableDefinition(f'multiple primary keys for table "{table.name}" are not allowed').at(node.position, env.text)
    for i in ids:
        if table.by_id[i].datatype.kind is Kind.JSON:
            raise NotSupportedError(f'column "{table.by_id[i].name}" of type json cannot be part of a {what} key').at(
                node.position, env.text
            )
    taken = names_in(env, table.schema) | taken_names(table) | {table.name}
    default = f"{table.name}_pkey" if node.primary else "_".join([table.name, *(table.by_id[i].name for i in ids), "key"])
    name = chosen_name(node, default, taken, table, env)
    made = Unique(name, ids, node.primary, index_id, node.nulls_distinct, node.deferrable, node.deferred)
    columns = tuple(replace(c, nullable=False) if node.primary and c.id in ids else c for c in table.columns)
    index = None if index_id is None else constraint_index(index_id, table, name, ids, node.nulls_distinct)
    return replace(table, columns=columns, constraints=(*table.constraints, made)), index


def add_check(node: ast.CheckConstraint, table: Table, env: Environment) -> Table:
    """The table with the constraint. Raises DatatypeMismatch where it isn't a condition, and what binding raises."""
    expr = bind(node.expression, RowScope(env, [(table.name, table)], "check constraint"))
    if expr.datatype.kind not in (Kind.BOOLEAN, Kind.NULL):
        raise DatatypeMismatch(f"argument of CHECK must be type boolean, not type {expr.datatype}").at(node.position, env.text)
    expr = bind(node.expression, RowScope(env, [(table.name, table)], "check constraint"), BOOLEAN)
    slots = column_slots(expr)
    used = [c.name for c in table.columns if c.slot in slots]
    default = "_".join([table.name, *(used if len(used) == 1 else []), "check"])
    name = chosen_name(node, default, taken_names(table), table, env)
    return replace(table, constraints=(*table.constraints, Check(name, node.text)))


def add_foreign_key(node: ast.ForeignKeyConstraint, table: Table, env: Environment) -> Table:
    """The table with the foreign key. Raises UndefinedTable, UndefinedColumn, InvalidForeignKey, DatatypeMismatch,
    InvalidTableDefinition (between a temporary and a lasting table)."""
    ids = column_ids(node.columns, table, node, env, None)
    itself = node.table.parts in ((table.name,), (table.schema, table.name))
    parent = table if itself else find_table(env, node.table)
    if (table.id < 0) != (parent.id < 0):
        kind = "temporary" if table.id < 0 else "permanent"
        raise InvalidTableDefinition(f"constraints on {kind} tables may reference only {kind} tables").at(node.position, env.text)
    if parent.options.get("on_commit") == "delete rows" != table.options.get("on_commit"):
        raise NotSupportedError(
            "unsupported ON COMMIT and foreign key combination",
            detail=f'Table "{table.name}" references "{parent.name}", but they do not have the same ON COMMIT setting.',
        ).at(node.position, env.text)
    if node.referenced:
        referenced = column_ids(node.referenced, parent, node, env, "foreign key")
    elif parent.primary_key is not None:
        referenced = parent.primary_key.columns
    else:
        raise InvalidForeignKey(f'there is no primary key for referenced table "{parent.name}"').at(node.position, env.text)
    if len(ids) != len(referenced):
        raise InvalidForeignKey("number of referencing and referenced columns for foreign key disagree").at(node.position, env.text)
    _check_key(parent, referenced, node, env)
    default = "_".join([table.name, *(table.by_id[i].name for i in ids), "fkey"])
    name = chosen_name(node, default, taken_names(table), table, env)
    _check_types(table, ids, parent, referenced, name, node, env)
    set_columns = column_ids(node.set_columns, table, node, env, "foreign key")
    if not set(set_columns) <= set(ids):
        raise InvalidForeignKey("columns of ON DELETE SET must be part of the foreign key").at(node.position, env.text)
    key = ForeignKey(
        name, ids, parent.id, referenced, Action(node.on_delete), Action(node.on_update), set_columns, node.match_full,
        node.deferrable, node.deferred,
    )  # fmt: skip
    _check_actions(table, key, node, env)
    if len(set(ids)) < len(ids) and key.on_update is Action.CASCADE:
        raise InvalidForeignKey("a column that stands in a foreign key twice cannot take two values ON UPDATE CASCADE").at(
            node.position, env.text
        )
    return replace(table, constraints=(*table.constraints, key))


def _check_key(parent: Table, referenced: tuple[int, ...], node: ast.ForeignKeyConstraint, env: Environment) -> None:
    for unique in parent.uniques:
        if set(unique.columns) == set(referenced):
            if unique.deferrable:
                raise InvalidForeignKey(f'cannot use a deferrable unique constraint for referenced table "{parent.name}"').at(
                    node.position, env.text
                )
            return
    for index in env.catalog.indexes_of(parent.id):
        if index.unique and index.where is None and {c.column_id for c in index.columns} == set(referenced):
            return
    raise InvalidForeignKey(f'there is no unique constraint matching given keys for referenced table "{parent.name}"').at(
        node.position, env.text
    )


def _check_types(
    table: Table,
    ids: tuple[int, ...],
    parent: Table,
    referenced: tuple[int, ...],
    name: str,
    node: ast.ForeignKeyConstraint,
    env: Environment,
) -> None:
    for child_id, parent_id in zip(ids, referenced, strict=True):
        child, target = table.by_id[child_id], parent.by_id[parent_id]
        same = child.datatype.kind is target.datatype.kind
        both_numbers = child.datatype.is_numeric and target.datatype.is_numeric
        both_texts = child.datatype.is_text and target.datatype.is_text
        if not (same or both_numbers or both_texts):
            raise DatatypeMismatch(
                f'foreign key constraint "{name}" cannot be implemented',
                detail=f'Key columns "{child.name}" and "{target.name}" are of incompatible types: {child.datatype} and {target.datatype}.',
            ).at(node.position, env.text)


def _check_actions(table: Table, key: ForeignKey, node: ast.ForeignKeyConstraint, env: Environment) -> None:
    for i in key.columns:
        column = table.by_id[i]
        if column.generated is not None and (
            key.on_update not in (Action.NO_ACTION, Action.RESTRICT) or key.on_delete in (Action.SET_NULL, Action.SET_DEFAULT)
        ):
            raise InvalidForeignKey("invalid action for foreign key constraint containing generated column").at(node.position, env.text)
