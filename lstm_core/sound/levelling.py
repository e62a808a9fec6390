"""The gain into the limiter at which a mix gets the requested loudness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.elementary.powers import exp10_of, log10_of
from lstm_core.sound.audio import Waveform
from lstm_core.sound.layers.fades import fade_peaks
from lstm_core.sound.limiter import apply_gain, limiting_gain
from lstm_core.sound.loops.joining import joined
from lstm_core.sound.loudness import integrated_loudness, tile_peaks

LOUDNESS_AIM_LU = 0.05  # the gain is searched until the loudness is this near
LOUDNESS_TOLERANCE_LU = 0.2  # what we promise; EBU R 128 allows 0.5
MAX_GAIN_STEPS = 8  # each runs the limiter once; 1 to 3 are usual
MAX_HALVINGS = 12  # of the range of gains, where the steps do not come near enough: from -9 LUFS on
MOST_DRIVE_DB = 24.0  # into the limiter; 16 dB more made 0.1 LU or less of 9 tracks out of 10, and 0.5 of the tenth
PEAK_MARGIN_DB = 0.3  # under four times the rate peaks hide: FFmpeg's meter found one 0.18 dB higher in 50 tracks


Borders = npt.NDArray[np.float32] | None  # of the limiting gain, see limiting_gain; None where nothing is limited


@dataclass(frozen=True)
class Levelled:
    """A mix at some gain, limited."""

    gain_db: float
    borders: Borders
    waveform: Waveform  # with the intro before it, if there is one
    loudness_lufs: float
    intro_borders: Borders = None

    @property
    def gain(self) -> float:
        """The gain as a factor."""
        return float(exp10_of(self.gain_db / 20))

    @property
    def limited_db(self) -> float:
        """The most that the limiter takes off anywhere."""
        lowest = [borders.min() for borders in (self.intro_borders, self.borders) if borders is not None]
        return float(-20 * log10_of(min(lowest))) if lowest else 0.0

    def applied(self, mix: Waveform, intro: Waveform | None, sample_rate: int) -> Waveform:
        """What is given of the mix, and of its intro, with the same gain and limiting: float32 [C, S]."""
        waveform = apply_gain(mix, self.gain, self.borders)
        if intro is None:
            return waveform
        return joined(apply_gain(intro, self.gain, self.intro_borders), waveform, sample_rate)


class Leveller:
    """Limits a mix, float32 [C, S], at one gain after another, and measures how loud it comes out.

    Args:
        mix: with `loudness` LUFS as it is.
        loudness: finite.
        loop: whether the end runs into the start.
        sample_rate: in Hz.
        true_peak_dbtp: that nothing may exceed.
        intro: what is played once before the loop, if anything; `loudness` is then that of both joined.
        layers: of the mix, which is one of them; no fade between two of them may exceed the true peak either.
        intro_layers: the same of the intro.
    """

    def __init__(
        self,
        mix: Waveform,
        loudness: float,
        loop: bool,
        sample_rate: int,
        true_peak_dbtp: float,
        intro: Waveform | None = None,
        layers: Sequence[Waveform] = (),
        intro_layers: Sequence[Waveform] = (),
    ) -> None:
        self._mix, self._loudness, self._loop, self._sample_rate = mix, loudness, loop, sample_rate
        ceiling = float(exp10_of((true_peak_dbtp - PEAK_MARGIN_DB) / 20))
        self._limiting = _Limiting(mix, layers, ceiling, sample_rate, is_loop=loop)
        self._intro, self._intro_limiting = intro, None
        if intro is not None:
            self._intro_limiting = _Limiting(intro, intro_layers, ceiling, sample_rate, is_loop=False)

    def level(self, wanted_lufs: float) -> Levelled:
        """The mix at the requested loudness; or at MOST_DRIVE_DB where the limiter leaves it softer than that."""
        first = found = self._at(wanted_lufs - self._loudness)
        for _ in range(MAX_GAIN_STEPS - 1):
            missing = wanted_lufs - found.loudness_lufs
            if abs(missing) <= LOUDNESS_AIM_LU:
                return found
            found = self._at(found.gain_db + missing * 1.1)  # what is added comes through the limiter smaller
        if abs(wanted_lufs - found.loudness_lufs) <= LOUDNESS_TOLERANCE_LU:
            return found
        return self._bracketed(wanted_lufs, first, self._at(first.gain_db + MOST_DRIVE_DB))

    def _bracketed(self, wanted_lufs: float, soft: Levelled, loud: Levelled) -> Levelled:
        """The same by halving the range of gains between one that is too soft and one that may be too loud."""
        if loud.loudness_lufs < wanted_lufs:
            return loud
        for _ in range(MAX_HALVINGS):
            found = self._at((soft.gain_db + loud.gain_db) / 2)
            if abs(wanted_lufs - found.loudness_lufs) <= LOUDNESS_AIM_LU:
                return found
            soft, loud = (found, loud) if found.loudness_lufs < wanted_lufs else (soft, found)
        return loud

    def _at(self, gain_db: float) -> Levelled:
        gain = float(exp10_of(gain_db / 20))
        borders = self._limiting.borders(gain)
        intro_borders = None if self._intro_limiting is None else self._intro_limiting.borders(gain)
        found = Levelled(gain_db, borders, self._mix, self._loudness + gain_db, intro_borders)
        waveform = found.applied(self._mix, self._intro, self._sample_rate)
        if borders is None and intro_borders is None:
            return replace(found, waveform=waveform)
        is_loop = self._loop and self._intro is None
        loudness = integrated_loudness(waveform, self._sample_rate, is_loop=is_loop)
        return replace(found, waveform=waveform, loudness_lufs=loudness)


class _Limiting:
    """The limiting gain of a mix at one gain after another; its peaks are looked for anew only where it is louder."""

    def __init__(
        self, mix: Waveform, layers: Sequence[Waveform], ceiling: float, sample_rate: int, *, is_loop: bool
    ) -> None:
        self._mix, self._ceiling, self._sample_rate, self._is_loop = mix, ceiling, sample_rate, is_loop
        self._peaks = fade_peaks(layers, is_loop=is_loop) if layers else None
        self._floor = 0.0 if layers else np.inf

    def borders(self, gain: float) -> Borders:
        if self._peaks is None or self._ceiling / gain < self._floor:
            self._floor = self._ceiling / gain * 0.8  # for the next steps, which are louder
            self._peaks = tile_peaks(self._mix, self._floor, is_loop=self._is_loop)
        peaks = self._peaks * np.float32(gain)
        return limiting_gain(peaks, self._ceiling, self._sample_rate, is_loop=self._is_loop)
