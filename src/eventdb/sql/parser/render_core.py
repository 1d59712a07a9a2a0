"""What all rendering shares: the table of functions, names, lists."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from eventdb import errors
from eventdb.sql.parser import ast
from eventdb.sql.parser.keywords import KEYWORDS, NILADIC, TYPE_PAIRS

_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*\Z")
_F = TypeVar("_F", bound=Callable[[Any], str])

_functions: dict[type, Callable[[Any], str]] = {}


def renders(*types: type) -> Callable[[_F], _F]:
    """Register the decorated function as the renderer of node types."""

    def register(function: _F) -> _F:
        _functions.update(dict.fromkeys(types, function))
        return function

    return register


def text(node: Any) -> str:
    """The text of a node."""
    try:
        function = _functions[type(node)]
    except KeyError:
        raise errors.InternalError(f"no SQL text for {type(node).__name__}") from None
    return function(node)


def name(identifier: str) -> str:
    """An identifier, quoted if it is a keyword or not plain."""
    if _PLAIN.match(identifier) and identifier not in KEYWORDS and identifier not in NILADIC and identifier not in TYPE_PAIRS:
        return identifier
    return '"' + identifier.replace('"', '""') + '"'


def dotted(parts: Iterable[str]) -> str:
    """A qualified name."""
    return ".".join(map(name, parts))


def names(identifiers: Iterable[str]) -> str:
    """A list of names in parentheses."""
    return f"({', '.join(map(name, identifiers))})"


def optional_names(identifiers: tuple[str, ...]) -> str:
    """A list of names in parentheses after a space; nothing for no names."""
    return f" {names(identifiers)}" if identifiers else ""


def comma(nodes: Iterable[Any]) -> str:
    """The texts of nodes with commas between."""
    return ", ".join(map(text, nodes))


def words(*parts: str | None) -> str:
    """The parts that are not empty, with spaces between."""
    return " ".join(part for part in parts if part)


@renders(ast.QualifiedName)
def _qualified(node: ast.QualifiedName) -> str:
    return dotted(node.parts)
