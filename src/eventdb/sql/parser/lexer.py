"""Text to tokens: one class of rules in PLY's form, then the look-ahead that an LALR(1) grammar needs done beforehand.

The rules are run by a loop of our own, as the LALR tables are: PLY's lexer, which a test holds this one against, loads `inspect`, and with
it a fifth of what a first query costs.

A word is a keyword token only if the grammar names it; every other word is an IDENTIFIER. Words that mean two things are told apart here by
what follows them: NOT before BETWEEN (NOT_LA), WITH TIME ZONE and its like become one token, EXTRACT is a keyword only before a
parenthesis.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from eventdb import errors
from eventdb.sql.parser.keywords import KEYWORDS, LOOK_AHEAD, NILADIC, TYPE_PAIRS
from eventdb.sql.parser.lookahead import combine
from eventdb.sql.parser.tables import no_docstrings

_ASCII_LOWER = {c: c + 32 for c in range(ord("A"), ord("Z") + 1)}
_MAXIMUM_DIGITS = 4000
_MAXIMUM_EXPONENT = 131_072

_NUMBER = re.compile(
    r"0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+"
    r"|(?:[0-9](?:_?[0-9])*(?:\.(?:[0-9](?:_?[0-9])*)?)?|\.[0-9](?:_?[0-9])*)(?:[eE][+-]?[0-9](?:_?[0-9])*)?"
)
_PIECE = re.compile(r"'([^']*(?:''[^']*)*)'")
_ESCAPED_PIECE = re.compile(r"'((?:[^'\\]|\\.|'')*)'", re.DOTALL)
_ESCAPE = re.compile(r"''|\\(?:x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([0-7]{1,3})|(.))", re.DOTALL)
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_COMMENT_MARK = re.compile(r"/\*|\*/")

HINTS = {
    "`": 'Names are quoted with double quotes, as in "name".',
    "$": "Parameters are written ? or :name.",
    "[": "Arrays are not available.",
    "@": "Parameters are written ? or :name.",
    "=>": "Arguments by name are not available.",
    "==": "Equality is written =.",
}


class Tokens:
    """The tokens of a text: parallel lists, closed by the type "$end".

    `values` has a name in its folded form, a keyword in lower case, a literal as its Python value. `starts` and `ends` are offsets in
    `text`. `parameters` as in ast.Script.
    """

    __slots__ = ("ends", "parameters", "starts", "text", "types", "values")

    def __init__(self, text: str) -> None:
        self.text = text
        self.types: list[str] = []
        self.values: list[Any] = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.parameters: list[int | str] = []

    def source(self, index: int) -> str:
        """A token as it stands in the text."""
        return self.text[self.starts[index] : self.ends[index]]

    def unexpected(self, index: int, hint: str | None = None) -> errors.SQLSyntaxError:
        """The syntax error that stands at a token, or at the end of the text."""
        if index >= len(self.types) or self.types[index] == "$end":
            return errors.SQLSyntaxError("syntax error at end of input", position=len(self.text.rstrip()), statement=self.text, hint=hint)
        shown = self.source(index)
        if len(shown) > 60:
            shown = shown[:57] + "..."
        return errors.SQLSyntaxError(f'syntax error at or near "{shown}"', position=self.starts[index], statement=self.text, hint=hint)


class LexicalRules:
    """PLY's rules, in the order in which they are tried; a docstring or string is the regular expression."""

    tokens = ("IDENTIFIER", "INTEGER", "NUMBER", "STRING", "BLOB", "PARAMETER", "TYPECAST", "OPERATOR", "COMPARISON")
    t_ignore = " \t\n\r\f\v"

    def t_IDENTIFIER(self, t: Any) -> Any:
        r"(?![eExXbBnN]'|[uU]&['\"])[^\W\d][\w$]*+"
        word = t.value
        word = word.lower() if word.isascii() else word.translate(_ASCII_LOWER)
        t.value = word
        kind = KEYWORDS.get(word)
        if kind is not None:
            t.type = kind
        elif word in NILADIC:
            t.type = "NILADIC"
        elif word in TYPE_PAIRS:
            t.type = "TYPE_PAIR"
        return t

    def t_INTEGER(self, t: Any) -> Any:
        r"0[xXoObB]\w*+|(?:[0-9][0-9_]*+(?:\.[0-9_]*+)?+|\.[0-9][0-9_]*+)(?:[eE][+-]?[0-9][0-9_]*+)?+\w*+"
        text = t.value
        if not ((text.isascii() and text.isdigit()) or _NUMBER.fullmatch(text)):
            raise self.error(f'trailing junk after numeric literal at or near "{text[:60]}"', t)
        return self.number(t, text)

    def t_STRING(self, t: Any) -> Any:
        r"'[^']*+(?:''[^']*+)*+'(?:[ \t\r\f\v]*+\n\s*+'[^']*+(?:''[^']*+)*+')*+"
        text = t.value
        if text.find("'", 1, -1) < 0:
            t.value = text[1:-1]
        else:
            t.value = "".join(_PIECE.findall(text)).replace("''", "'")
        return t

    def t_QUOTED(self, t: Any) -> Any:
        r'"[^"]*+(?:""[^"]*+)*+"'
        t.type = "IDENTIFIER"
        name = t.value[1:-1].replace('""', '"')
        if not name:
            raise self.error('zero-length delimited identifier at or near """"', t)
        t.value = name
        return t

    def t_LINE_COMMENT(self, t: Any) -> None:
        r"--[^\n]*+"

    def t_BLOCK_COMMENT(self, t: Any) -> None:
        r"/\*"
        depth, place, text = 1, t.lexpos + 2, t.lexer.lexdata
        while depth:
            mark = _COMMENT_MARK.search(text, place)
            if mark is None:
                raise self.error("unterminated /* comment", t, hint="Comments nest: every /* needs its own */.")
            depth += 1 if mark.group() == "/*" else -1
            place = mark.end()
        t.lexer.lexpos = place

    def t_NAMED_PARAMETER(self, t: Any) -> Any:
        r":[^\W\d]\w*+"
        t.type, t.value = "PARAMETER", t.value[1:]
        return t

    def t_PARAMETER(self, t: Any) -> Any:
        r"\?"
        t.value = None
        return t

    t_TYPECAST = r"::"

    def t_OPERATOR(self, t: Any) -> Any:
        r"\|\||->>|->|\#>>|\#>|@>|<@|<<|>>|~\*|!~\*|!~|&|\||\#"
        return t

    def t_COMPARISON(self, t: Any) -> Any:
        r"<>|!=|<=|>=|<|>"
        if t.value == "!=":
            t.value = "<>"
        return t

    def t_PUNCTUATION(self, t: Any) -> Any:
        r"=(?![=>])|[(),.;+\-*/%^~]"
        t.type = t.value
        return t

    def t_ESCAPED_STRING(self, t: Any) -> Any:
        r"[eE]'(?:[^'\\]|\\[\s\S]|'')*+'(?:[ \t\r\f\v]*+\n\s*+'(?:[^'\\]|\\[\s\S]|'')*+')*+"
        t.type = "STRING"
        body = "".join(_ESCAPED_PIECE.findall(t.value))
        t.value = _ESCAPE.sub(lambda m: self.unescape(m, t), body)
        return t

    def t_BLOB(self, t: Any) -> Any:
        r"[xX]'[^']*+'(?:[ \t\r\f\v]*+\n\s*+'[^']*+')*+"
        digits = "".join(_PIECE.findall(t.value))
        if len(digits) % 2 or not re.fullmatch(r"[0-9A-Fa-f]*", digits):
            raise self.error("a blob X'…' needs an even number of hexadecimal digits", t)
        t.value = bytes.fromhex(digits)
        return t

    def t_DOLLAR_STRING(self, t: Any) -> Any:
        r"\$(?:[^\W\d]\w*+)?\$"
        text, mark = t.lexer.lexdata, t.value
        start = t.lexpos + len(mark)
        end = text.find(mark, start)
        if end < 0:
            raise self.error(f'unterminated dollar-quoted string at or near "{mark}"', t)
        t.type, t.value = "STRING", text[start:end]
        t.lexer.lexpos = end + len(mark)
        return t

    def t_error(self, t: Any) -> None:
        text, place = t.lexer.lexdata, t.lexpos
        first = text[place]
        pair = text[place : place + 2]
        if first == "'" or pair.lower() in ("e'", "x'"):
            raise self.error("unterminated quoted string", t, hint="A quote inside a string is doubled: 'it''s'.")
        if first == '"':
            raise self.error("unterminated quoted identifier", t, hint='A double quote inside a quoted name is doubled: "a""b".')
        if pair.lower() in ("b'", "n'", "u&"):
            kind = {"b'": "bit strings B'…'", "n'": "national strings N'…'", "u&": "Unicode escapes U&'…'"}[pair.lower()]
            raise errors.NotSupportedError(f"{kind} are not supported", position=place, statement=text)
        match = re.compile(r"==|=>|\$\d+|@\w+|[^\w\s]").match(text, place)
        shown = match.group() if match else first
        hint = HINTS.get(shown, HINTS.get(first))
        raise self.error(f'syntax error at or near "{shown}"', t, hint=hint)

    # ---- what the rules share

    def error(self, message: str, t: Any, hint: str | None = None) -> errors.SQLSyntaxError:
        return errors.SQLSyntaxError(message, position=t.lexpos, statement=t.lexer.lexdata, hint=hint)

    def number(self, t: Any, text: str) -> Any:
        try:
            if text[:2].lower() in ("0x", "0o", "0b"):
                t.value = self.integer(text, 0)
            elif text.replace("_", "").isdigit():
                t.value = self.integer(text, 10)
            else:
                t.type, t.value = "NUMBER", Decimal(text)
                if not -_MAXIMUM_EXPONENT <= t.value.adjusted() <= _MAXIMUM_EXPONENT:
                    raise InvalidOperation
        except (ValueError, InvalidOperation):
            shown = text if len(text) <= 60 else text[:57] + "..."
            raise errors.NumericValueOutOfRange(
                f"the number {shown} is out of range", position=t.lexpos, statement=t.lexer.lexdata
            ) from None
        return t

    def integer(self, text: str, base: int) -> int:
        if len(text) > _MAXIMUM_DIGITS:
            raise ValueError(text)
        return int(text, base)

    def unescape(self, match: re.Match[str], t: Any) -> str:
        two, four, eight, octal, other = match.groups()
        if other is not None:
            if other in "uUx":
                raise self.error(f"invalid escape \\{other} in a string", t, hint="Escapes are \\uXXXX, \\UXXXXXXXX and \\xXX.")
            return _ESCAPES.get(other, other)
        digits = two or four or eight
        code = int(digits, 16) if digits else int(octal, 8) if octal else ord("'")
        if code == 0 or code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise self.error(f"invalid character {match.group()} in a string", t)
        return chr(code)


