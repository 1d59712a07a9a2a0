"""REVERT TRANSACTION n: the opposite of what a transaction did, as a new transaction.

Rows. For each row that n left different from how it found it, the row of before is put back, if the row is still as n left it; otherwise
later transactions have built on it, and the statement fails with a RevertConflict that names them. Constraints are those of today. So
reverting is itself a transaction like any other, and reverting that one brings back what n did.

Schema. What n created is dropped, if nobody touched it since and nothing depends on it. What n dropped is made again (see `flashback` for
tables). A definition that n changed becomes the one before, if it is still as n left it; a column that n added goes only if no later
transaction wrote the table, a table that n rewrote gets its old rows only then too. What the old definitions ask of rows is checked when
all is back: n may have changed both so that neither half of it can be undone by itself.

Values that n took of sequences stay taken; a sequence that it set back goes on behind what it had given out before. Subscriptions stay as
they are. What removed values for good (ERASE, DELETE HISTORY) cannot be reverted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from eventdb.engine.conflicts import changed_keys
from eventdb.engine.define_rows import build_index, check_foreign_key, check_not_null, check_rows, relaid
from eventdb.engine.flashback import bring_back, check_defaults, check_reference, sequence_back
from eventdb.engine.sequences import beyond, values_at
from eventdb.engine.transaction import Transaction
from eventdb.engine.undo_rows import Pair, RowUndo, of_today, same
from eventdb.errors import DependentObjectsStillExist, DuplicateTable, Error, InvalidParameterValue, NotSupportedError, RevertConflict
from eventdb.model.event import (
    BodiesRewritten,
    IndexCreated,
    IndexDropped,
    SchemaCreated,
    SchemaDropped,
    SequenceAdvanced,
    SequenceCreated,
    TableAltered,
    TableRewritten,
    ViewCreated,
    ViewDropped,
)
from eventdb.model.record import replace
from eventdb.model.schema import SYSTEM_SCHEMA, Check, ForeignKey, Index, Relation, Sequence, Table, Unique, View
from eventdb.sql.definition.dropping import dependent_views, removal
from eventdb.sql.definition.indexes import index_slots
from eventdb.sql.definition.names import KINDS, unused
from eventdb.sql.definition.queries import prepare_query
from eventdb.sql.definition.references import mentions, relation_renamed
from eventdb.sql.definition.renaming import followed
from eventdb.sql.definition.tables import stored_type
from eventdb.sql.environment import Environment
from eventdb.sql.modification.making import row_types
from eventdb.sql.modification.prepared import key_function
from eventdb.sql.modification.violations import key_detail
from eventdb.sql.parser import parse_query
from eventdb.storage.codec import decode_body

if TYPE_CHECKING:
    from eventdb.engine.execution import Execution

_MOST_NAMED = 10
_FIRST = "Revert those first, or put the rows right by hand."
_BY_HAND = "What was written since would go with it: if that may be, alter or drop the table by hand."


def revert(txn: Transaction, number: int, env: Environment, execution: Execution) -> int:
    """Do the opposite of transaction `number`; how many rows that changed. Raises RevertConflict, and what today's constraints raise."""
    if not 1 <= number <= txn.base.number:
        raise InvalidParameterValue(f"there is no transaction {number}: the database stands at transaction {txn.base.number}")
    (record,) = txn.database.log.read(number - 1, number)
    events = decode_body(record.body)
    if any(isinstance(event, BodiesRewritten) for event in events):
        raise NotSupportedError(f"cannot revert transaction {number}: what it removed from the past is gone for good")
    work = _Revert(txn, number, env, execution)
    work.schema_back()
    undo = RowUndo(txn, execution)
    for table, pairs in work.rows(events):
        undo.put(table, pairs)
    work.rest_back()
    work.schemas_away()
    work.sequences_on(events)
    undo.check()
    work.check()
    return undo.count + work.restored


