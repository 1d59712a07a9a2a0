"""Waiting for what is appended to a log, however many wait: one thread looks for all of them, and only while somebody waits."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from eventdb.errors import Error
from eventdb.storage.log.base import EventLog

if TYPE_CHECKING:
    from concurrent.futures import Future

SLICE = 0.25
"""So many seconds at most does a wait go on before whoever waits looks whether it is still wanted."""


class News:
    """The next news of a log."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._coming: Future[None] | None = None

    def coming(self) -> Future[None]:
        """What is done as soon as the log has more than it had when it was asked for, and after `SLICE` seconds in any case."""
        from concurrent.futures import Future

        with self._lock:
            if self._coming is None:
                self._coming = Future()
                threading.Thread(target=self._wait, args=(self._log.head,), name="eventdb-news", daemon=True).start()
            return self._coming

    def _wait(self, head: int) -> None:
        with contextlib.suppress(Error):  # whoever reads next is told
            self._log.wait(head, SLICE)
        with self._lock:
            coming, self._coming = self._coming, None
        if coming is not None:
            coming.set_result(None)
