"""What a statement gives, and the error that it raises."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from eventdb.errors import Error, InsufficientResources, InternalError, StatementTooComplex
from eventdb.sql.prepared import ResultColumn

Columns = tuple[ResultColumn, ...] | None
Outcome = tuple[Columns, Iterable[tuple[Any, ...]], int, Any]
"""The fields of a `Result`. The quick paths of a session give it as a plain tuple, which is made in no time."""


class Result(NamedTuple):
    """What a statement gave. `columns` None: no result set; else `rows` gives tuples, once, and `rowcount` is -1 where they are not counted
    yet."""

    columns: Columns = None
    rows: Iterable[tuple[Any, ...]] = ()
    rowcount: int = -1
    lastrowid: Any = None


def translated(error: Exception, text: str | None) -> Error:
    """The eventdb error for whatever came out of a statement, with the statement's text."""
    if isinstance(error, Error):
        if text is not None and error.statement is None:
            error.statement = text
        return error
    if isinstance(error, RecursionError):
        return StatementTooComplex("the statement nests too deeply")
    if isinstance(error, MemoryError):
        return InsufficientResources("out of memory")
    made = InternalError(f"{type(error).__name__}: {error}", statement=text)
    made.__cause__ = error
    return made
