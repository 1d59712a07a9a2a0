"""ON CONFLICT prepared: which unique keys arbitrate, and what DO UPDATE makes of the row that is there and the one proposed."""

from __future__ import annotations

from collections.abc import Sequence

from eventdb.errors import InvalidColumnReference, SQLSyntaxError, UndefinedObject
from eventdb.model.datatype import DataType
from eventdb.model.schema import Index, Table
from eventdb.sql.definition.queries import prepare_projection
from eventdb.sql.definition.rows import Code
from eventdb.sql.environment import Environment
from eventdb.sql.modification.assignments import default_of, resolve
from eventdb.sql.modification.defaults import default_source
from eventdb.sql.modification.effects import UniqueKey, effects, unique_keys
from eventdb.sql.modification.prepared import ConflictAction
from eventdb.sql.modification.update import emit_update
from eventdb.sql.parser import ast, parse_expression

EXCLUDED = "excluded"


def prepare_conflict(statement: ast.Insert, table: Table, env: Environment) -> ConflictAction:
    """Raises InvalidColumnReference (42P10) where no unique key fits the target, UndefinedObject for an unknown constraint."""
    clause = statement.on_conflict
    assert clause is not None
    arbiters = _arbiters(clause, table, env)
    if not clause.update:
        return ConflictAction(arbiters)
    if not clause.columns and clause.constraint is None:
        raise SQLSyntaxError("ON CONFLICT DO UPDATE requires inference specification or constraint name").at(clause.position, env.text)
    assigned = resolve(clause.assignments, table, env)
    code = Code()
    items: list[ast.SelectItem] = []
    want: list[DataType | None] = []
    sources: dict[int, str] = {}
    for column, expression in assigned:
        if isinstance(expression, ast.Default) and (column.sequence_id is not None or column.generated is not None):
            sources[column.slot] = default_source(column, env, code)
            continue
        value = default_of(column) if isinstance(expression, ast.Default) else expression
        sources[column.slot] = f"t[{len(items)}]"
        items.append(ast.SelectItem(value, position=value.position))
        want.append(column.datatype)
    projection = prepare_projection(env, [(statement.alias or table.name, table), (EXCLUDED, table)], items, clause.where, want)
    for column, _ in assigned:
        code.add(f"v{column.slot} = {sources[column.slot]}")
    slots = emit_update(code, table, [c for c, _ in assigned], env)
    finish = code.compile("finish", "cx, p, r0, t, numbers")
    return ConflictAction(arbiters, projection, slots, finish, effects(env.catalog, table, slots))


def _arbiters(clause: ast.OnConflict, table: Table, env: Environment) -> tuple[UniqueKey, ...]:
    uniques = unique_keys(env.catalog, table)
    if clause.constraint is not None:
        found = tuple(u for u in uniques if u.name == clause.constraint)
        if not found:
            raise UndefinedObject(f'constraint "{clause.constraint}" for table "{table.name}" does not exist').at(clause.position, env.text)
    elif clause.columns:
        found = tuple(u for u in uniques if _fits(clause, u, table, env))
        if not found:
            raise InvalidColumnReference(
                "there is no unique or exclusion constraint matching the ON CONFLICT specification"
            ).at(clause.position, env.text)  # fmt: skip
    else:
        found = tuple(u for u in uniques if not u.deferrable)
    if any(u.deferrable for u in found):
        raise InvalidColumnReference("ON CONFLICT does not support deferrable unique constraints as arbiters").at(clause.position, env.text)
    return found


def _fits(clause: ast.OnConflict, unique: UniqueKey, table: Table, env: Environment) -> bool:
    wanted = [node.parts[-1] if isinstance(node, ast.Name) else node for node in clause.columns]
    if unique.index_id is None:
        have: list[object] = [table.by_id[i].name for i in table.key]
        return _same_members(wanted, have)
    index: Index = env.catalog.indexes[unique.index_id]
    have = [table.by_id[c.column_id].name if c.column_id is not None else _column_or_node(c.expression or "") for c in index.columns]
    if not _same_members(wanted, have):
        return False
    return index.where is None or (clause.index_where is not None and parse_expression(index.where) == clause.index_where)


def _column_or_node(text: str) -> object:
    node = parse_expression(text)
    return node.parts[-1] if isinstance(node, ast.Name) else node


def _same_members(left: Sequence[object], right: Sequence[object]) -> bool:
    return all(item in right for item in left) and all(item in left for item in right)
