"""What preparing a write gives: compiled functions and the description of what else must be checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from eventdb.model.datatype import TEXT, DataType, Kind
from eventdb.model.event import RowsInserted, RowsUpdated
from eventdb.model.record import Record, field
from eventdb.model.schema import Column, Table
from eventdb.sql.environment import Environment, Execution
from eventdb.sql.modification.effects import Effects, UniqueKey
from eventdb.sql.prepared import PreparedProjection, PreparedQuery, ResultColumn

Row = tuple[Any, ...]
Parameters = tuple[Any, ...]
RowIds = Callable[[int], int]
"""Reserves that many hidden row ids and gives the first."""
Numbers = Callable[[int, int], Sequence[int]]
"""Takes values of a sequence: (sequence id, count)."""


class ConflictAction(Record):
    """ON CONFLICT. `arbiters` empty: any unique key. `update` gives, over (stored row, proposed row) pairs, the new row's values in slot
    order; None for DO NOTHING. `effects`: what an update must be checked for."""

    arbiters: tuple[UniqueKey, ...]
    update: PreparedProjection | None = None
    slots: tuple[int, ...] = ()
    finish: Callable[[Execution, Parameters, Row, Row, Numbers], Row | None] | None = None
    effects: Effects | None = None


class PreparedInsert(Record):
    """INSERT. `rows(execution, parameters, row_ids, numbers)`: the new rows in slot order (without start number), checked for all that a
    row alone can tell. `bulk(execution, parameter_rows, row_ids, numbers)`: the same for many parameter rows of a plain VALUES with
    parameters, by column; None where the statement has another form, or says more than plain columns in RETURNING."""

    table: Table
    types: tuple[DataType, ...]
    columns: tuple[ResultColumn, ...]
    parameters: tuple[DataType, ...]
    source: str
    plan: str
    rows: Callable[[Execution, Parameters, RowIds, Numbers], list[Row]]
    bulk: Callable[[Execution, Sequence[Parameters], RowIds, Numbers], Sequence[Row]] | None
    effects: Effects
    identity: Column | None
    """The column whose value is `lastrowid`."""
    conflict: ConflictAction | None = None
    returning: PreparedProjection | None = None
    joins: bool = False
    """Whether rows of several executions may go into the state together: nothing but the clustering key is to be checked."""

    def joined(self, rows: Mapping[Any, Row], earlier: Sequence[tuple[Any, Row]] = ()) -> RowsInserted:
        """The event of rows by key."""
        return RowsInserted(self.table.id, self.types, list(rows.values()))


class PreparedUpdate(Record):
    """UPDATE. Either `key(execution, parameters)` gives the one key that it can touch (None: none) and `change(execution, parameters,
    stored row)` the new values of `slots`, () where the WHERE clause drops the row, None where nothing changes; or `targets` is a query for
    (stored row, outputs…) and `finish(execution, parameters, target)` gives the values likewise."""

    table: Table
    types: tuple[DataType, ...]
    key_types: tuple[DataType, ...]
    columns: tuple[ResultColumn, ...]
    parameters: tuple[DataType, ...]
    source: str
    plan: str
    slots: tuple[int, ...]
    effects: Effects
    key_of: Callable[[Row], Any]
    moves: bool
    """Whether key columns change."""
    key: Callable[[Execution, Parameters], Any] | None = None
    change: Callable[[Execution, Parameters, Row, Numbers], Row | None] | None = None
    targets: PreparedQuery | None = None
    finish: Callable[[Execution, Parameters, Row, Numbers], Row | None] | None = None
    returning: Returning | None = None
    joins: bool = False
    """Whether changes of several executions may go into the state together: by key, with nothing to check beyond the row."""

    def joined(self, rows: Mapping[Any, Row], earlier: Sequence[tuple[Any, Row]] = ()) -> RowsUpdated:
        """The event of new values by key, behind those that they replaced."""
        keys, values = list(rows), list(rows.values())
        if earlier:
            keys = [*(key for key, _ in earlier), *keys]
            values = [*(row for _, row in earlier), *values]
        return RowsUpdated(self.table.id, self.key_types, keys, self.slots, self.types, values)


class PreparedDelete(Record):
    """DELETE, by `key` and `keep` (truthy where the rest of WHERE keeps the row out of it), or by `targets`."""

    table: Table
    key_types: tuple[DataType, ...]
    columns: tuple[ResultColumn, ...]
    parameters: tuple[DataType, ...]
    source: str
    plan: str
    effects: Effects
    key_of: Callable[[Row], Any]
    key: Callable[[Execution, Parameters], Any] | None = None
    matches: Callable[[Execution, Parameters, Row], Any] | None = None
    targets: PreparedQuery | None = None
    returning: Returning | None = None


class Returning(Record):
    """RETURNING of UPDATE and DELETE: over stored rows; with `extra`, over pairs of stored row and the row of what the other tables gave,
    which are the outputs of the target query from place `extra` on."""

    projection: PreparedProjection
    extra: int | None = None


class PreparedTruncate(Record):
    """TRUNCATE: every row of `tables`; `sequences` start again. `outside`: foreign keys from tables that are not truncated."""

    tables: tuple[Table, ...]
    sequences: tuple[int, ...]
    columns: tuple[ResultColumn, ...] = field(default=())
    parameters: tuple[DataType, ...] = field(default=())
    source: str = ""
    plan: str = "Truncate"


PreparedWrite = PreparedInsert | PreparedUpdate | PreparedDelete | PreparedTruncate


def key_function(table: Table) -> Callable[[Row], Any]:
    """The function from a stored row to its key in the table's tree."""
    slots = table.key_slots
    if len(slots) == 1:
        slot = slots[0]
        return lambda row: row[slot]
    return lambda row: tuple([row[s] for s in slots])


def has_plain_key(table: Table) -> bool:
    """Whether equal keys are one key to a dictionary too: no column of the key can hold NaN."""
    return not any(table.by_id[c].datatype.kind in (Kind.REAL, Kind.DOUBLE, Kind.NUMERIC) for c in table.key)


def resolved_parameters(env: Environment) -> tuple[DataType, ...]:
    """The parameters' types; TEXT for one whose place says nothing, as PostgreSQL takes an untyped literal."""
    return tuple(TEXT if t is None else t for t in env.parameter_types)
