"""Window functions: what generated code calls for each of them, with lists of the values that it needs from every row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

from eventdb.errors import InvalidParameterValue, NotSupportedError
from eventdb.sql.compiler.generator import PRODUCERS, Generator, Need, places
from eventdb.sql.compiler.steps import For, Steps
from eventdb.sql.expressions.aggregates import AggregateFunction, sort_rows
from eventdb.sql.expressions.bound import Expr, OrderKey, WindowCall
from eventdb.sql.expressions.compiler import compile_source
from eventdb.sql.expressions.intervals import add_months
from eventdb.sql.planner import nodes as plan

Row = tuple[Any, ...]
Frame = tuple[int, int]


class Spec(NamedTuple):
    """A window call without its expressions. `aggregate` None: a function of `FUNCTIONS`."""

    name: str
    aggregate: AggregateFunction | None
    keys: tuple[OrderKey, ...]
    mode: str
    start: str
    end: str
    exclude: str


class Partition:
    """The rows of one partition in the window's order: their order keys, arguments (None where FILTER drops a row), and peers.

    Row i has the peers first[i] <= j < last[i] and belongs to the group number[i].
    """

    def __init__(self, keys: list[Row], arguments: list[Any]) -> None:
        self.keys = keys
        self.arguments = arguments
        self.count = len(arguments)
        self.first: list[int] = []
        self.number: list[int] = []
        self.starts: list[int] = []
        for i, key in enumerate(keys):
            if not i or key != keys[i - 1]:
                self.starts.append(i)
            self.first.append(self.starts[-1])
            self.number.append(len(self.starts) - 1)
        self.starts.append(self.count)
        self.last = [self.starts[number + 1] for number in self.number]


def window(
    spec: Spec, count: int, partitions: list[Row] | None, order: list[Row] | None, arguments: list[Any], start: Any, end: Any
) -> list[Any]:
    """The value of a window call for each of `count` rows; the lists have an entry for each of them."""
    _check_offset(start, "starting")
    _check_offset(end, "ending")
    groups: dict[Any, list[int]] = {}
    if partitions is None:
        groups[None] = list(range(count))
    else:
        for i, key in enumerate(partitions):
            groups.setdefault(key, []).append(i)
    result: list[Any] = [None] * count
    for found in groups.values():
        members = found
        if order is not None:
            entries = [(order[i], i) for i in members]
            sort_rows(entries, spec.keys)
            members = [i for _, i in entries]
        keys = [order[i] for i in members] if order is not None else [()] * len(members)
        part = Partition(keys, [arguments[i] for i in members])
        function = FUNCTIONS.get(spec.name)
        values = function(part) if function is not None else _framed(spec, part, start, end)
        for i, value in zip(members, values, strict=True):
            result[i] = value
    return result


def _check_offset(offset: Any, which: str) -> None:
    if offset is MISSING:
        return
    if offset is None:
        raise InvalidParameterValue(f"frame {which} offset must not be null")
    if offset < type(offset)(0):
        raise InvalidParameterValue(f"frame {which} offset must not be negative")


MISSING: Any = object()
"""In place of a frame offset where there is none."""


# ---- functions of the whole partition


def _ntile(part: Partition) -> list[Any]:
    buckets = part.arguments[0][0]
    if buckets is None:
        return [None] * part.count
    if buckets <= 0:
        raise InvalidParameterValue("argument of ntile must be greater than zero")
    size, more = divmod(part.count, buckets)
    edge = more * (size + 1)
    return [i // (size + 1) + 1 if i < edge else more + (i - edge) // size + 1 for i in range(part.count)]


def _dense_rank(part: Partition) -> list[Any]:
    return [number + 1 for number in part.number]


def _percent_rank(part: Partition) -> list[Any]:
    return [first / (part.count - 1) if part.count > 1 else 0.0 for first in part.first]


def _shifted(part: Partition, direction: int) -> list[Any]:
    values = []
    for i, (_, offset, default) in enumerate(part.arguments):
        j = -1 if offset is None else i + direction * offset
        values.append(None if offset is None else part.arguments[j][0] if 0 <= j < part.count else default)
    return values


FUNCTIONS: dict[str, Callable[[Partition], list[Any]]] = {
    "row_number": lambda part: list(range(1, part.count + 1)),
    "rank": lambda part: [first + 1 for first in part.first],
    "dense_rank": _dense_rank,
    "percent_rank": _percent_rank,
    "cume_dist": lambda part: [last / part.count for last in part.last],
    "ntile": _ntile,
    "lag": lambda part: _shifted(part, -1),
    "lead": lambda part: _shifted(part, 1),
}


# ---- frames


def _framed(spec: Spec, part: Partition, start: Any, end: Any) -> list[Any]:
    frames = _frames(spec, part, start, end)
    if spec.exclude == "no others":
        if spec.aggregate is not None:
            return _aggregated(spec.aggregate, part, frames)
        return [_picked(spec, part, i, range(low, high)) for i, (low, high) in enumerate(frames)]
    values = []
    for i, (low, high) in enumerate(frames):
        left = [j for j in range(low, high) if not _excluded(spec.exclude, part, i, j)]
        if spec.aggregate is not None:
            values.append(spec.aggregate.compute([part.arguments[j] for j in left if part.arguments[j] is not None]))
        else:
            values.append(_picked(spec, part, i, left))
    return values


def _excluded(exclude: str, part: Partition, i: int, j: int) -> bool:
    peer = part.first[i] <= j < part.last[i]
    return (j == i and exclude != "ties") if exclude != "group" and (exclude == "current row" or j == i) else peer


def _picked(spec: Spec, part: Partition, i: int, frame: Sequence[int]) -> Any:
    """first_value, last_value, nth_value of a frame."""
    place = 0
    if spec.name == "last_value":
        place = len(frame) - 1
    elif spec.name == "nth_value":
        nth = part.arguments[i][1]
        if nth is None:
            return None
        if nth <= 0:
            raise InvalidParameterValue("argument of nth_value must be greater than zero")
        place = nth - 1
    return part.arguments[frame[place]][0] if 0 <= place < len(frame) else None


def _aggregated(function: AggregateFunction, part: Partition, frames: list[Frame]) -> list[Any]:
    """An aggregate over each frame: computed once for one frame, in one pass where frames only grow, else for each anew."""
    if not frames:
        return []
    if all(low == 0 for low, _ in frames) and all(a[1] <= b[1] for a, b in pairwise(frames)):
        values: list[Any] = _running(function)(part.arguments, [high for _, high in frames])
        return values
    found: dict[Frame, Any] = {}
    for frame in frames:
        if frame not in found:
            found[frame] = function.compute([row for row in part.arguments[frame[0] : frame[1]] if row is not None])
    return [found[frame] for frame in frames]


@lru_cache(maxsize=256)
def _running(function: AggregateFunction) -> Callable[[list[Any], list[int]], list[Any]]:
    """A function that computes an aggregate over the first `ends[i]` rows, for growing ends, in one pass."""
    slots = [f"s{i}" for i in range(len(function.initial))]
    arguments = [f"x{i}" for i in range(len(function.argument_types))]
    lines = ["def running(rows, ends):", " values = []", " done = 0"]
    lines += [f" {slot} = {source}" for slot, source in zip(slots, function.initial, strict=True)]
    lines += [" for end in ends:", "  if end > done or not values:", "   for row in rows[done:end]:", "    if row is None: continue"]
    if arguments:
        lines.append(f"    ({', '.join(arguments)},) = row")
    if function.strict and arguments:
        lines.append(f"    if {' or '.join(f'{a} is None' for a in arguments)}: continue")
    lines += [f"    {line}" for line in function.step(slots, arguments)]
    lines += ["   done = end", f"   value = {function.final(slots)}", "  values.append(value)", " return values"]
    scope: dict[str, Any] = dict(function.globals)
    exec(compile_source("\n".join(lines) + "\n", f"<running {function.name}>"), scope)
    return scope["running"]  # type: ignore[no-any-return]


def _frames(spec: Spec, part: Partition, start: Any, end: Any) -> list[Frame]:
    """(first row, row behind the last) of each row's frame."""
    n = part.count
    if spec.mode == "range" and (start is not MISSING or end is not MISSING):
        return _value_frames(spec, part, start, end)
    lows, highs = [], []
    for i in range(n):
        if spec.mode == "rows":
            low = _edge(spec.start, i, start, 0)
            high = _edge(spec.end, i, end, n - 1) + 1
        elif spec.mode == "groups":
            group, groups = part.number[i], len(part.starts) - 1
            low_group, high_group = _edge(spec.start, group, start, 0), _edge(spec.end, group, end, groups - 1)
            low = part.starts[min(max(low_group, 0), groups)]
            high = part.starts[min(max(high_group + 1, 0), groups)]
        else:
            low = 0 if spec.start == "unbounded preceding" else part.first[i]
            high = n if spec.end == "unbounded following" else part.last[i]
        low = min(max(low, 0), n)
        lows.append(low)
        highs.append(max(min(high, n), low))
    return list(zip(lows, highs, strict=True))


