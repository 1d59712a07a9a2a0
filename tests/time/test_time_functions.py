"""table_changes and table_diff: against the states that they stand between, and by how much of the log they read."""

from __future__ import annotations

import datetime
import random
from collections.abc import Iterator
from typing import Any

import pytest

import eventdb
from eventdb import errors


@pytest.fixture
def connection() -> Iterator[eventdb.Connection]:
    connection = eventdb.connect(":memory:", autocommit=True)
    yield connection
    connection.close()


def ask(connection: eventdb.Connection, query: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
    return connection.execute(query, parameters).fetchall()


def names(connection: eventdb.Connection, query: str) -> list[str]:
    return [column[0] for column in connection.execute(query).description or ()]


HISTORY = """
CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INTEGER);
INSERT INTO t VALUES (1, 'x', 1), (2, 'y', 2), (3, 'z', 3);
UPDATE t SET b = b + 1 WHERE id < 3;
DELETE FROM t WHERE id = 3;
ALTER TABLE t RENAME COLUMN a TO c;
ALTER TABLE t ADD COLUMN d INTEGER DEFAULT 7;
UPDATE t SET d = 8 WHERE id = 1;
ALTER TABLE t DROP COLUMN b;
INSERT INTO t VALUES (4, 'w', 9);
"""


def test_changes(connection: eventdb.Connection) -> None:
    """Who, why and when; before and after; columns by id, of the end of the span and then the dropped ones."""
    connection.executescript(HISTORY.replace("UPDATE t SET b", "BEGIN WITH (actor = 'ann', reason = 'why'); UPDATE t SET b", 1)
                             .replace("id < 3;", "id < 3; COMMIT;", 1))  # fmt: skip
    query = "SELECT * FROM table_changes('t', 2, 9)"
    assert names(connection, query) == [
        "transaction", "position", "committed_at", "actor", "reason", "operation",
        "before_id", "before_c", "before_d", "before_b", "after_id", "after_c", "after_d", "after_b",
    ]  # fmt: skip
    rows = ask(connection, query)
    assert [row[:2] + row[5:] for row in rows] == [
        (3, 1, "update", 1, "x", None, 1, 1, "x", None, 2), (3, 2, "update", 2, "y", None, 2, 2, "y", None, 3),
        (4, 1, "delete", 3, "z", None, 3, None, None, None, None), (7, 1, "update", 1, "x", 7, 2, 1, "x", 8, 2),
        (9, 1, "insert", None, None, None, None, 4, "w", 9, None),
    ]  # fmt: skip
    assert [row[3:5] for row in rows[:3]] == [("ann", "why"), ("ann", "why"), (None, None)]
    times = dict(ask(connection, "SELECT number, committed_at FROM eventdb.transactions"))
    assert all(row[2] == times[row[0]] for row in rows)


def test_diff(connection: eventdb.Connection) -> None:
    """Each side in its own schema. A row is modified where a shared column is, or an added one is not what adding made it."""
    connection.executescript(HISTORY)
    query = "SELECT * FROM table_diff('t', 2, 9)"
    assert names(connection, query) == ["operation", "from_id", "from_a", "from_b", "to_id", "to_c", "to_d"]
    assert ask(connection, query) == [
        ("modified", 1, "x", 1, 1, "x", 8), ("removed", 3, "z", 3, None, None, None), ("added", None, None, None, 4, "w", 9),
    ]  # fmt: skip
    assert ask(connection, "SELECT operation, from_id, to_id, to_b FROM table_diff('t', 9, 2)") == [
        ("modified", 1, 1, 1), ("added", None, 3, 3), ("removed", 4, None, None),
    ]  # fmt: skip
    assert ask(connection, "SELECT * FROM table_diff('t', 4, 4)") == []
    assert len(ask(connection, "SELECT * FROM table_diff('t')")) == 3


def test_moments_of_every_kind(connection: eventdb.Connection) -> None:
    """A number, an expression, a time, text, parameters of each; the later one may be left out."""
    connection.executescript(HISTORY)
    times = dict(ask(connection, "SELECT number, committed_at FROM eventdb.transactions"))
    expected = ask(connection, "SELECT * FROM table_changes('t', 2, 4)")
    assert len(expected) == 3
    for a, b in [(2, 4), (times[2], times[4]), (str(times[2]), times[4].isoformat()), (2, times[4]), (times[2].replace(tzinfo=None), 4)]:
        assert ask(connection, "SELECT * FROM table_changes('t', ?, ?)", (a, b)) == expected
        assert ask(connection, "SELECT * FROM table_changes('t', :a, :b)", {"a": a, "b": b}) == expected
        assert len(ask(connection, "SELECT * FROM table_diff('t', ?, ?)", (a, b))) == 3
    assert ask(connection, "SELECT * FROM table_changes('t', 1 + 1, 5 - 1)") == expected
    assert ask(connection, f"SELECT * FROM table_changes('t', TIMESTAMPTZ '{times[2]}', TIMESTAMP '{times[4].replace(tzinfo=None)}')") == expected  # noqa: E501
    assert ask(connection, "SELECT count(*) FROM table_changes('t', 2)") == [(5,)]
    assert ask(connection, "SELECT count(*) FROM table_changes('t')") == [(8,)]
    assert ask(connection, "SELECT count(*) FROM table_changes('t', now() - INTERVAL '1 hour', now())") == [(8,)]
    two = datetime.timedelta(microseconds=1)
    assert ask(connection, "SELECT count(*) FROM table_changes('t', ?, ?)", (times[3] - two, times[3])) == [(2,)]


@pytest.mark.parametrize(
    ("call", "parameters", "sqlstate"),
    [
        ("table_changes('nope', 1, 2)", (), "42P01"), ("table_changes('t', 99)", (), "22023"), ("table_changes('t', -1)", (), "22023"),
        ("table_changes('t', NULL, 3)", (), "22023"), ("table_changes('t', ?)", (None,), "22023"),
        ("table_changes('t', 5, 3)", (), "22023"),
        ("table_changes('t', now() + INTERVAL '1 day')", (), "22023"), ("table_changes('t', 'rubbish')", (), "22007"),
        ("table_changes('t', ?)", ("rubbish",), "22007"), ("table_changes()", (), "42883"), ("table_changes('t', 1, 2, 3)", (), "42883"),
        ("table_changes('v', 1)", (), "42809"), ("table_changes('eventdb.events', 1)", (), "42809"),
        ("table_changes(?, 1)", ("t",), "0A000"),
        ("table_changes(1)", (), "0A000"), ("table_diff('t', 1.5)", (), "42804"), ("table_changes('t', ?)", (2.5,), "42804"),
        ("table_diff('t', TRUE)", (), "42804"), ("table_diff('t', x.a) FROM t x", (), "42601"), ("table_changes('', 1)", (), "42P01"),
        ("table_changes('t', 0, 0)", (), "42P01"), ("table_changes('a.b.c', 1)", (), "42P01"),
    ],
)  # fmt: skip
def test_bad_calls(connection: eventdb.Connection, call: str, parameters: tuple[Any, ...], sqlstate: str) -> None:
    connection.executescript(HISTORY + "CREATE VIEW v AS SELECT * FROM t;")
    with pytest.raises(eventdb.Error) as caught:
        ask(connection, f"SELECT * FROM {call}", parameters)
    assert (caught.value.sqlstate, call) == (sqlstate, call)


def test_like_any_table(connection: eventdb.Connection) -> None:
    """Aliases, column aliases, joins, subqueries, CTEs, views, INSERT … SELECT, EXPLAIN."""
    connection.executescript(HISTORY)
    assert ask(connection, "SELECT c.after_id, n.c FROM table_changes('t', 2, 9) AS c JOIN t n ON n.id = c.after_id ORDER BY 1") == [
        (1, "x"), (1, "x"), (2, "y"), (4, "w"),
    ]  # fmt: skip
    assert ask(connection, "SELECT x FROM table_diff('t', 2, 9) AS d (x) WHERE x = 'added'") == [("added",)]
    assert ask(connection, "WITH d AS (SELECT operation o FROM table_diff('t', 2, 9)) SELECT o, count(*) FROM d GROUP BY o ORDER BY o") == [
        ("added", 1), ("modified", 1), ("removed", 1),
    ]  # fmt: skip
    assert ask(connection, "SELECT id FROM t WHERE id IN (SELECT after_id FROM table_changes('t', 6)) ORDER BY id") == [(1,), (4,)]
    connection.execute("CREATE VIEW since AS SELECT operation, after_id FROM table_changes('t', 6)")
    assert ask(connection, "SELECT * FROM since") == [("update", 1), ("insert", 4)]
    connection.execute("CREATE TABLE kept (operation TEXT, id INTEGER)")
    connection.execute("INSERT INTO kept SELECT operation, coalesce(from_id, to_id) FROM table_diff('t', ?, ?)", (2, 9))
    assert ask(connection, "SELECT * FROM kept ORDER BY id") == [("modified", 1), ("removed", 3), ("added", 4)]
    left = "SELECT d.from_id, e.to_id FROM table_diff('t', 2, 4) d FULL JOIN table_diff('t', 4, 9) e ON e.to_id = d.from_id ORDER BY 1, 2"
    assert ask(connection, left) == [(1, 1), (2, None), (3, None), (None, 4)]
    assert "table_changes" in str(ask(connection, "EXPLAIN SELECT * FROM table_changes('t', 2)"))


def test_in_pinned_sessions_and_transactions(connection: eventdb.Connection) -> None:
    """Without an end a span goes to what the statement sees: a pinned moment, the state that the transaction began on."""
    connection.executescript(HISTORY)
    connection.execute("SET SYSTEM_TIME AS OF TRANSACTION 4")
    assert ask(connection, "SELECT count(*) FROM table_changes('t', 2)") == [(3,)]
    assert names(connection, "SELECT * FROM table_diff('t', 2)") == ["operation", "from_id", "from_a", "from_b", "to_id", "to_a", "to_b"]
    connection.execute("SET SYSTEM_TIME DEFAULT")
    connection.execute("BEGIN")
    connection.execute("DELETE FROM t")
    assert ask(connection, "SELECT count(*) FROM table_changes('t', 8)") == [(1,)]
    assert ask(connection, "SELECT operation FROM table_diff('t', 8)") == [("added",)]
    connection.execute("ROLLBACK")
    other = ask(connection, "SELECT operation, to_id FROM table_diff('t', 8)")
    assert other == [("added", 4)]


def test_tables_that_come_and_go(connection: eventdb.Connection) -> None:
    """The name is looked up at the end of the span, then at its start; a table made anew under the name is another one."""
    connection.executescript(
        """CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2); DROP TABLE t; CREATE TABLE t (id TEXT PRIMARY KEY);
        INSERT INTO t VALUES ('a'); ALTER TABLE t RENAME TO u"""
    )
    assert ask(connection, "SELECT * FROM table_diff('t', 2, 3)") == [("removed", 1), ("removed", 2)]
    assert ask(connection, "SELECT * FROM table_diff('t', 2, 5)") == [("added", "a")]
    assert ask(connection, "SELECT * FROM table_diff('t', 1, 2)") == [("added", None, 1), ("added", None, 2)]
    assert ask(connection, "SELECT operation, after_id FROM table_changes('t', 1, 3)") == [("insert", 1), ("insert", 2)]
    assert ask(connection, "SELECT operation, after_id FROM table_changes('u', 2)") == [("insert", "a")]
    assert ask(connection, "SELECT operation, after_id FROM table_changes('t', 5, 6)") == []
    with pytest.raises(errors.UndefinedTable):
        ask(connection, "SELECT * FROM table_changes('u', 1, 2)")


def test_over_rewrites(connection: eventdb.Connection) -> None:
    """A type change: values before are shown in the type of the end; rows are matched by key, and what casts to the same is the same."""
    connection.executescript(
        """CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b TEXT); INSERT INTO t VALUES (1, 10, 'x'), (2, 20, 'y'), (3, 30, 'z');
        UPDATE t SET a = 11 WHERE id = 1; ALTER TABLE t ALTER COLUMN a TYPE TEXT; UPDATE t SET a = 'n' WHERE id = 2;
        DELETE FROM t WHERE id = 3; ALTER TABLE t ADD COLUMN d INTEGER DEFAULT 5"""
    )
    rows = ask(connection, "SELECT transaction, operation, before_id, before_a, after_a FROM table_changes('t', 2)")
    assert rows == [(3, "update", 1, "10", "11"), (5, "update", 2, "20", "n"), (6, "delete", 3, "30", None)]
    assert sorted(ask(connection, "SELECT operation, from_id, from_a, to_a, to_d FROM table_diff('t', 2)"), key=str) == [
        ("modified", 1, 10, "11", 5), ("modified", 2, 20, "n", 5), ("removed", 3, 30, None, None),
    ]  # fmt: skip
    assert ask(connection, "SELECT operation, from_id FROM table_diff('t', 3, 4)") == []
    connection.execute("ALTER TABLE t ALTER COLUMN a TYPE INTEGER USING 0")
    with pytest.raises(errors.NotSupportedError):
        ask(connection, "SELECT * FROM table_changes('t', 4)")


def test_without_a_primary_key_and_with_a_new_one(connection: eventdb.Connection) -> None:
    connection.executescript(
        """CREATE TABLE t (a INTEGER, b TEXT); INSERT INTO t VALUES (1, 'x'), (1, 'x'), (2, 'y'); UPDATE t SET b = 'z' WHERE a = 2;
        DELETE FROM t WHERE a = 1; INSERT INTO t VALUES (5, 'v'); ALTER TABLE t ADD PRIMARY KEY (a)"""
    )
    assert ask(connection, "SELECT * FROM table_diff('t', 2, 5)") == [
        ("removed", 1, "x", None, None), ("removed", 1, "x", None, None), ("modified", 2, "y", 2, "z"), ("added", None, None, 5, "v"),
    ]  # fmt: skip
    assert ask(connection, "SELECT * FROM table_diff('t', 5, 6)") == []
    found = ask(connection, "SELECT * FROM table_diff('t', 2, 6)")
    assert sorted(row[0] for row in found) == ["added", "modified", "removed", "removed"]


def test_cost_is_that_of_the_changes(tmp_path: Any) -> None:
    """One row of many: the diff reads the transactions that touched the table, and with a key not even those."""
    connection = eventdb.connect(tmp_path / "db", autocommit=True, durability="none")
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)")
    connection.execute("CREATE TABLE other (n INTEGER)")
    connection.execute("INSERT INTO t SELECT i, i FROM generate_series(1, 5000) AS g (i)")
    for i in range(200):
        connection.execute("INSERT INTO other VALUES (?)", (i,))
    connection.execute("UPDATE t SET n = -1 WHERE id = 77")
    connection.close()
    connection = eventdb.connect(tmp_path / "db", autocommit=True)
    database = connection.database

    def read(query: str) -> tuple[list[Any], int]:
        before = database.records_read
        return ask(connection, query), database.records_read - before

    assert read("SELECT * FROM table_diff('t', 3)") == ([("modified", 77, 77, 77, -1)], 1)
    assert read("SELECT operation FROM table_diff('t', 3) WHERE to_id = 77") == ([("modified",)], 0)
    assert read("SELECT operation FROM table_diff('t', 3) WHERE from_id IN (76, 78)") == ([], 0)
    assert read("SELECT operation FROM table_changes('t', 3)") == ([("update",)], 1)
    assert read("SELECT count(*) FROM table_changes('other', 100, 150)") == ([(50,)], 50)
    connection.close()


