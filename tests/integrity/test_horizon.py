"""Giving up old segments keeps what the Merkle tree needs, through a crash at every step."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from faults.faulty import Crash, FaultyFiles, Keep

from eventdb.errors import DataCorrupted
from eventdb.storage.log.base import Proposal
from eventdb.storage.log.directory import DirectoryLog
from eventdb.storage.log.horizon import NAME
from eventdb.storage.log.merkle import tree_of


def log_of(path: Path, count: int = 12) -> tuple[bytes, bytes]:
    """A log with three transactions a segment; its root, and that over the first six."""
    log = DirectoryLog(path, segment_size=450)
    for _ in range(count):
        log.append([Proposal(os.urandom(16), b"\x80" * 10, 0)], log.head, "none")
    tree = tree_of(log)
    log.sync()
    log.close()
    return tree.root(), tree.root(6)


def crashed(path: Path, crash_at: int) -> FaultyFiles | None:
    """The files of a `truncate` that stopped at that operation; None where it went through."""
    files = FaultyFiles(crash_at=crash_at)
    try:
        log = DirectoryLog(path, files)
        log.truncate(5)
        log.close()
        log = DirectoryLog(path, files)
        log.truncate(8)
        log.close()
    except Crash:
        return files
    return None


def test_a_crash_at_every_step_of_truncate(tmp_path: Path) -> None:
    steps = 0
    for crash_at in range(1, 100):
        path = tmp_path / f"{crash_at}"
        root, _ = log_of(path)
        files = crashed(path, crash_at)
        if files is None:
            break
        steps += 1
        for keep in (Keep.NOTHING, Keep.HALF, Keep.ALL):
            left = DirectoryLog(files.surviving(path, tmp_path / f"{crash_at}-{keep.value}", keep))
            assert left.head == 12
            assert tree_of(left).root() == root, (crash_at, keep, left.first)
            left.truncate(8)
            assert tree_of(left).root() == root
            left.close()
    assert steps >= 8


@pytest.mark.parametrize("harm", ["byte", "gone", "other"])
def test_a_damaged_horizon_is_named(harm: str, tmp_path: Path) -> None:
    for name in ("log", "other"):
        log_of(tmp_path / name)
        log = DirectoryLog(tmp_path / name)
        log.truncate(8)
        log.close()
    file = tmp_path / "log" / NAME
    if harm == "gone":
        file.unlink()
    else:
        data = bytearray((tmp_path / "other" / NAME).read_bytes() if harm == "other" else file.read_bytes())
        if harm == "byte":
            data[60] ^= 1
        file.write_bytes(data)
    log = DirectoryLog(tmp_path / "log")
    with pytest.raises(DataCorrupted, match="horizon"):
        tree_of(log)
    log.close()
