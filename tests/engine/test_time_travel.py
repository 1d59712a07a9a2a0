"""FOR SYSTEM_TIME: one table, one statement, several moments; version columns; and moments that cannot be answered."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import pytest

import eventdb
from eventdb import errors

UTC = datetime.UTC
END = datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)

# What `past` does; the index of a statement is its transaction number.
LIFE = [
    "",
    "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, n INTEGER)",
    "CREATE INDEX t_a ON t (a)",
    "INSERT INTO t VALUES (1, 'x', 10), (2, 'y', 20)",
    "UPDATE t SET n = 11 WHERE id = 1",
    "DELETE FROM t WHERE id = 2",
    "INSERT INTO t VALUES (3, 'x', 30)",
    "UPDATE t SET a = 'z' WHERE id = 3",
]
SEEN: dict[int, list[tuple[Any, ...]]] = {
    1: [],
    2: [],
    3: [(1, "x", 10), (2, "y", 20)],
    4: [(1, "x", 11), (2, "y", 20)],
    5: [(1, "x", 11)],
    6: [(1, "x", 11), (3, "x", 30)],
    7: [(1, "x", 11), (3, "z", 30)],
}
VERSIONS = [  # id, a, n, row_start_tx, row_end_tx
    (1, "x", 10, 3, 4),
    (1, "x", 11, 4, None),
    (2, "y", 20, 3, 5),
    (3, "x", 30, 6, 7),
    (3, "z", 30, 7, None),
]


@pytest.fixture
def past() -> Iterator[eventdb.Connection]:
    connection = eventdb.connect(":memory:", autocommit=True)
    for statement in LIFE[1:]:
        connection.execute(statement)
    yield connection
    connection.close()


def ask(connection: eventdb.Connection, query: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
    return sorted(connection.execute(query, parameters).fetchall(), key=repr)


def times(connection: eventdb.Connection) -> dict[int, datetime.datetime]:
    return dict(connection.execute("SELECT number, committed_at FROM eventdb.transactions").fetchall())


# moments


@pytest.mark.parametrize("number", SEEN)
def test_a_transaction_number(past: eventdb.Connection, number: int) -> None:
    """As a literal, an expression and a parameter."""
    assert ask(past, f"SELECT * FROM t FOR SYSTEM_TIME AS OF TRANSACTION {number}") == SEEN[number]
    assert ask(past, f"SELECT * FROM t FOR SYSTEM_TIME AS OF TRANSACTION ({number} + 1 - 1)") == SEEN[number]
    assert ask(past, "SELECT * FROM t FOR SYSTEM_TIME AS OF TRANSACTION ?", (number,)) == SEEN[number]
    assert ask(past, "SELECT * FROM t FOR SYSTEM_TIME AS OF TRANSACTION :n", {"n": number}) == SEEN[number]


@pytest.mark.parametrize("number", SEEN)
def test_a_time(past: eventdb.Connection, number: int) -> None:
    """At a commit time the transaction is there, a microsecond before it is not; a datetime with or without a zone, text, arithmetic."""
    moment = times(past)[number]
    berlin = datetime.timezone(datetime.timedelta(hours=1))
    query = "SELECT * FROM t FOR SYSTEM_TIME AS OF ?"
    for given in (moment, moment.astimezone(berlin), moment.replace(tzinfo=None), str(moment), str(moment.astimezone(berlin))):
        assert ask(past, query, (given,)) == SEEN[number], given
    for text in (f"'{moment}'", f"TIMESTAMP WITH TIME ZONE '{moment}'", f"TIMESTAMP '{moment.replace(tzinfo=None)}'"):
        assert ask(past, f"SELECT * FROM t FOR SYSTEM_TIME AS OF {text}") == SEEN[number], text
    assert ask(past, f"SELECT * FROM t FOR SYSTEM_TIME AS OF (SELECT committed_at FROM eventdb.transactions WHERE number = {number})") == (
        SEEN[number]
    )
    if number > 1:
        before = moment - datetime.timedelta(microseconds=1)
        assert ask(past, query, (before,)) == SEEN[number - 1]
        later = f"'{moment + datetime.timedelta(hours=3)}'::timestamptz - INTERVAL '3 hours 1 microsecond'"
        assert ask(past, f"SELECT * FROM t FOR SYSTEM_TIME AS OF {later}") == SEEN[number - 1]


def test_a_time_without_zone_is_the_sessions(past: eventdb.Connection) -> None:
    """SET TIME ZONE changes what a naive datetime and a text without a zone mean."""
    moment = times(past)[4].replace(tzinfo=None)
    past.execute("SET TIME ZONE '+05:00'")
    local = moment + datetime.timedelta(hours=5)
    assert ask(past, "SELECT * FROM t FOR SYSTEM_TIME AS OF ?", (local,)) == SEEN[4]
    assert ask(past, "SELECT * FROM t FOR SYSTEM_TIME AS OF ?", (str(local),)) == SEEN[4]
    assert ask(past, f"SELECT * FROM t FOR SYSTEM_TIME AS OF '{local}'") == SEEN[4]
    with pytest.raises(errors.UndefinedTable):
        ask(past, "SELECT * FROM t FOR SYSTEM_TIME AS OF ?", (moment,))


@pytest.mark.parametrize("moment", ["CURRENT_TIMESTAMP", "now()", "LOCALTIMESTAMP", "CURRENT_TIMESTAMP + INTERVAL '0 seconds'"])
def test_the_present_as_a_moment(past: eventdb.Connection, moment: str) -> None:
    assert ask(past, f"SELECT * FROM t FOR SYSTEM_TIME AS OF {moment}") == SEEN[7]


def test_a_parameter_in_an_expression(past: eventdb.Connection) -> None:
    """`? - INTERVAL` is a time less an interval where a time is given."""
    moment = times(past)[4]
    query = "SELECT * FROM t FOR SYSTEM_TIME AS OF ? - INTERVAL '1 microsecond'"
    for given in (moment, moment.replace(tzinfo=None)):
        assert ask(past, query, (given,)) == SEEN[3]
    with pytest.raises(errors.DatatypeMismatch):
        past.execute(query, (datetime.timedelta(1),))


def test_a_moment_is_computed_at_each_execution(past: eventdb.Connection) -> None:
    """A prepared statement does not keep the moment of its first run."""
    query = "SELECT count(*) FROM t FOR SYSTEM_TIME AS OF CURRENT_TIMESTAMP"
    for expected in (2, 3, 4):
        assert ask(past, query) == [(expected,)]
        past.execute("INSERT INTO t VALUES (?, 'new', 0)", (10 + expected,))


# versions


def among(first: int, last: int) -> list[tuple[Any, ...]]:
    """Versions alive at some number in [first, last]."""
    return [v for v in VERSIONS if v[3] <= last and (v[4] is None or v[4] > first)]


SHOWN = "SELECT *, row_start_tx, row_end_tx FROM t FOR SYSTEM_TIME"


def test_all_versions(past: eventdb.Connection) -> None:
    assert ask(past, f"{SHOWN} ALL") == sorted(VERSIONS, key=repr)


@pytest.mark.parametrize("first", range(1, 8))
@pytest.mark.parametrize("last", range(1, 8))
def test_ranges(past: eventdb.Connection, first: int, last: int) -> None:
    """FROM a TO b: row_start < b AND row_end > a. BETWEEN a AND b: row_start <= b AND row_end > a. By number and by time."""
    at = times(past)
    between, until = sorted(among(first, last), key=repr), sorted(among(first, last - 1), key=repr)
    assert ask(past, f"{SHOWN} BETWEEN TRANSACTION {first} AND TRANSACTION {last}") == between
    assert ask(past, f"{SHOWN} BETWEEN ? AND ?", (at[first], at[last])) == between
    assert ask(past, f"{SHOWN} BETWEEN TRANSACTION ? AND ?", (first, at[last])) == between
    if last > 1:
        assert ask(past, f"{SHOWN} FROM TRANSACTION {first} TO TRANSACTION {last}") == until
        assert ask(past, f"{SHOWN} FROM ? TO ?", (at[first], at[last])) == until
        assert ask(past, f"{SHOWN} FROM ? TO TRANSACTION ?", (at[first], last)) == until


def test_version_columns(past: eventdb.Connection) -> None:
    """row_start and row_end are the commit times of row_start_tx and row_end_tx; an open version ends at the end of time."""
    at = times(past)
    query = "SELECT id, row_start_tx, row_end_tx, row_start, row_end FROM t FOR SYSTEM_TIME ALL"
    for _id, start, end, start_time, end_time in past.execute(query):
        assert start_time == at[start]
        assert end_time == (END if end is None else at[end])
    assert ask(past, "SELECT id, row_start_tx, row_end_tx, row_end FROM t") == [(1, 4, None, END), (3, 7, None, END)]
    assert ask(past, "SELECT id, row_end_tx, row_end FROM t FOR SYSTEM_TIME AS OF TRANSACTION 3") == [(1, 4, at[4]), (2, 5, at[5])]
    assert [c[0] for c in past.execute("SELECT * FROM t FOR SYSTEM_TIME ALL").description or ()] == ["id", "a", "n"]


def test_version_columns_as_ordinary_columns(past: eventdb.Connection) -> None:
    """In conditions, joins, grouping, ordering and aggregates."""
    assert ask(past, "SELECT id FROM t WHERE row_start_tx = 7") == [(3,)]
    assert ask(past, "SELECT id FROM t FOR SYSTEM_TIME ALL WHERE row_end_tx IS NOT NULL AND n < 20") == [(1,)]
    assert ask(past, "SELECT id, count(*), max(row_start_tx) FROM t FOR SYSTEM_TIME ALL GROUP BY id") == [(1, 2, 4), (2, 1, 3), (3, 2, 7)]
    changes = "SELECT o.id, o.n, o.a, n.n, n.a FROM t FOR SYSTEM_TIME ALL o JOIN t FOR SYSTEM_TIME ALL n"
    assert ask(past, f"{changes} ON o.id = n.id AND o.row_end_tx = n.row_start_tx") == [(1, 10, "x", 11, "x"), (3, 30, "x", 30, "z")]
    rows = past.execute("SELECT id FROM t FOR SYSTEM_TIME ALL ORDER BY row_start_tx DESC, id LIMIT 3").fetchall()
    assert rows == [(3,), (3,), (1,)]
    assert ask(past, "SELECT id FROM t FOR SYSTEM_TIME ALL WHERE row_start <= now() AND row_end > now()") == [(1,), (3,)]


def test_several_changes_in_one_transaction_are_one_version() -> None:
    """And a change that changes nothing makes none."""
    connection = eventdb.connect(":memory:")
    connection.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); COMMIT; INSERT INTO t VALUES (1, 1), (2, 2); COMMIT")
    connection.executescript("UPDATE t SET n = 5; UPDATE t SET n = n + 1 WHERE id = 1; DELETE FROM t WHERE id = 2; COMMIT")
    connection.executescript("UPDATE t SET n = 6; INSERT INTO t VALUES (9, 9); DELETE FROM t WHERE id = 9; COMMIT")
    query = "SELECT *, row_start_tx, row_end_tx FROM t FOR SYSTEM_TIME ALL"
    assert ask(connection, query) == [(1, 1, 2, 3), (1, 6, 3, None), (2, 2, 2, 3)]
    connection.close()


# several moments in a statement


@pytest.mark.parametrize("one", range(1, 8))
@pytest.mark.parametrize("two", range(1, 8))
def test_two_moments_in_a_join(past: eventdb.Connection, one: int, two: int) -> None:
    query = "SELECT x.id, x.n, y.n FROM t FOR SYSTEM_TIME AS OF TRANSACTION ? x JOIN t FOR SYSTEM_TIME AS OF TRANSACTION ? y ON x.id = y.id"
    right = {row[0]: row[2] for row in SEEN[two]}
    assert ask(past, query, (one, two)) == [(i, n, right[i]) for i, _, n in SEEN[one] if i in right]


def test_past_and_present(past: eventdb.Connection) -> None:
    """Joins, set operations, subqueries, common tables, LATERAL: each table at its own moment."""
    old = "t FOR SYSTEM_TIME AS OF TRANSACTION 3"
    assert ask(past, f"SELECT p.id, p.n, o.id, o.n FROM t p FULL JOIN {old} o ON p.id = o.id") == [
        (1, 11, 1, 10), (3, 30, None, None), (None, None, 2, 20),
    ]  # fmt: skip
    assert ask(past, f"SELECT id FROM {old} EXCEPT SELECT id FROM t") == [(2,)]
    assert ask(past, f"SELECT id, n FROM {old} UNION SELECT id, n FROM t") == [(1, 10), (1, 11), (2, 20), (3, 30)]
    assert ask(past, f"SELECT id FROM t WHERE id IN (SELECT id FROM {old})") == [(1,)]
    assert ask(past, f"SELECT id FROM t WHERE NOT EXISTS (SELECT 1 FROM {old} o WHERE o.id = t.id)") == [(3,)]
    assert ask(past, f"SELECT id, (SELECT o.n FROM {old} o WHERE o.id = t.id) FROM t") == [(1, 10), (3, None)]
    assert ask(past, f"SELECT t.id, l.n FROM t, LATERAL (SELECT o.n FROM {old} o WHERE o.id = t.id) l") == [(1, 10)]
    assert ask(past, f"WITH o AS (SELECT * FROM {old}) SELECT count(*), (SELECT count(*) FROM t) + 0 FROM o") == [(2, 2)]
    assert ask(past, f"SELECT * FROM (SELECT sum(n) AS total FROM {old}) s") == [(30,)]


def test_through_indexes(past: eventdb.Connection) -> None:
    """Equality and ranges over a past that has left the index: the same rows as by looking at all."""
    past.executemany("INSERT INTO t VALUES (?, ?, ?)", [(i, f"k{i % 20}", i) for i in range(100, 1100)])
    number = past.head
    past.execute("UPDATE t SET a = 'gone' WHERE id >= 100")
    past.execute("DELETE FROM t WHERE id >= 600")
    for then, a, expected in ((number, "k7", 50), (number, "gone", 0), (past.head, "k7", 0), (past.head, "gone", 500)):
        query = f"SELECT count(*), min(id), max(id) FROM t FOR SYSTEM_TIME AS OF TRANSACTION {then} WHERE"
        assert past.execute(f"{query} a = ?", (a,)).fetchone()[0] == expected
        assert ask(past, f"{query} a = ?", (a,)) == ask(past, f"{query} a || '' = ?", (a,))
    by_range = f"SELECT id FROM t FOR SYSTEM_TIME AS OF TRANSACTION {number} WHERE a > 'k3' AND a < 'k5'"
    assert len(ask(past, by_range)) == 50
    ordered = past.execute(f"SELECT a FROM t FOR SYSTEM_TIME AS OF TRANSACTION {number} ORDER BY a DESC LIMIT 5").fetchall()
    assert ordered == [("z",), ("x",), ("k9",), ("k9",), ("k9",)]
    assert ask(past, f"SELECT n FROM t FOR SYSTEM_TIME AS OF TRANSACTION {number} WHERE id = 777") == [(777,)]


def test_sources_of_writes(past: eventdb.Connection) -> None:
    """INSERT … SELECT, UPDATE … FROM, DELETE … USING, CREATE TABLE AS read the past; what they write is the present."""
    past.execute("CREATE TABLE u (id INTEGER PRIMARY KEY, a TEXT, n INTEGER)")
    old = "t FOR SYSTEM_TIME AS OF TRANSACTION"
    assert past.execute(f"INSERT INTO u SELECT * FROM {old} 3").rowcount == 2
    assert ask(past, "SELECT * FROM u") == SEEN[3]
    past.execute(f"UPDATE u SET n = o.n + 100 FROM {old} ? AS o WHERE o.id = u.id", (4,))
    assert ask(past, "SELECT id, n FROM u") == [(1, 111), (2, 120)]
    past.execute(f"DELETE FROM u USING {old} 5 AS o WHERE o.id = u.id")
    assert ask(past, "SELECT id FROM u") == [(2,)]
    past.execute(f"DELETE FROM u WHERE id IN (SELECT id FROM {old} 3)")
    past.execute("INSERT INTO u SELECT id + 10 * row_start_tx, a, n FROM t FOR SYSTEM_TIME ALL WHERE row_end_tx IS NOT NULL")
    assert ask(past, "SELECT id FROM u") == [(31,), (32,), (63,)]
    past.execute(f"CREATE TABLE w AS SELECT now.id, now.n AS new, o.n AS old FROM t now JOIN {old} 3 AS o ON now.id = o.id")
    assert ask(past, "SELECT * FROM w") == [(1, 11, 10)]
    for number in SEEN:
        assert ask(past, f"SELECT * FROM {old} {number}") == SEEN[number]


def test_putting_back_what_was_deleted(past: eventdb.Connection) -> None:
    past.execute("INSERT INTO t SELECT * FROM t FOR SYSTEM_TIME AS OF TRANSACTION 4 o WHERE o.id NOT IN (SELECT id FROM t)")
    assert ask(past, "SELECT * FROM t") == [(1, "x", 11), (2, "y", 20), (3, "z", 30)]
    assert ask(past, f"{SHOWN} ALL WHERE id = 2") == [(2, "y", 20, 3, 5), (2, "y", 20, past.head, None)]


# what cannot be answered

BEYOND = [
    ("TRANSACTION 8", (), "22023", "there is no transaction 8"),
    ("TRANSACTION -1", (), "22023", "there is no transaction -1"),
    ("TRANSACTION ?", (8,), "22023", "there is no transaction 8"),
    ("TRANSACTION ?", (-1,), "22023", "there is no transaction -1"),
    ("TRANSACTION ?", (10**30,), "22003", "1000000000000000000000000000000"),
    ("TRANSACTION 99999999999999999999", (), "22003", "out of range"),
    ("TRANSACTION ?", (None,), "22023", "NULL"),
    ("TRANSACTION NULL", (), "22023", "NULL"),
    ("TRANSACTION 3.5", (), "42804", "3.5"),
    ("TRANSACTION ?", (3.5,), "42804", "3.5"),
    ("TRANSACTION ?", ("three",), "22P02", "three"),
    ("TRANSACTION ?", (True,), "42804", "True"),
    ("TRANSACTION 'three'", (), "22P02", "three"),
    ("TRANSACTION 1 / 0", (), "22012", "division by zero"),
    ("TRANSACTION id", (), "42703", "id"),
    ("TRANSACTION count(*)", (), "42803", "aggregate"),
    ("TRANSACTION (SELECT id FROM t)", (), "21000", "more than one row"),
    ("NULL", (), "22023", "NULL"),
    ("?", (None,), "22023", "NULL"),
    ("'2999-01-01'", (), "22023", "2999-01-01 00:00:00+00:00 lies in the future"),
    ("?", ("2999-01-01",), "22023", "future"),
    ("?", (datetime.datetime.max,), "22023", "future"),
    ("CURRENT_TIMESTAMP + INTERVAL '1 hour'", (), "22023", "future"),
    ("'last tuesday'", (), "22007", "last tuesday"),
    ("?", ("last tuesday",), "22007", "last tuesday"),
    ("'2024-02-30'", (), "22008", "2024-02-30"),
    ("3", (), "42804", "TRANSACTION 3"),
    ("?", (3,), "42804", "3 (int)"),
    ("TRUE", (), "42804", "boolean"),
    ("n", (), "42703", "n"),
    ("TRANSACTION 0", (), "42P01", "did not at that moment"),
    ("'1999-12-31'", (), "42P01", "did not at that moment"),
    ("?", (datetime.datetime.min,), "42P01", "did not at that moment"),
    ("?", (datetime.date(1999, 12, 31),), "42P01", "did not at that moment"),
]


@pytest.mark.parametrize(("moment", "parameters", "sqlstate", "message"), BEYOND)
def test_a_moment_that_cannot_be_answered(
    past: eventdb.Connection, moment: str, parameters: tuple[Any, ...], sqlstate: str, message: str
) -> None:
    """An error that says why; never the present. Also as a bound of a range, in BEGIN, in SET, for a connection in use after it.

    The end of a range alone may be a time in the future (SQL:2011): the range is then open."""
    with pytest.raises(eventdb.Error) as caught:
        past.execute(f"SELECT * FROM t FOR SYSTEM_TIME AS OF {moment}", parameters).fetchall()
    assert caught.value.sqlstate == sqlstate, caught.value
    assert message in str(caught.value)
    if sqlstate != "42P01":
        with pytest.raises(eventdb.Error):
            past.execute(f"SELECT * FROM t FOR SYSTEM_TIME BETWEEN {moment} AND CURRENT_TIMESTAMP", parameters).fetchall()
    until = f"SELECT * FROM t FOR SYSTEM_TIME BETWEEN TRANSACTION 0 AND {moment}"
    if "future" in message:
        assert ask(past, until, parameters) == ask(past, "SELECT * FROM t FOR SYSTEM_TIME ALL")
    else:
        with pytest.raises(eventdb.Error):
            past.execute(until, parameters).fetchall()
    with pytest.raises(eventdb.Error):
        past.execute(f"INSERT INTO t SELECT id + 1000, a, n FROM t FOR SYSTEM_TIME AS OF {moment}", parameters)
    if sqlstate != "42P01":
        for steering in ("BEGIN READ ONLY AS OF", "SET SYSTEM_TIME AS OF"):
            with pytest.raises(eventdb.Error) as caught:
                past.execute(f"{steering} {moment}", parameters)
            assert not isinstance(caught.value, errors.InternalError)
    assert not past.in_transaction
    assert ask(past, "SELECT * FROM t") == SEEN[7]


def test_a_moment_that_moves_into_what_cannot_be_answered(past: eventdb.Connection) -> None:
    """A statement that was prepared with a good moment refuses a bad one, and works again after it."""
    query = "SELECT * FROM t FOR SYSTEM_TIME AS OF TRANSACTION ?"
    for number in (3, 5):
        assert ask(past, query, (number,)) == SEEN[number]
        for bad in (99, -1, None):
            with pytest.raises(errors.InvalidParameterValue):
                past.execute(query, (bad,))


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM t FOR SYSTEM_TIME",
        "SELECT * FROM t FOR SYSTEM_TIME AS OF",
        "SELECT * FROM t FOR SYSTEM_TIME FROM TRANSACTION 1",
        "SELECT * FROM t FOR SYSTEM_TIME BETWEEN TRANSACTION 1 TO TRANSACTION 2",
        "SELECT * FROM (SELECT * FROM t) s FOR SYSTEM_TIME AS OF TRANSACTION 1",
        "UPDATE t FOR SYSTEM_TIME AS OF TRANSACTION 3 SET n = 1",
        "DELETE FROM t FOR SYSTEM_TIME AS OF TRANSACTION 3",
        "INSERT INTO t FOR SYSTEM_TIME AS OF TRANSACTION 3 VALUES (1)",
    ],
)
def test_where_the_clause_cannot_stand(past: eventdb.Connection, statement: str) -> None:
    with pytest.raises(errors.SQLSyntaxError) as caught:
        past.execute(statement)
    assert "^" in str(caught.value)


def test_what_is_not_supported_says_so(past: eventdb.Connection) -> None:
    past.execute("CREATE VIEW v AS SELECT id FROM t")
    for query in (
        "SELECT * FROM v FOR SYSTEM_TIME ALL",
        "WITH c AS (SELECT 1) SELECT * FROM c FOR SYSTEM_TIME AS OF TRANSACTION 3",
        "SELECT * FROM eventdb.transactions FOR SYSTEM_TIME ALL",
    ):
        with pytest.raises(eventdb.NotSupportedError):
            past.execute(query)
