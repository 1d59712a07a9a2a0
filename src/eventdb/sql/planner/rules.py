"""The rewrite rules, in the order in which they run. Each takes a bound query and gives one with the same rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from eventdb.sql.planner.costs import Costs
from eventdb.sql.planner.nodes import BoundQuery


@dataclass(slots=True)
class Context:
    """What rules may ask: estimates, and fresh relation numbers."""

    costs: Costs
    fresh: Callable[[], int]


Rule = Callable[[BoundQuery, Context], BoundQuery]
RULES: list[Rule] = []
