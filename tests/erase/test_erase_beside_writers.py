"""ERASE while another process appends: what it looked through and what it rewrites are one state, or it looks again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import eventdb
from eventdb.engine import erase

WRITER = """
import sys, eventdb
connection = eventdb.connect(sys.argv[1], autocommit=True)
connection.execute("INSERT INTO t (v) VALUES ('of another process')")
connection.close()
"""


def test_a_transaction_that_comes_while_the_rows_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "db"
    connection = eventdb.connect(path, autocommit=True, allow_erase=True)
    connection.execute("CREATE TABLE t (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v TEXT)")
    connection.execute("INSERT INTO t (v) VALUES ('a'), ('b'), ('a')")
    follow, came = erase._Erasure.follow_references, []

    def disturbed(work: Any) -> None:
        follow(work)
        if not came:
            came.append(subprocess.run([sys.executable, "-c", WRITER, str(path)], check=True))
            assert connection.head == 3  # whoever asks learns of it

    monkeypatch.setattr(erase._Erasure, "follow_references", disturbed)
    assert connection.execute("ERASE FROM t WHERE v = 'a'").rowcount == 2
    assert [row[0] for row in connection.execute("SELECT v FROM t ORDER BY id")] == ["b", "of another process"]
    connection.verify().raise_for_problems()
    connection.close()
