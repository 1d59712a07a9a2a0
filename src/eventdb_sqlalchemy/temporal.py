"""Tables in time: `as_of`, `versions`, the columns that say from when to when a row held, and the log of transactions.

    then = as_of(item, yesterday)                       # a table, an alias, a mapped class
    select(item.c.name, then.c.name).join(then, then.c.id == item.c.id)

    v = versions(Item)
    select(v.name, row_start(v), transactions.c.actor).join(transactions, transactions.c.number == row_start_tx(v))

A moment is a transaction number, a datetime (a naive one is in the connection's time zone), text that says one of those
('2024-02-29 12:00', 'TRANSACTION 7'), or an SQL expression, of which an integer is a transaction number. Its value is a bound parameter, so
that a statement is compiled once for all moments.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.sql import coercions, elements, roles, selectable
from sqlalchemy.sql import util as sql_util
from sqlalchemy.sql.visitors import InternalTraversal

_TRANSACTION = re.compile(r"\s*TRANSACTION\s+(\d{1,18})\s*", re.IGNORECASE)

transactions = sa.Table(
    "transactions",
    sa.MetaData(),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("committed_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("actor", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("correlation_id", sa.Text),
    sa.Column("metadata", sa.JSON),
    sa.Column("events", sa.Integer, nullable=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
    schema="eventdb",
)
"""The log: one row for each transaction that changed something. It can be joined and mapped, and is read only."""


class SystemTime(selectable.FromClauseAlias):
    """A table over a span of system time, under a name of its own: `table FOR SYSTEM_TIME … AS name`. Made by `as_of` and `versions`.

    `kind`: "AS OF" (`start` alone), "FROM" (up to `end`, without it), or "ALL". `row_start` … `row_end_tx` are the columns of that name.
    """

    __visit_name__ = "system_time"

    _traverse_internals = [  # noqa: RUF012
        *selectable.AliasedReturnsRows._traverse_internals,
        ("kind", InternalTraversal.dp_string),
        ("start", InternalTraversal.dp_clauseelement),
        ("end", InternalTraversal.dp_clauseelement),
    ]

    kind: str
    start: Any
    end: Any

    def _init(self, selectable: Any, *, name: str | None = None, kind: str = "ALL", start: Any = None, end: Any = None) -> None:
        self.kind, self.start, self.end = kind, start, end
        super()._init(selectable, name=name)

    @property
    def row_start(self) -> Any:
        return row_start(self)

    @property
    def row_end(self) -> Any:
        return row_end(self)

    @property
    def row_start_tx(self) -> Any:
        return row_start_tx(self)

    @property
    def row_end_tx(self) -> Any:
        return row_end_tx(self)


def as_of(of: Any, moment: Any, *, name: str | None = None) -> Any:
    """A table, alias or mapped class as it was at a moment, for use in `select()`, joins and wherever else an alias may stand.

    Of a mapped class it gives an aliased class. Its objects, selected through a Session, are read only and belong to
    `past_session(session, moment)`, so that they are never taken for the present ones. Of joined inheritance all tables are read at the
    moment. `name`: the alias's name. Raises ArgumentError for what is no table and no moment.
    """
    start = bound_moment(moment)
    return _over(of, name, lambda table, alias: SystemTime._construct(table, name=alias, kind="AS OF", start=start))


def versions(of: Any, start: Any = None, end: Any = None, *, name: str | None = None) -> Any:
    """All versions of the rows of a table, alias or mapped class: those alive at some time from moment `start` up to, and without, moment
    `end`; from the beginning without a start, to the present (inclusive) without an end.

    Of a mapped class it gives an aliased class. Its objects, selected through a Session, belong to none; of joined inheritance there are
    none (see `history`). Raises ArgumentError.
    """
    if start is None and end is None:
        return _over(of, name, lambda table, alias: SystemTime._construct(table, name=alias), single=True)
    first = bound_moment(0 if start is None else start)
    kind = "FROM"
    if end is None:
        kind, last = "BETWEEN", sa.func.clock_timestamp(type_=sa.DateTime(timezone=True))
    else:
        last = bound_moment(end)
    return _over(of, name, lambda t, alias: SystemTime._construct(t, name=alias, kind=kind, start=first, end=last), single=True)


def bound_moment(moment: Any) -> Any:
    """The SQL expression for a moment. Raises ArgumentError."""
    if isinstance(moment, str):
        number = _TRANSACTION.fullmatch(moment)
        if number is not None:
            moment = int(number[1])
    elif isinstance(moment, datetime.date) and not isinstance(moment, datetime.datetime):
        moment = datetime.datetime.combine(moment, datetime.time())
    if isinstance(moment, int) and not isinstance(moment, bool):
        return elements.BindParameter(None, moment, type_=sa.BigInteger(), unique=True)
    if isinstance(moment, str | datetime.datetime):
        return elements.BindParameter(None, moment, type_=sa.DateTime(timezone=True), unique=True)
    if not hasattr(moment, "__clause_element__") and not isinstance(moment, elements.ClauseElement):
        raise exc.ArgumentError(f"a moment is a transaction number, a datetime, text or an SQL expression, not {moment!r}")
    return coercions.expect(roles.ExpressionElementRole, moment)


def is_transaction(moment: Any) -> bool:
    """Whether a moment's expression is a transaction number rather than a time."""
    return issubclass(moment.type._type_affinity or sa.types.NullType, sa.Integer)


