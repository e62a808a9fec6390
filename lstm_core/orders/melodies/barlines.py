"""Where the beats and barlines of a recorded tune are: as found, as its own rhythm says, or as an order says.

A tune alone has fewer signs of its bars than the music that the beat tracker learnt from. So the tracker says how fast
the beat is and where it falls; whether three or four beats are a bar, and whether the beat is not rather twice as
fast, is seen by how the tune repeats itself: at which distances its long notes come again, and its pitches (Brown,
"Determination of the meter of musical scores by autocorrelation", JASA 1993).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lstm_core.foundation.errors import OrderError
from lstm_core.notes.score import DRUMS, TICKS_PER_QUARTER, Meter, NoteArray
from lstm_core.orders.order import parse_meter
from lstm_core.transcription.beats.grid import Floats, GivenBeats, Ints, score_of, tracked
from lstm_core.transcription.beats.quantisation import moments
from lstm_core.transcription.beats.tracking import Beats, BeatSettings
from lstm_core.transcription.transcription import DOWNBEAT, Transcription

NEAR = 1.05  # of a tempo that is known: beats are looked for at up to so many times it, and from its share on
SLOWEST_BPM, HALVED_SHARE = 80.0, 0.15  # a slower beat that notes halve, and hardly divide finer, is twice as fast
FINER_SHARE = 0.1  # of the notes at most
FASTEST_BPM = 150.0  # a faster beat that most notes double at least is half as fast
# What speaks for a beat of the bar to be the first: the share of the lengths of notes that begin with it, of their
# number, and the first note. Of 196 songs and dances, half of them with an upbeat, the beat tracker alone was right in
# 63 %, this in 68 %; on 2026-11-30.
DOWNBEAT_WEIGHTS = (6.0, 12.0, 0.5)
# Beats after which bars of three and of two or four come again. Of 188 songs and dances (Essen, O'Neill, Aird; 24 to
# 213 notes) these told 3/4 from 2/4 and 4/4 in 97 %; on 2026-11-30.
BARS_OF_THREE, BARS_OF_FOUR = (3, 6, 9, 15), (2, 4, 8, 10, 14, 16)
FEWEST_BEATS = 9  # of a tune whose bars are seen by how it repeats itself
PER_BEAT = 4  # places of a beat at which notes are compared
LONGEST = 2 * PER_BEAT  # places of a note beyond which it counts no more
NO_PITCH = -1
TRIPLET, TRIPLE_SHARE = TICKS_PER_QUARTER // 3, 0.7  # of the notes between beats in triplets makes beats dotted
STEP_S = 0.01  # between the places that are tried for a steady beat
SPREAD_S = 0.04  # of notes around a steady beat
HALF_BEAT_WEIGHT = 0.5  # of a note half way between two beats of a steady one


@dataclass(frozen=True, kw_only=True)
class AskedBeats:
    """What an order says of the beats of a recording; nothing by default."""

    bpm: float = 0.0  # quarters per minute
    meter: str = ""

    @property
    def given_meter(self) -> Meter | None:
        """The meter, None where none is given."""
        return parse_meter(self.meter) if self.meter else None

    @property
    def beat_ticks(self) -> int:
        """Ticks of a beat: a dotted quarter in 6/8, 9/8 and 12/8, else a quarter."""
        meter = self.given_meter
        is_compound = meter is not None and meter.denominator == 8 and meter.numerator in (6, 9, 12)
        return TICKS_PER_QUARTER * 3 // 2 if is_compound else TICKS_PER_QUARTER

    @property
    def num_beats(self) -> int:
        """Beats of a bar, 0 where no meter is given.

        Raises:
            OrderError: a bar of the meter is not two beats or more.
        """
        meter = self.given_meter
        if meter is None:
            return 0
        if meter.bar_ticks % self.beat_ticks or meter.bar_ticks < 2 * self.beat_ticks:
            raise OrderError(
                f"meter is {meter}, and a recording is read in bars of two or more quarters or dotted quarters. Write "
                "2/4, 3/4, 4/4, 5/4, 6/8, 9/8 or 12/8, or write the tune down."
            )
        return meter.bar_ticks // self.beat_ticks


def beats_of_tune(transcription: Transcription, asked: AskedBeats, uri: str, *, is_alone: bool) -> GivenBeats:
    """The beats of a recording.

    Args:
        transcription: With notes.
        asked: What the order says of them.
        uri: Of the recording, for messages.
        is_alone: Whether one note sounds at a time, so that its notes are all those of the tune.

    Raises:
        OrderError: no beat is found, and the order names no tempo.
    """
    num_beats, is_compound = asked.num_beats, asked.beat_ticks != TICKS_PER_QUARTER
    if asked.bpm:
        beat_bpm = asked.bpm * TICKS_PER_QUARTER / asked.beat_ticks
        found = _near(transcription, beat_bpm, num_beats)
        if not found.has_beat:
            return GivenBeats(beats=_steady(transcription, beat_bpm, num_beats or 4), is_compound=is_compound)
        if is_alone and not num_beats:
            found = _near(transcription, beat_bpm, _num_beats(_on_beats(transcription, found), found.meter))
        found = _with_downbeat(transcription, found) if is_alone else found
        return GivenBeats(beats=found, is_compound=is_compound)
    found = tracked(transcription, BeatSettings(meters=(num_beats,)) if num_beats else None)
    if not found.has_beat:
        raise OrderError(
            f"melody {uri}: no steady beat is found in it (strength {found.strength:.2f} of 1, unsteadiness "
            f"{found.unsteadiness:.3f}). Write bpm, the tempo that it was recorded at, and meter; or record it again "
            "in time with a metronome, in headphones."
        )
    if not is_alone:
        score = score_of(transcription).score
        return GivenBeats(beats=found, is_compound=is_compound or (not num_beats and score.meters[0].denominator == 8))
    return _by_its_rhythm(transcription, found, asked)


def _by_its_rhythm(transcription: Transcription, found: Beats, asked: AskedBeats) -> GivenBeats:
    """The beats of a tune alone, at the speed and in the bars that its notes speak for."""
    notes = _on_beats(transcription, found)
    apart = float(np.median(np.diff(notes["onset"]))) / TICKS_PER_QUARTER if len(notes) > 1 else 1.0
    inside = notes["onset"] % TICKS_PER_QUARTER
    halved = float(np.mean(inside == TICKS_PER_QUARTER // 2))
    finer = float(np.mean(inside > 0)) - halved
    is_compound = asked.beat_ticks != TICKS_PER_QUARTER or (not asked.meter and _is_triple(notes["onset"]))
    faster = 1.0
    if not is_compound and found.bpm < SLOWEST_BPM and halved >= HALVED_SHARE and finer <= FINER_SHARE:
        faster = 2.0
    if found.bpm > FASTEST_BPM and apart >= 2.0:
        faster = 0.5
    if faster != 1.0:
        found = _near(transcription, found.bpm * faster, asked.num_beats)
        notes = _on_beats(transcription, found)
    num_beats = asked.num_beats or _num_beats(notes, 2 if is_compound else found.meter)
    num_beats = 2 if is_compound and num_beats == 4 and not asked.meter else num_beats
    beats = found if num_beats == found.meter else _near(transcription, found.bpm, num_beats)
    return GivenBeats(beats=_with_downbeat(transcription, beats), is_compound=is_compound)


def _near(transcription: Transcription, bpm: float, num_beats: int) -> Beats:
    """The beats that are found near a tempo, in bars of so many, or of any number for 0."""
    settings = BeatSettings(min_bpm=bpm / NEAR, max_bpm=bpm * NEAR)
    return tracked(
        transcription,
        BeatSettings(min_bpm=settings.min_bpm, max_bpm=settings.max_bpm, meters=(num_beats,))
        if num_beats
        else settings,
    )


def _on_beats(transcription: Transcription, beats: Beats) -> NoteArray:
    """The notes of a tune where each of some beats has 24 ticks, one of each moment, drums left out."""
    notes: NoteArray = score_of(transcription, given=GivenBeats(beats=beats, is_compound=False)).score.notes
    notes = notes[notes["program"] != DRUMS]
    return notes[np.diff(notes["onset"], prepend=-1) > 0]


def _with_downbeat(transcription: Transcription, beats: Beats) -> Beats:
    """The beats of a tune alone in bars that begin with the beat for which its notes speak most."""
    notes = _on_beats(transcription, beats)
    length = np.log2(1 + np.minimum(np.diff(notes["onset"], append=notes["onset"][-1] + TICKS_PER_QUARTER), 48) / 6)
    is_on = notes["onset"] % TICKS_PER_QUARTER == 0
    place = notes["onset"] // TICKS_PER_QUARTER % beats.meter
    lengths = np.bincount(place[is_on], weights=length[is_on], minlength=beats.meter)
    counts = np.bincount(place[is_on], minlength=beats.meter)
    first = (np.arange(beats.meter) == place[0]) & is_on[0]
    by_length, by_count, by_first = DOWNBEAT_WEIGHTS
    points = (
        by_length * lengths / max(lengths.sum(), 1e-9) + by_count * counts / max(counts.sum(), 1) + by_first * first
    )
    return replace(beats, places=(beats.places - int(points.argmax())) % beats.meter)


def _is_triple(ticks: Ints) -> bool:
    """Whether the beats of a tune are mostly divided in three: then they are dotted quarters, whatever was felt."""
    inside = ticks % TICKS_PER_QUARTER
    divided = inside[inside > 0]
    second, last = np.count_nonzero(divided == TRIPLET), np.count_nonzero(divided == 2 * TRIPLET)
    is_triple = len(divided) >= 4 and np.mean(divided % TRIPLET == 0) >= TRIPLE_SHARE
    return bool(is_triple and second > 0.15 * last)  # a shuffle leaves the second third out


def _num_beats(notes: NoteArray, usual: int) -> int:
    """Beats of a bar of a tune, 3 or another number, by how it comes again; `usual` where it is too short."""
    onset = notes["onset"].astype(np.int64)
    if onset[-1] - onset[0] < FEWEST_BEATS * TICKS_PER_QUARTER:
        return usual
    places = np.rint((onset - onset[0]) * PER_BEAT / TICKS_PER_QUARTER).astype(np.int64)
    weight: Floats = np.zeros(int(places[-1]) + 1)
    weight[places] = np.log2(1 + np.minimum(np.diff(places, append=places[-1] + PER_BEAT), LONGEST))
    pitch = np.full(len(weight), NO_PITCH)
    pitch[places] = notes["pitch"]
    three, four = (
        np.mean([_likeness(weight, pitch, lag * PER_BEAT) for lag in lags]) for lags in (BARS_OF_THREE, BARS_OF_FOUR)
    )
    if three > four:
        return 3
    return usual if usual in (2, 4) else 4


def _likeness(weight: Floats, pitch: Ints, lag: int) -> float:
    """How alike a tune is to itself so many places later, by the length of its notes and by their pitches, 0 to 2."""
    if lag >= len(weight):
        return 0.0
    one, other, first, second = weight[:-lag], weight[lag:], pitch[:-lag], pitch[lag:]
    begins = (first != NO_PITCH) | (second != NO_PITCH)
    same = (first == second)[begins]
    by_length = 2.0 * float(one @ other) / max(float(one @ one + other @ other), 1e-9)
    return by_length + (float(same.mean()) if len(same) else 0.0)


def _steady(transcription: Transcription, bpm: float, num_beats: int) -> Beats:
    """Beats of exactly this tempo where most notes fall on them or half way between."""
    onsets_s = transcription.notes["onset_s"].astype(np.float64)
    onsets_s = onsets_s[np.diff(moments(onsets_s), prepend=-1) > 0]
    period_s = 60.0 / bpm

    def fit(start_s: float) -> float:
        off = (onsets_s - start_s) % (period_s / 2)
        off = np.minimum(off, period_s / 2 - off)
        on_beat = np.minimum((onsets_s - start_s) % period_s, (start_s - onsets_s) % period_s) < period_s / 4
        return float(np.exp(-0.5 * (off / SPREAD_S) ** 2) @ np.where(on_beat, 1.0, HALF_BEAT_WEIGHT))

    start_s = max(np.arange(0.0, period_s, STEP_S).tolist(), key=fit)
    times_s = np.arange(start_s, transcription.duration_s + period_s, period_s)
    number = np.arange(len(times_s))
    heights = _heights(transcription, times_s)
    downbeat = max(range(num_beats), key=lambda place: float(heights[number % num_beats == place].sum()))
    return Beats(
        times_s=times_s,
        places=(number - downbeat) % num_beats,
        meter=num_beats,
        bpm=bpm,
        strength=0.0,
        unsteadiness=0.0,
        has_beat=True,
    )


def _heights(transcription: Transcription, times_s: Floats) -> Floats:
    """How probable a downbeat is near each of some times: float64 [n]."""
    activation = np.pad(transcription.beat_activation[:, DOWNBEAT].astype(np.float64), 1)
    frames = np.clip(np.rint(times_s * transcription.frame_rate).astype(np.int64), 0, len(activation) - 3)
    heights: Floats = activation[frames[:, None] + np.arange(3)].max(axis=1)
    return heights
