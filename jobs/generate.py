"""tonemill generate: a checkpoint and an order become mastered tracks in a catalogue, with Ray Data.

order rows -> engine actors (events) -> tasks (stems, master, gates, files, commit) -> small rows with the outcome

What is committed is never made again, so that a run that was killed goes on by running it again. A track that a gate
holds back is made from a derived seed, three times at most, and then reported.
"""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.local_ray import ray_running
from jobs.order_file import Order
from jobs.progress import Progress
from jobs.recipe import save_recipe, versions
from lstm_core import storage
from lstm_core.catalog import commit_track, list_tracks, write_catalog
from lstm_core.checkpoint import Checkpoint, find_checkpoint, load_checkpoint
from lstm_core.errors import OrderError, StorageError
from lstm_core.order import TrackOrder, order_fields, order_from_fields
from lstm_core.packing import arithmetic_of
from lstm_core.production import (
    Provenance,
    describe_checkpoint,
    finish_track,
    request_of,
    total_seconds,
    track_id_of,
)
from lstm_core.records import TrackFailure, TrackRecord, make_failure
from lstm_core.soundfont import find_soundfont

RESERVE_BYTES = 200_000_000  # of the disk that a run leaves free
COMPRESSED_SHARE = 0.75  # of PCM that a FLAC file takes at most, about

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class GenerateRecipe:
    """How an order is made; nothing here changes what a track is but `soundfont` and `arithmetic`."""

    soundfont: str = ""  # URI; empty: the best one installed
    arithmetic: str = "auto"  # of the engine: "bf16", "float32"; auto: bf16 where the processor has it
    device: str = "cpu"  # of the engine: or "cuda"
    max_attempts: int = 4  # at a track, the first included
    chunk: int = 256  # order rows that an engine takes at a time

    def __post_init__(self) -> None:
        if self.arithmetic not in ("auto", "bf16", "float32"):
            raise ValueError(f'arithmetic is "{self.arithmetic}", it must be "auto", "bf16" or "float32"')
        if self.max_attempts < 1 or self.chunk < 1:
            raise ValueError("max_attempts and chunk must be at least 1")


@dataclass(frozen=True, kw_only=True)
class GenerateResult:
    """What came of an order."""

    records: list[TrackRecord]  # of this order's tracks, in its order
    failures: list[TrackFailure]
    num_made: int  # by this run; the others were there
    page_uri: str
    seconds: dict[str, float]  # processor time of each stage


def run_generate(
    run: str,
    order: Order,
    catalogue: str,
    recipe: GenerateRecipe,
    *,
    num_workers: int | None = None,
    verbose: bool = False,
) -> GenerateResult:
    """Makes the tracks of an order that the catalogue does not hold yet.

    Raises:
        OrderError, CheckpointError, SoundFontError: before any work; StorageError when the store fails.
    """
    checkpoint_uri = find_checkpoint(run)
    checkpoint = load_checkpoint(checkpoint_uri)
    _check_styles(order, checkpoint)
    bf16 = "bf16" if str(arithmetic_of(recipe.arithmetic, recipe.device)).endswith("bfloat16") else "float32"
    provenance = Provenance(
        checkpoint=describe_checkpoint(checkpoint),
        soundfont=find_soundfont(recipe.soundfont),
        arithmetic=f"{bf16}-{recipe.device}",
    )
    wanted = {track_id_of(track, provenance): track for track in order.tracks}
    catalogue = _absolute(catalogue)
    kept = {record.track_id: record for record in list_tracks(catalogue) if record.track_id in wanted}
    missing = {track_id: track for track_id, track in wanted.items() if track_id not in kept}
    _check_space(catalogue, list(missing.values()))
    save_recipe(recipe, catalogue, f"orders/{order.name}.recipe.toml")
    work = _Work(
        checkpoint_uri=_absolute(checkpoint_uri),
        catalogue=catalogue,
        provenance=provenance,
        recipe=replace(recipe, arithmetic=bf16),
        num_workers=num_workers or default_workers(len(missing)),
    )
    made, failures, seconds = {}, [], {}
    if missing:
        with ray_running(num_cpus=work.num_workers + (os.cpu_count() or 1), verbose=verbose):
            with Progress("tracks", len(missing), "tracks") as progress:
                made, failures, seconds = _make(work, missing, progress)
    records = kept | made
    page = write_catalog(catalogue, list_tracks(catalogue), failures, title=order.name)
    return GenerateResult(
        records=[records[track_id] for track_id in wanted if track_id in records],
        failures=failures,
        num_made=len(made),
        page_uri=page,
        seconds=seconds,
    )


