"""A database as this process has it: its log, its head, the commit path, the snapshot thread.

There is one `Database` for a path and process, shared by its connections and closed with the last of them; ":memory:" gives each
connection its own, ":memory:name" one that is shared under that name. `head` is one reference to an immutable state, read without a lock.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from eventdb.engine.commit import Committer, history_changed
from eventdb.engine.news import News
from eventdb.engine.sequences import Allocators
from eventdb.errors import CannotConnect, ConnectionDoesNotExist, Error, InterfaceError, ObjectInUse
from eventdb.model.catalog import Catalog
from eventdb.model.event import Event, RowsInserted, SequenceAdvanced
from eventdb.model.schema import Index, Table
from eventdb.storage.codec import decode_body
from eventdb.storage.files import Files
from eventdb.storage.index import EntryFunction
from eventdb.storage.log.base import EventLog
from eventdb.storage.recovery import SNAPSHOTS, Replay, Report, open_database, replay
from eventdb.storage.snapshot import SnapshotStore
from eventdb.storage.state import State
from eventdb.storage.timeline import Timeline

if TYPE_CHECKING:
    from eventdb.storage.log.merkle import MerkleTree

_T = TypeVar("_T")
_RECENT = 4096
_RECENT_BYTES = 8 << 20
"""So many transactions, and so many bytes of bodies, are kept as events for the check of conflicts; older ones are read from the log."""
_GROWTH = 1000
"""After so many inserted rows, and then after twice as many each time, plans are made anew."""
MEMORY = ":memory:"
SNAPSHOT_EVENTS = 2000
"""After so many transactions a snapshot is written in the background …"""
SNAPSHOT_BYTES = 32 << 20
"""… or after so many bytes of log bodies."""
SNAPSHOT_WAIT = 40_000
"""But not before so many transactions for each second that the last snapshot took to write, up to five: reading those again takes about as
long. So a large table whose pages change all over is not written down all the time."""



def index_keys(table: Table, index: Index) -> EntryFunction:
    """As `sql.definition.indexes.index_keys`, for indexes with expressions only."""
    from eventdb.sql.definition.indexes import index_keys

    return index_keys(table, index)


_registry: dict[tuple[str, bool], Database] = {}
_registry_lock = threading.RLock()  # the collector may run in the middle, and with it what closes a connection that was forgotten
_alive: weakref.WeakSet[Database] = weakref.WeakSet()


class Database:
    """One database in this process.

    `head`: the newest state known here. `warnings`: what went wrong without stopping anything (a snapshot that could not be written, a torn
    tail that was cut). `forked`: set in a child process, where the database cannot be used. `origin`: the database that this one is a fork
    of (see `engine.fork`), from transaction `forked_at` on; it is given back when this one closes. `lost`: why a fork is of no use now.
    """

    def __init__(
        self,
        name: str,
        path: str | None,
        files: Files,
        read_only: bool,
        key: tuple[str, bool] | None,
        opened: tuple[EventLog, State, Report] | None = None,
        origin: Database | None = None,
        **log_options: Any,
    ) -> None:
        self.name = name
        self.path = path
        self.files = files
        self.read_only = read_only
        self.index_keys = index_keys
        self.allocators = Allocators()
        self.warnings: list[str] = []
        self.forked = False
        self.lost: str | None = None
        self.users = 0
        self.origin = origin
        self.forked_at = None if origin is None or opened is None else opened[1].number
        self._key = key
        if opened is None:
            opened = open_database(path, files=files, index_keys=index_keys, read_only=read_only, **log_options)
        self.log, self.head, self.report = opened
        self.news = News(self.log)
        self.warnings += self.report.problems
        self.sessions: weakref.WeakSet[Any] = weakref.WeakSet()
        """The sessions whose plans must be made anew when tables have grown."""
        self._rows_since = 0
        self._rows_limit = _GROWTH
        self.committer = Committer(self)
        self.records_read = 0
        """Records of the log that statements have read so far, for measuring."""
        self._recent: deque[tuple[int, Sequence[Event], bool]] = deque()
        self._recent_sizes: deque[int] = deque()
        self._recent_bytes = 0
        self._closed = False
        self._snapshots = None if path is None or read_only else SnapshotStore(os.path.join(path, SNAPSHOTS), files)
        self._snapshot_lock = threading.Lock()
        self._snapshot_thread: threading.Thread | None = None
        self._snapshot_number = self.head.number
        self._pending_bytes = 0
        self._snapshot_seconds = 0.0
        self._merkle_tree: MerkleTree | None = None
        self._merkle_lock = threading.Lock()
        self.verify_commits = os.environ.get("EVENTDB_VERIFY") == "1"
        _alive.add(self)

    # reading

    def refresh(self) -> State:
        """The head, with what other processes have appended. While a commit of this process is under way it looks for nothing new.

        Raises ConnectionDoesNotExist in a fork of a database from which values were erased since.
        """
        if self.origin is not None:
            self.origin.refresh()
            if self.lost is not None:
                raise ConnectionDoesNotExist(self.lost)
        head = self.head
        if self.log.refresh() != head.number and not self.committer.busy:
            with self.committer.lock:
                self.catch_up()
            return self.head
        return head

    def catch_up(self) -> None:
        """Apply what others have appended; the caller holds the commit lock."""
        if self.log.refresh() == self.head.number:
            return
        replayed = Replay(self.head)
        recent: deque[tuple[int, Sequence[Event], int]] = deque(maxlen=_RECENT)
        advanced: list[SequenceAdvanced] = []
        for record in self.log.read(self.head.number):
            if record.rewrites:
                self._read_again()
                return
            made = decode_body(record.body)
            replayed.apply(record, made)
            recent.append((record.header.number, made, len(record.body)))
            advanced += [event for event in made if type(event) is SequenceAdvanced]
        self.head = state = replayed.state
        for number, events, size in recent:
            self._remember(number, events, True, size)
        for event in advanced:
            if event.sequence_id in state.catalog.sequences:
                self.allocators.committed(state.catalog.sequences[event.sequence_id], event.value)

    def _read_again(self) -> None:
        """Another process replaced bodies of the log: what is known here may be gone there. Take the state from what it left."""
        state = None
        if self.path is not None:
            state = SnapshotStore(os.path.join(self.path, SNAPSHOTS), self.files).load(self.log, self.index_keys)
        state = replay(state or State.empty(self.index_keys), self.log)
        for sequence in state.catalog.sequences.values():
            value = state.sequence_value(sequence.id)
            if value is not None:
                self.allocators.committed(sequence, value)
        self.replace_history(state)
        if self._snapshots is not None:
            try:
                self._snapshots.purge(state.rewritten)  # the other process may have died before it came to that
            except Error as error:
                self.warnings.append(f"snapshots with erased values could not be removed: {error.message}")

    def replace_history(self, state: State) -> None:
        """Go on with a state whose past is another one than that of the head; the caller holds the commit lock."""
        self._recent.clear()
        self._recent_sizes.clear()
        self._recent_bytes = 0
        self.head = state
        for session in list(self.sessions):
            session.lose_history()
        for other in list(_alive):
            if other.origin is self:
                other._lose(state)
        if self.verify_commits:
            self.check()

    def _lose(self, state: State) -> None:
        """This is a fork of a database whose past is another one now: it still has the old values, and must not give them out."""
        self.lost = f"the past that this database is a fork of was changed by transaction {state.rewritten}; fork again"
        self.forked = True
        self.replace_history(State(0, ((0, Catalog()),), {}, {}, Timeline(), None, state.rewritings))

    def unless_rewritten(self, parts: Iterable[_T], known: int | None = None) -> Iterator[_T]:
        """What is read by and by (lists of rows of a result, say), until the past becomes another one than it was behind transaction
        `known` (None: now). Raises SerializationFailure then."""
        if known is None:
            known = self.head.rewritten
        for part in parts:
            if self.head.rewritten != known:
                raise history_changed(self.head.rewritten)
            yield part

    def changes(self, after: int) -> Iterator[tuple[int, Sequence[Event], bool]]:
        """(number, events, whether another process made them) of the transactions after `after`, in order."""
        recent = list(self._recent)
        if recent and recent[0][0] <= after + 1:
            yield from (entry for entry in recent if entry[0] > after)
            return
        for record in self.log.read(after, self.head.number):
            yield record.header.number, decode_body(record.body), False

    def _remember(self, number: int, events: Sequence[Event], foreign: bool, size: int) -> None:
        self._recent.append((number, events, foreign))
        self._recent_sizes.append(size)
        self._recent_bytes += size
        while self._recent_bytes > _RECENT_BYTES or len(self._recent) > _RECENT:
            self._recent.popleft()
            self._recent_bytes -= self._recent_sizes.popleft()

    # writing

    def publish(self, states: Sequence[State], made: Sequence[tuple[Sequence[Event], int]]) -> None:
        """Make the last of `states` the head; `made`: events and body length of each. The caller holds the commit lock."""
        for state, (events, size) in zip(states, made, strict=True):
            self._remember(state.number, events, False, size)
            self._pending_bytes += size
            self._rows_since += 1 + sum(len(event.rows) for event in events if type(event) is RowsInserted)
        if self._rows_since > self._rows_limit:
            self._rows_since, self._rows_limit = 0, self._rows_limit * 2
            for session in list(self.sessions):
                session.forget_plans()
        self.head = states[-1]
        if self.verify_commits:
            self.check()
        if self._snapshots is not None and (
            self.head.number - self._snapshot_number >= max(SNAPSHOT_EVENTS, min(self._snapshot_seconds, 5.0) * SNAPSHOT_WAIT)
            or self._pending_bytes >= SNAPSHOT_BYTES
        ):
            self._start_snapshot()

    # snapshots

    def _start_snapshot(self) -> None:
        thread = self._snapshot_thread
        if thread is not None and thread.is_alive():
            return
        self._snapshot_number, self._pending_bytes = self.head.number, 0
        self._snapshot_thread = threading.Thread(target=self._write_snapshot, args=(self.head,), name="eventdb-snapshot", daemon=True)
        self._snapshot_thread.start()

    def _write_snapshot(self, state: State) -> None:
        try:
            self._snapshot(state)
        except Exception as error:
            self.warnings.append(f"snapshot at transaction {state.number} not written: {error}")

    def _snapshot(self, state: State) -> None:
        if self._snapshots is None:
            return
        with self._snapshot_lock:
            started = time.thread_time()
            if self._snapshots.write(state, self.log) is not None:
                self._snapshot_seconds = time.thread_time() - started

    def checkpoint(self) -> None:
        """Sync the log and write a snapshot of the head now."""
        if self.path is None:
            return
        self.log.sync()
        head = self.refresh()
        self._snapshot(head)
        self._snapshot_number, self._pending_bytes = head.number, 0

    def snapshot_at(self, number: int) -> State | None:
        """The newest snapshot on the disk that is not later than transaction `number`."""
        if self._snapshots is None:
            return None
        return next((state for state in self._snapshots.load_all(self.log, self.index_keys) if state.number <= number), None)

    def snapshots(self) -> list[tuple[int, str, int]]:
        """(transaction number, file name, bytes) of the snapshots on the disk, oldest first."""
        return [] if self._snapshots is None else self._snapshots.listed()

    def renew_snapshots(self) -> None:
        """Remove the snapshots from before bodies were replaced, and write one of the head. Raises IOFailure, LockNotAvailable; that the
        new one cannot be written is only a warning."""
        if self._snapshots is None:
            return
        with self._snapshot_lock:
            self._snapshots.purge(self.head.rewritten, waiting=True)
        self._snapshot_number, self._pending_bytes = self.head.number, 0
        self._write_snapshot(self.head)

    # checking

    @contextlib.contextmanager
    def snapshots_at_rest(self) -> Iterator[SnapshotStore | None]:
        """The snapshots, while this process writes no new one; None for a database in memory."""
        with self._snapshot_lock:
            yield None if self.path is None else SnapshotStore(os.path.join(self.path, SNAPSHOTS), self.files)

    def check(self) -> None:
        """Check the head against itself (indexes against rows, order of pages), as after each commit under EVENTDB_VERIFY=1. Raises
        DataCorrupted. `Connection.verify` checks everything."""
        from eventdb.storage.verify import check_state

        check_state(self.head)

    def merkle_tree(self) -> MerkleTree:
        """The Merkle tree over all transactions known here; it is kept, so that the next call reads only what came since."""
        from eventdb.storage.log.merkle import tree_of

        with self._merkle_lock:
            self._merkle_tree = tree_of(self.log, self._merkle_tree)
            return self._merkle_tree

    # sharing

    def acquire(self) -> Database:
        self.users += 1
        return self

    def release(self) -> None:
        """One user less; the last one closes the database."""
        with _registry_lock:
            self.users -= 1
            if self.users > 0 or self._closed:
                return
            self._closed = True
            if self._key is not None:
                _registry.pop(self._key, None)
        if not self.forked or self.lost is not None:
            self._close()

    def _close(self) -> None:
        thread = self._snapshot_thread
        if thread is not None:
            thread.join()
        try:
            if self._snapshots is not None and self.head.number > self._snapshot_number:
                self._write_snapshot(self.head)
        finally:
            self.log.close()
            if self.origin is not None:
                self.origin.release()


def register(database: Database, name: str) -> None:
    """Let `open_shared` find a database in memory by its name, ":memory:…". Raises InterfaceError, ObjectInUse."""
    if not isinstance(name, str) or not name.startswith(MEMORY) or name == MEMORY or "\0" in name:
        raise InterfaceError(f"a database in memory is named ':memory:' and something behind it, not {name!r}")
    with _registry_lock:
        if (name, False) in _registry:
            raise ObjectInUse(f"there is a database {name!r} already")
        database._key = (name, False)
        database.name = name
        _registry[name, False] = database


def is_open(path: str | os.PathLike[str], *, for_writing: bool = False) -> bool:
    """Whether this process has the database at that path open, in whatever way or `for_writing`."""
    real = os.path.realpath(path)
    with _registry_lock:
        return (real, False) in _registry or (not for_writing and (real, True) in _registry)


def open_shared(name: Any, *, read_only: bool = False, files: Files | None = None, **log_options: Any) -> Database:
    """The database of that name in this process, opened if need be; each call must be answered by `release`.

    Raises InterfaceError for a name that is none, CannotConnect, FormatVersionError, DataCorrupted.
    """
    if isinstance(name, os.PathLike):
        name = os.fspath(name)
    if not isinstance(name, str):
        raise InterfaceError(f"a database is named by a path or text, not by {type(name).__name__}")
    if name == MEMORY:
        return Database(name, None, files or Files(), read_only, None).acquire()
    if not name or "\0" in name:
        raise CannotConnect(f"{name!r} is no path of a database")
    memory = name.startswith(MEMORY)
    key = (name if memory else os.path.realpath(name), read_only)
    with _registry_lock:
        while True:
            database = _registry.get(key)
            if database is None:
                path = None if memory else key[0]
                database = Database(name, path, files or Files(), read_only, key, **log_options)
                _registry[key] = database
            database.acquire()
            if not database._closed:
                return database


def _after_fork() -> None:
    global _registry_lock
    _registry_lock = threading.RLock()
    _registry.clear()
    for database in _alive:
        database.forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
