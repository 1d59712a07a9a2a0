"""Who, why and which version: attribution joined to changes, optimistic concurrency by position and by row version."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import pytest

import eventdb
from eventdb import errors


@pytest.fixture
def connection() -> Iterator[eventdb.Connection]:
    connection = eventdb.connect(":memory:", autocommit=True)
    connection.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO t VALUES (1, 'x'), (2, 'y')")
    yield connection
    connection.close()


def ask(connection: eventdb.Connection, query: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
    return connection.execute(query, parameters).fetchall()


def test_joined_to_every_change(connection: eventdb.Connection) -> None:
    """From BEGIN WITH, SET, keywords and the context, in every place where changes are told of."""
    connection.executescript("BEGIN WITH (actor = 'sql', reason = 'r', correlation_id = 'c', metadata = '{\"n\": 1}'); UPDATE t SET a = 'begin'; COMMIT")  # noqa: E501
    connection.executescript("SET actor = 'set'; SET reason = 's'; DELETE FROM t WHERE id = 2; RESET ALL")
    with connection.transaction(actor="keyword", metadata={"deep": [1, {"x": None}]}):
        connection.execute("INSERT INTO t VALUES (3, 'k')")
    with eventdb.context(actor="context", correlation_id="request"):
        connection.execute("ALTER TABLE t ADD COLUMN b TEXT")
        connection.execute("REVERT TRANSACTION 5")
    told = [
        (3, "sql", "r", "c", {"n": 1}), (4, "set", "s", None, None), (5, "keyword", None, None, {"deep": [1, {"x": None}]}),
        (6, "context", None, "request", None), (7, "context", None, "request", None),
    ]  # fmt: skip
    assert ask(connection, "SELECT number, actor, reason, correlation_id, metadata FROM eventdb.transactions WHERE number > 2") == told
    query = """SELECT DISTINCT {number}, x.actor, x.reason, x.correlation_id, x.metadata::text FROM {source}
        JOIN eventdb.transactions x ON x.number = {number} WHERE {number} > 2 ORDER BY 1"""
    events = ask(connection, query.format(source="eventdb.events e", number="e.transaction"))
    assert [row[:4] for row in events] == [row[:4] for row in told if row[0] != 6]
    versions = ask(connection, query.format(source="t FOR SYSTEM_TIME ALL AS v", number="v.row_start_tx"))
    assert [row[0] for row in versions] == [3, 5]
    ended = ask(connection, query.format(source="t FOR SYSTEM_TIME ALL AS v", number="v.row_end_tx"))
    assert [row[0] for row in ended] == [3, 4, 7]
    changes = "SELECT DISTINCT transaction, actor, reason FROM table_changes('t', 2) ORDER BY 1"
    assert ask(connection, changes) == [row[:3] for row in told if row[0] != 6]
    assert ask(connection, query.format(source="eventdb.schema_history h", number="h.transaction")) == [(6, "context", None, "request", None)]  # noqa: E501


def test_expected_transaction(connection: eventdb.Connection) -> None:
    """By position: refused at the beginning where the database stands elsewhere, and at the commit where somebody came first."""
    head = connection.head
    other = eventdb.connect(":memory:shared-expected", autocommit=True)
    other.close()
    for begin in ("BEGIN WITH (expected_transaction = ?)", "BEGIN ISOLATION LEVEL SNAPSHOT WITH (expected_transaction = ?)"):
        with pytest.raises(errors.SerializationFailure) as caught:
            connection.execute(begin, (head - 1,))
        assert str(head) in caught.value.message
        assert not connection.in_transaction
    connection.execute("BEGIN WITH (expected_transaction = ?, actor = 'ann')", (head,))
    connection.execute("INSERT INTO t VALUES (5, 'v')")
    connection.execute("COMMIT")
    assert connection.head == head + 1
    with pytest.raises(errors.SerializationFailure), connection.transaction(expected_transaction=head):
        pass
    with connection.transaction(expected_transaction=head + 1):
        connection.execute("INSERT INTO t VALUES (6, 'v')")
    for wrong in ("x", 1.5):
        with pytest.raises(eventdb.Error) as bad:
            connection.execute("BEGIN WITH (expected_transaction = ?)", (wrong,))
        assert not isinstance(bad.value, errors.InternalError)
        assert not connection.in_transaction


def test_expected_transaction_when_another_comes_first() -> None:
    """Whatever the other one changed."""
    one = eventdb.connect(":memory:expected")
    two = eventdb.connect(":memory:expected", autocommit=True)
    two.executescript("CREATE TABLE a (x INTEGER); CREATE TABLE b (x INTEGER)")
    one.execute("BEGIN WITH (expected_transaction = 2)")
    one.execute("INSERT INTO a VALUES (1)")
    two.execute("INSERT INTO b VALUES (1)")
    with pytest.raises(errors.SerializationFailure):
        one.commit()
    one.execute("INSERT INTO a VALUES (1)")
    one.commit()
    one.close()
    two.close()


def test_row_versions(connection: eventdb.Connection) -> None:
    """By row: a change that names the version that it read hits that one or nothing."""
    ((version,),) = ask(connection, "SELECT row_start_tx FROM t WHERE id = 1")
    update = "UPDATE t SET a = ? WHERE id = ? AND row_start_tx = ?"
    assert connection.execute(update, ("one", 1, version)).rowcount == 1
    assert connection.execute(update, ("two", 1, version)).rowcount == 0
    assert ask(connection, "UPDATE t SET a = 'three' WHERE id = 1 AND row_start_tx = ? RETURNING a, row_start_tx", (version + 1,)) == [("three", version + 2)]  # noqa: E501
    assert connection.execute("DELETE FROM t WHERE id = 1 AND row_start_tx = ?", (version,)).rowcount == 0
    assert connection.executemany(update, [("m", 1, version + 2), ("m", 2, 1), ("m", 2, version)]).rowcount == 2
    assert ask(connection, "DELETE FROM t WHERE id = 1 AND row_start_tx = ? RETURNING id, row_start_tx", (version + 3,)) == [(1, version + 3)]  # noqa: E501
    assert connection.execute("UPDATE t SET a = 'all' WHERE row_start_tx > ?", (version,)).rowcount == 1
    assert connection.execute("UPDATE t SET a = 'when' WHERE row_start <= now() AND row_end_tx IS NULL").rowcount == 1


def test_version_columns_in_returning(connection: eventdb.Connection) -> None:
    """A row made or changed begins with the transaction under way and has not ended; one deleted shows the version that went."""
    open_end = datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=datetime.UTC)
    head = connection.head
    shown = "RETURNING id, row_start_tx, row_end_tx, row_end"
    assert ask(connection, f"INSERT INTO t VALUES (3, 'z'), (4, 'w') {shown}") == [(3, head + 1, None, open_end), (4, head + 1, None, open_end)]  # noqa: E501
    assert ask(connection, f"UPDATE t SET a = 'u' WHERE id = 3 {shown}") == [(3, head + 2, None, open_end)]
    assert ask(connection, f"UPDATE t SET a = 'u' WHERE id = 3 {shown}") == [(3, head + 2, None, open_end)]
    upsert = f"INSERT INTO t VALUES (3, 'c') ON CONFLICT (id) DO UPDATE SET a = excluded.a {shown}"
    assert ask(connection, upsert) == [(3, head + 3, None, open_end)]
    assert ask(connection, f"DELETE FROM t WHERE id > 2 {shown}") == [(3, head + 3, None, open_end), (4, head + 1, None, open_end)]
    with connection.transaction():
        ((start, now),) = ask(connection, "INSERT INTO t VALUES (7, 's') RETURNING row_start, now()")
        assert start == now


def test_versions_in_a_transaction(connection: eventdb.Connection) -> None:
    """A row changed by one's own transaction carries the number that it will have; two who read the same version: one wins."""
    with connection.transaction():
        connection.execute("UPDATE t SET a = 'own' WHERE id = 1")
        assert connection.execute("UPDATE t SET a = 'again' WHERE id = 1 AND row_start_tx = ?", (connection.head + 1,)).rowcount == 1
    one, two = eventdb.connect(":memory:versions"), eventdb.connect(":memory:versions")
    one.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)")
    one.execute("INSERT INTO t VALUES (1, 0)")
    one.commit()
    ((version,),) = ask(one, "SELECT row_start_tx FROM t")
    for session in (one, two):
        assert session.execute("UPDATE t SET n = n + 1 WHERE id = 1 AND row_start_tx = ?", (version,)).rowcount == 1
    one.commit()
    with pytest.raises(errors.SerializationFailure):
        two.commit()
    assert two.execute("UPDATE t SET n = n + 1 WHERE id = 1 AND row_start_tx = ?", (version,)).rowcount == 0
    one.close()
    two.close()


