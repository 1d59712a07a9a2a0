"""Reading the same part of an index again and again, between changes, gives what is there now: forwards, backwards, by lookup."""

from __future__ import annotations

import random
from typing import Any

import eventdb


def _check(connection: Any, rows: dict[int, tuple[int, int, int]], draw: random.Random) -> None:
    for _ in range(4):
        part = draw.randrange(7)
        found = connection.execute("SELECT * FROM t WHERE part = ?", (part,)).fetchall()
        assert sorted(found) == sorted(row for row in rows.values() if row[1] == part)
        low = draw.randrange(1000)
        above = sorted((row for row in rows.values() if row[2] >= low), key=lambda row: row[2])
        for order in ("", " DESC"):
            expected = above if not order else sorted(rows.values(), key=lambda row: -row[2])
            condition = f"WHERE size >= {low} " if not order else ""
            found = connection.execute(f"SELECT * FROM t {condition}ORDER BY size{order} LIMIT 90").fetchall()
            assert [row[2] for row in found] == [row[2] for row in expected[:90]]
            assert all(rows[row[0]] == row for row in found)


def test_index_read_again_between_changes() -> None:
    """What was kept of an earlier read never shows after an update, a delete, an insert or a rollback."""
    draw = random.Random(3)
    connection = eventdb.connect(":memory:", autocommit=True)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, part INTEGER, size INTEGER)")
    connection.execute("CREATE INDEX t_part ON t (part)")
    connection.execute("CREATE INDEX t_size ON t (size)")
    rows = {n: (n, n % 7, draw.randrange(1000)) for n in range(1500)}
    connection.cursor().executemany("INSERT INTO t VALUES (?, ?, ?)", list(rows.values()))
    for round_ in range(12):
        for _ in range(6):
            _check(connection, rows, draw)
        key = draw.choice(sorted(rows))
        connection.execute("BEGIN")
        connection.execute("UPDATE t SET part = part + 1, size = 5 WHERE id < ?", (key,))
        connection.execute("SELECT * FROM t WHERE part = 3").fetchall()
        connection.execute("ROLLBACK")
        _check(connection, rows, draw)
        size = draw.randrange(1000)
        connection.execute("UPDATE t SET size = ? WHERE id = ?", (size, key))
        rows[key] = (*rows[key][:2], size)
        _check(connection, rows, draw)
        if round_ % 3 == 0:
            gone = draw.choice(sorted(rows))
            connection.execute("DELETE FROM t WHERE id = ?", (gone,))
            del rows[gone]
        connection.execute("INSERT INTO t VALUES (?, 2, 77)", (5000 + round_,))
        rows[5000 + round_] = (5000 + round_, 2, 77)
    connection.close()
