"""The log in a directory: opening, segments, torn tails, damage, several processes."""

from __future__ import annotations

import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

from eventdb.errors import CannotConnect, DataCorrupted, FormatVersionError, LockNotAvailable, ReadOnlyTransaction, SnapshotTooOld
from eventdb.model.record import replace
from eventdb.model.transaction import Header
from eventdb.storage.files import AppendFile, Files
from eventdb.storage.log import chain
from eventdb.storage.log.base import Appended, LogReplaced, Proposal, Record
from eventdb.storage.log.directory import DirectoryLog
from eventdb.storage.log.segment import HEADER_SIZE, encode_record, name_of


def body(number: int) -> bytes:
    return b"body %d " % number * (number % 7 + 1)


def fill(log: DirectoryLog, count: int, durability: Any = "full") -> None:
    for _ in range(count):
        number = log.head + 1
        assert isinstance(log.append([Proposal(number.to_bytes(16, "big"), body(number), 0)], log.head, durability), Appended)


def build(path: Path, count: int, **options: Any) -> list[Record]:
    log = DirectoryLog(path, **options)
    fill(log, count)
    records = list(log.read())
    log.close()
    return records


class WithoutSync(Files):
    """Spares the disk where a test opens a log thousands of times."""

    def open_append(self, path: str) -> AppendFile:
        file = AppendFile(path)
        file.sync = lambda: None  # type: ignore[method-assign]
        return file


def segments(path: Path) -> list[Path]:
    return sorted(path.glob("*.cbor"))


def contents(path: Path, **options: Any) -> list[Record]:
    log = DirectoryLog(path, **options)
    records = list(log.read())
    log.close()
    return records


def test_a_closed_log_opens_with_the_same_records(tmp_path: Path) -> None:
    """Everything appended is there again, and the log goes on."""
    records = build(tmp_path, 10)
    log = DirectoryLog(tmp_path)
    assert (log.head, log.head_hash, log.head_time) == (10, records[-1].hash, records[-1].header.time)
    assert log.torn is None
    fill(log, 1)
    assert list(log.read())[:10] == records


def test_segments_roll_over_and_are_named_by_their_first_transaction(tmp_path: Path) -> None:
    """A full segment ends in a mark; the next is named by its first number; reading and reopening cross them."""
    records = build(tmp_path, 40, segment_size=1000)
    names = [p.name for p in segments(tmp_path)]
    assert len(names) > 5
    assert names[0] == "00000000000000000001.cbor"
    assert contents(tmp_path) == records
    log = DirectoryLog(tmp_path)
    for name in names:
        first = int(name[:20])
        assert next(log.read(first - 1)).header.number == first


def test_a_segment_holds_at_least_one_transaction(tmp_path: Path) -> None:
    """However small segments are to be, and across reopening."""
    for _ in range(3):
        log = DirectoryLog(tmp_path, segment_size=1)
        fill(log, 3)
        log.close()
    assert [int(p.name[:20]) for p in segments(tmp_path)] == list(range(1, 10))
    assert len(contents(tmp_path)) == 9


def test_opening_looks_at_the_last_segment_only(tmp_path: Path) -> None:
    """Damage in an older segment is not met at open, but named when it is read."""
    build(tmp_path, 40, segment_size=1000)
    old = segments(tmp_path)[1]
    data = bytearray(old.read_bytes())
    data[HEADER_SIZE + 50] ^= 1
    old.write_bytes(data)
    log = DirectoryLog(tmp_path)
    assert log.head == 40
    with pytest.raises(DataCorrupted, match=rf"segment {old.name}, offset {HEADER_SIZE}, transaction {int(old.name[:20])}"):
        list(log.read())


@pytest.mark.parametrize("read_only", [False, True])
def test_a_torn_tail_at_every_byte_is_cut_and_reported(tmp_path: Path, read_only: bool) -> None:
    """Whatever part of the last record is there, the log opens at the one before, says so, and goes on; read-only changes nothing."""
    records = build(tmp_path / "whole", 3)
    (whole,) = segments(tmp_path / "whole")
    data = whole.read_bytes()
    log = DirectoryLog(tmp_path / "whole")
    start = log.position.offset
    log.close()
    for size in range(start + 1, len(data)):
        path = tmp_path / f"cut {size}"
        path.mkdir()
        (path / whole.name).write_bytes(data[:size])
        log = DirectoryLog(path, read_only=read_only)
        assert list(log.read()) == records[:2]
        assert log.torn is not None
        assert (log.torn.offset, log.torn.number, log.torn.bytes, log.torn.cut) == (start, 3, size - start, not read_only)
        assert (path / whole.name).stat().st_size == (size if read_only else start)
        if not read_only:
            fill(log, 1)
            assert len(list(log.read())) == 3
        log.close()


