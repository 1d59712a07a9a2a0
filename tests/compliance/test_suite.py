"""The tests themselves: `sqlalchemy.testing.suite`. Which apply is in `eventdb_sqlalchemy.requirements`."""

from typing import Any

from sqlalchemy.testing import suite
from sqlalchemy.testing.suite import *  # noqa: F403


class ServerSideCursorsTest(suite.ServerSideCursorsTest):
    """How the suite tells a streaming cursor goes by the names of drivers that it knows."""

    def _is_server_side(self, cursor: Any) -> bool:
        return getattr(cursor, "server_side", False)
