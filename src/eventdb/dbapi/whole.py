"""What a connection does with its whole database, beside running statements: changes, forks, proofs, copies."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from eventdb.dbapi.rows import RowFactory
from eventdb.engine.database import Database
from eventdb.engine.session import Session
from eventdb.errors import InterfaceError, ProgrammingError

if TYPE_CHECKING:
    from eventdb.dbapi.connection import Connection
    from eventdb.dbapi.subscription import Subscription
    from eventdb.engine.difference import Difference
    from eventdb.engine.feed import TransactionChanges
    from eventdb.storage.backup import Backup
    from eventdb.storage.transfer import Transferred
    from eventdb.storage.verification import Progress, Verification


def text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InterfaceError(f"{name} must be text, not {type(value).__name__}")
    return value


class WholeDatabase:
    """The part of a connection that is about its database as a whole. What takes long comes with its first use."""

    def __init__(self, session: Session, row_factory: RowFactory | None) -> None:
        self.session = session
        self.row_factory = row_factory
        self.lock = threading.RLock()

    @property
    def closed(self) -> bool:
        return self.session.closed

    @property
    def head(self) -> int:
        """The number of the newest transaction in the log."""
        self.session.check_open()
        return self.database.refresh().number

    @property
    def database(self) -> Database:
        """The database in this process: its log, its newest state."""
        return self.session.database

    # changes

    def changes(self, after: Any = None, *, tables: Iterable[str] | None = None, until: Any = None) -> Iterator[TransactionChanges]:
        """What the transactions behind `after` up to `until` changed, in their order, each with its changes: see `TransactionChanges`.

        `after`, `until`: a transaction number, datetime or text; None: the beginning of the log, and what this connection reads now.
        `tables`: "table" or "schema.table", None for all. The log is read as the iterator goes on, so it needs little memory.

        Raises UndefinedTable, InvalidParameterValue, WrongObjectType (a table of the system), SnapshotTooOld where the log no longer has
        what was asked for.
        """
        from eventdb.engine.feed import Feed

        with self.lock:
            session = self.session
            session.check_open()
            last = session.position() if until is None else session.position_of(until)
            first = self.database.log.first - 1 if after is None else session.position_of(after)
            feed = Feed(self.database, first, self._table_ids(tables), session.json_loads)

        def following() -> TransactionChanges | None:
            session.check_open()
            return feed.next(last)

        return iter(following, None)

    def subscribe(
        self, name: str | None = None, *, after: Any = None, tables: Iterable[str] | None = None, timeout: float | None = None
    ) -> Subscription:
        """A live feed of what transactions change, across processes: an iterator of `TransactionChanges`, see `Subscription`.

        With a `name`, it begins where the subscription of that name was acknowledged last; where there is none of that name, it is made.
        `after`, `tables` (see `changes`): where a new one begins (None: behind the newest transaction) and what it is about; a subscription
        that exists has its own, and `tables` must not be given for it. `timeout`: so many seconds does the iterator wait for the next
        transaction; None: for ever; 0: only what is there.

        Raises UndefinedTable, InvalidParameterValue, ReadOnlyTransaction (to make one, a connection must be able to write).
        """
        from eventdb.dbapi.subscription import Subscription
        from eventdb.engine.feed import Feed

        with self.lock:
            session = self.session
            session.check_open()
            head = self.database.refresh().number
            position = head if after is None else session.position_of(after)
            ids = self._table_ids(tables)
            if name is not None:
                from eventdb.engine.subscriptions import ensure

                _, position, ids = ensure(session, text("name", name), position, ids)
            return Subscription(self, Feed(self.database, position, ids, session.json_loads), name, timeout)

    def _table_ids(self, tables: Iterable[str] | None) -> frozenset[int] | None:
        from eventdb.engine.feed import table_ids

        return None if tables is None else table_ids(self.database.refresh(), tables, self.session.search_path)

    # what if

    def fork(self, as_of: Any = None, *, name: str | None = None) -> Connection:
        """A connection to a fork: a database in memory that goes on from a moment of this one and can be written to.

        `as_of`: a transaction number, datetime or text; None for what this connection reads, without what its open transaction has
        changed. The fork has the whole history up to there, and numbers its transactions on. Nothing that is done in it reaches this
        database; it ends with its last connection. `name`: ":memory:" and a name, by which `connect` finds the fork in this process, for
        more connections to it. The new connection has the settings of this one.

        Raises InvalidParameterValue, SnapshotTooOld for a moment that cannot be read, ObjectInUse for a name that is in use.
        """
        from eventdb.dbapi.connection import Connection
        from eventdb.engine.fork import fork

        with self.lock:
            session = self.session
            session.check_open()
            number = session.position() if as_of is None else session.position_of(as_of)
            shared = fork(self.database, number, name)
            forked = Session(shared, session.settings.copy(), autocommit=session.autocommit)
            forked.json_loads = session.json_loads
            return Connection(forked, self.row_factory)

    def diff(self, table: str, other: Connection | None = None) -> Iterator[Difference]:
        """The rows that `table` ("table" or "schema.table") has otherwise here than in `other`: see `Difference`.

        `other`: a connection to any database; None: the one that this is a fork of, as it stands now. Each side is what its connection
        reads, with the changes of its open transaction. Rows are matched by the primary key, columns by identity, as far as the two have a
        common history; what they have made apart by name.

        Raises UndefinedTable where neither has the table, ProgrammingError without `other` where this is no fork, InterfaceError.
        """
        from eventdb.engine.difference import difference

        if other is not None and not isinstance(other, WholeDatabase):
            raise InterfaceError(f"a database is compared through another connection, not {type(other).__name__}")
        with contextlib.ExitStack() as stack:
            for connection in sorted({self, other or self}, key=id):  # in one order, so that two that compare each other do not block
                stack.enter_context(connection.lock)
            session = self.session
            session.check_open()
            if other is not None:
                other.session.check_open()
                return difference(session, other.session, table)
            origin = self.database.origin
            if origin is None:
                raise ProgrammingError("the database is no fork: say with which connection it is to be compared")
            helper = Session(origin.acquire(), session.settings.copy(), autocommit=True)
            try:
                return difference(session, helper, table)
            finally:
                helper.close()

    @property
    def forked_at(self) -> int | None:
        """The transaction after which the database parts from the one that it is a fork of; None where it is no fork."""
        return self.database.forked_at

    def checkpoint(self) -> None:
        """Sync the log and write a snapshot, so that the next open is quick."""
        with self.lock:
            self.session.check_open()
            self.database.checkpoint()

    def apply_retention(self, dry_run: bool = False) -> int:
        """Remove the versions that tables with a HISTORY RETENTION need no longer keep, as `DELETE HISTORY` does; how many versions that
        were. With `dry_run` nothing is removed. It never runs by itself.

        Raises ActiveTransaction inside a transaction, ReadOnlyTransaction, LockNotAvailable.
        """
        from eventdb.engine.retention import apply_retention

        with self.lock:
            self.session.check_open()
            return apply_retention(self.session, dry_run)

    def verify(self, *, digest: Any = None, progress: Progress | None = None) -> Verification:
        """Check the whole database as it is committed: every hash of the log and the chain, state and snapshots against a replay of the
        log, indexes against rows, rows against the declared constraints.

        Problems are in the report that it gives, not raised: `report.ok`, `report.problems`, `report.raise_for_problems()`. `digest`: what
        `digest` gave earlier (or a list of such), kept where who can write the database cannot: the log must still go on from there.
        `progress(what, done, total)` is called on the way. Reads everything, and takes memory for a second copy of the database.
        """
        from eventdb.engine.verification import verify

        with self.lock:
            self.session.check_open()
            return verify(self.session, digest, progress)

    def digest(self, transaction: int | None = None) -> dict[str, Any]:
        """A small JSON value that stands for the log up to a transaction (None: the newest), to be kept elsewhere: the log's id, the
        transaction's number, commit time and header hash, and the root of the Merkle tree (RFC 6962) over all headers up to it.

        Raises InvalidParameterValue, SnapshotTooOld (retention gave up that transaction).
        """
        from eventdb.engine import digests
        from eventdb.engine.undisturbed import undisturbed

        with self.lock:
            self.session.check_open()
            return undisturbed(self.database, lambda: digests.digest(self.database, transaction).as_json(), bool)

    def proof(self, transaction: int, digest: Mapping[str, Any] | None = None, *, body: bool = False) -> dict[str, Any]:
        """A proof, as a JSON value, that a transaction is in the log that a digest is of (None: one of now), for `eventdb.check_proof` or a
        script without eventdb (examples/check_proof.py). `body`: with the bytes of what the transaction did.

        Raises InvalidParameterValue, SnapshotTooOld, DataCorrupted (the digest is not of this log), ObjectNotInPrerequisiteState (the body
        was erased).
        """
        from eventdb.engine import digests
        from eventdb.engine.undisturbed import undisturbed

        with self.lock:
            self.session.check_open()
            return undisturbed(self.database, lambda: digests.inclusion_proof(self.database, transaction, digest, body), bool)

    def consistency_proof(self, older: Mapping[str, Any], newer: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """A proof, as a JSON value, that the log of one digest goes on the log of an older one. Raises as `proof`."""
        from eventdb.engine import digests
        from eventdb.engine.undisturbed import undisturbed

        with self.lock:
            self.session.check_open()
            return undisturbed(self.database, lambda: digests.consistency_proof(self.database, older, newer), bool)

    # copies

    def backup(self, path: str | os.PathLike[str]) -> Backup:
        """Bring a backup at `path` up to now, or begin one where there is nothing; others may read and write meanwhile.

        A backup is a database: it opens. The next call on the same path copies only what is new. Raises CannotConnect (something else is
        there), ObjectNotInPrerequisiteState (a backup of another history, or one that was written to), LockNotAvailable, DiskFull.
        """
        from eventdb.engine import copies

        with self.lock:
            self.session.check_open()
            return copies.backup(self.database, path)

    def export_file(self, path: str | os.PathLike[str]) -> Transferred:
        """Write the whole database, every transaction with its time, actor and hashes, to one compressed file, for `eventdb.import_file`.

        Raises CannotConnect, DiskFull, DataCorrupted.
        """
        from eventdb.engine import copies

        with self.lock:
            self.session.check_open()
            return copies.export_file(self.database, path)

    def dump(self, as_of: Any = None) -> Iterator[str]:
        """The statements of an SQL script that makes the database again as it is, or was: schema, rows, where sequences stand. History is
        not in it; `export_file` takes that along.

        `as_of`: a transaction number, a datetime or text. Raises InvalidParameterValue, SnapshotTooOld, and SerializationFailure on the way
        where values are erased meanwhile.
        """
        from eventdb.engine import dump
        from eventdb.engine.fork import state_at

        with self.lock:
            self.session.check_open()
            state = self.database.refresh()
            if as_of is not None:
                state = state_at(self.database, self.session.position_of(as_of))
        return self.database.unless_rewritten(dump.statements(state), state.rewritten)
