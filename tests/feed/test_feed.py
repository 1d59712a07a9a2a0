"""The change feed: everything once and in order, whoever writes, however slowly it is read."""

from __future__ import annotations

import asyncio
import datetime
import json
import multiprocessing
import threading
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from properties.workload import Workload

import eventdb
from eventdb import errors
from eventdb.storage.log import directory


def told(connection: eventdb.Connection, **options: Any) -> list[tuple[int, str, str | None, Any, Any]]:
    """(transaction, operation, table, before, after) of all changes."""
    return [
        (transaction.number, change.operation, change.table, change.before, change.after)
        for transaction in connection.changes(**options)
        for change in transaction
    ]


@pytest.fixture
def shop() -> Any:
    """1 item, 2 two rows, 3 an update, 4 another table, 5 a row there, 6 a column, 7 a delete, 8 a change that moves a row."""
    connection = eventdb.connect(":memory:", autocommit=True, actor="ann")
    connection.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)")
    connection.execute("INSERT INTO item VALUES (1, 'lamp'), (2, 'chair')")
    connection.execute("UPDATE item SET name = 'stool' WHERE id = 2")
    connection.execute("CREATE TABLE note (text TEXT)")
    connection.execute("INSERT INTO note VALUES ('hello')")
    connection.execute("ALTER TABLE item ADD COLUMN price INTEGER DEFAULT 7")
    connection.execute("DELETE FROM item WHERE id = 1")
    connection.execute("UPDATE item SET id = 5")
    yield connection
    connection.close()


def test_every_change_in_the_schema_of_its_moment(shop: eventdb.Connection) -> None:
    assert told(shop) == [
        (1, "create table", "item", None, None),
        (2, "insert", "item", None, {"id": 1, "name": "lamp"}),
        (2, "insert", "item", None, {"id": 2, "name": "chair"}),
        (3, "update", "item", {"id": 2, "name": "chair"}, {"id": 2, "name": "stool"}),
        (4, "create table", "note", None, None),
        (5, "insert", "note", None, {"text": "hello"}),
        (6, "alter table", "item", None, None),
        (7, "delete", "item", {"id": 1, "name": "lamp", "price": 7}, None),
        (8, "update", "item", {"id": 2, "name": "stool", "price": 7}, {"id": 5, "name": "stool", "price": 7}),
    ]
    transactions = list(shop.changes(after=5))
    assert [[(c.kind, c.position, c.key) for c in t] for t in transactions] == [
        [("schema", 1, {})], [("delete", 1, {"id": 1})], [("update", 1, {"id": 2})]
    ]  # fmt: skip
    assert next(iter(transactions[0])).description == 'column "price" added'
    assert [list(map(repr, t)) for t in transactions[1:]] == [
        ["<eventdb.Change 7.1: delete public.item>"], ["<eventdb.Change 8.1: update public.item>"]
    ]  # fmt: skip


def test_ranges_and_tables(shop: eventdb.Connection) -> None:
    def numbers(**options: Any) -> list[int]:
        return [transaction.number for transaction in shop.changes(**options)]

    time_of_3 = shop.execute("SELECT committed_at FROM eventdb.transactions WHERE number = 3").fetchone()[0]
    assert numbers() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert numbers(after=3) == numbers(after=time_of_3) == numbers(after=time_of_3.isoformat()) == [4, 5, 6, 7, 8]
    assert numbers(after=3, until=5) == numbers(after="TRANSACTION 3", until=5) == [4, 5]
    assert numbers(after=8) == numbers(after=5, until=5) == numbers(after=5, until=3) == []
    assert numbers(tables=["note"]) == numbers(tables=["public.note"]) == [4, 5]
    assert numbers(tables=["note", "item"], after=4) == [5, 6, 7, 8]
    assert numbers(tables=[]) == []
    shop.execute("ALTER TABLE note RENAME TO remark")
    assert numbers(tables=["remark"]) == [4, 5, 9]  # a table is what it is, whatever it was called
    shop.execute("DROP TABLE remark")
    assert numbers(tables=["remark"]) == [4, 5, 9, 10]
    shop.execute("CREATE TABLE remark (other INTEGER)")
    assert numbers(tables=["remark"]) == [11]
    with pytest.raises(errors.UndefinedTable, match='relation "nothing" does not exist'):
        shop.changes(tables=["nothing"])
    with pytest.raises(errors.InvalidParameterValue, match="list of names"):
        shop.changes(tables="item")
    with pytest.raises(errors.InvalidParameterValue, match="named by text"):
        shop.changes(tables=[3])  # type: ignore[list-item]
    with pytest.raises(errors.InvalidParameterValue, match="there is no transaction 99"):
        shop.changes(after=99)
    with pytest.raises(errors.InvalidParameterValue, match="future"):
        shop.changes(after=datetime.datetime(2999, 1, 1, tzinfo=datetime.UTC))


