"""Isolation between connections: anomalies by name, who conflicts and who does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import eventdb
from eventdb.errors import SerializationFailure

Pair = tuple[Any, Any]


@pytest.fixture(params=["memory", "directory"])
def pair(request: Any, tmp_path: Any) -> Any:
    """Two connections to one database with accounts (1, 100), (2, 100), an index on owner."""
    name = ":memory:isolation" if request.param == "memory" else str(tmp_path / "db")
    one, two = eventdb.connect(name), eventdb.connect(name)
    one.execute("CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL, owner TEXT)")
    one.execute("CREATE INDEX account_owner ON account (owner)")
    one.execute("INSERT INTO account VALUES (1, 100, 'ann'), (2, 100, 'bob')")
    one.commit()
    yield one, two
    one.close()
    two.close()


def balance(connection: Any, key: int) -> int:
    value: int = connection.execute("SELECT balance FROM account WHERE id = ?", (key,)).fetchone()[0]
    return value


def test_no_dirty_read(pair: Pair) -> None:
    """G1a/G1b: uncommitted work is not seen by others."""
    one, two = pair
    one.execute("UPDATE account SET balance = 0 WHERE id = 1")
    assert balance(two, 1) == 100
    one.rollback()
    two.rollback()
    assert balance(two, 1) == 100


def test_no_non_repeatable_read(pair: Pair) -> None:
    """Fuzzy read: a transaction reads the same row twice and gets the same."""
    one, two = pair
    assert balance(one, 1) == 100
    two.execute("UPDATE account SET balance = 5 WHERE id = 1")
    two.commit()
    assert balance(one, 1) == 100
    one.commit()
    assert balance(one, 1) == 5


def test_no_phantom_read(pair: Pair) -> None:
    """A transaction asks the same question twice and gets the same rows."""
    one, two = pair
    question = "SELECT count(*) FROM account WHERE owner = 'ann'"
    assert one.execute(question).fetchone() == (1,)
    two.execute("INSERT INTO account VALUES (3, 1, 'ann')")
    two.commit()
    assert one.execute(question).fetchone() == (1,)


@pytest.mark.parametrize("level", ["serializable", "snapshot"])
def test_no_lost_update(pair: Pair, level: str) -> None:
    """P4: of two that read a balance and write it back, one fails."""
    for connection in pair:
        connection.isolation_level = level
    one, two = pair
    a, b = balance(one, 1), balance(two, 1)
    one.execute("UPDATE account SET balance = ? WHERE id = 1", (a + 10,))
    two.execute("UPDATE account SET balance = ? WHERE id = 1", (b + 20,))
    one.commit()
    with pytest.raises(SerializationFailure) as caught:
        two.commit()
    assert caught.value.sqlstate == "40001"
    assert caught.value.retryable
    assert not two.in_transaction
    assert balance(two, 1) == 110


def test_write_skew_is_refused_when_serializable(pair: Pair) -> None:
    """A5B / G2-item: each reads both rows and writes the other one."""
    one, two = pair
    for connection in pair:
        assert balance(connection, 1) + balance(connection, 2) == 200
    one.execute("UPDATE account SET balance = -50 WHERE id = 1")
    two.execute("UPDATE account SET balance = -50 WHERE id = 2")
    one.commit()
    with pytest.raises(SerializationFailure):
        two.commit()


def test_write_skew_passes_under_snapshot(pair: Pair) -> None:
    """SNAPSHOT checks writes only."""
    for connection in pair:
        connection.isolation_level = "snapshot"
    one, two = pair
    for connection in pair:
        assert balance(connection, 1) + balance(connection, 2) == 200
    one.execute("UPDATE account SET balance = -50 WHERE id = 1")
    two.execute("UPDATE account SET balance = -50 WHERE id = 2")
    one.commit()
    two.commit()


@pytest.mark.parametrize(
    "question",
    [
        "SELECT count(*) FROM account", "SELECT sum(balance) FROM account WHERE owner = 'ann'", "SELECT id FROM account WHERE id > 2",
        "SELECT id FROM account WHERE owner BETWEEN 'am' AND 'ao'", "SELECT id FROM account WHERE balance = 7",
    ],
)  # fmt: skip
def test_predicate_write_skew_is_refused(pair: Pair, question: str) -> None:
    """G2: both ask a question whose answer the other's insert changes."""
    one, two = pair
    for key, connection in enumerate(pair, 10):
        connection.execute(question).fetchall()
        connection.execute("INSERT INTO account VALUES (?, 7, 'ann')", (key,))
    one.commit()
    with pytest.raises(SerializationFailure):
        two.commit()


