"""Do tracks do what their orders say? Random orders, and every promise measured on the notes of the first take.

python -m benchmarks.control [--checkpoint NAME] [--orders 500] [--again 150]

Orders are over all fields (control_orders.py), tunes that are accompanied among them; of the first tracks bars, parts,
variations and arrangements are made again (control_again.py).

control_PROMISE         share of the orders that make this promise and keep it (see lstm_core/tracks/promises.py)
control_rightly_judged  share of the orders, refused ones among them, that a second judge (control_solver.py) decides,
                        which knows the documentation alone and searches, in which it agrees whether they are possible
control_delivered       share of all of these tracks of which one of four attempts keeps every promise and every gate of
                        the score
control_cost            seconds a note of tracks of which something is made again, against those of as many plain ones
control_again_PROMISE   the same of tracks of which something is made again, each of a take that kept everything
control_again_of_bars, ... share of the tracks of this kind of which every promise and every gate is kept
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
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from benchmarks.control_again import SOURCE, made_again, write_tunes
from benchmarks.control_orders import random_fields
from benchmarks.control_solver import CLOSE, verdict
from benchmarks.report import print_metric
from jobs.generate.attempts import GenerateRecipe
from lstm_core.composing.players import Player, load_playable, open_player
from lstm_core.composing.take import Take
from lstm_core.foundation.errors import OrderError
from lstm_core.orders.admission import admit
from lstm_core.orders.energy_curve import energy_of_bars, parse_energy
from lstm_core.orders.order import TrackOrder, order_from_fields
from lstm_core.orders.planned import PlannedTrack
from lstm_core.orders.primer import PrimerReader
from lstm_core.orders.timing.cue import cue_of
from lstm_core.sound.soundfont import SoundFont, find_soundfont
from lstm_core.sound.synth import render_stems
from lstm_core.tracks.gates import order_gates
from lstm_core.tracks.promises import promise_gates
from lstm_core.tracks.sources import distance, source_track

VARY = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Random orders: those that were admitted, and how often the second judge agreed about the others."""

    tracks: list[PlannedTrack]
    num_refused: int
    num_undecided: int
    num_wrong: int  # refused and possible, or admitted and impossible


def ask(count: int, styles: tuple[str, ...], tunes: tuple[str, ...]) -> Asked:
    """So many tracks of random orders; each order that is refused or admitted is judged by control_solver.py too."""
    tracks: list[PlannedTrack] = []
    num_refused = num_undecided = num_wrong = number = 0
    with PrimerReader() as primers:
        while len(tracks) < count:
            number += 1
            fields, refusal = random_fields(number, styles, tunes), ""
            try:
                tracks.append(admit(primers.pin(order_from_fields(fields), ""), primers))
            except OrderError as error:
                refusal, num_refused = str(error), num_refused + 1
            judged = verdict(fields)
            num_undecided += judged == CLOSE
            if judged != CLOSE and bool(judged) != bool(refusal):
                num_wrong += 1
                print(f"# {refusal or 'admitted'}, but {judged or 'possible'}: {fields}", flush=True)
    return Asked(tracks=tracks, num_refused=num_refused, num_undecided=num_undecided, num_wrong=num_wrong)


@dataclass(frozen=True, kw_only=True)
class BarValues:
    """Values of the bars of a track."""

    energy: npt.NDArray[np.float64]  # asked for
    notes: npt.NDArray[np.float64]
    velocity: npt.NDArray[np.float64]


def bar_values(track: PlannedTrack, take: Take) -> BarValues:
    """What each bar of a take is like, those without notes left out."""
    plan = track.plan
    bar = plan.bars_at(take.notes["onset"])
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
    barlines = score.seconds(np.array([plan.tick_of(bar) for bar in range(plan.num_bars + 1)])) * TrackOrder.sample_rate
    bars = np.split(np.asarray(mix, dtype=np.float64), np.rint(barlines[1:-1]).astype(int), axis=1)
    level = [float(np.mean(bar**2)) for bar in bars]
    energy = energy_of_bars(parse_energy(track.order.energy), plan.num_bars)
    return float(spearmanr(energy, level)[0])


def vary_correlation(number: int, track: PlannedTrack, player: Player) -> float:
    """How well the distances of variations of a track follow `vary`, -1 to 1."""
    take = next(player.play([(track, 0)]))
    source = source_track(track, take, 0)
    pinned = {"from_track": SOURCE, "from_notes": "pinned", "from_seed": track.order.plan_seed, "seed": 1 + number}
    rows = [replace(track.order, vary=vary, **pinned) for vary in VARY]
    variations = [(replace(admit(row), source=source), 0) for row in rows]
    apart = {made.number: distance(take.notes, made.notes) for made in player.play(variations)}
    return float(spearmanr(VARY, [apart[place] for place in range(len(VARY))])[0])


