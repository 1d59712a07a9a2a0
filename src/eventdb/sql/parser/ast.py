"""The syntax tree: what the text says, nothing about what it means.

Immutable records, tuples for lists. Names are already folded (unquoted names to lower case). `position` is the offset in the text of the
token that an error about the node should point to; it takes no part in equality.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal as OneOf

from eventdb.model.record import Record, field


class Node(Record):
    position: int = field(default=-1, compare=False, repr=False, kw_only=True)


# ---- names and types


class TypeName(Node):
    """`name` is lower case with single spaces ("double precision", "timestamp with time zone"); `arguments` its modifiers."""

    name: str
    arguments: tuple[int, ...] = ()


class QualifiedName(Node):
    """A relation's name: (name,) or (schema, name)."""

    parts: tuple[str, ...]


# ---- expressions


class Literal(Node):
    """An integer (int), a number with point or exponent (Decimal), a string (str), TRUE/FALSE (bool), NULL (None), X'…' (bytes).

    A typed literal (DATE '2020-01-01', INTERVAL '1 day') is a Cast of a string literal.
    """

    value: int | Decimal | str | bool | bytes | None


class Name(Node):
    """A column reference: (column,), (table, column) or (schema, table, column)."""

    parts: tuple[str, ...]


class Star(Node):
    """`*` or `t.*` in a select list or RETURNING."""

    qualifier: tuple[str, ...] = ()


class Parameter(Node):
    """`?` (key: 0-based ordinal among the marks of the statement) or `:name` (key: the name)."""

    key: int | str


class Default(Node):
    """DEFAULT in VALUES or SET."""


class Unary(Node):
    """operator: "-", "+", "~", "not"."""

    operator: str
    operand: Expression


class Binary(Node):
    """operator: + - * / % ^ || = <> < <= > >= and or -> ->> #> #>> @> <@ ? & | # << >> ~ ~* !~ !~* (`!=` is read as `<>`)."""

    operator: str
    left: Expression
    right: Expression


class Like(Node):
    operand: Expression
    pattern: Expression
    escape: Expression | None = None
    kind: OneOf["like", "ilike", "similar"] = "like"
    negated: bool = False


class IsNull(Node):
    operand: Expression
    negated: bool = False


class IsTruth(Node):
    """IS [NOT] TRUE | FALSE | UNKNOWN (value None)."""

    operand: Expression
    value: bool | None
    negated: bool = False


class IsDistinct(Node):
    left: Expression
    right: Expression
    negated: bool = False


class Between(Node):
    operand: Expression
    low: Expression
    high: Expression
    negated: bool = False
    symmetric: bool = False


class InList(Node):
    operand: Expression
    items: tuple[Expression, ...]
    negated: bool = False


class InQuery(Node):
    operand: Expression
    query: Query
    negated: bool = False


class Quantified(Node):
    """operand operator ANY | ALL (query)."""

    operand: Expression
    operator: str
    quantifier: OneOf["any", "all"]
    query: Query


class Exists(Node):
    query: Query


class Subquery(Node):
    """A scalar subquery, or a row subquery beside a row value."""

    query: Query


class Case(Node):
    operand: Expression | None
    whens: tuple[tuple[Expression, Expression], ...]
    otherwise: Expression | None = None


class Cast(Node):
    operand: Expression
    type: TypeName


class RowValue(Node):
    """(a, b, …) with two or more items, or ROW(…)."""

    items: tuple[Expression, ...]


class Collate(Node):
    operand: Expression
    collation: tuple[str, ...]


class Function(Node):
    """A call. Special forms are calls too, under PostgreSQL's internal names: EXTRACT(f FROM x) is extract('f', x), x AT TIME ZONE z is
    timezone(z, x), SUBSTRING(x FROM a FOR b) substring(x, a, b), POSITION(a IN b) position(a, b) [argument order as written],
    TRIM(LEADING c FROM x) ltrim(x, c), TRAILING rtrim, BOTH btrim, OVERLAY(x PLACING y FROM a FOR b) overlay(x, y, a, b),
    CURRENT_DATE and its kin current_date(), COALESCE, NULLIF, GREATEST, LEAST as themselves.
    """

    name: tuple[str, ...]
    arguments: tuple[Expression, ...] = ()
    star: bool = False
    distinct: bool = False
    order_by: tuple[OrderItem, ...] = ()
    within_group: tuple[OrderItem, ...] = ()
    filter: Expression | None = None
    over: Window | str | None = None
    """A window definition, or the name of one."""
    nulls: OneOf["respect", "ignore"] = "respect"


