"""The async dialect: engine, session, streaming, cancellation, the context variable, pooling."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import orm, pool

pytest.importorskip("greenlet")
from sqlalchemy.ext import asyncio as sa_asyncio

import eventdb
import eventdb_sqlalchemy as es


class Base(sa_asyncio.AsyncAttrs, orm.DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "author"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str]
    books: orm.Mapped[list[Book]] = orm.relationship(back_populates="author", order_by="Book.id")


class Book(Base):
    __tablename__ = "book"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    author_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("author.id"))
    title: orm.Mapped[str]
    author: orm.Mapped[Author] = orm.relationship(back_populates="books")


Run = Callable[[Callable[[sa_asyncio.AsyncEngine], Awaitable[None]]], None]


@pytest.fixture(params=["memory", "file"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    url = "eventdb+aio://" if request.param == "memory" else f"eventdb+aio:///{tmp_path / 'x.eventdb'}?durability=none"

    @asynccontextmanager
    async def opened() -> AsyncIterator[sa_asyncio.AsyncEngine]:
        engine = sa_asyncio.create_async_engine(url)
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        yield engine
        await engine.dispose()

    async def main(test: Callable[[sa_asyncio.AsyncEngine], Awaitable[None]]) -> None:
        async with opened() as engine:
            await test(engine)

    def run_it(test: Callable[[sa_asyncio.AsyncEngine], Awaitable[None]]) -> None:
        before = threading.active_count()
        asyncio.run(main(test))
        gc.collect()
        deadline = time.monotonic() + 5
        while threading.active_count() > before and time.monotonic() < deadline:
            time.sleep(0.01)
        assert threading.active_count() <= before, "threads of connections are left"

    return run_it


def test_core(run: Run) -> None:
    async def test(engine: sa_asyncio.AsyncEngine) -> None:
        assert isinstance(engine.pool, pool.AsyncAdaptedQueuePool)
        async with engine.begin() as connection:
            made = await connection.execute(sa.insert(Author).returning(Author.id), [{"name": "a"}, {"name": "b"}])
            assert made.all() == [(1,), (2,)]
            assert (await connection.execute(sa.update(Author).values(name=Author.name + "!"))).rowcount == 2
        async with engine.connect() as one, engine.connect() as other:
            await one.execute(sa.delete(Author).where(Author.id == 2))
            count = sa.select(sa.func.count()).select_from(Author)
            assert (await one.scalar(count), await other.scalar(count)) == (1, 2)
            nested = await one.begin_nested()
            await one.execute(sa.delete(Author))
            await nested.rollback()
            await one.commit()
        async with engine.connect() as connection:
            assert (await connection.scalars(sa.select(Author.name))).all() == ["a!"]
            with pytest.raises(sa.exc.IntegrityError) as caught:
                await connection.execute(sa.insert(Author).values(id=1, name="x"))
            assert isinstance(caught.value.orig, eventdb.IntegrityError)
            driver = (await connection.get_raw_connection()).driver_connection
            assert isinstance(driver, eventdb.Connection)

    run(test)


def test_session(run: Run) -> None:
    async def test(engine: sa_asyncio.AsyncEngine) -> None:
        maker = sa_asyncio.async_sessionmaker(engine, expire_on_commit=False)
        async with maker() as session, session.begin():
            session.add(Author(name="ann", books=[Book(title="a"), Book(title="b")]))
        async with maker() as session:
            ann = (await session.scalars(sa.select(Author).options(orm.selectinload(Author.books)))).one()
            assert [book.title for book in ann.books] == ["a", "b"]
            ann.name = "anna"
            await session.commit()
            await session.refresh(ann, ["name"])
            assert ann.name == "anna"
        async with maker() as session:
            ann = await session.get_one(Author, 1)
            assert [book.title for book in await ann.awaitable_attrs.books] == ["a", "b"]
        async with maker() as session:
            ann = await session.get_one(Author, 1)
            with pytest.raises(sa.exc.MissingGreenlet):
                _ = ann.books

    run(test)


def test_time(run: Run) -> None:
    async def test(engine: sa_asyncio.AsyncEngine) -> None:
        maker = sa_asyncio.async_sessionmaker(engine, expire_on_commit=False)
        async with maker() as session:
            ann = Author(name="ann", books=[Book(title="a")])
            session.add(ann)
            await session.commit()
            number = await session.scalar(sa.select(sa.func.max(es.transactions.c.number)))
            ann.name, ann.books[0].title = "anna", "b"
            await session.commit()
            statement = sa.select(Author).options(orm.selectinload(Author.books))
            then = (await session.scalars(statement, execution_options={"as_of": number})).one()
            assert (then.name, then.books[0].title, ann.name) == ("ann", "a", "anna")
            lazily = (await session.scalars(sa.select(es.as_of(Author, number)))).one()
            assert [book.title for book in await lazily.awaitable_attrs.books] == ["a"]
            seen = await session.run_sync(lambda sync: es.history(Author, 1, session=sync))
            assert [version["name"] for version in seen] == ["ann", "anna"]
        async with sa_asyncio.AsyncSession(engine.execution_options(as_of=number)) as session:
            assert (await session.get_one(Author, 1)).name == "ann"
            session.add(Author(name="x"))
            with pytest.raises(sa.exc.OperationalError, match="the past is read only"):
                await session.flush()

    run(test)


def test_streaming(run: Run) -> None:
    async def test(engine: sa_asyncio.AsyncEngine) -> None:
        async with engine.begin() as connection:
            await connection.execute(sa.insert(Author), [{"name": f"{n}"} for n in range(2500)])
        async with engine.connect() as connection:
            seen = 0
            async with connection.stream(sa.select(Author.id).order_by(Author.id)) as result:
                async for (number,) in result:
                    seen += 1
                    assert number == seen
            assert seen == 2500
            async with connection.stream(sa.select(Author.id), execution_options={"yield_per": 1000}) as result:
                assert [len(part) async for part in result.partitions()] == [1000, 1000, 500]
        async with sa_asyncio.AsyncSession(engine) as session:
            authors = await session.stream_scalars(sa.select(Author).execution_options(yield_per=700))
            assert sum([1 async for author in authors if author.name]) == 2500

    run(test)


def test_the_loop_goes_on_and_connections_run_side_by_side(run: Run) -> None:
    async def test(engine: sa_asyncio.AsyncEngine) -> None:
        async def request(number: int) -> None:
            with eventdb.context(actor=f"user{number}"):
                async with sa_asyncio.AsyncSession(engine) as session:
                    session.add(Author(id=number, name=f"user{number}"))
                    await session.commit()

        await asyncio.gather(*[request(number) for number in range(1, 9)])
        v, log = es.versions(Author), es.transactions
        async with engine.connect() as connection:
            rows = await connection.execute(sa.select(v.name, log.c.actor).join(log, log.c.number == es.row_start_tx(v)))
            assert sorted(rows.all()) == [(f"user{n}", f"user{n}") for n in range(1, 9)]
            ticks = 0

            async def tick() -> None:
                nonlocal ticks
                while True:
                    ticks += 1
                    await asyncio.sleep(0)

            ticking = asyncio.ensure_future(tick())
            a, b = orm.aliased(Author), orm.aliased(Author)
            await connection.scalar(sa.select(sa.func.count()).select_from(Author).join(a, sa.true()).join(b, sa.true()))
            ticking.cancel()
            assert ticks > 1

    run(test)


def test_options_of_provenance(run: Run) -> None:
    async def test(engine: sa_asyncio.AsyncEngine) -> None:
        last = sa.select(es.transactions.c.actor).order_by(es.transactions.c.number.desc()).limit(1)
        async with sa_asyncio.AsyncSession(engine.execution_options(actor="ann")) as session:
            session.add(Author(id=1, name="a"))
            await session.commit()
            assert await session.scalar(last) == "ann"
        alone: Any = await engine.connect()
        alone = await alone.execution_options(isolation_level="AUTOCOMMIT", actor="auto")
        await alone.execute(sa.insert(Author).values(id=2, name="b"))
        assert await alone.scalar(last) == "auto"
        await alone.close()

    run(test)


def test_a_cancelled_task_gives_its_connection_up(run: Run) -> None:
    async def test(engine: sa_asyncio.AsyncEngine) -> None:
        async with engine.begin() as connection:
            await connection.execute(sa.insert(Author), [{"name": f"{n}"} for n in range(150)])
        started = asyncio.Event()

        async def slow() -> None:
            a, b = orm.aliased(Author), orm.aliased(Author)
            async with engine.connect() as connection:
                await connection.execute(sa.insert(Author).values(id=1000, name="lost"))
                started.set()
                await connection.scalar(
                    sa.select(sa.func.count()).select_from(Author).join(a, sa.true()).join(b, a.name + b.name != Author.name)
                )

        task = asyncio.ensure_future(slow())
        await started.wait()
        await asyncio.sleep(0.05)
        asked = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - asked < 1
        assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]
        async with engine.connect() as connection:
            assert await connection.scalar(sa.select(sa.func.count()).select_from(Author)) == 150

    run(test)


def test_a_connection_that_is_forgotten_is_closed(run: Run) -> None:
    async def test(engine: sa_asyncio.AsyncEngine) -> None:
        held = [await engine.connect()]
        raw = (await held[0].get_raw_connection()).driver_connection

        def forget() -> None:
            held.clear()
            gc.collect()

        with pytest.warns(sa.exc.SAWarning, match="garbage collector"):
            forget()
        deadline = time.monotonic() + 5
        while not raw.closed and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        assert raw.closed

    run(test)


def test_disposing_closes_connections_and_memory_lasts_as_the_engine() -> None:
    async def test() -> None:
        engine = sa_asyncio.create_async_engine("eventdb+aio:///:memory:")
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
            raw = (await connection.get_raw_connection()).driver_connection
        await engine.dispose()
        assert raw.closed
        async with engine.connect() as connection:
            assert await connection.scalar(sa.select(sa.func.count()).select_from(Author)) == 0
        await engine.dispose()

    asyncio.run(test())


def test_what_is_done_to_each_new_connection() -> None:
    async def test() -> None:
        engine = sa_asyncio.create_async_engine("eventdb+aio://")

        @sa.event.listens_for(engine.sync_engine, "connect")
        def prepare(connection: Any, record: Any) -> None:
            assert connection.execute("SELECT 1 + ?", (2,)).fetchall() == [(3,)]
            connection.create_function("twice", 1, lambda text: text * 2, returns="text")
            assert not connection.closed
            connection.rollback()

        async with engine.connect() as connection:
            assert await connection.scalar(sa.select(sa.func.twice("ab"))) == "abab"
        await engine.dispose()

    asyncio.run(test())


def test_one_url_serves_both() -> None:
    assert sa_asyncio.create_async_engine("eventdb://").dialect.driver == "aio"
    assert sa.create_engine("eventdb://").dialect.driver == "eventdb"
