"""The exception tree of PEP 249; every leaf carries its SQLSTATE.

    Warning
    Error
     ├─ InterfaceError            misuse of the driver itself
     └─ DatabaseError
         ├─ DataError             22xxx, 21000: a value does not fit
         ├─ IntegrityError        23xxx: a constraint says no
         ├─ OperationalError      the environment, or a conflict: 08, 25, 40, 53, 54, 55, 58
         ├─ ProgrammingError      42xxx, 07, 3x, 2B: the statement is wrong
         ├─ NotSupportedError     0A000: the construct is known and not supported
         └─ InternalError         XX: damage, or a defect of eventdb

An error that stands at a place in a statement knows the text and the offset; its message then ends in the line at fault
and a caret under the place, as PostgreSQL's terminal shows it. `retryable` says whether the same transaction may
succeed when it is run again.

The SQLSTATE values are those of ISO/IEC 9075 and of PostgreSQL's appendix A.
"""

from __future__ import annotations

from typing import Any, ClassVar

_WIDTH = 100


class Warning(Exception):
    """Something worth telling that did not stop the statement (PEP 249)."""


class Error(Exception):
    """Base of every error of eventdb.

    Attributes: `sqlstate` (five characters), `message` (without the place), `position` (0-based offset in `statement`, or
    None), `statement` (the SQL text, or None), `detail`, `hint`, `retryable`, and for a violated constraint
    `table`, `column` and `constraint` (names, or None).
    """

    sqlstate: ClassVar[str] = "XX000"
    retryable: ClassVar[bool] = False

    def __init_subclass__(cls, sqlstate: str | None = None, retryable: bool | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if sqlstate is not None:
            cls.sqlstate = sqlstate
            _BY_STATE.setdefault(sqlstate, cls)
        if retryable is not None:
            cls.retryable = retryable

    def __init__(
        self,
        message: str = "",
        *,
        position: int | None = None,
        statement: str | None = None,
        detail: str | None = None,
        hint: str | None = None,
        table: str | None = None,
        column: str | None = None,
        constraint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.position = position
        self.statement = statement
        self.detail = detail
        self.hint = hint
        self.table = table
        self.column = column
        self.constraint = constraint

    def at(self, position: int | None, statement: str | None = None) -> Error:
        """This error with its place filled in where it had none; returns self, to be raised."""
        if self.position is None and position is not None and position >= 0:
            self.position = position
        if self.statement is None:
            self.statement = statement
        return self

    def __str__(self) -> str:
        parts = [self.message]
        if self.detail:
            parts.append(f"DETAIL: {self.detail}")
        if self.hint:
            parts.append(f"HINT: {self.hint}")
        if self.statement is not None and self.position is not None:
            parts.append(_excerpt(self.statement, self.position))
        return "\n".join(parts)

    def __reduce__(self) -> Any:
        return (_rebuild, (type(self), self.message, dict(self.__dict__)))


_BY_STATE: dict[str, type[Error]] = {}


def _rebuild(cls: type[Error], message: str, attributes: dict[str, Any]) -> Error:
    error = cls(message)
    error.__dict__.update(attributes)
    return error


def _excerpt(statement: str, position: int) -> str:
    """The line of `statement` that holds `position`, shortened to a window around it, and a caret below."""
    position = min(max(position, 0), len(statement))
    start = statement.rfind("\n", 0, position) + 1
    end = statement.find("\n", position)
    line = statement[start : end if end >= 0 else len(statement)]
    column = position - start
    number = statement.count("\n", 0, start) + 1
    before, after = "", ""
    if len(line) > _WIDTH:
        left = max(0, min(column - _WIDTH // 2, len(line) - _WIDTH))
        before, after = ("..." if left else ""), ("..." if left + _WIDTH < len(line) else "")
        line, column = line[left : left + _WIDTH], column - left
    head = f"LINE {number}: {before}"
    return f"{head}{line.expandtabs(1)}{after}\n{' ' * (len(head) + column)}^"


def error_for(sqlstate: str) -> type[Error]:
    """The most specific class for a SQLSTATE: that of the state itself, else of its class (first two characters)."""
    if sqlstate in _BY_STATE:
        return _BY_STATE[sqlstate]
    family = {
        "07": ProgrammingError, "08": OperationalError, "0A": NotSupportedError, "21": DataError, "22": DataError,
        "23": IntegrityError, "25": OperationalError, "2B": ProgrammingError, "34": ProgrammingError,
        "3B": ProgrammingError, "3D": ProgrammingError, "3F": ProgrammingError, "40": OperationalError,
        "42": ProgrammingError, "53": OperationalError, "54": OperationalError, "55": OperationalError,
        "57": OperationalError, "58": OperationalError,
    }  # fmt: skip
    return family.get(sqlstate[:2], InternalError)


class InterfaceError(Error, sqlstate="08P01"):
    """The driver is used wrongly: an argument of the wrong kind, a closed cursor."""


class DatabaseError(Error):
    """Base of every error that the database itself reports."""


class DataError(DatabaseError, sqlstate="22000"):
    """A value does not fit."""


class OperationalError(DatabaseError, sqlstate="58000"):
    """The environment, or another transaction, stands in the way."""


class IntegrityError(DatabaseError, sqlstate="23000"):
    """A constraint is violated."""


class InternalError(DatabaseError, sqlstate="XX000"):
    """Stored data is damaged, or eventdb has a defect."""


class ProgrammingError(DatabaseError, sqlstate="42000"):
    """The statement is wrong."""


class NotSupportedError(DatabaseError, sqlstate="0A000"):
    """The construct is known and not supported."""


# 21, 22: values


class CardinalityViolation(DataError, sqlstate="21000"):
    """A scalar subquery gave several rows, or ON CONFLICT DO UPDATE met one row twice."""


class StringDataRightTruncation(DataError, sqlstate="22001"):
    """A text is longer than its VARCHAR(n) or CHAR(n)."""


class NumericValueOutOfRange(DataError, sqlstate="22003"):
    """A number is outside its type's range."""


class InvalidDatetimeFormat(DataError, sqlstate="22007"):
    """A text is no date, time, timestamp or interval."""


class DatetimeFieldOverflow(DataError, sqlstate="22008"):
    """A date or time is outside its range."""


class DivisionByZero(DataError, sqlstate="22012"):
    """Division by zero."""


class InvalidEscapeSequence(DataError, sqlstate="22025"):
    """A LIKE pattern ends in its escape character, or the escape is not one character."""


class InvalidRegularExpression(DataError, sqlstate="2201B"):
    """A regular expression does not compile."""


class InvalidArgumentForLogarithm(DataError, sqlstate="2201E"):
    """Logarithm of zero or of a negative number."""


class InvalidArgumentForPowerFunction(DataError, sqlstate="2201F"):
    """Square root of a negative number, or a power without a real result."""


class InvalidRowCountInLimitClause(DataError, sqlstate="2201W"):
    """LIMIT is negative."""


class InvalidRowCountInOffsetClause(DataError, sqlstate="2201X"):
    """OFFSET is negative."""


class InvalidParameterValue(DataError, sqlstate="22023"):
    """An argument's value makes no sense."""


class CharacterNotInRepertoire(DataError, sqlstate="22021"):
    """A text holds what is no character: a lone surrogate."""


class InvalidTextRepresentation(DataError, sqlstate="22P02"):
    """A text cannot be read as a value of the type."""


class SequenceLimitExceeded(DataError, sqlstate="2200H"):
    """A sequence has no next value."""


# 23: constraints


class RestrictViolation(IntegrityError, sqlstate="23001"):
    """A row is referenced, and its foreign key says RESTRICT."""


class NotNullViolation(IntegrityError, sqlstate="23502"):
    """NULL in a NOT NULL column."""


class ForeignKeyViolation(IntegrityError, sqlstate="23503"):
    """A referenced row is missing, or a row is still referenced."""


class UniqueViolation(IntegrityError, sqlstate="23505"):
    """A key exists already."""


class CheckViolation(IntegrityError, sqlstate="23514"):
    """A CHECK constraint is false."""


# 08, 25, 40, 53-58: environment and other transactions


class ConnectionDoesNotExist(InterfaceError, sqlstate="08003"):
    """The connection or cursor is closed."""


class CannotConnect(OperationalError, sqlstate="08001"):
    """The database cannot be opened."""


class TransactionResolutionUnknown(OperationalError, sqlstate="08007"):
    """It is not known whether the commit reached the log; reopen and look."""


class ActiveTransaction(OperationalError, sqlstate="25001"):
    """BEGIN inside a transaction, or a setting that needs to stand outside one."""


class NoActiveTransaction(OperationalError, sqlstate="25P01"):
    """COMMIT, ROLLBACK or SAVEPOINT without a transaction."""


class ReadOnlyTransaction(OperationalError, sqlstate="25006"):
    """A write in a read-only, or past, transaction or connection."""


class SerializationFailure(OperationalError, sqlstate="40001", retryable=True):
    """Another transaction changed what this one read or wrote; run it again."""


class InsufficientResources(OperationalError, sqlstate="53000"):
    """Out of a resource."""


class DiskFull(OperationalError, sqlstate="53100"):
    """The disk is full; nothing of the statement or transaction is kept."""


class ProgramLimitExceeded(OperationalError, sqlstate="54000"):
    """Too large for the log or for a limit of eventdb."""


class StatementTooComplex(OperationalError, sqlstate="54001"):
    """The statement nests too deeply."""


class ExternalRoutineException(OperationalError, sqlstate="38000"):
    """A function of the application, called from SQL, raised an exception (its `__cause__`) or gave what is no value of its type."""


class ObjectInUse(OperationalError, sqlstate="55006"):
    """The object is in use."""


class ObjectNotInPrerequisiteState(OperationalError, sqlstate="55000"):
    """The object is not in the state that the operation needs (currval before nextval, say)."""


class LockNotAvailable(OperationalError, sqlstate="55P03", retryable=True):
    """The lock did not come within the timeout."""


class QueryCanceled(OperationalError, sqlstate="57014"):
    """The statement was interrupted."""


class IOFailure(OperationalError, sqlstate="58030"):
    """The operating system reports an input/output error."""


class SnapshotTooOld(OperationalError, sqlstate="72000"):
    """The moment asked for lies before the table's horizon."""


class RevertConflict(OperationalError, sqlstate="72001"):
    """A transaction cannot be reverted: later ones changed what it left. `transactions`: their numbers, ascending."""

    transactions: tuple[int, ...] = ()


# 0A, 07, 2B, 3x, 42: the statement


class WrongParameterCount(ProgrammingError, sqlstate="07001"):
    """The parameters given do not match those in the statement."""


class DependentObjectsStillExist(ProgrammingError, sqlstate="2BP01"):
    """Something depends on the object to be dropped."""


class InvalidSavepoint(ProgrammingError, sqlstate="3B001"):
    """No savepoint of that name."""


class InsufficientPrivilege(ProgrammingError, sqlstate="42501"):
    """The connection may not do that."""


class InvalidSchemaName(ProgrammingError, sqlstate="3F000"):
    """No schema of that name."""


class SQLSyntaxError(ProgrammingError, sqlstate="42601"):
    """The text is not SQL as eventdb speaks it."""


class InvalidName(ProgrammingError, sqlstate="42602"):
    """A name that cannot be used."""


class NameTooLong(ProgrammingError, sqlstate="42622"):
    """A name that is too long."""


class DuplicateColumn(ProgrammingError, sqlstate="42701"):
    """The column exists already, or is named twice."""


class AmbiguousColumn(ProgrammingError, sqlstate="42702"):
    """A column name fits several columns."""


class UndefinedColumn(ProgrammingError, sqlstate="42703"):
    """No column of that name."""


class UndefinedObject(ProgrammingError, sqlstate="42704"):
    """No object (index, constraint, type, collation) of that name."""


class DuplicateObject(ProgrammingError, sqlstate="42710"):
    """The object exists already."""


class DuplicateAlias(ProgrammingError, sqlstate="42712"):
    """A table alias is used twice."""


class AmbiguousFunction(ProgrammingError, sqlstate="42725"):
    """Several functions fit the arguments."""


class GroupingError(ProgrammingError, sqlstate="42803"):
    """A column must appear in GROUP BY or in an aggregate; or an aggregate stands where none may."""


class DatatypeMismatch(ProgrammingError, sqlstate="42804"):
    """An expression has the wrong type for its place."""


class WrongObjectType(ProgrammingError, sqlstate="42809"):
    """The object is of another kind (a view where a table is needed)."""


class InvalidForeignKey(ProgrammingError, sqlstate="42830"):
    """A foreign key does not point to a primary or unique key."""


class CannotCoerce(ProgrammingError, sqlstate="42846"):
    """No cast between the types."""


class UndefinedFunction(ProgrammingError, sqlstate="42883"):
    """No function or operator of that name and argument types."""


class InvalidColumnReference(ProgrammingError, sqlstate="42P10"):
    """ORDER BY or ON CONFLICT names something that is not there."""


class InvalidCatalogName(ProgrammingError, sqlstate="3D000"):
    """No database of that name."""


class UndefinedTable(ProgrammingError, sqlstate="42P01"):
    """No table or view of that name."""


class UndefinedParameter(ProgrammingError, sqlstate="42P02"):
    """A named parameter got no value."""


class DuplicateDatabase(ProgrammingError, sqlstate="42P04"):
    """The database exists already."""


class DuplicateSchema(ProgrammingError, sqlstate="42P06"):
    """The schema exists already."""


class DuplicateTable(ProgrammingError, sqlstate="42P07"):
    """A relation of that name exists already."""


class InvalidTableDefinition(ProgrammingError, sqlstate="42P16"):
    """Two primary keys, or a definition that contradicts itself."""


class InvalidObjectDefinition(ProgrammingError, sqlstate="42P17"):
    """An index or generated column uses an expression that may not stand there."""


class IndeterminateDatatype(ProgrammingError, sqlstate="42P18"):
    """The type of a parameter cannot be told."""


class InvalidRecursion(ProgrammingError, sqlstate="42P19"):
    """A recursive query of a form that SQL does not allow."""


class WindowingError(ProgrammingError, sqlstate="42P20"):
    """A window function stands where none may."""


# XX: damage


class DataCorrupted(InternalError, sqlstate="XX001"):
    """The log is damaged; the message names segment, offset and transaction. Nothing was changed."""


class FormatVersionError(OperationalError, sqlstate="58P03"):
    """The database was written by a newer eventdb."""
