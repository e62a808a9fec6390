"""Recordings of tunes: played by the synthesizer, and sung by something like a voice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lstm_core.notes.score import Meter, NoteArray, Score, Tempo, make_notes
from lstm_core.sound.output_formats import encode
from lstm_core.sound.synth import render_stems
from tests.lstm_core.sounds import bundled_soundfont

RATE = 44100
LEAD_S = 0.4  # of silence before the first note
Rows = Sequence[tuple[int, ...]]

# Degrees, as tunes.rows_of reads them; a row is a quarter in 4/4 and 3/4.
JOY = (
    "2 2 3 4 | 4 3 2 1 | 0 0 1 2 | 2 - 1 - | 2 2 3 4 | 4 3 2 1 | 0 0 1 2 | 1 - 0 - "
    "| 1 1 2 0 | 1 2 3 0 | 1 2 3 2 | 1 1 4 - | 2 2 3 4 | 4 3 2 1 | 0 0 1 2 | 0 - - -"
)
STAR = "0 0 4 4 | 5 5 4 - | 3 3 2 2 | 1 1 0 - | 4 4 3 3 | 2 2 1 - | 4 4 3 3 | 2 2 1 - | 0 0 4 4 | 5 5 4 - | 0 - - -"
WALTZ = (
    "0 - 2 | 4 - 2 | 5 - 4 | 3 - - | 2 - 3 | 4 - 1 | 2 1 6 | 0 - - "
    "| 0 - 2 | 4 - 2 | 5 - 7 | 6 - - | 5 - 3 | 2 - 1 | 0 - - | 0 - -"
)


def played(rows: Rows, bpm: float, others: Rows = ()) -> npt.NDArray[np.float32]:
    """Notes as the synthesizer plays them, each a little short, after a rest: float32 [2, S] at RATE."""
    score = Score(
        notes=make_notes([(row[0], row[1] - 3, *row[2:]) for row in (*rows, *others)]),  # type: ignore[list-item]
        tempos=(Tempo(tick=0, bpm=bpm),),
        meters=(Meter(tick=0, numerator=4, denominator=4),),
    )
    stems = render_stems(score, bundled_soundfont(), num_samples=int((_end_s(rows, bpm) + 1) * RATE), tail_s=0.0)
    waveform = sum(stems.values())
    lead = np.zeros((2, int(LEAD_S * RATE)), dtype=np.float32)
    return np.concatenate([lead, 0.5 * waveform / np.abs(waveform).max()], axis=1).astype(np.float32)


def hummed(
    rows: Rows, bpm: float, *, vibrato: float, too_high: float, slide_s: float = 0.06
) -> npt.NDArray[np.float32]:
    """Notes as a voice might hum them, with vibrato and out of tune by shares of a semitone, with slides and breath."""
    random = np.random.default_rng(0)
    num_samples = int((LEAD_S + _end_s(rows, bpm) + 1) * RATE)
    pitch, level = np.full(num_samples, 60.0), np.zeros(num_samples)
    before = float(rows[0][3]) - 1.0
    for onset, duration, _, note, _ in rows:
        start = int((LEAD_S + onset / 24 * 60 / bpm + random.normal(0, 0.012)) * RATE)
        stop = int((LEAD_S + (onset + duration) / 24 * 60 / bpm - 0.06) * RATE)
        seconds = np.arange(stop - start) / RATE
        slide = (before - note) * np.exp(-3 * seconds / slide_s)
        swing = vibrato * np.minimum(4 * seconds, 1.0) * np.sin(2 * np.pi * 5.5 * seconds)
        pitch[start:stop] = note + slide + swing + random.normal(0, 0.08)
        level[start:stop] = np.clip(np.minimum(seconds, seconds[-1] - seconds) / 0.05, 0.0, 1.0)
        before = note
    phase = 2 * np.pi * np.cumsum(440 * 2 ** ((pitch + too_high - 69) / 12)) / RATE
    voice = np.sum([n**-1.6 * np.sin(n * phase) for n in range(1, 9)], axis=0) * level
    voice = 0.5 * voice / np.abs(voice).max() + 0.003 * random.standard_normal(num_samples)
    return np.stack([voice, voice]).astype(np.float32)


def write_recording(path: Path, waveform: npt.NDArray[np.float32]) -> Path:
    """A WAV or FLAC file."""
    path.write_bytes(encode(waveform, sample_rate=RATE, format=path.suffix[1:]))
    return path


def likeness(notes: NoteArray, rows: Rows) -> float:
    """F1 of the onsets in ticks and the pitches of notes, given those that were played: both begin with a bar."""
    found = {(int(note["onset"]), int(note["pitch"])) for note in notes}
    true = {(row[0], row[3]) for row in rows}
    return 2 * len(found & true) / (len(found) + len(true))


def _end_s(rows: Rows, bpm: float) -> float:
    return max(row[0] + row[1] for row in rows) / 24 * 60 / bpm