class _Revert:
    def __init__(self, txn: Transaction, number: int, env: Environment, execution: Execution) -> None:
        self._txn = txn
        self._number = number
        self._env = env
        self._execution = execution
        self._before = txn.base.catalog_at(number - 1)
        self._after = txn.base.catalog_at(number)
        self.restored = 0
        """Rows of tables that came back."""
        self._references: dict[int, list[ForeignKey]] = {}
        """Foreign keys that come back, by table: at last, for they need the unique keys that they refer to."""
        self._not_null: dict[int, set[int]] = {}
        """Columns that are not to be NULL again, by table: at last, for until then there may be rows with NULL."""
        self._altered: list[tuple[int, Table]] = []
        """Tables that got their old definitions, and the ones they had until now."""

    # ---- conflicts

    def _conflict(self, what: str, numbers: Iterable[int], detail: str | None = None, hint: str = _FIRST) -> RevertConflict:
        later = sorted(set(numbers))
        named = f" by transaction{'s' if len(later) > 1 else ''} {', '.join(map(str, later[:_MOST_NAMED]))}" if later else ""
        more = " and others" if len(later) > _MOST_NAMED else ""
        error = RevertConflict(
            f"cannot revert transaction {self._number}: {what} later{named}{more}",
            detail=detail, hint=hint,
        )  # fmt: skip
        error.transactions = tuple(later)
        return error

    def _since(self, table: Table) -> list[int]:
        """The later transactions that touched a table's rows or definition, own work (as the next number) included."""
        base = self._txn.base
        data = base.tables.get(table.storage)
        if data is None or data.touched is None:
            records = self._txn.database.log.read(self._number, base.number)
            found = [r.header.number for r in records if any(_about(event, table) for event in decode_body(r.body))]
        else:
            found = list(data.touched.between(self._number, base.number))
        if any(getattr(event, "table_id", None) == table.id for event in self._txn.events):
            found.append(self._txn.number)
        return found

    def _changed_at(self, item: Relation) -> list[int]:
        """The later transactions that changed the definition of an object."""
        base, kind = self._txn.base, _FIELDS[type(item)]
        found, at = [], base.number
        now = getattr(self._txn.catalog, kind).get(item.id)
        while at > self._number:
            catalog = base.catalog_at(at)
            earlier = getattr(base.catalog_at(catalog.version[0] - 1), kind).get(item.id)
            if catalog.version[0] > self._number and earlier != getattr(catalog, kind).get(item.id):
                found.append(catalog.version[0])
            at = catalog.version[0] - 1
        if now != getattr(base.catalog, kind).get(item.id):
            found.append(self._txn.number)
        return found

    # ---- rows

    def rows(self, events: list[Any]) -> list[tuple[Table, list[Pair]]]:
        """By table, in the schema of now: each row that the transaction left different, as it is and as it is to be."""
        txn, number = self._txn, self._number
        found: list[tuple[Table, list[Pair]]] = []
        kept = {
            table_id: table for table_id, table in self._before.tables.items()
            if table_id in self._after.tables and self._after.tables[table_id].storage == table.storage and table.schema != SYSTEM_SCHEMA
        }  # fmt: skip
        touched = changed_keys([event for event in events if getattr(event, "table_id", None) in kept], self._after)
        conflicts: list[str] = []
        later: set[int] = set()
        for table_id, keys in touched.items():
            before, after, now = kept[table_id], self._after.tables[table_id], txn.catalog.tables.get(table_id)
            was, left = txn.base.table(before, number - 1), txn.base.table(after, number)
            changed = [(was.get(key), left.get(key)) for key in _ordered(keys)]
            changed = [(a, b) for a, b in changed if not (a is b or (a is not None and b is not None and a[0] == b[0]))]
            if not changed:
                continue
            if now is None:
                raise self._conflict(f'table "{after.name}" was dropped', self._changed_at(after))
            if not all(i in before.by_id and i in after.by_id for i in now.key):
                raise self._conflict(f'the key of table "{after.name}" was changed', self._changed_at(after))
            one, other = (of_today(then, now, self._execution, lambda column: column.missing) for then in (before, after))
            present, key_of = txn.reader.table(now), key_function(now)
            pairs: list[Pair] = []
            for a, b in changed:
                row = other(b, None) if b is not None else one(a, None)  # type: ignore[arg-type]
                there = present.get(key_of(row))
                left_so = there is None if b is None else there is not None and same(now, other(b, there), there)
                if not left_so:
                    later.update(self._versions(now, key_of(row)))
                    conflicts.append(_shown_key(now, row))
                else:
                    pairs.append((there, None if a is None else one(a, there)))
            found.append((now, pairs))
        if conflicts:
            shown = "\n".join(conflicts[:_MOST_NAMED]) + ("\n…" if len(conflicts) > _MOST_NAMED else "")
            raise self._conflict("its rows were changed", later, shown)
        return found

    def _versions(self, table: Table, key: Any) -> Iterator[int]:
        """The later transactions that wrote the row of a key."""
        for batch in self._txn.present.table(table).versions(self._number, self._txn.number, key):
            for end, row in batch:
                if row[0] > self._number:
                    yield row[0]
                if end is not None:
                    yield end

    # ---- schema

    def schema_back(self) -> None:
        """What was created goes, what was altered is as before, what was dropped comes back. Only indexes and views that were dropped,
        foreign keys, and schemas that were made, wait until the rows are dealt with."""
        txn = self._txn
        self._schemas_back()
        self._check_unchanged()
        altered = [table for table in self._gone_or_changed("tables") if table.id in self._after.tables]
        for view in self._gone_or_changed("views"):
            if view.id in self._after.views:
                self._view_away(view)
        for view in self._created("views"):
            self._remove(view)
        for index in self._created("indexes"):
            if not index.constraint and index.table_id in self._before.tables:
                self._remove(index)
        for item in self._created("tables") + self._created("sequences"):
            self._remove(item)
        for table in altered:
            self._table_back(table)
        for sequence in self._gone_or_changed("sequences"):
            self._sequence_back(sequence)
        for index in self._gone_or_changed("indexes"):
            if index.id in self._after.indexes and index.id in txn.catalog.indexes:
                self._free(index)
                txn.apply(IndexCreated(index))
        for table in self._gone_or_changed("tables"):
            if table.id not in self._after.tables:
                self._made_again(table)

    def _made_again(self, table: Table) -> None:
        """A table that the transaction dropped, without its foreign keys."""
        if table.id in self._txn.catalog.tables:
            raise self._conflict(f'table "{table.name}" was brought back', self._changed_at(table))
        self._free(table)
        self._references[table.id] = list(table.foreign_keys)
        bare = replace(table, constraints=tuple(c for c in table.constraints if not isinstance(c, ForeignKey)))
        self.restored += bring_back(self._txn, bare, self._before, self._number, None, self._env, at=self._number - 1)

    def _schemas_back(self) -> None:
        txn = self._txn
        for schema, comment in self._before.schemas.items():
            was_left = (schema in self._after.schemas, self._after.schemas.get(schema))
            if was_left != (True, comment) and was_left == (schema in txn.catalog.schemas, txn.catalog.schemas.get(schema)):
                txn.apply(SchemaCreated(schema, comment))

    def _view_away(self, view: View) -> None:
        """A view that the transaction replaced goes for now."""
        txn = self._txn
        others = dependent_views(txn.catalog, view.id)
        if others and view.columns != self._after.views[view.id].columns:
            raise DependentObjectsStillExist(f'cannot revert transaction {self._number}: view "{others[0].name}" uses view "{view.name}"')
        self._follow(txn.catalog.views[view.id], view)
        txn.apply(ViewDropped(view.id))

    def _gone_or_changed(self, kind: str) -> list[Any]:
        before, after = getattr(self._before, kind), getattr(self._after, kind)
        return [item for item in before.values() if item.schema != SYSTEM_SCHEMA and after.get(item.id) != item]

    def _created(self, kind: str) -> list[Any]:
        before, after = getattr(self._before, kind), getattr(self._after, kind)
        return [item for item in after.values() if item.schema != SYSTEM_SCHEMA and item.id not in before]

    def _check_unchanged(self) -> None:
        """Raise where what the transaction made or altered is no longer as it left that. Only what it made, and indexes, may be gone."""
        for kind in _FIELDS.values():
            after, present = getattr(self._after, kind), getattr(self._txn.catalog, kind)
            for item in self._gone_or_changed(kind) + self._created(kind):
                if item.id in after and present.get(item.id) != after[item.id]:
                    if item.id in present:
                        raise self._conflict(f'{KINDS[type(item)]} "{item.name}" was changed', self._changed_at(item))
                    if kind != "indexes" and item.id in getattr(self._before, kind):
                        raise self._conflict(f'{KINDS[type(item)]} "{item.name}" was dropped', self._changed_at(item))
        for table in self._created("tables"):
            later = self._since(table) if table.id in self._txn.catalog.tables else ()
            if later:
                raise self._conflict(f'table "{table.name}", which it created, was changed', later, hint=_BY_HAND)

    def _remove(self, item: Relation) -> None:
        """Drop what the transaction made; it may be gone already."""
        txn = self._txn
        if item.id not in getattr(txn.catalog, _FIELDS[type(item)]):
            return
        going = {other.id for kind in _FIELDS.values() for other in self._created(kind)}
        going.update(table.id for table in self._gone_or_changed("tables"))
        for event in removal(item, replace(self._env, catalog=txn.catalog), False, -1, going):
            txn.apply(event)

    def schemas_away(self) -> None:
        """Schemas that the transaction made."""
        for schema in self._after.schemas.keys() - self._before.schemas.keys():
            if any(item.schema == schema for item in self._txn.catalog.relations()):
                raise DependentObjectsStillExist(f'cannot drop schema "{schema}", which transaction {self._number} made: it is not empty')
            if schema in self._txn.catalog.schemas:
                self._txn.apply(SchemaDropped(schema))

    def _sequence_back(self, sequence: Sequence) -> None:
        txn = self._txn
        if sequence.id in self._after.sequences:
            self._follow(txn.catalog.sequences[sequence.id], sequence)
            txn.apply(SequenceCreated(sequence))
            return
        if sequence.owner is not None and sequence.owner[0] not in self._after.tables:
            return  # comes back with its table
        self._free(sequence)
        sequence_back(txn, sequence, self._number)

    def sequences_on(self, events: list[Any]) -> None:
        """Sequences that the transaction set back go on where they were before, so that nothing is given out twice."""
        txn = self._txn
        moved = {event.sequence_id for event in events if isinstance(event, SequenceAdvanced)}
        known = moved & self._before.sequences.keys() & txn.catalog.sequences.keys()
        for i, value in values_at(txn.database.log, txn.base, self._number - 1, known).items():
            if beyond(txn.catalog.sequences[i], value, txn.present.sequence_value(i)):
                txn.apply(SequenceAdvanced(i, value))

    def _free(self, item: Relation) -> None:
        """Make sure that an object can have its name. What the transaction itself called so steps aside: its own name is to come."""
        txn = self._txn
        found = txn.catalog.find(item.schema, item.name)
        if found is None or found.id == item.id:
            return
        kind = _FIELDS[type(found)]
        was = getattr(self._before, kind).get(found.id)
        if was is None or (was.schema, was.name) == (found.schema, found.name) or getattr(self._after, kind).get(found.id) != found:
            raise DuplicateTable(f'cannot revert transaction {self._number}: relation "{item.name}" already exists')
        taken = {name for schema, name in txn.catalog.names if schema == found.schema}
        aside: Any = replace(found, name=unused(f"{found.name}_aside", taken))
        defined: dict[type, Any] = {Table: TableAltered, Index: IndexCreated, Sequence: SequenceCreated}
        txn.apply(defined[type(aside)](aside))

    def _follow(self, now: Relation, before: Relation) -> None:
        """Where an object gets another name back: make sure that it can, and let follow what refers to it and was made since."""
        if (now.schema, now.name) != (before.schema, before.name):
            if not isinstance(now, View):  # those get their names last
                self._free(before)
            for event in followed(now, before.schema, before.name, replace(self._env, catalog=self._txn.catalog)):
                self._txn.apply(event)

    def _table_back(self, before: Table) -> None:
        """A table that the transaction altered gets its old definition."""
        txn, after = self._txn, self._after.tables[before.id]
        now = txn.catalog.tables[before.id]
        self._follow(now, before)
        bound = _bound(before, after)
        later = self._since(now) if bound else ()
        if later:
            raise self._conflict(f'table "{after.name}", which it {bound[0]}, was changed', later, hint=_BY_HAND)
        self._refuse_dependents(before, now)
        for index in txn.catalog.indexes_of(now.id):
            if index.id not in self._before.indexes and (index.constraint or index.id in self._after.indexes):
                txn.apply(IndexDropped(index.id))
        constraints = self._constraints(before, now)
        if before.storage == after.storage:
            late = {c.id for c in before.columns if not c.nullable and c.id in now.by_id and now.by_id[c.id].nullable}
            self._not_null[before.id] = late
            columns = tuple(replace(c, nullable=True) if c.id in late else c for c in before.columns)
            wanted = replace(before, columns=columns, width=now.width, next_column_id=now.next_column_id, constraints=constraints)
            txn.apply(TableAltered(wanted))
        else:
            moved = relaid(replace(before, next_column_id=now.next_column_id, constraints=constraints), txn.catalog.next_id)
            slots = [before.by_id[column.id].slot for column in moved.columns]
            rows = [tuple([row[slot] for slot in slots]) for batch in txn.base.table(before, self._number - 1).unordered() for row in batch]
            txn.apply(TableRewritten(moved, row_types(moved), rows))
        self._altered.append((before.id, now))

    def _constraints(self, before: Table, now: Table) -> tuple[Any, ...]:
        """The old constraints. A unique key whose index is gone waits for its new one, a foreign key that is gone for those."""
        present = self._txn.catalog.indexes
        waiting = self._references[before.id] = [key for key in before.foreign_keys if key not in now.constraints]
        return tuple(
            c for c in before.constraints if c not in waiting and (not isinstance(c, Unique) or c.index_id is None or c.index_id in present)
        )

    def _refuse_dependents(self, before: Table, now: Table) -> None:
        """Raise where something made later uses a column whose name changes or that goes."""
        catalog = self._txn.catalog
        going = {c.id: c for c in now.visible if c.id not in before.by_id or before.by_id[c.id].name != c.name}
        for view in catalog.views.values():
            for column in going.values():
                if now.id in view.depends_on and mentions(view.query, column.name):
                    raise DependentObjectsStillExist(
                        f'cannot revert transaction {self._number}: view "{view.name}" uses column "{column.name}" of table "{now.name}"',
                        hint="Drop the view first.",
                    )
        gone = {c.slot for c in going.values() if c.id not in before.by_id}
        unable = f"cannot revert transaction {self._number}"
        for index in catalog.indexes_of(now.id):
            if index_slots(now, index) & gone and index.id not in self._after.indexes:
                raise DependentObjectsStillExist(f'{unable}: index "{index.name}" uses a column that it added')
        staying = [i for i in catalog.indexes_of(now.id) if i.unique and (i.id in self._before.indexes or i.id not in self._after.indexes)]
        keys = [set(u.columns) for u in before.uniques] + [{c.column_id for c in index.columns} for index in staying]
        for child in catalog.referencing(now.id):
            for key in child.foreign_keys:
                if key.referenced_table == now.id and set(key.referenced_columns) not in keys and not self._added(child, key):
                    raise DependentObjectsStillExist(f'{unable}: constraint "{key.name}" of table "{child.name}" needs a key that it added')

    def _added(self, child: Table, key: ForeignKey) -> bool:
        """Whether it was this transaction that made a foreign key, which so goes too."""
        before, after = self._before.tables.get(child.id), self._after.tables.get(child.id)
        return after is not None and key in after.foreign_keys and (before is None or key not in before.foreign_keys)

    def check(self) -> None:
        """Hold the rows that there are now against what the old definitions ask for and those until now did not; all rows of tables that
        came back or were rewritten against what refers to what."""
        txn = self._txn
        catalog = txn.catalog
        env = replace(self._env, catalog=catalog)
        for table_id, until_now in self._altered:
            table = catalog.tables[table_id]
            for column in table.visible:
                known = until_now.by_id.get(column.id)
                if not column.nullable and (known is None or known.nullable):
                    check_not_null(txn, table, column)
            for constraint in table.constraints:
                if isinstance(constraint, Check) and constraint not in until_now.constraints:
                    check_rows(txn, table, constraint, env, self._execution)
            if table.storage != until_now.storage:
                for child in (table, *catalog.referencing(table_id)):
                    for key in child.foreign_keys:
                        if child is table or key.referenced_table == table_id:
                            check_foreign_key(txn, child, key)
            check_defaults(table, env, -1)
        for table_id, keys in self._references.items():
            for key in keys:
                check_reference(txn, catalog.tables[table_id], key, env)
        for view in self._gone_or_changed("views"):
            self._check_view(catalog.views[view.id], replace(env, parameter_index={}, parameter_types=[], statistics=None))

    def _check_view(self, view: View, env: Environment) -> None:
        """Hold a view that came back against what it reads, which may be gone or another by now."""
        try:
            columns = prepare_query(parse_query(view.query), replace(env, text=view.query)).columns
        except Error as error:
            raise type(error)(f'cannot revert transaction {self._number}: view "{view.name}": {error.message}') from None
        if [stored_type(column.datatype) for column in columns] != [datatype for _, datatype in view.columns]:
            read = [found for i in view.depends_on if (found := self._after.tables.get(i) or self._after.views.get(i)) is not None]
            raise self._conflict(f'what view "{view.name}" reads was changed', [n for item in read for n in self._changed_at(item)])

    def rest_back(self) -> None:
        """Indexes and views that the transaction dropped or changed, and what of definitions had to wait for those or for rows."""
        txn = self._txn
        for index in self._gone_or_changed("indexes"):
            table = txn.catalog.tables.get(index.table_id)
            if index.id in self._after.indexes or table is None or index.table_id not in self._after.tables:
                continue
            if not {*index.include, *(c.column_id for c in index.columns if c.column_id is not None)} <= table.by_id.keys():
                raise self._conflict(f'a column of index "{index.name}" was dropped', self._changed_at(table))
            names = {name for schema, name in txn.catalog.names if schema == index.schema}
            made: Index = replace(index, id=txn.catalog.next_id, name=unused(index.name, names))
            build_index(txn, made)
            unique = next((u for u in self._before.tables[table.id].uniques if u.index_id == index.id), None)
            if unique is not None:
                table = txn.catalog.tables[table.id]
                restored = replace(unique, index_id=made.id, name=made.name)
                txn.apply(TableAltered(replace(table, constraints=(*table.constraints, restored))))
        for table_id, keys in self._references.items():
            late = self._not_null.get(table_id, set())
            if keys or late:
                table = txn.catalog.tables[table_id]
                columns = tuple(replace(c, nullable=False) if c.id in late else c for c in table.columns)
                txn.apply(TableAltered(replace(table, columns=columns, constraints=(*table.constraints, *keys))))
        for view in self._gone_or_changed("views"):
            self._free(view)
            query = view.query
            for relation_id in view.depends_on:
                was, now = (c.tables.get(relation_id) or c.views.get(relation_id) for c in (self._before, txn.catalog))
                if was is not None and now is not None and (was.schema, was.name) != (now.schema, now.name):
                    query = relation_renamed(query, (was.schema, was.name), (now.schema, now.name))
            txn.apply(ViewCreated(replace(view, query=query)))


def _bound(before: Table, after: Table) -> list[str]:
    """The changes of a definition that rows written under it cannot be taken out of, in words."""
    found = [] if before.storage == after.storage else ["rewrote"]
    found += [f'added column "{column.name}" to' for column in after.columns if column.id not in before.by_id]
    for column in before.columns:
        if column.generated is not None and column.id in after.by_id and after.by_id[column.id].generated != column.generated:
            found.append(f'changed the expression of column "{column.name}" of')
    return found


def _about(event: Any, table: Table) -> bool:
    return getattr(event, "table_id", None) == table.id or getattr(getattr(event, "table", None), "id", None) == table.id


_FIELDS: dict[type, str] = {Table: "tables", View: "views", Index: "indexes", Sequence: "sequences"}


def _ordered(keys: set[Any]) -> list[Any]:
    try:
        return sorted(keys)
    except TypeError:
        return list(keys)


def _shown_key(table: Table, row: Any) -> str:
    columns = [table.by_id[i] for i in table.key]
    return f'Table "{table.name}": ' + key_detail(", ".join(c.name for c in columns), [row[c.slot] for c in columns])
