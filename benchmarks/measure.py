"""Takes the samples: prepares the databases, lets the engines take turns, compares their answers."""

from __future__ import annotations

import gc
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import rows
from benchmarks.engines import Engine
from benchmarks.question import Question, Scale

Progress = Callable[[str], None]


class AnswersDiffer(Exception):
    """Two engines gave different answers to one question."""


@dataclass
class Result:
    """All samples of one question, by engine, in its unit."""

    question: Question
    samples: dict[str, list[float]] = field(default_factory=dict)

    def median(self, engine: str) -> float | None:
        taken = self.samples.get(engine)
        return statistics.median(taken) if taken else None

    def spread(self, engine: str) -> float | None:
        """Half the distance between the quartiles, as a share of the median; None for fewer than three samples."""
        taken = self.samples.get(engine, [])
        if len(taken) < 3:
            return None
        low, middle, high = statistics.quantiles(taken, n=4, method="inclusive")
        return (high - low) / 2 / middle if middle else 0.0

    def speed_ratio(self, peer: str) -> float | None:
        """How many times better eventdb is than `peer`: over 1 is better, whatever the unit."""
        return better_by(self.median("eventdb"), self.median(peer), self.question.higher_is_better)


def better_by(ours: float | None, theirs: float | None, higher_is_better: bool) -> float | None:
    if not ours or not theirs:
        return None
    return ours / theirs if higher_is_better else theirs / ours


def run(
    questions: Sequence[Question], kinds: Sequence[type[Engine]], count: int, folder: Path, quick: bool, progress: Progress
) -> list[Result]:
    """Ask all questions of all engines over `count` rows, with databases under `folder`. Raises AnswersDiffer."""
    results = {question.name: Result(question) for question in questions}

    def ask(needs: str | None, engines: Sequence[Engine], scale: Scale) -> None:
        for question in questions:
            if question.needs == needs:
                progress(question.title)
                _ask(results[question.name], [engine for engine in engines if engine.name in question.engines], scale)

    wanted = {question.needs for question in questions}
    scale = Scale(count, folder / "scratch", {}, quick)
    scale.scratch.mkdir(parents=True)
    loaded = [kind(folder / kind.name / "loaded") for kind in kinds]
    ask(None, loaded, scale)
    if wanted & {"loaded", "closed"}:
        for engine in loaded:
            progress(f"loading {engine.label}")
            load(engine, count)
        ask("loaded", loaded, scale)
        for engine in loaded:
            engine.close()
        ask("closed", loaded, scale)
    if wanted & {"history", "closed history"}:
        remembering = [kind(folder / kind.name / "history") for kind in kinds if kind.remembers]
        for engine in remembering:
            progress(f"making a history in {engine.label}")
            load(engine, count)
            scale.past[engine.name] = make_history(engine, count)
        ask("history", remembering, scale)
        for engine in remembering:
            engine.close()
        ask("closed history", remembering, scale)
    return list(results.values())


def load(engine: Engine, count: int) -> None:
    """The benchmark's tables with `count` accounts, open."""
    engine.create()
    engine.begin()
    engine.insert_regions(rows.regions(count))
    engine.insert_accounts(rows.accounts(count))
    engine.commit()


def make_history(engine: Engine, count: int) -> int:
    """Update every row UPDATES_PER_ROW times in UPDATE_TRANSACTIONS transactions; the position after half of them."""
    passes = rows.UPDATES_PER_ROW
    width = max(1, count * passes // rows.UPDATE_TRANSACTIONS)
    middle = 0
    for number in range(passes):
        if number == passes // 2:
            middle = engine.position()
        for first in range(1, count + 1, width):
            engine.begin()
            engine.execute(
                "UPDATE accounts SET balance = balance + 1, updated = updated + 1 WHERE id >= ? AND id < ?", (first, first + width)
            )
            engine.commit()
    return middle


def _ask(result: Result, engines: Sequence[Engine], scale: Scale) -> None:
    question = result.question
    if not question.cold:
        for engine in engines:
            question.sample(engine, scale)
    for number in range(1 if scale.quick else question.rounds):
        turn = number % len(engines) if engines else 0
        for engine in (*engines[turn:], *engines[:turn]):
            gc.collect()
            result.samples.setdefault(engine.name, []).append(question.sample(engine, scale))
    if question.answer is not None:
        _compare(question, {engine.label: list(question.answer(engine, scale)) for engine in engines})


def _compare(question: Question, answers: dict[str, list[tuple[Any, ...]]]) -> None:
    (first, expected), *others = answers.items()
    if not expected:
        raise AnswersDiffer(f"{question.name}: {first} found nothing to answer")
    for label, rows_ in others:
        if len(rows_) != len(expected):
            raise AnswersDiffer(f"{question.name}: {len(expected)} rows from {first}, {len(rows_)} from {label}")
        for ours, theirs in zip(expected, rows_, strict=True):
            if not _same(ours, theirs):
                raise AnswersDiffer(f"{question.name}: {ours!r} from {first}, {theirs!r} from {label}")


def _same(left: Iterable[Any], right: Iterable[Any]) -> bool:
    """Equal, but for the order in which floating-point sums were added up."""
    return all(
        abs(a - b) <= 1e-9 * max(abs(a), abs(b)) if isinstance(a, float) and isinstance(b, float) else a == b
        for a, b in zip(left, right, strict=True)
    )


def stderr_progress() -> Progress:
    started = time.perf_counter()

    def tell(text: str) -> None:
        print(f"\r\x1b[K{time.perf_counter() - started:5.0f} s  {text}", end="", file=sys.stderr, flush=True)

    return tell if sys.stderr.isatty() else lambda text: None
