"""REVERT TRANSACTION and FLASHBACK TABLE: what they put back, what stands in their way, and that nothing is ever removed by them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from properties.visible import everything

import eventdb
from eventdb import errors


@pytest.fixture
def connection() -> Iterator[eventdb.Connection]:
    connection = eventdb.connect(":memory:", autocommit=True)
    yield connection
    connection.close()


def ask(connection: eventdb.Connection, query: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
    return connection.execute(query, parameters).fetchall()


# ---- REVERT: rows


def test_rows_go_back(connection: eventdb.Connection) -> None:
    """Updated, deleted and inserted rows; reverting the revert does it again; all of it stays in the history."""
    connection.executescript(
        """CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INTEGER); INSERT INTO t VALUES (1, 'x', 1), (2, 'y', 2), (3, 'z', 3);
        BEGIN; UPDATE t SET b = b + 1 WHERE id < 3; DELETE FROM t WHERE id = 3; INSERT INTO t VALUES (4, 'w', 4);
        UPDATE t SET id = 9 WHERE id = 2; COMMIT"""
    )
    before, after = everything(connection, "FOR SYSTEM_TIME AS OF TRANSACTION 2"), everything(connection)
    cursor = connection.execute("REVERT TRANSACTION 3")
    assert cursor.rowcount == 5
    assert everything(connection) == before
    connection.execute("REVERT TRANSACTION ?", (connection.head,))
    assert everything(connection) == after
    connection.execute("REVERT TRANSACTION 3")
    assert everything(connection) == before
    assert connection.head == 6
    assert everything(connection, "FOR SYSTEM_TIME AS OF TRANSACTION 3") == after
    assert ask(connection, "SELECT operation, count(*) FROM table_changes('t', 3, 4) GROUP BY 1 ORDER BY 1") == [
        ("delete", 2), ("insert", 2), ("update", 1),
    ]  # fmt: skip


def test_conflicts_name_who_came_later(connection: eventdb.Connection) -> None:
    connection.executescript(
        """CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO t VALUES (1, 1), (2, 2), (3, 3);
        UPDATE t SET n = 10; UPDATE t SET n = 11 WHERE id = 1; INSERT INTO t VALUES (7, 7); UPDATE t SET n = 12 WHERE id < 3"""
    )
    head, seen = connection.head, everything(connection)
    with pytest.raises(errors.RevertConflict) as caught:
        connection.execute("REVERT TRANSACTION 3")
    assert (caught.value.sqlstate, caught.value.transactions, caught.value.retryable) == ("72001", (4, 6), False)
    assert "later by transactions 4, 6" in caught.value.message
    assert caught.value.detail == 'Table "t": Key (id)=(1)\nTable "t": Key (id)=(2)'
    assert (connection.head, everything(connection)) == (head, seen)
    connection.execute("REVERT TRANSACTION 6")
    connection.execute("REVERT TRANSACTION 4")
    connection.execute("REVERT TRANSACTION 3")
    assert ask(connection, "SELECT * FROM t ORDER BY id") == [(1, 1), (2, 2), (3, 3), (7, 7)]


def test_a_row_that_is_as_it_was_left_again_is_no_conflict(connection: eventdb.Connection) -> None:
    connection.executescript(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO t VALUES (1, 1); UPDATE t SET n = 2; UPDATE t SET n = 3; UPDATE t SET n = 2"  # noqa: E501
    )
    connection.execute("REVERT TRANSACTION 3")
    assert ask(connection, "SELECT n FROM t") == [(1,)]


def test_deleted_rows_whose_key_was_taken(connection: eventdb.Connection) -> None:
    connection.executescript(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER UNIQUE); INSERT INTO t VALUES (1, 1); DELETE FROM t; INSERT INTO t VALUES (1, 5)"
    )
    with pytest.raises(errors.RevertConflict) as caught:
        connection.execute("REVERT TRANSACTION 3")
    assert caught.value.transactions == (4,)
    connection.executescript("UPDATE t SET id = 2, n = 1")
    with pytest.raises(errors.UniqueViolation) as taken:
        connection.execute("REVERT TRANSACTION 3")
    assert taken.value.constraint == "t_n_key"


def test_constraints_of_today_hold(connection: eventdb.Connection) -> None:
    """NOT NULL, CHECK and foreign keys in both directions; nothing of a refused revert stays."""
    connection.executescript(
        """CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p ON DELETE CASCADE, n INTEGER);
        INSERT INTO p VALUES (1), (2); INSERT INTO c VALUES (1, 1, NULL); INSERT INTO c VALUES (2, 2, -5);
        UPDATE c SET n = 5; INSERT INTO p VALUES (3); INSERT INTO c VALUES (3, 3, 3); DELETE FROM c WHERE id = 1; DELETE FROM p WHERE id = 1;
        ALTER TABLE c ALTER COLUMN n SET NOT NULL; ALTER TABLE c ADD CHECK (n > 0)"""  # noqa: E501
    )
    seen = everything(connection)
    for number, kind in ((6, errors.RevertConflict), (9, errors.ForeignKeyViolation), (7, errors.ForeignKeyViolation)):
        with pytest.raises(kind):
            connection.execute(f"REVERT TRANSACTION {number}")
        assert everything(connection) == seen
    connection.executescript("BEGIN; REVERT TRANSACTION 10; REVERT TRANSACTION 9; COMMIT")
    assert ask(connection, "SELECT count(*) FROM p JOIN c ON c.p = p.id") == [(3,)]
    with pytest.raises(errors.NotNullViolation):
        connection.execute("REVERT TRANSACTION 6")
    connection.executescript("ALTER TABLE c ALTER COLUMN n DROP NOT NULL; UPDATE c SET n = NULL WHERE id = 1; UPDATE c SET n = 5 WHERE id = 1")  # noqa: E501
    with pytest.raises(errors.CheckViolation):
        connection.execute("REVERT TRANSACTION 6")


def test_parents_and_children_in_one_transaction(connection: eventdb.Connection) -> None:
    """Whatever the order of its changes; a row that refers to itself too."""
    connection.executescript(
        """CREATE TABLE p (id INTEGER PRIMARY KEY, up INTEGER REFERENCES p); CREATE TABLE c (p INTEGER REFERENCES p, q INTEGER REFERENCES p);
        INSERT INTO p VALUES (1, NULL);
        BEGIN; INSERT INTO p VALUES (2, 2), (3, 2); INSERT INTO c VALUES (2, 3), (1, 1); COMMIT; BEGIN; DELETE FROM c; DELETE FROM p; COMMIT"""  # noqa: E501
    )
    connection.execute("REVERT TRANSACTION 5")
    assert ask(connection, "SELECT * FROM c ORDER BY 1") == [(1, 1), (2, 3)]
    connection.execute("REVERT TRANSACTION 4")
    assert ask(connection, "SELECT count(*) FROM c UNION ALL SELECT count(*) FROM p") == [(0,), (1,)]


def test_over_later_schema_changes(connection: eventdb.Connection) -> None:
    """Renamed, retyped, added columns: the row goes back in the schema of today, columns by their ids."""
    connection.executescript(
        """CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b TEXT); INSERT INTO t VALUES (1, 1, 'one'), (2, 2, 'two'); UPDATE t SET a = 5, b = 'five';
        ALTER TABLE t RENAME COLUMN a TO c; ALTER TABLE t ALTER COLUMN c TYPE TEXT; ALTER TABLE t ADD COLUMN d INTEGER DEFAULT 9;
        ALTER TABLE t DROP COLUMN b; ALTER TABLE t RENAME TO u"""  # noqa: E501
    )
    connection.execute("REVERT TRANSACTION 3")
    assert ask(connection, "SELECT * FROM u ORDER BY id") == [(1, "1", 9), (2, "2", 9)]
    with pytest.raises(errors.RevertConflict) as caught:
        connection.executescript("DROP TABLE u; REVERT TRANSACTION 2")
    assert "was dropped" in caught.value.message


def test_generated_columns_and_no_primary_key(connection: eventdb.Connection) -> None:
    connection.executescript(
        """CREATE TABLE t (a INTEGER, d INTEGER GENERATED ALWAYS AS (a * 2) STORED); INSERT INTO t (a) VALUES (1), (1), (2);
        UPDATE t SET a = 7 WHERE a = 1; DELETE FROM t WHERE a = 2"""
    )
    connection.executescript("REVERT TRANSACTION 4; REVERT TRANSACTION 3")
    assert ask(connection, "SELECT * FROM t ORDER BY 1") == [(1, 2), (1, 2), (2, 4)]


@pytest.mark.parametrize(
    ("number", "sqlstate"), [("0", "22023"), ("-1", "22023"), ("99", "22023"), ("NULL", "22023"), ("1.5", "42804"), ("'x'", "22P02"), ("now()", "42804")]  # noqa: E501
)
def test_what_is_no_transaction(connection: eventdb.Connection, number: str, sqlstate: str) -> None:
    connection.execute("CREATE TABLE t (id INTEGER)")
    with pytest.raises(eventdb.Error) as caught:
        connection.execute(f"REVERT TRANSACTION {number if number[0] != '-' and '(' not in number else f'({number})'}")
    assert caught.value.sqlstate == sqlstate
    assert connection.head == 1


def test_where_nothing_is_to_be_done(connection: eventdb.Connection) -> None:
    """A transaction without an effect that is left: nothing is written."""
    connection.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY); CREATE SEQUENCE s; SELECT nextval('s')")
    head = connection.head
    connection.execute(f"REVERT TRANSACTION {head}")
    connection.execute("FLASHBACK TABLE t TO TRANSACTION 1")
    connection.executescript("BEGIN; INSERT INTO t VALUES (1); DELETE FROM t; COMMIT")
    connection.execute(f"REVERT TRANSACTION {connection.head}")
    assert connection.head == head + 1
    assert ask(connection, "SELECT nextval('s')") == [(2,)]


def test_inside_a_transaction(connection: eventdb.Connection) -> None:
    """It sees the transaction's own work, is undone by a savepoint, and rolled back with it."""
    connection.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO t VALUES (1, 1), (2, 2); UPDATE t SET n = n + 10")  # noqa: E501
    with connection.transaction(actor="ann", reason="wrong prices"):
        connection.execute("REVERT TRANSACTION 3")
        connection.execute("SAVEPOINT a")
        connection.execute("UPDATE t SET n = 0")
        connection.execute("FLASHBACK TABLE t TO TRANSACTION 3")
        assert ask(connection, "SELECT n FROM t ORDER BY id") == [(11,), (12,)]
        connection.execute("DELETE FROM t WHERE id = 1")
        with pytest.raises(errors.RevertConflict) as caught:
            connection.execute("REVERT TRANSACTION 3")
        assert caught.value.transactions == (4,)
        assert ask(connection, "SELECT n FROM t ORDER BY id") == [(12,)]
        connection.execute("ROLLBACK TO SAVEPOINT a")
    assert ask(connection, "SELECT n FROM t ORDER BY id") == [(1,), (2,)]
    assert ask(connection, "SELECT actor, reason FROM eventdb.transactions WHERE number = 4") == [("ann", "wrong prices")]
    connection.execute("BEGIN")
    connection.execute("REVERT TRANSACTION 4")
    connection.execute("ROLLBACK")
    assert ask(connection, "SELECT n FROM t ORDER BY id") == [(1,), (2,)]


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    with eventdb.connect(tmp_path / "db", autocommit=True) as writer:
        writer.executescript("CREATE TABLE t (id INTEGER); INSERT INTO t VALUES (1)")
        pinned = eventdb.connect(tmp_path / "db", autocommit=True, as_of=1)
        reader = eventdb.connect(tmp_path / "db", autocommit=True, read_only=True)
        writer.execute("BEGIN READ ONLY")
        for connection in (pinned, reader, writer):
            for statement in ("REVERT TRANSACTION 2", "FLASHBACK TABLE t TO TRANSACTION 1", "FLASHBACK TABLE t TO BEFORE DROP"):
                with pytest.raises(errors.ReadOnlyTransaction):
                    connection.execute(statement)
        for connection in (pinned, reader, writer):
            connection.close()


