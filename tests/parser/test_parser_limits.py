"""Large and deep texts give a result or an error of ours, quickly."""

from __future__ import annotations

import time

import pytest

from eventdb import errors
from eventdb.sql.parser import ast, parse, parse_expression, render
from eventdb.sql.parser.depth import MAXIMUM_DEPTH


def timed(text: str) -> ast.Script:
    start = time.perf_counter()
    try:
        return parse(text)
    finally:
        print(f"{len(text)} characters in {(time.perf_counter() - start) * 1000:.1f} ms")


@pytest.mark.parametrize(
    "text",
    [
        "x " * 100_000,
        "SELECT '" + "a''" * 100_000,
        "SELECT E'" + "a\\'" * 100_000,
        "/*" * 100_000,
        "SELECT " + "1" * 100_000,
        "SELECT 1 " + "\x00" * 1000,
        '"' * 100_001,
        "((" * 50_000,
    ],
    ids=["words", "quotes", "escapes", "comments", "digits", "nul", "double quotes", "parentheses"],
)
def test_long_garbage_is_an_error(text: str) -> None:
    """Nonsense of any length is refused with a place."""
    with pytest.raises(errors.Error) as caught:
        timed(text)
    assert caught.value.position is not None
    assert caught.value.statement == text
    assert len(str(caught.value)) < 1000


def test_long_insert_parses() -> None:
    """Ten thousand rows in one VALUES are one statement."""
    script = timed("INSERT INTO t VALUES " + ", ".join(f"({i}, 'name {i}', {i}.5, NULL)" for i in range(10_000)))
    (insert,) = script.statements
    assert isinstance(insert, ast.Insert)
    assert insert.source is not None
    assert isinstance(insert.source.body, ast.Values)
    assert len(insert.source.body.rows) == 10_000


@pytest.mark.parametrize("unit", ["({})", "(SELECT {})", "CASE WHEN {} THEN 1 END", "f({})", "NOT ({})", "({} + 1)"])
def test_500_levels_parse(unit: str) -> None:
    """Expressions and queries may nest 500 levels."""
    text = "1"
    for _ in range(500):
        text = unit.format(text)
    parse(f"SELECT {text}")


@pytest.mark.parametrize(
    "text",
    [
        "(" * 100_000 + "1" + ")" * 100_000,
        "(SELECT " * 5000 + "1" + ")" * 5000,
        "NOT " * 50_000 + "TRUE",
        "- " * 50_000 + "a",
        "1" + " + 1" * 100_000,
        "a" + " AND a" * 100_000,
        "a" + "::int" * 10_000,
        "CASE WHEN " * 20_000,
    ],
    ids=["parentheses", "subqueries", "not", "minus", "sum", "and", "casts", "case"],
)
def test_deeper_is_too_complex(text: str) -> None:
    """Beyond the limits: SQLSTATE 54001, never a RecursionError."""
    with pytest.raises(errors.StatementTooComplex) as caught:
        timed(f"SELECT {text}")
    assert caught.value.position is not None


def test_chains_up_to_the_limit_parse_and_render() -> None:
    """A chain of operators is a tree as deep as it is long; it parses, and its text can be written."""
    text = "a" + " + 1" * (MAXIMUM_DEPTH - 10)
    assert render(parse_expression(text)) == text
    unions = "SELECT 1" + " UNION SELECT 1" * 2000
    assert render(parse(unions).statements[0]) == unions


def test_rendering_too_deep_a_tree_is_an_error_of_ours() -> None:
    """What the renderer would recurse too far over is refused."""
    tree = parse_expression("f(" * 3000 + "1" + ")" * 3000)
    with pytest.raises(errors.StatementTooComplex):
        render(tree)


def test_ordinary_statement_is_quick() -> None:
    """The time of a 100-character SELECT, printed."""
    text = "SELECT a, b, sum(c) AS total FROM orders WHERE id = ? AND status IN ('x', 'y') GROUP BY a, b ORDER BY a"
    parse(text)
    start = time.perf_counter()
    for _ in range(100):
        parse(text)
    print(f"{len(text)} characters in {(time.perf_counter() - start) * 1e4:.0f} µs")
