"""Queries: common table expressions, windows, LATERAL, grouping, set operations, streaming."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import orm


class Base(orm.DeclarativeBase):
    pass


class Sale(Base):
    __tablename__ = "sale"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    shop: orm.Mapped[str]
    amount: orm.Mapped[int]


class Part(Base):
    __tablename__ = "part"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    of: orm.Mapped[int | None] = orm.mapped_column(sa.ForeignKey("part.id"))
    name: orm.Mapped[str]


SALES = [("a", 10), ("a", 30), ("b", 5), ("b", 5), ("b", 20), ("c", 1)]


@pytest.fixture
def session(make_engine: Callable[..., sa.Engine]) -> Iterator[orm.Session]:
    with orm.Session(make_engine(Base.metadata)) as session:
        session.execute(sa.insert(Sale), [{"shop": shop, "amount": amount} for shop, amount in SALES])
        parts = [(1, None, "car"), (2, 1, "wheel"), (3, 1, "engine"), (4, 3, "piston"), (5, 4, "ring")]
        session.execute(sa.insert(Part), [{"id": i, "of": of, "name": name} for i, of, name in parts])
        session.commit()
        yield session


def test_common_table_expressions(session: orm.Session) -> None:
    totals = sa.select(Sale.shop, sa.func.sum(Sale.amount).label("total")).group_by(Sale.shop).cte("totals")
    best = sa.select(totals.c.shop).where(totals.c.total == sa.select(sa.func.max(totals.c.total)).scalar_subquery())
    assert session.scalars(best).all() == ["a"]
    tree = sa.select(Part.id, Part.name, sa.literal(0).label("depth")).where(Part.of.is_(None)).cte("tree", recursive=True)
    below = orm.aliased(Part)
    tree = tree.union_all(sa.select(below.id, below.name, tree.c.depth + 1).join(tree, below.of == tree.c.id))
    assert session.execute(sa.select(tree.c.name, tree.c.depth).order_by(tree.c.depth, tree.c.name)).all() == [
        ("car", 0), ("engine", 1), ("wheel", 1), ("piston", 2), ("ring", 3),
    ]  # fmt: skip
    entity = orm.aliased(Part, tree)
    assert [part.name for part in session.scalars(sa.select(entity).where(tree.c.depth > 1).order_by(entity.id))] == ["piston", "ring"]


def test_windows(session: orm.Session) -> None:
    rank = sa.func.row_number().over(partition_by=Sale.shop, order_by=[Sale.amount.desc(), Sale.id])
    running = sa.func.sum(Sale.amount).over(partition_by=Sale.shop, order_by=Sale.id, rows=(None, 0))
    lag = sa.func.lag(Sale.amount, 1, 0).over(order_by=Sale.id)
    rows = session.execute(sa.select(Sale.shop, Sale.amount, rank, running, lag).order_by(Sale.id)).all()
    assert rows == [
        ("a", 10, 2, 10, 0), ("a", 30, 1, 40, 10), ("b", 5, 2, 5, 30), ("b", 5, 3, 10, 5), ("b", 20, 1, 30, 5), ("c", 1, 1, 1, 20),
    ]  # fmt: skip
    ranked = sa.select(Sale, rank.label("place")).subquery()
    top = orm.aliased(Sale, ranked)
    assert [sale.amount for sale in session.scalars(sa.select(top).where(ranked.c.place == 1).order_by(top.shop))] == [30, 20, 1]
    filtered = sa.select(sa.func.count().filter(Sale.amount > 5), sa.func.percentile_cont(0.5).within_group(Sale.amount))
    assert session.execute(filtered).one() == (3, 7.5)


def test_lateral(session: orm.Session) -> None:
    shops = sa.select(Sale.shop).distinct().subquery()
    inner = orm.aliased(Sale)
    top = sa.select(inner.amount).where(inner.shop == shops.c.shop).order_by(inner.amount.desc()).limit(2).lateral("top")
    rows = session.execute(sa.select(shops.c.shop, top.c.amount).join(top, sa.true()).order_by(shops.c.shop, top.c.amount)).all()
    assert rows == [("a", 10), ("a", 30), ("b", 5), ("b", 20), ("c", 1)]
    entity = orm.aliased(Sale, sa.select(inner).where(inner.shop == shops.c.shop).order_by(inner.id).limit(1).lateral())
    first = session.scalars(sa.select(entity).select_from(shops).join(entity, sa.true()).order_by(entity.id)).all()
    assert [sale.id for sale in first] == [1, 3, 6]


def test_grouping_and_having(session: orm.Session) -> None:
    total = sa.func.sum(Sale.amount)
    having = sa.select(Sale.shop, total).group_by(Sale.shop).having(total > 1).order_by(total.desc())
    assert session.execute(having).all() == [("a", 40), ("b", 30)]
    rollup = sa.select(Sale.shop, total).group_by(sa.func.rollup(Sale.shop)).order_by(Sale.shop.nulls_last())
    assert session.execute(rollup).all() == [("a", 40), ("b", 30), ("c", 1), (None, 71)]
    names = sa.select(sa.func.aggregate_strings(Sale.shop, ",")).where(Sale.amount > 5)
    assert sorted(session.scalars(names).one().split(",")) == ["a", "a", "b"]


def test_set_operations(session: orm.Session) -> None:
    a, b = sa.select(Sale.shop).where(Sale.amount > 9), sa.select(Sale.shop).where(Sale.amount < 9)
    for combined, expected in (
        (sa.union(a, b), ["a", "b", "c"]), (sa.intersect(a, b), ["b"]), (sa.except_(b, a), ["c"]),
        (sa.union_all(a, b), ["a", "a", "b", "b", "b", "c"]),
    ):  # fmt: skip
        assert sorted(session.scalars(combined)) == expected
    whole = sa.select(Sale).where(Sale.amount > 25).union_all(sa.select(Sale).where(Sale.amount < 3))
    assert sorted(sale.id for sale in session.scalars(sa.select(Sale).from_statement(whole))) == [2, 6]
    assert sorted(sale.id for sale in session.scalars(sa.select(orm.aliased(Sale, whole.subquery())))) == [2, 6]


def test_conditions(session: orm.Session) -> None:
    def ids(condition: Any) -> list[int]:
        return list(session.scalars(sa.select(Sale.id).where(condition).order_by(Sale.id)))

    assert ids(Sale.shop.in_(["a", "c"])) == [1, 2, 6]
    assert ids(Sale.shop.in_([])) == []
    assert ids(Sale.shop.not_in(sa.select(Sale.shop).where(Sale.amount == 5))) == [1, 2, 6]
    assert ids(Sale.amount.between(5, 10) & ~Sale.shop.startswith("a")) == [3, 4]
    assert ids(Sale.shop.ilike("A%") | Sale.shop.regexp_match("^c$")) == [1, 2, 6]
    assert ids(sa.case((Sale.amount > 9, "big"), else_="small") == "big") == [1, 2, 5]
    assert ids(sa.exists().where(Part.id == Sale.id, Part.of == 1)) == [2, 3]
    assert ids(Sale.amount == sa.any_(sa.select(Sale.amount).where(Sale.shop == "b").scalar_subquery())) == [3, 4, 5]
    assert session.scalars(sa.select(Sale.id).order_by(Sale.id.desc()).offset(1).limit(2)).all() == [5, 4]
    assert session.scalars(sa.select(Sale.id).order_by(Sale.id).distinct().fetch(2)).all() == [1, 2]


def test_streams(session: orm.Session) -> None:
    session.execute(sa.insert(Sale), [{"shop": "s", "amount": n} for n in range(5000)])
    session.commit()
    session.expunge_all()
    result = session.scalars(sa.select(Sale).where(Sale.shop == "s").order_by(Sale.id), execution_options={"yield_per": 500})
    first = list(itertools.islice(result, 3))
    assert [sale.amount for sale in first] == [0, 1, 2]
    assert len(session.identity_map) <= 500
    assert sum(1 for _ in result) == 4997
    parts = session.execute(sa.select(Sale.id), execution_options={"yield_per": 2000}).partitions()
    assert [len(part) for part in parts] == [2000, 2000, 1006]


def test_a_stream_is_not_disturbed_by_changes(session: orm.Session) -> None:
    session.execute(sa.insert(Sale), [{"shop": "s", "amount": n} for n in range(3000)])
    session.commit()
    stream = session.scalars(sa.select(Sale.amount).where(Sale.shop == "s").order_by(Sale.id), execution_options={"yield_per": 100})
    seen = []
    for place, amount in enumerate(stream):
        seen.append(amount)
        if place == 10:
            session.execute(sa.delete(Sale).where(Sale.shop == "s"), execution_options={"synchronize_session": False})
    assert seen == list(range(3000))
