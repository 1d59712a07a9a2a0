"""PEP 249: connections and cursors over `engine.session`."""

from eventdb.dbapi.connection import Connection, connect
from eventdb.dbapi.cursor import Cursor
from eventdb.dbapi.rows import Row, dict_row, namedtuple_row, tuple_row
from eventdb.dbapi.types import (
    BINARY,
    DATETIME,
    NUMBER,
    ROWID,
    STRING,
    Binary,
    Date,
    DateFromTicks,
    Time,
    TimeFromTicks,
    Timestamp,
    TimestampFromTicks,
)

__all__ = [
    "BINARY", "DATETIME", "NUMBER", "ROWID", "STRING", "Binary", "Connection", "Cursor", "Date", "DateFromTicks", "Row", "Time",
    "TimeFromTicks",
    "Timestamp", "TimestampFromTicks", "connect", "dict_row", "namedtuple_row", "tuple_row",
]  # fmt: skip
