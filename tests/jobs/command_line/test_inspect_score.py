"""`tonemill inspect` of a score: form, chords and roles that are known, and a picture with them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lstm_core.notes.midi import write_midi
from lstm_core.notes.score import Score, make_notes
from tests.jobs.command_line.test_main import run

BAR = 96
TUNES = ((76, 79, 77, 76, 72, 74, 76, 72, 77, 81, 79, 77, 79, 77, 74, 71), (84, 83, 81, 79, 81, 79, 76, 72))
PROGRESSION = ((60, 64, 67), (57, 60, 64), (53, 57, 60), (55, 59, 62))  # C Am F G, a bar each


def song() -> Score:
    """Four bars of chords with a bass, four times, under one tune for eight bars and another for eight."""
    rows = []
    for bar in range(16):
        chord = PROGRESSION[bar % 4]
        rows += [(bar * BAR, BAR, 48, pitch, 70) for pitch in chord]
        rows += [(bar * BAR + 24 * beat, 24, 33, chord[0] - 24, 90) for beat in range(4)]
        tune = TUNES[bar // 8 % 2]
        rows += [(bar * BAR + 24 * i, 24, 73, tune[(4 * bar + i) % len(tune)], 100) for i in range(4)]
    return Score(notes=make_notes(np.array(rows)), title="A [b]Song[/b]")


def test_form_chords_and_roles_of_a_song(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "song.mid").write_bytes(write_midi(song()))
    code, out, _ = run(capsys, "inspect", str(tmp_path / "song.mid"))
    shown = " ".join(out.split())
    assert code == 0 and "A [b]Song[/b]" in shown and "16 bars of 4/4" in shown and "C major" in shown
    assert "first chords C Am F G C Am F G" in shown
    assert "melody 64, harmony 48, bass 64" in shown and "form A:4 A:4 B:4 B:4" in shown
    image = Image.open(io.BytesIO((tmp_path / "song.analysis.png").read_bytes()))
    assert image.width == 1600 and len(np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)) > 8


def test_each_tune_of_a_book_gets_a_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("music21")
    monkeypatch.chdir(tmp_path)
    tunes = [f"X:{n}\nT:Tune {n}\nM:4/4\nL:1/4\nK:C\nCDEF|GABc|cBAG|FEDC|\n" for n in (1, 2)]
    (tmp_path / "book.abc").write_text("\n".join(tunes))
    code, out, _ = run(capsys, "inspect", "book.abc")
    assert code == 0 and "Tune 1" in out and "Tune 2" in out
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["book.1.analysis.png", "book.2.analysis.png"]


def test_what_is_no_score_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "no.mid").write_bytes(b"no music in here")
    code, out, err = run(capsys, "inspect", str(tmp_path / "no.mid"))
    assert code == 2 and out == "" and "no.mid" in err and len(err.splitlines()) <= 3
