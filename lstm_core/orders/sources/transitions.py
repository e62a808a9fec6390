"""Transitions: the bridges that are made between the tracks of a group, and between the layers of a track."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise, permutations

from lstm_core.foundation.errors import OrderError
from lstm_core.orders.order import MAX_LUFS, MIN_LUFS, TrackOrder, drawn_number, order_from_fields
from lstm_core.orders.planned import PlannedTrack
from lstm_core.orders.sources.layer_bridge import stinger_bars
from lstm_core.orders.sources.made_tracks import MadeTrack
from lstm_core.orders.timing.bridge_row import bridged

MOST_JOINED = 8  # tracks of a group: 56 bridges
_SOUND = ("sample_rate", "format", "bit_depth", "reverb")
_TASTE = ("temperature", "top_p", "polyphony", "pitch_low", "pitch_high")


def joined_places(tracks: Sequence[PlannedTrack], counts: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Places of the tracks of each group that are to be joined with one another.

    Args:
        tracks: Of an order, group by group.
        counts: Of tracks of each group.

    Raises:
        OrderError: there are too many in a group, they are in several meters, or there is nothing to be joined.
    """
    groups = []
    for start, stop in pairwise(accumulate(counts, initial=0)):
        places = tuple(place for place in range(start, stop) if tracks[place].order.transitions)
        if len(places) > MOST_JOINED:
            raise OrderError(
                f"transitions is true in a group of {len(places)} tracks, at most {MOST_JOINED} are joined, with "
                f"{MOST_JOINED * (MOST_JOINED - 1)} bridges. Lower count, or write the bridges that you want."
            )
        plans = [(tracks[place].plan, tracks[place].name) for place in places]
        meters = {str(meter): name for plan, name in plans for meter in (plan.meter, plan.last_meter)}
        if len(meters) > 1:
            (one, first), (other, second) = list(meters.items())[:2]
            raise OrderError(
                f"transitions is true, but {first} is in {one} and {second} in {other}. Tracks that are joined must "
                "be in one meter: write one, or leave transitions out."
            )
        if len(places) == 1:
            _check_layers(tracks[places[0]].order, "its group has one track", "a count of 2 or more")
        if len(places) > 1:
            groups.append(places)
    return tuple(groups)


def check_table(tracks: Sequence[PlannedTrack]) -> None:
    """Raises OrderError for a row of a table, which has no groups, that has transitions and no layers."""
    for track in tracks:
        if track.order.transitions:
            _check_layers(track.order, "rows of a table are in no group", "rows with a bridge")


def transition(first: MadeTrack, second: MadeTrack, num_bars: int) -> TrackOrder:
    """The row of the bridge from one track to another.

    Raises:
        OrderError: they cannot be joined.
    """
    prefix = first.name.rpartition("-")[0]
    is_numbered = bool(prefix) and prefix == second.name.rpartition("-")[0]
    goal = second.name.rpartition("-")[2] if is_numbered else second.name
    return _row(first, second, f"{first.name}-to-{goal}", num_bars)


def transitions_of_layers(track: MadeTrack) -> list[TrackOrder]:
    """The rows of the bridges between neighbouring layers of a track, up and down.

    They have one bar, the shortest that a game can begin at a barline, which also fits at most of them; or two, where
    one would be too short to fade in.

    Raises:
        OrderError: nowhere is the tempo of the track steady.
    """
    num_bars = min(stinger_bars(track), len(track.chords) - track.loop_start_bar)
    numbers = range(1, len(track.layers) + 1)
    return [
        _row(
            track.with_layer(one),
            track.with_layer(other),
            f"{track.name}-layer-{one}-to-{other}",
            num_bars,
        )
        for one, other in permutations(numbers, 2)
        if abs(one - other) == 1
    ]


def _row(first: MadeTrack, second: MadeTrack, name: str, num_bars: int) -> TrackOrder:
    """The row of a bridge that sounds as its tracks do, the louder layer if they are layers."""
    names = [f"{track.track_id}/layer-{track.layer}" if track.layer else track.track_id for track in (first, second)]
    louder = max(first, second, key=lambda track: track.layer) if first.is_beside(second) else first
    taken = {field: first.order[field] for field in (*_SOUND, *_TASTE)}
    order = order_from_fields(
        {
            **taken,
            "name": name,
            "bridge": names,
            "bridge_bars": num_bars,
            "loudness_lufs": min(max(round(louder.loudness_lufs, 1), MIN_LUFS), MAX_LUFS),
            "seed": drawn_number("transition", *names, first.order["seed"]) >> 1,
        }
    )
    made = {track.track_id: track for track in (first, second)}
    return bridged(order, {}, made.get)


def _check_layers(order: TrackOrder, why: str, instead: str) -> None:
    if not order.layers:
        raise OrderError(
            f"transitions is true, but {why}, and {order.name or 'the track'} has no layers: there is nothing to lead "
            f"to. Write {instead}, or layers, or leave transitions out."
        )
