"""Bad input through the whole stack: an error of PEP 249 with its SQLSTATE and a message that names what is wrong; the statement undone
whole; the connection usable after it."""

from __future__ import annotations

import datetime
import decimal
import math
from collections.abc import Iterator
from typing import Any

import pytest

import eventdb
from eventdb import errors

ROWS = [(1, "a", 10), (2, "b", 20)]


@pytest.fixture
def connection() -> Iterator[eventdb.Connection]:
    connection = eventdb.connect(":memory:", autocommit=True)
    connection.executescript(
        """
        CREATE TABLE parent (id INTEGER PRIMARY KEY);
        INSERT INTO parent VALUES (1), (2);
        CREATE TABLE t (
            id INTEGER CONSTRAINT t_key PRIMARY KEY, name TEXT NOT NULL, n INTEGER CONSTRAINT positive CHECK (n > 0),
            parent INTEGER CONSTRAINT family REFERENCES parent, CONSTRAINT once UNIQUE (name)
        );
        CREATE TABLE child (id INTEGER PRIMARY KEY, t INTEGER CONSTRAINT belongs REFERENCES t);
        INSERT INTO t VALUES (1, 'a', 10, 1), (2, 'b', 20, 2);
        INSERT INTO child VALUES (1, 1);
        """
    )
    yield connection
    connection.close()


def refused(connection: eventdb.Connection, statement: Any, parameters: Any, kind: type[eventdb.Error], *parts: str) -> eventdb.Error:
    """The statement fails so, alone and inside a transaction, which goes on; nothing is changed."""
    head = connection.head
    for begin in (False, True):
        if begin:
            connection.execute("BEGIN")
            connection.execute("INSERT INTO parent VALUES (77)")
        with pytest.raises(kind) as caught:
            connection.execute(statement, parameters).fetchall()
        assert type(caught.value).__module__ == "eventdb.errors"
        assert not isinstance(caught.value, errors.InternalError), caught.value
        assert caught.value.sqlstate
        assert len(caught.value.sqlstate) == 5
        for part in parts:
            assert part in str(caught.value), str(caught.value)
        assert connection.execute("SELECT id, name, n FROM t ORDER BY id").fetchall() == ROWS
        if begin:
            assert connection.execute("SELECT count(*) FROM parent").fetchone() == (3,)
            connection.execute("ROLLBACK")
    assert connection.head == head
    return caught.value


