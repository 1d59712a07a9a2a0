"""Digests and proofs of a database from which values were erased: the chain is what it was, only bodies are gone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

import eventdb
from eventdb.engine import copies
from eventdb.errors import ObjectNotInPrerequisiteState
from eventdb.storage.files import Files


@pytest.mark.parametrize("memory", [False, True])
def test_proofs_of_what_was_erased(memory: bool, tmp_path: Path) -> None:
    """That the transaction was there can be proved as before, against digests of before too; what it said cannot."""
    connection = eventdb.connect(":memory:" if memory else tmp_path / "db", autocommit=True, allow_erase=True)
    connection.execute("CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT)")
    connection.execute("INSERT INTO person VALUES (1, 'Ada'), (2, 'Bob')")
    connection.execute("UPDATE person SET name = 'Rob' WHERE id = 2")
    before, old = connection.digest(), connection.proof(2, body=True)
    connection.execute("ERASE FROM person WHERE id = 1")
    connection.execute("INSERT INTO person VALUES (3, 'Eve')")
    report = connection.verify(digest=[before, connection.digest()]).raise_for_problems()
    assert report.redactions == [2]
    assert connection.digest(3) == before
    assert connection.proof(2, before) == {name: value for name, value in old.items() if name != "body"}
    eventdb.check_proof(old, before)
    eventdb.check_proof(connection.proof(3, body=True), connection.digest())
    eventdb.check_proof(connection.consistency_proof(before), before, connection.digest())
    with pytest.raises(ObjectNotInPrerequisiteState, match="transaction 4 took values out of transaction 2"):
        connection.proof(2, body=True)
    connection.close()


def filled(path: Path, count: int) -> eventdb.Connection:
    connection = eventdb.connect(path, autocommit=True, allow_erase=True, durability="os")
    connection.database.log.segment_size = 2000
    connection.execute("CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT)")
    for n in range(1, count):
        connection.execute("INSERT INTO person VALUES (?, ?)", (n, f"name {n}"))
    return connection


def test_values_erased_while_verify_reads_are_no_problem(tmp_path: Path) -> None:
    """Half of the log was read before, half after: it is read again."""
    connection = filled(tmp_path / "db", 300)
    reader = eventdb.connect(tmp_path / "db", read_only=True)
    erased = []

    def erase(what: str, done: int, total: int) -> None:
        if not erased:
            erased.append(what)
            connection.execute("ERASE FROM person WHERE id = 280")

    report = reader.verify(progress=erase).raise_for_problems()
    assert erased == ["log"]
    assert (report.transaction, report.redactions) == (301, [281])
    reader.close()
    connection.close()


class Disturbed(Files):
    """Files on which something happens when a segment has been copied."""

    def __init__(self, happens: Callable[[], object]) -> None:
        self.happens: Callable[[], object] | None = happens

    def write_atomically(self, path: str, chunks: Iterable[bytes]) -> None:
        super().write_atomically(path, chunks)
        if path.endswith(".cbor") and self.happens is not None:
            happens, self.happens = self.happens, None
            happens()


@pytest.mark.parametrize("what", ["backup", "restore"])
def test_values_erased_while_a_copy_is_made(what: str, tmp_path: Path) -> None:
    """The copy is made again, or goes on: in the end it has neither the values nor bodies without their receipts."""
    connection = filled(tmp_path / "db", 20)
    reader = eventdb.connect(tmp_path / "db", read_only=True)
    files = Disturbed(lambda: connection.execute("ERASE FROM person WHERE id = 7"))
    if what == "backup":
        assert copies.backup(reader.database, str(tmp_path / "copy"), files).transaction == 21
    else:
        assert copies.restore(tmp_path / "db", tmp_path / "copy", _files=files).transaction == 21
    assert files.happens is None
    copy = eventdb.connect(tmp_path / "copy", read_only=True)
    assert copy.verify(digest=connection.digest()).raise_for_problems().redactions == [8]
    for opened in (copy, reader, connection):
        opened.close()
    assert not any(b"name 7" in file.read_bytes() for file in (tmp_path / "copy").rglob("*") if file.is_file())


def test_a_backup_that_stopped_before_an_erasure_is_completed_after_it(tmp_path: Path) -> None:
    """What an interrupted run had copied is told from transactions of the backup's own by its headers."""
    connection = filled(tmp_path / "db", 5)
    connection.backup(tmp_path / "copy")
    connection.execute("INSERT INTO person VALUES (100, 'Ada')")
    kept = (tmp_path / "copy" / "backup.json").read_bytes()
    connection.backup(tmp_path / "copy")
    (tmp_path / "copy" / "backup.json").write_bytes(kept)  # as if the run had not come to its end
    connection.execute("ERASE FROM person WHERE id = 100")
    connection.execute("ERASE FROM person WHERE id = 2")
    assert connection.backup(tmp_path / "copy").transaction == connection.head
    copy = eventdb.connect(tmp_path / "copy", read_only=True)
    copy.verify(digest=connection.digest()).raise_for_problems()
    copy.close()
    connection.close()
