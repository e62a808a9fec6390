"""A tune that a track accompanies: one note at a time, in bars of one meter, with a key and a tempo."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from lstm_core.analysis.chords import tune_key
from lstm_core.analysis.grid import make_grid
from lstm_core.foundation.errors import OrderError
from lstm_core.notes.keys import tonic_chord
from lstm_core.notes.score import DRUMS, TICKS_PER_QUARTER, Meter, NoteArray, Score
from lstm_core.orders.order import MAX_BPM, MIN_BPM, parse_meter

LEGATO_TICKS = TICKS_PER_QUARTER // 4  # by which a played note may reach into the next one or over the last barline


@dataclass(frozen=True, kw_only=True)
class TuneOrigin:
    """The recording that a tune was found in."""

    num_notes: int  # of the tune
    confidence: float  # of the transcription, 0 to 1
    notes: str  # fingerprint of what was found


@dataclass(frozen=True, kw_only=True, eq=False)  # arrays have no truth value
class Tune:
    """A tune as its file has it."""

    notes: NoteArray  # in order, none while another one sounds; tick 0 is the barline before the first
    meter: Meter
    bpm: float
    key: int  # 0..23
    num_bars: int
    origin: TuneOrigin | None = None  # None for a tune that was written down

    @property
    def period(self) -> int:
        """Bars from one time to the next: one less where the upbeat of the next goes into the last bar."""
        first, bar_ticks = int(self.notes["onset"][0]), self.meter.bar_ticks
        end = int(self.notes["onset"][-1] + self.notes["duration"][-1]) - (self.num_bars - 1) * bar_ticks
        return self.num_bars - (self.num_bars > 2 and 2 * first >= bar_ticks and end <= first)

    @property
    def comes_to_rest(self) -> bool:
        """Whether its last bar is one note of the tonic chord, under which the last chord of a track fits."""
        onsets = self.notes["onset"] - (self.num_bars - 1) * self.meter.bar_ticks
        last = self.notes[onsets >= 0]
        return bool(
            len(last) == 1
            and onsets.max() == 0
            and int(last["pitch"][0]) % 12 in tonic_chord(self.key, "")
            and len(self.notes) > 1
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class PlacedTune:
    """A tune as it stands in a track, from its first bar on."""

    notes: NoteArray  # one time through, in the key of the track and by its instrument
    num_bars: int
    period: int  # bars from one time to the next
    num_times: int
    origin: TuneOrigin | None = None  # as of the tune

    @property
    def bars_in_all(self) -> int:
        """Bars from its first to its last."""
        return self.num_bars + (self.num_times - 1) * self.period

    @property
    def program(self) -> int:
        """The General MIDI program that plays it."""
        return int(self.notes["program"][0])

    def all_notes(self, bar_ticks: int) -> NoteArray:
        """The notes of all times through: NOTE_DTYPE [N]."""
        times = [self.notes.copy() for _ in range(self.num_times)]
        for number, notes in enumerate(times):
            notes["onset"] += number * self.period * bar_ticks
        return np.concatenate(times)


def tune_of(score: Score, uri: str) -> Tune:
    """The tune of a score.

    Raises:
        OrderError: it has drums, several notes at a time or several meters.
    """
    if num_drums := int((score.notes["program"] == DRUMS).sum()):
        raise OrderError(f"melody {uri} holds {num_drums} notes of drums. Keep the tune alone in the file.")
    meter, notes = _in_whole_bars(score, uri)
    try:
        parse_meter(str(meter))
    except OrderError as error:
        raise OrderError(f"melody {uri}: {error}") from error
    bar_ticks = meter.bar_ticks
    notes["onset"] -= notes["onset"].min() // bar_ticks * bar_ticks
    notes = _one_at_a_time(notes, bar_ticks, uri)
    end = int(notes["onset"][-1] + notes["duration"][-1])
    over = end % bar_ticks
    if 0 < over <= LEGATO_TICKS and notes["duration"][-1] > over:
        notes["duration"][-1] -= over
        end -= over
    grid = make_grid(Score(notes=notes, meters=(meter,)))
    return Tune(
        notes=notes,
        meter=meter,
        bpm=_main_tempo(score),
        key=tune_key(notes, grid),
        num_bars=-(-end // bar_ticks),
    )


def _in_whole_bars(score: Score, uri: str) -> tuple[Meter, NoteArray]:
    """The one meter of a score and its notes; an upbeat in a short bar of its own goes to the end of a whole one."""
    meters, notes = list(score.meters), score.notes.copy()
    if len(meters) > 1 and meters[1].tick < meters[1].bar_ticks:
        moved = meters[1].bar_ticks - meters[1].tick
        notes["onset"] += moved
        meters = [replace(meter, tick=meter.tick + moved) for meter in meters[1:]]
        meters[0] = replace(meters[0], tick=0)
    for meter in meters[1:]:
        bar = meter.tick // meters[0].bar_ticks + 1
        if str(meter) != str(meters[0]):
            raise OrderError(
                f"melody {uri} is in {meters[0]} and from bar {bar} on in {meter}. A tune that is accompanied has one "
                "meter: write it in one, or a part of it."
            )
        raise OrderError(f"melody {uri}: its bar {bar - 1} is cut short by the next. Write whole bars of {meter}.")
    return replace(meters[0], tick=0), notes


def _one_at_a_time(notes: NoteArray, bar_ticks: int, uri: str) -> NoteArray:
    """The notes in order, each ended by the next one where it reaches into it a little.

    Raises:
        OrderError: some sound together.
    """
    notes = notes[np.argsort(notes["onset"], kind="stable")]
    onset, ends = notes["onset"].astype(np.int64), (notes["onset"] + notes["duration"]).astype(np.int64)
    apart = np.diff(onset)
    together = (apart == 0) | (ends[:-1] - onset[1:] > np.minimum(LEGATO_TICKS, apart))
    if together.any():
        at = int(onset[1:][together][0])
        most = max(int(((onset <= tick) & (ends > tick)).sum()) for tick in onset.tolist())
        raise OrderError(
            f"melody {uri} has up to {most} notes that sound together, first in bar {at // bar_ticks + 1}. A tune has "
            "one at a time: keep one voice of the file."
        )
    notes["duration"][:-1] = np.minimum(notes["duration"][:-1], apart)
    return notes


def _main_tempo(score: Score) -> float:
    """The tempo of a score that holds longest, in quarters per minute."""
    ends = [*(tempo.tick for tempo in score.tempos[1:]), max(score.end_tick, score.tempos[-1].tick + 1)]
    ticks: Counter[float] = Counter()
    for tempo, end in zip(score.tempos, ends, strict=True):
        ticks[tempo.bpm] += end - tempo.tick
    return min(max(round(ticks.most_common(1)[0][0], 3), MIN_BPM), MAX_BPM)