def _edge(kind: str, i: int, offset: Any, unbounded: int) -> int:
    if kind == "current row":
        return i
    if kind.startswith("unbounded"):
        return unbounded
    return int(i - offset if kind == "preceding" else i + offset)


def _value_frames(spec: Spec, part: Partition, start: Any, end: Any) -> list[Frame]:
    """Frames of RANGE with an offset: rows whose one order key lies so far from the current row's. NULL and NaN have their peers only."""
    descending = spec.keys[0].descending
    values = [key[0] for key in part.keys]
    known = [i for i, v in enumerate(values) if v is not None and v == v]
    a, b = (known[0], known[-1] + 1) if known else (0, 0)
    frames = []
    for i, value in enumerate(values):
        low = 0 if spec.start == "unbounded preceding" else part.first[i]
        high = part.count if spec.end == "unbounded following" else part.last[i]
        if value is not None and value == value:
            if start is not MISSING:
                edge = _moved(value, start, (spec.start == "preceding") != descending)
                low = _search(a, b, lambda j, edge=edge: values[j] <= edge if descending else values[j] >= edge)  # type: ignore[misc]
            if end is not MISSING:
                edge = _moved(value, end, (spec.end == "preceding") != descending)
                high = _search(a, b, lambda j, edge=edge: values[j] < edge if descending else values[j] > edge)  # type: ignore[misc]
        frames.append((low, max(low, high)))
    return frames