class _Token:
    """What a rule gets: its match, to be changed into a token. `lexer` is where it was found, `lexpos` the offset there."""

    __slots__ = ("lexer", "lexpos", "type", "value")

    def __init__(self, lexer: _Lexer, kind: str, value: str, lexpos: int) -> None:
        self.lexer = lexer
        self.type = kind
        self.value: Any = value
        self.lexpos = lexpos


class _Lexer:
    """A text, and how far it is read. Rules move `lexpos` on where they read more than their expression."""

    __slots__ = ("lexdata", "lexpos")

    def __init__(self, text: str) -> None:
        self.lexdata = text
        self.lexpos = 0

    def __iter__(self) -> Iterator[_Token]:
        match, functions = _rules()
        text, place, ignored = self.lexdata, 0, LexicalRules.t_ignore
        while place < len(text):
            if text[place] in ignored:
                place += 1
                continue
            found = match(text, place)
            if found is None:
                LexicalRules().t_error(_Token(self, "error", text[place:], place))
            name: str = found.lastgroup  # type: ignore[union-attr, assignment]
            token = _Token(self, name[2:], found.group(), place)  # type: ignore[union-attr]
            self.lexpos = found.end()  # type: ignore[union-attr]
            function = functions.get(name)
            if function is None or function(token) is not None:
                yield token
            place = self.lexpos


