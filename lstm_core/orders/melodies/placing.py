"""A tune decides what an order leaves open, and takes its place in the track: `melody` of an order."""

from __future__ import annotations

from dataclasses import replace

from lstm_core.analysis.roles import MELODY
from lstm_core.foundation.errors import OrderError
from lstm_core.notes.instruments import PROGRAM_RANGES, instrument_name, parse_instrument
from lstm_core.notes.keys import KEY_NAMES, has_mode, home_shift, key_in_scale, key_name, parse_key
from lstm_core.notes.score import DRUMS, TICKS_PER_QUARTER
from lstm_core.orders.melodies.tune import PlacedTune, Tune
from lstm_core.orders.order import FREE_KEY, TrackOrder, parse_meter
from lstm_core.orders.plan import TrackPlan, usual_hold
from lstm_core.orders.section_fields import section_ensembles, section_roles
from lstm_core.orders.timing.course import MIN_TAIL_S

_NOT_BESIDE = (
    "primer",
    "form",
    "bridge",
    "hits",
    "tempo_changes",
    "key_changes",
    "meter_changes",
    "rit",
    "fermata",
    "loop_start",
)


def with_melody(order: TrackOrder, tune: Tune) -> TrackOrder:
    """The order in which key, meter, tempo and length that it leaves open are those of its tune.

    Raises:
        OrderError: the order asks for something that does not go with the tune.
    """
    for name in _NOT_BESIDE:
        if getattr(order, name):
            raise OrderError(
                f"{name} and melody do not go together: bars, sections and tempo are those of the tune. Leave one out."
            )
    if order.polyphony < 2:
        raise OrderError(f"polyphony is {order.polyphony}, and the melody takes it all. Write 2 or more.")
    if any(MELODY not in roles for roles in section_roles(order.roles).values()):
        raise OrderError(f'roles, "{order.roles}", leave the melody out, and the order gives one. Add melody to them.')
    num_players = sum(parse_instrument(name)[1] for name in order.instruments)
    if num_players > 1 and any(roles == {MELODY} for roles in section_roles(order.roles).values()):
        raise OrderError(
            f'roles, "{order.roles}", leave nothing to play beside the tune, for which {", ".join(order.instruments)} '
            "are named. Add roles, such as harmony, or name one player."
        )
    if order.meter and str(parse_meter(order.meter)) != str(tune.meter):
        raise OrderError(
            f"melody {order.melody} is in {tune.meter}, the order requests {order.meter}. Leave meter out."
        )
    bpm = order.bpm or tune.bpm
    return replace(
        order,
        key=_key_of(order, tune),
        meter=str(tune.meter),
        bpm=bpm,
        duration_s=order.duration_s or _own_length(order, tune, bpm),
    )


def placed_tune(order: TrackOrder, plan: TrackPlan, tune: Tune) -> PlacedTune:
    """The tune in the key of a track, as often as it goes in as a whole.

    Raises:
        OrderError: it does not fit the track, or its instrument does not have its notes.
    """
    room = _room(order, plan, tune)
    if room < tune.num_bars:
        bpm = order.bpm or tune.bpm
        raise OrderError(
            f"melody {order.melody} has {tune.num_bars} bars, and a track of {order.duration_s:g} s has room for "
            f"{room}. Request duration_s = {_own_length(order, tune, bpm):.2f} or more, or a higher bpm than {bpm:g}."
        )
    notes = tune.notes.copy()
    low, high = int(notes["pitch"].min()), int(notes["pitch"].max())
    program, semitones = _program_of(order, int(notes["program"][0]), low, high, _semitones(plan.key, tune))
    pitches, low, high = notes["pitch"].astype("int64") + semitones, low + semitones, high + semitones
    if low < order.pitch_low or high > order.pitch_high:
        raise OrderError(
            f"melody {order.melody} goes from pitch {low} to {high}, the order allows {order.pitch_low} to "
            f"{order.pitch_high}. Widen pitch_low and pitch_high, or request another key."
        )
    notes["pitch"], notes["program"], notes["part"] = pitches, program, 0
    num_times = 1 + (room - tune.num_bars) // tune.period
    return PlacedTune(notes=notes, num_bars=tune.num_bars, period=tune.period, num_times=num_times, origin=tune.origin)


