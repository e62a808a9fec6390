"""Powers of 2, of 10 and of e, and their logarithms, to the last bit the same everywhere.

C libraries choose among versions of these functions by the processor, NumPy has more of its own for AVX-512, and they
differ in the last bit: so would the audio. What follows uses nothing but sums, products and quotients, whose rounding
IEEE 754 fixes, in one order, and tables made in decimal arithmetic. A power is off by 0.51 units of its last place at
most, a logarithm by 1.5 near 1 and by 0.51 elsewhere, as in P. Tang, Table-driven implementation of the exponential
function in IEEE floating-point arithmetic (1989), and of the logarithm function (1990).

Functions that end in `_of` are for one number and for compiled code, the others for arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal, localcontext

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.compiling import njit

Floats = npt.NDArray[np.float64]

_STEPS = 128  # of a table, in an octave
_DIGITS = 45
_SHORT = 2.0**40  # the upper part of a split constant ends here, so that its multiples are exact
_MOST_OCTAVES = 1021.0  # of a power either way; what lies further is infinite or 0


def _split(value: Decimal) -> tuple[float, float]:
    """A number as one of few bits and the rest."""
    upper = math.floor(value * Decimal(_SHORT)) / _SHORT
    return upper, float(value - Decimal(upper))


def _halves(values: list[Decimal]) -> Floats:
    """Numbers as the nearest floats and what is missing to them: float64 [2, N]."""
    return np.array([[float(one) for one in values], [float(one - Decimal(float(one))) for one in values]])


def _terms(base: Decimal) -> Floats:
    """Taylor's coefficients of base^x - 1 from the first on: float64 [6]."""
    return np.array([float(base.ln() ** n / math.factorial(n)) for n in range(1, 7)])


