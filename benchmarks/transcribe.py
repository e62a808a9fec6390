"""How well and how fast recordings become notes, beside basic-pitch 0.4 on the same audio.

    python -m benchmarks.transcribe

20 clean and 14 mixed excerpts of 30 s (benchmarks.transcribe_set), scored by mir_eval:

    onset_f1_clean, onset_f1_mix  right pitch within 50 ms of an onset, ends not looked at; mean over excerpts. The
        reference is what the rendered MIDI plays, all programs folded together, onsets of one pitch within 50 ms
        counted once; drums sound in the mixed ones and are not in their reference
    drum_f1       kick, snare and hat within 50 ms, counted over all mixed excerpts; mean of the three
    beat_f1       within 70 ms, the first five seconds left out; all excerpts
    tempo_share   of excerpts whose tempo is within 4 % of the true one (see lstm_core.transcription.beats.felt_beats)
    key_share     of excerpts whose key is that of the reference score, both found by lstm_core.notes.describe
    transcribe_realtime_per_core  seconds of audio by seconds of processor time from WAV file to score, one
        thread
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mir_eval
import numpy as np
import numpy.typing as npt
import torch

from benchmarks.basic_pitch_peer import PeerNotes, basic_pitch
from benchmarks.report import print_metric
from benchmarks.transcribe_set import Excerpt, test_set
from lstm_core.foundation.errors import ScoreError
from lstm_core.notes.describe import describe
from lstm_core.notes.score import DRUMS, Score, make_notes
from lstm_core.recordings.recording import open_recording
from lstm_core.recordings.resampling import resample_mono
from lstm_core.transcription.beats.felt_beats import felt_beats
from lstm_core.transcription.beats.grid import GriddedScore, score_of
from lstm_core.transcription.spectrogram import SAMPLE_RATE
from lstm_core.transcription.transcriber import Transcriber
from lstm_core.transcription.transcriber_checkpoint import load_transcriber
from lstm_core.transcription.transcription import DRUM_NAMES, HAT, KICK, SNARE, Transcription

ONSET_TOLERANCE_S, TEMPO_TOLERANCE = 0.05, 0.04
DRUM_OF_KEY = {35: KICK, 36: KICK, 37: SNARE, 38: SNARE, 39: SNARE, 40: SNARE, 42: HAT, 44: HAT, 46: HAT}
TARGETS = {
    "drum_f1": 0.8,
    "beat_f1": 0.88,
    "tempo_share": 0.85,
    "key_share": 0.8,
    "transcribe_realtime_per_core": 100.0,
}
Notes = npt.NDArray[np.float64]  # rows of (onset_s, offset_s, pitch), [n, 3]


@dataclass(frozen=True, kw_only=True, eq=False)
class Transcribed:
    """What our transcriber makes of one excerpt."""

    transcription: Transcription
    gridded: GriddedScore | None  # None where nothing was transcribed
    seconds: float  # of processor time

    @property
    def notes(self) -> Notes:
        notes = self.transcription.notes
        return np.column_stack([notes["onset_s"], notes["offset_s"], notes["pitch"]]).astype(np.float64)


def onset_scores(reference: Notes, estimate: Notes) -> tuple[float, float, float]:
    """Precision, recall and F1 of notes by pitch and onset."""
    if len(reference) == 0 or len(estimate) == 0:
        return 0.0, 0.0, 0.0
    sides = []
    for notes in (reference, estimate):
        ends = np.maximum(notes[:, 1], notes[:, 0] + 0.01)
        sides += [np.column_stack([notes[:, 0], ends]), 440.0 * 2.0 ** ((notes[:, 2] - 69.0) / 12.0)]
    precision, recall, f1, _ = mir_eval.transcription.precision_recall_f1_overlap(
        *sides, onset_tolerance=ONSET_TOLERANCE_S, offset_ratio=None
    )
    return float(precision), float(recall), float(f1)


def drum_counts(excerpt: Excerpt, transcription: Transcription) -> npt.NDArray[np.int64]:
    """Hits of the reference, of the estimate, and matched, for kick, snare and hat: int64 [3, 3]."""
    played = excerpt.score.notes[excerpt.score.notes["program"] == DRUMS]
    kinds = np.array([DRUM_OF_KEY.get(key, -1) for key in played["pitch"].tolist()], dtype=np.int64)
    seconds = excerpt.score.seconds(played["onset"].astype(np.int64))
    rows = []
    for kind in (KICK, SNARE, HAT):
        reference = np.unique(seconds[kinds == kind])
        estimate = np.sort(transcription.drums["onset_s"][transcription.drums["drum"] == kind])
        matched = len(mir_eval.util.match_events(reference, estimate, ONSET_TOLERANCE_S))
        rows.append((len(reference), len(estimate), matched))
    return np.array(rows, dtype=np.int64)


def beat_f1(excerpt: Excerpt, gridded: GriddedScore | None) -> float:
    """F1 of beats within 70 ms after the first five seconds; 0 where no beat was found."""
    if gridded is None or not gridded.beats.has_beat:
        return 0.0
    reference, estimate = (mir_eval.beat.trim_beats(times) for times in (excerpt.beats_s(), gridded.beats.times_s))
    return float(mir_eval.beat.f_measure(reference, estimate))


def felt_bpm(score: Score) -> float:
    """Beats per minute of the median beat."""
    return float(60.0 / np.median(np.diff(score.seconds(felt_beats(score)[0]))))


def has_right_tempo(excerpt: Excerpt, gridded: GriddedScore | None) -> bool:
    found = 0.0 if gridded is None or not gridded.beats.has_beat else felt_bpm(gridded.score)
    return abs(found / felt_bpm(excerpt.score) - 1.0) <= TEMPO_TOLERANCE


def key_of_notes(notes: Notes) -> str:
    """Key by the durations of notes that have no grid; empty without notes."""
    if len(notes) == 0:
        return ""
    ticks = np.rint(notes[:, :2] * 48.0).astype(np.int64)
    rows = np.column_stack([ticks[:, 0], np.maximum(ticks[:, 1] - ticks[:, 0], 1), np.zeros(len(notes)), notes[:, 2]])
    return describe(Score(notes=make_notes(np.column_stack([rows, np.full(len(notes), 80)]).astype(np.int64)))).key


def _report_onsets(name: str, excerpts: Sequence[Excerpt], ours: list[Notes] | None, peer: list[Notes] | None) -> None:
    figures = {}
    for who, found in (("ours", ours), ("basic_pitch", peer)):
        if found is not None:
            rows = [onset_scores(excerpt.notes(), notes) for excerpt, notes in zip(excerpts, found, strict=True)]
            figures[who] = np.mean(rows, axis=0)
    facts = {"excerpts": len(excerpts)} | {
        f"{who}_{word}": round(float(value), 4)
        for who, values in figures.items()
        for word, value in zip(("precision", "recall"), values[:2], strict=True)
    }
    _print(name, figures["ours"][2] if ours is not None else None, "F1", figures.get("basic_pitch"), facts)


def _print(
    name: str, value: float | None, unit: str, peer: npt.NDArray[np.float64] | float | None, facts: dict[str, object]
) -> None:
    """One line of ours against the peer, or of the peer alone under a name that says so."""
    peer_value = None if peer is None else float(np.atleast_1d(peer)[-1])
    if value is not None:
        against = {} if peer_value is None else {"basic_pitch": peer_value}
        against |= {"target": TARGETS[name]} if name in TARGETS else {}
        print_metric(name, value, unit, against=against, **facts)
    elif peer_value is not None:
        print_metric(f"basic_pitch_{name}", peer_value, unit, **facts)


def _report_rhythm(excerpts: Sequence[Excerpt], mixed: Sequence[Excerpt], transcribed: list[Transcribed]) -> None:
    counts = sum((drum_counts(e, h.transcription) for e, h in zip(mixed, transcribed[-len(mixed) :], strict=True)))
    f1 = 2 * counts[:, 2] / np.maximum(counts[:, 0] + counts[:, 1], 1)
    of_kind = {DRUM_NAMES[kind]: round(float(value), 4) for kind, value in zip((KICK, SNARE, HAT), f1, strict=True)}
    _print("drum_f1", float(f1.mean()), "F1", None, {"of_kind": of_kind, "hits": int(counts[:, 0].sum())})
    beats = [beat_f1(e, h.gridded) for e, h in zip(excerpts, transcribed, strict=True)]
    is_steady = [h.gridded is not None and h.gridded.beats.has_beat for h in transcribed]
    facts: dict[str, object] = {"excerpts": len(beats), "without_beat": is_steady.count(False)}
    _print("beat_f1", float(np.mean(beats)), "F1", None, facts)
    right = [has_right_tempo(e, h.gridded) for e, h in zip(excerpts, transcribed, strict=True)]
    _print("tempo_share", float(np.mean(right)), "share", None, {"excerpts": len(right)})


def _report_keys(excerpts: Sequence[Excerpt], transcribed: list[Transcribed] | None, peer: list[Notes] | None) -> None:
    keys = [describe(excerpt.score).key for excerpt in excerpts]
    share = None
    if transcribed is not None:
        found = [describe(h.gridded.score).key if h.gridded else "" for h in transcribed]
        share = float(np.mean([a == b for a, b in zip(keys, found, strict=True)]))
    of_peer = None
    if peer is not None:
        of_peer = float(np.mean([key == key_of_notes(notes) for key, notes in zip(keys, peer, strict=True)]))
    _print("key_share", share, "share", of_peer, {"excerpts": len(keys)})


def _transcribe(excerpts: Sequence[Excerpt], checkpoint: str) -> list[Transcribed]:
    """What the transcriber makes of each file; the first is done twice, and its first time not counted."""
    transcriber = Transcriber(load_transcriber(checkpoint))
    transcribed = []
    for excerpt in [excerpts[0], *excerpts]:
        start = time.process_time()
        with open_recording(excerpt.wav) as recording:
            facts = recording.facts
            mono = resample_mono(recording.chunks(), facts.sample_rate, SAMPLE_RATE, facts.channel_names)
            transcription = transcriber.transcribe(mono)
        try:
            gridded = score_of(transcription)
        except ScoreError as error:
            print(f"{excerpt.name}: {error}", file=sys.stderr)
            gridded = None
        seconds = time.process_time() - start
        transcribed.append(Transcribed(transcription=transcription, gridded=gridded, seconds=seconds))
    return transcribed[1:]


def _report_speed(excerpts: Sequence[Excerpt], transcribed: list[Transcribed] | None, peer: PeerNotes | None) -> None:
    audio_s = sum(excerpt.duration_s for excerpt in excerpts)
    ours = None if transcribed is None else audio_s / sum(h.seconds for h in transcribed)
    of_peer = None if peer is None else audio_s / sum(peer.seconds)
    _print("transcribe_realtime_per_core", ours, "x real time", of_peer, {"audio_s": round(audio_s)})


def main(arguments: list[str] | None = None) -> None:
    """Prints the figures, one JSON line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--freedoom", type=Path, default=Path("../shared/corpora/freedoom"), help="folder of its MIDI")
    parser.add_argument("--transcriber", default="base", help="folder of a transcriber's checkpoint")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=int, help="so many excerpts of each kind, for a quick look")
    parser.add_argument("--peer-only", action="store_true", help="basic-pitch alone")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    if not options.freedoom.is_dir():
        print(f"no folder {options.freedoom}, so there are no mixed excerpts: give --freedoom", file=sys.stderr)
    clean, mixed = test_set(options.freedoom, options.seed, limit=options.limit)
    excerpts = [*clean, *mixed]
    transcribed = None if options.peer_only else _transcribe(excerpts, options.transcriber)
    peer = basic_pitch([excerpt.wav for excerpt in excerpts])
    ours = None if transcribed is None else [h.notes for h in transcribed]
    for name, group, part in (
        ("onset_f1_clean", clean, slice(0, len(clean))),
        ("onset_f1_mix", mixed, slice(len(clean), None)),
    ):
        if group:
            _report_onsets(name, group, ours and ours[part], peer and peer.notes[part])
    if transcribed is not None and mixed:
        _report_rhythm(excerpts, mixed, transcribed)
    _report_keys(excerpts, transcribed, peer and peer.notes)
    _report_speed(excerpts, transcribed, peer)


if __name__ == "__main__":
    main()
