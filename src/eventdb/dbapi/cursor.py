"""Cursors: run statements, hand out rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from eventdb.dbapi.rows import RowFactory
from eventdb.dbapi.types import TypeCode
from eventdb.engine.results import Columns, Outcome, translated
from eventdb.errors import ConnectionDoesNotExist, InterfaceError, NotSupportedError, ProgrammingError, ReadOnlyTransaction
from eventdb.model.datatype import Kind
from eventdb.sql.prepared import ResultColumn

if TYPE_CHECKING:
    from eventdb.dbapi.connection import Connection

Description = tuple[tuple[str, TypeCode, int | None, int | None, int | None, int | None, bool | None], ...]
_Self = TypeVar("_Self", bound="Cursor")
_PastSelf = TypeVar("_PastSelf", bound="PastCursor")
_END = object()
_NOTHING: Outcome = (None, (), -1, None)
_SIZES = {Kind.SMALLINT: 2, Kind.INTEGER: 4, Kind.BIGINT: 8, Kind.REAL: 4, Kind.DOUBLE: 8, Kind.BOOLEAN: 1, Kind.UUID: 16}


_MOST_DESCRIBED = 1000
_described: dict[int, tuple[Any, Description]] = {}
"""Descriptions that were made, by the identity of the columns, which are the same object in every run of a prepared statement."""


def _description(columns: tuple[ResultColumn, ...]) -> Description:
    return tuple(
        (
            column.name, TypeCode(column.datatype), column.datatype.length, _SIZES.get(column.datatype.kind, column.datatype.length),
            column.datatype.precision, column.datatype.scale, column.nullable,
        )
        for column in columns
    )  # fmt: skip


class Cursor:
    """A PEP 249 cursor. An open result is not disturbed by what is executed elsewhere, nor by the end of its transaction.

    `arraysize`: how many rows `fetchmany` takes without an argument. `row_factory`: what rows become (see `rows`), the connection's by
    default.
    """

    __slots__ = (
        "__weakref__", "_closed", "_columns", "_connection", "_lock", "_rows", "_session", "_text", "arraysize", "lastrowid", "messages",
        "row_factory", "rowcount",
    )  # fmt: skip

    def __init__(self, connection: Connection, row_factory: RowFactory | None = None) -> None:
        self._connection = connection
        self._session = connection.session
        self._lock = connection.lock
        self._closed = False
        self._columns: Columns = None
        self._rows: Iterator[Any] | None = None
        self._text: str | None = None
        self.arraysize = 1
        self.row_factory = connection.row_factory if row_factory is None else row_factory
        self.messages: list[tuple[type, Any]] = []
        self.rowcount = -1
        """Rows changed, or in the result; -1 before a statement, and for a result that is computed while it is fetched."""
        self.lastrowid: Any = None
        """The key of the last row inserted, where it is one integer."""

    # what a result is

    @property
    def connection(self) -> Connection:
        return self._connection

    @property
    def columns(self) -> tuple[ResultColumn, ...]:
        """The columns of the result with their SQL types; empty without one."""
        return self._columns or ()

    @property
    def description(self) -> Description | None:
        """(name, type code, display size, internal size, precision, scale, nullable) for each column; None without a result set."""
        columns = self._columns
        if columns is None:
            return None
        known = _described.get(id(columns))
        if known is None or known[0] is not columns:
            if len(_described) >= _MOST_DESCRIBED:
                _described.clear()
            known = _described[id(columns)] = (columns, _description(columns))
        return known[1]

    @property
    def rownumber(self) -> None:
        """Not kept (optional in PEP 249)."""

    # executing

    def execute(self: _Self, operation: str, parameters: Any = ()) -> _Self:
        """Run one statement. Parameters: a sequence for `?`, a mapping for `:name`."""
        if self._closed:
            self._check_open()
        lock = self._lock
        lock.acquire()  # half the cost of a with block
        try:
            self._columns, rows, self.rowcount, self.lastrowid = self._session.execute(operation, parameters)
        except BaseException:
            self._give(_NOTHING, None)
            raise
        finally:
            lock.release()
        if self._columns is None:
            self._rows = None
        else:
            self._text = operation
            self._rows = iter(rows) if self.row_factory is None else self._made(rows)
        return self

    def _give(self, outcome: Outcome, operation: str | None) -> None:
        """Make this the cursor's result."""
        self._columns, rows, self.rowcount, self.lastrowid = outcome
        self._text = operation
        self._rows = None if self._columns is None else self._made(rows)

    def _made(self, rows: Iterable[Any]) -> Iterator[Any]:
        """The rows as the row factory makes them."""
        make = None if self.row_factory is None else self.row_factory(self)
        return iter(rows) if make is None else map(make, rows)

    def executemany(self: _Self, operation: str, seq_of_parameters: Iterable[Any]) -> _Self:
        """Run a write once for each of many parameter sets, as one statement: all of them or none."""
        self._check_open()
        with self._lock:
            self._give(_NOTHING, None)
            self._give(self._session.executemany(operation, seq_of_parameters), operation)
        return self

    def executescript(self: _Self, script: str) -> _Self:
        """Run all statements of a text, without parameters and results. (An extension, as sqlite3 has it; it does not commit.)"""
        self._check_open()
        with self._lock:
            self._give(_NOTHING, None)
            self._session.executescript(script)
        return self

    def callproc(self, procname: str, parameters: Any = ()) -> Any:
        """Raises NotSupportedError: there are no stored procedures."""
        raise NotSupportedError("stored procedures are not supported")

    def nextset(self) -> None:
        """None: a statement has one result set at most."""
        self._check_open()

    # fetching

    def fetchone(self) -> Any:
        """The next row, None at the end."""
        if self._session.closed:
            self._check_open()
        try:
            return next(self._rows, None)  # type: ignore[arg-type]
        except Exception as error:
            self._check_result()
            raise (known := translated(error, self._text)) from known.__cause__

    def fetchmany(self, size: int | None = None) -> list[Any]:
        """The next `size` rows (`arraysize` without an argument), fewer at the end."""
        rows = self._check_result()
        count = self.arraysize if size is None else size
        if count < 0:
            raise InterfaceError(f"fetchmany() takes a size of 0 or more, not {count}")
        try:
            return list(islice(rows, count))
        except Exception as error:
            raise (known := translated(error, self._text)) from known.__cause__

    def fetchall(self) -> list[Any]:
        """All rows that are left."""
        rows = self._check_result()
        try:
            return list(rows)
        except Exception as error:
            raise (known := translated(error, self._text)) from known.__cause__

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        rows = self._rows
        if rows is None or self._session.closed:
            rows = self._check_result()
        try:
            return next(rows)
        except StopIteration:
            raise
        except Exception as error:
            raise (known := translated(error, self._text)) from known.__cause__

    def scroll(self, value: int, mode: str = "relative") -> None:
        """Go forward in the result. Raises NotSupportedError for a way back, IndexError beyond the end."""
        rows = self._check_result()
        if mode not in ("relative", "absolute"):
            raise ProgrammingError(f'scroll mode must be "relative" or "absolute", not {mode!r}')
        if mode == "absolute" or value < 0:
            raise NotSupportedError("results can only be scrolled forward")
        for _ in range(value):
            if next(rows, _END) is _END:
                raise IndexError("scrolled beyond the end of the result")

    def setinputsizes(self, sizes: Any) -> None:
        """Nothing to do (PEP 249 allows that)."""
        self._check_open()

    def setoutputsize(self, size: int, column: int | None = None) -> None:
        """Nothing to do (PEP 249 allows that)."""
        self._check_open()

    # life

    def _check_open(self) -> None:
        if self._closed:
            raise ConnectionDoesNotExist("the cursor is closed")
        self._session.check_open()

    def _check_result(self) -> Iterator[Any]:
        self._check_open()
        if self._rows is None:
            raise ProgrammingError("there is no result to fetch from: the last statement gave none, or nothing was executed")
        return self._rows

    def close(self) -> None:
        """Give up the result; `rowcount` and `lastrowid` stay. May be called again."""
        self._closed = True
        self._columns = self._rows = self._text = None

    def __enter__(self: _Self) -> _Self:
        self._check_open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class PastCursor(Cursor):
    """A cursor whose queries read at one moment, made by `Connection.cursor(as_of=…)`. Raises ReadOnlyTransaction for what would write."""

    __slots__ = ("as_of",)

    def __init__(self, connection: Connection, row_factory: RowFactory | None, as_of: Any) -> None:
        super().__init__(connection, row_factory)
        self.as_of = as_of

    def execute(self: _PastSelf, operation: str, parameters: Any = ()) -> _PastSelf:
        """Run one statement at the cursor's moment."""
        self._check_open()
        with self._lock:
            self._give(_NOTHING, None)
            self._give(self._session.execute_at(self.as_of, operation, parameters), operation)
        return self

    def executemany(self: _PastSelf, operation: str, seq_of_parameters: Iterable[Any]) -> _PastSelf:
        """Raises ReadOnlyTransaction: this is for writes."""
        raise self._refusal()

    def executescript(self: _PastSelf, script: str) -> _PastSelf:
        """Raises ReadOnlyTransaction: a script gives no results, so it could only write."""
        raise self._refusal()

    def _refusal(self) -> ReadOnlyTransaction:
        self._check_open()
        return ReadOnlyTransaction(f"cannot write: the cursor executes as of {self.as_of}, and the past is read only")
