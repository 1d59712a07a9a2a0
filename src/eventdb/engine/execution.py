"""The circumstances of one run of a plan: what it reads, when, in which zone; and what it may ask of the session."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from eventdb.engine import log_tables, system_tables
from eventdb.engine.history import with_earlier
from eventdb.errors import ObjectNotInPrerequisiteState, ReadOnlyTransaction, UndefinedTable
from eventdb.model import clock
from eventdb.model.event import SequenceAdvanced
from eventdb.model.schema import TEMPORARY_SCHEMA, Table
from eventdb.model.schema import Sequence as SequenceDefinition
from eventdb.model.transaction import END_OF_TIME, datetime_of
from eventdb.sql.environment import ALL, SystemTable, Wanted
from eventdb.sql.reader import StateReader, TableReader

if TYPE_CHECKING:
    from eventdb.engine.session import Session
    from eventdb.engine.transaction import Transaction

UTC = datetime.UTC
PRESENT: tuple[tuple[int | None, int | None], ...] = ((None, None),)
_MOST_OPENED = 64
RELATIONS = (system_tables, log_tables)
"""The modules whose relations statements can name."""


class Execution:
    """One execution of a statement; implements `sql.environment.Execution`.

    `reader`: what statements read through, remembered where the transaction needs it. `transaction`: None for a statement that stands alone
    and has written nothing; the first value it takes of a sequence makes one. `opened`: the table readers that were opened on `reader`
    before, to be used again (see `State.opened` and `Transaction.opened`, which a change empties).
    """

    __slots__ = ("deadline", "made", "opened", "positions", "reader", "session", "started", "transaction")

    def __init__(
        self,
        session: Session,
        reader: StateReader,
        transaction: Transaction | None,
        positions: Sequence[tuple[int | None, int | None]] = PRESENT,
    ) -> None:
        self.session = session
        self.reader = reader
        self.transaction = transaction
        self.positions = positions
        shared = transaction is not None and reader is transaction.queries
        self.opened: dict[Any, TableReader] = transaction.opened if shared else {}  # type: ignore[union-attr]
        self.started: datetime.datetime | None = None
        self.made: dict[str, Sequence[tuple[Any, ...]]] | None = None
        """The rows that earlier steps of the statement gave, by name; None where it has no steps (see `engine.write_with`)."""
        self.deadline: float | None = None
        """When the statement is to be canceled, by the performance counter; only queries in their measuring form look at it."""

    @property
    def timezone(self) -> datetime.tzinfo:
        return self.session.settings.timezone

    def table(self, table: Table, moment: int) -> TableReader:
        first, last = self.positions[moment]
        key: Any = id(table)  # unambiguous: an open reader keeps its table alive
        if first is None or first != last:
            found = self.opened.get(key)
            if found is None:
                found = self.opened[key] = self.reader.table(table)
            if first is None or last is None:
                return found
            horizons = self.session.database.head.horizons
            if horizons and first >= 0:
                self.session.database.head.check_horizon(table, first)
            return with_earlier(self.reader, found, table, (first, last), self)
        key = (key, last)
        found = self.opened.get(key)
        if found is None:
            if len(self.opened) > _MOST_OPENED:
                self.opened.clear()
            found = self.opened[key] = self.reader.table(table, last)
        return found

    @property
    def statement_timestamp(self) -> datetime.datetime:
        if self.started is None:
            self.started = datetime_of(clock.now())
        return self.started

    @property
    def transaction_timestamp(self) -> datetime.datetime:
        if self.transaction is None:
            return self.statement_timestamp
        return datetime_of(self.transaction.started)

    def system_rows(self, table: SystemTable, moment: int, wanted: Wanted = ALL) -> Iterable[tuple[Any, ...]]:
        if not table.schema and self.made is not None:
            return self.made[table.name]
        return system_tables.rows(table, self, self.positions[moment][1], wanted)

    def transaction_time(self, number: int | None) -> datetime.datetime:
        if number is None:
            return END_OF_TIME
        time = self.reader.time_of(number)
        return self.transaction_timestamp if time is None else datetime_of(time)

    def nextval(self, sequence_id: int) -> int:
        transaction = self._writing()
        value = transaction.reserve(self._sequence(transaction, sequence_id))[0]
        self.session.sequence_values[sequence_id] = value
        return value

    def currval(self, sequence_id: int) -> int:
        value = self.session.sequence_values.get(sequence_id)
        if value is None:
            sequence = self.reader.catalog.sequences.get(sequence_id)
            name = sequence.name if sequence is not None else str(sequence_id)
            raise ObjectNotInPrerequisiteState(f'currval of sequence "{name}" is not yet defined in this session')
        return value

    def setval(self, sequence_id: int, value: int, is_called: bool) -> int:
        transaction = self._writing()
        sequence = self._sequence(transaction, sequence_id)
        last = value if is_called else None if value == sequence.start else value - sequence.increment
        transaction.apply(SequenceAdvanced(sequence_id, last))
        if is_called:
            self.session.sequence_values[sequence_id] = value
        return value

    def setting(self, name: str) -> str | None:
        if name == "current_schema":  # where an object without a schema is made
            known = self.reader.catalog.schemas
            return next((schema for schema in self.session.search_path if schema in known or schema == TEMPORARY_SCHEMA), None)
        return self.session.settings.get(name)

    def _writing(self) -> Transaction:
        if self.positions[0] != PRESENT[0]:
            raise ReadOnlyTransaction(f"cannot write: the statement reads the past, as of transaction {self.positions[0][1]}")
        if self.transaction is None:
            self.transaction = self.session.alone()
        self.transaction.check_writable()
        return self.transaction

    def _sequence(self, transaction: Transaction, sequence_id: int) -> SequenceDefinition:
        sequence = transaction.catalog.sequences.get(sequence_id)
        if sequence is None:
            raise UndefinedTable(f"the sequence {sequence_id} has been dropped")
        return sequence
