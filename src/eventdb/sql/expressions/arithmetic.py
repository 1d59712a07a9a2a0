"""Arithmetic as PostgreSQL does it: checked integers, exact NUMERIC, floats that overflow with an error.

NUMERIC. Python's own operators on Decimal round to the 28 digits of a context that belongs to the thread. Everything here goes through the
methods of one context of our own instead, `EXACT`, wide enough that +, - and * never round; its flags are written but never read, so
threads may share it. NUMERIC holds finite numbers only: NaN and infinity are refused where they come in.
"""

from __future__ import annotations

import decimal
import math
from decimal import Decimal
from functools import lru_cache
from typing import NoReturn

from eventdb.errors import DivisionByZero, InvalidArgumentForLogarithm, InvalidArgumentForPowerFunction, NumericValueOutOfRange
from eventdb.model.datatype import INTEGER_RANGES, Kind

MAX_WHOLE_DIGITS = 131072
MAX_SCALE = 16383
EXACT = decimal.Context(
    prec=MAX_WHOLE_DIGITS + MAX_SCALE, rounding=decimal.ROUND_HALF_UP, Emax=MAX_WHOLE_DIGITS - 1, Emin=-MAX_SCALE * 2,
    traps=[decimal.Overflow, decimal.InvalidOperation, decimal.DivisionByZero],
)  # fmt: skip
FLOAT_MAX = 1.7976931348623157e308
REAL_MAX = 3.4028234663852886e38
ZERO = Decimal(0)
_ONE = Decimal(1)


def integer_overflow(kind: str, value: int | float) -> NoReturn:
    """Raise for a result outside an integer type; `kind` is the type's name."""
    shown = f"a number of {value.bit_length()} bits" if isinstance(value, int) and value.bit_length() > 256 else str(value)
    raise NumericValueOutOfRange(f"{kind} out of range: {shown}")


def smallint_overflow(value: int) -> NoReturn:
    integer_overflow("smallint", value)


def int_overflow(value: int) -> NoReturn:
    integer_overflow("integer", value)


def bigint_overflow(value: int) -> NoReturn:
    integer_overflow("bigint", value)


OVERFLOW = {Kind.SMALLINT: smallint_overflow, Kind.INTEGER: int_overflow, Kind.BIGINT: bigint_overflow}


def check_integer(value: int, kind: Kind) -> int:
    """`value` itself, or NumericValueOutOfRange if it is outside the integer type."""
    low, high = INTEGER_RANGES[kind]
    if low <= value <= high:
        return value
    integer_overflow(kind.value, value)


def division_by_zero() -> NoReturn:
    raise DivisionByZero("division by zero")


def quotient(a: int, b: int) -> int:
    """Integer division that truncates toward zero."""
    if b == 0:
        division_by_zero()
    return a // b if (a >= 0) == (b > 0) else -(-a // b)


def remainder(a: int, b: int) -> int:
    """The remainder of integer division; its sign is that of the dividend."""
    if b == 0:
        division_by_zero()
    return a - b * (a // b if (a >= 0) == (b > 0) else -(-a // b))


# ---- NUMERIC


def scale_of(value: Decimal) -> int:
    """How many digits after the point a NUMERIC shows."""
    exponent = value.as_tuple().exponent
    return -exponent if isinstance(exponent, int) and exponent < 0 else 0


def plain(value: Decimal) -> Decimal:
    """A finite Decimal without a positive exponent (1E+5 becomes 100000); NumericValueOutOfRange for NaN, infinity and what is too long."""
    if not value.is_finite():
        raise NumericValueOutOfRange(f"numeric has no {'NaN' if value.is_nan() else 'infinity'}")
    if value.adjusted() >= MAX_WHOLE_DIGITS:
        numeric_overflow()
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int):
        if exponent > 0:
            return value.quantize(_ONE, context=EXACT)
        if exponent < -MAX_SCALE:
            return rounded(value, MAX_SCALE)
    return value if value or not value.is_signed() else value.copy_abs()


def numeric_overflow() -> NoReturn:
    raise NumericValueOutOfRange("value overflows numeric format")


def rounded(value: Decimal, scale: int) -> Decimal:
    """`value` with exactly `scale` digits after the point (negative: rounded left of it), half away from zero."""
    if scale >= 0:
        return value.quantize(_quantum(min(scale, MAX_SCALE)), context=EXACT)
    return value.quantize(_quantum(scale), context=EXACT).quantize(_ONE, context=EXACT)


def truncated(value: Decimal, scale: int) -> Decimal:
    """As `rounded`, toward zero."""
    result = value.quantize(_quantum(max(min(scale, MAX_SCALE), -MAX_WHOLE_DIGITS)), rounding=decimal.ROUND_DOWN, context=EXACT)
    return result if scale >= 0 else result.quantize(_ONE, context=EXACT)


