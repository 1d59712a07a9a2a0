"""The text of INSERT, UPDATE, DELETE, MERGE, TRUNCATE and of the statements that undo and erase."""

from __future__ import annotations

from eventdb.sql.parser import ast
from eventdb.sql.parser.render_core import comma, name, names, optional_names, renders, text, words


def _with(node: ast.Insert | ast.Update | ast.Delete | ast.Merge) -> str | None:
    return text(node.with_) if node.with_ else None


def _as(alias: str | None) -> str | None:
    return f"AS {name(alias)}" if alias is not None else None


def _where(condition: ast.Expression | None) -> str | None:
    return f"WHERE {text(condition)}" if condition is not None else None


def _returning(items: tuple[ast.SelectItem, ...]) -> str | None:
    return f"RETURNING {comma(items)}" if items else None


@renders(ast.Assignment)
def _assignment(node: ast.Assignment) -> str:
    target = name(node.columns[0]) if len(node.columns) == 1 else names(node.columns)
    return f"{target} = {text(node.value)}"


@renders(ast.Insert)
def _insert(node: ast.Insert) -> str:
    return words(
        _with(node),
        f"INSERT INTO {text(node.table)}",
        _as(node.alias),
        names(node.columns) if node.columns else None,
        f"OVERRIDING {node.overriding.upper()} VALUE" if node.overriding else None,
        text(node.source) if node.source else "DEFAULT VALUES",
        text(node.on_conflict) if node.on_conflict else None,
        _returning(node.returning),
    )


@renders(ast.OnConflict)
def _on_conflict(node: ast.OnConflict) -> str:
    return words(
        "ON CONFLICT",
        f"({comma(node.columns)})" if node.columns else None,
        _where(node.index_where),
        f"ON CONSTRAINT {name(node.constraint)}" if node.constraint is not None else None,
        f"DO UPDATE SET {comma(node.assignments)}" if node.update else "DO NOTHING",
        _where(node.where),
    )


@renders(ast.Update)
def _update(node: ast.Update) -> str:
    return words(
        _with(node),
        f"UPDATE {text(node.table)}",
        _as(node.alias),
        f"SET {comma(node.assignments)}",
        f"FROM {comma(node.from_)}" if node.from_ else None,
        _where(node.where),
        _returning(node.returning),
    )


@renders(ast.Delete)
def _delete(node: ast.Delete) -> str:
    return words(
        _with(node),
        f"DELETE FROM {text(node.table)}",
        _as(node.alias),
        f"USING {comma(node.using)}" if node.using else None,
        _where(node.where),
        _returning(node.returning),
    )


@renders(ast.Merge)
def _merge(node: ast.Merge) -> str:
    return words(
        _with(node),
        f"MERGE INTO {text(node.table)}",
        _as(node.alias),
        f"USING {text(node.source)} ON {text(node.on)}",
        *map(text, node.whens),
        _returning(node.returning),
    )


@renders(ast.MergeWhen)
def _merge_when(node: ast.MergeWhen) -> str:
    match node.action:
        case "update":
            action = f"UPDATE SET {comma(node.assignments)}"
        case "delete":
            action = "DELETE"
        case "nothing":
            action = "DO NOTHING"
        case "insert":
            values = f"VALUES ({comma(node.values)})" if node.values else "DEFAULT VALUES"
            overriding = f" OVERRIDING {node.overriding.upper()} VALUE" if node.overriding else ""
            action = f"INSERT{optional_names(node.columns)}{overriding} {values}"
    condition = f" AND {text(node.condition)}" if node.condition is not None else ""
    by = " BY SOURCE" if node.by_source else ""
    return f"WHEN {'' if node.matched else 'NOT '}MATCHED{by}{condition} THEN {action}"


@renders(ast.Truncate)
def _truncate(node: ast.Truncate) -> str:
    return words(
        f"TRUNCATE {comma(node.tables)}",
        "RESTART IDENTITY" if node.restart_identity else None,
        "CASCADE" if node.cascade else None,
    )


@renders(ast.Erase)
def _erase(node: ast.Erase) -> str:
    return words(f"ERASE FROM {text(node.table)}", _as(node.alias), _where(node.where))


@renders(ast.DeleteHistory)
def _delete_history(node: ast.DeleteHistory) -> str:
    return words(
        "DELETE HISTORY",
        f"FROM {text(node.table)}" if node.table is not None else None,
        f"BEFORE SYSTEM_TIME {text(node.before)}" if node.before is not None else None,
        "DRY RUN" if node.dry_run else None,
    )


@renders(ast.RevertTransaction)
def _revert(node: ast.RevertTransaction) -> str:
    return f"REVERT TRANSACTION {text(ast.Moment(node.transaction))}"


@renders(ast.FlashbackTable)
def _flashback(node: ast.FlashbackTable) -> str:
    renamed = f" RENAME TO {name(node.new_name)}" if node.new_name is not None else ""
    return f"FLASHBACK TABLE {', '.join(map(text, node.tables))} TO {text(node.to) if node.to else 'BEFORE DROP'}{renamed}"
