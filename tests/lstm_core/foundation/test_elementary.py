"""Powers, logarithms and angles against decimal arithmetic, and to the last bit against what they were."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from decimal import Decimal, localcontext

import numpy as np
import pytest

from lstm_core.foundation.elementary import angles, powers

EXPONENTS = np.concatenate(
    [np.linspace(-30.0, 30.0, 501), np.linspace(-0.01, 0.01, 101), np.linspace(-300.0, 300.0, 101)]
)
POSITIVE = np.array([*np.linspace(0.5, 2.0, 501), *(math.ldexp(1.1, n) for n in range(-1073, 1023, 7)), 5e-324])
ANGLES = np.concatenate([np.linspace(-7.0, 7.0, 701), np.linspace(-5e5, 5e5, 301), [0.0, math.pi / 2, math.pi]])
Exact = Callable[[Decimal], Decimal]


@pytest.mark.parametrize(
    ("function", "exact", "numbers", "most"),
    [
        (powers.exp2, lambda x: Decimal(2) ** x, EXPONENTS, 0.51),
        (powers.exp10, lambda x: Decimal(10) ** x, EXPONENTS, 0.51),
        (powers.exp, lambda x: x.exp(), EXPONENTS, 0.51),
        (powers.log2, lambda x: x.ln() / Decimal(2).ln(), POSITIVE, 1.5),
        (powers.log10, lambda x: x.log10(), POSITIVE, 1.5),
        (powers.log, lambda x: x.ln(), POSITIVE, 1.5),
    ],
)
def test_powers_and_logarithms_are_right_to_the_last_place(
    function: Callable[[np.ndarray], np.ndarray], exact: Exact, numbers: np.ndarray, most: float
) -> None:
    with localcontext() as context:
        context.prec = 50
        for x, found in zip(numbers.tolist(), function(numbers).tolist(), strict=True):
            right = exact(Decimal(x))
            assert abs(Decimal(found) - right) <= Decimal(most) * Decimal(math.ulp(float(right))), x


def test_angles_agree_with_the_c_library_but_for_the_last_place() -> None:
    for function, other in ((angles.sin, math.sin), (angles.cos, math.cos)):
        for angle, found in zip(ANGLES.tolist(), function(ANGLES).tolist(), strict=True):
            assert abs(found - other(angle)) <= math.ulp(other(angle)), angle
    assert angles.tan_of(0.75) == pytest.approx(math.tan(0.75), rel=1e-15)


def test_what_is_whole_is_exact_and_limits_are_kept() -> None:
    whole = np.arange(-1000, 1001)
    assert (powers.exp2(whole) == np.ldexp(1.0, whole)).all() and (powers.log2(np.ldexp(1.0, whole)) == whole).all()
    assert powers.exp10(np.arange(23)).tolist() == [10.0**n for n in range(23)]
    assert powers.log10([10.0**n for n in range(23)]).tolist() == list(range(23))
    assert powers.exp2([2000.0, -2000.0, np.inf, -np.inf]).tolist() == [np.inf, 0.0, np.inf, 0.0]
    assert powers.log([0.0, 1.0, np.inf]).tolist() == [-np.inf, 0.0, np.inf]
    assert np.isnan(powers.log2([-1.0, np.nan])).all() and np.isnan(powers.exp([np.nan])).all()


def test_one_number_and_an_array_of_any_shape_agree() -> None:
    table = np.linspace(0.1, 9.0, 12).reshape(3, 4)
    for many, one in (
        (powers.exp2, powers.exp2_of), (powers.exp10, powers.exp10_of), (powers.exp, powers.exp_of),
        (powers.log2, powers.log2_of), (powers.log10, powers.log10_of), (powers.log, powers.log_of),
        (angles.sin, angles.sin_of), (angles.cos, angles.cos_of),
    ):  # fmt: skip
        assert many(table).shape == (3, 4) and many(table.T).tolist() == many(table).T.tolist()
        assert many(table).ravel().tolist() == [one(x) for x in table.ravel().tolist()]
    assert table[0, 0] == 0.1, "what is given stays as it is"


def test_every_bit_is_what_it_is_on_every_machine() -> None:
    """These decide the bytes of audio: another digest is another sound."""
    numbers = (np.arange(1, 20_001) * 7919 % 20_011) / 1024.0  # exact
    found = [f(numbers - 10.0) for f in (powers.exp2, powers.exp10, powers.exp, angles.sin, angles.cos)]
    found += [f(numbers) for f in (powers.log2, powers.log10, powers.log)]
    assert hashlib.sha256(np.concatenate(found).astype("<f8").tobytes()).hexdigest()[:16] == "fc1383cc969af064"
