"""Bodies: the events of one transaction as one CBOR array and back.

An event is an array [name of its class, version of its form, fields…]. A name or a version that is not known here was written by a newer
eventdb: FormatVersionError. A form that changes gets the next version number, and its reader an entry beside the old one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from eventdb.errors import DataError, FormatVersionError
from eventdb.model import event as events
from eventdb.model.event import BodiesRewritten, Event, RowsDeleted, RowsInserted, RowsUpdated, SequenceAdvanced, TableRewritten
from eventdb.model.schema import Index, Table, View
from eventdb.model.schema import Sequence as SequenceObject
from eventdb.storage.codec.cbor import damaged, dumps, loads
from eventdb.storage.codec.columns import pack_integers, unpack_integers
from eventdb.storage.codec.objects import pack_object, pack_types, unpack_object, unpack_types
from eventdb.storage.codec.rows import pack_keys, pack_rows, unpack_keys, unpack_rows

VERSION = 1
_HASH_BYTES = 32
Packed = list[Any]


def encode_body(body: Sequence[Event]) -> bytes:
    """The bytes of a transaction's events. Raises DataError for a value that is not of its type or cannot be stored."""
    return dumps([pack_event(event) for event in body])


def decode_body(data: bytes) -> list[Event]:
    """The events of a body. Raises DataCorrupted, and FormatVersionError for what a newer eventdb wrote."""
    packed = loads(data)
    try:
        return [unpack_event(p) for p in packed]
    except TypeError as failure:
        raise damaged(failure) from failure


def event_count(data: bytes) -> int:
    """How many events a body has, from the head of its array alone. Raises DataCorrupted."""
    first = data[0] if data else 0
    if first >> 5 != 4 or first & 31 > 27:
        raise damaged(ValueError("a body is an array"))
    if first & 31 < 24:
        return first & 31
    return int.from_bytes(data[1 : 1 + (1 << (first & 31) - 24)], "big")


def pack_event(event: Event) -> Packed:
    """One event as something `dumps` takes."""
    pack = _PACK.get(type(event))
    if pack is None:
        raise DataError(f"no stored form for an event of the class {type(event).__name__}")
    return pack(event)


def unpack_event(packed: Packed) -> Event:
    """The event from what `loads` gave. Raises DataCorrupted, FormatVersionError."""
    try:
        unpack = _UNPACK.get((packed[0], packed[1]))
        if unpack is not None:
            return unpack(*packed[2:])
        what = f"version {packed[1]!r} of the event {packed[0]!r}" if packed[0] in _NAMES else f"the event {packed[0]!r}"
    except FormatVersionError:
        raise
    except Exception as failure:
        raise damaged(failure) from failure
    raise FormatVersionError(f"{what} was written by a newer eventdb; this version does not know it")


def _pack_inserted(event: RowsInserted) -> Packed:
    return ["RowsInserted", VERSION, event.table_id, pack_types(event.types), pack_rows(event.types, event.rows)]


def _unpack_inserted(table_id: int, packed_types: Packed, rows: Packed) -> RowsInserted:
    types = unpack_types(packed_types)
    return RowsInserted(table_id, types, unpack_rows(types, rows))


def _pack_updated(event: RowsUpdated) -> Packed:
    return [
        "RowsUpdated", VERSION, event.table_id,
        pack_types(event.key_types), pack_keys(event.key_types, event.keys),
        event.slots, pack_types(event.types), pack_rows(event.types, event.values),
    ]  # fmt: skip


def _unpack_updated(table_id: int, key_types: Packed, keys: Packed, slots: Packed, value_types: Packed, values: Packed) -> RowsUpdated:
    of_keys, of_values = unpack_types(key_types), unpack_types(value_types)
    return RowsUpdated(table_id, of_keys, unpack_keys(of_keys, keys), tuple(slots), of_values, unpack_rows(of_values, values))


def _pack_deleted(event: RowsDeleted) -> Packed:
    return ["RowsDeleted", VERSION, event.table_id, pack_types(event.key_types), pack_keys(event.key_types, event.keys)]


