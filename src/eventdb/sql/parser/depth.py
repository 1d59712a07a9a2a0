"""How deep a tree may be: what later stages, which recurse over it, can rely on."""

from __future__ import annotations

from typing import Any

from eventdb import errors
from eventdb.model.record import fields
from eventdb.sql.parser import ast

MAXIMUM_DEPTH = 5_000
"""Nodes on the longest way from a statement to a leaf. A chain a AND b AND c … or a + b + c … of n operands is n - 1 deep, a nested
subquery adds four or five."""

_fields: dict[type, tuple[str, ...]] = {}


def check_depth(tree: ast.Node, tokens: int) -> None:
    """Raise StatementTooComplex if a tree is deeper than MAXIMUM_DEPTH.

    `tokens`: how many tokens it was made of. A level takes at least a third of one (a token may start a value, a select item and a query),
    so that an ordinary statement needs no look.
    """
    if tokens * 3 <= MAXIMUM_DEPTH:
        return
    level: list[Any] = [tree]
    for _ in range(MAXIMUM_DEPTH):
        following: list[Any] = []
        for node in level:
            for child in children(node):
                if isinstance(child, ast.Node):
                    following.append(child)
                elif type(child) is tuple:
                    _flatten(child, following)
        if not following:
            return
        level = following
    raise errors.StatementTooComplex("the statement nests too deeply", position=level[0].position)


def _flatten(items: tuple[Any, ...], nodes: list[Any]) -> None:
    for item in items:
        if isinstance(item, ast.Node):
            nodes.append(item)
        elif type(item) is tuple:
            _flatten(item, nodes)


def children(node: ast.Node) -> list[Any]:
    """The values of a node's fields, without its position."""
    cls = type(node)
    names = _fields.get(cls)
    if names is None:
        names = _fields[cls] = tuple(f.name for f in fields(cls) if f.name != "position")
    return [getattr(node, name) for name in names]