@lru_cache(maxsize=256)
def _quantum(scale: int) -> Decimal:
    return Decimal((0, (1,), -scale))


def fit_numeric(value: Decimal, precision: int, scale: int) -> Decimal:
    """`value` rounded to NUMERIC(precision, scale); NumericValueOutOfRange if it has too many digits before the point."""
    result = value if value and value.adjusted() > precision else rounded(value, scale)
    if result and result.adjusted() >= precision - scale:
        limit = f"10^{precision - scale}" if precision - scale else "1"
        shown = value if value.adjusted() > 60 else format(value, "f")
        raise NumericValueOutOfRange(
            "numeric field overflow",
            detail=f"A field with precision {precision}, scale {scale} must round to an absolute value less than {limit};"
            f" the value is {shown}.",
        )
    return result


def _capped(value: Decimal) -> Decimal:
    exponent = value.as_tuple().exponent
    return rounded(value, MAX_SCALE) if isinstance(exponent, int) and exponent < -MAX_SCALE else value


def numeric_add(a: Decimal | int, b: Decimal | int) -> Decimal:
    try:
        return EXACT.add(a, b)
    except decimal.Overflow:
        numeric_overflow()


def numeric_subtract(a: Decimal | int, b: Decimal | int) -> Decimal:
    try:
        return EXACT.subtract(a, b)
    except decimal.Overflow:
        numeric_overflow()


def numeric_multiply(a: Decimal | int, b: Decimal | int) -> Decimal:
    try:
        result = EXACT.multiply(a, b)
    except decimal.Overflow:
        numeric_overflow()
    if not result:
        return result.copy_abs()
    return result if result.adjusted() > -MAX_SCALE // 2 else _capped(result)


def _weight(value: Decimal) -> tuple[int, int]:
    """(weight, value) of the leading digit in base 10000, which decide the scale of a quotient."""
    if not value:
        return 0, 0
    weight = value.adjusted() // 4
    return weight, int(value.copy_abs().scaleb(-4 * weight, context=EXACT))


def division_scale(a: Decimal, b: Decimal) -> int:
    """The digits after the point that PostgreSQL gives a / b: at least 16 significant ones, and no fewer than either operand has."""
    weight_a, first_a = _weight(a)
    weight_b, first_b = _weight(b)
    weight = weight_a - weight_b - (first_a <= first_b)
    return min(max(16 - weight * 4, scale_of(a), scale_of(b), 0), 1000)


@lru_cache(maxsize=256)
def _sticky(precision: int) -> decimal.Context:
    """A context whose last digit remembers inexactness, so that rounding its results again is still right."""
    return decimal.Context(prec=precision, rounding=decimal.ROUND_05UP, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN, traps=[])


def divide_to_scale(a: Decimal, b: Decimal, scale: int) -> Decimal:
    """a / b rounded half away from zero to `scale` digits after the point."""
    digits = max(a.adjusted() - b.adjusted(), 0) + scale + 3
    return _sticky(digits).divide(a, b).quantize(_quantum(scale), context=EXACT)


def numeric_divide(a: Decimal | int, b: Decimal | int) -> Decimal:
    """a / b with PostgreSQL's choice of scale."""
    a, b = Decimal(a), Decimal(b)
    if not b:
        division_by_zero()
    try:
        return divide_to_scale(a, b, division_scale(a, b))
    except decimal.InvalidOperation:
        numeric_overflow()


def numeric_remainder(a: Decimal | int, b: Decimal | int) -> Decimal:
    """The remainder of a / b truncated to a whole number; the sign is that of `a`, the scale the larger of the two."""
    a, b = Decimal(a), Decimal(b)
    if not b:
        division_by_zero()
    return rounded(EXACT.remainder(a, b), max(scale_of(a), scale_of(b)))


def numeric_quotient(a: Decimal | int, b: Decimal | int) -> Decimal:
    """div(): a / b truncated to a whole number."""
    a, b = Decimal(a), Decimal(b)
    if not b:
        division_by_zero()
    return EXACT.divide_int(a, b)


def _significant(approximate: float) -> int:
    """Digits after the point that give a result of this magnitude 16 significant ones."""
    weight = math.floor(math.log10(abs(approximate))) if approximate and math.isfinite(approximate) else 0
    return max(16 - weight, 0)


