"""What generated code calls where a few lines of Python would not do in place."""

from __future__ import annotations

import math
import operator
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any

from eventdb.errors import (
    CardinalityViolation,
    InvalidParameterValue,
    InvalidRowCountInLimitClause,
    InvalidRowCountInOffsetClause,
)

Tuples = list[tuple[Any, ...]]
_BATCHES = (64, 1024, None)
"""How many rows `looked_up` takes together."""


def row_limit(count: int | None) -> int | None:
    if count is not None and count < 0:
        raise InvalidRowCountInLimitClause("LIMIT must not be negative")
    return count


def row_share(rows: int, percent: Decimal | None) -> int | None:
    """So many rows are `percent` of them, rounded up."""
    if percent is None:
        return None
    if not percent >= 0:
        raise InvalidRowCountInLimitClause("PERCENT must not be negative")
    return rows if percent >= 100 else math.ceil(rows * percent / 100)


def row_offset(count: int | None) -> int:
    if count is not None and count < 0:
        raise InvalidRowCountInOffsetClause("OFFSET must not be negative")
    return count or 0


def stop(start: int, count: int | None) -> int | None:
    return None if count is None else start + count


def first_batch(count: int | None) -> int:
    """How many rows to ask for at first where `count` will be taken."""
    return min(max(count, 1), 1000) if count is not None else 32


def tie_stop(keys: Sequence[Any], start: int, count: int | None) -> int | None:
    """Where to stop so that rows equal to the last one in order come along."""
    end = stop(start, count)
    if end is None or count == 0 or end >= len(keys):
        return end
    while end < len(keys) and keys[end] == keys[end - 1]:
        end += 1
    return end


def one(values: Sequence[Any]) -> Any:
    """The value of a scalar subquery."""
    if len(values) > 1:
        raise CardinalityViolation("more than one row returned by a subquery used as an expression")
    return values[0] if values else None


def versions(table: Any, span: tuple[int | None, int | None], key: Any = None) -> Iterator[Sequence[tuple[int | None, Any]]]:
    """Lists of (end, row) of a table over a span of transactions; the present has only open versions."""
    first, last = span
    if first is not None:
        found: Iterator[Sequence[tuple[int | None, Any]]] = table.versions(first, last, key)
        return found
    if key is not None:
        row = table.get(key)
        return iter(()) if row is None else iter(([(None, row)],))
    return ([(None, row) for row in batch] for batch in table.unordered())


def history(table: Any, span: tuple[int | None, int | None], key: Any) -> Sequence[Any]:
    """The rows of one key over a span of transactions."""
    first, last = span
    if first is not None:
        found: Sequence[Any] = table.history(first, last, key)
        return found
    row = table.get(key)
    return () if row is None else (row,)


def looked_up(rows: Iterable[tuple[Any, Any]], read: Callable[[set[Any]], dict[Any, Any]]) -> Iterator[tuple[Any, Sequence[Any]]]:
    """(row, its matches) for each (key, row), in their order.

    `read` is given the keys of many rows at once, each key once in all and none that holds a NULL, and gives the matches by key. It is few
    rows at first, since there may be a LIMIT, and then all that are left: so it is called three times at the most, however many they are.
    """
    found: dict[Any, Sequence[Any]] = {}
    rows = iter(rows)
    for size in _BATCHES:
        batch = list(islice(rows, size))
        if not batch:
            return
        keys = {key for key, _ in batch if key not in found and key is not None and not (type(key) is tuple and None in key)}
        if keys:
            matches = read(keys)
            for key in keys:
                found[key] = matches.get(key, ())
        for key, row in batch:
            yield row, found.get(key, ())


def distinct_keys(keys: Iterable[Any]) -> list[Any]:
    """Keys without repetition and without those that hold a NULL."""
    return [k for k in dict.fromkeys(keys) if k is not None and not (type(k) is tuple and None in k)]


def series(start: int | None, end: int | None, step: int | None = 1) -> Iterable[int]:
    if start is None or end is None or step is None:
        return ()
    if step == 0:
        raise InvalidParameterValue("step size cannot equal zero")
    return range(start, end + (1 if step > 0 else -1), step)


def row_count(table: Any, span: tuple[int | None, int | None]) -> int:
    """The exact number of rows of a table."""
    count: int = table.row_count() if span[0] is None else sum(map(len, table.unordered()))
    return count


# ---- set operations


def intersection(left: Tuples, right: Tuples) -> Tuples:
    other = set(right)
    return [row for row in dict.fromkeys(left) if row in other]


def intersection_all(left: Tuples, right: Tuples) -> Tuples:
    counts = Counter(right)
    result = []
    for row in left:
        if counts.get(row, 0) > 0:
            counts[row] -= 1
            result.append(row)
    return result


def difference(left: Tuples, right: Tuples) -> Tuples:
    other = set(right)
    return [row for row in dict.fromkeys(left) if row not in other]


def difference_all(left: Tuples, right: Tuples) -> Tuples:
    counts = Counter(right)
    result = []
    for row in left:
        if counts.get(row, 0) > 0:
            counts[row] -= 1
        else:
            result.append(row)
    return result


# ---- IN, ANY, ALL over subqueries

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq, "<>": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def member(item: Any, values: set[Any]) -> bool | None:
    """item IN (values), in three-valued logic."""
    if not values:
        return False
    if item is None:
        return None
    if item in values:
        return True
    return None if None in values else False


def compare_rows(symbol: str, left: Sequence[Any], right: Sequence[Any] | None) -> bool | None:
    """A row comparison in three-valued logic; no right row is NULL."""
    if right is None:
        return None
    if symbol in ("=", "<>"):
        unknown = False
        for a, b in zip(left, right, strict=True):
            if a is None or b is None:
                unknown = True
            elif _differ(a, b):
                return symbol == "<>"
        return None if unknown else symbol == "="
    for a, b in zip(left, right, strict=True):
        if a is None or b is None:
            return None
        if _differ(a, b):
            if a != a or b != b:
                return bool((a != a) == (symbol[0] == ">"))
            return bool(_OPERATORS[symbol](a, b))
    return symbol in ("<=", ">=")


def _differ(a: Any, b: Any) -> bool:
    """NaN equals itself, and is greater than every number."""
    return bool(a != b and (a == a or b == b))


def row_member(items: tuple[Any, ...], rows: Iterable[tuple[Any, ...]]) -> bool | None:
    """(items) IN (rows)."""
    return quantified("=", items, rows, False)


def quantified(symbol: str, items: tuple[Any, ...], rows: Iterable[tuple[Any, ...]], every: bool) -> bool | None:
    """items symbol ANY | ALL (rows)."""
    unknown = False
    for row in rows:
        result = compare_rows(symbol, items, row)
        if result is None:
            unknown = True
        elif result is not every:
            return not every
    return None if unknown else every
