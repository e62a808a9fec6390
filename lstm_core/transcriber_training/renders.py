"""Scores become training pairs: audio of our own synthesiser, and the notes that sound in it.

A performance of a score is never the same twice: tempo, key, instruments, loudness and timing are drawn anew, parts are
left out, drums are added, pieces sound over each other. Everything follows from the random generator that is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstm_core.notes.score import DRUMS, NOTE_DTYPE, NoteArray, Score, Tempo, tidy
from lstm_core.sound.audio import Waveform
from lstm_core.sound.soundfont import SoundFont
from lstm_core.sound.synth import iter_stems
from lstm_core.transcriber_training.targets import SOUNDED_NOTE_DTYPE, Sounded, sounded_drums
from lstm_core.transcription.beats.felt_beats import felt_beats
from lstm_core.transcription.spectrogram import SAMPLE_RATE

WAVER_STEP_S = 1.0  # between the points of a wavering tempo's curve
WAVER_KEPT = 0.85  # of a departure from the tempo a step later; the curve returns to the tempo
MILLISECONDS = Tempo(tick=0, bpm=2500.0)  # at this tempo a tick of 1/24 quarter lasts a millisecond
_MELODIC = tuple(program for program in range(112) if program != 55)  # no orchestra hit, no percussion, no noises


@dataclass(frozen=True, kw_only=True)
class RenderSettings:
    """How far a performance may stray from its score. Shares and probabilities are 0 to 1."""

    seconds: float = 40.0  # of a performance
    tempo_range: tuple[float, float] = (0.75, 1.35)
    transpose_by: int = 6  # semitones up or down at most
    keeps_program: float = 0.35
    varies_preset: float = 0.5  # another preset of the SoundFont for the same program, another drum kit
    drops_parts: float = 0.3
    adds_score: float = 0.55  # another score at the same time, where the first has few parts
    adds_drums: float = 0.35  # a made-up pattern where there are no drums
    is_exercise: float = 0.12  # notes without any musical sense instead of a score
    timing_s: float = 0.008  # standard deviation of a note's onset round the score's
    wavers: float = 0.0  # share of performances whose tempo drifts, as in a human performance
    waver_by: float = 0.06  # standard deviation of a wavering tempo, in natural logarithms, at most

    def __post_init__(self) -> None:
        if self.seconds <= 0 or self.tempo_range[0] <= 0 or self.tempo_range[1] < self.tempo_range[0]:
            raise ValueError(f"seconds is {self.seconds} and tempo_range {self.tempo_range}; both must be above 0")


@dataclass(frozen=True, kw_only=True)
class Performance:
    """A score in milliseconds with all choices made, and its beats."""

    score: Score  # tempo MILLISECONDS
    beats_s: npt.NDArray[np.float32]
    downbeats_s: npt.NDArray[np.float32]
    has_beat: bool


@dataclass(frozen=True, kw_only=True)
class Render:
    """Audio of a performance, drums apart, and what sounds in it."""

    melodic: npt.NDArray[np.float32]  # [S] at SAMPLE_RATE
    drums: npt.NDArray[np.float32]  # [S]
    sounded: Sounded


def draw_performance(scores: Sequence[Score], settings: RenderSettings, random: np.random.Generator) -> Performance:
    """A performance of one score of many, or of an exercise."""
    if random.random() < settings.is_exercise:
        return _exercise(settings, random)
    first = _performed(scores[int(random.integers(len(scores)))], settings, random)
    notes, has_beat = [first.score.notes], first.has_beat
    num_parts = len(
        {(int(part), int(program)) for part, program in zip(notes[0]["part"], notes[0]["program"], strict=True)}
    )
    has_drums = bool((notes[0]["program"] == DRUMS).any())
    while num_parts <= 4 and not has_drums and len(notes) < 3 and random.random() < settings.adds_score:
        other = _performed(scores[int(random.integers(len(scores)))], settings, random)
        notes.append(other.score.notes[other.score.notes["program"] != DRUMS])
        has_beat = False
    if has_beat and not has_drums and len(first.beats_s) > 4 and random.random() < settings.adds_drums:
        notes.append(_drum_pattern(first, settings, random))
    together = tidy(np.concatenate(notes))
    score = Score(notes=together[together["onset"] < settings.seconds * 1000], tempos=(MILLISECONDS,))
    return Performance(score=score, beats_s=first.beats_s, downbeats_s=first.downbeats_s, has_beat=has_beat)


def render(
    performance: Performance, soundfont: SoundFont, settings: RenderSettings, random: np.random.Generator
) -> Render:
    """Mono audio of a performance; instruments stand at levels drawn anew, some decibels apart."""
    score, num_samples = performance.score, round(settings.seconds * SAMPLE_RATE)
    variations = {
        int(program): int(random.integers(1, 1000)) if random.random() < settings.varies_preset else 0
        for program in np.unique(score.notes["program"])
    }
    stems = iter_stems(
        score, soundfont, sample_rate=SAMPLE_RATE, num_samples=num_samples, tail_s=0.0, variations=variations
    )
    melodic, drums = np.zeros((2, num_samples), dtype=np.float32)
    for family, stem in stems:
        mono = _mono(stem, random)
        gain = 10 ** (random.normal(0.0, 3.0) / 20)
        if family == "drums":
            drums += mono
        else:
            melodic += (mono * gain).astype(np.float32)
    return Render(melodic=melodic, drums=drums, sounded=_sounded(performance))


def _sounded(performance: Performance) -> Sounded:
    notes = performance.score.notes
    melodic = notes[notes["program"] != DRUMS]
    sounded = np.zeros(len(melodic), dtype=SOUNDED_NOTE_DTYPE)
    sounded["onset_s"] = melodic["onset"] / 1000
    sounded["offset_s"] = (melodic["onset"] + melodic["duration"]) / 1000
    sounded["pitch"], sounded["velocity"] = melodic["pitch"], melodic["velocity"]
    return Sounded(
        notes=sounded,
        drums=sounded_drums(performance.score, notes["onset"] / 1000),
        beats_s=performance.beats_s,
        downbeats_s=performance.downbeats_s,
        has_beat=performance.has_beat,
    )


def _performed(score: Score, settings: RenderSettings, random: np.random.Generator) -> Performance:
    """A stretch of a score with all choices made, in milliseconds."""
    stretch = float(np.exp(random.uniform(*np.log(settings.tempo_range))))
    num_ms = round(settings.seconds * 1000)
    duration_s = score.duration_s * stretch
    start_s = random.uniform(0.0, max(duration_s - 0.8 * settings.seconds, 0.0)) - random.uniform(0.0, 1.0)
    beats, place_in_bar = felt_beats(score)
    start_s = float(start_s)
    knots_s, late_s = _wavering(settings, random)

    def ms(ticks: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
        steady_s = score.seconds(ticks.astype(np.int64)) * stretch - start_s
        return np.asarray((steady_s + np.interp(steady_s, knots_s, late_s)) * 1000)

    notes = score.notes.copy()
    onset, end = ms(notes["onset"]), ms(notes["onset"] + notes["duration"])
    onset = onset + random.normal(0.0, random.uniform(0, 1) * settings.timing_s * 1000, len(onset))
    is_inside = (onset >= 0) & (onset < num_ms)
    notes["onset"], notes["duration"] = np.rint(onset), np.maximum(np.rint(end - onset), 20)
    notes = _reorchestrated(notes[is_inside], settings, random)
    times = [
        ticks_ms[(ticks_ms >= 0) & (ticks_ms < num_ms)] / 1000 for ticks_ms in (ms(beats), ms(beats[place_in_bar == 0]))
    ]
    return Performance(
        score=Score(notes=tidy(notes), tempos=(MILLISECONDS,)),
        beats_s=times[0].astype(np.float32),
        downbeats_s=times[1].astype(np.float32),
        has_beat=True,
    )


def _wavering(
    settings: RenderSettings, random: np.random.Generator
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Some times of a steady performance, and how much later each comes in this one: seconds, float64 [n] each."""
    knots_s = np.arange(0.0, settings.seconds + 2 * WAVER_STEP_S, WAVER_STEP_S)
    late_s = np.zeros(len(knots_s))
    if settings.wavers > 0 and random.random() < settings.wavers:  # nothing is drawn where no tempo wavers
        spread = random.uniform(0.2, 1.0) * settings.waver_by
        steps = random.normal(0.0, spread * np.sqrt(1.0 - WAVER_KEPT**2), len(knots_s) - 1)
        departure = random.normal(0.0, spread)
        for i, step in enumerate(steps.tolist(), start=1):
            departure = WAVER_KEPT * departure + step
            late_s[i] = late_s[i - 1] + WAVER_STEP_S * (np.exp(departure) - 1.0)
    return knots_s, late_s