def test_concurrent_changes_are_conflicts(tmp_path: Path) -> None:
    """Another transaction that commits first and touches the table: a serialization failure, and not a mixture."""
    one, two = eventdb.connect(tmp_path / "db"), eventdb.connect(tmp_path / "db", autocommit=True)
    two.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO t VALUES (1, 1); UPDATE t SET n = 2; INSERT INTO t VALUES (2, 2)")  # noqa: E501
    for statement in ("FLASHBACK TABLE t TO TRANSACTION 2", "REVERT TRANSACTION 3"):
        one.execute(statement)
        two.execute("UPDATE t SET n = n + 1 WHERE id = 1" if "REVERT" in statement else "INSERT INTO t VALUES (3, 3)")
        with pytest.raises(errors.SerializationFailure):
            one.commit()
    one.close()
    two.close()


# ---- REVERT: schema

SCHEMA = """
CREATE SCHEMA s;
CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE t (id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a INTEGER NOT NULL DEFAULT 3, b TEXT, p INTEGER REFERENCES p,
    e INTEGER DEFAULT 1, CONSTRAINT t_a CHECK (a > 0));
CREATE INDEX t_i ON t (lower(b), a DESC) WHERE a > 1;
CREATE UNIQUE INDEX t_u ON t (b);
CREATE VIEW v AS SELECT id, b FROM t WHERE a > 1;
CREATE VIEW w AS SELECT id FROM v;
CREATE SEQUENCE q START WITH 5;
INSERT INTO p VALUES (1, 'one');
INSERT INTO t (a, b, p) VALUES (1, 'x', 1), (2, 'y', NULL), (3, 'z', 1);
SELECT nextval('q');
"""

