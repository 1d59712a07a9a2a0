"""From bound expressions to Python source.

Three modes, so that a filter never makes a three-valued object only to throw it away:

    value(e)       source of the value, None for NULL; a boolean gives exactly True, False or None
    condition(e)   source that is truthy exactly when e is TRUE
    negation(e)    source that is truthy exactly when e is FALSE

Each source is one Python expression that can stand anywhere without further parentheses. It may assign temporaries with `:=` (so it must
not stand in the iterable of a comprehension). Operands that cannot be NULL are not checked; a nullable operand that is more than a name
or a subscript is computed once into a temporary.

What the names in a source mean is the emitter's business (`Emitter`): `p` are the parameters, `cx` is the Execution. A Call renders itself;
in what it renders the character `PLACE` stands for a temporary of its own (the same one wherever it occurs).

NaN follows PostgreSQL: equal to itself, greater than every other number.

Not done here: common subexpressions are not found (only the operand of a simple CASE is computed once), and nothing is moved out of loops.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from types import CodeType
from typing import Any, Protocol

from eventdb.errors import InternalError, StatementTooComplex
from eventdb.model.datatype import BOOLEAN
from eventdb.model.record import replace
from eventdb.sql.expressions.bound import (
    Aggregate,
    BoundExpression,
    Call,
    Case,
    Coalesce,
    Column,
    Comparison,
    Constant,
    Expr,
    InList,
    IsNull,
    IsTruth,
    Logical,
    Parameter,
    RowComparison,
    SubqueryExpression,
    WindowCall,
)

PLACE = "\0"
_SIMPLE = re.compile(r"[A-Za-z_]\w*(\[-?\d+\])?")
_PRESENT = re.compile(r"\(([A-Za-z_]\w*(?:\[-?\d+\])?) is not None and ")
_MAX_INLINE_TEXT = 60


class Emitter(Protocol):
    """Where sources get their names from."""

    def column(self, column: Column) -> str:
        """Source of a column's value, usually `r3[2]` or a local name."""
        ...

    def parameter(self, index: int) -> str:
        """Source of a parameter's value, usually `p[0]`."""
        ...

    def constant(self, value: object) -> str:
        """A global name for an object that has no short literal."""
        ...

    def define(self, name: str, value: object) -> None:
        """Make the global `name` mean `value`; the same name always comes with the same value."""
        ...

    def temporary(self) -> str:
        """A fresh local name."""
        ...

    def subquery(self, expression: SubqueryExpression) -> str:
        """Source of a subquery's value, None for NULL (boolean for exists, in, any, all, row)."""
        ...


class SourceEmitter:
    """A plain emitter, to be used as it is or refined: rows are `r<relation>`, globals collect in `names`."""

    def __init__(self) -> None:
        self.names: dict[str, object] = {}
        self._constants: dict[int, str] = {}
        self._temporaries = 0

    def column(self, column: Column) -> str:
        return f"r{column.relation}[{column.ordinal}]"

    def parameter(self, index: int) -> str:
        return f"p[{index}]"

    def constant(self, value: object) -> str:
        name = self._constants.get(id(value))
        if name is None:
            name = self._constants[id(value)] = f"k{len(self._constants)}"
            self.names[name] = value
        return name

    def define(self, name: str, value: object) -> None:
        self.names[name] = value

    def temporary(self) -> str:
        self._temporaries += 1
        return f"t{self._temporaries}"

    def subquery(self, expression: SubqueryExpression) -> str:
        raise InternalError("a subquery stands where the planner did not expect one", position=expression.position)


class Computed(BoundExpression):
    """An operand whose source is known already: compiler-made, for operands used more than once."""

    source: str


def value(expr: Expr, emitter: Emitter) -> str:
    """Source of the value of `expr`, None for NULL. Raises StatementTooComplex where the expression nests too deeply."""
    return _guard(_value, expr, emitter)


def condition(expr: Expr, emitter: Emitter) -> str:
    """Source that is truthy exactly when the boolean `expr` is TRUE."""
    return _guard(_condition, expr, emitter)


def negation(expr: Expr, emitter: Emitter) -> str:
    """Source that is truthy exactly when the boolean `expr` is FALSE."""
    return _guard(_negation, expr, emitter)


