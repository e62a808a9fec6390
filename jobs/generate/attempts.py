"""Attempts at a track in one process: a take is finished and committed, and made anew while a gate holds it back.

track_pipeline.py shares this work out to Ray; `attempting_here` does it in the process that asks, without Ray.
"""

from __future__ import annotations

import errno
import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Any

from jobs.generate.track_errors import MAX_RAISED, described
from jobs.runtime.sent_files import SentFile
from jobs.runtime.work_log import count, log_unit
from lstm_core import storage
from lstm_core.catalogue.folder import RECORD_NAME, commit_track, withdraw_track
from lstm_core.catalogue.made_with import processor
from lstm_core.catalogue.records import TRACKS_FOLDER
from lstm_core.composing.take import Take
from lstm_core.foundation.errors import SoundFontError, StorageError
from lstm_core.model.arithmetic import arithmetic_named
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.planned import PlannedTrack
from lstm_core.sound.loudness import SILENCE_LUFS
from lstm_core.sound.soundfont import SoundFont, obtain_soundfont
from lstm_core.tracks.finishing import finish_track, total_seconds
from lstm_core.tracks.gates import GateResult, is_out_of_reach
from lstm_core.tracks.identity import Provenance
from lstm_core.tracks.originals import Originals

if TYPE_CHECKING:
    from lstm_core.composing.players import Playable, Player

Attempts = dict[str, tuple[PlannedTrack, int]]  # by track_id, each with the number of the attempt
Attempting = Callable[[Attempts], Iterator[dict[str, Any]]]  # gives the outcome of each as it comes
CHUNK_HERE = 32  # takes that are played together before they are finished, where one process does both
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class GenerateRecipe:
    """How an order is made; nothing here changes what a track is but `soundfont` and `arithmetic`."""

    soundfont: str = ""  # URI; empty: the best one installed
    arithmetic: str = "auto"  # of the engine: auto is "int8", exact everywhere; "bf16", "float32" are for experiments
    device: str = "cpu"  # of the engine: or "cuda"
    max_attempts: int = 4  # at a track, the first included
    chunk: int = 256  # order rows that an engine takes at a time

    def __post_init__(self) -> None:
        arithmetic_named(self.arithmetic)
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


def attempting_here(work: TrackWork) -> Attempting:
    """Makes attempts in this process; what is interrupted leaves no files of a track.

    The outcomes come in any order.
    """
    open_once = cache(lambda: opened_player(work.checkpoint, work.recipe))
    return partial(_attempt_here, work, open_once)


def finish_take(
    track: PlannedTrack, attempt: int, take: Take, work: TrackWork, open_player: Callable[[], Player], engine_s: float
) -> dict[str, Any]:
    """Finishes and commits a take, or another one of the track while a gate holds it back; what became of it.

    `open_player` is called where another take is wanted; `engine_s` is the processor time of this one.

    Raises:
        SoundFontError, StorageError, OSError: no other take would fare better.
    """
    seconds = [{"engine": engine_s}]
    outcome = _finish(track, attempt, take, work)
    errors = outcome.pop("errors")
    while _is_tried_again(outcome, work.recipe) and len(errors) < MAX_RAISED:
        seconds.append(outcome["seconds"])
        start = time.thread_time()
        again = next(open_player().play([(track, outcome["attempt"] + 1)]))
        seconds.append({"engine": time.thread_time() - start})
        outcome = _finish(track, outcome["attempt"] + 1, again, work)
        errors += outcome.pop("errors")
    return {**outcome, "errors": errors, "seconds": total_seconds([*seconds, outcome["seconds"]])}


def may_pass(outcome: dict[str, Any], recipe: GenerateRecipe) -> bool:
    """Whether a track that was held back is worth another take."""
    gates = [GateResult(**gate) for gate in outcome["gates"]]
    return outcome["attempt"] + 1 < recipe.max_attempts and not is_out_of_reach(gates)


