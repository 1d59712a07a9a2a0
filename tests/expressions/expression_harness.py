"""What tests of expressions bind in: a scope with a few columns, and a fixed execution context."""

from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

from eventdb.errors import UndefinedColumn
from eventdb.model import datatype as types
from eventdb.model.catalog import Catalog
from eventdb.sql.environment import Environment
from eventdb.sql.expressions import binder, compiler
from eventdb.sql.expressions.bound import Column, Expr
from eventdb.sql.parser import ast, parse_expression

NOW = datetime.datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=datetime.UTC)
CONTEXT = SimpleNamespace(
    timezone=ZoneInfo("Europe/Berlin"),
    transaction_timestamp=NOW,
    statement_timestamp=NOW,
    setting={"actor": "ada", "search_path": "public"}.get,
)


class TestScope:
    """Columns by name; each is (type, nullable)."""

    __test__ = False
    clause = "SELECT"

    def __init__(self, text: str, columns: dict[str, tuple[types.DataType, bool]] | None = None, parameters: int = 0) -> None:
        self.environment = Environment(text, Catalog(), parameter_types=[None] * parameters)
        self.allow_aggregates = self.allow_windows = True
        self.columns = {
            name: Column(datatype, 1, number, name, nullable=nullable)
            for number, (name, (datatype, nullable)) in enumerate((columns or {}).items(), 1)
        }

    def resolve(self, parts: tuple[str, ...], position: int) -> Expr:
        if parts[-1] not in self.columns:
            raise UndefinedColumn(f'column "{parts[-1]}" does not exist', position=position)
        return self.columns[parts[-1]]

    def bind_subquery(self, query: ast.Query) -> Any:
        raise NotImplementedError

    def window(self, name: str) -> ast.Window | None:
        return None


def bound(text: str, scope: TestScope | None = None) -> Expr:
    """The expression bound and settled."""
    return binder.settle(binder.bind_expression(parse_expression(text), scope or TestScope(text)))


def function_of(source: str, emitter: compiler.SourceEmitter) -> Any:
    """A function (row, parameters) of a source."""
    scope = dict(emitter.names)
    exec(compiler.compile_source(f"def run(r1, p=(), cx=None):\n return {source}", "<test>"), scope)
    return scope["run"]
