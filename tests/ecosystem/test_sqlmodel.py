"""A small program with SQLModel: heroes and teams, validated, related, changed, and asked about as of before."""

from collections.abc import Iterator
from pathlib import Path
from typing import Optional

import pytest
import sqlalchemy as sa
from sqlmodel import Field, Relationship, Session, SQLModel, create_engine, select


class Team(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(index=True, unique=True)
    heroes: list["Hero"] = Relationship(back_populates="team")


class Hero(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    age: int | None = None
    team_id: int | None = Field(default=None, foreign_key="team.id")
    team: Optional[Team] = Relationship(back_populates="heroes")  # noqa: UP045


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    engine = create_engine(f"eventdb:///{tmp_path / 'heroes.eventdb'}")
    SQLModel.metadata.create_all(engine, tables=[Team.__table__, Hero.__table__])
    with Session(engine) as made:
        yield made
    engine.dispose()


def test_heroes_and_teams(session: Session) -> None:
    team = Team(name="night")
    session.add_all([Hero(name="Ann", age=30, team=team), Hero(name="Bob", team=team), Hero(name="Cid", age=17)])
    session.commit()
    found = session.exec(select(Hero, Team).join(Team).where(Hero.age > 20)).all()
    assert [(hero.name, there.name) for hero, there in found] == [("Ann", "night")]
    assert sorted(hero.name for hero in team.heroes) == ["Ann", "Bob"]
    head = session.exec(sa.text("SELECT max(number) FROM eventdb.transactions")).scalar_one()
    hero = session.exec(select(Hero).where(Hero.name == "Cid")).one()
    hero.age = 18
    hero.team = team
    session.add(hero)
    session.delete(session.exec(select(Hero).where(Hero.name == "Bob")).one())
    session.commit()
    assert [row.model_dump(exclude={"id"}) for row in session.exec(select(Hero).order_by(Hero.name))] == [
        {"name": "Ann", "age": 30, "team_id": team.id}, {"name": "Cid", "age": 18, "team_id": team.id},
    ]  # fmt: skip
    past = sa.text("SELECT name, age FROM hero FOR SYSTEM_TIME AS OF TRANSACTION :n ORDER BY name").bindparams(n=head)
    assert [tuple(row) for row in session.exec(past)] == [("Ann", 30), ("Bob", None), ("Cid", 17)]


def test_a_second_team_of_one_name(session: Session) -> None:
    session.add(Team(name="day"))
    session.commit()
    session.add(Team(name="day"))
    with pytest.raises(sa.exc.IntegrityError, match="team"):
        session.commit()
