"""How a track that ends slows down: a ritardando to the last chord, and a fermata on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lstm_core.notes.score import TICKS_PER_QUARTER, Meter, Tempo

USUAL_RIT, MIN_RIT, MAX_RIT = 0.3, 0.05, 0.5  # share of the tempo that is lost by the last chord
RIT_BARS = 2  # before the last chord
FERMATA = 2.0  # times as long as written

Floats = npt.NDArray[np.float64]


def rit_share(value: Any) -> Any:
    """A plain value of `rit` as the share that an order row holds: true is USUAL_RIT; no bool and no word, as it is."""
    words = {"true": USUAL_RIT, "yes": USUAL_RIT, "false": 0.0, "no": 0.0}
    return words.get(str(value).strip().lower(), value) if isinstance(value, bool | str) else value


@dataclass(frozen=True, kw_only=True)
class Slowing:
    """What the last bars of a track do with its tempo; without rit and fermata nothing."""

    meter: Meter  # of these bars
    rit: float = 0.0
    fermata: bool = False

    @property
    def chord_share(self) -> float:
        """Share of the tempo at which the last chord sounds."""
        return (1.0 - self.rit) / (FERMATA if self.fermata else 1.0)

    @property
    def beat_shares(self) -> Floats:
        """Share of the tempo on each beat of the last RIT_BARS bars before the last chord."""
        num_beats = RIT_BARS * self.meter.numerator
        shares: Floats = 1.0 - self.rit * np.arange(1, num_beats + 1) / num_beats
        return shares

    def fewest_bars(self, tail_bars: int) -> int:
        """Bars that a stretch must have whose last `tail_bars` begin with the last chord."""
        return tail_bars + (RIT_BARS if self.rit else 0)

    def more_bars(self, tail_bars: int) -> float:
        """How many bars longer the same bars last by slowing; the last `tail_bars` begin with the last chord."""
        return float((self.bar_weights(RIT_BARS + tail_bars, RIT_BARS) - 1.0).sum())

    def bar_weights(self, num_bars: int, final_bar: int | None) -> Floats:
        """How many times as long as at its tempo each bar lasts: float64 [num_bars]."""
        weights = np.ones(num_bars)
        if final_bar is not None:
            weights[final_bar:] = 1.0 / self.chord_share
            if self.rit:
                of_beats = (1.0 / self.beat_shares).reshape(RIT_BARS, -1).mean(axis=1)
                weights[final_bar - RIT_BARS : final_bar] = of_beats
        return weights

    def tempos(self, bar_bpm: Floats, starts: Sequence[int], final_bar: int | None) -> tuple[Tempo, ...]:
        """The tempo map of bars of these tempos, slowed at their end; each tempo that differs from the one before.

        starts: ticks at which the bars begin.
        """
        rows = [(tick, float(bpm)) for tick, bpm in zip(starts, bar_bpm, strict=False)]
        if final_bar is not None and self.chord_share != 1.0:
            rows = rows[: final_bar - RIT_BARS if self.rit else final_bar]
            beat_ticks = self.meter.bar_ticks // self.meter.numerator
            for beat, share in enumerate(self.beat_shares if self.rit else ()):
                bar = final_bar - RIT_BARS + beat // self.meter.numerator
                tick = starts[bar] + beat % self.meter.numerator * beat_ticks
                rows.append((tick, float(bar_bpm[bar] * share)))
            rows.append((starts[final_bar], float(bar_bpm[final_bar] * self.chord_share)))
        before = [None, *(bpm for _, bpm in rows)]
        return tuple(Tempo(tick=tick, bpm=bpm) for (tick, bpm), last in zip(rows, before, strict=False) if bpm != last)


def bar_seconds(bpm: float | Floats, meter: Meter) -> Any:
    """Seconds of a bar at a tempo, or of bars at theirs."""
    return meter.bar_ticks / TICKS_PER_QUARTER * 60.0 / bpm
