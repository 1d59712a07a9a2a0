"""Schema objects: what a table, an index, a view, a sequence is. Immutable; a change makes a new one.

Rows. A stored row is a tuple `(start, v1, v2, …)`: element 0 is the number of the transaction that wrote this version, and
each column has a fixed place behind it, its *slot* (`row[column.slot]`). Slots are given out in order and never reused within one
*storage*, so adding or dropping a column rewrites no rows: a row written before a column was added is shorter, and reads as
`Column.missing` there. What does need every row rewritten (a change of type, of the clustering key) gives the table a new storage id;
the old storage is closed and goes on answering for its time.

Identity. Tables, columns, indexes, sequences carry ids that a rename keeps and that are never reused.

Expressions (defaults, checks, generated columns, view queries, index expressions) are kept as SQL text, so that this package stays
free of the SQL layer.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from eventdb.model.datatype import DataType
from eventdb.model.record import Record

DEFAULT_SCHEMA = "public"
TEMPORARY_SCHEMA = "pg_temp"
"""The schema of a session's own objects. Their ids, those of their storages too, are negative: so every event tells whether it is one for
the log."""
_NO_OPTIONS: Mapping[str, Any] = {}


class Identity(enum.Enum):
    """GENERATED { ALWAYS | BY DEFAULT } AS IDENTITY."""

    ALWAYS = "ALWAYS"
    BY_DEFAULT = "BY DEFAULT"


class Action(enum.Enum):
    """What a foreign key does when the referenced row goes or changes."""

    NO_ACTION = "NO ACTION"
    RESTRICT = "RESTRICT"
    CASCADE = "CASCADE"
    SET_NULL = "SET NULL"
    SET_DEFAULT = "SET DEFAULT"


class Column(Record):
    """A column. `missing` is the value that rows written before the column was added have."""

    id: int
    name: str
    datatype: DataType
    slot: int
    nullable: bool = True
    default: str | None = None
    missing: Any = None
    identity: Identity | None = None
    sequence_id: int | None = None
    generated: str | None = None
    hidden: bool = False
    comment: str | None = None


class Unique(Record):
    """UNIQUE or PRIMARY KEY. `index_id` is the index that keeps it; None for a primary key that clusters the table."""

    name: str
    columns: tuple[int, ...]
    primary: bool = False
    index_id: int | None = None
    nulls_distinct: bool = True
    deferrable: bool = False
    deferred: bool = False
    comment: str | None = None


class Check(Record):
    """CHECK (expression)."""

    name: str
    expression: str
    comment: str | None = None


class ForeignKey(Record):
    """FOREIGN KEY; columns by id, `referenced_columns` those of a unique key of `referenced_table`."""

    name: str
    columns: tuple[int, ...]
    referenced_table: int
    referenced_columns: tuple[int, ...]
    on_delete: Action = Action.NO_ACTION
    on_update: Action = Action.NO_ACTION
    set_columns: tuple[int, ...] = ()
    match_full: bool = False
    deferrable: bool = False
    deferred: bool = False
    comment: str | None = None


Constraint = Unique | Check | ForeignKey


SYSTEM_SCHEMA = "eventdb"
"""The schema of the system's own relations."""


class Table(Record, derived=True):
    """A table.

    `key`: ids of the columns that cluster it: its primary key as declared at creation, or the hidden row id column. Fixed for one storage.
    `width`: the number of slots given out so far, slot 0 included, so the next column's slot.
    `base_width`: the width that this storage began with; no stored row is shorter.
    """

    id: int
    schema: str
    name: str
    storage: int
    columns: tuple[Column, ...]
    key: tuple[int, ...]
    constraints: tuple[Constraint, ...] = ()
    width: int = 1
    base_width: int = 1
    next_column_id: int = 1
    comment: str | None = None
    options: Mapping[str, Any] = _NO_OPTIONS

    @cached_property
    def visible(self) -> tuple[Column, ...]:
        """The columns that `*` shows, in order."""
        return tuple(c for c in self.columns if not c.hidden)

    @cached_property
    def by_name(self) -> dict[str, Column]:
        return {c.name: c for c in self.columns}

    @cached_property
    def by_id(self) -> dict[int, Column]:
        return {c.id: c for c in self.columns}

    @cached_property
    def key_slots(self) -> tuple[int, ...]:
        return tuple(self.by_id[i].slot for i in self.key)

    @cached_property
    def tails(self) -> tuple[tuple[Any, ...], ...] | None:
        """`tails[len(row)]` is what to append to a row shorter than `width`; None if no stored row can be short."""
        if self.width == self.base_width:
            return None
        missing: list[Any] = [None] * self.width
        for column in self.columns:
            missing[column.slot] = column.missing
        return tuple(tuple(missing[n:]) for n in range(self.width + 1))

    def full(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """A stored row at full width: those from before a column was added are shorter."""
        tails = self.tails
        return row if tails is None or len(row) >= self.width else row + tails[len(row)]

    @cached_property
    def primary_key(self) -> Unique | None:
        return next((c for c in self.constraints if isinstance(c, Unique) and c.primary), None)

    @cached_property
    def uniques(self) -> tuple[Unique, ...]:
        return tuple(c for c in self.constraints if isinstance(c, Unique))

    @cached_property
    def checks(self) -> tuple[Check, ...]:
        return tuple(c for c in self.constraints if isinstance(c, Check))

    @cached_property
    def foreign_keys(self) -> tuple[ForeignKey, ...]:
        return tuple(c for c in self.constraints if isinstance(c, ForeignKey))


class IndexColumn(Record):
    """One component of an index key: a column by id, or an expression as SQL text."""

    column_id: int | None
    expression: str | None = None
    descending: bool = False
    nulls_first: bool = False


class Index(Record):
    """An ordered index. `where` makes it partial; `constraint` marks the index that a UNIQUE or PRIMARY KEY constraint owns."""

    id: int
    schema: str
    name: str
    table_id: int
    columns: tuple[IndexColumn, ...]
    unique: bool = False
    nulls_distinct: bool = True
    where: str | None = None
    include: tuple[int, ...] = ()
    constraint: bool = False
    method: str = "btree"
    comment: str | None = None


class View(Record):
    """A view: its query as SQL text, and the names and types of its columns as bound when it was created."""

    id: int
    schema: str
    name: str
    query: str
    columns: tuple[tuple[str, DataType], ...]
    depends_on: tuple[int, ...] = ()
    comment: str | None = None


class Sequence(Record):
    """A sequence. Its current value is part of the state, not of this definition. `owner` is (table id, column id)."""

    id: int
    schema: str
    name: str
    datatype: DataType
    start: int = 1
    increment: int = 1
    minimum: int = 1
    maximum: int = 2**63 - 1
    cycle: bool = False
    cache: int = 1
    owner: tuple[int, int] | None = None
    comment: str | None = None


Relation = Table | View | Sequence | Index