def default_workers(num_tracks: int) -> int:
    """Engine workers for an order: the engine takes a tenth of a track's time, so one feeds many cores."""
    return max(1, min((os.cpu_count() or 1) // 8, math.ceil(num_tracks / 256)))


@dataclass(frozen=True, kw_only=True)
class _Work:
    checkpoint_uri: str
    catalogue: str
    provenance: Provenance
    recipe: GenerateRecipe
    num_workers: int


def _make(
    work: _Work, missing: dict[str, TrackOrder], progress: Progress
) -> tuple[dict[str, TrackRecord], list[TrackFailure], dict[str, float]]:
    """Attempts at all missing tracks until each is committed or has failed for good."""
    made: dict[str, TrackRecord] = {}
    stages: list[dict[str, float]] = []
    waiting, last_outcome = dict.fromkeys(missing, 0), {}
    while waiting:
        for outcome in _attempt(work, {track_id: (missing[track_id], n) for track_id, n in waiting.items()}):
            stages.append(outcome["seconds"])
            last_outcome[outcome["track_id"]] = outcome
            if outcome["is_passed"]:
                progress.advance(1)
        records = {record.track_id: record for record in list_tracks(work.catalogue) if record.track_id in missing}
        twins = _twins(records.values())
        for track_id in twins:
            storage.remove(storage.join(work.catalogue, "tracks", track_id, "track.json"))
            last_outcome[track_id]["reason"] = "the same notes as another track of the order"
        if twins:
            progress.advance(-len(twins))
        made = {track_id: record for track_id, record in records.items() if track_id not in twins}
        waiting = {
            track_id: last_outcome[track_id]["attempt"] + 1
            for track_id in missing
            if track_id not in made and last_outcome[track_id]["attempt"] + 1 < work.recipe.max_attempts
        }
    failures = [
        _failure(missing[track_id], last_outcome[track_id]) for track_id in missing if track_id not in made
    ]
    return made, failures, total_seconds(stages)


def _twins(records: Iterable[TrackRecord]) -> list[str]:
    """Tracks that hold the same notes as one with a smaller id."""
    by_score: dict[str, list[str]] = defaultdict(list)
    for record in records:
        by_score[record.score_fingerprint].append(record.track_id)
    return [track_id for ids in by_score.values() for track_id in sorted(ids)[1:]]


def _attempt(work: _Work, attempts: dict[str, tuple[TrackOrder, int]]) -> Iterator[dict[str, Any]]:
    """One attempt at each track; the outcomes as they come."""
    import ray.data
    from ray.data import ActorPoolStrategy, DataContext

    context = DataContext.get_current()
    context.target_max_block_size = 1  # a track is a block: it is finished as soon as the engine has played it
    context.target_min_block_size = 0
    context.execution_options.preserve_order = False
    rows = [
        {"track_id": track_id, "order": json.dumps(order_fields(track)), "attempt": attempt}
        for track_id, (track, attempt) in attempts.items()
    ]
    chunk = max(1, min(work.recipe.chunk, math.ceil(len(rows) / work.num_workers)))
    tables = [pa.Table.from_pylist(rows[start : start + chunk]) for start in range(0, len(rows), chunk)]
    outcomes = (
        ray.data.from_arrow(tables)
        .map_batches(
            EngineActor,
            fn_constructor_kwargs={"work": work},
            batch_size=None,
            compute=ActorPoolStrategy(size=min(work.num_workers, len(tables))),
            num_cpus=1,
            num_gpus=1 if work.recipe.device == "cuda" else 0,
        )
        .map_batches(partial(finish_rows, work=work), batch_size=None, num_cpus=1)
    )
    for row in outcomes.iter_rows():
        yield json.loads(row["outcome"])


class EngineActor:
    """An engine that stays: order rows in, their events out, one track at a time as it is finished."""

    def __init__(self, work: _Work) -> None:
        import torch

        from lstm_core.engine import Engine

        torch.set_num_threads(1)
        checkpoint = load_checkpoint(work.checkpoint_uri)
        self.engine = Engine(checkpoint, arithmetic=work.recipe.arithmetic, device=work.recipe.device)

    def __call__(self, batch: dict[str, np.ndarray]) -> Iterator[dict[str, list[Any]]]:
        orders = [order_from_fields(json.loads(text)) for text in batch["order"]]
        attempts = [int(attempt) for attempt in batch["attempt"]]
        requests = [request_of(order, attempt) for order, attempt in zip(orders, attempts, strict=True)]
        start = time.thread_time()
        for generated in self.engine.generate(requests):
            now = time.thread_time()
            yield {
                "track_id": [str(batch["track_id"][generated.number])],
                "order": [str(batch["order"][generated.number])],
                "attempt": [attempts[generated.number]],
                "events": [generated.events.tobytes()],
                "num_streams": [generated.events.shape[1]],
                "engine_s": [now - start],
            }
            start = now


def finish_rows(batch: dict[str, np.ndarray], *, work: _Work) -> dict[str, list[str]]:
    """Finishes and commits the tracks of a batch; gives back what became of each, as JSON."""
    outcomes = []
    for row in range(len(batch["track_id"])):
        order = order_from_fields(json.loads(str(batch["order"][row])))
        events = np.frombuffer(batch["events"][row], dtype=np.uint8).reshape(-1, int(batch["num_streams"][row]))
        outcomes.append(_finish(order, int(batch["attempt"][row]), events, str(batch["track_id"][row]), work))
        outcomes[-1]["seconds"]["engine"] = float(batch["engine_s"][row])
    return {"outcome": [json.dumps(outcome) for outcome in outcomes]}


def _finish(order: TrackOrder, attempt: int, events: Any, track_id: str, work: _Work) -> dict[str, Any]:
    finished = finish_track(order, attempt, events, work.provenance, track_id)
    failed = [gate for gate in finished.gates if not gate.is_passed]
    start = time.thread_time()
    if not failed:
        commit_track(work.catalogue, finished.content, finished.files)
    return {
        "track_id": track_id,
        "attempt": attempt,
        "is_passed": not failed,
        "reason": "; ".join(f"{gate.name} is {gate.value:.3f}, bound {gate.bound:.3f}" for gate in failed),
        "gates": [gate.__dict__ for gate in finished.gates],
        "seconds": {**finished.seconds, "commit": time.thread_time() - start},
    }


def _failure(order: TrackOrder, outcome: dict[str, Any]) -> TrackFailure:
    return make_failure(
        {
            "track_id": outcome["track_id"],
            "name": order.name or outcome["track_id"],
            "style": order.style,
            "reason": outcome["reason"],
            "num_attempts": outcome["attempt"] + 1,
            "seed": order.seed,
            "gates": outcome["gates"],
            "order": order_fields(order),
        }
    )


def _check_styles(order: Order, checkpoint: Checkpoint) -> None:
    known = checkpoint.facts.styles
    unknown = sorted({track.style for track in order.tracks if track.style and track.style not in known})
    if unknown:
        raise OrderError(
            f"The checkpoint {checkpoint.facts.name} has not learnt the style {', '.join(map(repr, unknown))}. "
            f"It knows {', '.join(known) or 'none'}. Leave style out, or train on a corpus that has it."
        )


def _check_space(catalogue: str, tracks: list[TrackOrder]) -> None:
    """Refuses an order that the local disk cannot hold."""
    path = storage.local_path(catalogue)
    if path is None:
        return
    needed = sum(_size_bytes(track) for track in tracks)
    existing = next(folder for folder in (path, *path.resolve().parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    if needed > free - RESERVE_BYTES:
        raise StorageError(
            f"The order's {len(tracks):,} tracks take about {needed / 1e9:,.1f} GB, {free / 1e9:,.1f} GB are free in "
            f"{existing}. Free some space, order less, or use a catalogue in s3://."
        )


def _size_bytes(track: TrackOrder) -> float:
    share = COMPRESSED_SHARE if track.format == "flac" else 1.0
    return track.duration_s * track.sample_rate * 2 * track.bit_depth / 8 * share * (3 if track.stems else 1) + 100_000


def _absolute(uri: str) -> str:
    path = storage.local_path(uri)
    return uri if path is None else str(Path(path).resolve())
