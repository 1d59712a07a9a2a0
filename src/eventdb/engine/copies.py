"""Copies of whole databases: backup, restore, export and import, from what a caller names to what storage does."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from eventdb.engine.undisturbed import patiently, undisturbed
from eventdb.errors import CannotConnect, InterfaceError, InvalidParameterValue, SerializationFailure
from eventdb.model import clock
from eventdb.model.transaction import UTC, microseconds_of
from eventdb.storage import backup as backups
from eventdb.storage import restore as restoring
from eventdb.storage import transfer
from eventdb.storage.files import Files

if TYPE_CHECKING:
    from eventdb.engine.database import Database

Path = str | os.PathLike[str]


def backup(database: Database, path: Path, files: Files | None = None) -> backups.Backup:
    """As `Connection.backup`. No snapshot is written by this process meanwhile."""
    named = _named(path)
    with database.snapshots_at_rest():
        log, source, files = database.log, database.path, files or database.files
        return undisturbed(database, lambda: backups.backup(log, _times(database), source, named, files))


def export_file(database: Database, path: Path, files: Files | None = None) -> transfer.Transferred:
    """As `Connection.export_file`."""
    named = _named(path)
    with database.snapshots_at_rest():
        log, source, files = database.log, database.path, files or database.files
        return undisturbed(database, lambda: transfer.export_file(log, _times(database), source, named, files))


def _times(database: Database) -> Callable[[int], int | None]:
    return lambda number: database.refresh().time_of(number)


def import_file(path: Path, target: Path, *, _files: Files | None = None) -> transfer.Transferred:
    """Make a database from a file that `Connection.export_file` wrote; everything in it is verified, and all hashes are the same.

    Raises CannotConnect (no such file, no export; something is at `target`), DataCorrupted, FormatVersionError, DiskFull.
    """
    return transfer.import_file(_named(path), _named(target), _files)


def restore(source: Path, target: Path, *, to: Any = None, _files: Files | None = None) -> restoring.Restored:
    """Make a new database from a database or a backup, as it stood at a moment: a transaction number, a datetime (a naive one in UTC),
    text (a time, or `TRANSACTION n`), or None for all that is there.

    The restored database is the same log, cut; what is committed to it goes another way from there. Raises CannotConnect (no database at
    `source`; something at `target`), InvalidParameterValue (no such moment), SnapshotTooOld, DataCorrupted.
    """
    moment, old, new = _moment(to), _named(source), _named(target)

    def work() -> restoring.Restored:
        return restoring.restore(old, new, moment, _files)

    return patiently(work, lambda error: isinstance(error, SerializationFailure))


def _named(path: Path) -> str:
    """A path as text. Raises InterfaceError for what is none."""
    try:
        name = os.fsdecode(path)
    except TypeError:
        raise InterfaceError(f"a path is text or a path object, not {type(path).__name__}") from None
    if not name or "\0" in name:
        raise CannotConnect(f"{name!r} is no path")
    return name


def _moment(to: Any) -> restoring.Moment:
    if to is None or (isinstance(to, int) and not isinstance(to, bool)):
        return to
    if isinstance(to, str):
        word, _, number = to.strip().partition(" ")
        if to.strip().isascii() and to.strip().isdigit():
            return int(to.strip()[:20])
        if word.upper() == "TRANSACTION" and number.isascii() and number.strip().isdigit():
            return int(number.strip()[:20])
        try:
            to = datetime.datetime.fromisoformat(to.strip())
        except ValueError:
            raise InvalidParameterValue(f"{to!r} is neither a time nor the number of a transaction") from None
    if not isinstance(to, datetime.datetime):
        raise InvalidParameterValue(f"a moment is a transaction number, a datetime or text, not {type(to).__name__}")
    moment = microseconds_of(to if to.tzinfo is not None else to.replace(tzinfo=UTC))

    def find(log: Any) -> int:
        if moment > max(clock.now(), log.head_time):
            raise InvalidParameterValue(f"{to.isoformat(sep=' ')} lies in the future")
        return restoring.number_at(log, moment)

    return find
