"""The recordings that the transcriber is tested on: held-out scores rendered by FluidSynth with TimGM6mb.

Clean ones hold melodic instruments alone: a random program for each part of chorales, madrigals and tunes. Mixed ones
are files of freedoom as they are, drums and all. Neither scores nor SoundFont are used in training.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from jobs.demo.bundled_scores import SOURCES, build_corpus
from lstm_core.foundation.errors import ScoreError, TonemillError
from lstm_core.notes.limits import meter_map, tempo_map
from lstm_core.notes.midi import write_midi
from lstm_core.notes.reading import read_score
from lstm_core.notes.score import DRUMS, Score, bar_starts, tidy
from lstm_core.transcriber_training.held_out import is_held_out
from lstm_core.transcription.beats.felt_beats import felt_beats

EXCERPT_S = 30.0
MIN_EXCERPT_S = 20.0
CLEAN = {"chorale": 7, "madrigal": 5, "reel": 2, "jig": 2, "hornpipe": 1, "strathspey": 1, "air": 2}
NUM_MIXED = 14
MIN_DRUMS, MIN_NOTES = 20, 40  # of a mixed excerpt
PROGRAMS = (*range(96), *range(104, 112))  # melodic ones: no effects, percussion or sounds
MERGED_S = 0.05  # onsets of one pitch nearer than this are one: neither listeners nor transcribers separate them
FOLDER = Path("build/benchmarks/transcribe")
SAMPLE_RATE = 44100


@dataclass(frozen=True, kw_only=True, eq=False)
class Excerpt:
    name: str
    score: Score
    wav: Path

    @property
    def duration_s(self) -> float:
        return float(self.score.duration_s)

    def notes(self) -> npt.NDArray[np.float64]:
        """Rows of (onset_s, offset_s, pitch) of melodic notes, all programs folded together: float64 [n, 3]."""
        melodic = self.score.notes[self.score.notes["program"] != DRUMS]
        onset = melodic["onset"].astype(np.int64)
        rows = np.column_stack(
            [self.score.seconds(onset), self.score.seconds(onset + melodic["duration"]), melodic["pitch"]]
        )
        rows = rows[np.lexsort((rows[:, 0], rows[:, 2]))]
        kept: list[npt.NDArray[np.float64]] = []
        for row in rows:
            if kept and kept[-1][2] == row[2] and row[0] - kept[-1][0] < MERGED_S:
                kept[-1][1] = max(kept[-1][1], row[1])
            else:
                kept.append(row.copy())
        found = np.array(sorted(map(tuple, kept)), dtype=np.float64)
        return found.reshape(-1, 3)

    def beats_s(self) -> npt.NDArray[np.float64]:
        """Seconds of the beats."""
        return self.score.seconds(felt_beats(self.score)[0])


def test_set(freedoom: Path, seed: int, *, limit: int | None = None) -> tuple[list[Excerpt], list[Excerpt]]:
    """Clean and mixed excerpts, rendered; `limit` takes so many of each.

    Raises:
        TonemillError: FluidSynth or the SoundFont is missing.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    clean = list(_clean(seed))[:limit]
    mixed = list(_mixed(freedoom, seed))[:limit] if freedoom.is_dir() else []
    return [_rendered(*row) for row in clean], [_rendered(*row) for row in mixed]


def _clean(seed: int) -> Iterator[tuple[str, Score]]:
    corpus = FOLDER.parent / "corpus"
    build_corpus(corpus, dict.fromkeys(SOURCES, 10_000))
    for style, wanted in CLEAN.items():
        random = np.random.Generator(np.random.Philox(key=[seed, sum(style.encode())]))
        files = sorted(path for path in (corpus / style).iterdir() if is_held_out(path.name))
        found = 0
        for index in random.permutation(len(files)).tolist():
            if found == wanted:
                break
            excerpt = _excerpt(files[index], random)
            if excerpt is None:
                continue
            notes = excerpt.notes.copy()
            for part in np.unique(notes["part"]).tolist():
                notes["program"][notes["part"] == part] = random.choice(PROGRAMS)
            found += 1
            yield f"{style}-{files[index].stem}", replace(excerpt, notes=tidy(notes))


def _mixed(freedoom: Path, seed: int) -> Iterator[tuple[str, Score]]:
    files = sorted(path for path in freedoom.glob("*.mid") if is_held_out(path.name))
    random = np.random.Generator(np.random.Philox(key=[seed, 1]))
    found = 0
    for index in random.permutation(len(files)).tolist():
        if found == NUM_MIXED:
            break
        excerpt = _excerpt(files[index], random)
        if excerpt is None:
            continue
        is_drum = excerpt.notes["program"] == DRUMS
        if is_drum.sum() >= MIN_DRUMS and (~is_drum).sum() >= MIN_NOTES:
            found += 1
            yield f"freedoom-{files[index].stem}", excerpt


def _excerpt(path: Path, random: np.random.Generator) -> Score | None:
    """At most EXCERPT_S of a score from a random barline on; None where it is too short or cannot be read."""
    try:
        score = read_score(path.read_bytes(), path.suffix)[0]
    except ScoreError:
        return None
    bars = bar_starts(score.meters, score.end_tick)
    bars_s = score.seconds(bars)
    starts = np.flatnonzero(bars_s <= max(score.duration_s - EXCERPT_S, 0.0))
    if score.duration_s < MIN_EXCERPT_S:
        return None
    first = int(bars[random.choice(starts)])
    begin_s = float(score.seconds(np.array([first]))[0])
    onset = score.notes["onset"].astype(np.int64)
    notes = score.notes[(onset >= first) & (score.seconds(onset) < begin_s + EXCERPT_S - 0.1)].copy()
    if len(notes) == 0:
        return None
    notes["onset"] -= first
    stop_s = begin_s + EXCERPT_S
    ticks = np.arange(first, first + int((notes["onset"] + notes["duration"]).max()) + 1)
    end = int(np.searchsorted(score.seconds(ticks), stop_s, side="right")) - 1
    notes["duration"] = np.clip(end - notes["onset"], 1, notes["duration"])
    tempos = [(max(tempo.tick - first, 0), tempo.bpm) for tempo in score.tempos]
    meters = [(max(meter.tick - first, 0), meter.numerator, meter.denominator) for meter in score.meters]
    return Score(notes=tidy(notes), tempos=tempo_map(tempos, end), meters=meter_map(meters, end), title=score.title)


def _rendered(name: str, score: Score) -> Excerpt:
    if shutil.which("fluidsynth") is None:
        raise TonemillError("FluidSynth is missing, which renders the test set. Install it: apt-get install fluidsynth")
    package = importlib.util.find_spec("pretty_midi")
    if package is None or package.origin is None:
        raise TonemillError("TimGM6mb.sf2 is missing, which comes with the package pretty_midi. Install that")
    soundfont = Path(package.origin).parent / "TimGM6mb.sf2"
    midi, wav = FOLDER / f"{name}.mid", FOLDER / f"{name}.wav"
    data = write_midi(score)
    if not (wav.exists() and midi.exists() and midi.read_bytes() == data):
        midi.write_bytes(data)
        command = ["fluidsynth", "-ni", "-q", "-g", "0.5", "-r", str(SAMPLE_RATE), "-F", str(wav), "-T", "wav"]
        subprocess.run([*command, str(soundfont), str(midi)], check=True, capture_output=True)
    return Excerpt(name=name, score=score, wav=wav)
