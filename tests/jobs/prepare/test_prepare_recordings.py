"""`tonemill prepare` on recordings and scores together, through a real Ray."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.command_line.inspect_blocks import inspect_blocks
from jobs.prepare.corpus_reading import cut_recording_parts
from jobs.prepare.recipe import PrepareRecipe
from jobs.prepare.run import run_prepare
from lstm_core import storage
from lstm_core.blocks.corpus import CorpusError, list_corpus
from lstm_core.blocks.feature_blocks import open_blocks
from lstm_core.notes.score import Score, make_notes
from lstm_core.recordings.limits import TranscriptionLimits
from lstm_core.sound.synth import render_stems
from tests.jobs.prepare.test_run import check_summary, write_tunes
from tests.jobs.recordings import CODECS, recording
from tests.lstm_core.encoded import encode
from tests.lstm_core.sounds import bundled_soundfont

RATE = 44100
LIMITS = TranscriptionLimits(least_confidence=0.02)  # the tunes are of random notes


def sound(number: int) -> np.ndarray:
    """Ten seconds of a piano at random in C major."""
    random = np.random.default_rng(number)
    rows = [(12 * i, 11, 0, int(random.choice([60, 62, 64, 65, 67, 69, 71])), 96) for i in range(36)]
    stems = render_stems(Score(notes=make_notes(rows)), bundled_soundfont(), num_samples=10 * RATE, tail_s=0.0)
    waveform = sum(stems.values())
    return (0.5 * waveform / np.abs(waveform).max()).astype(np.float32)


def write_recordings(corpus: Path) -> None:
    """Three recordings, one of them twice in other bytes, and three that cannot be used.

    Tags give two of them a licence, the table of styles the third and one that has tags too.
    """
    folder = corpus / "piano"
    folder.mkdir(parents=True)
    by = {"license": "http://creativecommons.org/licenses/by/3.0/", "artist": "A. Player", "title": "One"}
    (folder / "a.flac").write_bytes(encode(sound(1), "flac", sample_rate=RATE, tags=by))
    (folder / "b.mp3").write_bytes(encode(0.3 * sound(1), "mp3", sample_rate=RATE))
    (folder / "c.ogg").write_bytes(encode(sound(2), "vorbis", sample_rate=RATE, tags=by))
    (folder / "d.wav").write_bytes(encode(sound(3)[:1], "wav", sample_rate=RATE, tags={"copyright": "(C) A. Player"}))
    (corpus / "styles.csv").write_text("path,style,licence\npiano/c.ogg,piano,by letter of 3 May\npiano/*,piano\n")
    (corpus / "LICENSE").write_text("CC0-1.0")
    (folder / "e.wav").write_bytes(encode(np.zeros((2, 5 * RATE), dtype=np.float32), "wav", sample_rate=RATE))
    (folder / "f.mp3").write_text("This is not music. " * 200)
    (folder / "g.flac").write_bytes((folder / "a.flac").read_bytes()[:40_000])


def check_report(page: str) -> None:
    """Both pictures, and the figures of the recordings, of which two thirds are stereo."""
    assert page.count("data:image/png;base64,") == 2
    for message in ("7, 3 of them from recordings", "44,100 Hz 100%", "CC-BY-3.0", "the same recording as another"):
        assert message in page, message
    assert re.search(r"<dt>channels</dt><dd>2 6\d%, 1 3\d%</dd>", page)
    assert re.search(r"<dt>codecs</dt><dd>(\w+ 3\d%(, )?){3}</dd>", page)
    assert re.search(r"<dt>confidence</dt><dd>0\.\d\d \(half of them .*; under 0\.02 is rejected</dd>", page)


@pytest.mark.slow
def test_recordings_and_scores_become_one_set_of_blocks(
    tmp_path: Path, ray_cluster: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each file once, as a piece or with its reason; again nothing is read; other limits are another set."""
    corpus, blocks = tmp_path / "corpus", tmp_path / "blocks"
    write_recordings(corpus)
    write_tunes(corpus, 0, 4)
    recipe = PrepareRecipe(listen=LIMITS)
    first = run_prepare(str(corpus), str(blocks), recipe, num_workers=2)
    assert first.num_files == first.num_read == 11
    check_summary(blocks, first, {"read", "hear"})
    table = pa.concat_tables(open_blocks(blocks, verify=True).tables).sort_by("uri")
    transcribed = table.filter(pa.compute.equal(table["source"], "recording"))
    assert transcribed["uri"].to_pylist() == ["piano/a.flac", "piano/c.ogg", "piano/d.wav"]
    assert (
        transcribed["codec"].to_pylist() == ["flac", "vorbis", "pcm_s16le"]
        and transcribed["style"].to_pylist() == ["piano"] * 3
    )
    assert min(transcribed["num_notes"].to_pylist()) > 15 and set(transcribed["sample_rate"].to_pylist()) == {RATE}
    assert transcribed["licence"].to_pylist() == ["CC-BY-3.0", "by letter of 3 May", "(C) A. Player"]
    assert (
        transcribed["title"].to_pylist() == ["One", "One", "d"]
        and '"artist": "A. Player"' in transcribed["tags"][0].as_py()
    )
    assert transcribed["num_channels"].to_pylist() == [2, 2, 1] and transcribed["has_beat"].null_count == 0
    scores = table.filter(pa.compute.equal(table["source"], "score"))
    assert len(scores) == 4 and scores["codec"].null_count == scores["confidence"].null_count == 4
    assert set(scores["licence"].to_pylist()) == {"CC0-1.0"} and first.index.licences["CC0-1.0"] == 4
    assert first.index.recordings["codec"] == {"flac": 1, "pcm_s16le": 1, "vorbis": 1}
    assert first.index.recordings["num_channels"] == {"1": 1, "2": 2}
    assert first.index.recorded_s == pytest.approx(sum(transcribed["duration_s"].to_pylist()), abs=0.01)
    check_report((blocks / "report.html").read_text())
    inspect_blocks(str(blocks))
    shown = " ".join(capsys.readouterr().out.split())
    assert "recordings 3 pieces, 0.01 hours" in shown and "codecs flac 1, pcm_s16le 1, vorbis 1" in shown
    assert "channels 2 2, 1 1" in shown and "licence CC-BY-3.0 (1 pieces)" in shown and "LUFS" in shown
    rejects = {
        row["uri"]: (row["stage"], row["reason"]) for row in pq.read_table(blocks / "rejects.parquet").to_pylist()
    }
    assert sorted(rejects) == ["piano/b.mp3", "piano/e.wav", "piano/f.mp3", "piano/g.flac"]
    assert rejects["piano/b.mp3"] == ("duplicate", "the same recording as piano/a.flac, by its fingerprint")
    assert rejects["piano/e.wav"][0] == "quality" and "silent" in rejects["piano/e.wav"][1]
    assert rejects["piano/f.mp3"][0] == rejects["piano/g.flac"][0] == "decode"
    again = run_prepare(str(corpus), str(blocks), recipe, num_workers=2)
    assert again.num_read == again.num_built == 0 and again.index == first.index
    strict = PrepareRecipe(listen=TranscriptionLimits(least_confidence=0.999))
    other = run_prepare(str(corpus), str(blocks), strict, num_workers=2)
    assert other.summary is not None and set(other.summary.cpu_s) == {"hear", "driver"}
    assert other.summary.units == {"files": 7, "pieces": 0, "audio_s": 0, "rejects": 7, "duplicates": 0, "blocks": 1}
    assert other.num_read == 7 and other.rejects == {"decode": 2, "quality": 1, "transcribe": 4}
    assert any("transcribed again" in warning for warning in other.warnings)


