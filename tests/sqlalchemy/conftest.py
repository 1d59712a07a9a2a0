"""An engine for each test: a database in memory, or one on disk, that makes the tables of a test's metadata itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

Make = Callable[..., sa.Engine]


@pytest.fixture
def make_engine(tmp_path: Path) -> Iterator[Make]:
    """A function that makes an engine, by default on disk, with the tables of `metadata`; all are disposed of at the end."""
    made: list[sa.Engine] = []

    def make(metadata: sa.MetaData | None = None, *, memory: bool = False, **options: object) -> sa.Engine:
        url = "eventdb://" if memory else f"eventdb:///{tmp_path / f'{len(made)}.eventdb'}?durability=none"
        engine = sa.create_engine(url, **options)  # type: ignore[arg-type]
        made.append(engine)
        if metadata is not None:
            metadata.create_all(engine)
        return engine

    yield make
    for engine in made:
        engine.dispose()