@pytest.mark.parametrize("seed", range(6))
def test_against_the_states(connection: eventdb.Connection, seed: int) -> None:
    """For random histories and spans: the diff leads from one state to the other, and so do the changes, one after the other."""
    chance = random.Random(seed)
    key = ["id INTEGER PRIMARY KEY", "id DOUBLE PRECISION PRIMARY KEY", "id TEXT PRIMARY KEY"][seed % 3]
    connection.execute(f"CREATE TABLE t ({key}, a INTEGER)")
    columns = ["a"]
    for step in range(60):
        row = chance.randrange(12)
        match chance.randrange(12):
            case 0 | 1 | 2 | 3:
                connection.execute("INSERT INTO t (id, a) VALUES (?, ?) ON CONFLICT DO NOTHING", (str(row) if seed % 3 == 2 else row, step))
            case 4 | 5 | 6:
                connection.execute(f"UPDATE t SET {chance.choice(columns)} = {chance.randrange(3)} WHERE id = CAST({row} AS TEXT)"
                                   if seed % 3 == 2 else f"UPDATE t SET {chance.choice(columns)} = {chance.randrange(3)} WHERE id = {row}")
            case 7:
                connection.execute("DELETE FROM t WHERE a < ?", (step // 3,))
            case 8:
                connection.executescript("BEGIN; UPDATE t SET a = a + 1; DELETE FROM t WHERE a > 40; COMMIT")
            case 9 if len(columns) < 4:
                columns.append(f"c{step}")
                connection.execute(f"ALTER TABLE t ADD COLUMN c{step} INTEGER DEFAULT 1")
            case 10 if len(columns) > 1:
                connection.execute(f"ALTER TABLE t DROP COLUMN {columns.pop()}")
            case 11:
                connection.execute("UPDATE t SET a = 0")
    for _ in range(25):
        a, b = sorted(chance.randrange(1, connection.head + 1) for _ in range(2))
        before = {row[0]: row for row in ask(connection, f"SELECT * FROM t FOR SYSTEM_TIME AS OF TRANSACTION {a}")}
        after = {row[0]: row for row in ask(connection, f"SELECT * FROM t FOR SYSTEM_TIME AS OF TRANSACTION {b}")}
        width = len(names(connection, f"SELECT * FROM t FOR SYSTEM_TIME AS OF TRANSACTION {a}"))
        told = {}
        for operation, *rest in ask(connection, f"SELECT * FROM table_diff('t', {a}, {b})"):
            one, other = tuple(rest[:width]), tuple(rest[width:])
            told[one[0] if operation != "added" else other[0]] = operation
            assert operation == "added" or before[one[0]] == one
            assert operation == "removed" or after[other[0]] == other
        assert {key for key, operation in told.items() if operation == "added"} == after.keys() - before.keys()
        assert {key for key, operation in told.items() if operation == "removed"} == before.keys() - after.keys()
        keys = dict(ask(connection, f"SELECT id, a FROM t FOR SYSTEM_TIME AS OF TRANSACTION {a}"))
        query = f"SELECT operation, before_id, after_id, after_a FROM table_changes('t', {a}, {b})"
        for operation, old, new, value in ask(connection, query):
            if operation != "insert":
                del keys[old]
            if operation != "delete":
                keys[new] = value
        assert keys == dict(ask(connection, f"SELECT id, a FROM t FOR SYSTEM_TIME AS OF TRANSACTION {b}"))
