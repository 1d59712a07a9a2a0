"""Named subscriptions: the position is in the database, and what a consumer commits with it has its effect exactly once."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from faults.faulty import Crash, FaultyFiles, Keep

import eventdb
from eventdb import errors
from eventdb.engine import database as engine_database


@pytest.fixture
def shop(tmp_path: Path) -> Any:
    """1 and 2: two tables; 3 to 7: a row of the first one each."""
    connection = eventdb.connect(tmp_path / "shop", autocommit=True)
    connection.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, price INTEGER)")
    connection.execute("CREATE TABLE sold (id INTEGER PRIMARY KEY, price INTEGER)")
    for n in range(5):
        connection.execute("INSERT INTO item VALUES (?, ?)", (n, n * 10))
    yield connection
    connection.close()


def stored(connection: eventdb.Connection) -> list[tuple[str, int]]:
    return connection.execute("SELECT name, position FROM eventdb.subscriptions ORDER BY name").fetchall()


def consume(connection: eventdb.Connection, feed: Any) -> None:
    for transaction in feed:
        with connection.transaction():
            for change in transaction:
                connection.execute("INSERT INTO sold VALUES (:id, :price)", change.after)
            feed.acknowledge()


def test_it_goes_on_where_it_was_acknowledged(shop: eventdb.Connection, tmp_path: Path) -> None:
    feed = shop.subscribe("sales", after=2, tables=["item"], timeout=0)
    assert [t.number for t in feed] == [3, 4, 5, 6, 7]
    assert (feed.position, stored(shop)) == (2, [("sales", 2)])
    feed.acknowledge(5)
    assert (feed.position, stored(shop)) == (5, [("sales", 5)])
    feed.acknowledge(5)
    feed.acknowledge()
    assert stored(shop) == [("sales", 7)]
    shop.execute("INSERT INTO item VALUES (9, 90)")
    shop.close()
    with eventdb.connect(tmp_path / "shop", autocommit=True) as again:
        feed = again.subscribe("sales", timeout=0)
        assert [t.number for t in feed] == [11]
        assert [t.number for t in again.subscribe("sales", timeout=0)] == [11]
        feed.acknowledge()
        assert [t.number for t in again.subscribe("sales", timeout=0)] == []
        again.verify().raise_for_problems()
        again.close()


def test_a_position_moves_with_the_transaction(shop: eventdb.Connection) -> None:
    feed = shop.subscribe("sales", after=2, tables=["item"], timeout=0)
    first = next(feed)
    shop.execute("BEGIN")
    feed.acknowledge(first)
    assert stored(shop) == [("sales", 3)]
    shop.execute("ROLLBACK")
    assert (feed.position, stored(shop)) == (2, [("sales", 2)])
    shop.execute("BEGIN")
    feed.acknowledge(first)
    shop.execute("SAVEPOINT s")
    second = next(feed)
    feed.acknowledge(second)
    assert stored(shop) == [("sales", 4)]
    shop.execute("ROLLBACK TO SAVEPOINT s")
    feed.acknowledge(first)
    shop.execute("COMMIT")
    assert (feed.position, stored(shop)) == (3, [("sales", 3)])
    feed.acknowledge(second)
    assert (feed.position, stored(shop)) == (4, [("sales", 4)])


def test_without_autocommit_it_waits_for_the_commit(tmp_path: Path) -> None:
    connection = eventdb.connect(tmp_path / "db")
    connection.execute("CREATE TABLE t (a INTEGER)")
    connection.commit()
    feed = connection.subscribe("x", after=0, timeout=0)  # made by itself, whatever becomes of the transaction
    connection.execute("INSERT INTO t VALUES (1)")
    next(feed)
    feed.acknowledge()
    connection.rollback()
    assert stored(connection) == [("x", 0)]
    connection.rollback()
    feed.acknowledge()
    connection.commit()
    assert stored(connection) == [("x", 1)]
    connection.close()


def test_what_cannot_be_acknowledged(shop: eventdb.Connection) -> None:
    with pytest.raises(errors.ProgrammingError, match="without a name"):
        shop.subscribe(after=2).acknowledge()
    feed = shop.subscribe("sales", after=2, timeout=0)
    with pytest.raises(errors.ObjectNotInPrerequisiteState, match="nothing has been read"):
        feed.acknowledge()
    next(feed)
    for number in (1, 4):
        with pytest.raises(errors.InvalidParameterValue, match=f"cannot acknowledge transaction {number}: the position is 2"):
            feed.acknowledge(number)
    shop.execute("DROP SUBSCRIPTION sales")
    with pytest.raises(errors.UndefinedObject, match='subscription "sales" does not exist'):
        feed.acknowledge()
    with eventdb.connect(shop.database.path or "", read_only=True) as reader, pytest.raises(errors.ReadOnlyTransaction):
        reader.subscribe("other")
    with pytest.raises(errors.InvalidName):
        shop.subscribe("")
    with pytest.raises(errors.NameTooLong):
        shop.subscribe("x" * 300)
    with pytest.raises(errors.InterfaceError):
        shop.subscribe(5)  # type: ignore[arg-type]


def test_a_subscription_has_its_own_tables(shop: eventdb.Connection) -> None:
    feed = shop.subscribe("sales", after=0, tables=["item"], timeout=0)
    assert [t.number for t in feed] == [1, 3, 4, 5, 6, 7]
    assert [t.number for t in shop.subscribe("sales", timeout=0)] == [1, 3, 4, 5, 6, 7]
    assert [t.number for t in shop.subscribe("sales", after=5, tables=["item"], timeout=0)] == [1, 3, 4, 5, 6, 7]
    with pytest.raises(errors.InvalidParameterValue, match="about other tables"):
        shop.subscribe("sales", tables=["sold"])
    shop.execute("ALTER TABLE item RENAME TO thing")
    assert [t.number for t in shop.subscribe("sales", timeout=0)] == [1, 3, 4, 5, 6, 7, 9]
    assert shop.execute("SELECT tables FROM eventdb.subscriptions").fetchone() == (["public.item"],)


def test_a_subscription_to_tables_that_are_gone(shop: eventdb.Connection) -> None:
    """They are named by what they were called last; to none of them is not to all of them."""
    shop.execute("DROP TABLE sold")
    feed = shop.subscribe("gone", after=0, tables=["sold"], timeout=0)
    assert [t.number for t in feed] == [2, 8]
    assert [t.number for t in shop.subscribe("both", after=0, tables=["sold", "public.item"], timeout=0)] == list(range(1, 9))
    assert list(shop.subscribe("none", after=0, tables=[], timeout=0)) == []
    rows = shop.execute("SELECT name, tables, table_ids FROM eventdb.subscriptions ORDER BY name").fetchall()
    assert rows == [("both", ["public.item", "public.sold"], [1, 3]), ("gone", ["public.sold"], [3]), ("none", [], [])]


def test_rows_that_are_no_subscriptions(shop: eventdb.Connection) -> None:
    """Whoever writes the relation by hand can write nonsense; it is found when it is read."""
    shop.execute("CREATE SUBSCRIPTION x FOR TABLE item, item")
    assert shop.execute("SELECT tables, table_ids FROM eventdb.subscriptions").fetchall() == [(["public.item"], [1])]
    for ids in ("5", '{"a": 1}', '["a"]', "[true]"):
        shop.execute("UPDATE eventdb.subscriptions SET table_ids = ?", (ids,))
        with pytest.raises(errors.InvalidParameterValue, match='table_ids of subscription "x"'):
            shop.subscribe("x")
    shop.execute("UPDATE eventdb.subscriptions SET table_ids = NULL, position = 1000")
    with pytest.raises(errors.InvalidParameterValue, match='"x" stands at transaction 1000'):
        shop.subscribe("x")


def test_a_table_that_another_process_made(shop: eventdb.Connection, tmp_path: Path) -> None:
    make = "import eventdb, sys; eventdb.connect(sys.argv[1], autocommit=True).execute('CREATE TABLE other (id INTEGER)')"
    subprocess.run([sys.executable, "-c", make, str(tmp_path / "shop")], check=True)
    shop.execute("CREATE SUBSCRIPTION x FOR TABLE other")
    assert shop.execute("SELECT tables FROM eventdb.subscriptions").fetchall() == [(["public.other"],)]


def test_acknowledging_feeds_nothing_back(shop: eventdb.Connection) -> None:
    """Two subscriptions to everything that acknowledge what they get come to rest."""
    feeds = [shop.subscribe(name, after=0, timeout=0) for name in ("one", "two")]
    for _ in range(5):
        for feed in feeds:
            for _ in feed:
                feed.acknowledge()
    assert shop.head < 30
    head = shop.head
    for feed in feeds:
        assert list(feed) == []
    assert shop.head == head


def test_waiting_does_not_spin(shop: eventdb.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = shop.subscribe("sales", after=0, timeout=0)
    for _ in feed:
        feed.acknowledge()
    calls = 0
    original = feed._feed.next

    def counting(until: int | None = None) -> Any:
        nonlocal calls
        calls += 1
        return original(until)

    monkeypatch.setattr(feed._feed, "next", counting)
    feed.timeout = 1.0
    assert list(feed) == []
    assert calls <= 12


def test_two_consumers_on_one_name(shop: eventdb.Connection, tmp_path: Path) -> None:
    """The second to commit gets 40001, and nothing that it wrote stays."""
    other = eventdb.connect(tmp_path / "shop", autocommit=True)
    one, two = (c.subscribe("sales", after=2, tables=["item"], timeout=0) for c in (shop, other))
    assert next(one).number == next(two).number == 3
    shop.execute("BEGIN")
    other.execute("BEGIN")
    shop.execute("INSERT INTO sold VALUES (0, 0)")
    other.execute("INSERT INTO sold VALUES (7, 7)")
    one.acknowledge()
    two.acknowledge()
    shop.execute("COMMIT")
    with pytest.raises(errors.SerializationFailure) as failure:
        other.execute("COMMIT")
    assert failure.value.sqlstate == "40001"
    assert shop.execute("SELECT id FROM sold").fetchall() == [(0,)]
    with pytest.raises(errors.SerializationFailure, match='the position of subscription "sales" is 3, not 2'):
        two.acknowledge()
    with pytest.raises(errors.SerializationFailure):
        consume(other, two)
    two = other.subscribe("sales", timeout=0)
    consume(other, two)
    assert [id for (id,) in shop.execute("SELECT id FROM sold ORDER BY id")] == [0, 1, 2, 3, 4]
    assert stored(shop) == [("sales", 7)]
    other.close()


def test_a_position_moved_in_sql(shop: eventdb.Connection) -> None:
    """The relation can be written like any other: a consumer that speaks only SQL moves its position so."""
    shop.execute("CREATE SUBSCRIPTION plain AFTER TRANSACTION 4 FOR TABLE item")
    shop.execute("BEGIN")
    shop.execute("UPDATE eventdb.subscriptions SET position = 6 WHERE name = 'plain' AND position = 4")
    shop.execute("COMMIT")
    assert [t.number for t in shop.subscribe("plain", timeout=0)] == [7]
    with pytest.raises(errors.CheckViolation):
        shop.execute("UPDATE eventdb.subscriptions SET position = -1")


def test_positions_in_the_past_and_in_forks(shop: eventdb.Connection) -> None:
    feed = shop.subscribe("sales", after=2, timeout=0)
    for _ in feed:
        feed.acknowledge()
    history = "SELECT position FROM eventdb.subscriptions FOR SYSTEM_TIME ALL ORDER BY row_start_tx"
    assert [n for (n,) in shop.execute(history)] == [2, 3, 4, 5, 6, 7]
    assert stored(shop.fork(10)) == [("sales", 4)]
    fork = shop.fork()
    fork.execute("INSERT INTO item VALUES (100, 100)")
    feed = fork.subscribe("sales", timeout=0)
    for _ in feed:
        feed.acknowledge()
    assert stored(fork) == [("sales", 14)]
    assert stored(shop) == [("sales", 7)]


def test_reverting_a_consumers_work_leaves_its_position(shop: eventdb.Connection) -> None:
    """What a consumer wrote can be undone though its position has moved on since; the position is not what is undone."""
    feed = shop.subscribe("sales", after=2, tables=["item"], timeout=0)
    consume(shop, feed)
    shop.execute("REVERT TRANSACTION 10")
    assert [id for (id,) in shop.execute("SELECT id FROM sold ORDER BY id")] == [0, 2, 3, 4]
    assert stored(shop) == [("sales", 7)]


def test_a_dump_leaves_subscriptions_out(shop: eventdb.Connection) -> None:
    """Their positions are numbers of this log."""
    shop.subscribe("sales")
    text = "\n".join(shop.dump())
    assert "subscriptions" not in text
    with eventdb.connect(":memory:", autocommit=True) as copy:
        copy.executescript(text)
        assert copy.execute("SELECT count(*) FROM item").fetchone() == (5,)
        copy.close()


# ---- exactly once


def forget(path: Path) -> None:
    """Take the database of a stopped process out of this process's register."""
    for key in [key for key in engine_database._registry if key[0] == str(path.resolve())]:
        del engine_database._registry[key]


