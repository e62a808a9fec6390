"""Mistakes in `tonemill generate`: one screen, exit code 2, and nothing made."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.command_line import main as cli
from lstm_core.model.checkpoint import save_checkpoint
from lstm_core.model.integers.quantising import quantised_unseen
from tests.lstm_core.tiny import tiny_facts, tiny_model


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    save_checkpoint(folder, quantised_unseen(tiny_model()), tiny_facts())
    return folder


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What is shown of a command that must end with exit code 2, on one line."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["generate", *arguments])
    shown = capsys.readouterr()
    assert ended.value.code == 2 and shown.out == ""
    assert len(shown.err.splitlines()) <= 24 and "Traceback" not in shown.err
    return " ".join(shown.err.split())


def order_file(folder: Path, text: str = "[track]\nduration_s = 6\n") -> str:
    path = folder / "order.toml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("count = 0\n", "The order requests 0 tracks."),
        ("count = 1000000\n", "requests 1,000,000 tracks, an order holds at most 200,000"),
        ("[track]\nduration_s = 0.5\n", "duration_s is 0.5: even at 300 bpm"),
        ('[track]\nkey = "H sharp"\n', '"H sharp" is no key'),
        ('[track]\nstyle = "polka"\n', "has not learnt the style 'polka'. It knows game, dance."),
        ("[track]\ndurations = 5\n", "Did you mean duration_s?"),
        ("count = 3000\n[track]\nduration_s = 3600\nformat = 'wav'\nbit_depth = 32\n", "the free space is"),
    ],
)
def test_orders_that_cannot_be_met(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, checkpoint: Path, text: str, message: str
) -> None:
    catalogue = tmp_path / "catalogue"
    assert message in complaint(capsys, str(checkpoint), order_file(tmp_path, text), str(catalogue))
    assert not catalogue.exists()


def test_checkpoints_that_cannot_be_used(capsys: pytest.CaptureFixture[str], tmp_path: Path, checkpoint: Path) -> None:
    order, catalogue = order_file(tmp_path), str(tmp_path / "catalogue")
    assert "There is no checkpoint in /nowhere" in complaint(capsys, "/nowhere", order, catalogue)
    names = sorted(file.name for file in checkpoint.iterdir())
    assert len(names) == 2
    for name in names:
        half = tmp_path / f"half-{name}"
        half.mkdir()
        for file in checkpoint.iterdir():
            (half / file.name).write_bytes(file.read_bytes())
        (half / name).write_bytes((half / name).read_bytes()[: (half / name).stat().st_size // 2])
        message = complaint(capsys, str(half), order, catalogue)
        assert str(half / name) in message and "opy the checkpoint again" in message
    assert not Path(catalogue).exists()


def test_other_things_that_are_missing(capsys: pytest.CaptureFixture[str], tmp_path: Path, checkpoint: Path) -> None:
    order, catalogue, run = order_file(tmp_path), str(tmp_path / "catalogue"), str(checkpoint)
    message = complaint(capsys, run, order, catalogue, "--set", "soundfont=/nowhere/x.sf2")
    assert "no SoundFont at /nowhere/x.sf2" in message
    assert "Cannot read /nowhere.toml" in complaint(capsys, run, "/nowhere.toml", catalogue)
    (tmp_path / "file").write_text("no folder")
    assert str(tmp_path / "file") in complaint(capsys, run, order, str(tmp_path / "file"))
    assert "unknown key arithmetics" in complaint(capsys, run, order, catalogue, "--set", "arithmetics=bf16")
    assert "workers" in complaint(capsys, run, order, catalogue, "--workers", "0")
    assert not Path(catalogue).exists()
