"""SQL text to the syntax tree, and back.

    parse(text)             every statement of a text: ast.Script
    parse_statement(text)   the one statement of a text
    parse_query(text)       the one query of a text: ast.Query
    parse_expression(text)  an expression: ast.Expression
    render(node)            canonical SQL text of a statement, query, expression or type, which parses back to an equal tree

All errors are of eventdb.errors and know their place: SQLSyntaxError for what is no SQL, NotSupportedError for what is and isn't available,
StatementTooComplex for trees deeper than depth.MAXIMUM_DEPTH. Positions are offsets in the whole text given.

How: `lexer` (PLY) makes tokens, `lookahead` settles those that mean two things, `parser` drives the LALR tables that `tables` gets from PLY
over the actions in `grammar_*`. Importing this package loads none of that; the first parse does, and takes the tables from a cache.
Functions are safe to call from several threads; each has a parser of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventdb import errors

if TYPE_CHECKING:
    from eventdb.sql.parser import ast

__all__ = ["parse", "parse_expression", "parse_query", "parse_statement", "render"]


def parse(text: str) -> ast.Script:
    """The statements of a text, separated by semicolons; empty ones are left out.

    Parameters are numbered over the whole text. Positions in the trees and in errors are offsets in `text`.
    """
    from eventdb.sql.parser.parser import parse_script

    return parse_script(text)


def parse_statement(text: str) -> ast.Statement:
    """The one statement of a text; a closing semicolon is allowed."""
    from eventdb.sql.parser.parser import parse_one

    statement: ast.Statement = parse_one(text)
    return statement


def parse_query(text: str) -> ast.Query:
    """The one query (SELECT, VALUES, TABLE, WITH) of a text. Raises SQLSyntaxError for any other statement."""
    from eventdb.sql.parser import ast

    statement = parse_statement(text)
    if not isinstance(statement, ast.Query):
        raise errors.SQLSyntaxError("a query is needed here", position=max(statement.position, 0), statement=text)
    return statement


def parse_expression(text: str) -> ast.Expression:
    """The expression that a text is."""
    from eventdb.sql.parser.parser import EXPRESSION_START, parse_one

    expression: ast.Expression = parse_one(text, EXPRESSION_START)
    return expression


def render(node: ast.Node) -> str:
    """Canonical SQL text of a tree: parsing it gives an equal tree. Raises InternalError for a tree that no text can give."""
    from eventdb.sql.parser.rendering import render as render_node

    return render_node(node)
