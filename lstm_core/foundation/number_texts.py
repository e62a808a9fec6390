"""Lists of numbers as people write them: "0.2, 0.5 1", "[12.5; 31]"."""

from __future__ import annotations

import re


def numbers_apart(text: str) -> list[str]:
    """The numbers of a list, as they are written."""
    return [part for part in re.split(r"[\s,;|]+", text.strip().strip("[]()")) if part]


def as_number(part: object) -> float | None:
    """A number, which may be NaN or infinite; None of what is none."""
    if isinstance(part, bool) or not isinstance(part, str | int | float):
        return None
    try:
        return float(part)
    except (ValueError, OverflowError):
        return None
