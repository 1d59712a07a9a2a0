"""What a table of one database holds otherwise than that of another: a fork and its origin, two forks, a database and its copy.

Up to the transaction where they part (the last one with the same hash in both logs) two databases have one history. Tables and columns
from there are matched by their ids, so they may have been renamed since; what each has made by itself is matched by name. Rows are matched
by the primary key. Where both sides still have pages of that history in common, those are not looked at, so comparing a fork with its
origin costs as much as was changed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from eventdb.engine.feed import Layout, places
from eventdb.errors import UndefinedTable
from eventdb.model.catalog import Catalog
from eventdb.model.schema import Column, Table
from eventdb.storage.log.base import EventLog
from eventdb.storage.log.fork import ForkLog
from eventdb.storage.snapshot import hash_at
from eventdb.storage.table import identical, row_key
from eventdb.storage.unshared import unshared

if TYPE_CHECKING:
    from eventdb.engine.session import Session

Row = tuple[Any, ...]


class Difference:
    """One row that two databases hold otherwise.

    `kind`: "added" (only this one has it), "removed" (only the other one) or "modified". `before`: the row in the other database, `after`:
    in this one, as column → value with the columns that the table has there; `key`: its primary key likewise, empty where there is none.
    """

    __slots__ = ("_after", "_before", "_layouts")

    def __init__(self, layouts: tuple[Layout | None, Layout | None], before: Row | None, after: Row | None) -> None:
        self._layouts = layouts
        self._before = before
        self._after = after

    @property
    def kind(self) -> str:
        return "added" if self._before is None else "removed" if self._after is None else "modified"

    @property
    def before(self) -> dict[str, Any] | None:
        return None if self._before is None or self._layouts[0] is None else self._layouts[0].row(self._before)

    @property
    def after(self) -> dict[str, Any] | None:
        return None if self._after is None or self._layouts[1] is None else self._layouts[1].row(self._after)

    @property
    def key(self) -> dict[str, Any]:
        place = 0 if self._after is None else 1
        layout, row = self._layouts[place], (self._before, self._after)[place]
        return {} if layout is None or row is None else layout.key(row)

    def __repr__(self) -> str:
        return f"<eventdb.Difference {self.kind}: {self.before} → {self.after}>"


class Side:
    """A database as a session sees it, the changes of its open transaction included."""

    def __init__(self, session: Session) -> None:
        self.log = session.database.log
        state = session.database.refresh()
        transaction = session.transaction
        self.at: int | None = session.pinned
        self.reader: Any = state
        self.head = state.number
        if transaction is not None:
            transaction.flush()
            transaction.freeze()
            self.reader, self.head, self.at = transaction.present, transaction.base.number, transaction.pinned
        self.catalog: Catalog = self.reader.catalog if self.at is None else self.reader.catalog_at(self.at)

    def table(self, table: Table) -> Any:
        return self.reader.table(table, self.at)


def common_history(one: EventLog, other: EventLog, head: int) -> int:
    """The last transaction that two logs have in common, none later than `head`; 0 for logs of different databases."""
    mine = dict(_line(one, head))
    for log, number in _line(other, head):
        if log in mine:
            return min(number, mine[log])
    first = max(one.first, other.first)
    if one.log_id != other.log_id or first > head:
        return 0

    def same(number: int) -> bool:
        return hash_at(one, number) == hash_at(other, number)

    if not same(first):
        return 0
    low, high = first, head
    while low < high:
        middle = (low + high + 1) // 2
        if same(middle):
            low = middle
        else:
            high = middle - 1
    return low


def _line(log: EventLog, head: int) -> Iterator[tuple[EventLog, int]]:
    """A log and those that it is forked from, each with the last transaction up to which it is the same."""
    number = head
    while True:
        yield log, number
        if not isinstance(log, ForkLog) or log.origin is None:
            return
        number = min(number, log.forked_at)
        log = log.origin


def difference(this: Session, other: Session, name: str) -> Iterator[Difference]:
    """How the table of that name, "table" or "schema.table", differs. Raises UndefinedTable where neither has it; the iterator raises
    SerializationFailure where values are erased from one of them meanwhile."""
    ways = places(name, this.search_path)
    found = _differences(this, other, ways, name)
    return this.database.unless_rewritten(other.database.unless_rewritten(found))


def _differences(this: Session, other: Session, ways: Sequence[tuple[str, str]], name: str) -> Iterator[Difference]:
    after, before = Side(this), Side(other)
    parted = common_history(after.log, before.log, min(after.head, before.head))
    known = after.reader.catalog_at(parted)
    table, was = _tables(after.catalog, before.catalog, known, ways, name)
    layouts = (None if was is None else Layout(was, this.json_loads), None if table is None else Layout(table, this.json_loads))
    if table is None:
        assert was is not None
        rows = itertools.chain.from_iterable(before.table(was).batches())
        return (Difference(layouts, row, None) for row in rows)
    if was is None:
        rows = itertools.chain.from_iterable(after.table(table).batches())
        return (Difference(layouts, None, row) for row in rows)
    shared = known.tables.get(table.id)
    pairs = _columns(was, table, 1 if shared is None else shared.next_column_id)
    differs = _differs(was, table, pairs)
    # opened now, so that what follows in the transaction does not show
    readers = before.table(was), after.table(table)
    shares = was.storage == table.storage < known.next_id and before.at is None and after.at is None
    both = _pairs(readers, was, table, pairs, shares, _same_key(was, table, pairs, known.next_id))
    return (Difference(layouts, one, two) for one, two in both if one is None or two is None or differs(one, two))


def _tables(
    here: Catalog, there: Catalog, known: Catalog, ways: Sequence[tuple[str, str]], name: str
) -> tuple[Table | None, Table | None]:
    """The table of that name in this database, else in the other one, and the same table in the other one."""
    for way in ways:
        for catalog, opposite, turned in ((here, there, False), (there, here, True)):
            found = catalog.find(*way)
            if not isinstance(found, Table):
                continue
            if found.id < known.next_id:
                match: Any = opposite.tables.get(found.id)
            else:
                match = opposite.find(*way)
                if not isinstance(match, Table) or match.id < known.next_id:
                    match = None
            return (match, found) if turned else (found, match)
    raise UndefinedTable(f'relation "{name}" does not exist')


def _columns(was: Table, table: Table, limit: int) -> list[tuple[Column, Column]]:
    """Columns that are the same in both: those with ids below `limit` by id, the others by name."""
    pairs = []
    for column in table.columns:
        match = was.by_id.get(column.id) if column.id < limit else was.by_name.get(column.name)
        if match is not None and (match.id < limit) == (column.id < limit):
            pairs.append((match, column))
    return pairs


def _differs(was: Table, table: Table, pairs: Sequence[tuple[Column, Column]]) -> Callable[[Row, Row], bool]:
    """Whether two rows differ: in a column of both, or from what a column that only one has gave to rows there were."""
    shown = [(a, b) for a, b in pairs if not b.hidden]
    alike = [(a.slot, b.slot) for a, b in shown if a.datatype == b.datatype]
    equal = [(a.slot, b.slot) for a, b in shown if a.datatype != b.datatype]
    gone = [(c.slot, c.missing) for c in was.visible if not any(a is c for a, _ in pairs)]
    come = [(c.slot, c.missing) for c in table.visible if not any(b is c for _, b in pairs)]

    def differs(one: Row, two: Row) -> bool:
        return not (
            all(identical(one[a], two[b]) for a, b in alike)
            and all(one[a] == two[b] for a, b in equal)
            and all(identical(one[slot], missing) for slot, missing in gone)
            and all(identical(two[slot], missing) for slot, missing in come)
        )

    return differs


def _pairs(
    readers: tuple[Any, Any], was: Table, table: Table, pairs: Sequence[tuple[Column, Column]], shares: bool, same_key: bool
) -> Iterator[tuple[Row | None, Row | None]]:
    """Rows side by side. `shares`: the trees may have pages in common, which are left out. `same_key`: both are kept by one key, by which
    rows are matched; else those are left out that have a row of the same values on the other side."""
    one, two = readers
    left: Iterable[Row]
    right: Iterable[Row]
    if shares:
        mine, theirs = unshared(one.tree, two.tree)
        left = one.full([row for leaf in mine for row in leaf.vals])
        right = two.full([row for leaf in theirs for row in leaf.vals])
    else:
        left, right = (itertools.chain.from_iterable(side.batches()) for side in (one, two))
    if same_key:
        yield from _matched(left, right, row_key(was), row_key(table))
        return
    slots = [(a.slot, b.slot) for a, b in pairs if not b.hidden]
    waiting: dict[Any, list[Row]] = {}
    for row in left:
        waiting.setdefault(tuple([repr(row[a]) for a, _ in slots]), []).append(row)
    for row in right:
        same = waiting.get(tuple([repr(row[b]) for _, b in slots]))
        if same:
            same.pop()
        else:
            yield None, row
    for rows in waiting.values():
        yield from ((row, None) for row in rows)


def _same_key(was: Table, table: Table, pairs: Sequence[tuple[Column, Column]], limit: int) -> bool:
    """Whether both are kept by the same columns, so that rows can be matched by them. Row numbers of tables made apart mean nothing."""
    partner = {b.id: a for a, b in pairs}
    columns = [(partner.get(i), table.by_id[i]) for i in table.key]
    if [None if a is None else a.id for a, _ in columns] != list(was.key) or (columns[0][1].hidden and table.id >= limit):
        return False
    return all(
        a is not None and (a.datatype.kind is b.datatype.kind or (a.datatype.is_numeric and b.datatype.is_numeric)) for a, b in columns
    )


def _matched(
    left: Iterable[Row], right: Iterable[Row], left_key: Callable[[Row], Any], right_key: Callable[[Row], Any]
) -> Iterator[tuple[Row | None, Row | None]]:
    """Two ascending runs of rows side by side, by key."""
    lefts, rights = iter(left), iter(right)
    one, two = next(lefts, None), next(rights, None)
    while one is not None or two is not None:
        a: Any = None if one is None else left_key(one)
        b: Any = None if two is None else right_key(two)
        if two is None or (one is not None and a < b):
            yield one, None
            one = next(lefts, None)
        elif one is None or b < a:
            yield None, two
            two = next(rights, None)
        else:
            yield one, two
            one, two = next(lefts, None), next(rights, None)