def compile_source(source: str, filename: str) -> CodeType:
    """Python's compile() of generated statements; its own limits on nesting come out as StatementTooComplex."""
    try:
        return compile(source, filename, "exec")
    except (RecursionError, MemoryError):
        raise StatementTooComplex("the statement nests too deeply to be compiled") from None
    except SyntaxError as error:
        if "nested" in str(error) or "too many levels" in str(error):
            raise StatementTooComplex("the statement nests too deeply to be compiled") from None
        raise InternalError(f"generated code is not Python: {error}") from error


def evaluate(expr: Expr, parameters: Sequence[Any] = (), cx: Any = None) -> Any:
    """The value of an expression without columns; None for NULL. For folding, and for tests."""
    emitter = SourceEmitter()
    source = value(expr, emitter)
    scope = {**emitter.names}
    exec(compile_source(f"def run(p, cx):\n return {source}", "<expression>"), scope)
    return scope["run"](parameters, cx)  # type: ignore[operator]


def _guard(mode: Callable[[Expr, Emitter], str], expr: Expr, emitter: Emitter) -> str:
    try:
        return mode(expr, emitter)
    except RecursionError:
        raise StatementTooComplex("the expression nests too deeply", position=expr.position if expr.position >= 0 else None) from None


# ---- dispatch


def _value(expr: Expr, emitter: Emitter) -> str:
    return _VALUE[type(expr)](expr, emitter)


def _condition(expr: Expr, emitter: Emitter) -> str:
    special = _CONDITION.get(type(expr))
    return special(expr, emitter) if special else _value(expr, emitter)


def _negation(expr: Expr, emitter: Emitter) -> str:
    special = _NEGATION.get(type(expr))
    if special:
        return special(expr, emitter)
    source = _value(expr, emitter)
    return f"({source} is False)" if expr.nullable else f"(not {source})"


# ---- leaves


def literal(item: object, emitter: Emitter) -> str:
    """Source of a constant: inline where that is short and readable, else a global."""
    if item is None or item is True or item is False:
        return repr(item)
    if type(item) is int or (type(item) is float and math.isfinite(item)):
        return repr(item) if item >= 0 and repr(item)[0] != "-" else f"({item!r})"
    if type(item) is str and len(item) <= _MAX_INLINE_TEXT:
        return repr(item).replace(PLACE, "\\0")
    return emitter.constant(item)


def _constant(expr: Constant, emitter: Emitter) -> str:
    return literal(expr.value, emitter)


def _column(expr: Column, emitter: Emitter) -> str:
    return emitter.column(expr)


def _parameter(expr: Parameter, emitter: Emitter) -> str:
    return emitter.parameter(expr.index)


def _computed(expr: Computed, emitter: Emitter) -> str:
    return expr.source


def _subquery(expr: SubqueryExpression, emitter: Emitter) -> str:
    return emitter.subquery(expr)


def _misplaced(expr: Aggregate | WindowCall, emitter: Emitter) -> str:
    raise InternalError("an aggregate or window call was left in an expression", position=expr.position)


# ---- operands and NULL


def is_simple(source: str) -> bool:
    """Whether a source is so cheap that it may be written twice: a name, or a name with a constant subscript."""
    return _SIMPLE.fullmatch(source) is not None


def _operands(exprs: Sequence[Expr], emitter: Emitter, reused: bool = False) -> tuple[list[str], list[str]]:
    """Sources of the operands for use once they are known not to be NULL, and what must be tested `is None`.

    With `reused`, operands that are not nullable are made cheap to repeat as well; their assignments come last in the tests, marked by
    a leading `:`.
    """
    names: list[str] = []
    tests: list[str] = []
    for expr in exprs:
        source = _value(expr, emitter)
        if expr.nullable:
            name = source
            if not is_simple(source) and source != "None":
                name = emitter.temporary()
                source = f"({name} := {source})"
            if source not in tests:
                tests.append(source)
            names.append(name)
        elif reused and not is_simple(source) and not isinstance(expr, Constant):
            name = emitter.temporary()
            tests.append(f":({name} := {source})")
            names.append(name)
        else:
            names.append(source)
    return names, tests


def _all_null_tests(tests: list[str]) -> str:
    return " or ".join(f"{test[1:]} is None" if test[0] == ":" else f"{test} is None" for test in tests)


def _all_present(tests: list[str]) -> list[str]:
    return [f"{test[1:]} is not None" if test[0] == ":" else f"{test} is not None" for test in tests]


