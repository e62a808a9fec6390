"""How well tunes are accompanied: python -m benchmarks.accompaniment [--corpora ../shared/corpora] [--tunes 50]

Tunes of Nottingham without their chords are melodies of orders; the first take of each is measured.

accompaniment_chords    share of the half bars (bars, in meters that are not halved) whose chord in the plan has root
                        and triad of the corpus's chord
accompaniment_roots     the same of the root alone
accompaniment_on_beats  share of the notes of tunes that begin with a half bar which are tones of its chord
accompaniment_kept      share of the takes of which every promise and every gate of the score is kept, the tune note
                        for note among them
"""

from __future__ import annotations

import argparse
import random
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.analysis import MIN_CHORDS, TRIADS, chord_track
from benchmarks.report import print_metric
from lstm_core.analysis.grid import make_grid
from lstm_core.composing.players import load_playable, open_player
from lstm_core.composing.take import Take
from lstm_core.foundation.errors import OrderError
from lstm_core.notes.midi import read_midi, write_midi
from lstm_core.notes.score import Score
from lstm_core.orders.admission import admit
from lstm_core.orders.order import order_from_fields
from lstm_core.orders.planned import PlannedTrack
from lstm_core.orders.primer import PrimerReader
from lstm_core.representations.plan.layout import NO_CHORD, NUM_QUALITIES, Ints, chord_tones
from lstm_core.tracks.gates import order_gates
from lstm_core.tracks.promises import promise_gates

SAMPLE_SEED = 8
TAUGHT_SEED, NUM_TAUGHT = 3, 200  # of the sample on which weights in analysis/chords.py were chosen: left out


def tracks_of(folder: Path, count: int, made_in: Path) -> list[tuple[PlannedTrack, Score]]:
    """Tracks that accompany tunes of a folder, each with its score; those that cannot be a melody are left out."""
    paths = sorted(folder.glob("*.mid"))
    taught = paths.copy()
    random.Random(TAUGHT_SEED).shuffle(taught)
    random.Random(SAMPLE_SEED).shuffle(paths)
    found: list[tuple[PlannedTrack, Score]] = []
    with PrimerReader() as primers:
        for number, path in enumerate(path for path in paths if path not in taught[:NUM_TAUGHT]):
            score = read_midi(path.read_bytes())
            _, quality = chord_track(score, make_grid(score))
            tune = score.notes[score.notes["part"] == 0]
            if (quality >= 0).sum() < MIN_CHORDS or len(tune) == 0 or tune["onset"].min() >= score.meters[0].bar_ticks:
                continue
            melody = made_in / path.name
            melody.write_bytes(write_midi(replace(score, notes=tune)))
            try:
                order = order_from_fields({"melody": str(melody), "seed": number})
                found.append((admit(primers.pin(order, ""), primers), score))
            except OrderError as error:
                print(f"# left out: {error}", flush=True)
            if len(found) == count:
                break
    return found


def slot_values(values: Ints, num_slots: Ints) -> Ints:
    """Values of the slots of bars in their order, from int64 [bars, 2]: int64 [slots]."""
    return np.concatenate([row[:slots] for row, slots in zip(values, num_slots.tolist(), strict=True)])


def chord_counts(track: PlannedTrack, take: Take, score: Score) -> Ints:
    """Half bars with a chord of the corpus, right roots, right triads, notes on half bars, and tones of chords."""
    assert take.plan is not None and track.tune is not None
    triads, grid = np.array(TRIADS), make_grid(score)
    num_bars = min(track.tune.num_bars, grid.num_bars)
    plan_chord = slot_values(take.plan.chord[:num_bars], take.plan.num_slots[:num_bars])
    count = min(len(plan_chord), grid.num_slots)
    root, quality = (values[:count] for values in chord_track(score, grid))
    own = plan_chord[:count] - 1
    known, found = root >= 0, own >= 0
    is_root = known & found & ((own // NUM_QUALITIES - take.shift) % 12 == root)
    is_triad = is_root & (triads[own % NUM_QUALITIES] == triads[quality])
    onset = track.tune.notes["onset"].astype(np.int64)
    slot = grid.slot_of(onset)
    begins = (slot < count) & (onset == grid.slots[slot])
    begins &= plan_chord[np.minimum(slot, count - 1)] != NO_CHORD
    home = (track.tune.notes["pitch"][begins].astype(np.int64) + take.shift) % 12
    tones = chord_tones()[plan_chord[slot[begins]], home]
    return np.array([known.sum(), is_root.sum(), is_triad.sum(), begins.sum(), tones.sum()])


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, default=Path("../shared/corpora"))
    parser.add_argument("--checkpoint", default="base")
    parser.add_argument("--tunes", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = tracks_of(options.corpora / "nottingham", options.tunes, Path(folder))
    counts, kept = np.zeros(5), []
    for take in open_player(load_playable(options.checkpoint)).play([(track, 0) for track, _ in found]):
        track, score = found[take.number]
        counts += chord_counts(track, take, score)
        gates = promise_gates(track, take) + order_gates(
            take.score(track.plan), track.order, track.plan, has_key_gate=True
        )
        for gate in gates:
            if not gate.is_passed:
                print(f"# {gate.name} is {gate.value:.3f} with {Path(track.order.melody).name}", flush=True)
        kept.append(all(gate.is_passed for gate in gates))
    facts = {"tunes": len(found), "half_bars": int(counts[0])}
    print_metric("accompaniment_chords", counts[2] / counts[0], "share", **facts)
    print_metric("accompaniment_roots", counts[1] / counts[0], "share", **facts)
    print_metric("accompaniment_on_beats", counts[4] / counts[3], "share", notes=int(counts[3]))
    print_metric("accompaniment_kept", float(np.mean(kept)), "share", takes=len(kept))


if __name__ == "__main__":
    main()
