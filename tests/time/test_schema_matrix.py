"""Schema-true time travel: every kind of schema change, read in every way that looks at the past.

One history for each change: a table, an index, a view and a second table; rows; the change; rows in the new schema; more of them. At each
transaction everything is read in the present and written down: names, types, rows, errors. Afterwards every way to look back has to give
what was written down, or what follows from it: AS OF is what a reader saw then; ALL, FROM … TO and BETWEEN are the row versions of it, in the
schema of the end of the span, columns followed by their ids; table_changes the steps from one transaction to the next; table_diff what
differs between two of them, each side in its own schema.

    python tests/time/test_schema_matrix.py        prints the result as a table
"""  # noqa: E501

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

import eventdb
from eventdb_sqlalchemy import as_of as table_as_of

SETUP = [
    "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b TEXT, c TEXT DEFAULT 'd', n INTEGER)", "CREATE INDEX t_b ON t (b)",
    "CREATE TABLE u (id INTEGER PRIMARY KEY, t INTEGER, w TEXT)", "CREATE VIEW v AS SELECT id, b FROM t WHERE a > 0",
    "INSERT INTO t VALUES (1, 1, 'x', 'c1', 10), (2, 2, 'y', 'c2', 20), (3, 3, 'x', NULL, 30), (4, 4, 'z', 'c4', NULL), (5, 5, 'x', 'c5', 50)",  # noqa: E501
    "INSERT INTO u VALUES (1, 1, 'one'), (2, 3, 'three'), (3, 6, 'six')", "UPDATE t SET a = a + 10 WHERE id <= 2", "DELETE FROM t WHERE id = 5",  # noqa: E501
    "UPDATE t SET c = 'changed', b = 'x' WHERE id = 4",
]  # fmt: skip
MORE = ["UPDATE {t} SET b = 'last' WHERE id = 3", "UPDATE u SET w = 'more' WHERE id = 1", "INSERT INTO {t} (id, b) VALUES (7, 'x')"]

Row = dict[str, Any]