def test_what_a_connection_reads_is_where_changes_end(shop: eventdb.Connection) -> None:
    shop.execute("SET SYSTEM_TIME AS OF TRANSACTION 3")
    assert [transaction.number for transaction in shop.changes()] == [1, 2, 3]
    shop.execute("SET SYSTEM_TIME DEFAULT")
    shop.execute("BEGIN")
    shop.execute("INSERT INTO note VALUES ('not committed')")
    assert [transaction.number for transaction in shop.changes()] == [1, 2, 3, 4, 5, 6, 7, 8]
    shop.execute("ROLLBACK")


def test_who_when_and_why(shop: eventdb.Connection) -> None:
    with shop.transaction(reason="sale", correlation_id="c-1", metadata={"ticket": 4}):
        shop.execute("INSERT INTO note VALUES ('x')")
    (transaction,) = shop.changes(after=8)
    assert (transaction.actor, transaction.reason, transaction.correlation_id, dict(transaction.metadata)) == (
        "ann", "sale", "c-1", {"ticket": 4}
    )  # fmt: skip
    assert transaction.committed_at == shop.execute("SELECT max(committed_at) FROM eventdb.transactions").fetchone()[0]
    assert repr(transaction).startswith("<eventdb.TransactionChanges 9 by 'ann' at 20")


def test_several_changes_of_a_row_in_one_transaction(shop: eventdb.Connection) -> None:
    """Each statement's change is there, before the one the row had then; schema changes stand between."""
    with shop.transaction():
        shop.execute("INSERT INTO item VALUES (9, 'a', 1)")
        shop.execute("UPDATE item SET name = 'b' WHERE id = 9")
        shop.execute("ALTER TABLE item ADD COLUMN colour TEXT")
        shop.execute("UPDATE item SET colour = 'red' WHERE id = 9")
        shop.execute("DELETE FROM item WHERE id = 9")
    assert [entry[1:] for entry in told(shop, after=8)] == [
        ("insert", "item", None, {"id": 9, "name": "a", "price": 1}),
        ("update", "item", {"id": 9, "name": "a", "price": 1}, {"id": 9, "name": "b", "price": 1}),
        ("alter table", "item", None, None),
        ("update", "item", {"id": 9, "name": "b", "price": 1, "colour": None}, {"id": 9, "name": "b", "price": 1, "colour": "red"}),
        ("delete", "item", {"id": 9, "name": "b", "price": 1, "colour": "red"}, None),
    ]


def test_what_shows_nothing_is_passed_over(shop: eventdb.Connection) -> None:
    shop.execute("CREATE SEQUENCE s")
    shop.execute("SELECT nextval('s')")
    shop.execute("CREATE SUBSCRIPTION mailer")
    shop.execute("UPDATE eventdb.subscriptions SET position = 3")
    assert shop.head == 12
    assert told(shop, after=8) == [(9, "create sequence", None, None, None)]
    assert told(shop, after=8, tables=["item"]) == []


