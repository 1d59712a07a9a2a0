"""Digests, proofs and signatures: made by the database, checked by eventdb without a database and by a script without eventdb."""

from __future__ import annotations

import copy
import datetime
import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import eventdb
from eventdb.engine.digests import InvalidProof
from eventdb.storage.log import chain
from eventdb.storage.log.base import Proposal

SCRIPT = Path(__file__).parents[2] / "examples" / "check_proof.py"


def filled(path: Path | str, count: int = 7, **options: Any) -> eventdb.Connection:
    connection = eventdb.connect(path, autocommit=True, actor="ann", metadata={"ticket": 7}, **options)
    connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY)")
    for n in range(count - 1):
        connection.execute("INSERT INTO t VALUES (?)", (n,))
    return connection


def check(monkeypatch: pytest.MonkeyPatch, folder: Path, proof: Any, *digests: Any) -> bool:
    """What the script says, run in this process."""
    names = []
    for number, value in enumerate((proof, *digests)):
        (folder / f"{number}.json").write_text(json.dumps(value))
        names.append(str(folder / f"{number}.json"))
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *names])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPT))
    return not ended.value.code


def test_a_digest_is_small_and_says_what(tmp_path: Path) -> None:
    connection = filled(tmp_path / "db")
    digest = connection.digest()
    assert json.loads(json.dumps(digest)) == digest
    assert len(json.dumps(digest)) < 350
    assert list(digest) == ["format", "log_id", "transaction", "time", "hash", "root"]
    assert (digest["format"], digest["transaction"]) == ("eventdb digest 1", 7)
    moment = connection.execute("SELECT committed_at FROM eventdb.transactions WHERE number = 7").fetchone()[0]
    assert datetime.datetime.fromisoformat(digest["time"]) == moment
    assert digest["hash"] == connection.database.log.head_hash.hex()
    assert connection.digest(7) == digest
    earlier = connection.digest(3)
    assert connection.digest(0)["time"] is None
    connection.execute("INSERT INTO t VALUES (100)")
    assert connection.digest(3) == earlier
    report = connection.verify(digest=[earlier, digest, connection.digest(0)]).raise_for_problems()
    assert report.digests == 3
    connection.close()
    connection = eventdb.connect(tmp_path / "db")
    assert connection.digest(7) == digest
    for wrong in (9, -1, True, "7"):
        with pytest.raises(eventdb.DataError, match="there is no transaction"):
            connection.digest(wrong)  # type: ignore[arg-type]
    connection.close()


def test_another_log(tmp_path: Path) -> None:
    one, other = filled(tmp_path / "one"), filled(":memory:")
    report = one.verify(digest=other.digest())
    assert [p.kind for p in report.problems] == ["digest"]
    assert "this is log" in report.problems[0].message
    with pytest.raises(eventdb.InternalError, match="this is log"):
        one.proof(1, other.digest())
    one.close()
    other.close()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 13])