def test_spans_may_end_in_the_future(connection: eventdb.Connection) -> None:
    """As SQL:2011 has it: an end that is still to come leaves the span open, with one's own changes; a beginning, or AS OF, must be known."""  # noqa: E501
    connection.execute("UPDATE t SET a = 'later' WHERE id = 1")
    far = datetime.datetime(2999, 1, 1)
    every = ask(connection, "SELECT id, a, row_start_tx FROM t FOR SYSTEM_TIME ALL ORDER BY 1, 3")
    for clause, parameters in [
        ("FROM '2000-01-01' TO '9999-12-31 23:59:59.999999+00'", ()), ("BETWEEN TRANSACTION 0 AND ?", (far,)), ("FROM TRANSACTION 0 TO ?", (far,)),  # noqa: E501
        ("BETWEEN TIMESTAMP '2000-01-01' AND now() + INTERVAL '1 day'", ()),
    ]:  # fmt: skip
        query = f"SELECT id, a, row_start_tx FROM t FOR SYSTEM_TIME {clause} ORDER BY 1, 3"
        assert ask(connection, query, parameters) == every
        connection.execute("BEGIN")
        connection.execute("INSERT INTO t VALUES (9, 'own')")
        assert (9, "own", connection.head + 1) in ask(connection, query, parameters)
        connection.execute("ROLLBACK")
        assert ask(connection, query, parameters) == every
    for clause in ("AS OF '2999-01-01'", "FROM '2999-01-01' TO '3000-01-01'", "BETWEEN TRANSACTION 1 AND TRANSACTION 99", "FROM NULL TO '2999-01-01'"):  # noqa: E501
        with pytest.raises(errors.InvalidParameterValue):
            ask(connection, f"SELECT * FROM t FOR SYSTEM_TIME {clause}")


