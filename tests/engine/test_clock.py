"""Whatever the clock does, commit times increase, and AS OF is a prefix of the log: through SQL, connections and restore alike."""

from __future__ import annotations

import datetime
import itertools
import zoneinfo
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import eventdb
from eventdb.model import clock
from eventdb.model.transaction import UTC, datetime_of, microseconds_of

START = microseconds_of(datetime.datetime(2024, 6, 1, 12, tzinfo=UTC))
HOUR = 3_600_000_000


class Clock:
    """A clock that says what it is told, in microseconds; a sequence of `times` is said one after the other, the last for ever."""

    def __init__(self, *times: int) -> None:
        self.times = list(times)

    def __call__(self) -> int:
        return (self.times.pop(0) if len(self.times) > 1 else self.times[0]) * 1000


@pytest.fixture
def at() -> Iterator[Callable[[int], None]]:
    """`at(microseconds)` sets the clock."""
    told = Clock(START)

    def tell(microseconds: int) -> None:
        told.times = [microseconds]

    with clock.replaced(told):
        yield tell


def filled(path: Path | str, at: Callable[[int], None], moments: list[int]) -> eventdb.Connection:
    """A table whose row n was written when the clock said moments[n - 1]; transaction n + 1."""
    connection = eventdb.connect(path, autocommit=True)
    at(moments[0] - HOUR)
    connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY)")
    for n, moment in enumerate(moments, 1):
        at(moment)
        connection.execute("INSERT INTO t VALUES (?)", (n,))
    return connection


def times_of(connection: eventdb.Connection) -> list[datetime.datetime]:
    return [row[0] for row in connection.execute("SELECT committed_at FROM eventdb.transactions ORDER BY number").fetchall()]


def check_prefixes(connection: eventdb.Connection) -> None:
    """Times increase; at each commit time, and just before it, AS OF sees just what was committed up to there."""
    times = times_of(connection)
    assert all(a < b for a, b in itertools.pairwise(times))
    micro = datetime.timedelta(microseconds=1)
    for number, moment in enumerate(times, 1):
        for asked, seen in ((moment, number), (moment - micro, number - 1)):
            if seen:
                rows = connection.execute("SELECT n FROM t FOR SYSTEM_TIME AS OF ? ORDER BY n", (asked,)).fetchall()
                assert rows == [(n,) for n in range(1, seen)], asked
        if number > 1:
            rows = connection.execute("SELECT count(*) FROM t FOR SYSTEM_TIME FROM ? TO ?", (times[0], moment)).fetchall()
            assert rows == [(number - 2,)]


JUMPS = {
    "back an hour": [START, START + 5, START - HOUR, START - HOUR + 5, START + HOUR],
    "forth a day and back": [START, START + 24 * HOUR, START + 1, START + 2, START + 25 * HOUR],
    "to and fro": [START + (n % 2 * 2 - 1) * n * HOUR for n in range(12)],
    "stands still": [START] * 20,
    "runs backwards": [START - n for n in range(20)],
    "before 1970": [START, -5, 0, 5],
}


@pytest.mark.parametrize("moments", JUMPS.values(), ids=JUMPS.keys())
def test_a_clock_that_jumps(moments: list[int], at: Callable[[int], None], tmp_path: Path) -> None:
    connection = filled(tmp_path / "db", at, moments)
    check_prefixes(connection)
    connection.verify().raise_for_problems()
    times = times_of(connection)
    connection.close()
    connection = eventdb.connect(tmp_path / "db", autocommit=True)
    assert times_of(connection) == times
    check_prefixes(connection)
    for number, moment in enumerate(times, 1):
        pinned = eventdb.connect(tmp_path / "db", as_of=moment)
        assert pinned.session.pinned == number
        pinned.close()
        assert eventdb.restore(tmp_path / "db", tmp_path / f"{number}", to=moment).transaction == number
    connection.close()


