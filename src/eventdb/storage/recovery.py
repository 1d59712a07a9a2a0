"""Opening a database: the newest snapshot that fits the log, and the transactions of the log after it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from eventdb.errors import CannotConnect, DataCorrupted, Error
from eventdb.model.event import Event
from eventdb.storage.codec import decode_body
from eventdb.storage.files import Files
from eventdb.storage.index import IndexKeys
from eventdb.storage.log.base import EventLog, LogReplaced, Record
from eventdb.storage.log.directory import DirectoryLog
from eventdb.storage.log.memory import MemoryLog
from eventdb.storage.log.receipts import Redactions
from eventdb.storage.snapshot import SnapshotStore
from eventdb.storage.state import Editor, State
from eventdb.storage.table import collector_asleep

LOG = "log"
SNAPSHOTS = "snapshots"
LOCK = "lock"


class Report:
    """How a database was opened: `snapshot` is the transaction number of the snapshot used (None: none), `replayed` the transactions
    applied after it, `problems` what went wrong without stopping anything: snapshots passed over, a torn tail cut off."""

    __slots__ = ("problems", "replayed", "snapshot")

    def __init__(self) -> None:
        self.snapshot: int | None = None
        self.replayed = 0
        self.problems: list[str] = []


def open_database(
    path: str | None,
    files: Files | None = None,
    index_keys: IndexKeys | None = None,
    read_only: bool = False,
    **log_options: Any,
) -> tuple[EventLog, State, Report]:
    """The log at `path` (None: a new one in memory), the state at its head, and how it was come by.

    `log_options` go to the DirectoryLog. Raises what opening the log raises (CannotConnect, DataCorrupted, FormatVersionError,
    LockNotAvailable), and DataCorrupted where the log cannot be replayed. Damaged snapshots are only reported.
    """
    report = Report()
    if path is None:
        return MemoryLog(), State.empty(index_keys), report
    files = files or Files()
    _check_directory(path, files)
    store = SnapshotStore(os.path.join(path, SNAPSHOTS), files)
    log = _open_log(path, files, store, report, read_only=read_only, **log_options)
    try:
        state = store.load(log, index_keys, report.problems)
        if state is None:
            state = State.empty(index_keys)
        else:
            report.snapshot = state.number
        start = state.number
        state = replay(state, log)
        report.replayed = state.number - start
        if not read_only:
            _purge(store, state, report)
    except BaseException:
        log.close()
        raise
    return log, state, report


def _purge(store: SnapshotStore, state: State, report: Report) -> None:
    """Snapshots from before an erasure may be there still, where it was stopped."""
    try:
        store.purge(state.rewritten)
    except Error as error:
        report.problems.append(f"snapshots with erased values could not be removed: {error.message}")


def _check_directory(path: str, files: Files) -> None:
    """Refuse to make a database where something else is."""
    if not files.exists(path):
        return
    if not files.is_directory(path):
        raise CannotConnect(f"{path!r} is not a database of eventdb: it is not a directory")
    if not files.exists(os.path.join(path, LOG)):
        strange = [name for name in files.list(path) if name not in (LOCK, SNAPSHOTS)]
        if strange:
            raise CannotConnect(f"{path!r} is not a database of eventdb: it holds {strange[0]!r} and no log")


def _open_log(path: str, files: Files, store: SnapshotStore, report: Report, **options: Any) -> DirectoryLog:
    """The log, opened behind the place that the newest snapshot knows; at its last segment's beginning if it has no such place."""
    options.setdefault("lock_path", os.path.join(path, LOCK))
    position = store.position()
    if position is not None:
        try:
            log = DirectoryLog(os.path.join(path, LOG), files, position=position, **options)
        except LogReplaced as error:
            report.problems.append(error.message)
            log = DirectoryLog(os.path.join(path, LOG), files, **options)
    else:
        log = DirectoryLog(os.path.join(path, LOG), files, **options)
    if log.torn is not None:
        what = "cut off" if log.torn.cut else "left out"
        report.problems.append(
            f"a torn tail of {log.torn.bytes} bytes was {what}: segment {log.torn.segment}, offset {log.torn.offset}, "
            f"transaction {log.torn.number}: {log.torn.reason}"
        )
    return log


def replay(state: State, log: EventLog, until: int | None = None) -> State:
    """`state` with the transactions of the log after it, up to `until` (None: the head). Raises DataCorrupted naming the transaction.

    Where one of them replaced bodies of earlier ones, `state` may hold what is gone: then the whole log is replayed. So it is where bodies
    were replaced while they were read, and early and late ones do not fit.
    """
    while True:
        before = log.rewritten
        try:
            made = _replayed(state, log, until)
            if made is not None:
                return made
        except DataCorrupted:
            log.refresh()
            if log.rewritten == before:
                raise
        state = State.empty(state.index_keys)


def _replayed(state: State, log: EventLog, until: int | None) -> State | None:
    """The same in one pass; None where it has to begin with the first transaction."""
    if log.first > state.number + 1:
        raise DataCorrupted(
            f"the log begins at transaction {log.first}, and no snapshot holds what came before it",
            hint="Restore the snapshots folder from a backup.",
        )
    start, made = state.number, Replay(state)
    redactions = Redactions(start)
    with collector_asleep(1 << 30):
        for record in log.read(start, until):
            if record.rewrites or record.redacted_by:
                if record.rewrites and start:
                    return None
                redactions.follow(record)
            made.apply(record)
    return made.state


class Replay:
    """Transactions of the log applied one after another; `state` is the one after the last of them.

    Pages are copied once, and not for each transaction: a state from in between must not be read any more after the next `apply`.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self._editor: Editor | None = None

    def apply(self, record: Record, events: Sequence[Event] | None = None) -> State:
        """Apply one more; `events` where its body was decoded already. Raises DataCorrupted naming it; nothing can follow then."""
        number = record.header.number
        try:
            editor = self._editor
            if editor is None or editor.number != number:
                editor = self._editor = self.state.edit(number)
            for event in decode_body(record.body) if events is None else events:
                editor.apply(event)
        except Error as error:
            raise DataCorrupted(f"transaction {number} of the log cannot be applied: {error.message}") from error
        self.state = editor.advance(record.header.time)
        return self.state
