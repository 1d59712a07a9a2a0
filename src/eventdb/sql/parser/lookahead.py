"""The look-ahead beyond one token: words told apart, and pairs joined, by what follows them.

Done over the finished token lists, from the last candidate to the first, so that a look always sees what is already settled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from eventdb.sql.parser.keywords import TYPE_PAIRS

if TYPE_CHECKING:
    from eventdb.sql.parser.lexer import Tokens

_NEGATED = frozenset({"BETWEEN", "IN", "LIKE", "ILIKE", "SIMILAR"})
_FIELDS = frozenset({"YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"})


def combine(tokens: Tokens, candidates: list[int]) -> None:
    """Settle the tokens at the given indexes (ascending), in place."""
    for index in reversed(candidates):
        _RULES[tokens.types[index]](tokens, index)


def _word(tokens: Tokens, index: int) -> str | None:
    """The word at an index in lower case, quoted names excepted; None past the end or for anything else."""
    if index >= len(tokens.types):
        return None
    value = tokens.values[index]
    if not isinstance(value, str) or not tokens.text[tokens.starts[index]].isalpha():
        return None
    return value


def _kind(tokens: Tokens, index: int) -> str:
    return tokens.types[index] if index < len(tokens.types) else "$end"


def _join(tokens: Tokens, index: int, count: int, kind: str, value: str) -> None:
    """Make one token of `count` neighbours."""
    tokens.types[index], tokens.values[index], tokens.ends[index] = kind, value, tokens.ends[index + count - 1]
    for column in (tokens.types, tokens.values, tokens.starts, tokens.ends):
        del column[index + 1 : index + count]


def _type_words(tokens: Tokens, index: int) -> None:
    word = tokens.values[index]
    if _word(tokens, index + 1) == TYPE_PAIRS[word]:
        _join(tokens, index, 2, "TYPE_WORDS", f"{word} {TYPE_PAIRS[word]}")
    else:
        tokens.types[index] = "IDENTIFIER"


def _not(tokens: Tokens, index: int) -> None:
    following = _kind(tokens, index + 1)
    if following in _NEGATED:
        tokens.types[index] = "NOT_LA"
    elif following == "DEFERRABLE":
        _join(tokens, index, 2, "NOT_DEFERRABLE", "not deferrable")


def _with(tokens: Tokens, index: int) -> None:
    second, third = _word(tokens, index + 1), _word(tokens, index + 2)
    name = tokens.values[index]
    if second == "time" and third == "zone":
        _join(tokens, index, 3, "WITH_TIME_ZONE" if name == "with" else "WITHOUT_TIME_ZONE", f"{name} time zone")
    elif name == "without" or second is None:
        return
    elif second == "no" and third == "data":
        _join(tokens, index, 3, "WITH_NO_DATA", "with no data")
    elif second in ("ordinality", "ties", "data") and not _names_common_table(tokens, index + 2):
        _join(tokens, index, 2, f"WITH_{second.upper()}", f"with {second}")


def _names_common_table(tokens: Tokens, index: int) -> bool:
    """Whether what follows WITH name is the rest of a common table: a column list, or AS and a parenthesis."""
    kind, following = _kind(tokens, index), _kind(tokens, index + 1)
    return kind == "(" or (kind == "AS" and following in ("(", "NOT", "MATERIALIZED"))


def _at(tokens: Tokens, index: int) -> None:
    if _word(tokens, index + 1) == "time" and _word(tokens, index + 2) == "zone":
        _join(tokens, index, 3, "AT_TIME_ZONE", "at time zone")
    else:
        tokens.types[index] = "IDENTIFIER"


def _for(tokens: Tokens, index: int) -> None:
    if _kind(tokens, index + 1) == "SYSTEM_TIME":
        _join(tokens, index, 2, "FOR_SYSTEM_TIME", "for system_time")


def _on(tokens: Tokens, index: int) -> None:
    if _word(tokens, index + 1) == "conflict" and _kind(tokens, index + 2) in ("(", "DO", "ON"):
        _join(tokens, index, 2, "ON_CONFLICT", "on conflict")


def _grouping(tokens: Tokens, index: int) -> None:
    if _word(tokens, index + 1) == "sets" and _kind(tokens, index + 2) == "(":
        _join(tokens, index, 2, "GROUPING_SETS", "grouping sets")
    else:
        tokens.types[index] = "IDENTIFIER"


def _before_parenthesis(tokens: Tokens, index: int) -> None:
    if _kind(tokens, index + 1) != "(":
        tokens.types[index] = "IDENTIFIER"


def _row(tokens: Tokens, index: int) -> None:
    if _kind(tokens, index + 1) == "(":
        tokens.types[index] = "ROW_LA"


def _within(tokens: Tokens, index: int) -> None:
    if _kind(tokens, index + 1) != "GROUP":
        tokens.types[index] = "IDENTIFIER"


def _nulls_treatment(tokens: Tokens, index: int) -> None:
    if _kind(tokens, index + 1) != "NULLS":
        tokens.types[index] = "IDENTIFIER"


def _over(tokens: Tokens, index: int) -> None:
    if _kind(tokens, index - 1) != ")" and _kind(tokens, index - 1) != "NULLS":
        tokens.types[index] = "IDENTIFIER"


def _interval(tokens: Tokens, index: int) -> None:
    following = _kind(tokens, index + 1)
    with_precision = following == "(" and _kind(tokens, index + 4) == "STRING"
    if following != "STRING" and following not in _FIELDS and not with_precision:
        tokens.types[index] = "IDENTIFIER"


def _timestamp(tokens: Tokens, index: int) -> None:
    """TIMESTAMP is a word of its own only in AS OF TIMESTAMP x and TO TIMESTAMP x, x being no string."""
    before = _word(tokens, index - 1) if index else None
    if before not in ("of", "to", "from", "between", "and") or _kind(tokens, index + 1) not in ("PARAMETER", "IDENTIFIER", "NILADIC"):
        tokens.types[index] = "IDENTIFIER"


def _if(tokens: Tokens, index: int) -> None:
    if _kind(tokens, index + 1) not in ("EXISTS", "NOT"):
        tokens.types[index] = "IDENTIFIER"


def _field(tokens: Tokens, index: int) -> None:
    """The TO of YEAR TO MONTH is not that of FROM a TO b."""
    if _kind(tokens, index + 1) == "TO" and _kind(tokens, index + 2) in _FIELDS:
        tokens.types[index + 1] = "FIELD_TO"


_RULES: dict[str, Callable[[Tokens, int], None]] = {
    "NOT": _not,
    "WITH": _with,
    "WITHOUT": _with,
    "AT": _at,
    "FOR": _for,
    "ON": _on,
    "GROUPING": _grouping,
    "CUBE": _before_parenthesis,
    "ROLLUP": _before_parenthesis,
    "EXTRACT": _before_parenthesis,
    "SUBSTRING": _before_parenthesis,
    "POSITION": _before_parenthesis,
    "OVERLAY": _before_parenthesis,
    "TRIM": _before_parenthesis,
    "FILTER": _before_parenthesis,
    "ROW": _row,
    "WITHIN": _within,
    "RESPECT": _nulls_treatment,
    "IGNORE": _nulls_treatment,
    "OVER": _over,
    "IF": _if,
    "INTERVAL": _interval,
    "TIMESTAMP": _timestamp,
    "TYPE_PAIR": _type_words,
    **dict.fromkeys(_FIELDS, _field),
}
