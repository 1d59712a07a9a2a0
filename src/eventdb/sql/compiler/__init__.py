"""From a plan to one Python function for each statement."""

from eventdb.sql.compiler.prepare import column_names, prepare_constant, prepare_projection, prepare_query, prepare_targets

__all__ = ["column_names", "prepare_constant", "prepare_projection", "prepare_query", "prepare_targets"]
