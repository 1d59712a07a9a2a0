"""Transactions: isolation levels, savepoints, schema changes that are rolled back, conflicts and the way to retry, threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa
from sqlalchemy import orm

import eventdb

Make = Callable[..., sa.Engine]
_T = TypeVar("_T")


class Base(orm.DeclarativeBase):
    pass


class Account(Base):
    __tablename__ = "account"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    owner: orm.Mapped[str] = orm.mapped_column(unique=True)
    balance: orm.Mapped[int]


@pytest.fixture(params=["file", "memory"])
def engine(make_engine: Make, request: pytest.FixtureRequest) -> sa.Engine:
    engine = make_engine(Base.metadata, memory=request.param == "memory")
    with orm.Session(engine) as session:
        session.add_all([Account(owner="ann", balance=100), Account(owner="bob", balance=100)])
        session.commit()
    return engine


def balances(engine: sa.Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.scalars(sa.select(Account.balance).order_by(Account.id)))


def retried(engine: sa.Engine, work: Callable[[orm.Session], _T]) -> _T:
    """What docs/sqlalchemy.md recommends."""
    while True:
        try:
            with orm.Session(engine) as session, session.begin():
                return work(session)
        except sa.exc.OperationalError as error:
            if not getattr(error.orig, "retryable", False):
                raise


def test_savepoints(engine: sa.Engine) -> None:
    with orm.Session(engine) as session:
        ann = session.get_one(Account, 1)
        ann.balance = 1
        try:
            with session.begin_nested():
                ann.balance = 2
                session.add(Account(owner="bob", balance=0))
        except sa.exc.IntegrityError:
            pass
        assert ann.balance == 1
        with session.begin_nested():
            ann.balance = 3
            with session.begin_nested() as inner:
                ann.balance = 4
                session.flush()
                inner.rollback()
            assert ann.balance == 3
        session.add(Account(owner="cid", balance=7))
        session.commit()
    assert balances(engine) == [3, 100, 7]


def test_a_conflict_is_an_operational_error(engine: sa.Engine) -> None:
    with orm.Session(engine) as one, orm.Session(engine) as other:
        one.get_one(Account, 1).balance += 1
        other.get_one(Account, 1).balance += 10
        one.commit()
        with pytest.raises(sa.exc.OperationalError) as caught:
            other.commit()
        error = caught.value.orig
        assert isinstance(error, eventdb.OperationalError)
        assert (error.sqlstate, error.retryable, caught.value.connection_invalidated) == ("40001", True, False)
        other.rollback()
        other.get_one(Account, 1).balance += 10
        other.commit()
    assert balances(engine) == [111, 100]


def test_write_skew(engine: sa.Engine) -> None:
    """Two withdrawals, each allowed by what it read: serializable refuses the second, snapshot lets it through."""
    total = sa.select(sa.func.sum(Account.balance))
    for level, refused in (("SERIALIZABLE", True), ("SNAPSHOT", False)):
        options: Any = {"isolation_level": level}
        with engine.connect().execution_options(**options) as one, engine.connect().execution_options(**options) as other:
            for number, connection in enumerate((one, other), 1):
                assert connection.scalar(total) == 200
                connection.execute(sa.update(Account).where(Account.id == number).values(balance=Account.balance - 150))
            one.commit()
            if refused:
                with pytest.raises(sa.exc.OperationalError) as caught:
                    other.commit()
                assert caught.value.orig.sqlstate == "40001"  # type: ignore[union-attr]
            else:
                other.commit()
        with engine.begin() as connection:
            connection.execute(sa.update(Account).values(balance=100))


def test_isolation_of_engine_session_and_autocommit(engine: sa.Engine) -> None:
    snapshot = engine.execution_options(isolation_level="SNAPSHOT")
    with orm.Session(snapshot) as session:
        assert session.connection().get_isolation_level() == "SNAPSHOT"
    with orm.Session(engine) as session:
        assert session.connection(execution_options={"isolation_level": "AUTOCOMMIT"}).get_isolation_level() == "AUTOCOMMIT"
        session.execute(sa.update(Account).where(Account.id == 1).values(balance=5))
        session.rollback()
        assert session.connection().get_isolation_level() == "SERIALIZABLE"
    assert balances(engine) == [5, 100]


def test_a_reader_sees_one_state(engine: sa.Engine) -> None:
    with engine.connect() as reader:
        before = reader.scalars(sa.select(Account.balance)).all()
        with engine.begin() as writer:
            writer.execute(sa.update(Account).values(balance=0))
        assert reader.scalars(sa.select(Account.balance)).all() == before
        reader.rollback()
        assert set(reader.scalars(sa.select(Account.balance)).all()) == {0}


def test_schema_changes_are_rolled_back(engine: sa.Engine) -> None:
    metadata = sa.MetaData()
    made = sa.Table("made", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("x", sa.Text, index=True))
    with engine.connect() as connection:
        metadata.create_all(connection)
        connection.execute(sa.insert(made), [{"x": "a"}])
        connection.execute(sa.text("ALTER TABLE account ADD COLUMN note TEXT"))
        assert sa.inspect(connection).has_table("made")
        connection.rollback()
        assert not sa.inspect(connection).has_table("made")
        assert "note" not in [column["name"] for column in sa.inspect(connection).get_columns("account")]
        with connection.begin_nested() as savepoint:
            metadata.create_all(connection)
            savepoint.rollback()
        metadata.create_all(connection)
        connection.commit()
        Base.metadata.drop_all(connection)
        connection.rollback()
    assert balances(engine) == [100, 100]
    assert sa.inspect(engine).has_table("made")


def test_threads_with_sessions_of_their_own(engine: sa.Engine) -> None:
    tries = 0

    def transfer(session: orm.Session) -> None:
        nonlocal tries
        tries += 1
        ann, bob = session.scalars(sa.select(Account).order_by(Account.id)).all()
        ann.balance -= 1
        bob.balance += 1

    def run() -> None:
        for _ in range(10):
            retried(engine, transfer)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert balances(engine) == [80, 120]
    assert tries >= 20


def test_the_pool_gives_clean_connections(engine: sa.Engine) -> None:
    connection = engine.connect()
    connection.execute(sa.update(Account).values(balance=0))
    connection.close()
    with engine.connect() as again:
        assert not again.connection.dbapi_connection.in_transaction  # type: ignore[union-attr]
    assert balances(engine) == [100, 100]


def test_two_engines_on_one_database(make_engine: Make, tmp_path: Any) -> None:
    one = make_engine(Base.metadata)
    other = sa.create_engine(one.url)
    with orm.Session(one) as session:
        session.add(Account(owner="x", balance=1))
        session.commit()
    assert balances(other) == [1]
    other.dispose()
