"""Sequence values and hidden row ids, given out by one allocator for all transactions of a process, so that concurrent inserts do not
collide. Values that a rolled back transaction took are lost, as in PostgreSQL; the log learns a value when its transaction commits. What a
sequence stood at in the past, only the log knows."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from eventdb.errors import SequenceLimitExceeded
from eventdb.model.event import SequenceAdvanced
from eventdb.model.schema import Sequence
from eventdb.storage.codec import decode_body
from eventdb.storage.log.base import EventLog

if TYPE_CHECKING:
    from eventdb.storage.state import State

_BATCH = 256
"""So many transactions are read at a time on the way back through the log."""


def values_after(sequence: Sequence, last: int | None, count: int) -> list[int]:
    """The next `count` values after `last` (None: from the start). Raises SequenceLimitExceeded at the end of one that does not cycle."""
    step = sequence.increment
    first = sequence.start if last is None else last + step
    end = first + (count - 1) * step
    if sequence.minimum <= first <= sequence.maximum and sequence.minimum <= end <= sequence.maximum:
        return list(range(first, end + (1 if step > 0 else -1), step))
    values: list[int] = []
    value = first
    for _ in range(count):
        if not sequence.minimum <= value <= sequence.maximum:
            if not sequence.cycle:
                limit, bound = ("maximum", sequence.maximum) if step > 0 else ("minimum", sequence.minimum)
                raise SequenceLimitExceeded(f'nextval: reached {limit} value of sequence "{sequence.name}" ({bound})')
            value = sequence.minimum if step > 0 else sequence.maximum
        values.append(value)
        value += step
    return values


def beyond(sequence: Sequence, value: int | None, other: int | None) -> bool:
    """Whether `value` lies behind `other` in the direction of the sequence."""
    if value is None or other is None:
        return other is None and value is not None
    return value > other if sequence.increment > 0 else value < other


def values_at(
    log: EventLog, state: State, number: int, wanted: Iterable[int], since: int = 0, values: Mapping[int, int | None] | None = None
) -> dict[int, int | None]:
    """What these sequences (by id) stood at after transaction `number`, or when that dropped them: looked for in the log backwards, as far
    as it takes. Those that had given out nothing are left out.

    `state`: any that has the transaction. `values`: what they were after transaction `since`. Where the log no longer has it, a sequence
    keeps the value of `state`: that one was given out later, so it does no harm.
    """
    missing, found = set(wanted), dict[int, int | None]()
    begin = max(since, log.first - 1)
    until = number
    while missing and until > begin:
        after = max(until - _BATCH, begin)
        for record in reversed([record for record in log.read(after, until) if b"SequenceAdvanced" in record.body]):
            for event in reversed(decode_body(record.body)):
                if type(event) is SequenceAdvanced and event.sequence_id in missing:
                    missing.remove(event.sequence_id)
                    found[event.sequence_id] = event.value
        missing &= state.catalog_at(after).sequences.keys()
        until = after
    rest = state.sequences if begin > since else values or {}
    return found | {i: rest[i] for i in missing if i in rest}


class Allocators:
    """The last values given out in this process, by sequence id and by storage id."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[int, int | None] = {}
        self._row_ids: dict[int, int] = {}

    def reserve(self, sequence: Sequence, known: int | None, count: int) -> list[int]:
        """The next `count` values; `known` is the last value in the state that the caller sees."""
        with self._lock:
            last = self._last.get(sequence.id)
            if beyond(sequence, known, last):
                last = known
            values = values_after(sequence, last, count)
            self._last[sequence.id] = values[-1]
            return values

    def row_ids(self, storage: int, known: int, count: int) -> int:
        """The first of `count` consecutive row ids; `known` is the first unused one in the state that the caller sees."""
        with self._lock:
            first = max(known, self._row_ids.get(storage, known))
            self._row_ids[storage] = first + count
            return first

    def committed(self, sequence: Sequence, value: int | None) -> None:
        """A committed transaction set the sequence to `value` by itself (setval, RESTART, another process)."""
        with self._lock:
            if value is None:
                self._last.pop(sequence.id, None)
            elif beyond(sequence, value, self._last.get(sequence.id)):
                self._last[sequence.id] = value

    def restart(self, sequence_id: int, value: int | None) -> None:
        """The sequence stands at `value` again, also where that is behind what was given out."""
        with self._lock:
            if value is None:
                self._last.pop(sequence_id, None)
            else:
                self._last[sequence_id] = value
