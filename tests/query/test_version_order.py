"""The versions of one row by their start: in order without a sort; in other orders with one."""

from __future__ import annotations

import eventdb


def test_versions_of_a_row_by_start() -> None:
    """Oldest first, newest first, with LIMIT, after a deletion and a new start: the same as sorting by hand."""
    connection = eventdb.connect(":memory:", autocommit=True)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER)")
    for key in (1, 2):
        connection.execute("INSERT INTO t VALUES (?, 9)", (key,))
    for v in (5, 3, 8):
        connection.execute("UPDATE t SET v = ? WHERE id = 1", (v,))
    connection.execute("DELETE FROM t WHERE id = 1")
    connection.execute("INSERT INTO t VALUES (1, 4)")
    text = "SELECT v FROM t FOR SYSTEM_TIME ALL WHERE id = 1 ORDER BY row_start_tx"
    assert connection.execute(text).fetchall() == [(9,), (5,), (3,), (8,), (4,)]
    assert connection.execute(text + " DESC").fetchall() == [(4,), (8,), (3,), (5,), (9,)]
    assert connection.execute(text + " LIMIT 2 OFFSET 1").fetchall() == [(5,), (3,)]
    assert connection.execute(text.replace("id = 1", "id = 1 AND v > 4")).fetchall() == [(9,), (5,), (8,)]
    assert "Sort" not in connection.execute("EXPLAIN " + text).fetchall()[0][0]
    everything = connection.execute("SELECT v FROM t FOR SYSTEM_TIME ALL ORDER BY row_start_tx").fetchall()
    assert everything == [(9,), (9,), (5,), (3,), (8,), (4,)]
    both = connection.execute("SELECT v FROM t FOR SYSTEM_TIME ALL WHERE id IN (1, 2) ORDER BY row_start_tx").fetchall()
    assert both == everything
    connection.close()


def test_versions_of_a_key_that_was_another_column() -> None:
    """After a change of the primary key the versions of one key of now, which belonged to several keys then, come by their start too."""
    connection = eventdb.connect(":memory:", autocommit=True)
    connection.execute("CREATE TABLE t (id INTEGER CONSTRAINT t_key PRIMARY KEY, name TEXT NOT NULL)")
    connection.execute("INSERT INTO t VALUES (2, 'a')")
    connection.execute("DELETE FROM t WHERE id = 2")
    connection.execute("INSERT INTO t VALUES (1, 'a')")
    connection.execute("ALTER TABLE t DROP CONSTRAINT t_key")
    connection.execute("ALTER TABLE t ADD PRIMARY KEY (name)")
    text = "SELECT id FROM t FOR SYSTEM_TIME ALL WHERE name = 'a' ORDER BY row_start_tx"
    assert connection.execute(text).fetchall()[:2] == [(2,), (1,)]
    connection.close()
