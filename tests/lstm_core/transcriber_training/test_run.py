"""A run of a transcriber leaves what it promises, and goes on where it stopped."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lstm_core.foundation.errors import TrainingError
from lstm_core.notes.midi import write_midi
from lstm_core.training.metrics import read_metrics
from lstm_core.training.run_state import saved_steps
from lstm_core.transcriber_training.beat_run import LOSSES_NAME, run_beat_training
from lstm_core.transcriber_training.beat_training import BeatTrainSettings
from lstm_core.transcriber_training.calibration import ValidSettings
from lstm_core.transcriber_training.clips import ClipSettings
from lstm_core.transcriber_training.recipe import TranscriberRecipe
from lstm_core.transcriber_training.run import run_transcriber_training
from lstm_core.transcriber_training.training import TranscriberTrainSettings
from lstm_core.transcriber_training.training_scores import read_training_scores, split_of
from lstm_core.transcription.beats.network import NUM_TEMPI, BeatNetworkSettings
from lstm_core.transcription.spectrogram import SAMPLE_RATE
from lstm_core.transcription.transcriber import Transcriber
from lstm_core.transcription.transcriber_checkpoint import load_transcriber
from tests.lstm_core.sounds import six_parts
from tests.lstm_core.transcriber_material import PLAIN, TINY, sine_font, tune


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    """Tunes and six-part pieces, some of each split."""
    folder = tmp_path / "scores"
    for style, make in (("tunes", tune), ("game", lambda seed: six_parts(2, seed=seed))):
        (folder / style).mkdir(parents=True)
        for number in range(40):
            (folder / style / f"{number}.mid").write_bytes(write_midi(make(number)))
    (folder / "styles.csv").write_text("path,style,licence\n")
    (folder / "game" / "COPYING.txt").write_text("free")
    (folder / "game" / "broken.mid").write_bytes(b"MThd nothing more")
    return folder


@pytest.fixture
def recipe(tmp_path: Path) -> TranscriberRecipe:
    return TranscriberRecipe(
        soundfonts=(str(sine_font(tmp_path).path),),
        steps=4,
        valid_every=2,
        threads_per_worker=1,
        device="cpu",
        model=TINY,
        train=TranscriberTrainSettings(num_clips=2, num_frames=40, cooldown_steps=1, warmup_steps=1),
        clips=ClipSettings(clips_per_shard=2, first_shards=1, rooms=0.0, codecs=0.0, render=PLAIN),
        valid=ValidSettings(num_clean=2, num_mix=2, seconds=2.0),
        beat_network=BeatNetworkSettings(channels=4, hidden_size=3),
        beats=BeatTrainSettings(
            num_shards=1,
            variants=1,
            steps=3,
            num_clips=2,
            num_steps=60,
            clips=ClipSettings(clips_per_shard=2, rooms=0.0, codecs=0.0, render=PLAIN),
        ),
    )


def test_names_alone_decide_who_may_learn_from_a_score():
    splits = [split_of(f"piece-{number}.mid") for number in range(3000)]
    assert splits.count("test") / 3000 == pytest.approx(1 / 5, abs=0.03)
    assert splits.count("valid") / 3000 == pytest.approx(1 / 15, abs=0.02)
    assert split_of("d_bunny.mid") == split_of("d_bunny.mid")


def test_splits_share_no_score(scores: Path):
    found = {split: read_training_scores(scores, split) for split in ("train", "valid", "test")}
    assert all(set(styles) <= {"tunes", "game"} for styles in found.values())
    assert sum(len(pieces) for styles in found.values() for pieces in styles.values()) == 80
    with pytest.raises(TrainingError, match="no scores to train with"):
        read_training_scores(scores / "game", "train")


@pytest.mark.slow
def test_a_run_that_was_stopped_ends_as_if_it_had_not_been(scores: Path, recipe: TranscriberRecipe, tmp_path: Path):
    whole = run_transcriber_training(scores, tmp_path / "whole", recipe)
    run_transcriber_training(scores, tmp_path / "parts", replace(recipe, steps=2, valid_every=2))
    told: list[int] = []
    parts = run_transcriber_training(scores, tmp_path / "parts", recipe, on_progress=lambda p: told.append(p.step))
    assert told == [3, 4] and parts.step == whole.step == 4
    rows = [[row for row in read_metrics(tmp_path / name) if row["kind"] == "train"] for name in ("whole", "parts")]
    assert [row["step"] for row in rows[1]] == [1, 2, 3, 4]
    assert [row["nll_of_stream"] for row in rows[1]] == [row["nll_of_stream"] for row in rows[0]]
    assert rows[0][2]["nll_of_stream"] != rows[0][3]["nll_of_stream"]


def test_what_a_run_leaves_can_be_used(scores: Path, recipe: TranscriberRecipe, tmp_path: Path):
    result = run_transcriber_training(scores, tmp_path / "run", recipe, versions={"torch": "x"})
    loaded = load_transcriber(result.transcriber_uri)
    assert loaded.facts.scores == result.scores and loaded.facts.step == result.best_step
    assert {"onset_clean", "onset_mix", "kick", "snare", "hat", "beat", "frame"} <= set(result.scores)
    assert loaded.facts.recipe["steps"] == 4 and loaded.facts.versions == {"torch": "x"}
    assert saved_steps(tmp_path / "run")[-1] == 4
    assert (tmp_path / "run" / "curves.png").read_bytes()[:4] == b"\x89PNG"
    valid = [row for row in read_metrics(tmp_path / "run") if row["kind"] == "valid"]
    assert [row["step"] for row in valid] == [2, 4] and valid[-1]["nll"] > 0
    assert loaded.beats is None

    told: list[int] = []
    files = []
    for _ in range(2):
        uri = run_beat_training(scores, tmp_path / "run", recipe, on_step=lambda step, num_steps: told.append(step))
        files.append({path.name: path.read_bytes() for path in Path(uri).iterdir()})
    assert uri == result.transcriber_uri and told == [1, 2, 3] * 2 and files[0] == files[1]
    both = load_transcriber(uri)
    assert both.beats is not None and both.beats.settings.channels == 4 and both.fingerprint != loaded.fingerprint
    assert both.facts.recipe["beats"]["steps"] == 3 and both.facts.scores == loaded.facts.scores
    for name, value in loaded.model.state_dict().items():
        assert torch.equal(both.model.state_dict()[name], value)
    assert '"step": 3' in (tmp_path / "run" / LOSSES_NAME).read_text()
    heard = Transcriber(both).transcribe([np.zeros(SAMPLE_RATE * 2, dtype=np.float32)])
    assert heard.beat_activation.shape == (100, 2) and heard.tempo_activation is not None
    assert heard.tempo_activation.shape == (2, NUM_TEMPI)
