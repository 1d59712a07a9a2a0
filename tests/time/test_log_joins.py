"""Joins with the log: who changed a row and why, from the few transactions that the rows name and no others."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from engine.records import ask

import eventdb

MANY = 1500
ROWS = 150


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[eventdb.Connection]:
    """`MANY` transactions over a table of `ROWS` rows, each with an actor; one row deleted and made again; reopened from the disk."""
    path = tmp_path_factory.mktemp("joins") / "db"
    chance = random.Random(1)
    with eventdb.connect(path, autocommit=True, durability="none") as connection:
        connection.database.verify_commits = False  # it would take most of the time
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)")
        connection.execute("CREATE TABLE picked (number BIGINT, label TEXT)")
        connection.execute(f"INSERT INTO t SELECT i, 0 FROM generate_series(1, {ROWS}) AS g (i)")
        connection.execute("INSERT INTO picked VALUES (7, 'a'), (7, 'b'), (NULL, 'c'), (9999, 'd'), (300, 'e')")
        connection.execute("CREATE VIEW told AS SELECT v.id, v.n, v.row_start_tx AS tx, x.actor, x.reason FROM t FOR SYSTEM_TIME ALL AS v"
                           " LEFT JOIN eventdb.transactions x ON x.number = v.row_start_tx")  # fmt: skip
        while connection.head < MANY:
            with connection.transaction(actor=f"actor {connection.head % 3}", reason=f"for {connection.head + 1}"):
                row = chance.randint(1, ROWS)
                if row == 7:
                    connection.execute("DELETE FROM t WHERE id = 7")
                    connection.execute("INSERT INTO t VALUES (7, 7)")
                else:
                    connection.execute("UPDATE t SET n = n + 1 WHERE id = ?", (row,))
        connection.execute("DELETE FROM t WHERE id = 9")
        connection.close()
    connection = eventdb.connect(path, autocommit=True)
    yield connection
    connection.close()


# query over {transactions}, {events}, {schema_history}; parameters; the most records that may be read for it
JOINS: list[tuple[str, tuple[Any, ...], int]] = [
    ("SELECT t.n, x.actor, x.reason FROM t JOIN {transactions} x ON x.number = t.row_start_tx WHERE t.id = ?", (3,), 1),
    ("SELECT v.n, x.actor FROM t FOR SYSTEM_TIME ALL AS v JOIN {transactions} x ON x.number = v.row_start_tx WHERE v.id = ?", (3,), 25),
    ("SELECT v.n, x.actor FROM t FOR SYSTEM_TIME ALL AS v JOIN {transactions} x ON v.row_start_tx = x.number WHERE v.id = 9", (), 25),
    ("SELECT v.n, x.actor FROM {transactions} x JOIN t FOR SYSTEM_TIME ALL AS v ON x.number = v.row_start_tx WHERE v.id = 3", (), 25),
    ("SELECT v.n, x.actor FROM {transactions} x RIGHT JOIN t FOR SYSTEM_TIME ALL AS v ON x.number = v.row_end_tx WHERE v.id = 3", (), 25),
    ("SELECT v.n, x.number FROM t FOR SYSTEM_TIME ALL AS v LEFT JOIN {transactions} x ON x.number = v.row_end_tx WHERE v.id = 3", (), 25),
    ("SELECT v.n, x.number FROM t FOR SYSTEM_TIME ALL AS v LEFT JOIN {transactions} x ON x.number = v.row_end_tx AND x.actor = 'actor 1'"
     " WHERE v.id = 3", (), 25),
    ("SELECT v.n, x.actor, y.actor FROM t FOR SYSTEM_TIME ALL AS v JOIN {transactions} x ON x.number = v.row_start_tx"
     " LEFT JOIN {transactions} y ON y.number = v.row_end_tx WHERE v.id = 3", (), 50),
    ("SELECT v.n, x.actor FROM t FOR SYSTEM_TIME ALL AS v, {transactions} x WHERE v.row_start_tx = x.number AND v.id IN (3, 4)", (), 50),
    ("SELECT v.n, x.actor FROM t FOR SYSTEM_TIME ALL AS v JOIN {transactions} x ON x.committed_at = v.row_start WHERE v.id = 3", (), 25),
    ("SELECT v.n, x.actor FROM t FOR SYSTEM_TIME ALL AS v JOIN {transactions} x ON x.number = v.row_start_tx + 1 WHERE v.id = 3", (), 25),
    ("SELECT v.n, x.actor FROM t FOR SYSTEM_TIME ALL AS v JOIN {transactions} x ON x.number = v.row_start_tx AND x.number < 100"
     " WHERE v.id = 3", (), 12),
    ("SELECT v.n, x.who FROM t AS v JOIN (SELECT number AS n, upper(actor) AS who FROM {transactions} WHERE actor <> 'actor 1') AS x"
     " ON x.n = v.row_start_tx WHERE v.id < 4", (), 3),
    ("SELECT p.label, x.actor FROM picked p JOIN {transactions} x ON x.number = p.number", (), 2),
    ("SELECT p.label, x.actor FROM picked p LEFT JOIN {transactions} x ON x.number = p.number", (), 2),
    ("SELECT p.label, x.actor FROM picked p LEFT JOIN {transactions} x ON x.number = p.number AND x.actor = p.label", (), 2),
    ("SELECT p.label FROM picked p WHERE EXISTS (SELECT 1 FROM {transactions} x WHERE x.number = p.number AND x.actor = 'actor 0')", (), 2),
    ("SELECT p.label FROM picked p WHERE NOT EXISTS (SELECT 1 FROM {transactions} x WHERE x.number = p.number AND x.actor = 'actor 0')",
     (), 2),
    ("SELECT p.label FROM picked p WHERE EXISTS (SELECT 1 FROM {transactions} x WHERE x.number = p.number AND x.reason > p.label)", (), 2),
    ("SELECT p.label FROM picked p WHERE p.number IN (SELECT number FROM {transactions} WHERE actor = 'actor 0')", (), 2),
    ("SELECT p.label FROM picked p WHERE p.number NOT IN (SELECT number FROM {transactions} WHERE actor = 'actor 0')", (), MANY + 1),
    ("SELECT x.actor FROM {transactions} x WHERE x.number IN (SELECT number FROM picked)", (), 2),
    ("SELECT x.actor FROM {transactions} x WHERE EXISTS (SELECT 1 FROM picked p WHERE p.number = x.number)", (), 2),
    ("SELECT x.number, x.actor FROM {transactions} x WHERE x.number IN (SELECT number FROM picked) ORDER BY x.number DESC LIMIT 1", (), 2),
    ("SELECT x.actor FROM {transactions} x WHERE (x.number, x.actor) IN (SELECT number, 'actor 0' FROM picked)", (), 2),
    ("SELECT x.actor FROM {transactions} x WHERE x.number NOT IN (SELECT number FROM picked WHERE number > 0)", (), MANY + 1),
    ("SELECT p.label, (SELECT actor FROM {transactions} x WHERE x.number = p.number) FROM picked p", (), 2),
    ("SELECT p.label, (SELECT count(*) FROM t FOR SYSTEM_TIME ALL AS v JOIN {transactions} x ON x.number = v.row_start_tx"
     " WHERE v.id = p.number AND x.actor = 'actor 0') FROM picked p", (), MANY + 1),
    ("SELECT e.operation, e.after, x.actor FROM {events} e JOIN {transactions} x ON x.number = e.transaction"
     " WHERE e.transaction BETWEEN 20 AND 25", (), 12),
    ("SELECT e.operation, e.after, x.actor FROM {events} e LEFT JOIN {transactions} x ON x.number = e.transaction"
     " WHERE e.transaction > 1495 ORDER BY e.transaction DESC, e.position DESC", (), 12),
    ("SELECT v.n, e.before, e.after FROM t FOR SYSTEM_TIME ALL AS v JOIN {events} e ON e.transaction = v.row_start_tx"
     " WHERE v.id = 3 AND e.key ->> 'id' = '3'", (), 25),
    ("SELECT p.label, e.after FROM picked p JOIN {events} e ON e.transaction = p.number AND e.position = length(p.label)", (), 2),
    ("SELECT p.label, e.after FROM picked p LEFT JOIN {events} e ON (e.transaction, e.position) = (p.number, 1)", (), 2),
    ("SELECT c.operation, c.after_n, x.metadata, x.reason FROM table_changes('t', ?, ?) AS c JOIN {transactions} x"
     " ON x.number = c.transaction", (200, 205), 11),
    ("SELECT p.label, c.operation FROM picked p JOIN table_changes('t') AS c ON c.transaction = p.number", (), 2),
    ("SELECT h.change, x.actor FROM {schema_history} h JOIN {transactions} x ON x.number = h.transaction", (), 10),
    ("WITH v AS (SELECT DISTINCT row_start_tx AS tx FROM t WHERE id < 4) SELECT x.actor FROM v JOIN {transactions} x ON x.number = v.tx",
     (), 3),
    ("WITH RECURSIVE v (n) AS (SELECT 401::bigint UNION ALL SELECT x.number - 100 FROM v JOIN {transactions} x ON x.number = v.n)"
     " SELECT n FROM v", (), 4),
    ("SELECT p.label, x.number FROM picked p FULL JOIN {transactions} x ON x.number = p.number", (), MANY + 1),
    ("SELECT p.label, y.actor FROM picked p, LATERAL (SELECT x.actor FROM {transactions} x WHERE x.number = p.number) AS y", (), 3),
    ("SELECT v.id, x.actor FROM t FOR SYSTEM_TIME ALL AS v JOIN {transactions} x ON x.number = v.row_start_tx", (), MANY + 1),
]  # fmt: skip
HIDDEN = {name: f"(SELECT * FROM eventdb.{name} LIMIT 100000)" for name in ("transactions", "events", "schema_history")}
OPEN = {name: f"eventdb.{name}" for name in HIDDEN}


@pytest.mark.parametrize(("query", "parameters", "most"), JOINS)
def test_joins(connection: eventdb.Connection, query: str, parameters: tuple[Any, ...], most: int) -> None:
    """The same rows as over the whole log, from few records; also when run again, analyzed, and within a transaction."""
    expected, _ = ask(connection, query.format(**HIDDEN), parameters)
    ordered = "ORDER BY" in query
    assert expected
    for _ in range(2):
        rows, read = ask(connection, query.format(**OPEN), parameters)
        assert (rows if ordered else sorted(rows, key=repr)) == (expected if ordered else sorted(expected, key=repr))
        assert read <= most
    connection.execute("EXPLAIN ANALYZE " + query.format(**OPEN), parameters)
    with connection.transaction():
        assert sorted(connection.execute(query.format(**OPEN), parameters).fetchall(), key=repr) == sorted(rows, key=repr)


def test_views_are_looked_up_too(connection: eventdb.Connection) -> None:
    rows, read = ask(connection, "SELECT n, actor, reason, tx FROM told WHERE id = 3 ORDER BY tx")
    assert [row[2] for row in rows[1:]] == [f"for {row[3]}" for row in rows[1:]]
    assert 5 < len(rows) <= read <= len(rows) + 8
    rows, read = ask(connection, "SELECT actor FROM told WHERE id = 3 ORDER BY tx LIMIT 1")
    assert rows == [(None,)]
    assert read <= 25


def test_the_plan_says_so(connection: eventdb.Connection) -> None:
    query = "EXPLAIN SELECT v.n, x.actor FROM t FOR SYSTEM_TIME ALL AS v {} JOIN eventdb.transactions AS x ON x.number = v.row_start_tx"
    for kind in ("", "LEFT"):
        lines = [line.strip() for (line,) in connection.execute(query.format(kind) + " WHERE v.id = 3")]
        assert lines[0].startswith(f"LookupJoin {kind.lower() or 'inner'}: v.row_start_tx = x.number  ")
        assert lines[2].startswith("SystemScan eventdb.transactions: by number  ")
    lines = [line for (line,) in connection.execute(query.format(""))]
    assert any("HashJoin" in line for line in lines), "all versions: the whole log in one pass"


def test_writes_that_ask_the_log(connection: eventdb.Connection) -> None:
    """In UPDATE … FROM and DELETE … USING, whose transaction is not in the log yet."""
    with connection.transaction() as transaction:
        before = connection.database.records_read
        told = connection.execute(
            "UPDATE picked SET label = x.actor FROM eventdb.transactions x WHERE x.number = picked.number RETURNING picked.number, label"
        ).fetchall()
        assert sorted(told) == [(7, "actor 0"), (7, "actor 0"), (300, "actor 2")]
        gone = "DELETE FROM picked USING eventdb.transactions x WHERE x.number = picked.row_start_tx RETURNING picked.number"
        assert sorted(connection.execute(gone).fetchall(), key=repr) == [(9999,), (None,)], "rows written by now are in no transaction yet"
        assert connection.database.records_read - before <= 4
        transaction.rollback()


def test_a_wrong_estimate_costs_a_few_readings_of_the_log_at_the_most() -> None:
    """The plan was made for few rows, and stays when there are many."""
    memory = eventdb.connect(":memory:", autocommit=True)
    memory.database.verify_commits = False
    memory.execute("CREATE TABLE one (number BIGINT)")
    memory.execute("CREATE TABLE t (id INTEGER)")
    for i in range(3000):
        memory.execute("INSERT INTO t VALUES (?)", (i,))
    query = "SELECT count(*), count(DISTINCT x.number) FROM one JOIN eventdb.transactions x ON x.number = one.number WHERE x.events > 0"
    memory.execute("INSERT INTO one VALUES (5)")
    memory.execute("PREPARE" if False else query)
    assert "LookupJoin" in "\n".join(line for (line,) in memory.execute("EXPLAIN " + query))
    memory.execute("INSERT INTO one SELECT (i * 7919) % 3000 + 1 FROM generate_series(1, 6000) AS g (i)")
    for statement in (query, "EXPLAIN " + query):
        _, read = ask(memory, statement)
        assert read <= 3 * 3000
    memory.close()


def test_a_plan_is_made_anew_when_the_log_has_grown() -> None:
    """A statement that was prepared over a short log, and runs again and again while transactions change rows and insert none."""
    memory = eventdb.connect(":memory:", autocommit=True)
    memory.database.verify_commits = False
    memory.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)")
    memory.execute("INSERT INTO t SELECT i, 0 FROM generate_series(1, 60) AS g (i)")
    query = "SELECT count(x.actor), count(x.number) FROM t JOIN eventdb.transactions x ON x.number = t.row_start_tx"
    assert ask(memory, query) == ([(0, 60)], 2)
    for _ in range(3100):
        memory.execute("UPDATE t SET n = n + 1 WHERE id = 1")
    rows, read = ask(memory, query)
    assert rows == [(0, 60)]
    assert read <= 2 * 9
    memory.close()


def test_in_the_past_only_what_was_known_then(connection: eventdb.Connection) -> None:
    query = "SELECT p.label, x.actor FROM picked {0} AS p LEFT JOIN eventdb.transactions {0} AS x ON x.number = p.number"
    rows, read = ask(connection, query.format("FOR SYSTEM_TIME AS OF TRANSACTION 9"))
    assert sorted(rows) == [("a", "actor 0"), ("b", "actor 0"), ("c", None), ("d", None), ("e", None)]
    assert read == 1
    connection.execute("SET SYSTEM_TIME AS OF TRANSACTION 9")
    assert sorted(connection.execute(query.format("")).fetchall()) == sorted(rows)
    connection.execute("SET SYSTEM_TIME DEFAULT")


# ---- order and columns


@pytest.mark.parametrize(
    ("query", "most"),
    [
        ("SELECT number, actor FROM {transactions} ORDER BY number DESC LIMIT 10", 16),
        ("SELECT number, actor FROM {transactions} ORDER BY committed_at DESC LIMIT 10", 16),
        ("SELECT number, actor FROM {transactions} ORDER BY number DESC, actor LIMIT 10", 16),
        ("SELECT number, actor FROM {transactions} WHERE number < 300 ORDER BY number DESC LIMIT 3 OFFSET 2", 16),
        ("SELECT number, actor FROM {transactions} WHERE actor = 'actor 1' ORDER BY number DESC LIMIT 3", 16),
        ("SELECT number, actor FROM {transactions} WHERE number IN (3, 200, 399) ORDER BY number DESC LIMIT 2", 2),
        ("SELECT number, actor FROM {transactions} ORDER BY number LIMIT 10", 11),
        ("SELECT number, actor FROM {transactions} ORDER BY actor, number LIMIT 10", MANY + 1),
        ("SELECT transaction, position, after FROM {events} ORDER BY transaction DESC, position DESC LIMIT 5", 16),
        ("SELECT transaction, position FROM {events} ORDER BY transaction DESC, position LIMIT 5", MANY + 1),
        ("SELECT transaction, position, object_name FROM {schema_history} ORDER BY transaction DESC, position DESC LIMIT 1", 5),
        ("SELECT transaction, after_n FROM table_changes('t') ORDER BY transaction DESC, position DESC LIMIT 5", 16),
        ("SELECT e.transaction, e.position, x.actor FROM {events} e JOIN {transactions} x ON x.number = e.transaction"
         " ORDER BY e.transaction DESC, e.position DESC LIMIT 5", 160),
        ("SELECT v.id, v.n, x.actor FROM t FOR SYSTEM_TIME ALL AS v LEFT JOIN {transactions} x ON x.number = v.row_start_tx"
         " ORDER BY v.row_start_tx DESC, v.id LIMIT 5", 40),
        ("SELECT v.id, x.actor, y.actor FROM t FOR SYSTEM_TIME ALL AS v LEFT JOIN {transactions} x ON x.committed_at = v.row_start"
         " LEFT JOIN {transactions} y ON y.number = v.row_end_tx ORDER BY v.row_start_tx DESC, v.id LIMIT 5", 80),
        ("SELECT max(number), min(number), count(*) FROM {transactions}", 0),
        ("SELECT count(*) FROM {transactions} WHERE number BETWEEN 5 AND 10", 0),
        ("SELECT count(actor) FROM {transactions} WHERE number BETWEEN 5 AND 10", 6),
        ("SELECT number, committed_at FROM {transactions} WHERE committed_at > '2020-01-01'", 0),
    ],
)  # fmt: skip
def test_order_and_columns(connection: eventdb.Connection, query: str, most: int) -> None:
    """The last transactions without the first ones; of those numbers nothing but which they are, without reading any."""
    expected, _ = ask(connection, query.format(**HIDDEN))
    rows, read = ask(connection, query.format(**OPEN))
    assert rows == expected
    assert read <= most


def test_versions_of_several_rows_are_looked_up(connection: eventdb.Connection) -> None:
    query = "SELECT v.id, v.n, v.row_start_tx, v.row_end_tx FROM t FOR SYSTEM_TIME {} AS v WHERE {} ORDER BY v.id, v.row_start_tx"
    for span in ("ALL", "FROM TRANSACTION 100 TO TRANSACTION 900", "AS OF TRANSACTION 700"):
        everything = [row for row in connection.execute(query.format(span, "TRUE")) if row[0] in (3, 7, 9)]
        assert connection.execute(query.format(span, "v.id IN (9, 3, ?, 3, NULL, 9999)"), (7,)).fetchall() == everything
        ends = query.format(span, "v.id IN (9, 3, 7)").replace("v.n, v.row_start_tx, v.row_end_tx", "v.n")
        assert connection.execute(ends).fetchall() == [row[:2] for row in everything]
    plan = connection.execute("EXPLAIN " + query.format("ALL", "v.id IN (9, 3, ?)"), (7,)).fetchall()
    assert any("KeyLookup" in line for (line,) in plan)


def test_an_equality_of_rows_uses_keys(connection: eventdb.Connection) -> None:
    connection.execute("CREATE TEMPORARY TABLE pair (a INTEGER, b INTEGER, c TEXT, PRIMARY KEY (a, b))")
    connection.execute("INSERT INTO pair VALUES (1, 1, 'x'), (1, 2, NULL)")
    assert connection.execute("SELECT c FROM pair WHERE (b, a) = (?, ?)", (1, 1)).fetchall() == [("x",)]
    assert connection.execute("SELECT a FROM pair WHERE (b, c) = (2, NULL) OR NOT (a, c) = (1, 'y')").fetchall() == [(1,)]
    assert "KeyLookup" in connection.execute("EXPLAIN SELECT c FROM pair WHERE (b, a) = (?, ?)", (1, 1)).fetchone()[0]
