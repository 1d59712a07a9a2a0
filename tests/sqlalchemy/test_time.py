"""Time in SQLAlchemy: the execution option as_of, as_of() and versions(), past sessions."""

from __future__ import annotations

import datetime
import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import orm

import eventdb_sqlalchemy as es


class Base(orm.DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "author"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str]
    books: orm.Mapped[list[Book]] = orm.relationship(back_populates="author", cascade="all, delete-orphan", order_by="Book.id")


class Book(Base):
    __tablename__ = "book"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    author_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("author.id"))
    title: orm.Mapped[str]
    author: orm.Mapped[Author] = orm.relationship(back_populates="books")


class Animal(Base):
    __tablename__ = "animal"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str]
    kind: orm.Mapped[str]
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}  # noqa: RUF012


class Cat(Animal):
    __tablename__ = "cat"
    id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("animal.id"), primary_key=True)
    lives: orm.Mapped[int]
    __mapper_args__ = {"polymorphic_identity": "cat"}  # noqa: RUF012


class Dog(Animal):
    tricks: orm.Mapped[str | None]
    __mapper_args__ = {"polymorphic_identity": "dog"}  # noqa: RUF012


# transactions: 1 makes the tables; then
FIRST, SECOND, THIRD = 2, 3, 4


@pytest.fixture(params=["memory", "file"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    made = sa.create_engine("eventdb://" if request.param == "memory" else f"eventdb:///{tmp_path / 'x.eventdb'}?durability=none")
    Base.metadata.create_all(made)
    with orm.Session(made) as session:
        ann = Author(id=1, name="ann", books=[Book(id=1, title="a"), Book(id=2, title="b")])
        session.add_all([ann, Cat(id=1, name="tom", lives=9), Dog(id=2, name="rex", tricks="sit")])
        session.commit()
        ann.name = "anna"
        ann.books[0].title = "a, second edition"
        session.delete(ann.books[1])
        session.get_one(Cat, 1).lives = 8
        session.get_one(Dog, 2).tricks = "roll"
        session.commit()
        ann.books.append(Book(id=3, title="c"))
        session.add(Author(id=2, name="bob"))
        session.commit()
    with made.connect() as connection:
        assert connection.scalar(sa.select(sa.func.max(es.transactions.c.number))) == THIRD
    yield made
    made.dispose()


def moment_of(engine: sa.Engine, number: int) -> datetime.datetime:
    with engine.connect() as connection:
        found = connection.scalar(sa.select(es.transactions.c.committed_at).where(es.transactions.c.number == number))
        assert isinstance(found, datetime.datetime)
        return found


NAMES = sa.select(Author.name).order_by(Author.id)
TITLES = sa.select(Book.title).order_by(Book.id)


# the execution option


def test_as_of_on_statement_connection_and_engine(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        assert connection.scalars(TITLES, execution_options={"as_of": FIRST}).all() == ["a", "b"]
        assert connection.scalars(TITLES.execution_options(as_of=FIRST)).all() == ["a", "b"]
        assert connection.scalars(TITLES).all() == ["a, second edition", "c"]
        assert connection.exec_driver_sql("SELECT title FROM book ORDER BY id", execution_options={"as_of": SECOND}).all() == [
            ("a, second edition",)
        ]
    with engine.connect().execution_options(as_of=FIRST) as connection:
        assert connection.scalars(TITLES).all() == ["a", "b"]
        assert connection.scalars(TITLES, execution_options={"as_of": SECOND}).all() == ["a, second edition"]
        assert connection.execute(sa.text("SELECT name FROM author WHERE id = :id"), {"id": 1}).scalar() == "ann"
    past = engine.execution_options(as_of=FIRST)
    with past.connect() as connection:
        assert connection.scalars(NAMES).all() == ["ann"]
    with engine.connect() as connection:  # of the same pool
        assert connection.scalars(NAMES).all() == ["anna", "bob"]


def test_moments_are_numbers_datetimes_and_text(engine: sa.Engine) -> None:
    then = moment_of(engine, FIRST)
    shifted = then.astimezone(datetime.timezone(datetime.timedelta(hours=5)))
    with engine.connect() as connection:
        for moment in (FIRST, f"TRANSACTION {FIRST}", then, shifted, then.replace(tzinfo=None), str(then)):
            assert connection.scalars(NAMES, execution_options={"as_of": moment}).all() == ["ann"]
            past = es.as_of(Author, moment)
            assert connection.scalars(sa.select(past.name)).all() == ["ann"]
        for moment in ("yesterdayish", 999, datetime.datetime(2999, 1, 1)):
            with pytest.raises(sa.exc.DataError):
                connection.execute(NAMES, execution_options={"as_of": moment})
    for moment in (1.5, None, True):
        with pytest.raises(sa.exc.ArgumentError, match="a moment is"):
            es.as_of(Author, moment)


def test_statements_are_compiled_once_for_all_moments(engine: sa.Engine) -> None:
    compiled = len(engine._compiled_cache)
    with engine.connect() as connection:
        for moment in (FIRST, SECOND, THIRD):
            connection.execute(sa.select(es.as_of(Author.__table__, moment, name="a")))
            connection.execute(sa.select(es.versions(Author.__table__, 0, moment, name="v")))
    assert len(engine._compiled_cache) == compiled + 2
    text = str(sa.select(es.as_of(Author.__table__, 12345)).compile(engine))
    assert "12345" not in text
    literal = sa.select(es.as_of(Author.__table__, 12345)).compile(engine, compile_kwargs={"literal_binds": True})
    assert "AS OF TRANSACTION 12345" in str(literal)


def test_a_pinned_session_is_in_the_past_altogether(engine: sa.Engine) -> None:
    with orm.Session(engine.execution_options(as_of=FIRST)) as session:
        ann = session.get_one(Author, 1)
        assert (ann.name, [book.title for book in ann.books]) == ("ann", ["a", "b"])
        session.expire_all()
        assert ann.name == "ann"
        ann.name = "changed"
        with pytest.raises(sa.exc.OperationalError, match="the past is read only"):
            session.flush()
        session.rollback()
        session.add(Author(id=9, name="new"))
        with pytest.raises(sa.exc.OperationalError, match="the past is read only"):
            session.commit()
    with engine.connect() as connection:
        assert connection.scalars(NAMES).all() == ["anna", "bob"]


@pytest.mark.parametrize(
    "write",
    [sa.insert(Author).values(id=9, name="x"), sa.update(Author).values(name="x"), sa.delete(Book)],
    ids=["insert", "update", "delete"],
)
def test_writing_as_of_the_past_raises(engine: sa.Engine, write: Any) -> None:
    with orm.Session(engine) as session, pytest.raises(sa.exc.OperationalError, match="the past is read only"):
        session.execute(write, execution_options={"as_of": FIRST, "synchronize_session": False})
    with pytest.raises(sa.exc.OperationalError, match="the past is read only"), engine.execution_options(as_of=FIRST).begin() as connection:
        connection.execute(write)
    with pytest.raises(sa.exc.OperationalError, match="the past is read only"):
        Base.metadata.drop_all(engine.execution_options(as_of=FIRST))


def test_reflection_shows_the_schema_of_the_moment(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE book ADD COLUMN pages INTEGER")
        connection.exec_driver_sql("CREATE TABLE later (x INTEGER)")
    past = sa.inspect(engine.execution_options(as_of=FIRST))
    assert "later" not in past.get_table_names()
    assert [column["name"] for column in past.get_columns("book")] == ["id", "author_id", "title"]
    assert "pages" in [column["name"] for column in sa.inspect(engine).get_columns("book")]


# objects

LOADING = {
    "select": (),
    "selectin": (orm.selectinload(Author.books),),
    "joined": (orm.joinedload(Author.books),),
    "subquery": (orm.subqueryload(Author.books),),
    "immediate": (orm.immediateload(Author.books),),
}


@pytest.mark.parametrize("loading", LOADING)
def test_relationships_are_of_the_same_moment(engine: sa.Engine, loading: str) -> None:
    with orm.Session(engine) as session:
        now = session.get_one(Author, 1)
        assert [book.title for book in now.books] == ["a, second edition", "c"]
        statement = sa.select(Author).order_by(Author.id).options(*LOADING[loading])
        for moment, name, titles in ((FIRST, "ann", ["a", "b"]), (SECOND, "anna", ["a, second edition"])):
            (then,) = session.execute(statement, execution_options={"as_of": moment}).unique().scalars().all()
            assert then is not now
            assert (then.name, [book.title for book in then.books]) == (name, titles)
            assert {book.author for book in then.books} == {then}
        assert (now.name, [book.title for book in now.books]) == ("anna", ["a, second edition", "c"])
        assert session.scalars(statement).unique().all()[0] is now


def test_a_parent_in_the_identity_map_of_the_present_is_not_taken(engine: sa.Engine) -> None:
    with orm.Session(engine) as session:
        now = session.get_one(Author, 1)
        for options in ((), (orm.joinedload(Book.author),), (orm.selectinload(Book.author),)):
            session.expire_all()
            book = session.scalars(sa.select(Book).where(Book.id == 2).options(*options), execution_options={"as_of": FIRST}).one()
            assert (book.author.name, now.name) == ("ann", "anna")
            assert book.author is not now


def test_past_objects_are_kept_apart(engine: sa.Engine) -> None:
    with orm.Session(engine) as session:
        now = session.get_one(Author, 1)
        (then,) = session.scalars(sa.select(Author), execution_options={"as_of": FIRST})
        past = es.past_session(session, FIRST)
        assert orm.object_session(then) is past
        assert past.get(Author, 1) is then
        assert past.get(Author, 2) is None
        assert es.past_session(past, SECOND).get_one(Author, 1).name == "anna"
        with pytest.raises(sa.exc.InvalidRequestError, match="already attached"):
            session.add(then)
        then.name = "rewritten"
        with pytest.raises(sa.exc.InvalidRequestError, match="the past is read only"):
            past.flush()
        now.name = "annabel"
        with pytest.raises(sa.exc.InvalidRequestError, match="the past is read only"):
            session.commit()
        session.rollback()
        assert (then.name, now.name) == ("ann", "anna")
        now.name = "annabel"
        session.commit()
        assert (then.name, now.name) == ("ann", "annabel")
        session.delete(now.books[0])
        past.delete(then)
        with pytest.raises(sa.exc.InvalidRequestError, match="the past is read only"):
            session.commit()
        session.rollback()
    with engine.connect() as connection:
        assert connection.scalars(NAMES).all() == ["annabel", "bob"]


def test_past_objects_do_not_see_what_the_transaction_has_changed(engine: sa.Engine) -> None:
    with orm.Session(engine) as session:
        session.get_one(Author, 1).name = "zoe"
        session.flush()
        assert session.scalars(NAMES, execution_options={"as_of": THIRD}).all() == ["anna", "bob"]
        assert session.scalars(NAMES).all() == ["zoe", "bob"]


def test_past_objects_load_on_after_a_commit_and_not_after_the_end(engine: sa.Engine) -> None:
    with orm.Session(engine) as session:
        (then,) = session.scalars(sa.select(Author), execution_options={"as_of": FIRST})
        session.commit()
        assert [book.title for book in then.books] == ["a", "b"]
        session.rollback()
        es.past_session(session, FIRST).expire(then)
        assert then.name == "ann"
        (other,) = session.scalars(sa.select(Author), execution_options={"as_of": SECOND})
        session.commit()
    with pytest.raises(orm.exc.DetachedInstanceError, match="is closed"):
        _ = other.books
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    with orm.Session(engine) as session:
        assert session.scalars(NAMES, execution_options={"as_of": FIRST}).all() == ["ann"]


def test_sessions_of_the_past_without_objects_are_forgotten(engine: sa.Engine) -> None:
    with orm.Session(engine) as session:
        kept = session.scalars(sa.select(Author), execution_options={"as_of": FIRST}).one()
        for moment in (SECOND, THIRD):
            for author in session.scalars(sa.select(Author), execution_options={"as_of": moment}):
                assert author is not kept
        del author
        gc.collect()
        session.commit()
        assert list(session.info.values()) == [{(int, FIRST): es.past_session(session, FIRST)}]
        assert [book.title for book in kept.books] == ["a", "b"]


def test_options_of_a_session(engine: sa.Engine) -> None:
    try:
        session = orm.Session(engine, execution_options={"as_of": FIRST})
    except TypeError:
        pytest.skip("Session(execution_options=…) came with SQLAlchemy 2.1")
    with session:
        assert [author.name for author in session.scalars(sa.select(Author))] == ["ann"]
        assert session.scalars(NAMES).all() == ["ann"]
        session.add(Author(name="new"))
        with pytest.raises(sa.exc.InvalidRequestError, match="it cannot flush"):
            session.commit()


def test_query_and_scoped_session(engine: sa.Engine) -> None:
    scoped = orm.scoped_session(orm.sessionmaker(engine))
    query = scoped.query(Author).execution_options(as_of=FIRST)
    assert [author.name for author in query] == ["ann"]
    assert es.past_session(scoped, FIRST).get_one(Author, 1) is query.one()
    scoped.remove()


def test_inheritance_in_the_past(engine: sa.Engine) -> None:
    with orm.Session(engine) as session:
        session.get_one(Animal, 1)
        for options in ((), (orm.selectin_polymorphic(Animal, [Cat, Dog]),)):
            tom, rex = session.scalars(sa.select(Animal).order_by(Animal.id).options(*options), execution_options={"as_of": FIRST}).all()
            assert isinstance(tom, Cat)
            assert isinstance(rex, Dog)
            assert (tom.lives, rex.tricks) == (9, "sit")
            session.expunge_all()
        assert session.get_one(Cat, 1).lives == 8


# tables in time


def test_core_tables_in_time(engine: sa.Engine) -> None:
    author = Author.__table__
    then = es.as_of(author, FIRST)
    with engine.connect() as connection:
        both = sa.select(then.c.name, author.c.name).join_from(author, then, then.c.id == author.c.id, isouter=True).order_by(author.c.id)
        assert connection.execute(both).all() == [("ann", "anna"), (None, "bob")]
        second = es.as_of(author.alias("x"), SECOND)
        three = sa.select(then.c.name, second.c.name, author.c.name).where(then.c.id == second.c.id, second.c.id == author.c.id)
        assert connection.execute(three).all() == [("ann", "anna", "anna")]
        v = es.versions(author)
        lives = sa.select(v.c.name, v.row_start_tx, v.row_end_tx).where(v.c.id == 1).order_by(v.row_start_tx)
        assert connection.execute(lives).all() == [("ann", FIRST, SECOND), ("anna", SECOND, None)]
        spans = ((None, SECOND, ["ann"]), (SECOND, None, ["anna", "bob"]), (FIRST, THIRD, ["ann", "anna"]), (FIRST, FIRST, []))
        for start, end, names in spans:
            span = es.versions(author, start, end)
            assert connection.scalars(sa.select(span.c.name).order_by(span.c.id, span.row_start_tx)).all() == names
        wrapped = sa.select(then.alias("y").c.name).subquery()
        assert connection.scalars(sa.select(wrapped.c.name)).all() == ["ann"]
        cte = sa.select(v.c.id, sa.func.count().label("n")).group_by(v.c.id).cte()
        assert connection.execute(sa.select(cte).order_by(cte.c.id)).all() == [(1, 2), (2, 1)]
        assert connection.scalars(sa.select(author.c.name).where(author.c.id.not_in(sa.select(then.c.id)))).all() == ["bob"]
        moment = sa.bindparam("moment", type_=sa.Integer)
        bound = sa.select(es.as_of(author, moment).c.name)
        assert connection.scalars(bound, {"moment": FIRST}).all() == ["ann"]
        assert connection.scalars(sa.select(es.row_start_tx(author)).order_by(author.c.id)).all() == [SECOND, THIRD]
        assert connection.scalar(sa.select(es.row_end(author)).limit(1)).year == 9999


def test_who_changed_what(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        connection.execute(sa.update(Author).where(Author.id == 1).values(name="ada"), execution_options={"actor": "eve", "reason": "test"})
        connection.commit()
        v = es.versions(Author)
        log = es.transactions
        changed_by = (
            sa.select(v.name, log.c.actor, log.c.reason, log.c.committed_at == es.row_start(v))
            .join(log, log.c.number == es.row_start_tx(v))
            .where(v.id == 1)
            .order_by(log.c.number)
        )
        assert connection.execute(changed_by).all() == [
            ("ann", None, None, True), ("anna", None, None, True), ("ada", "eve", "test", True),
        ]  # fmt: skip


@pytest.mark.parametrize(
    "of", [sa.select(Author).subquery(), sa.select(Author).cte(), sa.join(Author, Book)], ids=["subquery", "cte", "join"]
)
def test_what_has_no_time(of: Any) -> None:
    with pytest.raises(sa.exc.ArgumentError, match="take a table"):
        es.versions(of)
    with pytest.raises(sa.exc.ArgumentError, match="one table"):
        es.row_start(sa.join(Author, Book))
    with pytest.raises(sa.exc.ArgumentError):
        sa.update(es.as_of(Author.__table__, 1))


# objects by as_of() and versions()


def test_entities_of_different_moments_in_one_statement(engine: sa.Engine) -> None:
    with orm.Session(engine) as session:
        one, two = es.as_of(Author, FIRST), es.as_of(Author, SECOND, name="two")
        statement = sa.select(Author, one, two, Author.id).outerjoin(one, one.id == Author.id).outerjoin(two, two.id == Author.id)
        result = session.execute(statement.order_by(Author.id))
        assert list(result.keys()) == ["Author", "two", "id"]
        ann, bob = result.all()
        assert [author.name for author in ann[:3]] == ["anna", "ann", "anna"]
        assert ann[0] is session.get(Author, 1)
        assert ann[1] is es.past_session(session, f"TRANSACTION {FIRST}").get(Author, 1)
        assert len({id(author) for author in ann[:3]}) == 3
        assert [book.title for book in ann[1].books] == ["a", "b"]
        assert [book.title for book in ann.two.books] == ["a, second edition"]
        assert [book.title for book in ann[0].books] == ["a, second edition", "c"]
        assert (bob[0].name, bob[1], bob[2], bob[3]) == ("bob", None, None, 2)
        assert session.scalars(sa.select(one).where(one.name == "ann")).one() is ann[1]
        ann[1].name = "no"
        with pytest.raises(sa.exc.InvalidRequestError, match="read only"):
            session.commit()


def test_entities_of_versions(engine: sa.Engine) -> None:
    with orm.Session(engine) as session:
        now = session.get_one(Author, 1)
        v = es.versions(Author)
        rows = session.execute(sa.select(v, es.row_start_tx(v)).where(v.id == 1).order_by(es.row_start_tx(v))).all()
        assert [(author.name, start) for author, start in rows] == [("ann", FIRST), ("anna", SECOND)]
        old = rows[0][0]
        assert orm.object_session(old) is None
        with pytest.raises(orm.exc.DetachedInstanceError):
            _ = old.books
        session.add(old)
        assert session.get(Author, 1) is now
        old.name = "changed"
        with pytest.raises(sa.exc.InvalidRequestError, match=f"the version that transaction {FIRST} made"):
            session.flush()


def test_entities_of_inheritance_in_time(engine: sa.Engine) -> None:
    with orm.Session(engine) as session:
        tom, rex = session.scalars(sa.select(es.as_of(Animal, FIRST)).order_by(sa.text("1"))).all()
        assert isinstance(tom, Cat)
        assert isinstance(rex, Dog)
        assert (tom.lives, rex.tricks) == (9, "sit")
        cat = es.as_of(Cat, FIRST)
        assert session.scalars(sa.select(cat).where(cat.lives == 9, cat.name == "tom")).one() is tom
        assert session.scalars(sa.select(es.as_of(Dog, FIRST))).all() == [rex]
        every = es.as_of(orm.with_polymorphic(Animal, [Cat]), FIRST)
        assert session.execute(sa.select(every.name, every.Cat.lives).order_by(every.id)).all() == [("tom", 9), ("rex", None)]
        with pytest.raises(sa.exc.ArgumentError, match="several tables"):
            es.versions(Cat)
        d = es.versions(Dog)
        assert [dog.tricks for dog in session.scalars(sa.select(d).order_by(es.row_start_tx(d)))] == ["sit", "roll"]


def test_entities_stream_and_are_counted(engine: sa.Engine) -> None:
    with orm.Session(engine) as session:
        v = es.versions(Book)
        seen = [len(part) for part in session.scalars(sa.select(v), execution_options={"yield_per": 2}).partitions()]
        assert seen == [2, 2]
        assert len(session.scalars(sa.select(v)).unique().all()) == 4


def test_the_past_streams(engine: sa.Engine) -> None:
    with orm.Session(engine) as session:
        authors = session.scalars(sa.select(Author).order_by(Author.id), execution_options={"as_of": FIRST, "yield_per": 1})
        assert [author.name for author in authors] == ["ann"]
        assert session.connection().scalars(NAMES, execution_options={"as_of": FIRST, "stream_results": True}).all() == ["ann"]


def test_what_cannot_be_an_object_of_the_past(engine: sa.Engine) -> None:
    with orm.Session(engine) as session:
        inner = sa.select(es.as_of(Author, FIRST)).subquery()
        with pytest.raises(sa.exc.InvalidRequestError, match="from a subquery of the past"):
            session.execute(sa.select(orm.aliased(Author, inner)))
        assert session.execute(sa.select(inner.c.name)).all() == [("ann",)]
        table = es.as_of(Author.__table__, FIRST)
        with pytest.raises(sa.exc.InvalidRequestError, match="from a statement with tables in time"):
            session.execute(sa.select(Author).from_statement(sa.select(table)))
        assert orm.object_session(session.scalars(sa.select(orm.aliased(Author, table))).one()) is not session
        alias = orm.aliased(Author, table)
        assert orm.object_session(session.scalars(sa.lambda_stmt(lambda: sa.select(alias))).one()) is not session
        book = es.as_of(Book, FIRST)
        for option in (orm.contains_eager(Author.books.of_type(book)), orm.selectinload(Author.books.of_type(book))):
            with pytest.raises(sa.exc.InvalidRequestError, match="cannot be loaded from Book in time"):
                session.execute(sa.select(Author).join(book, book.author_id == Author.id).options(option))
        assert session.query(es.as_of(Author, FIRST)).all()[0].name == "ann"
        assert set(session) <= set(session.scalars(sa.select(Author)))
        with pytest.raises(sa.exc.InvalidRequestError, match="must be a value"):
            session.execute(sa.select(es.as_of(Author, sa.func.now())))
        parameter = es.as_of(Author, sa.bindparam("t", type_=sa.Integer))
        assert session.scalars(sa.select(parameter), {"t": FIRST}).one().name == "ann"
