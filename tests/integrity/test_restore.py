"""Restore to any moment, export and import: the same log, whole or not at all."""

from __future__ import annotations

import datetime
import gzip
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faults.faulty import Crash, FaultyFiles, Keep

import eventdb
from eventdb.engine import copies
from eventdb.errors import CannotConnect, DataCorrupted, FormatVersionError, InvalidParameterValue, SnapshotTooOld
from eventdb.storage import codec
from eventdb.storage.files import Files
from eventdb.storage.log.base import EventLog


def filled(path: Path | str, count: int = 12, segment_size: int = 700) -> eventdb.Connection:
    connection = eventdb.connect(path, autocommit=True, actor="ann", reason="to see", metadata={"ticket": 7})
    if hasattr(connection.database.log, "segment_size"):
        connection.database.log.segment_size = segment_size
    connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, v TEXT)")
    for n in range(count):
        connection.execute("INSERT INTO t VALUES (?, ?)", (n, f"value {n} " * n))
    return connection


def records(log: EventLog) -> list[Any]:
    return list(log.read(log.first - 1))


def items_of(plain: bytes) -> list[Any]:
    """The items of an export without its gzip, read by any CBOR decoder that knows tag 24."""
    found, at = [], 0
    while at < len(plain):
        size = int.from_bytes(plain[at + 3 : at + 11], "big")
        tagged = codec.loads(plain[at : at + 11 + size])
        assert tagged.tag == 24
        found.append(codec.loads(tagged.value))
        at += 11 + size
    return found


def test_to_every_transaction(tmp_path: Path) -> None:
    """Each restored database is the log up to there, and goes on from there."""
    connection = filled(tmp_path / "db")
    connection.checkpoint()
    connection.execute("DELETE FROM t WHERE n = 3")
    whole = records(connection.database.log)
    for number in range(connection.head + 1):
        made = eventdb.restore(tmp_path / "db", tmp_path / f"r{number}", to=number)
        assert made.transaction == number
        copy = eventdb.connect(tmp_path / f"r{number}", autocommit=True)
        assert records(copy.database.log) == whole[:number]
        copy.verify(digest=connection.digest(number)).raise_for_problems()
        assert copy.database.report.snapshot == (13 if number >= 13 else None)
        copy.execute("CREATE TABLE more (n INTEGER)")
        assert copy.head == number + 1
        assert not copy.verify(digest=connection.digest()).ok or number == connection.head
        copy.close()
    assert eventdb.restore(tmp_path / "db", tmp_path / "all").transaction == connection.head
    connection.close()


def test_to_a_time(tmp_path: Path) -> None:
    """A time means what AS OF means: the last transaction at or before it."""
    connection = filled(tmp_path / "db", 4)
    times = [row[0] for row in connection.execute("SELECT committed_at FROM eventdb.transactions ORDER BY number")]
    micro = datetime.timedelta(microseconds=1)
    cases: list[tuple[Any, int]] = [(times[0] - micro, 0), (times[-1] + micro, 5)]
    for number, moment in enumerate(times, 1):
        cases += [(moment, number), (moment - micro, number - 1), (moment.isoformat(), number), (moment.replace(tzinfo=None), number)]
    cases += [("3", 3), ("TRANSACTION 2", 2), ("transaction 2", 2)]
    for turn, (moment, number) in enumerate(cases):
        assert eventdb.restore(tmp_path / "db", tmp_path / f"r{turn}", to=moment).transaction == number, moment
    for wrong in (6, -1, "soon", True, 1.5, "TRANSACTION x", datetime.datetime(2999, 1, 1), b"1"):
        with pytest.raises(InvalidParameterValue):
            eventdb.restore(tmp_path / "db", tmp_path / "wrong", to=wrong)
    assert not (tmp_path / "wrong").exists()
    connection.close()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    connection = filled(tmp_path / "db", 3)
    connection.export_file(tmp_path / "export")
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("x")
    for target in ("db", "full"):
        with pytest.raises(CannotConnect, match="is there already"):
            eventdb.restore(tmp_path / "db", tmp_path / target)
        with pytest.raises(CannotConnect, match="is there already"):
            eventdb.import_file(tmp_path / "export", tmp_path / target)
    eventdb.restore(tmp_path / "db", tmp_path / "empty")
    for nothing in ("nowhere", "full"):
        with pytest.raises(CannotConnect, match="there is no database at"):
            eventdb.restore(tmp_path / nothing, tmp_path / "x")
    with pytest.raises(CannotConnect, match="nowhere"):
        eventdb.import_file(tmp_path / "nowhere", tmp_path / "x")
    with pytest.raises(CannotConnect):
        connection.export_file(tmp_path / "no" / "folder")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["db", "empty", "export", "full"]
    connection.close()