STATEMENTS = [
    ("SELECT * FROM nosuch", errors.UndefinedTable, "42P01", 'relation "nosuch" does not exist'),
    ("SELECT * FROM tt", errors.UndefinedTable, "42P01", 'Perhaps you meant "t"'),
    ("SELECT nosuch FROM t", errors.UndefinedColumn, "42703", 'column "nosuch" does not exist'),
    ("SELECT t.nosuch FROM t", errors.UndefinedColumn, "42703", "t.nosuch"),
    ("SELECT x.id FROM t", errors.UndefinedTable, "42P01", '"x"'),
    ("SELECT nosuch(id) FROM t", errors.UndefinedFunction, "42883", "nosuch(integer)"),
    ("SELECT length(1, 2)", errors.UndefinedFunction, "42883", "length(integer, integer)"),
    ("SELECT * FROM nosuch.t", eventdb.ProgrammingError, None, "nosuch.t"),
    ("INSERT INTO nosuch VALUES (1)", errors.UndefinedTable, "42P01", "nosuch"),
    ("INSERT INTO t (nosuch) VALUES (1)", errors.UndefinedColumn, "42703", 'column "nosuch" of relation "t"'),
    ("INSERT INTO t VALUES (1, 'x', 1, 1, 1)", errors.SQLSyntaxError, "42601", "more expressions than target columns"),
    ("INSERT INTO t (id, id) VALUES (3, 3)", errors.DuplicateColumn, "42701", '"id"'),
    ("UPDATE t SET nosuch = 1", errors.UndefinedColumn, "42703", "nosuch"),
    ("UPDATE t SET n = 1, n = 2", errors.DuplicateColumn, "42701", '"n"'),
    ("DELETE FROM nosuch", errors.UndefinedTable, "42P01", "nosuch"),
    ("DROP TABLE nosuch", errors.UndefinedTable, "42P01", "nosuch"),
    ("DROP TABLE t", errors.DependentObjectsStillExist, "2BP01", "belongs"),
    ("CREATE TABLE t (id INTEGER)", errors.DuplicateTable, "42P07", '"t"'),
    ("CREATE TABLE made (a nosuch)", errors.UndefinedObject, "42704", '"nosuch"'),
    ("CREATE TABLE made (a INTEGER, a INTEGER)", errors.DuplicateColumn, "42701", '"a"'),
    ("CREATE TABLE made (a INTEGER REFERENCES nosuch)", errors.UndefinedTable, "42P01", "nosuch"),
    ("CREATE TABLE made (a INTEGER CHECK (b > 1))", errors.UndefinedColumn, "42703", '"b"'),
    ("CREATE INDEX made ON t (nosuch)", errors.UndefinedColumn, "42703", "nosuch"),
    ("CREATE UNIQUE INDEX made ON t (n % 10)", errors.UniqueViolation, "23505", "made"),
    ("ALTER TABLE t ADD COLUMN made INTEGER NOT NULL", errors.NotNullViolation, "23502", "made"),
    ("ALTER TABLE t ADD CONSTRAINT made CHECK (n > 15)", errors.CheckViolation, "23514", "made"),
    ("ALTER TABLE t ALTER COLUMN name TYPE INTEGER USING name::integer", errors.InvalidTextRepresentation, "22P02", '"a"'),
    ("SELECT 'x' + 1", errors.InvalidTextRepresentation, "22P02", '"x"'),
    ("SELECT name + 1 FROM t", errors.UndefinedFunction, "42883", "text + integer"),
    ("SELECT * FROM t WHERE name", errors.DatatypeMismatch, "42804", "boolean"),
    ("SELECT sum(name) FROM t", errors.UndefinedFunction, "42883", "sum(text)"),
    ("SELECT name, count(*) FROM t", errors.GroupingError, "42803", '"t.name"'),
    ("SELECT * FROM t WHERE count(*) > 1", errors.GroupingError, "42803", "WHERE"),
    ("SELECT (SELECT id FROM t)", errors.CardinalityViolation, "21000", "more than one row"),
    ("SELECT * FROM t ORDER BY 99", errors.InvalidColumnReference, "42P10", "99"),
    ("SELECT * FROM t LIMIT -1", errors.InvalidRowCountInLimitClause, "2201W", "LIMIT"),
    ("SELECT id FROM t UNION SELECT id, n FROM t", errors.SQLSyntaxError, "42601", "UNION"),
    ("SELECT 1 / 0", errors.DivisionByZero, "22012", "division by zero"),
    ("SELECT n / (n - n) FROM t", errors.DivisionByZero, "22012", "division by zero"),
    ("SELECT n % 0 FROM t", errors.DivisionByZero, "22012", "division by zero"),
    ("SELECT mod(n, 0) FROM t", errors.DivisionByZero, "22012", "division by zero"),
    ("SELECT n::numeric / 0 FROM t", errors.DivisionByZero, "22012", "division by zero"),
    ("SELECT n::double precision / 0 FROM t", errors.DivisionByZero, "22012", "division by zero"),
    ("SELECT 5.0 % 0.0", errors.DivisionByZero, "22012", "division by zero"),
    ("UPDATE t SET n = 100 / (n - 20)", errors.DivisionByZero, "22012", "division by zero"),
    ("UPDATE t SET n = n + 2147483640", errors.NumericValueOutOfRange, "22003", "integer"),
    ("SELECT sqrt(-n) FROM t", errors.InvalidArgumentForPowerFunction, "2201F", "negative"),
    ("SELECT name::date FROM t", errors.InvalidDatetimeFormat, "22007", '"a"'),
    ("SELECT DATE '2024-02-30'", errors.DatetimeFieldOverflow, "22008", "2024-02-30"),
    ("SELECT name ~ '(' FROM t", errors.InvalidRegularExpression, "2201B", "regular expression"),
    ("SELECT '{'::json", errors.InvalidTextRepresentation, "22P02", "json"),
    ("SELECT repeat('x', 2000000000)", errors.ProgramLimitExceeded, "54000", "2000000000"),
    ("SELECT now() AT TIME ZONE 'nowhere'", errors.InvalidParameterValue, "22023", "nowhere"),
    ("SELECT nextval('nosuch')", errors.UndefinedTable, "42P01", "nosuch"),
    ("SELECT 1 FROM", errors.SQLSyntaxError, "42601", "^"),
    ("SELEC 1", errors.SQLSyntaxError, "42601", '"SELEC"'),
    ("SELECT 'open", errors.SQLSyntaxError, "42601", "unterminated quoted string"),
    ('SELECT "open', errors.SQLSyntaxError, "42601", "unterminated quoted identifier"),
    ("SELECT /* open", errors.SQLSyntaxError, "42601", "unterminated /* comment"),
    ("SELECT 1; SELECT 2", errors.SQLSyntaxError, "42601", "several statements"),
    ("SELECT \0", errors.SQLSyntaxError, "42601", "syntax error"),
    ("SELECT '\ud800'", errors.CharacterNotInRepertoire, "22021", "U+D800"),
    ('CREATE TABLE "\udfff" (a INTEGER)', errors.CharacterNotInRepertoire, "22021", "U+DFFF"),
    ("CREATE TABLE " + "x" * 300 + " (a INTEGER)", errors.NameTooLong, "42622", "255"),
    ("SELECT 1e999999999999", errors.NumericValueOutOfRange, "22003", "1e999999999999"),
    ("SET nosuch = 1", errors.UndefinedObject, "42704", "nosuch"),
    ("SET TIME ZONE '../../etc/passwd'", errors.InvalidParameterValue, "22023", "passwd"),
    ("SHOW nosuch", errors.UndefinedObject, "42704", "nosuch"),
    ("COMMENT ON COLUMN name IS 'x'", errors.SQLSyntaxError, "42601", '"name"'),
    ("RELEASE nosuch", eventdb.OperationalError, None, ""),
]