class Bound(Node):
    """A frame bound; `offset` only for preceding/following with a value."""

    kind: OneOf["unbounded preceding", "preceding", "current row", "following", "unbounded following"]
    offset: Expression | None = None


class Frame(Node):
    mode: OneOf["rows", "range", "groups"]
    start: Bound
    end: Bound
    exclude: OneOf["no others", "current row", "group", "ties"] = "no others"


class Window(Node):
    """`base` names the window that this one refines."""

    base: str | None = None
    partition_by: tuple[Expression, ...] = ()
    order_by: tuple[OrderItem, ...] = ()
    frame: Frame | None = None


Expression = (
    Literal | Name | Star | Parameter | Default | Unary | Binary | Like | IsNull | IsTruth | IsDistinct | Between | InList | InQuery
    | Quantified | Exists | Subquery | Case | Cast | RowValue | Collate | Function
)  # fmt: skip


class OrderItem(Node):
    """nulls_first None: the default (last for ascending, first for descending, as in PostgreSQL)."""

    expression: Expression
    descending: bool = False
    nulls_first: bool | None = None


# ---- queries


class SelectItem(Node):
    expression: Expression
    alias: str | None = None


class GroupingSets(Node):
    """ROLLUP, CUBE or GROUPING SETS; an element of a set is a tuple of expressions."""

    kind: OneOf["rollup", "cube", "sets"]
    sets: tuple[tuple[Expression, ...] | GroupingSets, ...]


class Select(Node):
    items: tuple[SelectItem, ...]
    from_: tuple[TableExpression, ...] = ()
    where: Expression | None = None
    group_by: tuple[Expression | GroupingSets, ...] = ()
    having: Expression | None = None
    distinct: bool | tuple[Expression, ...] = False
    """True for DISTINCT, expressions for DISTINCT ON."""
    windows: tuple[tuple[str, Window], ...] = ()


class Values(Node):
    rows: tuple[tuple[Expression, ...], ...]


class SetOperation(Node):
    operator: OneOf["union", "intersect", "except"]
    all: bool
    left: QueryBody
    right: QueryBody


class CommonTable(Node):
    name: str
    columns: tuple[str, ...]
    query: Query | Insert | Update | Delete | Merge
    materialized: bool | None = None


class With(Node):
    tables: tuple[CommonTable, ...]
    recursive: bool = False


class Locking(Node):
    strength: OneOf["update", "no key update", "share", "key share"]
    of: tuple[str, ...] = ()
    wait: OneOf["wait", "nowait", "skip locked"] = "wait"


class Query(Node):
    """A whole query expression: WITH, body, ORDER BY, LIMIT. TABLE t is SELECT * FROM t."""

    body: QueryBody
    with_: With | None = None
    order_by: tuple[OrderItem, ...] = ()
    limit: Expression | None = None
    offset: Expression | None = None
    with_ties: bool = False
    percent: bool = False
    locking: tuple[Locking, ...] = ()


QueryBody = Select | Values | SetOperation | Query


# ---- table expressions


class Alias(Node):
    name: str
    columns: tuple[str, ...] = ()


class Moment(Node):
    """A point in system time: a transaction number (`transaction`), or a timestamp."""

    expression: Expression
    transaction: bool = False


class SystemTime(Node):
    """FOR SYSTEM_TIME AS OF start | FROM start TO end | BETWEEN start AND end | ALL."""

    kind: OneOf["as of", "from", "between", "all"]
    start: Moment | None = None
    end: Moment | None = None


class TableRef(Node):
    name: QualifiedName
    alias: Alias | None = None
    system_time: SystemTime | None = None


class DerivedTable(Node):
    query: Query
    alias: Alias | None = None
    lateral: bool = False


class TableFunction(Node):
    function: Function
    alias: Alias | None = None
    lateral: bool = False
    with_ordinality: bool = False


class Join(Node):
    """`on` or `using` or `natural`, none for cross."""

    kind: OneOf["inner", "left", "right", "full", "cross"]
    left: TableExpression
    right: TableExpression
    on: Expression | None = None
    using: tuple[str, ...] = ()
    natural: bool = False


TableExpression = TableRef | DerivedTable | TableFunction | Join


# ---- data manipulation


