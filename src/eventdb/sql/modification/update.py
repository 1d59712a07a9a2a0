"""UPDATE prepared.

Two forms. *By key*: the WHERE clause fixes every key column and nothing needs another table; then finding the row, its new values and
its own checks are one or two generated functions and no query runs. *By targets*: a query gives the stored rows with the values to set,
and a generated function finishes each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from eventdb.errors import Error
from eventdb.model.datatype import BOOLEAN
from eventdb.model.schema import Column, Table
from eventdb.sql.definition.names import find_table
from eventdb.sql.definition.queries import prepare_targets
from eventdb.sql.definition.rows import Code, RowScope, bind, bind_assigned, has_columns, is_volatile, tuple_source
from eventdb.sql.environment import Environment
from eventdb.sql.expressions import bound
from eventdb.sql.expressions.conjuncts import conjuncts
from eventdb.sql.modification.assignments import Assigned, default_of, resolve
from eventdb.sql.modification.defaults import default_source
from eventdb.sql.modification.effects import effects
from eventdb.sql.modification.making import emit_checks, emit_generated, emit_not_null, key_types, row_types, unchanged_source
from eventdb.sql.modification.prepared import PreparedUpdate, has_plain_key, key_function, resolved_parameters
from eventdb.sql.modification.returning import prepare_returning
from eventdb.sql.parser import ast


def prepare_update(statement: ast.Update, env: Environment) -> PreparedUpdate:
    """Bind and compile an UPDATE. Raises ProgrammingError of many kinds, with their places."""
    table = find_table(env, statement.table, "update")
    assigned = resolve(statement.assignments, table, env)
    known = list(env.parameter_types)
    if not env.apart:
        try:
            return _by_key(statement, table, assigned, env)
        except (Error, NoKey):
            env.parameter_types[:] = known
    return _by_targets(statement, table, assigned, env)


class NoKey(Exception):
    """The WHERE clause does not fix one key."""


# ---- by key


def split_key(where: bound.Expr, table: Table) -> tuple[list[bound.Expr], list[bound.Expr]]:
    """(the value of each key column, what else the condition asks). Raises NoKey where a key column has no fixed value."""
    values: dict[int, bound.Expr] = {}
    rest: list[bound.Expr] = []
    for part in conjuncts(where):
        fixed = _fixed(part)
        if fixed is not None and fixed[0] in table.key_slots and fixed[0] not in values:
            values[fixed[0]] = fixed[1]
        else:
            rest.append(part)
    if set(values) != set(table.key_slots) or any(is_volatile(e) for e in rest):
        raise NoKey
    return [values[slot] for slot in table.key_slots], rest


def _fixed(expr: bound.Expr) -> tuple[int, bound.Expr] | None:
    if isinstance(expr, bound.Comparison) and expr.operator == "=":
        for one, other in ((expr.left, expr.right), (expr.right, expr.left)):
            if isinstance(one, bound.Column) and not has_columns(other) and not is_volatile(other):
                return one.ordinal, other
    return None


def key_code(values: Sequence[bound.Expr]) -> tuple[Callable[..., Any], str]:
    """The function from parameters to the key, None where a part is NULL; and its source."""
    code = Code()
    if len(values) == 1:
        code.add(f"return {code.value(values[0])}")
    else:
        for number, expr in enumerate(values):
            code.add(f"k_{number} = {code.value(expr)}")
        names = [f"k_{number}" for number in range(len(values))]
        code.add(f"return None if {' or '.join(f'{n} is None' for n in names)} else {tuple_source(names)}")
    return code.compile("key", "cx, p"), code.source("key", "cx, p")


def _by_key(statement: ast.Update, table: Table, assigned: list[Assigned], env: Environment) -> PreparedUpdate:
    if statement.from_ or statement.with_ or statement.where is None or table.columns[0].hidden:
        raise NoKey
    name = statement.alias or table.name
    scope = RowScope(env, [(name, table)], "UPDATE")
    # SET comes first in the text, and with it the order in which parameters get their types.
    values = [None if isinstance(e, ast.Default) else bind_assigned(e, scope, c) for c, e in assigned]
    key, rest = split_key(bind(statement.where, scope, BOOLEAN), table)
    code = Code()
    for part in rest:
        code.add(f"if not {code.condition(part)}: return ()")
    for (column, _), expr in zip(assigned, values, strict=True):
        code.add(f"v{column.slot} = {default_source(column, env, code) if expr is None else code.value(expr)}")
    slots = emit_update(code, table, [c for c, _ in assigned], env)
    key_of, key_source = key_code(key)
    arguments = "cx, p, r0, numbers"
    plan = f"Update on {table.name}\n  -> Key lookup on {table.name}"
    return _prepared(
        statement, table, slots, env, key_source + "\n" + code.source("change", arguments), plan,
        key=key_of, change=code.compile("change", arguments),
    )  # fmt: skip


def emit_update(code: Code, table: Table, columns: Sequence[Column], env: Environment, old: str = "r0") -> tuple[int, ...]:
    """Add what follows the assignments (v1, v2, …) of an updated row up to its return; the slots whose values are returned."""
    touched = {c.slot for c in columns if c.generated is None}
    generated = {c.slot for c in columns if c.generated is not None}
    unchanged = unchanged_source(code, table, sorted(touched), old)
    if unchanged and not generated:
        code.add(f"if {unchanged}: return None")
    emit_generated(code, table, env, touched, old)
    emit_not_null(code, table, touched, old)
    emit_checks(code, table, env, touched, old)
    slots = tuple(sorted(touched))
    code.add(f"return {tuple_source(f'v{s}' for s in slots)}" if slots else "return None")
    return slots


def _prepared(
    statement: ast.Update, table: Table, slots: tuple[int, ...], env: Environment, source: str, plan: str, **functions: Any
) -> PreparedUpdate:
    returning = functions.pop("returning", None)
    if returning is None and statement.returning:
        returning = prepare_returning(statement.returning, statement.alias or table.name, table, env)
    types = row_types(table)
    checks = effects(env.catalog, table, slots)
    moves = not set(slots).isdisjoint(table.key_slots)
    return PreparedUpdate(
        table, tuple(types[s - 1] for s in slots), key_types(table), returning.projection.columns if returning else (),
        resolved_parameters(env), source, plan, slots, checks, key_function(table), moves, returning=returning,
        joins="key" in functions and not moves and checks.free and returning is None and has_plain_key(table), **functions,
    )  # fmt: skip


# ---- by targets


def _by_targets(statement: ast.Update, table: Table, assigned: list[Assigned], env: Environment) -> PreparedUpdate:
    returning = None
    outputs: list[ast.Expression] = []
    places: dict[int, str] = {}
    code = Code()
    for column, expression in assigned:
        if isinstance(expression, ast.Default) and (column.sequence_id is not None or column.generated is not None):
            places[column.slot] = default_source(column, env, code)
        else:
            outputs.append(default_of(column) if isinstance(expression, ast.Default) else expression)
            places[column.slot] = f"t[{len(outputs)}]"
    want = [c.datatype for c, _ in assigned if places[c.slot].startswith("t[")]
    extra: list[ast.Name] = []
    if statement.returning and statement.from_:
        returning = prepare_returning(
            statement.returning, statement.alias or table.name, table, env,
            statement.from_, statement.where, statement.with_, len(outputs) + 1, extra,
        )  # fmt: skip
    targets = prepare_targets(
        env, table, statement.alias, statement.from_, statement.where, [*outputs, *extra], [*want, *(None for _ in extra)], statement.with_
    )
    code.add("r0 = t[0]")
    for column, _ in assigned:
        code.add(f"v{column.slot} = {places[column.slot]}")
    slots = emit_update(code, table, [c for c, _ in assigned], env)
    arguments = "cx, p, t, numbers"
    plan = f"Update on {table.name}\n" + "\n".join(f"  {line}" for line in targets.plan.splitlines())
    return _prepared(
        statement, table, slots, env, targets.source + "\n" + code.source("finish", arguments), plan,
        targets=targets, finish=code.compile("finish", arguments), returning=returning,
    )  # fmt: skip