@pytest.mark.parametrize("value", ['{"a": NaN}', '{"a": Infinity}', '{"a": 1e999}', "[1]", '"s"', "null", "{", "", '{"a": "\\ud800"}'])
def test_metadata_that_is_none_changes_nothing(connection: eventdb.Connection, value: str) -> None:
    """What SET and BEGIN refuse leaves the session as it was: its settings, and no transaction."""
    connection.execute("SET metadata = '{\"ok\": 1}'")
    for statement in ("SET metadata = ?", "SET LOCAL metadata = ?", "BEGIN WITH (metadata = ?)"):
        with pytest.raises(eventdb.DatabaseError):
            connection.execute(statement, (value,))
        assert not connection.in_transaction
        assert ask(connection, "SHOW metadata") == [('{"ok": 1}',)]
    connection.execute("SET reason = 'still works'")
    connection.execute("INSERT INTO t VALUES (10, 'x')")
    told = "SELECT reason, metadata FROM eventdb.transactions ORDER BY number DESC LIMIT 1"
    assert ask(connection, told) == [("still works", {"ok": 1})]


def test_settings_without_a_value(connection: eventdb.Connection) -> None:
    """NULL and DEFAULT take it back; SET LOCAL outside a transaction sets nothing."""
    told = "SELECT actor, reason FROM eventdb.transactions ORDER BY number DESC LIMIT 1"
    connection.execute("SET actor = 'ann'")
    with pytest.raises(errors.NoActiveTransaction):
        connection.execute("SET LOCAL actor = 'bob'")
    with pytest.raises(errors.InvalidParameterValue):
        connection.execute("SET actor = ?", ("\ud800",))
    connection.execute("INSERT INTO t VALUES (10, 'x')")
    assert ask(connection, told) == [("ann", None)]
    for taken_back in ("SET actor = NULL", "SET actor TO DEFAULT", "RESET actor"):
        connection.execute("SET actor = 'ann'")
        connection.execute(taken_back)
        connection.execute("UPDATE t SET a = ? WHERE id = 10", (taken_back,))
        assert ask(connection, told) == [(None, None)]


