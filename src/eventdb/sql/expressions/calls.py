"""Binding of calls: special forms, scalar functions, aggregates, window functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from eventdb.errors import (
    GroupingError,
    InvalidParameterValue,
    NotSupportedError,
    SQLSyntaxError,
    UndefinedFunction,
    UndefinedObject,
    UndefinedTable,
    WindowingError,
    WrongObjectType,
)
from eventdb.model.datatype import BIGINT, BOOLEAN, DOUBLE, INTEGER, JSON, TEXT, DataType, Kind
from eventdb.model.schema import TEMPORARY_SCHEMA
from eventdb.model.schema import Sequence as SequenceObject
from eventdb.sql.expressions import aggregate_functions, functions, functions_json, functions_text, json_values, operators, registry
from eventdb.sql.expressions.bound import (
    Aggregate,
    Call,
    Coalesce,
    Column,
    Constant,
    Expr,
    FrameBound,
    OrderKey,
    WindowCall,
)
from eventdb.sql.expressions.casts import UntypedParameter, coerce, fold, settle
from eventdb.sql.expressions.typenames import is_type_name, resolve_type, unify
from eventdb.sql.parser import ast

if TYPE_CHECKING:
    from eventdb.sql.expressions.binder import Binder
    from eventdb.sql.expressions.user import UserFunction

functions.load()
_KNOWN_SCHEMAS = ("pg_catalog", "public", "eventdb")


def bind_call(binder: Binder, node: ast.Function) -> Expr:
    """Any function call."""
    if len(node.name) > 1 and node.name[0] not in _KNOWN_SCHEMAS:
        raise UndefinedFunction(f"function {'.'.join(node.name)} does not exist", position=node.position)
    name = node.name[-1]
    if node.over is not None:
        return _window_call(binder, name, node)
    own = _own(binder, node)
    if own is not None and own.make is not None:
        return _aggregate(binder, name, node)
    if own is None and aggregate_functions.is_aggregate(name):
        return _aggregate(binder, name, node)
    if own is None and name in _WINDOW_FUNCTIONS:
        raise WindowingError(f"window function {name} requires an OVER clause", position=node.position)
    for given, word in (
        (node.star, "*"),
        (node.distinct, "DISTINCT"),
        (node.order_by, "ORDER BY"),
        (node.within_group, "WITHIN GROUP"),
        (node.filter, "FILTER"),
    ):
        if given:
            raise WrongObjectType(f"{word} specified, but {name} is not an aggregate function", position=node.position)
    if own is not None:
        from eventdb.sql.expressions import user

        return user.scalar_call(own, binder.bind_all(node.arguments), node.position)
    special = _SPECIAL.get(name)
    if special is not None:
        return special(binder, node)
    return _scalar(name, binder.bind_all(node.arguments), node)


def _own(binder: Binder, node: ast.Function) -> UserFunction | None:
    """The function of the application that the call means; the module that calls it comes with the first."""
    functions = binder.scope.environment.functions
    if not functions or len(node.name) != 1:
        return None
    return functions.get((node.name[0], len(node.arguments))) or functions.get((node.name[0], -1))


def _scalar(name: str, arguments: list[Expr], node: ast.Function) -> Expr:
    if not registry.overloads(name) and len(arguments) == 1 and is_type_name(name):
        return coerce(arguments[0], resolve_type(ast.TypeName(name, position=node.position)), "explicit")
    others = {*aggregate_functions.names(), *_WINDOW_FUNCTIONS, *_SPECIAL}
    arguments = _settled_parameters(name, arguments)
    function = registry.resolve(name, arguments, node.position, others)
    cast = []
    for index, argument in enumerate(arguments):
        kind = function.parameter(index)
        if kind is None:
            cast.append(settle(argument))
        elif kind is Kind.TEXT and argument.datatype.is_text:
            cast.append(argument)
        else:
            cast.append(coerce(argument, DataType(kind)))
    return fold(registry.call(function, cast, node.position))


def _settled_parameters(name: str, arguments: list[Expr]) -> list[Expr]:
    """Untyped parameters where overloads differ in their type: only their value can tell which is meant."""
    result = list(arguments)
    candidates = [f for f in registry.overloads(name) if f.accepts(len(arguments))]
    for index, argument in enumerate(arguments):
        if isinstance(argument, UntypedParameter):
            known = [a.datatype.kind for a in result]
            fitting = registry.choose(candidates, known)
            if len({f.parameter(index) for f in candidates if _agrees(f, known)}) > 1 or len(fitting) > 1:
                result[index] = settle(argument)
    return result


def _agrees(function: registry.Function, kinds: Sequence[Kind]) -> bool:
    return len(registry.choose([function], kinds)) == 1


# ---- special forms


def _coalesce(binder: Binder, node: ast.Function) -> Expr:
    arguments, datatype = unify(_some(binder, node), "COALESCE")
    if len(arguments) == 1:
        return arguments[0]
    return Coalesce(datatype, arguments, nullable=all(a.nullable for a in arguments), position=node.position)


def _some(binder: Binder, node: ast.Function) -> list[Expr]:
    if not node.arguments:
        raise SQLSyntaxError(f"{node.name[-1]} needs at least one argument", position=node.position)
    return binder.bind_all(node.arguments)


def _nullif(binder: Binder, node: ast.Function) -> Expr:
    if len(node.arguments) != 2:
        raise SQLSyntaxError("nullif needs two arguments", position=node.position)
    left, right = binder.bind_all(node.arguments)
    first, second = operators.comparable(left, right, "=", node.position)
    left = first if left.datatype.kind is Kind.NULL else left

    def render(value: str, a: str, b: str) -> str:
        return f"(None if (\0 := {value}) is not None and {b} == {a if a != value else chr(0)} else \0)"

    return Call(DataType(left.datatype.kind), "nullif", (left, first, second), render, strict=False, position=node.position)


def _extreme(binder: Binder, node: ast.Function) -> Expr:
    name = node.name[-1]
    arguments, datatype = unify(_some(binder, node), name.upper())
    if datatype.kind is Kind.JSON:
        raise UndefinedFunction(f"could not identify a comparison function for type {datatype.kind.value}", position=node.position)
    function: Callable[..., Any] = functions.greatest if name == "greatest" else functions.least
    return fold(
        Call(
            datatype, name, arguments, registry.calling(name), ((name, function),), strict=False,
            nullable=all(a.nullable for a in arguments),
            position=node.position,
        )
    )  # fmt: skip


def _written(binder: Binder, node: ast.Function) -> Expr:
    """concat, concat_ws, format: arguments of any type, each turned to text by a writer for its type."""
    name = node.name[-1]
    function, first_is_text = functions_text.WRITING[name]
    arguments = [settle(argument) for argument in _some(binder, node)]
    if first_is_text:
        arguments[0] = coerce(arguments[0], TEXT)
    writers = [functions_text.writer_of(index, arguments) for index in range(len(arguments))]
    label = f"{name}_{id(writers):x}"

    def write(*items: Any) -> Any:
        return function(writers, *items)

    nullable = first_is_text and arguments[0].nullable
    call = Call(
        TEXT, name, tuple(arguments), registry.calling(label), ((label, write),), strict=False, nullable=nullable, position=node.position
    )
    return call if any(a.datatype.kind is Kind.TIMESTAMPTZ for a in arguments) else fold(call)


def _json_built(binder: Binder, node: ast.Function) -> Expr:
    """json_build_object, json_build_array, to_json: JSON from values of any type."""
    name = node.name[-1]
    arguments = tuple(settle(argument) for argument in binder.bind_all(node.arguments))
    types = [argument.datatype for argument in arguments]
    if name == "to_json":
        if len(arguments) != 1:
            raise UndefinedFunction(f"function to_json({registry.describe(arguments)}) does not exist", position=node.position)
        function: Callable[..., Any] = json_values.writer(types[0])
    else:
        try:
            function = (functions_json.object_builder if name == "json_build_object" else functions_json.array_builder)(types)
        except InvalidParameterValue as error:
            raise error.at(node.position) from None
    label = f"{name}_{id(function):x}"
    strict = name == "to_json"
    nullable = strict and arguments[0].nullable
    return fold(
        Call(JSON, name, arguments, registry.calling(label), ((label, function),), strict=strict, nullable=nullable, position=node.position)
    )


def _pg_typeof(binder: Binder, node: ast.Function) -> Expr:
    (argument,) = binder.bind_all(node.arguments)
    kind = argument.datatype.kind
    return Constant(TEXT, kind.value, nullable=False, position=node.position)


def _grouping(binder: Binder, node: ast.Function) -> Expr:
    """GROUPING(…): the planner replaces the call; left in place it is 0, as without grouping sets."""
    binder.check_aggregate_allowed("grouping", node.position)
    arguments = tuple(binder.bind_all(node.arguments))
    return Call(INTEGER, "grouping", arguments, lambda *sources: "0", strict=False, nullable=False, position=node.position)


def _sequence_function(binder: Binder, node: ast.Function) -> Expr:
    """nextval, currval, setval: a constant name is looked up now, so that a rename or drop is noticed."""
    name = node.name[-1]
    arguments = binder.bind_all(node.arguments)
    wanted = (1,) if name in ("nextval", "currval") else (2, 3)
    if len(arguments) not in wanted:
        raise UndefinedFunction(f"function {name}({registry.describe(arguments)}) does not exist", position=node.position)
    target = coerce(arguments[0], TEXT)
    if not isinstance(target, Constant) or target.value is None:
        raise NotSupportedError(f"{name} needs the sequence's name as a constant", position=node.position)
    sequence = _find_sequence(binder, target.value, node.position)
    rest = [coerce(argument, datatype) for argument, datatype in zip(arguments[1:], (BIGINT, BOOLEAN), strict=False)]

    def render(*sources: str) -> str:
        extra = [*sources, "True"] if name == "setval" and len(sources) == 1 else list(sources)
        return f"cx.{name}({', '.join([str(sequence.id), *extra])})"

    return Call(
        BIGINT,
        name,
        tuple(rest),
        render,
        (),
        volatile=True,
        uses_execution=True,
        nullable=any(a.nullable for a in rest),
        position=node.position,
    )


def _find_sequence(binder: Binder, text: str, position: int) -> SequenceObject:
    environment = binder.scope.environment
    parts = functions.name_parts(text)
    schemas = (parts[0],) if len(parts) > 1 else (TEMPORARY_SCHEMA, *environment.search_path)
    for schema in schemas:
        found = environment.catalog.find(schema, parts[-1])
        if isinstance(found, SequenceObject):
            return found
        if found is not None:
            raise WrongObjectType(f'"{parts[-1]}" is not a sequence', position=position)
    raise UndefinedTable(f'relation "{text}" does not exist', position=position)


_SPECIAL: dict[str, Callable[[Binder, ast.Function], Expr]] = {
    "coalesce": _coalesce, "nullif": _nullif, "greatest": _extreme, "least": _extreme, "pg_typeof": _pg_typeof, "grouping": _grouping,
    "concat": _written, "concat_ws": _written, "format": _written, "json_build_object": _json_built, "json_build_array": _json_built,
    "to_json": _json_built,
    "nextval": _sequence_function, "currval": _sequence_function, "setval": _sequence_function,
}  # fmt: skip


# ---- aggregates


def _aggregate(binder: Binder, name: str, node: ast.Function) -> Aggregate:
    binder.check_aggregate_allowed(name, node.position)
    return _bound_aggregate(binder, name, node)


def _bound_aggregate(binder: Binder, name: str, node: ast.Function, window: bool = False) -> Aggregate:
    with binder.within(name, window):
        arguments = binder.bind_all(node.arguments)
        condition = None if node.filter is None else binder.boolean(node.filter, "FILTER")
        order = order_keys(binder, node.within_group or node.order_by)
    if node.within_group:
        if node.distinct or node.order_by:
            raise SQLSyntaxError("cannot use DISTINCT or ORDER BY with WITHIN GROUP", position=node.position)
        if len(node.within_group) != 1:
            raise NotSupportedError(f"{name} over several sort expressions is not supported", position=node.position)
        arguments.append(order[0].expression)
    own = _own(binder, node)
    if own is not None and own.make is not None and not (node.star or node.within_group):
        from eventdb.sql.expressions import user

        function, arguments = user.aggregate_function(own, arguments)
    else:
        function, arguments = aggregate_functions.resolve(name, arguments, node.star, bool(node.within_group), node.position)
    if function.ordered_set and order:
        order = (OrderKey(arguments[-1], order[0].descending, order[0].nulls_first),)
    if node.distinct:
        for argument in arguments:
            if argument.datatype.kind is Kind.JSON:
                raise UndefinedFunction("could not identify an equality operator for type json", position=node.position)
        if order and not all(key.expression in arguments for key in order):
            raise SQLSyntaxError("in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list", position=node.position)
    return Aggregate(
        function.datatype, function, tuple(arguments), node.distinct, condition, order, nullable=function.nullable, position=node.position
    )


def order_keys(binder: Binder, items: Sequence[ast.OrderItem]) -> tuple[OrderKey, ...]:
    """ORDER BY inside an aggregate or window; NULLs last when ascending, first when descending, unless said otherwise."""
    keys = []
    for item in items:
        expression = settle(binder.bind(item.expression))
        if expression.datatype.kind is Kind.JSON:
            raise UndefinedFunction("could not identify an ordering operator for type json", position=item.position)
        keys.append(OrderKey(expression, item.descending, item.descending if item.nulls_first is None else item.nulls_first))
    return tuple(keys)


# ---- window functions

_WINDOW_FUNCTIONS: dict[str, tuple[int, int]] = {
    "row_number": (0, 0), "rank": (0, 0), "dense_rank": (0, 0), "percent_rank": (0, 0), "cume_dist": (0, 0), "ntile": (1, 1), "lag": (1, 3),
    "lead": (1, 3), "first_value": (1, 1), "last_value": (1, 1), "nth_value": (2, 2),
}  # fmt: skip
_WINDOW_TYPES = {
    "row_number": BIGINT, "rank": BIGINT, "dense_rank": BIGINT, "percent_rank": DOUBLE, "cume_dist": DOUBLE, "ntile": INTEGER,
}  # fmt: skip


def _window_call(binder: Binder, name: str, node: ast.Function) -> WindowCall:
    binder.check_window_allowed(name, node.position)
    if node.nulls == "ignore":
        raise NotSupportedError("IGNORE NULLS is not supported", position=node.position)
    window = _window(binder, node)
    aggregate = None
    arguments: list[Expr] = []
    condition = None
    if name in _WINDOW_FUNCTIONS:
        if node.distinct or node.order_by or node.within_group or node.star or node.filter is not None:
            raise WrongObjectType(f"{name} is not an aggregate function", position=node.position)
        with binder.within(name, window=True):
            arguments = _window_arguments(name, binder.bind_all(node.arguments), node.position)
        datatype = _WINDOW_TYPES.get(name) or arguments[0].datatype
        nullable = name not in _WINDOW_TYPES or name == "ntile"
    elif aggregate_functions.is_aggregate(name) or ((own := _own(binder, node)) is not None and own.make is not None):
        if node.distinct:
            raise NotSupportedError("DISTINCT is not implemented for window functions", position=node.position)
        if node.order_by or node.within_group:
            raise NotSupportedError("aggregate ORDER BY is not implemented for window functions", position=node.position)
        aggregate = _bound_aggregate(binder, name, node, window=True)
        datatype, nullable, condition = aggregate.datatype, aggregate.nullable, aggregate.filter
        arguments = list(aggregate.arguments)
    else:
        known = [*_WINDOW_FUNCTIONS, *aggregate_functions.names()]
        if registry.overloads(name):
            raise WrongObjectType(f"OVER specified, but {name} is not a window function nor an aggregate function", position=node.position)
        import difflib  # only where a message needs it

        near = difflib.get_close_matches(name, known, n=3)
        raise UndefinedFunction(
            f"function {name} does not exist", position=node.position, hint=f"Perhaps you meant {' or '.join(near)}." if near else None
        )
    with binder.within(name, window=True):
        partition = tuple(settle(e) for e in binder.bind_all(window.partition_by))
        order = order_keys(binder, window.order_by)
        mode, start, end, exclude = _frame(binder, window, order)
    return WindowCall(
        datatype,
        name,
        aggregate,
        tuple(arguments),
        partition,
        order,
        mode,
        start,
        end,
        exclude,
        condition,
        nullable=nullable,
        position=node.position,
    )


def _window(binder: Binder, node: ast.Function) -> ast.Window:
    over = node.over
    if isinstance(over, str):
        return _refined(binder, _named_window(binder, over, node.position))
    assert over is not None
    return _refined(binder, over)


def _named_window(binder: Binder, name: str, position: int) -> ast.Window:
    found = binder.scope.window(name)
    if found is None:
        raise UndefinedObject(f'window "{name}" does not exist', position=position)
    return found


def _refined(binder: Binder, window: ast.Window) -> ast.Window:
    """A window definition with what its base says filled in."""
    if window.base is None:
        return window
    base = _refined(binder, _named_window(binder, window.base, window.position))
    if window.partition_by:
        raise WindowingError(f'cannot override PARTITION BY clause of window "{window.base}"', position=window.position)
    if window.order_by and base.order_by:
        raise WindowingError(f'cannot override ORDER BY clause of window "{window.base}"', position=window.position)
    if base.frame is not None:
        raise WindowingError(f'cannot copy window "{window.base}" because it has a frame clause', position=window.position)
    return ast.Window(None, base.partition_by, window.order_by or base.order_by, window.frame, position=window.position)


def _window_arguments(name: str, arguments: list[Expr], position: int) -> list[Expr]:
    low, high = _WINDOW_FUNCTIONS[name]
    if not low <= len(arguments) <= high:
        raise UndefinedFunction(f"function {name}({registry.describe(arguments)}) does not exist", position=position)
    if name == "ntile":
        return [coerce(arguments[0], INTEGER)]
    if name in ("lag", "lead"):
        values = [arguments[0], *arguments[2:]]
        unified, _ = unify(values, name.upper())
        offset = coerce(arguments[1], INTEGER) if len(arguments) > 1 else Constant(INTEGER, 1, nullable=False)
        default = unified[1] if len(unified) > 1 else Constant(unified[0].datatype, None)
        return [unified[0], offset, default]
    if not arguments:
        return []
    first = settle(arguments[0])
    return [first] if len(arguments) == 1 else [first, coerce(arguments[1], INTEGER)]


def _frame(binder: Binder, window: ast.Window, order: tuple[OrderKey, ...]) -> tuple[Any, FrameBound, FrameBound, Any]:
    frame = window.frame
    if frame is None:
        return "range", FrameBound("unbounded preceding"), FrameBound("current row"), "no others"
    if frame.mode == "groups" and not order:
        raise WindowingError("GROUPS mode requires an ORDER BY clause", position=frame.position)
    ranks = ("unbounded preceding", "preceding", "current row", "following", "unbounded following")
    if (
        frame.start.kind == "unbounded following"
        or frame.end.kind == "unbounded preceding"
        or ranks.index(frame.start.kind) > ranks.index(frame.end.kind)
    ):
        raise WindowingError(
            f"frame cannot start at {frame.start.kind.upper()} and end at {frame.end.kind.upper()}", position=frame.position
        )
    start, end = (_frame_bound(binder, frame, bound, order) for bound in (frame.start, frame.end))
    return frame.mode, start, end, frame.exclude


def _frame_bound(binder: Binder, frame: ast.Frame, bound: ast.Bound, order: tuple[OrderKey, ...]) -> FrameBound:
    if bound.offset is None:
        return FrameBound(bound.kind)
    offset = binder.bind(bound.offset)
    if _has_column(offset):
        raise GroupingError(f"argument of {frame.mode.upper()} must not contain variables", position=bound.position)
    if frame.mode != "range":
        return FrameBound(bound.kind, coerce(offset, BIGINT))
    if len(order) != 1:
        raise WindowingError("RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column", position=frame.position)
    key = order[0].expression.datatype
    if key.is_numeric:
        wanted = DataType(key.kind)
    elif key.kind in (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.TIME, Kind.TIMETZ, Kind.INTERVAL):
        wanted = DataType(Kind.INTERVAL)
    else:
        raise NotSupportedError(
            f"RANGE with offset PRECEDING/FOLLOWING is not supported for column type {key.kind.value}", position=frame.position
        )
    return FrameBound(bound.kind, coerce(offset, wanted))


def _has_column(expr: Expr) -> bool:
    if isinstance(expr, Column):
        return True
    return isinstance(expr, Call) and any(_has_column(a) for a in expr.arguments)