class Assignment(Node):
    """SET column = value; several columns with a row value or a subquery: SET (a, b) = …."""

    columns: tuple[str, ...]
    value: Expression


class OnConflict(Node):
    """ON CONFLICT [(target) [WHERE …] | ON CONSTRAINT name] DO NOTHING (assignments empty, update False) | DO UPDATE SET …."""

    columns: tuple[Expression, ...] = ()
    index_where: Expression | None = None
    constraint: str | None = None
    update: bool = False
    assignments: tuple[Assignment, ...] = ()
    where: Expression | None = None


class Insert(Node):
    """`source` None: DEFAULT VALUES. `column_positions`: where each of `columns` stands in the text."""

    table: QualifiedName
    columns: tuple[str, ...] = ()
    source: Query | None = None
    alias: str | None = None
    overriding: OneOf["system", "user"] | None = None
    on_conflict: OnConflict | None = None
    returning: tuple[SelectItem, ...] = ()
    with_: With | None = None
    column_positions: tuple[int, ...] = field(default=(), compare=False, repr=False, kw_only=True)


class Update(Node):
    table: QualifiedName
    assignments: tuple[Assignment, ...]
    alias: str | None = None
    from_: tuple[TableExpression, ...] = ()
    where: Expression | None = None
    returning: tuple[SelectItem, ...] = ()
    with_: With | None = None


class Delete(Node):
    table: QualifiedName
    alias: str | None = None
    using: tuple[TableExpression, ...] = ()
    where: Expression | None = None
    returning: tuple[SelectItem, ...] = ()
    with_: With | None = None


class MergeWhen(Node):
    """WHEN [NOT] MATCHED [BY SOURCE] [AND condition] THEN action; `values` for insert, empty for DEFAULT VALUES."""

    matched: bool
    action: OneOf["update", "delete", "insert", "nothing"]
    condition: Expression | None = None
    assignments: tuple[Assignment, ...] = ()
    columns: tuple[str, ...] = ()
    values: tuple[Expression, ...] = ()
    by_source: bool = False
    overriding: OneOf["system", "user"] | None = None


class Merge(Node):
    table: QualifiedName
    alias: str | None
    source: TableExpression
    on: Expression
    whens: tuple[MergeWhen, ...]
    returning: tuple[SelectItem, ...] = ()
    with_: With | None = None


class Truncate(Node):
    tables: tuple[QualifiedName, ...]
    restart_identity: bool = False
    cascade: bool = False


class Erase(Node):
    """ERASE FROM table [alias] [WHERE …]: out of current rows, history, log and snapshots."""

    table: QualifiedName
    alias: str | None = None
    where: Expression | None = None


class DeleteHistory(Node):
    """DELETE HISTORY [FROM table [BEFORE moment]] [DRY RUN]: without a moment as the table's retention says, without a table for all."""

    table: QualifiedName | None = None
    before: Moment | None = None
    dry_run: bool = False


class RevertTransaction(Node):
    """REVERT TRANSACTION number."""

    transaction: Expression


class FlashbackTable(Node):
    """FLASHBACK TABLE tables TO moment; `to` None: TO BEFORE DROP [RENAME TO new_name], of one table."""

    tables: tuple[QualifiedName, ...]
    to: Moment | None = None
    new_name: str | None = None


# ---- data definition


class SequenceOptions(Node):
    """What CREATE/ALTER SEQUENCE and identity columns may say; None where not said. `restart` True: RESTART without a value."""

    type: TypeName | None = None
    start: int | None = None
    increment: int | None = None
    minimum: int | OneOf["none"] | None = None
    maximum: int | OneOf["none"] | None = None
    cycle: bool | None = None
    cache: int | None = None
    owned_by: tuple[str, ...] | None = None
    restart: int | bool | None = None


class NotNull(Node):
    name: str | None = None
    nullable: bool = False
    """True for an explicit NULL."""


class DefaultValue(Node):
    expression: Expression
    text: str


class IdentityColumn(Node):
    always: bool
    options: SequenceOptions | None = None


class GeneratedColumn(Node):
    expression: Expression
    text: str
    stored: bool = True


class CollateColumn(Node):
    collation: tuple[str, ...]


class UniqueConstraint(Node):
    """UNIQUE or PRIMARY KEY; `columns` empty on a column constraint."""

    name: str | None = None
    columns: tuple[str, ...] = ()
    primary: bool = False
    nulls_distinct: bool = True
    deferrable: bool = False
    deferred: bool = False


