"""What SQLAlchemy's test suite asks of a dialect: schemas, temporary tables, a database for each worker, ON CONFLICT."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from sqlalchemy.testing.provision import (
    create_db,
    drop_db,
    follower_url_from_main,
    post_configure_engine,
    set_default_schema_on_connection,
    temp_table_keyword_args,
    upsert,
)

from eventdb_sqlalchemy.dml import insert


@post_configure_engine.for_db("eventdb")  # type: ignore[untyped-decorator]
def _make_schemas(url: Any, engine: Any, follower_ident: Any) -> None:
    with engine.begin() as connection:
        for name in ("test_schema", "test_schema_2"):
            connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {name}")


@follower_url_from_main.for_db("eventdb")  # type: ignore[untyped-decorator]
def _worker_url(url: Any, ident: str) -> Any:
    return url.set(database=f"{url.database}_{ident}")


@create_db.for_db("eventdb")  # type: ignore[untyped-decorator]
def _create_db(cfg: Any, engine: Any, ident: str) -> None:
    """It is made when it is opened."""


@drop_db.for_db("eventdb")  # type: ignore[untyped-decorator]
def _drop_db(cfg: Any, engine: Any, ident: str) -> None:
    database = f"{engine.url.database}_{ident}"
    if not database.startswith(":memory:"):
        shutil.rmtree(Path(database), ignore_errors=True)


@temp_table_keyword_args.for_db("eventdb")  # type: ignore[untyped-decorator]
def _temp_table_arguments(cfg: Any, engine: Any) -> dict[str, Any]:
    return {"prefixes": ["TEMPORARY"]}


@set_default_schema_on_connection.for_db("eventdb")  # type: ignore[untyped-decorator]
def _set_default_schema(cfg: Any, dbapi_connection: Any, schema_name: str) -> None:
    autocommit = dbapi_connection.autocommit
    dbapi_connection.autocommit = True
    dbapi_connection.execute(f"SET search_path = {schema_name}")
    dbapi_connection.autocommit = autocommit


@upsert.for_db("eventdb")  # type: ignore[untyped-decorator]
def _upsert(
    cfg: Any, table: Any, returning: Any, *, set_lambda: Any = None, sort_by_parameter_order: bool = False, index_elements: Any = None
) -> Any:
    statement = insert(table)
    keys = list(table.primary_key) if index_elements is None else index_elements
    if set_lambda is None:
        statement = statement.on_conflict_do_nothing()
    else:
        statement = statement.on_conflict_do_update(index_elements=keys, set_=set_lambda(statement.excluded))
    return statement.returning(*returning, sort_by_parameter_order=sort_by_parameter_order)
