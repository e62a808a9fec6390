"""The notes of a take become the files of a track: stems, master, MIDI, picture, and what they measure."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from lstm_core.catalogue.form import TrackForm
from lstm_core.catalogue.plan_form import form_of_plan
from lstm_core.catalogue.records import TrackRecord
from lstm_core.catalogue.roll import draw_roll
from lstm_core.composing.accompanying import TUNE_PART
from lstm_core.composing.take import Take
from lstm_core.notes.midi import write_midi
from lstm_core.notes.score import Score, cut_score
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.planned import PlannedTrack
from lstm_core.orders.sections import sections_of
from lstm_core.orders.sources.asked import is_remade
from lstm_core.sound.audio import Waveform
from lstm_core.sound.loops.points import LoopPoints
from lstm_core.sound.mastering import Intro, LayerStems, Level, MasterSettings, Stems, master
from lstm_core.sound.output_formats import encode, output_format
from lstm_core.sound.soundfont import SoundFont
from lstm_core.sound.synth import END_FADE_S, iter_stems, render_stems
from lstm_core.tracks.cues import cue_gates
from lstm_core.tracks.gates import GateResult, audio_gates, note_ends, order_gates
from lstm_core.tracks.identity import Provenance
from lstm_core.tracks.layer_audio import layer_audio_gates, layer_name, layer_rows, render_layers, together
from lstm_core.tracks.layers import Layering, layer_gates, layering_of
from lstm_core.tracks.originals import NOTHING_KNOWN, Originals
from lstm_core.tracks.promises import promise_gates
from lstm_core.tracks.record import track_record

LONG_TRACK_S = 300.0  # from here on stems are mixed one by one: half an hour of ten families is 6 GB at once


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A finished take of a track, delivered or not."""

    record: TrackRecord  # without its files
    files: dict[str, bytes]
    gates: list[GateResult]
    seconds: dict[str, float] = field(compare=False)  # processor time of each stage

    @property
    def is_passed(self) -> bool:
        """Whether it may be delivered."""
        return all(gate.is_passed for gate in self.gates)


def finish_track(
    track: PlannedTrack,
    attempt: int,
    take: Take,
    provenance: Provenance,
    soundfont: SoundFont,
    *,
    originals: Originals = NOTHING_KNOWN,
) -> Finished:
    """The track of a take: score, stems, master, files, measurements, gates and record.

    `soundfont` is that of `provenance`, on this machine; `originals` is what the track must not repeat.
    """
    order, plan = track.order, track.plan
    clock = _Clock()
    score = take.score(plan, title=track.name)
    form = form_of_take(track, take)
    settings = master_settings(order)
    loop_points = loop_points_of(track, score)
    layering = layering_of(take, plan, order.layers) if order.layers else None
    with clock.stage("synth"):
        stems, intro, layers = _rendered(score, track, soundfont, loop_points, layering)
        level = _level_of(score, track, soundfont, loop_points)
    with clock.stage("master"):
        mastered = master(
            stems,
            num_samples=plan.num_samples,
            loop=order.loop,
            seed=track.seed_of(attempt),
            settings=settings,
            music_end=_music_end(score, track),
            keep_stems=order.stems,
            intro=intro,
            layers=layers,
            level=level,
        )
    del stems, intro, layers, level
    suffix = output_format(order.format, order.bit_depth).suffix
    audio = {"master": mastered.waveform} | {f"stems/{name}": stem for name, stem in mastered.stems.items()}
    audio |= {layer_name(number): layer for number, layer in enumerate(mastered.layers)}
    with clock.stage("encode"):
        files = {f"{name}{suffix}": _encode(waveform, settings, loop_points) for name, waveform in audio.items()}
    with clock.stage("gates"):
        data = files[f"master{suffix}"]
        gates = audio_gates(
            data,
            num_samples=plan.num_samples,
            loop=order.loop,
            settings=settings,
            note_ends=note_ends(score, order.sample_rate),
            loop_start=0 if loop_points is None else loop_points.start,
            mastered=mastered,
        )
        gates += order_gates(score, order, plan, has_key_gate=take.plan is not None)
        gates += promise_gates(track, take) + cue_gates(track, take)
        if layering is not None:
            gates += layer_gates(take, plan, layering, order.layers)
        if layering is not None and layering.parts:
            gates += layer_audio_gates(
                [files[f"{layer_name(number)}{suffix}"] for number in range(order.layers)],
                data,
                score=score,
                layering=layering,
                num_samples=plan.num_samples,
                loop=order.loop,
                settings=settings,
                loop_start=0 if loop_points is None else loop_points.start,
            )
        likeness = originals.compare(score, own=own_music(track, score))
        is_related = track.source is not None  # tracks that are made from others are like them
        gates += [gate for gate in likeness.gates if not (is_related and gate.name == "same_as_earlier")]
    with clock.stage("pictures"):
        files["score.mid"] = write_midi(score)
        files["roll.png"] = draw_roll(score, duration_s=order.duration_s, form=form)
    record = track_record(
        track,
        attempt,
        score=score,
        mastered=mastered,
        gates=gates,
        provenance=provenance,
        likeness=likeness,
        form=form,
        loop_points=loop_points,
        layers=layer_rows(mastered, layering, settings, loop=order.loop, loop_points=loop_points) if layering else None,
    )
    return Finished(record=record, files=files, gates=gates, seconds=clock.seconds)


