"""The text of transaction control, settings, EXPLAIN and CHECKPOINT."""

from __future__ import annotations

from typing import Any

from eventdb.sql.parser import ast
from eventdb.sql.parser.render_core import comma, dotted, name, renders, text, words


def options(pairs: tuple[tuple[str, Any], ...]) -> str:
    """(name = value, …)."""
    return f"({', '.join(f'{name(key)} = {text(value)}' for key, value in pairs)})"


@renders(ast.TransactionModes)
def _modes(node: ast.TransactionModes) -> str:
    return words(
        f"ISOLATION LEVEL {node.isolation.upper()}" if node.isolation else None,
        {None: None, True: "READ ONLY", False: "READ WRITE"}[node.read_only],
        {None: None, True: "DEFERRABLE", False: "NOT DEFERRABLE"}[node.deferrable],
    )


@renders(ast.Begin)
def _begin(node: ast.Begin) -> str:
    return words(
        "BEGIN",
        text(node.modes),
        f"AS OF {text(node.as_of)}" if node.as_of else None,
        f"WITH {options(node.options)}" if node.options else None,
    )


@renders(ast.Commit)
def _commit(node: ast.Commit) -> str:
    return "COMMIT AND CHAIN" if node.chain else "COMMIT"


@renders(ast.Rollback)
def _rollback(node: ast.Rollback) -> str:
    if node.savepoint is not None:
        return f"ROLLBACK TO SAVEPOINT {name(node.savepoint)}"
    return "ROLLBACK AND CHAIN" if node.chain else "ROLLBACK"


@renders(ast.Savepoint)
def _savepoint(node: ast.Savepoint) -> str:
    return f"SAVEPOINT {name(node.name)}"


@renders(ast.Release)
def _release(node: ast.Release) -> str:
    return f"RELEASE SAVEPOINT {name(node.name)}"


@renders(ast.SetTransaction)
def _set_transaction(node: ast.SetTransaction) -> str:
    return f"SET {'SESSION CHARACTERISTICS AS ' if node.session else ''}TRANSACTION {text(node.modes)}"


@renders(ast.SetConstraints)
def _set_constraints(node: ast.SetConstraints) -> str:
    return f"SET CONSTRAINTS {comma(node.names) or 'ALL'} {'DEFERRED' if node.deferred else 'IMMEDIATE'}"


@renders(ast.Set)
def _set(node: ast.Set) -> str:
    if node.name == "all" and not node.values:
        return "RESET ALL"
    values = ", ".join(map(_setting, node.values)) or "DEFAULT"
    return f"SET {'LOCAL ' if node.local else ''}{dotted(node.name.split('.'))} = {values}"


def _setting(value: Any) -> str:
    if isinstance(value, ast.Cast):
        return f"INTERVAL {text(value.operand)}"
    return text(value)


@renders(ast.SetSystemTime)
def _set_system_time(node: ast.SetSystemTime) -> str:
    return f"SET SYSTEM_TIME AS OF {text(node.moment)}" if node.moment else "SET SYSTEM_TIME DEFAULT"


@renders(ast.Show)
def _show(node: ast.Show) -> str:
    return "SHOW ALL" if node.name == "all" else f"SHOW {dotted(node.name.split('.'))}"


@renders(ast.Explain)
def _explain(node: ast.Explain) -> str:
    said = ", ".join(word for word, on in (("ANALYZE", node.analyze), ("CODE", node.code)) if on)
    return words("EXPLAIN", f"({said})" if said else None, text(node.statement))


@renders(ast.Checkpoint)
def _checkpoint(node: ast.Checkpoint) -> str:
    return "CHECKPOINT"


@renders(ast.CreateDatabase)
def _create_database(node: ast.CreateDatabase) -> str:
    return words("CREATE DATABASE", "IF NOT EXISTS" if node.if_not_exists else None, name(node.name))


@renders(ast.DropDatabase)
def _drop_database(node: ast.DropDatabase) -> str:
    return words("DROP DATABASE", "IF EXISTS" if node.if_exists else None, name(node.name))
