"""Recordings of a folder of scores, as a corpus that holds nothing but audio: each is played by our own synthesiser,
mastered with reverb at a loudness of its own, and encoded in one of six ways, with tags.

    CORPUS/<style>/<score>.<hash><suffix>    the hash is of all that the bytes depend on

A recording that is there under its name is done: what was killed goes on from there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from jobs.demo.bundled_scores import SOURCES
from jobs.runtime.progress import Progress
from lstm_core import storage
from lstm_core.foundation.compiling import compile_once
from lstm_core.notes.reading import SUFFIXES, read_score
from lstm_core.notes.score import Score, make_notes
from lstm_core.recordings.encoding import FORMATS, encode
from lstm_core.sound.mastering import MasterSettings, master
from lstm_core.sound.soundfont import SoundFont, find_soundfont
from lstm_core.sound.synth import iter_stems

VERSION = 1  # of what makes a recording of a score; raise it when the same score would sound otherwise
MAX_MUSIC_S = 75.0  # of a recording: what is longer is faded out there
TAIL_S, FADE_S = 2.0, 3.0
LOUDEST_LUFS, QUIETEST_LUFS = -12.0, -24.0
_HASH = "[0-9a-f]" * 10


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One of the forms that recordings of the corpus have."""

    format: str  # of encoding.FORMATS
    sample_rate: int  # Hz
    num_channels: int
    licence_tag: str = "license"  # WAV and M4A have no name for it


KINDS = (
    Kind(format="wav", sample_rate=44_100, num_channels=1, licence_tag="copyright"),
    Kind(format="flac", sample_rate=44_100, num_channels=2),
    Kind(format="mp3", sample_rate=44_100, num_channels=2),
    Kind(format="vorbis", sample_rate=44_100, num_channels=2),
    Kind(format="opus", sample_rate=48_000, num_channels=2),
    Kind(format="m4a", sample_rate=48_000, num_channels=2, licence_tag="copyright"),
)


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A recording to be made."""

    score: str  # path
    target: str  # path
    style: str
    licence: str
    kind: int  # of KINDS


def record_scores(
    scores: Path, corpus: Path, *, soundfont_uri: str = "", num_workers: int | None = None
) -> tuple[int, int]:
    """Number of recordings of the scores in a folder, and how many of them had to be made.

    Runs on the Ray that is connected, if there is anything to make. Recordings of scores that are not there any more,
    or of other settings, are removed; files of other names stay.

    Raises:
        SoundFontError: there is none to play with.
    """
    soundfont = find_soundfont(soundfont_uri)
    corpus = corpus.absolute()  # workers may run in another folder
    wanted = plan_recordings(scores.absolute(), corpus, soundfont)
    current = {recording.target for recording in wanted}
    for path in corpus.glob(f"*/*.{_HASH}.*"):
        if str(path) not in current:
            path.unlink()
    missing = [recording for recording in wanted if not Path(recording.target).exists()]
    if missing:
        _record_on_ray(missing, soundfont_uri, num_workers)
    return len(wanted), len(missing)


def plan_recordings(scores: Path, corpus: Path, soundfont: SoundFont) -> list[Recording]:
    """What recordings the scores of a folder become; forms take turns."""
    found = []
    paths = [path for path in sorted(scores.glob("*/*")) if path.suffix in SUFFIXES and path.parent.name in SOURCES]
    for number, path in enumerate(paths):
        source, kind = SOURCES[path.parent.name], number % len(KINDS)
        style, licence = source.base_style, source.licence
        named = f"{VERSION} {soundfont.sha256} {KINDS[kind]} {licence} {path.name} ".encode()
        digest = hashlib.sha256(named + path.read_bytes()).hexdigest()[:10]
        name = f"{path.stem}.{digest}{FORMATS[KINDS[kind].format].suffix}"
        target = str(corpus / style / name)
        found.append(Recording(score=str(path), target=target, style=style, licence=licence, kind=kind))
    return found


def make_recording(recording: Recording, soundfont: SoundFont) -> None:
    """Plays, masters, encodes and stores one recording."""
    path, kind = Path(recording.score), KINDS[recording.kind]
    data = path.read_bytes()
    score = read_score(data, path.suffix)[0]
    loudness = LOUDEST_LUFS + (QUIETEST_LUFS - LOUDEST_LUFS) * hashlib.sha256(data).digest()[0] / 255
    waveform = _played(score, soundfont, kind, loudness)
    tags = {
        "title": score.title or path.stem,
        "artist": score.tags.get("composer", "traditional"),
        "genre": recording.style,
        kind.licence_tag: recording.licence,
    }
    storage.write_bytes(recording.target, encode(waveform, kind.format, sample_rate=kind.sample_rate, tags=tags))


def _played(score: Score, soundfont: SoundFont, kind: Kind, loudness_lufs: float) -> np.ndarray:
    """The sound of a score: float32 [C, S]."""
    rate = kind.sample_rate
    is_cut = score.duration_s > MAX_MUSIC_S
    duration_s = MAX_MUSIC_S if is_cut else score.duration_s + TAIL_S
    num_samples = round(duration_s * rate)
    settings = MasterSettings(
        sample_rate=rate, loudness_lufs=round(loudness_lufs, 1), true_peak_dbtp=-2.0, format="wav", bit_depth=32
    )
    finished = master(
        iter_stems(score, soundfont, sample_rate=rate, num_samples=num_samples, tail_s=0.0),
        num_samples=num_samples,
        loop=False,
        seed=0,
        settings=settings,
        music_end=round((duration_s - (FADE_S if is_cut else TAIL_S)) * rate),
    )
    return finished.waveform if kind.num_channels == 2 else finished.waveform.mean(axis=0, keepdims=True)


def _record_on_ray(missing: list[Recording], soundfont_uri: str, num_workers: int | None) -> None:
    import ray.data
    from ray.data import TaskPoolStrategy

    from jobs.runtime.local_ray import num_cpus_of_cluster

    def record(rows: pa.Table) -> pa.Table:
        soundfont = find_soundfont(soundfont_uri)
        compile_once("recording", lambda: _compile(soundfont))
        for row in rows.to_pylist():
            make_recording(Recording(**row), soundfont)
        return pa.table({"num_made": [len(rows)]})

    num_workers = num_workers or num_cpus_of_cluster()
    tables = [pa.Table.from_pylist([asdict(one) for one in run]) for run in _runs(missing, num_workers)]
    dataset = ray.data.from_arrow(tables).map_batches(
        record, batch_size=None, batch_format="pyarrow", compute=TaskPoolStrategy(size=num_workers), num_cpus=1
    )
    with Progress("Recording scores", len(missing), "files") as progress:
        for batch in dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            progress.advance(sum(batch["num_made"].to_pylist()))


def _runs(missing: list[Recording], num_workers: int) -> Iterator[list[Recording]]:
    """Runs of recordings, some for each worker, so that workers end together."""
    num_runs = min(len(missing), 6 * num_workers)
    for first in range(num_runs):
        yield missing[first::num_runs]


def _compile(soundfont: SoundFont) -> None:
    """Plays a second of a scale in each form, so that one process alone compiles all that it takes."""
    score = Score(notes=make_notes([(24 * i, 20, 24 * i, 60 + i, 90) for i in range(4)]))
    for kind in KINDS:
        _played(score, soundfont, replace(kind, num_channels=2), -16.0)
