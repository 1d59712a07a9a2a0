"""The report of a verification: what was looked at, and what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from eventdb.errors import DataCorrupted
from eventdb.model.record import Record

Progress = Callable[[str, int, int], None]
"""Told now and then what is being done, how much of it is done, and of how much."""

MOST_PROBLEMS = 100
"""So many problems are kept; of the rest only the number."""


class Problem(Record):
    """One thing that is wrong.

    `kind`: "log" (bytes, hashes, the chain), "state" (the state is not what the log says), "snapshot" (one on the disk is not), "table"
    (rows, versions or index entries contradict each other), "constraint" (rows against a declared constraint) or "digest" (the log is not
    the one that a digest was taken of). `transaction`: the transaction at fault, where there is one.
    """

    kind: str
    message: str
    transaction: int | None = None

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


@dataclass
class Verification:
    """What `Connection.verify` found.

    `log_id` in hexadecimal; `first` and `transaction`: the first and the last transaction of the log that was read; `transactions`: how
    many were read, each with its checksum, header hash, place in the chain and body hash; `redactions`: those whose body was replaced under
    a receipt; `replayed`: how many were applied again and compared with the state; `tables`, `rows`, `versions` (superseded rows),
    `entries` (of indexes, past ones included), `constraints`, `snapshots`, `digests`: how many were compared; `duration` in seconds.
    `problems`: empty if all is well; `more`: how many are not listed. `warnings`: what opening the database passed over (a torn tail, say).
    """

    log_id: str = ""
    first: int = 1
    transaction: int = 0
    transactions: int = 0
    redactions: list[int] = field(default_factory=list)
    replayed: int = 0
    tables: int = 0
    rows: int = 0
    versions: int = 0
    entries: int = 0
    constraints: int = 0
    snapshots: int = 0
    digests: int = 0
    duration: float = 0.0
    problems: list[Problem] = field(default_factory=list)
    more: int = 0
    warnings: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.problems

    def report(self, kind: str, message: str, transaction: int | None = None) -> None:
        """Note a problem."""
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(kind, message, transaction))
        else:
            self.more += 1

    def raise_for_problems(self) -> Verification:
        """This report, if it has no problems. Raises DataCorrupted naming the first ones."""
        if self.problems:
            shown = "; ".join(str(problem) for problem in self.problems[:5])
            rest = len(self.problems) + self.more - 5
            raise DataCorrupted(f"verification failed: {shown}" + (f"; and {rest} more" if rest > 0 else ""))
        return self

    def as_dict(self) -> dict[str, Any]:
        """The report as values that JSON knows."""
        fields = {name: value for name, value in vars(self).items() if name != "problems"}
        problems = [{"kind": p.kind, "message": p.message, "transaction": p.transaction} for p in self.problems]
        return {"ok": self.ok, **fields, "duration": round(self.duration, 6), "problems": problems}

    def __str__(self) -> str:
        """The report for a reader, a line each."""
        span = f"transactions {self.first} to {self.transaction}" if self.transactions else "no transactions"
        lines = [
            f"log {self.log_id}, {span}: {self.transactions} read, {self.replayed} replayed, {len(self.redactions)} redacted",
            f"{self.tables} tables, {self.rows} rows, {self.versions} past versions, {self.entries} index entries, "
            f"{self.constraints} constraints, {self.snapshots} snapshots, {self.digests} digests",
            *(f"warning: {warning}" for warning in self.warnings),
            *(str(problem) for problem in self.problems),
        ]
        if self.more:
            lines.append(f"and {self.more} problems more")
        verdict = "no problems" if self.ok else f"{len(self.problems) + self.more} problems"
        return "\n".join([*lines, f"{verdict} found in {self.duration:.2f} s"])
