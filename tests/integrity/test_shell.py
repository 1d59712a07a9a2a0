"""The commands: what they print, what they exit with, and that no error is a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import eventdb
from eventdb.shell import main

SRC = Path(eventdb.__file__).parents[1]


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a database of four transactions."""
    monkeypatch.chdir(tmp_path)
    connection = eventdb.connect("shop", autocommit=True, actor="ann")
    connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, v TEXT)")
    for n in range(3):
        connection.execute("INSERT INTO t VALUES (?, ?)", (n, f"value {n}"))
    connection.close()


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return code, said.out, said.err


def test_a_round(capsys: pytest.CaptureFixture[str]) -> None:
    """Every command once, on what the others made."""
    code, out, err = run(capsys, "verify", "shop")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1].startswith("no problems found in ")
    assert run(capsys, "digest", "shop", "-o", "digest.json") == (0, "", "")
    code, out, _ = run(capsys, "digest", "shop", "--transaction", "2")
    assert (code, json.loads(out)["transaction"]) == (0, 2)
    Path("older.json").write_text(out)
    code, out, _ = run(capsys, "verify", "shop", "--digest", "digest.json", "--digest", "older.json", "--json")
    assert (code, json.loads(out)["ok"], json.loads(out)["digests"]) == (0, True, 2)
    assert run(capsys, "proof", "shop", "3", "--body", "-o", "proof.json")[0] == 0
    eventdb.check_proof(json.loads(Path("proof.json").read_text()), json.loads(Path("digest.json").read_text()))
    code, out, _ = run(capsys, "proof", "shop", "--since", "older.json", "--digest", "digest.json")
    eventdb.check_proof(json.loads(out), json.loads(Path("older.json").read_text()), json.loads(Path("digest.json").read_text()))
    assert "up to transaction 4" in run(capsys, "backup", "shop", "backup")[1]
    assert "0 bytes copied" in run(capsys, "backup", "shop", "backup")[1]
    assert run(capsys, "verify", "backup", "--digest", "digest.json")[0] == 0
    assert run(capsys, "restore", "backup", "old", "--to", "2") == (0, f"{Path('old').absolute()}: up to transaction 2\n", "")
    assert run(capsys, "export", "shop", "all.export")[1].startswith(f"{Path('all.export').absolute()}: 4 transactions up to 4, ")
    assert run(capsys, "import", "all.export", "new") == (0, f"{Path('new').absolute()}: 4 transactions up to 4\n", "")
    assert run(capsys, "verify", "new", "--digest", "digest.json")[0] == 0
    code, out, _ = run(capsys, "dump", "shop")
    assert out.endswith("(1, 'value 1'),\n    (2, 'value 2');\n")
    assert run(capsys, "dump", "shop", "--as-of", "2", "-o", "old.sql") == (0, "", "")
    assert Path("old.sql").read_text().endswith("\n    (0, 'value 0');\n")


def test_problems_are_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    """Rewritten history, a cut tail, damaged bytes at open and behind it."""
    run(capsys, "digest", "shop", "-o", "digest.json")
    run(capsys, "restore", "shop", "cut", "--to", "3")
    code, out, err = run(capsys, "verify", "cut", "--digest", "digest.json")
    assert (code, err) == (1, "")
    assert "digest: the log ends at transaction 3, the digest is of transaction 4: what came after was cut off\n1 problems" in out
    code, out, _ = run(capsys, "verify", "cut", "--digest", "digest.json", "--json")
    assert (code, json.loads(out)["problems"][0]["kind"]) == (1, "digest")
    code, _, err = run(capsys, "proof", "cut", "1", "--digest", "digest.json")
    assert (code, err.count("\n")) == (1, 1)
    segment = next(Path("shop/log").glob("*.cbor"))
    data = bytearray(segment.read_bytes())
    data[120] ^= 1
    segment.write_bytes(data)
    code, out, _ = run(capsys, "verify", "shop")
    assert code == 1
    assert "log: the log is damaged" in out
    for snapshot in Path("shop/snapshots").glob("*.snapshot"):
        snapshot.unlink()
    code, out, err = run(capsys, "verify", "shop")
    assert (code, out) == (1, "")
    assert err.startswith("eventdb: the log is damaged")