@pytest.mark.parametrize(("statement", "kind", "sqlstate", "message"), STATEMENTS, ids=[s[0][:50].encode("unicode-escape") for s in STATEMENTS])  # noqa: E501
def test_a_bad_statement(connection: eventdb.Connection, statement: str, kind: type[eventdb.Error], sqlstate: str | None, message: str) -> None:  # noqa: E501
    if statement.startswith("RELEASE"):
        with pytest.raises(eventdb.Error) as caught:
            connection.execute(statement)
        assert caught.value.sqlstate == "25P01"
        return
    error = refused(connection, statement, (), kind, message)
    assert sqlstate is None or error.sqlstate == sqlstate


@pytest.mark.parametrize("statement", [None, 5, b"SELECT 1", ["SELECT 1"], object()])
def test_a_statement_that_is_no_text(connection: eventdb.Connection, statement: Any) -> None:
    refused(connection, statement, (), eventdb.ProgrammingError, type(statement).__name__)
    with pytest.raises(eventdb.ProgrammingError):
        connection.executemany(statement, [])
    with pytest.raises(eventdb.ProgrammingError):
        connection.executescript(statement)


# constraints

VIOLATIONS = [
    ("INSERT INTO t VALUES (2, 'c', 1, 1)", errors.UniqueViolation, "23505", "t", None, "t_key", "(id)=(2)"),
    ("INSERT INTO t VALUES (3, 'b', 1, 1)", errors.UniqueViolation, "23505", "t", None, "once", "(name)=(b)"),
    ("UPDATE t SET id = 1 WHERE id = 2", errors.UniqueViolation, "23505", "t", None, "t_key", "(id)=(1)"),
    ("UPDATE t SET name = 'same'", errors.UniqueViolation, "23505", "t", None, "once", "(name)=(same)"),
    ("INSERT INTO t VALUES (3, NULL, 1, 1)", errors.NotNullViolation, "23502", "t", "name", None, "(3, null, 1, 1)"),
    ("INSERT INTO t VALUES (NULL, 'c', 1, 1)", errors.NotNullViolation, "23502", "t", "id", None, "null"),
    ("UPDATE t SET name = NULL WHERE id = 2", errors.NotNullViolation, "23502", "t", "name", None, "null"),
    ("INSERT INTO t VALUES (3, 'c', -1, 1)", errors.CheckViolation, "23514", "t", None, "positive", "(3, c, -1, 1)"),
    ("UPDATE t SET n = n - 15", errors.CheckViolation, "23514", "t", None, "positive", "-5"),
    ("INSERT INTO t VALUES (3, 'c', 1, 99)", errors.ForeignKeyViolation, "23503", "t", None, "family", "(parent)=(99)"),
    ("UPDATE t SET parent = 99 WHERE id = 1", errors.ForeignKeyViolation, "23503", "t", None, "family", "(parent)=(99)"),
    ("DELETE FROM t WHERE id = 1", errors.ForeignKeyViolation, "23503", None, None, "belongs", "(id)=(1)"),
    ("DELETE FROM parent", errors.ForeignKeyViolation, "23503", None, None, "family", "is still referenced"),
    ("INSERT INTO t VALUES (3, 'c', 1, 1), (4, 'd', 1, 1), (1, 'e', 1, 1)", errors.UniqueViolation, "23505", "t", None, "t_key", "(id)=(1)"),  # noqa: E501
]  # fmt: skip