def test_debezium_envelope() -> None:
    connection = eventdb.connect(":memory:events", autocommit=True)
    connection.execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n NUMERIC(8,2), d DOUBLE PRECISION, b BOOLEAN, x BYTEA, day DATE, at TIMESTAMP,"
        " zoned TIMESTAMP WITH TIME ZONE, j JSON, u UUID, v INTERVAL)"
    )
    connection.execute("CREATE TABLE other (id INTEGER PRIMARY KEY)")
    with connection.transaction(actor="ann", metadata={"a": 1}):
        connection.execute("INSERT INTO other VALUES (1)")
        connection.execute(
            "INSERT INTO t VALUES (1, 1.50, 'NaN', TRUE, X'00ff', DATE '2024-02-29', TIMESTAMP '2024-02-29 12:00:00.5',"
            " TIMESTAMP WITH TIME ZONE '2024-02-29 12:00:00+02:00', '{\"k\": [1]}', '12345678-1234-5678-1234-567812345678',"
            " INTERVAL '1 day')"
        )
        connection.execute("UPDATE t SET d = 0.1 WHERE id = 1")
        connection.execute("DELETE FROM other")
    (transaction,) = connection.changes(after=2)
    made = [json.loads(json.dumps(change.envelope())) for change in transaction]
    assert [(e["op"], e["source"]["table"]) for e in made] == [("c", "other"), ("c", "t"), ("u", "t"), ("d", "other")]
    assert [e["transaction"] for e in made] == [
        {"id": "3", "total_order": total, "data_collection_order": order} for total, order in ((1, 1), (2, 1), (3, 2), (4, 2))
    ]
    assert made[1]["before"] is None
    assert made[1]["after"] == made[2]["before"] == {
        "id": 1, "n": "1.50", "d": "NaN", "b": True, "x": "\\x00ff", "day": "2024-02-29", "at": "2024-02-29T12:00:00.5",
        "zoned": "2024-02-29T10:00:00+00:00", "j": {"k": [1]}, "u": "12345678-1234-5678-1234-567812345678", "v": "1 day",
    }  # fmt: skip
    assert made[2]["after"]["d"] == 0.1
    assert made[3]["after"] is None
    source = made[0]["source"]
    moment = transaction.header.time
    assert source == {
        "version": eventdb.__version__, "connector": "eventdb", "name": ":memory:events", "ts_ms": moment // 1000, "ts_us": moment,
        "snapshot": "false", "db": "eventdb", "schema": "public", "table": "other", "txId": 3, "actor": "ann", "reason": None,
        "correlation_id": None, "metadata": {"a": 1},
    }  # fmt: skip
    assert abs(made[0]["ts_us"] / 1e6 - time.time()) < 600
    assert made[0]["ts_ms"] == made[0]["ts_us"] // 1000
    (schema,) = next(iter(connection.changes(until=1)))
    envelope = json.loads(json.dumps(schema.envelope()))
    assert "op" not in envelope
    assert {k: envelope["schema_change"][k] for k in ("operation", "object_type", "schema", "name")} == {
        "operation": "create table", "object_type": "table", "schema": "public", "name": "t"
    }  # fmt: skip
    connection.close()


def test_values_are_those_of_a_cursor(shop: eventdb.Connection) -> None:
    shop.execute("CREATE TABLE v (id INTEGER PRIMARY KEY, n NUMERIC(8,2), j JSON, c CHAR(3))")
    shop.execute("INSERT INTO v VALUES (1, 1, '{\"a\": [1, 2]}', 'x'), (2, NULL, NULL, NULL)")
    rows = shop.execute("SELECT * FROM v ORDER BY id").fetchall()
    (transaction,) = shop.changes(after=9)
    assert [tuple((change.after or {}).values()) for change in transaction] == rows
    assert rows[0] == (1, Decimal("1.00"), {"a": [1, 2]}, "x  ")


def test_a_transaction_can_be_read_again_and_later(shop: eventdb.Connection) -> None:
    transactions = list(shop.changes())
    first = [[(c.before, c.after) for c in t] for t in transactions]
    shop.execute("UPDATE item SET name = 'changed since'")
    shop.execute("ALTER TABLE item DROP COLUMN name")
    assert [[(c.before, c.after) for c in t] for t in transactions] == first
    assert told(shop, until=8) == [(t.number, c.operation, c.table, c.before, c.after) for t in transactions for c in t]


def test_changes_replayed_make_the_tables() -> None:
    """Whoever applies the feed of a random life has what the database has, at every transaction."""
    for seed in range(2):
        workload = Workload(lambda: eventdb.connect(":memory:feed", autocommit=True), seed)
        check_replay(workload, seed)