@pytest.mark.parametrize(
    "question",
    ["SELECT balance FROM account WHERE id = 1", "SELECT id FROM account WHERE id < 5", "SELECT id FROM account WHERE owner = 'bob'"],
)
def test_what_another_did_elsewhere_is_no_conflict(pair: Pair, question: str) -> None:
    """Reads are remembered by key, range and index key, so changes outside them do not matter."""
    one, two = pair
    for key, connection in enumerate(pair, 10):
        connection.execute(question).fetchall()
        connection.execute("INSERT INTO account VALUES (?, 7, 'ann')", (key,))
    one.commit()
    two.commit()
    assert one.execute("SELECT count(*) FROM account").fetchone() == (4,)


def test_a_reader_never_fails(pair: Pair) -> None:
    """A transaction that wrote nothing commits, whatever happened."""
    one, two = pair
    one.execute("SELECT * FROM account").fetchall()
    two.execute("DELETE FROM account")
    two.commit()
    assert one.execute("SELECT count(*) FROM account").fetchone() == (2,)
    one.commit()


def test_a_row_changed_and_changed_back_is_no_conflict_for_snapshot_reads(pair: Pair) -> None:
    """Writes to other rows of the same table do not conflict with a write by key."""
    one, two = pair
    one.execute("UPDATE account SET balance = 1 WHERE id = 1")
    two.execute("UPDATE account SET balance = 2 WHERE id = 2")
    one.commit()
    two.commit()
    assert [balance(one, 1), balance(one, 2)] == [1, 2]


def test_same_key_inserted_twice(pair: Pair) -> None:
    """Only one wins; run again, the loser learns why."""
    one, two = pair
    for connection in pair:
        connection.execute("INSERT INTO account VALUES (9, 0, 'x')")
    one.commit()
    with pytest.raises(SerializationFailure):
        two.commit()
    with pytest.raises(eventdb.IntegrityError):
        two.execute("INSERT INTO account VALUES (9, 0, 'x')")


@pytest.mark.parametrize("level", ["serializable", "snapshot"])
def test_unique_key_inserted_twice(pair: Pair, level: str) -> None:
    """A UNIQUE constraint holds against concurrent inserts of different rows, in every isolation level."""
    one, two = pair
    one.execute("CREATE TABLE person (id INTEGER PRIMARY KEY, email TEXT UNIQUE)")
    one.commit()
    for key, connection in enumerate(pair):
        connection.isolation_level = level
        connection.execute("INSERT INTO person VALUES (?, 'same')", (key,))
    one.commit()
    with pytest.raises(SerializationFailure):
        two.commit()


@pytest.mark.parametrize("level", ["serializable", "snapshot"])
@pytest.mark.parametrize("first", [0, 1])
def test_foreign_key_against_concurrent_delete(pair: Pair, level: str, first: int) -> None:
    """A child and the deletion of its parent do not both commit, whoever comes first."""
    one, two = pair
    one.execute("CREATE TABLE child (id INTEGER PRIMARY KEY, account INTEGER REFERENCES account (id))")
    one.commit()
    for connection in pair:
        connection.isolation_level = level
    one.execute("INSERT INTO child VALUES (1, 1)")
    two.execute("DELETE FROM account WHERE id = 1")
    winner, loser = (one, two) if first == 0 else (two, one)
    winner.commit()
    with pytest.raises(SerializationFailure):
        loser.commit()


def test_concurrent_identity_values_differ(pair: Pair) -> None:
    """Sequences do not make transactions conflict."""
    one, two = pair
    one.execute("CREATE TABLE line (id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a TEXT)")
    one.commit()
    for connection in pair:
        connection.execute("INSERT INTO line (a) VALUES ('x')")
    two.commit()
    one.commit()
    assert sorted(one.execute("SELECT id FROM line").fetchall()) == [(1,), (2,)]
    one.execute("INSERT INTO line (a) VALUES ('y')")
    assert one.execute("SELECT max(id) FROM line").fetchone() == (3,)


def test_rows_without_key_do_not_conflict(pair: Pair) -> None:
    """Hidden row ids are given out apart."""
    one, two = pair
    one.execute("CREATE TABLE note (a TEXT)")
    one.commit()
    for connection in pair:
        connection.execute("INSERT INTO note VALUES ('x')")
        connection.execute("INSERT INTO note VALUES ('y')")
    two.commit()
    one.commit()
    assert one.execute("SELECT count(*) FROM note").fetchone() == (4,)


def test_schema_change_conflicts_with_concurrent_writes(pair: Pair) -> None:
    one, two = pair
    one.execute("INSERT INTO account VALUES (3, 1, 'x')")
    two.execute("ALTER TABLE account ADD COLUMN note TEXT")
    two.commit()
    with pytest.raises(SerializationFailure):
        one.commit()


