"""INSERT, UPDATE, DELETE and upserts, in and out of transactions, leave what they leave in SQLite and fail where they fail there."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from typing import Any

import pytest
from oracle.choices import Choices, shrink
from oracle.databases import literal, pair, script
from oracle.queries import QueryGenerator
from oracle.schemas import Column, Table, table, value

import eventdb


class StatementGenerator:
    """Makes statements that change `target`; subqueries read `other` only, since SQLite's see a table's rows go while it deletes them.

    Columns of unique keys are not computed anew: SQLite checks them row by row, and eventdb for the whole statement.
    """

    def __init__(self, choices: Choices, target: Table, other: Table) -> None:
        self.choices = choices
        self.target = target
        self.other = other
        self.scope = [(f"{target.name}.{column.name}", column.type) for column in target.columns]
        self.queries = QueryGenerator(choices, [other])
        last = [target.columns[-1].name] if any("UNIQUE" in index for index in target.indexes) else []
        self.free = [column for column in target.columns[1:] if column.name not in (*target.key, *last)]
        self.depth = 0

    def statement(self) -> str:
        return self.choices.one(
            (self.insert, self.update, self.delete, self.upsert, self.insert_select, self.update_from, self.update, self.transaction)
        )()

    def row(self) -> list[str]:
        values = [value(self.choices, column) for column in self.target.columns]
        values[0] = self.choices.between(0, 40)
        return [literal(item) for item in values]

    def violation(self, row: list[str]) -> list[str]:
        """Now and then NULL where it may not stand. (Not in the key: SQLite makes up a number there.)"""
        for place, column in enumerate(self.target.columns):
            if place and not column.nullable and column.name not in self.target.key and self.choices.chance(5):
                row[place] = "NULL"
        return row

    def insert(self) -> str:
        rows = [f"({', '.join(self.violation(self.row()))})" for _ in range(self.choices.between(1, 4))]
        names = ", ".join(column.name for column in self.target.columns)
        return f"INSERT INTO {self.target.name} ({names}) VALUES {', '.join(rows)}"

    def upsert(self) -> str:
        if self.target.key != ("k",):
            return self.insert()
        text = f"INSERT INTO {self.target.name} VALUES ({', '.join(self.row())}) ON CONFLICT (k) DO "
        if self.choices.chance(30):
            return text + "NOTHING"
        column = self.settable()
        new = self.choices.one((f"excluded.{column.name}", f"COALESCE({self.target.name}.{column.name}, excluded.{column.name})"))
        where = f" WHERE excluded.k <> {self.choices.between(0, 9)}" if self.choices.chance(20) else ""
        return f"{text}UPDATE SET {column.name} = {new}{where}"

    def insert_select(self) -> str:
        names = ["k", *(column.name for column in self.target.columns[1:])]
        items = ["k + 1"] + [self.constant_or_same(column) for column in self.target.columns[1:]]
        return f"INSERT INTO {self.target.name} ({', '.join(names)}) SELECT {', '.join(items)} FROM {self.target.name} WHERE {self.where()}"

    def constant_or_same(self, column: Column) -> str:
        return column.name if not self.choices.chance(40) else literal(value(self.choices, Column("", column.type, False)))

    def settable(self) -> Column:
        return self.choices.one(self.target.columns[1:])

    def where(self) -> str:
        return self.queries.condition(self.scope, [], 2)

    def update(self) -> str:
        if not self.free or self.choices.chance(15):
            return f"UPDATE {self.target.name} SET k = {self.choices.between(0, 40)} WHERE k = {self.choices.between(0, 25)}"
        columns = self.choices.some(self.free, 1, 3)
        sets = [f"{column.name} = {self.queries.expression(column.type, self.scope, [], 2)}" for column in columns]
        where = f" WHERE {self.where()}" if not self.choices.chance(10) else ""
        return f"UPDATE {self.target.name} SET {', '.join(sets)}{where}"

    def update_from(self) -> str:
        column = self.settable()
        source = [item.name for item in self.other.of_type(column.type)]
        if not source or column not in self.free or self.other.key != ("k",):
            return self.update()
        new = f"o.{self.choices.one(source)}"
        return f"UPDATE {self.target.name} SET {column.name} = {new} FROM {self.other.name} AS o WHERE o.k = {self.target.name}.k"

    def delete(self) -> str:
        return f"DELETE FROM {self.target.name} WHERE {self.where()}"

    def transaction(self) -> str:
        if not self.depth:
            self.depth = 1
            return "BEGIN"
        action = self.choices.one(("COMMIT", "ROLLBACK", "SAVEPOINT s", "ROLLBACK TO SAVEPOINT s", "RELEASE SAVEPOINT s"))
        if action in ("COMMIT", "ROLLBACK"):
            self.depth = 0
        elif action == "SAVEPOINT s":
            self.depth = 2
        elif self.depth < 2:
            return self.delete()
        elif action.startswith("RELEASE"):
            self.depth = 1
        return action


def outcome(database: Any, statement: str, errors: tuple[type[Exception], ...]) -> Any:
    """The number of rows changed, or "refused"."""
    try:
        cursor = database.execute(statement)
    except errors:
        return "refused"
    return cursor.rowcount if statement[:6] in ("INSERT", "UPDATE", "DELETE") else None


def difference(ours: Any, theirs: sqlite3.Connection, target: Table, statement: str) -> str | None:
    expected = outcome(theirs, statement, (sqlite3.IntegrityError,))
    try:
        found = outcome(ours, statement, (eventdb.IntegrityError,))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if found != expected:
        return f"SQLite: {expected}\neventdb: {found}"
    query = f"SELECT * FROM {target.name}"
    before, after = Counter(theirs.execute(query).fetchall()), Counter(ours.execute(query).fetchall())
    if before != after:
        return f"only in SQLite: {list((before - after).elements())}\nonly in eventdb: {list((after - before).elements())}"
    return indexes_agree(ours, target)


def indexes_agree(ours: Any, target: Table) -> str | None:
    """Every column's values, looked up one by one through whatever index there is, give all rows again."""
    for column in target.columns:
        values = ours.execute(
            f"SELECT {column.name}, count(*) FROM {target.name} WHERE {column.name} IS NOT NULL GROUP BY {column.name}"
        ).fetchall()
        for item, count in values:
            found = len(ours.execute(f"SELECT * FROM {target.name} WHERE {column.name} = ?", (item,)).fetchall())
            if found != count:
                return f"{column.name} = {item!r}: {count} rows in a scan, {found} by lookup"
    return None