class Default:
    """The value that rows from before have in a column that was added: versions show it, changes show that there was no such column."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __call__(self, row: Row) -> Any:
        return self.value


class Change:
    """A schema change. `steps`: its statements, each a transaction; `later`: changes of rows after it. `values`: how the columns of the end
    come out of a row from before the change, where that is not by their name. `table`: the table's name at the end. `new_table`: at the end
    it is another table. `unreadable`: rows from before have no form in the new types."""

    def __init__(
        self, name: str, steps: list[str], later: list[str], table: str = "t", new_table: bool = False, unreadable: bool = False,
        **values: Callable[[Row], Any],
    ) -> None:  # fmt: skip
        self.name = name
        self.steps = steps
        self.later = later
        self.table = table
        self.new_table = new_table
        self.unreadable = unreadable
        self.values = values


_INSERT = "INSERT INTO t (id, a, b) VALUES (6, 6, 'x')"
_UPDATES = ["UPDATE t SET a = -a WHERE id = 2", _INSERT, "DELETE FROM t WHERE id = 1"]
CHANGES = [
    Change("add column", ["ALTER TABLE t ADD COLUMN d INTEGER DEFAULT 7"], ["UPDATE t SET d = 8 WHERE id = 1", *_UPDATES], d=Default(7)),
    Change("drop column", ["ALTER TABLE t DROP COLUMN c"], _UPDATES),
    Change("rename column", ["ALTER TABLE t RENAME COLUMN c TO e"], ["UPDATE t SET e = 'e' WHERE id = 2", *_UPDATES], e=lambda row: row["c"]),  # noqa: E501
    Change("swap two names", ["ALTER TABLE t RENAME COLUMN c TO x", "ALTER TABLE t RENAME COLUMN n TO c", "ALTER TABLE t RENAME COLUMN x TO n"],  # noqa: E501
           _UPDATES, c=lambda row: row["n"] if "x" not in row else row.get("c", row.get("n")), n=lambda row: row["x"] if "x" in row else row["c"]),  # noqa: E501
    Change("drop and re-add column", ["ALTER TABLE t DROP COLUMN c", "ALTER TABLE t ADD COLUMN c TEXT DEFAULT 'new'"],
           ["UPDATE t SET c = 'own' WHERE id = 1", *_UPDATES], c=Default("new")),
    Change("change type", ["ALTER TABLE t ALTER COLUMN n TYPE TEXT"], ["UPDATE t SET n = 'text' WHERE id = 1", *_UPDATES],
           n=lambda row: None if row["n"] is None else str(row["n"])),
    Change("change type by USING", ["ALTER TABLE t ALTER COLUMN c DROP DEFAULT", "ALTER TABLE t ALTER COLUMN c TYPE INTEGER USING length(c)"],  # noqa: E501
           _UPDATES, unreadable=True),
    Change("widen type", ["ALTER TABLE t ALTER COLUMN n TYPE BIGINT"], ["UPDATE t SET n = 5000000000 WHERE id = 1", *_UPDATES]),
    Change("rename table", ["ALTER TABLE t RENAME TO t2"], [s.replace(" t ", " t2 ") for s in _UPDATES], "t2"),
    Change("drop and recreate table", ["DROP VIEW v", "DROP TABLE t", "CREATE TABLE t (b TEXT, id INTEGER PRIMARY KEY, a TEXT)"],
           ["INSERT INTO t VALUES ('x', 1, 'a'), ('y', 6, NULL)", "UPDATE t SET a = 'b' WHERE id = 1", "INSERT INTO t VALUES ('x', 3, 'c')"], new_table=True),  # noqa: E501
    Change("drop and flash back table", ["DROP VIEW v", "DROP TABLE t", "FLASHBACK TABLE t TO BEFORE DROP", "CREATE VIEW v AS SELECT id, b FROM t WHERE a > 0"], _UPDATES),  # noqa: E501
    Change("add index", ["CREATE INDEX t_bn ON t (b, n)", "DROP INDEX t_b"], _UPDATES),
    Change("drop index", ["DROP INDEX t_b"], [*_UPDATES, "CREATE INDEX t_b ON t (b)"]),
    Change("change view", ["CREATE OR REPLACE VIEW v AS SELECT id, b, a AS extra FROM t WHERE a > 5"], _UPDATES),
    Change("change default", ["ALTER TABLE t ALTER COLUMN c SET DEFAULT 'other'", "ALTER TABLE t ALTER COLUMN n SET DEFAULT 1"], _UPDATES),
    Change("change constraint", ["ALTER TABLE t ADD CONSTRAINT small CHECK (a < 100)", "ALTER TABLE t ALTER COLUMN b SET NOT NULL"], _UPDATES),  # noqa: E501
    Change("change primary key", ["ALTER TABLE t DROP CONSTRAINT t_pkey", "ALTER TABLE t ADD PRIMARY KEY (b, id)"], _UPDATES),
]  # fmt: skip

QUERIES = {
    "rows": "SELECT *, row_start_tx FROM {t}{at} ORDER BY id",
    "view": "SELECT * FROM v{at} ORDER BY 1",
    "join": "SELECT t.id, t.b, u.w FROM {t}{at} AS t JOIN u{at} AS u ON u.t = t.id ORDER BY 1, 2, 3",
    "index": "SELECT id FROM {t}{at} WHERE b = 'x' ORDER BY id",
    "subquery": "WITH x AS (SELECT id FROM {t}{at} WHERE a > 2) SELECT (SELECT count(*) FROM x), w FROM u{at} WHERE t IN (SELECT id FROM x) ORDER BY 2",  # noqa: E501
}
NAMES = ("t", "t2")
Seen = tuple[Any, ...]


def read(connection: eventdb.Connection, query: str, parameters: Any = ()) -> Seen:
    """(names, types, rows) of a query, or the class of its error."""
    try:
        cursor = connection.execute(query, parameters)
        rows = cursor.fetchall()
    except eventdb.InternalError:
        raise
    except eventdb.Error as error:
        return (type(error).__name__,)
    return tuple(d[0] for d in cursor.description or ()), tuple(str(d[1]) for d in cursor.description or ()), rows


class History:
    """What was done and seen. `before`, `between`, `after`: the transactions in front of the change, behind it, behind the rows after it."""  # noqa: E501

    def __init__(self, change: Change) -> None:
        self.change = change
        self.name = f":memory:matrix {change.name}"
        self.connection = connection = eventdb.connect(self.name, autocommit=True)
        self.seen: list[dict[str, Seen]] = []
        self.plans: list[str] = []
        self._look()
        for statement in SETUP:
            self._do(statement)
        self.before = connection.head
        for statement in change.steps:
            self._do(statement)
        self.between = connection.head
        for statement in change.later:
            self._do(statement)
        self.after = connection.head
        for statement in MORE:
            self._do(statement.format(t=change.table))
        self.end = connection.head
        self.times = [None, *(time for (time,) in connection.execute("SELECT committed_at FROM eventdb.transactions"))]

    def _do(self, statement: str) -> None:
        head = self.connection.head
        self.connection.execute(statement)
        assert self.connection.head == head + 1
        self._look()

    def _look(self) -> None:
        self.seen.append({f"{kind} {t}": read(self.connection, query.format(t=t, at="")) for kind, query in QUERIES.items() for t in NAMES})
        plan = read(self.connection, "EXPLAIN SELECT id FROM t WHERE b = 'x'")
        self.plans.append(str(plan))

    # what follows from it

    def table_at(self, number: int) -> tuple[tuple[str, ...], dict[Any, tuple[int, Row]]]:
        """(column names, id → (start, row)) of the table that has the name at the end, as seen at a transaction."""
        for name in NAMES:
            seen = self.seen[number][f"rows {name}"]
            if len(seen) == 3 and not (self.change.new_table and number < self.between):
                names = seen[0][:-1]
                return names, {row[names.index("id")]: (row[-1], dict(zip(names, row, strict=False))) for row in seen[2]}
        return (), {}

    def in_the_end(self, number: int, row: Row | None, names: tuple[str, ...], added: bool = True) -> tuple[Any, ...]:
        """A row seen at a transaction with the columns `names` of the end."""
        if row is None:
            return (None,) * len(names)
        values = self.change.values if number < self.between else {}
        if not added:
            values = {n: (lambda row: None) if isinstance(v, Default) else v for n, v in values.items()}
        return tuple(values[n](row) if n in values else row.get(n) for n in names)

    def versions(self, names: tuple[str, ...], until: int) -> dict[tuple[Any, int], tuple[tuple[Any, ...], int | None]]:
        """(id, start) → (values with the columns `names`, end) of all versions up to a transaction."""
        found: dict[tuple[Any, int], tuple[tuple[Any, ...], int | None]] = {}
        for number in range(until + 1):
            alive = {(key, start): row for key, (start, row) in self.table_at(number)[1].items()}
            for name in found.keys() - alive.keys():
                if found[name][1] is None:
                    found[name] = (found[name][0], number)
            for name, row in alive.items():
                found[name] = (self.in_the_end(number, row, names) if until >= self.between else tuple(row[n] for n in names), None)
        return found


@functools.cache
def history(name: str) -> History:
    return History(next(change for change in CHANGES if change.name == name))


# ---- the ways to look back


def same_as_then(h: History, number: int, kinds: tuple[str, ...]) -> None:
    """Everything of those kinds AS OF a transaction, in every way to say so, is what was seen then."""
    c = h.connection
    ways = [(f" FOR SYSTEM_TIME AS OF TRANSACTION {number}", ())]
    if number:
        ways.append((" FOR SYSTEM_TIME AS OF ?", (h.times[number],)))
    for kind in kinds:
        for t in NAMES if h.change.table == "t2" else ("t",):
            expected = h.seen[number][f"{kind} {t}"]
            for at, parameters in ways:
                query = QUERIES[kind].format(t=t, at=at)
                assert read(c, query, parameters * query.count("?")) == expected, (query, number)
            plain = QUERIES[kind].format(t=t, at="")
            if kind == "rows" or number % 2:
                c.execute("BEGIN READ ONLY AS OF TRANSACTION ?", (number,))
                assert read(c, plain) == expected, (plain, number)
                c.execute("COMMIT")
            if kind != "rows" and number % 2:
                continue
            c.execute("SET SYSTEM_TIME AS OF TRANSACTION ?", (number,))
            try:
                assert read(c, plain) == expected, (plain, number)
            finally:
                c.execute("SET SYSTEM_TIME DEFAULT")


def as_of(place: str) -> Callable[[History], None]:
    def check(h: History) -> None:
        same_as_then(h, getattr(h, place), ("rows",))

    return check


def everywhere(*kinds: str) -> Callable[[History], None]:
    def check(h: History) -> None:
        for number in range(h.end + 1):
            same_as_then(h, number, kinds)

    return check


def index(h: History) -> None:
    """The same rows; by the index wherever there was one."""
    everywhere("index")(h)
    for number in range(len(SETUP), h.end + 1):
        if len(h.seen[number]["rows t"]) == 3:
            plan = str(read(h.connection, f"EXPLAIN SELECT id FROM t FOR SYSTEM_TIME AS OF TRANSACTION {number} WHERE b = 'x'"))
            for name in ("t_b:", "t_bn:", "key"):
                assert (f" by {name}" in plan) is (f" by {name}" in h.plans[number]), (number, plan)


def span(h: History, clause: str, first: int, last: int) -> None:
    """The versions alive in [first, last], in the schema of `last`."""
    name = next(n for n in NAMES if len(h.seen[last][f"rows {n}"]) == 3)
    got = read(h.connection, f"SELECT *, row_start_tx, row_end_tx FROM {name} FOR SYSTEM_TIME {clause}")
    crossing = first < h.before + len(h.change.steps) <= last
    if h.change.unreadable and crossing:
        assert got == ("NotSupportedError",), clause
        return
    names, types = got[0], got[1]
    assert names[:-2] == h.seen[last][f"rows {name}"][0][:-1], clause
    assert types[:-2] == h.seen[last][f"rows {name}"][1][:-1], clause
    alive = {
        key: (values, end) for key, (values, end) in h.versions(names[:-2], h.end if last == h.end else last).items()
        if key[1] <= last and (end is None or end > first)
    }  # fmt: skip
    expected = [(*values, start, _end(h, last, key, start, end)) for (key, start), (values, end) in alive.items()]
    assert sorted(got[2], key=repr) == sorted(expected, key=repr), clause


def _end(h: History, last: int, key: Any, start: int, end: int | None) -> int | None:
    """The version's end as all of the history has it: it may have ended after the span."""
    if end is not None or last == h.end:
        return end
    for number in range(last, h.end + 1):
        found = h.table_at(number)[1].get(key)
        if found is None or found[0] != start:
            return number
    return None


