"""Grammar of what changes rows: INSERT, UPDATE, DELETE, MERGE, TRUNCATE, and the erasing and undoing statements."""

from __future__ import annotations

from eventdb import errors
from eventdb.model.record import replace
from eventdb.sql.parser import ast
from eventdb.sql.parser.symbols import Actions, Symbols


class ManipulationRules(Actions):
    """Actions of the data manipulation grammar; each docstring holds its productions."""

    def p_manipulation_with(self, p: Symbols) -> None:
        """insert : with insert_plain
        update : with update_plain
        delete : with delete_plain
        merge : with merge_plain"""
        p[0] = replace(p[2], with_=p[1])

    def p_unit_manipulation(self, p: Symbols) -> None:
        """insert : insert_plain
        update : update_plain
        delete : delete_plain
        merge : merge_plain"""
        p[0] = p[1]

    # ---- INSERT

    def p_insert_plain(self, p: Symbols) -> None:
        """insert_plain : INSERT INTO relation_name as_opt insert_source on_conflict returning"""
        columns, places, overriding, source = p[5]
        p[0] = ast.Insert(p[3], columns, source, p[4], overriding, p[6], p[7], column_positions=places, position=p.at(1))

    def p_as_opt(self, p: Symbols) -> None:
        """as_opt :
        | AS IDENTIFIER"""
        p[0] = p[2] if len(p) == 3 else None

    def p_insert_source(self, p: Symbols) -> None:
        """insert_source : query
        | OVERRIDING overriding VALUE query
        | '(' names ')' query
        | '(' names ')' OVERRIDING overriding VALUE query"""
        last = len(p) - 1
        columns = tuple(p[2]) if p[1] == "(" else ()
        overriding = p[last - 2] if last in (4, 7) and p[last - 1] == "value" else None
        # Between two names stands one comma.
        places = tuple(p.tokens.starts[p.token(2) + 2 * i] for i in range(len(columns)))
        p[0] = (columns, places, overriding, p[last])

    def p_insert_source_default(self, p: Symbols) -> None:
        """insert_source : DEFAULT VALUES"""
        p[0] = ((), (), None, None)

    def p_unit_overriding(self, p: Symbols) -> None:
        """overriding : SYSTEM
        | USER"""
        p[0] = p[1]

    def p_on_conflict(self, p: Symbols) -> None:
        """on_conflict :
        | ON_CONFLICT conflict_target DO NOTHING
        | ON_CONFLICT conflict_target DO UPDATE SET assignments where"""
        if len(p) == 1:
            return
        columns, index_where, constraint = p[2]
        if len(p) == 5:
            p[0] = ast.OnConflict(columns, index_where, constraint, position=p.at(1))
            return
        if not columns and constraint is None:
            message = "ON CONFLICT DO UPDATE requires inference specification or constraint name"
            raise errors.SQLSyntaxError(message, position=p.at(1), hint="For example, ON CONFLICT (column_name).")
        p[0] = ast.OnConflict(columns, index_where, constraint, True, tuple(p[6]), p[7], position=p.at(1))

    def p_conflict_target(self, p: Symbols) -> None:
        """conflict_target :
        | '(' expression_list ')' where
        | ON CONSTRAINT IDENTIFIER"""
        if len(p) == 5:
            p[0] = (tuple(p[2]), p[4], None)
        else:
            p[0] = ((), None, p[3] if len(p) == 4 else None)

    def p_returning(self, p: Symbols) -> None:
        """returning :
        | RETURNING select_list"""
        p[0] = tuple(p[2]) if len(p) == 3 else ()

    # ---- UPDATE

    def p_update_plain(self, p: Symbols) -> None:
        """update_plain : UPDATE relation_name target_alias SET assignments from where returning"""
        p[0] = ast.Update(p[2], tuple(p[5]), p[3], p[6], p[7], p[8], position=p.at(1))

    def p_target_alias(self, p: Symbols) -> None:
        """target_alias :
        | alias_name"""
        p[0] = p[1] if len(p) == 2 else None

    def p_assignments(self, p: Symbols) -> None:
        """assignments : assignment
        | assignments ',' assignment"""
        self.append(p)

    def p_assignment(self, p: Symbols) -> None:
        """assignment : IDENTIFIER '=' expression
        | '(' names ')' '=' expression"""
        columns = (p[1],) if len(p) == 4 else tuple(p[2])
        value = p[len(p) - 1]
        if self.defaults:
            self.allow_defaults((value,))
        p[0] = ast.Assignment(columns, value, position=p.at(1))

    # ---- DELETE

    def p_delete_plain(self, p: Symbols) -> None:
        """delete_plain : DELETE FROM relation_name target_alias using where returning"""
        p[0] = ast.Delete(p[3], p[4], p[5], p[6], p[7], position=p.at(1))

    def p_using(self, p: Symbols) -> None:
        """using :
        | USING table_list"""
        p[0] = tuple(p[2]) if len(p) == 3 else ()

    # ---- MERGE

    def p_merge_plain(self, p: Symbols) -> None:
        """merge_plain : MERGE INTO relation_name target_alias USING table ON expression merge_whens returning"""
        p[0] = ast.Merge(p[3], p[4], p[6], p[8], tuple(p[9]), p[10], position=p.at(1))

    def p_merge_whens(self, p: Symbols) -> None:
        """merge_whens : merge_when
        | merge_whens merge_when"""
        self.append(p)

    def p_merge_when(self, p: Symbols) -> None:
        """merge_when : WHEN MATCHED merge_condition THEN merge_update
        | WHEN MATCHED merge_condition THEN merge_nothing
        | WHEN NOT MATCHED merge_condition THEN merge_insert
        | WHEN NOT MATCHED merge_condition THEN merge_nothing"""
        p[0] = self.merge_when(p, len(p) == 6)

    def p_merge_when_by(self, p: Symbols) -> None:
        """merge_when : WHEN NOT MATCHED BY IDENTIFIER merge_condition THEN merge_update
        | WHEN NOT MATCHED BY IDENTIFIER merge_condition THEN merge_insert
        | WHEN NOT MATCHED BY IDENTIFIER merge_condition THEN merge_nothing"""
        if p[5] not in ("source", "target"):
            raise self.unexpected(p, 5)
        if p[8]["action"] in (("insert",) if p[5] == "source" else ("update", "delete")):
            raise self.unexpected(p, 8)
        p[0] = self.merge_when(p, False, p[5] == "source")

    def merge_when(self, p: Symbols, matched: bool, by_source: bool = False) -> ast.MergeWhen:
        """The clause whose last symbols are its condition, THEN and its action."""
        return ast.MergeWhen(matched, condition=p[len(p) - 3], by_source=by_source, **p[len(p) - 1], position=p.at(1))

    def p_merge_condition(self, p: Symbols) -> None:
        """merge_condition :
        | AND expression"""
        p[0] = p[2] if len(p) == 3 else None

    def p_merge_update(self, p: Symbols) -> None:
        """merge_update : UPDATE SET assignments"""
        p[0] = {"action": "update", "assignments": tuple(p[3])}

    def p_merge_delete(self, p: Symbols) -> None:
        """merge_update : DELETE"""
        p[0] = {"action": "delete"}

    def p_merge_nothing(self, p: Symbols) -> None:
        """merge_nothing : DO NOTHING"""
        p[0] = {"action": "nothing"}

    def p_merge_insert(self, p: Symbols) -> None:
        """merge_insert : INSERT columns_opt VALUES '(' expression_list ')'
        | INSERT columns_opt OVERRIDING overriding VALUE VALUES '(' expression_list ')'"""
        values = p[len(p) - 2]
        if self.defaults:
            self.allow_defaults(values)
        overriding = p[4] if len(p) > 7 else None
        p[0] = {"action": "insert", "columns": p[2], "values": tuple(values), "overriding": overriding}

    def p_merge_insert_default(self, p: Symbols) -> None:
        """merge_insert : INSERT DEFAULT VALUES"""
        p[0] = {"action": "insert"}

    # ---- whole tables and history

    def p_truncate(self, p: Symbols) -> None:
        """truncate : TRUNCATE table_word relation_names identity drop_behaviour"""
        p[0] = ast.Truncate(tuple(p[3]), p[4], p[5], position=p.at(1))

    def p_table_word(self, p: Symbols) -> None:
        """table_word :
        | TABLE"""

    def p_identity(self, p: Symbols) -> None:
        """identity :
        | RESTART IDENTITY
        | CONTINUE IDENTITY"""
        p[0] = len(p) == 3 and p[1] == "restart"

    def p_relation_names(self, p: Symbols) -> None:
        """relation_names : relation_name
        | relation_names ',' relation_name"""
        self.append(p)

    def p_erase(self, p: Symbols) -> None:
        """erase : ERASE FROM relation_name target_alias where"""
        p[0] = ast.Erase(p[3], p[4], p[5], position=p.at(1))

    def p_delete_history(self, p: Symbols) -> None:
        """delete_history : DELETE HISTORY FROM relation_name BEFORE SYSTEM_TIME moment dry_run
        | DELETE HISTORY FROM relation_name BEFORE TRANSACTION value dry_run
        | DELETE HISTORY FROM relation_name dry_run
        | DELETE HISTORY dry_run"""
        before = None
        if len(p) == 9:
            before = p[7] if p[6] != "transaction" else ast.Moment(p[7], True, position=p.at(6))
        p[0] = ast.DeleteHistory(p[4] if len(p) > 4 else None, before, p[len(p) - 1], position=p.at(1))

    def p_dry_run(self, p: Symbols) -> None:
        """dry_run :
        | DRY RUN"""
        p[0] = len(p) == 3

    def p_revert(self, p: Symbols) -> None:
        """revert : REVERT TRANSACTION value"""
        p[0] = ast.RevertTransaction(p[3], position=p.at(1))

    def p_flashback(self, p: Symbols) -> None:
        """flashback : FLASHBACK TABLE relation_names TO moment
        | FLASHBACK TABLE relation_names TO BEFORE DROP
        | FLASHBACK TABLE relation_names TO BEFORE DROP RENAME TO IDENTIFIER"""
        if len(p) > 6 and len(p[3]) > 1:
            raise errors.SQLSyntaxError("TO BEFORE DROP brings back one table", position=p[3][1].position)
        p[0] = ast.FlashbackTable(tuple(p[3]), p[5] if len(p) == 6 else None, p[9] if len(p) == 10 else None, position=p.at(1))
