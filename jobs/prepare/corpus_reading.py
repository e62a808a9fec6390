"""The first stage of `tonemill prepare` on Ray: files become parts, scores are read, recordings transcribed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.prepare.recipe import PrepareRecipe
from jobs.runtime.effort import Effort, EffortMeter, effort_of_row
from jobs.runtime.local_ray import num_cpus_of_cluster
from jobs.runtime.progress import Progress
from jobs.runtime.work_log import count, log_unit
from lstm_core.blocks.corpus import file_hash, texts
from lstm_core.blocks.parts import PartSummary, ReadLimits, make_part
from lstm_core.notes.reading import MIDI_SUFFIXES, IsolatedReader
from lstm_core.representations.representation import Representation
from lstm_core.representations.table import representation_named

if TYPE_CHECKING:
    from ray.data import Dataset

    from lstm_core.transcription.transcriber_checkpoint import TranscriberCheckpoint

PART_COST = 512  # MIDI files of a part, about two seconds of work
NOTATION_COST = 100  # a score in notation takes as long as so many MIDI files
RECORDING_PART_BYTES = 32_000_000  # of a part, about half an hour of MP3
RECORDING_COST = 200_000  # of a recording besides its bytes
_OF_A_FILE = ("path", "size_bytes", "etag", "file_key")  # what a part is made from
PARTS_A_WORKER = 4  # at least, so that workers end together


def read_scores(
    corpus_uri: str, files: pa.Table, parts_uri: str, recipe: PrepareRecipe, num_workers: int | None
) -> Effort:
    """Reads and encodes the scores in some rows of a manifest, commits each part; returns the effort."""
    import ray.data
    from ray.data import TaskPoolStrategy

    limits, representations = recipe.limits, _representations(recipe)

    def read(files_of_part: pa.Table) -> pa.Table:
        meter = EffortMeter()
        summary = make_part(
            corpus_uri, files_of_part, parts_uri, reader_of_worker(limits), limits, representations=representations
        )
        return _reported(summary, "read", parts_uri, meter.spent())

    num_workers = num_workers or num_cpus_of_cluster()
    dataset = ray.data.from_arrow(cut_parts(files, num_workers)).map_batches(
        read, batch_size=None, batch_format="pyarrow", compute=TaskPoolStrategy(size=num_workers), num_cpus=1
    )
    return _followed("Reading scores", dataset, len(files))


def transcribe_recordings(
    corpus_uri: str, files: pa.Table, parts_uri: str, recipe: PrepareRecipe, num_workers: int | None
) -> Effort:
    """Transcribes the recordings in some rows of a manifest, by actors that hold the network, and commits each part;
    returns the effort.
    """
    import ray.data
    from ray.data import ActorPoolStrategy

    from lstm_core.transcription.transcriber_checkpoint import load_transcriber

    tables = cut_recording_parts(files, num_workers := num_workers or num_cpus_of_cluster())
    dataset = ray.data.from_arrow(tables).map_batches(
        TranscriberActor,
        fn_constructor_args=(corpus_uri, parts_uri, recipe, load_transcriber(recipe.transcriber)),
        batch_size=None,
        batch_format="pyarrow",
        compute=ActorPoolStrategy(size=min(num_workers, len(tables))),
        num_cpus=1,
        num_gpus=1 if recipe.device == "cuda" else 0,
    )
    return _followed("Transcribing recordings", dataset, len(files))


def _followed(label: str, dataset: Dataset, num_files: int) -> Effort:
    """What the workers that make parts took, when all are made; a bar shows how far they are."""
    num_rejects, effort = 0, Effort()
    with Progress(label, num_files, "files") as progress:
        for row in rows_of(dataset):
            num_rejects += row["num_rejects"]
            effort += effort_of_row(row)
            progress.advance(row["num_files"], f"{num_rejects} rejected" if num_rejects else "")
    return effort


class TranscriberActor:
    """A transcriber that stays loaded: parts of the manifest in, each committed when its recordings are transcribed.

    The network comes from the driver, which has named the parts by it: a path of its machine may be another's here.
    Its first part is reported with what it took to get ready, and as a retry where it replaces an actor that died.
    """

    def __init__(
        self, corpus_uri: str, parts_uri: str, recipe: PrepareRecipe, checkpoint: TranscriberCheckpoint
    ) -> None:
        self.meter = EffortMeter()
        import ray
        import torch

        from lstm_core.transcription.recording_transcriber import RecordingTranscriber
        from lstm_core.transcription.transcriber import Transcriber
        from lstm_core.transcription.warm_up import compile_transcription

        torch.set_num_threads(1)
        self.corpus_uri, self.parts_uri, self.representations = corpus_uri, parts_uri, _representations(recipe)
        transcriber = Transcriber(checkpoint, device=recipe.device)
        self.transcriber = RecordingTranscriber(transcriber, recipe.listen)
        compile_transcription(self.transcriber)
        self.restarts = int(bool(ray.get_runtime_context().was_current_actor_reconstructed))

    def __call__(self, files_of_part: pa.Table) -> pa.Table:
        from lstm_core.blocks.recording_parts import make_recording_part

        summary = make_recording_part(
            self.corpus_uri, files_of_part, self.parts_uri, self.transcriber, self.representations
        )
        effort = self.meter.spent() + Effort(retries=self.restarts)
        self.restarts = 0
        return _reported(summary, "hear", self.parts_uri, effort)


def _representations(recipe: PrepareRecipe) -> list[Representation]:
    return [representation_named(name) for name in recipe.representations]


def _reported(summary: PartSummary, kind: str, parts_uri: str, effort: Effort) -> pa.Table:
    """The report of a part as a row for the driver, after its metrics and its line of the work log."""
    run = parts_uri.rpartition("/parts")[0]
    stages = Counter(summary.reject_stages)
    count("tonemill_recordings_total", summary.num_pieces, run=run)
    count("tonemill_audio_seconds_total", summary.duration_s, run=run)
    for stage, number in stages.items():
        count("tonemill_rejects_total", number, run=run, reason=stage)
    facts = {"num_files": summary.num_files, "num_pieces": summary.num_pieces, "duration_s": summary.duration_s}
    log_unit(f"{kind}-part", run=run, rejects=stages, cpu_s=round(effort.cpu_s, 3), retries=effort.retries, **facts)
    report = {"num_files": summary.num_files, "num_rejects": summary.num_rejects, **asdict(effort)}
    return pa.Table.from_pylist([report])


@cache
def reader_of_worker(limits: ReadLimits) -> IsolatedReader:
    """The reader of this worker process, kept from one part to the next: to start its own process takes seconds."""
    return IsolatedReader(
        timeout_s=limits.timeout_s, midi_timeout_s=limits.midi_timeout_s, memory_bytes=limits.memory_bytes
    )


def cut_parts(files: pa.Table, num_workers: int) -> list[pa.Table]:
    """The rows of a manifest of scores in runs of about equal work."""
    is_midi = (path.lower().endswith(MIDI_SUFFIXES) for path in texts(files["path"]))
    costs = np.where(np.fromiter(is_midi, dtype=bool, count=len(files)), 1, NOTATION_COST)
    return _runs(files, costs, min(PART_COST, max(1, int(costs.sum()) // (num_workers * PARTS_A_WORKER))))


def cut_recording_parts(files: pa.Table, num_workers: int) -> list[pa.Table]:
    """The rows of a manifest of recordings in runs of about equal size: what a run that is killed has to do again."""
    costs = files["size_bytes"].to_numpy() + RECORDING_COST
    return _runs(files, costs, min(RECORDING_PART_BYTES, max(1, int(costs.sum()) // (num_workers * PARTS_A_WORKER))))


def _runs(files: pa.Table, costs: npt.NDArray[np.int64], wanted: int) -> list[pa.Table]:
    """Rows in runs of about `wanted` cost: in order of the hash of the path, so that a block, which is a range of such
    hashes, is put together from few parts.
    """
    hashes = (bytes.fromhex(file_hash(path)) for path in texts(files["path"]))
    order = np.argsort(np.fromiter(hashes, dtype="S12", count=len(files)), kind="stable")
    spent = np.cumsum(costs[order])
    named = files.select([name for name in _OF_A_FILE if name in files.column_names])
    runs, start, before = [], 0, 0
    while start < len(order):
        stop = min(int(np.searchsorted(spent, before + wanted)) + 1, len(order))
        runs.append(named.take(order[start:stop]).combine_chunks())
        start, before = stop, int(spent[stop - 1])
    return runs


def rows_of(dataset: Dataset) -> Iterator[dict[str, Any]]:
    """Rows of a dataset as soon as each of its blocks is there."""
    for batch in dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        yield from batch.to_pylist()
