"""Tables of functions against the functions, and numbers in units."""

from __future__ import annotations

import numpy as np
import pytest

from lstm_core.foundation.fixed_point import (
    ALL_SHARES,
    MAX_SHARPNESS,
    power_table,
    rounded,
    share,
    sharpness,
    silu_table,
    tanh_table,
)


def test_tables_are_their_functions_to_the_nearest() -> None:
    x = (np.arange(4096) - 2048) / 256
    tanh = tanh_table()
    assert np.abs(np.clip(np.tanh(x) * 2**15, -32767, 32767) - tanh).max() <= 0.501
    assert tanh[2048] == 0 and np.array_equal(tanh[1:2048], -tanh[:2048:-1]) and np.abs(tanh).max() == 32767
    x = (np.arange(4096) - 2048) / 128
    assert np.abs(x / (1 + np.exp(-x)) * 2**11 - silu_table()).max() <= 0.501
    assert np.abs(2.0 ** (30 - np.arange(1024) / 1024) - power_table()).max() <= 0.501


@pytest.mark.parametrize(
    ("value", "bits", "wanted"), [(0.0, 4, 0), (1.0, 4, 16), (-1.0, 4, -16), (0.1, 10, 102), (1.5, 0, 2), (-1.5, 0, -1)]
)
def test_a_number_in_a_unit(value: float, bits: int, wanted: int) -> None:
    assert rounded(value, bits) == wanted


def test_shares_and_temperatures() -> None:
    assert share(1.0) == ALL_SHARES and share(0.3) == int(0.3 * ALL_SHARES) and share(1e-9) == 1
    assert sharpness(1e-12) == MAX_SHARPNESS and 2**32 * MAX_SHARPNESS + ALL_SHARES < 2**63
    for temperature in (0.05, 0.5, 1.0, 3.0):
        assert sharpness(temperature) == pytest.approx(ALL_SHARES / np.log(2) / temperature, abs=0.501)
