"""Subscriptions: consumers of the change feed that keep their position in the database.

They are rows of an ordinary table, eventdb.subscriptions, which is made with the first of them. So a position moves in the consumer's own
transaction, two consumers that move one position collide as any two writers of a row do, and snapshots, replay, AS OF, forks and
verification need to know nothing of it. What is special about the table: the feed leaves it out, information_schema does not count it among
the tables, and its definition cannot be changed.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

from eventdb.errors import DuplicateObject, InvalidName, InvalidParameterValue, NameTooLong, SerializationFailure, UndefinedObject
from eventdb.model.catalog import Catalog
from eventdb.model.datatype import BIGINT, JSON, TEXT
from eventdb.model.event import Event, RowsDeleted, RowsInserted, RowsUpdated, TableCreated
from eventdb.model.schema import SYSTEM_SCHEMA, Check, Column, Table, Unique
from eventdb.sql.definition.names import LONGEST_NAME
from eventdb.sql.modification.making import key_types, row_types

if TYPE_CHECKING:
    from eventdb.engine.session import Session
    from eventdb.engine.transaction import Transaction
    from eventdb.storage.state import Editor, State

NAME = "subscriptions"
_POSITION = 2


class Subscribed(NamedTuple):
    """A subscription as it stands in the database. `position`: the last transaction that is done with; `tables`: ids, None for all."""

    name: str
    position: int
    tables: frozenset[int] | None


def table_of(catalog: Catalog) -> Table | None:
    """eventdb.subscriptions; None while there is none."""
    found = catalog.find(SYSTEM_SCHEMA, NAME)
    return found if isinstance(found, Table) else None


def find(state: State | Editor, name: str) -> Subscribed | None:
    """The subscription of that name."""
    table = table_of(state.catalog)
    row = None if table is None else state.table(table).get(name)
    if row is None:
        return None
    _, _, position, _, ids = row
    known = None if ids is None else json.loads(ids)
    if not (known is None or (isinstance(known, list) and all(type(i) is int for i in known))):
        raise InvalidParameterValue(f'the table_ids of subscription "{name}" are no list of ids, but {ids}')
    return Subscribed(name, position, None if known is None else frozenset(known))


def create(
    transaction: Transaction, name: str, after: int | None, tables: Collection[Table] | None = None, if_not_exists: bool = False
) -> None:
    """A new subscription that begins behind transaction `after` (None: behind what this transaction began on). `tables` None: all.

    Raises DuplicateObject, InvalidName, NameTooLong.
    """
    if not name:
        raise InvalidName("zero-length name")
    if len(name) > LONGEST_NAME:
        raise NameTooLong(f'name "{name[:30]}..." is longer than {LONGEST_NAME} characters')
    if find(transaction.present, name) is not None:
        if if_not_exists:
            return
        raise DuplicateObject(f'subscription "{name}" already exists')
    table = table_of(transaction.catalog)
    if table is None:
        table = _new_table(transaction.catalog)
        transaction.apply(TableCreated(table))
    known = None if tables is None else {t.id: f"{t.schema}.{t.name}" for t in tables}
    names = None if known is None else json.dumps([*known.values()], ensure_ascii=False)
    ids = None if known is None else json.dumps([*known])
    position = transaction.base.number if after is None else after
    transaction.apply(RowsInserted(table.id, row_types(table), [(name, position, names, ids)]))


def drop(transaction: Transaction, name: str, if_exists: bool = False) -> None:
    """Raises UndefinedObject."""
    table = table_of(transaction.catalog)
    if table is None or find(transaction.present, name) is None:
        if if_exists:
            return
        raise UndefinedObject(f'subscription "{name}" does not exist')
    transaction.apply(RowsDeleted(table.id, key_types(table), [name]))


def move(transaction: Transaction, name: str, expected: int, position: int) -> Event:
    """Move the position from `expected` to `position`; the event that does it. Raises UndefinedObject, and SerializationFailure where the
    position is another: someone else has moved it."""
    found = find(transaction.present, name)
    table = table_of(transaction.catalog)
    if found is None or table is None:
        raise UndefinedObject(f'subscription "{name}" does not exist')
    if found.position != expected:
        raise SerializationFailure(
            f'the position of subscription "{name}" is {found.position}, not {expected}: another consumer has moved it',
            hint="Subscribe again: the feed then goes on from where it stands.",
        )
    event = RowsUpdated(table.id, key_types(table), [name], (_POSITION,), (BIGINT,), [(position,)])
    transaction.apply(event)
    return event


def _new_table(catalog: Catalog) -> Table:
    columns = (
        Column(1, "name", TEXT, 1, nullable=False),
        Column(2, "position", BIGINT, _POSITION, nullable=False),
        Column(3, "tables", JSON, 3, comment="the names that the tables had when the subscription was made; NULL for all tables"),
        Column(4, "table_ids", JSON, 4),
    )
    constraints = (Unique("subscriptions_pkey", (1,), primary=True), Check("subscriptions_position_check", "position >= 0"))
    return Table(catalog.next_id, SYSTEM_SCHEMA, NAME, catalog.next_id + 1, columns, (1,), constraints, 5, 5, 5)


def ensure(session: Session, name: str, position: int, tables: frozenset[int] | None) -> Subscribed:
    """The subscription of that name; made, in a transaction of its own, where there is none. Raises InvalidParameterValue where one exists
    that is about other tables, or was moved by hand beyond the newest transaction."""
    from eventdb.engine.session import Session

    database = session.database
    found = find(database.refresh(), name)
    if found is None:
        helper = Session(database.acquire(), session.settings.copy(), autocommit=True, read_only=session.read_only)
        try:
            wanted = None if tables is None else [database.head.newest(table_id) for table_id in sorted(tables)]
            helper.run(lambda transaction: create(transaction, name, position, wanted, True))
        finally:
            helper.close()
        found = find(database.refresh(), name)
        if found is None:
            raise SerializationFailure(f'subscription "{name}" was dropped as soon as it was made')
    if found.position > database.head.number:
        raise InvalidParameterValue(
            f'subscription "{name}" stands at transaction {found.position}, which is still to come: the newest is {database.head.number}'
        )
    if tables is not None and tables != found.tables:
        raise InvalidParameterValue(
            f'subscription "{name}" exists, and is about other tables', hint="Leave the tables out, or drop the subscription first."
        )
    return found
