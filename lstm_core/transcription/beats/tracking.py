"""Beats, downbeats and meter out of beat activations: the most probable walk of a pointer through tempi and bars.

The model is the bar pointer of Whiteley, Cemgil and Godsill (2006) with the tempo changing at beats alone, as in Krebs,
Böck and Widmer, "An efficient state-space model for joint tempo and meter tracking", ISMIR 2015. Where they step
through every frame of a beat, a state here is a beat itself (its frame, the interval before it, its place in the
bar), so that the same Viterbi walk costs one comparison for each pair of near intervals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter1d

from lstm_core.foundation.compiling import njit
from lstm_core.transcription.beats.network import TEMPI_BPM
from lstm_core.transcription.transcription import BEAT, DOWNBEAT

Floats = npt.NDArray[np.float64]

SEGMENT_S = 100.0  # decoded at once; memory does not grow with the recording
OVERLAP_S = 25.0  # at the end of a segment, decoded again with what follows
MAX_FRAME_RATE = 60.0  # finer activations are pooled; the times of beats are read off the fine ones afterwards
MIN_GAIN = -2.5  # log odds of a beat where the activation is zero: low enough to matter, high enough to bridge a rest
SHRINKAGE = 0.05  # added to activations before they are divided, so that noise between beats does not count
JUMP_COST = 12.0  # of any tempo following any other, in nats
TEMPO_CENTRE_BPM, TEMPO_SPREAD = 115.0, 0.55  # log-normal: what people tap to (Moelants 2002), in natural logarithms
TEMPO_WEIGHT = 0.35  # nats per beat, at one spread from the centre half of it
STEADY, UNSTEADY = 0.02, 0.045  # between them the strength that is wanted rises
# Over which the transcribed tempo is averaged. The longer one keeps the choice of a beat or its half through a piece.
TEMPO_SECONDS = (9, 91)
TRANSCRIBED_TEMPO_WEIGHT = 0.6  # of its log probability, per beat, in each; 0.5 to 1 do as well
LEAST_TEMPO = 1e-3  # probability: no tempo is ruled out
METER_COST = {2: 0.12, 3: 0.02, 4: 0.0}  # nats per beat: of meters that explain as much, the usual one


@dataclass(frozen=True, kw_only=True)
class BeatSettings:
    """What the tracker looks for."""

    min_bpm: float = 50.0
    max_bpm: float = 220.0
    meters: tuple[int, ...] = (2, 3, 4)  # beats per bar
    # The steadier the beat, the less strength it needs: random peaks reach a strength of 0.45, but hardly ever
    # an unsteadiness under 0.045; noise reaches 0.15.
    min_strength: float = 0.46
    min_strength_steady: float = 0.36  # where the unsteadiness is at most STEADY
    max_unsteadiness: float = 0.085  # above it the beat is too free for a grid

    def __post_init__(self) -> None:
        if not 20.0 <= self.min_bpm < self.max_bpm <= 400.0:
            raise ValueError(f"tempi go from {self.min_bpm} to {self.max_bpm} bpm; it must be 20 <= min < max <= 400")
        if not self.meters or min(self.meters) < 2:
            raise ValueError(f"meters are {self.meters}; each needs at least 2 beats per bar")


@dataclass(frozen=True, kw_only=True, eq=False)
class Beats:
    """The beats of a recording, in order of time."""

    times_s: Floats  # [n]
    places: npt.NDArray[np.int64]  # [n] place in the bar from 0, the downbeat
    meter: int  # beats per bar
    bpm: float  # beats per minute, of the median interval; 0 with fewer than two beats
    strength: float  # 0 to 1: how sure the activations are at the beats, and how little of them lies elsewhere
    unsteadiness: float  # median change of tempo from four beats to the next four, in natural logarithms
    has_beat: bool


def track_beats(
    activation: npt.NDArray[np.float32],
    frame_rate: float,
    settings: BeatSettings | None = None,
    *,
    tempo: npt.NDArray[np.float32] | None = None,
) -> Beats:
    """The beats that explain activations best: float32 [F, 2] of BEAT and DOWNBEAT, `frame_rate` frames per second.

    tempo: probability of each of TEMPI_BPM in each second, float32 [seconds, NUM_TEMPI]; without it the tempi that
    people tap to are the likely ones.

    One meter holds for the whole recording, the one of the most probable walk. Strength is the geometric mean of the
    activation at the beats and of the share of squared activation within 70 ms of them, less what chance would give.
    """
    settings = settings or BeatSettings()
    if activation.ndim != 2 or activation.shape[1] != 2:
        raise ValueError(f"beat activations are [F, 2], got an array of shape {activation.shape}")
    fine: Floats = np.clip(np.nan_to_num(activation.astype(np.float64)), 0.0, 1.0)
    if len(fine) == 0:
        fine = np.zeros((1, 2))
    pool = int(np.ceil(frame_rate / MAX_FRAME_RATE))
    pooled, rate = _pooled(fine, pool), frame_rate / pool
    intervals = _intervals(rate, settings)
    prior = _prior(60.0 * rate / intervals, tempo)
    walks = [_walk(pooled, rate, meter, intervals, prior) for meter in settings.meters]
    best = max(range(len(walks)), key=lambda i: walks[i][2])
    frames, places, _ = walks[best]
    times_s = _refined(fine, frames * pool + pool // 2, pool) / frame_rate
    return _judged(fine, frame_rate, times_s, places, settings.meters[best], settings)


def _pooled(activation: Floats, pool: int) -> Floats:
    """Maximum of every `pool` frames."""
    if pool == 1:
        return activation
    padded = np.pad(activation, ((0, -len(activation) % pool), (0, 0)))
    pooled: Floats = padded.reshape(-1, pool, 2).max(axis=1)
    return pooled


def _gains(activation: Floats, meter: int) -> Floats:
    """Log odds of a beat that is no downbeat, and of a downbeat, against no beat: float64 [F, 2]."""
    beat = np.maximum(activation[:, BEAT], activation[:, DOWNBEAT])
    # A network that is calibrated says so often that there is a beat; the walk picks the best of a few frames.
    usual = np.clip(2.0 * beat.mean(), 0.02, 0.3)
    clipped = np.clip(beat, 0.002, 0.998)
    gain = np.maximum(np.log(clipped / (1.0 - clipped)) - np.log(usual / (1.0 - usual)), MIN_GAIN)
    heavy = beat * beat  # frames that are no beat should not say how usual a downbeat is
    share = np.clip((activation[:, DOWNBEAT] * beat).sum() / max(heavy.sum(), 1e-9), 0.02, 0.5)
    is_down = (activation[:, DOWNBEAT] + SHRINKAGE * share) / (beat + SHRINKAGE)
    is_down = np.clip(is_down, 0.02, 0.98)
    cost = METER_COST.get(meter, 0.05)
    other, down = np.log((1.0 - is_down) / (1.0 - share)), np.log(is_down / share)
    return np.column_stack([gain + other - cost, gain + down - cost])


def _intervals(frame_rate: float, settings: BeatSettings) -> npt.NDArray[np.int64]:
    """Frames from beat to beat, at all tempi: int64 [n], ascending."""
    shortest = max(int(np.floor(60.0 * frame_rate / settings.max_bpm)), 2)
    longest = max(int(np.ceil(60.0 * frame_rate / settings.min_bpm)), shortest + 1)
    return np.arange(shortest, longest + 1)


def _prior(bpm: Floats, tempo: npt.NDArray[np.float32] | None) -> Floats:
    """Prior of a beat after each interval, in nats, in each second: float64 [seconds, n]."""
    usual = -0.5 * TEMPO_WEIGHT * (np.log(bpm / TEMPO_CENTRE_BPM) / TEMPO_SPREAD) ** 2
    if tempo is None or len(tempo) == 0:
        return usual[None]
    found: Floats = np.zeros((len(tempo), len(bpm)))
    for num_seconds in TEMPO_SECONDS:
        smooth = uniform_filter1d(tempo.astype(np.float64), num_seconds, axis=0, mode="nearest")
        found_tempo = np.array([np.interp(np.log(bpm), np.log(TEMPI_BPM), row) for row in smooth])
        share = found_tempo / np.maximum(found_tempo.max(axis=1, keepdims=True), 1e-9)  # the likeliest costs nothing
        found += TRANSCRIBED_TEMPO_WEIGHT * np.log(np.maximum(share, LEAST_TEMPO))
    return found


def _walk(
    activation: Floats, frame_rate: float, meter: int, intervals: npt.NDArray[np.int64], prior: Floats
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], float]:
    """Frames and places of the beats of the best walk in one meter, and its score in nats."""
    gains = _gains(activation, meter)
    costs, first, last = _transitions(intervals)
    second = np.minimum((np.arange(len(gains)) / frame_rate).astype(np.int64), len(prior) - 1)  # of each frame
    segment, overlap = int(SEGMENT_S * frame_rate), int(OVERLAP_S * frame_rate)
    frames: list[int] = []
    places: list[int] = []
    score, begin, start = 0.0, 0, (-1, -1)
    while True:
        end = min(begin + segment, len(gains))
        path = _best_path(
            gains[begin:end], intervals, costs, first, last, prior, second[begin:end], meter, start[0], start[1]
        )
        is_last = end == len(gains)
        kept = [row for row in path.tolist() if is_last or row[0] + begin < end - overlap]
        if start[0] >= 0:
            kept = kept[1:]  # the beat that this segment started from
        for frame, interval, place in kept:
            frames.append(frame + begin)
            places.append(place)
            score += gains[frame + begin, int(place == 0)] + (
                prior[second[frame + begin], interval] if interval >= 0 else 0.0
            )
        if is_last:
            return np.array(frames, dtype=np.int64), np.array(places, dtype=np.int64), score
        if kept and kept[-1][1] >= 0:
            begin, start = begin + kept[-1][0], (kept[-1][1], kept[-1][2])
        else:
            begin, start = end - overlap, (-1, -1)


def _transitions(
    intervals: npt.NDArray[np.int64],
) -> tuple[Floats, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Cost of interval j after interval k, float64 [n, n], and the first k and the last that j may follow, int64 [n].

    Normal, with a spread of 3 % and what rounding to frames adds; more than 15 % in one beat is a jump.
    """
    reach = np.ceil(0.15 * intervals).astype(np.int64) + 1
    index = np.arange(len(intervals))
    change = intervals[:, None] - intervals[None, :]
    costs = 0.5 * (change / (0.03 * intervals[:, None] + 0.7)) ** 2
    return costs, np.maximum(index - reach, 0), np.minimum(index + reach, len(intervals) - 1)


