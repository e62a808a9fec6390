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
import logging
import math
import os
import pickle
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from jobs.generate.track_errors import MAX_RAISED, described
from jobs.runtime.sent_files import SentFile, send_file
from jobs.runtime.work_log import count, log_unit
from lstm_core.catalogue.folder import commit_track
from lstm_core.composing.take import Take
from lstm_core.foundation.errors import SoundFontError, StorageError
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.planned import PlannedTrack
from lstm_core.sound.loudness import SILENCE_LUFS
from lstm_core.sound.soundfont import SoundFont, obtain_soundfont
from lstm_core.tracks.finishing import finish_track, total_seconds
from lstm_core.tracks.gates import GateResult, is_out_of_reach
from lstm_core.tracks.identity import Provenance
from lstm_core.tracks.originals import Originals

if TYPE_CHECKING:
    from lstm_core.composing.players import Player

_USER_ERRORS = {"SoundFontError": SoundFontError, "StorageError": StorageError}
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

    checkpoint: Any  # Playable; for workers Ray's reference to it
    originals: Any  # Originals; for workers Ray's reference to them
    soundfont: SentFile
    catalogue: str
    order_name: str
    provenance: Provenance
    recipe: GenerateRecipe
    num_workers: int


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


def attempt_tracks(work: TrackWork, attempts: dict[str, tuple[PlannedTrack, int]]) -> Iterator[dict[str, Any]]:
    """One attempt at each track; the outcomes as they come. `work` is from `send`.

    Raises:
        SoundFontError, StorageError: a worker lacks the SoundFont of the order, or cannot store a track.
    """
    import ray.data
    from ray.data import ActorPoolStrategy

    rows = [{"track": pickle.dumps(track), "attempt": attempt} for track, attempt in attempts.values()]
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
            if "user_error" in outcome:
                raise _USER_ERRORS[outcome["kind"]](outcome["user_error"])
            yield outcome


def _start_finishing_workers(work: TrackWork) -> None:
    """Has worker processes import and load what finishing needs, while the engine generates its first tracks.

    Called by the engine once it is ready: earlier, the processor time that this takes is what the engine starts later,
    and the tracks with it. Nobody waits for it: Ray gives later tasks to these processes where they are still there,
    else it costs a start.
    """
    import ray

    def start(work: TrackWork) -> None:
        with suppress(SoundFontError):  # the first track raises the same, and that is reported
            _ready_to_finish(work)
            _originals_here(work.originals)

    start_remote = ray.remote(num_cpus=1, max_retries=0)(start)
    for _ in range(os.cpu_count() or 1):
        start_remote.remote(work)


def _ready_to_finish(work: TrackWork) -> SoundFont:
    """The SoundFont of the order, once this process can finish tracks with it."""
    from lstm_core.foundation.kept_heap import keep_heap
    from lstm_core.tracks.warm_up import compile_finishing

    keep_heap()
    soundfont = _soundfont_here(work.soundfont)
    compile_finishing(work.provenance, soundfont)
    return soundfont


@lru_cache(maxsize=1)
def _soundfont_here(sent: SentFile) -> SoundFont:
    """A SoundFont on the machine of this process."""
    return obtain_soundfont(sent.reference, sent.fetch)


@lru_cache(maxsize=1)
def _originals_here(reference: Any) -> Originals:
    """What the tracks of an order must not repeat; by Ray's reference to it where it was sent."""
    import ray

    found: Originals = reference if isinstance(reference, Originals) else ray.get(reference)
    return found


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
        self.player = _open_player(work.checkpoint, work.recipe.arithmetic, work.recipe.device)
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
def _open_player(checkpoint: Any, arithmetic: str, device: str) -> Player:
    """The player of this process, of Ray's reference to a checkpoint."""
    import ray
    import torch

    from lstm_core.composing.players import open_player
    from lstm_core.tracks.warm_up import compile_player

    torch.set_num_threads(1)
    player = open_player(ray.get(checkpoint), arithmetic=arithmetic, device=device)
    compile_player(player)
    return player


