"""`tonemill prepare CORPUS BLOCKS`: a corpus of scores and recordings becomes feature blocks.

    list     the driver lists the corpus once: a manifest of path, size, etag, style, licence
    read     Ray Data: scores that no part has dealt with are fetched, parsed, described, encoded -> parts
    listen   Ray Data: recordings likewise, streamed, decoded and transcribed by actors that hold the network -> parts
    plan     the driver finds duplicates, splits, and cuts blocks, from one small row a piece
    build    Ray Data: blocks that do not exist under their name are put together from parts
    index    rejects, manifest, recipe and report are written, then the index over the blocks

All of it is named by content, so a run that was killed goes on by running again, and gives the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jobs.corpus_report import write_report
from jobs.local_ray import num_cpus_of_cluster, ray_running
from jobs.progress import Progress
from jobs.recipe import RECIPE_NAME, load_recipe, recipe_values, save_recipe
from lstm_core import storage
from lstm_core.blocks import BlockIndex, is_finished, json_bytes, read_index, write_index
from lstm_core.corpora.assembly import (
    Plan,
    PlannedBlock,
    SplitSettings,
    assemble_block,
    missing_files,
    plan_blocks,
    read_rows,
)
from lstm_core.corpora.corpus import Corpus, CorpusError, file_hash, list_corpus
from lstm_core.corpora.parts import PARTS_VERSION, ReadLimits, make_part
from lstm_core.decode.recording_limits import ListenLimits
from lstm_core.decode.recordings import SUFFIXES as RECORDING_SUFFIXES
from lstm_core.errors import TonemillError
from lstm_core.scores.reading import MIDI_SUFFIXES, IsolatedReader
from lstm_core.stores.lease import Lease
from lstm_core.streams import REPRESENTATION

if TYPE_CHECKING:
    from ray.data import Dataset

log = logging.getLogger(__name__)

REJECTS_NAME, MANIFEST_NAME, REPORT_NAME = "rejects.parquet", "manifest.parquet", "report.html"
PART_COST = 512  # MIDI files of a part, about two seconds of work
NOTATION_COST = 100  # a score in notation takes as long as so many MIDI files
RECORDING_PART_BYTES = 32_000_000  # of a part, about half an hour of MP3
RECORDING_COST = 200_000  # of a recording besides its bytes
BUILT_HERE_BYTES = 1_000_000  # blocks of so little are built by the driver: to start Ray would take longer
PARTS_A_WORKER = 4  # at least, so that workers end together


@dataclass(frozen=True, kw_only=True)
class PrepareRecipe:
    """Settings of `tonemill prepare`."""

    styles_csv: str = ""  # path,style[,licence]; empty: CORPUS/styles.csv where it exists
    block_bytes: int = 128_000_000  # of a block at most
    limits: ReadLimits = field(default_factory=ReadLimits)
    listen: ListenLimits = field(default_factory=ListenLimits)
    transcriber: str = "base"  # URI of the network that hears recordings
    device: str = "cpu"  # that it runs on, or "cuda"
    split: SplitSettings = field(default_factory=SplitSettings)

    def __post_init__(self) -> None:
        if self.block_bytes < 1_000:
            raise ValueError(f"block_bytes is {self.block_bytes}, it must be at least 1,000")
        if self.device not in ("cpu", "cuda"):
            raise ValueError(f'device is "{self.device}", it must be "cpu" or "cuda"')


@dataclass(frozen=True, kw_only=True)
class PrepareResult:
    index: BlockIndex
    num_files: int
    num_read: int  # files that this run had to read
    num_built: int  # blocks that this run had to build
    num_groups: int  # of near-duplicates, single pieces included
    rejects: dict[str, int]  # by stage
    warnings: tuple[str, ...]

    def lines(self) -> list[str]:
        """What a person wants to know of the run, one thing a line."""
        pieces, valid = sum(self.index.num_pieces.values()), self.index.num_pieces["valid"]
        rejected = ", ".join(f"{count} {stage}" for stage, count in self.rejects.items()) or "none"
        return [
            f"{pieces:,} pieces of {self.num_files:,} files, {self.index.duration_s / 3600:.1f} hours, "
            f"{len(self.index.styles)} styles; {valid:,} pieces for validation",
            f"read {self.num_read:,} files, built {self.num_built:,} of {len(self.index.blocks):,} blocks",
            f"rejected: {rejected}",
            *(f"note: {warning}" for warning in self.warnings),
        ]


def run_prepare(
    corpus_uri: str,
    blocks_uri: str,
    recipe: PrepareRecipe | None = None,
    *,
    num_workers: int | None = None,
    retry: bool = False,
    verbose: bool = False,
) -> PrepareResult:
    """Brings a set of feature blocks up to date with a corpus, and says what was done.

    Raises:
        CorpusError: there is nothing to make blocks of.
        StorageError: a place cannot be read or written.
        LeaseError: another run writes to the same blocks.
    """
    recipe = recipe or PrepareRecipe()
    corpus_uri, blocks_uri = storage.absolute(corpus_uri), storage.absolute(blocks_uri)
    corpus = _with_hearing(list_corpus(corpus_uri, styles_csv=recipe.styles_csv or None), recipe)
    with ExitStack() as stack:
        lease = stack.enter_context(Lease(blocks_uri))
        parts_uri = storage.join(blocks_uri, "parts", _parts_fingerprint(recipe.limits))
        warnings = _changes(recipe, blocks_uri)
        parts = read_rows(parts_uri)
        missing = missing_files(corpus.manifest, parts, retry=retry)
        ray_is_up = _once(lambda: stack.enter_context(ray_running(num_cpus=num_workers, verbose=verbose)))
        if len(missing):
            ray_is_up()
            scores, recordings = _by_kind(missing)
            if len(scores):
                _read_files(corpus.uri, scores, parts_uri, recipe.limits, num_workers)
            if len(recordings):
                _listen_to_files(corpus.uri, recordings, parts_uri, recipe, num_workers)
            parts = read_rows(parts_uri, parts)
        plan = plan_blocks(corpus, parts, parts_uri, recipe.split, block_bytes=recipe.block_bytes)
        if not plan.blocks:
            _write_table(plan.rejects, storage.join(blocks_uri, REJECTS_NAME))
            raise CorpusError(_nothing_message(corpus, plan, blocks_uri))
        absent = [block for block in plan.blocks if not is_finished(blocks_uri, block.name)]
        if sum(block.size_bytes for block in absent) > BUILT_HERE_BYTES:
            ray_is_up()
            _build_blocks(absent, parts_uri, blocks_uri)
        else:
            for block in absent:
                assemble_block(parts_uri, blocks_uri, block)
        lease.check()
        index = _finish(corpus, plan, recipe, blocks_uri)
        _remove_stale(plan, corpus, parts, parts_uri, blocks_uri)
    return PrepareResult(
        index=index,
        num_files=len(corpus.manifest),
        num_read=len(missing),
        num_built=len(absent),
        num_groups=plan.num_groups,
        rejects=dict(sorted(Counter(plan.rejects["stage"].to_pylist()).items())),
        warnings=(*warnings, *_warnings(corpus, plan)),
    )


def _read_files(corpus_uri: str, files: pa.Table, parts_uri: str, limits: ReadLimits, num_workers: int | None) -> None:
    import ray.data
    from ray.data import TaskPoolStrategy

    def read(files_of_part: pa.Table) -> pa.Table:
        summary = make_part(corpus_uri, files_of_part, parts_uri, reader_of_worker(limits), limits)
        return pa.Table.from_pylist([asdict(summary)])

    num_workers = num_workers or num_cpus_of_cluster()
    dataset = ray.data.from_arrow(cut_parts(files, num_workers)).map_batches(
        read, batch_size=None, batch_format="pyarrow", compute=TaskPoolStrategy(size=num_workers), num_cpus=1
    )
    num_rejects = 0
    with Progress("Reading scores", len(files), "files") as progress:
        for row in _rows_of(dataset):
            num_rejects += row["num_rejects"]
            progress.advance(row["num_files"], f"{num_rejects} rejected" if num_rejects else "")


def _listen_to_files(
    corpus_uri: str, files: pa.Table, parts_uri: str, recipe: PrepareRecipe, num_workers: int | None
) -> None:
    import ray.data
    from ray.data import ActorPoolStrategy

    tables = cut_recording_parts(files, num_workers := num_workers or num_cpus_of_cluster())
    dataset = ray.data.from_arrow(tables).map_batches(
        ListenerActor,
        fn_constructor_args=(corpus_uri, parts_uri, recipe),
        batch_size=None,
        batch_format="pyarrow",
        compute=ActorPoolStrategy(size=min(num_workers, len(tables))),
        num_cpus=1,
        num_gpus=1 if recipe.device == "cuda" else 0,
    )
    num_rejects = 0
    with Progress("Listening to recordings", len(files), "files") as progress:
        for row in _rows_of(dataset):
            num_rejects += row["num_rejects"]
            progress.advance(row["num_files"], f"{num_rejects} rejected" if num_rejects else "")


class ListenerActor:
    """A listener that stays: parts of the manifest in, each committed when its recordings have been heard."""

    def __init__(self, corpus_uri: str, parts_uri: str, recipe: PrepareRecipe) -> None:
        import torch

        from lstm_core.corpora.listening import Listener
        from lstm_core.corpora.listening_warm_up import compile_listening
        from lstm_core.hearing.transcriber_checkpoint import load_transcriber
        from lstm_core.transcriber import Transcriber

        torch.set_num_threads(1)
        self.corpus_uri, self.parts_uri = corpus_uri, parts_uri
        transcriber = Transcriber(load_transcriber(recipe.transcriber), device=recipe.device)
        self.listener = Listener(transcriber, recipe.listen)
        compile_listening(self.listener)

    def __call__(self, files_of_part: pa.Table) -> pa.Table:
        from lstm_core.corpora.recording_parts import make_recording_part

        summary = make_recording_part(self.corpus_uri, files_of_part, self.parts_uri, self.listener)
        return pa.Table.from_pylist([asdict(summary)])


@cache
def reader_of_worker(limits: ReadLimits) -> IsolatedReader:
    """The reader of this worker process, kept from one part to the next: to start its own process takes seconds."""
    return IsolatedReader(
        timeout_s=limits.timeout_s, midi_timeout_s=limits.midi_timeout_s, memory_bytes=limits.memory_bytes
    )


def cut_parts(files: pa.Table, num_workers: int) -> list[pa.Table]:
    """The rows of a manifest of scores in runs of about equal work."""
    costs = [1 if path.lower().endswith(MIDI_SUFFIXES) else NOTATION_COST for path in files["path"].to_pylist()]
    return _runs(files, costs, min(PART_COST, max(1, sum(costs) // (num_workers * PARTS_A_WORKER))))


def cut_recording_parts(files: pa.Table, num_workers: int) -> list[pa.Table]:
    """The rows of a manifest of recordings in runs of about equal size: what a run that is killed has to do again."""
    costs = [size + RECORDING_COST for size in files["size_bytes"].to_pylist()]
    return _runs(files, costs, min(RECORDING_PART_BYTES, max(1, sum(costs) // (num_workers * PARTS_A_WORKER))))


def _runs(files: pa.Table, costs: list[int], wanted: int) -> list[pa.Table]:
    """Rows in runs of about `wanted` cost: in order of the hash of the path, so that a block, which is a range of such
    hashes, is put together from few parts.
    """
    paths = files["path"].to_pylist()
    order = sorted(range(len(paths)), key=lambda row: file_hash(paths[row]))
    runs: list[list[int]] = [[]]
    cost = 0
    for row in order:
        if cost >= wanted:
            runs.append([])
            cost = 0
        runs[-1].append(row)
        cost += costs[row]
    return [files.take(run).combine_chunks() for run in runs if run]


def _build_blocks(planned: list[PlannedBlock], parts_uri: str, blocks_uri: str) -> None:
    import ray.data

    def build(rows: pa.Table) -> pa.Table:
        name = rows.schema.metadata[b"name"].decode()
        entry = assemble_block(parts_uri, blocks_uri, PlannedBlock(name=name, rows=rows))
        return pa.table({"size_bytes": [entry.size_bytes]})

    tables = [block.rows.replace_schema_metadata({"name": block.name}) for block in planned]
    dataset = ray.data.from_arrow(tables).map_batches(build, batch_size=None, batch_format="pyarrow", num_cpus=1)
    with Progress("Building blocks", len(planned), "blocks") as progress:
        for _ in _rows_of(dataset):
            progress.advance(1)


def _rows_of(dataset: Dataset) -> Iterator[dict[str, Any]]:
    """Rows of a dataset as soon as each of its blocks is there."""
    for batch in dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        yield from batch.to_pylist()


def _finish(corpus: Corpus, plan: Plan, recipe: PrepareRecipe, blocks_uri: str) -> BlockIndex:
    """Writes what stands beside the blocks, then the index."""
    _write_table(plan.rejects, storage.join(blocks_uri, REJECTS_NAME))
    _write_table(corpus.manifest, storage.join(blocks_uri, MANIFEST_NAME))
    save_recipe(recipe, blocks_uri)
    write_report(
        storage.join(blocks_uri, REPORT_NAME),
        plan,
        storage.name_of(corpus.uri),
        least_confidence=recipe.listen.least_confidence,
    )
    return write_index(blocks_uri, [block.name for block in plan.blocks], notices=corpus.notices)


def _remove_stale(plan: Plan, corpus: Corpus, parts: dict[str, pa.Table], parts_uri: str, blocks_uri: str) -> None:
    """Removes blocks that the index does not list, and parts of which no file is in the corpus any more."""
    current = {block.name for block in plan.blocks}
    for file in storage.list_files(storage.join(blocks_uri, "blocks")):
        if file.path.rpartition(".")[0] not in current:
            storage.remove(storage.join(blocks_uri, "blocks", file.path))
    keys = set(corpus.manifest["file_key"].to_pylist())
    alive = {name for name, rows in parts.items() if not keys.isdisjoint(rows["file_key"].to_pylist())}
    for file in storage.list_files(parts_uri):
        if file.path.partition(".")[0] not in alive:
            storage.remove(storage.join(parts_uri, file.path))


def _by_kind(files: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The rows of a manifest that are scores, and those that are recordings."""
    is_recording = pa.array(
        [path.lower().endswith(RECORDING_SUFFIXES) for path in files["path"].to_pylist()], pa.bool_()
    )
    return files.filter(pc.invert(is_recording)), files.filter(is_recording)