def test_metadata_that_never_ends(connection: eventdb.Connection) -> None:
    """Nested too deeply, or holding itself: refused by its own name wherever it is given."""
    circle: dict[str, Any] = {}
    circle["x"] = [circle]
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    for metadata in (circle, {"deep": deep}):
        with pytest.raises(eventdb.InterfaceError), connection.transaction(metadata=metadata):
            pass
        with pytest.raises(eventdb.InterfaceError), eventdb.context(metadata=metadata):
            pass
        with pytest.raises(eventdb.InterfaceError):
            eventdb.connect(":memory:", metadata=metadata)
        assert not connection.in_transaction
    with pytest.raises(errors.InvalidParameterValue):
        connection.execute("BEGIN WITH (metadata = ?)", ({"deep": deep},))
    assert not connection.in_transaction


@pytest.mark.parametrize("wrong", ["1", 1.0, True, b"1"])
def test_an_expected_transaction_that_is_no_number(connection: eventdb.Connection, wrong: Any) -> None:
    """Not a conflict, which would be tried again."""
    with pytest.raises(eventdb.InterfaceError), connection.transaction(expected_transaction=wrong):
        pass
    assert not connection.in_transaction


def test_positions_computed_from_the_log(connection: eventdb.Connection) -> None:
    """Expressions outside queries may ask the log, and tables of the transaction under way, too."""
    head = connection.head
    newest = "(SELECT max(number) FROM eventdb.transactions)"
    connection.execute(f"BEGIN WITH (expected_transaction = {newest}, actor = (SELECT a FROM t WHERE id = 1))")
    connection.execute("INSERT INTO t VALUES (20, 'v')")
    connection.execute("COMMIT")
    assert ask(connection, "SELECT number, actor FROM eventdb.transactions ORDER BY number DESC LIMIT 1") == [(head + 1, "x")]
    connection.execute(f"BEGIN READ ONLY AS OF TRANSACTION {newest[:-1]} WHERE actor IS NULL)")
    assert ask(connection, "SELECT count(*) FROM t") == [(2,)]
    connection.execute("COMMIT")
    connection.execute(f"SET SYSTEM_TIME AS OF (SELECT committed_at FROM eventdb.transactions WHERE number = {head})")
    assert ask(connection, "SELECT count(*) FROM t") == [(2,)]
    connection.execute("SET SYSTEM_TIME DEFAULT")
    connection.execute("BEGIN")
    connection.execute("CREATE TABLE z AS SELECT max(number) AS a FROM eventdb.transactions")
    assert connection.execute("REVERT TRANSACTION (SELECT a FROM z)").rowcount == 1
    connection.execute("COMMIT")
    assert ask(connection, "SELECT count(*) FROM t WHERE id = 20") == [(0,)]
