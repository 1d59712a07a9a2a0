"""The clock: the one place that asks what time it is, so that a test can say.

    clock.now()                            microseconds since 1970-01-01 00:00 UTC
    with clock.replaced(source): …         `source()` answers instead, in nanoseconds as `time.time_ns` does

What a clock says is no more than a wish: commit times strictly increase whatever it does (`storage.log.chain.header_for`).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

_source: Callable[[], int] = time.time_ns


def now() -> int:
    """Microseconds since the epoch, UTC."""
    return _source() // 1000


@contextlib.contextmanager
def replaced(source: Callable[[], int]) -> Iterator[None]:
    """A block in which `source` is the clock of this process, for all threads."""
    global _source
    before, _source = _source, source
    try:
        yield
    finally:
        _source = before
