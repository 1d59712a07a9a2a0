"""ERASE: what goes and what stays, with keys that change, tables that are rewritten and foreign keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import eventdb
from eventdb import errors


@pytest.fixture(params=["memory", "directory"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """A connection that may erase; what it leaves behind must verify, and must be what its log says."""
    connection = eventdb.connect(":memory:" if request.param == "memory" else tmp_path / "db", autocommit=True, allow_erase=True)
    yield connection
    assert connection.verify().ok
    connection.close()


def history(db: Any, table: str, columns: str = "*") -> list[tuple[Any, ...]]:
    return db.execute(f"SELECT {columns}, row_start_tx, row_end_tx FROM {table} FOR SYSTEM_TIME ALL ORDER BY row_start_tx, 1").fetchall()  # type: ignore[no-any-return]


def test_a_row_goes_with_all_its_versions(db: Any) -> None:
    """Met in any version, gone in all; what others had is as it was, at every transaction."""
    db.execute("CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT, city TEXT)")
    db.execute("CREATE INDEX p_name ON p (name)")
    db.execute("INSERT INTO p VALUES (1, 'Ada', 'London'), (2, 'Bob', 'Rome')")
    db.execute("UPDATE p SET name = 'Countess' WHERE id = 1")
    db.execute("UPDATE p SET city = 'Oslo'")
    before = [row for row in history(db, "p") if row[0] == 2]
    cursor = db.execute("ERASE FROM p WHERE name = 'Ada'")
    assert cursor.rowcount == 1
    assert history(db, "p") == before
    assert db.execute("SELECT * FROM p WHERE name IN ('Ada', 'Countess')").fetchall() == []
    for number in range(3, db.head + 1):
        rows = db.execute("SELECT * FROM p FOR SYSTEM_TIME AS OF TRANSACTION ?", (number,)).fetchall()
        assert rows == [(2, "Bob", "Rome" if number < 5 else "Oslo")]
        assert db.execute("SELECT id FROM p FOR SYSTEM_TIME AS OF TRANSACTION ? WHERE name = 'Ada'", (number,)).fetchall() == []


def test_deleted_rows_go(db: Any) -> None:
    """A row that is past and gone is found there."""
    db.execute("CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT)")
    db.execute("INSERT INTO p VALUES (1, 'Ada'), (2, 'Bob')")
    db.execute("DELETE FROM p WHERE id = 1")
    assert db.execute("ERASE FROM p WHERE name = 'Ada'").rowcount == 1
    assert history(db, "p") == [(2, "Bob", 2, None)]


def test_nothing_to_erase_is_no_transaction(db: Any) -> None:
    db.execute("CREATE TABLE p (id INTEGER PRIMARY KEY)")
    assert db.execute("ERASE FROM p WHERE id = 1").rowcount == 0
    assert db.head == 1
    assert db.execute("SELECT * FROM eventdb.erasures").fetchall() == []


def test_the_receipt(db: Any) -> None:
    """eventdb.erasures says who, when, why and how much, and no value; the transactions keep their numbers, times and authors."""
    db.execute("CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT)")
    db.execute("INSERT INTO p VALUES (1, 'Ada')")
    db.execute("UPDATE p SET name = 'Countess'")
    before = db.execute("SELECT number, committed_at, hash FROM eventdb.transactions").fetchall()
    db.execute("SET actor = 'dpo'")
    db.execute("SET reason = 'request 17'")
    db.execute("ERASE FROM p AS x WHERE x.id = ?", (1,))
    assert db.last_transaction == 4
    row = db.execute("SELECT transaction, schema_name, table_name, rows, versions, bodies, actor, reason FROM eventdb.erasures").fetchall()
    assert row == [(4, "public", "p", 1, 2, 2, "dpo", "request 17")]
    assert db.execute("SELECT number, committed_at, hash FROM eventdb.transactions WHERE number < 4").fetchall() == before
    assert db.execute("SELECT number, events FROM eventdb.transactions").fetchall() == [(1, 1), (2, 0), (3, 0), (4, 2)]
    assert db.verify().redactions == [2, 3]


def test_again_and_again(db: Any) -> None:
    """A body can be rewritten more than once, that of an erasing transaction too; the newest receipt counts."""
    db.execute("CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT)")
    db.execute("CREATE TABLE q (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p ON DELETE SET NULL)")
    db.execute("INSERT INTO p VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    db.execute("INSERT INTO q VALUES (1, 1), (2, 2), (3, 3)")
    for n in (1, 2):
        db.execute("ERASE FROM p WHERE id = ?", (n,))
        db.execute("ERASE FROM q WHERE id = ?", (n,))
    assert db.execute("SELECT * FROM p").fetchall() == [(3, "c")]
    assert history(db, "q") == [(3, 3, 4, None)]
    assert db.execute("SELECT transaction, table_name, rows FROM eventdb.erasures").fetchall() == [
        (5, "p", 1), (6, "q", 1), (7, "p", 1), (8, "q", 1),
    ]  # fmt: skip
    assert db.verify().redactions == [3, 4, 5, 7]


def test_a_key_that_changed(db: Any) -> None:
    """The row goes under all its keys; another row that was given one of them later stays, and so does one that it was moved onto."""
    db.execute("CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT)")
    db.execute("INSERT INTO p VALUES (1, 'Ada'), (7, 'Zoe')")
    db.execute("DELETE FROM p WHERE id = 7")
    db.execute("UPDATE p SET id = 7 WHERE id = 1")
    db.execute("INSERT INTO p VALUES (1, 'Eve')")
    db.execute("UPDATE p SET name = 'Countess' WHERE id = 7")
    assert db.execute("ERASE FROM p WHERE name = 'Countess'").rowcount == 1
    assert history(db, "p") == [(7, "Zoe", 2, 3), (1, "Eve", 5, None)]


def test_keys_that_were_swapped(db: Any) -> None:
    db.execute("CREATE TABLE p (a INTEGER, b INTEGER, name TEXT, PRIMARY KEY (a, b))")
    db.execute("INSERT INTO p VALUES (1, 1, 'Ada'), (1, 2, 'Bob')")
    db.execute("UPDATE p SET b = 3 - b")
    db.execute("UPDATE p SET b = b + 10")
    assert db.execute("ERASE FROM p WHERE name = 'Ada'").rowcount == 1
    assert [row[:3] for row in history(db, "p")] == [(1, 2, "Bob"), (1, 1, "Bob"), (1, 11, "Bob")]


def test_a_key_that_is_used_again_is_the_same_row(db: Any) -> None:
    db.execute("CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT)")
    db.execute("INSERT INTO p VALUES (1, 'Ada')")
    db.execute("DELETE FROM p")
    db.execute("INSERT INTO p VALUES (1, 'Countess')")
    assert db.execute("ERASE FROM p WHERE name = 'Ada'").rowcount == 1
    assert history(db, "p") == []


def test_what_lived_inside_one_transaction_goes_with_its_row(db: Any) -> None:
    """Values that never were a version, of a row that goes, are in the log too."""
    db.execute("CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT)")
    db.execute("BEGIN")
    db.execute("INSERT INTO p VALUES (1, 'first')")
    db.execute("UPDATE p SET id = 2, name = 'second'")
    db.execute("UPDATE p SET id = 3, name = 'third'")
    db.execute("INSERT INTO p VALUES (1, 'other')")
    db.execute("COMMIT")
    assert db.execute("ERASE FROM p WHERE name = 'third'").rowcount == 1
    assert history(db, "p") == [(1, "other", 2, None)]
    bodies = b"".join(record.body for record in db.database.log.read())
    assert not any(word in bodies for word in (b"first", b"second", b"third"))
    assert b"other" in bodies


def test_values_that_were_there_for_a_moment(db: Any) -> None:
    """The condition meets rows as they were between two changes of one transaction, also one that never was a version."""
    db.execute("CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT)")
    db.execute("INSERT INTO p VALUES (9, 'Old')")
    db.execute("ALTER TABLE p ADD COLUMN more TEXT DEFAULT 'm'")
    db.execute("BEGIN")
    db.execute("INSERT INTO p (id, name) VALUES (1, 'first'), (2, 'kept')")
    db.execute("UPDATE p SET name = 'second' WHERE id = 1")
    db.execute("UPDATE p SET name = 'third', id = 3 WHERE id = 1")
    db.execute("INSERT INTO p (id, name) VALUES (4, 'flying')")
    db.execute("DELETE FROM p WHERE id = 4")
    db.execute("UPDATE p SET name = 'between' WHERE id = 9")
    db.execute("UPDATE p SET name = 'New' WHERE id = 9")
    db.execute("COMMIT")
    assert db.execute("ERASE FROM p WHERE name = 'nowhere'").rowcount == 0
    assert db.execute("ERASE FROM p WHERE name = 'second'").rowcount == 1
    assert db.execute("ERASE FROM p WHERE name = 'flying'").rowcount == 1
    assert db.execute("ERASE FROM p WHERE name = 'between' AND more = 'm'").rowcount == 1
    assert history(db, "p", "id, name") == [(2, "kept", 4, None)]
    bodies = b"".join(record.body for record in db.database.log.read())
    assert not any(word in bodies for word in (b"first", b"second", b"third", b"flying", b"between", b"Old", b"New"))


def test_tables_without_a_key(db: Any) -> None:
    """Rows are told apart by their hidden ids, which are not given out again."""
    db.execute("CREATE TABLE p (name TEXT)")
    db.execute("INSERT INTO p VALUES ('a'), ('b'), ('b'), ('c')")
    db.execute("UPDATE p SET name = 'd' WHERE name = 'c'")
    assert db.execute("ERASE FROM p WHERE name IN ('b', 'c')").rowcount == 3
    assert history(db, "p") == [("a", 2, None)]
    db.execute("INSERT INTO p VALUES ('e')")
    assert [row[:1] for row in history(db, "p")] == [("a",), ("e",)]


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE p ALTER COLUMN code TYPE INTEGER USING code::INTEGER",
        "ALTER TABLE p DROP CONSTRAINT p_pkey",
        "ALTER TABLE p DROP COLUMN code",
        "ALTER TABLE p ADD COLUMN later TEXT DEFAULT 'x'",
        "ALTER TABLE p ALTER COLUMN id TYPE TEXT",
        "ALTER TABLE p DROP COLUMN id",
        "ALTER TABLE p RENAME COLUMN code TO number",
        "ALTER TABLE p RENAME TO p",
    ],
)
def test_over_a_change_of_the_table(db: Any, change: str) -> None:
    """The row is found on both sides of the change, and goes on both."""
    db.execute("CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT, code TEXT)")
    db.execute("INSERT INTO p VALUES (1, 'Ada', '11'), (2, 'Bob', '22'), (3, 'Cid', '33')")
    db.execute("UPDATE p SET name = 'Countess' WHERE id = 1")
    db.execute("DELETE FROM p WHERE id = 3")
    if "RENAME TO" not in change:
        db.execute(change)
    db.execute("UPDATE p SET name = 'Lady' WHERE name = 'Countess'")
    assert db.execute("ERASE FROM p WHERE name = 'Ada' OR name = 'Cid'").rowcount == 2
    for number in range(2, db.head + 1):
        assert db.execute("SELECT name FROM p FOR SYSTEM_TIME AS OF TRANSACTION ?", (number,)).fetchall() == [("Bob",)]
    bodies = b"".join(record.body for record in db.database.log.read())
    assert not any(word in bodies for word in (b"Ada", b"Countess", b"Lady", b"Cid", b"11", b"33"))


def test_a_table_that_was_dropped_and_brought_back(db: Any) -> None:
    """Its rows are the same ones, whatever name they had then."""
    db.execute("CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT)")
    db.execute("INSERT INTO p VALUES (1, 'Ada'), (2, 'Bob'), (3, 'Eve')")
    db.execute("UPDATE p SET name = 'Countess' WHERE id = 1")
    db.execute("DELETE FROM p WHERE id = 3")
    db.execute("DROP TABLE p")
    db.execute("FLASHBACK TABLE p TO BEFORE DROP")
    db.execute("UPDATE p SET name = 'Lady' WHERE id = 1")
    db.execute("INSERT INTO p VALUES (3, 'Evelyn')")
    assert db.execute("ERASE FROM p WHERE name IN ('Ada', 'Eve')").rowcount == 2
    assert {row[:2] for row in history(db, "p")} == {(2, "Bob")}
    bodies = b"".join(record.body for record in db.database.log.read())
    assert not any(word in bodies for word in (b"Ada", b"Countess", b"Lady", b"Eve"))


def test_a_key_that_is_used_again_after_a_rewrite(db: Any) -> None:
    db.execute("CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT, v TEXT)")
    db.execute("INSERT INTO p VALUES (1, 'Ada', '1'), (2, 'Bob', '2')")
    db.execute("DELETE FROM p WHERE id = 1")
    db.execute("ALTER TABLE p ALTER COLUMN v TYPE INTEGER USING v::INTEGER")
    db.execute("INSERT INTO p VALUES (1, 'Countess', 3)")
    assert db.execute("ERASE FROM p WHERE name = 'Ada'").rowcount == 1
    assert {row[1] for row in history(db, "p")} == {"Bob"}


def test_a_history_that_cannot_be_cast(db: Any) -> None:
    """What has no form in the present type is NULL to the condition: the row is found by its other columns."""
    db.execute("CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT, v TEXT)")
    db.execute("INSERT INTO p VALUES (1, 'Ada', 'no number')")
    db.execute("UPDATE p SET v = '5'")
    db.execute("ALTER TABLE p ALTER COLUMN v TYPE INTEGER USING v::INTEGER")
    assert db.execute("ERASE FROM p WHERE v IS NULL AND name = 'Ada'").rowcount == 1
    assert b"no number" not in b"".join(record.body for record in db.database.log.read())


def test_conditions(db: Any) -> None:
    """Subqueries read the present; keys, ranges, NULL, row_start_tx and row_end_tx can be asked for; no WHERE is every row."""
    db.execute("CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT)")
    db.execute("CREATE TABLE out (id INTEGER)")
    db.execute("INSERT INTO p SELECT n, 'n' || n FROM generate_series(1, 9) AS s(n)")
    db.execute("INSERT INTO out VALUES (1), (2)")
    assert db.execute("ERASE FROM p WHERE id IN (SELECT id FROM out)").rowcount == 2
    assert db.execute("ERASE FROM p WHERE id BETWEEN 4 AND 5").rowcount == 2
    assert db.execute("ERASE FROM p WHERE id = 3 AND name = 'other'").rowcount == 0
    db.execute("DELETE FROM p WHERE id = 6")
    assert db.execute("ERASE FROM p WHERE row_end_tx IS NOT NULL").rowcount == 1
    assert db.execute("ERASE FROM p WHERE id = 7 AND row_start_tx = 3").rowcount == 1
    assert db.execute("SELECT id FROM p FOR SYSTEM_TIME ALL").fetchall() == [(3,), (8,), (9,)]
    assert db.execute("ERASE FROM p").rowcount == 3
    with pytest.raises(errors.UndefinedTable):
        db.execute("ERASE FROM nowhere WHERE id = 1")
    with pytest.raises(errors.UndefinedColumn):
        db.execute("ERASE FROM p WHERE nothing = 1")


# foreign keys


def test_a_row_that_is_referred_to(db: Any) -> None:
    """As DELETE: refused with the constraint named, and nothing is changed."""
    db.execute("CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT)")
    db.execute("CREATE TABLE o (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p)")
    db.execute("INSERT INTO p VALUES (1, 'Ada'), (2, 'Bob')")
    db.execute("INSERT INTO o VALUES (10, 1)")
    head = db.head
    with pytest.raises(errors.ForeignKeyViolation, match="o_p_fkey"):
        db.execute("ERASE FROM p WHERE id = 1")
    assert db.head == head
    assert db.execute("SELECT name FROM p WHERE id = 1").fetchall() == [("Ada",)]
    db.execute("UPDATE o SET p = 2")
    assert db.execute("ERASE FROM p WHERE id = 1").rowcount == 1


def test_cascade_takes_the_history_too(db: Any) -> None:
    """Children that refer to the row now, and those that did until they were deleted; not those that refer to another now."""
    db.execute("CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT)")
    db.execute("CREATE TABLE o (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p ON DELETE CASCADE, what TEXT)")
    db.execute("CREATE TABLE i (id INTEGER PRIMARY KEY, o INTEGER REFERENCES o ON DELETE CASCADE, what TEXT)")
    db.execute("INSERT INTO p VALUES (1, 'Ada'), (2, 'Bob')")
    db.execute("INSERT INTO o VALUES (10, 1, 'now'), (11, 1, 'gone'), (12, 1, 'moved'), (20, 2, 'others')")
    db.execute("INSERT INTO i VALUES (100, 10, 'a'), (110, 11, 'b'), (120, 12, 'c'), (200, 20, 'd')")
    db.execute("UPDATE o SET what = 'still' WHERE id = 10")
    db.execute("DELETE FROM o WHERE id = 11")
    db.execute("UPDATE o SET p = 2 WHERE id = 12")
    assert db.execute("ERASE FROM p WHERE name = 'Ada'").rowcount == 1
    assert db.execute("SELECT DISTINCT id FROM o FOR SYSTEM_TIME ALL ORDER BY 1").fetchall() == [(12,), (20,)]
    assert db.execute("SELECT DISTINCT id FROM i FOR SYSTEM_TIME ALL ORDER BY 1").fetchall() == [(120,), (200,)]
    rows = db.execute("SELECT table_name, rows, versions FROM eventdb.erasures ORDER BY 1").fetchall()
    assert rows == [("i", 2, 2), ("o", 2, 3), ("p", 1, 1)]


def test_cascade_of_a_deleted_parent(db: Any) -> None:
    """All of it lies in the past."""
    db.execute("CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT)")
    db.execute("CREATE TABLE o (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p ON DELETE CASCADE)")
    db.execute("INSERT INTO p VALUES (1, 'Ada')")
    db.execute("INSERT INTO o VALUES (10, 1)")
    db.execute("DELETE FROM p")
    db.execute("INSERT INTO p VALUES (2, 'Bob')")
    db.execute("INSERT INTO o VALUES (20, 2)")
    db.execute("ERASE FROM p WHERE name = 'Ada'")
    assert db.execute("SELECT id FROM o FOR SYSTEM_TIME ALL").fetchall() == [(20,)]


def test_set_null_and_set_default(db: Any) -> None:
    """Children stay, and refer to nothing, or to what their default says: a change of the erasing transaction."""
    db.execute("CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT)")
    db.execute("CREATE TABLE a (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p ON DELETE SET NULL)")
    db.execute("CREATE TABLE b (id INTEGER PRIMARY KEY, p INTEGER DEFAULT 2 REFERENCES p ON DELETE SET DEFAULT)")
    db.execute("INSERT INTO p VALUES (1, 'Ada'), (2, 'Bob')")
    db.execute("INSERT INTO a VALUES (1, 1)")
    db.execute("INSERT INTO b VALUES (1, 1)")
    db.execute("ERASE FROM p WHERE id = 1")
    assert db.execute("SELECT p, row_start_tx FROM a").fetchall() == [(None, 7)]
    assert db.execute("SELECT p, row_start_tx FROM b").fetchall() == [(2, 7)]


def test_a_tree_in_one_table(db: Any) -> None:
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, up INTEGER REFERENCES t ON DELETE CASCADE)")
    db.execute("INSERT INTO t VALUES (1, NULL), (2, 1), (3, 2), (4, NULL), (5, 4)")
    assert db.execute("ERASE FROM t WHERE id = 1").rowcount == 1
    assert db.execute("SELECT id FROM t FOR SYSTEM_TIME ALL").fetchall() == [(4,), (5,)]
    assert db.execute("SELECT rows FROM eventdb.erasures").fetchall() == [(3,)]


# who may, and when


def test_only_where_it_is_allowed(open_database: Callable[..., Any]) -> None:
    one = open_database(autocommit=True)
    one.execute("CREATE TABLE p (id INTEGER PRIMARY KEY)")
    with pytest.raises(errors.InsufficientPrivilege, match="allow_erase") as caught:
        one.execute("ERASE FROM p")
    assert caught.value.sqlstate == "42501"


def test_a_transaction_of_its_own(open_database: Callable[..., Any]) -> None:
    """Not inside one; one that was begun by reading alone is ended."""
    one = open_database(allow_erase=True)
    one.execute("CREATE TABLE p (id INTEGER PRIMARY KEY)")
    one.execute("INSERT INTO p VALUES (1), (2)")
    with pytest.raises(errors.ActiveTransaction):
        one.execute("ERASE FROM p WHERE id = 1")
    one.commit()
    one.execute("SELECT * FROM p").fetchall()
    assert one.execute("ERASE FROM p WHERE id = 1").rowcount == 1
    assert not one.in_transaction
    one.execute("BEGIN")
    with pytest.raises(errors.ActiveTransaction):
        one.execute("ERASE FROM p")
    one.rollback()
    with one.transaction(), pytest.raises(errors.ActiveTransaction):
        one.execute("ERASE FROM p")
    pinned = open_database(allow_erase=True, as_of=2)
    with pytest.raises(errors.ReadOnlyTransaction):
        pinned.execute("ERASE FROM p")
    reading = open_database(allow_erase=True, read_only=True)
    with pytest.raises(errors.ReadOnlyTransaction):
        reading.execute("ERASE FROM p")


def test_functions_of_the_connection(db: Any) -> None:
    """The condition, and the moment of DELETE HISTORY, may call them."""
    db.create_function("domain", 1, lambda mail: mail.partition("@")[2], returns="text")
    db.create_function("begin_of", 1, lambda name: 2, returns="integer")
    db.execute("CREATE TABLE p (id INTEGER PRIMARY KEY, mail TEXT)")
    db.execute("INSERT INTO p VALUES (1, 'ada@example.org'), (2, 'bob@example.com')")
    db.execute("UPDATE p SET mail = 'x' || mail")
    assert db.execute("ERASE FROM p WHERE domain(mail) = 'example.org'").rowcount == 1
    assert [row[0] for row in db.execute("SELECT id FROM p")] == [2]
    assert db.execute("DELETE HISTORY FROM p BEFORE TRANSACTION begin_of('p') + 1").rowcount == 1


@pytest.mark.parametrize("statement", ["ERASE FROM p WHERE name LIKE '%9'", "DELETE HISTORY FROM p BEFORE TRANSACTION 3"])
def test_a_statement_that_takes_too_long(db: Any, statement: str) -> None:
    """It is canceled as any other, before anything has gone."""
    db.execute("CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT)")
    db.execute("INSERT INTO p SELECT n, 'name ' || n FROM generate_series(1, 5000) AS s(n)")
    db.execute("UPDATE p SET name = name || '9'")
    db.execute("SET statement_timeout = '1ms'")
    with pytest.raises(errors.QueryCanceled):
        db.execute(statement)
    db.execute("SET statement_timeout = 0")
    assert (db.head, db.execute("SELECT count(*) FROM p FOR SYSTEM_TIME ALL").fetchone()) == (3, (10_000,))
    assert db.execute(statement).rowcount == 5000


@pytest.mark.parametrize("key", ["", " PRIMARY KEY"])
@pytest.mark.parametrize("change", ["ALTER TABLE p ALTER COLUMN n TYPE TEXT", "DROP TABLE p; FLASHBACK TABLE p TO BEFORE DROP"])
def test_rows_in_passing_before_the_table_was_rewritten(db: Any, change: str, key: str) -> None:
    """They are looked at in the shape that the table has now."""
    db.execute(f"CREATE TABLE p (id INTEGER{key}, name TEXT, n INTEGER)")
    db.executescript("""
        BEGIN;
        INSERT INTO p VALUES (1, 'for a moment', 5), (2, 'Bob', 6);
        UPDATE p SET name = 'Ada', n = 7 WHERE id = 1;
        COMMIT;
    """)
    db.execute("ALTER TABLE p ADD COLUMN later TEXT DEFAULT 'x'")
    db.executescript(change)
    assert db.execute("ERASE FROM p WHERE name = 'for a moment' AND n = '5' AND later = 'x'").rowcount == 1
    assert [row[0] for row in db.execute("SELECT name FROM p")] == ["Bob"]
    bodies = b"".join(record.body for record in db.database.log.read())
    assert not any(word in bodies for word in (b"Ada", b"for a moment"))
