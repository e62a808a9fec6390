"""Numbers as integers: a value x in the unit 2^-n is the integer x 2^n. Tables of functions, made without any float.

Integer arithmetic is exact, so that what is made of it is the same on every machine. The tables are made of Python's
integers, which have as many digits as they need.
"""

from __future__ import annotations

from functools import cache
from math import isqrt

import numpy as np
import numpy.typing as npt

Ints32 = npt.NDArray[np.int32]

LOGIT_BITS = POWER_BITS = 10  # logits, embeddings and what heads see are in the unit 2^-10
INDEX_BITS, REACH = 8, 8  # tables of functions of x: x in the unit 2^-8, from -8 to 8; beyond, their ends
SQUASHED_BITS = 15  # tanh is in the unit 2^-15
SILU_INDEX_BITS, SILU_REACH, SILU_BITS = 7, 16, 11  # silu of x in the unit 2^-7, from -16 to 16, is in the unit 2^-11
SCALE_BITS = 24  # factors that bring sums to another unit are in the unit 2^-24
WEIGHT_BITS = 30  # of powers of 2; their exponents are in the unit 2^-POWER_BITS, that of logits
SHARE_BITS = 16  # of shares and of temperatures
ALL_SHARES = 1 << SHARE_BITS
MAX_SHARPNESS = 1 << 30  # by the difference of two logits, below 2^32, it stays in 64 bits

_LOG2_E = 1.4426950408889634
_PRECISION = 160  # bits of the numbers that tables are made of


def rounded(value: float, bits: int) -> int:
    """A finite number in the unit 2^-bits, to the nearest, exactly."""
    numerator, denominator = value.as_integer_ratio()
    return (2 * (numerator << bits) + denominator) // (2 * denominator)


def sharpness(temperature: float) -> int:
    """What logits times are exponents to the base 2, in the unit of shares: log2(e) / temperature.

    At most MAX_SHARPNESS, at which logits that differ at all are as good as infinitely far apart.
    """
    return min(rounded(_LOG2_E / temperature, SHARE_BITS), MAX_SHARPNESS)


def share(top_p: float) -> int:
    """A share above 0 in the unit of shares, rounded down: 1 to ALL_SHARES."""
    numerator, denominator = top_p.as_integer_ratio()
    return max((numerator << SHARE_BITS) // denominator, 1)


@cache
def tanh_table() -> Ints32:
    """tanh(x) in the unit 2^-15 at x = (i - 2048) / 256: int32 [4096]. It is odd, but for the first value."""
    return _odd([_to_unit(_tanh(i, INDEX_BITS), SQUASHED_BITS) for i in range(1 + (REACH << INDEX_BITS))])


@cache
def silu_table() -> Ints32:
    """silu(x) = x / (1 + e^-x) in the unit 2^-11 at x = (i - 2048) / 128: int32 [4096]."""
    half = SILU_REACH << SILU_INDEX_BITS
    found = []
    for i in range(-half, half):
        sigmoid = _divided(_ONE, _ONE + _exp_minus(abs(i), SILU_INDEX_BITS))
        sigmoid = sigmoid if i >= 0 else _ONE - sigmoid
        found.append(_to_unit((i * sigmoid) >> SILU_INDEX_BITS, SILU_BITS))
    return np.array(found, dtype=np.int32)


@cache
def power_table() -> npt.NDArray[np.int64]:
    """2^(-i / 1024) in the unit 2^-30: int64 [1024]."""
    root = _ONE << 1  # 2, and then its roots: 2^(1 / 1024) at last
    for _ in range(POWER_BITS):
        root = isqrt(root << _PRECISION)
    found, power = [], _ONE
    for _ in range(1 << POWER_BITS):
        found.append(_to_unit(power, WEIGHT_BITS))
        power = _divided(power, root)
    return np.array(found, dtype=np.int64)


_ONE = 1 << _PRECISION


def _divided(a: int, b: int) -> int:
    return (a << _PRECISION) // b


def _to_unit(value: int, bits: int) -> int:
    """A number in the unit of this file in another one, to the nearest."""
    dropped = _PRECISION - bits
    return (value + (1 << (dropped - 1))) >> dropped


@cache
def _powers_of_e(bits: int) -> list[int]:
    """e^(-i 2^-bits) for i = 0, 1, ... up to 2 REACH: by the series of e^(-2^-bits), and its powers."""
    term = step = _ONE
    for n in range(1, 40):
        term = -(term >> bits) // n
        step += term
    found = [_ONE]
    for _ in range(2 * REACH << bits):
        found.append((found[-1] * step) >> _PRECISION)
    return found


def _exp_minus(i: int, bits: int) -> int:
    """e^(-i 2^-bits), for i from 0 on."""
    return _powers_of_e(bits)[i]


def _tanh(i: int, bits: int) -> int:
    """tanh(i 2^-bits), for i from 0 on."""
    power = _exp_minus(2 * i, bits)
    return _divided(_ONE - power, _ONE + power)


def _odd(values: list[int]) -> Ints32:
    """The values of an odd function from those at 0, 1, ..., n: at -n, ..., n - 1, of 16 bits at most."""
    most = (1 << SQUASHED_BITS) - 1
    positive = np.minimum(np.array(values, dtype=np.int32), most)
    return np.concatenate([-positive[:0:-1], positive[:-1]]).astype(np.int32)
