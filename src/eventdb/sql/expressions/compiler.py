"""From bound expressions to Python source.

Three modes, so that a filter never makes a three-valued object only to throw it away:

    value(e)       source of the value, None for NULL; a boolean gives exactly True, False or None
    condition(e)   source that is truthy exactly when e is TRUE
    negation(e)    source that is truthy exactly when e is FALSE

Each source is one Python expression that can stand anywhere without further parentheses. It may assign temporaries with `:=` (so it must
not stand in the iterable of a comprehension). Operands that cannot be NULL are not checked; a nullable operand that is more than a name
or a subscript is computed once into a temporary.

What the names in a source mean is the business of the emitter (`sources.Emitter`): `p` are the parameters, `cx` is the Execution. A Call
renders itself; in what it renders the character `PLACE` stands for a temporary of its own (the same one wherever it occurs).

NaN follows PostgreSQL: equal to itself, greater than every other number.

Not done here: common subexpressions are not found (only the operand of a simple CASE is computed once), and nothing is moved out of loops.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from types import CodeType
from typing import Any

from eventdb.errors import InternalError, StatementTooComplex
from eventdb.model.datatype import BOOLEAN
from eventdb.model.record import replace
from eventdb.sql.expressions import comparing  # noqa: F401  (which registers comparisons)
from eventdb.sql.expressions.bound import (
    Aggregate,
    Call,
    Case,
    Coalesce,
    Column,
    Comparison,
    Constant,
    Expr,
    IsNull,
    IsTruth,
    Logical,
    Parameter,
    SubqueryExpression,
    WindowCall,
)
from eventdb.sql.expressions.sources import (
    CONDITIONS,
    NEGATIONS,
    PLACE,
    VALUES,
    Computed,
    Emitter,
    SourceEmitter,
    condition_of,
    guarded,
    is_simple,
    negation_of,
    operands,
    strict_condition,
    strict_value,
    value_of,
)

_MAX_INLINE_TEXT = 60
_PRESENT = re.compile(r"\(([A-Za-z_]\w*(?:\[-?\d+\])?) is not None and ")


def value(expr: Expr, emitter: Emitter) -> str:
    """Source of the value of `expr`, None for NULL. Raises StatementTooComplex where the expression nests too deeply."""
    return guarded(value_of, expr, emitter)


def condition(expr: Expr, emitter: Emitter) -> str:
    """Source that is truthy exactly when the boolean `expr` is TRUE."""
    return guarded(condition_of, expr, emitter)


def negation(expr: Expr, emitter: Emitter) -> str:
    """Source that is truthy exactly when the boolean `expr` is FALSE."""
    return guarded(negation_of, expr, emitter)


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


# ---- calls


def _rendered(expr: Call, arguments: Sequence[str], emitter: Emitter) -> str:
    for name, item in expr.globals:
        emitter.define(name, item)
    source = expr.render(*arguments)
    return source.replace(PLACE, emitter.temporary()) if PLACE in source else source


def _call(expr: Call, emitter: Emitter) -> str:
    if not expr.strict:
        return _rendered(expr, [value_of(argument, emitter) for argument in expr.arguments], emitter)
    names, tests = operands(expr.arguments, emitter)
    return strict_value(tests, _rendered(expr, names, emitter))


def _call_condition(expr: Call, emitter: Emitter) -> str:
    if not expr.strict:
        return _call(expr, emitter)
    names, tests = operands(expr.arguments, emitter)
    return strict_condition(tests, _rendered(expr, names, emitter))


def _call_negation(expr: Call, emitter: Emitter) -> str:
    if not expr.strict:
        return f"({_call(expr, emitter)} is False)"
    names, tests = operands(expr.arguments, emitter)
    body = _rendered(expr, names, emitter)
    may_be_null = expr.nullable and not any(argument.nullable for argument in expr.arguments)
    return strict_condition(tests, f"({body} is False)" if may_be_null else f"(not {body})")


# ---- truth


def _logical(expr: Logical, emitter: Emitter) -> str:
    if expr.operator == "not":
        source = value_of(expr.operands[0], emitter)
        if not expr.operands[0].nullable:
            return f"(not {source})"
        if is_simple(source):
            return f"(None if {source} is None else not {source})"
        name = emitter.temporary()
        return f"(None if ({name} := {source}) is None else not {name})"
    sources = [value_of(operand, emitter) for operand in expr.operands]
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
        return negation_of(expr.operands[0], emitter)
    parts = [condition_of(operand, emitter) for operand in expr.operands]
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
        return condition_of(expr.operands[0], emitter)
    joint = " or " if expr.operator == "and" else " and "
    return f"({joint.join(negation_of(operand, emitter) for operand in expr.operands)})"


def _is_null(expr: IsNull, emitter: Emitter) -> str:
    if not expr.operand.nullable:
        return str(expr.negated)
    return f"({value_of(expr.operand, emitter)} is {'not ' if expr.negated else ''}None)"


def _is_truth(expr: IsTruth, emitter: Emitter) -> str:
    return f"({value_of(expr.operand, emitter)} is {'not ' if expr.negated else ''}{expr.value})"


def _is_truth_condition(expr: IsTruth, emitter: Emitter, negated: bool = False) -> str:
    if expr.value is None:
        return f"({value_of(expr.operand, emitter)} is {'not ' if expr.negated != negated else ''}None)"
    source = condition_of(expr.operand, emitter) if expr.value else negation_of(expr.operand, emitter)
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
    assigned = Computed(operand.datatype, f"({name} := {value_of(operand, emitter)})", **shape)
    known = Computed(operand.datatype, name, **shape)
    parts = []
    for number, (test, result) in enumerate(expr.whens):
        assert isinstance(test, Comparison)
        left: Any = known if number else assigned
        parts.append((Comparison(BOOLEAN, "=", left, test.right, nullable=test.nullable), result))
    return parts  # type: ignore[return-value]


def _case(expr: Case, emitter: Emitter, branch: Callable[[Expr, Emitter], str] = value_of) -> str:
    arms = [f"{branch(result, emitter)} if {condition_of(test, emitter)}" for test, result in _case_parts(expr, emitter)]
    otherwise = branch(expr.otherwise, emitter) if expr.otherwise is not None else "None"
    return f"({' else '.join([*arms, otherwise])})"


def _case_condition(expr: Case, emitter: Emitter) -> str:
    return _case(expr, emitter, condition_of)


def _case_negation(expr: Case, emitter: Emitter) -> str:
    return _case(expr, emitter, negation_of)


def _coalesce(expr: Coalesce, emitter: Emitter) -> str:
    parts = []
    for argument in expr.arguments:
        source = value_of(argument, emitter)
        if not argument.nullable or argument is expr.arguments[-1]:
            parts.append(source)
            break
        if is_simple(source):
            parts.append(f"{source} if {source} is not None")
        else:
            name = emitter.temporary()
            parts.append(f"{name} if ({name} := {source}) is not None")
    return f"({' else '.join(parts)})"


VALUES.update({
    Constant: _constant, Column: _column, Parameter: _parameter, Computed: _computed, SubqueryExpression: _subquery,
    Aggregate: _misplaced, WindowCall: _misplaced, Call: _call, Logical: _logical, IsNull: _is_null, IsTruth: _is_truth, Case: _case,
    Coalesce: _coalesce,
})  # fmt: skip
CONDITIONS.update({Call: _call_condition, Logical: _logical_condition, IsTruth: _is_truth_condition, Case: _case_condition})
NEGATIONS.update({Call: _call_negation, Logical: _logical_negation, IsTruth: _is_truth_negation, Case: _case_negation})