class CheckConstraint(Node):
    expression: Expression
    text: str
    name: str | None = None


class ForeignKeyConstraint(Node):
    """FOREIGN KEY … REFERENCES, or REFERENCES on a column (`columns` empty). Actions are upper-case SQL words."""

    table: QualifiedName
    name: str | None = None
    columns: tuple[str, ...] = ()
    referenced: tuple[str, ...] = ()
    on_delete: str = "NO ACTION"
    on_update: str = "NO ACTION"
    set_columns: tuple[str, ...] = ()
    match_full: bool = False
    deferrable: bool = False
    deferred: bool = False


TableConstraint = UniqueConstraint | CheckConstraint | ForeignKeyConstraint
ColumnConstraint = NotNull | DefaultValue | IdentityColumn | GeneratedColumn | CollateColumn | TableConstraint


class ColumnDefinition(Node):
    name: str
    type: TypeName
    constraints: tuple[ColumnConstraint, ...] = ()


class CreateTable(Node):
    name: QualifiedName
    columns: tuple[ColumnDefinition, ...] = ()
    constraints: tuple[TableConstraint, ...] = ()
    if_not_exists: bool = False
    temporary: bool = False
    options: tuple[tuple[str, Expression], ...] = ()
    on_commit: OneOf["preserve rows", "delete rows", "drop"] | None = None


class CreateTableAs(Node):
    name: QualifiedName
    query: Query
    columns: tuple[str, ...] = ()
    if_not_exists: bool = False
    temporary: bool = False
    with_data: bool = True
    on_commit: OneOf["preserve rows", "delete rows", "drop"] | None = None


class AddColumn(Node):
    column: ColumnDefinition
    if_not_exists: bool = False


class DropColumn(Node):
    name: str
    if_exists: bool = False
    cascade: bool = False


class AlterColumnType(Node):
    name: str
    type: TypeName
    using: Expression | None = None


class SetDefault(Node):
    """expression None: DROP DEFAULT."""

    name: str
    expression: Expression | None = None
    text: str | None = None


class SetNotNull(Node):
    name: str
    not_null: bool = True


class SetIdentity(Node):
    """ADD GENERATED, SET GENERATED …, DROP IDENTITY."""

    name: str
    action: OneOf["add", "set", "drop"]
    always: bool | None = None
    options: SequenceOptions | None = None
    if_exists: bool = False


class DropExpression(Node):
    name: str
    if_exists: bool = False


class AddConstraint(Node):
    constraint: TableConstraint
    using_index: str | None = None


class DropConstraint(Node):
    name: str
    if_exists: bool = False
    cascade: bool = False


class RenameColumn(Node):
    name: str
    new_name: str


class RenameConstraint(Node):
    name: str
    new_name: str


class Rename(Node):
    """RENAME TO, of any object."""

    new_name: str


class SetSchema(Node):
    schema: str


class SetOptions(Node):
    """SET (option = value, …); value None for RESET (option)."""

    options: tuple[tuple[str, Expression | None], ...]


AlterAction = (
    AddColumn | DropColumn | AlterColumnType | SetDefault | SetNotNull | SetIdentity | DropExpression | AddConstraint | DropConstraint
    | RenameColumn | RenameConstraint | Rename | SetSchema | SetOptions
)  # fmt: skip


class AlterTable(Node):
    name: QualifiedName
    actions: tuple[AlterAction, ...]
    if_exists: bool = False


class AlterObject(Node):
    """ALTER INDEX | VIEW | SEQUENCE | SCHEMA … RENAME TO, SET SCHEMA, or sequence options."""

    kind: OneOf["index", "view", "sequence", "schema"]
    name: QualifiedName
    action: Rename | SetSchema | SequenceOptions
    if_exists: bool = False


class IndexElement(Node):
    expression: Expression
    text: str
    descending: bool = False
    nulls_first: bool | None = None
    collation: tuple[str, ...] = ()


class CreateIndex(Node):
    table: QualifiedName
    elements: tuple[IndexElement, ...]
    name: str | None = None
    unique: bool = False
    if_not_exists: bool = False
    method: str = "btree"
    include: tuple[str, ...] = ()
    nulls_distinct: bool = True
    where: Expression | None = None
    where_text: str | None = None
    method_position: int = field(default=-1, compare=False, repr=False, kw_only=True)