def all_versions(h: History) -> None:
    span(h, "ALL", 0, h.end)


def from_to(h: History) -> None:
    first = h.between if h.change.new_table else h.before - 1
    span(h, f"FROM TRANSACTION {first} TO TRANSACTION {h.after + 1}", first, h.after)
    span(h, f"FROM TRANSACTION {h.between} TO TRANSACTION {h.end}", h.between, h.end - 1)
    if not h.change.new_table:
        span(h, f"FROM TRANSACTION 4 TO TRANSACTION {h.before + 1}", 4, h.before)


def between(h: History) -> None:
    first = h.between if h.change.new_table else h.before
    span(h, f"BETWEEN TRANSACTION {first} AND TRANSACTION {h.after}", first, h.after)
    span(h, f"BETWEEN TRANSACTION {first} AND '2999-01-01'", first, h.end)
    if not h.change.new_table:
        span(h, f"BETWEEN TRANSACTION 5 AND TRANSACTION {h.before}", 5, h.before)


def changes(h: History) -> None:
    """The steps from each transaction to the next; where the schema changes, rows do not."""
    names = h.table_at(h.end)[0]
    shown = ", ".join(f"before_{n}" for n in names) + ", " + ", ".join(f"after_{n}" for n in names)
    query = f"SELECT transaction, operation, {shown} FROM table_changes('{h.change.table}', {{}}, {h.end})"
    if h.change.unreadable:
        assert read(h.connection, query.format(0)) == ("NotSupportedError",)
    first = h.between if h.change.unreadable else 0
    expected: list[tuple[Any, ...]] = []
    for number in range(first + 1, h.end + 1):
        if h.before < number <= h.between and "FLASHBACK" not in str(h.change.steps):
            continue
        old, new = h.table_at(number - 1)[1], h.table_at(number)[1]
        gone = h.before < number <= h.between and not new
        for key in sorted(old.keys() | new.keys()):
            if gone or (key in old and key in new and old[key][0] == new[key][0]):
                continue
            operation = "insert" if key not in old else "delete" if key not in new else "update"
            sides = [h.in_the_end(n, side[key][1] if key in side else None, names, False) for n, side in ((number - 1, old), (number, new))]
            if operation == "insert" and h.before < number < h.between:
                # made again by FLASHBACK before the change is over
                sides[1] = tuple(new[key][1].get(n) for n in names)
            expected.append((number, operation, *sides[0], *sides[1]))
    got = read(h.connection, query.format(first))
    assert sorted(got[2], key=repr) == sorted(expected, key=repr)


