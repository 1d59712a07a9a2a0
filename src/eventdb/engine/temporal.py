"""Moments in system time: from what a statement says to transaction numbers.

Every moment becomes a pair (first, last) of transaction numbers. AS OF x is (n, n), n the last transaction committed at or before x. FROM a
TO b leaves b out: last is the transaction before it. A moment that cannot be answered (NULL, in the future, before the horizon) is an
error. Only the end of a span may be a time in the future, as in SQL:2011: the span is then open, and goes to what the statement sees.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from eventdb.errors import DataError, DatatypeMismatch, InvalidParameterValue, SnapshotTooOld
from eventdb.model import clock
from eventdb.model.catalog import Catalog
from eventdb.model.datatype import BIGINT, TIMESTAMPTZ
from eventdb.model.record import Record
from eventdb.model.transaction import UTC, datetime_of, microseconds_of
from eventdb.sql import compiler
from eventdb.sql.environment import BoundMoment, Environment
from eventdb.sql.expressions.datetimes import to_utc
from eventdb.sql.parser import ast
from eventdb.sql.reader import StateReader

Constant = Callable[[Any, tuple[Any, ...]], Any]
Position = tuple[int | None, int | None]
EVER = -1
"""Where ALL begins: at the first transaction, or where the history of the table begins."""


class PreparedMoment(Record):
    """One point in time, ready to be computed."""

    value: Constant
    transaction: bool
    position: int

    def number(self, execution: Any, values: tuple[Any, ...], reader: StateReader, before: bool = False, future: bool = False) -> int:
        """The transaction number of the moment; with `before` the last one strictly before it. With `future`, a time that is still to come
        is the reader's own position. Raises InvalidParameterValue, SnapshotTooOld."""
        value = self.value(execution, values)
        if value is None:
            raise InvalidParameterValue("a moment in system time must not be NULL", position=self.position)
        try:
            if self.transaction:
                return number_of(value, reader) - before
            if future and is_future(value, reader):
                return reader.number
            return number_at(value, reader, before)
        except DataError as error:
            raise error.at(self.position) from None
        except SnapshotTooOld as error:
            raise error.at(self.position) from None


class PreparedTime(Record):
    """A FOR SYSTEM_TIME clause, ready to be computed."""

    kind: str
    start: PreparedMoment | None
    end: PreparedMoment | None
    number: Constant | None = None
    """What computes the transaction of AS OF TRANSACTION, unchecked; None for other clauses."""

    def resolve(self, execution: Any, values: tuple[Any, ...], reader: StateReader) -> Position:
        """(first, last)."""
        if self.start is None:
            return EVER, reader.number
        first = self.start.number(execution, values, reader)
        if self.end is None:
            return first, first
        last = self.end.number(execution, values, reader, before=self.kind == "from", future=True)
        return first, last


def number_of(value: int, reader: StateReader) -> int:
    """Checks a transaction number: 0 (before the first) or that of one committed, so not the one that a draft will have."""
    if value and reader.time_of(value) is None:
        head = reader.number
        if head and reader.time_of(head) is None:
            head -= 1
        raise InvalidParameterValue(f"there is no transaction {value}: the database stands at transaction {head}")
    return value


def is_future(moment: datetime.datetime, reader: StateReader) -> bool:
    """Whether a time is after now, and after the newest transaction (the clock may have been set back since)."""
    microseconds = microseconds_of(moment)
    if microseconds <= clock.now():
        return False
    # after a clock that ran ahead was set back, the newest transactions lie in what is the future now: up to there all is settled
    return microseconds > (reader.time_of(reader.number) or reader.time_of(reader.number - 1) or 0)


def number_at(moment: datetime.datetime, reader: StateReader, before: bool = False) -> int:
    """The last transaction committed at or before `moment` (strictly before, with `before`). The future is an error."""
    microseconds = microseconds_of(moment)
    if is_future(moment, reader):
        raise InvalidParameterValue(f"{moment.isoformat(sep=' ')} lies in the future")
    return reader.number_at(microseconds - 1 if before else microseconds)


