"""Samples become whole numbers of steps, as 16 or 24 bits hold them."""

from __future__ import annotations

import numba
import numpy as np

from lstm_core.audio import Waveform


def quantise(waveform: Waveform, bit_depth: int, seed: int) -> None:
    """Nothing; rounds to the grid of the bit depth, to 16 bits under triangular dither of two steps.

    Digital silence gets no dither. After S. Lipshitz, R. Wannamaker and J. Vanderkooy, Quantization and dither (1992).
    """
    if bit_depth == 24:
        _round(waveform, np.float32(2**23))
        return
    random = np.asarray(np.random.Philox(key=seed & (2**64 - 1)).random_raw(waveform.shape[1]))
    _dither(waveform, random.view(np.uint16).reshape(-1, 4))


@numba.njit(cache=True, nogil=True)
def _round(waveform, scale):  # type: ignore[no-untyped-def]
    for channel in waveform:
        for i in range(len(channel)):
            channel[i] = min(max(np.rint(channel[i] * scale), -scale), scale - np.float32(1.0)) / scale


@numba.njit(cache=True, nogil=True)
def _dither(waveform, random):  # type: ignore[no-untyped-def]
    """Two uniform numbers of 16 bits for each sample: their difference is the dither."""
    scale = np.float32(32768.0)
    for side in range(waveform.shape[0]):
        channel = waveform[side]
        for i in range(len(channel)):
            if channel[i] != 0:
                noise = np.float32(np.int32(random[i, 2 * side]) - np.int32(random[i, 2 * side + 1]))
                value = np.rint(channel[i] * scale + noise * np.float32(1.0 / 65536.0))
                channel[i] = min(max(value, -scale), scale - np.float32(1.0)) / scale
