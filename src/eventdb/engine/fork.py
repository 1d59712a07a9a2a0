"""Forks: databases in memory that go on from a past state of another one.

A fork has the origin's history up to the fork and its own from there; its transactions are numbered on. It shares the origin's pages, which
nobody changes, and its log reads older transactions from the origin's. Nothing it does reaches the origin, and with its last connection it
is gone. It holds on to its origin, so that stays open for as long.
"""

from __future__ import annotations

import datetime
import os
from typing import Any

from eventdb.engine.database import MEMORY, Database, is_open, open_shared, register
from eventdb.engine.sequences import values_at
from eventdb.engine.temporal import moment_from_python
from eventdb.engine.undisturbed import undisturbed
from eventdb.storage.files import Files
from eventdb.storage.log.chain import genesis
from eventdb.storage.log.fork import ForkLog
from eventdb.storage.recovery import Report, replay
from eventdb.storage.rewind import rewind, size
from eventdb.storage.snapshot import hash_at
from eventdb.storage.state import State

_ENTRIES_PER_TRANSACTION = 500
"""Applying a transaction costs about as much as looking at so many entries of trees in memory."""


def fork(origin: Database, number: int, name: str | None = None) -> Database:
    """A database that goes on from transaction `number` of `origin`; `name` (":memory:…") is what `connect` finds it by in this process.

    The caller has one use of it, to be given back by `release`. Raises InterfaceError for a name that is none, ObjectInUse for one that
    stands for another database.
    """
    def made() -> Database:
        state = state_at(origin, number)
        for table in state.catalog.tables.values():
            state.check_horizon(table, number)
        head_hash = hash_at(origin.log, number) if number else genesis(origin.log.log_id)
        log = ForkLog(origin.log, number, head_hash, state.time_of(number) or 0)
        return Database(
            f"{origin.name}, forked at transaction {number}", None, origin.files, False, None, (log, state, Report()), origin
        )  # fmt: skip

    origin.acquire()
    try:
        forked = undisturbed(origin, made)
        if name is not None:
            register(forked, name)
        return forked.acquire()
    except BaseException:
        origin.release()
        raise


def open_fork(name: Any, moment: Any, zone: datetime.tzinfo, files: Files | None = None) -> Database:
    """A fork of the database of that name at a moment (transaction number, datetime or text; "now" is its newest transaction). Where this
    process has not opened it for writing, it is opened for reading, so that nothing of it is changed.

    Raises what `open_shared` and `moment_from_python` raise.
    """
    text = os.fspath(name) if isinstance(name, os.PathLike) else name
    read_only = isinstance(text, str) and not text.startswith(MEMORY) and not is_open(text, for_writing=True)
    origin = open_shared(name, read_only=read_only, files=files)
    try:
        head = origin.refresh()
        now = isinstance(moment, str) and moment.strip().lower() == "now"
        return fork(origin, head.number if now else moment_from_python(moment, head, zone))
    finally:
        origin.release()


def state_at(database: Database, number: int) -> State:
    """The state after transaction `number`, which is one that the database holds: the head itself, a snapshot and the transactions after
    it where those are few, or else the head taken back."""
    head = database.refresh()
    if number == head.number:
        return head
    known = database.snapshot_at(number)
    if known is not None and (number - known.number) * _ENTRIES_PER_TRANSACTION <= size(head):
        return replay(known, database.log, number)
    since = (known.number, known.sequences) if known is not None else (0, {})
    return rewind(head, number, values_at(database.log, head, number, head.catalog_at(number).sequences, *since))
