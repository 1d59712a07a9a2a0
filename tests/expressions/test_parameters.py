"""Python values as SQL values: inference, adaptation one by one and in bulk."""

from __future__ import annotations

import datetime
import math
import uuid
from decimal import Decimal
from typing import Any

import pytest
from expression_harness import TestScope, bound
from hypothesis import given, settings
from hypothesis import strategies as st

from eventdb import errors
from eventdb.model import datatype as types
from eventdb.model.datatype import DataType, Kind
from eventdb.model.value import Interval
from eventdb.sql.expressions import parameters

UTC = datetime.UTC
BERLIN = datetime.timezone(datetime.timedelta(hours=2))


class Text(str):
    pass


class Scalar:
    """What numpy's scalars look like."""

    ndim = 0

    def __init__(self, value: Any) -> None:
        self.value = value

    def item(self) -> Any:
        return self.value


@pytest.mark.parametrize(
    ("value", "datatype"),
    [
        (None, types.NULL), (True, types.BOOLEAN), (1, types.INTEGER), (2**31, types.BIGINT), (2**63, types.NUMERIC), (1.5, types.DOUBLE),
        (Decimal("1.5"), types.NUMERIC), ("x", types.TEXT), (Text("x"), types.TEXT), (b"x", types.BYTEA), (bytearray(b"x"), types.BYTEA),
        (memoryview(b"x"), types.BYTEA), (datetime.date(2024, 1, 1), types.DATE), (datetime.datetime(2024, 1, 1), types.TIMESTAMP),
        (datetime.datetime(2024, 1, 1, tzinfo=UTC), types.TIMESTAMPTZ), (datetime.time(1), types.TIME),
        (datetime.time(1, tzinfo=UTC), types.TIMETZ),
        (datetime.timedelta(1), types.INTERVAL), (uuid.UUID(int=1), types.UUID), ({}, types.JSON), ([], types.JSON),
        (Scalar(5), types.INTEGER),
        (Scalar("x"), types.TEXT),
    ],
)  # fmt: skip
def test_types_are_inferred_from_values(value: Any, datatype: DataType) -> None:
    """Each Python class has its SQL type."""
    assert parameters.infer(value) == datatype


def test_a_value_without_sql_type_is_refused() -> None:
    """An unknown class is an error that names it."""
    with pytest.raises(errors.DatatypeMismatch, match="object"):
        parameters.infer(object())


VARCHAR3, CHAR3, MONEY = DataType(Kind.VARCHAR, length=3), DataType(Kind.CHAR, length=3), DataType(Kind.NUMERIC, precision=5, scale=2)


@pytest.mark.parametrize(
    ("value", "datatype", "wanted"),
    [
        (1.0, types.INTEGER, 1), ("12", types.INTEGER, 12), (Decimal("3"), types.BIGINT, 3), (1, types.NUMERIC, Decimal(1)),
        (0.1, types.NUMERIC, Decimal("0.1")), (Decimal("1E+3"), types.NUMERIC, Decimal("1000")), (Decimal("1.005"), MONEY, Decimal("1.01")),
        (1, types.DOUBLE, 1.0), (0.1, types.REAL, 0.10000000149011612), (1, types.BOOLEAN, True), ("yes", types.BOOLEAN, True),
        (Text("abc"), types.TEXT, "abc"), ("abc  ", VARCHAR3, "abc"), ("a", CHAR3, "a"), ("a  ", CHAR3, "a"),
        ("2024-01-02", types.DATE, datetime.date(2024, 1, 2)), (datetime.datetime(2024, 1, 2), types.DATE, datetime.date(2024, 1, 2)),
        (datetime.date(2024, 1, 2), types.TIMESTAMP, datetime.datetime(2024, 1, 2)),
        (datetime.datetime(2024, 1, 2, 12, tzinfo=BERLIN), types.TIMESTAMPTZ, datetime.datetime(2024, 1, 2, 10, tzinfo=UTC)),
        (datetime.timedelta(days=1, seconds=5), types.INTERVAL, Interval(0, 1, 5_000_000)), ({"a": 1}, types.JSON, '{"a": 1}'),
        ("[1]", types.JSON, "[1]"), (uuid.UUID(int=5), types.UUID, uuid.UUID(int=5)), (str(uuid.UUID(int=5)), types.UUID, uuid.UUID(int=5)),
        (bytearray(b"x"), types.BYTEA, b"x"), (None, types.INTEGER, None), (Scalar(3), types.INTEGER, 3),
    ],
)  # fmt: skip
def test_values_are_adapted_to_a_type(value: Any, datatype: DataType, wanted: Any) -> None:
    """What fits without loss is converted, to exactly the internal class."""
    got = parameters.adapt(value, datatype)
    assert got == wanted
    assert type(got) is type(wanted)
    assert parameters.adapt_rows([(value,)], [datatype]) == [(wanted,)]


