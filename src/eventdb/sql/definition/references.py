"""Names inside syntax trees: the relations that a query reads, the columns that an expression mentions, and both renamed.

A stored view is written so that later changes leave its meaning alone: every relation with its schema, and `*` written out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from eventdb.model import record
from eventdb.model.schema import DEFAULT_SCHEMA, Sequence, Table, View
from eventdb.sql.definition.names import find
from eventdb.sql.environment import Environment
from eventdb.sql.expressions.functions import name_parts
from eventdb.sql.parser import ast, parse_expression, parse_query, render
from eventdb.sql.parser.render_core import dotted


def rewrite(node: Any, change: Callable[[ast.Node], ast.Node | None]) -> Any:
    """The tree with each node put through `change`, from the outside in; None goes on below, a node stands as it is."""
    if isinstance(node, tuple):
        return tuple(rewrite(part, change) for part in node)
    if not isinstance(node, ast.Node):
        return node
    changed = change(node)
    if changed is not None:
        return changed
    parts = {f.name: rewrite(getattr(node, f.name), change) for f in record.fields(node) if f.name != "position"}
    return record.replace(node, **parts)


def nodes(node: Any) -> Iterator[ast.Node]:
    """Every node of the tree."""
    pending = [node]
    while pending:
        item = pending.pop()
        if isinstance(item, tuple):
            pending.extend(item)
        elif isinstance(item, ast.Node):
            yield item
            pending.extend(getattr(item, f.name) for f in record.fields(item) if f.name != "position")


def _in_scopes(query: Any, visit: Callable[[ast.TableRef], ast.TableRef], hidden: frozenset[str] = frozenset()) -> Any:
    """The query with every reference to a stored relation (not to a common table) put through `visit`."""
    if isinstance(query, tuple):
        return tuple(_in_scopes(part, visit, hidden) for part in query)
    if isinstance(query, ast.TableRef):
        if len(query.name.parts) == 1 and query.name.parts[0] in hidden:
            return query
        return visit(query)
    if not isinstance(query, ast.Node):
        return query
    if isinstance(query, ast.Query) and query.with_ is not None:
        names = {t.name for t in query.with_.tables}
        if query.with_.recursive:
            inner = hidden | names
            tables = _in_scopes(query.with_.tables, visit, inner)
        else:
            inner, made = hidden, []
            for table in query.with_.tables:
                made.append(_in_scopes(table, visit, inner))
                inner = inner | {table.name}
            tables = tuple(made)
        rest = record.replace(query, with_=None)
        done = _in_scopes(rest, visit, inner)
        return record.replace(done, with_=record.replace(query.with_, tables=tables))
    parts = {f.name: _in_scopes(getattr(query, f.name), visit, hidden) for f in record.fields(query) if f.name != "position"}
    return record.replace(query, **parts)


def qualified(query: ast.Query, env: Environment) -> tuple[ast.Query, tuple[int, ...]]:
    """The query with each relation's schema written out, and the ids of the stored relations that it reads."""
    used: list[int] = []

    def visit(node: ast.TableRef) -> ast.TableRef:
        found = find(env, node.name)
        if not isinstance(found, Table | View):
            return node
        if found.id not in used:
            used.append(found.id)
        return record.replace(node, name=record.replace(node.name, parts=(found.schema, found.name)))

    return _in_scopes(query, visit), tuple(used)


def relation_renamed(text: str, old: tuple[str, str], new: tuple[str, str]) -> str:
    """A view's text after a relation got another name; what refers to it keeps seeing the old name, as an alias."""

    def visit(node: ast.TableRef) -> ast.TableRef:
        if node.name.parts != old or (node.system_time is not None and node.system_time.kind != "all"):
            return node  # the past knows it by its old name
        alias = node.alias or (ast.Alias(old[1]) if old[1] != new[1] else None)
        return record.replace(node, name=record.replace(node.name, parts=new), alias=alias)

    return render(_in_scopes(parse_query(text), visit))


def mentions(text: str, column: str) -> bool:
    """Whether a query's text has the column's name anywhere, or a `*`."""
    return any(
        (isinstance(n, ast.Name) and n.parts[-1] == column) or isinstance(n, ast.Star) or (isinstance(n, ast.Join) and column in n.using)
        for n in nodes(parse_query(text))
    )


def names_renamed(text: str, old: str, new: str, places: Collection[int]) -> str | None:
    """A view's text with the names at these places changed; what it calls its columns stays. None where names are used that stand nowhere:
    in `*` below the outermost query, in USING and NATURAL."""
    query = parse_query(text)
    for node in nodes(query):
        if isinstance(node, ast.Star) or (isinstance(node, ast.Join) and (node.natural or old in node.using)):
            return None

    def change(node: ast.Node) -> ast.Node | None:
        if isinstance(node, ast.SelectItem) and node.alias is None and isinstance(node.expression, ast.Name):
            if node.expression.position in places:
                return record.replace(node, expression=renamed(node.expression), alias=old)
        elif isinstance(node, ast.Name) and node.position in places:
            return renamed(node)
        return None

    def renamed(name: ast.Name) -> ast.Name:
        return record.replace(name, parts=(*name.parts[:-1], new))

    return render(rewrite(query, change))


def column_mentioned(text: str, column: str) -> bool:
    """Whether an expression over one table's row mentions the column."""
    return any(isinstance(n, ast.Name) and n.parts[-1] == column for n in nodes(parse_expression(text)))


