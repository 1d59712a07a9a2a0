"""What every `EventLog` must do: one set of tests, run on the log in memory, on the log in a directory and on that of a fork."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from eventdb.errors import DataError, SnapshotTooOld
from eventdb.model.event import BodiesRewritten
from eventdb.model.transaction import Provenance
from eventdb.storage.codec import encode_body
from eventdb.storage.log import chain
from eventdb.storage.log.base import Appended, Conflict, Proposal, RecordTooLarge, Unavailable
from eventdb.storage.log.directory import DirectoryLog
from eventdb.storage.log.fork import ForkLog
from eventdb.storage.log.memory import MemoryLog
from eventdb.storage.log.merkle import tree_of


def proposal(number: int, size: int = 10, time_us: int = 0, **who: Any) -> Proposal:
    return Proposal(number.to_bytes(16, "big"), bytes([number % 256]) * size, time_us, Provenance(**who))


def fill(log: Any, count: int, size: int = 10) -> None:
    for _ in range(count):
        assert isinstance(log.append([proposal(log.head + 1, size)], log.head), Appended)


@pytest.fixture(params=["memory", "directory", "small segments", "fork"])
def make(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Callable[..., Any]]:
    made: list[Any] = []

    def build(**options: Any) -> Any:
        if request.param == "memory":
            log: Any = MemoryLog(**options)
        elif request.param == "fork":
            origin = MemoryLog()
            log = ForkLog(origin, 0, origin.head_hash, 0, **options)
        else:
            size = 400 if request.param == "small segments" else 1 << 20
            log = DirectoryLog(tmp_path / "log", segment_size=size, **options)
        made.append(log)
        return log

    yield build
    for log in made:
        log.close()


class TestEventLog:
    def test_an_empty_log_has_head_zero_and_the_genesis_hash(self, make: Any) -> None:
        log = make()
        assert (log.first, log.head, log.head_hash) == (1, 0, chain.genesis(log.log_id))
        assert list(log.read()) == []
        assert log.refresh() == 0

    def test_what_is_appended_is_read_back(self, make: Any) -> None:
        log = make()
        who = {"actor": "ann", "reason": "why not", "correlation_id": "c-1", "metadata": {"a": [1, "b", None], "n": {"x": 1.5}}}
        done = log.append([proposal(1, 5000, 77, **who), proposal(2, 0)], 0)
        assert isinstance(done, Appended)
        records = list(log.read())
        assert [r.header for r in records] == list(done.headers)
        assert [r.body for r in records] == [b"\1" * 5000, b""]
        assert records[0].header.provenance == Provenance(**who)
        assert records[0].header.txid == (1).to_bytes(16, "big")
        assert (log.head, log.head_hash) == (2, done.hash)

    def test_headers_form_a_chain_from_genesis(self, make: Any) -> None:
        log = make()
        fill(log, 20)
        previous = chain.genesis(log.log_id)
        for number, record in enumerate(log.read(), 1):
            assert record.header.number == number
            assert record.header.previous == previous
            assert record.header.body == chain.body_hash(record.body)
            previous = record.hash
            assert previous == chain.header_hash(chain.encode_header(record.header))
        assert previous == log.head_hash

    def test_times_strictly_increase(self, make: Any) -> None:
        log = make()
        log.append([proposal(1, time_us=100), proposal(2, time_us=100)], 0)
        log.append([proposal(3, time_us=50)], 2)
        log.append([proposal(4, time_us=1000)], 3)
        assert [r.header.time for r in log.read()] == [100, 101, 102, 1000]
        assert log.head_time == 1000

    def test_another_head_is_a_conflict_and_appends_nothing(self, make: Any) -> None:
        log = make()
        fill(log, 3)
        for expect in (0, 2, 4):
            assert log.append([proposal(9)], expect) == Conflict(3)
        assert log.head == 3
        assert len(list(log.read())) == 3

    def test_appending_nothing_only_compares_the_head(self, make: Any) -> None:
        log = make()
        fill(log, 1)
        assert log.append([], 1) == Appended((), log.head_hash)
        assert log.append([], 0) == Conflict(1)

    @pytest.mark.parametrize("durability", ["full", "os", "none"])
    def test_every_durability_appends(self, make: Any, durability: Any) -> None:
        log = make()
        for n in range(12):
            assert isinstance(log.append([proposal(n)], n, durability), Appended)
        log.sync()
        assert [r.header.number for r in log.read()] == list(range(1, 13))

    def test_every_range_reads_what_it_says(self, make: Any) -> None:
        log = make()
        fill(log, 30)
        for after in range(31):
            for until in (None, 0, 5, after, after + 1, 30, 99):
                last = 30 if until is None else min(until, 30)
                assert [r.header.number for r in log.read(after, until)] == list(range(after + 1, last + 1))

    def test_a_reader_sees_the_head_it_began_with(self, make: Any) -> None:
        log = make()
        fill(log, 5)
        reader = log.read()
        next(reader)
        fill(log, 5)
        assert [r.header.number for r in reader] == [2, 3, 4, 5]

    def test_a_record_over_the_limit_is_refused(self, make: Any) -> None:
        log = make(record_limit=1000)
        with pytest.raises(RecordTooLarge, match="1,001 bytes"):
            log.append([proposal(1), proposal(2, 1001)], 0)
        assert log.head == 0
        fill(log, 1, 1000)

    def test_a_header_over_the_limit_is_refused(self, make: Any) -> None:
        log = make()
        with pytest.raises(RecordTooLarge):
            log.append([proposal(1, reason="x" * (chain.HEADER_LIMIT + 1))], 0)
        fill(log, 1)

    def test_metadata_that_cannot_be_stored_is_refused(self, make: Any) -> None:
        log = make()
        with pytest.raises(DataError, match="stored"):
            log.append([proposal(1, metadata={"x": object()})], 0)
        fill(log, 1)

    def test_truncate_gives_up_old_records_only(self, make: Any) -> None:
        log = make()
        fill(log, 20)
        records = list(log.read())
        log.truncate(11)
        assert 1 <= log.first <= 11
        assert list(log.read(log.first - 1)) == records[log.first - 1 :]
        if log.first > 1:
            with pytest.raises(SnapshotTooOld, match="no longer in the log"):
                list(log.read(0))
        log.truncate(10**6)
        assert log.head == 20
        fill(log, 1)
        assert log.head == 21

    def test_headers_are_the_bytes_that_the_chain_hashes(self, make: Any) -> None:
        log = make()
        fill(log, 20)
        headers = list(log.headers())
        assert [chain.header_hash(data) for data in headers] == [record.hash for record in log.read()]
        assert [chain.decode_header(data) for data in headers] == [record.header for record in log.read()]
        assert list(log.headers(5, 9)) == headers[5:9]
        assert list(log.headers(20)) == []
        log.truncate(11)
        if log.first > 1:
            with pytest.raises(SnapshotTooOld):
                list(log.headers(0))
        log.close()
        with pytest.raises(Unavailable, match="closed"):
            list(log.headers())

    def test_the_merkle_tree_outlives_what_was_given_up(self, make: Any) -> None:
        log = make()
        fill(log, 20)
        assert log.given_up() == (0, [])
        whole = tree_of(log)
        for before in (11, 10**6):
            log.truncate(before)
            count, peaks = log.given_up()
            assert (count, peaks) == (log.first - 1, whole.peaks(log.first - 1))
            assert tree_of(log).root() == whole.root()

    def test_wait_returns_at_once_where_there_is_more(self, make: Any) -> None:
        log = make()
        fill(log, 2)
        assert log.wait(1, 10) == 2

    def test_wait_gives_up_after_the_timeout(self, make: Any) -> None:
        log = make()
        began = time.monotonic()
        assert log.wait(0, 0.05) == 0
        assert 0.04 < time.monotonic() - began < 5

    def test_wait_wakes_when_another_thread_appends(self, make: Any) -> None:
        log = make()
        thread = threading.Timer(0.05, lambda: fill(log, 1))
        thread.start()
        assert log.wait(0, 30) == 1
        thread.join()

    def test_threads_append_without_gaps(self, make: Any) -> None:
        log = make()

        def work() -> None:
            for _ in range(25):
                while isinstance(log.append([proposal(1)], log.refresh(), "os"), Conflict):
                    pass

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [r.header.number for r in log.read()] == list(range(1, 101))

    def test_a_closed_log_is_unavailable(self, make: Any) -> None:
        log = make()
        fill(log, 1)
        log.close()
        log.close()
        with pytest.raises(Unavailable, match="closed"):
            log.append([proposal(1)], 1)
        with pytest.raises(Unavailable, match="closed"):
            list(log.read())
        with pytest.raises(Unavailable, match="closed"):
            log.sync()


class TestForkLog:
    @pytest.mark.parametrize("at", [0, 1, 7, 20])
    def test_it_is_the_origin_up_to_the_fork_and_its_own_from_there(self, at: int) -> None:
        origin = MemoryLog()
        fill(origin, 20)
        before = list(origin.read())
        head, moment = (before[at - 1].hash, before[at - 1].header.time) if at else (chain.genesis(origin.log_id), 0)
        log = ForkLog(origin, at, head, moment)
        for number in range(at, at + 5):
            assert isinstance(log.append([proposal(100 + number)], number), Appended)
        fill(origin, 3)
        records = list(log.read())
        assert records[:at] == before[:at]
        assert [record.header.number for record in records] == list(range(1, at + 6))
        previous = chain.genesis(log.log_id)
        for record in records:
            assert record.header.previous == previous
            previous = record.hash
        assert previous == log.head_hash
        for after in range(at + 6):
            for until in range(after, at + 6):
                assert list(log.read(after, until)) == records[after:until]
        assert list(origin.read(0, 20)) == before
        assert origin.head == 23

    def test_what_the_origin_gave_up_is_gone_here_too(self) -> None:
        origin = MemoryLog()
        fill(origin, 10)
        last = next(origin.read(7, 8))
        log = ForkLog(origin, 8, last.hash, last.header.time)
        fill(log, 2)
        origin.truncate(4)
        assert log.first == 4
        with pytest.raises(SnapshotTooOld):
            list(log.read(2))
        assert [record.header.number for record in log.read(3)] == [4, 5, 6, 7, 8, 9, 10]
        log.truncate(9)
        assert log.first == 9
        assert [record.header.number for record in log.read(8)] == [9, 10]
        assert origin.first == 4


class TestRewriting:
    """`EventLog.rewrite`."""

    @staticmethod
    def rewrite(log: Any, bodies: dict[int, bytes], expect: int | None = None, fail: bool = False) -> Any:
        txid = b"rewriting" + bytes(7)

        def propose(receipts: BodiesRewritten) -> Proposal:
            if fail:
                raise DataError("no")
            return Proposal(txid, encode_body([receipts]), 0)

        return log.rewrite(log.head if expect is None else expect, txid, lambda record: bodies.get(record.header.number), propose)

    def test_bodies_change_and_hashes_do_not(self, make: Any) -> None:
        log = make()
        fill(log, 20, 100)
        before = list(log.read())
        done = self.rewrite(log, {3: b"", 4: b"x" * 5000, 5: before[4].body})
        assert isinstance(done, Appended)
        after = list(log.read())
        assert [r.hash for r in after[:20]] == [r.hash for r in before]
        assert (after[2].body, after[3].body) == (b"", b"x" * 5000)
        assert {r.header.number: r.redacted_by for r in after if r.redacted_by} == {3: 21, 4: 21}
        assert [r.header.number for r in after if r.rewrites] == [21]
        assert [r.body for i, r in enumerate(after[:20]) if i not in (2, 3)] == [r.body for i, r in enumerate(before) if i not in (2, 3)]
        assert log.rewritten == 21
        fill(log, 3)
        assert isinstance(self.rewrite(log, {4: b"y"}), Appended)
        assert next(log.read(3, 4)).body == b"y"
        assert {r.header.number: r.redacted_by for r in log.read() if r.redacted_by} == {3: 21, 4: 25}
        assert list(log.read(22, 24)) == list(log.read())[22:24]

    def test_all_or_nothing(self, make: Any) -> None:
        log = make()
        fill(log, 10)
        before = list(log.read())
        assert self.rewrite(log, {3: b""}, expect=9) == Conflict(10)
        with pytest.raises(DataError):
            self.rewrite(log, {3: b""}, fail=True)
        assert list(log.read()) == before
        assert log.rewritten == 0
        fill(log, 1)
        assert len(list(log.read())) == 11

    def test_nothing_to_change(self, make: Any) -> None:
        log = make()
        fill(log, 2)
        assert isinstance(self.rewrite(log, {}), Appended)
        assert log.head == 3
        assert next(log.read(2, 3)).rewrites