def prepare_moment(moment: ast.Moment, env: Environment) -> PreparedMoment:
    """Bind a moment's expression; parameter types that it implies are put into `env`."""
    wanted = BIGINT if moment.transaction else TIMESTAMPTZ
    expression = moment.expression
    given = expression.value if isinstance(expression, ast.Literal) else None
    if moment.transaction and isinstance(given, Decimal):
        raise DatatypeMismatch(f"a transaction number is a whole number, not {given}").at(expression.position, env.text)
    if moment.transaction and isinstance(expression, ast.Parameter):
        known = env.parameter_types[env.parameter_index[expression.key]]
        if known is not None and not known.is_integer:
            raise DatatypeMismatch(f"a transaction number is a whole number, not a value of type {known}").at(expression.position, env.text)
    try:
        return PreparedMoment(compiler.prepare_constant(expression, env, wanted), moment.transaction, expression.position)
    except DatatypeMismatch as error:
        if type(given) is int:
            error.hint = f"A position is written TRANSACTION {given}."
        raise


def prepare_time(clause: ast.SystemTime, env: Environment) -> PreparedTime:
    start = None if clause.start is None else prepare_moment(clause.start, env)
    end = None if clause.end is None else prepare_moment(clause.end, env)
    number = start.value if start is not None and end is None and start.transaction else None
    return PreparedTime(clause.kind, start, end, number)


class MomentBinder:
    """Collects the FOR SYSTEM_TIME clauses of one statement while it is bound.

    A clause's catalog is that of its last transaction, so binding needs the values of the parameters it names: `values(types)` gives them
    in
    internal form for the types known so far.
    """

    def __init__(
        self, reader: StateReader, execution: Any, values: Callable[[Sequence[Any]], tuple[Any, ...]], env: Environment, present: Catalog,
        own: Position = (None, None),
    ) -> None:
        self._reader = reader
        self._execution = execution
        self._values = values
        self._env = env
        self._present = present
        self.clauses: list[PreparedTime] = []
        self.catalogs: list[Catalog] = []
        self.positions: list[Position] = [own]
        """The statement's own position and those of the clauses, while it was bound."""

    def __call__(self, clause: ast.SystemTime) -> BoundMoment:
        prepared = prepare_time(clause, self._env)
        try:
            position = prepared.resolve(self._execution, self._values(self._env.parameter_types), self._reader)
        except (DataError, SnapshotTooOld) as error:
            raise error.at(clause.position) from None
        catalog = catalog_for(self._reader, position[1], self._present)
        self.positions.append(position)
        self.clauses.append(prepared)
        self.catalogs.append(catalog)
        return BoundMoment(len(self.clauses), catalog)


def catalog_for(reader: StateReader, last: int | None, present: Catalog) -> Catalog:
    """The catalog that names are read in for a moment that ends at `last`."""
    return present if last is None or last >= reader.number else reader.catalog_at(max(last, 0))


def moment_from_python(value: Any, reader: StateReader, zone: datetime.tzinfo) -> int:
    """The transaction number for what a caller passes as `as_of`: a number, a datetime (a naive one in the session's zone), or text: a
    time, or `TRANSACTION n`."""
    from eventdb.engine.binding import adapt_one

    if value is None or isinstance(value, bool):
        raise InvalidParameterValue(f"as_of must be a transaction number, a datetime or text, not {value!r}")
    if isinstance(value, int):
        return number_of(value, reader)
    if isinstance(value, str):
        word, _, number = value.strip().partition(" ")
        if word.upper() == "TRANSACTION" and number.isascii() and number.strip().isdigit():
            return number_of(int(number[:20]), reader)
        value = adapt_one(value, TIMESTAMPTZ, zone)
    elif isinstance(value, datetime.datetime):
        value = to_utc(value, zone) if value.tzinfo is None else value.astimezone(UTC)
    elif isinstance(value, datetime.date):
        value = to_utc(datetime.datetime.combine(value, datetime.time()), zone)
    else:
        raise InvalidParameterValue(f"as_of must be a transaction number, a datetime or text, not {type(value).__name__}")
    return number_at(value, reader)


def shown(number: int, reader: StateReader) -> str:
    """A position for messages and SHOW: its number and commit time."""
    stamp = reader.time_of(number)
    return f"transaction {number}" if stamp is None else f"transaction {number} ({datetime_of(stamp).isoformat(sep=' ')})"
