"""Aggregates: fused into a loop, over lists, with DISTINCT, ORDER BY and FILTER; results and types as in PostgreSQL."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from expression_harness import TestScope, bound

from eventdb import errors
from eventdb.model import datatype as types
from eventdb.model.value import Interval
from eventdb.sql.expressions import aggregates, compiler
from eventdb.sql.expressions.bound import Aggregate

COLUMNS = {
    "i": (types.INTEGER, True),
    "n": (types.NUMERIC, True),
    "f": (types.DOUBLE, True),
    "s": (types.TEXT, True),
    "b": (types.BOOLEAN, True),
    "k": (types.BIGINT, False),
    "v": (types.INTERVAL, True),
}
ROWS = [
    (0, 3, Decimal("1.5"), 2.0, "c", True, 1, Interval(0, 1, 0)),
    (0, None, None, None, None, None, 2, None),
    (0, 1, Decimal("2.25"), math.nan, "a", False, 3, Interval(0, 0, 5)),
    (0, 3, Decimal("1.50"), -1.0, "b", True, 4, Interval(1, 0, 0)),
]


def run(text: str, rows: list[tuple[Any, ...]]) -> tuple[Any, types.DataType]:
    """The aggregate over the rows, by the loop that the planner would write, and its type."""
    expr = bound(text, TestScope(text, COLUMNS))
    assert isinstance(expr, Aggregate)
    emitter = compiler.SourceEmitter()
    fused = aggregates.accumulator(expr, emitter)
    slots = [f"a[{i}]" for i in range(len(fused.initial))]
    lines = ["def run(rows, p=(), cx=None):", f" a = [{', '.join(fused.initial)}]", " for r1 in rows:"]
    lines += [f"  {line}" for line in fused.step(slots)]
    lines.append(f" return {fused.final(slots)}")
    scope = dict(emitter.names)
    exec("\n".join(lines), scope)
    return scope["run"](rows), expr.datatype  # type: ignore[operator]


CASES: list[tuple[str, Any, types.DataType, Any]] = [
    ("count(*)", 4, types.BIGINT, 0),
    ("count(i)", 3, types.BIGINT, 0),
    ("count(distinct i)", 2, types.BIGINT, 0),
    ("count(*) filter (where k > 2)", 2, types.BIGINT, 0),
    ("sum(i)", 7, types.BIGINT, None),
    ("sum(distinct i)", 4, types.BIGINT, None),
    ("sum(i) filter (where s = 'zz')", None, types.BIGINT, None),
    ("sum(k)", Decimal(10), types.NUMERIC, None),
    ("sum(n)", Decimal("5.25"), types.NUMERIC, None),
    ("sum(k * 2 + 1)", Decimal(24), types.NUMERIC, None),
    ("sum(v)", Interval(1, 1, 5), types.INTERVAL, None),
    ("avg(i)", Decimal("2.3333333333333333"), types.NUMERIC, None),
    ("avg(n)", Decimal("1.7500000000000000"), types.NUMERIC, None),
    ("avg(k::float8)", 2.5, types.DOUBLE, None),
    ("min(i)", 1, types.INTEGER, None),
    ("max(i)", 3, types.INTEGER, None),
    ("min(s)", "a", types.TEXT, None),
    ("max(s)", "c", types.TEXT, None),
    ("min(f)", -1.0, types.DOUBLE, None),
    ("max(v)", Interval(1, 0, 0), types.INTERVAL, None),
    ("bool_and(b)", False, types.BOOLEAN, None),
    ("every(k > 0)", True, types.BOOLEAN, None),
    ("bool_or(b)", True, types.BOOLEAN, None),
    ("bit_or(i)", 3, types.INTEGER, None),
    ("bit_and(i)", 1, types.INTEGER, None),
    ("bit_xor(i)", 1, types.INTEGER, None),
    ("any_value(s)", "c", types.TEXT, None),
    ("string_agg(s, ',')", "c,a,b", types.TEXT, None),
    ("string_agg(s, ',' order by s)", "a,b,c", types.TEXT, None),
    ("string_agg(s, ',' order by k desc)", "b,a,c", types.TEXT, None),
    ("string_agg(distinct s, '-' order by s)", "a-b-c", types.TEXT, None),
    ("string_agg(s, null)", "cab", types.TEXT, None),
    ("json_agg(i)", "[3, null, 1, 3]", types.JSON, None),
    ("json_agg(s order by k desc)", '["b", "a", null, "c"]', types.JSON, None),
    ("json_object_agg(k, s)", '{ "1" : "c", "2" : null, "3" : "a", "4" : "b" }', types.JSON, None),
    ("var_pop(k)", Decimal("1.2500000000000000"), types.NUMERIC, None),
    ("variance(k)", Decimal("1.6666666666666667"), types.NUMERIC, None),
    ("stddev(k)", Decimal("1.2909944487358056"), types.NUMERIC, None),
    ("stddev_pop(k::float8)", math.sqrt(1.25), types.DOUBLE, None),
    ("corr(k, k * 2)", 1.0, types.DOUBLE, None),
    ("covar_samp(k, k)", 5 / 3, types.DOUBLE, None),
    ("regr_slope(k * 3 + 1, k)", 3.0, types.DOUBLE, None),
    ("regr_count(i, k)", 3, types.BIGINT, 0),
    ("percentile_cont(0.5) within group (order by k)", 2.5, types.DOUBLE, None),
    ("percentile_cont(0.25) within group (order by i desc)", 3.0, types.DOUBLE, None),
    ("percentile_disc(0.5) within group (order by s)", "b", types.TEXT, None),
    ("mode() within group (order by i)", 3, types.INTEGER, None),
]


@pytest.mark.parametrize(("text", "wanted", "datatype", "empty"), CASES, ids=[case[0] for case in CASES])
def test_aggregates(text: str, wanted: Any, datatype: types.DataType, empty: Any) -> None:
    """Value and type over four rows with NULLs, and the value over none."""
    got, found = run(text, ROWS)
    assert got == (pytest.approx(wanted) if isinstance(wanted, float) else wanted)
    assert type(got) is type(wanted)
    if isinstance(wanted, Decimal):
        assert str(got) == str(wanted)
    assert found == datatype
    assert run(text, [])[0] == empty


def test_nan_is_the_largest_number() -> None:
    """max meets NaN wherever it stands; min gives it only if there is nothing else."""
    for order in (ROWS, ROWS[::-1]):
        assert math.isnan(run("max(f)", order)[0])
        assert run("min(f)", order)[0] == -1.0
    assert math.isnan(run("min(f)", [ROWS[2]])[0])


def test_the_sum_of_a_not_null_column_is_one_statement() -> None:
    """The hot aggregates make no calls in the loop."""
    for text, wanted in [
        ("sum(k)", ["a[0] += r1[6]"]),
        ("count(*)", ["a[0] += 1"]),
        ("avg(k)", ["a[0] += r1[6]", "a[1] += 1"]),
        ("max(k)", ["if r1[6] > a[0]: a[0] = r1[6]"]),
    ]:
        expr = bound(text, TestScope(text, COLUMNS))
        assert isinstance(expr, Aggregate)
        assert aggregates.accumulator(expr, compiler.SourceEmitter()).step(["a[0]", "a[1]"]) == wanted


def test_compute_gives_the_same_over_lists() -> None:
    """`compute` is the same function over argument tuples."""
    for text, values, wanted in [
        ("sum(i)", [(1,), (None,), (2,)], 3),
        ("count(*)", [(), ()], 2),
        ("max(s)", [("a",), ("b",)], "b"),
        ("avg(i)", [], None),
    ]:
        expr = bound(text, TestScope(text, COLUMNS))
        assert isinstance(expr, Aggregate)
        assert expr.function.compute(values) == wanted


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("sum(s)", errors.UndefinedFunction),
        ("sum()", errors.UndefinedFunction),
        ("sum(*)", errors.UndefinedFunction),
        ("mode(i)", errors.WrongObjectType),
        ("sum(i) within group (order by i)", errors.WrongObjectType),
        ("count(distinct '1'::json)", errors.UndefinedFunction),
        ("string_agg(distinct s, ',' order by k)", errors.SQLSyntaxError),
        ("sum(sum(i))", errors.GroupingError),
    ],
)
def test_wrong_aggregate_calls(text: str, error: type[errors.Error]) -> None:
    """A wrong argument or clause is an error with a place."""
    with pytest.raises(error) as caught:
        bound(text, TestScope(text, COLUMNS))
    assert caught.value.position is not None


def test_sum_beyond_bigint_and_percentile_out_of_range() -> None:
    """Errors at the end of the loop are ours."""
    with pytest.raises(errors.NumericValueOutOfRange):
        run("sum(i)", [(0, 2**62)] * 2)
    with pytest.raises(errors.InvalidParameterValue):
        run("percentile_cont(1.5) within group (order by k)", ROWS)


def test_aggregates_only_where_the_scope_allows_them() -> None:
    """The clause stands in the message."""
    scope = TestScope("sum(i)", COLUMNS)
    scope.allow_aggregates, scope.clause = False, "WHERE"
    with pytest.raises(errors.GroupingError, match="not allowed in WHERE"):
        bound("sum(i)", scope)
