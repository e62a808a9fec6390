"""Pieces made of known chords, parts and sections."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lstm_core.notes.chord_symbols import CHORD_STEPS, QUALITIES
from lstm_core.notes.score import DRUMS, Meter, Score, make_notes

Row = tuple[int, int, int, int, int]  # onset, duration, program, pitch, velocity
QUARTER, BAR = 24, 96
C_MAJOR = (0, 2, 4, 5, 7, 9, 11)


def chord_tones(name: tuple[int, str], low: int) -> list[int]:
    """Pitches of a chord (root, quality), its root the first one from `low` up."""
    root, quality = name
    base = low + (root - low) % 12
    return [base + step for step in CHORD_STEPS[QUALITIES.index(quality)]]


def accompaniment(chord: tuple[int, str], start: int, ticks: int, texture: str, program: int = 0) -> list[Row]:
    """One chord in a texture: block, arpeggio, alberti or oom-pah, its root lowest."""
    tones = chord_tones(chord, 48)
    eighth = QUARTER // 2
    if texture == "block":
        return [(start, ticks, program, pitch, 80) for pitch in tones]
    if texture == "arpeggio":
        cycle = [*tones, tones[0] + 12]
        return [(start + t, eighth, program, cycle[i % len(cycle)], 80) for i, t in enumerate(range(0, ticks, eighth))]
    if texture == "alberti":
        cycle = [tones[0], tones[2], tones[1], tones[2]]
        return [(start + t, eighth, program, cycle[i % 4], 80) for i, t in enumerate(range(0, ticks, eighth))]
    rows = [(start, QUARTER, program, tones[0] - 12, 80)]  # oom-pah
    for t in range(QUARTER, ticks, QUARTER):
        rows += [(start + t, QUARTER - 4, program, pitch, 70) for pitch in tones]
    return rows


def progression(chords: Sequence[tuple[int, str]], ticks: int, texture: str, meter: Meter | None = None) -> Score:
    """Chords one after another, `ticks` each, twice through."""
    rows: list[Row] = []
    for i, chord in enumerate([*chords, *chords]):
        rows += accompaniment(chord, i * ticks, ticks, texture)
    meters = (meter or Meter(tick=0, numerator=4, denominator=4),)
    return Score(notes=make_notes(rows), meters=meters)


def tune(seed: int, bars: int, *, start: int = 0, program: int = 73, low: int = 67, transpose: int = 0) -> list[Row]:
    """A melody that walks through C major in quarters, eighths and halves, its rhythm and steps drawn by `seed`."""
    random = np.random.Generator(np.random.Philox(key=[seed, 0]))
    rhythms = ((24, 24, 24, 24), (24, 12, 12, 48), (36, 12, 24, 24), (48, 24, 24), (12, 12, 24, 36, 12))
    rows: list[Row] = []
    degree = int(random.integers(0, 5))
    for bar in range(bars):
        at = start + bar * BAR
        for duration in rhythms[int(random.integers(len(rhythms)))]:
            degree = min(max(degree + int(random.choice([-2, -1, -1, 1, 1, 2])), -1), 9)
            pitch = low + 5 + 12 * (degree // 7) + C_MAJOR[degree % 7] + transpose
            rows.append((at, duration, program, pitch, 92))
            at += duration
    return rows


def drum_bars(bars: int, start: int = 0) -> list[Row]:
    """Kick, snare and hats in eighths."""
    rows: list[Row] = []
    for bar in range(bars):
        at = start + bar * BAR
        rows += [(at + beat * QUARTER, 6, DRUMS, 36 if beat % 2 == 0 else 38, 100) for beat in range(4)]
        rows += [(at + i * 12, 6, DRUMS, 42, 70) for i in range(8)]
    return rows


POP = ((0, "maj"), (9, "min"), (5, "maj"), (7, "maj"))


def band(bars: int = 16) -> Score:
    """Lead, broken guitar chords, held strings, bass and drums over C Am F G."""
    rows = [*tune(1, bars, program=81), *drum_bars(bars)]
    for bar in range(bars):
        chord = POP[bar % 4]
        rows += accompaniment(chord, bar * BAR, BAR, "arpeggio", program=25)
        rows += [(bar * BAR, BAR, 48, pitch, 70) for pitch in chord_tones(chord, 55)]
        rows += [(bar * BAR + t, 24, 33, chord_tones(chord, 28)[0], 90) for t in range(0, BAR, 24)]
    return Score(notes=make_notes(rows))


def piano(texture: str, bars: int = 16) -> tuple[Score, int]:
    """A tune over an accompaniment, all one part of a piano; and from which pitch on notes are the tune."""
    rows = tune(2, bars, program=0, low=72)
    for bar in range(bars):
        rows += accompaniment(POP[bar % 4], bar * BAR, BAR, texture)
    return Score(notes=make_notes(rows)), 71


def with_parts(score: Score) -> Score:
    """The same score, each program in a separate part."""
    score.notes["part"] = np.unique(score.notes["program"], return_inverse=True)[1]
    return score
