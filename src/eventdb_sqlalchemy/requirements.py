"""Which parts of SQLAlchemy's own test suite apply: all but those listed here, each with the reason why not.

Everything that `SuiteRequirements` asks of a database is open unless `CLOSED` has it. What it works out by itself, from the dialect's
flags and the Python that runs, is left to it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.testing import exclusions
from sqlalchemy.testing.requirements import SuiteRequirements

CLOSED: dict[str, str] = {
    "array_type": "the language has no arrays",
    "async_dialect": "this is the synchronous dialect",
    "column_collation_reflection": "text is ordered by code point; columns have no collation of their own",
    "computed_columns_virtual": "computed columns are stored, so that their history is kept as it was",
    "foreign_keys_reflect_as_index": "a foreign key makes no index",
    "json_deserializer_binary": "JSON comes as text, not as bytes",
    "materialized_views": "there are no materialized views",
    "materialized_views_reflect_pk": "there are no materialized views",
    "non_updating_cascade": "the opposite, ON UPDATE CASCADE, holds",
    "no_sequences": "the opposite, sequences, holds",
    "repeated_remote_col_foreign_keys": "as in PostgreSQL, a foreign key names a column that it refers to once",
    "reflect_indexes_with_ascdesc_as_expression": "the opposite holds: DESC is reflected as the column's order",
    "two_phase_transactions": "there is no PREPARE TRANSACTION",
    "unique_constraints_reflect_as_index": "unique constraints are reflected as such, not as indexes too",
    "unique_index_reflect_as_unique_constraints": "unique indexes are reflected as such, not as constraints",
}
"""Requirement → the reason why it is closed."""

_LEFT_TO_SQLALCHEMY = frozenset(
    {
        "asyncio", "cextensions", "cpython", "delete_returning", "denormalized_names", "dialect_level_isolation_level_param",
        "empty_inserts", "empty_inserts_executemany", "fail_python314b1", "freethreading", "get_isolation_level_values", "gil_enabled",
        "greenlet", "insert_executemany_returning", "insert_returning", "insertmanyvalues", "is64bit", "memory_intensive",
        "multivalues_inserts", "no_coverage", "no_greenlet", "no_lastrowid_support", "no_sqlalchemy2_stubs", "no_windows",
        "not_python314", "on_update_or_deferrable_fks", "only_linux", "order_by_collation", "patch_library", "pep649", "posix",
        "predictable_gc", "python312", "python314", "queue_pool", "sane_multi_rowcount", "sane_rowcount", "sane_rowcount_w_returning",
        "sequences", "sequences_optional", "server_side_cursors", "sqlalchemy2_stubs", "sqlite", "supports_is_distinct_from",
        "supports_lastrowid", "threading_with_mock", "timing_intensive", "update_returning",
    }
)  # fmt: skip


class Requirements(SuiteRequirements):
    """The requirements for eventdb."""

    def get_order_by_collation(self, config: Any) -> str:
        return "C"


def _open() -> property:
    return property(lambda self: exclusions.open())  # type: ignore[no-untyped-call]


def _closed(reason: str) -> property:
    return property(lambda self: exclusions.skip_if(lambda config: True, reason))  # type: ignore[no-untyped-call]


for _name in dir(SuiteRequirements):
    if not isinstance(getattr(SuiteRequirements, _name), property) or _name in vars(Requirements):
        continue
    if _name in CLOSED:
        setattr(Requirements, _name, _closed(CLOSED[_name]))
    elif _name not in _LEFT_TO_SQLALCHEMY:
        setattr(Requirements, _name, _open())