def test_index_creation_conflicts_with_concurrent_inserts(pair: Pair) -> None:
    one, two = pair
    one.execute("CREATE UNIQUE INDEX one_per_owner ON account (owner)")
    two.execute("INSERT INTO account VALUES (3, 1, 'ann')")
    two.commit()
    with pytest.raises(SerializationFailure):
        one.commit()


def test_autocommit_statements_are_tried_again(pair: Pair) -> None:
    """A statement by itself needs no loop by its caller: threads count to the right sum."""
    import threading

    one, _ = pair
    for connection in pair:
        connection.autocommit = True

    def count(connection: Any) -> None:
        for _ in range(50):
            connection.execute("UPDATE account SET balance = balance + 1 WHERE id = 1")

    threads = [threading.Thread(target=count, args=(connection,)) for connection in pair]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert balance(one, 1) == 200


def test_expected_transaction(pair: Pair) -> None:
    """BEGIN WITH (expected_transaction = n) commits only directly behind n."""
    one, two = pair
    head = one.head
    with pytest.raises(SerializationFailure):
        one.execute("BEGIN WITH (expected_transaction = ?)", (head - 1,))
    assert not one.in_transaction
    one.execute("BEGIN WITH (expected_transaction = ?)", (head,))
    one.execute("INSERT INTO account VALUES (3, 0, 'x')")
    two.execute("INSERT INTO account VALUES (4, 0, 'x')")
    two.commit()
    with pytest.raises(SerializationFailure):
        one.commit()


def run_random(make: Callable[[], Any], seed: int) -> None:
    """Random transactions interleaved on several connections; what committed must equal the same transactions run one after the other."""
    import random

    rnd = random.Random(seed)
    connections = [make() for _ in range(3)]
    setup = connections[0]
    setup.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, g INTEGER, v INTEGER)")
    setup.execute("CREATE INDEX t_g ON t (g)")
    start = [(k, k % 3, k) for k in range(8)]
    setup.executemany("INSERT INTO t VALUES (?, ?, ?)", start)
    setup.commit()
    programs: list[list[tuple[str, int, int]]] = [[] for _ in connections]
    history: list[list[tuple[str, int, int]]] = []
    for _ in range(80):
        i = rnd.randrange(len(connections))
        connection, program = connections[i], programs[i]
        if program and rnd.random() < 0.3:
            wrote = connection.session.transaction.changed  # one that changed nothing stands at its beginning, not at its commit
            try:
                connection.commit()
                history += [program] if wrote else []
            except SerializationFailure:
                pass
            programs[i] = []
            continue
        step = (rnd.choice(["sum group into", "count range into", "delete", "insert", "copy"]), rnd.randrange(10), rnd.randrange(10))
        apply_step(connection, step)
        program.append(step)
    for connection in connections:
        connection.rollback()
    got = setup.execute("SELECT k, g, v FROM t ORDER BY k").fetchall()
    setup.rollback()
    other = eventdb.connect(":memory:")
    other.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, g INTEGER, v INTEGER)")
    other.executemany("INSERT INTO t VALUES (?, ?, ?)", start)
    for program in history:
        for step in program:
            apply_step(other, step)
        other.commit()
    assert got == other.execute("SELECT k, g, v FROM t ORDER BY k").fetchall()
    for connection in [*connections, other]:
        connection.close()


def apply_step(connection: Any, step: tuple[str, int, int]) -> None:
    kind, a, b = step
    if kind == "sum group into":
        (total,) = connection.execute("SELECT coalesce(sum(v), 0) FROM t WHERE g = ?", (a % 3,)).fetchone()
        connection.execute("UPDATE t SET v = ? WHERE k = ?", (int(total) % 1000, b))
    elif kind == "count range into":
        (count,) = connection.execute("SELECT count(*) FROM t WHERE k >= ? AND k < ?", (a, a + 3)).fetchone()
        connection.execute("UPDATE t SET v = v + ? WHERE k = ?", (count, b))
    elif kind == "delete":
        connection.execute("DELETE FROM t WHERE k = ?", (a,))
    elif kind == "insert":
        connection.execute("INSERT INTO t VALUES (?, ?, ?) ON CONFLICT (k) DO NOTHING", (a, b % 3, b))
    else:
        row = connection.execute("SELECT v FROM t WHERE k = ?", (a,)).fetchone()
        connection.execute("UPDATE t SET g = ? WHERE k = ?", (0 if row is None else row[0] % 3, b))


@pytest.mark.parametrize("seed", range(12))
def test_random_histories_are_serializable(seed: int) -> None:
    """Whatever commits gives what the log's order of the same transactions gives when they run alone."""
    run_random(lambda: eventdb.connect(f":memory:random{seed}"), seed)
