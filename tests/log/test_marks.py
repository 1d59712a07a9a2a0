"""Reading single records: what a reader passes it remembers, so that nobody walks there again from the segment's beginning."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eventdb.storage.log import reading
from eventdb.storage.log.base import Proposal
from eventdb.storage.log.directory import DirectoryLog
from eventdb.storage.log.tail import Marks

COUNT = 1000


@pytest.fixture
def log(tmp_path: Path) -> Iterator[DirectoryLog]:
    """A log of `COUNT` records, opened at a position near its end, so that nothing before is known."""
    made = DirectoryLog(tmp_path / "log")
    made.append([Proposal(i.to_bytes(16, "big"), b"body %d" % i, 0) for i in range(COUNT - 1)], 0, "none")
    position = list(made.position)
    made.append([Proposal(bytes(16), b"last", 0)], COUNT - 1)
    made.close()
    log = DirectoryLog(tmp_path / "log", position=position)
    yield log
    log.close()


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of records walked over, as its length."""
    walked: list[int] = []
    items = reading.items

    def counted(*arguments: Any) -> Iterator[Any]:
        for item in items(*arguments):
            walked.append(item.offset)
            yield item

    monkeypatch.setattr(reading, "items", counted)
    return walked


def one(log: DirectoryLog, number: int) -> int:
    (record,) = log.read(number - 1, number)
    return record.header.number


def test_the_second_look_is_short(log: DirectoryLog, passed: list[int]) -> None:
    assert one(log, 900) == 900
    assert len(passed) >= 900
    for number in (900, 899, 450, 1, 64, 65, 66, 836):
        passed.clear()
        assert one(log, number) == number
        assert len(passed) <= 2 * Marks.EVERY
    passed.clear()
    assert one(log, COUNT) == COUNT
    assert len(passed) <= COUNT - 900 + 2 * Marks.EVERY


def test_a_reader_that_stops_half_way_leaves_its_marks(log: DirectoryLog, passed: list[int]) -> None:
    reader = log.read(500)
    next(reader)
    reader.close()  # type: ignore[attr-defined]
    passed.clear()
    assert one(log, 490) == 490
    assert len(passed) <= 2 * Marks.EVERY


def test_many_threads(log: DirectoryLog) -> None:
    """Marks that meet lose some, and never mislead."""
    wrong: list[Any] = []

    def look(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(100):
            after = chance.randrange(COUNT)
            until = min(COUNT, after + chance.choice((1, 3, 200)))
            found = [record.header.number for record in log.read(after, until)]
            if found != list(range(after + 1, until + 1)):
                wrong.append((after, until, found))

    threads = [threading.Thread(target=look, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for i in range(50):
        log.append([Proposal(i.to_bytes(16, "little"), b"more", 0)], log.head, "none")
    for thread in threads:
        thread.join()
    assert not wrong


def test_marks_keep_their_distance_and_order() -> None:
    marks = Marks()
    marks.note(5000, 50)
    marks.add([(64, 1), (128, 2)])
    marks.add([(70, 1), (200, 3), (5000, 50), (5001, 51)])
    marks.note(5010, 52)
    marks.note(5064, 53)
    assert [marks.before(n) for n in (63, 64, 127, 128, 199, 200, 4999, 5000, 5063, 5064, 9999)] == [
        None, (64, 1), (64, 1), (128, 2), (128, 2), (200, 3), (200, 3), (5000, 50), (5000, 50), (5064, 53), (5064, 53),
    ]  # fmt: skip