class CreateView(Node):
    """`text` is the query's own text."""

    name: QualifiedName
    query: Query
    text: str
    columns: tuple[str, ...] = ()
    or_replace: bool = False
    if_not_exists: bool = False
    temporary: bool = False


class CreateSequence(Node):
    name: QualifiedName
    options: SequenceOptions
    if_not_exists: bool = False
    temporary: bool = False


class CreateSchema(Node):
    name: str
    if_not_exists: bool = False


class Drop(Node):
    kind: OneOf["table", "view", "index", "sequence", "schema"]
    names: tuple[QualifiedName, ...]
    if_exists: bool = False
    cascade: bool = False


class CreateSubscription(Node):
    """CREATE SUBSCRIPTION name [AFTER moment] [FOR TABLE names]; tables empty: all."""

    name: str
    after: Moment | None = None
    tables: tuple[QualifiedName, ...] = ()
    if_not_exists: bool = False


class DropSubscription(Node):
    name: str
    if_exists: bool = False


class Comment(Node):
    """COMMENT ON kind name IS text; for a column the last part of the name is the column, for a constraint `on` is its table."""

    kind: OneOf["table", "column", "view", "index", "sequence", "schema", "constraint"]
    name: QualifiedName
    text: str | None
    on: QualifiedName | None = None


# ---- transactions and the session


class TransactionModes(Node):
    isolation: OneOf["serializable", "repeatable read", "snapshot", "read committed", "read uncommitted"] | None = None
    read_only: bool | None = None
    deferrable: bool | None = None


class Begin(Node):
    """BEGIN | START TRANSACTION [modes] [AS OF moment] [WITH (actor = …, …)]."""

    modes: TransactionModes = TransactionModes()
    as_of: Moment | None = None
    options: tuple[tuple[str, Expression], ...] = ()


class Commit(Node):
    chain: bool = False


class Rollback(Node):
    """ROLLBACK, or ROLLBACK TO SAVEPOINT `savepoint`."""

    savepoint: str | None = None
    chain: bool = False


class Savepoint(Node):
    name: str


class Release(Node):
    name: str


class SetTransaction(Node):
    """SET TRANSACTION …, or SET SESSION CHARACTERISTICS AS TRANSACTION … (session True)."""

    modes: TransactionModes
    session: bool = False


class SetConstraints(Node):
    """SET CONSTRAINTS ALL (names empty) | names IMMEDIATE | DEFERRED."""

    names: tuple[QualifiedName, ...]
    deferred: bool


class Set(Node):
    """SET [SESSION | LOCAL] name = | TO values; values empty: DEFAULT. SET TIME ZONE x is the setting "timezone"."""

    name: str
    values: tuple[Expression, ...] = ()
    local: bool = False


class SetSystemTime(Node):
    """SET SYSTEM_TIME AS OF moment | DEFAULT (None)."""

    moment: Moment | None


class Show(Node):
    """SHOW name; "all" for SHOW ALL."""

    name: str


class Explain(Node):
    statement: Statement
    analyze: bool = False
    code: bool = False


class Checkpoint(Node):
    pass


class CreateDatabase(Node):
    """CREATE DATABASE path."""

    name: str
    if_not_exists: bool = False


class DropDatabase(Node):
    """DROP DATABASE path."""

    name: str
    if_exists: bool = False


Statement = (
    Query | Insert | Update | Delete | Merge | Truncate | CreateTable | CreateTableAs | AlterTable | AlterObject | CreateIndex
    | CreateView | CreateSequence | CreateSchema | Drop | Comment | Begin | Commit | Rollback | Savepoint | Release | SetTransaction
    | SetConstraints | Set | SetSystemTime | Show | Explain | Checkpoint | CreateDatabase | DropDatabase | Erase
    | CreateSubscription | DropSubscription | DeleteHistory | RevertTransaction | FlashbackTable
)  # fmt: skip


class Script(Record):
    """What a text holds: its statements in order, each with its own text and offset, and its parameters.

    `parameters`: for `?` marks a tuple of ints 0..n-1, for named ones the names in order of first appearance; a text that mixes
    both is an error.
    """

    text: str
    statements: tuple[Statement, ...]
    parameters: tuple[int | str, ...] = ()
    spans: tuple[tuple[int, int], ...] = ()
    """For each statement the offsets of its text: text[start:end], without the semicolon."""
