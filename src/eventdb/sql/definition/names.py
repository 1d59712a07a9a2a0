"""Finding schema objects by name, and choosing names and schemas for new ones."""

from __future__ import annotations

from collections.abc import Collection

from eventdb.errors import (
    InvalidName,
    InvalidSchemaName,
    InvalidTableDefinition,
    NameTooLong,
    UndefinedColumn,
    UndefinedTable,
    WrongObjectType,
)
from eventdb.model.schema import TEMPORARY_SCHEMA, Column, Index, Relation, Sequence, Table, View
from eventdb.sql.environment import Environment
from eventdb.sql.parser import ast

RESERVED_SCHEMAS = frozenset({"information_schema", "eventdb", "pg_temp", "pg_catalog"})
LONGEST_NAME = 255

KINDS: dict[type, str] = {Table: "table", View: "view", Index: "index", Sequence: "sequence"}


def spelled(name: ast.QualifiedName) -> str:
    return ".".join(name.parts)


def split(name: ast.QualifiedName, env: Environment) -> tuple[str | None, str]:
    """(schema or None, name); a name of three parts is refused."""
    if len(name.parts) > 2:
        raise InvalidName(f'improper qualified name (too many dotted names): "{spelled(name)}"').at(name.position, env.text)
    return (name.parts[0], name.parts[1]) if len(name.parts) == 2 else (None, name.parts[0])


def find(env: Environment, name: ast.QualifiedName) -> Relation | None:
    """The object that the name means on the search path; None if there is none."""
    schema, last = split(name, env)
    for candidate in (schema,) if schema is not None else searched(env):
        found = env.catalog.find(candidate, last)
        if found is not None:
            return found
    return None


def searched(env: Environment) -> tuple[str, ...]:
    """The schemas in which a name without one is looked for: the session's own objects come first, wherever the path has them not."""
    path = env.search_path
    return path if TEMPORARY_SCHEMA in path else (TEMPORARY_SCHEMA, *path)


def is_system(env: Environment, name: ast.QualifiedName) -> bool:
    schema, last = split(name, env)
    if schema is not None:
        return (schema, last) in env.system_tables
    return False


def find_table(env: Environment, name: ast.QualifiedName, purpose: str = "") -> Table:
    """The table of that name. `purpose` ("insert into") makes the error for another kind of object say what cannot be done."""
    found = find(env, name)
    if isinstance(found, Table):
        return found
    if found is None:
        if is_system(env, name):
            raise WrongObjectType(f'cannot {purpose or "change"} system relation "{spelled(name)}"').at(name.position, env.text)
        raise UndefinedTable(f'relation "{spelled(name)}" does not exist').at(name.position, env.text)
    kind = KINDS[type(found)]
    if purpose:
        raise WrongObjectType(f'cannot {purpose} {kind} "{found.name}"').at(name.position, env.text)
    raise WrongObjectType(f'"{found.name}" is not a table').at(name.position, env.text)


def find_column(env: Environment, table: Table, name: str, position: int = -1) -> Column:
    column = table.by_name.get(name)
    if column is None or column.hidden:
        raise UndefinedColumn(f'column "{name}" of relation "{table.name}" does not exist', table=table.name).at(position, env.text)
    return column


def creation_schema(env: Environment, name: ast.QualifiedName, temporary: bool = False) -> str:
    """The schema in which a new object of that name is made: the named one, or the first of the search path that exists.

    Raises InvalidTableDefinition where `temporary` and the named schema disagree.
    """
    schema, last = split(name, env)
    check_name(last, env, name.position)
    if schema == TEMPORARY_SCHEMA or (temporary and schema is None):
        return TEMPORARY_SCHEMA
    if temporary:
        raise InvalidTableDefinition("cannot create temporary relation in non-temporary schema").at(name.position, env.text)
    if schema is None:
        for candidate in env.search_path:
            if candidate == TEMPORARY_SCHEMA:
                return candidate
            if candidate in env.catalog.schemas and candidate not in RESERVED_SCHEMAS:
                return candidate
        raise InvalidSchemaName("no schema has been selected to create in").at(name.position, env.text)
    if schema in RESERVED_SCHEMAS:
        raise InvalidSchemaName(f'schema "{schema}" is reserved for the system').at(name.position, env.text)
    if schema not in env.catalog.schemas:
        raise InvalidSchemaName(f'schema "{schema}" does not exist').at(name.position, env.text)
    return schema


def check_name(name: str, env: Environment, position: int = -1) -> None:
    if not name:
        raise InvalidName("zero-length name").at(position, env.text)
    if len(name) > LONGEST_NAME:
        raise NameTooLong(f'name "{name[:30]}..." is longer than {LONGEST_NAME} characters').at(position, env.text)


def unused(base: str, taken: Collection[str]) -> str:
    """`base`, or the first of base1, base2, … that isn't taken."""
    name, count = base, 0
    while name in taken:
        count += 1
        name = f"{base}{count}"
    return name


def names_in(env: Environment, schema: str) -> set[str]:
    return {name for found, name in env.catalog.names if found == schema}
