"""Statements: a text parsed once, and prepared anew only for another schema or other parameter types.

A *variant* is one prepared form. It holds for the catalog it was bound in (compared by identity: a state hands its catalog on until it
changes), for the
catalogs of its FOR SYSTEM_TIME clauses, and for the types of its parameters: those that the context implies or, where that is not enough or
does not
fit the values, those of the values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any

from eventdb.engine import system_tables
from eventdb.engine.binding import Binder, adapted, binder
from eventdb.engine.execution import Execution
from eventdb.engine.temporal import MomentBinder, Position, PreparedTime, catalog_for
from eventdb.errors import DataError, DatatypeMismatch, Error, IndeterminateDatatype, ProgrammingError
from eventdb.model.catalog import Catalog
from eventdb.model.datatype import DataType, Kind
from eventdb.model.late import Late
from eventdb.model.record import Record, replace
from eventdb.sql import compiler
from eventdb.sql.environment import Environment, no_moments
from eventdb.sql.expressions import parameters
from eventdb.sql.modification import modifies, prepare_write
from eventdb.sql.parser import ast
from eventdb.sql.prepared import PreparedQuery, ResultColumn
from eventdb.sql.reader import StateReader

if TYPE_CHECKING:
    from eventdb.engine.session import Session

json: Any = Late("json")
Write = ast.Insert | ast.Update | ast.Delete | ast.Merge | ast.Truncate
_MAX_VARIANTS = 8
_GENERATION = 512


Inferred = tuple[DataType | None, ...] | None


class Variant(Record, frozen=False):
    """One prepared form of a query or write."""

    catalog: Catalog
    search_path: tuple[str, ...]
    prepared: Any
    types: tuple[DataType, ...]
    inferred: Inferred
    """The types of the values, where the variant was prepared for those (None for one whose type the context must tell); None where the
    context told of all."""
    bind: Binder
    run: Callable[..., Any]
    columns: tuple[ResultColumn, ...]
    convert: Callable[[tuple[Any, ...]], tuple[Any, ...]] | None
    """Makes a row what the caller sees (JSON parsed, CHAR(n) padded); None where nothing is to be done."""
    moments: tuple[PreparedTime, ...]
    moment_catalogs: tuple[Catalog, ...]
    since: int | None
    """The transaction from which on all moments fall into `catalog`; None where one was bound in an older catalog."""
    streaming: bool
    write: bool
    joins: bool
    """Whether consecutive executions of it may go into the state together (see `engine.write.join`)."""
    locks: frozenset[int]
    """The tables whose rows FOR UPDATE or FOR SHARE holds."""
    draws: bool
    """Whether running it may take values from a sequence, so that it has to be run to its end at once."""
    timed: Any = None
    """The same in its measuring form, which keeps to a deadline; made when first needed."""

    def under_deadline(self) -> Variant:
        """This variant in the form that looks at the clock."""
        if self.timed is None:
            from eventdb.engine.analyze import measured

            prepared = measured(self.prepared)
            self.timed = replace(self, prepared=prepared, run=self.run if self.write else prepared.run, streaming=False)
        found: Variant = self.timed
        return found


class Statement:
    """One statement of a text. `fast` is the variant to try first: a query of the present, whose parameter types come from the context."""

    __slots__ = ("fast", "index", "keys", "node", "text", "variants")

    def __init__(self, text: str, node: ast.Statement, keys: tuple[int | str, ...]) -> None:
        self.text = text
        self.node = node
        self.keys = keys
        self.index = {key: i for i, key in enumerate(keys)}
        self.variants: list[Variant] = []
        self.fast: Variant | None = None

    def find(
        self, catalog: Catalog, search_path: tuple[str, ...], inferred: Inferred
    ) -> list[Variant]:
        """Variants that may do, newest first; those with moments have still to be checked for those."""
        return [
            v for v in reversed(self.variants)
            if v.catalog is catalog and v.search_path == search_path and v.inferred == inferred
        ]  # fmt: skip

    def keep(self, variant: Variant) -> None:
        """Remember a variant, and forget those of other schemas or the oldest."""
        self.variants = [v for v in self.variants if v.catalog is variant.catalog][-(_MAX_VARIANTS - 1) :]
        self.variants.append(variant)


class StatementCache:
    """Parsed statements by text, in two generations: what is not met again while `_GENERATION` others come is forgotten with its
    generation. So a hit costs one look-up, and nothing is moved about."""

    __slots__ = ("_before", "recent")

    def __init__(self) -> None:
        self.recent: dict[str, Statement] = {}
        self._before: dict[str, Statement] = {}

    def older(self, text: str) -> Statement | None:
        """A statement of the generation before, now one of the recent ones."""
        statement = self._before.pop(text, None)
        if statement is not None:
            self.add(statement)
        return statement

    def add(self, statement: Statement) -> None:
        if len(self.recent) >= _GENERATION:
            self._before, self.recent = self.recent, {}
        self.recent[statement.text] = statement


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:  # an integer of more digits than Python converts
        return json.loads(text, parse_int=_integer)


def _integer(digits: str) -> int | Decimal:
    try:
        return int(digits)
    except ValueError:
        return Decimal(digits)


def _converted(source: str, datatype: DataType) -> str:
    """Source of what the caller sees: JSON is parsed, CHAR(n), which is kept without its blanks, padded."""
    if datatype.kind is Kind.JSON:
        return f"(None if {source} is None else loads({source}))"
    if datatype.kind is Kind.CHAR and datatype.length is not None:
        return f"(None if {source} is None else {source}.ljust({datatype.length}))"
    return source


def converter(
    columns: Sequence[ResultColumn], json_loads: Callable[[str], Any] | None = None
) -> Callable[[tuple[Any, ...]], tuple[Any, ...]] | None:
    """The function that turns an internal row into what the caller sees; None where they are the same."""
    items = [_converted(f"r[{i}]", column.datatype) for i, column in enumerate(columns)]
    if not any(" " in item for item in items):
        return None
    scope: dict[str, Any] = {"loads": json_loads or _loads}
    made: Callable[[tuple[Any, ...]], tuple[Any, ...]] = eval(f"lambda r: ({', '.join(items)},)", scope)
    return made


class Bound(Record, frozen=False):
    """A variant with parameters and positions for one run."""

    variant: Variant
    values: tuple[Any, ...]
    positions: tuple[Position, ...]


def environment(session: Session, catalog: Catalog, statement: Statement, inferred: Inferred = None) -> Environment:
    """What to bind a statement in, or an expression in one that is no query; without FOR SYSTEM_TIME."""
    types: list[DataType | None] = list(inferred) if inferred is not None else [None] * len(statement.keys)
    return Environment(
        statement.text,
        catalog,
        statement.index,
        types,
        session.search_path,
        system_tables=system_tables.TABLES,
        statistics=session.row_count,
        functions=session.functions,
    )


class Preparer:
    """Finds or makes the variant for one run of a statement."""

    def __init__(self, session: Session, reader: StateReader, catalog: Catalog, own: Position) -> None:
        self._session = session
        self._reader = reader
        self._catalog = catalog
        self._own = own

    def bound(self, statement: Statement, values: tuple[Any, ...]) -> Bound:
        """The variant for these values: by the context's types first, by the values' own where that fails."""
        first: Error | None = None
        try:
            return self._bound(statement, values, None)
        except IndeterminateDatatype as error:
            if not values:
                raise
            first = error
        except (DataError, DatatypeMismatch) as error:
            if not values:
                raise
            if not getattr(error, "_by_value", False) and not isinstance(error, DatatypeMismatch):
                raise
            first = error
        try:
            from eventdb.sql.modification.assignments import assigned_parameters, uncast_parameters

            keys = set(assigned_parameters(statement.node))
            if isinstance(statement.node, ast.Insert) and not isinstance(first, IndeterminateDatatype):
                keys |= uncast_parameters(statement.node)  # what is inserted must fit its column; what is cast need not fit the cast
            strict = {statement.index[key] for key in keys}
            if len(strict) == len(values):
                raise first
            inferred = tuple([None if i in strict else parameters.infer(value) for i, value in enumerate(values)])
            return self._bound(statement, values, inferred)
        except (ProgrammingError, DataError) as second:
            if isinstance(first, IndeterminateDatatype) or getattr(second, "_by_value", False):
                raise second from None
            raise first from None

    def _bound(self, statement: Statement, values: tuple[Any, ...], inferred: Inferred) -> Bound:
        for variant in statement.find(self._catalog, self._session.search_path, inferred):
            adapted_values = self._adapted(values, variant)
            positions = self._positions(variant, adapted_values)
            if positions is not None:
                return Bound(variant, adapted_values, positions)
        variant = self.prepare(statement, values, inferred)
        adapted_values = self._adapted(values, variant)
        positions = self._positions(variant, adapted_values)
        if positions is None:
            raise ProgrammingError("a moment of the statement moved while it was prepared")
        statement.keep(variant)
        return Bound(variant, adapted_values, positions)

    def _adapted(self, values: tuple[Any, ...], variant: Variant) -> tuple[Any, ...]:
        bound = variant.bind(values)
        if bound is not None:
            return bound
        try:
            return adapted(values, variant.types, self._session.timezone)
        except (DataError, DatatypeMismatch) as error:
            error.__dict__["_by_value"] = True
            raise

    def _positions(self, variant: Variant, values: tuple[Any, ...]) -> tuple[Position, ...] | None:
        """The positions of this run; None where a moment falls into another schema than the variant was bound in."""
        if not variant.moments:
            return (self._own,)
        return positions_of(variant, Execution(self._session, self._reader, self._session.transaction, (self._own,)), values)

    def definition(self, statement: Statement) -> tuple[Environment, Sequence[Position]]:
        """What to bind a definition in, and the positions that its query will read at: they come to stand there while it is bound."""
        env = environment(self._session, self._catalog, statement)
        if not isinstance(statement.node, ast.CreateTableAs):  # what is kept as text must not need this connection
            env.functions = {}
        execution = Execution(self._session, self._reader, self._session.transaction)
        env.moment = moments = MomentBinder(self._reader, execution, lambda known: (), env, self._reader.catalog, self._own)
        return env, moments.positions

    def prepare(self, statement: Statement, values: tuple[Any, ...], inferred: Inferred) -> Variant:
        """A new variant."""
        session = self._session
        env = environment(self._session, self._catalog, statement, inferred)
        execution = Execution(session, self._reader, session.transaction)
        moments = MomentBinder(
            self._reader, execution, lambda known: adapted(values, known, session.timezone), env, self._reader.catalog
        )
        env.moment = moments
        node: Any = statement.node
        if isinstance(node, ast.Explain):
            node = node.statement
        prepared: Any
        if isinstance(node, ast.Query) and not modifies(node):
            prepared = compiler.prepare_query(node, env)
        else:
            prepared = prepare_write(node, env)
        env.moment = no_moments  # a plan that is kept must not keep the state that it was made on
        return variant_of(prepared, self._catalog, session, inferred, moments, frozenset(env.locks))


def variant_of(
    prepared: Any, catalog: Catalog, session: Session, inferred: Inferred, moments: MomentBinder, locks: frozenset[int]
) -> Variant:
    query = isinstance(prepared, PreparedQuery)
    return Variant(
        catalog=catalog,
        search_path=session.settings.plain_path,
        prepared=prepared,
        types=tuple(prepared.parameters),
        inferred=inferred,
        bind=binder(tuple(prepared.parameters)),
        run=prepared.run if query else _no_run,
        columns=tuple(prepared.columns),
        convert=converter(prepared.columns, session.json_loads),
        moments=tuple(moments.clauses),
        moment_catalogs=tuple(moments.catalogs),
        since=catalog.version[0] if all(c is catalog for c in moments.catalogs) else None,
        streaming=query and prepared.streaming,
        write=not query,
        joins=getattr(prepared, "joins", False),
        locks=locks,
        draws="nextval" in prepared.source or "setval" in prepared.source,
    )


def _no_run(*arguments: Any) -> Any:
    raise ProgrammingError("a write is not run as a query")



def positions_of(variant: Variant, execution: Execution, values: tuple[Any, ...]) -> tuple[Position, ...] | None:
    """The statement's own position and those of its moments; None where one falls into another schema than the variant was bound in."""
    reader, since = execution.reader, variant.since
    if since is not None and len(variant.moments) == 1:
        time = variant.moments[0]
        if time.number is not None and type(number := time.number(execution, values)) is int and since <= number < reader.number:
            return execution.positions[0], (number, number)
        position = time.resolve(execution, values, reader)
        if position[1] is not None and position[1] >= since:
            return execution.positions[0], position
    found = [execution.positions[0]]
    for moment, catalog in zip(variant.moments, variant.moment_catalogs, strict=True):
        position = moment.resolve(execution, values, reader)
        last = position[1]
        if (since is None or last is None or last < since) and catalog_for(reader, last, reader.catalog) is not catalog:
            return None
        found.append(position)
    return tuple(found)


def begun(lists: Iterable[Sequence[tuple[Any, ...]]]) -> Iterator[tuple[Any, ...]]:
    """The rows of lists that come by and by; the first list is there already."""
    lists = iter(lists)
    return chain.from_iterable(chain((next(lists, ()),), lists))
