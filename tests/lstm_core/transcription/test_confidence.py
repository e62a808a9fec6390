"""What is like noise or speech is not believed; what is like music is."""

import numpy as np
import pytest

from lstm_core.recordings.limits import TranscriptionLimits
from lstm_core.transcription.beats.tracking import Beats
from lstm_core.transcription.confidence import confidence_of
from lstm_core.transcription.transcription import TRANSCRIBED_DRUM_DTYPE, TRANSCRIBED_NOTE_DTYPE, Transcription

BOUND = TranscriptionLimits().least_confidence


def transcribed(num_notes: int, sure: float, short: float = 0.0, num_hits: int = 0) -> Transcription:
    """Notes of 0.3 s, a share of them of 0.05 s, all equally sure; hits that are surer."""
    notes = np.zeros(num_notes, dtype=TRANSCRIBED_NOTE_DTYPE)
    notes["onset_s"], notes["confidence"] = np.arange(num_notes) / 4, sure
    notes["offset_s"] = notes["onset_s"] + np.where(np.arange(num_notes) < short * num_notes, 0.05, 0.3)
    drums = np.zeros(num_hits, dtype=TRANSCRIBED_DRUM_DTYPE)
    drums["confidence"] = 0.8
    activation = np.zeros((0, 2), dtype=np.float32)
    return Transcription(notes=notes, drums=drums, beat_activation=activation, frame_rate=50.0, duration_s=60.0)


def beats(strength: float) -> Beats:
    nothing = np.zeros(0)
    return Beats(
        times_s=nothing, places=nothing.astype(np.int64), meter=4, bpm=0.0, strength=strength, unsteadiness=0.0,
        has_beat=strength > 0,
    )  # fmt: skip


def test_music_is_believed_and_what_is_like_noise_is_not():
    """Figures of validation pieces, and of signals without music, as the network transcribes them."""
    assert confidence_of(transcribed(200, 0.65), beats(0.6), 0.9) > BOUND + 0.1  # a band with drums
    assert confidence_of(transcribed(60, 0.72), beats(0.0), 0.0) > BOUND  # an air that no beat was found in
    assert confidence_of(transcribed(14, 0.56), beats(0.0), 0.0) < BOUND  # noise
    assert confidence_of(transcribed(160, 0.66, short=0.3), beats(0.0), 0.0) < BOUND  # speech
    assert confidence_of(transcribed(0, 0.0, num_hits=140), beats(0.0), 0.0) == 0.0  # knocks
    assert confidence_of(transcribed(0, 0.0, num_hits=140), beats(0.8), 0.95) > 0.5  # drums
    assert confidence_of(transcribed(0, 0.0), beats(0.0), 0.0) == 0.0


@pytest.mark.parametrize("sure", [0.6, 0.9])
def test_each_of_its_parts_counts(sure: float):
    whole = confidence_of(transcribed(80, sure), beats(0.9), 1.0)
    assert confidence_of(transcribed(80, sure), beats(0.3), 1.0) < whole
    assert confidence_of(transcribed(80, sure), beats(0.9), 0.6) < whole
    assert confidence_of(transcribed(80, sure - 0.05), beats(0.9), 1.0) <= whole
    assert confidence_of(transcribed(80, sure, short=0.2), beats(0.9), 1.0) == pytest.approx(0.8 * whole)
    assert confidence_of(transcribed(80, sure, num_hits=9), beats(0.0), 0.0) < 0.5 * whole
