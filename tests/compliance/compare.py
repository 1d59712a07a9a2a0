"""SQLAlchemy's test suite for eventdb and for SQLite's dialect, side by side, in memory and on a file:

    python tests/compliance/compare.py

SQLite gets exactly the requirements that SQLAlchemy itself grants it: the class of SQLAlchemy's own tests, which is in the source
distribution of the installed version and is fetched with pip. Prints the table of docs/sqlalchemy.md.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import sqlalchemy

ROOT = Path(__file__).parents[2]
_OUTCOMES = ("passed", "skipped", "failed", "errors")
_SUITE = "from sqlalchemy.testing.suite import *\n"
_CONFTEST = """import pytest
pytest.register_assert_rewrite("sqlalchemy.testing.assertions")
from sqlalchemy.testing.plugin.pytestplugin import *
"""
_SETTINGS = """[tool:pytest]
addopts = -p no:cacheprovider -W ignore
[sqla_testing]
requirement_cls = test.requirements:DefaultRequirements
profile_file = profiles.txt
[db]
default = sqlite:///:memory:
"""


def outcome(folder: Path, tests: str, *arguments: str) -> dict[str, int]:
    """How many tests passed, were skipped, failed, with the folder's setup.cfg."""
    command = [sys.executable, "-m", "pytest", "-q", "-c", "setup.cfg", tests, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr
    print(f"{folder.name} {' '.join(arguments)}: {last}", file=sys.stderr)
    counts = {name: int(number) for number, name in re.findall(r"(\d+) (passed|skipped|failed|error)", last)}
    return {"errors": counts.pop("error", 0), **{name: counts.get(name, 0) for name in _OUTCOMES[:-1]}}


def sqlite_folder(work: Path) -> Path:
    """A folder in which the suite runs for SQLite with SQLAlchemy's own requirements."""
    version = sqlalchemy.__version__
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:"]
    subprocess.run([*pip, "-d", str(work), f"sqlalchemy=={version}"], check=True)
    folder = work / "sqlite"
    (folder / "test").mkdir(parents=True)
    with tarfile.open(work / f"sqlalchemy-{version}.tar.gz") as archive:
        member = archive.extractfile(f"sqlalchemy-{version}/test/requirements.py")
        assert member is not None
        (folder / "test" / "requirements.py").write_bytes(member.read())
    files = {"test/__init__.py": "", "conftest.py": _CONFTEST, "test_suite.py": _SUITE, "setup.cfg": _SETTINGS}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        sqlite = sqlite_folder(work)
        runs = {
            "eventdb, in memory": outcome(ROOT, "tests/compliance"),
            "eventdb, on a file": outcome(ROOT, "tests/compliance", "--dburi", f"eventdb:///{work / 'suite.eventdb'}?durability=none"),
            "SQLite, in memory": outcome(sqlite, "."),
            "SQLite, on a file": outcome(sqlite, ".", "--dburi", "sqlite:///suite.db"),
        }
    print(f"| SQLAlchemy {sqlalchemy.__version__} | {' | '.join(_OUTCOMES)} |\n|---|{'---|' * len(_OUTCOMES)}")
    for title, counts in runs.items():
        print(f"| {title} | {' | '.join(f'{counts[name]:,}' for name in _OUTCOMES)} |")


if __name__ == "__main__":
    main()
