"""history(): the versions of an object with who made them, why and when."""

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
import eventdb_sqlalchemy as es


class Base(orm.DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "item"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    title: orm.Mapped[str] = orm.mapped_column("name")
    price: orm.Mapped[decimal.Decimal | None] = orm.mapped_column(sa.Numeric(8, 2))
    about: orm.Mapped[Any] = orm.mapped_column(sa.JSON, nullable=True)


class Seat(Base):
    __tablename__ = "seat"
    row: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    letter: orm.Mapped[str] = orm.mapped_column(primary_key=True)
    actor: orm.Mapped[str | None]


class Party(Base):
    __tablename__ = "party"
    id: orm.Mapped[uuid.UUID] = orm.mapped_column(primary_key=True)
    kind: orm.Mapped[str]
    name: orm.Mapped[str]
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "party"}  # noqa: RUF012


class Person(Party):
    __tablename__ = "person"
    party_id: orm.Mapped[uuid.UUID] = orm.mapped_column(sa.ForeignKey("party.id"), primary_key=True)
    mail: orm.Mapped[str | None]
    __mapper_args__ = {"polymorphic_identity": "person"}  # noqa: RUF012


class Member(Person):
    since: orm.Mapped[datetime.date | None]
    __mapper_args__ = {"polymorphic_identity": "member"}  # noqa: RUF012


class Firm(Party):
    __tablename__ = "firm"
    id: orm.Mapped[uuid.UUID] = orm.mapped_column(sa.ForeignKey("party.id"), primary_key=True)
    tax: orm.Mapped[str]
    __mapper_args__ = {"polymorphic_identity": "firm"}  # noqa: RUF012


@pytest.fixture
def session(tmp_path: Path) -> Iterator[orm.Session]:
    engine = sa.create_engine(f"eventdb:///{tmp_path / 'x.eventdb'}?durability=none")
    Base.metadata.create_all(engine)
    with orm.Session(engine) as made:
        yield made
    engine.dispose()


def told(versions: list[es.Version]) -> list[tuple[Any, ...]]:
    return [(version.operation, version.actor, version.reason, sorted(version.changed)) for version in versions]


def test_an_object_from_its_birth_to_its_death(session: orm.Session) -> None:
    lamp = Item(id=1, title="lamp", price=decimal.Decimal("49.90"), about={"colour": "red"})
    with eventdb.context(actor="ann", reason="new in shop", correlation_id="r1", metadata={"page": 7}):
        session.add(lamp)
        session.commit()
    with eventdb.context(actor="bob"):
        lamp.price = decimal.Decimal("39.90")
        session.commit()
    versions = es.history(lamp)
    assert told(versions) == [("insert", "ann", "new in shop", ["about", "id", "price", "title"]), ("update", "bob", None, ["price"])]
    first = versions[0]
    assert dict(first) == {"id": 1, "title": "lamp", "price": decimal.Decimal("49.90"), "about": {"colour": "red"}}
    assert (first.title, first["title"], first.correlation_id, first.metadata) == ("lamp", "lamp", "r1", {"page": 7})
    assert (first.transaction, first.committed_at.tzinfo) == (2, datetime.UTC)  # type: ignore[union-attr]
    assert "insert by ann" in repr(first)
    with pytest.raises(AttributeError, match="no attribute 'colour'"):
        _ = first.colour
    session.delete(lamp)
    session.commit()
    gone = es.history(Item, 1, session=session)
    assert told(gone)[2] == ("delete", None, None, [])
    assert gone[2].title == "lamp"
    session.add(Item(id=1, title="other lamp"))
    session.commit()
    again = es.history(Item, (1,), session=session.connection())
    assert [version.operation for version in again] == ["insert", "update", "delete", "insert"]
    assert es.history(Item, 99, session=session) == []


def test_what_is_not_committed_is_there_without_a_time(session: orm.Session) -> None:
    item = Item(id=1, title="a")
    session.add(item)
    session.commit()
    item.title = "b"
    session.flush()
    last = es.history(item)[-1]
    assert (last.title, last.operation, last.committed_at) == ("b", "update", None)
    session.rollback()
    assert [version.title for version in es.history(item)] == ["a"]


def test_composite_keys_and_names_that_are_taken(session: orm.Session) -> None:
    session.add_all([Seat(row=1, letter="a", actor="x"), Seat(row=1, letter="b", actor="y")])
    session.commit()
    seat = session.get_one(Seat, (1, "a"))
    seat.actor = "z"
    with eventdb.context(actor="ann"):
        session.commit()
    versions = es.history(seat)
    assert [(version.actor, version["actor"]) for version in versions] == [(None, "x"), ("ann", "z")]
    assert len(es.history(Seat, (1, "b"), session=session)) == 1
    with pytest.raises(sa.exc.ArgumentError, match="has 2 parts, not 1"):
        es.history(Seat, 1, session=session)


def test_joined_inheritance_is_merged_by_transaction(session: orm.Session) -> None:
    key, other = uuid.uuid4(), uuid.uuid4()
    ann = Member(id=key, name="ann", mail="a@x", since=datetime.date(2024, 1, 1))
    session.add_all([ann, Firm(id=other, name="inc", tax="7")])
    session.commit()
    ann.mail = "b@x"
    session.commit()
    ann.name = "anna"
    session.commit()
    ann.name, ann.mail = "annabel", "c@x"
    session.commit()
    session.delete(ann)
    session.commit()
    for entity in (Party, Person, Member):
        versions = es.history(entity, key, session=session)
        assert [(v.operation, v.name, v.mail) for v in versions] == [
            ("insert", "ann", "a@x"), ("update", "ann", "b@x"), ("update", "anna", "b@x"), ("update", "annabel", "c@x"),
            ("delete", "annabel", "c@x"),
        ]  # fmt: skip
        assert versions[0].since == datetime.date(2024, 1, 1)
        assert [sorted(v.changed) for v in versions[1:4]] == [["mail"], ["name"], ["mail", "name"]]
    assert dict(es.history(session.get_one(Firm, other))[0]) == {"id": other, "kind": "firm", "name": "inc", "tax": "7"}


def test_of_an_object_of_the_past(session: orm.Session) -> None:
    item = Item(id=1, title="a")
    session.add(item)
    session.commit()
    item.title = "b"
    session.commit()
    (then,) = session.scalars(sa.select(Item), execution_options={"as_of": 2})
    assert then.title == "a"
    assert [version.title for version in es.history(then)] == ["a", "b"]


def test_what_has_no_history(session: orm.Session) -> None:
    for of, key, message in (
        (Item(id=1), None, "never in the database"), (Item, None, "needs the primary key"), (Item, 1, "needs a session"),
        ("item", 1, "an object or a mapped class"),
    ):  # fmt: skip
        with pytest.raises(sa.exc.ArgumentError, match=message):
            es.history(of, key)
