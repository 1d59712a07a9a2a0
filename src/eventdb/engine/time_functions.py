"""table_changes and table_diff, computed: see `sql.planner.time_functions` for what they are.

table_changes reads the transactions of the span that touched the table, from the log. table_diff reads the same transactions to learn which
keys they touched, and compares those rows at both moments, so that both cost as much as was changed, and not as much as the table holds.
Where that would be more than the table (many transactions, few rows), where the table was rewritten between, or where the log no longer
goes back so far, table_diff compares the whole table at the two moments.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from eventdb.engine.conflicts import changed_keys
from eventdb.engine.history import cast_column
from eventdb.engine.log_reading import Log
from eventdb.engine.system_tables import register
from eventdb.errors import DataError, InvalidParameterValue, NotSupportedError, SnapshotTooOld
from eventdb.model.schema import SYSTEM_SCHEMA, Column, Table
from eventdb.model.transaction import datetime_of
from eventdb.sql.definition.rows import Code
from eventdb.sql.environment import SystemTable, Wanted
from eventdb.sql.planner.time_functions import Between
from eventdb.sql.reader import Key, Row, TableReader
from eventdb.storage.codec import decode_body
from eventdb.storage.table import identical, key_normalizer

if TYPE_CHECKING:
    from eventdb.engine.database import Database
    from eventdb.engine.execution import Execution

Values = tuple[Any, ...]
Pair = tuple[Row | None, Row | None]
_FEW = 4
"""A table with fewer rows than this many for each transaction of the span is compared whole."""


def span(between: Between, execution: Execution, until: int) -> tuple[int, int]:
    """(after, up to) in transaction numbers."""
    first = 0 if between.first is None else execution.positions[between.first][1]
    last = execution.positions[between.last][1]
    return first or 0, until if last is None else min(last, until)


# ---- table_changes


def _table_changes(execution: Execution, table: SystemTable, last: int | None, wanted: Wanted) -> Iterator[Values]:
    from eventdb.engine.changes import RowChange, changes

    between: Between = table.arguments
    log = Log(execution, table, last, wanted)
    after, until = span(between, execution, log.until)
    if after > until:
        raise InvalidParameterValue(f"the span from transaction {after} to transaction {until} ends before it begins")
    if after + 1 < log.low and after < until:
        raise SnapshotTooOld(f"transaction {after + 1} is no longer in the log, which begins with transaction {log.low}")
    looked_at = between.new or between.old
    assert looked_at is not None
    table_id = looked_at.id
    if between.first is not None:
        log.database.head.check_horizon(looked_at, after)
    after = max(after, log.database.head.horizons.get(table_id, 0))
    log.between(after + 1, until)
    log.bound("transaction", "committed_at")
    log.restrict((table_id,))
    layouts: dict[int, tuple[Table, Callable[[Row], Values]]] = {}
    nothing = (None,) * len(between.columns)
    for record in log.records():
        header = record.header
        who = (datetime_of(header.time), header.provenance.actor, header.provenance.reason)
        found: Iterable[Any] = changes(log.reader, header.number, decode_body(record.body), (table_id,))
        for change in reversed(list(found)) if log.backwards else found:
            if not isinstance(change, RowChange):
                continue
            known = layouts.get(id(change.table))
            if known is None:
                known = layouts[id(change.table)] = change.table, layout(change.table, between.columns, execution)
            values = known[1]
            before, now = (nothing if row is None else values(row) for row in (change.before, change.after))
            yield (header.number, change.position, *who, change.operation, *before, *now)


def layout(table: Table, columns: Sequence[Column], execution: Any) -> Callable[[Row], Values]:
    """What takes the values of `columns`, found by their ids and cast to their types, from a row of `table`; NULL for what it has not.

    The function raises NotSupportedError for a value that has no form in the other type.
    """
    code = Code()
    code.places[0] = lambda slot: f"r0[{slot}]"
    sources = []
    for column in columns:
        before = table.by_id.get(column.id)
        sources.append("None" if before is None else code.value(cast_column(before, column, table)))
    code.add(f"return ({''.join(source + ', ' for source in sources)})")
    made = code.compile("layout", "cx, r0, p=()")

    def laid(row: Row) -> Values:
        try:
            return made(execution, row)  # type: ignore[no-any-return]
        except DataError as error:
            raise NotSupportedError(
                f'values of table "{table.name}" from before its columns changed their types do not fit those types: {error.message}',
                hint="Choose a span that ends before the change, or begins after it.",
            ) from None

    return laid


def comparable(table: Table, columns: Sequence[Column], execution: Any) -> Callable[[Row], Values]:
    """Like `layout`, for comparing only: a value that has no form in the other type equals nothing."""
    made: list[Callable[[Row], Values] | None] = []
    for column in columns:
        try:
            made.append(layout(table, (column,), execution))
        except NotSupportedError:
            made.append(None)

    def values(row: Row) -> Values:
        found: list[Any] = []
        for value in made:
            try:
                found.append(object() if value is None else value(row)[0])
            except NotSupportedError:
                found.append(object())
        return tuple(found)

    return values


# ---- table_diff


def _table_diff(execution: Execution, table: SystemTable, last: int | None, wanted: Wanted) -> Iterator[Values]:
    between: Between = table.arguments
    log = Log(execution, table, last, wanted)
    after, until = span(between, execution, log.until)
    old, new = between.old, between.new
    backwards = after > until
    if backwards:
        # from a later moment back to an earlier one: the same rows, with their sides changed
        old, new, after, until = new, old, until, after
    sides = ("to_", "from_") if backwards else ("from_", "to_")
    a_values, b_values = _values(between.old), _values(between.new)
    a_none, b_none = (None,) * _width(between.old), (None,) * _width(between.new)
    for before, now in Difference(execution, log, (old, new), (after, until), sides).pairs():
        if backwards:
            before, now = now, before
        operation = "added" if before is None else "removed" if now is None else "modified"
        yield (operation, *(a_none if before is None else a_values(before)), *(b_none if now is None else b_values(now)))


def _width(table: Table | None) -> int:
    return 0 if table is None else len(table.visible)


def _values(table: Table | None) -> Callable[[Row], Values]:
    from eventdb.engine.changes import row_values

    return (lambda row: ()) if table is None else row_values(table)


class Difference:
    """The rows that differ between two positions.

    `sides`: how conditions call the columns of the earlier and of the later one. `present`: the later one is what the transaction sees,
    its own work included; `own` are then the keys that it touched, None where they are not known.
    """

    def __init__(
        self, execution: Execution, log: Log, tables: tuple[Table | None, Table | None], between: tuple[int, int],
        sides: tuple[str, str] = ("from_", "to_"), present: bool = False, own: Iterable[Key] | None = (),
    ) -> None:  # fmt: skip
        self._execution = execution
        self._log = log
        self._old, self._new = tables
        self._after, self._until = between
        self._sides = sides
        self._at = None if present else between[1]
        self._own = own

    def pairs(self) -> Iterator[Pair]:
        """(row before, row after) of the rows that came, went or are others now."""
        old, new, reader = self._old, self._new, self._log.reader
        if old is None or new is None:
            for table, at in ((old, self._after), (new, self._at)):
                if table is not None:
                    for batch in reader.table(table, at).batches():
                        yield from ((None, row) if table is new else (row, None) for row in batch)
            return
        before, now = reader.table(old, self._after), reader.table(new, self._at)
        if old.storage != new.storage:
            yield from self._rewritten(before, now)
            return
        differs = self._same_storage()
        keys = self._asked()
        if keys is None:
            keys = self._touched(now)
        for one, other in merged(before, now, old) if keys is None else ((before.get(key), now.get(key)) for key in keys):
            if one is not other and (one is None or other is None or (one[0] != other[0] and differs(one, other))):
                yield one, other

    def _asked(self) -> Iterable[Key] | None:
        """The keys that the conditions leave over; None for all."""
        new = self._new
        assert new is not None
        found = []
        for column_id in new.key:
            column, was = new.by_id[column_id], self._old.by_id.get(column_id) if self._old is not None else None
            values = self._log.equal(self._sides[1] + column.name)
            if values is None and was is not None:
                values = self._log.equal(self._sides[0] + was.name)
            if values is None or column.hidden:
                return None
            found.append([value for value in values if value is not None])
        return found[0] if len(found) == 1 else itertools.product(*found)

    def _touched(self, now: TableReader) -> Sequence[Key] | None:
        """The keys that transactions of the span touched, in order; None where comparing everything is better."""
        log, new = self._log, self._new
        assert new is not None
        data = log.database.head.tables.get(new.storage)
        if data is None or data.touched is None or self._own is None or self._after + 1 < log.low:
            return None
        numbers = data.touched.between(self._after, self._until)
        if len(numbers) * _FEW > data.live.count:
            return None
        log.only(numbers)
        normal = key_normalizer(new)
        keys: set[Key] = set(self._own if normal is None else map(normal, self._own))
        for record in log.records():
            events = [event for event in decode_body(record.body) if getattr(event, "table_id", None) == new.id]
            for found in changed_keys(events, log.reader.catalog_at(record.header.number)).values():
                keys.update(found if normal is None else map(normal, found))
        return sorted(keys)

    def _same_storage(self) -> Callable[[Row, Row], bool]:
        """Whether two versions of a row differ: in a column that both have, or from what a column added since gave to rows there were."""
        old, new = self._old, self._new
        assert old is not None
        assert new is not None
        shared = [column.slot for column in new.visible if column.id in old.by_id]
        added = [(column.slot, column.missing) for column in new.visible if column.id not in old.by_id]

        def differs(one: Row, other: Row) -> bool:
            return not all(identical(one[slot], other[slot]) for slot in shared) or not all(
                identical(missing, other[slot]) for slot, missing in added
            )

        return differs

    def _rewritten(self, before: TableReader, now: TableReader) -> Iterator[Pair]:
        """Over a rewrite: rows are matched by the key columns that both have, values compared in their types of now."""
        old, new = self._old, self._new
        assert old is not None
        assert new is not None
        ids = next((key for key in (new.key, old.key) if all(i in old.by_id and i in new.by_id for i in key)), None)
        shared = [column for column in new.visible if column.id in old.by_id]
        columns = shared if ids is None else [new.by_id[i] for i in ids]
        name_old, name_new = comparable(old, columns, self._execution), layout(new, columns, self._execution)
        row_old, row_new = comparable(old, shared, self._execution), layout(new, shared, self._execution)
        added = [(column.slot, self.missing(column)) for column in new.visible if column.id not in old.by_id]
        waiting: dict[Any, list[Row]] = {}
        for row in itertools.chain.from_iterable(before.batches()):
            waiting.setdefault(_name(name_old, row), []).append(row)
        for row in itertools.chain.from_iterable(now.batches()):
            partners = waiting.get(_name(name_new, row))
            if not partners:
                yield None, row
                continue
            partner = partners.pop(0)
            same = all(identical(a, b) for a, b in zip(row_old(partner), row_new(row), strict=True))
            if not same or not all(identical(missing, row[slot]) for slot, missing in added):
                yield partner, row
        for rows in waiting.values():
            yield from ((row, None) for row in rows)

    def missing(self, column: Column) -> Any:
        """What a column that was added in the span gave to the rows there were, in its type of now."""
        new, reader = self._new, self._log.reader
        assert new is not None
        first, at = new, self._until
        while at > self._after:
            catalog = reader.catalog_at(at)
            table = catalog.tables.get(new.id)
            if table is None or column.id not in table.by_id:
                break
            first, at = table, catalog.version[0] - 1
        row: list[Any] = [None] * first.width
        row[first.by_id[column.id].slot] = first.by_id[column.id].missing
        return layout(first, (column,), self._execution)(tuple(row))[0]


def _name(name: Callable[[Row], Values], row: Row) -> Values:
    return tuple(["NaN" if part != part else part for part in name(row)])


def merged(before: TableReader, now: TableReader, table: Table) -> Iterator[Pair]:
    """The rows of two readers of one storage side by side, by key."""
    normal = key_normalizer(table)
    raw = itemgetter(*table.key_slots)
    key_of: Callable[[Row], Key] = raw if normal is None else (lambda row: normal(raw(row)))
    left, right = (itertools.chain.from_iterable(reader.batches()) for reader in (before, now))
    one, other = next(left, None), next(right, None)
    while one is not None and other is not None:
        a, b = key_of(one), key_of(other)
        if a == b:
            yield one, other
            one, other = next(left, None), next(right, None)
        elif a < b:
            yield one, None
            one = next(left, None)
        else:
            yield None, other
            other = next(right, None)
    while one is not None:
        yield one, None
        one = next(left, None)
    while other is not None:
        yield None, other
        other = next(right, None)


def _touching(database: Database, table: SystemTable) -> int:
    """About how many transactions touched the table that a table function looks at, in its span."""
    between: Between = table.arguments
    looked_at = between.new or between.old
    data = None if looked_at is None else database.head.tables.get(looked_at.storage)
    touched = 0 if data is None or data.touched is None else data.touched.length
    return touched if between.first is None else touched // 3


register(SystemTable(SYSTEM_SCHEMA, "table_changes", ()), _table_changes, _touching, listed=False)
register(SystemTable(SYSTEM_SCHEMA, "table_diff", ()), _table_diff, _touching, listed=False)
