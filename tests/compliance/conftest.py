"""SQLAlchemy's own test suite, in a pytest session of its own, since its plugin takes the session over:

    python -m pytest -q -c setup.cfg tests/compliance
"""

import pytest
from sqlalchemy.dialects import registry

registry.register("eventdb", "eventdb_sqlalchemy.dialect", "EventDBDialect")
registry.register("eventdb.eventdb", "eventdb_sqlalchemy.dialect", "EventDBDialect")
pytest.register_assert_rewrite("sqlalchemy.testing.assertions")

from sqlalchemy.testing.plugin.pytestplugin import *  # noqa: E402, F403
