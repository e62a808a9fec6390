"""Values of settings that an order draws: from a list of choices, or from a range."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from lstm_core.foundation.errors import OrderError
from lstm_core.orders.section_fields import BY_SECTION

_LISTS = (
    "instruments",
    "ensemble",
    "roles",
    "bridge",
    "parts",
    "between",
)  # settings whose value is a list itself: choices are lists of lists


def is_choice(key: str, value: Any) -> bool:
    """Whether a setting is a list to draw from or a range."""
    if key in BY_SECTION and isinstance(value, Mapping):
        return any(is_choice(key, part) for part in value.values())
    if key in ("energy", "hits") and isinstance(value, list):
        return not all(isinstance(item, int | float) for item in value)  # numbers are a curve, or seconds
    if key in _LISTS:
        return isinstance(value, list) and len(value) > 0 and all(isinstance(item, list) for item in value)
    return isinstance(value, list | Mapping)


def draw_value(key: str, value: Any, random: np.random.Generator) -> Any:
    """The value of a setting, drawn where it is a choice.

    Raises:
        OrderError: there is nothing to draw from.
    """
    if key in BY_SECTION and isinstance(value, Mapping):
        return {section: draw_value(key, part, random) for section, part in value.items()}
    if isinstance(value, float) and math.isnan(value):
        raise OrderError(f"{key} is nan. Leave it out, or write a value.")
    if isinstance(value, Mapping):
        return _draw_from_range(key, value, random)
    if not is_choice(key, value):
        return value
    if not value:
        raise OrderError(f"{key} is an empty list: there is nothing to draw from.")
    return value[int(random.integers(len(value)))]


def _draw_from_range(key: str, given: Mapping[str, Any], random: np.random.Generator) -> float:
    numbers = {name: value for name, value in given.items() if isinstance(value, int | float)}
    is_whole = {"min", "max"} <= set(given) <= {"min", "max", "step"} and len(numbers) == len(given)
    is_whole = is_whole and all(map(math.isfinite, numbers.values()))
    if not is_whole or not numbers["min"] <= numbers["max"] or numbers.get("step", 1) <= 0:
        raise OrderError(
            f"{key} is {dict(given)}: a range is {{ min = ..., max = ..., step = ... }}, min up to max, step above 0."
        )
    low, high = numbers["min"], numbers["max"]
    step = numbers.get("step", 1 if isinstance(low, int) and isinstance(high, int) else 0)
    if not step:
        return float(random.uniform(low, high))
    count = int((high - low) / step + 1e-9) + 1
    if count >= 1 << 62:
        raise OrderError(f"{key} is {dict(given)}: these are too many values to draw from. Write a larger step.")
    return low + step * int(random.integers(0, count))