def form_of_take(track: PlannedTrack, take: Take) -> TrackForm | None:
    """Sections, chords and roles of a take as its record shows them; None for one without a plan."""
    if take.plan is None:
        return None
    names = [placed.spec.name for placed in sections_of(track.order, track.plan)]
    return form_of_plan(take.plan, take.shift, names or None, loop_start=track.order.loop_start)


def own_music(track: PlannedTrack, score: Score) -> Score:
    """What the composer wrote of a score: all but the tune that the order gives."""
    if track.tune is None:
        return score
    return replace(score, notes=score.notes[score.notes["part"] != TUNE_PART])


def loop_points_of(track: PlannedTrack, score: Score) -> LoopPoints | None:
    """The samples between which a loop after an intro goes round; None where all does, or nothing."""
    order, plan = track.order, track.plan
    if not order.loop_start:
        return None
    start_s = float(score.seconds(np.array([plan.tick_of(order.loop_start)]))[0])
    return LoopPoints(start=round(start_s * order.sample_rate), end=plan.num_samples)


def master_settings(order: TrackOrder) -> MasterSettings:
    """The settings of the master of an order."""
    return MasterSettings(
        sample_rate=order.sample_rate,
        loudness_lufs=order.loudness_lufs,
        reverb=order.reverb,
        bit_depth=order.bit_depth,
        format=order.format,
    )


def _rendered(
    score: Score,
    track: PlannedTrack,
    soundfont: SoundFont,
    loop_points: LoopPoints | None,
    layering: Layering | None,
) -> tuple[Stems, Intro | None, tuple[LayerStems, ...]]:
    """The stems of a track and its intro, as `_stems_of` gives them, and what each of its layers adds."""
    if layering is None or not layering.parts:
        return *_stems_of(score, track, soundfont, loop_points), ()
    layers = render_layers(score, layering, lambda part: _stems_of(part, track, soundfont, loop_points))
    intro = None
    if loop_points is not None:
        intro = Intro(stems=together([layer.intro for layer in layers]), num_samples=loop_points.start)
    return together([layer.stems for layer in layers]), intro, layers


def _stems_of(
    score: Score, track: PlannedTrack, soundfont: SoundFont, loop_points: LoopPoints | None
) -> tuple[Stems, Intro | None]:
    """The stems of a score; of a loop after an intro those of the loop, and the intro."""
    order, plan = track.order, track.plan
    render: Callable[..., Stems] = render_stems if order.stems or order.duration_s < LONG_TRACK_S else iter_stems
    if loop_points is None:
        return render(score, soundfont, sample_rate=order.sample_rate, num_samples=plan.num_samples), None
    before, body = cut_score(score, plan.tick_of(order.loop_start))
    start = loop_points.start
    intro = render(before, soundfont, sample_rate=order.sample_rate, num_samples=start, tail_s=END_FADE_S)
    stems = render(body, soundfont, sample_rate=order.sample_rate, num_samples=loop_points.end - start)
    return stems, Intro(stems=intro, num_samples=start)


def _level_of(score: Score, track: PlannedTrack, soundfont: SoundFont, loop_points: LoopPoints | None) -> Level | None:
    """What the stems of a track that is made from another one are as loud as; None where it is the track itself."""
    if track.source is None or not track.order.stems or not is_remade(track.order):
        return None
    before = replace(score, notes=track.source.level)
    stems, intro = _stems_of(before, track, soundfont, loop_points)
    return Level(stems=stems, music_end=_music_end(before, track), intro=intro)


def _music_end(score: Score, track: PlannedTrack) -> int:
    return min(round(score.duration_s * track.order.sample_rate), track.plan.num_samples)


def _encode(waveform: Waveform, settings: MasterSettings, loop_points: LoopPoints | None) -> bytes:
    return encode(
        waveform,
        sample_rate=settings.sample_rate,
        format=settings.format,
        bit_depth=settings.bit_depth,
        loop_points=loop_points,
    )


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
