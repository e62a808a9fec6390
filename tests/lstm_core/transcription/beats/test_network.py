"""The beat network hears stretches as the whole, learns beats and tempo, and does so the same way each time."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lstm_core.transcriber_training.beat_training import (
    BeatTrainer,
    BeatTrainSettings,
    TranscribedClips,
    local_tempo,
    tempo_targets,
    transcribe_clips,
    transcribed_clips,
)
from lstm_core.transcriber_training.targets import SOUNDED_DRUM_DTYPE, SOUNDED_NOTE_DTYPE, Sounded, frame_targets
from lstm_core.transcription.beats import network as beat_network
from lstm_core.transcription.beats.network import (
    NUM_TEMPI,
    STEP_RATE,
    TEMPI_BPM,
    BeatFeatures,
    BeatNetwork,
    BeatNetworkSettings,
    beat_features,
    num_features,
)
from lstm_core.transcription.transcriber_model import NUM_PITCHES, Logits, TranscriberModel
from tests.lstm_core.transcriber_material import TINY, tiny_pool

SETTINGS = BeatNetworkSettings(channels=16, hidden_size=12, dropout=0.0)


def network(seed: int = 0) -> BeatNetwork:
    torch.manual_seed(seed)
    return BeatNetwork(SETTINGS, TINY.rhythm_size).eval()


def with_beats(bpm: float, duration_s: float) -> Sounded:
    """Nothing but beats, every fourth a downbeat."""
    beats_s = np.arange(0.3, duration_s, 60.0 / bpm, dtype=np.float32)
    return Sounded(
        notes=np.zeros(0, dtype=SOUNDED_NOTE_DTYPE),
        drums=np.zeros(0, dtype=SOUNDED_DRUM_DTYPE),
        beats_s=beats_s,
        downbeats_s=beats_s[::4],
    )


def pulses(num_clips: int, num_steps: int) -> TranscribedClips:
    """Clips of steady tempi in which every onset is a beat, and the lowest pitch falls on downbeats."""
    features = np.zeros((num_clips, num_steps, num_features(TINY.rhythm_size)), dtype=np.float16)
    beats, tempo = [], []
    for clip, bpm in enumerate(np.geomspace(70.0, 140.0, num_clips).tolist()):
        sounded = with_beats(bpm, num_steps / STEP_RATE)
        for times_s, pitch in ((sounded.beats_s, 40), (sounded.downbeats_s, 0)):
            steps = np.rint(times_s * STEP_RATE).astype(np.int64)
            features[clip, steps[steps < num_steps], pitch] = 1.0
        beats.append(np.rint(frame_targets(sounded, 0, 2 * num_steps).beats * 255).astype(np.uint8))
        tempo.append(local_tempo(sounded, num_steps))
    return TranscribedClips(features, np.stack(beats), np.stack(tempo), np.ones(num_clips, dtype=bool))


def test_stretches_of_any_length_give_the_same(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(beat_network, "SEGMENT_STEPS", 100)
    monkeypatch.setattr(beat_network, "CONTEXT_STEPS", 50)
    features = torch.rand(430, num_features(TINY.rhythm_size))
    answers = []
    for size in (430, 7, 149, 150):
        hearing = BeatFeatures(network(), torch.device("cpu"))
        for first in range(0, len(features), size):
            hearing.push(features[first : first + size])
        answers.append(hearing.finish())
    beats, tempo = answers[0]
    assert beats.shape == (860, 2) and tempo.shape == (18, NUM_TEMPI)
    for other_beats, other_tempo in answers[1:]:
        assert (other_beats == beats).all() and (other_tempo == tempo).all()


def test_segments_are_heard_as_the_whole_is(monkeypatch: pytest.MonkeyPatch):
    """With as much context as the convolutions reach over, what the recurrent layer forgets is all that differs."""
    features = torch.rand(1500, num_features(TINY.rhythm_size))
    whole = BeatFeatures(network(), torch.device("cpu"))
    whole.push(features)
    monkeypatch.setattr(beat_network, "SEGMENT_STEPS", 500)
    monkeypatch.setattr(beat_network, "CONTEXT_STEPS", 300)
    parts = BeatFeatures(network(), torch.device("cpu"))
    parts.push(features)
    for one, other in zip(whole.finish(), parts.finish(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_nothing_is_no_beat():
    beats, tempo = BeatFeatures(network(), torch.device("cpu")).finish()
    assert beats.shape == (0, 2) and tempo.shape == (0, NUM_TEMPI)


def test_features_are_those_of_both_frames():
    onset, frame = torch.full((1, 4, NUM_PITCHES), -9.0), torch.full((1, 4, NUM_PITCHES), -9.0)
    onset[0, 1, 5], frame[0, 2, 7] = 0.0, 0.0
    rhythm = torch.arange(6.0).reshape(1, 2, 3)
    rest = [torch.zeros(1, 4, n) for n in (NUM_PITCHES, 5, 5, 2)]
    found = beat_features(Logits(onset, frame, *rest, rhythm))
    assert found.shape == (1, 2, num_features(3))
    assert found[0, 0, 5] == pytest.approx(0.5) and found[0, 1, 5] < 0.001
    assert found[0, 1, NUM_PITCHES + 7] == pytest.approx(0.25, abs=1e-3)
    assert found[0, 1, -3:].tolist() == [3.0, 4.0, 5.0]


def test_targets_of_tempo():
    targets = tempo_targets(torch.tensor([float(TEMPI_BPM[30]), 10.0, 999.0]))
    torch.testing.assert_close(targets.sum(-1), torch.ones(3))
    assert targets.argmax(-1).tolist() == [30, 0, NUM_TEMPI - 1]
    assert targets[0, 29] == pytest.approx(float(targets[0, 31]), rel=1e-3)


def test_local_tempo_follows_the_beats():
    beats_s = np.array([0.0, 0.5, 1.0, 1.5, 2.5, 3.5], dtype=np.float32)
    sounded = with_beats(100.0, 1.0)
    found = local_tempo(Sounded(notes=sounded.notes, drums=sounded.drums, beats_s=beats_s, downbeats_s=beats_s), 90)
    assert found[20] == pytest.approx(120.0) and found[80] == pytest.approx(60.0)
    assert local_tempo(with_beats(100.0, 0.5), 4).tolist() == [0.0] * 4


@pytest.mark.slow
def test_beats_downbeats_and_tempo_are_learnt():
    clips = pulses(6, 300)
    settings = BeatTrainSettings(
        steps=120, num_clips=6, num_steps=260, learning_rate=1e-2, warmup_steps=5, hides=0.0, tempo_weight=0.5
    )
    torch.manual_seed(0)
    trainer = BeatTrainer(BeatNetwork(SETTINGS, TINY.rhythm_size), [clips], settings)
    losses = np.array([trainer.train_step() for _ in range(settings.steps)])
    assert (losses[-20:].mean(axis=0) < 0.6 * losses[:5].mean(axis=0)).all()
    hearing = BeatFeatures(trainer.network.eval(), torch.device("cpu"))
    hearing.push(torch.from_numpy(clips.features[2].astype(np.float32)))
    beats, tempo = hearing.finish()
    is_beat, is_downbeat = (clips.beats[2, :, i] > 200 for i in range(2))
    assert beats[is_beat, 0].mean() > 0.5 and beats[clips.beats[2, :, 0] == 0, 0].mean() < 0.1
    assert beats[is_downbeat, 1].mean() > beats[is_beat & ~is_downbeat, 1].mean() + 0.3
    assert TEMPI_BPM[tempo.mean(axis=0).argmax()] == pytest.approx(clips.tempo[2, 150], rel=0.05)


def test_equal_settings_make_equal_weights():
    settings = BeatTrainSettings(steps=4, num_clips=2, num_steps=50, hides=0.5)
    weights = []
    for _ in range(2):
        torch.manual_seed(3)
        trainer = BeatTrainer(BeatNetwork(SETTINGS, TINY.rhythm_size), [pulses(3, 80)], settings)
        for _ in range(4):
            trainer.train_step()
        weights.append(trainer.network.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.slow
def test_what_was_heard_is_kept(tmp_path: Path):
    torch.manual_seed(1)
    model, pool = TranscriberModel(TINY).eval(), tiny_pool(tmp_path)
    settings = BeatTrainSettings(num_shards=1, variants=2)
    first = transcribed_clips(tmp_path / "heard", model, pool, settings)
    assert [path.name for path in sorted((tmp_path / "heard").iterdir())] == [
        "heard-0-00000.safetensors", "heard-1-00000.safetensors"
    ]  # fmt: skip
    assert first[0].features.shape == (4, 100, num_features(TINY.rhythm_size))
    assert (first[0].features != first[1].features).any() and (first[0].tempo == first[1].tempo).all()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    again = transcribed_clips(tmp_path / "heard", model, pool, settings)
    assert (again[0].features == first[0].features).all()
    assert (transcribe_clips(model, pool, 0, 1).features != first[0].features).any()


def test_impossible_settings():
    with pytest.raises(ValueError, match="dropout 1"):
        BeatNetworkSettings(dropout=1.0)
    with pytest.raises(ValueError, match="num_shards is 0"):
        BeatTrainSettings(num_shards=0)
