"""Objects of the past: what happens to a Session's statements that have the execution option `as_of`, or that select `as_of(Entity, t)`.

An object of the past must never be taken for the present one of the same key, nor be flushed over it, and what hangs on it has to be read
at its moment. So it lives in a Session of its own: `past_session(session, t)`, which reads through the connection of `session`, at that
moment and nothing else, and refuses to flush. A statement that asks for the past is handed to that session; the relationships of what it
finds load there, by whatever strategy. It ends with `session`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, exc, orm
from sqlalchemy.engine.result import ChunkedIteratorResult, SimpleResultMetaData
from sqlalchemy.orm import attributes
from sqlalchemy.sql import elements, selectable

from eventdb_sqlalchemy.temporal import SystemTime, is_transaction, parts

_KEY = "eventdb.past"
_CHUNK = 1000


class Moment:
    """The identity token of an object that is one version of a row: the transaction that made the version."""

    __slots__ = ("transaction",)

    def __init__(self, transaction: int) -> None:
        self.transaction = transaction

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Moment) and other.transaction == self.transaction

    def __hash__(self) -> int:
        return hash((Moment, self.transaction))

    def __repr__(self) -> str:
        return f"Moment({self.transaction})"


class PastSession(orm.Session):
    """A Session that reads as of one moment, `moment`, on the connection of another. Made by `past_session`."""

    def __init__(self, present: orm.Session, moment: Any) -> None:
        super().__init__(autoflush=False, expire_on_commit=False, join_transaction_mode="rollback_only")
        self.moment = moment
        self.present = present
        # It is replaced when the session is closed, or lets go of all its objects.
        self._objects = present.identity_map

    @property
    def ended(self) -> bool:
        """Whether the session that this one belongs to was closed."""
        return self.present.identity_map is not self._objects

    def get_bind(self, mapper: Any = None, *, clause: Any = None, bind: Any = None, **kw: Any) -> Any:
        if self.ended:
            raise orm.exc.DetachedInstanceError(
                f"the objects as of {self.moment} cannot be loaded further: the Session that they were selected with is closed"
            )
        told = {"mapper": mapper, "clause": clause, "bind": bind, **kw}
        return self.present.connection(bind_arguments={name: value for name, value in told.items() if value is not None})

    def forget_changes(self) -> None:
        """Take back what was done to the objects and could not be flushed. (A rollback would also be one of the connection.)"""
        for made in self.new:
            self.expunge(made)
        for deleted in self.deleted:
            self.expunge(deleted)
            self.add(deleted)
        for changed in self.dirty:
            self.expire(changed)


def past_session(session: Any, moment: Any) -> PastSession:
    """The read-only Session of the objects as of a moment (transaction number, datetime or text) that belongs to `session`.

    One for each moment: what `session.execute(…, execution_options={"as_of": moment})` gives is there. It reads in the transaction of
    `session`, sees nothing of what that has changed, raises InvalidRequestError instead of flushing a change, and ends with it.
    """
    if isinstance(session, orm.scoped_session):
        session = session()
    while isinstance(session, PastSession):
        session = session.present
    held: dict[Any, PastSession] = session.info.setdefault(_KEY, {})
    key = (type(moment), moment)
    found = held.get(key)
    if found is None or found.ended:
        for stale in [key for key, past in held.items() if past.ended]:
            held.pop(stale).expunge_all()
        found = held[key] = PastSession(session, moment)
    return found


def _of(session: orm.Session) -> list[PastSession]:
    held = session.info.get(_KEY)
    return list(held.values()) if held else []


# The events. They stand on every Session of the program and do something only where the past is asked for.


@event.listens_for(orm.Session, "do_orm_execute")
def _execute(context: Any) -> Any:
    session, moment = context.session, context.execution_options.get("as_of")
    if isinstance(session, PastSession):
        if moment is None:
            context.update_execution_options(as_of=session.moment)
            return None
        if (type(moment), moment) == (type(session.moment), session.moment):
            return None
    if moment is None or not (context.is_orm_statement and context.is_select):
        return None
    if session.get_bind(**context.bind_arguments).dialect.name != "eventdb":
        return None
    options = {**context.local_execution_options, "as_of": moment}
    past = past_session(session, moment)
    arguments = {name: value for name, value in context.bind_arguments.items() if name == "bind"}
    return past.execute(context.statement, context.parameters, execution_options=options, bind_arguments=arguments)


@event.listens_for(orm.Session, "before_flush")
def _refuse(session: orm.Session, *_: Any) -> None:
    if isinstance(session, PastSession):
        changed = [*session.new, *session.dirty, *session.deleted]
        if changed:
            raise exc.InvalidRequestError(f"{changed[0]!r} is as of {session.moment}, and the past is read only: it cannot be flushed")
        return
    options = getattr(session, "execution_options", None)  # of SQLAlchemy 2.1
    if options and options.get("as_of") is not None:
        raise exc.InvalidRequestError(f"the Session reads as of {options['as_of']}, and the past is read only: it cannot flush")
    for changed_object in (*session.dirty, *session.deleted):
        token = attributes.instance_state(changed_object).identity_token
        if isinstance(token, Moment):
            raise exc.InvalidRequestError(
                f"{changed_object!r} is the version that transaction {token.transaction} made, and the past is read only:"
                " it cannot be flushed"
            )


@event.listens_for(orm.Session, "before_commit")
def _refuse_commit(session: orm.Session) -> None:
    for past in _of(session):
        past.flush()


@event.listens_for(orm.Session, "after_transaction_end")
def _end(session: orm.Session, transaction: Any) -> None:
    """The connection is given back, so that sessions in the past must ask for it again; those without objects in use are forgotten."""
    held = session.info.get(_KEY)
    if held and transaction.parent is None:
        for key, past in list(held.items()):
            past.forget_changes()
            past.commit()
            if not past.identity_map:
                del held[key]


# as_of(Entity, t) and versions(Entity) among what is selected


def watch_statements() -> None:
    """From now on statements are looked through for mapped classes in time."""
    if not event.contains(orm.Session, "do_orm_execute", _execute_with_entities):
        event.listen(orm.Session, "do_orm_execute", _execute_with_entities)


class _Entity:
    """A mapped class in time, among what a statement selects: the columns that take its place in the statement, and what they become."""

    def __init__(self, alias: Any, tables: list[SystemTime]) -> None:
        inspected = sa.inspect(alias)
        self.alias = alias
        self.mapper = inspected.mapper
        self.tables = tables
        self.columns: list[Any] = []
        self.originals: list[Any] = []
        for table in tables:
            for column, original in zip(table.c, table.element.c, strict=True):
                self.columns.append(column)
                self.originals.append(original)
        # Attributes, so that the alias is what is selected from.
        self.columns += [getattr(alias, self.mapper.get_property_by_column(column).key) for column in self.mapper.primary_key]
        if tables[0].kind != "AS OF":
            self.columns.append(tables[0].row_start_tx)
        self.at: Any = None

    def locate(self, context: Any) -> None:
        """Find the session that the objects belong to; versions belong to none."""
        if self.tables[0].kind != "AS OF":
            return
        start = self.tables[0].start
        if not isinstance(start, elements.BindParameter):
            raise exc.InvalidRequestError(
                f"objects of {self.mapper.class_.__name__} as of {start} cannot be selected: their moment must be a value;"
                " select its columns"
            )
        given = context.parameters if isinstance(context.parameters, dict) else {}
        value = given.get(start.key, start.effective_value)
        self.at = past_session(context.session, f"TRANSACTION {value}" if is_transaction(start) else value)

    def made(self, values: tuple[Any, ...]) -> Any:
        """The object for a row's part; None where an outer join found nothing."""
        row = dict(zip(self.originals, values, strict=False))
        mapper = self._mapper_of(row)
        key = [row[column] for column in mapper.primary_key if column in row]
        if len(key) < len(mapper.primary_key) or None in key:
            return None
        past = self.at
        if past is not None:
            found = past.identity_map.get(mapper.identity_key_from_primary_key(key))
            if found is not None:
                return found
        instance = mapper.class_manager.new_instance()
        for prop in mapper.column_attrs:
            for column in prop.columns:
                if column in row:
                    attributes.set_committed_value(instance, prop.key, row[column])
                    break
        if past is None:
            attributes.instance_state(instance).identity_token = Moment(values[-1])
        orm.make_transient_to_detached(instance)
        if past is not None:
            past.add(instance)
        return instance

    def _mapper_of(self, row: dict[Any, Any]) -> Any:
        mapper = self.mapper
        if mapper.polymorphic_on is None or mapper.polymorphic_on not in row:
            return mapper
        return mapper.polymorphic_map.get(row[mapper.polymorphic_on], mapper)


