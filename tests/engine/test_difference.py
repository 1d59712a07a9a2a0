"""Comparing a table with that of another database: a fork with its origin, forks with one another, copies."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from properties.workload import Workload, table_names

import eventdb
from eventdb import errors
from eventdb.storage.node import Leaf


@pytest.fixture
def shop() -> Any:
    connection = eventdb.connect(":memory:", autocommit=True)
    connection.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price INTEGER)")
    connection.execute("INSERT INTO item VALUES (1, 'lamp', 10), (2, 'chair', 20), (3, 'table', 30)")
    yield connection
    connection.close()


def told(differences: Any) -> list[tuple[str, Any, Any]]:
    return [(d.kind, d.before, d.after) for d in differences]


def test_what_a_fork_did(shop: eventdb.Connection) -> None:
    fork = shop.fork()
    assert told(fork.diff("item")) == []
    fork.execute("UPDATE item SET price = 11 WHERE id = 1")
    fork.execute("DELETE FROM item WHERE id = 2")
    fork.execute("INSERT INTO item VALUES (4, 'bed', 40)")
    expected = [
        ("modified", {"id": 1, "name": "lamp", "price": 10}, {"id": 1, "name": "lamp", "price": 11}),
        ("removed", {"id": 2, "name": "chair", "price": 20}, None),
        ("added", None, {"id": 4, "name": "bed", "price": 40}),
    ]
    assert told(fork.diff("item")) == told(fork.diff("public.item")) == expected
    assert [d.key for d in fork.diff("item")] == [{"id": 1}, {"id": 2}, {"id": 4}]
    assert [d.kind for d in shop.diff("item", fork)] == ["modified", "added", "removed"]
    # what the origin does meanwhile counts too; changed back is no difference
    shop.execute("UPDATE item SET price = 31 WHERE id = 3")
    shop.execute("UPDATE item SET price = 11 WHERE id = 1")
    assert [(d.kind, d.key) for d in fork.diff("item")] == [("removed", {"id": 2}), ("modified", {"id": 3}), ("added", {"id": 4})]
    assert repr(next(iter(fork.diff("item")))) == "<eventdb.Difference removed: {'id': 2, 'name': 'chair', 'price': 20} → None>"
    fork.close()


def test_uncommitted_work_counts(shop: eventdb.Connection) -> None:
    fork = shop.fork()
    fork.execute("BEGIN")
    fork.execute("UPDATE item SET price = 0 WHERE id = 1")
    differences = fork.diff("item")
    fork.execute("UPDATE item SET price = 0 WHERE id = 2")
    assert [d.key for d in differences] == [{"id": 1}]
    assert [d.key for d in fork.diff("item")] == [{"id": 1}, {"id": 2}]
    fork.execute("ROLLBACK")
    assert told(fork.diff("item")) == []
    fork.close()


def test_schema_changes_on_both_sides(shop: eventdb.Connection) -> None:
    fork = shop.fork()
    fork.execute("ALTER TABLE item RENAME COLUMN name TO title")
    fork.execute("ALTER TABLE item RENAME TO thing")
    fork.execute("ALTER TABLE thing ADD COLUMN note TEXT DEFAULT '-'")
    shop.execute("ALTER TABLE item ADD COLUMN colour TEXT")
    assert told(fork.diff("thing")) == told(fork.diff("item")) == []
    fork.execute("UPDATE thing SET note = 'mine' WHERE id = 1")
    shop.execute("UPDATE item SET colour = 'red' WHERE id = 3")
    assert told(fork.diff("thing")) == [
        ("modified", {"id": 1, "name": "lamp", "price": 10, "colour": None}, {"id": 1, "title": "lamp", "price": 10, "note": "mine"}),
        ("modified", {"id": 3, "name": "table", "price": 30, "colour": "red"}, {"id": 3, "title": "table", "price": 30, "note": "-"}),
    ]
    # the same name made on both sides is the same column, whatever its id
    shop.execute("ALTER TABLE item ADD COLUMN note TEXT DEFAULT '-'")
    shop.execute("UPDATE item SET note = 'mine' WHERE id = 1")
    assert [d.key for d in fork.diff("thing")] == [{"id": 3}]
    # dropped and made again it is another one, though the fork never touched it
    shop.execute("ALTER TABLE item DROP COLUMN price")
    shop.execute("ALTER TABLE item ADD COLUMN price INTEGER")
    assert [d.key for d in fork.diff("thing")] == [{"id": 1}, {"id": 2}, {"id": 3}]
    fork.close()


def test_rewritten_tables(shop: eventdb.Connection) -> None:
    fork = shop.fork()
    fork.execute("ALTER TABLE item ALTER COLUMN price TYPE NUMERIC(8,2)")
    assert told(fork.diff("item")) == []
    fork.execute("UPDATE item SET price = 10.5 WHERE id = 1")
    assert [d.key for d in fork.diff("item")] == [{"id": 1}]
    fork.execute("ALTER TABLE item ALTER COLUMN id TYPE TEXT")
    assert sorted(d.kind for d in fork.diff("item")) == ["added", "added", "added", "removed", "removed", "removed"]
    fork.close()


def test_tables_of_one_side(shop: eventdb.Connection) -> None:
    fork = shop.fork()
    fork.execute("CREATE TABLE extra (a INTEGER)")
    fork.execute("INSERT INTO extra VALUES (1), (1)")
    assert told(fork.diff("extra")) == [("added", None, {"a": 1}), ("added", None, {"a": 1})]
    assert [d.key for d in fork.diff("extra")] == [{}, {}]
    fork.execute("DROP TABLE item")
    assert [d.kind for d in fork.diff("item")] == ["removed"] * 3
    # a table that both made under one name is compared by what it holds
    shop.execute("CREATE TABLE extra (a INTEGER)")
    shop.execute("INSERT INTO extra VALUES (2), (1)")
    assert sorted(told(fork.diff("extra")), key=repr) == [("added", None, {"a": 1}), ("removed", {"a": 2}, None)]
    # a table made anew is not the one that there was
    fork.execute("CREATE TABLE item (id INTEGER PRIMARY KEY)")
    assert told(fork.diff("item")) == []
    with pytest.raises(errors.UndefinedTable, match='relation "nothing" does not exist'):
        fork.diff("nothing")
    with pytest.raises(errors.ProgrammingError, match="no fork"):
        shop.diff("item")
    fork.close()


def test_forks_of_one_origin_and_of_forks(shop: eventdb.Connection) -> None:
    one, two = shop.fork(), shop.fork()
    one.execute("UPDATE item SET price = 1 WHERE id = 1")
    two.execute("UPDATE item SET price = 2 WHERE id = 2")
    three = two.fork()
    three.execute("UPDATE item SET price = 3 WHERE id = 3")
    assert [d.key for d in one.diff("item", two)] == [{"id": 1}, {"id": 2}]
    assert [d.key for d in three.diff("item")] == [{"id": 3}]
    assert [d.key for d in three.diff("item", shop)] == [{"id": 2}, {"id": 3}]
    assert [d.key for d in three.diff("item", one)] == [{"id": 1}, {"id": 2}, {"id": 3}]
    for connection in (one, two, three):
        connection.close()


def test_other_databases(tmp_path: Path, shop: eventdb.Connection) -> None:
    """A copy of the files has the history in common; a database of its own has nothing but names."""
    with eventdb.connect(tmp_path / "one", autocommit=True) as one:
        one.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price INTEGER)")
        one.execute("INSERT INTO item VALUES (1, 'lamp', 10), (2, 'chair', 21), (3, 'table', 30)")
        assert [d.key for d in one.diff("item", shop)] == [{"id": 2}]
        one.close()
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    one, two = (eventdb.connect(tmp_path / name, autocommit=True) for name in ("one", "two"))
    one.execute("ALTER TABLE item RENAME TO thing")
    one.execute("UPDATE thing SET price = 0 WHERE id = 1")
    assert [d.key for d in one.diff("thing", two)] == [{"id": 1}]
    past = eventdb.connect(tmp_path / "one", as_of=2)
    assert told(past.diff("item", two)) == []
    assert [d.kind for d in one.diff("thing", past)] == ["modified"]
    for connection in (one, two, past):
        connection.close()


def test_pages_in_common_are_not_looked_at(shop: eventdb.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.execute("CREATE TABLE big (id INTEGER PRIMARY KEY, v INTEGER)")
    shop.executemany("INSERT INTO big VALUES (?, 0)", [(n,) for n in range(50_000)])
    fork = shop.fork()
    for n in (3, 25_000, 49_999):
        fork.execute("UPDATE big SET v = 1 WHERE id = ?", (n,))
    fork.execute("INSERT INTO big VALUES (50000, 1)")
    from eventdb.engine import difference

    looked: list[list[Leaf]] = []
    original = difference.unshared

    def counting(one: Any, other: Any) -> Any:
        found = original(one, other)
        looked.extend(found)
        return found

    monkeypatch.setattr(difference, "unshared", counting)
    assert [(d.kind, d.key["id"]) for d in fork.diff("big")] == [
        ("modified", 3), ("modified", 25_000), ("modified", 49_999), ("added", 50_000)
    ]  # fmt: skip
    assert all(len(leaves) <= 5 for leaves in looked)
    fork.close()


def rows_of(connection: eventdb.Connection, name: str) -> list[str]:
    cursor = connection.execute(f"SELECT * FROM {name}")
    columns = [column[0] for column in cursor.description or ()]
    return sorted(repr(dict(zip(columns, row, strict=True))) for row in cursor.fetchall())


@pytest.mark.parametrize("seed", range(4))
def test_differences_applied_make_the_other_table(seed: int) -> None:
    """Random lives: the rows of the origin, without those removed and with those added or modified, are the fork's."""
    workload = Workload(lambda: eventdb.connect(":memory:base", autocommit=True), seed)
    keep = eventdb.connect(":memory:base", autocommit=True)
    workload.run(80)
    if workload.model.in_transaction:
        workload.rollback()
    committed = sorted(workload.model.committed)
    for at in committed[-1:] + committed[len(committed) // 2 :][:1]:
        fork = keep.fork(at)
        for name in set(table_names(fork)) & set(table_names(keep)):
            if at != committed[-1] and keep.execute(f"SELECT count(*) FROM {name}").fetchone() is None:
                continue
            before, after = rows_of(keep, name), rows_of(fork, name)
            for d in fork.diff(name):
                if d.before is not None:
                    before.remove(repr(d.before))
                if d.after is not None:
                    after.remove(repr(d.after))
            if at == committed[-1]:
                assert before == after == rows_of(keep, name)
        fork.close()
    workload.connection.close()
    keep.close()


def test_what_is_compared_with_what(shop: eventdb.Connection) -> None:
    """Names with dots, and arguments that are none."""
    shop.executescript('CREATE SCHEMA s; CREATE TABLE "a.b" (id INTEGER PRIMARY KEY); CREATE TABLE s."c.d" (id INTEGER PRIMARY KEY)')
    fork = shop.fork()
    fork.executescript('INSERT INTO "a.b" VALUES (1); INSERT INTO s."c.d" VALUES (2)')
    assert [d.after for name in ("a.b", "public.a.b", "s.c.d") for d in fork.diff(name)] == [{"id": 1}, {"id": 1}, {"id": 2}]
    for table in (5, None, b"item"):
        with pytest.raises(errors.InvalidParameterValue, match="named by text"):
            fork.diff(table)  # type: ignore[arg-type]
    for table in ("", ".", "nothing", "s.nothing"):
        with pytest.raises(errors.UndefinedTable):
            fork.diff(table)
    with pytest.raises(errors.InterfaceError, match="through another connection, not str"):
        fork.diff("item", "shop")  # type: ignore[arg-type]
    fork.close()


def test_two_connections_compare_each_other(shop: eventdb.Connection) -> None:
    fork = shop.fork()
    fork.execute("DELETE FROM item")
    found: list[int] = []

    def compare(one: eventdb.Connection, two: eventdb.Connection) -> None:
        for _ in range(50):
            found.append(len(list(one.diff("item", two))))

    threads = [threading.Thread(target=compare, args=pair, daemon=True) for pair in ((shop, fork), (fork, shop))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [3] * 100
    fork.close()


def test_what_is_erased_while_a_comparison_is_read(tmp_path: Path) -> None:
    connection = eventdb.connect(tmp_path / "db", autocommit=True, allow_erase=True)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
    connection.executemany("INSERT INTO t VALUES (?, 'secret')", [(n,) for n in range(100)])
    fork = connection.fork()
    fork.execute("DELETE FROM t")
    differences = fork.diff("t")
    assert next(differences).before == {"id": 0, "v": "secret"}
    connection.execute("ERASE FROM t WHERE id > 50")
    with pytest.raises(errors.SerializationFailure):
        next(differences)
    fork.close()
    connection.close()


def test_what_another_process_erases_is_gone_from_forks(tmp_path: Path) -> None:
    """Though nobody here has looked at the origin since."""
    path = str(tmp_path / "db")
    connection = eventdb.connect(path, autocommit=True)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    connection.execute("INSERT INTO t VALUES (1), (2)")
    fork = connection.fork()
    again = fork.fork()
    erase = "import eventdb, sys; eventdb.connect(sys.argv[1], autocommit=True, allow_erase=True).execute('ERASE FROM t WHERE id = 1')"
    subprocess.run([sys.executable, "-c", erase, path], check=True)
    for lost in (again, fork):
        for _ in range(2):
            with pytest.raises(errors.ConnectionDoesNotExist, match="fork again"):
                lost.execute("SELECT * FROM t").fetchall()
        lost.close()
    with connection.fork() as fork:
        assert fork.execute("SELECT * FROM t").fetchall() == [(2,)]
        fork.close()
    connection.close()


def test_what_is_erased_while_a_fork_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fork begins without it."""
    from eventdb.engine import fork as engine_fork

    connection = eventdb.connect(tmp_path / "db", autocommit=True, allow_erase=True)
    other = eventdb.connect(tmp_path / "db", autocommit=True, allow_erase=True)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    connection.execute("INSERT INTO t VALUES (1), (2)")
    connection.execute("INSERT INTO t VALUES (3)")
    original = engine_fork.state_at
    erased: list[int] = []

    def slow(*arguments: Any) -> Any:
        made = original(*arguments)
        if not erased:
            erased.append(1)
            other.execute("ERASE FROM t WHERE id = 1")
        return made

    monkeypatch.setattr(engine_fork, "state_at", slow)
    fork = connection.fork(2)
    assert fork.execute("SELECT * FROM t").fetchall() == [(2,)]
    for one in (fork, other, connection):
        one.close()
    assert connection.database.users == 0
