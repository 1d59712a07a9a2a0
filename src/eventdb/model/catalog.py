"""The catalog: every schema object at one moment, an immutable value inside the state.

`Catalog.version` is the number of the transaction that last changed it; two catalogs of one history with the same version are equal, so a
version identifies the schema that a compiled plan was made for. Inside a transaction that has changed the schema, `version` is unique
to each change: (number, change count).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import count

from eventdb.model.record import Record, field, replace
from eventdb.model.schema import DEFAULT_SCHEMA, TEMPORARY_SCHEMA, Index, Relation, Sequence, Table, View


class Catalog(Record, derived=True):
    """All objects by id; look-ups by name. Tables, views, sequences and indexes of one schema share one name space, as in PostgreSQL."""

    version: tuple[int, int] = (0, 0)
    schemas: dict[str, str | None] = field(default_factory=lambda: {DEFAULT_SCHEMA: None})
    """Schema name → comment."""
    tables: dict[int, Table] = field(default_factory=dict)
    views: dict[int, View] = field(default_factory=dict)
    indexes: dict[int, Index] = field(default_factory=dict)
    sequences: dict[int, Sequence] = field(default_factory=dict)
    next_id: int = 1
    """The next id for an object of any kind, storages included; ids are never reused."""
    next_temporary: int = -1
    """The same for objects of the session (see `model.schema.TEMPORARY_SCHEMA`), whose ids are negative."""

    def new_ids(self, schema: str) -> Iterator[int]:
        """Unused ids for objects that are to be made in that schema, one after the other."""
        return count(self.next_temporary, -1) if schema == TEMPORARY_SCHEMA else count(self.next_id)

    def new_id(self, schema: str) -> int:
        """The first of `new_ids`."""
        return self.next_temporary if schema == TEMPORARY_SCHEMA else self.next_id

    @cached_property
    def storages_before(self) -> dict[int, list[tuple[int, Table]]]:
        """The earlier storages of tables by the tables' ids, for those that find them out: (the last transaction that used it, the table as
        it was then), the newest first."""
        return {}

    @cached_property
    def names(self) -> dict[tuple[str, str], Relation]:
        """(schema, name) → object, over all kinds."""
        return {
            (o.schema, o.name): o
            for kind in (self.tables, self.views, self.sequences, self.indexes)
            for o in kind.values()
        }

    def find(self, schema: str, name: str) -> Relation | None:
        return self.names.get((schema, name))

    @cached_property
    def _indexes_of(self) -> dict[int, tuple[Index, ...]]:
        found: dict[int, list[Index]] = {}
        for index in self.indexes.values():
            found.setdefault(index.table_id, []).append(index)
        return {table_id: tuple(indexes) for table_id, indexes in found.items()}

    def indexes_of(self, table_id: int) -> tuple[Index, ...]:
        return self._indexes_of.get(table_id, ())

    @cached_property
    def _referencing(self) -> dict[int, tuple[Table, ...]]:
        found: dict[int, list[Table]] = {}
        for table in self.tables.values():
            for target in {key.referenced_table for key in table.foreign_keys}:
                found.setdefault(target, []).append(table)
        return {table_id: tuple(tables) for table_id, tables in found.items()}

    def referencing(self, table_id: int) -> tuple[Table, ...]:
        """The tables with a foreign key to this one (itself included, where it refers to itself)."""
        return self._referencing.get(table_id, ())

    def relations(self) -> Iterator[Relation]:
        yield from self.names.values()

    def with_object(self, version: tuple[int, int], item: Relation) -> Catalog:
        """This catalog with `item` added, or put in place of the one with its id."""
        kind = {Table: "tables", View: "views", Index: "indexes", Sequence: "sequences"}[type(item)]
        changed = {**getattr(self, kind), item.id: item}
        used = item.storage if isinstance(item, Table) else item.id
        if item.id < 0:
            return replace(self, version=version, next_temporary=min(self.next_temporary, item.id - 1, used - 1), **{kind: changed})
        return replace(self, version=version, next_id=max(self.next_id, item.id + 1, used + 1), **{kind: changed})

    def without_object(self, version: tuple[int, int], item_id: int) -> Catalog:
        """This catalog without the object of that id."""
        for kind in ("tables", "views", "indexes", "sequences"):
            objects = getattr(self, kind)
            if item_id in objects:
                return replace(self, version=version, **{kind: {i: o for i, o in objects.items() if i != item_id}})
        raise KeyError(item_id)

    def with_schema(self, version: tuple[int, int], name: str, comment: str | None = None) -> Catalog:
        return replace(self, version=version, schemas={**self.schemas, name: comment})

    def without_schema(self, version: tuple[int, int], name: str) -> Catalog:
        return replace(self, version=version, schemas={n: c for n, c in self.schemas.items() if n != name})
