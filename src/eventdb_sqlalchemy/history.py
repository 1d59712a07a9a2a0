"""The history of one object: all versions of its row, or of its rows in several tables, with who made them, why and when."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.sql import elements, operators, visitors

from eventdb_sqlalchemy.temporal import transactions, versions

_LOG = ("committed_at", "actor", "reason", "correlation_id", "metadata")


class Version(Mapping[str, Any]):
    """An object as one transaction left it: a mapping of its column attributes to their values, which are attributes of the version too,
    as far as they have other names than these:

    `operation`: "insert", "update" or "delete"; a deleted object shows what it was last. `transaction`, `committed_at`, `actor`, `reason`,
    `correlation_id`, `metadata`: which transaction, when, who and why; `committed_at` is None for one that has not committed yet.
    `changed`: the names of the attributes that it changed.
    """

    __slots__ = (*_LOG, "changed", "operation", "transaction", "_values")

    def __init__(
        self, operation: str, values: dict[str, Any], transaction: int, told: Sequence[Any], changed: frozenset[str]
    ) -> None:
        self.operation = operation
        self.transaction = transaction
        self.changed = changed
        self._values = values
        self.committed_at: datetime.datetime | None
        self.actor: str | None
        self.reason: str | None
        self.correlation_id: str | None
        self.metadata: dict[str, Any] | None
        self.committed_at, self.actor, self.reason, self.correlation_id, self.metadata = told

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(f"the version has no attribute {name!r}; its values are {', '.join(self._values)}") from None

    def __repr__(self) -> str:
        by = "" if self.actor is None else f" by {self.actor}"
        return f"<Version {self.transaction}: {self.operation}{by}, {self._values}>"


def history(of: Any, key: Any = None, *, session: Any = None) -> list[Version]:
    """All versions of an object, oldest first.

    `of`: a persistent or deleted object, or a mapped class with the primary `key` of one (a tuple for a composite key), whether it exists
    or not any more. `session`: the Session or Connection to read with, by default the one that the object belongs to. Of joined
    inheritance the tables are merged, transaction by transaction. Values are in the schema of the present. An object is its primary key:
    one whose key was changed is deleted under the old and inserted under the new one. What the session has flushed and not committed is
    there too. Raises ArgumentError for an object without a key or a session; an unknown key has no versions.
    """
    mapper, identity = _identified(of, key)
    if session is None:
        from sqlalchemy import orm

        session = None if isinstance(of, type | orm.Mapper) else orm.object_session(of)
        if session is None:
            raise exc.ArgumentError("history() needs a session to read with: history(Entity, key, session=session)")
    session = getattr(session, "present", session)
    tables = _tables(mapper, identity)
    found = {table: _versions_of(session, table, where) for table, where in tables.items()}
    numbers = sorted({number for rows in found.values() for row in rows for number in row[:2] if number is not None})
    log = _log(session, numbers)
    made: list[Version] = []
    root = next(iter(tables))
    before: dict[str, Any] = {}
    for number in numbers:
        row: dict[Any, Any] = {}
        alive = {table for table, rows in found.items() if _alive(table, rows, number, row)}
        values = _values(mapper, row) if root in alive else before
        operation = "delete" if root not in alive else "update" if before else "insert"
        if operation == "delete" and not before:
            continue
        changed = frozenset(name for name, value in values.items() if name not in before or before[name] != value)
        made.append(Version(operation, values, number, log.get(number, (None,) * len(_LOG)), changed))
        before = {} if operation == "delete" else values
    return made


def _identified(of: Any, key: Any) -> tuple[Any, tuple[Any, ...]]:
    inspected = sa.inspect(of, raiseerr=False)
    if inspected is not None and getattr(inspected, "is_mapper", False):
        if key is None:
            raise exc.ArgumentError(f"history({inspected.class_.__name__}) needs the primary key of an object")
        identity = tuple(key) if isinstance(key, tuple | list) else (key,)
        if len(identity) != len(inspected.primary_key):
            name = inspected.class_.__name__
            raise exc.ArgumentError(f"the primary key of {name} has {len(inspected.primary_key)} parts, not {len(identity)}")
        return inspected, identity
    if inspected is None or not getattr(inspected, "is_instance", False):
        raise exc.ArgumentError(f"history() takes an object or a mapped class with a key, not {of!r}")
    if inspected.identity is None:
        raise exc.ArgumentError(f"{of!r} has no history: it was never in the database")
    return inspected.mapper, inspected.identity


def _tables(mapper: Any, identity: tuple[Any, ...]) -> dict[Any, Any]:
    """Table → the condition for the object's row in it; first the one without which there is no object."""
    mappers = [one for one in mapper.self_and_descendants if one is mapper or not one.concrete]
    same: dict[Any, Any] = dict(zip(mapper.primary_key, identity, strict=True))
    conditions = [one.inherit_condition for one in (*mapper.iterate_to_root(), *mappers) if one.inherit_condition is not None]
    pairs = [pair for condition in conditions for pair in _equal(condition)]
    for _ in pairs:
        for a, b in pairs:
            if a in same:
                same.setdefault(b, same[a])
            elif b in same:
                same[a] = same[b]
    found: dict[Any, Any] = {}
    for table in (table for one in mappers for table in one.tables):
        columns = [column for column in table.primary_key if column in same]
        if not columns or len(columns) < len(table.primary_key):
            raise exc.ArgumentError(f"history() does not know the key of {mapper.class_.__name__} in table {table.name!r}")
        found[table] = {column.key: same[column] for column in columns}
    base = mapper.primary_key[0].table
    return {base: found[base], **found}


def _equal(condition: Any) -> Iterator[tuple[Any, Any]]:
    for element in visitors.iterate(condition):
        if isinstance(element, elements.BinaryExpression) and element.operator is operators.eq:
            yield element.left._deannotate(), element.right._deannotate()


def _versions_of(session: Any, table: Any, where: Mapping[str, Any]) -> list[tuple[int, int | None, tuple[Any, ...]]]:
    v = versions(table)
    statement = sa.select(v.row_start_tx, v.row_end_tx, *v.c).where(*[v.c[name] == value for name, value in where.items()])
    return [(row[0], row[1], tuple(row[2:])) for row in session.execute(statement)]


def _alive(table: Any, rows: Any, number: int, row: dict[Any, Any]) -> bool:
    for start, end, values in rows:
        if start <= number and (end is None or number < end):
            row.update(zip(table.c, values, strict=True))
            return True
    return False


def _values(mapper: Any, row: dict[Any, Any]) -> dict[str, Any]:
    kind = mapper.polymorphic_on
    if kind is not None and kind in row:
        mapper = mapper.polymorphic_map.get(row[kind], mapper)
    values: dict[str, Any] = {}
    for prop in mapper.column_attrs:
        for column in prop.columns:
            if column in row:
                values[prop.key] = row[column]
                break
    return values


def _log(session: Any, numbers: list[int]) -> dict[int, tuple[Any, ...]]:
    if not numbers:
        return {}
    log = transactions.c
    statement = sa.select(log.number, *[log[name] for name in _LOG]).where(log.number.in_(numbers))
    return {row[0]: tuple(row[1:]) for row in session.execute(statement)}
