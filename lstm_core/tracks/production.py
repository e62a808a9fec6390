"""From an order row to a finished track: what the engine is asked, and all that is done with what it plays.

A track is a pure function of (order row, seed, checkpoint, soundfont, arithmetic, FORMAT_VERSION); `track_id` is the
hash of these.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lstm_core import storage
from lstm_core.catalogue.roll import draw_roll
from lstm_core.notes.describe import describe
from lstm_core.notes.instruments import instrument_name
from lstm_core.notes.keys import key_name
from lstm_core.notes.midi import write_midi
from lstm_core.notes.score import Meter, Score, Tempo
from lstm_core.orders.constraints import scale_of
from lstm_core.orders.order import TrackOrder, attempted, order_digest, order_fields
from lstm_core.orders.plan import TrackPlan, plan_track
from lstm_core.representations.note_events import EventArray, decode_events
from lstm_core.sound.audio import encode
from lstm_core.sound.mastering import MasterSettings, master
from lstm_core.sound.soundfont import SoundFont
from lstm_core.sound.synth import iter_stems, render_stems
from lstm_core.tracks.gates import GateResult, audio_gates, note_ends, score_fingerprint, score_gates

if TYPE_CHECKING:  # what finishes tracks has no use for torch, which takes seconds to import and hundreds of megabytes
    from lstm_core.model.checkpoint import Checkpoint

LONG_TRACK_S = 300.0  # from here on stems are mixed one by one: half an hour of ten families is 6 GB at once
FORMAT_VERSION = 2  # of the code between an order and its bytes: raised by every change that a listener could notice


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What a track is made with besides its order."""

    checkpoint: dict[str, Any]  # fingerprint, name, corpus_fingerprint, licences, step, valid_nll, parents
    soundfont: SoundFont
    arithmetic: str  # "bf16-cpu", ...


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A track as it comes out of the mill, delivered or not."""

    content: dict[str, Any]  # of its record
    files: dict[str, bytes]
    gates: list[GateResult]
    seconds: dict[str, float] = field(compare=False)  # processor time of each stage

    @property
    def is_passed(self) -> bool:
        """Whether it may be delivered."""
        return all(gate.is_passed for gate in self.gates)


def describe_checkpoint(checkpoint: Checkpoint) -> dict[str, Any]:
    """What a track record says of the checkpoint that played it."""
    facts = checkpoint.facts
    return {
        "fingerprint": checkpoint.fingerprint,
        "name": facts.name,
        "step": facts.step,
        "valid_nll": facts.valid_nll,
        "corpus_fingerprint": facts.corpus_fingerprint,
        "licences": facts.licences,
        "parents": list(facts.parents),
        "recipe": facts.recipe,
    }


def track_id_of(order: TrackOrder, provenance: Provenance) -> str:
    """Name of the track that an order row becomes: 24 hexadecimal digits."""
    parts = [
        order_digest(order),
        provenance.checkpoint["fingerprint"],
        provenance.soundfont.sha256,
        provenance.arithmetic,
        FORMAT_VERSION,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def finish_track(
    order: TrackOrder, attempt: int, events: EventArray, provenance: Provenance, track_id: str
) -> Finished:
    """Everything after the engine: score, stems, master, files, measurements, gates."""
    taken = attempted(order, attempt)
    plan = plan_track(order)
    clock = _Clock()
    score = score_of(events, plan, title=order.name or track_id)
    settings = master_settings(order)
    with clock.stage("synth"):
        render = render_stems if order.stems or order.duration_s < LONG_TRACK_S else iter_stems
        stems = render(score, provenance.soundfont, sample_rate=order.sample_rate, num_samples=plan.num_samples)
    release = round(score.duration_s * order.sample_rate)
    with clock.stage("master"):
        mastered = master(
            stems,
            num_samples=plan.num_samples,
            loop=order.loop,
            seed=taken.seed,
            settings=settings,
            music_end=min(release, plan.num_samples),
            keep_stems=order.stems,
        )
    del stems
    audio_name = f"master.{order.format}"
    with clock.stage("encode"):
        files = {audio_name: _encode(mastered.waveform, settings)}
        files |= {f"stems/{name}.{order.format}": _encode(stem, settings) for name, stem in mastered.stems.items()}
    with clock.stage("gates"):
        gates = audio_gates(
            files[audio_name],
            num_samples=plan.num_samples,
            loop=order.loop,
            settings=settings,
            note_ends=note_ends(score, order.sample_rate),
        )
        gates += gates_of_score(score, order, plan)
    with clock.stage("pictures"):
        files["score.mid"] = write_midi(score)
        files["roll.png"] = draw_roll(score, duration_s=order.duration_s)
    content = {
        "track_id": track_id,
        "name": order.name or track_id,
        "style": order.style,
        "duration_s": plan.num_samples / order.sample_rate,
        "num_samples": plan.num_samples,
        "sample_rate": order.sample_rate,
        "bit_depth": order.bit_depth,
        "format": order.format,
        "loudness_lufs": mastered.loudness_lufs,
        "true_peak_dbtp": mastered.true_peak_dbtp,
        "loop": order.loop,
        "bpm": plan.bpm,
        "key": describe(score).key if plan.key is None else key_name(plan.key),
        "meter": str(plan.meter),
        "num_bars": plan.num_bars,
        "instruments": sorted({instrument_name(int(program)) for program in np.unique(score.notes["program"])}),
        "seed": order.seed,
        "attempt": attempt,
        "gates": gates,
        "order": order_fields(order) | {"primer": storage.name_of(order.primer) if order.primer else ""},
        "checkpoint": provenance.checkpoint,
        "soundfont": {"name": provenance.soundfont.name, "sha256": provenance.soundfont.sha256},
        "arithmetic": provenance.arithmetic,
        "score_fingerprint": score_fingerprint(score),
        "format_version": FORMAT_VERSION,
    }
    return Finished(content=content, files=files, gates=gates, seconds=clock.seconds)


def score_of(events: EventArray, plan: TrackPlan, *, title: str = "") -> Score:
    """The score of generated events, in the tempo and meter of its plan."""
    meter = Meter(tick=0, numerator=plan.meter.numerator, denominator=plan.meter.denominator)
    return decode_events(events, tempos=(Tempo(tick=0, bpm=plan.bpm),), meters=(meter,), title=title)


def gates_of_score(score: Score, order: TrackOrder, plan: TrackPlan) -> list[GateResult]:
    """What the notes of a track must pass."""
    gates = score_gates(
        score,
        key_pitch_classes=None if order.primer else scale_of(order, plan),
        num_bars=plan.num_bars,
        bar_ticks=plan.meter.bar_ticks,
    )
    heard = {int(program) for program in np.unique(score.notes["program"])}
    missing = sum(1 for programs in plan.programs if not heard.intersection(programs))
    gates.append(GateResult("asked_instruments_missing", missing == 0, float(missing), 0.0))
    return gates


def master_settings(order: TrackOrder) -> MasterSettings:
    """How an order wants its audio."""
    return MasterSettings(
        sample_rate=order.sample_rate,
        loudness_lufs=order.loudness_lufs,
        room=order.room,
        bit_depth=order.bit_depth,
        format=order.format,
    )


def _encode(waveform: Any, settings: MasterSettings) -> bytes:
    return encode(waveform, sample_rate=settings.sample_rate, format=settings.format, bit_depth=settings.bit_depth)


class _Clock:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.thread_time()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.thread_time() - start


def total_seconds(stages: Iterable[dict[str, float]]) -> dict[str, float]:
    """Processor time of each stage over many tracks."""
    total: dict[str, float] = {}
    for seconds in stages:
        for name, value in seconds.items():
            total[name] = total.get(name, 0.0) + value
    return total
