"""How high a fade between two layers of a track can peak.

Layers hold much the same, so a fade that keeps the power of what is unlike is up to 3 dB louder than either.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.elementary.powers import log10_of
from lstm_core.sound.audio import Waveform
from lstm_core.sound.loudness import tile_peaks


def fade_peaks(layers: Sequence[Waveform], *, is_loop: bool) -> npt.NDArray[np.float32]:
    """Highest true peak of each tile in any fade between two layers, float32 [C, S] each: float32 [tiles].

    That is under gains whose squares add up to one at most, as in fades of equal gain and of equal power: a x + b y is
    then no higher than the root of x² + y². One layer alone is such a fade too.
    """
    highest = second = np.zeros(1, dtype=np.float32)
    for layer in layers:
        peaks = tile_peaks(layer, 0.0, is_loop=is_loop)
        second = np.maximum(second, np.minimum(highest, peaks))
        highest = np.maximum(highest, peaks)
    found: npt.NDArray[np.float32] = np.hypot(highest, second)
    return found


def fade_peak_dbtp(layers: Sequence[Waveform], *, is_loop: bool, loop_start: int = 0) -> float:
    """Highest true peak in dBTP of any fade between two layers; -inf for silence.

    `loop_start`: the sample from which on they go round, where what comes before is played once.
    """
    peaks = fade_peaks(layers, is_loop=is_loop and not loop_start)
    highest = float(peaks.max(initial=0.0))
    if loop_start:
        body = fade_peaks([np.ascontiguousarray(layer[:, loop_start:]) for layer in layers], is_loop=True)
        highest = max(highest, float(body.max(initial=0.0)))
    return float(20 * log10_of(highest)) if highest > 0 else -np.inf
