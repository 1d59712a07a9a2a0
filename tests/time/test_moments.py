"""Every form a moment can have in AS OF: it answers with the past that it means, or raises; it never answers with the present."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

import eventdb
from eventdb import errors

UTC = datetime.UTC
INDIA = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
Given = Callable[[dict[int, datetime.datetime]], Any]


@pytest.fixture(scope="module")
def times() -> dict[int, datetime.datetime]:
    return {}


@pytest.fixture(scope="module")
def connection(times: dict[int, datetime.datetime]) -> Iterator[eventdb.Connection]:
    """Transaction n from 4 on leaves the value n in the one row of t; m knows some positions; the past of `trimmed` begins at 5."""
    connection = eventdb.connect(":memory:", autocommit=True)
    connection.executescript(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); CREATE TABLE m (k INTEGER, at TIMESTAMP WITH TIME ZONE, tx BIGINT);"
        " CREATE VIEW v AS SELECT n FROM t; INSERT INTO t VALUES (1, 4)"
    )
    for n in range(5, 10):
        connection.execute("UPDATE t SET n = ?", (n,))
    times.update(connection.execute("SELECT number, committed_at FROM eventdb.transactions").fetchall())
    for k in (5, 7):
        connection.execute("INSERT INTO m VALUES (?, ?, ?)", (k, times[k], k))
    yield connection
    connection.close()


ANSWERED: list[tuple[str, Given, int]] = [
    ("TRANSACTION 6", lambda t: (), 6), ("TRANSACTION ?", lambda t: (6,), 6), ("TRANSACTION ?", lambda t: (Decimal(6),), 6),
    ("TRANSACTION ?", lambda t: (6.0,), 6), ("TRANSACTION ?", lambda t: ("6",), 6), ("TRANSACTION 3 + 3", lambda t: (), 6),
    ("TRANSACTION ? + 1", lambda t: (5,), 6), ("TRANSACTION (SELECT max(tx) FROM m)", lambda t: (), 7),
    ("TRANSACTION (SELECT tx - 1 FROM m WHERE k = ?)", lambda t: (7,), 6),
    ("TRANSACTION (SELECT min(number) + 5 FROM eventdb.transactions)", lambda t: (), 6),
    ("?", lambda t: (t[6],), 6), ("?", lambda t: (t[6] - datetime.timedelta(microseconds=1),), 5),
    ("?", lambda t: (t[6].replace(tzinfo=None),), 6), ("?", lambda t: (t[6].astimezone(INDIA),), 6),
    ("?", lambda t: (t[6].isoformat(),), 6), ("?", lambda t: (t[6].astimezone(INDIA).isoformat(),), 6),
    ("?", lambda t: (str(t[6].replace(tzinfo=None)),), 6), ("?::timestamptz", lambda t: (t[6],), 6),
    ("CAST(? AS TIMESTAMP)", lambda t: (t[6].replace(tzinfo=None),), 6), ("greatest(?, ?)", lambda t: (t[5], t[6]), 6),
    ("coalesce(NULL, ?)", lambda t: (t[6],), 6), ("? - INTERVAL '0.000001 seconds'", lambda t: (t[6],), 5),
    ("? - ?::interval", lambda t: (t[6], datetime.timedelta(microseconds=1)), 5),
    ("(SELECT at FROM m WHERE k = 5)", lambda t: (), 5), ("(SELECT at - INTERVAL '0.000001 s' FROM m WHERE k = ?)", lambda t: (7,), 6),
    ("(SELECT committed_at FROM eventdb.transactions WHERE number = 6)", lambda t: (), 6),
    ("now()", lambda t: (), 9), ("now() - INTERVAL '0 seconds'", lambda t: (), 9), ("localtimestamp", lambda t: (), 9),
    ("clock_timestamp()", lambda t: (), 9),
]  # fmt: skip
REFUSED: list[tuple[str, tuple[Any, ...], type[eventdb.Error]]] = [
    ("NULL", (), errors.InvalidParameterValue), ("?", (None,), errors.InvalidParameterValue),
    ("TRANSACTION NULL", (), errors.InvalidParameterValue), ("TRANSACTION ?", (None,), errors.InvalidParameterValue),
    ("(SELECT at FROM m WHERE FALSE)", (), errors.InvalidParameterValue),
    ("TRANSACTION (SELECT tx FROM m WHERE FALSE)", (), errors.InvalidParameterValue),
    ("(SELECT at FROM m)", (), errors.CardinalityViolation), ("TRANSACTION (SELECT tx FROM m)", (), errors.CardinalityViolation),
    ("TRANSACTION -1", (), errors.InvalidParameterValue), ("TRANSACTION 99", (), errors.InvalidParameterValue),
    ("TRANSACTION ?", (99,), errors.InvalidParameterValue), ("TRANSACTION ?", (10**30,), eventdb.Error),
    ("TRANSACTION 4.0", (), errors.DatatypeMismatch), ("TRANSACTION ?", (4.5,), errors.DatatypeMismatch),
    ("TRANSACTION ?", (True,), errors.DatatypeMismatch), ("TRANSACTION ?", ("x",), eventdb.DataError),
    ("TRANSACTION ?", (datetime.datetime(2020, 1, 1),), errors.DatatypeMismatch), ("6", (), errors.DatatypeMismatch),
    ("?", (6,), errors.DatatypeMismatch), ("TRUE", (), errors.DatatypeMismatch), ("?", (b"x",), errors.DatatypeMismatch),
    ("?", (datetime.time(1),), errors.DatatypeMismatch), ("?", (datetime.timedelta(1),), errors.DatatypeMismatch),
    ("TIME '10:00'", (), errors.DatatypeMismatch), ("INTERVAL '1 day'", (), errors.DatatypeMismatch),
    ("'rubbish'", (), eventdb.DataError), ("?", ("rubbish",), eventdb.DataError), ("''", (), eventdb.DataError),
    ("?", ("",), eventdb.DataError),
    ("'2020-13-01'", (), eventdb.DataError), ("'infinity'", (), eventdb.NotSupportedError), ("1 / 0", (), eventdb.Error),
    ("TRANSACTION 1 / 0", (), errors.DivisionByZero), ("id", (), errors.UndefinedColumn), ("t.n", (), eventdb.ProgrammingError),
    ("TRANSACTION count(*)", (), errors.GroupingError), ("now() + INTERVAL '1 hour'", (), errors.InvalidParameterValue),
    ("'9999-12-31'", (), errors.InvalidParameterValue), ("?", (datetime.datetime.max,), errors.InvalidParameterValue),
    ("?", (datetime.datetime.max.replace(tzinfo=UTC),), errors.InvalidParameterValue),
    ("?", (datetime.date(2999, 1, 1),), errors.InvalidParameterValue),
    ("now() - INTERVAL '1 hour'", (), errors.UndefinedTable), ("now() - CAST(? AS INTERVAL)", ("1 hour",), errors.UndefinedTable),
    ("'2020-01-01'", (), errors.UndefinedTable), ("DATE '2020-01-01'", (), errors.UndefinedTable),
    ("TRANSACTION 0", (), errors.UndefinedTable),
    ("?", (datetime.datetime.min,), errors.UndefinedTable), ("?", (datetime.datetime.min.replace(tzinfo=UTC),), errors.UndefinedTable),
    ("?", (datetime.date(2020, 1, 1),), errors.UndefinedTable),
]  # fmt: skip
READS = (
    "SELECT n FROM t FOR SYSTEM_TIME AS OF {}",
    "SELECT n FROM v FOR SYSTEM_TIME AS OF {}",
    "SELECT x.n FROM t, t FOR SYSTEM_TIME AS OF {} AS x",
)


@pytest.mark.parametrize(("moment", "given", "n"), ANSWERED)
def test_answered(connection: eventdb.Connection, times: dict[int, datetime.datetime], moment: str, given: Given, n: int) -> None:
    """By a table, a view, beside the present; twice, for the second time takes what was prepared; in a transaction; a session."""
    parameters = given(times)
    for _ in range(2):
        for query in READS:
            assert connection.execute(query.format(moment), parameters).fetchall() == [(n,)]
    connection.execute(f"BEGIN READ ONLY AS OF {moment}", parameters)
    assert connection.execute("SELECT n FROM t").fetchall() == [(n,)]
    connection.execute("COMMIT")
    connection.execute(f"SET SYSTEM_TIME AS OF {moment}", parameters)
    assert connection.execute("SELECT n FROM v").fetchall() == [(n,)]
    connection.execute("SET SYSTEM_TIME DEFAULT")


@pytest.mark.parametrize(("moment", "parameters", "error"), REFUSED)
def test_refused(connection: eventdb.Connection, moment: str, parameters: tuple[Any, ...], error: type[eventdb.Error]) -> None:
    for query in READS:
        for _ in range(2):
            with pytest.raises(error) as caught:
                connection.execute(query.format(moment), parameters).fetchall()
            assert not isinstance(caught.value, errors.InternalError)
    if error is not errors.UndefinedTable:  # a transaction may begin where there are no tables yet
        for statement in ("BEGIN READ ONLY AS OF {}", "SET SYSTEM_TIME AS OF {}"):
            with pytest.raises(eventdb.Error) as caught:
                connection.execute(statement.format(moment), parameters)
            assert not isinstance(caught.value, errors.InternalError)
    assert not connection.in_transaction
    assert connection.execute("SELECT n FROM t").fetchall() == [(9,)], "the session is where it was"


def test_a_moment_is_computed_for_each_run() -> None:
    """Prepared statements, and views, whose moments depend on the time, the log or a table."""
    connection = eventdb.connect(":memory:", autocommit=True)
    connection.executescript("CREATE TABLE t (n INTEGER); CREATE TABLE p (tx BIGINT); INSERT INTO t VALUES (0); INSERT INTO p VALUES (3)")
    connection.execute("CREATE VIEW late AS SELECT n FROM t FOR SYSTEM_TIME AS OF now()")
    connection.execute("CREATE VIEW noted AS SELECT n FROM t FOR SYSTEM_TIME AS OF TRANSACTION (SELECT max(tx) FROM p)")
    before = "SELECT n FROM t FOR SYSTEM_TIME AS OF TRANSACTION (SELECT max(number) - ? FROM eventdb.transactions)"
    seen: list[int] = [0] * connection.head
    for n in range(1, 20):
        connection.execute("UPDATE t SET n = ?", (n,))
        seen.append(n)
        for back in (0, 1, 2):
            assert connection.execute(before, (back,)).fetchall() == [(seen[-1 - back],)]
        assert connection.execute("SELECT n FROM late").fetchall() == [(n,)]
        connection.execute("UPDATE p SET tx = ?", (connection.head,))
        seen.append(n)
        assert connection.execute("SELECT n FROM noted").fetchall() == [(n,)]
        assert connection.execute("SELECT a.n, b.n FROM late AS a, t FOR SYSTEM_TIME AS OF TRANSACTION ? AS b", (3,)).fetchall() == [(n, 0)]
    connection.close()


def test_before_the_horizon() -> None:
    """Every way to a moment whose past was trimmed is an error, and the first moment after it answers."""
    connection = eventdb.connect(":memory:", autocommit=True)
    connection.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO t VALUES (1, 2)")
    for n in range(3, 9):
        connection.execute("UPDATE t SET n = ?", (n,))
    connection.execute("CREATE VIEW v AS SELECT n FROM t")
    at = dict(connection.execute("SELECT number, committed_at FROM eventdb.transactions").fetchall())
    connection.execute("DELETE HISTORY FROM t BEFORE TRANSACTION 6")
    forms: list[tuple[str, Callable[[int], Any]]] = [
        ("TRANSACTION ?", lambda n: n), ("?", lambda n: at[n]), ("?", lambda n: at[n].isoformat()),
        ("TRANSACTION (SELECT ?::bigint)", lambda n: n), ("(SELECT committed_at FROM eventdb.transactions WHERE number = ?)", lambda n: n),
    ]  # fmt: skip
    for moment, given in forms:
        query = f"SELECT n FROM t FOR SYSTEM_TIME AS OF {moment}"
        for n in (2, 4, 5):
            for condition in ("", " WHERE id = 1", " WHERE n > 0 ORDER BY n LIMIT 1"):
                with pytest.raises(errors.SnapshotTooOld):
                    connection.execute(query + condition, (given(n),)).fetchall()
        for n in (6, 7, 8):
            assert connection.execute(query, (given(n),)).fetchall() == [(n,)]
    assert connection.execute("SELECT n FROM v FOR SYSTEM_TIME AS OF TRANSACTION 9").fetchall() == [(8,)]
    connection.close()