def test_a_tail_of_zeros_is_torn(tmp_path: Path) -> None:
    """A file system may extend the file and lose the data."""
    records = build(tmp_path, 3)
    (file,) = segments(tmp_path)
    file.write_bytes(file.read_bytes() + bytes(5000))
    assert contents(tmp_path) == records


def test_every_flipped_byte_is_found_or_harmless(tmp_path: Path) -> None:
    """No flipped bit gives other content silently: it is refused, or only the last record is cut off, and reported."""
    records = build(tmp_path, 6, segment_size=600)
    files = segments(tmp_path)
    assert len(files) >= 2
    for file in files:
        data = file.read_bytes()
        for at in range(len(data)):
            flipped = data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
            file.write_bytes(flipped)
            _check_flip(tmp_path, file, flipped, records, last=file == files[-1])
        file.write_bytes(data)


def _check_flip(path: Path, file: Path, data: bytes, records: list[Record], last: bool) -> None:
    try:
        log = DirectoryLog(path, WithoutSync())
        read = list(log.read())
    except (DataCorrupted, FormatVersionError, CannotConnect):
        assert file.read_bytes() == data, "a damaged log was changed"
        return
    assert read == records[: len(read)]
    if len(read) < len(records):
        assert last
        assert log.torn is not None
        assert log.torn.number == len(records) == len(read) + 1
    log.close()


def test_damage_before_the_last_record_refuses_to_open(tmp_path: Path) -> None:
    """The message names segment, offset and transaction; the file stays as it is."""
    build(tmp_path, 5)
    (file,) = segments(tmp_path)
    data = bytearray(file.read_bytes())
    data[HEADER_SIZE + 3] ^= 4
    file.write_bytes(data)
    for read_only in (False, True):
        with pytest.raises(DataCorrupted, match=rf"segment {file.name}, offset {HEADER_SIZE}, transaction 1; nothing was changed"):
            DirectoryLog(tmp_path, read_only=read_only)
    assert file.read_bytes() == data


def test_records_appended_together_may_be_torn_in_any_order(tmp_path: Path) -> None:
    """Of records that were never synced, a later one may have reached the disk without an earlier one: torn, not damaged."""
    log = DirectoryLog(tmp_path)
    fill(log, 2)
    start = log.position
    log.append([Proposal(bytes(16), b"%d" % n * 50, 0) for n in range(3)], 2)
    log.close()
    (file,) = segments(tmp_path)
    data = bytearray(file.read_bytes())
    second = data.index(b"0" * 50)
    data[second : second + 40] = bytes(40)
    file.write_bytes(data)
    log = DirectoryLog(tmp_path, position=start)
    assert log.head == 2
    assert log.torn is not None


def test_unsynced_records_may_be_torn_synced_ones_may_not(tmp_path: Path) -> None:
    """With a weak durability the records since the last sync may be lost in any order; those before it may not."""
    log = DirectoryLog(tmp_path)
    fill(log, 3, "none")
    log.sync()
    fill(log, 3, "none")
    log.close()
    (file,) = segments(tmp_path)
    good = file.read_bytes()
    for number in range(1, 7):
        data = bytearray(good)
        data[data.index(body(number))] ^= 1
        file.write_bytes(data)
        if number <= 3:
            with pytest.raises(DataCorrupted, match=f"transaction {number};"):
                DirectoryLog(tmp_path)
        else:
            log = DirectoryLog(tmp_path)
            assert log.head == number - 1
            log.close()
    file.write_bytes(good)
    assert len(contents(tmp_path)) == 6


