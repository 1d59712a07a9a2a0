"""Functions and aggregates registered from Python: where they can be called, what they get and give, and what goes wrong."""

from __future__ import annotations

import datetime
import hashlib
import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

import eventdb
from eventdb import errors


@pytest.fixture
def connection() -> Iterator[eventdb.Connection]:
    with eventdb.connect(":memory:", autocommit=True) as connection:
        connection.executescript(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, about JSON, price NUMERIC(8,2));"
            """INSERT INTO t VALUES (1, 'ann', '{"a": [1, 2]}', 1.5), (2, 'bob', NULL, 2), (3, NULL, '[]', 2.5)"""
        )
        yield connection
    connection.close()


def ask(connection: eventdb.Connection, query: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
    return connection.execute(query, parameters).fetchall()


def half(value: int | None) -> float | None:
    return None if value is None else value / 2


class Product:
    def __init__(self) -> None:
        self.value = Decimal(1)

    def step(self, value: Decimal | None) -> None:
        if value is not None:
            self.value *= value

    def finalize(self) -> Decimal:
        return self.value


class Joined:
    def __init__(self) -> None:
        self.parts: list[str] = []

    def step(self, text: str, between: str) -> None:
        self.parts.append(f"{text}{between}")

    def finalize(self) -> str | None:
        return "".join(self.parts) or None


def test_a_function_is_called_for_each_row_with_none_for_null(connection: eventdb.Connection) -> None:
    connection.create_function("half", 1, half)
    assert ask(connection, "SELECT id, half(id) FROM t WHERE half(id) > 0.5 ORDER BY half(id) DESC") == [(3, 1.5), (2, 1.0)]
    assert ask(connection, "SELECT HALF(NULL), half(?)", (5,)) == [(None, 2.5)]
    cursor = connection.execute("SELECT half(id) FROM t")
    assert cursor.description is not None
    assert cursor.description[0][0] == "half"


def test_the_result_type_comes_from_returns_or_the_annotation(connection: eventdb.Connection) -> None:
    connection.create_function("md5sum", 1, lambda data: hashlib.md5(data).hexdigest(), returns="text", deterministic=True)
    connection.create_function("root", 1, math.sqrt, returns=float)
    connection.create_function("cents", 1, lambda n: n, returns="numeric(6,1)")
    connection.create_function("day", 1, lambda text: datetime.date.fromisoformat(text), returns=datetime.date)
    assert ask(connection, "SELECT md5sum('x'::bytea), root(9), cents(1.25) + 1, day('2020-02-29') + 1") == [
        ("9dd4e461268c8034f5c8564e155c67a6", 3.0, Decimal("2.3"), datetime.date(2020, 3, 1))
    ]
    with pytest.raises(errors.InvalidParameterValue, match="result type of function f is not known"):
        connection.create_function("f", 0, lambda: 1)
    with pytest.raises(errors.UndefinedObject):
        connection.create_function("f", 0, lambda: 1, returns="nonsense")


def test_json_goes_in_and_out_parsed(connection: eventdb.Connection) -> None:
    seen: list[Any] = []

    def keys(document: Any) -> list[str] | None:
        seen.append(document)
        return None if document is None else sorted(document)

    connection.create_function("keys", 1, keys)
    assert ask(connection, "SELECT keys(about) FROM t ORDER BY id") == [(["a"],), (None,), ([],)]
    assert seen == [{"a": [1, 2]}, None, []]


def test_any_number_of_arguments_and_several_functions_of_one_name(connection: eventdb.Connection) -> None:
    connection.create_function("many", -1, lambda *values: len(values), returns=int)
    connection.create_function("many", 2, lambda a, b: -1, returns=int)
    assert ask(connection, "SELECT many(), many(1), many(1, 2), many(1, 2, 3)") == [(0, 1, -1, 3)]
    connection.create_function("many", 2, None)
    assert ask(connection, "SELECT many(1, 2)") == [(2,)]


def test_one_may_stand_for_a_function_of_sql_and_go_again(connection: eventdb.Connection) -> None:
    query = "SELECT upper(name) FROM t WHERE id = 1"
    assert ask(connection, query) == [("ANN",)]
    connection.create_function("upper", 1, lambda text: f"<{text}>", returns="text")
    assert ask(connection, query) == [("<ann>",)]
    assert ask(connection, "SELECT pg_catalog.upper(name) FROM t WHERE id = 1") == [("ANN",)]
    connection.create_function("upper", 1, None)
    assert ask(connection, query) == [("ANN",)]


def test_an_index_over_a_function_of_sql_is_not_used_for_its_namesake(connection: eventdb.Connection) -> None:
    connection.execute("CREATE INDEX t_upper ON t (upper(name))")
    connection.create_function("upper", 1, lambda text: "same", returns="text", deterministic=True)
    assert ask(connection, "SELECT id FROM t WHERE upper(name) = 'same' ORDER BY id") == [(1,), (2,), (3,)]


def test_writes_call_functions_and_the_log_keeps_what_they_gave(tmp_path: Any) -> None:
    with eventdb.connect(tmp_path / "db") as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v DOUBLE PRECISION)")
        connection.create_function("half", 1, half)
        connection.execute("INSERT INTO t VALUES (1, half(?))", (3,))
        connection.executemany("INSERT INTO t VALUES (?, half(?))", [(2, 5), (3, 7)])
        connection.execute("UPDATE t SET v = half(id) WHERE id = 3 RETURNING half(id)")
        connection.execute("CREATE TABLE c AS SELECT half(id) AS h FROM t")
    connection.close()
    with eventdb.connect(tmp_path / "db") as connection:
        assert ask(connection, "SELECT v FROM t ORDER BY id") == [(1.5,), (2.5,), (1.5,)]
        assert ask(connection, "SELECT h FROM c ORDER BY h") == [(0.5,), (1.0,), (1.5,)]
        with pytest.raises(errors.UndefinedFunction):
            connection.execute("SELECT half(1)")
    connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW v AS SELECT half(id) FROM t",
        "CREATE INDEX i ON t (half(id))",
        "CREATE TABLE u (a INTEGER DEFAULT half(1))",
        "CREATE TABLE u (a INTEGER CHECK (half(a) > 0))",
        "ALTER TABLE t ADD COLUMN h DOUBLE PRECISION GENERATED ALWAYS AS (half(id)) STORED",
    ],
)
def test_what_outlives_the_connection_cannot_call_one(connection: eventdb.Connection, statement: str) -> None:
    connection.create_function("half", 1, half, deterministic=True)
    with pytest.raises(errors.UndefinedFunction):
        connection.execute(statement)


