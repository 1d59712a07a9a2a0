"""Texts and values: what a value prints as reads back as that value, for every type; and limits of expressions."""

from __future__ import annotations

import datetime
import math
import random
import sqlite3
from typing import Any

import pytest
from expression_harness import CONTEXT, TestScope, bound, function_of
from hypothesis import given, settings
from hypothesis import strategies as st

from eventdb import errors
from eventdb.model import datatype as types
from eventdb.model.datatype import DataType
from eventdb.model.value import Interval
from eventdb.sql.expressions import casts, compiler, operators, registry, values
from eventdb.sql.expressions.arithmetic import plain

UTC = datetime.UTC
_SMALL = st.integers(-(10**4), 10**4)
ROUND_TRIPS: list[tuple[DataType, st.SearchStrategy[Any]]] = [
    (types.BOOLEAN, st.booleans()),
    (types.SMALLINT, st.integers(-(2**15), 2**15 - 1)),
    (types.INTEGER, st.integers(-(2**31), 2**31 - 1)),
    (types.BIGINT, st.integers(-(2**63), 2**63 - 1)),
    (types.NUMERIC, st.decimals(allow_nan=False, allow_infinity=False, places=6).map(plain)),
    (types.DOUBLE, st.floats().map(lambda v: math.nan if v != v else v)),
    (types.REAL, st.floats(width=32).map(lambda v: math.nan if v != v else v)),
    (types.TEXT, st.text()),
    (types.BYTEA, st.binary()),
    (types.DATE, st.dates()),
    (types.TIME, st.times()),
    (types.TIMESTAMP, st.datetimes()),
    (types.TIMESTAMPTZ, st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(9998, 1, 1), timezones=st.just(UTC))),
    (types.INTERVAL, st.builds(Interval, _SMALL, _SMALL, st.integers(-(10**13), 10**13))),
    (types.UUID, st.uuids()),
]


@pytest.mark.parametrize(("datatype", "strategy"), ROUND_TRIPS, ids=[str(pair[0]) for pair in ROUND_TRIPS])
@pytest.mark.parametrize("zone", [UTC, CONTEXT.timezone], ids=["utc", "berlin"])
def test_what_a_value_prints_as_reads_back(datatype: DataType, strategy: st.SearchStrategy[Any], zone: datetime.tzinfo) -> None:
    """parse(render(v)) is v, in two time zones."""

    @settings(max_examples=60, deadline=None)
    @given(strategy)
    def check(value: Any) -> None:
        back = values.parse(values.render(value, datatype, zone), datatype, zone)
        assert back == value or (back != back and value != value)
        assert type(back) is datatype.python
        if isinstance(value, Interval):
            assert (back.months, back.whole_days, back.time_us) == (value.months, value.whole_days, value.time_us)

    check()


# Both columns small so that nothing overflows; names are all that a generated expression needs to know.
_COLUMNS = {"a": (types.INTEGER, True), "b": (types.INTEGER, True), "s": (types.TEXT, True)}


def _generated(rng: random.Random, depth: int, kind: str) -> str:
    """A random expression whose meaning PostgreSQL and SQLite share."""

    def number() -> str:
        return _generated(rng, depth - 1, "number")

    def truth() -> str:
        return _generated(rng, depth - 1, "truth")

    if kind == "number":
        if depth <= 0:
            return rng.choice(["a", "b", str(rng.randint(0, 9)), "length(s)"])
        return rng.choice(
            [
                lambda: f"({number()} {rng.choice('+-*')} {number()})",
                lambda: f"(- {number()})",
                lambda: f"({number()} / {rng.randint(1, 5)})",
                lambda: f"({number()} % {rng.randint(1, 5)})",
                lambda: f"abs({number()})",
                lambda: f"coalesce({number()}, {number()})",
                lambda: f"nullif({number()}, {number()})",
                lambda: f"case when {truth()} then {number()} else {number()} end",
                lambda: f"case {number()} when {number()} then {number()} when 1 then {number()} end",
            ]
        )()
    if depth <= 0:
        return rng.choice(["a = b", "a < b", "s like 'a%'", "a is null", "s = 'ab'", "b in (1, 2, null)", "s is not null"])
    return rng.choice(
        [
            lambda: f"({truth()} and {truth()})",
            lambda: f"({truth()} or {truth()})",
            lambda: f"(not {truth()})",
            lambda: f"({number()} {rng.choice(['=', '<>', '<', '<=', '>', '>='])} {number()})",
            lambda: f"({number()} between {number()} and {number()})",
            lambda: f"({number()} not in ({number()}, {number()}))",
            lambda: f"({number()} is not distinct from {number()})",
            lambda: f"(({number()}, {number()}) < ({number()}, {number()}))",
            lambda: f"({truth()} is not true)",
            lambda: f"(upper(s) || 'x' like '%{rng.choice('ABX')}%')",
            lambda: f"(substr(s, 1, 2) >= '{rng.choice(['a', 'ab', 'b'])}')",
        ]
    )()


