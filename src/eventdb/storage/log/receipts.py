"""Receipts: what says that a body was replaced, and by what.

The chain covers headers, and a header names the hash of the body that its transaction had first. A transaction that replaces bodies
(erasure, retention) carries a receipt for each: the number, and the hash of the new body. The replaced record names that transaction, so
whoever reads it knows where its receipt stands; the receipt is in the chain, so nobody can make one later.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from eventdb.errors import DataCorrupted
from eventdb.model.event import BodiesRewritten
from eventdb.storage.codec import decode_body
from eventdb.storage.log.base import Record
from eventdb.storage.log.chain import body_hash


def receipts_in(body: bytes) -> BodiesRewritten:
    """The receipts in a body; none where it has none."""
    for event in decode_body(body):
        if type(event) is BodiesRewritten:
            return event
    return BodiesRewritten((), ())


def receipt_for(receipts: BodiesRewritten, number: int) -> bytes | None:
    """The hash of the body that transaction `number` was given there."""
    numbers: Sequence[int] = receipts.numbers
    at = bisect_left(numbers, number)
    return receipts.hashes[at] if at < len(numbers) and numbers[at] == number else None


class Redactions:
    """Watches records that are read in order from a known place on: each replaced body must be the one of its newest receipt.

    `found`: number of a transaction → number of the one that replaced its body last.
    """

    def __init__(self, after: int = 0) -> None:
        self._after = after
        self.found: dict[int, int] = {}
        self._hashes: dict[int, bytes] = {}

    def follow(self, record: Record) -> None:
        """Take the next record. Raises DataCorrupted where an older one, met before, should have been replaced and was not."""
        number = record.header.number
        if record.redacted_by:
            self.found[number] = record.redacted_by
            self._hashes[number] = body_hash(record.body)
        if not record.rewrites:
            return
        receipts = receipts_in(record.body)
        for rewritten, given in zip(receipts.numbers, receipts.hashes, strict=True):
            by = self.found.get(rewritten, 0)
            if by == number and self._hashes[rewritten] != given:
                raise DataCorrupted(f"the body of transaction {rewritten} has not the hash that the receipt in transaction {number} names")
            if rewritten > self._after and by < number:
                raise DataCorrupted(
                    f"transaction {rewritten} has a body from before transaction {number} replaced it",
                    hint="A file of the log is an older copy: take it from where it was replaced, or erase again. "
                    "If this is a backup, run it again.",
                )
