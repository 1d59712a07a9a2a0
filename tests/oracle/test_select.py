"""SELECT gives what SQLite gives, for random queries over random tables, wherever the two agree on what the query means."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from typing import Any

import pytest
from oracle.choices import Choices, shrink
from oracle.databases import pair, script
from oracle.queries import QueryGenerator
from oracle.schemas import Table, tables

QUERIES_A_SCHEMA = 20


def difference(ours: Any, theirs: sqlite3.Connection, query: str, for_sqlite: str) -> str | None:
    """What the two databases disagree on, or None. What SQLite refuses is no case."""
    try:
        expected = theirs.execute(for_sqlite).fetchall()
    except sqlite3.Error:
        return None
    try:
        rows = ours.execute(query).fetchall()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if " ORDER BY " in query:
        same = rows == expected
    else:
        same = Counter(rows) == Counter(expected)
    return None if same else f"SQLite: {expected}\neventdb: {rows}"


def query_of(choices: Choices, made: list[Table]) -> tuple[str, str]:
    """A query over the tables, as eventdb and as SQLite is asked it."""
    start = len(choices.taken)
    query = QueryGenerator(choices, made).statement()
    return query, QueryGenerator(Choices(choices.taken[start:]), made, right_joins=False).statement()


def case(choices: Choices) -> tuple[list[Table], str, str]:
    """A schema, and a query over it in both forms."""
    made = tables(choices)
    return made, *query_of(choices, made)


def fails(recording: list[int]) -> bool:
    made, query, for_sqlite = case(Choices(recording))
    with pair(made) as (ours, theirs):
        return difference(ours, theirs, query, for_sqlite) is not None


def run_seed(seed: int, queries: int = QUERIES_A_SCHEMA) -> None:
    """One schema and `queries` queries over it; a failing one is made small and reported with what reproduces it."""
    source = random.Random(seed)
    schema = Choices(source)
    made = tables(schema)
    with pair(made) as (ours, theirs):
        for _ in range(queries):
            choices = Choices(source)
            query, for_sqlite = query_of(choices, made)
            found = difference(ours, theirs, query, for_sqlite)
            if found is None:
                continue
            recording = schema.taken + choices.taken
            small = shrink(recording, fails) if fails(recording) else recording
            made, query, for_sqlite = case(Choices(small))
            with pair(made) as (again, oracle):
                found = difference(again, oracle, query, for_sqlite) or found
            pytest.fail(f"seed {seed}\n{script(made)}\n{query};\nSQLite was asked: {for_sqlite};\n{found}", pytrace=False)


@pytest.mark.parametrize("seed", range(25))
def test_select_like_sqlite(seed: int) -> None:
    """500 queries in the quick suite."""
    run_seed(seed)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_many_selects_like_sqlite(block: int) -> None:
    """8,000 more, in blocks."""
    for seed in range(1000 + block * 20, 1000 + block * 20 + 20):
        run_seed(seed)


def test_the_generator_covers_the_language() -> None:
    """Each construct that the oracle is there for appears among a few hundred queries, and SQLite accepts nearly all of them."""
    texts, refused = [], 0
    for seed in range(30):
        source = random.Random(seed)
        made = tables(Choices(source))
        database = sqlite3.connect(":memory:")
        for table in made:
            for statement in table.create():
                database.execute(statement)
        for _ in range(20):
            texts.append(QueryGenerator(Choices(source), made).statement())
            try:
                database.execute(texts[-1])
            except sqlite3.Error:
                refused += 1
        database.close()
    everything = "\n".join(texts)
    for word in (
        "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN", "EXISTS (", "NOT IN (SELECT", "GROUP BY", "HAVING", "DISTINCT", "UNION ALL",
        "INTERSECT", "EXCEPT", "WITH RECURSIVE", "LIMIT", "OFFSET", "CASE", "LIKE", "FILTER", "BETWEEN", "IS DISTINCT FROM",
    ):  # fmt: skip
        assert word in everything, word
    assert refused < len(texts) / 50


def test_a_wrong_answer_is_found_and_made_small() -> None:
    """A defect planted between the two databases is noticed, and the case shrinks to a single row."""

    def wrong(recording: list[int]) -> bool:
        made, *_ = case(Choices(recording))
        return any(row[0] == 0 for table in made for row in table.rows)

    recording = next(
        choices.taken for seed in range(100) if (choices := Choices(random.Random(seed))) and case(choices) and wrong(choices.taken)
    )
    made, *_ = case(Choices(shrink(recording, wrong)))
    assert sum(len(table.rows) for table in made) == 1
