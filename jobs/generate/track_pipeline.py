"""Attempts at tracks on the workers of Ray.

planned tracks -> engine actors (takes) -> tasks (stems, master, gates, files, commit) -> the outcome of each

Plain actors and tasks: Ray Data adds processes of its own, and each worker imports it.

A track that a gate holds back is generated again where it was rendered: 2 % of tracks need it, and a separate round
would be one in which everything else waits. It gets the notes that the actor would give it, since the engine's rows do
not depend on the batch. On a GPU, which the finishing tasks do not have, it waits for the next round.
"""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

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
from jobs.runtime.local_ray import num_cpus_of_cluster, ray_running
from jobs.runtime.sent_files import send_file
from jobs.runtime.summary import Nodes, nodes_of_ray
from jobs.runtime.work_log import count
from lstm_core.composing.take import Take
from lstm_core.foundation.errors import SoundFontError, StorageError
from lstm_core.orders.planned import PlannedTrack

if TYPE_CHECKING:
    from lstm_core.composing.players import Player

Row = TypeVar("Row")
FIRST_CHUNK = 16  # order rows that an engine takes first: all of them get a row of its batch at once
MAX_WAITING = 256  # takes that wait for a core, and one chunk of each engine more
_USER_ERRORS = {"SoundFontError": SoundFontError, "StorageError": StorageError}


@contextmanager
def attempting_with_ray(work: TrackWork, *, verbose: bool) -> Iterator[tuple[Attempting, Nodes]]:
    """Makes attempts on the workers of Ray, and the machines that it has; what this started ends with the context."""
    with ray_running(num_cpus=work.num_workers + (os.cpu_count() or 1), has_data=False, verbose=verbose):
        yield Workers(send(work)).attempt_tracks, nodes_of_ray()


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


class Played(NamedTuple):
    """A take as it goes from an engine to the task that finishes it."""

    track: PlannedTrack
    attempt: int
    take: Take
    engine_s: float  # processor time that it took


class Workers:
    """The engines of a run, which stay from round to round, and the tasks that finish their takes.

    What dies with its process or its machine is made again by Ray, with the same bytes.
    """

    def __init__(self, work: TrackWork) -> None:
        """`work` is from `send`."""
        import ray

        self.recipe, self.num_engines = work.recipe, work.num_workers
        self.work = ray.put(work)
        self.engines: list[Any] = []
        self.engine_class = ray.remote(
            num_cpus=1,
            num_gpus=1 if work.recipe.device == "cuda" else 0,
            max_restarts=-1,
            max_task_retries=-1,
            scheduling_strategy="SPREAD",
        )(EngineActor)
        self.finish = ray.remote(num_cpus=1, max_retries=-1)(finish_played)

    def attempt_tracks(self, attempts: Attempts) -> Iterator[dict[str, Any]]:
        """One attempt at each track; the outcomes as they come.

        Raises:
            SoundFontError, StorageError: a worker lacks the SoundFont of the order, or cannot store a track.
        """
        import ray

        chunks = deque(chunks_of(list(attempts.values()), self.recipe.chunk, self.num_engines))
        free = deque(self._engines(min(self.num_engines, len(chunks))))
        playing: dict[Any, Any] = {}  # by the stream of takes, the engine that it comes from
        finishing: set[Any] = set()
        while chunks or playing or finishing:
            # An engine is ten times as fast as what follows: it waits before takes pile up.
            while chunks and free and len(finishing) < MAX_WAITING:
                engine = free.popleft()
                playing[engine.play.remote(chunks.popleft())] = engine
            (ready,), _ = ray.wait([*playing, *finishing], num_returns=1, fetch_local=False)
            if ready in finishing:
                finishing.remove(ready)
                outcome = ray.get(ready)
                if "user_error" in outcome:
                    raise _USER_ERRORS[outcome["kind"]](outcome["user_error"])
                yield outcome
                continue
            try:
                finishing.add(self.finish.remote(next(ready), self.work))
            except StopIteration:
                free.append(playing.pop(ready))

    def _engines(self, number: int) -> list[Any]:
        """So many engines. Workers for finishing start when the first of them is ready.

        Earlier, the processor time that their start takes is what the engine starts later, and the tracks with it.
        """
        import ray

        new = [self.engine_class.remote(self.work) for _ in range(number - len(self.engines))]
        if new and not self.engines:
            ray.wait([engine.is_ready.remote() for engine in new], num_returns=1)
            start = ray.remote(num_cpus=1, max_retries=0)(start_finishing)
            for _ in range(num_cpus_of_cluster() - number):
                start.remote(self.work)
        self.engines += new
        return self.engines[:number]


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


class EngineActor:
    """A player that stays: order rows in, their takes out, one track at a time as it is finished."""

    def __init__(self, work: TrackWork) -> None:
        self.player = _player_here(work.checkpoint, work.recipe)
        self.run = work.order_name

    def is_ready(self) -> bool:
        """Whether the player has been opened, which is done before any call."""
        return True

    def play(self, rows: Sequence[tuple[PlannedTrack, int]]) -> Iterator[Played]:
        """The takes of some tracks, each with the number of its attempt; in any order."""
        start = time.thread_time()
        for take in self.player.play(list(rows)):
            now = time.thread_time()
            count("tonemill_events_total", take.num_events, run=self.run)
            yield Played(*rows[take.number], take, now - start)
            start = now


def finish_played(played: Played, work: TrackWork) -> dict[str, Any]:
    """Finishes and commits a take; what became of it."""
    open_player = partial(_player_here, work.checkpoint, work.recipe)
    try:
        return finish_take(played.track, played.attempt, played.take, work, open_player, played.engine_s)
    except (StorageError, SoundFontError, OSError) as error:
        # As an outcome, since what an exception came from does not always survive its way through Ray.
        kind = "SoundFontError" if isinstance(error, SoundFontError) else "StorageError"
        return {"user_error": str(error), "kind": kind}


def start_finishing(work: TrackWork) -> None:
    """Imports and loads what finishing needs into a worker, which Ray gives later tasks to while it is still there."""
    with suppress(SoundFontError):  # the first track raises the same, and that is reported
        ready_to_finish(work)
        originals_here(work.originals)


@lru_cache(maxsize=1)
def _player_here(checkpoint: Any, recipe: GenerateRecipe) -> Player:
    """The player of this process, of Ray's reference to a checkpoint."""
    import ray

    return opened_player(ray.get(checkpoint), recipe)
