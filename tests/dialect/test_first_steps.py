"""The dialect end to end: urls, tables, the ORM, ON CONFLICT, reflection, pooling. SQLAlchemy's own suite is in tests/compliance."""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import orm

import eventdb
import eventdb_sqlalchemy
from eventdb.sql.parser.keywords import FUNCTION_WORDS, NILADIC, RESERVED
from eventdb_sqlalchemy.compiler import RESERVED_WORDS


class Base(orm.DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "author"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str] = orm.mapped_column(unique=True)
    books: orm.Mapped[list[Book]] = orm.relationship(back_populates="author", cascade="all, delete-orphan", order_by="Book.id")


class Book(Base):
    __tablename__ = "book"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    author_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("author.id", ondelete="CASCADE"))
    title: orm.Mapped[str]
    about: orm.Mapped[Any] = orm.mapped_column(sa.JSON, default=dict)
    price: orm.Mapped[decimal.Decimal] = orm.mapped_column(sa.Numeric(10, 2), default=decimal.Decimal("1.10"))
    code: orm.Mapped[uuid.UUID] = orm.mapped_column(default=uuid.uuid4)
    lent_for: orm.Mapped[datetime.timedelta | None]
    added: orm.Mapped[datetime.datetime] = orm.mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())
    author: orm.Mapped[Author] = orm.relationship(back_populates="books")


@pytest.fixture(params=["memory", "file"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    made = sa.create_engine("eventdb://" if request.param == "memory" else f"eventdb:///{tmp_path / 'shop.eventdb'}?durability=none")
    Base.metadata.create_all(made)
    yield made
    made.dispose()


def test_objects_come_back(engine: sa.Engine) -> None:
    with orm.Session(engine) as session:
        ann = Author(name="ann", books=[Book(title="a", about={"x": [1, 2]}, lent_for=datetime.timedelta(days=2)), Book(title="b")])
        session.add(ann)
        session.commit()
        assert (ann.id, [book.id for book in ann.books]) == (1, [1, 2])
    with orm.Session(engine) as session:
        book = session.scalars(sa.select(Book).where(Book.about["x"][1].as_integer() == 2)).one()
        assert (book.about, book.price, book.lent_for) == ({"x": [1, 2]}, decimal.Decimal("1.10"), datetime.timedelta(days=2))
        assert isinstance(book.code, uuid.UUID)
        assert book.added.tzinfo is not None
        assert session.scalars(sa.select(Book.title).where(Book.about["x", 0].as_string() == "1")).all() == ["a"]
        book.title = "c"
        session.commit()
        assert session.scalars(sa.select(Book.title).order_by(Book.title)).all() == ["b", "c"]
        session.delete(book.author)
        session.commit()
        assert session.scalar(sa.select(sa.func.count()).select_from(Book)) == 0


def test_many_objects_have_their_own_keys(engine: sa.Engine) -> None:
    with orm.Session(engine) as session:
        authors = [Author(name=f"author {place}") for place in range(50)]
        session.add_all(authors)
        session.commit()
        assert [author.id for author in authors] == list(range(1, 51))
        made = session.scalars(
            sa.insert(Author).returning(Author, sort_by_parameter_order=True), [{"name": name} for name in ("x", "a", "m")]
        ).all()
        assert [author.name for author in made] == ["x", "a", "m"]


def test_update_and_delete_give_rows(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.insert(Author), [{"name": "a"}, {"name": "b"}, {"name": "c"}])
        changed = sa.update(Author).where(Author.id > 1).values(name=Author.name + "!").returning(Author.name)
        assert connection.scalars(changed).all() == ["b!", "c!"]
        assert connection.scalars(sa.delete(Author).where(Author.id == 3).returning(Author.id)).all() == [3]


def test_on_conflict(engine: sa.Engine) -> None:
    insert = eventdb_sqlalchemy.insert(Author)
    with engine.begin() as connection:
        update = insert.on_conflict_do_update(
            index_elements=[Author.name], set_={"name": insert.excluded.name + "!"}, where=Author.id < 10
        ).returning(Author.id, Author.name)
        assert connection.execute(update, {"name": "a"}).all() == [(1, "a")]
        assert connection.execute(update, {"name": "a"}).all() == [(1, "a!")]
        nothing = insert.on_conflict_do_nothing(constraint="author_name_key")
        assert connection.execute(nothing, {"name": "a!"}).rowcount == 0
        assert connection.scalar(sa.select(sa.func.count()).select_from(Author)) == 1
    assert update._generate_cache_key() is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "needs 'constraint' or 'index_elements'"),
        ({"constraint": "x", "index_elements": ["id"]}, "mutually exclusive"),
        ({"constraint": "x", "set_": {}}, "not empty"),
    ],
)
def test_on_conflict_that_makes_no_sense(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(sa.exc.ArgumentError, match=message):
        eventdb_sqlalchemy.insert(Author).on_conflict_do_update(**{"set_": {"id": 1}, **arguments})


def test_connections_see_one_database(engine: sa.Engine) -> None:
    with engine.connect() as one, engine.connect() as other:
        one.execute(sa.insert(Author).values(name="a"))
        count = sa.select(sa.func.count()).select_from(Author)
        assert (one.scalar(count), other.scalar(count)) == (1, 0)
        one.commit()
        other.rollback()
        assert other.scalar(count) == 1
    engine.dispose()
    with engine.connect() as again:
        assert again.scalar(count) == 1


def test_memory_is_of_one_engine_unless_it_has_a_name() -> None:
    one, other = sa.create_engine("eventdb://"), sa.create_engine("eventdb:///:memory:")
    shared, too = (sa.create_engine("eventdb:///:memory:test_memory_is_of_one_engine") for _ in range(2))
    for engine in (one, shared):
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE t (x INTEGER)")
    assert sa.inspect(one).has_table("t")
    assert not sa.inspect(other).has_table("t")
    assert sa.inspect(too).has_table("t")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("eventdb://shop.eventdb", "a path follows three slashes"),
        ("eventdb:///x?colour=red", "invalid argument 'colour'"),
        ("eventdb:///x?timeout=soon", "invalid value 'soon'"),
        ("eventdb:///x?read_only=perhaps", "invalid value 'perhaps'"),
    ],
)
def test_bad_urls(url: str, message: str) -> None:
    with pytest.raises(sa.exc.ArgumentError, match=message):
        sa.create_engine(url)


