"""How accurate the analysis of pieces is: python -m benchmarks.analysis [--corpora ../shared/corpora] [--songs 60]

analysis_chords            Nottingham's dance tunes: share of slots with the root and triad of the chord track
analysis_chords_melody     the same from the melody alone
analysis_form              tunes of the form AABB, eight bars each, whose sections and letters are found
analysis_melody_hidden     OpenScore Lieder, voice and piano made one part: F1 of the voice's notes, mean over songs
analysis_melody_parts      the same songs with separate parts
analysis_melody_quartet    OpenScore String Quartets: F1 of the first violin, which mostly has the melody, not always
analysis_time              milliseconds of a processor for 100 bars

Against plain rules of the same run: the best triad by sounding time, and the skyline (notes that nothing sounds above).
Melody is measured in the bars in which the voice sings: the melody of an interlude is not annotated. A
missing corpus is left out, with a line on standard error.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.report import print_metric
from lstm_core.analysis.chords import find_chords
from lstm_core.analysis.grid import Grid, make_grid, spread
from lstm_core.analysis.layers import Layers, find_layers
from lstm_core.analysis.melody import find_melody
from lstm_core.analysis.piece import analyse
from lstm_core.analysis.surroundings import ABOVE
from lstm_core.foundation.errors import ScoreError
from lstm_core.notes.chord_symbols import CHORD_STEPS, QUALITIES
from lstm_core.notes.reading import IsolatedReader, read_score
from lstm_core.notes.score import DRUMS, NoteArray, Score, bar_starts, tidy

TRIADS = (0, 1, 2, 3, 4, 5, 0, 0, 1, 2, 2, 11)  # index into QUALITIES of the triad within each quality
MIN_CHORDS = 8  # of a tune that is counted
EXCERPT_BARS, EXCERPTS = 40, 6  # of a quartet
SAMPLE_SEED = 1  # melody.py was trained on songs outside this sample, and on the first eight of its twelve quartets
QUARTETS, TAUGHT_QUARTETS = 12, 8

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


def chord_track(score: Score, grid: Grid) -> tuple[Ints, Ints]:
    """Root and quality of the chord of part 1 that sounds longest in each slot, -1 where none does: int64 [slots]."""
    root, quality = np.full(grid.num_slots, -1), np.full(grid.num_slots, -1)
    longest = np.zeros(grid.num_slots, dtype=np.int64)
    notes = score.notes[score.notes["part"] == 1]
    for onset in np.unique(notes["onset"]).tolist():
        chord = notes[notes["onset"] == onset]
        pitches = np.sort(chord["pitch"].astype(np.int64))
        steps = tuple(sorted(set(((pitches - pitches[0]) % 12).tolist())))
        if steps not in CHORD_STEPS:
            continue
        end = onset + int(chord["duration"].max())
        _, slots, shared = spread(np.array([onset]), np.array([end]), grid.slots)
        for slot, ticks in zip(slots.tolist(), shared.tolist(), strict=True):
            if ticks > longest[slot]:
                longest[slot], root[slot], quality[slot] = ticks, pitches[0] % 12, CHORD_STEPS.index(steps)
    return root, quality


def best_triads(notes: NoteArray, grid: Grid) -> tuple[Ints, Ints]:
    """Root and quality of the triad whose tones sound longest in each slot: int64 [slots] each."""
    templates = np.zeros((24, 12))
    for root in range(12):
        for quality in range(2):
            templates[2 * root + quality, [(root + step) % 12 for step in CHORD_STEPS[quality]]] = 1.0
    onset = notes["onset"].astype(np.int64)
    note, slot, shared = spread(onset, np.minimum(onset + notes["duration"], grid.slots[-1]), grid.slots)
    profile = np.bincount(slot * 12 + notes["pitch"][note] % 12, weights=shared, minlength=grid.num_slots * 12)
    best = (profile.reshape(-1, 12) @ templates.T).argmax(axis=1)
    return best // 2, best % 2


def report_chords(tunes: list[Score]) -> None:
    """Chords of melody and chords together, then of the melody alone."""
    triads = np.array(TRIADS)
    for name, melody_alone in (("analysis_chords", False), ("analysis_chords_melody", True)):
        counts = np.zeros(5)
        for score in tunes:
            grid = make_grid(score)
            root, quality = chord_track(score, grid)
            known = root >= 0
            if known.sum() < MIN_CHORDS:
                continue
            notes = score.notes[score.notes["part"] == 0] if melody_alone else score.notes
            chords = find_chords(notes, grid)
            plain_root, plain_quality = best_triads(notes, grid)
            is_root = known & (chords.root == root)
            is_plain = known & (plain_root == root)
            counts += (
                known.sum(),
                is_root.sum(),
                (is_root & (triads[chords.quality] == triads[quality])).sum(),
                is_plain.sum(),
                (is_plain & (plain_quality == triads[quality])).sum(),
            )
        share = counts[1:] / counts[0]
        against = {"best_triad": share[2]}
        print_metric(f"{name}_root", share[0], "share", against=against, slots=int(counts[0]), qualities=len(QUALITIES))
        print_metric(f"{name}_triad", share[1], "share", against={"best_triad": share[3]})


def aabb_pickup(score: Score) -> int | None:
    """Bars of pickup of a tune whose melody is AABB, eight bars each; None for any other.

    Six of eight bars agree between the A's and between the B's, at most four between A and B, and A is not twice four.
    """
    grid = make_grid(score)
    notes = score.notes[score.notes["part"] == 0]
    if len(notes) < MIN_CHORDS or len({meter.bar_ticks for meter in score.meters}) > 1:
        return None
    onset = notes["onset"].astype(np.int64)
    bar = grid.bar_of(onset)
    contents = [
        frozenset(zip((onset[bar == b] - grid.barlines[b]).tolist(), notes["pitch"][bar == b].tolist(), strict=True))
        for b in range(grid.num_bars)
    ]
    pickup = int(onset.min() >= grid.barlines[1] / 2)
    if not 32 <= grid.num_bars - pickup <= 33:
        return None

    def agree(first: int, second: int) -> float:
        return sum(contents[pickup + first + i] == contents[pickup + second + i] for i in range(8)) / 8

    is_aabb = agree(0, 8) >= 0.7 and agree(16, 24) >= 0.7 and agree(0, 16) <= 0.5 and agree(0, 4) < 0.9
    return pickup if is_aabb else None


def report_form(tunes: list[Score]) -> None:
    """Share of AABB tunes with correct cuts and letters; beside it the share with correct cuts."""
    found, cut, total = 0, 0, 0
    for score in tunes:
        pickup = aabb_pickup(score)
        if pickup is None:
            continue
        sections = analyse(score).sections
        starts = [section.start_bar for section in sections[:4]]
        is_cut = starts == [0, 8 + pickup, 16 + pickup, 24 + pickup] and len(sections) <= 5
        total, cut = total + 1, cut + is_cut
        found += is_cut and [section.letter for section in sections[:4]] == [0, 0, 1, 1]
    print_metric("analysis_form", found / max(total, 1), "share", tunes=total, cut_right=round(cut / max(total, 1), 4))


def f1(chosen: Bools, truth: Bools) -> float:
    return 2.0 * int((chosen & truth).sum()) / max(int(chosen.sum() + truth.sum()), 1)


def skyline(layers: Layers) -> Bools:
    """Notes that nothing sounds above as they begin: bool [pitched]."""
    return layers.around[:, ABOVE] == 0


def melody_f1(score: Score, truth: Bools) -> tuple[float, float]:
    """F1 of the melody found and of the skyline, in the bars that hold notes of the true one."""
    layers = find_layers(score.notes, make_grid(score))
    truth = truth[layers.is_pitched]
    sings = np.isin(layers.bar, layers.bar[truth])
    chosen = find_melody(score.notes, layers)
    return f1(chosen & sings, truth), f1(skyline(layers) & sings, truth)


def hidden(score: Score) -> tuple[Score, Bools]:
    """The score as one part of one program and loudness, and which of its notes are those of part 0."""
    notes = score.notes.copy()
    voice = notes[notes["part"] == 0]
    others = notes["program"][notes["part"] > 0]
    notes["program"], notes["part"], notes["velocity"] = np.bincount(others).argmax(), 0, 90
    notes = tidy(notes)
    names = [rows["onset"].astype(np.int64) * 128 + rows["pitch"] for rows in (notes, voice)]
    return replace(score, notes=notes), np.isin(names[0], names[1])


def first_bars(score: Score, first: int, count: int) -> Score:
    """So many bars from bar `first` on, in the meter that holds there."""
    barlines = bar_starts(score.meters, score.end_tick)
    start, stop = int(barlines[first]), int(barlines[min(first + count, len(barlines) - 1)])
    notes = score.notes[(score.notes["onset"] >= start) & (score.notes["onset"] < stop)].copy()
    notes["duration"] = np.minimum(notes["duration"], stop - notes["onset"])
    notes["onset"] -= start
    before = [meter for meter in score.meters if meter.tick <= start][-1]
    inside = [meter for meter in score.meters if start < meter.tick < stop]
    meters = (replace(before, tick=0), *(replace(meter, tick=meter.tick - start) for meter in inside))
    return replace(score, notes=notes, meters=meters)


def report_songs(songs: list[Score]) -> None:
    """The voice merged with the piano, and in a separate part."""
    songs = [score for score in songs if len(np.unique(score.notes["part"])) > 1]
    alone = [score for score in songs if len(np.unique(score.notes["program"][score.notes["part"] > 0])) == 1]
    rows = np.array([melody_f1(*hidden(score)) for score in alone])
    print_metric(
        "analysis_melody_hidden", rows[:, 0].mean(), "F1", against={"skyline": rows[:, 1].mean()}, songs=len(rows)
    )
    rows = np.array([melody_f1(score, score.notes["part"] == 0) for score in songs])
    print_metric(
        "analysis_melody_parts", rows[:, 0].mean(), "F1", against={"skyline": rows[:, 1].mean()}, songs=len(rows)
    )


def report_quartets(quartets: list[Score]) -> None:
    """The first violin in stretches of quartets."""
    rows = []
    for number, score in enumerate(quartets):
        bars = len(bar_starts(score.meters, score.end_tick)) - 1
        starts = range(0, bars - EXCERPT_BARS, EXCERPT_BARS)
        for first in random.Random(number).sample(starts, min(EXCERPTS, len(starts))):
            excerpt = first_bars(score, first, EXCERPT_BARS)
            rows.append(melody_f1(excerpt, excerpt.notes["part"] == 0))
    table = np.array(rows)
    against = {"skyline": table[:, 1].mean()}
    print_metric("analysis_melody_quartet", table[:, 0].mean(), "F1", against=against, excerpts=len(rows))


def report_time(scores: list[Score]) -> None:
    """Milliseconds of a processor for 100 bars: the median over scores, each the better of two runs."""
    rows = []
    for score in scores:
        seconds = []
        for _ in range(2):
            start = time.process_time()
            analysis = analyse(score)
            seconds.append(time.process_time() - start)
        rows.append(min(seconds) * 1e5 / (len(analysis.barlines) - 1))
    drums = sum(bool((score.notes["program"] == DRUMS).any()) for score in scores)
    print_metric("analysis_time", statistics.median(rows), "ms", pieces=len(rows), with_drums=drums)


def read_folder(folder: Path, pattern: str, sample: int | None = None) -> Iterator[Score]:
    """Scores of a folder's files that can be read, of a sample of them where that is requested."""
    paths = sorted(folder.glob(pattern))
    if not paths:
        print(f"{folder} holds no {pattern}, so its figures are left out", file=sys.stderr)
    if sample is not None and len(paths) > sample:
        paths = sorted(random.Random(SAMPLE_SEED).sample(paths, sample))
    if pattern == "*.mid":
        for path in paths:
            yield from read_score(path.read_bytes(), path.suffix)
        return
    with IsolatedReader(timeout_s=120.0) as reader:
        for scores in reader.read_many((path.read_bytes(), path.suffix) for path in paths):
            if not isinstance(scores, ScoreError):
                yield from scores


def main(arguments: list[str] | None = None) -> None:
    """Prints the figures of each corpus that exists."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.analysis", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--corpora", type=Path, default=Path("../shared/corpora"))
    parser.add_argument("--songs", type=int, default=60)
    options = parser.parse_args(arguments)
    if tunes := list(read_folder(options.corpora / "nottingham", "*.mid")):
        report_chords(tunes)
        report_form(tunes)
    if songs := list(read_folder(options.corpora / "openscore-lieder", "*.mxl", options.songs)):
        report_songs(songs)
    if quartets := list(read_folder(options.corpora / "openscore-quartets", "*.mxl", QUARTETS)):
        report_quartets(quartets[TAUGHT_QUARTETS:])
    if games := list(read_folder(options.corpora / "freedoom", "*.mid")):
        report_time(games)


if __name__ == "__main__":
    main()
