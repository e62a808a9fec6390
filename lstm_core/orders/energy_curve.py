"""How the energy of a track goes: a number, a curve or a word, and its value in each bar."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.number_texts import as_number, numbers_apart
from lstm_core.foundation.plain import nearest

SHAPES = {"rise": (0.2, 1.0), "fall": (1.0, 0.2), "arc": (0.3, 1.0, 0.4)}
MAX_POINTS = 1000  # of a curve
_HOW = 'Write a number from 0 to 1, a curve such as [0.2, 0.5, 1.0], or "rise", "fall" or "arc".'


def parse_energy(value: str | float | Sequence[float]) -> tuple[float, ...]:
    """The points of an energy curve, each 0 to 1, at equal distances from the first bar to the last.

    A number is a curve of one point; a word one of SHAPES; a text may hold numbers too, as tables do: "0.2 0.5 1".

    Raises:
        ValueError: a point is no number from 0 to 1, there are none or more than MAX_POINTS, or a word is unknown.
    """
    if isinstance(value, str):
        word = value.strip().lower()
        if word in SHAPES:
            return SHAPES[word]
        points: Sequence[object] = numbers_apart(value)
    else:
        points = value if isinstance(value, Sequence) else [value]
    if not points:
        raise ValueError(f"energy holds no points. {_HOW}")
    if len(points) > MAX_POINTS:
        raise ValueError(f"energy holds {len(points)} points, at most {MAX_POINTS} are read.")
    curve = []
    for place, point in enumerate(points, start=1):
        where = "energy" if len(points) == 1 else f"point {place} of energy"
        number = as_number(point)
        if number is None:
            shown = f'"{point}"' if isinstance(point, str) else repr(point)
            raise ValueError(f"{where} is {shown}. {nearest(str(point), SHAPES, otherwise=_HOW)}")
        if not 0.0 <= number <= 1.0:
            raise ValueError(f"{where} is {number:g}, it must be 0 to 1. {_HOW}")
        curve.append(number)
    return tuple(curve)


def energy_text(value: str | float | Sequence[float]) -> str:
    """A value that parse_energy takes as the text that an order row holds: a word, or numbers with spaces between.

    What is no energy is written as it is, so that parse_energy says what is wrong.
    """
    points = numbers_apart(value) if isinstance(value, str) else value if isinstance(value, Sequence) else [value]
    return " ".join(str(point) if as_number(point) is None else f"{as_number(point)!r}" for point in points)


def energy_of_bars(curve: Sequence[float], num_bars: int) -> npt.NDArray[np.float64]:
    """Energy of each bar: float64 [num_bars].

    Between the points of the curve it is a line, from the first bar to the last; where there are more points than
    bars, each bar has the mean of its stretch.
    """
    points = np.asarray(curve, dtype=np.float64)
    places = np.linspace(0.0, 1.0, len(points))
    if num_bars >= len(points):
        return np.interp(np.linspace(0.0, 1.0, num_bars), places, points)
    areas = np.concatenate([[0.0], np.cumsum((points[1:] + points[:-1]) / 2.0 * np.diff(places))])
    edges = np.linspace(0.0, 1.0, num_bars + 1)
    segment = np.minimum((edges * (len(points) - 1)).astype(np.int64), len(points) - 2)
    at_edges = np.interp(edges, places, points)
    area = areas[segment] + (points[segment] + at_edges) / 2.0 * (edges - places[segment])
    means: npt.NDArray[np.float64] = np.clip(np.diff(area) * num_bars, points.min(), points.max())
    return means