CHANGES = [
    "CREATE TABLE n (x INTEGER REFERENCES p, UNIQUE (x))", "CREATE TABLE n AS SELECT * FROM t", "CREATE VIEW n AS SELECT a FROM t",
    "CREATE INDEX n ON t (a)", "CREATE SEQUENCE n", "CREATE SCHEMA n", "BEGIN; CREATE SCHEMA n; CREATE TABLE n.m (id INTEGER PRIMARY KEY); "
    "INSERT INTO n.m VALUES (1); CREATE VIEW n.v AS SELECT * FROM n.m; COMMIT", "DROP VIEW v CASCADE", "DROP INDEX t_i", "DROP INDEX t_u",
    "DROP SEQUENCE q", "DROP TABLE t CASCADE", "DROP TABLE p CASCADE", "BEGIN; DROP TABLE t CASCADE; DROP TABLE p; COMMIT", "DROP SCHEMA s",
    "ALTER TABLE t ADD COLUMN c INTEGER DEFAULT 5", "ALTER TABLE t DROP COLUMN p", "ALTER TABLE t DROP COLUMN b CASCADE",
    "ALTER TABLE t RENAME COLUMN p TO r", "ALTER TABLE t RENAME COLUMN b TO bb", "ALTER TABLE t RENAME TO n", "ALTER TABLE t SET SCHEMA s", "ALTER TABLE t ALTER COLUMN a SET DEFAULT 9",  # noqa: E501
    "ALTER TABLE t ALTER COLUMN a DROP DEFAULT", "ALTER TABLE t ALTER COLUMN a DROP NOT NULL", "ALTER TABLE t DROP CONSTRAINT t_a",
    "ALTER TABLE t ADD CONSTRAINT t_b CHECK (b <> '')", "ALTER TABLE p DROP CONSTRAINT p_name_key", "ALTER TABLE p ADD CONSTRAINT p_n UNIQUE (name, id)",  # noqa: E501
    "ALTER TABLE t DROP CONSTRAINT t_p_fkey", "ALTER TABLE t ALTER COLUMN e TYPE TEXT USING e::text || '!'", "COMMENT ON TABLE t IS 'x'",
    "ALTER TABLE p ALTER COLUMN name TYPE VARCHAR(10)", "ALTER TABLE t ALTER COLUMN e TYPE NUMERIC(5, 2)", "ALTER INDEX t_i RENAME TO t_j",
    "CREATE OR REPLACE VIEW w AS SELECT id FROM v WHERE id > 1", "ALTER SEQUENCE q INCREMENT BY 10", "COMMENT ON COLUMN t.a IS 'a'",
    "BEGIN; ALTER TABLE t ADD COLUMN c INTEGER; UPDATE t SET a = a + 1, c = a; DELETE FROM t WHERE id = 2; CREATE INDEX n ON t (c); COMMIT",
    "BEGIN; UPDATE t SET b = b || '!'; ALTER TABLE t RENAME COLUMN e TO c; INSERT INTO t (c, b) VALUES (9, 'new'); COMMIT",
    "BEGIN; DELETE FROM t; INSERT INTO p VALUES (2, 'two'); DROP TABLE t CASCADE; CREATE TABLE t (other TEXT); INSERT INTO t VALUES ('o'); COMMIT",  # noqa: E501
    "BEGIN; UPDATE t SET a = 7; ALTER TABLE t DROP COLUMN b CASCADE; COMMIT", "ALTER TABLE t ALTER COLUMN id SET GENERATED BY DEFAULT",
    "TRUNCATE t",
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_schema_changes_go_back(tmp_path: Path, change: str) -> None:
    """Whatever a transaction did: reverted, all is as before; reverted once more, as it left it. Of some also that the past stays as it
    was, and that reading the log anew gives the same."""
    some = CHANGES.index(change) % 4 == 0
    connection = eventdb.connect(tmp_path / "db" if some else ":memory:", autocommit=True)
    connection.executescript(SCHEMA)
    before = everything(connection)
    connection.executescript(change)
    number = connection.head
    after = everything(connection)
    assert after != before
    connection.execute(f"REVERT TRANSACTION {number}")
    assert everything(connection) == before
    connection.execute("BEGIN")
    connection.execute("INSERT INTO t (a, b) VALUES (5, 'later')")
    assert ask(connection, "SELECT id FROM t WHERE b = 'later'") == [(5 if "'new'" in change else 4,)]
    connection.execute("ROLLBACK")
    connection.execute(f"REVERT TRANSACTION {number + 1}")
    assert everything(connection) == after
    if not some:
        connection.close()
        return
    assert everything(connection, f"FOR SYSTEM_TIME AS OF TRANSACTION {number - 1}") == before
    assert everything(connection, f"FOR SYSTEM_TIME AS OF TRANSACTION {number}") == after
    connection.close()
    for path in (tmp_path / "db" / "snapshots").iterdir():
        path.unlink()
    connection = eventdb.connect(tmp_path / "db", autocommit=True)
    assert everything(connection) == after
    connection.close()


@pytest.mark.parametrize(
    ("change", "later", "sqlstate"),
    [
        ("CREATE TABLE n (x INTEGER)", "INSERT INTO n VALUES (1)", "72001"), ("CREATE TABLE n (x INTEGER)", "ALTER TABLE n ADD COLUMN y TEXT", "72001"),  # noqa: E501
        ("CREATE TABLE n (x INTEGER)", "CREATE VIEW nv AS SELECT * FROM n", "2BP01"),
        ("CREATE TABLE n (x INTEGER PRIMARY KEY)", "CREATE TABLE m (x INTEGER REFERENCES n)", "2BP01"),
        ("CREATE VIEW n AS SELECT a FROM t", "CREATE VIEW m AS SELECT a FROM n", "2BP01"), ("CREATE SCHEMA n", "CREATE TABLE n.x (a INTEGER)", "2BP01"),  # noqa: E501
        ("DROP VIEW v CASCADE", "CREATE TABLE v (x INTEGER)", "42P07"), ("DROP TABLE t CASCADE", "CREATE TABLE t (x INTEGER)", "42P07"),
        ("DROP TABLE t CASCADE", "DROP TABLE p", "42P01"), ("DROP TABLE t CASCADE", "FLASHBACK TABLE t TO BEFORE DROP", "72001"),
        ("DROP TABLE t CASCADE", "DELETE FROM p", "23503"), ("ALTER TABLE t ADD COLUMN c INTEGER", "UPDATE t SET c = 1", "72001"),
        ("ALTER TABLE t ADD COLUMN c INTEGER", "ALTER TABLE t RENAME COLUMN c TO d", "72001"),
        ("ALTER TABLE t ALTER COLUMN e TYPE NUMERIC(5, 2)", "UPDATE t SET e = 1.5", "72001"),
        ("ALTER TABLE t RENAME TO n", "CREATE TABLE t (x INTEGER)", "42P07"), ("ALTER TABLE t RENAME TO n", "DROP TABLE n CASCADE", "72001"),  # noqa: E501
        ("ALTER TABLE t RENAME COLUMN p TO r", "CREATE VIEW n AS SELECT r FROM t", "2BP01"),
        ("ALTER TABLE t DROP CONSTRAINT t_a", "UPDATE t SET a = -1", "23514"), ("ALTER TABLE t ALTER COLUMN a DROP NOT NULL", "UPDATE t SET a = NULL", "23502"),  # noqa: E501
        ("DROP INDEX t_u", "INSERT INTO t (b) VALUES ('x')", "23505"), ("ALTER TABLE t DROP CONSTRAINT t_p_fkey", "UPDATE t SET p = 99", "23503"),  # noqa: E501
        ("ALTER TABLE p ADD CONSTRAINT p_n UNIQUE (name, id)", "CREATE TABLE m (a TEXT, b INTEGER, FOREIGN KEY (a, b) REFERENCES p (name, id))", "2BP01"),  # noqa: E501
        ("CREATE OR REPLACE VIEW w AS SELECT id FROM v WHERE id > 1", "DROP VIEW w", "72001"),
        ("CREATE OR REPLACE VIEW w AS SELECT id FROM v WHERE id > 1", "CREATE OR REPLACE VIEW w AS SELECT id FROM v", "72001"),
        ("ALTER SEQUENCE q INCREMENT BY 10", "DROP SEQUENCE q", "72001"),
    ],
)  # fmt: skip
def test_what_stands_in_the_way(connection: eventdb.Connection, change: str, later: str, sqlstate: str) -> None:
    connection.executescript(SCHEMA)
    connection.execute(change)
    number = connection.head
    connection.execute(later)
    seen = everything(connection)
    with pytest.raises(eventdb.Error) as caught:
        connection.execute(f"REVERT TRANSACTION {number}")
    assert caught.value.sqlstate == sqlstate, caught.value
    if sqlstate == "72001":
        assert isinstance(caught.value, errors.RevertConflict)
        assert caught.value.transactions == (number + 1,)
    assert everything(connection) == seen


# ---- FLASHBACK … TO a moment


def test_rows_as_of_then(connection: eventdb.Connection) -> None:
    connection.executescript(
        """CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INTEGER); INSERT INTO t VALUES (1, 'x', 1), (2, 'y', 2), (3, 'z', 3);
        UPDATE t SET b = 0; DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (4, 'w', 4)"""
    )
    (time,) = ask(connection, "SELECT committed_at FROM eventdb.transactions WHERE number = 2")[0]
    assert connection.execute("FLASHBACK TABLE t TO TRANSACTION 2").rowcount == 4
    assert ask(connection, "SELECT * FROM t ORDER BY id") == [(1, "x", 1), (2, "y", 2), (3, "z", 3)]
    connection.execute("FLASHBACK TABLE t TO TRANSACTION ?", (connection.head - 1,))
    assert ask(connection, "SELECT * FROM t ORDER BY id") == [(2, "y", 0), (3, "z", 0), (4, "w", 4)]
    connection.execute("FLASHBACK TABLE public.t TO TIMESTAMP ?", (time,))
    assert ask(connection, "SELECT * FROM t ORDER BY id") == [(1, "x", 1), (2, "y", 2), (3, "z", 3)]
    head = connection.head
    assert connection.execute(f"FLASHBACK TABLE t TO TIMESTAMP '{time}'").rowcount == 0
    assert connection.head == head
    assert ask(connection, "SELECT count(*) FROM t FOR SYSTEM_TIME ALL") == [(3 + 3 + 1 + 3 + 3 + 3,)]


def test_in_the_schema_of_today(connection: eventdb.Connection) -> None:
    """Dropped columns stay away, added ones keep their values, a row that comes back has their default; types and names of today."""
    connection.executescript(
        """CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, gone TEXT); INSERT INTO t VALUES (1, 1, 'g'), (2, 2, 'g');
        ALTER TABLE t RENAME COLUMN a TO c; ALTER TABLE t ADD COLUMN d INTEGER DEFAULT 5; ALTER TABLE t DROP COLUMN gone; UPDATE t SET c = 9, d = 6;
        DELETE FROM t WHERE id = 2; ALTER TABLE t ADD COLUMN twice TEXT GENERATED ALWAYS AS (c::text || c::text) STORED; ALTER TABLE t ALTER COLUMN d TYPE TEXT"""  # noqa: E501
    )
    assert connection.execute("FLASHBACK TABLE t TO TRANSACTION 2").rowcount == 2
    assert ask(connection, "SELECT * FROM t ORDER BY id") == [(1, 1, "6", "11"), (2, 2, "5", "22")]


def test_flashback_and_constraints(connection: eventdb.Connection) -> None:
    """Foreign keys are checked when all tables of the statement are back."""
    connection.executescript(
        """CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p ON DELETE CASCADE);
        INSERT INTO p VALUES (1); INSERT INTO c VALUES (1, 1); INSERT INTO p VALUES (2); INSERT INTO c VALUES (2, 2); DELETE FROM p WHERE id = 1"""  # noqa: E501
    )
    with pytest.raises(errors.ForeignKeyViolation):
        connection.execute("FLASHBACK TABLE c TO TRANSACTION 4")
    with pytest.raises(errors.ForeignKeyViolation):
        connection.execute("FLASHBACK TABLE p TO TRANSACTION 4")
    assert connection.execute("FLASHBACK TABLE c, p, c TO TRANSACTION 4").rowcount == 4
    assert ask(connection, "SELECT c.id, p.id FROM c JOIN p ON p.id = c.p") == [(1, 1)]


@pytest.mark.parametrize(
    ("statement", "sqlstate"),
    [
        ("FLASHBACK TABLE nope TO TRANSACTION 1", "42P01"), ("FLASHBACK TABLE v TO TRANSACTION 1", "42809"), ("FLASHBACK TABLE t TO TRANSACTION 1", "42P01"),  # noqa: E501
        ("FLASHBACK TABLE t TO TRANSACTION 99", "22023"), ("FLASHBACK TABLE t TO TRANSACTION NULL", "22023"), ("FLASHBACK TABLE t TO 'x'", "22007"),  # noqa: E501
        ("FLASHBACK TABLE t TO now() + INTERVAL '1 day'", "22023"), ("FLASHBACK TABLE eventdb.events TO TRANSACTION 1", "42809"),
        ("FLASHBACK TABLE t TO BEFORE DROP", "42P01"), ("FLASHBACK TABLE o, t TO BEFORE DROP", "42601"), ("FLASHBACK TABLE o TO BEFORE DROP RENAME TO t", "42P07"),  # noqa: E501
        ("FLASHBACK TABLE o TO BEFORE DROP RENAME TO \"\"", "42601"), ("FLASHBACK TABLE a.b.c TO BEFORE DROP", "42601"), ("FLASHBACK TABLE t TO TRANSACTION 1.5", "42804"),  # noqa: E501
    ],
)  # fmt: skip
def test_bad_flashbacks(connection: eventdb.Connection, statement: str, sqlstate: str) -> None:
    connection.executescript("CREATE TABLE o (x INTEGER); CREATE TABLE t (x INTEGER); CREATE VIEW v AS SELECT * FROM t; DROP TABLE o")
    with pytest.raises(eventdb.Error) as caught:
        connection.execute(statement)
    assert caught.value.sqlstate == sqlstate, caught.value
    assert connection.head == 4


@pytest.mark.parametrize("seed", range(5))
def test_flashback_to_any_moment(connection: eventdb.Connection, seed: int) -> None:
    """From wherever it stands to wherever it stood, back and forth, with the same tables as AS OF shows."""
    chance = random.Random(seed)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b TEXT)" if seed % 2 else "CREATE TABLE t (id INTEGER, a INTEGER, b TEXT)")  # noqa: E501
    connection.execute("CREATE INDEX i ON t (a)")
    for step in range(50):
        match chance.randrange(4):
            case 0 | 1:
                connection.execute("INSERT INTO t VALUES (?, ?, 'x') ON CONFLICT DO NOTHING", (chance.randrange(20), step))
            case 2:
                connection.execute("UPDATE t SET a = ? WHERE id % 3 = ?", (chance.randrange(3), chance.randrange(3)))
            case 3:
                connection.execute("DELETE FROM t WHERE id = ?", (chance.randrange(20),))
    for _ in range(15):
        number = chance.randrange(1, connection.head + 1)
        connection.execute(f"FLASHBACK TABLE t TO TRANSACTION {number}")
        expected = sorted(ask(connection, f"SELECT * FROM t FOR SYSTEM_TIME AS OF TRANSACTION {number}"))
        assert sorted(ask(connection, "SELECT * FROM t")) == expected
        assert sorted(ask(connection, "SELECT * FROM t WHERE a >= 0")) == expected
    connection.verify()


