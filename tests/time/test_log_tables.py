"""The log in SQL: what eventdb.transactions, events, schema_history and snapshots say, and how few records conditions make them read."""

from __future__ import annotations

import datetime
import itertools
import operator
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from engine.records import ask

import eventdb

MANY = 200


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[eventdb.Connection]:
    """Some `MANY` transactions: one table that all touch, one that few touch, schema changes now and then; reopened from the disk."""
    path = tmp_path_factory.mktemp("log") / "db"
    with eventdb.connect(path, autocommit=True, durability="none") as connection:
        connection.execute("CREATE TABLE busy (id INTEGER PRIMARY KEY, n INTEGER)")
        connection.execute("CREATE TABLE quiet (id INTEGER PRIMARY KEY, n INTEGER)")
        connection.execute("INSERT INTO busy VALUES (1, 0)")
        for i in range(4, MANY + 1):
            with connection.transaction(actor=f"actor {i % 3}", reason=None if i % 2 else "even", metadata={"i": i}):
                if i % 50 == 0:
                    connection.execute("INSERT INTO quiet VALUES (?, ?)", (i, i))
                elif i % 70 == 0:
                    connection.execute(f"ALTER TABLE busy ADD COLUMN c{i} TEXT")
                else:
                    connection.execute("UPDATE busy SET n = n + 1")
        assert connection.head == MANY
        connection.close()
    connection = eventdb.connect(path, autocommit=True)
    yield connection
    connection.close()


def test_transactions(connection: eventdb.Connection) -> None:
    rows, _ = ask(connection, "SELECT * FROM eventdb.transactions")
    assert [row[0] for row in rows] == list(range(1, MANY + 1))
    assert all(a[1] < b[1] for a, b in itertools.pairwise(rows))
    assert rows[9][2:7] == ("actor 1", "even", None, {"i": 10}, 1)
    assert len({bytes(row[7]) for row in rows}) == MANY


def test_events_are_rows_before_and_after(connection: eventdb.Connection) -> None:
    rows, _ = ask(connection, "SELECT * FROM eventdb.events WHERE transaction IN (3, 4, 50)")
    assert rows == [
        (3, 1, "insert", "public", "busy", {"id": 1}, None, {"id": 1, "n": 0}),
        (4, 1, "update", "public", "busy", {"id": 1}, {"id": 1, "n": 0}, {"id": 1, "n": 1}),
        (50, 1, "insert", "public", "quiet", {"id": 50}, None, {"id": 50, "n": 50}),
    ]


@pytest.mark.parametrize("name", ["transactions", "events", "schema_history"])
def test_columns_that_are_not_used_are_not_missed(connection: eventdb.Connection, name: str) -> None:
    """Each column alone, in the result or in a condition, says what it says beside all others."""
    cursor = connection.execute(f"SELECT * FROM eventdb.{name}")
    columns = [column[0] for column in cursor.description or ()]
    rows = cursor.fetchall()
    for place, column in enumerate(columns):
        assert ask(connection, f"SELECT {column} FROM eventdb.{name}")[0] == [(row[place],) for row in rows]
        present = sum(row[place] is not None for row in rows)
        assert ask(connection, f"SELECT count(*) FROM eventdb.{name} WHERE {column} IS NOT NULL")[0] == [(present,)]
    assert ask(connection, f"SELECT count(*) FROM eventdb.{name}")[0] == [(len(rows),)]


def test_json_columns_can_be_looked_into(connection: eventdb.Connection) -> None:
    query = "SELECT transaction, after ->> 'n' FROM eventdb.events WHERE table_name = 'quiet' AND (after ->> 'n')::int > 120"
    assert ask(connection, query)[0] == [(150, "150"), (200, "200")]
    assert ask(connection, "SELECT (metadata ->> 'i')::int FROM eventdb.transactions WHERE number = 9")[0] == [(9,)]


def test_every_change_with_who_and_why(connection: eventdb.Connection) -> None:
    query = """SELECT e.operation, e.key ->> 'id', t.actor, t.reason, t.metadata FROM eventdb.events e
        JOIN eventdb.transactions t ON t.number = e.transaction WHERE e.table_name = 'quiet' ORDER BY t.number LIMIT 1"""
    assert ask(connection, query)[0] == [("insert", "50", "actor 2", "even", {"i": 50})]


