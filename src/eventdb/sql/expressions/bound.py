"""Bound expressions: names resolved, types known, overloads chosen, casts explicit. What binding makes and compiling reads.

Columns. Every relation instance of a statement (each FROM item, each grouping or window stage, each subquery's output) has a number that
is unique in the statement, and a column is (relation, ordinal). In generated code the current row of relation 3 is the tuple `r3` and the
column is `r3[ordinal]`. For a stored table the ordinal is the column's slot, so 0 is the start number; `END` (-1) is the number that
ended the version, kept beside the row. A reference to an outer query's relation is the same node: the numbers tell.

NULL. `nullable` False promises that the value is never NULL; compiled code then leaves the checks out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from eventdb.model.datatype import BOOLEAN, DataType
from eventdb.model.record import Record, field

if TYPE_CHECKING:
    from eventdb.sql.expressions.aggregates import AggregateFunction

END = -1


class BoundExpression(Record):
    datatype: DataType
    nullable: bool = field(kw_only=True, default=True)
    position: int = field(kw_only=True, default=-1, compare=False, repr=False)


class Constant(BoundExpression):
    """A value in the internal form of `datatype`."""

    value: Any


class Parameter(BoundExpression):
    """The bound parameter of that ordinal, already in the internal form of `datatype`."""

    index: int


class Column(BoundExpression):
    relation: int
    ordinal: int
    name: str = field(default="", compare=False)


class Logical(BoundExpression):
    """AND, OR (two or more operands) and NOT (one), in three-valued logic."""

    operator: Literal["and", "or", "not"]
    operands: tuple[Expr, ...]


class Comparison(BoundExpression):
    """Operands already of one comparable type. `distinct` forms (IS [NOT] DISTINCT FROM) never give NULL."""

    operator: Literal["=", "<>", "<", "<=", ">", ">=", "is distinct from", "is not distinct from"]
    left: Expr
    right: Expr


class IsNull(BoundExpression):
    operand: Expr
    negated: bool = False


class IsTruth(BoundExpression):
    operand: Expr
    value: bool | None
    negated: bool = False


class Call(BoundExpression):
    """A scalar function or operator. `render(arguments' sources)` gives a Python expression for non-NULL arguments; `strict` functions are
    NULL where an argument is NULL (the compiler adds the check), others take None and decide themselves.

    `volatile`: another value at each call (random, nextval, clock_timestamp), so never folded, shared or moved.
    `globals` are the names the rendered source uses, with their objects.
    """

    name: str
    arguments: tuple[Expr, ...]
    render: Callable[..., str] = field(compare=False, repr=False)
    globals: tuple[tuple[str, Any], ...] = field(default=(), compare=False, repr=False)
    strict: bool = True
    volatile: bool = False
    uses_execution: bool = False
    """The source refers to the Execution as `cx` (now(), time zone, sequences): constant within a statement unless volatile."""


class Case(BoundExpression):
    """Searched CASE; a simple CASE is rewritten, its operand computed once by the compiler where it isn't a column or constant."""

    whens: tuple[tuple[Expr, Expr], ...]
    otherwise: Expr | None


class Coalesce(BoundExpression):
    arguments: tuple[Expr, ...]


class InList(BoundExpression):
    """operand IN (items), items of the operand's type; NOT IN is a Logical not of it."""

    operand: Expr
    items: tuple[Expr, ...]


class RowComparison(BoundExpression):
    """(a, b) op (c, d), compared from the left in SQL's way with NULLs."""

    operator: Literal["=", "<>", "<", "<=", ">", ">="]
    left: tuple[Expr, ...]
    right: tuple[Expr, ...]


class SubqueryExpression(BoundExpression):
    """A subquery inside an expression; the planner removes it (a join, or a computed column) or compiles it to a local function.

    `kind`: "scalar" (one column, at most one row), "exists", "in" (operands IN query, with `operands` non-empty), "any" and "all" (with
    `operator`), "row" (a row compared with `operands`). `query` is the planner's bound query; expressions never look inside.
    """

    kind: Literal["scalar", "exists", "in", "any", "all", "row"]
    query: Any = field(compare=False)
    operands: tuple[Expr, ...] = ()
    operator: str | None = None


class OrderKey(Record):
    expression: Expr
    descending: bool = False
    nulls_first: bool = False


class Aggregate(BoundExpression):
    """An aggregate call; only in select lists, HAVING and ORDER BY; the planner replaces it by a Column of the grouping stage.

    `order_by` also holds WITHIN GROUP.
    """

    function: AggregateFunction = field(repr=False)
    arguments: tuple[Expr, ...]
    distinct: bool = False
    filter: Expr | None = None
    order_by: tuple[OrderKey, ...] = ()


class FrameBound(Record):
    kind: Literal["unbounded preceding", "preceding", "current row", "following", "unbounded following"]
    offset: Expr | None = None


class WindowCall(BoundExpression):
    """A window function call, or an aggregate with OVER; the planner replaces it by a Column of a window stage."""

    name: str
    aggregate: Aggregate | None
    arguments: tuple[Expr, ...]
    partition_by: tuple[Expr, ...] = ()
    order_by: tuple[OrderKey, ...] = ()
    mode: Literal["rows", "range", "groups"] = "range"
    start: FrameBound = FrameBound("unbounded preceding")
    end: FrameBound = FrameBound("current row")
    exclude: Literal["no others", "current row", "group", "ties"] = "no others"
    filter: Expr | None = None


Expr = (
    Constant | Parameter | Column | Logical | Comparison | IsNull | IsTruth | Call | Case | Coalesce | InList | RowComparison
    | SubqueryExpression | Aggregate | WindowCall
)  # fmt: skip


def true() -> Constant:
    return Constant(BOOLEAN, True, nullable=False)
