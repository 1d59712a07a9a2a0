"""What is stored comes back: every type, every event, every schema object; damaged or newer bytes are named."""

from __future__ import annotations

import datetime
import math
import struct
import time
import uuid
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventdb.errors import DataCorrupted, DataError, Error, FormatVersionError
from eventdb.model import event as events
from eventdb.model.datatype import INTEGER_RANGES, DataType, Kind
from eventdb.model.record import Record
from eventdb.model.schema import (
    Action,
    Check,
    Column,
    ForeignKey,
    Identity,
    Index,
    IndexColumn,
    Sequence,
    Table,
    Unique,
    View,
)
from eventdb.model.value import Interval
from eventdb.storage import codec
from eventdb.storage.codec import objects
from eventdb.storage.codec.rows import COLUMNS_FROM

UTC = datetime.UTC
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
DECIMALS = st.decimals(allow_nan=False) | st.sampled_from(["NaN", "Infinity", "-Infinity", "1E+500", "-0.00"]).map(Decimal)
ZONES = st.integers(-86_399, 86_399).map(lambda s: UTC if s == 0 else datetime.timezone(datetime.timedelta(seconds=s)))
FLOATS = st.floats().map(lambda x: math.nan if x != x else x)
VALUES: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.NULL: st.none(),
    Kind.BOOLEAN: st.booleans(),
    **{kind: st.integers(low, high) | st.integers(-200, 200) for kind, (low, high) in INTEGER_RANGES.items()},
    Kind.NUMERIC: DECIMALS,
    Kind.REAL: FLOATS | st.floats(width=32).map(lambda x: math.nan if x != x else x),
    Kind.DOUBLE: FLOATS,
    **dict.fromkeys((Kind.TEXT, Kind.VARCHAR, Kind.CHAR, Kind.JSON), TEXT),
    Kind.BYTEA: st.binary(max_size=20),
    Kind.DATE: st.dates(),
    Kind.TIME: st.times(),
    Kind.TIMETZ: st.times(timezones=ZONES),
    Kind.TIMESTAMP: st.datetimes(),
    Kind.TIMESTAMPTZ: st.datetimes(timezones=st.just(UTC)),
    Kind.INTERVAL: st.builds(Interval, st.integers(-5000, 5000), st.integers(-(10**5), 10**5), st.integers(-(10**15), 10**15)),
    Kind.UUID: st.uuids(),
}
KINDS = sorted(VALUES, key=lambda kind: kind.name)


def exact(value: Any) -> Any:
    """A form in which two values are equal only if nothing tells them apart."""
    match value:
        case Decimal():
            return "decimal", str(value)
        case float():
            return "float", struct.pack("<d", value), value is math.nan
        case Interval():
            return "interval", value.months, value.whole_days, value.time_us
        case datetime.time():
            return "time", value.replace(tzinfo=None), value.utcoffset()
        case datetime.datetime():
            return "timestamp", value.replace(tzinfo=None), value.tzinfo
        case uuid.UUID():
            return "uuid", value.int, value.is_safe
        case tuple() | list():
            return [exact(v) for v in value]
    return type(value), value


def test_every_kind_has_values_here() -> None:
    """A new type cannot be forgotten by these tests, nor by the numbering of kinds."""
    assert set(VALUES) == set(Kind) == set(objects.KIND_NUMBERS)
    assert len(set(objects.KIND_NUMBERS.values())) == len(Kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [0, 3, 100])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_columns_come_back(kind: Kind, size: int, data: st.DataObject) -> None:
    """Columns of every type, with and without NULLs, with and without repeated values."""
    values = data.draw(st.lists(VALUES[kind] | st.none(), max_size=size) | st.lists(VALUES[kind], max_size=size))
    values = values * data.draw(st.sampled_from([1, 30]))
    datatype = DataType(kind)
    packed = codec.loads(codec.dumps(codec.pack_column(datatype, values)))
    assert exact(codec.unpack_column(datatype, packed)) == exact(values)