def ready_to_finish(work: TrackWork) -> SoundFont:
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
def originals_here(reference: Any) -> Originals:
    """What the tracks of an order must not repeat; by Ray's reference to it where it was sent."""
    if isinstance(reference, Originals):
        return reference
    import ray

    found: Originals = ray.get(reference)
    return found


def opened_player(checkpoint: Playable, recipe: GenerateRecipe) -> Player:
    """A player of a checkpoint that has compiled what it needs."""
    import torch

    from lstm_core.composing.players import open_player
    from lstm_core.tracks.warm_up import compile_player

    torch.set_num_threads(1)
    player = open_player(checkpoint, arithmetic=recipe.arithmetic, device=recipe.device)
    compile_player(player)
    return player


def _attempt_here(work: TrackWork, open_player: Callable[[], Player], attempts: Attempts) -> Iterator[dict[str, Any]]:
    rows = list(attempts.values())
    size = min(work.recipe.chunk, CHUNK_HERE)
    for chunk in (rows[start : start + size] for start in range(0, len(rows), size)):
        player, start = open_player(), time.thread_time()
        # All of them before the first is finished: a player that is in the midst of a batch can play no other take.
        takes = list(player.play(chunk))
        engine_s = (time.thread_time() - start) / len(chunk)
        for take in takes:
            track, attempt = chunk[take.number]
            try:
                outcome = finish_take(track, attempt, take, work, open_player, engine_s)
            except BaseException as error:
                _leave_nothing_half(work.catalogue, track.track_id)
                if isinstance(error, OSError) and error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise StorageError(str(error)) from error  # as through Ray
                raise
            yield outcome


def _leave_nothing_half(catalogue: str, track_id: str) -> None:
    """Removes the files of a track that was interrupted before its record."""
    folder = storage.join(catalogue, TRACKS_FOLDER, track_id)
    with suppress(StorageError):
        if not storage.exists(storage.join(folder, RECORD_NAME)):
            withdraw_track(catalogue, track_id)


def _gate_message(gate: GateResult, order: TrackOrder) -> str:
    """Why a gate held a track back, and what to order where that is known."""
    hint = (
        " (the bars repeat too often: order temperature = 1.15 and top_p = 1)" if gate.name == "distinct_bars" else ""
    )
    if gate.name == "original":
        hint = " (so many notes in a row stand in a training piece of the checkpoint: order another seed)"
    elif gate.name == "same_as_earlier":
        hint = " (so many tracks of the catalogue have nearly the same notes: order another seed)"
    elif gate.name in ("layers", "layers_sound", "layers_add"):
        hint = " (too few parts play: order fewer layers, or name more instruments)"
    elif gate.name in ("changed", "first_apart", "last_apart"):
        hint = " (what was made again came out the same: order another seed, or a higher temperature)"
    loudest = math.floor(10 * (order.loudness_lufs - gate.value)) / 10
    if gate.name == "loudness" and loudest > SILENCE_LUFS:
        hint = f" (under its true peak this music gets no louder: order loudness_lufs = {loudest:.1f} or less)"
    return f"{gate.name} is {gate.value:.3f}, bound {gate.bound:.3f}{hint}"


def _is_tried_again(outcome: dict[str, Any], recipe: GenerateRecipe) -> bool:
    return not outcome["is_passed"] and recipe.device == "cpu" and may_pass(outcome, recipe)


def _finish(track: PlannedTrack, attempt: int, take: Take, work: TrackWork) -> dict[str, Any]:
    track_id = track.track_id
    try:
        soundfont = ready_to_finish(work)
        originals = originals_here(work.originals)
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
        processor=processor(),
        cpu_s={name: round(seconds, 3) for name, seconds in finished.seconds.items()},
    )
    return {
        "track_id": track_id,
        "attempt": attempt,
        "is_passed": not failed,
        "reason": "; ".join(_gate_message(gate, track.order) for gate in failed),
        "gates": [asdict(gate) for gate in finished.record.gates],
        "record": record,
        "processor": processor(),
        "errors": [],
        "seconds": {**finished.seconds, "commit": time.thread_time() - start},
    }