def diff(h: History) -> None:
    """What differs from before the change to after it, each side in its own schema; and back."""
    for a, b in ((h.before, h.after), (h.between, h.end), (5, h.before), (h.before, h.between)):
        if h.change.new_table and b < h.between:
            continue
        last = next(n for n in NAMES if len(h.seen[b][f"rows {n}"]) == 3)
        got = read(h.connection, f"SELECT * FROM table_diff('{last}', {a}, {b})")
        (old_names, old), (new_names, new) = h.table_at(a), h.table_at(b)
        assert got[0] == ("operation", *(f"from_{n}" for n in old_names), *(f"to_{n}" for n in new_names)), (a, b)
        expected = []
        for key in old.keys() | new.keys():
            one, other = old.get(key, (0, None))[1], new.get(key, (0, None))[1]
            if one is not None and other is not None and _unchanged(h, a, b, one, other, new_names):
                continue
            operation = "added" if one is None else "removed" if other is None else "modified"
            expected.append((operation, *(None if one is None else one[n] for n in old_names), *(None if other is None else other[n] for n in new_names)))  # noqa: E501
        assert sorted(got[2], key=repr) == sorted(expected, key=repr), (a, b)
        back = read(h.connection, f"SELECT operation FROM table_diff('{last}', {b}, {a})") if not h.change.new_table else None
        swapped = {"added": "removed", "removed": "added", "modified": "modified"}
        assert back is None or sorted(back[2]) == sorted((swapped[row[0]],) for row in expected), (a, b)


