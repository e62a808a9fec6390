"""Tracks that lead from one track to another: the rows that an order becomes, the ends as the two tracks are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lstm_core.foundation.errors import OrderError
from lstm_core.notes.keys import key_name
from lstm_core.notes.score import TICKS_PER_QUARTER
from lstm_core.orders.order import FREE_KEY, TrackOrder, order_fields
from lstm_core.orders.plan import TrackPlan, plan_track
from lstm_core.orders.sources.asked import BETWEEN_FIELDS, MOST_STEPS, SOURCE_FIELDS, SPELLED, USUAL_STEPS
from lstm_core.orders.timing.cue import cue_of

if TYPE_CHECKING:
    from lstm_core.orders.sources.reader import SourceRecord

SOUND_FIELDS = ("loudness_lufs", "sample_rate", "format", "bit_depth", "reverb", "stems")
GIVEN_FIELDS = frozenset(  # all that a row may say of such tracks
    (*SOUND_FIELDS, *BETWEEN_FIELDS, "layers", "catalogue", "name", "seed", "temperature", "top_p")
)
_NEVER_TAKEN = frozenset((*SOURCE_FIELDS, *SPELLED.values(), "name", "seed", "layers", "transitions"))  # from the ends
_MOVING = ("hits", "tempo_changes", "rit", "fermata")
_MOST_MOVED = 16  # quarters of a beat by which a step is longer or shorter, so that its bars are as many


def num_steps(settings: Mapping[str, Any]) -> int:
    """How many tracks a row becomes, at most where that is drawn: 1 where it leads from no track to another."""
    if not settings.get("between") or settings.get("step"):
        return 1
    try:
        return min(max(int(float(settings.get("steps") or 0)) or USUAL_STEPS, 1), MOST_STEPS)
    except (TypeError, ValueError, OverflowError):  # a choice, or what is refused when the row is read
        return MOST_STEPS


def without_others(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings for all tracks of an order without those that the two tracks decide."""
    return {field: value for field, value in settings.items() if field.partition(".")[0] in GIVEN_FIELDS}


