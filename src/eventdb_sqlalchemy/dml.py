"""INSERT with ON CONFLICT."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from sqlalchemy import exc, schema, util
from sqlalchemy.sql import coercions, roles
from sqlalchemy.sql.base import ColumnCollection, ReadOnlyColumnCollection, _generative
from sqlalchemy.sql.dml import Insert as _Insert
from sqlalchemy.sql.elements import ClauseElement, KeyedColumnElement
from sqlalchemy.sql.expression import alias
from sqlalchemy.sql.visitors import InternalTraversal
from sqlalchemy.types import NULLTYPE

_Self = TypeVar("_Self", bound="Insert")


def insert(table: Any) -> Insert:
    """INSERT into a table or mapped class, with `on_conflict_do_update` and `on_conflict_do_nothing`."""
    return Insert(table)


class Insert(_Insert):
    """SQLAlchemy's INSERT with an ON CONFLICT clause."""

    stringify_dialect = "eventdb"
    inherit_cache = True

    @util.memoized_property
    def excluded(self) -> ReadOnlyColumnCollection[str, KeyedColumnElement[Any]]:
        """The columns of the row that could not be inserted, for use in `set_` and `where`."""
        return alias(self.table, name="excluded").columns

    @_generative
    def on_conflict_do_update(
        self: _Self,
        constraint: Any = None,
        index_elements: Iterable[Any] | None = None,
        index_where: Any = None,
        set_: Mapping[Any, Any] | ColumnCollection[str, Any] | None = None,
        where: Any = None,
    ) -> _Self:
        """ON CONFLICT … DO UPDATE SET …

        Which conflict: `constraint`, the name of a unique constraint or the object, or `index_elements`, its columns, with `index_where`
        for a partial index. `set_`: column or name → value or expression; `excluded` has the new row. `where`: rows for which
        it is not true stay as they are. Python-side `onupdate` values do not apply. Raises ArgumentError.
        """
        self._give(OnConflictDoUpdate(constraint, index_elements, index_where, set_, where))
        return self

    @_generative
    def on_conflict_do_nothing(
        self: _Self, constraint: Any = None, index_elements: Iterable[Any] | None = None, index_where: Any = None
    ) -> _Self:
        """ON CONFLICT … DO NOTHING, for any conflict or for that of one constraint. Raises ArgumentError."""
        self._give(OnConflictDoNothing(constraint, index_elements, index_where))
        return self

    def _give(self, clause: ClauseElement) -> None:
        if self._post_values_clause is not None:
            raise exc.InvalidRequestError("This Insert construct already has an ON CONFLICT clause established")
        self._post_values_clause = clause


class OnConflictClause(ClauseElement):
    """The target of ON CONFLICT: a constraint's name, or elements and a condition."""

    stringify_dialect = "eventdb"
    constraint_target: str | None = None
    inferred_target_elements: list[Any] | None = None
    inferred_target_whereclause: Any = None

    _traverse_internals = [  # noqa: RUF012
        ("constraint_target", InternalTraversal.dp_string),
        ("inferred_target_elements", InternalTraversal.dp_multi_list),
        ("inferred_target_whereclause", InternalTraversal.dp_clauseelement),
    ]

    def __init__(self, constraint: Any = None, index_elements: Iterable[Any] | None = None, index_where: Any = None) -> None:
        if constraint is not None and index_elements is not None:
            raise exc.ArgumentError("'constraint' and 'index_elements' are mutually exclusive")
        if constraint is not None and not isinstance(constraint, str):
            if isinstance(constraint, schema.Index):
                index_elements = constraint.expressions
                index_where = constraint.dialect_options["eventdb"].get("where")
            elif constraint.name is not None:
                constraint = str(constraint.name)
            else:
                index_elements = constraint.columns
        if index_elements is not None:
            self.inferred_target_elements = [coercions.expect(roles.DDLConstraintColumnRole, column) for column in index_elements]
            if index_where is not None:
                self.inferred_target_whereclause = coercions.expect(roles.WhereHavingRole, index_where)
        elif constraint is not None:
            self.constraint_target = constraint


class OnConflictDoNothing(OnConflictClause):
    __visit_name__ = "on_conflict_do_nothing"
    inherit_cache = True


class OnConflictDoUpdate(OnConflictClause):
    __visit_name__ = "on_conflict_do_update"

    _traverse_internals = [  # noqa: RUF012
        *OnConflictClause._traverse_internals,
        ("update_values_to_set", InternalTraversal.dp_dml_values),
        ("update_whereclause", InternalTraversal.dp_clauseelement),
    ]

    def __init__(
        self,
        constraint: Any = None,
        index_elements: Iterable[Any] | None = None,
        index_where: Any = None,
        set_: Any = None,
        where: Any = None,
    ) -> None:
        super().__init__(constraint, index_elements, index_where)
        if self.constraint_target is None and self.inferred_target_elements is None:
            raise exc.ArgumentError("ON CONFLICT DO UPDATE needs 'constraint' or 'index_elements'")
        if isinstance(set_, ColumnCollection):
            set_ = dict(set_)
        if not isinstance(set_, Mapping) or not set_:
            raise exc.ArgumentError("set_ must be a dictionary that is not empty, or a collection of columns such as Table.c")
        self.update_values_to_set: dict[Any, Any] = {
            coercions.expect(roles.DMLColumnRole, key): coercions.expect(roles.ExpressionElementRole, value, type_=NULLTYPE, is_crud=True)
            for key, value in set_.items()
        }
        self.update_whereclause = None if where is None else coercions.expect(roles.WhereHavingRole, where)