with localcontext() as _context:
    _context.prec = _DIGITS
    _LN_2, _LN_10, _E = Decimal(2).ln(), Decimal(10).ln(), Decimal(1).exp()
    _OCTAVE = _halves([Decimal(2) ** (Decimal(step) / _STEPS) for step in range(_STEPS)])
    _PLACES = [Decimal(place) / _STEPS for place in range(_STEPS // 2, 2 * _STEPS)]  # of which a mantissa is near one
    _LOG_2, _LOG_10, _LOG_E = (
        _halves([place.ln() / base for place in _PLACES]) for base in (_LN_2, _LN_10, Decimal(1))
    )
    _TERMS_2, _TERMS_10, _TERMS_E = _terms(Decimal(2)), _terms(Decimal(10)), _terms(_E)
    _PER_LN_2, _PER_LN_10 = float(1 / _LN_2), float(1 / _LN_10)
    _STEP_10_UPPER, _STEP_10_REST = _split(_LN_2 / _LN_10 / _STEPS)
    _STEP_E_UPPER, _STEP_E_REST = _split(_LN_2 / _STEPS)
    _OCTAVE_10_UPPER, _OCTAVE_10_REST = _split(_LN_2 / _LN_10)
    _OCTAVE_E_UPPER, _OCTAVE_E_REST = _split(_LN_2)
    _STEPS_PER_10, _STEPS_PER_E = float(_STEPS * _LN_10 / _LN_2), float(_STEPS / _LN_2)

_SCALES = np.array([math.ldexp(1.0, octave) for octave in range(-1022, 1024)])
_ROOT_HALF = math.sqrt(0.5)


@njit(cache=True, nogil=True)
def _power(x, steps_per_unit, upper, rest, terms):  # type: ignore[no-untyped-def]
    """A power: the nearest step of the table, and a polynomial from there on. A step is upper + rest units of x."""
    octaves = x * steps_per_unit / _STEPS
    if octaves != octaves:
        return octaves
    if octaves > _MOST_OCTAVES:
        return np.inf
    if octaves < -_MOST_OCTAVES:
        return 0.0
    nearest = np.floor(x * steps_per_unit + 0.5)
    step = np.int64(nearest)
    r = (x - nearest * upper) - nearest * rest
    p = r * (terms[0] + r * (terms[1] + r * (terms[2] + r * (terms[3] + r * (terms[4] + r * terms[5])))))
    place, octave = step & (_STEPS - 1), step >> 7
    high = _OCTAVE[0, place]
    return (high + (_OCTAVE[1, place] + high * p)) * _SCALES[octave + 1022]


@njit(cache=True, nogil=True)
def _logarithm(x, upper, rest, table, per_ln):  # type: ignore[no-untyped-def]
    """A logarithm: of the octave, upper + rest each, of the nearest place of the table, and a polynomial."""
    if not x > 0.0:
        return -np.inf if x == 0.0 else np.nan
    if x == np.inf:
        return x
    mantissa, octave = math.frexp(x)
    if mantissa < _ROOT_HALF:
        mantissa, octave = 2.0 * mantissa, octave - 1
    place = np.int64(mantissa * _STEPS + 0.5)
    near = place / _STEPS
    r = (mantissa - near) / near
    p = r * (1.0 / 3.0 - r * (0.25 - r * (0.2 - r * (1.0 / 6.0 - r * (1.0 / 7.0 - r * 0.125)))))
    p = r - r * r * (0.5 - p)
    whole, part = octave * upper, table[0, place - _STEPS // 2]
    total = whole + part
    missing = part - (total - whole)
    return total + (missing + (octave * rest + (table[1, place - _STEPS // 2] + p * per_ln)))


@njit(cache=True, nogil=True)
def exp2_of(x: float) -> float:
    """2 to the power of x."""
    return _power(x, 1.0 * _STEPS, 1.0 / _STEPS, 0.0, _TERMS_2)  # type: ignore[no-any-return]


@njit(cache=True, nogil=True)
def exp10_of(x: float) -> float:
    """10 to the power of x."""
    return _power(x, _STEPS_PER_10, _STEP_10_UPPER, _STEP_10_REST, _TERMS_10)  # type: ignore[no-any-return]


@njit(cache=True, nogil=True)
def exp_of(x: float) -> float:
    """e to the power of x."""
    return _power(x, _STEPS_PER_E, _STEP_E_UPPER, _STEP_E_REST, _TERMS_E)  # type: ignore[no-any-return]


@njit(cache=True, nogil=True)
def log2_of(x: float) -> float:
    """The logarithm to base 2; -inf of 0, nan of what is less."""
    return _logarithm(x, 1.0, 0.0, _LOG_2, _PER_LN_2)  # type: ignore[no-any-return]


@njit(cache=True, nogil=True)
def log10_of(x: float) -> float:
    """The logarithm to base 10; -inf of 0, nan of what is less."""
    return _logarithm(x, _OCTAVE_10_UPPER, _OCTAVE_10_REST, _LOG_10, _PER_LN_10)  # type: ignore[no-any-return]


@njit(cache=True, nogil=True)
def log_of(x: float) -> float:
    """The logarithm to base e; -inf of 0, nan of what is less."""
    return _logarithm(x, _OCTAVE_E_UPPER, _OCTAVE_E_REST, _LOG_E, 1.0)  # type: ignore[no-any-return]


def exp2(x: npt.ArrayLike) -> Floats:
    """2 to the power of each number: float64, as x."""
    return _of_each(_exp2_of_each, x)


def exp10(x: npt.ArrayLike) -> Floats:
    """10 to the power of each number: float64, as x."""
    return _of_each(_exp10_of_each, x)


def exp(x: npt.ArrayLike) -> Floats:
    """e to the power of each number: float64, as x."""
    return _of_each(_exp_of_each, x)


def log2(x: npt.ArrayLike) -> Floats:
    """The logarithm to base 2 of each number: float64, as x; -inf of 0, nan of what is less."""
    return _of_each(_log2_of_each, x)


def log10(x: npt.ArrayLike) -> Floats:
    """The logarithm to base 10 of each number: float64, as x; -inf of 0, nan of what is less."""
    return _of_each(_log10_of_each, x)


def log(x: npt.ArrayLike) -> Floats:
    """The logarithm to base e of each number: float64, as x; -inf of 0, nan of what is less."""
    return _of_each(_log_of_each, x)


def _of_each(compiled: Callable[[Floats], None], x: npt.ArrayLike) -> Floats:
    values = np.array(x, dtype=np.float64, order="C")
    compiled(values.reshape(-1))
    return values


@njit(cache=True, nogil=True)
def _exp2_of_each(values):  # type: ignore[no-untyped-def]
    for i in range(len(values)):
        values[i] = exp2_of(values[i])


@njit(cache=True, nogil=True)
def _exp10_of_each(values):  # type: ignore[no-untyped-def]
    for i in range(len(values)):
        values[i] = exp10_of(values[i])


@njit(cache=True, nogil=True)
def _exp_of_each(values):  # type: ignore[no-untyped-def]
    for i in range(len(values)):
        values[i] = exp_of(values[i])


@njit(cache=True, nogil=True)
def _log2_of_each(values):  # type: ignore[no-untyped-def]
    for i in range(len(values)):
        values[i] = log2_of(values[i])


@njit(cache=True, nogil=True)
def _log10_of_each(values):  # type: ignore[no-untyped-def]
    for i in range(len(values)):
        values[i] = log10_of(values[i])


@njit(cache=True, nogil=True)
def _log_of_each(values):  # type: ignore[no-untyped-def]
    for i in range(len(values)):
        values[i] = log_of(values[i])