def finish_rows(batch: dict[str, np.ndarray], *, work: TrackWork) -> dict[str, list[str]]:
    """Finishes and commits the tracks of a batch; gives back what became of each, as JSON."""
    outcomes: list[dict[str, Any]] = []
    for row in range(len(batch["track"])):
        track, take = pickle.loads(batch["track"][row]), pickle.loads(batch["take"][row])
        seconds = [{"engine": float(batch["engine_s"][row])}]
        try:
            outcome = _finish(track, int(batch["attempt"][row]), take, work)
            errors = outcome.pop("errors")
            while _is_tried_again(outcome, work.recipe) and len(errors) < MAX_RAISED:
                seconds.append(outcome["seconds"])
                start = time.thread_time()
                player = _open_player(work.checkpoint, work.recipe.arithmetic, work.recipe.device)
                again = next(player.play([(track, outcome["attempt"] + 1)]))
                seconds.append({"engine": time.thread_time() - start})
                outcome = _finish(track, outcome["attempt"] + 1, again, work)
                errors += outcome.pop("errors")
        except (StorageError, SoundFontError, OSError) as error:
            # As a row, since what an exception came from does not always survive its way through Ray.
            kind = "SoundFontError" if isinstance(error, SoundFontError) else "StorageError"
            outcomes.append({"user_error": str(error), "kind": kind})
            continue
        outcomes.append({**outcome, "errors": errors, "seconds": total_seconds([*seconds, outcome["seconds"]])})
    return {"outcome": [json.dumps(outcome) for outcome in outcomes]}


def _gate_message(gate: GateResult, order: TrackOrder) -> str:
    """Why a gate held a track back, and what to order where that is known."""
    hint = (
        " (the bars repeat too often: order temperature = 1.15 and top_p = 1)" if gate.name == "distinct_bars" else ""
    )
    if gate.name == "original":
        hint = " (so many notes in a row stand in a training piece of the checkpoint: order another seed)"
    elif gate.name == "same_as_earlier":
        hint = " (so many tracks of the catalogue have nearly the same notes: order another seed)"
    loudest = math.floor(10 * (order.loudness_lufs - gate.value)) / 10
    if gate.name == "loudness" and loudest > SILENCE_LUFS:
        hint = f" (under its true peak this music gets no louder: order loudness_lufs = {loudest:.1f} or less)"
    return f"{gate.name} is {gate.value:.3f}, bound {gate.bound:.3f}{hint}"


def _is_tried_again(outcome: dict[str, Any], recipe: GenerateRecipe) -> bool:
    return not outcome["is_passed"] and recipe.device == "cpu" and may_pass(outcome, recipe)


def may_pass(outcome: dict[str, Any], recipe: GenerateRecipe) -> bool:
    """Whether a track that was held back is worth another take."""
    gates = [GateResult(**gate) for gate in outcome["gates"]]
    return outcome["attempt"] + 1 < recipe.max_attempts and not is_out_of_reach(gates)


def _finish(track: PlannedTrack, attempt: int, take: Take, work: TrackWork) -> dict[str, Any]:
    track_id = track.track_id
    try:
        soundfont = _ready_to_finish(work)
        originals = _originals_here(work.originals)
        finished = finish_track(track, attempt, take, work.provenance, soundfont, originals=originals)
    except (StorageError, SoundFontError, OSError, MemoryError):
        raise  # no other take would fare better
    except Exception as error:
        _logger.warning("track %s, attempt %d", track_id, attempt, exc_info=error)
        reason = f"{type(error).__name__}: {error}"
        return {
            "track_id": track_id, "attempt": attempt, "is_passed": False, "reason": reason, "gates": [], "seconds": {},
            "errors": [described(error)],
        }  # fmt: skip
    failed = [gate for gate in finished.gates if not gate.is_passed]
    start = time.thread_time()
    record = ""
    if not failed:
        record = commit_track(work.catalogue, finished.record, finished.files).to_json().decode()
        count("tonemill_tracks_total", run=work.order_name)
        count("tonemill_audio_seconds_total", finished.record.duration_s, run=work.order_name)
    for gate in failed:
        count("tonemill_gate_failures_total", run=work.order_name, gate=gate.name)
    log_unit(
        "track",
        run=work.order_name,
        track_id=track_id,
        attempt=attempt,
        is_passed=not failed,
        failed_gates=[gate.name for gate in failed],
        cpu_s={name: round(seconds, 3) for name, seconds in finished.seconds.items()},
    )
    return {
        "track_id": track_id,
        "attempt": attempt,
        "is_passed": not failed,
        "reason": "; ".join(_gate_message(gate, track.order) for gate in failed),
        "gates": [asdict(gate) for gate in finished.record.gates],
        "record": record,
        "errors": [],
        "seconds": {**finished.seconds, "commit": time.thread_time() - start},
    }
