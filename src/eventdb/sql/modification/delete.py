"""DELETE and TRUNCATE prepared; like UPDATE by key or by targets."""

from __future__ import annotations

from eventdb.errors import Error
from eventdb.model.datatype import BOOLEAN
from eventdb.model.schema import Table
from eventdb.sql.definition.names import find_table
from eventdb.sql.definition.queries import prepare_targets
from eventdb.sql.definition.rows import Code, RowScope, bind
from eventdb.sql.environment import Environment
from eventdb.sql.modification.effects import effects, incoming_references
from eventdb.sql.modification.making import key_types
from eventdb.sql.modification.prepared import PreparedDelete, PreparedTruncate, Returning, key_function, resolved_parameters
from eventdb.sql.modification.returning import prepare_returning
from eventdb.sql.modification.update import NoKey, key_code, split_key
from eventdb.sql.modification.violations import TruncateReferenced
from eventdb.sql.parser import ast
from eventdb.sql.prepared import PreparedQuery


def prepare_delete(statement: ast.Delete, env: Environment) -> PreparedDelete:
    """Bind and compile a DELETE. Raises ProgrammingError of many kinds, with their places."""
    table = find_table(env, statement.table, "delete from")
    known = list(env.parameter_types)
    if not env.apart:
        try:
            return _by_key(statement, table, env)
        except (Error, NoKey):
            env.parameter_types[:] = known
    return _by_targets(statement, table, env)


def _by_key(statement: ast.Delete, table: Table, env: Environment) -> PreparedDelete:
    if statement.using or statement.with_ or statement.where is None or table.columns[0].hidden:
        raise NoKey
    scope = RowScope(env, [(statement.alias or table.name, table)], "DELETE")
    key, rest = split_key(bind(statement.where, scope, BOOLEAN), table)
    key_of, source = key_code(key)
    matches = None
    if rest:
        code = Code()
        code.add(f"return {' and '.join(code.condition(part) for part in rest)}")
        matches = code.compile("matches", "cx, p, r0")
        source += "\n" + code.source("matches", "cx, p, r0")
    returning = prepare_returning(statement.returning, statement.alias or table.name, table, env) if statement.returning else None
    plan = f"Delete on {table.name}\n  -> Key lookup on {table.name}"
    return PreparedDelete(
        table, key_types(table), returning.projection.columns if returning else (), resolved_parameters(env), source, plan,
        effects(env.catalog, table), key_function(table), key=key_of, matches=matches, returning=returning,
    )  # fmt: skip


def _by_targets(statement: ast.Delete, table: Table, env: Environment) -> PreparedDelete:
    extra: list[ast.Name] = []
    returning: Returning | None = None
    if statement.returning:
        returning = prepare_returning(
            statement.returning, statement.alias or table.name, table, env, statement.using, statement.where, statement.with_, 1, extra
        )
    targets: PreparedQuery = prepare_targets(
        env, table, statement.alias, statement.using, statement.where, extra, [None for _ in extra], statement.with_
    )
    plan = f"Delete on {table.name}\n" + "\n".join(f"  {line}" for line in targets.plan.splitlines())
    return PreparedDelete(
        table, key_types(table), returning.projection.columns if returning else (), resolved_parameters(env), targets.source, plan,
        effects(env.catalog, table), key_function(table), targets=targets, returning=returning,
    )  # fmt: skip


def prepare_truncate(statement: ast.Truncate, env: Environment) -> PreparedTruncate:
    """The tables that TRUNCATE empties, with CASCADE those that refer to them. Raises TruncateReferenced (0A000) without it."""
    tables: dict[int, Table] = {}
    pending = [find_table(env, name, "truncate") for name in statement.tables]
    while pending:
        table = pending.pop()
        if table.id in tables:
            continue
        tables[table.id] = table
        if statement.cascade:
            pending.extend(env.catalog.referencing(table.id))
    for table in tables.values():
        for reference in incoming_references(env.catalog, table):
            if reference.table.id not in tables:
                raise TruncateReferenced(
                    "cannot truncate a table referenced in a foreign key constraint",
                    detail=f'Table "{reference.table.name}" references "{table.name}".',
                    hint=f'Truncate table "{reference.table.name}" at the same time, or use TRUNCATE ... CASCADE.',
                    table=table.name, constraint=reference.key.name,
                ).at(statement.position, env.text)  # fmt: skip
    sequences = [s.id for s in env.catalog.sequences.values() if s.owner is not None and s.owner[0] in tables]
    return PreparedTruncate(tuple(tables.values()), tuple(sequences) if statement.restart_identity else ())
