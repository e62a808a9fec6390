"""Can a classifier distinguish our music from people's by its form, texture and harmony?

    python -m benchmarks.form [CATALOGUE...] [--checkpoint NAME] [--people FOLDER...]

Ours are the score.mid of the given catalogues; without one, 48 tracks of `generate NAME` (base) are made (styles game
and film, 60 to 90 s, all else by default; notes only, no audio). People's are the MIDI files of each FOLDER, by default
three of ../shared/corpora. All are measured over their first 32 bars (form_measures.py).

    form_auc         area under the ROC curve of a random forest that separates ours from people's, on pieces it was not
                     fitted to (5-fold cross-validation, three divisions); 0.5: it cannot
    form_auc_people  the same between each folder of people's and all others, mean: the usual difference of two sources
    form_inside      share of our values within people's 5th to 95th percentile
    form_*           the median of each measure, ours against people's
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from benchmarks.form_measures import MEASURES, form_measures
from benchmarks.report import print_metric
from lstm_core.notes.midi import read_midi
from lstm_core.notes.score import Score

CORPORA = Path("../shared/corpora")
PEOPLE = ("freedoom", "blasphemer", "helland")
STYLES = ("game", "film")
NUM_TRACKS = 48
SHORTEST_S, LONGEST_S = 60.0, 90.0
NUM_DIVISIONS = 3

Table = npt.NDArray[np.float64]  # [pieces, measures]


def made_by(name: str, num_tracks: int, styles: Sequence[str]) -> list[Score]:
    """The notes of tracks as `generate NAME` makes them at the first attempt; "" is no style."""
    from lstm_core.composing.players import load_playable, open_player
    from lstm_core.orders.admission import admit
    from lstm_core.orders.order import TrackOrder

    checkpoint = load_playable(name)
    known = [style for style in styles if not style or style in checkpoint.facts.styles]
    tracks = [
        admit(
            TrackOrder(
                style=known[i % len(known)],
                duration_s=SHORTEST_S + (LONGEST_S - SHORTEST_S) * (i % 4) / 3,
                loop=i % 2 == 0,
                seed=1000 + i,
            )
        )
        for i in range(num_tracks)
    ]
    takes = open_player(checkpoint).play([(track, 0) for track in tracks])
    return [take.score(tracks[take.number].plan) for take in takes]


def measured(scores: Sequence[Score]) -> Table:
    """Measures of the scores that are long enough: float64 [pieces, measures]."""
    rows = []
    for score in scores:
        try:
            rows.append(astuple(form_measures(score)))
        except ValueError as error:
            print(f"# left out: {error}", flush=True)
    return np.array(rows, dtype=np.float64).reshape(-1, len(MEASURES))


def midi_files(folder: Path) -> list[Score]:
    """The scores of all MIDI files under a folder."""
    return [read_midi(path.read_bytes()) for path in sorted(folder.rglob("*.mid"))]


def auc(left: Table, right: Table) -> float:
    """Area under the ROC curve of a forest that separates two sets, cross-validated: 0.5 to 1."""
    values = np.concatenate([left, right])
    labels = np.repeat([0, 1], [len(left), len(right)])
    areas = []
    for division in range(NUM_DIVISIONS):
        forest = RandomForestClassifier(300, min_samples_leaf=2, class_weight="balanced", random_state=division)
        folds = StratifiedKFold(5, shuffle=True, random_state=division)
        chance = cross_val_predict(forest, values, labels, cv=folds, method="predict_proba")[:, 1]
        wins = chance[labels == 1][:, None] - chance[labels == 0][None, :]
        areas.append(float(((wins > 0) + 0.5 * (wins == 0)).mean()))
    return float(np.mean(areas))


def inside(ours: Table, people: Table) -> float:
    """Share of our values within people's 5th to 95th percentile."""
    low, high = np.percentile(people, [5, 95], axis=0)
    return float(((ours >= low) & (ours <= high)).mean())


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("catalogues", nargs="*", type=Path)
    parser.add_argument("--people", nargs="+", type=Path, default=[CORPORA / name for name in PEOPLE])
    parser.add_argument("--styles", nargs="+", default=list(STYLES))
    parser.add_argument("--checkpoint", default="base")
    parser.add_argument("--tracks", type=int, default=NUM_TRACKS)
    options = parser.parse_args()
    sets = {folder.name: measured(midi_files(folder)) for folder in options.people}
    people = np.concatenate(list(sets.values()))
    if len(people) < 10:
        raise SystemExit(
            f"{len(people)} pieces of people in {', '.join(map(str, options.people))}: give --people FOLDER"
        )
    scores = [score for folder in options.catalogues for score in midi_files(folder)]
    ours = measured(scores or made_by(options.checkpoint, options.tracks, options.styles))
    facts = {"ours": len(ours), "people": len(people)}
    print_metric("form_auc", auc(ours, people), "area", **facts)
    print_metric("form_inside", inside(ours, people), "share", **facts)
    others = [np.concatenate([sets[other] for other in sets if other != name]) for name in sets]
    if len(sets) > 1:
        between = [auc(one, rest) for one, rest in zip(sets.values(), others, strict=True)]
        print_metric("form_auc_people", np.mean(between), "area", **dict(zip(sets, np.round(between, 3), strict=True)))
    for i, name in enumerate(MEASURES):
        quartiles = [round(float(value), 3) for value in np.percentile(people[:, i], [25, 75])]
        print_metric(f"form_{name}", float(np.median(ours[:, i])), "median", people=float(np.median(people[:, i])),
                     people_quartiles=quartiles)  # fmt: skip


if __name__ == "__main__":
    main()
