"""The seam between the database and its log.

`EventLog` is shaped so that a replicated log engine can satisfy it: appends are conditional on the head, an append whose answer was lost is
resolved by reading position `expect + 1` and comparing `txid`, and readers wait for what others append. A log knows nothing of
what a body means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, Protocol

from eventdb.errors import DataCorrupted, OperationalError, ProgramLimitExceeded
from eventdb.model import record
from eventdb.model.event import BodiesRewritten
from eventdb.model.transaction import Header, Provenance

Durability = Literal["full", "os", "none"]
"""full: on the disk before append returns; os: handed to the operating system; none: may stay in a buffer of the process."""


NOBODY = Provenance()
"""Neither who nor why."""


class Ambiguous(OperationalError, sqlstate="08007"):
    """The append may or may not have happened; read position expect + 1 and compare the txid."""


class Unavailable(OperationalError, sqlstate="57P03", retryable=True):
    """The log cannot be reached now; the append did not happen."""


class LogFull(OperationalError, sqlstate="53100"):
    """No room; the append did not happen."""


class RecordTooLarge(ProgramLimitExceeded, sqlstate="54000"):
    """The record is over the log's limit; the append did not happen."""


class LogReplaced(DataCorrupted, sqlstate="XX001"):
    """The log is not the one that this reader knew (another log_id, or another hash at a known position)."""


class Proposal(record.Record):
    """A transaction to append: its body (uncompressed encoded events), its identity, its wish for a commit time and who and why.

    `time` in microseconds UTC; the log assigns max(time, last + 1).
    """

    txid: bytes
    body: bytes
    time: int
    provenance: Provenance = NOBODY


class Record(record.Record):
    """A transaction as it stands in the log. `body` is uncompressed; `hash` is that of the header, which the next header names.

    `redacted_by`: the transaction that put this body in the place of another and has the receipt for it, 0 for the body that the header
    names. `rewrites`: it has such receipts itself.
    """

    header: Header
    hash: bytes
    body: bytes
    redacted_by: int = 0
    rewrites: bool = False


class Appended(record.Record):
    """The headers of the appended transactions, in order, and the new head's hash."""

    headers: tuple[Header, ...]
    hash: bytes


class Conflict(record.Record):
    """The head was not `expect`; nothing was appended."""

    head: int


class EventLog(Protocol):
    """An append-only sequence of transactions, numbered from 1 without gaps."""

    log_id: bytes

    @property
    def first(self) -> int:
        """The first number that can still be read (1 unless truncated)."""
        ...

    @property
    def head(self) -> int:
        """The last number known here; 0 for an empty log. `refresh` looks for more."""
        ...

    @property
    def head_hash(self) -> bytes:
        """The hash of the head's header; the hash of the log's genesis (see docs/format.md) while it is empty."""
        ...

    def append(self, proposals: Sequence[Proposal], expect: int, durability: Durability = "full") -> Appended | Conflict:
        """Append the proposals, all or none, as expect + 1, expect + 2, …, if the head is `expect`.

        Raises Ambiguous, Unavailable, LogFull, RecordTooLarge, LogReplaced.
        """
        ...

    def rewrite(
        self, expect: int, txid: bytes, replace: Callable[[Record], bytes | None], propose: Callable[[BodiesRewritten], Proposal]
    ) -> Appended | Conflict:
        """Put other bodies in the place of old ones, and append as expect + 1 the transaction that says so: all or nothing.

        `replace` is given every record in order and gives the new body, or None where it is to stay. `propose` is then given the receipts
        and makes the transaction, which has `txid` and holds them in its body. Nobody else appends meanwhile; an error of either leaves
        everything as it was, and so does what `append` raises. The transaction is on the disk before any body is replaced; if this process
        then dies, or fails to replace them all (IOFailure), the next to open the log does it.
        """
        ...

    @property
    def rewritten(self) -> int:
        """The last transaction known here to have replaced bodies, as far as records were followed since the log was opened; 0 for none."""
        ...

    def refresh(self) -> int:
        """Look for records that others appended; the head. Costs next to nothing where there are none."""
        ...

    def read(self, after: int = 0, until: int | None = None) -> Iterator[Record]:
        """Records after < number <= until (None: the head), in order, each checked against its checksum, hashes and chain.

        Raises DataCorrupted, which names segment, offset and transaction.
        """
        ...

    def headers(self, after: int = 0, until: int | None = None) -> Iterator[bytes]:
        """The headers after < number <= until as they stand in their records, each checked against the chain; bodies are not looked at."""
        ...

    def given_up(self) -> tuple[int, list[bytes]]:
        """Of the transactions that `truncate` removed: how many, and the peaks of the Merkle tree over them (storage.log.merkle)."""
        ...

    def wait(self, after: int, timeout: float | None = None) -> int:
        """Block until the head is beyond `after` or `timeout` seconds have passed; the head."""
        ...

    def truncate(self, before: int) -> None:
        """Give up whole segments that hold only numbers < before (retention). What the Merkle tree needs of them is kept: `given_up`."""
        ...

    def sync(self) -> None:
        """Bring to the disk what was appended with a weaker durability."""
        ...

    def close(self) -> None: ...
