"""MERGE prepared: one query pairs source and target and picks the branch of each pair; each branch has a function that makes its row.

As in PostgreSQL the first WHEN clause that fits decides, every row of the target is changed at most once, and RETURNING sees the row as it
is afterwards (a deleted one as it was) beside the source's row, with merge_action() telling what was done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from eventdb.errors import SQLSyntaxError
from eventdb.model import record
from eventdb.model.datatype import TEXT, DataType
from eventdb.model.record import Record
from eventdb.model.schema import Column, Table
from eventdb.sql.compiler import column_names
from eventdb.sql.compiler.merge import FIRST, Branch, prepare_merge_rows
from eventdb.sql.definition.names import find_table
from eventdb.sql.definition.queries import prepare_projection
from eventdb.sql.definition.rows import Code
from eventdb.sql.environment import Environment
from eventdb.sql.modification.assignments import default_of, resolve
from eventdb.sql.modification.defaults import default_source
from eventdb.sql.modification.effects import Effects, effects
from eventdb.sql.modification.insert import _accepts, _emit_loop, _fit, _targets
from eventdb.sql.modification.making import key_types, row_types
from eventdb.sql.modification.prepared import (
    Parameters,
    PreparedDelete,
    PreparedInsert,
    Returning,
    Row,
    key_function,
    resolved_parameters,
)
from eventdb.sql.modification.returning import other_table, references_replaced
from eventdb.sql.modification.update import emit_update
from eventdb.sql.parser import ast
from eventdb.sql.prepared import PreparedQuery, ResultColumn

Make = Callable[..., Any]


class Action(Record):
    """What a branch does. update: `make(execution, parameters, query's row, numbers)` gives the values of `slots`, None where nothing
    changes. insert: `make(execution, parameters, query's rows, row_ids, numbers)` gives the new rows in slot order."""

    kind: str
    make: Make | None = None
    slots: tuple[int, ...] = ()


class PreparedMerge(Record):
    """MERGE. `targets` gives rows as `compiler.merge.prepare_merge_rows` says. `insert` and `delete` describe what must be checked;
    `slots` and `changes` are those of all updates together. RETURNING reads pairs of the target's row and the query's outputs from place
    `first` on, behind the name of the action."""

    table: Table
    columns: tuple[ResultColumn, ...]
    parameters: tuple[DataType, ...]
    source: str
    plan: str
    targets: PreparedQuery
    actions: tuple[Action, ...]
    key_of: Callable[[Row], Any]
    insert: PreparedInsert
    delete: PreparedDelete
    slots: tuple[int, ...]
    changes: Effects
    returning: Returning | None = None
    joins: bool = False
    identity: Column | None = None


def prepare_merge(statement: ast.Merge, env: Environment) -> PreparedMerge:
    """Bind and compile a MERGE. Raises ProgrammingError of many kinds, with their places."""
    table = find_table(env, statement.table, "merge into")
    _check_reachable(statement, env)
    branches: list[Branch] = []
    actions: list[Action] = []
    sources: list[str] = []
    place = FIRST
    for when in statement.whens:
        branch, action, source = _BRANCHES[when.action](when, table, place, env)
        branches.append(branch)
        actions.append(action)
        sources.append(source)
        place += len(branch.outputs)
    items, names = _returned(statement, table, env)
    targets = prepare_merge_rows(env, statement, table, branches, names)
    returning = None
    if statement.returning:
        other = other_table([ResultColumn("merge_action", TEXT), *targets.columns[place - 1 :]])
        alias = statement.alias or table.name
        returning = Returning(prepare_projection(env, [(alias, table), other], items), place)
    slots = tuple(sorted({slot for action in actions for slot in action.slots}))
    types, checks = row_types(table), effects(env.catalog, table)
    parameters = resolved_parameters(env)
    columns = returning.projection.columns if returning else ()
    plan = f"Merge on {table.name}\n" + "\n".join(f"  {line}" for line in targets.plan.splitlines())
    insert = PreparedInsert(table, types, (), parameters, "", "", _no_rows, None, checks, None)
    delete = PreparedDelete(table, key_types(table), (), parameters, "", "", checks, key_function(table))
    return PreparedMerge(
        table, columns, parameters, "\n".join([targets.source, *sources]), plan, targets, tuple(actions), key_function(table),
        insert, delete, slots, effects(env.catalog, table, slots), returning,
    )  # fmt: skip


def _no_rows(cx: Any, p: Parameters, row_ids: Any, numbers: Any) -> list[Row]:
    return []


def _check_reachable(statement: ast.Merge, env: Environment) -> None:
    """Raise SQLSyntaxError for a WHEN clause behind one of its kind that takes everything."""
    closed: set[tuple[bool, bool]] = set()
    for when in statement.whens:
        kind = when.matched, when.by_source
        if kind in closed:
            raise SQLSyntaxError("unreachable WHEN clause specified after unconditional WHEN clause").at(when.position, env.text)
        if when.condition is None:
            closed.add(kind)


# ---- branches

Prepared = tuple[Branch, Action, str]


def _nothing(when: ast.MergeWhen, table: Table, place: int, env: Environment) -> Prepared:
    return Branch(when, (), ()), Action(when.action), ""


def _update(when: ast.MergeWhen, table: Table, place: int, env: Environment) -> Prepared:
    code = Code()
    code.add("r0 = t[0]")
    outputs: list[ast.Expression] = []
    want: list[DataType | None] = []
    assigned = resolve(when.assignments, table, env)
    for column, expression in assigned:
        if isinstance(expression, ast.Default) and (column.sequence_id is not None or column.generated is not None):
            code.add(f"v{column.slot} = {default_source(column, env, code)}")
            continue
        code.add(f"v{column.slot} = t[{place + len(outputs)}]")
        outputs.append(default_of(column) if isinstance(expression, ast.Default) else expression)
        want.append(column.datatype)
    slots = emit_update(code, table, [column for column, _ in assigned], env)
    arguments = "cx, p, t, numbers"
    action = Action("update", code.compile("change", arguments), slots)
    return Branch(when, tuple(outputs), tuple(want)), action, code.source("change", arguments)


def _insert(when: ast.MergeWhen, table: Table, place: int, env: Environment) -> Prepared:
    like = ast.Insert(ast.QualifiedName((table.name,)), when.columns, overriding=when.overriding, position=when.position)
    targets = _targets(like, table, env)
    if when.values:
        targets = _fit(like, targets, len(when.values), env, when.position)
    code = Code()
    outputs: list[ast.Expression] = []
    want: list[DataType | None] = []
    places: dict[int, str] = {}
    for column, value in zip(targets, when.values, strict=False):
        if not isinstance(value, ast.Default) and _accepts(like, column, env, value.position):
            places[column.slot] = f"r[{place + len(outputs)}]"
            outputs.append(value)
            want.append(column.datatype)
    _emit_loop(code, table, places, env)
    arguments = "cx, p, source, row_ids, numbers"
    return Branch(when, tuple(outputs), tuple(want)), Action("insert", code.compile("make", arguments)), code.source("make", arguments)


_BRANCHES: dict[str, Callable[[ast.MergeWhen, Table, int, Environment], Prepared]] = {
    "update": _update, "insert": _insert, "delete": _nothing, "nothing": _nothing,
}  # fmt: skip


# ---- RETURNING


def _returned(statement: ast.Merge, table: Table, env: Environment) -> tuple[Sequence[ast.SelectItem], list[ast.Expression]]:
    """The items of RETURNING over the target and the table of other values, and the names of source columns among those."""
    if not statement.returning:
        return (), []
    alias = statement.alias or table.name
    known = list(env.parameter_types)
    items: list[ast.SelectItem] = []
    for item in statement.returning:
        star = item.expression
        if not isinstance(star, ast.Star) or star.qualifier == (alias,):
            items.append(item)
            continue
        names = column_names(env, table, alias, (statement.source,), statement.with_, star)
        if not star.qualifier:  # the source's columns come first here
            count = len(table.visible)
            names = names[count:] + names[:count]
        items += [ast.SelectItem(name, name.parts[-1], position=item.position) for name in names]
    env.parameter_types[:] = known
    extra: list[ast.Name] = [ast.Name(("merge_action()",))]
    made = [_action_named(item) for item in items]
    return [references_replaced(item, alias, table, extra) for item in made], list(extra[1:])


def _action_named(item: ast.SelectItem) -> ast.SelectItem:
    """The item with merge_action() as the first of the other values."""

    def replaced(node: Any) -> Any:
        if isinstance(node, ast.Function) and node.name == ("merge_action",) and not node.arguments:
            return ast.Name(("merge_action()",), position=node.position)
        if isinstance(node, tuple):
            return tuple(replaced(part) for part in node)
        if isinstance(node, ast.Node) and not isinstance(node, ast.Query):
            return record.replace(node, **{f.name: replaced(getattr(node, f.name)) for f in record.fields(node) if f.name != "position"})
        return node

    own = item.expression
    bare = isinstance(own, ast.Function) and own.name == ("merge_action",)
    return record.replace(item, expression=replaced(own), alias=item.alias or ("merge_action" if bare else None))