def _strict_value(tests: list[str], body: str) -> str:
    if not tests:
        return body
    if "None" in tests:
        return "None"
    return f"(None if {_all_null_tests(tests)} else {body})"


def _strict_condition(tests: list[str], body: str) -> str:
    if not tests:
        return body
    if "None" in tests:
        return "False"
    return f"({' and '.join([*_all_present(tests), body])})"


# ---- calls


def _rendered(expr: Call, arguments: Sequence[str], emitter: Emitter) -> str:
    for name, item in expr.globals:
        emitter.define(name, item)
    source = expr.render(*arguments)
    return source.replace(PLACE, emitter.temporary()) if PLACE in source else source


def _call(expr: Call, emitter: Emitter) -> str:
    if not expr.strict:
        return _rendered(expr, [_value(argument, emitter) for argument in expr.arguments], emitter)
    names, tests = _operands(expr.arguments, emitter)
    return _strict_value(tests, _rendered(expr, names, emitter))


def _call_condition(expr: Call, emitter: Emitter) -> str:
    if not expr.strict:
        return _call(expr, emitter)
    names, tests = _operands(expr.arguments, emitter)
    return _strict_condition(tests, _rendered(expr, names, emitter))


def _call_negation(expr: Call, emitter: Emitter) -> str:
    if not expr.strict:
        return f"({_call(expr, emitter)} is False)"
    names, tests = _operands(expr.arguments, emitter)
    body = _rendered(expr, names, emitter)
    may_be_null = expr.nullable and not any(argument.nullable for argument in expr.arguments)
    return _strict_condition(tests, f"({body} is False)" if may_be_null else f"(not {body})")


# ---- comparisons

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
    names, tests = _operands((expr.left, expr.right), emitter, _both_nan(expr))
    return _strict_value(tests, _compared(expr.operator, expr.left, expr.right, *names))


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
        return f"({_value(expr.left, emitter)} == {_value(expr.right, emitter)})"
    names, tests = _operands((expr.left, expr.right), emitter, _both_nan(expr))
    return _strict_condition(tests, _compared(operator, expr.left, expr.right, *names))


def _distinct(expr: Comparison, emitter: Emitter) -> str:
    operator = "<>" if expr.operator == "is distinct from" else "="
    if not _both_nan(expr):
        return f"({_value(expr.left, emitter)} {_PYTHON[operator]} {_value(expr.right, emitter)})"
    names, assignments = [], []
    for operand in (expr.left, expr.right):
        source = _value(operand, emitter)
        if is_simple(source):
            names.append(source)
        else:
            names.append(emitter.temporary())
            assignments.append(f"{names[-1]} := {source}")
    body = _WITH_NAN[operator].format(*names)
    return f"({', '.join(f'({a})' for a in assignments)}, {body})[-1]" if assignments else body


# ---- truth


def _logical(expr: Logical, emitter: Emitter) -> str:
    if expr.operator == "not":
        source = _value(expr.operands[0], emitter)
        if not expr.operands[0].nullable:
            return f"(not {source})"
        if is_simple(source):
            return f"(None if {source} is None else not {source})"
        name = emitter.temporary()
        return f"(None if ({name} := {source}) is None else not {name})"
    sources = [_value(operand, emitter) for operand in expr.operands]
    if not any(operand.nullable for operand in expr.operands):
        return f"({f' {expr.operator} '.join(sources)})"
    decisive, other = ("False", "True") if expr.operator == "and" else ("True", "False")
    tests, names = [], []
    for operand, source in zip(expr.operands, sources, strict=True):
        if not operand.nullable:
            tests.append(f"{source} is {decisive}")
            continue
        if not is_simple(source):
            name = emitter.temporary()
            tests.append(f"({name} := {source}) is {decisive}")
        else:
            name = source
            tests.append(f"{source} is {decisive}")
        names.append(name)
    unknown = " or ".join(f"{name} is None" for name in names)
    return f"({decisive} if {' or '.join(tests)} else None if {unknown} else {other})"


def _logical_condition(expr: Logical, emitter: Emitter) -> str:
    if expr.operator == "not":
        return _negation(expr.operands[0], emitter)
    parts = [_condition(operand, emitter) for operand in expr.operands]
    return _conjunction(parts) if expr.operator == "and" else f"({' or '.join(parts)})"