def test_an_exception_becomes_an_error_and_the_statement_leaves_nothing(connection: eventdb.Connection) -> None:
    def fails(value: int) -> int:
        if value == 2:
            raise KeyError("two")
        return value

    connection.create_function("fails", 1, fails)
    with pytest.raises(errors.ExternalRoutineException, match="function fails raised KeyError: 'two'") as caught:
        connection.execute("UPDATE t SET price = fails(id)")
    assert caught.value.sqlstate == "38000"
    assert isinstance(caught.value.__cause__, KeyError)
    assert ask(connection, "SELECT sum(price) FROM t") == [(Decimal("6.00"),)]


def test_a_result_of_another_type_is_an_error(connection: eventdb.Connection) -> None:
    connection.create_function("odd", 0, lambda: "x", returns=int)
    connection.create_function("large", 0, lambda: 2**70, returns=int)
    for call in ("odd()", "large()"):
        with pytest.raises(errors.ExternalRoutineException, match="that is no bigint"):
            connection.execute(f"SELECT {call}")


def test_a_deterministic_function_may_be_computed_once_another_may_not(connection: eventdb.Connection) -> None:
    calls: list[int] = []

    def tick() -> int:
        calls.append(1)
        return len(calls)

    connection.create_function("tick", 0, tick)
    assert ask(connection, "SELECT tick(), tick() FROM t WHERE id < 3") == [(1, 2), (3, 4)]


def test_aggregates_group_filter_order_and_slide(connection: eventdb.Connection) -> None:
    connection.create_aggregate("product", 1, Product)
    connection.create_aggregate("joined", 2, Joined)
    assert ask(connection, "SELECT product(price), product(price) FILTER (WHERE id > 1), product(DISTINCT id) FROM t") == [
        (Decimal("7.500000"), Decimal("5.0000"), Decimal(6))
    ]
    assert ask(connection, "SELECT joined(name, '-' ORDER BY id DESC) FROM t WHERE name IS NOT NULL") == [("bob-ann-",)]
    assert ask(connection, "SELECT joined(name, '') FROM t WHERE false") == [(None,)]
    assert ask(connection, "SELECT id % 2 AS odd, product(id) FROM t GROUP BY 1 HAVING product(id) > 1 ORDER BY 1") == [
        (0, Decimal(2)), (1, Decimal(3)),
    ]  # fmt: skip
    assert ask(connection, "SELECT product(id) OVER (ORDER BY id) FROM t") == [(Decimal(1),), (Decimal(2),), (Decimal(6),)]
    with pytest.raises(errors.GroupingError):
        connection.execute("SELECT name, product(id) FROM t")


def test_an_aggregate_that_raises(connection: eventdb.Connection) -> None:
    class Broken:
        def step(self, value: int) -> None:
            raise ValueError("no")

        def finalize(self) -> int:
            return 1

    connection.create_aggregate("broken", 1, Broken)
    with pytest.raises(errors.ExternalRoutineException, match="function broken raised ValueError: no"):
        connection.execute("SELECT broken(id) FROM t")


@pytest.mark.parametrize(
    ("name", "nargs", "code"), [("", 0, len), (3, 0, len), ("f", -2, len), ("f", "1", len), ("f", 1, "code"), ("f", True, len)]
)
def test_arguments_are_checked(connection: eventdb.Connection, name: Any, nargs: Any, code: Any) -> None:
    with pytest.raises(errors.ProgrammingError):
        connection.create_function(name, nargs, code, returns=int)


def test_each_connection_has_its_own() -> None:
    with eventdb.connect(":memory:functions") as one, eventdb.connect(":memory:functions") as two:
        one.create_function("mine", 0, lambda: 1, returns=int)
        assert ask(one, "SELECT mine()") == [(1,)]
        with pytest.raises(errors.UndefinedFunction):
            two.execute("SELECT mine()")
    one.close()
    two.close()
    with pytest.raises(errors.ConnectionDoesNotExist):
        one.create_function("mine", 0, lambda: 1, returns=int)
