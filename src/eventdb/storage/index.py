"""Secondary indexes: trees of entries beside a table's rows.

    live   (components…, row key)          → since, the transaction from which the row has had this entry
    past   (components…, row key, since)   → until, the transaction at which the entry was left

`since` and `until` say exactly at which positions an entry held, so a reader of the past takes entries from both halves and never meets one
twice. Components are made by `model.keys.component`. Entries hold no rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import eq, itemgetter, ne
from typing import Any

from eventdb.errors import InternalError
from eventdb.model.datatype import Kind
from eventdb.model.keys import component
from eventdb.model.schema import Index, Table
from eventdb.model.value import NULL_KEY
from eventdb.storage.btree import Tree

Row = tuple[Any, ...]
Entry = tuple[Any, ...]
EntryFunction = Callable[[Row], "Entry | None"]
IndexKeys = Callable[[Table, Index], EntryFunction]
"""Gives the function that computes the components of an index with expressions or a WHERE: None for a row that isn't in the index."""

_WITH_NAN = (Kind.REAL, Kind.DOUBLE, Kind.NUMERIC)
_FEW = 32
_component = itemgetter(0)


class EntryRule:
    """How one index makes components from rows of one table definition.

    `slots`: the slots that matter, None where any may. `of(row)`: the components of a full-width stored row, None if it isn't in the index.
    """

    __slots__ = ("_plain", "of", "slots")

    def __init__(self, table: Table, index: Index, index_keys: IndexKeys | None) -> None:
        self.slots: frozenset[int] | None = None
        self._plain: tuple[tuple[int, bool, bool, bool], ...] | None = None
        if index.where is not None or any(c.column_id is None for c in index.columns):
            if index_keys is None:
                raise ValueError(f'index "{index.name}" needs index_keys to compute its expressions')
            self.of: EntryFunction = index_keys(table, index)
            return
        plain = []
        for part in index.columns:
            column = table.by_id[part.column_id]  # type: ignore[index]
            simple = not part.descending and not part.nulls_first and column.datatype.kind not in _WITH_NAN
            plain.append((column.slot, simple, part.descending, part.nulls_first))
        self._plain = tuple(plain)
        self.slots = frozenset(slot for slot, *_ in plain)
        self.of = _entry_function(self._plain)

    def bulk(self, rows: Sequence[Row], keys: Sequence[Any]) -> list[Entry]:
        """The entries (components…, key) of many rows, unsorted; rows that aren't in the index are left out."""
        if self._plain is None:
            of = self.of
            return [(*parts, key) for row, key in zip(rows, keys, strict=True) if (parts := of(row)) is not None]
        columns = []
        for slot, simple, descending, nulls_first in self._plain:
            values = list(map(itemgetter(slot), rows))
            if not simple and (descending or nulls_first or not all(map(eq, values, values))):
                values = [component(v, descending, nulls_first) for v in values]
            elif None in values:
                values = [NULL_KEY if v is None else v for v in values]
            columns.append(values)
        return list(zip(*columns, keys, strict=True))


def _entry_function(plain: tuple[tuple[int, bool, bool, bool], ...]) -> EntryFunction:
    if all(simple for _, simple, _, _ in plain):
        slots = tuple(slot for slot, *_ in plain)
        if len(slots) == 1:
            slot = slots[0]
            return lambda row: (NULL_KEY if row[slot] is None else row[slot],)
        return lambda row: tuple([NULL_KEY if row[s] is None else row[s] for s in slots])
    return lambda row: tuple([component(row[s], descending, nulls_first) for s, _, descending, nulls_first in plain])


class IndexData:
    """The two halves of one index. `created_at`: from which transaction on it is complete; `dropped_at`: when it ended, or None."""

    __slots__ = ("created_at", "dropped_at", "id", "live", "past")

    def __init__(self, index_id: int, live: Tree, past: Tree, created_at: int, dropped_at: int | None = None) -> None:
        self.id = index_id
        self.live = live
        self.past = past
        self.created_at = created_at
        self.dropped_at = dropped_at

    def fork(self, token: object) -> IndexData:
        """The same content to be edited under another token."""
        if self.dropped_at is not None:
            return self
        return IndexData(self.id, self.live.fork(token), self.past.fork(token), self.created_at)

    def change(self, before: Entry | None, after: Entry | None, key: Any, number: int) -> None:
        """The row of `key` has other components from `number` on; None stands for a row that is not in the index."""
        if before == after:
            return
        if before is not None:
            self.remove((*before, key), number)
        if after is not None:
            self.live.put((*after, key), number)

    def remove(self, entry: Entry, number: int) -> None:
        """The entry ends at `number`; one that began there never was."""
        since = self.live.pop(entry)
        if since is not None and since != number:
            self.past.put((*entry, since), number)

    def change_many(self, rule: EntryRule, before: Sequence[Row], after: Sequence[Row], keys: Sequence[Any], number: int) -> None:
        """Rows have changed: those of `keys`, in the same order."""
        if rule.slots is None:
            of = rule.of
            pairs = [(a, b, key) for old, new, key in zip(before, after, keys, strict=True) if (a := of(old)) != (b := of(new))]
            leaving = [(*a, key) for a, _, key in pairs if a is not None]
            coming = [(*b, key) for _, b, key in pairs if b is not None]
        else:
            leaving, coming = rule.bulk(before, keys), rule.bulk(after, keys)
            if not all(map(ne, leaving, coming)):
                changed = [(a, b) for a, b in zip(leaving, coming, strict=True) if a != b]
                leaving, coming = [a for a, _ in changed], [b for _, b in changed]
        self.remove_many(leaving, number)
        self.add_many(coming, number)

    def add_many(self, entries: list[Entry], number: int, by_row: bool = False) -> None:
        """Add entries in any order; `by_row`: they come in the order of their row keys, so a stable sort need not compare those."""
        entries.sort(key=_component if by_row and entries and len(entries[0]) == 2 else None)
        self.live.put_many(entries, [number] * len(entries))

    def remove_many(self, entries: list[Entry], number: int) -> None:
        """End entries, in any order."""
        if len(entries) < _FEW:
            for entry in entries:
                self.remove(entry, number)
            return
        entries.sort()
        known = self.live.pop_many(entries)
        if len(known) != len(entries):
            raise InternalError(f"{len(entries) - len(known)} entries of index {self.id} are missing")
        left = [(*entry, since) for entry, since in zip(entries, known, strict=True) if since != number]
        self.past.put_many(left, [number] * len(left))
