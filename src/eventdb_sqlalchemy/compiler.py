"""Expressions and statements to SQL, and names to identifiers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import exc, util
from sqlalchemy import types as sqltypes
from sqlalchemy.sql import coercions, compiler, elements, roles
from sqlalchemy.sql import util as sql_util

from eventdb_sqlalchemy.temporal import is_transaction

_RESERVED = """
    all and any as asc asymmetric between case cast check collate column concurrently constraint create cross current_catalog current_date
    current_role current_schema current_time current_timestamp current_user default deferrable desc distinct else end except exists false
    fetch for foreign from full group having ilike in initially inner intersect into is isnull join lateral left like limit localtime
    localtimestamp natural not notnull null offset on only or order outer overlaps primary references returning right select session_user
    similar some symmetric table then to true union unique user using when where window with
"""
RESERVED_WORDS = set(_RESERVED.split())
"""Words that are a name only in double quotes."""


class EventDBIdentifierPreparer(compiler.IdentifierPreparer):
    reserved_words = RESERVED_WORDS


class EventDBCompiler(compiler.SQLCompiler):
    """SQL as eventdb speaks it, which is PostgreSQL's for the most part."""

    # parameters

    def bindparam_string(self, name: str, **kw: Any) -> str:  # type: ignore[override]
        """`:name`; what cannot stand in the name of a parameter is spelled out in it."""
        if kw.get("escaped_from") is None and not name.isidentifier():
            clean = re.sub(r"\W", lambda found: f"_{ord(found[0]):x}_", name)
            kw["escaped_from"] = name
            name = f"n{clean}" if clean[0].isdigit() else clean
        return super().bindparam_string(name, **kw)

    # expressions

    def render_bind_cast(self, type_: Any, dbapi_type: Any, sqltext: str) -> str:
        return f"CAST({sqltext} AS {self.dialect.type_compiler_instance.process(dbapi_type, identifier_preparer=self.preparer)})"

    def visit_bitwise_xor_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        return self._generate_generic_binary(binary, " # ", **kw)

    def visit_ilike_case_insensitive_operand(self, element: Any, **kw: Any) -> str:
        return str(element.element._compiler_dispatch(self, **kw))

    def visit_ilike_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        return self._like(binary, "ILIKE", kw)

    def visit_not_ilike_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        return self._like(binary, "NOT ILIKE", kw)

    def _like(self, binary: Any, word: str, kw: Any) -> str:
        escape = binary.modifiers.get("escape")
        text = f"{self.process(binary.left, **kw)} {word} {self.process(binary.right, **kw)}"
        return text if escape is None else f"{text} ESCAPE {self.render_literal_value(escape, sqltypes.STRINGTYPE)}"

    def visit_regexp_match_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        return self._regexp(binary, "~", kw)

    def visit_not_regexp_match_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        return self._regexp(binary, "!~", kw)

    def _regexp(self, binary: Any, operator: str, kw: Any) -> str:
        flags = binary.modifiers["flags"]
        if flags is None or flags == "i":
            return self._generate_generic_binary(binary, f" {operator}{'*' if flags else ''} ", **kw)
        prefix = self.render_literal_value(f"(?{flags})", sqltypes.STRINGTYPE)
        return f"{self.process(binary.left, **kw)} {operator} ({prefix} || {self.process(binary.right, **kw)})"

    def visit_regexp_replace_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        flags = binary.modifiers["flags"]
        told = "" if flags is None else f", {self.render_literal_value(flags, sqltypes.STRINGTYPE)}"
        return f"regexp_replace({self.process(binary.left, **kw)}, {self.process(binary.right, **kw)}{told})"

    def visit_json_getitem_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        return self._json_item(binary, "->", kw)

    def visit_json_path_getitem_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        return self._json_item(binary, "#>", kw)

    def _json_item(self, binary: Any, operator: str, kw: Any) -> str:
        """Of another type than JSON the element is taken as text and cast."""
        kw.pop("_cast_applied", None)
        kw["eager_grouping"] = True
        if binary.type._type_affinity is sqltypes.JSON:
            return self._generate_generic_binary(binary, f" {operator} ", **kw)
        text = self._generate_generic_binary(binary, f" {operator}> ", **kw)
        if binary.type._type_affinity is sqltypes.String and not getattr(binary.type, "length", None):
            return text
        return f"CAST({text} AS {self.dialect.type_compiler_instance.process(binary.type, identifier_preparer=self.preparer)})"

    def visit_empty_set_expr(self, element_types: Sequence[Any], **kw: Any) -> str:
        process = self.dialect.type_compiler_instance.process
        types = [sqltypes.INTEGER() if type_._isnull else type_ for type_ in element_types or [sqltypes.INTEGER()]]
        return f"SELECT {', '.join(f'CAST(NULL AS {process(type_)})' for type_ in types)} WHERE 1 != 1"

    def visit_sequence(self, sequence: Any, **kw: Any) -> str:
        return f"nextval({self.render_literal_value(self.preparer.format_sequence(sequence), sqltypes.STRINGTYPE)})"

    def visit_aggregate_strings_func(self, fn: Any, **kw: Any) -> str:
        generic: Any = getattr(super(), "visit_aggregate_strings_func", None)
        if generic is None:  # SQLAlchemy 2.0
            return f"string_agg{self.function_argspec(fn)}"
        return str(generic(fn, use_function_name="string_agg", **kw))

    def visit_pow_func(self, fn: Any, **kw: Any) -> str:
        return f"power{self.function_argspec(fn)}"

    # SELECT

    def get_select_precolumns(self, select: Any, **kw: Any) -> str:
        if select._distinct_on:
            return f"DISTINCT ON ({', '.join(self.process(column, **kw) for column in select._distinct_on)}) "
        return "DISTINCT " if select._distinct else ""

    def visit_postgresql_distinct_on(self, element: Any, **kw: Any) -> str | None:
        """The construct by which SQLAlchemy 2.1 says DISTINCT ON, which is PostgreSQL's."""
        return f"ON ({', '.join(self.process(column, **kw) for column in element._distinct_on)})" if element._distinct_on else None

    def limit_clause(self, select: Any, **kw: Any) -> str:
        text = ""
        if select._limit_clause is not None:
            text += f"\n LIMIT {self.process(select._limit_clause, **kw)}"
        if select._offset_clause is not None:
            text += f"\n OFFSET {self.process(select._offset_clause, **kw)}"
        return text

    def fetch_clause(self, select: Any, **kw: Any) -> str:  # type: ignore[override]
        text = ""
        if select._offset_clause is not None:
            text += f"\n OFFSET ({self.process(select._offset_clause, **kw)}) ROWS"
        if select._fetch_clause is not None:
            options = select._fetch_clause_options
            percent, ties = " PERCENT" if options["percent"] else "", "WITH TIES" if options["with_ties"] else "ONLY"
            text += f"\n FETCH FIRST ({self.process(select._fetch_clause, **kw)}){percent} ROWS {ties}"
        return text

    def for_update_clause(self, select: Any, **kw: Any) -> str:
        argument = select._for_update_arg
        if argument.read:
            text = " FOR KEY SHARE" if argument.key_share else " FOR SHARE"
        else:
            text = " FOR NO KEY UPDATE" if argument.key_share else " FOR UPDATE"
        if argument.of:
            tables = util.OrderedSet(table for column in argument.of for table in sql_util.surface_selectables_only(column))
            text += " OF " + ", ".join(self.process(table, ashint=True, use_schema=False, **kw) for table in tables)
        return text + (" NOWAIT" if argument.nowait else "") + (" SKIP LOCKED" if argument.skip_locked else "")

    def visit_system_time(self, temporal: Any, asfrom: bool = False, ashint: bool = False, **kw: Any) -> str:
        compiler: Any = self
        text = compiler.visit_alias(temporal, asfrom=asfrom, ashint=ashint, **kw)
        if not asfrom or ashint:
            return str(text)
        if temporal.kind == "ALL":
            clause = " FOR SYSTEM_TIME ALL"
        else:
            clause = f" FOR SYSTEM_TIME {temporal.kind} {self._moment(temporal.start, kw)}"
            if temporal.end is not None:
                clause += f" {'TO' if temporal.kind == 'FROM' else 'AND'} {self._moment(temporal.end, kw)}"
        name: Any = temporal.name
        if isinstance(name, elements._truncated_label):
            name = self._truncated_identifier("alias", name)
        suffix = compiler.get_render_as_alias_suffix(self.preparer.format_alias(temporal, name))
        # within another alias, that one gives the name
        return f"{text[: -len(suffix)]}{clause}{suffix}" if text.endswith(suffix) else f"{text}{clause}"

    def _moment(self, moment: Any, kw: Any) -> str:
        inner = {key: value for key, value in kw.items() if key in ("literal_binds", "literal_execute")}
        return f"{'TRANSACTION ' if is_transaction(moment) else ''}{self.process(moment.self_group(), **inner)}"

    # INSERT, UPDATE, DELETE

    def visit_on_conflict_do_nothing(self, clause: Any, **kw: Any) -> str:
        return f"ON CONFLICT{self._conflict_target(clause, kw)} DO NOTHING"

    def visit_on_conflict_do_update(self, clause: Any, **kw: Any) -> str:
        assigned = dict(clause.update_values_to_set)
        statement: Any = self.stack[-1]["selectable"]
        inner = {**kw, "use_schema": False}
        changes: list[str] = []
        for column in statement.table.c:
            value = assigned.pop(column.key, None)
            if value is None:
                value = assigned.pop(column, None)
            if value is None:
                continue
            if isinstance(value, elements.BindParameter) and value.type._isnull:
                value = value._with_binary_element_type(column.type)
            text = self.process(value.self_group(), is_upsert_set=True, **inner)
            changes.append(f"{self.preparer.quote(column.name)} = {text}")
        if assigned:
            names = ", ".join(repr(str(name)) for name in assigned)
            raise exc.CompileError(f"ON CONFLICT DO UPDATE sets columns that table {statement.table.name!r} does not have: {names}")
        action = ", ".join(changes)
        if clause.update_whereclause is not None:
            action += f" WHERE {self.process(clause.update_whereclause, include_table=True, **inner)}"
        return f"ON CONFLICT{self._conflict_target(clause, kw)} DO UPDATE SET {action}"

    def _conflict_target(self, clause: Any, kw: Any) -> str:
        if clause.constraint_target is not None:
            return f" ON CONSTRAINT {self.preparer.truncate_and_render_constraint_name(clause.constraint_target)}"
        if clause.inferred_target_elements is None:
            return ""
        text = ", ".join(
            self.preparer.quote(e) if isinstance(e, str) else self.process(e, include_table=False, use_schema=False)
            for e in clause.inferred_target_elements
        )
        if clause.inferred_target_whereclause is None:
            return f" ({text})"
        where = coercions.expect(roles.WhereHavingRole, clause.inferred_target_whereclause)
        return f" ({text}) WHERE {self.process(where, **{**kw, 'include_table': False, 'use_schema': False})}"

    def update_from_clause(self, update_stmt: Any, from_table: Any, extra_froms: Any, from_hints: Any, **kw: Any) -> str:
        return self._more_tables("FROM", extra_froms, from_hints, kw)

    def delete_extra_from_clause(self, delete_stmt: Any, from_table: Any, extra_froms: Any, from_hints: Any, **kw: Any) -> str:
        return self._more_tables("USING", extra_froms, from_hints, kw)

    def _more_tables(self, word: str, tables: Any, hints: Any, kw: Any) -> str:
        kw["asfrom"] = True
        return f"{word} " + ", ".join(table._compiler_dispatch(self, fromhints=hints, **kw) for table in tables)
