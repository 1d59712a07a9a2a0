"""Where the sources of expressions get their names from, and what all kinds of expressions need to write theirs.

See `compiler` for the modes and rules. Each kind of expression registers how its source is written in `VALUES` and, where it knows better
than to test its value, in `CONDITIONS` and `NEGATIONS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from eventdb.errors import InternalError, StatementTooComplex
from eventdb.sql.expressions.bound import BoundExpression, Column, Constant, Expr, SubqueryExpression

PLACE = "\0"
"""Stands in what a Call renders for a temporary of its own."""
_SIMPLE = re.compile(r"[A-Za-z_]\w*(\[-?\d+\])?")


class Emitter(Protocol):
    """Where sources get their names from."""

    def column(self, column: Column) -> str:
        """Source of a column's value, usually `r3[2]` or a local name."""
        ...

    def parameter(self, index: int) -> str:
        """Source of a parameter's value, usually `p[0]`."""
        ...

    def constant(self, value: object) -> str:
        """A global name for an object that has no short literal."""
        ...

    def define(self, name: str, value: object) -> None:
        """Make the global `name` mean `value`; the same name always comes with the same value."""
        ...

    def temporary(self) -> str:
        """A fresh local name."""
        ...

    def subquery(self, expression: SubqueryExpression) -> str:
        """Source of a subquery's value, None for NULL (boolean for exists, in, any, all, row)."""
        ...


class SourceEmitter:
    """A plain emitter, to be used as it is or refined: rows are `r<relation>`, globals collect in `names`."""

    def __init__(self) -> None:
        self.names: dict[str, object] = {}
        self._constants: dict[int, str] = {}
        self._temporaries = 0

    def column(self, column: Column) -> str:
        return f"r{column.relation}[{column.ordinal}]"

    def parameter(self, index: int) -> str:
        return f"p[{index}]"

    def constant(self, value: object) -> str:
        name = self._constants.get(id(value))
        if name is None:
            name = self._constants[id(value)] = f"k{len(self._constants)}"
            self.names[name] = value
        return name

    def define(self, name: str, value: object) -> None:
        self.names[name] = value

    def temporary(self) -> str:
        self._temporaries += 1
        return f"t{self._temporaries}"

    def subquery(self, expression: SubqueryExpression) -> str:
        raise InternalError("a subquery stands where the planner did not expect one", position=expression.position)


class Computed(BoundExpression):
    """An operand whose source is known already: compiler-made, for operands used more than once."""

    source: str


def guarded(mode: Callable[[Expr, Emitter], str], expr: Expr, emitter: Emitter) -> str:
    try:
        return mode(expr, emitter)
    except RecursionError:
        raise StatementTooComplex("the expression nests too deeply", position=expr.position if expr.position >= 0 else None) from None


# ---- dispatch

Write = Callable[[Any, Emitter], str]
VALUES: dict[type, Write] = {}
CONDITIONS: dict[type, Write] = {}
NEGATIONS: dict[type, Write] = {}
"""By the class of an expression."""


def value_of(expr: Expr, emitter: Emitter) -> str:
    return VALUES[type(expr)](expr, emitter)


def condition_of(expr: Expr, emitter: Emitter) -> str:
    special = CONDITIONS.get(type(expr))
    return special(expr, emitter) if special else value_of(expr, emitter)


def negation_of(expr: Expr, emitter: Emitter) -> str:
    special = NEGATIONS.get(type(expr))
    if special:
        return special(expr, emitter)
    source = value_of(expr, emitter)
    return f"({source} is False)" if expr.nullable else f"(not {source})"


# ---- operands and NULL


def is_simple(source: str) -> bool:
    """Whether a source is so cheap that it may be written twice: a name, or a name with a constant subscript."""
    return _SIMPLE.fullmatch(source) is not None


def operands(exprs: Sequence[Expr], emitter: Emitter, reused: bool = False) -> tuple[list[str], list[str]]:
    """Sources of the operands for use once they are known not to be NULL, and what must be tested `is None`.

    With `reused`, operands that are not nullable are made cheap to repeat as well; their assignments come last in the tests, marked by
    a leading `:`.
    """
    names: list[str] = []
    tests: list[str] = []
    for expr in exprs:
        source = value_of(expr, emitter)
        if expr.nullable:
            name = source
            if not is_simple(source) and source != "None":
                name = emitter.temporary()
                source = f"({name} := {source})"
            if source not in tests:
                tests.append(source)
            names.append(name)
        elif reused and not is_simple(source) and not isinstance(expr, Constant):
            name = emitter.temporary()
            tests.append(f":({name} := {source})")
            names.append(name)
        else:
            names.append(source)
    return names, tests


def _all_null_tests(tests: list[str]) -> str:
    return " or ".join(f"{test[1:]} is None" if test[0] == ":" else f"{test} is None" for test in tests)


def _all_present(tests: list[str]) -> list[str]:
    return [f"{test[1:]} is not None" if test[0] == ":" else f"{test} is not None" for test in tests]


def strict_value(tests: list[str], body: str) -> str:
    if not tests:
        return body
    if "None" in tests:
        return "None"
    return f"(None if {_all_null_tests(tests)} else {body})"


def strict_condition(tests: list[str], body: str) -> str:
    if not tests:
        return body
    if "None" in tests:
        return "False"
    return f"({' and '.join([*_all_present(tests), body])})"
