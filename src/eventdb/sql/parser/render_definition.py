"""The text of CREATE, ALTER, DROP and COMMENT ON."""

from __future__ import annotations

from eventdb.sql.parser import ast
from eventdb.sql.parser.render_core import comma, dotted, name, names, optional_names, renders, text, words
from eventdb.sql.parser.render_expressions import OPERATOR, at, string
from eventdb.sql.parser.render_session import options


def _exists(said: bool, negated: bool = False) -> str | None:
    return ("IF NOT EXISTS" if negated else "IF EXISTS") if said else None


def _cascade(said: bool) -> str | None:
    return "CASCADE" if said else None


def _timing(node: ast.UniqueConstraint | ast.ForeignKeyConstraint) -> str | None:
    return words("DEFERRABLE" if node.deferrable else None, "INITIALLY DEFERRED" if node.deferred else None)


# ---- columns and constraints


@renders(ast.ColumnDefinition)
def _column(node: ast.ColumnDefinition) -> str:
    return words(name(node.name), text(node.type), *map(text, node.constraints))


@renders(ast.NotNull)
def _not_null(node: ast.NotNull) -> str:
    return words(_constraint_name(node.name), "NULL" if node.nullable else "NOT NULL")


@renders(ast.DefaultValue)
def _default(node: ast.DefaultValue) -> str:
    return f"DEFAULT {node.text}"


@renders(ast.IdentityColumn)
def _identity(node: ast.IdentityColumn) -> str:
    return words(f"GENERATED {'ALWAYS' if node.always else 'BY DEFAULT'} AS IDENTITY", _identity_options(node.options))


def _identity_options(node: ast.SequenceOptions | None) -> str | None:
    return f"({text(node)})" if node is not None else None


@renders(ast.GeneratedColumn)
def _generated(node: ast.GeneratedColumn) -> str:
    return f"GENERATED ALWAYS AS ({node.text}) {'STORED' if node.stored else 'VIRTUAL'}"


@renders(ast.CollateColumn)
def _collate(node: ast.CollateColumn) -> str:
    return f"COLLATE {dotted(node.collation)}"


def _constraint_name(said: str | None) -> str | None:
    return f"CONSTRAINT {name(said)}" if said is not None else None


@renders(ast.UniqueConstraint)
def _unique(node: ast.UniqueConstraint) -> str:
    return words(
        _constraint_name(node.name),
        "PRIMARY KEY" if node.primary else "UNIQUE",
        None if node.nulls_distinct else "NULLS NOT DISTINCT",
        names(node.columns) if node.columns else None,
        _timing(node),
    )


@renders(ast.CheckConstraint)
def _check(node: ast.CheckConstraint) -> str:
    return words(_constraint_name(node.name), f"CHECK ({node.text})")


@renders(ast.ForeignKeyConstraint)
def _foreign_key(node: ast.ForeignKeyConstraint) -> str:
    return words(
        _constraint_name(node.name),
        f"FOREIGN KEY {names(node.columns)}" if node.columns else None,
        f"REFERENCES {text(node.table)}{optional_names(node.referenced)}",
        "MATCH FULL" if node.match_full else None,
        f"ON DELETE {node.on_delete}{optional_names(node.set_columns)}" if node.on_delete != "NO ACTION" else None,
        f"ON UPDATE {node.on_update}" if node.on_update != "NO ACTION" else None,
        _timing(node),
    )


# ---- CREATE


@renders(ast.CreateTable)
def _create_table(node: ast.CreateTable) -> str:
    return words(
        "CREATE",
        "TEMPORARY" if node.temporary else None,
        "TABLE",
        _exists(node.if_not_exists, True),
        f"{text(node.name)} ({comma((*node.columns, *node.constraints))})",
        f"WITH {options(node.options)}" if node.options else None,
        f"ON COMMIT {node.on_commit.upper()}" if node.on_commit else None,
    )


@renders(ast.CreateTableAs)
def _create_table_as(node: ast.CreateTableAs) -> str:
    return words(
        "CREATE",
        "TEMPORARY" if node.temporary else None,
        "TABLE",
        _exists(node.if_not_exists, True),
        text(node.name) + optional_names(node.columns),
        f"ON COMMIT {node.on_commit.upper()}" if node.on_commit else None,
        f"AS {text(node.query)}",
        None if node.with_data else "WITH NO DATA",
    )


