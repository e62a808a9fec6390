"""Small material for transcribers: a SoundFont of one sine, tunes, a pool of clips, a tiny network."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lstm_core.notes.score import Score, Tempo, make_notes
from lstm_core.sound import sfbk
from lstm_core.sound.soundfont import SoundFont, open_soundfont
from lstm_core.transcriber_training.clips import ClipPool, ClipSettings
from lstm_core.transcriber_training.renders import RenderSettings
from lstm_core.transcription.transcriber_model import TranscriberSettings
from tests.lstm_core.sounds import write_soundfont

TINY = TranscriberSettings(channels=8, hidden_size=8, rhythm_channels=12, rhythm_hidden_size=8, beat_hidden_size=8)
PLAIN = RenderSettings(
    seconds=4.0,
    tempo_range=(1.0, 1.0),
    transpose_by=0,
    keeps_program=1.0,
    drops_parts=0.0,
    adds_score=0.0,
    adds_drums=0.0,
    is_exercise=0.0,
    timing_s=0.0,
)  # a performance that is the score, from somewhere on


def sine_font(folder: Path) -> SoundFont:
    """A SoundFont that plays a steady sine at every pitch and falls silent in 0.1 s."""
    folder.mkdir(exist_ok=True)
    zone = ([(sfbk.SAMPLE_MODES, 1), (sfbk.VOL_RELEASE, -3986), (sfbk.SAMPLE, 0)], [])
    return open_soundfont(write_soundfont(folder / "sine.sf2", [zone], [([(sfbk.INSTRUMENT, 0)], [])]))


def tune(seed: int, num_notes: int = 40) -> Score:
    """Eighths and quarters of one voice, at 120 bpm."""
    random = np.random.default_rng(seed)
    rows, onset = [], 0
    for _ in range(num_notes):
        length = int(random.choice((12, 24)))
        rows.append((onset, length - 2, 0, int(random.integers(55, 80)), int(random.integers(60, 120))))
        onset += length
    return Score(notes=make_notes(rows), tempos=(Tempo(tick=0, bpm=120.0),))


def tiny_pool(folder: Path, **more: object) -> ClipPool:
    """Clips of tunes, four per shard and no reverb: rendered in a blink."""
    settings = ClipSettings(
        clips_per_shard=4, first_shards=2, rooms=0.0, codecs=0.0, overdrive=0.0, compression=0.0, render=PLAIN
    )
    return ClipPool(
        folder / "clips",
        ClipSettings(**{**vars(settings), **more}),
        lambda: {"tunes": [tune(seed) for seed in range(4)]},
        [sine_font(folder)],
    )