def test_url_arguments_reach_the_driver(tmp_path: Path) -> None:
    engine = sa.create_engine(f"eventdb+eventdb:///{tmp_path / 'x'}?durability=os&actor=ann&timeout=1.5&metadata=%7B%22a%22:1%7D")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (x INTEGER)")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT actor, metadata FROM eventdb.transactions").all() == [("ann", {"a": 1})]
        assert connection.exec_driver_sql("SHOW lock_timeout").scalar() == "1.5"
    engine.dispose()


def test_reflection(engine: sa.Engine) -> None:
    inspector = sa.inspect(engine)
    assert inspector.get_table_names() == ["author", "book"]
    assert inspector.get_pk_constraint("book")["constrained_columns"] == ["id"]
    (key,) = inspector.get_foreign_keys("book")
    assert (key["constrained_columns"], key["referred_table"], key["options"]) == (["author_id"], "author", {"ondelete": "CASCADE"})
    assert [u["column_names"] for u in inspector.get_unique_constraints("author")] == [["name"]]
    columns = {column["name"]: column for column in inspector.get_columns("book")}
    assert columns["id"]["autoincrement"] is True
    assert columns["added"]["default"] == "now()"
    assert str(columns["price"]["type"]) == "NUMERIC(10, 2)"
    with pytest.raises(sa.exc.NoSuchTableError):
        inspector.get_columns("nothing")
    found = sa.MetaData()
    found.reflect(engine)
    assert [table.name for table in found.sorted_tables] == ["author", "book"]


