"""Digests and proofs of a database from which values were erased: the chain is what it was, only bodies are gone."""

from __future__ import annotations

from pathlib import Path

import pytest

import eventdb
from eventdb.errors import ObjectNotInPrerequisiteState


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