def test_behind_a_horizon(tmp_path: Path) -> None:
    """What was given up cannot be restored; the oldest moment is that of the oldest snapshot."""
    connection = filled(tmp_path / "db", 12)
    connection.checkpoint()
    connection.execute("DELETE FROM t WHERE n = 3")
    connection.execute("DELETE FROM t WHERE n = 4")
    digest = connection.digest()
    connection.database.log.truncate(10)
    first = connection.database.log.first
    assert first > 1
    for number, message in ((12, "no snapshot holds"), (first - 2, "no longer in the log")):
        with pytest.raises(SnapshotTooOld, match=message):
            eventdb.restore(tmp_path / "db", tmp_path / "x", to=number)
    with pytest.raises(SnapshotTooOld, match="later than the time"):
        eventdb.restore(tmp_path / "db", tmp_path / "x", to="2001-01-01")
    connection.export_file(tmp_path / "export")
    eventdb.import_file(tmp_path / "export", tmp_path / "imported")
    eventdb.restore(tmp_path / "db", tmp_path / "restored", to=14)
    for name, kept in (("imported", digest), ("restored", connection.digest(14))):
        copy = eventdb.connect(tmp_path / name)
        copy.verify(digest=kept).raise_for_problems()
        assert copy.database.log.first == first
        copy.close()
    connection.close()


@pytest.mark.parametrize("memory", [False, True])
def test_an_export_has_everything(memory: bool, tmp_path: Path) -> None:
    """Numbers, times, actors, reasons, metadata, hashes; and the file is plain gzip and CBOR."""
    connection = filled(":memory:" if memory else tmp_path / "db")
    written = connection.export_file(tmp_path / "one.export")
    assert (written.transaction, written.transactions, written.bytes) == (13, 13, (tmp_path / "one.export").stat().st_size)
    assert connection.export_file(tmp_path / "two.export").bytes == written.bytes
    assert (tmp_path / "one.export").read_bytes() == (tmp_path / "two.export").read_bytes()
    made = eventdb.import_file(tmp_path / "one.export", tmp_path / "new")
    assert (made.transaction, made.path) == (13, str(tmp_path / "new"))
    copy = eventdb.connect(tmp_path / "new", autocommit=True)
    assert records(copy.database.log) == records(connection.database.log)
    assert copy.digest() == connection.digest()
    everything = "SELECT * FROM eventdb.transactions"
    assert copy.execute(everything).fetchall() == connection.execute(everything).fetchall()
    copy.verify().raise_for_problems()
    copy.execute("DELETE FROM t")
    assert copy.verify(digest=connection.digest()).ok
    copy.close()
    found = items_of(gzip.decompress((tmp_path / "one.export").read_bytes()))
    assert found[0][:4] == ["eventdb export", 1, connection.database.log.log_id, 1]
    assert [body for _, body in found[1:-1]] == [record.body for record in records(connection.database.log)]
    assert found[-1] == ["end", 13, connection.database.log.head_hash]
    connection.close()


def test_an_empty_database_goes_too(tmp_path: Path) -> None:
    connection = eventdb.connect(tmp_path / "db")
    connection.export_file(tmp_path / "export")
    eventdb.import_file(tmp_path / "export", tmp_path / "new")
    eventdb.restore(tmp_path / "db", tmp_path / "restored")
    for name in ("new", "restored"):
        copy = eventdb.connect(tmp_path / name)
        assert copy.digest() == connection.digest()
        copy.close()
    connection.close()


