"""FOR UPDATE and FOR SHARE: which tables' rows must stay as they are read until the transaction commits.

Nothing is locked. What the query reads of these tables counts for the check at commit in every isolation level, so a transaction that
writes something fails there if another changed it meanwhile. Hence no clause of the family waits: NOWAIT is what happens anyway, and the
strengths are one. SKIP LOCKED would have to leave out rows that nobody can name, and is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from eventdb.errors import NotSupportedError, UndefinedTable
from eventdb.sql.parser import ast
from eventdb.sql.planner.nodes import Access, Node
from eventdb.sql.planner.walk import children

if TYPE_CHECKING:
    from eventdb.sql.planner.scope import QueryScope


def locked_tables(clauses: tuple[ast.Locking, ...], scope: QueryScope) -> Iterator[int]:
    """The ids of the tables that the clauses are about: all in FROM, or those that OF names. Raises UndefinedTable, NotSupportedError."""
    for lock in clauses:
        if lock.wait == "skip locked":
            hint = "Nothing is ever locked here: read without it, and run the transaction again if its commit fails with 40001."
            scope.fail(NotSupportedError, "SKIP LOCKED is not supported", lock.position, hint)
        plans: list[Node] = [scope.item.plan]
        if lock.of:
            known = {source.alias: source.plan for source in scope.item.sources}
            for name in lock.of:
                if name not in known:
                    message = f'relation "{name}" in FOR {lock.strength.upper()} clause not found in FROM clause'
                    scope.fail(UndefinedTable, message, lock.position)
            plans = [plan for name in lock.of if (plan := known[name]) is not None]
        for plan in plans:
            yield from _tables(plan)


def _tables(item: Any) -> Iterator[int]:
    """The tables that a plan reads in the present."""
    if isinstance(item, Access) and item.moment == 0:
        yield item.table.id
    for part in children(item):
        yield from _tables(part)
