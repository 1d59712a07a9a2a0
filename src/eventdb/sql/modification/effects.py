"""What a write must be held against beyond its own rows: unique keys, and foreign keys in both directions. Derived from the catalog
alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from eventdb.model.catalog import Catalog
from eventdb.model.keys import component
from eventdb.model.record import Record
from eventdb.model.schema import ForeignKey, Index, Table, Unique
from eventdb.sql.definition.indexes import index_key_text, index_keys, index_slots

Components = tuple[Any, ...]


class UniqueKey(Record):
    """A key that must be unique among the rows of a table.

    `index_id` None: the table's clustering key. `slots`: those that hold the key's columns, None where it has expressions or a condition.
    `key(row)`: the index components of a stored row, None for a row that takes no part (a NULL, or outside a partial index).
    """

    name: str
    index_id: int | None
    slots: tuple[int, ...] | None
    depends: frozenset[int]
    key: Callable[[tuple[Any, ...]], Components | None]
    columns: str
    deferrable: bool = False
    deferred: bool = False


class Reference(Record):
    """One foreign key, from `table` to `parent`."""

    table: Table
    key: ForeignKey
    parent: Table
    slots: tuple[int, ...]
    parent_slots: tuple[int, ...]
    columns: str
    parent_columns: str
    parent_index: int | None
    """The unique index that holds the referenced key; None for the clustering key."""
    parent_order: tuple[int, ...]
    """For each component of that index the place of its column among the referenced ones."""
    child_index: int | None
    """An index whose leading columns are the referencing ones (as `child_order` says); None: look at every row."""
    child_order: tuple[int, ...] = ()


class Effects(Record):
    """The checks that a write of `table` has to make."""

    table: Table
    uniques: tuple[UniqueKey, ...]
    references: tuple[Reference, ...]
    referenced: tuple[Reference, ...]
    computed: tuple[Callable[[tuple[Any, ...]], Any], ...] = ()
    """The key functions of indexes that are computed and not unique: their errors must show before an event is applied."""

    def compute_indexes(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Raise what computing an index key of these stored rows raises."""
        if self.computed:
            for row in rows:
                for key in self.computed:
                    key(row)

    @property
    def free(self) -> bool:
        return not (self.uniques or self.references or self.referenced or self.computed)


def effects(catalog: Catalog, table: Table, changed: Iterable[int] | None = None) -> Effects:
    """What to check when the slots `changed` of rows of `table` change; None: all (rows come or go)."""
    touched = None if changed is None else frozenset(changed)
    uniques = tuple(u for u in unique_keys(catalog, table) if touched is None or u.depends & touched)
    outgoing = tuple(
        r for r in (reference(catalog, table, key) for key in table.foreign_keys) if touched is None or not touched.isdisjoint(r.slots)
    )
    incoming = tuple(r for r in incoming_references(catalog, table) if touched is None or not touched.isdisjoint(r.parent_slots))
    computed = tuple(
        index_keys(table, index) for index in catalog.indexes_of(table.id)
        if _is_computed(index) and (touched is None or index_slots(table, index) & touched)
    )  # fmt: skip
    return Effects(table, uniques, outgoing, incoming, computed)


def _is_computed(index: Index) -> bool:
    return index.where is not None or any(c.column_id is None for c in index.columns)


def incoming_references(catalog: Catalog, table: Table) -> Iterable[Reference]:
    for child in catalog.referencing(table.id):
        for key in child.foreign_keys:
            if key.referenced_table == table.id:
                yield reference(catalog, child, key)


def unique_keys(catalog: Catalog, table: Table) -> tuple[UniqueKey, ...]:
    """Every key of the table that must be unique, the clustering key first (a hidden row id is unique by itself)."""
    found: list[UniqueKey] = []
    constraints = {u.index_id: u for u in table.uniques}
    clustered = constraints.get(None)
    if clustered is not None:
        found.append(_clustering(table, clustered))
    for index in catalog.indexes_of(table.id):
        if index.unique:
            found.append(_indexed(table, index, constraints.get(index.id)))
    return tuple(found)


