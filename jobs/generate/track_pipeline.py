"""One round of attempts at tracks, through Ray Data.

planned tracks -> engine actors (takes) -> tasks (stems, master, gates, files, commit) -> small rows with the outcome

A row carries a PlannedTrack, pickled: whatever there was to parse or to plan, the driver has.

A track that a gate holds back is generated again where it was rendered: 2 % of tracks need it, and a separate round
with a new actor would take ten seconds in which everything else waits. It gets the notes that the actor would give it,
since the engine's rows do not depend on the batch. On a GPU, which the finishing tasks do not have, it waits for the
next round.
"""

from __future__ import annotations

import json
import math
import os
import pickle
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa

from jobs.generate.attempts import (
    Attempting,
    Attempts,
    GenerateRecipe,
    TrackWork,
    finish_take,
    opened_player,
    originals_here,
    ready_to_finish,
)
from jobs.runtime.local_ray import ray_running
from jobs.runtime.sent_files import send_file
from jobs.runtime.summary import Nodes, nodes_of_ray
from jobs.runtime.work_log import count
from lstm_core.foundation.errors import SoundFontError, StorageError

if TYPE_CHECKING:
    from lstm_core.composing.players import Player

Row = TypeVar("Row")
FIRST_CHUNK = 16  # order rows that an engine takes first: all of them get a row of its batch at once
_USER_ERRORS = {"SoundFontError": SoundFontError, "StorageError": StorageError}


@contextmanager
def attempting_with_ray(work: TrackWork, *, verbose: bool) -> Iterator[tuple[Attempting, Nodes]]:
    """Makes attempts on the workers of Ray, and the machines that it has; what this started ends with the context."""
    with ray_running(num_cpus=work.num_workers + (os.cpu_count() or 1), verbose=verbose):
        yield partial(attempt_tracks, send(work)), nodes_of_ray()


def send(work: TrackWork) -> TrackWork:
    """The same with all that workers need of the driver's machine in Ray's object store: once a run, not once a task.

    So no worker reads a checkpoint that a training run may have replaced meanwhile, or a path that is another's.
    """
    import ray

    return replace(
        work,
        checkpoint=ray.put(work.checkpoint),
        originals=ray.put(work.originals),
        soundfont=send_file(work.soundfont.reference),
    )


def attempt_tracks(work: TrackWork, attempts: Attempts) -> Iterator[dict[str, Any]]:
    """One attempt at each track; the outcomes as they come. `work` is from `send`.

    Raises:
        SoundFontError, StorageError: a worker lacks the SoundFont of the order, or cannot store a track.
    """
    import ray.data
    from ray.data import ActorPoolStrategy

    rows = [{"track": pickle.dumps(track), "attempt": attempt} for track, attempt in attempts.values()]
    tables = [pa.Table.from_pylist(chunk) for chunk in chunks_of(rows, work.recipe.chunk, work.num_workers)]
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
            if "user_error" in outcome:
                raise _USER_ERRORS[outcome["kind"]](outcome["user_error"])
            yield outcome


def chunks_of(rows: Sequence[Row], most: int, num_engines: int) -> Iterator[Sequence[Row]]:
    """Rows as the engines take them, `most` at a time at most; each engine has at least one chunk if there are enough.

    The first chunk of each engine is small and the next ones grow, since the cores that finish tracks have nothing to
    do before the engine has the first ones, and plans of a whole chunk come before the first notes of it. Towards the
    end what is left is shared, so that the engines are ready together.
    """
    start = number = 0
    while start < len(rows):
        share = math.ceil((len(rows) - start) / num_engines)
        ramp = FIRST_CHUNK * 2 ** min(number // num_engines, 10)
        size = max(1, min(most, ramp, math.ceil(len(rows) / num_engines), max(share, FIRST_CHUNK)))
        yield rows[start : start + size]
        start, number = start + size, number + 1


def _start_finishing_workers(work: TrackWork) -> None:
    """Has worker processes import and load what finishing needs, while the engine generates its first tracks.

    Called by the engine once it is ready: earlier, the processor time that this takes is what the engine starts later,
    and the tracks with it. Nobody waits for it: Ray gives later tasks to these processes where they are still there,
    else it costs a start.
    """
    import ray

    def start(work: TrackWork) -> None:
        with suppress(SoundFontError):  # the first track raises the same, and that is reported
            ready_to_finish(work)
            originals_here(work.originals)

    start_remote = ray.remote(num_cpus=1, max_retries=0)(start)
    for _ in range(os.cpu_count() or 1):
        start_remote.remote(work)


@contextmanager
def _a_block_a_track() -> Iterator[None]:
    """Ray Data with a track as a block, so that it is rendered as soon as the engine has generated it."""
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
    """A player that stays: order rows in, their takes out, one track at a time as it is finished."""

    def __init__(self, work: TrackWork) -> None:
        self.player = _player_here(work.checkpoint, work.recipe)
        self.run = work.order_name
        _start_finishing_workers(work)

    def __call__(self, batch: dict[str, np.ndarray]) -> Iterator[dict[str, list[Any]]]:
        tracks = [pickle.loads(data) for data in batch["track"]]
        attempts = [int(attempt) for attempt in batch["attempt"]]
        start = time.thread_time()
        for take in self.player.play(list(zip(tracks, attempts, strict=True))):
            now = time.thread_time()
            count("tonemill_events_total", take.num_events, run=self.run)
            yield {
                "track": [batch["track"][take.number]],
                "attempt": [attempts[take.number]],
                "take": [pickle.dumps(take)],
                "engine_s": [now - start],
            }
            start = now


@lru_cache(maxsize=1)
def _player_here(checkpoint: Any, recipe: GenerateRecipe) -> Player:
    """The player of this process, of Ray's reference to a checkpoint."""
    import ray

    return opened_player(ray.get(checkpoint), recipe)


def finish_rows(batch: dict[str, np.ndarray], *, work: TrackWork) -> dict[str, list[str]]:
    """Finishes and commits the tracks of a batch; gives back what became of each, as JSON."""
    open_player = partial(_player_here, work.checkpoint, work.recipe)
    outcomes: list[dict[str, Any]] = []
    for row in range(len(batch["track"])):
        track, take = pickle.loads(batch["track"][row]), pickle.loads(batch["take"][row])
        try:
            engine_s = float(batch["engine_s"][row])
            outcomes.append(finish_take(track, int(batch["attempt"][row]), take, work, open_player, engine_s))
        except (StorageError, SoundFontError, OSError) as error:
            # As a row, since what an exception came from does not always survive its way through Ray.
            kind = "SoundFontError" if isinstance(error, SoundFontError) else "StorageError"
            outcomes.append({"user_error": str(error), "kind": kind})
    return {"outcome": [json.dumps(outcome) for outcome in outcomes]}
