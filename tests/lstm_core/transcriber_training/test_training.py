"""A tiny transcriber learns, and goes on exactly where it stopped."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lstm_core.transcriber_training.clips import ClipBatch, stacked, varied
from lstm_core.transcriber_training.onset_scores import score_onsets
from lstm_core.transcriber_training.training import TranscriberTrainer, TranscriberTrainSettings, transcriber_losses
from lstm_core.transcription.note_decoding import Thresholds, decode_notes
from lstm_core.transcription.transcriber_model import Logits, TranscriberModel
from tests.lstm_core.transcriber_material import TINY, tiny_pool

SETTINGS = TranscriberTrainSettings(
    num_clips=2, num_frames=60, warmup_steps=2, cooldown_steps=4, precision="float32", learning_rate=5e-3
)
NO_RHYTHM = torch.zeros(0)


def trainer(tmp_path: Path, settings: TranscriberTrainSettings = SETTINGS) -> TranscriberTrainer:
    torch.manual_seed(0)
    return TranscriberTrainer(TranscriberModel(TINY), tiny_pool(tmp_path), settings)


def test_resumed_is_uninterrupted(tmp_path: Path):
    whole = trainer(tmp_path)
    losses = [whole.train_step(8).losses for _ in range(6)]
    first = trainer(tmp_path)
    for _ in range(3):
        first.train_step(8)
    second = trainer(tmp_path)
    second.load_state_tensors(first.state_tensors())
    assert [second.train_step(8).losses for _ in range(3)] == losses[3:]
    ours, theirs = second.state_tensors(), whole.state_tensors()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs) and ours.keys() == theirs.keys()


def test_the_schedule_warms_up_stays_and_cools_down(tmp_path: Path):
    run = trainer(tmp_path)
    rates = [run.train_step(10).learning_rate / SETTINGS.learning_rate for _ in range(10)]
    assert rates == pytest.approx([0.5, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25])


@pytest.mark.slow
def test_a_tiny_network_learns_one_clip_by_heart(tmp_path: Path):
    pool = tiny_pool(tmp_path)
    clip = pool.shard(0).clip(0, 120, np.random.default_rng(0))
    levels, targets = varied(clip, pool.settings, np.random.default_rng(1))
    settings = TranscriberTrainSettings(
        num_clips=1, num_frames=120, warmup_steps=5, cooldown_steps=30, learning_rate=2e-2
    )
    run = trainer(tmp_path, settings)
    run.clips.batch = lambda step, rows, num_frames: ClipBatch(levels[None], [targets])  # type: ignore[method-assign]
    losses = [sum(run.train_step(120).losses) for _ in range(120)]
    assert losses[-1] < 0.15 * losses[0]
    with torch.no_grad():
        logits = run.model.train()(levels[None])
    heard = decode_notes(*(torch.sigmoid(part)[0].numpy() for part in logits[:3]), Thresholds(onset=0.3))
    played = decode_notes(targets.onset, targets.frame, targets.velocity, Thresholds())
    assert score_onsets(heard["onset_s"], heard["pitch"], played["onset_s"], played["pitch"]).f1 > 0.9


def test_losses_of_a_network_that_is_right_are_least(tmp_path: Path):
    batch = tiny_pool(tmp_path).batch(0, range(2), 80)
    targets = stacked(batch.targets)
    sure = Logits(*((20 * (part - 0.5)) for part in targets[:-1]), NO_RHYTHM)
    wrong = Logits(*(-part for part in sure))
    right, left = (transcriber_losses(logits, targets, 3.0) for logits in (sure, wrong))
    assert (right <= left).all() and right.sum() < 0.1 * left.sum()


def test_clips_without_a_beat_teach_none(tmp_path: Path):
    batch = tiny_pool(tmp_path).batch(0, range(2), 80)
    targets = stacked(batch.targets)
    logits = Logits(*(torch.zeros_like(part) for part in targets[:-1]), NO_RHYTHM)
    none = (*targets[:-1], torch.zeros(2))
    assert transcriber_losses(logits, none, 3.0)[4] == 0.0
    assert transcriber_losses(logits, targets, 3.0)[4] == pytest.approx(2 * np.log(2), rel=1e-5)
