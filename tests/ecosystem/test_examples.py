"""The web application among the examples, used as its users would."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "timeline.py"


def test_the_timeline_shows_who_changed_what_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLE))["check"]()
    assert "shows both changes" in capsys.readouterr().out
