"""Random statements against a model that applies each to a copy and then looks at every constraint."""

from __future__ import annotations

import random
from typing import Any

import pytest

import eventdb

Rows = dict[int, tuple[int, int | None, int, int | None]]
"""id → (id, u, n, parent)."""


class Violated(Exception):
    """The model's refusal."""


def checked(rows: list[tuple[int, int | None, int, int | None]]) -> Rows:
    ids = [row[0] for row in rows]
    us = [row[1] for row in rows if row[1] is not None]
    if len(set(ids)) < len(ids) or len(set(us)) < len(us):
        raise Violated
    if any(row[2] <= 0 or row[2] > 50 for row in rows):
        raise Violated
    if any(row[3] is not None and row[3] not in ids for row in rows):
        raise Violated
    return {row[0]: row for row in rows}


def deleted(rows: Rows, going: set[int], action: str) -> Rows:
    left = dict(rows)
    while going:
        for key in going:
            left.pop(key, None)
        children = {key for key, row in left.items() if row[3] in going}
        if action == "CASCADE":
            going = children
        elif action == "SET NULL":
            for key in children:
                left[key] = (*left[key][:3], None)
            going = set()
        else:
            going = set()
    return checked(list(left.values()))


def statement(rng: random.Random, rows: Rows, action: str) -> tuple[str, Any]:
    """A statement, and the function that does it to the model."""
    kind = rng.randrange(8)
    small = lambda: rng.randrange(1, 9)  # noqa: E731
    maybe = lambda: rng.choice([None, small()])  # noqa: E731
    if kind <= 2:
        new = [(small(), maybe(), rng.randrange(0, 30), maybe()) for _ in range(rng.randrange(1, 4))]
        text = ", ".join(f"({', '.join('NULL' if v is None else str(v) for v in row)})" for row in new)
        return f"INSERT INTO t VALUES {text}", lambda: checked([*rows.values(), *new])
    step, low = rng.choice([-1, 1, 2]), small()
    if kind == 3:
        return f"UPDATE t SET u = u + {step} WHERE id >= {low}", lambda: checked(
            [(i, u + step if u is not None and i >= low else u, n, p) for i, u, n, p in rows.values()]
        )
    if kind == 4:
        return f"UPDATE t SET id = id + {step} WHERE id >= {low}", lambda: checked(
            [(i + step if i >= low else i, u, n, p) for i, u, n, p in rows.values()]
        )
    if kind == 5:
        value, parent = rng.randrange(-1, 60), maybe()
        text = f"UPDATE t SET n = {value}, parent = {'NULL' if parent is None else parent} WHERE id = {low}"
        return text, lambda: checked([(i, u, value, parent) if i == low else (i, u, n, p) for i, u, n, p in rows.values()])
    if kind == 6:
        return f"DELETE FROM t WHERE id = {low}", lambda: deleted(rows, {low} & set(rows), action)
    return f"DELETE FROM t WHERE n % 3 = {low % 3}", lambda: deleted(rows, {i for i, r in rows.items() if r[2] % 3 == low % 3}, action)


@pytest.mark.parametrize("action", ["NO ACTION", "CASCADE", "SET NULL"])
@pytest.mark.parametrize("seed", range(8))
def test_statements_do_what_the_model_does(action: str, seed: int, rows: Any) -> None:
    """A statement is refused exactly when its result breaks a constraint; then nothing of it stays and the transaction goes on."""
    rng = random.Random(f"{seed}{action}")
    connection = eventdb.connect(":memory:")
    cursor = connection.cursor()
    cursor.execute(
        "CREATE TABLE t (id INT PRIMARY KEY, u INT UNIQUE, n INT NOT NULL CHECK (n > 0 AND n <= 50), "
        f"parent INT REFERENCES t ON DELETE {action})"
    )
    model: Rows = {}
    refused = 0
    for _ in range(60):
        text, apply = statement(rng, model, action)
        try:
            model = apply()
            expected = "done"
        except Violated:
            expected = "refused"
            refused += 1
        try:
            cursor.execute(text)
            given = "done"
        except eventdb.IntegrityError:
            given = "refused"
        assert given == expected, (text, model)
        assert rows(connection, "t") == sorted(model.values(), key=repr), text
    assert 0 < refused < 60
    connection.close()


def test_executemany_is_one_statement(connection: Any, rows: Any) -> None:
    """A row that fails undoes the rows before it, in the bulk path and in the others."""
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE t (id INT PRIMARY KEY, a INT CHECK (a < 10))")
    cursor.executemany("INSERT INTO t VALUES (?, ?)", [(1, 1), (2, 2), (3, 3)])
    for text, given in [
        ("INSERT INTO t VALUES (?, ?)", [(4, 1), (5, 11)]),
        ("INSERT INTO t VALUES (?, ?)", [(4, 1), (1, 1)]),
        ("UPDATE t SET a = ? WHERE id = ?", [(5, 1), (6, 1), (11, 2)]),
        ("UPDATE t SET id = ? WHERE id = ?", [(9, 1), (2, 3)]),
    ]:
        with pytest.raises(eventdb.IntegrityError):
            cursor.executemany(text, given)
        assert rows(connection, "t") == [(1, 1), (2, 2), (3, 3)], text


def test_executemany_of_updates_sees_earlier_ones(connection: Any, rows: Any) -> None:
    """The same row twice: the second update starts from what the first made."""
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE t (id INT PRIMARY KEY, a INT)")
    cursor.execute("INSERT INTO t VALUES (1, 0), (2, 0)")
    cursor.executemany("UPDATE t SET a = a + ? WHERE id = ?", [(1, 1), (2, 2), (10, 1), (100, 1), (5, 7)])
    assert cursor.rowcount == 4
    assert rows(connection, "t") == [(1, 111), (2, 2)]
    cursor.executemany("DELETE FROM t WHERE id = ?", [(1,), (1,), (3,)])
    assert cursor.rowcount == 1


def test_a_failed_insert_takes_its_number_but_leaves_no_event(connection: Any, rows: Any) -> None:
    """As in PostgreSQL a sequence value that a failed statement took is gone; the transaction goes on."""
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE t (id SERIAL PRIMARY KEY, a INT UNIQUE)")
    connection.commit()
    cursor.execute("INSERT INTO t (a) VALUES (1)")
    assert cursor.lastrowid == 1
    with pytest.raises(eventdb.IntegrityError):
        cursor.execute("INSERT INTO t (a) VALUES (1)")
    cursor.executemany("INSERT INTO t (a) VALUES (?)", [(2,), (3,)])
    assert cursor.lastrowid == 4
    assert rows(connection, "t") == [(1, 1), (3, 2), (4, 3)]


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO t VALUES (5, 0) RETURNING 1 / a",
        "INSERT INTO t VALUES (1, 0) ON CONFLICT (id) DO UPDATE SET a = 0 RETURNING 1 / t.a",
        "UPDATE t SET a = 0 WHERE id = 1 RETURNING 1 / a",
        "UPDATE t SET a = 0 RETURNING 1 / a",
        "DELETE FROM t WHERE id = 2 RETURNING 1 / (a - a)",
        "DELETE FROM t RETURNING 1 / (a - a)",
    ],
)
def test_an_error_in_returning_undoes_the_statement(connection: Any, rows: Any, text: str) -> None:
    """The rows stay and the transaction goes on."""
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE t (id INT PRIMARY KEY, a INT)")
    cursor.execute("INSERT INTO t VALUES (1, 1), (2, 2)")
    with pytest.raises(eventdb.DataError, match="division by zero"):
        cursor.execute(text)
    assert rows(connection, "t") == [(1, 1), (2, 2)]
