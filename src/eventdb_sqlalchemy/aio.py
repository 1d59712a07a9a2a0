"""The dialect for asyncio: `create_async_engine("eventdb+aio:///shop.eventdb")`.

The driver is not asynchronous, so each connection has a thread of its own in which all its statements run, one after the other; the event
loop goes on meanwhile. The thread sees the context variables of the task, so that `eventdb.context` holds.

A task that is cancelled while a statement runs is free at once. The statement runs to its end (the driver knows no interrupt), behind it
the thread closes the connection, which rolls the transaction back, and the pool makes a new one.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import pool
from sqlalchemy.engine import URL, AdaptedConnection
from sqlalchemy.util import await_only

from eventdb_sqlalchemy.dialect import EventDBDialect, EventDBExecutionContext


class Worker:
    """The thread of one connection."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="eventdb")

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run it in the thread and wait for what it gives. For a greenlet of SQLAlchemy's only."""
        return await_only(self.run(function, *arguments))

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._executor, lambda: context.run(function, *arguments))

    def finish(self, function: Callable[[], Any]) -> None:
        """Run it behind what runs now, waiting for nothing; the thread ends then."""
        self._executor.submit(function)
        self.end()

    def end(self) -> None:
        """Let the thread end once it has nothing to do."""
        self._executor.shutdown(wait=False)


class AsyncCursor:
    """A cursor whose statements run in the connection's thread, and which has fetched all rows when `execute` returns."""

    server_side = False

    def __init__(self, worker: Worker, cursor: Any) -> None:
        self._worker = worker
        self._cursor = cursor
        self._rows: deque[Any] = deque()

    @property
    def description(self) -> Any:
        return self._cursor.description

    @property
    def rowcount(self) -> int:
        return int(self._cursor.rowcount)

    @property
    def lastrowid(self) -> Any:
        return self._cursor.lastrowid

    @property
    def arraysize(self) -> int:
        return int(self._cursor.arraysize)

    @arraysize.setter
    def arraysize(self, value: int) -> None:
        self._cursor.arraysize = value

    def execute(self, operation: str, parameters: Any = ()) -> None:
        self._worker(self._run, self._cursor.execute, operation, parameters)

    def executemany(self, operation: str, parameters: Any) -> None:
        self._worker(self._run, self._cursor.executemany, operation, parameters)

    def _run(self, run: Callable[..., Any], operation: str, parameters: Any) -> None:
        run(operation, parameters)
        self._rows = deque(self._cursor.fetchall()) if self._cursor.description else deque()

    def fetchone(self) -> Any:
        return self._rows.popleft() if self._rows else None

    def fetchmany(self, size: int | None = None) -> list[Any]:
        count = self.arraysize if size is None else size
        return [self._rows.popleft() for _ in range(min(count, len(self._rows)))]

    def fetchall(self) -> list[Any]:
        rows = list(self._rows)
        self._rows.clear()
        return rows

    def __iter__(self) -> Iterator[Any]:
        while (row := self.fetchone()) is not None:
            yield row

    def setinputsizes(self, *sizes: Any) -> None:
        """Nothing to do."""

    def close(self) -> None:
        self._rows.clear()
        self._cursor.close()

    async def _async_soft_close(self) -> None:
        """Nothing to do: the rows are here, and closing takes no waiting."""


class AsyncStreamingCursor(AsyncCursor):
    """A cursor that fetches in the connection's thread as rows are asked for."""

    server_side = True

    def _run(self, run: Callable[..., Any], operation: str, parameters: Any) -> None:
        run(operation, parameters)

    def fetchone(self) -> Any:
        return self._worker(self._cursor.fetchone)

    def fetchmany(self, size: int | None = None) -> Any:
        return self._worker(self._cursor.fetchmany, size)

    def fetchall(self) -> Any:
        return self._worker(self._cursor.fetchall)


class AsyncConnection(AdaptedConnection):
    """The driver's connection as SQLAlchemy's pool and engine see it."""

    __slots__ = ("_worker",)

    def __init__(self, worker: Worker, connection: Any) -> None:
        self._worker = worker
        self._connection = connection

    def cursor(self, server_side: bool = False, **options: Any) -> AsyncCursor:
        kind = AsyncStreamingCursor if server_side else AsyncCursor
        return kind(self._worker, self._connection.cursor(**options))

    def execute(self, operation: str, parameters: Any = ()) -> AsyncCursor:
        cursor = self.cursor()
        cursor.execute(operation, parameters)
        return cursor

    def commit(self) -> None:
        self._worker(self._connection.commit)

    def rollback(self) -> None:
        self._worker(self._connection.rollback)

    def close(self) -> None:
        self._worker(self._connection.close)
        self._worker.end()

    def terminate(self) -> None:
        """Close it as soon as nothing runs in it, without waiting: after a cancellation, and when it is collected as garbage."""
        self._worker.finish(self._connection.close)

    @property
    def autocommit(self) -> bool:
        return bool(self._connection.autocommit)

    @autocommit.setter
    def autocommit(self, value: bool) -> None:
        self._worker(setattr, self._connection, "autocommit", value)

    @property
    def isolation_level(self) -> str:
        return str(self._connection.isolation_level)

    @isolation_level.setter
    def isolation_level(self, value: str) -> None:
        self._worker(setattr, self._connection, "isolation_level", value)

    def __getattr__(self, name: str) -> Any:
        """Everything else is the driver's; its methods run in the thread."""
        value = getattr(self._connection, name)
        if not inspect.ismethod(value):
            return value
        return lambda *arguments, **options: self._worker(functools.partial(value, *arguments, **options))


class EventDBExecutionContextAio(EventDBExecutionContext):
    def create_server_side_cursor(self) -> Any:
        return self.new_cursor(server_side=True)


class EventDBDialectAio(EventDBDialect):
    """SQLAlchemy's view of eventdb, in threads."""

    driver = "aio"
    is_async = True
    has_terminate = True
    supports_statement_cache = True
    execution_ctx_cls = EventDBExecutionContextAio

    @classmethod
    def get_pool_class(cls, url: URL) -> type[pool.Pool]:
        return pool.AsyncAdaptedQueuePool

    def connect(self, *arguments: Any, **options: Any) -> Any:
        worker = Worker()
        try:
            return AsyncConnection(worker, worker(lambda: EventDBDialect.connect(self, *arguments, **options)))
        except BaseException:
            worker.end()
            raise

    def do_terminate(self, dbapi_connection: Any) -> None:
        dbapi_connection.terminate()

    def get_driver_connection(self, connection: Any) -> Any:
        return connection.driver_connection


dialect = EventDBDialectAio