def unread_rows(given: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rows of an order whose tracks are not looked up."""
    _check_given(given)
    return [{**given, **own} for own in _steps(given)]


def rows_between(first: SourceRecord, last: SourceRecord, given: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A row for each track from one to the other, complete; the one alone that `given` says as `step`.

    The first row is the order of the first track, and the last one that of the last. Those between have tempo and
    length in even steps, and key, scale and style of the track that is nearer. The sound is that of the first track.

    Raises:
        OrderError: the two have different meters, or nothing can lead from one to the other for another reason.
    """
    _check_given(given)
    plans = plan_track(first.order), plan_track(last.order)
    _check_ends((first, last), plans)
    sound = {name: getattr(first.order, name) for name in (*SOUND_FIELDS, "temperature", "top_p")}
    pinned = {"between_notes": f"{first.notes} {last.notes}"}
    if given.get("between_notes", pinned["between_notes"]) != pinned["between_notes"]:
        raise OrderError(
            f"between is {first.track_id} > {last.track_id}, but one of them was made anew since. Leave between_notes "
            "out."
        )
    rows: list[Mapping[str, Any]] = []
    for own in _steps(given):
        step, steps = own["step"], own["steps"]
        at_end = {1: first.order, steps: last.order}.get(step)
        order = at_end or _order_at((step - 1) / (steps - 1), first.order, last.order, plans)
        fields = {name: value for name, value in order_fields(order).items() if name not in _NEVER_TAKEN}
        from_seed = (first if 2 * (step - 1) < steps - 1 else last).order.plan_seed
        rows.append({**fields, **sound, **given, **pinned, **own, "from_seed": from_seed})
    return rows


def _steps(given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The number and the name of each track that a row becomes."""
    steps, only = given.get("steps") or USUAL_STEPS, given.get("step") or 0
    name = given.get("name")
    for step in [only] if only else range(1, steps + 1):
        numbered = {"name": f"{name}-{step:0{len(str(steps))}d}"} if name and not only else {}
        yield {"steps": steps, "step": step, **numbered}


def _check_given(given: Mapping[str, Any]) -> None:
    """Raises OrderError for a row that says what the two tracks decide."""
    for field in sorted({key.partition(".")[0] for key in given}):
        if field not in GIVEN_FIELDS:
            raise OrderError(
                f"{field} is {given.get(field, 'given')!r}, but the two tracks of between decide it. Leave {field} out."
            )


def _check_ends(ends: tuple[SourceRecord, SourceRecord], plans: tuple[TrackPlan, TrackPlan]) -> None:
    """Raises OrderError for two tracks of which nothing leads from one to the other."""
    orders = ends[0].order, ends[1].order
    ids = f"between is {ends[0].track_id} > {ends[1].track_id}"
    if plans[0].meter != plans[1].meter:
        raise OrderError(
            f"{ids}, the one in {plans[0].meter} and the other in {plans[1].meter}: both must be in one meter. Arrange "
            f'one of them in the meter of the other first: from = "{ends[0].track_id}", meter = "{plans[1].meter}".'
        )
    if orders[0].loop != orders[1].loop:
        raise OrderError(f"{ids}, of which one is a loop and the other ends. Name two loops, or two tracks that end.")
    if orders[0].loop_start != orders[1].loop_start:
        raise OrderError(
            f"{ids}, whose loops begin after {orders[0].loop_start} and {orders[1].loop_start} bars. Name two loops of "
            "which loop_start is the same."
        )
    if (plans[0].key is None) != (plans[1].key is None):
        raise OrderError(f'{ids}, of which one is in no key (key = "{FREE_KEY}"). Name two tracks that are in keys.')
    for one, order in zip(ends, orders, strict=True):
        moving = next((name for name in _MOVING if getattr(order, name)), "")
        if moving or cue_of(order.form):
            raise OrderError(
                f"between names {one.track_id}, which has {moving or f'the form {order.form}'}: the tracks that lead "
                "from it or to it have one tempo. Name a track without."
            )


def _order_at(t: float, first: TrackOrder, last: TrackOrder, plans: tuple[TrackPlan, TrackPlan]) -> TrackOrder:
    """The order of a track at a share `t` of the way, above 0 and under 1."""
    nearer, plan = (first, plans[0]) if t < 0.5 else (last, plans[1])
    bound = TrackOrder(
        style=nearer.style,
        key=FREE_KEY if plan.key is None else key_name(plan.key),
        scale="" if plan.key is None else nearer.scale,
        meter=first.meter,
        loop=first.loop,
        loop_start=first.loop_start,
        polyphony=max(first.polyphony, last.polyphony),
        pitch_low=min(first.pitch_low, last.pitch_low),
        pitch_high=max(first.pitch_high, last.pitch_high),
    )
    return _timed(bound, t, (first, last), plans)


def _timed(
    order: TrackOrder, t: float, ends: tuple[TrackOrder, TrackOrder], plans: tuple[TrackPlan, TrackPlan]
) -> TrackOrder:
    """The order with its tempo and a length in which it has the bars that it must have.

    Tempos are in even ratios, and the length follows; where both tracks are of one length, so is this one, and the
    tempo follows.
    """
    num_bars = bars_at(t, plans[0].num_bars, plans[1].num_bars)
    quarters = num_bars * plans[0].meter.bar_ticks / TICKS_PER_QUARTER
    after = [_quarters_after(one, plan) for one, plan in zip(ends, plans, strict=True)]
    rest = 0.0 if order.loop else after[0] + t * (after[1] - after[0])
    moves = [0] if order.loop else sorted(range(-_MOST_MOVED, _MOST_MOVED + 1), key=lambda move: (abs(move), -move))
    for move in moves:
        length = quarters + rest + move / 4
        bpm = plans[0].bpm * (plans[1].bpm / plans[0].bpm) ** t
        seconds = 60.0 * length / bpm
        if ends[0].duration_s == ends[1].duration_s:
            seconds, bpm = ends[0].duration_s, 60.0 * length / ends[0].duration_s
        try:
            found = replace(order, bpm=bpm, duration_s=seconds, exact_tempo=True)
            if plan_track(found).num_bars == num_bars:
                return found
        except OrderError:
            continue
    raise OrderError(
        f"between leads over a track of {num_bars} bars in {order.meter}, for which no length is found. Write fewer "
        "steps, or name tracks of one length."
    )


def bars_at(t: float, first: int, last: int) -> int:
    """Bars of a track at a share `t` of the way from so many to so many: in fours or twos where that goes."""
    unit = next(unit for unit in (4, 2, 1) if (last - first) % unit == 0)
    return first + unit * round(t * (last - first) / unit)


def _quarters_after(order: TrackOrder, plan: TrackPlan) -> float:
    """Quarters of a track from the end of its bars on; below 0 where its last chord is shorter than a bar."""
    return order.duration_s * plan.bpm / 60.0 - plan.total_ticks / TICKS_PER_QUARTER
