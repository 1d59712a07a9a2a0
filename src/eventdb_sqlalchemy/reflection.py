"""Tables as they stand in the database, read from information_schema, eventdb.constraints and eventdb.indexes.

Each kind of thing is one query for any number of tables: the `get_multi_…` methods are the real ones, those for one table ask them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import groupby
from typing import Any

import sqlalchemy
from sqlalchemy import exc
from sqlalchemy.engine import reflection
from sqlalchemy.engine.reflection import ObjectKind, ObjectScope, ReflectionDefaults

from eventdb_sqlalchemy.types import reflected_type

Found = dict[tuple[str | None, str], Any]
Row = Any
_MANY_NAMES = 100
_TABLE_TYPES = {ObjectKind.TABLE: ("BASE TABLE", "LOCAL TEMPORARY"), ObjectKind.VIEW: ("VIEW",)}
_SAYS_INCLUDED_TWICE = sqlalchemy.__version__.startswith("2.0.")
"""Whether the columns that an index includes stand beside its options too."""
_TEMPORARY = "pg_temp"
"""The schema of what belongs to the connection alone. It comes first where a name is looked up."""
_OWN_OR_GIVEN = f"({{0}}_schema = :schema OR (:own AND {{0}}_schema = '{_TEMPORARY}'))"


def _among(name: str, values: Collection[str]) -> str:
    """A condition on parameters name0, name1 …"""
    return f"IN ({', '.join(f':{name}{place}' for place in range(len(values)))})"


def _one(kind: str) -> Callable[..., Any]:
    """The method for one table, which asks that for many."""

    def method(self: Any, connection: Any, table_name: str, schema: str | None = None, **kw: Any) -> Any:
        many = getattr(self, f"get_multi_{kind}")
        found = many(connection, schema=schema, filter_names=[table_name], scope=ObjectScope.ANY, kind=ObjectKind.ANY, **kw)
        try:
            return dict(found)[schema, table_name]
        except KeyError:
            raise exc.NoSuchTableError(f"{schema}.{table_name}" if schema else table_name) from None

    method.__name__ = f"get_{kind}"  # the cache goes by names
    return reflection.cache(method)


class Reflection:
    """The part of the dialect that reflects."""

    default_schema_name: str | None

    # lists of names

    def _names(self, connection: Any, sql: str, schema: str | None, **values: Any) -> list[str]:
        values["schema"] = self._schema(schema)
        return [row[0] for row in connection.exec_driver_sql(sql, values)]

    def _schema(self, schema: str | None) -> str:
        return schema if schema is not None else self.default_schema_name or "public"

    @reflection.cache
    def get_schema_names(self, connection: Any, **kw: Any) -> list[str]:
        return self._names(connection, "SELECT schema_name FROM information_schema.schemata ORDER BY 1", None)

    @reflection.cache
    def has_schema(self, connection: Any, schema_name: str, **kw: Any) -> bool:
        sql = "SELECT 1 FROM information_schema.schemata WHERE schema_name = :schema"
        return bool(self._names(connection, sql, schema_name))

    def _relations(self, connection: Any, schema: str | None, table_type: str) -> list[str]:
        sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = :schema AND table_type = :type ORDER BY 1"
        return self._names(connection, sql, schema, type=table_type)

    @reflection.cache
    def get_table_names(self, connection: Any, schema: str | None = None, **kw: Any) -> list[str]:
        return self._relations(connection, schema, "BASE TABLE")

    @reflection.cache
    def get_view_names(self, connection: Any, schema: str | None = None, **kw: Any) -> list[str]:
        return self._relations(connection, schema, "VIEW")

    @reflection.cache
    def get_temp_table_names(self, connection: Any, **kw: Any) -> list[str]:
        return self._relations(connection, _TEMPORARY, "LOCAL TEMPORARY")

    @reflection.cache
    def get_temp_view_names(self, connection: Any, **kw: Any) -> list[str]:
        return self._relations(connection, _TEMPORARY, "VIEW")

    @reflection.cache
    def get_sequence_names(self, connection: Any, schema: str | None = None, **kw: Any) -> list[str]:
        sql = "SELECT sequence_name FROM information_schema.sequences WHERE sequence_schema = :schema ORDER BY 1"
        return self._names(connection, sql, schema)

    @reflection.cache
    def has_table(self, connection: Any, table_name: str, schema: str | None = None, **kw: Any) -> bool:
        self._ensure_has_table_connection(connection)  # type: ignore[attr-defined]
        sql = f"SELECT 1 FROM information_schema.tables WHERE {_OWN_OR_GIVEN.format('table')} AND table_name = :name"
        return bool(self._names(connection, sql, schema, name=table_name, own=schema is None))

    @reflection.cache
    def has_sequence(self, connection: Any, sequence_name: str, schema: str | None = None, **kw: Any) -> bool:
        sql = f"SELECT 1 FROM information_schema.sequences WHERE {_OWN_OR_GIVEN.format('sequence')} AND sequence_name = :name"
        return bool(self._names(connection, sql, schema, name=sequence_name, own=schema is None))

    @reflection.cache
    def get_view_definition(self, connection: Any, view_name: str, schema: str | None = None, **kw: Any) -> str:
        sql = (
            f"SELECT view_definition FROM information_schema.views WHERE {_OWN_OR_GIVEN.format('table')} AND table_name = :name"
            f" ORDER BY table_schema <> '{_TEMPORARY}'"
        )
        found = self._names(connection, sql, schema, name=view_name, own=schema is None)
        if not found:
            raise exc.NoSuchTableError(f"{schema}.{view_name}" if schema else view_name)
        return found[0]

    # one table

    get_columns = _one("columns")
    get_pk_constraint = _one("pk_constraint")
    get_foreign_keys = _one("foreign_keys")
    get_indexes = _one("indexes")
    get_unique_constraints = _one("unique_constraints")
    get_check_constraints = _one("check_constraints")
    get_table_comment = _one("table_comment")
    get_table_options = _one("table_options")

    # many tables

    def _read(
        self, connection: Any, columns: str, joined: str, order: str, asked: dict[str, Any], **values: Any
    ) -> Iterator[tuple[str, list[Row]]]:
        """(table, its rows) for the tables asked for: rows of `joined`, one of NULLs where there is none."""
        types = [name for flag, of_kind in _TABLE_TYPES.items() if flag in asked["kind"] for name in of_kind]
        schemas = self._schemas(asked["schema"], asked["scope"])
        if not types or not schemas:
            return
        names: Collection[str] | None = asked["filter_names"]
        values |= {f"schema{place}": schema for place, schema in enumerate(schemas)}
        where = f"t.table_schema {_among('schema', schemas)} AND t.table_type IN ({', '.join(repr(name) for name in types)})"
        if names is not None and len(names) <= _MANY_NAMES:
            if not names:
                return
            values |= {f"name{place}": name for place, name in enumerate(names)}
            where += f" AND t.table_name {_among('name', names)}"
            names = None
        sql = (
            f"SELECT t.table_schema, t.table_name, {columns} FROM information_schema.tables AS t {joined} WHERE {where}"
            f" ORDER BY t.table_name, t.table_schema <> '{_TEMPORARY}'{order}"
        )
        rows = connection.exec_driver_sql(sql, values).mappings()
        for table, found in groupby(rows, key=lambda row: row["table_name"]):
            if names is None or table in names:
                _, first = next(groupby(found, key=lambda row: row["table_schema"]))  # a temporary table hides one of its name
                yield table, list(first)

    def _schemas(self, schema: str | None, scope: ObjectScope) -> list[str]:
        """Where to look for tables of a scope."""
        if schema is not None:
            own = ObjectScope.TEMPORARY if schema == _TEMPORARY else ObjectScope.DEFAULT
            return [schema] if own in scope else []
        permanent = [self._schema(None)] if ObjectScope.DEFAULT in scope else []
        return permanent + ([_TEMPORARY] if ObjectScope.TEMPORARY in scope else [])

    def _constraints(self, connection: Any, wanted: str, asked: dict[str, Any]) -> Iterator[tuple[str, list[list[Row]]]]:
        """(table, its constraints of a type, each as the rows of its columns)."""
        joined = (
            "LEFT JOIN eventdb.constraints AS c"
            " ON c.schema_name = t.table_schema AND c.table_name = t.table_name AND c.constraint_type = :wanted"
        )
        columns = (
            "c.constraint_name, c.column_name, c.referenced_schema, c.referenced_table, c.referenced_column, c.match_option, c.update_rule,"
            " c.delete_rule, c.is_deferrable, c.initially_deferred, c.nulls_distinct, c.check_clause, c.comment"
        )
        order = ", c.constraint_name, c.ordinal_position"
        for table, rows in self._read(connection, columns, joined, order, asked, wanted=wanted):
            real = (row for row in rows if row["constraint_name"] is not None)
            yield table, [list(found) for _, found in groupby(real, key=lambda row: row["constraint_name"])]

    def get_multi_columns(self, connection: Any, **asked: Any) -> Found:
        joined = "LEFT JOIN information_schema.columns AS c ON c.table_schema = t.table_schema AND c.table_name = t.table_name"
        columns = (
            "c.column_name, c.column_default, c.is_nullable, c.data_type, c.character_maximum_length, c.numeric_precision, c.numeric_scale,"
            " c.datetime_precision, c.interval_type,"
            " c.is_identity, c.identity_generation, c.identity_start, c.identity_increment, c.identity_maximum,"
            " c.identity_minimum, c.identity_cycle, c.identity_cache, c.generation_expression, c.column_comment"
        )
        found = self._read(connection, columns, joined, ", c.ordinal_position", asked)
        return {
            (asked["schema"], table): _columns([row for row in rows if row["column_name"] is not None]) or ReflectionDefaults.columns()
            for table, rows in found
        }

    def get_multi_pk_constraint(self, connection: Any, **asked: Any) -> Found:
        return {
            (asked["schema"], table): _primary_key(keys[0]) if keys else ReflectionDefaults.pk_constraint()
            for table, keys in self._constraints(connection, "PRIMARY KEY", asked)
        }

    def get_multi_foreign_keys(self, connection: Any, **asked: Any) -> Found:
        schema = asked["schema"]
        return {
            (schema, table): [self._foreign_key(key, schema) for key in keys] or ReflectionDefaults.foreign_keys()
            for table, keys in self._constraints(connection, "FOREIGN KEY", asked)
        }

    def _foreign_key(self, rows: list[Row], schema: str | None) -> dict[str, Any]:
        first = rows[0]
        target = first["referenced_schema"]
        options: dict[str, Any] = {}
        if first["update_rule"] != "NO ACTION":
            options["onupdate"] = first["update_rule"]
        if first["delete_rule"] != "NO ACTION":
            options["ondelete"] = first["delete_rule"]
        if first["is_deferrable"]:
            options["deferrable"] = True
            if first["initially_deferred"]:
                options["initially"] = "DEFERRED"
        if first["match_option"] != "SIMPLE":
            options["match"] = first["match_option"]
        return {
            "name": first["constraint_name"],
            "constrained_columns": [row["column_name"] for row in rows],
            "referred_schema": None if target == self._schema(None) and target != schema else target,
            "referred_table": first["referenced_table"],
            "referred_columns": [row["referenced_column"] for row in rows],
            "options": options,
            "comment": first["comment"],
        }

    def get_multi_unique_constraints(self, connection: Any, **asked: Any) -> Found:
        return {
            (asked["schema"], table): [_unique(key) for key in keys] or ReflectionDefaults.unique_constraints()
            for table, keys in self._constraints(connection, "UNIQUE", asked)
        }

    def get_multi_check_constraints(self, connection: Any, **asked: Any) -> Found:
        return {
            (asked["schema"], table): [
                {"name": key[0]["constraint_name"], "sqltext": key[0]["check_clause"], "comment": key[0]["comment"]} for key in keys
            ]
            or ReflectionDefaults.check_constraints()
            for table, keys in self._constraints(connection, "CHECK", asked)
        }

    def get_multi_indexes(self, connection: Any, **asked: Any) -> Found:
        joined = (
            "LEFT JOIN eventdb.indexes AS i"
            " ON i.schema_name = t.table_schema AND i.table_name = t.table_name AND NOT i.is_constraint AND NOT i.is_primary"
        )
        columns = (
            "i.index_name, i.is_unique, i.column_name, i.expression, i.descending, i.nulls_first, i.predicate,"
            " i.included, i.nulls_distinct"
        )
        made: Found = {}
        for table, rows in self._read(connection, columns, joined, ", i.index_name, i.ordinal_position", asked):
            real = (row for row in rows if row["index_name"] is not None)
            indexes = [_index(list(parts)) for _, parts in groupby(real, key=lambda row: row["index_name"])]
            made[asked["schema"], table] = indexes or ReflectionDefaults.indexes()
        return made

    def get_multi_table_comment(self, connection: Any, **asked: Any) -> Found:
        found = self._read(connection, "t.table_comment", "", "", asked)
        return {(asked["schema"], table): {"text": rows[0]["table_comment"]} for table, rows in found}

    def get_multi_table_options(self, connection: Any, **asked: Any) -> Found:
        return {(asked["schema"], table): ReflectionDefaults.table_options() for table, _ in self._read(connection, "1", "", "", asked)}


def _columns(rows: list[Row]) -> list[dict[str, Any]]:
    """The columns of a table. SQLAlchemy knows one that counts by itself: an identity, else one that takes its default from a sequence."""
    made = [_column(row) for row in rows]
    if not any("identity" in column for column in made):
        for column in [c for c in made if (c["default"] or "").lower().startswith("nextval(")][:1]:
            column["autoincrement"] = True
    return made


def _column(row: Row) -> dict[str, Any]:
    default = row["column_default"]
    identity = row["is_identity"] == "YES"
    made: dict[str, Any] = {
        "name": row["column_name"],
        "type": reflected_type(row),
        "nullable": row["is_nullable"] == "YES",
        "default": default,
        "autoincrement": identity,
        "comment": row["column_comment"],
    }
    if identity:
        made["identity"] = {
            "always": row["identity_generation"] == "ALWAYS",
            "start": int(row["identity_start"]),
            "increment": int(row["identity_increment"]),
            "minvalue": int(row["identity_minimum"]),
            "maxvalue": int(row["identity_maximum"]),
            "cycle": row["identity_cycle"] == "YES",
            "cache": int(row["identity_cache"]),
        }
    if row["generation_expression"] is not None:
        made["computed"] = {"sqltext": row["generation_expression"], "persisted": True}
    return made


def _column_names(rows: Iterable[Row]) -> list[str]:
    return [row["column_name"] for row in rows]


def _primary_key(rows: list[Row]) -> dict[str, Any]:
    return {"constrained_columns": _column_names(rows), "name": rows[0]["constraint_name"], "comment": rows[0]["comment"]}


def _unique(rows: list[Row]) -> dict[str, Any]:
    made: dict[str, Any] = {"name": rows[0]["constraint_name"], "column_names": _column_names(rows), "comment": rows[0]["comment"]}
    if not rows[0]["nulls_distinct"]:
        made["dialect_options"] = {"eventdb_nulls_not_distinct": True}
    return made


def _index(rows: list[Row]) -> dict[str, Any]:
    first = rows[0]
    made: dict[str, Any] = {"name": first["index_name"], "unique": first["is_unique"], "column_names": _column_names(rows)}
    if any(row["expression"] is not None for row in rows):
        made["expressions"] = [row["expression"] if row["expression"] is not None else row["column_name"] for row in rows]
    sorting: dict[str, tuple[str, ...]] = {}
    for row in rows:
        order: tuple[str, ...] = ("desc",) if row["descending"] else ()
        if row["nulls_first"] != row["descending"]:
            order += ("nulls_first",) if row["nulls_first"] else ("nulls_last",)
        if order:
            sorting[row["column_name"] or row["expression"]] = order
    if sorting:
        made["column_sorting"] = sorting
    made["dialect_options"] = options = {"eventdb_include": first["included"]}
    if _SAYS_INCLUDED_TWICE:
        made["include_columns"] = first["included"]
    if first["predicate"] is not None:
        options["eventdb_where"] = first["predicate"]
    if not first["nulls_distinct"]:
        options["eventdb_nulls_not_distinct"] = True
    return made
