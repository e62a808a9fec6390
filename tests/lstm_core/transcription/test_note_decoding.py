"""Notes out of probabilities made by hand."""

import numpy as np
import pytest

from lstm_core.transcriber_training.onset_scores import score_onsets
from lstm_core.transcriber_training.targets import SOUNDED_DRUM_DTYPE, SOUNDED_NOTE_DTYPE, Sounded, frame_targets
from lstm_core.transcription.note_decoding import (
    DrumDecoder,
    NoteDecoder,
    Thresholds,
    decode_drums,
    decode_notes,
)
from lstm_core.transcription.transcription import HAT, SNARE

THRESHOLDS = Thresholds(onset=0.5, frame=0.5, drums=(0.5,) * 5)


def probabilities(notes, drums=(), num_frames=200):
    """What a network that is never wrong says of these notes."""
    nothing = np.zeros(0, dtype=np.float32)
    sounded = Sounded(
        notes=np.array(notes, dtype=SOUNDED_NOTE_DTYPE),
        drums=np.array(list(drums), dtype=SOUNDED_DRUM_DTYPE),
        beats_s=nothing,
        downbeats_s=nothing,
    )
    return frame_targets(sounded, 0, num_frames)


def random_notes(seed, count=60, seconds=4.0):
    random = np.random.default_rng(seed)
    rows = []
    for pitch in random.choice(np.arange(21, 109), size=count // 4, replace=False):
        time = random.uniform(0, 0.5)
        while time < seconds - 0.2 and len(rows) < count:
            end = time + random.uniform(0.1, 0.6)
            rows.append((time, min(end, seconds), pitch, random.integers(20, 127)))
            time = end + random.uniform(0.1, 0.5)
    return sorted(rows)


def test_one_note_comes_back_with_times_between_frames():
    targets = probabilities([(1.007, 1.5, 64, 101)])
    (note,) = decode_notes(targets.onset, targets.frame, targets.velocity, THRESHOLDS)
    assert note["onset_s"] == pytest.approx(1.007, abs=0.002)
    assert note["offset_s"] == pytest.approx(1.5, abs=0.011)
    assert (note["pitch"], note["velocity"]) == (64, 101)
    assert 0.5 < note["confidence"] <= 1.0


def test_without_an_onset_there_is_no_note():
    targets = probabilities([(1.0, 1.5, 64, 101)])
    assert len(decode_notes(0.4 * targets.onset, targets.frame, targets.velocity, THRESHOLDS)) == 0


def test_a_note_ends_where_the_pitch_begins_again():
    targets = probabilities([(1.0, 1.4, 64, 80), (1.4, 2.0, 64, 90)])
    first, second = decode_notes(targets.onset, targets.frame, targets.velocity, THRESHOLDS)
    assert first["offset_s"] == pytest.approx(1.4, abs=0.005) and second["onset_s"] == first["offset_s"]
    assert second["offset_s"] == pytest.approx(2.0, abs=0.011)


def test_one_silent_frame_does_not_end_a_note():
    targets = probabilities([(1.0, 2.0, 64, 80)])
    targets.frame[70, 64 - 21] = 0.0
    (note,) = decode_notes(targets.onset, targets.frame, targets.velocity, THRESHOLDS)
    assert note["offset_s"] == pytest.approx(2.0, abs=0.011)


def test_notes_at_both_ends_of_a_recording_are_found():
    targets = probabilities([(0.0, 0.5, 60, 80), (3.98, 4.0, 72, 80)])
    notes = decode_notes(targets.onset, targets.frame, targets.velocity, THRESHOLDS)
    assert notes["pitch"].tolist() == [60, 72]
    assert notes["onset_s"] == pytest.approx([0.0, 3.98], abs=0.011)  # beyond the ends there is no neighbour


@pytest.mark.parametrize("seed", range(5))
def test_random_notes_all_come_back(seed):
    rows = random_notes(seed)
    targets = probabilities(rows)
    notes = decode_notes(targets.onset, targets.frame, targets.velocity, THRESHOLDS)
    played = np.array(rows, dtype=SOUNDED_NOTE_DTYPE)
    score = score_onsets(notes["onset_s"], notes["pitch"], played["onset_s"], played["pitch"], tolerance_s=0.011)
    assert score.f1 == 1.0
    assert (np.diff(notes["onset_s"]) >= 0).all()


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 64])
def test_stretches_of_any_length_give_the_same_notes(cut):
    targets = probabilities(random_notes(3), drums=[(0.02 * i, i % 5, 60 + i) for i in range(0, 190, 7)])
    noise = np.random.default_rng(0).random(targets.onset.shape, dtype=np.float32)
    onset, frame = (0.7 * part + 0.3 * noise for part in (targets.onset, targets.frame))
    notes, drums = NoteDecoder(THRESHOLDS), DrumDecoder(THRESHOLDS)
    for start in range(0, len(onset), cut):
        stretch = slice(start, start + cut)
        notes.push(onset[stretch], frame[stretch], targets.velocity[stretch])
        drums.push(targets.drums[stretch], targets.drum_velocity[stretch])
    assert (notes.finish() == decode_notes(onset, frame, targets.velocity, THRESHOLDS)).all()
    assert (drums.finish() == decode_drums(targets.drums, targets.drum_velocity, THRESHOLDS)).all()


def test_drums_have_their_own_thresholds():
    targets = probabilities(np.zeros(0), drums=[(0.5, SNARE, 100), (1.0, HAT, 50)])
    shy = Thresholds(drums=(0.5, 0.5, 0.95, 0.5, 0.5))
    hits = decode_drums(0.9 * targets.drums, targets.drum_velocity, shy)
    assert hits["drum"].tolist() == [SNARE] and hits["velocity"].tolist() == [100]
    assert hits["onset_s"] == pytest.approx([0.5], abs=0.003)


def test_nothing_in_nothing_out():
    assert len(NoteDecoder(THRESHOLDS).finish()) == 0 and len(DrumDecoder(THRESHOLDS).finish()) == 0


def test_impossible_thresholds_are_refused():
    with pytest.raises(ValueError, match="above 0 and under 1"):
        Thresholds(onset=1.0)
