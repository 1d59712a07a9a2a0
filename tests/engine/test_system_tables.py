"""information_schema and eventdb.*: a schema with everything in it, joined, in the past; and who made each transaction, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import eventdb
from eventdb import errors
from eventdb.engine.system_tables import TABLES

SCHEMA = """
CREATE SCHEMA s;
CREATE TABLE p (
    id INTEGER GENERATED ALWAYS AS IDENTITY (START WITH 10 INCREMENT BY 2), code CHAR(3) NOT NULL, PRIMARY KEY (id),
    CONSTRAINT p_code UNIQUE (code)
);
CREATE TABLE t (
    a INTEGER, b SMALLINT, c NUMERIC(7, 2) DEFAULT 1.5, d VARCHAR(20) NOT NULL DEFAULT 'x', e TIMESTAMP(3) WITH TIME ZONE, f JSON,
    j TEXT GENERATED ALWAYS AS (d || 'y') STORED, PRIMARY KEY (a, b),
    CONSTRAINT t_p FOREIGN KEY (a) REFERENCES p (id) ON DELETE CASCADE ON UPDATE SET NULL DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT t_c CHECK (c > 0)
);
CREATE TABLE nokey (x INTEGER);
CREATE TABLE s.inner_one (id INTEGER PRIMARY KEY);
CREATE INDEX t_i ON t (lower(d), c DESC) INCLUDE (e, b) WHERE b > 0;
CREATE UNIQUE INDEX t_u ON t (e) NULLS NOT DISTINCT;
CREATE SEQUENCE q INCREMENT BY 5 MAXVALUE 100 CYCLE;
CREATE VIEW v AS SELECT a, d FROM t;
COMMENT ON TABLE t IS 'the table';
COMMENT ON COLUMN t.a IS 'the a';
COMMENT ON INDEX t_i IS 'the index';
COMMENT ON SEQUENCE q IS 'the sequence';
"""

# The relation and its columns → the rows of the schema above.
GOLDEN: dict[str, list[tuple[Any, ...]]] = {
    "SELECT table_schema, table_name, table_type, table_comment FROM information_schema.tables WHERE table_schema IN ('public', 's')": [
        ("public", "nokey", "BASE TABLE", None), ("public", "p", "BASE TABLE", None), ("public", "t", "BASE TABLE", "the table"),
        ("public", "v", "VIEW", None), ("s", "inner_one", "BASE TABLE", None),
    ],
    "SELECT schema_name FROM information_schema.schemata": [("eventdb",), ("information_schema",), ("public",), ("s",)],
    "SELECT catalog_name FROM information_schema.information_schema_catalog_name": [("eventdb",)],
    "SELECT ordinal_position, column_name, column_default, is_nullable, data_type, udt_name FROM information_schema.columns"
    " WHERE table_name = 't'": [
        (1, "a", None, "NO", "integer", "int4"), (2, "b", None, "NO", "smallint", "int2"), (3, "c", "1.5", "YES", "numeric", "numeric"),
        (4, "d", "'x'", "NO", "character varying", "varchar"), (5, "e", None, "YES", "timestamp with time zone", "timestamptz"),
        (6, "f", None, "YES", "json", "json"), (7, "j", None, "YES", "text", "text"),
    ],
    "SELECT column_name, character_maximum_length, numeric_precision, numeric_scale, datetime_precision, is_generated,"
    " generation_expression, column_comment FROM information_schema.columns WHERE table_name = 't' AND column_name IN ('a', 'c', 'd', 'e', 'j')": [  # noqa: E501
        ("a", None, 32, 0, None, "NEVER", None, "the a"), ("c", None, 7, 2, None, "NEVER", None, None),
        ("d", 20, None, None, None, "NEVER", None, None), ("e", None, None, None, 3, "NEVER", None, None),
        ("j", None, None, None, None, "ALWAYS", "d || 'y'", None),
    ],
    "SELECT is_identity, identity_generation, identity_start, identity_increment, identity_cycle FROM information_schema.columns"
    " WHERE table_name = 'p' AND column_name = 'id'": [("YES", "ALWAYS", "10", "2", "NO")],
    "SELECT table_name, column_name, ordinal_position FROM information_schema.columns WHERE table_name IN ('v', 'nokey', 'inner_one')": [
        ("inner_one", "id", 1), ("nokey", "x", 1), ("v", "a", 1), ("v", "d", 2),
    ],
    "SELECT table_name, constraint_name, constraint_type, is_deferrable, initially_deferred FROM information_schema.table_constraints"
    " WHERE constraint_name NOT LIKE '%not_null'": [
        ("inner_one", "inner_one_pkey", "PRIMARY KEY", "NO", "NO"), ("p", "p_code", "UNIQUE", "NO", "NO"),
        ("p", "p_pkey", "PRIMARY KEY", "NO", "NO"), ("t", "t_c", "CHECK", "NO", "NO"), ("t", "t_p", "FOREIGN KEY", "YES", "YES"),
        ("t", "t_pkey", "PRIMARY KEY", "NO", "NO"),
    ],
    "SELECT constraint_name, table_name, column_name, ordinal_position, position_in_unique_constraint FROM information_schema.key_column_usage": [  # noqa: E501
        ("inner_one_pkey", "inner_one", "id", 1, None), ("p_code", "p", "code", 1, None), ("p_pkey", "p", "id", 1, None),
        ("t_p", "t", "a", 1, 1), ("t_pkey", "t", "a", 1, None), ("t_pkey", "t", "b", 2, None),
    ],
    "SELECT constraint_name, unique_constraint_name, match_option, update_rule, delete_rule FROM information_schema.referential_constraints": [  # noqa: E501
        ("t_p", "p_pkey", "NONE", "SET NULL", "CASCADE"),
    ],
    "SELECT constraint_name, table_name, column_name FROM information_schema.constraint_column_usage WHERE constraint_name = 't_p'": [
        ("t_p", "p", "id"),
    ],
    "SELECT table_name, column_name FROM information_schema.constraint_column_usage WHERE constraint_name = 't_c'": [("t", "c")],
    "SELECT constraint_name, check_clause FROM information_schema.check_constraints WHERE constraint_name NOT LIKE '%not_null'": [
        ("t_c", "c > 0"),
    ],
    "SELECT check_clause FROM information_schema.check_constraints WHERE constraint_name LIKE '%not_null'": [
        ("a IS NOT NULL",), ("b IS NOT NULL",), ("code IS NOT NULL",), ("d IS NOT NULL",), ("id IS NOT NULL",), ("id IS NOT NULL",),
    ],
    "SELECT table_name, view_definition, is_updatable FROM information_schema.views": [("v", "SELECT a, d FROM public.t", "NO")],
    "SELECT sequence_name, data_type, start_value, minimum_value, maximum_value, increment, cycle_option FROM information_schema.sequences": [  # noqa: E501
        ("q", "bigint", "1", "1", "100", "5", "YES"),
    ],
    "SELECT index_name, is_unique, is_primary, is_constraint, ordinal_position, column_name, expression, descending, predicate"
    " FROM eventdb.indexes WHERE table_name = 't'": [
        ("t_i", False, False, False, 1, None, "lower(d)", False, "b > 0"), ("t_i", False, False, False, 2, "c", None, True, "b > 0"),
        ("t_pkey", True, True, True, 1, "a", None, False, None), ("t_pkey", True, True, True, 2, "b", None, False, None),
        ("t_u", True, False, False, 1, "e", None, False, None),
    ],
    "SELECT index_name, ordinal_position, nulls_distinct, included, method, comment FROM eventdb.indexes WHERE table_name = 't'": [
        ("t_i", 1, True, ["e", "b"], "btree", "the index"), ("t_i", 2, True, ["e", "b"], "btree", "the index"),
        ("t_pkey", 1, True, [], "btree", None), ("t_pkey", 2, True, [], "btree", None), ("t_u", 1, False, [], "btree", None),
    ],
    "SELECT sequence_name, start_value, increment, maximum_value, cycle, cache, owner_table, owner_column, is_identity, comment"
    " FROM eventdb.sequences": [
        ("p_id_seq", 10, 2, 2147483647, False, 1, "p", "id", True, None), ("q", 1, 5, 100, True, 1, None, None, False, "the sequence"),
    ],
    "SELECT constraint_name, constraint_type, ordinal_position, column_name, referenced_schema, referenced_table, referenced_column,"
    " update_rule, delete_rule, is_deferrable, initially_deferred, nulls_distinct, check_clause FROM eventdb.constraints"
    " WHERE table_name IN ('p', 't')": [
        ("p_code", "UNIQUE", 1, "code", None, None, None, None, None, False, False, True, None),
        ("p_pkey", "PRIMARY KEY", 1, "id", None, None, None, None, None, False, False, None, None),
        ("t_c", "CHECK", None, None, None, None, None, None, None, False, False, None, "c > 0"),
        ("t_p", "FOREIGN KEY", 1, "a", "public", "p", "id", "SET NULL", "CASCADE", True, True, None, None),
        ("t_pkey", "PRIMARY KEY", 1, "a", None, None, None, None, None, False, False, None, None),
        ("t_pkey", "PRIMARY KEY", 2, "b", None, None, None, None, None, False, False, None, None),
    ],
}  # fmt: skip


@pytest.fixture
def connection() -> Iterator[eventdb.Connection]:
    connection = eventdb.connect(":memory:", autocommit=True, allow_erase=True)
    connection.executescript(SCHEMA)
    yield connection
    connection.close()


def ask(connection: eventdb.Connection, query: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
    return sorted(connection.execute(query, parameters).fetchall(), key=repr)


@pytest.mark.parametrize("query", GOLDEN)
def test_what_the_relations_say(connection: eventdb.Connection, query: str) -> None:
    assert ask(connection, query) == sorted(GOLDEN[query], key=repr)


def test_every_relation_is_told_of_and_answers(connection: eventdb.Connection) -> None:
    """Each is listed in information_schema, with the columns and types that it gives, in the present and in the past."""
    connection.executescript("INSERT INTO nokey VALUES (1), (2); ERASE FROM nokey WHERE x = 2")
    connection.execute("ALTER TABLE nokey SET HISTORY RETENTION INTERVAL '1 day'")
    for (schema, name), table in TABLES.items():
        told = connection.execute(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position",  # noqa: E501
            (schema, name),
        ).fetchall()
        assert told == [(column, datatype.kind.value) for column, datatype in table.columns]
        cursor = connection.execute(f"SELECT * FROM {schema}.{name}")
        assert [d[0] for d in cursor.description or ()] == [column for column, _ in told]
        # a database in memory writes no snapshots, and nobody has subscribed
        assert bool(cursor.fetchall()) is (name not in ("snapshots", "subscriptions"))
        assert len(ask(connection, f"SELECT * FROM {schema}.{name} FOR SYSTEM_TIME AS OF TRANSACTION 0")) <= len(told) * 40


def test_system_relations_join_like_any(connection: eventdb.Connection) -> None:
    """With each other, with tables, grouped, in subqueries and views."""
    assert ask(
        connection,
        """
        SELECT k.table_name, string_agg(k.column_name, ',' ORDER BY k.ordinal_position)
        FROM information_schema.table_constraints c JOIN information_schema.key_column_usage k
            ON k.constraint_schema = c.constraint_schema AND k.constraint_name = c.constraint_name
        WHERE c.constraint_type = 'PRIMARY KEY' GROUP BY k.table_name
        """,
    ) == [("inner_one", "id"), ("p", "id"), ("t", "a,b")]
    assert ask(
        connection,
        "SELECT t.table_name FROM information_schema.tables t WHERE t.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND NOT EXISTS"  # noqa: E501
        " (SELECT 1 FROM eventdb.indexes i WHERE i.table_name = t.table_name AND i.is_primary)",
    ) == [("nokey",)]
    connection.execute("INSERT INTO nokey VALUES (1)")
    head = connection.head
    assert ask(connection, "SELECT n.x, h.number FROM nokey n JOIN eventdb.transactions h ON h.number = n.row_start_tx") == [(1, head)]
    connection.execute("CREATE VIEW names AS SELECT table_name FROM information_schema.tables WHERE table_schema = 's'")
    assert ask(connection, "SELECT * FROM names") == [("inner_one",)]


@pytest.mark.parametrize("how", ["clause", "view", "session", "transaction"])
def test_the_catalog_of_the_moment(how: str) -> None:
    """At each transaction the tables, columns, indexes and transactions of then."""
    connection = eventdb.connect(":memory:", autocommit=True)
    connection.execute("CREATE VIEW tables AS SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
    changes = ["CREATE TABLE a (x INTEGER)", "ALTER TABLE a ADD COLUMN y TEXT", "CREATE INDEX i ON a (y)", "ALTER TABLE a RENAME TO b", "DROP TABLE b"]  # noqa: E501
    for change in changes:
        connection.execute(change)
    tables = {1: [], 2: ["a"], 3: ["a"], 4: ["a"], 5: ["b"], 6: []}
    columns = {1: [], 2: ["x"], 3: ["x", "y"], 4: ["x", "y"], 5: ["x", "y"], 6: []}
    for number in range(1, 7):
        clause = f" FOR SYSTEM_TIME AS OF TRANSACTION {number}" if how in ("clause", "view") else ""
        if how == "session":
            connection.execute(f"SET SYSTEM_TIME AS OF TRANSACTION {number}")
        elif how == "transaction":
            connection.execute(f"BEGIN READ ONLY AS OF TRANSACTION {number}")
        source = "tables" if how == "view" else "information_schema.tables"
        schema = "" if how == "view" else "WHERE table_schema = 'public'"
        assert ask(connection, f"SELECT table_name FROM {source}{clause} {schema}") == [(n,) for n in [*tables[number], "tables"]]
        found = ask(connection, f"SELECT column_name FROM information_schema.columns{clause} WHERE table_name IN ('a', 'b')")
        assert found == [(n,) for n in columns[number]]
        indexed = ask(connection, f"SELECT index_name FROM eventdb.indexes{clause}")
        assert indexed == ([("i",)] if number in (4, 5) else [])
        assert ask(connection, f"SELECT max(number) FROM eventdb.transactions{clause}") == [(number,)]
        if how == "transaction":
            connection.execute("COMMIT")
    connection.close()


def test_own_changes_in_the_catalog(connection: eventdb.Connection) -> None:
    """A transaction sees its own definitions, and no number for itself; rolled back, they are gone."""
    head = connection.head
    connection.execute("BEGIN")
    connection.execute("CREATE TABLE own (a INTEGER)")
    query = "SELECT count(*) FROM information_schema.tables WHERE table_name = 'own'"
    assert ask(connection, query) == [(1,)]
    assert ask(connection, "SELECT max(number) FROM eventdb.transactions") == [(head,)]
    connection.execute("ROLLBACK")
    assert ask(connection, query) == [(0,)]


def test_system_relations_cannot_be_written(connection: eventdb.Connection) -> None:
    for statement in (
        "INSERT INTO eventdb.transactions (number) VALUES (1)", "UPDATE information_schema.tables SET table_name = 'x'",
        "DELETE FROM eventdb.transactions", "DROP TABLE eventdb.transactions", "ALTER TABLE information_schema.tables ADD COLUMN x INTEGER",
        "CREATE INDEX x ON eventdb.transactions (number)", "TRUNCATE eventdb.transactions", "DROP VIEW information_schema.views",
    ):  # fmt: skip
        with pytest.raises(eventdb.Error) as caught:
            connection.execute(statement)
        assert not isinstance(caught.value, errors.InternalError)


# who and why

TOLD = "SELECT actor, reason, correlation_id, metadata FROM eventdb.transactions ORDER BY number DESC LIMIT 1"


def told(connection: eventdb.Connection) -> tuple[Any, ...]:
    connection.execute("INSERT INTO nokey VALUES (1)")
    connection.commit()
    row: tuple[Any, ...] = connection.execute(TOLD).fetchone()
    connection.commit()
    return row


def test_nobody_said_anything(connection: eventdb.Connection) -> None:
    assert told(connection) == (None, None, None, None)


@pytest.mark.parametrize("autocommit", [True, False])
def test_the_innermost_word_counts(autocommit: bool) -> None:
    """BEGIN WITH over context() over SET over connect(), name by name; metadata is merged."""
    connection = eventdb.connect(
        ":memory:", autocommit=autocommit, actor="connect", reason="connect", correlation_id="connect", metadata={"a": 1, "b": [1, None]}
    )
    connection.execute("CREATE TABLE nokey (x INTEGER)")
    connection.commit()
    assert told(connection) == ("connect", "connect", "connect", {"a": 1, "b": [1, None]})
    connection.execute("SET actor = 'set'")
    connection.execute("SET metadata = '{\"a\": 2}'")
    connection.commit()
    assert told(connection) == ("set", "connect", "connect", {"a": 2, "b": [1, None]})
    with eventdb.context(actor="context", reason="context", metadata={"c": 3}):
        assert told(connection) == ("context", "context", "connect", {"a": 2, "b": [1, None], "c": 3})
        with eventdb.context(reason="inner"):
            assert told(connection)[:2] == ("context", "inner")
        connection.execute("BEGIN WITH (actor = ?, metadata = '{\"a\": 9}')", ("begin",))
        assert told(connection) == ("begin", "context", "connect", {"a": 9, "b": [1, None], "c": 3})
        with connection.transaction(reason="block", correlation_id="id"):
            connection.execute("INSERT INTO nokey VALUES (2)")
        assert connection.execute(TOLD).fetchone()[:3] == ("context", "block", "id")
        connection.commit()
    connection.execute("SET actor = DEFAULT")
    connection.commit()
    assert told(connection)[0] == "connect"
    connection.close()


def test_what_begin_refuses(connection: eventdb.Connection) -> None:
    for options in ("nosuch = 1", "actor = 'a', actor = 'b'", "metadata = 'x'", "metadata = '[1]'", "expected_transaction = 'x'",
                    "expected_transaction = 0", "actor = nosuch"):  # fmt: skip
        with pytest.raises(eventdb.Error) as caught:
            connection.execute(f"BEGIN WITH ({options})")
        assert not isinstance(caught.value, errors.InternalError), options
        assert not connection.in_transaction


def test_it_is_there_after_reopening(tmp_path: Any) -> None:
    path = tmp_path / "db"
    connection = eventdb.connect(path, actor="ann", reason="why", correlation_id="é-1", metadata={"n": 1.5, "t": True, "s": {"x": []}})
    connection.execute("CREATE TABLE nokey (x INTEGER)")
    connection.commit()
    before = connection.execute("SELECT * FROM eventdb.transactions").fetchall()
    connection.close()
    connection = eventdb.connect(path)
    assert connection.execute("SELECT * FROM eventdb.transactions").fetchall() == before
    assert before[0][2:6] == ("ann", "why", "é-1", {"n": 1.5, "t": True, "s": {"x": []}})
    connection.close()
