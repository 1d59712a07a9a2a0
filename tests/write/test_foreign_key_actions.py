"""Every referential action on delete and update, immediate and deferred, on single, composite and self-referring keys, beside SQLite."""

from __future__ import annotations

import itertools
import sqlite3
from typing import Any

import pytest

import eventdb

ACTIONS = ["NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT"]
DEFERRAL = ["", "DEFERRABLE INITIALLY DEFERRED"]

SHAPES: dict[str, list[str]] = {
    "single": [
        "CREATE TABLE p (id INTEGER NOT NULL PRIMARY KEY, v INTEGER)",
        "CREATE TABLE c (id INTEGER NOT NULL PRIMARY KEY, r INTEGER DEFAULT 9 REFERENCES p (id) {actions})",
        "INSERT INTO p VALUES (1, 0), (2, 0), (3, 0), (9, 0)",
        "INSERT INTO c VALUES (10, 1), (11, 1), (12, 2), (13, NULL)",
    ],
    "default missing": [
        "CREATE TABLE p (id INTEGER NOT NULL PRIMARY KEY, v INTEGER)",
        "CREATE TABLE c (id INTEGER NOT NULL PRIMARY KEY, r INTEGER DEFAULT 8 REFERENCES p (id) {actions})",
        "INSERT INTO p VALUES (1, 0), (2, 0), (3, 0)",
        "INSERT INTO c VALUES (10, 1), (12, 2)",
    ],
    "not null": [
        "CREATE TABLE p (id INTEGER NOT NULL PRIMARY KEY, v INTEGER)",
        "CREATE TABLE c (id INTEGER NOT NULL PRIMARY KEY, r INTEGER NOT NULL DEFAULT 3 REFERENCES p (id) {actions})",
        "INSERT INTO p VALUES (1, 0), (2, 0), (3, 0)",
        "INSERT INTO c VALUES (10, 1), (12, 2)",
    ],
    "self": [
        "CREATE TABLE p (id INTEGER NOT NULL PRIMARY KEY, v INTEGER DEFAULT 9 REFERENCES p (id) {actions})",
        "INSERT INTO p VALUES (9, NULL), (1, NULL), (2, 1), (3, 2), (4, 4)",
    ],
    "composite": [
        "CREATE TABLE p (id INTEGER NOT NULL, v INTEGER NOT NULL, PRIMARY KEY (id, v))",
        "CREATE TABLE c (id INTEGER NOT NULL PRIMARY KEY, a INTEGER DEFAULT 9, b INTEGER DEFAULT 9,"
        " FOREIGN KEY (a, b) REFERENCES p (id, v) {actions})",
        "INSERT INTO p VALUES (1, 1), (2, 1), (9, 9)",
        "INSERT INTO c VALUES (10, 1, 1), (11, 1, 1), (12, 2, 1), (13, NULL, 1), (14, 7, NULL)",
    ],
    "chain": [
        "CREATE TABLE p (id INTEGER NOT NULL PRIMARY KEY, v INTEGER)",
        "CREATE TABLE c (id INTEGER NOT NULL PRIMARY KEY, r INTEGER UNIQUE DEFAULT 9 REFERENCES p (id) {actions})",
        "CREATE TABLE g (id INTEGER NOT NULL PRIMARY KEY, r INTEGER REFERENCES c (r) ON DELETE CASCADE ON UPDATE CASCADE)",
        "INSERT INTO p VALUES (1, 0), (2, 0), (9, 0)",
        "INSERT INTO c VALUES (10, 1), (12, 2)",
        "INSERT INTO g VALUES (20, 1), (21, 2)",
    ],
}

STATEMENTS: dict[str, list[str]] = {
    "composite": ["DELETE FROM p WHERE id = 1 AND v = 1", "UPDATE p SET v = 5 WHERE id = 1 AND v = 1", "UPDATE c SET a = 6 WHERE id = 12"],
}
GENERAL = [
    "DELETE FROM p WHERE id = 1",
    "DELETE FROM p WHERE id = 3",
    "UPDATE p SET id = 5 WHERE id = 1",
    "UPDATE p SET id = 1 WHERE id = 1",
    "UPDATE p SET id = 2 WHERE id = 1",
]


def cases() -> list[tuple[str, str, str, str]]:
    return [
        (shape, action, deferral, statement)
        for shape, action, deferral in itertools.product(SHAPES, ACTIONS, DEFERRAL)
        for statement in STATEMENTS.get(shape, GENERAL)
    ]


def contents(connection: Any, shape: str) -> dict[str, Any]:
    found = {}
    for name in [t for t in ("p", "c", "g") if any(f"TABLE {t} " in s for s in SHAPES[shape])]:
        cursor = connection.cursor()
        cursor.execute(f"SELECT * FROM {name}")
        found[name] = sorted((tuple(row) for row in cursor.fetchall()), key=repr)
    return found


