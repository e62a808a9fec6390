"""How much of generated music stands in a corpus, note for note?

    python -m benchmarks.originality TRACKS [--corpus FOLDER...] [--index FILE] [--seconds 90]
    python -m benchmarks.originality --checkpoint NAME [--tracks 48] [--blocks BLOCKS | --index FILE]

Tracks are the score.mid (or any .mid) under TRACKS, or with --checkpoint the first takes of `generate NAME` (styles
game and film, 60 to 90 s, all else by default; notes only, no audio). The corpus is that of an index (FILE, as training
writes it), of the training pieces of BLOCKS (parts-1), of the indexes that the checkpoint NAME carries, or
the scores under each FOLDER, by default six of ../shared/corpora: of those one piece in ten is held out (by the
hash of its name) and is measured like the tracks, as the ceiling: what people write without copying, and what they
quote. Held-out pieces that are other versions of a piece of the corpus count too, so the ceiling is generous; pieces of
each folder against the others alone are measured as well. Everything is cut after the first --seconds.

    originality_shared         share of tracks with a run of 12 notes or more that stands in the corpus
    originality_shared_people  the same of held-out pieces
    originality_shared_across  the same of the held-out pieces of each folder against all other folders, mean
    originality_longest        the longest shared run: median, 90th percentile and greatest, of those that share one
    originality_nearest        similarity of the nearest piece (originality/sketches.py): median, 90th percentile
    originality_ms             processor time of both questions a track
    originality_index          bytes of the index
"""

from __future__ import annotations

import argparse
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.form import NUM_TRACKS, STYLES, made_by
from benchmarks.report import print_metric
from lstm_core.foundation.errors import ScoreError
from lstm_core.notes.reading import SUFFIXES, read_score
from lstm_core.notes.score import Score
from lstm_core.originality.index import OriginalityIndex, build_index, from_bytes

CORPORA = Path("../shared/corpora")
FOLDERS = ("freedoom", "blasphemer", "helland", "mutopia", "openscore-lieder", "openscore-quartets")
ONE_HELD_OUT_OF = 10
SECONDS = 90.0

Named = tuple[str, Score]


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What a set of scores shares with a corpus."""

    num_notes: list[int]  # of the longest shared run of each score; 0: none
    similarity: list[float]  # to the nearest piece
    ms: list[float]

    @property
    def share(self) -> float:
        """Of the scores that have a shared run."""
        return float(np.mean([value > 0 for value in self.num_notes])) if self.num_notes else float("nan")


def scores_in(folder: Path) -> Iterator[Named]:
    """All scores under a folder, by name; files that cannot be read are named."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES:
            try:
                scores = read_score(path.read_bytes(), path.suffix)
            except ScoreError as error:
                print(f"# left out: {path}: {error}", flush=True)
                continue
            yield from ((f"{folder.name}/{path.relative_to(folder)}", score) for score in scores)


def beginning(score: Score, seconds: float) -> Score:
    """The notes that begin within the first seconds."""
    onset_s = score.seconds(score.notes["onset"].astype(np.int64))
    return replace(score, notes=score.notes[onset_s < seconds])


def measured(scores: Sequence[Named], index: OriginalityIndex, seconds: float) -> Shared:
    """What the beginning of each score shares with the corpus of an index."""
    found = Shared(num_notes=[], similarity=[], ms=[])
    for _, whole in scores:
        score = beginning(whole, seconds)
        start = time.thread_time()
        found.num_notes.append(index.longest_shared_run(score).num_notes)
        found.similarity.append(index.nearest_piece(score)[1])
        found.ms.append(1000.0 * (time.thread_time() - start))
    return found


def print_shared(kind: str, shared: Shared, seconds: float) -> None:
    """Prints the figures of a set of scores; `kind` ends the names of metrics."""
    print_metric(f"originality_shared{kind}", shared.share, "share", pieces=len(shared.num_notes), seconds=seconds)
    copies = [value for value in shared.num_notes if value]
    if copies:
        print_metric(f"originality_longest{kind}", np.median(copies), "notes", most=max(copies),
                     percentile_90=float(np.percentile(copies, 90)), counts=_counted(copies))  # fmt: skip
    if shared.similarity:
        high = round(float(np.percentile(shared.similarity, 90)), 4)
        print_metric(f"originality_nearest{kind}", np.median(shared.similarity), "share", percentile_90=high)
        print_metric(f"originality_ms{kind}", np.median(shared.ms), "ms", most=round(max(shared.ms), 2))


