"""The recordings that the demo makes of scores: six forms, tags, sound that is the score, nothing made twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from jobs.demo.bundled_scores import SOURCES
from jobs.demo.recordings import KINDS, MAX_MUSIC_S, QUIETEST_LUFS, make_recording, plan_recordings, record_scores
from lstm_core.notes.midi import write_midi
from lstm_core.notes.score import Score, Tempo, make_notes
from lstm_core.recordings.recording import open_recording
from tests.lstm_core.sounds import bundled_soundfont

FONT = str(bundled_soundfont().path)


def write_scores(folder: Path, count: int, num_notes: int = 8) -> Path:
    """Scales on a piano as MIDI files, half of them jigs and half reels; 120 bpm, two notes a second."""
    for number in range(count):
        rows = [(24 * i, 22, 0, 60 + number + i % 8, 90) for i in range(num_notes)]
        score = Score(notes=make_notes(rows), tempos=(Tempo(tick=0, bpm=120.0),), title=f"Scale {number}")
        path = folder / ("jig", "reel")[number % 2] / f"scale-{number}.mid"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(write_midi(score))
    return folder


def test_each_form_sounds_and_has_tags(tmp_path: Path) -> None:
    """Six scores, six forms: codec, rate and channels as said, the length of the music, title, artist and licence."""
    soundfont = bundled_soundfont()
    plan = plan_recordings(write_scores(tmp_path / "scores", 6), tmp_path / "corpus", soundfont)
    assert [recording.kind for recording in plan] == list(range(6))
    codecs = {"wav": "pcm_s16le", "m4a": "aac"}
    for recording in plan:
        make_recording(recording, soundfont)
        kind = KINDS[recording.kind]
        with open_recording(Path(recording.target)) as opened:
            sound = np.concatenate(list(opened.chunks()), axis=1)
            facts = opened.facts
        assert facts.codec == codecs.get(kind.format, kind.format)
        assert (facts.sample_rate, facts.num_channels) == (kind.sample_rate, kind.num_channels)
        assert sound.shape[1] / facts.sample_rate == pytest.approx(4.0 + 2.0, abs=0.2)  # eight notes and what dies away
        level = 20 * np.log10(np.sqrt((sound**2).mean()))
        assert QUIETEST_LUFS - 6 < level < -8
        assert facts.tags["artist"] == "traditional" and facts.tags["title"].startswith("Scale ")
        of_score = SOURCES[Path(recording.score).parent.name]
        assert (recording.style, facts.tags[kind.licence_tag]) == (of_score.base_style, of_score.licence)


def test_a_long_score_is_faded_out(tmp_path: Path) -> None:
    soundfont = bundled_soundfont()
    scores = write_scores(tmp_path / "scores", 1, num_notes=400)
    recording = plan_recordings(scores, tmp_path / "corpus", soundfont)[0]
    make_recording(recording, soundfont)
    with open_recording(Path(recording.target)) as opened:
        sound = np.concatenate(list(opened.chunks()), axis=1)
    assert sound.shape[1] == MAX_MUSIC_S * KINDS[0].sample_rate
    assert np.abs(sound[:, -20:]).max() < 1e-3 < np.abs(sound[:, : -5 * KINDS[0].sample_rate]).max()


@pytest.mark.slow
def test_what_is_there_is_not_made_again_and_what_is_stale_goes(tmp_path: Path, ray_cluster: None) -> None:
    """Deleted: made again, the same bytes. A changed score: made anew, the old one goes. A user's own file stays."""
    scores, corpus = write_scores(tmp_path / "scores", 7), tmp_path / "corpus"
    assert record_scores(scores, corpus, soundfont_uri=FONT, num_workers=2) == (7, 7)
    made = {path: path.read_bytes() for path in sorted(corpus.glob("*/*"))}
    assert len(made) == 7 and len({path.suffix for path in made}) == 6
    assert record_scores(scores, corpus, soundfont_uri=FONT, num_workers=2) == (7, 0)
    lost = min(made)
    lost.unlink()
    (corpus / "dance" / "mine.flac").write_bytes(b"a user's own")
    assert record_scores(scores, corpus, soundfont_uri=FONT, num_workers=2) == (7, 1)
    assert lost.read_bytes() == made[lost]
    changed = scores / "reel" / "scale-1.mid"
    changed.write_bytes(write_midi(Score(notes=make_notes([(0, 24, 0, 60, 90), (24, 24, 0, 62, 90)]))))
    assert record_scores(scores, corpus, soundfont_uri=FONT, num_workers=2) == (7, 1)
    now = {path for path in corpus.glob("*/*") if path.name != "mine.flac"}
    assert len(now) == 7 and len(now & made.keys()) == 6