def _unpack_deleted(table_id: int, key_types: Packed, keys: Packed) -> RowsDeleted:
    types = unpack_types(key_types)
    return RowsDeleted(table_id, types, unpack_keys(types, keys))


def _pack_rewritten(event: TableRewritten) -> Packed:
    return ["TableRewritten", VERSION, pack_object(event.table), pack_types(event.types), pack_rows(event.types, event.rows)]


def _unpack_rewritten(table: Packed, packed_types: Packed, rows: Packed) -> TableRewritten:
    types = unpack_types(packed_types)
    return TableRewritten(unpack_object(Table, table), types, unpack_rows(types, rows))


def _pack_rewritten_bodies(event: BodiesRewritten) -> Packed:
    steps = [number - before for before, number in zip((0, *event.numbers), event.numbers, strict=False)]  # these compress better
    return ["BodiesRewritten", VERSION, pack_integers(steps), b"".join(event.hashes)]


def _unpack_rewritten_bodies(packed: Any, hashes: bytes) -> BodiesRewritten:
    numbers = list(accumulate(unpack_integers(packed)))
    if len(hashes) != len(numbers) * _HASH_BYTES:
        raise DataError("receipts with more hashes than transactions, or fewer")
    return BodiesRewritten(numbers, [hashes[at : at + _HASH_BYTES] for at in range(0, len(hashes), _HASH_BYTES)])


_PACK: dict[type, Callable[[Any], Packed]] = {
    RowsInserted: _pack_inserted,
    RowsUpdated: _pack_updated,
    RowsDeleted: _pack_deleted,
    TableRewritten: _pack_rewritten,
    BodiesRewritten: _pack_rewritten_bodies,
    SequenceAdvanced: lambda event: ["SequenceAdvanced", VERSION, event.sequence_id, event.value],
}
_UNPACK: dict[tuple[str, int], Callable[..., Event]] = {
    ("RowsInserted", 1): _unpack_inserted,
    ("RowsUpdated", 1): _unpack_updated,
    ("RowsDeleted", 1): _unpack_deleted,
    ("TableRewritten", 1): _unpack_rewritten,
    ("BodiesRewritten", 1): _unpack_rewritten_bodies,
    ("SequenceAdvanced", 1): SequenceAdvanced,
}


def _with_object(event_class: Any, field: str, kind: type) -> None:
    """The form of an event that is one schema object: [name, version, object]."""
    name = event_class.__name__
    _PACK[event_class] = lambda event: [name, VERSION, pack_object(getattr(event, field))]
    _UNPACK[name, 1] = lambda packed: event_class(unpack_object(kind, packed))


def _with_plain(event_class: Any, *fields: str, version: int = VERSION) -> None:
    """The form of an event of plain values: [name, version, value of each field]."""
    name = event_class.__name__
    _PACK[event_class] = lambda event: [name, version, *(getattr(event, field) for field in fields)]
    _UNPACK[name, version] = event_class


_with_object(events.TableCreated, "table", Table)
_with_object(events.TableAltered, "table", Table)
_with_object(events.IndexCreated, "index", Index)
_with_object(events.ViewCreated, "view", View)
_with_object(events.SequenceCreated, "sequence", SequenceObject)
_with_plain(events.SchemaCreated, "name", "comment")
_with_plain(events.SchemaDropped, "name")
_with_plain(events.HistoryTrimmed, "table_id", "horizon", "versions", "next_row_id", "last", version=2)
# the first form did not say how far something was missing: up to the horizon, then
_UNPACK["HistoryTrimmed", 1] = lambda table_id, horizon, versions, row_id: events.HistoryTrimmed(
    table_id, horizon, versions, row_id, horizon
)
_with_plain(events.RowsErased, "table_id", "rows", "versions", "next_row_id")
_with_plain(events.TableDropped, "table_id")
_with_plain(events.IndexDropped, "index_id")
_with_plain(events.ViewDropped, "view_id")
_with_plain(events.SequenceDropped, "sequence_id")
_NAMES = frozenset(name for name, _ in _UNPACK)
