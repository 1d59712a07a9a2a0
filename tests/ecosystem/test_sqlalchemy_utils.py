"""sqlalchemy-utils: its functions on databases, and its column types."""

from __future__ import annotations

import enum
import ipaddress
import uuid
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import sqlalchemy_utils as utils
from sqlalchemy import orm


def test_databases_are_made_found_and_dropped(tmp_path: Path) -> None:
    url = f"eventdb:///{tmp_path / 'shop.eventdb'}"
    assert not utils.database_exists(url)
    assert list(tmp_path.iterdir()) == []
    utils.create_database(url)
    assert utils.database_exists(url)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (x INTEGER)")
    assert utils.database_exists(engine.url)
    with pytest.raises(sa.exc.OperationalError, match="is open"):
        utils.drop_database(url)
    engine.dispose()
    utils.drop_database(url)
    assert not utils.database_exists(url)
    assert list(tmp_path.iterdir()) == []


def test_a_database_in_memory_is_there() -> None:
    assert utils.database_exists("eventdb://")


class Colour(enum.Enum):
    RED = 1
    GREEN = 2


CASES: list[tuple[Any, Any]] = [
    (utils.ChoiceType([("a", "Apple"), ("b", "Bean")]), "b"),
    (utils.ChoiceType(Colour, impl=sa.Integer()), Colour.GREEN),
    (utils.EmailType, "ann@example.org"),
    (utils.IPAddressType, ipaddress.ip_address("::1")),
    (utils.JSONType, {"a": [1, None]}),
    (utils.ScalarListType(int), [1, 2, 3]),
    (utils.UUIDType, uuid.UUID(int=5)),
    (utils.UUIDType(binary=False), uuid.UUID(int=5)),
    (utils.TimezoneType(backend="zoneinfo"), "Europe/Berlin"),
]


@pytest.mark.parametrize(("datatype", "value"), CASES, ids=lambda part: getattr(part, "__name__", type(part).__name__))
def test_column_types(datatype: Any, value: Any) -> None:
    engine = sa.create_engine("eventdb://")
    registry = orm.registry()

    class Thing:
        pass

    table = sa.Table("thing", registry.metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("value", datatype))
    registry.map_imperatively(Thing, table)
    registry.metadata.create_all(engine)
    with orm.Session(engine) as session:
        thing: Any = Thing()
        thing.value = value
        session.add_all([thing, Thing()])
        session.commit()
        session.expire_all()
        back = thing.value
        assert str(getattr(back, "code", back)) == str(value)
        assert session.scalars(sa.select(table.c.value).where(table.c.id == 2)).one() is None
        assert session.scalar(sa.select(sa.func.count()).where(table.c.value == value)) == 1 or isinstance(datatype, utils.ScalarListType)
    engine.dispose()