@pytest.mark.parametrize(
    ("value", "datatype", "error"),
    [
        (1.5, types.INTEGER, errors.DatatypeMismatch), ("x", types.INTEGER, errors.InvalidTextRepresentation),
        (2**31, types.INTEGER, errors.NumericValueOutOfRange),
        (40000, types.SMALLINT, errors.NumericValueOutOfRange), (True, types.INTEGER, errors.DatatypeMismatch),
        (b"x", types.INTEGER, errors.DatatypeMismatch),
        (math.nan, types.INTEGER, errors.DatatypeMismatch), (math.inf, types.NUMERIC, errors.NumericValueOutOfRange),
        (Decimal("1000"), MONEY, errors.NumericValueOutOfRange), (Decimal("1e999999"), types.NUMERIC, errors.NumericValueOutOfRange),
        (10**400, types.DOUBLE, errors.NumericValueOutOfRange), (1e39, types.REAL, errors.NumericValueOutOfRange),
        (5, types.TEXT, errors.DatatypeMismatch),
        ("abcd", VARCHAR3, errors.StringDataRightTruncation), ("abcd", CHAR3, errors.StringDataRightTruncation),
        ("\ud800", types.TEXT, errors.InvalidTextRepresentation),
        (2, types.BOOLEAN, errors.DatatypeMismatch), ("x", types.DATE, errors.InvalidDatetimeFormat),
        ("2024-02-30", types.DATE, errors.DatetimeFieldOverflow),
        (datetime.datetime(2024, 1, 1, 5), types.DATE, errors.DatatypeMismatch),
        (datetime.datetime(2024, 1, 1, tzinfo=UTC), types.TIMESTAMP, errors.DatatypeMismatch),
        (5, types.TIMESTAMP, errors.DatatypeMismatch), (5, types.INTERVAL, errors.DatatypeMismatch),
        ("{", types.JSON, errors.InvalidTextRepresentation),
        ({"a": object()}, types.JSON, errors.InvalidTextRepresentation), ({"a": math.nan}, types.JSON, errors.InvalidTextRepresentation),
        ("nope", types.UUID, errors.InvalidTextRepresentation), (5, types.UUID, errors.DatatypeMismatch),
        (object(), types.TEXT, errors.DatatypeMismatch),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(value: Any, datatype: DataType, error: type[errors.Error]) -> None:
    """The wrong class, text or size is a clear error; in bulk it names row and parameter."""
    with pytest.raises(error):
        parameters.adapt(value, datatype)
    with pytest.raises(error) as caught:
        parameters.adapt_rows([(None, 1), (value, 1)], [datatype, types.INTEGER])
    assert "Row 2, parameter 1" in str(caught.value.detail)


def test_rows_of_the_wrong_length_are_refused() -> None:
    """The message names the row and both lengths."""
    with pytest.raises(errors.WrongParameterCount, match="row 2 has 1 values; the statement has 2"):
        parameters.adapt_rows([(1, 2), (1,)], [types.INTEGER, types.INTEGER])
    with pytest.raises(errors.WrongParameterCount, match="row 1"):
        parameters.adapt_rows(["ab"], [types.INTEGER, types.INTEGER])
    assert parameters.adapt_rows([], [types.INTEGER]) == []
    assert parameters.adapt_rows([[1], (2,)], [types.INTEGER]) == [(1,), (2,)]


_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.decimals(), st.text(max_size=5), st.binary(max_size=4),
    st.dates(),
    st.datetimes(), st.datetimes(timezones=st.just(UTC)), st.times(), st.timedeltas(), st.uuids(),
)  # fmt: skip
_TYPES = st.sampled_from([
    types.SMALLINT, types.INTEGER, types.BIGINT, types.NUMERIC, MONEY, types.REAL, types.DOUBLE, types.BOOLEAN, types.TEXT, VARCHAR3,
    CHAR3, types.BYTEA,
    types.DATE, types.TIME, types.TIMESTAMP, types.TIMESTAMPTZ, types.INTERVAL, types.UUID, types.JSON,
    DataType(Kind.TIMESTAMP, precision=0),
])  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(_VALUES, min_size=1, max_size=6), _TYPES)
def test_bulk_and_single_adaptation_agree(column: list[Any], datatype: DataType) -> None:
    """A column gives what its values give one by one, or an error where one does; results have the internal class."""
    try:
        wanted: Any = [parameters.adapt(value, datatype) for value in column]
    except errors.Error as error:
        wanted = type(error)
    try:
        got: Any = [row[0] for row in parameters.adapt_rows([(value,) for value in column], [datatype])]
    except errors.Error as error:
        got = type(error)
    assert repr(got) == repr(wanted)
    if isinstance(got, list):
        assert all(value is None or type(value) is datatype.python for value in got)


def test_untyped_parameters_take_their_type_from_the_context() -> None:
    """Compared with a column, added to one, cast, in a list; where nothing tells, IndeterminateDatatype."""
    columns = {"n": (types.SMALLINT, True), "d": (types.DATE, True), "s": (VARCHAR3, True)}
    for text, wanted in [
        ("n = ?", types.BIGINT), ("? < d", types.DATE), ("s = ?", types.TEXT), ("? || s", types.TEXT),
        ("cast(? as integer)", types.INTEGER),
        ("n in (1, ?)", types.BIGINT), ("d between ? and '2024-01-01'", types.DATE), ("coalesce(?, n)", types.SMALLINT),
        ("upper(?)", types.TEXT),
        ("case when n = 1 then ? else s end", VARCHAR3), ("s like ?", types.TEXT), ("? and true", types.BOOLEAN), ("n + ?", types.SMALLINT),
    ]:  # fmt: skip
        scope = TestScope(text, columns, parameters=1)
        bound(text, scope)
        assert scope.environment.parameter_types == [wanted], text
    for text in ("?", "? is null", "? = ?", "d + ?", "-?", "abs(?)"):
        scope = TestScope(text, columns, parameters=2)
        with pytest.raises(errors.IndeterminateDatatype):
            bound(text, scope)
        scope.environment.parameter_types[:] = [types.INTEGER, types.INTEGER]
        bound(text, scope)
