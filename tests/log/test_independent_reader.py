"""A log read with nothing of ours: the standard library and docs/format.md.

The reader below is what somebody would write in ten years, in any language, to get at the data. It walks the segments, checks every
checksum, hash and link, and gives the rows of every RowsInserted. The tests hold it against what was put in.
"""

from __future__ import annotations

import array
import hashlib
import itertools
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest

# The reader


def cbor(data: bytes, at: int) -> tuple[Any, int]:
    """One CBOR item (RFC 8949) at data[at]: (value, where the next begins). A tagged item is (tag, value)."""
    major, info = data[at] >> 5, data[at] & 31
    at += 1
    if info >= 28:
        raise ValueError("an item that the format does not use")
    size = (0, 1, 2, 4, 8)[info - 23] if info > 23 else 0
    number = int.from_bytes(data[at : at + size], "big") if size else info
    raw, at = data[at : at + size], at + size
    if major == 0:
        return number, at
    if major == 1:
        return -1 - number, at
    if major in (2, 3):
        part = data[at : at + number]
        if len(part) < number:
            raise ValueError("the data ends inside a string")
        return part if major == 2 else part.decode(), at + number
    if major == 4:
        items = []
        for _ in range(number):
            item, at = cbor(data, at)
            items.append(item)
        return items, at
    if major == 5:
        pairs = {}
        for _ in range(number):
            key, at = cbor(data, at)
            pairs[key], at = cbor(data, at)
        return pairs, at
    if major == 6:
        item, at = cbor(data, at)
        return (number, item), at
    if info < 24:
        return {20: False, 21: True, 22: None}[info], at
    return struct.unpack({2: ">e", 4: ">f", 8: ">d"}[size], raw)[0], at


TYPED = {72: "b", 77: "h", 78: "i", 79: "q", 85: "f", 86: "d"}