def judge(track: PlannedTrack, take: Take, kept: dict[str, list[bool]], *, kind: str = "") -> None:
    """Adds to `kept` whether each gate of a take is passed, by its name; of a kind of track also all of them."""
    gates = promise_gates(track, take) + order_gates(
        take.score(track.plan), track.order, track.plan, has_key_gate=take.plan is not None
    )
    for gate in gates:
        kept[gate.name].append(gate.is_passed)
        if not gate.is_passed:
            print(f"# {gate.name} is {gate.value:.3f} in {kind} {track.order}", flush=True)
    kept["all"].append(all(gate.is_passed for gate in gates))
    if kind:
        kept[f"of_{kind.replace(' ', '_')}"].append(kept["all"][-1])


def timed(player: Player, tracks: list[PlannedTrack]) -> tuple[list[Take], float]:
    """First takes of tracks, and the seconds that they took."""
    begun = time.perf_counter()
    takes = list(player.play([(track, 0) for track in tracks]))
    return takes, time.perf_counter() - begun


def never_kept(tracks: list[PlannedTrack], player: Player) -> list[PlannedTrack]:
    """Those of some tracks whose further attempts all break a promise or a gate as well."""
    for attempt in range(1, GenerateRecipe().max_attempts):
        kept = defaultdict[str, list[bool]](list)
        order = []
        for take in player.play([(track, attempt) for track in tracks]):
            judge(tracks[take.number], take, kept, kind=f"attempt {attempt}")
            order.append(tracks[take.number])
        tracks = [track for track, passed in zip(order, kept["all"], strict=True) if not passed]
    return tracks


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="base")
    parser.add_argument("--orders", type=int, default=500)
    parser.add_argument("--again", type=int, default=150, help="tracks of which something is made again")
    parser.add_argument("--varied", type=int, default=20, help="tracks of which variations are made")
    parser.add_argument("--rendered", type=int, default=40, help="tracks whose loudness is measured")
    parser.add_argument("--soundfont", default="")
    options = parser.parse_args()
    soundfont = find_soundfont(options.soundfont)
    checkpoint = load_playable(options.checkpoint)
    player = open_player(checkpoint)
    with tempfile.TemporaryDirectory() as folder:
        asked = ask(options.orders, checkpoint.facts.styles, write_tunes(Path(folder)))
    tracks, kept = asked.tracks, defaultdict[str, list[bool]](list)
    kept_again = defaultdict[str, list[bool]](list)
    values, loudness, again = [], [], []
    takes = list(player.play([(track, 0) for track in tracks]))
    for take in takes:
        track = tracks[take.number]
        judge(track, take, kept)
        if track.order.energy and not cue_of(track.order.form) and track.order.polyphony == TrackOrder.polyphony:
            values.append(bar_values(track, take))
            if np.ptp(values[-1].energy) > 0 and len(loudness) < options.rendered:
                loudness.append(loudness_correlation(track, take, soundfont))
        is_fixed = track.tune is not None or track.order.key_changes or track.order.meter_changes
        if take.plan is not None and kept["all"][-1] and not is_fixed and not cue_of(track.order.form):
            again.append((track, take))
    others = list(made_again(again[: options.again]))
    plain, plain_s = timed(player, [track for track, _ in again[: len(others)]])
    remade, again_s = timed(player, [track for _, track in others])
    for take in remade:
        judge(others[take.number][1], take, kept_again, kind=others[take.number][0])
    all_tracks = [*(tracks[take.number] for take in takes), *(others[take.number][1] for take in remade)]
    broken = [track for track, passed in zip(all_tracks, kept["all"] + kept_again["all"], strict=True) if not passed]
    num_never = len(never_kept(broken, player))
    print_metric("control_delivered", 1.0 - num_never / len(all_tracks), "share", orders=len(all_tracks))
    counts = {"admitted": len(tracks), "refused": asked.num_refused, "undecided": asked.num_undecided}
    num_decided = len(tracks) + asked.num_refused - asked.num_undecided
    print_metric("control_rightly_judged", 1.0 - asked.num_wrong / num_decided, "share", **counts)
    notes = [sum(len(take.notes) for take in some) for some in (remade, plain)]
    print_metric("control_cost", (again_s / notes[0]) / (plain_s / notes[1]), "ratio", tracks=len(remade), notes=notes)
    for prefix, shares in (("control", kept), ("control_again", kept_again)):
        for name, met in shares.items():
            print_metric(f"{prefix}_{name}", float(np.mean(met)), "share", orders=len(met))
    energy = np.concatenate([one.energy for one in values])
    for name, found in (("density", [one.notes for one in values]), ("velocity", [one.velocity for one in values])):
        print_metric(
            f"control_energy_{name}", float(spearmanr(energy, np.concatenate(found))[0]), "rho", bars=len(energy)
        )
    if loudness:
        mean = float(np.mean(loudness))
        print_metric("control_energy_loudness", mean, "rho", tracks=len(loudness), least=min(loudness))
    varied = [vary_correlation(number, track, player) for number, (track, _) in enumerate(again[: options.varied])]
    if varied:
        print_metric("control_vary", float(np.mean(varied)), "rho", tracks=len(varied), least=min(varied))


if __name__ == "__main__":
    main()
