"""Digests of a log, and proofs against them: how somebody who keeps a few bytes elsewhere can tell whether history was changed.

A *digest* is a small JSON value: which log, up to which transaction, when that was committed, the hash of its header, and the root of the
Merkle tree (RFC 6962) over the headers of all transactions up to it. A *proof* shows somebody who has a digest, and nothing else, that a
transaction is in the log, or that a later digest is of a log that only went on. `check_proof` needs no database;
examples/check_proof.py is the same with nothing of eventdb.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from eventdb.errors import DataCorrupted, Error, InvalidParameterValue, ObjectNotInPrerequisiteState, SnapshotTooOld
from eventdb.model.record import Record
from eventdb.model.transaction import datetime_of, microseconds_of
from eventdb.storage.log import chain
from eventdb.storage.log.merkle import HASH, MerkleTree, is_consistent, leaf_hash, root_of_inclusion
from eventdb.storage.verification import Verification

if TYPE_CHECKING:
    from eventdb.engine.database import Database

DIGEST = "eventdb digest 1"
INCLUSION = "eventdb inclusion proof 1"
CONSISTENCY = "eventdb consistency proof 1"

Json = Mapping[str, Any]


class InvalidProof(DataCorrupted, sqlstate="XX001"):
    """A proof does not prove what it says, or not against this digest."""


class Digest(Record):
    """A digest whose form was checked. `time` in microseconds, None before the first transaction."""

    log_id: bytes
    transaction: int
    time: int | None
    hash: bytes
    root: bytes

    def as_json(self) -> dict[str, Any]:
        moment = None if self.time is None else datetime_of(self.time).isoformat(timespec="microseconds")
        return {
            "format": DIGEST, "log_id": self.log_id.hex(), "transaction": self.transaction, "time": moment,
            "hash": self.hash.hex(), "root": self.root.hex(),
        }  # fmt: skip


def digest_from(value: Any) -> Digest:
    """The digest that a JSON value is; what else stands in it (a signature) is not looked at. Raises InvalidParameterValue."""
    if not isinstance(value, Mapping) or value.get("format") != DIGEST:
        raise InvalidParameterValue(f"this is no digest of a log: {_shown(value)}")
    number, time = value.get("transaction"), value.get("time")
    try:
        if type(number) is not int or number < 0 or (time is None) != (number == 0):
            raise ValueError
        moment = None if time is None else microseconds_of(datetime.datetime.fromisoformat(time))
        return Digest(_bytes(value, "log_id", 16), number, moment, _bytes(value, "hash", HASH), _bytes(value, "root", HASH))
    except (ValueError, TypeError):
        raise InvalidParameterValue(f"this digest of a log has not the form of one: {_shown(value)}") from None


def _bytes(value: Json, name: str, size: int | None = None) -> bytes:
    data = bytes.fromhex(value[name]) if isinstance(value.get(name), str) else b""
    if not data or (size is not None and len(data) != size):
        raise ValueError(name)
    return data


def _shown(value: Any) -> str:
    text = repr(dict(value) if isinstance(value, Mapping) else value)
    return text if len(text) <= 200 else text[:200] + "…"


# made from a database


def _tree(database: Database, size: int) -> MerkleTree:
    tree = database.merkle_tree()
    if size < tree.given:
        raise SnapshotTooOld(f"the root over {size} transactions is no longer known: the log begins at transaction {database.log.first}")
    return tree


def _header(database: Database, number: int) -> bytes:
    return next(iter(database.log.headers(number - 1, number)))


def _hash(database: Database, number: int) -> bytes:
    """The hash of a transaction's header; that of the last one that was given up stands in the one after it."""
    log = database.log
    if number == 0:
        return chain.genesis(log.log_id)
    if number == log.head:
        return log.head_hash
    if number == log.first - 1:
        return chain.decode_header(_header(database, number + 1)).previous
    return chain.header_hash(_header(database, number))


def digest(database: Database, transaction: int | None = None) -> Digest:
    """The digest of the log up to a transaction (None: the head). Raises InvalidParameterValue, SnapshotTooOld."""
    head = database.refresh()
    number = head.number if transaction is None else transaction
    if type(number) is not int or not 0 <= number <= head.number:
        raise InvalidParameterValue(f"there is no transaction {number!r}: the database stands at transaction {head.number}")
    log = database.log
    root = _tree(database, number).root(number)
    return Digest(log.log_id, number, head.time_of(number), _hash(database, number), root)


def compare(database: Database, kept: Digest, found: Verification) -> None:
    """Hold the log against a digest that was kept elsewhere; what does not fit is reported."""
    found.digests += 1
    number, log = kept.transaction, database.log
    if kept.log_id != log.log_id:
        found.report("digest", f"the digest is of log {kept.log_id.hex()}, this is log {log.log_id.hex()}")
    elif number > log.head:
        found.report(
            "digest", f"the log ends at transaction {log.head}, the digest is of transaction {number}: what came after was cut off", number
        )
    elif number + 1 < log.first:
        found.report("digest", f"the log begins at transaction {log.first}: the digest of {number} cannot be held against it", number)
    else:
        _compare_hashes(database, kept, found)


