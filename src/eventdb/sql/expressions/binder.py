"""From syntax to bound expressions: names resolved, types known, overloads chosen, casts written out.

`bind_expression` is the door; what the names mean is the `Scope`'s business, which the planner provides. A literal or parameter whose
type is not known yet stays of type `unknown` until its context tells; `settle` ends that (text for literals), and is what a select list
applies to its items.

Errors carry the position of the node at fault and the statement's text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from eventdb.errors import (
    DatatypeMismatch,
    Error,
    GroupingError,
    InternalError,
    NotSupportedError,
    SQLSyntaxError,
    StatementTooComplex,
    UndefinedObject,
    WindowingError,
)
from eventdb.model.datatype import BOOLEAN, BYTEA, NULL, NUMERIC, TEXT, DataType, Kind
from eventdb.model.record import replace
from eventdb.sql.environment import Environment
from eventdb.sql.expressions import operators
from eventdb.sql.expressions.arithmetic import plain
from eventdb.sql.expressions.bound import (
    Case,
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
)
from eventdb.sql.expressions.casts import Context, UntypedParameter, coerce, settle
from eventdb.sql.expressions.typenames import resolve_type, unify
from eventdb.sql.parser import ast

__all__ = ["Binder", "Scope", "bind_condition", "bind_expression", "coerce", "resolve_type", "settle", "unify"]


class Scope(Protocol):
    """What names mean where an expression stands."""

    environment: Environment
    clause: str
    """Where the expression stands, for messages: "WHERE", "SELECT", "CHECK constraint"."""
    allow_aggregates: bool
    allow_windows: bool

    def resolve(self, parts: tuple[str, ...], position: int) -> Expr:
        """The column (or computed hidden column) of that name. Raises UndefinedColumn, UndefinedTable, AmbiguousColumn."""
        ...

    def bind_subquery(self, query: ast.Query) -> tuple[Any, tuple[DataType, ...], tuple[bool, ...]]:
        """Bind a subquery of an expression: (the query, its columns' types, whether each may be NULL). NotSupportedError where none may
        stand.

        A scope may also have `coerce_subquery(query, types)`, which gives the bound query with its columns cast; without it a subquery
        whose columns would need a cast is refused.
        """
        ...

    def window(self, name: str) -> ast.Window | None:
        """The window of that name in the WINDOW clause."""
        ...


def bind_expression(node: ast.Expression, scope: Scope, want: DataType | None = None, context: Context = "implicit") -> Expr:
    """Bind an expression; with `want` it is cast to that type in that context, without it may still be of unknown type (see `settle`)."""
    binder = Binder(scope)
    try:
        expr = binder.bind(node)
        return expr if want is None else coerce(expr, want, context)
    except RecursionError:
        raise StatementTooComplex("the expression nests too deeply", position=node.position, statement=scope.environment.text) from None
    except Error as error:
        if error.position is not None:
            error.at(None, scope.environment.text)
        raise


def bind_condition(node: ast.Expression, scope: Scope) -> Expr:
    """Bind a boolean for the scope's clause (WHERE, HAVING, ON, CHECK)."""
    binder = Binder(scope)
    try:
        return binder.boolean(node, scope.clause)
    except RecursionError:
        raise StatementTooComplex("the expression nests too deeply", position=node.position, statement=scope.environment.text) from None
    except Error as error:
        if error.position is not None:
            error.at(None, scope.environment.text)
        raise


class Binder:
    """Binds the nodes of one expression; `inside` says within which call aggregates are barred."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.inside: str | None = None
        self.inside_window = False

    @contextmanager
    def within(self, call: str | None, window: bool = False) -> Any:
        """While the arguments of an aggregate or window call are bound; a window's may hold aggregates of its query."""
        before, self.inside, self.inside_window = (self.inside, self.inside_window), call, window
        try:
            yield
        finally:
            self.inside, self.inside_window = before

    def bind(self, node: ast.Expression) -> Expr:
        return _BIND[type(node)](self, node)

    def bind_all(self, nodes: Sequence[ast.Expression]) -> list[Expr]:
        return [self.bind(node) for node in nodes]

    def boolean(self, node: ast.Expression, clause: str) -> Expr:
        """Bind an operand that must be boolean."""
        expr = self.bind(node)
        if expr.datatype.kind not in (Kind.BOOLEAN, Kind.NULL):
            raise DatatypeMismatch(
                f"argument of {clause} must be type boolean, not type {expr.datatype.kind.value}", position=node.position
            )
        return coerce(expr, BOOLEAN)

    # ---- leaves

    def literal(self, node: ast.Literal) -> Expr:
        value = node.value
        if value is None or isinstance(value, str):
            return Constant(NULL, value, nullable=value is None, position=node.position)
        if isinstance(value, bool):
            return Constant(BOOLEAN, value, nullable=False, position=node.position)
        if isinstance(value, bytes):
            return Constant(BYTEA, value, nullable=False, position=node.position)
        if isinstance(value, int):
            datatype = operators.integer_type(value)
            item: Any = plain(_decimal(value)) if datatype == NUMERIC else value
            return Constant(datatype, item, nullable=False, position=node.position)
        return Constant(NUMERIC, plain(value), nullable=False, position=node.position)

    def name(self, node: ast.Name) -> Expr:
        expr = self.scope.resolve(node.parts, node.position)
        return expr if expr.position == node.position else replace(expr, position=node.position)

    def parameter(self, node: ast.Parameter) -> Expr:
        environment = self.scope.environment
        index = environment.parameter_index.get(node.key)
        if index is None and isinstance(node.key, int):
            index = node.key
        if index is None or not 0 <= index < len(environment.parameter_types):
            raise InternalError(f"parameter {node.key} has no place", position=node.position)
        known = environment.parameter_types[index]
        if known is not None and known.kind is not Kind.NULL:
            return Parameter(known, index, position=node.position)
        if known is not None:
            # A value of NULL tells no type: take it as a bare NULL would be taken, keeping the parameter.
            environment.parameter_types[index] = None
            environment.nulls.add(index)
        return UntypedParameter(NULL, index, environment, position=node.position)

    def star(self, node: ast.Star) -> Expr:
        raise SQLSyntaxError("* may only stand in a select list or in count(*)", position=node.position)

    def default(self, node: ast.Default) -> Expr:
        raise SQLSyntaxError("DEFAULT is not allowed in this context", position=node.position)

    # ---- operators

    def unary(self, node: ast.Unary) -> Expr:
        if node.operator == "not":
            return negated(self.boolean(node.operand, "NOT"), node.position)
        return operators.unary(node.operator, self.bind(node.operand), node.position)

    def binary(self, node: ast.Binary) -> Expr:
        if node.operator in ("and", "or"):
            return self._logical(node)
        # Left-deep chains (a + b + c …) are walked, not recursed into.
        spine = [node]
        first = node.left
        while isinstance(first, ast.Binary) and first.operator not in ("and", "or"):
            spine.append(first)
            first = first.left
        left: Expr | None = None
        for link in reversed(spine):
            if isinstance(link.left, ast.RowValue) or isinstance(link.right, ast.RowValue):
                left = self._row_comparison(link)
            else:
                left = operators.binary(link.operator, self.bind(link.left) if left is None else left, self.bind(link.right), link.position)
        assert left is not None
        return left

    def _logical(self, node: ast.Binary) -> Expr:
        word = node.operator
        pending: list[ast.Expression] = [node]
        operands: list[Expr] = []
        while pending:
            item = pending.pop()
            if isinstance(item, ast.Binary) and item.operator == word:
                pending += [item.right, item.left]
            else:
                operands.append(self.boolean(item, word.upper()))
        return joined(word, operands, node.position)

    def _row_comparison(self, node: ast.Binary) -> Expr:
        if node.operator not in operators.COMPARISONS:
            raise NotSupportedError(f"operator {node.operator} on rows is not supported", position=node.position)
        left, right = node.left, node.right
        if isinstance(right, ast.Subquery) and isinstance(left, ast.RowValue):
            return self._row_subquery(left, node.operator, right, node.position)
        if isinstance(left, ast.Subquery) and isinstance(right, ast.RowValue):
            flipped = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(node.operator, node.operator)
            return self._row_subquery(right, flipped, left, node.position)
        return self._rows(node.operator, self._row_items(left), self._row_items(right), node.position)

    def _row_items(self, node: ast.Expression) -> list[Expr]:
        if not isinstance(node, ast.RowValue):
            raise DatatypeMismatch("a row can only be compared with a row", position=node.position)
        return self.bind_all(node.items)

    def _rows(self, operator: Any, left: list[Expr], right: list[Expr], position: int) -> Expr:
        if len(left) != len(right):
            raise SQLSyntaxError("unequal number of entries in row expressions", position=position)
        pairs = [operators.comparable(a, b, operator, position) for a, b in zip(left, right, strict=True)]
        if len(pairs) == 1:
            return operators.compare(operator, *pairs[0], position)
        firsts, seconds = zip(*pairs, strict=True)
        nullable = any(e.nullable for pair in pairs for e in pair)
        return RowComparison(BOOLEAN, operator, firsts, seconds, nullable=nullable, position=position)

    def like(self, node: ast.Like) -> Expr:
        escape = None if node.escape is None else self.bind(node.escape)
        expr = operators.like(node.kind, self.bind(node.operand), self.bind(node.pattern), escape, node.position)
        return negated(expr, node.position) if node.negated else expr

    def is_null(self, node: ast.IsNull) -> Expr:
        if isinstance(node.operand, ast.RowValue):
            # Of a row: every item is NULL, or every item is not.
            return joined(
                "and", [IsNull(BOOLEAN, settle(e), node.negated, nullable=False) for e in self.bind_all(node.operand.items)], node.position
            )
        operand = settle(self.bind(node.operand))
        if isinstance(operand, Constant):
            return Constant(BOOLEAN, (operand.value is None) != node.negated, nullable=False, position=node.position)
        return IsNull(BOOLEAN, operand, node.negated, nullable=False, position=node.position)

    def is_truth(self, node: ast.IsTruth) -> Expr:
        word = "UNKNOWN" if node.value is None else str(node.value).upper()
        return IsTruth(BOOLEAN, self.boolean(node.operand, f"IS {word}"), node.value, node.negated, nullable=False, position=node.position)

    def is_distinct(self, node: ast.IsDistinct) -> Expr:
        operator = "is not distinct from" if node.negated else "is distinct from"
        if isinstance(node.left, ast.RowValue) or isinstance(node.right, ast.RowValue):
            left, right = self._row_items(node.left), self._row_items(node.right)
            if len(left) != len(right):
                raise SQLSyntaxError("unequal number of entries in row expressions", position=node.position)
            parts = [operators.compare(operator, a, b, node.position) for a, b in zip(left, right, strict=True)]
            return joined("and" if node.negated else "or", parts, node.position)
        return operators.compare(operator, self.bind(node.left), self.bind(node.right), node.position)

    def between(self, node: ast.Between) -> Expr:
        operand, low, high = self.bind(node.operand), self.bind(node.low), self.bind(node.high)

        def inside(first: Expr, last: Expr) -> Expr:
            parts = [operators.compare(">=", operand, first, node.position), operators.compare("<=", operand, last, node.position)]
            return joined("and", parts, node.position)

        result = joined("or", [inside(low, high), inside(high, low)], node.position) if node.symmetric else inside(low, high)
        return negated(result, node.position) if node.negated else result

    # ---- IN, CASE, CAST

    def in_list(self, node: ast.InList) -> Expr:
        if isinstance(node.operand, ast.RowValue):
            rows = [self._rows("=", self._row_items(node.operand), self._row_items(item), node.position) for item in node.items]
            result = joined("or", rows, node.position)
            return negated(result, node.position) if node.negated else result
        operand, items = self.bind(node.operand), self.bind_all(node.items)
        operand, items = _in_types(operand, items, node.position)
        nullable = operand.nullable or any(item.nullable for item in items)
        result = InList(BOOLEAN, operand, tuple(items), nullable=nullable, position=node.position)
        return negated(result, node.position) if node.negated else result

    def case(self, node: ast.Case) -> Expr:
        operand = None if node.operand is None else self.bind(node.operand)
        if operand is None:
            tests: list[Expr] = [self.boolean(test, "CASE/WHEN") for test, _ in node.whens]
        else:
            tests = _simple_case(operand, self.bind_all([test for test, _ in node.whens]), node)
        results = self.bind_all([result for _, result in node.whens])
        if node.otherwise is not None:
            results.append(self.bind(node.otherwise))
        unified, datatype = unify(results, "CASE")
        otherwise = unified[-1] if node.otherwise is not None else None
        nullable = otherwise is None or any(result.nullable for result in unified)
        whens = tuple(zip(tests, unified[: len(tests)], strict=True))
        return Case(datatype, whens, otherwise, nullable=nullable, position=node.position)

    def cast(self, node: ast.Cast) -> Expr:
        expr = coerce(self.bind(node.operand), resolve_type(node.type), "explicit")
        return replace(expr, position=node.position)

    def row_value(self, node: ast.RowValue) -> Expr:
        raise NotSupportedError("a row value may only stand in a comparison, IN or an assignment", position=node.position)

    def collate(self, node: ast.Collate) -> Expr:
        if node.collation[-1].lower() not in ("c", "posix", "default", "ucs_basic", "binary"):
            raise UndefinedObject(
                f'collation "{node.collation[-1]}" does not exist', position=node.position, hint='Texts sort by code point: "C".'
            )
        expr = self.bind(node.operand)
        if expr.datatype.kind is Kind.NULL:
            expr = coerce(expr, TEXT)
        if not expr.datatype.is_text:
            raise DatatypeMismatch(f"collations are not supported by type {expr.datatype.kind.value}", position=node.position)
        return expr

    def function(self, node: ast.Function) -> Expr:
        from eventdb.sql.expressions import calls  # with the library of functions

        return calls.bind_call(self, node)

    # ---- subqueries

    def exists(self, node: ast.Exists) -> Expr:
        query, _, _ = self.scope.bind_subquery(node.query)
        return SubqueryExpression(BOOLEAN, "exists", query, nullable=False, position=node.position)

    def subquery(self, node: ast.Subquery) -> Expr:
        query, types, _ = self.scope.bind_subquery(node.query)
        if len(types) != 1:
            raise SQLSyntaxError("subquery must return only one column", position=node.position)
        return SubqueryExpression(types[0], "scalar", query, position=node.position)

    def in_query(self, node: ast.InQuery) -> Expr:
        items = node.operand.items if isinstance(node.operand, ast.RowValue) else (node.operand,)
        result = self._quantified(self.bind_all(items), "=", "in", node.query, node.position)
        return negated(result, node.position) if node.negated else result

    def quantified(self, node: ast.Quantified) -> Expr:
        if node.operator not in operators.COMPARISONS:
            raise NotSupportedError(f"{node.operator} {node.quantifier.upper()} is not supported", position=node.position)
        items = node.operand.items if isinstance(node.operand, ast.RowValue) else (node.operand,)
        return self._quantified(self.bind_all(items), node.operator, node.quantifier, node.query, node.position)

    def _row_subquery(self, row: ast.RowValue, operator: str, query: ast.Subquery, position: int) -> Expr:
        return self._quantified(self.bind_all(row.items), operator, "row", query.query, position)

    def _quantified(self, operands: list[Expr], operator: str, kind: Any, query: ast.Query, position: int) -> Expr:
        bound, found, nullables = self.scope.bind_subquery(query)
        if len(found) != len(operands):
            few = "few" if len(found) < len(operands) else "many"
            raise SQLSyntaxError(f"subquery has too {few} columns", position=position)
        columns = [Constant(datatype, None) for datatype in found]
        pairs = [operators.comparable(a, b, operator, position) for a, b in zip(operands, columns, strict=True)]
        types = tuple(column.datatype for _, column in pairs)
        if types != found:
            cast = getattr(self.scope, "coerce_subquery", None)
            if cast is None:
                wanted, given = (", ".join(map(str, side)) for side in (types, found))
                raise NotSupportedError(
                    f"comparing {wanted} with a subquery of {given} is not supported", position=position, hint="Cast inside it."
                )
            bound = cast(bound, types)
        left = tuple(operand for operand, _ in pairs)
        nullable = kind == "row" or any(e.nullable for e in left) or any(nullables)
        return SubqueryExpression(BOOLEAN, kind, bound, left, None if kind == "in" else operator, nullable=nullable, position=position)

    # ---- what calls need

    def check_aggregate_allowed(self, name: str, position: int) -> None:
        if self.inside is not None and not self.inside_window:
            raise GroupingError(f"aggregate function calls cannot be nested: {name} inside {self.inside}", position=position)
        if not self.scope.allow_aggregates:
            raise GroupingError(f"aggregate functions are not allowed in {self.scope.clause}", position=position)

    def check_window_allowed(self, name: str, position: int) -> None:
        if self.inside is not None:
            raise WindowingError(f"window function calls cannot be nested: {name} inside {self.inside}", position=position)
        if not self.scope.allow_windows:
            raise WindowingError(f"window functions are not allowed in {self.scope.clause}", position=position)


def _decimal(value: int) -> Any:
    from decimal import Decimal

    return Decimal(value)


def _in_types(operand: Expr, items: list[Expr], position: int) -> tuple[Expr, list[Expr]]:
    """Operand and items in one comparable type, as PostgreSQL finds it for `= ANY`."""
    known = [e for e in (operand, *items) if e.datatype.kind is not Kind.NULL]
    if not known:
        for item in (operand, *items):
            if isinstance(item, UntypedParameter):
                settle(item)
        return coerce(operand, TEXT), [coerce(item, TEXT) for item in items]
    widest = operand if operand.datatype.kind is not Kind.NULL else known[0]
    for item in known:
        a, b = operators.comparable(widest, item, "=", position)
        widest = a if a.datatype.kind is not widest.datatype.kind else widest
        if b.datatype.is_float and widest.datatype.kind is not b.datatype.kind and widest.datatype.is_numeric:
            widest = b
    target = widest.datatype
    operand = operators.comparable(operand, Constant(target, None), "=", position)[0]
    return operand, [operators.comparable(item, Constant(target, None), "=", position)[0] for item in items]


def _simple_case(operand: Expr, values: list[Expr], node: ast.Case) -> list[Expr]:
    """CASE operand WHEN value: the comparisons, all with one operand, so that it is computed once."""
    known = [e for e in (operand, *values) if e.datatype.kind is not Kind.NULL]
    if operand.datatype.kind is Kind.NULL:
        operand = coerce(operand, operators.comparison_type(known[0].datatype)) if known else settle(operand)
    tests: list[Expr] = []
    for value in values:
        left, right = operators.comparable(operand, value, "=", value.position)
        tests.append(Comparison(BOOLEAN, "=", left, right, nullable=left.nullable or right.nullable, position=node.position))
    return tests


def negated(expr: Expr, position: int) -> Expr:
    """NOT expr."""
    if isinstance(expr, Constant):
        return replace(expr, value=None if expr.value is None else not expr.value)
    if isinstance(expr, Logical) and expr.operator == "not":
        return expr.operands[0]
    return Logical(BOOLEAN, "not", (expr,), nullable=expr.nullable, position=position)


def joined(word: Any, operands: Sequence[Expr], position: int) -> Expr:
    """AND or OR of the operands, flattened, constants that decide nothing left out."""
    decisive = word == "or"
    parts: list[Expr] = []
    for operand in operands:
        if isinstance(operand, Logical) and operand.operator == word:
            parts += operand.operands
        elif not isinstance(operand, Constant) or operand.value is not (not decisive):
            parts.append(operand)
        if isinstance(operand, Constant) and operand.value is decisive:
            return operand
    if not parts:
        return Constant(BOOLEAN, not decisive, nullable=False, position=position)
    if len(parts) == 1:
        return parts[0]
    return Logical(BOOLEAN, word, tuple(parts), nullable=any(part.nullable for part in parts), position=position)


_BIND: dict[type, Callable[[Binder, Any], Expr]] = {
    ast.Literal: Binder.literal, ast.Name: Binder.name, ast.Parameter: Binder.parameter, ast.Star: Binder.star, ast.Default: Binder.default,
    ast.Unary: Binder.unary, ast.Binary: Binder.binary, ast.Like: Binder.like, ast.IsNull: Binder.is_null, ast.IsTruth: Binder.is_truth,
    ast.IsDistinct: Binder.is_distinct, ast.Between: Binder.between, ast.InList: Binder.in_list, ast.InQuery: Binder.in_query,
    ast.Quantified: Binder.quantified, ast.Exists: Binder.exists, ast.Subquery: Binder.subquery, ast.Case: Binder.case,
    ast.Cast: Binder.cast,
    ast.RowValue: Binder.row_value, ast.Collate: Binder.collate, ast.Function: Binder.function,
}  # fmt: skip
