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
from eventdb.engine.binding import adapted, adapted_rows, ordered, ordered_rows
from eventdb.engine.commit import Request, history_changed
from eventdb.engine.control import Control, moment_of
from eventdb.engine.database import Database
from eventdb.engine.execution import PRESENT, Execution
from eventdb.engine.provenance import merged
from eventdb.engine.results import Outcome, Result, translated
from eventdb.engine.sequences import Allocators
from eventdb.engine.settings import Settings, seconds
from eventdb.engine.statements import Bound, Preparer, Statement, StatementCache, Variant, begun, positions_of
from eventdb.engine.temporal import Position, moment_from_python
from eventdb.engine.transaction import Mark, Transaction
from eventdb.errors import (
    ConnectionDoesNotExist,
    DataError,
    DatatypeMismatch,
    NoActiveTransaction,
    ProgrammingError,
    ReadOnlyTransaction,
    SerializationFailure,
    SQLSyntaxError,
)
from eventdb.model.catalog import Catalog
from eventdb.model.datatype import TEXT
from eventdb.model.event import SequenceAdvanced
from eventdb.model.late import Late
from eventdb.model.schema import Table
from eventdb.model.transaction import Provenance
from eventdb.sql.environment import SystemTable
from eventdb.sql.modification import modifies
from eventdb.sql.parser import ast, parse
from eventdb.sql.prepared import ResultColumn
from eventdb.sql.reader import StateReader
from eventdb.storage.state import State
from eventdb.storage.table import collector_asleep

if TYPE_CHECKING:
    from eventdb.engine import constraints, define, write
    from eventdb.engine.temporary import Temporary
    from eventdb.sql.expressions.user import Functions, UserFunction
else:
    constraints, define, write = Late("eventdb.engine.constraints"), Late("eventdb.engine.define"), Late("eventdb.engine.write")

_QUERY_PLAN = (ResultColumn("QUERY PLAN", TEXT),)
_RETRIES = 1000