def _reorchestrated(notes: NoteArray, settings: RenderSettings, random: np.random.Generator) -> NoteArray:
    """The same notes with other programs, key and velocities, some parts left out."""
    is_drum = notes["program"] == DRUMS
    part_of_note = notes["part"].astype(np.int64) * 256 + notes["program"]
    parts = np.unique(part_of_note)
    shift = int(random.integers(-settings.transpose_by, settings.transpose_by + 1))
    drops = random.random() < settings.drops_parts
    kept = np.ones(len(notes), dtype=bool)
    for part in parts:
        own = part_of_note == part
        if drops and len(parts) > 1 and random.random() < 0.5:
            kept &= ~own
            continue
        gain: float | npt.NDArray[np.float64] = random.uniform(0.5, 1.3)
        if is_drum[own][0]:
            gain = random.uniform(0.5, 1.3, 128)[notes["pitch"][own]]  # each drum at its own level
        velocity = notes["velocity"][own] * gain + random.normal(0, random.uniform(0, 14), int(own.sum()))
        notes["velocity"][own] = np.clip(np.rint(velocity), 22, 127)
        if is_drum[own][0]:
            continue
        if random.random() >= settings.keeps_program or notes["program"][own][0] >= 112:
            notes["program"][own] = _MELODIC[int(random.integers(len(_MELODIC)))]
    pitch = notes["pitch"].astype(np.int64) + np.where(is_drum, 0, shift)
    pitch = np.where(pitch > 108, pitch - 12, np.where(pitch < 21, pitch + 12, pitch))
    notes["pitch"] = np.clip(pitch, 0, 127)
    return notes[kept] if kept.any() else notes


