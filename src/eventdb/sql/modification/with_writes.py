"""WITH that changes rows: INSERT, UPDATE, DELETE and MERGE as common tables.

Each common table becomes a step that runs once, in the order in which they stand, whether it is read or not; what a write RETURNs is then
given to the steps behind it and to the main statement as a relation. All steps read the state from before the statement, so none sees
what another did but through RETURNING; a row that one has changed is passed over by the others (as in PostgreSQL).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eventdb.errors import NotSupportedError
from eventdb.model.datatype import DataType
from eventdb.model.record import Record, replace
from eventdb.model.schema import Column
from eventdb.sql.definition.queries import prepare_query
from eventdb.sql.environment import Environment, SystemTable
from eventdb.sql.modification.prepared import resolved_parameters
from eventdb.sql.parser import ast
from eventdb.sql.planner.binder import mentions
from eventdb.sql.prepared import ResultColumn


class Step(Record):
    """A query or write that runs by itself; `given` is the relation that its rows become for those behind it."""

    given: SystemTable
    prepared: Any


class PreparedWith(Record):
    """The steps, and the main statement: a PreparedQuery or what `prepare_write` gives."""

    steps: tuple[Step, ...]
    main: Any
    columns: tuple[ResultColumn, ...]
    parameters: tuple[DataType, ...]
    source: str
    plan: str
    joins: bool = False
    identity: Column | None = None


def prepare_with(statement: Any, env: Environment) -> PreparedWith:
    """Bind and compile the steps and the main statement. Raises ProgrammingError of many kinds, with their places."""
    prepared = _prepared(statement, env)
    if env.parameter_types:  # a type that a later step implied may be one that an earlier step had to guess
        prepared = _prepared(statement, env)
    return replace(prepared, parameters=resolved_parameters(env))


def _prepared(statement: Any, env: Environment) -> PreparedWith:
    env = replace(env, given={}, apart=True)
    with_: ast.With = statement.with_
    steps: list[Step] = []
    for place, table in enumerate(with_.tables):
        later = (statement.__class__, replace(statement, with_=None), *(other.query for other in with_.tables[place + 1 :]))
        read = mentions(later, table.name)
        if isinstance(table.query, ast.Query):
            if not read:
                continue
            name = ast.TableRef(ast.QualifiedName((table.name,), position=table.position), position=table.position)
            star = ast.SelectItem(ast.Star(position=table.position), position=table.position)
            inner = replace(with_, tables=with_.tables[: place + 1])
            prepared: Any = prepare_query(ast.Query(ast.Select((star,), (name,), position=table.position), inner), env)
        else:
            prepared = _write(_with(table.query, with_.tables[:place], with_), env)
            if read and not prepared.columns:
                message = f'WITH query "{table.name}" does not have a RETURNING clause'
                raise NotSupportedError(message).at(table.position, env.text)
        given = SystemTable("", f"{table.name} {place}", tuple((c.name, c.datatype) for c in prepared.columns))
        env.given[id(table)] = given
        steps.append(Step(given, prepared))
    main_node = _with(replace(statement, with_=None), with_.tables, with_)
    main = prepare_query(main_node, env) if isinstance(main_node, ast.Query) else _write(main_node, env)
    parts = [*((step.given.name, step.prepared) for step in steps), ("main", main)]
    plan = "\n".join([main.plan, *(_indented(name, prepared) for name, prepared in parts[:-1])])
    source = "\n".join(f"# {name}\n{prepared.source}" for name, prepared in parts)
    return PreparedWith(tuple(steps), main, tuple(main.columns), (), source, plan)


def _write(node: Any, env: Environment) -> Any:
    from eventdb.sql.modification import prepare_write

    return prepare_write(node, env)


def _with(node: Any, tables: Sequence[ast.CommonTable], outer: ast.With) -> Any:
    """The statement with those of the outer common tables that it reads in front of its own."""
    own = node.with_.tables if node.with_ is not None else ()
    used = tuple(table for table in tables if mentions(node, table.name))
    if not used and not own:
        return node
    recursive = outer.recursive or (node.with_ is not None and node.with_.recursive)
    return replace(node, with_=replace(outer, tables=used + own, recursive=recursive))


def _indented(name: str, prepared: Any) -> str:
    return f"  With {name.rsplit(' ', 1)[0]}\n" + "\n".join(f"    {line}" for line in prepared.plan.splitlines())