def numeric_sqrt(a: Decimal) -> Decimal:
    if a < 0:
        raise InvalidArgumentForPowerFunction("cannot take square root of a negative number")
    scale = max(15 - math.floor(a.adjusted() / 2) if a else 15, scale_of(a))
    return _sticky(max(a.adjusted() // 2, 0) + scale + 3).sqrt(a).quantize(_quantum(scale), context=EXACT)


def numeric_power(a: Decimal | int, b: Decimal | int) -> Decimal:
    """a ^ b; exact where b is a whole number and the result is not too long, else 16 significant digits."""
    a, b = Decimal(a), Decimal(b)
    if not a and b < 0:
        raise InvalidArgumentForPowerFunction("zero raised to a negative power is undefined")
    whole = b == b.to_integral_value(context=EXACT)
    if a < 0 and not whole:
        raise InvalidArgumentForPowerFunction("a negative number raised to a non-integer power yields a complex result")
    if not b:
        return Decimal("1.0000000000000000")
    if not a:
        return Decimal("0.0000000000000000")
    magnitude = float(b) * (a.adjusted() + math.log10(float(a.copy_abs().scaleb(-a.adjusted(), context=EXACT))))
    if magnitude >= MAX_WHOLE_DIGITS:
        numeric_overflow()
    scale = min(max(16 - math.floor(magnitude), scale_of(a), scale_of(b)), 1000)
    digits = max(math.floor(magnitude), 0) + scale + 12
    return (
        decimal.Context(prec=digits, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN, traps=[])
        .power(a, b)
        .quantize(_quantum(scale), context=EXACT)
    )


def _wide(function: str, a: Decimal) -> Decimal:
    return getattr(decimal.Context(prec=max(40, len(a.as_tuple().digits) + 20), Emax=999999, Emin=-999999, traps=[]), function)(a)  # type: ignore[no-any-return]


def numeric_exp(a: Decimal) -> Decimal:
    if a.copy_abs() > 300000:
        if a > 0:
            numeric_overflow()
        return Decimal(0)
    magnitude = float(a) * 0.4342944819
    scale = min(max(16 - math.floor(magnitude), scale_of(a), 0), 1000)
    context = decimal.Context(prec=max(math.floor(magnitude), 0) + scale + 5, Emax=999999, Emin=-999999, traps=[])
    result = context.exp(a)
    if result.adjusted() >= MAX_WHOLE_DIGITS:
        numeric_overflow()
    return result.quantize(_quantum(scale), context=EXACT)


def _logarithm(a: Decimal, function: str) -> Decimal:
    if a <= 0:
        raise InvalidArgumentForLogarithm(f"cannot take logarithm of {'zero' if not a else 'a negative number'}")
    result = _wide(function, a)
    return rounded(result, max(_significant(float(result)), scale_of(a)))


def numeric_ln(a: Decimal) -> Decimal:
    return _logarithm(a, "ln")


def numeric_log10(a: Decimal) -> Decimal:
    return _logarithm(a, "log10")


def numeric_log(base: Decimal, a: Decimal) -> Decimal:
    """The logarithm of `a` to `base`."""
    for argument in (base, a):
        if argument <= 0:
            raise InvalidArgumentForLogarithm(f"cannot take logarithm of {'zero' if not argument else 'a negative number'}")
    if base == 1:
        division_by_zero()
    result = EXACT.create_decimal(_sticky(60).divide(_wide("ln", a), _wide("ln", base)))
    return rounded(result, max(_significant(float(result)), scale_of(a), scale_of(base)))


def numeric_from_float(value: float, digits: int = 15) -> Decimal:
    """float → NUMERIC by its shortest text of at most `digits` significant digits, as PostgreSQL does."""
    if not math.isfinite(value):
        raise NumericValueOutOfRange(f"cannot convert {'NaN' if value != value else 'infinity'} to numeric")
    return plain(Decimal(f"{value:.{digits}g}"))


# ---- floating point


def float_checked(result: float, a: float, b: float = 0.0) -> float:
    """A result that is not finite: right if an operand was not finite either, else an overflow."""
    if result != result or not (math.isfinite(a) and math.isfinite(b)):
        return math.nan if result != result else result
    raise NumericValueOutOfRange("value out of range: overflow")


def float_divide(a: float, b: float) -> float:
    if b == 0:
        if a != a:
            return math.nan
        division_by_zero()
    result = a / b
    return result if -FLOAT_MAX <= result <= FLOAT_MAX else float_checked(result, a, b)


def float_power(a: float, b: float) -> float:
    if a == 0 and b < 0:
        raise InvalidArgumentForPowerFunction("zero raised to a negative power is undefined")
    if a < 0 and math.isfinite(b) and b != math.floor(b):
        raise InvalidArgumentForPowerFunction("a negative number raised to a non-integer power yields a complex result")
    try:
        return math.pow(a, b)
    except OverflowError:
        raise NumericValueOutOfRange("value out of range: overflow") from None


def float_remainder(a: float, b: float) -> float:
    if b == 0:
        division_by_zero()
    return math.fmod(a, b)


def random_float() -> float:
    import random

    return random.random()
