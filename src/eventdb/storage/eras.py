"""The history of a table cut by time: a scan at any position looks at two or three versions for each row there was, not at all of them.

An *era* ends with a transaction. It has the rows as they were then, a tree, and the versions that ended in it, in the order in which they
ended. The rows alive at a position n of the era are those rows of its end that had begun by n, and those versions that ended after n and
had begun by n. A new era begins when as many versions have ended as there are rows. Cutting history by time and keeping what was alive
at the cut is the idea of the time-split B-tree (Lomet and Salzberg, "Access Methods for Multiversion Data", 1989). Here it costs little,
for the pages of a persistent tree stay behind by themselves: 8 bytes for each row that changed in an era, and 16 for each version.

Eras are in memory only, and follow from a table's trees: its `past` has the same versions by row. A table that was read from a snapshot has
none of before; the second scan of its past makes them (`Eras.of`).
"""

from __future__ import annotations

import threading
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, repeat
from operator import itemgetter
from typing import Any

from eventdb.storage.btree import Tree

Row = tuple[Any, ...]

LEAST = 256
"""An era has at least so many versions that ended in it, however few rows there are."""
_BATCH = 512
_appending = threading.Lock()
_start = itemgetter(0)


class Ended:
    """Versions in the order in which they ended. Immutable; `extended` appends to one list that all states of a history share, each with
    its own length."""

    __slots__ = ("_ends", "_rows", "length")

    def __init__(self) -> None:
        self._ends = array("q")
        self._rows: list[Row] = []
        self.length = 0

    def extended(self, number: int, rows: Sequence[Row]) -> Ended:
        """These versions, and those that transaction `number` ended."""
        with _appending:
            longer = Ended.__new__(Ended)
            longer._ends, longer._rows = self._ends, self._rows
            if len(self._rows) > self.length:  # another history went on from here
                longer._ends, longer._rows = self._ends[: self.length], self._rows[: self.length]
            longer._ends.extend(repeat(number, len(rows)))
            longer._rows.extend(rows)
            longer.length = self.length + len(rows)
            return longer

    def alive(self, number: int) -> Iterator[list[Row]]:
        """Those alive at `number`, a position of the era, in lists."""
        rows, end = self._rows, self.length
        for at in range(bisect_right(self._ends, number, 0, end), end, _BATCH):
            yield begun(rows[at : min(at + _BATCH, end)], number)


class Eras:
    """The eras of one table, known for positions from `since` on. The last era is still open: its rows are those of now."""

    __slots__ = ("_closed", "_open", "_untils", "since")

    def __init__(self, since: int) -> None:
        self.since = since
        self._untils: tuple[int, ...] = ()
        self._closed: tuple[tuple[Tree, Ended], ...] = ()
        self._open = Ended()

    @classmethod
    def of(cls, live: Tree, past: Iterable[tuple[Iterable[int], Iterable[Row]]], key_of: Callable[[Row], Any]) -> Eras:
        """The eras of a history: its rows of now, and all past versions as (ends, rows). Reads every page."""
        by_end: defaultdict[int, list[Row]] = defaultdict(list)
        began: Counter[int] = Counter()
        for leaf in live.leaves():
            began.update(map(_start, leaf.vals))
        for ends, rows in past:
            began.update(map(_start, rows))
            for end, row in zip(ends, rows, strict=True):
                by_end[end].append(row)
        cuts, ended = _cut(by_end, began)
        eras = cls(0)
        eras._open = ended
        closed: list[tuple[Tree, Ended]] = []
        tree = live
        for number, of_era in reversed(cuts):
            alive = [row for rows in alive_at(tree, ended.alive(number), number) for row in rows]
            alive.sort(key=key_of)
            tree, ended = Tree.build(None, list(map(key_of, alive)), alive), of_era
            closed.append((tree, ended))
        eras._untils, eras._closed = tuple(number for number, _ in cuts), tuple(reversed(closed))
        return eras

    def extended(self, number: int, rows: Sequence[Row], live: Tree) -> Eras:
        """With the versions that transaction `number` ended; `live`: the rows after it, in a tree that is not edited any more."""
        longer = Eras(self.since)
        longer._untils, longer._closed = self._untils, self._closed
        longer._open = self._open.extended(number, rows)
        if longer._open.length >= max(LEAST, live.count):
            longer._untils += (number,)
            longer._closed += ((live, longer._open),)
            longer._open = Ended()
        return longer

    def at(self, number: int, live: Tree, ending: Sequence[Row] = ()) -> tuple[Tree, Iterator[list[Row]]]:
        """Of the era that position `number` lies in: the rows of its end, and those of `number` that had ended by then, in lists.

        `live`: the rows of now; `ending`: the versions that a transaction under way has ended.
        """
        era = bisect_left(self._untils, number)
        if era < len(self._closed):
            tree, ended = self._closed[era]
            return tree, ended.alive(number)
        return live, chain(self._open.alive(number), (begun(ending, number),))

    def ends(self) -> tuple[int, ...]:
        """The transactions with which the closed eras end."""
        return self._untils


def _cut(by_end: Mapping[int, Sequence[Row]], began: Mapping[int, int]) -> tuple[list[tuple[int, Ended]], Ended]:
    """The closed eras as (last transaction, what ended in it), and what ended in the open one."""
    cuts: list[tuple[int, Ended]] = []
    ended = Ended()
    starts = sorted(began)
    at = alive = 0
    for number in sorted(by_end):
        while at < len(starts) and starts[at] <= number:
            alive += began[starts[at]]
            at += 1
        alive -= len(by_end[number])
        ended = ended.extended(number, by_end[number])
        if ended.length >= max(LEAST, alive):
            cuts.append((number, ended))
            ended = Ended()
    return cuts, ended


def alive_at(tree: Tree, ended: Iterable[list[Row]], number: int) -> Iterator[list[Row]]:
    """All rows of position `number`, in lists, from what `Eras.at` gives."""
    for leaf in tree.leaves():
        yield begun(leaf.vals, number)
    yield from ended


def begun(rows: Sequence[Row], number: int) -> list[Row]:
    """Those rows that had begun by `number`."""
    return [row for row in rows if row[0] <= number]
