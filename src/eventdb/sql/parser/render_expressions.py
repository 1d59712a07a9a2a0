"""The text of expressions, types and windows."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from eventdb import errors
from eventdb.sql.parser import ast
from eventdb.sql.parser.keywords import NILADIC
from eventdb.sql.parser.render_core import comma, dotted, name, renders, text, words

OR, AND, NOT, IS, COMPARISON, PREDICATE, OPERATOR, SUM, PRODUCT, POWER, _, COLLATE, UNARY, _, PRIMARY = range(1, 16)
"""How tightly an expression binds. From OPERATOR on it is a `value` of the grammar."""

_BINARY = {
    "or": OR, "and": AND, "=": COMPARISON, "<>": COMPARISON, "<": COMPARISON, "<=": COMPARISON, ">": COMPARISON, ">=": COMPARISON,
    "+": SUM, "-": SUM, "*": PRODUCT, "/": PRODUCT, "%": PRODUCT, "^": POWER,
}  # fmt: skip

_LEVELS: dict[type, int] = {
    ast.IsNull: IS, ast.IsTruth: IS, ast.IsDistinct: IS, ast.Quantified: COMPARISON, ast.Like: PREDICATE, ast.Between: PREDICATE,
    ast.InList: PREDICATE, ast.InQuery: PREDICATE, ast.Collate: COLLATE,
}  # fmt: skip

_PLAIN_FUNCTIONS = frozenset(
    ("left", "right", "replace", "year", "month", "day", "hour", "minute", "second", "first", "last", "time")
)
_PLAIN_TYPES = frozenset(("interval", "time", "timestamp", "char", "character"))
_TYPE_WORDS = frozenset(("double", "precision", "character", "char", "bit", "varying"))
_ZONES = (" with time zone", " without time zone")


def level(node: Any) -> int:
    """How tightly a node binds."""
    match node:
        case ast.Binary(operator=operator):
            return _BINARY.get(operator, OPERATOR)
        case ast.Unary(operator=operator):
            return NOT if operator == "not" else OPERATOR if operator == "~" else UNARY
        case ast.Literal(value=int() | Decimal() as value) if not isinstance(value, bool) and value < 0:
            return UNARY
    return _LEVELS.get(type(node), PRIMARY)


def at(node: Any, least: int) -> str:
    """The text of an expression, in parentheses if it binds less tightly than its place asks for."""
    return text(node) if level(node) >= least else f"({text(node)})"


def string(value: str) -> str:
    """A string literal."""
    return "'" + value.replace("'", "''") + "'"


@renders(ast.Literal)
def _literal(node: ast.Literal) -> str:
    value = node.value
    match value:
        case None:
            return "NULL"
        case bool():
            return "TRUE" if value else "FALSE"
        case str():
            return string(value)
        case bytes():
            return f"X'{value.hex()}'"
        case Decimal():
            if not value.is_finite():
                raise errors.InternalError(f"no literal for {value}")
            digits = str(value)
            return digits if "." in digits or "E" in digits else f"{digits}."
    return str(value)


@renders(ast.Name)
def _name(node: ast.Name) -> str:
    return dotted(node.parts)


@renders(ast.Star)
def _star(node: ast.Star) -> str:
    return f"{dotted(node.qualifier)}.*" if node.qualifier else "*"


@renders(ast.Parameter)
def _parameter(node: ast.Parameter) -> str:
    return "?" if isinstance(node.key, int) else f":{node.key}"


@renders(ast.Default)
def _default(node: ast.Default) -> str:
    return "DEFAULT"


@renders(ast.Unary)
def _unary(node: ast.Unary) -> str:
    if node.operator == "not":
        return f"NOT {at(node.operand, NOT)}"
    operand = at(node.operand, SUM if node.operator == "~" else UNARY)
    return f"{node.operator} {operand}" if operand[0] in "+-~" else f"{node.operator}{operand}"


@renders(ast.Binary)
def _binary(node: ast.Binary) -> str:
    own = level(node)
    # A chain is as deep on its left as it is long: walk down instead of recursing.
    chain: list[ast.Binary] = [node]
    while own != COMPARISON and isinstance(chain[-1].left, ast.Binary) and level(chain[-1].left) == own:
        chain.append(chain[-1].left)
    pieces = [at(chain[-1].left, own + 1)]
    for part in reversed(chain):
        pieces.append(part.operator.upper())
        pieces.append(at(part.right, own + 1))
    return " ".join(pieces)


@renders(ast.Like)
def _like(node: ast.Like) -> str:
    operator = ("NOT " if node.negated else "") + ("SIMILAR TO" if node.kind == "similar" else node.kind.upper())
    escape = f" ESCAPE {at(node.escape, OPERATOR)}" if node.escape is not None else ""
    return f"{at(node.operand, OPERATOR)} {operator} {at(node.pattern, OPERATOR)}{escape}"


@renders(ast.IsNull)
def _is_null(node: ast.IsNull) -> str:
    return f"{at(node.operand, COMPARISON)} IS {'NOT ' if node.negated else ''}NULL"


@renders(ast.IsTruth)
def _is_truth(node: ast.IsTruth) -> str:
    value = {True: "TRUE", False: "FALSE", None: "UNKNOWN"}[node.value]
    return f"{at(node.operand, COMPARISON)} IS {'NOT ' if node.negated else ''}{value}"


@renders(ast.IsDistinct)
def _is_distinct(node: ast.IsDistinct) -> str:
    return f"{at(node.left, COMPARISON)} IS {'NOT ' if node.negated else ''}DISTINCT FROM {at(node.right, COMPARISON)}"


@renders(ast.Between)
def _between(node: ast.Between) -> str:
    operator = words("NOT" if node.negated else None, "BETWEEN", "SYMMETRIC" if node.symmetric else None)
    return f"{at(node.operand, OPERATOR)} {operator} {at(node.low, OPERATOR)} AND {at(node.high, OPERATOR)}"


@renders(ast.InList)
def _in_list(node: ast.InList) -> str:
    return f"{at(node.operand, OPERATOR)} {'NOT ' if node.negated else ''}IN ({comma(node.items)})"


@renders(ast.InQuery)
def _in_query(node: ast.InQuery) -> str:
    return f"{at(node.operand, OPERATOR)} {'NOT ' if node.negated else ''}IN ({text(node.query)})"


@renders(ast.Quantified)
def _quantified(node: ast.Quantified) -> str:
    return f"{at(node.operand, PREDICATE)} {node.operator} {node.quantifier.upper()} ({text(node.query)})"


@renders(ast.Exists)
def _exists(node: ast.Exists) -> str:
    return f"EXISTS ({text(node.query)})"


@renders(ast.Subquery)
def _subquery(node: ast.Subquery) -> str:
    return f"({text(node.query)})"


@renders(ast.Case)
def _case(node: ast.Case) -> str:
    whens = (f"WHEN {text(condition)} THEN {text(result)}" for condition, result in node.whens)
    return words(
        "CASE",
        text(node.operand) if node.operand is not None else None,
        *whens,
        f"ELSE {text(node.otherwise)}" if node.otherwise is not None else None,
        "END",
    )


@renders(ast.Cast)
def _cast(node: ast.Cast) -> str:
    return f"CAST({text(node.operand)} AS {text(node.type)})"


@renders(ast.RowValue)
def _row(node: ast.RowValue) -> str:
    return f"({comma(node.items)})" if len(node.items) > 1 else f"ROW({comma(node.items)})"


@renders(ast.Collate)
def _collate(node: ast.Collate) -> str:
    return f"{at(node.operand, COLLATE)} COLLATE {dotted(node.collation)}"


# ---- calls


@renders(ast.Function)
def _function(node: ast.Function) -> str:
    pieces = [_special_call(node) or plain_call(node)]
    if node.within_group:
        pieces.append(f"WITHIN GROUP (ORDER BY {comma(node.within_group)})")
    if node.filter is not None:
        pieces.append(f"FILTER (WHERE {text(node.filter)})")
    if node.nulls == "ignore":
        pieces.append("IGNORE NULLS")
    if node.over is not None:
        pieces.append(f"OVER {name(node.over) if isinstance(node.over, str) else text(node.over)}")
    return " ".join(pieces)


def _special_call(node: ast.Function) -> str | None:
    """The call in the syntax of its own that the function has, if these arguments allow it."""
    if len(node.name) != 1 or node.distinct or node.order_by or node.star:
        return None
    match node.name[0], node.arguments:
        case "extract", (ast.Literal(value=str() as field), source):
            return f"EXTRACT({name(field) if field == field.lower() and field else string(field)} FROM {text(source)})"
        case "position", (part, whole):
            return f"POSITION({at(part, OPERATOR)} IN {at(whole, OPERATOR)})"
        case "substring" | "overlay" as word, (_, *_):
            return f"{word}({comma(node.arguments)})"
        case word, () if word in NILADIC and _stands_alone(node):
            return word.upper()
        case word, (ast.Literal(value=int() as precision),) if (
            word in NILADIC and type(precision) is int and precision >= 0 and _stands_alone(node)
        ):
            return f"{word.upper()}({precision})"
    return None


def _stands_alone(node: ast.Function) -> bool:
    """Whether nothing follows the call: a function without parentheses takes no OVER and the like."""
    return node.over is None and node.filter is None and node.nulls != "ignore" and not node.within_group


def plain_call(node: ast.Function) -> str:
    """The call as name and arguments in parentheses, without what follows them."""
    called = node.name[0] if len(node.name) == 1 and node.name[0] in _PLAIN_FUNCTIONS else dotted(node.name)
    if node.star:
        return f"{called}(*)"
    order = f" ORDER BY {comma(node.order_by)}" if node.order_by else ""
    return f"{called}({'DISTINCT ' if node.distinct else ''}{comma(node.arguments)}{order})"


@renders(ast.Window)
def _window(node: ast.Window) -> str:
    inside = words(
        name(node.base) if node.base else None,
        f"PARTITION BY {comma(node.partition_by)}" if node.partition_by else None,
        f"ORDER BY {comma(node.order_by)}" if node.order_by else None,
        text(node.frame) if node.frame else None,
    )
    return f"({inside})"


@renders(ast.Frame)
def _frame(node: ast.Frame) -> str:
    exclude = f" EXCLUDE {node.exclude.upper()}" if node.exclude != "no others" else ""
    return f"{node.mode.upper()} BETWEEN {text(node.start)} AND {text(node.end)}{exclude}"


@renders(ast.Bound)
def _bound(node: ast.Bound) -> str:
    return words(at(node.offset, OPERATOR) if node.offset is not None else None, node.kind.upper())


@renders(ast.OrderItem)
def _order_item(node: ast.OrderItem) -> str:
    nulls = {None: None, True: "NULLS FIRST", False: "NULLS LAST"}[node.nulls_first]
    return words(text(node.expression), "DESC" if node.descending else None, nulls)


# ---- types


@renders(ast.TypeName)
def _type_name(node: ast.TypeName) -> str:
    word, zone = node.name, ""
    for suffix in _ZONES:
        if word.endswith(suffix):
            word, zone = word[: -len(suffix)], suffix
    if word.startswith("interval ") or set(word.split(" ")) <= _TYPE_WORDS or word in _PLAIN_TYPES:
        shown = word
    else:
        shown = name(word)
    modifiers = f"({', '.join(map(str, node.arguments))})" if node.arguments else ""
    return f"{shown}{modifiers}{zone}"
