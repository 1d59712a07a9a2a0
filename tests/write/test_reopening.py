"""What definition and writes leave is the same after the log has been read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import eventdb

SCRIPT = [
    "CREATE SCHEMA s",
    "CREATE TABLE s.p (a INT, b TEXT, PRIMARY KEY (a, b))",
    "CREATE TABLE t (id INT GENERATED ALWAYS AS IDENTITY, a INT DEFAULT 3 CHECK (a > 0), b TEXT, n NUMERIC(8, 2) DEFAULT 1.5,"
    " d TIMESTAMP WITH TIME ZONE DEFAULT now(), g INT GENERATED ALWAYS AS (a * 2) STORED, UNIQUE NULLS NOT DISTINCT (b),"
    " FOREIGN KEY (a, b) REFERENCES s.p MATCH FULL ON DELETE CASCADE ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED)",
    "CREATE UNIQUE INDEX ti ON t ((a % 100) DESC NULLS LAST) INCLUDE (b) WHERE a > 10",
    "INSERT INTO s.p VALUES (11, 'x'), (12, 'y')",
    "INSERT INTO t (a, b) VALUES (11, 'x'), (12, 'y')",
    "ALTER TABLE t ADD COLUMN later INTERVAL DEFAULT INTERVAL '1 month 2 days' NOT NULL, ADD COLUMN u UUID",
    "ALTER TABLE t ADD COLUMN js JSON DEFAULT '{}'",
    "ALTER TABLE t ALTER COLUMN n TYPE TEXT",
    "UPDATE s.p SET a = 13 WHERE a = 12 AND b = 'y'",
    "ALTER TABLE t DROP COLUMN d, RENAME TO tt",
    "ALTER TABLE tt RENAME TO tt2",
    "CREATE VIEW v AS SELECT a, b FROM t WHERE a > 3",
    "CREATE SEQUENCE q START 5 INCREMENT -1 MINVALUE -10 MAXVALUE 10 CYCLE",
    "COMMENT ON COLUMN t.a IS 'a comment'",
    "ALTER TABLE t DROP COLUMN d",
    "ALTER TABLE t RENAME CONSTRAINT t_a_check TO positive",
    "DELETE FROM s.p WHERE a = 11 AND b = 'x'",
]


def catalog_of(connection: Any) -> Any:
    state = connection.session.database.refresh()
    catalog = state.catalog
    return catalog.schemas, catalog.tables, catalog.views, catalog.indexes, catalog.sequences


@pytest.mark.parametrize("snapshot", [False, True])
def test_reopening_gives_the_same_catalog_and_rows(tmp_path: Path, rows: Any, snapshot: bool) -> None:
    """Each object and each row, from the log alone and from a snapshot."""
    path = tmp_path / "x.eventdb"
    connection = eventdb.connect(str(path), autocommit=True)
    cursor = connection.cursor()
    failures = 0
    for statement in SCRIPT:
        try:
            cursor.execute(statement)
        except eventdb.ProgrammingError:
            failures += 1
    assert failures == 2
    if snapshot:
        cursor.execute("CHECKPOINT")
    before = catalog_of(connection), rows(connection, "t"), rows(connection, "p")
    assert [row[:3] for row in before[1]] == [(2, 13, "y")]
    connection.close()
    if not snapshot and (path / "snapshots").exists():
        for file in (path / "snapshots").iterdir():
            file.unlink()
    again = eventdb.connect(str(path), autocommit=True)
    assert (catalog_of(again), rows(again, "t"), rows(again, "p")) == before
    with pytest.raises(eventdb.IntegrityError, match="positive"):
        again.cursor().execute("INSERT INTO t (a) VALUES (-1)")
    again.close()
