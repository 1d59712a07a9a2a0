"""The versions of a table over its rewrites: what its earlier storages hold, in the shape that it has at the end of the span.

A rewrite (a type change that computes values, another clustering key) gives a table a new storage. Its columns keep their ids, so a version
from before is laid out anew by them: values of another type are cast, columns that did not exist are NULL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from eventdb.errors import CannotCoerce, DataError, DatatypeMismatch, NotSupportedError
from eventdb.model.catalog import Catalog
from eventdb.model.schema import Column, Table
from eventdb.sql.expressions import bound
from eventdb.sql.reader import Key, Row, StateReader, TableReader, Version

Layout = Callable[[Any, Row], Row]


class Rewritten:
    """A table with its earlier storages: `versions` gives theirs too. Everything else is the table's own."""

    def __init__(self, newest: TableReader, table: Table, earlier: Sequence[tuple[TableReader, Layout, bool]], execution: Any) -> None:
        """`earlier`: readers of the storages, what lays out their rows, and whether their keys are keys of now."""
        self._newest = newest
        self._table = table
        self._earlier = earlier
        self._execution = execution

    def __getattr__(self, name: str) -> Any:
        return getattr(self._newest, name)

    def versions(self, first: int, last: int, key: Key = None) -> Iterator[Sequence[Version]]:
        """Versions alive at some position in [first, last]; those of earlier storages first. Raises NotSupportedError where a value of one
        has no form in the column's present type."""
        slots = self._table.key_slots
        for reader, layout, same in self._earlier:
            of_key: list[Version] = []
            for batch in reader.versions(first, last, key if same else None):
                # what a transaction made and rewrote itself never was a version
                found = [(end, self._laid(layout, row)) for end, row in batch if end is None or row[0] < end]
                if key is not None and not same:
                    if len(slots) == 1:
                        found = [version for version in found if (value := version[1][slots[0]]) is key or value == key]
                    else:
                        found = [version for version in found if tuple([version[1][slot] for slot in slots]) == key]
                if key is not None:
                    of_key += found
                elif found:
                    yield found
            if of_key:
                # one key of now may have been several then, so their versions lie in another order
                yield sorted(of_key, key=lambda version: version[1][0])
        yield from self._newest.versions(first, last, key)

    def history(self, first: int, last: int, key: Key) -> Sequence[Row]:
        """The rows of `versions` of one key."""
        return [row for batch in self.versions(first, last, key) for _, row in batch]

    def _laid(self, layout: Layout, row: Row) -> Row:
        try:
            return layout(self._execution, row)
        except DataError as error:
            raise NotSupportedError(
                f'versions of table "{self._table.name}" from before it was rewritten do not fit the types of its columns: {error.message}',
                hint="Read them with AS OF, or with a span that ends before the rewrite.",
            ) from None


def with_earlier(reader: StateReader, newest: TableReader, table: Table, span: tuple[int, int], execution: Any) -> TableReader:
    """`newest`, the reader of `table`, with the storages that the table had earlier in the span."""
    first, last = span
    catalog = reader.catalog_at(last)
    known = catalog.storages_before.get(table.id)
    if known is None:
        known = catalog.storages_before[table.id] = _storages_before(reader, catalog, table)
    if not known or known[0][0] < first:
        return newest
    earlier = [(reader.table(then, last), _layout(then, table), _same_keys(then, table)) for until, then in known if until >= first]
    return Rewritten(newest, table, earlier[::-1], execution)


def _storages_before(reader: StateReader, catalog: Catalog, table: Table) -> list[tuple[int, Table]]:
    """The storages that a table of `catalog` had earlier, as `Catalog.storages_before` keeps them."""
    found = []
    storages = {table.storage}
    at = catalog.version[0] - 1
    while at >= 0:
        catalog, later = reader.catalog_at(at), catalog
        then = catalog.tables.get(table.id)
        if catalog is later or (then is None and catalog.next_id <= table.id):
            break
        # a table that was dropped and brought back is missing for a while
        if then is not None and then.storage not in storages:
            storages.add(then.storage)
            found.append((at, then))
        at = min(at, catalog.version[0]) - 1
    return found


def _same_keys(old: Table, new: Table) -> bool:
    """Whether equal keys of the two are the same row's."""
    return old.key == new.key and all(old.by_id[i].datatype == new.by_id[i].datatype for i in old.key)


def _layout(old: Table, new: Table) -> Layout:
    """The function that makes a row of `old` one of `new`."""
    from eventdb.sql.definition.rows import Code

    code = Code()
    code.places[0] = lambda slot: f"r0[{slot}]"
    sources = ["None"] * (new.width - 1)
    for column in new.columns:
        before = old.by_id.get(column.id)
        if before is not None:
            sources[column.slot - 1] = code.value(cast_column(before, column, old))
    code.add(f"return (r0[0], {', '.join(sources)},)")
    return code.compile("layout", "cx, r0, p=()")


def cast_column(before: Column, column: Column, table: Table) -> bound.Expr:
    """The value of `before`, a column of `table` (relation 0), cast to the type of `column`. Raises NotSupportedError without a cast."""
    from eventdb.sql.expressions import binder

    value = bound.Column(before.datatype, 0, before.slot, before.name)
    if before.datatype == column.datatype:
        return value
    for context in ("assignment", "explicit"):
        try:
            return binder.coerce(value, column.datatype, context)
        except (CannotCoerce, DatatypeMismatch):
            pass
    raise NotSupportedError(
        f'versions of table "{table.name}" from before column "{column.name}" changed its type from {before.datatype} to '
        f"{column.datatype} are not supported: there is no cast",
        hint="Read them with AS OF, or with a span that ends before the change.",
    )
