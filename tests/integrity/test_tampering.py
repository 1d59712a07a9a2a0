"""Every way to tamper with a log is found: at open, by `verify`, or by `verify` with a digest kept elsewhere.

What was done                                           found by
------------------------------------------------------  -----------------------------------------------------------------
a bit of any byte flipped, in what opening reads        open: refused, with segment, offset and transaction …
    … in the last append                                digest: opening takes it for what a crash left, cuts it off and says so
    … in what a snapshot stands for                     verify (opening does not read it again)
a transaction removed, or two swapped                   open (two of one length, where a snapshot stands for them: verify)
    … removed at the end                                digest (verify, where a snapshot knows of it)
a transaction rewritten, its checksum right             open (with one of its length, where a snapshot stands for it: verify)
    … the last one                                      digest (verify, where a snapshot knows of it)
anything rewritten and all that follows chained anew    digest (verify, where a snapshot knows the old hash)
another log in its place                                digest

Without a digest nobody can tell a history that was made up whole from one that happened.
"""

from __future__ import annotations

import os
import shutil
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import eventdb
from eventdb.storage.files import ReadFile
from eventdb.storage.log import chain
from eventdb.storage.log.base import Proposal
from eventdb.storage.log.compression import decompress
from eventdb.storage.log.segment import COMPRESSED, FULL, HEADER_SIZE, Raw, SegmentHeader, encode_record, items, name_of, read_header

SEGMENT = name_of(1)


class Case:
    """A database of five transactions, its digest, and its log taken apart."""

    def __init__(self, path: Path, snapshot: bool) -> None:
        self.path = path
        self.snapshot = snapshot
        connection = eventdb.connect(path, autocommit=True, actor="ann")
        connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, v TEXT)")
        for n in range(4):
            connection.execute("INSERT INTO t VALUES (?, ?)", (n, f"value {n}"))
        self.digest = connection.digest()
        connection.close()
        if not snapshot:
            shutil.rmtree(path / "snapshots")
        self.file = path / "log" / SEGMENT
        self.data = self.file.read_bytes()
        self.log_id = read_header(self.data[:HEADER_SIZE], SEGMENT).log_id
        self.records = list(self._records())
        self.cuts = [raw.offset for raw in self.records] + [len(self.data)]

    def _records(self) -> Iterator[Raw]:
        file = ReadFile(str(self.file))
        for item in items(file, HEADER_SIZE, file.size(), zlib.crc32(self.log_id)):
            assert isinstance(item, Raw)
            yield item
        file.close()

    def part(self, place: int) -> bytes:
        """The bytes of one record, the first being 0."""
        return self.data[self.cuts[place] : self.cuts[place + 1]]

    def found(self, data: bytes) -> str:
        """Who finds out that the log now holds these bytes: "open", "verify", "digest" or nobody."""
        self.file.write_bytes(data)
        try:
            connection = eventdb.connect(self.path, read_only=True)
        except eventdb.Error as error:
            assert error.sqlstate  # noqa: PT017
            return "open"
        try:
            kinds = {problem.kind for problem in connection.verify(digest=self.digest).problems}
            return "verify" if kinds - {"digest"} else "digest" if kinds else "nobody"
        finally:
            connection.close()
            self.file.write_bytes(self.data)

    def forged(self, bodies: list[bytes], rechained: bool = True, log_id: bytes | None = None) -> bytes:
        """A segment with these bodies, all checksums right; `rechained`: with all hashes made anew, else with the old links."""
        log_id = log_id or self.log_id
        seed = zlib.crc32(log_id)
        parts = [self.data[:HEADER_SIZE] if log_id == self.log_id else _segment_header(log_id)]
        previous, last = chain.genesis(log_id), 0
        for number, body in enumerate(bodies, 1):
            old = chain.decode_header(self.records[min(number, len(self.records)) - 1].header)
            link = previous if rechained else old.previous
            made = chain.header_for(Proposal(old.txid, body, old.time, old.provenance), chain.body_hash(body), number, last, link)
            header = chain.encode_header(made)
            parts += encode_record(seed, FULL, number - 1, header, body)
            previous, last = chain.header_hash(header), made.time
        return b"".join(parts)

    @property
    def bodies(self) -> list[bytes]:
        return [decompress(raw.body) if raw.flags & COMPRESSED else raw.body for raw in self.records]


def _segment_header(log_id: bytes) -> bytes:
    return SegmentHeader(log_id, 1, chain.genesis(log_id), 0).encode()