def parts(of: Any) -> list[SystemTime]:
    """The tables in time that a selectable is joined of; none if it is of something else, too."""
    if isinstance(of, SystemTime):
        return [of]
    if isinstance(of, selectable.FromGrouping):
        return parts(of.element)
    if isinstance(of, selectable.Join):
        left, right = parts(of.left), parts(of.right)
        return left + right if left and right else []
    return []


_Make = Callable[[Any, str | None], SystemTime]


def _over(of: Any, name: str | None, make: _Make, single: bool = False) -> Any:
    """A table in time, or an alias of a mapped class to one."""
    from eventdb_sqlalchemy import past

    past.watch_statements()
    inspected = sa.inspect(of, raiseerr=False)
    mapper = getattr(inspected, "mapper", None)
    if inspected is None or mapper is None:
        return _selectable(coercions.expect(roles.FromClauseRole, of), name, make, single)
    from sqlalchemy import orm

    told = name
    if inspected.is_aliased_class and name is None:
        told = name = inspected.name
    made = _selectable(mapper.selectable if mapper is inspected else inspected.selectable, told, make, single)
    if inspected.is_aliased_class and len(inspected.with_polymorphic_mappers) > 1:
        return orm.with_polymorphic(mapper, inspected.with_polymorphic_mappers, selectable=made)
    return orm.aliased(mapper, made, name=name)


def _selectable(of: Any, name: str | None, make: _Make, single: bool) -> Any:
    of = of._deannotate()
    if isinstance(of, selectable.FromGrouping):
        return _selectable(of.element, name, make, single)
    if isinstance(of, selectable.Join) and not single:
        left, right = _selectable(of.left, None, make, single), _selectable(of.right, None, make, single)
        adapter = sql_util.ClauseAdapter(left).chain(sql_util.ClauseAdapter(right))
        return left.join(right, adapter.traverse(of.onclause), isouter=of.isouter, full=of.full)
    if isinstance(of, selectable.Alias) and isinstance(of.element, selectable.TableClause):
        return make(of.element, str(of.name) if name is None and not isinstance(of.name, elements._anonymous_label) else name)
    if isinstance(of, selectable.TableClause):
        return make(of, name)
    what = "several tables" if isinstance(of, selectable.Join) else f"a {type(of).__name__}"
    raise exc.ArgumentError(
        f"as_of() and versions() take a table, an alias of one or a class mapped to one, not {what}"
        "; a whole statement is read at a moment with the execution option as_of"
    )


def _hidden(name: str, type_: Any, what: str) -> Callable[[Any], Any]:
    def column(of: Any) -> Any:
        inspected = sa.inspect(of, raiseerr=False)
        if inspected is not None and getattr(inspected, "mapper", None) is not None:
            of = inspected.selectable
        table = coercions.expect(roles.FromClauseRole, of)._deannotate()
        if isinstance(table, selectable.Join):
            raise exc.ArgumentError(f"{name}() takes one table, not several joined ones; give the one that is meant")
        return elements.ColumnClause(name, type_, _selectable=table)

    column.__name__ = column.__qualname__ = name
    column.__doc__ = f"The column {name} of a table, alias, mapped class, or of what `as_of` and `versions` give: {what}."
    return column


row_start = _hidden("row_start", sa.DateTime(timezone=True), "when the version was committed")
row_end = _hidden("row_end", sa.DateTime(timezone=True), "when it was replaced or deleted, 9999-12-31 23:59:59.999999 UTC while it holds")
row_start_tx = _hidden("row_start_tx", sa.BigInteger(), "the number of the transaction that made the version")
row_end_tx = _hidden("row_end_tx", sa.BigInteger(), "the number of the transaction that replaced or deleted it, NULL while it holds")
