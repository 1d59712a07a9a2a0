"""Random schemas and rows that mean the same to eventdb and to SQLite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from oracle.choices import Choices

WORDS = ("", "a", "b", "ab", "B", "zz", "a%", "é", "it's", "long word")


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    nullable: bool


@dataclass(frozen=True)
class Table:
    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    indexes: tuple[str, ...]

    def of_type(self, kind: str) -> list[Column]:
        return [column for column in self.columns if column.type == kind]

    def create(self) -> list[str]:
        columns = [f"{column.name} {column.type}{'' if column.nullable else ' NOT NULL'}" for column in self.columns]
        if self.key:
            columns.append(f"PRIMARY KEY ({', '.join(self.key)})")
        return [f"CREATE TABLE {self.name} ({', '.join(columns)})", *self.indexes]

    def insert(self) -> str:
        return f"INSERT INTO {self.name} VALUES ({', '.join('?' * len(self.columns))})"


def value(choices: Choices, column: Column) -> Any:
    if column.nullable and choices.chance(20):
        return None
    return choices.between(0, 9) - choices.one((0, 0, 5)) if column.type == "INTEGER" else choices.one(WORDS)


def table(choices: Choices, name: str, most_rows: int = 25) -> Table:
    """A table with a to e of some columns; `k`, where there is one, is its INTEGER key."""
    columns = [Column("k", "INTEGER", False)]
    for letter in "abcde"[: choices.between(1, 5)]:
        columns.append(Column(letter, choices.one(("INTEGER", "TEXT")), choices.chance(70)))
    shape = choices.one(("key", "composite", "none"))
    key: tuple[str, ...] = {"key": ("k",), "composite": (columns[1].name, "k"), "none": ()}[shape]
    columns = [Column(column.name, column.type, column.nullable and column.name not in key) for column in columns]
    rows = []
    for number in range(choices.between(0, most_rows)):
        row = [value(choices, column) for column in columns]
        row[0] = number
        rows.append(tuple(row))
    indexes = []
    for number in range(choices.between(0, 3)):
        names = [f"{column.name}{choices.one(('', ' DESC'))}" for column in choices.some(columns, 1, 2)]
        partial = f" WHERE {columns[1].name} IS NOT NULL" if choices.chance(15) else ""
        indexes.append(f"CREATE INDEX {name}_{number} ON {name} ({', '.join(names)}){partial}")
    return Table(name, tuple(columns), key, tuple(rows), tuple(indexes))


def tables(choices: Choices, most: int = 3) -> list[Table]:
    return [table(choices, f"t{number}") for number in range(1, choices.between(1, most) + 1)]
