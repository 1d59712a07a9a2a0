"""Erased values are nowhere in the directory: not in a file, not in a compressed body, not in a page."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from erase.searching import contents, forget, found

import eventdb
from eventdb.errors import DataCorrupted
from eventdb.storage.log.directory import DirectoryLog

SECRETS: list[str | int | bytes] = [
    "ada@example.org", "Countess of Lovelace", 7_818_151_210_271_852, b"\xfe\xed\xfa\xce", "in an index only by prefix",
]  # fmt: skip
KEY = 4_815_162_342_108


def fill(connection: Any) -> None:
    """Rows of somebody in every place that values come to: rows, versions, keys, indexes (one dropped), bodies large enough to be
    compressed, pages, a rewritten table, several snapshots."""
    connection.execute("CREATE TABLE p (id BIGINT PRIMARY KEY, mail TEXT, name TEXT, phone BIGINT, token BYTEA, note TEXT)")
    connection.execute("CREATE INDEX p_mail ON p (mail)")
    connection.execute("CREATE INDEX p_note ON p (lower(note)) WHERE phone > 0")
    connection.execute("CREATE INDEX p_name ON p (name, phone DESC)")
    others = [(n, f"somebody{n}@example.org", f"name {n % 7}", n, bytes([n % 256]), "-") for n in range(1000)]
    mine = (KEY, SECRETS[0], SECRETS[1], SECRETS[2], SECRETS[3], SECRETS[4])
    connection.executemany("INSERT INTO p VALUES (?, ?, ?, ?, ?, ?)", [*others, mine])
    connection.checkpoint()
    connection.execute("UPDATE p SET note = note || ' and more' WHERE id >= 500")
    connection.execute("DROP INDEX p_name")
    connection.execute("UPDATE p SET name = 'married', mail = 'ada2@example.org' WHERE id = ?", (KEY,))
    connection.checkpoint()
    connection.execute("ALTER TABLE p ALTER COLUMN note TYPE VARCHAR(100) USING substr(note, 1, 90)")
    connection.execute("UPDATE p SET phone = phone + 1 WHERE id > 900 AND id <> ?", (KEY,))
    connection.execute("DELETE FROM p WHERE id = ?", (KEY,))
    connection.checkpoint()


def test_nothing_is_left(tmp_path: Path) -> None:
    path = tmp_path / "db"
    connection = eventdb.connect(path, autocommit=True, allow_erase=True)
    fill(connection)
    assert all(found(path, secret) for secret in [*SECRETS, KEY]), "the search finds them while they are there"
    assert any("decompressed" in name for secret in SECRETS for name in found(path, secret))
    others = connection.execute("SELECT * FROM p FOR SYSTEM_TIME ALL WHERE id < 1000").fetchall()
    assert connection.execute("ERASE FROM p WHERE mail = ?", (SECRETS[0],)).rowcount == 1
    left = {secret: found(path, secret) for secret in [*SECRETS, KEY, "ada2@", "married"]}
    assert not any(left.values()), left
    assert connection.execute("SELECT * FROM p FOR SYSTEM_TIME ALL").fetchall() == others
    report = connection.verify()
    assert report.ok, str(report)
    assert report.redactions
    connection.close()
    assert not any(found(path, secret) for secret in [*SECRETS, KEY])
    shutil.rmtree(path / "snapshots")
    connection = eventdb.connect(path, autocommit=True)
    assert connection.execute("SELECT * FROM p FOR SYSTEM_TIME ALL").fetchall() == others
    assert connection.verify().ok
    connection.close()


def test_many_segments(tmp_path: Path) -> None:
    """Only the segments that hold the row are written anew; each number keeps its hash."""
    path = tmp_path / "db"
    connection = eventdb.connect(path, autocommit=True, allow_erase=True)
    connection.database.log.segment_size = 2000
    connection.execute("CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT)")
    for n in range(60):
        connection.execute("INSERT INTO p VALUES (?, ?)", (n, f"name {n} " + "x" * 50))
    hashes = [record.hash for record in connection.database.log.read()]
    before = {file.name: file.stat().st_ino for file in (path / "log").iterdir()}
    assert len(before) > 5
    connection.execute("ERASE FROM p WHERE id IN (3, 40)")
    changed = {name for name, inode in before.items() if (path / "log" / name).stat().st_ino != inode}
    assert len(changed) == 2
    assert not found(path, "name 3 ")
    assert not found(path, "name 40 ")
    assert [record.hash for record in connection.database.log.read(0, 61)] == hashes
    assert {record.header.number for record in connection.database.log.read() if record.redacted_by} == {5, 42}
    assert connection.verify().ok
    connection.execute("INSERT INTO p VALUES (3, 'another')")
    connection.close()
    connection = eventdb.connect(path)
    assert connection.execute("SELECT count(*) FROM p").fetchone() == (59,)
    assert connection.verify().ok
    connection.close()


def test_random_histories(tmp_path: Path) -> None:
    """What is left is what was there without the rows that went: at every transaction, in memory, from a snapshot, from the log alone."""
    for seed in range(6):
        chance = random.Random(seed)
        path = tmp_path / f"db{seed}"
        connection = eventdb.connect(path, autocommit=True, allow_erase=True)
        connection.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT, w INTEGER)")
        connection.execute("CREATE INDEX t_v ON t (v)")
        for step in range(80):
            k, v = chance.randrange(30), chance.choice("abcdef") * 3
            match chance.randrange(6):
                case 0:
                    connection.execute("DELETE FROM t WHERE k = ?", (k,))
                case 1:
                    connection.execute("UPDATE t SET v = ? WHERE k BETWEEN ? AND ?", (v, k, k + 5))
                case 2 if step == 40:
                    connection.execute("ALTER TABLE t ADD COLUMN later INTEGER DEFAULT 5")
                case 3 if step > 60:
                    connection.checkpoint()
                case _:
                    upsert = "INSERT INTO t (k, v, w) VALUES (?, ?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v"
                    connection.execute(upsert, (k, v, step))
        for value in ("aaa", "bbb"):
            versions = connection.execute("SELECT k, v, w, row_start_tx, row_end_tx FROM t FOR SYSTEM_TIME ALL").fetchall()
            keys = {row[0] for row in versions if row[1] == value}
            moments = range(1, connection.head + 1, 5)
            then = "SELECT k, v FROM t FOR SYSTEM_TIME AS OF TRANSACTION ? ORDER BY k"
            at = {n: connection.execute(then, (n,)).fetchall() for n in moments}
            assert connection.execute("ERASE FROM t WHERE v = ?", (value,)).rowcount == len(keys)
            for reopen in ("no", "snapshot", "log"):
                if reopen != "no":
                    connection.close()
                    if reopen == "log":
                        shutil.rmtree(path / "snapshots")
                    connection = eventdb.connect(path, autocommit=True, allow_erase=True)
                left = connection.execute("SELECT k, v, w, row_start_tx, row_end_tx FROM t FOR SYSTEM_TIME ALL").fetchall()
                assert left == [row for row in versions if row[0] not in keys]
                for n in moments:
                    seen = connection.execute(then, (n,)).fetchall()
                    assert seen == [row for row in at[n] if row[0] not in keys]
                assert connection.verify().ok
        assert not any(b"aaa" in data or b"bbb" in data for _, data in contents(path))
        connection.close()


def test_a_body_put_back_is_damage(tmp_path: Path) -> None:
    """A segment from before the erasure (an old copy of the file) matches its own headers, and is refused all the same."""
    path = tmp_path / "db"
    connection = eventdb.connect(path, autocommit=True, allow_erase=True)
    connection.execute("CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT)")
    connection.execute("INSERT INTO p VALUES (1, 'Ada')")
    segment = path / "log" / "00000000000000000001.cbor"
    connection.execute("UPDATE p SET name = 'Countess'")
    old = segment.read_bytes()
    connection.execute("ERASE FROM p")
    end = segment.read_bytes()[-15:]
    segment.write_bytes(old + end)
    report = connection.verify()
    assert not report.ok
    assert "before transaction 4 replaced it" in str(report)
    connection.close()
    shutil.rmtree(path / "snapshots")
    with pytest.raises(DataCorrupted, match="before transaction 4 replaced it"):
        eventdb.connect(path)
    forget(path)


def test_a_replaced_body_without_its_receipt_is_damage(tmp_path: Path) -> None:
    """Whoever writes another body into a record, flagged as replaced and with good checksums, needs a receipt in the chain."""
    path = tmp_path / "db"
    connection = eventdb.connect(path, autocommit=True, allow_erase=True)
    connection.execute("CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT)")
    for n in range(3):
        connection.execute("INSERT INTO p VALUES (?, 'somebody')", (n,))
    connection.execute("ERASE FROM p WHERE id = 0")
    connection.close()
    from eventdb.storage.log.segment import REDACTED, Raw, encode_end, encode_record, items

    log = DirectoryLog(path / "log")
    seed, segment = log._seed, path / "log" / "00000000000000000001.cbor"
    log.close()
    file = log.files.open_read(str(segment))
    raws = [item for item in items(file, 88, file.size(), seed) if isinstance(item, Raw)]
    head = segment.read_bytes()[:88]
    for by, message in ((5, "receipt in transaction 5"), (9, "receipt in transaction 9"), (2, "receipt in transaction 2")):
        forged = [b"".join(encode_record(seed, raw.flags, raw.synced, raw.header, raw.body)) for raw in raws]
        forged[2] = b"".join(encode_record(seed, raws[2].flags | REDACTED, by, raws[2].header, b"\x80"))
        segment.write_bytes(head + b"".join(forged) + encode_end(seed, 5))
        log = DirectoryLog(path / "log")
        with pytest.raises(DataCorrupted, match=message):
            list(log.read())
        log.close()
