"""Grammar of expressions: operators by PostgreSQL's precedence, calls, CASE, windows, literals, types.

Two layers keep the grammar free of guesses: `value` is what stands between comparison operators (arithmetic, calls, literals, anything in
parentheses), `expression` adds comparison, predicates, NOT, AND and OR. So BETWEEN x AND y can end, and bounds of FOR SYSTEM_TIME too.
"""

from __future__ import annotations

from decimal import Decimal

from eventdb import errors
from eventdb.model.record import replace
from eventdb.sql.parser import ast
from eventdb.sql.parser.interval import interval_text
from eventdb.sql.parser.symbols import Actions, Symbols

_TAILS = ("within_group", "filter", "nulls", "over")


class ExpressionRules(Actions):
    """Actions of the expression grammar; each docstring holds its productions."""

    # ---- conditions

    def p_unit_expression(self, p: Symbols) -> None:
        """expression : value %prec UNION"""
        p[0] = p[1]

    def p_expression_binary(self, p: Symbols) -> None:
        """expression : expression AND expression
        | expression OR expression
        | expression comparison expression %prec COMPARISON"""
        p[0] = ast.Binary(p[2], p[1], p[3], position=p.at(2))

    # `comparison` and `is` keep one item a terminal in a state: PLY forgets that an operator is nonassociative when two items shift it.

    def p_unit_comparison(self, p: Symbols) -> None:
        """comparison : '='
        | COMPARISON
        is : IS"""
        p[0] = p[1]

    def p_expression_not(self, p: Symbols) -> None:
        """expression : NOT expression"""
        p[0] = ast.Unary("not", p[2], position=p.at(1))

    def p_expression_quantified(self, p: Symbols) -> None:
        """expression : expression comparison quantifier query_parens %prec COMPARISON"""
        p[0] = ast.Quantified(p[1], p[2], p[3], p[4], position=p.at(2))

    def p_quantifier(self, p: Symbols) -> None:
        """quantifier : ANY
        | SOME
        | ALL"""
        p[0] = "all" if p[1] == "all" else "any"

    def p_expression_is(self, p: Symbols) -> None:
        """expression : expression is is_test
        | expression is NOT is_test %prec IS"""
        negated = len(p) == 5
        kind, value = p[4] if negated else p[3]
        if kind == "null":
            p[0] = ast.IsNull(p[1], negated, position=p.at(2))
        else:
            p[0] = ast.IsTruth(p[1], value, negated, position=p.at(2))

    def p_is_test(self, p: Symbols) -> None:
        """is_test : NULL
        | TRUE
        | FALSE
        | UNKNOWN"""
        p[0] = (p[1], {"true": True, "false": False}.get(p[1]))

    def p_expression_isnull(self, p: Symbols) -> None:
        """expression : expression ISNULL
        | expression NOTNULL"""
        p[0] = ast.IsNull(p[1], p[2] == "notnull", position=p.at(2))

    def p_expression_distinct(self, p: Symbols) -> None:
        """expression : expression is DISTINCT FROM expression %prec IS"""
        p[0] = ast.IsDistinct(p[1], p[5], position=p.at(2))

    def p_expression_not_distinct(self, p: Symbols) -> None:
        """expression : expression is NOT DISTINCT FROM expression %prec IS"""
        p[0] = ast.IsDistinct(p[1], p[6], True, position=p.at(2))

    def p_expression_between(self, p: Symbols) -> None:
        """expression : value BETWEEN symmetry value AND value %prec BETWEEN"""
        p[0] = ast.Between(p[1], p[4], p[6], symmetric=p[3], position=p.at(2))

    def p_expression_not_between(self, p: Symbols) -> None:
        """expression : value NOT_LA BETWEEN symmetry value AND value %prec BETWEEN"""
        p[0] = ast.Between(p[1], p[5], p[7], True, p[4], position=p.at(2))

    def p_symmetry(self, p: Symbols) -> None:
        """symmetry :
        | SYMMETRIC
        | ASYMMETRIC"""
        p[0] = len(p) == 2 and p[1] == "symmetric"

    def p_expression_in(self, p: Symbols) -> None:
        """expression : value IN '(' expression_list ')'
        | value NOT_LA IN '(' expression_list ')'"""
        p[0] = ast.InList(p[1], tuple(p[len(p) - 2]), len(p) == 7, position=p.at(2))

    def p_expression_in_query(self, p: Symbols) -> None:
        """expression : value IN query_parens
        | value NOT_LA IN query_parens"""
        p[0] = ast.InQuery(p[1], p[len(p) - 1], len(p) == 5, position=p.at(2))

    def p_expression_like(self, p: Symbols) -> None:
        """expression : value like value %prec LIKE
        | value like value ESCAPE value %prec LIKE"""
        kind, negated = p[2]
        p[0] = ast.Like(p[1], p[3], p[5] if len(p) == 6 else None, kind, negated, position=p.at(2))

    def p_like(self, p: Symbols) -> None:
        """like : LIKE
        | ILIKE
        | SIMILAR TO
        | NOT_LA LIKE
        | NOT_LA ILIKE
        | NOT_LA SIMILAR TO"""
        negated = p[1] == "not"
        p[0] = (p[2] if negated else p[1], negated)

    def p_expression_overlaps(self, p: Symbols) -> None:
        """expression : value OVERLAPS value"""
        sides = (p[1], p[3])
        for side in sides:
            if not isinstance(side, ast.RowValue) or len(side.items) != 2:
                raise errors.SQLSyntaxError("wrong number of parameters on a side of OVERLAPS: two are needed", position=p.at(2))
        p[0] = ast.Function(("overlaps",), tuple(item for side in sides for item in side.items), position=p.at(2))

    # ---- values

    def p_value_binary(self, p: Symbols) -> None:
        """value : value '+' value
        | value '-' value
        | value '*' value
        | value '/' value
        | value '%' value
        | value '^' value
        | value OPERATOR value
        | value '~' value %prec OPERATOR"""
        p[0] = ast.Binary(p[2], p[1], p[3], position=p.at(2))

    def p_value_unary(self, p: Symbols) -> None:
        """value : '+' value %prec UNARY
        | '-' value %prec UNARY
        | '~' value %prec OPERATOR"""
        operand = p[2]
        # A negative number is a literal, so that the least BIGINT can be written.
        if p[1] == "-" and type(operand) is ast.Literal and type(operand.value) in (int, Decimal):
            value = operand.value
            assert isinstance(value, int | Decimal)
            p[0] = ast.Literal(-value if isinstance(value, int) else value.copy_negate(), position=p.at(1))
        else:
            p[0] = ast.Unary(p[1], operand, position=p.at(1))

    def p_value_at_time_zone(self, p: Symbols) -> None:
        """value : value AT_TIME_ZONE value %prec AT_TIME_ZONE"""
        p[0] = ast.Function(("timezone",), (p[3], p[1]), position=p.at(2))

    def p_value_collate(self, p: Symbols) -> None:
        """value : value COLLATE dotted"""
        p[0] = ast.Collate(p[1], p[3], position=p.at(2))

    def p_value_cast(self, p: Symbols) -> None:
        """value : value TYPECAST typename"""
        p[0] = ast.Cast(p[1], p[3], position=p.at(2))

    def p_value_cast_call(self, p: Symbols) -> None:
        """value : CAST '(' expression AS typename ')'"""
        p[0] = ast.Cast(p[3], p[5], position=p.at(1))

    def p_value_number(self, p: Symbols) -> None:
        """value : INTEGER
        | NUMBER
        | STRING
        | BLOB"""
        p[0] = ast.Literal(p[1], position=p.at(1))

    def p_value_constant(self, p: Symbols) -> None:
        """value : TRUE
        | FALSE
        | NULL"""
        p[0] = ast.Literal({"true": True, "false": False}.get(p[1]), position=p.at(1))

    def p_value_default(self, p: Symbols) -> None:
        """value : DEFAULT"""
        self.defaults.add(p.at(1))
        p[0] = ast.Default(position=p.at(1))

    def p_value_parameter(self, p: Symbols) -> None:
        """value : PARAMETER"""
        p[0] = ast.Parameter(p[1], position=p.at(1))

    def p_value_name(self, p: Symbols) -> None:
        """value : dotted"""
        parts = p[1]
        if len(parts) > 3:
            raise errors.SQLSyntaxError(f"improper qualified name (too many dotted names): {'.'.join(parts)}", position=p.at(1))
        p[0] = ast.Name(parts, position=p.at(1))

    def p_dotted(self, p: Symbols) -> None:
        """dotted : IDENTIFIER
        | dotted '.' label"""
        p[0] = (p[1],) if len(p) == 2 else (*p[1], p[3])

    def p_unit_label(self, p: Symbols) -> None:
        """label : IDENTIFIER
        | KEYWORD"""
        p[0] = p[1]

    def p_value_parentheses(self, p: Symbols) -> None:
        """value : '(' expression ')'"""
        p[0] = p[2]

    def p_value_row(self, p: Symbols) -> None:
        """value : '(' expression ',' expression_list ')'"""
        p[0] = ast.RowValue((p[2], *p[4]), position=p.at(1))

    def p_value_row_call(self, p: Symbols) -> None:
        """value : ROW_LA '(' ')'
        | ROW_LA '(' expression_list ')'"""
        p[0] = ast.RowValue(tuple(p[3]) if len(p) == 5 else (), position=p.at(1))

    def p_value_subquery(self, p: Symbols) -> None:
        """value : query_parens %prec UNARY"""
        p[0] = ast.Subquery(p[1], position=p.at(1))

    def p_value_exists(self, p: Symbols) -> None:
        """value : EXISTS query_parens"""
        p[0] = ast.Exists(p[2], position=p.at(1))

    def p_value_case(self, p: Symbols) -> None:
        """value : CASE whens case_else END
        | CASE expression whens case_else END"""
        operand = p[2] if len(p) == 6 else None
        p[0] = ast.Case(operand, tuple(p[len(p) - 3]), p[len(p) - 2], position=p.at(1))

    def p_whens(self, p: Symbols) -> None:
        """whens : WHEN expression THEN expression
        | whens WHEN expression THEN expression"""
        if len(p) == 5:
            p[0] = [(p[2], p[4])]
        else:
            p[1].append((p[3], p[5]))
            p[0] = p[1]

    def p_case_else(self, p: Symbols) -> None:
        """case_else :
        | ELSE expression"""
        p[0] = p[2] if len(p) == 3 else None

    def p_expression_list(self, p: Symbols) -> None:
        """expression_list : expression
        | expression_list ',' expression"""
        self.append(p)

    # ---- calls

    def p_unit_value_call(self, p: Symbols) -> None:
        """value : call
        | special_call
        | tailed_call"""
        p[0] = p[1]

    def p_call(self, p: Symbols) -> None:
        """call : dotted '(' ')'
        | dotted '(' expression_list ')'"""
        p[0] = ast.Function(p[1], tuple(p[3]) if len(p) == 5 else (), position=p.at(1))

    def p_call_star(self, p: Symbols) -> None:
        """call : dotted '(' '*' ')'"""
        p[0] = ast.Function(p[1], star=True, position=p.at(1))

    def p_call_aggregate(self, p: Symbols) -> None:
        """call : dotted '(' expression_list order_by ')'
        | dotted '(' ALL expression_list order_by_opt ')'
        | dotted '(' DISTINCT expression_list order_by_opt ')'"""
        arguments, order = tuple(p[len(p) - 3]), p[len(p) - 2]
        p[0] = ast.Function(p[1], arguments, distinct=p[3] == "distinct", order_by=order, position=p.at(1))

    def p_tailed_call(self, p: Symbols) -> None:
        """tailed_call : call call_tail
        | special_call call_tail
        | tailed_call call_tail"""
        call, (field, value) = p[1], p[2]
        rank = _TAILS.index(field)
        if any(getattr(call, name) not in ((), None, "respect") for name in _TAILS[rank:]):
            raise self.unexpected(p, 2)
        p[0] = replace(call, **{field: value})

    def p_call_tail_within(self, p: Symbols) -> None:
        """call_tail : WITHIN GROUP '(' order_by ')'"""
        p[0] = ("within_group", p[4])

    def p_call_tail_filter(self, p: Symbols) -> None:
        """call_tail : FILTER '(' WHERE expression ')'"""
        p[0] = ("filter", p[4])

    def p_call_tail_nulls(self, p: Symbols) -> None:
        """call_tail : RESPECT NULLS
        | IGNORE NULLS"""
        p[0] = ("nulls", p[1])

    def p_call_tail_over(self, p: Symbols) -> None:
        """call_tail : OVER IDENTIFIER
        | OVER window"""
        p[0] = ("over", p[2])

    def p_window(self, p: Symbols) -> None:
        """window : '(' window_base partition_by order_by_opt frame ')'"""
        p[0] = ast.Window(p[2], p[3], p[4], p[5], position=p.at(1))

    def p_window_base(self, p: Symbols) -> None:
        """window_base :
        | IDENTIFIER"""
        p[0] = p[1] if len(p) == 2 else None

    def p_partition_by(self, p: Symbols) -> None:
        """partition_by :
        | PARTITION BY expression_list"""
        p[0] = tuple(p[3]) if len(p) == 4 else ()

    def p_frame(self, p: Symbols) -> None:
        """frame :
        | frame_mode frame_bound frame_exclusion
        | frame_mode BETWEEN frame_bound AND frame_bound frame_exclusion"""
        if len(p) == 1:
            return
        start = p[2] if len(p) == 4 else p[3]
        end = ast.Bound("current row", position=p.at(1)) if len(p) == 4 else p[5]
        order = ("unbounded preceding", "preceding", "current row", "following", "unbounded following")
        if start.kind == "unbounded following":
            raise errors.WindowingError("frame start cannot be UNBOUNDED FOLLOWING", position=start.position)
        if end.kind == "unbounded preceding":
            raise errors.WindowingError("frame end cannot be UNBOUNDED PRECEDING", position=end.position)
        if order.index(start.kind) > order.index(end.kind):
            message = f"frame starting from {start.kind.upper()} cannot end at {end.kind.upper()}"
            raise errors.WindowingError(message, position=start.position)
        p[0] = ast.Frame(p[1], start, end, p[len(p) - 1], position=p.at(1))

    def p_unit_frame_mode(self, p: Symbols) -> None:
        """frame_mode : ROWS
        | RANGE
        | GROUPS"""
        p[0] = p[1]

    def p_frame_bound(self, p: Symbols) -> None:
        """frame_bound : UNBOUNDED PRECEDING
        | UNBOUNDED FOLLOWING
        | CURRENT ROW"""
        p[0] = ast.Bound(f"{p[1]} {p[2]}", position=p.at(1))  # type: ignore[arg-type]

    def p_frame_bound_value(self, p: Symbols) -> None:
        """frame_bound : value PRECEDING
        | value FOLLOWING"""
        p[0] = ast.Bound(p[2], p[1], position=p.at(1))

    def p_frame_exclusion(self, p: Symbols) -> None:
        """frame_exclusion :
        | EXCLUDE NO OTHERS
        | EXCLUDE CURRENT ROW
        | EXCLUDE GROUP
        | EXCLUDE TIES"""
        p[0] = " ".join(p[2:]) if len(p) > 1 else "no others"

    # ---- calls with a syntax of their own

    def p_special_niladic(self, p: Symbols) -> None:
        """special_call : NILADIC
        | NILADIC '(' ')'
        | NILADIC '(' INTEGER ')'"""
        arguments = (ast.Literal(p[3], position=p.at(3)),) if len(p) == 5 else ()
        p[0] = ast.Function((p[1],), arguments, position=p.at(1))

    def p_special_extract(self, p: Symbols) -> None:
        """special_call : EXTRACT '(' label FROM expression ')'
        | EXTRACT '(' STRING FROM expression ')'"""
        field = ast.Literal(p[3].lower(), position=p.at(3))
        p[0] = ast.Function(("extract",), (field, p[5]), position=p.at(1))

    def p_special_position(self, p: Symbols) -> None:
        """special_call : POSITION '(' value IN value ')'"""
        p[0] = ast.Function(("position",), (p[3], p[5]), position=p.at(1))

    def p_special_plain(self, p: Symbols) -> None:
        """special_call : SUBSTRING '(' expression_list ')'
        | OVERLAY '(' expression_list ')'"""
        p[0] = ast.Function((p[1],), tuple(p[3]), position=p.at(1))

    def p_special_substring(self, p: Symbols) -> None:
        """special_call : SUBSTRING '(' expression FROM expression ')'
        | SUBSTRING '(' expression FROM expression FOR expression ')'"""
        p[0] = ast.Function(("substring",), tuple(p[3::2]), position=p.at(1))

    def p_special_substring_for(self, p: Symbols) -> None:
        """special_call : SUBSTRING '(' expression FOR expression ')'
        | SUBSTRING '(' expression FOR expression FROM expression ')'"""
        start = p[7] if len(p) == 9 else ast.Literal(1, position=p.at(4))
        p[0] = ast.Function(("substring",), (p[3], start, p[5]), position=p.at(1))

    def p_special_overlay(self, p: Symbols) -> None:
        """special_call : OVERLAY '(' expression PLACING expression FROM expression ')'
        | OVERLAY '(' expression PLACING expression FROM expression FOR expression ')'"""
        p[0] = ast.Function(("overlay",), tuple(p[3::2]), position=p.at(1))

    def p_special_trim(self, p: Symbols) -> None:
        """special_call : TRIM '(' trim_side trim_arguments ')'"""
        p[0] = ast.Function((p[3],), p[4], position=p.at(1))

    def p_trim_side(self, p: Symbols) -> None:
        """trim_side :
        | LEADING
        | TRAILING
        | BOTH"""
        p[0] = {"leading": "ltrim", "trailing": "rtrim"}.get(p[1] if len(p) == 2 else "both", "btrim")

    def p_trim_arguments(self, p: Symbols) -> None:
        """trim_arguments : expression_list
        | FROM expression_list
        | expression FROM expression_list"""
        p[0] = (*p[3], p[1]) if len(p) == 4 else tuple(p[len(p) - 1])

    # ---- typed literals and type names

    def p_value_typed(self, p: Symbols) -> None:
        """value : dotted STRING
        | dotted time_zone STRING"""
        if len(p[1]) != 1:
            raise self.unexpected(p, 2)
        name = p[1][0] if len(p) == 3 else f"{p[1][0]} {p[2]}"
        last = len(p) - 1
        p[0] = ast.Cast(ast.Literal(p[last], position=p.at(last)), ast.TypeName(name, position=p.at(1)), position=p.at(1))

    def p_value_typed_words(self, p: Symbols) -> None:
        """value : TYPE_WORDS STRING"""
        p[0] = ast.Cast(ast.Literal(p[2], position=p.at(2)), ast.TypeName(p[1], position=p.at(1)), position=p.at(1))

    def p_value_typed_arguments(self, p: Symbols) -> None:
        """value : call STRING
        | call time_zone STRING"""
        call, last = p[1], len(p) - 1
        modifiers = tuple(a.value for a in call.arguments if isinstance(a, ast.Literal) and type(a.value) is int)
        if call != ast.Function(call.name, tuple(map(ast.Literal, modifiers))) or len(call.name) != 1:
            raise self.unexpected(p, 2)
        name = call.name[0] if len(p) == 3 else f"{call.name[0]} {p[2]}"
        literal = ast.Literal(p[last], position=p.at(last))
        p[0] = ast.Cast(literal, ast.TypeName(name, modifiers, position=p.at(1)), position=p.at(1))

    def p_value_interval(self, p: Symbols) -> None:
        """value : INTERVAL STRING interval_fields
        | INTERVAL '(' INTEGER ')' STRING"""
        last = len(p) - 1 if len(p) == 6 else 2
        text = p[last]
        if len(p) == 4 and p[3] is not None:
            text = interval_text(text, p[3], p.at(2))
        modifiers = (p[3],) if len(p) == 6 else ()
        type_name = ast.TypeName("interval", modifiers, position=p.at(1))
        p[0] = ast.Cast(ast.Literal(text, position=p.at(last)), type_name, position=p.at(1))

    def p_interval_fields(self, p: Symbols) -> None:
        """interval_fields :
        | interval_field
        | interval_field FIELD_TO interval_field"""
        if len(p) == 2:
            p[0] = p[1]
        elif len(p) == 4:
            p[0] = f"{p[1]} to {p[3]}"
            fields = ("year", "month", "day", "hour", "minute", "second")
            first, final = fields.index(p[1]), fields.index(p[3])
            if first >= final or (first < 2) != (final < 2):
                raise self.unexpected(p, 3)

    def p_unit_interval_field(self, p: Symbols) -> None:
        """interval_field : YEAR
        | MONTH
        | DAY
        | HOUR
        | MINUTE
        | SECOND"""
        p[0] = p[1]

    def p_typename(self, p: Symbols) -> None:
        """typename : type_word type_modifiers
        | type_word type_modifiers time_zone"""
        p[0] = ast.TypeName(p[1] if len(p) == 3 else f"{p[1]} {p[3]}", p[2], position=p.at(1))

    def p_typename_interval(self, p: Symbols) -> None:
        """typename : INTERVAL interval_fields
        | INTERVAL interval_fields '(' INTEGER ')'"""
        if len(p) == 6 and (p[2] is None or not p[2].endswith("second")):
            raise self.unexpected(p, 3)
        modifiers = (p[4],) if len(p) == 6 else ()
        p[0] = ast.TypeName("interval" if p[2] is None else f"interval {p[2]}", modifiers, position=p.at(1))

    def p_unit_type_word(self, p: Symbols) -> None:
        """type_word : IDENTIFIER
        | TYPE_WORDS"""
        p[0] = p[1]

    def p_unit_time_zone(self, p: Symbols) -> None:
        """time_zone : WITH_TIME_ZONE
        | WITHOUT_TIME_ZONE"""
        p[0] = p[1]

    def p_type_modifiers(self, p: Symbols) -> None:
        """type_modifiers :
        | '(' integer_list ')'"""
        p[0] = tuple(p[2]) if len(p) == 4 else ()

    def p_integer_list(self, p: Symbols) -> None:
        """integer_list : signed_integer
        | integer_list ',' signed_integer"""
        self.append(p)

    def p_signed_integer(self, p: Symbols) -> None:
        """signed_integer : INTEGER
        | '+' INTEGER
        | '-' INTEGER"""
        p[0] = -p[2] if p[1] == "-" else p[len(p) - 1]
