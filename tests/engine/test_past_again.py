"""Reading the past again: what is kept from the last time is right, also after commits, inside transactions and over rewrites."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import eventdb

SUM = "SELECT count(*), sum(v) FROM t FOR SYSTEM_TIME AS OF TRANSACTION ?"


@pytest.mark.parametrize("seed", range(4))
def test_scans_of_many_positions_in_any_order(tmp_path: Path, seed: int) -> None:
    """Every position gives what it gave when it was the present, whatever was asked and committed in between."""
    draw = random.Random(seed)
    connection = eventdb.connect(tmp_path / "db", autocommit=True)
    connection.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v INTEGER NOT NULL)")
    connection.executemany("INSERT INTO t VALUES (?, ?)", [(k, k) for k in range(1500)])
    known = {}
    for turn in range(40):
        low = draw.randrange(1500)
        kind = draw.choice(("update", "update", "delete", "insert"))
        if kind == "update":
            connection.execute("UPDATE t SET v = v + 1 WHERE k >= ? AND k < ?", (low, low + draw.randrange(1, 700)))
        elif kind == "delete":
            connection.execute("DELETE FROM t WHERE k >= ? AND k < ?", (low, low + 50))
        else:
            connection.execute("INSERT INTO t VALUES (?, 7) ON CONFLICT DO NOTHING", (low,))
        known[connection.head] = connection.execute("SELECT count(*), sum(v) FROM t").fetchone()
        for number in draw.choices(list(known), k=3):
            for _ in range(draw.choice((1, 2))):
                assert connection.execute(SUM, (number,)).fetchone() == known[number], turn
        if turn % 10 == 9:
            connection.execute("BEGIN")
            connection.execute("UPDATE t SET v = v + 100")
            number = draw.choice(list(known))
            assert connection.execute(SUM, (number,)).fetchone() == known[number]
            connection.execute("DELETE FROM t WHERE k < 700")
            assert connection.execute(SUM, (number,)).fetchone() == known[number]
            connection.execute("ROLLBACK")
    connection.close()
    connection = eventdb.connect(tmp_path / "db")
    for number, expected in known.items():
        for _ in range(2):
            assert connection.execute(SUM, (number,)).fetchone() == expected
    connection.close()


HISTORY = "SELECT v FROM t FOR SYSTEM_TIME {} WHERE k = ? ORDER BY row_start_tx"


def test_versions_of_one_key_with_and_without_their_ends(tmp_path: Path) -> None:
    """The short way, which leaves the ends out, gives the same versions for every span: of rows that are there, gone, or never were."""
    connection = eventdb.connect(tmp_path / "db", autocommit=True)
    connection.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v INTEGER)")
    connection.execute("INSERT INTO t VALUES (1, 0), (2, 0), (3, 0)")
    for v in range(1, 9):
        connection.execute("UPDATE t SET v = ? WHERE k <= 2", (v,))
    connection.execute("DELETE FROM t WHERE k = 2")
    head = connection.head
    spans = ["ALL"] + [f"BETWEEN TRANSACTION {a} AND TRANSACTION {b}" for a in range(1, head + 1) for b in range(a, head + 1)]
    for span in spans:
        plain = HISTORY.format(span)
        ended = plain.replace("SELECT v", "SELECT v, row_end_tx")
        for key in (1, 2, 3, 4):
            expected = [row[:1] for row in connection.execute(ended, (key,))]
            assert connection.execute(plain, (key,)).fetchall() == expected, (span, key)
    connection.close()


def test_a_key_is_looked_up_in_storages_from_before_a_rewrite(tmp_path: Path) -> None:
    """Where the key kept its type the versions of one row are read by it, also in a table of many rows and rewrites."""
    connection = eventdb.connect(tmp_path / "db", autocommit=True)
    connection.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v INTEGER)")
    connection.executemany("INSERT INTO t VALUES (?, ?)", [(k, k) for k in range(3000)])
    connection.execute("UPDATE t SET v = -1 WHERE k = 5")
    for kind in ("TEXT", "INTEGER USING v::integer", "TEXT"):
        connection.execute(f"ALTER TABLE t ALTER COLUMN v TYPE {kind}")
        connection.execute("UPDATE t SET v = '-2' WHERE k = 5")
    found = connection.execute(HISTORY.format("ALL"), (5,)).fetchall()
    assert found[:2] == [("5",), ("-1",)]
    assert found[-1] == ("-2",)
    ended = connection.execute(HISTORY.format("ALL").replace("SELECT v", "SELECT v, row_end_tx"), (5,)).fetchall()
    assert [row[:1] for row in ended] == found
    assert ended[-1][1] is None
    assert connection.execute(HISTORY.format("ALL"), (3000,)).fetchall() == []
    connection.close()
