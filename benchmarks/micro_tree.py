"""Microseconds of the storage layer by itself: python -m benchmarks.micro_tree [rows]

No SQL and no disk: a table `accounts` with two indexes, read and changed through states and editors. The best of several rounds of
processor time, so that what else the machine does matters little. History: every row updated 10 times in 1,000 transactions.
"""

from __future__ import annotations

import gc
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from eventdb.model import datatype as dt
from eventdb.model.event import Event, IndexCreated, RowsDeleted, RowsInserted, RowsUpdated, TableCreated
from eventdb.model.schema import Column, Index, IndexColumn, Table
from eventdb.storage.codec import encode_body
from eventdb.storage.log.base import Proposal
from eventdb.storage.log.memory import MemoryLog
from eventdb.storage.recovery import replay
from eventdb.storage.state import Editor, State
from eventdb.storage.verify import check_state, verify

INT, TEXT = dt.INTEGER, dt.TEXT
TYPES = (INT, TEXT, INT, TEXT, INT)
BALANCE, UPDATED = 3, 5
TABLE = Table(
    1, "public", "accounts", 2,
    tuple(Column(i, name, TYPES[i - 1], i, nullable=i > 1) for i, name in enumerate(("id", "owner", "balance", "region", "updated"), 1)),
    (1,), width=6, base_width=6, next_column_id=6,
)  # fmt: skip
INDEXES = (Index(3, "public", "by_region", 1, (IndexColumn(4),)), Index(4, "public", "by_balance", 1, (IndexColumn(3),)))
UPDATES, TRANSACTIONS = 10, 1000


def best(work: Callable[[], object], times: int, rounds: int = 5) -> float:
    """Microseconds for one of the `times` that `work` does what it does."""
    taken = []
    for _ in range(rounds):
        gc.collect()
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken) / times * 1e6


def apply(editor: Editor, events: Sequence[Event]) -> None:
    for event in events:
        editor.apply(event)


def after(state: State, *events: Event) -> State:
    editor = state.edit(state.number + 1)
    apply(editor, events)
    return editor.publish((state.number + 1) * 1000)


def update(keys: list[int], slot: int, number: int) -> RowsUpdated:
    return RowsUpdated(1, (INT,), keys, (slot,), (INT,), [((key * 7919 + number) % 1_000_000,) for key in keys])


def built(count: int) -> tuple[State, list[tuple[object, ...]]]:
    rows: list[tuple[object, ...]] = [(i, f"owner {i}", i * 7919 % 1_000_000, f"region {i * 31 % 1000}", 0) for i in range(count)]
    return after(State.empty(), TableCreated(TABLE), *map(IndexCreated, INDEXES)), rows


def with_history(state: State, count: int) -> State:
    width = max(count * UPDATES // TRANSACTIONS, 1)
    for _ in range(UPDATES):
        for first in range(0, count, width):
            state = after(state, update(list(range(first, min(first + width, count))), UPDATED, state.number))
    return state


def bulk(empty: State, rows: list[tuple[object, ...]]) -> Iterator[tuple[str, float]]:
    count = len(rows)
    keys = list(range(count))
    insert = RowsInserted(1, TYPES, rows)
    full = after(empty, insert)
    yield "bulk insert, 2 indexes, ms", best(lambda: after(empty, insert), 1000, 3)
    change, moved = update(keys, UPDATED, 5), update(keys, BALANCE, 5)
    yield "bulk update, no index, ms", best(lambda: after(full, change), 1000, 3)
    yield "bulk update, 1 of 2 indexes, ms", best(lambda: after(full, moved), 1000, 3)
    yield "bulk delete, 2 indexes, ms", best(lambda: after(full, RowsDeleted(1, (INT,), keys)), 1000, 3)


def single(state: State, keys: list[int], middle: int) -> Iterator[tuple[str, float]]:
    now, then = state.table(TABLE), state.table(TABLE, middle)
    every, keys = keys, keys[: len(keys) // 4]
    times = len(keys)
    yield "get", best(lambda: [now.get(key) for key in keys], times)
    yield "AS OF get", best(lambda: [then.get(key) for key in keys], times)
    yield "AS OF get_many", best(lambda: then.get_many(keys), times)
    yield "versions of one key", best(lambda: [len(list(now.versions(0, state.number, key))) for key in keys], times)
    for name, slot in ("update a row, no index", UPDATED), ("update a row, 1 of 2 indexes", BALANCE):
        changes = [update([key], slot, state.number) for key in every]
        editor = state.edit(state.number + 1)
        apply(editor, changes[1000:])
        # most pages are the editor's own by now, as in a large transaction
        yield name, best(partial(apply, editor, changes[:1000]), 1000, 1)

    def commits(slot: int) -> None:
        last = state
        for key in keys[:500]:
            last = after(last, update([key], slot, last.number))

    yield "commit of one row, no index", best(lambda: commits(UPDATED), 500)
    yield "commit of one row, 1 of 2 indexes", best(lambda: commits(BALANCE), 500)


def scans(state: State, middle: int) -> Iterator[tuple[str, float]]:
    now, then = state.table(TABLE), state.table(TABLE, middle)
    yield "scan, ms", best(lambda: [len(part) for part in now.unordered()], 1000)
    yield "AS OF scan, any order, ms", best(lambda: sum(len(part) for part in then.unordered()), 1000)
    yield "AS OF scan, in order, ms", best(lambda: sum(len(part) for part in then.batches()), 1000, 3)
    yield "all versions, ms", best(lambda: sum(len(part) for part in now.versions(0, state.number)), 1000, 3)


def checks(count: int) -> Iterator[tuple[str, float]]:
    """A database of so many rows after 1,000 transactions of one row each: what opening by the log alone and verifying it cost."""
    log = MemoryLog()
    _, rows = built(count)
    made: list[list[Event]] = [[TableCreated(TABLE), *map(IndexCreated, INDEXES)], [RowsInserted(1, TYPES, rows)]]
    made += ([update([key % count], BALANCE, key)] for key in range(1000))
    for number, events in enumerate(made, 1):
        log.append([Proposal(number.to_bytes(16, "big"), encode_body(events), number * 1000)], log.head, "none")
    state = replay(State.empty(), log)
    yield "replay of 1,002 transactions, ms", best(lambda: replay(State.empty(), log), 1000, 2)
    problems: list[str] = []
    yield "verify of the same, ms", best(lambda: problems.extend(verify(log, state).problems), 1000, 2)
    assert not problems, problems
    yield "check after a commit (sample)", best(lambda: check_state(after(state, update([1], BALANCE, 0))), 1, 3)


def main(count: int) -> None:
    empty, rows = built(count)

    def show(lines: Iterator[tuple[str, float]]) -> None:
        for name, value in lines:
            print(f"{name:<36}{value:10.2f}", flush=True)

    show(bulk(empty, rows))
    show(checks(count))
    state = with_history(after(empty, RowsInserted(1, TYPES, rows)), count)
    keys = random.Random(1).sample(range(count), min(count, 40_000))
    middle = 2 + (state.number - 2) // 2
    show(single(state, keys, middle))
    show(scans(state, middle))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
