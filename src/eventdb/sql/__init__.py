"""Text to rows.

The life of a query: `parser` makes a syntax tree of the text; `planner` binds it (names, types, NULLs) against a catalog, rewrites it by an
ordered list of rules and chooses access paths and joins; `compiler` writes one Python function for the plan. `definition` and
`modification` do the same for statements that change things. Storage is known only through the protocols of `reader`, the circumstances
of one execution through `environment`.

The doors of the query half are `eventdb.sql.compiler`'s: prepare_query, prepare_targets, prepare_projection, prepare_constant.
"""
