"""Transactions as they stand in the log.

A *transaction number* (1, 2, 3 …) is the only position in time; a commit time belongs to each, strictly increasing, so that every moment
means a prefix of the log. Times are UTC microseconds since 1970-01-01 as int; `datetime_of` and `microseconds_of` convert.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from eventdb.model.record import Record, field

UTC = datetime.UTC
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)

END_OF_TIME = datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
"""`row_end` of a version that is still current."""


def datetime_of(microseconds: int) -> datetime.datetime:
    """The aware UTC datetime for microseconds since the epoch."""
    return _EPOCH + datetime.timedelta(microseconds=microseconds)


def microseconds_of(moment: datetime.datetime) -> int:
    """Microseconds since the epoch of an aware datetime; a naive one is taken as UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MICROSECOND


class Provenance(Record):
    """Who made a transaction and why: what `BEGIN WITH (…)`, keyword arguments and context variables give."""

    actor: str | None = None
    reason: str | None = None
    correlation_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


class Header(Record):
    """What the hash chain covers. `time` in microseconds; `previous` is the hash of the header before, `body` that of the body's bytes."""

    number: int
    time: int
    txid: bytes
    previous: bytes
    body: bytes
    provenance: Provenance = Provenance()
