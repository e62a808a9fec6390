"""Scores whose onsets, ends, drums and beats are known."""

import numpy as np
import pytest

from lstm_core.notes.score import DRUMS, Score, make_notes
from lstm_core.transcriber_training.targets import (
    SOUNDED_DRUM_DTYPE,
    SOUNDED_NOTE_DTYPE,
    Sounded,
    frame_targets,
    sounded_drums,
)
from lstm_core.transcription.transcription import BEAT, CYMBAL, DOWNBEAT, HAT, KICK, SNARE, TOM


def sounded(notes=(), drums=(), beats=(), downbeats=()) -> Sounded:
    return Sounded(
        notes=np.array(list(notes), dtype=SOUNDED_NOTE_DTYPE),
        drums=np.array(list(drums), dtype=SOUNDED_DRUM_DTYPE),
        beats_s=np.array(beats, dtype=np.float32),
        downbeats_s=np.array(downbeats, dtype=np.float32),
    )


def test_an_onset_on_a_frame_is_a_triangle_over_three():
    targets = frame_targets(sounded(notes=[(0.2, 0.5, 60, 127)]), 0, 50)
    column = targets.onset[:, 60 - 21]
    assert column[9:12] == pytest.approx([0.5, 1.0, 0.5], abs=1e-4)
    assert column.sum() == pytest.approx(2.0, abs=1e-4) and targets.onset.sum() == pytest.approx(2.0, abs=1e-4)
    assert targets.velocity[10, 39] == pytest.approx(1.0)
    assert np.flatnonzero(targets.frame[:, 39]).tolist() == list(range(10, 25))


def test_an_onset_between_frames_leans_to_the_nearer():
    column = frame_targets(sounded(notes=[(0.205, 0.4, 60, 100)]), 0, 50).onset[:, 39]
    assert column[9:13] == pytest.approx([0.375, 0.875, 0.625, 0.125], abs=1e-3)


def test_a_stretch_sees_what_is_in_it_and_notes_that_sound_on():
    targets = frame_targets(sounded(notes=[(0.1, 2.0, 60, 90), (5.0, 6.0, 62, 90), (1.0, 1.5, 5, 90)]), 50, 50)
    assert targets.onset.sum() == 0.0
    assert targets.frame.sum() == 50.0


def test_drums_are_classified_by_their_keys():
    rows = [(24 * i, 6, DRUMS, key, 64) for i, key in enumerate((36, 38, 42, 45, 49, 56))]
    score = Score(notes=make_notes([*rows, (0, 6, 0, 60, 90)]))
    hits = sounded_drums(score, score.seconds(score.notes["onset"].astype(np.int64)))
    assert hits["drum"].tolist() == [KICK, SNARE, HAT, TOM, CYMBAL]  # a cowbell is none of them
    assert hits["onset_s"] == pytest.approx([0.0, 0.5, 1.0, 1.5, 2.0])
    targets = frame_targets(sounded(drums=hits), 0, 120)
    assert targets.drums.argmax(0).tolist() == [0, 25, 50, 75, 100]
    assert targets.drum_velocity[25, SNARE] == pytest.approx(64 / 127)


def test_beats_stand_in_their_columns():
    targets = frame_targets(sounded(beats=[0.0, 0.5, 1.0], downbeats=[1.0]), 0, 60)
    assert np.flatnonzero(targets.beats[:, BEAT] == 1.0).tolist() == [0, 25, 50]
    assert np.flatnonzero(targets.beats[:, DOWNBEAT] == 1.0).tolist() == [50]
