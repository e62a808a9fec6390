"""The record of a track, of all that was requested, planned, played and measured."""

from __future__ import annotations

import json
import math

import numpy as np

from lstm_core import storage
from lstm_core.catalogue.form import TrackForm
from lstm_core.catalogue.made_with import versions
from lstm_core.catalogue.records import (
    GateVerdict,
    MelodyRecording,
    TrackKey,
    TrackLayer,
    TrackMeter,
    TrackRecord,
    TrackTempo,
)
from lstm_core.notes.describe import describe
from lstm_core.notes.instruments import instrument_name
from lstm_core.notes.keys import key_name
from lstm_core.notes.score import Score
from lstm_core.orders.order import TrackOrder, order_fields
from lstm_core.orders.plan import TrackPlan
from lstm_core.orders.planned import PlannedTrack
from lstm_core.sound.loops.points import LoopPoints
from lstm_core.sound.mastering import Master
from lstm_core.tracks.gates import GateResult, score_fingerprint
from lstm_core.tracks.identity import FORMAT_VERSION, Provenance
from lstm_core.tracks.originals import Likeness


def track_record(
    track: PlannedTrack,
    attempt: int,
    *,
    score: Score,
    mastered: Master,
    gates: list[GateResult],
    provenance: Provenance,
    likeness: Likeness,
    form: TrackForm | None = None,
    loop_points: LoopPoints | None = None,
    layers: tuple[TrackLayer, ...] | None = None,
) -> TrackRecord:
    """All that is known of an attempt at a track but for its files.

    `form` where it was made from a plan, `loop_points` where it is a loop after an intro, `layers` where it has some.
    """
    order, plan = track.order, track.plan
    return TrackRecord(
        track_id=track.track_id,
        name=track.name,
        style=order.style,
        duration_s=plan.num_samples / order.sample_rate,
        num_samples=plan.num_samples,
        sample_rate=order.sample_rate,
        bit_depth=order.bit_depth,
        format=order.format,
        loudness_lufs=mastered.loudness_lufs,
        true_peak_dbtp=mastered.true_peak_dbtp,
        loop=order.loop,
        bpm=plan.bpm,
        key=describe(score).key if plan.key is None else key_name(plan.key),
        meter=str(plan.meter),
        num_bars=plan.num_bars,
        instruments=tuple(sorted({instrument_name(int(program)) for program in np.unique(score.notes["program"])})),
        seed=order.seed,
        attempt=attempt,
        gates=tuple(map(verdict, gates)),
        order=order_fields(order) | _names_of_places(order),
        checkpoint=provenance.checkpoint,
        soundfont={"name": provenance.soundfont.name, "sha256": provenance.soundfont.sha256},
        arithmetic=provenance.arithmetic,
        score_fingerprint=score_fingerprint(score),
        loop_start_bar=order.loop_start or None,
        loop_start_sample=None if loop_points is None else loop_points.start,
        loop_end_sample=None if loop_points is None else loop_points.end,
        form=form,
        longest_shared_run=None if likeness.shared is None else likeness.shared.num_notes,
        nearest_piece=likeness.nearest_piece,
        nearest_similarity=likeness.nearest_similarity,
        notes_signature=likeness.signature,
        tempos=_tempos(track, score) or None,
        keys=_keys(track) or None,
        meters=_meters(track, score) or None,
        layers=layers,
        recording=_recording(track),
        versions=versions(),
        format_version=FORMAT_VERSION,
    )


def _names_of_places(order: TrackOrder) -> dict[str, str]:
    """The names of what an order takes from elsewhere: where that lies is of one machine alone."""
    places = {"primer": order.primer, "melody": order.melody, "catalogue": order.catalogue}
    return {field: storage.name_of(uri) if uri else "" for field, uri in places.items() if uri or field == "primer"}


def _recording(track: PlannedTrack) -> MelodyRecording | None:
    """The recording that the melody of a track was found in, None where it was written down or there is none."""
    origin = None if track.tune is None else track.tune.origin
    if origin is None:
        return None
    return MelodyRecording(
        file=storage.name_of(track.order.melody), num_notes=origin.num_notes, confidence=origin.confidence
    )


def _tempos(track: PlannedTrack, score: Score) -> tuple[TrackTempo, ...]:
    """The tempos of a score where the plan of its track has more than one."""
    tempos, plan = track.plan.tempos, track.plan
    starts = score.seconds(np.array([tempo.tick for tempo in tempos], dtype=np.int64)).tolist()
    return tuple(
        TrackTempo(bar=_bar_of(plan, tempo.tick), start_s=start, bpm=tempo.bpm)
        for tempo, start in zip(tempos, starts, strict=True)
    )


def _keys(track: PlannedTrack) -> tuple[TrackKey, ...]:
    """The keys of a track where its plan has more than one."""
    plan = track.plan
    return tuple(TrackKey(bar=round(_bar_of(plan, change.tick)), key=key_name(change.key)) for change in plan.keys)


def _meters(track: PlannedTrack, score: Score) -> tuple[TrackMeter, ...]:
    """The meters of a track where its plan has more than one."""
    plan = track.plan
    starts = score.seconds(np.array([meter.tick for meter in plan.meters], dtype=np.int64)).tolist()
    return tuple(
        TrackMeter(bar=round(_bar_of(plan, meter.tick)), start_s=start, meter=str(meter))
        for meter, start in zip(plan.meters if plan.section_meters else (), starts, strict=False)
    )


def _bar_of(plan: TrackPlan, tick: int) -> float:
    """The bar that a tick lies in, with the share of it that is over."""
    if not plan.section_meters:
        return tick / plan.meter.bar_ticks
    bar = int(plan.bars_at(np.array(tick)))
    return bar + (tick - plan.tick_of(bar)) / int(plan.bar_ticks[bar])


def verdict(gate: GateResult) -> GateVerdict:
    """What a record says of a gate: its bound is text, for people."""
    bound = json.dumps(round(gate.bound, 6) + 0.0) if math.isfinite(gate.bound) else ""
    return GateVerdict(name=gate.name, is_passed=gate.is_passed, value=gate.value, bound=bound)
