"""Random queries give what sqlite3 gives, with the rewrite rules and without them."""

from __future__ import annotations

import importlib.util
import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from eventdb.model.datatype import INTEGER, TEXT

_spec = importlib.util.spec_from_file_location("query_fake", Path(__file__).with_name("fake.py"))
assert _spec is not None
assert _spec.loader is not None
fake = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fake)

COLUMNS = {"t": ["id", "a", "b"], "u": ["id", "k", "v"], "w": ["x", "y"]}


def database(seed: int, counts: Any = None) -> tuple[Any, sqlite3.Connection]:
    """Three small tables with NULLs, in both systems; t and u have keys and indexes, w has neither."""
    rng = random.Random(seed)

    def number() -> int | None:
        return None if rng.random() < 0.15 else rng.randrange(6)

    def word() -> str | None:
        return None if rng.random() < 0.15 else rng.choice("pqrs")

    data = {
        "t": [(i, number(), word()) for i in rng.sample(range(20), 9)],
        "u": [(i, number(), word()) for i in rng.sample(range(20), 7)],
        "w": [(number(), number()) for _ in range(6)],
    }
    db = fake.Fake()
    other = sqlite3.connect(":memory:")
    for number_, name in enumerate(("t", "u", "w"), 1):
        text = {"b", "v"}
        columns = [(c, TEXT if c in text else INTEGER, c != "id") for c in COLUMNS[name]]
        table = db.add(fake.make_table(number_, name, columns, ["id"] if name != "w" else []), data[name])
        if name != "w":
            db.add_object(fake.make_index(10 + number_, table, COLUMNS[name][1:2]))
            db.add_object(fake.make_index(20 + number_, table, COLUMNS[name][2:0:-1]))
        other.execute(f"create table {name} ({', '.join(COLUMNS[name])})")
        other.executemany(f"insert into {name} values ({', '.join('?' * len(columns))})", data[name])
    if counts is not None:
        db.count = lambda table: counts[table.name]
    return db, other


