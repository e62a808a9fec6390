"""The bars of a track whose tempo moves: with hits, with tempos of sections, or slowing to its end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate, pairwise, product

import numpy as np

from lstm_core.foundation.elementary.powers import log_of
from lstm_core.foundation.errors import OrderError
from lstm_core.notes.limits import MIN_BPM as SLOWEST_WRITTEN
from lstm_core.notes.score import TICKS_PER_QUARTER, Meter, Tempo
from lstm_core.orders.changes.meters import first_meter, meters_of
from lstm_core.orders.form_text import SectionSpec, fit_form, parse_form
from lstm_core.orders.order import MAX_BPM, MIN_BPM, TrackOrder
from lstm_core.orders.section_fields import held_on, section_tempos
from lstm_core.orders.timing.hits import parse_hits
from lstm_core.orders.timing.slowing import Floats, Slowing, bar_seconds
from lstm_core.orders.timing.stretches import Stretch, filled_at, filled_near

TEMPO_TOLERANCE = 0.03  # share by which a tempo that is not exact may be moved to make bars and length agree
MIN_TAIL_S = 1.0  # the last chord of a track that ends gets this long to die away
_LEAVE_OUT = ", or leave out the bars of a section, which then fills the rest"
_EXACT = 1e-7  # tolerance of an exact tempo: half a sample in a minute
_MOST_TAIL_BARS = 40  # from the last chord on, where bars are short
_NEAR_BARS = 8  # around the likely number of bars others are tried
_CHANGED = 3  # of them, the nearest ones, are tried with one letter longer or shorter
_CHANGES = (1, -1, 2, -2, 3, -3, 4, -4)  # bars by which a letter is made longer where its usual ones do not fit


@dataclass(frozen=True, kw_only=True)
class Course:
    """The bars of a track and how fast they are played."""

    bpm: float  # of the first section as it is played; of hits the tempo that their stretches are near
    num_bars: int  # up to the last chord
    final_bar: int | None
    final_hold_ticks: int
    tempos: tuple[Tempo, ...] = ()  # where there is more than one
    section_bars: tuple[int, ...] = ()  # of each section of the form
    hit_bars: tuple[int, ...] = ()  # that begin on the hits


@dataclass(frozen=True, kw_only=True)
class _Bars:
    """Bars of sections or stretches with their tempos, which fill the length of a track."""

    bpm: float
    counts: Sequence[int]
    tempos: Sequence[float]
    meters: Sequence[Meter]

    @property
    def ticks(self) -> list[int]:
        """The length of each bar."""
        lengths = [meter.bar_ticks for meter in self.meters]
        return [ticks for ticks, count in zip(lengths, self.counts, strict=True) for _ in range(count)]

    def lengths(self, slowing: Slowing, tail_bars: int) -> Floats:
        """Seconds of each bar: float64 [bars]; the last `tail_bars` begin with the last chord, 0: there is none."""
        num_bars = sum(self.counts)
        bar_s = [bar_seconds(bpm, meter) for bpm, meter in zip(self.tempos, self.meters, strict=True)]
        weights = slowing.bar_weights(num_bars, num_bars - tail_bars if tail_bars else None)
        lengths: Floats = weights * np.repeat(bar_s, self.counts)
        return lengths


def is_moving(order: TrackOrder) -> bool:
    """Whether tempo or meter of a track move, so that its bars come from `moving_course`."""
    return bool(order.hits or order.tempo_changes or order.meter_changes or order.rit or order.fermata)


def moving_course(order: TrackOrder, drawn_bpm: float) -> Course:
    """The bars and tempos that meet an order. The last chord comes as late as leaves it MIN_TAIL_S to die away.

    Raises:
        OrderError: bars and tempos do not fill the length, or hits cannot be met; the message says what would.
    """
    meters = meters_of(order, parse_form(order.form)) if order.form else [first_meter(order)]
    slowing = Slowing(meter=meters[-1], rit=order.rit, fermata=order.fermata)
    found: Course | None = None
    for tail_bars in (0,) if order.loop else range(1, _MOST_TAIL_BARS):
        try:
            if (order.tempo_changes or order.meter_changes) and not order.hits:
                bars = _bars_of_sections(order, meters, slowing, drawn_bpm, tail_bars)
            else:
                bars = _bars_between_hits(order, meters, slowing, drawn_bpm, tail_bars)
        except OrderError:
            if found is None:
                raise
            break
        found, has_tail = _course(order, slowing, bars, tail_bars)
        if has_tail:
            break
    assert found is not None
    return found


def _course(order: TrackOrder, slowing: Slowing, bars: _Bars, tail_bars: int) -> tuple[Course, bool]:
    """The course of bars whose last `tail_bars` begin with the last chord, and whether they leave it time enough."""
    counts, meter = [*bars.counts], slowing.meter
    bar_bpm = np.repeat(np.asarray(bars.tempos, dtype=np.float64), counts)
    starts = [0, *accumulate(bars.ticks)]
    final_bar, hold, has_tail = None, 0, True
    if not order.loop:
        final_bar = len(bar_bpm) - tail_bars
        lengths = bars.lengths(slowing, tail_bars)
        unit = min(TICKS_PER_QUARTER, meter.bar_ticks)
        unit_s = unit * 60.0 / (bar_bpm[final_bar] * slowing.chord_share) / TICKS_PER_QUARTER
        num_units = math.floor((order.duration_s - lengths[:final_bar].sum() - MIN_TAIL_S) / unit_s + 1e-9)
        hold, has_tail = unit * max(1, min(num_units, math.ceil(meter.bar_ticks / 2 / unit))), num_units >= 1
        counts[-1] -= tail_bars - 1
        bar_bpm = bar_bpm[: final_bar + 1]
    tempos = slowing.tempos(bar_bpm, starts, final_bar)
    slowest = min(tempo.bpm for tempo in tempos)
    if slowest < SLOWEST_WRITTEN:
        raise OrderError(
            f"rit and fermata slow the last chord to {slowest:.1f} bpm, at least {SLOWEST_WRITTEN:g} is written. "
            "Order a higher bpm, less rit or no fermata."
        )
    hit_bars = [*accumulate(counts)][:-1]
    course = Course(
        bpm=bars.bpm if len(tempos) > 1 else tempos[0].bpm,
        num_bars=len(bar_bpm),
        final_bar=final_bar,
        final_hold_ticks=hold,
        tempos=tempos if len(tempos) > 1 else (),
        section_bars=tuple(counts) if order.form and (order.hits or order.tempo_changes or order.meter_changes) else (),
        hit_bars=tuple(hit_bars) if order.hits else (),
    )
    return course, has_tail


def _bars_between_hits(
    order: TrackOrder, meters: Sequence[Meter], slowing: Slowing, drawn_bpm: float, tail_bars: int
) -> _Bars:
    """Bars of each stretch between hits; without hits of the whole length as one stretch."""
    hits = parse_hits(order.hits)
    sections = parse_form(order.form) if order.form else ()
    written, asked = [section.num_bars for section in sections], tempos_of(sections, order.tempo_changes)
    if len(written) != len(hits) + 1:  # hits without a form, or a form without hits
        is_whole = len(hits) == 0 and written and None not in written and not order.bpm
        written = [sum(count or 0 for count in written) if is_whole else None] * (len(hits) + 1)
        asked = [None] * (len(hits) + 1)
        meters = [meters[0]] * (len(hits) + 1)
    edges = (0.0, *hits, order.duration_s)
    stretches = [
        Stretch(
            start_s=start,
            stop_s=stop,
            meter=meter,
            tolerance=_EXACT if order.exact_tempo else TEMPO_TOLERANCE,
            num_bars=count,
            bpm=bpm,
        )
        for (start, stop), count, bpm, meter in zip(pairwise(edges), written, asked, meters, strict=True)
    ]
    if not order.loop:
        fewest = max(slowing.fewest_bars(tail_bars), 0 if hits else tail_bars + 1)
        more_bars = slowing.more_bars(tail_bars)
        stretches[-1] = replace(stretches[-1], fewest=fewest, more_bars=more_bars, may_ring=True)
    if order.bpm:
        bpm, filled = order.bpm, filled_at(stretches, order.bpm, is_loop=order.loop)
    else:
        bpm, filled = filled_near(stretches, drawn_bpm, MIN_BPM, MAX_BPM, is_loop=order.loop)
    first = asked[0] or bpm
    tempos = [first if order.exact_tempo else tempo for _, tempo in filled]
    return _Bars(bpm=first if hits else tempos[0], counts=[count for count, _ in filled], tempos=tempos, meters=meters)


def _bars_of_sections(
    order: TrackOrder, meters: Sequence[Meter], slowing: Slowing, drawn_bpm: float, tail_bars: int
) -> _Bars:
    """Bars of each section, at tempos that are moved by one factor; a tempo that nobody asked for may be any."""
    sections = parse_form(order.form)
    asked = tempos_of(sections, order.tempo_changes)
    base = order.bpm or drawn_bpm
    tempos = [bpm or base for bpm in asked]

    def placed(counts: Sequence[int]) -> _Bars:
        return _Bars(bpm=tempos[0], counts=counts, tempos=tempos, meters=meters)

    def lasts(counts: Sequence[int]) -> float:
        return float(placed(counts).lengths(slowing, tail_bars).sum())

    fewest = slowing.fewest_bars(tail_bars) if not order.loop else 1 + order.loop_start
    slowed = fewest if order.meter_changes and not order.loop else tail_bars  # bars of rit are in the last meter
    possible = [
        counts
        for counts in _possible_bars(order, sections, tuple(tempos), tuple(meters))
        if sum(counts) >= fewest and counts[-1] >= slowed
    ]
    possible = [one for one in possible if order.loop_start in (0, *accumulate(one[:-1]))] or possible
    if not possible:
        raise OrderError("The last sections are too short for rit and the last chord. Give them more bars.")
    tolerance = _EXACT if order.exact_tempo else TEMPO_TOLERANCE
    counts = min(possible, key=lambda one: abs(log_of(lasts(one) / order.duration_s)))
    counts = next((one for one in possible if abs(lasts(one) / order.duration_s - 1.0) <= tolerance), counts)
    factor = lasts(counts) / order.duration_s
    is_near, has_open_bars = abs(factor - 1.0) <= tolerance, None in [section.num_bars for section in sections]
    lengths = placed(counts).lengths(slowing, tail_bars)
    is_base = np.repeat([bpm is None and not order.bpm for bpm in asked], counts)
    left_s = order.duration_s - float(lengths[~is_base].sum())
    fitted = float(lengths[is_base].sum()) * base / left_s if left_s > 0 else 0.0
    if MIN_BPM <= fitted <= MAX_BPM and not (is_near and has_open_bars):  # what is asked stays as it is
        tempos = [bpm or fitted for bpm in asked]
    elif is_near:
        tempos = tempos if order.exact_tempo else [bpm * factor for bpm in tempos]
    else:
        raise OrderError(_no_fit(order, tempos, meters, sorted(map(lasts, possible))))
    return placed(counts)


@lru_cache(maxsize=4)  # the same for every bar in which the last chord may stand
def _possible_bars(
    order: TrackOrder, sections: tuple[SectionSpec, ...], tempos: tuple[float, ...], meters: tuple[Meter, ...]
) -> list[list[int]]:
    """Bars of sections that last about as long as a track, the likeliest first; where all are written those alone.

    Around the likely number of bars each is filled as fit_form does it; then those with one letter longer or shorter.
    """
    if None not in (written := [section.num_bars for section in sections]):
        return [[count or 0 for count in written]]
    fitted: list[list[int]] = []
    refusal: ValueError | None = None
    seconds = np.array([bar_seconds(bpm, meter) for bpm, meter in zip(tempos, meters, strict=True)])
    num_bars = max(round(order.duration_s / float(seconds.mean())), len(sections))
    near = max(_NEAR_BARS, len(sections))
    for turn in range(4):
        around = sorted(range(max(num_bars - near, 1), num_bars + near + 1), key=lambda bars: abs(bars - num_bars))
        for bars in around:
            try:
                counts = fit_form(
                    sections,
                    bars,
                    is_loop=order.loop,
                    loop_start=order.loop_start,
                    bpm=tempos[0],
                    bar_quarters=meters[0].bar_ticks / TICKS_PER_QUARTER,
                )
            except ValueError as error:
                refusal = refusal or error
                continue
            if turn < 3:
                num_bars = max(round(bars * order.duration_s / float((seconds * counts).sum())), 1)
                break
            fitted.append(counts)
    if not fitted:
        raise OrderError(str(refusal))
    letters = dict.fromkeys(section.letter for section in sections if section.num_bars is None)
    changed = [
        [count + more * (section.letter == letter) for count, section in zip(counts, sections, strict=True)]
        for more, letter, counts in product(_CHANGES, letters, fitted[:_CHANGED])
    ]
    return fitted + [counts for counts in changed if min(counts) > 0]


def tempos_of(sections: Sequence[SectionSpec], tempo_changes: str) -> list[float | None]:
    """The tempo of each section: its own or that of the section before it; None until the first that has one."""
    return held_on(section_tempos(tempo_changes), sections)


def _no_fit(order: TrackOrder, tempos: Sequence[float], meters: Sequence[Meter], lengths: Sequence[float]) -> str:
    below = [length for length in lengths if length <= order.duration_s][-1:]
    above = [length for length in lengths if length > order.duration_s][:1]
    near = " or ".join(f"{length:.3f}" for length in (*below, *above))
    moved = "kept exactly" if order.exact_tempo else f"moved together by {100 * TEMPO_TOLERANCE:g} % at most"
    sections = ", ".join(dict.fromkeys(f"{bpm:.4g}" for bpm in tempos))
    spelled = list(dict.fromkeys(map(str, meters)))
    in_meters = f" in {', '.join(spelled)}" if len(spelled) > 1 else ""
    return (
        f"Sections at {sections} bpm{in_meters}, {moved}, do not fill {order.duration_s:g} s: they last {near} s. "
        f"Order that as duration_s, or other tempos{_LEAVE_OUT if ':' in order.form else ''}."
    )