def _exercise(settings: RenderSettings, random: np.random.Generator) -> Performance:
    """Notes and chords of any pitch, length and instrument: combinations that music lacks."""
    num_ms = round(settings.seconds * 1000)
    rows: list[tuple[int, int, int, int, int]] = []
    for _ in range(int(random.integers(1, 4))):
        program = _MELODIC[int(random.integers(len(_MELODIC)))]
        low = int(random.integers(24, 84))
        high = min(low + int(random.integers(7, 40)), 108)
        pace, length, most = (
            np.exp(random.uniform(np.log(90), np.log(1200))),
            random.uniform(0.3, 2.5),
            random.integers(1, 5),
        )
        onset = random.uniform(0, 1000)
        while onset < num_ms:
            for pitch in random.choice(np.arange(low, high), size=int(random.integers(1, most + 1)), replace=False):
                duration = max(40.0, pace * length * random.uniform(0.5, 1.5))
                rows.append((round(onset), round(duration), program, int(pitch), int(random.integers(30, 127))))
            onset += max(60.0, pace * np.exp(random.normal(0, 0.5)))
    table = np.array(rows, dtype=np.int64)
    notes = np.zeros(len(table), dtype=NOTE_DTYPE)
    for column, name in enumerate(("onset", "duration", "program", "pitch", "velocity")):
        notes[name] = table[:, column]
    nothing = np.zeros(0, dtype=np.float32)
    score = Score(notes=tidy(notes), tempos=(MILLISECONDS,))
    return Performance(score=score, beats_s=nothing, downbeats_s=nothing, has_beat=False)


def _drum_pattern(performance: Performance, settings: RenderSettings, random: np.random.Generator) -> NoteArray:
    """A bar's pattern on quarters of the beat, repeated with small changes: NOTE_DTYPE."""
    beats, downbeats = performance.beats_s.astype(np.float64), performance.downbeats_s
    length_s = np.diff(beats, append=2 * beats[-1] - beats[-2])
    place = np.zeros(len(beats), dtype=np.int64)  # of the beat in its bar
    for i in range(1, len(beats)):
        place[i] = 0 if np.abs(downbeats - beats[i]).min(initial=9.0) < 0.01 else place[i - 1] + 1
    slots = int(place.max()) * 4 + 4
    chance = {
        int(random.choice((35, 36))): np.where(np.arange(slots) % 8 == 0, 0.95, random.uniform(0, 0.25)),
        int(random.choice((37, 38, 38, 39, 40))): np.where(np.arange(slots) % 8 == 4, 0.95, random.uniform(0, 0.2)),
        int(random.choice((42, 42, 44, 46, 51))): np.where(
            np.arange(slots) % int(random.choice((1, 2, 4))) == 0, 0.97, random.uniform(0, 0.15)
        ),
        int(random.choice((41, 43, 45, 47, 48, 50))): np.full(slots, random.uniform(0, 0.08)),
        int(random.choice((49, 52, 55, 57, 46))): np.where(np.arange(slots) == 0, random.uniform(0, 0.5), 0.01),
    }
    rows = []
    for key, shares in chance.items():
        pattern, level = random.random(slots) < shares, random.uniform(50, 115)
        for beat, length, number in zip(beats, length_s, place, strict=True):
            for quarter in range(4):
                if pattern[number * 4 + quarter] != (random.random() < 0.03):
                    at = (beat + length * quarter / 4) * 1000 + random.normal(0, 3)
                    velocity = float(np.clip(level + random.normal(0, 10), 25, 127))
                    rows.append((max(round(at), 0), 100, DRUMS, key, round(velocity)))
    notes = np.zeros(len(rows), dtype=NOTE_DTYPE)
    for column, name in enumerate(("onset", "duration", "program", "pitch", "velocity")):
        notes[name] = [row[column] for row in rows]
    return notes


def _mono(stem: Waveform, random: np.random.Generator) -> npt.NDArray[np.float32]:
    """Both sides added up, or one alone."""
    share = 0.5 if random.random() < 0.7 else float(random.choice((0.0, 1.0)))
    return np.asarray(stem[0] * np.float32(share) + stem[1] * np.float32(1 - share), dtype=np.float32)
