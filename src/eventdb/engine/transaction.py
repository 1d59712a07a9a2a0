"""A transaction: an editor on top of the state it began on, the events it made, and what it read.

Statements apply their events to the editor as they run, so the transaction reads its own work. Nothing is shared until the commit, and
giving up is
dropping the editor. Savepoints are marks of the editor, O(1).
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from eventdb.engine import provenance
from eventdb.engine.conflicts import LockingReader, ReadSet, RecordingReader
from eventdb.engine.sequences import Allocators, values_after
from eventdb.errors import ReadOnlyTransaction
from eventdb.model import clock
from eventdb.model.catalog import Catalog
from eventdb.model.event import Event, SequenceAdvanced
from eventdb.model.record import Record
from eventdb.model.schema import Sequence, Table
from eventdb.model.transaction import Provenance
from eventdb.sql.reader import StateReader
from eventdb.storage.state import Editor, State

if TYPE_CHECKING:
    from eventdb.engine.database import Database

UTC = datetime.UTC


class Mark(Record, frozen=False):
    """A place in a transaction to come back to."""

    events: int
    editor: Any
    deferred: Any
    set_sequences: frozenset[int]


class Pending:
    """Rows that executions of one prepared write have made, by key: checked, but not yet in the state.

    `earlier`: (key, values) of changes that later ones of the same rows have overtaken; they go into the event too.
    """

    __slots__ = ("earlier", "prepared", "rows")

    def __init__(self, prepared: Any) -> None:
        self.prepared = prepared
        self.rows: dict[Any, Any] = {}
        self.earlier: list[tuple[Any, Any]] = []


class Transaction:
    """One transaction. Not thread-safe: its session lets one statement in at a time.

    `isolation`: "serializable" or "snapshot". `own_allocators`: those of the session, for its temporary objects.
    `pinned`: the transaction number that it reads at, for one that stands in the past.
    `deferred`: constraint checks put off to the commit (engine.constraints). `present`: what the transaction sees, read without being
    remembered. `opened`: the table readers that statements opened on `queries` since the last change, to be used again. `pending`: changes
    that have still to be applied; whoever is about to read, or to do something else, calls `flush` first.
    """

    __slots__ = (
        "_editor", "_reserved", "_set_sequences", "base", "committed", "constraint_modes", "database", "deferred", "events",
        "expected",
        "inner_provenance", "isolation", "opened", "own_allocators", "pending", "pinned", "present", "probes", "queries", "read_only",
        "reader", "reads", "started", "written_provenance",
    )  # fmt: skip

    def __init__(
        self, database: Database, base: State, isolation: str = "serializable", read_only: bool = False, pinned: int | None = None,
        own_allocators: Allocators | None = None,
    ) -> None:  # fmt: skip
        self.database = database
        self.base = base
        self.isolation = isolation
        self.read_only = read_only
        self.pinned = pinned
        self.started = clock.now()
        self.events: list[Event] = []
        self.present: State | Editor = base
        self.opened: dict[Any, Any] = {}
        self.pending: Pending | None = None
        self.reads = ReadSet()
        self.probes = ReadSet()
        self.reader = RecordingReader(base, self.probes)
        self.queries: StateReader
        self.queries = base if read_only or isolation != "serializable" else RecordingReader(base, self.reads)
        self.deferred: Any = {}
        self.constraint_modes: Any = {}
        self.inner_provenance: Provenance | None = None
        self.written_provenance: Provenance | None = None
        self.expected: int | None = None
        self.committed: int | None = None
        """The number that it has got, once it is committed."""
        self._editor: Editor | None = None
        self._reserved: dict[int, int] = {}
        self._set_sequences: frozenset[int] = frozenset()
        self.own_allocators = own_allocators or Allocators()

    @property
    def number(self) -> int:
        """The number that this transaction will have if nobody comes first."""
        return self.base.number + 1

    @property
    def catalog(self) -> Catalog:
        """The schema as this transaction sees it, its own changes included."""
        return self.present.catalog

    @property
    def owns(self) -> bool:
        """Whether it sees, or has made, temporary objects (see `engine.temporary`)."""
        return self.present.catalog.next_temporary < -1

    @property
    def changed(self) -> bool:
        return bool(self.events) or self.pending is not None

    @property
    def reserved(self) -> dict[int, int]:
        """The last value taken of each sequence."""
        return self._reserved

    @property
    def set_sequences(self) -> frozenset[int]:
        """Sequences that this transaction set by hand (setval, RESTART), so that their values are its own until it commits."""
        return self._set_sequences

    @property
    def editor(self) -> Editor:
        """The transaction's own work. Raises ReadOnlyTransaction where it may not write."""
        if self._editor is None:
            self.begin_changes()
        return self._editor  # type: ignore[return-value]

    def begin_changes(self) -> None:
        """Let `queries` be what goes on to show the transaction's own work. Raises ReadOnlyTransaction where it may not write."""
        if self._editor is None:
            self.check_writable()
            self._editor = self.present = editor = self.base.edit(self.base.number + 1)
            self.reader.inner = editor
            if isinstance(self.queries, RecordingReader):
                self.queries.inner = editor
            else:
                self.queries = editor
            if self.written_provenance is None:
                self.written_provenance = provenance.current()

    def locking(self, tables: frozenset[int]) -> StateReader:
        """What FOR UPDATE reads through: rows of these tables count for the check at commit in every isolation level."""
        self.check_writable()
        return LockingReader(self.queries, self.probes, tables)

    def check_writable(self) -> None:
        """Raises ReadOnlyTransaction where this transaction may not write."""
        if self.pinned is not None:
            raise ReadOnlyTransaction(f"cannot write: this transaction reads the past, as of transaction {self.pinned}")
        if self.read_only:
            raise ReadOnlyTransaction("cannot write in a read-only transaction")
        if self.database.read_only:
            raise ReadOnlyTransaction(f"cannot write: {self.database.name} is open read-only")

    def apply(self, event: Event) -> None:
        """Do what the event says, and remember it for the log."""
        if self.pending is not None:
            self.flush()
        editor = self._editor
        if editor is None:
            editor = self.editor
        editor.apply(event)
        self.events.append(event)
        self.opened.clear()
        if type(event) is SequenceAdvanced:
            self._set_sequences |= {event.sequence_id}

    def flush(self) -> None:
        """Apply what is pending, as one event."""
        pending = self.pending
        if pending is not None:
            self.pending = None
            self.apply(pending.prepared.joined(pending.rows, pending.earlier))

    def take(self, sequence_id: int, count: int) -> list[int]:
        """The next values of the sequence of that id; see `reserve`."""
        return self.reserve(self.present.catalog.sequences[sequence_id], count)

    def mark(self) -> Mark:
        """A place to come back to: O(1)."""
        self.flush()
        editor = None if self._editor is None else self._editor.mark()
        return Mark(len(self.events), editor, _copy(self.deferred), self._set_sequences)

    def reset(self, mark: Mark) -> None:
        """Undo everything since `mark`; the mark can be used again."""
        self.opened.clear()
        self.pending = None
        if self._editor is not None:
            if mark.editor is None:
                self._drop_editor()
            else:
                self._editor.reset(mark.editor)
        del self.events[mark.events :]
        self.deferred = _copy(mark.deferred)
        self._set_sequences = mark.set_sequences

    def _drop_editor(self) -> None:
        self._editor = None
        self.present = self.reader.inner = self.base
        if isinstance(self.queries, RecordingReader):
            self.queries.inner = self.base
        else:
            self.queries = self.base

    def freeze(self) -> None:
        """Keep what is read now as it is while the transaction goes on: for a result that is read lazily."""
        self.flush()
        if self._editor is not None:
            self._editor.freeze()

    def reserve(self, sequence: Sequence, count: int = 1) -> list[int]:
        """The next `count` values of the sequence. Raises SequenceLimitExceeded, ReadOnlyTransaction."""
        if count <= 0:
            return []
        editor = self.editor
        known = editor.sequence_value(sequence.id)
        if sequence.id in self._set_sequences or sequence.id not in self.base.catalog.sequences:
            values = values_after(sequence, known, count)
        else:
            values = self._allocators(sequence.id).reserve(sequence, known, count)
        event = SequenceAdvanced(sequence.id, values[-1])
        editor.apply(event)
        self.events.append(event)
        self._reserved[sequence.id] = values[-1]
        return values

    def row_ids(self, table: Table, count: int) -> int:
        """The first of `count` consecutive row ids for rows of `table`."""
        known = self.editor.next_row_id(table.id)
        return self._allocators(table.storage).row_ids(table.storage, known, count)

    def _allocators(self, number: int) -> Allocators:
        """Who gives out numbers for that sequence or storage."""
        return self.database.allocators if number > 0 else self.own_allocators

    def finished_provenance(self, session: Provenance) -> Provenance:
        """Who and why, as it goes into the log; `session`: what SET and `connect` say."""
        told = provenance.current()
        if self.written_provenance is not None:
            told = provenance.merged(told, self.written_provenance)
        if self.inner_provenance is not None:
            told = provenance.merged(self.inner_provenance, told)
        return provenance.merged(told, session)


def _copy(deferred: Any) -> Any:
    return {key: list(value) if isinstance(value, list) else value for key, value in deferred.items()} if deferred else {}