def _with_hearing(corpus: Corpus, recipe: PrepareRecipe) -> Corpus:
    """The corpus with the network and the limits of listening in the keys of its recordings: with others they are
    other files. Scores keep theirs.

    Raises:
        CheckpointError: there are recordings, and no network to hear them.
    """
    scores, recordings = _by_kind(corpus.manifest)
    if not len(recordings):
        return corpus
    from lstm_core.hearing.transcriber_checkpoint import load_transcriber

    told = json_bytes([load_transcriber(recipe.transcriber).fingerprint, asdict(recipe.listen)]).decode()
    keys = [hashlib.sha256(f"{key} {told}".encode()).hexdigest()[:32] for key in recordings["file_key"].to_pylist()]
    place = recordings.schema.get_field_index("file_key")
    recordings = recordings.set_column(place, "file_key", pa.array(keys))
    return replace(corpus, manifest=pa.concat_tables([scores, recordings]).sort_by("path").combine_chunks())


def _parts_fingerprint(limits: ReadLimits) -> str:
    """Name of the folder of parts: another version of the code or other limits have another one."""
    return hashlib.sha256(json_bytes([PARTS_VERSION, REPRESENTATION, asdict(limits)])).hexdigest()[:12]


def _changes(recipe: PrepareRecipe, blocks_uri: str) -> list[str]:
    """What differs from the recipe that the folder was made with."""
    try:
        before = recipe_values(load_recipe(PrepareRecipe, storage.join(blocks_uri, RECIPE_NAME)))
        read_index(blocks_uri)
    except TonemillError:
        return []
    after = recipe_values(recipe)
    changed = [
        f"{key}.{name}" if isinstance(value, dict) else key
        for key, value in after.items()
        for name in (value if isinstance(value, dict) else [key])
        if (before.get(key, {}).get(name) != value[name] if isinstance(value, dict) else before.get(key) != value)
    ]
    if not changed:
        return []
    again = " All scores were read again." if any(key.startswith("limits.") for key in changed) else ""
    if any(key.startswith(("listen.", "transcriber")) for key in changed):
        again += " All recordings were listened to again."
    return [f"The recipe differs from the one before in {', '.join(changed)}: this is a new set of blocks.{again}"]


def _warnings(corpus: Corpus, plan: Plan) -> list[str]:
    warnings = []
    if "valid" not in plan.pieces["split"].to_pylist():
        warnings.append("There is no valid split: all pieces are one group of near-duplicates, or valid_share is 0.")
    if corpus.denied:
        warnings.append(f"{len(corpus.denied)} places could not be listed (see the rejects), as {corpus.denied[0][0]}")
    return warnings


def _nothing_message(corpus: Corpus, plan: Plan, blocks_uri: str) -> str:
    reasons = Counter(plan.rejects["reason"].to_pylist()).most_common(1)
    return (
        f"None of the {len(corpus.manifest)} files of {corpus.uri} became a piece. Most often: {reasons[0][0]} "
        f"({reasons[0][1]} times). All reasons are in {storage.join(blocks_uri, REJECTS_NAME)}"
    )


def _write_table(table: pa.Table, uri: str) -> None:
    sink = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(None).combine_chunks(), sink, compression="zstd")
    storage.write_bytes(uri, sink.getvalue())


def _once(call: Callable[[], object]) -> Callable[[], None]:
    """A function that makes a call the first time and then nothing."""
    calls = [call]

    def run() -> None:
        if calls:
            calls.pop()()

    return run
