"""Data modification: INSERT, UPDATE, DELETE, TRUNCATE and MERGE prepared for execution by `engine.write`.

What one row alone can tell (types, NOT NULL, CHECK, generated columns, defaults) is compiled into the prepared functions; what needs
other rows (PRIMARY KEY, UNIQUE, FOREIGN KEY) is described by `effects.Effects` and checked by the engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventdb.errors import InternalError
from eventdb.sql.environment import Environment
from eventdb.sql.parser import ast

if TYPE_CHECKING:
    from eventdb.sql.modification.prepared import PreparedWrite

Write = ast.Insert | ast.Update | ast.Delete | ast.Merge | ast.Truncate


def modifies(statement: Any) -> bool:
    """Whether the statement's WITH changes rows, so that it is a write whatever else it is."""
    with_ = getattr(statement, "with_", None)
    return with_ is not None and any(not isinstance(table.query, ast.Query) for table in with_.tables)


def prepare_write(statement: Write | ast.Query, env: Environment) -> PreparedWrite | Any:
    """Bind and compile any statement that changes rows: a PreparedWrite, or what `merge` and `with_writes` give. Modules are imported when
    they are needed."""
    if not env.apart and modifies(statement):
        from eventdb.sql.modification.with_writes import prepare_with

        return prepare_with(statement, env)
    match statement:
        case ast.Insert():
            from eventdb.sql.modification.insert import prepare_insert

            return prepare_insert(statement, env)
        case ast.Update():
            from eventdb.sql.modification.update import prepare_update

            return prepare_update(statement, env)
        case ast.Delete():
            from eventdb.sql.modification.delete import prepare_delete

            return prepare_delete(statement, env)
        case ast.Merge():
            from eventdb.sql.modification.merge import prepare_merge

            return prepare_merge(statement, env)
        case ast.Truncate():
            from eventdb.sql.modification.delete import prepare_truncate

            return prepare_truncate(statement, env)
        case _:
            raise InternalError(f"{type(statement).__name__} is no write")
