"""How fast MusicXML is read, against music21 on the same files: python -m benchmarks.musicxml [FOLDER ...] [--files N]

Both readers take each file in turn in one process: from its bytes to the notes, in processor time. music21 is loaded
before, and its objects are kept from Python's collector, as jobs do. Of each folder N files are drawn by a seed; the
default is the folder of those that ship with music21. Printed besides: of how many files both give the same notes.

With --count no time is measured: every file of the folders is read, and counted by whether the reader covers it, leaves
it to music21, or refuses it, each with its reasons.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import random
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

from benchmarks.report import print_metric
from lstm_core.foundation.errors import ScoreError
from lstm_core.notes.musicxml.reader import read_musicxml
from lstm_core.notes.musicxml.tree import NotCoveredError
from lstm_core.notes.notation import musicxml_text, read_notation, read_with_music21

SUFFIXES = (".mxl", ".musicxml", ".xml")
NUM_FILES = 100  # of each folder
TARGET = 3.0  # times as fast as music21


def find_files(folder: Path) -> list[Path]:
    """All MusicXML below a folder, in order of their names."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def bundled() -> Path:
    """The folder of scores that ships with music21."""
    spec = importlib.util.find_spec("music21")
    if spec is None or spec.origin is None:
        raise SystemExit("needs music21: pip install 'tonemill[scores]'")
    return Path(spec.origin).parent / "corpus"


def compare(folder: Path, num_files: int) -> None:
    """Prints rates of both readers over files of a folder, and on how many they agree."""
    files = find_files(folder)
    files = random.Random(1).sample(files, min(num_files, len(files)))
    own_s = music21_s = 0.0
    outcomes: Counter[str] = Counter()
    for path in files:
        data = path.read_bytes()
        try:
            began = time.process_time()
            own = read_musicxml(musicxml_text(data))
            between = time.process_time()
            other = read_with_music21(musicxml_text(data))
            ended = time.process_time()
        except NotCoveredError:
            outcomes["left to music21"] += 1
            continue
        except Exception:  # music21 raises nearly every type there is
            outcomes["refused by one"] += 1
            continue
        own_s, music21_s = own_s + between - began, music21_s + ended - between
        outcomes["equal" if np.array_equal(own.notes, other.notes) else "different"] += 1
    read = outcomes["equal"] + outcomes["different"]
    print_metric(
        "musicxml_files_per_s",
        read / own_s,
        "files per second of processor time",
        against={"music21": read / music21_s},
        target_ratio=TARGET,
        folder=folder.name,
        files=len(files),
        **{name.replace(" ", "_"): count for name, count in sorted(outcomes.items())},
    )


def count(folder: Path) -> None:
    """Prints how many files of a folder are covered, left to music21 and refused."""
    outcomes: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    files = find_files(folder)
    for path in files:
        outcome = "covered"
        try:
            data = path.read_bytes()
            read_musicxml(musicxml_text(data))
        except NotCoveredError as error:
            outcome = "left to music21"
            reasons[f"left: {error}"] += 1
            try:
                read_notation(data, path.suffix)
            except ScoreError as refused:
                outcome = "refused by music21"
                reasons[f"refused: {refused}"] += 1
        except Exception as error:  # as in notation.py
            outcome = "refused"
            reasons[f"refused: {type(error).__name__}: {error}"] += 1
        outcomes[outcome] += 1
    share = outcomes["covered"] / max(len(files), 1)
    facts = {"folder": folder.name, "files": len(files), "outcomes": dict(outcomes), "reasons": dict(reasons)}
    print_metric("musicxml_covered", share, "share of the files", **facts)


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.musicxml")
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--files", type=int, default=NUM_FILES)
    parser.add_argument("--count", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    folders = options.folders or [bundled()]
    import music21.musicxml.xmlToM21  # noqa: F401

    gc.collect()
    gc.freeze()
    for folder in folders:
        if options.count:
            count(folder)
        else:
            compare(folder, options.files)


if __name__ == "__main__":
    main()
