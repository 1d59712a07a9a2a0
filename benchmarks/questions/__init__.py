"""The questions, in the order in which the table shows them."""

from __future__ import annotations

from importlib import import_module

from benchmarks.question import Question

_NAMES = (
    "bulk_insert", "durable_insert", "point_select", "index_equality", "index_range", "group_by", "join_aggregate", "fetch_all", "read_sql",
    "update_by_key", "as_of_point", "as_of_aggregate", "row_history", "as_of_depth", "as_of_index", "as_of_scan",
    "as_of_scan_reopened", "history_steps", "now_beside_past", "open_first_query", "import_time", "size_loaded", "size_history",
    "memory_load", "memory_read",
)  # fmt: skip


def all_questions() -> list[Question]:
    return [import_module(f"{__name__}.{name}").QUESTION for name in _NAMES]
