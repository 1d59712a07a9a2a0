"""From bound comparisons to Python source: operators, IS DISTINCT FROM, IN, rows; what NULL and NaN do in them. See `compiler`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from eventdb.model.datatype import BOOLEAN
from eventdb.sql.expressions.bound import Comparison, Constant, Expr, InList, Logical, RowComparison
from eventdb.sql.expressions.sources import (
    CONDITIONS,
    NEGATIONS,
    VALUES,
    Computed,
    Emitter,
    condition_of,
    is_simple,
    negation_of,
    operands,
    strict_condition,
    strict_value,
    value_of,
)

_PYTHON = {"=": "==", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_OPPOSITE = {"=": "<>", "<>": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}

_WITH_NAN = {
    "=": "({0} == {1} or ({0} != {0} and {1} != {1}))",
    "<>": "({0} != {1} and ({0} == {0} or {1} == {1}))",
    "<": "({0} < {1} or ({1} != {1} and {0} == {0}))",
    "<=": "({0} <= {1} or {1} != {1})",
    ">": "({0} > {1} or ({0} != {0} and {1} == {1}))",
    ">=": "({0} >= {1} or {0} != {0})",
}
_LEFT_NAN = {**{o: f"({{0}} {p} {{1}})" for o, p in _PYTHON.items()}, ">": "(not {0} <= {1})", ">=": "(not {0} < {1})"}
_RIGHT_NAN = {**{o: f"({{0}} {p} {{1}})" for o, p in _PYTHON.items()}, "<": "(not {0} >= {1})", "<=": "(not {0} > {1})"}


def _may_be_nan(expr: Expr) -> bool:
    if isinstance(expr, Constant):
        return isinstance(expr.value, float) and expr.value != expr.value
    return expr.datatype.is_float


def _compared(operator: str, left: Expr, right: Expr, a: str, b: str) -> str:
    nan_left, nan_right = _may_be_nan(left), _may_be_nan(right)
    if nan_left and nan_right:
        return _WITH_NAN[operator].format(a, b)
    if nan_left:
        return _LEFT_NAN[operator].format(a, b)
    if nan_right:
        return _RIGHT_NAN[operator].format(a, b)
    return f"({a} {_PYTHON[operator]} {b})"


def _both_nan(expr: Comparison) -> bool:
    return _may_be_nan(expr.left) and _may_be_nan(expr.right)


def _comparison(expr: Comparison, emitter: Emitter) -> str:
    if expr.operator in ("is distinct from", "is not distinct from"):
        return _distinct(expr, emitter)
    names, tests = operands((expr.left, expr.right), emitter, _both_nan(expr))
    return strict_value(tests, _compared(expr.operator, expr.left, expr.right, *names))


def _comparison_condition(expr: Comparison, emitter: Emitter) -> str:
    if expr.operator in ("is distinct from", "is not distinct from"):
        return _distinct(expr, emitter)
    return _comparison_is(expr.operator, expr, emitter)


def _comparison_negation(expr: Comparison, emitter: Emitter) -> str:
    if expr.operator in ("is distinct from", "is not distinct from"):
        return f"(not {_distinct(expr, emitter)})"
    return _comparison_is(_OPPOSITE[expr.operator], expr, emitter)


def _comparison_is(operator: str, expr: Comparison, emitter: Emitter) -> str:
    if operator == "=" and not (expr.left.nullable and expr.right.nullable) and not _both_nan(expr):
        # None == x is False already, so one operand that cannot be NULL makes the checks needless.
        return f"({value_of(expr.left, emitter)} == {value_of(expr.right, emitter)})"
    names, tests = operands((expr.left, expr.right), emitter, _both_nan(expr))
    return strict_condition(tests, _compared(operator, expr.left, expr.right, *names))


def _distinct(expr: Comparison, emitter: Emitter) -> str:
    operator = "<>" if expr.operator == "is distinct from" else "="
    if not _both_nan(expr):
        return f"({value_of(expr.left, emitter)} {_PYTHON[operator]} {value_of(expr.right, emitter)})"
    names, assignments = [], []
    for operand in (expr.left, expr.right):
        source = value_of(operand, emitter)
        if is_simple(source):
            names.append(source)
        else:
            names.append(emitter.temporary())
            assignments.append(f"{names[-1]} := {source}")
    body = _WITH_NAN[operator].format(*names)
    return f"({', '.join(f'({a})' for a in assignments)}, {body})[-1]" if assignments else body


# ---- IN


def _in_constants(expr: InList, emitter: Emitter) -> tuple[str, bool] | None:
    """(source of the set of the items that are not NULL, whether one is NULL), if all items are constants."""
    if not all(isinstance(item, Constant) for item in expr.items):
        return None
    values = [item.value for item in expr.items if isinstance(item, Constant)]
    present = frozenset(v for v in values if v is not None)
    return emitter.constant(present), any(v is None for v in values)


def _item_tuple(expr: InList, emitter: Emitter) -> str:
    return f"({', '.join(value_of(item, emitter) for item in expr.items)},)"


def _in_list(expr: InList, emitter: Emitter) -> str:
    names, tests = operands((expr.operand,), emitter)
    constants = _in_constants(expr, emitter)
    if constants is not None:
        items, has_null = constants
        return strict_value(tests, f"(True if {names[0]} in {items} else None)" if has_null else f"({names[0]} in {items})")
    if not any(item.nullable for item in expr.items):
        return strict_value(tests, f"({names[0]} in {_item_tuple(expr, emitter)})")
    name = emitter.temporary()
    return strict_value(tests, f"(True if {names[0]} in ({name} := {_item_tuple(expr, emitter)}) else None if None in {name} else False)")


def _in_condition(expr: InList, emitter: Emitter) -> str:
    constants = _in_constants(expr, emitter)
    if constants is not None:
        return f"({value_of(expr.operand, emitter)} in {constants[0]})"
    if not any(item.nullable for item in expr.items):
        return f"({value_of(expr.operand, emitter)} in {_item_tuple(expr, emitter)})"
    names, tests = operands((expr.operand,), emitter)
    return strict_condition(tests, f"{names[0]} in {_item_tuple(expr, emitter)}")


def _in_negation(expr: InList, emitter: Emitter) -> str:
    names, tests = operands((expr.operand,), emitter)
    constants = _in_constants(expr, emitter)
    if constants is not None:
        return "False" if constants[1] else strict_condition(tests, f"({names[0]} not in {constants[0]})")
    if not any(item.nullable for item in expr.items):
        return strict_condition(tests, f"({names[0]} not in {_item_tuple(expr, emitter)})")
    name = emitter.temporary()
    return strict_condition(tests, f"({names[0]} not in ({name} := {_item_tuple(expr, emitter)}) and None not in {name})")


# ---- rows


def _row(expr: RowComparison, emitter: Emitter, mode: Callable[[Expr, Emitter], str]) -> str:
    operands = [*expr.left, *expr.right]
    if not any(operand.nullable or operand.datatype.is_float for operand in operands):
        left, right = (f"({', '.join(value_of(e, emitter) for e in side)},)" for side in (expr.left, expr.right))
        source = f"({left} {_PYTHON[expr.operator]} {right})"
        return f"(not {source})" if mode is negation_of else source
    assignments, known = [], []
    for operand in operands:
        source = value_of(operand, emitter)
        if not is_simple(source) and not isinstance(operand, Constant):
            name = emitter.temporary()
            assignments.append(f"({name} := {source})")
            source = name
        known.append(Computed(operand.datatype, source, nullable=operand.nullable))
    width = len(expr.left)
    source = mode(_spelled_out(expr.operator, known[:width], known[width:]), emitter)
    return f"({', '.join(assignments)}, {source})[-1]" if assignments else source


def _spelled_out(operator: str, left: Sequence[Any], right: Sequence[Any]) -> Expr:
    """A row comparison as ANDs and ORs of comparisons, which have the same three-valued result."""

    def compare(symbol: Any, a: Any, b: Any) -> Comparison:
        return Comparison(BOOLEAN, symbol, a, b, nullable=a.nullable or b.nullable)

    def join(symbol: Any, parts: Sequence[Expr]) -> Expr:
        return parts[0] if len(parts) == 1 else Logical(BOOLEAN, symbol, tuple(parts), nullable=any(part.nullable for part in parts))

    pairs = list(zip(left, right, strict=True))
    if operator in ("=", "<>"):
        return join("and" if operator == "=" else "or", [compare(operator, a, b) for a, b in pairs])
    result: Expr = compare(operator, *pairs[-1])
    for a, b in reversed(pairs[:-1]):
        result = join("or", [compare(operator[0], a, b), join("and", [compare("=", a, b), result])])
    return result


def _row_value(expr: RowComparison, emitter: Emitter) -> str:
    return _row(expr, emitter, value_of)


def _row_condition(expr: RowComparison, emitter: Emitter) -> str:
    return _row(expr, emitter, condition_of)


def _row_negation(expr: RowComparison, emitter: Emitter) -> str:
    return _row(expr, emitter, negation_of)


VALUES.update({Comparison: _comparison, InList: _in_list, RowComparison: _row_value})
CONDITIONS.update({Comparison: _comparison_condition, InList: _in_condition, RowComparison: _row_condition})
NEGATIONS.update({Comparison: _comparison_negation, InList: _in_negation, RowComparison: _row_negation})
