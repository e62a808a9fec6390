"""Hits: seconds at which sections begin, as an order gives them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lstm_core.foundation.number_texts import as_number, numbers_apart
from lstm_core.orders.timing.cut_list import is_cut_list, spelled

MAX_HITS = 200  # of one track
HIT_TOLERANCE_S = 0.02  # half a frame of film: less than anyone sees
_HOW = "Write seconds such as [12.5, 31.0], or the name of an .edl or .csv file."


def hits_text(value: Any) -> str:
    """Hits as plain values give them, as the text that an order row holds: seconds with spaces between.

    What is no number is written as it is, so that parse_hits says what is wrong.
    """
    if isinstance(value, str) and is_cut_list(value):
        return value.strip()
    parts = numbers_apart(value) if isinstance(value, str) else value if isinstance(value, Sequence) else [value]
    return " ".join(f"{part}" if (number := as_number(part)) is None else f"{number!r}" for part in parts)


def parse_hits(text: str) -> tuple[float, ...]:
    """The seconds of a text such as "12.5 31.0"; a hit at 0 is the beginning of the track and is left out.

    Raises:
        ValueError: one is no number, negative or no later than the one before, or there are more than MAX_HITS.
    """
    seconds: list[float] = []
    for place, part in enumerate(numbers_apart(text), start=1):
        number = as_number(part)
        if number is None or not math.isfinite(number):
            raise ValueError(f'hit {place} is "{part}", it must be a number of seconds. {_HOW}')
        if number < 0:
            raise ValueError(f"hit {place} is {number:g} s, before the beginning. {_HOW}")
        if seconds and number <= seconds[-1]:
            again = "stands twice" if number == seconds[-1] else f"comes after {seconds[-1]:g} s"
            raise ValueError(f"hits: {number:g} s {again}. Write each once, the earliest first.")
        seconds.append(number)
    if len(seconds) > MAX_HITS:
        raise ValueError(f"hits holds {len(seconds)} seconds, at most {MAX_HITS} are met.")
    return tuple(second for second in seconds if second > 0)


def check_hits(text: str, duration_s: float, num_sections: int) -> None:
    """Raises ValueError for hits that are malformed, at or after the end, or not as many as sections begin.

    `num_sections` are those of the form, 0 without one. The name of a cut list that is not read yet is not judged.
    """
    if is_cut_list(text):
        return
    seconds = parse_hits(text)
    late = [second for second in seconds if second >= duration_s]
    if late:
        raise ValueError(
            f"hits: {spelled(late[:3])} s {'lies' if len(late) == 1 else 'lie'} at or after the end of the track, "
            f"{duration_s:g} s. Leave {'it' if len(late) == 1 else 'them'} out, or order a longer duration_s."
        )
    if num_sections and len(seconds) != num_sections - 1:
        raise ValueError(
            f"hits holds {len(seconds)} seconds after the start, the form has {num_sections} sections, of which "
            f"{num_sections - 1} begin after it. Give one hit for each of these, or leave form out."
        )