@renders(ast.IndexElement)
def _index_element(node: ast.IndexElement) -> str:
    expression = f"{at(node.expression, OPERATOR)} COLLATE {dotted(node.collation)}" if node.collation else node.text
    nulls = {None: None, True: "NULLS FIRST", False: "NULLS LAST"}[node.nulls_first]
    return words(expression, "DESC" if node.descending else None, nulls)


@renders(ast.CreateIndex)
def _create_index(node: ast.CreateIndex) -> str:
    return words(
        "CREATE",
        "UNIQUE" if node.unique else None,
        "INDEX",
        _exists(node.if_not_exists, True),
        name(node.name) if node.name is not None else None,
        f"ON {text(node.table)}",
        f"USING {name(node.method)}" if node.method != "btree" else None,
        f"({comma(node.elements)})",
        f"INCLUDE {names(node.include)}" if node.include else None,
        None if node.nulls_distinct else "NULLS NOT DISTINCT",
        f"WHERE {node.where_text}" if node.where is not None else None,
    )


@renders(ast.CreateView)
def _create_view(node: ast.CreateView) -> str:
    return words(
        "CREATE",
        "OR REPLACE" if node.or_replace else None,
        "TEMPORARY" if node.temporary else None,
        "VIEW",
        _exists(node.if_not_exists, True),
        text(node.name) + optional_names(node.columns),
        f"AS {node.text}",
    )


@renders(ast.SequenceOptions)
def _sequence_options(node: ast.SequenceOptions) -> str:
    def limit(word: str, value: object) -> str | None:
        return None if value is None else f"NO {word}" if value == "none" else f"{word} {value}"

    return words(
        f"AS {text(node.type)}" if node.type else None,
        f"START WITH {node.start}" if node.start is not None else None,
        f"INCREMENT BY {node.increment}" if node.increment is not None else None,
        limit("MINVALUE", node.minimum),
        limit("MAXVALUE", node.maximum),
        {None: None, True: "CYCLE", False: "NO CYCLE"}[node.cycle],
        f"CACHE {node.cache}" if node.cache is not None else None,
        f"OWNED BY {dotted(node.owned_by)}" if node.owned_by is not None else None,
        None if node.restart is None else "RESTART" if node.restart is True else f"RESTART WITH {node.restart}",
    )


@renders(ast.CreateSequence)
def _create_sequence(node: ast.CreateSequence) -> str:
    temporary = "TEMPORARY" if node.temporary else None
    return words("CREATE", temporary, "SEQUENCE", _exists(node.if_not_exists, True), text(node.name), text(node.options))


@renders(ast.CreateSchema)
def _create_schema(node: ast.CreateSchema) -> str:
    return words("CREATE SCHEMA", _exists(node.if_not_exists, True), name(node.name))


# ---- ALTER, DROP, COMMENT


@renders(ast.AlterTable)
def _alter_table(node: ast.AlterTable) -> str:
    return words("ALTER TABLE", _exists(node.if_exists), text(node.name), comma(node.actions))


@renders(ast.AlterObject)
def _alter_object(node: ast.AlterObject) -> str:
    return words(f"ALTER {node.kind.upper()}", _exists(node.if_exists), text(node.name), text(node.action))


@renders(ast.AddColumn)
def _add_column(node: ast.AddColumn) -> str:
    return words("ADD COLUMN", _exists(node.if_not_exists, True), text(node.column))


@renders(ast.DropColumn)
def _drop_column(node: ast.DropColumn) -> str:
    return words("DROP COLUMN", _exists(node.if_exists), name(node.name), _cascade(node.cascade))


@renders(ast.AlterColumnType)
def _alter_type(node: ast.AlterColumnType) -> str:
    using = f"USING {text(node.using)}" if node.using is not None else None
    return words(f"ALTER COLUMN {name(node.name)} TYPE {text(node.type)}", using)