@pytest.mark.parametrize(("statement", "kind", "sqlstate", "table", "column", "constraint", "detail"), VIOLATIONS)
def test_a_violated_constraint(
    connection: eventdb.Connection, statement: str, kind: type[errors.IntegrityError], sqlstate: str, table: str | None, column: str | None,
    constraint: str | None, detail: str,
) -> None:  # fmt: skip
    """The error carries table, column, constraint and the row or key."""
    error: Any = refused(connection, statement, (), kind)
    assert isinstance(error, eventdb.IntegrityError)
    assert error.sqlstate == sqlstate
    assert table is None or error.table == table
    assert column is None or error.column == column
    assert constraint is None or error.constraint == constraint
    assert detail in (error.detail or "")


def test_a_deferred_constraint_fails_at_commit(connection: eventdb.Connection) -> None:
    """The transaction is gone, and with it all of its statements."""
    connection.execute("CREATE TABLE d (id INTEGER PRIMARY KEY, p INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)")
    connection.execute("BEGIN")
    connection.execute("INSERT INTO d VALUES (1, 1), (2, 99)")
    with pytest.raises(errors.ForeignKeyViolation) as caught:
        connection.execute("COMMIT")
    assert caught.value.sqlstate == "23503"
    assert not connection.in_transaction
    assert connection.execute("SELECT count(*) FROM d").fetchone() == (0,)


# parameters

INSERT = "INSERT INTO t (id, name, n) VALUES (?, ?, ?)"


@pytest.mark.parametrize(
    ("statement", "parameters", "kind", "sqlstate", "message"),
    [
        (INSERT, (3, "c"), errors.WrongParameterCount, "07001", "3 parameters, but 2 were given"),
        (INSERT, (3, "c", 1, 1), errors.WrongParameterCount, "07001", "3 parameters, but 4 were given"),
        (INSERT, (), errors.WrongParameterCount, "07001", "3 parameters, but 0 were given"),
        ("SELECT 1", (1,), errors.WrongParameterCount, "07001", "no parameters, but 1 was given"),
        (INSERT, {"id": 3}, eventdb.InterfaceError, "08P01", "pass a sequence, not a mapping"),
        ("SELECT :a", (1,), eventdb.InterfaceError, "08P01", "pass a mapping, not tuple"),
        ("SELECT :a + :b", {"a": 1}, errors.UndefinedParameter, None, ":b"),
        ("SELECT ? + :b", (1,), eventdb.ProgrammingError, None, ""),
        ("SELECT ?", 5, eventdb.InterfaceError, "08P01", "not int"),
        ("SELECT ?", "a", eventdb.InterfaceError, "08P01", "not str"),
        ("SELECT ?", b"a", eventdb.InterfaceError, "08P01", "not bytes"),
        ("SELECT ?", {1}, eventdb.InterfaceError, "08P01", "not set"),
        ("SELECT ?", None, eventdb.InterfaceError, "08P01", "not NoneType"),
        ("SELECT 1", object(), eventdb.InterfaceError, "08P01", "not object"),
    ],
)
def test_wrong_parameters(
    connection: eventdb.Connection, statement: str, parameters: Any, kind: type[eventdb.Error], sqlstate: str | None, message: str
) -> None:
    error = refused(connection, statement, parameters, kind, message)
    assert sqlstate is None or error.sqlstate == sqlstate


class Sub(bytes):
    pass


class Odd(int):
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


