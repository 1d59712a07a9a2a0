"""engine.changes: what a record of the log changed, row by row, in the schema of its place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import eventdb
from eventdb.engine.changes import RowChange, SchemaChange, changes, definition_json, described, key_writer, row_values, row_writer
from eventdb.storage.codec import decode_body


@pytest.fixture
def connection() -> Iterator[eventdb.Connection]:
    connection = eventdb.connect(":memory:", autocommit=True)
    yield connection
    connection.close()


def told(connection: eventdb.Connection, number: int | None = None, tables: Any = None) -> list[Any]:
    """The changes of a transaction in a form that can be compared."""
    database = connection.database
    number = number or connection.head
    (record,) = database.log.read(number - 1, number)
    found: list[Any] = []
    for change in changes(database.head, number, decode_body(record.body), tables):
        if isinstance(change, SchemaChange):
            found.append((change.position, change.operation, change.name, described(change)))
        else:
            assert isinstance(change, RowChange)
            values = row_values(change.table)
            before, after = (None if row is None else values(row) for row in (change.before, change.after))
            found.append((change.position, change.operation, change.table.name, change.key, before, after))
            assert change.after is None or change.after[0] == number
            assert change.before is None or 0 < change.before[0] <= number
    return found


def test_rows_of_one_statement(connection: eventdb.Connection) -> None:
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INTEGER)")
    connection.execute("INSERT INTO t VALUES (1, 'x', 10), (2, 'y', NULL)")
    assert told(connection) == [(1, "insert", "t", 1, None, (1, "x", 10)), (2, "insert", "t", 2, None, (2, "y", None))]
    connection.execute("UPDATE t SET b = b + 1")
    assert told(connection) == [(1, "update", "t", 1, (1, "x", 10), (1, "x", 11))]
    connection.execute("UPDATE t SET id = id + 1")
    assert sorted(told(connection)) == [
        (1, "update", "t", 1, (1, "x", 11), (2, "x", 11)), (2, "update", "t", 2, (2, "y", None), (3, "y", None)),
    ]  # fmt: skip
    connection.execute("DELETE FROM t WHERE id = 3")
    assert told(connection) == [(1, "delete", "t", 3, (3, "y", None), None)]
    assert told(connection, 2) == [(1, "insert", "t", 1, None, (1, "x", 10)), (2, "insert", "t", 2, None, (2, "y", None))]


def test_one_row_many_times_in_a_transaction(connection: eventdb.Connection) -> None:
    """Each step sees the one before it, not the state before the transaction."""
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER)")
    connection.execute("INSERT INTO t VALUES (1, 0)")
    connection.executescript(
        "BEGIN; UPDATE t SET a = 1; UPDATE t SET a = 2; DELETE FROM t; INSERT INTO t VALUES (1, 3); UPDATE t SET id = 5;"
        "DELETE FROM t; COMMIT"
    )
    assert [change[1:2] + change[3:] for change in told(connection)] == [
        ("update", 1, (1, 0), (1, 1)), ("update", 1, (1, 1), (1, 2)), ("delete", 1, (1, 2), None), ("insert", 1, None, (1, 3)),
        ("update", 1, (1, 3), (5, 3)), ("delete", 5, (5, 3), None),
    ]  # fmt: skip


def test_schema_changes_between_rows(connection: eventdb.Connection) -> None:
    """A row is told of in the definition of its place: a column added, renamed, dropped, retyped in the same transaction."""
    connection.executescript(
        """
        BEGIN; CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER); INSERT INTO t VALUES (1, 1);
        ALTER TABLE t ADD COLUMN b TEXT DEFAULT 'd'; UPDATE t SET a = 2;
        ALTER TABLE t ALTER COLUMN a TYPE TEXT; UPDATE t SET a = a || '!';
        ALTER TABLE t RENAME COLUMN a TO c; ALTER TABLE t RENAME TO u; ALTER TABLE u DROP COLUMN b; DELETE FROM u; COMMIT
        """
    )
    assert told(connection) == [
        (1, "create table", "t", "table created"), (2, "insert", "t", 1, None, (1, 1)), (3, "alter table", "t", 'column "b" added'),
        (4, "update", "t", 1, (1, 1, "d"), (1, 2, "d")), (5, "alter table", "t", 'column "a" changed from integer to text'),
        (6, "update", "t", 1, (1, "2", "d"), (1, "2!", "d")), (7, "alter table", "t", 'column "a" renamed to "c"'),
        (8, "alter table", "u", 'renamed from "t"'), (9, "alter table", "u", 'column "b" dropped'),
        (10, "delete", "u", 1, (1, "2!"), None),
    ]  # fmt: skip


def test_every_kind_of_object(connection: eventdb.Connection) -> None:
    connection.execute("CREATE TABLE t (id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a INTEGER CHECK (a > 0))")
    definition = {change[1] for change in told(connection)}
    assert definition == {"create table", "create sequence"}
    for statement, operation in {
        "CREATE SCHEMA s": "create schema", "CREATE INDEX i ON t (a)": "create index", "CREATE VIEW v AS SELECT a FROM t": "create view",
        "CREATE OR REPLACE VIEW v AS SELECT a FROM t WHERE a > 1": "alter view", "ALTER INDEX i RENAME TO j": "alter index",
        "CREATE SEQUENCE q": "create sequence", "DROP SEQUENCE q": "drop sequence", "DROP VIEW v": "drop view",
        "DROP INDEX j": "drop index", "DROP SCHEMA s": "drop schema",
        "ALTER TABLE t ADD CONSTRAINT c UNIQUE (a)": "alter table", "DROP TABLE t": "drop table",
    }.items():  # fmt: skip
        connection.execute(statement)
        assert operation in [change[1] for change in told(connection)], statement
        (record,) = connection.database.log.read(connection.head - 1)
        for change in changes(connection.database.head, connection.head, decode_body(record.body)):
            if isinstance(change, SchemaChange):
                assert change.operation.endswith(change.kind)
                text = definition_json(change)
                assert text is None or json.loads(text)["name"] == change.name


def test_json_of_every_type(connection: eventdb.Connection) -> None:
    connection.execute(
        """CREATE TABLE t (a INTEGER, b TEXT, c NUMERIC(8, 2), d DOUBLE PRECISION, e TIMESTAMP, f JSON, g BYTEA, h BOOLEAN, i UUID,
        PRIMARY KEY (a, b))"""
    )
    connection.execute(
        "INSERT INTO t VALUES (1, 'q\"', 1.50, 'NaN', '2024-01-01 10:00',"
        " '{\"x\": [1]}', X'00ff', TRUE, '00000000-0000-0000-0000-000000000001')"
    )
    (record,) = connection.database.log.read(connection.head - 1)
    (change,) = changes(connection.database.head, connection.head, decode_body(record.body))
    assert isinstance(change, RowChange)
    assert json.loads(row_writer(change.table)(change.after or ())) == {
        "a": 1, "b": 'q"', "c": 1.5, "d": "NaN", "e": "2024-01-01T10:00:00", "f": {"x": [1]}, "g": "\\x00ff", "h": True,
        "i": "00000000-0000-0000-0000-000000000001",
    }  # fmt: skip
    assert json.loads(key_writer(change.table)(change.key)) == {"a": 1, "b": 'q"'}


def test_nan_keys_and_chosen_tables(connection: eventdb.Connection) -> None:
    connection.execute("CREATE TABLE f (x DOUBLE PRECISION PRIMARY KEY, n INTEGER)")
    connection.execute("CREATE TABLE g (n INTEGER)")
    connection.executescript("BEGIN; INSERT INTO f VALUES ('NaN', 1); INSERT INTO g VALUES (1); UPDATE f SET n = 2; COMMIT")
    assert [change[1] for change in told(connection)] == ["insert", "insert", "update"]
    f = next(t.id for t in connection.database.head.catalog.tables.values() if t.name == "f")
    assert [change[:2] for change in told(connection, tables={f})] == [(1, "insert"), (3, "update")]
    connection.execute("UPDATE f SET n = 3")
    ((_, _, _, _, before, after),) = told(connection)
    assert (before[1], after[1]) == (2, 3)
