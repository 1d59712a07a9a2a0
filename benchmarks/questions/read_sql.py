"""All rows into a pandas DataFrame by `pandas.read_sql` on the connection."""

from __future__ import annotations

import warnings
from typing import Any

from benchmarks.engines import Engine
from benchmarks.question import Aim, Question, Scale, milliseconds

STATEMENT = "SELECT * FROM accounts"


def _frame(engine: Engine) -> Any:
    import pandas

    with warnings.catch_warnings():
        # pandas says for every PEP 249 connection but sqlite3's that it is not tested with it.
        warnings.filterwarnings("ignore", message="pandas only supports SQLAlchemy", category=UserWarning)
        return pandas.read_sql(STATEMENT, engine.connection)


def sample(engine: Engine, scale: Scale) -> float:
    return milliseconds(lambda: _frame(engine))


def answer(engine: Engine, scale: Scale) -> list[tuple[Any, ...]]:
    frame = _frame(engine)
    return [frame.shape, tuple(frame.columns), (int(frame["id"].sum()),)]


QUESTION = Question(
    "read_sql",
    "pandas read_sql of all rows",
    "ms",
    sample,
    Aim(243, 229, 180),
    answer=answer,
)