# ---- FLASHBACK … TO BEFORE DROP


def test_a_dropped_table_comes_back(tmp_path: Path) -> None:
    """With rows, indexes, constraints, sequences, its id and its history; after reading the log anew, too."""
    connection = eventdb.connect(tmp_path / "db", autocommit=True)
    connection.executescript(SCHEMA)
    connection.executescript("UPDATE t SET a = a + 1; DELETE FROM t WHERE b = 'y'; DROP VIEW v CASCADE")
    before = everything(connection)
    identity = next(t.id for t in connection.database.head.catalog.tables.values() if t.name == "t")
    connection.execute("DROP TABLE t")
    dropped = connection.head
    assert connection.execute("FLASHBACK TABLE t TO BEFORE DROP").rowcount == 2
    assert everything(connection) == before
    assert next(t.id for t in connection.database.head.catalog.tables.values() if t.name == "t") == identity
    history = "SELECT id, a, row_start_tx, row_end_tx FROM t FOR SYSTEM_TIME ALL WHERE id = 1 ORDER BY row_start_tx"
    assert [row[2:] for row in ask(connection, history)] == [(10, 12), (12, dropped), (dropped + 1, None)]
    with pytest.raises(errors.UndefinedTable):
        ask(connection, f"SELECT * FROM t FOR SYSTEM_TIME AS OF TRANSACTION {dropped}")
    assert len(ask(connection, "SELECT * FROM t FOR SYSTEM_TIME AS OF TRANSACTION 10 WHERE b = 'y'")) == 1
    assert [row[1] for row in ask(connection, "SELECT transaction, operation FROM table_changes('t', 11)")] == ["update"] * 3 + ["delete"] + ["insert"] * 2  # noqa: E501
    connection.execute("INSERT INTO t (a, b) VALUES (8, 'q')")
    assert ask(connection, "SELECT id FROM t WHERE b = 'q'") == [(4,)]
    with pytest.raises(errors.UniqueViolation):
        connection.execute("INSERT INTO t (a, b) VALUES (8, 'q')")
    assert "t_u" in str(ask(connection, "EXPLAIN SELECT * FROM t WHERE b = 'q'"))
    connection.execute("DROP TABLE t")
    connection.execute("FLASHBACK TABLE t TO BEFORE DROP")
    assert ask(connection, "SELECT count(*) FROM t") == [(3,)]
    seen = everything(connection), ask(connection, history)
    connection.close()
    for snapshots in (True, False):
        if not snapshots:
            for path in (tmp_path / "db" / "snapshots").iterdir():
                path.unlink()
        connection = eventdb.connect(tmp_path / "db", autocommit=True)
        assert (everything(connection), ask(connection, history)) == seen
        connection.execute("INSERT INTO t (a, b) VALUES (1, 'r') RETURNING id")
        connection.execute(f"REVERT TRANSACTION {connection.head}")
        seen = everything(connection), ask(connection, history)
        connection.verify()
        connection.close()


