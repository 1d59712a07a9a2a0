"""The registry of scalar functions, and how a call finds its function.

A function is one line: name, parameters, result, and what computes it: a Python callable, or a source template in which `{0}`, `{1}` are
the arguments. Parameters are written as "text, integer": types by PostgreSQL's short names, `any` for anything, `anynumber…` families by
declaring each. "[text]" may be left out, "any..." repeats (none or more).

Resolution is PostgreSQL's: exact types win; else the candidates whose every argument casts implicitly, those with most exact matches,
those with most preferred types; a literal of unknown type goes where it fits, to text if it may.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from eventdb.errors import AmbiguousFunction, UndefinedFunction
from eventdb.model.datatype import DataType, Kind
from eventdb.model.record import Record
from eventdb.sql.expressions.bound import Call, Expr

Result = DataType | Callable[[Sequence[Expr]], DataType]

SHORT_NAMES: dict[str, Kind] = {
    "text": Kind.TEXT, "integer": Kind.INTEGER, "bigint": Kind.BIGINT, "smallint": Kind.SMALLINT, "numeric": Kind.NUMERIC,
    "real": Kind.REAL, "double": Kind.DOUBLE, "boolean": Kind.BOOLEAN, "bytea": Kind.BYTEA, "date": Kind.DATE, "time": Kind.TIME,
    "timetz": Kind.TIMETZ, "timestamp": Kind.TIMESTAMP, "timestamptz": Kind.TIMESTAMPTZ, "interval": Kind.INTERVAL, "uuid": Kind.UUID,
    "json": Kind.JSON,
}  # fmt: skip

PREFERRED = frozenset({Kind.DOUBLE, Kind.TEXT, Kind.TIMESTAMPTZ, Kind.INTERVAL, Kind.BOOLEAN})
CATEGORY = {
    **dict.fromkeys((Kind.SMALLINT, Kind.INTEGER, Kind.BIGINT, Kind.NUMERIC, Kind.REAL, Kind.DOUBLE), "number"),
    **dict.fromkeys((Kind.TEXT, Kind.VARCHAR, Kind.CHAR), "text"),
    **dict.fromkeys((Kind.DATE, Kind.TIME, Kind.TIMETZ, Kind.TIMESTAMP, Kind.TIMESTAMPTZ), "time"),
    Kind.INTERVAL: "span", Kind.BOOLEAN: "boolean", Kind.BYTEA: "bytes", Kind.UUID: "uuid", Kind.JSON: "json", Kind.NULL: "unknown",
}  # fmt: skip
IMPLICIT: dict[Kind, frozenset[Kind]] = {
    Kind.SMALLINT: frozenset({Kind.INTEGER, Kind.BIGINT, Kind.NUMERIC, Kind.REAL, Kind.DOUBLE}),
    Kind.INTEGER: frozenset({Kind.BIGINT, Kind.NUMERIC, Kind.REAL, Kind.DOUBLE}),
    Kind.BIGINT: frozenset({Kind.NUMERIC, Kind.REAL, Kind.DOUBLE}),
    Kind.NUMERIC: frozenset({Kind.REAL, Kind.DOUBLE}),
    Kind.REAL: frozenset({Kind.DOUBLE}),
    Kind.VARCHAR: frozenset({Kind.TEXT, Kind.CHAR}),
    Kind.CHAR: frozenset({Kind.TEXT, Kind.VARCHAR}),
    Kind.TEXT: frozenset({Kind.VARCHAR, Kind.CHAR}),
    Kind.DATE: frozenset({Kind.TIMESTAMP, Kind.TIMESTAMPTZ}),
    Kind.TIMESTAMP: frozenset({Kind.TIMESTAMPTZ}),
    Kind.TIME: frozenset({Kind.TIMETZ, Kind.INTERVAL}),
}
"""The implicit casts of PostgreSQL: from one kind to those it turns into without being asked."""


class Function(Record):
    """One overload. `parameters` of None kind take anything; `variadic` repeats the last one."""

    name: str
    parameters: tuple[Kind | None, ...]
    required: int
    variadic: bool
    result: Result
    render: Callable[..., str]
    globals: tuple[tuple[str, Any], ...] = ()
    strict: bool = True
    nullable: bool = False
    volatile: bool = False
    uses_execution: bool = False

    def accepts(self, count: int) -> bool:
        return self.required <= count and (self.variadic or count <= len(self.parameters))

    def parameter(self, index: int) -> Kind | None:
        return self.parameters[min(index, len(self.parameters) - 1)]


_FUNCTIONS: dict[str, list[Function]] = {}
_BUILTIN = frozenset(dir(builtins))
"""Names that generated code uses in Python's own sense."""


def overloads(name: str) -> Sequence[Function]:
    """The functions of that name, none if there is none."""
    return _FUNCTIONS.get(name, ())


def names() -> Iterable[str]:
    return _FUNCTIONS.keys()


