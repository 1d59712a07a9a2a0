"""Reading a whole database while others may erase values from it: bodies that are read early and late must be of one moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from eventdb.engine.database import Database
from eventdb.errors import Error

_T = TypeVar("_T")
_SECONDS = 30.0
_PAUSE = 0.05


def undisturbed(database: Database, work: Callable[[], _T], settled: Callable[[_T], bool] = lambda made: False) -> _T:
    """What `work` gives, done again where values were erased meanwhile, or are being erased just now by another process.

    `settled(made)`: whether what was made is good whatever happened. Gives up after half a minute, with what it has then.
    """
    deadline = time.monotonic() + _SECONDS
    while True:
        before = -1
        try:
            before = database.refresh().rewritten
            made = work()
            if settled(made) or database.refresh().rewritten == before or time.monotonic() > deadline:
                return made
        except Error as error:
            if time.monotonic() > deadline or not (error.retryable or _rewritten(database) != before):
                raise
        time.sleep(_PAUSE)


def _rewritten(database: Database) -> int:
    """The last transaction that replaced bodies; -2 where that cannot be said now."""
    try:
        return database.refresh().rewritten
    except Error:
        return -2