def test_schema_history(connection: eventdb.Connection) -> None:
    rows, read = ask(
        connection, "SELECT transaction, operation, object_type, object_schema, object_name, table_name, change FROM eventdb.schema_history"
    )
    assert rows == [
        (1, "create table", "table", "public", "busy", "busy", "table created"),
        (2, "create table", "table", "public", "quiet", "quiet", "table created"),
        (70, "alter table", "table", "public", "busy", "busy", 'column "c70" added'),
        (140, "alter table", "table", "public", "busy", "busy", 'column "c140" added'),
    ]
    assert read <= 4
    ((definition,),), read = ask(connection, "SELECT definition FROM eventdb.schema_history WHERE transaction = 70")
    assert read == 1
    assert [column["name"] for column in definition["columns"]] == ["id", "n", "c70"]
    assert definition["columns"][0] == {"name": "id", "type": "integer", "nullable": False}
    assert definition["constraints"] == [{"name": "busy_pkey", "kind": "primary key", "columns": ["id"]}]


def test_snapshots(connection: eventdb.Connection, tmp_path: Path) -> None:
    rows, _ = ask(connection, "SELECT s.number, s.bytes > 0, t.number, s.committed_at = t.committed_at"
                  " FROM eventdb.snapshots s JOIN eventdb.transactions t ON t.number = s.number")  # fmt: skip
    assert rows == [(MANY, True, MANY, True)]
    assert ask(connection, f"SELECT * FROM eventdb.snapshots FOR SYSTEM_TIME AS OF TRANSACTION {MANY - 1}")[0] == []


# condition, parameters → the most records that may be read for it
TRANSACTIONS: list[tuple[str, tuple[Any, ...], int]] = [
    (f"number = {MANY}", (), 1), ("number = ?", (7,), 1), ("number IN (5, 9, 195)", (), 6), (f"number > {MANY - 5}", (), 5),
    ("? <= number AND number < ?", (100, 103), 3), ("number BETWEEN 20 AND 24", (), 5), ("number < 4 AND number > 1", (), 2),
    ("number = NULL", (), 0), ("number > 5 AND number < 3", (), 0), ("number = 1000", (), 0), ("number IN (3, NULL)", (), 1),
    ("number = 5 OR number = 6", (), 2), ("number = (SELECT 5)", (), 1), ("number % 2 = 0", (), MANY),
    ("number > 190.5", (), MANY), ("number = 5 AND number = 6", (), 0),
    ("number = ? OR number IN (7, NULL) OR number = 9", (5,), 5),
    ("NOT number > 3", (), 3), ("NOT (number > 3 OR number = 1)", (), 3), ("NOT (number > 3 AND number < 190)", (), MANY),
    ("NOT (NOT number = 4)", (), 1), ("number BETWEEN SYMMETRIC 24 AND 20", (), MANY), ("number NOT BETWEEN 4 AND 500", (), MANY),
    ("number > (SELECT 198::bigint)", (), 2), ("number < (SELECT NULL::bigint)", (), 0), ("number IN (SELECT 7 UNION ALL SELECT 7)", (), 1),
    ("(number, 1) = (7, 1)", (), 1), ("number = ?", (float("nan"),), 0), ("number >= ?", (float("nan"),), 0),
    ("number < ?", (float("nan"),), MANY), ("number > ?", (float("inf"),), 0), ("number <= ?", (float("inf"),), MANY),
    ("number < ?", (float("-inf"),), 0), ("number >= ?", (float("-inf"),), MANY), ("number > ?", (None,), 0),
    ("number = ?", (10**30,), 0), ("number < ?", (10**30,), MANY), ("number > ?", (Decimal("195.5"),), 5),
    ("number <= ?", (Decimal("3.5"),), 3), ("number = ?", (Decimal("3.5"),), 0), ("number IN (?, ?)", (4, Decimal("4.5")), 1),
    ("number > -5 AND number <= 2", (), 2), ("number = -5", (), 0), ("number = 9223372036854775807", (), 0),
    ("number = 7::smallint", (), 1), ("number::text = '7'", (), MANY), ("number IS NOT DISTINCT FROM 7", (), MANY),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "parameters", "most"), TRANSACTIONS)
def test_conditions_on_the_number(connection: eventdb.Connection, condition: str, parameters: tuple[Any, ...], most: int) -> None:
    """The same rows as without the hint, from few records."""
    rows, read = ask(connection, f"SELECT number, actor FROM eventdb.transactions WHERE {condition}", parameters)
    everything = "(SELECT number, actor FROM eventdb.transactions LIMIT 100000) AS transactions"
    expected, all_read = ask(connection, f"SELECT number, actor FROM {everything} WHERE {condition}", parameters)
    assert rows == expected
    assert all_read == MANY
    assert read <= most
    for table in ("events", "schema_history"):
        named = condition.replace("number", "transaction").replace("actor", "table_schema")
        rows, read = ask(connection, f"SELECT * FROM eventdb.{table} WHERE {named}", parameters)
        expected, _ = ask(connection, f"SELECT * FROM (SELECT * FROM eventdb.{table} LIMIT 100000) AS e WHERE {named}", parameters)
        assert rows == expected
        assert read <= most


