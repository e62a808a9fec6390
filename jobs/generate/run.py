"""tonemill generate: a checkpoint and an order become mastered tracks in a catalogue, with Ray Data or in this process.

In this process where few tracks are missing and nothing asks for Ray: its start would take longer than they do.

What is committed is never made again, so that a run that was killed goes on by running it again. A track that a gate
holds back is made from a derived seed, three times at most, and then reported. So is one with nearly the notes of
another: of a track that the catalogue held when the run began, or of the same order (repeats.py).
The transitions that an order asks for follow when its tracks are there (transitions.py).
"""

from __future__ import annotations

import logging
import math
import os
import re
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from jobs.generate.attempts import Attempting, Attempts, GenerateRecipe, TrackWork, attempting_here, may_pass
from jobs.generate.failures import failure_of, failures_before
from jobs.generate.free_space import free_bytes
from jobs.generate.processors import keep_processors
from jobs.generate.repeats import repeated_tracks
from jobs.generate.track_errors import ErrorWatch
from jobs.generate.track_pipeline import attempting_with_ray
from jobs.generate.transitions import Transitions, check_plans, is_transition
from jobs.runtime.local_ray import is_ray_connected, is_ray_shared
from jobs.runtime.one_thread import one_thread
from jobs.runtime.progress import Progress
from jobs.runtime.recipe import save_recipe
from jobs.runtime.sent_files import SentFile
from jobs.runtime.summary import (
    Nodes,
    RunSummary,
    nodes_of_this_machine,
    prices_of_environment,
    summarise,
    write_summary,
)
from lstm_core import storage
from lstm_core.catalogue.attribution import Terms, keep_terms
from lstm_core.catalogue.folder import withdraw_track, write_catalog
from lstm_core.catalogue.known import KnownTracks
from lstm_core.catalogue.records import TrackFailure, TrackRecord
from lstm_core.composing.players import Playable, check_accompanies, load_playable, load_training_runs
from lstm_core.composing.rules import strangers_to
from lstm_core.foundation.errors import OrderError
from lstm_core.model.arithmetic import arithmetic_named
from lstm_core.orders.admission import estimated_size_bytes
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.order_file import Order
from lstm_core.orders.order_tables import FreeSpace
from lstm_core.orders.planned import PlannedTrack
from lstm_core.sound.soundfont import identity_of, refer_to_soundfont
from lstm_core.tracks.finishing import total_seconds
from lstm_core.tracks.identity import Provenance, describe_checkpoint, track_id_of
from lstm_core.tracks.originals import EarlierTracks, Originals
from lstm_core.tracks.replay import Replayer, check_pinned

__all__ = ["GenerateRecipe", "GenerateResult", "default_workers", "run_generate"]

# Seconds of music up to which the process that was asked makes them itself. So much takes 6 s of processor time, which
# is all that any number of cores could save; to start Ray and its workers takes 22 s of it. 20 tracks of 30 s: 9 s of
# wall time here, 31 s with Ray (two cores of an AMD EPYC with other work on them, December 2026).
FEW_AUDIO_S = 600.0
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class GenerateResult:
    """What came of an order."""

    records: list[TrackRecord]  # of this order's tracks, in its order
    failures: list[TrackFailure]
    num_made: int  # by this run; the others were there
    page_uri: str
    seconds: dict[str, float]  # processor time of each stage
    summary: RunSummary | None = None  # what the run did and cost; None where nothing was to be made
    summary_uri: str = ""  # the same as a page


