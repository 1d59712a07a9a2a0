"""A state taken back to any of its transactions is the state that replaying the log up to there gives."""

from __future__ import annotations

from pathlib import Path

import pytest
from properties.workload import Workload

import eventdb
from eventdb.engine.sequences import values_at
from eventdb.storage.recovery import Replay
from eventdb.storage.rewind import rewind
from eventdb.storage.state import State
from eventdb.storage.verify import _table_differences, differences


def check(connection: eventdb.Connection) -> int:
    database = connection.database
    head = database.refresh()
    replayed = State.empty(head.index_keys)
    states = [replayed]
    for record in database.log.read():
        replayed = Replay(replayed).apply(record)
        states.append(replayed)
    for number, expected in enumerate(states):
        made = rewind(head, number, values_at(database.log, head, number, head.catalog_at(number).sequences))
        found = list(differences(made, expected))
        assert not found, (number, found)
        # and it goes on from there as the one it is made from
        if number < head.number:
            again = Replay(made).apply(next(database.log.read(number, number + 1)))
            assert not list(differences(again, states[number + 1]))
    return head.number


@pytest.mark.parametrize("seed", range(4))
def test_every_transaction_of_a_random_life(tmp_path: Path, seed: int) -> None:
    workload = Workload(lambda: eventdb.connect(tmp_path / "db", autocommit=True, durability="os"), seed)
    workload.run(150)
    if workload.model.in_transaction:
        workload.rollback()
    assert check(workload.connection) > 20
    workload.connection.close()
    with eventdb.connect(tmp_path / "db", autocommit=True) as reopened:
        check(reopened)
        reopened.close()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(200, 240))
def test_every_transaction_of_many_random_lives(tmp_path: Path, seed: int) -> None:
    workload = Workload(lambda: eventdb.connect(tmp_path / "db", autocommit=True, durability="os"), seed)
    workload.run(250)
    if workload.model.in_transaction:
        workload.rollback()
    check(workload.connection)
    workload.connection.close()


def test_row_ids_that_left_no_trace() -> None:
    """A fork may give again an id that one transaction gave and took back; it never gives one that a row has or had."""
    connection = eventdb.connect(":memory:", autocommit=True)
    connection.execute("CREATE TABLE t (a INTEGER)")
    connection.execute("INSERT INTO t VALUES (1), (2)")
    connection.execute("DELETE FROM t WHERE a = 2")
    with connection.transaction():
        connection.execute("INSERT INTO t VALUES (3)")
        connection.execute("DELETE FROM t WHERE a = 3")
        connection.execute("UPDATE t SET a = 4")
    connection.execute("INSERT INTO t VALUES (5)")
    fork = connection.fork(4)
    fork.execute("INSERT INTO t VALUES (6)")
    assert fork.execute("SELECT a FROM t ORDER BY a").fetchall() == [(4,), (6,)]
    assert fork.execute("SELECT count(*) FROM t FOR SYSTEM_TIME ALL").fetchone() == (4,)
    fork.verify().raise_for_problems()
    data = fork.database.head.tables[2]
    other = data.fork(object())
    other.next_row_id = 1
    assert list(_table_differences(data, other)) == ['next row id or end of table "t"']
    fork.close()
    connection.close()