def _entity_of(expression: Any) -> _Entity | None:
    inspected = sa.inspect(expression, raiseerr=False)
    if inspected is None or not getattr(inspected, "is_aliased_class", False):
        return None
    of = inspected.selectable
    if isinstance(of, selectable.Alias) and isinstance(of.element, selectable.TableClause):
        return None
    tables = parts(of)
    if tables:
        return _Entity(expression, tables)
    if isinstance(of, selectable.FromClause) and _in_time(of):
        raise exc.InvalidRequestError(
            f"objects of {inspected.mapper.class_.__name__} cannot be selected from a subquery of the past; select its columns"
        )
    return None


def _is_alias(column: Any) -> bool:
    """Whether a part of what is selected is an aliased class as a whole; cheap, since every statement is asked."""
    return isinstance(column, selectable.FromClause) and getattr(column._annotations.get("parententity"), "is_aliased_class", False)


def _in_time(of: Any) -> bool:
    from sqlalchemy.sql import visitors

    return any(isinstance(element, SystemTime) for element in visitors.iterate(of))


def _refuse_options(statement: Any) -> None:
    """Relationships of present objects must not be filled from tables in time, which would make past objects present ones."""
    for option in statement._with_options:
        for element in getattr(option, "context", ()):
            for token in element.path.path[1:]:
                if getattr(token, "is_aliased_class", False) and _in_time(token.selectable):
                    raise exc.InvalidRequestError(
                        f"a relationship cannot be loaded from {token.mapper.class_.__name__} in time; select the objects"
                        " beside each other, or the whole statement with the option as_of"
                    )


