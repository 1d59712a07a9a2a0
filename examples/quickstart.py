"""The history of a folder: what changed, when, and how it was before. Needs nothing but eventdb itself.

    python examples/quickstart.py                     two folders of Python's own library, changed a little in between
    python examples/quickstart.py FOLDER DATABASE     scan FOLDER into DATABASE; run it again after changes

Each scan is one transaction. Files that did not change make no new version, so DATABASE/log grows with the changes only.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import eventdb

SCHEMA = """
CREATE TABLE IF NOT EXISTS file (path TEXT PRIMARY KEY, bytes BIGINT NOT NULL CHECK (bytes >= 0), sha256 BYTEA NOT NULL);
CREATE INDEX IF NOT EXISTS file_sha256 ON file (sha256);
"""


def files(folder: Path) -> Iterator[tuple[str, int, bytes]]:
    """(path inside the folder, size, SHA-256) of every regular file."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            content = path.read_bytes()
            yield path.relative_to(folder).as_posix(), len(content), hashlib.sha256(content).digest()


def scan(connection: eventdb.Connection, folder: Path, reason: str) -> None:
    """Bring the table in line with the folder, in one transaction that says why."""
    found = list(files(folder))
    present = {path for path, _, _ in found}
    with connection.transaction(actor="quickstart", reason=reason):
        gone = [(path,) for (path,) in connection.execute("SELECT path FROM file") if path not in present]
        connection.executemany("DELETE FROM file WHERE path = ?", gone)
        connection.executemany(
            "INSERT INTO file VALUES (?, ?, ?) ON CONFLICT (path) DO UPDATE SET bytes = excluded.bytes, sha256 = excluded.sha256"
            " WHERE file.sha256 <> excluded.sha256",
            found,
        )


def report(connection: eventdb.Connection) -> None:
    print("scans:")
    for number, time, reason in connection.execute(
        "SELECT number, committed_at, reason FROM eventdb.transactions WHERE actor = 'quickstart' ORDER BY number"
    ):
        count, size = connection.execute("SELECT count(*), sum(bytes) FROM file FOR SYSTEM_TIME AS OF TRANSACTION ?", (number,)).fetchone()
        print(f"  transaction {number}  {time:%H:%M:%S}  {count} files, {size:,} bytes  ({reason})")
    print("files with more than one version, or gone:")
    for path, versions, last in connection.execute(
        "SELECT path, count(*), max(row_end_tx) FILTER (WHERE row_end_tx IS NOT NULL) FROM file FOR SYSTEM_TIME ALL"
        " GROUP BY path HAVING count(*) > 1 OR count(row_end_tx) = count(*) ORDER BY path"
    ):
        print(f"  {path}: {versions} version(s), last superseded by transaction {last}")
    print("the same content under several names:")
    for names, size in connection.execute(
        "SELECT string_agg(path, ' = ' ORDER BY path), max(bytes) FROM file WHERE bytes > 0 GROUP BY sha256 HAVING count(*) > 1"
    ):
        print(f"  {names} ({size:,} bytes)")


def demonstration(work: Path) -> None:
    folder = work / "library"
    for package in ("json", "email"):
        shutil.copytree(Path(sysconfig.get_path("stdlib")) / package, folder / package)
    connection = eventdb.connect(str(work / "library.eventdb"), autocommit=True)
    connection.executescript(SCHEMA)
    scan(connection, folder, "as installed")
    (folder / "json" / "tool.py").unlink()
    (folder / "json" / "decoder.py").write_text("# rewritten\n", encoding="utf-8")
    shutil.copy(folder / "email" / "errors.py", folder / "json" / "errors.py")
    scan(connection, folder, "after an unfortunate clean-up")
    report(connection)
    connection.close()


def main() -> None:
    if len(sys.argv) == 3:
        connection = eventdb.connect(sys.argv[2], autocommit=True)
        connection.executescript(SCHEMA)
        scan(connection, Path(sys.argv[1]), f"scan of {sys.argv[1]}")
        report(connection)
        connection.close()
    elif len(sys.argv) == 1:
        with tempfile.TemporaryDirectory(prefix="eventdb-") as work:
            demonstration(Path(work))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
