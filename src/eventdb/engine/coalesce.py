"""Events of one transaction made few before they go into the log: neighbours of one kind on one table become one event of many rows.

Only what keeps the meaning is joined: inserts and deletes that follow one another directly, and updates of the same columns of different
rows that move no row. Of a sequence's values only the last stays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from eventdb.model.event import Event, RowsDeleted, RowsInserted, RowsUpdated, SequenceAdvanced


def coalesce(events: Sequence[Event], key_slots: Callable[[int], Sequence[int]]) -> list[Event]:
    """The same changes in as few events; `key_slots(table id)` gives the slots of the table's key."""
    if len(events) == 1:
        return list(events)
    result: list[Event] = []
    i, n = 0, len(events)
    last_advance = {event.sequence_id: at for at, event in enumerate(events) if type(event) is SequenceAdvanced}
    while i < n:
        event = events[i]
        if type(event) is SequenceAdvanced:
            if last_advance[event.sequence_id] == i:
                result.append(event)
            i += 1
            continue
        end, joined = _run(events, i, last_advance, result, key_slots)
        result.append(joined)
        i = end
    return result


def _run(
    events: Sequence[Event], start: int, last_advance: dict[int, int], result: list[Event], key_slots: Callable[[int], Sequence[int]]
) -> tuple[int, Event]:
    """The event at `start` joined with those after it that may be; and the place behind them. Sequence values between them are put into
    `result`."""
    first: Any = events[start]
    kind = type(first)
    if kind is RowsUpdated:
        movable = set(key_slots(first.table_id)).isdisjoint(first.slots)
    else:
        movable = kind is RowsInserted or kind is RowsDeleted
    if not movable or start + 1 == len(events):
        return start + 1, first
    rows: list[Any] = list(_rows(first))
    values: list[Any] = list(first.values) if kind is RowsUpdated else []
    seen: set[Any] = set(rows) if kind is RowsUpdated else set()
    i = start + 1
    while i < len(events):
        event: Any = events[i]
        if type(event) is SequenceAdvanced:
            if last_advance[event.sequence_id] == i:
                result.append(event)
            i += 1
            continue
        if type(event) is not kind or not _alike(first, event):
            break
        more = _rows(event)
        if kind is RowsUpdated:
            if any(key in seen for key in more):
                break
            seen.update(more)
            values.extend(event.values)
        rows.extend(more)
        i += 1
    if len(rows) == len(_rows(first)):
        return i, first
    return i, _joined(first, rows, values)


def _rows(event: Any) -> Sequence[Any]:
    rows: Sequence[Any] = event.rows if type(event) is RowsInserted else event.keys
    return rows


def _alike(first: Any, other: Any) -> bool:
    if first.table_id != other.table_id:
        return False
    if type(first) is RowsInserted:
        return bool(first.types == other.types)
    if type(first) is RowsDeleted:
        return bool(first.key_types == other.key_types)
    return bool(first.slots == other.slots and first.types == other.types and first.key_types == other.key_types)


def _joined(first: Any, rows: list[Any], values: list[Any]) -> Event:
    if type(first) is RowsInserted:
        return RowsInserted(first.table_id, first.types, rows)
    if type(first) is RowsDeleted:
        return RowsDeleted(first.table_id, first.key_types, rows)
    return RowsUpdated(first.table_id, first.key_types, rows, first.slots, first.types, values)
