"""What the SQL half needs from its caller: names to bind against, and the circumstances of one execution."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from eventdb.errors import NotSupportedError
from eventdb.model.catalog import Catalog
from eventdb.model.datatype import DataType
from eventdb.model.record import Record, field
from eventdb.model.schema import DEFAULT_SCHEMA, Table

if TYPE_CHECKING:
    from eventdb.sql.parser import ast
    from eventdb.sql.reader import TableReader


Limits = Sequence[tuple[int, str, tuple[Any, ...]]]
"""(ordinal of a column, operator, values): conditions that rows have to meet; several values belong to "=" and stand for IN."""


RECORD_COST = 100.0
"""What reading a transaction of the log takes, in rows of a stored table scanned."""


class SystemTable(Record):
    """A relation that is computed, not stored (information_schema, eventdb.transactions); `Execution.system_rows` gives its rows.

    `arguments`: of a table function, what it was called with. `lookups`: the columns by whose values its rows are found without making all
    others, so that a join may ask for the few that it needs. `orders`: lists of columns by which its rows come in ascending order; they
    can be had backwards too, no value in them is NULL, and no two rows are equal in all of a list. `cost`: what making a row takes, in
    rows of a stored table scanned.
    """

    schema: str
    name: str
    columns: tuple[tuple[str, DataType], ...]
    arguments: Any = None
    lookups: tuple[int, ...] = ()
    orders: tuple[tuple[int, ...], ...] = ()
    cost: float = 1.0


class Wanted(Record):
    """What a plan wants of a computed relation, for saving work: its rows are tested all the same.

    `limits`: conditions that rows have to meet. `columns`: the ordinals of those that are used, None for all; any others may be None.
    `backwards`: rows in the opposite of their order.
    """

    limits: Limits = ()
    columns: frozenset[int] | None = None
    backwards: bool = False


ALL = Wanted()


class Statistics(Protocol):
    """How large tables are, for the planner."""

    def __call__(self, table: Table | SystemTable, versions: bool = False, /) -> int:
        """How many rows a table has now, or how many versions of rows; of a computed relation, about how many rows."""
        ...


class BoundMoment(Record):
    """A FOR SYSTEM_TIME clause as bound: its place in `Execution.positions`, and the catalog to read names in."""

    index: int
    catalog: Catalog


MomentBinder = Callable[["ast.SystemTime"], BoundMoment]


def no_moments(clause: ast.SystemTime) -> BoundMoment:
    """Refuse the clause: in expressions of definitions, and in plans that are kept. Raises NotSupportedError."""
    raise NotSupportedError("FOR SYSTEM_TIME cannot stand here", position=clause.position)


class Environment(Record, frozen=False):
    """What a statement is bound in.

    `text`: the statement's text, for the place in errors. `parameter_types`: one entry for each parameter, None until its type is
    known; the binder fills in what it infers from the context. `parameter_index`: parameter key → ordinal. `moment` binds a
    FOR SYSTEM_TIME clause; what it gives is recorded by the caller, since a plan holds only as long as those catalogs are met again.
    """

    text: str
    catalog: Catalog
    parameter_index: Mapping[int | str, int] = field(default_factory=dict)
    parameter_types: list[DataType | None] = field(default_factory=list)
    search_path: tuple[str, ...] = (DEFAULT_SCHEMA,)
    moment: MomentBinder = no_moments
    system_tables: Mapping[tuple[str, str], SystemTable] = field(default_factory=dict)
    statistics: Statistics | None = None
    """For the planner; None: nothing is known."""
    functions: Mapping[tuple[str, int], Any] = field(default_factory=dict)
    """The functions that the application registered (see `sql.expressions.user`)."""
    uses: dict[int, tuple[int, int]] | None = None
    """Where it is asked for: what the names of the text mean, by their position: (table id, column id) of a stored column."""
    given: dict[int, SystemTable] = field(default_factory=dict)
    """The common tables whose rows are given at each run, by the identity of their node (see `sql.modification.with_writes`)."""
    apart: bool = False
    """Whether a write must find its rows through the reader of its execution alone, for it is one of several of a statement."""
    locks: set[int] = field(default_factory=set)
    """The tables whose rows FOR UPDATE or FOR SHARE holds; the binder fills it (see `sql.planner.locking`)."""
    nulls: set[int] = field(default_factory=set)
    """Parameters whose value is NULL: where nothing else tells their type it does not matter."""


class Execution(Protocol):
    """The circumstances of one execution, the first argument of every compiled plan.

    `positions[i]`: for moment i the pair (first, last) of transaction numbers, both the same for AS OF; entry 0 is the statement's own
    position, with first None for the present.
    """

    @property
    def deadline(self) -> float | None:
        """When the statement is to be canceled, by `time.perf_counter()`; None for never."""
        ...

    @property
    def made(self) -> Mapping[str, Sequence[tuple[Any, ...]]] | None:
        """The rows that earlier steps of the same statement gave, by name; None for a statement without steps."""
        ...

    @property
    def positions(self) -> Sequence[tuple[int | None, int | None]]: ...

    @property
    def timezone(self) -> datetime.tzinfo:
        """The session's time zone: how timestamptz and text meet."""
        ...

    @property
    def transaction_timestamp(self) -> datetime.datetime:
        """now(): the start of the transaction, aware, UTC."""
        ...

    @property
    def statement_timestamp(self) -> datetime.datetime: ...

    def table(self, table: Table, moment: int) -> TableReader:
        """The rows of `table` at moment `moment` (an index into `positions`)."""
        ...

    def system_rows(self, table: SystemTable, moment: int, wanted: Wanted = ALL) -> Iterable[tuple[Any, ...]]:
        """The rows of a computed relation at moment `moment`."""
        ...

    def transaction_time(self, number: int | None) -> datetime.datetime:
        """The commit time of a transaction; the transaction's own start for one not yet committed; END_OF_TIME for None."""
        ...

    def nextval(self, sequence_id: int) -> int: ...

    def currval(self, sequence_id: int) -> int: ...

    def setval(self, sequence_id: int, value: int, is_called: bool) -> int: ...

    def setting(self, name: str) -> str | None:
        """A session setting ("timezone", "actor", "search_path"), or "current_schema", the first of the path that exists; None if there is
        none of that name."""
        ...