def prepare(path: Path, rows: int = 3) -> None:
    with eventdb.connect(path, autocommit=True) as connection:
        connection.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, price INTEGER)")
        connection.execute("CREATE TABLE sold (number INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id INTEGER, price INTEGER)")
        for n in range(rows):
            connection.execute("INSERT INTO item VALUES (?, ?)", (n, n * 10))
        connection.close()


def copy_changes(path: Path, files: Any = None) -> None:
    """A consumer: what happens to item is written to sold, with the position, in one transaction for each."""
    connection = eventdb.connect(path, autocommit=True, **({"_files": files} if files is not None else {}))
    try:
        feed = connection.subscribe("copy", after=2, tables=["item"], timeout=0)
        for transaction in feed:
            with connection.transaction():
                for change in transaction:
                    connection.execute("INSERT INTO sold (id, price) VALUES (:id, :price)", change.after)
                feed.acknowledge()
    finally:
        if files is None or not files.crashed:
            connection.close()


@pytest.mark.parametrize("keep", [pytest.param(k, marks=[] if k in (Keep.NOTHING, Keep.ALL) else pytest.mark.slow) for k in Keep])
def test_a_consumer_stopped_anywhere(tmp_path: Path, keep: Keep) -> None:
    """Whatever write or sync a consumer is stopped at, the one after it goes on, and each change is applied exactly once."""
    prepare(tmp_path / "prepared")
    shutil.copytree(tmp_path / "prepared", tmp_path / "whole")
    files = FaultyFiles()
    copy_changes(tmp_path / "whole", files)
    operations = files.operations
    assert operations > 10
    for at in range(1, operations + 1):
        path = tmp_path / f"db{at}"
        shutil.copytree(tmp_path / "prepared", path)
        files = FaultyFiles(crash_at=at)
        with pytest.raises(Crash):
            copy_changes(path, files)
        forget(path)
        survived = files.surviving(path, tmp_path / f"after{at}", keep)
        copy_changes(survived)
        with eventdb.connect(survived, autocommit=True) as connection:
            assert [id for (id,) in connection.execute("SELECT id FROM sold ORDER BY number")] == list(range(3)), at
            if at == operations:
                connection.verify().raise_for_problems()
            connection.close()


