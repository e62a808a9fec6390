"""One round of attempts at tracks, through Ray Data.

order rows -> engine actors (events) -> tasks (stems, master, gates, files, commit) -> small rows with the outcome
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from lstm_core.catalog import commit_track
from lstm_core.checkpoint import load_checkpoint
from lstm_core.errors import SoundFontError, StorageError
from lstm_core.order import TrackOrder, order_fields, order_from_fields
from lstm_core.playing.production import Provenance, finish_track, request_of

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
class TrackWork:
    """What every attempt at a track of a run needs to know."""

    checkpoint_uri: str
    catalogue: str
    provenance: Provenance
    recipe: GenerateRecipe
    num_workers: int


def attempt_tracks(work: TrackWork, attempts: dict[str, tuple[TrackOrder, int]]) -> Iterator[dict[str, Any]]:
    """One attempt at each track; the outcomes as they come."""
    import ray.data
    from ray.data import ActorPoolStrategy

    rows = [
        {"track_id": track_id, "order": json.dumps(order_fields(track)), "attempt": attempt}
        for track_id, (track, attempt) in attempts.items()
    ]
    chunk = max(1, min(work.recipe.chunk, math.ceil(len(rows) / work.num_workers)))
    tables = [pa.Table.from_pylist(rows[start : start + chunk]) for start in range(0, len(rows), chunk)]
    with _a_block_a_track():
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
            outcome = json.loads(row["outcome"])
            if "mistake" in outcome:
                raise StorageError(outcome["mistake"])
            yield outcome


@contextmanager
def _a_block_a_track() -> Iterator[None]:
    """Ray Data with a track as a block, so that it is finished as soon as the engine has played it."""
    from ray.data import DataContext

    context = DataContext.get_current()
    before = context.target_max_block_size, context.target_min_block_size, context.execution_options.preserve_order
    context.target_max_block_size, context.target_min_block_size = 1, 0
    context.execution_options.preserve_order = False
    try:
        yield
    finally:
        context.target_max_block_size, context.target_min_block_size = before[:2]
        context.execution_options.preserve_order = before[2]


class EngineActor:
    """An engine that stays: order rows in, their events out, one track at a time as it is finished."""

    def __init__(self, work: TrackWork) -> None:
        import torch

        from lstm_core.playing.engine import Engine
        from lstm_core.playing.warm_up import compile_engine

        torch.set_num_threads(1)
        checkpoint = load_checkpoint(work.checkpoint_uri)
        self.engine = Engine(checkpoint, arithmetic=work.recipe.arithmetic, device=work.recipe.device)
        compile_engine(self.engine)

    def __call__(self, batch: dict[str, np.ndarray]) -> Iterator[dict[str, list[Any]]]:
        orders = [order_from_fields(json.loads(text)) for text in batch["order"]]
        attempts = [int(attempt) for attempt in batch["attempt"]]
        facts = self.engine.checkpoint.facts
        requests = [request_of(order, attempt, facts) for order, attempt in zip(orders, attempts, strict=True)]
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


def finish_rows(batch: dict[str, np.ndarray], *, work: TrackWork) -> dict[str, list[str]]:
    """Finishes and commits the tracks of a batch; gives back what became of each, as JSON."""
    outcomes = []
    for row in range(len(batch["track_id"])):
        order = order_from_fields(json.loads(str(batch["order"][row])))
        events = np.frombuffer(batch["events"][row], dtype=np.uint8).reshape(-1, int(batch["num_streams"][row]))
        try:
            outcome = _finish(order, int(batch["attempt"][row]), events, str(batch["track_id"][row]), work)
        except (StorageError, SoundFontError, OSError) as error:
            # As a row, since what an exception came from does not always survive its way through Ray.
            outcomes.append({"mistake": str(error)})
            continue
        outcome["seconds"]["engine"] = float(batch["engine_s"][row])
        outcomes.append(outcome)
    return {"outcome": [json.dumps(outcome) for outcome in outcomes]}


def _finish(order: TrackOrder, attempt: int, events: Any, track_id: str, work: TrackWork) -> dict[str, Any]:
    from lstm_core.playing.warm_up import compile_finishing

    try:
        compile_finishing(work.provenance)
        finished = finish_track(order, attempt, events, work.provenance, track_id)
    except (StorageError, SoundFontError, OSError, MemoryError):
        raise  # no other take would fare better
    except Exception as error:
        _logger.warning("track %s, attempt %d", track_id, attempt, exc_info=error)
        reason = f"{type(error).__name__}: {error}"
        return {
            "track_id": track_id, "attempt": attempt, "is_passed": False, "reason": reason, "gates": [], "seconds": {}
        }  # fmt: skip
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
