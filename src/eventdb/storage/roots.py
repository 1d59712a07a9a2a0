"""The history of the catalog in a snapshot's root: each object once, each catalog as what changed since the one before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from eventdb.errors import DataCorrupted
from eventdb.model.catalog import Catalog
from eventdb.model.schema import Index, Relation, Sequence, Table, View
from eventdb.storage.codec import pack_object, unpack_object
from eventdb.storage.state import State

Packed = Any
History = tuple[tuple[int, Catalog], ...]

_KINDS: dict[type, str] = {Table: "tables", View: "views", Index: "indexes", Sequence: "sequences"}
_CLASSES: tuple[type, ...] = (Table, View, Index, Sequence)


def pack_history(state: State, others: Iterable[Table]) -> tuple[Packed, dict[int, int]]:
    """[objects, catalogs], and for each object, by identity, its place among the objects; `others` may be in no catalog."""
    objects: list[Packed] = []
    place: dict[int, int] = {}

    def at(item: Relation) -> int:
        if id(item) not in place:
            place[id(item)] = len(objects)
            objects.append([_CLASSES.index(type(item)), pack_object(item)])
        return place[id(item)]

    catalogs: list[Packed] = []
    known: dict[int, Relation] = {}
    schemas: dict[str, str | None] | None = None
    for number, catalog in state.catalogs:
        now: dict[int, Relation] = {}
        for kind in _KINDS.values():
            now.update(getattr(catalog, kind))
        coming = [at(item) for i, item in now.items() if known.get(i) is not item]
        leaving = [i for i in known if i not in now]
        changed = None if catalog.schemas == schemas else catalog.schemas
        catalogs.append([number, changed, coming, leaving, catalog.next_id])
        known, schemas = now, catalog.schemas
    for table in others:
        at(table)
    return [objects, catalogs], place


def unpack_history(packed: Packed) -> tuple[History, list[Any]]:
    """What `pack_history` packed: the history and the objects."""
    packed_objects, packed_catalogs = packed
    objects = [unpack_object(_CLASSES[kind], item) for kind, item in packed_objects]
    history: list[tuple[int, Catalog]] = []
    last = Catalog()
    for number, schemas, coming, leaving, next_id in packed_catalogs:
        parts: dict[str, Any] = {kind: dict(getattr(last, kind)) for kind in _KINDS.values()}
        for item_id in leaving:
            for part in parts.values():
                part.pop(item_id, None)
        for place in coming:
            item = objects[place]
            parts[_KINDS[type(item)]][item.id] = item
        last = Catalog(version=(number, 0), schemas=last.schemas if schemas is None else schemas, next_id=next_id, **parts)
        history.append((number, last))
    if not history:
        raise DataCorrupted("a snapshot without a catalog")
    return tuple(history), objects