def _consumer(path: str) -> None:
    while True:
        try:
            copy_changes(Path(path))
        except eventdb.OperationalError as error:
            if not error.retryable:
                raise
        time.sleep(0.002)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_consumers_killed_again_and_again(tmp_path: Path) -> None:
    """Two consumers of one name in processes of their own, killed at any moment and started again, while rows come in."""
    path = tmp_path / "db"
    prepare(path, 6)
    context = multiprocessing.get_context("spawn")
    connection = eventdb.connect(path, autocommit=True, timeout=60)
    consumers: list[Any] = []

    def start() -> Any:
        process = context.Process(target=_consumer, args=(str(path),), daemon=True)
        process.start()
        return process

    try:
        consumers = [start(), start()]
        for n in range(6, 60):
            connection.execute("INSERT INTO item VALUES (?, ?)", (n, n * 10))
            if n % 20 == 0:
                time.sleep(0.5)
                which = n // 20 % 2
                os.kill(consumers[which].pid, signal.SIGKILL)
                consumers[which].join()
                consumers[which] = start()
        end = time.monotonic() + 60
        while connection.execute("SELECT count(*) FROM sold").fetchone() != (60,) and time.monotonic() < end:
            time.sleep(0.05)
    finally:
        for process in consumers:
            process.kill()
            process.join()
    copy_changes(path)
    assert [id for (id,) in connection.execute("SELECT id FROM sold ORDER BY id")] == list(range(60))
    connection.verify().raise_for_problems()
    connection.close()
