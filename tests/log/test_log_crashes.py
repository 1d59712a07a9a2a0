"""The log stopped at every write and every sync, and with every operation failing once."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
from faults.faulty import Crash, FaultyFiles, Keep

from eventdb.errors import CannotConnect, DiskFull, IOFailure
from eventdb.storage.log.base import Ambiguous, Appended, LogFull, Proposal, Unavailable
from eventdb.storage.log.directory import DirectoryLog

GROUPS = [[30], [300, 5], [40, 2000, 1], [10], [900], [20, 20, 20, 20]]
SEGMENT = 1200


def proposals(sizes: list[int], base: int) -> list[Proposal]:
    return [Proposal((base + n).to_bytes(16, "big"), bytes([base + n]) * size, 0) for n, size in enumerate(sizes, 1)]


class Workload:
    """Appends group after group; knows what was acknowledged, and what was tried."""

    def __init__(self, path: Path, files: FaultyFiles, durability: Any = "full") -> None:
        self.path, self.files, self.durability = path, files, durability
        self.acknowledged: list[bytes] = []
        self.proposed: list[bytes] = []

    def run(self) -> None:
        log = DirectoryLog(self.path, self.files, segment_size=SEGMENT)
        for sizes in GROUPS:
            group = proposals(sizes, log.head)
            self.proposed = self.acknowledged + [p.body for p in group]
            assert isinstance(log.append(group, log.head, self.durability), Appended)
            self.acknowledged = self.proposed
        log.close()


def bodies(path: Path) -> list[bytes]:
    log = DirectoryLog(path, segment_size=SEGMENT)
    found = [r.body for r in log.read()]
    assert log.head == len(found)
    assert isinstance(log.append([Proposal(bytes(16), b"after", 0)], log.head), Appended)
    log.close()
    again = DirectoryLog(path)
    assert again.torn is None
    assert [r.body for r in again.read()] == [*found, b"after"]
    again.close()
    return found


def count_operations(path: Path) -> int:
    files = FaultyFiles()
    Workload(path, files).run()
    assert files.writes > len(GROUPS)
    assert files.syncs > len(GROUPS)
    return files.operations


@pytest.mark.parametrize("keep", list(Keep))
def test_a_crash_at_every_operation_keeps_what_was_acknowledged(tmp_path: Path, keep: Keep) -> None:
    """After a power cut at any write, sync, rename …: every acknowledged transaction is there, none is there in part, none out of order."""
    total = count_operations(tmp_path / "count" / "log")
    for k in range(1, total + 1):
        work = Workload(tmp_path / f"run {k}" / "log", files := FaultyFiles(crash_at=k))
        with pytest.raises(Crash):
            work.run()
        left = files.surviving(tmp_path / f"run {k}", tmp_path / f"left {k}", keep)
        found = bodies(left / "log")
        assert found == work.proposed[: len(found)], f"operation {k}"
        assert len(found) >= len(work.acknowledged), f"operation {k} lost an acknowledged transaction"


@pytest.mark.parametrize("keep", list(Keep))
def test_a_crash_without_syncs_leaves_a_prefix_that_opens(tmp_path: Path, keep: Keep) -> None:
    """With durability none a power cut may lose the last transactions, but the log opens with a prefix."""
    files = FaultyFiles()
    Workload(tmp_path / "count" / "log", files, "none").run()
    for k in range(1, files.operations + 1):
        work = Workload(tmp_path / f"run {k}" / "log", files := FaultyFiles(crash_at=k), "none")
        with pytest.raises(Crash):
            work.run()
        left = files.surviving(tmp_path / f"run {k}", tmp_path / f"left {k}", keep)
        found = bodies(left / "log")
        assert found == work.proposed[: len(found)]


@pytest.mark.parametrize(("code", "error"), [(errno.ENOSPC, DiskFull), (errno.EIO, IOFailure)])
def test_an_operation_that_fails_once_appends_nothing_and_the_log_goes_on(tmp_path: Path, code: int, error: type[Exception]) -> None:
    """A full disk or an input/output error at any operation: a named error, nothing appended, the same append works when tried again."""
    total = count_operations(tmp_path / "count" / "log")
    met = 0
    for k in range(1, total + 1):
        path = tmp_path / f"run {k}" / "log"
        files = FaultyFiles(fail_at=k, code=code)
        try:
            log = DirectoryLog(path, files, segment_size=SEGMENT)
        except (error, CannotConnect):
            log = DirectoryLog(path, files, segment_size=SEGMENT)
            met += 1
        expected: list[bytes] = []
        for sizes in GROUPS:
            group = proposals(sizes, log.head)
            before = log.head
            try:
                log.append(group, before)
            except (error, LogFull):
                met += 1
                assert log.refresh() == before
                assert [r.body for r in log.read()] == expected
                assert isinstance(log.append(group, before), Appended)
            expected += [p.body for p in group]
        assert [r.body for r in log.read()] == expected
        log.close()
        assert bodies(path) == expected
    assert met >= total - 1, "an injected failure went unnoticed"


def test_an_append_that_cannot_be_undone_is_ambiguous_and_the_log_refuses_more(tmp_path: Path) -> None:
    """The sync fails and cutting back fails too: nobody knows, so nobody pretends; reopening tells."""

    class Stubborn(FaultyFiles):
        def step(self, kind: str, path: str) -> bool:
            return kind == "truncate" or super().step(kind, path)

    files = Stubborn()
    log = DirectoryLog(tmp_path, files)
    log.append(proposals([10], 0), 0)
    files.fail_at, files.code = files.operations + 2, errno.EIO
    with pytest.raises(Ambiguous, match="not known"):
        log.append(proposals([10], 1), 1)
    assert log.head == 1
    with pytest.raises(Unavailable, match="open the log again"):
        log.append(proposals([10], 1), 1)
    log.close()
    assert len(bodies(tmp_path)) in (1, 2)


def test_a_failed_sync_of_weak_appends_makes_the_log_refuse_more(tmp_path: Path) -> None:
    """After a failed fsync the system may forget what was not written: the log does not go on as if it were."""
    files = FaultyFiles()
    log = DirectoryLog(tmp_path, files)
    log.append(proposals([10], 0), 0, "none")
    files.fail_at, files.code = files.operations + 1, errno.EIO
    with pytest.raises(IOFailure, match="sync"):
        log.sync()
    with pytest.raises(Unavailable, match="open the log again"):
        log.append(proposals([10], 1), 1)


def test_one_append_is_one_write_and_one_sync(tmp_path: Path) -> None:
    """However many proposals; and no sync where durability does not ask for it."""
    files = FaultyFiles()
    log = DirectoryLog(tmp_path, files)
    before = dict(files.counts)
    log.append(proposals([10, 500, 3], 0), 0)
    assert (files.writes, files.syncs) == (before["write"] + 1, before["sync"] + 1)
    log.append(proposals([10], 3), 3, "os")
    assert (files.writes, files.syncs) == (before["write"] + 2, before["sync"] + 1)
    log.sync()
    log.sync()
    assert files.syncs == before["sync"] + 2


def test_room_that_cannot_be_cut_off_at_close_stays(tmp_path: Path) -> None:
    """It is only tidiness: closing tells nobody, and the log opens as before."""
    files = FaultyFiles()
    log = DirectoryLog(tmp_path, files)
    log.append(proposals([10], 0), 0)
    files.fail_at = files.operations + 1
    log.close()
    assert files.fail_at is None
    (file,) = tmp_path.glob("*.cbor")
    assert file.read_bytes()[-1] == 0
    assert len(bodies(tmp_path)) == 1
