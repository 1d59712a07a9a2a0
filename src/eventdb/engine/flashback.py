"""FLASHBACK TABLE: rows put back as they were, or a dropped table brought back.

TO TRANSACTION n | TIMESTAMP x: the rows that differ from then are deleted, updated or inserted in a transaction like any other, in the
schema of today (columns by their ids, cast to their types of today; a column that did not exist then keeps its values). So nothing that
happened since is removed: it stays in the history, and another FLASHBACK leads back to it.

TO BEFORE DROP: the table is made again under its old id, with its columns, constraints, indexes, owned sequences and the rows that it had
when it was dropped. Because the ids are the old ones its history goes on: FOR SYSTEM_TIME ALL shows versions from before the drop (ended
by it) and since. Its rows are written to the log once more, and indexes get new ids, for those of the old ones end with their storage.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from eventdb.engine.conflicts import changed_keys, is_schema_event
from eventdb.engine.define_rows import build_index, check_foreign_key
from eventdb.engine.log_reading import Log
from eventdb.engine.time_functions import Difference
from eventdb.engine.transaction import Transaction
from eventdb.engine.undo_rows import Pair, Row, RowUndo, of_today
from eventdb.errors import DuplicateTable, InvalidSchemaName, NotSupportedError, UndefinedColumn, UndefinedTable
from eventdb.model.catalog import Catalog
from eventdb.model.event import RowsInserted, SequenceAdvanced, SequenceCreated, TableCreated
from eventdb.model.record import replace
from eventdb.model.schema import TEMPORARY_SCHEMA, ForeignKey, Index, Table, Unique
from eventdb.sql.definition.names import creation_schema, find_table, spelled, split, unused
from eventdb.sql.environment import Environment, SystemTable
from eventdb.sql.modification.defaults import default_expression
from eventdb.sql.modification.making import row_types
from eventdb.sql.parser import ast

if TYPE_CHECKING:
    from eventdb.engine.execution import Execution

_LOG = SystemTable("eventdb", "flashback", ())
_CHUNK = 256
"""So many transactions are read at a time on the way back through the log."""


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
    table, dropped = last_dropped(txn, name, env)
    return bring_back(txn, table, dropped, new_name, env, name.position)


def last_dropped(txn: Transaction, name: ast.QualifiedName, env: Environment) -> tuple[Table, int]:
    """The table that had the name and was dropped last, and the transaction that dropped it. Raises UndefinedTable."""
    schema, last = split(name, env)
    schemas = (schema,) if schema is not None else env.search_path
    present = txn.catalog
    at = txn.base.number
    later = txn.catalog
    while at >= 0:
        catalog = txn.base.catalog_at(at)
        for candidate in schemas:
            found = catalog.find(candidate, last)
            if isinstance(found, Table) and found.id not in later.tables and found.id not in present.tables:
                return found, later.version[0]
        later, at = catalog, catalog.version[0] - 1
    hint = None
    if any(present.find(s, last) is not None for s in schemas):
        hint = "It exists. To put its rows back: FLASHBACK TABLE … TO TRANSACTION n | TIMESTAMP x."
    raise UndefinedTable(f'no table "{spelled(name)}" was dropped', hint=hint).at(name.position, env.text)


def bring_back(
    txn: Transaction, table: Table, dropped: int, new_name: str | None, env: Environment, position: int = -1, at: int | None = None
) -> int:
    """Make a table again that transaction `dropped` has dropped; how many rows it has: those that went with it, or those of position `at`.

    Raises DuplicateTable, InvalidSchemaName, UndefinedTable (one that it refers to is gone), ForeignKeyViolation.
    """
    before = txn.base.catalog_at(dropped - 1)
    name = new_name or table.name
    if table.schema not in txn.catalog.schemas:
        raise InvalidSchemaName(f'schema "{table.schema}" of table "{table.name}" does not exist').at(position, env.text)
    if new_name is not None:
        creation_schema(env, ast.QualifiedName((table.schema, new_name), position=position))
    if txn.catalog.find(table.schema, name) is not None:
        raise DuplicateTable(f'relation "{name}" already exists', hint="Bring it back under another name: … RENAME TO name.").at(
            position, env.text
        )
    _check_references(txn, table, env, position)
    rows = [row[1 : table.width] for batch in txn.base.table(table, at).unordered() for row in batch]
    _sequences_back(txn, before, table, dropped)
    made = _made(txn, before, replace(table, name=name))
    txn.apply(TableCreated(made[0]))
    _check_defaults(made[0], replace(env, catalog=txn.catalog), position)
    if rows:
        txn.apply(RowsInserted(table.id, row_types(table), rows))
    for index in made[1]:
        build_index(txn, index)
    for key in table.foreign_keys:
        check_foreign_key(txn, txn.catalog.tables[table.id], key)
    return len(rows)


def _check_references(txn: Transaction, table: Table, env: Environment, position: int) -> None:
    """Raise where a foreign key of the table has nothing to refer to."""
    for key in table.foreign_keys:
        parent = table if key.referenced_table == table.id else txn.catalog.tables.get(key.referenced_table)
        if parent is None:
            raise UndefinedTable(
                f'constraint "{key.name}" of table "{table.name}" refers to a table that does not exist', hint="Bring that one back first."
            ).at(position, env.text)
        unique = [set(u.columns) for u in parent.uniques]
        if set(key.referenced_columns) not in unique and not _unique_index(txn.catalog, parent, key):
            raise UndefinedColumn(
                f'constraint "{key.name}" of table "{table.name}" refers to a key of table "{parent.name}" that is no longer there'
            ).at(position, env.text)


def _check_defaults(table: Table, env: Environment, position: int) -> None:
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


def _sequences_back(txn: Transaction, before: Catalog, table: Table, dropped: int) -> None:
    """The sequences that the table owns, where they stood."""
    for sequence in before.sequences.values():
        if sequence.owner is not None and sequence.owner[0] == table.id:
            taken = {name for schema, name in txn.catalog.names if schema == sequence.schema}
            txn.apply(SequenceCreated(replace(sequence, name=unused(sequence.name, taken))))
            last = last_value(txn, sequence.id, dropped)
            if last is not None:
                txn.apply(SequenceAdvanced(sequence.id, last))


def last_value(txn: Transaction, sequence_id: int, dropped: int) -> int | None:
    """The last value that a sequence gave out before transaction `dropped`: the state forgets it with the sequence, the log does not."""
    from eventdb.storage.codec import decode_body

    log, until = txn.database.log, dropped
    while until >= log.first and sequence_id in txn.base.catalog_at(until - 1).sequences:
        after = max(log.first - 1, until - _CHUNK)
        found = None
        for record in log.read(after, until):
            if b"SequenceAdvanced" in record.body:
                for event in decode_body(record.body):
                    if type(event) is SequenceAdvanced and event.sequence_id == sequence_id:
                        found = event.value
        if found is not None:
            return found
        until = after
    return None


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


__all__ = ["Row", "before_drop", "bring_back", "flashback", "last_dropped", "last_value"]
