"""Energy: numbers, curves and words, and the value of each bar."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_core.orders.energy_curve import MAX_POINTS, energy_of_bars, energy_text, parse_energy

curves = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12)


def test_numbers_curves_and_words() -> None:
    assert parse_energy(0.5) == parse_energy("0.5") == (0.5,)
    assert parse_energy(1) == parse_energy([1]) == (1.0,)
    for spelled in ([0.2, 0.5, 1.0], "0.2 0.5 1", "[0.2, 0.5, 1.0]", "0.2;0.5;1", " 0.2|0.5 | 1 "):
        assert parse_energy(spelled) == (0.2, 0.5, 1.0)
    rise, fall, arc = (energy_of_bars(parse_energy(word), 16) for word in ("rise", " Fall", "ARC"))
    assert (np.diff(rise) > 0).all() and (np.diff(fall) < 0).all()
    assert 0 < arc.argmax() < 15 and arc.max() > max(arc[0], arc[-1]) + 0.3


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "energy is nan, it must be 0 to 1"),
        ("nan", "energy is nan, it must be 0 to 1"),
        ([0.2, float("nan"), 1.0], "point 2 of energy is nan"),
        ([0.2, float("inf")], "point 2 of energy is inf"),
        (1.01, "energy is 1.01, it must be 0 to 1"),
        (-0.1, "energy is -0.1"),
        ("0.2 2", "point 2 of energy is 2"),
        ([0.1, True], "point 2 of energy is True"),
        ([0.1, [0.2]], r"point 2 of energy is \[0.2\]"),
        ("rize", r'energy is "rize"\. Did you mean rise\?'),
        ("loud", r'"loud"\. Write a number from 0 to 1, a curve'),
        ([], "holds no points"),
        (" ", "holds no points"),
        ([0.5] * (MAX_POINTS + 1), "holds 1001 points"),
    ],
)
def test_what_is_no_energy(value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_energy(value)


@given(curves)
def test_the_text_of_a_curve_reads_back(curve: list[float]) -> None:
    text = energy_text(curve)
    assert parse_energy(text) == tuple(curve) and energy_text(text) == text
    assert energy_text("[" + ", ".join(map(repr, curve)) + "]") == text


def test_texts_of_what_is_no_curve_say_what_was_given() -> None:
    assert energy_text(" rise ") == "rise" and energy_text(0.5) == "0.5" and energy_text("1") == "1.0"
    assert energy_text([0.5, float("nan")]) == "0.5 nan" and energy_text(True) == "True"


def test_values_of_bars() -> None:
    assert energy_of_bars((0.2, 0.5, 1.0), 3).tolist() == [0.2, 0.5, 1.0]
    assert energy_of_bars((0.0, 1.0), 5).tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert energy_of_bars((0.0, 1.0), 1).tolist() == [0.5]
    assert energy_of_bars((0.0, 1.0, 0.0), 2).tolist() == [0.5, 0.5]
    assert energy_of_bars((0.7,), 3).tolist() == [0.7, 0.7, 0.7]


@given(curves, st.integers(1, 40))
def test_bars_stay_between_the_points_and_rise_with_them(curve: list[float], num_bars: int) -> None:
    bars = energy_of_bars(curve, num_bars)
    assert bars.shape == (num_bars,) and bars.dtype == np.float64
    assert bars.min() >= min(curve) - 1e-12 and bars.max() <= max(curve) + 1e-12
    assert (np.diff(energy_of_bars(sorted(curve), num_bars)) >= -1e-9).all()
    np.testing.assert_allclose(energy_of_bars(curve[::-1], num_bars), bars[::-1], atol=1e-9)
    if num_bars >= len(curve) > 1:
        assert (bars[0], bars[-1]) == (curve[0], curve[-1])