def _unchanged(h: History, a: int, b: int, one: Row, other: Row, names: tuple[str, ...]) -> bool:
    mapped = h.in_the_end(a, one, names) if b >= h.between else tuple(one[n] for n in names)
    if h.change.name == "change primary key" and one["b"] != other["b"] and b >= h.between:
        return False
    return mapped == tuple(other[n] for n in names)


def through_sqlalchemy(h: History) -> None:
    """An engine pinned to each transaction answers as was seen then; tables reflected there have the columns of then, and can be read at
    that moment from the present."""
    engine = sa.create_engine(f"eventdb:///{h.name}")
    with engine.connect() as present:
        for number in range(1, h.end + 1):
            with engine.execution_options(as_of=number).connect() as past:
                for kind, query in QUERIES.items():
                    for t in NAMES:
                        assert _through(past, query.format(t=t, at="")) == _plain(h.seen[number][f"{kind} {t}"]), (kind, t, number)
                for t in NAMES:
                    seen = h.seen[number][f"rows {t}"]
                    if len(seen) == 3:
                        table = sa.Table(t, sa.MetaData(), autoload_with=past)
                        then = table_as_of(table, number)
                        rows = [row[:-1] for row in seen[2]]
                        assert tuple(table.c.keys()) == seen[0][:-1]
                        assert [tuple(row) for row in past.execute(sa.select(table).order_by(table.c.id))] == rows
                        assert [tuple(row) for row in present.execute(sa.select(then).order_by(then.c.id))] == rows
    engine.dispose()


