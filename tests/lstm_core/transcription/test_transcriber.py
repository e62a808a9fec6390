"""Recordings in windows sound as they do at once; a transcriber survives its folder."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from lstm_core.foundation.errors import CheckpointError
from lstm_core.transcriber_training.onset_scores import score_onsets
from lstm_core.transcription import transcriber
from lstm_core.transcription.beats.network import BeatNetwork, BeatNetworkSettings
from lstm_core.transcription.note_decoding import Thresholds
from lstm_core.transcription.spectrogram import SAMPLE_RATE
from lstm_core.transcription.transcriber import Transcriber, fused
from lstm_core.transcription.transcriber_checkpoint import (
    JSON_NAME,
    TranscriberFacts,
    load_transcriber,
    save_transcriber,
)
from lstm_core.transcription.transcriber_model import TranscriberModel, TranscriberSettings
from lstm_core.transcription.transcription import Transcription
from tests.lstm_core.transcriber_material import TINY


def network(seed: int = 0) -> TranscriberModel:
    """An untrained network, made so lively that it hears many things."""
    torch.manual_seed(seed)
    model = TranscriberModel(TINY)
    with torch.no_grad():
        model.notes.weight *= 60
        model.notes.bias += torch.tensor([0.0, 4.0, 0.0])
    return model.eval()


def beats() -> BeatNetwork:
    """An untrained network of beats, lively too."""
    torch.manual_seed(1)
    beats = BeatNetwork(BeatNetworkSettings(channels=6, hidden_size=4), TINY.rhythm_size)
    with torch.no_grad():
        beats.beats.bias.fill_(0.0)
    return beats


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    thresholds = Thresholds(onset=0.4, frame=0.5, drums=(0.0185,) * 5)
    save_transcriber(tmp_path / "network", TINY, network().state_dict(), thresholds, TranscriberFacts(step=7), beats())
    return tmp_path / "network"


def recording(seconds: float, seed: int = 0) -> np.ndarray:
    """Tones that come and go, in a little noise."""
    random = np.random.default_rng(seed)
    num_samples = round(seconds * SAMPLE_RATE)
    signal = 0.001 * random.standard_normal(num_samples)
    for start in np.arange(0, seconds - 0.3, 0.25):
        first, length = round(start * SAMPLE_RATE), round(0.3 * SAMPLE_RATE)
        hz = 110 * 2 ** random.uniform(0, 4)
        signal[first : first + length] += 0.2 * np.sin(2 * np.pi * hz * np.arange(length) / SAMPLE_RATE)
    return signal.astype(np.float32)


def agreement(one: Transcription, other: Transcription) -> float:
    """F1 of notes that begin and end within 5 ms, of one pitch."""
    columns = [(heard.notes["onset_s"], heard.notes["pitch"]) for heard in (one, other)]
    ends = [(heard.notes["offset_s"], heard.notes["pitch"]) for heard in (one, other)]
    return min(score_onsets(*a, *b, tolerance_s=0.005).f1 for a, b in (columns, ends))


def test_chunks_of_any_length_give_the_same(folder: Path):
    hears = Transcriber(load_transcriber(folder))
    sound = recording(30.0)
    whole = hears.transcribe([sound])
    assert len(whole.notes) > 20 and len(whole.drums) > 5
    for size in (5_000, 123_457):
        parts = hears.transcribe([sound[i : i + size] for i in range(0, len(sound), size)])
        assert (parts.notes == whole.notes).all() and (parts.drums == whole.drums).all()
        assert (parts.beat_activation == whole.beat_activation).all()
        assert whole.tempo_activation is not None and (parts.tempo_activation == whole.tempo_activation).all()
    assert whole.duration_s == 30.0 and whole.beat_activation.shape == (1500, 2)


def test_windows_sound_like_the_whole(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """No note at a border is cut or doubled; of thousands, one at a threshold may fall to the other side of it."""
    hears = Transcriber(load_transcriber(folder), precision="float32")
    sound = recording(40.0)
    monkeypatch.setattr(transcriber, "WINDOW_FRAMES", 2000)
    whole = hears.transcribe([sound])
    monkeypatch.setattr(transcriber, "WINDOW_FRAMES", 200)
    windows = hears.transcribe([sound])
    assert len(whole.notes) > 1000
    assert agreement(windows, whole) > 0.99
    assert np.abs(windows.beat_activation - whole.beat_activation).max() < 1e-3


def test_recordings_together_are_heard_as_alone(folder: Path):
    hears = Transcriber(load_transcriber(folder), windows_at_once=3, precision="float32")
    sounds = [recording(seconds, seed) for seed, seconds in enumerate((3.0, 50.0, 1.5, 26.0))]
    together = list(hears.transcribe_many([[sound] for sound in sounds]))
    assert [round(result.duration_s, 2) for result in together] == [3.0, 50.0, 1.5, 26.0]
    for sound, result in zip(sounds, together, strict=True):
        alone = Transcriber(load_transcriber(folder), precision="float32").transcribe([sound])
        assert agreement(alone, result) > 0.97


def test_no_sound_and_broken_samples_are_met(folder: Path):
    hears = Transcriber(load_transcriber(folder))
    nothing = hears.transcribe([])
    assert (len(nothing.notes), len(nothing.drums), nothing.duration_s) == (0, 0, 0.0)
    broken = recording(2.0)
    broken[1000:1010], broken[2000] = np.nan, np.inf
    assert np.isfinite(hears.transcribe([broken]).beat_activation).all()


def test_notes_lie_inside_the_recording(folder: Path):
    result = Transcriber(load_transcriber(folder)).transcribe([recording(5.3)])
    assert result.notes["onset_s"].min() >= 0 and result.notes["offset_s"].max() <= 5.3
    assert (result.notes["offset_s"] > result.notes["onset_s"]).all()
    order = np.lexsort((result.notes["pitch"], result.notes["onset_s"]))
    assert (order == np.arange(len(order))).all()


def test_fused_networks_say_the_same():
    model = network()
    model.train()(torch.randn(2, 40, 312) * 20 - 60)  # moves the normalisations off their start
    model.eval()
    levels = torch.randn(1, 40, 312) * 20 - 60
    with torch.no_grad():
        for ours, theirs in zip(fused(model)(levels), model(levels), strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_a_network_comes_back_from_its_folder(folder: Path):
    loaded, again = load_transcriber(folder), load_transcriber(folder)
    assert loaded.thresholds.onset == 0.4 and loaded.facts.step == 7 and loaded.fingerprint == again.fingerprint
    for name, value in network().state_dict().items():
        torch.testing.assert_close(loaded.model.state_dict()[name], value, rtol=2**-8, atol=1e-6)
    assert loaded.beats is not None
    for name, value in beats().state_dict().items():
        torch.testing.assert_close(loaded.beats.state_dict()[name], value, rtol=2**-8, atol=1e-6)


def test_damaged_folders_are_named(folder: Path):
    with pytest.raises(CheckpointError, match="There is no transcriber"):
        load_transcriber(folder / "nowhere")
    (weights,) = folder.glob("weights-*")
    data = weights.read_bytes()
    weights.write_bytes(data[:-1])
    with pytest.raises(CheckpointError, match="Copy the transcriber again"):
        load_transcriber(folder)
    weights.write_bytes(data)
    described = json.loads((folder / JSON_NAME).read_text())
    (folder / JSON_NAME).write_text(json.dumps(described | {"format": "tonemill-transcriber-9"}))
    with pytest.raises(CheckpointError, match="transcriber-9"):
        load_transcriber(folder)


def test_impossible_shapes_are_refused():
    with pytest.raises(ValueError, match="hidden_size is 0"):
        TranscriberSettings(hidden_size=0)
