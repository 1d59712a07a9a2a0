"""Row factories: what a row of a result becomes. A factory takes the cursor, once for each result, and gives the function that makes the
rows;
None means that the tuples are handed out as they are."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eventdb.dbapi.cursor import Cursor

MakeRow = Callable[[tuple[Any, ...]], Any]
RowFactory = Callable[["Cursor"], MakeRow | None]


def tuple_row(cursor: Cursor) -> None:
    """Plain tuples: the default."""


def dict_row(cursor: Cursor) -> MakeRow:
    """Dicts by column name; of columns with one name the last one counts."""
    names = _names(cursor)
    return lambda row: dict(zip(names, row, strict=True))


def namedtuple_row(cursor: Cursor) -> MakeRow:
    """Named tuples; names that are no Python names become _0, _1 …"""
    made: Any = namedtuple("Row", _names(cursor), rename=True)  # type: ignore[misc]
    make: MakeRow = made._make
    return make


class Row(tuple[Any, ...]):
    """A tuple whose values are also reached by column name, in any case: row["name"]. `Row` itself is the factory: `row_factory =
    eventdb.Row`."""

    _places: Mapping[str, int] = {}

    def __new__(cls, source: Any) -> Any:
        """As a factory: for a cursor, the function that makes its rows."""
        names = _names(source)
        places: dict[str, int] = {}
        for place, name in enumerate(names):
            places.setdefault(name, place)
            places.setdefault(name.lower(), place)
        made = type("Row", (Row,), {"__slots__": (), "_places": places, "_fields": tuple(names)})
        return lambda row: tuple.__new__(made, row)

    _fields: tuple[str, ...] = ()

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            place = self._places.get(key)
            if place is None:
                place = self._places.get(key.lower())
            if place is None:
                raise KeyError(key)
            return tuple.__getitem__(self, place)
        return tuple.__getitem__(self, key)

    def keys(self) -> tuple[str, ...]:
        """The column names, in order; `dict(row)` works."""
        return self._fields

    def items(self) -> Iterator[tuple[str, Any]]:
        return zip(self._fields, self, strict=True)

    def __repr__(self) -> str:
        return f"Row({', '.join(f'{name}={value!r}' for name, value in self.items())})"


def _names(cursor: Cursor) -> list[str]:
    return [column.name for column in cursor.columns]