MAX, MIN = datetime.datetime.max, datetime.datetime.min
WEST, EAST = datetime.timezone(datetime.timedelta(hours=-5)), datetime.timezone(datetime.timedelta(hours=5))
REFUSED: list[tuple[str, Any, str]] = [
    ("SMALLINT", 2**15, "22003"), ("SMALLINT", -(2**15) - 1, "22003"), ("INTEGER", 2**31, "22003"), ("INTEGER", -(2**31) - 1, "22003"),
    ("BIGINT", 2**63, "22003"), ("BIGINT", -(2**63) - 1, "22003"), ("BIGINT", 10**30, "22003"), ("INTEGER", 10**5000, "22003"),
    ("INTEGER", "x", "22P02"), ("INTEGER", "1e3", "22P02"), ("INTEGER", "9" * 5000, "22003"), ("INTEGER", True, "42804"),
    ("INTEGER", b"1", "42804"), ("INTEGER", object(), "42804"),
    ("INTEGER", [1], "42804"), ("INTEGER", {}, "42804"), ("INTEGER", 1 + 2j, "42804"), ("INTEGER", Odd(2**70), "22003"),
    ("INTEGER", datetime.date(2020, 1, 1), "42804"), ("INTEGER", int, "42804"), ("INTEGER", ..., "42804"),
    ("NUMERIC(5,2)", 1000, "22003"), ("NUMERIC(5,2)", decimal.Decimal("999.999"), "22003"),
    ("NUMERIC(5,2)", decimal.Decimal("1E+131000"), "22003"), ("NUMERIC(5,2)", decimal.Decimal("1E+400000"), "22003"),
    ("NUMERIC", decimal.Decimal("NaN"), "22003"), ("NUMERIC", decimal.Decimal("sNaN"), "22003"),
    ("NUMERIC", decimal.Decimal("Infinity"), "22003"), ("NUMERIC", math.nan, "22003"), ("NUMERIC", "abc", "22P02"),
    ("NUMERIC", "1e999999999", "22003"), ("NUMERIC", False, "42804"),
    ("REAL", 1e39, "22003"), ("REAL", decimal.Decimal("1E+400"), "22003"), ("REAL", 10**400, "22003"), ("REAL", "x", "22P02"),
    ("DOUBLE PRECISION", decimal.Decimal("1E+400"), "22003"), ("DOUBLE PRECISION", 10**400, "22003"), ("DOUBLE PRECISION", "1e999", "22003"),  # noqa: E501
    ("DOUBLE PRECISION", True, "42804"),
    ("BOOLEAN", "maybe", "22P02"), ("BOOLEAN", 2, "42804"), ("BOOLEAN", 1.0, "42804"),
    ("TEXT", "\ud800", "22P02"), ("VARCHAR(3)", "abcd", "22001"), ("CHAR(2)", "abc", "22001"),
    ("BYTEA", "\\xZZ", "22P02"), ("BYTEA", 1, "42804"),
    ("DATE", "2024-02-30", "22008"), ("DATE", "x", "22007"), ("DATE", 5, "42804"), ("DATE", "10000-01-01", "22008"),
    ("TIME", "25:00", "22008"), ("TIME", 5, "42804"),
    ("TIMESTAMP", "2024-01-01 25:00", "22008"), ("TIMESTAMP", 5, "42804"),
    ("TIMESTAMP WITH TIME ZONE", MAX.replace(tzinfo=WEST), "22008"), ("TIMESTAMP WITH TIME ZONE", MIN.replace(tzinfo=EAST), "22008"),
    ("TIMESTAMP WITH TIME ZONE", "9999-12-31 23:59:59-14", "22008"), ("TIMESTAMP WITH TIME ZONE", "x", "22007"),
    ("INTERVAL", "x", "22007"), ("INTERVAL", "999999999999999 years", "22008"), ("INTERVAL", 5, "42804"),
    ("UUID", "x", "22P02"), ("UUID", 5, "42804"),
    ("JSON", "{bad", "22P02"), ("JSON", {"a": object()}, "22P02"), ("JSON", math.nan, "22P02"), ("JSON", "[" * 100000, "22P02"),
    ("JSON", {1, 2}, "42804"), ("JSON", b"x", "42804"),
]  # fmt: skip


@pytest.mark.parametrize(("datatype", "value", "sqlstate"), REFUSED, ids=[f"{r[0]}-{i}" for i, r in enumerate(REFUSED)])
def test_a_value_that_does_not_fit(datatype: str, value: Any, sqlstate: str) -> None:
    """Alone, among many rows, in an UPDATE: nothing of the statement stays."""
    connection = eventdb.connect(":memory:", autocommit=True)
    connection.execute(f"CREATE TABLE v (id INTEGER PRIMARY KEY, a {datatype})")
    connection.execute("INSERT INTO v VALUES (1, NULL)")
    for execute in (
        lambda: connection.execute("INSERT INTO v VALUES (2, ?)", (value,)),
        lambda: connection.executemany("INSERT INTO v VALUES (?, ?)", [(2, None), (3, value), (4, None)]),
        lambda: connection.execute("UPDATE v SET a = ?", (value,)),
        lambda: connection.execute("INSERT INTO v VALUES (2, :a)", {"a": value}),
    ):
        with pytest.raises(eventdb.DatabaseError) as caught:
            execute()
        assert caught.value.sqlstate == sqlstate, caught.value
        assert isinstance(caught.value, eventdb.DataError | eventdb.ProgrammingError)
        assert connection.execute("SELECT * FROM v").fetchall() == [(1, None)]
    connection.close()


@pytest.mark.parametrize(
    ("datatype", "value"),
    [("INTEGER", 1.5), ("INTEGER", math.nan), ("INTEGER", math.inf), ("INTEGER", decimal.Decimal("1.5")), ("TEXT", 5), ("TEXT", [1]),
     ("TEXT", b"x"), ("TEXT", datetime.date(2020, 1, 1)), ("TIMESTAMP", datetime.datetime.now(datetime.UTC)), ("TIME", datetime.timedelta(1))],  # noqa: E501
)  # fmt: skip
def test_what_is_inserted_is_no_guess(datatype: str, value: Any) -> None:
    """One row and many: a value of another type is refused, not rounded, printed or cut."""
    connection = eventdb.connect(":memory:", autocommit=True)
    connection.execute(f"CREATE TABLE v (a {datatype})")
    for execute in (connection.execute, lambda text, row: connection.executemany(text, [row, row])):
        with pytest.raises(errors.DatatypeMismatch) as caught:
            execute("INSERT INTO v VALUES (?)", (value,))
        assert type(value).__name__ in str(caught.value)
    assert connection.execute("SELECT * FROM v").fetchall() == []
    connection.close()


