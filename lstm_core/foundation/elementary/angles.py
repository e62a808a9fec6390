"""Sine and cosine, to the last bit the same everywhere; see powers.py for why.

The polynomials are those of FDLIBM (Sun Microsystems, 1993), off by less than one unit of the last place; angles are
in radians, of 100,000 turns at most.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.compiling import njit

Floats = npt.NDArray[np.float64]

# A quarter turn as three numbers, the first two of 33 bits: their multiples are exact.
_QUARTER_1, _QUARTER_2, _QUARTER_3 = 1.57079632673412561417e00, 6.07710050630396597660e-11, 2.02226624879595063154e-21
_PER_QUARTER = 6.36619772367581382433e-01
_SIN = (
    -1.66666666666666324348e-01, 8.33333333332248946124e-03, -1.98412698298579493134e-04,
    2.75573137070700676789e-06, -2.50507602534068634195e-08, 1.58969099521155010221e-10,
)  # fmt: skip
_COS = (
    4.16666666666666019037e-02, -1.38888888888741095749e-03, 2.48015872894767294178e-05,
    -2.75573143513906633035e-07, 2.08757232129817482790e-09, -1.13596475577881948265e-11,
)  # fmt: skip


@njit(cache=True, nogil=True)
def sin_of(angle: float) -> float:
    """The sine of an angle."""
    return _of_quarters(angle, 0)  # type: ignore[no-any-return]


@njit(cache=True, nogil=True)
def cos_of(angle: float) -> float:
    """The cosine of an angle."""
    return _of_quarters(angle, 1)  # type: ignore[no-any-return]


def sin(angles: npt.ArrayLike) -> Floats:
    """The sine of each angle: float64, as they are."""
    return _of_each(angles, 0)


def cos(angles: npt.ArrayLike) -> Floats:
    """The cosine of each angle: float64, as they are."""
    return _of_each(angles, 1)


def tan_of(angle: float) -> float:
    """The tangent of an angle."""
    return float(sin_of(angle) / cos_of(angle))


def _of_each(angles: npt.ArrayLike, quarters: int) -> Floats:
    values = np.array(angles, dtype=np.float64, order="C")
    _of_quarters_each(values.reshape(-1), quarters)
    return values


@njit(cache=True, nogil=True)
def _of_quarters_each(values, quarters):  # type: ignore[no-untyped-def]
    for i in range(len(values)):
        values[i] = _of_quarters(values[i], quarters)


@njit(cache=True, nogil=True)
def _of_quarters(angle, quarters):  # type: ignore[no-untyped-def]
    """The sine of an angle and so many quarter turns."""
    nearest = np.floor(angle * _PER_QUARTER + 0.5)
    r = angle - nearest * _QUARTER_1
    second = nearest * _QUARTER_2
    whole = r - second
    rest = ((r - whole) - second) - nearest * _QUARTER_3
    x = whole + rest
    y = (whole - x) + rest
    turn = (np.int64(nearest) + quarters) & 3
    z = x * x
    if turn & 1:
        p = z * (_COS[0] + z * (_COS[1] + z * (_COS[2] + z * (_COS[3] + z * (_COS[4] + z * _COS[5])))))
        half = 0.5 * z
        most = 1.0 - half
        found = most + (((1.0 - most) - half) + (z * p - x * y))
    else:
        p = _SIN[1] + z * (_SIN[2] + z * (_SIN[3] + z * (_SIN[4] + z * _SIN[5])))
        found = x - ((z * (0.5 * y - z * x * p) - y) - z * x * _SIN[0])
    return -found if turn & 2 else found