@one_thread()
def run_generate(
    run: str,
    order: Order,
    catalogue: str,
    recipe: GenerateRecipe,
    *,
    num_workers: int | None = None,
    is_here: bool = False,
    verbose: bool = False,
) -> GenerateResult:
    """Makes the tracks of an order that the catalogue does not hold yet.

    Args:
        run: Folder or URI of a run or a checkpoint, or "base".
        order: The tracks that are wanted.
        catalogue: Folder or URI that they go to.
        recipe: How they are made.
        num_workers: Engines of Ray; None: as many as suit the order, and no Ray for few tracks (`needs_no_ray`).
        is_here: In this process whatever their number, and without a summary.
        verbose: Whether Ray's own messages are shown.

    Raises:
        OrderError, CheckpointError, SoundFontError, PriceError: before any work; StorageError when the store fails.
    """
    start = time.perf_counter()
    prices_of_environment()  # which are wanted at the end, are refused before any work
    checkpoint = load_playable(run)
    _check_styles(order, checkpoint)
    check_accompanies(checkpoint, order.tracks)
    check_plans(checkpoint, order)
    arithmetic = arithmetic_named(recipe.arithmetic, recipe.device)
    soundfont = refer_to_soundfont(recipe.soundfont)
    provenance = Provenance(
        checkpoint=describe_checkpoint(checkpoint),
        soundfont=identity_of(soundfont),
        arithmetic=arithmetic,
    )
    for track in order.planned:
        check_pinned(track.order)
    named = [replace(track, track_id=track_id_of(track.order, provenance)) for track in order.planned]
    wanted = {track.track_id: track for track in named}
    catalogue = storage.absolute(catalogue)
    known = KnownTracks(catalogue)
    before = known.refresh()
    kept = {record.track_id: record for record in before if record.track_id in wanted}
    joining = {record.track_id: record for record in before if is_transition(record, wanted)}
    others = [record for record in before if record.track_id not in kept and record.track_id not in joining]
    missing = [track.order for track_id, track in wanted.items() if track_id not in kept]
    FreeSpace(free_bytes=free_bytes(catalogue)).check(len(missing), sum(map(estimated_size_bytes, missing)))
    replayer = Replayer(checkpoint, catalogue, run)
    wanted = {
        track_id: track if track_id in kept else replayer.with_source(track) for track_id, track in wanted.items()
    }
    facts = checkpoint.facts
    terms = Terms(name=facts.name, licences=facts.licences, notices=facts.notices)
    keep_terms(catalogue, checkpoint.fingerprint, terms)
    save_recipe(recipe, catalogue, f"orders/{_file_name(order.name)}.recipe.toml")
    work = TrackWork(
        checkpoint=checkpoint,
        originals=Originals(runs=load_training_runs(run, checkpoint), earlier=EarlierTracks(others)),
        soundfont=SentFile(reference=soundfont),
        catalogue=catalogue,
        order_name=order.name,
        provenance=provenance,
        recipe=replace(recipe, arithmetic=arithmetic.partition("-")[0]),
        num_workers=num_workers or default_workers(len(missing)),
    )
    transitions = Transitions(order, named, provenance, joining)
    opened: AbstractContextManager[tuple[Attempting, Nodes | None]]
    if is_here or (num_workers is None and needs_no_ray(missing, recipe)):
        opened = nullcontext((attempting_here(work), None if is_here else nodes_of_this_machine()))
    else:
        opened = attempting_with_ray(work, verbose=verbose)
    made = _make(work, wanted, kept, transitions, opened)
    everything = known.refresh()
    failures = failures_before(catalogue, {record.track_id for record in everything} | set(wanted)) + made.failures
    page = write_catalog(catalogue, everything, failures, title=order.name, stamps=known.stamps)
    result = GenerateResult(
        records=[made.records[track_id] for track_id in wanted if track_id in made.records],
        failures=made.failures,
        num_made=len(made.passed & set(made.records)),
        page_uri=page,
        seconds=made.seconds,
    )
    if made.nodes is None:
        return result
    summary = _summary(work, made, result, time.perf_counter() - start)
    return replace(result, summary=summary, summary_uri=write_summary(catalogue, summary))


def _summary(work: TrackWork, made: _Made, result: GenerateResult, wall_s: float) -> RunSummary:
    assert made.nodes is not None
    records = [record for record in result.records if record.track_id in made.passed]
    units = {
        "tracks": len(records),
        "audio_s": sum(record.duration_s for record in records),
        "failures": len(result.failures),
    }
    name = _file_name(work.order_name)
    by_track = {record.track_id: made.outcomes[record.track_id]["processor"] for record in records}
    return summarise(
        "generate",
        name,
        wall_s=wall_s,
        cpu_s=result.seconds,
        units=units,
        retries=sum(outcome["attempt"] for outcome in made.outcomes.values()),
        nodes=made.nodes,
        processors=keep_processors(work.catalogue, name, by_track),
    )


def needs_no_ray(missing: Sequence[TrackOrder], recipe: GenerateRecipe) -> bool:
    """Whether tracks are made in this process sooner than by workers of a Ray that would be started for them.

    Bridges follow the tracks of their order, and nobody knows yet how many: they count as many. A cluster, and a Ray
    that this process is connected to, have their workers, and a GPU is Ray's to give.
    """
    is_little = sum(order.duration_s for order in missing) <= FEW_AUDIO_S
    is_all = not any(order.transitions for order in missing)
    return is_little and is_all and recipe.device == "cpu" and not is_ray_shared() and not is_ray_connected()


