"""What a fresh process measures about itself: `python -m benchmarks.fresh WHAT ENGINE PATH` prints one number.

import    milliseconds that importing the driver takes
open      milliseconds for connect and a first SELECT by key, after the import
read      peak resident MB after opening, one GROUP BY and a pass over all rows in batches of 1,000
load      peak resident MB after inserting PATH's number of rows from a generator in one transaction
"""

from __future__ import annotations

import importlib
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

MODULES = {"eventdb": "eventdb", "sqlite": "sqlite3", "sqlite_history": "sqlite3", "duckdb": "duckdb"}


def ask(what: str, engine: str, path: Path, rows: int = 0) -> float:
    """Run this module in a fresh process and return the number that it prints."""
    command = [sys.executable, "-m", "benchmarks.fresh", what, engine, str(path), str(rows)]
    # Installed packages are compiled when they are installed; a source tree is by its first import, unless this stands in the way.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent.parent, env=environment)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")
    return float(done.stdout)


def _peak_mb() -> float:
    """On Linux from VmHWM: unlike ru_maxrss it does not begin with the size of the process that forked this one."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


def main(what: str, name: str, path: Path, rows: int) -> float:
    started = time.perf_counter()
    assert callable(importlib.import_module(MODULES[name]).connect)
    imported = time.perf_counter()
    if what == "import":
        return (imported - started) * 1000
    from benchmarks.engines import ENGINES

    engine = next(kind for kind in ENGINES if kind.name == name)(path)
    if what == "open":
        started = time.perf_counter()
        engine.open()
        found = engine.execute("SELECT * FROM accounts WHERE id = ?", (7,)).fetchall()
        elapsed = time.perf_counter() - started
        assert len(found) == 1, found
        return elapsed * 1000
    if what == "load":
        from benchmarks.rows import accounts

        engine.create()
        engine.begin()
        engine.insert_accounts(accounts(rows))
        engine.commit()
        engine.close()
        engine.remove()
        return _peak_mb()
    engine.open()
    engine.execute("SELECT region, count(*), sum(balance) FROM accounts GROUP BY region").fetchall()
    cursor = engine.connection.cursor().execute("SELECT * FROM accounts")
    while cursor.fetchmany(1000):
        pass
    return _peak_mb()


if __name__ == "__main__":
    print(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])))
