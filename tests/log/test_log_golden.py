"""The bytes of one small segment, kept as text: a change of the format is noticed here, and logs of today stay readable.

To write it anew after an intended change (which needs a new format version): EVENTDB_WRITE_GOLDEN=1 pytest tests/log/test_log_golden.py
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import pytest

from eventdb.model.datatype import BIGINT, INTEGER, NULL, NUMERIC, TEXT, DataType, Kind
from eventdb.model.event import Event, RowsDeleted, RowsInserted, RowsUpdated, SequenceAdvanced, TableCreated
from eventdb.model.schema import Column, Table, Unique
from eventdb.model.transaction import Provenance
from eventdb.storage.codec import decode_body, encode_body
from eventdb.storage.log import directory
from eventdb.storage.log.base import Proposal
from eventdb.storage.log.directory import DirectoryLog

GOLDEN = Path(__file__).parent / "golden" / "segment.txt"
NAME = "00000000000000000001.cbor"
TABLE = Table(
    1, "public", "t", 2,
    (Column(1, "id", INTEGER, 1, False), Column(2, "name", DataType(Kind.VARCHAR, length=9), 2)),
    (1,), (Unique("t_pkey", (1,), True),), 3, 3, 3,
)  # fmt: skip
BODIES: list[list[Event]] = [
    [TableCreated(TABLE)],
    [RowsInserted(1, (INTEGER, TEXT), [(1, "one"), (2, None)])],
    [RowsInserted(1, (INTEGER, TEXT, NULL), [(n * 100, f"row {n % 2}", None) for n in range(80)]), SequenceAdvanced(3, 80)],
    [RowsUpdated(1, (INTEGER,), [1], (2,), (TEXT,), [("uno",)]), RowsDeleted(1, (BIGINT, NUMERIC), [])],
    [RowsInserted(1, (INTEGER, TEXT), [(n * 100, f"row {n}") for n in range(80)])],
    [SequenceAdvanced(3, None)],
]


def write(path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    monkeypatch.setattr(os, "urandom", lambda size: bytes(range(size)))
    # Stored blocks: what a compressor makes of data differs between versions of it.
    monkeypatch.setattr(directory, "compress", lambda body: zlib.compress(body, 0) if len(body) > 512 else None)
    log = DirectoryLog(path, segment_size=1500)
    for number, body in enumerate(BODIES, 1):
        who = Provenance("ann", "a test", "c-1", {"k": [1, None]}) if number == 2 else Provenance()
        proposal = Proposal(number.to_bytes(16, "big"), encode_body(body), 1_700_000_000_000_000, who)
        log.append([proposal], number - 1, "os" if number == 3 else "full")
    log.close()
    return (path / NAME).read_bytes()


def test_the_bytes_of_a_segment_are_those_of_the_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every byte: segment header, records (one compressed), schema objects, blocks of rows, end mark."""
    data = write(tmp_path, monkeypatch)
    text = "\n".join(data[n : n + 32].hex() for n in range(0, len(data), 32)) + "\n"
    if os.environ.get("EVENTDB_WRITE_GOLDEN"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def test_a_segment_of_the_first_format_still_opens(tmp_path: Path) -> None:
    """The kept bytes read as what was written then."""
    (tmp_path / NAME).write_bytes(bytes.fromhex(GOLDEN.read_text()))
    log = DirectoryLog(tmp_path, read_only=True)
    assert log.torn is None
    records = list(log.read())
    assert [decode_body(r.body) for r in records] == BODIES[: len(records)]
    assert len(records) == 5
    assert records[1].header.provenance == Provenance("ann", "a test", "c-1", {"k": [1, None]})
    assert [r.header.time for r in records[:3]] == [1_700_000_000_000_000 + n for n in range(3)]