def column(packed: Any) -> list[Any]:
    """The stored values of one column, whatever its form."""
    if isinstance(packed, int):
        return [None] * packed
    if isinstance(packed, tuple):
        tag, data = packed
        return array.array(TYPED[tag], data).tolist()
    if isinstance(packed, dict) and "words" in packed:
        return [packed["words"][i] for i in column(packed["index"])]
    if isinstance(packed, dict) and "nulls" in packed:
        bits = packed["nulls"]
        return [None if bits[i // 8] >> (7 - i % 8) & 1 else v for i, v in enumerate(column(packed["values"]))]
    return list(packed)


def rows_of(block: list[Any]) -> list[list[Any]]:
    """The rows of a block: by rows, or by columns."""
    return block[1] if block[0] == 0 else [list(row) for row in zip(*map(column, block[2]), strict=True)]


def read_log(directory: Path) -> list[dict[str, Any]]:
    """All transactions of a log, every check made."""
    transactions: list[dict[str, Any]] = []
    replaced: dict[int, tuple[int, bytes]] = {}  # transaction → the one that has the receipt, and the hash of the body
    receipts: dict[int, dict[int, bytes]] = {}
    number, previous, log_id = 0, b"", b""
    for path in sorted(directory.glob("*.cbor")):
        data = path.read_bytes()
        (magic, version, log_id, first, before, _, checksum), at = cbor(data, 0)
        assert (magic, version) == ("eventdb log", 1)
        assert checksum == zlib.crc32(data[: at - 4])
        assert int(path.stem) == first
        if not transactions:
            number, previous = first - 1, before
            assert first > 1 or before == hashlib.sha256(b"eventdb genesis" + log_id).digest()
        assert (number + 1, previous) == (first, before)
        seed = zlib.crc32(log_id)
        while at < len(data):
            if data[at] == 0:  # free room
                assert not data[at:].strip(b"\0")
                break
            start = at
            item, at = cbor(data, at)
            assert item[0] == zlib.crc32(data[start + 6 : at], seed)
            if len(item) == 2:
                assert item[1] == number + 1
                assert at == len(data)
                break
            _, flags, synced, header, body = item
            assert flags < 16
            if flags & 1:
                body = zlib.decompress(body)
            fields, _ = cbor(header, 0)
            assert fields[0] == number + 1
            assert fields[3] == previous
            if flags & 4:
                replaced[fields[0]] = synced, hashlib.sha256(body).digest()
            else:
                assert fields[4] == hashlib.sha256(body).digest()
            number, previous = fields[0], hashlib.sha256(header).digest()
            events, _ = cbor(body, 0)
            for event in events:
                if event[0] == "BodiesRewritten":
                    assert flags & 8
                    numbers = itertools.accumulate(column(event[2]))
                    receipts[number] = {n: event[3][i * 32 : i * 32 + 32] for i, n in enumerate(numbers)}
            rows = [row for event in events if event[0] == "RowsInserted" for row in rows_of(event[4])]
            transactions.append({"number": number, "time": fields[1], "actor": fields[5], "events": events, "rows": rows})
    for number, (by, digest) in replaced.items():
        assert receipts[by][number] == digest
    for by, given in receipts.items():
        assert all(n in replaced and replaced[n][0] >= by for n in given)
    return transactions


# The tests (these know our code, to write a log)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    import datetime
    from decimal import Decimal

    from eventdb.model.datatype import BOOLEAN, DATE, DOUBLE, INTEGER, NUMERIC, TEXT
    from eventdb.model.event import RowsDeleted, RowsInserted, SchemaCreated
    from eventdb.model.transaction import Provenance
    from eventdb.storage.codec import encode_body
    from eventdb.storage.log.base import Proposal
    from eventdb.storage.log.directory import DirectoryLog

    types = (INTEGER, TEXT, NUMERIC, DATE, BOOLEAN, DOUBLE)
    day = datetime.date(1970, 1, 11)
    many = [(n, f"name {n % 3}", Decimal(n) / 4, None if n % 5 == 0 else day, n % 2 == 0, n / 2) for n in range(500)]
    log = DirectoryLog(tmp_path, segment_size=3000)
    few, lot = RowsInserted(7, types, many[:2]), RowsInserted(7, types, many)
    for number, event in enumerate([SchemaCreated("app"), few, lot, RowsDeleted(7, (INTEGER,), [1])] * 3):
        log.append([Proposal(number.to_bytes(16, "big"), encode_body([event]), 0, Provenance("ann"))], number)
    log.close()
    assert len(list(tmp_path.glob("*.cbor"))) > 1
    return tmp_path


def test_a_log_in_use_is_read_without_our_code(tmp_path: Path) -> None:
    """Behind the records of an open log there is free room."""
    from eventdb.model.event import SchemaCreated
    from eventdb.storage.codec import encode_body
    from eventdb.storage.log.base import Proposal
    from eventdb.storage.log.directory import DirectoryLog

    log = DirectoryLog(tmp_path)
    log.append([Proposal(bytes(16), encode_body([SchemaCreated("app")]), 0)], 0)
    assert next(tmp_path.glob("*.cbor")).read_bytes()[-1] == 0
    assert [t["events"] for t in read_log(tmp_path)] == [[["SchemaCreated", 1, "app", None]]]
    log.close()


def test_the_rows_are_read_without_our_code(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every transaction, with its rows as docs/format.md says they are stored."""
    transactions = read_log(written)
    assert [t["number"] for t in transactions] == list(range(1, 13))
    assert {t["actor"] for t in transactions} == {"ann"}
    assert [t["events"][0][0] for t in transactions[:4]] == ["SchemaCreated", "RowsInserted", "RowsInserted", "RowsDeleted"]
    expected = [[n, f"name {n % 3}", f"{n / 4:g}", None if n % 5 == 0 else 10, n % 2 == 0, n / 2] for n in range(500)]
    assert transactions[1]["rows"] == expected[:2]
    assert transactions[2]["rows"] == expected
    print(*transactions[2]["rows"], sep="\n")
    assert "[499, 'name 1', '124.75', 10, False, 249.5]" in capsys.readouterr().out


def test_the_reader_notices_a_changed_byte(written: Path) -> None:
    """Its checks are real ones: no byte of a middle segment can change without one of them failing."""
    path = sorted(written.glob("*.cbor"))[1]
    data = path.read_bytes()
    for at in range(0, len(data), 17):
        path.write_bytes(data[:at] + bytes([data[at] ^ 2]) + data[at + 1 :])
        with pytest.raises((AssertionError, ValueError, KeyError, IndexError, TypeError, zlib.error)):
            read_log(written)
    path.write_bytes(data)
    assert len(read_log(written)) == 12


def test_replaced_bodies(tmp_path: Path) -> None:
    """What an erasure leaves, twice over the same body: each body has the hash of its newest receipt; an old segment is noticed."""
    import eventdb

    connection = eventdb.connect(tmp_path / "db", autocommit=True, allow_erase=True)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)")
    connection.execute("INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three')")
    log = tmp_path / "db" / "log"
    connection.execute("ERASE FROM t WHERE id = 1")
    old = (log / "00000000000000000001.cbor").read_bytes()
    connection.execute("ERASE FROM t WHERE id = 2")
    connection.close()
    transactions = read_log(log)
    assert [t["rows"] for t in transactions] == [[], [[3, "three"]], [], []]
    assert [event[0] for event in transactions[3]["events"]] == ["RowsErased", "BodiesRewritten"]
    (log / "00000000000000000001.cbor").write_bytes(old)
    with pytest.raises(AssertionError):
        read_log(log)
