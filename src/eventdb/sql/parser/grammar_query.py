"""Grammar of queries: SELECT, VALUES, TABLE, set operations, WITH, joins, grouping, FOR SYSTEM_TIME, ORDER BY, LIMIT, locking.

A query in parentheses has one derivation only: `query_parens` swallows all its parentheses before it may become a value, a table or an
operand of UNION; the precedence of ')' over UNARY says so.
"""

from __future__ import annotations

from typing import Any

from eventdb import errors
from eventdb.sql.parser import ast
from eventdb.sql.parser.symbols import Actions, Symbols


def _is_bare(query: ast.Query) -> bool:
    """Whether parentheses around the query say nothing: it is a body alone."""
    return not (query.with_ or query.order_by or query.limit or query.offset or query.locking)


class QueryRules(Actions):
    """Actions of the query grammar; each docstring holds its productions."""

    # ---- whole queries

    def p_unit_query(self, p: Symbols) -> None:
        """query : query_plain %prec UNARY
        | query_parens %prec UNARY"""
        p[0] = p[1]

    def p_query_parens(self, p: Symbols) -> None:
        """query_parens : '(' query_plain ')'
        | '(' query_parens ')'"""
        p[0] = p[2]

    def p_query_plain(self, p: Symbols) -> None:
        """query_plain : simple_select
        | select_clause query_tails
        | with select_clause
        | with select_clause query_tails"""
        with_ = p[1] if isinstance(p[1], ast.With) else None
        body = p[2] if with_ else p[1]
        tails = p[len(p) - 1] if isinstance(p[len(p) - 1], dict) else {}
        p[0] = ast.Query(body, with_, **tails, position=p.at(1))

    def p_query_tails(self, p: Symbols) -> None:
        """query_tails : query_tail
        | query_tails query_tail"""
        if len(p) == 2:
            p[0] = p[1]
            return
        tails, more = p[1], p[2]
        if "locking" in more:
            tails["locking"] = tails.get("locking", ()) + more["locking"]
        elif "order_by" in more or any(key in tails for key in more):
            raise self.unexpected(p, 2)
        else:
            tails.update(more)
        p[0] = tails

    def p_query_tail_order(self, p: Symbols) -> None:
        """query_tail : order_by"""
        p[0] = {"order_by": p[1]}

    def p_query_tail_limit(self, p: Symbols) -> None:
        """query_tail : LIMIT value
        | LIMIT ALL"""
        p[0] = {"limit": None if p[2] == "all" else p[2]}

    def p_query_tail_limit_pair(self, p: Symbols) -> None:
        """query_tail : LIMIT value ',' value"""
        raise self.unexpected(p, 3, hint="Write LIMIT count OFFSET start.")

    def p_query_tail_offset(self, p: Symbols) -> None:
        """query_tail : OFFSET value
        | OFFSET value row_word"""
        p[0] = {"offset": p[2]}

    def p_query_tail_fetch(self, p: Symbols) -> None:
        """query_tail : FETCH first_word row_word fetch_end
        | FETCH first_word value row_word fetch_end
        | FETCH first_word value PERCENT row_word fetch_end"""
        limit = p[3] if len(p) > 5 else ast.Literal(1, position=p.at(1))
        p[0] = {"limit": limit}
        if len(p) == 7:
            p[0]["percent"] = True
        if p[len(p) - 1]:
            p[0]["with_ties"] = True

    def p_first_word(self, p: Symbols) -> None:
        """first_word : FIRST
        | NEXT"""

    def p_row_word(self, p: Symbols) -> None:
        """row_word : ROW
        | ROWS"""

    def p_fetch_end(self, p: Symbols) -> None:
        """fetch_end : ONLY
        | WITH_TIES"""
        p[0] = p[1] != "only"

    def p_query_tail_locking(self, p: Symbols) -> None:
        """query_tail : FOR lock_strength lock_tables lock_wait"""
        p[0] = {"locking": (ast.Locking(p[2], p[3], p[4], position=p.at(1)),)}

    def p_lock_strength(self, p: Symbols) -> None:
        """lock_strength : UPDATE
        | NO KEY UPDATE
        | SHARE
        | KEY SHARE"""
        p[0] = " ".join(p[1:])

    def p_lock_tables(self, p: Symbols) -> None:
        """lock_tables :
        | OF names"""
        p[0] = tuple(p[2]) if len(p) == 3 else ()

    def p_lock_wait(self, p: Symbols) -> None:
        """lock_wait :
        | NOWAIT
        | SKIP LOCKED"""
        p[0] = " ".join(p[1:]) or "wait"

    def p_order_by(self, p: Symbols) -> None:
        """order_by : ORDER BY order_list"""
        p[0] = tuple(p[3])

    def p_order_by_opt(self, p: Symbols) -> None:
        """order_by_opt :
        | order_by"""
        p[0] = p[1] if len(p) == 2 else ()

    def p_order_list(self, p: Symbols) -> None:
        """order_list : order_item
        | order_list ',' order_item"""
        self.append(p)

    def p_order_item(self, p: Symbols) -> None:
        """order_item : expression direction nulls_order"""
        p[0] = ast.OrderItem(p[1], p[2], p[3], position=p.at(1))

    def p_direction(self, p: Symbols) -> None:
        """direction :
        | ASC
        | DESC"""
        p[0] = len(p) == 2 and p[1] == "desc"

    def p_nulls_order(self, p: Symbols) -> None:
        """nulls_order :
        | NULLS FIRST
        | NULLS LAST"""
        p[0] = p[2] == "first" if len(p) == 3 else None

    # ---- WITH

    def p_with(self, p: Symbols) -> None:
        """with : WITH common_tables
        | WITH RECURSIVE common_tables"""
        p[0] = ast.With(tuple(p[len(p) - 1]), len(p) == 4, position=p.at(1))

    def p_common_tables(self, p: Symbols) -> None:
        """common_tables : common_table
        | common_tables ',' common_table"""
        self.append(p)

    def p_common_table(self, p: Symbols) -> None:
        """common_table : IDENTIFIER columns_opt AS materialized '(' common_query ')'"""
        p[0] = ast.CommonTable(p[1], p[2], p[6], p[4], position=p.at(1))

    def p_materialized(self, p: Symbols) -> None:
        """materialized :
        | MATERIALIZED
        | NOT MATERIALIZED"""
        p[0] = len(p) == 2 if len(p) > 1 else None

    def p_unit_common_query(self, p: Symbols) -> None:
        """common_query : query
        | insert
        | update
        | delete
        | merge"""
        p[0] = p[1]

    # ---- bodies

    def p_select_clause(self, p: Symbols) -> None:
        """select_clause : simple_select
        | query_parens"""
        body = p[1]
        p[0] = body.body if isinstance(body, ast.Query) and _is_bare(body) else body

    def p_simple_select(self, p: Symbols) -> None:
        """simple_select : SELECT distinct select_list from where group_by having windows"""
        p[0] = ast.Select(tuple(p[3]), p[4], p[5], p[6], p[7], p[2], p[8], position=p.at(1))

    def p_simple_select_values(self, p: Symbols) -> None:
        """simple_select : values"""
        p[0] = ast.Values(tuple(p[1]), position=p.at(1))

    def p_values(self, p: Symbols) -> None:
        """values : VALUES '(' expression_list ')'
        | values ',' '(' expression_list ')'"""
        row = tuple(p[len(p) - 2])
        if self.defaults:
            self.allow_defaults(row)
        if len(p) == 5:
            p[0] = [row]
        else:
            p[1].append(row)
            p[0] = p[1]

    def p_simple_select_table(self, p: Symbols) -> None:
        """simple_select : TABLE relation_name"""
        place = p.at(1)
        star = ast.SelectItem(ast.Star(position=place), position=place)
        p[0] = ast.Select((star,), (ast.TableRef(p[2], position=p.at(2)),), position=place)

    def p_simple_select_operation(self, p: Symbols) -> None:
        """simple_select : select_clause UNION set_quantifier select_clause
        | select_clause EXCEPT set_quantifier select_clause
        | select_clause INTERSECT set_quantifier select_clause"""
        p[0] = ast.SetOperation(p[2], p[3], p[1], p[4], position=p.at(2))

    def p_set_quantifier(self, p: Symbols) -> None:
        """set_quantifier :
        | ALL
        | DISTINCT"""
        p[0] = len(p) == 2 and p[1] == "all"

    def p_distinct(self, p: Symbols) -> None:
        """distinct :
        | ALL
        | DISTINCT
        | DISTINCT ON '(' expression_list ')'"""
        p[0] = tuple(p[4]) if len(p) == 6 else len(p) == 2 and p[1] == "distinct"

    def p_select_list(self, p: Symbols) -> None:
        """select_list : select_item
        | select_list ',' select_item"""
        self.append(p)

    def p_select_item(self, p: Symbols) -> None:
        """select_item : expression
        | expression IDENTIFIER
        | expression AS label"""
        p[0] = ast.SelectItem(p[1], p[len(p) - 1] if len(p) > 2 else None, position=p.at(1))

    def p_select_item_star(self, p: Symbols) -> None:
        """select_item : '*'
        | dotted '.' '*'"""
        qualifier = p[1] if len(p) == 4 else ()
        p[0] = ast.SelectItem(ast.Star(qualifier, position=p.at(1)), position=p.at(1))

    def p_from(self, p: Symbols) -> None:
        """from :
        | FROM table_list"""
        p[0] = tuple(p[2]) if len(p) == 3 else ()

    def p_where(self, p: Symbols) -> None:
        """where :
        | WHERE expression"""
        p[0] = p[2] if len(p) == 3 else None

    def p_having(self, p: Symbols) -> None:
        """having :
        | HAVING expression"""
        p[0] = p[2] if len(p) == 3 else None

    def p_windows(self, p: Symbols) -> None:
        """windows :
        | WINDOW window_list"""
        p[0] = tuple(p[2]) if len(p) == 3 else ()

    def p_window_list(self, p: Symbols) -> None:
        """window_list : window_definition
        | window_list ',' window_definition"""
        self.append(p)

    def p_window_definition(self, p: Symbols) -> None:
        """window_definition : IDENTIFIER AS window"""
        p[0] = (p[1], p[3])

    # ---- grouping

    def p_group_by(self, p: Symbols) -> None:
        """group_by :
        | GROUP BY group_list"""
        if len(p) == 1:
            p[0] = ()
            return
        # GROUP BY (a, b) groups by a and by b.
        items: list[Any] = []
        for item in p[3]:
            items.extend(item.items if isinstance(item, ast.RowValue) else (item,))
        p[0] = tuple(items)

    def p_group_list(self, p: Symbols) -> None:
        """group_list : group_item
        | group_list ',' group_item"""
        self.append(p)

    def p_unit_group_item(self, p: Symbols) -> None:
        """group_item : expression
        | grouping_sets"""
        p[0] = p[1]

    def p_group_item_empty(self, p: Symbols) -> None:
        """group_item : '(' ')'"""
        p[0] = ast.GroupingSets("sets", ((),), position=p.at(1))

    def p_grouping_sets(self, p: Symbols) -> None:
        """grouping_sets : ROLLUP '(' group_list ')'
        | CUBE '(' group_list ')'
        | GROUPING_SETS '(' group_list ')'"""
        sets: list[Any] = []
        for item in p[3]:
            if isinstance(item, ast.GroupingSets):
                sets.append(() if item == ast.GroupingSets("sets", ((),)) else item)
            else:
                sets.append(item.items if isinstance(item, ast.RowValue) else (item,))
        p[0] = ast.GroupingSets(p[1] if p[1] in ("rollup", "cube") else "sets", tuple(sets), position=p.at(1))

    # ---- tables

    def p_table_list(self, p: Symbols) -> None:
        """table_list : table
        | table_list ',' table"""
        self.append(p)

    def p_unit_table(self, p: Symbols) -> None:
        """table : table_primary
        | joined_table"""
        p[0] = p[1]

    def p_table_relation(self, p: Symbols) -> None:
        """table_primary : relation_name system_time
        | relation_name system_time alias"""
        p[0] = ast.TableRef(p[1], p[3] if len(p) == 4 else None, p[2], position=p.at(1))

    def p_relation_name(self, p: Symbols) -> None:
        """relation_name : dotted"""
        if len(p[1]) > 2:
            raise errors.SQLSyntaxError(f"improper relation name (too many dotted names): {'.'.join(p[1])}", position=p.at(1))
        p[0] = ast.QualifiedName(p[1], position=p.at(1))

    def p_table_query(self, p: Symbols) -> None:
        """table_primary : query_parens
        | query_parens alias
        | LATERAL query_parens
        | LATERAL query_parens alias"""
        lateral = p[1] == "lateral"
        alias = p[len(p) - 1] if isinstance(p[len(p) - 1], ast.Alias) else None
        p[0] = ast.DerivedTable(p[2 if lateral else 1], alias, lateral, position=p.at(1))

    def p_table_function(self, p: Symbols) -> None:
        """table_primary : table_call
        | table_call alias
        | LATERAL table_call
        | LATERAL table_call alias"""
        lateral = p[1] == "lateral"
        alias = p[len(p) - 1] if isinstance(p[len(p) - 1], ast.Alias) else None
        call, ordinality = p[2 if lateral else 1]
        p[0] = ast.TableFunction(call, alias, lateral, ordinality, position=p.at(1))

    def p_table_call(self, p: Symbols) -> None:
        """table_call : dotted '(' ')'
        | dotted '(' ')' WITH_ORDINALITY
        | dotted '(' expression_list ')'
        | dotted '(' expression_list ')' WITH_ORDINALITY"""
        arguments = tuple(p[3]) if p[3] != ")" else ()
        p[0] = (ast.Function(p[1], arguments, position=p.at(1)), p[len(p) - 1] != ")")

    def p_alias(self, p: Symbols) -> None:
        """alias : alias_name
        | alias_name '(' names ')'"""
        p[0] = ast.Alias(p[1], tuple(p[3]) if len(p) == 5 else (), position=p.at(1))

    def p_alias_name(self, p: Symbols) -> None:
        """alias_name : IDENTIFIER
        | AS IDENTIFIER"""
        p[0] = p[len(p) - 1]

    def p_joined_parentheses(self, p: Symbols) -> None:
        """joined_table : '(' joined_table ')'"""
        p[0] = p[2]

    def p_joined_cross(self, p: Symbols) -> None:
        """joined_table : table CROSS JOIN table %prec JOIN"""
        p[0] = ast.Join("cross", p[1], p[4], position=p.at(2))

    def p_joined_natural(self, p: Symbols) -> None:
        """joined_table : table NATURAL JOIN table
        | table NATURAL join_kind JOIN table %prec JOIN"""
        kind: Any = p[3] if len(p) == 6 else "inner"
        p[0] = ast.Join(kind, p[1], p[len(p) - 1], natural=True, position=p.at(2))

    def p_joined(self, p: Symbols) -> None:
        """joined_table : table JOIN table join_condition
        | table join_kind JOIN table join_condition"""
        kind: Any = p[2] if len(p) == 6 else "inner"
        p[0] = ast.Join(kind, p[1], p[len(p) - 2], **p[len(p) - 1], position=p.at(2))

    def p_join_condition(self, p: Symbols) -> None:
        """join_condition : ON expression
        | USING '(' names ')'"""
        p[0] = {"on": p[2]} if len(p) == 3 else {"using": tuple(p[3])}

    def p_join_kind(self, p: Symbols) -> None:
        """join_kind : INNER
        | outer_kind
        | outer_kind OUTER"""
        p[0] = p[1]

    def p_unit_outer_kind(self, p: Symbols) -> None:
        """outer_kind : LEFT
        | RIGHT
        | FULL"""
        p[0] = p[1]

    def p_columns_opt(self, p: Symbols) -> None:
        """columns_opt :
        | '(' names ')'"""
        p[0] = tuple(p[2]) if len(p) == 4 else ()

    def p_names(self, p: Symbols) -> None:
        """names : IDENTIFIER
        | names ',' IDENTIFIER"""
        self.append(p)

    # ---- time

    def p_system_time(self, p: Symbols) -> None:
        """system_time :
        | FOR_SYSTEM_TIME ALL"""
        p[0] = ast.SystemTime("all", position=p.at(1)) if len(p) == 3 else None

    def p_system_time_as_of(self, p: Symbols) -> None:
        """system_time : FOR_SYSTEM_TIME AS OF moment"""
        p[0] = ast.SystemTime("as of", p[4], position=p.at(1))

    def p_system_time_range(self, p: Symbols) -> None:
        """system_time : FOR_SYSTEM_TIME FROM moment TO moment
        | FOR_SYSTEM_TIME BETWEEN moment AND moment"""
        p[0] = ast.SystemTime(p[2], p[3], p[5], position=p.at(1))

    def p_moment(self, p: Symbols) -> None:
        """moment : value
        | TRANSACTION value
        | TIMESTAMP value"""
        p[0] = ast.Moment(p[len(p) - 1], p[1] == "transaction", position=p.at(1))
