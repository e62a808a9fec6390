"""Do tracks that lead from one track to another leave the first and come to the last?

python -m benchmarks.between [--checkpoint NAME] [--chains 30] [--steps 5]

between_order    share of the chains in which no step is nearer to the first track, or farther from the last one, than
                 the step before: by (onset, program, pitch) that not both have, in the home key
between_back     the most by which a step of any chain goes back
between_gates    share of the tracks of which some take of four keeps every promise and every gate of the score
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from benchmarks.control import possible_orders
from benchmarks.report import print_metric
from lstm_core.composing.players import Player, load_playable, open_player
from lstm_core.composing.take import Take
from lstm_core.foundation.errors import OrderError
from lstm_core.notes.keys import home_shift
from lstm_core.orders.admission import admit
from lstm_core.orders.order import TrackOrder, order_from_fields
from lstm_core.orders.planned import PlannedTrack, SourceTrack
from lstm_core.orders.sources.between import rows_between
from lstm_core.orders.sources.reader import SourceRecord
from lstm_core.tracks.gates import order_gates
from lstm_core.tracks.promises import promise_gates
from lstm_core.tracks.sources import distance, in_home_key, source_track

MOST_ATTEMPTS = 4


def best_take(track: PlannedTrack, player: Player) -> tuple[Take, int, bool]:
    """The first take that keeps all gates, or else the last one; its attempt, and whether it keeps them."""
    for attempt in range(MOST_ATTEMPTS):
        take = next(player.play([(track, attempt)]))
        gates = promise_gates(track, take)
        gates += order_gates(take.score(track.plan), track.order, track.plan, has_key_gate=take.plan is not None)
        if all(gate.is_passed for gate in gates):
            return take, attempt, True
    return take, attempt, False


def possible_pairs(styles: tuple[str, ...]) -> Iterator[list[PlannedTrack]]:
    """Pairs of random tracks between which something can lead; the second one is in the meter of the first."""
    tracks = possible_orders(1000, styles)
    for one, other in zip(tracks[::2], tracks[1::2], strict=True):
        is_alike = one.order.loop == other.order.loop and (one.plan.key is None) == (other.plan.key is None)
        if not is_alike:
            continue
        try:
            yield [one, admit(replace(other.order, meter=one.order.meter))]
        except OrderError:
            continue


def chain(pair: list[PlannedTrack], steps: int, player: Player) -> tuple[npt.NDArray[np.float64], list[bool]]:
    """How far each step is from both tracks, float64 [steps, 2], and whether it keeps its gates."""
    ends: list[SourceTrack] = []
    for track in pair:
        take, attempt, _ = best_take(track, player)
        ends.append(source_track(track, take, attempt))
    records = [SourceRecord(track_id=name, order=end.order, notes=name) for name, end in zip("ab", ends, strict=True)]
    rows = rows_between(records[0], records[1], {"between": "a > b", "steps": steps, "seed": TrackOrder.seed})
    homes = [in_home_key(end.notes, home_shift(end.track_plan.key)) for end in ends]
    apart, kept = [], []
    for row in rows:
        step = replace(admit(order_from_fields(row)), source=ends[0], target=ends[1])
        take, _, is_kept = best_take(step, player)
        apart.append([distance(in_home_key(take.notes, home_shift(step.plan.key)), home) for home in homes])
        kept.append(is_kept)
    return np.array(apart), kept


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="base")
    parser.add_argument("--chains", type=int, default=30)
    parser.add_argument("--steps", type=int, default=5)
    options = parser.parse_args()
    checkpoint = load_playable(options.checkpoint)
    player = open_player(checkpoint)
    back: list[float] = []
    kept: list[bool] = []
    for pair in possible_pairs(checkpoint.facts.styles):
        apart, is_kept = chain(pair, options.steps, player)
        forth = np.diff(apart, axis=0) * [1.0, -1.0]
        back.append(max(0.0, -float(forth.min())))
        kept += is_kept
        if back[-1] or not all(is_kept):
            print(f"# {back[-1]:.4f} back, {is_kept} in {[track.order for track in pair]}", flush=True)
        if len(back) == options.chains:
            break
    in_order = float(np.mean([one == 0.0 for one in back]))
    print_metric("between_order", in_order, "share", chains=len(back), steps=options.steps)
    print_metric("between_back", max(back), "distance", mean=float(np.mean(back)))
    print_metric("between_gates", float(np.mean(kept)), "share", tracks=len(kept))


if __name__ == "__main__":
    main()