def test_conditions_on_the_time(connection: eventdb.Connection) -> None:
    times = [time for (time,) in connection.execute("SELECT committed_at FROM eventdb.transactions")]
    for symbol, holds in {"=": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}.items():
        for time in (times[9], times[9] + datetime.timedelta(microseconds=1)):
            wanted = [i for i, t in enumerate(times, 1) if holds(t, time)]
            rows, read = ask(connection, f"SELECT number, actor FROM eventdb.transactions WHERE committed_at {symbol} ?", (time,))
            assert [n for n, _ in rows] == wanted, symbol
            assert len(wanted) <= read <= len(wanted) + 1


def test_several_times_and_times_of_all_kinds(connection: eventdb.Connection) -> None:
    times = [time for (time,) in connection.execute("SELECT committed_at FROM eventdb.transactions")]
    second = datetime.timedelta(microseconds=1)
    query = "SELECT number, actor FROM eventdb.transactions WHERE "
    naive, zoned = times[9].replace(tzinfo=None), times[9].astimezone(datetime.timezone(datetime.timedelta(hours=-9)))
    for condition, parameters, wanted in [
        ("committed_at IN (?, ?, ?)", (times[9], times[99], times[19] + second), [10, 100]),
        ("committed_at = ? OR committed_at = ?", (times[9], None), [10]),
        ("committed_at = ?", (naive,), [10]), ("committed_at = ?", (zoned,), [10]), ("committed_at = ?", (zoned.isoformat(),), [10]),
        ("committed_at BETWEEN ? AND ?", (times[9], times[11]), [10, 11, 12]), ("committed_at < ?", (datetime.datetime.min,), []),
        ("committed_at > ?", (datetime.datetime.max,), []), ("committed_at < '0001-01-01'", (), []),
        ("committed_at > (SELECT committed_at FROM eventdb.transactions WHERE number = 198)", (), [199, 200]),
        ("committed_at > now()", (), []), ("committed_at > now() + INTERVAL '1 year'", (), []), ("committed_at = NULL", (), []),
    ]:  # fmt: skip
        rows, read = ask(connection, query + condition, parameters)
        assert [number for number, _ in rows] == wanted, condition
        assert read <= len(wanted) + 1, condition


def test_prepared_once_asked_again() -> None:
    """The same text with other values, after more transactions, another schema and a trimmed past."""
    memory = eventdb.connect(":memory:", autocommit=True)
    memory.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    by_number = "SELECT number, events FROM eventdb.transactions WHERE number >= ?"
    by_table = "SELECT transaction, key ->> 'id' FROM eventdb.events WHERE table_name = ? AND transaction > ?"
    for i in range(2, 60):
        memory.execute("INSERT INTO t VALUES (?)", (i,))
        assert ask(memory, by_number, (i,)) == ([(i, 1)], 1)
        assert ask(memory, by_table, ("t", i - 1)) == ([(i, str(i))], 1)
    assert ask(memory, by_table, ("u", 0))[0] == []
    memory.execute("ALTER TABLE t RENAME TO u")
    assert ask(memory, by_table, ("t", 57))[0] == [(58, "58"), (59, "59")]
    memory.execute("INSERT INTO u VALUES (61)")
    assert ask(memory, by_table, ("u", 50))[0] == [(61, "61")]
    memory.execute("DELETE FROM u WHERE id < 10")
    memory.execute("DELETE HISTORY FROM u BEFORE TRANSACTION 40")
    assert [number for number, _ in ask(memory, by_table, ("t", 0))[0]] == list(range(41, 60))
    with memory.transaction() as transaction:
        memory.execute("INSERT INTO u VALUES (99)")
        assert ask(memory, by_table, ("u", 61))[0] == [(62, str(i)) for i in range(2, 10)], "the transaction under way is not in the log"
        transaction.rollback()
    memory.close()


def test_the_last_one(connection: eventdb.Connection) -> None:
    """Reading from the end serves min and max too, whatever else is asked."""
    query = "SELECT {} FROM eventdb.events WHERE {}"
    for what, where, expected, most in [
        ("max(transaction)", "TRUE", (200,), 16), ("min(transaction)", "TRUE", (3,), 16), ("max(transaction)", "FALSE", (None,), 0),
        ("max(transaction)", "table_name = 'quiet'", (200,), 16), ("max(transaction)", "operation = 'delete'", (None,), MANY),
        ("max(transaction)", "transaction < 100 AND table_name = 'busy'", (99,), 16),
        ("max(transaction), count(*)", "transaction > 195", (200, 5), 5),
    ]:  # fmt: skip
        rows, read = ask(connection, query.format(what, where))
        assert rows == [expected]
        assert read <= most
    query = "SELECT number FROM eventdb.transactions WHERE number > (SELECT max(number) - 3 FROM eventdb.transactions)"
    assert ask(connection, query) == ([(198,), (199,), (200,)], 0)
    rows, read = ask(connection, "SELECT actor FROM eventdb.transactions WHERE number = (SELECT max(transaction) FROM eventdb.events)")
    assert rows == [("actor 2",)]
    assert read <= 17