def run(choices: Choices, statements: int) -> str | None:
    """What went wrong in a case of so many statements, with what reproduces it; None where nothing did."""
    target, other = table(choices, "t1"), table(choices, "t2")
    target = Table(target.name, target.columns, target.key, target.rows, unique(choices, target))
    generator = StatementGenerator(choices, target, other)
    done: list[str] = []
    with pair([target, other]) as (ours, theirs):
        for _ in range(statements):
            done.append(generator.statement())
            found = difference(ours, theirs, target, done[-1])
            if found:
                return f"{script([target, other])}\n{chr(10).join(f'{text};' for text in done)}\n{found}"
    return None


def unique(choices: Choices, target: Table) -> tuple[str, ...]:
    """The table's indexes, sometimes with a unique one over its key and another column."""
    if choices.chance(25) and len(target.columns) > 2:
        return (*target.indexes, f"CREATE UNIQUE INDEX {target.name}_unique ON {target.name} (k, {target.columns[-1].name})")
    return target.indexes


def run_seed(seed: int, statements: int = 30) -> None:
    choices = Choices(random.Random(seed))
    found = run(choices, statements)
    if found is not None:
        small = shrink(choices.taken, lambda recording: run(Choices(recording), statements) is not None, 150)
        pytest.fail(f"seed {seed}\n{run(Choices(small), statements) or found}", pytrace=False)


@pytest.mark.parametrize("seed", range(12))
def test_statements_like_sqlite(seed: int) -> None:
    """A few hundred statements in the quick suite."""
    run_seed(seed)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
def test_many_statements_like_sqlite(block: int) -> None:
    """6,000 more, in blocks."""
    for seed in range(1000 + block * 20, 1000 + block * 20 + 20):
        run_seed(seed)
