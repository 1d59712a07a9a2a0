"""A random life of a database: schema changes, data changes and transactions, run in eventdb and in the model side by side."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

from properties.model import VALUES, Column, Model, Table, dump

import eventdb

Dump = dict[str, tuple[list[str], list[str]]]


def table_names(connection: eventdb.Connection) -> list[str]:
    found = connection.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY table_name"
    )
    return [name for (name,) in found]


def read_dump(connection: eventdb.Connection, names: list[str], moment: str = "") -> Dump:
    """All of those tables, at the moment of a FOR SYSTEM_TIME clause or now."""
    found = {}
    for name in names:
        cursor = connection.execute(f"SELECT * FROM {name} {moment}")
        columns = [column[0] for column in cursor.description or ()]
        found[name] = (columns, sorted(map(repr, cursor.fetchall())))
    return found


class Workload:
    """Runs random steps. Every step changes the database and the model, or is refused by both."""

    def __init__(self, connect: Callable[[], eventdb.Connection], seed: int) -> None:
        self.random = random.Random(seed)
        self.connect = connect
        self.connection = connect()
        self.model = Model()
        self.model.remember(self.connection.head)
        self.counter = 0
        self.log: list[str] = []

    # ---- running

    def run(self, steps: int) -> None:
        for _ in range(steps):
            step = self.random.choices(*zip(*self._steps(), strict=True))[0]
            step()
            self._check_position()

    def _steps(self) -> list[tuple[Callable[[], None], int]]:
        session = [(self.begin, 6)] if not self.model.in_transaction else [(self.commit, 8), (self.rollback, 4), (self.savepoint, 4)]
        if self.model.savepoints:
            session += [(self.rollback_to, 4), (self.release, 2)]
        if not self.model.tables:
            return [(self.create_table, 1)]
        return [
            *session,
            (self.create_table, 2 if len(self.model.tables) < 4 else 0),
            (self.drop_table, 1),
            (self.add_column, 3),
            (self.drop_column, 2),
            (self.rename_column, 2),
            (self.rename_table, 1),
            (self.create_index, 3),
            (self.drop_index, 1),
            (self.change_type, 2),
            (self.set_not_null, 1),
            (self.insert, 25),
            (self.update, 20),
            (self.delete, 8),
            (self.upsert, 4),
            (self.checkpoint, 1),
            (self.reopen, 1),
        ]

    def _check_position(self) -> None:
        """A statement outside a transaction, and a COMMIT, may have made a new position: remember what it must show."""
        if not self.model.in_transaction:
            head = self.connection.head
            newest = max(self.model.committed)
            assert head >= newest, self.story()
            if head > newest:
                assert head == newest + 1, self.story()
                self.model.remember(head)
            else:
                assert dump(self.model.tables) == dump(self.model.committed[newest]), self.story("a change without a transaction")

    def check_now(self) -> None:
        assert read_dump(self.connection, table_names(self.connection)) == dump(self.model.tables), self.story()

    def story(self, head: str = "") -> str:
        return "\n".join([head, *self.log])

    def execute(self, statement: str, parameters: tuple[Any, ...] = ()) -> eventdb.Cursor:
        self.log.append(f"{statement}; {parameters if parameters else ''}")
        try:
            return self.connection.execute(statement, parameters)
        except eventdb.IntegrityError:
            self.log[-1] += " -- refused"
            raise

    def attempt(self, change: Callable[[], int | None], statement: str, parameters: tuple[Any, ...] = ()) -> None:
        """Run a statement that a constraint may refuse; the model decides whether it must. `change` gives the number of rows."""
        before = copy.deepcopy(self.model.tables)
        count = change()
        if all(table.valid() for table in self.model.tables.values()):
            cursor = self.execute(statement, parameters)
            assert count is None or cursor.rowcount == count, self.story(f"{cursor.rowcount} rows, not {count}")
            return
        self.model.tables = before
        try:
            self.execute(statement, parameters)
        except eventdb.IntegrityError:
            return
        raise AssertionError(self.story("accepted what a constraint forbids"))

    # ---- picking

    def name(self, prefix: str) -> str:
        self.counter += 1
        return f"{prefix}{self.counter}"

    def table(self) -> tuple[str, Table]:
        return self.random.choice(list(self.model.tables.items()))

    def value(self, column: Column) -> Any:
        if (column.nullable and self.random.random() < 0.25) or self.random.random() < 0.03:
            return None
        return self.random.choice(VALUES[column.type])

    def comparable(self, table: Table) -> Column:
        """A column that `=` works on: JSON has no equality."""
        return self.random.choice([column for column in table.columns if column.type != "JSON"])

    def condition(self, table: Table) -> tuple[str, tuple[Any, ...], list[list[Any]]]:
        """(WHERE clause, its parameters, the model's rows that it picks)."""
        if self.random.random() < 0.1:
            return "", (), table.rows
        column = self.comparable(table)
        present = [row[table.place(column.name)] for row in table.rows]
        wanted = self.random.choice(present) if present and self.random.random() < 0.8 else self.random.choice(VALUES[column.type])
        rows = table.matching(column.name, wanted)
        if wanted is None:
            return f" WHERE {column.name} IS NULL", (), rows
        return f" WHERE {column.name} = ?", (wanted,), rows

    # ---- transactions

    def begin(self) -> None:
        self.execute("BEGIN")
        self.model.begin()

    def commit(self) -> None:
        self.execute("COMMIT")
        self.model.end(commit=True)

    def rollback(self) -> None:
        self.execute("ROLLBACK")
        self.model.end(commit=False)
        self.check_now()

    def savepoint(self) -> None:
        name = self.name("s")
        self.execute(f"SAVEPOINT {name}")
        self.model.savepoint(name)

    def rollback_to(self) -> None:
        name = self.random.choice(self.model.savepoints)[0]
        self.execute(f"ROLLBACK TO SAVEPOINT {name}")
        self.model.rollback_to(name)
        self.check_now()

    def release(self) -> None:
        name = self.random.choice(self.model.savepoints)[0]
        self.execute(f"RELEASE SAVEPOINT {name}")
        self.model.release(name)

    def checkpoint(self) -> None:
        if not self.model.in_transaction:
            self.execute("CHECKPOINT")

    def reopen(self) -> None:
        """Closing rolls back what is open."""
        if self.model.in_transaction:
            self.model.end(commit=False)
        self.connection.close()
        self.log.append("-- reopened")
        self.connection = self.connect()
        self.check_now()

    # ---- schema

    def create_table(self) -> None:
        name = self.name("t")
        types = [kind for kind in VALUES if kind != "JSON"]
        columns = [
            Column(self.name("c"), self.random.choice(types if number == 0 else list(VALUES)))
            for number in range(self.random.randint(1, 5))
        ]
        columns[0].type = self.random.choice(("INTEGER", "INTEGER", "TEXT", "UUID", "DATE", "BIGINT"))
        for column in columns:
            if self.random.random() < 0.3:
                column.default = self.random.choice(VALUES[column.type])
            column.nullable = self.random.random() < 0.7
        shapes: list[tuple[str, ...]] = [(columns[0].name,), (columns[0].name,), ()]
        if len(columns) > 1 and columns[1].type != "JSON":
            shapes.append((columns[1].name, columns[0].name))
        key = self.random.choice(shapes)
        for column in columns:
            column.nullable = column.nullable and column.name not in key
        parts = [self.definition(column) for column in columns]
        if key:
            parts.append(f"PRIMARY KEY ({', '.join(key)})")
        self.execute(f"CREATE TABLE {name} ({', '.join(parts)})")
        self.model.tables[name] = Table(columns, key)

    def definition(self, column: Column) -> str:
        default = "" if column.default is None else f" DEFAULT {literal(column.default, column.type)}"
        return f"{column.name} {column.type}{default}{'' if column.nullable else ' NOT NULL'}"

    def drop_table(self) -> None:
        name, _ = self.table()
        self.execute(f"DROP TABLE {name}")
        del self.model.tables[name]

    def add_column(self) -> None:
        name, table = self.table()
        column = Column(self.name("c"), self.random.choice(list(VALUES)))
        if self.random.random() < 0.6:
            column.default = self.random.choice(VALUES[column.type])
            column.nullable = self.random.random() < 0.5
        self.execute(f"ALTER TABLE {name} ADD COLUMN {self.definition(column)}")
        table.columns.append(column)
        for row in table.rows:
            row.append(column.default)

    def free_columns(self, table: Table) -> list[Column]:
        """Columns that no key and no index stands on."""
        taken = {*table.key, *table.unique.values(), *(name for names in table.indexes.values() for name in names)}
        return [column for column in table.columns if column.name not in taken]

    def drop_column(self) -> None:
        name, table = self.table()
        free = self.free_columns(table)
        column = self.random.choice(free) if free else None
        if column is None or all(other is column or other.type == "JSON" for other in table.columns):
            return
        place = table.place(column.name)
        self.execute(f"ALTER TABLE {name} DROP COLUMN {column.name}")
        del table.columns[place]
        for row in table.rows:
            del row[place]

    def rename_column(self) -> None:
        name, table = self.table()
        column, new = self.random.choice(table.columns), self.name("c")
        self.execute(f"ALTER TABLE {name} RENAME COLUMN {column.name} TO {new}")
        old = column.name
        table.key = tuple(new if part == old else part for part in table.key)
        table.unique = {index: new if part == old else part for index, part in table.unique.items()}
        table.indexes = {index: tuple(new if part == old else part for part in names) for index, names in table.indexes.items()}
        column.name = new

    def rename_table(self) -> None:
        name, table = self.table()
        new = self.name("t")
        self.execute(f"ALTER TABLE {name} RENAME TO {new}")
        del self.model.tables[name]
        self.model.tables[new] = table

    def create_index(self) -> None:
        name, table = self.table()
        index = self.name("i")
        columns = [column for column in table.columns if column.type != "JSON"]
        if self.random.random() < 0.3:
            column = self.random.choice(columns)

            def make_unique() -> None:
                table_now = self.model.tables[name]
                table_now.unique[index] = column.name

            self.attempt(make_unique, f"CREATE UNIQUE INDEX {index} ON {name} ({column.name})")
            return
        picked = self.random.sample(columns, self.random.randint(1, min(2, len(columns))))
        order = ", ".join(f"{column.name}{self.random.choice(('', ' DESC'))}" for column in picked)
        self.execute(f"CREATE INDEX {index} ON {name} ({order})")
        table.indexes[index] = tuple(column.name for column in picked)

    def drop_index(self) -> None:
        _, table = self.table()
        names = [*table.indexes, *table.unique]
        if names:
            index = self.random.choice(names)
            self.execute(f"DROP INDEX {index}")
            table.indexes.pop(index, None)
            table.unique.pop(index, None)

    def change_type(self) -> None:
        """To a wider integer, or to text, which writes every row anew."""
        name, table = self.table()
        found = [column for column in self.free_columns(table) if column.type in ("INTEGER", "SMALLINT") and column.default is None]
        if not found:
            return
        column = self.random.choice(found)
        place = table.place(column.name)
        if self.random.random() < 0.5:
            self.execute(f"ALTER TABLE {name} ALTER COLUMN {column.name} TYPE BIGINT")
            column.type = "BIGINT"
        else:
            self.execute(f"ALTER TABLE {name} ALTER COLUMN {column.name} TYPE TEXT USING CAST({column.name} AS TEXT) || '!'")
            column.type = "TEXT"
            for row in table.rows:
                row[place] = None if row[place] is None else f"{row[place]}!"

    def set_not_null(self) -> None:
        name, table = self.table()
        column = self.random.choice(table.columns)
        if column.name in table.key:
            return
        if not column.nullable:
            self.execute(f"ALTER TABLE {name} ALTER COLUMN {column.name} DROP NOT NULL")
            column.nullable = True
            return

        def forbid() -> None:
            self.model.tables[name].columns[table.place(column.name)].nullable = False

        self.attempt(forbid, f"ALTER TABLE {name} ALTER COLUMN {column.name} SET NOT NULL")

    # ---- data

    def insert(self) -> None:
        name, table = self.table()
        given = [column for column in table.columns if self.random.random() < 0.85 or column.name in table.key] or table.columns[:1]
        rows = [tuple(self.value(column) for column in given) for _ in range(self.random.choice((1, 1, 2, 3, 20)))]

        def add() -> int:
            for row in rows:
                values = dict(zip((column.name for column in given), row, strict=True))
                self.model.tables[name].rows.append([values.get(column.name, column.default) for column in table.columns])
            return len(rows)

        marks = f"({', '.join(mark(column) for column in given)})"
        names = ", ".join(column.name for column in given)
        statement = f"INSERT INTO {name} ({names}) VALUES {', '.join([marks] * len(rows))}"
        self.attempt(add, statement, tuple(bound(item, column) for row in rows for item, column in zip(row, given, strict=True)))

    def update(self) -> None:
        name, table = self.table()
        columns = self.random.sample(table.columns, self.random.randint(1, min(2, len(table.columns))))
        where, parameters, picked = self.condition(table)
        new = [(table.place(column.name), self.value(column)) for column in columns]

        def change() -> int:
            for row in picked:
                for place, item in new:
                    row[place] = item
            return len(picked)

        sets = ", ".join(f"{column.name} = {mark(column)}" for column in columns)
        items = tuple(bound(item, column) for (_, item), column in zip(new, columns, strict=True))
        self.attempt(change, f"UPDATE {name} SET {sets}{where}", items + parameters)

    def delete(self) -> None:
        name, table = self.table()
        where, parameters, picked = self.condition(table)
        gone = list(map(id, picked))
        cursor = self.execute(f"DELETE FROM {name}{where}", parameters)
        assert cursor.rowcount == len(gone), self.story(f"{cursor.rowcount} rows, not {len(gone)}")
        table.rows = [row for row in table.rows if id(row) not in gone]

    def upsert(self) -> None:
        name, table = self.table()
        others = [column for column in table.columns if column.name not in table.key]
        if len(table.key) != 1 or not others:
            return
        changed = self.random.choice(others)
        row = [self.value(column) for column in table.columns]
        place, key = table.place(changed.name), table.place(table.key[0])

        def put() -> int:
            now = self.model.tables[name]
            found = [old for old in now.rows if old[key] == row[key] and row[key] is not None]
            for column, item in zip(now.columns, row, strict=True):
                if item is None and not column.nullable:
                    now.rows.append(list(row))  # NOT NULL is checked before the conflict is looked for
                    return 1
            if found:
                found[0][place] = row[place]
            else:
                now.rows.append(list(row))
            return 1

        statement = (
            f"INSERT INTO {name} VALUES ({', '.join(map(mark, table.columns))})"
            f" ON CONFLICT ({table.key[0]}) DO UPDATE SET {changed.name} = excluded.{changed.name}"
        )
        self.attempt(put, statement, tuple(bound(item, column) for item, column in zip(row, table.columns, strict=True)))


def mark(column: Column) -> str:
    return "CAST(? AS JSON)" if column.type == "JSON" else "?"


def bound(item: Any, column: Column) -> Any:
    """JSON goes in as its text, so that texts and numbers are documents too."""
    import json

    return json.dumps(item) if column.type == "JSON" and item is not None else item


def literal(item: Any, kind: str) -> str:
    """The value as an SQL literal with its type."""
    if kind == "BYTEA":
        return f"X'{item.hex()}'"
    if kind == "JSON":
        item = bound(item, Column("", kind))
    return f"CAST('{str(item).replace(chr(39), chr(39) * 2)}' AS {kind})"
