"""A random workload with every version remembered, compared with the database at every transaction, every commit time, every range."""

from __future__ import annotations

import datetime
import random
from pathlib import Path
from typing import Any

import pytest

import eventdb

Version = tuple[Any, ...]  # key, group, value, from, to (None: still)
MICROSECOND = datetime.timedelta(microseconds=1)


class Life:
    """A table `t(k, g, v)` under random changes, and the list of its versions."""

    def __init__(self, connection: eventdb.Connection, key: str, seed: int) -> None:
        self.connection = connection
        self.random = random.Random(seed)
        self.now: dict[int, tuple[int, str, int | None]] = {}
        self.versions: list[Version] = []
        self.live: dict[int, tuple[tuple[int, str, int | None], int]] = {}
        self.changed: set[int] = set()
        connection.execute(f"CREATE TABLE t (k INTEGER {key}, g TEXT, v INTEGER)")
        connection.execute("CREATE INDEX t_g ON t (g)")
        connection.execute("CREATE INDEX t_v ON t (v DESC, g)")
        connection.commit()
        self.first = self.note()

    def run(self, transactions: int) -> None:
        for _ in range(transactions):
            before = dict(self.now)
            for _ in range(self.random.choice((1, 1, 2, 5))):
                self.change()
            if self.random.random() < 0.15:
                self.connection.rollback()
                self.now = before
                self.changed.clear()
            else:
                self.connection.commit()
                self.note()

    def change(self) -> None:
        draw = self.random
        kind = draw.choices(("insert", "update", "delete", "move", "many"), (5, 6, 2, 1, 1))[0]
        group, value = draw.choice("abcdef"), draw.choice((None, *range(20)))
        execute = self.connection.execute
        if kind == "insert" or not self.now:
            key = draw.randrange(60)
            if key not in self.now:
                execute("INSERT INTO t VALUES (?, ?, ?)", (key, group, value))
                self.put(key, group, value)
        elif kind == "update":
            for key in draw.sample(sorted(self.now), min(3, len(self.now))):
                execute("UPDATE t SET g = ?, v = ? WHERE k = ?", (group, value, key))
                self.put(key, group, value)
        elif kind == "delete":
            key = draw.choice(sorted(self.now))
            execute("DELETE FROM t WHERE k = ?", (key,))
            self.take(key)
        elif kind == "move":
            old, new = draw.choice(sorted(self.now)), draw.randrange(60, 90)
            if new not in self.now:
                execute("UPDATE t SET k = ? WHERE k = ?", (new, old))
                self.put(new, *self.take(old)[1:])
        else:
            execute("UPDATE t SET v = v + 1 WHERE g = ?", (group,))
            for key, (_, g, v) in list(self.now.items()):
                if g == group and v is not None:
                    self.put(key, g, v + 1)

    def put(self, key: int, group: str, value: int | None) -> None:
        row = (key, group, value)
        if self.now.get(key) != row:
            self.now[key] = row
            self.changed.add(key)

    def take(self, key: int) -> tuple[int, str, int | None]:
        self.changed.add(key)
        return self.now.pop(key)

    def note(self) -> int:
        """A version ends where a transaction changed the row, also if it ends as it began."""
        number = self.connection.head
        for key in self.changed:
            if key in self.live:
                row, start = self.live.pop(key)
                self.versions.append((*row, start, number))
            if key in self.now:
                self.live[key] = (self.now[key], number)
        self.changed.clear()
        return number

    def all(self) -> list[Version]:
        return [*self.versions, *((*row, start, None) for row, start in self.live.values())]

    def at(self, number: int) -> list[Version]:
        return [v for v in self.all() if v[3] <= number and (v[4] is None or v[4] > number)]

    def between(self, first: int, last: int) -> list[Version]:
        return [v for v in self.all() if v[3] <= last and (v[4] is None or v[4] > first)]


def ordered(rows: list[Version]) -> list[Version]:
    return sorted(rows, key=repr)