def test_the_last_one_of_that_name(connection: eventdb.Connection) -> None:
    """The one dropped last; under another name where the name is taken; each only once."""
    connection.executescript(
        """CREATE TABLE t (first INTEGER); INSERT INTO t VALUES (1); DROP TABLE t; CREATE TABLE t (second INTEGER); DROP TABLE t;
        CREATE TABLE t (third INTEGER); CREATE TABLE old (n INTEGER); ALTER TABLE old RENAME TO new; DROP TABLE new; BEGIN;
        CREATE TABLE never (n INTEGER); DROP TABLE never; COMMIT"""
    )
    with pytest.raises(errors.DuplicateTable) as caught:
        connection.execute("FLASHBACK TABLE t TO BEFORE DROP")
    assert "RENAME TO" in (caught.value.hint or "")
    connection.execute("FLASHBACK TABLE t TO BEFORE DROP RENAME TO t2")
    connection.execute("FLASHBACK TABLE t TO BEFORE DROP RENAME TO t1")
    assert [connection.execute(f"SELECT * FROM {name}").description[0][0] for name in ("t", "t1", "t2")] == ["third", "first", "second"]  # type: ignore[index]
    assert ask(connection, "SELECT * FROM t1") == [(1,)]
    for name in ("t", "old", "never", "nope"):
        with pytest.raises(errors.UndefinedTable):
            connection.execute(f"FLASHBACK TABLE {name} TO BEFORE DROP")
    connection.execute("FLASHBACK TABLE new TO BEFORE DROP")


