"""What preparing a query gives: a compiled function and what the caller needs to know about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from eventdb.model.datatype import DataType
from eventdb.model.record import Record, replace
from eventdb.sql.environment import Execution

Tuples = Sequence[tuple[Any, ...]]


class ResultColumn(Record):
    """A column of a result."""

    name: str
    datatype: DataType
    nullable: bool = True


class Instrumented(Record):
    """A query that counts rows and time while it runs: `describe` gives the tree with what the last run took."""

    run: Callable[[Execution, tuple[Any, ...]], Tuples]
    describe: Callable[[], str]


class PreparedQuery(Record):
    """A query ready to run.

    `run(execution, parameters)` gives the rows: a list where `streaming` is false, else an iterator of lists. Parameters are values in
    the internal form of `parameters`' types, in order. Values in rows are internal too (JSON as text). `source` is the generated
    Python (EXPLAIN (CODE)), `plan` the tree as text (EXPLAIN), written by `describe` when it is asked for. `instrument()` makes a form of
    it that measures itself (EXPLAIN ANALYZE).
    """

    columns: tuple[ResultColumn, ...]
    parameters: tuple[DataType, ...]
    run: Callable[[Execution, tuple[Any, ...]], Tuples | Iterator[Tuples]]
    streaming: bool
    source: str
    describe: Callable[[], str]
    instrument: Callable[[], Instrumented]

    @property
    def plan(self) -> str:
        return self.describe()

    def measured(self) -> PreparedQuery:
        """The query in its measuring form, which never streams: after a run its `plan` has the real rows and times."""
        made = self.instrument()
        return replace(self, run=made.run, streaming=False, describe=made.describe)


class PreparedProjection(Record):
    """Expressions ready to be computed over given rows (RETURNING, ON CONFLICT DO UPDATE, CHECK, USING).

    `run(execution, parameters, rows)`: with one source `rows` holds stored rows, with several tuples of stored rows (one for each source),
    with none anything (its length counts). Gives one tuple a row, without those that the `where` filter drops.
    """

    columns: tuple[ResultColumn, ...]
    parameters: tuple[DataType, ...]
    run: Callable[[Execution, tuple[Any, ...], Sequence[Any]], list[tuple[Any, ...]]]
    source: str
