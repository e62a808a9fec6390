"""`tonemill inspect` of a checkpoint: whether its weights are integers, and what to do where they are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.command_line.inspect_checkpoint import inspect_checkpoint
from jobs.train.convert import convert
from lstm_core.foundation.errors import CheckpointError
from lstm_core.model.checkpoint import Checkpoint
from tests.jobs.train.test_convert import save_as_before
from tests.lstm_core.tiny import tiny_facts, tiny_model


def earlier_checkpoint(folder: Path) -> None:
    save_as_before(folder, Checkpoint(model=tiny_model(), facts=tiny_facts(), fingerprint=""))


def test_it_says_whether_weights_are_integers_and_how_floats_become_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    earlier_checkpoint(tmp_path / "old")
    inspect_checkpoint(str(tmp_path / "old"))
    of_floats = capsys.readouterr().out
    assert "floats, of an earlier version" in of_floats and "integers:" not in of_floats
    assert "python -m jobs.train.convert OLD NEW [BLOCKS]" in of_floats  # brackets are no markup
    convert(str(tmp_path / "old"), str(tmp_path / "new"))
    inspect_checkpoint(str(tmp_path / "new"))
    of_integers = capsys.readouterr().out
    assert "integers: the same notes on every machine" in of_integers and "convert" not in of_integers


def test_damaged_integers_are_not_shown(tmp_path: Path) -> None:
    earlier_checkpoint(tmp_path / "old")
    convert(str(tmp_path / "old"), str(tmp_path / "new"))
    (path,) = (tmp_path / "new").glob("weights-*")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="It was cut short"):
        inspect_checkpoint(str(tmp_path / "new"))
