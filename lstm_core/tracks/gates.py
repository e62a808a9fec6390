"""What a track must pass before it is delivered: measured on the delivered bytes, and on the score."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.elementary.powers import exp10_of, log10_of
from lstm_core.notes.score import DRUMS, NoteArray, Score
from lstm_core.orders.constraints.key import scale_of
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.plan import TrackPlan
from lstm_core.orders.track_key import FEWEST_PITCHES
from lstm_core.originality.index import SharedRun
from lstm_core.originality.runs import RUN_NOTES
from lstm_core.representations.plan.layout import Ints
from lstm_core.sound.audio import AudioError, Waveform
from lstm_core.sound.levelling import LOUDNESS_TOLERANCE_LU
from lstm_core.sound.loops.joining import joined_peak_dbtp
from lstm_core.sound.loops.seam import SeamMeasure, measure_entry, measure_seam
from lstm_core.sound.loudness import SILENCE_LUFS, integrated_loudness, true_peak_dbtp
from lstm_core.sound.mastering import Master, MasterSettings
from lstm_core.sound.output_formats import output_format

TAKES_DIFFER_LU = 3.0  # in the loudest that they can be: 0.7 to 2.4 in five orders of six, 3.6 in the sixth
FLAT_TOP_DBFS = -0.1  # under this nothing is clipping
LONGEST_FLAT_TOP = 2  # neighbours at the very same extreme value; three are clipping
ENDING_S, ENDING_DBFS = 0.01, -60.0  # the last of a track that does not loop; chopped notes are at -40 and more
NOTHING_DB = -200.0  # stands for minus infinity, which JSON and Parquet readers dislike

SMALLEST_SHARE_IN_KEY = 1.0  # keys are masks, not preferences
_OF_VARIETY = ("one_pitch", "pitches", "distinct_bars")  # gates that a given tune need not pass
LARGEST_SHARE_OF_ONE_PITCH = (
    0.6  # of the melodic notes; a drone under a tune stays below, a model that is stuck does not
)
SMALLEST_SHARE_OF_DISTINCT_BARS = (
    0.12  # a loop of eight bars with one bar over and over is a fault, a groove of 8 in 64 is not
)
FEWEST_DISTINCT_BARS = 2  # of two bars and more
LONGEST_SILENCE_BARS = 2.0  # longer ones sound like the end
SMALLEST_SHARE_OF_BARS_WITH_NOTES = 0.75


@dataclass(frozen=True)
class GateResult:
    name: str
    is_passed: bool
    value: float
    bound: float


def audio_gates(
    data: bytes,
    *,
    num_samples: int,
    loop: bool,
    settings: MasterSettings,
    note_ends: npt.NDArray[np.int64] | None = None,
    loop_start: int = 0,
    mastered: Master | None = None,
) -> list[GateResult]:
    """Results of all gates that audio must pass, measured on what the bytes decode to.

    `decodes`; `length` in samples; `sample_rate` in Hz; `heard`, LUFS that must be exceeded; `clipping`, the longest
    run of equal extreme samples; `loudness`, LU off the target; `true_peak` in dBTP; for loops `seam_jump` and
    `seam_drop` (see `sound.loops.seam`), for other tracks `ending`, the level of the last 10 ms in dBFS. Bytes that do
    not decode fail the first, and nothing else is measured. `note_ends`: samples at which notes are released; where
    they are unknown a loop whose notes end abruptly may fail for its seam. A loop that goes round from the sample
    `loop_start` on has its seam there and `entry_jump` where what comes before runs into it; its loudness is of both.
    Where the bytes hold the very samples of `mastered`, their true peak is not measured again.
    """
    try:
        waveform, sample_rate = output_format(settings.format, settings.bit_depth).decode(data)
    except AudioError:
        return [GateResult("decodes", False, 0.0, 1.0)]
    length = GateResult("length", waveform.shape[1] == num_samples, float(waveform.shape[1]), float(num_samples))
    results = [GateResult("decodes", True, 1.0, 1.0), length]
    if waveform.shape[1] == 0:
        return results
    rate = float(settings.sample_rate)
    is_whole_loop, body = loop and not loop_start, waveform[:, loop_start:]
    loudness = max(integrated_loudness(waveform, sample_rate, is_loop=is_whole_loop), NOTHING_DB)
    if mastered is not None and np.array_equal(waveform, mastered.waveform):
        peak = mastered.true_peak_dbtp
    else:
        peak = joined_peak_dbtp(waveform, loop_start) if loop_start else true_peak_dbtp(waveform, is_loop=loop)
    results += [
        GateResult("sample_rate", sample_rate == rate, float(sample_rate), rate),
        GateResult("heard", loudness > SILENCE_LUFS, loudness, SILENCE_LUFS),
        at_most("clipping", longest_flat_top(waveform), LONGEST_FLAT_TOP),
        at_most("loudness", abs(loudness - settings.loudness_lufs), LOUDNESS_TOLERANCE_LU),
        at_most("true_peak", max(peak, NOTHING_DB), settings.true_peak_dbtp),
    ]
    if not loop:
        ending = waveform[:, -max(round(ENDING_S * sample_rate), 1) :]
        return [*results, at_most("ending", level_dbfs(ending), ENDING_DBFS)]
    jump, drop = measure_seam(body, sample_rate, None if note_ends is None else note_ends - loop_start)
    results += [_seam_gate("seam_jump", jump), _seam_gate("seam_drop", drop)]
    if loop_start:
        results.append(_seam_gate("entry_jump", measure_entry(waveform, sample_rate, loop_start)))
    return results


def score_gates(
    score: Score, *, key_pitch_classes: frozenset[int] | None, num_bars: int, bar_ticks: Ints | int
) -> list[GateResult]:
    """Results of all gates that the music must pass; bar_ticks: of each bar, int64 [num_bars], or of all.

    `in_key`, share of the melodic notes, if a key is given; `one_pitch`, largest share of a single pitch, and
    `pitches`, how many there are, of melodic notes unless the score is drums only; `distinct_bars`, how many bars
    differ from all before; `silence`, the longest in bars; `bars_with_notes`, share in which something sounds.
    """
    notes, barlines = score.notes, _barlines(num_bars, bar_ticks)
    end, lengths = int(barlines[-1]), np.diff(barlines)
    results: list[GateResult] = []
    melodic = notes["pitch"][notes["program"] != DRUMS].astype(np.int64)
    if key_pitch_classes is not None:
        share = float(np.isin(melodic % 12, sorted(key_pitch_classes)).mean()) if len(melodic) else 1.0
        results.append(at_least("in_key", share, SMALLEST_SHARE_IN_KEY))
    if len(melodic) or not len(notes):
        counts = np.bincount(melodic, minlength=128)
        share = float(counts.max() / counts.sum()) if len(melodic) else 1.0
        results.append(at_most("one_pitch", share, LARGEST_SHARE_OF_ONE_PITCH))
        results.append(at_least("pitches", float(np.count_nonzero(counts)), FEWEST_PITCHES))
    fewest = max(min(num_bars, FEWEST_DISTINCT_BARS), np.ceil(num_bars * SMALLEST_SHARE_OF_DISTINCT_BARS))
    results.append(at_least("distinct_bars", _num_distinct_bars(score, barlines), fewest))
    starts, stops = notes["onset"].astype(np.int64), (notes["onset"] + notes["duration"]).astype(np.int64)
    sounding_until = np.maximum.accumulate(np.concatenate([[0], stops]))
    silences = np.concatenate([starts, [end]]) - sounding_until
    in_bars = silences / lengths[np.clip(_bars_at(sounding_until, barlines), 0, num_bars - 1)]
    results.append(at_most("silence", max(float(in_bars.max()), 0.0), LONGEST_SILENCE_BARS))
    share = share_of_bars(notes, num_bars=num_bars, bar_ticks=bar_ticks)
    results.append(at_least("bars_with_notes", share, SMALLEST_SHARE_OF_BARS_WITH_NOTES))
    return results


def share_of_bars(notes: NoteArray, *, num_bars: int, bar_ticks: Ints | int) -> float:
    """Share of the bars in which some of the notes sound; bar_ticks as in `score_gates`."""
    barlines = _barlines(num_bars, bar_ticks)
    starts, stops = notes["onset"].astype(np.int64), (notes["onset"] + notes["duration"]).astype(np.int64)
    edges = np.zeros(num_bars + 1, dtype=np.int64)
    np.add.at(edges, np.clip(_bars_at(starts, barlines), 0, num_bars), 1)
    np.add.at(edges, np.clip(np.searchsorted(barlines, stops), 0, num_bars), -1)
    return float((np.cumsum(edges)[:num_bars] > 0).mean()) if num_bars else 0.0


def order_gates(score: Score, order: TrackOrder, plan: TrackPlan, *, has_key_gate: bool = False) -> list[GateResult]:
    """Results of all gates that the music of an order must pass: those of `score_gates`, and its instruments.

    With `has_key_gate` the key is judged elsewhere. How varied a tune is that the order gives is not judged.
    """
    gates = score_gates(
        score,
        key_pitch_classes=None if order.primer or has_key_gate else scale_of(order, plan),
        num_bars=plan.num_bars,
        bar_ticks=plan.bar_ticks,
    )
    gates = [gate for gate in gates if not (order.melody and gate.name in _OF_VARIETY)]
    played = {int(program) for program in np.unique(score.notes["program"])}
    missing = sum(1 for programs in plan.programs if not played.intersection(programs))
    gates.append(GateResult("asked_instruments_missing", missing == 0, float(missing), 0.0))
    return gates


def originality_gate(shared: SharedRun) -> GateResult:
    """`original`: notes of the longest run that a track shares with the corpus of its model; RUN_NOTES are a copy."""
    return at_most("original", shared.num_notes, RUN_NOTES - 1)


def note_ends(score: Score, sample_rate: int) -> npt.NDArray[np.int64]:
    """Samples at which the notes of a score are released: int64 [N]."""
    ticks = (score.notes["onset"] + score.notes["duration"]).astype(np.int64)
    return np.rint(score.seconds(ticks) * sample_rate).astype(np.int64)


def is_out_of_reach(gates: Iterable[GateResult]) -> bool:
    """Whether no other take of an order would be as loud as requested: this one was limited as hard as we limit."""
    by_name = {gate.name: gate for gate in gates}
    audible, loudness = by_name.get("heard"), by_name.get("loudness")
    return audible is not None and audible.is_passed and loudness is not None and loudness.value > TAKES_DIFFER_LU


def score_fingerprint(score: Score) -> str:
    """Hexadecimal sha256 of the notes without their velocities: the same notes played louder are the same music."""
    digest = hashlib.sha256()
    for name in ("onset", "duration", "program", "pitch"):
        digest.update(np.ascontiguousarray(score.notes[name]).astype("<i4").tobytes())
    return digest.hexdigest()


def longest_flat_top(waveform: Waveform) -> int:
    """Most neighbouring samples that share one extreme value over FLAT_TOP_DBFS: 0 without any, 1 for lone peaks."""
    longest = 0
    for channel in waveform:
        for extreme in (channel.max(), channel.min()):
            if abs(extreme) < exp10_of(FLAT_TOP_DBFS / 20):
                continue
            at = np.flatnonzero(channel == extreme)
            runs = np.split(at, np.flatnonzero(np.diff(at) != 1) + 1)
            longest = max(longest, *(len(run) for run in runs))
    return longest


def _barlines(num_bars: int, bar_ticks: Ints | int) -> Ints:
    """Ticks at which bars begin, and the end of the last: int64 [num_bars + 1]."""
    return np.concatenate([[0], np.cumsum(np.broadcast_to(bar_ticks, num_bars))]).astype(np.int64)


def _bars_at(ticks: Ints, barlines: Ints) -> Ints:
    return np.searchsorted(barlines, ticks, side="right") - 1


def _num_distinct_bars(score: Score, barlines: Ints) -> int:
    """How many different bars there are by the notes that begin in them; empty bars do not count."""
    notes, bar = score.notes, _bars_at(score.notes["onset"], barlines)
    content = np.stack(
        [notes["onset"] - barlines[bar], *(notes[name].astype(np.int64) for name in ("program", "pitch", "duration"))],
        axis=1,
    )
    borders = np.flatnonzero(np.diff(bar)) + 1
    return len({bar.tobytes() for bar in np.split(content, borders) if len(bar)})


def level_dbfs(waveform: npt.NDArray[np.float32]) -> float:
    power = float(np.square(waveform, dtype=np.float64).mean())
    return max(float(10 * log10_of(power)), NOTHING_DB) if power > 0 else NOTHING_DB


def _seam_gate(name: str, measure: SeamMeasure) -> GateResult:
    return at_most(name, measure.at_seam, measure.bound)


def at_most(name: str, value: float, bound: float) -> GateResult:
    return GateResult(name, bool(value <= bound), float(value), float(bound))


def at_least(name: str, value: float, bound: float) -> GateResult:
    return GateResult(name, bool(value >= bound), float(value), float(bound))
