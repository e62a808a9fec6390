"""Clips are functions of their number, and vary as they say."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from lstm_core.transcriber_training.clips import ClipSettings, varied
from lstm_core.transcription.spectrogram import BINS_PER_SEMITONE
from tests.lstm_core.transcriber_material import tiny_pool


def test_a_batch_depends_on_the_step_alone(tmp_path: Path):
    pool, again = tiny_pool(tmp_path), tiny_pool(tmp_path / "elsewhere")
    first, same, other = pool.batch(3, range(4), 100), again.batch(3, range(4), 100), pool.batch(4, range(4), 100)
    assert torch.equal(first.levels, same.levels) and not torch.equal(first.levels, other.levels)
    assert all((a.onset == b.onset).all() for a, b in zip(first.targets, same.targets, strict=True))
    half = pool.batch(3, range(2, 4), 100)
    assert torch.equal(half.levels, first.levels[2:])


def test_shards_rendered_in_another_order_are_the_same(tmp_path: Path):
    one, two = tiny_pool(tmp_path / "a"), tiny_pool(tmp_path / "b")
    one.shard(0), one.shard(1)
    two.shard(1)
    assert one.shard_path(1).read_bytes() == two.shard_path(1).read_bytes()
    assert one.shard_path(0).name == two.shard_path(0).name
    assert tiny_pool(tmp_path / "c", seed=9).shard_path(0).name != one.shard_path(0).name


def test_the_pool_grows_with_the_steps():
    settings = ClipSettings(first_shards=4, steps_per_shard=100, most_shards=6)
    assert [settings.pool_size(step) for step in (0, 99, 100, 250, 10_000)] == [4, 4, 5, 6, 6]


def test_a_shift_moves_levels_and_labels_alike(tmp_path: Path):
    pool = tiny_pool(tmp_path)
    clip = pool.shard(0).clip(0, 200, np.random.default_rng(0))
    seen = set()
    for seed in range(60):
        levels, targets = varied(clip, pool.settings, np.random.default_rng(seed))
        _, before = varied(clip, replace(pool.settings, shift_bins=0), np.random.default_rng(seed))
        moved = np.argwhere(targets.onset > 0.5)[0, 1] - np.argwhere(before.onset > 0.5)[0, 1]
        frame, pitch = np.argwhere(targets.frame * (targets.onset == 0) > 0)[5]
        bins = pitch * BINS_PER_SEMITONE + torch.arange(-3, 6)
        assert abs(int(levels[frame, bins].argmax()) - 4) <= 1  # a sine stands on its own pitch, a third detuned
        seen.add(int(moved))
    assert seen == {-2, -1, 0, 1, 2}


def test_events_of_a_clip_come_back_as_they_were(tmp_path: Path):
    shard = tiny_pool(tmp_path).shard(0)
    counts = [len(shard.sounded(number).notes) for number in range(shard.num_clips)]
    assert len(counts) == 4 and min(counts) > 0
    for number in range(4):
        notes = shard.sounded(number).notes
        assert (np.diff(notes["onset_s"]) >= 0).all() and (notes["offset_s"] > notes["onset_s"]).all()
        assert notes["onset_s"].max() < 4.0 and notes["pitch"].min() >= 55
