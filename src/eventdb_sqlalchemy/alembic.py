"""Alembic for eventdb: migrations in transactions, autogenerate without spurious differences.

Alembic finds this by itself: through its plugins (1.18 and newer), and whenever an engine is made after Alembic was imported, as an
environment's `env.py` does. An older Alembic that meets an engine made before it needs `import eventdb_sqlalchemy.alembic` in `env.py`.

What eventdb keeps of a schema are the texts of the statements that made it, so defaults and index expressions compare as they were
written. Only defaults that are written differently are given to the database to compare.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from alembic.ddl import base
from alembic.ddl.base import alter_column, alter_table, format_column_name, format_table_name, format_type
from alembic.ddl.impl import ComparisonResult, DefaultImpl
from alembic.util import CommandError
from sqlalchemy import Column, Identity, Index, MetaData, UniqueConstraint, inspect, types
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import DefaultClause

_SINGLE = 24
"""FLOAT(p) up to this p is REAL, beyond it DOUBLE PRECISION."""


class EventDBImpl(DefaultImpl):
    """How eventdb migrates, and how autogenerate compares a database with models."""

    __dialect__ = "eventdb"
    transactional_ddl = True

    def alter_column(self, table_name: str, column_name: str, **options: Any) -> None:
        """ALTER COLUMN. `eventdb_using`, with `type_`: the SQL expression that makes values of the new type from the old row.

        Raises CommandError for `eventdb_using` without `type_`.
        """
        using = options.pop("eventdb_using", None)
        options["autoincrement"] = options["existing_autoincrement"] = None
        if options.get("server_default", False) is not False and not options.get("existing_server_default"):
            # Scripts that autogenerate writes don't say that a column was an identity column already.
            options["existing_server_default"] = self._identity_of(table_name, column_name, options.get("schema"))
        type_ = options.pop("type_", None)
        if type_ is None and using is not None:
            raise CommandError("eventdb_using must be used with the type_ parameter")
        if type_ is not None:
            self._exec(ColumnType(table_name, column_name, type_, using, schema=options.get("schema")))
        super().alter_column(table_name, column_name, **options)

    def _identity_of(self, table_name: str, column_name: str, schema: str | None) -> Identity | None:
        if self.connection is None:
            return None
        columns = inspect(self.connection).get_columns(table_name, schema=schema)
        options = next((column.get("identity") for column in columns if column["name"] == column_name), None)
        return None if options is None else Identity(**options)

    # comparing

    def autogen_column_reflect(self, inspector: Any, table: Any, column_info: dict[str, Any]) -> None:
        """An integer key that counts is an identity column in the database; a model says so only where it writes `Identity()`."""
        identity = column_info.get("identity")
        if identity is not None and not identity["always"] and self._counts_by_itself(table, column_info["name"]):
            del column_info["identity"]

    def _counts_by_itself(self, table: Any, name: str) -> bool:
        default_schema = self.dialect.default_schema_name
        schemas = {None, default_schema} if table.schema in (None, default_schema) else {table.schema}
        for metadata in self._metadata():
            for schema in schemas:
                found = metadata.tables.get(table.name if schema is None else f"{schema}.{table.name}")
                if found is not None and name in found.c:
                    column = found.c[name]
                    return column is found._autoincrement_column and column.server_default is None
        return False

    def _metadata(self) -> Iterable[MetaData]:
        target = self.context_opts.get("target_metadata")
        return () if target is None else (target,) if isinstance(target, MetaData) else target

    def compare_type(self, inspector_column: Column[Any], metadata_column: Column[Any]) -> bool:
        """Whether the types of a column differ."""
        return self._type_name(inspector_column) != self._type_name(metadata_column)

    def _type_name(self, column: Column[Any]) -> str:
        name = self.dialect.type_compiler_instance.process(column.type, type_expression=column).upper()
        if (floating := re.fullmatch(r"FLOAT(?:\((\d+)\))?", name)) is not None:
            return "REAL" if floating[1] is not None and int(floating[1]) <= _SINGLE else "DOUBLE PRECISION"
        return re.sub(r"^(NUMERIC\(\d+), 0\)", r"\1)", re.sub(r"^DECIMAL", "NUMERIC", name)).replace("(6)", "" if "TIME" in name else "(6)")

    def compare_server_default(
        self, inspector_column: Any, metadata_column: Any, rendered_metadata_default: Any, rendered_inspector_default: Any
    ) -> bool:
        """Whether the defaults of a column differ, in what they say or, where they are written differently, in their value now."""
        ours = self._default_text(metadata_column)
        theirs = rendered_inspector_default
        if ours is None or theirs is None:
            return ours is not theirs
        if _plain(ours) == _plain(theirs):
            return False
        if self.connection is None or "nextval" in f"{ours}{theirs}".lower():
            return True
        name = self.dialect.type_compiler_instance.process(inspector_column.type)
        made = [f"CAST(({text}) AS {name})" for text in (ours, theirs)]
        if isinstance(inspector_column.type, types.JSON):
            made = [f"CAST({text} AS TEXT)" for text in made]
        try:
            return not self.connection.exec_driver_sql(f"SELECT {made[0]} IS NOT DISTINCT FROM {made[1]}").scalar()
        except DBAPIError:
            return True

    def _default_text(self, column: Column[Any]) -> str | None:
        if not isinstance(column.server_default, DefaultClause):
            return None
        return self.dialect.ddl_compiler(self.dialect, None).get_column_default_string(column)  # type: ignore[arg-type]

    def compare_indexes(self, metadata_index: Index, reflected_index: Index) -> ComparisonResult:
        """Equal where uniqueness, every component with its order, the condition and the treatment of NULLs are."""
        differences = []
        unique = self._compare_index_unique(metadata_index, reflected_index)
        if unique is not None:
            differences.append(unique)
        ours, theirs = list(self._parts(metadata_index)), list(self._parts(reflected_index))
        if ours != theirs:
            differences.append(f"{', '.join(theirs)} to {', '.join(ours)}")
        return ComparisonResult.Different(differences) if differences else ComparisonResult.Equal()

    def _parts(self, index: Index) -> Iterator[str]:
        compiler: Any = self.dialect.ddl_compiler(self.dialect, None)  # type: ignore[arg-type]
        for expression in index.expressions:
            yield re.sub(r" asc$", "", _plain(compiler.sql_compiler.process(expression, include_table=False, literal_binds=True)))
        options = index.dialect_options["eventdb"]
        if options["nulls_not_distinct"]:
            yield "nulls not distinct"
        where = options["where"]
        if where is not None:
            text = where if isinstance(where, str) else compiler.sql_compiler.process(where, include_table=False, literal_binds=True)
            yield f"where {_plain(text)}"

    def compare_unique_constraint(
        self, metadata_constraint: UniqueConstraint, reflected_constraint: UniqueConstraint
    ) -> ComparisonResult:
        """Equal where the columns and the treatment of NULLs are."""
        said, found = (bool(c.dialect_options["eventdb"]["nulls_not_distinct"]) for c in (metadata_constraint, reflected_constraint))
        if said != found:
            return ComparisonResult.Different(f"nulls_not_distinct={found} to nulls_not_distinct={said}")
        return super().compare_unique_constraint(metadata_constraint, reflected_constraint)

    # rendering

    def render_type(self, type_obj: Any, autogen_context: Any) -> Any:
        """The types of this dialect are written with its name, and the script imports it."""
        if type(type_obj).__module__ != "eventdb_sqlalchemy.types":
            return False
        autogen_context.imports.add("import eventdb_sqlalchemy")
        return f"eventdb_sqlalchemy.{type_obj!r}"


def _plain(text: str) -> str:
    """The text without what does not change its meaning: case outside of quotes, blanks, quotes around plain names, outer parentheses."""
    parts = re.split(r"('(?:[^']|'')*')", text.strip())
    parts[::2] = [re.sub(r'"([a-z_][a-z0-9_]*)"', r"\1", re.sub(r"\s+", " ", part).lower()) for part in parts[::2]]
    plain = re.sub(r"\s*([(),=<>+*/-])\s*", r"\1", "".join(parts)) if len(parts) == 1 else "".join(parts)
    while plain.startswith("(") and plain.endswith(")") and _closes_at_end(plain):
        plain = plain[1:-1].strip()
    return plain


def _closes_at_end(text: str) -> bool:
    """Whether the parenthesis that opens the text is closed by its last character."""
    depth = 0
    for place, character in enumerate(re.sub(r"'(?:[^']|'')*'", lambda quoted: "'" * len(quoted[0]), text)):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0:
            return place == len(text) - 1
    return False


class ColumnType(base.AlterColumn):
    """ALTER COLUMN … TYPE … [USING …]."""

    def __init__(self, name: str, column_name: str, type_: Any, using: str | None, **options: Any) -> None:
        super().__init__(name, column_name, **options)
        self.type_ = types.to_instance(type_)
        self.using = using


@compiles(ColumnType, "eventdb")
def _column_type(element: ColumnType, compiler: Any, **kw: Any) -> str:
    using = "" if element.using is None else f" USING {element.using}"
    column = f"{alter_table(compiler, element.table_name, element.schema)} {alter_column(compiler, element.column_name)}"
    return f"{column} TYPE {format_type(compiler, element.type_)}{using}"


@compiles(base.RenameTable, "eventdb")
def _rename_table(element: Any, compiler: Any, **kw: Any) -> str:
    table = alter_table(compiler, element.table_name, element.schema)
    return f"{table} RENAME TO {format_table_name(compiler, element.new_table_name, None)}"


@compiles(base.ColumnComment, "eventdb")
def _column_comment(element: Any, compiler: Any, **kw: Any) -> str:
    column = f"{format_table_name(compiler, element.table_name, element.schema)}.{format_column_name(compiler, element.column_name)}"
    comment = "NULL" if element.comment is None else compiler.sql_compiler.render_literal_value(element.comment, types.String())
    return f"COMMENT ON COLUMN {column} IS {comment}"


@compiles(base.IdentityColumnDefault, "eventdb")
def _identity(element: Any, compiler: Any, **kw: Any) -> str:
    column = f"{alter_table(compiler, element.table_name, element.schema)} {alter_column(compiler, element.column_name)}"
    if element.default is None:
        return f"{column} DROP IDENTITY"
    if not element.existing_server_default:
        return f"{column} ADD {compiler.visit_identity_column(element.default)}"
    changed, _, _ = element.impl._compare_identity_default(element.default, element.existing_server_default)
    return " ".join([column, *(_identity_change(element.default, attribute, compiler) for attribute in sorted(changed))])


def _identity_change(identity: Any, attribute: str, compiler: Any) -> str:
    if attribute == "always":
        return f"SET GENERATED {'ALWAYS' if identity.always else 'BY DEFAULT'}"
    return f"SET {compiler.get_identity_options(Identity(**{attribute: getattr(identity, attribute)}))}"


def setup(plugin: Any) -> None:
    """Alembic's plugin protocol: importing this module was all that was to do."""
