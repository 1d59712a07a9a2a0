"""INSERT prepared: one generated function from parameters (or a query's rows) to new rows, and one for many parameter rows at once.

A single row of VALUES whose items are parameters, constants and defaults is made by column when it comes from executemany: no Python code
runs for a row unless CHECK constraints or generated columns ask for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, repeat
from operator import contains
from typing import Any

from eventdb.errors import DuplicateColumn, SQLSyntaxError
from eventdb.model.record import Record, replace
from eventdb.model.schema import Column, Identity, Table
from eventdb.sql.definition.names import find_column, find_table
from eventdb.sql.definition.queries import prepare_projection, prepare_query
from eventdb.sql.definition.rows import Code, RowScope, SubqueryRefused, assigned, bind_assigned, tuple_source
from eventdb.sql.environment import Environment, Execution
from eventdb.sql.expressions import bound
from eventdb.sql.modification.conflict import prepare_conflict
from eventdb.sql.modification.defaults import default_source, is_constant_default
from eventdb.sql.modification.effects import effects
from eventdb.sql.modification.making import emit_checks, emit_generated, emit_not_null, generated_columns, row_source, row_types
from eventdb.sql.modification.prepared import Parameters, PreparedInsert, has_plain_key, resolved_parameters
from eventdb.sql.modification.violations import GeneratedAlways, null_value
from eventdb.sql.parser import ast
from eventdb.sql.prepared import PreparedProjection, PreparedQuery

_ARGUMENTS = "row_ids, numbers"
_SOURCE = 1
"""The relation number of the rows that a query gives."""


def prepare_insert(statement: ast.Insert, env: Environment) -> PreparedInsert:
    """Bind and compile an INSERT. Raises ProgrammingError of many kinds, with their places."""
    table = find_table(env, statement.table, "insert into")
    targets = _targets(statement, table, env)
    rows, bulk, source, plan = _compile(statement, table, targets, env)
    if not statement.returning:
        returning = None
    else:
        returning = prepare_projection(env, [(statement.alias or table.name, table)], statement.returning)
    conflict = prepare_conflict(statement, table, env) if statement.on_conflict is not None else None
    checks = effects(env.catalog, table)
    others = [u for u in checks.uniques if u.index_id is not None]
    alone = bulk is not None and conflict is None and returning is None
    # RETURNING of plain columns says the same of many rows at once; an expression may have parameters or look into tables.
    several = (conflict is None or conflict.update is None) and all(
        isinstance(item.expression, ast.Name | ast.Star) for item in statement.returning
    )
    return PreparedInsert(
        table, row_types(table), returning.columns if returning else (), resolved_parameters(env), source, plan,
        rows, bulk if several else None,
        checks, _identity(table), conflict, returning,
        joins=alone and not (others or checks.references or checks.computed) and has_plain_key(table),
    )  # fmt: skip


def _identity(table: Table) -> Column | None:
    """The column that `lastrowid` reports: the single integer key, else the first identity or serial column."""
    primary = table.primary_key
    if primary is not None and len(primary.columns) == 1:
        column = table.by_id[primary.columns[0]]
        if column.datatype.is_integer:
            return column
    return next((c for c in table.visible if c.sequence_id is not None), None)


def _targets(statement: ast.Insert, table: Table, env: Environment) -> list[Column]:
    if not statement.columns:
        return list(table.visible)
    places = statement.column_positions or (statement.position,) * len(statement.columns)
    columns = [find_column(env, table, name, place) for name, place in zip(statement.columns, places, strict=True)]
    seen: set[int] = set()
    for column, place in zip(columns, places, strict=True):
        if column.id in seen:
            raise DuplicateColumn(f'column "{column.name}" specified more than once').at(place, env.text)
        seen.add(column.id)
    return columns


def _fit(statement: ast.Insert, targets: list[Column], count: int, env: Environment, position: int) -> list[Column]:
    """The targets for rows of `count` values. Raises SQLSyntaxError where the numbers do not fit."""
    if count > len(targets):
        raise SQLSyntaxError("INSERT has more expressions than target columns").at(position, env.text)
    if count < len(targets) and statement.columns:
        raise SQLSyntaxError("INSERT has more target columns than expressions").at(position, env.text)
    return targets[:count]


# ---- what may be given a value


def _accepts(statement: ast.Insert, column: Column, env: Environment, position: int) -> bool:
    """Whether a value for the column is taken (False: passed over). Raises GeneratedAlways where it must not be given."""
    if column.generated is not None:
        raise GeneratedAlways(
            f'cannot insert a non-DEFAULT value into column "{column.name}"',
            detail=f'Column "{column.name}" is a generated column.', column=column.name,
        ).at(position, env.text)  # fmt: skip
    if column.identity is None:
        return True
    if statement.overriding == "user":
        return False
    if column.identity is Identity.ALWAYS and statement.overriding != "system":
        raise GeneratedAlways(
            f'cannot insert a non-DEFAULT value into column "{column.name}"',
            detail=f'Column "{column.name}" is an identity column defined as GENERATED ALWAYS.',
            hint="Use OVERRIDING SYSTEM VALUE to override.", column=column.name,
        ).at(position, env.text)  # fmt: skip
    return True


# ---- compilation

RowsFunction = Callable[..., list[Any]]
Compiled = tuple[RowsFunction, Callable[..., Sequence[Any]] | None, str, str]


def _compile(statement: ast.Insert, table: Table, targets: list[Column], env: Environment) -> Compiled:
    source = statement.source
    if source is None:
        return _values(statement, table, [], [()], env)
    plain = not (source.with_ or statement.with_ or source.order_by or source.limit or source.offset or source.locking)
    if plain and isinstance(source.body, ast.Values):
        rows = source.body.rows
        count = len(rows[0])
        if any(len(row) != count for row in rows):
            raise SQLSyntaxError("VALUES lists must all be the same length").at(source.position, env.text)
        position = next((e.position for e in rows[0][len(targets) :]), statement.position)
        return _values(statement, table, _fit(statement, targets, count, env, position), rows, env)
    return _from_query(statement, table, targets, env)


def _values(
    statement: ast.Insert, table: Table, targets: list[Column], rows: Sequence[tuple[ast.Expression, ...]], env: Environment
) -> Compiled:
    known = list(env.parameter_types)
    try:
        items = [[_bound_item(statement, e, c, env) for e, c in zip(row, targets, strict=True)] for row in rows]
    except SubqueryRefused:
        env.parameter_types[:] = known
        return _computed_values(statement, table, targets, rows, env)
    if len(items) == 1:
        given = dict(zip([c.slot for c in targets], items[0], strict=True))
        return _single(table, {slot: e for slot, e in given.items() if e is not None}, env)
    return _several(table, targets, items, env)


def _bound_item(statement: ast.Insert, item: ast.Expression, column: Column, env: Environment) -> bound.Expr | None:
    """The bound value; None for DEFAULT, and where OVERRIDING USER VALUE passes it over."""
    if isinstance(item, ast.Default):
        return None
    if not _accepts(statement, column, env, item.position):
        return None
    return bind_assigned(item, RowScope(env, (), "VALUES"), column)


def _single(table: Table, given: dict[int, bound.Expr], env: Environment) -> Compiled:
    code = Code()
    _emit_row(code, table, given, env)
    code.add(f"return [{row_source(table)}]")
    source = code.source("rows", f"cx, p, {_ARGUMENTS}")
    function = code.compile("rows", f"cx, p, {_ARGUMENTS}")
    bulk, bulk_source = _bulk(table, given, env)
    return function, bulk, source + "\n" + bulk_source, f"Insert on {table.name}\n  -> Result"


def _emit_row(code: Code, table: Table, given: dict[int, bound.Expr], env: Environment, depth: int = 1) -> None:
    for column in table.columns:
        if column.hidden:
            code.add(f"v{column.slot} = row_ids(1)", depth)
        elif column.slot in given:
            code.add(f"v{column.slot} = {code.value(given[column.slot])}", depth)
        else:
            code.add(f"v{column.slot} = {default_source(column, env, code)}", depth)
    emit_generated(code, table, env, depth=depth)
    emit_not_null(code, table, depth=depth)
    emit_checks(code, table, env, depth=depth)


def _bulk(table: Table, given: dict[int, bound.Expr], env: Environment) -> tuple[Callable[..., Sequence[Any]], str]:
    """The function for many parameter rows: by column where every value is a parameter or the same for all rows, else row by row."""
    columnar = not generated_columns(table) and all(
        isinstance(given[c.slot], bound.Parameter | bound.Constant) if c.slot in given else _by_column(c, env) for c in table.columns
    )
    code = _columnar(table, given, env) if columnar else _row_by_row(table, given, env)
    arguments = f"cx, ps, {_ARGUMENTS}"
    return code.compile("bulk", arguments), code.source("bulk", arguments)


def _by_column(column: Column, env: Environment) -> bool:
    return column.hidden or column.sequence_id is not None or is_constant_default(column, env)


def _row_by_row(table: Table, given: dict[int, bound.Expr], env: Environment) -> Code:
    code = Code()
    code.add("made = []")
    code.add("for p in ps:")
    _emit_row(code, table, given, env, depth=2)
    code.add(f"made.append({row_source(table)})", 2)
    code.add("return made")
    return code


def _columnar(table: Table, given: dict[int, bound.Expr], env: Environment) -> Code:
    code = Code()
    code.names.update(contains=contains, repeat=repeat, null_value=null_value, table=table)
    order = [e.index if isinstance(e := given.get(slot), bound.Parameter) else None for slot in range(1, table.width)]
    as_given = order == list(range(len(env.parameter_types)))
    code.add("n = len(ps)")
    needed = [f"c{i}" for i in range(len(env.parameter_types))]
    strict = [c for c in table.columns if not c.nullable and not c.hidden]
    if needed and not as_given:
        code.add(f"{', '.join(needed)}, = zip(*ps)")
    sources = ["repeat(None, n)"] * (table.width - 1)
    for column in table.columns:
        sources[column.slot - 1] = _column_source(code, column, given.get(column.slot), env)
    code.add("made = ps" if as_given else f"made = list(zip({', '.join(sources)}))")
    if as_given and strict:
        code.add("if any(map(contains, ps, repeat(None))):")
        code.add(f"{', '.join(needed)}, = zip(*ps)", 2)
        for column in strict:
            place = column.slot - 1
            code.add(f"if None in c{place}: null_value(table, made[c{place}.index(None)])", 2)
        strict = []
    for column in strict:
        expr = given.get(column.slot)
        if isinstance(expr, bound.Parameter):
            code.add(f"if None in c{expr.index}: null_value(table, made[c{expr.index}.index(None)])")
        elif not (column.sequence_id is not None and expr is None):
            code.add(f"if made[0][{column.slot - 1}] is None: null_value(table, made[0])")
    _emit_bulk_checks(code, table, env)
    code.add("return made")
    return code


def _column_source(code: Code, column: Column, expr: bound.Expr | None, env: Environment) -> str:
    if column.hidden:
        code.add("first = row_ids(n)")
        return "range(first, first + n)"
    if isinstance(expr, bound.Parameter):
        return f"c{expr.index}"
    if expr is not None:
        return f"repeat({code.value(expr)}, n)"
    if column.sequence_id is not None:
        return f"numbers({column.sequence_id}, n)"
    return f"repeat({default_source(column, env, code)}, n)"


def _emit_bulk_checks(code: Code, table: Table, env: Environment) -> None:
    if not table.checks:
        return
    code.add("p = ()")
    code.add(f"for {row_source(table, lambda slot: f'v{slot}').replace('None', '_')} in made:")
    emit_checks(code, table, env, depth=2)


def _several(table: Table, targets: list[Column], items: list[list[bound.Expr | None]], env: Environment) -> Compiled:
    code = Code()
    constant = all(isinstance(e, bound.Constant) for row in items for e in row)
    rows = (
        []
        if constant
        else [
            tuple_source(default_source(c, env, code) if e is None else code.value(e) for e, c in zip(row, targets, strict=True))
            for row in items
        ]
    )
    if constant:
        code.names["given"] = [tuple([e.value for e in row]) for row in items]  # type: ignore[union-attr]
        code.add("source = given")
    else:
        code.add(f"source = [{', '.join(rows)}]")
    _emit_loop(code, table, {c.slot: f"r[{i}]" for i, c in enumerate(targets)}, env)
    source = code.source("rows", f"cx, p, {_ARGUMENTS}")
    function = code.compile("rows", f"cx, p, {_ARGUMENTS}")
    return function, None, source, f"Insert on {table.name}\n  -> Values ({len(items)} rows)"


def _emit_loop(code: Code, table: Table, places: dict[int, str], env: Environment) -> None:
    """The loop over `source` that makes the rows; `places`: slot → source of the value in the source row `r`."""
    hidden = next((c for c in table.columns if c.hidden), None)
    code.add("made = []")
    if hidden is not None:
        code.add("first = row_ids(len(source))")
    numbered = [c for c in table.columns if c.sequence_id is not None and c.slot not in places]
    for column in numbered:
        code.add(f"s{column.slot} = numbers({column.sequence_id}, len(source))")
    code.add("for i, r in enumerate(source):")
    for column in table.columns:
        if column.hidden:
            value = "first + i"
        elif column.slot in places:
            value = places[column.slot]
        elif column in numbered:
            value = f"s{column.slot}[i]"
        else:
            value = default_source(column, env, code)
        code.add(f"v{column.slot} = {value}", 2)
    emit_generated(code, table, env, depth=2)
    emit_not_null(code, table, depth=2)
    emit_checks(code, table, env, depth=2)
    code.add(f"made.append({row_source(table)})", 2)
    code.add("return made")


# ---- rows that a query, or expressions with subqueries, give


class Rows(Record, frozen=False):
    """Rows of a query, or of projections without sources, then `finish` over them."""

    query: PreparedQuery | None
    finish: Callable[..., list[Any]]
    projections: Sequence[PreparedProjection] = ()

    def __call__(self, cx: Execution, p: Parameters, row_ids: Any, numbers: Any) -> list[Any]:
        if self.query is not None:
            given = fetched(self.query, cx, p)
        else:
            given = [projection.run(cx, p, (None,))[0] for projection in self.projections]
        return self.finish(cx, p, given, row_ids, numbers)


def fetched(query: PreparedQuery, cx: Execution, p: Parameters) -> list[Any]:
    """All rows of a query, as one list that later changes do not touch."""
    result: Iterable[Any] = query.run(cx, p)
    return list(chain.from_iterable(result)) if query.streaming else list(result)


def _from_query(statement: ast.Insert, table: Table, targets: list[Column], env: Environment) -> Compiled:
    source = statement.source
    assert source is not None
    if statement.with_ is not None:
        source = merge_with(source, statement.with_)
    query = prepare_query(_typed(source, targets), env)
    targets = _fit(statement, targets, len(query.columns), env, source.position)
    code = Code()
    code.places[_SOURCE] = lambda ordinal: f"r[{ordinal}]"
    places: dict[int, str] = {}
    for ordinal, (result, column) in enumerate(zip(query.columns, targets, strict=True)):
        if _accepts(statement, column, env, source.position):
            expr = bound.Column(result.datatype, _SOURCE, ordinal, result.name, nullable=result.nullable)
            places[column.slot] = code.value(assigned(expr, column, env, source.position))
    _emit_loop(code, table, places, env)
    finish = code.compile("rows", f"cx, p, source, {_ARGUMENTS}")
    text = query.source + "\n" + code.source("rows", f"cx, p, source, {_ARGUMENTS}")
    plan = f"Insert on {table.name}\n" + "\n".join(f"  {line}" for line in query.plan.splitlines())
    return Rows(query, finish), None, text, plan


def _typed(source: ast.Query, targets: list[Column]) -> ast.Query:
    """String literals and parameters that stand by themselves in the select list take the type of their column."""
    if not isinstance(source.body, ast.Select) or len(source.body.items) > len(targets):
        return source
    items = []
    for item, column in zip(source.body.items, targets, strict=False):
        expression = item.expression
        if isinstance(expression, ast.Parameter) or (isinstance(expression, ast.Literal) and isinstance(expression.value, str)):
            typed = ast.Cast(expression, ast.TypeName(column.datatype.kind.value), position=expression.position)
            item = replace(item, expression=typed)
        items.append(item)
    return replace(source, body=replace(source.body, items=tuple(items)))


def merge_with(query: ast.Query, outer: ast.With) -> ast.Query:
    """`query` with the common tables of the statement around it."""
    if query.with_ is None:
        return replace(query, with_=outer)
    return replace(
        query, with_=replace(outer, tables=outer.tables + query.with_.tables, recursive=outer.recursive or query.with_.recursive)
    )


def _computed_values(
    statement: ast.Insert, table: Table, targets: list[Column], rows: Sequence[tuple[ast.Expression, ...]], env: Environment
) -> Compiled:
    """VALUES with subqueries: each row is a projection without sources."""
    projections: list[PreparedProjection] = []
    code = Code()
    code.add("source = []")
    code.add("for values, complete in zip(given, completions):")
    code.add("source.append(complete(cx, p, values, numbers))", 2)
    completions = []
    for row in rows:
        items: list[tuple[ast.Expression, Column]] = []
        places: list[int | None] = []
        for item, column in zip(row, targets, strict=True):
            if isinstance(item, ast.Default) or not _accepts(statement, column, env, item.position):
                places.append(None)
            else:
                places.append(len(items))
                items.append((item, column))
        projections.append(
            prepare_projection(env, [], [ast.SelectItem(e, position=e.position) for e, _ in items], want=[c.datatype for _, c in items])
        )
        one = Code()
        one.add(f"return {tuple_source(_default_or(one, place, c, env) for place, c in zip(places, targets, strict=True))}")
        completions.append(one.compile("complete", "cx, p, values, numbers"))
    _emit_loop(code, table, {c.slot: f"r[{i}]" for i, c in enumerate(targets)}, env)
    code.names["completions"] = completions
    finish = code.compile("rows", f"cx, p, given, {_ARGUMENTS}")

    text = "\n".join(projection.source for projection in projections) + "\n" + code.source("rows", f"cx, p, given, {_ARGUMENTS}")
    return Rows(None, finish, projections), None, text, f"Insert on {table.name}\n  -> Values ({len(rows)} rows)"


def _default_or(code: Code, place: int | None, column: Column, env: Environment) -> str:
    return default_source(column, env, code) if place is None else f"values[{place}]"