class Session(Control):
    """A connection's side of the engine.

    `autocommit`: each statement outside an explicit transaction is one of its own; else the first statement begins one. `as_of`: what the
    connection is pinned to (a number, a datetime or text), None for the present. `allow_erase`: whether it may take values out of the past.
    """

    def __init__(
        self, database: Database, settings: Settings, *, autocommit: bool = False, read_only: bool = False, as_of: Any = None,
        allow_erase: bool = False,
    ) -> None:  # fmt: skip
        self.database = database
        self.settings = settings
        self.autocommit = autocommit
        self.read_only = read_only
        self.json_loads: Callable[[str], Any] | None = None
        """What parses JSON for the caller; None: json.loads."""
        self.allow_erase = allow_erase
        self.transaction: Transaction | None = None
        self.savepoints: list[tuple[str, Mark, dict[str, str]]] = []
        self.sequence_values: dict[int, int] = {}
        self.total_changes = 0
        self.last_transaction: int | None = None
        self.closed = False
        self._statements = StatementCache()
        self._idle: Execution | None = None
        database.sessions.add(self)
        self._settings_before: dict[str, str] | None = None
        self._local: dict[str, str | None] = {}
        self.functions: Functions = {}
        self.temporary: Temporary | None = None
        self.own_allocators = Allocators()
        self.refresh: Callable[[], State] = database.refresh
        """The newest state, with what the session owns."""
        self.pinned: int | None = None
        if as_of is not None:
            self.pinned = moment_from_python(as_of, database.refresh(), self.settings.timezone)
        self.connection_pin = self.pinned
        self._moment: Any = None

    @property
    def timezone(self) -> Any:
        return self.settings.timezone

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
            return self._write_alone(statement, parameters, Bound(variant, values, PRESENT))
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
            made = self._fast_write(statement, variant, values, transaction, execution)
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
                self._check_history()
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
                return self._write(statement, [values])
            if isinstance(node, ast.Explain):
                return self._explain(statement, node, values)
            if type(node) in self.CONTROLS:
                return self.control(statement, values)
            if isinstance(node, ast.RevertTransaction | ast.FlashbackTable):
                return self._undo(statement, node, values)
            return self._define(statement)
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
                self._check_history()
                self.transaction.flush()
            with collector_asleep(len(given)):
                return self._write(statement, given)
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
                    self._commit_alone(alone)
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

    # writing

    def alone(self) -> Transaction:
        """A transaction for one statement that stands by itself."""
        if self.pinned is not None:
            raise ReadOnlyTransaction(f"cannot write: the session reads the past, as of transaction {self.pinned}")
        isolation = self.settings.values["transaction_isolation"]
        return Transaction(self.database, self.refresh(), isolation, self.read_only, None, self.own_allocators)

    def _commit_alone(self, transaction: Transaction) -> None:
        if transaction.events:
            self._commit(transaction)

    def in_transaction(self, work: Callable[[Transaction], Result], marked: bool = False) -> Result:
        """Do a write in the current transaction, or in one of its own that is tried again on a conflict. A failure undoes the statement."""
        if self.transaction is None and not self.autocommit:
            self.begin()
        transaction = self.transaction
        if transaction is not None:
            transaction.check_writable()
            return self._undoable(transaction, work, marked)
        deadline = _Deadline(seconds(self.settings))
        while True:
            transaction = self.alone()
            transaction.check_writable()
            result = work(transaction)
            try:
                self._commit_alone(transaction)
                return result
            except SerializationFailure:
                if deadline.passed():
                    raise

    def run(self, work: Callable[[Transaction], Any]) -> None:
        """Do a piece of work that writes, in the current transaction or in one of its own as autocommit has it. A failure undoes it."""

        def done(transaction: Transaction) -> Result:
            transaction.flush()
            transaction.begin_changes()
            work(transaction)
            return Result()

        self.in_transaction(done, True)

    def _undoable(self, transaction: Transaction, work: Callable[[Transaction], Result], marked: bool) -> Result:
        mark = transaction.mark() if marked else None
        before = len(transaction.events)
        try:
            return work(transaction)
        except Exception:
            if mark is not None:
                transaction.reset(mark)
            else:
                self._unless_undone(transaction, before)
            raise
        except BaseException:
            if mark is not None:
                transaction.reset(mark)
            else:
                self.rollback()
            raise

    def _fast_write(
        self, statement: Statement, variant: Variant, values: tuple[Any, ...], transaction: Any, execution: Execution
    ) -> Outcome:
        """A write that was prepared before, inside a transaction."""
        before = len(transaction.events)
        try:
            if transaction.present is transaction.base:
                transaction.begin_changes()
                execution.reader = transaction.queries
            if variant.joins:
                count, rows, last = write.join(transaction, variant.prepared, execution, values)
            else:
                count, rows, last = write.execute(transaction, variant.prepared, execution, (values,))
        except Exception as error:
            self._unless_undone(transaction, before)
            raise (known := translated(error, statement.text)) from known.__cause__
        except BaseException:
            self.rollback()
            raise
        if count > 0:
            self.total_changes += count
        if last is not None or rows is not None:
            return self._written(variant, rows, count, last)
        return None, (), count, None

    def _unless_undone(self, transaction: Transaction, before: int) -> None:
        """After a failed write: values taken of sequences may stay; anything else would be half a statement, so the transaction goes."""
        if any(type(event) is not SequenceAdvanced for event in transaction.events[before:]):
            self.rollback()

    def _write_alone(self, statement: Statement, parameters: Any, known: Bound) -> Result:
        """A write that was prepared before, as a transaction of its own."""
        try:
            return self._write(statement, [ordered(statement.keys, parameters)], known)
        except Exception as error:
            raise (known_error := translated(error, statement.text)) from known_error.__cause__

    def _write(self, statement: Statement, rows: list[tuple[Any, ...]], known: Bound | None = None) -> Result:
        """Run a write for these rows of parameters. `known`: its form and values, good if the catalog is still that one."""
        many = len(rows) > 1
        deadline = self.deadline()

        def work(transaction: Transaction) -> Result:
            transaction.begin_changes()
            catalog = transaction.catalog
            bound = known
            if bound is None or bound.variant.catalog is not catalog:
                bound = Preparer(self, transaction.queries, catalog, PRESENT[0]).bound(statement, rows[0])
            variant = bound.variant
            reader = transaction.locking(variant.locks) if variant.locks else transaction.queries
            execution = Execution(self, reader, transaction, bound.positions)
            if deadline is not None:
                variant = variant.under_deadline()
                execution.deadline = deadline
            values: Sequence[tuple[Any, ...]]
            values = adapted_rows(rows, variant.types, self.timezone) if many else [bound.values]
            count, made, last = write.execute(transaction, variant.prepared, execution, values)
            if variant.inferred is None and not (variant.moments or variant.locks or deadline):
                statement.fast = variant
            return self._written(variant, made, count, last)

        result = self.in_transaction(work, False)
        if not isinstance(statement.node, ast.Query):
            self.total_changes += max(result.rowcount, 0)
        return result

    def _written(self, variant: Variant, rows: Any, count: int, last: int | None) -> Result:
        if last is not None:
            column = variant.prepared.identity
            if column is not None and column.sequence_id is not None:
                self.sequence_values[column.sequence_id] = last
        if rows is None:
            return Result(None, (), count, last)
        return Result(variant.columns, rows if variant.convert is None else map(variant.convert, rows), count, last)

    def _define(self, statement: Statement) -> Result:
        def work(transaction: Transaction) -> Result:
            transaction.begin_changes()
            preparer = Preparer(self, transaction.queries, transaction.catalog, PRESENT[0])
            env, positions = preparer.definition(statement)
            execution = Execution(self, transaction.queries, transaction, positions)
            execution.deadline = self.deadline()
            define.execute(transaction, statement.node, env, execution)
            return Result()

        return self.in_transaction(work, True)

    def _undo(self, statement: Statement, node: ast.RevertTransaction | ast.FlashbackTable, values: tuple[Any, ...]) -> Result:
        from eventdb.engine.flashback import flashback
        from eventdb.engine.revert import revert

        def work(transaction: Transaction) -> Result:
            transaction.begin_changes()
            env, positions = Preparer(self, transaction.queries, transaction.catalog, PRESENT[0]).definition(statement)
            execution = Execution(self, transaction.queries, transaction, positions)
            if isinstance(node, ast.FlashbackTable):
                moment = None if node.to is None else moment_of(self, node.to, statement, values, transaction.base)
                count = flashback(transaction, node, moment, env, execution)
            else:
                number = ast.Moment(node.transaction, True, position=node.transaction.position)
                count = revert(transaction, moment_of(self, number, statement, values, transaction.base), env, execution)
            return Result(rowcount=count)

        result = self.in_transaction(work, True)
        self.total_changes += result.rowcount
        return result

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

    # transactions

    def begin(self, isolation: str | None = None, read_only: bool | None = None, pinned: int | None = None) -> Transaction:
        """Begin a transaction on the newest state."""
        self.check_open()
        values = self.settings.values
        transaction = Transaction(
            self.database,
            self.refresh(),
            isolation or values["transaction_isolation"],
            self.read_only if read_only is None else read_only or self.read_only,
            self.pinned if pinned is None else pinned,
            self.own_allocators,
        )
        self.transaction = transaction
        self._settings_before = values
        return transaction

    def attribute(self, told: Provenance) -> None:
        """Say who makes the current transaction and why; what was said before stays where `told` is silent. Begins one where needed.
        Raises NoActiveTransaction in autocommit."""
        self.check_open()
        transaction = self.transaction
        if transaction is None:
            if self.autocommit:
                raise NoActiveTransaction("there is no transaction to attribute: the connection is in autocommit")
            transaction = self.begin()
        before = transaction.inner_provenance
        transaction.inner_provenance = told if before is None else merged(told, before)

    def commit(self) -> None:
        """Commit the current transaction; nothing to do without one. On an error it is rolled back."""
        transaction = self.transaction
        if transaction is None:
            return
        try:
            transaction.flush()
            if transaction.events:
                self._commit(transaction)
        except BaseException:
            self._ended(True)
            raise
        self._ended(False)

    def _commit(self, transaction: Transaction) -> None:
        try:
            if transaction.deferred:
                constraints.check_deferred(transaction, Execution(self, transaction.reader, transaction))
            settings = self.settings
            told = transaction.finished_provenance(merged(settings.provenance, settings.outer))
            request = Request(transaction, told, settings.values["durability"])  # type: ignore[arg-type]
            if request.events:
                self.database.committer.commit(request, seconds(settings))
                self.last_transaction = transaction.committed = request.number
            if request.own:
                self._keep(transaction)
        except Exception as error:
            raise (known := translated(error, None)) from known.__cause__

    def _keep(self, transaction: Transaction) -> None:
        """Take over what the transaction made of the session's own objects."""
        from eventdb.engine.temporary import kept

        self.temporary = temporary = kept(transaction, self.temporary)
        for sequence_id in transaction.set_sequences:
            if sequence_id < 0:
                self.own_allocators.restart(sequence_id, temporary.sequences.get(sequence_id))
        database = self.database
        self.refresh = lambda: temporary.over(database.refresh())

    def rollback(self) -> None:
        """Drop the current transaction; nothing to do without one."""
        if self.transaction is not None:
            self._ended(True)

    def _ended(self, restore: bool) -> None:
        self.transaction = None
        self.savepoints = []
        before = self._settings_before
        self._settings_before = None
        if restore and before is not None and before is not self.settings.values:
            self.settings.restore(before)
        elif self._local:
            for name, value in self._local.items():
                self.settings.set(name, value)
        self._local = {}

    def position(self) -> int:
        """The transaction number that is read now: the moment that this session is pinned to, where its transaction began, or the head."""
        transaction = self.transaction
        if transaction is not None:
            return transaction.base.number if transaction.pinned is None else transaction.pinned
        return self.database.refresh().number if self.pinned is None else self.pinned

    def position_of(self, moment: Any) -> int:
        """The transaction number for a moment given as a number, datetime or text."""
        return moment_from_python(moment, self.database.refresh(), self.timezone)

    # life

    def check_open(self) -> None:
        """Raises ConnectionDoesNotExist after close, and in a forked child."""
        if self.closed:
            raise ConnectionDoesNotExist("the connection is closed")
        if self.database.forked:
            lost = "the connection was opened before a fork; a child process must connect by itself"
            raise ConnectionDoesNotExist(self.database.lost or lost)

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

    def _check_history(self) -> None:
        """Raises SerializationFailure, and rolls back, where values were erased since the transaction began."""
        transaction = self.transaction
        if transaction is not None and transaction.base.rewritten != self.database.head.rewritten:
            self.rollback()
            raise history_changed(self.database.head.rewritten)

    def forget_plans(self) -> None:
        """Prepare everything anew: tables have grown so much that other plans may be better. May be called from any thread."""
        self._statements = StatementCache()


class _Deadline:
    def __init__(self, timeout: float) -> None:
        import time

        self._clock = time.monotonic
        self._end = self._clock() + timeout

    def passed(self) -> bool:
        return self._clock() > self._end
