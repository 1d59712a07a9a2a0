"""A database as a list of remembered pasts, and random transactions on it: what the real state is compared with.

`Naive` makes random events, applies them to plain dictionaries, and remembers after each transaction every table as it then was.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import random
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from eventdb.model import datatype as dt
from eventdb.model.event import (
    Event,
    IndexCreated,
    IndexDropped,
    RowsDeleted,
    RowsInserted,
    RowsUpdated,
    SequenceAdvanced,
    SequenceCreated,
    TableAltered,
    TableCreated,
    TableDropped,
    TableRewritten,
)
from eventdb.model.keys import component
from eventdb.model.record import replace
from eventdb.model.schema import Column, Index, IndexColumn, Sequence, Table
from eventdb.model.value import MAX_KEY, NAN_KEY
from eventdb.storage.state import State

_NAN = Decimal("NaN")
VALUES = {
    dt.INTEGER: [None, *range(8)],
    dt.TEXT: [None, "a", "b", "c", "dd", "é"],
    dt.DOUBLE: [None, 0.5, -1.0, 2.5, math.nan],
    dt.NUMERIC: [None, Decimal("1.0"), Decimal("1.00"), Decimal("-3"), _NAN],
}


def index_keys(table: Table, index: Index) -> Any:
    """The only expression index there is: slot 2 of rows where slot 2 is not NULL, descending."""
    return lambda row: None if row[2] is None else (component(row[2], True), len(str(row[2])))


@dataclass
class Model:
    """One table now: rows by key as (start, values…), superseded versions, and which index ids it has."""

    table: Table
    rows: dict[Any, tuple[Any, ...]] = field(default_factory=dict)
    ended: list[tuple[Any, int, int, tuple[Any, ...]]] = field(default_factory=list)
    indexes: dict[int, Index] = field(default_factory=dict)
    next_row_id: int = 1


def normal(key: Any) -> Any:
    """A key with its place in the order."""
    if type(key) is tuple:
        return tuple(normal(part) for part in key)
    return NAN_KEY if key != key else key


def seen(table: Table, row: Any) -> Any:
    """A row, or a version, with None in the slots of dropped columns, which nobody looks at."""
    if len(row) == 2 and type(row[1]) is tuple:
        return (row[0], seen(table, row[1]))
    slots = {0} | {c.slot for c in table.columns}
    return tuple(_one_nan(value) if slot in slots else None for slot, value in enumerate(row))


def _one_nan(value: Any) -> Any:
    """Decimals that are NaN differ from each other where they are not one object."""
    return _NAN if type(value) is Decimal and value.is_nan() else value


class Seen:
    """A reader whose rows are `seen`."""

    def __init__(self, reader: Any, table: Table) -> None:
        self._reader = reader
        self._table = table

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._reader, name)
        if name in ("batches", "unordered", "versions"):
            return lambda *args, **named: ([seen(self._table, row) for row in batch] for batch in method(*args, **named))
        if name in ("get_many", "lookup"):
            return lambda *args: [seen(self._table, row) for row in method(*args)]
        if name == "get":
            return lambda key: seen(self._table, method(key))
        if name == "index":
            return lambda index_id: Seen(method(index_id), self._table)
        return method


class Naive:
    """Random transactions, and what every moment of them looked like."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.number = 0
        self.tables: dict[int, Model] = {}
        self.sequences: dict[int, int | None] = {}
        self.next_id = 1
        self.past: list[dict[int, Model]] = [{}]

    # making transactions

    def transaction(self, editor: Any) -> list[Event]:
        """Apply some random events to the editor and to this model; the events."""
        self.number += 1
        before = {i: dict(m.rows) for i, m in self.tables.items()}
        events: list[Event] = []
        for _ in range(self.random.choice([1, 1, 2, 3, 6])):
            if self.random.random() < 0.15:
                kept = copy.deepcopy((self.tables, self.sequences)), list(events)
                mark = editor.mark()
                for _ in range(3):
                    self._event(editor, events)
                editor.reset(mark)
                (self.tables, self.sequences), events = kept
            self._event(editor, events)
        self._end_versions(before)
        self.past.append(copy.deepcopy(self.tables))
        return events

    def _event(self, editor: Any, events: list[Event]) -> None:
        for event in self._some_event():
            editor.apply(event)
            events.append(event)

    def _end_versions(self, before: dict[int, dict[Any, Any]]) -> None:
        for i, rows in before.items():
            model = self.tables.get(i)
            if model is None:
                continue
            for key, row in rows.items():
                changed = key not in model.rows or model.rows[key][0] == self.number
                if changed and not self._rewritten(i):
                    model.ended.append((key, row[0], self.number, row))

    def _rewritten(self, i: int) -> bool:
        then = self.past[-1].get(i)
        return then is not None and then.table.storage != self.tables[i].table.storage

    def _id(self) -> int:
        self.next_id += 1
        return self.next_id - 1

    def _some_event(self) -> list[Event]:
        pick = self.random.random()
        if not self.tables or (pick < 0.05 and len(self.tables) < 5):
            return self._create_table()
        model = self.random.choice(list(self.tables.values()))
        if pick < 0.20:
            return self.random.choice(
                [self._create_index, self._drop_index, self._add_column, self._drop_column, self._rewrite, self._drop_table, self._sequence]
            )(model)
        if pick < 0.5:
            return self._insert(model)
        return self.random.choice([self._update, self._update, self._move, self._delete])(model)

    def _create_table(self) -> list[Event]:
        kind = self.random.randrange(4)
        table_id, storage = self._id(), self._id()
        value = self.random.choice([dt.INTEGER, dt.NUMERIC])
        if kind == 0:
            columns, key = [("_rowid", dt.BIGINT), ("v", value), ("t", dt.TEXT)], (1,)
        elif kind == 1:
            columns, key = [("k", dt.INTEGER), ("v", value), ("t", dt.TEXT)], (1,)
        elif kind == 2:
            columns, key = [("a", dt.TEXT), ("v", dt.INTEGER), ("b", dt.INTEGER)], (1, 3)
        else:
            columns, key = [("d", dt.DOUBLE), ("v", value), ("t", dt.TEXT)], (1,)
        made = tuple(
            Column(i, name, datatype, i, nullable=i not in key, hidden=name == "_rowid") for i, (name, datatype) in enumerate(columns, 1)
        )
        table = Table(table_id, "public", f"t{table_id}", storage, made, key, width=4, base_width=4, next_column_id=4)
        self.tables[table_id] = Model(table)
        return [TableCreated(table)]

    def _create_index(self, model: Model) -> list[Event]:
        random, ids = self.random, [c.id for c in model.table.columns]
        if random.random() < 0.3:
            index = Index(self._id(), "public", "", model.table.id, (IndexColumn(None, "x", True),), where="y")
        else:
            columns = tuple(
                IndexColumn(i, None, random.random() < 0.3, random.random() < 0.3) for i in random.sample(ids, random.randint(1, 2))
            )
            index = Index(self._id(), "public", "", model.table.id, columns)
        index = replace(index, name=f"i{index.id}")
        model.indexes[index.id] = index
        return [IndexCreated(index)]

    def _drop_index(self, model: Model) -> list[Event]:
        if not model.indexes:
            return []
        index_id = self.random.choice(list(model.indexes))
        if self.random.random() < 0.3:
            renamed = model.indexes[index_id] = replace(model.indexes[index_id], name=f"r{self._id()}")
            return [IndexCreated(renamed)]
        del model.indexes[index_id]
        return [IndexDropped(index_id)]

    def _add_column(self, model: Model) -> list[Event]:
        table = model.table
        datatype = self.random.choice([dt.INTEGER, dt.TEXT])
        number, missing = table.next_column_id, self.random.choice(VALUES[datatype])
        column = Column(number, f"c{number}", datatype, table.width, missing=missing)
        model.table = replace(table, columns=(*table.columns, column), width=table.width + 1, next_column_id=table.next_column_id + 1)
        self._widen(model)
        return [TableAltered(model.table)]

    def _widen(self, model: Model) -> None:
        tails = model.table.tails
        if tails is not None:
            model.rows = {key: row if len(row) == model.table.width else row + tails[len(row)] for key, row in model.rows.items()}

    def _drop_column(self, model: Model) -> list[Event]:
        used = {c.column_id for index in model.indexes.values() for c in index.columns} | {2}
        free = [c for c in model.table.columns if c.id not in model.table.key and c.id not in used]
        if not free:
            return []
        gone = self.random.choice(free)
        model.table = replace(model.table, columns=tuple(c for c in model.table.columns if c is not gone))
        return [TableAltered(model.table)]

    def _rewrite(self, model: Model) -> list[Event]:
        if self.random.random() < 0.5:
            return []
        model.table = replace(model.table, storage=self._id(), base_width=model.table.width)
        model.rows = {key: (self.number, *row[1:]) for key, row in model.rows.items()}
        model.ended = []
        model.next_row_id = max(model.rows, default=0) + 1 if model.table.columns[0].hidden else 1
        types = self._types(model.table)
        return [TableRewritten(model.table, types, [row[1:] for row in model.rows.values()])]

    def _drop_table(self, model: Model) -> list[Event]:
        if len(self.tables) < 3:
            return []
        del self.tables[model.table.id]
        return [TableDropped(model.table.id)]

    def _sequence(self, model: Model) -> list[Event]:
        if not self.sequences or self.random.random() < 0.2:
            sequence = Sequence(self._id(), "public", "", dt.BIGINT)
            self.sequences[sequence.id] = None
            return [SequenceCreated(replace(sequence, name=f"s{sequence.id}"))]
        i = self.random.choice(list(self.sequences))
        self.sequences[i] = self.random.choice([None, 7, 2**40])
        return [SequenceAdvanced(i, self.sequences[i])]

    def _types(self, table: Table) -> tuple[dt.DataType, ...]:
        known = {c.slot: c.datatype for c in table.columns}
        return tuple(known.get(slot, dt.NULL) for slot in range(1, table.width))

    def key_of(self, table: Table, row: tuple[Any, ...]) -> Any:
        parts = tuple(row[s] for s in table.key_slots)
        return parts if len(parts) > 1 else parts[0]

    def _value(self, column: Column, key: bool) -> Any:
        if key and column.datatype in (dt.INTEGER, dt.BIGINT):
            return self.random.randrange(200)
        return self.random.choice(VALUES[column.datatype][1:] if key else VALUES[column.datatype])

    def _insert(self, model: Model) -> list[Event]:
        table, made = model.table, {}
        for _ in range(self.random.choice([1, 2, 5, 60])):
            row: list[Any] = [self.number] + [None] * (table.width - 1)
            for column in table.columns:
                row[column.slot] = self._value(column, column.id in table.key)
            if table.columns[0].hidden:
                row[1] = model.next_row_id
                model.next_row_id += 1
            key = self.key_of(table, tuple(row))
            if key not in model.rows:
                made[key] = tuple(row)
        model.rows.update(made)
        return [RowsInserted(table.id, self._types(table), [row[1:] for row in made.values()])] if made else []

    def _some_keys(self, model: Model) -> list[Any]:
        count = min(len(model.rows), self.random.choice([1, 1, 3, 50]))
        return self.random.sample(list(model.rows), count)

    def _update(self, model: Model) -> list[Event]:
        keys = self._some_keys(model)
        if self.random.random() < 0.3:
            keys += self.random.choices(keys, k=self.random.choice([1, 30])) if keys else []
        columns = [c for c in model.table.columns if c.id not in model.table.key]
        columns = self.random.sample(columns, self.random.randint(1, min(2, len(columns))))
        return self._changed(model, keys, columns, [[self._value(c, False) for c in columns] for _ in keys])

    def _move(self, model: Model) -> list[Event]:
        table = model.table
        if table.columns[0].hidden:
            return []
        keys = self._some_keys(model)
        columns = [table.by_id[i] for i in table.key]
        old = [[model.rows[key][c.slot] for c in columns] for key in keys]
        if self.random.random() < 0.5:
            return self._changed(model, keys, columns, old[1:] + old[:1])
        new = [[self._value(c, True) for c in columns] for _ in keys]
        taken = set(model.rows) - set(keys)
        for i, parts in enumerate(new):
            key = tuple(parts) if len(parts) > 1 else parts[0]
            if key in taken:
                return []
            taken.add(key)
            assert i < len(keys)
        return self._changed(model, keys, columns, new)

    def _changed(self, model: Model, keys: list[Any], columns: list[Column], values: list[list[Any]]) -> list[Event]:
        table = model.table
        if not keys:
            return []
        coming = {}
        for key, new in zip(keys, values, strict=True):  # of a key that comes again the last values count
            row = list(model.rows[key])
            if all(str(row[c.slot]) == str(value) for c, value in zip(columns, new, strict=True)):
                coming[key] = model.rows[key]
                continue
            row[0] = self.number
            for column, value in zip(columns, new, strict=True):
                row[column.slot] = value
            coming[self.key_of(table, tuple(row))] = tuple(row)
        for key in set(keys):
            del model.rows[key]
        model.rows.update(coming)
        slots, types = tuple(c.slot for c in columns), tuple(c.datatype for c in columns)
        key_types = tuple(table.by_id[i].datatype for i in table.key)
        return [RowsUpdated(table.id, key_types, keys, slots, types, [tuple(v) for v in values])]

    def _delete(self, model: Model) -> list[Event]:
        keys = self._some_keys(model)
        if self.random.random() < 0.1:
            keys = list(model.rows)
        for key in keys:
            del model.rows[key]
        key_types = tuple(model.table.by_id[i].datatype for i in model.table.key)
        return [RowsDeleted(model.table.id, key_types, keys)] if keys else []

    # comparing

    def compare(self, state: Any, number: int | None = None) -> None:
        """Everything that a reader of `state` says of position `number` (None: the present) against what is remembered."""
        tables = self.tables if number is None else self.past[number]
        catalog = state.catalog if number is None else state.catalog_at(number)
        assert set(catalog.tables) == set(tables)
        for i, model in tables.items():
            assert catalog.tables[i] == model.table
            model = dataclasses.replace(model, rows={key: seen(model.table, row) for key, row in model.rows.items()})
            reader = Seen(state.table(model.table, number), model.table)
            self._compare_rows(model, reader, exact_count=number is None)
            assert {index.id for index in catalog.indexes_of(i)} == set(model.indexes)
            for index in model.indexes.values():
                self._compare_index(model, index, reader.index(index.id))
        if number is None:
            for i, value in self.sequences.items():
                assert state.sequence_value(i) == value

    def _compare_rows(self, model: Model, reader: Any, exact_count: bool) -> None:
        wanted = sorted(model.rows.items(), key=lambda item: normal(item[0]))
        rows = [row for _, row in wanted]
        if exact_count:
            assert reader.row_count() == len(rows)
        assert flat(reader.batches()) == rows
        assert flat(reader.batches(reverse=True)) == rows[::-1]
        assert sorted(map(repr, flat(reader.unordered()))) == sorted(map(repr, rows))
        keys = self.random.sample([key for key, _ in wanted], min(len(wanted), 5))
        assert [reader.get(key) for key in keys] == [model.rows[key] for key in keys]
        assert list(reader.get_many(keys)) == [model.rows[key] for key in keys]
        if keys:
            low, high = sorted([normal(keys[0]), normal(keys[-1])])
            low_open, high_open, reverse = (self.random.random() < 0.5 for _ in range(3))
            inside = [
                row
                for key, row in wanted
                if (low < normal(key) or (low == normal(key) and not low_open))
                and (normal(key) < high or (normal(key) == high and not high_open))
            ]
            assert flat(reader.batches(low, high, low_open, high_open, reverse)) == (inside[::-1] if reverse else inside)

    def _compare_index(self, model: Model, index: Index, reader: Any) -> None:
        table = model.table
        entries = []
        for key, row in model.rows.items():
            if index.where is not None:
                parts = index_keys(table, index)(row)
            else:
                parts = tuple(
                    component(row[table.by_id[c.column_id].slot], c.descending, c.nulls_first)  # type: ignore[index]
                    for c in index.columns
                )
            if parts is not None:
                entries.append(((*parts, normal(key)), row))
        entries.sort(key=lambda entry: entry[0])
        assert flat(reader.batches()) == [row for _, row in entries]
        assert flat(reader.batches(reverse=True)) == [row for _, row in entries][::-1]
        if entries:
            assert reader.count() > 0
            prefix = self.random.choice(entries)[0][: self.random.randint(1, len(index.columns))]
            assert list(reader.lookup(prefix)) == [row for entry, row in entries if entry[: len(prefix)] == prefix]
            high = (*prefix, MAX_KEY)
            assert flat(reader.batches(prefix)) == [row for entry, row in entries if not entry < prefix]
            assert flat(reader.batches(None, high, True)) == [row for entry, row in entries if entry < high][::-1]

    def compare_versions(self, state: Any) -> None:
        """The versions between two random positions, of all rows and of one key."""
        for model in self.tables.values():
            reader = Seen(state.table(model.table), model.table)
            first = self.random.randint(0, self.number)
            last = self.random.randint(first, self.number)
            tails, width = model.table.tails, model.table.width
            ended = [(end, row if tails is None or len(row) == width else row + tails[len(row)]) for _, _, end, row in model.ended]
            alive = [v for v in ended if v[0] > first] + [(None, row) for row in model.rows.values()]
            alive = [(end, seen(model.table, row)) for end, row in alive if row[0] <= last]
            alive.sort(key=lambda v: (normal(self.key_of(model.table, v[1])), v[1][0]))
            assert flat(reader.versions(first, last)) == alive
            if alive:
                key = self.key_of(model.table, self.random.choice(alive)[1])
                wanted = [v for v in alive if normal(self.key_of(model.table, v[1])) == normal(key)]
                assert flat(reader.versions(first, last, key)) == wanted


def flat(batches: Any) -> list[Any]:
    """All rows of all batches."""
    return [row for batch in batches for row in batch]


def run(naive: Naive, transactions: int, state: State | None = None) -> State:
    """A state after so many random transactions."""
    state = State.empty(index_keys) if state is None else state
    for _ in range(transactions):
        editor = state.edit(state.number + 1)
        naive.transaction(editor)
        state = editor.publish(state.number * 1000 + 1000)
    return state
