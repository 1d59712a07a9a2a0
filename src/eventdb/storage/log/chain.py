"""The hash chain: what a header's bytes are, and what is hashed.

    genesis            SHA-256("eventdb genesis" + log_id)             `previous` of transaction 1
    Header.body        SHA-256(body as encoded, before compression)
    Record.hash        SHA-256(header bytes)                           `previous` of the next transaction

A header names the hash of the header before it, so the head's hash stands for the whole history. Bodies hang on the chain by their hash
only: a body can be replaced later (erasure) without breaking the chain, given a receipt that says so.
"""

from __future__ import annotations

from hashlib import sha256

from eventdb.errors import DataCorrupted, ProgrammingError, SnapshotTooOld
from eventdb.model.transaction import Header, Provenance
from eventdb.storage import codec
from eventdb.storage.log.base import Proposal

HASH_BYTES = 32
RECORD_LIMIT = 1 << 30
"""The largest body, in bytes before compression, that a log takes unless told otherwise."""
HEADER_LIMIT = 1 << 20
"""The largest header in bytes: what actor, reason, correlation id and metadata may take up together."""
_FORM = (int, int, bytes, bytes, bytes)
_NOBODY: list[object] = [None, None, None, {}]
_NO_PROVENANCE = Provenance()
_ARRAY, _EIGHT_BYTES, _SIXTEEN_BYTES, _HASH_HEAD = b"\x89", 0x1B, 0x50, b"\x58\x20"
"""How a header begins as CBOR: an array of 9; and the heads of its time, its txid, and the hash before."""


def genesis(log_id: bytes) -> bytes:
    """What the first header names as its previous hash."""
    return sha256(b"eventdb genesis" + log_id).digest()


def header_for(proposal: Proposal, body_hash: bytes, number: int, last_time: int, previous: bytes) -> Header:
    """The header of `proposal` as transaction `number`, after one committed at `last_time` whose header hash is `previous`."""
    moment = proposal.time if proposal.time > last_time else last_time + 1
    return Header(number, moment, proposal.txid, previous, body_hash, proposal.provenance)


def encode_header(header: Header) -> bytes:
    """The header as a CBOR array: number, time, txid, previous, body hash, actor, reason, correlation id, metadata."""
    who = header.provenance
    return codec.dumps(
        [
            header.number, header.time, header.txid, header.previous, header.body,
            who.actor, who.reason, who.correlation_id, dict(who.metadata),
        ]
    )  # fmt: skip


def decode_header(data: bytes) -> Header:
    """The header from its bytes. Raises DataCorrupted."""
    fields = codec.loads(data)
    if type(fields) is not list or tuple(map(type, fields[:5])) != _FORM or len(fields) != 9 or type(fields[8]) is not dict:
        raise DataCorrupted("the header of a transaction has not the form of one")
    number, time, txid, previous, body, *who = fields
    return Header(number, time, txid, previous, body, _NO_PROVENANCE if who == _NOBODY else Provenance(*who))


def continues(data: bytes, number: int, previous: bytes) -> bool:
    """Whether header bytes are, at a glance, those of transaction `number` after the one of that hash; a fifth of what decoding costs.

    False says nothing: they may have another form.
    """
    begin = _ARRAY + codec.dumps(number)
    time = len(begin)
    txid = time + 9
    return (
        data.startswith(begin)
        and data[time] == _EIGHT_BYTES
        and data[txid] == _SIXTEEN_BYTES
        and data[txid + 17 : txid + 19] == _HASH_HEAD
        and data[txid + 19 : txid + 51] == previous
    )


def header_hash(data: bytes) -> bytes:
    """What the next header names: the hash of a header's bytes."""
    return sha256(data).digest()


def body_hash(body: bytes) -> bytes:
    """What a header names of its body (uncompressed)."""
    return sha256(body).digest()


def check_range(after: int, first: int) -> None:
    """Raises SnapshotTooOld where a reader asks for transactions that retention has given up."""
    if after + 1 < first:
        if after < 0:
            raise ProgrammingError(f"there is no transaction {after}")
        raise SnapshotTooOld(f"transaction {after + 1} is no longer in the log, which begins at transaction {first}")


def too_large(number: int, size: int, limit: int) -> str:
    """The message for a record over a limit, in bytes."""
    return f"transaction {number} needs {size:,} bytes in the log; the limit is {limit:,} bytes"