def test_a_damaged_export_is_refused(tmp_path: Path) -> None:
    """Bytes flipped, cut, added; items left out, swapped, changed: nothing is made."""
    connection = filled(":memory:", 5)
    connection.export_file(tmp_path / "good")
    connection.close()
    good = (tmp_path / "good").read_bytes()
    plain = gzip.decompress(good)
    items = items_of(plain)
    chance = random.Random(7)

    def packed(changed: list[Any]) -> bytes:
        encoded = [codec.dumps(item) for item in changed]
        return gzip.compress(b"".join(b"\xd8\x18\x5b" + len(data).to_bytes(8, "big") + data for data in encoded))

    def flipped(data: bytes, at: int) -> bytes:
        return data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]

    (tmp_path / "packed").write_bytes(packed(items))
    assert eventdb.import_file(tmp_path / "packed", tmp_path / "imported").transaction == 6
    bad = [good[:cut] for cut in range(0, len(good), 41)] + [good + b"x", good + good]
    bad += [flipped(good, chance.randrange(10, len(good))) for _ in range(30)]
    bad += [gzip.compress(flipped(plain, chance.randrange(len(plain)))) for _ in range(80)]
    bad += [packed(items[:at] + items[at + 1 :]) for at in range(8)]
    bad += [packed([*items[:at], items[at + 1], items[at], *items[at + 2 :]]) for at in range(7)]
    bad += [packed([*items, items[-1]]), packed([[*items[0][:1], 2, *items[0][2:]], *items[1:]]), b"", b"plain text", gzip.compress(b"")]
    bad += [packed([items[0], ["file", name, b""], *items[1:]]) for name in ("../../evil", "log/../x", "elsewhere/x", "log/")]
    for number, data in enumerate(bad):
        (tmp_path / "bad").write_bytes(data)
        with pytest.raises((DataCorrupted, CannotConnect, FormatVersionError)):  # noqa: PT012
            eventdb.import_file(tmp_path / "bad", tmp_path / "new")
            raise AssertionError(number, len(data), data, good)
        assert not (tmp_path / "new").exists(), number
        assert not (tmp_path / "new.partial").exists(), number


Work = Callable[[Path, Path, Files], Any]


def _restore(source: Path, target: Path, files: Files) -> None:
    copies.restore(source, target, to=9, _files=files)


def _import(source: Path, target: Path, files: Files) -> None:
    copies.import_file(source.parent / "export", target, _files=files)


@pytest.mark.parametrize("work", [_restore, _import])
def test_a_crash_at_every_step_leaves_nothing_or_all(work: Work, tmp_path: Path) -> None:
    """A rerun does it."""
    connection = filled(tmp_path / "db", 9)
    connection.checkpoint()
    connection.export_file(tmp_path / "export")
    number = 9 if work is _restore else connection.head
    digest = connection.digest(number)
    connection.close()
    steps = 0
    for crash_at in range(1, 200):
        home = tmp_path / f"{crash_at}"
        home.mkdir()
        files = FaultyFiles(crash_at=crash_at)
        try:
            work(tmp_path / "db", home / "new", files)
        except Crash:
            pass
        else:
            break
        steps += 1
        for keep in Keep:
            left = files.surviving(home, tmp_path / f"{crash_at}-{keep.value}", keep)
            if not (left / "new").exists():
                work(tmp_path / "db", left / "new", Files())
            assert [p.name for p in left.iterdir()] == ["new"]
            copy = eventdb.connect(left / "new", read_only=True)
            assert copy.digest() == digest
            copy.verify().raise_for_problems()
            copy.close()
    assert steps > 8


def test_an_export_that_stops_leaves_the_older_one(tmp_path: Path) -> None:
    connection = filled(tmp_path / "db", 9)
    connection.export_file(tmp_path / "export")
    before = (tmp_path / "export").read_bytes()
    connection.execute("DELETE FROM t")
    connection.export_file(tmp_path / "newer")
    after = (tmp_path / "newer").read_bytes()
    seen = set()
    for crash_at in range(1, 20):
        home = tmp_path / f"{crash_at}"
        home.mkdir()
        (home / "export").write_bytes(before)
        files = FaultyFiles(crash_at=crash_at)
        try:
            copies.export_file(connection.database, str(home / "export"), files)
        except Crash:
            for keep in Keep:
                left = (files.surviving(home, tmp_path / f"{crash_at}-{keep.value}", keep) / "export").read_bytes()
                assert left in (before, after), (crash_at, keep)
                seen.add(left)
            continue
        assert (home / "export").read_bytes() == after
        break
    assert seen == {before, after}
    connection.close()