def check_replay(workload: Workload, seed: int) -> None:
    keep = eventdb.connect(":memory:feed", autocommit=True)
    workload.run(100)
    if workload.model.in_transaction:
        workload.rollback()
    connection = workload.connection
    tables: dict[str, list[dict[str, Any]]] = {}
    for transaction in connection.changes():
        rewritten: set[str] = set()
        for change in transaction:
            if change.kind == "schema":
                # a change of the schema changes rows too: those are read where it has come to
                if change.table is not None:
                    rewritten.add(change.table)
                continue
            assert change.table is not None
            if change.table in rewritten:
                continue
            rows = tables.setdefault(change.table, [])
            if change.before is not None:
                rows.remove(next(row for row in rows if repr(row) == repr(change.before)))
            if change.after is not None:
                rows.append(change.after)
        names = [
            name
            for (name,) in connection.execute(
                f"SELECT table_name FROM information_schema.tables FOR SYSTEM_TIME AS OF TRANSACTION {transaction.number}"
                " WHERE table_type = 'BASE TABLE'"
            )
        ]
        for gone in tables.keys() - set(names):
            del tables[gone]
        for name in names:
            cursor = connection.execute(f"SELECT * FROM {name} FOR SYSTEM_TIME AS OF TRANSACTION {transaction.number}")
            columns = [column[0] for column in cursor.description or ()]
            now = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
            if name in rewritten or name not in tables:
                tables[name] = now
            assert sorted(map(repr, tables[name])) == sorted(map(repr, now)), f"seed {seed}, transaction {transaction.number}, {name}"
    connection.close()
    keep.close()


# ---- live


def test_live_after_what_was_there(shop: eventdb.Connection) -> None:
    with shop.subscribe(after=6, timeout=0) as feed:
        assert [t.number for t in feed] == [7, 8]
        assert [t.number for t in feed] == []
        shop.execute("INSERT INTO note VALUES ('now')")
        assert [t.number for t in feed] == [9]
        assert feed.position == 9
    assert [t.number for t in shop.subscribe(timeout=0)] == []


def test_it_waits_and_wakes(shop: eventdb.Connection) -> None:
    feed = shop.subscribe(timeout=20)
    other = threading.Timer(0.2, lambda: shop.execute("INSERT INTO note VALUES ('later')"))
    other.start()
    began = time.monotonic()
    assert next(feed).number == 9
    assert time.monotonic() - began < 10
    other.join()
    feed.timeout = 0.05
    began = time.monotonic()
    assert list(feed) == []
    assert 0.04 < time.monotonic() - began < 5


def test_closing_ends_a_wait(shop: eventdb.Connection) -> None:
    for close in ("close", "connection"):
        connection = shop.fork()
        feed = connection.subscribe()
        found: list[Any] = []
        thread = threading.Thread(target=lambda feed=feed, found=found: found.extend(feed))
        thread.start()
        time.sleep(0.05)
        feed.close() if close == "close" else connection.close()
        thread.join(10)
        assert not thread.is_alive()
        assert found == []
        connection.close()


