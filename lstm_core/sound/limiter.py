"""A limiter that looks ahead, works on true peaks and leaves everything alone that is under the ceiling."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.compiling import njit
from lstm_core.foundation.elementary.angles import cos
from lstm_core.foundation.elementary.powers import exp_of
from lstm_core.sound.audio import Waveform
from lstm_core.sound.loudness import TILE_SAMPLES

ATTACK_S = 0.008  # the gain begins to fall this long before a peak
RELEASE_S = 0.06  # a reduction shrinks to 1/e in this time; much shorter would follow the wave of a bass note


def limiting_gain(
    peaks: npt.NDArray[np.float32], ceiling: float, sample_rate: int, *, is_loop: bool
) -> npt.NDArray[np.float32] | None:
    """Gains at the borders of the tiles that hold every peak at the ceiling or under: float32 [tiles + 1].

    None when no tile is over. Border b lies before tile b; between borders the gain runs linearly. The reduction that a
    tile needs is held for half the attack to either side, dies away exponentially, and is smoothed by a window as wide
    as the attack: so the smoothed curve never falls short of what a tile needs, whatever lies around it.

    Args:
        peaks: highest true peak of each tile of TILE_SAMPLES, linear.
        ceiling: linear.
        sample_rate: in Hz.
        is_loop: the end runs into the start.
    """
    if not (peaks > ceiling).any():
        return None
    half = max(round(ATTACK_S / 2 * sample_rate / TILE_SAMPLES), 1)
    decay = float(exp_of(-TILE_SAMPLES / (RELEASE_S * sample_rate)))
    reduction = 1 - ceiling / np.maximum(peaks, np.float32(ceiling)).astype(np.float64)
    margin = 2 * half + 2
    padded = np.pad(reduction, margin, mode="wrap" if is_loop else "constant")
    held = _held(padded, half)
    followed = _followed(held, decay, 0.0)
    if is_loop:
        followed = _followed(held, decay, followed[len(peaks) - 1])
    window = cos(np.pi / 2 * np.arange(-half, half + 1) / (half + 1)) ** 2
    smooth = np.zeros(len(peaks) + 1)
    for place, weight in enumerate(window / window.sum()):  # in this order, where a library's is that of its processor
        smooth += weight * followed[margin - half + place :][: len(smooth)]
    gain = 1 - smooth
    if is_loop:
        gain[0] = gain[-1] = min(gain[0], gain[-1])
    return gain.astype(np.float32)


def apply_gain(waveform: Waveform, gain: float, borders: npt.NDArray[np.float32] | None) -> Waveform:
    """`waveform` times a constant gain times the limiting gain, if any: float32 [C, S]."""
    if borders is None:
        return waveform * np.float32(gain)
    out = np.empty_like(waveform)
    for source, target in zip(waveform, out, strict=True):
        _apply(source, np.float32(gain), borders, target)
    return out


@njit(cache=True, nogil=True)
def _held(padded, half):  # type: ignore[no-untyped-def]
    """Highest reduction of the tiles whose own borders lie within `half` of a border."""
    held = np.zeros_like(padded)
    for border in range(half + 1, len(padded) - half):
        for tile in range(border - 1 - half, border + half + 1):
            held[border] = max(held[border], padded[tile])
    return held


@njit(cache=True, nogil=True)
def _followed(held, decay, before):  # type: ignore[no-untyped-def]
    followed = np.empty_like(held)
    for border in range(len(held)):
        before = max(held[border], before * decay)
        followed[border] = before
    return followed


@njit(cache=True, nogil=True)
def _apply(source, gain, borders, target):  # type: ignore[no-untyped-def]
    for tile in range(-(-len(source) // TILE_SAMPLES)):
        first = tile * TILE_SAMPLES
        count = min(TILE_SAMPLES, len(source) - first)
        start = borders[tile] * gain
        slope = (borders[tile + 1] - borders[tile]) * gain / np.float32(count)
        for i in range(count):
            target[first + i] = source[first + i] * (start + slope * np.float32(i))
