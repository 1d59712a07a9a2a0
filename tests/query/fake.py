"""A state of plain lists behind the reader protocols: simple, obviously right, slow."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from eventdb.model.catalog import Catalog
from eventdb.model.datatype import BIGINT, DataType
from eventdb.model.keys import component
from eventdb.model.schema import Column, Index, IndexColumn, Table, Unique
from eventdb.sql.environment import BoundMoment, Environment, SystemTable
from eventdb.sql.parser import ast, parse

UTC = datetime.UTC


def make_table(table_id: int, name: str, columns: Sequence[tuple[str, DataType, bool]], key: Sequence[str] = ()) -> Table:
    """A table from (name, type, nullable); without a key it gets the hidden row id."""
    made = []
    if not key:
        made.append(Column(100, "_rowid", BIGINT, 1, nullable=False, hidden=True))
    first = len(made) + 1
    for i, (column, datatype, nullable) in enumerate(columns):
        made.append(Column(i + 1, column, datatype, first + i, nullable=nullable and column not in key))
    ids = tuple(c.id for k in key for c in made if c.name == k) or (100,)
    constraints = (Unique(f"{name}_pkey", ids, primary=True),) if key else ()
    return Table(table_id, "public", name, table_id, tuple(made), ids, constraints, width=len(made) + 1, base_width=len(made) + 1)


def make_index(index_id: int, table: Table, columns: Sequence[str], unique: bool = False, descending: bool = False) -> Index:
    parts = tuple(IndexColumn(table.by_name[c].id, descending=descending, nulls_first=descending) for c in columns)
    return Index(index_id, "public", f"{table.name}_{'_'.join(columns)}_idx", table.id, parts, unique=unique)


class FakeIndex:
    def __init__(self, table: FakeTable, index: Index) -> None:
        self.entries = sorted(((self.key(table.table, index, row), row) for row in table.rows()), key=lambda e: e[0])

    @staticmethod
    def key(table: Table, index: Index, row: tuple[Any, ...]) -> tuple[Any, ...]:
        parts = [component(row[table.by_id[c.column_id].slot], c.descending, c.nulls_first) for c in index.columns]
        return (*parts, *(row[s] for s in table.key_slots))

    def lookup(self, prefix: tuple[Any, ...]) -> list[Any]:
        return [row for key, row in self.entries if key[: len(prefix)] == prefix]

    def batches(self, low: Any = None, high: Any = None, reverse: bool = False, size: int = 32) -> Iterator[list[Any]]:
        found = [row for key, row in self.entries if (low is None or low <= key) and (high is None or key < high)]
        if reverse:
            found.reverse()
        for i in range(0, len(found), 3):
            yield found[i : i + 3]

    def count(self, low: Any = None, high: Any = None) -> int:
        return sum(len(b) for b in self.batches(low, high))


class FakeTable:
    """One table at a position; versions are (start, end, row without start)."""

    def __init__(self, table: Table, versions: Sequence[tuple[int, int | None, tuple[Any, ...]]], catalog: Catalog, at: int | None) -> None:
        self.table, self.catalog, self.at = table, catalog, at
        self.all = [(end, (start, *row)) for start, end, row in versions]

    def rows(self) -> list[Any]:
        if self.at is None:
            found = [row for end, row in self.all if end is None]
        else:
            found = [row for end, row in self.all if row[0] <= self.at and (end is None or end > self.at)]
        return sorted(found, key=self.key)

    def key(self, row: tuple[Any, ...]) -> Any:
        slots = self.table.key_slots
        return row[slots[0]] if len(slots) == 1 else tuple(row[s] for s in slots)

    def row_count(self) -> int:
        return len(self.rows())

    def get(self, key: Any) -> Any:
        return next((row for row in self.rows() if self.key(row) == key), None)

    def get_many(self, keys: Sequence[Any]) -> list[Any]:
        return [row for row in map(self.get, keys) if row is not None]

    def batches(
        self, low: Any = None, high: Any = None, low_open: bool = False, high_open: bool = False, reverse: bool = False
    ) -> Iterator[list[Any]]:
        found = [
            row for row in self.rows()
            if (low is None or (low < self.key(row) if low_open else low <= self.key(row)))
            and (high is None or (self.key(row) < high if high_open else self.key(row) <= high))
        ]  # fmt: skip
        if reverse:
            found.reverse()
        for i in range(0, len(found), 3):
            yield found[i : i + 3]

    def unordered(self) -> Iterator[list[Any]]:
        yield from self.batches()

    def versions(self, first: int, last: int, key: Any = None) -> Iterator[list[Any]]:
        found = [
            (end, row) for end, row in self.all
            if row[0] <= last and (end is None or end > first) and (key is None or self.key(row) == key)
        ]  # fmt: skip
        found.sort(key=lambda v: (self.key(v[1]), v[1][0]))
        yield found

    def index(self, index_id: int) -> FakeIndex:
        return FakeIndex(self, self.catalog.indexes[index_id])


class Fake:
    """A database of given tables, also the Execution of its statements; transaction n commits at second n."""

    transaction_timestamp = datetime.datetime(2026, 1, 1, tzinfo=UTC)
    statement_timestamp = transaction_timestamp
    timezone = UTC

    def __init__(self) -> None:
        self.catalog = Catalog()
        self.stored: dict[int, list[tuple[int, int | None, tuple[Any, ...]]]] = {}
        self.positions: tuple[tuple[int | None, int | None], ...] = ((None, None),)
        self.system: dict[tuple[str, str], SystemTable] = {}
        self.system_data: dict[str, list[tuple[Any, ...]]] = {}
        self.opened: list[str] = []

    def add(self, table: Table, rows: Sequence[tuple[Any, ...]] = (), start: int = 1) -> Table:
        self.catalog = self.catalog.with_object((table.id, 0), table)
        hidden = table.columns[0].hidden
        self.stored[table.id] = [(start, None, ((i + 1, *row) if hidden else tuple(row))) for i, row in enumerate(rows)]
        return table

    def add_object(self, item: Any) -> None:
        self.catalog = self.catalog.with_object((item.id, 1), item)

    # Execution

    def table(self, table: Table, moment: int) -> FakeTable:
        self.opened.append(table.name)
        first, last = self.positions[moment]
        return FakeTable(table, self.stored[table.id], self.catalog, None if first is None else last)

    def system_rows(self, table: SystemTable, moment: int) -> list[tuple[Any, ...]]:
        return self.system_data[table.name]

    def transaction_time(self, number: int | None) -> datetime.datetime:
        if number is None:
            return datetime.datetime.max.replace(tzinfo=UTC)
        return datetime.datetime(2026, 1, 1, tzinfo=UTC) + datetime.timedelta(seconds=number)

    def nextval(self, sequence_id: int) -> int:
        return 1

    def setting(self, name: str) -> str | None:
        return None

    # tests

    def environment(self, text: str, script: ast.Script, types: Sequence[DataType | None] = ()) -> Environment:
        index = {key: i for i, key in enumerate(script.parameters)}
        given = list(types) or [None] * len(script.parameters)
        return Environment(text, self.catalog, index, given, moment=self.moment, system_tables=self.system, statistics=self.count)

    def moment(self, clause: ast.SystemTime) -> BoundMoment:
        def number(m: ast.Moment | None, default: int) -> int:
            return m.expression.value if m is not None else default  # type: ignore[union-attr,return-value]

        first = number(clause.start, 0)
        last = first if clause.kind == "as of" else number(clause.end, 10**9) - (clause.kind == "from")
        self.positions = (*self.positions, (first, last))
        return BoundMoment(len(self.positions) - 1, self.catalog)

    def count(self, table: Table) -> int:
        return len(self.stored[table.id])

    def prepare(self, text: str, types: Sequence[DataType | None] = (), optimise: bool = True) -> Any:
        from eventdb.sql.compiler import prepare_query

        script = parse(text)
        query = script.statements[0]
        assert isinstance(query, ast.Query)
        return prepare_query(query, self.environment(text, script, types), optimise=optimise)

    def rows(self, text: str, *parameters: Any, types: Sequence[DataType | None] = (), optimise: bool = True) -> list[Any]:
        prepared = self.prepare(text, types, optimise)
        result = prepared.run(self, tuple(parameters))
        return [row for batch in result for row in batch] if prepared.streaming else list(result)


Maker = Callable[[], Fake]