def compare(connection: eventdb.Connection, life: Life, clause: str, parameters: tuple[Any, ...], expected: list[Version]) -> None:
    """The whole table, by key, by group, by a range of values, counted: all the same versions."""
    draw = life.random

    def ask(where: str = "", *more: Any, what: str = "k, g, v, row_start_tx, row_end_tx") -> list[Version]:
        return ordered(connection.execute(f"SELECT {what} FROM t FOR SYSTEM_TIME {clause} {where}", (*parameters, *more)).fetchall())

    story = (clause, parameters)
    assert ask() == ordered(expected), story
    key, group, value = draw.randrange(90), draw.choice("abcdef"), draw.randrange(20)
    assert ask("WHERE k = ?", key) == ordered([v for v in expected if v[0] == key]), story
    assert ask("WHERE k >= ? AND k < ?", key, key + 20) == ordered([v for v in expected if key <= v[0] < key + 20]), story
    assert ask("WHERE g = ?", group) == ordered([v for v in expected if v[1] == group]), story
    assert ask("WHERE v > ?", value) == ordered([v for v in expected if v[2] is not None and v[2] > value]), story
    assert ask("WHERE v IS NULL AND g < ?", group) == ordered([v for v in expected if v[2] is None and v[1] < group]), story
    totals: dict[str, int] = {}
    for v in expected:
        totals[v[1]] = totals.get(v[1], 0) + 1
    assert ask("GROUP BY g", what="g, count(*)") == ordered(list(totals.items())), story
    assert ask(what="count(*)") == [(len(expected),)]


def check(connection: eventdb.Connection, life: Life) -> None:
    times = dict(connection.execute("SELECT number, committed_at FROM eventdb.transactions").fetchall())
    head = max(times)
    compare(connection, life, "ALL", (), life.all())
    for number in range(life.first, head + 1):
        expected = life.at(number)
        compare(connection, life, "AS OF TRANSACTION ?", (number,), expected)
        compare(connection, life, "AS OF ?", (times[number],), expected)
        if number > life.first:
            compare(connection, life, "AS OF ?", (times[number] - MICROSECOND,), life.at(number - 1))
    for _ in range(40):
        first, last = (life.random.randint(life.first, head) for _ in "ab")
        compare(connection, life, "BETWEEN TRANSACTION ? AND TRANSACTION ?", (first, last), life.between(first, last))
        compare(connection, life, "BETWEEN ? AND ?", (times[first], times[last]), life.between(first, last))
        if last > life.first:
            compare(connection, life, "FROM TRANSACTION ? TO TRANSACTION ?", (first, last), life.between(first, last - 1))
            compare(connection, life, "FROM ? TO ?", (times[first], times[last]), life.between(first, last - 1))
    for version in connection.execute("SELECT row_start, row_end, row_start_tx, row_end_tx FROM t FOR SYSTEM_TIME ALL"):
        assert version[0] == times[version[2]]
        assert version[1] == (datetime.datetime.max.replace(tzinfo=datetime.UTC) if version[3] is None else times[version[3]])


def live(path: Path, key: str, seed: int, transactions: int) -> None:
    connection = eventdb.connect(path, durability="none")
    life = Life(connection, key, seed)
    life.run(transactions)
    check(connection, life)
    for number in range(life.first, connection.head + 1, 5):
        pinned = eventdb.connect(path, as_of=number)
        rows = pinned.execute("SELECT *, row_start_tx, row_end_tx FROM t").fetchall()
        assert ordered(rows) == ordered(life.at(number))
        pinned.close()
    connection.close()
    connection = eventdb.connect(path, durability="none")
    check(connection, life)
    connection.close()


@pytest.mark.parametrize("key", ["PRIMARY KEY", "NOT NULL"])
@pytest.mark.parametrize("seed", [1, 2])
def test_every_moment_is_what_was_remembered(tmp_path: Path, key: str, seed: int) -> None:
    """Clustered on a key, and on a hidden row id; in the process that wrote, and reopened."""
    live(tmp_path / "life.eventdb", key, seed, 30)


@pytest.mark.slow
@pytest.mark.parametrize("key", ["PRIMARY KEY", "NOT NULL"])
@pytest.mark.parametrize("seed", range(100, 120))
def test_every_moment_of_longer_lives(tmp_path: Path, key: str, seed: int) -> None:
    live(tmp_path / "life.eventdb", key, seed, 120)
