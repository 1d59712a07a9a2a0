"""Writing: INSERT, UPDATE and DELETE by the ORM in bulk, with RETURNING, upserts, and how much of it is one event."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import orm

from eventdb_sqlalchemy import insert, transactions


class Base(orm.DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "item"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str] = orm.mapped_column(unique=True)
    stock: orm.Mapped[int] = orm.mapped_column(default=0)
    upper: orm.Mapped[str] = orm.mapped_column(sa.Computed("upper(name)"))
    __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012


class Log(Base):
    __tablename__ = "log"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    text: orm.Mapped[str]


@pytest.fixture
def engine(make_engine: Callable[..., sa.Engine]) -> sa.Engine:
    return make_engine(Base.metadata)


@pytest.fixture
def session(engine: sa.Engine) -> Iterator[orm.Session]:
    with orm.Session(engine) as made:
        yield made


def statements_of(engine: sa.Engine) -> list[tuple[str, bool]]:
    found: list[tuple[str, bool]] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *a: found.append((a[2], a[5])))
    return found


def test_many_new_objects_are_one_statement_and_one_event(engine: sa.Engine, session: orm.Session) -> None:
    statements = statements_of(engine)
    items = [Item(name=f"item {n}") for n in range(600)]
    session.add_all(items)
    session.commit()
    assert [many for text, many in statements if text.startswith("INSERT")] == [True]
    assert [item.id for item in items] == list(range(1, 601))
    assert items[7].upper == "ITEM 7"
    assert session.scalar(sa.select(transactions.c.events).order_by(transactions.c.number.desc()).limit(1)) <= 2


def test_bulk_insert_gives_objects_in_order(session: orm.Session) -> None:
    rows = [{"name": name} for name in "zyxabc"]
    made = session.scalars(sa.insert(Item).returning(Item, sort_by_parameter_order=True), rows).all()
    assert [(item.name, item.upper, item.stock) for item in made] == [(n, n.upper(), 0) for n in "zyxabc"]
    assert session.get(Item, made[0].id) is made[0]
    session.execute(sa.insert(Item), [{"name": "d", "stock": 7}])
    expression = session.execute(sa.insert(Item).values(stock=sa.func.length("abcd")).returning(Item.stock), [{"name": "e"}, {"name": "f"}])
    assert expression.scalars().all() == [4, 4]


def test_bulk_update_by_key(session: orm.Session) -> None:
    session.execute(sa.insert(Item), [{"name": n} for n in "abc"])
    loaded = session.scalars(sa.select(Item).order_by(Item.id)).all()
    session.execute(sa.update(Item), [{"id": 1, "stock": 10}, {"id": 3, "stock": 30}])
    session.commit()
    assert [item.stock for item in loaded] == [10, 0, 30]
    table: Any = Item.__table__
    many = sa.update(table).where(table.c.id == sa.bindparam("key")).values(stock=table.c.stock + sa.bindparam("more"))
    assert session.connection().execute(many, [{"key": 1, "more": 1}, {"key": 2, "more": 2}, {"key": 99, "more": 9}]).rowcount == 2
    assert session.scalars(sa.select(Item.stock).order_by(Item.id)).all() == [11, 2, 30]


@pytest.mark.parametrize("synchronize", ["auto", "fetch", "evaluate", False])
def test_update_and_delete_with_a_condition(session: orm.Session, synchronize: Any) -> None:
    session.execute(sa.insert(Item), [{"name": n, "stock": i} for i, n in enumerate("abcd")])
    loaded = session.scalars(sa.select(Item).order_by(Item.id)).all()
    options = {"synchronize_session": synchronize}
    assert session.execute(sa.update(Item).where(Item.stock > 1).values(stock=Item.stock * 10), execution_options=options).rowcount == 2
    if synchronize is not False:
        assert [item.stock for item in loaded] == [0, 1, 20, 30]
    assert session.execute(sa.delete(Item).where(Item.stock == 30), execution_options=options).rowcount == 1
    session.expire_all()
    assert session.scalars(sa.select(Item.stock).order_by(Item.id)).all() == [0, 1, 20]
    if synchronize is not False:
        assert loaded[3] not in session


def test_update_and_delete_give_objects(session: orm.Session) -> None:
    session.execute(sa.insert(Item), [{"name": n, "stock": i} for i, n in enumerate("abcd")])
    changed = session.scalars(sa.update(Item).where(Item.stock < 2).values(name=Item.name + "!").returning(Item)).all()
    assert sorted(item.upper for item in changed) == ["A!", "B!"]
    assert session.execute(sa.delete(Item).where(Item.stock == 3).returning(Item.id, Item.name)).all() == [(4, "d")]
    source = sa.select(Item.id, (Item.stock + 100).label("wanted")).subquery()
    from_source = sa.update(Item).where(Item.id == source.c.id).values(stock=source.c.wanted)
    session.execute(from_source, execution_options={"synchronize_session": False})
    assert session.scalars(sa.select(Item.stock).order_by(Item.id)).all() == [100, 101, 102]


def test_upsert_of_objects(session: orm.Session) -> None:
    session.add_all([Item(name="a", stock=1), Item(name="b", stock=2)])
    session.commit()
    statement = insert(Item)
    statement = statement.on_conflict_do_update(
        index_elements=[Item.name], set_={"stock": Item.stock + statement.excluded.stock}, where=Item.stock < 100
    )
    rows = [{"name": "a", "stock": 10}, {"name": "c", "stock": 30}]
    found = session.scalars(statement.returning(Item), rows, execution_options={"populate_existing": True}).all()
    assert sorted((item.name, item.stock) for item in found) == [("a", 11), ("c", 30)]
    session.execute(insert(Item).on_conflict_do_nothing(), [{"name": "a"}, {"name": "d"}])
    session.commit()
    assert session.execute(sa.select(Item.name, Item.stock).order_by(Item.name)).all() == [("a", 11), ("b", 2), ("c", 30), ("d", 0)]
    table: Any = Item.__table__
    by_name = insert(table).values(id=1, name="z").on_conflict_do_update(constraint=table.primary_key, set_={"name": "zz"})
    session.execute(by_name)
    assert session.scalar(sa.select(Item.name).where(Item.id == 1)) == "zz"


def test_insert_from_select_and_values(session: orm.Session) -> None:
    session.execute(sa.insert(Item), [{"name": n} for n in "ab"])
    session.execute(sa.insert(Log).from_select(["text"], sa.select(Item.name + "?").order_by(Item.id)))
    assert session.scalars(sa.select(Log.text).order_by(Log.id)).all() == ["a?", "b?"]
    values = sa.values(sa.column("n", sa.Integer), sa.column("t", sa.Text), name="v").data([(1, "x"), (2, "y")])
    assert session.execute(sa.select(values.c.t, Item.name).join(Item, Item.id == values.c.n).order_by(values.c.n)).all() == [
        ("x", "a"), ("y", "b"),
    ]  # fmt: skip
    session.execute(sa.insert(Log).values([{"text": "many"}, {"text": "values"}]))
    assert session.scalar(sa.select(sa.func.count()).select_from(Log)) == 4


def test_legacy_bulk_methods(session: orm.Session) -> None:
    session.bulk_save_objects([Log(text="a"), Log(text="b")])
    session.bulk_insert_mappings(sa.inspect(Log), [{"text": "c"}])
    session.bulk_update_mappings(sa.inspect(Log), [{"id": 1, "text": "A"}])
    session.commit()
    assert session.scalars(sa.select(Log.text).order_by(Log.id)).all() == ["A", "b", "c"]


def test_a_failing_row_undoes_the_statement(session: orm.Session) -> None:
    session.add(Item(name="a"))
    session.commit()
    with pytest.raises(sa.exc.IntegrityError) as caught:
        session.execute(sa.insert(Item), [{"name": "x"}, {"name": "a"}])
    assert caught.value.orig.constraint == "item_name_key"  # type: ignore[union-attr]
    session.rollback()
    assert session.scalars(sa.select(Item.name)).all() == ["a"]


def test_objects_in_and_out(session: orm.Session) -> None:
    item = Item(name="a")
    session.add(item)
    session.flush()
    session.delete(item)
    session.add(Item(name="a", stock=5))
    with pytest.raises(sa.exc.IntegrityError):  # the unit of work inserts before it deletes
        session.flush()
    session.rollback()
    first = Item(name="b")
    session.add(first)
    session.commit()
    with session.begin_nested():
        session.delete(first)
    session.add(Item(id=first.id, name="b", stock=5))
    session.commit()
    assert session.execute(sa.select(Item.name, Item.stock)).all() == [("b", 5)]
