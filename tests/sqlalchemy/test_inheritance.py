"""Inheritance: single, joined, concrete, and every way of loading the subclasses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.ext.declarative import AbstractConcreteBase


class Base(orm.DeclarativeBase):
    pass


class Employee(Base):
    __tablename__ = "employee"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str]
    kind: orm.Mapped[str]
    company_id: orm.Mapped[int | None] = orm.mapped_column(sa.ForeignKey("company.id"))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "employee"}  # noqa: RUF012


class Engineer(Employee):
    __tablename__ = "engineer"
    id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("employee.id", ondelete="CASCADE"), primary_key=True)
    language: orm.Mapped[str]
    machines: orm.Mapped[list[Machine]] = orm.relationship(order_by="Machine.id")
    __mapper_args__ = {"polymorphic_identity": "engineer"}  # noqa: RUF012


class Manager(Employee):
    """Of the table of employees, with a column of its own."""

    budget: orm.Mapped[int | None]
    __mapper_args__ = {"polymorphic_identity": "manager"}  # noqa: RUF012


class Machine(Base):
    __tablename__ = "machine"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    engineer_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("engineer.id"))


class Company(Base):
    __tablename__ = "company"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    staff: orm.Mapped[list[Employee]] = orm.relationship(order_by=Employee.id)


class Shape(AbstractConcreteBase, Base):
    strict_attrs = True
    name = orm.mapped_column(sa.String(20))


class Circle(Shape):
    __tablename__ = "circle"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str] = orm.mapped_column(sa.String(20))
    radius: orm.Mapped[float]
    __mapper_args__ = {"polymorphic_identity": "circle", "concrete": True}  # noqa: RUF012


class Square(Shape):
    __tablename__ = "square"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str] = orm.mapped_column(sa.String(20))
    side: orm.Mapped[int]
    __mapper_args__ = {"polymorphic_identity": "square", "concrete": True}  # noqa: RUF012


orm.configure_mappers()


@pytest.fixture
def session(make_engine: Callable[..., sa.Engine]) -> Iterator[orm.Session]:
    with orm.Session(make_engine(Base.metadata)) as session:
        staff = [
            Engineer(name="ann", language="python", machines=[Machine(), Machine()]),
            Manager(name="bob", budget=7),
            Employee(name="cid"),
        ]
        session.add(Company(staff=staff))
        session.commit()
        session.expunge_all()
        yield session


OPTIONS: dict[str, Any] = {
    "none": lambda: (sa.select(Employee), ()),
    "selectin": lambda: (sa.select(Employee), (orm.selectin_polymorphic(Employee, [Engineer, Manager]),)),
    "with_polymorphic": lambda: (sa.select(orm.with_polymorphic(Employee, "*")), ()),
    "flat": lambda: (sa.select(orm.with_polymorphic(Employee, [Engineer], flat=True)), ()),
}


@pytest.mark.parametrize("way", OPTIONS)
def test_subclasses_come_back_however_they_are_loaded(session: orm.Session, way: str) -> None:
    statement, options = OPTIONS[way]()
    ann, bob, cid = sorted(session.scalars(statement.options(*options)), key=lambda employee: employee.id)
    assert (type(ann), type(bob), type(cid)) == (Engineer, Manager, Employee)
    assert (ann.language, bob.budget, len(ann.machines)) == ("python", 7, 2)


def test_subclasses_through_a_relationship(session: orm.Session) -> None:
    options = orm.selectinload(Company.staff).options(
        orm.selectin_polymorphic(Employee, [Engineer]), orm.selectinload(Engineer.machines)
    )
    company = session.scalars(sa.select(Company).options(options)).one()
    assert [type(employee) for employee in company.staff] == [Engineer, Manager, Employee]
    assert len(company.staff[0].machines) == 2  # type: ignore[attr-defined]
    joined = sa.select(Company.id).join(Company.staff.of_type(Engineer)).where(Engineer.language == "python")
    assert session.scalars(joined).all() == [1]


def test_queries_of_a_subclass(session: orm.Session) -> None:
    assert session.scalars(sa.select(Engineer.name).where(Engineer.language == "python")).all() == ["ann"]
    assert session.scalars(sa.select(Manager.name)).all() == ["bob"]
    assert session.get(Manager, 1) is None
    assert isinstance(session.get(Employee, 1), Engineer)
    either = orm.with_polymorphic(Employee, [Engineer, Manager])
    found = session.scalars(sa.select(either).where(sa.or_(either.Engineer.language == "python", either.Manager.budget == 7)))
    assert sorted(employee.name for employee in found) == ["ann", "bob"]


def test_changes_reach_all_tables(session: orm.Session) -> None:
    ann = session.get_one(Engineer, 1)
    ann.name, ann.language = "anna", "sql"
    session.commit()
    assert session.execute(sa.text("SELECT e.name, g.language FROM employee e JOIN engineer g ON g.id = e.id")).all() == [("anna", "sql")]
    session.execute(sa.update(Manager).values(budget=Manager.budget + 1))
    session.execute(sa.update(Employee).where(Employee.kind == "employee").values(name="cyd"))
    for machine in list(ann.machines):
        session.delete(machine)
    session.flush()
    session.delete(ann)
    session.commit()
    assert session.execute(sa.select(Employee.name, Manager.__table__.c.budget).order_by(Employee.id)).all() == [("bob", 8), ("cyd", None)]
    assert session.scalar(sa.text("SELECT count(*) FROM engineer")) == 0


def test_many_of_a_joined_class(session: orm.Session) -> None:
    session.add_all([Engineer(name=f"e{n}", language="c") for n in range(100)])
    session.commit()
    assert session.scalar(sa.select(sa.func.count()).select_from(Engineer).where(Engineer.language == "c")) == 100
    names = dict(session.execute(sa.select(Engineer.id, Engineer.name)).all())  # type: ignore[arg-type]
    assert sorted(names.values()) == sorted(["ann", *[f"e{n}" for n in range(100)]])


def test_concrete(session: orm.Session) -> None:
    session.add_all([Circle(id=1, name="c", radius=1.5), Square(id=1, name="s", side=2), Square(id=2, name="t", side=3)])
    session.commit()
    session.expunge_all()
    found = sorted(session.scalars(sa.select(Shape)), key=lambda shape: shape.name)
    assert [type(shape) for shape in found] == [Circle, Square, Square]
    assert (found[0].radius, found[2].side) == (1.5, 3)
    assert session.scalars(sa.select(Square.side).order_by(Square.id)).all() == [2, 3]
    found[1].side = 9
    session.delete(found[0])
    session.commit()
    assert session.scalar(sa.select(sa.func.count()).select_from(Shape)) == 2
