"""The text of queries and table expressions."""

from __future__ import annotations

from typing import Any

from eventdb.sql.parser import ast
from eventdb.sql.parser.render_core import comma, dotted, name, optional_names, renders, text, words
from eventdb.sql.parser.render_expressions import OPERATOR, at, plain_call


@renders(ast.Query)
def _query(node: ast.Query) -> str:
    fetch = node.with_ties or node.percent
    limit = None
    if node.limit is not None:
        count = at(node.limit, OPERATOR)
        limit = (
            f"FETCH FIRST {count} {'PERCENT ' if node.percent else ''}ROWS {'WITH TIES' if node.with_ties else 'ONLY'}"
            if fetch
            else f"LIMIT {count}"
        )
    return words(
        text(node.with_) if node.with_ else None,
        body(node.body),
        f"ORDER BY {comma(node.order_by)}" if node.order_by else None,
        limit,
        f"OFFSET {at(node.offset, OPERATOR)}" if node.offset is not None else None,
        *map(text, node.locking),
    )


def body(node: Any) -> str:
    """The body of a query; a query with clauses of its own stands in parentheses."""
    return f"({text(node)})" if isinstance(node, ast.Query) else text(node)


@renders(ast.SetOperation)
def _set_operation(node: ast.SetOperation) -> str:
    chain = [node]
    while isinstance(left := chain[-1].left, ast.SetOperation) and _binding(left) == _binding(node):
        chain.append(left)
    pieces = [_operand(chain[-1].left, _binding(node))]
    for part in reversed(chain):
        pieces.append(f"{part.operator.upper()} ALL" if part.all else part.operator.upper())
        pieces.append(_operand(part.right, _binding(node) + 1))
    return " ".join(pieces)


def _binding(node: ast.SetOperation) -> int:
    return 2 if node.operator == "intersect" else 1


def _operand(node: Any, least: int) -> str:
    if isinstance(node, ast.SetOperation) and _binding(node) < least:
        return f"({text(node)})"
    return body(node)


@renders(ast.Select)
def _select(node: ast.Select) -> str:
    match node.distinct:
        case True:
            distinct = "DISTINCT"
        case tuple():
            distinct = f"DISTINCT ON ({comma(node.distinct)})"
        case _:
            distinct = ""
    return words(
        "SELECT",
        distinct,
        comma(node.items),
        f"FROM {comma(node.from_)}" if node.from_ else None,
        f"WHERE {text(node.where)}" if node.where is not None else None,
        f"GROUP BY {', '.join(map(_group_item, node.group_by))}" if node.group_by else None,
        f"HAVING {text(node.having)}" if node.having is not None else None,
        f"WINDOW {', '.join(f'{name(n)} AS {text(w)}' for n, w in node.windows)}" if node.windows else None,
    )


def _group_item(node: Any) -> str:
    """GROUP BY (a, b) means a and b, so that a row value needs ROW around it."""
    return f"ROW({text(node)})" if isinstance(node, ast.RowValue) else text(node)


@renders(ast.GroupingSets)
def _grouping_sets(node: ast.GroupingSets) -> str:
    if node.kind == "sets" and node.sets == ((),):
        return "()"
    word = "GROUPING SETS" if node.kind == "sets" else node.kind.upper()
    return f"{word} ({', '.join(map(_grouping_set, node.sets))})"


def _grouping_set(item: Any) -> str:
    if isinstance(item, ast.GroupingSets):
        return text(item)
    return _group_item(item[0]) if len(item) == 1 else f"({comma(item)})"


@renders(ast.SelectItem)
def _select_item(node: ast.SelectItem) -> str:
    return f"{text(node.expression)} AS {name(node.alias)}" if node.alias is not None else text(node.expression)


@renders(ast.Values)
def _values(node: ast.Values) -> str:
    return "VALUES " + ", ".join(f"({comma(row)})" for row in node.rows)


@renders(ast.With)
def _with(node: ast.With) -> str:
    return f"WITH {'RECURSIVE ' if node.recursive else ''}{comma(node.tables)}"


@renders(ast.CommonTable)
def _common_table(node: ast.CommonTable) -> str:
    materialized = {None: "", True: "MATERIALIZED ", False: "NOT MATERIALIZED "}[node.materialized]
    return f"{name(node.name)}{optional_names(node.columns)} AS {materialized}({text(node.query)})"


@renders(ast.Locking)
def _locking(node: ast.Locking) -> str:
    return words(
        f"FOR {node.strength.upper()}",
        f"OF {', '.join(map(name, node.of))}" if node.of else None,
        node.wait.upper() if node.wait != "wait" else None,
    )


# ---- tables


@renders(ast.Alias)
def _alias(node: ast.Alias) -> str:
    return f"AS {name(node.name)}{optional_names(node.columns)}"


@renders(ast.Moment)
def _moment(node: ast.Moment) -> str:
    return f"{'TRANSACTION ' if node.transaction else ''}{at(node.expression, OPERATOR)}"


@renders(ast.SystemTime)
def _system_time(node: ast.SystemTime) -> str:
    match node.kind:
        case "all":
            return "FOR SYSTEM_TIME ALL"
        case "as of":
            return f"FOR SYSTEM_TIME AS OF {text(node.start)}"
        case "from":
            return f"FOR SYSTEM_TIME FROM {text(node.start)} TO {text(node.end)}"
        case "between":
            return f"FOR SYSTEM_TIME BETWEEN {text(node.start)} AND {text(node.end)}"


@renders(ast.TableRef)
def _table(node: ast.TableRef) -> str:
    return words(
        dotted(node.name.parts),
        text(node.system_time) if node.system_time else None,
        text(node.alias) if node.alias else None,
    )


@renders(ast.DerivedTable)
def _derived(node: ast.DerivedTable) -> str:
    return words("LATERAL" if node.lateral else None, f"({text(node.query)})", text(node.alias) if node.alias else None)


@renders(ast.TableFunction)
def _table_function(node: ast.TableFunction) -> str:
    return words(
        "LATERAL" if node.lateral else None,
        plain_call(node.function),
        "WITH ORDINALITY" if node.with_ordinality else None,
        text(node.alias) if node.alias else None,
    )


@renders(ast.Join)
def _join(node: ast.Join) -> str:
    chain = [node]
    while isinstance(left := chain[-1].left, ast.Join):
        chain.append(left)
    pieces = [text(chain[-1].left)]
    for part in reversed(chain):
        kind = "" if part.kind == "inner" else f"{part.kind.upper()} "
        pieces.append(f"{'NATURAL ' if part.natural else ''}{kind}JOIN")
        pieces.append(f"({text(part.right)})" if isinstance(part.right, ast.Join) else text(part.right))
        if part.on is not None:
            pieces.append(f"ON {text(part.on)}")
        elif part.using:
            pieces.append(f"USING{optional_names(part.using)}")
    return " ".join(pieces)
