"""A track that is arranged anew: which fields it may have of its own, and how long it is at another tempo or meter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lstm_core.foundation.errors import OrderError
from lstm_core.notes.keys import key_name
from lstm_core.orders.order import FREE_KEY, MAX_BPM, MIN_BPM, TrackOrder, order_from_fields, parse_meter
from lstm_core.orders.plan import TrackPlan, plan_track

_TIME = ("bpm", "exact_tempo", "duration_s", "meter")
ARRANGED_BY = (*_TIME, "key", "scale", "style", "instruments", "ensemble")  # one of them differs from the track's
_KEPT = (
    *("form", "variation", "chords", "loop", "loop_start", "hits", "hits_fps", "tempo_changes", "rit", "fermata"),
    *("primer", "melody"),
)
_MOST_MOVED = 16  # quarters of a beat by which a track is longer or shorter, so that its bars are as many


def rearranged(source: TrackOrder, track_id: str, kept: Mapping[str, Any], given: Mapping[str, Any]) -> TrackOrder:
    """The order of a track that is arranged anew: as many bars, and the key of the source unless it gives another.

    Args:
        source: Order of the track that it starts from.
        track_id: Of that track, for messages.
        kept: Fields of that order which the row does not give.
        given: Fields of the row, and what was pinned.

    Raises:
        OrderError: nothing differs, or something does that must stay; or the bars do not fit a length that is given.
    """
    own = {key.partition(".")[0] for key in given}
    plan = plan_track(source)
    fields = dict(kept)
    replaced: dict[str, tuple[str, ...]] = {
        "instruments": ("ensemble",),
        "ensemble": ("instruments",),
        "bpm": ("exact_tempo",),
    }
    replaced |= {"key": ("scale", "chords"), "scale": ("chords",), "meter": ("chords",)}
    for name in own & replaced.keys():
        for other in replaced[name]:
            fields.pop(other, None)
    if "key" not in own:
        fields["key"] = FREE_KEY if plan.key is None else key_name(plan.key)
        if "scale" in own:
            fields["key"] = fields["key"].partition(" ")[0]
    order = order_from_fields({**fields, **given})
    _check(source, plan, order, track_id, own)
    return _timed(source, plan, order, track_id, own) if own & set(_TIME) else order


def _check(source: TrackOrder, plan: TrackPlan, order: TrackOrder, track_id: str, own: set[str]) -> None:
    """Raises OrderError for an order that arranges nothing, or that changes what an arrangement keeps."""
    for name in _KEPT:
        value, before = getattr(order, name), getattr(source, name)
        if name in own and value != before:
            raise OrderError(
                f"{name} is {value!r}, but an arrangement of track {track_id} keeps its form, chords and time, and it "
                f"has {before!r}. Leave {name} out."
            )
    if not any(name in own and getattr(order, name) != getattr(source, name) for name in ARRANGED_BY):
        raise OrderError(
            f'from is {track_id}, but nothing says what is made again. Write bars, such as "9-16", parts, such as '
            '["bass"], or vary, 0 to 1; or, for another arrangement, another bpm, meter, key, style or instruments.'
        )
    if plan.key is None and order.key != FREE_KEY:
        raise OrderError(f"key is {order.key!r}, but track {track_id} is in no key that it could be moved from.")
    if plan.key is not None and order.key == FREE_KEY:
        raise OrderError(f'key is "{FREE_KEY}", but the chords of track {track_id} are moved to a key. Write one.')
    if (source.hits or source.tempo_changes) and own & set(_TIME):
        moving = "hits" if source.hits else "tempo_changes"
        raise OrderError(f"track {track_id} has {moving}, which hold at its own tempo. Leave bpm and meter out.")


def _timed(source: TrackOrder, plan: TrackPlan, order: TrackOrder, track_id: str, own: set[str]) -> TrackOrder:
    """The order with the tempo or the length at which it has the bars of its source."""
    longer = parse_meter(order.meter).bar_ticks / plan.meter.bar_ticks
    seconds_at_1_bpm = source.duration_s * plan.bpm * longer
    if "duration_s" in own and not ("bpm" in own and order.bpm):
        bpm = seconds_at_1_bpm / order.duration_s
        if not MIN_BPM <= bpm <= MAX_BPM:
            raise OrderError(
                f"duration_s is {order.duration_s:g}: the {plan.num_bars} bars of track {track_id} fill it at "
                f"{bpm:.0f} bpm, it must be {MIN_BPM:g} to {MAX_BPM:g}. Write another length."
            )
        found = replace(order, bpm=bpm, exact_tempo=False)
        made = plan_track(found)
        if (made.num_bars, made.final_bar) != (plan.num_bars, plan.final_bar):
            raise OrderError(
                f"duration_s is {order.duration_s:g}, in which the last chord of track {track_id} finds no room at its "
                f"bar. Write a longer one."
            )
        return found
    order = replace(order, bpm=order.bpm or plan.bpm)
    whole = seconds_at_1_bpm / order.bpm
    moves = [0] if order.loop else sorted(range(-_MOST_MOVED, _MOST_MOVED + 1), key=lambda move: (abs(move), -move))
    lengths = [round(whole + move * 15.0 / order.bpm, 6) for move in moves]
    for duration_s in [order.duration_s] if "duration_s" in own else lengths:
        if duration_s <= 0:
            continue
        found = replace(order, duration_s=duration_s)
        try:
            made = plan_track(found)
        except OrderError:
            continue
        if (made.num_bars, made.final_bar) == (plan.num_bars, plan.final_bar):
            return found
    raise OrderError(
        f"At {order.bpm:g} bpm in {order.meter} the {plan.num_bars} bars of track {track_id} take about {whole:.3f} s. "
        "Write that as duration_s, or leave it out."
    )