def _conjunction(parts: Sequence[str]) -> str:
    """The parts joined by `and`; a test `x is not None` that an earlier part has made already is left out."""
    known: set[str] = set()
    kept = []
    for part in parts:
        while (match := _PRESENT.match(part)) and part.endswith(")"):
            test = match[1]
            if test in known:
                part = f"({part[match.end():]}"
            else:
                known.add(test)
                break
        kept.append(part)
    return f"({' and '.join(kept)})"


def _logical_negation(expr: Logical, emitter: Emitter) -> str:
    if expr.operator == "not":
        return _condition(expr.operands[0], emitter)
    joint = " or " if expr.operator == "and" else " and "
    return f"({joint.join(_negation(operand, emitter) for operand in expr.operands)})"


def _is_null(expr: IsNull, emitter: Emitter) -> str:
    if not expr.operand.nullable:
        return str(expr.negated)
    return f"({_value(expr.operand, emitter)} is {'not ' if expr.negated else ''}None)"


def _is_truth(expr: IsTruth, emitter: Emitter) -> str:
    return f"({_value(expr.operand, emitter)} is {'not ' if expr.negated else ''}{expr.value})"


def _is_truth_condition(expr: IsTruth, emitter: Emitter, negated: bool = False) -> str:
    if expr.value is None:
        return f"({_value(expr.operand, emitter)} is {'not ' if expr.negated != negated else ''}None)"
    source = _condition(expr.operand, emitter) if expr.value else _negation(expr.operand, emitter)
    return f"(not {source})" if expr.negated != negated else source


def _is_truth_negation(expr: IsTruth, emitter: Emitter) -> str:
    return _is_truth_condition(expr, emitter, negated=True)


# ---- CASE, COALESCE


def _never(test: Expr) -> bool:
    """Whether a condition is `… = NULL`."""
    return isinstance(test, Comparison) and test.operator == "=" and isinstance(test.right, Constant) and test.right.value is None


def _case_parts(expr: Case, emitter: Emitter) -> list[tuple[Expr, Expr]]:
    """The arms, with the operand of a simple CASE computed by the first condition into a temporary that the others read."""
    first = expr.whens[0][0]
    if isinstance(first, Comparison) and any(_never(test) for test, _ in expr.whens):
        # The first condition must read the operand, so arms that no value can take are left out.
        possible = tuple(when for when in expr.whens if not _never(when[0]))
        return _case_parts(replace(expr, whens=possible), emitter) if possible else []
    if len(expr.whens) == 1 or not isinstance(first, Comparison) or isinstance(first.left, Column | Constant | Parameter):
        return list(expr.whens)
    operand = first.left
    if not all(isinstance(c, Comparison) and c.operator == "=" and c.left is operand for c, _ in expr.whens):
        return list(expr.whens)
    name = emitter.temporary()
    shape = {"nullable": operand.nullable}
    assigned = Computed(operand.datatype, f"({name} := {_value(operand, emitter)})", **shape)
    known = Computed(operand.datatype, name, **shape)
    parts = []
    for number, (test, result) in enumerate(expr.whens):
        assert isinstance(test, Comparison)
        left: Any = known if number else assigned
        parts.append((Comparison(BOOLEAN, "=", left, test.right, nullable=test.nullable), result))
    return parts  # type: ignore[return-value]


def _case(expr: Case, emitter: Emitter, branch: Callable[[Expr, Emitter], str] = _value) -> str:
    arms = [f"{branch(result, emitter)} if {_condition(test, emitter)}" for test, result in _case_parts(expr, emitter)]
    otherwise = branch(expr.otherwise, emitter) if expr.otherwise is not None else "None"
    return f"({' else '.join([*arms, otherwise])})"


def _case_condition(expr: Case, emitter: Emitter) -> str:
    return _case(expr, emitter, _condition)


def _case_negation(expr: Case, emitter: Emitter) -> str:
    return _case(expr, emitter, _negation)


def _coalesce(expr: Coalesce, emitter: Emitter) -> str:
    parts = []
    for argument in expr.arguments:
        source = _value(argument, emitter)
        if not argument.nullable or argument is expr.arguments[-1]:
            parts.append(source)
            break
        if is_simple(source):
            parts.append(f"{source} if {source} is not None")
        else:
            name = emitter.temporary()
            parts.append(f"{name} if ({name} := {source}) is not None")
    return f"({' else '.join(parts)})"


