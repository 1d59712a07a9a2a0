"""Binding FROM: tables, views, common tables, derived tables, table functions, joins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from eventdb.errors import (
    AmbiguousColumn,
    DuplicateAlias,
    Error,
    InvalidColumnReference,
    NotSupportedError,
    ObjectNotInPrerequisiteState,
    UndefinedColumn,
    UndefinedFunction,
    UndefinedTable,
    WrongObjectType,
)
from eventdb.model.catalog import Catalog
from eventdb.model.datatype import BIGINT, BOOLEAN, INTEGER, Kind
from eventdb.model.record import replace
from eventdb.model.schema import Relation, Table, View
from eventdb.sql.environment import SystemTable
from eventdb.sql.expressions import binder as expressions
from eventdb.sql.expressions.bound import Coalesce, Column, Comparison, Constant, Expr
from eventdb.sql.parser import ast
from eventdb.sql.planner.nodes import BoundQuery, CommonScan, Join, JoinKind, Node, Project, Scan, Series, SystemScan
from eventdb.sql.planner.scope import (
    NOTHING,
    VERSION_COLUMNS,
    CommonEntry,
    FromItem,
    Named,
    QueryScope,
    Source,
    as_nullable,
    mapped,
    similar,
    version_columns,
)

if TYPE_CHECKING:
    from eventdb.sql.planner.binder import Binder

__all__ = ["AmbiguousColumn", "Named", "from_clause", "table_source"]


def from_clause(binder: Binder, items: Sequence[ast.TableExpression], scope: QueryScope) -> FromItem:
    """The FROM items, one after the other, cross-joined."""
    result = NOTHING
    for item in items:
        bound = table_expression(binder, item, scope, result)
        result = bound if result is NOTHING else combined(scope, result, bound, "inner", (), getattr(item, "position", -1))
    return result


def table_expression(binder: Binder, node: ast.TableExpression, scope: QueryScope, left: FromItem) -> FromItem:
    """Bind one table expression; `left`: what LATERAL may refer to."""
    match node:
        case ast.TableRef():
            return table_reference(binder, node, scope)
        case ast.DerivedTable():
            around = sideways(binder, scope, left) if node.lateral else scope.outer
            bound = binder.query(node.query, around, scope.commons)
            return derived(binder, bound, node.alias, scope, node.position)
        case ast.TableFunction():
            return table_function(binder, node, scope, left)
        case ast.Join():
            return join(binder, node, scope, left)


def sideways(binder: Binder, scope: QueryScope, left: FromItem) -> QueryScope:
    return QueryScope(binder, binder.environment, scope.outer, left, commons=scope.commons)


# ---- leaves


def table_reference(binder: Binder, node: ast.TableRef, scope: QueryScope) -> FromItem:
    parts = node.name.parts
    if len(parts) == 1 and parts[0] in scope.commons:
        if node.system_time is not None:
            scope.fail(NotSupportedError, f'FOR SYSTEM_TIME on the common table "{parts[0]}" is not supported', node.system_time.position)
        return common_source(binder, scope.commons[parts[0]], node, scope)
    moment, catalog, versions = binder.moment, binder.catalog, False
    if node.system_time is not None:
        at = binder.environment.moment(node.system_time)
        moment, catalog, versions = at.index, at.catalog, node.system_time.kind != "as of"
        binder.catalogs[moment] = catalog
    found = find_relation(binder, catalog, parts)
    if node.system_time is not None:
        refuse_past_of_temporary(binder, found, node, scope)
    if isinstance(found, Table):
        return table_source(binder, found, node.alias, scope, moment, versions)
    if isinstance(found, View):
        if versions:
            scope.fail(NotSupportedError, f'versions of the view "{found.name}" are not supported: only AS OF', node.position)
        return view_source(binder, found, node, scope, moment, catalog)
    if isinstance(found, SystemTable):
        if versions:
            message = f"versions of the system table {found.schema}.{found.name} are not supported: only AS OF"
            scope.fail(NotSupportedError, message, node.position)
        return system_source(binder, found, node.alias, scope, moment)
    name = ".".join(parts)
    if found is not None:
        scope.fail(WrongObjectType, f'"{name}" is not a table or view', node.position)
    known = [*(t.name for t in catalog.tables.values()), *(v.name for v in catalog.views.values()), *scope.commons]
    hint = similar(parts[-1], known)
    if node.system_time is not None and find_relation(binder, binder.environment.catalog, parts) is not None:
        hint = "It exists now, but did not at that moment."
    return scope.fail(UndefinedTable, f'relation "{name}" does not exist', node.position, hint)


def refuse_past_of_temporary(binder: Binder, found: Relation | SystemTable | None, node: ast.TableRef, scope: QueryScope) -> None:
    """Raise NotSupportedError where the name means a temporary relation, which has no past."""
    now = found if found is not None else find_relation(binder, binder.environment.catalog, node.name.parts)
    if isinstance(now, Table | View) and now.id < 0:
        assert node.system_time is not None
        scope.fail(NotSupportedError, f'"{now.name}" is temporary and has no history', node.system_time.position)


def find_relation(binder: Binder, catalog: Catalog, parts: Sequence[str]) -> Relation | SystemTable | None:
    """What a name means: along the search path where it has no schema."""
    system = binder.environment.system_tables
    schemas = [parts[0]] if len(parts) > 1 else ["pg_temp", *(s for s in binder.environment.search_path if s != "pg_temp")]
    for schema in schemas:
        found = catalog.find(schema, parts[-1]) or system.get((schema, parts[-1]))
        if found is not None:
            return found
    return None


def aliased(columns: Sequence[Named], alias: ast.Alias | None, scope: QueryScope, what: str) -> tuple[Named, ...]:
    """Columns renamed by a column alias list."""
    if alias is None or not alias.columns:
        return tuple(columns)
    shown = [c for c in columns if not c.hidden]
    if len(alias.columns) > len(shown):
        message = f'table "{what}" has {len(shown)} columns available but {len(alias.columns)} columns specified'
        scope.fail(InvalidColumnReference, message, alias.position)
    names = iter(alias.columns)
    return tuple(c if c.hidden else replace(c, name=name, origin=None) if (name := next(names, None)) else c for c in columns)


def one_source(plan: Node, columns: Sequence[Named], alias: ast.Alias | None, name: str, schema: str | None, scope: QueryScope) -> FromItem:
    named = aliased(columns, alias, scope, alias.name if alias else name)
    source = Source(alias.name, None, named, plan) if alias else Source(name, schema, named, plan)
    return FromItem(plan, named, (source,))


def table_source(
    binder: Binder, table: Table, alias: ast.Alias | None, scope: QueryScope, moment: int = 0, versions: bool = False
) -> FromItem:
    """A stored table; its hidden version columns can be named too."""
    relation = next(binder.numbers)
    # a version from before a rewrite may be without what is NOT NULL now
    columns = [
        Named(c.name, Column(c.datatype, relation, c.slot, c.name, nullable=c.nullable or versions), c.hidden, (table.id, c.id))
        for c in table.columns
    ]
    if table.id > 0:
        columns += [c for c in version_columns(relation) if c.name not in table.by_name]
    plan = Scan(relation, table, alias.name if alias else table.name, moment, versions)
    return one_source(plan, columns, alias, table.name, table.schema, scope)


def common_source(binder: Binder, entry: CommonEntry, node: ast.TableRef, scope: QueryScope) -> FromItem:
    relation = next(binder.numbers)
    columns = [Named(n, Column(t, relation, i, n, nullable=nullable)) for i, (n, t, nullable) in enumerate(entry.columns)]
    name = node.name.parts[-1]
    return one_source(CommonScan(relation, entry.number, name), columns, node.alias, name, None, scope)


def system_source(binder: Binder, table: SystemTable, alias: ast.Alias | None, scope: QueryScope, moment: int = 0) -> FromItem:
    relation = next(binder.numbers)
    columns = [Named(n, Column(t, relation, i, n)) for i, (n, t) in enumerate(table.columns)]
    plan = SystemScan(relation, table, alias.name if alias else table.name, moment)
    return one_source(plan, columns, alias, table.name, table.schema, scope)


def view_source(binder: Binder, view: View, node: ast.TableRef, scope: QueryScope, moment: int, catalog: Catalog) -> FromItem:
    """A view: its query bound in the catalog of the moment that is read."""
    from eventdb.sql.parser import parse_query
    from eventdb.sql.planner.binder import Binder

    environment = replace(binder.environment, text=view.query, parameter_index={}, catalog=catalog, uses=None, functions={})
    inner = Binder(environment, binder.numbers, moment, catalog)
    inner.catalogs = binder.catalogs
    try:
        bound = inner.query(parse_query(view.query))
    except Error as error:
        raise error.at(None, view.query) from None
    if len(bound.outputs) != len(view.columns):
        message = f'view "{view.name}" has {len(view.columns)} columns, but its query gives {len(bound.outputs)} at this moment'
        scope.fail(ObjectNotInPrerequisiteState, message, node.position)
    bound = replace(bound, names=tuple(name for name, _ in view.columns))
    alias = node.alias or ast.Alias(view.name)
    item = derived(binder, bound, alias, scope, node.position)
    if node.alias is None:
        return replace(item, sources=tuple(replace(s, schema=view.schema) for s in item.sources))
    return item


def derived(binder: Binder, bound: BoundQuery, alias: ast.Alias | None, scope: QueryScope, position: int) -> FromItem:
    """A query as a table: plain columns show through, computed ones get a Project."""
    from eventdb.sql.planner.binder import computed, settled

    plan, exprs = computed(binder, bound.plan, [settled(e) for e in bound.outputs])
    named = [Named(n, e) for n, e in zip(bound.names, exprs, strict=True)]
    if alias is None:
        return FromItem(plan, tuple(named), ())
    return one_source(plan, named, alias, alias.name, None, scope)


def table_function(binder: Binder, node: ast.TableFunction, scope: QueryScope, left: FromItem) -> FromItem:
    name = node.function.name[-1]
    if name in ("table_changes", "table_diff"):
        from eventdb.sql.planner.time_functions import time_function

        return time_function(binder, node, scope)
    if name != "generate_series":
        scope.fail(UndefinedFunction, f"table function {name} does not exist", node.function.position)
    around = sideways(binder, scope, left)
    args = [binder.expression(a, around, "FROM") for a in node.function.arguments]
    if len(args) not in (2, 3):
        scope.fail(UndefinedFunction, "generate_series takes two or three arguments", node.function.position)
    args = [expressions.coerce(a, INTEGER, "implicit") if a.datatype.kind is Kind.NULL else a for a in args]
    if not all(a.datatype.is_integer for a in args):
        scope.fail(NotSupportedError, "generate_series is supported for integers only", node.function.position)
    datatype = BIGINT if any(a.datatype.kind is Kind.BIGINT for a in args) else INTEGER
    relation = next(binder.numbers)
    alias = node.alias or ast.Alias(name)
    shown = alias.columns[0] if alias.columns else alias.name
    columns = [Named(shown, Column(datatype, relation, 0, shown, nullable=False))]
    if node.with_ordinality:
        columns.append(Named("ordinality", Column(BIGINT, relation, 1, "ordinality", nullable=False)))
    return one_source(Series(relation, tuple(args), alias.name), columns, alias, name, None, scope)


# ---- joins


def join(binder: Binder, node: ast.Join, scope: QueryScope, before: FromItem) -> FromItem:
    left = table_expression(binder, node.left, scope, before)
    visible_left = (
        left if before is NOTHING else replace(left, columns=before.columns + left.columns, sources=before.sources + left.sources)
    )
    right = table_expression(binder, node.right, scope, visible_left)
    kind: JoinKind = "inner" if node.kind in ("inner", "cross") else "left" if node.kind in ("left", "right") else "full"
    flipped = node.kind == "right"
    using = node.using
    if node.natural:
        names = [c.name for c in left.columns if not c.hidden]
        using = tuple(n for n in names if n in {c.name for c in right.columns if not c.hidden})
    conditions: list[Expr] = []
    pairs = [(shared(scope, left, n, "left", node.position), shared(scope, right, n, "right", node.position)) for n in using]
    for a, b in pairs:
        (x, y), _ = expressions.unify([a.expression, b.expression])
        conditions.append(Comparison(BOOLEAN, "=", x, y, nullable=x.nullable or y.nullable, position=node.position))
    if node.on is not None:
        both = combined(scope, left, right, "inner", (), node.position)
        inner = QueryScope(binder, binder.environment, scope.outer, both, commons=scope.commons)
        from eventdb.sql.expressions.conjuncts import conjuncts

        conditions += conjuncts(binder.condition(node.on, inner, "JOIN/ON"))
    if flipped:
        result = combined(scope, right, left, kind, conditions, node.position, binder)
        count = len(right.columns)
        result = replace(result, columns=result.columns[count:] + result.columns[:count])
    else:
        result = combined(scope, left, right, kind, conditions, node.position, binder)
    return merged(result, using, left, right, node.kind) if using else result


def combined(
    scope: QueryScope,
    left: FromItem,
    right: FromItem,
    kind: JoinKind,
    conditions: Sequence[Expr],
    position: int,
    binder: Binder | None = None,
) -> FromItem:
    """Two items joined; columns of a side that may have no match become nullable."""
    taken = {(s.alias, s.schema) for s in left.sources}
    for source in right.sources:
        if (source.alias, source.schema) in taken:
            scope.fail(DuplicateAlias, f'table name "{source.alias}" specified more than once', position)
    if kind != "inner" and binder is not None:
        right = without_match(binder, right)
        if kind == "full":
            left = without_match(binder, left)
    return FromItem(Join(kind, left.plan, right.plan, tuple(conditions)), left.columns + right.columns, left.sources + right.sources)


def without_match(binder: Binder, item: FromItem) -> FromItem:
    """An item as the nullable side of an outer join: what is computed must be so before the join, since its NULLs come from there."""
    made: dict[Expr, Expr] = {}
    relation = next(binder.numbers)

    def below(expr: Expr) -> Expr:
        if isinstance(expr, Column) or getattr(expr, "name", "") in VERSION_COLUMNS:
            return expr
        if expr not in made:
            made[expr] = Column(expr.datatype, relation, len(made), nullable=True)
        return made[expr]

    shown = mapped(item, below)
    plan = Project(item.plan, relation, tuple(made)) if made else item.plan
    return replace(mapped(shown, as_nullable), plan=plan)


def shared(scope: QueryScope, item: FromItem, name: str, side: str, position: int) -> Named:
    found = [c for c in item.columns if c.name == name]
    if not found:
        scope.fail(UndefinedColumn, f'column "{name}" specified in USING clause does not exist in {side} table', position)
    if len(found) > 1:
        scope.fail(AmbiguousColumn, f'common column name "{name}" appears more than once in {side} table', position)
    return found[0]


def merged(item: FromItem, using: Sequence[str], left: FromItem, right: FromItem, kind: str) -> FromItem:
    """The columns of a USING join: the shared ones once and first, then the others of the left and of the right side."""
    count = len(left.columns)
    lefts, rights = item.columns[:count], item.columns[count:]
    first: list[Named] = []
    for name in using:
        a = next(c for c in lefts if c.name == name)
        b = next(c for c in rights if c.name == name)
        if kind == "full":
            (x, y), datatype = expressions.unify([a.expression, b.expression])
            both = Coalesce(datatype, (x, y), nullable=x.nullable and y.nullable)
            first.append(Named(name, both))
        else:
            first.append(b if kind == "right" else a)
    rest = [c for c in (*lefts, *rights) if c.name not in using or c.hidden]
    return replace(item, columns=(*first, *rest))


def is_true(expr: Expr) -> bool:
    return isinstance(expr, Constant) and expr.value is True