def _key_of(order: TrackOrder, tune: Tune) -> str:
    """The key of a track that accompanies a tune: a tonic alone is of the tune's mode."""
    if order.key == FREE_KEY:
        return order.key
    if order.key and (has_mode(order.key) or order.scale):
        return order.key
    key = tune.key if not order.key else parse_key(order.key) % 12 + 12 * (tune.key >= 12)
    if key_in_scale(key, order.scale) != key:
        raise OrderError(
            f'scale is "{order.scale}", but melody {order.melody} is in {key_name(tune.key)}. Leave scale out, or give '
            "the key as well."
        )
    return key_name(key)


def _semitones(key: int | None, tune: Tune) -> int:
    """Semitones from a tune to the key of its track, -6 to 5. A key of the other mode has the scale of its relative."""
    if key is None:
        return 0
    return (home_shift(tune.key) - home_shift(key) + 6) % 12 - 6


def _own_length(order: TrackOrder, tune: Tune, bpm: float) -> float:
    """Seconds of the bars of a tune, and those that the last chord needs beside them."""
    tick_s, bar_ticks = 60.0 / bpm / TICKS_PER_QUARTER, tune.meter.bar_ticks
    if order.loop:
        return tune.num_bars * bar_ticks * tick_s
    hold, before = usual_hold(tune.meter), tune.num_bars
    if tune.comes_to_rest:
        hold, before = max(int(tune.notes["duration"][-1]), hold), before - 1
    last_s = max(hold * tick_s + MIN_TAIL_S, bar_ticks * tick_s)  # whole bars are planned: the last chord's is one
    return before * bar_ticks * tick_s + last_s


def _room(order: TrackOrder, plan: TrackPlan, tune: Tune) -> int:
    """Bars of a track that a tune may fill: with that of the last chord where it comes to rest and can die away."""
    if plan.final_bar is None:
        return plan.num_bars
    ticks = plan.final_bar * tune.meter.bar_ticks + int(tune.notes["duration"][-1])
    tail_s = order.duration_s - ticks * 60.0 / plan.bpm / TICKS_PER_QUARTER
    return plan.final_bar + (tune.comes_to_rest and tail_s >= MIN_TAIL_S - 1e-9)


def _program_of(order: TrackOrder, own: int, low: int, high: int, semitones: int) -> tuple[int, int]:
    """The program that plays a tune, and by how many semitones it is moved: a key can be reached up and down.

    It is of the first player of an order that has pitches, else the tune's own.
    """
    names = [(name, parse_instrument(name)[0]) for name in order.instruments]
    if not names:
        names = [
            (instrument_name(programs[0]), tuple(programs))
            for programs, _ in section_ensembles(order.ensemble).get("", ())
        ]
    pitched = [(name, programs) for name, programs in names if programs != (DRUMS,)]
    if names and not pitched:
        raise OrderError(f"melody {order.melody} needs an instrument with pitches. Name one beside drums.")
    name, programs = pitched[0] if pitched else (instrument_name(own), (own,))
    other_way = [semitones - 12 if semitones > 0 else semitones + 12] if semitones else []
    for up in (semitones, *other_way):
        able = [one for one in programs if PROGRAM_RANGES[one][0] <= low + up and high + up <= PROGRAM_RANGES[one][1]]
        if able:
            return own if own in able else able[0], up
    bottom, top = min(PROGRAM_RANGES[one][0] for one in programs), max(PROGRAM_RANGES[one][1] for one in programs)
    raise OrderError(
        f"melody {order.melody} goes from {_pitch_name(low + semitones)} to {_pitch_name(high + semitones)}, and "
        f"{name} plays {_pitch_name(bottom)} to {_pitch_name(top)}. Name another instrument first, or request another "
        "key."
    )


def _pitch_name(pitch: int) -> str:
    return f"{KEY_NAMES[pitch % 12]}{pitch // 12 - 1}"
