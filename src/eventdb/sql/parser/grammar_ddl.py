"""Grammar of CREATE: tables with their columns and constraints, indexes, views, sequences, schemas."""

from __future__ import annotations

from typing import Any

from eventdb import errors
from eventdb.model.record import replace
from eventdb.sql.parser import ast
from eventdb.sql.parser.symbols import Actions, Symbols


class DefinitionRules(Actions):
    """Actions of the CREATE grammar; each docstring holds its productions."""

    def p_unit_definition(self, p: Symbols) -> None:
        """definition : create_table
        | create_index
        | create_view
        | create_sequence
        | create_schema
        | create_subscription
        | alter
        | drop
        | comment"""
        p[0] = p[1]

    def p_if_not_exists(self, p: Symbols) -> None:
        """if_not_exists :
        | IF NOT EXISTS"""
        p[0] = len(p) > 1

    def p_if_exists(self, p: Symbols) -> None:
        """if_exists :
        | IF EXISTS"""
        p[0] = len(p) > 1

    def p_temporary(self, p: Symbols) -> None:
        """temporary :
        | TEMPORARY
        | TEMP
        | LOCAL TEMPORARY
        | LOCAL TEMP"""
        p[0] = len(p) > 1

    # ---- tables

    def p_create_table(self, p: Symbols) -> None:
        """create_table : CREATE temporary TABLE if_not_exists relation_name '(' table_elements ')' table_tails
        | CREATE temporary TABLE if_not_exists relation_name '(' ')' table_tails"""
        elements = p[7] if len(p) == 10 else []
        columns = tuple(e for e in elements if isinstance(e, ast.ColumnDefinition))
        constraints = tuple(e for e in elements if not isinstance(e, ast.ColumnDefinition))
        options, on_commit = p[len(p) - 1]
        p[0] = ast.CreateTable(p[5], columns, constraints, p[4], p[2], tuple(options), on_commit, position=p.at(1))

    def p_table_elements(self, p: Symbols) -> None:
        """table_elements : table_element
        | table_elements ',' table_element"""
        self.append(p)

    def p_unit_table_element(self, p: Symbols) -> None:
        """table_element : column_definition
        | table_constraint"""
        p[0] = p[1]

    def p_table_tails(self, p: Symbols) -> None:
        """table_tails :
        | table_tails WITH '(' options ')'
        | table_tails HISTORY RETENTION value
        | table_tails ON COMMIT on_commit"""
        if len(p) == 1:
            p[0] = ([], None)
            return
        options, on_commit = p[1]
        if p[2] == "on":
            if on_commit is not None:
                raise self.unexpected(p, 2)
            on_commit = p[4]
        elif p[2] == "history":
            options.append(("history_retention", p[4]))
        else:
            options.extend(p[4])
        p[0] = (options, on_commit)

    def p_on_commit(self, p: Symbols) -> None:
        """on_commit : PRESERVE ROWS
        | DELETE ROWS
        | DROP"""
        p[0] = " ".join(p[1:])

    def p_create_table_as(self, p: Symbols) -> None:
        """create_table_as : CREATE temporary TABLE if_not_exists relation_name commit_opt AS query with_data
        | CREATE temporary TABLE if_not_exists relation_name '(' names ')' commit_opt AS query with_data"""
        columns = tuple(p[7]) if len(p) == 13 else ()
        p[0] = ast.CreateTableAs(p[5], p[len(p) - 2], columns, p[4], p[2], p[len(p) - 1], p[len(p) - 4], position=p.at(1))

    def p_commit_opt(self, p: Symbols) -> None:
        """commit_opt :
        | ON COMMIT on_commit"""
        p[0] = p[3] if len(p) == 4 else None

    def p_with_data(self, p: Symbols) -> None:
        """with_data :
        | WITH_DATA
        | WITH_NO_DATA"""
        p[0] = len(p) == 1 or p[1] == "with data"

    # ---- columns

    def p_column_definition(self, p: Symbols) -> None:
        """column_definition : IDENTIFIER typename column_constraints"""
        p[0] = ast.ColumnDefinition(p[1], p[2], tuple(p[3]), position=p.at(1))

    def p_column_constraints(self, p: Symbols) -> None:
        """column_constraints :
        | column_constraints column_constraint"""
        if len(p) == 1:
            p[0] = []
        else:
            p[1].append(p[2])
            p[0] = p[1]

    def p_unit_column_constraint(self, p: Symbols) -> None:
        """column_constraint : column_rule"""
        p[0] = p[1]

    def p_column_constraint_named(self, p: Symbols) -> None:
        """column_constraint : CONSTRAINT IDENTIFIER column_rule"""
        rule = p[3]
        if not hasattr(rule, "name"):
            raise self.unexpected(p, 3, hint="NOT NULL, UNIQUE, PRIMARY KEY, CHECK and REFERENCES can be named.")
        p[0] = replace(rule, name=p[2])

    def p_column_null(self, p: Symbols) -> None:
        """column_rule : NOT NULL
        | NULL"""
        p[0] = ast.NotNull(nullable=len(p) == 2, position=p.at(1))

    def p_column_default(self, p: Symbols) -> None:
        """column_rule : DEFAULT expression"""
        p[0] = ast.DefaultValue(p[2], p.source(2), position=p.at(1))

    def p_column_identity(self, p: Symbols) -> None:
        """column_rule : GENERATED ALWAYS AS IDENTITY identity_options
        | GENERATED BY DEFAULT AS IDENTITY identity_options"""
        p[0] = ast.IdentityColumn(p[2] == "always", p[len(p) - 1], position=p.at(1))

    def p_identity_options(self, p: Symbols) -> None:
        """identity_options :
        | '(' sequence_options ')'"""
        p[0] = self.sequence(p, 2) if len(p) == 4 else None

    def p_column_generated(self, p: Symbols) -> None:
        """column_rule : GENERATED ALWAYS AS '(' expression ')' generated_kind"""
        p[0] = ast.GeneratedColumn(p[5], p.source(5), p[7], position=p.at(1))

    def p_generated_kind(self, p: Symbols) -> None:
        """generated_kind :
        | STORED
        | VIRTUAL"""
        p[0] = len(p) == 1 or p[1] == "stored"

    def p_column_collate(self, p: Symbols) -> None:
        """column_rule : COLLATE dotted"""
        p[0] = ast.CollateColumn(p[2], position=p.at(1))

    def p_column_unique(self, p: Symbols) -> None:
        """column_rule : UNIQUE nulls_distinct timing
        | PRIMARY KEY timing"""
        primary = p[1] == "primary"
        p[0] = ast.UniqueConstraint(
            primary=primary, nulls_distinct=primary or p[2], deferrable=p[3][0], deferred=p[3][1], position=p.at(1)
        )

    def p_check(self, p: Symbols) -> None:
        """column_rule : check
        check : CHECK '(' expression ')'"""
        p[0] = p[1] if len(p) == 2 else ast.CheckConstraint(p[3], p.source(3), position=p.at(1))

    def p_column_references(self, p: Symbols) -> None:
        """column_rule : references"""
        p[0] = p[1]

    # ---- constraints

    def p_table_constraint(self, p: Symbols) -> None:
        """table_constraint : table_rule
        | CONSTRAINT IDENTIFIER table_rule"""
        p[0] = p[1] if len(p) == 2 else replace(p[3], name=p[2])

    def p_table_unique(self, p: Symbols) -> None:
        """table_rule : UNIQUE nulls_distinct '(' names ')' timing"""
        deferrable, deferred = p[6]
        p[0] = ast.UniqueConstraint(None, tuple(p[4]), False, p[2], deferrable, deferred, position=p.at(1))

    def p_table_primary(self, p: Symbols) -> None:
        """table_rule : PRIMARY KEY '(' names ')' timing"""
        deferrable, deferred = p[6]
        p[0] = ast.UniqueConstraint(None, tuple(p[4]), True, True, deferrable, deferred, position=p.at(1))

    def p_unit_table_check(self, p: Symbols) -> None:
        """table_rule : check"""
        p[0] = p[1]

    def p_table_foreign(self, p: Symbols) -> None:
        """table_rule : FOREIGN KEY '(' names ')' references"""
        p[0] = replace(p[6], columns=tuple(p[4]), position=p.at(1))

    def p_references(self, p: Symbols) -> None:
        """references : REFERENCES relation_name columns_opt reference_actions timing"""
        parts = p[4]
        if "set_columns" in parts and parts.get("on_delete") not in ("SET NULL", "SET DEFAULT"):
            raise errors.SQLSyntaxError("a column list with SET NULL or SET DEFAULT is only for ON DELETE", position=p.at(4))
        p[0] = ast.ForeignKeyConstraint(p[2], None, (), p[3], deferrable=p[5][0], deferred=p[5][1], **parts, position=p.at(1))

    def p_reference_actions(self, p: Symbols) -> None:
        """reference_actions :
        | reference_actions reference_action"""
        parts = p[1] if len(p) == 3 else {}
        if len(p) == 3:
            if parts.keys() & p[2].keys():
                raise self.unexpected(p, 2)
            parts = {**parts, **p[2]}
        p[0] = parts

    def p_reference_match(self, p: Symbols) -> None:
        """reference_action : MATCH FULL
        | MATCH SIMPLE
        | MATCH PARTIAL"""
        if p[2] == "partial":
            raise errors.NotSupportedError("MATCH PARTIAL is not supported", position=p.at(1))
        p[0] = {"match_full": p[2] == "full"}

    def p_reference_delete(self, p: Symbols) -> None:
        """reference_action : ON DELETE key_action columns_opt"""
        p[0] = {"on_delete": p[3]}
        if p[4]:
            p[0]["set_columns"] = p[4]

    def p_reference_update(self, p: Symbols) -> None:
        """reference_action : ON UPDATE key_action"""
        p[0] = {"on_update": p[3]}

    def p_key_action(self, p: Symbols) -> None:
        """key_action : NO ACTION
        | RESTRICT
        | CASCADE
        | SET NULL
        | SET DEFAULT"""
        p[0] = " ".join(p[1:]).upper()

    def p_nulls_distinct(self, p: Symbols) -> None:
        """nulls_distinct :
        | NULLS DISTINCT
        | NULLS NOT DISTINCT"""
        p[0] = len(p) != 4

    def p_timing(self, p: Symbols) -> None:
        """timing :
        | timing_words"""
        words = p[1] if len(p) == 2 else []
        deferred = "deferred" in words
        if "not deferrable" in words and deferred:
            raise errors.SQLSyntaxError("constraint declared INITIALLY DEFERRED must be DEFERRABLE", position=p.at(1))
        p[0] = (deferred or "deferrable" in words, deferred)

    def p_timing_words(self, p: Symbols) -> None:
        """timing_words : timing_word
        | timing_words timing_word"""
        kinds = ({"deferrable", "not deferrable"}, {"immediate", "deferred"})
        if len(p) == 3 and any(p[2] in kind and kind & set(p[1]) for kind in kinds):
            raise self.unexpected(p, 2)
        self.append(p)

    def p_timing_word(self, p: Symbols) -> None:
        """timing_word : DEFERRABLE
        | NOT_DEFERRABLE
        | INITIALLY DEFERRED
        | INITIALLY IMMEDIATE"""
        p[0] = p[len(p) - 1]

    # ---- indexes

    def p_create_index(self, p: Symbols) -> None:
        """create_index : CREATE unique INDEX concurrently index_name ON relation_name index_method \
'(' index_elements ')' index_include nulls_distinct where"""
        name, if_not_exists = p[5]
        where = p[14]
        # The condition's text starts after the word WHERE.
        where_text = None if where is None else p.source(14)[5:].lstrip()
        p[0] = ast.CreateIndex(
            p[7], tuple(p[10]), name, p[2], if_not_exists, p[8][0], p[12], p[13], where, where_text,
            method_position=p[8][1], position=p.at(1),
        )  # fmt: skip

    def p_unique(self, p: Symbols) -> None:
        """unique :
        | UNIQUE"""
        p[0] = len(p) == 2

    def p_concurrently(self, p: Symbols) -> None:
        """concurrently :
        | CONCURRENTLY"""

    def p_index_name(self, p: Symbols) -> None:
        """index_name :
        | IDENTIFIER
        | IF NOT EXISTS IDENTIFIER"""
        p[0] = (p[len(p) - 1] if len(p) > 1 else None, len(p) == 5)

    def p_index_method(self, p: Symbols) -> None:
        """index_method :
        | USING IDENTIFIER"""
        p[0] = (p[2], p.at(2)) if len(p) == 3 else ("btree", -1)

    def p_index_include(self, p: Symbols) -> None:
        """index_include :
        | INCLUDE '(' names ')'"""
        p[0] = tuple(p[3]) if len(p) == 5 else ()

    def p_index_elements(self, p: Symbols) -> None:
        """index_elements : index_element
        | index_elements ',' index_element"""
        self.append(p)

    def p_index_element(self, p: Symbols) -> None:
        """index_element : value direction nulls_order"""
        expression, text = p[1], p.source(1)
        collation: tuple[str, ...] = ()
        if isinstance(expression, ast.Collate):
            collation, expression = expression.collation, expression.operand
            from eventdb.sql.parser.rendering import render

            text = render(expression)
        p[0] = ast.IndexElement(expression, text, p[2], p[3], collation, position=p.at(1))

    # ---- views, sequences, schemas

    def p_create_view(self, p: Symbols) -> None:
        """create_view : CREATE temporary VIEW view_definition
        | CREATE OR REPLACE temporary VIEW view_definition"""
        replaces = len(p) == 7
        p[0] = replace(p[len(p) - 1], or_replace=replaces, temporary=p[4 if replaces else 2], position=p.at(1))

    def p_view_definition(self, p: Symbols) -> None:
        """view_definition : if_not_exists relation_name columns_opt AS query view_check"""
        p[0] = ast.CreateView(p[2], p[5], p.source(5), p[3], if_not_exists=p[1])

    def p_view_check(self, p: Symbols) -> None:
        """view_check :
        | WITH CHECK OPTION
        | WITH LOCAL CHECK OPTION
        | WITH CASCADED CHECK OPTION"""
        if len(p) > 1:
            raise errors.NotSupportedError("WITH CHECK OPTION is not supported", position=p.at(1))

    def p_create_sequence(self, p: Symbols) -> None:
        """create_sequence : CREATE temporary SEQUENCE if_not_exists relation_name sequence_options"""
        p[0] = ast.CreateSequence(p[5], self.sequence(p, 6), p[4], p[2], position=p.at(1))

    def p_sequence_options(self, p: Symbols) -> None:
        """sequence_options :
        | sequence_options sequence_option"""
        if len(p) == 1:
            p[0] = {}
        else:
            name, value = p[2]
            if name in p[1]:
                raise self.unexpected(p, 2, hint="A sequence option may be said once.")
            p[0] = {**p[1], name: value}

    def sequence(self, p: Symbols, n: int) -> ast.SequenceOptions:
        """The options of symbol n as a node."""
        return ast.SequenceOptions(**p[n], position=p.at(n) if p[n] else -1)

    def p_sequence_option_type(self, p: Symbols) -> None:
        """sequence_option : AS typename"""
        p[0] = ("type", p[2])

    def p_sequence_option_value(self, p: Symbols) -> None:
        """sequence_option : START signed_integer
        | START WITH signed_integer
        | INCREMENT signed_integer
        | INCREMENT BY signed_integer
        | MINVALUE signed_integer
        | MAXVALUE signed_integer
        | CACHE signed_integer
        | RESTART signed_integer
        | RESTART WITH signed_integer"""
        names = {"minvalue": "minimum", "maxvalue": "maximum"}
        p[0] = (names.get(p[1], p[1]), p[len(p) - 1])

    def p_sequence_option_none(self, p: Symbols) -> None:
        """sequence_option : NO MINVALUE
        | NO MAXVALUE"""
        p[0] = ("minimum" if p[2] == "minvalue" else "maximum", "none")

    def p_sequence_option_cycle(self, p: Symbols) -> None:
        """sequence_option : CYCLE
        | NO CYCLE
        | RESTART"""
        p[0] = ("restart", True) if p[1] == "restart" else ("cycle", len(p) == 2)

    def p_sequence_option_owner(self, p: Symbols) -> None:
        """sequence_option : OWNED BY dotted"""
        value: Any = p[3]
        p[0] = ("owned_by", value)

    def p_create_schema(self, p: Symbols) -> None:
        """create_schema : CREATE SCHEMA if_not_exists IDENTIFIER"""
        p[0] = ast.CreateSchema(p[4], p[3], position=p.at(1))
