"""The databases compared: how each is opened, filled, and asked about the past.

All speak through their own Python driver, with the same statements wherever the dialects allow it. Statements autocommit outside
`begin` … `commit`, and a commit is on the disk when it returns.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.rows import Row

TABLES = (
    "CREATE TABLE accounts (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, balance DOUBLE PRECISION NOT NULL,"
    " region TEXT NOT NULL, updated INTEGER NOT NULL)",
    "CREATE INDEX accounts_region ON accounts (region)",
    "CREATE INDEX accounts_balance ON accounts (balance)",
    "CREATE TABLE regions (name TEXT PRIMARY KEY, zone TEXT NOT NULL, population INTEGER NOT NULL)",
)
INSERT_ACCOUNT = "INSERT INTO accounts VALUES (?, ?, ?, ?, ?)"
INSERT_REGION = "INSERT INTO regions VALUES (?, ?, ?)"


class Engine:
    """One database under test. `connection` is open between `open` and `close`; `path` is its file or directory."""

    name = ""
    label = ""
    remembers = False
    """Whether it can answer AS OF."""

    as_of_point = ""
    as_of_aggregate = ""
    versions_of_row = ""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connection: Any = None

    def open(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self.connection.close()
        self.connection = None

    def create(self) -> None:
        """An empty database with the tables of the benchmark, open."""
        self.remove()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.open()
        for statement in TABLES:
            self.execute(statement)

    def remove(self) -> None:
        if self.path.is_dir():
            shutil.rmtree(self.path)
        for file in self.path.parent.glob(self.path.name + "*"):
            file.unlink()

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Any:
        return self.connection.execute(statement, parameters)

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.execute(statement, parameters).fetchall()]

    def begin(self) -> None:
        self.execute("BEGIN")

    def commit(self) -> None:
        self.execute("COMMIT")

    def insert_accounts(self, rows: Iterable[Row]) -> None:
        self.connection.executemany(INSERT_ACCOUNT, rows)

    def insert_regions(self, rows: Sequence[tuple[str, str, int]]) -> None:
        self.connection.executemany(INSERT_REGION, rows)

    def insert_durably(self, row: Row) -> None:
        """One row, on the disk when this returns."""
        self.execute(INSERT_ACCOUNT, row)

    def position(self) -> int:
        """The position in time of the last transaction, as the AS OF statements take it."""
        raise NotImplementedError

    def size_bytes(self) -> int:
        """What lies on the disk; meaningful after `close`."""
        files = self.path.rglob("*") if self.path.is_dir() else self.path.parent.glob(self.path.name + "*")
        return sum(file.stat().st_size for file in files if file.is_file())


class EventDB(Engine):
    name = "eventdb"
    label = "eventdb"
    remembers = True
    as_of_point = "SELECT * FROM accounts FOR SYSTEM_TIME AS OF TRANSACTION ? WHERE id = ?"
    as_of_aggregate = "SELECT region, count(*), sum(balance) FROM accounts FOR SYSTEM_TIME AS OF TRANSACTION ? GROUP BY region"
    versions_of_row = "SELECT balance, updated FROM accounts FOR SYSTEM_TIME ALL WHERE id = ? ORDER BY row_start_tx"

    def open(self) -> None:
        import eventdb

        self.connection = eventdb.connect(str(self.path), autocommit=True)

    def position(self) -> int:
        return int(self.rows("SELECT max(row_start_tx) FROM accounts")[0][0])


class SQLite(Engine):
    name = "sqlite"
    label = "sqlite3"

    def open(self) -> None:
        self.connection = sqlite3.connect(self.path, isolation_level=None)
        self.execute("PRAGMA journal_mode = WAL")
        self.execute("PRAGMA synchronous = FULL")


class SQLiteHistory(SQLite):
    """SQLite as one would give it a history by hand: every version in a table of its own, clustered by (id, valid_from), kept by triggers.

    `valid_to` is exclusive and 2^62 while a version is current; time is a transaction counter that `begin` advances.
    """

    name = "sqlite_history"
    label = "sqlite3+history"
    remembers = True
    as_of_point = "SELECT id, owner, balance, region, updated FROM accounts_history WHERE valid_from <= ?1 AND id = ?2 AND valid_to > ?1"
    as_of_aggregate = "SELECT region, count(*), sum(balance) FROM accounts_history WHERE valid_from <= ?1 AND valid_to > ?1 GROUP BY region"
    versions_of_row = "SELECT balance, updated FROM accounts_history WHERE id = ? ORDER BY valid_from"

    _OPEN = 1 << 62
    _COLUMNS = "id, owner, balance, region, updated"
    _NEW = "NEW.id, NEW.owner, NEW.balance, NEW.region, NEW.updated"

    def create(self) -> None:
        super().create()
        close_version = f"UPDATE accounts_history SET valid_to = (SELECT n FROM clock) WHERE id = OLD.id AND valid_to = {self._OPEN};"
        open_version = f"INSERT OR REPLACE INTO accounts_history SELECT {self._NEW}, n, {self._OPEN} FROM clock;"
        for statement in (
            "CREATE TABLE clock (n INTEGER NOT NULL)",
            "INSERT INTO clock VALUES (0)",
            "CREATE TABLE accounts_history (id INTEGER, owner TEXT, balance DOUBLE PRECISION, region TEXT, updated INTEGER,"
            " valid_from INTEGER, valid_to INTEGER, PRIMARY KEY (id, valid_from)) WITHOUT ROWID",
            f"CREATE TRIGGER accounts_inserted AFTER INSERT ON accounts BEGIN {open_version} END",
            f"CREATE TRIGGER accounts_updated AFTER UPDATE ON accounts BEGIN {close_version} {open_version} END",
            f"CREATE TRIGGER accounts_deleted AFTER DELETE ON accounts BEGIN {close_version} END",
        ):
            self.execute(statement)

    def begin(self) -> None:
        super().begin()
        self.execute("UPDATE clock SET n = n + 1")

    def insert_durably(self, row: Row) -> None:
        self.begin()
        super().insert_durably(row)
        self.commit()

    def position(self) -> int:
        return int(self.rows("SELECT n FROM clock")[0][0])


class DuckDB(Engine):
    name = "duckdb"
    label = "DuckDB"

    def open(self) -> None:
        import duckdb

        self.connection = duckdb.connect(str(self.path))

    def insert_accounts(self, rows: Iterable[Row]) -> None:
        """By way of a DataFrame, as its documentation advises; row by row it is a hundred times slower."""
        import pandas

        accounts = pandas.DataFrame(rows, columns=["id", "owner", "balance", "region", "updated"])
        self.connection.register("accounts_frame", accounts)
        self.execute("INSERT INTO accounts SELECT * FROM accounts_frame")
        self.connection.unregister("accounts_frame")


ENGINES: tuple[type[Engine], ...] = (EventDB, SQLite, SQLiteHistory, DuckDB)
