"""The feed where it is used otherwise than one consumer, one thread, good arguments."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import eventdb
from eventdb import errors


@pytest.fixture
def connection() -> Iterator[eventdb.Connection]:
    connection = eventdb.connect(":memory:", autocommit=True)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)")
    yield connection
    connection.close()


def shown(transactions: Any) -> list[tuple[int, str, Any, Any]]:
    return [(t.number, c.operation, c.before, c.after) for t in transactions for c in t]


# ---- several changes of one row


@pytest.mark.parametrize("many", [False, True])
def test_a_row_changed_again_by_the_same_statement(connection: eventdb.Connection, many: bool) -> None:
    """Executions of one prepared update make one event, in which a row may stand several times: each change begins where the one before
    has ended, also where the row is what it was again in between."""
    connection.execute("INSERT INTO t VALUES (1, 1), (2, 2)")
    values = [(2, 1), (1, 1), (1, 1), (5, 2), (7, 1)]
    with connection.transaction():
        if many:
            connection.executemany("UPDATE t SET n = ? WHERE id = ?", values)
        else:
            for value in values:
                connection.execute("UPDATE t SET n = ? WHERE id = ?", value)
    steps = [(c.key["id"], c.before["n"], c.after["n"]) for t in connection.changes(after=2) for c in t if c.before and c.after]
    assert [step[1:] for step in steps if step[0] == 1] == [(1, 2), (2, 1), (1, 7)]
    assert [step[1:] for step in steps if step[0] == 2] == [(2, 5)]
    told = connection.execute("SELECT before ->> 'n', after ->> 'n' FROM eventdb.events WHERE transaction = 3 AND key ->> 'id' = '1'")
    assert told.fetchall() == [("1", "2"), ("2", "1"), ("1", "7")]


# ---- threads, tasks, processes


def test_threads_share_a_feed(connection: eventdb.Connection) -> None:
    """Each transaction goes to one of them."""
    for n in range(100):
        connection.execute("INSERT INTO t VALUES (?, 0)", (n,))
    for feed in (connection.subscribe(after=0, timeout=0), connection.changes()):
        seen: list[int] = []
        failed: list[BaseException] = []

        def run(feed: Any = feed, seen: list[int] = seen, failed: list[BaseException] = failed) -> None:
            try:
                seen.extend(transaction.number for transaction in feed)
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=run) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        assert sorted(seen) == list(range(1, 102))


def test_tasks_share_a_feed(connection: eventdb.Connection) -> None:
    feed = connection.subscribe(timeout=0.3)
    seen: list[int] = []

    async def consume() -> None:
        async for transaction in feed:
            seen.append(transaction.number)

    async def run() -> None:
        tasks = [asyncio.create_task(consume()) for _ in range(5)]
        for n in range(10):
            connection.execute("INSERT INTO t VALUES (?, 0)", (n,))
            await asyncio.sleep(0.002)
        await asyncio.gather(*tasks)

    asyncio.run(run())
    assert seen == list(range(2, 12))


def test_many_tasks_wait_in_one_thread(tmp_path: Path) -> None:
    """However many subscribers wait, the event loop's own threads stay free for others, and all of them wake."""
    connection = eventdb.connect(tmp_path / "db", autocommit=True)
    connection.execute("CREATE TABLE t (id INTEGER)")

    async def run() -> tuple[float, set[int], int]:
        waiting = [asyncio.create_task(anext(connection.subscribe(timeout=20))) for _ in range(100)]
        await asyncio.sleep(0.3)
        before = threading.active_count()
        began = time.monotonic()
        await asyncio.to_thread(int)
        took = time.monotonic() - began
        connection.execute("INSERT INTO t VALUES (1)")
        return took, {t.number for t in await asyncio.gather(*waiting)}, before

    took, numbers, threads = asyncio.run(run())
    assert numbers == {2}
    assert took < 1
    assert threads < 40
    connection.close()


