"""An intro runs into the loop after it, which then goes round without it.

What sounds on at the end of the intro is not what sounds on at the end of the loop, and only the latter may ring into
the loop's start. So the last of the intro gives way to the last of the loop: at the loop's start both ways in are one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.elementary.angles import sin
from lstm_core.sound.audio import Waveform
from lstm_core.sound.loudness import true_peak_dbtp

JOIN_S = 0.06  # over the last of the intro; shorter than a note, longer than a period of the lowest pitch


def joined(intro: Waveform, loop: Waveform, sample_rate: int) -> Waveform:
    """The intro, its last JOIN_S faded over to the end of the loop, and the loop as it is: float32 [C, S].

    The weights of both add up to one, so what keeps a ceiling before keeps it after.
    """
    num_faded = min(round(JOIN_S * sample_rate), intro.shape[1], loop.shape[1])
    whole = np.concatenate([intro, loop], axis=1)
    rising = _rising(num_faded)
    faded = slice(intro.shape[1] - num_faded, intro.shape[1])
    whole[:, faded] += rising * (loop[:, loop.shape[1] - num_faded :] - whole[:, faded])
    return whole


def joined_peak_dbtp(whole: Waveform, loop_start: int) -> float:
    """Highest true peak in dBTP of an intro and a loop, read once and in every round."""
    return max(true_peak_dbtp(whole), true_peak_dbtp(whole[:, loop_start:], is_loop=True))


def _rising(num_faded: int) -> npt.NDArray[np.float32]:
    """Weights from near 0 to near 1, a half period of a cosine: float32 [num_faded]."""
    places = np.arange(1, num_faded + 1) / (num_faded + 1)
    return (sin(np.pi / 2 * places) ** 2).astype(np.float32)