@njit(cache=True)
def _best_path(  # type: ignore[no-untyped-def]
    gains, intervals, costs, first, last, prior, second, meter, start_interval, start_place
):
    """Rows of (frame, index of the interval before, place) of the best walk, in order: int64 [n, 3].

    With a start, the walk begins at a beat of that interval and place on frame 0; else anywhere.
    """
    num_frames, num_intervals = gains.shape[0], intervals.shape[0]
    scores = np.full((num_frames, meter, num_intervals), -np.inf)
    sources = np.full((num_frames, meter, num_intervals), -1, dtype=np.int16)  # index of the interval before
    onward = np.full((num_frames, meter, num_intervals), -np.inf)  # best score of leaving at each interval
    onward_source = np.full((num_frames, meter, num_intervals), -1, dtype=np.int16)
    best, best_frame, best_place, best_interval = -np.inf, -1, -1, -1
    for frame in range(num_frames):
        for place in range(meter):
            gain = gains[frame, 1 if place == 0 else 0]
            top, top_interval = -np.inf, -1
            before = (place - 1) % meter
            for j in range(num_intervals):
                score, source = -np.inf, -1
                came_from = frame - intervals[j]
                if came_from >= 0:
                    score = onward[came_from, before, j] + gain + prior[second[frame], j]
                    source = onward_source[came_from, before, j]
                if start_interval < 0 and gain > score:
                    score, source = gain, -1  # the first beat of all
                if start_interval >= 0 and frame == 0 and place == start_place and j == start_interval:
                    score, source = 0.0, -1
                scores[frame, place, j] = score
                sources[frame, place, j] = source
                if score > top:
                    top, top_interval = score, j
            if top > best:
                best, best_frame, best_place, best_interval = top, frame, place, top_interval
            if top == -np.inf:
                continue
            for j in range(num_intervals):
                leave, source = top - JUMP_COST, top_interval
                for k in range(first[j], last[j] + 1):
                    candidate = scores[frame, place, k] - costs[j, k]
                    if candidate > leave:
                        leave, source = candidate, k
                onward[frame, place, j] = leave
                onward_source[frame, place, j] = source
    path = []
    frame, place, interval = best_frame, best_place, best_interval
    while frame >= 0:
        source = sources[frame, place, interval]
        path.append((frame, interval if source >= 0 or start_interval >= 0 else -1, place))
        if source < 0:
            break
        frame, place, interval = frame - intervals[interval], (place - 1) % meter, source
    rows = np.zeros((len(path), 3), dtype=np.int64)
    for i in range(len(path)):
        for column in range(3):
            rows[i, column] = path[len(path) - 1 - i][column]
    return rows


