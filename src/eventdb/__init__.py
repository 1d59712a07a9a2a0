"""eventdb: a relational database for Python whose only truth is an immutable event log.

    import eventdb

    with eventdb.connect("shop.eventdb", actor="ann") as connection:
        connection.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
        connection.execute("INSERT INTO item VALUES (?, ?)", (1, "lamp"))

The life of a statement
 1. `dbapi.Cursor.execute` takes the text and its parameters (PEP 249) and hands them to the connection's `engine.session.Session`.
 2. `sql.parser` turns the text into a syntax tree; the session keeps it under its text.
 3. `sql.planner` binds names and types against the catalog of the state that is read and chooses how to get at the rows; for writes
    `sql.modification` does, for schema changes `sql.definition`. `sql.compiler` makes one Python function of it. The session keeps that
    too, for as
    long as the catalog stays the same: most executions begin here.
 4. The function runs over readers of a state, an immutable value (`storage.state`). A transaction remembers what it read.
 5. A write checks everything that it must, then applies one event to the transaction's own draft of the next state.
 6. Commit (`engine.commit`): if others came first, what was read and written is held against their changes and the events are applied again
 on the new
    head; then the events go into the log (`storage.log`) as one record, chained by hash and synced, and the new state becomes the head.
 7. Rows come back through the cursor as tuples.

`apilevel`, `threadsafety`, `paramstyle`, the exceptions and the type objects are those of PEP 249. Heavy parts are imported when first
used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventdb.errors import (
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    Warning,
)

if TYPE_CHECKING:
    from eventdb.dbapi import (
        BINARY,
        DATETIME,
        NUMBER,
        ROWID,
        STRING,
        Binary,
        Connection,
        Cursor,
        Date,
        DateFromTicks,
        Row,
        Time,
        TimeFromTicks,
        Timestamp,
        TimestampFromTicks,
        connect,
        dict_row,
        namedtuple_row,
        tuple_row,
    )
    from eventdb.engine.copies import import_file, restore
    from eventdb.engine.digests import check_proof
    from eventdb.engine.provenance import context
    from eventdb.engine.signing import sign_digest, verify_signature
    from eventdb.model.value import Interval

__version__ = "0.1.0"

apilevel = "2.0"
threadsafety = 2
paramstyle = "qmark"

_LAZY = {
    **dict.fromkeys(
        (
            "connect", "Connection", "Cursor", "Row", "dict_row", "namedtuple_row", "tuple_row", "STRING", "BINARY", "NUMBER", "DATETIME",
            "ROWID",
            "Date", "Time", "Timestamp", "DateFromTicks", "TimeFromTicks", "TimestampFromTicks", "Binary",
        ),
        "eventdb.dbapi",
    ),
    "context": "eventdb.engine.provenance",
    "check_proof": "eventdb.engine.digests",
    "import_file": "eventdb.engine.copies",
    "restore": "eventdb.engine.copies",
    "sign_digest": "eventdb.engine.signing",
    "verify_signature": "eventdb.engine.signing",
    "Interval": "eventdb.model.value",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module 'eventdb' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})


__all__ = [
    "BINARY", "DATETIME", "NUMBER", "ROWID", "STRING", "Binary", "Connection", "Cursor", "DataError", "DatabaseError", "Date",
    "DateFromTicks",
    "Error", "IntegrityError", "InterfaceError", "InternalError", "Interval", "NotSupportedError", "OperationalError", "ProgrammingError",
    "Row",
    "Time", "TimeFromTicks", "Timestamp", "TimestampFromTicks", "Warning", "__version__", "apilevel", "check_proof", "connect", "context",
    "dict_row", "import_file", "namedtuple_row", "paramstyle", "restore", "sign_digest", "threadsafety", "tuple_row", "verify_signature",
]  # fmt: skip
