"""Scripts, parameters, texts of parts, and where errors point."""

from __future__ import annotations

from decimal import Decimal

import pytest

from eventdb import errors
from eventdb.sql.parser import ast, parse, parse_expression, parse_query, parse_statement


def test_script_has_its_statements_with_their_spans() -> None:
    """Semicolons separate, empty statements vanish, one inside a string or comment counts for nothing."""
    text = ";; SELECT 1 ;\n/* ; */ SELECT ';' ; ; DELETE FROM t"
    script = parse(text)
    assert [text[a:b] for a, b in script.spans] == ["SELECT 1", "SELECT ';'", "DELETE FROM t"]
    assert [type(s) for s in script.statements] == [ast.Query, ast.Query, ast.Delete]
    assert parse(" \n-- nothing\n").statements == ()


def test_error_in_a_later_statement_points_into_the_whole_text() -> None:
    """Positions count from the start of the script."""
    text = "SELECT 1; SELECT FROM"
    with pytest.raises(errors.SQLSyntaxError) as caught:
        parse(text)
    assert caught.value.position == text.index("FROM")
    assert caught.value.statement == text


@pytest.mark.parametrize(
    ("text", "parameters"),
    [("SELECT ?, ?", (0, 1)), ("SELECT :b, :a, :b", ("b", "a")), ("SELECT 1", ()), ("SELECT ?; SELECT ?", (0, 1)), ("SELECT a::int", ())],
)
def test_parameters_are_listed_in_order(text: str, parameters: tuple[int | str, ...]) -> None:
    """Marks are numbered over the text, names listed once."""
    assert parse(text).parameters == parameters


@pytest.mark.parametrize("text", ["SELECT ?, :a", "SELECT :a; SELECT ?"])
def test_mixed_parameters_are_an_error(text: str) -> None:
    """? and :name do not mix."""
    with pytest.raises(errors.SQLSyntaxError, match="in one text"):
        parse(text)


def test_numbers_keep_their_kind() -> None:
    """Integers are int, everything with a point or exponent Decimal with its digits."""
    values = [parse_expression(text).value for text in ("1_000", "0xFF", "1.50", "1e3", ".5", "-7", "- 1.5")]  # type: ignore[union-attr]
    assert values == [1000, 255, Decimal("1.50"), Decimal("1e3"), Decimal("0.5"), -7, Decimal("-1.5")]
    assert [type(value) for value in values] == [int, int, Decimal, Decimal, Decimal, int, Decimal]
    assert str(values[2]) == "1.50"


def test_definitions_keep_the_text_of_their_expressions() -> None:
    """DEFAULT, CHECK, generated columns, index parts and views carry their source as written."""
    table = parse_statement("CREATE TABLE t (a INT DEFAULT  1 + 1  NOT NULL CHECK ( a>0 ), b INT GENERATED ALWAYS AS ( a*2 ) STORED)")
    assert isinstance(table, ast.CreateTable)
    texts = [c.text for column in table.columns for c in column.constraints if hasattr(c, "text")]
    assert texts == ["1 + 1", "a>0", "a*2"]
    index = parse_statement("CREATE INDEX i ON t ( lower( a ) DESC, (b+c)) WHERE  a >0 ")
    assert isinstance(index, ast.CreateIndex)
    assert [e.text for e in index.elements] == ["lower( a )", "(b+c)"]
    assert index.where_text == "a >0"
    view = parse_statement("CREATE VIEW v AS  SELECT a -- x\n FROM t  ;")
    assert isinstance(view, ast.CreateView)
    assert view.text == "SELECT a -- x\n FROM t"


def test_position_is_that_of_the_token_at_fault() -> None:
    """Operators point to themselves, names and calls to their start."""
    text = "SELECT x.a + f(b)::int AS c"
    query = parse_query(text)
    assert isinstance(query.body, ast.Select)
    binary = query.body.items[0].expression
    assert isinstance(binary, ast.Binary)
    assert isinstance(binary.right, ast.Cast)
    assert [binary.position, binary.left.position, binary.right.position, binary.right.operand.position, binary.right.type.position] == [
        text.index(part) for part in ("+", "x.a", "::", "f(b", "int")
    ]


def test_only_the_asked_kind_is_read() -> None:
    """parse_query takes queries, parse_statement one statement, parse_expression one expression."""
    with pytest.raises(errors.SQLSyntaxError, match="query"):
        parse_query("DELETE FROM t")
    with pytest.raises(errors.SQLSyntaxError, match="DELETE"):
        parse_statement("SELECT 1; DELETE FROM t")
    with pytest.raises(errors.SQLSyntaxError, match='";"'):
        parse_expression("1;")
    with pytest.raises(errors.SQLSyntaxError, match="end of input"):
        parse_statement("")


def test_names_fold_as_in_postgresql() -> None:
    """Unquoted names fold their ASCII letters, quoted ones stay, and every word may be a label."""
    assert parse_expression('Foo.BÄR."Baz"') == ast.Name(("foo", "bÄr", "Baz"))
    for word in ("select", "table", "left", "rows", "current_date", "null", "end"):
        query = parse_query(f"SELECT 1 AS {word}, t.{word} FROM t")
        assert isinstance(query.body, ast.Select)
        assert query.body.items[0].alias == word
        assert query.body.items[1].expression == ast.Name(("t", word))


def test_unreserved_keywords_name_anything() -> None:
    """Keywords outside the reserved list are names of tables, columns, aliases and functions."""
    from eventdb.sql.parser.keywords import NAME_WORDS

    for word in sorted(NAME_WORDS):
        lower = word.lower()
        parse(f"CREATE TABLE {word} (a INT, {word} INT); UPDATE {word} SET {word} = 1; DELETE FROM {word} WHERE a = {word} AND b")
        if word != "VALUES":  # after a parenthesis it starts a query
            parse(f"INSERT INTO {word} ({word}) VALUES (1)")
        query = parse_query(f"SELECT a.{word}, {word} FROM {word} AS {word} WHERE {word} > 1 GROUP BY {word} ORDER BY {word}")
        assert isinstance(query.body, ast.Select)
        assert query.body.items[1].expression == ast.Name((lower,)), word


def test_distance_between_reserved_and_free_words() -> None:
    """A reserved word as a name is an error that says so."""
    with pytest.raises(errors.SQLSyntaxError) as caught:
        parse("CREATE TABLE order (a INT)")
    assert caught.value.hint is not None
    assert "reserved" in caught.value.hint
