"""Temporary tables behave as lasting ones do, statement by statement, and leave no trace outside their session."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import eventdb
from eventdb import errors

TABLE = """
(id INTEGER PRIMARY KEY, a INTEGER UNIQUE, b TEXT, n INTEGER GENERATED ALWAYS AS IDENTITY, twice INTEGER GENERATED ALWAYS AS (a * 2) STORED,
 CHECK (a < 1000))
"""


def statements(chance: random.Random, count: int) -> Iterator[str]:
    """Random changes and questions of table t and its child c, in and out of transactions."""
    yield "CREATE INDEX t_b ON t (b, a DESC) WHERE a > 5"
    open_, saved = False, False
    for _ in range(count):
        kind = chance.randrange(14)
        some, other = chance.randrange(30), chance.randrange(40)
        if kind < 4:
            yield f"INSERT INTO t (id, a, b) VALUES ({some}, {other}, 'x{other % 5}') RETURNING *"
        elif kind == 4:
            yield f"INSERT INTO t (id, a) VALUES ({some}, {other}) ON CONFLICT (id) DO UPDATE SET a = excluded.a + 100 RETURNING id, a"
        elif kind == 5:
            yield f"UPDATE t SET a = a + {other} WHERE id > {some} RETURNING id, a, twice"
        elif kind == 6:
            yield f"UPDATE t SET id = id + 1 WHERE id = {some}"
        elif kind == 7:
            yield f"DELETE FROM t WHERE a BETWEEN {some} AND {some + 5}"
        elif kind == 8:
            yield f"INSERT INTO c VALUES ({some})"
        elif kind == 9:
            yield f"MERGE INTO t USING (VALUES ({some}, {other})) AS v (i, x) ON id = i WHEN MATCHED THEN UPDATE SET b = 'merged' WHEN NOT MATCHED THEN INSERT (id, a) VALUES (i, x)"  # noqa: E501
        elif kind == 10:
            yield "COMMIT" if open_ else "BEGIN"
            open_, saved = not open_, False
        elif kind == 11 and open_:
            yield "ROLLBACK TO SAVEPOINT s" if saved else "SAVEPOINT s"
            saved = True
        elif kind == 12 and open_:
            yield "ROLLBACK"
            open_ = saved = False
        else:
            yield f"WITH gone AS (DELETE FROM t WHERE id = {some} RETURNING *) SELECT id, a, b FROM gone"
        yield "SELECT id, a, b, twice FROM t ORDER BY id"
        yield f"SELECT id FROM t WHERE b = 'x{other % 5}' AND a > 5 ORDER BY a DESC"
        yield "SELECT * FROM c ORDER BY 1"
    if open_:
        yield "COMMIT"
    yield "ALTER TABLE t ADD COLUMN more TEXT DEFAULT 'm'"
    yield "SELECT id, a, b, twice, more FROM t ORDER BY id"


def outcome(connection: eventdb.Connection, statement: str) -> Any:
    try:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else cursor.rowcount
    except errors.Error as error:
        return type(error).__name__, error.message


@pytest.mark.parametrize("seed", range(6))
def test_they_answer_as_lasting_tables_do(seed: int) -> None:
    lasting, temporary = (eventdb.connect(":memory:", autocommit=True) for _ in range(2))
    temporary.execute("CREATE TABLE beside (x INTEGER)")
    head = temporary.head
    for connection, word in ((lasting, ""), (temporary, "TEMPORARY ")):
        connection.execute(f"CREATE {word}TABLE t {TABLE}")
        connection.execute(f"CREATE {word}TABLE c (t INTEGER REFERENCES t ON DELETE CASCADE ON UPDATE CASCADE)")
    for statement in statements(random.Random(seed), 60):
        assert outcome(temporary, statement) == outcome(lasting, statement), statement
    assert temporary.head == head
    assert lasting.head > head
    for connection in (lasting, temporary):
        connection.close()


def test_nothing_of_them_reaches_the_files_or_another_session(tmp_path: Path) -> None:
    with eventdb.connect(tmp_path / "db", autocommit=True) as one, eventdb.connect(tmp_path / "db", autocommit=True) as two:
        one.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, note TEXT)")
        one.execute("CREATE TEMPORARY TABLE own AS SELECT 'secret-of-the-session' AS word, 1 AS id")
        one.execute("BEGIN")
        one.execute("UPDATE own SET id = 2")
        one.execute("INSERT INTO t SELECT id, 'kept' FROM own")
        two.execute("INSERT INTO t VALUES (3, 'beside')")
        one.execute("COMMIT")
        one.checkpoint()
        with pytest.raises(errors.UndefinedTable):
            two.execute("SELECT * FROM own")
        two.execute("CREATE TEMPORARY TABLE own (other TEXT)")
        assert two.execute("SELECT * FROM own").fetchall() == []
        assert one.execute("SELECT id, note, word FROM t LEFT JOIN own USING (id) ORDER BY id").fetchall() == [
            (2, "kept", "secret-of-the-session"),
            (3, "beside", None),
        ]
        assert one.verify().ok
    one.close()
    two.close()
    files = [path for path in (tmp_path / "db").rglob("*") if path.is_file()]
    assert files
    assert not any(b"secret-of-the-session" in path.read_bytes() or b"own" in path.read_bytes() for path in files)


def test_other_sessions_work_while_one_has_temporary_tables() -> None:
    with eventdb.connect(":memory:beside") as one, eventdb.connect(":memory:beside") as two:
        two.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        two.commit()
        one.execute("CREATE TEMPORARY TABLE own (id INTEGER)")
        one.executemany("INSERT INTO own VALUES (?)", [(n,) for n in range(100)])
        one.commit()
        for n in range(5):
            two.execute("INSERT INTO t VALUES (?)", (n,))
            two.commit()
            assert one.execute("SELECT count(*) FROM t JOIN own USING (id)").fetchone() == (n + 1,)
            one.commit()
        two.execute("ALTER TABLE t ADD COLUMN x INTEGER DEFAULT 7")
        two.commit()
        assert one.execute("SELECT sum(x) FROM t JOIN own USING (id)").fetchone() == (35,)
    one.close()
    two.close()


def test_a_transaction_that_expects_the_newest_one_commits_beside_temporary_tables() -> None:
    with eventdb.connect(":memory:expects", autocommit=True) as one, eventdb.connect(":memory:expects", autocommit=True) as two:
        one.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        one.execute("CREATE TEMPORARY TABLE own AS SELECT 1 AS id")
        with one.transaction(expected_transaction=one.head):
            one.execute("INSERT INTO t SELECT id FROM own")
        one.execute("BEGIN WITH (expected_transaction = ?)", (one.head,))
        one.execute("INSERT INTO t VALUES (2)")
        one.execute("UPDATE own SET id = 5")
        two.execute("INSERT INTO t VALUES (3)")
        with pytest.raises(errors.SerializationFailure):
            one.commit()
        assert one.execute("SELECT t.id, own.id FROM t, own ORDER BY 1").fetchall() == [(1, 1), (3, 1)]
    one.close()
    two.close()


def test_superseded_rows_are_forgotten() -> None:
    with eventdb.connect(":memory:", autocommit=True) as connection:
        connection.execute("CREATE TEMPORARY TABLE own (id INTEGER PRIMARY KEY, v INTEGER)")
        connection.execute("CREATE TABLE t (x INTEGER)")
        connection.execute("INSERT INTO own VALUES (1, 0)")
        for n in range(20):
            connection.execute("INSERT INTO t VALUES (?)", (n,))
            connection.execute("UPDATE own SET v = v + 1")
        own = connection.session.temporary
        assert own is not None
        assert [data.past.count for data in own.tables.values()] == [0]
    connection.close()


def test_a_table_dropped_by_another_session_under_a_temporary_view() -> None:
    with eventdb.connect(":memory:under", autocommit=True) as one, eventdb.connect(":memory:under", autocommit=True) as two:
        two.execute("CREATE TABLE t (x INTEGER)")
        one.execute("CREATE TEMPORARY VIEW v AS SELECT x FROM t")
        two.execute("DROP TABLE t")
        with pytest.raises(errors.UndefinedTable):
            one.execute("SELECT * FROM v")
        one.execute("DROP VIEW v")
    one.close()
    two.close()