def _through(connection: sa.Connection, query: str) -> Seen:
    try:
        result = connection.exec_driver_sql(query)
        return tuple(result.keys()), [tuple(row) for row in result]
    except sa.exc.DBAPIError as error:
        return (type(error.orig).__name__,)


def _plain(seen: Seen) -> Seen:
    return seen if len(seen) == 1 else (seen[0], seen[2])


KINDS: dict[str, Callable[[History], None]] = {
    "as of before": as_of("before"), "as of between": as_of("between"), "as of after": as_of("after"), "all": all_versions, "from .. to": from_to,  # noqa: E501
    "between": between, "changes": changes, "diff": diff, "view": everywhere("view"), "join": everywhere("join", "subquery"), "index": index,  # noqa: E501
    "sqlalchemy": through_sqlalchemy,
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", [change.name for change in CHANGES])
def test_matrix(change: str, kind: str) -> None:
    KINDS[kind](history(change))


@pytest.mark.parametrize("change", [change.name for change in CHANGES])
def test_several_moments_in_one_statement(change: str) -> None:
    """Each table at its own moment, each in its own schema; UNION over two moments."""
    h = history(change)
    parts, expected = [], []
    for number in (h.before, h.between, h.after, h.end):
        name = next(n for n in NAMES if len(h.seen[number][f"rows {n}"]) == 3)
        parts.append(f"SELECT {number}, id, b FROM {name} FOR SYSTEM_TIME AS OF TRANSACTION {number}")
        expected += [(number, key, row["b"]) for key, (_, row) in _rows(h, number, name).items()]
    assert sorted(read(h.connection, " UNION ALL ".join(parts))[2], key=repr) == sorted(expected, key=repr)
    old, new = _rows(h, h.before, "t"), _rows(h, h.end, h.change.table)
    query = f"""SELECT o.id, n.id FROM t FOR SYSTEM_TIME AS OF TRANSACTION {h.before} AS o
        FULL JOIN {h.change.table} FOR SYSTEM_TIME AS OF TRANSACTION {h.end} AS n ON n.id = o.id"""
    pairs = {(key if key in old else None, key if key in new else None) for key in old.keys() | new.keys()}
    assert set(read(h.connection, query)[2]) == pairs


def _rows(h: History, number: int, name: str) -> dict[Any, tuple[int, Row]]:
    names, _, rows = h.seen[number][f"rows {name}"]
    return {row[names.index("id")]: (row[-1], dict(zip(names, row, strict=False))) for row in rows}


@pytest.mark.parametrize("change", [change.name for change in CHANGES])
def test_what_cannot_be_answered(change: str) -> None:
    """Before the table was, in the future, not readable: an error, whatever the table went through; never the present."""
    h = history(change)
    for moment in (f"TRANSACTION {h.end + 1}", "TRANSACTION -1", "'2999-01-01'", "'rubbish'", "NULL", "TRANSACTION 0", "'1990-01-01'"):
        got = read(h.connection, f"SELECT * FROM {h.change.table} FOR SYSTEM_TIME AS OF {moment}")
        assert len(got) == 1, moment


def results() -> Iterator[tuple[str, list[str]]]:
    """(change, result of each kind)."""
    for change in CHANGES:
        row = []
        for check in KINDS.values():
            try:
                check(history(change.name))
                row.append("ok")
            except Exception as error:
                row.append(f"FAILED {type(error).__name__}")
        yield change.name, row


if __name__ == "__main__":
    print(f"{'':26}" + " ".join(f"{kind:>13}" for kind in KINDS))
    failed = 0
    for name, row in results():
        failed += sum(result != "ok" for result in row)
        print(f"{name:26}" + " ".join(f"{result:>13}" for result in row))
    print(f"{len(CHANGES)} changes, {len(KINDS)} ways to look back, {failed} failed")
    sys.exit(failed > 0)
