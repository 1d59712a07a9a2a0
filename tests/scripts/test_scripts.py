"""Every golden script gives the output that stands in it, and leaves a database that its log alone gives back."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest
from scripts.golden import Block, Runner, read_blocks, read_commands, rewritten, show

import eventdb

FOLDER = Path(__file__).parent
SCRIPTS = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.sql-test"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_script(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Block by block the output of the script is what the file says."""
    path = FOLDER / name
    text = path.read_text(encoding="utf-8")
    runner = Runner(tmp_path / "script.eventdb")
    try:
        blocks = read_blocks(text)
        outputs = [runner.run(block) for block in blocks]
        if request.config.getoption("--rewrite"):
            path.write_text(rewritten(text, outputs), encoding="utf-8")
        else:
            wrong = [_difference(name, block, output) for block, output in zip(blocks, outputs, strict=True) if block.output != output]
            assert not wrong, "\n\n" + "\n\n".join(wrong)
        _check_replay(runner)
    finally:
        runner.close()


def _difference(name: str, block: Block, output: str) -> str:
    lines = difflib.ndiff(block.output.splitlines(), output.splitlines())
    return f"{name}, line {block.line}\n{block.input}\n---\n" + "\n".join(lines)


def _check_replay(runner: Runner) -> None:
    """What the script leaves committed is what a replay of the log alone gives."""
    runner.close()
    before = _dump(runner.session("before"))
    runner.replay()
    assert _dump(runner.session("after")) == before


def _dump(connection: eventdb.Connection) -> dict[str, list[str]]:
    tables = connection.cursor().execute(
        "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
        " AND table_schema NOT IN ('information_schema', 'eventdb')"
    )
    dump = {}
    for schema, table in tables.fetchall():
        rows = connection.cursor().execute(f'SELECT * FROM "{schema}"."{table}" FOR SYSTEM_TIME ALL').fetchall()
        dump[f"{schema}.{table}"] = sorted(" | ".join(map(show, row)) for row in rows)
    return dump


def test_blocks_and_commands_are_read() -> None:
    """Comments, sessions, tags, parameters, statements over several lines, and a rewrite that keeps everything but the output."""
    text = "# head\n\n# one\nSELECT 1;\nt1: [sorted] SELECT\n  ?; (1, 'x;')\n!reopen\n---\nold\n\nSELECT 2;\n---\n"
    head, first, second = read_blocks(text)
    assert read_commands(head) == []
    one, two, three = read_commands(first)
    assert (one.text, one.session, one.parameters) == ("SELECT 1", "", None)
    assert (two.text, two.session, two.tags, two.parameters) == ("SELECT\n  ?", "t1", frozenset({"sorted"}), (1, "x;"))
    assert three.text == "!reopen"
    assert (first.output, second.output) == ("old", "")
    again = rewritten(text, ["", "new", ""])
    assert again == text.replace("old", "new")


def test_a_difference_fails() -> None:
    """The runner's own comparison tells a wrong output."""
    assert "- 1\n" in _difference("x", Block(1, "SELECT 1", "1"), "2")
