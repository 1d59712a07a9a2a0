"""Reading a whole database while others may erase values from it: bodies that are read early and late must be of one moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from eventdb.engine.database import Database
from eventdb.errors import Error, SerializationFailure

_T = TypeVar("_T")
_SECONDS = 30.0
_PAUSE = 0.05
_TRIES = 5


def patiently(work: Callable[[], _T], disturbed: Callable[[Error], bool] = lambda error: False) -> _T:
    """What `work` gives, done again while another process is erasing values (a retryable error), for half a minute, and where it failed
    because values were erased on the way (`disturbed`), a few times. Raises its last error."""
    tries, deadline = 0, time.monotonic() + _SECONDS
    while True:
        try:
            return work()
        except Error as error:
            if disturbed(error):
                tries, deadline = tries + 1, time.monotonic() + _SECONDS
                if tries == _TRIES:
                    raise
            elif not error.retryable or time.monotonic() > deadline:
                raise
        time.sleep(_PAUSE)


def undisturbed(database: Database, work: Callable[[], _T], settled: Callable[[_T], bool] = lambda made: False) -> _T:
    """What `work` gives, done again as `patiently` does where values were erased meanwhile, however long it took.

    `settled(made)`: whether what was made is good whatever happened. Raises SerializationFailure where it was disturbed each time.
    """
    before = -1

    def once() -> _T:
        nonlocal before
        before = -1
        before = database.refresh().rewritten
        made = work()
        if settled(made) or database.refresh().rewritten == before:
            return made
        raise SerializationFailure(f"values were erased from {database.name!r} while all of it was read", hint="Do it again.")

    return patiently(once, lambda error: before >= 0 and _rewritten(database) not in (before, -1))


def _rewritten(database: Database) -> int:
    """The last transaction that replaced bodies; -1 where that cannot be said now."""
    try:
        return database.refresh().rewritten
    except Error:
        return -1
