"""LIKE, SIMILAR TO and regular expressions, by way of Python's `re`.

Regular expressions are PostgreSQL's where the two agree: classes such as [[:alpha:]], \\m \\M \\y, `.` and newlines as in PostgreSQL
(they match, and ^ $ mean the ends of the text). Back-references and look-around work as Python's do. Compiled patterns are cached.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from eventdb.errors import InvalidEscapeSequence, InvalidParameterValue, InvalidRegularExpression

_CLASSES = {
    "alpha": "^\\W\\d_", "digit": "\\d", "alnum": "^\\W_", "space": "\\s", "upper": "A-Z", "lower": "a-z", "punct": "!-/:-@\\[-`{-~",
    "xdigit": "0-9A-Fa-f", "blank": " \\t", "cntrl": "\\x00-\\x1f\\x7f", "graph": "!-~", "print": " -~", "word": "\\w",
}  # fmt: skip
_INSIDE = {**_CLASSES, "alpha": "A-Za-zÀ-ÖØ-öø-ʯΑ-ωА-я", "alnum": "0-9A-Za-zÀ-ÖØ-öø-ʯΑ-ωА-я"}
_ESCAPES = {"m": r"\b(?=\w)", "M": r"\b(?<=\w)", "y": r"\b", "Y": r"\B", "A": r"\A", "Z": r"\Z", "<": r"\b(?=\w)", ">": r"\b(?<=\w)"}


@lru_cache(maxsize=1024)
def like_pattern(pattern: str, escape: str = "\\", ignore_case: bool = False) -> re.Pattern[str]:
    """The compiled regular expression of a LIKE pattern, to be used with fullmatch. Raises InvalidEscapeSequence."""
    return re.compile("".join(_like_parts(pattern, escape)), re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _like_parts(pattern: str, escape: str) -> list[str]:
    if len(escape) > 1:
        raise InvalidEscapeSequence("invalid escape string", hint="Escape string must be empty or one character.")
    parts = []
    characters = iter(pattern)
    for character in characters:
        if character == escape:
            following = next(characters, None)
            if following is None:
                raise InvalidEscapeSequence("LIKE pattern must not end with escape character")
            parts.append(re.escape(following))
        elif character == "%":
            if not parts or parts[-1] != ".*":
                parts.append(".*")
        elif character == "_":
            parts.append(".")
        else:
            parts.append(re.escape(character))
    return parts


def like(text: str, pattern: str, escape: str = "\\") -> bool:
    return like_pattern(pattern, escape).fullmatch(text) is not None


def ilike(text: str, pattern: str, escape: str = "\\") -> bool:
    return like_pattern(pattern, escape, True).fullmatch(text) is not None


def _digest(*parts: str) -> str:
    """A short name for a pattern, the same in every process."""
    return hashlib.sha1("\0".join(parts).encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()[:12]


def like_renderer(pattern: str, escape: str, ignore_case: bool) -> tuple[Callable[..., str], tuple[tuple[str, Any], ...]]:
    """(render, globals) for a constant pattern: a plain string operation where one does, else a compiled pattern."""
    compiled = like_pattern(pattern, escape, ignore_case)
    body = pattern.strip("%")
    if not ignore_case and not any(c in body for c in ("%", "_", escape or "%")):
        first, last = pattern.startswith("%"), pattern.endswith("%")
        shape = {
            (False, False): "({0} == %s)",
            (False, True): "{0}.startswith(%s)",
            (True, False): "{0}.endswith(%s)",
            (True, True): "(%s in {0})",
        }
        source = shape[first, last] % repr(body).replace("{", "{{").replace("}", "}}")
        return lambda text, *rest: source.format(text), ()
    name = f"like_{_digest(pattern, escape, str(ignore_case))}"
    return lambda text, *rest: f"({name}({text}) is not None)", ((name, compiled.fullmatch),)


@lru_cache(maxsize=1024)
def similar_pattern(pattern: str, escape: str = "\\") -> re.Pattern[str]:
    """The compiled regular expression of a SIMILAR TO pattern, to be used with fullmatch."""
    if len(escape) > 1:
        raise InvalidEscapeSequence("invalid escape string", hint="Escape string must be empty or one character.")
    parts, in_class = [], False
    characters = iter(pattern)
    for character in characters:
        if escape and character == escape:
            following = next(characters, None)
            if following is None:
                raise InvalidEscapeSequence("SIMILAR TO pattern must not end with escape character")
            parts.append(re.escape(following))
        elif in_class:
            in_class = character != "]"
            parts.append("\\\\" if character == "\\" else character)
        elif character == "[":
            in_class = True
            parts.append(character)
        elif character == "%":
            parts.append(".*")
        elif character == "_":
            parts.append(".")
        elif character == "(":
            parts.append("(?:")
        elif character in "|*+?{})":
            parts.append(character)
        else:
            parts.append(re.escape(character))
    return _compiled(_classes("".join(parts)), pattern, re.DOTALL)


def similar(text: str, pattern: str, escape: str = "\\") -> bool:
    return similar_pattern(pattern, escape).fullmatch(text) is not None


def _classes(source: str) -> str:
    source = re.sub(r"\[\[:(\w+):\]\]", lambda m: f"[{_class(m[1], _CLASSES)}]", source)
    source = re.sub(r"\[\^\[:(\w+):\]\]", lambda m: f"[^{_class(m[1], _INSIDE)}]", source)
    return re.sub(r"\[:(\w+):\]", lambda m: _class(m[1], _INSIDE), source)


def _class(name: str, classes: dict[str, str]) -> str:
    if name not in classes:
        raise InvalidRegularExpression("invalid regular expression: invalid character class")
    return classes[name]


def _compiled(source: str, pattern: str, flags: int) -> re.Pattern[str]:
    try:
        return re.compile(source, flags)
    except (re.error, RecursionError, OverflowError) as error:
        raise InvalidRegularExpression(f"invalid regular expression: {error}", detail=f'The pattern is "{pattern[:60]}".') from None


_FLAGS = {"i": re.IGNORECASE, "c": 0, "s": 0, "n": re.MULTILINE, "m": re.MULTILINE, "x": re.VERBOSE, "g": 0, "q": 0, "e": 0}


@lru_cache(maxsize=1024)
def regex(pattern: str, flags: str = "") -> re.Pattern[str]:
    """The compiled form of a PostgreSQL regular expression; flags i, c, n, m, s, x, q (g is left to the caller)."""
    number = re.DOTALL
    for flag in flags:
        if flag not in _FLAGS:
            raise InvalidParameterValue(f'invalid regular expression option: "{flag}"')
        if flag in "nm":
            number &= ~re.DOTALL
        number |= _FLAGS[flag]
    if "q" in flags:
        return _compiled(re.escape(pattern), pattern, number)
    return _compiled(_translated(_classes(pattern), multiline=bool(number & re.MULTILINE)), pattern, number)


def _translated(source: str, multiline: bool) -> str:
    parts, position, in_class = [], 0, False
    while position < len(source):
        character = source[position]
        if character == "\\" and position + 1 < len(source):
            following = source[position + 1]
            parts.append(_ESCAPES.get(following, character + following) if not in_class else character + following)
            position += 2
            continue
        if character == "[" and not in_class:
            in_class = True
            head = re.match(r"\[\^?\]?", source[position:])
            assert head is not None
            parts.append(head[0].replace("]", "\\]"))
            position += head.end()
            continue
        if character == "]":
            in_class = False
        elif character == "[":
            character = "\\["
        elif character == "$" and not in_class and not multiline:
            character = r"\Z"
        parts.append(character)
        position += 1
    return "".join(parts)


def regex_match(text: str, pattern: str) -> bool:
    return regex(pattern).search(text) is not None


def regex_imatch(text: str, pattern: str) -> bool:
    return regex(pattern, "i").search(text) is not None


def regex_renderer(pattern: str, flags: str, negated: bool) -> tuple[Callable[..., str], tuple[tuple[str, Any], ...]]:
    """(render, globals) for ~, ~* and their negations with a constant pattern."""
    name = f"regex_{_digest(pattern, flags)}"
    return lambda text, *rest: f"({name}({text}) is {'' if negated else 'not '}None)", ((name, regex(pattern, flags).search),)