def _execute_with_entities(context: Any) -> Any:
    statement = getattr(context.statement, "_resolved", context.statement)  # what a lambda_stmt() stands for
    if not context.is_select:
        return None
    if isinstance(statement, orm.FromStatement):
        if isinstance(statement.element, elements.ClauseElement) and _in_time(statement.element):
            raise exc.InvalidRequestError(
                "objects cannot be selected from a statement with tables in time; select columns, or as_of(Class, …)"
            )
        return None
    if not isinstance(statement, selectable.Select):
        return None
    if statement._with_options:
        _refuse_options(statement)
    if not any(_is_alias(column) for column in statement._raw_columns):
        return None
    described = statement.column_descriptions
    entities = {place: found for place, one in enumerate(described) if (found := _entity_of(one["expr"])) is not None}
    if not entities:
        return None
    selected: list[Any] = []
    plan: list[tuple[int, int, _Entity | None]] = []
    for place, one in enumerate(described):
        entity = entities.get(place)
        columns = [one["expr"]] if entity is None else entity.columns
        if entity is not None:
            entity.locate(context)
        plan.append((len(selected), len(selected) + len(columns), entity))
        selected += columns
    result = context.invoke_statement(statement=statement.with_only_columns(*selected, maintain_column_froms=True))

    def chunks(size: int | None) -> Iterator[list[tuple[Any, ...]]]:
        for rows in result.partitions(size or _CHUNK):
            yield [tuple([row[a] if entity is None else entity.made(row[a:b]) for a, b, entity in plan]) for row in rows]

    names = [one["name"] for one in described]
    made: Any = ChunkedIteratorResult(SimpleResultMetaData(names), chunks, raw=result.raw)
    if len(plan) == 1:  # what Query asks for
        made._attributes = made._attributes.union({"is_single_entity": True, "filtered": True})
    size = context.execution_options.get("yield_per")
    return made.yield_per(size) if size else made
