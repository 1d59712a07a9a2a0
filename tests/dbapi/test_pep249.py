"""PEP 249 held against the driver, the optional parts too."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

import eventdb

SAMPLES = ["Cooper's", "Victoria Bitter", "Carlton", "Boag's", "Redback", "Tooheys"]


@pytest.fixture
def connection() -> Iterator[Any]:
    made = eventdb.connect(":memory:")
    yield made
    made.close()


@pytest.fixture
def booze(connection: Any) -> Any:
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE booze (id INTEGER PRIMARY KEY, name VARCHAR(20))")
    cursor.executemany("INSERT INTO booze VALUES (?, ?)", list(enumerate(SAMPLES)))
    return cursor


def test_module_globals() -> None:
    """apilevel, threadsafety and paramstyle say what the driver does."""
    assert eventdb.apilevel == "2.0"
    assert eventdb.threadsafety == 2
    assert eventdb.paramstyle == "qmark"
    assert callable(eventdb.connect)


def test_exception_hierarchy() -> None:
    """The exceptions form the tree of the specification."""
    assert issubclass(eventdb.Warning, Exception)
    assert issubclass(eventdb.Error, Exception)
    assert not issubclass(eventdb.Warning, eventdb.Error)
    assert issubclass(eventdb.InterfaceError, eventdb.Error)
    for name in ("DataError", "OperationalError", "IntegrityError", "InternalError", "ProgrammingError", "NotSupportedError"):
        assert issubclass(getattr(eventdb, name), eventdb.DatabaseError)


def test_exceptions_are_attributes_of_connections(connection: Any) -> None:
    """Code that knows only a connection can catch its errors (optional extension)."""
    for name in (
        "Warning", "Error", "InterfaceError", "DatabaseError", "DataError", "OperationalError", "IntegrityError", "InternalError",
        "ProgrammingError", "NotSupportedError",
    ):  # fmt: skip
        assert getattr(connection, name) is getattr(eventdb, name)


def test_cursor_attributes(booze: Any, connection: Any) -> None:
    """connection, rownumber, arraysize, messages."""
    assert booze.connection is connection
    assert booze.arraysize == 1
    assert booze.messages == []


def test_cursors_see_each_others_changes(connection: Any) -> None:
    """Cursors of one connection are not isolated."""
    one, two = connection.cursor(), connection.cursor()
    one.execute("CREATE TABLE t (a TEXT)")
    one.execute("INSERT INTO t VALUES ('x')")
    two.execute("SELECT a FROM t")
    assert two.fetchall() == [("x",)]


def test_description(connection: Any) -> None:
    """None where there is no result; else seven items a column, the type comparing equal to its type object."""
    cursor = connection.cursor()
    assert cursor.description is None
    cursor.execute("CREATE TABLE t (a VARCHAR(20), b INTEGER NOT NULL, c BYTEA, d DATE, e NUMERIC(10, 2))")
    assert cursor.description is None
    cursor.execute("INSERT INTO t VALUES ('x', 1, X'00', DATE '2020-02-29', 1.5)")
    assert cursor.description is None
    cursor.execute("SELECT a, b, c, d, e FROM t")
    description = cursor.description
    assert [len(column) for column in description] == [7] * 5
    assert [column[0] for column in description] == ["a", "b", "c", "d", "e"]
    assert description[0][1] == eventdb.STRING
    assert description[1][1] == eventdb.NUMBER
    assert description[2][1] == eventdb.BINARY
    assert description[3][1] == eventdb.DATETIME
    assert description[0][1] != eventdb.NUMBER
    assert description[4][4:6] == (10, 2)
    assert description[0][6] is True
    assert description[1][6] is False


def test_rowcount(connection: Any) -> None:
    """-1 or the rows of the last statement."""
    cursor = connection.cursor()
    assert cursor.rowcount == -1
    cursor.execute("CREATE TABLE t (a TEXT)")
    assert cursor.rowcount == -1
    cursor.execute("INSERT INTO t VALUES ('x'), ('y')")
    assert cursor.rowcount == 2
    cursor.execute("SELECT a FROM t")
    assert cursor.rowcount in (-1, 2)
    cursor.execute("UPDATE t SET a = 'z' WHERE a = 'nobody'")
    assert cursor.rowcount == 0
    cursor.executemany("INSERT INTO t VALUES (?)", [("1",), ("2",), ("3",)])
    assert cursor.rowcount == 3
    cursor.execute("DELETE FROM t")
    assert cursor.rowcount == 5


def test_execute_with_qmark_and_named_parameters(booze: Any) -> None:
    booze.execute("SELECT name FROM booze WHERE id = ?", (2,))
    assert booze.fetchone() == ("Carlton",)
    booze.execute("SELECT name FROM booze WHERE id = ?", [2])
    assert booze.fetchone() == ("Carlton",)
    booze.execute("SELECT name FROM booze WHERE id = :key AND id = :key", {"key": 3, "other": None})
    assert booze.fetchone() == ("Boag's",)


def test_executemany_with_mappings(connection: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE t (a TEXT)")
    cursor.executemany("INSERT INTO t VALUES (:beer)", [{"beer": name} for name in SAMPLES])
    cursor.execute("SELECT a FROM t ORDER BY a")
    assert [row[0] for row in cursor.fetchall()] == sorted(SAMPLES)


def test_executemany_with_nothing(booze: Any) -> None:
    booze.executemany("INSERT INTO booze VALUES (?, ?)", [])
    assert booze.rowcount == 0


def test_executemany_takes_a_generator(booze: Any) -> None:
    booze.executemany("INSERT INTO booze VALUES (?, ?)", ((n, str(n)) for n in range(100, 110)))
    assert booze.rowcount == 10


def test_fetchone(connection: Any) -> None:
    """Errors before a query and after a statement without result; None at the end."""
    cursor = connection.cursor()
    with pytest.raises(eventdb.Error):
        cursor.fetchone()
    cursor.execute("CREATE TABLE t (a TEXT)")
    with pytest.raises(eventdb.Error):
        cursor.fetchone()
    cursor.execute("SELECT a FROM t")
    assert cursor.fetchone() is None
    cursor.execute("INSERT INTO t VALUES ('x')")
    with pytest.raises(eventdb.Error):
        cursor.fetchone()
    cursor.execute("SELECT a FROM t")
    assert cursor.fetchone() == ("x",)
    assert cursor.fetchone() is None


def test_fetchmany(booze: Any, connection: Any) -> None:
    with pytest.raises(eventdb.Error):
        connection.cursor().fetchmany(4)
    booze.execute("SELECT name FROM booze ORDER BY id")
    assert len(booze.fetchmany()) == 1
    booze.arraysize = 4
    assert len(booze.fetchmany()) == 4
    assert len(booze.fetchmany()) == 1
    assert booze.fetchmany() == []
    booze.execute("SELECT name FROM booze ORDER BY id")
    assert [row[0] for row in booze.fetchmany(3)] == SAMPLES[:3]
    assert [row[0] for row in booze.fetchmany(10)] == SAMPLES[3:]
    with pytest.raises(eventdb.InterfaceError):
        booze.fetchmany(-1)


def test_fetchall(booze: Any, connection: Any) -> None:
    with pytest.raises(eventdb.Error):
        connection.cursor().fetchall()
    booze.execute("SELECT name FROM booze ORDER BY id")
    assert [row[0] for row in booze.fetchall()] == SAMPLES
    assert booze.fetchall() == []
    booze.execute("DELETE FROM booze")
    with pytest.raises(eventdb.Error):
        booze.fetchall()
    booze.execute("SELECT name FROM booze")
    assert booze.fetchall() == []


def test_mixed_fetch(booze: Any) -> None:
    booze.execute("SELECT name FROM booze ORDER BY id")
    rows = [booze.fetchone(), *booze.fetchmany(2), booze.fetchone(), *booze.fetchall()]
    assert [row[0] for row in rows] == SAMPLES


def test_iteration(booze: Any) -> None:
    booze.execute("SELECT name FROM booze ORDER BY id")
    assert [name for (name,) in booze] == SAMPLES
    with pytest.raises(StopIteration):
        next(booze)


def test_callproc_is_not_supported(booze: Any) -> None:
    with pytest.raises(eventdb.NotSupportedError):
        booze.callproc("lower", ("FOO",))


def test_nextset(booze: Any) -> None:
    booze.execute("SELECT 1")
    assert booze.nextset() is None


def test_setinputsizes_and_setoutputsize_do_nothing(booze: Any) -> None:
    booze.setinputsizes((25,))
    booze.setoutputsize(1000)
    booze.setoutputsize(2000, 0)
    booze.execute("SELECT name FROM booze")


def test_scroll_goes_forward(booze: Any) -> None:
    booze.execute("SELECT name FROM booze ORDER BY id")
    booze.scroll(2)
    assert booze.fetchone() == ("Carlton",)
    with pytest.raises(eventdb.NotSupportedError):
        booze.scroll(-1)
    with pytest.raises(IndexError):
        booze.scroll(100)


def test_lastrowid(connection: Any) -> None:
    cursor = connection.cursor()
    assert cursor.lastrowid is None
    cursor.execute("CREATE TABLE t (id INTEGER GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, a TEXT)")
    cursor.execute("INSERT INTO t (a) VALUES ('x')")
    assert cursor.lastrowid == 1
    cursor.execute("INSERT INTO t (a) VALUES ('y'), ('z')")
    assert cursor.lastrowid == 3


def test_closed_cursor(connection: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("SELECT 1")
    cursor.close()
    cursor.close()
    for use in (lambda: cursor.execute("SELECT 1"), cursor.fetchone, cursor.fetchall, cursor.nextset, lambda: cursor.setinputsizes(())):
        with pytest.raises(eventdb.InterfaceError):
            use()


def test_closed_connection() -> None:
    """Every use of a closed connection and its cursors raises an Error; close itself does not."""
    connection = eventdb.connect(":memory:")
    cursor = connection.cursor()
    cursor.execute("SELECT 1")
    connection.close()
    connection.close()
    for use in (connection.commit, connection.rollback, connection.cursor, lambda: cursor.execute("SELECT 1"), cursor.fetchone):
        with pytest.raises(eventdb.Error) as caught:
            use()
        assert caught.value.sqlstate == "08003"


def test_commit_and_rollback(tmp_path: Any) -> None:
    """Closing without commit rolls back; commit keeps; both work without a transaction."""
    path = tmp_path / "db"
    connection = eventdb.connect(path)
    connection.commit()
    connection.rollback()
    connection.execute("CREATE TABLE t (a INTEGER)")
    connection.commit()
    connection.execute("INSERT INTO t VALUES (1)")
    connection.close()
    connection = eventdb.connect(path)
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
    connection.execute("INSERT INTO t VALUES (1)")
    connection.rollback()
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
    connection.execute("INSERT INTO t VALUES (1)")
    connection.commit()
    connection.close()
    connection = eventdb.connect(path)
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (1,)
    connection.close()


def test_connection_as_context_manager(connection: Any) -> None:
    """Commits at the end, rolls back on an exception, stays open."""
    with connection:
        connection.execute("CREATE TABLE t (a INTEGER)")
    assert not connection.in_transaction
    with pytest.raises(RuntimeError), connection:  # noqa: PT012
        connection.execute("INSERT INTO t VALUES (1)")
        raise RuntimeError
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_cursor_as_context_manager(connection: Any) -> None:
    with connection.cursor() as cursor:
        assert cursor.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(eventdb.InterfaceError):
        cursor.fetchone()


def test_null_round_trip(connection: Any) -> None:
    connection.execute("CREATE TABLE t (a TEXT)")
    connection.execute("INSERT INTO t VALUES (?)", (None,))
    assert connection.execute("SELECT a FROM t").fetchone() == (None,)


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ("BINARY", eventdb.Binary(b"\0\xff")), ("DATE", eventdb.Date(2002, 12, 25)), ("TIME", eventdb.Time(13, 45, 30)),
        ("TIMESTAMP", eventdb.Timestamp(2002, 12, 25, 13, 45, 30)), ("NUMERIC(10,2)", Decimal("1.50")),
    ],
)  # fmt: skip
def test_constructed_values_go_in_and_come_out(connection: Any, declared: str, value: Any) -> None:
    connection.execute(f"CREATE TABLE t (a {'BYTEA' if declared == 'BINARY' else declared})")
    connection.execute("INSERT INTO t VALUES (?)", (value,))
    assert connection.execute("SELECT a FROM t").fetchone() == (value,)


def test_constructors_from_ticks() -> None:
    ticks = time.mktime((2002, 12, 25, 13, 45, 30, 0, 0, -1))
    assert eventdb.DateFromTicks(ticks) == datetime.date(2002, 12, 25)
    assert eventdb.TimeFromTicks(ticks) == datetime.time(13, 45, 30)
    assert eventdb.TimestampFromTicks(ticks) == datetime.datetime(2002, 12, 25, 13, 45, 30)


def test_type_objects_are_distinct() -> None:
    objects = [eventdb.STRING, eventdb.BINARY, eventdb.NUMBER, eventdb.DATETIME, eventdb.ROWID]
    assert len(set(objects)) == 5


def test_autocommit(connection: Any) -> None:
    """Off by default; settable outside a transaction; on, every statement is committed."""
    assert connection.autocommit is False
    connection.execute("CREATE TABLE t (a INTEGER)")
    with pytest.raises(eventdb.OperationalError):
        connection.autocommit = True
    connection.commit()
    connection.autocommit = True
    connection.execute("INSERT INTO t VALUES (1)")
    assert not connection.in_transaction
    connection.rollback()
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (1,)
    connection.execute("BEGIN")
    connection.execute("INSERT INTO t VALUES (2)")
    connection.execute("ROLLBACK")
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (1,)


def test_row_factories(booze: Any, connection: Any) -> None:
    """Tuples, dicts, named tuples and rows with names."""
    text = "SELECT id, name FROM booze WHERE id = 2"
    assert connection.execute(text).fetchone() == (2, "Carlton")
    connection.row_factory = eventdb.dict_row
    assert connection.execute(text).fetchone() == {"id": 2, "name": "Carlton"}
    connection.row_factory = eventdb.namedtuple_row
    assert connection.execute(text).fetchone().name == "Carlton"
    connection.row_factory = eventdb.Row
    row = connection.execute(text).fetchone()
    assert row == (2, "Carlton")
    assert row["NAME"] == row[1] == "Carlton"
    assert dict(row) == {"id": 2, "name": "Carlton"}
    with pytest.raises(KeyError):
        row["nothing"]


def test_json_is_parsed_when_fetched(connection: Any) -> None:
    connection.execute("CREATE TABLE t (a JSON)")
    connection.execute("INSERT INTO t VALUES (?)", ({"x": [1, None]},))
    assert connection.execute("SELECT a FROM t").fetchone() == ({"x": [1, None]},)


def test_executescript(connection: Any) -> None:
    connection.executescript("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1); -- that is all\n INSERT INTO t VALUES (2);")
    assert connection.execute("SELECT a FROM t ORDER BY a").fetchall() == [(1,), (2,)]


def test_an_open_result_is_not_disturbed(connection: Any) -> None:
    """Rows come from the moment of execution, whatever is written while they are fetched, and after commit."""
    connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")
    connection.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(3000)])
    cursor = connection.execute("SELECT a FROM t")
    first = cursor.fetchmany(10)
    connection.execute("DELETE FROM t")
    connection.commit()
    assert len(first) + len(cursor.fetchall()) == 3000


def test_json_is_parsed_by_the_callers_function() -> None:
    connection = eventdb.connect(":memory:", json_loads=lambda text: text.upper())
    assert connection.execute("SELECT CAST('{\"a\": 1}' AS JSON)").fetchone() == ('{"A": 1}',)
    connection.close()
    with pytest.raises(eventdb.InterfaceError, match="must be a function"):
        eventdb.connect(":memory:", json_loads=5)  # type: ignore[arg-type]


def test_parameters_under_a_cast_need_not_fit_it(connection: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE t (x VARCHAR(5), n INTEGER)")
    cursor.executemany("INSERT INTO t VALUES (CAST(? AS VARCHAR(3)), ?)", [(1, 1), (12, 2)])
    assert cursor.execute("SELECT x FROM t ORDER BY n").fetchall() == [("1",), ("12",)]
    with pytest.raises(eventdb.ProgrammingError):
        cursor.execute("INSERT INTO t VALUES (CAST(? AS VARCHAR(3)), ?)", (1, 1.5))


def test_a_null_parameter_needs_no_type(connection: Any) -> None:
    assert connection.execute("SELECT :x, :x IS NULL, CASE WHEN :x IS NULL THEN 1 ELSE :x END", {"x": None}).fetchone() == (None, True, 1)


def test_a_closed_cursor_still_knows_its_counts(booze: Any) -> None:
    booze.execute("UPDATE booze SET name = 'x' WHERE id < 2")
    booze.close()
    assert booze.rowcount == 2


def test_executemany_gives_rows_in_the_order_of_its_parameters(connection: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE t (id INTEGER GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, x TEXT UNIQUE)")
    names = [(name,) for name in "cab"]
    assert cursor.executemany("INSERT INTO t (x) VALUES (?) RETURNING id, x", names).fetchall() == [(1, "c"), (2, "a"), (3, "b")]
    assert cursor.executemany("UPDATE t SET x = x || '!' WHERE x = ? RETURNING x", names).fetchall() == [("c!",), ("a!",), ("b!",)]
    with pytest.raises(eventdb.IntegrityError):
        cursor.executemany("INSERT INTO t (x) VALUES (?) RETURNING id", [("d",), ("a!",)])
    assert cursor.execute("SELECT count(*) FROM t").fetchone() == (3,)
    told = cursor.executemany("INSERT INTO t (x) VALUES (?) RETURNING x || ?", [("e", "1"), ("f", "2")]).fetchall()
    assert told == [("e1",), ("f2",)]
    again = "INSERT INTO t (x) VALUES (?) ON CONFLICT DO NOTHING RETURNING x"
    assert cursor.executemany(again, [("g",), ("a!",), ("h",)]).fetchall() == [("g",), ("h",)]