class Queries:
    """Random queries in the SQL that both speak alike."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def query(self) -> str:
        shape = self.rng.random()
        if shape < 0.15:
            word = self.rng.choice(["union", "union all", "intersect", "except"])
            return f"{self.columns_of_one('t')} {word} {self.columns_of_one('u')}"
        if shape < 0.35:
            return self.grouped()
        if shape < 0.45:
            inner = f"select id, a, b from t where {self.condition(['t'], 1)}"
            return f"with c as ({inner}) select p.id, q.a from c p left join c q on p.a = q.id where {self.one('p', 'id')}"
        tables, source = self.source()
        outputs = [f"{t}.{self.rng.choice(COLUMNS[t])}" for t in tables for _ in range(2)]
        if self.rng.random() < 0.3:
            outputs.append(self.scalar(tables))
        distinct = "distinct " if self.rng.random() < 0.15 else ""
        return f"select {distinct}{', '.join(outputs)} from {source}{self.where(tables)}"

    def columns_of_one(self, table: str) -> str:
        return f"select {self.column(table, False)}, {COLUMNS[table][2]} from {table} where {self.condition([table], 1)}"

    def grouped(self) -> str:
        tables, source = self.source()
        key = self.column(self.rng.choice(tables))
        number = self.column(tables[0], False)
        aggregate = self.rng.choice(
            ["count(*)", f"sum({number})", f"min({number})", f"count(distinct {number})", f"max({number}) filter (where {number} > 1)"]
        )
        having = f" having count(*) > {self.rng.randrange(3)}" if self.rng.random() < 0.4 else ""
        return f"select {key}, {aggregate}, count({number}) from {source}{self.where(tables)} group by {key}{having}"

    def source(self) -> tuple[list[str], str]:
        tables = self.rng.sample(["t", "u", "w"], self.rng.choice([1, 1, 2, 2, 3]))
        source = tables[0]
        for i, table in enumerate(tables[1:], 1):
            kind = self.rng.choice(["join", "left join", "left join", "right join", "full join"])
            left = self.rng.choice(tables[:i])
            extra = f" and {self.condition([left, table], 1)}" if self.rng.random() < 0.3 and kind != "full join" else ""
            source += f" {kind} {table} on {self.column(left, False)} = {self.column(table, False)}{extra}"
        return tables, source

    def where(self, tables: list[str]) -> str:
        return f" where {self.condition(tables, 2)}" if self.rng.random() < 0.75 else ""

    def column(self, table: str, any_type: bool = True) -> str:
        names = COLUMNS[table] if any_type else [c for c in COLUMNS[table] if c not in "bv"]
        return f"{table}.{self.rng.choice(names)}"

    def one(self, alias: str, column: str) -> str:
        return f"{alias}.{column} {self.rng.choice(['=', '<', '>=', '<>'])} {self.rng.randrange(12)}"

    def condition(self, tables: list[str], depth: int) -> str:
        roll = self.rng.random()
        table = self.rng.choice(tables)
        number = self.column(table, False)
        if depth and roll < 0.3:
            return f"({self.condition(tables, depth - 1)} {self.rng.choice(['and', 'or', 'and'])} {self.condition(tables, depth - 1)})"
        if roll < 0.4:
            return f"not {self.condition(tables, 0)}"
        if roll < 0.5:
            return f"{number} is {self.rng.choice(['', 'not '])}null"
        if roll < 0.58:
            return f"{number} in ({', '.join(str(self.rng.randrange(8)) for _ in range(3))})"
        if roll < 0.64:
            return f"{number} between {self.rng.randrange(5)} and {self.rng.randrange(9)}"
        if depth and roll < 0.82:
            return self.subquery(tables)
        operator = self.rng.choice(["=", "<", ">=", "<>", "="])
        return f"{number} {operator} {self.rng.choice([self.column(self.rng.choice(tables), False), str(self.rng.randrange(8))])}"

    def subquery(self, tables: list[str]) -> str:
        inner = self.rng.choice(["t", "u", "w"])
        outer = self.column(self.rng.choice(tables), False)
        alias = "z"
        column = self.rng.choice([c for c in COLUMNS[inner] if c not in "bv"])
        tie = f"{alias}.{column} {self.rng.choice(['=', '=', '=', '<'])} {outer}"
        local = f"{alias}.{self.rng.choice([c for c in COLUMNS[inner] if c not in 'bv'])} > {self.rng.randrange(4)}"
        no = self.rng.choice(["", "not "])
        if self.rng.random() < 0.5:
            return f"{no}exists (select 1 from {inner} {alias} where {tie}{self.rng.choice(['', f' and {local}'])})"
        return f"{outer} {no}in (select {alias}.{column} from {inner} {alias}{self.rng.choice(['', f' where {local}', f' where {tie}'])})"

    def scalar(self, tables: list[str]) -> str:
        inner = self.rng.choice(["t", "u", "w"])
        column = self.rng.choice([c for c in COLUMNS[inner] if c not in "bv"])
        outer = self.column(self.rng.choice(tables), False)
        return f"(select {self.rng.choice(['count(*)', f'sum(z.{column})', f'max(z.{column})'])} from {inner} z where z.{column} = {outer})"


def bag(rows: Any) -> list[str]:
    return sorted(map(repr, rows))


def check(seed: int, count: int) -> None:
    rng = random.Random(seed)
    queries = Queries(rng)
    sizes = rng.choice([None, {"t": 100_000, "u": 10, "w": 10}, {"t": 10, "u": 100_000, "w": 1000}])
    db, sqlite = database(seed, sizes)
    with closing(sqlite) as other:
        texts = [queries.query() for _ in range(count)]
        answers = [bag(other.execute(text).fetchall()) for text in texts]
    for text, expected in zip(texts, answers, strict=True):
        assert bag(db.rows(text)) == expected, text
        assert bag(db.rows(text, optimise=False)) == expected, f"rules off: {text}"


@pytest.mark.parametrize("seed", range(12))
def test_random_queries_equal_sqlite(seed: int) -> None:
    check(seed, 25)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 160))
def test_more_random_queries_equal_sqlite(seed: int) -> None:
    check(seed, 60)
