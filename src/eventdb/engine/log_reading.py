"""Reading the log for a statement: only the transactions that its conditions leave over.

A `Log` begins with all committed transactions that the statement may see, and is narrowed: by bounds on the number or the commit time, to
single numbers, to the transactions that touched certain tables.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from eventdb.model.catalog import Catalog
from eventdb.model.transaction import microseconds_of
from eventdb.sql.environment import ALL, SystemTable, Wanted
from eventdb.storage.codec import decode_body
from eventdb.storage.log.base import Record

if TYPE_CHECKING:
    from eventdb.engine.changes import Change
    from eventdb.engine.execution import Execution

_NEAR = 8
"""Records that lie so close together are read in one go."""
_FIRST, _MOST = 16, 4096
"""How many records are read in one go backwards, at first and at the most: who reads backwards often wants only the last ones."""


class Log:
    """The transactions that a statement may see, to be narrowed and read.

    `low`, `high`: the range that is left; `numbers`: the single ones in it, None for all.
    """

    def __init__(self, execution: Execution, table: SystemTable, last: int | None, wanted: Wanted = ALL) -> None:
        reader, transaction = execution.reader, execution.transaction
        self.database = execution.session.database
        self.reader = reader
        self.until = reader.number if transaction is None else transaction.base.number
        if last is not None:
            self.until = min(last, self.until)
        self.low, self.high = max(1, self.database.log.first), self.until
        self.numbers: set[int] | None = None
        self.whole: frozenset[int] = frozenset()
        self._limits = [(table.columns[ordinal][0], operator, values) for ordinal, operator, values in wanted.limits]
        self._columns = None if wanted.columns is None else {table.columns[ordinal][0] for ordinal in wanted.columns}
        self.backwards = wanted.backwards

    # narrowing

    def between(self, low: int, high: int) -> None:
        """Only numbers from `low` to `high`."""
        self.low, self.high = max(self.low, low), min(self.high, high)

    def only(self, numbers: Iterable[int]) -> None:
        """Only these numbers."""
        self.numbers = set(numbers) if self.numbers is None else self.numbers.intersection(numbers)

    def bound(self, number: str, time: str | None = None) -> None:
        """Take what the conditions say about the columns `number` and `time`."""
        for name, operator, values in self._limits:
            if name == number:
                self._bounded(operator, values)
            elif name == time:
                self._bounded_by_time(operator, values)

    def _bounded(self, operator: str, values: tuple[Any, ...]) -> None:
        finite = [value for value in values if value is not None and math.isfinite(value)]
        if operator == "=":
            self.only(int(value) for value in finite if value == int(value))
        elif values[0] is None:
            self.only(())
        elif not finite:
            # NaN is greater than all numbers
            if (values[0] < 0) == (operator in ("<", "<=")):
                self.only(())
        else:
            # a bound that is left out is not read either: it may be the one large transaction
            bound = math.floor(values[0])
            if operator in (">", ">="):
                self.between(bound + (operator == ">"), self.high)
            else:
                self.between(self.low, bound - (operator == "<" and bound == values[0]))

    def _bounded_by_time(self, operator: str, values: tuple[Any, ...]) -> None:
        times = [microseconds_of(value) for value in values if value is not None]
        if operator == "=":
            self.only(number for time in times if self.reader.time_of(number := self.reader.number_at(time)) == time)
        elif not times:
            self.only(())
        elif operator in (">", ">="):
            self.between(self.reader.number_at(times[0] - (operator == ">=")) + 1, self.high)
        else:
            self.between(self.low, self.reader.number_at(times[0] - (operator == "<")))

    def uses(self, *names: str) -> bool:
        """Whether any of these columns is used."""
        return self._columns is None or not self._columns.isdisjoint(names)

    def equal(self, name: str) -> set[Any] | None:
        """The values that the conditions leave for a column; None for all."""
        found: set[Any] | None = None
        for column, operator, values in self._limits:
            if column == name and operator == "=":
                found = set(values) if found is None else found.intersection(values)
        return found

    def restrict(self, tables: Collection[int]) -> None:
        """Only transactions that touched these tables (by id), and those that changed the schema: what they made and dropped again, or
        named otherwise for a while, stands in no catalog."""
        storages = {
            table.storage for catalog in self.catalogs() for table_id in tables if (table := catalog.tables.get(table_id)) is not None
        }
        found: set[int] = set()
        for storage in storages:
            data = self.database.head.tables.get(storage)
            if data is None or data.touched is None:
                return
            found.update(data.touched.between(self.low - 1, self.high))
        self.whole = frozenset(catalog.version[0] for catalog in self.catalogs())
        self.only(found | self.whole)

    # reading

    def catalogs(self) -> Iterator[Catalog]:
        """The schemas that were in force in the range, newest first."""
        at = self.high
        while at >= 0:
            catalog = self.reader.catalog_at(at)
            yield catalog
            at = catalog.version[0] - 1
            if at < self.low - 1:
                return

    def time_of(self, number: int) -> int:
        """The commit time in microseconds."""
        return self.reader.time_of(number) or 0

    def left(self) -> Iterable[int]:
        """The numbers that are left, in the order asked for."""
        found: Sequence[int]
        if self.numbers is None:
            found = range(self.low, self.high + 1)
        else:
            found = sorted(number for number in self.numbers if self.low <= number <= self.high)
        return reversed(found) if self.backwards else found

    def ranges(self) -> Iterator[tuple[int, int]]:
        """(after, until) of what is to be read, ascending."""
        if self.numbers is None:
            if self.low <= self.high:
                yield self.low - 1, self.high
            return
        first = last = 0
        for number in sorted(number for number in self.numbers if self.low <= number <= self.high):
            if last and number - last > _NEAR:
                yield first - 1, last
                first = number
            first = first or number
            last = number
        if last:
            yield first - 1, last

    def records(self) -> Iterator[Record]:
        """The records, in the order asked for."""
        for after, until in self._backwards() if self.backwards else self.ranges():
            found = self._read(after, until)
            yield from reversed(list(found)) if self.backwards else found

    def _read(self, after: int, until: int) -> Iterator[Record]:
        database, numbers = self.database, self.numbers
        for record in database.log.read(after, until):
            database.records_read += 1
            if numbers is None or record.header.number in numbers:
                yield record

    def _backwards(self) -> Iterator[tuple[int, int]]:
        """The ranges from the last to the first, in pieces, small ones first."""
        size = _FIRST
        for after, until in reversed(list(self.ranges())):
            while until > after:
                begin = max(after, until - size)
                yield begin, until
                until, size = begin, min(size * 4, _MOST)

    def changes(self, tables: Collection[int] | None = None) -> Iterator[tuple[int, Iterator[Change]]]:
        """(number, changes) of the transactions; rows of `tables` only, unless that is None or the transaction changed the schema. The
        changes, too, are in the order asked for.

        Changes up to a table's horizon are left out: what its rows were before is not known any more.
        """
        from eventdb.engine.changes import changes

        horizons = self.database.head.horizons
        for record in self.records():
            number = record.header.number
            wanted: Container[int] | None = None if number in self.whole else tables
            trimmed = [table_id for table_id, horizon in horizons.items() if number <= horizon] if horizons else []
            found = changes(self.reader, number, decode_body(record.body), _Without(wanted, trimmed) if trimmed else wanted)
            yield number, reversed(list(found)) if self.backwards else found


class _Without:
    """Tables, of which some are left out."""

    def __init__(self, tables: Container[int] | None, left_out: Container[int]) -> None:
        self._tables = tables
        self._left_out = left_out

    def __contains__(self, table_id: object) -> bool:
        return table_id not in self._left_out and (self._tables is None or table_id in self._tables)
