"""From a plan to one Python function for each statement."""

from eventdb.sql.compiler.prepare import prepare_constant, prepare_projection, prepare_query, prepare_targets

__all__ = ["prepare_constant", "prepare_projection", "prepare_query", "prepare_targets"]
