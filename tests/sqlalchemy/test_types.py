"""Values of every type through the ORM, and expressions over them: JSON paths, hybrids, column properties, composites."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import uuid
import zoneinfo
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.ext.hybrid import hybrid_method, hybrid_property
from sqlalchemy.ext.mutable import MutableDict, MutableList

import eventdb
import eventdb_sqlalchemy as es


class Colour(enum.Enum):
    RED = "r"
    GREEN = "g"


@dataclasses.dataclass
class Point:
    x: int
    y: int


class Cents(sa.TypeDecorator[int]):
    impl = sa.Numeric(10, 2)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else decimal.Decimal(value) / 100

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else int(value * 100)


class Base(orm.DeclarativeBase):
    pass


class Thing(Base):
    __tablename__ = "thing"
    id: orm.Mapped[uuid.UUID] = orm.mapped_column(primary_key=True, default=uuid.uuid4)
    text_id: orm.Mapped[str | None] = orm.mapped_column(sa.Uuid(as_uuid=False))
    price: orm.Mapped[decimal.Decimal | None] = orm.mapped_column(sa.Numeric(30, 10))
    cents: orm.Mapped[int | None] = orm.mapped_column(Cents)
    ratio: orm.Mapped[float | None]
    flag: orm.Mapped[bool | None]
    colour: orm.Mapped[Colour | None]
    checked: orm.Mapped[Colour | None] = orm.mapped_column(
        sa.Enum(Colour, create_constraint=True, name="checked_colour", native_enum=False)
    )
    data: orm.Mapped[bytes | None]
    day: orm.Mapped[datetime.date | None]
    clock: orm.Mapped[datetime.time | None]
    naive: orm.Mapped[datetime.datetime | None]
    aware: orm.Mapped[datetime.datetime | None] = orm.mapped_column(sa.DateTime(timezone=True))
    span: orm.Mapped[datetime.timedelta | None]
    about: orm.Mapped[Any] = orm.mapped_column(sa.JSON, nullable=True)
    settings: orm.Mapped[dict[str, Any] | None] = orm.mapped_column(MutableDict.as_mutable(sa.JSON))
    names: orm.Mapped[list[str] | None] = orm.mapped_column(MutableList.as_mutable(sa.JSON))
    pickled: orm.Mapped[Any] = orm.mapped_column(sa.PickleType, nullable=True)
    notes: orm.Mapped[list[Note]] = orm.relationship(back_populates="thing")

    @hybrid_property
    def dear(self) -> bool:
        return self.price is not None and self.price > 100

    @dear.inplace.expression
    @classmethod
    def _dear(cls) -> Any:
        return sa.and_(cls.price.is_not(None), cls.price > 100)

    @hybrid_method
    def cheaper_than(self, limit: Any) -> Any:
        return self.price < limit  # type: ignore[operator]


class Note(Base):
    __tablename__ = "note"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    thing_id: orm.Mapped[uuid.UUID] = orm.mapped_column(sa.ForeignKey("thing.id"))
    first: orm.Mapped[str] = orm.mapped_column()
    last: orm.Mapped[str] = orm.mapped_column()
    start: orm.Mapped[Point] = orm.composite(orm.mapped_column("x"), orm.mapped_column("y"))
    whole: orm.Mapped[str] = orm.column_property(first + " " + last)
    long: orm.Mapped[str | None] = orm.deferred(orm.mapped_column(sa.Text))
    thing: orm.Mapped[Thing] = orm.relationship(back_populates="notes")


Thing.note_count = orm.column_property(  # type: ignore[attr-defined]
    sa.select(sa.func.count(Note.id)).where(Note.thing_id == Thing.id).correlate_except(Note).scalar_subquery()
)


@pytest.fixture
def session(make_engine: Callable[..., sa.Engine]) -> Iterator[orm.Session]:
    with orm.Session(make_engine(Base.metadata)) as made:
        yield made


BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
VALUES: dict[str, list[Any]] = {
    "text_id": [str(uuid.UUID(int=7))],
    "price": [decimal.Decimal("12345678901234567890.0123456789"), decimal.Decimal("0.3"), decimal.Decimal("-1E-10")],
    "cents": [1, 1999, -5],
    "ratio": [0.1, 1e308, float("inf"), -0.0],
    "flag": [True, False],
    "colour": [Colour.RED],
    "checked": [Colour.GREEN],
    "data": [b"", bytes(range(256))],
    "day": [datetime.date(1, 1, 1), datetime.date(9999, 12, 31)],
    "clock": [datetime.time(23, 59, 59, 999999)],
    "naive": [datetime.datetime(2024, 2, 29, 1, 2, 3, 4)],
    "aware": [datetime.datetime(2024, 7, 1, 12, tzinfo=BERLIN), datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)],
    "span": [datetime.timedelta(days=-3, microseconds=1), datetime.timedelta(0), eventdb.Interval(months=14, days=2)],
    "about": [{"a": [1, 2.5, None, "é", {"b": True}]}, [], "text", 7, False],
    "pickled": [{"any": (1, 2)}],
}


@pytest.mark.parametrize("name", VALUES)
def test_values_come_back_as_they_were(session: orm.Session, name: str) -> None:
    column = getattr(Thing, name)
    for value in VALUES[name]:
        thing = Thing(**{name: value})
        session.add(thing)
        session.commit()
        assert getattr(thing, name) == value
        assert type(getattr(thing, name)) is type(value) or isinstance(value, datetime.datetime | datetime.timedelta)
        if name != "about":  # JSON has no equality, as in PostgreSQL
            assert session.scalars(sa.select(Thing.id).where(column == value)).all() == [thing.id]
        assert session.scalars(sa.select(column).where(Thing.id == thing.id)).one() == value
        session.delete(thing)
    empty = Thing()
    session.add(empty)
    session.commit()
    assert getattr(empty, name) is None
    assert session.scalars(sa.select(Thing.id).where(column.is_(None))).all() == [empty.id]


def test_numbers_are_exact(session: orm.Session) -> None:
    session.add_all([Thing(price=decimal.Decimal("0.1")) for _ in range(10)])
    session.commit()
    assert session.scalar(sa.select(sa.func.sum(Thing.price))) == decimal.Decimal(1)
    assert session.scalar(sa.select(sa.func.sum(Thing.price) / 3)) != decimal.Decimal(1) / 4
    assert session.scalar(sa.select(sa.cast("0.30000000000000000001", sa.Numeric(30, 20)))) == decimal.Decimal("0.30000000000000000001")


def test_an_enum_that_is_checked(session: orm.Session) -> None:
    with pytest.raises(sa.exc.IntegrityError, match="checked_colour"):
        session.execute(sa.text("INSERT INTO thing (id, checked) VALUES ('00000000-0000-0000-0000-000000000001', 'BLUE')"))


def test_time_zones(session: orm.Session) -> None:
    session.add(Thing(aware=datetime.datetime(2024, 7, 1, 12, tzinfo=BERLIN), naive=datetime.datetime(2024, 7, 1, 12)))
    session.commit()
    aware, naive = session.execute(sa.select(Thing.aware, Thing.naive)).one()
    assert (aware.utcoffset(), aware.hour, naive.tzinfo) == (datetime.timedelta(0), 10, None)
    day = datetime.timedelta(days=1)
    local = sa.select(sa.func.timezone("Europe/Berlin", Thing.aware), sa.extract("hour", Thing.aware), Thing.naive + day)
    assert session.execute(local).one() == (naive, 10, datetime.datetime(2024, 7, 2, 12))
    assert session.scalar(sa.select(Thing.aware - datetime.timedelta(hours=2))) == aware - datetime.timedelta(hours=2)


def test_json_paths(session: orm.Session) -> None:
    about = {"name": "x", "n": 7, "f": 1.5, "t": True, "deep": {"list": [{"k": "v"}, 2]}, "o'k \"q\"": 1, "none": None}
    session.add_all([Thing(about=about), Thing(about={"name": "y", "n": 8})])
    session.commit()

    def found(condition: Any) -> int:
        return int(session.scalar(sa.select(sa.func.count()).where(condition).select_from(Thing)) or 0)

    assert found(Thing.about["name"].as_string() == "x") == 1
    assert found(Thing.about["n"].as_integer() > 7) == 1
    assert found(Thing.about["f"].as_float() == 1.5) == 1
    assert found(Thing.about["f"].as_numeric(10, 2) == decimal.Decimal("1.5")) == 1
    assert found(Thing.about["t"].as_boolean()) == 1
    assert found(Thing.about[("deep", "list", 0, "k")].as_string() == "v") == 1
    assert found(Thing.about["deep"]["list"][1].as_integer() == 2) == 1
    assert found(Thing.about["o'k \"q\""].as_integer() == 1) == 1
    assert session.scalars(sa.select(Thing.about[("deep", "list")]).where(Thing.about["n"].as_integer() == 7)).all() == [[{"k": "v"}, 2]]
    assert session.scalars(sa.select(Thing.about["none"]).where(Thing.about["n"].as_integer() == 7)).all() == [None]
    assert session.scalars(sa.select(Thing.about["name"].as_string()).order_by(Thing.about["n"].as_integer().desc())).all() == ["y", "x"]


def test_json_null_and_sql_null(session: orm.Session) -> None:
    session.add_all([Thing(about=sa.null()), Thing(about=sa.JSON.NULL), Thing(about=None)])
    session.commit()
    assert session.scalar(sa.select(sa.func.count()).where(Thing.about.is_(None))) == 1
    assert session.scalar(sa.select(sa.func.count()).where(sa.cast(Thing.about, sa.String) == "null")) == 2


def test_values_that_are_changed_in_place(session: orm.Session) -> None:
    thing = Thing(settings={"a": 1}, names=["x"])
    session.add(thing)
    session.commit()
    thing.settings["b"] = 2  # type: ignore[index]
    thing.names.append("y")  # type: ignore[union-attr]
    session.commit()
    assert (thing.settings, thing.names) == ({"a": 1, "b": 2}, ["x", "y"])
    assert [len(version.settings) for version in es.history(thing)] == [1, 2]


def test_hybrids(session: orm.Session) -> None:
    session.add_all([Thing(price=decimal.Decimal(150)), Thing(price=decimal.Decimal(50)), Thing()])
    session.commit()
    assert sorted(thing.dear for thing in session.scalars(sa.select(Thing))) == [False, False, True]
    assert session.scalars(sa.select(Thing.price).where(Thing.dear)).all() == [decimal.Decimal(150)]
    assert session.scalars(sa.select(Thing.price).where(Thing.cheaper_than(100))).all() == [decimal.Decimal(50)]
    session.execute(sa.update(Thing).where(Thing.dear).values(price=1))
    assert session.scalar(sa.select(sa.func.count()).where(Thing.dear)) == 0


def test_composites_and_column_properties(session: orm.Session) -> None:
    thing = Thing(notes=[Note(first="a", last="b", start=Point(1, 2)), Note(first="c", last="d", start=Point(3, 4), long="x" * 1000)])
    session.add(thing)
    session.commit()
    note = session.scalars(sa.select(Note).where(Note.start == Point(3, 4))).one()
    assert (note.whole, note.start.y) == ("c d", 4)
    assert "long" not in note.__dict__
    assert len(note.long) == 1000  # type: ignore[arg-type]
    assert thing.note_count == 2  # type: ignore[attr-defined]
    assert session.scalars(sa.select(Note.first).where(Note.whole == "a b")).all() == ["a"]
    note.start = Point(5, 6)
    session.commit()
    assert session.execute(sa.select(Note.start).where(Note.id == note.id)).scalar_one() == Point(5, 6)
    (then,) = session.scalars(sa.select(Note).where(Note.id == note.id), execution_options={"as_of": 2})
    assert (then.start, then.thing.note_count) == (Point(3, 4), 2)
