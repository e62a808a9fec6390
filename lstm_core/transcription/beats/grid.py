"""A Transcription becomes a Score: beats give tempo and bars, notes go to ticks and get parts and instruments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lstm_core.notes.limits import MAX_NOTE_TICKS, check_duration, check_num_notes, cleaned_text, meter_map, tempo_map
from lstm_core.notes.score import DRUMS, NOTE_DTYPE, TICKS_PER_QUARTER, Meter, Score, tidy
from lstm_core.transcription.beats.quantisation import TRIPLE, Quantised, moments, quantise, quantise_ends
from lstm_core.transcription.beats.tempo_curve import tempo_curve
from lstm_core.transcription.beats.tracking import Beats, BeatSettings, track_beats
from lstm_core.transcription.confidence import confidence_of
from lstm_core.transcription.roles import DRUM_KEYS, DRUM_ROLE, assign_roles, programs_for
from lstm_core.transcription.transcription import Transcription

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

PLAIN_BPM = 120.0  # of music without a beat
DRUM_TICKS = 6  # a drum is struck: its length has no meaning
COMPOUND_SHARE = 0.7  # of the divided beats in triplets makes 6/8 of 2/4 and 9/8 of 3/4; 4/4 stays, in triplets
COMPOUND_MIDDLE = 0.15  # so many onsets on the second third for one on the last: a shuffle leaves it out
HALVE_ABOVE_BPM, HALVE_ONSETS = 190.0, 0.6  # with fewer onsets per beat, the beat is the half note's
DOUBLE_BELOW_BPM, DOUBLE_SHARE = 56.0, 0.35  # with so many onsets off the half beat, it is the eighth's
DRAWING = (0.25, 0.6, 1.0, 0.6, 0.25)  # weight of onsets two beats before to two beats after a beat that they correct
DRAWING_S = 0.035  # onsets farther from their place do not count


@dataclass(frozen=True, kw_only=True, eq=False)
class GriddedScore:
    """A score made of a recording, and how reliable it is."""

    score: Score
    beats: Beats
    start_s: float  # time in the recording of tick 0; negative when its first bar began before the recording
    grid_share: float  # of the moments at which notes begin, near a point of the grid
    confidence: float  # 0 to 1, see confidence_of


@dataclass(frozen=True, kw_only=True, eq=False)
class GivenBeats:
    """Beats that somebody knows better than the recording shows."""

    beats: Beats  # taken as they are, at no other octave of tempo
    is_compound: bool  # whether they are dotted quarters


@dataclass(frozen=True, kw_only=True, eq=False)
class _Grid:
    """Beats without a gap, from a barline before the first note to the end of the last."""

    times_s: Floats
    meter: int  # beats per bar; beat 0 opens one

    def positions(self, seconds: Floats) -> Floats:
        """Beats, from 0, at some times in seconds."""
        return np.interp(seconds, self.times_s, np.arange(len(self.times_s), dtype=np.float64))


def score_of(
    transcription: Transcription,
    *,
    title: str = "",
    tags: Mapping[str, str] | None = None,
    settings: BeatSettings | None = None,
    given: GivenBeats | None = None,
) -> GriddedScore:
    """The score of a recording on the beats that are found in it, or on those that are given.

    Without a beat the grid is a plain one, 4/4 at 120 bpm from the start of the recording, onsets at the nearest tick.
    A pickup is preceded by rests. `part` is the role of a note, an index into roles.ROLE_NAMES. Tags added: `source`
    (transcription), `grid` (beats or plain), `beat_strength`, `grid_share`, `confidence`.

    Raises:
        ScoreError: the transcription is empty, or holds more than a score may.
    """
    check_num_notes(len(transcription.notes) + len(transcription.drums))
    beats = given.beats if given is not None else tracked(transcription, settings)
    onsets_s, ends_s, order = _times(transcription)
    if beats.has_beat:
        felt = beats if given is not None else _resolved(beats, onsets_s)
        grid = _grid(felt, onsets_s, float(ends_s.max()))
        ticks, quantised, is_compound = _on_beats(grid, onsets_s, ends_s, None if given is None else given.is_compound)
        unit = TICKS_PER_QUARTER * 3 // 2 if is_compound else TICKS_PER_QUARTER
        tempos, meter = _tempos(grid, unit), _meter(grid.meter, is_compound)
        start_s, grid_share = float(grid.times_s[0]), float(quantised.is_near.mean())
    else:
        per_tick = 60.0 / (PLAIN_BPM * TICKS_PER_QUARTER)
        ticks = np.rint(np.column_stack([onsets_s, ends_s]) / per_tick).astype(np.int64)
        tempos, meter, start_s, grid_share = [(0, PLAIN_BPM)], Meter(tick=0, numerator=4, denominator=4), 0.0, 0.0
    score = _score(transcription, order, ticks, tempos, meter)
    confidence = confidence_of(transcription, beats, grid_share)
    tags_added = {
        "source": "transcription",
        "grid": "beats" if beats.has_beat else "plain",
        "beat_strength": f"{beats.strength:.3f}",
        "grid_share": f"{grid_share:.3f}",
        "confidence": f"{confidence:.3f}",
    }
    score = replace(score, title=cleaned_text(title), tags={**(tags or {}), **tags_added})
    check_duration(score)
    return GriddedScore(score=score, beats=beats, start_s=start_s, grid_share=grid_share, confidence=confidence)


def tracked(transcription: Transcription, settings: BeatSettings | None = None) -> Beats:
    """The beats that are found in a recording."""
    return track_beats(
        transcription.beat_activation, transcription.frame_rate, settings, tempo=transcription.tempo_activation
    )


def _times(transcription: Transcription) -> tuple[Floats, Floats, Ints]:
    """Onsets and ends of notes and drums together, in order of onsets, and that order (drums after notes)."""
    notes, drums = transcription.notes, transcription.drums
    onsets_s = np.concatenate([notes["onset_s"], drums["onset_s"]])
    ends_s = np.concatenate([np.maximum(notes["offset_s"], notes["onset_s"]), drums["onset_s"]])
    order = np.argsort(onsets_s, kind="stable")
    return np.maximum(onsets_s[order], 0.0), np.maximum(ends_s[order], 0.0), order


def _resolved(beats: Beats, onsets_s: Floats) -> Beats:
    """The beats at the other octave of tempo where the onsets say so."""
    times_s, places = beats.times_s, beats.places
    first = onsets_s[np.concatenate([[True], np.diff(moments(onsets_s)) > 0])]
    if beats.bpm > HALVE_ABOVE_BPM and beats.meter % 2 == 0:
        num_inside = np.count_nonzero((first >= times_s[0]) & (first <= times_s[-1]))
        if num_inside < HALVE_ONSETS * len(times_s):
            keep = places % 2 == 0
            meter = max(beats.meter // 2, 2)
            halved = places[keep] // 2 if beats.meter > 2 else np.arange(np.count_nonzero(keep)) % 2
            return replace(beats, times_s=times_s[keep], places=halved, meter=meter, bpm=beats.bpm / 2)
    if beats.bpm < DOUBLE_BELOW_BPM:
        inside = np.interp(first, times_s, np.arange(len(times_s), dtype=np.float64)) % 0.5
        off_half = (inside > 0.1) & (inside < 0.4)
        if off_half.mean() > DOUBLE_SHARE:
            middle = np.interp(np.arange(2 * len(times_s) - 1) / 2.0, np.arange(len(times_s)), times_s)
            meter = beats.meter if beats.meter > 2 else 4
            doubled = (2 * int(places[0]) + np.arange(len(middle))) % meter
            return replace(beats, times_s=middle, places=doubled, meter=meter, bpm=beats.bpm * 2)
    return beats


def _grid(beats: Beats, onsets_s: Floats, end_s: float) -> _Grid:
    """Beats smoothed, their gaps filled, and extended at both ends to whole bars."""
    times_s, places, meter = beats.times_s.copy(), beats.places, beats.meter
    usual = np.diff(times_s)
    bends = np.diff(times_s, 2)
    is_smooth = np.abs(bends) < 0.25 * usual[:-1]
    times_s[1:-1] += np.where(is_smooth, 0.25 * bends, 0.0)  # half of the noise of a beat, none of its drift
    median_s = float(np.median(usual))
    pieces = [times_s[:1]]
    for i in range(1, len(times_s)):
        rest = int(places[i] - places[i - 1] - 1) % meter  # beats that bars want in between: 0 where the walk went on
        gap = times_s[i] - times_s[i - 1]
        num_between = rest + meter * max(round((gap / median_s - 1 - rest) / meter), 0)
        pieces.append(np.linspace(times_s[i - 1], times_s[i], num_between + 2)[1:])
    times_s = np.concatenate(pieces)
    head, tail = (float(np.median(part)) for part in (np.diff(times_s[:9]), np.diff(times_s[-9:])))
    num_before = max(int(np.ceil((times_s[0] - onsets_s[0]) / head - 0.1)), 0)
    num_before += int(places[0] - num_before) % meter
    num_after = max(int(np.ceil((end_s - times_s[-1]) / tail)), 0) + 1
    before = times_s[0] - head * np.arange(num_before, 0, -1)
    times_s = np.concatenate([before, times_s, times_s[-1] + tail * np.arange(1, num_after + 1)])
    late = int(np.searchsorted(times_s, onsets_s[0] + 0.1 * head, side="right")) - 1  # bars of silence are left out
    return _Grid(times_s=times_s[max(late, 0) // meter * meter :], meter=meter)


def _on_beats(grid: _Grid, onsets_s: Floats, ends_s: Floats, is_compound: bool | None) -> tuple[Ints, Quantised, bool]:
    """Onset and end ticks of notes, int64 [N, 2], the moments they come from, whether beats are dotted quarters.

    The last is as given, or found where that is None.
    """
    moment = moments(onsets_s)
    weights = np.bincount(moment).astype(np.float64)
    times_s = np.bincount(moment, weights=onsets_s) / weights
    quantised = quantise(grid.positions(times_s), weights, np.diff(grid.times_s))
    grid = _drawn_to(grid, times_s, quantised)
    quantised = quantise(grid.positions(times_s), weights, np.diff(grid.times_s))
    onset = quantised.ticks[moment]
    ends = quantise_ends(grid.positions(ends_s), onset, quantised)
    ticks = np.column_stack([onset, ends])
    if is_compound is None:
        is_compound = grid.meter < 4 and _is_compound(quantised)
    return (ticks * 3 + 1) // 2 if is_compound else ticks, quantised, is_compound


def _drawn_to(grid: _Grid, times_s: Floats, quantised: Quantised) -> _Grid:
    """The grid with its beats moved by what the onsets around them are off: notes are timed more exactly than beats.

    First by the median of all, as beats and onsets may be detected with different delays, then by local means.
    """
    number = np.arange(len(grid.times_s), dtype=np.float64)
    late_s = times_s - np.interp(quantised.ticks / TICKS_PER_QUARTER, number, grid.times_s)
    usual_s = float(np.median(late_s))
    late_s = late_s - usual_s
    is_near = np.abs(late_s) < DRAWING_S
    nearest = np.rint(quantised.ticks / TICKS_PER_QUARTER).astype(np.int64)[is_near]
    sums: Floats = np.bincount(nearest, weights=late_s[is_near], minlength=len(number)).astype(np.float64)
    counts: Floats = np.bincount(nearest, minlength=len(number)).astype(np.float64)
    sums = np.convolve(sums, DRAWING, mode="full")[2:-2]
    counts = np.convolve(counts, DRAWING, mode="full")[2:-2]
    return _Grid(times_s=grid.times_s + usual_s + sums / (counts + 1.0), meter=grid.meter)


def _is_compound(quantised: Quantised) -> bool:
    inside = quantised.ticks % TICKS_PER_QUARTER
    beat = quantised.ticks // TICKS_PER_QUARTER
    divided = np.unique(np.minimum(beat[inside > 0], len(quantised.families) - 1))
    if len(divided) < 4:
        return False
    is_triple = quantised.families[divided] == TRIPLE
    second, last = (np.count_nonzero(inside == tick) for tick in (8, 16))
    return bool(is_triple.mean() >= COMPOUND_SHARE and second >= COMPOUND_MIDDLE * last)


def _tempos(grid: _Grid, unit: int) -> list[tuple[int, float]]:
    """Rows of (tick, quarters per minute)."""
    bars = np.arange(0, len(grid.times_s), grid.meter)
    return [(beat * unit, bpm * unit / TICKS_PER_QUARTER) for beat, bpm in tempo_curve(grid.times_s, bars)]


def _meter(num_beats: int, is_compound: bool) -> Meter:
    return Meter(tick=0, numerator=num_beats * (3 if is_compound else 1), denominator=8 if is_compound else 4)


def _score(
    transcription: Transcription,
    order: Ints,
    ticks: Ints,
    tempos: list[tuple[int, float]],
    meter: Meter,
) -> Score:
    """The score of notes at some ticks (int64 [N, 2], in order of time), with roles and programs."""
    num_notes = len(transcription.notes)
    is_drum = order >= num_notes
    melodic, hits = order[~is_drum], order[is_drum] - num_notes
    notes = np.zeros(len(order), dtype=NOTE_DTYPE)
    notes["onset"] = ticks[:, 0]
    notes["duration"] = np.clip(ticks[:, 1] - ticks[:, 0], 1, MAX_NOTE_TICKS)
    notes["duration"][is_drum] = DRUM_TICKS
    notes["pitch"][~is_drum] = transcription.notes["pitch"][melodic]
    notes["pitch"][is_drum] = np.array(DRUM_KEYS, dtype=np.uint8)[transcription.drums["drum"][hits]]
    notes["velocity"][~is_drum] = np.clip(transcription.notes["velocity"][melodic], 1, 127)
    notes["velocity"][is_drum] = np.clip(transcription.drums["velocity"][hits], 1, 127)
    roles = assign_roles(notes[~is_drum], meter.bar_ticks)
    notes["part"][~is_drum] = roles
    notes["part"][is_drum] = DRUM_ROLE
    programs = programs_for(notes[~is_drum], roles, has_drums=bool(is_drum.any()))
    notes["program"][~is_drum] = np.array(programs, dtype=np.uint8)[roles]
    notes["program"][is_drum] = DRUMS
    notes = tidy(notes)
    end_tick = int((notes["onset"] + notes["duration"]).max())
    tempo = tempo_map(tempos, end_tick)
    return Score(notes=notes, tempos=tempo, meters=meter_map([(0, meter.numerator, meter.denominator)], end_tick))
