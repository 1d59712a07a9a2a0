"""From a query's syntax tree to a plan: binding, rewriting, access paths and join order. `eventdb.sql` has the entry points."""
