"""Pipelines: a linear run of steps (loops, tests, names) that ends in something done with each row.

A pipeline is written as nested statements, or, where all is expressions, as one comprehension, which Python runs faster.
"""

from __future__ import annotations

from collections.abc import Sequence

from eventdb.model.record import Record


class For(Record):
    """For each item of `iterable`; `batches`: the items are lists of rows, one level above the rows."""

    target: str
    iterable: str
    batches: bool = False
    note: str = ""


class If(Record):
    condition: str


class Let(Record):
    target: str
    source: str
    note: str = ""


class Count(Record):
    """Count the rows that pass here for a plan node, and the time since a row passed anywhere (EXPLAIN ANALYZE)."""

    node: int


Step = For | If | Let | Count
Steps = list[Step]


def loops(steps: Sequence[Step]) -> bool:
    return any(isinstance(step, For) for step in steps)


def comprehensible(steps: Sequence[Step], element: str = "") -> bool:
    """Whether the steps may be a comprehension: Python allows no `:=` in its iterables."""
    return loops(steps) and not any(
        isinstance(s, Count) or (isinstance(s, For) and ":=" in s.iterable) or (isinstance(s, Let) and ":=" in s.source) for s in steps
    )


def clauses(steps: Sequence[Step]) -> str:
    """The for and if clauses of a comprehension, which must begin with a loop."""
    parts = [] if steps and isinstance(steps[0], For) else ["for _ in (0,)"]
    for step in steps:
        if isinstance(step, For):
            parts.append(f"for {step.target} in {step.iterable}")
        elif isinstance(step, Let):
            # Python compiles a loop over a tuple of one as an assignment.
            parts.append(f"for {step.target} in ({step.source},)")
        elif isinstance(step, If):
            parts.append(f"if {step.condition}")
    return " ".join(parts)


def tests(steps: Sequence[Step]) -> str:
    """The if clauses that end a comprehension."""
    return " ".join(f"if {step.condition}" for step in steps if isinstance(step, If))


def nested(steps: Sequence[Step], body: Sequence[str]) -> list[str]:
    """The steps as nested statements around `body`; one space a level, as Python allows only a hundred levels."""
    lines: list[str] = []
    depth = 0
    for step in steps:
        pad = " " * depth
        if isinstance(step, For):
            note = f"  # {step.note}" if step.note else ""
            lines.append(f"{pad}for {step.target} in {step.iterable}:{note}")
            depth += 1
        elif isinstance(step, If):
            lines.append(f"{pad}if {step.condition}:")
            depth += 1
        elif isinstance(step, Let):
            note = f"  # {step.note}" if step.note else ""
            lines.append(f"{pad}{step.target} = {step.source}{note}")
        else:
            lines.append(f"{pad}passed({step.node})")
    return lines + [" " * depth + line for line in body]