def is_held_out(named: Named) -> bool:
    """Whether a piece is measured, and not in the corpus."""
    return zlib.crc32(named[0].encode()) % ONE_HELD_OUT_OF == 0


def indexes_of(options: argparse.Namespace) -> list[OriginalityIndex]:
    """The indexes that are named in the options, or that a checkpoint carries; empty: a corpus is to be read."""
    if options.index:
        return [from_bytes(options.index.read_bytes(), name=str(options.index))]
    if options.blocks:
        from lstm_core.blocks.feature_blocks import open_blocks
        from lstm_core.dataset.training_runs import index_of_training_pieces
        from lstm_core.representations.parts.parts import PARTS

        index = index_of_training_pieces(open_blocks(options.blocks, representation=PARTS))
        return [] if index is None else [index]
    if options.checkpoint:
        from lstm_core.composing.players import load_playable, load_training_runs

        found = load_training_runs(options.checkpoint, load_playable(options.checkpoint))
        if not found:
            raise SystemExit(f"{options.checkpoint} carries no index of its training pieces: give --blocks BLOCKS")
        return list(found)
    return []


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, metavar="TRACKS")
    parser.add_argument("--checkpoint", default="", help="measure first takes of this model")
    parser.add_argument("--tracks", type=int, default=NUM_TRACKS, help="how many")
    parser.add_argument("--blocks", default="", help="feature blocks whose training pieces are the corpus")
    parser.add_argument("--corpus", nargs="+", type=Path, default=[CORPORA / name for name in FOLDERS])
    parser.add_argument("--index", type=Path)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    options = parser.parse_args()
    indexes = indexes_of(options)
    tracks = [named for folder in options.folders for named in scores_in(folder)]
    if options.folders and not tracks:
        raise SystemExit(f"no score is under {', '.join(map(str, options.folders))}: give a catalogue's folder")
    if options.checkpoint:
        made = made_by(options.checkpoint, options.tracks, STYLES)
        tracks += [(f"take {number}", score) for number, score in enumerate(made)]
    for index in indexes:
        print_metric("originality_index", len(index.to_bytes()), "bytes", pieces=len(index.names))
        print_shared("", measured(tracks, index, options.seconds), options.seconds)
    if indexes:
        return
    sets = {folder.name: list(scores_in(folder)) for folder in options.corpus}
    known = [named for pieces in sets.values() for named in pieces if not is_held_out(named)]
    people = [named for pieces in sets.values() for named in pieces if is_held_out(named)]
    if not known or not people:
        raise SystemExit(f"{len(known)} pieces of a corpus and {len(people)} held out: give --corpus FOLDER with more")
    index = build_index(known)
    print_metric("originality_index", len(index.to_bytes()), "bytes", pieces=len(known), seeds=len(index.seeds),
                 false_positive_rate=index.false_positive_rate)  # fmt: skip
    if tracks:
        print_shared("", measured(tracks, index, options.seconds), options.seconds)
    print_shared("_people", measured(people, index, options.seconds), options.seconds)
    across = {}
    for name, pieces in sets.items():
        others = build_index(named for other in sets if other != name for named in sets[other])
        across[name] = round(measured([p for p in pieces if is_held_out(p)], others, options.seconds).share, 4)
    print_metric("originality_shared_across", np.nanmean(list(across.values())), "share", **across)


def _counted(values: list[int]) -> dict[str, int]:
    bounds = [12, 13, 16, 24, 48, 1_000_000]
    counts = np.histogram(values, bounds)[0].tolist()
    names = ["12", "13-15", "16-23", "24-47", "48+"]
    return dict(zip(names, counts, strict=True))


if __name__ == "__main__":
    main()
