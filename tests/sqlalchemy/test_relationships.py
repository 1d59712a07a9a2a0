"""Relationships: every loading strategy, many-to-many, self-referential, association objects, cascades."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.ext.associationproxy import AssociationProxy, association_proxy
from sqlalchemy.ext.orderinglist import ordering_list
from sqlalchemy.orm.collections import attribute_keyed_dict


class Base(orm.DeclarativeBase):
    pass


book_tag = sa.Table(
    "book_tag",
    Base.metadata,
    sa.Column("book_id", sa.ForeignKey("book.id"), primary_key=True),
    sa.Column("tag_id", sa.ForeignKey("tag.id"), primary_key=True),
)


class Author(Base):
    __tablename__ = "author"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str]
    books: orm.Mapped[list[Book]] = orm.relationship(back_populates="author", cascade="all, delete-orphan", order_by="Book.id")
    letters: orm.WriteOnlyMapped[Letter] = orm.relationship(passive_deletes=True, cascade="all, delete-orphan")
    notes: orm.DynamicMapped[Note] = orm.relationship(order_by="Note.id")


class Book(Base):
    __tablename__ = "book"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    author_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("author.id"))
    title: orm.Mapped[str]
    author: orm.Mapped[Author] = orm.relationship(back_populates="books")
    tags: orm.Mapped[list[Tag]] = orm.relationship(secondary=book_tag, back_populates="books", order_by="Tag.id")
    chapters: orm.Mapped[list[Chapter]] = orm.relationship(
        order_by="Chapter.place", collection_class=ordering_list("place"), cascade="all, delete-orphan"
    )


class Tag(Base):
    __tablename__ = "tag"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str] = orm.mapped_column(unique=True)
    books: orm.Mapped[list[Book]] = orm.relationship(secondary=book_tag, back_populates="tags", order_by="Book.id")


class Chapter(Base):
    __tablename__ = "chapter"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    book_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("book.id"))
    place: orm.Mapped[int]
    title: orm.Mapped[str]


class Letter(Base):
    __tablename__ = "letter"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    author_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("author.id", ondelete="CASCADE"))
    text: orm.Mapped[str]


class Note(Base):
    __tablename__ = "note"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    author_id: orm.Mapped[int | None] = orm.mapped_column(sa.ForeignKey("author.id", ondelete="SET NULL"))
    text: orm.Mapped[str]


class Node(Base):
    __tablename__ = "node"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str]
    parent_id: orm.Mapped[int | None] = orm.mapped_column(sa.ForeignKey("node.id"))
    children: orm.Mapped[list[Node]] = orm.relationship(back_populates="parent", cascade="all", order_by="Node.id")
    parent: orm.Mapped[Node | None] = orm.relationship(back_populates="children", remote_side=[id])


class Cart(Base):
    __tablename__ = "cart"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    lines: orm.Mapped[dict[str, Line]] = orm.relationship(
        collection_class=attribute_keyed_dict("product_name"), cascade="all, delete-orphan", back_populates="cart"
    )
    counts: AssociationProxy[dict[str, int]] = association_proxy(
        "lines", "count", creator=lambda name, count: Line(product_name=name, count=count)
    )


class Product(Base):
    __tablename__ = "product"
    name: orm.Mapped[str] = orm.mapped_column(primary_key=True)


class Line(Base):
    """An association object: what lies between a cart and a product has a value of its own."""

    __tablename__ = "line"
    cart_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("cart.id"), primary_key=True)
    product_name: orm.Mapped[str] = orm.mapped_column(sa.ForeignKey("product.name"), primary_key=True)
    count: orm.Mapped[int]
    cart: orm.Mapped[Cart] = orm.relationship(back_populates="lines")
    product: orm.Mapped[Product] = orm.relationship()


@pytest.fixture
def engine(make_engine: Callable[..., sa.Engine]) -> sa.Engine:
    engine = make_engine(Base.metadata)
    with orm.Session(engine) as session:
        tags = [Tag(name=name) for name in ("red", "green", "blue")]
        session.add_all(
            [
                Author(name="ann", books=[Book(title="a", tags=tags[:2]), Book(title="b", tags=tags[1:])]),
                Author(name="bob", books=[Book(title="c", tags=[tags[0]])]),
                Author(name="cid"),
            ]
        )
        session.commit()
    return engine


@pytest.fixture
def session(engine: sa.Engine) -> Iterator[orm.Session]:
    with orm.Session(engine) as made:
        yield made


class Count:
    """How many statements an engine executes in a block."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.statements: list[str] = []

    def __enter__(self) -> Count:
        sa.event.listen(self.engine, "before_cursor_execute", self._add)
        return self

    def __exit__(self, *_: object) -> None:
        sa.event.remove(self.engine, "before_cursor_execute", self._add)

    def _add(self, connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        self.statements.append(statement)


STRATEGIES: dict[str, tuple[Callable[..., Any], int]] = {
    "select": (orm.lazyload, 1 + 3 + 3),
    "selectin": (orm.selectinload, 3),
    "joined": (orm.joinedload, 1),
    "subquery": (orm.subqueryload, 3),
    "immediate": (orm.immediateload, 1 + 3 + 3),
}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_each_strategy_loads_the_same_with_its_number_of_statements(engine: sa.Engine, session: orm.Session, strategy: str) -> None:
    load, statements = STRATEGIES[strategy]
    with Count(engine) as count:
        query = sa.select(Author).options(load(Author.books).options(load(Book.tags))).order_by(Author.id)
        authors = session.scalars(query).unique().all()
        assert [(a.name, [(b.title, [t.name for t in b.tags]) for b in a.books]) for a in authors] == [
            ("ann", [("a", ["red", "green"]), ("b", ["green", "blue"])]), ("bob", [("c", ["red"])]), ("cid", []),
        ]  # fmt: skip
    assert len(count.statements) == statements


@pytest.mark.parametrize("load", [orm.lazyload, orm.selectinload, orm.joinedload, orm.subqueryload, orm.immediateload])
def test_many_to_one(session: orm.Session, load: Any) -> None:
    books = session.scalars(sa.select(Book).options(load(Book.author)).order_by(Book.title)).all()
    assert [book.author.name for book in books] == ["ann", "ann", "bob"]
    assert books[0].author is books[1].author


def test_raise(session: orm.Session) -> None:
    author = session.scalars(sa.select(Author).options(orm.raiseload(Author.books))).first()
    assert author is not None
    with pytest.raises(sa.exc.InvalidRequestError, match="lazy='raise'"):
        _ = author.books


def test_contains_eager_and_limits_of_joined_loading(session: orm.Session) -> None:
    query = sa.select(Author).join(Author.books).where(Book.title != "a").options(orm.contains_eager(Author.books))
    query = query.order_by(Author.id, Book.id)
    assert [[book.title for book in author.books] for author in session.scalars(query).unique()] == [["b"], ["c"]]
    session.expunge_all()
    limited = sa.select(Author).options(orm.joinedload(Author.books)).order_by(Author.id).limit(2)
    assert [len(author.books) for author in session.scalars(limited).unique()] == [2, 1]


def test_conditions_on_relationships(session: orm.Session) -> None:
    def names(condition: Any) -> list[str]:
        return list(session.scalars(sa.select(Author.name).where(condition).order_by(Author.id)))

    assert names(Author.books.any(Book.tags.any(Tag.name == "blue"))) == ["ann"]
    assert names(~Author.books.any()) == ["cid"]
    assert list(session.scalars(sa.select(Book.title).where(Book.author.has(Author.name == "bob")))) == ["c"]
    ann = session.scalars(sa.select(Author).where(Author.name == "ann")).one()
    assert list(session.scalars(sa.select(Book.title).where(orm.with_parent(ann, Author.books)).order_by(Book.id))) == ["a", "b"]
    criteria = sa.select(Author).options(orm.selectinload(Author.books.and_(Book.title == "b"))).where(Author.name == "ann")
    session.expunge_all()
    assert [book.title for book in session.scalars(criteria).one().books] == ["b"]
    everywhere = sa.select(Author).options(orm.selectinload(Author.books), orm.with_loader_criteria(Book, Book.title != "c"))
    session.expunge_all()
    assert [len(author.books) for author in session.scalars(everywhere.order_by(Author.id))] == [2, 0, 0]


def test_write_only(session: orm.Session) -> None:
    ann = session.scalars(sa.select(Author).where(Author.name == "ann")).one()
    ann.letters.add_all([Letter(text="x"), Letter(text="y")])
    session.commit()
    assert session.scalars(ann.letters.select().order_by(Letter.id)).all()[1].text == "y"
    session.execute(ann.letters.insert().returning(Letter.id), [{"text": "z"}])
    session.execute(ann.letters.update().values(text=Letter.text + "!"))
    session.execute(ann.letters.delete().where(Letter.text == "y!"))
    session.commit()
    assert [letter.text for letter in session.scalars(ann.letters.select().order_by(Letter.id))] == ["x!", "z!"]
    session.delete(session.get_one(Author, ann.id))
    session.commit()
    assert session.scalar(sa.select(sa.func.count()).select_from(Letter)) == 0


def test_dynamic(session: orm.Session) -> None:
    ann = session.scalars(sa.select(Author).where(Author.name == "ann")).one()
    ann.notes.extend([Note(text="x"), Note(text="y")])
    session.commit()
    assert [note.text for note in ann.notes.filter(Note.text != "x")] == ["y"]
    assert ann.notes.count() == 2


def test_cascades_and_orphans(session: orm.Session) -> None:
    ann = session.scalars(sa.select(Author).where(Author.name == "ann")).one()
    gone = ann.books.pop(0)
    session.commit()
    assert sa.inspect(gone).was_deleted or sa.inspect(gone).detached
    assert session.scalar(sa.select(sa.func.count()).select_from(book_tag)) == 3
    session.delete(ann)
    session.commit()
    assert list(session.scalars(sa.select(Book.title))) == ["c"]
    assert session.scalar(sa.select(sa.func.count()).select_from(book_tag)) == 1


def test_passive_deletes_leave_the_rest_to_the_database(engine: sa.Engine, session: orm.Session) -> None:
    bob = session.scalars(sa.select(Author).where(Author.name == "bob")).one()
    bob.letters.add_all([Letter(text=str(n)) for n in range(5)])
    bob.notes.append(Note(text="stays"))
    session.commit()
    with Count(engine) as count:
        session.delete(bob)
        session.commit()
    assert not any("FROM letter" in statement for statement in count.statements)
    assert session.execute(sa.select(Note.text, Note.author_id)).all() == [("stays", None)]
    assert session.scalar(sa.select(sa.func.count()).select_from(Letter)) == 0


def test_many_to_many(session: orm.Session) -> None:
    red = session.scalars(sa.select(Tag).where(Tag.name == "red")).one()
    assert [book.title for book in red.books] == ["a", "c"]
    red.books.clear()
    book = session.scalars(sa.select(Book).where(Book.title == "b")).one()
    book.tags.append(red)
    session.commit()
    assert [book.title for book in red.books] == ["b"]
    assert sorted(tag.name for tag in red.books[0].tags) == ["blue", "green", "red"]


def test_ordered_collection(session: orm.Session) -> None:
    book = session.scalars(sa.select(Book).where(Book.title == "a")).one()
    book.chapters.extend([Chapter(title=title) for title in "xyz"])
    session.commit()
    book.chapters.insert(0, book.chapters.pop())
    session.commit()
    assert [(chapter.place, chapter.title) for chapter in book.chapters] == [(0, "z"), (1, "x"), (2, "y")]


@pytest.mark.parametrize("load", [orm.lazyload, orm.selectinload, orm.joinedload])
def test_a_tree(session: orm.Session, load: Any) -> None:
    root = Node(name="root", children=[Node(name="a", children=[Node(name="a1"), Node(name="a2")]), Node(name="b")])
    session.add(root)
    session.commit()
    session.expunge_all()
    options = [load(Node.children).options(load(Node.children))]
    found = session.scalars(sa.select(Node).where(Node.parent_id.is_(None)).options(*options)).unique().one()
    assert [(child.name, [leaf.name for leaf in child.children]) for child in found.children] == [("a", ["a1", "a2"]), ("b", [])]
    deep = session.scalars(sa.select(Node).options(orm.selectinload(Node.children, recursion_depth=-1)).where(Node.name == "root")).one()
    assert deep.children[0].children[1].parent.parent is found
    tree = sa.select(Node.id, sa.literal(0).label("depth")).where(Node.parent_id.is_(None)).cte(recursive=True)
    child = orm.aliased(Node)
    tree = tree.union_all(sa.select(child.id, tree.c.depth + 1).join(tree, child.parent_id == tree.c.id))
    assert session.execute(sa.select(tree.c.depth, sa.func.count()).group_by(tree.c.depth).order_by(tree.c.depth)).all() == [
        (0, 1), (1, 2), (2, 2),
    ]  # fmt: skip
    session.delete(found)
    session.commit()
    assert session.scalar(sa.select(sa.func.count()).select_from(Node)) == 0


def test_association_object(session: orm.Session) -> None:
    session.add_all([Product(name="lamp"), Product(name="chair")])
    cart = Cart()
    cart.counts["lamp"] = 2
    cart.counts["chair"] = 4
    session.add(cart)
    session.commit()
    session.expunge_all()
    cart = session.scalars(sa.select(Cart)).one()
    assert dict(cart.counts) == {"lamp": 2, "chair": 4}
    assert cart.lines["lamp"].product.name == "lamp"
    del cart.counts["chair"]
    cart.counts["lamp"] = 3
    session.commit()
    assert session.execute(sa.select(Line.product_name, Line.count)).all() == [("lamp", 3)]
    assert session.scalars(sa.select(Cart).where(Cart.lines.any(Line.count > 2))).one() is cart


def test_a_row_that_others_need_cannot_go(session: orm.Session) -> None:
    session.add(Product(name="lamp"))
    cart = Cart()
    cart.counts["lamp"] = 1
    session.add(cart)
    session.commit()
    with pytest.raises(sa.exc.IntegrityError, match="foreign key"):
        session.execute(sa.delete(Product))
    session.rollback()
    assert session.get(Product, "lamp") is not None
