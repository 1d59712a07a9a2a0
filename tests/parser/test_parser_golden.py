"""Statements and what they are read as, kept in files that a person can review."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from eventdb import errors
from eventdb.model.record import fields
from eventdb.sql.parser import ast, parse, parse_statement, render
from eventdb.sql.parser.depth import children

Golden = Callable[[str, Callable[[str], str]], None]


def outline(node: Any, indent: str = "") -> str:
    """A tree as indented lines: one a node, with its plain values; fields that hold their default are left out."""
    values, lines = [], []
    described = [field for field in fields(node) if not field.name.endswith(("position", "positions"))]
    for field in described:
        name, value = field.name, getattr(node, field.name)
        if value == field.default:
            continue
        if holds_nodes(value):
            lines.append(f"{indent}  {name}:")
            lines.extend(outline_value(value, indent + "    "))
        else:
            values.append(f"{name}={value!r}")
    return "\n".join([f"{indent}{type(node).__name__}({', '.join(values)})", *lines])


def holds_nodes(value: Any) -> bool:
    return isinstance(value, ast.Node) or (isinstance(value, tuple) and any(map(holds_nodes, value)))


def outline_value(value: Any, indent: str) -> list[str]:
    if isinstance(value, ast.Node):
        return [outline(value, indent)]
    if holds_nodes(value):
        return [line for item in value for line in outline_value(item, indent)]
    return [f"{indent}{value!r}"]


def canonical(text: str) -> str:
    (statement,) = parse(text).statements
    return render(statement)


@pytest.mark.parametrize("name", ["queries", "expressions", "manipulation", "definition", "session", "time"])
def test_statement_is_read_as_its_canonical_text(name: str, golden: Golden) -> None:
    """Each statement's canonical text shows how it was understood: parentheses, defaults, synonyms."""
    golden(f"{name}.sql", canonical)


def test_statement_is_read_as_its_tree(golden: Golden) -> None:
    """The trees of a few statements, node by node."""
    golden("trees.sql", lambda text: outline(parse_statement(text)))


def test_error_names_the_place(golden: Golden) -> None:
    """Each wrong statement gives an error whose message ends in the line and a caret under the place."""

    def message(text: str) -> str:
        with pytest.raises(errors.Error) as caught:
            parse(text)
        return f"{caught.value.sqlstate} {caught.value}"

    golden("errors.sql", message)


def test_canonical_text_parses_back_to_an_equal_tree(statements: list[str]) -> None:
    """render(parse(x)) means the same as x, and is its own canonical text."""
    for text in statements:
        first = parse(text).statements
        again = render(first[0])
        if "OFFSET ? LIMIT ?" not in text:  # the canonical order of these two clauses renumbers the marks
            assert parse(again).statements == first, text
        assert canonical(again) == again, text


def test_positions_lie_in_the_text(statements: list[str]) -> None:
    """Every node of every statement has a place in its text, but for those that no text stands for."""

    def walk(node: Any, text: str) -> None:
        if isinstance(node, tuple):
            for item in node:
                walk(item, text)
        elif isinstance(node, ast.Node):
            if not isinstance(node, ast.TransactionModes | ast.SequenceOptions | ast.CreateView):
                assert 0 <= node.position < len(text), (text, node)
            walk(tuple(children(node)), text)

    for text in statements:
        walk(parse(text).statements[0], text)
