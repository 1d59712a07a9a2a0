"""Grammar of transactions and the session: BEGIN to RELEASE, SET and SHOW, EXPLAIN, CHECKPOINT; and the statement itself."""

from __future__ import annotations

from typing import Any

from eventdb import errors
from eventdb.sql.parser import ast
from eventdb.sql.parser.symbols import Actions, Symbols


class SessionRules(Actions):
    """Actions of the transaction and session grammar; each docstring holds its productions."""

    # ---- the start: a mark before the first token says what is read

    def p_unit_start(self, p: Symbols) -> None:
        """start : statement"""
        p[0] = p[1]

    def p_start_expression(self, p: Symbols) -> None:
        """start : EXPRESSION_START expression"""
        p[0] = p[2]

    def p_unit_statement(self, p: Symbols) -> None:
        """statement : explainable
        | truncate
        | erase
        | delete_history
        | revert
        | flashback
        | definition
        | transaction
        | session
        | explain"""
        p[0] = p[1]

    def p_unit_explainable(self, p: Symbols) -> None:
        """explainable : query
        | insert
        | update
        | delete
        | merge
        | create_table_as"""
        p[0] = p[1]

    def p_explain(self, p: Symbols) -> None:
        """explain : EXPLAIN explainable
        | EXPLAIN ANALYZE explainable
        | EXPLAIN explain_options explainable
        | EXPLAIN ANALYZE explain_options explainable"""
        options: dict[str, bool] = {}
        for part in p[2 : len(p) - 1]:
            options.update({"analyze": True} if part == "analyze" else part)
        p[0] = ast.Explain(p[len(p) - 1], **options, position=p.at(1))

    def p_explain_options(self, p: Symbols) -> None:
        """explain_options : '(' explain_option_list ')'"""
        p[0] = dict(p[2])

    def p_explain_option_list(self, p: Symbols) -> None:
        """explain_option_list : explain_option
        | explain_option_list ',' explain_option"""
        self.append(p)

    def p_explain_option(self, p: Symbols) -> None:
        """explain_option : label
        | label label"""
        name, value = p[1], p[2] if len(p) == 3 else "on"
        if name not in ("analyze", "code"):
            raise errors.NotSupportedError(f"EXPLAIN option {name.upper()} is not supported", position=p.at(1))
        if value not in ("on", "off", "true", "false"):
            raise self.unexpected(p, 2)
        p[0] = (name, value in ("on", "true"))

    # ---- transactions

    def p_begin(self, p: Symbols) -> None:
        """transaction : BEGIN transaction_word begin_parts
        | START TRANSACTION begin_parts"""
        parts = p[3]
        modes = parts.pop("modes", {})
        p[0] = ast.Begin(ast.TransactionModes(**modes), **parts, position=p.at(1))

    def p_begin_parts(self, p: Symbols) -> None:
        """begin_parts :
        | transaction_modes
        | begin_as_of
        | transaction_modes begin_as_of
        | begin_options
        | transaction_modes begin_options
        | begin_as_of begin_options
        | transaction_modes begin_as_of begin_options"""
        parts: dict[str, Any] = {}
        for part in p[1:]:
            if isinstance(part, ast.Moment):
                parts["as_of"] = part
            elif isinstance(part, tuple):
                parts["options"] = part
            else:
                parts["modes"] = part
        p[0] = parts

    def p_begin_as_of(self, p: Symbols) -> None:
        """begin_as_of : AS OF moment"""
        p[0] = p[3]

    def p_begin_options(self, p: Symbols) -> None:
        """begin_options : WITH '(' options ')'"""
        p[0] = tuple(p[3])

    def p_options(self, p: Symbols) -> None:
        """options : option
        | options ',' option"""
        self.append(p)

    def p_option(self, p: Symbols) -> None:
        """option : label '=' expression"""
        p[0] = (p[1], p[3])

    def p_transaction_word(self, p: Symbols) -> None:
        """transaction_word :
        | WORK
        | TRANSACTION"""

    def p_transaction_modes(self, p: Symbols) -> None:
        """transaction_modes : transaction_mode
        | transaction_modes transaction_mode
        | transaction_modes ',' transaction_mode"""
        mode = p[len(p) - 1]
        modes = p[1] if len(p) > 2 else {}
        if mode.keys() & modes.keys():
            raise self.unexpected(p, len(p) - 1, hint="A transaction mode may be said once.")
        p[0] = {**modes, **mode}

    def p_transaction_mode_isolation(self, p: Symbols) -> None:
        """transaction_mode : ISOLATION LEVEL isolation"""
        p[0] = {"isolation": p[3]}

    def p_isolation(self, p: Symbols) -> None:
        """isolation : SERIALIZABLE
        | SNAPSHOT
        | REPEATABLE READ
        | READ COMMITTED
        | READ UNCOMMITTED"""
        p[0] = " ".join(p[1:])

    def p_transaction_mode_access(self, p: Symbols) -> None:
        """transaction_mode : READ ONLY
        | READ WRITE"""
        p[0] = {"read_only": p[2] == "only"}

    def p_transaction_mode_deferrable(self, p: Symbols) -> None:
        """transaction_mode : DEFERRABLE
        | NOT_DEFERRABLE"""
        p[0] = {"deferrable": p[1] == "deferrable"}

    def p_commit(self, p: Symbols) -> None:
        """transaction : COMMIT transaction_word chain
        | END transaction_word chain"""
        p[0] = ast.Commit(p[3], position=p.at(1))

    def p_rollback(self, p: Symbols) -> None:
        """transaction : ROLLBACK transaction_word chain
        | ABORT transaction_word chain"""
        p[0] = ast.Rollback(chain=p[3], position=p.at(1))

    def p_rollback_to(self, p: Symbols) -> None:
        """transaction : ROLLBACK transaction_word TO IDENTIFIER
        | ROLLBACK transaction_word TO SAVEPOINT IDENTIFIER"""
        p[0] = ast.Rollback(p[len(p) - 1], position=p.at(len(p) - 1))

    def p_chain(self, p: Symbols) -> None:
        """chain :
        | AND CHAIN
        | AND NO CHAIN"""
        p[0] = len(p) == 3

    def p_savepoint(self, p: Symbols) -> None:
        """transaction : SAVEPOINT IDENTIFIER"""
        p[0] = ast.Savepoint(p[2], position=p.at(1))

    def p_release(self, p: Symbols) -> None:
        """transaction : RELEASE IDENTIFIER
        | RELEASE SAVEPOINT IDENTIFIER"""
        p[0] = ast.Release(p[len(p) - 1], position=p.at(len(p) - 1))

    def p_set_transaction(self, p: Symbols) -> None:
        """transaction : SET TRANSACTION transaction_modes"""
        p[0] = ast.SetTransaction(ast.TransactionModes(**p[3]), position=p.at(1))

    def p_set_characteristics(self, p: Symbols) -> None:
        """transaction : SET SESSION CHARACTERISTICS AS TRANSACTION transaction_modes"""
        p[0] = ast.SetTransaction(ast.TransactionModes(**p[6]), True, position=p.at(1))

    def p_set_constraints(self, p: Symbols) -> None:
        """transaction : SET CONSTRAINTS ALL constraint_time
        | SET CONSTRAINTS relation_names constraint_time"""
        p[0] = ast.SetConstraints(() if p[3] == "all" else tuple(p[3]), p[4], position=p.at(1))

    def p_constraint_time(self, p: Symbols) -> None:
        """constraint_time : IMMEDIATE
        | DEFERRED"""
        p[0] = p[1] == "deferred"

    def p_checkpoint(self, p: Symbols) -> None:
        """transaction : CHECKPOINT"""
        p[0] = ast.Checkpoint(position=p.at(1))

    # ---- whole databases

    def p_create_database(self, p: Symbols) -> None:
        """session : CREATE DATABASE if_not_exists IDENTIFIER"""
        p[0] = ast.CreateDatabase(p[4], p[3], position=p.at(4))

    def p_drop_database(self, p: Symbols) -> None:
        """session : DROP DATABASE if_exists IDENTIFIER"""
        p[0] = ast.DropDatabase(p[4], p[3], position=p.at(4))

    # ---- settings

    def p_set(self, p: Symbols) -> None:
        """session : SET setting
        | SET SESSION setting
        | SET LOCAL setting"""
        name, values = p[len(p) - 1]
        p[0] = ast.Set(name, values, p[2] == "local", position=p.at(1))

    def p_setting(self, p: Symbols) -> None:
        """setting : dotted '=' setting_values
        | dotted TO setting_values
        | dotted '=' DEFAULT
        | dotted TO DEFAULT"""
        p[0] = (".".join(p[1]), () if p[3] == "default" else tuple(p[3]))

    def p_setting_time_zone(self, p: Symbols) -> None:
        """setting : TIME ZONE setting_value
        | TIME ZONE LOCAL
        | TIME ZONE DEFAULT"""
        p[0] = ("timezone", () if p[3] in ("local", "default") else (p[3],))

    def p_setting_values(self, p: Symbols) -> None:
        """setting_values : setting_value
        | setting_values ',' setting_value"""
        self.append(p)

    def p_setting_value(self, p: Symbols) -> None:
        """setting_value : STRING
        | signed_integer
        | NUMBER"""
        p[0] = ast.Literal(p[1], position=p.at(1))

    def p_setting_value_word(self, p: Symbols) -> None:
        """setting_value : label"""
        p[0] = ast.Literal(None if p[1] == "null" else p[1], position=p.at(1))

    def p_setting_value_negative(self, p: Symbols) -> None:
        """setting_value : '-' NUMBER"""
        p[0] = ast.Literal(p[2].copy_negate(), position=p.at(1))

    def p_setting_value_constant(self, p: Symbols) -> None:
        """setting_value : TRUE
        | FALSE"""
        p[0] = ast.Literal(p[1] == "true", position=p.at(1))

    def p_setting_value_parameter(self, p: Symbols) -> None:
        """setting_value : PARAMETER"""
        p[0] = ast.Parameter(p[1], position=p.at(1))

    def p_setting_value_interval(self, p: Symbols) -> None:
        """setting_value : INTERVAL STRING"""
        literal = ast.Literal(p[2], position=p.at(2))
        p[0] = ast.Cast(literal, ast.TypeName("interval", position=p.at(1)), position=p.at(1))

    def p_reset(self, p: Symbols) -> None:
        """session : RESET dotted
        | RESET ALL"""
        p[0] = ast.Set("all" if p[2] == "all" else ".".join(p[2]), position=p.at(1))

    def p_set_system_time(self, p: Symbols) -> None:
        """session : SET SYSTEM_TIME AS OF moment
        | SET SESSION SYSTEM_TIME AS OF moment"""
        p[0] = ast.SetSystemTime(p[len(p) - 1], position=p.at(1))

    def p_set_system_time_default(self, p: Symbols) -> None:
        """session : SET SYSTEM_TIME DEFAULT
        | SET SYSTEM_TIME TO DEFAULT
        | SET SYSTEM_TIME '=' DEFAULT
        | SET SESSION SYSTEM_TIME DEFAULT
        | RESET SYSTEM_TIME"""
        p[0] = ast.SetSystemTime(None, position=p.at(1))

    def p_show(self, p: Symbols) -> None:
        """session : SHOW dotted
        | SHOW ALL"""
        p[0] = ast.Show("all" if p[2] == "all" else ".".join(p[2]), position=p.at(1))

    def p_show_words(self, p: Symbols) -> None:
        """session : SHOW TIME ZONE
        | SHOW TRANSACTION ISOLATION LEVEL
        | SHOW SYSTEM_TIME"""
        names = {"time": "timezone", "transaction": "transaction_isolation", "system_time": "system_time"}
        p[0] = ast.Show(names[p[2]], position=p.at(1))