@pytest.mark.slow
def test_only_new_and_changed_recordings_of_a_bucket_are_transcribed(s3_bucket: str, ray_cluster: None) -> None:
    """Removed files leave the blocks, only new ones are transcribed; a bound of confidence makes a new set."""
    corpus, blocks = f"{s3_bucket}/corpus", f"{s3_bucket}/blocks"
    for number, codec in enumerate(("mp3", "vorbis", "wav")):
        storage.write_bytes(f"{corpus}/{number}{CODECS[codec]}", recording(number, 4.0, codec))
    first = run_prepare(corpus, blocks, num_workers=2)
    assert (first.num_read, first.rejects, first.last_line()) == (3, {}, "3 pieces in blocks, 0 rejects, of 3 files")
    storage.write_bytes(f"{corpus}/0.mp3", recording(10, 4.0, "mp3"))
    storage.remove(f"{corpus}/1.ogg")
    storage.write_bytes(f"{corpus}/3.opus", recording(11, 4.0, "opus"))
    second = run_prepare(corpus, blocks, num_workers=2)
    assert second.num_read == 2
    table = pa.concat_tables(open_blocks(blocks, verify=True).tables)
    assert sorted(table["uri"].to_pylist()) == ["0.mp3", "2.wav", "3.opus"]
    assert run_prepare(corpus, blocks, num_workers=2).num_read == 0
    strict = PrepareRecipe(listen=TranscriptionLimits(least_confidence=0.999))
    with pytest.raises(CorpusError, match=r"None of the 3 files .* confidence 0\.\d\d, under 1\.00 \(listen\.least"):
        run_prepare(corpus, blocks, strict, num_workers=2)


def test_parts_of_recordings_are_of_about_one_size(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number}.wav").write_bytes(b"x" * (1_000_000 if number % 5 else 8_000_000))
    parts = cut_recording_parts(list_corpus(tmp_path).manifest, 2)
    assert sorted(path for part in parts for path in part["path"].to_pylist()) == sorted(f"{n}.wav" for n in range(20))
    sizes = [sum(part["size_bytes"].to_pylist()) for part in parts]
    assert 4 <= len(parts) <= 12 and max(sizes) <= 16_000_000
