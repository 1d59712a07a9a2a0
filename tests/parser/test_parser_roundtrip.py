"""Generated trees: the text of a tree parses back to the tree."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from eventdb.sql.parser import ast, parse_expression, parse_query, render
from eventdb.sql.parser.keywords import KEYWORDS

NAMES = ["a", "b", "t1", "Odd Name", 'q"q', "é", " ", "current_date", "double", *sorted(KEYWORDS)]
VALUES: list[Any] = [
    0, 1, -1, 2**70, -(2**63), Decimal("1.50"), Decimal("-0.001"), Decimal("1E+30"), Decimal("5"), "", "it's", "a\nb", "\\", "--",
    b"", b"\x00\xff", True, False, None,
]  # fmt: skip
TYPES = ["integer", "double precision", "character varying", "timestamp with time zone", "interval", "interval day", "Own Type", "year"]
BINARY = ["and", "or", "=", "<", ">=", "<>", "+", "-", "*", "/", "%", "^", "||", "->", "->>", "#", "<<", "~", "!~*"]


class Trees:
    """Random trees of the forms that the parser makes, by a source of chance that Hypothesis controls."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance

    def name(self) -> str:
        return self.chance.choice(NAMES)

    def yes(self) -> bool:
        return self.chance.random() < 0.5

    def several(self, make: Callable[[], Any], least: int = 1, most: int = 3) -> tuple[Any, ...]:
        return tuple(make() for _ in range(self.chance.randint(least, most)))

    def maybe(self, make: Callable[[], Any]) -> Any:
        return make() if self.yes() else None

    def leaf(self) -> Any:
        match self.chance.randrange(4):
            case 0:
                return ast.Name(self.several(self.name))
            case 1:
                return ast.Parameter(self.chance.choice(["p", "other_1"]))
        return ast.Literal(self.chance.choice(VALUES))

    def expression(self, depth: int) -> Any:
        if depth <= 0 or self.chance.random() < 0.1:
            return self.leaf()
        return self.chance.choice([self.operation, self.predicate, self.operation, self.compound, self.function])(depth - 1)

    def operation(self, depth: int) -> Any:
        left = self.expression(depth)
        match self.chance.randrange(6):
            case 0:
                return ast.Unary(self.chance.choice(["not", "~", "+"]), left)
            case 1:
                number = isinstance(left, ast.Literal) and type(left.value) in (int, Decimal)
                return left if number else ast.Unary("-", left)  # a negative number is a literal
            case 2:
                return ast.Collate(left, self.several(self.name, 1, 2))
        return ast.Binary(self.chance.choice(BINARY), left, self.expression(depth))

    def predicate(self, depth: int) -> Any:
        left, right, third = (self.expression(depth) for _ in range(3))
        negated = self.yes()
        items = (left, *self.several(lambda: self.expression(depth)))
        kind: Any = self.chance.choice(["like", "ilike", "similar"])
        quantifier: Any = self.chance.choice(["any", "all"])
        return self.chance.choice(
            [
                ast.Like(left, right, third if self.yes() else None, kind, negated),
                ast.IsNull(left, negated),
                ast.IsTruth(left, self.chance.choice([True, False, None]), negated),
                ast.IsDistinct(left, right, negated),
                ast.Between(left, right, third, negated, self.yes()),
                ast.InList(left, items, negated),
                ast.InQuery(left, self.query(depth - 1), negated),
                ast.Quantified(left, self.chance.choice(["=", "<>", "<"]), quantifier, self.query(depth - 1)),
            ]
        )

    def compound(self, depth: int) -> Any:
        first = self.expression(depth)
        whens = self.several(lambda: (self.expression(depth), self.expression(depth)), 1, 2)
        return self.chance.choice(
            [
                ast.Case(self.maybe(lambda: self.expression(depth)), whens, first if self.yes() else None),
                ast.Cast(first, ast.TypeName(self.chance.choice(TYPES))),
                ast.RowValue(self.several(lambda: self.expression(depth), 0, 3)),
                ast.Subquery(self.query(depth - 1)),
                ast.Exists(self.query(depth - 1)),
            ]
        )

    def function(self, depth: int) -> Any:
        arguments = self.several(lambda: self.expression(depth), 0, 2)
        if self.yes():
            names = ["extract", "position", "current_timestamp", "left", "date", "trim", "substring"]
            return ast.Function((self.chance.choice(names),), arguments)
        window = ast.Window(self.maybe(self.name), arguments, self.several(lambda: self.order(depth), 0, 2))
        over = self.chance.choice([None, self.name(), window])
        return ast.Function(
            self.several(self.name, 1, 2),
            arguments,
            distinct=bool(arguments) and self.yes(),
            order_by=self.several(lambda: self.order(depth), 0, 2) if arguments else (),
            within_group=self.several(lambda: self.order(depth), 0, 1),
            filter=self.maybe(lambda: self.expression(depth)),
            over=over,
        )

    def order(self, depth: int) -> ast.OrderItem:
        return ast.OrderItem(self.expression(depth), self.yes(), self.chance.choice([None, True, False]))

    def query(self, depth: int) -> ast.Query:
        return ast.Query(
            self.body(depth),
            order_by=self.several(lambda: self.order(depth), 0, 2),
            limit=self.maybe(lambda: self.expression(depth)),
            offset=self.maybe(lambda: self.expression(depth)),
        )

    def body(self, depth: int) -> Any:
        match self.chance.randrange(5):
            case 0:
                return ast.Values(self.several(lambda: self.several(lambda: self.expression(depth)), 1, 2))
            case 1 | 2 if depth > 0:
                operator: Any = self.chance.choice(["union", "except", "intersect"])
                return ast.SetOperation(operator, self.yes(), self.body(depth - 1), self.body(depth - 1))
        return ast.Select(
            self.several(lambda: self.item(depth)),
            self.several(lambda: self.table(depth), 0, 2),
            self.maybe(lambda: self.expression(depth)),
            self.several(lambda: self.grouping(depth), 0, 2),
            self.maybe(lambda: self.expression(depth)),
            self.chance.choice([True, False, self.several(lambda: self.expression(depth))]),
        )

    def item(self, depth: int) -> ast.SelectItem:
        if self.chance.random() < 0.2:
            return ast.SelectItem(ast.Star(self.several(self.name, 0, 2)))
        return ast.SelectItem(self.expression(depth), self.maybe(self.name))

    def grouping(self, depth: int) -> Any:
        if self.yes():
            return self.expression(depth)
        kind: Any = self.chance.choice(["rollup", "cube", "sets"])
        return ast.GroupingSets(kind, self.several(lambda: self.several(lambda: self.expression(depth), 0, 2)))

    def moment(self, depth: int) -> ast.Moment:
        return ast.Moment(self.expression(depth), self.yes())

    def table(self, depth: int) -> Any:
        alias = self.maybe(lambda: ast.Alias(self.name(), self.several(self.name, 0, 2)))
        match self.chance.randrange(6):
            case 0:
                call = ast.Function(self.several(self.name, 1, 2), self.several(lambda: self.expression(depth), 0, 2))
                return ast.TableFunction(call, alias, self.yes(), self.yes())
            case 1:
                return ast.DerivedTable(self.query(depth - 1), alias, self.yes())
            case 2 | 3 if depth > 0:
                return self.join(depth - 1)
        times = [
            None,
            ast.SystemTime("all"),
            ast.SystemTime("as of", self.moment(depth)),
            ast.SystemTime("between", self.moment(depth), self.moment(depth)),
            ast.SystemTime("from", self.moment(depth), self.moment(depth)),
        ]
        return ast.TableRef(ast.QualifiedName(self.several(self.name, 1, 2)), alias, self.chance.choice(times))

    def join(self, depth: int) -> ast.Join:
        left, right = self.table(depth), self.table(depth)
        kind: Any = self.chance.choice(["inner", "left", "right", "full"])
        return self.chance.choice(
            [
                ast.Join(kind, left, right, self.expression(depth)),
                ast.Join(kind, left, right, using=self.several(self.name)),
                ast.Join(kind, left, right, natural=True),
                ast.Join("cross", left, right),
            ]
        )


@given(st.randoms(use_true_random=True))
@settings(max_examples=150, deadline=None)
def test_expression_survives_its_text(chance: Random) -> None:
    """An expression's text parses back to it."""
    tree = Trees(chance).expression(3)
    assert parse_expression(render(tree)) == tree, render(tree)


@given(st.randoms(use_true_random=True))
@settings(max_examples=60, deadline=None)
def test_query_survives_its_text(chance: Random) -> None:
    """A query's text parses back to it."""
    tree = Trees(chance).query(2)
    assert parse_query(render(tree)) == tree, render(tree)


def test_a_boolean_is_no_precision() -> None:
    """TRUE and FALSE are integers to Python; CURRENT_TIMESTAMP(FALSE) would not parse."""
    call = ast.Function(("current_timestamp",), (ast.Literal(False),))
    assert parse_expression(render(call)) == call
