"""Pages of a few entries, so that small tests meet splits and merges."""

from __future__ import annotations

import pytest

from eventdb.storage import btree, eras, past, table


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of at most 8 entries and children, batches from 4 rows on, short eras."""
    for name, size in {"LEAF_MAX": 8, "LEAF_MIN": 2, "LEAF_FILL": 7, "BRANCH_MAX": 8, "BRANCH_MIN": 2}.items():
        monkeypatch.setattr(btree, name, size)
    monkeypatch.setattr(table, "BULK", 4)
    monkeypatch.setattr(eras, "LEAST", 4)
    monkeypatch.setattr(past, "_PATIENCE", 1)