def test_threads_write_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every transaction once and in order, over many segments."""
    monkeypatch.setattr(directory, "SEGMENT_BYTES", 2000)
    monkeypatch.setattr(directory.DirectoryLog.__init__, "__defaults__", (None, 2000, *directory.DirectoryLog.__init__.__defaults__[2:]))
    connections = [eventdb.connect(tmp_path / "db", autocommit=True, timeout=60, durability="os") for _ in range(4)]
    connections[0].execute("CREATE TABLE t (who INTEGER, n INTEGER, PRIMARY KEY (who, n))")
    feed = connections[0].subscribe(timeout=60)

    def work(which: int) -> None:
        for n in range(60):
            connections[which].execute("INSERT INTO t VALUES (?, ?)", (which, n))

    threads = [threading.Thread(target=work, args=(which,)) for which in range(4)]
    for thread in threads:
        thread.start()
    seen = [(t.number, change.after) for _, t in zip(range(240), feed, strict=False) for change in t]
    for thread in threads:
        thread.join()
    assert [number for number, _ in seen] == list(range(2, 242))
    for which in range(4):
        assert [row["n"] for _, row in seen if row is not None and row["who"] == which] == list(range(60))
    assert len(list((tmp_path / "db" / "log").glob("*.cbor"))) > 5
    for connection in connections:
        connection.close()


def _writer(path: str, which: int, times: int) -> None:
    connection = eventdb.connect(path, autocommit=True, timeout=60, durability="os")
    for n in range(times):
        connection.execute("INSERT INTO t VALUES (?, ?, ?)", (which, n, time.time()))
    connection.close()


def test_processes_write_while_it_is_read(tmp_path: Path) -> None:
    path = str(tmp_path / "db")
    connection = eventdb.connect(path, autocommit=True, timeout=60)
    connection.execute("CREATE TABLE t (who INTEGER, n INTEGER, at DOUBLE PRECISION, PRIMARY KEY (who, n))")
    feed = connection.subscribe(timeout=60)
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_writer, args=(path, which, 40)) for which in range(2)]
    for writer in writers:
        writer.start()
    seen = []
    for transaction in feed:
        seen += [(transaction.number, change.after) for change in transaction]
        if len(seen) == 80:
            break
    for writer in writers:
        writer.join()
    assert [number for number, _ in seen] == list(range(2, 82))
    for which in range(2):
        assert [row["n"] for _, row in seen if row is not None and row["who"] == which] == list(range(40))
    connection.close()


def test_async_iteration(shop: eventdb.Connection) -> None:
    async def read() -> list[int]:
        feed = shop.subscribe(after=6, timeout=0.05)
        found = [t.number async for t in feed]
        waiting = asyncio.ensure_future(anext(feed))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        shop.execute("INSERT INTO note VALUES ('a')")
        feed.timeout = 20
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.ensure_future(tick())
        found.append((await anext(feed)).number)
        later = threading.Timer(0.2, lambda: shop.execute("INSERT INTO note VALUES ('b')"))
        later.start()
        found.append((await anext(feed)).number)
        ticking.cancel()
        assert ticks > 3
        return found

    assert asyncio.run(read()) == [7, 8, 9, 10]


def test_a_large_transaction(shop: eventdb.Connection) -> None:
    shop.execute("CREATE TABLE big (id INTEGER PRIMARY KEY, v INTEGER)")
    shop.executemany("INSERT INTO big VALUES (?, 0)", [(n,) for n in range(20_000)])
    shop.execute("UPDATE big SET v = id + 1")
    inserted, updated = shop.changes(after=9)
    assert sum(1 for _ in inserted) == 20_000
    assert all(change.before == {"id": n, "v": 0} and change.after == {"id": n, "v": n + 1} for n, change in enumerate(updated))


def test_a_feed_of_one_table_reads_few_records(tmp_path: Path) -> None:
    connection = eventdb.connect(tmp_path / "db", autocommit=True, durability="os")
    connection.execute("CREATE TABLE rare (a INTEGER)")
    connection.execute("CREATE TABLE often (a INTEGER)")
    for n in range(300):
        connection.execute("INSERT INTO often VALUES (?)", (n,))
        if n % 100 == 0:
            connection.execute("INSERT INTO rare VALUES (?)", (n,))
    read: list[int] = []
    log = connection.database.log
    original = log.read

    def counting(after: int = 0, until: int | None = None) -> Any:
        for record in original(after, until):
            read.append(record.header.number)
            yield record

    log.read = counting  # type: ignore[method-assign]
    assert [t.number for t in connection.changes(tables=["rare"])] == [1, 4, 105, 206]
    assert len(read) < 30
    connection.close()


def test_a_slow_consumer_holds_one_transaction(tmp_path: Path) -> None:
    connection = eventdb.connect(tmp_path / "db", autocommit=True, durability="os")
    connection.execute("CREATE TABLE t (a INTEGER)")
    feed = connection.subscribe(timeout=0)
    for n in range(100):
        connection.execute("INSERT INTO t VALUES (?)", (n,))
    read = 0
    original = connection.database.log.read

    def counting(after: int = 0, until: int | None = None) -> Any:
        nonlocal read
        for record in original(after, until):
            read += 1
            yield record

    connection.database.log.read = counting  # type: ignore[method-assign]
    for expected in range(1, 20):
        next(feed)
        assert read == expected
    connection.close()


def test_what_the_log_no_longer_has(shop: eventdb.Connection) -> None:
    shop.execute("CREATE SUBSCRIPTION late AFTER TRANSACTION 2")
    shop.database.log.truncate(5)
    with pytest.raises(errors.SnapshotTooOld, match="transaction 3 is no longer in the log"):
        next(shop.subscribe("late", timeout=0))
    with pytest.raises(errors.SnapshotTooOld):
        next(shop.changes(after=3))
    assert [t.number for t in shop.changes(until=8)] == [5, 6, 7, 8]
    assert [t.number for t in shop.changes(after=4, until=8)] == [5, 6, 7, 8]


def test_where_it_is_not_known_which_transactions_touched_a_table(shop: eventdb.Connection) -> None:
    """A snapshot of an older version does not say so: then everything is read."""
    known = told(shop, tables=["item"])
    for data in shop.database.head.tables.values():
        data.touched = None
    assert told(shop, tables=["item"]) == known


def test_an_error_leaves_no_gap(shop: eventdb.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = shop.subscribe(after=2, timeout=0)
    assert next(feed).number == 3
    original = shop.database.log.read

    def failing(after: int = 0, until: int | None = None) -> Any:
        raise errors.IOFailure("the disk is away")

    feed._feed._records = None
    monkeypatch.setattr(shop.database.log, "read", failing)
    with pytest.raises(errors.IOFailure):
        next(feed)
    monkeypatch.setattr(shop.database.log, "read", original)
    assert [t.number for t in feed] == [4, 5, 6, 7, 8]


def test_what_was_erased_is_not_shown(tmp_path: Path) -> None:
    """Neither by a new feed nor by one that is under way."""
    connection = eventdb.connect(tmp_path / "db", autocommit=True, allow_erase=True)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
    connection.execute("INSERT INTO t VALUES (1, 'secret'), (2, 'plain')")
    connection.execute("UPDATE t SET v = 'secret too' WHERE id = 1")
    connection.execute("UPDATE t SET v = 'plain too' WHERE id = 2")
    feed = connection.subscribe(after=0, timeout=0)
    fork = connection.fork()
    waiting = fork.subscribe(timeout=5)
    next(feed)
    connection.execute("ERASE FROM t WHERE id = 1")
    for transactions in (feed, connection.changes(after=1)):
        shown = [(t.number, c.before, c.after) for t in transactions for c in t]
        assert shown == [(2, None, {"id": 2, "v": "plain"}), (4, {"id": 2, "v": "plain"}, {"id": 2, "v": "plain too"})]
    with pytest.raises(errors.ConnectionDoesNotExist, match="fork again"):
        next(waiting)
    fork.close()
    connection.close()


def test_what_retention_gave_up(tmp_path: Path) -> None:
    connection = eventdb.connect(tmp_path / "db", autocommit=True)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
    connection.execute("CREATE TABLE u (id INTEGER PRIMARY KEY)")
    connection.execute("INSERT INTO t VALUES (1, 'a')")
    connection.execute("INSERT INTO u VALUES (1)")
    connection.execute("UPDATE t SET v = 'b'")
    connection.execute("UPDATE t SET v = 'c'")
    connection.execute("CREATE SUBSCRIPTION late AFTER TRANSACTION 2")
    connection.execute("DELETE HISTORY FROM t BEFORE SYSTEM_TIME TRANSACTION 5")
    assert [(t.number, c.before, c.after) for t in connection.changes(after=5, tables=["t"]) for c in t] == [
        (6, {"id": 1, "v": "b"}, {"id": 1, "v": "c"})
    ]
    for feed in (connection.changes(after=2), connection.subscribe("late", timeout=0)):
        with pytest.raises(errors.SnapshotTooOld, match='the history of table "t" begins at transaction 5'):
            list(feed)
    assert [t.number for t in connection.changes(after=2, tables=["u"])] == [4]
    with pytest.raises(errors.SnapshotTooOld):
        list(connection.fork(3).execute("SELECT * FROM t"))
    fork = connection.fork(5)
    assert fork.execute("SELECT v FROM t").fetchall() == [("b",)]
    fork.close()
    connection.close()