def test_a_copy_of_another_log_inside_a_torn_body_is_not_taken_for_records(tmp_path: Path) -> None:
    """Only records of this very log count as later records."""
    build(tmp_path / "other", 9)
    stored = segments(tmp_path / "other")[0].read_bytes()
    log = DirectoryLog(tmp_path / "log")
    log.append([Proposal(bytes(16), stored[:500], 0)], 0)
    log.close()
    file = segments(tmp_path / "log")[0]
    file.write_bytes(file.read_bytes()[:-1])
    log = DirectoryLog(tmp_path / "log")
    assert log.head == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"body": b"forged"}, "the body has not the hash that its header names"),
        ({"previous": bytes(32)}, "does not continue the hash chain"),
        ({"number": 9}, "transaction 9 stands in the place of another"),
    ],
)
def test_a_forged_record_with_a_right_checksum_is_found(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    """The hashes guard the content where checksums cannot: somebody may have written both."""
    build(tmp_path, 2)
    (file,) = segments(tmp_path)
    log = DirectoryLog(tmp_path)
    header = Header(3, log.head_time + 1, bytes(16), log.head_hash, chain.body_hash(b"true"))
    forged = replace(header, **{k: v for k, v in change.items() if k != "body"})
    record = encode_record(zlib.crc32(log.log_id), 2, 2, chain.encode_header(forged), change.get("body", b"true"))
    log.close()
    data = file.read_bytes() + b"".join(record)
    file.write_bytes(data)
    with pytest.raises(DataCorrupted, match=rf"{words}.*segment {file.name}, offset \d+, transaction 3"):
        list(DirectoryLog(tmp_path).read())
    assert file.read_bytes() == data


# Segments that a crash left behind


@pytest.mark.parametrize("size", [0, 1, 13, 14, HEADER_SIZE - 1])
def test_an_unfinished_first_segment_is_made_anew(tmp_path: Path, size: int) -> None:
    """A first segment with less than a header never held a transaction."""
    build(tmp_path, 0)
    (file,) = segments(tmp_path)
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(CannotConnect):
        DirectoryLog(tmp_path, read_only=True)
    log = DirectoryLog(tmp_path)
    fill(log, 2)
    log.close()
    assert len(contents(tmp_path)) == 2


@pytest.mark.parametrize("size", [None, 0, 1, 40, HEADER_SIZE - 1, HEADER_SIZE])
def test_a_crash_while_rolling_over_loses_nothing(tmp_path: Path, size: int | None) -> None:
    """An end mark without a next segment, an unfinished next segment, one without records: all open, and go on."""
    records = build(tmp_path, 12, segment_size=600)
    files = segments(tmp_path)
    last = files[-1]
    before = [r for r in records if r.header.number < int(last.name[:20])]
    data = last.read_bytes()
    if size is None:
        last.unlink()
    else:
        last.write_bytes(data[:size])
    assert contents(tmp_path, read_only=True) == before
    log = DirectoryLog(tmp_path, segment_size=600)
    assert list(log.read()) == before
    assert log.head_time == before[-1].header.time
    fill(log, 12)
    assert [r.header.number for r in log.read()] == list(range(1, len(before) + 13))
    log.close()
    assert len(contents(tmp_path)) == len(before) + 12


def test_a_segment_without_its_end_is_damage_once_there_is_a_next(tmp_path: Path) -> None:
    """A segment that lost its last records, or is missing, is noticed by the reader."""
    build(tmp_path, 30, segment_size=600)
    old = segments(tmp_path)[1]
    data = old.read_bytes()
    old.write_bytes(data[:HEADER_SIZE])
    with pytest.raises(DataCorrupted, match="ends too soon"):
        contents(tmp_path)
    old.unlink()
    with pytest.raises(DataCorrupted):
        contents(tmp_path)


# What is no log


def test_a_directory_that_is_no_log_is_refused(tmp_path: Path) -> None:
    """A file, a directory with other things, a segment of something else: nothing is changed."""
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(CannotConnect, match="not a directory"):
        DirectoryLog(tmp_path / "file")
    with pytest.raises(CannotConnect, match="holds 'file' and no segment"):
        DirectoryLog(tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / name_of(1)).write_bytes(b"something else entirely" * 10)
    with pytest.raises(CannotConnect, match="not a log of eventdb"):
        DirectoryLog(tmp_path / "other")
    (tmp_path / "other" / name_of(1)).write_bytes(b"something else")
    with pytest.raises(CannotConnect, match="not a log of eventdb"):
        DirectoryLog(tmp_path / "other")
    with pytest.raises(CannotConnect, match="there is no log"):
        DirectoryLog(tmp_path / "missing", read_only=True)
    assert not (tmp_path / "missing").exists()


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    """The message names both versions."""
    build(tmp_path, 1)
    (file,) = segments(tmp_path)
    data = bytearray(file.read_bytes())
    data[13] = 2
    file.write_bytes(data)
    with pytest.raises(FormatVersionError, match="log format 2; this version of eventdb reads format 1"):
        DirectoryLog(tmp_path)


def test_a_read_only_log_follows_and_refuses_appends(tmp_path: Path) -> None:
    """It sees what the writer appends, through rolled segments, and writes nothing itself."""
    writer = DirectoryLog(tmp_path, segment_size=500)
    reader = DirectoryLog(tmp_path, read_only=True)
    for count in range(1, 31):
        fill(writer, 1)
        assert reader.refresh() == count
    assert list(reader.read()) == list(writer.read())
    with pytest.raises(ReadOnlyTransaction):
        reader.append([Proposal(bytes(16), b"", 0)], 30)
    with pytest.raises(ReadOnlyTransaction):
        reader.truncate(5)
    assert len(segments(tmp_path)) > 3


# Positions


def test_a_position_of_any_moment_opens_at_the_same_head(tmp_path: Path) -> None:
    """A position kept with a snapshot names a transaction of this log, wherever it stands."""
    log = DirectoryLog(tmp_path, segment_size=700)
    positions = [log.position]
    for _ in range(25):
        fill(log, 1)
        positions.append(log.position)
    log.close()
    for position in positions:
        again = DirectoryLog(tmp_path, position=list(position))
        assert (again.head, again.head_hash) == (25, log.head_hash)
        assert [r.header.number for r in again.read(position.number)] == list(range(position.number + 1, 26))
        again.close()


def test_a_position_of_another_log_is_refused(tmp_path: Path) -> None:
    """Another hash, another log, a transaction that is not there, nonsense."""
    build(tmp_path / "one", 5)
    build(tmp_path / "two", 9)
    log = DirectoryLog(tmp_path / "two")
    position = log.position
    wrong = [position, position._replace(hash=bytes(32)), position._replace(offset=1), position._replace(number=0), (1, 2, 3), ("x",) * 4]
    for known in wrong:
        with pytest.raises(LogReplaced):
            DirectoryLog(tmp_path / "one", position=known)  # type: ignore[arg-type]


def test_a_position_survives_retention_up_to_it(tmp_path: Path) -> None:
    """Segments before the position may be gone; the segment after it proves it."""
    log = DirectoryLog(tmp_path, segment_size=700)
    fill(log, 9)
    while log.position.offset:
        position = log.position
        fill(log, 1)
        if len(segments(tmp_path)) > 4 and log.position.segment != position.segment:
            break
    log.truncate(position.number + 1)
    assert log.first == position.number + 1
    log.close()
    again = DirectoryLog(tmp_path, position=position)
    assert again.first == position.number + 1
    with pytest.raises(SnapshotTooOld):
        again.read(0)


# Free room behind the records


def test_a_synced_append_leaves_room_that_closing_cuts_off(tmp_path: Path) -> None:
    """Zeros behind the records, so that the next append changes no size; none in a segment that is full, none after close."""
    log = DirectoryLog(tmp_path, segment_size=4000)
    sizes = set()
    for _ in range(15):
        fill(log, 1)
        sizes.add(segments(tmp_path)[0].stat().st_size)
    assert sizes == {4000}
    fill(log, 40)
    *full, last = segments(tmp_path)
    assert len(full) > 1
    assert all(file.read_bytes()[-1] for file in full)
    size = last.stat().st_size
    log.close()
    assert last.stat().st_size < size
    assert contents(tmp_path) == list(DirectoryLog(tmp_path, read_only=True).read())


def test_an_append_that_is_not_synced_leaves_no_room(tmp_path: Path) -> None:
    log = DirectoryLog(tmp_path)
    fill(log, 3, "os")
    (file,) = segments(tmp_path)
    assert file.read_bytes()[-1]
    log.close()


def test_room_left_by_a_process_that_died_is_used(tmp_path: Path) -> None:
    """A log that nobody closed opens at the same head with nothing torn, for reading too, and goes on in its room."""
    log = DirectoryLog(tmp_path / "log")
    fill(log, 3)
    records = list(log.read())
    (file,) = segments(tmp_path / "log")
    left = tmp_path / "left"
    left.mkdir()
    (left / file.name).write_bytes(file.read_bytes())
    size = (left / file.name).stat().st_size
    for read_only in (True, False):
        again = DirectoryLog(left, read_only=read_only)
        assert (again.torn, list(again.read())) == (None, records)
        if not read_only:
            fill(again, 2)
            assert (left / file.name).stat().st_size == size
        again.close()
    assert len(contents(left)) == 5


def test_closing_leaves_the_room_while_others_append(tmp_path: Path) -> None:
    """Room cut off, or in use: either way the others see every record and append theirs."""
    logs = [DirectoryLog(tmp_path) for _ in range(3)]
    for turn in range(12):
        log = logs[turn % 3]
        log.refresh()
        fill(log, 1)
        if turn % 4 == 3:
            logs[turn % 3].close()
            logs[turn % 3] = DirectoryLog(tmp_path)
        assert [each.refresh() for each in logs] == [turn + 1] * 3
    assert all(len(list(log.read())) == 12 for log in logs)


def test_closing_waits_for_nobody(tmp_path: Path) -> None:
    """Where another process holds the lock, the room stays."""
    log = DirectoryLog(tmp_path)
    fill(log, 1)
    (file,) = segments(tmp_path)
    with Files().lock(str(tmp_path / "lock")):
        log.close()
    assert file.read_bytes()[-1] == 0
    assert len(contents(tmp_path)) == 1
    assert file.read_bytes()[-1]


def test_bytes_in_the_room_are_torn_or_damage(tmp_path: Path) -> None:
    """Zeros where a record should begin are free room only if nothing but zeros follows."""
    log = DirectoryLog(tmp_path)
    fill(log, 3)
    start = log.position.offset
    fill(log, 2)
    log.close()
    (file,) = segments(tmp_path)
    data = file.read_bytes()
    file.write_bytes(data[:start] + bytes(8) + data[start + 8 :])
    with pytest.raises(DataCorrupted, match=f"offset {start}, transaction 3;"):
        DirectoryLog(tmp_path)
    file.write_bytes(data + bytes(100_000) + b"what a page of another file held")
    again = DirectoryLog(tmp_path)
    assert again.torn is not None
    assert (again.torn.offset, again.head) == (len(data), 5)
    again.close()
    assert file.read_bytes() == data


# Several processes

_WORKER = """
import sys
from eventdb.storage.log import chain
from eventdb.storage.log.base import Appended, Proposal
from eventdb.storage.log.directory import DirectoryLog
log = DirectoryLog(sys.argv[1], segment_size=3000)
done = 0
while done < 100:
    done += isinstance(log.append([Proposal(sys.argv[2].encode() * 16, b"x" * 30, 0)], log.refresh(), "os"), Appended)
"""


def test_two_processes_append_in_one_chain(tmp_path: Path) -> None:
    """Two processes that append at once make one log without gaps, each losing nothing."""
    DirectoryLog(tmp_path).close()
    workers = [subprocess.Popen([sys.executable, "-c", _WORKER, str(tmp_path), name]) for name in "ab"]
    watcher = DirectoryLog(tmp_path, read_only=True)
    head = 0
    while head < 200 and any(w.poll() is None for w in workers):
        head = watcher.wait(head, 0.1)
    assert [w.wait(60) for w in workers] == [0, 0]
    records = list(DirectoryLog(tmp_path).read())
    assert [r.header.number for r in records] == list(range(1, 201))
    assert sorted(r.header.txid[:1] for r in records) == [b"a"] * 100 + [b"b"] * 100
    assert watcher.refresh() == 200


def test_the_tail_that_a_dead_process_left_is_cut_before_the_next_append(tmp_path: Path) -> None:
    """An open log meets half a record of a process that died: readers leave it out, the next append cuts it off."""
    log = DirectoryLog(tmp_path)
    fill(log, 2)
    (file,) = segments(tmp_path)
    start = log.position.offset
    record = file.read_bytes()[start:].rstrip(b"\0")
    with file.open("r+b") as dead:
        dead.seek(start + len(record))
        dead.write(record[: len(record) // 2])
    assert log.refresh() == 2
    fill(log, 1)
    assert log.torn is not None
    assert len(contents(tmp_path)) == 3


def test_a_record_taken_back_after_it_was_seen_is_noticed(tmp_path: Path) -> None:
    """A writer whose sync fails cuts its record off; a reader that had seen it must start again, whatever came in its place."""
    log = DirectoryLog(tmp_path)
    fill(log, 2)
    (file,) = segments(tmp_path)
    before = file.read_bytes()
    fill(log, 1)
    readers = [DirectoryLog(tmp_path) for _ in range(2)]
    log.close()
    file.write_bytes(before)
    with pytest.raises(LogReplaced):
        readers[0].refresh()
    other = DirectoryLog(tmp_path)
    other.append([Proposal(bytes(16), b"another" * 40, 0)], 2)
    data = file.read_bytes()
    with pytest.raises(LogReplaced):
        readers[1].append([Proposal(bytes(16), b"", 0)], 3)
    assert file.read_bytes() == data


def test_an_append_waits_for_the_lock_no_longer_than_it_may(tmp_path: Path) -> None:
    """Who holds the lock keeps the others out; the error says which lock."""
    log = DirectoryLog(tmp_path, lock_timeout=0.05)
    with Files().lock(str(tmp_path / "lock")), pytest.raises(LockNotAvailable, match="lock"):
        log.append([Proposal(bytes(16), b"", 0)], 0)
    fill(log, 1)
