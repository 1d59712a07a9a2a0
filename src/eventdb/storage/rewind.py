"""Going back: the state at an earlier position, made from a later one without reading the log.

A state holds all its history, so what was current at `number` is known: rows and index entries that began later go, versions and entries
that ended later are current again. Pages in which nothing changed since are the same objects in both states. The result is what replaying
the log up to `number` gives (`verify.differences` finds nothing), but for the next hidden row id, which passes over rows that one
transaction inserted and deleted.

Cost: a look at each entry of each tree that was in use after `number` (pages still in a snapshot are loaded for it), and the work for what
changed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from itertools import compress
from operator import itemgetter
from typing import Any

from eventdb.storage.index import IndexData
from eventdb.storage.state import State
from eventdb.storage.table import Shape, TableData, collector_asleep

_first = itemgetter(0)
_last = itemgetter(-1)


def rewind(state: State, number: int, sequences: Mapping[int, int | None]) -> State:
    """The state after transaction `number` of the history that `state` holds.

    `sequences`: the values of the sequences then, which a state keeps no history of.
    """
    catalogs = state.catalogs[: max(bisect_right(state.catalogs, number, key=_first), 1)]
    catalog = catalogs[-1][1]
    shapes = {table.storage: table for table in catalog.tables.values()}
    tables = {}
    with collector_asleep(1 << 30):
        for storage, data in state.tables.items():
            if storage >= catalog.next_id:
                continue  # ids only grow, so it began later
            if data.closed_at is not None and data.closed_at <= number:
                tables[storage] = data
            else:
                table = shapes[storage]
                same = table is data.shape.table and catalog is state.catalog
                shape = data.shape if same else Shape(table, catalog.indexes_of(table.id), state.index_keys)
                tables[storage] = _rewound(data, shape, number)
    rewritings = tuple(n for n in state.rewritings if n <= number)
    return State(number, catalogs, tables, sequences, state.timeline.shortened(number), state.index_keys, rewritings, state.horizons)


def _rewound(data: TableData, shape: Shape, number: int) -> TableData:
    token = object()
    live, past = data.live.fork(token), data.past.fork(token)
    versions = shape.versions
    late = [key for leaf in data.live.leaves() for key, row in zip(leaf.keys, leaf.vals, strict=True) if row[0] > number]
    ended: list[Any] = []
    again: list[Any] = []
    for leaf in data.past.leaves():
        after = [end > number for end in versions.ends(leaf.keys)]
        if True in after:
            ended += compress(leaf.keys, after)
            again += [row for row in compress(leaf.vals, after) if row[0] <= number]
    live.pop_many(late)
    past.pop_many(ended)
    live.put_many(list(map(shape.key_of, again)), again)
    next_row_id = data.next_row_id
    if shape.hidden_key:
        newest, oldest = live.last(), past.last()
        next_row_id = 1 + max(newest[0] if newest else 0, versions.parts(oldest[0])[0] if oldest else 0)
    indexes = {i: _rewound_index(index, token, number) for i, index in data.indexes.items() if index.created_at <= number}
    touched = None if data.touched is None else data.touched.shortened(len(data.touched.between(0, number)))
    return TableData(token, data.storage, shape, live, past, indexes, next_row_id, touched=touched)


def _rewound_index(index: IndexData, token: object, number: int) -> IndexData:
    if index.dropped_at is not None and index.dropped_at <= number:
        return index
    live, past = index.live.fork(token), index.past.fork(token)
    late = [entry for leaf in index.live.leaves() for entry, since in zip(leaf.keys, leaf.vals, strict=True) if since > number]
    left = [entry for leaf in index.past.leaves() for entry, until in zip(leaf.keys, leaf.vals, strict=True) if until > number]
    again = [entry for entry in left if entry[-1] <= number]
    live.pop_many(late)
    past.pop_many(left)
    live.put_many([entry[:-1] for entry in again], list(map(_last, again)))
    return IndexData(index.id, live, past, index.created_at)


def size(state: State) -> int:
    """How many entries the trees of a state have, rows and versions and those of indexes: what `rewind` looks at."""
    return sum(
        data.live.count + data.past.count + sum(index.live.count + index.past.count for index in data.indexes.values())
        for data in state.tables.values()
    )