def _search(low: int, high: int, reached: Callable[[int], bool]) -> int:
    """The first place for which `reached` holds, which does for all that follow."""
    while low < high:
        middle = (low + high) // 2
        if reached(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _moved(value: Any, offset: Any, back: bool) -> Any:
    """An order key's value moved by a frame's offset."""
    if isinstance(value, time) or (isinstance(value, date) and not isinstance(value, datetime) and offset.time_us):
        raise NotSupportedError("RANGE with an offset in hours is supported over timestamps only")
    if isinstance(value, date) and offset.months:
        moment = value if isinstance(value, datetime) else datetime.combine(value, time())
        moment = add_months(moment, -offset.months if back else offset.months)
        rest = timedelta(offset.whole_days, microseconds=offset.time_us)
        moment = moment - rest if back else moment + rest
        return moment if isinstance(value, datetime) else moment.date()
    return value - offset if back else value + offset


# ---- generated code


def _window(g: Generator, node: plan.Window, need: Need) -> Steps:
    n = node.relation
    used = [(i, call) for i, call in enumerate(node.calls) if (n, i) in need]
    inner = need | places(tuple(call for _, call in used))
    steps = g.produce(node.input, inner)
    names = g.carriers(node.input, inner)
    rows, target = f"rows{g.number()}", g.target(names)
    g.define("window", window)
    g.define("MISSING", MISSING)
    g.listed(steps, g.pack(names), rows)

    def of_rows(exprs: Sequence[Expr], condition: Expr | None = None) -> str:
        item = g.tuple_of([g.value(e) for e in exprs]) if exprs else "()"
        if condition is not None:
            item = f"{item} if {g.condition(condition)} else None"
        return f"[{item} for {target} in {rows}]"

    results = []
    for i, call in used:
        name = f"window{n}_{i}"
        partitions = of_rows(call.partition_by) if call.partition_by else "None"
        order = of_rows(tuple(k.expression for k in call.order_by)) if call.order_by else "None"
        ends = ", ".join("MISSING" if b.offset is None else g.value(b.offset) for b in (call.start, call.end))
        arguments = of_rows(call.arguments, call.filter)
        g.write(f"{name} = window({g.constant(spec_of(call))}, len({rows}), {partitions}, {order}, {arguments}, {ends})")
        results.append((f"c{n}_{i}", name))
    if not results:
        return [For(target, rows)]
    row = names[0] if len(names) == 1 else g.pack(names) if names else "_"
    return [For(f"{row}, {', '.join(c for c, _ in results)}", f"zip({rows}, {', '.join(w for _, w in results)})", note="Window")]


def spec_of(call: WindowCall) -> Spec:
    function = call.aggregate.function if call.aggregate is not None else None
    return Spec(call.name, function, call.order_by, call.mode, call.start.kind, call.end.kind, call.exclude)


PRODUCERS[plan.Window] = _window