def declare(
    name: str,
    parameters: str,
    result: Result,
    body: str | Callable[..., Any],
    *,
    uses: Iterable[Callable[..., Any] | tuple[str, Any]] = (),
    strict: bool = True,
    nullable: bool = False,
    volatile: bool = False,
    execution: bool = False,
) -> None:
    """Add one overload. `body`: a template, or a callable that gets the arguments (and before them the Execution, with `execution`)."""
    kinds: list[Kind | None] = []
    required = 0
    variadic = False
    for item in filter(None, (part.strip() for part in parameters.split(","))):
        optional = item.startswith("[")
        if item.endswith("..."):
            item, variadic = item[:-3], True
        elif not optional:
            required += 1
        word = item.strip("[] ")
        kinds.append(None if word == "any" else SHORT_NAMES[word])
    used: list[tuple[str, Any]] = [item if isinstance(item, tuple) else (item.__name__, item) for item in uses]
    if isinstance(body, str):
        render = body.format
    else:
        label = f"{body.__name__}_" if body.__name__ in _BUILTIN else body.__name__
        used.append((label, body))
        render = calling(label, execution)
    _FUNCTIONS.setdefault(name, []).append(
        Function(name, tuple(kinds), required, variadic, result, render, tuple(used), strict, nullable, volatile, execution)
    )


def calling(name: str, execution: bool = False) -> Callable[..., str]:
    """What renders a plain call of the global `name`."""
    first = ("cx",) if execution else ()

    def render(*arguments: str) -> str:
        return f"{name}({', '.join([*first, *arguments])})"

    return render


def call(function: Function, arguments: Sequence[Expr], position: int) -> Call:
    """The bound call; the arguments have the parameter types already."""
    result = function.result(arguments) if callable(function.result) else function.result
    nullable = function.nullable or (function.strict and any(argument.nullable for argument in arguments))
    return Call(
        result, function.name, tuple(arguments), function.render, function.globals, function.strict, function.volatile,
        function.uses_execution,
        nullable=nullable, position=position,
    )  # fmt: skip


# ---- resolution


def _plain(kind: Kind) -> Kind:
    return Kind.TEXT if kind in (Kind.VARCHAR, Kind.CHAR) else kind


def _fits(kind: Kind, parameter: Kind | None) -> bool:
    return parameter is None or kind is Kind.NULL or _plain(kind) is parameter or parameter in IMPLICIT.get(kind, ())


def choose(candidates: Sequence[Function], kinds: Sequence[Kind]) -> list[Function]:
    """The candidates that resolution leaves: one if it succeeds, none if nothing fits, several if it stays ambiguous."""
    left = [f for f in candidates if f.accepts(len(kinds)) and all(_fits(k, f.parameter(i)) for i, k in enumerate(kinds))]
    if len(left) > 1:
        left = _best(left, lambda f: sum(f.parameter(i) is _plain(k) for i, k in enumerate(kinds)))
    if len(left) > 1:
        left = _best(
            left,
            lambda f: sum(k is not Kind.NULL and (f.parameter(i) is _plain(k) or f.parameter(i) in PREFERRED) for i, k in enumerate(kinds)),
        )
    if len(left) > 1 and Kind.NULL in kinds:
        left = _by_unknowns(left, kinds)
    if len(left) > 1:
        left = _best(left, lambda f: -sum(p is None for p in f.parameters))
    return left


def _best(candidates: list[Function], score: Callable[[Function], int]) -> list[Function]:
    best = max(map(score, candidates))
    return [f for f in candidates if score(f) == best]


def _by_unknowns(candidates: list[Function], kinds: Sequence[Kind]) -> list[Function]:
    """Unknown literals: text where a candidate takes text, else the category they share and its preferred type; then the types of the
    others.
    """
    left = candidates
    for index, kind in enumerate(kinds):
        if kind is not Kind.NULL:
            continue
        options = {f.parameter(index) for f in left}
        categories = {CATEGORY[p] for p in options if p is not None}
        if "text" in categories:
            left = [f for f in left if f.parameter(index) is Kind.TEXT]
        elif len(categories) == 1 and options & PREFERRED:
            left = [f for f in left if f.parameter(index) in PREFERRED]
    known = {_plain(kind) for kind in kinds if kind is not Kind.NULL}
    if len(left) > 1 and len(known) == 1:
        (kind,) = known
        same = [f for f in left if all(f.parameter(i) is kind or f.parameter(i) is None for i in range(len(kinds)))]
        left = same or left
    return left


def describe(arguments: Sequence[Expr]) -> str:
    return ", ".join(argument.datatype.kind.value for argument in arguments)


def resolve(name: str, arguments: Sequence[Expr], position: int, others: Iterable[str] = ()) -> Function:
    """The overload of `name` for the arguments; `others` are more names for the hint. Raises UndefinedFunction or AmbiguousFunction."""
    candidates = overloads(name)
    found = choose(candidates, [argument.datatype.kind for argument in arguments])
    if len(found) == 1:
        return found[0]
    call_text = f"{name}({describe(arguments)})"
    if found:
        raise AmbiguousFunction(
            f"function {call_text} is not unique",
            position=position,
            hint="Could not choose a best candidate function; add explicit type casts.",
        )
    if candidates:
        hint = "No function of that name takes these argument types; explicit type casts may help."
    else:
        import difflib  # only where a message needs it: start-up is measured

        near = difflib.get_close_matches(name, {*names(), *others}, n=3, cutoff=0.6)
        hint = f"Perhaps you meant {' or '.join(near)}." if near else "No function of that name exists."
    raise UndefinedFunction(f"function {call_text} does not exist", position=position, hint=hint)