def _refined(activation: Floats, frames: npt.NDArray[np.int64], pool: int) -> Floats:
    """Centre of the activation around each beat, in frames: float64 [n]."""
    beat = np.maximum(activation[:, BEAT], activation[:, DOWNBEAT])
    reach = np.arange(-1 - pool, 2 + pool)
    near = frames[:, None] + reach
    heights = np.where((near >= 0) & (near < len(beat)), beat[np.clip(near, 0, max(len(beat) - 1, 0))], 0.0)
    peak = frames + reach[heights.argmax(axis=1)] if len(frames) else frames
    near = peak[:, None] + np.arange(-2, 3)
    weights = np.where((near >= 0) & (near < len(beat)), beat[np.clip(near, 0, max(len(beat) - 1, 0))], 0.0)
    total = weights.sum(axis=1)
    centre = (weights * np.arange(-2, 3)).sum(axis=1) / np.maximum(total, 1e-9)
    refined: Floats = np.where(heights.max(axis=1, initial=0.0) > 0.1, peak + centre, frames.astype(np.float64))
    return refined


def _judged(
    activation: Floats,
    frame_rate: float,
    times_s: Floats,
    places: npt.NDArray[np.int64],
    meter: int,
    settings: BeatSettings,
) -> Beats:
    """The beats with what there is to say about them."""
    intervals = np.diff(times_s)
    strength, unsteadiness = 0.0, 0.0
    if len(times_s) >= 4:
        beat = np.maximum(activation[:, BEAT], activation[:, DOWNBEAT])
        frames = np.rint(times_s * frame_rate).astype(np.int64)
        near = np.clip(frames[:, None] + np.arange(-1, 2), 0, len(beat) - 1)
        height = float(beat[near].max(axis=1).mean())
        seconds = np.arange(len(beat)) / frame_rate
        after = np.clip(np.searchsorted(times_s, seconds), 1, len(times_s) - 1)
        distance = np.minimum(np.abs(seconds - times_s[after]), np.abs(seconds - times_s[after - 1]))
        is_near = distance <= 0.07
        chance = float(is_near.mean())
        covered = float((beat**2)[is_near].sum() / max((beat**2).sum(), 1e-12))
        strength = float(np.sqrt(height * max(covered - chance, 0.0) / max(1.0 - chance, 1e-9)))
        unsteadiness = _unsteadiness(times_s)
    wanted = np.interp(unsteadiness, [STEADY, UNSTEADY], [settings.min_strength_steady, settings.min_strength])
    return Beats(
        times_s=times_s,
        places=places,
        meter=meter,
        bpm=60.0 / float(np.median(intervals)) if len(intervals) else 0.0,
        strength=min(strength, 1.0),
        unsteadiness=unsteadiness,
        has_beat=len(times_s) >= 4 and strength >= float(wanted) and unsteadiness <= settings.max_unsteadiness,
    )


def _unsteadiness(times_s: Floats) -> float:
    span = min(4, (len(times_s) - 1) // 2)  # over several beats, so that the timing of single ones does not count
    spans = np.log(np.maximum(times_s[span:] - times_s[:-span], 1e-3))
    return float(np.median(np.abs(spans[span:] - spans[:-span])))
