"""pandas over an engine and over a connection: what goes in comes out, in the types that pandas makes of PostgreSQL's."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    made = sa.create_engine(f"eventdb:///{tmp_path / 'p.eventdb'}?durability=none")
    yield made
    made.dispose()


def frame(rows: int = 5) -> pd.DataFrame:
    hours = pd.date_range("2024-01-01", periods=rows, freq="h").as_unit("us")
    return pd.DataFrame(
        {
            "number": range(rows), "ratio": [None if i == 1 else i / 2 for i in range(rows)], "name": [f"n{i}" for i in range(rows)],
            "even": [i % 2 == 0 for i in range(rows)], "at": hours, "zoned": hours.tz_localize("UTC"),
            "day": [datetime.date(2024, 1, 1) + datetime.timedelta(days=i) for i in range(rows)],
            "price": [decimal.Decimal(i) / 4 for i in range(rows)],
        }
    )  # fmt: skip


TYPES = {"price": sa.Numeric(10, 2), "name": sa.String(20)}


@pytest.mark.parametrize("method", [None, "multi"])
@pytest.mark.parametrize("chunksize", [None, 2])
def test_a_frame_comes_back(engine: sa.Engine, method: Any, chunksize: int | None) -> None:
    assert frame().to_sql("t", engine, index=False, dtype=TYPES, method=method, chunksize=chunksize) == 5
    back = pd.read_sql("SELECT * FROM t ORDER BY number", engine, coerce_float=False)
    assert [str(kind) for kind in back.dtypes[["number", "ratio", "even", "at", "zoned"]]] == [
        "int64", "float64", "bool", "datetime64[us]", "datetime64[us, UTC]",
    ]  # fmt: skip
    expected = frame()
    for column in expected:
        assert [value for value in back[column] if value == value] == [value for value in expected[column] if value == value], column
    assert back["ratio"].isna().tolist() == [False, True, False, False, False]
    assert back["price"].tolist()[1] == decimal.Decimal("0.25")
    with engine.connect() as connection:
        sql = "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 't'"
        types = dict(tuple(row) for row in connection.exec_driver_sql(sql))
    assert types == {
        "number": "bigint", "ratio": "double precision", "name": "character varying", "even": "boolean",
        "at": "timestamp without time zone", "zoned": "timestamp with time zone", "day": "date", "price": "numeric",
    }  # fmt: skip


def test_append_replace_and_fail(engine: sa.Engine) -> None:
    frame().to_sql("t", engine, dtype=TYPES, index=False)
    frame(3).to_sql("t", engine, dtype=TYPES, index=False, if_exists="append")
    assert pd.read_sql("SELECT count(*) AS n FROM t", engine)["n"].tolist() == [8]
    with pytest.raises(ValueError, match="already exists"):
        frame().to_sql("t", engine, dtype=TYPES, index=False)
    frame(2).to_sql("t", engine, dtype=TYPES, if_exists="replace", index_label="place")
    back = pd.read_sql_table("t", engine, index_col="place")
    assert back["number"].tolist() == [0, 1]
    assert sa.inspect(engine).get_indexes("t")[0]["column_names"] == ["place"]


def test_one_transaction_writes_a_frame(engine: sa.Engine) -> None:
    frame().to_sql("t", engine, dtype=TYPES, index=False)
    with engine.connect() as connection:
        count = "SELECT count(*) FROM eventdb.transactions"
        before = connection.exec_driver_sql(count).scalar_one()
    with engine.begin() as connection:
        frame(4).to_sql("t", connection, dtype=TYPES, index=False, if_exists="append", chunksize=2)
    with engine.connect() as connection:
        assert connection.exec_driver_sql(count).scalar_one() == before + 1
    with engine.connect() as connection, connection.begin() as transaction:
        frame(4).to_sql("t", connection, dtype=TYPES, index=False, if_exists="append")
        transaction.rollback()
    assert len(pd.read_sql_table("t", engine)) == 9


@pytest.mark.parametrize("streamed", [False, True])
def test_chunks(engine: sa.Engine, streamed: bool) -> None:
    frame(10).to_sql("t", engine, dtype=TYPES, index=False)
    with engine.connect().execution_options(stream_results=streamed) as connection:
        chunks = list(pd.read_sql(sa.text("SELECT * FROM t ORDER BY number"), connection, chunksize=4))
    assert [len(chunk) for chunk in chunks] == [4, 4, 2]
    assert pd.concat(chunks)["number"].tolist() == list(range(10))


def test_parameters_dates_and_index(engine: sa.Engine) -> None:
    frame().to_sql("t", engine, dtype=TYPES, index=False)
    back = pd.read_sql(
        sa.text("SELECT number, CAST(day AS TEXT) AS day FROM t WHERE number > :least"), engine, params={"least": 2}, parse_dates=["day"],
        index_col="number",
    )  # fmt: skip
    assert back.index.tolist() == [3, 4]
    assert str(back["day"].dtype).startswith("datetime64")
    table = sa.Table("t", sa.MetaData(), autoload_with=engine)
    assert pd.read_sql(sa.select(table.c.name).where(table.c.number == 1), engine)["name"].tolist() == ["n1"]


def test_nullable_types(engine: sa.Engine) -> None:
    frame().to_sql("t", engine, dtype=TYPES, index=False)
    back = pd.read_sql("SELECT number, ratio, even FROM t", engine, dtype_backend="numpy_nullable")
    assert [str(kind) for kind in back.dtypes] == ["Int64", "Float64", "boolean"]


def test_the_past_as_a_frame(engine: sa.Engine) -> None:
    frame().to_sql("t", engine, dtype=TYPES, index=False)
    with engine.connect() as connection:
        head = connection.exec_driver_sql("SELECT max(number) FROM eventdb.transactions").scalar_one()
    frame(2).to_sql("t", engine, dtype=TYPES, index=False, if_exists="append")
    past = pd.read_sql(sa.text("SELECT * FROM t FOR SYSTEM_TIME AS OF TRANSACTION :n"), engine, params={"n": head})
    assert (len(past), len(pd.read_sql("SELECT * FROM t", engine))) == (5, 7)
