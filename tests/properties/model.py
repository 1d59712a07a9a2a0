"""A database in plain Python: what eventdb's tables must hold after each statement, and which statements it must refuse."""

from __future__ import annotations

import copy
import datetime
import decimal
import uuid
from dataclasses import dataclass, field
from typing import Any

UTC = datetime.UTC
D = decimal.Decimal

VALUES: dict[str, tuple[Any, ...]] = {
    "INTEGER": (0, 1, 2, 7, -3, 2**31 - 1),
    "BIGINT": (0, 1, -(2**63), 2**63 - 1, 40),
    "SMALLINT": (0, 5, -32768),
    "TEXT": ("", "a", "ä€𐍈", "it's", "b" * 300),
    "VARCHAR(5)": ("", "abcde", "x"),
    "NUMERIC(12,2)": (D("0.00"), D("1.10"), D("-9999999999.99")),
    "DOUBLE PRECISION": (0.0, 1.5, -2.25e300, float("inf")),
    "BOOLEAN": (False, True),
    "BYTEA": (b"", b"\x00\xff", b"abc"),
    "DATE": (datetime.date(2024, 2, 29), datetime.date(1, 1, 1), datetime.date(9999, 12, 31)),
    "TIME": (datetime.time(0, 0), datetime.time(23, 59, 59, 999999)),
    "TIMESTAMP": (datetime.datetime(2024, 2, 29, 12, 0, 0, 1), datetime.datetime(1, 1, 1)),
    "TIMESTAMP WITH TIME ZONE": (datetime.datetime(2024, 2, 29, 12, tzinfo=UTC), datetime.datetime(1970, 1, 1, tzinfo=UTC)),
    "UUID": (uuid.UUID(int=0), uuid.UUID("12345678-1234-5678-1234-567812345678")),
    "JSON": ({"a": [1, None, "x"]}, [], "text", 1.5),
}


@dataclass
class Column:
    """`default` None: no default."""

    name: str
    type: str
    nullable: bool = True
    default: Any = None


@dataclass
class Table:
    """`key`: names of the primary key's columns; `unique`: name of a unique index → its column; rows are lists in column order."""

    columns: list[Column]
    key: tuple[str, ...] = ()
    unique: dict[str, str] = field(default_factory=dict)
    indexes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    rows: list[list[Any]] = field(default_factory=list)

    def place(self, name: str) -> int:
        return next(n for n, column in enumerate(self.columns) if column.name == name)

    def matching(self, name: str, wanted: Any) -> list[list[Any]]:
        """Rows where the column equals `wanted`, or is NULL where `wanted` is None."""
        place = self.place(name)
        return [row for row in self.rows if (row[place] is None if wanted is None else row[place] is not None and row[place] == wanted)]

    def valid(self) -> bool:
        """Whether every constraint holds."""
        for place, column in enumerate(self.columns):
            if not column.nullable and any(row[place] is None for row in self.rows):
                return False
        for names in [self.key, *((name,) for name in self.unique.values())]:
            if names:
                places = [self.place(name) for name in names]
                keys = [tuple(row[place] for place in places) for row in self.rows]
                keys = [key for key in keys if None not in key]
                if len(set(keys)) != len(keys):
                    return False
        return True


Tables = dict[str, Table]


@dataclass
class Model:
    """`tables` as the session sees them; `committed` what each transaction left, by its number; savepoints by name, the newest last."""

    tables: Tables = field(default_factory=dict)
    before: Tables | None = None
    savepoints: list[tuple[str, Tables]] = field(default_factory=list)
    committed: dict[int, Tables] = field(default_factory=dict)

    @property
    def in_transaction(self) -> bool:
        return self.before is not None

    def begin(self) -> None:
        self.before = copy.deepcopy(self.tables)

    def end(self, commit: bool) -> None:
        if not commit:
            assert self.before is not None
            self.tables = self.before
        self.before = None
        self.savepoints.clear()

    def savepoint(self, name: str) -> None:
        self.savepoints.append((name, copy.deepcopy(self.tables)))

    def rollback_to(self, name: str) -> None:
        while self.savepoints[-1][0] != name:
            self.savepoints.pop()
        self.tables = copy.deepcopy(self.savepoints[-1][1])

    def release(self, name: str) -> None:
        while self.savepoints.pop()[0] != name:
            pass

    def remember(self, number: int) -> None:
        self.committed[number] = copy.deepcopy(self.tables)


def dump(tables: Tables) -> dict[str, tuple[list[str], list[str]]]:
    """Table name → (column names, rows as sorted text): comparable with `workload.read_dump`."""
    return {
        name: ([column.name for column in table.columns], sorted(repr(tuple(row)) for row in table.rows)) for name, table in tables.items()
    }
