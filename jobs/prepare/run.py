"""`tonemill prepare CORPUS BLOCKS`: a corpus of scores and recordings becomes feature blocks.

    list        the driver lists the corpus once: a manifest of path, size, etag, style, licence
    read        Ray Data: scores that no part has dealt with are fetched, parsed, described, encoded -> parts
    transcribe  Ray Data: recordings likewise, decoded and transcribed by actors that hold the network -> parts
    plan        the driver finds duplicates, splits, and cuts blocks, from one small row per piece
    build       Ray Data: blocks that do not exist under their name are put together from parts
    index       rejects, manifest, recipe and report are written, then the index over the blocks
    sum up      what the run did and cost, if it had work for Ray (run_summary.py)

All of it but the last is named by content, so a run that was killed goes on by running again, and gives the same bytes.
"""

from __future__ import annotations

import io
import logging
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jobs.prepare.corpus_reading import read_scores, rows_of, transcribe_recordings
from jobs.prepare.recipe import PrepareRecipe, by_kind, changes, parts_fingerprint, with_transcription
from jobs.prepare.report import write_report
from jobs.runtime.effort import Effort, EffortMeter, effort_of_row
from jobs.runtime.local_ray import ray_running
from jobs.runtime.progress import Progress
from jobs.runtime.recipe import save_recipe
from jobs.runtime.summary import (
    RunSummary,
    nodes_of_ray,
    prices_of_environment,
    summarise,
    summary_lines,
    write_summary,
)
from lstm_core import storage
from lstm_core.blocks.assembly import Plan, PlannedBlock, assemble_block, plan_blocks
from lstm_core.blocks.corpus import Corpus, CorpusError, list_corpus
from lstm_core.blocks.feature_blocks import BlockIndex, is_finished, write_index
from lstm_core.blocks.part_rows import PartRows, keys_of, manifest_keys, missing_files, places_in, read_rows
from lstm_core.storage.lease import Lease

log = logging.getLogger(__name__)

REJECTS_NAME, MANIFEST_NAME, REPORT_NAME = "rejects.parquet", "manifest.parquet", "report.html"
BUILT_HERE_BYTES = 1_000_000  # blocks of so little are built by the driver: to start Ray would take longer