KEPT: list[tuple[str, Any, Any]] = [
    ("INTEGER", " 7 ", 7), ("BYTEA", Sub(b"x"), b"x"), ("BYTEA", bytearray(b"x"), b"x"), ("BYTEA", memoryview(b"x"), b"x"),
    ("DOUBLE PRECISION", math.inf, math.inf), ("TIMESTAMP", MAX, MAX), ("TIMESTAMP", MIN, MIN),
    ("TIMESTAMP WITH TIME ZONE", MAX, MAX.replace(tzinfo=datetime.UTC)), ("TIMESTAMP WITH TIME ZONE", MIN, MIN.replace(tzinfo=datetime.UTC)),  # noqa: E501
    ("DATE", datetime.date.max, datetime.date.max), ("TIME", datetime.time.max, datetime.time.max), ("TEXT", "a\0b", "a\0b"),
    ("JSON", {"a": [1, None]}, {"a": [1, None]}), ("JSON", "9" * 5000, decimal.Decimal("9" * 5000)),
    ("NUMERIC", 10**30, decimal.Decimal(10**30)), ("TEXT", "x" * 5_000_000, "x" * 5_000_000),
    ("TIMESTAMP", datetime.date(2020, 1, 2), datetime.datetime(2020, 1, 2)),
]  # fmt: skip


@pytest.mark.parametrize(("datatype", "value", "expected"), KEPT, ids=[f"{k[0]}-{i}" for i, k in enumerate(KEPT)])
def test_odd_values_that_fit(datatype: str, value: Any, expected: Any) -> None:
    connection = eventdb.connect(":memory:", autocommit=True)
    connection.execute(f"CREATE TABLE v (a {datatype})")
    connection.execute("INSERT INTO v VALUES (?)", (value,))
    connection.executemany("INSERT INTO v VALUES (?)", [(value,)])
    assert connection.execute("SELECT a FROM v").fetchall() == [(expected,)] * 2
    assert type(connection.execute("SELECT a FROM v").fetchone()[0]) is type(expected)
    connection.close()


def test_not_a_number() -> None:
    connection = eventdb.connect(":memory:", autocommit=True)
    connection.execute("CREATE TABLE v (a DOUBLE PRECISION, UNIQUE (a))")
    connection.execute("INSERT INTO v VALUES (?)", (math.nan,))
    assert math.isnan(connection.execute("SELECT a FROM v WHERE a = ?", (float("nan"),)).fetchone()[0])
    with pytest.raises(errors.UniqueViolation):
        connection.execute("INSERT INTO v VALUES (?)", (float("nan"),))
    connection.close()


def test_numpy_scalars() -> None:
    """They are what they hold, as far as it fits."""
    numpy = pytest.importorskip("numpy")
    connection = eventdb.connect(":memory:", autocommit=True)
    connection.execute("CREATE TABLE v (i INTEGER, d DOUBLE PRECISION, s TEXT, b BOOLEAN, day DATE)")
    row = (numpy.int64(5), numpy.float32(1.5), numpy.str_("x"), numpy.bool_(True), numpy.datetime64("2020-01-02"))
    connection.execute("INSERT INTO v VALUES (?, ?, ?, ?, ?)", row)
    connection.executemany("INSERT INTO v VALUES (?, ?, ?, ?, ?)", [row, row])
    expected = (5, 1.5, "x", True, datetime.date(2020, 1, 2))
    assert connection.execute("SELECT * FROM v").fetchall() == [expected] * 3
    assert [type(v) for v in connection.execute("SELECT * FROM v").fetchone()] == [int, float, str, bool, datetime.date]
    for bad in (numpy.int64(2**40), numpy.array([1, 2]), numpy.complex128(1)):
        with pytest.raises(eventdb.Error):
            connection.execute("INSERT INTO v (i) VALUES (?)", (bad,))
    assert connection.execute("SELECT count(*) FROM v").fetchone() == (3,)
    connection.close()


# many rows