def _clustering(table: Table, constraint: Unique) -> UniqueKey:
    slots = table.key_slots
    return UniqueKey(
        constraint.name, None, slots, frozenset(slots), _plain_key(tuple((s, False, False) for s in slots), True),
        column_list(table, table.key), constraint.deferrable, constraint.deferred,
    )  # fmt: skip


def _indexed(table: Table, index: Index, constraint: Unique | None) -> UniqueKey:
    plain = index.where is None and all(c.column_id is not None for c in index.columns)
    if plain:
        parts = tuple((table.by_id[c.column_id].slot, c.descending, c.nulls_first) for c in index.columns if c.column_id is not None)
        key = _plain_key(parts, index.nulls_distinct)
        slots: tuple[int, ...] | None = tuple(p[0] for p in parts)
    else:
        key, slots = index_keys(table, index, unique=True), None
    return UniqueKey(
        constraint.name if constraint else index.name, index.id, slots, index_slots(table, index), key, index_key_text(table, index),
        bool(constraint and constraint.deferrable), bool(constraint and constraint.deferred),
    )  # fmt: skip


def unique_key_of_index(table: Table, index: Index) -> UniqueKey:
    """The key of any index as a key to compare rows by."""
    return _indexed(table, index, None)


def _plain_key(parts: tuple[tuple[int, bool, bool], ...], nulls_distinct: bool) -> Callable[[tuple[Any, ...]], Components | None]:
    if len(parts) == 1 and nulls_distinct:
        slot, descending, first = parts[0]

        def single(row: tuple[Any, ...]) -> Components | None:
            value = row[slot]
            if value is None:
                return None
            return (value,) if value == value and not descending else (component(value, descending, first),)

        return single

    def several(row: tuple[Any, ...]) -> Components | None:
        if nulls_distinct and any(row[slot] is None for slot, _, _ in parts):
            return None
        return tuple(component(row[slot], descending, first) for slot, descending, first in parts)

    return several


def reference(catalog: Catalog, table: Table, key: ForeignKey) -> Reference:
    """The foreign key with everything that checking it needs."""
    parent = catalog.tables[key.referenced_table]
    parent_index, parent_order = _key_index(catalog, parent, key.referenced_columns)
    child_index, child_order = _child_index(catalog, table, key.columns)
    return Reference(
        table, key, parent,
        tuple(table.by_id[c].slot for c in key.columns), tuple(parent.by_id[c].slot for c in key.referenced_columns),
        column_list(table, key.columns), column_list(parent, key.referenced_columns),
        parent_index, parent_order, child_index, child_order,
    )  # fmt: skip


def column_list(table: Table, columns: Iterable[int]) -> str:
    return ", ".join(table.by_id[c].name for c in columns)


def _key_index(catalog: Catalog, parent: Table, columns: tuple[int, ...]) -> tuple[int | None, tuple[int, ...]]:
    if set(parent.key) == set(columns) and len(parent.key) == len(columns):
        return None, tuple(columns.index(c) for c in parent.key)
    for index in catalog.indexes_of(parent.id):
        ids = [c.column_id for c in index.columns]
        if index.unique and index.where is None and len(ids) == len(columns) and set(ids) == set(columns):
            return index.id, tuple(columns.index(c) for c in ids if c is not None)
    raise AssertionError("a foreign key without the unique key that it refers to")


def _child_index(catalog: Catalog, table: Table, columns: tuple[int, ...]) -> tuple[int | None, tuple[int, ...]]:
    for index in catalog.indexes_of(table.id):
        lead = index.columns[: len(columns)]
        ids = [c.column_id for c in lead]
        if index.where is None and len(ids) == len(columns) and set(ids) == set(columns) and not any(c.descending for c in lead):
            return index.id, tuple(columns.index(c) for c in ids if c is not None)
    return None, ()
