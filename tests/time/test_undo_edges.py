"""Undo where the halves of a transaction need one another, of what cannot be undone, and of what this transaction did itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import eventdb
from eventdb import errors


@pytest.fixture
def connection() -> Iterator[eventdb.Connection]:
    connection = eventdb.connect(":memory:", autocommit=True, allow_erase=True)
    yield connection
    connection.verify().raise_for_problems()
    connection.close()


def ask(connection: eventdb.Connection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()


PARENTS = """CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT CONSTRAINT p_name UNIQUE, n INTEGER NOT NULL DEFAULT 1,
    CONSTRAINT p_n CHECK (n > 0));
CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER CONSTRAINT c_p REFERENCES p, name TEXT CONSTRAINT c_name REFERENCES p (name), x INTEGER);
INSERT INTO p VALUES (1, 'one', 1), (2, 'two', 2); INSERT INTO c VALUES (1, 1, 'one', 1), (2, 2, NULL, 2);"""  # transactions 1 to 4


# ---- what was let go together with the constraint that forbade it


@pytest.mark.parametrize(
    "work",
    [
        "ALTER TABLE p DROP CONSTRAINT p_n; UPDATE p SET n = -1",
        "ALTER TABLE p ALTER COLUMN n DROP NOT NULL; UPDATE p SET n = NULL",
        "ALTER TABLE c DROP CONSTRAINT c_p; INSERT INTO c VALUES (3, 77, NULL, 3)",
        "ALTER TABLE c DROP CONSTRAINT c_name; ALTER TABLE p DROP CONSTRAINT p_name; INSERT INTO p VALUES (3, 'one', 3)",
        "DROP TABLE c; DELETE FROM p",
        "DROP TABLE c; ALTER TABLE p DROP CONSTRAINT p_name",
        "DROP TABLE c; ALTER TABLE p DROP CONSTRAINT p_pkey; INSERT INTO p VALUES (1, 'three', 3)",
        "ALTER TABLE p ALTER COLUMN n TYPE BIGINT; INSERT INTO p VALUES (3, 'three', 3); INSERT INTO c VALUES (3, 3, 'three', 3)",
        "DROP TABLE c; ALTER TABLE p DROP CONSTRAINT p_name; UPDATE p SET name = 'x', n = n + 1",
        "DELETE FROM c; DELETE FROM p; ALTER TABLE p ALTER COLUMN n TYPE BIGINT",
        "ALTER TABLE c ALTER COLUMN x TYPE TEXT; DELETE FROM c; DELETE FROM p",
    ],
)
def test_both_halves_go_back(connection: eventdb.Connection, work: str) -> None:
    """What the old definitions ask is asked when the rows are back too; and reverting that does it all again."""
    connection.executescript(PARENTS)
    tables = "SELECT 'p', id, name, CAST(n AS TEXT) FROM p UNION ALL SELECT 'c', id, name, CAST(p * 100 + x AS TEXT) FROM c ORDER BY 1, 2"
    constraints = "SELECT table_name, constraint_name FROM information_schema.table_constraints ORDER BY 1, 2"
    before = ask(connection, tables), ask(connection, constraints)
    connection.executescript(f"BEGIN; {work}; COMMIT")
    after = ask(connection, constraints)
    connection.execute("REVERT TRANSACTION 5")
    assert (ask(connection, tables), ask(connection, constraints)) == before
    connection.execute("REVERT TRANSACTION 6")
    assert ask(connection, constraints) == after
    connection.verify().raise_for_problems()
    connection.execute("REVERT TRANSACTION 7")
    assert (ask(connection, tables), ask(connection, constraints)) == before


def test_tables_that_refer_to_one_another(connection: eventdb.Connection) -> None:
    """Made and dropped together, in whatever order that would have to be."""
    connection.executescript(
        """CREATE SEQUENCE s; BEGIN; CREATE TABLE a (id INTEGER PRIMARY KEY, b INTEGER);
        CREATE TABLE b (id INTEGER PRIMARY KEY, a INTEGER REFERENCES a); ALTER TABLE a ADD CONSTRAINT a_b FOREIGN KEY (b) REFERENCES b;
        INSERT INTO a VALUES (1, NULL); INSERT INTO b VALUES (1, 1); UPDATE a SET b = 1; CREATE VIEW v AS SELECT 1 AS x;
        CREATE VIEW w AS SELECT * FROM v; CREATE OR REPLACE VIEW v AS SELECT id AS x FROM b; COMMIT"""
    )
    for number in (2, 3):
        connection.execute(f"REVERT TRANSACTION {number}")
        found = ask(connection, "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'")
        assert found == [(0 if number == 2 else 4,)]
    assert ask(connection, "SELECT a.b, b.a, w.x FROM a JOIN b ON a.b = b.id CROSS JOIN w") == [(1, 1, 1)]


def test_what_was_made_since_follows_a_name_that_goes_back(connection: eventdb.Connection) -> None:
    connection.executescript(
        """CREATE SCHEMA s; CREATE TABLE t (id INTEGER PRIMARY KEY); CREATE VIEW v AS SELECT id FROM t; CREATE SEQUENCE q;
        INSERT INTO t VALUES (1); CREATE VIEW u AS SELECT t.id FROM t;
        BEGIN; ALTER TABLE t RENAME TO tt; ALTER TABLE tt SET SCHEMA s; ALTER VIEW v RENAME TO vv; ALTER SEQUENCE q RENAME TO qq; COMMIT;
        CREATE VIEW x AS SELECT tt.id FROM s.tt JOIN vv ON vv.id = tt.id; CREATE TABLE d (n BIGINT DEFAULT nextval('qq'))"""
    )
    for number in (7, 10, 12):
        connection.execute(f"REVERT TRANSACTION {number}")
        connection.execute("INSERT INTO d DEFAULT VALUES")
        found = "t.id FROM t JOIN v" if number != 10 else "tt.id FROM s.tt JOIN vv AS v"
        assert ask(connection, f"SELECT {found} USING (id) JOIN u USING (id) JOIN x USING (id)") == [(1,)]
    assert ask(connection, "SELECT n FROM d") == [(1,), (2,), (3,)]


def test_what_comes_back_has_what_it_needs(connection: eventdb.Connection) -> None:
    """A view whose table was renamed, retyped, dropped since; a default whose sequence is gone; an index whose column is."""
    connection.executescript(
        """CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); CREATE VIEW v AS SELECT id, n FROM t; CREATE VIEW w AS SELECT n FROM v;
        INSERT INTO t VALUES (1, 2); DROP VIEW v CASCADE; ALTER TABLE t RENAME TO tt; BEGIN; REVERT TRANSACTION 5"""
    )
    assert ask(connection, "SELECT w.n, v.id FROM v CROSS JOIN w") == [(2, 1)]
    connection.executescript("ROLLBACK; ALTER TABLE tt ALTER COLUMN n TYPE TEXT")
    with pytest.raises(errors.RevertConflict) as caught:
        connection.execute("REVERT TRANSACTION 5")
    assert 7 in caught.value.transactions
    for change, kind in (("ALTER TABLE tt DROP COLUMN n", errors.UndefinedColumn), ("DROP TABLE tt", errors.UndefinedTable)):
        connection.execute(change)
        with pytest.raises(kind, match='cannot revert transaction 5: view "'):
            connection.execute("REVERT TRANSACTION 5")
    connection.executescript("CREATE SEQUENCE q; CREATE TABLE d (n BIGINT DEFAULT nextval('q'))")
    connection.executescript("ALTER TABLE d ALTER COLUMN n DROP DEFAULT; DROP SEQUENCE q")
    with pytest.raises(errors.UndefinedTable, match='default of column "n" of table "d"'):
        connection.execute("REVERT TRANSACTION ?", (connection.head - 1,))
    connection.executescript("CREATE INDEX i ON d (n); DROP INDEX i; ALTER TABLE d DROP COLUMN n")
    with pytest.raises(errors.RevertConflict, match='a column of index "i" was dropped later') as caught:
        connection.execute("REVERT TRANSACTION ?", (connection.head - 1,))
    assert caught.value.transactions == (connection.head,)


def test_rewritten_tables_keep_what_refers_to_them(connection: eventdb.Connection) -> None:
    """A table that gets its rows of before a rewrite: neither it nor those that refer to it are left without the row they need."""
    connection.executescript(PARENTS)
    connection.executescript("BEGIN; ALTER TABLE p ALTER COLUMN n TYPE BIGINT; INSERT INTO p VALUES (3, 'three', 3); COMMIT")
    connection.execute("INSERT INTO c VALUES (3, 3, NULL, 3)")
    with pytest.raises(errors.ForeignKeyViolation) as caught:
        connection.execute("REVERT TRANSACTION 5")
    assert caught.value.constraint == "c_p"
    connection.executescript("DELETE FROM c WHERE id = 3; REVERT TRANSACTION 5")
    assert ask(connection, "SELECT id FROM p ORDER BY id") == [(1,), (2,)]
    connection.executescript("BEGIN; ALTER TABLE c ALTER COLUMN x TYPE TEXT; DELETE FROM c; COMMIT; DELETE FROM p WHERE id = 2")
    with pytest.raises(errors.ForeignKeyViolation) as caught:
        connection.execute(f"REVERT TRANSACTION {connection.head - 1}")
    assert caught.value.constraint == "c_p"
    assert ask(connection, "SELECT count(*) FROM c") == [(0,)]


def test_rows_that_the_old_definition_forbids(connection: eventdb.Connection) -> None:
    """Rows of later transactions are not undone with it: they are what stands in the way."""
    connection.executescript(PARENTS)
    connection.executescript("ALTER TABLE p DROP CONSTRAINT p_n; INSERT INTO p VALUES (3, 'three', -3)")
    with pytest.raises(errors.CheckViolation):
        connection.execute("REVERT TRANSACTION 5")
    assert ask(connection, "SELECT n FROM p WHERE id = 3") == [(-3,)]
    connection.executescript("DROP TABLE p CASCADE; INSERT INTO c VALUES (3, 99, NULL, 3)")
    with pytest.raises(errors.ForeignKeyViolation):
        connection.execute("REVERT TRANSACTION 7")
    connection.execute("CREATE VIEW p AS SELECT 1 AS id")
    with pytest.raises(errors.DuplicateTable) as caught:
        connection.execute("REVERT TRANSACTION 7")
    assert (caught.value.message, caught.value.hint) == ('cannot revert transaction 7: relation "p" already exists', None)


def test_rows_written_without_a_generated_column(connection: eventdb.Connection) -> None:
    """They have values that the expression does not give."""
    connection.executescript(
        """CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, g INTEGER GENERATED ALWAYS AS (a * 2) STORED);
        INSERT INTO t (id, a) VALUES (1, 1); ALTER TABLE t ALTER COLUMN g DROP EXPRESSION; UPDATE t SET a = 5"""
    )
    with pytest.raises(errors.RevertConflict, match='expression of column "g" of, was changed later by transaction 4') as caught:
        connection.execute("REVERT TRANSACTION 3")
    assert "by hand" in str(caught.value.hint)


def test_a_table_that_has_another_key_since(connection: eventdb.Connection) -> None:
    """Its rows cannot be told by it."""
    connection.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO t VALUES (1, 1); UPDATE t SET n = 2; BEGIN")
    connection.execute("ALTER TABLE t DROP CONSTRAINT t_pkey")
    with pytest.raises(errors.RevertConflict, match='the key of table "t" was changed later by transaction 4'):
        connection.execute("REVERT TRANSACTION 3")
    connection.execute("COMMIT")
    with pytest.raises(errors.RevertConflict) as caught:
        connection.execute("REVERT TRANSACTION 3")
    assert caught.value.transactions == (4,)
    connection.executescript("REVERT TRANSACTION 4; REVERT TRANSACTION 3")
    assert ask(connection, "SELECT * FROM t") == [(1, 1)]


# ---- sequences, subscriptions, erasures


@pytest.mark.parametrize(
    "work", ["TRUNCATE t RESTART IDENTITY", "ALTER TABLE t ALTER COLUMN id RESTART", "SELECT setval('t_id_seq', 1)", "DROP TABLE t"]
)
def test_a_sequence_gives_nothing_out_twice(connection: eventdb.Connection, work: str) -> None:
    connection.execute("CREATE TABLE t (id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n INTEGER)")
    connection.execute("INSERT INTO t (n) VALUES (1), (2), (3)")
    connection.executescript(work)
    connection.executescript("REVERT TRANSACTION 3; INSERT INTO t (n) VALUES (4)")
    assert ask(connection, "SELECT * FROM t ORDER BY id") == [(1, 1), (2, 2), (3, 3), (4, 4)]


def test_values_that_were_taken_stay_taken(connection: eventdb.Connection) -> None:
    connection.executescript("CREATE SEQUENCE up; CREATE SEQUENCE down INCREMENT BY -1")
    for _ in range(2):
        connection.execute("SELECT nextval('up'), nextval('down')")
    connection.execute("REVERT TRANSACTION 4")
    connection.execute("SELECT setval('up', 90), setval('down', -90)")
    connection.execute("REVERT TRANSACTION 5")
    assert ask(connection, "SELECT nextval('up'), nextval('down')") == [(91, -91)]
    connection.execute("SELECT setval('down', -1)")
    connection.execute("REVERT TRANSACTION ?", (connection.head,))
    assert ask(connection, "SELECT nextval('down')") == [(-92,)]


def test_subscriptions_stay_as_they_are(connection: eventdb.Connection) -> None:
    """Also the relation that holds them, which came with the first."""
    connection.executescript("CREATE TABLE t (id INTEGER); BEGIN; CREATE SUBSCRIPTION x; INSERT INTO t VALUES (1); COMMIT")
    connection.execute("REVERT TRANSACTION 2")
    assert ask(connection, "SELECT * FROM t") == []
    assert ask(connection, "SELECT name, position FROM eventdb.subscriptions") == [("x", 1)]
    shown = [(t.number, [c.operation for c in t]) for t in connection.changes()]
    assert shown == [(1, ["create table"]), (2, ["insert"]), (3, ["delete"])]


def test_what_was_removed_for_good(connection: eventdb.Connection) -> None:
    connection.executescript(
        """CREATE TABLE p (id INTEGER PRIMARY KEY, n INTEGER);
        CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p ON DELETE SET NULL);
        INSERT INTO p VALUES (1, 1), (2, 2); INSERT INTO c VALUES (1, 1); UPDATE p SET n = 3; ERASE FROM p WHERE id = 1; UPDATE p SET n = 4;
        DELETE HISTORY FROM p BEFORE TRANSACTION 7"""
    )
    for number in (6, 8):
        with pytest.raises(errors.NotSupportedError, match=f"cannot revert transaction {number}: .* gone for good"):
            connection.execute(f"REVERT TRANSACTION {number}")
    assert connection.head == 8
    assert ask(connection, "SELECT * FROM p") == [(2, 4)]


def test_a_dropped_table_whose_rows_were_trimmed(connection: eventdb.Connection) -> None:
    """It does not come back empty."""
    connection.executescript(
        """CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO t VALUES (1, 1); UPDATE t SET n = 2; DROP TABLE t;
        DELETE HISTORY FROM t BEFORE TRANSACTION 3; FLASHBACK TABLE t TO BEFORE DROP"""
    )
    assert ask(connection, "SELECT * FROM t") == [(1, 2)]
    connection.executescript("DROP TABLE t; CREATE TABLE o (a INTEGER); DELETE HISTORY FROM t BEFORE TRANSACTION 8")
    for statement in ("FLASHBACK TABLE t TO BEFORE DROP", "REVERT TRANSACTION 7"):
        with pytest.raises(errors.SnapshotTooOld):
            connection.execute(statement)


# ---- dropped and brought back in one transaction


def test_a_table_that_this_transaction_dropped(connection: eventdb.Connection) -> None:
    """With the rows, columns, indexes and sequence values that this transaction had given it; also one that it made itself."""
    connection.execute("CREATE TABLE t (id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n INTEGER)")
    connection.execute("INSERT INTO t (n) VALUES (1)")
    with connection.transaction():
        connection.execute("INSERT INTO t (n) VALUES (2)")
        connection.execute("ALTER TABLE t ADD COLUMN more TEXT DEFAULT 'x'")
        connection.execute("CREATE INDEX t_n ON t (n)")
        connection.execute("UPDATE t SET more = 'y' WHERE n = 2")
        connection.execute("SAVEPOINT before")
        connection.execute("DROP TABLE t")
        connection.execute("FLASHBACK TABLE t TO BEFORE DROP")
        connection.execute("INSERT INTO t (n) VALUES (3)")
        connection.execute("DROP TABLE t")
        connection.execute("FLASHBACK TABLE t TO BEFORE DROP")
        connection.execute("CREATE TABLE new (id INTEGER)")
        connection.execute("INSERT INTO new VALUES (7)")
        connection.execute("DROP TABLE new")
        connection.execute("FLASHBACK TABLE new TO BEFORE DROP")
    connection.execute("INSERT INTO t (n) VALUES (4)")
    assert ask(connection, "SELECT * FROM t ORDER BY id") == [(1, 1, "x"), (2, 2, "y"), (3, 3, "x"), (4, 4, "x")]
    assert ask(connection, "SELECT id FROM t WHERE n = 2") == [(2,)]
    assert ask(connection, "SELECT * FROM new") == [(7,)]
    assert ask(connection, "SELECT * FROM t FOR SYSTEM_TIME AS OF TRANSACTION 2") == [(1, 1)]


def test_the_last_drop_is_that_of_this_transaction(connection: eventdb.Connection) -> None:
    connection.executescript(
        """CREATE TABLE t (id INTEGER); INSERT INTO t VALUES (1); DROP TABLE t; CREATE TABLE t (id INTEGER); INSERT INTO t VALUES (2);
        BEGIN; DROP TABLE t; FLASHBACK TABLE t TO BEFORE DROP RENAME TO second; FLASHBACK TABLE t TO BEFORE DROP RENAME TO first; COMMIT"""
    )
    assert ask(connection, "SELECT * FROM first UNION ALL SELECT * FROM second") == [(1,), (2,)]


def test_temporary_tables_beside_it(connection: eventdb.Connection) -> None:
    """They change nothing for others, and do not come back."""
    connection.executescript(
        """CREATE TABLE t (id INTEGER); INSERT INTO t VALUES (1); DROP TABLE t; CREATE TEMPORARY TABLE t (a INTEGER);
        FLASHBACK TABLE t TO BEFORE DROP"""
    )
    assert ask(connection, "SELECT * FROM public.t") == [(1,)]
    connection.execute("BEGIN")
    connection.execute("DROP TABLE pg_temp.t")
    for name in ("t", "pg_temp.t"):
        with pytest.raises(errors.UndefinedTable):
            connection.execute(f"FLASHBACK TABLE {name} TO BEFORE DROP")
    connection.execute("ROLLBACK")
