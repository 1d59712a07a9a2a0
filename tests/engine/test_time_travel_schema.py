"""The past has the schema it had; sessions, transactions and connections can stand in it."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import eventdb
from eventdb import errors

UTC = datetime.UTC
Ask = Callable[..., list[tuple[Any, ...]]]

# Each statement is one transaction; `t` is renamed to `u`, dropped, and made anew.
LIFE = [
    "",
    "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, n INTEGER)",
    "INSERT INTO t VALUES (1, 'x', 10), (2, 'y', 20)",
    "UPDATE t SET n = 11 WHERE id = 1",
    "ALTER TABLE t ADD COLUMN z INTEGER DEFAULT 7",
    "CREATE INDEX t_a ON t (a)",
    "ALTER TABLE t DROP COLUMN a",
    "ALTER TABLE t RENAME COLUMN n TO m",
    "CREATE VIEW v AS SELECT id, m FROM t",
    "ALTER TABLE t ADD COLUMN w BIGINT",
    "UPDATE t SET w = id * 100, z = 8 WHERE id = 2",
    "DROP VIEW v",
    "ALTER TABLE t ALTER COLUMN m TYPE TEXT USING 'v' || m",
    "INSERT INTO t VALUES (3, 'new', 9, 300)",
    "CREATE VIEW v AS SELECT m FROM t WHERE z > 7",
    "ALTER TABLE t RENAME TO u",
    "DROP TABLE u CASCADE",
    "CREATE TABLE t (k TEXT PRIMARY KEY)",
    "INSERT INTO t VALUES ('other')",
]
Relation = tuple[list[str], list[tuple[Any, ...]]]


def _history() -> list[dict[str, Relation]]:
    """What each relation showed after each transaction."""
    at: list[dict[str, Relation]] = [{}]
    t: Relation = (["id", "a", "n"], [])
    at.append({"t": t})
    t = (["id", "a", "n"], [(1, "x", 10), (2, "y", 20)])
    at.append({"t": t})
    t = (["id", "a", "n"], [(1, "x", 11), (2, "y", 20)])
    at.append({"t": t})
    t = (["id", "a", "n", "z"], [(1, "x", 11, 7), (2, "y", 20, 7)])
    at += [{"t": t}, {"t": t}]
    t = (["id", "n", "z"], [(1, 11, 7), (2, 20, 7)])
    at.append({"t": t})
    t = (["id", "m", "z"], [(1, 11, 7), (2, 20, 7)])
    at.append({"t": t})
    v: Relation = (["id", "m"], [(1, 11), (2, 20)])
    at.append({"t": t, "v": v})
    t = (["id", "m", "z", "w"], [(1, 11, 7, None), (2, 20, 7, None)])
    at.append({"t": t, "v": v})
    t = (["id", "m", "z", "w"], [(1, 11, 7, None), (2, 20, 8, 200)])
    at += [{"t": t, "v": v}, {"t": t}]
    t = (["id", "m", "z", "w"], [(1, "v11", 7, None), (2, "v20", 8, 200)])
    at.append({"t": t})
    t = (["id", "m", "z", "w"], [(1, "v11", 7, None), (2, "v20", 8, 200), (3, "new", 9, 300)])
    at.append({"t": t})
    v = (["m"], [("new",), ("v20",)])
    at += [{"t": t, "v": v}, {"u": t, "v": v}, {}, {"t": (["k"], [])}, {"t": (["k"], [("other",)])}]
    return at


HISTORY = _history()
HEAD = len(LIFE) - 1
NAMES = ("t", "u", "v")


def live(connection: eventdb.Connection) -> None:
    for statement in LIFE[1:]:
        connection.execute(statement)


@pytest.fixture
def path(tmp_path: Any) -> str:
    path = str(tmp_path / "past.eventdb")
    connection = eventdb.connect(path, autocommit=True, durability="none")
    live(connection)
    connection.close()
    return path


@pytest.fixture
def past() -> Iterator[eventdb.Connection]:
    connection = eventdb.connect(":memory:", autocommit=True)
    live(connection)
    yield connection
    connection.close()


def read(connection: eventdb.Connection, query: str, parameters: Any = ()) -> Relation:
    cursor = connection.execute(query, parameters)
    return [column[0] for column in cursor.description or ()], sorted(cursor.fetchall())


def check(connection: eventdb.Connection, number: int, clause: str = "", parameters: Any = ()) -> None:
    """Every relation as it was after transaction `number`; those that were not there are not there."""
    for name in NAMES:
        if name in HISTORY[number]:
            assert read(connection, f"SELECT * FROM {name} {clause}", parameters) == HISTORY[number][name], (number, name)
        else:
            with pytest.raises(errors.UndefinedTable):
                connection.execute(f"SELECT * FROM {name} {clause}", parameters)
            connection.rollback()


def test_each_moment_in_its_own_schema(past: eventdb.Connection) -> None:
    """One text, each time another moment and another schema, forwards and backwards: no plan outlives its moment."""
    for number in [*range(HEAD + 1), *range(HEAD, -1, -1), *range(0, HEAD + 1, 3)]:
        check(past, number, "FOR SYSTEM_TIME AS OF TRANSACTION ?", (number,))
        check(past, number, f"FOR SYSTEM_TIME AS OF TRANSACTION {number}")


def test_each_moment_by_its_time(past: eventdb.Connection) -> None:
    for number, moment in past.execute("SELECT number, committed_at FROM eventdb.transactions").fetchall():
        check(past, number, "FOR SYSTEM_TIME AS OF ?", (moment,))
        check(past, number, f"FOR SYSTEM_TIME AS OF '{moment}'")


@pytest.mark.parametrize("number", range(HEAD + 1))
def test_standing_in_the_past(path: str, number: int) -> None:
    """connect(as_of=…) by number, datetime and text; SET SYSTEM_TIME; BEGIN … AS OF; connection.transaction(as_of=…)."""
    plain = eventdb.connect(path, autocommit=True)
    try:
        moment = plain.execute("SELECT committed_at FROM eventdb.transactions WHERE number = ?", (number,)).fetchone()
        givens: list[Any] = [number, f"TRANSACTION {number}"]
        givens += [] if moment is None else [moment[0], moment[0].replace(tzinfo=None), str(moment[0])]
        for given in givens:
            pinned = eventdb.connect(path, as_of=given)
            check(pinned, number)
            pinned.close()
        plain.execute("SET SYSTEM_TIME AS OF TRANSACTION ?", (number,))
        check(plain, number)
        plain.execute("SET SYSTEM_TIME DEFAULT")
        check(plain, HEAD)
        plain.execute(f"BEGIN READ ONLY AS OF TRANSACTION {number}")
        for name, expected in HISTORY[number].items():
            assert read(plain, f"SELECT * FROM {name}") == expected
        plain.execute("COMMIT")
        with plain.transaction(as_of=number):
            for name, expected in HISTORY[number].items():
                assert read(plain, f"SELECT * FROM {name}") == expected
        check(plain, HEAD)
    finally:
        plain.close()


def test_after_reopening(path: str) -> None:
    for _ in range(2):
        connection = eventdb.connect(path, autocommit=True)
        for number in range(HEAD + 1):
            check(connection, number, "FOR SYSTEM_TIME AS OF TRANSACTION ?", (number,))
        connection.checkpoint()
        connection.close()


def test_two_schemas_in_one_statement(past: eventdb.Connection) -> None:
    query = "SELECT a.n, b.m, c.k FROM t FOR SYSTEM_TIME AS OF TRANSACTION 3 a JOIN t FOR SYSTEM_TIME AS OF TRANSACTION ? b"
    assert read(past, f"{query} ON a.id = b.id CROSS JOIN t c", (12,)) == (["n", "m", "k"], [(11, "v11", "other"), (20, "v20", "other")])
    assert read(past, f"{query} ON a.id = b.id CROSS JOIN t c", (7,)) == (["n", "m", "k"], [(11, 11, "other"), (20, 20, "other")])


def test_versions_in_the_schema_of_the_last_moment(past: eventdb.Connection) -> None:
    """FROM, BETWEEN: older versions are read through the schema at the end of the range."""
    shown = "SELECT *, row_start_tx FROM t FOR SYSTEM_TIME BETWEEN TRANSACTION"
    assert read(past, f"{shown} 2 AND TRANSACTION 3") == (
        ["id", "a", "n", "row_start_tx"], [(1, "x", 10, 2), (1, "x", 11, 3), (2, "y", 20, 2)]
    )  # fmt: skip
    assert read(past, f"{shown} 2 AND TRANSACTION 7") == (
        ["id", "m", "z", "row_start_tx"], [(1, 10, 7, 2), (1, 11, 7, 3), (2, 20, 7, 2)]
    )  # fmt: skip
    assert read(past, "SELECT * FROM t FOR SYSTEM_TIME ALL") == (["k"], [("other",)])


def test_a_table_of_the_same_name_is_another_table() -> None:
    connection = eventdb.connect(":memory:", autocommit=True)
    for value in range(4):
        connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY)")
        connection.execute("INSERT INTO t VALUES (?)", (value,))
        connection.execute("DROP TABLE t")
    for number in range(1, 13):
        query = f"SELECT n FROM t FOR SYSTEM_TIME AS OF TRANSACTION {number}"
        if number % 3 == 0:
            with pytest.raises(errors.UndefinedTable):
                connection.execute(query)
        else:
            assert connection.execute(query).fetchall() == ([] if number % 3 == 1 else [(number // 3,)])
    connection.close()


def test_indexes_come_and_go() -> None:
    """An index answers for moments before it was made and after it was dropped, or the table does."""
    connection = eventdb.connect(":memory:", autocommit=True)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER)")
    connection.executemany("INSERT INTO t VALUES (?, ?)", [(i, i % 50) for i in range(1000)])
    seen: dict[int, int] = {connection.head: 20}
    for step, statement in enumerate(
        ["CREATE INDEX i ON t (a)", "UPDATE t SET a = 100 WHERE id < 500", "DROP INDEX i", "DELETE FROM t WHERE id >= 900",
         "CREATE INDEX i ON t (a DESC, id)", "UPDATE t SET a = 7 WHERE a = 8", "CREATE UNIQUE INDEX j ON t (id, a)", "DROP INDEX i"]
    ):  # fmt: skip
        connection.execute(statement)
        seen[connection.head] = (20, 10, 10, 8, 8, 16, 16, 16)[step]
    for number, count in seen.items():
        query = f"FROM t FOR SYSTEM_TIME AS OF TRANSACTION {number} WHERE a = 7"
        assert connection.execute(f"SELECT count(*) {query}").fetchall() == [(count,)], number
        assert len(connection.execute(f"SELECT id {query} ORDER BY id").fetchall()) == count
    connection.close()


def test_changed_key() -> None:
    """Another primary key clusters the rows anew; the past keeps the old one."""
    connection = eventdb.connect(":memory:", autocommit=True)
    connection.execute("CREATE TABLE t (id INTEGER CONSTRAINT key PRIMARY KEY, b INTEGER NOT NULL)")
    connection.execute("INSERT INTO t VALUES (1, 30), (2, 20)")
    connection.execute("ALTER TABLE t DROP CONSTRAINT key")
    connection.execute("INSERT INTO t VALUES (2, 10)")
    connection.execute("ALTER TABLE t ADD PRIMARY KEY (b)")
    connection.execute("UPDATE t SET id = 9 WHERE b = 10")
    expected = {2: [(1, 30), (2, 20)], 3: [(1, 30), (2, 20)], 4: [(1, 30), (2, 10), (2, 20)], 5: [(1, 30), (2, 10), (2, 20)]}
    for number, rows in {**expected, 6: [(1, 30), (2, 20), (9, 10)]}.items():
        assert sorted(connection.execute(f"SELECT * FROM t FOR SYSTEM_TIME AS OF TRANSACTION {number}").fetchall()) == rows, number
        by_key = connection.execute(f"SELECT id FROM t FOR SYSTEM_TIME AS OF TRANSACTION {number} WHERE b = 20").fetchall()
        assert by_key == [(2,)]
    connection.close()


def test_views_over_moments() -> None:
    """A view may read the past; it keeps its columns, whatever happens to the table; and it can be read in the past itself."""
    connection = eventdb.connect(":memory:", autocommit=True)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)")
    connection.execute("INSERT INTO t VALUES (1, 10), (2, 20)")
    connection.execute("CREATE VIEW was AS SELECT * FROM t FOR SYSTEM_TIME AS OF TRANSACTION 2")
    connection.execute("CREATE VIEW versions AS SELECT *, row_start_tx FROM t FOR SYSTEM_TIME ALL")
    connection.execute(
        "CREATE VIEW changed AS SELECT p.id, o.n AS old, p.n AS new FROM t p"
        " JOIN t FOR SYSTEM_TIME AS OF TRANSACTION 2 AS o ON o.id = p.id AND o.n <> p.n"
    )
    connection.execute("CREATE VIEW present AS SELECT * FROM t FOR SYSTEM_TIME AS OF CURRENT_TIMESTAMP")
    connection.execute("UPDATE t SET n = 11 WHERE id = 1")
    connection.execute("ALTER TABLE t ADD COLUMN more TEXT")
    assert read(connection, "SELECT * FROM was") == (["id", "n"], [(1, 10), (2, 20)])
    assert read(connection, "SELECT * FROM versions") == (["id", "n", "row_start_tx"], [(1, 10, 2), (1, 11, 7), (2, 20, 2)])
    assert read(connection, "SELECT * FROM changed") == (["id", "old", "new"], [(1, 10, 11)])
    assert read(connection, "SELECT * FROM present") == (["id", "n"], [(1, 11), (2, 20)])
    assert read(connection, "SELECT * FROM changed FOR SYSTEM_TIME AS OF TRANSACTION 6") == (["id", "old", "new"], [])
    assert read(connection, "SELECT * FROM was FOR SYSTEM_TIME AS OF TRANSACTION 7")[1] == [(1, 10), (2, 20)]
    with pytest.raises(errors.InvalidParameterValue):
        connection.execute("CREATE VIEW bad AS SELECT * FROM t FOR SYSTEM_TIME AS OF TRANSACTION 99")
    connection.execute("ALTER TABLE t RENAME TO s")
    assert read(connection, "SELECT * FROM was")[1] == [(1, 10), (2, 20)]
    assert read(connection, "SELECT * FROM changed")[1] == [(1, 10, 11)]
    assert read(connection, "SELECT id FROM versions")[1] == [(1,), (1,), (2,)]
    connection.close()


# standing in the past


def refused(connection: eventdb.Connection, statement: str, parameters: Any = ()) -> None:
    with pytest.raises(errors.ReadOnlyTransaction) as caught:
        connection.execute(statement, parameters)
    assert caught.value.sqlstate == "25006"


WRITES = [
    "INSERT INTO t VALUES ('new')",
    "UPDATE t SET k = 'changed'",
    "DELETE FROM t",
    "TRUNCATE t",
    "CREATE TABLE made (a INTEGER)",
    "CREATE VIEW made AS SELECT 1 AS one",
    "CREATE INDEX made ON t (k)",
    "ALTER TABLE t ADD COLUMN made INTEGER",
    "DROP TABLE t",
    "SELECT nextval('s')",
]


@pytest.mark.parametrize("statement", WRITES)
def test_a_pinned_session_refuses_writes(past: eventdb.Connection, statement: str) -> None:
    """Whatever pins it; and goes on reading."""
    past.execute("CREATE SEQUENCE s")
    head = past.head
    past.execute("SET SYSTEM_TIME AS OF TRANSACTION ?", (head,))
    refused(past, statement)
    past.execute("BEGIN")
    refused(past, statement)
    assert past.execute("SELECT * FROM t").fetchall() == [("other",)]
    past.execute("COMMIT")
    past.execute("SET SYSTEM_TIME DEFAULT")
    for begin in (f"BEGIN READ ONLY AS OF TRANSACTION {head}", f"BEGIN AS OF TRANSACTION {head}"):
        past.execute(begin)
        refused(past, statement)
        refused(past, "SET TRANSACTION READ WRITE")
        assert past.execute("SELECT * FROM t").fetchall() == [("other",)]
        past.execute("ROLLBACK")
    assert past.head == head
    past.execute("INSERT INTO t VALUES ('after')")
    assert past.head == head + 1


def test_executemany_in_the_past(path: str) -> None:
    pinned = eventdb.connect(path, as_of=HEAD)
    with pytest.raises(errors.ReadOnlyTransaction):
        pinned.executemany("INSERT INTO t VALUES (?)", [("a",), ("b",)])
    pinned.close()


def test_precedence(path: str) -> None:
    """A table's clause over the transaction's moment over the session's over the connection's."""
    connection = eventdb.connect(path, autocommit=True, as_of=3)
    assert read(connection, "SELECT * FROM t") == HISTORY[3]["t"]
    connection.execute("SET SYSTEM_TIME AS OF TRANSACTION 4")
    assert read(connection, "SELECT * FROM t") == HISTORY[4]["t"]
    connection.execute("BEGIN READ ONLY AS OF TRANSACTION 6")
    assert read(connection, "SELECT * FROM t") == HISTORY[6]["t"]
    assert read(connection, "SELECT * FROM t FOR SYSTEM_TIME AS OF TRANSACTION 10") == HISTORY[10]["t"]
    query = "SELECT a.a, b.n FROM t FOR SYSTEM_TIME AS OF TRANSACTION 2 a JOIN t b ON a.id = b.id"
    assert read(connection, query)[1] == [("x", 11), ("y", 20)]
    assert connection.execute("SHOW system_time").fetchone()[0].startswith("transaction 6 ")
    connection.execute("COMMIT")
    assert read(connection, "SELECT * FROM t") == HISTORY[4]["t"]
    connection.execute("SET SYSTEM_TIME DEFAULT")
    assert read(connection, "SELECT * FROM t") == HISTORY[3]["t"]
    connection.close()


def test_set_system_time_stands_outside_transactions(past: eventdb.Connection) -> None:
    past.execute("BEGIN")
    for statement in ("SET SYSTEM_TIME AS OF TRANSACTION 2", "SET SYSTEM_TIME DEFAULT"):
        with pytest.raises(errors.ActiveTransaction):
            past.execute(statement)
    past.execute("COMMIT")
    with pytest.raises(errors.ReadOnlyTransaction):
        past.execute("BEGIN READ WRITE AS OF TRANSACTION 2")
    assert not past.in_transaction


def test_a_pinned_session_stays_while_others_write(path: str) -> None:
    writer, pinned = eventdb.connect(path, autocommit=True), eventdb.connect(path, autocommit=True, as_of=HEAD)
    for i in range(3):
        assert read(pinned, "SELECT * FROM t")[1] == [("other",)]
        writer.execute("INSERT INTO t VALUES (?)", (f"later {i}",))
    writer.execute("DROP TABLE t")
    assert read(pinned, "SELECT * FROM t")[1] == [("other",)]
    with pytest.raises(errors.UndefinedTable):
        writer.execute("SELECT * FROM t")
    writer.close()
    pinned.close()


@pytest.mark.parametrize(
    ("given", "sqlstate"),
    [(-1, "22023"), (HEAD + 1, "22023"), (10**30, "22023"), ("nonsense", "22007"), ("2999-01-01", "22023"), (datetime.datetime.max, "22023"),  # noqa: E501
     (True, "22023"), (2.5, "22023"), (b"2", "22023"), ([], "22023"), ("TRANSACTION 99", "22023"), ("TRANSACTION x", "22007"), ("", "22007"),  # noqa: E501
     ("2024-01-01\0", "22007"), ("\udc80", "22007")],
)  # fmt: skip
def test_connecting_to_a_moment_that_is_none(path: str, given: Any, sqlstate: str) -> None:
    with pytest.raises(eventdb.Error) as caught:
        eventdb.connect(path, as_of=given)
    assert caught.value.sqlstate == sqlstate
    connection = eventdb.connect(path)
    with pytest.raises(eventdb.Error), connection.transaction(as_of=given):
        pass
    assert not connection.in_transaction
    connection.close()


# a transaction's own changes


def test_own_changes_and_moments() -> None:
    """AS OF shows what is committed; the present and ALL show one's own changes too, under the number they will have."""
    connection = eventdb.connect(":memory:", autocommit=True)
    connection.execute("CREATE TABLE t (k TEXT PRIMARY KEY)")
    connection.execute("INSERT INTO t VALUES ('a'), ('b')")
    started = datetime.datetime.now(UTC)
    connection.execute("BEGIN")
    connection.execute("INSERT INTO t VALUES ('own')")
    connection.execute("UPDATE t SET k = 'a2' WHERE k = 'a'")
    connection.execute("DELETE FROM t WHERE k = 'b'")
    shown = "SELECT *, row_start_tx, row_end_tx FROM t FOR SYSTEM_TIME"
    assert read(connection, "SELECT * FROM t")[1] == [("a2",), ("own",)]
    assert read(connection, f"{shown} ALL")[1] == [("a", 2, 3), ("a2", 3, None), ("b", 2, 3), ("own", 3, None)]
    assert read(connection, f"{shown} AS OF TRANSACTION 2")[1] == [("a", 2, 3), ("b", 2, 3)]
    assert read(connection, f"{shown} AS OF CURRENT_TIMESTAMP")[1] == [("a", 2, 3), ("b", 2, 3)]
    assert read(connection, f"{shown} BETWEEN TRANSACTION 1 AND CURRENT_TIMESTAMP")[1] == [("a", 2, 3), ("b", 2, 3)]
    with pytest.raises(errors.InvalidParameterValue):
        connection.execute(f"{shown} AS OF TRANSACTION 3")
    for (start,) in connection.execute("SELECT row_start FROM t WHERE k = 'own'"):
        assert abs(start - started) < datetime.timedelta(seconds=60)
    connection.execute("ALTER TABLE t ADD COLUMN n INTEGER DEFAULT 5")
    assert read(connection, "SELECT * FROM t FOR SYSTEM_TIME AS OF TRANSACTION 2") == (["k"], [("a",), ("b",)])
    assert read(connection, "SELECT * FROM t FOR SYSTEM_TIME ALL") == (["k", "n"], [("a", 5), ("a2", 5), ("b", 5), ("own", 5)])
    connection.execute("CREATE TABLE made (i INTEGER)")
    connection.execute("INSERT INTO made VALUES (1)")
    assert read(connection, "SELECT i, row_start_tx FROM made FOR SYSTEM_TIME ALL")[1] == [(1, 3)]
    with pytest.raises(errors.UndefinedTable):
        connection.execute("SELECT * FROM made FOR SYSTEM_TIME AS OF TRANSACTION 2")
    connection.execute("ROLLBACK")
    assert read(connection, f"{shown} ALL")[1] == [("a", 2, None), ("b", 2, None)]
    connection.close()


def test_others_commits_are_not_in_a_transactions_past(path: str) -> None:
    """A transaction's snapshot holds for moments too."""
    one, two = eventdb.connect(path), eventdb.connect(path, autocommit=True)
    assert read(one, "SELECT count(*) FROM t")[1] == [(1,)]
    two.execute("INSERT INTO t VALUES ('later')")
    assert read(one, "SELECT count(*) FROM t FOR SYSTEM_TIME AS OF CURRENT_TIMESTAMP")[1] == [(1,)]
    assert read(one, "SELECT count(*) FROM t FOR SYSTEM_TIME ALL")[1] == [(1,)]
    with pytest.raises(errors.InvalidParameterValue):
        one.execute("SELECT * FROM t FOR SYSTEM_TIME AS OF TRANSACTION ?", (HEAD + 1,))
    one.rollback()
    assert read(one, "SELECT count(*) FROM t FOR SYSTEM_TIME AS OF TRANSACTION ?", (HEAD + 1,))[1] == [(2,)]
    one.close()
    two.close()