def column_renamed(text: str | None, old: str, new: str) -> str | None:
    """An expression over one table's row after a column of it was renamed."""
    if text is None or not column_mentioned(text, old):
        return text

    def change(node: ast.Node) -> ast.Node | None:
        if isinstance(node, ast.Name) and node.parts[-1] == old:
            return record.replace(node, parts=(*node.parts[:-1], new))
        return None

    return render(rewrite(parse_expression(text), change))


def table_renamed(text: str | None, new: str) -> str | None:
    """An expression over one table's row after the table was renamed: qualified names lose their qualifier."""
    if text is None:
        return None
    if not any(isinstance(n, ast.Name) and len(n.parts) > 1 for n in nodes(parse_expression(text))):
        return text

    def change(node: ast.Node) -> ast.Node | None:
        if isinstance(node, ast.Name) and len(node.parts) > 1:
            return record.replace(node, parts=(node.parts[-1],))
        return None

    return render(rewrite(parse_expression(text), change))


_SEQUENCE_FUNCTIONS = ("nextval", "currval", "setval")


def _sequence_named(node: ast.Node) -> tuple[str, str] | None:
    """(schema, name) of the sequence that a call of nextval, currval or setval is about, None for any other node."""
    if not isinstance(node, ast.Function) or node.name[-1] not in _SEQUENCE_FUNCTIONS or not node.arguments:
        return None
    said = node.arguments[0]
    if not isinstance(said, ast.Literal) or not isinstance(said.value, str):
        return None
    parts = name_parts(said.value)
    return (parts[0], parts[-1]) if len(parts) > 1 else (DEFAULT_SCHEMA, parts[-1])


def sequences_qualified(node: Any, env: Environment) -> Any:
    """The tree in which sequences that the search path finds elsewhere than in the default schema have their schema: it is kept, and read
    under another path. The same tree where there are none."""

    def change(part: ast.Node) -> ast.Node | None:
        named = _sequence_named(part)
        if named is None or len(name_parts(part.arguments[0].value)) > 1:  # type: ignore[attr-defined]
            return None
        schema = next((s for s in env.search_path if isinstance(env.catalog.find(s, named[1]), Sequence)), DEFAULT_SCHEMA)
        if schema == DEFAULT_SCHEMA:
            return None
        return record.replace(part, arguments=(ast.Literal(dotted((schema, named[1]))), *part.arguments[1:]))  # type: ignore[attr-defined]

    return rewrite(node, change) if any(change(part) is not None for part in nodes(node)) else node


def sequences_mentioned(text: str | None) -> set[tuple[str, str]]:
    """Schema and name of the sequences that a default takes values of."""
    if text is None or not any(function in text.lower() for function in _SEQUENCE_FUNCTIONS):
        return set()
    return {named for node in nodes(parse_expression(text)) if (named := _sequence_named(node)) is not None}


def sequence_renamed(text: str | None, old: tuple[str, str], new: tuple[str, str]) -> str | None:
    """A default after a sequence got another schema or name."""
    if text is None or old not in sequences_mentioned(text):
        return text
    literal = ast.Literal(dotted(new))

    def change(node: ast.Node) -> ast.Node | None:
        if isinstance(node, ast.Function) and _sequence_named(node) == old:
            return record.replace(node, arguments=(literal, *node.arguments[1:]))
        return None

    return render(rewrite(parse_expression(text), change))


def expanded(query: ast.Query, env: Environment) -> ast.Query:
    """The query with `*` in its outermost select lists written out where the FROM items are stored relations, so that columns added later
    do not appear; other stars stay."""

    def body(node: Any) -> Any:
        if isinstance(node, ast.Select):
            items: list[ast.SelectItem] = []
            for item in node.items:
                names = _star_names(item.expression, node, env) if isinstance(item.expression, ast.Star) else None
                items.extend([item] if names is None else [ast.SelectItem(name, position=item.position) for name in names])
            return record.replace(node, items=tuple(items))
        if isinstance(node, ast.SetOperation):
            return record.replace(node, left=body(node.left), right=body(node.right))
        if isinstance(node, ast.Query):
            return record.replace(node, body=body(node.body))
        return node

    if query.with_ is not None:
        return query
    return record.replace(query, body=body(query.body))


def _star_names(star: ast.Star, select: ast.Select, env: Environment) -> list[ast.Name] | None:
    found: list[ast.Name] = []
    for item in select.from_:
        names = _names_of(item, env)
        if names is None:
            return None
        found.extend(n for n in names if not star.qualifier or n.parts[0] == star.qualifier[-1])
    return found or None


def _names_of(item: ast.TableExpression, env: Environment) -> list[ast.Name] | None:
    if isinstance(item, ast.TableRef):
        then = env if item.system_time is None else record.replace(env, catalog=env.moment(item.system_time).catalog)
        relation = find(then, item.name)
        if isinstance(relation, Table):
            columns = [c.name for c in relation.visible]
        elif isinstance(relation, View):
            columns = [name for name, _ in relation.columns]
        else:
            return None
        if item.alias is not None and item.alias.columns:
            columns[: len(item.alias.columns)] = item.alias.columns
        name = item.alias.name if item.alias is not None else item.name.parts[-1]
        return [ast.Name((name, column), position=item.position) for column in columns]
    if isinstance(item, ast.Join) and not item.using and not item.natural:
        left, right = _names_of(item.left, env), _names_of(item.right, env)
        return None if left is None or right is None else left + right
    return None