def test_executemany_undoes_the_whole_statement(connection: eventdb.Connection) -> None:
    rows = [(10, "c", 1), (11, "d", 1), (12, "a", 1)]
    for many in (rows, iter(rows), (row for row in rows)):
        with pytest.raises(errors.UniqueViolation):
            connection.executemany(INSERT, many)
        assert connection.execute("SELECT id, name, n FROM t ORDER BY id").fetchall() == ROWS
    for many in ([(10, "c", 1), (11, "d")], [(10, "c", 1), 5], [(10, "c", 1), "abc"], [(10, "c", 1), {"a": 1}], [(10, "c", 1), None]):
        if many[1] == "abc":
            many = [(10, "c", 1), "ab"]
        with pytest.raises((eventdb.InterfaceError, eventdb.ProgrammingError)):
            connection.executemany(INSERT, many)
        assert connection.execute("SELECT id, name, n FROM t ORDER BY id").fetchall() == ROWS


@pytest.mark.parametrize("autocommit", [True, False])
def test_executemany_over_rows_that_break_off(connection: eventdb.Connection, autocommit: bool) -> None:
    """An exception of the caller's own iterator comes through, and nothing is inserted."""

    def rows() -> Iterator[tuple[Any, ...]]:
        yield (10, "c", 1)
        raise KeyError("mine")

    if not autocommit:
        connection.execute("BEGIN")
        connection.execute("UPDATE t SET n = 11 WHERE id = 1")
    with pytest.raises(KeyError, match="mine"):
        connection.executemany(INSERT, rows())
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (2,)
    if not autocommit:
        connection.execute("COMMIT")
        assert connection.execute("SELECT n FROM t WHERE id = 1").fetchone() == (11,)


@pytest.mark.parametrize("statement", ["SELECT ?", "CREATE TABLE x (a INTEGER)", "BEGIN", "EXPLAIN SELECT ?", "SET actor = ?"])
def test_executemany_of_what_is_no_write(connection: eventdb.Connection, statement: str) -> None:
    with pytest.raises(eventdb.ProgrammingError, match="executemany"):
        connection.executemany(statement, [(1,), (2,)])
    with pytest.raises((eventdb.ProgrammingError, TypeError)):
        connection.executemany(INSERT, 5)  # type: ignore[arg-type]


# depth and size


def deep(n: int) -> list[tuple[str, str]]:
    return [
        ("AND", "SELECT count(*) FROM t WHERE " + " AND ".join(f"id <> {-i}" for i in range(1, n + 1))),
        ("OR", "SELECT count(*) FROM t WHERE " + " OR ".join(f"id = {i}" for i in range(1, n + 1))),
        ("+", "SELECT count(*) FROM t WHERE id + " + " + ".join(["0"] * n) + " > 0"),
        ("parentheses", "SELECT count(*) FROM t WHERE " + "(" * n + "id > 0" + ")" * n),
        ("scalar subqueries", "SELECT " + "(SELECT " * n + "2" + ")" * n),
        ("derived tables", "SELECT count(*) FROM " + "(SELECT * FROM " * n + "t" + ") x" * n),
        ("IN", "SELECT count(*) FROM t WHERE " + "id IN (SELECT id FROM t WHERE " * n + "TRUE" + ")" * n),
        ("CASE", "SELECT count(" + "CASE WHEN id > 0 THEN " * n + "1" + " END" * n + ") FROM t"),
        ("calls", "SELECT count(" + "abs(" * n + "id" + ")" * n + ") FROM t"),
        ("NOT", "SELECT count(*) FROM t WHERE " + "NOT " * (2 * n) + "TRUE"),
        ("casts", "SELECT 2" + "::integer" * n),
        ("UNION", "SELECT count(*) FROM (" + " UNION ".join(f"SELECT {i % 2}" for i in range(n)) + ") u"),
        ("list", f"SELECT count(*) FROM t WHERE id IN ({', '.join(map(str, range(n + 1)))})"),
        ("values", f"SELECT count(DISTINCT v) FROM (VALUES {', '.join(f'({i % 2})' for i in range(n + 1))}) AS x (v)"),
    ]


@pytest.mark.parametrize("n", [10, 1000, 2000])
def test_deep_statements(connection: eventdb.Connection, n: int) -> None:
    """The right answer, or StatementTooComplex."""
    answered = 0
    for name, statement in deep(n):
        try:
            assert connection.execute(statement).fetchall() == [(2,)], name
            answered += 1
        except errors.StatementTooComplex as error:
            assert error.sqlstate == "54001"  # noqa: PT017
            assert n > 10, name
    assert answered >= (14 if n == 10 else 3)
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (2,)


MEGABYTE = 1_000_000


