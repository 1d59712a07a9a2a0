"""What the tests of writes share: a connection, a look at a table's rows, and scripts with their expected output."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import eventdb

Rows = Callable[[Any, str], list[tuple[Any, ...]]]


@pytest.fixture
def connection() -> Iterator[Any]:
    made = eventdb.connect(":memory:")
    yield made
    made.close()


@pytest.fixture
def rows() -> Rows:
    """rows(connection, table): the visible values, sorted, as the connection's transaction sees them."""

    def read(connection: Any, name: str) -> list[tuple[Any, ...]]:
        transaction = connection.session.transaction
        reader = connection.session.database.refresh() if transaction is None else transaction.present
        table = next(t for t in reader.catalog.tables.values() if t.name == name)
        slots = [c.slot for c in table.visible]
        return sorted((tuple(row[s] for s in slots) for batch in reader.table(table).batches() for row in batch), key=repr)

    return read