def play(connection: Any, shape: str, script: list[str], failure: Any, read: Any) -> tuple[str, Any]:
    """How the last statement and the commit went, and what the tables hold then."""
    cursor = connection.cursor()
    for statement in script[:-1]:
        cursor.execute(statement)
    connection.commit()
    result = "done"
    try:
        cursor.execute("BEGIN")
    except eventdb.Error:
        pass
    try:
        cursor.execute(script[-1])
    except failure:
        result = "refused"
    if result == "done":
        try:
            connection.commit()
        except failure:
            result = "refused at commit"
            connection.rollback()
    else:
        connection.rollback()
    return result, read(connection, shape)


@pytest.mark.parametrize(("shape", "action", "deferral", "statement"), cases())
def test_actions_agree_with_sqlite(shape: str, action: str, deferral: str, statement: str, rows: Any) -> None:
    """The same statement succeeds or is refused, at once or at commit, and leaves the same rows."""
    clause = f"ON DELETE {action} ON UPDATE {action} {deferral}"
    script = [s.format(actions=clause) for s in SHAPES[shape]] + [statement]
    theirs = sqlite3.connect(":memory:", isolation_level=None)
    theirs.execute("PRAGMA foreign_keys = ON")
    expected = play(theirs, shape, script, sqlite3.IntegrityError, contents)
    ours = eventdb.connect(":memory:")

    def read(connection: Any, shape: str) -> dict[str, Any]:
        return {name: rows(connection, name) for name in ("p", "c", "g") if any(f"TABLE {name} " in s for s in SHAPES[shape])}

    given = play(ours, shape, script, eventdb.IntegrityError, read)
    ours.close()
    theirs.close()
    assert given == expected


def test_set_constraints_makes_a_deferred_key_immediate(connection: Any) -> None:
    """SET CONSTRAINTS IMMEDIATE checks what is pending and then each statement."""
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE p (id INT PRIMARY KEY)")
    cursor.execute("CREATE TABLE c (r INT CONSTRAINT k REFERENCES p DEFERRABLE INITIALLY DEFERRED)")
    cursor.execute("INSERT INTO c VALUES (1)")
    with pytest.raises(eventdb.IntegrityError, match="violates foreign key constraint"):
        cursor.execute("SET CONSTRAINTS k IMMEDIATE")
    cursor.execute("INSERT INTO p VALUES (1)")
    cursor.execute("SET CONSTRAINTS k IMMEDIATE")
    with pytest.raises(eventdb.IntegrityError) as caught:
        cursor.execute("INSERT INTO c VALUES (2)")
    assert caught.value.sqlstate == "23503"
    assert (caught.value.table, caught.value.constraint) == ("c", "k")


def test_match_full_refuses_a_key_that_is_null_in_part(connection: Any) -> None:
    """MATCH FULL takes all NULL or none."""
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE p (a INT, b INT, PRIMARY KEY (a, b))")
    cursor.execute("CREATE TABLE c (a INT, b INT, FOREIGN KEY (a, b) REFERENCES p MATCH FULL)")
    cursor.execute("INSERT INTO c VALUES (NULL, NULL)")
    with pytest.raises(eventdb.IntegrityError, match="c_a_b_fkey") as caught:
        cursor.execute("INSERT INTO c VALUES (1, NULL)")
    assert caught.value.detail == "MATCH FULL does not allow mixing of null and nonnull key values."


def test_set_null_of_named_columns(connection: Any, rows: Any) -> None:
    """ON DELETE SET NULL (column) leaves the other columns of the key."""
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE p (a INT, b INT, PRIMARY KEY (a, b))")
    cursor.execute("CREATE TABLE c (id INT PRIMARY KEY, a INT NOT NULL, b INT, FOREIGN KEY (a, b) REFERENCES p ON DELETE SET NULL (b))")
    cursor.execute("INSERT INTO p VALUES (1, 2)")
    cursor.execute("INSERT INTO c VALUES (1, 1, 2)")
    cursor.execute("DELETE FROM p WHERE a = 1 AND b = 2")
    assert rows(connection, "c") == [(1, 1, None)]


def test_a_cycle_of_cascades_ends(connection: Any, rows: Any) -> None:
    """Two tables that cascade into each other are both emptied."""
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE a (id INT PRIMARY KEY, b INT)")
    cursor.execute("CREATE TABLE b (id INT PRIMARY KEY, a INT REFERENCES a ON DELETE CASCADE)")
    cursor.execute("ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b ON DELETE CASCADE")
    cursor.execute("INSERT INTO a VALUES (1, NULL), (2, NULL)")
    cursor.execute("INSERT INTO b VALUES (1, 1), (2, 2)")
    cursor.execute("UPDATE a SET b = 2 WHERE id = 1")
    cursor.execute("UPDATE a SET b = 1 WHERE id = 2")
    cursor.execute("DELETE FROM a WHERE id = 1")
    assert cursor.rowcount == 1
    assert rows(connection, "a") == []
    assert rows(connection, "b") == []
