"""Plan nodes: immutable trees of relational operators.

A node makes *relations* visible to the nodes above it: relation 3 is the row `r3`, its columns are `bound.Column(relation=3, ordinal=…)`.
Filter, Sort, Join and their kin pass on the relations of their inputs; Project adds one; Aggregate and SetOperation put a new one in their
place. No node lists its output: an expression simply names the column it wants, and the compiler carries along what is used.

A plan may name columns of relations that it doesn't contain: those of an outer query (correlation), or of the left side of the join that it
is the right side of (LATERAL, index joins).

The binder makes Scan, Join and the like; the rules turn them into the physical forms (KeyLookup, IndexRange, HashJoin, SemiJoin, TopN …).
"""

from __future__ import annotations

from typing import Any, Literal

from eventdb.model.record import Record, field
from eventdb.model.schema import Index, Table
from eventdb.sql.environment import SystemTable
from eventdb.sql.expressions.bound import Aggregate as AggregateCall
from eventdb.sql.expressions.bound import Expr, OrderKey, WindowCall

JoinKind = Literal["inner", "left", "full"]


class Node(Record):
    """Base of all plan nodes."""


class Single(Node):
    """One row without columns: SELECT without FROM."""


class Empty(Node):
    """No rows; `input` is what it stands for, kept for its relations and never read."""

    input: Node


class Access(Node):
    """A way to read a stored table at a moment. `versions`: rows of all times in the moment's span, with END."""

    relation: int
    table: Table
    alias: str
    moment: int = 0
    versions: bool = False


class Scan(Access):
    """All rows; `ordered`: in key order, `reverse`: backwards."""

    ordered: bool = False
    reverse: bool = False


class KeyLookup(Access):
    """The rows of given primary keys; each key has one expression for each key column. Several: distinct keys of an IN list."""

    keys: tuple[tuple[Expr, ...], ...] = ()


class Bounds(Record):
    """Equal leading components, then a range on the next: (expression, whether the bound itself is left out)."""

    prefix: tuple[Expr, ...] = ()
    low: tuple[Expr, bool] | None = None
    high: tuple[Expr, bool] | None = None


class KeyRange(Access):
    """Rows in a range of the primary key, in key order."""

    bounds: Bounds = Bounds()
    reverse: bool = False


class IndexLookup(Access):
    """Rows whose leading index columns equal given values; several sets of values for an IN list. `unique`: at most one row for each."""

    index: Index = field(kw_only=True)
    keys: tuple[tuple[Expr, ...], ...] = ()
    unique: bool = False


class IndexRange(Access):
    """Rows in a range of an index. Unless `ordered`, a scan takes its place when the range turns out to be wide.

    `implied`: the conditions that rows of the range meet by themselves, for that scan; none where it is `ordered`.
    """

    index: Index = field(kw_only=True)
    bounds: Bounds = Bounds()
    reverse: bool = False
    ordered: bool = False
    implied: tuple[Expr, ...] = ()


class SystemScan(Node):
    """A computed relation of the engine, at a moment; its rows have ordinals from 0.

    `limits`: what the conditions above it say about its columns, as (ordinal, operator, values): a hint of what has to be read. The
    conditions are tested all the same. Several values belong to "=", which stands for IN. `keys`: columns that equal a key of the
    join above (its place among them), which gathers the other side's values of that key before this is read. `ordered`: in one of the
    orders that the relation comes in, which it does anyway; `reverse`: backwards.
    """

    relation: int
    table: SystemTable
    alias: str
    moment: int = 0
    limits: tuple[tuple[int, str, tuple[Expr, ...]], ...] = ()
    keys: tuple[tuple[int, int], ...] = ()
    ordered: bool = False
    reverse: bool = False


class Values(Node):
    """Rows of expressions."""

    relation: int
    rows: tuple[tuple[Expr, ...], ...]


class Series(Node):
    """generate_series(start, stop, step): column 0 (and the ordinality in column 1)."""

    relation: int
    arguments: tuple[Expr, ...]
    alias: str


class CommonScan(Node):
    """A reading of a materialised common table."""

    relation: int
    common: int
    name: str


class Filter(Node):
    """Rows for which all conditions are TRUE."""

    input: Node
    conditions: tuple[Expr, ...]