def test_temporary_tables_have_no_past(connection: eventdb.Connection) -> None:
    """They hide a table of their name; what is theirs is in no log, so nothing of it is told or undone."""
    connection.executescript(
        "CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (1); UPDATE t SET n = 2; CREATE TEMPORARY TABLE t (n INTEGER); INSERT INTO t VALUES (9)"  # noqa: E501
    )
    for statement in (
        "SELECT * FROM table_changes('t')", "SELECT * FROM table_diff('t', 1)", "FLASHBACK TABLE t TO TRANSACTION 2", "FLASHBACK TABLE pg_temp.t TO TRANSACTION 3",  # noqa: E501
    ):  # fmt: skip
        with pytest.raises(errors.NotSupportedError):
            connection.execute(statement)
    assert ask(connection, "SELECT after FROM eventdb.events WHERE table_name = 't'") == [({"n": 1},), ({"n": 2},)]
    assert ask(connection, "SELECT after_n FROM table_changes('public.t')") == [(1,), (2,)]
    connection.execute("REVERT TRANSACTION 3")
    connection.execute("DROP TABLE t")
    assert ask(connection, "SELECT n FROM t") == [(1,)]
    with pytest.raises(errors.UndefinedTable):
        connection.execute("FLASHBACK TABLE t TO BEFORE DROP")


