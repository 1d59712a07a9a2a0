"""The dialect: urls, connections, transactions, isolation levels, pooling.

    eventdb:///shop.eventdb           a directory, relative to where the program runs
    eventdb:////var/lib/shop.eventdb  an absolute path
    eventdb://                        in memory, of this engine alone; all its connections see the same database
    eventdb:///:memory:shop           in memory, shared by the engines and connections of the process that say this name

The url's query takes the driver's arguments: `?durability=os&actor=ann`.
"""

from __future__ import annotations

import json
import sys
import uuid
import weakref
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from sqlalchemy import exc, pool, schema, util
from sqlalchemy.engine import URL, default
from sqlalchemy.engine.interfaces import BindTyping

from eventdb_sqlalchemy.compiler import EventDBCompiler, EventDBIdentifierPreparer
from eventdb_sqlalchemy.ddl import EventDBDDLCompiler, EventDBTypeCompiler
from eventdb_sqlalchemy.reflection import Reflection
from eventdb_sqlalchemy.types import COLSPECS

ISOLATION_LEVELS = ("SERIALIZABLE", "SNAPSHOT", "AUTOCOMMIT")
_MEMORY = ":memory:"


def _flag(text: str) -> bool:
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise ValueError(text)


def _moment(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


_ARGUMENTS: Mapping[str, Callable[[str], Any]] = {
    "as_of": _moment, "read_only": _flag, "timeout": float, "durability": str, "actor": str, "reason": str, "correlation_id": str,
    "metadata": json.loads, "timezone": str,
}  # fmt: skip
"""Arguments of `eventdb.connect` that a url can carry, and how they are read."""


PROVENANCE = ("actor", "reason", "correlation_id", "metadata")
"""Execution options that say who makes the transaction and why."""


class EventDBExecutionContext(default.DefaultExecutionContext):
    """One execution. The execution options `as_of` and `PROVENANCE`, wherever they come from, are heeded here and nowhere else."""

    def new_cursor(self, **options: Any) -> Any:
        as_of = self.execution_options.get("as_of")
        if as_of is not None:
            options["as_of"] = as_of
        return self._dbapi_connection.cursor(**options)

    def create_default_cursor(self) -> Any:
        return self.new_cursor()

    def create_server_side_cursor(self) -> Any:
        """Every cursor makes rows as they are fetched, wherever the plan allows; that of the present says so."""
        if self.execution_options.get("as_of") is not None:
            return self.new_cursor()
        return self.dialect.streaming_cursor(self._dbapi_connection.dbapi_connection)  # type: ignore[attr-defined]

    def attributed(self, run: Callable[..., Any], *arguments: Any) -> None:
        """Do it in a transaction that is attributed to whom the execution options name."""
        options = self.execution_options
        told = {name: options[name] for name in PROVENANCE if options.get(name) is not None}
        connection: Any = self._dbapi_connection
        if not told or options.get("as_of") is not None:
            run(*arguments)
        elif connection.in_transaction or not connection.autocommit:
            connection.attribute(**told)
            run(*arguments)
        else:
            connection.cursor().execute("BEGIN")
            try:
                connection.attribute(**told)
                run(*arguments)
                connection.commit()
            except BaseException:
                connection.rollback()
                raise

    def fire_sequence(self, seq: Any, type_: Any) -> Any:
        preparer: Any = self.identifier_preparer
        name = preparer.format_sequence(seq).replace("'", "''")
        return self._execute_scalar(f"SELECT nextval('{name}')", type_)


class EventDBDialect(Reflection, default.DefaultDialect):  # type: ignore[misc]
    """SQLAlchemy's view of eventdb."""

    name = "eventdb"
    driver = "eventdb"
    supports_statement_cache = True

    statement_compiler = EventDBCompiler
    ddl_compiler = EventDBDDLCompiler
    type_compiler_cls = EventDBTypeCompiler
    preparer = EventDBIdentifierPreparer
    execution_ctx_cls = EventDBExecutionContext
    colspecs = COLSPECS
    poolclass = pool.QueuePool

    bind_typing = BindTyping.RENDER_CASTS

    supports_native_boolean = True
    supports_native_decimal = True
    supports_native_uuid = True
    returns_native_bytes = True

    max_identifier_length = 255
    supports_alter = True
    supports_comments = True
    supports_constraint_comments = True
    supports_identity_columns = True
    supports_sequences = True
    sequences_optional = True
    supports_default_values = True
    supports_default_metavalue = True
    supports_multivalues_insert = True
    supports_is_distinct_from = True
    supports_for_update_of = True
    supports_server_side_cursors = True
    tuple_in_values = False
    div_is_floordiv = True

    postfetch_lastrowid = True
    insert_returning = True
    update_returning = True
    delete_returning = True
    update_returning_multifrom = True
    delete_returning_multifrom = True
    # The driver's executemany gives the rows of RETURNING in the order of the parameters, so INSERT needs no rewriting into many VALUES.
    use_insertmanyvalues = False
    insert_executemany_returning = True
    insert_executemany_returning_sort_by_parameter_order = True
    update_executemany_returning = True
    delete_executemany_returning = True

    construct_arguments = [  # noqa: RUF012
        (schema.Index, {"where": None, "include": None, "nulls_not_distinct": None}),
        (schema.UniqueConstraint, {"nulls_not_distinct": None}),
    ]

    def __init__(self, json_serializer: Any = None, json_deserializer: Any = None, paramstyle: Any = None, **kw: Any) -> None:
        # A name is one parameter however often it is written, so that `GROUP BY x + :a` is known to be what is selected; `?` is not.
        super().__init__(paramstyle=paramstyle or "named", **kw)
        self._json_serializer = json_serializer
        self._json_deserializer = json_deserializer
        self._anchor: Any = None
        if "alembic.ddl.impl" in sys.modules:
            import eventdb_sqlalchemy.alembic  # noqa: F401

    @classmethod
    def import_dbapi(cls) -> ModuleType:
        import eventdb

        return eventdb

    @util.memoized_property
    def streaming_cursor(self) -> type[Any]:
        """The class of the cursors of `stream_results`, which are fetched from in growing pieces."""

        class StreamingCursor(self.loaded_dbapi.Cursor):  # type: ignore[name-defined,misc]
            __slots__ = ()
            server_side = True

        return StreamingCursor

    @classmethod
    def get_async_dialect_cls(cls, url: URL) -> type[EventDBDialect]:
        """`create_async_engine` takes `eventdb://` too."""
        from eventdb_sqlalchemy.aio import EventDBDialectAio

        return EventDBDialectAio

    # connecting

    def create_connect_args(self, url: URL) -> Any:
        """The arguments of `eventdb.connect`. Raises ArgumentError for a url that names a server or an argument that is none."""
        if url.host or url.port or url.username or url.password:
            raise exc.ArgumentError(
                f"invalid eventdb url {url}: a path follows three slashes, eventdb:///relative.eventdb, or four, eventdb:////absolute"
            )
        options: dict[str, Any] = {}
        for name, text in url.query.items():
            if name not in _ARGUMENTS or not isinstance(text, str):
                raise exc.ArgumentError(f"invalid argument {name!r} in the eventdb url; there are {', '.join(_ARGUMENTS)}")
            try:
                options[name] = _ARGUMENTS[name](text)
            except ValueError:
                raise exc.ArgumentError(f"invalid value {text!r} of argument {name!r} in the eventdb url") from None
        if _only_asked_whether_it_exists():
            options["read_only"] = True
        if self._json_deserializer is not None:
            options["json_loads"] = self._json_deserializer
        database = url.database or _MEMORY
        if database == _MEMORY:
            database = f"{_MEMORY}{uuid.uuid4().hex}"
        return [database], options

    def connect(self, *arguments: Any, **options: Any) -> Any:
        """A connection. A database in memory lives as long as its engine, not only while one of its connections is open."""
        if self._anchor is None and str(arguments[0]).startswith(_MEMORY):
            self._anchor = self.loaded_dbapi.connect(*arguments)
            weakref.finalize(self, self._anchor.close)
        return self.loaded_dbapi.connect(*arguments, **options)

    def _get_server_version_info(self, connection: Any) -> tuple[int, ...]:
        text = connection.exec_driver_sql("SHOW server_version").scalar()
        return tuple(int(part) for part in text.split(".") if part.isdecimal())

    def _get_default_schema_name(self, connection: Any) -> str:
        return str(connection.exec_driver_sql("SELECT current_schema()").scalar())

    def do_ping(self, dbapi_connection: Any) -> bool:
        dbapi_connection.cursor().close()
        return True

    def is_disconnect(self, e: Any, connection: Any, cursor: Any) -> bool:
        """Whether the connection is of no use any more: it was closed, or belongs to a process that this one was forked from."""
        return isinstance(e, self.loaded_dbapi.InterfaceError) and e.sqlstate == "08003" and (connection is None or _is_closed(connection))

    # executing

    def do_execute(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        if context is None:
            cursor.execute(statement, parameters)
        else:
            context.attributed(cursor.execute, statement, parameters)

    def do_executemany(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        if context is None:
            cursor.executemany(statement, parameters)
        else:
            context.attributed(cursor.executemany, statement, parameters)

    def do_execute_no_params(self, cursor: Any, statement: str, context: Any = None) -> None:
        self.do_execute(cursor, statement, (), context)

    # transactions

    def get_isolation_level_values(self, dbapi_conn: Any) -> tuple[str, ...]:  # type: ignore[override]
        return ISOLATION_LEVELS

    def get_default_isolation_level(self, dbapi_conn: Any) -> str:  # type: ignore[override]
        return str(dbapi_conn.isolation_level).upper()

    def get_isolation_level(self, dbapi_connection: Any) -> str:  # type: ignore[override]
        return "AUTOCOMMIT" if dbapi_connection.autocommit else str(dbapi_connection.isolation_level).upper()

    def set_isolation_level(self, dbapi_connection: Any, level: str) -> None:
        dbapi_connection.autocommit = level == "AUTOCOMMIT"
        if level != "AUTOCOMMIT":
            dbapi_connection.isolation_level = level.lower()

    def detect_autocommit_setting(self, dbapi_conn: Any) -> bool:
        return bool(dbapi_conn.autocommit)


def _only_asked_whether_it_exists() -> bool:
    """Whether `sqlalchemy_utils.database_exists` asks: it takes a connection that succeeds for an answer, and connecting makes a database.

    It knows a few dialects by name and leaves others no hook, so its frame on the stack is all that tells.
    """
    module = sys.modules.get("sqlalchemy_utils.functions.database")
    code = getattr(getattr(module, "database_exists", None), "__code__", None)
    frame = sys._getframe() if code is not None else None
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    return frame is not None


def _is_closed(connection: Any) -> bool:
    driver = getattr(connection, "dbapi_connection", connection)
    if driver is None or driver.closed:
        return True
    try:
        driver.cursor().close()
    except driver.InterfaceError:
        return True
    return False


dialect = EventDBDialect