BOTH = pytest.mark.parametrize("case", [False, True], ids=["log alone", "with a snapshot"], indirect=True)


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    made = Case(tmp_path / "db", request.param)
    assert made.found(made.data) == "nobody"
    return made


@pytest.mark.parametrize(
    ("case", "begin"),
    [(False, 0), (True, 0), *(pytest.param(True, n, marks=pytest.mark.slow) for n in (1, 2, 3))],
    indirect=["case"],
)
def test_each_byte_flipped(begin: int, case: Case) -> None:
    """One bit of each byte, another one each time (with a snapshot of every fourth byte here, of the others in the slow suite)."""
    found: dict[str, Counter[str]] = {"header": Counter(), "before": Counter(), "last": Counter()}
    for at in range(begin, len(case.data), 4 if case.snapshot else 1):
        data = bytearray(case.data)
        data[at] ^= 1 << at % 8
        place = "header" if at < HEADER_SIZE else "before" if at < case.cuts[-2] else "last"
        found[place][case.found(bytes(data))] += 1
    assert all("nobody" not in counts for counts in found.values())
    if not case.snapshot:
        assert set(found["header"]) == {"open"}
        assert set(found["before"]) == {"open"}
        assert set(found["last"]) == {"digest"}
    else:
        assert set(found["header"]) == {"open"}
        assert set(found["before"]) == {"verify"}
        assert set(found["last"]) <= {"open", "verify"}


@BOTH
def test_each_transaction_removed(case: Case) -> None:
    for place in range(5):
        by = case.found(case.data[: case.cuts[place]] + case.data[case.cuts[place + 1] :])
        assert by == ("open" if place < 4 else "verify" if case.snapshot else "digest"), place


@BOTH
def test_each_two_transactions_swapped(case: Case) -> None:
    for one in range(5):
        for other in range(one + 1, 5):
            order = list(range(5))
            order[one], order[other] = other, one
            by = case.found(case.data[:HEADER_SIZE] + b"".join(map(case.part, order)))
            assert by in ("open", "verify"), (one, other)


@BOTH
def test_each_transaction_rewritten_with_the_old_links(case: Case) -> None:
    """Checksum, header and body of one are made to fit each other; what follows still names the old hash."""
    for place in range(5):
        bodies = case.bodies
        bodies[place] = bodies[place].replace(b"value", b"VALUE") if place else bodies[1]
        by = case.found(case.data[: case.cuts[place]] + case.forged(bodies, rechained=False)[case.cuts[place] :])
        if place == 4:
            assert by == ("verify" if case.snapshot else "digest")
        else:
            # of another length it moves what the snapshot knows the place of, and opening looks at everything
            assert by == ("verify" if case.snapshot and place else "open"), place


def rewrites(bodies: list[bytes]) -> Iterator[list[bytes]]:
    """Histories that somebody could make up: a value changed, a transaction left out, two swapped, one added."""
    for place in range(1, 5):
        yield [body.replace(b"value", b"VALUE") if at == place else body for at, body in enumerate(bodies)]
        yield bodies[:place] + bodies[place + 1 :]
        if place < 4:
            yield [*bodies[:place], bodies[place + 1], bodies[place], *bodies[place + 2 :]]
    yield bodies[:2]


@BOTH
def test_history_made_up_anew(case: Case) -> None:
    """With all hashes recomputed only a digest tells, or a snapshot that was forgotten."""
    assert case.found(case.forged(case.bodies)) == "nobody"  # the forger's tools give the very same chain
    for bodies in rewrites(case.bodies):
        assert case.found(case.forged(bodies)) == ("verify" if case.snapshot else "digest")


def test_a_digest_of_any_moment_finds_what_was_changed_before_it(tmp_path: Path) -> None:
    """A digest of transaction n finds a rewrite of a transaction up to n, and says nothing of later ones."""
    case = Case(tmp_path / "db", False)
    connection = eventdb.connect(case.path, read_only=True)
    digests = [connection.digest(number) for number in range(1, 6)]
    connection.close()
    for place in range(1, 5):
        bodies = case.bodies
        bodies[place] = bodies[place].replace(b"value", b"VALUE")
        case.file.write_bytes(case.forged(bodies))
        connection = eventdb.connect(case.path, read_only=True)
        fits = [connection.verify(digest=digest).ok for digest in digests]
        assert fits == [True] * place + [False] * (5 - place)
        connection.close()




@BOTH
def test_another_log_in_its_place(case: Case) -> None:
    by = case.found(case.forged(case.bodies, log_id=os.urandom(16)))
    assert by == ("verify" if case.snapshot else "digest")