# ---- IN


def _in_constants(expr: InList, emitter: Emitter) -> tuple[str, bool] | None:
    """(source of the set of the items that are not NULL, whether one is NULL), if all items are constants."""
    if not all(isinstance(item, Constant) for item in expr.items):
        return None
    values = [item.value for item in expr.items if isinstance(item, Constant)]
    present = frozenset(v for v in values if v is not None)
    return emitter.constant(present), any(v is None for v in values)


def _item_tuple(expr: InList, emitter: Emitter) -> str:
    return f"({', '.join(_value(item, emitter) for item in expr.items)},)"


def _in_list(expr: InList, emitter: Emitter) -> str:
    names, tests = _operands((expr.operand,), emitter)
    constants = _in_constants(expr, emitter)
    if constants is not None:
        items, has_null = constants
        return _strict_value(tests, f"(True if {names[0]} in {items} else None)" if has_null else f"({names[0]} in {items})")
    if not any(item.nullable for item in expr.items):
        return _strict_value(tests, f"({names[0]} in {_item_tuple(expr, emitter)})")
    name = emitter.temporary()
    return _strict_value(tests, f"(True if {names[0]} in ({name} := {_item_tuple(expr, emitter)}) else None if None in {name} else False)")


def _in_condition(expr: InList, emitter: Emitter) -> str:
    constants = _in_constants(expr, emitter)
    if constants is not None:
        return f"({_value(expr.operand, emitter)} in {constants[0]})"
    if not any(item.nullable for item in expr.items):
        return f"({_value(expr.operand, emitter)} in {_item_tuple(expr, emitter)})"
    names, tests = _operands((expr.operand,), emitter)
    return _strict_condition(tests, f"{names[0]} in {_item_tuple(expr, emitter)}")


def _in_negation(expr: InList, emitter: Emitter) -> str:
    names, tests = _operands((expr.operand,), emitter)
    constants = _in_constants(expr, emitter)
    if constants is not None:
        return "False" if constants[1] else _strict_condition(tests, f"({names[0]} not in {constants[0]})")
    if not any(item.nullable for item in expr.items):
        return _strict_condition(tests, f"({names[0]} not in {_item_tuple(expr, emitter)})")
    name = emitter.temporary()
    return _strict_condition(tests, f"({names[0]} not in ({name} := {_item_tuple(expr, emitter)}) and None not in {name})")


# ---- rows


def _row(expr: RowComparison, emitter: Emitter, mode: Callable[[Expr, Emitter], str]) -> str:
    operands = [*expr.left, *expr.right]
    if not any(operand.nullable or operand.datatype.is_float for operand in operands):
        left, right = (f"({', '.join(_value(e, emitter) for e in side)},)" for side in (expr.left, expr.right))
        source = f"({left} {_PYTHON[expr.operator]} {right})"
        return f"(not {source})" if mode is _negation else source
    assignments, known = [], []
    for operand in operands:
        source = _value(operand, emitter)
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
    return _row(expr, emitter, _value)


def _row_condition(expr: RowComparison, emitter: Emitter) -> str:
    return _row(expr, emitter, _condition)


def _row_negation(expr: RowComparison, emitter: Emitter) -> str:
    return _row(expr, emitter, _negation)


_VALUE: dict[type, Callable[[Any, Emitter], str]] = {
    Constant: _constant, Column: _column, Parameter: _parameter, Computed: _computed, SubqueryExpression: _subquery,
    Aggregate: _misplaced, WindowCall: _misplaced, Call: _call, Comparison: _comparison, Logical: _logical, IsNull: _is_null,
    IsTruth: _is_truth, Case: _case, Coalesce: _coalesce, InList: _in_list, RowComparison: _row_value,
}  # fmt: skip
_CONDITION: dict[type, Callable[[Any, Emitter], str]] = {
    Call: _call_condition, Comparison: _comparison_condition, Logical: _logical_condition, IsTruth: _is_truth_condition,
    Case: _case_condition, InList: _in_condition, RowComparison: _row_condition,
}  # fmt: skip
_NEGATION: dict[type, Callable[[Any, Emitter], str]] = {
    Call: _call_negation, Comparison: _comparison_negation, Logical: _logical_negation, IsTruth: _is_truth_negation,
    Case: _case_negation, InList: _in_negation, RowComparison: _row_negation,
}  # fmt: skip
