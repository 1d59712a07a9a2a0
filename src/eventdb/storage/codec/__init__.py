"""What is stored, as CBOR and back: the one door to the CBOR library.

    dumps, loads                     one item
    encode_body, decode_body         the events of a transaction
    pack_…, unpack_…                 parts, as something that `dumps` takes, for whoever composes an item of their own (snapshots)

Damaged bytes raise DataCorrupted, bytes of a newer eventdb FormatVersionError, values that cannot be stored DataError. docs/format.md
describes the bytes.
"""

from eventdb.storage.codec.cbor import Tag, dumps, loads
from eventdb.storage.codec.columns import pack_column, pack_integers, unpack_column, unpack_integers
from eventdb.storage.codec.events import decode_body, encode_body, event_count, pack_event, unpack_event
from eventdb.storage.codec.objects import pack_object, pack_type, pack_types, unpack_object, unpack_type, unpack_types
from eventdb.storage.codec.rows import pack_keys, pack_rows, unpack_keys, unpack_rows
from eventdb.storage.codec.scalars import pack_value, unpack_value

__all__ = [
    "Tag", "decode_body", "dumps", "encode_body", "event_count", "loads", "pack_column", "pack_event", "pack_integers", "pack_keys",
    "pack_object", "pack_rows", "pack_type", "pack_types", "pack_value", "unpack_column", "unpack_event", "unpack_integers", "unpack_keys",
    "unpack_object", "unpack_rows", "unpack_type", "unpack_types", "unpack_value",
]  # fmt: skip
