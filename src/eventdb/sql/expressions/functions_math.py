"""Functions on numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any

from eventdb.errors import InvalidArgumentForLogarithm, InvalidArgumentForPowerFunction, InvalidParameterValue, NumericValueOutOfRange
from eventdb.model.datatype import BIGINT, DOUBLE, INTEGER, NUMERIC, DataType
from eventdb.sql.expressions import arithmetic
from eventdb.sql.expressions.arithmetic import EXACT, rounded, scale_of, truncated
from eventdb.sql.expressions.registry import SHORT_NAMES, declare

_INTEGERS = ("smallint", "integer", "bigint")


def _whole(value: Decimal, rounding: str) -> Decimal:
    return value.quantize(Decimal(1), rounding=rounding, context=EXACT)


def numeric_ceil(value: Decimal) -> Decimal:
    return _whole(value, "ROUND_CEILING")


def numeric_floor(value: Decimal) -> Decimal:
    return _whole(value, "ROUND_FLOOR")


@cache
def float_whole(function: Callable[[float], int]) -> Callable[[float], float]:
    def apply(value: float) -> float:
        return float(function(value)) if math.isfinite(value) else value

    apply.__name__ = f"float_{function.__name__}"
    return apply


def numeric_round(value: Decimal, scale: int = 0) -> Decimal:
    return rounded(value, scale)


def numeric_trunc(value: Decimal, scale: int = 0) -> Decimal:
    return truncated(value, scale)


def numeric_sign(value: Decimal) -> Decimal:
    return Decimal((value > 0) - (value < 0))


def float_sign(value: float) -> float:
    return float((value > 0) - (value < 0))


def float_sqrt(value: float) -> float:
    if value < 0:
        raise InvalidArgumentForPowerFunction("cannot take square root of a negative number")
    return math.sqrt(value)


def cbrt(value: float) -> float:
    root = math.cbrt(value)
    nearest = float(round(root)) if math.isfinite(root) else root
    return nearest if nearest**3 == value else root


def checked(function: Callable[..., float], name: str) -> Callable[..., float]:
    """A function of `math` whose domain and range errors are ours."""

    def apply(*arguments: float) -> float:
        try:
            return function(*arguments)
        except OverflowError:
            raise NumericValueOutOfRange("value out of range: overflow") from None
        except ValueError:
            raise NumericValueOutOfRange("input is out of range") from None

    apply.__name__ = f"checked_{name}"
    return apply


@cache
def _logarithm(function: Callable[[float], float]) -> Callable[[float], float]:
    def apply(value: float) -> float:
        if value <= 0:
            raise InvalidArgumentForLogarithm(f"cannot take logarithm of {'zero' if value == 0 else 'a negative number'}")
        return function(value)

    apply.__name__ = f"float_{function.__name__}"
    return apply


def gcd(a: int, b: int) -> int:
    return math.gcd(a, b)


def lcm(a: int, b: int) -> int:
    return math.lcm(a, b)


def numeric_gcd(a: Decimal, b: Decimal) -> Decimal:
    while b:
        a, b = b, EXACT.remainder(a, b)
    return a.copy_abs()


def factorial(value: int) -> Decimal:
    if value < 0:
        raise NumericValueOutOfRange("factorial of a negative number is undefined")
    if value > 32177:
        raise NumericValueOutOfRange("value overflows numeric format")
    return Decimal(math.factorial(value))


def width_bucket(value: Any, low: Any, high: Any, count: int) -> int:
    if count <= 0:
        raise InvalidParameterValue("count must be greater than zero")
    if low == high or low != low or high != high or value != value:
        raise InvalidParameterValue(
            "lower bound cannot equal upper bound" if low == high else "operand, lower bound, and upper bound cannot be NaN"
        )
    if low < high:
        if value < low:
            return 0
        return count + 1 if value >= high else int(EXACT.divide_int(_exact(value - low) * count, _exact(high - low))) + 1
    if value > low:
        return 0
    return count + 1 if value <= high else int(EXACT.divide_int(_exact(low - value) * count, _exact(low - high))) + 1


def _exact(value: Any) -> Decimal:
    return Decimal(value)


def min_scale(value: Decimal) -> int:
    return scale_of(value.normalize(EXACT))


def trim_scale(value: Decimal) -> Decimal:
    return rounded(value, min_scale(value))


def round_half_even(value: float) -> int:
    return round(value)


def numeric_mod(a: Any, b: Any) -> Decimal:
    return arithmetic.numeric_remainder(a, b)


def _declare_basic() -> None:
    for short in (*_INTEGERS, "numeric", "real", "double"):
        kind = SHORT_NAMES[short]
        datatype = DataType(kind)
        if short in _INTEGERS:
            overflow = arithmetic.OVERFLOW[kind]
            low, high = (
                -(2 ** {"smallint": 15, "integer": 31, "bigint": 63}[short]),
                2 ** {"smallint": 15, "integer": 31, "bigint": 63}[short] - 1,
            )
            declare("abs", short, datatype, f"(\0 if (\0 := abs({{0}})) <= {high} else {overflow.__name__}(\0))", uses=[overflow])
            declare("mod", f"{short}, {short}", datatype, "remainder({0}, {1})", uses=[arithmetic.remainder])
            if short != "smallint":
                for function in (gcd, lcm):
                    source = f"(\0 if {low} <= (\0 := {function.__name__}({{0}}, {{1}})) <= {high} else {overflow.__name__}(\0))"
                    declare(function.__name__, f"{short}, {short}", datatype, source, uses=[function, overflow])
        else:
            declare("abs", short, datatype, "{0}.copy_abs()" if short == "numeric" else "abs({0})")
    for name, numeric, whole in (
        ("ceil", numeric_ceil, math.ceil),
        ("ceiling", numeric_ceil, math.ceil),
        ("floor", numeric_floor, math.floor),
    ):
        declare(name, "numeric", NUMERIC, numeric)
        declare(name, "double", DOUBLE, float_whole(whole))
    declare("round", "numeric, [integer]", NUMERIC, numeric_round)
    declare("round", "double", DOUBLE, float_whole(round_half_even))
    declare("trunc", "numeric, [integer]", NUMERIC, numeric_trunc)
    declare("trunc", "double", DOUBLE, float_whole(math.trunc))
    declare("sign", "numeric", NUMERIC, numeric_sign)
    declare("sign", "double", DOUBLE, float_sign)
    declare("mod", "numeric, numeric", NUMERIC, numeric_mod)
    declare("div", "numeric, numeric", NUMERIC, arithmetic.numeric_quotient)
    declare("gcd", "numeric, numeric", NUMERIC, numeric_gcd)
    declare("factorial", "bigint", NUMERIC, factorial)
    declare("scale", "numeric", INTEGER, scale_of)
    declare("min_scale", "numeric", INTEGER, min_scale)
    declare("trim_scale", "numeric", NUMERIC, trim_scale)
    for kind_name in ("numeric", "double"):
        declare("width_bucket", f"{kind_name}, {kind_name}, {kind_name}, integer", INTEGER, width_bucket)


def _declare_powers() -> None:
    declare("sqrt", "numeric", NUMERIC, arithmetic.numeric_sqrt)
    declare("sqrt", "double", DOUBLE, float_sqrt)
    declare("cbrt", "double", DOUBLE, cbrt)
    for name in ("power", "pow"):
        declare(name, "numeric, numeric", NUMERIC, arithmetic.numeric_power)
        declare(name, "double, double", DOUBLE, arithmetic.float_power)
    declare("exp", "numeric", NUMERIC, arithmetic.numeric_exp)
    declare("exp", "double", DOUBLE, checked(math.exp, "exp"))
    declare("ln", "numeric", NUMERIC, arithmetic.numeric_ln)
    declare("ln", "double", DOUBLE, _logarithm(math.log))
    for name in ("log", "log10"):
        declare(name, "numeric", NUMERIC, arithmetic.numeric_log10)
        declare(name, "double", DOUBLE, _logarithm(math.log10))
    declare("log", "numeric, numeric", NUMERIC, arithmetic.numeric_log)


def sind(value: float) -> float:
    return math.sin(math.radians(value)) if value % 90 else float((0, 1, 0, -1)[int(value // 90) % 4])


def cosd(value: float) -> float:
    return sind(value + 90)


def _cotangent(value: float) -> float:
    return 1 / math.tan(value)


def random_between(low: int, high: int) -> int:
    import random

    if low > high:
        raise InvalidParameterValue("lower bound must be less than or equal to upper bound")
    return random.randint(low, high)


def _declare_trigonometry() -> None:
    for name in ("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "degrees", "radians"):
        declare(name, "double", DOUBLE, checked(getattr(math, name), name))
    declare("cot", "double", DOUBLE, checked(_cotangent, "cot"))
    declare("atan2", "double, double", DOUBLE, checked(math.atan2, "atan2"))
    declare("sind", "double", DOUBLE, sind)
    declare("cosd", "double", DOUBLE, cosd)
    declare("pi", "", DOUBLE, repr(math.pi))
    declare("random", "", DOUBLE, arithmetic.random_float, volatile=True)
    declare("random", "integer, integer", INTEGER, random_between, volatile=True)
    declare("random", "bigint, bigint", BIGINT, random_between, volatile=True)


_declare_basic()
_declare_powers()
_declare_trigonometry()
