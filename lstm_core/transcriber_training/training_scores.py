"""The scores that a transcriber is trained on, and those that are held out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from lstm_core.foundation.errors import ScoreError, TrainingError
from lstm_core.notes.midi import read_midi
from lstm_core.notes.reading import IsolatedReader
from lstm_core.notes.score import Score
from lstm_core.transcriber_training.held_out import is_held_out

SPLITS = ("train", "valid", "test")
FEWEST_NOTES = 16  # of a usable score
_MIDI_SUFFIXES = (".mid", ".midi")
_NO_SCORES = (".csv", ".adoc", ".md", ".txt", ".toml", ".json")  # files that lie beside scores


def split_of(name: str) -> str:
    """ "train", "valid" or "test" by the name of a score's file: a fifth is for tests, of the rest a twelfth validates.

    The name alone decides, so that no machine trains on a file that another uses for tests.
    """
    if is_held_out(name):
        return "test"
    return "valid" if int(hashlib.sha256(name.encode()).hexdigest(), 16) % 15 == 1 else "train"


def read_training_scores(folder: Path, split: str) -> dict[str, list[Score]]:
    """Scores of a split by style, the name of the folder that they lie in, in the order of their names.

    What cannot be read is left out.

    Raises:
        TrainingError: there is not one score in FOLDER/<style>/.
    """
    if split not in SPLITS:
        raise ValueError(f'split is "{split}", it must be one of {", ".join(SPLITS)}')
    paths = [path for path in sorted(folder.glob("*/*")) if path.is_file() and path.suffix.lower() not in _NO_SCORES]
    scores: dict[str, list[Score]] = {}
    for path, score in _read([path for path in paths if split_of(path.name) == split]):
        if len(score.notes) >= FEWEST_NOTES:
            scores.setdefault(path.parent.name, []).append(score)
    if not scores:
        raise TrainingError(
            f"{folder} holds no scores to {split} with among its {len(paths)} files. It needs a folder for each style "
            "with scores in it, as `python -m jobs.demo.bundled_scores` makes them."
        )
    return scores


def _read(paths: list[Path]) -> Iterator[tuple[Path, Score]]:
    """Each score that can be read. MIDI is read here, at once; other notation in a separate process."""
    with IsolatedReader() as reader:
        others = [path for path in paths if path.suffix.lower() not in _MIDI_SUFFIXES]
        answers = reader.read_many((path.read_bytes(), path.suffix) for path in others)
        for path in paths:
            if path.suffix.lower() not in _MIDI_SUFFIXES:
                answer = next(answers)
                yield from () if isinstance(answer, ScoreError) else ((path, score) for score in answer)
                continue
            try:
                yield path, read_midi(path.read_bytes())
            except ScoreError:
                continue