@dataclass(frozen=True, kw_only=True)
class PrepareResult:
    index: BlockIndex
    num_files: int
    num_read: int  # files that this run had to read
    num_built: int  # blocks that this run had to build
    num_groups: int  # of near-duplicates, single pieces included
    rejects: dict[str, int]  # by stage
    warnings: tuple[str, ...]
    summary: RunSummary | None = None  # what the run did and cost; None where it had no work for Ray
    summary_uri: str = ""  # the same as a page

    def lines(self) -> list[str]:
        """What a person wants to know of the run, one thing per line."""
        rejected = ", ".join(f"{count} {stage}" for stage, count in self.rejects.items()) or "none"
        return [
            f"{self.index.duration_s / 3600:.1f} hours, {len(self.index.styles)} styles; "
            f"{self.index.num_pieces['valid']:,} pieces for validation",
            f"read {self.num_read:,} files, built {self.num_built:,} of {len(self.index.blocks):,} blocks",
            f"rejected: {rejected}",
            *(f"note: {warning}" for warning in self.warnings),
            *summary_lines(self.summary),
            *([f"the run itself: {self.summary_uri}"] if self.summary else []),
        ]

    def last_line(self) -> str:
        """How many files became pieces and how many did not."""
        pieces, copies = sum(self.index.num_pieces.values()), self.rejects.get("duplicate", 0)
        note = f", {copies:,} duplicates" if copies else ""
        return f"{pieces:,} pieces in blocks, {self.num_refused:,} rejects{note}, of {self.num_files:,} files"

    @property
    def num_refused(self) -> int:
        """Rejects for another reason than being there twice."""
        return sum(count for stage, count in self.rejects.items() if stage != "duplicate")


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
        PriceError: there is a table of prices, and it is none.
    """
    start, meter = time.perf_counter(), EffortMeter(time.process_time)
    prices_of_environment()  # which are wanted at the end, are refused before any work
    recipe = recipe or PrepareRecipe()
    corpus_uri, blocks_uri = storage.absolute(corpus_uri), storage.absolute(blocks_uri)
    corpus = with_transcription(list_corpus(corpus_uri, styles_csv=recipe.styles_csv or None), recipe)
    with ExitStack() as stack:
        lease = stack.enter_context(Lease(blocks_uri))
        parts_uri = storage.join(blocks_uri, "parts", parts_fingerprint(recipe))
        warnings = changes(recipe, blocks_uri)
        parts = read_rows(parts_uri)
        missing = missing_files(corpus.manifest, parts, retry=retry)
        ray_is_up = _once(lambda: stack.enter_context(ray_running(num_cpus=num_workers, verbose=verbose)))
        efforts: dict[str, Effort] = {}  # of the workers
        if len(missing):
            ray_is_up()
            efforts |= _read(corpus.uri, missing, parts_uri, recipe, num_workers)
            parts = read_rows(parts_uri, parts)
        plan = _planned(corpus, parts, parts_uri, blocks_uri, recipe)
        num_built = _build_absent(plan, parts_uri, blocks_uri, ray_is_up, efforts)
        lease.check()
        index = _finish(corpus, plan, recipe, blocks_uri)
        _remove_stale(plan, corpus, parts, parts_uri, blocks_uri)
        result = PrepareResult(
            index=index,
            num_files=len(corpus.manifest),
            num_read=len(missing),
            num_built=num_built,
            num_groups=plan.num_groups,
            rejects=dict(sorted(Counter(plan.rejects["stage"].to_pylist()).items())),
            warnings=(*warnings, *_warnings(corpus, plan)),
        )
        if not efforts:
            return result
        efforts["driver"] = meter.spent()
        return _summed_up(result, blocks_uri, efforts, _units(missing, plan, num_built), time.perf_counter() - start)


def _planned(corpus: Corpus, parts: PartRows, parts_uri: str, blocks_uri: str, recipe: PrepareRecipe) -> Plan:
    """The plan of the blocks.

    Raises:
        CorpusError: there is nothing to make blocks of; the rejects are written then.
    """
    plan = plan_blocks(
        corpus,
        parts,
        parts_uri,
        recipe.split,
        block_bytes=recipe.block_bytes,
        representations=recipe.representations,
    )
    if not plan.blocks:
        _write_table(plan.rejects, storage.join(blocks_uri, REJECTS_NAME))
        raise CorpusError(_nothing_message(corpus, plan, blocks_uri))
    return plan


def _build_absent(
    plan: Plan, parts_uri: str, blocks_uri: str, ray_is_up: Callable[[], object], efforts: dict[str, Effort]
) -> int:
    """Builds the planned blocks that are not stored yet, here or in Ray by their size, and returns their number."""
    absent = [block for block in plan.blocks if not is_finished(blocks_uri, block.name)]
    if sum(block.size_bytes for block in absent) > BUILT_HERE_BYTES:
        ray_is_up()
        efforts["build"] = _build_blocks(absent, parts_uri, blocks_uri)
    else:
        for block in absent:
            assemble_block(parts_uri, blocks_uri, block)
    return len(absent)


def _read(
    corpus_uri: str, missing: pa.Table, parts_uri: str, recipe: PrepareRecipe, num_workers: int | None
) -> dict[str, Effort]:
    """What it took the workers to make parts of some rows of a manifest."""
    scores, recordings = by_kind(missing)
    efforts: dict[str, Effort] = {}
    if len(scores):
        efforts["read"] = read_scores(corpus_uri, scores, parts_uri, recipe, num_workers)
    if len(recordings):
        efforts["hear"] = transcribe_recordings(corpus_uri, recordings, parts_uri, recipe, num_workers)
    return efforts


def _build_blocks(planned: list[PlannedBlock], parts_uri: str, blocks_uri: str) -> Effort:
    import ray.data

    def build(rows: pa.Table) -> pa.Table:
        meter = EffortMeter()
        assemble_block(parts_uri, blocks_uri, PlannedBlock.from_plain_rows(rows))
        return pa.Table.from_pylist([asdict(meter.spent())])

    tables = [block.plain_rows() for block in planned]
    dataset = ray.data.from_arrow(tables).map_batches(build, batch_size=None, batch_format="pyarrow", num_cpus=1)
    effort = Effort()
    with Progress("Building blocks", len(planned), "blocks") as progress:
        for row in rows_of(dataset):
            effort += effort_of_row(row)
            progress.advance(1)
    return effort


def _summed_up(
    result: PrepareResult, blocks_uri: str, efforts: dict[str, Effort], units: dict[str, float], wall_s: float
) -> PrepareResult:
    """The result with the summary of the run, which is stored beside the blocks.

    Processor time is that of the workers while they read, transcribe and build blocks, with the processes that parse
    and decode for them, and that of the driver, which does the rest. Not counted are Ray itself, the start of its
    workers, and what was lost with a worker. Retries are requests to a store that were made again, and actors that
    replaced one that died. The machines are those that Ray has at the end: before, some may have been on their way.
    """
    summary = summarise(
        "prepare",
        storage.name_of(blocks_uri),
        wall_s=wall_s,
        cpu_s={part: effort.cpu_s for part, effort in efforts.items()},
        units=units,
        retries=sum(effort.retries for effort in efforts.values()),
        nodes=nodes_of_ray(),
    )
    return replace(result, summary=summary, summary_uri=write_summary(blocks_uri, summary))


def _units(missing: pa.Table, plan: Plan, num_built: int) -> dict[str, float]:
    """What this run read, what became of it, and how many blocks it built."""
    is_new = places_in(np.sort(manifest_keys(missing)), keys_of(plan.pieces["file_key"])) >= 0
    is_refused = pc.is_in(plan.rejects["uri"], value_set=missing["path"].combine_chunks())
    stages = Counter(plan.rejects["stage"].filter(is_refused).to_pylist())
    return {
        "files": len(missing),
        "pieces": int(is_new.sum()),
        "audio_s": float(plan.pieces["duration_s"].to_numpy()[is_new].sum()),
        "rejects": stages.total() - stages["duplicate"],
        "duplicates": stages["duplicate"],
        "blocks": num_built,
    }


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


def _remove_stale(plan: Plan, corpus: Corpus, parts: PartRows, parts_uri: str, blocks_uri: str) -> None:
    """Removes blocks that the index does not list, and parts of which no file is in the corpus any more."""
    current = {block.name for block in plan.blocks}
    for file in storage.list_files(storage.join(blocks_uri, "blocks")):
        if file.path.rpartition(".")[0] not in current:
            storage.remove(storage.join(blocks_uri, "blocks", file.path))
    is_current = places_in(np.sort(manifest_keys(corpus.manifest)), keys_of(parts.table["file_key"])) >= 0
    alive = {parts.names[part] for part in np.unique(parts.table["part"].to_numpy()[is_current])}
    for file in storage.list_files(parts_uri):
        if file.path.partition(".")[0] not in alive:
            storage.remove(storage.join(parts_uri, file.path))


def _warnings(corpus: Corpus, plan: Plan) -> list[str]:
    warnings = []
    if not pc.any(pc.equal(plan.pieces["split"].cast(pa.string()), "valid")).as_py():
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