def test_the_future_is_refused_but_what_is_settled_is_not(at: Callable[[int], None]) -> None:
    """A clock that ran a day ahead is set back: up to the newest commit all moments are answered, though they lie in the future now."""
    connection = filled(":memory:", at, [START, START + 24 * HOUR])
    at(START + HOUR)
    for moment, rows in ((START + 2 * HOUR, 1), (START + 24 * HOUR - 1, 1), (START + 24 * HOUR, 2)):
        found = connection.execute("SELECT count(*) FROM t FOR SYSTEM_TIME AS OF ?", (datetime_of(moment),)).fetchone()
        assert found == (rows,), moment
    with pytest.raises(eventdb.DataError, match="lies in the future"):
        connection.execute("SELECT * FROM t FOR SYSTEM_TIME AS OF ?", (datetime_of(START + 24 * HOUR + 1),))
    connection.execute("BEGIN")
    connection.execute("INSERT INTO t VALUES (100)")  # a draft has no time yet
    found = connection.execute("SELECT count(*) FROM t FOR SYSTEM_TIME AS OF ?", (datetime_of(START + 24 * HOUR),)).fetchone()
    assert found == (2,)
    with pytest.raises(eventdb.DataError, match="lies in the future"):
        connection.execute("SELECT * FROM t FOR SYSTEM_TIME AS OF ?", (datetime_of(START + 24 * HOUR + 1),))
    connection.close()


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_ten_thousand_transactions_in_a_second(count: int, at: Callable[[int], None]) -> None:
    """A hundred on each microsecond the clock shows: each has a time of its own, and each of them is a moment to go back to."""
    connection = eventdb.connect(":memory:", autocommit=True, durability="none")
    connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY)")
    for n in range(1, count + 1):
        at(START + 1 + n // 100 * 100)
        connection.execute("INSERT INTO t VALUES (?)", (n,))
    times = times_of(connection)
    assert len(set(times)) == count + 1
    assert times[-1] - times[0] < datetime.timedelta(seconds=1)
    assert all(a < b for a, b in itertools.pairwise(times))
    for number in (*range(2, 200), *range(count // 2, count // 2 + 100), count + 1):
        rows = connection.execute("SELECT count(*), max(n) FROM t FOR SYSTEM_TIME AS OF ?", (times[number - 1],)).fetchone()
        assert rows == (number - 1, number - 1)
    connection.close()


NEW_YORK = zoneinfo.ZoneInfo("America/New_York")


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"])
def test_as_of_through_a_year_in_a_zone(zone: str, at: Callable[[int], None]) -> None:
    """A transaction every 30 minutes around the changes of the clocks: each is found by its local time as the session shows it."""
    first = [
        datetime.datetime(2024, month, day, hour, tzinfo=UTC) + datetime.timedelta(minutes=30 * step)
        for month, day, hour in ((3, 10, 7), (3, 31, 1), (4, 6, 15), (10, 5, 15), (10, 27, 1), (11, 3, 6))
        for step in range(-6, 7)
    ]
    moments = [microseconds_of(moment) for moment in first]
    connection = filled(":memory:", at, moments)
    at(microseconds_of(datetime.datetime(2025, 1, 1, tzinfo=UTC)))
    connection.execute(f"SET TIME ZONE '{zone}'")
    own = zoneinfo.ZoneInfo(zone)
    local = [moment.astimezone(own).replace(tzinfo=None) for moment in first]
    for n, shown in enumerate(local, 1):
        last = max(m for m, other in enumerate(local, 1) if other == shown)  # a time that came twice is the second one
        for asked in (shown, f"{shown}"):
            found = connection.execute("SELECT max(n) FROM t FOR SYSTEM_TIME AS OF ?", (asked,)).fetchone()
            assert found == (last,), (n, shown)
        text = connection.execute(f"SELECT max(n) FROM t FOR SYSTEM_TIME AS OF TIMESTAMP '{shown}'").fetchone()
        assert text == (last,)
    connection.close()


CASES = [
    # New York: 2024-03-10 02:00 EST is 03:00 EDT; 2024-11-03 02:00 EDT is 01:00 EST. What PostgreSQL answers:
    ("2024-03-10 01:59:59", "2024-03-10 06:59:59"),
    ("2024-03-10 02:00:00", "2024-03-10 07:00:00"),  # never was: counted on from before the change
    ("2024-03-10 02:30:00", "2024-03-10 07:30:00"),
    ("2024-03-10 03:30:00", "2024-03-10 07:30:00"),
    ("2024-11-03 00:59:59", "2024-11-03 04:59:59"),
    ("2024-11-03 01:00:00", "2024-11-03 06:00:00"),  # was twice: the second one
    ("2024-11-03 01:30:00", "2024-11-03 06:30:00"),
    ("2024-11-03 02:00:00", "2024-11-03 07:00:00"),
]


@pytest.mark.parametrize(("local", "utc"), CASES)
def test_local_times_that_came_twice_or_never(local: str, utc: str) -> None:
    """The same rule wherever a local time becomes a moment: literals, casts, parameters, arithmetic, AT TIME ZONE, dates."""
    connection = eventdb.connect(":memory:", timezone="America/New_York")
    expected = datetime.datetime.fromisoformat(utc).replace(tzinfo=UTC)

    def one(text: str, *values: Any) -> Any:
        return connection.execute(f"SELECT {text}", values).fetchone()[0]

    naive = datetime.datetime.fromisoformat(local)
    assert one(f"TIMESTAMPTZ '{local}'") == expected
    assert one(f"CAST(TIMESTAMP '{local}' AS TIMESTAMPTZ)") == expected
    assert one(f"TIMESTAMP '{local}' AT TIME ZONE 'America/New_York'") == expected
    assert one("CAST(? AS TIMESTAMPTZ)", local) == expected
    assert one("CAST(? AS TIMESTAMPTZ)", naive) == expected
    assert one("CAST(? AS TIMESTAMPTZ)", naive.replace(fold=1)) == expected
    assert one(f"TIMESTAMPTZ '{naive - datetime.timedelta(days=1)}' + INTERVAL '1 day'") == expected
    connection.execute("CREATE TABLE t (at TIMESTAMPTZ)")
    connection.executemany("INSERT INTO t VALUES (?)", [(naive,), (local,)])
    assert connection.execute("SELECT DISTINCT at FROM t").fetchall() == [(expected,)]
    connection.close()


def test_a_python_datetime_that_knows_its_zone_keeps_its_fold() -> None:
    """Aware datetimes say which of the two they are."""
    connection = eventdb.connect(":memory:", timezone="America/New_York")
    for fold, hour in ((0, 5), (1, 6)):
        given = datetime.datetime(2024, 11, 3, 1, 30, fold=fold, tzinfo=NEW_YORK)
        found = connection.execute("SELECT CAST(? AS TIMESTAMPTZ)", (given,)).fetchone()[0]
        assert found == datetime.datetime(2024, 11, 3, hour, 30, tzinfo=UTC)
    connection.close()


def test_erasure_and_retention_go_by_the_same_clock(at: Callable[[int], None], tmp_path: Path) -> None:
    """Their transactions too are later than the ones before them, and else at the time that the clock says."""
    connection = eventdb.connect(tmp_path / "db", autocommit=True, allow_erase=True)
    connection.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY, x INTEGER); INSERT INTO t VALUES (1, 1), (2, 2); UPDATE t SET x = 3")
    at(START + HOUR)
    connection.execute("ERASE FROM t WHERE id = 1")
    at(START - HOUR)
    connection.execute("DELETE HISTORY FROM t BEFORE TRANSACTION 4")
    times = [microseconds_of(time) for (time,) in connection.execute("SELECT committed_at FROM eventdb.transactions ORDER BY number")]
    assert times[-2:] == [START + HOUR, START + HOUR + 1]
    connection.close()
