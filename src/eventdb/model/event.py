"""Events: what a transaction did, as facts. The log holds nothing else, and a state changes by nothing else.

Events are logical and complete: every value that a statement computed (defaults, now(), random(), sequences) stands in the event, so
replay computes nothing and is deterministic. Schema events carry the whole new definition.

Row events. Rows are tuples in slot order without the start number: element i is the value of slot i + 1. `types` gives the type of each
element (`datatype.NULL` for the slot of a dropped column), so that an event can be written and read back on its own. A key is the value
of the single key column, or a tuple of values for a composite key.
"""

from __future__ import annotations

from collections.abc import Sequence as Rows
from typing import Any

from eventdb.model.datatype import DataType
from eventdb.model.record import Record
from eventdb.model.schema import Index, Sequence, Table, View

Key = Any
Row = tuple[Any, ...]


class SchemaCreated(Record):
    name: str
    comment: str | None = None
    """Also logged, with the new comment, when the comment of an existing schema changes."""


class SchemaDropped(Record):
    name: str


class TableCreated(Record):
    table: Table


class TableAltered(Record):
    """A change that rewrites no rows; `table` is the new definition, with the same id and storage."""

    table: Table


class TableRewritten(Record):
    """A change that rewrote every row: `table` has a new storage, whose first rows these are. Its indexes are built anew."""

    table: Table
    types: tuple[DataType, ...]
    rows: Rows[Row]


class TableDropped(Record):
    """The table, its indexes and the sequences it owns are gone from the catalog; its storage is closed."""

    table_id: int


class IndexCreated(Record):
    """An index, built from the rows that are there. Also an index whose definition changed without its keys (renamed, commented)."""

    index: Index


class IndexDropped(Record):
    index_id: int


class ViewCreated(Record):
    """A view is created or replaced (same id)."""

    view: View


class ViewDropped(Record):
    view_id: int


class SequenceCreated(Record):
    """A sequence is created or altered (same id); its value is kept where it exists."""

    sequence: Sequence


class SequenceDropped(Record):
    sequence_id: int


class SequenceAdvanced(Record):
    """The last value that a sequence gave out; None puts it back to its start."""

    sequence_id: int
    value: int | None


class RowsInserted(Record):
    table_id: int
    types: tuple[DataType, ...]
    rows: Rows[Row]


class RowsUpdated(Record):
    """`keys` are those before the update; `slots` the changed columns, `values[i]` their new values in the row of `keys[i]`.

    Where key columns change, all the rows leave their old keys before any takes its new one. Elsewhere a key may come several times, once
    for each change of its row; the last values are those that the state keeps.
    """

    table_id: int
    key_types: tuple[DataType, ...]
    keys: Rows[Key]
    slots: tuple[int, ...]
    types: tuple[DataType, ...]
    values: Rows[Row]


class RowsDeleted(Record):
    table_id: int
    key_types: tuple[DataType, ...]
    keys: Rows[Key]


class RowsErased(Record):
    """ERASE took rows out of every transaction before this one. The event says how many, and never which: keys may be values too.

    `rows` row identities, `versions` of them that could be read until then; `next_row_id`: where hidden row ids go on, for the rows that
    had used them are gone.
    """

    table_id: int
    rows: int
    versions: int
    next_row_id: int


class HistoryTrimmed(Record):
    """Retention took the versions of a table's rows that ended at or before transaction `horizon` out of the log: how many they were.

    The table can be read as of `horizon` and later. `next_row_id` as in RowsErased. `last`: the last transaction of whose changes something
    went: whoever follows the table and has not come so far has missed it. 0 for none.
    """

    table_id: int
    horizon: int
    versions: int
    next_row_id: int
    last: int


class BodiesRewritten(Record):
    """Receipts: the bodies of these earlier transactions were replaced when this one was committed. `hashes[i]` is the SHA-256 of the body
    that transaction `numbers[i]` has since; the one it had before stands in its header, or in the receipt before this one."""

    numbers: Rows[int]
    hashes: Rows[bytes]


SchemaEvent = (
    SchemaCreated | SchemaDropped | TableCreated | TableAltered | TableRewritten | TableDropped | IndexCreated | IndexDropped
    | ViewCreated | ViewDropped | SequenceCreated | SequenceDropped
)  # fmt: skip
RowEvent = RowsInserted | RowsUpdated | RowsDeleted
Rewriting = RowsErased | HistoryTrimmed | BodiesRewritten
Event = SchemaEvent | RowEvent | SequenceAdvanced | Rewriting


def is_temporary(event: Event) -> bool:
    """Whether the event is about an object of one session (its ids are negative), so that it is none for the log."""
    for name in ("table_id", "sequence_id", "index_id", "view_id"):
        if hasattr(event, name):
            return bool(getattr(event, name) < 0)
    for name in ("table", "index", "sequence", "view"):
        if hasattr(event, name):
            return bool(getattr(event, name).id < 0)
    return False