def test_expressions_agree_with_sqlite() -> None:
    """Hundreds of random expressions over rows with NULLs give what sqlite3 gives, in all three modes."""
    rng = random.Random(20240506)
    domains = ([None, -7, -1, 0, 1, 2, 9], [None, 0, 1, 2, 5], [None, "", "a", "ab", "bA"])
    rows = [tuple(map(rng.choice, domains)) for _ in range(12)]
    database = sqlite3.connect(":memory:")
    database.execute("create table t(a, b, s)")
    database.executemany("insert into t values (?, ?, ?)", rows)
    database.execute("pragma case_sensitive_like = on")
    compared = 0
    for _ in range(500):
        text = _generated(rng, 3, rng.choice(["truth", "number"]))
        expr = bound(text, TestScope(text, _COLUMNS))
        runs = []
        for mode in (compiler.value, compiler.condition, compiler.negation):
            emitter = compiler.SourceEmitter()
            runs.append(function_of(mode(expr, emitter), emitter))
        try:
            got = [runs[0]((0, *row)) for row in rows]
        except errors.NumericValueOutOfRange:
            continue
        wanted = [row[0] for row in database.execute(f"select {text} from t order by rowid")]
        assert got == wanted, text
        if expr.datatype == types.BOOLEAN:
            assert [bool(runs[1]((0, *row))) for row in rows] == [value == 1 for value in wanted], text
            assert [bool(runs[2]((0, *row))) for row in rows] == [value == 0 for value in wanted], text
        compared += 1
    database.close()
    assert compared > 400


def test_long_chains_of_and_or_and_concatenation_compile() -> None:
    """What is flat in meaning is flat in code."""
    for text in (" or ".join(["a = 1"] * 3000), " and ".join(["a > b"] * 3000), " || ".join(["s"] * 1500)):
        expr = bound(text, TestScope(text, _COLUMNS))
        emitter = compiler.SourceEmitter()
        function_of(compiler.value(expr, emitter), emitter)((0, 1, 0, "x"))


def test_expressions_nested_too_deeply_are_refused() -> None:
    """Python's own limits come out as StatementTooComplex, never as RecursionError or SyntaxError."""

    def build(text: str) -> None:
        emitter = compiler.SourceEmitter()
        function_of(compiler.value(bound(text, TestScope(text, _COLUMNS)), emitter), emitter)

    for text in (" + ".join(["a"] * 3000), "abs(" * 300 + "a" + ")" * 300):
        with pytest.raises(errors.StatementTooComplex):
            build(text)


def test_a_name_in_generated_code_means_one_thing() -> None:
    """No two functions, operators or casts use one global name for different objects."""
    seen: dict[str, Any] = {}
    functions = [f for name in registry.names() for f in registry.overloads(name)]
    functions += [f for overloads in operators._TABLE.values() for f in overloads]
    pairs = [pair for f in functions for pair in f.globals] + [pair for cast in casts._CASTS.values() for pair in cast.globals]
    assert len(pairs) > 200
    for name, item in pairs:
        assert seen.setdefault(name, item) is item, name


def test_errors_name_their_place() -> None:
    """An error of binding points into the statement."""
    text = "a + upper(5)"
    with pytest.raises(errors.UndefinedFunction) as caught:
        bound(text, TestScope(text, _COLUMNS))
    assert str(caught.value).endswith("LINE 1: a + upper(5)\n            ^")
