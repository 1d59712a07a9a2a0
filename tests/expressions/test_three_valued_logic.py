"""NULL semantics: every operator, over every combination of NULL and values, nullable or not, in all three modes, against a plain
interpretation.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
from expression_harness import TestScope, bound, function_of

from eventdb.model import datatype as types
from eventdb.sql.expressions import compiler
from eventdb.sql.expressions.bound import Expr


def strict(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *items: None if any(item is None for item in items) else function(*items)


def both(a: Any, b: Any) -> Any:
    return False if a is False or b is False else None if a is None or b is None else True


def either(a: Any, b: Any) -> Any:
    return True if a is True or b is True else None if a is None or b is None else False


def opposite(a: Any) -> Any:
    return None if a is None else not a


equal, less = strict(lambda a, b: a == b), strict(lambda a, b: a < b)

BOOLEANS: dict[str, Callable[..., Any]] = {
    "a and b": both, "a or b": either, "not a": lambda a, b: opposite(a), "not (a and b)": lambda a, b: opposite(both(a, b)),
    "not (a or not b)": lambda a, b: opposite(either(a, opposite(b))), "a = b": equal, "a <> b": strict(lambda a, b: a != b),
    "a is true": lambda a, b: a is True, "a is not true": lambda a, b: a is not True, "a is false": lambda a, b: a is False,
    "a is not false": lambda a, b: a is not False, "a is unknown": lambda a, b: a is None, "a is not unknown": lambda a, b: a is not None,
    "a is null": lambda a, b: a is None, "not (a is true and b)": lambda a, b: opposite(both(a is True, b)),
    "case when a then b else not b end": lambda a, b: b if a is True else opposite(b), "case when a then b end": lambda a,
    b: b if a is True else None,
    "coalesce(a, b)": lambda a, b: b if a is None else a, "nullif(a, b)": lambda a, b: None if equal(a, b) is True else a,
    "(a and b) is null": lambda a, b: both(a, b) is None, "a is distinct from b": lambda a, b: a is not b,
    "(a or b) = (a and b)": lambda a, b: equal(either(a, b), both(a, b)), "a and b and (a or b)": lambda a,
    b: both(both(a, b), either(a, b)),
    "a in (b, false)": lambda a, b: either(equal(a, b), equal(a, False)), "a not in (b, true)": lambda a,
    b: opposite(either(equal(a, b), equal(a, True))),
}  # fmt: skip
NUMBERS: dict[str, Callable[..., Any]] = {
    "a = b": equal, "a < b": less, "a <= b": strict(lambda a, b: a <= b), "a > b": strict(lambda a, b: a > b),
    "a >= b": strict(lambda a, b: a >= b),
    "a <> b": strict(lambda a, b: a != b), "a + 1 = b": strict(lambda a, b: a + 1 == b), "a is distinct from b": lambda a, b: a != b,
    "a is not distinct from b + 0": lambda a, b: a == b, "a between 1 and b": lambda a,
    b: both(less(0, a), strict(lambda x, y: x <= y)(a, b)),
    "a in (1, 2)": strict(lambda a: a in (1, 2)), "a in (1, null)": lambda a, b: True if a == 1 else None,
    "a not in (1, null)": lambda a, b: False if a == 1 else None, "a in (b, 2)": lambda a, b: either(equal(a, b), equal(a, 2)),
    "a + 0 in (b, null)": lambda a, b: either(equal(a, b), None), "(a, b) = (b, 1)": lambda a, b: both(equal(a, b), equal(b, 1)),
    "(a, b) <> (b, 1)": lambda a, b: opposite(both(equal(a, b), equal(b, 1))),
    "(a, b) < (b, 2)": lambda a, b: either(less(a, b), both(equal(a, b), less(b, 2))),
    "(a + 0, b) >= (1, a)": lambda a, b: either(less(1, a), both(equal(a, 1), opposite(less(b, a)))),
    "case a + 0 when b then true when 1 then false end": lambda a, b: True if equal(a, b) is True else False if a == 1 else None,
    "a = 1 or b = 2 and not a = b": lambda a, b: either(equal(a, 1), both(equal(b, 2), opposite(equal(a, b)))),
    "a::text like '1%'": strict(lambda a: str(a).startswith("1")), "a::text || b::text = '12'": strict(lambda a, b: f"{a}{b}" == "12"),
    "not (a < b) is true": lambda a, b: less(a, b) is not True, "coalesce(a, b, 0) = 0": lambda a, b: (a if a is not None else b or 0) == 0,
}  # fmt: skip
NUMBERS["a in (1, 2)"] = lambda a, b: None if a is None else a in (1, 2)
NUMBERS["a::text like '1%'"] = lambda a, b: None if a is None else str(a).startswith("1")


def check(text: str, datatype: types.DataType, values: list[Any], plain: Callable[..., Any], nullable: tuple[bool, bool]) -> None:
    scope = TestScope(text, {"a": (datatype, nullable[0]), "b": (datatype, nullable[1])})
    expr = bound(text, scope)
    runs = [_run(mode, expr) for mode in (compiler.value, compiler.condition, compiler.negation)]
    domains = [values if allowed else [v for v in values if v is not None] for allowed in nullable]
    for a, b in itertools.product(*domains):
        wanted = plain(a, b)
        got = runs[0]((0, a, b))
        assert got is wanted, f"{text} over {a!r}, {b!r}"
        assert bool(runs[1]((0, a, b))) is (wanted is True), f"condition {text} over {a!r}, {b!r}"
        assert bool(runs[2]((0, a, b))) is (wanted is False), f"negation {text} over {a!r}, {b!r}"
        assert expr.nullable or wanted is not None


def _run(mode: Callable[[Expr, compiler.Emitter], str], expr: Expr) -> Any:
    emitter = compiler.SourceEmitter()
    return function_of(mode(expr, emitter), emitter)


NULLABLE = list(itertools.product([True, False], repeat=2))


@pytest.mark.parametrize("nullable", NULLABLE)
@pytest.mark.parametrize("text", BOOLEANS)
def test_truth_tables_of_booleans(text: str, nullable: tuple[bool, bool]) -> None:
    """Value, condition and negation agree with three-valued logic."""
    check(text, types.BOOLEAN, [True, False, None], BOOLEANS[text], nullable)


@pytest.mark.parametrize("nullable", NULLABLE)
@pytest.mark.parametrize("text", NUMBERS)
def test_truth_tables_of_comparisons(text: str, nullable: tuple[bool, bool]) -> None:
    """Comparisons, IN, BETWEEN, CASE and rows over NULL and numbers."""
    check(text, types.INTEGER, [0, 1, 2, None], NUMBERS[text], nullable)


RANKED = {-math.inf: 0, 0.0: 1, 1.5: 2, math.inf: 3}


def rank(value: float) -> int:
    return 4 if value != value else RANKED[value]


@pytest.mark.parametrize("nullable", NULLABLE)
@pytest.mark.parametrize("operator", ["=", "<>", "<", "<=", ">", ">="])
@pytest.mark.parametrize("form", ["a {} b", "a + 0 {} b", "a {} 1.5::float8", "1.5::float8 {} b", "(a, 1) {} (b, 1)"])
def test_nan_is_equal_to_itself_and_greater_than_numbers(form: str, operator: str, nullable: tuple[bool, bool]) -> None:
    """PostgreSQL's order of floats, in all modes."""
    python = {"=": "==", "<>": "!="}.get(operator, operator)

    def plain(a: Any, b: Any) -> Any:
        left = 1.5 if form.startswith("1.5") else a
        right = 1.5 if form.endswith("float8") else b
        if left is None or right is None:
            return None
        return eval(f"{rank(left)} {python} {rank(right)}")

    check(form.format(operator), types.DOUBLE, [-math.inf, 0.0, 1.5, math.inf, math.nan, None], plain, nullable)
