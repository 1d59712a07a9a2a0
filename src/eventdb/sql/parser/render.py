"""Canonical SQL text of a tree."""

from eventdb import errors
from eventdb.sql.parser import ast


def render(node: ast.Node) -> str:
    raise errors.NotSupportedError(f"no text for {type(node).__name__}")
