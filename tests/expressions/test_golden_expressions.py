"""Golden scripts: every line of golden/*.txt is an expression and its value and type, or its error.

    expression => value : type
    expression !! SQLSTATE, part of the message

Expectations were written from PostgreSQL's documentation and behaviour.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from expression_harness import CONTEXT, bound

from eventdb.errors import Error
from eventdb.sql.expressions import compiler, values

GOLDEN = Path(__file__).parent / "golden"
CASES = [
    pytest.param(line.rstrip(), id=f"{path.stem}:{number}")
    for path in sorted(GOLDEN.glob("*.txt"))
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
    if line.strip() and not line.startswith("#")
]


def outcome(text: str) -> str:
    """What an expression gives, in the notation of the scripts."""
    try:
        expr = bound(text)
        value = compiler.evaluate(expr, (), CONTEXT)
    except Error as error:
        return f"!! {error.sqlstate}, {error.message}"
    shown = "NULL" if value is None else values.render(value, expr.datatype, CONTEXT.timezone)
    return f"=> {shown} : {expr.datatype}"


@pytest.mark.parametrize("line", CASES)
def test_expression_gives_the_golden_outcome(line: str) -> None:
    """The line's expression has the value and type, or fails with the SQLSTATE and message, that the script says."""
    separator = " !! " if " !! " in line else " => "
    text, _, wanted = line.rpartition(separator)
    actual = outcome(text.strip())
    if separator == " !! ":
        state, _, message = wanted.partition(",")
        assert actual.startswith(f"!! {state.strip()},"), f"{text.strip()}: {actual}"
        assert message.strip() in actual
    else:
        assert actual == f"=> {wanted}", text


def test_scripts_are_there() -> None:
    """An empty collection must not pass for success."""
    assert len(CASES) > 300
