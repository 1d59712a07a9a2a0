"""The table on the screen and the JSON file."""

from __future__ import annotations

import json
import platform
import sqlite3
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.engines import Engine
from benchmarks.measure import Result, better_by


def machine() -> str:
    return f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, " + ", ".join(
        f"{n} {v}" for n, v in versions().items()
    )


def versions() -> dict[str, str]:
    found = {"sqlite": sqlite3.sqlite_version}
    for package in ("eventdb", "duckdb", "pandas", "cbor2", "ply"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            pass
    return found


def table(results: Sequence[Result], kinds: Sequence[type[Engine]]) -> str:
    """Medians with their spread; then how many times better eventdb is than each sqlite3 column, beside the aim for that ratio."""
    head = ["", "unit", *(kind.label for kind in kinds), "x sqlite3", "aim", "x +history", "aim", ""]
    body = [_line(result, kinds) for result in results]
    widths = [max(len(line[column]) for line in (head, *body)) for column in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) if n < 2 else cell.rjust(width) for n, (cell, width) in enumerate(zip(line, widths, strict=True)))
        for line in (head, *body)
    ]
    lines.insert(1, "-" * len(lines[0]))
    lines += ["", "x: how many times better eventdb is (over 1: faster, or smaller). ±: half the distance between the quartiles."]
    judged = [verdict for verdict in map(meets, results) if verdict is not None]
    if judged:
        lines.append(f"Aims met: {sum(judged)} of {len(judged)}.")
    return "\n".join(line.rstrip() for line in lines)


def _line(result: Result, kinds: Sequence[type[Engine]]) -> list[str]:
    cells = [result.question.title, result.question.unit]
    for kind in kinds:
        spread = result.spread(kind.name)
        cells.append(_number(result.median(kind.name)) + (f" ±{spread:3.0%}" if spread is not None else ""))
    for peer in ("sqlite", "sqlite_history"):
        cells += [_ratio(result.speed_ratio(peer)), _ratio(aim_ratio(result, peer))]
    verdict = meets(result)
    return [*cells, "" if verdict is None else "met" if verdict else "MISSED"]


def aim_ratio(result: Result, peer: str) -> float | None:
    aim = result.question.aim
    if aim is None:
        return None
    return better_by(aim.aim, aim.sqlite if peer == "sqlite" else aim.history, result.question.higher_is_better)


def meets(result: Result) -> bool | None:
    """Whether this run reaches the aim as a ratio to every sqlite3 column that was asked, or stays within `most`; None where nothing is
    aimed at or asked."""
    most, own = result.question.most, result.median("eventdb")
    if most is not None and own is not None:
        return own <= most
    pairs = [(result.speed_ratio(peer), aim_ratio(result, peer)) for peer in ("sqlite", "sqlite_history")]
    judged = [ratio >= aim for ratio, aim in pairs if ratio is not None and aim is not None]
    return all(judged) if judged else None


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def write_json(file: Path, results: Sequence[Result], kinds: Sequence[type[Engine]], rows: int, seconds: float) -> None:
    """Everything the table shows, and every sample."""
    document: dict[str, Any] = {
        "rows": rows, "seconds": round(seconds, 1), "python": sys.version, "platform": platform.platform(), "versions": versions(),
        "questions": {
            result.question.name: {
                "title": result.question.title,
                "unit": result.question.unit,
                "higher_is_better": result.question.higher_is_better,
                "samples": result.samples,
                "medians": {kind.name: result.median(kind.name) for kind in kinds},
                "ratio": {peer: result.speed_ratio(peer) for peer in ("sqlite", "sqlite_history", "duckdb")},
                "aim": {peer: aim_ratio(result, peer) for peer in ("sqlite", "sqlite_history")},
                "meets_aim": meets(result),
            }
            for result in results
        },
    }  # fmt: skip
    file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