def _compare_hashes(database: Database, kept: Digest, found: Verification) -> None:
    number = kept.transaction
    try:
        now = digest(database, number)
    except Error as error:
        found.report("digest", f"the digest of transaction {number} cannot be held against the log: {error.message}", number)
        return
    wrong = [
        what
        for what, differs in (
            ("its hash", now.hash != kept.hash), ("its commit time", now.time != kept.time), ("the Merkle root", now.root != kept.root)
        )
        if differs
    ]  # fmt: skip
    if wrong:
        what = ", ".join(wrong)
        found.report(
            "digest", f"transaction {number} is not what it was when the digest was taken ({what}): history was rewritten", number
        )


def inclusion_proof(database: Database, transaction: int, kept: Any = None, body: bool = False) -> dict[str, Any]:
    """The proof that a transaction is in the log that a digest is of (None: one of the head), with the transaction's body if wanted.

    Raises InvalidParameterValue, SnapshotTooOld, DataCorrupted where the digest is not of this log, ObjectNotInPrerequisiteState for a body
    that was replaced by erasure or retention.
    """
    against = _against(database, kept)
    if type(transaction) is not int or not 1 <= transaction <= against.transaction:
        raise InvalidParameterValue(f"transaction {transaction!r} is not among the {against.transaction} of the digest")
    if transaction < database.log.first:
        raise SnapshotTooOld(f"transaction {transaction} is no longer in the log, which begins at transaction {database.log.first}")
    path = _tree(database, against.transaction).inclusion(transaction - 1, against.transaction)
    proof = {
        "format": INCLUSION, "transaction": transaction, "header": _header(database, transaction).hex(),
        "path": [node.hex() for node in path], "digest": against.as_json(),
    }  # fmt: skip
    if body:
        record = next(iter(database.log.read(transaction - 1, transaction)))
        if record.redacted_by:
            raise ObjectNotInPrerequisiteState(
                f"transaction {record.redacted_by} took values out of transaction {transaction}: its header can be proved, not its body"
            )
        proof["body"] = record.body.hex()
    return proof


def consistency_proof(database: Database, older: Any, newer: Any = None) -> dict[str, Any]:
    """The proof that the log of one digest goes on the log of an older one. Raises as `inclusion_proof`."""
    one, other = _against(database, older), _against(database, newer)
    if not 0 < one.transaction <= other.transaction:
        raise InvalidParameterValue(f"transaction {one.transaction} is no beginning of {other.transaction} transactions")
    path = _tree(database, one.transaction).consistency(one.transaction, other.transaction)
    return {"format": CONSISTENCY, "older": one.as_json(), "newer": other.as_json(), "path": [node.hex() for node in path]}


def _against(database: Database, kept: Any) -> Digest:
    """A digest that this log has, checked."""
    if kept is None:
        return digest(database)
    against, found = digest_from(kept), Verification()
    compare(database, against, found)
    if found.problems:
        raise DataCorrupted(found.problems[0].message)
    return against


# checked without one


def check_proof(proof: Json, *digests: Json) -> None:
    """Check an inclusion or a consistency proof against digests that were kept elsewhere; each must be one that the proof names.

    Raises InvalidProof, and InvalidParameterValue for what has not the form of a proof or digest.
    """
    kept = [digest_from(value) for value in digests]
    if not kept:
        raise InvalidParameterValue("a proof is checked against a digest that was kept elsewhere")
    if not isinstance(proof, Mapping) or proof.get("format") not in (INCLUSION, CONSISTENCY):
        raise InvalidParameterValue(f"this is no proof: {_shown(proof)}")
    try:
        path = [bytes.fromhex(node) for node in proof["path"]]
        named = [digest_from(proof[name]) for name in (("digest",) if proof["format"] == INCLUSION else ("older", "newer"))]
        _check_named(named, kept)
        if proof["format"] == INCLUSION:
            _check_inclusion(proof, named[0], path)
        else:
            one, other = named
            if one.log_id != other.log_id or not is_consistent(one.transaction, one.root, other.transaction, other.root, path):
                raise InvalidProof(f"the path does not lead from the root over {one.transaction} to that over {other.transaction}")
    except (KeyError, ValueError, TypeError):
        raise InvalidParameterValue(f"this proof has not the form of one: {_shown(proof)}") from None


def _check_named(named: Sequence[Digest], kept: Iterable[Digest]) -> None:
    for one in kept:
        if one not in named:
            raise InvalidProof(f"the proof is not about the digest of transaction {one.transaction} of log {one.log_id.hex()}")


def _check_inclusion(proof: Json, against: Digest, path: Sequence[bytes]) -> None:
    number, data = proof["transaction"], _bytes(proof, "header")
    header = chain.decode_header(data)
    if header.number != number:
        raise InvalidProof(f"the header is that of transaction {header.number}, not of {number}")
    if root_of_inclusion(leaf_hash(data), number - 1, against.transaction, path) != against.root:
        raise InvalidProof(f"the path does not lead from transaction {number} to the root over {against.transaction} transactions")
    if "body" in proof and sha256(bytes.fromhex(proof["body"])).digest() != header.body:
        raise InvalidProof(f"the body has not the hash that the header of transaction {number} names")