def test_in_a_fork(connection: eventdb.Connection) -> None:
    """A fork has the origin's past, and an undo of its own."""
    connection.executescript("CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (1); UPDATE t SET n = 2; DROP TABLE t")
    fork = connection.fork(3)
    fork.autocommit = True
    fork.execute("REVERT TRANSACTION 3")
    assert ask(fork, "SELECT operation, after_n FROM table_changes('t', 1)") == [("insert", 1), ("update", 2), ("update", 1)]
    fork.execute("DROP TABLE t")
    fork.execute("FLASHBACK TABLE t TO BEFORE DROP")
    assert ask(fork, "SELECT n FROM t") == [(1,)]
    assert connection.head == 4
    fork.close()


def test_what_a_dropped_table_refers_to(connection: eventdb.Connection) -> None:
    connection.executescript(
        """CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p INTEGER REFERENCES p, me INTEGER PRIMARY KEY REFERENCES c);
        INSERT INTO p VALUES (1); INSERT INTO c VALUES (1, 1); DROP TABLE c; DROP TABLE p"""
    )
    with pytest.raises(errors.UndefinedTable) as caught:
        connection.execute("FLASHBACK TABLE c TO BEFORE DROP")
    assert "c_p_fkey" in caught.value.message
    connection.executescript("FLASHBACK TABLE p TO BEFORE DROP; DELETE FROM p")
    with pytest.raises(errors.ForeignKeyViolation):
        connection.execute("FLASHBACK TABLE c TO BEFORE DROP")
    connection.executescript("INSERT INTO p VALUES (1); FLASHBACK TABLE c TO BEFORE DROP")
    assert ask(connection, "SELECT * FROM c") == [(1, 1)]
    connection.executescript(
        "CREATE SEQUENCE q; CREATE TABLE d (id INTEGER DEFAULT nextval('q'), n INTEGER); INSERT INTO d (n) VALUES (7); DROP TABLE d; DROP SEQUENCE q"  # noqa: E501
    )
    with pytest.raises(errors.UndefinedTable) as missing:
        connection.execute("FLASHBACK TABLE d TO BEFORE DROP")
    assert 'default of column "id"' in missing.value.message
    connection.executescript("CREATE SEQUENCE q START WITH 5; FLASHBACK TABLE d TO BEFORE DROP; INSERT INTO d (n) VALUES (8)")
    assert ask(connection, "SELECT * FROM d ORDER BY n") == [(1, 7), (5, 8)]
