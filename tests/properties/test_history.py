"""Whatever a database lives through, its log alone gives it back, so does a snapshot with the log's tail, and every past moment stays.

Random lives (schemas, schema changes, rows, transactions, savepoints) run in eventdb and in a model of plain Python side by side; the
model keeps what the database must show after each transaction.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from properties.model import dump
from properties.workload import Workload, read_dump, table_names

import eventdb

STEPS = 120
QUICK, SLOW = range(6), range(100, 160)


def _open(path: Path, **options: object) -> eventdb.Connection:
    # "os", so that copying the directory of an open database finds all that was committed.
    return eventdb.connect(str(path), autocommit=True, durability="os", **options)  # type: ignore[arg-type]


def live(path: Path, seed: int, steps: int = STEPS) -> Iterator[Workload]:
    workload = Workload(lambda: _open(path), seed)
    try:
        workload.run(steps)
        if workload.model.in_transaction:
            workload.rollback()
        yield workload
    finally:
        workload.connection.close()


def check_all(path: Path, workload: Workload) -> None:
    """The present, and every transaction number, as a pinned connection and as a clause see it."""
    story = workload.story()
    with_closing = _open(path)
    try:
        assert with_closing.head == max(workload.model.committed), story
        assert read_dump(with_closing, table_names(with_closing)) == dump(workload.model.tables), story
        for number, tables in workload.model.committed.items():
            expected = dump(tables)
            clause = f"FOR SYSTEM_TIME AS OF TRANSACTION {number}"
            assert read_dump(with_closing, sorted(tables), clause) == expected, f"{clause}\n{story}"
            pinned = _open(path, as_of=number)
            try:
                assert read_dump(pinned, table_names(pinned)) == expected, f"as_of={number}\n{story}"
            finally:
                pinned.close()
        check_lookups(with_closing, workload)
        with_closing.verify().raise_for_problems()
    finally:
        with_closing.close()


def check_lookups(connection: eventdb.Connection, workload: Workload) -> None:
    """Through keys and indexes, live and past, the same rows as the model finds by looking at all of them."""
    numbers = sorted(workload.model.committed)
    for number in {*numbers[-1:], *workload.random.sample(numbers, min(6, len(numbers)))}:
        for name, table in workload.model.committed[number].items():
            for column in table.columns:
                if column.type == "JSON" or not table.rows:
                    continue
                wanted = workload.random.choice(table.rows)[table.place(column.name)]
                if wanted is None:
                    continue
                query = f"SELECT * FROM {name} FOR SYSTEM_TIME AS OF TRANSACTION {number} WHERE {column.name} = ?"
                found = sorted(map(repr, connection.execute(query, (wanted,)).fetchall()))
                expected = sorted(repr(tuple(row)) for row in table.matching(column.name, wanted))
                assert found == expected, f"{query} {wanted!r}\n{workload.story()}"


def check_log_alone(path: Path, seed: int) -> None:
    for workload in live(path, seed):
        workload.connection.close()
        for entry in path.iterdir():
            if entry.name != "log":
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        check_all(path, workload)


def check_snapshot_and_tail(path: Path, seed: int) -> None:
    """A checkpoint in the middle, more life after it, then a copy of the directory as a power cut would leave it."""
    for workload in live(path, seed, STEPS // 2):
        workload.execute("CHECKPOINT")
        assert any(entry.name == "snapshots" and any(entry.iterdir()) for entry in path.iterdir())
        workload.run(STEPS // 4)
        if workload.model.in_transaction:
            workload.rollback()
        copy = path.with_name("copy.eventdb")
        shutil.copytree(path, copy)
        check_all(copy, workload)


@pytest.mark.parametrize("seed", QUICK)
def test_the_log_alone_gives_everything_back(tmp_path: Path, seed: int) -> None:
    """Everything but log/ deleted: the present and every past moment are the same."""
    check_log_alone(tmp_path / "life.eventdb", seed)


@pytest.mark.parametrize("seed", QUICK)
def test_a_snapshot_and_the_tail_give_everything_back(tmp_path: Path, seed: int) -> None:
    """Opened behind a snapshot: the present and every past moment are the same."""
    check_snapshot_and_tail(tmp_path / "life.eventdb", seed)


@pytest.mark.parametrize("seed", QUICK)
def test_every_moment_stays_as_it_was(tmp_path: Path, seed: int) -> None:
    """In the process that lived it: AS OF every transaction number shows what was there."""
    for workload in live(tmp_path / "life.eventdb", seed):
        check_all(tmp_path / "life.eventdb", workload)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SLOW)
def test_many_lives(tmp_path: Path, seed: int) -> None:
    """All three, for many more lives."""
    check_log_alone(tmp_path / "a.eventdb", seed)
    check_snapshot_and_tail(tmp_path / "b.eventdb", seed + 1000)
    for workload in live(tmp_path / "c.eventdb", seed + 2000, 2 * STEPS):
        check_all(tmp_path / "c.eventdb", workload)
