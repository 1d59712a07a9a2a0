"""RETURNING of UPDATE and DELETE.

It sees the changed row of the target and, with FROM or USING, the columns of the other tables (`*` gives the target's first). Those columns
are fetched with the targets (before the change) and read back here from an unnamed table of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eventdb.model import record
from eventdb.model.schema import Column, Table
from eventdb.sql.definition.queries import column_names, prepare_projection, prepare_targets
from eventdb.sql.environment import Environment
from eventdb.sql.modification.prepared import Returning
from eventdb.sql.parser import ast
from eventdb.sql.prepared import ResultColumn

_OTHER = "_other"


def prepare_returning(
    items: Sequence[ast.SelectItem], alias: str, table: Table, env: Environment,
    from_: tuple[ast.TableExpression, ...] = (), where: ast.Expression | None = None, with_: ast.With | None = None,
    first: int = 1, extra: list[ast.Name] | None = None,
) -> Returning:  # fmt: skip
    """Bind RETURNING over the target and, where `from_` is given, over the names that it brings in.

    Such names are added to `extra`: the caller has the target query put out their values from place `first` on.
    """
    if not from_ or extra is None:
        return Returning(prepare_projection(env, [(alias, table)], items))
    known = list(env.parameter_types)
    items = [written for item in items for written in _written_out(item, alias, table, env, from_, with_)]
    env.parameter_types[:] = known
    rewritten = [references_replaced(item, alias, table, extra) for item in items]
    if not extra:
        return Returning(prepare_projection(env, [(alias, table)], items))
    probe = prepare_targets(env, table, alias if alias != table.name else None, from_, where, extra, [None for _ in extra], with_)
    env.parameter_types[:] = known
    return Returning(prepare_projection(env, [(alias, table), other_table(probe.columns[-len(extra) :])], rewritten), first)


def other_table(columns: Sequence[ResultColumn]) -> tuple[str, Table]:
    """The unnamed table of what other tables gave, as a source of a projection."""
    made = tuple(Column(i + 1, f"c{i}", column.datatype, i + 1) for i, column in enumerate(columns))
    return _OTHER, Table(-1, "", _OTHER, -1, made, (1,), width=len(made) + 1, base_width=len(made) + 1)


def _written_out(
    item: ast.SelectItem, alias: str, table: Table, env: Environment, from_: tuple[ast.TableExpression, ...], with_: ast.With | None
) -> list[ast.SelectItem]:
    """`*` as the columns that it stands for; any other item as it is."""
    star = item.expression
    if not isinstance(star, ast.Star) or star.qualifier == (alias,):
        return [item]
    return [ast.SelectItem(name, name.parts[-1], position=item.position) for name in column_names(env, table, alias, from_, with_, star)]


def references_replaced(item: ast.SelectItem, alias: str, table: Table, extra: list[ast.Name]) -> ast.SelectItem:
    """The item with columns of other tables replaced by their places in `other_table`; new ones are added to `extra`."""
    expression = _replace_names(item.expression, alias, table, extra)
    name = item.alias
    if name is None and isinstance(item.expression, ast.Name):
        name = item.expression.parts[-1]
    return record.replace(item, expression=expression, alias=name)


def _replace_names(node: Any, alias: str, table: Table, extra: list[ast.Name]) -> Any:
    """`node` with every name of another table's column replaced by its place among `extra`."""
    if isinstance(node, ast.Name):
        own = node.parts[-1] in table.by_name and not table.by_name[node.parts[-1]].hidden
        if node.parts[0] == alias if len(node.parts) > 1 else own:
            return node
        if node not in extra:
            extra.append(node)
        return ast.Name((_OTHER, f"c{extra.index(node)}"), position=node.position)
    if isinstance(node, tuple):
        return tuple(_replace_names(part, alias, table, extra) for part in node)
    if isinstance(node, ast.Node) and not isinstance(node, ast.Query):
        changes = {
            f.name: _replace_names(getattr(node, f.name), alias, table, extra) for f in record.fields(node) if f.name != "position"
        }
        return record.replace(node, **changes)
    return node
