"""`tonemill inspect` of a recording: its picture and MIDI, and errors on one screen."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jobs.command_line.inspect_recording import inspect_recording
from lstm_core.notes.midi import read_midi
from lstm_core.recordings.recording import open_recording
from lstm_core.recordings.resampling import resample_mono
from lstm_core.sound.synth import render_stems
from lstm_core.transcription.beats.grid import score_of
from lstm_core.transcription.picture import HEAD, LEFT, LINE_S, NOTE, NUM_GREYS, ONSET
from lstm_core.transcription.spectrogram import SAMPLE_RATE
from lstm_core.transcription.transcriber import Transcriber
from lstm_core.transcription.transcriber_checkpoint import load_transcriber
from tests.jobs.command_line.test_main import run
from tests.lstm_core.encoded import encode
from tests.lstm_core.sounds import bundled_soundfont
from tests.lstm_core.transcription.test_recording_transcriber import RATE, tune


def test_picture_midi_and_figures_of_a_tune(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The MIDI file is the transcription on its beats; the picture shows its sound and as many onsets."""
    waveform = sum(render_stems(tune(), bundled_soundfont(), num_samples=17 * RATE, tail_s=0.0).values())
    tags = {"title": "A Tune", "artist": "A. Player", "license": "http://creativecommons.org/licenses/by/4.0/"}
    path = tmp_path / "one.mp3"
    path.write_bytes(encode(0.5 * waveform / np.abs(waveform).max(), "mp3", tags=tags))
    inspect_recording(str(path), tmp_path)
    with open_recording(path) as recording:
        mono = resample_mono(recording.chunks(), RATE, SAMPLE_RATE, recording.facts.channel_names)
        transcription = Transcriber(load_transcriber()).transcribe(mono)
    expected = score_of(transcription).score
    found = read_midi((tmp_path / "one.heard.mid").read_bytes())
    for column in ("onset", "pitch", "program", "velocity"):
        assert found.notes[column].tolist() == expected.notes[column].tolist(), column
    assert found.title == "A Tune" and found.meters == expected.meters

    pixels = np.asarray(Image.open(io.BytesIO((tmp_path / "one.heard.png").read_bytes())))
    num_lines = int(np.ceil(transcription.duration_s / LINE_S))
    assert pixels.shape[1] == 1600 and len(pixels) % num_lines == 0
    line = len(pixels) // num_lines
    drawn = pixels[HEAD:line, LEFT:]
    is_sound = (drawn > 0) & (drawn < NUM_GREYS)
    assert 0.05 < is_sound.mean() < 0.9 and drawn[drawn < NUM_GREYS].max() == NUM_GREYS - 1
    in_first_line = int((transcription.notes["onset_s"] < LINE_S).sum())
    assert in_first_line > 30 and np.isin(drawn, (NOTE, ONSET)).sum() > 3 * in_first_line

    shown = " ".join(capsys.readouterr().out.split())
    assert "A Tune" in shown and "A. Player" in shown and "CC-BY-4.0" in shown and "mp3, 44100 Hz, 2 channels" in shown
    assert f"notes {len(transcription.notes)}:" in shown and "bpm" in shown


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("text.mp3", b"This is not music. " * 200, "decode"),
        ("empty.flac", b"", "empty"),
        ("gone.ogg", None, "gone.ogg"),
    ],
)
def test_what_cannot_be_transcribed_is_reported_on_one_screen(
    name: str, data: bytes | None, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    code, out, err = run(capsys, "inspect", str(tmp_path / name))
    assert code == 2 and out == "" and len(err.splitlines()) <= 4 and "Traceback" not in err
    assert name in err and (reason in err or "audio" in err)
    assert sorted(path.name for path in tmp_path.iterdir()) == ([] if data is None else [name])


def test_silence_has_nothing_to_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "silence.wav"
    path.write_bytes(encode(np.zeros((1, 3 * RATE), dtype=np.float32), "wav", sample_rate=RATE))
    code, out, err = run(capsys, "inspect", str(path))
    assert code == 2 and out == "" and "silence.wav: holds no notes" in err