class Project(Node):
    """Computed columns as one more relation beside those of the input."""

    input: Node
    relation: int
    expressions: tuple[Expr, ...]


class Join(Node):
    """A join as written; `right` may name columns of `left`."""

    kind: JoinKind
    left: Node
    right: Node
    conditions: tuple[Expr, ...] = ()


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


class NestedLoop(Node):
    """For each row of `left` all of `right`, which may depend on that row (an index join, LATERAL)."""

    kind: JoinKind
    left: Node
    right: Node
    conditions: tuple[Expr, ...] = ()


class LookupJoin(Node):
    """Like a hash join, but `right`, a computed relation, is asked for the keys of many rows of `left` at once, and for no others.

    `kind` "semi": rows of `left` with a match; "anti": those without one.
    """

    kind: Literal["inner", "left", "semi", "anti"]
    left: Node
    right: Node
    left_keys: tuple[Expr, ...]
    right_keys: tuple[Expr, ...]
    conditions: tuple[Expr, ...] = ()


class SemiJoin(Node):
    """Rows of `left` with a match in `right`; `right_keys` equal `left_keys` and the conditions TRUE."""

    left: Node
    right: Node
    left_keys: tuple[Expr, ...]
    right_keys: tuple[Expr, ...]
    conditions: tuple[Expr, ...] = ()


class AntiJoin(Node):
    """Rows of `left` without a match in `right`. `null_aware`: as NOT IN has it, where a NULL on either side is no answer."""

    left: Node
    right: Node
    left_keys: tuple[Expr, ...]
    right_keys: tuple[Expr, ...]
    conditions: tuple[Expr, ...] = ()
    null_aware: bool = False


class Lookup(Node):
    """Rows of `input`, read once into a hash table, whose keys equal values of an outer query's row."""

    input: Node
    keys: tuple[Expr, ...]
    values: tuple[Expr, ...]


class Aggregate(Node):
    """Groups and aggregates as a new relation: first the group expressions, then the aggregates. `grouped` False: exactly one row."""

    input: Node
    relation: int
    groups: tuple[Expr, ...]
    aggregates: tuple[AggregateCall, ...]
    grouped: bool = True


class Window(Node):
    """Window calls computed over all rows of the input, as one more relation beside those of the input."""

    input: Node
    relation: int
    calls: tuple[WindowCall, ...]


class Sort(Node):
    input: Node
    keys: tuple[OrderKey, ...]


class TopN(Node):
    """The first rows in an order, from `offset` on."""

    input: Node
    keys: tuple[OrderKey, ...]
    limit: Expr
    offset: Expr | None = None


class Limit(Node):
    """Rows from `offset` on, at most `limit`; `ties`: the order whose equals of the last row follow (WITH TIES). `percent`: the limit is
    a share of all rows."""

    input: Node
    limit: Expr | None
    offset: Expr | None = None
    ties: tuple[OrderKey, ...] = ()
    percent: bool = False


class Distinct(Node):
    """The first row for each value of `on`."""

    input: Node
    on: tuple[Expr, ...]


class SetOperation(Node):
    """UNION, INTERSECT, EXCEPT of inputs, each with its output columns, as a new relation.

    `steps`: how each input but the first is taken in, from the left: (operator, whether ALL).
    """

    relation: int
    steps: tuple[tuple[Literal["union", "intersect", "except"], bool], ...]
    inputs: tuple[Node, ...]
    outputs: tuple[tuple[Expr, ...], ...]


class Common(Record):
    """A common table to be kept: `number` is what CommonScan names.

    `recursive`: the second term, `recursive_outputs` its columns, `working` the number under which it reads the rows found last;
    `distinct`: UNION, not UNION ALL. `materialized`: as the statement says, if it does.
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


class CommonTables(Node):
    """Common tables kept for the plan below them."""

    input: Node
    tables: tuple[Common, ...]


class Collect(Node):
    """The rows so far in a list: where a pipeline would nest deeper than Python allows."""

    input: Node


class BoundQuery(Record):
    """A query bound: its plan, the expressions of its columns over the plan's relations, their names."""

    plan: Node
    outputs: tuple[Expr, ...]
    names: tuple[str, ...]
    details: Any = field(default=None, compare=False)

    @property
    def types(self) -> tuple[Any, ...]:
        return tuple(o.datatype for o in self.outputs)
