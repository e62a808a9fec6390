"""How fast `tonemill prepare` is, against a bare loop over the same functions: python -m benchmarks.prepare [FILES]

The loop runs in one process without Ray, isolation or storage of parts: read, describe, encode, shingles, signature.
Ray runs with one worker for each core that the loop had, which is one, so that both rates are per core; its start-up,
which does not grow with the corpus, is measured by a run of a few files and left out. The corpus is made from seeds.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.report import print_metric
from jobs.prepare.run import PrepareRecipe, run_prepare
from jobs.runtime.local_ray import ray_running
from lstm_core.blocks.corpus import list_corpus
from lstm_core.blocks.parts import fetch, part_tables
from lstm_core.foundation.errors import ScoreError
from lstm_core.notes.midi import write_midi
from lstm_core.notes.reading import read_score
from lstm_core.notes.score import Score, make_notes

NUM_FILES = 5_000
TARGET = 0.7  # share of the bare rate
NUM_WARM_UP = 64


class _BareReader:
    def read_many(self, files: Iterable[tuple[bytes, str]]) -> Iterator[list[Score] | ScoreError]:
        for data, suffix in files:
            yield read_score(data, suffix)


def make_corpus(folder: Path, first: int, count: int) -> None:
    """MIDI files of numbers first to first + count: four parts, some 800 notes each, as in songs."""
    for number in range(first, first + count):
        random = np.random.default_rng(number)
        rows = []
        for program, low, step in ((73, 60, 12), (0, 48, 24), (48, 52, 48), (33, 28, 24)):
            onsets = np.arange(0, 96 * 64, step)
            onsets = onsets[random.random(len(onsets)) < 0.8]
            pitches = low + np.cumsum(random.integers(-2, 3, len(onsets))) % 19
            velocities = random.integers(60, 110, len(onsets))
            rows.append(np.stack([onsets, onsets * 0 + step, onsets * 0 + program, pitches, velocities], axis=1))
        path = folder / f"{number % 20:02}" / f"{number:05}.mid"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(write_midi(Score(notes=make_notes(np.concatenate(rows)))))


def bare_rate(folder: Path) -> tuple[float, float]:
    """Files per second of the loop, and its processor seconds per file."""
    corpus = list_corpus(folder)
    start, used = time.perf_counter(), time.process_time()
    part_tables(fetch(corpus.uri, corpus.manifest, 10**9), _BareReader())
    count = len(corpus.manifest)
    return count / (time.perf_counter() - start), (time.process_time() - used) / count


def driver_mb() -> float:
    """Peak memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(num_files: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_corpus(folder / "small", num_files, NUM_WARM_UP)
        make_corpus(folder / "corpus", 0, num_files)
        bare_rate(folder / "small")
        bare, bare_cpu_s = bare_rate(folder / "corpus")
        with ray_running(num_cpus=1):
            run_prepare(str(folder / "small"), str(folder / "small blocks"), num_workers=1)
            before_mb = driver_mb()
            start = time.perf_counter()
            run_prepare(str(folder / "small"), str(folder / "small blocks again"), num_workers=1)
            fixed_s = time.perf_counter() - start
            start = time.perf_counter()
            result = run_prepare(str(folder / "corpus"), str(folder / "blocks"), PrepareRecipe(), num_workers=1)
            total_s = time.perf_counter() - start
        bare = (bare + bare_rate(folder / "corpus")[0]) / 2  # before and after, as other work comes and goes
        rate = (num_files - NUM_WARM_UP) / (total_s - fixed_s)
        again = time.perf_counter()
        run_prepare(str(folder / "corpus"), str(folder / "blocks"))
        again_s = time.perf_counter() - again
    assert sum(result.index.num_pieces.values()) + sum(result.rejects.values()) == num_files
    facts = {"num_files": num_files, "num_workers": 1}
    targets = {"target": TARGET}
    print_metric("prepare_vs_bare", rate / bare, "ratio", against=targets, bare_files_per_s=round(bare, 1), **facts)
    print_metric("prepare_files_per_s", rate, "files/s", against={"bare": bare}, whole_run_s=round(total_s, 1), **facts)
    print_metric("prepare_fixed_s", fixed_s, "s", **facts)
    print_metric("prepare_bare_cpu_ms", bare_cpu_s * 1e3, "ms/file", **facts)
    print_metric("prepare_driver_growth", driver_mb() - before_mb, "MB", **facts)
    print_metric("prepare_again_s", again_s, "s", **facts)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else NUM_FILES)
