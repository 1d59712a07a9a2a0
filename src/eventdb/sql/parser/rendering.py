"""Canonical SQL text of a tree: what the parser reads back as an equal tree.

One function a node, found by its type. Names are quoted only where they must be, keywords are upper case, parentheses stand only where
precedence asks for them. DEFAULT, CHECK, generated columns, indexes and views are written from their own stored text.
"""

from __future__ import annotations

from eventdb import errors
from eventdb.sql.parser import ast, render_definition, render_manipulation, render_query, render_session
from eventdb.sql.parser.render_core import text

__all__ = ["render"]

# Importing these modules fills the table of functions.
_PARTS = (render_definition, render_manipulation, render_query, render_session)


def render(node: ast.Node) -> str:
    """The text of a statement, query, expression, type name or any other node.

    Raises InternalError for an unknown one, and StatementTooComplex for a tree too deep to recurse over (chains of one operator are
    no such). The order of clauses is canonical: where it differs from the order written, so do the ordinals of `?` marks.
    """
    try:
        return text(node)
    except RecursionError:
        raise errors.StatementTooComplex("the statement nests too deeply to be written as text") from None
