"""Golden files: blocks of input, a line `----`, and the output expected, with empty lines between blocks.

`pytest --rewrite` writes the outputs anew, to be reviewed as a change.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

DIRECTORY = Path(__file__).parent / "golden"


def blocks(name: str) -> list[tuple[str, str]]:
    """The (input, output) pairs of a golden file."""
    text = (DIRECTORY / name).read_text(encoding="utf-8")
    pairs = []
    for block in text.strip("\n").split("\n\n"):
        source, _, expected = block.partition("\n----")
        pairs.append((source, expected.removeprefix("\n")))
    return pairs


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, Callable[[str], str]], None]:
    """A function (file name, what to do with an input) that asserts that each input of the file gives the recorded output."""

    def check(name: str, actual: Callable[[str], str]) -> None:
        pairs = blocks(name)
        outputs = [(source, actual(source)) for source, _ in pairs]
        if request.config.getoption("--rewrite"):
            content = "\n".join(f"{source}\n----\n{output}\n" for source, output in outputs)
            (DIRECTORY / name).write_text(content, encoding="utf-8")
            return
        wrong = [
            f"{source}\n  expected {expected}\n  got      {output}"
            for (source, output), (_, expected) in zip(outputs, pairs, strict=True)
            if output != expected
        ]
        assert not wrong, "\n\n".join(wrong)

    return check


@pytest.fixture
def statements() -> list[str]:
    """Every statement of the golden files that parses."""
    names = sorted(path.name for path in DIRECTORY.glob("*.sql") if path.name != "errors.sql")
    return [source for name in names for source, _ in blocks(name)]
