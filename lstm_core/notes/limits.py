"""Bounds on values from files: numbers of notes, durations, tempos, meters, texts."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from lstm_core.foundation.errors import ScoreError
from lstm_core.notes.score import TICKS_PER_QUARTER, Meter, Score, Tempo

MAX_NOTES = 200_000  # the busiest file of freedoom holds 10,013
MAX_DURATION_S = 4 * 3600.0
MAX_NOTE_TICKS = 16 * 4 * TICKS_PER_QUARTER  # a longer note is one whose end was lost; the streams hold at most 384
MIN_BPM, MAX_BPM = 10.0, 600.0
MAX_BAR_TICKS = 8 * 4 * TICKS_PER_QUARTER  # a meter with longer bars, or shorter ones than a sixteenth, is a misprint
MIN_BAR_TICKS = TICKS_PER_QUARTER // 4
MAX_TEXT = 500  # characters of a title or a tag


def check_num_notes(num_notes: int) -> None:
    """Raises ScoreError when a score holds no notes, or more than MAX_NOTES."""
    if num_notes == 0:
        raise ScoreError("holds no notes")
    if num_notes > MAX_NOTES:
        raise ScoreError(f"holds {num_notes:,} notes; the limit is {MAX_NOTES:,}")


def check_duration(score: Score) -> None:
    """Raises ScoreError when a score lasts longer than MAX_DURATION_S."""
    if score.duration_s > MAX_DURATION_S:
        raise ScoreError(f"lasts {score.duration_s / 3600:.1f} hours; the limit is {MAX_DURATION_S / 3600:.0f}")


def tempo_map(rows: Iterable[tuple[int, float]], end_tick: int) -> tuple[Tempo, ...]:
    """Tempos from rows of (tick, bpm) in order of time: starting at tick 0, without repeats, all before `end_tick`.

    Impossible tempos (zero, negative, not finite) are left out, others are clipped to MIN_BPM .. MAX_BPM. Of several at
    one tick the last applies. The tempo before the first is 120, as the MIDI standard says.
    """
    at_tick: dict[int, float] = {0: 120.0}
    for tick, bpm in rows:
        if 0 <= tick < max(end_tick, 1) and 0.0 < bpm < np.inf:
            at_tick[tick] = min(max(bpm, MIN_BPM), MAX_BPM)
    tempos: list[Tempo] = []
    for tick in sorted(at_tick):
        if not tempos or at_tick[tick] != tempos[-1].bpm:
            tempos.append(Tempo(tick=tick, bpm=at_tick[tick]))
    return tuple(tempos)


def meter_map(rows: Iterable[tuple[int, int, int]], end_tick: int) -> tuple[Meter, ...]:
    """Meters from rows of (tick, numerator, denominator): starting at tick 0, all before `end_tick`.

    Left out are those whose bars are no whole number of ticks, shorter than MIN_BAR_TICKS or longer than MAX_BAR_TICKS,
    and repeats that stand on a barline of the same meter (elsewhere a repeat moves the barlines, and stays).
    Before the first meter it is 4/4, as the MIDI standard says.
    """
    at_tick: dict[int, tuple[int, int]] = {0: (4, 4)}
    for tick, numerator, denominator in rows:
        if 0 <= tick < max(end_tick, 1) and _is_possible(numerator, denominator):
            at_tick[tick] = (numerator, denominator)
    meters: list[Meter] = []
    for tick in sorted(at_tick):
        meter = Meter(tick=tick, numerator=at_tick[tick][0], denominator=at_tick[tick][1])
        before = meters[-1] if meters else None
        if before is None or str(before) != str(meter) or (tick - before.tick) % before.bar_ticks:
            meters.append(meter)
    return tuple(meters)


def cleaned_text(value: object) -> str:
    """Printable text on one line, at most MAX_TEXT characters; empty for None."""
    text = "" if value is None else str(value)
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:MAX_TEXT]


def _is_possible(numerator: int, denominator: int) -> bool:
    """Whether bars of this meter lie on our grid and are of a length that music has."""
    if not (1 <= numerator <= 255 and 1 <= denominator <= 64) or denominator & (denominator - 1):
        return False
    bar_ticks, rest = divmod(numerator * 4 * TICKS_PER_QUARTER, denominator)
    return rest == 0 and MIN_BAR_TICKS <= bar_ticks <= MAX_BAR_TICKS
