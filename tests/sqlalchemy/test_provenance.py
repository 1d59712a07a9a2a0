"""Who and why in SQLAlchemy: execution options, the context variable, and that nothing stays on the pool's connections."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import orm

import eventdb
import eventdb_sqlalchemy as es


class Base(orm.DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "item"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    made = sa.create_engine(f"eventdb:///{tmp_path / 'x.eventdb'}?durability=none&reason=default")
    Base.metadata.create_all(made)
    yield made
    made.dispose()


def last(engine: sa.Engine) -> Any:
    log = es.transactions.c
    with engine.connect() as connection:
        return connection.execute(
            sa.select(log.actor, log.reason, log.correlation_id, log.metadata).order_by(log.number.desc()).limit(1)
        ).one()


def test_options_of_an_engine(engine: sa.Engine) -> None:
    ann = engine.execution_options(actor="ann", metadata={"ticket": 1})
    with orm.Session(ann) as session:
        session.add(Item(id=1, name="a"))
        session.commit()
    assert last(engine) == ("ann", "default", None, {"ticket": 1})
    with ann.begin() as connection:
        connection.execute(sa.insert(Item), [{"id": n, "name": "x"} for n in range(10, 20)])
    assert last(engine)[0] == "ann"
    with engine.begin() as connection:
        connection.execute(sa.delete(Item).where(Item.id == 10))
    assert last(engine) == (None, "default", None, None)
    with engine.execution_options(actor="dba").begin() as connection:
        connection.execute(sa.schema.CreateTable(sa.Table("u", sa.MetaData(), sa.Column("x", sa.Integer))))
    assert last(engine)[0] == "dba"


def test_options_of_a_connection_a_session_and_a_statement(engine: sa.Engine) -> None:
    with engine.connect().execution_options(actor="ann", correlation_id="r1") as connection:
        connection.execute(sa.insert(Item).values(id=1, name="a"))
        connection.execute(sa.insert(Item).values(id=2, name="b"), execution_options={"reason": "because"})
        connection.commit()
    assert last(engine) == ("ann", "because", "r1", None)
    with orm.Session(engine) as session:
        session.connection(execution_options={"actor": "bob", "reason": "clean-up"})
        session.get_one(Item, 1).name = "c"
        session.commit()
        assert last(engine) == ("bob", "clean-up", None, None)
        session.get_one(Item, 1).name = "d"
        session.commit()
    assert last(engine) == (None, "default", None, None)


def test_a_transaction_that_is_rolled_back_leaves_nothing(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        connection.execute(sa.insert(Item).values(id=1, name="a"), execution_options={"actor": "ann"})
        connection.rollback()
        connection.execute(sa.insert(Item).values(id=1, name="a"))
        connection.commit()
    assert last(engine)[0] is None


def test_autocommit(engine: sa.Engine) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT", actor="auto") as connection:
        connection.execute(sa.insert(Item).values(id=1, name="a"))
        assert last(engine)[0] == "auto"
        with pytest.raises(sa.exc.IntegrityError):
            connection.execute(sa.insert(Item).values(id=1, name="a"))
        assert connection.execute(sa.select(Item.name)).all() == [("a",)]
        two = [{"id": 2, "name": "b"}, {"id": 3, "name": "c"}]
        assert connection.execute(sa.insert(Item).returning(Item.id), two).all() == [(2,), (3,)]
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.insert(Item).values(id=4, name="a"))
    assert last(engine)[0] is None


def test_the_context_lands_in_every_commit(engine: sa.Engine) -> None:
    def request(user: str, number: int) -> None:
        with eventdb.context(actor=user, correlation_id=f"request-{number}"), orm.Session(engine) as session:
            session.add(Item(id=number, name=user))
            session.commit()

    threads = [threading.Thread(target=request, args=(f"user{n}", n)) for n in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    v, log = es.versions(Item), es.transactions
    with engine.connect() as connection:
        rows = connection.execute(
            sa.select(v.name, log.c.actor, log.c.correlation_id).join(log, log.c.number == es.row_start_tx(v)).order_by(v.id)
        ).all()
    assert rows == [(f"user{n}", f"user{n}", f"request-{n}") for n in range(1, 5)]


def test_what_is_said_nearer_wins(engine: sa.Engine) -> None:
    with eventdb.context(actor="context", correlation_id="r"):
        with engine.execution_options(actor="option").begin() as connection:
            connection.execute(sa.insert(Item).values(id=1, name="a"))
        assert last(engine) == ("option", "default", "r", None)
        with engine.begin() as connection:
            connection.execute(sa.insert(Item).values(id=2, name="a"))
        assert last(engine) == ("context", "default", "r", None)


def test_values_of_a_wrong_type(engine: sa.Engine) -> None:
    with engine.connect() as connection, pytest.raises(sa.exc.InterfaceError, match="actor must be text"):
        connection.execute(sa.insert(Item).values(id=1, name="a"), execution_options={"actor": 7})


def test_core_and_bulk_statements_are_versioned(engine: sa.Engine) -> None:
    with orm.Session(engine) as session:
        session.execute(sa.insert(Item), [{"id": n, "name": "a"} for n in range(1, 4)])
        session.commit()
        session.execute(sa.update(Item), [{"id": n, "name": f"b{n}"} for n in range(1, 4)])
        session.commit()
        session.execute(sa.update(Item).where(Item.id > 1).values(name=Item.name + "!"))
        session.commit()
        session.execute(sa.delete(Item).where(Item.id == 3))
        session.commit()
        v = es.versions(Item)
        found: dict[int, list[str]] = {}
        for key, name in session.execute(sa.select(v.id, v.name).order_by(v.id, es.row_start_tx(v))):
            found.setdefault(key, []).append(name)
        assert found == {1: ["a", "b1"], 2: ["a", "b2", "b2!"], 3: ["a", "b3", "b3!"]}
        assert session.scalar(sa.select(sa.func.count()).select_from(Item)) == 2