@pytest.mark.parametrize("count", [0, 1, 2, COLUMNS_FROM - 1, COLUMNS_FROM, 70])
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_row_events_come_back(count: int, data: st.DataObject) -> None:
    """Row events of any types, few rows and many, with keys of one column and of several."""
    kinds = data.draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=5))
    key_kinds = data.draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=3))
    row = st.tuples(*(VALUES[k] | st.none() for k in kinds))
    key = st.tuples(*(VALUES[k] for k in key_kinds))
    rows = [data.draw(row) for _ in range(min(count, 5))] * (count // 5 + 1)
    keys = [data.draw(key) for _ in range(min(count, 5))] * (count // 5 + 1)
    rows, keys = rows[:count], [k if len(key_kinds) > 1 else k[0] for k in keys[:count]]
    types, key_types = tuple(map(DataType, kinds)), tuple(map(DataType, key_kinds))
    slots = tuple(range(1, len(kinds) + 1))
    body = [
        events.RowsInserted(7, types, rows),
        events.RowsUpdated(7, key_types, keys, slots, types, rows),
        events.RowsDeleted(7, key_types, keys),
    ]
    inserted, updated, deleted = codec.decode_body(codec.encode_body(body))
    assert isinstance(inserted, events.RowsInserted)
    assert isinstance(updated, events.RowsUpdated)
    assert isinstance(deleted, events.RowsDeleted)
    assert (inserted.table_id, inserted.types, exact(inserted.rows)) == (7, types, exact(rows))
    assert all(type(r) is tuple for r in inserted.rows)
    assert (updated.key_types, updated.slots, updated.types) == (key_types, slots, types)
    assert (exact(updated.keys), exact(updated.values)) == (exact(keys), exact(rows))
    assert (deleted.key_types, exact(deleted.keys)) == (key_types, exact(keys))


TABLE = Table(
    7, "public", "orders", 8,
    (
        Column(1, "id", DataType(Kind.BIGINT), 1, False, identity=Identity.BY_DEFAULT, sequence_id=9),
        Column(2, "price", DataType(Kind.NUMERIC, precision=10, scale=2), 2, default="0", missing=Decimal("1.50"), comment="in €"),
        Column(3, "at", DataType(Kind.TIMESTAMPTZ, precision=3), 3, missing=datetime.datetime(2024, 2, 29, tzinfo=UTC)),
        Column(5, "name", DataType(Kind.VARCHAR, length=20), 4, generated="upper(x)", missing="?"),
        Column(6, "_rowid", DataType(Kind.BIGINT), 5, hidden=True),
    ),
    (1,),
    (
        Unique("orders_pkey", (1,), primary=True),
        Unique("u", (2, 3), index_id=12, nulls_distinct=False, deferrable=True, deferred=True, comment="c"),
        Check("c", "price > 0"),
        ForeignKey("f", (2,), 4, (1,), Action.CASCADE, Action.SET_NULL, (2,), match_full=True),
    ),
    6, 4, 7, "the orders", {"history": {"retention": [1, "day"]}},
)  # fmt: skip
INDEX_COLUMNS = (IndexColumn(2, descending=True), IndexColumn(None, "lower(name)", nulls_first=True))
INDEX = Index(12, "public", "i", 7, INDEX_COLUMNS, True, where="x", include=(3,))
VIEW = View(20, "public", "v", "SELECT 1", (("a", DataType(Kind.INTEGER)), ("b", DataType(Kind.CHAR, length=3))), (7,), "a view")
SEQUENCE = Sequence(9, "public", "s", DataType(Kind.BIGINT), 5, -1, -(2**63), 10, True, 3, (7, 1))
BODY = [
    events.SchemaCreated("app", "of the app"), events.SchemaCreated("b"), events.SchemaDropped("app"),
    events.TableCreated(TABLE), events.TableAltered(TABLE), events.TableDropped(7),
    events.TableRewritten(TABLE, (DataType(Kind.BIGINT), DataType(Kind.TEXT)), [(1, "a"), (2, None)]),
    events.IndexCreated(INDEX), events.IndexDropped(12), events.ViewCreated(VIEW), events.ViewDropped(20),
    events.SequenceCreated(SEQUENCE), events.SequenceDropped(9), events.SequenceAdvanced(9, 2**40), events.SequenceAdvanced(9, None),
    events.RowsInserted(7, (DataType(Kind.BIGINT),), [(1,)]), events.RowsUpdated(7, (DataType(Kind.BIGINT),), [1], (), (), [()]),
    events.RowsDeleted(7, (DataType(Kind.BIGINT), DataType(Kind.TEXT)), [(1, "x")]),
    events.RowsErased(7, 1, 3, 2**33), events.HistoryTrimmed(7, 12, 3, 0, 11), events.BodiesRewritten([1, 2, 90_000], [bytes(32)] * 3),
]  # fmt: skip


def test_every_event_comes_back() -> None:
    """Every class of event, with schema objects that use every field."""
    assert {type(e) for e in BODY} == {c for c in vars(events).values() if hasattr(c, "__fields__")} - {Record,
        DataType, Index, Sequence, Table, View,
    }  # fmt: skip
    assert codec.decode_body(codec.encode_body(BODY)) == BODY
    assert codec.decode_body(codec.encode_body([])) == []


def test_fields_with_their_defaults_take_no_room() -> None:
    """A field added later with a default changes nothing for what was written before."""
    assert set(codec.pack_object(Sequence(1, "public", "s", DataType(Kind.BIGINT)))) == {"id", "schema", "name", "datatype"}


@pytest.mark.parametrize(
    ("packed", "words"),
    [
        ([["RowsForgotten", 1, 5]], "the event 'RowsForgotten'"),
        ([["RowsInserted", 2, 5]], "version 2 of the event 'RowsInserted'"),
        ([["IndexCreated", 1, {"id": 1, "colour": "red"}]], "Index with the field 'colour'"),
        ([["RowsInserted", 1, 5, [99], [0, [[1]]]]], "kind 99"),
        ([["TableCreated", 1, {"id": 1, "constraints": [["exclude", {}]]}]], "constraint of the kind 'exclude'"),
    ],
)
def test_what_a_newer_version_wrote_is_named(packed: Any, words: str) -> None:
    """Unknown events, versions, fields and types are told from damage."""
    with pytest.raises(FormatVersionError, match=words):
        codec.decode_body(codec.dumps(packed))


@pytest.mark.parametrize(
    "packed",
    [
        5,
        {"a": 1},
        [5],
        [[]],
        [["RowsInserted", 1]],
        [["TableCreated", 1, {"id": 1}]],
        [["TableDropped", 1]],
        [["TableDropped", 1, 1, 2]],
        *(
            [["RowsInserted", 1, 5, types, rows]]
            for types, rows in [
                ([3], [0, [[1, 2]]]),
                ([3], [1, 2, [[1]]]),
                ([3, 3], [1, 1, [[1]]]),
                ([3], [7, 1]),
                ([3], [1, 10**15, [10**15]]),
                ([3], [1, 1, [codec.Tag(78, b"abc")]]),
                ([3], [1, 1, [codec.Tag(999, b"abcd")]]),
                ([8], [1, 1, [{"words": ["a"], "index": [4]}]]),
                ([8], [1, 1, [{"words": ["a"], "index": [-1]}]]),
                ([3], [1, 1, [{"values": [1], "nulls": b"ab"}]]),
                ([5], [0, [["x"]]]),
                ([12], [0, [[10**9]]]),
                ([18], [0, [[b"short"]]]),
                ([17], [1, 1, [{"months": [1], "days": [], "time": [1]}]]),
            ]
        ),
    ],
)
def test_what_has_not_the_form_of_a_body_is_damage(packed: Any) -> None:
    """Never a bare Python error."""
    with pytest.raises(DataCorrupted):
        codec.decode_body(codec.dumps(packed))


def test_damaged_bytes_never_raise_anything_but_our_errors() -> None:
    """Every byte of a body flipped or cut off: other events, or an error of eventdb."""
    data = codec.encode_body([*BODY, events.RowsInserted(7, (DataType(Kind.INTEGER), DataType(Kind.TEXT)), [(n, "a") for n in range(70)])])
    for at in range(len(data)):
        flipped = [data[:at] + bytes([data[at] ^ bits]) + data[at + 1 :] for bits in (0x01, 0x55, 0x80)]
        for changed in (*flipped, data[:at]):
            try:
                codec.decode_body(changed)
            except Error:
                pass


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_random_bytes_never_raise_anything_but_our_errors(data: bytes) -> None:
    """`loads` and `decode_body` on anything."""
    for read in (codec.loads, codec.decode_body):
        try:
            read(data)
        except Error:
            pass


def test_bytes_after_the_item_are_damage() -> None:
    """`loads` takes exactly one item."""
    with pytest.raises(DataCorrupted, match="1 bytes too many"):
        codec.loads(codec.dumps([1]) + b"\0")


@pytest.mark.parametrize("value", [object(), "\ud800", [{"a": object()}], {1, 2, object()}])
def test_what_cannot_be_stored_is_refused(value: Any) -> None:
    """A DataError that says why, not a Python error."""
    with pytest.raises(DataError):
        codec.dumps(value)


@pytest.mark.parametrize("count", [1, 50])
@pytest.mark.parametrize("kind", [k for k in KINDS if k in objects.KIND_NUMBERS and k not in (Kind.NULL,)])
def test_a_value_of_another_type_is_refused_or_kept(kind: Kind, count: int) -> None:
    """A value that is not of its column's type gives a DataError, or comes back as it was; nothing in between."""
    types = (DataType(kind),)
    for wrong in ("x", 1.5, b"x", object(), 2**80):
        body = [events.RowsInserted(1, types, [(wrong,)] * count)]
        try:
            data = codec.encode_body(body)
        except DataError:
            continue
        try:
            (back,) = codec.decode_body(data)
        except DataCorrupted:
            continue
        assert isinstance(back, events.RowsInserted)
        assert len(back.rows) == count


def test_numbers_take_the_smallest_width() -> None:
    """A column of integers is as wide as its widest value; little endian, by RFC 8746."""
    cases = [([-128, 127], 72, 1), ([128, 0], 77, 2), ([-32769, 0], 78, 4), ([2**31, 0], 79, 8), ([-(2**63), 2**63 - 1], 79, 8)]
    for values, tag, size in cases:
        packed = codec.pack_column(DataType(Kind.BIGINT), values)
        assert (packed.tag, packed.value) == (tag, b"".join(v.to_bytes(size, "little", signed=True) for v in values))


def test_few_different_texts_are_stored_once() -> None:
    """Repeated values cost an index each, and are one object each when they come back."""
    values = [f"region {n % 5}" for n in range(10_000)]
    data = codec.dumps(codec.pack_column(DataType(Kind.TEXT), values))
    assert len(data) < 10_200
    back = codec.unpack_column(DataType(Kind.TEXT), codec.loads(data))
    assert back == values
    assert len({id(v) for v in back}) == 5


@pytest.mark.slow
def test_speed_of_bodies() -> None:
    """100,000 rows of (int, text, int, text, int) in tenths of a second of processor time: generous bounds."""
    types = tuple(DataType(k) for k in (Kind.INTEGER, Kind.TEXT, Kind.INTEGER, Kind.TEXT, Kind.INTEGER))
    rows = [(i, f"owner {i}", i * 7919 % 100_000, f"region {i % 20}", 1_700_000_000 + i) for i in range(100_000)]
    began = time.process_time()
    data = codec.encode_body([events.RowsInserted(1, types, rows)])
    assert time.process_time() - began < 0.3
    began = time.process_time()
    codec.decode_body(data)
    assert time.process_time() - began < 0.4


@pytest.mark.parametrize("kind", [Kind.REAL, Kind.DOUBLE])
@pytest.mark.parametrize("count", [1, 50])
def test_every_nan_comes_back_as_the_one_nan(kind: Kind, count: int) -> None:
    """Keys with NaN are found by identity, so replay must not make new NaNs; infinities and the sign of zero stay."""
    body = [events.RowsInserted(1, (DataType(kind),), [(v,) for v in (math.nan, math.inf, -math.inf, -0.0)] * count)]
    (back,) = codec.decode_body(codec.encode_body(body))
    assert isinstance(back, events.RowsInserted)
    assert exact(back.rows) == exact(body[0].rows)
    assert back.rows[0][0] is math.nan


def test_intervals_of_one_length_show_what_they_are() -> None:
    """A month and thirty days are equal and yet different values."""
    month, days = Interval(1), Interval(0, 30)
    assert month == days
    assert repr(month) == "Interval(months=1)"
    assert repr(days) == "Interval(days=30)"


def test_an_older_form_of_an_event() -> None:
    """Before it said how far something is missing: then up to the horizon."""
    body = codec.decode_body(codec.dumps([["HistoryTrimmed", 1, 7, 12, 3, 0]]))
    assert body == [events.HistoryTrimmed(7, 12, 3, 0, 12)]
    assert codec.decode_body(codec.encode_body(body)) == body
