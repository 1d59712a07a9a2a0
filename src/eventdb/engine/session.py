"""A session: one connection's settings, its transaction, its prepared statements. Everything that executes goes through `execute`.

`execute` takes the short way for a query that was prepared before and reads the present: look the text up, compare the catalog, pass the
parameters, run. Everything else takes the long way below it, which finds out what kind of statement it is.

Not thread-safe: the connection lets one thread in at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from eventdb.engine import system_tables
from eventdb.engine.binding import adapted, ordered, ordered_rows
from eventdb.engine.control import Control
from eventdb.engine.database import Database
from eventdb.engine.execution import PRESENT, Execution
from eventdb.engine.results import Outcome, Result, translated
from eventdb.engine.settings import Settings
from eventdb.engine.statements import Bound, Preparer, Statement, StatementCache, Variant, begun, positions_of
from eventdb.engine.temporal import Position, moment_from_python
from eventdb.engine.transacting import Transacting
from eventdb.engine.transaction import Transaction
from eventdb.engine.writing import define, fast_write, undo, write, write_alone
from eventdb.errors import (
    DataError,
    DatatypeMismatch,
    ProgrammingError,
    ReadOnlyTransaction,
    SerializationFailure,
    SQLSyntaxError,
)
from eventdb.model.catalog import Catalog
from eventdb.model.datatype import TEXT
from eventdb.model.schema import Table
from eventdb.sql.environment import SystemTable
from eventdb.sql.modification import modifies
from eventdb.sql.parser import ast, parse
from eventdb.sql.prepared import ResultColumn
from eventdb.sql.reader import StateReader
from eventdb.storage.table import collector_asleep

if TYPE_CHECKING:
    from eventdb.sql.expressions.user import Functions, UserFunction

_QUERY_PLAN = (ResultColumn("QUERY PLAN", TEXT),)
_RETRIES = 1000


class Session(Control, Transacting):
    """A connection's side of the engine.

    `autocommit`: each statement outside an explicit transaction is one of its own; else the first statement begins one. `as_of`: what the
    connection is pinned to (a number, a datetime or text), None for the present. `allow_erase`: whether it may take values out of the past.
    """

    def __init__(
        self, database: Database, settings: Settings, *, autocommit: bool = False, read_only: bool = False, as_of: Any = None,
        allow_erase: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(database, settings, autocommit, read_only, as_of)
        self.json_loads: Callable[[str], Any] | None = None
        """What parses JSON for the caller; None: json.loads."""
        self.allow_erase = allow_erase
        self.sequence_values: dict[int, int] = {}
        self.total_changes = 0
        self.functions: Functions = {}
        self._statements = StatementCache()
        self._idle: Execution | None = None
        self._moment: Any = None
        database.sessions.add(self)

    @property
    def search_path(self) -> tuple[str, ...]:
        return self.settings.search_path

    # executing

    def execute(self, text: str, parameters: Any = ()) -> Outcome:
        """Run the one statement in `text`. Raises an Error; the statement then changed nothing."""
        try:
            statement = self._statements.recent[text]
        except (KeyError, TypeError):
            statement = self._parsed(text)
        variant = statement.fast
        if variant is None or self.pinned is not None or self.closed or self.database.forked:
            return self._long(statement, parameters)
        transaction = self.transaction
        if transaction is None and not self.autocommit:
            transaction = self.begin()
        reader: Any
        present: Any
        if transaction is None:
            present = reader = self.refresh()
            opened = reader.opened
        else:
            if transaction.pending is not None and transaction.pending.prepared is not variant.prepared:
                transaction.flush()
            present, reader, opened = transaction.present, transaction.queries, transaction.opened
        if (
            variant.catalog is not present.catalog
            or variant.search_path is not self.settings.search_path
            or (transaction is not None and transaction.pinned is not None)
        ):
            return self._long(statement, parameters)
        values = variant.bind(parameters)
        if values is None:
            values = self._bound(statement, variant, parameters)
        if values is None:
            return self._long(statement, parameters)
        if variant.write and transaction is None:
            return write_alone(self, statement, parameters, Bound(variant, values, PRESENT))
        execution = self._idle
        if execution is None or variant.streaming:
            execution = Execution(self, reader, transaction)
        else:
            self._idle = None
            execution.reader = reader
            execution.transaction = transaction
            execution.started = None
        execution.opened = opened
        if variant.write:
            made = fast_write(self, statement, variant, values, transaction, execution)
        else:
            try:
                if variant.moments:
                    positions = positions_of(variant, execution, values)
                    if positions is None:
                        return self._long(statement, parameters)
                    execution.positions = positions
                rows = variant.run(execution, values)
                if variant.streaming:
                    return self._streamed(variant, rows, transaction)
            except Exception as error:
                raise (known := translated(error, text)) from known.__cause__
            if variant.moments:
                execution.positions = PRESENT
            made = variant.columns, rows if variant.convert is None else map(variant.convert, rows), len(rows), None
        # an idle session holds on to no state
        execution.reader = execution.transaction = execution.opened = None  # type: ignore[assignment]
        self._idle = execution
        return made

    def _streamed(self, variant: Variant, lists: Any, transaction: Transaction | None) -> Outcome:
        """The result of a query that gives its rows by and by. It has begun to read, so what follows no longer changes what it sees."""
        rows = begun(self.database.unless_rewritten(lists))
        if transaction is not None:
            transaction.freeze()
        return variant.columns, rows if variant.convert is None else map(variant.convert, rows), -1, None

    def _bound(self, statement: Statement, variant: Variant, parameters: Any) -> tuple[Any, ...] | None:
        """Parameters that are not yet a tuple of internal values; None where they don't fit the types that the context gives them."""
        values = ordered(statement.keys, parameters)
        bound = variant.bind(values)
        if bound is not None:
            return bound
        try:
            return adapted(values, variant.types, self.timezone)
        except (DataError, DatatypeMismatch):
            return None

    def _parsed(self, text: Any) -> Statement:
        if not isinstance(text, str):
            raise ProgrammingError(f"a statement must be text, not {type(text).__name__}")
        older = self._statements.older(text)
        if older is not None:
            return older
        try:
            script = parse(text)
        except Exception as error:
            raise (known := translated(error, text)) from known.__cause__
        if len(script.statements) > 1:
            second = script.statements[1].position
            raise SQLSyntaxError(
                "cannot execute several statements at once", hint="Use executescript().", position=second, statement=text
            )
        node: Any = script.statements[0] if script.statements else None
        statement = Statement(text, node, script.parameters)
        self._statements.add(statement)
        return statement

    def _long(self, statement: Statement, parameters: Any) -> Result:
        self.check_open()
        values = ordered(statement.keys, parameters)
        return self._run(statement, values)

    def _run(self, statement: Statement, values: tuple[Any, ...]) -> Result:
        try:
            if self.transaction is not None:
                self.check_history()
                self.transaction.flush()
            node = statement.node
            if node is None:
                return Result()
            writes = isinstance(node, ast.Insert | ast.Update | ast.Delete | ast.Merge | ast.Truncate)
            if isinstance(node, ast.Query):
                if not modifies(node):
                    return self._query(statement, values)
                writes = True
            if writes:
                return write(self, statement, [values])
            if isinstance(node, ast.Explain):
                return self._explain(statement, node, values)
            if type(node) in self.CONTROLS:
                return self.control(statement, values)
            if isinstance(node, ast.RevertTransaction | ast.FlashbackTable):
                return undo(self, statement, node, values)
            return define(self, statement)
        except Exception as error:
            raise (known := translated(error, statement.text)) from known.__cause__

    def executemany(self, text: str, rows: Iterable[Any]) -> Result:
        """Run a write once for each row of parameters; a plain INSERT takes them all as one event."""
        self.check_open()
        statement = self._statements.recent.get(text) if isinstance(text, str) else None
        if statement is None:
            statement = self._parsed(text)
        node = statement.node
        if not isinstance(node, ast.Insert | ast.Update | ast.Delete | ast.Merge):
            raise ProgrammingError("executemany() runs INSERT, UPDATE, DELETE and MERGE only")
        given = ordered_rows(statement.keys, rows)
        if not given:
            return Result(rowcount=0)
        try:
            if self.transaction is not None:
                self.check_history()
                self.transaction.flush()
            with collector_asleep(len(given)):
                return write(self, statement, given)
        except Exception as error:
            raise (known := translated(error, text)) from known.__cause__

    def executescript(self, text: str) -> None:
        """Run every statement of `text`, which takes no parameters."""
        self.check_open()
        if not isinstance(text, str):
            raise ProgrammingError(f"a script must be text, not {type(text).__name__}")
        try:
            script = parse(text)
        except Exception as error:
            raise (known := translated(error, text)) from known.__cause__
        if script.parameters:
            raise ProgrammingError("a script takes no parameters")
        for node in script.statements:
            result = self._run(Statement(text, node, ()), ())
            for _ in result.rows:
                pass

    def deadline(self) -> float | None:
        """When a statement that begins now is to be canceled; None for never."""
        timeout = self.settings.statement_timeout
        return time.perf_counter() + timeout if timeout else None

    # reading

    def row_count(self, table: Table | SystemTable, versions: bool = False) -> int:
        """For the planner: how many rows a table has now, or how many versions; of a computed relation, about how many rows."""
        if isinstance(table, SystemTable):
            return system_tables.row_count(table, self.database)
        if versions:
            data = self.database.head.tables.get(table.storage)
            return 0 if data is None else data.live.count + data.past.count
        present = self.refresh() if self.transaction is None else self.transaction.present
        return present.table(table).row_count()

    def execute_at(self, moment: Any, text: str, parameters: Any = ()) -> Outcome:
        """Run the one statement in `text` as of a moment (number, datetime or text), whatever the transaction reads. What a query finds
        is the same in every transaction, so it makes no conflicts. Raises ReadOnlyTransaction for what would change the database."""
        self.check_open()
        statement = self._statements.recent.get(text) if isinstance(text, str) else None
        if statement is None:
            statement = self._parsed(text)
        node = statement.node
        run = node.statement if isinstance(node, ast.Explain) and node.analyze else node
        reads = node is None or isinstance(run, ast.Query | ast.Explain) or type(node) in self.CONTROLS
        if not reads or modifies(run):
            raise ReadOnlyTransaction(f"cannot write: the statement is executed as of {moment}, and the past is read only")
        self._moment = moment
        try:
            return self._long(statement, parameters)
        finally:
            self._moment = None

    def locking(self, transaction: Transaction | None, variant: Variant) -> StateReader:
        """What a query with FOR UPDATE reads through. Raises ReadOnlyTransaction in the past."""
        if self._moment is not None:
            raise ReadOnlyTransaction(f"cannot lock rows: the statement is executed as of {self._moment}, and the past is read only")
        return (transaction or self.alone()).locking(variant.locks)

    def view(self) -> tuple[StateReader, Catalog, Position, Transaction | None]:
        """What the next statement reads: a reader, the catalog to bind names in, its position, the transaction. Begins one where needed."""
        transaction = self.transaction
        if transaction is None and not self.autocommit:
            transaction = self.begin()
        if transaction is None:
            state = self.refresh()
            pinned = self.pinned
            reader: StateReader = state
        else:
            reader = transaction.queries
            pinned = transaction.pinned
        if self._moment is not None:
            pinned = moment_from_python(self._moment, reader, self.timezone)
        if pinned is not None:
            return reader, reader.catalog_at(pinned), (pinned, pinned), transaction
        return reader, reader.catalog if transaction is None else transaction.catalog, PRESENT[0], transaction

    def _query(self, statement: Statement, values: tuple[Any, ...]) -> Result:
        deadline = self.deadline()
        for _ in range(_RETRIES):
            reader, catalog, own, transaction = self.view()
            bound = Preparer(self, reader, catalog, own).bound(statement, values)
            if bound.variant.locks:
                reader = self.locking(transaction, bound.variant)
            execution = Execution(self, reader, transaction, bound.positions)
            if deadline is not None:
                bound.variant = bound.variant.under_deadline()
                execution.deadline = deadline
            try:
                result = self._rows(statement, bound, execution)
                alone = execution.transaction
                if transaction is None and alone is not None:
                    self.commit_alone(alone)
                return result
            except SerializationFailure:
                if transaction is not None:
                    raise
        raise SerializationFailure("the statement met concurrent transactions again and again")

    def _rows(self, statement: Statement, bound: Bound, execution: Execution) -> Result:
        variant = bound.variant
        transaction = self.transaction
        mark = None if transaction is None or not variant.draws else transaction.mark()
        try:
            rows = variant.run(execution, bound.values)
            if variant.streaming:
                rows = begun(self.database.unless_rewritten(rows))
                if variant.draws:
                    rows = list(rows)
                elif transaction is not None:
                    transaction.freeze()
        except BaseException:
            if mark is not None and transaction is not None:
                transaction.reset(mark)
            raise
        count = len(rows) if isinstance(rows, Sequence) else -1
        if variant.convert is not None:
            rows = map(variant.convert, rows)
        if bound.positions[0] == PRESENT[0] and variant.inferred is None and not (variant.draws or variant.locks or execution.deadline):
            statement.fast = variant
        return Result(variant.columns, rows, count)

    def _explain(self, statement: Statement, node: ast.Explain, values: tuple[Any, ...]) -> Result:
        if node.analyze and not node.code:
            from eventdb.engine.analyze import analyzed

            text = analyzed(self, statement, node, values)
        else:
            reader, catalog, own, _ = self.view()
            prepared = Preparer(self, reader, catalog, own).bound(statement, values).variant.prepared
            text = prepared.source if node.code else prepared.plan
        rows = [(line,) for line in text.rstrip("\n").split("\n")]
        return Result(_QUERY_PLAN, rows, len(rows))

    # life

    def close(self) -> None:
        """Roll back and give up the database. May be called again."""
        if not self.closed:
            self.rollback()
            self.closed = True
            self._statements = StatementCache()
            self.temporary, self.refresh = None, self.database.refresh
            self.database.release()

    def register(self, function: UserFunction | None, name: str, nargs: int) -> None:
        """Let statements call a function; None takes the one of that name and number of arguments away."""
        functions = {key: known for key, known in self.functions.items() if key != (name, nargs)}
        if function is not None:
            functions[name, nargs] = function
        self.functions = functions
        self.forget_plans()

    def lose_history(self) -> None:
        """The past has become another one: a transaction under way may read nothing more. Called from any thread."""
        transaction = self.transaction
        if transaction is not None:
            transaction.pinned = transaction.base.number  # so that no statement takes the short way in it
        self.forget_plans()

    def forget_plans(self) -> None:
        """Prepare everything anew: tables have grown so much that other plans may be better. May be called from any thread."""
        self._statements = StatementCache()
