"""The parser: PLY's tables driven over a list of tokens.

The loop is the one of PLY's LRParser with four differences: tokens come from a list, so that a keyword can be read as a name where the
grammar has no use for the keyword (and a hundred words need not be productions of a name); symbols know their place; productions of a
single symbol (`p_unit_…`) call nothing; the stack and the tree have a limited depth. There is no recovery: the first error is raised.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from eventdb import errors
from eventdb.sql.parser import ast, tables
from eventdb.sql.parser.depth import check_depth
from eventdb.sql.parser.grammar_alter import AlterationRules
from eventdb.sql.parser.grammar_dml import ManipulationRules
from eventdb.sql.parser.grammar_expressions import ExpressionRules
from eventdb.sql.parser.grammar_query import QueryRules
from eventdb.sql.parser.grammar_session import SessionRules
from eventdb.sql.parser.keywords import FUNCTION_WORDS, NAME_WORDS, RESERVED
from eventdb.sql.parser.lexer import Tokens, tokenize
from eventdb.sql.parser.symbols import Symbols

START = "start"
EXPRESSION_START = "EXPRESSION_START"

PRECEDENCE: tables.Precedence = (
    ("left", "UNION", "EXCEPT"),
    ("left", "INTERSECT"),
    ("left", "OR"),
    ("left", "AND"),
    ("right", "NOT"),
    ("nonassoc", "IS", "ISNULL", "NOTNULL"),
    ("nonassoc", "=", "COMPARISON"),
    ("nonassoc", "BETWEEN", "IN", "LIKE", "ILIKE", "SIMILAR", "NOT_LA", "OVERLAPS"),
    ("nonassoc", "ESCAPE"),
    ("left", "OPERATOR", "~"),
    ("left", "+", "-"),
    ("left", "*", "/", "%"),
    ("left", "^"),
    ("left", "AT_TIME_ZONE"),
    ("left", "COLLATE"),
    ("right", "UNARY"),
    ("left", "(", ")"),
    ("left", "TYPECAST"),
    ("left", "JOIN", "CROSS", "LEFT", "FULL", "RIGHT", "INNER", "NATURAL"),
)
"""Lowest first, as PostgreSQL has it."""

MAXIMUM_STACK = 10_000
"""Symbols waiting at once: parentheses and the like may nest to somewhat less than this."""


_AFTER_NAME = frozenset((",", ")", "(", ".", "=", "COMPARISON", "FROM", "AS", "SET", ";", "$end"))
_CLAUSES = frozenset(("FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "UNION", "SELECT", "SET", "VALUES", "RETURNING"))


class Grammar(ExpressionRules, QueryRules, ManipulationRules, AlterationRules, SessionRules):
    """All productions and their actions."""


_Production = tuple[str, int, Callable[[Symbols], None] | None]

_lock = threading.Lock()
_shared: tables.Tables | None = None
_local = threading.local()


def _tables() -> tables.Tables:
    global _shared
    with _lock:
        if _shared is None:
            _shared = tables.get(Grammar, PRECEDENCE, START)
        return _shared


class Parser:
    """A parser of one thread: the shared tables, and actions bound to a grammar object of its own."""

    def __init__(self) -> None:
        made = _tables()
        self.grammar = Grammar()
        self.actions = made.actions
        self.gotos = made.gotos
        self.productions: list[_Production] = [
            (name, count, None if action.startswith("p_unit_") or not action else getattr(self.grammar, action))
            for name, count, action in made.productions
        ]

    def parse(self, tokens: Tokens, first: int, last: int, start: str | None = None) -> Any:
        """The tree of tokens first to last - 1, read as a statement, or as what the mark `start` says."""
        self.grammar.defaults.clear()
        try:
            tree = self._run(tokens, first, last, start)
            self.grammar.check_defaults()
            check_depth(tree, last - first)
        except errors.Error as error:
            raise error.at(None, tokens.text) from None
        return tree

    def _run(self, tokens: Tokens, first: int, last: int, start: str | None) -> Any:
        actions, gotos, productions = self.actions, self.gotos, self.productions
        types, token_values = tokens.types, tokens.values
        states, values, places = [0], [None], [first]
        if start is not None:
            states.append(actions[0][start])
            values.append(None)
            places.append(first)
        symbols = Symbols(tokens, places)
        state, index = states[-1], first
        kind = types[index] if index < last else "$end"
        while True:
            action = actions[state].get(kind)
            if action is None:
                action = self._as_name(state, types, index, last)
                if action is None:
                    raise self._error(tokens, state, first, index, last)
            if action > 0:
                if len(states) > MAXIMUM_STACK:
                    raise errors.StatementTooComplex("the statement nests too deeply", position=tokens.starts[index])
                state = action
                states.append(state)
                values.append(token_values[index])
                places.append(index)
                index += 1
                kind = types[index] if index < last else "$end"
            elif action < 0:
                name, count, function = productions[-action]
                if function is None:
                    state = gotos[states[-2]][name]
                    states[-1] = state
                    continue
                symbols[0] = None
                if count:
                    symbols[1:] = values[-count:]
                    symbols.base = len(places) - count - 1
                    symbols.following = index
                    function(symbols)
                    if count > 1:
                        del values[1 - count :], states[1 - count :], places[1 - count :]
                    values[-1] = symbols[0]
                    state = gotos[states[-2]][name]
                    states[-1] = state
                else:
                    del symbols[1:]
                    symbols.following = index
                    function(symbols)
                    values.append(symbols[0])
                    places.append(index)
                    state = gotos[state][name]
                    states.append(state)
            else:
                return values[-1]

    def _as_name(self, state: int, types: list[str], index: int, last: int) -> int | None:
        """The action for a keyword taken as a name: as an identifier where its class allows that, else as a label."""
        if index >= last:
            return None
        kind, row = types[index], self.actions[state]
        action = None
        if kind in NAME_WORDS or kind == "ROW_LA" or (kind in FUNCTION_WORDS and types[index + 1] == "("):
            action = row.get("IDENTIFIER")
        if action is None and (kind in NAME_WORDS or kind in FUNCTION_WORDS or kind in RESERVED or kind == "NILADIC"):
            action = row.get("KEYWORD")
        return action

    def _error(self, tokens: Tokens, state: int, first: int, index: int, last: int) -> errors.SQLSyntaxError:
        """The syntax error at a token, with a hint where the parentheses or a reserved word tell one."""
        kind = tokens.types[index] if index < last else "$end"
        before = tokens.types[first:index]
        unclosed = before.count("(") - before.count(")")
        hint = None
        if (kind in RESERVED or kind in FUNCTION_WORDS) and "IDENTIFIER" in self.actions[state] and (
            tokens.types[first] in ("CREATE", "ALTER") or tokens.types[index + 1] in _AFTER_NAME
        ):
            hint = f"{kind} is a reserved word; as a name it is written in double quotes."
        elif unclosed > 0 and (kind == "$end" or kind in _CLAUSES):
            hint = "A parenthesis is not closed." if unclosed == 1 else f"{unclosed} parentheses are not closed."
        elif kind == ")" and unclosed <= 0:
            hint = "There is no opening parenthesis to this one."
        return tokens.unexpected(index, hint)


def _parser() -> Parser:
    try:
        parser: Parser = _local.parser
    except AttributeError:
        parser = _local.parser = Parser()
    return parser


def parse_script(text: str) -> ast.Script:
    """All statements of a text; empty ones are left out."""
    tokens = tokenize(text)
    parser = _parser()
    statements, spans = [], []
    first, end = 0, len(tokens.types) - 1
    while first < end:
        try:
            last = tokens.types.index(";", first)
        except ValueError:
            last = end
        if last > first:
            statements.append(parser.parse(tokens, first, last))
            spans.append((tokens.starts[first], tokens.ends[last - 1]))
        first = last + 1
    return ast.Script(text, tuple(statements), tuple(tokens.parameters), tuple(spans))


def parse_one(text: str, start: str | None = None) -> Any:
    """The one statement (a closing semicolon allowed), or expression, that a text holds."""
    tokens = tokenize(text)
    last = len(tokens.types) - 1
    if start is None and last and tokens.types[last - 1] == ";":
        last -= 1
    return _parser().parse(tokens, 0, last, start)
