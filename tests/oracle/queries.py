"""Random SELECT statements, limited to what SQL means the same in eventdb (as PostgreSQL) and in SQLite.

Left out on purpose: division by what may be zero, ordering without NULLS FIRST or LAST, booleans as results, scalar subqueries that may
give several rows, LIMIT without a total order, INTERSECT beside other set operators (SQLite has one precedence for all), window functions.

SQLite loses rows of RIGHT joins above subqueries with constant conditions (3.40), so it is asked the same with LEFT joins: the generator
is run again over the same choices.
"""

from __future__ import annotations

from dataclasses import dataclass

from oracle.choices import Choices
from oracle.schemas import WORDS, Table

INTEGER, TEXT = "INTEGER", "TEXT"
Reference = tuple[str, str]
"""(text of a column reference, its type)."""


@dataclass(frozen=True)
class Source:
    """What stands in FROM: its text and the columns that can be named with it."""

    text: str
    columns: list[Reference]


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


class QueryGenerator:
    """Makes queries over `tables`. `names` counts aliases so that no two in a statement are the same.

    `right_joins` False: RIGHT joins are written as LEFT joins.
    """

    def __init__(self, choices: Choices, tables: list[Table], right_joins: bool = True) -> None:
        self.choices = choices
        self.right_joins = right_joins
        self.tables = tables
        self.names = 0
        self.common: list[tuple[str, list[Reference]]] = []

    def alias(self) -> str:
        self.names += 1
        return f"x{self.names}"

    # ---- whole queries

    def statement(self) -> str:
        """A query whose ORDER BY, if it has LIMIT, is total."""
        head = self.with_clause() if self.choices.chance(15) else ""
        types = [self.choices.one((INTEGER, TEXT)) for _ in range(self.choices.between(1, 4))]
        text = self.set_operation(types) if self.choices.chance(15) else self.select(types, [], 0)
        if self.choices.chance(40):
            terms = [str(n + 1) for n in range(len(types))]
            order = [f"{term}{self.choices.one(('', ' DESC'))} NULLS {self.choices.one(('LAST', 'FIRST'))}" for term in terms]
            text += f" ORDER BY {', '.join(order)}"
            if self.choices.chance(50):
                text += f" LIMIT {self.choices.between(0, 8)}"
                if self.choices.chance(40):
                    text += f" OFFSET {self.choices.between(0, 5)}"
        return head + text

    def with_clause(self) -> str:
        parts = []
        recursive = self.choices.chance(30)
        if recursive:
            name = self.alias()
            end = self.choices.between(1, 8)
            parts.append(f"{name}(n, s) AS (SELECT 1, 'r' UNION ALL SELECT n + 1, s || 'r' FROM {name} WHERE n < {end})")
            self.common.append((name, [("n", INTEGER), ("s", TEXT)]))
        for _ in range(self.choices.between(1, 2)):
            name = self.alias()
            types = [self.choices.one((INTEGER, TEXT)) for _ in range(self.choices.between(1, 3))]
            columns = [f"c{n}" for n in range(len(types))]
            parts.append(f"{name}({', '.join(columns)}) AS ({self.select(types, [], 1)})")
            self.common.append((name, list(zip(columns, types, strict=True))))
        return f"WITH {'RECURSIVE ' if recursive else ''}{', '.join(parts)} "

    def set_operation(self, types: list[str]) -> str:
        operator = self.choices.one(("UNION ALL", "UNION", "INTERSECT", "EXCEPT"))
        branches = [self.select(types, [], 1) for _ in range(self.choices.between(2, 3 if operator.startswith("UNION") else 2))]
        return f" {operator} ".join(branches)

    def select(self, types: list[str], outer: list[Reference], depth: int) -> str:
        """SELECT … without ORDER BY, with result columns of `types`."""
        source = self.from_clause(outer, depth)
        scope = source.columns
        where = f" WHERE {self.condition(scope, outer, depth + 1)}" if self.choices.chance(60) else ""
        if self.choices.chance(35):
            return self.grouped(types, source, where, outer, depth)
        items = [f"{self.expression(kind, scope, outer, depth + 1)} AS o{n}" for n, kind in enumerate(types)]
        distinct = "DISTINCT " if self.choices.chance(15) else ""
        return f"SELECT {distinct}{', '.join(items)} FROM {source.text}{where}"

    def grouped(self, types: list[str], source: Source, where: str, outer: list[Reference], depth: int) -> str:
        keys = self.choices.some(source.columns, 0, 2) if source.columns else []
        items = [f"{self.aggregated(kind, keys, source.columns, outer, depth + 1)} AS o{n}" for n, kind in enumerate(types)]
        text = f"SELECT {', '.join(items)} FROM {source.text}{where}"
        if keys:
            text += f" GROUP BY {', '.join(name for name, _ in keys)}"
            if self.choices.chance(40):
                text += f" HAVING {self.aggregate(INTEGER, source.columns, depth + 1)} {self.comparison()} {self.choices.between(0, 6)}"
        return text

    # ---- FROM

    def from_clause(self, outer: list[Reference], depth: int) -> Source:
        source = self.table_source(outer, depth)
        for _ in range(self.choices.one((0, 0, 1, 1, 2) if depth else (0, 1, 1, 2, 3))):
            source = self.join(source, self.table_source(outer, depth), outer, depth)
        return source

    def table_source(self, outer: list[Reference], depth: int) -> Source:
        name = self.alias()
        if depth < 2 and self.choices.chance(15):
            types = [self.choices.one((INTEGER, TEXT)) for _ in range(self.choices.between(1, 3))]
            return Source(f"({self.select(types, [], depth + 1)}) AS {name}", [(f"{name}.o{n}", kind) for n, kind in enumerate(types)])
        if self.common and self.choices.chance(40):
            common, columns = self.choices.one(self.common)
            return Source(f"{common} AS {name}", [(f"{name}.{column}", kind) for column, kind in columns])
        table = self.choices.one(self.tables)
        return Source(f"{table.name} AS {name}", [(f"{name}.{column.name}", column.type) for column in table.columns])

    def join(self, left: Source, right: Source, outer: list[Reference], depth: int) -> Source:
        kind = self.choices.one(("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN", "INNER JOIN", "LEFT OUTER JOIN"))
        both = left.columns + right.columns
        if kind == "CROSS JOIN":
            return Source(f"{left.text} CROSS JOIN {right.text}", both)
        condition = self.join_condition(left, right, kind, depth)
        if kind == "RIGHT JOIN" and not self.right_joins:
            return Source(f"{right.text} LEFT JOIN ({left.text}) ON {condition}", both)
        return Source(f"{left.text} {kind} {right.text} ON {condition}", both)

    def join_condition(self, left: Source, right: Source, kind: str, depth: int) -> str:
        pairs = [(a, b) for a, a_type in left.columns for b, b_type in right.columns if a_type == b_type]
        if pairs and (kind == "FULL JOIN" or self.choices.chance(80)):
            text = " = ".join(self.choices.one(pairs))
            if self.choices.chance(25):
                text += f" AND {self.simple_condition(left.columns + right.columns, [], depth + 2)}"
            return text
        text = "TRUE" if kind == "FULL JOIN" else self.simple_condition(left.columns + right.columns, [], depth + 2)
        if not any(name in text for name, _ in left.columns + right.columns):
            # The same defect of SQLite's, with FULL joins above an inner join that has a constant condition.
            return f"{right.columns[0][0]} IS NOT NULL"
        return text

    # ---- expressions

    def comparison(self) -> str:
        return self.choices.one(("=", "<>", "<", "<=", ">", ">="))

    def constant(self, kind: str) -> str:
        if self.choices.chance(8):
            return f"CAST(NULL AS {kind})"
        return str(self.choices.between(0, 9) - 3) if kind == INTEGER else quoted(self.choices.one(WORDS))

    def constants(self, kind: str) -> str:
        return ", ".join(self.constant(kind) for _ in range(self.choices.between(1, 4)))

    def column(self, kind: str, scope: list[Reference], outer: list[Reference]) -> str:
        fitting = [name for name, its in scope if its == kind]
        beyond = [name for name, its in outer if its == kind]
        if beyond and self.choices.chance(25):
            return self.choices.one(beyond)
        return self.choices.one(fitting) if fitting else self.constant(kind)

    def expression(self, kind: str, scope: list[Reference], outer: list[Reference], depth: int) -> str:
        if depth > 3 or not self.choices.chance(45):
            return self.column(kind, scope, outer) if not self.choices.chance(15) else self.constant(kind)

        def inner(its: str) -> str:
            return self.expression(its, scope, outer, depth + 1)

        common = (
            lambda: f"COALESCE({inner(kind)}, {inner(kind)})",
            lambda: f"NULLIF({inner(kind)}, {inner(kind)})",
            lambda: f"CASE WHEN {self.condition(scope, outer, depth + 1)} THEN {inner(kind)} ELSE {inner(kind)} END",
            lambda: f"CASE {inner(INTEGER)} WHEN {self.constant(INTEGER)} THEN {inner(kind)} WHEN {inner(INTEGER)} THEN {inner(kind)} END",
            lambda: self.scalar_subquery(kind, scope, outer, depth),
        )
        numbers = (
            lambda: f"({inner(INTEGER)} {self.choices.one(('+', '-', '*'))} {self.column(INTEGER, scope, outer)})",
            lambda: f"({inner(INTEGER)} {self.choices.one(('/', '%'))} {self.choices.between(1, 4)})",
            lambda: f"(- {inner(INTEGER)})",
            lambda: f"abs({inner(INTEGER)})",
            lambda: f"length({inner(TEXT)})",
        )
        texts = (
            lambda: f"({inner(TEXT)} || {inner(TEXT)})",
            lambda: f"upper({self.ascii_text()})",
            lambda: f"substr({inner(TEXT)}, {self.choices.between(1, 3)}, {self.choices.between(0, 2)})",
            lambda: f"CAST({inner(INTEGER)} AS TEXT)",
            lambda: f"replace({inner(TEXT)}, 'a', {quoted(self.choices.one(WORDS))})",
            lambda: f"trim({inner(TEXT)})",
        )
        return self.choices.one((*common, *(numbers if kind == INTEGER else texts)))()

    def ascii_text(self) -> str:
        return quoted(self.choices.one([word for word in WORDS if word.isascii()]))

    def scalar_subquery(self, kind: str, scope: list[Reference], outer: list[Reference], depth: int) -> str:
        if depth > 2:
            return self.column(kind, scope, outer)
        source = self.table_source([], depth + 1)
        where = f" WHERE {self.condition(source.columns, scope + outer, depth + 2)}" if self.choices.chance(70) else ""
        return f"(SELECT {self.aggregate(kind, source.columns, depth + 2)} FROM {source.text}{where})"

    def aggregate(self, kind: str, scope: list[Reference], depth: int) -> str:
        filtered = f" FILTER (WHERE {self.simple_condition(scope, [], depth + 2)})" if self.choices.chance(15) else ""
        if kind == TEXT:
            return f"{self.choices.one(('min', 'max'))}({self.expression(TEXT, scope, [], 3)}){filtered}"
        call = self.choices.one(("count(*)", "sum", "min", "max", "count", "count(DISTINCT", "sum(DISTINCT"))
        if call == "count(*)":
            return call + filtered
        argument = self.expression(INTEGER, scope, [], 3)
        return f"{call}{' ' if '(' in call else '('}{argument}){filtered}"

    def aggregated(self, kind: str, keys: list[Reference], scope: list[Reference], outer: list[Reference], depth: int) -> str:
        fitting = [name for name, its in keys if its == kind]
        if fitting and self.choices.chance(60):
            return self.choices.one(fitting)
        text = self.aggregate(kind, scope, depth)
        if self.choices.chance(20):
            return f"({text} + 1)" if kind == INTEGER else f"COALESCE({text}, 'none')"
        return text

    # ---- conditions

    def condition(self, scope: list[Reference], outer: list[Reference], depth: int) -> str:
        if depth > 3 or not self.choices.chance(40):
            return self.simple_condition(scope, outer, depth)

        def inner() -> str:
            return self.condition(scope, outer, depth + 1)

        return self.choices.one(
            (
                lambda: f"({inner()} AND {inner()})",
                lambda: f"({inner()} OR {inner()})",
                lambda: f"NOT ({inner()})",
                lambda: self.exists(scope, outer, depth),
                lambda: self.in_query(scope, outer, depth),
                lambda: f"({inner()} AND ({inner()} OR {inner()}))",
            )
        )()

    def simple_condition(self, scope: list[Reference], outer: list[Reference], depth: int) -> str:
        kind = self.choices.one((INTEGER, TEXT))

        def inner() -> str:
            return self.expression(kind, scope, outer, depth + 1)

        def column() -> str:
            return self.column(kind, scope, outer)

        return self.choices.one(
            (
                lambda: f"{column()} {self.comparison()} {self.constant(kind)}",
                lambda: f"{column()} IS {self.choices.one(('', 'NOT '))}NULL",
                lambda: f"{inner()} {self.comparison()} {inner()}",
                lambda: f"{column()} {self.choices.one(('', 'NOT '))}BETWEEN {self.constant(kind)} AND {self.constant(kind)}",
                lambda: f"{column()} {self.choices.one(('', 'NOT '))}IN ({self.constants(kind)})",
                lambda: f"{inner()} IS {self.choices.one(('', 'NOT '))}DISTINCT FROM {inner()}",
                lambda: self.like(scope, outer),
                lambda: f"({column()}, {self.column(INTEGER, scope, outer)}) {self.comparison()} ({inner()}, {self.constant(INTEGER)})",
            )
        )()

    def like(self, scope: list[Reference], outer: list[Reference]) -> str:
        pattern = self.choices.one(("a%", "%", "_", "%b", "%a%b", "", "a!%"))
        escape = " ESCAPE '!'" if "!" in pattern else ""
        return f"{self.column(TEXT, scope, outer)} {self.choices.one(('', 'NOT '))}LIKE '{pattern}'{escape}"

    def exists(self, scope: list[Reference], outer: list[Reference], depth: int) -> str:
        source = self.table_source([], depth + 1)
        return (
            f"{self.choices.one(('', 'NOT '))}EXISTS (SELECT 1 FROM {source.text}"
            f" WHERE {self.condition(source.columns, scope + outer, depth + 2)})"
        )

    def in_query(self, scope: list[Reference], outer: list[Reference], depth: int) -> str:
        kind = self.choices.one((INTEGER, TEXT))
        source = self.table_source([], depth + 1)
        where = f" WHERE {self.condition(source.columns, scope + outer, depth + 2)}" if self.choices.chance(60) else ""
        query = f"SELECT {self.expression(kind, source.columns, [], depth + 2)} FROM {source.text}{where}"
        return f"{self.expression(kind, scope, outer, depth + 1)} {self.choices.one(('', 'NOT '))}IN ({query})"
