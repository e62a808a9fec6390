"""The audio of a track's layers: what they are mixed from, what their files must pass, what the record says of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from lstm_core.catalogue.records import TrackLayer
from lstm_core.notes.score import FAMILIES, Score
from lstm_core.sound.audio import AudioError, Waveform
from lstm_core.sound.layers.fades import fade_peak_dbtp
from lstm_core.sound.loops.joining import joined_peak_dbtp
from lstm_core.sound.loops.points import LoopPoints
from lstm_core.sound.loops.seam import SeamMeasure, measure_entry, measure_seam
from lstm_core.sound.loudness import SILENCE_LUFS, integrated_loudness, true_peak_dbtp
from lstm_core.sound.mastering import Intro, LayerStems, Master, MasterSettings, Stems
from lstm_core.sound.output_formats import output_format
from lstm_core.tracks.gates import (
    ENDING_DBFS,
    ENDING_S,
    NOTHING_DB,
    GateResult,
    at_least,
    at_most,
    level_dbfs,
    note_ends,
)
from lstm_core.tracks.layers import Layering

Render = Callable[[Score], tuple[Stems, Intro | None]]


def layer_name(number: int) -> str:
    """Name of a layer's file without its suffix; `number` from 0."""
    return f"layer-{number + 1}"


def render_layers(score: Score, layering: Layering, render: Render) -> tuple[LayerStems, ...]:
    """What each layer adds, rendered for itself."""
    made = [render(replace(score, notes=layering.added(score.notes, number))) for number in range(len(layering.parts))]
    return tuple(
        LayerStems(stems=dict(stems), intro=dict(intro.stems) if intro is not None else {}) for stems, intro in made
    )


def together(all_stems: Sequence[Stems]) -> dict[str, Waveform]:
    """The stems of all layers as those of one track: float32 [2, S] by family."""
    summed: dict[str, Waveform] = {}
    for stems in all_stems:
        for family, stem in dict(stems).items():
            summed[family] = summed[family] + stem if family in summed else stem
    return {family: summed[family] for family in FAMILIES if family in summed}


def layer_audio_gates(
    files: Sequence[bytes],
    master: bytes,
    *,
    score: Score,
    layering: Layering,
    num_samples: int,
    loop: bool,
    settings: MasterSettings,
    loop_start: int = 0,
) -> list[GateResult]:
    """Results of the gates of layers, measured on what their bytes decode to.

    `layers_length`, samples of the shortest or longest layer, whichever is further off; `layers_full`, samples of the
    last layer that differ from the master's; `layers_heard`, LUFS of the softest; `layers_peak`, dBTP that a fade
    between two layers reaches at most; `layers_seam_jump`, `layers_seam_drop` and `layers_entry_jump`, or
    `layers_ending`: as those of the track, of the layer that is worst.
    """
    waveforms = [_decoded(data, settings) for data in files]
    length = max((waveform.shape[1] for waveform in waveforms), key=lambda samples: abs(samples - num_samples))
    gates = [GateResult("layers_length", length == num_samples, float(length), float(num_samples))]
    if not gates[0].is_passed:
        return gates
    rate = settings.sample_rate
    num_other = int((waveforms[-1] != _decoded(master, settings)).any(axis=0).sum())
    softest = min(integrated_loudness(waveform, rate, is_loop=loop and not loop_start) for waveform in waveforms)
    peak = fade_peak_dbtp(waveforms, is_loop=loop, loop_start=loop_start)
    gates += [
        at_most("layers_full", num_other, 0),
        at_least("layers_heard", max(softest, NOTHING_DB), SILENCE_LUFS),
        at_most("layers_peak", max(peak, NOTHING_DB), settings.true_peak_dbtp),
    ]
    if not loop:
        last = max(round(ENDING_S * rate), 1)
        loudest = max(level_dbfs(waveform[:, -last:]) for waveform in waveforms)
        return [*gates, at_most("layers_ending", loudest, ENDING_DBFS)]
    ends = [
        note_ends(replace(score, notes=layering.notes_of(score.notes, number)), rate) for number in range(len(files))
    ]
    seams = [
        measure_seam(waveform[:, loop_start:], rate, own - loop_start)
        for waveform, own in zip(waveforms, ends, strict=True)
    ]
    gates += [_worst("layers_seam_jump", [jump for jump, _ in seams])]
    gates += [_worst("layers_seam_drop", [drop for _, drop in seams])]
    if loop_start:
        entries = [measure_entry(waveform, rate, loop_start) for waveform in waveforms]
        gates.append(_worst("layers_entry_jump", entries))
    return gates


def layer_rows(
    mastered: Master, layering: Layering, settings: MasterSettings, *, loop: bool, loop_points: LoopPoints | None
) -> tuple[TrackLayer, ...] | None:
    """What the record says of each layer; None for a track without."""
    start, rate = 0 if loop_points is None else loop_points.start, settings.sample_rate
    measures = [
        (
            integrated_loudness(waveform, rate, is_loop=loop and not start),
            joined_peak_dbtp(waveform, start) if start else true_peak_dbtp(waveform, is_loop=loop),
        )
        for waveform in mastered.layers[:-1]
    ]
    measures.append((mastered.loudness_lufs, mastered.true_peak_dbtp))
    return (
        tuple(
            TrackLayer(
                name=layer_name(number),
                parts=tuple(part for added in layering.parts[: number + 1] for part in added),
                loudness_lufs=loudness,
                true_peak_dbtp=peak,
            )
            for number, (loudness, peak) in enumerate(measures)
            if mastered.layers
        )
        or None
    )


def _decoded(data: bytes, settings: MasterSettings) -> Waveform:
    """The samples of a file, none where it cannot be decoded."""
    try:
        return output_format(settings.format, settings.bit_depth).decode(data)[0]
    except AudioError:
        return np.zeros((2, 0), dtype=np.float32)


def _worst(name: str, measures: Sequence[SeamMeasure]) -> GateResult:
    worst = max(measures, key=lambda measure: measure.at_seam / measure.bound)
    return at_most(name, worst.at_seam, worst.bound)
