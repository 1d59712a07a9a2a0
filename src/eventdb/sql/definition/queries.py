"""The planner's entry points, imported when first called: most writes and definitions need no plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eventdb.model.datatype import DataType
from eventdb.model.schema import Table
from eventdb.sql.environment import Environment
from eventdb.sql.parser import ast
from eventdb.sql.prepared import PreparedProjection, PreparedQuery


def prepare_query(query: ast.Query, env: Environment) -> PreparedQuery:
    from eventdb.sql import compiler

    return compiler.prepare_query(query, env)


def prepare_projection(
    env: Environment, sources: Sequence[tuple[str, Table]], items: Sequence[ast.SelectItem], where: ast.Expression | None = None,
    want: Sequence[DataType | None] | None = None,
) -> PreparedProjection:  # fmt: skip
    from eventdb.sql import compiler

    return compiler.prepare_projection(env, sources, items, where, want)


def prepare_targets(
    env: Environment, table: Table, alias: str | None, from_: tuple[ast.TableExpression, ...], where: ast.Expression | None,
    outputs: Sequence[Any], want: Sequence[DataType | None], with_: ast.With | None = None,
) -> PreparedQuery:  # fmt: skip
    from eventdb.sql import compiler

    return compiler.prepare_targets(env, table, alias, from_, where, outputs, want, with_)


def column_names(
    env: Environment, table: Table, alias: str, from_: tuple[ast.TableExpression, ...], with_: ast.With | None, star: ast.Star
) -> list[ast.Name]:
    from eventdb.sql import compiler

    return compiler.column_names(env, table, alias, from_, with_, star)
