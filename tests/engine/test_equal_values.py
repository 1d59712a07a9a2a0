"""Values that compare equal and are not the same."""

from __future__ import annotations

import eventdb


def test_an_equal_value_of_another_form_is_a_change() -> None:
    """'1 month' in the place of '30 days', and 1.00 in that of 1.0, are changes, though they compare equal."""
    connection = eventdb.connect(":memory:", autocommit=True)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, span INTERVAL, amount NUMERIC)")
    connection.execute("INSERT INTO t VALUES (1, INTERVAL '30 days', 1.0)")
    connection.execute("UPDATE t SET span = INTERVAL '1 month' WHERE id = 1")
    connection.execute("UPDATE t SET amount = 1.00 WHERE id = 1")
    (moved,) = connection.execute("SELECT DATE '2024-01-31' + span FROM t").fetchone() or (None,)
    assert str(moved) == "2024-02-29 00:00:00"
    assert connection.execute("SELECT CAST(amount AS TEXT) FROM t").fetchone() == ("1.00",)
    assert connection.execute("SELECT count(*) FROM t FOR SYSTEM_TIME ALL").fetchone() == (3,)
    connection.close()