@renders(ast.SetDefault)
def _set_default(node: ast.SetDefault) -> str:
    action = "DROP DEFAULT" if node.expression is None else f"SET DEFAULT {node.text}"
    return f"ALTER COLUMN {name(node.name)} {action}"


@renders(ast.SetNotNull)
def _set_not_null(node: ast.SetNotNull) -> str:
    return f"ALTER COLUMN {name(node.name)} {'SET' if node.not_null else 'DROP'} NOT NULL"


@renders(ast.SetIdentity)
def _set_identity(node: ast.SetIdentity) -> str:
    column = f"ALTER COLUMN {name(node.name)}"
    generated = {None: None, True: "GENERATED ALWAYS", False: "GENERATED BY DEFAULT"}[node.always]
    if node.action == "drop":
        return words(column, "DROP IDENTITY", _exists(node.if_exists))
    if node.action == "add":
        return words(column, f"ADD {generated} AS IDENTITY", _identity_options(node.options))
    changes = [f"SET {generated}"] if generated else []
    options_said = node.options or ast.SequenceOptions()
    for field in ("type", "start", "increment", "minimum", "maximum", "cycle", "cache", "owned_by", "restart"):
        value = getattr(options_said, field)
        if value is not None:
            changes.append(f"SET {text(ast.SequenceOptions(**{field: value}))}")
    return words(column, *changes)


@renders(ast.DropExpression)
def _drop_expression(node: ast.DropExpression) -> str:
    return words(f"ALTER COLUMN {name(node.name)} DROP EXPRESSION", _exists(node.if_exists))


@renders(ast.AddConstraint)
def _add_constraint(node: ast.AddConstraint) -> str:
    constraint = node.constraint
    if node.using_index is None:
        return f"ADD {text(constraint)}"
    assert isinstance(constraint, ast.UniqueConstraint)
    kind = "PRIMARY KEY" if constraint.primary else "UNIQUE"
    return words("ADD", _constraint_name(constraint.name), f"{kind} USING INDEX {name(node.using_index)}", _timing(constraint))


@renders(ast.DropConstraint)
def _drop_constraint(node: ast.DropConstraint) -> str:
    return words("DROP CONSTRAINT", _exists(node.if_exists), name(node.name), _cascade(node.cascade))


@renders(ast.RenameColumn)
def _rename_column(node: ast.RenameColumn) -> str:
    return f"RENAME COLUMN {name(node.name)} TO {name(node.new_name)}"


@renders(ast.RenameConstraint)
def _rename_constraint(node: ast.RenameConstraint) -> str:
    return f"RENAME CONSTRAINT {name(node.name)} TO {name(node.new_name)}"


@renders(ast.Rename)
def _rename(node: ast.Rename) -> str:
    return f"RENAME TO {name(node.new_name)}"


@renders(ast.SetSchema)
def _set_schema(node: ast.SetSchema) -> str:
    return f"SET SCHEMA {name(node.schema)}"


@renders(ast.SetOptions)
def _set_options(node: ast.SetOptions) -> str:
    if all(value is None for _, value in node.options):
        return f"RESET {names(key for key, _ in node.options)}"
    return f"SET {options(node.options)}"


@renders(ast.Drop)
def _drop(node: ast.Drop) -> str:
    return words(f"DROP {node.kind.upper()}", _exists(node.if_exists), comma(node.names), _cascade(node.cascade))


@renders(ast.CreateSubscription)
def _create_subscription(node: ast.CreateSubscription) -> str:
    return words(
        "CREATE SUBSCRIPTION",
        "IF NOT EXISTS" if node.if_not_exists else None,
        name(node.name),
        f"AFTER {text(node.after)}" if node.after else None,
        f"FOR TABLE {comma(node.tables)}" if node.tables else None,
    )


@renders(ast.DropSubscription)
def _drop_subscription(node: ast.DropSubscription) -> str:
    return words("DROP SUBSCRIPTION", _exists(node.if_exists), name(node.name))


@renders(ast.Comment)
def _comment(node: ast.Comment) -> str:
    on = f" ON {text(node.on)}" if node.on else ""
    comment = string(node.text) if node.text is not None else "NULL"
    return f"COMMENT ON {node.kind.upper()} {text(node.name)}{on} IS {comment}"
