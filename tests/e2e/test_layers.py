"""Layers as a user orders them: from a file of the base model's order to what a game engine decodes."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from lstm_core.catalogue.folder import list_tracks
from tests.jobs.command_line.test_main import run
from tests.lstm_core.sounds import ffmpeg_decode, ffmpeg_measures

WORDS = ["--style", "game", "--seconds", "16", "--loop", "--layers", "4", "--seed", "11", "--loudness=-11"]


@pytest.mark.slow
def test_layers_of_the_base_model_fade_without_clipping(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """By FFmpeg: equal lengths, the last layer is the master, and no fade of two is over -1 dBTP."""
    code, _, err = run(capsys, "compose", str(tmp_path), *WORDS)
    assert code == 0, err
    (record,) = list_tracks(str(tmp_path), verify=True)
    assert record.layers is not None and [layer.name for layer in record.layers] == [f"layer-{n}" for n in range(1, 5)]
    folder = tmp_path / record.folder
    layers = [ffmpeg_decode((folder / f"{layer.name}.flac").read_bytes())[0] for layer in record.layers]
    assert {layer.shape for layer in layers} == {(2, 16 * 44100)}
    np.testing.assert_array_equal(layers[-1], ffmpeg_decode((folder / "master.flac").read_bytes())[0])
    for layer, known in zip(layers, record.layers, strict=True):
        assert abs(ffmpeg_measures(layer, 44100)[0] - known.loudness_lufs) < 0.3, "ours is that of the loop"
    fades = [
        np.cos(angle) * one + np.sin(angle) * other for one, other in combinations(layers, 2) for angle in (0.6, 0.9)
    ]
    assert max(ffmpeg_measures(fade.astype(np.float32), 44100)[1] for fade in fades) <= -1.0
    assert "layer-4.flac" in (tmp_path / "index.html").read_text()
