"""Running data definition: events from `sql.definition`, applied one after the other, with the checks of rows that are already there.

The whole statement is undone when a step fails.
"""

from __future__ import annotations

import re

from eventdb.engine.define_alter import alter_object, alter_table
from eventdb.engine.define_rows import build_index
from eventdb.engine.transaction import Transaction
from eventdb.errors import NotSupportedError, WrongObjectType
from eventdb.model.catalog import Catalog
from eventdb.model.event import Event, IndexCreated, RowsInserted, TableCreated
from eventdb.model.record import replace
from eventdb.model.schema import SYSTEM_SCHEMA
from eventdb.sql.definition.comments import comment_on
from eventdb.sql.definition.dropping import drop
from eventdb.sql.definition.indexes import create_index
from eventdb.sql.definition.queries import prepare_query
from eventdb.sql.definition.schemas import create_schema
from eventdb.sql.definition.sequences import create_sequence
from eventdb.sql.definition.tables import create_table, create_table_as
from eventdb.sql.definition.views import create_view
from eventdb.sql.environment import Environment, Execution
from eventdb.sql.modification.insert import fetched
from eventdb.sql.modification.making import row_types
from eventdb.sql.parser import ast


def execute(txn: Transaction, statement: ast.Statement, env: Environment, execution: Execution) -> None:
    """Run one statement that defines something. Raises ProgrammingError and IntegrityError; nothing of it is left then."""
    mark = txn.mark()
    before = txn.catalog
    try:
        _run(txn, statement, env, execution)
        _keep_system_tables(before, txn.catalog, statement, env)
    except BaseException:
        txn.reset(mark)
        raise


def _keep_system_tables(before: Catalog, after: Catalog, statement: ast.Statement, env: Environment) -> None:
    """Raises WrongObjectType where a definition in the system's schema was changed."""
    for table in before.tables.values():
        if table.schema == SYSTEM_SCHEMA:
            now = after.tables.get(table.id)
            if now != table or before.indexes_of(table.id) != after.indexes_of(table.id):
                raise WrongObjectType(f'cannot change system relation "{table.schema}.{table.name}"').at(statement.position, env.text)


def _run(txn: Transaction, statement: ast.Statement, env: Environment, execution: Execution) -> None:
    match statement:
        case ast.CreateTable():
            _apply(txn, create_table(statement, env), execution)
        case ast.CreateTableAs():
            _create_table_as(txn, statement, env, execution)
        case ast.CreateIndex():
            _apply(txn, create_index(statement, env), execution)
        case ast.CreateView():
            _apply(txn, create_view(statement, env), execution)
        case ast.CreateSequence():
            _apply(txn, create_sequence(statement, env), execution)
        case ast.CreateSchema():
            _apply(txn, create_schema(statement, env), execution)
        case ast.Drop():
            for name in statement.names:
                _apply(txn, drop(statement, name, replace(env, catalog=txn.catalog)), execution)
        case ast.Comment():
            _apply(txn, comment_on(statement, env), execution)
        case ast.AlterTable():
            alter_table(txn, statement, env, execution)
        case ast.AlterObject():
            alter_object(txn, statement, env)
        case _:
            words = re.sub(r"(?<!^)(?=[A-Z])", " ", type(statement).__name__).upper()
            raise NotSupportedError(f"{words} is not supported yet").at(statement.position, env.text)


def _apply(txn: Transaction, events: list[Event], execution: Execution) -> None:
    for event in events:
        if isinstance(event, IndexCreated):
            build_index(txn, event.index)
        else:
            txn.apply(event)


def _create_table_as(txn: Transaction, statement: ast.CreateTableAs, env: Environment, execution: Execution) -> None:
    query = prepare_query(statement.query, env)
    events = create_table_as(statement, query.columns, env)
    if not events:
        return
    _apply(txn, events, execution)
    created = events[0]
    assert isinstance(created, TableCreated)
    if statement.with_data:
        rows = fetched(query if execution.deadline is None else query.measured(), execution, ())
        if rows:
            first = txn.row_ids(created.table, len(rows))
            made = [(first + i, *row) for i, row in enumerate(rows)]
            txn.apply(RowsInserted(created.table.id, row_types(created.table), made))
