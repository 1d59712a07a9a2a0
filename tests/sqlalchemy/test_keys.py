"""Keys and values that the database makes: composite and natural keys, identity, sequences, defaults, computed columns, versions."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import orm

Make = Callable[..., sa.Engine]


class Base(orm.DeclarativeBase):
    pass


class Country(Base):
    __tablename__ = "country"
    code: orm.Mapped[str] = orm.mapped_column(sa.String(2), primary_key=True)
    cities: orm.Mapped[list[City]] = orm.relationship(back_populates="country", passive_updates=True, order_by="City.name")


class City(Base):
    __tablename__ = "city"
    country_code: orm.Mapped[str] = orm.mapped_column(
        sa.ForeignKey("country.code", onupdate="CASCADE", ondelete="CASCADE"), primary_key=True
    )
    name: orm.Mapped[str] = orm.mapped_column(primary_key=True)
    country: orm.Mapped[Country] = orm.relationship(back_populates="cities")
    streets: orm.Mapped[list[Street]] = orm.relationship(back_populates="city", cascade="all, delete-orphan", order_by="Street.number")


class Street(Base):
    __tablename__ = "street"
    number: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    country_code: orm.Mapped[str]
    city_name: orm.Mapped[str]
    city: orm.Mapped[City] = orm.relationship(back_populates="streets")
    __table_args__ = (sa.ForeignKeyConstraint(["country_code", "city_name"], ["city.country_code", "city.name"], onupdate="CASCADE"),)


class Document(Base):
    __tablename__ = "document"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    text: orm.Mapped[str]
    version: orm.Mapped[int] = orm.mapped_column()
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class Stamped(Base):
    __tablename__ = "stamped"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    text: orm.Mapped[str]
    token: orm.Mapped[str] = orm.mapped_column()
    __mapper_args__ = {  # noqa: RUF012
        "version_id_col": token, "version_id_generator": lambda version: "1" if version is None else str(int(version) + 1),
    }  # fmt: skip


class Made(Base):
    __tablename__ = "made"
    id: orm.Mapped[int] = orm.mapped_column(sa.Identity(always=True, start=100, increment=10), primary_key=True)
    number: orm.Mapped[int] = orm.mapped_column(sa.Sequence("made_number", start=7))
    by_server: orm.Mapped[int] = orm.mapped_column(sa.Sequence("made_other"), server_default=sa.Sequence("made_other").next_value())
    name: orm.Mapped[str] = orm.mapped_column(server_default="nameless")
    at: orm.Mapped[datetime.datetime] = orm.mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now(), onupdate=sa.func.now())
    width: orm.Mapped[int] = orm.mapped_column(default=lambda: 2)
    height: orm.Mapped[int] = orm.mapped_column(default=3)
    area: orm.Mapped[int] = orm.mapped_column(sa.Computed("width * height"))
    touched: orm.Mapped[int] = orm.mapped_column(default=0, onupdate=lambda: 1)
    __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012


class Expression(Base):
    __tablename__ = "expression"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    value: orm.Mapped[int]


def test_composite_keys(make_engine: Make) -> None:
    with orm.Session(make_engine(Base.metadata)) as session:
        session.add(Country(code="de", cities=[City(name="Bonn", streets=[Street(), Street()]), City(name="Ulm")]))
        session.commit()
        session.expunge_all()
        bonn = session.get_one(City, ("de", "Bonn"))
        assert session.get(City, {"name": "Bonn", "country_code": "de"}) is bonn
        assert [street.number for street in bonn.streets] == [1, 2]
        found = session.scalars(sa.select(City.name).where(sa.tuple_(City.country_code, City.name).in_([("de", "Ulm"), ("fr", "Bonn")])))
        assert found.all() == ["Ulm"]
        options = (orm.selectinload(City.streets), orm.joinedload(City.country))
        loaded = session.scalars(sa.select(City).options(*options).order_by(City.name)).all()
        assert [(city.country.code, len(city.streets)) for city in loaded] == [("de", 2), ("de", 0)]
        session.merge(City(country_code="de", name="Jena"))
        session.commit()
        assert len(session.get_one(Country, "de").cities) == 3


def test_natural_keys_follow_an_update(make_engine: Make) -> None:
    with orm.Session(make_engine(Base.metadata)) as session:
        de = Country(code="de", cities=[City(name="Bonn", streets=[Street()])])
        session.add(de)
        session.commit()
        de.code = "xx"
        session.commit()
        assert [city.country_code for city in de.cities] == ["xx"]
        assert session.execute(sa.select(Street.country_code, Street.city_name)).all() == [("xx", "Bonn")]
        assert session.get(Country, "de") is None
        de.cities[0].name = "Mainz"
        session.commit()
        assert session.scalars(sa.select(Street.city_name)).all() == ["Mainz"]


def test_a_key_that_is_taken(make_engine: Make) -> None:
    with orm.Session(make_engine(Base.metadata)) as session:
        session.add_all([Country(code="de"), Country(code="fr")])
        session.commit()
        session.get_one(Country, "fr").code = "de"
        with pytest.raises(sa.exc.IntegrityError) as caught:
            session.commit()
        assert caught.value.orig.sqlstate == "23505"  # type: ignore[union-attr]
        session.rollback()
        assert session.scalars(sa.select(Country.code).order_by(Country.code)).all() == ["de", "fr"]


@pytest.mark.parametrize("entity", [Document, Stamped])
def test_versions_that_are_stale(make_engine: Make, entity: Any) -> None:
    engine = make_engine(Base.metadata)
    with orm.Session(engine) as session:
        session.add(entity(id=1, text="a"))
        session.commit()
    with orm.Session(engine, expire_on_commit=False) as one, orm.Session(engine) as other:
        mine = one.get_one(entity, 1)
        one.commit()
        other.get_one(entity, 1).text = "b"
        other.commit()
        mine.text = "mine"
        with pytest.raises(orm.exc.StaleDataError, match="expected to update 1 row"):
            one.flush()
        one.rollback()
        assert mine.text == "b"
        mine.text = "mine"
        one.commit()
        assert str(mine.version if entity is Document else mine.token) == "3"
        other.execute(sa.delete(entity.__table__))
        other.commit()
        one.delete(mine)
        with pytest.raises(orm.exc.StaleDataError, match="expected to delete 1 row"):
            one.flush()


def test_what_the_database_makes_comes_back_without_another_statement(make_engine: Make) -> None:
    engine = make_engine(Base.metadata)
    with orm.Session(engine) as session:
        made = [Made(), Made(width=5, name="x"), Made()]
        session.add_all(made)
        session.flush()
        statements: list[str] = []
        sa.event.listen(engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
        assert [(m.id, m.by_server, m.name, m.area) for m in made] == [
            (100, 1, "nameless", 6), (110, 2, "x", 15), (120, 3, "nameless", 6),
        ]  # fmt: skip
        assert all(m.at.tzinfo is not None for m in made)
        assert statements == []
        assert [m.number for m in made] == [7, 8, 9]
        before = made[0].at
        session.commit()
        statements.clear()
        made[0].height = 10
        session.flush()
        assert sum("SELECT" in statement for statement in statements) == 1  # to refresh it, after the commit
        assert (made[0].area, made[0].touched, made[0].at >= before) == (20, 1, True)
        assert sum("SELECT" in statement for statement in statements) == 1
        session.commit()
        with pytest.raises(sa.exc.DBAPIError, match=r"area|generated"):
            session.execute(sa.insert(Made).values(area=3))
        session.rollback()
        with pytest.raises(sa.exc.DBAPIError, match=r"GENERATED|identity"):
            session.execute(sa.insert(Made.__table__).values(id=3))


def test_sequences_stand_alone(make_engine: Make) -> None:
    sequence = sa.Sequence("alone", start=5, increment=5, metadata=sa.MetaData())
    with make_engine().begin() as connection:
        connection.execute(sa.schema.CreateSequence(sequence))
        assert [connection.scalar(sequence), connection.scalar(sa.select(sequence.next_value()))] == [5, 10]
        assert sa.inspect(connection).get_sequence_names() == ["alone"]
        connection.execute(sa.schema.DropSequence(sequence))
        assert not sa.inspect(connection).has_sequence("alone")


def test_sql_expressions_as_values(make_engine: Make) -> None:
    with orm.Session(make_engine(Base.metadata)) as session:
        one = Expression(id=1, value=sa.select(sa.func.coalesce(sa.func.max(Expression.value), 0) + 41).scalar_subquery())
        session.add(one)
        session.commit()
        assert one.value == 41
        one.value = Expression.value + 1  # type: ignore[assignment]
        session.commit()
        assert one.value == 42
