"""Table functions over time: table_changes('t', a, b) and table_diff('t', a, b), bound.

Both look at a table between two moments, each a transaction number, a timestamp or a parameter: what lies behind `a`, up to and with
`b`. The name is looked up in the schema at `b` or, where it is not there, in that at `a`; columns are matched by their ids. What a row of
the result holds is computed by the engine; here its columns get their names and types.

    table_changes   transaction, position, committed_at, actor, reason, operation, before_…, after_…
    table_diff      operation, from_…, to_…

The columns of `before_` and `after_` are those at `b`, in their types of then, and behind them those that were dropped since `a`. `from_`
has the columns at `a`, `to_` those at `b`, each side in its own schema.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from eventdb.errors import IndeterminateDatatype, NotSupportedError, UndefinedFunction, UndefinedTable, WrongObjectType
from eventdb.model.catalog import Catalog
from eventdb.model.datatype import BIGINT, INTEGER, TEXT, TIMESTAMPTZ, DataType, Kind
from eventdb.model.record import Record
from eventdb.model.schema import TEMPORARY_SCHEMA, Column, Table
from eventdb.sql.environment import RECORD_COST, SystemTable
from eventdb.sql.expressions.functions import name_parts
from eventdb.sql.parser import ast
from eventdb.sql.planner.scope import FromItem, QueryScope, similar

if TYPE_CHECKING:
    from eventdb.sql.planner.binder import Binder

_FIRST: tuple[tuple[str, DataType], ...] = (
    ("transaction", BIGINT), ("position", INTEGER), ("committed_at", TIMESTAMPTZ), ("actor", TEXT), ("reason", TEXT), ("operation", TEXT),
)  # fmt: skip


class Between(Record):
    """What a table function looks at, for the engine.

    `old`, `new`: the table at the first and at the last moment, None where it did not exist. `first`: the place of the first moment among
    the execution's positions, None for the beginning; `last` that of the last. `columns`: what before_… and after_… hold.
    """

    old: Table | None
    new: Table | None
    first: int | None
    last: int
    columns: tuple[Column, ...]


def time_function(binder: Binder, node: ast.TableFunction, scope: QueryScope) -> FromItem:
    """Bind a call of table_changes or table_diff in FROM."""
    from eventdb.sql.planner.sources import system_source

    call = node.function
    name, arguments = call.name[-1], call.arguments
    if not 1 <= len(arguments) <= 3 or call.star or call.distinct or call.order_by or call.filter is not None:
        scope.fail(UndefinedFunction, f"{name} takes a table's name and one or two moments", call.position)
    if node.with_ordinality:
        scope.fail(NotSupportedError, f"{name} WITH ORDINALITY is not supported", node.position)
    first, before = None, Catalog()
    if len(arguments) > 1:
        first, before = _moment(binder, arguments[1], scope)
    last, after = (binder.moment, binder.catalog) if len(arguments) < 3 else _moment(binder, arguments[2], scope)
    old, new = _tables(binder, arguments[0], before, after, scope)
    lookups: tuple[int, ...]
    orders: tuple[tuple[int, ...], ...] = ()
    if name == "table_changes":
        columns = _columns(old, new)
        shown = (*_FIRST, *_sided("before_", columns), *_sided("after_", columns))
        lookups, orders = (0, 2), ((0, 1), (2, 1))
    else:
        columns = ()
        shown = (
            ("operation", TEXT), *_sided("from_", () if old is None else old.visible), *_sided("to_", () if new is None else new.visible)
        )  # fmt: skip
        lookups = _keys(old, new)
    table = SystemTable("eventdb", name, shown, Between(old, new, first, last, columns), lookups, orders, RECORD_COST)
    return system_source(binder, table, node.alias or ast.Alias(name), scope, last)


def _keys(old: Table | None, new: Table | None) -> tuple[int, ...]:
    """The columns of table_diff that hold the key, where it is one column that both sides have: by its values rows are found."""
    if old is None or new is None or len(new.key) != 1 or new.by_id[new.key[0]].hidden or new.key[0] not in old.by_id:
        return ()
    from_, to = ([column.id for column in side.visible].index(new.key[0]) for side in (old, new))
    return 1 + from_, 1 + len(old.visible) + to


def _moment(binder: Binder, expression: ast.Expression, scope: QueryScope) -> tuple[int, Catalog]:
    """The place of a moment among the execution's positions, and the schema of then."""
    env = binder.environment
    if isinstance(expression, ast.Parameter):
        place = env.parameter_index[expression.key]
        known = env.parameter_types[place]
        if known is None:
            # a number and a time are both possible: the value tells
            raise IndeterminateDatatype("could not determine the data type of a moment", position=expression.position)
        transaction = known.is_integer
        if not transaction and known.kind in (Kind.TEXT, Kind.DATE, Kind.TIMESTAMP, Kind.NULL):
            env.parameter_types[place] = TIMESTAMPTZ
    else:
        transaction = binder.expression(expression, binder.scope(), "FROM").datatype.is_integer
    moment = ast.Moment(expression, transaction, position=expression.position)
    at = env.moment(ast.SystemTime("as of", moment, position=expression.position))
    binder.catalogs[at.index] = at.catalog
    return at.index, at.catalog


def _tables(
    binder: Binder, argument: ast.Expression, before: Catalog, after: Catalog, scope: QueryScope
) -> tuple[Table | None, Table | None]:
    """The table at the two moments."""
    from eventdb.sql.planner.sources import find_relation

    if not isinstance(argument, ast.Literal) or not isinstance(argument.value, str):
        scope.fail(NotSupportedError, "a table function needs the table's name as a text literal", argument.position)
    text = str(argument.value)
    parts = name_parts(text)
    now = find_relation(binder, binder.environment.catalog, parts)
    if isinstance(now, Table) and now.schema == TEMPORARY_SCHEMA:
        scope.fail(NotSupportedError, f'"{now.name}" is temporary and has no history', argument.position)
    for catalog in (after, before):
        found = find_relation(binder, catalog, parts)
        if isinstance(found, Table):
            return before.tables.get(found.id), after.tables.get(found.id)
        if found is not None:
            scope.fail(WrongObjectType, f'"{text}" is not a table', argument.position)
    hint = similar(parts[-1], (t.name for catalog in (after, before) for t in catalog.tables.values()))
    if now is not None:
        hint = "It exists now, but did not at those moments."
    return scope.fail(UndefinedTable, f'relation "{text}" does not exist', argument.position, hint)


def _columns(old: Table | None, new: Table | None) -> tuple[Column, ...]:
    """The columns of the later side, then those that are gone from it."""
    newest = new or old
    assert newest is not None
    gone = () if old is None or new is None else tuple(c for c in old.visible if c.id not in new.by_id)
    return (*newest.visible, *gone)


def _sided(side: str, columns: Sequence[Column]) -> list[tuple[str, DataType]]:
    """Names and types of one side. A column whose name another one has taken over is told apart by its id."""
    found: list[tuple[str, DataType]] = []
    names: set[str] = set()
    for column in columns:
        name = column.name if column.name not in names else f"{column.name}_{column.id}"
        names.add(name)
        found.append((side + name, column.datatype))
    return found
