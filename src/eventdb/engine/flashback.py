"""FLASHBACK TABLE: rows put back as they were, or a dropped table brought back.

TO TRANSACTION n | TIMESTAMP x: the rows that differ from then are deleted, updated or inserted in a transaction like any other, in the
schema of today (columns by their ids, cast to their types of today; a column that did not exist then keeps its values). So nothing that
happened since is removed: it stays in the history, and another FLASHBACK leads back to it.

TO BEFORE DROP: the table is made again under its old id, with its columns, constraints, indexes, owned sequences and the rows that it had
when it was dropped, by an earlier transaction or by this one. Because the ids are the old ones its history goes on: FOR SYSTEM_TIME ALL
shows versions from before the drop (ended by it) and since. Its rows are written to the log once more, and indexes get new ids, for those
of the old ones end with their storage.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from eventdb.engine.changes import after_event
from eventdb.engine.conflicts import changed_keys, is_schema_event
from eventdb.engine.define_rows import build_index, check_foreign_key
from eventdb.engine.log_reading import Log
from eventdb.engine.sequences import values_at
from eventdb.engine.time_functions import Difference
from eventdb.engine.transaction import Transaction
from eventdb.engine.undo_rows import Pair, Row, RowUndo, of_today
from eventdb.errors import DuplicateTable, InvalidSchemaName, NotSupportedError, UndefinedColumn, UndefinedTable
from eventdb.model.catalog import Catalog
from eventdb.model.event import RowsInserted, SequenceAdvanced, SequenceCreated, TableCreated, TableDropped
from eventdb.model.record import replace
from eventdb.model.schema import TEMPORARY_SCHEMA, ForeignKey, Index, Sequence, Table, Unique
from eventdb.sql.definition.names import creation_schema, find_table, spelled, split, unused
from eventdb.sql.environment import Environment, SystemTable
from eventdb.sql.modification.defaults import default_expression
from eventdb.sql.modification.making import row_types
from eventdb.sql.parser import ast

if TYPE_CHECKING:
    from eventdb.engine.execution import Execution

_LOG = SystemTable("eventdb", "flashback", ())


def flashback(txn: Transaction, node: ast.FlashbackTable, moment: int | None, env: Environment, execution: Execution) -> int:
    """Run the statement; how many rows it changed. `moment`: the transaction number to go back to, None for BEFORE DROP.

    Raises UndefinedTable (no such table now, or then), and IntegrityError where the rows of then are against constraints of now.
    """
    if moment is None:
        return before_drop(txn, node.tables[0], node.new_name, env, execution)
    undo = RowUndo(txn, execution)
    for name in dict.fromkeys(node.tables):
        table = find_table(env, name, "flash back")
        if table.schema == TEMPORARY_SCHEMA:
            raise NotSupportedError(f'"{table.name}" is temporary and has no history').at(name.position, env.text)
        then = txn.present.catalog_at(moment).tables.get(table.id)
        if then is None:
            hint = "To get a dropped table back: FLASHBACK TABLE … TO BEFORE DROP."
            raise UndefinedTable(f'table "{table.name}" did not exist at transaction {moment}', hint=hint).at(name.position, env.text)
        # what others change of the table meanwhile would not be as it was then
        txn.probes.of(table.id).whole = True
        undo.put(table, _differing(txn, table, then, moment, execution))
    undo.check()
    return undo.count


def _differing(txn: Transaction, table: Table, then: Table, moment: int, execution: Execution) -> list[Pair]:
    log = Log(execution, _LOG, None)
    own: Iterable[Any] | None = ()
    if txn.events:
        events = [event for event in txn.events if getattr(event, "table_id", None) == table.id]
        if any(is_schema_event(event) for event in txn.events):
            own = None
        else:
            own = changed_keys(events, txn.catalog).get(table.id, ())
    difference = Difference(execution, log, (then, table), (moment, txn.base.number), present=True, own=own)
    row_of_today = of_today(then, table, execution, difference.missing)
    hidden = next((column for column in table.columns if column.hidden and column.id not in then.by_id), None)
    pairs: list[Pair] = []
    for was, now in difference.pairs():
        wanted = None if was is None else row_of_today(was, now)
        if wanted is not None and hidden is not None and now is None:
            numbered = list(wanted)
            numbered[hidden.slot] = txn.row_ids(table, 1)
            wanted = tuple(numbered)
        pairs.append((now, wanted))
    return pairs


# ---- a dropped table


def before_drop(txn: Transaction, name: ast.QualifiedName, new_name: str | None, env: Environment, execution: Execution) -> int:
    """Bring back the table of that name that was dropped last; how many rows it has."""
    table, before, dropped = last_dropped(txn, name, env)
    count = bring_back(txn, table, before, dropped, new_name, env, name.position)
    made = txn.catalog.tables[table.id]
    for key in made.foreign_keys:
        check_reference(txn, made, key, env, name.position)
    return count


def last_dropped(txn: Transaction, name: ast.QualifiedName, env: Environment) -> tuple[Table, Catalog, int]:
    """The table that had the name and was dropped last, the schema just before that, and the transaction that dropped it. Raises
    UndefinedTable."""
    schema, last = split(name, env)
    schemas = (schema,) if schema is not None else env.search_path
    present = txn.catalog
    for before, after, dropped in _schemas(txn):
        for candidate in schemas:
            found = before.find(candidate, last)
            if isinstance(found, Table) and found.id > 0 and found.id not in after.tables and found.id not in present.tables:
                return found, before, dropped
    hint = None
    if any(present.find(s, last) is not None for s in schemas):
        hint = "It exists. To put its rows back: FLASHBACK TABLE … TO TRANSACTION n | TIMESTAMP x."
    raise UndefinedTable(f'no table "{spelled(name)}" was dropped', hint=hint).at(name.position, env.text)


def _schemas(txn: Transaction) -> Iterator[tuple[Catalog, Catalog, int]]:
    """(schema before, schema after, transaction) of the changes of the schema that drop tables, the newest first: those of this transaction
    one by one, then those of earlier ones."""
    own, catalog = [], txn.base.catalog
    for step, event in enumerate(txn.events):
        following = after_event(catalog, (txn.number, step), event)
        if isinstance(event, TableDropped):
            own.append((catalog, following, txn.number))
        catalog = following
    yield from reversed(own)
    after = txn.base.catalog
    while (at := after.version[0]) > 0:
        before = txn.base.catalog_at(at - 1)
        yield before, after, at
        after = before


def bring_back(
    txn: Transaction, table: Table, before: Catalog, dropped: int, new_name: str | None, env: Environment, position: int = -1,
    at: int | None = None,
) -> int:  # fmt: skip
    """Make a table again that transaction `dropped` has dropped, as `before` defines it; how many rows it has: those that went with it, or
    those of position `at`. `check_reference` of its foreign keys is for the caller, when all is back.

    Raises DuplicateTable, InvalidSchemaName, SnapshotTooOld (its rows were trimmed).
    """
    name = new_name or table.name
    if table.schema not in txn.catalog.schemas:
        raise InvalidSchemaName(f'schema "{table.schema}" of table "{table.name}" does not exist').at(position, env.text)
    if new_name is not None:
        creation_schema(env, ast.QualifiedName((table.schema, new_name), position=position))
    if txn.catalog.find(table.schema, name) is not None:
        raise DuplicateTable(f'relation "{name}" already exists', hint="Bring it back under another name: … RENAME TO name.").at(
            position, env.text
        )
    txn.base.check_horizon(table, dropped - 1)
    rows = [row[1 : table.width] for batch in txn.present.table(table, at).unordered() for row in batch]
    for sequence in before.sequences.values():
        if sequence.owner is not None and sequence.owner[0] == table.id:
            sequence_back(txn, sequence, dropped)
    made = _made(txn, before, replace(table, name=name))
    txn.apply(TableCreated(made[0]))
    check_defaults(made[0], replace(env, catalog=txn.catalog), position)
    if rows:
        txn.apply(RowsInserted(table.id, row_types(table), rows))
    for index in made[1]:
        build_index(txn, index)
    return len(rows)


def sequence_back(txn: Transaction, sequence: Sequence, dropped: int) -> None:
    """Make a sequence again that transaction `dropped` has dropped, where it stood, under its name or one that is free."""
    taken = {name for schema, name in txn.catalog.names if schema == sequence.schema}
    own = [event.value for event in txn.events if isinstance(event, SequenceAdvanced) and event.sequence_id == sequence.id]
    last = own[-1] if own else values_at(txn.database.log, txn.base, min(dropped, txn.base.number), [sequence.id]).get(sequence.id)
    txn.apply(SequenceCreated(replace(sequence, name=unused(sequence.name, taken))))
    if last is not None:
        txn.apply(SequenceAdvanced(sequence.id, last))


def check_reference(txn: Transaction, table: Table, key: ForeignKey, env: Environment, position: int = -1) -> None:
    """Hold a foreign key that came back against what it refers to. Raises UndefinedTable (that is gone), UndefinedColumn (its unique key
    is), ForeignKeyViolation (a row is)."""
    parent = txn.catalog.tables.get(key.referenced_table)
    if parent is None:
        raise UndefinedTable(
            f'constraint "{key.name}" of table "{table.name}" refers to a table that does not exist', hint="Bring that one back first."
        ).at(position, env.text)
    unique = [set(u.columns) for u in parent.uniques]
    if set(key.referenced_columns) not in unique and not _unique_index(txn.catalog, parent, key):
        raise UndefinedColumn(
            f'constraint "{key.name}" of table "{table.name}" refers to a key of table "{parent.name}" that is no longer there'
        ).at(position, env.text)
    check_foreign_key(txn, table, key)


def check_defaults(table: Table, env: Environment, position: int) -> None:
    """Raise where a default takes values of a sequence that is gone."""
    for column in table.columns:
        if column.default is not None:
            try:
                default_expression(column, env)
            except UndefinedTable as error:
                raise UndefinedTable(f'default of column "{column.name}" of table "{table.name}": {error.message}').at(
                    position, env.text
                ) from None


def _unique_index(catalog: Catalog, parent: Table, key: ForeignKey) -> bool:
    wanted = set(key.referenced_columns)
    return any(i.unique and i.where is None and {c.column_id for c in i.columns} == wanted for i in catalog.indexes_of(parent.id))


def _made(txn: Transaction, before: Catalog, table: Table) -> tuple[Table, list[Index]]:
    """The table under a new storage, and its indexes under new ids and names that are free."""
    ids = iter(range(txn.catalog.next_id, txn.catalog.next_id + 1_000_000))
    storage = next(ids)
    taken = {name for schema, name in txn.catalog.names if schema == table.schema} | {table.name}
    indexes: list[Index] = []
    new_ids: dict[int, int] = {}
    for index in before.indexes_of(table.id):
        new_ids[index.id] = next(ids)
        name = unused(index.name, taken)
        taken.add(name)
        indexes.append(replace(index, id=new_ids[index.id], name=name))
    names = {index.id: index.name for index in indexes}
    constraints = tuple(
        replace(c, index_id=new_ids[c.index_id], name=names[new_ids[c.index_id]]) if isinstance(c, Unique) and c.index_id in new_ids else c
        for c in table.constraints
    )
    return replace(table, storage=storage, base_width=table.width, constraints=constraints), indexes


__all__ = ["Row", "before_drop", "bring_back", "check_defaults", "check_reference", "flashback", "last_dropped", "sequence_back"]
