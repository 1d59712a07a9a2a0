"""What the documentation says is so: every Python and SQL block in it runs, every file that it names exists, no path leads to one machine.

A ```python block runs as it stands, all blocks of a file in one namespace and in an empty folder; a comment `# text` behind a print() is
the line that must be printed, and one with `>>>` is a doctest. A ```sql block runs statement by statement against one database in memory
for each file; a statement that ends in `; -- error 22012` must fail with that SQLSTATE.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import re
import shlex
from pathlib import Path

import pytest

import eventdb
from eventdb.shell import main

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_ERROR = re.compile(r";\s*-- error (\w{5})\s*$")
_MACHINE = re.compile(r"(?<![\w.])/(?:home|root|Users|" + "work" + r")/\w|" + re.escape("/tmp" + "/venv"))


def blocks(page: Path, language: str) -> list[tuple[int, str]]:
    """(line, text) of the page's blocks in one language."""
    text = page.read_text(encoding="utf-8")
    return [(text.count("\n", 0, found.start()) + 2, found[2]) for found in _BLOCK.finditer(text) if found[1] == language]


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.name)
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block runs, and prints what its comments say."""
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "documentation"}
    for line, text in blocks(page, "python"):
        place = f"{page.name}:{line}"
        if ">>>" in text:
            runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
            runner.run(doctest.DocTestParser().get_doctest(text, namespace, place, page.name, line), clear_globs=False)
            assert not runner.failures, place
            continue
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(compile("\n" * (line - 1) + text, str(page), "exec", dont_inherit=True), namespace)
        expected = re.findall(r"^\s*print\(.*\)\s+# (.*)$", text, re.MULTILINE)
        printed = output.getvalue().splitlines()
        if any(", then " in said for said in expected):
            expected = [part for said in expected for part in said.split(", then ")]
        assert not expected or printed == expected, place


def statements(text: str) -> list[tuple[str, str | None]]:
    """(statement, SQLSTATE that it must fail with or None): each ends in `;` at the end of a line, before a comment."""
    found, gathered = [], ""
    for line in text.splitlines():
        gathered += line + "\n"
        bare = re.sub(r"\s*--.*$", "", line)
        if bare.endswith(";"):
            error = _ERROR.search(line)
            found.append((gathered.strip(), error[1] if error else None))
            gathered = ""
    assert not re.sub(r"(?m)\s*--.*$", "", gathered).strip(), f"no ';' after {gathered}"
    return found


def sqlstate(connection: eventdb.Connection, statement: str) -> str | None:
    """What the statement fails with, or None."""
    try:
        cursor = connection.execute(statement)
        if cursor.description is not None:
            cursor.fetchall()
    except eventdb.Error as problem:
        return f"{problem.sqlstate}"
    return None


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "sql")], ids=lambda page: page.name)
def test_sql_blocks_run(page: Path) -> None:
    """Each statement runs, or fails as it says."""
    connection = eventdb.connect(":memory:", autocommit=True)
    for line, text in blocks(page, "sql"):
        for statement, error in statements(text):
            assert sqlstate(connection, statement) == error, f"{page.name}:{line}\n{statement}"
    connection.close()


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "console")], ids=lambda page: page.name)
def test_commands_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """After the page's Python blocks, each `$ eventdb …` of its console blocks exits with 0 and prints what follows it (… is anything)."""
    test_python_blocks_run(page, tmp_path, monkeypatch)
    for line, text in blocks(page, "console"):
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            program, *arguments = shlex.split(command)
            assert program == "eventdb"
            assert main(arguments) == 0, f"{page.name}:{line}: {command}"
            pattern = ".*".join(map(re.escape, expected.split("…")))
            assert re.fullmatch(pattern, capsys.readouterr().out, re.DOTALL), f"{page.name}:{line}: {command}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Relative links, and the files that the README's commands name, exist."""
    text = page.read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in target]
    missing = [target for target in targets if not (page.parent / target).exists()]
    if page.name == "README.md":
        missing += [name for name in re.findall(r"\b(?:examples|docs)/\w+\.\w+", text) if not (ROOT / name).exists()]
    assert not missing


def test_the_readme_has_two_commands() -> None:
    """One runs the main job, one passes the tests: all that a fresh machine needs."""
    commands = [text.strip() for _, text in blocks(ROOT / "README.md", "bash")]
    assert len(commands) == 2
    assert "examples/flights.py" in commands[0]
    assert "-m pytest" in commands[1]


def test_no_path_of_one_machine() -> None:
    """Nothing in the tree names a folder that only one computer has."""
    found = []
    for folder in ("src", "tests", "benchmarks", "examples", "docs", ".ci"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".md", ".toml", ".cfg", ".sql-test", "") and path.is_file() and "__pycache__" not in path.parts:
                for number, line in enumerate(path.read_text(encoding="utf-8", errors="ignore").splitlines(), 1):
                    if _MACHINE.search(line):
                        found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not found, "\n".join(found)
