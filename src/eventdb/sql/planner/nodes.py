"""Plan nodes: immutable trees of relational operators.

A node makes *relations* visible to the nodes above it: relation 3 is the row `r3`, its columns are `bound.Column(relation=3, ordinal=…)`. Filter, Sort,
Join and their kin pass on the relations of their inputs; Project adds one; Aggregate and SetOperation put a new one in their place. No node lists its output: an
expression simply names the column it wants, and the compiler carries along what is used.

A plan may name columns of relations that it doesn't contain: those of an outer query (correlation), or of the left side of the join
that it is the right side of (LATERAL, index joins).

The binder makes Scan, Join and the like; the rules turn them into the physical forms (KeyLookup, IndexRange, HashJoin, SemiJoin, TopN …).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from eventdb.model.schema import Index, Table
from eventdb.sql.environment import SystemTable
from eventdb.sql.expressions.bound import Aggregate as AggregateCall
from eventdb.sql.expressions.bound import Expr, OrderKey

JoinKind = Literal["inner", "left", "full"]


@dataclass(frozen=True, slots=True)
class Node:
    """Base of all plan nodes."""


@dataclass(frozen=True, slots=True)
class Single(Node):
    """One row without columns: SELECT without FROM."""


@dataclass(frozen=True, slots=True)
class Empty(Node):
    """No rows; `input` is what it stands for, kept for its relations."""

    input: Node


@dataclass(frozen=True, slots=True)
class Access(Node):
    """A way to read a stored table at a moment. `versions`: rows of all times in the moment's span, with END."""

    relation: int
    table: Table
    alias: str
    moment: int = 0
    versions: bool = False


@dataclass(frozen=True, slots=True)
class Scan(Access):
    """All rows; `ordered`: in key order, `reverse`: backwards."""

    ordered: bool = False
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class KeyLookup(Access):
    """The rows of given primary keys; each key has one expression for each key column. Several: distinct keys of an IN list."""

    keys: tuple[tuple[Expr, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Bounds:
    """Equal leading components, then a range on the next: (expression, whether the bound itself is left out)."""

    prefix: tuple[Expr, ...] = ()
    low: tuple[Expr, bool] | None = None
    high: tuple[Expr, bool] | None = None


@dataclass(frozen=True, slots=True)
class KeyRange(Access):
    """Rows in a range of the primary key, in key order."""

    bounds: Bounds = Bounds()
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class IndexLookup(Access):
    """Rows whose leading index columns equal given values; several sets of values for an IN list. `unique`: at most one row for each."""

    index: Index = field(kw_only=True)
    keys: tuple[tuple[Expr, ...], ...] = ()
    unique: bool = False


@dataclass(frozen=True, slots=True)
class IndexRange(Access):
    """Rows in a range of an index. Unless `ordered`, a scan takes its place when the range turns out to be wide."""

    index: Index = field(kw_only=True)
    bounds: Bounds = Bounds()
    reverse: bool = False
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class SystemScan(Node):
    """A computed relation of the engine; its rows have ordinals from 0."""

    relation: int
    table: SystemTable
    alias: str


@dataclass(frozen=True, slots=True)
class Values(Node):
    """Rows of expressions."""

    relation: int
    rows: tuple[tuple[Expr, ...], ...]


@dataclass(frozen=True, slots=True)
class Series(Node):
    """generate_series(start, stop, step): column 0 (and the ordinality in column 1)."""

    relation: int
    arguments: tuple[Expr, ...]
    alias: str


@dataclass(frozen=True, slots=True)
class CommonScan(Node):
    """A reading of a materialised common table."""

    relation: int
    common: int
    name: str


@dataclass(frozen=True, slots=True)
class Filter(Node):
    """Rows for which all conditions are TRUE."""

    input: Node
    conditions: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Project(Node):
    """Computed columns as one more relation beside those of the input."""

    input: Node
    relation: int
    expressions: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Join(Node):
    """A join as written; `right` may name columns of `left`."""

    kind: JoinKind
    left: Node
    right: Node
    conditions: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True)
class HashJoin(Node):
    """For each row of `left` those of `right`, kept in a hash table, with equal keys, and the conditions TRUE.

    `unique`: no two rows of `right` have equal keys.
    """

    kind: JoinKind
    left: Node
    right: Node
    left_keys: tuple[Expr, ...]
    right_keys: tuple[Expr, ...]
    conditions: tuple[Expr, ...] = ()
    unique: bool = False


@dataclass(frozen=True, slots=True)
class NestedLoop(Node):
    """For each row of `left` all of `right`, which may depend on that row (an index join, LATERAL)."""

    kind: JoinKind
    left: Node
    right: Node
    conditions: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True)
