"""The short way of statements prepared before: what it may share between executions, and what it must not."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest

import eventdb
from eventdb.errors import CheckViolation, NotNullViolation, UniqueViolation


@pytest.fixture
def connection() -> Any:
    connection = eventdb.connect(":memory:")
    connection.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v INTEGER NOT NULL CHECK (v < 1000), w TEXT)")
    connection.execute("CREATE INDEX t_v ON t (v)")
    connection.commit()
    yield connection
    connection.close()


def contents(connection: Any) -> list[tuple[Any, ...]]:
    return list(connection.execute("SELECT k, v, w FROM t ORDER BY k").fetchall())


INSERT = "INSERT INTO t VALUES (?, ?, ?)"
UPDATE = "UPDATE t SET v = v + ? WHERE k = ?"
SELECT = "SELECT v FROM t WHERE k = ?"


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("isolation", ["serializable", "snapshot"])
def test_single_row_writes_like_a_dictionary(isolation: str, seed: int) -> None:
    """Writes that wait to be applied together are seen by every read, undone by every savepoint and rollback, and fail one by one."""
    draw = random.Random(seed)
    connection = eventdb.connect(":memory:", isolation_level=isolation)
    connection.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v INTEGER NOT NULL CHECK (v < 1000), w TEXT)")
    connection.execute("CREATE INDEX t_v ON t (v)")
    connection.commit()
    rows: dict[int, tuple[int, str]] = {}
    committed: dict[int, tuple[int, str]] = {}
    saved: dict[int, tuple[int, str]] | None = None
    for _ in range(300):
        kind = draw.choice(("insert", "insert", "update", "update", "update", "text", "get", "scan", "index", "savepoint", "back", "end"))
        for _ in range(draw.choice((1, 1, 5))):
            k, v = draw.randrange(30), draw.randrange(20)
            if kind == "insert":
                if k in rows:
                    with pytest.raises(UniqueViolation):
                        connection.execute(INSERT, (k, v, "a"))
                else:
                    connection.execute(INSERT, (k, v, "a"))
                    rows[k] = (v, "a")
            elif kind == "update":
                if k in rows and rows[k][0] + 50 * v >= 1000:
                    with pytest.raises(CheckViolation):
                        connection.execute(UPDATE, (50 * v, k))
                else:
                    assert connection.execute(UPDATE, (50 * v, k)).rowcount == (k in rows)
                    if k in rows:
                        rows[k] = (rows[k][0] + 50 * v, rows[k][1])
            elif kind == "text":
                connection.execute("UPDATE t SET w = ? WHERE k = ?", (str(v), k))
                if k in rows:
                    rows[k] = (rows[k][0], str(v))
            elif kind == "get":
                assert connection.execute(SELECT, (k,)).fetchone() == ((rows[k][0],) if k in rows else None)
        if kind == "scan":
            assert contents(connection) == [(k, *row) for k, row in sorted(rows.items())]
        elif kind == "index":
            v = draw.randrange(0, 1000, 50)
            found = connection.execute("SELECT k FROM t WHERE v >= ? AND v < ?", (v, v + 50)).fetchall()
            assert sorted(found) == [(k,) for k, row in sorted(rows.items()) if v <= row[0] < v + 50]
        elif kind == "savepoint":
            connection.execute("SAVEPOINT here")
            saved = dict(rows)
        elif kind == "back" and saved is not None:
            connection.execute("ROLLBACK TO SAVEPOINT here")
            rows = dict(saved)
        elif kind == "end":
            if draw.random() < 0.3:
                connection.rollback()
                rows = dict(committed)
            else:
                connection.commit()
                committed = dict(rows)
            saved = None
    connection.commit()
    connection.verify().raise_for_problems()
    assert contents(connection) == [(k, *row) for k, row in sorted(rows.items())]


def test_one_event_for_many_statements(connection: Any) -> None:
    """Single-row writes of one statement that follow one another go into the log as one event."""
    for k in range(50):
        connection.execute(INSERT, (k, k, None))
    for k in range(50):
        connection.execute(UPDATE, (1, k))
    connection.commit()
    (events,) = [made for _, made, _ in connection.database.changes(connection.last_transaction - 1)]
    assert [type(event).__name__ for event in events] == ["RowsInserted", "RowsUpdated"]


def test_rows_that_change_again_and_again_are_one_event(connection: Any) -> None:
    """Each change stands in the event, the last one in the state; one that brings back what was there begins an event of its own."""
    connection.executemany(INSERT, [(k, 0, None) for k in range(40)])
    connection.execute(UPDATE, (1, 99))  # so that the statement is prepared
    connection.commit()
    draw = random.Random(1)
    changes = [(draw.randrange(1, 5), draw.randrange(40)) for _ in range(300)]
    rows = dict.fromkeys(range(40), 0)
    for way in ("one by one", "many"):
        if way == "many":
            connection.executemany(UPDATE, changes)
        else:
            for change in changes:
                connection.execute(UPDATE, change)
        for add, k in changes:
            rows[k] += add
        assert contents(connection) == [(k, v, None) for k, v in rows.items()]
        connection.commit()
        (events,) = [made for _, made, _ in connection.database.changes(connection.last_transaction - 1)]
        assert [(type(event).__name__, len(event.keys)) for event in events] == [("RowsUpdated", 300)]
        last = dict(zip(events[0].keys, events[0].values, strict=True))
        assert last == {k: (v,) for k, v in rows.items()}
    for add in (7, -7, 7):
        connection.execute(UPDATE, (add, 3))
    connection.commit()
    (events,) = [made for _, made, _ in connection.database.changes(connection.last_transaction - 1)]
    assert [event.values for event in events] == [[(rows[3] + 7,)], [(rows[3],)], [(rows[3] + 7,)]]
    versions = "SELECT count(*) FROM t FOR SYSTEM_TIME ALL WHERE k = 3"
    assert connection.execute(versions).fetchone() == (4,)
    connection.verify().raise_for_problems()


def test_a_failed_write_leaves_those_before_it(connection: Any) -> None:
    for k in range(3):
        connection.execute(INSERT, (k, k, None))
    with pytest.raises(NotNullViolation):
        connection.execute(INSERT, (3, None, None))
    with pytest.raises(UniqueViolation, match="2"):
        connection.execute(INSERT, (2, 0, None))
    assert [k for k, _, _ in contents(connection)] == [0, 1, 2]


def test_other_transactions_see_nothing_of_it_before_the_commit() -> None:
    one, two = eventdb.connect(":memory:short"), eventdb.connect(":memory:short", autocommit=True)
    one.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v INTEGER NOT NULL, w TEXT)")
    one.commit()
    for k in range(3):
        one.execute(INSERT, (k, k, None))
    assert two.execute("SELECT count(*) FROM t").fetchone() == (0,)
    one.commit()
    for _ in range(2):
        assert two.execute(SELECT, (1,)).fetchone() == (1,)
    for k in range(3):
        one.execute(UPDATE, (10, k))
    assert two.execute(SELECT, (1,)).fetchone() == (1,)
    one.commit()
    assert two.execute(SELECT, (1,)).fetchone() == (11,)
    one.close()
    two.close()


def test_a_result_that_is_read_later_stays_as_it_was(connection: Any) -> None:
    """A long result begins to read when it is executed: neither later writes of its own transaction nor other statements change it."""
    connection.executemany(INSERT, [(k, 1, None) for k in range(5000)])
    connection.commit()
    connection.execute("SELECT k, v FROM t").fetchall()
    reading = connection.execute("SELECT k, v FROM t")
    for k in range(0, 5000, 100):
        connection.execute(UPDATE, (1, k))
    connection.execute("DELETE FROM t WHERE k > 4000")
    other = connection.execute("SELECT count(*) FROM t")
    assert {v for _, v in reading} == {1}
    assert other.fetchone() == (4001,)


def test_one_table_at_several_moments(connection: Any) -> None:
    numbers = []
    for v in range(100):
        connection.execute("INSERT INTO t VALUES (1, ?, NULL) ON CONFLICT (k) DO UPDATE SET v = excluded.v", (v,))
        connection.commit()
        numbers.append(connection.last_transaction)
    past = "SELECT v FROM t FOR SYSTEM_TIME AS OF TRANSACTION ? WHERE k = 1"
    for _ in range(2):
        assert [connection.execute(past, (n,)).fetchone()[0] for n in numbers] == list(range(100))
    assert connection.execute(SELECT, (1,)).fetchone() == (99,)
    with pytest.raises(eventdb.DataError):
        connection.execute(past, (10_000,))


def test_as_of_before_a_change_of_the_table(connection: Any) -> None:
    """The short way notices that a moment lies in another schema."""
    connection.execute(INSERT, (1, 5, "x"))
    connection.commit()
    before = connection.last_transaction
    connection.execute("ALTER TABLE t ADD COLUMN more INTEGER DEFAULT 7")
    connection.commit()
    past = "SELECT * FROM t FOR SYSTEM_TIME AS OF TRANSACTION ?"
    for _ in range(3):
        assert connection.execute(past, (connection.head,)).fetchone() == (1, 5, "x", 7)
        assert connection.execute(past, (before,)).fetchone() == (1, 5, "x")


@pytest.mark.parametrize("parameters", [(1,), [1], range(1, 2), (1.0,)])
def test_parameters_in_any_form(connection: Any, parameters: Any) -> None:
    connection.execute(INSERT, (1, 5, None))
    for _ in range(3):
        assert connection.execute(SELECT, parameters).fetchone() == (5,)


def test_named_parameters_take_the_short_way(connection: Any) -> None:
    connection.execute(INSERT, (1, 5, None))
    text = "SELECT v FROM t WHERE k = :key"
    for _ in range(3):
        assert connection.execute(text, {"key": 1, "more": 2}).fetchone() == (5,)
    assert connection.session._statements.recent[text].fast is not None
    with pytest.raises(eventdb.ProgrammingError):
        connection.execute(text, {"other": 1})


def test_the_time_zone_holds_from_the_next_statement_on(connection: Any) -> None:
    text = "SELECT CAST(? AS TIMESTAMPTZ) = TIMESTAMPTZ '2020-01-01 00:00:00+02'"
    stamp = "SELECT CAST(TIMESTAMP '2020-01-01 00:00:00' AS TIMESTAMPTZ) = TIMESTAMPTZ '2020-01-01 00:00:00+02'"
    assert [connection.execute(stamp).fetchone() for _ in range(2)] == [(False,)] * 2
    connection.execute("SET TIME ZONE 'Africa/Johannesburg'")
    assert [connection.execute(stamp).fetchone() for _ in range(2)] == [(True,)] * 2
    assert connection.execute(text, ("2020-01-01 00:00:00",)).fetchone() == (True,)


def test_statements_are_forgotten_by_generations(connection: Any) -> None:
    """A text in use survives any number of others; the cache stays bounded."""
    connection.execute(SELECT, (1,))
    kept = connection.session._statements.recent[SELECT]
    for n in range(1500):
        connection.execute(f"SELECT {n}")
        connection.execute(SELECT, (1,))
    cache = connection.session._statements
    assert cache.recent[SELECT] is kept
    assert len(cache.recent) + len(cache._before) <= 1024


def test_an_idle_session_holds_no_state(connection: Any) -> None:
    import gc

    connection.commit()
    connection.autocommit = True
    for _ in range(3):
        connection.execute(SELECT, (1,)).fetchall()
    state = connection.database.head
    connection.execute(INSERT, (1, 1, None))
    assert connection.database.head is not state
    holders = [o for o in gc.get_referrers(state) if type(o).__name__ == "Execution"]
    assert not holders


def test_a_cursor_without_result_after_an_error(connection: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("SELECT 1")
    with pytest.raises(eventdb.ProgrammingError):
        cursor.execute("SELECT nothing")
    assert cursor.description is None
    assert cursor.rowcount == -1
    with pytest.raises(eventdb.ProgrammingError):
        cursor.fetchone()


def test_threads_share_the_readers_of_a_state() -> None:
    connections = [eventdb.connect(":memory:threads", autocommit=True) for _ in range(4)]
    connections[0].execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v INTEGER NOT NULL, w TEXT)")
    connections[0].executemany(INSERT, [(k, k, None) for k in range(100)])
    wrong: list[Any] = []

    def read(connection: Any) -> None:
        for k in range(2000):
            row = connection.execute("SELECT v % 100 FROM t WHERE k = ?", (k % 100,)).fetchone()
            if row != (k % 100,):
                wrong.append((k, row))
            if k % 100 == 0:
                connection.execute("UPDATE t SET v = v + 100 WHERE k = ?", (k % 7,))

    threads = [threading.Thread(target=read, args=(c,)) for c in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for connection in connections:
        connection.close()
    assert not wrong


def test_total_changes_counts_rows_once(connection: Any) -> None:
    connection.execute(INSERT, (1, 1, None))
    connection.execute(INSERT, (2, 1, None))
    connection.executemany(INSERT, [(3, 1, None), (4, 1, None)])
    connection.execute("UPDATE t SET v = 2 WHERE k < 3")
    assert connection.total_changes == 6
    connection.execute("TRUNCATE t")
    assert connection.total_changes == 6


def test_many_recent_changes_are_read_from_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no longer kept in memory for the check of conflicts is found in the log."""
    monkeypatch.setattr("eventdb.engine.database._RECENT_BYTES", 1000)
    one, two = eventdb.connect(":memory:recent"), eventdb.connect(":memory:recent", autocommit=True)
    one.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v INTEGER NOT NULL, w TEXT)")
    one.commit()
    two.executemany(INSERT, [(k, k, None) for k in range(1000)])
    one.execute(UPDATE, (1, 5))
    two.execute(UPDATE, (1, 5))
    for k in range(1000, 1100):
        two.execute(INSERT, (k, k, "x" * 100))
    assert len(two.database._recent) < 20
    with pytest.raises(eventdb.OperationalError):
        one.commit()
    one.close()
    two.close()
