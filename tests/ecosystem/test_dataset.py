"""A small program with dataset: tables that grow columns as rows come, upserts, transactions, and the past of it all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dataset
import pytest
import sqlalchemy as sa


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Any]:
    made = dataset.connect(f"eventdb:///{tmp_path / 'd.eventdb'}?durability=none")
    yield made
    made.close()


def test_rows_make_their_table(db: Any) -> None:
    table = db["user"]
    table.insert({"name": "ann", "age": 46, "country": "China"})
    table.insert({"name": "bob", "age": 37, "gender": "male"})
    table.insert_many([{"name": f"u{i}", "age": i, "score": i / 2} for i in range(5)])
    assert db.tables == ["user"]
    assert table.columns == ["id", "name", "age", "country", "gender", "score"]
    assert table.find_one(name="bob")["gender"] == "male"
    assert len(table) == 7
    assert [row["name"] for row in table.find(age={">": 3}, order_by="-age")] == ["ann", "bob", "u4"]
    assert sorted(row["name"] for row in table.distinct("name", age=[46, 37])) == ["ann", "bob"]


def test_updates_upserts_deletes_and_the_past(db: Any) -> None:
    table = db["item"]
    table.insert_many([{"code": "a", "n": 1}, {"code": "b", "n": 2}])
    head = next(iter(db.query("SELECT max(number) AS n FROM eventdb.transactions")))["n"]
    table.update({"code": "a", "n": 10}, ["code"])
    table.upsert({"code": "c", "n": 3}, ["code"])
    table.upsert({"code": "b", "n": 20}, ["code"])
    table.upsert_many([{"code": "c", "n": 30}, {"code": "d", "n": 40}], ["code"])
    table.delete(code="d")
    assert [(row["code"], row["n"]) for row in table.find(order_by="code")] == [("a", 10), ("b", 20), ("c", 30)]
    past = db.query("SELECT code, n FROM item FOR SYSTEM_TIME AS OF TRANSACTION :n ORDER BY code", n=head)
    assert [tuple(row.values()) for row in past] == [("a", 1), ("b", 2)]


def test_a_transaction_that_fails_leaves_nothing(db: Any) -> None:
    db["item"].insert({"code": "a"})
    def fail() -> None:
        with db as tx:
            tx["item"].insert({"code": "b"})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert len(db["item"]) == 1


def test_indexes_types_and_columns(db: Any) -> None:
    table = db.create_table("city", primary_id="name", primary_type=db.types.string(40))
    table.insert({"name": "Rome", "people": 2_800_000})
    table.create_column("founded", db.types.date)
    table.create_index(["people"])
    assert table.has_index(["people"])
    table.drop_column("founded")
    assert table.columns == ["name", "people"]
    with pytest.raises(sa.exc.IntegrityError):
        table.insert({"name": "Rome"})
    table.drop()
    assert "city" not in db.tables
