"""The plan that meets an order: bars, tempo, key, samples."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.errors import OrderError
from lstm_core.notes.instruments import parse_instrument
from lstm_core.notes.score import DRUMS, TICKS_PER_QUARTER, KeyChange, Meter, Tempo
from lstm_core.orders.changes.keys import keys_of_sections
from lstm_core.orders.changes.meters import first_meter, meter_map, meters_of
from lstm_core.orders.form_text import fit_form, form_fits, parse_form
from lstm_core.orders.order import MAX_BPM, MIN_BPM, TrackOrder, drawn_number, parse_meter
from lstm_core.orders.timing.bridge import bridge_tempos, is_unread
from lstm_core.orders.timing.course import MIN_TAIL_S, TEMPO_TOLERANCE, Course, is_moving, moving_course
from lstm_core.orders.timing.cue import cue_bars, cue_of
from lstm_core.orders.track_key import key_of_track
from lstm_core.representations.plan.layout import Ints

NEAREST_BARS = 16  # more or fewer than the drawn tempo gives, for a form that fills a loop evenly


@dataclass(frozen=True, kw_only=True)
class TrackPlan:
    """How an order is met; every number is exact."""

    num_samples: int
    meter: Meter
    bpm: float  # as played: the bars fill the length with it; where the tempo moves the main one
    num_bars: int  # that the model fills
    final_bar: int | None  # bar of the last chord, None for a loop
    final_hold_ticks: int  # longest note of the last chord
    key: int | None  # 0..23, None for FREE_KEY
    programs: tuple[tuple[int, ...], ...]  # General MIDI programs of each requested player
    tempos: tuple[Tempo, ...] = ()  # where there is more than one
    section_bars: tuple[int, ...] = ()  # of each section of the form, where hits or what changes make them matter
    hit_bars: tuple[int, ...] = ()  # that begin on the hits
    section_keys: tuple[int, ...] = ()  # of each section of the form, where they differ; `key` is that of the first
    section_meters: tuple[Meter, ...] = ()  # the same of meters, each as if it began at tick 0

    @property
    def total_ticks(self) -> int:
        """Ticks of all bars."""
        return self.tick_of(self.num_bars)

    @property
    def bar_ticks(self) -> Ints:
        """The length of each bar: int64 [num_bars]."""
        if not self.section_meters:
            return np.full(self.num_bars, self.meter.bar_ticks, dtype=np.int64)
        lengths = [meter.bar_ticks for meter in self.section_meters]
        return np.repeat(lengths, self.section_bars)

    @property
    def barlines(self) -> Ints:
        """Ticks at which bars begin, and the end of the last: int64 [num_bars + 1]."""
        return np.concatenate([[0], np.cumsum(self.bar_ticks)])

    def tick_of(self, bar: int) -> int:
        """The tick at which a bar begins."""
        return int(self.barlines[bar]) if self.section_meters else bar * self.meter.bar_ticks

    def bars_at(self, ticks: npt.NDArray[np.integer[Any]]) -> Ints:
        """The bars that ticks lie in, the last one for those after it: int64, shape of `ticks`."""
        bars = np.searchsorted(self.barlines, ticks, side="right") - 1
        return np.clip(bars, 0, self.num_bars - 1)

    @property
    def meters(self) -> tuple[Meter, ...]:
        """The meters, the first at tick 0."""
        first = Meter(tick=0, numerator=self.meter.numerator, denominator=self.meter.denominator)
        return meter_map(self.section_meters, self.section_bars) if self.section_meters else (first,)

    @property
    def last_meter(self) -> Meter:
        """The meter that it ends in."""
        return self.section_meters[-1] if self.section_meters else self.meter

    @property
    def keys(self) -> tuple[KeyChange, ...]:
        """The keys where there are several."""
        found: list[KeyChange] = []
        for bar, key in zip(accumulate((0, *self.section_bars)), self.section_keys, strict=False):
            if not found or found[-1].key != key:
                found.append(KeyChange(tick=self.tick_of(bar), key=key))
        return tuple(found)

    @property
    def last_key(self) -> int | None:
        """The key that it ends in."""
        return self.section_keys[-1] if self.section_keys else self.key


def plan_track(order: TrackOrder) -> TrackPlan:
    """The bars, tempo and key that meet an order.

    Raises:
        OrderError: no whole number of bars fits the length, or nothing is left to play; the message says what would.
    """
    meter = first_meter(order) if order.meter_changes else parse_meter(order.meter)
    if order.bridge:
        course = _bridge_course(order, meter)
    elif cue_of(order.form):
        course = _cue_course(order, meter)
    elif is_moving(order):
        course = moving_course(order, draw_bpm(order.plan_seed))
    else:
        course = _steady_course(order, meter)
    players = [parse_instrument(name) for name in order.instruments]
    programs = tuple(programs for programs, count in players for _ in range(count))
    key = key_of_track(order, is_drums_only=bool(programs) and all(names == (DRUMS,) for names in programs))
    section_keys = _section_keys(order, key)
    return TrackPlan(
        num_samples=round(order.duration_s * order.sample_rate),
        meter=meter,
        bpm=course.bpm,
        num_bars=course.num_bars,
        final_bar=course.final_bar,
        final_hold_ticks=course.final_hold_ticks,
        key=key,
        programs=programs,
        tempos=course.tempos,
        section_bars=course.section_bars or (_section_bars(order, meter, course) if section_keys else ()),
        hit_bars=course.hit_bars,
        section_keys=section_keys,
        section_meters=_section_meters(order),
    )


def _bridge_course(order: TrackOrder, meter: Meter) -> Course:
    if is_unread(order):
        bpm = order.bpm or draw_bpm(order.plan_seed)
        order = replace(order, bpm=bpm, bridge_bpm=bpm)
    if not order.bridge_bpm:
        raise OrderError(f'bridge is "{order.bridge}": it joins tracks of one order file, a row alone cannot be one.')
    tempos = bridge_tempos(order, meter)
    return Course(
        bpm=order.bpm,
        num_bars=order.bridge_bars,
        final_bar=None,
        final_hold_ticks=0,
        tempos=tempos if len(tempos) > 1 else (),
    )


def _cue_course(order: TrackOrder, meter: Meter) -> Course:
    try:
        bars = cue_bars(order, meter, slowest=MIN_BPM, fastest=MAX_BPM)
    except ValueError as error:
        raise OrderError(str(error)) from error
    final_bar = bars.num_bars - 1
    return Course(bpm=bars.bpm, num_bars=bars.num_bars, final_bar=final_bar, final_hold_ticks=bars.hold_ticks)


def _steady_course(order: TrackOrder, meter: Meter) -> Course:
    num_bars, bpm = _fit_form(order, meter, *_fit_bars(order, meter))
    final_bar, hold = (None, 0) if order.loop else _ending(num_bars, bpm, meter, order.duration_s)
    num_bars = num_bars if final_bar is None else final_bar + 1
    return Course(bpm=bpm, num_bars=num_bars, final_bar=final_bar, final_hold_ticks=hold)


def _fit_bars(order: TrackOrder, meter: Meter) -> tuple[int, float]:
    """Number of whole bars for the length of an order, and the tempo at which they are played."""
    quarters = meter.bar_ticks / TICKS_PER_QUARTER
    bpm = order.bpm or _tempo_of_form(order, quarters) or draw_bpm(order.plan_seed)
    exact_bars = order.duration_s * bpm / (60.0 * quarters)
    shortest = 1 + order.loop_start if order.loop else 2
    num_bars = max(shortest, round(exact_bars))
    fitted = bpm * num_bars / exact_bars
    if order.melody and not order.loop:  # no bar needs to be filled: the tempo is kept
        num_bars = math.floor(exact_bars + 1e-9)
        if num_bars >= shortest:
            return num_bars, bpm
    elif not order.bpm:  # no tempo was requested: any in the range will do
        if fitted <= MAX_BPM:
            return num_bars, fitted
    elif order.exact_tempo:
        if round(num_bars * quarters * 60.0 / bpm * order.sample_rate) == round(order.duration_s * order.sample_rate):
            return num_bars, bpm
    elif abs(num_bars / exact_bars - 1.0) <= TEMPO_TOLERANCE:
        return num_bars, fitted
    num_bars = math.floor(exact_bars + 1e-9)
    if num_bars < shortest and not (order.loop and order.bpm and exact_bars > shortest - TEMPO_TOLERANCE):
        fastest = order.bpm or MAX_BPM
        raise OrderError(
            f"duration_s is {order.duration_s:g}: {'at' if order.bpm else 'even at'} {fastest:g} bpm in {meter} "
            f"{_spoken_kind(order)} needs at least {shortest} "
            f"bar{'s' if shortest > 1 else ''}, {shortest * 60 * quarters / fastest:.2f} s. Request that"
            f"{', or a higher bpm' if order.bpm else ', or a shorter meter'}."
        )
    if order.loop:
        raise OrderError(_no_loop(order, bpm, exact_bars, quarters))
    return num_bars, bpm


def _fit_form(order: TrackOrder, meter: Meter, num_bars: int, bpm: float) -> tuple[int, float]:
    """The nearest number of bars that the form of a loop can fill, and its tempo; the same where there is none.

    A tempo that is given moves by TEMPO_TOLERANCE at most, one that is drawn to any that bars may have.
    """
    sections = parse_form(order.form) if order.form else ()
    if not order.loop or not sections or order.exact_tempo:
        return num_bars, bpm
    counts = range(max(1, num_bars - NEAREST_BARS), num_bars + NEAREST_BARS + 1)
    for loop_start in dict.fromkeys((order.loop_start, 0)):  # without it for the message alone
        for count in sorted(counts, key=lambda n: abs(n - num_bars)):
            moved = bpm * count / num_bars
            is_near = abs(moved / order.bpm - 1.0) <= TEMPO_TOLERANCE if order.bpm else MIN_BPM <= moved <= MAX_BPM
            if is_near and form_fits(sections, count, loop_start):
                return count, moved
    return num_bars, bpm


def _tempo_of_form(order: TrackOrder, quarters: float) -> float:
    """The tempo at which a form whose bars are all written fills the length; 0 if there is none."""
    bars = [section.num_bars for section in parse_form(order.form)] if order.form else [None]
    bpm = sum(count or 0 for count in bars) * quarters * 60.0 / order.duration_s
    return bpm if None not in bars and MIN_BPM <= bpm <= MAX_BPM else 0.0


def usual_hold(meter: Meter) -> int:
    """Ticks that the last chord is held where there is time: about half a bar."""
    unit = min(TICKS_PER_QUARTER, meter.bar_ticks)
    return unit * max(1, math.ceil(meter.bar_ticks / 2 / unit))


def _ending(num_bars: int, bpm: float, meter: Meter, duration_s: float) -> tuple[int, int]:
    """Bar of the last chord and the ticks it is held: as long as leaves MIN_TAIL_S, usual_hold at most."""
    unit = min(TICKS_PER_QUARTER, meter.bar_ticks)
    tick_s = 60.0 / bpm / TICKS_PER_QUARTER
    final_bar, num_units = num_bars - 1, 0
    while True:
        left_s = duration_s - final_bar * meter.bar_ticks * tick_s
        num_units = math.floor((left_s - MIN_TAIL_S) / (unit * tick_s) + 1e-9)
        if num_units >= 1 or final_bar <= 1:
            break
        final_bar -= 1
    return final_bar, max(unit, min(unit * num_units, usual_hold(meter)))


def _section_keys(order: TrackOrder, key: int | None) -> tuple[int, ...]:
    try:
        return () if key is None else keys_of_sections(order, key)
    except ValueError as error:
        raise OrderError(str(error)) from error


def _section_meters(order: TrackOrder) -> tuple[Meter, ...]:
    meters = meters_of(order, parse_form(order.form)) if order.meter_changes else []
    return tuple(meters) if len(set(map(str, meters))) > 1 else ()


def _section_bars(order: TrackOrder, meter: Meter, course: Course) -> tuple[int, ...]:
    try:
        bars = fit_form(
            parse_form(order.form),
            course.num_bars,
            is_loop=order.loop,
            loop_start=order.loop_start,
            bpm=course.bpm,
            bar_quarters=meter.bar_ticks / TICKS_PER_QUARTER,
        )
    except ValueError as error:
        raise OrderError(str(error)) from error
    return tuple(bars)


def _spoken_kind(order: TrackOrder) -> str:
    if order.loop_start:
        return f"a loop after an intro of {order.loop_start} bar{'s' if order.loop_start > 1 else ''}"
    return "a loop" if order.loop else "a track that ends"


def _no_loop(order: TrackOrder, bpm: float, exact_bars: float, quarters: float) -> str:
    below, above = max(math.floor(exact_bars), 1 + order.loop_start), math.ceil(exact_bars)
    lengths = " or ".join(f"{bars * quarters * 60.0 / bpm:.3f}" for bars in sorted({below, above}))
    tempos = " or ".join(f"{bars * quarters * 60.0 / order.duration_s:.2f}" for bars in sorted({below, above}))
    return (
        f"A loop of {order.duration_s:g} s at {'exactly ' if order.exact_tempo else ''}{bpm:g} bpm in {order.meter} "
        f"would be {exact_bars:.2f} bars, it must be a whole number. Request {lengths} s, or {tempos} bpm."
    )


def draw_bpm(seed: int) -> float:
    """A tempo from 80 to 132 for an order that names none."""
    return 80.0 + drawn_number("bpm", seed) % 53
