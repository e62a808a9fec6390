"""Pieces made up by rule, for meters, tempi and accompaniments that the scores at hand hold little of.

Waltzes fast and slow, marches, ballads of long notes, 6/8, pads: a progression of chords, a bass, a pattern of
accompaniment and a tune in phrases that come back. They are no music to enjoy; what matters is where their beats are.
"""

from __future__ import annotations

import numpy as np

from lstm_core.notes import TICKS_PER_QUARTER, Meter, Score, Tempo, make_notes

MADE_UP = "made_up"  # their style
NUM_BARS = (24, 56)
# Meter, share of pieces, slowest and fastest tempo in beats a minute, ticks of a beat.
_KINDS = (
    ((3, 4), 0.34, (76.0, 212.0), TICKS_PER_QUARTER),
    ((4, 4), 0.38, (58.0, 184.0), TICKS_PER_QUARTER),
    ((2, 4), 0.08, (60.0, 132.0), TICKS_PER_QUARTER),
    ((6, 8), 0.20, (44.0, 126.0), TICKS_PER_QUARTER * 3 // 2),
)
_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 3, 5, 7, 9, 10))  # major, minor, Dorian
_PROGRESSIONS = ((0, 3, 4, 0), (0, 5, 3, 4), (0, 4, 5, 3), (0, 0, 3, 4), (5, 3, 0, 4), (0, 6, 5, 4), (1, 4, 0, 0))
# Lengths in quarters of a beat, by what a beat of a tune may be divided into; a slur takes two beats.
_CELLS = ((4,), (2, 2), (3, 1), (1, 1, 2), (2, 1, 1), (1, 1, 1, 1), (8,))
_CELLS_OF_THREE = ((3,), (2, 1), (1, 1, 1), (1, 2), (6,))
_CELL_SHARES = (0.34, 0.26, 0.08, 0.06, 0.08, 0.06, 0.12)
_PATTERNS = ("afterbeats", "afterbeats", "blocks", "broken", "held", "bass alone")
Rows = list[tuple[int, int, int, int, int]]  # onset, duration, program, pitch, velocity


def made_up_scores(seed: int, count: int) -> list[Score]:
    """So many pieces, always the same for a seed."""
    return [_piece(np.random.Generator(np.random.Philox(key=[seed, number]))) for number in range(count)]


def _piece(random: np.random.Generator) -> Score:
    (numerator, denominator), _, tempi, beat = _KINDS[int(random.choice(len(_KINDS), p=[kind[1] for kind in _KINDS]))]
    bpm = float(np.exp(random.uniform(*np.log(tempi)))) * beat / TICKS_PER_QUARTER  # quarters a minute
    bar = numerator * TICKS_PER_QUARTER * 4 // denominator
    num_bars = int(random.integers(*NUM_BARS))
    scale, tonic = _SCALES[int(random.integers(len(_SCALES)))], int(random.integers(12))
    chords = _PROGRESSIONS[int(random.integers(len(_PROGRESSIONS)))]
    bars_per_chord = int(random.choice((1, 1, 1, 2)))
    pattern = _PATTERNS[int(random.integers(len(_PATTERNS)))]
    programs = [int(program) for program in random.choice(np.arange(80), size=3)]
    rows: Rows = []
    phrase = int(random.choice((2, 4)))  # bars of the tune before it comes back
    tunes = [_tune(random, bar * phrase, beat, len(scale)) for _ in range(2)]
    has_tune, upbeat = random.random() < 0.85, random.random() < 0.3
    for number in range(num_bars):
        degree = chords[number // bars_per_chord % len(chords)]
        start = number * bar
        rows += _accompaniment(random, pattern, start, bar, beat, _pitches(scale, tonic, degree), programs)
        if has_tune and number % phrase == 0:
            form = (0, 0, 1, 0)[number // phrase % 4]
            for onset, length, step in tunes[form]:
                pitch = 60 + tonic + _degree(scale, degree + step)
                moved = start + onset - (beat // 2 if upbeat and onset == 0 and start > 0 else 0)
                rows.append((moved, max(length * 9 // 10, 2), programs[2], pitch, int(random.integers(64, 110))))
    meter = Meter(tick=0, numerator=numerator, denominator=denominator)
    return Score(notes=make_notes(rows), tempos=(Tempo(tick=0, bpm=round(bpm, 2)),), meters=(meter,), title=MADE_UP)


def _degree(scale: tuple[int, ...], step: int) -> int:
    """Semitones over the tonic of a step of the scale."""
    return scale[step % 7] + 12 * (step // 7)


def _pitches(scale: tuple[int, ...], tonic: int, degree: int) -> list[int]:
    """The chord on a degree about middle C, its root first."""
    return [48 + (tonic + _degree(scale, degree + step) + 5) % 24 for step in (0, 2, 4)]


def _tune(random: np.random.Generator, length: int, beat: int, num_steps: int) -> list[tuple[int, int, int]]:
    """Rows of (onset, duration, step of the scale) over so many ticks, a walk in small steps."""
    is_triple = beat % 36 == 0
    cells = _CELLS_OF_THREE if is_triple else _CELLS
    shares = np.array(_CELL_SHARES[: len(cells)]) ** random.uniform(0.5, 1.6)
    unit = beat // (3 if is_triple else 4)
    rows, at, step = [], 0, int(random.integers(0, num_steps))
    while at < length:
        for part in cells[int(random.choice(len(cells), p=shares / shares.sum()))]:
            duration = min(part * unit, length - at)
            if duration <= 0:
                break
            if random.random() > 0.08:  # a rest now and then
                rows.append((at, duration, step))
            at += duration
            step = int(np.clip(step + random.choice((-3, -2, -1, -1, 0, 1, 1, 2, 3)), -3, 11))
    return rows


def _accompaniment(
    random: np.random.Generator, pattern: str, start: int, bar: int, beat: int, chord: list[int], programs: list[int]
) -> Rows:
    """One bar of bass and chords."""
    bass, harmony = programs[0], programs[1]
    root, fifth = chord[0] - 12, chord[2] - 12
    beats = list(range(start, start + bar, beat))
    rows: Rows = []

    def strike(pitches: list[int], onset: int, length: int, program: int, velocity: int) -> None:
        loud = int(np.clip(velocity + random.normal(0, 6), 30, 120))
        rows.extend((onset, max(length, 2), program, pitch, loud) for pitch in pitches)

    if pattern == "held":
        strike([root, *chord], start, bar, harmony, 70)
        return rows
    strike([root], start, beat if pattern == "afterbeats" else bar, bass, 90)
    if pattern == "bass alone":
        for number, onset in enumerate(beats[1:], start=1):
            strike([fifth if number % 2 else root], onset, beat, bass, 80)
    elif pattern == "afterbeats":
        is_triple = beat % 36 == 0
        if len(beats) == 3:
            after = beats[1:]
        elif is_triple:
            after = [onset + beat * third // 3 for onset in beats for third in (1, 2)]
        else:
            after = beats[1::2] if len(beats) == 4 else [onset + beat // 2 for onset in beats]
            if len(beats) == 4:
                strike([fifth], beats[2], beat, bass, 84)
        for onset in after:
            strike(chord, onset, beat // 2, harmony, 66)
    elif pattern == "blocks":
        for onset in beats:
            strike(chord, onset, beat, harmony, 72)
    else:
        unit = beat // (3 if beat % 36 == 0 else 2)
        order = (0, 2, 1, 2)
        for number, onset in enumerate(range(start, start + bar, unit)):
            strike([chord[order[number % 4]]], onset, unit, harmony, 70)
    return rows
