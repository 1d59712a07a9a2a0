"""Schemas: comments, automap, reflection round trips, names that need quotes, views, several schemas."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.ext.automap import automap_base
from sqlalchemy.schema import AddConstraint, CreateSchema, CreateTable, DropSchema, SetTableComment

Make = Callable[..., sa.Engine]


def model() -> sa.MetaData:
    metadata = sa.MetaData()
    sa.Table(
        "customer",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True, comment="made by the database"),
        sa.Column("name", sa.String(50), nullable=False, index=True),
        sa.Column("mail", sa.Text, unique=True),
        sa.Column("Order", sa.SmallInteger, server_default="7", comment="it's quoted"),
        sa.CheckConstraint("name <> ''", name="has_a_name"),
        comment="people who 'bought'",
    )
    sa.Table(
        "purchase",
        metadata,
        sa.Column("customer_id", sa.ForeignKey("customer.id", ondelete="CASCADE", name="of_customer"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("total", sa.Numeric(10, 2), sa.CheckConstraint("total >= 0", name="not_negative")),
        sa.Column("doubled", sa.Numeric(10, 2), sa.Computed("total * 2")),
        sa.Index("dear", "total", eventdb_where=sa.text("total > 100")),
    )
    return metadata


def test_what_is_reflected_can_be_made_again(make_engine: Make) -> None:
    first, second = make_engine(model()), make_engine()
    found = sa.MetaData()
    found.reflect(first)
    found.create_all(second)
    again = sa.MetaData()
    again.reflect(second)
    for name in ("customer", "purchase"):
        assert str(CreateTable(found.tables[name]).compile(first)) == str(CreateTable(again.tables[name]).compile(second))
        one, other = sa.inspect(first), sa.inspect(second)
        for what in ("columns", "pk_constraint", "foreign_keys", "unique_constraints", "check_constraints", "table_comment"):
            assert repr(getattr(one, f"get_{what}")(name)) == repr(getattr(other, f"get_{what}")(name)), what
        assert sorted(map(repr, one.get_indexes(name))) == sorted(map(repr, other.get_indexes(name)))


def test_comments(make_engine: Make) -> None:
    metadata = model()
    engine = make_engine(metadata)
    inspector = sa.inspect(engine)
    assert inspector.get_table_comment("customer") == {"text": "people who 'bought'"}
    assert {c["name"]: c["comment"] for c in inspector.get_columns("customer")}["Order"] == "it's quoted"
    table = metadata.tables["customer"]
    table.comment = "changed"
    with engine.begin() as connection:
        connection.execute(SetTableComment(table))
    assert sa.inspect(engine).get_table_comment("customer") == {"text": "changed"}


def test_automap(make_engine: Make) -> None:
    engine = make_engine(model())
    base = automap_base()
    base.prepare(autoload_with=engine)
    customer, purchase = base.classes.customer, base.classes.purchase
    with orm.Session(engine) as session:
        ann = customer(name="ann", purchase_collection=[purchase(number=1, total=150), purchase(number=2, total=3)])
        session.add(ann)
        session.commit()
        assert [float(p.doubled) for p in sorted(ann.purchase_collection, key=lambda p: p.number)] == [300, 6]
        assert ann.purchase_collection[0].customer is ann
        assert getattr(ann, "Order") == 7  # noqa: B009
        session.delete(ann)
        session.commit()
        assert session.scalar(sa.select(sa.func.count()).select_from(purchase)) == 0


def test_deferred_reflection_and_overrides(make_engine: Make) -> None:
    engine = make_engine(model())
    table = sa.Table("customer", sa.MetaData(), sa.Column("mail", sa.String(7)), autoload_with=engine)
    assert (table.c.mail.type.length, table.c["name"].type.length) == (7, 50)  # type: ignore[attr-defined]
    assert [constraint.name for constraint in table.constraints if isinstance(constraint, sa.CheckConstraint)] == ["has_a_name"]


def test_schemas_and_views(make_engine: Make) -> None:
    engine = make_engine()
    metadata = sa.MetaData(schema="stock")
    item = sa.Table("item", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("select", sa.Text))
    place = sa.Table("place", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("item_id", sa.ForeignKey("stock.item.id")))
    with engine.begin() as connection:
        connection.execute(CreateSchema("stock"))
        metadata.create_all(connection)
        connection.execute(sa.insert(item), [{"id": 1, "select": "x"}])
        connection.execute(sa.insert(place), [{"id": 1, "item_id": 1}])
        connection.execute(sa.text("CREATE VIEW stock.seen AS SELECT id FROM stock.item"))
    inspector = sa.inspect(engine)
    assert "stock" in inspector.get_schema_names()
    assert inspector.get_table_names(schema="stock") == ["item", "place"]
    assert inspector.get_view_names(schema="stock") == ["seen"]
    view = sa.Table("seen", sa.MetaData(), autoload_with=engine, schema="stock")
    translated = engine.execution_options(schema_translate_map={"elsewhere": "stock"})
    moved = sa.Table("item", sa.MetaData(), sa.Column("id", sa.Integer), sa.Column("select", sa.Text), schema="elsewhere")
    with translated.connect() as connection:
        assert connection.execute(sa.select(view)).all() == [(1,)]
        assert connection.execute(sa.select(moved)).all() == [(1, "x")]
    with engine.begin() as connection:
        connection.execute(DropSchema("stock", cascade=True))
    assert "stock" not in sa.inspect(engine).get_schema_names()


def test_constraints_added_later(make_engine: Make) -> None:
    metadata = sa.MetaData()
    a = sa.Table("a", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("b_id", sa.Integer))
    sa.Table("b", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("a_id", sa.ForeignKey("a.id", name="b_a")))
    loop = sa.ForeignKeyConstraint(["b_id"], ["b.id"], name="a_b", use_alter=True, deferrable=True, initially="DEFERRED")
    a.append_constraint(loop)
    engine = make_engine(metadata)
    assert [key["name"] for key in sa.inspect(engine).get_foreign_keys("a")] == ["a_b"]
    assert sa.inspect(engine).get_foreign_keys("a")[0]["options"] == {"deferrable": True, "initially": "DEFERRED"}
    with engine.begin() as connection:
        connection.execute(sa.insert(a).values(id=1, b_id=1))
        connection.execute(sa.insert(metadata.tables["b"]).values(id=1, a_id=1))
    unique = sa.UniqueConstraint(a.c.b_id, name="once")
    with engine.begin() as connection:
        connection.execute(AddConstraint(unique))
    assert sa.inspect(engine).get_unique_constraints("a")[0]["name"] == "once"
    metadata.drop_all(engine)
    assert sa.inspect(engine).get_table_names() == []
