"""What the database has comes back as SQLAlchemy describes it, with one query for each kind of thing; and can be made again from that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

SCHEMA = """
CREATE SCHEMA shop;
CREATE SEQUENCE number START WITH 5 INCREMENT BY 2;
CREATE TABLE shop.owner (id INTEGER PRIMARY KEY, name VARCHAR(30) UNIQUE NULLS NOT DISTINCT);
CREATE TABLE item (
    a SMALLINT GENERATED ALWAYS AS IDENTITY (START WITH 3 CACHE 7), b BIGINT DEFAULT nextval('number'),
    c NUMERIC(7, 2) DEFAULT 1.5, d CHAR(3),
    e TIMESTAMP(3) WITH TIME ZONE DEFAULT now(), f TIME WITH TIME ZONE, g INTERVAL DAY TO SECOND(3),
    h UUID, i JSON, j BYTEA, k DOUBLE PRECISION, l BOOLEAN,
    m INTEGER GENERATED ALWAYS AS (a * 2) STORED, o INTEGER,
    CONSTRAINT item_key PRIMARY KEY (a, b),
    CONSTRAINT item_positive CHECK (c > 0),
    CONSTRAINT item_owner FOREIGN KEY (o) REFERENCES shop.owner (id) MATCH FULL
        ON DELETE SET NULL ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED
);
CREATE UNIQUE INDEX item_lower ON item (lower(d), c NULLS FIRST) INCLUDE (l) WHERE c > 1;
CREATE VIEW cheap AS SELECT a, c FROM item WHERE c < 10;
COMMENT ON TABLE item IS 'things';
COMMENT ON COLUMN item.c IS 'in euros';
COMMENT ON CONSTRAINT item_positive ON item IS 'no gifts';
"""


@pytest.fixture
def engine() -> Iterator[sa.Engine]:
    made = sa.create_engine("eventdb://")
    with made.begin() as connection:
        for statement in SCHEMA.split(";")[:-1]:
            connection.exec_driver_sql(statement)
    yield made
    made.dispose()


def test_columns(engine: sa.Engine) -> None:
    columns = {column["name"]: column for column in sa.inspect(engine).get_columns("item")}
    assert {name: str(column["type"].compile(engine.dialect)) for name, column in columns.items()} == {
        "a": "SMALLINT", "b": "BIGINT", "c": "NUMERIC(7, 2)", "d": "CHAR(3)", "e": "TIMESTAMP(3) WITH TIME ZONE",
        "f": "TIME WITH TIME ZONE",
        "g": "INTERVAL DAY TO SECOND(3)",
        "h": "UUID", "i": "JSON", "j": "BYTEA", "k": "DOUBLE PRECISION", "l": "BOOLEAN", "m": "INTEGER", "o": "INTEGER",
    }  # fmt: skip
    assert columns["a"]["identity"] == {
        "always": True, "start": 3, "increment": 1, "minvalue": 1, "maxvalue": 32767, "cycle": False, "cache": 7,
    }  # fmt: skip
    assert columns["m"]["computed"] == {"sqltext": "a * 2", "persisted": True}
    assert (columns["c"]["default"], columns["c"]["comment"], columns["c"]["nullable"]) == ("1.5", "in euros", True)
    assert [name for name, column in columns.items() if column["autoincrement"]] == ["a"]
    assert [column["name"] for column in sa.inspect(engine).get_columns("cheap")] == ["a", "c"]


def test_keys_and_checks(engine: sa.Engine) -> None:
    inspector = sa.inspect(engine)
    assert inspector.get_pk_constraint("item") == {"constrained_columns": ["a", "b"], "name": "item_key", "comment": None}
    assert inspector.get_check_constraints("item") == [{"name": "item_positive", "sqltext": "c > 0", "comment": "no gifts"}]
    assert inspector.get_foreign_keys("item") == [
        {
            "name": "item_owner", "constrained_columns": ["o"], "referred_schema": "shop", "referred_table": "owner",
            "referred_columns": ["id"], "comment": None,
            "options": {"onupdate": "CASCADE", "ondelete": "SET NULL", "deferrable": True, "initially": "DEFERRED", "match": "FULL"},
        }
    ]  # fmt: skip
    assert inspector.get_unique_constraints("owner", schema="shop") == [
        {"name": "owner_name_key", "column_names": ["name"], "comment": None, "dialect_options": {"eventdb_nulls_not_distinct": True}}
    ]


def test_indexes_views_sequences_comments(engine: sa.Engine) -> None:
    inspector = sa.inspect(engine)
    (index,) = inspector.get_indexes("item")
    assert index.pop("include_columns", ["l"]) == ["l"]  # as 2.0 has it
    assert [index] == [
        {
            "name": "item_lower", "unique": True, "column_names": [None, "c"], "expressions": ["lower(d)", "c"],
            "column_sorting": {"c": ("nulls_first",)},
            "dialect_options": {"eventdb_include": ["l"], "eventdb_where": "c > 1"},
        }
    ]  # fmt: skip
    assert (inspector.get_view_names(), inspector.get_sequence_names()) == (["cheap"], ["number"])
    assert inspector.get_view_definition("cheap") == "SELECT a, c FROM public.item WHERE c < 10"
    assert inspector.get_table_comment("item") == {"text": "things"}
    assert inspector.has_schema("shop")
    assert not inspector.has_index("item", "other")


def test_one_query_for_each_kind(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        for number in range(20):
            connection.exec_driver_sql(f"CREATE TABLE t{number} (id INTEGER PRIMARY KEY, x INTEGER REFERENCES t0)")
    statements: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda c, cursor, text, *_: statements.append(text))
    metadata = sa.MetaData()
    metadata.reflect(engine)
    assert len(metadata.tables) == 22
    assert len([text for text in statements if "pg_temp" in text or "t.table_schema" in text]) <= 2 * 8  # of item's schema, and of owner's


def test_what_is_reflected_can_be_made_again(engine: sa.Engine) -> None:
    metadata = sa.MetaData()
    metadata.reflect(engine, schema="shop")
    metadata.reflect(engine)
    again = sa.create_engine("eventdb://")
    with again.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA shop")
        connection.exec_driver_sql("CREATE SEQUENCE number START WITH 5 INCREMENT BY 2")
    metadata.create_all(again)
    for kind in ("columns", "pk_constraint", "foreign_keys", "check_constraints", "indexes", "unique_constraints", "table_comment"):
        one, other = (_described(sa.inspect(e), kind) for e in (engine, again))
        assert one == other, kind


def _described(inspector: Any, kind: str) -> str:
    return repr([getattr(inspector, f"get_{kind}")(table, schema=schema) for table, schema in (("item", None), ("owner", "shop"))])
