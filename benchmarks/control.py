"""Do tracks do what their orders say? Random orders, and every promise measured on the notes of the first take.

python -m benchmarks.control [--checkpoint NAME] [--orders 500]

control_PROMISE         share of the orders that make this promise and keep it (see lstm_core/tracks/promises.py)
control_all             share of all orders of which every promise and every gate of the score is kept
control_energy_density  Spearman's correlation of the energy that an order asks of a bar with the notes that begin
                        in it, bars of all tracks together but those that ask for few voices
control_energy_velocity the same with the mean velocity
control_energy_loudness Spearman's correlation of the energy that an order asks of a bar with its level as rendered,
                        before mastering: the mean over tracks whose energy is a course
control_vary            Spearman's correlation of `vary` with the distance of a variation from its track, the share of
                        (onset, pitch, program) that not both have: the mean over tracks
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from benchmarks.report import print_metric
from lstm_core.composing.players import Player, load_playable, open_player
from lstm_core.composing.take import Take
from lstm_core.foundation.errors import OrderError
from lstm_core.orders.admission import admit
from lstm_core.orders.energy_curve import energy_of_bars, parse_energy
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.planned import PlannedTrack
from lstm_core.sound.soundfont import SoundFont, find_soundfont
from lstm_core.sound.synth import render_stems
from lstm_core.tracks.gates import order_gates
from lstm_core.tracks.promises import promise_gates
from lstm_core.tracks.sources import distance, source_track

FORMS = (
    "A B",
    "A A' B A",
    "A B A B'",
    "A A",
    "A B C A'",
    "A:4 A':4 B:8",
    "A A' A''",
    "intro A B A outro",
    "verse chorus verse chorus",
)
CHORDS = ("C G Am F", "Am F C G", "Dm G7 Cmaj7 | % | Fmaj7 Em7", "C/E F G Am", "Csus4 C5 F | G", "E7 Am | Bdim C")
ENERGIES = ("0.2", "0.5", "0.9", "rise", "fall", "arc", "0.2 0.8 0.4", "0.1 1")
PLAYERS = (
    ("piano",), ("guitar", "bass", "drums"), ("strings*3",), ("flute", "harp", "cello"),
    ("lead", "pad", "bass", "drums"),
    ("violin", "strings", "piano"), ("organ", "choir aahs"), ("drums",), ("brass*2", "drums", "tuba"), ("music box",),
)  # fmt: skip
ROLES = ("no melody", "melody, bass", "harmony, bass", "no drums", "melody", "no bass, no drums", "figure, harmony")
VARY = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
METERS = ("4/4", "4/4", "4/4", "3/4", "6/8", "5/4", "2/4")


def random_order(number: int, styles: tuple[str, ...]) -> TrackOrder:
    """An order in which each field is asked for about half of the time."""
    random = np.random.default_rng(number)

    def some(values: tuple[str, ...] | tuple[tuple[str, ...], ...], share: float) -> object:
        return values[int(random.integers(len(values)))] if random.random() < share else None

    loop = bool(random.random() < 0.5)
    fields = {
        "style": some(styles, 0.6),
        "form": some(FORMS, 0.5),
        "chords": some(CHORDS, 0.4),
        "energy": some(ENERGIES, 0.4),
        "instruments": some(PLAYERS, 0.5),
        "roles": some(ROLES, 0.3),
        "key": some(("C", "Am", "F# minor", "Eb major", "free"), 0.5),
        "meter": some(METERS, 0.5),
        "polyphony": int(random.integers(2, 9)) if random.random() < 0.2 else None,
    }
    given = {name: value for name, value in fields.items() if value is not None}
    seconds = float(np.round(random.uniform(24.0, 90.0), 1))
    return TrackOrder(**given, duration_s=seconds, loop=loop, seed=number)  # type: ignore[arg-type]


def possible_orders(count: int, styles: tuple[str, ...]) -> list[PlannedTrack]:
    """Tracks of random orders, those left out that contradict themselves and are refused."""
    tracks: list[PlannedTrack] = []
    number = 0
    while len(tracks) < count:
        number += 1
        try:
            tracks.append(admit(random_order(number, styles)))
        except OrderError:
            continue
    return tracks


@dataclass(frozen=True, kw_only=True)
class BarValues:
    """Values of the bars of a track."""

    energy: npt.NDArray[np.float64]  # asked for
    notes: npt.NDArray[np.float64]
    velocity: npt.NDArray[np.float64]


def bar_values(track: PlannedTrack, take: Take) -> BarValues:
    """What each bar of a take is like, those without notes left out."""
    plan = track.plan
    bar = take.notes["onset"] // plan.meter.bar_ticks
    counts = np.bincount(bar, minlength=plan.num_bars)[: plan.num_bars].astype(np.float64)
    loudness = np.bincount(bar, weights=take.notes["velocity"], minlength=plan.num_bars)[: plan.num_bars]
    energy = energy_of_bars(parse_energy(track.order.energy), plan.num_bars)
    kept = counts > 0
    return BarValues(energy=energy[kept], notes=counts[kept], velocity=loudness[kept] / counts[kept])


def loudness_correlation(track: PlannedTrack, take: Take, soundfont: SoundFont) -> float:
    """How well the levels of the bars of a take, as rendered, follow the energy that is asked, -1 to 1."""
    plan, score = track.plan, take.score(track.plan)
    stems = render_stems(score, soundfont, sample_rate=TrackOrder.sample_rate, num_samples=plan.num_samples)
    mix = sum(stem[:, : plan.num_samples] for stem in stems.values())
    barlines = score.seconds(np.arange(plan.num_bars + 1) * plan.meter.bar_ticks) * TrackOrder.sample_rate
    bars = np.split(np.asarray(mix, dtype=np.float64), np.rint(barlines[1:-1]).astype(int), axis=1)
    level = [float(np.mean(bar**2)) for bar in bars]
    energy = energy_of_bars(parse_energy(track.order.energy), plan.num_bars)
    return float(spearmanr(energy, level)[0])


def vary_correlation(number: int, track: PlannedTrack, player: Player) -> float:
    """How well the distances of variations of a track follow `vary`, -1 to 1."""
    take = next(player.play([(track, 0)]))
    source = source_track(track, take, 0)
    pinned = {"from_track": "source", "from_notes": "pinned", "from_seed": track.order.plan_seed, "seed": 1 + number}
    rows = [replace(track.order, vary=vary, **pinned) for vary in VARY]
    variations = [(replace(admit(row), source=source), 0) for row in rows]
    apart = {made.number: distance(take.notes, made.notes) for made in player.play(variations)}
    return float(spearmanr(VARY, [apart[number] for number in range(len(VARY))])[0])


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="base")
    parser.add_argument("--orders", type=int, default=500)
    parser.add_argument("--varied", type=int, default=20, help="tracks of which variations are made")
    parser.add_argument("--rendered", type=int, default=40, help="tracks whose loudness is measured")
    parser.add_argument("--soundfont", default="")
    options = parser.parse_args()
    soundfont = find_soundfont(options.soundfont)
    checkpoint = load_playable(options.checkpoint)
    tracks = possible_orders(options.orders, checkpoint.facts.styles)
    kept: dict[str, list[bool]] = defaultdict(list)
    values, loudness = [], []
    player = open_player(checkpoint)
    for take in player.play([(track, 0) for track in tracks]):
        track = tracks[take.number]
        gates = promise_gates(track, take) + order_gates(
            take.score(track.plan), track.order, track.plan, has_key_gate=take.plan is not None
        )
        for gate in gates:
            kept[gate.name].append(gate.is_passed)
            if not gate.is_passed:
                print(f"# {gate.name} is {gate.value:.3f} in {track.order}", flush=True)
        kept["all"].append(all(gate.is_passed for gate in gates))
        if track.order.energy and track.order.polyphony == TrackOrder.polyphony:
            values.append(bar_values(track, take))
            if np.ptp(values[-1].energy) > 0 and len(loudness) < options.rendered:
                loudness.append(loudness_correlation(track, take, soundfont))
    for name, met in kept.items():
        print_metric(f"control_{name}", float(np.mean(met)), "share", orders=len(met))
    energy = np.concatenate([one.energy for one in values])
    for name, found in (("density", [one.notes for one in values]), ("velocity", [one.velocity for one in values])):
        print_metric(
            f"control_energy_{name}", float(spearmanr(energy, np.concatenate(found))[0]), "rho", bars=len(energy)
        )
    if loudness:
        mean = float(np.mean(loudness))
        print_metric("control_energy_loudness", mean, "rho", tracks=len(loudness), least=min(loudness))
    varied = [vary_correlation(number, track, player) for number, track in enumerate(tracks[: options.varied])]
    if varied:
        print_metric("control_vary", float(np.mean(varied)), "rho", tracks=len(varied), least=min(varied))


if __name__ == "__main__":
    main()