def test_what_a_cancelled_task_had_fetched_goes_to_another(connection: eventdb.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = connection.subscribe(after=0, timeout=10)
    original = feed._feed.next

    def slow(until: int | None = None) -> Any:
        time.sleep(0.1)
        return original(until)

    monkeypatch.setattr(feed._feed, "next", slow)

    async def run() -> int:
        first, second = asyncio.create_task(anext(feed)), asyncio.create_task(anext(feed))
        await asyncio.sleep(0.03)
        first.cancel()
        return (await second).number

    assert asyncio.run(run()) == 1


def test_closing_ends_a_task_that_waits(connection: eventdb.Connection) -> None:
    for what in ("feed", "connection"):
        fork = connection.fork()

        async def run(what: str = what, fork: eventdb.Connection = fork) -> list[int]:
            feed = fork.subscribe()

            async def consume() -> list[int]:
                return [transaction.number async for transaction in feed]

            task = asyncio.create_task(consume())
            await asyncio.sleep(0.05)
            fork.execute("INSERT INTO t VALUES (1, 1)")
            (feed if what == "feed" else fork).close()
            return await asyncio.wait_for(task, 5)

        assert asyncio.run(run()) in ([], [2])
        fork.close()


def test_after_the_connection_was_closed(tmp_path: Path) -> None:
    """Whether others have the database open or not."""
    connection, other = (eventdb.connect(tmp_path / "db", autocommit=True) for _ in range(2))
    connection.execute("CREATE TABLE t (id INTEGER)")
    connection.execute("INSERT INTO t VALUES (1)")
    changes = connection.changes()
    assert next(changes).number == 1
    connection.close()
    with pytest.raises(errors.ConnectionDoesNotExist):
        next(changes)
    other.close()


def test_what_another_process_erases_is_not_shown(tmp_path: Path) -> None:
    """By a feed that is under way, before anything else here has heard of it."""
    path = str(tmp_path / "db")
    connection = eventdb.connect(path, autocommit=True)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
    for n in range(8):
        connection.execute("INSERT INTO t VALUES (?, 'secret')", (n,))
    feed, changes = connection.subscribe(after=0, timeout=0), connection.changes()
    assert (next(feed).number, next(changes).number) == (1, 1)
    erase = "import eventdb, sys; eventdb.connect(sys.argv[1], autocommit=True, allow_erase=True).execute('ERASE FROM t WHERE id > 1')"
    subprocess.run([sys.executable, "-c", erase, path], check=True)
    assert [t.number for t in feed] == [2, 3]
    assert [t.number for t in changes] == [2, 3]
    connection.close()


# ---- arguments


@pytest.mark.parametrize("tables", [5, "t", b"t", [5], [None], [b"t"]])
def test_tables_that_are_no_names(connection: eventdb.Connection, tables: Any) -> None:
    for ask, name in ((connection.changes, ()), (connection.subscribe, ()), (connection.subscribe, ("x",))):
        with pytest.raises(errors.InvalidParameterValue):
            ask(*name, tables=tables)
    assert connection.head == 1


@pytest.mark.parametrize("timeout", ["1", [1], True, float("nan")])
def test_timeouts_that_are_none(connection: eventdb.Connection, timeout: Any) -> None:
    with pytest.raises(errors.InvalidParameterValue, match="timeout must be a number of seconds or None"):
        connection.subscribe(timeout=timeout)
    feed = connection.subscribe(after=0, timeout=float("inf"))
    assert next(feed).number == 1
    feed.timeout = timeout
    with pytest.raises(errors.InvalidParameterValue):
        next(feed)


@pytest.mark.parametrize("upto", ["1", 1.0, True, [1], b"1"])
def test_what_is_no_transaction_to_acknowledge(connection: eventdb.Connection, upto: Any) -> None:
    feed = connection.subscribe("x", after=0, timeout=0)
    assert next(feed).number == 1
    with pytest.raises(errors.InvalidParameterValue, match="what is acknowledged is a transaction or its number"):
        feed.acknowledge(upto)


def test_names_with_dots(connection: eventdb.Connection) -> None:
    connection.executescript('CREATE SCHEMA "a.b"; CREATE SCHEMA a; CREATE TABLE a."b.c" (y INTEGER); CREATE TABLE "p.q" (z INTEGER)')
    found = [[t.number for t in connection.changes(tables=[name])] for name in ("a.b.c", "p.q", "public.p.q")]
    assert found == [[4], [5], [5]]
    connection.execute('CREATE TABLE "a.b".c (x INTEGER)')
    assert [t.number for t in connection.changes(tables=["a.b.c"])] == [6]


def test_tables_that_no_feed_shows(connection: eventdb.Connection) -> None:
    connection.executescript("CREATE SUBSCRIPTION x; CREATE TEMPORARY TABLE mine (id INTEGER)")
    head = connection.head
    with pytest.raises(errors.WrongObjectType):
        connection.changes(tables=["eventdb.subscriptions"])
    for statement in ("CREATE SUBSCRIPTION y FOR TABLE eventdb.subscriptions", "CREATE SUBSCRIPTION y FOR TABLE mine"):
        for begin in (False, True):
            if begin:
                connection.execute("BEGIN")
            with pytest.raises(errors.WrongObjectType):
                connection.execute(statement)
            if begin:
                connection.execute("ROLLBACK")
    assert connection.head == head


def test_json_as_the_connection_reads_it() -> None:
    """With the parser that it was given; in envelopes as anything that reads JSON can take it."""
    connection = eventdb.connect(":memory:", autocommit=True, json_loads=lambda text: ("parsed", text))
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, j JSON)")
    connection.execute("INSERT INTO t VALUES (1, '[1]'), (2, '{\"n\": [1e400, -1e400, 1.5, 12345678901234567890]}')")
    fork = connection.fork()
    for one in (connection, fork):
        rows = one.execute("SELECT j FROM t ORDER BY id").fetchall()
        assert rows[0] == (("parsed", "[1]"),)
        (transaction,) = one.changes(after=1)
        assert [(change.after["j"],) for change in transaction if change.after] == rows
        feed = one.subscribe(after=1, timeout=0)
        assert [(change.after["j"],) for change in next(feed) if change.after] == rows
    envelopes = [json.loads(json.dumps(change.envelope(), allow_nan=False)) for change in transaction]
    assert envelopes[1]["after"]["j"] == {"n": ["1e400", "-1e400", 1.5, 12345678901234567890]}
    fork.execute("DELETE FROM t WHERE id = 1")
    assert [difference.before for difference in fork.diff("t")] == [{"id": 1, "j": ("parsed", "[1]")}]
    fork.close()
    connection.close()