def default_workers(num_tracks: int) -> int:
    """Engine workers for an order: the engine takes a tenth of a track's time, so one feeds many cores."""
    return max(1, min((os.cpu_count() or 1) // 8, math.ceil(num_tracks / 256)))


@dataclass
class _Made:
    """What has come of an order so far, by track_id."""

    records: dict[str, TrackRecord]
    outcomes: dict[str, dict[str, Any]]  # the last of each track that this run worked on
    passed: set[str]  # that this run made
    seconds: dict[str, float]  # processor time of each stage
    failures: list[TrackFailure]
    errors: ErrorWatch = field(default_factory=ErrorWatch)
    nodes: Nodes | None = None  # that it was made on; None where there was nothing to make, or nothing to sum up


def _make(
    work: TrackWork,
    wanted: dict[str, PlannedTrack],
    kept: dict[str, TrackRecord],
    transitions: Transitions,
    opened: AbstractContextManager[tuple[Attempting, Nodes | None]],
) -> _Made:
    """Attempts at all missing tracks, and at those that follow, until each is committed or has failed for good.

    `opened`, who makes them and on which machines, is entered where there is something to make.
    Everything is decided by what is committed and by the outcomes of whole rounds, so that a run that was killed
    decides the same when it is run again.
    """
    made = _Made(dict(kept), {}, set(), {}, [])
    waiting = _next_attempts(work, wanted, made) or _follow(work, wanted, made, transitions)
    if waiting:
        with (
            opened as (attempting, made.nodes),
            Progress("tracks", len(waiting), "tracks") as progress,
        ):
            while waiting:
                attempts = {track_id: (wanted[track_id], number) for track_id, number in waiting.items()}
                _play_round(attempting, attempts, made, progress)
                num_made = len(made.records)
                waiting = _next_attempts(work, wanted, made)
                if num_withdrawn := num_made - len(made.records):
                    progress.advance(-num_withdrawn)
                if not waiting:
                    waiting = _follow(work, wanted, made, transitions)
                    progress.expect(len(waiting))
    made.failures = [
        failure_of(wanted[track_id], made.outcomes[track_id]) for track_id in wanted if track_id not in made.records
    ]
    return made


def _follow(work: TrackWork, wanted: dict[str, PlannedTrack], made: _Made, transitions: Transitions) -> dict[str, int]:
    """The first attempts at what follows the tracks of an order, which is wanted from now on; nothing the second time.

    Raises:
        StorageError: there is not enough free space for it.
    """
    rows = transitions.after(made.records)
    new = {track_id: track for track_id, track in rows.items() if track_id not in wanted}
    wanted.update(new)
    made.records.update({track_id: transitions.there[track_id] for track_id in new if track_id in transitions.there})
    missing = [track.order for track_id, track in new.items() if track_id not in made.records]
    FreeSpace(free_bytes=free_bytes(work.catalogue)).check(len(missing), sum(map(estimated_size_bytes, missing)))
    return _next_attempts(work, wanted, made) if missing else {}


def _play_round(attempting: Attempting, attempts: Attempts, made: _Made, progress: Progress) -> None:
    """One attempt at each of some tracks."""
    for outcome in attempting(attempts):
        track_id = outcome["track_id"]
        made.seconds = total_seconds([made.seconds, outcome["seconds"]])
        made.outcomes[track_id] = outcome
        made.errors.look_at(track_id, outcome["errors"])
        if outcome["is_passed"]:
            made.passed.add(track_id)
            made.records[track_id] = TrackRecord.from_json(outcome["record"].encode())
            kept = ("track_id", "attempt", "processor")  # the record has the rest
            made.outcomes[track_id] = {name: outcome[name] for name in kept}
            progress.advance(1)


def _next_attempts(work: TrackWork, wanted: dict[str, PlannedTrack], made: _Made) -> dict[str, int]:
    """The number of the next attempt at each track that is missing and may still pass; withdraws repeated tracks."""
    while True:
        waiting = {
            track_id: made.outcomes[track_id]["attempt"] + 1 if track_id in made.outcomes else 0
            for track_id in wanted
            if track_id not in made.records
            and (
                track_id not in made.outcomes
                or (not made.errors.is_done_with(track_id) and may_pass(made.outcomes[track_id], work.recipe))
            )
        }
        repeated = repeated_tracks(made.records.values(), waiting, max_attempts=work.recipe.max_attempts)
        if not repeated:
            return waiting
        for track_id in repeated:
            _withdraw(work, made, track_id)


def _withdraw(work: TrackWork, made: _Made, track_id: str) -> None:
    """Takes a track that repeats another one out of the catalogue."""
    record = made.records.pop(track_id)
    withdraw_track(work.catalogue, track_id)
    made.outcomes[track_id] = {
        "track_id": track_id,
        "attempt": record.attempt,
        "reason": "the same notes as another track of the order, or nearly the same",
        "gates": [asdict(gate) for gate in record.gates],
    }


def _check_styles(order: Order, checkpoint: Playable) -> None:
    known = checkpoint.facts.styles
    unknown = sorted({track.style for track in order.tracks if track.style and track.style not in known})
    if unknown:
        raise OrderError(
            f"The checkpoint {checkpoint.facts.name} has not learnt the style {', '.join(map(repr, unknown))}. "
            f"It knows {', '.join(known) or 'none'}. Leave style out, or train on a corpus that has it."
        )
    strangers = {
        (name, track.style)
        for track in order.tracks
        if track.style
        for name in strangers_to(track.style, track.instruments, checkpoint.facts.statistics)
    }
    for name, style in sorted(strangers):
        _logger.warning(
            "No piece of style %s that the checkpoint learnt from has an instrument such as %s: it is played as other "
            "styles play it.",
            style,
            name,
        )


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name).lstrip(".") or "order"