@pytest.mark.parametrize(
    "text",
    ["x" * MEGABYTE, "(" * MEGABYTE, "'" * (MEGABYTE + 1), "SELECT 1 " * (MEGABYTE // 9), "\0" * MEGABYTE, "💥" * (MEGABYTE // 4),
     "SELECT " + "+ " * (MEGABYTE // 2), "DROP " * (MEGABYTE // 5), "1" * MEGABYTE, "/*" * (MEGABYTE // 2), "{[}]" * (MEGABYTE // 4)],
    ids=lambda text: text[:8].encode("unicode-escape"),
)  # fmt: skip
def test_a_megabyte_that_is_no_sql(connection: eventdb.Connection, text: str) -> None:
    """An error that doesn't repeat the megabyte."""
    with pytest.raises((eventdb.ProgrammingError, eventdb.DataError, errors.StatementTooComplex)) as caught:
        connection.execute(text)
    assert len(str(caught.value)) < 2000
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (2,)


def test_a_megabyte_that_is_sql(connection: eventdb.Connection) -> None:
    assert len(connection.execute("SELECT '" + "x" * MEGABYTE + "'").fetchone()[0]) == MEGABYTE
    assert connection.execute("SELECT 1 " + "-- " * (MEGABYTE // 3)).fetchone() == (1,)


# closed


def test_after_close() -> None:
    """Everything refuses with the same error, also an iteration that was begun; closing again is allowed."""
    connection = eventdb.connect(":memory:", autocommit=True)
    connection.execute("CREATE TABLE t (a INTEGER)")
    connection.executemany("INSERT INTO t VALUES (?)", [(i,) for i in range(2000)])
    cursor, other = connection.cursor(), connection.cursor()
    cursor.execute("SELECT a FROM t")
    assert cursor.fetchone() is not None
    other.close()
    other.close()
    for use in (other.fetchone, other.fetchall, lambda: next(other), lambda: other.execute("SELECT 1"), other.nextset):
        with pytest.raises(errors.ConnectionDoesNotExist) as caught:
            use()
        assert caught.value.sqlstate == "08003"
        assert isinstance(caught.value, eventdb.OperationalError | eventdb.InterfaceError)
    connection.close()
    connection.close()
    for use in (
        cursor.fetchone, cursor.fetchall, cursor.fetchmany, lambda: next(cursor), lambda: cursor.execute("SELECT 1"),
        lambda: cursor.executemany("INSERT INTO t VALUES (?)", [(1,)]), connection.cursor, connection.commit, connection.rollback,
        lambda: connection.execute("SELECT 1"), lambda: connection.head, connection.__enter__, connection.checkpoint, connection.verify,
        lambda: connection.transaction().__enter__(), lambda: setattr(connection, "autocommit", False),
    ):  # fmt: skip
        with pytest.raises(errors.ConnectionDoesNotExist):
            use()


def test_closed_while_iterated() -> None:
    connection = eventdb.connect(":memory:", autocommit=True)
    connection.execute("CREATE TABLE t (a INTEGER)")
    connection.executemany("INSERT INTO t VALUES (?)", [(i,) for i in range(2000)])
    seen = 0
    with pytest.raises(errors.ConnectionDoesNotExist):  # noqa: PT012
        for _ in connection.execute("SELECT a FROM t"):
            seen += 1
            if seen == 100:
                connection.close()
    assert seen == 100


def test_fetching_without_a_result(connection: eventdb.Connection) -> None:
    cursor = connection.cursor()
    for statement in (None, "CREATE TABLE made (a INTEGER)", "", "-- nothing"):
        if statement is not None:
            cursor.execute(statement)
        for fetch in (cursor.fetchone, cursor.fetchall, cursor.fetchmany):
            with pytest.raises(eventdb.ProgrammingError, match="no result"):
                fetch()


def test_connecting_with_bad_arguments() -> None:
    for arguments in (
        {"nosuch": 1}, {"isolation_level": "x"}, {"isolation_level": 1}, {"durability": "x"}, {"timeout": "x"}, {"timeout": -1},
        {"timeout": math.nan}, {"timezone": "nowhere"}, {"timezone": 5}, {"actor": 5}, {"metadata": 5}, {"metadata": {"a": object()}},
        {"metadata": {"a": math.nan}}, {"actor": "\ud800"}, {"metadata": {"\ud800": 1}}, {"metadata": {"a": 10**5000}}, {"metadata": {1: 1}},  # noqa: E501
    ):  # fmt: skip
        with pytest.raises(eventdb.Error) as caught:
            eventdb.connect(":memory:", **arguments)  # type: ignore[arg-type]
        assert isinstance(caught.value, eventdb.InterfaceError | eventdb.DataError), arguments
    for database in (None, 5, b"x", object(), "a\0b", ""):
        with pytest.raises(eventdb.Error):
            eventdb.connect(database)  # type: ignore[arg-type]