# ---- what retention gave up


def test_what_was_trimmed_without_a_trace(connection: eventdb.Connection) -> None:
    """Rows that came and went before the horizon are in no body any more: a feed that has not come so far says so, and one that has goes
    on, however often history is trimmed behind it."""
    connection.executescript(
        """CREATE TABLE u (id INTEGER); INSERT INTO t VALUES (1, 1);
        INSERT INTO t VALUES (2, 2); DELETE FROM t WHERE id = 2; INSERT INTO u VALUES (1);
        CREATE SUBSCRIPTION behind AFTER TRANSACTION 4 FOR TABLE t; CREATE SUBSCRIPTION all_behind AFTER TRANSACTION 4;
        CREATE SUBSCRIPTION done AFTER TRANSACTION 5 FOR TABLE t; CREATE SUBSCRIPTION other AFTER TRANSACTION 0 FOR TABLE u"""
    )
    feed = connection.subscribe(after=4, tables=["t"], timeout=0)
    connection.execute("DELETE HISTORY FROM t BEFORE TRANSACTION 8")
    for _ in range(2):
        named = [connection.subscribe(name, timeout=0) for name in ("behind", "all_behind")]
        for late in (feed, *named, connection.changes(after=3)):
            with pytest.raises(errors.SnapshotTooOld, match='the history of table "t" begins at transaction'):
                next(late)
        assert [t.number for t in connection.subscribe("done", timeout=0)] == []
        assert [t.number for t in connection.subscribe("other", timeout=0)] == [2, 6]
        connection.execute("DELETE HISTORY FROM t BEFORE TRANSACTION 11")
    connection.execute("UPDATE t SET n = 3")
    done = connection.subscribe("done", timeout=0)
    assert shown(done) == [(13, "update", {"id": 1, "n": 1}, {"id": 1, "n": 3})]
    done.acknowledge()
    connection.execute("UPDATE t SET n = 4")
    connection.execute("DELETE HISTORY FROM t BEFORE TRANSACTION 14")
    assert shown(connection.subscribe("done", timeout=0)) == [(15, "update", {"id": 1, "n": 3}, {"id": 1, "n": 4})]


def test_a_table_made_and_filled_by_one_transaction(connection: eventdb.Connection) -> None:
    """Of its rows those are missing that went before the horizon."""
    connection.executescript(
        """INSERT INTO t VALUES (1, 1), (2, 2); CREATE TABLE copy AS SELECT * FROM t; DELETE FROM copy WHERE id = 1;
        DELETE HISTORY FROM copy BEFORE TRANSACTION 4"""
    )
    for options in ({}, {"after": 2, "tables": ["copy"]}):
        with pytest.raises(errors.SnapshotTooOld, match='the history of table "copy" begins at transaction 4'):
            list(connection.changes(**options))
    assert [t.number for t in connection.changes(tables=["t"])] == [1, 2]


def test_trimmed_positions_of_subscriptions_are_missed_by_nobody(connection: eventdb.Connection) -> None:
    connection.executescript("CREATE SUBSCRIPTION x; INSERT INTO t VALUES (1, 1)")
    for n in (1, 2, 3):
        connection.execute("UPDATE eventdb.subscriptions SET position = ?", (n,))
    connection.execute("DELETE HISTORY FROM eventdb.subscriptions BEFORE TRANSACTION 5")
    assert [t.number for t in connection.changes()] == [1, 3]
