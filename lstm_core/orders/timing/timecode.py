"""Timecodes of film and video: which frame one names, and at which second it is seen (SMPTE ST 12-1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

TIMECODE = re.compile(r"\d{1,2}[:;]\d{2}[:;]\d{2}[:;]\d{2}")
DROPPED = (
    2  # frame numbers that drop-frame leaves out at each minute but every tenth: 29.97 keeps step with the clock so
)
_DROP_WORDS = {"": None, "df": True, "drop": True, "ndf": False, "non-drop": False}


@dataclass(frozen=True, kw_only=True)
class FrameRate:
    name: str
    count: int  # frame numbers in a second of timecode
    per_second: Fraction  # frames that are seen in a second


RATES = {
    rate.name: rate
    for rate in (
        FrameRate(name="23.976", count=24, per_second=Fraction(24000, 1001)),
        FrameRate(name="24", count=24, per_second=Fraction(24)),
        FrameRate(name="25", count=25, per_second=Fraction(25)),
        FrameRate(name="29.97", count=30, per_second=Fraction(30000, 1001)),
        FrameRate(name="30", count=30, per_second=Fraction(30)),
    )
}
DROP_RATE = RATES["29.97"]  # the only one of them that is counted with drop-frame
_ALIASES = {"23.98": "23.976", "24.0": "24", "25.0": "25", "30.0": "30"}


def parse_fps(text: str) -> tuple[FrameRate, bool | None]:
    """The frame rate of a text such as "25", "29.97" or "29.97df", and whether it is drop-frame; None: not said.

    Raises:
        ValueError: it is none of RATES.
    """
    found = re.fullmatch(r"\s*([\d.]+)\s*([a-z-]*)\s*", text.lower())
    name = "" if found is None else _ALIASES.get(found[1], found[1])
    if found is None or name not in RATES or found[2] not in _DROP_WORDS:
        raise ValueError(f'hits_fps is "{text}", it must be one of {", ".join(RATES)}, 29.97df or 29.97ndf.')
    rate, is_drop = RATES[name], _DROP_WORDS[found[2]]
    if is_drop and rate is not DROP_RATE:
        raise ValueError(f'hits_fps is "{text}": drop-frame is counted at {DROP_RATE.name} alone.')
    return rate, is_drop


def frame_of(timecode: str, rate: FrameRate, *, is_drop: bool = False) -> int:
    """The number of frames before the one that a timecode names, from 00:00:00:00 on.

    Raises:
        ValueError: there is no such timecode at this rate.
    """
    hours, minutes, seconds, frames = map(int, re.split("[:;]", timecode))
    if hours > 23 or minutes > 59 or seconds > 59 or frames >= rate.count:
        raise ValueError(f"{timecode} is no timecode at {rate.name} frames per second")
    whole = 60 * hours + minutes
    if is_drop and seconds == 0 and minutes % 10 and frames < DROPPED:
        raise ValueError(f"{timecode} does not exist in drop-frame, which leaves frames 00 and 01 of this minute out")
    number = (60 * whole + seconds) * rate.count + frames
    return number - DROPPED * (whole - whole // 10) if is_drop else number