class SemiJoin(Node):
    """Rows of `left` with a match in `right`; `right_keys` equal `left_keys` and the conditions TRUE."""

    left: Node
    right: Node
    left_keys: tuple[Expr, ...]
    right_keys: tuple[Expr, ...]
    conditions: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True)
class AntiJoin(Node):
    """Rows of `left` without a match in `right`. `null_aware`: as NOT IN has it, where a NULL on either side is no answer."""

    left: Node
    right: Node
    left_keys: tuple[Expr, ...]
    right_keys: tuple[Expr, ...]
    conditions: tuple[Expr, ...] = ()
    null_aware: bool = False


@dataclass(frozen=True, slots=True)
class Lookup(Node):
    """Rows of `input`, read once into a hash table, whose keys equal values of an outer query's row."""

    input: Node
    keys: tuple[Expr, ...]
    values: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Aggregate(Node):
    """Groups and aggregates as a new relation: first the group expressions, then the aggregates. `grouped` False: exactly one row."""

    input: Node
    relation: int
    groups: tuple[Expr, ...]
    aggregates: tuple[AggregateCall, ...]
    grouped: bool = True


@dataclass(frozen=True, slots=True)
class Sort(Node):
    input: Node
    keys: tuple[OrderKey, ...]


@dataclass(frozen=True, slots=True)
class TopN(Node):
    """The first rows in an order, from `offset` on."""

    input: Node
    keys: tuple[OrderKey, ...]
    limit: Expr
    offset: Expr | None = None


@dataclass(frozen=True, slots=True)
class Limit(Node):
    """Rows from `offset` on, at most `limit`; `ties`: the order whose equals of the last row follow (WITH TIES)."""

    input: Node
    limit: Expr | None
    offset: Expr | None = None
    ties: tuple[OrderKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Distinct(Node):
    """The first row for each value of `on`."""

    input: Node
    on: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class SetOperation(Node):
    """UNION, INTERSECT, EXCEPT of inputs, each with its output columns, as a new relation."""

    relation: int
    operator: Literal["union", "intersect", "except"]
    all: bool
    inputs: tuple[Node, ...]
    outputs: tuple[tuple[Expr, ...], ...]


@dataclass(frozen=True, slots=True)
class Common:
    """A common table to be kept: `number` is what CommonScan names.

    `recursive`: the second term, `recursive_outputs` its columns, `working` the number under which it reads the rows found last; `distinct`:
    UNION, not UNION ALL. `materialized`: as the statement says, if it does.
    """

    number: int
    name: str
    plan: Node
    outputs: tuple[Expr, ...]
    recursive: Node | None = None
    recursive_outputs: tuple[Expr, ...] = ()
    distinct: bool = False
    working: int = -1
    materialized: bool | None = None


@dataclass(frozen=True, slots=True)
class CommonTables(Node):
    """Common tables kept for the plan below them."""

    input: Node
    tables: tuple[Common, ...]


@dataclass(frozen=True, slots=True)
class Collect(Node):
    """The rows so far in a list: where a pipeline would nest deeper than Python allows."""

    input: Node


@dataclass(frozen=True, slots=True)
class BoundQuery:
    """A query bound: its plan, the expressions of its columns over the plan's relations, their names."""

    plan: Node
    outputs: tuple[Expr, ...]
    names: tuple[str, ...]
    details: Any = field(default=None, compare=False)

    @property
    def types(self) -> tuple[Any, ...]:
        return tuple(o.datatype for o in self.outputs)
