"""What an action of the grammar sees: the values of its production's symbols, and where they stand in the text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from eventdb import errors
from eventdb.sql.parser import ast
from eventdb.sql.parser.lexer import Tokens


class Symbols(list[Any]):
    """The argument `p` of an action: p[0] is the result, p[1], p[2], … the symbols on the right-hand side.

    It is PLY's YaccProduction in the form of a list, with the place of every symbol, nonterminals too. `places` is the parser's stack of
    token indexes, `base` the index in it before the first symbol of this production, `following` the index of the next unread token.
    """

    __slots__ = ("base", "following", "places", "tokens")

    def __init__(self, tokens: Tokens, places: list[int]) -> None:
        super().__init__([None])
        self.tokens = tokens
        self.places = places
        self.base = 0
        self.following = 0

    def token(self, n: int) -> int:
        """The index of the first token of symbol n, n >= 1."""
        return self.places[self.base + n]

    def at(self, n: int) -> int:
        """The offset in the text at which symbol n starts."""
        return self.tokens.starts[self.places[self.base + n]]

    def source(self, first: int, last: int | None = None) -> str:
        """The text of symbols `first` to `last` (default: that one alone), without space around it."""
        after = (first if last is None else last) + 1
        place = self.base + after
        end = self.following if after >= len(self) else self.places[place]
        tokens = self.tokens
        return tokens.text[self.at(first) : tokens.ends[end - 1]]


class Actions:
    """Base of the grammar's parts: what their actions share.

    `defaults` holds the places of DEFAULT words that no action has accepted yet: DEFAULT is a value in the grammar, and allowed only as an
    item of VALUES and SET.
    """

    def __init__(self) -> None:
        self.defaults: set[int] = set()

    def append(self, p: Symbols) -> None:
        """The action of every left-recursive list: its first symbol is the item or the list, its last one the item."""
        if len(p) == 2:
            p[0] = [p[1]]
        else:
            items = p[1]
            items.append(p[len(p) - 1])
            p[0] = items

    def unexpected(self, p: Symbols, n: int, hint: str | None = None) -> errors.SQLSyntaxError:
        """The syntax error that stands at symbol n."""
        return p.tokens.unexpected(p.token(n), hint)

    def allow_defaults(self, items: Iterable[ast.Expression]) -> None:
        """Accept DEFAULT where it is an item itself, or an item of a row value among them."""
        for item in items:
            if isinstance(item, ast.Default):
                self.defaults.discard(item.position)
            elif isinstance(item, ast.RowValue):
                self.allow_defaults(item.items)

    def check_defaults(self) -> None:
        """Raise SQLSyntaxError if a DEFAULT stands where none may."""
        if self.defaults:
            place = min(self.defaults)
            self.defaults.clear()
            raise errors.SQLSyntaxError("DEFAULT is not allowed in this context", position=place)