FAILURES = [
    (["verify", "nowhere"], 3), (["digest", "nowhere"], 3), (["dump", "nowhere"], 3), (["backup", "nowhere", "x"], 3),
    (["verify", "."], 3), (["verify", ":memory:"], 3), (["verify", "a\0b"], 3),
    (["verify", "shop", "--digest", "nowhere"], 3), (["verify", "shop", "--digest", "text"], 3),
    (["verify", "shop", "--digest", "list"], 3),
    (["digest", "shop", "--transaction", "9"], 3), (["digest", "shop", "--sign", "nowhere"], 3), (["digest", "shop", "-o", "no/where"], 3),
    (["proof", "shop", "9"], 3), (["proof", "shop", "0"], 3), (["backup", "shop", "shop"], 3), (["backup", "shop", "text"], 3),
    (["restore", "shop", "shop"], 3), (["restore", "shop", "x", "--to", "soon"], 3), (["restore", "shop", "x", "--to", "99"], 3),
    (["restore", "shop", "x", "--to", "2999-01-01"], 3), (["restore", "nowhere", "x"], 3),
    (["import", "nowhere", "x"], 3), (["import", "text", "x"], 3), (["export", "shop", "no/where"], 3),
    (["dump", "shop", "--as-of", "soon"], 3), (["dump", "shop", "--as-of", "99"], 3),
    ([], 2), (["fly"], 2), (["verify"], 2), (["digest", "shop", "--transaction", "x"], 2), (["proof", "shop"], 2),
    (["proof", "shop", "1", "--since", "x"], 2), (["backup", "shop"], 2), (["import", "short", "x"], 3), (["export", "shop", "shop"], 3),
    (["verify", "shop", "--public-key", "text"], 2), (["proof", "shop", "--since", "list", "--body"], 2),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "expected"), FAILURES, ids=[" ".join(a).replace("\0", "0") or "none" for a, _ in FAILURES])
def test_what_cannot_be_done(arguments: list[str], expected: int, capsys: pytest.CaptureFixture[str]) -> None:
    """One line says why; nothing is made."""
    Path("text").write_text("no JSON, no database")
    Path("list").write_text("[]")
    Path("short").write_text("x")
    before = sorted(os.listdir())
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (expected, "")
    if expected == 3:
        assert err.startswith("eventdb: ")
        assert err.count("\n") == 1
    assert sorted(os.listdir()) == before


def test_signed_digests(capsys: pytest.CaptureFixture[str]) -> None:
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    for name in ("key", "other"):
        key = Ed25519PrivateKey.generate()
        Path(f"{name}.pem").write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        Path(f"{name}.pub").write_bytes(
            key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
    assert run(capsys, "digest", "shop", "--sign", "key.pem", "-o", "signed.json") == (0, "", "")
    assert run(capsys, "verify", "shop", "--digest", "signed.json", "--public-key", "key.pub")[0] == 0
    code, _, err = run(capsys, "verify", "shop", "--digest", "signed.json", "--public-key", "other.pub")
    assert (code, err) == (1, "eventdb: the signature of the digest of transaction 4 is not one made with this key\n")


def program(*arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "eventdb", *arguments]
    return subprocess.run(command, env={**os.environ, "PYTHONPATH": str(SRC)}, check=False, **options)


def test_as_a_program() -> None:
    done = program("verify", "shop", capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    done = program("--help", capture_output=True)
    assert done.returncode == 0
    assert b"exit codes: 0 done" in done.stdout
    done = program("--version", capture_output=True)
    assert (done.returncode, done.stdout.strip()) == (0, f"eventdb {eventdb.__version__}".encode())
    done = program("verify", "nowhere", capture_output=True)
    assert done.returncode == 3


def test_a_progress_bar_on_a_terminal() -> None:
    """Only there; it is wiped out at the end."""
    ours, theirs = pytest.importorskip("pty").openpty()
    done = program("verify", "shop", stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert done.returncode == 0
    assert "constraints  [" in shown
    assert shown.endswith("\r\x1b[K")