def test_conditions_on_the_table(connection: eventdb.Connection) -> None:
    """Only transactions that touched a table of that name are read."""
    rows, read = ask(connection, "SELECT transaction FROM eventdb.events WHERE table_name = 'quiet'")
    assert rows == [(50,), (100,), (150,), (200,)]
    assert read <= 8 + 4
    rows, read = ask(connection, "SELECT transaction FROM eventdb.events WHERE table_name = ? AND transaction > 120", ("quiet",))
    assert rows == [(150,), (200,)]
    assert read <= 4 + 1
    for column in ("table_name", "table_schema"):
        rows, read = ask(connection, f"SELECT * FROM eventdb.events WHERE {column} = 'nothing'")
        assert rows == []
        assert read <= 4, "those that changed the schema"
    rows, read = ask(connection, "SELECT count(*) FROM eventdb.events WHERE table_name IN ('busy', 'quiet')")
    assert rows == [(MANY - 4,)]
    explained = "\n".join(line for (line,) in connection.execute("EXPLAIN SELECT * FROM eventdb.events WHERE table_name = 'quiet'"))
    assert "table_name = 'quiet'" in explained


def test_names_of_then(connection: eventdb.Connection) -> None:
    """A row change stands under the name that its table had: renamed, dropped and made again, in another schema."""
    memory = eventdb.connect(":memory:", autocommit=True)
    memory.executescript(
        """CREATE TABLE a (x INTEGER); INSERT INTO a VALUES (1); ALTER TABLE a RENAME TO b; INSERT INTO b VALUES (2); DROP TABLE b;
        CREATE TABLE a (y TEXT); INSERT INTO a VALUES ('3'); CREATE SCHEMA s; CREATE TABLE s.a (z INTEGER); INSERT INTO s.a VALUES (4)"""
    )
    seen = {name: ask(memory, "SELECT table_schema, after FROM eventdb.events WHERE table_name = ?", (name,))[0] for name in "ab"}
    assert seen["a"] == [("public", {"x": 1}), ("public", {"y": "3"}), ("s", {"z": 4})]
    assert seen["b"] == [("public", {"x": 2})]
    assert ask(memory, "SELECT after FROM eventdb.events WHERE table_name = 'a' AND table_schema = 's'")[0] == [({"z": 4},)]
    memory.executescript("BEGIN; CREATE TABLE c (i INTEGER); INSERT INTO c VALUES (1)")
    memory.executescript("ALTER TABLE c RENAME TO d; DELETE FROM d; DROP TABLE d; COMMIT")
    assert ask(memory, "SELECT operation FROM eventdb.events WHERE table_name = 'c'")[0] == [("insert",)]
    assert ask(memory, "SELECT operation FROM eventdb.events WHERE table_name = 'd'")[0] == [("delete",)]
    memory.close()


def test_in_the_past_and_in_a_transaction() -> None:
    """A pinned reader sees the log up to its moment; a transaction does not see itself."""
    memory = eventdb.connect(":memory:", autocommit=True)
    memory.executescript("CREATE TABLE t (x INTEGER); INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)")
    query = "SELECT transaction FROM eventdb.events"
    assert ask(memory, "SELECT transaction FROM eventdb.events FOR SYSTEM_TIME AS OF TRANSACTION 2")[0] == [(2,)]
    memory.execute("SET SYSTEM_TIME AS OF TRANSACTION 2")
    assert ask(memory, query)[0] == [(2,)]
    memory.execute("SET SYSTEM_TIME DEFAULT")
    memory.execute("BEGIN")
    memory.execute("INSERT INTO t VALUES (3)")
    assert ask(memory, query)[0] == [(2,), (3,)]
    memory.execute("COMMIT")
    assert ask(memory, query)[0] == [(2,), (3,), (4,)]
    memory.close()


def test_correlated(connection: eventdb.Connection) -> None:
    """The hint may come from an outer row: one record for each."""
    query = """SELECT n, (SELECT t.metadata ->> 'i' FROM eventdb.transactions t WHERE t.number = n) FROM (VALUES (7), (90)) AS v (n)"""
    rows, read = ask(connection, query)
    assert rows == [(7, "7"), (90, "90")]
    assert read <= 2
