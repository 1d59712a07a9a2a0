"""Sequences: CREATE and ALTER SEQUENCE, and those behind identity and serial columns."""

from __future__ import annotations

from eventdb.errors import DuplicateTable, InvalidParameterValue, ObjectNotInPrerequisiteState
from eventdb.model.datatype import BIGINT, INTEGER_RANGES, DataType
from eventdb.model.event import Event, SequenceAdvanced, SequenceCreated
from eventdb.model.record import replace
from eventdb.model.schema import Sequence
from eventdb.sql.definition.names import creation_schema, find_column, find_table, names_in
from eventdb.sql.environment import Environment
from eventdb.sql.expressions.typenames import resolve_type
from eventdb.sql.parser import ast


def create_sequence(statement: ast.CreateSequence, env: Environment) -> list[Event]:
    """Raises DuplicateTable, InvalidParameterValue."""
    schema, name = creation_schema(env, statement.name, statement.temporary), statement.name.parts[-1]
    if name in names_in(env, schema):
        if statement.if_not_exists:
            return []
        raise DuplicateTable(f'relation "{name}" already exists').at(statement.name.position, env.text)
    return [SequenceCreated(new_sequence(env.catalog.new_id(schema), schema, name, statement.options, env))]


def new_sequence(
    sequence_id: int, schema: str, name: str, options: ast.SequenceOptions | None, env: Environment,
    datatype: DataType = BIGINT, owner: tuple[int, int] | None = None,
) -> Sequence:  # fmt: skip
    """A sequence with PostgreSQL's defaults for what the options leave out. Raises InvalidParameterValue."""
    options = options or ast.SequenceOptions()
    if options.type is not None:
        datatype = resolve_type(options.type)
    if datatype.kind not in INTEGER_RANGES:
        raise InvalidParameterValue("sequence type must be smallint, integer, or bigint").at(options.position, env.text)
    increment = 1 if options.increment is None else options.increment
    lowest, highest = INTEGER_RANGES[datatype.kind]
    up = increment > 0
    minimum = (1 if up else lowest) if options.minimum in (None, "none") else options.minimum
    maximum = (highest if up else -1) if options.maximum in (None, "none") else options.maximum
    assert isinstance(minimum, int)
    assert isinstance(maximum, int)
    start = options.start if options.start is not None else (minimum if up else maximum)
    made = Sequence(
        sequence_id, schema, name, datatype, start, increment, minimum, maximum, bool(options.cycle), options.cache or 1,
        _owner(options, schema, env) if options.owned_by else owner,
    )  # fmt: skip
    _check(made, options, env)
    return made


def _owner(options: ast.SequenceOptions, schema: str, env: Environment) -> tuple[int, int] | None:
    assert options.owned_by is not None
    if options.owned_by == ("none",):
        return None
    table = find_table(env, ast.QualifiedName(options.owned_by[:-1], position=options.position))
    if table.schema != schema:
        raise ObjectNotInPrerequisiteState("sequence must be in same schema as table it is linked to").at(options.position, env.text)
    return table.id, find_column(env, table, options.owned_by[-1], options.position).id


def _check(sequence: Sequence, options: ast.SequenceOptions, env: Environment) -> None:
    lowest, highest = INTEGER_RANGES[sequence.datatype.kind]
    problem = None
    if sequence.increment == 0:
        problem = "INCREMENT must not be zero"
    elif sequence.maximum > highest or sequence.maximum < lowest:
        problem = f"MAXVALUE ({sequence.maximum}) is out of range for sequence data type {sequence.datatype}"
    elif sequence.minimum < lowest or sequence.minimum > highest:
        problem = f"MINVALUE ({sequence.minimum}) is out of range for sequence data type {sequence.datatype}"
    elif sequence.minimum >= sequence.maximum:
        problem = f"MINVALUE ({sequence.minimum}) must be less than MAXVALUE ({sequence.maximum})"
    elif sequence.start < sequence.minimum:
        problem = f"START value ({sequence.start}) cannot be less than MINVALUE ({sequence.minimum})"
    elif sequence.start > sequence.maximum:
        problem = f"START value ({sequence.start}) cannot be greater than MAXVALUE ({sequence.maximum})"
    elif sequence.cache < 1:
        problem = f"CACHE ({sequence.cache}) must be greater than zero"
    if problem:
        raise InvalidParameterValue(problem).at(options.position, env.text)


def alter_sequence(sequence: Sequence, options: ast.SequenceOptions, env: Environment) -> list[Event]:
    """The sequence with other options; RESTART sets what comes next."""
    changes: dict[str, object] = {}
    if options.type is not None:
        changes["datatype"] = resolve_type(options.type)
    for name in ("start", "increment", "cycle", "cache"):
        if getattr(options, name) is not None:
            changes[name] = getattr(options, name)
    increment = options.increment if options.increment is not None else sequence.increment
    lowest, highest = INTEGER_RANGES[(resolve_type(options.type) if options.type else sequence.datatype).kind]
    if options.minimum is not None:
        changes["minimum"] = (1 if increment > 0 else lowest) if options.minimum == "none" else options.minimum
    if options.maximum is not None:
        changes["maximum"] = (highest if increment > 0 else -1) if options.maximum == "none" else options.maximum
    if options.owned_by is not None:
        changes["owner"] = _owner(options, sequence.schema, env)
    altered = replace(sequence, **changes)
    _check(altered, options, env)
    events: list[Event] = [SequenceCreated(altered)] if altered != sequence else []
    if options.restart is not None:
        first = altered.start if options.restart is True else int(options.restart)
        if not altered.minimum <= first <= altered.maximum:
            raise InvalidParameterValue(f"RESTART value ({first}) is out of range").at(options.position, env.text)
        at_start = first == altered.start
        events.append(SequenceAdvanced(sequence.id, None if at_start else first - altered.increment))
    return events
