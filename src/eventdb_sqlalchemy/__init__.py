"""SQLAlchemy's dialect for eventdb.

    from sqlalchemy import create_engine

    engine = create_engine("eventdb:///shop.eventdb")

`insert` is SQLAlchemy's with `on_conflict_do_update` and `on_conflict_do_nothing`. The dialect sees eventdb's public names only.

The modules
    dialect.py        urls, connections, transactions, isolation levels, pooling
    compiler.py       expressions and statements to SQL
    ddl.py            tables, indexes, sequences, type names to SQL
    types.py          SQL types to Python and back
    reflection.py     tables as they stand in the database
    dml.py            INSERT with ON CONFLICT
    temporal.py       tables in time: as_of, versions, row_start, transactions
    past.py           objects in time: Sessions of the past, and the events that lead to them
    history.py        history(obj): the versions of an object with who made them
    aio.py            the dialect for asyncio, over threads
    provision.py, requirements.py   for SQLAlchemy's own test suite
"""

from eventdb_sqlalchemy.dialect import EventDBDialect
from eventdb_sqlalchemy.dml import Insert, insert
from eventdb_sqlalchemy.history import Version, history
from eventdb_sqlalchemy.past import PastSession, past_session
from eventdb_sqlalchemy.temporal import as_of, row_end, row_end_tx, row_start, row_start_tx, transactions, versions
from eventdb_sqlalchemy.types import BYTEA, INTERVAL, JSON, TIME, TIMESTAMP

__all__ = [
    "BYTEA", "INTERVAL", "JSON", "TIME", "TIMESTAMP", "EventDBDialect", "Insert", "PastSession", "Version", "as_of", "history", "insert",
    "past_session", "row_end", "row_end_tx", "row_start", "row_start_tx", "transactions", "versions",
]  # fmt: skip
