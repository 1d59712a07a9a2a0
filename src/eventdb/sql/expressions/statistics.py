"""Statistics over lists: spread, correlation and regression, percentiles, mode."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from eventdb.errors import InvalidParameterValue
from eventdb.model.value import Interval
from eventdb.sql.expressions import intervals
from eventdb.sql.expressions.arithmetic import EXACT, numeric_divide, numeric_sqrt

PAIR_FUNCTIONS = (
    "corr", "covar_pop", "covar_samp", "regr_avgx", "regr_avgy", "regr_count", "regr_intercept", "regr_r2", "regr_slope", "regr_sxx",
    "regr_sxy", "regr_syy",
)  # fmt: skip


def exact_spread(name: str) -> Callable[[list[Any]], Decimal | None]:
    """Variance or standard deviation of integers or Decimals, exact up to the last division."""
    population, root = name.endswith("_pop"), name.startswith("stddev")

    def finish(items: list[Any]) -> Decimal | None:
        count = len(items)
        if count == 0 or (count == 1 and not population):
            return None
        total = squares = Decimal(0)
        for item in items:
            total = EXACT.add(total, item)
            squares = EXACT.add(squares, EXACT.multiply(item, item))
        spread = EXACT.subtract(EXACT.multiply(squares, count), EXACT.multiply(total, total))
        if spread <= 0:
            return Decimal(0)
        variance = numeric_divide(spread, count * (count if population else count - 1))
        return numeric_sqrt(variance) if root else variance

    return finish


def float_spread(name: str) -> Callable[[list[float]], float | None]:
    """Variance or standard deviation of floats."""
    population, root = name.endswith("_pop"), name.startswith("stddev")

    def finish(items: list[float]) -> float | None:
        count = len(items)
        if count == 0 or (count == 1 and not population):
            return None
        if not all(map(math.isfinite, items)):
            return math.nan
        mean = math.fsum(items) / count
        variance = math.fsum((item - mean) ** 2 for item in items) / (count if population else count - 1)
        return math.sqrt(variance) if root else variance

    return finish


def pair_function(name: str) -> Callable[[list[tuple[float, float]]], Any]:
    """corr, covar_* and regr_* over (y, x) pairs, as SQL orders them."""

    def finish(pairs: list[tuple[float, float]]) -> Any:
        count = len(pairs)
        if name == "regr_count":
            return count
        if count == 0 or (count == 1 and name == "covar_samp"):
            return None
        mean_y, mean_x = math.fsum(y for y, _ in pairs) / count, math.fsum(x for _, x in pairs) / count
        sxx = math.fsum((x - mean_x) ** 2 for _, x in pairs)
        syy = math.fsum((y - mean_y) ** 2 for y, _ in pairs)
        sxy = math.fsum((x - mean_x) * (y - mean_y) for y, x in pairs)
        return _from_sums(name, count, mean_y, mean_x, syy, sxx, sxy)

    return finish


def _from_sums(name: str, count: int, mean_y: float, mean_x: float, syy: float, sxx: float, sxy: float) -> float | None:
    match name:
        case "corr":
            return sxy / math.sqrt(sxx * syy) if sxx and syy else None
        case "covar_pop":
            return sxy / count
        case "covar_samp":
            return sxy / (count - 1)
        case "regr_avgx":
            return mean_x
        case "regr_avgy":
            return mean_y
        case "regr_sxx":
            return sxx
        case "regr_syy":
            return syy
        case "regr_sxy":
            return sxy
        case "regr_slope":
            return sxy / sxx if sxx else None
        case "regr_intercept":
            return mean_y - mean_x * sxy / sxx if sxx else None
        case _:
            return None if not sxx else sxy * sxy / (sxx * syy) if syy else 1.0


def _fraction(pairs: Sequence[tuple[float, Any]]) -> float:
    fraction = pairs[0][0]
    if not 0 <= fraction <= 1:
        raise InvalidParameterValue(f"percentile value {fraction} is not between 0 and 1")
    return fraction


def percentile_cont(pairs: list[tuple[float, Any]]) -> Any:
    """The interpolated percentile of (fraction, value) pairs in the order of their values."""
    if not pairs:
        return None
    place = _fraction(pairs) * (len(pairs) - 1)
    lower, upper = pairs[math.floor(place)][1], pairs[math.ceil(place)][1]
    part = place - math.floor(place)
    if isinstance(lower, Interval):
        return (
            lower
            if not part
            else intervals.interval_add(lower, intervals.interval_multiply(intervals.interval_subtract(upper, lower), part))
        )
    return lower if not part else lower + (upper - lower) * part


def percentile_disc(pairs: list[tuple[float, Any]]) -> Any:
    """The first value whose place in the order is at least the fraction."""
    if not pairs:
        return None
    return pairs[max(math.ceil(_fraction(pairs) * len(pairs)) - 1, 0)][1]


def mode(items: list[Any]) -> Any:
    """The most frequent value; of several the first in the order."""
    counts: dict[Any, int] = {}
    for item in items:
        counts[item] = counts.get(item, 0) + 1
    return max(counts, key=counts.__getitem__) if counts else None