def test_a_closed_connection_is_replaced(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        driver: Any = connection.connection.dbapi_connection
        driver.close()
        with pytest.raises(sa.exc.InterfaceError) as caught:
            connection.execute(sa.select(1))
        assert caught.value.connection_invalidated
        connection.rollback()
        assert connection.scalar(sa.select(1)) == 1


def test_errors_are_of_sqlalchemys_classes(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        connection.execute(sa.insert(Author).values(name="a"))
        with pytest.raises(sa.exc.IntegrityError) as caught:
            connection.execute(sa.insert(Author).values(name="a"))
        assert isinstance(caught.value.orig, eventdb.IntegrityError)
        with pytest.raises(sa.exc.ProgrammingError):
            connection.exec_driver_sql("SELECT nothing")
        assert connection.scalar(sa.select(sa.func.count()).select_from(Author)) == 1


@pytest.mark.parametrize("level", ["SERIALIZABLE", "SNAPSHOT", "AUTOCOMMIT"])
def test_isolation_levels(engine: sa.Engine, level: Any) -> None:
    with engine.connect().execution_options(isolation_level=level) as connection:
        assert connection.get_isolation_level() == level
        connection.execute(sa.insert(Author).values(name=level))
    with engine.connect() as connection:
        assert connection.get_isolation_level() == "SERIALIZABLE"
        assert connection.scalar(sa.select(sa.func.count()).select_from(Author)) == (level == "AUTOCOMMIT")


def test_reserved_words_are_those_of_the_parser() -> None:
    assert {word.lower() for word in RESERVED | FUNCTION_WORDS | NILADIC} <= RESERVED_WORDS


def test_values_of_every_type_round_trip(engine: sa.Engine) -> None:
    """In and out as they are, by themselves, as literals in the text, and as NULL."""
    moment = datetime.datetime(2024, 2, 29, 12, 30, 1, 123456)
    values: list[tuple[Any, Any]] = [
        (sa.Integer(), 7), (sa.BigInteger(), 2**40), (sa.Numeric(20, 5), decimal.Decimal("123456789012345.12345")), (sa.Double(), 0.1),
        (sa.Boolean(), True), (sa.String(10), "it's"), (sa.Text(), "a\\b"), (sa.LargeBinary(), b"\x00\xff'"), (sa.Date(), moment.date()),
        (sa.Time(), moment.time()), (sa.DateTime(), moment), (sa.DateTime(timezone=True), moment.replace(tzinfo=datetime.UTC)),
        (sa.Time(timezone=True), moment.timetz().replace(tzinfo=datetime.UTC)),
        (sa.Interval(), datetime.timedelta(days=-2, microseconds=5)),
        (sa.Uuid(), uuid.UUID(int=5)), (sa.Uuid(as_uuid=False), str(uuid.UUID(int=6))), (sa.Uuid(native_uuid=False), uuid.UUID(int=7)),
        (sa.JSON(), {"a": [1, None, "x'y"]}), (sa.Enum("red", "green", name="colour"), "green"),
    ]  # fmt: skip
    columns = (sa.Column(f"c{place}", datatype) for place, (datatype, _) in enumerate(values))
    table = sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), *columns)
    table.create(engine)
    given = {f"c{place}": value for place, (_, value) in enumerate(values)}
    with engine.begin() as connection:
        connection.execute(table.insert().values(given))
        connection.execute(table.insert(), [{**given, "id": 5}, {"id": 6, **dict.fromkeys(given)}])
        literal = table.insert().values({**given, "id": 7}).compile(engine, compile_kwargs={"literal_binds": True})
        connection.exec_driver_sql(str(literal))
        for row in connection.execute(sa.select(table).where(table.c.id != 6).order_by(table.c.id)):
            assert row[1:] == tuple(given.values())
            assert all(isinstance(found, type(value)) for found, value in zip(row[1:], given.values(), strict=True))
        assert connection.execute(sa.select(table).where(table.c.id == 6)).one()[1:] == (None,) * len(values)
        for name, value in given.items():
            if not isinstance(value, dict):
                assert connection.scalars(sa.select(table.c.id).where(table.c[name] == value).order_by(table.c.id)).all() == [1, 5, 7], name


def test_statements_with_no_type_but_null(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        null = sa.bindparam("x", None, sa.Integer)
        assert connection.scalar(sa.select(null)) is None
        assert connection.scalar(sa.select(sa.case((null.is_not(None), null), else_=3))) == 3


def test_json_is_parsed_by_the_function_given() -> None:
    seen: list[str] = []

    def parse(text: str) -> Any:
        seen.append(text)
        return "parsed"

    engine = sa.create_engine("eventdb://", json_deserializer=parse)
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.literal({"a": 1}, sa.JSON))) == "parsed"
    assert seen == ['{"a": 1}']


def test_intervals_of_months_as_literals(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        for value in (eventdb.Interval(14, -3, 5), eventdb.Interval(0, 40, -7), datetime.timedelta(days=-1, microseconds=3)):
            text = str(sa.select(sa.literal(value, sa.Interval)).compile(engine, compile_kwargs={"literal_binds": True}))
            found = connection.exec_driver_sql(text).scalar()
            assert found == value
            assert found.months == getattr(value, "months", 0)


def test_distinct_on_as_sqlalchemy_says_it(engine: sa.Engine) -> None:
    from sqlalchemy.dialects import postgresql

    distinct_on = getattr(postgresql, "distinct_on", None)
    with engine.connect() as connection:
        connection.execute(sa.insert(Author), [{"name": name} for name in ("b1", "a1", "b2")])
        first = sa.func.substring(Author.name, 1, 1)
        query = sa.select(Author.name).order_by(first, Author.id)
        query = query.distinct(first) if distinct_on is None else query.ext(distinct_on(first))
        assert connection.scalars(query).all() == ["a1", "b1"]


def test_operators_between_parameters_alone(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        for build, result in ((lambda a, b: a % b, 1), (lambda a, b: a + b, 9), (lambda a, b: a // b, 3), (lambda a, b: a.op("&")(b), 2)):
            assert connection.scalar(sa.select(build(sa.literal(7), sa.literal(2)))) == result


def test_streaming(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        connection.execute(sa.insert(Author), [{"name": str(place)} for place in range(2000)])
        rows = connection.execution_options(yield_per=100).execute(sa.select(Author.id))
        assert [len(part) for part in rows.partitions()] == [100] * 20


def test_temporary_tables_are_reflected(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TEMPORARY TABLE book (page INTEGER PRIMARY KEY)")
        inspector = sa.inspect(connection)
        assert inspector.get_temp_table_names() == ["book"]
        assert [column["name"] for column in inspector.get_columns("book")] == ["page"]
        assert "title" in [column["name"] for column in inspector.get_columns("book", schema="public")]
