"""Names in a query: which columns a FROM clause makes visible, and how a name finds its column.

A `FromItem` is what a table expression binds to: its plan, the columns that an unqualified name (and `*`) sees, in order, and the sources
that a qualified name sees. `QueryScope` is the `Scope` that expressions are bound in: its own FROM items, then those of the queries around.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from eventdb.errors import AmbiguousColumn, Error, NotSupportedError, UndefinedColumn, UndefinedTable
from eventdb.model.datatype import BIGINT, TIMESTAMPTZ, DataType
from eventdb.model.record import Record, field, replace
from eventdb.sql.environment import Environment
from eventdb.sql.expressions.binder import coerce
from eventdb.sql.expressions.bound import END, Call, Column, Expr
from eventdb.sql.parser import ast
from eventdb.sql.planner.nodes import BoundQuery, Node, Single

if TYPE_CHECKING:
    from eventdb.sql.planner.binder import Binder

VERSION_COLUMNS = ("row_start", "row_end", "row_start_tx", "row_end_tx")


class Named(Record):
    """A column that a name can find. `hidden`: by its name only, not by `*`. `origin`: (table id, column id) of a stored column under its
    own name."""

    name: str
    expression: Expr
    hidden: bool = False
    origin: tuple[int, int] | None = None


class Source(Record):
    """What a qualified name finds: a table or derived table under its alias."""

    alias: str
    schema: str | None
    columns: tuple[Named, ...]
    plan: Node | None = None


class FromItem(Record):
    """A table expression bound. `columns`: what unqualified names and `*` see, in order."""

    plan: Node
    columns: tuple[Named, ...] = ()
    sources: tuple[Source, ...] = ()


NOTHING = FromItem(Single())


class CommonEntry(Record):
    """A common table that queries may name: the number that CommonScan refers to, and its columns."""

    number: int
    columns: tuple[tuple[str, DataType, bool], ...]


def mapped(item: FromItem, change: Callable[[Expr], Expr]) -> FromItem:
    """A FromItem with all its column expressions changed."""

    def over(columns: Iterable[Named]) -> tuple[Named, ...]:
        return tuple(replace(c, expression=change(c.expression)) for c in columns)

    return FromItem(item.plan, over(item.columns), tuple(replace(s, columns=over(s.columns)) for s in item.sources))


def version_columns(relation: int) -> tuple[Named, ...]:
    """The hidden columns that tell when a row version began and ended."""
    start = Column(BIGINT, relation, 0, "row_start_tx", nullable=False)
    end = Column(BIGINT, relation, END, "row_end_tx")
    started = Call(TIMESTAMPTZ, "row_start", (start,), lambda s: f"cx.transaction_time({s})", nullable=False, uses_execution=True)
    ended = Call(
        TIMESTAMPTZ, "row_end", (start, end), lambda s, e: f"(None if {s} is None else cx.transaction_time({e}))",
        nullable=False, strict=False, uses_execution=True,
    )  # fmt: skip
    return (
        Named("row_start", started, True),
        Named("row_end", ended, True),
        Named("row_start_tx", start, True),
        Named("row_end_tx", end, True),
    )


def as_nullable(expr: Expr) -> Expr:
    """The expression as it is seen beyond the nullable side of an outer join."""
    if isinstance(expr, Call):
        return replace(expr, nullable=True, arguments=tuple(as_nullable(a) for a in expr.arguments))
    return expr if expr.nullable else replace(expr, nullable=True)


def similar(name: str, names: Iterable[str]) -> str | None:
    """A hint naming what `name` may have meant."""
    import difflib  # only where a message needs it

    near = difflib.get_close_matches(name, sorted(set(names)), n=2, cutoff=0.6)
    return f"Perhaps you meant {' or '.join(chr(34) + n + chr(34) for n in near)}." if near else None


class QueryScope(Record, frozen=False):
    """The names of one query level; see `eventdb.sql.expressions.binder.Scope`."""

    binder: Binder
    environment: Environment
    outer: QueryScope | None = None
    item: FromItem = NOTHING
    clause: str = "this place"
    allow_aggregates: bool = False
    allow_windows: bool = False
    windows: dict[str, ast.Window] = field(default_factory=dict)
    commons: dict[str, CommonEntry] = field(default_factory=dict)

    def fail(self, error: type[Error], message: str, position: int, hint: str | None = None) -> NoReturn:
        raise error(message, position=position if position >= 0 else None, statement=self.environment.text, hint=hint)

    def window(self, name: str) -> ast.Window | None:
        return self.windows.get(name)

    def bind_subquery(self, query: ast.Query) -> tuple[BoundQuery, tuple[DataType, ...], tuple[bool, ...]]:
        """Bind a query that stands inside an expression: (the query, its columns' types, whether they may be NULL)."""
        bound = self.binder.query(query, self)
        return bound, bound.types, tuple(o.nullable for o in bound.outputs)

    def coerce_subquery(self, query: BoundQuery, types: tuple[DataType, ...]) -> BoundQuery:
        """A bound query with its columns cast."""
        return replace(query, outputs=tuple(coerce(e, t) for e, t in zip(query.outputs, types, strict=True)))

    def resolve(self, parts: Sequence[str], position: int) -> Expr:
        """The column of a name; errors UndefinedColumn, AmbiguousColumn, UndefinedTable."""
        scope: QueryScope | None = self
        while scope is not None:
            found = scope.lookup(parts, position)
            if found is not None:
                return replace(found, position=position)
            scope = scope.outer
        if len(parts) > 1:
            self._unknown_qualified(parts, position)
        every = [c.name for s in self._chain() for c in s.item.columns]
        if any(s.alias == parts[0] for scope in self._chain() for s in scope.item.sources):
            self.fail(NotSupportedError, f'the whole row "{parts[0]}" as a value is not supported', position)
        return self.fail(UndefinedColumn, f'column "{parts[0]}" does not exist', position, similar(parts[0], every))

    def _chain(self) -> list[QueryScope]:
        chain: list[QueryScope] = []
        scope: QueryScope | None = self
        while scope is not None:
            chain.append(scope)
            scope = scope.outer
        return chain

    def _unknown_qualified(self, parts: Sequence[str], position: int) -> NoReturn:
        for scope in self._chain():
            for source in scope.item.sources:
                if _is_source(source, parts[:-1]):
                    hint = similar(parts[-1], (c.name for c in source.columns))
                    self.fail(UndefinedColumn, f"column {'.'.join(parts)} does not exist", position, hint)
        hint = similar(parts[-2], (s.alias for scope in self._chain() for s in scope.item.sources))
        self.fail(UndefinedTable, f'missing FROM-clause entry for table "{parts[-2]}"', position, hint)

    def lookup(self, parts: Sequence[str], position: int) -> Expr | None:
        """The column in this query level, or None."""
        if len(parts) == 1:
            found = [c for c in self.item.columns if c.name == parts[0]]
            if len(found) > 1:
                shown = [c for c in found if not c.hidden]
                found = shown or found
            what = parts[0]
        else:
            found = [c for s in self.item.sources if _is_source(s, parts[:-1]) for c in s.columns if c.name == parts[-1]]
            what = ".".join(parts)
        if len(found) > 1:
            self.fail(AmbiguousColumn, f'column reference "{what}" is ambiguous', position)
        if not found:
            return None
        uses = self.environment.uses
        if uses is not None and found[0].origin is not None:
            uses[position] = found[0].origin
        return found[0].expression

    def expand(self, star: ast.Star) -> list[Named]:
        """The columns that `*` or `t.*` stands for."""
        if not star.qualifier:
            return [c for c in self.item.columns if not c.hidden]
        for scope in self._chain():
            for source in scope.item.sources:
                if _is_source(source, star.qualifier):
                    return [c for c in source.columns if not c.hidden]
        hint = similar(star.qualifier[-1], (s.alias for s in self.item.sources))
        return self.fail(UndefinedTable, f'missing FROM-clause entry for table "{star.qualifier[-1]}"', star.position, hint)


def _is_source(source: Source, qualifier: Sequence[str]) -> bool:
    return source.alias == qualifier[-1] and (len(qualifier) == 1 or source.schema == qualifier[-2])


_TYPE_NAMES = {
    "integer": "int4", "int": "int4", "bigint": "int8", "smallint": "int2", "double precision": "float8", "real": "float4",
    "boolean": "bool", "character varying": "varchar", "character": "bpchar", "char": "bpchar", "decimal": "numeric",
    "timestamp with time zone": "timestamptz", "timestamp without time zone": "timestamp", "time without time zone": "time",
    "time with time zone": "timetz",
}  # fmt: skip


def column_name(expression: Any) -> str:
    """The name that PostgreSQL gives to a result column without an alias."""
    return _derived_name(expression)[0]


def _derived_name(node: Any) -> tuple[str, int]:
    """(name, how sure: 0 none, 1 weak, 2 strong)."""
    match node:
        case ast.Name():
            return node.parts[-1], 2
        case ast.Function():
            return node.name[-1], 2
        case ast.Collate():
            return _derived_name(node.operand)
        case ast.Cast():
            name, strength = _derived_name(node.operand)
            return (name, strength) if strength else (_TYPE_NAMES.get(node.type.name, node.type.name), 1)
        case ast.Case():
            name, strength = _derived_name(node.otherwise) if node.otherwise is not None else ("", 0)
            return (name, strength) if strength == 2 else ("case", 1)
        case ast.Exists():
            return "exists", 2
        case ast.RowValue():
            return "row", 1
        case ast.Subquery():
            body = node.query.body
            if isinstance(body, ast.Select) and len(body.items) == 1:
                item = body.items[0]
                return (item.alias, 2) if item.alias else _derived_name(item.expression)
    return "?column?", 0
