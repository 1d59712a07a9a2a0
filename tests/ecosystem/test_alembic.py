"""Alembic as its users run it: an environment on disk, revisions written by autogenerate, upgrade, check, downgrade."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.util import CommandError

import eventdb
import eventdb_sqlalchemy

ENV = """
from alembic import context
from sqlalchemy import create_engine

config = context.config
target_metadata = config.attributes["metadata"]
options = {"target_metadata": target_metadata, "compare_server_default": True, "include_schemas": True}

if context.is_offline_mode():
    context.configure(url=config.get_main_option("sqlalchemy.url"), literal_binds=True, **options)
    with context.begin_transaction():
        context.run_migrations()
else:
    engine = create_engine(config.get_main_option("sqlalchemy.url"))
    with engine.connect() as connection:
        context.configure(connection=connection, **options)
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()
"""

TEMPLATE = """
from alembic import op
import sqlalchemy as sa
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade():
    ${upgrades if upgrades else "pass"}


def downgrade():
    ${downgrades if downgrades else "pass"}
"""


class Project:
    """An Alembic environment and the database that it migrates."""

    def __init__(self, folder: Path) -> None:
        self.database = folder / "shop.eventdb"
        scripts = folder / "migrations"
        (scripts / "versions").mkdir(parents=True)
        (scripts / "env.py").write_text(ENV)
        (scripts / "script.py.mako").write_text(TEMPLATE)
        self.output = io.StringIO()
        self.config = Config(output_buffer=self.output)
        self.config.set_main_option("script_location", str(scripts))
        self.config.set_main_option("path_separator", "os")
        self.config.set_main_option("sqlalchemy.url", f"eventdb:///{self.database}?durability=none")

    def revise(self, metadata: sa.MetaData, message: str) -> str:
        """A revision made by autogenerate; the text of its script."""
        self.config.attributes["metadata"] = metadata
        made: Any = command.revision(self.config, message, autogenerate=True)
        return Path(made.path).read_text()

    def migrate(self, metadata: sa.MetaData, message: str) -> str:
        """A revision, applied; nothing may differ then."""
        script = self.revise(metadata, message)
        command.upgrade(self.config, "head")
        command.check(self.config)
        return script

    def differences(self, metadata: sa.MetaData) -> list[Any]:
        """What autogenerate would do to bring the database to these models."""
        engine = sa.create_engine(f"eventdb:///{self.database}")
        with engine.connect() as connection:
            options = {"compare_server_default": True, "include_schemas": True, "target_metadata": metadata}
            found = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
        engine.dispose()
        return found


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def first() -> sa.MetaData:
    metadata = sa.MetaData()
    sa.Table(
        "author", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(80), nullable=False, unique=True),
        sa.Column("born", sa.Date), comment="who writes",
    )  # fmt: skip
    sa.Table(
        "book", metadata, sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("author_id", sa.ForeignKey("author.id", name="by_author", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("title", sa.Text, nullable=False, comment="as on the cover"),
        sa.Column("price", sa.Numeric(10, 2), server_default="9.90"),
        sa.Column("pages", sa.SmallInteger, server_default=sa.text("100")), sa.Column("about", sa.JSON, server_default="{}"),
        sa.Column("added", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("changed", sa.DateTime, server_default=sa.text("CURRENT_TIMESTAMP")), sa.Column("code", sa.Uuid),
        sa.Column("kind", sa.Enum("novel", "essay", name="kind")), sa.Column("cover", sa.LargeBinary), sa.Column("weight", sa.Float),
        sa.Column("light", sa.Float(20)), sa.Column("lent", sa.Interval), sa.Column("sold", sa.Boolean, server_default=sa.false()),
        sa.Column("number", sa.Integer, sa.Identity(always=True, start=1000, increment=5)), sa.Column("part", sa.Numeric(6)),
        sa.Column("cents", sa.Integer, sa.Computed("CAST(part * 100 AS INTEGER)")), sa.Column("at", sa.Time),
        sa.CheckConstraint("pages > 0 AND price >= 0", name="sensible"), sa.UniqueConstraint("author_id", "title", name="one_title"),
        sa.Index("by_title", sa.text("lower(title)")), sa.Index("dear", "price", eventdb_where=sa.text("price > 50")),
        sa.Index("newest", sa.text("added DESC"), "id"),
    )  # fmt: skip
    sa.Table("tag", metadata, sa.Column("name", sa.String(20), primary_key=True), sa.Column("rank", sa.Integer))
    sa.Table(
        "book_tag", metadata, sa.Column("book_id", sa.BigInteger, sa.ForeignKey("book.id"), primary_key=True),
        sa.Column("tag", sa.String(20), sa.ForeignKey("tag.name", onupdate="CASCADE"), primary_key=True),
    )  # fmt: skip
    return metadata


def second() -> sa.MetaData:
    """The models after a year: columns come, go, change type, default, comment, nullability; indexes and constraints change."""
    metadata = sa.MetaData()
    sa.Table(
        "author", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(200), nullable=False),
        sa.Column("born", sa.Date, nullable=False, server_default=sa.text("DATE '1900-01-01'")), sa.Column("email", sa.String(100)),
        sa.UniqueConstraint("email", name="one_email"), comment="who writes, and how to reach them",
    )  # fmt: skip
    sa.Table(
        "book", metadata, sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("author_id", sa.ForeignKey("author.id", name="by_author", ondelete="RESTRICT"), nullable=False, index=True),
        sa.Column("title", sa.String(300), nullable=False, comment="as on the spine"),
        sa.Column("price", sa.Numeric(12, 3), server_default="10"), sa.Column("pages", sa.Integer),
        sa.Column("about", sa.JSON, server_default='{"new": true}'),
        sa.Column("added", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("changed", sa.DateTime(timezone=True), server_default=sa.text("CURRENT_TIMESTAMP")), sa.Column("code", sa.Uuid),
        sa.Column("kind", sa.Enum("novel", "essay", "poetry", name="kind")), sa.Column("cover", sa.LargeBinary),
        sa.Column("weight", sa.Float), sa.Column("light", sa.Float(20)), sa.Column("lent", sa.Interval),
        sa.Column("sold", sa.Boolean, server_default=sa.true()), sa.Column("part", sa.Numeric(6)),
        sa.Column("number", sa.Integer, sa.Identity(start=1000, increment=10)), sa.Column("at", sa.Time),
        sa.Column("cents", sa.Integer, sa.Computed("CAST(part * 100 AS INTEGER)")), sa.UniqueConstraint("code", name="one_code"),
        sa.Index("by_title", sa.text("upper(title)")), sa.Index("dear", "price", eventdb_where=sa.text("price > 90")),
        sa.Index("newest", "added", "id", unique=True),
    )  # fmt: skip
    sa.Table("shelf", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("room", sa.Text), schema="house")
    sa.Table("tag", metadata, sa.Column("name", sa.String(20), primary_key=True), sa.Column("rank", sa.Integer))
    return metadata


def test_the_first_revision_makes_the_tables_and_leaves_no_difference(project: Project) -> None:
    script = project.migrate(first(), "first")
    assert "op.create_table('book'" in script
    assert "Identity(always=True, start=1000, increment=5)" in script
    assert "eventdb_where=" in script


def test_down_and_up_again(project: Project) -> None:
    project.migrate(first(), "first")
    command.downgrade(project.config, "base")
    with eventdb.connect(project.database) as connection:
        tables = connection.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'").fetchall()
    assert tables == [("alembic_version",)]
    command.upgrade(project.config, "head")
    command.check(project.config)


def test_changed_models_migrate_with_their_rows_and_the_past_keeps_its_schema(project: Project) -> None:
    project.migrate(first(), "first")
    connection = eventdb.connect(project.database, autocommit=True)
    connection.execute("INSERT INTO author (name, born) VALUES ('ann', '1970-01-02')")
    connection.execute("INSERT INTO book (author_id, title, part, code) VALUES (1, 'a', 7, '00000000-0000-0000-0000-000000000001')")
    connection.execute("CREATE SCHEMA house")
    before = connection.head
    script = project.migrate(second(), "second")
    assert "op.drop_table('book_tag')" in script
    assert "schema='house'" in script
    row = connection.execute("SELECT title, price, pages, sold, cents, number FROM book").fetchone()
    assert [str(value) for value in row] == ["a", "9.900", "100", "False", "700", "1000"]
    past = connection.execute("SELECT * FROM author FOR SYSTEM_TIME AS OF TRANSACTION ?", (before,))
    assert [column[0] for column in past.description] == ["id", "name", "born"]
    assert connection.execute("SELECT count(*) FROM book_tag FOR SYSTEM_TIME AS OF TRANSACTION ?", (before,)).fetchone() == (0,)
    with pytest.raises(eventdb.ProgrammingError, match="book_tag"):
        connection.execute("SELECT * FROM book_tag")
    connection.close()
    command.downgrade(project.config, "-1")
    assert project.differences(first()) == []
    assert project.differences(second()) != []


def test_types_of_the_dialect_are_imported_by_the_script(project: Project) -> None:
    precise, plain = sa.MetaData(), sa.MetaData()
    sa.Table("t", precise, sa.Column("id", sa.Integer, primary_key=True), sa.Column("a", eventdb_sqlalchemy.TIMESTAMP(precision=3)))
    sa.Table("t", plain, sa.Column("id", sa.Integer, primary_key=True), sa.Column("a", sa.DateTime))
    assert "import eventdb_sqlalchemy" in project.migrate(precise, "precise")
    script = project.migrate(plain, "plain")
    assert "existing_type=eventdb_sqlalchemy.TIMESTAMP(precision=3)" in script
    command.downgrade(project.config, "-1")


def test_a_revision_that_fails_leaves_nothing_behind(project: Project) -> None:
    project.migrate(first(), "first")
    with eventdb.connect(project.database, autocommit=True) as connection:
        connection.execute("INSERT INTO tag VALUES ('x', 1), ('y', 1)")
        head = connection.head
        changed = first()
        sa.Table("extra", changed, sa.Column("id", sa.Integer, primary_key=True))
        changed.tables["tag"].append_constraint(sa.UniqueConstraint("rank", name="one_rank"))
        project.revise(changed, "fails")
        with pytest.raises(sa.exc.IntegrityError):
            command.upgrade(project.config, "head")
        assert connection.head == head
    project.output.truncate(0)
    command.current(project.config)
    assert "(head)" not in project.output.getvalue()


def test_offline_sql_runs_as_a_script(project: Project, tmp_path: Path) -> None:
    project.revise(first(), "first")
    command.upgrade(project.config, "head", sql=True)
    with eventdb.connect(tmp_path / "other.eventdb", autocommit=True) as connection:
        connection.executescript(project.output.getvalue())
        assert connection.execute("SELECT count(*) FROM book").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)


@pytest.fixture
def op(tmp_path: Path) -> Any:
    engine = sa.create_engine(f"eventdb:///{tmp_path / 'op.eventdb'}")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, n INTEGER NOT NULL)")
        connection.exec_driver_sql("INSERT INTO t VALUES (1, '17', 3)")
        yield Operations(MigrationContext.configure(connection))
    engine.dispose()


def rows(op: Any, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in op.get_bind().exec_driver_sql(sql)]


def test_a_type_changes_by_an_expression(op: Any) -> None:
    op.alter_column("t", "a", type_=sa.Integer, eventdb_using="CAST(a AS INTEGER) + 1")
    assert rows(op, "SELECT a FROM t") == [(18,)]
    with pytest.raises(CommandError, match="eventdb_using"):
        op.alter_column("t", "a", eventdb_using="a")


def test_identity_comes_changes_and_goes(op: Any) -> None:
    op.alter_column("t", "n", server_default=sa.Identity(start=50), existing_server_default=None)
    op.execute("INSERT INTO t (id) VALUES (2)")
    op.alter_column("t", "n", server_default=sa.Identity(always=True, increment=7), existing_server_default=sa.Identity(start=50))
    op.execute("INSERT INTO t (id) VALUES (3)")
    assert rows(op, "SELECT id, n FROM t ORDER BY id") == [(1, 3), (2, 50), (3, 57)]
    op.alter_column("t", "n", server_default=None, existing_server_default=sa.Identity(always=True))
    with pytest.raises(sa.exc.IntegrityError):
        op.execute("INSERT INTO t (id) VALUES (4)")


def test_tables_and_columns_are_renamed_and_commented(op: Any) -> None:
    op.execute("CREATE SCHEMA s")
    op.create_table("u", sa.Column("id", sa.Integer, primary_key=True), schema="s")
    op.rename_table("u", "v", schema="s")
    op.alter_column("v", "id", new_column_name="number", comment="counts", schema="s")
    sql = "SELECT table_name, column_name, column_comment FROM information_schema.columns WHERE table_schema = 's'"
    assert rows(op, sql) == [("v", "number", "counts")]
    op.alter_column("v", "number", comment=None, existing_comment="counts", schema="s")
    assert rows(op, sql) == [("v", "number", None)]


def test_batch_mode_alters_in_place_or_copies(op: Any) -> None:
    with op.batch_alter_table("t") as batch:
        batch.add_column(sa.Column("b", sa.Integer, server_default="5"))
        batch.alter_column("a", new_column_name="c")
    with op.batch_alter_table("t", recreate="always") as batch:
        batch.drop_column("n")
    assert rows(op, "SELECT id, c, b FROM t") == [(1, "17", 5)]


@pytest.mark.parametrize(
    ("said", "stored", "differs"),
    [
        ("5", "'5'", False), (sa.text("5"), "'5'", False), ("6", "5", True), (sa.text("1 + 4"), "5", False), (sa.text("-1"), "5", True),
        (sa.text("nextval('s')"), "nextval('s')", False), (sa.text("nextval('s')"), "5", True), (None, "5", True), ("5", None, True),
        (sa.text("no_such_function()"), "5", True), (sa.text("( 5 )"), "5", False),
    ],
)  # fmt: skip
def test_defaults_differ_by_what_they_mean(op: Any, said: Any, stored: str | None, differs: bool) -> None:
    op.execute("CREATE SEQUENCE s")
    op.execute(f"CREATE TABLE d (x INTEGER{'' if stored is None else f' DEFAULT {stored}'})")
    inspected = sa.Table("d", sa.MetaData(), autoload_with=op.get_bind()).c.x
    column = sa.Table("d", sa.MetaData(), sa.Column("x", sa.Integer, server_default=said)).c.x
    impl = op.get_context().impl
    assert impl.compare_server_default(inspected, column, None, stored) is differs
    assert rows(op, "SELECT nextval('s')") == [(1,)]
