"""CREATE SCHEMA."""

from __future__ import annotations

from eventdb.errors import DuplicateSchema, InvalidName
from eventdb.model.event import Event, SchemaCreated
from eventdb.sql.definition.names import RESERVED_SCHEMAS, check_name
from eventdb.sql.environment import Environment
from eventdb.sql.parser import ast


def create_schema(statement: ast.CreateSchema, env: Environment) -> list[Event]:
    """Raises DuplicateSchema, InvalidName (reserved)."""
    check_name(statement.name, env, statement.position)
    if statement.name in env.catalog.schemas:
        if statement.if_not_exists:
            return []
        raise DuplicateSchema(f'schema "{statement.name}" already exists').at(statement.position, env.text)
    refuse_reserved(statement.name, env, statement.position)
    return [SchemaCreated(statement.name)]


def refuse_reserved(name: str, env: Environment, position: int) -> None:
    if name in RESERVED_SCHEMAS or name.startswith("pg_"):
        raise InvalidName(f'unacceptable schema name "{name}"', detail="The name is reserved for the system.").at(position, env.text)
