"""The seam between SQL and storage: what a compiled statement asks of a state.

The SQL half knows nothing else of how data is kept. A position in time is chosen when a `TableReader` is opened, so the same compiled
plan reads the present and the past. Rows are stored rows: `(start, value of slot 1, …)`, always at the full width of the table as
defined in the catalog that the reader was opened with. Lists handed out are the reader's own and must not be changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from eventdb.model.catalog import Catalog
from eventdb.model.schema import Table

Key = Any
Row = tuple[Any, ...]
Version = tuple[int | None, Row]
"""(number of the transaction that ended this version, or None while it is current; the row)."""


class IndexReader(Protocol):
    """One index at one position. An entry's key is the tuple of its components (see `model.keys`) followed by the row's key.

    Bounds are tuples compared with entry keys as tuples are; a shorter tuple is a prefix and sorts before all keys it begins. Add
    `MAX_KEY` to get behind them: `a > 5` is low=(5, MAX_KEY), `a <= 9` is high=(9, MAX_KEY).
    """

    def lookup(self, prefix: tuple[Any, ...]) -> Sequence[Row]:
        """All rows whose leading components equal `prefix`, in index order."""
        ...

    def batches(
        self, low: tuple[Any, ...] | None = None, high: tuple[Any, ...] | None = None, reverse: bool = False, size: int = 32
    ) -> Iterator[Sequence[Row]]:
        """Rows with low <= entry key < high in index order (or reversed), in lists, the first of at most `size`, so that LIMIT reads
        little."""
        ...

    def count(self, low: tuple[Any, ...] | None = None, high: tuple[Any, ...] | None = None) -> int:
        """About how many entries lie between the bounds: a guess from the tree's upper levels, for the planner."""
        ...


class TableReader(Protocol):
    """One table at one position in time."""

    def row_count(self) -> int:
        """How many rows there are; exact for the present, a guess for the past."""
        ...

    def get(self, key: Key) -> Row | None:
        """The row of this key."""
        ...

    def get_many(self, keys: Sequence[Key]) -> Sequence[Row]:
        """The rows of those keys that exist, in the order of `keys`."""
        ...

    def batches(
        self, low: Key = None, high: Key = None, low_open: bool = False, high_open: bool = False, reverse: bool = False
    ) -> Iterator[Sequence[Row]]:
        """Rows between the bounds (None: unbounded; open: the bound itself left out) in key order, in lists.

        For a composite key a bound may be a prefix, completed with MIN_KEY or MAX_KEY by the caller.
        """
        ...

    def unordered(self) -> Iterator[Sequence[Row]]:
        """All rows, in any order, in lists: the fastest full scan (for the past it need not merge)."""
        ...

    def versions(self, first: int, last: int, key: Key = None) -> Iterator[Sequence[Version]]:
        """Versions alive at some position in [first, last], of all rows or of the one with `key`, by key and then by start."""
        ...

    def history(self, first: int, last: int, key: Key) -> Sequence[Row]:
        """The rows of the versions of one key, without their ends."""
        ...

    def index(self, index_id: int) -> IndexReader: ...


class StateReader(Protocol):
    """A database at one position (the head, or a transaction's own work), from which every earlier position can be read too."""

    @property
    def number(self) -> int:
        """The position; inside a transaction the number it will have."""
        ...

    @property
    def catalog(self) -> Catalog: ...

    def table(self, table: Table, at: int | None = None) -> TableReader:
        """The rows of `table` (a definition from the catalog of that position) at position `at`; None is this state's own present."""
        ...

    def catalog_at(self, number: int) -> Catalog:
        """The catalog as it stood after transaction `number`."""
        ...

    def number_at(self, microseconds: int) -> int:
        """The last transaction committed at or before that moment (0 where there is none)."""
        ...

    def time_of(self, number: int) -> int | None:
        """The commit time of a transaction in microseconds since the epoch; None for one not yet committed."""
        ...

    def sequence_value(self, sequence_id: int) -> int | None:
        """The last value that the sequence gave out, None before the first."""
        ...