_Rules = tuple[Callable[[str, int], "re.Match[str] | None"], dict[str, Callable[[Any], Any]]]


@cache
def _rules() -> _Rules:
    """What finds the next rule that matches, and the rules' functions by name. Those with a function are tried first, as PLY has it."""
    found = {name: rule for name, rule in vars(LexicalRules).items() if name.startswith("t_") and name not in ("t_ignore", "t_error")}
    functions = {name: getattr(LexicalRules(), name) for name, rule in found.items() if callable(rule)}
    expressions = {name: function.__doc__ for name, function in functions.items()}
    if not all(expressions.values()):
        raise no_docstrings()
    expressions |= {name: rule for name, rule in found.items() if name not in functions}
    return re.compile("|".join(f"(?P<{name}>{text})" for name, text in expressions.items())).match, functions


def _check_characters(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        message = f"U+{ord(text[error.start]):04X} is a lone surrogate, no character"
        raise errors.CharacterNotInRepertoire(message, position=error.start, statement=text) from None


def tokenize(text: str) -> Tokens:
    """The tokens of a text. Raises SQLSyntaxError, NumericValueOutOfRange or NotSupportedError with the place."""
    tokens = Tokens(text)
    if not text.isascii():
        _check_characters(text)
    lexer = _Lexer(text)
    add_type, add_value = tokens.types.append, tokens.values.append
    add_start, add_end = tokens.starts.append, tokens.ends.append
    pending: list[int] = []
    for count, token in enumerate(lexer):
        kind = token.type
        add_type(kind)
        add_start(token.lexpos)
        add_end(lexer.lexpos)
        if kind == "PARAMETER":
            add_value(_parameter(tokens, token.value, token.lexpos))
        else:
            add_value(token.value)
            if kind in LOOK_AHEAD:
                pending.append(count)
    if pending:
        combine(tokens, pending)
    add_type("$end")
    add_value(None)
    add_start(len(text))
    add_end(len(text))
    return tokens


def _parameter(tokens: Tokens, name: str | None, position: int) -> int | str:
    """The key of a parameter mark, recorded in order."""
    known = tokens.parameters
    key: int | str = len(known) if name is None else name
    if known and isinstance(known[0], int) != (name is None):
        raise errors.SQLSyntaxError("? and :name parameters in one text", position=position, statement=tokens.text, hint="Use one kind.")
    if name is None or name not in known:
        known.append(key)
    return key