def test_proofs_are_checked_without_a_database(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each transaction, and from each earlier digest; by the script too."""
    connection = filled(":memory:", size)
    digests = [connection.digest(number) for number in range(1, size + 1)]
    last = digests[-1]
    for number in range(1, size + 1):
        proof = connection.proof(number, body=number % 2 == 0)
        eventdb.check_proof(proof, last)
        assert check(monkeypatch, tmp_path, proof, last)
        continued = connection.consistency_proof(digests[number - 1])
        eventdb.check_proof(continued, digests[number - 1], last)
        assert check(monkeypatch, tmp_path, continued, digests[number - 1], last)
        eventdb.check_proof(connection.proof(1, digests[number - 1]), digests[number - 1])
    connection.close()


def forged(proof: dict[str, Any]) -> list[dict[str, Any]]:
    """Proofs that differ in one place each."""
    made = []

    def change(*path: Any, to: Any) -> None:
        other = copy.deepcopy(proof)
        at: Any = other
        for step in path[:-1]:
            at = at[step]
        at[path[-1]] = to
        made.append(other)

    for place in range(len(proof["path"])):
        change("path", place, to="00" * 32)
    change("path", to=proof["path"][1:])
    change("path", to=[*proof["path"], "00" * 32])
    if "header" in proof:
        data = bytearray.fromhex(proof["header"])
        data[-1] ^= 1
        change("header", to=data.hex())
        change("body", to="80")
        change("transaction", to=proof["transaction"] + 1)
        change("transaction", to=0)
        change("digest", "root", to="00" * 32)
    else:
        change("older", "transaction", to=proof["older"]["transaction"] + 1)
        change("older", "root", to="00" * 32)
        change("newer", "root", to="00" * 32)
        change("newer", "log_id", to="00" * 16)
    return made


def test_a_forged_proof_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = filled(":memory:", 11)
    older, newer = connection.digest(6), connection.digest()
    for proof, kept in ((connection.proof(4, body=True), [newer]), (connection.consistency_proof(older), [older, newer])):
        for wrong in forged(proof):
            with pytest.raises((InvalidProof, eventdb.InternalError)):
                eventdb.check_proof(wrong, *kept)
            assert not check(monkeypatch, tmp_path, wrong, *kept), wrong
            # a forger may change the digest inside too, but not the one that was kept
        with pytest.raises(InvalidProof, match="not about the digest"):
            eventdb.check_proof(proof, connection.digest(2))
        with pytest.raises(eventdb.DataError, match="kept elsewhere"):
            eventdb.check_proof(proof)
    for nonsense in (None, {}, {"format": "eventdb inclusion proof 1"}, {**connection.proof(1), "path": 7}):
        with pytest.raises(eventdb.DataError):
            eventdb.check_proof(nonsense, newer)  # type: ignore[arg-type]
    wrong_digests = [{**newer, name: value} for name, value in (("hash", "xy"), ("time", None), ("time", "soon"), ("transaction", "1"))]
    for nonsense in (None, 7, {}, *wrong_digests):
        with pytest.raises(eventdb.DataError, match="digest"):
            connection.verify(digest=[nonsense])
    connection.close()


def test_the_script_is_short_and_stands_alone(tmp_path: Path) -> None:
    """At most 60 lines, nothing but the standard library; run as a program."""
    text = SCRIPT.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 60
    assert "eventdb." not in text
    connection = filled(":memory:")
    (tmp_path / "proof.json").write_text(json.dumps(connection.proof(2, body=True)))
    (tmp_path / "digest.json").write_text(json.dumps(connection.digest()))
    connection.close()
    command = [sys.executable, "-I", str(SCRIPT), str(tmp_path / "proof.json")]
    done = subprocess.run([*command, str(tmp_path / "digest.json")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "the proof holds\n", "")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "the proof does NOT hold\n", "")


@pytest.mark.parametrize("memory", [False, True])
def test_digests_outlive_the_transactions_that_were_given_up(memory: bool, tmp_path: Path) -> None:
    """Retention removes segments, the tree goes on: later digests are the same, proofs of what is left hold."""
    connection = filled(":memory:", 0) if memory else filled(tmp_path / "db", 0)
    if not memory:
        connection.database.log.segment_size = 1
    for n in range(100, 120):
        connection.execute("INSERT INTO t VALUES (?)", (n,))
    digests = {number: connection.digest(number) for number in range(22)}
    proofs = {number: connection.proof(number) for number in range(1, 22)}
    connection.checkpoint()
    for before in (6, 14):
        connection.database.log.truncate(before)
        assert connection.database.log.first == before
        connection.database._merkle_tree = None  # as another process would find it
        for number in range(before - 1, 22):
            assert connection.digest(number) == digests[number]
            if number >= before:
                assert connection.proof(number) == proofs[number]
        if not memory:
            connection.verify(digest=[digests[before - 1], digests[before], digests[21]]).raise_for_problems()
        found = connection.verify(digest=digests[2]) if not memory else None
        if found is not None:
            assert [str(p) for p in found.problems] == [
                f"digest: the log begins at transaction {before}: the digest of 2 cannot be held against it"
            ]
        with pytest.raises(eventdb.OperationalError, match="no longer"):
            connection.proof(before - 1)
        with pytest.raises(eventdb.OperationalError, match="no longer known"):
            connection.digest(before - 2)
    connection.close()


def test_signatures(tmp_path: Path) -> None:
    """Ed25519 with keys as files, as bytes, and raw; another key, another digest, no signature are refused."""
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    def pem(key: Any, password: bytes | None = None) -> bytes:
        locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        data: bytes = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
        return data

    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "key.pem").write_bytes(pem(key))
    (tmp_path / "public.pem").write_bytes(public)
    connection = filled(":memory:")
    digest = connection.digest()
    signed = eventdb.sign_digest(digest, tmp_path / "key.pem")
    assert {name: value for name, value in signed.items() if name != "signature"} == digest
    assert eventdb.sign_digest(signed, pem(key)) == signed == eventdb.sign_digest(digest, key.private_bytes_raw())
    assert eventdb.sign_digest(digest, pem(key, b"secret"), b"secret") == signed
    for trusted in (str(tmp_path / "public.pem"), public, key.public_key().public_bytes_raw()):
        eventdb.verify_signature(json.loads(json.dumps(signed)), trusted)
    connection.verify(digest=signed).raise_for_problems()
    eventdb.check_proof(connection.proof(1, signed), signed)
    connection.close()
    for wrong in (digest, {**signed, "transaction": 6}, {**signed, "signature": {"algorithm": "Ed25519", "value": "00"}},
                  {**signed, "signature": {"algorithm": "RSA", "value": signed["signature"]["value"]}}):  # fmt: skip
        with pytest.raises(InvalidProof):
            eventdb.verify_signature(wrong, public)
    with pytest.raises(InvalidProof, match="not one made with this key"):
        eventdb.verify_signature(signed, other.public_key().public_bytes_raw())
    for bad in (b"nonsense", public, pem(X25519PrivateKey.generate()), pem(key, b"secret")):
        with pytest.raises(eventdb.DataError, match="key"):
            eventdb.sign_digest(digest, bad)
    with pytest.raises(eventdb.OperationalError, match=r"cannot read the key file .*nowhere"):
        eventdb.sign_digest(digest, tmp_path / "nowhere")


def test_a_glance_at_a_header_is_never_wrong() -> None:
    """It says yes to a header of that number after that hash, and to nothing that is changed in what it looks at."""
    for number in (1, 23, 24, 255, 256, 65535, 65536, 2**32, 2**40):
        for time in (10**15, 2**33):
            previous = bytes(range(32))
            header = chain.header_for(Proposal(bytes(16), b"", time), bytes(32), number, 0, previous)
            data = chain.encode_header(header)
            assert chain.continues(data, number, previous)
            assert not chain.continues(data, number + 1, previous)
            assert not chain.continues(data, number, bytes(32))
            begin = data.index(b"\x1b" + time.to_bytes(8, "big")) + 1
            free = {*range(begin, begin + 8), *range(begin + 9, begin + 25)}  # the time and the txid may be any
            for at in range(data.index(previous) + 32):
                changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
                assert chain.continues(changed, number, previous) == (at in free)


def test_the_tree_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """A digest reads the headers that came since the last one, and no others."""
    connection = filled(":memory:", 9)
    log = connection.database.log
    asked: list[int] = []
    headers = log.headers

    def counted(after: int = 0, until: int | None = None) -> Any:
        asked.append((log.head if until is None else until) - after)
        return headers(after, until)

    monkeypatch.setattr(log, "headers", counted)
    connection.digest()
    connection.execute("INSERT INTO t VALUES (100)")
    connection.execute("INSERT INTO t VALUES (101)")
    connection.digest()
    connection.digest(5)
    assert asked == [9, 2, 0, 1]  # the last is the header of transaction 5 itself
    connection.close()
