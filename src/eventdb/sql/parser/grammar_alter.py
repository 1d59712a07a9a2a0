"""Grammar of what changes definitions: ALTER, DROP, COMMENT ON."""

from __future__ import annotations

from eventdb import errors
from eventdb.sql.parser import ast
from eventdb.sql.parser.grammar_ddl import DefinitionRules
from eventdb.sql.parser.symbols import Symbols


class AlterationRules(DefinitionRules):
    """Actions of the ALTER, DROP and COMMENT grammar; each docstring holds its productions."""

    # ---- subscriptions

    def p_create_subscription(self, p: Symbols) -> None:
        """create_subscription : CREATE SUBSCRIPTION if_not_exists IDENTIFIER subscription_start subscription_tables"""
        p[0] = ast.CreateSubscription(p[4], p[5], tuple(p[6]), p[3], position=p.at(4))

    def p_subscription_start(self, p: Symbols) -> None:
        """subscription_start :
        | AFTER moment"""
        p[0] = p[2] if len(p) == 3 else None

    def p_subscription_tables(self, p: Symbols) -> None:
        """subscription_tables :
        | FOR TABLE relation_names"""
        p[0] = p[3] if len(p) == 4 else ()

    def p_drop_subscription(self, p: Symbols) -> None:
        """drop : DROP SUBSCRIPTION if_exists IDENTIFIER"""
        p[0] = ast.DropSubscription(p[4], p[3], position=p.at(4))

    # ---- ALTER TABLE

    def p_alter_table(self, p: Symbols) -> None:
        """alter : ALTER TABLE if_exists relation_name alter_actions"""
        p[0] = ast.AlterTable(p[4], tuple(p[5]), p[3], position=p.at(1))

    def p_alter_table_single(self, p: Symbols) -> None:
        """alter : ALTER TABLE if_exists relation_name rename_action
        | ALTER TABLE if_exists relation_name object_action"""
        p[0] = ast.AlterTable(p[4], (p[5],), p[3], position=p.at(1))

    def p_alter_actions(self, p: Symbols) -> None:
        """alter_actions : alter_action
        | alter_actions ',' alter_action"""
        self.append(p)

    def p_rename_column(self, p: Symbols) -> None:
        """rename_action : RENAME column_word IDENTIFIER TO IDENTIFIER"""
        p[0] = ast.RenameColumn(p[3], p[5], position=p.at(1))

    def p_rename_constraint(self, p: Symbols) -> None:
        """rename_action : RENAME CONSTRAINT IDENTIFIER TO IDENTIFIER"""
        p[0] = ast.RenameConstraint(p[3], p[5], position=p.at(1))

    def p_column_word(self, p: Symbols) -> None:
        """column_word :
        | COLUMN"""

    def p_alter_add_column(self, p: Symbols) -> None:
        """alter_action : ADD column_word column_definition
        | ADD column_word IF NOT EXISTS column_definition"""
        p[0] = ast.AddColumn(p[len(p) - 1], len(p) == 7, position=p.at(1))

    def p_alter_drop_column(self, p: Symbols) -> None:
        """alter_action : DROP column_word if_exists IDENTIFIER drop_behaviour"""
        p[0] = ast.DropColumn(p[4], p[3], p[5], position=p.at(4))

    def p_alter_add_constraint(self, p: Symbols) -> None:
        """alter_action : ADD table_constraint"""
        p[0] = ast.AddConstraint(p[2], position=p.at(1))

    def p_alter_add_constraint_index(self, p: Symbols) -> None:
        """alter_action : ADD CONSTRAINT IDENTIFIER UNIQUE USING INDEX IDENTIFIER timing
        | ADD CONSTRAINT IDENTIFIER PRIMARY KEY USING INDEX IDENTIFIER timing"""
        deferrable, deferred = p[len(p) - 1]
        primary = len(p) == 10
        constraint = ast.UniqueConstraint(p[3], (), primary, True, deferrable, deferred, position=p.at(4))
        p[0] = ast.AddConstraint(constraint, p[len(p) - 2], position=p.at(1))

    def p_alter_drop_constraint(self, p: Symbols) -> None:
        """alter_action : DROP CONSTRAINT if_exists IDENTIFIER drop_behaviour"""
        p[0] = ast.DropConstraint(p[4], p[3], p[5], position=p.at(4))

    def p_alter_column_type(self, p: Symbols) -> None:
        """alter_action : ALTER column_word IDENTIFIER TYPE typename using_expression
        | ALTER column_word IDENTIFIER SET IDENTIFIER TYPE typename using_expression"""
        if len(p) == 9 and p[5] != "data":
            raise self.unexpected(p, 5)
        p[0] = ast.AlterColumnType(p[3], p[len(p) - 2], p[len(p) - 1], position=p.at(3))

    def p_using_expression(self, p: Symbols) -> None:
        """using_expression :
        | USING expression"""
        p[0] = p[2] if len(p) == 3 else None

    def p_alter_column_default(self, p: Symbols) -> None:
        """alter_action : ALTER column_word IDENTIFIER SET DEFAULT expression
        | ALTER column_word IDENTIFIER DROP DEFAULT"""
        if len(p) == 7:
            p[0] = ast.SetDefault(p[3], p[6], p.source(6), position=p.at(3))
        else:
            p[0] = ast.SetDefault(p[3], position=p.at(3))

    def p_alter_column_null(self, p: Symbols) -> None:
        """alter_action : ALTER column_word IDENTIFIER SET NOT NULL
        | ALTER column_word IDENTIFIER DROP NOT NULL"""
        p[0] = ast.SetNotNull(p[3], p[4] == "set", position=p.at(3))

    def p_alter_column_add_identity(self, p: Symbols) -> None:
        """alter_action : ALTER column_word IDENTIFIER ADD GENERATED ALWAYS AS IDENTITY identity_options
        | ALTER column_word IDENTIFIER ADD GENERATED BY DEFAULT AS IDENTITY identity_options"""
        p[0] = ast.SetIdentity(p[3], "add", p[6] == "always", p[len(p) - 1], position=p.at(3))

    def p_alter_column_set_identity(self, p: Symbols) -> None:
        """alter_action : ALTER column_word IDENTIFIER identity_changes"""
        always, options = p[4]
        p[0] = ast.SetIdentity(p[3], "set", always, ast.SequenceOptions(**options) if options else None, position=p.at(3))

    def p_identity_changes(self, p: Symbols) -> None:
        """identity_changes : identity_change
        | identity_changes identity_change"""
        always, options = p[1]
        if len(p) == 3:
            more_always, more = p[2]
            if options.keys() & more.keys() or (always is not None and more_always is not None):
                raise self.unexpected(p, 2)
            always = more_always if always is None else always
            options = {**options, **more}
        p[0] = (always, options)

    def p_identity_change(self, p: Symbols) -> None:
        """identity_change : SET GENERATED ALWAYS
        | SET GENERATED BY DEFAULT"""
        p[0] = (len(p) == 4, {})

    def p_identity_change_option(self, p: Symbols) -> None:
        """identity_change : SET sequence_option
        | RESTART
        | RESTART signed_integer
        | RESTART WITH signed_integer"""
        if p[1] == "set":
            name, value = p[2]
            p[0] = (None, {name: value})
        else:
            p[0] = (None, {"restart": p[len(p) - 1] if len(p) > 2 else True})

    def p_alter_column_drop_identity(self, p: Symbols) -> None:
        """alter_action : ALTER column_word IDENTIFIER DROP IDENTITY if_exists"""
        p[0] = ast.SetIdentity(p[3], "drop", if_exists=p[6], position=p.at(3))

    def p_alter_column_drop_expression(self, p: Symbols) -> None:
        """alter_action : ALTER column_word IDENTIFIER DROP EXPRESSION if_exists"""
        p[0] = ast.DropExpression(p[3], p[6], position=p.at(3))

    def p_alter_options(self, p: Symbols) -> None:
        """alter_action : SET '(' options ')'"""
        p[0] = ast.SetOptions(tuple(p[3]), position=p.at(1))

    def p_alter_retention(self, p: Symbols) -> None:
        """alter_action : SET HISTORY RETENTION value"""
        p[0] = ast.SetOptions((("history_retention", p[4]),), position=p.at(1))

    def p_alter_reset(self, p: Symbols) -> None:
        """alter_action : RESET '(' labels ')'
        | RESET HISTORY RETENTION"""
        names = p[3] if len(p) == 5 else ["history_retention"]
        p[0] = ast.SetOptions(tuple((name, None) for name in names), position=p.at(1))

    def p_labels(self, p: Symbols) -> None:
        """labels : label
        | labels ',' label"""
        self.append(p)

    # ---- other objects

    def p_alter_object(self, p: Symbols) -> None:
        """alter : ALTER object_kind if_exists relation_name object_action
        | ALTER SEQUENCE if_exists relation_name object_action"""
        if p[2] == "schema" and (isinstance(p[5], ast.SetSchema) or len(p[4].parts) != 1):
            raise self.unexpected(p, 5 if isinstance(p[5], ast.SetSchema) else 4)
        p[0] = ast.AlterObject(p[2], p[4], p[5], p[3], position=p.at(1))

    def p_object_rename(self, p: Symbols) -> None:
        """object_action : RENAME TO IDENTIFIER"""
        p[0] = ast.Rename(p[3], position=p.at(1))

    def p_object_schema(self, p: Symbols) -> None:
        """object_action : SET SCHEMA IDENTIFIER"""
        p[0] = ast.SetSchema(p[3], position=p.at(1))

    def p_alter_sequence(self, p: Symbols) -> None:
        """alter : ALTER SEQUENCE if_exists relation_name sequence_option sequence_options"""
        name, value = p[5]
        if name in p[6]:
            raise self.unexpected(p, 6, hint="A sequence option may be said once.")
        options = ast.SequenceOptions(**{name: value, **p[6]}, position=p.at(5))
        p[0] = ast.AlterObject("sequence", p[4], options, p[3], position=p.at(1))

    def p_unit_object_kind(self, p: Symbols) -> None:
        """object_kind : INDEX
        | VIEW
        | SCHEMA"""
        p[0] = p[1]

    def p_drop(self, p: Symbols) -> None:
        """drop : DROP TABLE if_exists relation_names drop_behaviour
        | DROP SEQUENCE if_exists relation_names drop_behaviour
        | DROP object_kind if_exists relation_names drop_behaviour"""
        if p[2] == "schema" and any(len(name.parts) != 1 for name in p[4]):
            raise errors.SQLSyntaxError("a schema's name has one part", position=p.at(4))
        p[0] = ast.Drop(p[2], tuple(p[4]), p[3], p[5], position=p.at(1))

    def p_drop_index_concurrently(self, p: Symbols) -> None:
        """drop : DROP INDEX CONCURRENTLY if_exists relation_names drop_behaviour"""
        p[0] = ast.Drop("index", tuple(p[5]), p[4], p[6], position=p.at(1))

    def p_drop_behaviour(self, p: Symbols) -> None:
        """drop_behaviour :
        | CASCADE
        | RESTRICT"""
        p[0] = len(p) == 2 and p[1] == "cascade"

    # ---- COMMENT ON

    def p_comment(self, p: Symbols) -> None:
        """comment : COMMENT ON comment_kind dotted IS comment_text"""
        p[0] = ast.Comment(p[3], ast.QualifiedName(p[4], position=p.at(4)), p[6], position=p.at(1))

    def p_comment_constraint(self, p: Symbols) -> None:
        """comment : COMMENT ON CONSTRAINT IDENTIFIER ON relation_name IS comment_text"""
        name = ast.QualifiedName((p[4],), position=p.at(4))
        p[0] = ast.Comment("constraint", name, p[8], p[6], position=p.at(1))

    def p_unit_comment_kind(self, p: Symbols) -> None:
        """comment_kind : TABLE
        | COLUMN
        | SEQUENCE
        | object_kind"""
        p[0] = p[1]

    def p_comment_text(self, p: Symbols) -> None:
        """comment_text : STRING
        | NULL"""
        p[0] = None if p.tokens.types[p.token(1)] == "NULL" else p[1]
